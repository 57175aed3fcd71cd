//! The index: which bytes the data files hold, in SQLite.
//!
//! An entry is written whole (its spans replaced, its changed checksums upserted) in one transaction, so a row can
//! only say what was true at one moment. WAL with `synchronous = NORMAL` may forget the last commits in a power cut
//! but keeps their order; a removal is committed with `FULL`, because bytes are punched out right after it.

mod place;
mod reader;
mod schema;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use unspool_engine::Span;
use unspool_engine::eviction::HEAD_BYTES;
use xxhash_rust::xxh3::xxh3_128;

use super::error::StoreError;
use crate::disk::{Disk, Step};
pub(super) use place::Place;
pub(super) use reader::{Reader, is_orphan};
#[cfg(test)]
pub(super) use schema::first_version;

/// The file of the index.
pub(super) const DATABASE: &str = "index.db";

/// Present while the index is known to be corrupt; the next opening starts an empty one.
const MARKER: &str = "index.damaged";

/// One entry as the index holds it.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub key: String,
    pub generation: u64,
    pub size: Option<u64>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    pub pinned: bool,
    pub last_used_ms: i64,
    pub spans: Vec<Span>,
    /// All checksums when loaded; only the changed ones when written.
    pub blocks: Vec<(u64, u64)>,
    /// Blocks of which nothing is held any more; none when loaded.
    pub gone_blocks: Vec<u64>,
    /// Whether checksums written earlier belong to bytes that are gone.
    pub drop_blocks: bool,
}

impl Row {
    fn bytes(&self) -> u64 {
        self.spans.iter().map(Span::len).sum()
    }

    /// Bytes that eviction counts as tail.
    fn tail(&self) -> u64 {
        self.spans.iter().map(|span| span.end.saturating_sub(span.start.max(HEAD_BYTES))).sum()
    }
}

/// The writing connection; one per place, behind one lock.
#[derive(Debug)]
pub(super) struct Index {
    db: Connection,
    /// Whether it may grow no further than its place, and has to make room.
    bounded: bool,
}

impl Index {
    /// Opens or creates the index in `dir`; `true` when an unreadable one was moved aside. Reads no entry.
    pub(super) fn open(dir: &Path, disk: &Arc<dyn Disk>) -> Result<(Self, Reader, bool), StoreError> {
        if !dir.join(MARKER).exists() {
            match Self::try_open(&Place::Folder(dir.to_owned()), disk) {
                Ok((index, reader)) => return Ok((index, reader, false)),
                Err(error) if error.is_corruption() => {}
                Err(error) => return Err(error),
            }
            // A crash half way must not let a database be opened without its log: it would be an older one, and claim
            // what was removed since.
            fs::write(dir.join(MARKER), b"")?;
        }
        tracing::warn!(target: "unspool::media", "the cache index is corrupt; starting an empty one");
        for suffix in ["", "-wal", "-shm"] {
            let from = dir.join(format!("{DATABASE}{suffix}"));
            if from.exists() {
                fs::rename(from, dir.join(format!("corrupt-{DATABASE}{suffix}")))?;
            }
            disk.reached(Step::Replacing);
        }
        let (index, reader) = Self::try_open(&Place::Folder(dir.to_owned()), disk)?;
        fs::remove_file(dir.join(MARKER))?;
        Ok((index, reader, true))
    }

