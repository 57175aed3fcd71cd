//! The index: which bytes the data files hold, in SQLite.
//!
//! An entry is written whole (its spans replaced, its changed checksums upserted) in one transaction, so a row can
//! only say what was true at one moment. WAL with `synchronous = NORMAL` may forget the last commits in a power cut
//! but keeps their order; a removal is committed with `FULL`, because bytes are punched out right after it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use unspool_engine::Span;

use super::error::StoreError;

const DATABASE: &str = "index.db";

const VERSIONS: &[M<'static>] = &[M::up(
    "CREATE TABLE entry (
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
    CREATE TABLE blob (key TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT, WITHOUT ROWID;",
)];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(VERSIONS);

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
    /// Whether checksums written earlier belong to bytes that are gone.
    pub drop_blocks: bool,
}

/// The database connection; one per directory, behind one lock.
#[derive(Debug)]
pub(super) struct Index {
    db: Connection,
}

impl Index {
    /// Opens or creates the index in `dir`; `true` when an unreadable one was moved aside.
    pub(super) fn open(dir: &Path) -> Result<(Self, Vec<Row>, bool), StoreError> {
        match Self::try_open(dir) {
            Ok((index, rows)) => Ok((index, rows, false)),
            Err(StoreError::Index(error)) if is_corrupt(&error) => {
                tracing::warn!(target: "unspool::media", "the cache index is corrupt; starting an empty one");
                for suffix in ["", "-wal", "-shm"] {
                    let from = dir.join(format!("{DATABASE}{suffix}"));
                    if from.exists() {
                        fs::rename(from, dir.join(format!("corrupt-{DATABASE}{suffix}")))?;
                    }
                }
                let (index, rows) = Self::try_open(dir)?;
                Ok((index, rows, true))
            }
            Err(error) => Err(error),
        }
    }

    fn try_open(dir: &Path) -> Result<(Self, Vec<Row>), StoreError> {
        let mut db = Connection::open(dir.join(DATABASE))?;
        db.busy_timeout(Duration::from_secs(2))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        MIGRATIONS.to_latest(&mut db).map_err(|error| match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => StoreError::from(err),
            other => StoreError::Migration(other.to_string()),
        })?;
        let index = Index { db };
        let rows = index.load()?;
        Ok((index, rows))
    }

    fn load(&self) -> Result<Vec<Row>, StoreError> {
        let mut entries = self.db.prepare(
            "SELECT id, key, generation, size, etag, last_modified, pinned, last_used_ms FROM entry",
        )?;
        let mut spans = self.db.prepare("SELECT first, past FROM span WHERE entry = ?1 ORDER BY first")?;
        let mut blocks = self.db.prepare("SELECT number, hash FROM block WHERE entry = ?1")?;
        let rows = entries.query_map([], |row| {
            let id: i64 = row.get(0)?;
            Ok(Row {
                key: row.get(1)?,
                generation: row.get::<_, i64>(2)?.cast_unsigned(),
                size: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
                etag: row.get(4)?,
                last_modified: row.get(5)?,
                pinned: row.get(6)?,
                last_used_ms: row.get(7)?,
                spans: spans
                    .query_map([id], |row| {
                        Ok(Span::new(
                            row.get::<_, i64>(0)?.cast_unsigned(),
                            row.get::<_, i64>(1)?.cast_unsigned(),
                        ))
                    })?
                    .collect::<Result<_, _>>()?,
                blocks: blocks
                    .query_map([id], |row| {
                        Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
                    })?
                    .collect::<Result<_, _>>()?,
                drop_blocks: false,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes entries in one transaction.
    pub(super) fn write(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let tx = self.db.transaction()?;
        for row in rows {
            let id: i64 = tx
                .prepare_cached(
                    "INSERT INTO entry (key, generation, size, etag, last_modified, pinned, last_used_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (key) DO UPDATE SET generation = ?2, size = ?3, etag = ?4, last_modified = ?5,
                        pinned = ?6, last_used_ms = ?7
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
                        row.last_used_ms
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
        let written = self.write(std::slice::from_ref(row));
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

    /// Moves the write-ahead log into the database file.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    pub(super) fn put_blob(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO blob (key, bytes) VALUES (?1, ?2)")?
            .execute(params![key, bytes])?;
        Ok(())
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

fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
