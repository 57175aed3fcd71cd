//! Where the index lies: in the folder of the cache, or in memory where there is no folder to be had.

use std::path::PathBuf;

use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::{DATABASE, mark_corrupt};

/// Pages an index in memory may take. 4,096 of the usual 4 KiB are 16 MiB: rows and probe answers of some thousand clips.
const PAGES: u32 = 4096;

/// The place of an index.
#[derive(Debug, Clone)]
pub(in super::super) enum Place {
    /// A file in this folder.
    Folder(PathBuf),
    /// A database of this name in the memory of the process, which every connection to it shares; it is gone with the last.
    Memory(String),
}

impl Place {
    /// A place in memory that nobody else has.
    pub(in super::super) fn memory() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Place::Memory(format!("file:/unspool-index-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn connect(&self, flags: OpenFlags) -> Result<Connection, StoreError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(match self {
            Place::Folder(dir) => Connection::open_with_flags(dir.join(DATABASE), flags)?,
            Place::Memory(name) => Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_URI)?,
        })
    }

    /// Keeps a database in memory from growing; whether there is a bound.
    pub(super) fn bound(&self, db: &Connection) -> Result<bool, StoreError> {
        let bounded = matches!(self, Place::Memory(_));
        if bounded {
            db.pragma_update(None, "max_page_count", PAGES)?;
        }
        Ok(bounded)
    }

    /// Remembers for the next opening that the index is broken, where there is a next one.
    pub(in super::super) fn mark_corrupt(&self) {
        if let Place::Folder(dir) = self {
            mark_corrupt(dir);
        }
    }
}
