//! The few numbers the planner's decisions hang on, and what a stall, a megabit and a step of quality are worth.

use serde::{Deserialize, Serialize};

/// Worth of things, in points: a megabit per second shown for a second is one. The weights are those of the short-video
/// challenge of ACM Multimedia 2022, which published planners are measured by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// Points lost per second without pictures.
    pub stall: f64,
    /// Points lost per megabit fetched.
    pub megabit: f64,
    /// Points lost per Mbit/s of step between chunks shown one after the other.
    pub switch: f64,
}

impl Default for Worth {
    fn default() -> Self {
        Worth { stall: 1.85, megabit: 0.5, switch: 1.0 }
    }
}

/// How the planner leans where its model is known to be too simple.
///
/// The defaults were searched for on sessions drawn from the seeds 1001 to 1003 of the simulator and checked on 2001 and 2002,
/// never on the seed of its default run; `tests/sim` tells how, what each is worth, and what was tried in vain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The scale of the logistic distribution of the logarithm of the speed is `spread_base` plus `spread_seen` times the
    /// deviation seen.
    pub spread_base: f64,
    /// See [`spread_base`](Tuning::spread_base).
    pub spread_seen: f64,
    /// The scale when it is weighed what to fetch first and whether to wait: a delay is felt later, and at whatever speed the
    /// link has then, while a rendition is felt at once.
    pub spread_later: f64,
    /// Multiplies the estimate of the speed.
    pub speed: f64,
    /// How far, on a logarithmic scale, the speed expected lies from the latest towards that of a long time: links come
    /// back to their mean.
    pub pull: f64,
    /// The same of the speed that tells a tight link from an ample one; a tight second does not make a link tight.
    pub lean_pull: f64,
    /// On a link that is hardly as fast as the highest rate, or slower.
    pub tight: Lean,
    /// On a link that is several times as fast.
    pub ample: Lean,
    /// Multiplies the waste of chunks of queued cards beyond the first.
    pub thrift_queued: f64,
    /// Probability that a person goes on to the next card at all.
    pub goes_on: f64,
    /// Chunks of a card a rendition is judged over.
    pub horizon: usize,
    /// Of these, how many may each have a rendition of their own where the card can switch: more cost time and, in the
    /// simulator, gain nothing.
    pub depth: usize,
}

/// What depends on how fast the link is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lean {
    /// Multiplies the stall a rendition is expected to cause.
    pub caution: f64,
    /// Multiplies the cost of a step of quality: where a step down is often followed by one up, steps cost more than they
    /// show.
    pub steady: f64,
    /// Multiplies the waste that waiting avoids: on a tight link a wait is not made up for.
    pub thrift: f64,
    /// Points a second of the link is worth when a rendition is chosen: what it could have brought for the other cards.
    pub time: f64,
    /// Points a second of the link is worth that need not be spent later.
    pub spare: f64,
    /// Multiplies the price of bytes fetched for that.
    pub risk: f64,
}

/// Speed over the highest rate at which a link counts as tight, and as ample.
const TIGHT: f64 = 0.8;
const AMPLE: f64 = 3.0;

impl Tuning {
    /// What holds on a link that is `headroom` times as fast as the highest rate.
    pub(crate) fn lean(&self, headroom: f64) -> Lean {
        let x = ((headroom / TIGHT).ln() / (AMPLE / TIGHT).ln()).clamp(0.0, 1.0);
        let between = |tight: f64, ample: f64| tight + x * (ample - tight);
        Lean {
            caution: between(self.tight.caution, self.ample.caution),
            steady: between(self.tight.steady, self.ample.steady),
            thrift: between(self.tight.thrift, self.ample.thrift),
            time: between(self.tight.time, self.ample.time),
            spare: between(self.tight.spare, self.ample.spare),
            risk: between(self.tight.risk, self.ample.risk),
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            spread_base: 0.16,
            spread_seen: 0.05,
            spread_later: 0.17,
            speed: 0.92,
            pull: 0.1,
            lean_pull: 0.7,
            tight: Lean { caution: 1.2, steady: 1.2, thrift: 0.8, time: 0.14, spare: 0.7, risk: 1.3 },
            ample: Lean { caution: 0.4, steady: 0.3, thrift: 1.0, time: 0.0, spare: 0.0, risk: 2.0 },
            thrift_queued: 1.0,
            goes_on: 0.99,
            horizon: 6,
            depth: 4,
        }
    }
}
