//! The pictures of Unspool: pre-rolling players over sparse byte sources, and honest facts about playback.
//!
//! A [`PlayerPool`] holds a few GStreamer pipelines. Each reads one rendition through a
//! [`ByteSource`](unspool_media::ByteSource), decodes its first picture ahead of time, and is then played, parked and
//! released as the person swipes. Everything it does comes back as [`PlayerEvent`]s: when the first picture was
//! *rendered* (not merely decoded) counted from the call of `play`, how much media was really shown, where it stalled
//! and for want of what.
//!
//! ```no_run
//! # #[cfg(feature = "gstreamer")]
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
//! Without the feature `gstreamer` there are no pipelines; [`platform`] then holds the platform's own players, which read
//! the same bytes through the gateway, to the same facts. [`Players`] is what both do. [`captions`] are there with and
//! without.
//!
//! Rooms: `pool` and `controls` are the front, `worker` owns a pipeline and does what may block, `graph` and
//! `tracks` build it, `bus` hears it, `source` feeds it,
//! `monitor` watches all of them, `meter` counts what was shown, `surface` makes it visible. The pipelines are built by hand from an allow-list of
//! codings (`codec`).

#[cfg(feature = "gstreamer")]
mod bus;
pub mod captions;
#[cfg(feature = "gstreamer")]
mod codec;
mod config;
#[cfg(feature = "gstreamer")]
mod controls;
mod error;
mod event;
#[cfg(feature = "gstreamer")]
mod graph;
#[cfg(feature = "gstreamer")]
mod level;
mod lock;
#[cfg(feature = "gstreamer")]
mod luma;
#[cfg(feature = "gstreamer")]
mod meter;
#[cfg(feature = "gstreamer")]
mod monitor;
pub mod platform;
#[cfg(feature = "gstreamer")]
mod player;
#[cfg(feature = "gstreamer")]
mod pool;
mod port;
#[cfg(feature = "gstreamer")]
mod source;
#[cfg(feature = "gstreamer")]
mod surface;
#[cfg(feature = "gstreamer")]
mod tracks;
#[cfg(feature = "gstreamer")]
mod warm;
#[cfg(feature = "gstreamer")]
mod worker;

pub use config::{AudioOutput, BufferPolicy, PlayerConfig, SeekMode, VideoSink};
pub use error::PlayerError;
pub use event::{
    LumaFacts, PlayerEvent, PlayerId, PlayerSnapshot, PlayerState, PoolCounts, StallReason, StartClass,
};
#[cfg(feature = "gstreamer")]
pub use pool::PlayerPool;
pub use port::{MediaFrom, Players};
#[cfg(feature = "gstreamer")]
pub use surface::{Colours, Picture, Screen, Surface};
pub use unspool_engine::SoundFocus;
#[cfg(feature = "gstreamer")]
pub use warm::{version, warm_up};
