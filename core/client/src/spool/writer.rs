//! The one thread that writes a spool, with group commit.
//!
//! Whoever records hands a job to a bounded channel. The thread takes what has gathered, runs it in one transaction,
//! commits, and only then answers: in bursts of 256 that wrote a sixth of the bytes and took about two thirds of the
//! CPU of a commit each (`unspool-bench telemetry`, 2026-11-22). When the channel is full the caller waits for a place, so nothing is dropped unseen.
//!
//! While suspended the file is closed. A job that arrives then opens it, commits and closes it again: nothing is lost
//! and no lock is held when the operating system freezes the process.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::SpoolLimits;
use super::database::Database;
use super::error::SpoolError;
use super::ledger::{Counters, Ledger};
use super::records;

/// Jobs in one transaction at most; also the length of the channel. Longer groups save nothing more.
pub(crate) const GROUP: usize = 256;

/// How long a commit may stay without reaching the disk itself: what a power cut can cost.
const POWER_CUT_WINDOW: Duration = Duration::from_secs(5);

/// What a job sees: one transaction and the books.
pub(crate) struct Turn<'a> {
    pub tx: &'a Transaction<'a>,
    pub ledger: &'a mut Ledger,
    pub installation: &'a str,
    /// The latest wall clock among the events of this transaction.
    pub wall_ms: Option<i64>,
}

/// Work for the thread.
pub(crate) trait Job: Send {
    fn run(&mut self, turn: &mut Turn<'_>) -> rusqlite::Result<()>;
    /// Tells whoever waits how it ended; gives the number of events lost that nobody waits for.
    fn finish(self: Box<Self>, outcome: Result<(), SpoolError>) -> u64;
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

    fn finish(self: Box<Self>, outcome: Result<(), SpoolError>) -> u64 {
        let Task { value, reply, .. } = *self;
        // Whoever asked may have stopped waiting; the work is done all the same.
        drop(reply.send(outcome.and_then(|()| value.ok_or(SpoolError::Closed))));
        0
    }
}

pub(crate) enum Command {
    Job(Box<dyn Job>),
    Suspend(Reply<()>),
    Resume(Reply<()>),
    ToDisk(Reply<()>),
    Close(Reply<()>),
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

pub(crate) struct Writer {
    pub database: Database,
    pub limits: SpoolLimits,
    pub connection: Option<Connection>,
    pub ledger: Ledger,
    pub installation: Arc<str>,
    pub replaced: u64,
    /// Events nobody waited for whose transaction failed, not yet in the books on disk.
    pub lost: u64,
    pub suspended: bool,
    pub level: watch::Sender<Level>,
}

impl Writer {
    /// Opens the file and reads the books.
    pub fn open(database: Database, limits: SpoolLimits) -> Result<Self, SpoolError> {
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
            replaced: 0,
            lost: 0,
            suspended: false,
            level: watch::Sender::new(level),
        };
        match writer.reopen() {
            Err(SpoolError::Corrupt) => {
                writer.replace()?;
            }
            other => other?,
        }
        writer.publish();
        Ok(writer)
    }

    fn reopen(&mut self) -> Result<(), SpoolError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let (connection, replaced) = self.database.open()?;
        self.replaced = replaced.unwrap_or(self.replaced);
        let known: Option<String> = connection
            .query_row("SELECT value FROM meta WHERE name = 'installation'", [], |row| row.get(0))
            .optional()?;
        self.installation = match known {
            Some(id) => Arc::from(id),
            None => {
                let id = uuid::Uuid::new_v4().to_string();
                connection.execute("INSERT INTO meta(name, value) VALUES ('installation', ?1)", [&id])?;
                Arc::from(id)
            }
        };
        self.ledger = Ledger::load(&connection)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Sets a damaged file aside and starts a new one.
    fn replace(&mut self) -> Result<(), SpoolError> {
        self.connection = None;
        self.replaced = self.database.set_aside()?;
        self.reopen()
    }

    /// Runs until closed, or until every handle is gone.
    pub fn run(mut self, inbox: &Receiver<Command>) {
        let mut dirty = false;
        loop {
            let first = if dirty {
                match inbox.recv_timeout(POWER_CUT_WINDOW) {
                    Err(RecvTimeoutError::Timeout) => {
                        dirty = false;
                        self.checkpoint("PASSIVE").unwrap_or_else(|error| {
                            tracing::warn!(%error, "a checkpoint failed; the next one covers it");
                        });
                        continue;
                    }
                    other => other.ok(),
                }
            } else {
                inbox.recv().ok()
            };
            let Some(first) = first else { return };
            let mut group = Vec::new();
            let mut next = Some(first);
            let mut control = None;
            while let Some(command) = next.take() {
                match command {
                    Command::Job(job) => group.push(job),
                    other => control = Some(other),
                }
                if control.is_none() && group.len() < GROUP {
                    next = inbox.try_recv().ok();
                }
            }
            if !group.is_empty() {
                self.commit(group);
                dirty = !self.suspended;
            }
            match control {
                None | Some(Command::Job(_)) => {}
                Some(Command::Suspend(reply)) => {
                    self.suspended = true;
                    dirty = false;
                    drop(reply.send(self.shut()));
                }
                Some(Command::Resume(reply)) => {
                    self.suspended = false;
                    let outcome = self.reopen();
                    self.publish();
                    drop(reply.send(outcome));
                }
                Some(Command::ToDisk(reply)) => {
                    dirty = false;
                    drop(reply.send(self.checkpoint("FULL")));
                }
                Some(Command::Close(reply)) => {
                    let outcome = self.shut();
                    drop(reply.send(outcome));
                    return;
                }
            }
        }
    }

