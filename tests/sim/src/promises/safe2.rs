//! SAFE-2: the safety filter against the reference decisions.

use crate::error::SimError;

use super::{Inputs, Row};

/// What is measured.
const WHAT: &str = "reference decisions that the filter takes differently";

/// Judges the filter.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(_inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    Ok(vec![Row::no_data("SAFE-2", WHAT, "the filter is not joined yet")])
}
