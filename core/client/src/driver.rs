//! The one task that owns an engine: it feeds facts in, drains effects out, and runs them at the edge.
//!
//! A turn is: take one input, read the clock once, call one `handle_*`, drain the outputs, publish the snapshot. Every
//! effect that was started comes back as an input, whether it succeeded, failed or was given up, so the engine never
//! waits for an answer that cannot come. Nothing here decides; nothing in the engine waits.

mod captions;
mod effects;
mod learning;
mod playing;
mod publish;
mod recall;
mod reports;
mod safety;
mod storage;
mod wellbeing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use unspool_engine::breaker::Choice as LoopChoice;
use unspool_engine::feed::Step;
use unspool_engine::pipeline::{Manner, Pipeline};
use unspool_engine::planner::FetchEnd;
use unspool_engine::safety::{Decision, Filter};
use unspool_engine::session::{Conditions, Effect, EngineConfig, Notice, Signal};
use unspool_engine::stage::StageOutput;
use unspool_engine::tape::Taped;
use unspool_engine::{
    DemandId, Item, LabelUpdate, MediaInfo, MediaKey, Millis, NetworkClass, Page, PageFailure, PlayerId,
    SavedFeed, StartClass, Time, Viewer, links,
};
use unspool_media::FetchTicket;
use unspool_media::LocalFile;
use unspool_media::tasks;
use unspool_player::captions::Captions;
use unspool_player::{PlayerEvent, Players};

use crate::backend::BackendError;
use crate::captions::{CaptionTrouble, CardCaptions};
use crate::clock::Clock;
use crate::config::FeedKind;
use crate::core::Core;
use crate::error::Error;
use crate::events::{Event, EventLog};
use crate::explain::Why;
use crate::feed::Opening;
use crate::players::Opened;
use crate::snapshot::Snapshot;
use crate::taping::Tape;
use crate::windows::Windows;

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

/// What reaches the driver.
pub(crate) enum Input {
    Next(Instant, Reply<Card>),
    Previous(Instant, Reply<Card>),
    Peek(usize, oneshot::Sender<Vec<Item>>),
    /// The items of these identifiers, or nothing when one is not in the feed.
    Items(Vec<String>, oneshot::Sender<Option<Vec<Item>>>),
    /// The captions of the card at a position, or nothing when there is no such card.
    Captions(u64, oneshot::Sender<Option<CardCaptions>>),
    Control(Control),
    Retry,
    Viewer(Viewer),
    /// Why the card at a position stands there, or nothing when there is no such card.
    Why(u64, oneshot::Sender<Option<Why>>),
    NotInterested(u64, Reply<()>),
    Signal(Signal),
    Answer(LoopChoice),
    Refresh,
    Reveal(u64, Instant, Reply<Card>),
    RefreshLabels,
    Labels(Result<Vec<LabelUpdate>, BackendError>),
    /// What the planner does about each card, and why.
    #[cfg(feature = "inspector")]
    Plans(oneshot::Sender<Vec<unspool_engine::planner::Plan>>),
    #[cfg(feature = "fault-injection")]
    Panic,
    Conditions(Conditions),
    Stop(oneshot::Sender<()>),
    Page {
        request: u64,
        answer: Result<Page, BackendError>,
    },
    Probed {
        key: MediaKey,
        answer: Result<Arc<MediaInfo>, Trouble>,
    },
    Fetched {
        demand: DemandId,
        key: MediaKey,
        end: FetchEnd,
        reason: String,
    },
    Recalled(NetworkClass, recall::Recalled),
    Captioned(MediaKey, Result<Captions, CaptionTrouble>),
    PoolReady(Result<Opened, String>),
    Stored(storage::Stored),
}

