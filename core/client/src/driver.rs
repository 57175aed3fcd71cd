//! The one task that owns an engine: it feeds facts in, drains effects out, and runs them at the edge.
//!
//! A turn is: take one input, read the clock once, call one `handle_*`, drain the outputs, publish the snapshot. Every
//! effect that was started comes back as an input, whether it succeeded, failed or was given up, so the engine never
//! waits for an answer that cannot come. Nothing here decides; nothing in the engine waits.

mod captions;
mod effects;
mod inputs;
mod learning;
mod playing;
mod publish;
mod recall;
mod reports;
mod safety;
mod steps;
mod storage;
mod wellbeing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use unspool_engine::pipeline::{Manner, Pipeline};
use unspool_engine::safety::{Decision, Filter};
use unspool_engine::session::{Conditions, Effect, EngineConfig, Notice};
use unspool_engine::stage::StageOutput;
use unspool_engine::tape::Taped;
use unspool_engine::{DemandId, Item, MediaKey, Millis, PlayerId, SavedFeed, StartClass, Time, links};
use unspool_media::FetchTicket;
use unspool_media::LocalFile;
use unspool_media::tasks;
use unspool_player::{PlayerEvent, Players};

use crate::backend::BackendError;
use crate::clock::Clock;
use crate::config::FeedKind;
use crate::core::Core;
use crate::error::Error;
use crate::events::{Event, EventLog};
use crate::feed::Opening;
use crate::snapshot::Snapshot;
use crate::taping::Tape;
use crate::windows::Windows;

pub(crate) use inputs::{Input, Trouble};
pub(crate) use playing::Control;

/// A card as the app gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Position in the feed.
    pub position: u64,
    /// What it is; without its thumbnail while it is covered.
    pub item: Item,
    /// What the safety filter says of it.
    pub decision: Decision,
    /// It is covered until it is [revealed](crate::FeedSession::reveal): it does not play, and nothing of it is fetched.
    /// One that left the feed while it was on the screen is covered for good.
    pub covered: bool,
}

/// Longest wait for players to stop at the end of a feed.
pub(crate) const CLOSING: Duration = Duration::from_secs(3);

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A swipe until its first frame: what the person waits for begins here, not when a player is told to play.
struct Intent {
    position: u64,
    at: Instant,
    expected: StartClass,
    played_at: Option<Instant>,
}

struct Waiting {
    forward: bool,
    until: Time,
    asked: Instant,
    reply: Reply<Card>,
}

pub(crate) struct Driver {
    core: Arc<Core>,
    feed: String,
    /// Whether its cards are those that are kept for offline, which no backend is asked for.
    kept: bool,
    engine: Taped,
    clock: Clock,
    inputs: mpsc::UnboundedSender<Input>,
    pool: Option<Arc<dyn Players>>,
    /// Players that were prepared and not released.
    alive: BTreeSet<PlayerId>,
    /// Files that players of the platform read.
    leases: BTreeMap<PlayerId, LocalFile>,
    windows: Arc<Windows>,
    stage_backlog: VecDeque<StageOutput>,
    tickets: BTreeMap<DemandId, Arc<FetchTicket>>,
    prerolled: BTreeSet<PlayerId>,
    waiting: VecDeque<Waiting>,
    intent: Option<Intent>,
    page_trouble: Option<BackendError>,
    events: Arc<EventLog>,
    snapshot: watch::Sender<Snapshot>,
    conditions: Conditions,
    traffic: recall::Traffic,
    /// Transfers that ended.
    transfers: u32,
    storage: storage::Storage,
    safety: safety::Safety,
    filter: watch::Receiver<Arc<Filter>>,
    manner: Manner,
    /// What was learnt, after changes by hand.
    learnt: watch::Receiver<Arc<Pipeline>>,
    playhead_ms: u64,
    /// Pictures shown since the swipe to the current card.
    frames: u64,
    /// Pictures each player has shown so far.
    counted: BTreeMap<PlayerId, u64>,
    paused: bool,
    sound: playing::Sound,
    captioning: captions::Captioning,
    watching: wellbeing::Watching,
}

