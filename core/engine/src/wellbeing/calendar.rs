//! Which day it is, by time that has passed rather than by what a clock is set to.
//!
//! Within one boot of the device the monotonic clock says how much time passed, whatever became of the wall clock. Across a
//! reboot, or where the platform does not name its boots, only the wall clock is left: it is believed for the end of a day,
//! and not for waits that somebody may want to shorten ([`Passed::sure`]).

use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// Milliseconds of a day without a change of clocks.
pub const DAY_MS: u64 = 86_400_000;
/// No two days end within this many milliseconds. Shorter than the 23 hours of the day on which summer time begins, and
/// than what is left of a day after a flight over five zones; long enough that turning the clock gives at most a third more.
pub const SHORTEST_DAY_MS: u64 = 18 * 3_600_000;
/// How far the device's clock may be from the believed one without counting as turned: clocks are corrected by seconds.
const SLACK_MS: u64 = 120_000;
/// Summer time moves the zone by this many minutes at most.
const SUMMER_MIN: i32 = 60;

/// What the device's clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the device was started: monotonic, and counting while it sleeps.
    pub ticks: u64,
    /// Names the start of the device that `ticks` counts from; `None` where the platform does not tell.
    pub boot: Option<u64>,
    /// The wall clock and the zone.
    pub wall: Wall,
}

impl Moment {
    /// Milliseconds since 1970 as the wall clock shows them here.
    #[must_use]
    pub fn local_ms(&self) -> i64 {
        self.wall.unix_ms.saturating_add(i64::from(self.wall.offset_min) * 60_000)
    }
}

/// What passed between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// Milliseconds that passed for sure: by the monotonic clock, or since the device was started.
    pub sure: u64,
    /// Milliseconds that passed as far as can be known.
    pub likely: u64,
    /// A day ended; so many of the likely milliseconds belong to the new one.
    pub new_day: Option<u64>,
}

/// The days as they are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Calendar {
    last: Option<Moment>,
    /// Whether `last` is of this process; its ticks are comparable whatever the boots are called.
    #[serde(skip)]
    running: bool,
    /// The believed local time at `last`.
    local_ms: i64,
    /// Milliseconds until the day ends.
    ends_in: u64,
    /// Milliseconds since the day began.
    lasted: u64,
    /// Whether the zone moved by an hour in this day already.
    moved: bool,
}

impl Calendar {
    /// Takes in a moment; the first one begins a day.
    pub(super) fn observe(&mut self, now: Moment) -> Passed {
        let Some(last) = self.last.replace(now) else {
            self.running = true;
            self.local_ms = now.local_ms();
            self.ends_in = until_midnight(self.local_ms);
            return Passed { new_day: Some(0), ..Passed::default() };
        };
        let (sure, likely) = passed(&last, &now, std::mem::replace(&mut self.running, true));
        self.local_ms = self.local_ms.saturating_add_unsigned(likely);
        let shift = i32::from(now.wall.offset_min) - i32::from(last.wall.offset_min);
        if shift != 0 && shift.abs() <= SUMMER_MIN && !self.moved {
            self.moved = true;
            let shift_ms = i64::from(shift) * 60_000;
            self.local_ms = self.local_ms.saturating_add(shift_ms);
            self.ends_in = self.ends_in.saturating_add_signed(-shift_ms);
        }
        let new_day = (likely >= self.ends_in).then(|| likely - self.ends_in);
        match new_day {
            Some(after) => {
                // What the device shows is believed again, and heals in one day what it was turned by.
                self.local_ms = now.local_ms();
                self.moved = false;
                self.lasted = after;
                self.ends_in = until_midnight(self.local_ms);
                if self.lasted.saturating_add(self.ends_in) < SHORTEST_DAY_MS {
                    self.ends_in += DAY_MS;
                }
            }
            None => {
                self.ends_in -= likely;
                self.lasted = self.lasted.saturating_add(likely);
                if now.local_ms().abs_diff(self.local_ms) > SLACK_MS {
                    self.ends_in = self.ends_in.max(until_midnight(now.local_ms()));
                }
            }
        }
        Passed { sure, likely, new_day }
    }

    /// Milliseconds until the day ends.
    pub(super) fn ends_in(&self) -> u64 {
        self.ends_in
    }

    /// The date the device shows, in days since 1970.
    pub(super) fn date(&self) -> i64 {
        self.last.map_or(0, |last| last.local_ms().div_euclid(DAY_MS as i64))
    }

    /// Minutes since midnight, as the device shows them and as they are believed.
    pub(super) fn minutes(&self) -> [u16; 2] {
        [self.last.map_or(self.local_ms, |last| last.local_ms()), self.local_ms].map(minute)
    }
}

fn minute(local_ms: i64) -> u16 {
    // A remainder of a day is below 1,440 minutes.
    (local_ms.rem_euclid(DAY_MS as i64) / 60_000) as u16
}

fn until_midnight(local_ms: i64) -> u64 {
    DAY_MS - local_ms.rem_euclid(DAY_MS as i64).unsigned_abs()
}

/// Milliseconds that passed for sure, and likely.
fn passed(last: &Moment, now: &Moment, running: bool) -> (u64, u64) {
    let same_boot = running || (last.boot.is_some() && last.boot == now.boot);
    if same_boot && now.ticks >= last.ticks {
        let sure = now.ticks - last.ticks;
        return (sure, sure);
    }
    // The device was started in between, so at least what its clock shows since then passed.
    let restarted = now.ticks < last.ticks || (last.boot.is_some() && now.boot.is_some());
    let sure = if restarted && !running { now.ticks } else { 0 };
    let shown = now.wall.unix_ms.saturating_sub(last.wall.unix_ms);
    let likely = if running { 0 } else { u64::try_from(shown).unwrap_or(0) };
    (sure, likely.max(sure))
}
