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

mod card;
mod order;
mod policy;
mod swipe;
mod tuning;
mod value;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use policy::{Limits, Policy};
pub use swipe::{Curve, Habit, SwipeModel};
pub use tuning::{Lean, Tuning, Worth};

use crate::info::{MediaInfo, missing};
use crate::links::Links;
use crate::model::{Asset, MediaKey, Span};
use crate::throughput::{NetworkClass, Remembered};
use crate::time::{Millis, Time};
use card::{Card, Probe, Running, STEP_MS};
use order::{Order, Outlook, WAIT_S};
use value::{Arrival, RUNGS, Speeds};

/// How often a wait is thought over while a card plays: a tick of the playhead.
const REVIEW: Millis = Millis(200);
/// Share of people who leave each second whatever the curve says: where it is flat it would promise that nobody swipes.
const WHIM_PER_S: f64 = 0.01;
/// Most dwell believed, in milliseconds: a phone that was put down is not a liking.
const LONGEST_DWELL_MS: u64 = 600_000;

/// Names one fetch until its end was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DemandId(pub u64);

/// How urgent a fetch is. The fetcher serves a higher one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Further down the window.
    Prefetch,
    /// The next card.
    Next,
    /// The card on screen.
    Playback,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Learn the layout of a rendition.
    Probe {
        /// Which one.
        key: MediaKey,
        /// How urgently.
        urgency: Urgency,
    },
    /// Bring these ranges into the span store.
    Fetch {
        /// Name of this demand.
        demand: DemandId,
        /// Of which rendition.
        key: MediaKey,
        /// What is missing, ascending and disjoint.
        spans: Vec<Span>,
        /// How urgently.
        urgency: Urgency,
    },
    /// Make a running demand more urgent.
    Promote {
        /// Which demand.
        demand: DemandId,
        /// How urgently from now on.
        urgency: Urgency,
    },
    /// Stop a demand at the next chunk.
    Cancel {
        /// Which demand.
        demand: DemandId,
    },
}

/// How a demand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEnd {
    /// All of it is held.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It failed.
    Failed {
        /// Whether trying again may help.
        retryable: bool,
    },
}

/// A card of the window as the feed describes it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its position in the feed.
    pub position: u64,
    /// Its video.
    pub asset: &'a Asset,
    /// Share of viewers still watching: `(milliseconds, share)`, ascending in time; empty where nothing is known.
    pub retention: &'a [(u64, f64)],
    /// Its first topic.
    pub topic: Option<&'a str>,
    /// Whether its player can go from one rendition to another at the entries of the index.
    pub switchable: bool,
}