impl Driver {
    pub(crate) fn new(
        core: Arc<Core>,
        opening: Opening,
        conditions: Conditions,
        inputs: mpsc::UnboundedSender<Input>,
        events: Arc<EventLog>,
        snapshot: watch::Sender<Snapshot>,
        windows: Arc<Windows>,
    ) -> Self {
        let wishes = core.board.now();
        let Opening { kind, first } = opening;
        let feed = kind.name();
        let config = EngineConfig {
            seed: core.seed,
            feed: feed.clone(),
            policy: core.config.policy.clone(),
            players: core.config.player.players,
            first,
        };
        let mut engine = Taped::new(config, conditions, core.tape.as_ref().map(Tape::feed));
        // The stage makes room before it asks for a player that the pool would refuse.
        let most = wishes.pressure.players(wishes.players);
        engine.handle_player_budget(core.clock.now(), most, wishes.memory_bytes);
        engine.set_policy_version(&core.config.policy_version, &core.config.ranking.version);
        let mut filter = core.safety.filter();
        let first = Arc::clone(&filter.borrow_and_update());
        engine.set_filter(first);
        Driver {
            feed,
            kept: kind == FeedKind::Kept,
            engine,
            storage: storage::Storage::new(core.config.cache_bytes),
            safety: safety::Safety::default(),
            filter,
            manner: kind.manner(),
            learnt: core.learning.changes(),
            clock: core.clock,
            core,
            inputs,
            pool: None,
            alive: BTreeSet::new(),
            leases: BTreeMap::new(),
            windows,
            stage_backlog: VecDeque::new(),
            tickets: BTreeMap::new(),
            prerolled: BTreeSet::new(),
            waiting: VecDeque::new(),
            intent: None,
            page_trouble: None,
            events,
            snapshot,
            conditions,
            traffic: recall::Traffic::default(),
            transfers: 0,
            playhead_ms: 0,
            frames: 0,
            counted: BTreeMap::new(),
            paused: false,
            sound: playing::Sound::new(wishes.focus),
            captioning: captions::Captioning::new(wishes.captions),
            watching: wellbeing::Watching::default(),
        }
    }

