//! Who may loosen limits: attempts at a passcode, counted before they are checked.
//!
//! The hash is computed at the edge. An attempt is written down as failed first and forgiven when it matches, so that
//! ending the process in between buys no guess. Waits run by time that passed for sure, so turning the clock does not
//! shorten them, and neither does starting anew.

use serde::{Deserialize, Serialize};

/// Wrong guesses before the first wait: a person who mistypes is not kept waiting.
pub const FREE_GUESSES: u32 = 4;
/// Milliseconds for which a passcode that was given right lets limits be loosened: long enough to change a few.
pub const UNLOCKED_MS: u64 = 120_000;
/// Waits after the fifth wrong guess and each further one, in milliseconds; the last one stays. As phones do it: 1, 5 and
/// 15 minutes, an hour, then four and eight. Ten thousand guesses take nine years.
const WAITS: [u64; 6] = [60_000, 300_000, 900_000, 3_600_000, 14_400_000, 28_800_000];
/// Longest text of a salt or a hash.
const TEXT_BYTES: usize = 128;

/// A passcode as it is kept: never itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// How it was hashed, by name.
    pub method: String,
    /// Rounds of it.
    pub rounds: u32,
    /// Salt, in hexadecimal.
    pub salt: String,
    /// Hash, in hexadecimal.
    pub hash: String,
}

impl Hashed {
    pub(super) fn fits(&self) -> bool {
        [&self.method, &self.salt, &self.hash].iter().all(|text| text.len() <= TEXT_BYTES)
    }
}

/// An attempt that may be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What to compare with.
    pub hashed: Hashed,
}

/// Why no attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// There is no passcode.
    #[error("no passcode is set")]
    NotSet,
    /// Too many were wrong; wait.
    #[error("too many wrong passcodes; wait {wait_ms} ms")]
    Wait {
        /// Milliseconds.
        wait_ms: u64,
    },
}

/// What an app shows of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardView {
    /// Whether there is a passcode.
    pub is_set: bool,
    /// Whether it was given a moment ago, so that limits may be loosened.
    pub unlocked: bool,
    /// Wrong guesses in a row.
    pub wrong: u32,
    /// Milliseconds until the next guess.
    pub wait_ms: u64,
}

/// The guard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Guard {
    pub(super) hashed: Option<Hashed>,
    wrong: u32,
    wait_ms: u64,
    #[serde(skip)]
    unlocked_ms: u64,
}

impl Guard {
    pub(super) fn pass(&mut self, sure: u64) {
        self.wait_ms = self.wait_ms.saturating_sub(sure);
        self.unlocked_ms = self.unlocked_ms.saturating_sub(sure);
    }

    /// Counts an attempt as wrong and says what to compare it with.
    pub(super) fn begin(&mut self) -> Result<Attempt, GuardError> {
        let hashed = self.hashed.clone().ok_or(GuardError::NotSet)?;
        if self.wait_ms > 0 {
            return Err(GuardError::Wait { wait_ms: self.wait_ms });
        }
        self.wrong = self.wrong.saturating_add(1);
        if let Some(over) = self.wrong.checked_sub(FREE_GUESSES + 1) {
            let step = usize::try_from(over).unwrap_or(usize::MAX).min(WAITS.len() - 1);
            self.wait_ms = WAITS.get(step).copied().unwrap_or_default();
        }
        Ok(Attempt { hashed })
    }

    /// The attempt matched, or did not.
    pub(super) fn end(&mut self, matched: bool) {
        if matched {
            (self.wrong, self.wait_ms, self.unlocked_ms) = (0, 0, UNLOCKED_MS);
        }
    }

    pub(super) fn lock(&mut self) {
        self.unlocked_ms = 0;
    }

    pub(super) fn is_unlocked(&self) -> bool {
        self.unlocked_ms > 0
    }

    pub(super) fn view(&self) -> GuardView {
        GuardView {
            is_set: self.hashed.is_some(),
            unlocked: self.is_unlocked(),
            wrong: self.wrong,
            wait_ms: self.wait_ms,
        }
    }
}
