//! The machine: what was watched, what that means for the next card, and who may change it.

use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, Moment, Passed};
use super::guard::{Attempt, Guard, GuardError, GuardView, Hashed};
use super::ledger::{Ledger, Recap, monday};
use super::limits::{Choices, Limits, LimitsError, Measure};
use crate::safety::AgeBand;

/// Milliseconds a [`Measure::Pause`] lasts: long enough to put the phone down, short enough to be left on.
pub const PAUSE_MS: u64 = 30_000;
/// Milliseconds without a picture that count as a rest, and that a stop for a break lasts.
pub const REST_MS: u64 = 300_000;
/// Milliseconds of video after which a limit that was passed is told again.
pub const REPEAT_MS: u64 = 900_000;
/// Cards between two break cards where pages are not endless: a page of the backend, nearly.
pub const PAGE_CARDS: u32 = 10;
/// Milliseconds that are promised on disk before they are counted: a kill counts up to so many too much, and never one
/// too few.
pub const AHEAD_MS: u64 = 5_000;
/// Most minutes that can be allowed at once.
const MORE_MIN: u16 = 240;

/// Why there is a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A page came to its end, and pages are not endless.
    Page,
    /// A rest is due.
    Break,
    /// The day's limit is reached.
    Daily,
    /// It is time to sleep.
    Night,
}

/// The card that stands in the place of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// Grows with every break.
    pub number: u64,
    /// Why.
    pub cause: Cause,
    /// What it takes to go on.
    pub measure: Measure,
    /// Milliseconds until the person may go on; 0 when they may.
    pub opens_in_ms: u64,
    /// Milliseconds watched today.
    pub today_ms: u64,
    /// Milliseconds watched since the last rest.
    pub stretch_ms: u64,
    /// Whether somebody who knows the passcode can allow more now.
    pub passcode_opens: bool,
}

/// What can be done where a break stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Put the phone down.
    Leave,
    /// Wait until it opens.
    Wait,
    /// Go on: the next swipe passes it.
    GoOn,
    /// Give the guardian's passcode, and allow more.
    AllowMore,
}

impl Break {
    /// What the card offers, in the order it is shown.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let on = if self.opens_in_ms > 0 { Action::Wait } else { Action::GoOn };
        let more = (self.passcode_opens && self.opens_in_ms > 0).then_some(Action::AllowMore);
        [Some(Action::Leave), Some(on), more].into_iter().flatten().collect()
    }
}

/// What [`Wellbeing::handle_watched`] and [`Wellbeing::review`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// A break began that ends playing at once.
    pub began: Option<Break>,
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WellbeingError {
    /// A bound is broken.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// It would loosen what is guarded; the passcode must be given first, or set where there is none.
    #[error("guarded: the passcode comes first")]
    Guarded {
        /// Whether there is a passcode.
        is_set: bool,
    },
}

/// Everything an app shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WellbeingView {
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
    pub choices: Choices,
    /// Whether loosening takes the passcode.
    pub guarded: bool,
    /// The passcode.
    pub guard: GuardView,
    /// The break that stands.
    pub standing: Option<Break>,
    /// The Monday of a week that is over and was not shown yet, in days from 1970-01-01.
    pub recap_due: Option<i64>,
}

/// A break that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    number: u64,
    cause: Cause,
    measure: Measure,
    waited_ms: u64,
}

/// What is kept across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) choices: Choices,
    /// What holds at least, as somebody chose who knew the passcode.
    pub(super) floor: Option<Choices>,
    pub(super) calendar: Calendar,
    pub(super) ledger: Ledger,
    pub(super) guard: Guard,
    standing: Option<Standing>,
    /// Counted time from which on the day's limit is told again.
    daily_next: u64,
    night_next: u64,
    /// Allowed beyond the day's limit today.
    extra_ms: u64,
    /// Allowed in the night from now on.
    awake_ms: u64,
    cards: u32,
    breaks: u64,
    recap_seen: i64,
}

/// The machine of one person.
#[derive(Debug, Clone)]
pub struct Wellbeing {
    pub(super) age: AgeBand,
    pub(super) state: State,
    /// Counted time that the disk knows of, or will even after a kill.
    pub(super) promised_ms: u64,
    pub(super) changed: bool,
}

impl Wellbeing {
    /// A person who watched nothing yet.
    #[must_use]
    pub fn new(age: AgeBand, now: Moment) -> Self {
        let mut fresh = Wellbeing { age, state: State::default(), promised_ms: 0, changed: true };
        fresh.pass(now);
        fresh.state.recap_seen = monday(fresh.state.calendar.date());
        fresh
    }

