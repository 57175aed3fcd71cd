//! How long to wait after a failure.

use crate::time::Millis;

/// Delays that grow with each failure, drawn between the base and a doubling ceiling so that devices spread out.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Millis,
    cap: Millis,
    failures: u32,
    state: u64,
}

impl Backoff {
    /// Delays between `base` and `cap`; the same `seed` gives the same delays.
    #[must_use]
    pub fn new(base: Millis, cap: Millis, seed: u64) -> Self {
        Backoff { base, cap, failures: 0, state: seed }
    }

    /// The delay after one more failure.
    pub fn fail(&mut self) -> Millis {
        self.failures = self.failures.saturating_add(1);
        let ceiling = self.base.0.saturating_mul(1 << self.failures.min(32)).min(self.cap.0).max(self.base.0);
        let width = ceiling - self.base.0 + 1;
        Millis(self.base.0 + self.draw() % width.max(1))
    }

    /// A delay anywhere between the base and the cap.
    pub fn spread(&mut self) -> Millis {
        let width = self.cap.0.saturating_sub(self.base.0).saturating_add(1);
        Millis(self.base.0 + self.draw() % width.max(1))
    }

    /// Something worked: the next failure starts from the base again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    // splitmix64 (Steele, Lea, Flood 2014): one add and three shifts, enough to spread devices.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
