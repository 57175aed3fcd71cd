//! The session's own small database: what a feed looked like when it was last seen, what is kept for offline, and small
//! records of the driver.
//!
//! One file, `session.db`, one connection behind a lock that is never held across a call out. The driver calls it from
//! blocking threads only.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use once_cell::sync::Lazy;
use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use unspool_engine::{KeptRecord, MediaKey, SavedFeed};

use crate::rows::Query;

static MIGRATIONS: Lazy<Migrations<'static>> =
    Lazy::new(|| Migrations::new(vec![M::up(FEEDS), M::up(KEPT), M::up(MEMORY)]));

const FEEDS: &str =
    "CREATE TABLE feed (name TEXT PRIMARY KEY, saved TEXT NOT NULL, wall_ms INTEGER NOT NULL) STRICT;";
/// The media key stands apart from the record, so that what it names can be let go even if the record is unreadable.
const KEPT: &str = "CREATE TABLE kept (
    asset TEXT PRIMARY KEY,
    place INTEGER NOT NULL,
    media TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;";

const MEMORY: &str = "CREATE TABLE memory (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;";

/// What an earlier session kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// In the order it was asked for.
    pub(crate) records: Vec<KeptRecord>,
    /// Renditions whose record could not be read; it is gone.
    pub(crate) lost: Vec<MediaKey>,
}

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("session database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("session database: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    #[error("saved feed: {0}")]
    Json(#[from] serde_json::Error),
    #[error("session database is suspended")]
    Suspended,
}

/// The session's database.
#[derive(Debug)]
pub(crate) struct SessionStore {
    path: std::path::PathBuf,
    db: Mutex<Option<Connection>>,
}

impl SessionStore {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(SessionStore { path: path.to_owned(), db: Mutex::new(Some(connect(path)?)) })
    }

    /// Replaces what is kept of a feed.
    pub(crate) fn save_feed(&self, name: &str, saved: &SavedFeed, wall_ms: i64) -> Result<(), StoreError> {
        let json = serde_json::to_string(saved)?;
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        db.prepare_cached("INSERT OR REPLACE INTO feed (name, saved, wall_ms) VALUES (?1, ?2, ?3)")?
            .execute(params![name, json, wall_ms])?;
        Ok(())
    }

    /// What was kept of a feed. A record that cannot be read counts as none: the next page replaces it.
    pub(crate) fn load_feed(&self, name: &str) -> Result<Option<SavedFeed>, StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        let json: Option<String> =
            db.query_row("SELECT saved FROM feed WHERE name = ?1", [name], |r| r.get(0)).optional()?;
        Ok(json.and_then(|j| {
            serde_json::from_str(&j).inspect_err(|e| tracing::warn!(%e, "saved feed dropped")).ok()
        }))
    }

    /// Replaces a small record of the driver.
    pub(crate) fn remember(&self, name: &str, record: &str) -> Result<(), StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        db.prepare_cached("INSERT OR REPLACE INTO memory (name, record) VALUES (?1, ?2)")?
            .execute(params![name, record])?;
        Ok(())
    }

    /// As [`remember`](SessionStore::remember), and on the disk when it returns.
    pub(crate) fn remember_for_sure(&self, name: &str, record: &str) -> Result<(), StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        let written =
            db.execute("INSERT OR REPLACE INTO memory (name, record) VALUES (?1, ?2)", params![name, record]);
        db.pragma_update(None, "synchronous", "NORMAL")?;
        written?;
        Ok(())
    }

    /// A small record of the driver.
    pub(crate) fn recall(&self, name: &str) -> Result<Option<String>, StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        Ok(db.query_row("SELECT record FROM memory WHERE name = ?1", [name], |r| r.get(0)).optional()?)
    }

    /// A page of rows.
    pub(crate) fn rows(&self, query: Query, from: usize) -> Result<Vec<serde_json::Value>, StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        Ok(query.page(db, &[], from)?)
    }

    /// Takes a small record out, and everything it ever was out of the files: pages that become free are overwritten, and
    /// the log is emptied.
    pub(crate) fn erase_memory(&self, name: &str) -> Result<(), StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        db.execute("DELETE FROM memory WHERE name = ?1", [name])?;
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Writes records down and takes others out, in one transaction that is on the disk when this returns.
    pub(crate) fn save_kept<'a>(
        &self,
        records: impl Iterator<Item = &'a KeptRecord>,
        erased: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        let mut db = self.lock();
        let db = db.as_mut().ok_or(StoreError::Suspended)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        let written = write_kept(db, records, erased);
        db.pragma_update(None, "synchronous", "NORMAL")?;
        written
    }

    /// Everything that is kept. Records that cannot be read are taken out.
    pub(crate) fn load_kept(&self) -> Result<Kept, StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        let mut rows = db.prepare("SELECT asset, media, record FROM kept ORDER BY place, asset")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut kept = Kept::default();
        let mut unreadable: Vec<String> = Vec::new();
        for row in rows {
            let (asset, media, record): (String, String, String) = row?;
            match serde_json::from_str(&record) {
                Ok(record) => kept.records.push(record),
                Err(e) => {
                    tracing::warn!(%e, "the record of a kept asset was dropped");
                    kept.lost.push(MediaKey::from_stored(media));
                    unreadable.push(asset);
                }
            }
        }
        for asset in unreadable {
            db.execute("DELETE FROM kept WHERE asset = ?1", [asset])?;
        }
        Ok(kept)
    }

    /// Writes everything to the main file and closes it, so that no lock is held while the app is suspended.
    pub(crate) fn suspend(&self) -> Result<(), StoreError> {
        if let Some(db) = self.lock().take() {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// Opens it again.
    pub(crate) fn resume(&self) -> Result<(), StoreError> {
        let mut db = self.lock();
        if db.is_none() {
            *db = Some(connect(&self.path)?);
        }
        Ok(())
    }

    /// Whether something can be written: it is not suspended.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_kept<'a>(
    db: &mut Connection,
    records: impl Iterator<Item = &'a KeptRecord>,
    erased: impl Iterator<Item = &'a str>,
) -> Result<(), StoreError> {
    let tx = db.transaction()?;
    for record in records {
        let place = i64::try_from(record.order).unwrap_or(i64::MAX);
        let json = serde_json::to_string(record)?;
        tx.prepare_cached(
            "INSERT OR REPLACE INTO kept (asset, place, media, record) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![record.asset(), place, record.key.as_str(), json])?;
    }
    for asset in erased {
        tx.execute("DELETE FROM kept WHERE asset = ?1", [asset])?;
    }
    Ok(tx.commit()?)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    // What is replaced or deleted is overwritten: an erasure leaves nothing in free pages.
    db.pragma_update(None, "secure_delete", "ON")?;
    MIGRATIONS.to_latest(&mut db)?;
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_survives_suspension_and_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.db");
        let store = SessionStore::open(&path).unwrap();
        let saved = SavedFeed {
            items: Vec::new(),
            current: Some(3),
            cursor: Some("c".into()),
            ..SavedFeed::default()
        };
        store.save_feed("for_you", &saved, 1).unwrap();
        store.suspend().unwrap();
        assert!(matches!(store.load_feed("for_you"), Err(StoreError::Suspended)));
        assert!(!path.with_extension("db-wal").exists(), "nothing is left open");
        store.resume().unwrap();
        assert_eq!(store.load_feed("for_you").unwrap(), Some(saved.clone()));
        store.remember("links", "1").unwrap();
        store.remember("links", "2").unwrap();
        drop(store);
        let again = SessionStore::open(&path).unwrap();
        assert_eq!(again.load_feed("for_you").unwrap(), Some(saved));
        assert_eq!(
            (again.recall("links").unwrap().as_deref(), again.recall("x").unwrap()),
            (Some("2"), None)
        );
    }
    fn record(asset: &str, order: u64) -> KeptRecord {
        let json = serde_json::json!({
            "order": order, "key": format!("{asset}\u{1f}480p"), "mark": "wanted", "size": 5, "held": 3,
            "others": [{"start": 0, "end": 3}],
            "item": {
                "id": "i", "asset": {"id": asset, "duration_ms": 1, "renditions": []},
                "creator": {"id": "c", "handle": "h", "name": "n"}, "topics": [], "caption": "", "alt_text": "",
                "labels": [], "retention": [], "prior": null,
            },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_database_of_the_first_version_gets_the_table_of_what_is_kept_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(FEEDS).unwrap();
        db.execute(
            "INSERT INTO feed VALUES ('for_you', '{\"items\":[],\"current\":2,\"cursor\":null}', 1)",
            [],
        )
        .unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        drop(db);
        let store = SessionStore::open(&path).unwrap();
        assert_eq!(store.load_feed("for_you").unwrap().unwrap().current, Some(2));
        assert!(store.load_kept().unwrap().records.is_empty());
        let records = [record("b", 0), record("a", 1)];
        store.save_kept(records.iter(), std::iter::empty()).unwrap();
        drop(store);
        let store = SessionStore::open(&path).unwrap();
        assert_eq!(store.load_kept().unwrap().records, records);
        store.save_kept(std::iter::empty(), ["b"].into_iter()).unwrap();
        assert_eq!(store.load_kept().unwrap().records, records[1..]);
    }

    #[test]
    fn an_unreadable_record_is_taken_out_and_names_what_it_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.db");
        let store = SessionStore::open(&path).unwrap();
        store.save_kept([record("a", 0)].iter(), std::iter::empty()).unwrap();
        let db = Connection::open(&path).unwrap();
        db.execute("INSERT INTO kept VALUES ('x', 1, 'x\u{1f}r', 'torn')", []).unwrap();
        let kept = store.load_kept().unwrap();
        assert_eq!((kept.records.len(), kept.lost), (1, vec![MediaKey::new("x", "r")]));
        assert!(store.load_kept().unwrap().lost.is_empty());
    }
}