    /// Time passed, and this much was rendered since the last report. Says whether a break began that ends playing.
    pub fn handle_watched(&mut self, now: Moment, rendered_ms: u64) -> Change {
        let after = self.pass(now);
        let night = self.is_night();
        self.state.ledger.watch(rendered_ms, after, night);
        self.judge()
    }

    /// Time passed. Says whether a break began that ends playing.
    pub fn review(&mut self, now: Moment) -> Change {
        self.pass(now);
        self.judge()
    }

    /// A server said what time it is, in milliseconds since 1970: what passed while the device was off counts, and what its
    /// clock only claimed is paid back.
    pub fn handle_server_time(&mut self, now: Moment, unix_ms: i64) {
        self.pass(now);
        let (settled, news) = self.state.calendar.settle(unix_ms);
        // A server agrees with every answer; only what it changes is worth a write.
        self.changed |= news;
        self.took(settled);
    }

    /// The person wants to go on: with the next card, or with the one that stands. A break stands in its place, or nothing.
    pub fn handle_go_on(&mut self, now: Moment) -> Option<Break> {
        self.pass(now);
        if let Some(standing) = self.state.standing {
            if self.opens_in(&standing) > 0 {
                return self.standing();
            }
            self.end(standing);
        }
        let (cause, measure) = self.due()?;
        self.begin(cause, measure);
        self.standing()
    }

    /// A card became current by a swipe forward.
    pub fn handle_moved(&mut self) {
        self.state.cards = self.state.cards.saturating_add(1);
    }

    /// The break that stands.
    #[must_use]
    pub fn standing(&self) -> Option<Break> {
        let standing = self.state.standing?;
        let lasts = matches!(standing.cause, Cause::Daily | Cause::Night);
        Some(Break {
            number: standing.number,
            cause: standing.cause,
            measure: standing.measure,
            opens_in_ms: self.opens_in(&standing),
            today_ms: self.state.ledger.today_ms(),
            stretch_ms: self.state.ledger.stretch_ms,
            passcode_opens: lasts && self.state.guard.hashed.is_some(),
        })
    }

    /// Replaces what was chosen.
    ///
    /// # Errors
    /// [`WellbeingError::Limits`]; [`WellbeingError::Guarded`] for what would allow more than is guarded. Nothing is
    /// changed then.
    pub fn choose(&mut self, now: Moment, choices: Choices) -> Result<(), WellbeingError> {
        choices.check()?;
        self.pass(now);
        let policy = Limits::of_age(self.age);
        if self.is_guarded() && !self.state.guard.is_unlocked() {
            // A floor never falls behind what the policy says today, unless somebody with the passcode said so.
            if choices.over(policy).loosen(&self.state.floor.unwrap_or_default().over(policy)) {
                return Err(self.guarded());
            }
        } else {
            self.state.floor = Some(choices);
        }
        self.state.choices = choices;
        self.changed = true;
        Ok(())
    }

    /// Whether the age may be set to this now.
    ///
    /// # Errors
    /// [`WellbeingError::Guarded`] where that would allow a minor more.
    pub fn may_be(&mut self, now: Moment, age: AgeBand) -> Result<(), WellbeingError> {
        self.pass(now);
        let looser = Limits::of_age(age).loosen(&Limits::of_age(self.age));
        let locked = self.is_guarded() && !self.state.guard.is_unlocked();
        if looser && locked { Err(self.guarded()) } else { Ok(()) }
    }

    /// The person is of this age. The caller asked [`may_be`](Wellbeing::may_be). What was chosen before stays where the
    /// passcode was given, or where it allows nothing that the policy does not for this age.
    pub fn set_age(&mut self, now: Moment, age: AgeBand) {
        self.pass(now);
        if std::mem::replace(&mut self.age, age) == age {
            return;
        }
        let policy = Limits::of_age(age);
        if !self.state.guard.is_unlocked() {
            self.state.floor = None;
            if self.is_guarded() && self.state.choices.over(policy).loosen(&policy) {
                self.state.choices = Choices::default();
            }
        }
        self.changed = true;
    }

