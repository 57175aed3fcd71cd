//! What players report.

use crate::PlayerError;
use unspool_media::VideoCodec;

pub use unspool_engine::{PlayerId, StartClass};

/// What playback waits for during a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StallReason {
    /// The byte source has not got the next bytes.
    WaitingForBytes,
    /// The bytes are there; decoding or rendering is late.
    Decoder,
}

/// Brightness of a picture, taken from a grid of luma samples scaled to 8 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LumaFacts {
    /// Mean, 0 to 255.
    pub mean: f64,
    /// Standard deviation; about 0 for a picture of one colour.
    pub stddev: f64,
    /// Hash of the samples: equal pictures have equal hashes.
    pub hash: u64,
}

/// A fact about a player.
///
/// Order: for one id the events come in the order in which things happened, `Released` last. Times in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub enum PlayerEvent {
    /// The first picture is decoded and waits to be shown.
    PreRolled {
        /// The player.
        id: PlayerId,
        /// From `prepare` to here.
        took_ms: u64,
    },
    /// The first picture after `play` was rendered.
    FirstFrame {
        /// The player.
        id: PlayerId,
        /// How the start came about.
        class: StartClass,
        /// From the call of `play` to the sink rendering the picture.
        latency_ms: f64,
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// Its brightness, if the configuration asks for it and its format can be read.
        luma: Option<LumaFacts>,
    },
    /// What is being decoded became known, or changed in the middle.
    Rendition {
        /// The player.
        id: PlayerId,
        /// Coding of the pictures.
        codec: VideoCodec,
        /// Width of the pictures in pixels.
        width: u32,
        /// Height of the pictures in pixels.
        height: u32,
        /// Pictures a second as the media states them; 0 where it does not.
        frame_rate: f64,
        /// Name of the decoder.
        decoder: String,
    },
    /// Pictures were decoded too late or not at all, and were not shown; with the positions, when there are new ones.
    Dropped {
        /// The player.
        id: PlayerId,
        /// Pictures dropped since `prepare`.
        total: u64,
    },
    /// The surface of the player could not be drawn into and is given up; give it another one.
    SurfaceFailed {
        /// The player.
        id: PlayerId,
        /// Why.
        error: PlayerError,
    },
    /// Where playback is; regularly while playing.
    Position {
        /// The player.
        id: PlayerId,
        /// Media time of the picture shown.
        position_ms: u64,
        /// Media time actually shown since `prepare`, over all loops.
        active_ms: u64,
        /// Pictures shown since `prepare`.
        frames: u64,
    },
    /// A due picture did not come.
    StallBegin {
        /// The player.
        id: PlayerId,
        /// Media time of the picture shown.
        position_ms: u64,
        /// What playback waits for.
        reason: StallReason,
    },
    /// Pictures come again, or the wait was ended by `pause`, `park`, `seek` or an error.
    StallEnd {
        /// The player.
        id: PlayerId,
        /// From the moment the missing picture was due.
        ms: u64,
    },
    /// Playback started over; sent when the first picture of the new pass is shown.
    Looped {
        /// The player.
        id: PlayerId,
        /// Times it has started over.
        loops: u64,
    },
    /// Playback reached the end; only without looping.
    Ended {
        /// The player.
        id: PlayerId,
        /// Media time actually shown since `prepare`.
        active_ms: u64,
    },
    /// The player failed and does nothing more until it is released; sent at most once.
    Error {
        /// The player.
        id: PlayerId,
        /// Why.
        error: PlayerError,
        /// Whether releasing and preparing again may help.
        recoverable: bool,
    },
    /// The player is gone.
    Released {
        /// The player.
        id: PlayerId,
        /// False if the pipeline did not stop within its deadline and was abandoned.
        reached_null: bool,
    },
}

impl PlayerEvent {
    /// The player it is about.
    #[must_use]
    pub fn id(&self) -> PlayerId {
        match *self {
            PlayerEvent::PreRolled { id, .. }
            | PlayerEvent::FirstFrame { id, .. }
            | PlayerEvent::Rendition { id, .. }
            | PlayerEvent::Dropped { id, .. }
            | PlayerEvent::SurfaceFailed { id, .. }
            | PlayerEvent::Position { id, .. }
            | PlayerEvent::StallBegin { id, .. }
            | PlayerEvent::StallEnd { id, .. }
            | PlayerEvent::Looped { id, .. }
            | PlayerEvent::Ended { id, .. }
            | PlayerEvent::Error { id, .. }
            | PlayerEvent::Released { id, .. } => id,
        }
    }
}

/// What a player is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayerState {
    /// Building, or decoding the first picture.
    Preparing,
    /// The first picture waits to be shown.
    PreRolled,
    /// Asked to play, no picture shown yet.
    Starting,
    /// Pictures are shown.
    Playing,
    /// Playing, but a due picture did not come.
    Stalled,
    /// Asked to play, and waiting for a surface.
    Hidden,
    /// Paused.
    Paused,
    /// Paused as the previous card.
    Parked,
    /// At the end.
    Ended,
    /// Failed.
    Failed,
}

/// A player's facts at one moment; times in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerSnapshot {
    /// What it is doing.
    pub state: PlayerState,
    /// Media time of the picture shown.
    pub position_ms: u64,
    /// Stated length of the media.
    pub duration_ms: u64,
    /// Media time actually shown since `prepare`; pause, stall and seek do not count.
    pub active_ms: u64,
    /// Pictures shown.
    pub frames: u64,
    /// Stalls so far.
    pub stalls: u64,
    /// Sum of finished stalls.
    pub stall_ms: u64,
    /// The same by the sink's clock: how much later pictures were shown than they lie apart, where that was more than
    /// 100 ms. Counted apart from `stall_ms`, as a check on it.
    pub sink_stall_ms: u64,
    /// Pictures that were too late to be shown.
    pub dropped: u64,
    /// Volume as it was asked for, from 0 to 1, while sound is not muted.
    pub volume: f64,
    /// Times it has started over.
    pub loops: u64,
    /// How the last start came about, once its first picture was shown.
    pub start_class: Option<StartClass>,
}

/// A pool's running totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolCounts {
    /// Players that hold a pipeline: prepared, or released and still stopping within the deadline.
    pub alive: usize,
    /// Pipelines that did not stop in time and still have not.
    pub abandoned: usize,
    /// Players whose release is finished, one way or the other.
    pub released: u64,
    /// Times something did not happen within its deadline: a first picture, or a stop.
    pub hangs: u64,
}
