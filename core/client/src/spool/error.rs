//! What can go wrong with a database of ours, by what the caller can do about it.

use rusqlite::ErrorCode;

use super::event::EventError;

/// Why a durable queue could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// The event breaks a bound.
    #[error(transparent)]
    Event(#[from] EventError),
    /// There is no space left.
    #[error("the disk is full: free space and try again")]
    DiskFull,
    /// Somebody else has the file open.
    #[error("the database is open elsewhere: close the other session first")]
    InUse,
    /// A newer release wrote the file.
    #[error("the database was written by a newer release: update the app")]
    NewerSchema,
    /// The file is damaged. It has been set aside and a new one is in use.
    #[error("the database was damaged and has been replaced: record again")]
    Corrupt,
    /// SQLite or the file system refused, with SQLite's extended result code.
    #[error("the database could not be read or written (code {code}): try again later")]
    Storage {
        /// SQLite's extended result code; zero when SQLite was not reached.
        code: i32,
    },
    /// The person did not agree to what the event is collected for. Nothing was recorded.
    #[error("there is no consent for this event")]
    Consent,
    /// It has been closed.
    #[error("the queue is closed: open it again")]
    Closed,
}

impl From<&rusqlite::Error> for SpoolError {
    fn from(error: &rusqlite::Error) -> Self {
        let Some(inner) = error.sqlite_error() else { return SpoolError::Storage { code: 0 } };
        match inner.code {
            ErrorCode::DiskFull => SpoolError::DiskFull,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => SpoolError::InUse,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => SpoolError::Corrupt,
            _ => SpoolError::Storage { code: inner.extended_code },
        }
    }
}

impl From<rusqlite::Error> for SpoolError {
    fn from(error: rusqlite::Error) -> Self {
        SpoolError::from(&error)
    }
}

impl From<rusqlite_migration::Error> for SpoolError {
    fn from(error: rusqlite_migration::Error) -> Self {
        use rusqlite_migration::{Error, MigrationDefinitionError};
        match error {
            Error::RusqliteError { err, .. } => SpoolError::from(&err),
            Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
                SpoolError::NewerSchema
            }
            _ => SpoolError::Storage { code: 0 },
        }
    }
}

impl From<std::io::Error> for SpoolError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => SpoolError::DiskFull,
            _ => SpoolError::Storage { code: 0 },
        }
    }
}
