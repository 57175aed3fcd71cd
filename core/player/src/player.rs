//! One player as its threads share it: facts in, commands out.
//!
//! Four parties meet here. The caller's threads set the intent and send commands; the worker thread carries them out on
//! the pipeline; GStreamer's streaming threads record what was shown; the monitor thread looks at all of it and reports.
//! Each lock guards one small record and is never held across a call into GStreamer or out of this crate. Order, where
//! two are taken: `control`, then `meter`.

use crate::lock::lock;
use crate::luma;
use crate::meter::{Frame, Meter};
use crate::source::Feed;
use crate::surface::Easel;
use crate::{
    LumaFacts, PlayerConfig, PlayerError, PlayerId, PlayerSnapshot, PlayerState, SeekMode, StartClass,
    VideoSink,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use unspool_engine::Supply;
use unspool_media::{Layout, MediaInfo};

/// Work for a player's worker thread; done in order.
#[derive(Debug)]
pub(crate) enum Command {
    /// The tracks are known: make ready for looping, then for playing.
    Arm,
    /// A state change finished: see whether the first picture is there.
    Check,
    /// The pictures begin here, in media time.
    Begin(Duration),
    Play {
        /// Whether it is a start: the first picture is then due at once.
        start: bool,
    },
    Pause,
    /// Stop the clock while bytes are missing, as from the moment when the missing picture was due.
    Hold(Instant),
    Unhold,
    Seek(Duration, SeekMode),
    Rate(f64),
    Mute(bool),
    Volume(f64),
    /// Draw the last picture again: the surface is new.
    Redraw,
    /// Start over after this pass, unless a jump has begun another one since.
    Again {
        /// Whether the end was reached, so that what is downstream has to be flushed.
        flush: bool,
        after: gst::Seqnum,
    },
    Release,
}

/// Something that happened, for the monitor thread.
#[derive(Debug)]
pub(crate) enum Note {
    Added(Arc<Player>),
    Look,
    PreRolled(u64, Duration),
    First(u64, First),
    Lap(u64, u64),
    Rendition(u64, Decoded),
    SurfaceFailed(u64, PlayerError),
    EndOfStream(u64, gst::Seqnum),
    SegmentDone(u64, gst::Seqnum),
    PassHasPictures(u64, gst::Seqnum),
    PassWithoutPictures(u64, gst::Seqnum),
    Failed(u64, PlayerError),
    Released(u64),
    Stopped(u64),
    Shutdown,
}

/// A first picture.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) class: StartClass,
    pub(crate) latency: Duration,
    pub(crate) size: (u32, u32),
    pub(crate) luma: Option<LumaFacts>,
}

/// What a decoder gives.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) size: (u32, u32),
    pub(crate) frame_rate: f64,
    pub(crate) decoder: String,
}

/// What is known of the network, shared by a pool and its players; 0 stands for nothing.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    pub(crate) fn set(&self, bps: Option<u64>) {
        self.0.store(bps.map_or(0, |bps| bps.max(1)), Ordering::Relaxed);
    }

    fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&bps| bps > 0)
    }
}

/// What the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Prepare,
    Play,
    Pause,
    Park,
}

/// Intent and standing of a player.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) intent: Intent,
    pub(crate) prerolled: bool,
    /// When `play` was called, for a start whose picture is not shown yet.
    pub(crate) asked_at: Option<Instant>,
    pub(crate) asked_prerolled: bool,
    /// The next `play` is a start.
    pub(crate) rearm: bool,
    /// Playing waits for `BufferPolicy::start_ms`.
    pub(crate) gated: bool,
    /// A start waited at the gate.
    pub(crate) was_gated: bool,
    /// No picture is due before this moment plus a step.
    pub(crate) due_from: Option<Instant>,
    pub(crate) class: Option<StartClass>,
    pub(crate) stalled: bool,
    pub(crate) ended: bool,
    pub(crate) failed: bool,
    pub(crate) stalls: u64,
    pub(crate) stall_time: Duration,
    pub(crate) rate: f64,
    pub(crate) volume: f64,
    /// Playing waits for a surface.
    pub(crate) hidden: bool,
}

