//! The machines of one feed session in one place: facts go in, effects come out.
//!
//! [`Engine`] owns the feed, the planner, the stage and the recorder and keeps them in step: a swipe moves the feed,
//! closes one viewing and opens the next, shifts the window and swaps players, all in one turn. The driver calls one
//! `handle_*`, then drains [`Engine::poll_output`] until it is empty.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

mod closing;
mod learning;
mod looking;
mod rest;
mod settling;

pub use crate::port::Signal;
pub use crate::port::{Conditions, Effect, EngineConfig, Notice, PlayerFact, Wake};

use crate::feed::{Feed, LabelUpdate, PageFailure, SavedFeed, Step};
use crate::impression::{Exit, Network, Recorder, Shown, Viewer};
use crate::info::MediaInfo;
use crate::model::{Item, MediaKey, Page, Span};
use crate::planner::{DemandId, FetchEnd, LinkState, Planner};
use crate::safety::Filter;
use crate::stage::{PlayerId, Stage};
use crate::throughput::Remembered;
use crate::time::{Millis, Time, Wall};

use rest::Hold;

/// Milliseconds of media a card needs in the store to be pre-rolled. One second covers the first group of pictures of
/// clips cut for feeds and the time a swipe animation takes.
pub const PREROLL_MS: u64 = 1_000;
/// Milliseconds of media a card needs in the store to be shown with no network: below three seconds most of what a
/// person sees is a stall.
pub const OFFLINE_MS: u64 = 3_000;
/// New players a card gets after recoverable failures in a row.
pub const REBUILDS: u32 = 2;
/// Milliseconds a player must have rendered for its failure to begin a new row.
pub const REBUILD_PROGRESS_MS: u64 = 1_000;
/// How much more a megabit costs where it is paid for: waste is then money, and pictures are worth no more than before.
pub const METERED_PRICE: f64 = 1.5;
/// Tallest picture, in pixels, on a device that saves its battery or is hot: decoding and radio both cost by the pixel.
pub const SMALL_HEIGHT: u32 = 854;
/// Cards kept for the next launch.
pub const SAVED_ITEMS: usize = 60;

/// The engine of one feed session.
#[derive(Debug)]
pub struct Engine {
    feed_name: String,
    feed: Feed,
    planner: Planner,
    stage: Stage,
    recorder: Recorder,
    conditions: Conditions,
    data_left: Option<u64>,
    stored: BTreeMap<MediaKey, u64>,
    rendered: BTreeMap<PlayerId, u64>,
    failed: BTreeSet<u64>,
    rebuilt: BTreeMap<u64, u32>,
    saved_at: Option<(u64, u64)>,
    link: LinkState,
    /// Whether the planner was given cards that it has to be told are gone.
    planned: bool,
    hold: Hold,
    ended: bool,
    /// What the person said of the card on the screen beside watching it.
    said: learning::Said,
    out: VecDeque<Effect>,
}

impl Engine {
    /// An engine for one feed.
    #[must_use]
    pub fn new(config: EngineConfig, conditions: Conditions) -> Self {
        let mut feed = Feed::new(config.seed);
        if let Some(first) = config.first {
            feed.begin_with(first);
        }
        // What is looked at is fixed; the stage looks at the next card whatever the planner does.
        feed.set_fixed_ahead(usize::try_from(config.policy.window.max(1)).unwrap_or(usize::MAX));
        Engine {
            feed_name: config.feed,
            feed,
            planner: Planner::new(config.policy),
            stage: Stage::new(config.players),
            recorder: Recorder::default(),
            conditions,
            data_left: None,
            stored: BTreeMap::new(),
            rendered: BTreeMap::new(),
            failed: BTreeSet::new(),
            rebuilt: BTreeMap::new(),
            saved_at: None,
            link: LinkState::default(),
            planned: false,
            hold: Hold::default(),
            ended: false,
            said: learning::Said::default(),
            out: VecDeque::new(),
        }
    }

    /// Begins: `saved` is what an earlier session kept, `stored` how many milliseconds of each rendition could play.
    pub fn handle_start(&mut self, now: Time, saved: Option<SavedFeed>, stored: BTreeMap<MediaKey, u64>) {
        self.stored = stored;
        if let Some(mut saved) = saved {
            // The card that was current is shown first, so that the app opens where it was left.
            saved.current = saved.current.and_then(|i| i.checked_sub(1));
            let hidden = self.feed.restore(saved);
            self.forget(hidden.iter());
        }
        self.planner.handle_network(self.conditions.network);
        self.planner.handle_limits(now, self.limits());
        self.stage.handle_paused(None, self.hold.stands());
        self.settle(now);
    }

