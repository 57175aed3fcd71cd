//! A person's time: what was watched, limits, the card that stands in a video's place, and the guardian's passcode.

use std::sync::Arc;
use std::time::Duration;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::session::Unspool;

/// What happens when a limit is reached, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BreakMeasure {
    /// A break card stands in the place of one video; the next swipe passes it.
    Remind,
    /// Playing stops; half a minute later the person may go on.
    Pause,
    /// Playing stops until the cause is over, or until somebody who knows the passcode allows more.
    Stop,
}

/// Why there is a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BreakCause {
    /// A page came to its end, and pages are not endless.
    Page,
    /// A rest is due.
    Rest,
    /// The day's limit is reached.
    Daily,
    /// It is time to sleep.
    Night,
}

/// What can be done where a break stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum BreakAction {
    /// Put the phone down.
    Leave,
    /// Wait until it opens.
    Wait,
    /// Go on: `next` or `previous` passes it, and so does playing the card that stands.
    GoOn,
    /// Give the guardian's passcode with `givePasscode`, then call `allowMore`.
    AllowMore,
}

/// The card that stands in the place of a video.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BreakCard {
    /// Grows with every break.
    pub number: u64,
    /// Why.
    pub cause: BreakCause,
    /// What it takes to go on.
    pub measure: BreakMeasure,
    /// Milliseconds until the person may go on; 0 when they may.
    pub opens_in_ms: u64,
    /// Milliseconds watched today.
    pub today_ms: u64,
    /// Milliseconds watched since the last rest.
    pub stretch_ms: u64,
    /// Whether somebody who knows the passcode can allow more now.
    pub passcode_opens: bool,
    /// What it offers, in the order it is shown.
    pub actions: Vec<BreakAction>,
}

/// Hours in which the person wants to sleep, in minutes after midnight; over midnight where `from_min` is the later one, none
/// where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Night {
    /// Begins, 0 to 1,439.
    pub from_min: u32,
    /// Is over, 0 to 1,439.
    pub until_min: u32,
}

/// Limits that hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Limits {
    /// Minutes of video a day; 0 for no limit.
    pub daily_min: u32,
    /// What happens then.
    pub at_daily: BreakMeasure,
    /// Minutes of video without a rest after which one is due; 0 for none.
    pub break_min: u32,
    /// What happens then.
    pub at_break: BreakMeasure,
    /// When the person wants to sleep.
    pub night: Night,
    /// What happens then.
    pub at_night: BreakMeasure,
    /// Whether a card plays without a tap.
    pub autoplay: bool,
    /// Whether cards follow each other without end; otherwise a break card stands after every page.
    pub endless: bool,
    /// Whether the app may send notifications to bring the person back. The app keeps to it.
    pub push: bool,
    /// Whether the person is shown what a week came to.
    pub recap: bool,
}

/// Limits that were chosen; what was not follows the policy for the person's age, also when the policy changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct LimitChoices {
    /// Minutes of video a day, up to 1,440; 0 for no limit.
    #[uniffi(default = None)]
    pub daily_min: Option<u32>,
    /// What happens then.
    #[uniffi(default = None)]
    pub at_daily: Option<BreakMeasure>,
    /// Minutes of video without a rest after which one is due, 0 or 5 to 240; 0 for none.
    #[uniffi(default = None)]
    pub break_min: Option<u32>,
    /// What happens then.
    #[uniffi(default = None)]
    pub at_break: Option<BreakMeasure>,
    /// When the person wants to sleep.
    #[uniffi(default = None)]
    pub night: Option<Night>,
    /// What happens then.
    #[uniffi(default = None)]
    pub at_night: Option<BreakMeasure>,
    /// Whether a card plays without a tap.
    #[uniffi(default = None)]
    pub autoplay: Option<bool>,
    /// Whether cards follow each other without end.
    #[uniffi(default = None)]
    pub endless: Option<bool>,
    /// Whether the app may send notifications to bring the person back.
    #[uniffi(default = None)]
    pub push: Option<bool>,
    /// Whether the person is shown what a week came to.
    #[uniffi(default = None)]
    pub recap: Option<bool>,
}

/// What an app shows of the guardian's passcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct PasscodeState {
    /// Whether there is one.
    pub is_set: bool,
    /// Whether it was given a moment ago, so that limits may be loosened.
    pub unlocked: bool,
    /// Wrong guesses in a row.
    pub wrong: u32,
    /// Milliseconds until the next guess.
    pub wait_ms: u64,
}