    /// Allows so many minutes from now on, today and in this night, whatever the limits say.
    ///
    /// # Errors
    /// [`WellbeingError::Guarded`] without the passcode.
    pub fn allow_more(&mut self, now: Moment, minutes: u16) -> Result<(), WellbeingError> {
        self.pass(now);
        if self.is_guarded() && !self.state.guard.is_unlocked() {
            return Err(self.guarded());
        }
        let more = u64::from(minutes.min(MORE_MIN)) * 60_000;
        let limit = u64::from(self.limits().daily_min) * 60_000;
        let over = self.state.ledger.today_ms().saturating_sub(limit);
        self.state.extra_ms = self.state.extra_ms.max(over.saturating_add(more));
        self.state.awake_ms = more;
        self.changed = true;
        Ok(())
    }

    /// Sets, replaces or takes away the passcode. Where there is none anybody may set one, so the app sees to it that it is
    /// the guardian; from then on it takes the old one.
    ///
    /// # Errors
    /// [`WellbeingError::Guarded`] while there is one that was not given.
    pub fn set_passcode(&mut self, now: Moment, hashed: Option<Hashed>) -> Result<(), WellbeingError> {
        self.pass(now);
        let guard = &mut self.state.guard;
        if guard.hashed.is_some() && !guard.is_unlocked() {
            return Err(self.guarded());
        }
        guard.hashed = hashed;
        guard.lock();
        // What holds now is what the guardian leaves.
        self.state.floor = Some(self.state.choices);
        self.changed = true;
        Ok(())
    }

    /// Somebody gives a passcode: counts the attempt, which must be on disk before it is checked.
    ///
    /// # Errors
    /// [`GuardError::NotSet`], [`GuardError::Wait`].
    pub fn begin_attempt(&mut self, now: Moment) -> Result<Attempt, GuardError> {
        self.pass(now);
        let attempt = self.state.guard.begin()?;
        self.changed = true;
        Ok(attempt)
    }

    /// The attempt matched, or did not; with a match limits may be loosened for [`UNLOCKED_MS`](super::UNLOCKED_MS).
    pub fn end_attempt(&mut self, now: Moment, matched: bool) {
        self.pass(now);
        self.state.guard.end(matched);
        self.changed = true;
    }

    /// Ends what a passcode opened.
    pub fn lock(&mut self) {
        self.state.guard.lock();
    }

    /// What the week of a date came to.
    #[must_use]
    pub fn recap(&self, date: i64) -> Recap {
        self.state.ledger.week(monday(date))
    }

    /// The recap that was due was shown.
    pub fn recap_shown(&mut self) {
        self.state.recap_seen = monday(self.state.calendar.date());
        self.changed = true;
    }

