//! The one thread that writes a spool, with group commit.
//!
//! Whoever records hands an event to a bounded [inbox](super::inbox). The thread takes what has gathered, runs it in one
//! transaction, commits, and only then answers. When the inbox is full the caller waits for the commit, so nothing is
//! dropped unseen.
//!
//! While suspended the file is closed. What arrives then opens it, commits and closes it again: nothing is lost and no
//! lock is held when the operating system freezes the process.
//!
//! A file that turns out to be damaged is [replaced](replace), and events that nobody waits for are inserted into the new one;
//! who waits is told.

mod replace;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::age::Jumps;
use super::database::Database;
use super::error::SpoolError;
use super::inbox::{Inbox, Taken};
use super::ledger::{Counters, Ledger};
use super::records::{self, Encoded};
use super::{Seq, SpoolLimits};
use crate::crash;

/// How long a commit may stay without reaching the disk itself: what a power cut can cost.
const POWER_CUT_WINDOW: Duration = Duration::from_secs(5);

/// What a job sees: one transaction and the books.
pub(crate) struct Turn<'a> {
    pub tx: &'a Transaction<'a>,
    pub ledger: &'a mut Ledger,
    pub installation: &'a str,
    /// First number and identifier of each file these rows were recorded in, ascending; the last is this one.
    pub epochs: &'a [(u64, Arc<str>)],
    pub jumps: Jumps,
    /// Bits of the purposes agreed to.
    pub consent: u8,
    pub scratch: &'a mut Vec<u8>,
    /// The latest age clock among the events of this transaction.
    pub newest_ms: Option<i64>,
}

impl<'a> Turn<'a> {
    /// The identifier of the file a number was given out by.
    pub fn installation_of(&self, seq: u64) -> &'a str {
        let of = self.epochs.iter().rev().find(|(first, _)| *first <= seq);
        of.map_or(self.installation, |(_, installation)| installation)
    }
}

/// Work for the thread.
pub(crate) trait Job: Send {
    fn run(&mut self, turn: &mut Turn<'_>) -> rusqlite::Result<()>;
    /// Tells whoever waits how it ended.
    fn finish(self: Box<Self>, outcome: Result<(), SpoolError>);
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, SpoolError>>;

/// A job somebody waits for.
pub(crate) struct Task<F, T> {
    pub work: Option<F>,
    pub value: Option<T>,
    pub reply: Reply<T>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&mut Turn<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, turn: &mut Turn<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(turn)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), SpoolError>) {
        let Task { value, reply, .. } = *self;
        // Whoever asked may have stopped waiting; the work is done all the same.
        drop(reply.send(outcome.and_then(|()| value.ok_or(SpoolError::Closed))));
    }
}

/// One event; somebody may wait for its number.
pub(crate) struct Record {
    pub event: Encoded,
    pub seq: Option<Seq>,
    pub reply: Option<Reply<Seq>>,
}

pub(crate) enum Command {
    Record(Record),
    Job(Box<dyn Job>),
    Suspend(Reply<()>),
    Resume(Reply<()>),
    ToDisk(Reply<()>),
    Erase(Reply<()>),
    Close(Reply<()>),
}

impl Command {
    /// Whether somebody waits for it.
    pub fn is_urgent(&self) -> bool {
        !matches!(self, Command::Record(Record { reply: None, .. }))
    }
}

/// The state of a spool after its last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// This database file's own identifier, part of every event's identity.
    pub installation: Arc<str>,
    /// The books.
    pub counters: Counters,
    /// Events recorded and not yet acknowledged.
    pub queued_rows: u64,
    /// Their size in bytes.
    pub queued_bytes: u64,
    /// Events that belong to no open batch.
    pub unclaimed_rows: u64,
    /// Their size in bytes.
    pub unclaimed_bytes: u64,
    /// How many damaged files have been set aside, where one was in this process.
    pub replaced: u64,
}