    /// The person swiped on.
    pub fn handle_next(&mut self, now: Time, wall: Wall) -> Step {
        self.step(now, wall, Exit::SwipeNext)
    }

    /// The person swiped back.
    pub fn handle_previous(&mut self, now: Time, wall: Wall) -> Step {
        self.step(now, wall, Exit::SwipeBack)
    }

    /// The backend answered a page request.
    pub fn handle_page(&mut self, now: Time, request: u64, answer: Result<Page, PageFailure>) {
        match &answer {
            Ok(_) => self.planner.handle_backend(now, true),
            Err(failure) if failure.intercepted => self.planner.handle_backend(now, false),
            Err(_) => {}
        }
        match answer {
            Ok(page) => {
                let (grew, closed) = self.feed.handle_page(now, request, Ok(page));
                if grew {
                    self.out.push_back(Effect::Notice(Notice::Grew));
                    self.save();
                }
                self.close(now, closed);
            }
            Err(failure) => {
                self.feed.handle_page(now, request, Err(failure));
                self.out.push_back(Effect::Notice(Notice::PageFailed { retryable: failure.retryable }));
            }
        }
        self.settle(now);
    }

    /// The filter that holds from the beginning; given before [`handle_start`](Engine::handle_start). Without it the
    /// cautious one of the core does.
    pub fn set_filter(&mut self, filter: Arc<Filter>) {
        self.feed.set_filter(filter);
    }

    /// The rules or what the person chose changed. Cards that must not be shown any more are closed in this turn: their
    /// players are released, their requests cancelled, and their bytes forgotten.
    pub fn handle_filter(&mut self, now: Time, filter: Arc<Filter>) {
        let closed = self.feed.set_filter(filter);
        self.close(now, closed);
        self.settle(now);
    }

    /// Labels came late, or the backend took items back.
    pub fn handle_labels(&mut self, now: Time, updates: Vec<LabelUpdate>) {
        let closed = self.feed.handle_labels(updates);
        self.close(now, closed);
        self.settle(now);
    }

    /// The person wants to see what is covered at a position. Says whether they may; it is fetched and played from then on.
    pub fn handle_reveal(&mut self, now: Time, wall: Wall, position: u64) -> bool {
        let revealed = !self.hold.resting && self.feed.reveal(position);
        if revealed {
            if self.feed.current() == Some(position) && self.recorder.open().is_none() {
                self.show(now, wall);
            }
            self.settle(now);
        }
        revealed
    }

    /// The layout of a rendition became known; `held` is what the store holds of it.
    pub fn handle_probed(&mut self, now: Time, key: &MediaKey, info: &Arc<MediaInfo>, held: Vec<Span>) {
        self.stored.insert(key.clone(), info.playable_until(0, &held));
        self.planner.handle_probed(now, key, Arc::clone(info), held);
        self.settle(now);
    }

    /// The layout of a rendition could not be had.
    pub fn handle_probe_failed(&mut self, now: Time, key: &MediaKey, retryable: bool, reason: &str) {
        self.planner.handle_probe_failed(now, key, retryable);
        self.settle(now);
        self.report_refused(now, reason);
    }

    /// The store holds this of a rendition now.
    pub fn handle_held(&mut self, now: Time, key: &MediaKey, held: Vec<Span>) {
        self.note_held(key, &held);
        self.planner.handle_held(now, key, held);
        self.settle(now);
    }

    /// A demand ended.
    pub fn handle_fetch_end(
        &mut self,
        now: Time,
        demand: DemandId,
        key: &MediaKey,
        end: FetchEnd,
        held: Vec<Span>,
        reason: &str,
    ) {
        self.note_held(key, &held);
        self.planner.handle_fetch_end(now, demand, end, held);
        self.settle(now);
        self.report_refused(now, reason);
    }

    /// One transfer from a host ended: its body bytes, the wait for its first byte, and the time from that to its last.
    pub fn handle_transfer(&mut self, host: &str, bytes: u64, first_byte: Millis, transfer: Millis) {
        if self.conditions.metered {
            self.data_left = self.data_left.map(|left| left.saturating_sub(bytes));
        }
        self.planner.handle_transfer(host, bytes, first_byte, transfer);
    }

    /// What earlier sessions measured of this kind of network, by host; the empty name is all of them.
    pub fn handle_remembered(&mut self, wall: Wall, past: &BTreeMap<String, Remembered>) {
        self.planner.restore(past, wall.unix_ms);
    }

