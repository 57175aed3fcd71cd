//! The public session: one object that owns the runtime, the rooms and the tasks.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use unspool_engine::Item;
use unspool_engine::session::Conditions;

use crate::backend::Topic;
use crate::config::{Config, FeedKind};
use crate::core::Core;
use crate::driver::{Card, Driver, Input, Reply, public};
use crate::error::Error;
use crate::events::{Event, EventBatch, EventLog};
use crate::outbox::Verb;
use crate::players;
use crate::snapshot::{Bytes, Outgoing, Snapshot};

/// How the end of a session went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Whether everything that was running ended in time.
    pub clean: bool,
    /// What is still to be sent; it stays on disk for the next session.
    pub outgoing: Outgoing,
}

/// A session of Unspool: prefetching feeds, playback, durable telemetry and the offline cache of one person.
///
/// Opened on a private directory, which it owns until [`shutdown`](Unspool::shutdown). Clones share the session. Its
/// futures may be awaited on any executor and dropped at any time: the work they asked for runs on the session's own
/// threads. Dropping the last clone signals the end and waits for nothing; what was acknowledged is on disk already.
///
/// ```no_run
/// # async fn app() -> Result<(), unspool::Error> {
/// use std::time::Duration;
/// use unspool::{Config, Credentials, FeedKind, Unspool};
///
/// let credentials = Credentials::Fixed("token".into());
/// let session = Unspool::open(Config::new("/data/app/unspool", "https://api.example", "ada", credentials)?)?;
/// let feed = session.feed(FeedKind::ForYou)?;
/// let card = feed.next().await?; // plays at once; the cards after it are being fetched
/// session.set_liked(&card.item.id, true).await?; // on disk when this returns, at the backend when it can be
/// session.shutdown(Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Unspool(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
    conditions: Mutex<Conditions>,
    feed: Mutex<Option<mpsc::UnboundedSender<Input>>>,
    closed: AtomicBool,
    report: tokio::sync::Mutex<Option<ShutdownReport>>,
}

impl std::fmt::Debug for Unspool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unspool").field("session", &self.0.core.session).finish_non_exhaustive()
    }
}

impl Unspool {
    /// Opens a session. Touches the disk and starts threads; asks nothing of the network before a feed is opened.
    ///
    /// What an earlier session could not send is taken up, and a viewing that a killed process left open is recorded
    /// with the exit `killed`.
    ///
    /// # Errors
    /// [`Error::InUse`] when another session owns the directory, [`Error::Storage`] when the disk refuses,
    /// [`Error::Config`] for values that cannot work.
    pub fn open(config: Config) -> Result<Self, Error> {
        if config.player.players == 0 {
            return Err(Error::Config { reason: "at least one player is needed".into() });
        }
        create_private(&config.data_dir)?;
        // Two workers: one may be busy with a database or a checksum while the other moves bytes.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("unspool")
            .enable_all()
            .build()
            .map_err(|e| Error::Internal { reason: format!("threads: {e}") })?;
        let handle = runtime.handle().clone();
        let conditions = config.conditions;
        let core = match Core::open(config, &handle) {
            Ok(core) => core,
            Err(e) => {
                // The caller may be a task of another runtime, where dropping one would block.
                runtime.shutdown_background();
                return Err(e);
            }
        };
        Ok(Unspool(Arc::new(Inner {
            core,
            handle,
            runtime: Mutex::new(Some(runtime)),
            conditions: Mutex::new(conditions),
            feed: Mutex::new(None),
            closed: AtomicBool::new(false),
            report: tokio::sync::Mutex::new(None),
        })))
    }

