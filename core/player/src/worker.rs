//! The thread that owns a pipeline.
//!
//! Every call that may block (building, state changes, flushing seeks) happens here, one after the other, so a caller
//! never waits and no two of them race. It is also the player's reaper: the source is aborted by the caller before
//! `Release` arrives, so whatever this thread is in comes back, and if it does not, the monitor's deadline abandons it.

use crate::graph::Graph;
use crate::lock::lock;
use crate::player::{Command, Intent, Note, Pass, Player};
use crate::{PlayerError, SeekMode};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Longest time that sound may play before the first picture.
///
/// Cameras and encoders shift tracks by up to a few hundred milliseconds, and that is kept. An edit list may also push
/// the pictures seconds back; a card that shows nothing for so long looks broken, so playback then begins at the first
/// picture.
const LATE_PICTURE: Duration = Duration::from_secs(1);

struct Worker {
    player: Arc<Player>,
    graph: Graph,
    /// The tracks are known.
    ready: bool,
    /// Ends of passes come as SEGMENT_DONE, ahead of the playhead, so that laps have no gap.
    seamless: bool,
    want: bool,
    held: bool,
    /// The next run begins a viewing, so its first picture is due at once.
    start: bool,
    jump: Option<(Duration, SeekMode)>,
    /// Where playback begins: 0, or the first picture of a file whose pictures begin late.
    origin: Duration,
    rate: f64,
}

fn flags_of(mode: SeekMode) -> gst::SeekFlags {
    match mode {
        SeekMode::Keyframe => gst::SeekFlags::KEY_UNIT,
        SeekMode::Accurate => gst::SeekFlags::ACCURATE,
    }
}

/// Builds and drives one pipeline until its release.
pub(crate) fn run(player: &Arc<Player>, commands: &mpsc::Receiver<Command>) {
    match Graph::build(player) {
        Ok(graph) => {
            let mut worker = Worker {
                player: Arc::clone(player),
                graph,
                ready: false,
                seamless: false,
                want: false,
                held: false,
                start: false,
                jump: None,
                origin: Duration::ZERO,
                rate: 1.0,
            };
            worker.set(gst::State::Paused);
            while let Ok(command) = commands.recv() {
                if matches!(command, Command::Release) {
                    break;
                }
                worker.carry_out(command);
            }
            worker.graph.stop(player);
        }
        Err(error) => {
            player.fail(error);
            while let Ok(command) = commands.recv() {
                if matches!(command, Command::Release) {
                    break;
                }
            }
        }
    }
    // The last player of a window lets go of it here, before it counts as gone.
    drop(lock(&player.easel).take());
    player.note(Note::Stopped(player.serial));
}

