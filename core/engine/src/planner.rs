//! Which bytes of which queued video to fetch next, and at which rendition.
//!
//! The planner sees a window: the current card and those after it. Whatever a card lacks next, about a second of media, is a
//! step; each time something changes the steps are weighed against each other and against waiting (`order`), by what
//! they save in stalls and what they risk in waste, given how long this person is likely to stay (`swipe`) and how fast
//! the link may turn out to be ([`crate::throughput`]). Steps are short, so that every next one is decided with what is
//! known then. A card in danger pre-empts what is fetched for others, and what left the window is cancelled in the same
//! turn.
//!
//! Facts are only noted; the plan is made when the first output is asked for, once however many facts came in that turn. The
//! planner names bytes; it never moves them. The driver turns [`Output`]s into fetches and reports every end.

mod ahead;
mod card;
mod order;
mod outlook;
mod output;
mod policy;
mod reason;
mod swipe;
mod tuning;
mod turn;
mod value;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use output::{Candidate, DemandId, FetchEnd, Output, Urgency};
pub use policy::{Limits, Policy};
pub use reason::{Plan, Reason};
pub use swipe::{Curve, Habit, SwipeModel};
pub use tuning::{Lean, Tuning, Worth};
pub use watch::LinkState;

use crate::info::MediaInfo;
use crate::links::Links;
use crate::model::{MediaKey, Span};
use crate::throughput::{NetworkClass, Remembered};
use crate::time::{Millis, Time};
use card::{Card, Probe, STEP_MS};

/// How often a wait is thought over while a card plays: a tick of the playhead.
const REVIEW: Millis = Millis(200);
/// Share of people who leave each second whatever the curve says: where it is flat it would promise that nobody swipes.
const WHIM_PER_S: f64 = 0.01;
/// Most dwell believed, in milliseconds: a phone that was put down is not a liking.
const LONGEST_DWELL_MS: u64 = 600_000;

/// The prefetch planner.
#[derive(Debug)]
pub struct Planner {
    policy: Policy,
    limits: Limits,
    links: Links,
    watch: watch::Watch,
    person: SwipeModel,
    cards: BTreeMap<u64, Card>,
    current: Option<u64>,
    playhead_ms: u64,
    /// The furthest the playhead of the current card got, and whether it began again.
    watched_ms: u64,
    looped: bool,
    /// Whether the current card stands still for want of bytes.
    starved: bool,
    /// Media seconds that play in a second.
    rate: f64,
    /// Nominal Mbit/s of what the person saw last of the card before.
    shown_mbps: Option<f64>,
    next_demand: u64,
    demands: BTreeMap<DemandId, (u64, MediaKey)>,
    review_at: Option<Time>,
    look_at: Option<Time>,
    /// When something changed that no plan has seen.
    due: Option<Time>,
    out: VecDeque<Output>,
}

