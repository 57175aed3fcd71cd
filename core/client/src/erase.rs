//! Erasing by scope: what a person asks to be gone is in no file of the data directory afterwards.
//!
//! The files are erased while nothing has them open: the order is written down in `erasing.json` and made durable, the session
//! ends, and [`finish`] carries the order out. A kill at any point leaves the order, and the next opening carries it out before
//! any room is opened; each step may be done twice. Databases that go on lose their rows and are then written anew without free
//! pages and without a log; what goes as a whole is deleted.
//!
//! Three things outlive it, none of them telling what somebody watched or wrote. A payment that was sent and whose answer is
//! awaited, because the server may have carried it out. The request to the backend to delete
//! what telemetry it has, under a hash of the account. And what guards a minor (the age, the limits, the passcode's hash, the
//! minutes that were counted), under the same hash, or erasing would be the way around it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use unspool_engine::safety::SafetySettings;
use unspool_media::DirectoryLock;

use crate::core::media_error;
use crate::crash;
use crate::error::Error;
use crate::outbox;
use crate::owner;
use crate::spool::database::Database;

/// The order that is being carried out.
const ORDER: &str = "erasing.json";

/// What can be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseScope {
    /// What was seen and what was learnt from it: the state of the ranking, and feeds as they were last seen.
    History,
    /// Every byte of media with its index, of the cache and of what is kept for offline, and the list of what is kept.
    Media,
    /// Telemetry that was not sent, under every account; the backend is asked to delete what it was sent from here.
    Telemetry,
    /// What the person did: likes, follows, comments, interests, reports and payments, sent or not. What waited is not sent.
    /// A payment that was sent and whose answer is awaited stays until it is known. What the ranking made of it goes with
    /// `History`.
    Deeds,
    /// All of the account: everything above, and what it chose. What guards a minor stays, and telemetry and choices of other
    /// accounts of this device stay theirs.
    Account,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    scopes: Vec<EraseScope>,
    account: String,
    /// Under which the backend has telemetry.
    installations: Vec<String>,
    at_ms: i64,
}

impl Order {
    fn holds(&self, scope: EraseScope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&EraseScope::Account)
    }

    fn all(&self) -> bool {
        self.scopes.contains(&EraseScope::Account)
    }
}

/// Whether telemetry is among `scopes`, so that the backend has to be asked too.
pub(crate) fn reaches_telemetry(scopes: &[EraseScope]) -> bool {
    scopes.iter().any(|scope| matches!(scope, EraseScope::Telemetry | EraseScope::Account))
}

/// Writes down what is to be erased; from here on it will be. Blocks for the disk.
pub(crate) fn order(
    dir: &Path,
    scopes: &[EraseScope],
    account: &str,
    installations: Vec<String>,
    at_ms: i64,
) -> Result<(), Error> {
    let order = Order { scopes: scopes.to_vec(), account: account.to_owned(), installations, at_ms };
    let text = serde_json::to_vec(&order).map_err(|e| Error::Internal { reason: e.to_string() })?;
    let fresh = dir.join("erasing.json.new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(ORDER))?;
        sync_folder(dir)
    };
    write().map_err(|e| storage(&e))?;
    crash::point("erase.ordered");
    Ok(())
}

/// Carries out what was ordered and not finished. Nothing may have the files open. Blocks for the disk.
///
/// # Errors
/// [`Error::InUse`] when a session has them open, [`Error::Storage`] when the disk refuses; the order stays then.
pub(crate) fn finish(dir: &Path) -> Result<(), Error> {
    let text = match fs::read(dir.join(ORDER)) {
        Ok(text) => text,
        // One that was cut short while it was written was never given.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return gone(&dir.join("erasing.json.new")).map_err(|e| storage(&e));
        }
        Err(error) => return Err(storage(&error)),
    };
    let order: Order = serde_json::from_slice(&text).map_err(|e| Error::Storage { reason: e.to_string() })?;
    let media = dir.join("media");
    let lock = DirectoryLock::take(&media).map_err(|e| media_error(&e.into()))?;
    session(dir, &order)?;
    crash::point("erase.session");
    if order.holds(EraseScope::Deeds) || !order.installations.is_empty() {
        deeds(dir, &order)?;
    }
    crash::point("erase.outbox");
    if order.holds(EraseScope::Telemetry) {
        telemetry(dir, &order)?;
    }
    crash::point("erase.events");
    if order.holds(EraseScope::Media) {
        lock.empty().map_err(|e| storage(&e))?;
    }
    crash::point("erase.media");
    sync_folder(dir).map_err(|e| storage(&e))?;
    gone(&dir.join("erasing.json.new")).map_err(|e| storage(&e))?;
    gone(&dir.join(ORDER)).map_err(|e| storage(&e))?;
    sync_folder(dir).map_err(|e| storage(&e))?;
    crash::point("erase.done");
    Ok(())
}

/// Name of a small record of one account.
fn record(kind: &str, account: &str) -> String {
    format!("{kind}:{account}")
}

