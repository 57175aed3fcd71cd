//! The public error in the words of the other side.

use std::time::Duration;

use unspool::Error;

use crate::safety::RulesTrouble;
use crate::wellbeing::{BreakCard, opens};

/// Why a call gave no answer; each case stands for one reaction of the app, and its text says which.
///
/// In Kotlin the type is `UnspoolException`. Nothing personal is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[uniffi::export(Display)]
pub enum UnspoolError {
    /// The configuration or an argument cannot work: correct it and call again.
    #[error("{reason}; correct it and call again")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// Another session owns the data directory: shut that one down first.
    #[error("another session owns the data directory; shut that one down first")]
    InUse,
    /// The disk refused: free space, or choose another directory.
    #[error("storage: {reason}; free space, or choose another directory")]
    Storage {
        /// What failed.
        reason: String,
    },
    /// The device has no room for what was asked to be kept, and nothing was begun: free space, or keep less.
    #[error("{needed_bytes} bytes are needed and {free_bytes} are free; free space, or keep less")]
    NoRoom {
        /// Bytes that are still to be fetched, for this and for what is kept already.
        needed_bytes: u64,
        /// Bytes free on the disk, of which some must stay so.
        free_bytes: u64,
    },
    /// Not all of it is on the device: keep it, or play it to its end, and ask again.
    #[error("{reason}; keep it, or play it to its end, and ask again")]
    NotComplete {
        /// What is missing.
        reason: String,
    },
    /// There is no network and what was asked for is not on the device: try again when there is one.
    #[error(
        "no network, or nobody answers at the backend's address, and it is not on this device; try again when somebody does"
    )]
    Offline,
    /// Requests may not go to this host, and nothing left: list it in the configuration, or find out who names it.
    #[error("requests may not go to {host}; list it in the configuration, or find out who names it")]
    HostRefused {
        /// Name and port.
        host: String,
    },
    /// The backend wants the person to sign in again; call `signedIn` afterwards.
    #[error("the backend wants the person to sign in again; call signedIn afterwards")]
    SignIn,
    /// The backend failed: try again later.
    #[error("the backend failed: {reason}; try again later")]
    Backend {
        /// What it answered.
        reason: String,
        /// How long it asked to wait, where it did.
        retry_after: Option<Duration>,
    },
    /// The feed has no further card in this direction.
    #[error("the feed has no further card in this direction")]
    EndOfFeed,
    /// No answer came in time: try again.
    #[error("no answer within {after:?}; try again")]
    TimedOut {
        /// The time that was waited.
        after: Duration,
    },
    /// The session was shut down, or this feed was replaced by a newer one: open a new one.
    #[error("the session or the feed has ended; open a new one")]
    ShutDown,
    /// Signed safety rules were not taken, and those in use stay: get others, or configure the key that signs them.
    #[error("the safety rules were not taken: {trouble}; those in use stay")]
    Rules {
        /// Why.
        trouble: RulesTrouble,
    },
    /// The card stays covered: it is not, or the person may not decide otherwise. Show why instead.
    #[error("there is nothing to reveal, or the person may not decide; show why instead")]
    NotRevealable,
    /// The person's limits ask for a break: show its card in the video's place, and call again when it opens. Nothing else
    /// passes it.
    #[error("the person's limits ask for a break; show its card, and {}", opens(card))]
    Break {
        /// The card.
        card: BreakCard,
    },
    /// It would loosen what is guarded, and nothing was changed: have the guardian give the passcode, or set one where there
    /// is none, and call again.
    #[error("it would loosen what is guarded; have the guardian {} the passcode, and call again", if *is_set { "give" } else { "set and give" })]
    Guarded {
        /// Whether there is a passcode.
        is_set: bool,
    },
    /// The passcode was wrong, or none may be given yet: ask again when the wait is over.
    #[error("not the passcode, {wrong} times in a row; ask again {}", if wait.is_zero() { "now".to_owned() } else { format!("in {} s", wait.as_millis().div_ceil(1_000)) })]
    WrongPasscode {
        /// How long to wait before the next one; nothing for the first four.
        wait: Duration,
        /// How many were wrong in a row.
        wrong: u32,
    },
    /// This feed holds no card at that position, or there can be none of that name: ask for one that it gave.
    #[error("no such card; ask for one that the feed gave")]
    NoSuchCard,
    /// The safety filter does not let some of the items be shown to this person, and nothing was begun: leave those out.
    #[error("{} items may not be shown to this person; leave those out", items.len())]
    Withheld {
        /// Their identifiers.
        items: Vec<String>,
    },
    /// The caller cancelled the wait. What is waited for is still to be had by asking again.
    #[error("the wait was cancelled; ask again at any time")]
    Cancelled,
    /// A fault of the core: report it. The session goes on.
    #[error("a fault of the core: {reason}; report it, the session goes on")]
    Internal {
        /// Where it happened.
        reason: String,
    },
}

impl From<Error> for UnspoolError {
    fn from(error: Error) -> Self {
        match error {
            Error::Config { reason } => UnspoolError::Config { reason },
            Error::InUse => UnspoolError::InUse,
            Error::Storage { reason } => UnspoolError::Storage { reason },
            Error::NoRoom { needed, free } => UnspoolError::NoRoom { needed_bytes: needed, free_bytes: free },
            Error::NotComplete { reason } => UnspoolError::NotComplete { reason },
            Error::Offline => UnspoolError::Offline,
            Error::HostRefused { host } => UnspoolError::HostRefused { host },
            Error::SignIn => UnspoolError::SignIn,
            Error::Backend { reason, retry_after } => UnspoolError::Backend { reason, retry_after },
            Error::EndOfFeed => UnspoolError::EndOfFeed,
            Error::TimedOut(after) => UnspoolError::TimedOut { after },
            Error::ShutDown => UnspoolError::ShutDown,
            Error::Rules(error) => UnspoolError::Rules { trouble: error.into() },
            Error::NoSuchCard => UnspoolError::NoSuchCard,
            Error::Withheld { items } => UnspoolError::Withheld { items },
            Error::NotRevealable => UnspoolError::NotRevealable,
            Error::Break(card) => UnspoolError::Break { card: card.into() },
            Error::Guarded { is_set } => UnspoolError::Guarded { is_set },
            Error::WrongPasscode { wait, wrong } => UnspoolError::WrongPasscode { wait, wrong },
            Error::Internal { reason } => UnspoolError::Internal { reason },
            other => UnspoolError::Internal { reason: other.to_string() },
        }
    }
}
