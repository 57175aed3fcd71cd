//! What the wall clock says of the time a device was switched off, and what servers say of it.
//!
//! Nobody sees that time pass: whoever starts the device anew may have turned the clock meanwhile. A claim is believed at
//! once, because a morning without a network is a morning too; but a day that ended by one is the last that does for
//! [`CLAIM_EVERY_MS`] of time that passes for sure, unless servers agree. A server's time settles the account: since it spoke
//! last so much passed for sure, so much was believed, and so much really passed.

use serde::{Deserialize, Serialize};

use super::calendar::{DAY_MS, SLACK_MS};

/// Milliseconds of sure time between two days that end by claims alone: half a day. Who switches the device off every night
/// and never has a network still has every morning; who turns the clock gains a day for half a day of waiting, and pays for
/// it when a server is heard.
pub const CLAIM_EVERY_MS: u64 = 12 * 3_600_000;

/// What a server's time says of the time that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It says nothing: the first word of one, or an old one.
    Nothing,
    /// It agrees.
    True,
    /// So much more passed.
    More(u64),
    /// So much of what was believed did not pass.
    Less(u64),
}

/// The account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The server's time, as far as it is known to have got since.
    proven_ms: Option<i64>,
    /// Believed since a server spoke.
    believed_ms: u64,
    /// Claimed and not believed.
    pending_ms: u64,
    /// Sure time until a claim is believed again.
    closed_ms: u64,
}

impl Claims {
    /// So much passed for sure, and so much more is claimed; gives what is believed of that.
    pub(super) fn pass(&mut self, sure: u64, claimed: u64) -> u64 {
        self.closed_ms = self.closed_ms.saturating_sub(sure);
        self.proven_ms = self.proven_ms.map(|proven| proven.saturating_add_unsigned(sure));
        if self.closed_ms > 0 {
            self.pending_ms = self.pending_ms.saturating_add(claimed);
            return 0;
        }
        self.believed_ms = self.believed_ms.saturating_add(claimed);
        claimed
    }

    /// A day ended by a claim.
    pub(super) fn spend(&mut self) {
        self.closed_ms = CLAIM_EVERY_MS;
    }

    /// What the wall clock is ahead by because it was not believed.
    pub(super) fn pending(&self) -> u64 {
        self.pending_ms
    }

    /// Whether the server's time is all that is another one: that goes on by itself.
    pub(super) fn differs_in_time_alone(&self, before: &Claims) -> bool {
        let known = |claims: &Claims| claims.proven_ms.is_some();
        let rest = |claims: &Claims| (claims.believed_ms, claims.pending_ms, claims.closed_ms);
        known(self) == known(before) && rest(self) == rest(before)
    }

    pub(super) fn forget_pending(&mut self) {
        self.pending_ms = 0;
    }

    /// A server says what time it is.
    pub(super) fn settle(&mut self, server_ms: i64) -> Verdict {
        let slack = SLACK_MS as i64;
        let Some(proven) = self.proven_ms else {
            (self.proven_ms, self.believed_ms) = (Some(server_ms), 0);
            return Verdict::Nothing;
        };
        if server_ms < proven.saturating_sub(slack) {
            // An answer that lay in a cache; or the word before was wrong, and this one begins anew.
            if server_ms < proven.saturating_sub_unsigned(DAY_MS) {
                (self.proven_ms, self.believed_ms) = (Some(server_ms), 0);
            }
            return Verdict::Nothing;
        }
        self.proven_ms = Some(server_ms.max(proven));
        let unseen = u64::try_from(server_ms.saturating_sub(proven)).unwrap_or(0);
        let believed = std::mem::take(&mut self.believed_ms);
        if believed > unseen.saturating_add(SLACK_MS) {
            // Who was caught waits twice as long.
            self.closed_ms = 2 * CLAIM_EVERY_MS;
            return Verdict::Less(believed - unseen);
        }
        if believed > 0 {
            self.closed_ms = 0;
        }
        match unseen.checked_sub(believed).filter(|more| *more > SLACK_MS) {
            Some(more) => {
                self.pending_ms = 0;
                Verdict::More(more)
            }
            None => Verdict::True,
        }
    }
}
