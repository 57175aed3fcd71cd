//! The spool: events are durable once recorded, and leave once delivered.
//!
//! One SQLite file, one writer thread. An event gets its number (`seq`) from that thread, in the transaction that
//! stores it; together with the identifier of the file it is the event's identity, which is how a collector tells a
//! repeat from a new event. Numbers are never reused and have no gaps but those the books explain.
//!
//! What counts as recorded survives a kill of the process. A power cut can cost the last five seconds.
//! Rows leave through [batches](OpenBatch) when the collector has them, through the limits (counted, class C first),
//! or into quarantine. See [`Level::is_conserved`].

mod age;
mod batches;
pub(crate) mod database;
pub(crate) mod error;
mod event;
mod held;
mod inbox;
mod ledger;
mod records;
pub(crate) mod salvage;
mod writer;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use rusqlite_migration::{M, Migrations};
use tokio::sync::{oneshot, watch};
use unspool_engine::schema::{self, Consent, Purpose};

pub use batches::{Joined, Loaded, OpenBatch, Quarantined};
pub use error::SpoolError;
pub use event::{Class, Event, EventError, MAX_ATTRIBUTES, MAX_KEY_BYTES, MAX_TEXT_BYTES, Value};
pub use ledger::{Counters, Dropped};
pub use writer::Level;

use database::{Database, Durability};
use inbox::Inbox;
use records::Encoded;
use writer::{Command, Job, Record, Reply, Task, Turn, Work, Writer};

use crate::crash;

const STEPS: &[M<'static>] = &[
    M::up(
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
     CREATE TABLE event(
         seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, class INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
         session TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL);
     CREATE INDEX event_c ON event(seq) WHERE class = 2;
     CREATE TABLE batch(
         key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
         rows INTEGER NOT NULL, bytes INTEGER NOT NULL, tries INTEGER NOT NULL, plain INTEGER NOT NULL,
         next_at INTEGER NOT NULL);
     CREATE TABLE quarantine(
         seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, code INTEGER NOT NULL, body BLOB NOT NULL);
     CREATE TABLE open_impression(slot INTEGER PRIMARY KEY, event TEXT NOT NULL);",
    ),
    // Name and session stand in the body; the identifier of the file begins an epoch of numbers.
    M::up(
        "CREATE TABLE epoch(first INTEGER PRIMARY KEY, installation TEXT NOT NULL);
     INSERT INTO epoch SELECT 1, value FROM meta WHERE name = 'installation';
     CREATE TABLE row(
         seq INTEGER PRIMARY KEY, class INTEGER NOT NULL, purpose INTEGER NOT NULL, at_ms INTEGER NOT NULL,
         body BLOB NOT NULL);
     INSERT INTO row SELECT seq, class, CASE kind WHEN 'unspool.impression' THEN 2 ELSE 0 END, wall_ms, body FROM event;
     DROP TABLE event;
     ALTER TABLE row RENAME TO event;
     CREATE INDEX event_c ON event(seq) WHERE class = 2;
     CREATE TABLE refused(seq INTEGER PRIMARY KEY, code INTEGER NOT NULL, body BLOB NOT NULL);
     INSERT INTO refused SELECT seq, code, body FROM quarantine;
     DROP TABLE quarantine;
     ALTER TABLE refused RENAME TO quarantine;
     DROP TABLE meta;
     UPDATE batch SET bytes = (SELECT total(length(body) + 32) FROM event WHERE seq BETWEEN first AND last);
     UPDATE counter SET n = (SELECT total(length(body) + 32) FROM event) WHERE name = 'bytes';
     UPDATE counter SET n = (SELECT total(length(body) + 32) FROM event
         WHERE seq > coalesce((SELECT n FROM counter WHERE name = 'claimed_to'), 0)) WHERE name = 'unclaimed_bytes';",
    ),
];
static MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// Bytes of a page. Each group of events also writes six pages of books, index and free list, which smaller pages make
/// cheaper: 1,075 B written per event with 4 KiB, 890 with 2 KiB at the same processor time, 851 with 1 KiB at a fifth more
/// (20 000 events recorded and delivered in batches of 500, 2026-11-23).
const PAGE_BYTES: u32 = 2_048;

/// The number of an event within its database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// How much may wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Bytes of queued events.
    pub max_bytes: u64,
    /// Age in milliseconds of wall clock, measured against the newest event.
    pub max_age_ms: i64,
}

impl Default for SpoolLimits {
    /// 64 MiB, about 200 000 events, and 14 days: two weeks of an eager viewer without network.
    fn default() -> Self {
        SpoolLimits { max_bytes: 64 * 1024 * 1024, max_age_ms: 14 * 24 * 60 * 60 * 1_000 }
    }
}