    /// What the next session should know of this kind of network, by host.
    #[must_use]
    pub fn remember(&self, wall: Wall) -> BTreeMap<String, Remembered> {
        self.planner.links().remember(wall.unix_ms)
    }

    /// Bytes that may still be fetched today on networks paid by the byte; `None` where that has no bound.
    pub fn handle_data_left(&mut self, now: Time, data_left: Option<u64>) {
        self.data_left = data_left;
        self.planner.handle_limits(now, self.limits());
        self.settle(now);
    }

    /// A player reported.
    pub fn handle_player(&mut self, now: Time, player: PlayerId, fact: PlayerFact) {
        let Some(position) = self.stage.position(player) else { return };
        let current = self.feed.current() == Some(position);
        match fact {
            PlayerFact::FirstFrame { class, latency_ms } if current => {
                self.recorder.handle_first_frame(class, latency_ms);
            }
            PlayerFact::Progress { playhead_ms, active_ms } => {
                self.rendered.insert(player, active_ms);
                if current {
                    self.recorder.handle_progress(now, playhead_ms, active_ms);
                    self.planner.handle_playhead(now, playhead_ms);
                }
            }
            PlayerFact::Starved { playhead_ms } if current => self.planner.handle_starved(now, playhead_ms),
            PlayerFact::Stalled { ms } if current => {
                self.recorder.handle_stalled(ms);
                self.planner.handle_fed(now);
            }
            PlayerFact::Looped if current => self.recorder.handle_looped(),
            PlayerFact::Failed { reason, recoverable } => {
                if !recoverable {
                    self.stage.handle_failed(player, false);
                    self.fail(now, position, reason);
                    return self.settle(now);
                }
                let tries = self.rebuilt.entry(position).or_default();
                // A player that got somewhere before it ran dry may begin again: without a network a card that is held
                // in part repeats that part.
                let went_on = self.rendered.get(&player).is_some_and(|&active| active >= REBUILD_PROGRESS_MS);
                *tries = if went_on { 1 } else { *tries + 1 };
                let again = *tries <= REBUILDS;
                self.stage.handle_failed(player, again);
                if current {
                    self.planner.handle_fed(now);
                }
                if !again {
                    self.fail(now, position, reason);
                }
            }
            PlayerFact::FirstFrame { .. }
            | PlayerFact::Starved { .. }
            | PlayerFact::Stalled { .. }
            | PlayerFact::Looped => {}
        }
        self.settle(now);
    }

    /// The person paused the current card or let it run.
    pub fn handle_paused(&mut self, now: Time, paused: bool) {
        if self.hold.resting && !paused {
            return;
        }
        self.hold.tapped |= !paused;
        self.recorder.handle_paused(now, paused);
        self.stage.handle_paused(self.feed.current(), paused);
        self.settle(now);
    }

    /// The device changed. Going to the background ends the viewing; coming back begins another of the same card.
    pub fn handle_conditions(&mut self, now: Time, wall: Wall, conditions: Conditions) {
        let before = std::mem::replace(&mut self.conditions, conditions);
        if conditions.online && !before.online {
            self.feed.retry_now();
            // What failed for want of bytes may work now.
            for position in std::mem::take(&mut self.rebuilt).into_keys() {
                self.failed.remove(&position);
            }
            self.stage.forget_failed();
        }
        self.planner.handle_network(conditions.network);
        self.planner.handle_limits(now, self.limits());
        if before.foreground != conditions.foreground {
            let stands = !conditions.foreground || self.hold.stands();
            self.stage.handle_paused(self.feed.current(), stands);
            if conditions.foreground {
                self.show(now, wall);
            } else {
                self.recorder.handle_left(now, Exit::Background);
            }
        }
        self.settle(now);
    }

    /// The person did something with the card on the screen.
    pub fn handle_viewer(&mut self, now: Time, wall: Wall, fact: Viewer) {
        match fact {
            Viewer::Left(exit) => self.recorder.handle_left(now, exit),
            Viewer::Returned if self.recorder.open().is_none() => self.show(now, wall),
            fact => {
                if let Viewer::Rate(rate) = fact {
                    self.planner.handle_rate(now, rate);
                }
                self.recorder.handle_viewer(now, fact);
            }
        }
        self.settle(now);
    }

    /// Viewings from now on name these versions: of the app's policy, and of the ranking policy.
    pub fn set_policy_version(&mut self, version: &str, ranking: &str) {
        self.recorder.set_policy(version, ranking);
    }

    /// The host says how many decoders and how many bytes of memory players may take; it may say less at any time.
    pub fn handle_player_budget(&mut self, now: Time, players: usize, bytes: u64) {
        self.stage.set_budget(players, bytes);
        self.settle(now);
    }

