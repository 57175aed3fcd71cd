//! Who plays: the pipelines of `unspool-player`, or players of the platform that the app supplies; opened off the caller's
//! thread, because the first start of GStreamer reads its plugins, which takes a second.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use unspool_media::tasks;
use unspool_player::platform::{PlatformFactory, PlatformPool};
use unspool_player::{AudioOutput, PlayerConfig, PlayerEvent, Players, VideoSink};
#[cfg(feature = "gstreamer")]
use unspool_player::{PlayerPool, Screen};

use crate::config::PlayerOptions;
use crate::driver::Input;

/// Who decodes and shows.
#[derive(Debug, Clone, Default)]
pub enum PlayerEngine {
    /// The pipelines of the core, with `GStreamer`. In a build without the feature `gstreamer` a feed tells
    /// [`PlayersFailed`](crate::Event::PlayersFailed) and everything but playback works.
    #[default]
    Pipelines,
    /// Players of the platform, which read the cache by an address: that of the gateway, or of a file.
    Platform {
        /// Makes them; an app with asynchronous code wraps it with [`share_players`](crate::share_players).
        factory: Arc<dyn PlatformFactory>,
        /// Whether a rendition that is complete on the device is given as a `file:` address, which costs no server and
        /// counts nowhere. The files have no extension, so it is for players that look at the bytes.
        files: bool,
    },
    /// The pipelines of the core, whose decoded pictures the app takes itself instead of lending windows: to draw with an
    /// engine of its own, to send them elsewhere.
    #[cfg(feature = "gstreamer")]
    Screens(Arc<dyn Screens>),
}

/// An app's own places for decoded pictures, one for each card.
///
/// Threads: called by the task that runs the feed, which waits for the answer; it has to come at once.
#[cfg(feature = "gstreamer")]
pub trait Screens: Send + Sync + std::fmt::Debug {
    /// The place for the pictures of the card at this position, asked for whenever a player is made for it. The first
    /// picture comes before the card plays. It is dropped when the player is gone.
    fn screen(&self, position: u64) -> Arc<dyn Screen>;
}

/// An opened set of players.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) players: Arc<dyn Players>,
    /// The same, where they are pipelines, which can be given windows.
    #[cfg(feature = "gstreamer")]
    pub(crate) pipelines: Option<Arc<PlayerPool>>,
    /// Where the app takes their pictures itself.
    #[cfg(feature = "gstreamer")]
    pub(crate) screens: Option<Arc<dyn Screens>>,
}

/// What the options mean to players.
fn settings(options: &PlayerOptions) -> PlayerConfig {
    PlayerConfig {
        sink: if options.shows() { VideoSink::Surfaces } else { VideoSink::Headless },
        audio: if options.sound { AudioOutput::Device } else { AudioOutput::Silent },
        max_players: options.players,
        memory_bytes: options.memory_bytes,
        loop_playback: options.loop_playback,
        capture_first_frame: options.describe_first_frame,
        ..PlayerConfig::default()
    }
}

/// Opens players and hands them to the driver.
pub(crate) fn open(
    handle: &Handle,
    engine: &PlayerEngine,
    options: &PlayerOptions,
    events: mpsc::UnboundedSender<PlayerEvent>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    let (config, engine) = (settings(options), engine.clone());
    tasks::spawn_blocking_on(handle, move || {
        let opened = match engine {
            PlayerEngine::Platform { factory, .. } => PlatformPool::open(factory, config, events)
                .map(|pool| Opened {
                    players: Arc::new(pool),
                    #[cfg(feature = "gstreamer")]
                    pipelines: None,
                    #[cfg(feature = "gstreamer")]
                    screens: None,
                })
                .map_err(|e| e.to_string()),
            PlayerEngine::Pipelines => pipelines(config, events),
            #[cfg(feature = "gstreamer")]
            PlayerEngine::Screens(screens) => {
                let config = PlayerConfig { sink: VideoSink::Surfaces, ..config };
                pipelines(config, events).map(|opened| Opened { screens: Some(screens), ..opened })
            }
        };
        // A feed that ended meanwhile does not need it; dropping the pool ends it.
        let _ = inputs.send(Input::PoolReady(opened));
    });
}

#[cfg(feature = "gstreamer")]
fn pipelines(config: PlayerConfig, events: mpsc::UnboundedSender<PlayerEvent>) -> Result<Opened, String> {
    let pool = Arc::new(PlayerPool::open(config, events).map_err(|e| e.to_string())?);
    Ok(Opened { players: Arc::clone(&pool) as Arc<dyn Players>, pipelines: Some(pool), screens: None })
}

#[cfg(not(feature = "gstreamer"))]
fn pipelines(_: PlayerConfig, _: mpsc::UnboundedSender<PlayerEvent>) -> Result<Opened, String> {
    Err("this build of the core has no pipelines, and no players of the platform were given".to_owned())
}
