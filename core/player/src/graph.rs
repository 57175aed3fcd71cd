//! The pipeline of one player.
//!
//! `unspoolsrc ! qtdemux ! queue ! parser ! decoder ! sink`, built by hand: no type finding (it reads the tail and the
//! middle of the file, which a sparse source may not have), no autoplugging (1.22's loses starts under load). The audio
//! chain is added only when its pad appears, and never takes part in pre-roll, so a missing or short track cannot keep
//! the picture from coming.

use crate::bus::connect_bus;
use crate::codec::{self, VideoChain};
use crate::lock::lock;
use crate::meter::Frame;
use crate::player::{Command, Decoded, Note, Player, Tap};
use crate::tracks::connect_demuxer;
use crate::{PlayerError, VideoSink, source};
use gst::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Media kept between demuxer and decoder.
///
/// One second bridges the jitter of a cache read, and is little enough that a player holds well under a megabyte of it
/// at the bit rates of short video. It is also how long pictures may be late because bytes were: what stood in the queue
/// when the wait for them ended has passed by then.
const VIDEO_QUEUE: Duration = Duration::from_secs(1);

/// Most bytes in a queue, against a broken time line.
const QUEUE_BYTES: u32 = 16 << 20;

/// Length of a picture that says nothing about it.
const DEFAULT_STEP: Duration = Duration::from_millis(40);

/// A built pipeline.
#[derive(Debug)]
pub(crate) struct Graph {
    pipeline: gst::Pipeline,
    demuxer: gst::Element,
    sound: Arc<Mutex<Sound>>,
}

/// How loud it is to be, and the element that does it once there is one.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) muted: bool,
    pub(crate) volume: f64,
    pub(crate) element: Option<gst::Element>,
}

impl Default for Sound {
    fn default() -> Self {
        Self { muted: false, volume: 1.0, element: None }
    }
}

impl Sound {
    /// Tells the element.
    pub(crate) fn apply(&self) {
        if let Some(element) = &self.element {
            element.set_property("mute", self.muted);
            element.set_property("volume", self.volume);
        }
    }
}

pub(crate) fn element(name: &str) -> Result<gst::Element, PlayerError> {
    gst::ElementFactory::make(name).build().map_err(|_| PlayerError::MissingElement { name: name.to_owned() })
}

pub(crate) fn internal(error: impl std::fmt::Display) -> PlayerError {
    PlayerError::Internal { reason: error.to_string() }
}

