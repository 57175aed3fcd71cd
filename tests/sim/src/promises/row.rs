//! One line of the report: a promise, what was measured for it, and whether it holds.

use serde::Serialize;

/// A figure that stands for a promise, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The promise, `SL-1` to `SAFE-3`.
    pub promise: &'static str,
    /// What was measured, in words that name one row for good: comparisons find rows by it.
    pub what: String,
    /// The figure; `None` where what it needs is absent.
    pub figure: Option<f64>,
    /// The 95 % interval of the figure, where it is an estimate and not a count.
    pub interval: Option<[f64; 2]>,
    /// What the figure has to be, for people; empty for a figure that is only told.
    pub bound: String,
    /// Whether it is; `None` where there is no figure or no bound.
    pub pass: Option<bool>,
    /// Circumstances: sizes, seeds, what was absent.
    pub note: String,
}

impl Row {
    /// A figure that is only told.
    #[must_use]
    pub fn told(promise: &'static str, what: impl Into<String>, figure: f64) -> Self {
        let figure = figure.is_finite().then_some(figure);
        Row {
            promise,
            what: what.into(),
            figure,
            interval: None,
            bound: String::new(),
            pass: None,
            note: String::new(),
        }
    }

    /// A promise that cannot be judged here, and why.
    #[must_use]
    pub fn no_data(promise: &'static str, what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Row { note: format!("NO DATA: {why}"), ..Row::told(promise, what, f64::NAN) }
    }

    /// The figure must be at least `bound`.
    #[must_use]
    pub fn at_least(self, bound: f64) -> Self {
        let pass = self.figure.is_some_and(|f| f >= bound);
        self.judged(format!(">= {bound}"), pass)
    }

    /// The figure must be at most `bound`.
    #[must_use]
    pub fn at_most(self, bound: f64) -> Self {
        let pass = self.figure.is_some_and(|f| f <= bound);
        self.judged(format!("<= {bound}"), pass)
    }

    /// The figure must lie within both bounds.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Self {
        let pass = self.figure.is_some_and(|f| (low..=high).contains(&f));
        self.judged(format!("{low} to {high}"), pass)
    }

    /// The 95 % interval of the figure.
    #[must_use]
    pub fn between(mut self, interval: (f64, f64)) -> Self {
        self.interval = Some([interval.0, interval.1]);
        self
    }

    /// The interval must lie above zero as well; given after [`Row::between`] and the bound.
    #[must_use]
    pub fn surely_positive(mut self) -> Self {
        self.bound.push_str(", interval above 0");
        self.pass = Some(self.pass == Some(true) && self.interval.is_some_and(|[low, _]| low > 0.0));
        self
    }

    /// Circumstances.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn judged(mut self, bound: String, pass: bool) -> Self {
        self.bound = bound;
        self.pass = Some(pass);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_judges_its_figure() {
        assert_eq!(Row::told("SL-1", "lift", 0.011).at_least(0.010).pass, Some(true));
        assert_eq!(Row::told("SL-1", "lift", 0.009).at_least(0.010).pass, Some(false));
        assert_eq!(
            Row::told("SL-1", "lift", f64::NAN).at_least(0.010).pass,
            Some(false),
            "no number, no pass"
        );
        assert_eq!(Row::told("SAFE-3", "ratio", 0.94).within(0.95, 1.05).pass, Some(false));
        let sure =
            |low| Row::told("SL-1", "lift", 0.02).at_least(0.010).between((low, 0.03)).surely_positive();
        assert_eq!(sure(0.001).pass, Some(true));
        assert_eq!(sure(-0.001).pass, Some(false));
        assert_eq!(Row::no_data("SAFE-2", "decisions", "no file").pass, None);
    }
}