    /// Runs until a stop or until every handle is gone.
    pub(crate) async fn run(
        mut self,
        inputs: &mut mpsc::UnboundedReceiver<Input>,
        mut players: mpsc::UnboundedReceiver<PlayerEvent>,
    ) {
        self.start().await;
        let mut transfers = self.core.media.samples();
        let stopped = loop {
            self.turn_end();
            let sleep = self.sleep();
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(Input::Stop(reply)) => break Some(reply),
                    Some(input) => self.handle(input),
                    None => break None,
                },
                Some(event) = players.recv() => self.handle_player(event),
                Ok(()) = self.filter.changed() => {
                    let filter = Arc::clone(&self.filter.borrow_and_update());
                    self.engine.handle_filter(self.clock.now(), filter);
                }
                Ok(()) = self.learnt.changed() => self.handle_learnt(),
                Some(done) = transfers.recv() => {
                    let transfer = Millis(done.elapsed_ms.saturating_sub(done.ttfb_ms));
                    self.engine.handle_transfer(links::host(&done.host), done.bytes, Millis(done.ttfb_ms), transfer);
                    self.count_transfer(done.bytes);
                    if let Some(pool) = &self.pool {
                        pool.set_throughput(Some(self.engine.planner().throughput_bps()).filter(|&bps| bps > 0));
                    }
                }
                () = tokio::time::sleep(sleep) => {
                    let now = self.clock.now();
                    self.engine.handle_timeout(now);
                    self.keep_safe(now);
                }
            }
        };
        self.stop().await;
        if let Some(reply) = stopped {
            // Nobody waiting is fine: the session is going away.
            let _ = reply.send(());
        }
    }

    async fn start(&mut self) {
        let core = Arc::clone(&self.core);
        let feed = self.feed.clone();
        let class = self.conditions.network;
        let kept = self.kept.then(|| core.keep.items());
        let loaded = tasks::spawn_blocking(move || {
            let kept = kept.map(|items| SavedFeed { items, ..SavedFeed::default() });
            let load = || {
                core.store.load_feed(&feed).unwrap_or_else(|e| {
                    tracing::warn!(%e, "no saved feed");
                    None
                })
            };
            let saved = kept.or_else(load);
            let mut stored = BTreeMap::new();
            for item in saved.iter().flat_map(|s| &s.items) {
                for rendition in &item.asset.renditions {
                    let key = MediaKey::new(&item.asset.id, &rendition.id);
                    if let Some(info) = core.media.info(&key) {
                        let held = core.media.held(&key);
                        stored.insert(key, info.playable_until(0, &held));
                    }
                }
            }
            (saved, stored, recall::Recalled::read(&core, class))
        });
        let (saved, stored, recalled) = loaded.await.unwrap_or_default();
        self.recall(&recalled);
        self.set_ranking();
        self.begin_watching(self.clock.now());
        self.engine.handle_start(self.clock.now(), saved, stored);
    }

    async fn stop(&mut self) {
        self.write_down_last().await;
        self.engine.handle_end(self.clock.now());
        self.drain();
        self.write_tape();
        self.core.write_learnt().await;
        for (_, ticket) in std::mem::take(&mut self.tickets) {
            ticket.cancel();
        }
        for waiting in self.waiting.drain(..) {
            let _ = waiting.reply.send(Err(Error::ShutDown));
        }
        if let Some(pool) = self.pool.take() {
            let done = tasks::spawn_blocking(move || pool.shutdown(CLOSING)).await;
            if !done.unwrap_or(false) {
                tracing::warn!("players did not stop in time");
            }
        }
    }

    fn sleep(&self) -> Duration {
        let now = self.clock.now();
        let engine = self.engine.poll_timeout().map(|(at, _)| at);
        let waiting = self.waiting.iter().map(|w| w.until).min();
        let caption = self.captions_change(now);
        let waits = engine
            .into_iter()
            .chain(waiting)
            .chain(caption)
            .chain(self.safety_due())
            .chain(self.break_opens(now));
        let at = waits.min().unwrap_or(now + Millis(60_000));
        Duration::from_millis(at.since(now).0)
    }

    /// Drains the engine, answers waits that can be answered, and publishes what changed.
    fn turn_end(&mut self) {
        self.drain();
        let now = self.clock.now();
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.reply.is_closed() {
                continue;
            }
            if now >= waiting.until {
                let _ = waiting.reply.send(Err(Error::TimedOut(self.core.config.request_timeout)));
            } else {
                // A step that still waits goes back into the queue with the time it had left.
                let until = waiting.until;
                let before = self.waiting.len();
                self.step(now, waiting.forward, waiting.asked, waiting.reply);
                if self.waiting.len() > before
                    && let Some(again) = self.waiting.back_mut()
                {
                    again.until = until;
                }
            }
        }
        self.drain();
        self.tend_watching(now);
        self.drain();
        self.tend_captions();
        self.write_tape();
        self.publish();
    }

    /// Hands over what the engine was told and did in this turn.
    fn write_tape(&mut self) {
        if let Some(tape) = &self.core.tape
            && !tape.write(self.engine.take_lines())
        {
            self.engine.cut();
        }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.engine.poll_output() {
            match effect {
                Effect::Page(request) => self.fetch_page(request),
                Effect::Media(output) => self.run_media(output),
                Effect::Stage(output) => self.run_stage(output),
                Effect::Write(write) => self.write(write),
                Effect::Save(_) if self.kept => {}
                Effect::Save(saved) => self.core.save(&self.feed, saved),
                Effect::Forget(keys) => self.forget(keys),
                Effect::Lesson(lesson) => self.keep_lesson(&lesson),
                Effect::Notice(notice) => self.notice(notice),
            }
        }
    }

    fn notice(&mut self, notice: Notice) {
        self.events.push(match notice {
            Notice::Link(state) => {
                tracing::info!(?state, "the link");
                Event::Link { state }
            }
            Notice::Grew => Event::FeedGrew,
            Notice::Loop(word) => Event::Loop { word },
            Notice::Thin(enough_of) => Event::FeedThin { enough_of },
            Notice::PageFailed { retryable } => {
                let reason = self.page_trouble.as_ref().map(ToString::to_string).unwrap_or_default();
                Event::PageFailed { retryable, reason }
            }
            Notice::CardFailed { position, reason } => {
                let item = self.engine.item(position).map(|i| i.id.clone()).unwrap_or_default();
                Event::CardFailed { position, item, reason }
            }
            Notice::CardClosed { position, item, current, decision } => {
                Event::CardClosed { position, item, current, decision }
            }
        });
    }
}

pub(crate) fn public(error: &BackendError) -> Error {
    match error {
        BackendError::Network(_) => Error::Offline,
        BackendError::SignIn => Error::SignIn,
        BackendError::HostRefused { host } => Error::HostRefused { host: host.clone() },
        BackendError::Busy { retry_after, .. } => {
            Error::Backend { reason: error.to_string(), retry_after: *retry_after }
        }
        BackendError::Refused { .. }
        | BackendError::Malformed(_)
        | BackendError::NoToken(_)
        | BackendError::Untrusted(_) => Error::Backend { reason: error.to_string(), retry_after: None },
    }
}