impl Planner {
    /// A planner with an empty window.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Planner {
            person: SwipeModel::new(policy.habit),
            links: Links::new(NetworkClass::Unknown, policy.memory),
            watch: watch::Watch::default(),
            policy,
            limits: Limits::default(),
            cards: BTreeMap::new(),
            current: None,
            playhead_ms: 0,
            watched_ms: 0,
            looped: false,
            starved: false,
            rate: 1.0,
            shown_mbps: None,
            next_demand: 0,
            demands: BTreeMap::new(),
            review_at: None,
            look_at: None,
            due: None,
            out: VecDeque::new(),
        }
    }

    /// Number of cards after the current one that are looked at.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.policy.window
    }

    /// The window moved: `cards` are those from the current position on, nearest first. `held` answers how many
    /// milliseconds of a rendition the store could play, so that what was fetched is what gets played.
    pub fn handle_window(
        &mut self,
        now: Time,
        current: u64,
        cards: &[Candidate<'_>],
        held: &dyn Fn(&MediaKey) -> u64,
    ) {
        if self.current != Some(current) {
            self.leave(current);
            self.current = Some(current);
            self.playhead_ms = 0;
            self.watched_ms = 0;
            self.looped = false;
            self.starved = false;
        }
        let gone: Vec<u64> =
            self.cards.keys().copied().filter(|p| cards.iter().all(|c| c.position != *p)).collect();
        for position in gone {
            if let Some(Card { running: Some(running), .. }) = self.cards.remove(&position) {
                self.out.push_back(Output::Cancel { demand: running.demand });
            }
        }
        for candidate in cards {
            if !self.cards.contains_key(&candidate.position) {
                self.enter(candidate);
            }
            if let Some(card) = self.cards.get_mut(&candidate.position) {
                Self::keep_to_what_is_held(card, held);
            }
        }
        for card in self.cards.values_mut() {
            card.bend(self.person.theta(card.topic.as_deref()), self.rate);
        }
        self.due = Some(now);
    }

    /// The layout of a rendition became known.
    pub fn handle_probed(&mut self, now: Time, key: &MediaKey, info: Arc<MediaInfo>, held: Vec<Span>) {
        self.watch.received();
        for card in self.cards.values_mut() {
            if let Some(rung) = card.rungs.iter_mut().find(|r| r.key == *key) {
                rung.probe = Probe::Known(Arc::clone(&info));
                rung.held.clone_from(&held);
                card.failures = 0;
            }
        }
        self.due = Some(now);
    }

    /// The layout of a rendition could not be had.
    pub fn handle_probe_failed(&mut self, now: Time, key: &MediaKey, retryable: bool) {
        self.watch.refused(key);
        for card in self.cards.values_mut() {
            if let Some(rung) = card.rungs.iter_mut().find(|r| r.key == *key) {
                rung.probe = if retryable { Probe::Unasked } else { Probe::Refused };
                card.back_off(now);
            }
        }
        self.due = Some(now);
    }

    /// What the store holds of a rendition.
    pub fn handle_held(&mut self, now: Time, key: &MediaKey, held: Vec<Span>) {
        self.note_held(key, &held);
        self.due = Some(now);
    }

    /// A demand ended. `held` is what the store holds of its rendition now.
    pub fn handle_fetch_end(&mut self, now: Time, demand: DemandId, end: FetchEnd, held: Vec<Span>) {
        let Some((position, key)) = self.demands.remove(&demand) else { return };
        match end {
            FetchEnd::Done => self.watch.received(),
            FetchEnd::Cancelled => {}
            FetchEnd::Failed { .. } => self.watch.refused(&key),
        }
        self.note_held(&key, &held);
        if let Some(card) = self.cards.get_mut(&position)
            && let Some(running) = card.running.take_if(|r| r.demand == demand)
        {
            match end {
                FetchEnd::Done => card.failures = 0,
                FetchEnd::Cancelled => {}
                FetchEnd::Failed { retryable: true } => card.back_off(now),
                FetchEnd::Failed { retryable: false } => card.rungs[running.rung].probe = Probe::Refused,
            }
        }
        self.due = Some(now);
    }

    /// One transfer from a host ended: its body bytes, the wait for its first byte, and the time from that to its last.
    pub fn handle_transfer(&mut self, host: &str, bytes: u64, first_byte: Millis, transfer: Millis) {
        self.watch.received();
        self.links.sample(host, bytes, first_byte, transfer);
        self.limits.data_left = self.limits.data_left.map(|left| left.saturating_sub(bytes));
    }

    /// The backend was asked for a page; `itself` is false when somebody else answered in its place, such as the log-in
    /// page of a captive portal. Nothing is fetched ahead then, as long as nothing came over this network.
    pub fn handle_backend(&mut self, now: Time, itself: bool) {
        let before = self.link();
        self.watch.answered(itself);
        if self.link() != before {
            self.due = Some(now);
        }
    }

    /// The device says what kind of network it is on.
    pub fn handle_network(&mut self, class: NetworkClass) {
        if self.links.handle_class(class) {
            self.watch.reset();
        }
    }

    /// Takes up what earlier sessions measured of this kind of network, by host; the empty name is all of them.
    pub fn restore(&mut self, past: &BTreeMap<String, Remembered>, unix_ms: i64) {
        self.links.restore(past, unix_ms);
    }

    /// The playhead of the current card moved.
    pub fn handle_playhead(&mut self, now: Time, playhead_ms: u64) {
        self.looped |= playhead_ms + STEP_MS < self.playhead_ms;
        self.playhead_ms = playhead_ms;
        self.watched_ms = self.watched_ms.max(playhead_ms);
        self.due = Some(now);
    }

    /// The current card stands still at `playhead_ms` for want of bytes, until [`handle_fed`](Planner::handle_fed) or another
    /// card. Players wait for more than one picture before they go on, so what lies ahead of such a playhead says nothing
    /// about danger: while it stands, nothing is fetched for another card.
    pub fn handle_starved(&mut self, now: Time, playhead_ms: u64) {
        self.handle_playhead(now, playhead_ms);
        self.starved = true;
    }

    /// The current card plays again, or its player is gone.
    pub fn handle_fed(&mut self, now: Time) {
        if std::mem::take(&mut self.starved) {
            self.due = Some(now);
        }
    }

    /// The person chose another speed of playback, for this card and those after it; a buffer lasts as much shorter. 1 is
    /// normal; what is no number between a quarter and four counts as the nearest.
    pub fn handle_rate(&mut self, now: Time, rate: f64) {
        self.rate = if rate.is_nan() { 1.0 } else { rate.clamp(0.25, 4.0) };
        for card in self.cards.values_mut() {
            card.bend(self.person.theta(card.topic.as_deref()), self.rate);
        }
        self.due = Some(now);
    }

    /// What may be fetched changed.
    pub fn handle_limits(&mut self, now: Time, limits: Limits) {
        if limits.online && !self.limits.online {
            self.watch.reset();
            for card in self.cards.values_mut() {
                card.retry_at = None;
            }
        }
        self.limits = limits;
        if !limits.online {
            self.cancel_where(|_| true);
        } else if !limits.prefetching {
            let current = self.current;
            self.cancel_where(|position| Some(position) != current);
        }
        self.due = Some(now);
    }

    /// A deadline named by [`poll_timeout`](Planner::poll_timeout) came.
    pub fn handle_timeout(&mut self, now: Time) {
        self.due = Some(now);
    }

    /// What to do next; ask until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.out.is_empty()
            && let Some(now) = self.due.take()
        {
            self.plan(now);
        }
        self.out.pop_front()
    }

    /// When a failed fetch is due again, a wait is to be thought over, or a fetch that brought nothing yet is to be looked at.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let waiting = |c: &&Card| c.running.is_none() && !c.refused();
        let retry = self.cards.values().filter(waiting).filter_map(|c| c.retry_at).min();
        retry.into_iter().chain(self.review_at).chain(self.look_at).min().filter(|_| self.limits.online)
    }

    /// The paths to the hosts, as measured.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Whether the link brings what is asked of it.
    #[must_use]
    pub fn link(&self) -> LinkState {
        self.watch.state()
    }

    /// What is known of the person.
    #[must_use]
    pub fn person(&self) -> &SwipeModel {
        &self.person
    }

    /// The rendition chosen for a card.
    #[must_use]
    pub fn key(&self, position: u64) -> Option<&MediaKey> {
        self.cards.get(&position).and_then(Card::chosen).map(|r| &r.key)
    }

    /// The layout of the rendition chosen for a card, once known.
    #[must_use]
    pub fn info(&self, position: u64) -> Option<&Arc<MediaInfo>> {
        self.cards.get(&position).and_then(Card::chosen).and_then(|r| r.info())
    }

    /// Whether a card was given up.
    #[must_use]
    pub fn refused(&self, position: u64) -> bool {
        self.cards.get(&position).is_some_and(Card::refused)
    }

    /// Milliseconds of media a card could play from `from_ms` with what the store holds.
    #[must_use]
    pub fn ahead_ms(&self, position: u64, from_ms: u64) -> u64 {
        self.cards.get(&position).map_or(0, |c| c.reach(from_ms) - from_ms)
    }

    /// Whether a card can start and play `ms` (or to its end) without the network.
    #[must_use]
    pub fn startable(&self, position: u64, ms: u64) -> bool {
        let Some(card) = self.cards.get(&position) else { return false };
        let until = card.reach(0);
        until > 0 && until >= ms.min(card.end_ms())
    }

    /// The throughput the link is likely to keep, in bits per second.
    #[must_use]
    pub fn throughput_bps(&self) -> u64 {
        self.links.all().conservative_bps()
    }

    /// The person left the current card.
    fn leave(&mut self, to: u64) {
        let Some(card) = self.current.filter(|&c| c != to).and_then(|c| self.cards.get(&c)) else { return };
        self.shown_mbps = card.chosen().map(|r| r.mbps);
        if self.watched_ms == 0 && !self.looped {
            // Nothing was seen; that it was not waited for says little about liking.
            return;
        }
        let ended = self.looped || self.watched_ms + STEP_MS / 2 >= card.end_ms();
        let watched = if ended { card.duration_ms } else { self.watched_ms };
        self.person.handle_dwell(&card.curve, card.topic.as_deref(), watched.min(LONGEST_DWELL_MS), !ended);
    }

    fn enter(&mut self, candidate: &Candidate<'_>) {
        let asset = candidate.asset;
        let curve = match candidate.retention {
            [] => Curve::prior(asset.duration_ms),
            retention => Curve::new(retention, asset.duration_ms),
        };
        let card = Card::new(asset, curve, candidate.topic, candidate.switchable);
        self.cards.insert(candidate.position, card);
    }

    fn keep_to_what_is_held(card: &mut Card, held: &dyn Fn(&MediaKey) -> u64) {
        if card.fixed || card.switchable || !matches!(card.chosen().map(|r| &r.probe), Some(Probe::Unasked)) {
            return;
        }
        let most = (0..card.rungs.len()).map(|r| (held(&card.rungs[r].key), r)).max();
        if let Some((1.., rung)) = most {
            card.choice = rung;
            card.fixed = true;
            card.rungs[rung].stored = true;
        }
    }

    fn note_held(&mut self, key: &MediaKey, held: &[Span]) {
        for card in self.cards.values_mut() {
            if let Some(rung) = card.rungs.iter_mut().find(|r| r.key == *key) {
                rung.held.clear();
                rung.held.extend_from_slice(held);
            }
        }
    }
}

#[cfg(test)]
mod tests;