/// An open impression that a killed process left behind, now recorded with `exit = killed`.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The slot it was written ahead in.
    pub slot: u32,
    /// The number it was recorded under.
    pub seq: Seq,
    /// What was recorded.
    pub event: Event,
}

/// The answer of the writer thread, after the commit. Dropping it cancels nothing.
#[derive(Debug)]
pub struct Pending<T>(Result<oneshot::Receiver<Result<T, SpoolError>>, Option<SpoolError>>);

impl<T> Pending<T> {
    fn failed(error: SpoolError) -> Self {
        Pending(Err(Some(error)))
    }

    /// Waits on this thread, which must not be one that runs async tasks.
    ///
    /// # Errors
    /// Why the transaction did not commit.
    pub fn wait(self) -> Result<T, SpoolError> {
        match self.0 {
            Ok(reply) => reply.blocking_recv().unwrap_or(Err(SpoolError::Closed)),
            Err(error) => Err(error.unwrap_or(SpoolError::Closed)),
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, SpoolError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(reply) => Pin::new(reply).poll(context).map(|got| got.unwrap_or(Err(SpoolError::Closed))),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or(SpoolError::Closed))),
        }
    }
}

/// A durable queue of events. Clones share it; it closes when [`close`](Spool::close) is called or the last one goes.
#[derive(Debug, Clone)]
pub struct Spool {
    sender: Arc<Sender>,
    level: watch::Receiver<Level>,
    recovered: Arc<[Recovered]>,
    rules: Rules,
    consent: Arc<AtomicU8>,
}

/// The sending end of the inbox; the writer ends with it.
struct Sender(Arc<Inbox>);

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What may be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rules {
    /// Any event within the bounds.
    #[default]
    Bounds,
    /// What the compiled [schema] lists, and nothing else.
    Schema,
}

impl Spool {
    /// Opens or makes the file at `path`, and records what a killed process left open. Blocks for file access.
    ///
    /// A damaged file is set aside beside it (see [`Level::replaced`]) and a new one is started with what can be read of
    /// it. The new one has another identifier; rows taken over keep their names.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], [`SpoolError::NewerSchema`], [`SpoolError::DiskFull`] or [`SpoolError::Storage`].
    pub fn open(path: impl Into<PathBuf>, limits: SpoolLimits) -> Result<Self, SpoolError> {
        Self::open_with(path, limits, Rules::Bounds, Consent::all())
    }

    /// The same with rules and with what the person agreed to; what was recorded under a consent that is not given any
    /// more is deleted and counted.
    ///
    /// # Errors
    /// As [`open`](Spool::open).
    pub fn open_with(
        path: impl Into<PathBuf>,
        limits: SpoolLimits,
        rules: Rules,
        consent: Consent,
    ) -> Result<Self, SpoolError> {
        let database = Database {
            path: path.into(),
            durability: Durability::Process,
            page_bytes: PAGE_BYTES,
            migrations: &MIGRATIONS,
        };
        let consent = Arc::new(AtomicU8::new(consent.bits()));
        let mut writer = Writer::open(database, limits, Arc::clone(&consent))?;
        let recovered = match Self::recover(&mut writer) {
            // What the first look met has been replaced since.
            Err(SpoolError::Corrupt) => Self::recover(&mut writer),
            other => other,
        }?;
        crash::point("open.recovered");
        let level = writer.level.subscribe();
        let inbox = Arc::new(Inbox::default());
        let theirs = Arc::clone(&inbox);
        std::thread::Builder::new().name("unspool-spool".to_owned()).spawn(move || writer.run(&theirs))?;
        Ok(Spool { sender: Arc::new(Sender(inbox)), level, recovered: recovered.into(), rules, consent })
    }