    /// What players read from is gone, as addresses are after a suspension: each is built anew.
    pub fn handle_players_lost(&mut self, now: Time) {
        self.stage.handle_lost();
        self.planner.handle_fed(now);
        self.settle(now);
    }

    /// The person asked to try again after a failure.
    pub fn handle_retry(&mut self, now: Time) {
        self.feed.retry_now();
        self.settle(now);
    }

    /// The session ends: the viewing is closed, players go, nothing more is asked for.
    pub fn handle_end(&mut self, now: Time) {
        self.recorder.handle_left(now, Exit::Shutdown);
        self.conditions.online = false;
        self.planner.handle_limits(now, self.limits());
        self.stage.handle_end();
        self.saved_at = None;
        self.save();
        self.collect(now);
        self.ended = true;
    }

    /// The deadline named by [`poll_timeout`](Engine::poll_timeout) came.
    pub fn handle_timeout(&mut self, now: Time) {
        self.recorder.handle_timeout(now);
        self.planner.handle_timeout(now);
        self.settle(now);
    }

    /// What to do next; ask until `None`.
    pub fn poll_output(&mut self) -> Option<Effect> {
        self.out.pop_front()
    }

    fn step(&mut self, now: Time, wall: Wall, exit: Exit) -> Step {
        if self.hold.resting {
            return Step::Resting;
        }
        let (stored, online) = (&self.stored, self.conditions.online);
        let playable = |_: u64, item: &Item| {
            let enough = OFFLINE_MS.min(item.asset.duration_ms);
            online
                || item.asset.renditions.iter().any(|r| {
                    stored
                        .get(&MediaKey::new(&item.asset.id, &r.id))
                        .is_some_and(|&ms| ms > 0 && ms >= enough)
                })
        };
        let step = match exit {
            Exit::SwipeBack => self.feed.previous(playable),
            _ => self.feed.next(playable),
        };
        // With no network there is no page on its way: what is held is all there is.
        let step = if step == Step::Waiting && !online { Step::AtEnd } else { step };
        if let Step::Moved(_) = step {
            self.recorder.handle_left(now, exit);
            self.hold.tapped = false;
            self.show(now, wall);
            self.stage.handle_paused(self.feed.current(), self.hold.stands());
            self.save();
        }
        self.settle(now);
        if let (Step::Moved(position), Some(player)) =
            (step, self.feed.current().and_then(|c| self.stage.player(c)))
        {
            if let Some(&active) = self.rendered.get(&player) {
                self.recorder.handle_resumed(active);
            }
            if let Some(key) = self.planner.key(position) {
                self.recorder.handle_rendition(key.parts().1);
            }
            self.collect(now);
        }
        step
    }

    fn show(&mut self, now: Time, wall: Wall) {
        let shown = self.feed.current().filter(|&p| self.feed.shown(p) && !self.hold.resting);
        let Some((position, item)) = shown.and_then(|p| self.feed.item(p).map(|i| (p, i))) else {
            return;
        };
        let shown = Shown {
            item: item.id.clone(),
            asset: item.asset.id.clone(),
            rendition: self.planner.key(position).map(|k| k.parts().1.to_owned()).unwrap_or_default(),
            position,
            reason: self.feed_name.clone(),
            duration_ms: item.asset.duration_ms,
            network: match self.conditions {
                Conditions { online: false, .. } => Network::Offline,
                Conditions { metered: true, .. } => Network::Metered,
                _ => Network::Unmetered,
            },
        };
        self.recorder.handle_shown(now, wall, shown);
        if self.hold.stands() {
            self.recorder.handle_paused(now, true);
        }
    }

    fn note_held(&mut self, key: &MediaKey, held: &[Span]) {
        let known = self.feed.current().map(|_| self.window()).unwrap_or_default();
        if let Some(info) =
            known.into_iter().filter(|&p| self.planner.key(p) == Some(key)).find_map(|p| self.planner.info(p))
        {
            self.stored.insert(key.clone(), info.playable_until(0, held));
        }
    }

    fn report_refused(&mut self, now: Time, reason: &str) {
        if self.feed.current().is_none() {
            return;
        }
        for position in self.window() {
            if self.planner.refused(position) {
                self.fail(now, position, reason.to_owned());
            }
        }
        self.collect(now);
    }

    fn fail(&mut self, now: Time, position: u64, reason: String) {
        if self.failed.insert(position) {
            self.out.push_back(Effect::Notice(Notice::CardFailed { position, reason }));
        }
        if self.feed.current() == Some(position) {
            self.recorder.handle_left(now, Exit::Failed);
        }
    }
}
