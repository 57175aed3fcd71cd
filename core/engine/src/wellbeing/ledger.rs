//! What was watched: ever, by day, and without a rest. It only grows.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::calendar::Passed;

/// Days remembered: five weeks, so that a week can be compared with the four before it.
pub const DAYS: usize = 36;
/// Time not watching that a later report may still claim. Players report every quarter of a second, those of a platform
/// perhaps every ten; beyond that more was reported than passed.
pub const CREDIT_MS: u64 = 15_000;

/// One day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Day {
    /// Days from 1970-01-01 to it, as the device showed it.
    pub date: i64,
    /// Milliseconds watched.
    pub watched_ms: u64,
    /// Of these, in the night.
    pub night_ms: u64,
    /// Break cards shown.
    pub breaks: u32,
}

/// What a week came to, beside the one before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recap {
    /// The Monday it begins with, in days from 1970-01-01.
    pub monday: i64,
    /// Milliseconds watched on each day, Monday first.
    pub days_ms: [u64; 7],
    /// Of all of them, in the night.
    pub night_ms: u64,
    /// Break cards shown.
    pub breaks: u32,
    /// Milliseconds watched in the week before.
    pub before_ms: u64,
}

/// The counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) total_ms: u64,
    pub(super) days: VecDeque<Day>,
    /// Watched since the last rest.
    pub(super) stretch_ms: u64,
    /// Not watched since the last picture.
    pub(super) idle_ms: u64,
    #[serde(skip)]
    credit_ms: u64,
}

impl Ledger {
    /// Takes in that time passed.
    pub(super) fn pass(&mut self, passed: Passed, date: i64, rest_ms: u64) {
        self.credit_ms = self.credit_ms.saturating_add(passed.sure).min(CREDIT_MS);
        self.idle_ms = self.idle_ms.saturating_add(passed.sure);
        if self.idle_ms >= rest_ms {
            self.stretch_ms = 0;
        }
        if passed.new_day.is_some() {
            self.days.push_back(Day { date, ..Day::default() });
            if self.days.len() > DAYS {
                self.days.pop_front();
            }
        }
    }

    /// Counts what was rendered, at most what time there was for; `after` of it belong to today where the day ended
    /// meanwhile. Gives what was counted.
    pub(super) fn watch(&mut self, rendered_ms: u64, after: Option<u64>, night: bool) -> u64 {
        let counted = rendered_ms.min(self.credit_ms);
        if counted == 0 {
            return 0;
        }
        self.credit_ms -= counted;
        self.idle_ms = 0;
        self.add(counted, after.map_or(counted, |after| counted.min(after)), night);
        counted
    }

    /// Counts milliseconds, `today` of them in the newest day and the others in the one before it.
    pub(super) fn add(&mut self, ms: u64, today: u64, night: bool) {
        self.total_ms = self.total_ms.saturating_add(ms);
        self.stretch_ms = self.stretch_ms.saturating_add(ms);
        let mut rest = ms;
        for (day, share) in self.days.iter_mut().rev().zip([today, ms]) {
            let share = share.min(rest);
            rest -= share;
            day.watched_ms = day.watched_ms.saturating_add(share);
            if night {
                day.night_ms = day.night_ms.saturating_add(share);
            }
        }
    }

    pub(super) fn today_ms(&self) -> u64 {
        self.days.back().map_or(0, |day| day.watched_ms)
    }

    /// The week that begins with a Monday.
    pub(super) fn week(&self, monday: i64) -> Recap {
        let mut recap = Recap { monday, ..Recap::default() };
        for day in &self.days {
            let place = day.date - monday;
            match usize::try_from(place).ok().and_then(|place| recap.days_ms.get_mut(place)) {
                Some(watched) => {
                    *watched = watched.saturating_add(day.watched_ms);
                    recap.night_ms = recap.night_ms.saturating_add(day.night_ms);
                    recap.breaks = recap.breaks.saturating_add(day.breaks);
                }
                None if (-7..0).contains(&place) => {
                    recap.before_ms = recap.before_ms.saturating_add(day.watched_ms);
                }
                None => {}
            }
        }
        recap
    }
}

/// The Monday of the week of a date, both in days from 1970-01-01, which was a Thursday.
pub(super) fn monday(date: i64) -> i64 {
    date - (date + 3).rem_euclid(7)
}
