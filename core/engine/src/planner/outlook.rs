//! What is to come of each card of the window: the next chunks, how likely they are reached and when, on which link.

use super::card::{Card, Probe, STEP_MS};
use super::order::{Order, Outlook, WAIT_S};
use super::tuning::Lean;
use super::value::{Arrival, RUNGS, Speeds};
use super::{Planner, Policy, WHIM_PER_S};
use crate::time::Time;

impl Planner {
    pub(super) fn order<'a>(&'a self, cards: &'a [Outlook]) -> Order<'a> {
        let Policy { worth, tuning, preempts, .. } = &self.policy;
        Order { worth, tuning, preempts: *preempts, cards }
    }

    /// What is to come of every card that lacks something, the current one first.
    pub(super) fn outlooks(&self, now: Time, current: u64, unready: &[u64]) -> (Vec<u64>, Vec<Outlook>) {
        let (mut positions, mut outlooks) = (Vec::new(), Vec::new());
        let mut arrival: Option<Arrival> = None;
        let mut before = self.shown_mbps;
        for (distance, (&position, card)) in (self.first_distance(current)..).zip(&self.cards) {
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
                let u = u.min(plays / 1_000.0 / self.rate);
                1.0 - stays(at + u * 1_000.0 * self.rate) * (1.0 - WHIM_PER_S * u).max(0.0)
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
                let (speeds, later) = self.speeds(&card.host);
                #[expect(clippy::cast_precision_loss, reason = "milliseconds of a video")]
                let buffer_s = reach.saturating_sub(from) as f64 / 1_000.0 / self.rate;
                outlooks.push(Outlook {
                    speeds,
                    later,
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

    pub(super) fn max_height(&self) -> u32 {
        self.limits.max_height.min(self.policy.max_height)
    }

    fn lean(&self, card: &Card) -> Lean {
        let top = card.rungs.last().map_or(1.0, |r| r.mbps).max(0.01);
        let tuning = &self.policy.tuning;
        tuning.lean(self.links.to(&card.host).expected_mbps(tuning.lean_pull) / top)
    }

    /// The speeds of a path for the choice of a rendition, and for that of what comes first.
    fn speeds(&self, host: &str) -> (Speeds, Speeds) {
        let (path, tuning) = (self.links.to(host), &self.policy.tuning);
        let cold = path.cold_spread();
        let scale = (tuning.spread_base + tuning.spread_seen * path.deviation()).max(cold);
        let now = Speeds::new(path.expected_mbps(tuning.pull) * tuning.speed, scale, path.rtt_s());
        let later = Speeds::new(path.mean_mbps() * tuning.speed, tuning.spread_later.max(cold), path.rtt_s());
        (now, later)
    }
}
