//! The gate: a policy's promises against the committed reference, so that no figure of safety gets worse unseen.
//!
//! Safety is SAFE-1 to SAFE-3 and SL-2. A figure of safety that moved to the wrong side of the reference fails, whatever
//! watch time did. Counts may not move at all; an estimate may move by [`SLACK`] of its bound, because a policy cannot be tuned
//! without any figure moving. Replays are exact: the same data, seed and policy give the same figures, so a difference is the
//! policy's.

use serde::{Deserialize, Serialize};

use super::Row;

/// How far an estimate may move to the wrong side: a hundredth of its bound's own size, at least a ten-thousandth.
pub const SLACK: f64 = 0.01;
const LEAST_SLACK: f64 = 1e-4;

/// Figures of an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Version of the policy that was judged.
    pub policy: String,
    /// Seed of the run.
    pub seed: u64,
    /// Bound on the people of each replay; `None` for all.
    pub people: Option<usize>,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The promise.
    pub promise: String,
    /// What was measured, as [`Row::what`].
    pub what: String,
    /// The figure.
    pub figure: f64,
}

/// A figure of safety that got worse, or cannot be seen any more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worse {
    /// The promise.
    pub promise: String,
    /// What was measured.
    pub what: String,
    /// What it was.
    pub was: f64,
    /// What it is; `None` where there is no figure now.
    pub is: Option<f64>,
}

impl Reference {
    /// The figures of a run that another can be compared with: those that have a bound and do not hang on the machine.
    #[must_use]
    pub fn of(rows: &[Row], policy: &str, seed: u64, people: Option<usize>) -> Self {
        let figures = rows
            .iter()
            .filter(|r| r.pass.is_some() && is_safety(r.promise))
            .filter_map(|r| {
                Some(Figure { promise: r.promise.to_owned(), what: r.what.clone(), figure: r.figure? })
            })
            .collect();
        Reference { policy: policy.to_owned(), seed, people, figures }
    }

    /// Every figure of safety that is worse in `rows`, or missing there.
    #[must_use]
    pub fn worse(&self, rows: &[Row]) -> Vec<Worse> {
        let judge = |was: &Figure| {
            let now = rows.iter().find(|r| r.promise == was.promise && r.what == was.what);
            let worse = match now.and_then(|r| Some((r, r.figure?))) {
                Some((row, figure)) => is_worse(row, was.figure, figure),
                // What cannot be seen is not taken for good.
                None => true,
            };
            worse.then(|| Worse {
                promise: was.promise.clone(),
                what: was.what.clone(),
                was: was.figure,
                is: now.and_then(|r| r.figure),
            })
        };
        self.figures.iter().filter(|f| is_safety(&f.promise)).filter_map(judge).collect()
    }
}

fn is_safety(promise: &str) -> bool {
    promise.starts_with("SAFE-") || promise == "SL-2"
}

/// Which side is worse follows from the bound that the row states.
fn is_worse(row: &Row, was: f64, is: f64) -> bool {
    let numbers: Vec<f64> = row.bound.split([' ', ',']).filter_map(|w| w.parse().ok()).collect();
    let slack = |size: f64| if row.interval.is_some() { (SLACK * size.abs()).max(LEAST_SLACK) } else { 0.0 };
    match (row.bound.get(..2), numbers.as_slice()) {
        (Some(">="), [bound, ..]) => is < was - slack(*bound),
        (Some("<="), [bound, ..]) => is > was + slack(*bound),
        (_, [low, high]) => {
            let middle = (low + high) / 2.0;
            (is - middle).abs() > (was - middle).abs() + slack(high - low)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cost: f64, fairness: f64, breaches: f64) -> Vec<Row> {
        vec![
            Row::told("SAFE-1", "windows", breaches).at_most(0.0),
            Row::told("SAFE-1", "cost", cost).between((0.0, 0.1)).at_most(0.04),
            Row::told("SAFE-3", "fairness", fairness).between((0.9, 1.1)).within(0.95, 1.05),
            Row::told("SAFE-1", "long views", 0.5),
            Row::told("SL-1", "lift", 0.01).at_least(0.01),
        ]
    }

    #[test]
    fn worse_is_worse_even_where_the_bound_still_holds() {
        let reference = Reference::of(&run(0.01, 1.0, 0.0), "1", 1, None);
        assert_eq!(reference.figures.len(), 3, "what has no bound and what is not safety is not compared");
        assert!(reference.worse(&run(0.01, 1.0, 0.0)).is_empty());
        assert!(reference.worse(&run(0.005, 1.0, 0.0)).is_empty(), "better is fine");
        assert_eq!(reference.worse(&run(0.02, 1.0, 0.0))[0].what, "cost");
        assert_eq!(reference.worse(&run(0.01, 0.97, 0.0))[0].what, "fairness");
        assert_eq!(reference.worse(&run(0.01, 1.03, 0.0))[0].what, "fairness");
        assert_eq!(reference.worse(&run(0.01, 1.0, 1.0))[0].what, "windows");
    }

    #[test]
    fn what_cannot_be_seen_does_not_pass() {
        let reference = Reference::of(&run(0.01, 1.0, 0.0), "1", 1, None);
        let mut rows = run(0.01, 1.0, 0.0);
        rows[2] = Row::no_data("SAFE-3", "fairness", "gone");
        assert_eq!(reference.worse(&rows).len(), 1);
    }
}
