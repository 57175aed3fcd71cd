//! Opens the player pool off the caller's thread: the first start of GStreamer reads its plugins, which takes a second.

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use unspool_player::{AudioOutput, PlayerConfig, PlayerEvent, PlayerPool, VideoSink};

use crate::config::PlayerOptions;
use crate::driver::Input;

/// Opens a pool and hands it to the driver.
pub(crate) fn open(
    handle: &Handle,
    options: &PlayerOptions,
    events: mpsc::UnboundedSender<PlayerEvent>,
    inputs: mpsc::UnboundedSender<Input>,
) {
    let config = PlayerConfig {
        sink: options.window.map_or(VideoSink::Headless, VideoSink::WindowHandle),
        audio: if options.sound { AudioOutput::Device } else { AudioOutput::Silent },
        max_players: options.players,
        loop_playback: options.loop_playback,
        capture_first_frame: options.describe_first_frame,
        ..PlayerConfig::default()
    };
    handle.spawn_blocking(move || {
        let opened = PlayerPool::open(config, events).map_err(|e| e.to_string());
        // A feed that ended meanwhile does not need it; dropping the pool ends it.
        let _ = inputs.send(Input::PoolReady(opened));
    });
}