/// What the demuxer is sending: everything from one seek to the next.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pass {
    /// The number of the seek that began it, which is in everything that is told of it; `None` before the first.
    pub(crate) begun_by: Option<gst::Seqnum>,
    /// It begins further on than playback does.
    pub(crate) partial: bool,
}

impl Pass {
    /// Whether news with this number are about this pass.
    pub(crate) fn is(&self, number: gst::Seqnum) -> bool {
        self.begun_by.is_none_or(|own| own == number)
    }
}

/// What passed the pads; written by streaming threads.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// The sink has had everything of this pass.
    pub(crate) drained: AtomicBool,
    /// Running time of the newest picture at the sink, in nanoseconds.
    pub(crate) arrived: AtomicU64,
    /// Its media time, in nanoseconds.
    pub(crate) arrived_at: AtomicU64,
    /// Pictures of this pass that reached the sink.
    pub(crate) pictures: AtomicU64,
    pub(crate) pass: Mutex<Pass>,
    /// After this pass another is to begin, as soon as it proves to have pictures.
    pub(crate) lap_waits: Mutex<Option<gst::Seqnum>>,
    /// Furthest media time that left the demuxer, in nanoseconds, over all tracks.
    pub(crate) demuxed: AtomicU64,
    /// Pictures that were too late to be shown.
    pub(crate) dropped: AtomicU64,
}

/// Elements that other threads look at, while the pipeline lives.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    pub(crate) queue: gst::Element,
}

/// One player.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) id: PlayerId,
    pub(crate) serial: u64,
    pub(crate) feed: Arc<Feed>,
    pub(crate) info: Arc<MediaInfo>,
    pub(crate) config: Arc<PlayerConfig>,
    pub(crate) prepared_at: Instant,
    pub(crate) control: Mutex<Control>,
    pub(crate) meter: Mutex<Meter>,
    pub(crate) flow: Flow,
    pub(crate) tap: Mutex<Option<Tap>>,
    pub(crate) easel: Mutex<Option<Arc<Easel>>>,
    /// The picture on show, for a surface that comes later.
    pub(crate) picture: Mutex<Option<gst::Sample>>,
    /// The picture that stands ready, for a screen that comes later.
    pub(crate) ready: Mutex<Option<gst::Sample>>,
    /// Dropped pictures by the element that last told of them.
    pub(crate) drops: Mutex<BTreeMap<String, u64>>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) notes: mpsc::Sender<Note>,
}

impl Player {
    pub(crate) fn command(&self, command: Command) {
        // A worker that is gone has released its pipeline; there is nothing left to do.
        let _ = self.commands.send(command);
    }

    pub(crate) fn note(&self, note: Note) {
        let _ = self.notes.send(note);
    }

    pub(crate) fn fail(&self, error: PlayerError) {
        self.note(Note::Failed(self.serial, error));
    }

    /// Asks to play; the moment of the call is the intent that the first picture is measured from.
    pub(crate) fn play(&self, now: Instant) {
        self.feed.set_watched(true);
        let short = !self.config.buffer.may_start(&self.supply());
        let hidden = {
            let easel = lock(&self.easel);
            if let Some(easel) = easel.as_ref() {
                easel.claim(self.serial);
            }
            easel.is_none() && self.config.sink != VideoSink::Headless
        };
        let mut control = lock(&self.control);
        if control.failed || control.intent == Intent::Play && !control.ended {
            return;
        }
        let again = std::mem::take(&mut control.ended);
        let start = control.rearm;
        if std::mem::take(&mut control.rearm) {
            control.asked_at = Some(now);
            control.asked_prerolled = control.prerolled;
            control.gated = short;
            control.was_gated = short;
            lock(&self.meter).expect_start();
        }
        control.intent = Intent::Play;
        control.hidden = hidden;
        control.due_from = Some(now);
        if again {
            lock(&self.meter).expect_jump(Duration::ZERO);
            self.command(Command::Seek(Duration::ZERO, SeekMode::Keyframe));
        }
        if !control.gated && !hidden {
            self.command(Command::Play { start });
        }
        drop(control);
        self.note(Note::Look);
    }

