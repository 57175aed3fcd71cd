//! How long a person watches, and what the core does about it: limits, breaks, nights, and a guardian's passcode.
//!
//! [`Wellbeing`] is told what the clocks say and what was rendered, and is asked before every card. It answers with a
//! [`Break`] in the card's place, which no shell can pass: `Remind` once, `Pause` for half a minute, `Stop` until its cause
//! is over. Time is never read here; a [`Moment`] is an argument.
//!
//! Counted time never decreases. What ends a day is time that has passed by the monotonic clock, not what the wall clock
//! or the zone is set to: a change of either may put the end of a day off and never bring it nearer, save for the hour of
//! summer time, and no two days end within [`SHORTEST_DAY_MS`] of each other. While the device is off only the wall clock
//! passes: what it claims ends a day at most every [`CLAIM_EVERY_MS`], and is settled when a server says what time it is. What a kill could lose is promised on disk
//! before it is counted.

mod calendar;
mod claims;
mod guard;
mod ledger;
mod limits;
mod machine;
mod record;
#[cfg(test)]
mod tests;

pub use calendar::{DAY_MS, Moment, Passed, SHORTEST_DAY_MS};
pub use claims::CLAIM_EVERY_MS;
pub use guard::{Attempt, FREE_GUESSES, GuardError, GuardView, Hashed, UNLOCKED_MS};
pub use ledger::{CREDIT_MS, DAYS, Day, Recap};
pub use limits::{Choices, Limits, LimitsError, Measure, Night};
pub use machine::{
    AHEAD_MS, Action, Break, Cause, Change, PAGE_CARDS, PAUSE_MS, REPEAT_MS, REST_MS, Wellbeing,
    WellbeingError, WellbeingView,
};
pub use record::{RECORD_BYTES, RecordError};