impl Worker {
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Arm => self.arm(),
            Command::Check => self.check(),
            Command::Begin(at) => {
                if at >= LATE_PICTURE {
                    self.begin_at(at);
                }
            }
            Command::Play { start } => {
                self.want = true;
                self.held = false;
                self.start |= start;
                self.apply();
            }
            Command::Pause => {
                self.want = false;
                self.start = false;
                self.apply();
            }
            Command::Hold(since) => {
                self.held = true;
                if let Err(reason) = self.graph.pause_since(since) {
                    self.player.fail(PlayerError::Internal { reason });
                }
            }
            Command::Unhold => {
                self.held = false;
                self.apply();
            }
            Command::Seek(to, mode) => {
                if self.ready {
                    self.jump(to, flags_of(mode));
                } else {
                    self.jump = Some((to, mode));
                }
            }
            Command::Rate(rate) => {
                self.rate = rate;
                if self.ready {
                    let at = lock(&self.player.meter).position();
                    lock(&self.player.meter).expect_jump(at);
                    self.jump(at, gst::SeekFlags::ACCURATE);
                }
            }
            Command::Mute(muted) => self.graph.set_sound(|sound| sound.muted = muted),
            Command::Volume(volume) => self.graph.set_sound(|sound| sound.volume = volume),
            Command::Redraw => self.player.redraw(),
            Command::Again { flush, after } => self.again(flush, after),
            Command::Release => {}
        }
    }

    /// A SEGMENT seek before anything is shown makes the first end seamless too; it costs a few milliseconds, because
    /// the demuxer has its tables already and the first sample is in memory.
    fn arm(&mut self) {
        let jump = self.jump.take();
        let (to, mode) = jump.unwrap_or((Duration::ZERO, SeekMode::Keyframe));
        let flags = gst::SeekFlags::FLUSH | flags_of(mode);
        if self.player.config.loop_playback {
            self.seamless = true;
            self.seamless = self.send_seek(flags, to);
        } else if jump.is_some() || !self.origin.is_zero() || (self.rate - 1.0).abs() > f64::EPSILON {
            self.send_seek(flags, to);
        }
        self.ready = true;
        if self.want {
            self.apply();
        }
        self.check();
    }

    /// Reports the first picture once it waits at the sink.
    fn check(&mut self) {
        if !self.ready || !self.graph.settled() {
            return;
        }
        if self.player.flow.pictures.load(Ordering::SeqCst) == 0 {
            if self.player.flow.drained.load(Ordering::SeqCst) {
                let pass = lock(&self.player.flow.pass).begun_by;
                let pass = pass.unwrap_or_else(gst::Seqnum::next);
                self.player.note(Note::PassWithoutPictures(self.player.serial, pass));
            }
            return;
        }
        if self.begin_at_picture() {
            return;
        }
        if self.start {
            self.apply();
        }
        let mut control = lock(&self.player.control);
        let before = std::mem::replace(&mut control.prerolled, true);
        let waits = control.intent == Intent::Prepare;
        drop(control);
        if waits && !before {
            self.player.note(Note::PreRolled(self.player.serial, self.player.prepared_at.elapsed()));
        }
    }

    /// Jumps to the first picture if it lies far behind the beginning; says whether it did.
    fn begin_at_picture(&mut self) -> bool {
        let running = Duration::from_nanos(self.player.flow.arrived.load(Ordering::SeqCst));
        let at = Duration::from_nanos(self.player.flow.arrived_at.load(Ordering::SeqCst));
        running.mul_f64(self.rate) >= LATE_PICTURE && self.begin_at(at)
    }

    /// Makes this the beginning, unless there is one already or pictures were shown; says whether it did.
    fn begin_at(&mut self, at: Duration) -> bool {
        let shown = lock(&self.player.control).prerolled || lock(&self.player.meter).frames() > 0;
        if shown || !self.origin.is_zero() {
            return false;
        }
        self.origin = at;
        // Before the tracks are complete the seek that follows them goes there.
        self.ready && self.send_seek(gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT, at)
    }

    fn apply(&mut self) {
        if !self.ready {
            return;
        }
        if !self.want || self.held {
            return self.set(gst::State::Paused);
        }
        if !self.start {
            return self.set(gst::State::Playing);
        }
        // A start runs from the picture that stands at the sink; `check` comes back here when one does.
        if self.graph.settled() {
            self.start = false;
            let next = Duration::from_nanos(self.player.flow.arrived.load(Ordering::SeqCst));
            self.refused(self.graph.play_from(next));
        }
    }

    fn set(&self, state: gst::State) {
        self.refused(self.graph.set_state(state));
    }

    fn refused(&self, result: Result<(), String>) {
        if let Err(reason) = result {
            // An element that refuses has posted its own error before; this one only counts if it did not.
            self.player.fail(PlayerError::Internal { reason });
        }
    }

    fn jump(&self, to: Duration, how: gst::SeekFlags) {
        // The end may have been told between the wish and this moment.
        lock(&self.player.control).ended = false;
        if !self.send_seek(gst::SeekFlags::FLUSH | how, to) {
            tracing::debug!(player = self.player.id.0, "the demuxer refused a seek");
        }
    }

    fn again(&mut self, flush: bool, after: gst::Seqnum) {
        // The person jumped while the end was being told; what began then is not over.
        if !lock(&self.player.flow.pass).is(after) {
            return;
        }
        lock(&self.player.meter).expect_lap();
        let flags =
            if flush { gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT } else { gst::SeekFlags::empty() };
        if !self.send_seek(flags, self.origin) {
            self.player.fail(PlayerError::Internal { reason: "the media cannot start over".to_owned() });
        }
    }

    fn send_seek(&self, flags: gst::SeekFlags, to: Duration) -> bool {
        let flags = if self.seamless || self.player.config.loop_playback {
            flags | gst::SeekFlags::SEGMENT
        } else {
            flags
        };
        let to = to.max(self.origin);
        let event = gst::event::Seek::new(
            self.rate,
            flags,
            gst::SeekType::Set,
            gst::ClockTime::try_from(to).unwrap_or(gst::ClockTime::ZERO),
            gst::SeekType::Set,
            gst::ClockTime::NONE,
        );
        // Known before it is sent: the whole pass may be told to be over before the call is back.
        let next = Pass { begun_by: Some(event.seqnum()), partial: to > self.origin };
        let before = std::mem::replace(&mut *lock(&self.player.flow.pass), next);
        let sent = self.graph.seek(event);
        if !sent {
            *lock(&self.player.flow.pass) = before;
        }
        sent
    }
}
