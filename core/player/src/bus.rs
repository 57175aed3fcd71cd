//! What a pipeline says, put into our words.
//!
//! The handler runs on whatever thread posted the message, so it only passes things on. It drops every message: nobody
//! reads the bus, and what is kept there would keep the pipeline.

use crate::PlayerError;
use crate::graph::internal;
use crate::player::{Command, Note, Player};
use gst::prelude::*;
use std::sync::Arc;
use unspool_media::{ReadError, VideoCodec};

/// Connects a pipeline's messages to its player.
pub(crate) fn connect_bus(player: &Arc<Player>, pipeline: &gst::Pipeline) -> Result<(), PlayerError> {
    let bus = pipeline.bus().ok_or_else(|| internal("the pipeline has no bus"))?;
    let player = Arc::downgrade(player);
    bus.set_sync_handler(move |_, message| {
        if let Some(player) = player.upgrade() {
            heard(&player, message);
        }
        gst::BusSyncReply::Drop
    });
    Ok(())
}

/// A message of the pipeline, on whatever thread posted it.
fn heard(player: &Player, message: &gst::MessageRef) {
    use gst::MessageView;
    match message.view() {
        MessageView::Error(error) => player.fail(error_of(player, &error.error())),
        MessageView::Eos(_) => player.note(Note::EndOfStream(player.serial, message.seqnum())),
        MessageView::SegmentDone(_) => player.note(Note::SegmentDone(player.serial, message.seqnum())),
        MessageView::AsyncDone(_) => player.command(Command::Check),
        // A start that goes straight on to PLAYING is still under way when the message above comes.
        MessageView::StateChanged(change)
            if change.pending() == gst::State::VoidPending
                && message.src().is_some_and(|s| s.is::<gst::Pipeline>()) =>
        {
            player.command(Command::Check);
        }
        MessageView::Warning(warning) => {
            tracing::debug!(player = player.id.0, text = %warning.error(), "pipeline warning");
        }
        MessageView::Qos(qos) => {
            let dropped = u64::try_from(qos.stats().1.value()).unwrap_or(0);
            if let Some(element) = message.src() {
                player.count_dropped(&element.name(), dropped);
            }
        }
        _ => {}
    }
}

/// Says a GStreamer error in our words.
fn error_of(player: &Player, error: &gst::glib::Error) -> PlayerError {
    match player.feed.failure() {
        Some(ReadError::Failed { reason, retryable }) => return PlayerError::Source { reason, retryable },
        Some(other) => return PlayerError::Source { reason: other.to_string(), retryable: true },
        None => {}
    }
    let reason = error.message().to_owned();
    if let Some(kind) = error.kind::<gst::StreamError>() {
        return match kind {
            gst::StreamError::Decode => PlayerError::Decode { reason },
            gst::StreamError::CodecNotFound => {
                PlayerError::UnsupportedCodec { codec: player.info.video.unwrap_or(VideoCodec::Other) }
            }
            _ => PlayerError::Container { reason },
        };
    }
    if error.is::<gst::ResourceError>() {
        return PlayerError::Source { reason, retryable: true };
    }
    internal(reason)
}