    /// Asks to stand still.
    pub(crate) fn stand(&self, intent: Intent) {
        if intent == Intent::Park {
            self.feed.set_watched(false);
        }
        let now = Instant::now();
        let mut control = lock(&self.control);
        if intent == Intent::Park && control.intent == Intent::Play && !control.stalled {
            lock(&self.meter).leave(now, control.rate);
        }
        // A start that never showed a picture starts anew; so does a parked player.
        if intent == Intent::Park || control.asked_at.is_some() {
            control.rearm = true;
            control.asked_at = None;
        }
        control.intent = intent;
        control.gated = false;
        control.hidden = false;
        lock(&self.meter).excuse();
        drop(control);
        self.command(Command::Pause);
        self.note(Note::Look);
    }

    /// Asks to jump.
    pub(crate) fn seek(&self, to: Duration, mode: SeekMode, now: Instant) {
        let mut control = lock(&self.control);
        control.ended = false;
        control.due_from = Some(now);
        lock(&self.meter).expect_jump(to);
        drop(control);
        self.command(Command::Seek(to, mode));
        self.note(Note::Look);
    }

    /// The surface came, went or was replaced.
    pub(crate) fn surface_changed(&self, there: bool, now: Instant) {
        let mut control = lock(&self.control);
        let start = control.asked_at.is_some();
        let hides = !there && self.config.sink != VideoSink::Headless && control.intent == Intent::Play;
        let command = match (hides, control.hidden) {
            (true, false) => Some(Command::Pause),
            (false, true) if !control.gated => Some(Command::Play { start }),
            _ => None,
        };
        if hides && !control.hidden && !control.stalled {
            lock(&self.meter).leave(now, control.rate);
        }
        lock(&self.meter).excuse();
        control.hidden = hides;
        control.due_from = Some(now);
        drop(control);
        if there {
            self.command(Command::Redraw);
        }
        if let Some(command) = command {
            self.command(command);
        }
        self.note(Note::Look);
    }

