//! The two kinds of error: what stops the server ([`OriginError`]) and what a request is answered with ([`ApiError`]).

use std::path::PathBuf;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::contract::{ErrorBody, ErrorDetail};

/// Why the server could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// A file or folder could not be used.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}; name another one, with port 0 the system chooses")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that makes or reads media is not installed.
    #[error(
        "`{program}` was not found: install the package that holds it (Debian and Ubuntu: `apt-get install ffmpeg`, macOS: `brew install ffmpeg`)"
    )]
    ProgramMissing {
        /// Name of the program.
        program: &'static str,
    },
    /// A clip could not be encoded.
    #[error("ffmpeg could not make clip {clip}: {said}")]
    Encode {
        /// Which clip.
        clip: String,
        /// The last lines it wrote.
        said: String,
    },
    /// A made clip is not what was asked for.
    #[error("clip {clip} came out wrong: {why}; delete the catalogue folder and try again")]
    BadClip {
        /// Which clip.
        clip: String,
        /// What is wrong.
        why: String,
    },
    /// There is nothing to serve.
    #[error("no video in {path}: name a folder that holds .mp4, .m4v, .mov, .webm, .mkv, .ts or .m3u8 files")]
    NothingToServe {
        /// The folder looked into.
        path: PathBuf,
    },
    /// Network settings do not make sense.
    #[error("network settings: {0}")]
    Network(#[from] crate::network::NetworkError),
    /// A setting is outside its bounds.
    #[error("setting {name}: {why}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What to give instead.
        why: String,
    },
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The certificates of the TLS leg could not be made.
    #[error("certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// The TLS leg could not be set up.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// A background task ended by panic.
    #[error("a background task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl OriginError {
    /// An I/O failure with what was being done and where.
    pub fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| OriginError::Io { what, path, source }
    }
}

/// An error answer: `{"error":{"code","detail"}}` with a status.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code in snake_case.
    pub code: &'static str,
    /// For people.
    pub detail: String,
}

impl ApiError {
    /// An error answer.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        ApiError { status, code, detail: detail.into() }
    }

    /// 400 with a code.
    #[must_use]
    pub fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404 with a code.
    #[must_use]
    pub fn missing(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 500 after logging the cause, which stays on this side.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed inside the server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says why")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: ErrorDetail { code: self.code.to_owned(), detail: self.detail } };
        (self.status, Json(body)).into_response()
    }
}