    /// Opens a feed and begins to fetch ahead. One feed is open at a time; an earlier one ends.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub fn feed(&self, kind: FeedKind) -> Result<FeedSession, Error> {
        self.check()?;
        let inner = &self.0;
        let conditions = *lock(&inner.conditions);
        inner.core.media.set_offline(!conditions.online);
        let (inputs, received) = mpsc::unbounded_channel();
        let (players, player_events) = mpsc::unbounded_channel();
        let events = Arc::new(EventLog::new());
        let snapshot = watch::Sender::new(Snapshot::default());
        let seen = snapshot.subscribe();
        let driver = Driver::new(
            Arc::clone(&inner.core),
            kind.name(),
            conditions,
            inputs.clone(),
            Arc::clone(&events),
            snapshot,
        );
        players::open(&inner.handle, &inner.core.config.player, players, inputs.clone());
        let before = lock(&inner.feed).replace(inputs.clone());
        let told = Arc::clone(&events);
        inner.handle.spawn(async move {
            // The earlier feed closes its viewing before this one opens one: one impression is open at a time.
            if let Some(before) = before {
                let (reply, done) = oneshot::channel();
                if before.send(Input::Stop(reply)).is_ok() {
                    let _ = done.await;
                }
            }
            // A fault of the core ends the feed and is told; the session and what it wrote down stay.
            if let Err(e) = tokio::spawn(driver.run(received, player_events)).await {
                told.push(Event::CoreFailed { reason: e.to_string() });
            }
        });
        Ok(FeedSession { session: self.clone(), kind, inputs, events, snapshot: seen })
    }

    /// The topics people can choose from.
    ///
    /// # Errors
    /// What the backend answered; [`Error::Offline`] without a network.
    pub async fn topics(&self) -> Result<Vec<Topic>, Error> {
        let core = Arc::clone(&self.0.core);
        self.run(async move { core.backend.topics().await.map_err(|e| public(&e)) }).await
    }

    /// Likes an item, or takes that back. On disk when it returns, with or without a network; sent once.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses, [`Error::Config`] for an identifier that cannot be one.
    pub async fn set_liked(&self, item: &str, liked: bool) -> Result<(), Error> {
        let (core, item) = (Arc::clone(&self.0.core), item.to_owned());
        self.run(async move { core.intend(Verb::Like, item, liked).await }).await
    }

    /// Whether the person likes an item, as far as this device knows: the newest wish, sent or not.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn liked(&self, item: &str) -> Result<Option<bool>, Error> {
        let (core, item) = (Arc::clone(&self.0.core), item.to_owned());
        self.run(async move { core.wish(Verb::Like, item).await }).await
    }

    /// Tells the session what the device is like now. Returns at once.
    pub fn set_conditions(&self, conditions: Conditions) {
        let inner = &self.0;
        *lock(&inner.conditions) = conditions;
        inner.core.media.set_offline(!conditions.online);
        inner.core.set_conditions(conditions);
        self.tell(Input::Conditions(conditions));
    }

    /// Says that somebody signed in again: a new token is asked for, what was held for want of one is sent, and a page
    /// that could not be had is asked for again. Returns at once.
    pub fn signed_in(&self) {
        self.0.core.signed_in();
        self.tell(Input::Retry);
    }

    /// Media bytes of this session.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.core.bytes()
    }

    /// Records and intents on their way.
    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        self.0.core.outgoing()
    }

    /// Milliseconds of media rendered in viewings of this session that ended.
    #[must_use]
    pub fn watched_ms(&self) -> u64 {
        self.0.core.watched_ms()
    }

    /// Viewings that a killed process had left open, recorded when this session was opened.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.0.core.spool.recovered().len() as u64
    }

    /// Identifier of this installation's telemetry; with a record's number it identifies the record.
    #[must_use]
    pub fn installation(&self) -> String {
        self.0.core.spool.installation().to_string()
    }

    /// Sends what is queued, for at most `within`, and says what is left.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub async fn flush(&self, within: Duration) -> Result<Outgoing, Error> {
        let core = Arc::clone(&self.0.core);
        self.run(async move {
            core.flush(within).await;
            Ok(core.outgoing())
        })
        .await
    }

    /// Ends the open viewing, stops playing and closes the databases, so that the operating system may freeze the
    /// process. Call it before the app leaves the foreground, and wait for it.
    ///
    /// # Errors
    /// [`Error::Storage`] when something could not be written.
    pub async fn suspend(&self) -> Result<(), Error> {
        let background = Conditions { foreground: false, ..*lock(&self.0.conditions) };
        self.set_conditions(background);
        self.settle().await;
        let core = Arc::clone(&self.0.core);
        self.run(async move { core.suspend().await }).await
    }

    /// Opens the databases again and goes on playing.
    ///
    /// # Errors
    /// [`Error::Storage`] when the databases do not open.
    pub async fn resume(&self) -> Result<(), Error> {
        let core = Arc::clone(&self.0.core);
        self.run(async move { core.resume().await }).await?;
        let foreground = Conditions { foreground: true, ..*lock(&self.0.conditions) };
        self.set_conditions(foreground);
        Ok(())
    }

    /// Ends the session: closes the viewing, sends what can be sent within `within`, stops every task and thread.
    /// Calling it again gives the same report.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        let mut report = self.0.report.lock().await;
        if let Some(report) = *report {
            return report;
        }
        self.0.closed.store(true, Ordering::Release);
        let feed = lock(&self.0.feed).take();
        let core = Arc::clone(&self.0.core);
        let task = self.0.handle.spawn(async move {
            let began = Instant::now();
            if let Some(feed) = feed {
                let (reply, done) = oneshot::channel();
                if feed.send(Input::Stop(reply)).is_ok() {
                    // A feed that does not end in time is left to the end of the runtime.
                    let _ = tokio::time::timeout(within, done).await;
                }
            }
            core.close(within.saturating_sub(began.elapsed())).await
        });
        let clean = task.await.unwrap_or(false);
        let done = ShutdownReport { clean, outgoing: self.0.core.outgoing() };
        if let Some(runtime) = lock(&self.0.runtime).take() {
            runtime.shutdown_background();
        }
        *report = Some(done);
        done
    }

    fn check(&self) -> Result<(), Error> {
        if self.0.closed.load(Ordering::Acquire) { Err(Error::ShutDown) } else { Ok(()) }
    }

    fn tell(&self, input: Input) {
        if let Some(feed) = lock(&self.0.feed).as_ref() {
            // A feed that ended has nothing to be told.
            let _ = feed.send(input);
        }
    }

    /// Waits until the open feed has taken everything it was told.
    async fn settle(&self) {
        let (reply, done) = oneshot::channel();
        self.tell(Input::Peek(0, reply));
        let _ = done.await;
    }

    /// Runs a future on the session's own threads; a panic in it is an error here.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.check()?;
        match self.0.handle.spawn(work).await {
            Ok(done) => done,
            Err(e) if e.is_cancelled() => Err(Error::ShutDown),
            Err(e) => Err(Error::Internal { reason: e.to_string() }),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(feed) = lock(&self.feed).take() {
            let (reply, _) = oneshot::channel();
            let _ = feed.send(Input::Stop(reply));
        }
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }
}