    /// Opens or creates the index at `place`.
    pub(super) fn try_open(place: &Place, disk: &Arc<dyn Disk>) -> Result<(Self, Reader), StoreError> {
        let mut db = place.connect(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        db.busy_timeout(Duration::from_secs(2))?;
        let bounded = place.bound(&db)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        schema::migrate(&mut db, disk)?;
        let reader = Reader::open(place)?;
        reader.totals()?;
        Ok((Index { db, bounded }, reader))
    }

    /// Tries again with half of what can be found out anew thrown away, where there is no room for more.
    fn making_room<T>(&mut self, act: impl Fn(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = act(self);
        if !(self.bounded && matches!(done, Err(StoreError::Full))) {
            return done;
        }
        let tx = self.db.transaction()?;
        tx.execute("DELETE FROM entry WHERE bytes = 0 AND pinned = 0", [])?;
        tx.execute(
            "DELETE FROM blob WHERE key IN (SELECT key FROM blob ORDER BY random() LIMIT \
            (SELECT (count(*) + 1) / 2 FROM blob))",
            [],
        )?;
        tx.commit()?;
        act(self)
    }

    /// Writes entries in one transaction.
    pub(super) fn write<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a Row> + Clone,
    ) -> Result<(), StoreError> {
        self.making_room(|index| index.write_once(rows.clone()))
    }

    fn write_once<'a>(&mut self, rows: impl Iterator<Item = &'a Row>) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        for row in rows {
            let id: i64 = tx
                .prepare_cached(
                    "INSERT INTO entry (key, generation, size, etag, last_modified, pinned, last_used_ms, bytes, tail,
                        file)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                     ON CONFLICT (key) DO UPDATE SET generation = ?2, size = ?3, etag = ?4, last_modified = ?5,
                        pinned = ?6, last_used_ms = ?7, bytes = ?8, tail = ?9
                     RETURNING id",
                )?
                .query_row(
                    params![
                        row.key,
                        row.generation.cast_signed(),
                        row.size.map(u64::cast_signed),
                        row.etag,
                        row.last_modified,
                        row.pinned,
                        row.last_used_ms,
                        row.bytes().cast_signed(),
                        row.tail().cast_signed(),
                        file_number(&row.key),
                    ],
                    |found| found.get(0),
                )?;
            tx.prepare_cached("DELETE FROM span WHERE entry = ?1")?.execute([id])?;
            if row.drop_blocks {
                tx.prepare_cached("DELETE FROM block WHERE entry = ?1")?.execute([id])?;
            }
            let mut insert =
                tx.prepare_cached("INSERT INTO span (entry, first, past) VALUES (?1, ?2, ?3)")?;
            for span in &row.spans {
                insert.execute(params![id, span.start.cast_signed(), span.end.cast_signed()])?;
            }
            let mut delete = tx.prepare_cached("DELETE FROM block WHERE entry = ?1 AND number = ?2")?;
            for number in &row.gone_blocks {
                delete.execute(params![id, number.cast_signed()])?;
            }
            let mut insert =
                tx.prepare_cached("INSERT OR REPLACE INTO block (entry, number, hash) VALUES (?1, ?2, ?3)")?;
            for (number, hash) in &row.blocks {
                insert.execute(params![id, number.cast_signed(), hash.cast_signed()])?;
            }
        }
        tx.commit()?;
        Ok(())
    }

    /// Writes one entry so that it is on the disk when this returns: what must precede the destruction of bytes.
    pub(super) fn write_through(&mut self, row: &Row) -> Result<(), StoreError> {
        self.db.pragma_update(None, "synchronous", "FULL")?;
        let written = self.write(std::iter::once(row));
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        written
    }

    /// Takes an entry out, on the disk when this returns.
    pub(super) fn delete_through(&mut self, key: &str) -> Result<(), StoreError> {
        self.db.pragma_update(None, "synchronous", "FULL")?;
        let deleted = self.db.execute("DELETE FROM entry WHERE key = ?1", [key]);
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        deleted?;
        Ok(())
    }

    /// Remembers which folder of data files is to be swept next.
    pub(super) fn set_swept(&self, folder: u64) -> Result<(), StoreError> {
        self.db.execute("UPDATE total SET swept = ?1", [folder.cast_signed()])?;
        Ok(())
    }

    /// Moves the write-ahead log into the database file.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    pub(super) fn put_blob(&mut self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.making_room(|index| {
            index
                .db
                .prepare_cached("INSERT OR REPLACE INTO blob (key, bytes) VALUES (?1, ?2)")?
                .execute(params![key, bytes])?;
            Ok(())
        })
    }

    pub(super) fn get_blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut select = self.db.prepare_cached("SELECT bytes FROM blob WHERE key = ?1")?;
        Ok(select.query_row([key], |row| row.get(0)).optional()?)
    }

    pub(super) fn delete_blob(&self, key: &str) -> Result<(), StoreError> {
        self.db.prepare_cached("DELETE FROM blob WHERE key = ?1")?.execute([key])?;
        Ok(())
    }
}

/// Leaves word for the next opening that the index is corrupt: only then can it be replaced, because entries in memory
/// still lean on it now.
fn mark_corrupt(dir: &Path) {
    if let Err(error) = fs::write(dir.join(MARKER), b"") {
        tracing::warn!(target: "unspool::media", %error, "a corrupt cache index could not be marked");
    }
}

/// The name of the data file of `key`, without its generation.
pub(super) fn file_name(key: &str) -> String {
    format!("{:032x}", xxh3_128(key.as_bytes()))
}

/// The first half of [`file_name`] as a number, by which a file is led back to its key.
fn file_number(key: &str) -> i64 {
    i64::from_ne_bytes(((xxh3_128(key.as_bytes()) >> 64) as u64).to_ne_bytes())
}
