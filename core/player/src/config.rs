//! How a pool plays: sinks, deadlines and buffer levels.

use std::time::Duration;

pub use unspool_engine::BufferPolicy;

/// Where pictures go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VideoSink {
    /// Nowhere, but in step with the clock: every picture is rendered at its time and dropped.
    #[default]
    Headless,
    /// Into one native window that all players share, by its platform handle; see
    /// [`Surface::Window`](crate::Surface::Window).
    WindowHandle(u64),
    /// Onto the surfaces that players are given by [`set_surface`](crate::PlayerPool::set_surface); a player without
    /// one waits for it.
    Surfaces,
}

/// Where sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AudioOutput {
    /// The audio track is not decoded.
    None,
    /// Decoded and rendered in step with the clock, without a device.
    #[default]
    Silent,
    /// The platform's default output.
    Device,
}

/// Where a jump lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeekMode {
    /// At the random access point at or before; quick (a picture), for scrubbing.
    Keyframe,
    /// At the moment itself; everything from the random access point on is decoded first.
    Accurate,
}

/// Settings of a [`PlayerPool`](crate::PlayerPool), the same for all its players.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayerConfig {
    /// Where pictures go.
    pub sink: VideoSink,
    /// Where sound goes.
    pub audio: AudioOutput,
    /// Threads of a software decoder; 0 lets the decoder choose.
    ///
    /// Default 1: at 720p one thread decodes 9 times faster than real time, and each more costs about 4 MB a player
    /// (measured on two cores, 720x1280 at 30 frames a second).
    pub decoder_threads: u32,
    /// Whether players start over at the end.
    pub loop_playback: bool,
    /// Longest wait from [`play`](crate::PlayerPool::play) (or a seek) to a picture.
    ///
    /// Default 10 s: far beyond what a person waits for (abandonment starts at 2 s), so that it marks a broken player.
    pub first_frame_deadline: Duration,
    /// How late a due picture may be before a stall begins.
    ///
    /// Default 120 ms: about four frames at 30 a second, the threshold at which a freeze is seen as one.
    pub stall_after: Duration,
    /// Longest wait for a released pipeline to stop before it is abandoned.
    ///
    /// Default 2 s; an interrupted source stops in under 10 ms.
    pub null_deadline: Duration,
    /// How often [`Position`](crate::PlayerEvent::Position) is reported while playing.
    pub position_every: Duration,
    /// How much media has to be there before playback runs.
    pub buffer: BufferPolicy,
    /// Most players prepared at once, hence most decoders in use.
    ///
    /// Default 3 (previous, current, next): phones have as few as two or three hardware decoders.
    pub max_players: usize,
    /// Most memory that all players together may take, in bytes, by the estimate of
    /// [`player_bytes`](unspool_engine::player_bytes); the first player is always let in.
    ///
    /// Default 96 MB: three players of 1080x1920 pixels with their sound.
    pub memory_bytes: u64,
    /// Whether the first picture's brightness is measured; costs well under a millisecond.
    pub capture_first_frame: bool,
}

impl Default for PlayerConfig {
    fn default() -> Self {
        Self {
            sink: VideoSink::default(),
            audio: AudioOutput::default(),
            decoder_threads: 1,
            loop_playback: true,
            first_frame_deadline: Duration::from_secs(10),
            stall_after: Duration::from_millis(120),
            null_deadline: Duration::from_secs(2),
            position_every: Duration::from_millis(250),
            buffer: BufferPolicy::default(),
            max_players: 3,
            memory_bytes: 96_000_000,
            capture_first_frame: false,
        }
    }
}
