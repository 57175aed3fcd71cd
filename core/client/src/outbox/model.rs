//! What the outbox keeps and tells: intents, their identity, the books, and why something was not kept.

use serde::{Deserialize, Serialize};

use super::comments::MAX_COMMENT_CHARS;
use crate::spool::SpoolError;

/// Intents that may wait.
pub const MAX_PENDING: u64 = 10_000;
/// Interests an actor may have.
pub const MAX_INTERESTS: usize = 64;
/// Longest actor or target identifier, in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// What a person can want of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Like an item.
    Like,
    /// Follow a creator.
    Follow,
    /// Keep an item for later.
    Save,
    /// Be interested in a topic.
    Interest,
    /// See nothing of a creator any more. Sent before anything else.
    Block,
    /// Report something, named `<subject>#<category>`. Sent before anything else.
    Report,
    /// Delete what was sent from an installation.
    Erase,
}

impl Verb {
    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Like => "like",
            Verb::Follow => "follow",
            Verb::Save => "save",
            Verb::Interest => "interest",
            Verb::Block => "block",
            Verb::Report => "report",
            Verb::Erase => "erase",
        }
    }

    pub(super) fn parse(text: &str) -> rusqlite::Result<Self> {
        match text {
            "like" => Ok(Verb::Like),
            "follow" => Ok(Verb::Follow),
            "save" => Ok(Verb::Save),
            "interest" => Ok(Verb::Interest),
            "block" => Ok(Verb::Block),
            "report" => Ok(Verb::Report),
            "erase" => Ok(Verb::Erase),
            other => Err(rusqlite::Error::InvalidParameterName(other.to_owned())),
        }
    }
}

/// The identity of one intent, by which a server recognises a repeat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub String);

/// Something a person wants, not yet confirmed by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its identity.
    pub op: OpId,
    /// Whose it is.
    pub actor: String,
    /// What to do.
    pub verb: Verb,
    /// To what.
    pub target: String,
    /// The state wanted.
    pub state: bool,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it has been put into a request.
    pub in_flight: bool,
    /// What the person wrote with it; reports alone have any.
    pub words: Option<String>,
}

/// An intent the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wedged {
    /// What was wanted.
    pub intent: Intent,
    /// What the server said.
    pub reason: String,
}

/// Why an intent was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// An actor or a target is empty or too long.
    #[error("actor and target must have 1 to {MAX_ID_BYTES} bytes")]
    Identifier,
    /// Too many interests at once.
    #[error("at most {MAX_INTERESTS} interests")]
    TooManyInterests,
    /// An order without a recipient, or of nothing, or too large a one.
    #[error("an order needs a recipient and an amount that can be paid")]
    Order,
    /// What the person can still give is less than the amount.
    #[error("there are not enough coins")]
    Insufficient,
    /// It has been sent, or is finished: it cannot be changed any more.
    #[error("the payment cannot be changed any more")]
    TooLate,
    /// Words that are none, or too many.
    #[error("a comment has 1 to {MAX_COMMENT_CHARS} characters, not only blanks")]
    Words,
    /// There is no such comment, or it is being deleted.
    #[error("there is no such comment any more")]
    NoSuchComment,
    /// Too many intents wait.
    #[error("{MAX_PENDING} intents wait already: connect to a network and try again")]
    Full,
    /// The file.
    #[error(transparent)]
    Store(#[from] SpoolError),
}

impl From<rusqlite::Error> for OutboxError {
    fn from(error: rusqlite::Error) -> Self {
        OutboxError::Store(SpoolError::from(&error))
    }
}

/// The books of an outbox, of wishes and comments:
/// `queued_total = delivered_total + folded_total + dismissed_total + damaged_total + pending + wedged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxLevel {
    /// Intents taken since the file was made.
    pub queued_total: u64,
    /// Intents the server confirmed.
    pub delivered_total: u64,
    /// Intents that a later one for the same thing made needless: before they were sent, or after they were refused.
    pub folded_total: u64,
    /// Refused intents the app has dealt with.
    pub dismissed_total: u64,
    /// Intents lost with a damaged file, beyond what could be read of it.
    pub damaged_total: u64,
    /// Intents waiting or on their way.
    pub pending: u64,
    /// Intents the server refused.
    pub wedged: u64,
}

impl OutboxLevel {
    /// Whether every intent is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let gone = self.delivered_total + self.folded_total + self.dismissed_total + self.damaged_total;
        self.queued_total == gone + self.pending + self.wedged
    }
}