pub(crate) fn queue(time: Duration) -> Result<gst::Element, PlayerError> {
    let queue = element("queue")?;
    queue.set_property("max-size-time", u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    queue.set_property("max-size-bytes", QUEUE_BYTES);
    queue.set_property("max-size-buffers", 0_u32);
    Ok(queue)
}

impl Graph {
    /// Builds the pipeline and connects it to the player's records; nothing runs yet.
    pub(crate) fn build(player: &Arc<Player>) -> Result<Self, PlayerError> {
        let wanted = player.info.video.ok_or(PlayerError::NoVideo)?;
        let VideoChain { parser, decoder: name } = codec::video_chain(wanted)?;
        let pipeline = gst::Pipeline::new();
        let source = element(source::ELEMENT)?;
        source
            .dynamic_cast_ref::<gst::URIHandler>()
            .ok_or_else(|| internal("the source takes no address"))?
            .set_uri(&player.feed.uri())
            .map_err(internal)?;
        let demuxer = element("qtdemux")?;
        let video_queue = queue(VIDEO_QUEUE)?;
        let parser = element(parser)?;
        let decoder = element(&name)?;
        for name in ["max-threads", "threads", "n-threads"] {
            if let Some(property) = decoder.find_property(name) {
                let threads = player.config.decoder_threads;
                if property.value_type() == i32::static_type() {
                    decoder.set_property(name, i32::try_from(threads).unwrap_or(0));
                } else if property.value_type() == u32::static_type() {
                    decoder.set_property(name, threads);
                }
            }
        }
        let sink = video_sink(player);
        pipeline.add_many([&source, &demuxer, &video_queue, &parser, &decoder, &sink]).map_err(internal)?;
        source.link(&demuxer).map_err(internal)?;
        gst::Element::link_many([&video_queue, &parser, &decoder, &sink]).map_err(internal)?;
        watch_sink(player, &sink, name.clone())?;
        let sound = Arc::new(Mutex::new(Sound::default()));
        connect_demuxer(player, &pipeline, &demuxer, &video_queue, wanted, &sound);
        connect_bus(player, &pipeline)?;
        *lock(&player.tap) = Some(Tap { queue: video_queue });
        Ok(Self { pipeline, demuxer, sound })
    }

    pub(crate) fn set_state(&self, state: gst::State) -> Result<(), String> {
        self.pipeline.set_state(state).map(drop).map_err(|error| error.to_string())
    }

    /// Pauses as if it had been at `since`, so that what comes late is shown at its pace and not hurried through.
    pub(crate) fn pause_since(&self, since: std::time::Instant) -> Result<(), String> {
        let ran = self.pipeline.current_state() == gst::State::Playing;
        self.set_state(gst::State::Paused)?;
        if let (true, Some(stands), Ok(late)) =
            (ran, self.pipeline.start_time(), gst::ClockTime::try_from(since.elapsed()))
        {
            self.pipeline.set_start_time(stands.saturating_sub(late));
        }
        Ok(())
    }

    /// Goes from paused to playing so that the picture waiting at the sink, `next` on the running line, is due at once.
    ///
    /// A sink shows a picture at its time: the first of a file whose sound starts earlier, or the one after the picture
    /// at which a card was parked, would be waited for. The clock is moved instead; pictures and sound stay in step, and
    /// sound from before that picture is over.
    pub(crate) fn play_from(&self, next: Duration) -> Result<(), String> {
        if let (Ok(next), Some(stands)) = (gst::ClockTime::try_from(next), self.pipeline.start_time())
            && next > stands
        {
            self.pipeline.set_start_time(next);
        }
        self.set_state(gst::State::Playing)
    }

    /// Whether no state change is under way and the pipeline is at least paused.
    pub(crate) fn settled(&self) -> bool {
        let (result, state, _) = self.pipeline.state(gst::ClockTime::ZERO);
        matches!(result, Ok(gst::StateChangeSuccess::Success)) && state >= gst::State::Paused
    }

    /// Sends a seek to the demuxer itself: the elements between it and the sink may not know their format yet.
    ///
    /// Without a flush the demuxer waits for its own streaming thread, which in a paused pipeline may stand at a full
    /// queue for ever; so only a pass that was sent to its end may be followed by such a seek.
    pub(crate) fn seek(&self, event: gst::Event) -> bool {
        self.demuxer.send_event(event)
    }

    pub(crate) fn set_sound(&self, change: impl FnOnce(&mut Sound)) {
        let mut sound = lock(&self.sound);
        change(&mut sound);
        sound.apply();
    }

    /// Stops the pipeline and lets go of it; returns when it is at NULL.
    pub(crate) fn stop(self, player: &Player) {
        *lock(&player.tap) = None;
        *lock(&player.picture) = None;
        *lock(&player.ready) = None;
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!(player = player.id.0, "a pipeline refused to stop");
        }
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
    }
}

