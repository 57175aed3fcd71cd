//! What is allowed: what the policy says for an age, what was chosen, and which of two is looser.

use serde::{Deserialize, Serialize};

use crate::safety::AgeBand;

/// Minutes of a day.
const DAY_MIN: u16 = 1_440;

/// What happens when a limit is reached, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// A break card stands in the place of one video; the next swipe passes it.
    Remind,
    /// Playing stops; half a minute later the person may go on.
    Pause,
    /// Playing stops until the cause is over, or until somebody who knows the passcode allows more.
    Stop,
}

/// Hours in which the person wants to sleep, in minutes after midnight; over midnight where `from_min` is the later one.
/// None where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Night {
    /// Begins, 0 to 1,439.
    pub from_min: u16,
    /// Is over, 0 to 1,439.
    pub until_min: u16,
}

impl Night {
    /// Whether a minute of the day lies in it.
    #[must_use]
    pub fn covers(&self, minute: u16) -> bool {
        match self.from_min <= self.until_min {
            true => (self.from_min..self.until_min).contains(&minute),
            false => minute >= self.from_min || minute < self.until_min,
        }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.from_min != self.until_min
    }

    /// Minutes until it is over, seen from a minute in it.
    pub(super) fn left_min(&self, minute: u16) -> u16 {
        (self.until_min + DAY_MIN - minute) % DAY_MIN
    }
}

/// What holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Minutes of video a day, up to 1,440; 0 for no limit.
    pub daily_min: u16,
    /// What happens then.
    pub at_daily: Measure,
    /// Minutes of video without a rest after which one is due, 0 or 5 to 240; 0 for none.
    pub break_min: u16,
    /// What happens then.
    pub at_break: Measure,
    /// When the person wants to sleep.
    pub night: Night,
    /// What happens then.
    pub at_night: Measure,
    /// Whether a card plays without a tap.
    pub autoplay: bool,
    /// Whether cards follow each other without end; otherwise a break card stands after every page.
    pub endless: bool,
    /// Whether the app may send notifications to bring the person back. The app keeps to it.
    pub push: bool,
    /// Whether the person is shown what a week came to.
    pub recap: bool,
}

/// What breaks a bound of [`Choices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// A daily limit is at most 1,440 minutes.
    #[error("a daily limit is at most 1,440 minutes")]
    Daily,
    /// Breaks are 5 to 240 minutes apart.
    #[error("breaks are 5 to 240 minutes apart")]
    Break,
    /// Minutes of the day are 0 to 1,439.
    #[error("minutes of the day are 0 to 1,439")]
    Night,
}

impl Limits {
    /// What the policy says for an age.
    ///
    /// Minors: 60 minutes a day, as TikTok set for everybody under 18 in March 2023; no autoplay, no endless paging and no
    /// notifications, as the guidelines on Article 28 of the DSA of July 2025 ask for; nights from 22:00, when TikTok's
    /// wind-down begins. Below 16 the limits end the day, because prompts that can be dismissed do not help (European
    /// Commission, preliminary finding IP/26/312). Adults are reminded once an hour.
    #[must_use]
    pub fn of_age(age: AgeBand) -> Self {
        let minor = matches!(age, AgeBand::Under16 | AgeBand::Teen);
        let strict = if age == AgeBand::Under16 { Measure::Stop } else { Measure::Pause };
        let night = match age {
            AgeBand::Under16 => Night { from_min: 22 * 60, until_min: 7 * 60 },
            AgeBand::Teen => Night { from_min: 22 * 60, until_min: 6 * 60 },
            AgeBand::Unknown | AgeBand::Adult => Night::default(),
        };
        Limits {
            daily_min: if minor { 60 } else { 0 },
            at_daily: if minor { strict } else { Measure::Remind },
            break_min: if minor { 30 } else { 60 },
            at_break: if minor { Measure::Pause } else { Measure::Remind },
            night,
            at_night: if minor { strict } else { Measure::Remind },
            autoplay: !minor,
            endless: !minor,
            push: !minor,
            recap: true,
        }
    }

    /// Whether these allow anything that `strict` does not.
    #[must_use]
    pub fn loosen(&self, strict: &Limits) -> bool {
        let longer = |new: u16, old: u16| old != 0 && (new == 0 || new > old);
        let awake = |minute: u16| strict.night.covers(minute) && !self.night.covers(minute);
        longer(self.daily_min, strict.daily_min)
            || (strict.daily_min != 0 && self.at_daily < strict.at_daily)
            || longer(self.break_min, strict.break_min)
            || (strict.break_min != 0 && self.at_break < strict.at_break)
            || (0..DAY_MIN).any(awake)
            || (strict.night.is_set() && self.at_night < strict.at_night)
            || (self.autoplay && !strict.autoplay)
            || (self.endless && !strict.endless)
            || (self.push && !strict.push)
            || (!self.recap && strict.recap)
    }
}

/// What was chosen; what was not follows the policy, also when the policy changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// See [`Limits::daily_min`].
    pub daily_min: Option<u16>,
    /// See [`Limits::at_daily`].
    pub at_daily: Option<Measure>,
    /// See [`Limits::break_min`].
    pub break_min: Option<u16>,
    /// See [`Limits::at_break`].
    pub at_break: Option<Measure>,
    /// See [`Limits::night`].
    pub night: Option<Night>,
    /// See [`Limits::at_night`].
    pub at_night: Option<Measure>,
    /// See [`Limits::autoplay`].
    pub autoplay: Option<bool>,
    /// See [`Limits::endless`].
    pub endless: Option<bool>,
    /// See [`Limits::push`].
    pub push: Option<bool>,
    /// See [`Limits::recap`].
    pub recap: Option<bool>,
}

impl Choices {
    /// Whether the bounds are kept.
    ///
    /// # Errors
    /// Which one is not.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.daily_min.is_some_and(|min| min > DAY_MIN) {
            return Err(LimitsError::Daily);
        }
        if self.break_min.is_some_and(|min| min != 0 && !(5..=240).contains(&min)) {
            return Err(LimitsError::Break);
        }
        match self.night {
            Some(Night { from_min, until_min }) if from_min.max(until_min) >= DAY_MIN => {
                Err(LimitsError::Night)
            }
            _ => Ok(()),
        }
    }

    /// What holds when these are chosen over a policy.
    #[must_use]
    pub fn over(&self, policy: Limits) -> Limits {
        Limits {
            daily_min: self.daily_min.unwrap_or(policy.daily_min),
            at_daily: self.at_daily.unwrap_or(policy.at_daily),
            break_min: self.break_min.unwrap_or(policy.break_min),
            at_break: self.at_break.unwrap_or(policy.at_break),
            night: self.night.unwrap_or(policy.night),
            at_night: self.at_night.unwrap_or(policy.at_night),
            autoplay: self.autoplay.unwrap_or(policy.autoplay),
            endless: self.endless.unwrap_or(policy.endless),
            push: self.push.unwrap_or(policy.push),
            recap: self.recap.unwrap_or(policy.recap),
        }
    }
}
