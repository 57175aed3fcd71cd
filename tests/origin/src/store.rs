//! What clients told the server, in SQLite: telemetry events and interactions.
//!
//! Everything is committed with `synchronous=FULL` before a call is answered, and every received event is also appended to
//! `telemetry.jsonl`, duplicates included. Calls block; handlers run them on the blocking pool.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::now_ms;
use crate::contract::{Interaction, InteractionResult, InteractionStatus};
use crate::error::OriginError;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS events (
    installation TEXT NOT NULL,
    seq INTEGER NOT NULL,
    session TEXT,
    event_name TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    attributes_json TEXT NOT NULL,
    batch_id TEXT,
    first_received_ms INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (installation, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operations (
    actor TEXT NOT NULL,
    op_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    state INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    idempotency_key TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (actor, op_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrivals (
    turn INTEGER PRIMARY KEY AUTOINCREMENT,
    actor TEXT NOT NULL,
    op_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS desired (
    actor TEXT NOT NULL,
    verb TEXT NOT NULL,
    target TEXT NOT NULL,
    state INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (actor, verb, target)
) WITHOUT ROWID;
";

/// Verbs an interaction may have.
pub const VERBS: [&str; 7] = ["like", "follow", "save", "interest", "block", "report", "erase"];
/// Longest identifier in an interaction, bytes.
pub const MAX_ID: usize = 200;
/// Longest words with a report, bytes.
pub const MAX_WORDS: usize = 1_200;
/// Most rows a listing answers with.
pub const MAX_LISTED: u32 = 100_000;

/// A received event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Which installation sent it.
    pub installation: String,
    /// Its number in that installation.
    pub seq: i64,
    /// Which session it happened in.
    pub session: Option<String>,
    /// Its kind, such as `unspool.impression`.
    pub event_name: String,
    /// When it happened, milliseconds since 1970 by the client's clock.
    pub time_ms: i64,
    /// All attributes of the record.
    pub attributes: Map<String, Value>,
    /// The batch it came in.
    pub batch_id: Option<String>,
}

/// How a batch of events came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its `Content-Encoding`, `identity` where there was none.
    pub encoding: &'static str,
    /// Bytes of its body on the wire.
    pub bytes: usize,
}

/// A stored event, as listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Which installation sent it.
    pub installation: String,
    /// Its number in that installation.
    pub seq: i64,
    /// Which session it happened in.
    pub session: Option<String>,
    /// Its kind.
    pub event_name: String,
    /// When it happened by the client's clock, milliseconds since 1970.
    pub time_ms: i64,
    /// All attributes of the record.
    pub attributes: Value,
    /// The batch it came in first.
    pub batch_id: Option<String>,
    /// When it came first, milliseconds since 1970.
    pub first_received_ms: i64,
    /// How often it came.
    pub deliveries: i64,
}

/// The state an actor wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Who wants it.
    pub actor: String,
    /// `like`, `follow`, `save`, `interest`, `block`, `report` or `erase`.
    pub verb: String,
    /// Of what.
    pub target: String,
    /// Whether it holds.
    pub state: bool,
    /// When the person did it by the client's clock, milliseconds since 1970.
    pub at_ms: i64,
}

/// How much is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events received, repeats included.
    pub received: i64,
    /// Different events.
    pub distinct: i64,
    /// Different operations.
    pub interactions: i64,
}

/// The database and the telemetry file.
pub struct Store {
    inner: Mutex<Inner>,
}

struct Inner {
    database: Connection,
    telemetry: File,
}

impl Store {
    /// Opens `origin.db` and `telemetry.jsonl` in the state folder.
    ///
    /// # Errors
    /// When either cannot be opened.
    pub fn open(state: &Path) -> Result<Self, OriginError> {
        let database = Connection::open(state.join("origin.db"))?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.busy_timeout(std::time::Duration::from_secs(5))?;
        database.execute_batch(SCHEMA)?;
        database.execute_batch(crate::comments::SCHEMA)?;
        database.execute_batch(crate::wallets::SCHEMA)?;
        database.execute_batch(crate::reports::SCHEMA)?;
        let path = state.join("telemetry.jsonl");
        let telemetry = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(OriginError::io("cannot open", path))?;
        Ok(Store { inner: Mutex::new(Inner { database, telemetry }) })
    }