/// One open feed: cards, playback and what happens to them.
#[derive(Clone)]
pub struct FeedSession {
    session: Unspool,
    kind: FeedKind,
    inputs: mpsc::UnboundedSender<Input>,
    events: Arc<EventLog>,
    snapshot: watch::Receiver<Snapshot>,
}

impl std::fmt::Debug for FeedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedSession").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl FeedSession {
    /// Which feed this is.
    #[must_use]
    pub fn kind(&self) -> &FeedKind {
        &self.kind
    }

    /// Moves to the next card, which plays at once; waits for the first page where there is no card yet. Without a
    /// network, cards that are not on the device are passed over.
    ///
    /// # Errors
    /// [`Error::EndOfFeed`], [`Error::Offline`], [`Error::SignIn`], [`Error::Backend`], [`Error::TimedOut`],
    /// [`Error::ShutDown`]. The feed stays where it was.
    pub async fn next(&self) -> Result<Card, Error> {
        let asked = Instant::now();
        self.ask(|reply| Input::Next(asked, reply)).await
    }

    /// Moves back to the card before.
    ///
    /// # Errors
    /// As [`next`](FeedSession::next).
    pub async fn previous(&self) -> Result<Card, Error> {
        let asked = Instant::now();
        self.ask(|reply| Input::Previous(asked, reply)).await
    }

    /// Up to `n` cards after the current one, without moving.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub async fn peek(&self, n: usize) -> Result<Vec<Item>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Peek(n, reply))?;
        answer.await.map_err(|_| Error::ShutDown)
    }

    /// Pauses the current card, or lets it run.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub fn set_paused(&self, paused: bool) -> Result<(), Error> {
        self.send(Input::Pause(paused))
    }

    /// Moves the playhead of the current card to the nearest key frame.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub fn seek(&self, ms: u64) -> Result<(), Error> {
        self.send(Input::Seek(ms))
    }

    /// Silences this card and those after it, or gives them sound again.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub fn set_muted(&self, muted: bool) -> Result<(), Error> {
        self.send(Input::Mute(muted))
    }

    /// Asks for a failed page again at once.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub fn retry(&self) -> Result<(), Error> {
        self.send(Input::Retry)
    }

    /// What is the case now, without waiting.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Waits for a snapshot newer than `revision`. Asking again after a cancelled wait loses nothing.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub async fn snapshot_after(&self, revision: u64) -> Result<Snapshot, Error> {
        let mut seen = self.snapshot.clone();
        let held = seen.wait_for(|s| s.revision > revision).await;
        held.map(|s| s.clone()).map_err(|_| Error::ShutDown)
    }

    /// Up to `max` events after number `after`, without waiting. The first event has number 1.
    #[must_use]
    pub fn events(&self, after: u64, max: usize) -> EventBatch {
        self.events.after(after, max)
    }

    /// Waits until there is an event after number `after`, then gives up to `max` of them.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended.
    pub async fn events_after(&self, after: u64, max: usize) -> Result<EventBatch, Error> {
        let mut ended = self.snapshot.clone();
        tokio::select! {
            biased;
            () = self.events.wait(after) => Ok(self.events.after(after, max)),
            () = async { while ended.changed().await.is_ok() {} } => Err(Error::ShutDown),
        }
    }

    async fn ask<T>(&self, input: impl FnOnce(Reply<T>) -> Input) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(input(reply))?;
        answer.await.unwrap_or(Err(Error::ShutDown))
    }

    fn send(&self, input: Input) -> Result<(), Error> {
        self.session.check()?;
        self.inputs.send(input).map_err(|_| Error::ShutDown)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create_private(dir: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| Error::Storage { reason: format!("data directory: {e}") })
}
