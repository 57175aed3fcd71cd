//! Which day it is, by time that has passed rather than by what a clock is set to.
//!
//! Within one boot of the device the monotonic clock says how much time passed, whatever became of the wall clock. Across a
//! reboot only the wall clock is left, and somebody may have turned it: what it shows beyond what passed for sure is a
//! [claim](super::claims), believed for the end of a day now and then, settled when a server says what time it is, and never
//! believed for waits that somebody may want to shorten ([`Passed::sure`]).

use serde::{Deserialize, Serialize};

use super::claims::{CLAIM_EVERY_MS, Claims, Verdict};
use crate::time::Wall;

/// Milliseconds of a day without a change of clocks.
pub const DAY_MS: u64 = 86_400_000;
/// No two days end within this many milliseconds. Shorter than the 23 hours of the day on which summer time begins, and
/// than what is left of a day after a flight over five zones; long enough that turning the clock gives at most a third more.
pub const SHORTEST_DAY_MS: u64 = 18 * 3_600_000;
/// How far the device's clock may be from the believed one without counting as turned: clocks are corrected by seconds.
pub(super) const SLACK_MS: u64 = 120_000;
/// Longest a day may still last: a whole one, and one that was too short to be a day.
pub(super) const MOST_MS: u64 = DAY_MS + SHORTEST_DAY_MS;
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
    /// What the wall clock said across reboots.
    #[serde(default)]
    claims: Claims,
    /// Whether the end of the day was put off because a claim began it.
    #[serde(default)]
    put_off: bool,
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
        let (sure, claimed) = passed(&last, &now, std::mem::replace(&mut self.running, true));
        let believed = self.claims.pass(sure, claimed);
        let likely = sure.saturating_add(believed);
        let by_claim = believed > 0 && sure < self.ends_in;
        self.local_ms = self.local_ms.saturating_add_unsigned(likely);
        let shift = i32::from(now.wall.offset_min) - i32::from(last.wall.offset_min);
        if shift != 0 && shift.abs() <= SUMMER_MIN && !self.moved {
            self.moved = true;
            let shift_ms = i64::from(shift) * 60_000;
            self.local_ms = self.local_ms.saturating_add(shift_ms);
            self.ends_in = self.ends_in.saturating_add_signed(-shift_ms);
        }
        let new_day = self.advance(now.local_ms(), likely);
        if new_day.is_some() && by_claim {
            self.claims.spend();
            if self.ends_in < CLAIM_EVERY_MS {
                self.ends_in += DAY_MS;
                self.put_off = true;
            }
        }
        let expected = self.local_ms.saturating_add_unsigned(self.claims.pending());
        if now.local_ms().abs_diff(expected) > SLACK_MS {
            self.ends_in = self.ends_in.max(until_midnight(now.local_ms()));
        }
        Passed { sure, likely, new_day }
    }

    /// A server says what time it is. What passed unseen passes now; what was claimed and did not pass is put onto the day.
    /// Says whether the account is another one.
    pub(super) fn settle(&mut self, server_ms: i64) -> (Passed, bool) {
        let before = (self.claims.clone(), self.put_off);
        let passed = self.last.map_or_else(Passed::default, |last| self.settled(last, server_ms));
        (passed, !self.claims.differs_in_time_alone(&before.0) || self.put_off != before.1)
    }

    fn settled(&mut self, last: Moment, server_ms: i64) -> Passed {
        match self.claims.settle(server_ms) {
            Verdict::Nothing => Passed::default(),
            Verdict::Less(ms) => {
                self.ends_in = self.ends_in.saturating_add(ms).min(MOST_MS.max(self.ends_in));
                self.put_off = false;
                Passed::default()
            }
            Verdict::More(ms) => {
                self.local_ms = self.local_ms.saturating_add_unsigned(ms);
                let new_day = self.advance(last.local_ms(), ms);
                Passed { sure: 0, likely: ms, new_day }
            }
            Verdict::True => {
                let shown = Wall { unix_ms: server_ms, ..last.wall };
                let ends_in = until_midnight(Moment { wall: shown, ..last }.local_ms());
                if std::mem::take(&mut self.put_off) && self.lasted.saturating_add(ends_in) >= SHORTEST_DAY_MS
                {
                    self.ends_in = self.ends_in.min(ends_in);
                }
                Passed::default()
            }
        }
    }

    /// So much passed; gives what lies in the new day where one began.
    fn advance(&mut self, shown_ms: i64, likely: u64) -> Option<u64> {
        let Some(after) = likely.checked_sub(self.ends_in) else {
            self.ends_in -= likely;
            self.lasted = self.lasted.saturating_add(likely);
            return None;
        };
        // What the device shows is believed again, and heals in one day what it was turned by.
        self.local_ms = shown_ms;
        self.claims.forget_pending();
        (self.moved, self.put_off) = (false, false);
        self.lasted = after;
        self.ends_in = until_midnight(self.local_ms);
        if self.lasted.saturating_add(self.ends_in) < SHORTEST_DAY_MS {
            self.ends_in += DAY_MS;
        }
        Some(after)
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

/// Milliseconds that passed for sure, and what the wall clock shows beyond them.
fn passed(last: &Moment, now: &Moment, running: bool) -> (u64, u64) {
    let named_apart = last.boot.is_some() && now.boot.is_some() && last.boot != now.boot;
    let since = now.ticks.checked_sub(last.ticks);
    if running {
        return (since.unwrap_or(0), 0);
    }
    let sure = match since {
        // The device was started in between, so at least what its clock shows since then passed.
        None => now.ticks,
        Some(_) if named_apart => now.ticks,
        // The same start; or another one, and then it is at least this.
        Some(since) => since,
    };
    if since.is_some() && last.boot.is_some() && last.boot == now.boot {
        return (sure, 0);
    }
    let shown = now.wall.unix_ms.saturating_sub(last.wall.unix_ms);
    (sure, u64::try_from(shown).unwrap_or(0).saturating_sub(sure))
}