impl Level {
    /// Whether every recorded event is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let c = &self.counters;
        c.recorded == c.delivered + self.queued_rows + c.dropped.total() + c.quarantined
    }
}

/// What the writer reads its clocks with: wall and boot, in milliseconds.
pub(crate) type Clocks = fn() -> (i64, i64);

pub(crate) struct Writer {
    pub database: Database,
    pub limits: SpoolLimits,
    pub connection: Option<Connection>,
    pub ledger: Ledger,
    pub installation: Arc<str>,
    epochs: Vec<(u64, Arc<str>)>,
    jumps: Jumps,
    pub clocks: Clocks,
    pub consent: Arc<AtomicU8>,
    scratch: Vec<u8>,
    pub replaced: u64,
    /// Events nobody waited for whose transaction failed, not yet in the books on disk.
    pub lost: u64,
    pub suspended: bool,
    /// When the oldest commit was made that no checkpoint has covered.
    dirty: Option<Instant>,
    pub level: watch::Sender<Level>,
}

impl Writer {
    /// Opens the file and reads the books.
    pub fn open(database: Database, limits: SpoolLimits, consent: Arc<AtomicU8>) -> Result<Self, SpoolError> {
        let empty: Arc<str> = Arc::from("");
        let level = Level {
            installation: empty.clone(),
            counters: Counters::default(),
            queued_rows: 0,
            queued_bytes: 0,
            unclaimed_rows: 0,
            unclaimed_bytes: 0,
            replaced: 0,
        };
        let mut writer = Writer {
            database,
            limits,
            connection: None,
            ledger: Ledger::default(),
            installation: empty,
            epochs: Vec::new(),
            jumps: Jumps::default(),
            clocks: crate::clock::pair,
            consent,
            scratch: Vec::new(),
            replaced: 0,
            lost: 0,
            suspended: false,
            dirty: None,
            level: watch::Sender::new(level),
        };
        writer.reopen()?;
        writer.publish();
        Ok(writer)
    }

    fn reopen(&mut self) -> Result<(), SpoolError> {
        if self.connection.is_some() {
            return Ok(());
        }
        match self.database.open().and_then(|connection| self.adopt(connection)) {
            Err(SpoolError::Corrupt) => self.replace(),
            other => other,
        }
    }

