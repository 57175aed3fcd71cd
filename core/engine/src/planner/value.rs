//! What a delay costs: expected seconds without pictures, against a handful of speeds the link may have.
//!
//! Speeds are quantiles of a logistic distribution of the logarithm around the estimate, the slow side finer than the
//! fast one, because it is the slow side that stalls. Each is taken to last for the few chunks looked at.

/// Speeds looked at.
pub(crate) const SPEEDS: usize = 7;
/// Middles of the quantiles, in units of the scale of the logistic distribution.
const QUANTILES: [f64; SPEEDS] = [-4.6, -2.94, -1.82, -0.85, 0.0, 0.85, 2.2];
/// How likely each is.
pub(crate) const WEIGHTS: [f64; SPEEDS] = [0.02, 0.06, 0.12, 0.2, 0.2, 0.2, 0.2];
/// Slowest speed believed in, Mbit/s: below it a link is broken, and no plan helps.
const FLOOR_MBPS: f64 = 0.1;
/// Chunks of a card that are looked at.
pub(crate) const TRAIN: usize = 6;
/// Renditions of a card that are looked at.
pub(crate) const RUNGS: usize = 8;

/// The speeds a link may turn out to have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speeds {
    /// Seconds a megabit takes.
    slowness: [f64; SPEEDS],
    /// Seconds until the first byte.
    pub(crate) rtt_s: f64,
}

impl Speeds {
    /// Around `mean_mbps`, `scale` being that of the logistic distribution of the logarithm.
    pub(crate) fn new(mean_mbps: f64, scale: f64, rtt_s: f64) -> Self {
        let slowness = QUANTILES.map(|q| 1.0 / (mean_mbps * (scale * q).exp()).max(FLOOR_MBPS));
        Speeds { slowness, rtt_s }
    }

    /// Seconds a download takes at one of the speeds.
    pub(crate) fn takes(&self, speed: usize, megabits: f64) -> f64 {
        self.rtt_s + megabits * self.slowness[speed]
    }

    /// The mean of `f` over the speeds.
    pub(crate) fn mean(mut f: impl FnMut(usize) -> f64) -> f64 {
        WEIGHTS.iter().enumerate().map(|(i, w)| w * f(i)).sum()
    }
}

/// The next chunks of a card, in the order of play.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Train {
    /// How many are looked at.
    pub(crate) len: usize,
    /// Seconds each plays.
    pub(crate) seconds: [f64; TRAIN],
    /// Probability, as things stand, that each is reached.
    pub(crate) reached: [f64; TRAIN],
    /// Size of each at every rendition.
    pub(crate) megabits: [[f64; TRAIN]; RUNGS],
}

impl Train {
    /// Expected seconds without pictures if the chunks from `from` on are fetched one after the other at one rendition,
    /// beginning in `delay` seconds, while `buffer` seconds can play; at one of the speeds.
    pub(crate) fn stall(
        &self,
        speeds: &Speeds,
        speed: usize,
        rung: usize,
        from: usize,
        delay: f64,
        buffer: f64,
    ) -> f64 {
        let (mut done, mut needed, mut stalled, mut total) = (delay, buffer, 0.0_f64, 0.0);
        for k in from..self.len {
            done += speeds.takes(speed, self.megabits[rung][k]);
            let late = done - needed;
            if late > stalled {
                total += self.reached[k] * (late - stalled);
                stalled = late;
            }
            needed += self.seconds[k];
        }
        total
    }
}

/// Steps of the arrival grid.
const GRID: usize = 24;
/// Seconds of a step.
const STEP_S: f64 = 0.5;

/// When a queued card becomes the current one: the probability that it did within so many seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Arrival {
    by: [f64; GRID + 1],
    /// Seconds, within the first so many, in which it is the current one, expected.
    integral: [f64; GRID + 1],
}

impl Arrival {
    fn of(by: [f64; GRID + 1]) -> Self {
        let mut integral = [0.0; GRID + 1];
        for g in 1..=GRID {
            integral[g] = integral[g - 1] + 0.5 * STEP_S * (by[g - 1] + by[g]);
        }
        Arrival { by, integral }
    }

