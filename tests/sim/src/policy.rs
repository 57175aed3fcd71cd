//! The contract between the simulator and whatever decides what to fetch: one observation in, one action out.
//!
//! One download at a time, chunks of a video in order, no abort. The same records cross the bridge as JSON lines.

use serde::{Deserialize, Serialize};

use crate::session::Session;

/// Longest sleep, milliseconds.
pub const MAX_SLEEP_MS: u32 = 60_000;

/// What happened since the last decision, and what is held.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// Milliseconds the last action took: a download with its round trip, or a sleep. Their sum is the time.
    pub delay_ms: f64,
    /// Milliseconds of them in which nothing played.
    pub rebuffer_ms: f64,
    /// Bytes the last action fetched.
    pub bytes: u64,
    /// Id of the playing video.
    pub playing: u32,
    /// Whether nothing happened yet.
    pub first: bool,
    /// The playing video, then those that may be fetched ahead.
    pub queue: Vec<Queued>,
}

/// One video of the queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Queued {
    /// Its id.
    pub video: u32,
    /// The rendition of each chunk that is held, in order.
    pub chunks: Vec<u8>,
    /// Milliseconds of it that were played.
    pub played_ms: f64,
    /// Milliseconds that are held and not played.
    pub buffer_ms: f64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Fetch the next chunk of a video of the queue.
    Download {
        /// Its id.
        video: u32,
        /// Index of the rendition, lowest first.
        rendition: u8,
    },
    /// Fetch nothing for a while.
    Sleep {
        /// How long, 1 to [`MAX_SLEEP_MS`].
        ms: u32,
    },
}

/// Why an action is refused. The simulator counts it and sleeps 100 ms instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The video is not in the queue.
    #[error("video {0} is not in the queue")]
    NotQueued(u32),
    /// All of its chunks are held.
    #[error("video {0} is held to its end")]
    Complete(u32),
    /// The video has no such rendition.
    #[error("video {0} has no rendition {1}")]
    Rendition(u32, u8),
    /// The sleep is outside its bounds.
    #[error("a sleep of {0} ms")]
    Sleep(u32),
}

/// Whatever decides.
pub trait Policy {
    /// A session begins; nothing of an earlier one may be kept unless that is what the policy is about.
    fn reset(&mut self, session: &Session);
    /// What to do next.
    fn decide(&mut self, observation: &Observation) -> Action;
}
