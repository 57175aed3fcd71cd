//! How many bytes the cache may take, of what the app allows and the device has left.
//!
//! The volume is shared with photos and with other apps, so the cache leaves room free and gives way when the device
//! runs low. What matters is the *room*: what is free plus what the cache itself occupies. It does not move when the
//! cache fills or empties, so a decision made from it does not undo itself. Against other people's ups and downs there
//! is a distance between giving way and coming back.

/// Bytes left free for everyone else: 500 MiB, where Android declares storage low on any volume above 10 GB
/// (`StorageManager.DEFAULT_FULL_THRESHOLD` and `DEFAULT_THRESHOLD_MAX_BYTES`, 500 MiB).
pub const RESERVE: u64 = 500 * MIB;
/// Room beyond the reserve and the whole budget before a cache that gave way comes back: half the reserve again, so that
/// a recording of a few minutes does not make it go back and forth.
pub const SLACK: u64 = RESERVE / 2;
/// Share of the budget that is kept when storage is low: a quarter of the usual 512 MiB holds about forty clips of
/// fifteen seconds at 1.5 Mbit/s.
pub const LOW_SHARE: u64 = 4;
/// What a low device may still be asked for: the playing clip, its neighbours and the heads of the next page. Of a
/// smaller budget it is half.
pub const FLOOR: u64 = 32 * MIB;
/// A limit that rises less than this share of the budget stays where it is.
pub const STEP_SHARE: u64 = 8;

const MIB: u64 = 1024 * 1024;

/// What is known of the storage at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Storage {
    /// Bytes the cache occupies.
    pub usage: u64,
    /// Bytes that could still be written on its volume, where that is known.
    pub free: Option<u64>,
    /// Whether the host says that storage is low.
    pub low: bool,
}

/// The budget of the cache as the storage changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    configured: u64,
    limit: u64,
    low: bool,
}

impl Budget {
    /// A budget of `configured` bytes on a device with room for it.
    #[must_use]
    pub fn new(configured: u64) -> Self {
        Budget { configured, limit: configured, low: false }
    }

