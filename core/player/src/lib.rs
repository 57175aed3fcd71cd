//! The pictures of Unspool: pre-rolling players over sparse byte sources, and honest facts about playback.
//!
//! A [`PlayerPool`] holds a few GStreamer pipelines. Each reads one rendition through a
//! [`ByteSource`](unspool_media::ByteSource), decodes its first picture ahead of time, and is then played, parked and
//! released as the person swipes. Everything it does comes back as [`PlayerEvent`]s: when the first picture was
//! *rendered* (not merely decoded) counted from the call of `play`, how much media was really shown, where it stalled
//! and for want of what.
//!
//! ```no_run
//! # fn demo(source: std::sync::Arc<dyn unspool_media::ByteSource>, info: std::sync::Arc<unspool_media::MediaInfo>)
//! # -> Result<(), unspool_player::PlayerError> {
//! use unspool_player::{PlayerConfig, PlayerId, PlayerPool};
//! let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
//! let pool = PlayerPool::open(PlayerConfig::default(), events)?;
//! pool.prepare(PlayerId(1), source, info)?;
//! pool.play(PlayerId(1))?;
//! while let Some(event) = inbox.blocking_recv() {
//!     tracing::info!(?event);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Rooms: `pool` is the front, `worker` owns a pipeline and does what may block, `graph` and
//! `tracks` build it, `bus` hears it, `source` feeds it,
//! `monitor` watches all of them, `meter` counts what was shown. The pipelines are built by hand from an allow-list of
//! codings (`codec`).

mod bus;
mod codec;
mod config;
mod controls;
mod error;
mod event;
mod graph;
mod level;
mod lock;
mod luma;
mod meter;
mod monitor;
mod player;
mod pool;
mod source;
mod surface;
mod tracks;
mod warm;
mod worker;

pub use config::{AudioOutput, BufferPolicy, PlayerConfig, SeekMode, VideoSink};
pub use error::PlayerError;
pub use event::{
    LumaFacts, PlayerEvent, PlayerId, PlayerSnapshot, PlayerState, PoolCounts, StallReason, StartClass,
};
pub use pool::PlayerPool;
pub use surface::{Picture, Screen, Surface};
pub use unspool_engine::SoundFocus;
pub use warm::{version, warm_up};