/// What was watched, what holds, and the break that stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct WellbeingState {
    /// Grows with every change, a second of watching among them; ask with it for the next one.
    pub revision: u64,
    /// Milliseconds watched ever.
    pub total_ms: u64,
    /// Milliseconds watched today.
    pub today_ms: u64,
    /// Milliseconds watched since the last rest.
    pub stretch_ms: u64,
    /// Milliseconds until the day ends.
    pub day_ends_in_ms: u64,
    /// What holds.
    pub limits: Limits,
    /// What the policy says for this age.
    pub policy: Limits,
    /// What was chosen.
    pub chosen: LimitChoices,
    /// Whether loosening takes the passcode.
    pub guarded: bool,
    /// The passcode.
    pub passcode: PasscodeState,
    /// The break that stands.
    pub standing: Option<BreakCard>,
    /// The Monday of a week that is over and was not shown yet, in days from 1970-01-01, for `recap`.
    pub recap_due: Option<i64>,
}

/// What a week came to, beside the one before.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct WeekRecap {
    /// The Monday it begins with, in days from 1970-01-01.
    pub monday: i64,
    /// Milliseconds watched on each of seven days, Monday first.
    pub days_ms: Vec<u64>,
    /// Of all of them, in the night.
    pub night_ms: u64,
    /// Break cards shown.
    pub breaks: u32,
    /// Milliseconds watched in the week before.
    pub before_ms: u64,
}

#[uniffi::export]
impl Unspool {
    /// What was watched, what holds, and the break that stands, without waiting.
    #[must_use]
    pub fn wellbeing(&self) -> WellbeingState {
        self.core.wellbeing().into()
    }

    /// Waits for a state newer than `revision`. Asking again after a cancelled wait loses nothing.
    #[uniffi::method(default(cancel = None))]
    pub async fn wellbeing_after(
        &self,
        revision: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<WellbeingState, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.wellbeing_after(revision)).await?.into())
    }

    /// Replaces the limits that were chosen. On disk when it returns, never sent, and in force at once. Somebody under age
    /// may be stricter than the policy, and looser only after `givePasscode`; with a passcode that goes for everybody.
    /// Fails with `Config` when a bound is broken and with `Guarded` for what takes the passcode, and changes nothing then.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_limits(
        &self,
        choices: LimitChoices,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_limits(choices.into())).await
    }

    /// Sets, replaces or takes away the guardian's passcode, 4 to 64 bytes of any text. Where there is none anybody may set
    /// one, so the app sees to it that it is the guardian; from then on it takes the old one, given with `givePasscode`.
    /// It is kept salted and hashed slowly; nobody can read it. Fails with `Config` for another length and with `Guarded`.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_passcode(
        &self,
        code: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_passcode(code.as_deref())).await
    }

    /// Somebody gives the passcode: for two minutes limits and age may be loosened. After four wrong ones each further one
    /// makes the next wait, a minute at first and eight hours in the end; neither a restart nor the clock shortens that.
    /// Fails with `WrongPasscode`, which says how long to wait, and with `Config` where there is no passcode.
    #[uniffi::method(default(cancel = None))]
    pub async fn give_passcode(
        &self,
        code: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.give_passcode(&code)).await
    }

    /// Ends what the passcode opened. Returns at once.
    pub fn lock_limits(&self) {
        self.core.lock_limits();
    }

    /// Allows so many minutes, at most 240, from now on: today beyond the limit, and in this night. Fails with `Guarded` for
    /// what takes the passcode.
    #[uniffi::method(default(cancel = None))]
    pub async fn allow_more(
        &self,
        minutes: u32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.allow_more(short(minutes))).await
    }

    /// What the week of a date came to, without waiting; `date` in days from 1970-01-01, as `recapDue` names it. Five weeks
    /// are remembered.
    #[must_use]
    pub fn recap(&self, date: i64) -> WeekRecap {
        let unspool::Recap { monday, days_ms, night_ms, breaks, before_ms } = self.core.recap(date);
        WeekRecap { monday, days_ms: days_ms.to_vec(), night_ms, breaks, before_ms }
    }

    /// Says that the recap that was due was shown; the next one is due when this week is over.
    #[uniffi::method(default(cancel = None))]
    pub async fn recap_shown(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.recap_shown()).await
    }

    /// Says how far the local time is from UTC, in minutes to the east, now and whenever that changes: days, weeks and nights
    /// are those of the person. Remembered across sessions. Moving the zone gives no time back. Returns at once; fails with
    /// `Config` beyond 12 hours to the west or 14 to the east.
    pub fn set_utc_offset(&self, minutes: i32) -> Result<(), UnspoolError> {
        Ok(self.core.set_utc_offset(zone(minutes))?)
    }
}