    /// Bytes the cache may take.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the cache has given way and waits for room before it comes back.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.low
    }

    /// Bytes to free when `usage` are taken; 0 within the limit. Frees a tenth of the limit more than it must, so that
    /// not every chunk evicts.
    #[must_use]
    pub fn excess(&self, usage: u64) -> u64 {
        if usage <= self.limit { 0 } else { usage - (self.limit - self.limit / 10) }
    }

    /// Takes in what the storage is like now. The limit falls at once and rises in steps.
    pub fn handle_storage(&mut self, storage: Storage) {
        let room = storage.free.map(|free| free.saturating_add(storage.usage));
        let comfortable = self.configured.saturating_add(RESERVE + SLACK);
        if storage.low || room.is_some_and(|room| room < RESERVE.saturating_add(FLOOR)) {
            self.low = true;
        } else if room.is_none_or(|room| room >= comfortable) {
            self.low = false;
        }
        let mut fits = self.configured;
        if self.low {
            fits = (self.configured / LOW_SHARE).max(FLOOR.min(self.configured / 2));
        }
        if let Some(room) = room {
            // Where less than the reserve is left the floor may be taken, but never more than half of the room.
            fits = fits.min(room.saturating_sub(RESERVE).max(FLOOR.min(room / 2)));
        }
        let whole = fits == self.configured;
        if fits < self.limit || whole || fits - self.limit >= self.configured / STEP_SHARE {
            self.limit = fits;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: u64 = 512 * MIB;

    fn limit(budget: &mut Budget, usage: u64, free: u64, low: bool) -> u64 {
        budget.handle_storage(Storage { usage, free: Some(free), low });
        budget.limit()
    }

    #[test]
    fn a_roomy_device_gives_the_whole_budget() {
        let mut budget = Budget::new(BUDGET);
        assert_eq!(limit(&mut budget, 0, 64 << 30, false), BUDGET);
        assert_eq!(budget.excess(BUDGET), 0);
        assert_eq!(budget.excess(BUDGET + 1), 1 + BUDGET / 10);
        budget.handle_storage(Storage { usage: 10, free: None, low: false });
        assert_eq!(budget.limit(), BUDGET, "what is not known is no reason");
    }

    #[test]
    fn the_signal_shrinks_the_budget_until_there_is_room_for_all_of_it() {
        let mut budget = Budget::new(BUDGET);
        assert_eq!(limit(&mut budget, BUDGET, 700 * MIB, true), BUDGET / 4);
        // The cache gave way, so the system takes its signal back; that alone changes nothing.
        let freed = BUDGET - BUDGET / 4;
        assert_eq!(limit(&mut budget, BUDGET / 4, 700 * MIB + freed - 500 * MIB, false), BUDGET / 4);
        assert!(budget.is_low());
        assert_eq!(limit(&mut budget, BUDGET / 4, BUDGET + RESERVE + SLACK - BUDGET / 4, false), BUDGET);
        assert!(!budget.is_low());
    }

    #[test]
    fn a_full_volume_shrinks_the_budget_without_a_signal() {
        let mut budget = Budget::new(BUDGET);
        assert_eq!(limit(&mut budget, 400 * MIB, 300 * MIB, false), 200 * MIB, "the reserve stays free");
        assert_eq!(
            limit(&mut budget, 200 * MIB, 500 * MIB, false),
            200 * MIB,
            "the same room, the same limit"
        );
        assert_eq!(limit(&mut budget, 100 * MIB, 0, false), FLOOR);
        assert_eq!(limit(&mut budget, 10 * MIB, 0, false), 5 * MIB);
        assert_eq!(limit(&mut budget, 0, 0, false), 0);
    }

    #[test]
    fn small_rises_are_not_followed() {
        let mut budget = Budget::new(BUDGET);
        assert_eq!(limit(&mut budget, 0, 800 * MIB, false), 300 * MIB);
        assert_eq!(limit(&mut budget, 0, 850 * MIB, false), 300 * MIB);
        assert_eq!(limit(&mut budget, 0, 790 * MIB, false), 290 * MIB);
        assert_eq!(limit(&mut budget, 0, 900 * MIB, false), 400 * MIB);
        assert_eq!(limit(&mut budget, 0, RESERVE + BUDGET, false), BUDGET, "the last step is always taken");
    }

    proptest! {
        #[test]
        fn limits_keep_their_bounds_whatever_comes(
            configured in 0u64..4 << 30,
            seen in prop::collection::vec((0u64..4 << 30, prop::option::of(0u64..8 << 30), any::<bool>()), 1..40),
        ) {
            let mut budget = Budget::new(configured);
            for (usage, free, low) in seen {
                budget.handle_storage(Storage { usage, free, low });
                let limit = budget.limit();
                prop_assert!(limit <= configured);
                if low {
                    prop_assert!(limit <= (configured / LOW_SHARE).max(FLOOR.min(configured / 2)));
                }
                if let Some(free) = free {
                    let room = free + usage;
                    prop_assert!(limit <= room.saturating_sub(RESERVE).max(FLOOR.min(room / 2)));
                    if !low && room >= configured + RESERVE + SLACK {
                        prop_assert_eq!(limit, configured);
                    }
                }
                let after = usage - budget.excess(usage).min(usage);
                prop_assert!(after <= limit, "evicting the excess is enough");
            }
        }

        #[test]
        fn filling_and_emptying_the_cache_does_not_move_the_limit(
            configured in FLOOR..2 << 30, room in 0u64..4 << 30, low in any::<bool>(),
            usages in prop::collection::vec(0u64..1 << 20, 1..20),
        ) {
            let mut budget = Budget::new(configured);
            budget.handle_storage(Storage { usage: 0, free: Some(room), low });
            let limit = budget.limit();
            for part in usages {
                let usage = room / (1 << 20) * part;
                budget.handle_storage(Storage { usage, free: Some(room - usage), low });
                prop_assert_eq!(budget.limit(), limit);
            }
        }
    }
}
