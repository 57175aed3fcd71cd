//! The session's own small database: what a feed looked like when it was last seen, and small records of the driver.
//!
//! One file, `session.db`, one connection behind a lock that is never held across a call out. The driver calls it from
//! blocking threads only.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use once_cell::sync::Lazy;
use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use unspool_engine::SavedFeed;

static MIGRATIONS: Lazy<Migrations<'static>> = Lazy::new(|| {
    Migrations::new(vec![
        M::up(
            "CREATE TABLE feed (name TEXT PRIMARY KEY, saved TEXT NOT NULL, wall_ms INTEGER NOT NULL) STRICT;",
        ),
        M::up("CREATE TABLE memory (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;"),
    ])
});

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

    /// A small record of the driver.
    pub(crate) fn recall(&self, name: &str) -> Result<Option<String>, StoreError> {
        let db = self.lock();
        let db = db.as_ref().ok_or(StoreError::Suspended)?;
        Ok(db.query_row("SELECT record FROM memory WHERE name = ?1", [name], |r| r.get(0)).optional()?)
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

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
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
        let saved = SavedFeed { items: Vec::new(), current: Some(3), cursor: Some("c".into()) };
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
}
