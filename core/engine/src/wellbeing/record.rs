//! The record that outlives the process: versioned, bounded, and never behind what was shown.

use serde::{Deserialize, Serialize};

use super::calendar::{DAY_MS, Moment};
use super::ledger::DAYS;
use super::machine::{AHEAD_MS, State, Wellbeing};
use crate::safety::AgeBand;

/// Longest record in bytes; 36 days take some three thousand.
pub const RECORD_BYTES: usize = 16 * 1024;
/// The version that is written.
const VERSION: u32 = 1;

/// Why a record is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is longer than [`RECORD_BYTES`].
    #[error("the record has {0} bytes")]
    TooLong(usize),
    /// A newer core wrote it.
    #[error("the record has version {0}")]
    Version(u32),
    /// It cannot be read, or breaks a bound.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    /// Counted by whoever reads this, because the writer may have counted it after writing.
    ahead_ms: u64,
    age: AgeBand,
    state: State,
}

impl Wellbeing {
    /// The record. With `watching` it promises [`AHEAD_MS`] more than was counted, without it is exact: for when nothing
    /// plays, and for the last one of a session.
    ///
    /// # Errors
    /// [`RecordError::Damaged`] when it cannot be written as text, which cannot happen to numbers and short texts.
    pub fn record(&mut self, watching: bool) -> Result<String, RecordError> {
        let ahead_ms = if watching { AHEAD_MS } else { 0 };
        let record = Record { version: VERSION, ahead_ms, age: self.age, state: self.state.clone() };
        let text = serde_json::to_string(&record).map_err(|e| RecordError::Damaged(e.to_string()))?;
        self.promised_ms = self.state.ledger.total_ms.saturating_add(ahead_ms);
        self.changed = false;
        Ok(text)
    }

    /// What was promised did not reach the disk: it is to be written again.
    pub fn handle_unsaved(&mut self) {
        self.promised_ms = 0;
        self.changed = true;
    }

    /// Whether somebody watched in the last seconds, so that a record should promise ahead.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        let ledger = &self.state.ledger;
        ledger.total_ms > 0 && ledger.idle_ms < AHEAD_MS
    }

    /// Takes up what an earlier process left, of a person of this age; an age that would loosen what is guarded is not believed.
    ///
    /// # Errors
    /// [`RecordError`]; the caller begins anew then.
    pub fn restore(text: &str, age: AgeBand, now: Moment) -> Result<Self, RecordError> {
        if text.len() > RECORD_BYTES {
            return Err(RecordError::TooLong(text.len()));
        }
        let damaged = |why: &dyn std::fmt::Display| RecordError::Damaged(why.to_string());
        let record: Record = serde_json::from_str(text).map_err(|e| damaged(&e))?;
        if record.version != VERSION {
            return Err(RecordError::Version(record.version));
        }
        let Record { ahead_ms, age: before, mut state, .. } = record;
        for choices in [Some(state.choices), state.floor].into_iter().flatten() {
            choices.check().map_err(|e| damaged(&e))?;
        }
        if state.ledger.days.len() > DAYS || state.guard.hashed.as_ref().is_some_and(|h| !h.fits()) {
            return Err(damaged(&"too long"));
        }
        if state.calendar.ends_in() > 2 * DAY_MS || ahead_ms > AHEAD_MS {
            return Err(damaged(&"a day that is too long"));
        }
        state.ledger.add(ahead_ms, ahead_ms, false);
        // Nobody watches yet.
        state.ledger.idle_ms = state.ledger.idle_ms.max(AHEAD_MS);
        let promised_ms = state.ledger.total_ms;
        let mut restored = Wellbeing { age: before, state, promised_ms, changed: true };
        // Where the age got lost or was changed behind the guard, the one that was guarded holds on.
        if restored.may_be(now, age).is_ok() {
            restored.set_age(now, age);
        }
        Ok(restored)
    }
}
