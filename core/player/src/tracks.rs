//! What comes out of the demuxer: the picture is linked, sound gets a chain of its own.

use crate::graph::{Sound, element, frame_of, internal, nanos, queue, segment_of};
use crate::lock::lock;
use crate::player::{Command, Player};
use crate::{AudioOutput, PlayerError, codec};
use gst::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use unspool_media::VideoCodec;

/// Sound kept between demuxer and decoder; long, because it must never fill up before a picture arrives.
const AUDIO_QUEUE: Duration = Duration::from_secs(3);

/// Connects what the demuxer finds.
pub(crate) fn connect_demuxer(
    player: &Arc<Player>,
    pipeline: &gst::Pipeline,
    demuxer: &gst::Element,
    video_queue: &gst::Element,
    wanted: VideoCodec,
    sound: &Arc<Mutex<Sound>>,
) {
    let linked = Arc::new(AtomicBool::new(false));
    let other: Arc<Mutex<Option<VideoCodec>>> = Arc::default();
    {
        let (player, pipeline, queue) =
            (Arc::downgrade(player), pipeline.downgrade(), video_queue.downgrade());
        let (linked, other, sound) = (Arc::clone(&linked), Arc::clone(&other), Arc::clone(sound));
        demuxer.connect_pad_added(move |_, pad| {
            let (Some(player), Some(pipeline), Some(queue)) =
                (player.upgrade(), pipeline.upgrade(), queue.upgrade())
            else {
                return;
            };
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let name = caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
            if name.starts_with("video/") {
                measure_demuxed(&player, pad);
                let codec = codec::codec_of(&name);
                if codec != wanted {
                    *lock(&other) = Some(codec);
                } else if !linked.swap(true, Ordering::SeqCst) {
                    let sink = queue.static_pad("sink");
                    if sink.is_none_or(|sink| pad.link(&sink).is_err()) {
                        player.fail(internal("the video track cannot be linked"));
                    }
                }
            } else if name.starts_with("audio/") {
                measure_demuxed(&player, pad);
                if let Err(error) = add_audio(&player, &pipeline, pad, &caps, &sound) {
                    // Sound that cannot be played does not keep the picture from playing.
                    tracing::warn!(player = player.id.0, %error, "the audio track is left out");
                }
            }
        });
    }
    let player = Arc::downgrade(player);
    demuxer.connect_no_more_pads(move |_| {
        let Some(player) = player.upgrade() else { return };
        if linked.load(Ordering::SeqCst) {
            player.command(Command::Arm);
        } else if let Some(codec) = *lock(&other) {
            player.fail(PlayerError::UnsupportedCodec { codec });
        } else {
            player.fail(PlayerError::NoVideo);
        }
    });
}

/// Remembers how far the samples of a track reach.
fn measure_demuxed(player: &Arc<Player>, pad: &gst::Pad) {
    let player: Weak<Player> = Arc::downgrade(player);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let (Some(player), Some(gst::PadProbeData::Buffer(buffer))) = (player.upgrade(), &info.data)
            && let Some(frame) = segment_of(pad).and_then(|segment| frame_of(buffer, &segment))
        {
            player.flow.demuxed.fetch_max(nanos(frame.at + frame.step), Ordering::SeqCst);
        }
        gst::PadProbeReturn::Ok
    });
}

fn add_audio(
    player: &Player,
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    caps: &gst::CapsRef,
    sound: &Mutex<Sound>,
) -> Result<(), PlayerError> {
    if player.config.audio == AudioOutput::None || lock(sound).element.is_some() {
        return Ok(());
    }
    let Some(names) = codec::audio_chain(caps) else { return Ok(()) };
    let mut chain = vec![queue(AUDIO_QUEUE)?];
    for name in names {
        chain.push(element(name)?);
    }
    let sink = if player.config.audio == AudioOutput::Device {
        for name in ["audioconvert", "audioresample"] {
            chain.push(element(name)?);
        }
        element("autoaudiosink")?
    } else {
        let sink = element("fakesink")?;
        sink.set_property("sync", true);
        sink.set_property("async", false);
        sink.set_property("enable-last-sample", false);
        sink
    };
    if player.config.audio == AudioOutput::Device {
        let volume = element("volume")?;
        chain.push(volume.clone());
        let mut sound = lock(sound);
        sound.element = Some(volume);
        sound.apply();
    }
    chain.push(sink);
    pipeline.add_many(chain.iter()).map_err(internal)?;
    gst::Element::link_many(chain.iter()).map_err(internal)?;
    for element in chain.iter().rev() {
        element.sync_state_with_parent().map_err(internal)?;
    }
    let entry = chain.first().and_then(|queue| queue.static_pad("sink"));
    entry.map_or(Err(internal("no pad")), |entry| pad.link(&entry).map(drop).map_err(internal))
}