    /// The card after one whose person left it within `u` seconds with probability `left(u)`.
    pub(crate) fn after(left: impl Fn(f64) -> f64) -> Self {
        let mut by = [0.0; GRID + 1];
        for (g, b) in by.iter_mut().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a grid")]
            let u = g as f64 * STEP_S;
            *b = left(u).clamp(0.0, 1.0);
        }
        Arrival::of(by)
    }

    /// The card after this one, `dwell` being how soon the person leaves this one.
    pub(crate) fn then(&self, dwell: &Arrival) -> Self {
        // Arrivals lie in the middle of their step.
        let mut left = [0.0; GRID];
        for (g, left) in left.iter_mut().enumerate() {
            *left = 0.5 * (dwell.by[g] + dwell.by[g + 1]);
        }
        let mut by = [0.0; GRID + 1];
        for i in 1..=GRID {
            let arrives = self.by[i] - self.by[i - 1];
            for (b, left) in by[i..].iter_mut().zip(&left) {
                *b += arrives * left;
            }
        }
        Arrival::of(by)
    }

    /// Probability that the card is current within `seconds`.
    pub(crate) fn by(&self, seconds: f64) -> f64 {
        let (g, rest) = Self::at(seconds);
        if g >= GRID { self.by[GRID] } else { self.by[g] + rest * (self.by[g + 1] - self.by[g]) }
    }

    /// Expected seconds of the first `seconds` in which the card is current: what a person waits for a first chunk that
    /// comes then.
    pub(crate) fn waits(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        let (g, rest) = Self::at(seconds);
        if g >= GRID {
            #[expect(clippy::cast_precision_loss, reason = "a grid")]
            let end = GRID as f64 * STEP_S;
            return self.integral[GRID] + (seconds - end) * self.by[GRID];
        }
        let slope = self.by[g + 1] - self.by[g];
        self.integral[g] + STEP_S * rest * (self.by[g] + 0.5 * rest * slope)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a grid of bounded length"
    )]
    fn at(seconds: f64) -> (usize, f64) {
        let x = (seconds / STEP_S).clamp(0.0, GRID as f64);
        (x as usize, x - x.floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(mbit: f64) -> Train {
        let mut t = Train { len: 4, seconds: [1.0; TRAIN], reached: [1.0; TRAIN], ..Train::default() };
        t.megabits[0] = [mbit; TRAIN];
        t
    }

    #[test]
    fn a_train_is_late_by_its_latest_chunk() {
        let speeds = Speeds::new(1.0, 0.0, 0.0);
        assert!((train(1.0).stall(&speeds, 0, 0, 0, 0.0, 1.0)).abs() < 1e-9, "just in time");
        assert!((train(1.0).stall(&speeds, 0, 0, 0, 0.5, 1.0) - 0.5).abs() < 1e-9, "late once, then in step");
        assert!(
            (train(1.5).stall(&speeds, 0, 0, 0, 0.0, 1.5) - 1.5).abs() < 1e-9,
            "falls back further by each chunk"
        );
        assert!((train(1.5).stall(&speeds, 0, 0, 1, 0.0, 1.5) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn spread_makes_stalls_likely() {
        let sure = Speeds::new(2.0, 0.0, 0.08);
        let unsure = Speeds::new(2.0, 0.5, 0.08);
        let stall = |s: &Speeds| Speeds::mean(|i| train(1.0).stall(s, i, 0, 0, 0.0, 1.0));
        assert!(stall(&sure) < 1e-9 && stall(&unsure) > 0.1);
        assert!((Speeds::mean(|_| 1.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn arrivals_add_up() {
        // Leaves evenly within 4 s.
        let left = |u: f64| (u / 4.0).min(1.0);
        let first = Arrival::after(left);
        assert!((first.by(2.0) - 0.5).abs() < 1e-9 && (first.by(60.0) - 1.0).abs() < 1e-9);
        assert!((first.waits(4.0) - 2.0).abs() < 1e-6 && (first.waits(20.0) - 18.0).abs() < 1e-6);
        let second = first.then(&first);
        assert!((second.by(4.0) - 0.5).abs() < 0.02, "{}", second.by(4.0));
        assert!(second.by(8.0) > 0.97 && second.by(1.0) < 0.05);
    }
}
