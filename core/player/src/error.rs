//! What can go wrong with playback, said so that the caller knows what to do.

use unspool_media::VideoCodec;

/// Why something could not be played.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlayerError {
    /// GStreamer could not be started; playback is impossible in this process.
    #[error("GStreamer could not start: {reason}")]
    Init {
        /// What GStreamer said.
        reason: String,
    },
    /// A GStreamer element is not installed; ship the plugin that has it.
    #[error("the GStreamer element {name} is missing")]
    MissingElement {
        /// Name of the element.
        name: String,
    },
    /// No decoder here plays this coding; choose another rendition.
    #[error("no decoder for {codec:?} video")]
    UnsupportedCodec {
        /// The coding asked for.
        codec: VideoCodec,
    },
    /// The file has no video track; it cannot be a card.
    #[error("no video track")]
    NoVideo,
    /// The bytes could not be had.
    #[error("bytes unavailable: {reason}")]
    Source {
        /// What the byte source said.
        reason: String,
        /// Whether preparing again later may help.
        retryable: bool,
    },
    /// The container is broken; fetch it again or skip the item.
    #[error("broken container: {reason}")]
    Container {
        /// What the demuxer said.
        reason: String,
    },
    /// The pictures could not be decoded; skip the item.
    #[error("pictures could not be decoded: {reason}")]
    Decode {
        /// What the decoder said.
        reason: String,
    },
    /// No picture came within the deadline; release and prepare again once.
    #[error("no picture within {after_ms} ms (waiting for bytes: {waiting_for_bytes})")]
    NoFrame {
        /// How long the player waited, in milliseconds.
        after_ms: u64,
        /// Whether it was waiting for bytes, rather than for the decoder, when it gave up.
        waiting_for_bytes: bool,
    },
    /// The media ended before its stated length; fetch it again.
    #[error("media ends at {at_ms} ms of {duration_ms} ms")]
    Truncated {
        /// Where the samples ended, in milliseconds.
        at_ms: u64,
        /// The stated length, in milliseconds.
        duration_ms: u64,
    },
    /// The pool has no room; release another player first.
    #[error("the pool already has {max} players")]
    PoolFull {
        /// The configured limit.
        max: usize,
    },
    /// The player does not fit into the memory that the host allows; release another player first.
    #[error("a player of {needed} bytes does not fit into {left}")]
    OverBudget {
        /// What it takes, in bytes.
        needed: u64,
        /// What is left, in bytes.
        left: u64,
    },
    /// A surface cannot be drawn into, or not be let go in time; give another one.
    #[error("surface: {reason}")]
    Surface {
        /// What is wrong with it.
        reason: String,
    },
    /// A player with this id is already prepared; release it first.
    #[error("player {id} is already prepared")]
    AlreadyPrepared {
        /// The id.
        id: u64,
    },
    /// No player has this id; it was never prepared or is released.
    #[error("no player {id}")]
    NoSuchPlayer {
        /// The id.
        id: u64,
    },
    /// The pool is shut down; open a new one.
    #[error("the pool is shut down")]
    Closed,
    /// An argument has no meaning here; correct it.
    #[error("invalid argument: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Something failed that has no better name; release and prepare again once.
    #[error("playback failed: {reason}")]
    Internal {
        /// What failed.
        reason: String,
    },
}

impl PlayerError {
    /// Whether releasing and preparing the same item again may help.
    #[must_use]
    pub fn recoverable(&self) -> bool {
        match self {
            Self::Source { retryable, .. } => *retryable,
            Self::NoFrame { .. }
            | Self::Truncated { .. }
            | Self::Internal { .. }
            | Self::PoolFull { .. }
            | Self::OverBudget { .. } => true,
            _ => false,
        }
    }
}
