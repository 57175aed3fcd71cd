//! What may happen to an intent that moves money: a gift or a donation.
//!
//! ```text
//! draft ── confirm ──> reserved ── send ──> sending ──> confirmed
//!   │                     │                    ├─────> declined
//!   └──── cancel ─────────┴──> cancelled       └─────> unknown ── resolve ──> confirmed, declined, cancelled
//! ```
//!
//! Money is sent once. A request whose answer did not come is *unknown*, and is never sent again: the server is asked
//! what became of it. That question closes the key: a server that has not seen the request says `void` and refuses it
//! should it still arrive, so a request that lies in some queue cannot be carried out after the person was told it was
//! not. A process that dies while sending finds the intent unknown. Nothing is coalesced, and nothing runs late: what
//! was not sent within [`EXPIRY`] is cancelled and wants another tap.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// How long a confirmed intent may wait to be sent: ten minutes, within the time a live gift means anything and far within
/// the day for which servers keep keys.
pub const EXPIRY: Millis = Millis(10 * 60 * 1_000);

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payment {
    /// Shown to the person, not yet confirmed.
    Draft,
    /// Confirmed by the person; its amount is held.
    Reserved,
    /// On its way.
    Sending,
    /// Carried out.
    Confirmed,
    /// Refused.
    Declined,
    /// It may have been carried out: the server must be asked.
    Unknown,
    /// Never carried out, and never will be.
    Cancelled,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentFact {
    /// The person confirmed it.
    Confirm,
    /// The person took it back.
    Cancel,
    /// It was not sent in time.
    Expired,
    /// It is about to be sent; written down before a byte leaves.
    Send,
    /// The process that was sending it is gone.
    Restarted,
    /// The server carried it out.
    Done,
    /// The server refused it for good.
    Refused,
    /// The server did not look at it: too many requests, no valid token, or no connection to send it over.
    NotTaken,
    /// No answer, or one that does not say: time-out, 5xx, already in progress.
    Unclear,
    /// Asked what became of it, the server had not seen it and will not carry it out.
    Void,
}

impl Payment {
    /// Every state.
    pub const ALL: [Payment; 7] = [
        Payment::Draft,
        Payment::Reserved,
        Payment::Sending,
        Payment::Confirmed,
        Payment::Declined,
        Payment::Unknown,
        Payment::Cancelled,
    ];

    /// The state after a fact; `None` when it cannot happen now and changes nothing.
    #[must_use]
    pub fn after(self, fact: PaymentFact) -> Option<Payment> {
        use Payment::{Cancelled, Confirmed, Declined, Draft, Reserved, Sending, Unknown};
        use PaymentFact as F;
        match (self, fact) {
            (Draft, F::Confirm) => Some(Reserved),
            (Draft | Reserved, F::Cancel | F::Expired) => Some(Cancelled),
            (Reserved, F::Send) => Some(Sending),
            (Sending | Unknown, F::Done) => Some(Confirmed),
            (Sending | Unknown, F::Refused) => Some(Declined),
            (Sending, F::NotTaken) => Some(Reserved),
            (Sending, F::Unclear | F::Restarted) => Some(Unknown),
            (Unknown, F::Void) => Some(Cancelled),
            _ => None,
        }
    }

    /// Whether its amount is held against the balance.
    #[must_use]
    pub fn holds(self) -> bool {
        matches!(self, Payment::Reserved | Payment::Sending | Payment::Unknown)
    }

    /// Whether nothing can happen to it any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Payment::Confirmed | Payment::Declined | Payment::Cancelled)
    }

    /// The name it is stored and told under.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Payment::Draft => "draft",
            Payment::Reserved => "reserved",
            Payment::Sending => "sending",
            Payment::Confirmed => "confirmed",
            Payment::Declined => "declined",
            Payment::Unknown => "unknown",
            Payment::Cancelled => "cancelled",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Payment> {
        Payment::ALL.into_iter().find(|state| state.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: [PaymentFact; 10] = [
        PaymentFact::Confirm,
        PaymentFact::Cancel,
        PaymentFact::Expired,
        PaymentFact::Send,
        PaymentFact::Restarted,
        PaymentFact::Done,
        PaymentFact::Refused,
        PaymentFact::NotTaken,
        PaymentFact::Unclear,
        PaymentFact::Void,
    ];

    #[test]
    fn what_may_have_been_carried_out_is_never_sent_again_or_given_up() {
        for state in Payment::ALL {
            assert_eq!(Payment::parse(state.name()), Some(state));
            for fact in FACTS {
                let after = state.after(fact);
                if state.is_final() {
                    assert_eq!(after, None, "{state:?} is final");
                }
                if fact == PaymentFact::Send {
                    assert_eq!(after.is_some(), state == Payment::Reserved);
                }
                if after == Some(Payment::Cancelled) && matches!(state, Payment::Sending | Payment::Unknown) {
                    assert_eq!(fact, PaymentFact::Void, "only the server cancels what was sent");
                }
            }
        }
        let mut state = Payment::Unknown;
        for fact in FACTS {
            if let Some(next) = state.after(fact) {
                assert!(next.is_final(), "unknown is only ever resolved");
                state = Payment::Unknown;
            }
        }
    }
}
