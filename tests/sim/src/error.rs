//! Why an input is refused.

use std::path::{Path, PathBuf};

/// What can go wrong before a simulation starts.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not in its format.
    #[error("{path}: {what}")]
    Format {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A trace on which nothing would ever arrive, or with times that do not grow.
    #[error("trace: {0}")]
    Trace(String),
    /// A video is out of bounds.
    #[error("video {id} has {what}")]
    Video {
        /// Its id.
        id: u32,
        /// What it has.
        what: &'static str,
    },
    /// A session is out of bounds.
    #[error("a session with {0}")]
    Session(&'static str),
    /// An option of the command line.
    #[error("{0}")]
    Usage(String),
}

impl SimError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        SimError::Io { path: path.to_owned(), source }
    }

    pub(crate) fn format(path: &Path, what: impl Into<String>) -> Self {
        SimError::Format { path: path.to_owned(), what: what.into() }
    }
}
