//! What to fetch next, at which rendition, or whether to wait: the step whose order costs least.
//!
//! For every card that lacks something the next chunk is a candidate. Fetching one first delays the others by as long as it
//! takes; waiting delays the best order as a whole. The cost of an order is the stalls it is expected to cause, in points,
//! and the bytes it is expected to waste that waiting would have saved. The smallest wins.

use super::ahead::Ahead;
use super::tuning::{Lean, Tuning, Worth};
use super::value::{Arrival, RUNGS, SPEEDS, Speeds, Train};

/// Seconds a wait is taken to last: the tick of the playhead.
pub(crate) const WAIT_S: f64 = 0.2;

/// A card as the order sees it.
#[derive(Debug, Clone)]
pub(crate) struct Outlook {
    /// Speeds of the path it comes by, for the choice of a rendition.
    pub(crate) speeds: Speeds,
    /// The same, for the choice of what comes first.
    pub(crate) later: Speeds,
    /// Seconds that can play, or will when what runs has ended.
    pub(crate) buffer_s: f64,
    /// Whether not even its first second is there: a player cannot be pre-rolled on it.
    pub(crate) bare: bool,
    /// What comes after that.
    pub(crate) train: Train,
    /// Probability that the person leaves within the wait; 0 for queued cards.
    pub(crate) leaves: f64,
    /// When it becomes current; `None` for the current card.
    pub(crate) arrival: Option<Arrival>,
    /// Nominal Mbit/s of each rendition that may be used, lowest first.
    pub(crate) rates: [f64; RUNGS],
    /// The renditions that may be used, as a range of `rates`.
    pub(crate) allowed: (usize, usize),
    /// Nominal Mbit/s of what is shown before the next chunk, where known.
    pub(crate) before: Option<f64>,
    /// What depends on how fast its path is.
    pub(crate) lean: Lean,
    /// Points a megabit costs.
    pub(crate) price: f64,
    /// Whether a later chunk may come at another rendition.
    pub(crate) switchable: bool,
    /// Whether a step of this card may be started now.
    pub(crate) ready: bool,
}

/// The best step of one card.
#[derive(Debug, Clone, Copy)]
struct Step {
    card: usize,
    rung: usize,
    /// Seconds of stalls that the chunk avoids once its card is current, by speed.
    relief: [f64; SPEEDS],
}

pub(crate) struct Order<'a> {
    pub(crate) worth: &'a Worth,
    pub(crate) tuning: &'a Tuning,
    /// Whether a fetch for a queued card gives way to one for the current card.
    pub(crate) preempts: bool,
    /// The current card first; cards with nothing left to fetch are not among them.
    pub(crate) cards: &'a [Outlook],
}

impl Order<'_> {
    /// The card (by place in `cards`) and the rendition to fetch the next chunk of, or `None` to wait.
    pub(crate) fn best(&self) -> Option<(usize, usize)> {
        let steps: Vec<Step> = (0..self.cards.len())
            .map(|card| {
                let rung = self.rung(card);
                Step { card, rung, relief: self.relief(card, rung) }
            })
            .filter(|s| self.worthwhile(s))
            .collect();
        let (mut wait, mut best) = (f64::INFINITY, (f64::INFINITY, None));
        for first in &steps {
            let card = &self.cards[first.card];
            let megabits = card.train.megabits[first.rung][0];
            let begun = |delay: f64| {
                let others = steps.iter().filter(|s| s.card != first.card);
                self.loss(first, |_| delay)
                    + others
                        .map(|s| match self.preempts && self.cards[s.card].arrival.is_none() {
                            true => self.loss(s, |_| delay + card.speeds.rtt_s),
                            false => self.loss(s, |i| delay + card.later.takes(i, megabits)),
                        })
                        .sum::<f64>()
            };
            wait = wait.min(begun(WAIT_S));
            let cost = begun(0.0) + self.wasted(first) - self.saved(first);
            if card.ready && cost < best.0 {
                best = (cost, Some((first.card, first.rung)));
            }
        }
        best.1.filter(|_| best.0 < wait)
    }

    /// Points lost to stalls of one card if its step begins `delay` from now.
    fn loss(&self, step: &Step, delay: impl Fn(usize) -> f64) -> f64 {
        let card = &self.cards[step.card];
        let train = &card.train;
        let stall = match &card.arrival {
            None => Speeds::mean(|i| train.stall(&card.later, i, step.rung, 0, delay(i), card.buffer_s)),
            Some(arrival) => {
                let megabits = train.megabits[step.rung][0];
                Speeds::mean(|i| {
                    let done = delay(i) + card.later.takes(i, megabits);
                    if card.bare { arrival.waits(done) } else { arrival.by(done) * step.relief[i] }
                })
            }
        };
        self.worth.stall * stall
    }

    /// Seconds of stalls that one more chunk of a queued card avoids once the card is current, by speed.
    fn relief(&self, card: usize, rung: usize) -> [f64; SPEEDS] {
        let (card, mut relief) = (&self.cards[card], [0.0; SPEEDS]);
        if card.arrival.is_some() && !card.bare {
            let train = &card.train;
            for (speed, saved) in relief.iter_mut().enumerate() {
                let without = train.stall(&card.later, speed, rung, 0, 0.0, card.buffer_s);
                let with = train.stall(&card.later, speed, rung, 1, 0.0, card.buffer_s + train.seconds[0]);
                *saved = (without - with).max(0.0);
            }
        }
        relief
    }

    /// Whether a chunk is worth its bytes at all. That of a queued card is fetched before it is known whether the person
    /// gets there, so its waste is certain to be risked.
    fn worthwhile(&self, step: &Step) -> bool {
        let card = &self.cards[step.card];
        if card.train.len == 0 || card.train.reached[0] <= 0.0 {
            return false;
        }
        // The first second is what a player is pre-rolled on, and a link however fast has a round trip.
        if card.arrival.is_none() || card.bare {
            return true;
        }
        let wasted = card.price * card.train.megabits[step.rung][0] * (1.0 - card.train.reached[0]);
        let saved = Speeds::mean(|i| step.relief[i]);
        self.worth.stall * saved > self.tuning.thrift_queued * wasted || self.saved(step) > 0.0
    }

    /// Whether the next chunk of a card (by place in `cards`) is worth its bytes.
    pub(crate) fn pays(&self, card: usize) -> bool {
        let rung = self.rung(card);
        self.worthwhile(&Step { card, rung, relief: self.relief(card, rung) })
    }

    /// Points of link time that need not be spent later, when it may be short, less those of the bytes that nobody sees.
    fn saved(&self, step: &Step) -> f64 {
        let card = &self.cards[step.card];
        let (megabits, reached) = (card.train.megabits[step.rung][0], card.train.reached[0]);
        let spared = card.lean.spare * reached * card.speeds.takes(4, megabits);
        (spared - card.lean.risk * card.price * megabits * (1.0 - reached)).max(0.0)
    }

    /// Points of bytes that waiting would save: the person may leave meanwhile.
    fn wasted(&self, step: &Step) -> f64 {
        let card = &self.cards[step.card];
        card.lean.thrift * card.price * card.train.megabits[step.rung][0] * card.leaves
    }

    /// The rendition of a card's next chunk.
    pub(crate) fn rung(&self, card: usize) -> usize {
        let card = &self.cards[card];
        let (low, high) = card.allowed;
        if high <= low + 1 || card.train.len == 0 {
            return low;
        }
        let deep = if card.switchable { self.tuning.depth } else { 1 };
        let len = card.train.len.min(self.tuning.horizon);
        Ahead::new(self.worth, card, deep, len).first()
    }
}
