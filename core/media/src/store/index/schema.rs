//! The tables of the index, as numbered migrations, and how they are kept consistent.
//!
//! `entry.bytes` and `entry.tail` say what the spans of an entry add up to, so that totals and the order of eviction
//! are read from an index instead of computed from all spans. Triggers keep the one row of `total` in step within the
//! same transaction, whichever statement changes an entry.

use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use rusqlite_migration::{HookResult, M, Migrations};

use super::super::StoreError;
use super::file_number;
use crate::disk::{Disk, Step};

const FIRST: &str = "
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        generation INTEGER NOT NULL,
        size INTEGER,
        etag TEXT,
        last_modified TEXT,
        pinned INTEGER NOT NULL,
        last_used_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE span (
        entry INTEGER NOT NULL REFERENCES entry(id) ON DELETE CASCADE,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        PRIMARY KEY (entry, first)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE block (
        entry INTEGER NOT NULL REFERENCES entry(id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        hash INTEGER NOT NULL,
        PRIMARY KEY (entry, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE blob (key TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID;";

/// The head that does not count as tail is the engine's `HEAD_BYTES`; a test holds the two together.
const SECOND: &str = "
    ALTER TABLE entry ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN tail INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE entry ADD COLUMN file INTEGER NOT NULL DEFAULT 0;
    UPDATE entry SET
        bytes = (SELECT coalesce(sum(past - first), 0) FROM span WHERE span.entry = entry.id),
        tail = (SELECT coalesce(sum(past - max(first, 131072)), 0) FROM span
                WHERE span.entry = entry.id AND past > 131072);
    CREATE INDEX entry_file ON entry (file);
    CREATE INDEX entry_tail ON entry (last_used_ms, key) WHERE tail > 0 AND pinned = 0;
    CREATE INDEX entry_held ON entry (last_used_ms, key) WHERE bytes > 0 AND pinned = 0;
    CREATE TABLE total (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        bytes INTEGER NOT NULL,
        swept INTEGER NOT NULL
    ) STRICT;
    INSERT INTO total (one, bytes, swept) SELECT 1, coalesce(sum(bytes), 0), 0 FROM entry;
    CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
        UPDATE total SET bytes = bytes + new.bytes;
    END;
    CREATE TRIGGER entry_changed AFTER UPDATE OF bytes ON entry WHEN new.bytes <> old.bytes BEGIN
        UPDATE total SET bytes = bytes + new.bytes - old.bytes;
    END;
    CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN
        UPDATE total SET bytes = bytes - old.bytes;
    END;";

/// Brings the database to this version.
pub(super) fn migrate(db: &mut Connection, disk: &Arc<dyn Disk>) -> Result<(), StoreError> {
    let disk = Arc::clone(disk);
    let second = move |tx: &Transaction<'_>| {
        number_files(tx)?;
        disk.reached(Step::Migrating);
        Ok(())
    };
    let versions = Migrations::new(vec![M::up(FIRST), M::up_with_hook(SECOND, second)]);
    versions.to_latest(db).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => StoreError::from(err),
        other => StoreError::Migration(other.to_string()),
    })
}

/// The number of a file is a hash of its key, which SQL cannot compute.
fn number_files(tx: &Transaction<'_>) -> HookResult {
    let mut entries = tx.prepare("SELECT id, key FROM entry")?;
    let mut number = tx.prepare("UPDATE entry SET file = ?2 WHERE id = ?1")?;
    let mut rows = entries.query([])?;
    while let Some(row) = rows.next()? {
        let (id, key): (i64, String) = (row.get(0)?, row.get(1)?);
        number.execute((id, file_number(&key)))?;
    }
    Ok(())
}

#[cfg(test)]
pub(in super::super) fn first_version(db: &Connection) {
    db.execute_batch(FIRST).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
}