    /// Puts a picture onto the surface, if there is one; says whether it counts as shown.
    pub(crate) fn draw(&self, sample: &gst::Sample) -> bool {
        let easel = lock(&self.easel).clone();
        match easel.as_ref().map(|easel| easel.draw(self.serial, sample)) {
            None => self.config.sink == VideoSink::Headless,
            Some(Ok(drawn)) => drawn || self.config.sink == VideoSink::Headless,
            Some(Err(error)) => {
                let mut held = lock(&self.easel);
                if held.as_ref().zip(easel.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b)) {
                    *held = None;
                }
                drop(held);
                self.note(Note::SurfaceFailed(self.serial, error));
                false
            }
        }
    }

    /// Puts the picture that stands ready onto a screen of the host, which shows a card before it plays. A window waits for
    /// what plays: others may draw into it. Counts nothing.
    pub(crate) fn draw_ahead(&self, sample: gst::Sample) {
        if self.config.sink != VideoSink::Surfaces {
            return;
        }
        let easel = lock(&self.easel).clone();
        if let Some(easel) = easel.filter(|easel| easel.is_screen()) {
            // A screen takes every picture; one that was taken away takes none, which is no fault.
            let _ = easel.draw(self.serial, &sample);
        }
        *lock(&self.ready) = Some(sample);
    }

    /// Draws what is on show, or stands ready, onto the surface that has just come.
    pub(crate) fn redraw(&self) {
        let shown = lock(&self.picture).clone();
        match shown {
            Some(picture) => {
                self.draw(&picture);
            }
            None => {
                let ready = lock(&self.ready).clone();
                if let Some(sample) = ready {
                    self.draw_ahead(sample);
                }
            }
        }
    }

    /// An element counted pictures that it did not show or decode.
    pub(crate) fn count_dropped(&self, element: &str, total: u64) {
        let before = lock(&self.drops).insert(element.to_owned(), total).unwrap_or(0);
        // Elements count from nothing again after a flush.
        let new = if total >= before { total - before } else { total };
        self.flow.dropped.fetch_add(new, Ordering::SeqCst);
    }

    /// What playback could draw on now.
    pub(crate) fn supply(&self) -> Supply {
        let (at, bytes) = self.feed.ahead();
        let position = ms(lock(&self.meter).position());
        Supply {
            buffered_ms: self.buffered_ms(),
            missing_bytes: self.info.size.saturating_sub(at.saturating_add(bytes)),
            left_ms: self.info.duration_ms.saturating_sub(position),
            rate: lock(&self.control).rate,
            throughput_bps: self.pace.get(),
        }
    }

    /// A picture was rendered. Called from a streaming thread.
    pub(crate) fn shown(&self, frame: Frame, (buffer, caps): (&gst::BufferRef, &gst::CapsRef)) {
        let now = Instant::now();
        let shown = lock(&self.meter).shown(frame, now);
        if let Some(lap) = shown.lap {
            self.note(Note::Lap(self.serial, lap));
        }
        if !shown.starts {
            return;
        }
        self.feed.set_started();
        let mut control = lock(&self.control);
        let Some(asked_at) = control.asked_at.take() else { return };
        let class = if control.asked_prerolled && !control.was_gated {
            StartClass::PreRolled
        } else if self.feed.waits() == 0 && !control.was_gated {
            StartClass::Cached
        } else {
            StartClass::Cold
        };
        control.class = Some(class);
        drop(control);
        let video = gst_video::VideoInfo::from_caps(caps).ok();
        let size = video.as_ref().map_or((self.info.width, self.info.height), |v| (v.width(), v.height()));
        let luma = video
            .as_ref()
            .filter(|_| self.config.capture_first_frame)
            .and_then(|video| luma::measure(buffer, video));
        let first = First { class, latency: now.saturating_duration_since(asked_at), size, luma };
        self.note(Note::First(self.serial, first));
    }

    /// Milliseconds of media between what is shown and the first missing byte; `None` means up to the end.
    pub(crate) fn buffered_ms(&self) -> Option<u64> {
        use gst::prelude::*;
        let tap = lock(&self.tap).clone();
        let queued = tap.map_or(0, |tap| tap.queue.property::<u64>("current-level-time") / 1_000_000);
        let (at, bytes) = self.feed.ahead();
        crate::level::buffered_ms(&self.info, at, bytes).map(|ms| ms + queued)
    }

    /// Whether the samples ended well before the stated length, and where.
    pub(crate) fn truncated_at(&self) -> Option<u64> {
        /// Rounding, edit lists and encoder delay make honest files differ by a few frames; half a second is no file's
        /// rounding and the smallest cut worth telling.
        const SLACK_MS: u64 = 500;
        let at = self.flow.demuxed.load(Ordering::SeqCst) / 1_000_000;
        // How long the last part of a fragmented file is may be a guess; that it is there is not.
        let least = match (self.info.layout, self.info.index.as_slice()) {
            (Layout::Fragmented, [.., before, _]) => before.0,
            _ => self.info.duration_ms,
        };
        (at + SLACK_MS < least).then_some(at)
    }

    pub(crate) fn snapshot(&self) -> PlayerSnapshot {
        let control = lock(&self.control);
        let meter = lock(&self.meter);
        let state = match control.intent {
            _ if control.failed => PlayerState::Failed,
            _ if control.ended => PlayerState::Ended,
            Intent::Play if control.hidden => PlayerState::Hidden,
            Intent::Play if control.stalled => PlayerState::Stalled,
            Intent::Play if control.asked_at.is_some() => PlayerState::Starting,
            Intent::Play => PlayerState::Playing,
            Intent::Park => PlayerState::Parked,
            Intent::Pause => PlayerState::Paused,
            Intent::Prepare if control.prerolled => PlayerState::PreRolled,
            Intent::Prepare => PlayerState::Preparing,
        };
        PlayerSnapshot {
            state,
            position_ms: ms(meter.position()),
            duration_ms: self.info.duration_ms,
            active_ms: ms(meter.active()),
            frames: meter.frames(),
            stalls: control.stalls,
            stall_ms: ms(control.stall_time),
            sink_stall_ms: ms(meter.late()),
            dropped: self.flow.dropped.load(Ordering::SeqCst),
            volume: control.volume,
            loops: meter.laps(),
            start_class: control.class,
        }
    }
}

/// Whole milliseconds, rounded down.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
