//! One turn: what to ask for, to promote and to cancel, given all facts noted so far.

use super::card::{Card, Probe, Running, STEP_MS};
use super::order::Outlook;
use super::output::{DemandId, Output, Urgency};
use super::reason::Reason;
use super::watch::{LOOK, LinkState, Underway};
use super::{Planner, REVIEW};
use crate::info::missing;
use crate::model::Span;
use crate::time::Time;

impl Planner {
    pub(super) fn plan(&mut self, now: Time) {
        (self.review_at, self.look_at) = (None, None);
        self.look(now);
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
        if self.link() != LinkState::Fine {
            unready.extend(self.cards.keys().filter(|&&p| p != current));
        }
        self.promote(current);
        loop {
            let running = self.cards.values().filter(|c| c.running.is_some()).count();
            if running > 0 {
                self.look_at = Some(now + LOOK);
            }
            if running >= self.policy.parallel {
                return;
            }
            let (positions, outlooks) = self.outlooks(now, current, &unready);
            let order = self.order(&outlooks);
            let floor = || self.below_floor(current, &positions, &outlooks).then(|| (0, order.rung(0)));
            let Some((place, rung)) = order.best().or_else(floor) else {
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

    fn look(&mut self, now: Time) {
        let running = |c: &Card| c.running.map(|r| r.bytes);
        let cards = self.cards.values();
        let underway: Vec<Underway<'_>> =
            cards.filter_map(|c| Some(Underway { host: &c.host, bytes: running(c)? })).collect();
        self.watch.look(now, &underway, &mut self.links);
    }

    /// Asks for the next step of a card; `false` when it cannot be asked for now.
    fn start(&mut self, current: u64, position: u64, rung: usize) -> bool {
        let urgency = urgency(self.swipes_to(current, position));
        let reason = self.begins(current, position);
        let Ok((spans, to)) = self.step(current, position, rung) else { return false };
        let Some(card) = self.cards.get_mut(&position) else { return false };
        let bytes = spans.iter().map(Span::len).sum();
        card.choice = rung;
        card.fixed = true;
        card.retry_at = None;
        self.next_demand += 1;
        let demand = DemandId(self.next_demand);
        card.running = Some(Running { demand, rung, urgency, to_ms: to, bytes, reason });
        let key = card.rungs[rung].key.clone();
        self.demands.insert(demand, (position, key.clone()));
        self.out.push_back(Output::Fetch { demand, key, spans, urgency });
        true
    }

    /// What the next step of a card asks for and the media time it reaches, or why it cannot be asked for now.
    pub(super) fn step(&self, current: u64, position: u64, rung: usize) -> Result<(Vec<Span>, u64), Reason> {
        let from = if position == current { self.playhead_ms } else { 0 };
        let card = self.cards.get(&position).ok_or(Reason::Refused)?;
        let reach = card.reach(from);
        let info = card.rungs[rung].info().ok_or(Reason::Probing)?;
        let to = info.step_end(reach, STEP_MS);
        let spans = missing(&info.ranges(reach, to), &card.rungs[rung].held);
        let bytes: u64 = spans.iter().map(Span::len).sum();
        let asked: u64 = self.cards.values().filter_map(|c| c.running).map(|r| r.bytes).sum();
        match () {
            () if bytes == 0 => Err(Reason::Whole),
            () if position == current => Ok((spans, to)),
            () if self.limits.data_left.is_some_and(|left| asked + bytes > left) => Err(Reason::DataLeft),
            () if self.bytes_ahead(current) + bytes > self.policy.ahead_bytes => Err(Reason::Full),
            // What a card brings back into the window counts against the bytes ahead, and is known with its layout.
            () if self.cards.iter().any(|(&p, c)| p != current && c.unseen()) => Err(Reason::Uncounted),
            () => Ok((spans, to)),
        }
    }

    /// Bytes held or asked for of cards that are not shown yet.
    pub(super) fn bytes_ahead(&self, current: u64) -> u64 {
        let queued = self.cards.iter().filter(|&(&p, _)| p != current).map(|(_, c)| c);
        queued
            .map(|c| {
                let held: u64 = c.rungs.iter().flat_map(|r| &r.held).map(Span::len).sum();
                held + c.running.map_or(0, |r| r.bytes)
            })
            .sum()
    }

    fn promote(&mut self, current: u64) {
        for (distance, card) in (self.first_distance(current)..).zip(self.cards.values_mut()) {
            let urgency = urgency(distance);
            if let Some(running) = &mut card.running
                && running.urgency < urgency
            {
                running.urgency = urgency;
                self.out.push_back(Output::Promote { demand: running.demand, urgency });
            }
        }
    }

    fn probe_window(&mut self, now: Time, current: u64) {
        let (danger, fine) = (self.in_danger(current), self.link() == LinkState::Fine);
        let allowed: Vec<(u64, Urgency)> = self
            .cards
            .keys()
            .zip(self.first_distance(current)..)
            .map(|(&p, distance)| (p, urgency(distance)))
            .filter(|&(_, u)| u == Urgency::Playback || (!danger && fine && self.limits.prefetching))
            .collect();
        for (position, urgency) in allowed {
            // A layout costs a good part of a second of a slow link: the nearest card first, and one at a time.
            if urgency < Urgency::Playback
                && self.cards.range(current + 1..position).any(|(_, c)| c.probing())
            {
                return;
            }
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

    /// Swipes from the current card to the nearest one of the window: none where that is the current card.
    pub(super) fn first_distance(&self, current: u64) -> u64 {
        u64::from(!self.cards.contains_key(&current))
    }

    /// Swipes from the current card to one of the window. Places between them where a card had to go take none.
    fn swipes_to(&self, current: u64, position: u64) -> u64 {
        if position <= current { 0 } else { self.cards.range(current + 1..=position).count() as u64 }
    }

    /// Media milliseconds that play in so many.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a second or so"
    )]
    pub(super) fn at_rate(&self, ms: u64) -> u64 {
        (ms as f64 * self.rate) as u64
    }

    /// Whether the current card is about to run dry, or would when the network goes.
    pub(super) fn in_danger(&self, current: u64) -> bool {
        let Some(card) = self.cards.get(&current).filter(|c| !c.refused()) else { return false };
        let until = card.reach(self.playhead_ms);
        let soon = until < self.playhead_ms + self.at_rate(self.policy.danger_ms);
        until < card.end_ms() && (soon || self.limits.finish)
    }

    /// Whether the current card has too little ahead to wait, and its next step can be started.
    fn below_floor(&self, current: u64, positions: &[u64], outlooks: &[Outlook]) -> bool {
        positions.first() == Some(&current)
            && outlooks.first().is_some_and(|o| o.ready && o.train.len > 0)
            && (self.limits.finish
                || self.ahead_ms(current, self.playhead_ms) < self.at_rate(self.policy.floor_ms))
    }

    pub(super) fn cancel_where(&mut self, which: impl Fn(u64) -> bool) {
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
