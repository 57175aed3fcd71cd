//! The file of the outbox: its tables, one transaction at a time, and what happens when it is damaged.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::intents;
use super::model::{OutboxError, OutboxLevel};
use super::{salvage, wallet};
use crate::spool::SpoolError;
use crate::spool::database::{Database, Durability};

/// What is done within a transaction. Not a generic parameter: each kind of it would be another copy of the transaction.
pub type Work<'a, T> = &'a dyn Fn(&Transaction<'_>) -> rusqlite::Result<T>;

const STEPS: &[M<'static>] = &[
    M::up(
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE confirmed(
         actor TEXT NOT NULL, verb TEXT NOT NULL, target TEXT NOT NULL, state INTEGER NOT NULL,
         at_ms INTEGER NOT NULL, PRIMARY KEY(actor, verb, target)) WITHOUT ROWID;
     CREATE TABLE parcel(
         key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, actor TEXT NOT NULL, rows INTEGER NOT NULL,
         tries INTEGER NOT NULL, next_at INTEGER NOT NULL);
     CREATE TABLE intent(
         seq INTEGER PRIMARY KEY AUTOINCREMENT, op_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL, verb TEXT NOT NULL,
         target TEXT NOT NULL, state INTEGER NOT NULL, at_ms INTEGER NOT NULL, parcel INTEGER, reason TEXT);
     CREATE INDEX intent_of ON intent(actor, verb, target);
     CREATE INDEX intent_in ON intent(parcel);",
    ),
    M::up("CREATE TABLE interest(actor TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY(actor, target)) WITHOUT ROWID;"),
    M::up(
        "CREATE TABLE payment(
         seq INTEGER PRIMARY KEY AUTOINCREMENT, op_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL, cause TEXT NOT NULL,
         amount INTEGER NOT NULL, order_json TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
         at_ms INTEGER NOT NULL);
     CREATE INDEX payment_of ON payment(actor, state);
     CREATE TABLE balance(actor TEXT PRIMARY KEY, coins INTEGER NOT NULL) WITHOUT ROWID;",
    ),
    M::up(
        "ALTER TABLE parcel ADD COLUMN line TEXT NOT NULL DEFAULT 'intent';
     CREATE TABLE comment(
         actor TEXT NOT NULL, id TEXT NOT NULL, item TEXT NOT NULL, parent TEXT, text TEXT, at_ms INTEGER NOT NULL,
         sent INTEGER NOT NULL, PRIMARY KEY(actor, id)) WITHOUT ROWID;
     CREATE TABLE comment_op(
         seq INTEGER PRIMARY KEY AUTOINCREMENT, op_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL, item TEXT NOT NULL,
         comment TEXT NOT NULL, deed TEXT NOT NULL, text TEXT, at_ms INTEGER NOT NULL, parcel INTEGER, reason TEXT);
     CREATE INDEX comment_op_of ON comment_op(actor, item);
     CREATE INDEX comment_op_in ON comment_op(parcel);",
    ),
    M::up("ALTER TABLE intent ADD COLUMN words TEXT;"),
];
static MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// SQLite's own size: a tap is a commit of three pages, and there are few of them.
const PAGE_BYTES: u32 = 4_096;

/// The file, open while it is used.
pub(super) struct File {
    database: Database,
    connection: Option<Connection>,
    suspended: bool,
}

/// The file at `path`, and how it is opened.
pub(super) fn database(path: PathBuf, durability: Durability) -> Database {
    Database { path, durability, page_bytes: PAGE_BYTES, migrations: &MIGRATIONS }
}

impl File {
    pub fn new(path: PathBuf, durability: Durability) -> Self {
        File { database: database(path, durability), connection: None, suspended: false }
    }

    /// Runs `work` in one transaction; gives the books after it, and whether a row was changed.
    pub fn write<T>(&mut self, work: Work<'_, T>) -> Result<(T, OutboxLevel, bool), OutboxError> {
        let mut done = self.transact(work);
        if matches!(done, Err(OutboxError::Store(SpoolError::Corrupt))) {
            self.replace()?;
            done = self.transact(work);
        }
        let closed = if self.suspended { self.shut() } else { Ok(()) };
        let done = done?;
        closed.map(|()| done)
    }

    pub fn suspend(&mut self) -> Result<(), OutboxError> {
        self.suspended = true;
        self.shut()
    }

    pub fn resume(&mut self) {
        self.suspended = false;
    }

    fn transact<T>(&mut self, work: Work<'_, T>) -> Result<(T, OutboxLevel, bool), OutboxError> {
        let tx = self.begin()?;
        let before = tx.total_changes();
        let done = work(&tx)?;
        let (level, changed) = commit(tx, before)?;
        Ok((done, level, changed))
    }

    fn begin(&mut self) -> Result<Transaction<'_>, OutboxError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => adopt(self.database.open()?)?,
        };
        let connection = self.connection.insert(connection);
        Ok(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Sets a damaged file aside, and goes on in a new one with what can be read of it.
    fn replace(&mut self) -> Result<(), OutboxError> {
        self.connection = None;
        let (_, aside) = self.database.set_aside()?;
        let found = salvage::read(&aside);
        let mut connection = adopt(self.database.open()?)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = found.restore(&tx)?;
        wallet::recover(&tx)?;
        tx.commit()?;
        tracing::warn!(rows, "what could be read of a damaged outbox was taken over");
        self.connection = Some(connection);
        Ok(())
    }

    fn shut(&mut self) -> Result<(), OutboxError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Ends a transaction that found `before` rows changed; gives the books after it, and whether it changed one.
fn commit(tx: Transaction<'_>, before: u64) -> Result<(OutboxLevel, bool), OutboxError> {
    let level = intents::level(&tx)?;
    let changed = tx.total_changes() != before;
    tx.commit()?;
    Ok((level, changed))
}

/// Names a new file.
fn adopt(connection: Connection) -> Result<Connection, OutboxError> {
    let known: Option<i64> = connection
        .query_row("SELECT 1 FROM meta WHERE name = 'installation'", [], |row| row.get(0))
        .optional()?;
    if known.is_none() {
        let id = uuid::Uuid::new_v4().to_string();
        connection.execute("INSERT INTO meta(name, value) VALUES ('installation', ?1)", [id])?;
    }
    Ok(connection)
}
