//! Starting GStreamer once.

use crate::{PlayerError, codec, source};
use gst::prelude::*;
use once_cell::sync::OnceCell;
use unspool_media::VideoCodec;

static STARTED: OnceCell<()> = OnceCell::new();

/// Starts GStreamer, registers the source element and loads the plugins that the first player will need.
///
/// Threads: callable from any, any number of times; only the first call works, the others wait for it or return at
/// once. Cost: tens of milliseconds, or over a second where GStreamer has to scan its plugins first, so call it early
/// and away from the main thread; [`PlayerPool::open`](crate::PlayerPool::open) calls it too. After a failure the next
/// call tries again.
///
/// # Errors
/// [`PlayerError::Init`] if GStreamer does not start, [`PlayerError::MissingElement`] without the MP4 demuxer.
pub fn warm_up() -> Result<(), PlayerError> {
    STARTED
        .get_or_try_init(|| {
            gst::init().map_err(|error| PlayerError::Init { reason: error.to_string() })?;
            source::register().map_err(|error| PlayerError::Init { reason: error.to_string() })?;
            for name in ["qtdemux", "queue", "appsink"] {
                load(name).ok_or_else(|| PlayerError::MissingElement { name: name.to_owned() })?;
            }
            if let Ok(chain) = codec::video_chain(VideoCodec::H264) {
                load(chain.parser);
                load(&chain.decoder);
            }
            for name in ["aacparse", "avdec_aac", "fakesink"] {
                load(name);
            }
            Ok(())
        })
        .copied()
}

/// Loads the plugin of an element, so that the first player does not pay for it.
fn load(name: &str) -> Option<()> {
    gst::ElementFactory::find(name).and_then(|factory| factory.load().ok()).map(drop)
}

/// Names GStreamer and its version, as in "GStreamer 1.22.0".
#[must_use]
pub fn version() -> String {
    let (major, minor, micro, _) = gst::version();
    format!("GStreamer {major}.{minor}.{micro}")
}