    /// Runs jobs in one transaction, then answers them all.
    pub fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let outcome = self.reopen().and_then(|()| self.transact(&mut group));
        match &outcome {
            Ok(()) => self.lost = 0,
            Err(SpoolError::Corrupt) => {
                if let Err(error) = self.replace() {
                    tracing::error!(%error, "a damaged database could not be replaced");
                }
            }
            Err(error) => tracing::warn!(%error, jobs = group.len(), "a transaction failed"),
        }
        if self.suspended
            && let Err(error) = self.shut()
        {
            tracing::warn!(%error, "the database could not be closed cleanly while suspended");
        }
        if outcome.is_ok() {
            self.publish();
        }
        let lost: u64 = group.into_iter().map(|job| job.finish(outcome.clone())).sum();
        if outcome.is_err() {
            self.lost += lost;
            self.publish();
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), SpoolError> {
        let before = self.ledger;
        let mut ledger = before;
        ledger.counters.recorded += self.lost;
        ledger.counters.dropped.write_failed += self.lost;
        let Some(connection) = self.connection.as_mut() else { return Err(SpoolError::Closed) };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut turn =
                Turn { tx: &tx, ledger: &mut ledger, installation: &self.installation, wall_ms: None };
            for job in group.iter_mut() {
                job.run(&mut turn)?;
            }
            records::enforce(&mut turn, self.limits)?;
        }
        ledger.save(&before, &tx)?;
        tx.commit()?;
        self.ledger = ledger;
        Ok(())
    }

    fn checkpoint(&mut self, mode: &str) -> Result<(), SpoolError> {
        let Some(connection) = self.connection.as_ref() else { return Ok(()) };
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Gives free pages back, empties the WAL and closes the file.
    fn shut(&mut self) -> Result<(), SpoolError> {
        let Some(connection) = self.connection.as_ref() else { return Ok(()) };
        let vacuumed = connection.execute_batch("PRAGMA incremental_vacuum(1024)");
        let outcome = vacuumed.map_err(SpoolError::from).and_then(|()| self.checkpoint("TRUNCATE"));
        self.connection = None;
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

#[cfg(test)]
mod tests {
    use super::super::event::{Class, Event};
    use super::super::records::{Encoded, Record};
    use super::super::{MIGRATIONS, Seq};
    use super::*;
    use crate::spool::database::Durability;

    fn record(reply: Option<Reply<Seq>>) -> Box<dyn Job> {
        let event = Event {
            name: "unspool.test".into(),
            wall_ms: 1,
            session: "s".into(),
            class: Class::B,
            attributes: vec![("text".into(), "x".repeat(1_000).into())],
        };
        Box::new(Record { event: Encoded::new(&event).unwrap(), seq: None, reply })
    }

    #[test]
    fn a_full_disk_tells_who_waits_and_counts_who_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.db");
        let database = Database { path, durability: Durability::Process, migrations: &MIGRATIONS };
        let mut writer = Writer::open(database.clone(), SpoolLimits::default()).unwrap();
        writer.commit(vec![record(None)]);
        let limit = |writer: &Writer, pages: i64| {
            let connection = writer.connection.as_ref().unwrap();
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        };
        limit(&writer, 1);
        let (reply, mut answer) = oneshot::channel();
        let mut group: Vec<Box<dyn Job>> = (0..50).map(|_| record(None)).collect();
        group.push(record(Some(reply)));
        writer.commit(group);
        assert_eq!(answer.try_recv().unwrap(), Err(SpoolError::DiskFull));
        let level = writer.level.borrow().clone();
        assert_eq!(
            (level.counters.recorded, level.counters.dropped.write_failed, level.queued_rows),
            (51, 50, 1)
        );
        assert!(level.is_conserved());

        limit(&writer, 1_000_000);
        let (reply, mut answer) = oneshot::channel();
        writer.commit(vec![record(Some(reply))]);
        assert_eq!(answer.try_recv().unwrap(), Ok(Seq(2)), "a refused event used no number");
        drop(writer);
        let level = Writer::open(database, SpoolLimits::default()).unwrap().level.borrow().clone();
        assert_eq!(
            (level.counters.recorded, level.counters.dropped.write_failed, level.queued_rows),
            (52, 50, 2)
        );
        assert!(level.is_conserved());
    }
}
