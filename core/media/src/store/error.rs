//! What can go wrong with the store, and what to do about it.

use std::io;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process or session owns the directory; close it or use another directory.
    #[error("the cache directory is in use by another session")]
    InUse,
    /// The cache was closed by a shutdown; open it again.
    #[error("the cache is closed")]
    Closed,
    /// The device has no room; free space. Playback goes on without caching.
    #[error("no space left for the cache")]
    Full,
    /// The file system answered an error.
    #[error("cache file: {0}")]
    Io(#[source] io::Error),
    /// The index database answered an error.
    #[error("cache index: {0}")]
    Index(#[source] rusqlite::Error),
    /// The index was written by a newer version; use that version or another directory.
    #[error("the cache index cannot be brought to this version: {0}")]
    Migration(String),
}

impl StoreError {
    /// Whether there is no room, or the medium fails.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, StoreError::Full)
    }

    /// Whether the index itself is broken, so that only an empty one helps.
    pub(super) fn is_corruption(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let StoreError::Index(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreError::Full
            }
            _ => StoreError::Io(error),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
            _ => StoreError::Index(error),
        }
    }
}
