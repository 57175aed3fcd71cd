//! The safety filter: what a person chooses of it, what it says of a card, and the rules it goes by.

mod card;
mod settings;

use std::fmt;
use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::card::Card;
use crate::error::UnspoolError;
use crate::feed::Feed;
use crate::session::Unspool;

pub use card::{
    CardSafety, LabelOf, SafetyReason, SafetySource, SafetySurfaces, SafetyTreatment, SafetyWeight,
};
pub use settings::{AgeBand, Harm, HarmChoice, LabelChoice, MutedWord, SafetyChoice, SafetySettings};

/// Why signed safety rules were not taken.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum RulesTrouble {
    /// The document is larger than 1 MiB.
    TooLarge,
    /// It is not in the form rules travel in, or what was signed are no rules.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// No key of the configuration signed it.
    Signature,
    /// It is not newer than the rules in use.
    Older {
        /// Version in use.
        held: u64,
        /// Version offered.
        offered: u64,
    },
    /// Something that this version of the bindings has no name for.
    Other {
        /// What it is.
        reason: String,
    },
}

impl fmt::Display for RulesTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RulesTrouble::TooLarge => f.write_str("larger than 1 MiB"),
            RulesTrouble::Malformed { reason } => write!(f, "malformed: {reason}"),
            RulesTrouble::Signature => f.write_str("no trusted key signed them"),
            RulesTrouble::Older { held, offered } => write!(f, "version {offered} is not newer than {held}"),
            RulesTrouble::Other { reason } => f.write_str(reason),
        }
    }
}

impl From<unspool::RulesError> for RulesTrouble {
    fn from(error: unspool::RulesError) -> Self {
        use unspool::RulesError as Core;
        match error {
            Core::TooLarge => RulesTrouble::TooLarge,
            Core::Malformed(reason) => RulesTrouble::Malformed { reason },
            Core::Signature => RulesTrouble::Signature,
            Core::Older { held, offered } => RulesTrouble::Older { held, offered },
            other => RulesTrouble::Other { reason: other.to_string() },
        }
    }
}

#[uniffi::export]
impl Unspool {
    /// What the person chose of the safety filter, without waiting. What it says of a card stands in `Card.safety`.
    #[must_use]
    pub fn safety(&self) -> SafetySettings {
        self.core.safety().into()
    }

    /// Replaces what the person chose of the safety filter: age, harms, labels, muted words, topics, sounds and creators.
    /// On disk when it returns, with or without a network, and never sent. The open feed takes it in at once: cards that
    /// are hidden by it go, with their bytes, and are told as `CardClosed`. Fails with `Config` when a bound is broken, and
    /// changes nothing then.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_safety(
        &self,
        settings: SafetySettings,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_safety(settings.into())).await
    }

    /// Blocks a creator, or takes that back. On disk when it returns, and what they made leaves the open feed at once; the
    /// backend is told once. Who is blocked stands in `safety`. Fails with `Config` for an identifier that cannot be one.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_blocked(
        &self,
        creator: String,
        blocked: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_blocked(&creator, blocked)).await
    }

    /// Takes signed safety rules that are newer than those in use, and gives their version. `document` is the JSON as it
    /// came: an object of the texts `payload` and `signature`, at most 1 MiB. On disk when it returns; the open feed takes
    /// them in at once. A backend that has rules is asked for them by itself. Fails with `Rules`, which says why they are
    /// not taken; those in use stay then.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_rules(
        &self,
        document: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<u64, UnspoolError> {
        unless_cancelled(cancel, self.core.set_rules(document.into_bytes())).await
    }

    /// Version of the safety rules in use, without waiting; 0 are those that come with the core.
    #[must_use]
    pub fn rules_version(&self) -> u64 {
        self.core.rules_version()
    }
}

#[uniffi::export]
impl Feed {
    /// Uncovers a card that the safety filter blurred: it is fetched from now on, and plays if it is the current one.
    ///
    /// Fails with `NotRevealable` where nothing is covered at the position or the person may not decide, or with
    /// `ShutDown`. Uncovering it once more changes nothing.
    #[uniffi::method(default(cancel = None))]
    pub async fn reveal(
        &self,
        position: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Card, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.reveal(position)).await?.into())
    }

    /// Asks the backend for the labels of the cards ahead now, which happens once a minute by itself. Returns at once; what
    /// has to go is told as `CardClosed`.
    pub fn refresh_labels(&self) -> Result<(), UnspoolError> {
        Ok(self.core.refresh_labels()?)
    }
}
