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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// The scale of the logistic distribution of the logarithm of the speed is `spread_base` plus `spread_seen` times the
    /// deviation seen.
    pub spread_base: f64,
    /// See [`spread_base`](Tuning::spread_base).
    pub spread_seen: f64,
    /// Multiplies the estimate of the speed.
    pub speed: f64,
    /// Multiplies the stall a rendition is expected to cause.
    pub caution: f64,
    /// Multiplies the cost of a step of quality: a step down is often followed by one up.
    pub steady: f64,
    /// Multiplies the waste that waiting avoids.
    pub thrift: f64,
    /// Multiplies the waste of chunks of queued cards beyond the first.
    pub thrift_queued: f64,
    /// Probability that a person goes on to the next card at all.
    pub goes_on: f64,
    /// Chunks a rendition is judged over.
    pub horizon: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            spread_base: 0.2,
            spread_seen: 0.4,
            speed: 0.9,
            caution: 1.0,
            steady: 1.5,
            thrift: 1.0,
            thrift_queued: 1.0,
            goes_on: 0.97,
            horizon: 4,
        }
    }
}
