//! How old an event is, when clocks are changed by hand.
//!
//! Age is measured between wall clocks of events. A person who sets the clock forward by a year would make everything
//! queued a year old and lose it. While the device runs, its boot clock tells a jump from time that passed: what the
//! wall clock moved beyond it is taken off from then on. Across a reboot nothing can be told apart, and the wall clock is
//! believed.

/// Differences below this are drift and the clock being set by the network, in milliseconds.
const TOLERANCE_MS: i64 = 60_000;

/// The sum of all jumps of the wall clock that were noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Jumps {
    /// Wall and boot clock when they were last compared, in milliseconds.
    seen: Option<(i64, i64)>,
    /// What is taken off a wall clock, in milliseconds.
    pub skew_ms: i64,
}

impl Jumps {
    /// Compares the clocks; says whether the skew changed.
    pub fn look(&mut self, wall_ms: i64, boot_ms: i64) -> bool {
        let before = self.skew_ms;
        if let Some((wall, boot)) = self.seen {
            let jump = wall_ms.saturating_sub(wall).saturating_sub(boot_ms.saturating_sub(boot).max(0));
            if jump.abs() > TOLERANCE_MS {
                self.skew_ms = self.skew_ms.saturating_add(jump);
            }
        }
        self.seen = Some((wall_ms, boot_ms));
        self.skew_ms != before
    }

    /// The wall clock of an event as it would be without the jumps.
    pub fn even(&self, wall_ms: i64) -> i64 {
        wall_ms.saturating_sub(self.skew_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 24 * 3_600_000;

    #[test]
    fn a_clock_set_by_hand_makes_nothing_old() {
        let mut jumps = Jumps::default();
        assert!(!jumps.look(1_000, 0));
        assert!(!jumps.look(3_601_000, 3_600_000), "time that passed");
        assert!(jumps.look(3_602_000 + YEAR, 3_601_000));
        assert_eq!(jumps.even(3_602_000 + YEAR), 3_602_000);
        assert!(jumps.look(3_603_000, 3_602_000), "and back");
        assert_eq!(jumps.even(3_603_000), 3_603_000);
        assert!(!jumps.look(3_640_000, 3_603_000), "the network sets it by seconds");
        let mut sleeping = Jumps::default();
        sleeping.look(0, 0);
        assert!(!sleeping.look(20 * 24 * 3_600_000, 20 * 24 * 3_600_000), "the boot clock counts sleep");
    }
}