    /// Runs `work` in a transaction that is durable when it returns.
    ///
    /// # Errors
    /// When the database fails; nothing is done then.
    pub(crate) fn transact<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, OriginError>,
    ) -> Result<T, OriginError> {
        let mut inner = self.lock();
        let transaction = inner.database.transaction()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores events, all or none; a repeat raises `deliveries` only. Durable when it returns.
    ///
    /// # Errors
    /// When the database or the telemetry file fails.
    pub fn add_events(&self, events: &[Event], arrival: Arrival) -> Result<(), OriginError> {
        let mut inner = self.lock();
        let now = now_ms();
        let mut lines = String::new();
        let transaction = inner.database.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)
                 ON CONFLICT (installation, seq) DO UPDATE SET deliveries = deliveries + 1
                 RETURNING deliveries",
            )?;
            for event in events {
                let attributes = Value::Object(event.attributes.clone());
                let deliveries: i64 = insert.query_row(
                    params![
                        event.installation,
                        event.seq,
                        event.session,
                        event.event_name,
                        event.time_ms,
                        attributes.to_string(),
                        event.batch_id,
                        now
                    ],
                    |row| row.get(0),
                )?;
                let line = serde_json::json!({
                    "t_ms": now,
                    "installation": event.installation,
                    "seq": event.seq,
                    "session": event.session,
                    "event_name": event.event_name,
                    "time_ms": event.time_ms,
                    "attributes": attributes,
                    "batch_id": event.batch_id,
                    "encoding": arrival.encoding,
                    "batch_bytes": arrival.bytes,
                    "duplicate": deliveries > 1,
                });
                lines.push_str(&line.to_string());
                lines.push('\n');
            }
        }
        transaction.commit()?;
        inner
            .telemetry
            .write_all(lines.as_bytes())
            .map_err(OriginError::io("cannot write", "telemetry.jsonl"))?;
        Ok(())
    }

    /// Applies operations in order; each is idempotent by `(actor, op_id)`. Durable when it returns.
    ///
    /// # Errors
    /// When the database fails; nothing is applied then.
    pub fn apply(
        &self,
        actor: &str,
        idempotency_key: &str,
        operations: &[Interaction],
    ) -> Result<Vec<InteractionResult>, OriginError> {
        let mut inner = self.lock();
        let transaction = inner.database.transaction()?;
        let mut results = Vec::with_capacity(operations.len());
        for operation in operations {
            let (status, reason) = match refusal(operation) {
                Some(reason) => (InteractionStatus::Rejected, Some(reason)),
                None => apply_one(&transaction, actor, idempotency_key, operation)?,
            };
            // Whoever knows the identifier of an installation is it: nobody else was told.
            if operation.verb == "erase" && operation.state && matches!(status, InteractionStatus::Applied) {
                transaction.execute("DELETE FROM events WHERE installation = ?1", [&operation.target])?;
            }
            let reason = reason.map(str::to_owned);
            results.push(InteractionResult { op_id: operation.op_id.clone(), status, reason });
        }
        transaction.commit()?;
        Ok(results)
    }

    /// What an actor has said something about under a verb, and what they want: creators to follow, topics of interest.
    ///
    /// # Errors
    /// When the database fails.
    pub fn said(&self, actor: &str, verb: &str) -> Result<Vec<(String, bool)>, OriginError> {
        let inner = self.lock();
        let mut query = inner
            .database
            .prepare_cached("SELECT target, state FROM desired WHERE actor = ?1 AND verb = ?2")?;
        let rows = query.query_map([actor, verb], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Stored events, by installation and number; all installations when none is named.
    ///
    /// # Errors
    /// When the database fails.
    pub fn events(&self, installation: Option<&str>) -> Result<Vec<StoredEvent>, OriginError> {
        let inner = self.lock();
        let mut query = inner.database.prepare_cached(
            "SELECT installation, seq, session, event_name, time_ms, attributes_json, batch_id, first_received_ms,
                    deliveries
             FROM events WHERE ?1 IS NULL OR installation = ?1 ORDER BY installation, seq LIMIT ?2",
        )?;
        let rows = query.query_map(params![installation, MAX_LISTED], |row| {
            let attributes: String = row.get(5)?;
            Ok(StoredEvent {
                installation: row.get(0)?,
                seq: row.get(1)?,
                session: row.get(2)?,
                event_name: row.get(3)?,
                time_ms: row.get(4)?,
                attributes: serde_json::from_str(&attributes).unwrap_or_default(),
                batch_id: row.get(6)?,
                first_received_ms: row.get(7)?,
                deliveries: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Desired states; of all actors when none is named.
    ///
    /// # Errors
    /// When the database fails.
    pub fn desired(&self, actor: Option<&str>) -> Result<Vec<Desired>, OriginError> {
        let inner = self.lock();
        let mut query = inner.database.prepare_cached(
            "SELECT actor, verb, target, state, at_ms FROM desired WHERE ?1 IS NULL OR actor = ?1
             ORDER BY actor, verb, target LIMIT ?2",
        )?;
        let rows = query.query_map(params![actor, MAX_LISTED], |row| {
            Ok(Desired {
                actor: row.get(0)?,
                verb: row.get(1)?,
                target: row.get(2)?,
                state: row.get(3)?,
                at_ms: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Operations of an actor in the order in which they came first, as verb and target.
    ///
    /// # Errors
    /// When the database fails.
    pub fn arrivals(&self, actor: &str) -> Result<Vec<(String, String)>, OriginError> {
        let inner = self.lock();
        let mut query = inner.database.prepare_cached(
            "SELECT o.verb, o.target FROM arrivals AS a JOIN operations AS o ON o.actor = a.actor AND o.op_id = a.op_id
             WHERE a.actor = ?1 ORDER BY a.turn LIMIT ?2",
        )?;
        let rows = query.query_map(params![actor, MAX_LISTED], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How much is stored.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts(&self) -> Result<Counts, OriginError> {
        let counts = self.lock().database.query_row(
            "SELECT (SELECT coalesce(sum(deliveries), 0) FROM events), (SELECT count(*) FROM events),
                    (SELECT count(*) FROM operations)",
            [],
            |row| Ok(Counts { received: row.get(0)?, distinct: row.get(1)?, interactions: row.get(2)? }),
        )?;
        Ok(counts)
    }
}

/// Why an operation can never be stored.
fn refusal(operation: &Interaction) -> Option<&'static str> {
    let bad = |id: &str| id.is_empty() || id.len() > MAX_ID;
    if !VERBS.contains(&operation.verb.as_str()) {
        Some("unknown_verb")
    } else if bad(&operation.op_id) {
        Some("bad_op_id")
    } else if bad(&operation.target) {
        Some("bad_target")
    } else if operation.words.as_ref().is_some_and(|w| operation.verb != "report" || w.len() > MAX_WORDS) {
        Some("bad_words")
    } else {
        None
    }
}

fn apply_one(
    database: &Connection,
    actor: &str,
    idempotency_key: &str,
    operation: &Interaction,
) -> Result<(InteractionStatus, Option<&'static str>), OriginError> {
    let Interaction { op_id, verb, target, state, at_ms, words } = operation;
    let before: Option<(String, String, bool)> = database
        .prepare_cached("SELECT verb, target, state FROM operations WHERE actor = ?1 AND op_id = ?2")?
        .query_row(params![actor, op_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match before {
        Some(known) if (&known.0, &known.1, known.2) == (verb, target, *state) => {
            Ok((InteractionStatus::Duplicate, None))
        }
        Some(_) => Ok((InteractionStatus::Rejected, Some("op_id_reused"))),
        None => {
            database
                .prepare_cached("INSERT INTO operations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
                .execute(params![actor, op_id, verb, target, state, at_ms, idempotency_key, now_ms()])?;
            database
                .prepare_cached("INSERT INTO arrivals(actor, op_id) VALUES (?1, ?2)")?
                .execute(params![actor, op_id])?;
            database
                .prepare_cached("INSERT OR REPLACE INTO desired VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![actor, verb, target, state, at_ms])?;
            if let Some(words) = words {
                database
                    .prepare_cached("INSERT OR REPLACE INTO report_words VALUES (?1, ?2, ?3)")?
                    .execute(params![actor, target, words])?;
            }
            Ok((InteractionStatus::Applied, None))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(op_id: &str, verb: &str, state: bool) -> Interaction {
        Interaction {
            op_id: op_id.into(),
            verb: verb.into(),
            target: "item-1".into(),
            state,
            at_ms: 5,
            words: None,
        }
    }

    #[test]
    fn operations_are_idempotent_and_the_last_state_holds() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let apply = |operations: &[Interaction]| {
            let results = store.apply("me", "k", operations).unwrap();
            results.into_iter().map(|result| (result.status, result.reason)).collect::<Vec<_>>()
        };
        use InteractionStatus::{Applied, Duplicate, Rejected};
        assert_eq!(
            apply(&[like("a", "like", true), like("b", "like", false)]),
            [(Applied, None), (Applied, None)]
        );
        assert_eq!(apply(&[like("a", "like", true)]), [(Duplicate, None)]);
        assert_eq!(apply(&[like("a", "like", false)]), [(Rejected, Some("op_id_reused".into()))]);
        assert_eq!(apply(&[like("c", "hug", true)]), [(Rejected, Some("unknown_verb".into()))]);
        assert_eq!(apply(&[like("", "like", true)]), [(Rejected, Some("bad_op_id".into()))]);
        let desired = store.desired(Some("me")).unwrap();
        assert_eq!(desired.len(), 1);
        assert!(!desired[0].state, "the repeat of a must not undo b");
        assert_eq!(store.counts().unwrap().interactions, 2);
    }
}
