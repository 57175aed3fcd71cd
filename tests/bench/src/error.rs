//! Why something could not be measured.

/// A bench that did not come to its figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The machine lacks something.
    #[error("{what} is missing: {remedy}")]
    Missing {
        /// What.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A step of the measurement failed.
    #[error("{step}: {reason}")]
    Step {
        /// Which.
        step: &'static str,
        /// Why.
        reason: String,
    },
    /// An aim is not written as aims are.
    #[error("an aim reads like \"<= 0.65x\" or \"<= 20 µs\", not {text:?}")]
    Aim {
        /// What was written.
        text: String,
    },
    /// A file could not be read or written.
    #[error("file access: {0}")]
    Io(#[from] std::io::Error),
    /// The figures could not be written as JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl BenchError {
    /// Turns any error into a failed step.
    pub(crate) fn step<E: std::fmt::Display>(step: &'static str) -> impl FnOnce(E) -> BenchError {
        move |error| BenchError::Step { step, reason: error.to_string() }
    }
}
