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

/// Why a cache is in memory only: its directory gives no place for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOnly {
    /// The device has no room for so much as an index; free space, and the next session caches again.
    NoSpace,
    /// The directory may not be written to.
    NotWritable,
    /// The medium fails.
    Failing,
}

impl MemoryOnly {
    /// What `error`, with which a directory could not be opened, says of it; `None` where memory would only hide a mistake or
    /// another owner.
    pub(crate) fn of(error: &StoreError) -> Option<Self> {
        use io::ErrorKind;
        use rusqlite::ErrorCode;
        match error {
            StoreError::InUse | StoreError::Closed | StoreError::Migration(_) => None,
            StoreError::Full => Some(MemoryOnly::NoSpace),
            StoreError::Io(error) => match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Some(MemoryOnly::NotWritable),
                ErrorKind::NotADirectory
                | ErrorKind::AlreadyExists
                | ErrorKind::InvalidInput
                | ErrorKind::InvalidFilename => None,
                _ => Some(MemoryOnly::Failing),
            },
            StoreError::Index(error) => match error.sqlite_error_code()? {
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                    Some(MemoryOnly::NotWritable)
                }
                ErrorCode::SystemIoFailure => Some(MemoryOnly::Failing),
                _ => None,
            },
        }
    }
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
