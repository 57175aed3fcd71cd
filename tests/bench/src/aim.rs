//! What a figure should be, written for people and read by the program.
//!
//! `<= 0.65x` bounds the ratio of ours to the peer's; `<= 20 µs` bounds ours alone, in the unit of its row.

use crate::error::BenchError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    AtMost,
    AtLeast,
}

/// A bound on a figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aim {
    side: Side,
    bound: f64,
    /// `None` when the bound is on the ratio.
    unit: Option<String>,
}

impl Aim {
    /// Reads an aim for a row measured in `unit`.
    pub(crate) fn parse(text: &str, unit: &str) -> Result<Self, BenchError> {
        let wrong = || BenchError::Aim { text: text.to_owned() };
        let (side, rest) = match (text.strip_prefix("<="), text.strip_prefix(">=")) {
            (Some(rest), _) => (Side::AtMost, rest.trim()),
            (_, Some(rest)) => (Side::AtLeast, rest.trim()),
            (None, None) => return Err(wrong()),
        };
        let (number, unit) = match rest.strip_suffix('x') {
            Some(number) => (number, None),
            None => {
                let (number, given) = rest.split_once(' ').ok_or_else(wrong)?;
                if given != unit {
                    return Err(wrong());
                }
                (number, Some(given.to_owned()))
            }
        };
        let bound: f64 = number.parse().ok().filter(|bound: &f64| bound.is_finite()).ok_or_else(wrong)?;
        Ok(Aim { side, bound, unit })
    }

    /// Whether the figures meet it; a figure that is not there does not.
    pub(crate) fn met(&self, ours: Option<f64>, ratio: Option<f64>) -> bool {
        let figure = if self.unit.is_some() { ours } else { ratio };
        figure.is_some_and(|figure| match self.side {
            Side::AtMost => figure <= self.bound,
            Side::AtLeast => figure >= self.bound,
        })
    }

    /// Where the bound lies on the scale of the row; `None` where that depends on a peer that is not there.
    pub(crate) fn place(&self, peer: Option<f64>) -> Option<f64> {
        match self.unit {
            Some(_) => Some(self.bound),
            None => peer.map(|peer| peer * self.bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_on_the_ratio_looks_at_the_ratio() {
        let aim = Aim::parse("<= 0.65x", "ms").unwrap();
        assert!(aim.met(Some(100.0), Some(0.65)));
        assert!(!aim.met(Some(0.1), Some(0.66)));
        assert!(!aim.met(Some(0.1), None), "nothing to compare with is not a pass");
        let aim = Aim::parse(">= 0.8x", "MiB/s").unwrap();
        assert!(aim.met(None, Some(0.8)));
        assert!(!aim.met(None, Some(0.79)));
        assert_eq!(aim.place(Some(10.0)), Some(8.0));
        assert_eq!(aim.place(None), None);
    }

    #[test]
    fn a_bound_with_a_unit_looks_at_ours() {
        let aim = Aim::parse("<= 20 µs", "µs").unwrap();
        assert!(aim.met(Some(20.0), None));
        assert!(!aim.met(Some(20.1), Some(0.1)));
        assert_eq!(aim.place(None), Some(20.0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "< 3x", "0.65x", "<= x", "<= 5", "<= 5 ms", "<= NaNx", "<= five µs"] {
            assert!(Aim::parse(text, "µs").is_err(), "{text}");
        }
    }
}
