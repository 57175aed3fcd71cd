//! The few numbers the planner's decisions hang on, and what a stall, a megabit and a step of quality are worth.

/// Worth of things, in points: a megabit per second shown for a second is one. The weights are those of the short-video
/// challenge of ACM Multimedia 2022, which published planners are measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
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
/// The defaults were searched for on sessions drawn from other seeds than the default run of the simulator; `tests/sim`
/// tells how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// The scale of the logistic distribution of the logarithm of the speed is `spread_base` plus `spread_seen` times the
    /// deviation seen.
    pub spread_base: f64,
    /// See [`spread_base`](Tuning::spread_base).
    pub spread_seen: f64,
    /// The same later on.
    pub later_base: f64,
    /// The same later on.
    pub later_seen: f64,
    /// Pull.
    pub later_pull: f64,
    /// Pull.
    pub near_pull: f64,
    /// Pull.
    pub lean_pull: f64,
    /// Multiplies the estimate of the speed.
    pub speed: f64,
    /// On a link that is hardly as fast as the highest rate, or slower.
    pub tight: Lean,
    /// On a link that is several times as fast.
    pub ample: Lean,
    /// Multiplies the waste of chunks of queued cards beyond the first.
    pub thrift_queued: f64,
    /// Probability that a person goes on to the next card at all.
    pub goes_on: f64,
    /// Chunks a rendition is judged over.
    pub horizon: usize,
    /// Deep
    pub depth: usize,
}

/// What depends on how fast the link is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lean {
    /// Multiplies the stall a rendition is expected to cause.
    pub caution: f64,
    /// Multiplies the cost of a step of quality: where a step down is often followed by one up, steps cost more than they
    /// show.
    pub steady: f64,
    /// Multiplies the waste that waiting avoids: on a tight link a wait is not made up for.
    pub thrift: f64,
    /// Points a second of the link is worth when a rendition is chosen.
    pub time: f64,
    /// Points a second of the link is worth when it may be spent in vain.
    pub vain: f64,
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
            vain: between(self.tight.vain, self.ample.vain),
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            spread_base: 0.17,
            spread_seen: 0.05,
            later_base: 0.17,
            later_seen: 0.0,
            later_pull: 0.0,
            near_pull: 0.0,
            lean_pull: 0.0,
            speed: 0.92,
            tight: Lean { caution: 1.1, steady: 1.1, thrift: 0.8, time: 0.0, vain: 0.0 },
            ample: Lean { caution: 0.4, steady: 0.3, thrift: 1.0, time: 0.0, vain: 0.0 },
            thrift_queued: 1.2,
            goes_on: 0.97,
            horizon: 6,
            depth: 4,
        }
    }
}