    /// What holds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.state.choices.over(Limits::of_age(self.age))
    }

    /// The age that holds.
    #[must_use]
    pub fn age(&self) -> AgeBand {
        self.age
    }

    /// Everything an app shows.
    #[must_use]
    pub fn view(&self) -> WellbeingView {
        let week = monday(self.state.calendar.date());
        let limits = self.limits();
        WellbeingView {
            total_ms: self.state.ledger.total_ms,
            today_ms: self.state.ledger.today_ms(),
            stretch_ms: self.state.ledger.stretch_ms,
            day_ends_in_ms: self.state.calendar.ends_in(),
            limits,
            policy: Limits::of_age(self.age),
            choices: self.state.choices,
            guarded: self.is_guarded(),
            guard: self.state.guard.view(),
            standing: self.standing(),
            recap_due: (limits.recap && self.state.recap_seen < week).then_some(week - 7),
        }
    }

    /// Whether the record should be written now: something changed, what was promised runs out, or more is promised than
    /// was watched although nobody watches any more.
    #[must_use]
    pub fn wants_saving(&self) -> bool {
        let ledger = &self.state.ledger;
        let left = self.promised_ms.saturating_sub(ledger.total_ms);
        let watching = ledger.idle_ms < AHEAD_MS && ledger.total_ms > 0;
        self.changed || if watching { left < AHEAD_MS / 2 } else { left > 0 }
    }

    fn is_guarded(&self) -> bool {
        self.state.guard.hashed.is_some() || matches!(self.age, AgeBand::Under16 | AgeBand::Teen)
    }

    fn guarded(&self) -> WellbeingError {
        WellbeingError::Guarded { is_set: self.state.guard.hashed.is_some() }
    }

    /// Takes in a moment; gives what lies in the new day where one began.
    pub(super) fn pass(&mut self, now: Moment) -> Option<u64> {
        let passed = self.state.calendar.observe(now);
        self.took(passed)
    }

    fn took(&mut self, passed: Passed) -> Option<u64> {
        let state = &mut self.state;
        state.ledger.pass(passed, state.calendar.date(), REST_MS);
        state.guard.pass(passed.sure);
        state.awake_ms = state.awake_ms.saturating_sub(passed.sure);
        if let Some(standing) = &mut state.standing {
            standing.waited_ms = standing.waited_ms.saturating_add(passed.sure);
        }
        if passed.new_day.is_some() {
            (state.extra_ms, state.daily_next) = (0, 0);
            self.changed = true;
        }
        if !self.is_night() {
            self.state.night_next = 0;
        }
        passed.new_day
    }

    fn is_night(&self) -> bool {
        let night = self.limits().night;
        self.state.calendar.minutes().into_iter().any(|minute| night.covers(minute))
    }

    /// The strictest of what is due.
    fn due(&self) -> Option<(Cause, Measure)> {
        let (state, limits) = (&self.state, self.limits());
        let ledger = &state.ledger;
        let told = |measure: Measure, next: u64| measure == Measure::Stop || ledger.total_ms >= next;
        let limit = u64::from(limits.daily_min) * 60_000;
        let daily = limit > 0
            && ledger.today_ms() >= limit.saturating_add(state.extra_ms)
            && told(limits.at_daily, state.daily_next);
        let night = self.is_night() && state.awake_ms == 0 && told(limits.at_night, state.night_next);
        let rest = limits.break_min > 0 && ledger.stretch_ms >= u64::from(limits.break_min) * 60_000;
        let page = !limits.endless && state.cards >= PAGE_CARDS;
        let all = [
            page.then_some((Measure::Remind, Cause::Page)),
            rest.then_some((limits.at_break, Cause::Break)),
            daily.then_some((limits.at_daily, Cause::Daily)),
            night.then_some((limits.at_night, Cause::Night)),
        ];
        all.into_iter().flatten().max().map(|(measure, cause)| (cause, measure))
    }

    /// Milliseconds until a break may be left.
    fn opens_in(&self, standing: &Standing) -> u64 {
        let state = &self.state;
        match (standing.measure, standing.cause) {
            (Measure::Remind, _) => 0,
            (Measure::Pause, _) => PAUSE_MS.saturating_sub(standing.waited_ms),
            _ if !self.holds(standing.cause) => 0,
            (_, Cause::Break | Cause::Page) => REST_MS.saturating_sub(state.ledger.idle_ms).max(1),
            (_, Cause::Daily) => state.calendar.ends_in().max(1),
            (_, Cause::Night) => {
                let night = self.limits().night;
                let minutes = state.calendar.minutes().into_iter().filter(|&minute| night.covers(minute));
                minutes.map(|minute| u64::from(night.left_min(minute)) * 60_000).max().unwrap_or(1)
            }
        }
    }

    /// Whether what led to a stop still stops.
    fn holds(&self, cause: Cause) -> bool {
        let (state, limits) = (&self.state, self.limits());
        let limit = u64::from(limits.daily_min) * 60_000;
        match cause {
            Cause::Page => false,
            Cause::Break => state.ledger.stretch_ms > 0 && state.ledger.idle_ms < REST_MS,
            Cause::Daily => limit > 0 && state.ledger.today_ms() >= limit.saturating_add(state.extra_ms),
            Cause::Night => self.is_night() && state.awake_ms == 0,
        }
    }

    /// Begins what ends playing at once.
    fn judge(&mut self) -> Change {
        let strict = self.due().filter(|(_, measure)| *measure >= Measure::Pause);
        match (strict, self.state.standing) {
            (Some((_, measure)), Some(standing)) if measure <= standing.measure => Change::default(),
            (Some((cause, measure)), _) => {
                self.begin(cause, measure);
                Change { began: self.standing() }
            }
            (None, _) => Change::default(),
        }
    }

    fn begin(&mut self, cause: Cause, measure: Measure) {
        self.state.breaks += 1;
        let number = self.state.breaks;
        self.state.standing = Some(Standing { number, cause, measure, waited_ms: 0 });
        if let Some(today) = self.state.ledger.days.back_mut() {
            today.breaks = today.breaks.saturating_add(1);
        }
        self.changed = true;
    }

    fn end(&mut self, standing: Standing) {
        let again = self.state.ledger.total_ms.saturating_add(REPEAT_MS);
        let holds = self.holds(standing.cause);
        match standing.cause {
            Cause::Page => self.state.cards = 0,
            Cause::Break => self.state.ledger.stretch_ms = 0,
            Cause::Daily if holds => self.state.daily_next = again,
            Cause::Night if holds => self.state.night_next = again,
            Cause::Daily | Cause::Night => {}
        }
        self.state.standing = None;
        self.changed = true;
    }
}