/// Name of the record that outlives the erasure of its account.
pub(crate) fn guarding(kind: &str, account: &str) -> String {
    record(kind, &owner::mark(account))
}

fn session(dir: &Path, order: &Order) -> Result<(), Error> {
    let path = dir.join("session.db");
    if !path.exists() {
        return Ok(());
    }
    let run = || -> rusqlite::Result<()> {
        let mut db = Connection::open(&path)?;
        db.busy_timeout(std::time::Duration::from_secs(2))?;
        db.pragma_update(None, "secure_delete", "ON")?;
        let tables: i64 = db.query_row(
            "SELECT count(*) FROM sqlite_master WHERE name IN ('feed', 'kept', 'memory')",
            [],
            |r| r.get(0),
        )?;
        if tables < 3 {
            // A database of an earlier version, or of a session that never came to be.
            drop(db);
            return delete(&path);
        }
        let tx = db.transaction()?;
        let account = order.account.as_str();
        let forget =
            |kind: &str| tx.execute("DELETE FROM memory WHERE name = ?1", [record(kind, account)]).map(drop);
        if order.holds(EraseScope::History) {
            tx.execute("DELETE FROM feed", [])?;
            forget("learnt")?;
        }
        if order.holds(EraseScope::Media) {
            tx.execute("DELETE FROM kept", [])?;
        }
        if order.holds(EraseScope::Deeds) {
            forget("reports")?;
        }
        if order.all() {
            keep_guard(&tx, account)?;
            for kind in ["settings", "safety", "wellbeing"] {
                forget(kind)?;
            }
            tx.execute("DELETE FROM memory WHERE name = 'traffic' OR name LIKE 'links:%'", [])?;
        }
        tx.commit()?;
        crash::point("erase.rows");
        without_remains(&db)
    };
    match run() {
        // What cannot be read cannot be erased in part.
        Err(error) if is_damaged(&error) => delete(&path),
        done => done,
    }
    .map_err(|e| Error::Storage { reason: format!("session database: {e}") })
}

/// Moves what guards the person to a name that does not show the account.
fn keep_guard(tx: &rusqlite::Transaction<'_>, account: &str) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO memory (name, record) SELECT ?2, record FROM memory WHERE name = ?1",
        [record("wellbeing", account), guarding("wellbeing", account)],
    )?;
    let chosen: Option<String> = {
        use rusqlite::OptionalExtension as _;
        tx.query_row("SELECT record FROM memory WHERE name = ?1", [record("safety", account)], |r| r.get(0))
            .optional()?
    };
    // Of the choices only the age guards; where it cannot be read, the record of an earlier erasure stays.
    if let Some(settings) = chosen.and_then(|json| serde_json::from_str::<SafetySettings>(&json).ok()) {
        let kept = SafetySettings { age: settings.age, ..SafetySettings::default() };
        if let Ok(json) = serde_json::to_string(&kept) {
            tx.execute(
                "INSERT OR REPLACE INTO memory (name, record) VALUES (?1, ?2)",
                [guarding("safety", account), json],
            )?;
        }
    }
    Ok(())
}

fn deeds(dir: &Path, order: &Order) -> Result<(), Error> {
    let erased = outbox::Erased {
        actor: &order.account,
        shown_as: owner::hidden(&order.account),
        deeds: order.holds(EraseScope::Deeds),
        installations: &order.installations,
        at_ms: order.at_ms,
    };
    outbox::erase(&dir.join("outbox.db"), &erased).map_err(|e| crate::core::outbox_error(&e))
}

fn telemetry(dir: &Path, order: &Order) -> Result<(), Error> {
    let events = dir.join("events.db");
    Database::delete_at(&events).map_err(|e| Error::Storage { reason: e.to_string() })?;
    if !order.all() {
        owner::forget_others(dir).map_err(|e| storage(&e))?;
        return Ok(());
    }
    for name in owner::files_of(dir, &order.account).map_err(|e| storage(&e))? {
        gone(&name).map_err(|e| storage(&e))?;
    }
    Ok(())
}

/// Writes a database anew without free pages, and empties its log.
pub(crate) fn without_remains(db: &Connection) -> rusqlite::Result<()> {
    // What is sorted out on the way goes to memory and to no file.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.execute_batch("VACUUM")?;
    crash::point("erase.vacuumed");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn delete(path: &Path) -> rusqlite::Result<()> {
    let refused = |e: std::io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(e));
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        gone(&PathBuf::from(name)).map_err(refused)?;
    }
    Ok(())
}

fn gone(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(dir: &Path) -> std::io::Result<()> {
    // Folders cannot be opened everywhere; where they cannot, their entries are written through.
    match File::open(dir) {
        Ok(folder) => folder.sync_all(),
        Err(_) if cfg!(not(unix)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn storage(error: &std::io::Error) -> Error {
    Error::Storage { reason: format!("erasing: {error}; the next opening goes on") }
}
