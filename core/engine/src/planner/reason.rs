//! Why each card of the window is being fetched, or is not: the planner's own conditions, for people who look at it.

use super::card::{Card, Probe, STEP_MS};
use super::watch::LinkState;
use super::{MediaKey, Planner};
use crate::time::Time;

/// Why something of a card is being fetched, or why nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Fetched: the card on screen is about to run dry, or must be whole before the network goes; everything else gives way.
    Danger,
    /// Fetched: the card on screen has too little ahead to wait, whatever it may waste.
    Floor,
    /// Fetched: its first second, on which a player is pre-rolled.
    First,
    /// Fetched: what it saves in expected stalls is worth more than what it risks in waste, and than waiting.
    Pays,
    /// Not fetched: all of it is held.
    Whole,
    /// Not fetched: no rendition of it can be had.
    Refused,
    /// Not fetched: there is no network.
    Offline,
    /// Not fetched: its layout is being learnt, without which nobody knows which bytes to ask for.
    Probing,
    /// Not fetched: its layout is asked for once that of a nearer card is known.
    Nearer,
    /// Not fetched: it failed and waits for its next try.
    Retry,
    /// Not fetched: the conditions of the device let nothing be fetched ahead.
    Forbidden,
    /// Not fetched: it gives way to the card on screen, which is in danger.
    GivesWay,
    /// Not fetched: the link went silent, so only the card on screen is asked for.
    Silent,
    /// Not fetched: the link answers with refusals alone, so only the card on screen is asked for.
    Captive,
    /// Not fetched: as many steps run as may run at once.
    Busy,
    /// Not fetched: what may still be fetched today would not last.
    DataLeft,
    /// Not fetched: as many bytes as may lie ahead do.
    Full,
    /// Not fetched: a card that came back holds bytes, and how many is not known yet.
    Uncounted,
    /// Not fetched: its bytes would more likely be wasted than save anything.
    Wasteful,
    /// Not fetched: enough is held for now, and a byte fetched later costs less.
    Enough,
}

impl Reason {
    /// Its name in texts and pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Danger => "danger",
            Reason::Floor => "floor",
            Reason::First => "first",
            Reason::Pays => "pays",
            Reason::Whole => "whole",
            Reason::Refused => "refused",
            Reason::Offline => "offline",
            Reason::Probing => "probing",
            Reason::Nearer => "nearer",
            Reason::Retry => "retry",
            Reason::Forbidden => "forbidden",
            Reason::GivesWay => "gives_way",
            Reason::Silent => "silent",
            Reason::Captive => "captive",
            Reason::Busy => "busy",
            Reason::DataLeft => "data_left",
            Reason::Full => "full",
            Reason::Uncounted => "uncounted",
            Reason::Wasteful => "wasteful",
            Reason::Enough => "enough",
        }
    }
}

/// What the planner does about one card of the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its position in the feed.
    pub position: u64,
    /// The rendition in use, of a card that is being fetched the one that is fetched.
    pub key: Option<MediaKey>,
    /// Bytes that are being fetched; none where nothing is.
    pub bytes: u64,
    /// Media time up to which the card can play once they are here, in milliseconds.
    pub to_ms: u64,
    /// Why.
    pub reason: Reason,
}

impl Planner {
    /// What is done about each card of the window and why, nearest first; the steps that run with the reason they were begun
    /// for. Only reads, and costs about as much as a turn: for people who look, not for every turn.
    #[must_use]
    pub fn plans(&self, now: Time) -> Vec<Plan> {
        let Some(current) = self.current else { return Vec::new() };
        let plans = self.cards.iter().map(|(&position, card)| {
            let from = if position == current { self.playhead_ms } else { 0 };
            match card.running {
                Some(running) => Plan {
                    position,
                    key: card.rungs.get(running.rung).map(|rung| rung.key.clone()),
                    bytes: running.bytes,
                    to_ms: running.to_ms,
                    reason: running.reason,
                },
                None => Plan {
                    position,
                    key: card.chosen().map(|rung| rung.key.clone()),
                    bytes: 0,
                    to_ms: card.reach(from),
                    reason: self.idle(now, current, position, card),
                },
            }
        });
        plans.collect()
    }

    /// Why a step of a card begins.
    pub(super) fn begins(&self, current: u64, position: u64) -> Reason {
        let Some(card) = self.cards.get(&position) else { return Reason::Pays };
        let from = if position == current { self.playhead_ms } else { 0 };
        let ahead = card.reach(from).saturating_sub(from);
        match position == current {
            true if self.in_danger(current) => Reason::Danger,
            true if ahead < self.at_rate(self.policy.floor_ms) => Reason::Floor,
            _ if ahead < STEP_MS => Reason::First,
            _ => Reason::Pays,
        }
    }

    /// Why nothing of a card is being fetched.
    fn idle(&self, now: Time, current: u64, position: u64, card: &Card) -> Reason {
        let from = if position == current { self.playhead_ms } else { 0 };
        let queued = position != current;
        let unasked = matches!(card.chosen().map(|rung| &rung.probe), Some(Probe::Unasked));
        match () {
            () if card.refused() => Reason::Refused,
            () if card.reach(from) >= card.end_ms() => Reason::Whole,
            () if !self.limits.online => Reason::Offline,
            () if card.retry_at.is_some_and(|due| now < due) => Reason::Retry,
            () if card.probing() => Reason::Probing,
            () if queued && !self.limits.prefetching => Reason::Forbidden,
            () if queued && self.in_danger(current) => Reason::GivesWay,
            () if queued && self.link() == LinkState::Stalled => Reason::Silent,
            () if queued && self.link() == LinkState::Captive => Reason::Captive,
            () if unasked => Reason::Nearer,
            () if self.cards.values().filter(|c| c.running.is_some()).count() >= self.policy.parallel => {
                Reason::Busy
            }
            () => self.weighed(now, current, position),
        }
    }

    /// Why a card that could be fetched is not.
    fn weighed(&self, now: Time, current: u64, position: u64) -> Reason {
        let (positions, outlooks) = self.outlooks(now, current, &[]);
        let order = self.order(&outlooks);
        let Some(place) = positions.iter().position(|&p| p == position) else { return Reason::Enough };
        if !order.pays(place) {
            return Reason::Wasteful;
        }
        self.step(current, position, order.rung(place)).err().unwrap_or(Reason::Enough)
    }
}
