//! What the network between client and server is like: settings, their bounds, and the trace format.
//!
//! A trace is text, one row per line: `t_seconds<TAB>Mbit/s`, where the rate of row k holds from row k-1's time to row
//! k's. It is played from the moment it is set and starts over at its end.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::OriginError;

/// Most rows a trace may have: a day at one row a second.
pub const MAX_TRACE_ROWS: usize = 86_400;

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// A row is not two numbers.
    #[error("row {row} is not `seconds<TAB>Mbit/s`")]
    Row {
        /// Counted from 1.
        row: usize,
    },
    /// Times must grow from row to row; only the first may be zero.
    #[error("row {row} does not lie after the row before it")]
    Order {
        /// Counted from 1.
        row: usize,
    },
    /// Nothing would ever get through.
    #[error("the trace has no row with a positive rate and a length")]
    NoCapacity,
    /// Longer than [`MAX_TRACE_ROWS`].
    #[error("the trace has more than {MAX_TRACE_ROWS} rows")]
    TooLong,
    /// A number is outside its bounds.
    #[error("{name} must lie within {bounds}")]
    Bounds {
        /// The setting.
        name: &'static str,
        /// What it may be.
        bounds: &'static str,
    },
    /// Both a constant rate and a trace.
    #[error("give rate_kbps or trace, not both")]
    RateAndTrace,
    /// Not the JSON expected.
    #[error("not network settings: {0}")]
    Json(String),
}

/// How the network behaves. A field left out has the value of a perfect network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// Milliseconds between a request and its answer; a new connection costs one more.
    pub rtt_ms: u64,
    /// Kilobits (1000) per second for all response bodies together; null for no limit.
    pub rate_kbps: Option<f64>,
    /// `[seconds, Mbit/s]` rows instead of a constant rate.
    pub trace: Option<Vec<(f64, f64)>>,
    /// Share of responses that pause once, at a random byte.
    pub stall_probability: f64,
    /// How long such a pause lasts, milliseconds.
    pub stall_ms: u64,
    /// Share of responses whose connection is reset at a random byte.
    pub reset_probability: f64,
    /// No connection gets through; those that exist are cut.
    pub down: bool,
    /// Seed of the random draws, which follow the order of requests.
    pub seed: u64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        NetworkSettings {
            rtt_ms: 0,
            rate_kbps: None,
            trace: None,
            stall_probability: 0.0,
            stall_ms: 0,
            reset_probability: 0.0,
            down: false,
            seed: 1,
        }
    }
}

impl NetworkSettings {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first setting that is out of bounds.
    pub fn check(&self) -> Result<(), NetworkError> {
        let bounds = |name, bounds| Err(NetworkError::Bounds { name, bounds });
        if self.rtt_ms > 60_000 {
            return bounds("rtt_ms", "0..=60000");
        }
        if self.stall_ms > 600_000 {
            return bounds("stall_ms", "0..=600000");
        }
        if !(0.0..=1.0).contains(&self.stall_probability) {
            return bounds("stall_probability", "0..=1");
        }
        if !(0.0..=1.0).contains(&self.reset_probability) {
            return bounds("reset_probability", "0..=1");
        }
        if let Some(rate) = self.rate_kbps
            && !(1.0..=100_000_000.0).contains(&rate)
        {
            return bounds("rate_kbps", "1..=100000000, or null");
        }
        if let Some(trace) = &self.trace {
            if self.rate_kbps.is_some() {
                return Err(NetworkError::RateAndTrace);
            }
            segments(trace)?;
        }
        Ok(())
    }

    /// Settings from what the command line names: JSON text, a file of JSON, or a trace file.
    ///
    /// # Errors
    /// When the file cannot be read or what it holds is refused.
    pub fn from_argument(argument: &str) -> Result<Self, OriginError> {
        let text = if argument.trim_start().starts_with('{') {
            argument.to_owned()
        } else {
            std::fs::read_to_string(Path::new(argument)).map_err(OriginError::io("cannot read", argument))?
        };
        let settings = if text.trim_start().starts_with('{') {
            serde_json::from_str(&text).map_err(|error| NetworkError::Json(error.to_string()))?
        } else {
            NetworkSettings { trace: Some(parse_trace(&text)?), ..NetworkSettings::default() }
        };
        settings.check()?;
        Ok(settings)
    }
}

