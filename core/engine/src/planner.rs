//! Which bytes of which queued video to fetch next.
//!
//! The planner sees a window around the current card. Each card in it has a target, in milliseconds of media from
//! where playback will start; what the span store lacks of the target becomes a demand. The order is the order of the
//! thumb: the playing card first, then its neighbours by distance. Nothing is prefetched while the playing card is not
//! comfortable ([`Policy::comfort_ms`]), and what left the window is cancelled in the same turn.
//!
//! The planner names bytes; it never moves them. The driver turns [`Output`]s into fetches and reports every end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::info::{MediaInfo, missing};
use crate::model::{Asset, Container, MediaKey, Rendition, Span};
use crate::throughput::Throughput;
use crate::time::{Millis, Time};

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

/// How far ahead to fetch. The defaults follow the measured comparison of feed players: a third card beyond the next
/// costs waste and saves no stalls at a second of media or more each.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Milliseconds of media to hold ahead of the playhead of the current card.
    pub current_ahead_ms: u64,
    /// The same on a link that is [`fast_ratio`](Policy::fast_ratio) times faster than the rendition: what was not
    /// watched was paid for in vain, and such a link makes up for less.
    pub current_ahead_fast_ms: u64,
    /// How many times faster than the rendition a link must be to count as fast.
    pub fast_ratio: u64,
    /// Milliseconds of media to hold of the cards after it, nearest first; the length is the window.
    pub ahead_ms: Vec<u64>,
    /// Prefetch waits until the current card holds this much ahead, or all that is left of it.
    pub comfort_ms: u64,
    /// Below this much ahead, running prefetches are cancelled.
    pub danger_ms: u64,
    /// Demands for cards other than the current one that may run at once.
    pub parallel_prefetches: usize,
    /// Tallest picture worth fetching, in pixels.
    pub max_height: u32,
    /// Share of the estimated throughput a rendition may use.
    pub rate_share: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            current_ahead_ms: 8_000,
            current_ahead_fast_ms: 4_000,
            fast_ratio: 4,
            ahead_ms: vec![3_000, 2_000, 1_000, 0],
            comfort_ms: 3_000,
            danger_ms: 800,
            parallel_prefetches: 2,
            max_height: 1280,
            rate_share: 0.7,
        }
    }
}

#[derive(Debug, Clone)]
enum Probe {
    Unasked,
    Running,
    Known(Arc<MediaInfo>),
    Refused,
}

#[derive(Debug)]
struct Card {
    key: MediaKey,
    duration_ms: u64,
    probe: Probe,
    held: Vec<Span>,
    demand: Option<(DemandId, Urgency)>,
    retry_at: Option<Time>,
    failures: u32,
    urgency_probed: Urgency,
}

/// The prefetch planner.
#[derive(Debug)]
pub struct Planner {
    policy: Policy,
    throughput: Throughput,
    cards: BTreeMap<u64, Card>,
    current: Option<u64>,
    playhead_ms: u64,
    next_demand: u64,
    demands: BTreeMap<DemandId, u64>,
    online: bool,
    prefetching: bool,
    out: VecDeque<Output>,
}