/// What is beyond the type is beyond every bound too.
fn short(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// The same for an offset from UTC.
pub(crate) fn zone(minutes: i32) -> i16 {
    i16::try_from(minutes).unwrap_or(i16::MAX)
}

/// What is left of a wait, for an error.
pub(crate) fn opens(card: &BreakCard) -> String {
    match Duration::from_millis(card.opens_in_ms) {
        Duration::ZERO => "call again to pass it".to_owned(),
        wait => format!("call again in {} s", wait.as_millis().div_ceil(1_000)),
    }
}

impl From<unspool::Measure> for BreakMeasure {
    fn from(measure: unspool::Measure) -> Self {
        match measure {
            unspool::Measure::Remind => BreakMeasure::Remind,
            unspool::Measure::Pause => BreakMeasure::Pause,
            unspool::Measure::Stop => BreakMeasure::Stop,
        }
    }
}

impl From<BreakMeasure> for unspool::Measure {
    fn from(measure: BreakMeasure) -> Self {
        match measure {
            BreakMeasure::Remind => unspool::Measure::Remind,
            BreakMeasure::Pause => unspool::Measure::Pause,
            BreakMeasure::Stop => unspool::Measure::Stop,
        }
    }
}

impl From<unspool::Break> for BreakCard {
    fn from(card: unspool::Break) -> Self {
        let offered = card.actions();
        let unspool::Break { number, cause, measure, opens_in_ms, today_ms, stretch_ms, passcode_opens } =
            card;
        let cause = match cause {
            unspool::BreakCause::Page => BreakCause::Page,
            unspool::BreakCause::Break => BreakCause::Rest,
            unspool::BreakCause::Daily => BreakCause::Daily,
            unspool::BreakCause::Night => BreakCause::Night,
        };
        let action = |action| match action {
            unspool::BreakAction::Leave => BreakAction::Leave,
            unspool::BreakAction::Wait => BreakAction::Wait,
            unspool::BreakAction::GoOn => BreakAction::GoOn,
            unspool::BreakAction::AllowMore => BreakAction::AllowMore,
        };
        let actions = offered.into_iter().map(action).collect();
        let measure = measure.into();
        BreakCard { number, cause, measure, opens_in_ms, today_ms, stretch_ms, passcode_opens, actions }
    }
}

impl From<unspool::Night> for Night {
    fn from(night: unspool::Night) -> Self {
        Night { from_min: night.from_min.into(), until_min: night.until_min.into() }
    }
}

impl From<Night> for unspool::Night {
    fn from(night: Night) -> Self {
        unspool::Night { from_min: short(night.from_min), until_min: short(night.until_min) }
    }
}

impl From<unspool::Limits> for Limits {
    fn from(limits: unspool::Limits) -> Self {
        let unspool::Limits {
            daily_min,
            at_daily,
            break_min,
            at_break,
            night,
            at_night,
            autoplay,
            endless,
            push,
            recap,
        } = limits;
        Limits {
            daily_min: daily_min.into(),
            at_daily: at_daily.into(),
            break_min: break_min.into(),
            at_break: at_break.into(),
            night: night.into(),
            at_night: at_night.into(),
            autoplay,
            endless,
            push,
            recap,
        }
    }
}

impl From<unspool::Choices> for LimitChoices {
    fn from(choices: unspool::Choices) -> Self {
        let unspool::Choices {
            daily_min,
            at_daily,
            break_min,
            at_break,
            night,
            at_night,
            autoplay,
            endless,
            push,
            recap,
        } = choices;
        LimitChoices {
            daily_min: daily_min.map(u32::from),
            at_daily: at_daily.map(BreakMeasure::from),
            break_min: break_min.map(u32::from),
            at_break: at_break.map(BreakMeasure::from),
            night: night.map(Night::from),
            at_night: at_night.map(BreakMeasure::from),
            autoplay,
            endless,
            push,
            recap,
        }
    }
}

impl From<LimitChoices> for unspool::Choices {
    fn from(choices: LimitChoices) -> Self {
        let LimitChoices {
            daily_min,
            at_daily,
            break_min,
            at_break,
            night,
            at_night,
            autoplay,
            endless,
            push,
            recap,
        } = choices;
        unspool::Choices {
            daily_min: daily_min.map(short),
            at_daily: at_daily.map(unspool::Measure::from),
            break_min: break_min.map(short),
            at_break: at_break.map(unspool::Measure::from),
            night: night.map(unspool::Night::from),
            at_night: at_night.map(unspool::Measure::from),
            autoplay,
            endless,
            push,
            recap,
        }
    }
}

impl From<unspool::WellbeingState> for WellbeingState {
    fn from(state: unspool::WellbeingState) -> Self {
        let unspool::WellbeingState { revision, view } = state;
        let unspool::GuardView { is_set, unlocked, wrong, wait_ms } = view.guard;
        WellbeingState {
            revision,
            total_ms: view.total_ms,
            today_ms: view.today_ms,
            stretch_ms: view.stretch_ms,
            day_ends_in_ms: view.day_ends_in_ms,
            limits: view.limits.into(),
            policy: view.policy.into(),
            chosen: view.choices.into(),
            guarded: view.guarded,
            passcode: PasscodeState { is_set, unlocked, wrong, wait_ms },
            standing: view.standing.map(BreakCard::from),
            recap_due: view.recap_due,
        }
    }
}