/// Reads the two-column trace format; blank lines and lines that start with `#` are skipped.
///
/// # Errors
/// Names the row that is wrong, counted among the rows.
pub fn parse_trace(text: &str) -> Result<Vec<(f64, f64)>, NetworkError> {
    let mut rows = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let row = rows.len() + 1;
        if row > MAX_TRACE_ROWS {
            return Err(NetworkError::TooLong);
        }
        let mut columns = line.split_whitespace().map(str::parse::<f64>);
        let (Some(Ok(seconds)), Some(Ok(mbit)), None) = (columns.next(), columns.next(), columns.next())
        else {
            return Err(NetworkError::Row { row });
        };
        rows.push((seconds, mbit));
    }
    segments(&rows)?;
    Ok(rows)
}

/// A stretch of constant rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Length in milliseconds, positive.
    pub ms: f64,
    /// Bytes per millisecond, not negative.
    pub rate: f64,
}

/// The stretches of a trace, in order.
///
/// # Errors
/// When times do not grow, a number is negative or not finite, or nothing would ever get through.
pub fn segments(trace: &[(f64, f64)]) -> Result<Vec<Segment>, NetworkError> {
    if trace.len() > MAX_TRACE_ROWS {
        return Err(NetworkError::TooLong);
    }
    let mut result = Vec::with_capacity(trace.len());
    let mut before = 0.0;
    for (index, &(seconds, mbit)) in trace.iter().enumerate() {
        let row = index + 1;
        if !seconds.is_finite() || !(0.0..=1e6).contains(&mbit) || seconds < 0.0 {
            return Err(NetworkError::Row { row });
        }
        if seconds < before || (seconds == before && index > 0) {
            return Err(NetworkError::Order { row });
        }
        // 1 Mbit/s is 125 bytes a millisecond.
        if seconds > before {
            result.push(Segment { ms: (seconds - before) * 1000.0, rate: mbit * 125.0 });
        }
        before = seconds;
    }
    if result.iter().any(|segment| segment.rate > 0.0) { Ok(result) } else { Err(NetworkError::NoCapacity) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_row_holds_until_its_own_time() {
        let rows = parse_trace("0.000\t9\n1.000\t8\n\n# pause\n1.500\t0\n").unwrap();
        assert_eq!(
            segments(&rows).unwrap(),
            [Segment { ms: 1000.0, rate: 1000.0 }, Segment { ms: 500.0, rate: 0.0 }]
        );
    }

    #[test]
    fn wrong_traces_are_named() {
        assert_eq!(parse_trace("0 1\n1 x"), Err(NetworkError::Row { row: 2 }));
        assert_eq!(parse_trace("0 1\n1 1 1"), Err(NetworkError::Row { row: 2 }));
        assert_eq!(parse_trace("0 1\n2 1\n1 1"), Err(NetworkError::Order { row: 3 }));
        assert_eq!(parse_trace("0 1\n1 0"), Err(NetworkError::NoCapacity));
        assert_eq!(parse_trace("0 1\n1 -1"), Err(NetworkError::Row { row: 2 }));
        assert_eq!(parse_trace(""), Err(NetworkError::NoCapacity));
        assert_eq!(parse_trace("nan 1"), Err(NetworkError::Row { row: 1 }));
    }

    #[test]
    fn settings_have_bounds_and_no_unknown_names() {
        assert!(serde_json::from_str::<NetworkSettings>(r#"{"rtt":1}"#).is_err());
        let half: NetworkSettings = serde_json::from_str(r#"{"rtt_ms":20,"rate_kbps":500}"#).unwrap();
        assert_eq!((half.rtt_ms, half.rate_kbps, half.seed), (20, Some(500.0), 1));
        half.check().unwrap();
        for wrong in [
            NetworkSettings { rate_kbps: Some(0.0), ..NetworkSettings::default() },
            NetworkSettings { stall_probability: 1.5, ..NetworkSettings::default() },
            NetworkSettings { reset_probability: f64::NAN, ..NetworkSettings::default() },
            NetworkSettings { trace: Some(vec![(0.0, 0.0)]), ..NetworkSettings::default() },
            NetworkSettings {
                trace: Some(vec![(1.0, 1.0)]),
                rate_kbps: Some(9.0),
                ..NetworkSettings::default()
            },
        ] {
            wrong.check().unwrap_err();
        }
    }
}