impl Planner {
    /// A planner with an empty window.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Planner {
            policy,
            throughput: Throughput::default(),
            cards: BTreeMap::new(),
            current: None,
            playhead_ms: 0,
            next_demand: 0,
            demands: BTreeMap::new(),
            online: true,
            prefetching: true,
            out: VecDeque::new(),
        }
    }

    /// Number of cards after the current one that are looked at.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.policy.ahead_ms.len() as u64
    }

    /// The window moved: `cards` are the assets from the current position on, nearest first. `held` answers how many
    /// milliseconds of a rendition the store could play, so that what was fetched is what gets played.
    pub fn handle_window(
        &mut self,
        now: Time,
        current: u64,
        cards: &[(u64, &Asset)],
        held: &dyn Fn(&MediaKey) -> u64,
    ) {
        if self.current != Some(current) {
            self.current = Some(current);
            self.playhead_ms = 0;
        }
        let wanted: BTreeMap<u64, &Asset> = cards.iter().map(|&(p, a)| (p, a)).collect();
        let gone: Vec<u64> = self.cards.keys().copied().filter(|p| !wanted.contains_key(p)).collect();
        for position in gone {
            if let Some(Card { demand: Some((demand, _)), .. }) = self.cards.remove(&position) {
                self.out.push_back(Output::Cancel { demand });
            }
        }
        for (position, asset) in wanted {
            let key = self.choose(asset, held);
            if let Some(card) = self.cards.get_mut(&position) {
                // Nothing was asked for yet: the newest estimate decides, not the one of when the card came into sight.
                if matches!(card.probe, Probe::Unasked) {
                    card.key = key;
                }
                continue;
            }
            self.cards.insert(
                position,
                Card {
                    key,
                    duration_ms: asset.duration_ms,
                    probe: Probe::Unasked,
                    held: Vec::new(),
                    demand: None,
                    retry_at: None,
                    failures: 0,
                    urgency_probed: Urgency::Prefetch,
                },
            );
        }
        self.plan(now);
    }

    /// The layout of a rendition became known.
    pub fn handle_probed(&mut self, now: Time, key: &MediaKey, info: Arc<MediaInfo>, held: Vec<Span>) {
        for card in self.cards.values_mut().filter(|c| c.key == *key) {
            card.probe = Probe::Known(Arc::clone(&info));
            card.held.clone_from(&held);
            card.failures = 0;
        }
        self.plan(now);
    }

    /// The layout of a rendition could not be had.
    pub fn handle_probe_failed(&mut self, now: Time, key: &MediaKey, retryable: bool) {
        for card in self.cards.values_mut().filter(|c| c.key == *key) {
            card.probe = if retryable { Probe::Unasked } else { Probe::Refused };
            Self::back_off(card, now);
        }
        self.plan(now);
    }

    /// What the store holds of a rendition.
    pub fn handle_held(&mut self, now: Time, key: &MediaKey, held: Vec<Span>) {
        for card in self.cards.values_mut().filter(|c| c.key == *key) {
            card.held.clone_from(&held);
        }
        self.plan(now);
    }

    /// A demand ended. `held` is what the store holds of its rendition now.
    pub fn handle_fetch_end(&mut self, now: Time, demand: DemandId, end: FetchEnd, held: Vec<Span>) {
        let Some(position) = self.demands.remove(&demand) else { return };
        if let Some(card) = self.cards.get_mut(&position) {
            card.held = held;
            if card.demand.is_some_and(|(d, _)| d == demand) {
                card.demand = None;
            }
            match end {
                FetchEnd::Done => card.failures = 0,
                FetchEnd::Cancelled => {}
                FetchEnd::Failed { retryable: true } => Self::back_off(card, now),
                FetchEnd::Failed { retryable: false } => card.probe = Probe::Refused,
            }
        }
        self.plan(now);
    }

    /// One transfer ended: its body bytes, and the time from the first to the last of them.
    pub fn handle_transfer(&mut self, bytes: u64, transfer: Millis) {
        self.throughput.sample(bytes, transfer);
    }

    /// The playhead of the current card moved.
    pub fn handle_playhead(&mut self, now: Time, playhead_ms: u64) {
        self.playhead_ms = playhead_ms;
        self.plan(now);
    }

    /// The network came or went, or prefetching was allowed or not (background, data saver).
    pub fn handle_condition(&mut self, now: Time, online: bool, prefetching: bool) {
        if online && !self.online {
            for card in self.cards.values_mut() {
                card.retry_at = None;
            }
        }
        self.online = online;
        self.prefetching = prefetching;
        if !online {
            self.cancel_where(|_, _| true);
        }
        self.plan(now);
    }

    /// A deadline named by [`poll_timeout`](Planner::poll_timeout) came.
    pub fn handle_timeout(&mut self, now: Time) {
        self.plan(now);
    }

    /// What to do next; ask until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When a failed fetch is due again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let waiting = |c: &&Card| c.demand.is_none() && !matches!(c.probe, Probe::Refused | Probe::Running);
        self.cards.values().filter(waiting).filter_map(|c| c.retry_at).min().filter(|_| self.online)
    }

    /// The rendition chosen for a card.
    #[must_use]
    pub fn key(&self, position: u64) -> Option<&MediaKey> {
        self.cards.get(&position).map(|c| &c.key)
    }

    /// The layout of the rendition chosen for a card, once known.
    #[must_use]
    pub fn info(&self, position: u64) -> Option<&Arc<MediaInfo>> {
        match &self.cards.get(&position)?.probe {
            Probe::Known(info) => Some(info),
            Probe::Unasked | Probe::Running | Probe::Refused => None,
        }
    }

    /// Whether a card was given up.
    #[must_use]
    pub fn refused(&self, position: u64) -> bool {
        self.cards.get(&position).is_some_and(|c| matches!(c.probe, Probe::Refused))
    }

    /// Milliseconds of media a card could play from `from_ms` with what the store holds.
    #[must_use]
    pub fn ahead_ms(&self, position: u64, from_ms: u64) -> u64 {
        match self.cards.get(&position) {
            Some(Card { probe: Probe::Known(info), held, .. }) => {
                info.playable_until(from_ms, held) - from_ms
            }
            _ => 0,
        }
    }

    /// Whether a card can start and play `ms` (or to its end) without the network.
    #[must_use]
    pub fn startable(&self, position: u64, ms: u64) -> bool {
        let Some(Card { probe: Probe::Known(info), held, .. }) = self.cards.get(&position) else {
            return false;
        };
        let until = info.playable_until(0, held);
        until > 0 && until >= ms.min(info.duration_ms)
    }

    /// The throughput the renditions are chosen by, in bits per second.
    #[must_use]
    pub fn throughput_bps(&self) -> u64 {
        self.throughput.conservative_bps()
    }

    fn choose(&self, asset: &Asset, held: &dyn Fn(&MediaKey) -> u64) -> MediaKey {
        let key = |id: &str| MediaKey::new(&asset.id, id);
        if let Some(r) =
            asset.renditions.iter().max_by_key(|r| held(&key(&r.id))).filter(|r| held(&key(&r.id)) > 0)
        {
            return key(&r.id);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bit rates"
        )]
        let budget = (self.throughput.conservative_bps() as f64 * self.policy.rate_share) as u64;
        let fits = |r: &&Rendition| r.bitrate_bps <= budget && r.height <= self.policy.max_height;
        // Of two encodings of one rate a plain file starts with fewer requests than a playlist.
        let best = asset
            .renditions
            .iter()
            .filter(fits)
            .max_by_key(|r| (r.bitrate_bps, r.container != Container::Hls))
            .or(asset.renditions.first());
        key(best.map_or("", |r| r.id.as_str()))
    }

    fn back_off(card: &mut Card, now: Time) {
        card.failures = (card.failures + 1).min(6);
        card.retry_at = Some(now + Millis(500 << card.failures));
    }

    fn target(&self, distance: u64) -> u64 {
        match usize::try_from(distance).ok().and_then(|d| d.checked_sub(1)) {
            None => self.playhead_ms + self.current_ahead_ms(),
            Some(i) => self.policy.ahead_ms.get(i).copied().unwrap_or(0),
        }
    }

    fn current_ahead_ms(&self) -> u64 {
        let rate =
            self.current.and_then(|c| self.info(c)).map_or(0, |i| i.size * 8_000 / i.duration_ms.max(1));
        if rate > 0 && self.throughput.conservative_bps() / rate >= self.policy.fast_ratio {
            self.policy.current_ahead_fast_ms
        } else {
            self.policy.current_ahead_ms
        }
    }

    fn plan(&mut self, now: Time) {
        let Some(current) = self.current else { return };
        self.probe_window(now, current);
        if !self.online {
            return;
        }
        let comfort = self.comfort(current);
        if comfort == Comfort::Danger {
            self.cancel_where(|position, _| position != current);
        }
        let positions: Vec<u64> = self.cards.keys().copied().collect();
        for position in positions {
            let distance = position - current;
            let urgency = urgency(distance);
            let (from, to) = match distance {
                0 => (self.playhead_ms, self.target(0)),
                _ => (0, self.target(distance)),
            };
            let running = self.demands.values().filter(|&&p| p != current).count();
            let Some(card) = self.cards.get_mut(&position) else { continue };
            if let Some((demand, at)) = card.demand {
                if at < urgency {
                    card.demand = Some((demand, urgency));
                    self.out.push_back(Output::Promote { demand, urgency });
                }
                continue;
            }
            let Probe::Known(info) = &card.probe else { continue };
            let spans =
                missing(&info.ranges(from, to.min(card.duration_ms.max(info.duration_ms))), &card.held);
            let waits = card.retry_at.is_some_and(|at| now < at);
            let gated = distance > 0
                && (comfort != Comfort::Comfortable
                    || running >= self.policy.parallel_prefetches
                    || !self.prefetching);
            if spans.is_empty() || waits || gated {
                continue;
            }
            card.retry_at = None;
            self.next_demand += 1;
            let demand = DemandId(self.next_demand);
            card.demand = Some((demand, urgency));
            self.demands.insert(demand, position);
            self.out.push_back(Output::Fetch { demand, key: card.key.clone(), spans, urgency });
        }
    }

    fn probe_window(&mut self, now: Time, current: u64) {
        let comfort = self.comfort(current);
        for (&position, card) in &mut self.cards {
            let urgency = urgency(position - current);
            let allowed = match urgency {
                Urgency::Playback => true,
                Urgency::Next => comfort != Comfort::Danger,
                Urgency::Prefetch => comfort == Comfort::Comfortable,
            };
            let due = match card.probe {
                Probe::Unasked => card.retry_at.is_none_or(|at| now >= at) && allowed,
                Probe::Running => card.urgency_probed < urgency,
                Probe::Known(_) | Probe::Refused => false,
            };
            if due {
                card.probe = Probe::Running;
                card.urgency_probed = urgency;
                self.out.push_back(Output::Probe { key: card.key.clone(), urgency });
            }
        }
    }

    fn comfort(&self, current: u64) -> Comfort {
        let Some(Card { probe: Probe::Known(info), held, .. }) = self.cards.get(&current) else {
            return match self.refused(current) {
                true => Comfort::Comfortable,
                false => Comfort::Danger,
            };
        };
        let until = info.playable_until(self.playhead_ms, held);
        if until >= info.duration_ms || until >= self.playhead_ms + self.policy.comfort_ms {
            Comfort::Comfortable
        } else if until < self.playhead_ms + self.policy.danger_ms {
            Comfort::Danger
        } else {
            Comfort::Tight
        }
    }

    fn cancel_where(&mut self, which: impl Fn(u64, Urgency) -> bool) {
        for (&position, card) in &mut self.cards {
            if let Some((demand, urgency)) = card.demand
                && which(position, urgency)
            {
                card.demand = None;
                self.out.push_back(Output::Cancel { demand });
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comfort {
    Comfortable,
    Tight,
    Danger,
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