impl Drop for Graph {
    /// A pipeline dropped while it runs keeps its threads for ever.
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The picture's end: in step with the clock, and what is due is drawn onto the player's surface.
fn video_sink(player: &Arc<Player>) -> gst::Element {
    let sink = gst_app::AppSink::builder().sync(true).max_buffers(1).build();
    // With `wait-on-eos` an end that nobody pulls would never be announced.
    sink.set_property("wait-on-eos", false);
    sink.set_property("enable-last-sample", false);
    be_punctual(sink.upcast_ref(), player, true);
    let player = Arc::downgrade(player);
    let ahead = player.clone();
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_preroll(move |sink| {
                if let (Ok(sample), Some(player)) = (sink.pull_preroll(), ahead.upgrade()) {
                    player.draw_ahead(sample);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(player) = player.upgrade() {
                    rendered(&player, &sample);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    sink.upcast()
}

/// Whether pictures that come late are left out.
///
/// Those of a decoder that is too slow are: later than a stall is told they are no pictures of that moment, and the
/// decoder hears of it and skips what nobody would see. Where bytes were missing nothing is: the clock is set back to
/// the moment when the missing picture was due, and what was left out would be cut from the clip.
fn be_punctual(sink: &gst::Element, player: &Player, punctual: bool) {
    let most = i64::try_from(player.config.stall_after.as_nanos()).unwrap_or(i64::MAX);
    sink.set_property("max-lateness", if punctual { most } else { -1 });
    sink.set_property("qos", punctual);
}

fn rendered(player: &Player, sample: &gst::Sample) {
    if !player.draw(sample) {
        return;
    }
    if let (Some(buffer), Some(segment), Some(caps)) = (sample.buffer(), sample.segment(), sample.caps())
        && let Some(frame) = frame_of(buffer, segment)
    {
        player.shown(frame, (buffer, caps));
    }
    if player.config.sink != VideoSink::Headless || lock(&player.easel).is_some() {
        // A sample of its own: the sink uses the one it handed out again.
        if let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps_owned()) {
            *lock(&player.picture) = Some(gst::Sample::builder().buffer(&buffer).caps(&caps).build());
        }
    }
}

pub(crate) fn frame_of(buffer: &gst::BufferRef, segment: &gst::Segment) -> Option<Frame> {
    let segment = segment.downcast_ref::<gst::ClockTime>()?;
    let pts = buffer.pts()?;
    Some(Frame {
        at: segment.to_stream_time(pts)?.into(),
        step: buffer.duration().filter(|d| !d.is_zero()).map_or(DEFAULT_STEP, Duration::from),
        running: segment.to_running_time(pts).map_or(Duration::ZERO, Duration::from),
    })
}

/// The segment that a pad is in.
pub(crate) fn segment_of(pad: &gst::Pad) -> Option<gst::Segment> {
    pad.sticky_event::<gst::event::Segment<_>>(0).map(|event| event.segment().clone())
}

/// Media time at which a gap ends.
fn gap_end(event: &gst::Event, segment: &gst::Segment) -> Option<Duration> {
    let gst::EventView::Gap(gap) = event.view() else { return None };
    let (start, duration) = gap.get();
    let segment = segment.downcast_ref::<gst::ClockTime>()?;
    let end = start.checked_add(duration?)?;
    // The end of a gap may be the end of its segment; time runs on linearly for the little that is asked here.
    segment.to_stream_time(end.min(segment.stop().unwrap_or(end))).map(Duration::from)
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Watches what reaches the sink: how far apart pictures are meant to be, and when a pass is over.
fn watch_sink(player: &Arc<Player>, sink: &gst::Element, decoder: String) -> Result<(), PlayerError> {
    let pad = sink.static_pad("sink").ok_or_else(|| internal("the sink has no pad"))?;
    let player = Arc::downgrade(player);
    let sink = sink.downgrade();
    let punctual = AtomicBool::new(true);
    let types =
        gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(types, move |pad, info| {
        let Some(player) = player.upgrade() else { return gst::PadProbeReturn::Ok };
        let flow = &player.flow;
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                if let Some(frame) = segment_of(pad).and_then(|segment| frame_of(buffer, &segment)) {
                    flow.arrived.store(nanos(frame.running), Ordering::SeqCst);
                    flow.arrived_at.store(nanos(frame.at), Ordering::SeqCst);
                }
                let fair = !player.feed.starved(VIDEO_QUEUE);
                if punctual.swap(fair, Ordering::SeqCst) != fair
                    && let Some(sink) = sink.upgrade()
                {
                    be_punctual(&sink, &player, fair);
                }
                flow.drained.store(false, Ordering::SeqCst);
                flow.pictures.fetch_add(1, Ordering::SeqCst);
                if let Some(pass) = lock(&flow.lap_waits).take() {
                    player.note(Note::PassHasPictures(player.serial, pass));
                }
            }
            Some(gst::PadProbeData::Event(event)) => match event.type_() {
                gst::EventType::SegmentDone | gst::EventType::Eos => {
                    flow.drained.store(true, Ordering::SeqCst);
                    if event.type_() == gst::EventType::SegmentDone
                        && flow.pictures.swap(0, Ordering::SeqCst) == 0
                    {
                        player.note(Note::PassWithoutPictures(player.serial, event.seqnum()));
                    }
                }
                // A gap would count as the pre-roll, and there is no picture in it.
                gst::EventType::Gap => {
                    let end = segment_of(pad).and_then(|segment| gap_end(event, &segment));
                    if let Some(end) = end.filter(|_| flow.pictures.load(Ordering::SeqCst) == 0) {
                        player.command(Command::Begin(end));
                    }
                    // Taken out and HANDLED: with DROP the binding would free it and the core complain.
                    info.data = None;
                    return gst::PadProbeReturn::Handled;
                }
                gst::EventType::Caps => {
                    if let gst::EventView::Caps(caps) = event.view()
                        && let Ok(video) = gst_video::VideoInfo::from_caps(caps.caps())
                    {
                        let rate = video.fps();
                        let frame_rate = f64::from(rate.numer()) / f64::from(rate.denom().max(1));
                        let size = (video.width(), video.height());
                        let decoded = Decoded { size, frame_rate, decoder: decoder.clone() };
                        player.note(Note::Rendition(player.serial, decoded));
                    }
                }
                gst::EventType::FlushStop => {
                    flow.drained.store(false, Ordering::SeqCst);
                    flow.pictures.store(0, Ordering::SeqCst);
                    flow.arrived.store(0, Ordering::SeqCst);
                }
                _ => {}
            },
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}