/// The prefetch planner.
#[derive(Debug)]
pub struct Planner {
    policy: Policy,
    limits: Limits,
    links: Links,
    person: SwipeModel,
    cards: BTreeMap<u64, Card>,
    current: Option<u64>,
    playhead_ms: u64,
    /// The furthest the playhead of the current card got, and whether it began again.
    watched_ms: u64,
    looped: bool,
    /// Nominal Mbit/s of what the person saw last of the card before.
    shown_mbps: Option<f64>,
    next_demand: u64,
    demands: BTreeMap<DemandId, (u64, MediaKey)>,
    review_at: Option<Time>,
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
            policy,
            limits: Limits::default(),
            cards: BTreeMap::new(),
            current: None,
            playhead_ms: 0,
            watched_ms: 0,
            looped: false,
            shown_mbps: None,
            next_demand: 0,
            demands: BTreeMap::new(),
            review_at: None,
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
            card.bend(self.person.theta(card.topic.as_deref()));
        }
        self.due = Some(now);
    }

    /// The layout of a rendition became known.
    pub fn handle_probed(&mut self, now: Time, key: &MediaKey, info: Arc<MediaInfo>, held: Vec<Span>) {
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
        self.links.sample(host, bytes, first_byte, transfer);
        self.limits.data_left = self.limits.data_left.map(|left| left.saturating_sub(bytes));
    }

    /// The device says what kind of network it is on.
    pub fn handle_network(&mut self, class: NetworkClass) {
        self.links.handle_class(class);
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

    /// What may be fetched changed.
    pub fn handle_limits(&mut self, now: Time, limits: Limits) {
        if limits.online && !self.limits.online {
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

    /// When a failed fetch is due again, or a wait is to be thought over.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let waiting = |c: &&Card| c.running.is_none() && !c.refused();
        let retry = self.cards.values().filter(waiting).filter_map(|c| c.retry_at).min();
        retry.into_iter().chain(self.review_at).min().filter(|_| self.limits.online)
    }

    /// The paths to the hosts, as measured.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
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

    fn plan(&mut self, now: Time) {
        self.review_at = None;
        let Some(current) = self.current else { return };
        self.probe_window(now, current);
        if !self.limits.online {
            return;
        }
        let mut unready: Vec<u64> = Vec::new();
        if self.in_danger(current) {
            self.cancel_where(|position| position != current);
            unready.extend(self.cards.keys().filter(|&&p| p != current));
        }
        self.promote(current);
        loop {
            let running = self.cards.values().filter(|c| c.running.is_some()).count();
            if running >= self.policy.parallel {
                return;
            }
            let (positions, outlooks) = self.outlooks(now, current, &unready);
            let Some((place, rung)) = self.order(&outlooks).best() else {
                if running == 0 && !outlooks.is_empty() {
                    self.review_at = Some(now + REVIEW);
                }
                return;
            };
            if !self.start(current, positions[place], rung) {
                unready.push(positions[place]);
            }
        }
    }

    /// Asks for the next step of a card; `false` when it cannot be asked for now.
    fn start(&mut self, current: u64, position: u64, rung: usize) -> bool {
        let from = if position == current { self.playhead_ms } else { 0 };
        let urgency = urgency(position - current);
        let ahead = self.bytes_ahead(current);
        let Some(card) = self.cards.get_mut(&position) else { return false };
        let reach = card.reach(from);
        let Some(info) = card.rungs[rung].info() else { return false };
        let to = info.step_end(reach, STEP_MS);
        let spans = missing(&info.ranges(reach, to), &card.rungs[rung].held);
        let bytes: u64 = spans.iter().map(Span::len).sum();
        if bytes == 0 {
            return false;
        }
        let too_much =
            self.limits.data_left.is_some_and(|left| bytes > left) || ahead + bytes > self.policy.ahead_bytes;
        if position != current && too_much {
            return false;
        }
        card.choice = rung;
        card.fixed = true;
        card.retry_at = None;
        self.next_demand += 1;
        let demand = DemandId(self.next_demand);
        card.running = Some(Running { demand, rung, urgency, to_ms: to, bytes });
        let key = card.rungs[rung].key.clone();
        self.demands.insert(demand, (position, key.clone()));
        self.out.push_back(Output::Fetch { demand, key, spans, urgency });
        true
    }

    /// Bytes held or asked for of cards that are not shown yet.
    fn bytes_ahead(&self, current: u64) -> u64 {
        let queued = self.cards.iter().filter(|&(&p, _)| p != current).map(|(_, c)| c);
        queued
            .map(|c| {
                let held: u64 = c.rungs.iter().flat_map(|r| &r.held).map(Span::len).sum();
                held + c.running.map_or(0, |r| r.bytes)
            })
            .sum()
    }

    fn promote(&mut self, current: u64) {
        for (&position, card) in &mut self.cards {
            let urgency = urgency(position.saturating_sub(current));
            if let Some(running) = &mut card.running
                && running.urgency < urgency
            {
                running.urgency = urgency;
                self.out.push_back(Output::Promote { demand: running.demand, urgency });
            }
        }
    }

    fn probe_window(&mut self, now: Time, current: u64) {
        let danger = self.in_danger(current);
        let allowed: Vec<(u64, Urgency)> = self
            .cards
            .keys()
            .map(|&p| (p, urgency(p.saturating_sub(current))))
            .filter(|&(_, u)| u == Urgency::Playback || (!danger && self.limits.prefetching))
            .collect();
        for (position, urgency) in allowed {
            let Some(card) = self.cards.get(&position) else { continue };
            let due = card.retry_at.is_none_or(|at| now >= at);
            if !card.switchable
                && !card.fixed
                && matches!(card.chosen().map(|r| &r.probe), Some(Probe::Unasked))
            {
                let choice = self.first_choice(now, current, position);
                if let Some(card) = self.cards.get_mut(&position) {
                    card.choice = choice;
                }
            }
            let max_height = self.max_height();
            let Some(card) = self.cards.get_mut(&position) else { continue };
            let (choice, switchable) = (card.choice, card.switchable);
            for (r, rung) in card.rungs.iter_mut().enumerate().filter(|&(r, _)| switchable || r == choice) {
                let ask = match rung.probe {
                    Probe::Unasked => due && (r == choice || rung.height <= max_height),
                    Probe::Running => rung.probed_as < urgency,
                    Probe::Known(_) | Probe::Refused => false,
                };
                if ask {
                    rung.probe = Probe::Running;
                    rung.probed_as = urgency;
                    self.out.push_back(Output::Probe { key: rung.key.clone(), urgency });
                }
            }
        }
    }

    /// The rendition to begin a card with, by what the feed says of its renditions.
    fn first_choice(&self, now: Time, current: u64, position: u64) -> usize {
        let (positions, outlooks) = self.outlooks(now, current, &[]);
        let place = positions.iter().position(|&p| p == position);
        place.map_or(0, |place| self.order(&outlooks).rung(place))
    }

    fn order<'a>(&'a self, cards: &'a [Outlook]) -> Order<'a> {
        let Policy { worth, tuning, preempts, .. } = &self.policy;
        Order { worth, tuning, preempts: *preempts, cards }
    }

    /// What is to come of every card that lacks something, the current one first.
    fn outlooks(&self, now: Time, current: u64, unready: &[u64]) -> (Vec<u64>, Vec<Outlook>) {
        let (mut positions, mut outlooks) = (Vec::new(), Vec::new());
        let mut arrival: Option<Arrival> = None;
        let mut before = self.shown_mbps;
        for (&position, card) in &self.cards {
            let distance = position.saturating_sub(current);
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a video")]
            let at = if distance == 0 { self.playhead_ms as f64 } else { 0.0 };
            let stays = |ms: f64| card.stays(at, ms);
            let from = if distance == 0 { self.playhead_ms } else { 0 };
            let reach = card.running.map_or_else(|| card.reach(from), |r| r.to_ms.max(from));
            #[expect(clippy::cast_possible_truncation, reason = "a short window")]
            let comes = self.policy.tuning.goes_on.powi(distance as i32);
            // Nobody gets further while nothing plays.
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a video")]
            let plays = if distance == 0 { reach.saturating_sub(from) as f64 } else { f64::INFINITY };
            let left = |u: f64| {
                let u = u.min(plays / 1_000.0);
                1.0 - stays(at + u * 1_000.0) * (1.0 - WHIM_PER_S * u).max(0.0)
            };
            let rate_here = if reach > from { card.chosen().map(|r| r.mbps) } else { None };
            if !card.refused() && reach < card.end_ms() {
                let train = card.train(reach, STEP_MS, |ms| comes * stays(ms));
                let mut rates = [0.0; RUNGS];
                for (rate, rung) in rates.iter_mut().zip(&card.rungs) {
                    *rate = rung.mbps;
                }
                let waits = card.retry_at.is_some_and(|due| now < due);
                let may = distance == 0 || self.limits.prefetching;
                positions.push(position);
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of a video")]
                let buffer_s = reach.saturating_sub(from) as f64 / 1_000.0;
                outlooks.push(Outlook {
                    speeds: self.speeds(&card.host),
                    later: self.later(&card.host),
                    buffer_s,
                    bare: reach < from + STEP_MS,
                    train,
                    leaves: if distance == 0 { left(WAIT_S) } else { 0.0 },
                    arrival: if distance == 0 { None } else { arrival },
                    rates,
                    allowed: self.allowed(card),
                    switchable: card.switchable,
                    before: rate_here.or(before),
                    lean: self.lean(card),
                    price: self.policy.worth.megabit * self.limits.price,
                    ready: card.running.is_none() && !waits && may && !unready.contains(&position),
                });
            }
            before = card.chosen().map(|r| r.mbps).filter(|_| reach > 0).or(before);
            arrival = Some(match arrival {
                None => Arrival::after(left),
                Some(a) => a.then(&card.dwell),
            });
        }
        (positions, outlooks)
    }

    fn allowed(&self, card: &Card) -> (usize, usize) {
        let asked = !matches!(card.chosen().map(|r| &r.probe), Some(Probe::Unasked));
        if !card.switchable && (card.fixed || asked) {
            return (card.choice, card.choice + 1);
        }
        let fit = card.rungs.iter().take_while(|r| r.height <= self.max_height()).count();
        (0, if self.limits.lowest { 1 } else { fit.max(1) })
    }

    fn max_height(&self) -> u32 {
        self.limits.max_height.min(self.policy.max_height)
    }

    fn lean(&self, card: &Card) -> Lean {
        let top = card.rungs.last().map_or(1.0, |r| r.mbps).max(0.01);
        let path = self.links.to(&card.host);
        let mean = path.mean_mbps() * (path.long_mbps() / path.mean_mbps()).powf(self.policy.tuning.lean_pull);
        self.policy.tuning.lean(mean / top)
    }

    fn speeds(&self, host: &str) -> Speeds {
        let (path, tuning) = (self.links.to(host), &self.policy.tuning);
        let scale = (tuning.spread_base + tuning.spread_seen * path.deviation()).max(path.cold_spread());
        let mean = path.mean_mbps() * (path.long_mbps() / path.mean_mbps()).powf(tuning.near_pull);
        Speeds::new(mean * tuning.speed, scale, path.rtt_s())
    }

    fn later(&self, host: &str) -> Speeds {
        let (path, tuning) = (self.links.to(host), &self.policy.tuning);
        let scale = (tuning.later_base + tuning.later_seen * path.long_deviation()).max(path.cold_spread());
        let mean = path.mean_mbps() * (path.long_mbps() / path.mean_mbps()).powf(tuning.later_pull);
        Speeds::new(mean * tuning.speed, scale, path.rtt_s())
    }

    /// Whether the current card is about to run dry.
    fn in_danger(&self, current: u64) -> bool {
        let Some(card) = self.cards.get(&current).filter(|c| !c.refused()) else { return false };
        let until = card.reach(self.playhead_ms);
        until < card.end_ms() && until < self.playhead_ms + self.policy.danger_ms
    }

    fn cancel_where(&mut self, which: impl Fn(u64) -> bool) {
        for (&position, card) in &mut self.cards {
            if which(position)
                && let Some(running) = card.running.take()
            {
                self.out.push_back(Output::Cancel { demand: running.demand });
            }
        }
    }
}

fn urgency(distance: u64) -> Urgency {
    match distance {
        0 => Urgency::Playback,
        1 => Urgency::Next,
        _ => Urgency::Prefetch,
    }
}

#[cfg(test)]
mod tests;
