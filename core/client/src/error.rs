//! The public error: what went wrong, told so that the caller knows what to do.

use std::time::Duration;

use unspool_engine::wellbeing::Break;

use crate::safety::RulesError;

/// Why a call of the session gave no answer.
///
/// The variants are few and each stands for one reaction of the app. Nothing personal is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work; correct it and open again.
    #[error("configuration: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// Another session owns the data directory; close that one first.
    #[error("the data directory is in use by another session")]
    InUse,
    /// The disk refused; free space, or choose another directory.
    #[error("storage: {reason}")]
    Storage {
        /// What failed.
        reason: String,
    },
    /// The device has no room for what was asked to be kept; nothing was begun. Free space, or keep less.
    #[error("{needed} bytes are needed and {free} are free")]
    NoRoom {
        /// Bytes that are still to be fetched, for this and for what is kept already.
        needed: u64,
        /// Bytes free on the disk, of which some must stay so.
        free: u64,
    },
    /// Not all of it is on the device; keep it or play it to its end first.
    #[error("not complete: {reason}")]
    NotComplete {
        /// What is missing.
        reason: String,
    },
    /// There is no network and what was asked for is not on the device; try again when there is one.
    #[error("no network, or nobody answers at the backend's address, and it is not on this device")]
    Offline,
    /// Requests may not go to this host, and nothing left; list it in the configuration, or find out who names it.
    #[error("{host} is none of the hosts that requests may go to")]
    HostRefused {
        /// Name and port.
        host: String,
    },
    /// The backend wants the person to sign in again.
    #[error("sign in again")]
    SignIn,
    /// The backend failed; try again later.
    #[error("backend: {reason}")]
    Backend {
        /// What it answered.
        reason: String,
        /// How long it asked to wait, where it did.
        retry_after: Option<Duration>,
    },
    /// The feed has no further card in this direction.
    #[error("the feed has no further card")]
    EndOfFeed,
    /// The answer did not come in time; try again.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The session was shut down; open a new one.
    #[error("the session is shut down")]
    ShutDown,
    /// Signed safety rules were not taken; those in use stay.
    #[error("safety rules: {0}")]
    Rules(RulesError),
    /// The card stays covered: it is not, or the person may not decide otherwise.
    #[error("the card cannot be revealed")]
    NotRevealable,
    /// A break card stands in the card's place; show it, and call again when it opens. Nothing else passes it.
    #[error("a break: {0:?}")]
    Break(Break),
    /// It would loosen what is guarded; have the guardian give the passcode first, or set one where there is none.
    #[error("the passcode comes first")]
    Guarded {
        /// Whether there is a passcode.
        is_set: bool,
    },
    /// The passcode was wrong, or none may be given yet.
    #[error("not the passcode; the next one in {wait:?}")]
    WrongPasscode {
        /// How long to wait before the next one.
        wait: Duration,
        /// How many were wrong in a row.
        wrong: u32,
    },
    /// This feed holds no card at that position, or there can be none of that name; ask for one that it gave.
    #[error("no such card")]
    NoSuchCard,
    /// The safety filter does not let some of the items be shown to this person, and nothing was begun; leave those out.
    #[error("{count} items may not be shown to this person", count = items.len())]
    Withheld {
        /// Their identifiers.
        items: Vec<String>,
    },
    /// A fault of the core itself; report it. The session goes on.
    #[error("internal fault: {reason}")]
    Internal {
        /// Where it happened.
        reason: String,
    },
}
