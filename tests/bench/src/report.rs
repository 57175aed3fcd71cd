//! The one schema: a bench, the machine it ran on, and rows of ours against a peer.

use serde::Serialize;

use crate::aim::Aim;
use crate::error::BenchError;
use crate::machine::Machine;

/// What one bench measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) bench: &'static str,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
}

/// One figure and the same figure of a peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Option<f64>,
    pub(crate) peer: Option<f64>,
    pub(crate) peer_name: Option<String>,
    /// Ours over the peer's; where each round has one, their median.
    pub(crate) ratio: Option<f64>,
    /// Samples behind the figure of each side.
    pub(crate) n: usize,
    pub(crate) aim: Option<&'static str>,
    /// Whether the aim is met; `None` without one.
    pub(crate) pass: Option<bool>,
}

impl Row {
    /// Our figure, from `n` samples.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, n: usize, ours: Option<f64>) -> Self {
        let ours = ours.filter(|value| value.is_finite());
        Row {
            name: name.into(),
            unit,
            ours,
            peer: None,
            peer_name: None,
            ratio: None,
            n,
            aim: None,
            pass: None,
        }
    }

    /// The peer's figure.
    pub(crate) fn against(mut self, name: impl Into<String>, peer: Option<f64>) -> Self {
        self.peer = peer.filter(|value| value.is_finite());
        self.peer_name = Some(name.into());
        self.ratio =
            self.ours.zip(self.peer).filter(|(_, peer)| *peer != 0.0).map(|(ours, peer)| ours / peer);
        self
    }

    /// The median of the ratios of rounds in which ours was measured next to the peer's, in place of the ratio of medians.
    pub(crate) fn paired(mut self, ratio: Option<f64>) -> Self {
        self.ratio = ratio.filter(|value| value.is_finite());
        self
    }

    /// What it should be; given last, when both figures are there.
    pub(crate) fn aim(mut self, text: &'static str) -> Result<Self, BenchError> {
        let aim = Aim::parse(text, self.unit)?;
        self.pass = Some(aim.met(self.ours, self.ratio));
        self.aim = Some(text);
        Ok(self)
    }
}

/// A figure for people: three digits that count.
pub(crate) fn figure(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_computes_its_ratio_and_its_verdict() {
        let row =
            Row::new("start", "ms", 15, Some(30.0)).against("playbin", Some(60.0)).aim("<= 0.65x").unwrap();
        assert_eq!((row.ratio, row.pass), (Some(0.5), Some(true)));
        let row = Row::new("lost", "starts", 15, Some(1.0)).against("playbin", Some(0.0));
        assert_eq!((row.ratio, row.pass), (None, None));
        let row = Row::new("start", "ms", 0, None).against("playbin", Some(60.0)).aim("<= 0.65x").unwrap();
        assert_eq!(row.pass, Some(false), "what was not measured meets no aim");
    }

    #[test]
    fn figures_keep_three_digits() {
        let shown = [0.0, 0.1234, 1.234, 12.34, 1234.5].map(figure);
        assert_eq!(shown, ["0", "0.123", "1.23", "12.3", "1234"]);
    }
}