    /// Records what a killed process left open, and deletes what is not agreed to any more.
    fn recover(writer: &mut Writer) -> Result<Vec<Recovered>, SpoolError> {
        let (reply, answer) = oneshot::channel();
        let recover = |turn: &mut Turn<'_>| {
            let recovered = records::recover(turn)?;
            if turn.consent != Consent::all().bits() {
                batches::withdraw(turn)?;
            }
            Ok(recovered)
        };
        writer.commit(&mut vec![Work::Job(Box::new(Task { work: Some(recover), value: None, reply }))]);
        Pending(Ok(answer)).now()
    }

    /// Records an event and goes on. It is committed with its company, a twentieth of a second later at most; when 256
    /// events wait already, the call waits for that commit.
    ///
    /// Killing the process before can lose it; [`record_durable`](Self::record_durable) says when it is safe. If the
    /// disk refuses it, it is counted in [`Dropped::write_failed`]. What the person did not agree to is not recorded.
    ///
    /// # Errors
    /// [`SpoolError::Event`] or [`SpoolError::Closed`].
    pub fn record(&self, event: &Event) -> Result<(), SpoolError> {
        match self.admit(event)? {
            Some(event) => self.send(Command::Record(Record { event, seq: None, reply: None })),
            None => Ok(()),
        }
    }

    /// Records an event; the future gives its number once it is committed. The event is queued by the call itself.
    ///
    /// # Errors
    /// [`SpoolError::Consent`] when the person did not agree to its purpose, else as [`record`](Spool::record) and why it
    /// could not be written.
    pub fn record_durable(&self, event: &Event) -> Pending<Seq> {
        match self.admit(event) {
            Ok(Some(event)) => {
                let (reply, answer) = oneshot::channel();
                let record = Record { event, seq: None, reply: Some(reply) };
                match self.send(Command::Record(record)) {
                    Ok(()) => Pending(Ok(answer)),
                    Err(error) => Pending::failed(error),
                }
            }
            Ok(None) => Pending::failed(SpoolError::Consent),
            Err(error) => Pending::failed(error),
        }
    }

    /// What may be written of an event: nothing without consent.
    fn admit(&self, event: &Event) -> Result<Option<Encoded>, SpoolError> {
        if self.rules == Rules::Schema {
            event.check_schema()?;
        }
        if !self.covers(event) {
            return Ok(None);
        }
        Encoded::new(event).map(Some)
    }

    fn covers(&self, event: &Event) -> bool {
        let purpose = schema::find(&event.name).map_or(Purpose::Service, |schema| schema.purpose);
        self.consent().covers(purpose)
    }

    /// What the person agreed to.
    #[must_use]
    pub fn consent(&self) -> Consent {
        Consent::from_bits(self.consent.load(Ordering::Acquire))
    }

    /// The person agreed to this and to nothing else. From here on nothing else is recorded; what was recorded for other
    /// purposes is deleted and counted in [`Dropped::consent`], which is done when the future is. Gives the number deleted.
    pub fn set_consent(&self, consent: Consent) -> Pending<u64> {
        self.consent.store(consent.bits(), Ordering::Release);
        self.task(|turn| {
            if !Consent::from_bits(turn.consent).covers(Purpose::Measurement) {
                turn.tx.execute("DELETE FROM open_impression", [])?;
            }
            batches::withdraw(turn)
        })
    }

    /// Deletes everything: the file, what was set aside, the books. A new file with a new identifier takes its place.
    pub fn erase(&self) -> Pending<()> {
        self.control(Command::Erase)
    }

    /// The identifiers under which something may have been sent from this file, oldest first.
    pub fn installations(&self) -> Pending<Vec<String>> {
        self.task(|turn| Ok(turn.epochs.iter().map(|(_, id)| id.to_string()).collect()))
    }

    /// At most `most` records after number `after` that were not delivered yet, refused ones among them, as JSON with their
    /// numbers, ascending.
    pub(crate) fn held(&self, after: u64, most: usize) -> Pending<Vec<(u64, serde_json::Value)>> {
        self.task(move |turn| held::page(turn.tx, after, most))
    }

    /// Writes or replaces the open impression of `slot`: what is recorded, with `exit = killed`, should this process
    /// be killed before [`close_ahead`](Self::close_ahead). Without consent nothing is written.
    pub fn write_ahead(&self, slot: u32, event: &Event) -> Pending<()> {
        // Checked as it would be recovered, so that recovery cannot fail.
        let killed = event.clone().with("exit", "killed");
        let checked = match self.rules {
            Rules::Schema => killed.check_schema().and_then(|()| killed.check()),
            Rules::Bounds => killed.check(),
        };
        if let Err(error) = checked {
            return Pending::failed(error.into());
        }
        if !self.covers(event) {
            return self.barrier();
        }
        match serde_json::to_string(event) {
            Ok(json) => self.task(move |turn| records::write_ahead(turn, slot, &json)),
            Err(_) => Pending::failed(SpoolError::Storage { code: 0 }),
        }
    }

    /// Records the final `event` of `slot` and deletes what was written ahead, in one transaction.
    ///
    /// # Errors
    /// As [`record_durable`](Self::record_durable); what was written ahead is deleted without consent too.
    pub fn close_ahead(&self, slot: u32, event: &Event) -> Pending<Seq> {
        match self.admit(event) {
            Ok(event) => self.ask(|reply| Box::new(CloseAhead { slot, event, seq: None, reply })),
            Err(error) => Pending::failed(error),
        }
    }

    /// The impressions a killed process had left open, recorded when this spool was opened.
    #[must_use]
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// This file's identifier: with the number it identifies an event everywhere.
    #[must_use]
    pub fn installation(&self) -> Arc<str> {
        self.level.borrow().installation.clone()
    }

    /// The state after the last commit.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level.borrow().clone()
    }

    /// Follows the state: the last value at once, then each newer one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Level> {
        self.level.clone()
    }

    /// Empties the write-ahead log and closes the file, for an app about to be frozen. Events recorded while
    /// suspended are still stored: each group opens the file, commits and closes it.
    pub fn suspend(&self) -> Pending<()> {
        self.control(Command::Suspend)
    }

    /// Opens the file again.
    pub fn resume(&self) -> Pending<()> {
        self.control(Command::Resume)
    }

    /// Makes everything recorded so far survive a power cut.
    pub fn flush_to_disk(&self) -> Pending<()> {
        self.control(Command::ToDisk)
    }

    /// Commits what is queued and closes the file; everything after fails with [`SpoolError::Closed`].
    pub fn close(&self) -> Pending<()> {
        self.control(Command::Close)
    }

    /// Rows the collector refused, at most the last 1 000, oldest first.
    pub fn quarantined(&self) -> Pending<Vec<Quarantined>> {
        self.task(batches::quarantined)
    }

    /// Batches claimed and not yet acknowledged, oldest first.
    pub fn open_batches(&self) -> Pending<Vec<OpenBatch>> {
        self.task(batches::open)
    }

    /// Claims the oldest rows into a batch: at most `max_rows` and `max_bytes`, but at least one row if there is one.
    pub fn claim(&self, max_rows: u32, max_bytes: u64) -> Pending<Option<OpenBatch>> {
        self.task(move |turn| batches::claim(turn, max_rows, max_bytes))
    }

    /// A batch with its rows; `None` when it is not open any more.
    pub fn load(&self, key: u64) -> Pending<Option<Loaded>> {
        self.task(move |turn| batches::load(turn, key))
    }

    /// A batch as it is sent; `None` when it is not open any more.
    pub fn join(&self, key: u64) -> Pending<Option<Joined>> {
        self.task(move |turn| batches::join(turn, key))
    }

    /// Records that the collector has a batch, of which it threw `refused` rows away, and deletes the rows.
    pub fn accept(&self, key: u64, refused: u64) -> Pending<()> {
        self.task(move |turn| batches::accept(turn, key, refused))
    }

    /// Remembers a failed attempt; `plain` says that the batch fell back to no compression.
    pub fn defer(&self, key: u64, tries: u32, plain: bool, next_at_ms: i64) -> Pending<()> {
        self.task(move |turn| batches::defer(turn, key, tries, plain, next_at_ms))
    }

    /// Cuts a batch in halves; `None` when it is not open any more or has a single row.
    pub fn split(&self, key: u64, plain: bool) -> Pending<Option<(OpenBatch, OpenBatch)>> {
        self.task(move |turn| batches::split(turn, key, plain))
    }

    /// Moves the rows of a batch into quarantine, with the status they were refused with.
    pub fn quarantine(&self, key: u64, code: u16) -> Pending<()> {
        self.task(move |turn| batches::quarantine(turn, key, code))
    }

    /// Done when everything handed over before is committed.
    pub(crate) fn barrier(&self) -> Pending<()> {
        self.task(|_| Ok(()))
    }

    fn send(&self, command: Command) -> Result<(), SpoolError> {
        self.sender.0.send(command).map_err(|_| SpoolError::Closed)
    }

    fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Box<dyn Job>) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        match self.send(Command::Job(job(reply))) {
            Ok(()) => Pending(Ok(answer)),
            Err(error) => Pending::failed(error),
        }
    }

    fn task<T, F>(&self, work: F) -> Pending<T>
    where
        F: FnOnce(&mut Turn<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask(|reply| Box::new(Task { work: Some(work), value: None, reply }))
    }

    fn control(&self, command: impl FnOnce(Reply<()>) -> Command) -> Pending<()> {
        let (reply, answer) = oneshot::channel();
        match self.send(command(reply)) {
            Ok(()) => Pending(Ok(answer)),
            Err(error) => Pending::failed(error),
        }
    }
}

impl<T> Pending<T> {
    /// The answer of a job that has already run.
    fn now(self) -> Result<T, SpoolError> {
        match self.0 {
            Ok(mut reply) => reply.try_recv().unwrap_or(Err(SpoolError::Closed)),
            Err(error) => Err(error.unwrap_or(SpoolError::Closed)),
        }
    }
}

/// The end of a viewing: a record, if there is consent, and the end of what was written ahead.
struct CloseAhead {
    slot: u32,
    event: Option<Encoded>,
    seq: Option<Seq>,
    reply: Reply<Seq>,
}

impl Job for CloseAhead {
    fn run(&mut self, turn: &mut Turn<'_>) -> rusqlite::Result<()> {
        self.seq = records::close_ahead(turn, self.slot, self.event.as_ref())?;
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), SpoolError>) {
        let CloseAhead { seq, reply, .. } = *self;
        // Whoever asked may have stopped waiting.
        drop(reply.send(outcome.and_then(|()| seq.ok_or(SpoolError::Consent))));
    }
}