    /// Reads what a file says about itself, and names a new one.
    fn adopt(&mut self, connection: Connection) -> Result<(), SpoolError> {
        crash::point("open.migrated");
        let read = |connection: &Connection| -> rusqlite::Result<Vec<(u64, Arc<str>)>> {
            let mut statement = connection.prepare("SELECT first, installation FROM epoch ORDER BY first")?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, i64>(0)? as u64, Arc::from(row.get::<_, String>(1)?)))
            })?;
            rows.collect()
        };
        let mut epochs = read(&connection)?;
        if epochs.is_empty() {
            let id: Arc<str> = Arc::from(uuid::Uuid::new_v4().to_string());
            connection.execute("INSERT INTO epoch(first, installation) VALUES (1, ?1)", [&*id])?;
            epochs.push((1, id));
        }
        self.installation = epochs.last().map_or_else(|| Arc::from(""), |(_, id)| id.clone());
        self.epochs = epochs;
        self.ledger = Ledger::load(&connection)?;
        let skew: Option<i64> = connection
            .query_row("SELECT n FROM counter WHERE name = 'skew_ms'", [], |row| row.get(0))
            .optional()?;
        self.jumps.skew_ms = skew.unwrap_or(0);
        self.connection = Some(connection);
        Ok(())
    }

    /// Runs until closed, or until every handle is gone.
    pub fn run(mut self, inbox: &Inbox) {
        let mut commands = Vec::new();
        let mut group = Vec::new();
        loop {
            let idle = self.dirty.map(|since| POWER_CUT_WINDOW.saturating_sub(since.elapsed()));
            match inbox.take(&mut commands, idle) {
                Taken::Commands => crash::point("group.taken"),
                Taken::Idle => {
                    self.reach_disk();
                    continue;
                }
                Taken::Closed => return,
            }
            for command in commands.drain(..) {
                match command {
                    Command::Record(record) => group.push(Work::Record(record)),
                    Command::Job(job) => group.push(Work::Job(job)),
                    control => {
                        self.commit(&mut group);
                        if self.control(control) {
                            return;
                        }
                    }
                }
            }
            self.commit(&mut group);
            if self.dirty.is_some_and(|since| since.elapsed() >= POWER_CUT_WINDOW) {
                self.reach_disk();
            }
        }
    }

    /// Does what is not a transaction; says whether that was the end.
    fn control(&mut self, command: Command) -> bool {
        match command {
            Command::Record(_) | Command::Job(_) => {}
            Command::Suspend(reply) => {
                self.suspended = true;
                drop(reply.send(self.shut()));
            }
            Command::Resume(reply) => {
                self.suspended = false;
                let outcome = self.reopen();
                self.publish();
                drop(reply.send(outcome));
            }
            Command::ToDisk(reply) => {
                self.dirty = None;
                drop(reply.send(self.checkpoint("FULL")));
            }
            Command::Erase(reply) => {
                let outcome = self.erase();
                self.publish();
                drop(reply.send(outcome));
            }
            Command::Close(reply) => {
                drop(reply.send(self.shut()));
                return true;
            }
        }
        false
    }

    /// A checkpoint, so that a power cut costs no more than the window.
    fn reach_disk(&mut self) {
        self.dirty = None;
        if let Err(error) = self.checkpoint("PASSIVE") {
            tracing::warn!(%error, "a checkpoint failed; the next one covers it");
        }
    }

    /// Deletes the file and everything set aside, and begins a new one under a new identifier.
    fn erase(&mut self) -> Result<(), SpoolError> {
        self.connection = None;
        self.dirty = None;
        self.database.delete()?;
        self.lost = 0;
        self.replaced = 0;
        self.jumps = Jumps::default();
        self.scratch = Vec::new();
        let outcome = self.reopen();
        if self.suspended { outcome.and(self.shut()) } else { outcome }
    }

    /// Runs work in one transaction, then answers everybody who waits.
    pub fn commit(&mut self, group: &mut Vec<Work>) {
        if group.is_empty() {
            return;
        }
        let mut outcome = self.reopen().and_then(|()| self.transact(group));
        if outcome == Err(SpoolError::Corrupt) {
            match self.replace() {
                Ok(()) => {
                    // Events can be inserted again; whoever else waits is told, because their rows may be gone.
                    let (events, others): (Vec<Work>, Vec<Work>) =
                        group.drain(..).partition(|work| matches!(work, Work::Record(_)));
                    for work in others {
                        work.finish(Err(SpoolError::Corrupt));
                    }
                    *group = events;
                    outcome = self.transact(group);
                }
                Err(error) => tracing::error!(%error, "a damaged database could not be replaced"),
            }
        }
        match &outcome {
            Ok(()) => self.lost = 0,
            Err(error) => {
                tracing::warn!(%error, jobs = group.len(), "a transaction failed");
                self.lost += group.iter().filter(|work| !work.is_awaited()).count() as u64;
            }
        }
        if self.suspended {
            if let Err(error) = self.shut() {
                tracing::warn!(%error, "the database could not be closed cleanly while suspended");
            }
        } else if outcome.is_ok() && self.dirty.is_none() {
            self.dirty = Some(Instant::now());
        }
        self.publish();
        for work in group.drain(..) {
            work.finish(outcome.clone());
        }
        crash::point("group.answered");
    }

    fn transact(&mut self, group: &mut [Work]) -> Result<(), SpoolError> {
        let before = self.ledger;
        let mut ledger = before;
        ledger.counters.recorded += self.lost;
        ledger.counters.dropped.write_failed += self.lost;
        let (wall_ms, boot_ms) = (self.clocks)();
        let mut jumps = self.jumps;
        let jumped = jumps.look(wall_ms, boot_ms);
        let Some(connection) = self.connection.as_mut() else { return Err(SpoolError::Closed) };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        crash::point("group.begun");
        {
            let mut turn = Turn {
                tx: &tx,
                ledger: &mut ledger,
                installation: &self.installation,
                epochs: &self.epochs,
                jumps,
                consent: self.consent.load(Ordering::Acquire),
                scratch: &mut self.scratch,
                newest_ms: None,
            };
            run(group, &mut turn)?;
            crash::point("group.inserted");
            records::enforce(&mut turn, self.limits)?;
            crash::point("group.enforced");
        }
        ledger.save(&before, &tx)?;
        if jumped {
            save_skew(&tx, jumps.skew_ms)?;
        }
        tx.commit()?;
        crash::point("group.committed");
        self.ledger = ledger;
        self.jumps = jumps;
        Ok(())
    }

    fn checkpoint(&mut self, mode: &str) -> Result<(), SpoolError> {
        let Some(connection) = self.connection.as_ref() else { return Ok(()) };
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Gives free pages back, empties the WAL and closes the file.
    fn shut(&mut self) -> Result<(), SpoolError> {
        self.dirty = None;
        let Some(connection) = self.connection.as_ref() else { return Ok(()) };
        let vacuumed = connection.execute_batch("PRAGMA incremental_vacuum(1024)");
        let outcome = vacuumed.map_err(SpoolError::from).and_then(|()| self.checkpoint("TRUNCATE"));
        crash::point("suspend.checkpointed");
        self.connection = None;
        crash::point("suspend.closed");
        outcome
    }

    /// Tells everybody the state after the last commit.
    pub fn publish(&self) {
        let Ledger { mut counters, rows, bytes, unclaimed_rows, unclaimed_bytes, .. } = self.ledger;
        counters.recorded += self.lost;
        counters.dropped.write_failed += self.lost;
        let level = Level {
            installation: self.installation.clone(),
            counters,
            queued_rows: rows,
            queued_bytes: bytes,
            unclaimed_rows,
            unclaimed_bytes,
            replaced: self.replaced,
        };
        self.level.send_if_modified(|shown| {
            let changed = *shown != level;
            *shown = level;
            changed
        });
    }
}

