//! Which rendition to go on with: the first of the best sequence over a card's next chunks.
//!
//! Chunks of one rendition differ in size by a factor of three with what they show, and a step between two renditions costs
//! once; so every sequence of renditions over the next few chunks is tried, each chunk at most one rendition from the one
//! before. A chunk is worth its quality minus its bytes and the step to it, as often as it is reached, minus the seconds
//! without pictures it is expected to cause against each of the speeds the link may have.
//!
//! A sequence is given up as soon as it could not win even if all that follows came without a step and without a stall; the
//! answer is that of trying all of them.

use super::order::Outlook;
use super::tuning::Worth;
use super::value::{RUNGS, SPEEDS, Speeds, TRAIN, WEIGHTS};

/// The next chunks of one card.
pub(crate) struct Ahead<'a> {
    worth: &'a Worth,
    card: &'a Outlook,
    deep: usize,
    len: usize,
    /// What showing a chunk is worth without a step or a stall: its quality less its bytes and their time on the link.
    plain: [[f64; TRAIN]; RUNGS],
    /// The most that the chunks from each on can be worth together.
    hope: [f64; TRAIN + 1],
}

impl<'a> Ahead<'a> {
    /// Looks at the first `len` chunks, of which the first `deep` may each have a rendition of their own; those after keep
    /// the last.
    pub(crate) fn new(worth: &'a Worth, card: &'a Outlook, deep: usize, len: usize) -> Self {
        let (plain, hope) = ([[0.0; TRAIN]; RUNGS], [0.0; TRAIN + 1]);
        let mut ahead = Ahead { worth, card, deep, len, plain, hope };
        for k in (0..len).rev() {
            let mut most = f64::NEG_INFINITY;
            for rung in card.allowed.0..card.allowed.1 {
                let megabits = card.train.megabits[rung][k];
                let time = card.lean.time * (card.speeds.takes(4, megabits) - card.speeds.rtt_s);
                ahead.plain[rung][k] =
                    card.rates[rung] * card.train.seconds[k] - card.price * megabits - time;
                most = most.max(ahead.gain(rung, k, None));
            }
            ahead.hope[k] = most + ahead.hope[k + 1];
        }
        ahead
    }

    /// The rendition of the next chunk in the best sequence.
    pub(crate) fn first(&self) -> usize {
        let c = self.card;
        let (low, high) = c.allowed;
        let mut best = (f64::NEG_INFINITY, low);
        for rung in low..high {
            let mut lag = [-c.buffer_s; SPEEDS];
            let megabits = c.train.megabits[rung][0];
            let stall = match &c.arrival {
                None => self.fetch(&mut lag, rung, 0),
                Some(arrival) => {
                    lag = [-c.buffer_s - c.train.seconds[0]; SPEEDS];
                    Speeds::mean(|i| arrival.waits(c.speeds.takes(i, megabits) - c.buffer_s))
                }
            };
            let risk = c.price * megabits * (1.0 - c.train.reached[0]);
            let now = self.gain(rung, 0, c.before) - risk - self.loss(stall);
            if now + self.hope[1] <= best.0 {
                continue;
            }
            let value = now + self.rest(1, rung, lag, best.0 - now);
            if value > best.0 {
                best = (value, rung);
            }
        }
        best.1
    }

    fn loss(&self, stall: f64) -> f64 {
        self.card.lean.caution * self.worth.stall * stall
    }

    /// What showing a chunk is worth, without its stall.
    fn gain(&self, rung: usize, k: usize, before: Option<f64>) -> f64 {
        let c = self.card;
        let step = before.map_or(0.0, |b| (b - c.rates[rung]).abs());
        c.train.reached[k] * (self.plain[rung][k] - c.lean.steady * self.worth.switch * step)
    }

    /// Fetches a chunk: the expected seconds without pictures.
    fn fetch(&self, lag: &mut [f64; SPEEDS], rung: usize, k: usize) -> f64 {
        let c = self.card;
        let megabits = c.train.megabits[rung][k];
        let mut late = 0.0;
        for (i, lag) in lag.iter_mut().enumerate() {
            let now = *lag + c.speeds.takes(i, megabits);
            late += WEIGHTS[i] * now.max(0.0);
            *lag = now.min(0.0) - c.train.seconds[k];
        }
        c.train.reached[k] * late
    }