/// A failure at the edge, reduced to what the engine asks.
pub(crate) struct Trouble {
    pub(crate) retryable: bool,
    pub(crate) reason: String,
}

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

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Next(asked, reply) => self.step(now, true, asked, reply),
            Input::Previous(asked, reply) => self.step(now, false, asked, reply),
            Input::Peek(n, reply) => {
                let _ = reply.send(self.peek(n));
            }
            Input::Items(ids, reply) => {
                let held: Vec<&Item> = self.engine.items().collect();
                let find = |id: &String| held.iter().find(|item| item.id == *id).map(|&item| item.clone());
                let _ = reply.send(ids.iter().map(find).collect());
            }
            Input::Captions(position, reply) => {
                let _ = reply.send(self.captions_of(position));
            }
            Input::Control(control) => self.control(now, control),
            Input::Captioned(key, outcome) => self.handle_captioned(&key, outcome),
            Input::Retry => {
                self.page_trouble = None;
                self.engine.handle_retry(now);
            }
            Input::Reveal(position, asked, reply) => match self.core.wellbeing.standing() {
                Some(card) => drop(reply.send(Err(Error::Break(card)))),
                None => self.reveal(now, asked, position, reply),
            },
            Input::Why(position, reply) => {
                let _ = reply.send(self.why(position));
            }
            #[cfg(feature = "inspector")]
            Input::Plans(reply) => {
                let _ = reply.send(self.engine.planner().plans(now));
            }
            Input::NotInterested(position, reply) => self.not_interested(now, position, reply),
            Input::Signal(signal) => {
                self.engine.handle_signal(now, &signal);
            }
            Input::Answer(choice) => self.engine.handle_answer(now, choice),
            Input::Refresh => {
                self.page_trouble = None;
                self.engine.handle_refresh(now);
            }
            Input::RefreshLabels => self.refresh_labels(now),
            Input::Labels(answer) => self.handle_labels(now, answer),
            Input::Viewer(fact) => self.engine.handle_viewer(now, Clock::wall(), fact),
            Input::Conditions(conditions) => {
                let before = std::mem::replace(&mut self.conditions, conditions);
                self.core.media.set_offline(!conditions.online);
                if before.network != conditions.network {
                    self.write_down(before.network);
                }
                self.engine.handle_conditions(now, Clock::wall(), conditions);
                if conditions.online && !before.online {
                    self.retry_captions();
                }
                if before.network != conditions.network {
                    self.change_network(conditions.network);
                }
                self.keep_budget(now);
            }
            Input::Page { request, answer } => {
                let answer = answer.map_err(|e| {
                    let retry_after = match &e {
                        BackendError::Busy { retry_after, .. } => *retry_after,
                        _ => None,
                    };
                    let failure = PageFailure {
                        retryable: e.retryable(),
                        retry_after: retry_after
                            .map(|d| Millis(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))),
                        intercepted: matches!(e, BackendError::Untrusted(_)),
                    };
                    self.page_trouble = Some(e);
                    failure
                });
                let arrived = answer.is_ok();
                if arrived {
                    self.page_trouble = None;
                }
                self.engine.handle_page(now, request, answer);
                if arrived {
                    self.keep_safe(now);
                    self.prewarm();
                }
            }
            Input::Probed { key, answer } => {
                self.forget_late(&key);
                match answer {
                    Ok(info) => {
                        let held = self.core.media.held(&key);
                        self.engine.handle_probed(now, &key, &info, held);
                    }
                    Err(trouble) => {
                        self.engine.handle_probe_failed(now, &key, trouble.retryable, &trouble.reason)
                    }
                }
            }
            Input::Fetched { demand, key, end, reason } => {
                self.tickets.remove(&demand);
                self.forget_late(&key);
                let held = self.core.media.held(&key);
                self.engine.handle_fetch_end(now, demand, &key, end, held, &reason);
                self.keep_budget(now);
            }
            Input::Recalled(class, recalled) => self.handle_recalled(class, &recalled),
            Input::PoolReady(Ok(opened)) => {
                self.windows.attach(&opened);
                self.pool = Some(opened.players);
                self.tell_budget(now);
                for output in std::mem::take(&mut self.stage_backlog) {
                    self.run_stage(output);
                }
            }
            Input::Stored(stored) => self.handle_stored(now, stored),
            Input::PoolReady(Err(reason)) => self.events.push(Event::PlayersFailed { reason }),
            #[cfg(feature = "fault-injection")]
            Input::Panic => panic!("a panic on purpose in the driver"),
            // Taken by the loop before it gets here.
            Input::Stop(reply) => drop(reply),
        }
    }

    fn step(&mut self, now: Time, forward: bool, asked: Instant, reply: Reply<Card>) {
        if reply.is_closed() {
            return;
        }
        let rested = match self.go_on(now, false) {
            Ok(rested) => rested,
            Err(card) => {
                let _ = reply.send(Err(Error::Break(card)));
                return;
            }
        };
        let wall = Clock::wall();
        let step =
            if forward { self.engine.handle_next(now, wall) } else { self.engine.handle_previous(now, wall) };
        if rested && !matches!(step, Step::Moved(_)) {
            // There is nowhere to go yet: the card that stood goes on.
            self.engine.handle_rest_over(now, wall, true);
        }
        match step {
            Step::Moved(position) => {
                if forward {
                    self.core.wellbeing.moved();
                }
                let ready = self.engine.stage().player(position).is_some_and(|p| self.prerolled.contains(&p));
                let expected = match self.engine.playable_ms(position) {
                    _ if ready => StartClass::PreRolled,
                    0 => StartClass::Cold,
                    _ => StartClass::Cached,
                };
                self.intent = Some(Intent { position, at: asked, expected, played_at: None });
                self.playhead_ms = 0;
                self.frames = 0;
                self.paused = self.engine.is_held();
                self.sound.handle_person();
                self.point(now, 0, false);
                if let Some(card) = self.card(position) {
                    self.events.push(Event::Current { position, item: card.item.id.clone() });
                    let _ = reply.send(Ok(card));
                }
            }
            Step::Waiting => match self.page_trouble.take() {
                Some(trouble) => {
                    let _ = reply.send(Err(public(&trouble)));
                }
                None => {
                    let wait =
                        u64::try_from(self.core.config.request_timeout.as_millis()).unwrap_or(u64::MAX);
                    self.waiting.push_back(Waiting { forward, until: now + Millis(wait), asked, reply });
                }
            },
            Step::AtEnd | Step::Resting => {
                let error = match &self.page_trouble {
                    Some(trouble) if !trouble.retryable() => public(trouble),
                    _ if !self.conditions.online => Error::Offline,
                    _ => Error::EndOfFeed,
                };
                let _ = reply.send(Err(error));
            }
        }
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