fn save_skew(tx: &Transaction<'_>, skew_ms: i64) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO counter(name, n) VALUES ('skew_ms', ?1) ON CONFLICT(name) DO UPDATE SET n = excluded.n",
        [skew_ms],
    )?;
    Ok(())
}

/// What a transaction is made of.
pub(crate) enum Work {
    Record(Record),
    Job(Box<dyn Job>),
}

impl Work {
    fn is_awaited(&self) -> bool {
        !matches!(self, Work::Record(Record { reply: None, .. }))
    }

    fn finish(self, outcome: Result<(), SpoolError>) {
        match self {
            Work::Record(Record { reply: None, .. }) => {}
            Work::Record(Record { seq, reply: Some(reply), .. }) => {
                drop(reply.send(outcome.and_then(|()| seq.ok_or(SpoolError::Closed))));
            }
            Work::Job(job) => job.finish(outcome),
        }
    }
}

/// Runs work in order; events that follow each other share a statement.
fn run(group: &mut [Work], turn: &mut Turn<'_>) -> rusqlite::Result<()> {
    let mut rest = group.iter_mut().peekable();
    while let Some(work) = rest.next() {
        match work {
            Work::Job(job) => job.run(turn)?,
            Work::Record(record) => {
                let mut insert = records::insert_statement(turn)?;
                record.seq = Some(record.event.insert_with(&mut insert, turn)?);
                while let Some(Work::Record(record)) = rest.next_if(|next| matches!(next, Work::Record(_))) {
                    record.seq = Some(record.event.insert_with(&mut insert, turn)?);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