    /// The best that can be made of the chunks from `k` on after one of rendition `before`; where that is no more than
    /// `enough`, perhaps less.
    fn rest(&self, k: usize, before: usize, lag: [f64; SPEEDS], enough: f64) -> f64 {
        if k >= self.len {
            return 0.0;
        }
        let c = self.card;
        let (low, high) = match k < self.deep {
            true => (c.allowed.0.max(before.saturating_sub(1)), c.allowed.1.min(before + 2)),
            false => (before, before + 1),
        };
        let mut best = f64::NEG_INFINITY;
        for rung in low..high {
            let gain = self.gain(rung, k, Some(c.rates[before]));
            if gain + self.hope[k + 1] <= best.max(enough) {
                continue;
            }
            let mut lag = lag;
            let now = gain - self.loss(self.fetch(&mut lag, rung, k));
            if now + self.hope[k + 1] <= best.max(enough) {
                continue;
            }
            best = best.max(now + self.rest(k + 1, rung, lag, best.max(enough) - now));
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::planner::tuning::Tuning;
    use crate::planner::value::Train;

    impl Ahead<'_> {
        /// The worth of each first rendition with every sequence tried.
        fn tried(&self, rung: usize) -> f64 {
            let c = self.card;
            let mut lag = [-c.buffer_s; SPEEDS];
            let stall = self.fetch(&mut lag, rung, 0);
            let risk = c.price * c.train.megabits[rung][0] * (1.0 - c.train.reached[0]);
            self.gain(rung, 0, c.before) - risk - self.loss(stall) + self.all(1, rung, lag)
        }

        fn all(&self, k: usize, before: usize, lag: [f64; SPEEDS]) -> f64 {
            let c = self.card;
            if k >= self.len {
                return 0.0;
            }
            let near =
                |rung: &usize| if k < self.deep { rung.abs_diff(before) <= 1 } else { *rung == before };
            let worth = (c.allowed.0..c.allowed.1).filter(near).map(|rung| {
                let mut lag = lag;
                let stall = self.fetch(&mut lag, rung, k);
                self.gain(rung, k, Some(c.rates[before])) - self.loss(stall) + self.all(k + 1, rung, lag)
            });
            worth.fold(f64::NEG_INFINITY, f64::max)
        }
    }

    fn card() -> impl Strategy<Value = Outlook> {
        let rates = prop::array::uniform4(0.2..8.0f64);
        let sizes = prop::array::uniform6(0.3..3.0f64);
        (rates, sizes, 0.3..20.0f64, 0.0..6.0f64, 0.0..3.0f64, prop::option::of(0.2..8.0f64), 0.2..1.0f64)
            .prop_map(|(mut rates, sizes, mbps, buffer_s, headroom, before, stays)| {
                rates.sort_by(f64::total_cmp);
                let mut train = Train { len: TRAIN, seconds: [1.0; TRAIN], ..Train::default() };
                let mut all = [0.0; RUNGS];
                all[..4].copy_from_slice(&rates);
                for k in 0..TRAIN {
                    train.reached[k] = stays.powi(i32::try_from(k).unwrap_or(0));
                    for (rung, rate) in rates.iter().enumerate() {
                        train.megabits[rung][k] = rate * sizes[k];
                    }
                }
                let speeds = Speeds::new(mbps, 0.3, 0.08);
                Outlook {
                    speeds,
                    later: speeds,
                    buffer_s,
                    bare: false,
                    train,
                    leaves: 0.0,
                    arrival: None,
                    rates: all,
                    allowed: (0, 4),
                    before,
                    lean: Tuning::default().lean(headroom),
                    price: 0.5,
                    switchable: true,
                    ready: true,
                }
            })
    }

    proptest! {
        #[test]
        fn what_is_given_up_could_not_have_won(card in card(), deep in 1..5usize, len in 1..=TRAIN) {
            let worth = Worth::default();
            let ahead = Ahead::new(&worth, &card, deep, len);
            let best = (0..4).map(|rung| ahead.tried(rung)).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(ahead.tried(ahead.first()) >= best - 1e-9);
        }
    }
}
