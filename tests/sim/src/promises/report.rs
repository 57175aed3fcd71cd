//! The whole report: every row, the verdict, and the comparison with a reference where one was given.

use serde::Serialize;

use super::gate::Worse;
use super::{Inputs, ROSTER, Row};
use crate::error::SimError;

/// What a replay of the promises says.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What this is.
    pub command: &'static str,
    /// Version of the policy that was judged.
    pub policy: String,
    /// Seed.
    pub seed: u64,
    /// Every figure.
    pub rows: Vec<Row>,
    /// Figures of safety that got worse than the reference; `None` where none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worse: Option<Vec<Worse>>,
    /// Whether no row failed and nothing of safety got worse.
    pub pass: bool,
}

impl Report {
    /// Replays every promise, or those that are named.
    ///
    /// # Errors
    /// Where a file is there and not in its format.
    pub fn replay(inputs: &Inputs, only: &[String]) -> Result<Self, SimError> {
        let mut rows = Vec::new();
        for promise in ROSTER.iter().filter(|p| only.is_empty() || only.iter().any(|o| o == p.name)) {
            rows.extend((promise.rows)(inputs)?);
        }
        let pass = rows.iter().all(|r| r.pass != Some(false));
        let policy = inputs.policy.version.clone();
        Ok(Report { command: "promises", policy, seed: inputs.seed, rows, worse: None, pass })
    }

    /// Adds what a comparison found.
    #[must_use]
    pub fn compared(mut self, worse: Vec<Worse>) -> Self {
        self.pass &= worse.is_empty();
        self.worse = Some(worse);
        self
    }

    /// A table for people.
    #[must_use]
    pub fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut out = String::new();
        for row in &self.rows {
            let verdict = match (row.pass, row.figure) {
                (Some(true), _) => "pass",
                (Some(false), _) => "FAIL",
                (None, Some(_)) => "",
                (None, None) => "NO DATA",
            };
            let figure = row.figure.map_or_else(String::new, |f| format!("{f:.4}"));
            let interval = row.interval.map_or_else(String::new, |[l, h]| format!("[{l:.4}, {h:.4}]"));
            let _ = writeln!(
                out,
                "{:<7} {:<82} {:>9} {:<18} {:<26} {:<7} {}",
                row.promise, row.what, figure, interval, row.bound, verdict, row.note
            );
        }
        for worse in self.worse.iter().flatten() {
            let is = worse.is.map_or_else(|| "no figure".to_owned(), |f| format!("{f:.4}"));
            let _ = writeln!(out, "WORSE   {}: {}: was {:.4}, is {is}", worse.promise, worse.what, worse.was);
        }
        let _ = writeln!(
            out,
            "policy {}: {}",
            self.policy,
            if self.pass { "every promise holds" } else { "FAILED" }
        );
        out
    }
}
