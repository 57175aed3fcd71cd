//! The thread that watches all players of a pool.
//!
//! It turns notes into events and runs the watchdogs: the first-picture deadline, the stall watch and the release
//! deadline. One thread for all players; it never calls anything that may block, so its clock can be trusted when
//! pipelines are stuck. All events come from here, which gives them one order.
//!
//! A stall is a due picture that did not come. When is a picture due? As far after the last one as the two lie apart on
//! the pipeline's running line, or one step after it while the next is unknown, plus what is left of the pass once the
//! sink has had all of it. While bytes are missing the pipeline is paused, so that its clock does not run on and the
//! pictures that come late are not thrown away or hurried through.

use crate::lock::lock;
use crate::player::{Command, Decoded, First, Intent, Note, Pass, Player, ms};
use crate::{PlayerError, PlayerEvent, PlayerId, PoolCounts, StallReason};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use unspool_media::VideoCodec;

/// Between two looks while something plays: a sixth of the shortest stall that is reported.
const TICK: Duration = Duration::from_millis(20);

/// Between two looks at a start that waits for media; adds to what the person waits.
const FINE_TICK: Duration = Duration::from_millis(4);

/// Between two looks while nothing plays; everything that matters then arrives as a note.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// Running totals, and a signal for each change.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: Mutex<PoolCounts>,
    pub(crate) changed: Condvar,
}

impl Tally {
    fn update(&self, change: impl FnOnce(&mut PoolCounts)) {
        change(&mut lock(&self.counts));
        self.changed.notify_all();
    }
}

/// A stall under way.
#[derive(Debug)]
struct Stall {
    due: Instant,
    reason: StallReason,
    held: bool,
    /// When the pipeline was last let go.
    let_go: Instant,
}

/// A player and what the watch remembers of it.
#[derive(Debug)]
struct Watched {
    player: Arc<Player>,
    stall: Option<Stall>,
    position_told: Option<Instant>,
    dropped_told: u64,
    cut: bool,
}

/// A player on its way out.
#[derive(Debug)]
struct Leaving {
    id: PlayerId,
    deadline: Instant,
}

/// State of the monitor thread.
pub(crate) struct Monitor {
    notes: mpsc::Receiver<Note>,
    events: UnboundedSender<PlayerEvent>,
    tally: Arc<Tally>,
    null_deadline: Duration,
    players: BTreeMap<u64, Watched>,
    leaving: BTreeMap<u64, Leaving>,
    abandoned: BTreeMap<u64, PlayerId>,
    closing: bool,
}

impl Monitor {
    pub(crate) fn new(
        notes: mpsc::Receiver<Note>,
        events: UnboundedSender<PlayerEvent>,
        tally: Arc<Tally>,
        null_deadline: Duration,
    ) -> Self {
        Self {
            notes,
            events,
            tally,
            null_deadline,
            players: BTreeMap::new(),
            leaving: BTreeMap::new(),
            abandoned: BTreeMap::new(),
            closing: false,
        }
    }

    /// Runs until the pool is shut down and the last player has left or is abandoned.
    pub(crate) fn run(mut self) {
        while !(self.closing && self.leaving.is_empty()) {
            match self.notes.recv_timeout(self.pause()) {
                Ok(note) => self.take(note),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(note) = self.notes.try_recv() {
                self.take(note);
            }
            let now = Instant::now();
            let serials: Vec<u64> = self.players.keys().copied().collect();
            for serial in serials {
                self.look(serial, now);
            }
            self.give_up(now);
        }
    }

    fn pause(&self) -> Duration {
        let mut pause = IDLE_TICK;
        if !self.leaving.is_empty() {
            pause = TICK;
        }
        for watched in self.players.values() {
            let control = lock(&watched.player.control);
            if control.intent == Intent::Play && !control.failed && !control.ended {
                pause = pause.min(if control.gated { FINE_TICK } else { TICK });
            }
        }
        pause
    }

    fn tell(&self, event: PlayerEvent) {
        // Nobody listening is the caller's choice; playback goes on.
        let _ = self.events.send(event);
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Added(player) => {
                let watched =
                    Watched { player, stall: None, position_told: None, dropped_told: 0, cut: false };
                self.players.insert(watched.player.serial, watched);
            }
            Note::Look => {}
            Note::PreRolled(serial, took) => {
                if let Some(watched) = self.players.get(&serial) {
                    self.tell(PlayerEvent::PreRolled { id: watched.player.id, took_ms: ms(took) });
                }
            }
            Note::First(serial, First { class, latency, size: (width, height), luma }) => {
                if let Some(watched) = self.players.get(&serial) {
                    let id = watched.player.id;
                    let latency_ms = latency.as_secs_f64() * 1000.0;
                    self.tell(PlayerEvent::FirstFrame { id, class, latency_ms, width, height, luma });
                }
            }
            Note::Lap(serial, loops) => {
                if let Some(watched) = self.players.get(&serial) {
                    self.tell(PlayerEvent::Looped { id: watched.player.id, loops });
                }
            }
            Note::Rendition(serial, Decoded { size: (width, height), frame_rate, decoder }) => {
                if let Some(watched) = self.players.get(&serial) {
                    let (id, codec) = (watched.player.id, watched.player.info.video);
                    let codec = codec.unwrap_or(VideoCodec::Other);
                    self.tell(PlayerEvent::Rendition { id, codec, width, height, frame_rate, decoder });
                }
            }
            Note::SurfaceFailed(serial, error) => {
                if let Some(watched) = self.players.get(&serial) {
                    let player = Arc::clone(&watched.player);
                    tracing::warn!(player = player.id.0, %error, "a surface is given up");
                    player.surface_changed(false, Instant::now());
                    self.tell(PlayerEvent::SurfaceFailed { id: player.id, error });
                }
            }
            Note::EndOfStream(serial, pass) => self.end_of_stream(serial, pass),
            Note::SegmentDone(serial, pass) => self.segment_done(serial, pass),
            Note::PassHasPictures(serial, pass) => {
                if let Some(watched) = self.players.get(&serial) {
                    lap(&watched.player, false, pass);
                }
            }
            Note::PassWithoutPictures(serial, pass) => self.pass_without_pictures(serial, pass),
            Note::Failed(serial, error) => self.fail(serial, error),
            Note::Released(serial) => self.release(serial),
            Note::Stopped(serial) => self.stopped(serial),
            Note::Shutdown => self.closing = true,
        }
    }

    /// The player, if this is about what it is playing now: news of a pass that a jump has ended are old.
    fn in_pass(&self, serial: u64, pass: gst::Seqnum) -> Option<(Arc<Player>, Pass)> {
        let player = &self.players.get(&serial)?.player;
        let now = *lock(&player.flow.pass);
        now.is(pass).then(|| (Arc::clone(player), now))
    }

    /// A pass is over and no picture came of it: nothing can be shown of the file, or a jump went behind its last one.
    fn pass_without_pictures(&mut self, serial: u64, pass: gst::Seqnum) {
        match self.in_pass(serial, pass) {
            // Without a loop the end of the stream says the rest.
            Some((player, Pass { partial: true, .. })) if !player.config.loop_playback => {}
            Some((player, Pass { partial: true, .. })) => lap(&player, true, pass),
            Some(_) => {
                self.fail(serial, PlayerError::Decode { reason: "the track has no pictures".to_owned() });
            }
            None => {}
        }
    }

    fn end_of_stream(&mut self, serial: u64, pass: gst::Seqnum) {
        let Some((player, now)) = self.in_pass(serial, pass) else { return };
        if lock(&player.meter).frames() == 0 && !now.partial {
            return self.fail(serial, PlayerError::Decode { reason: "the track has no pictures".to_owned() });
        }
        if let Some(at_ms) = player.truncated_at() {
            return self.fail(serial, PlayerError::Truncated { at_ms, duration_ms: player.info.duration_ms });
        }
        if player.config.loop_playback {
            return lap(&player, true, pass);
        }
        let active_ms = {
            let mut control = lock(&player.control);
            let mut meter = lock(&player.meter);
            meter.ended();
            control.ended = true;
            control.rearm = true;
            ms(meter.active())
        };
        self.end_stall(serial, Instant::now());
        self.tell(PlayerEvent::Ended { id: player.id, active_ms });
    }

    /// The demuxer has sent the whole pass; the sink is still showing it.
    fn segment_done(&mut self, serial: u64, pass: gst::Seqnum) {
        let Some((player, _)) = self.in_pass(serial, pass) else { return };
        if player.truncated_at().is_some() {
            if let Some(watched) = self.players.get_mut(&serial) {
                watched.cut = true;
            }
        } else if player.flow.pictures.load(Ordering::SeqCst) > 0 {
            lap(&player, false, pass);
        } else {
            // A pass without pictures must not spin: wait for one to arrive, or for the sink to hear the end.
            *lock(&player.flow.lap_waits) = Some(pass);
            if player.flow.pictures.load(Ordering::SeqCst) > 0
                && lock(&player.flow.lap_waits).take().is_some()
            {
                lap(&player, false, pass);
            }
        }
    }

    fn fail(&mut self, serial: u64, error: PlayerError) {
        let Some(watched) = self.players.get(&serial) else { return };
        let player = Arc::clone(&watched.player);
        {
            let mut control = lock(&player.control);
            if std::mem::replace(&mut control.failed, true) {
                return;
            }
        }
        self.end_stall(serial, Instant::now());
        player.command(Command::Pause);
        tracing::warn!(player = player.id.0, %error, "a player failed");
        let recoverable = error.recoverable();
        self.tell(PlayerEvent::Error { id: player.id, error, recoverable });
    }

    fn release(&mut self, serial: u64) {
        self.end_stall(serial, Instant::now());
        if let Some(watched) = self.players.remove(&serial) {
            let deadline = Instant::now() + self.null_deadline;
            self.leaving.insert(serial, Leaving { id: watched.player.id, deadline });
        }
    }

    fn stopped(&mut self, serial: u64) {
        if let Some(leaving) = self.leaving.remove(&serial) {
            self.tell(PlayerEvent::Released { id: leaving.id, reached_null: true });
            self.tally.update(|counts| {
                counts.alive = counts.alive.saturating_sub(1);
                counts.released += 1;
            });
        } else if let Some(id) = self.abandoned.remove(&serial) {
            tracing::info!(player = id.0, "an abandoned pipeline stopped after all");
            self.tally.update(|counts| counts.abandoned = counts.abandoned.saturating_sub(1));
        }
    }

    fn give_up(&mut self, now: Instant) {
        let late: Vec<u64> =
            self.leaving.iter().filter(|(_, l)| now >= l.deadline).map(|(&s, _)| s).collect();
        for serial in late {
            let Some(leaving) = self.leaving.remove(&serial) else { continue };
            tracing::error!(player = leaving.id.0, "a pipeline did not stop and is abandoned");
            self.abandoned.insert(serial, leaving.id);
            self.tell(PlayerEvent::Released { id: leaving.id, reached_null: false });
            self.tally.update(|counts| {
                counts.alive = counts.alive.saturating_sub(1);
                counts.released += 1;
                counts.abandoned += 1;
                counts.hangs += 1;
            });
        }
    }

    /// Looks at one player: is what should have happened by now happening?
    fn look(&mut self, serial: u64, now: Instant) {
        let Some(watched) = self.players.get(&serial) else { return };
        let player = Arc::clone(&watched.player);
        let (playing, gated, asked_from) = {
            let control = lock(&player.control);
            let playing =
                control.intent == Intent::Play && !control.failed && !control.ended && !control.hidden;
            (playing, control.gated, control.due_from)
        };
        if !playing {
            return self.end_stall(serial, now);
        }
        let asked_from = asked_from.unwrap_or(now);
        if gated {
            self.look_at_gate(&player);
        }
        let meter = lock(&player.meter).clone();
        if meter.awaiting_frame() {
            self.end_stall(serial, now);
            let waited = now.saturating_duration_since(asked_from);
            if waited >= player.config.first_frame_deadline {
                self.hung(serial, &player, waited);
            }
            return;
        }
        self.look_for_stall(serial, &player, &meter, asked_from, now);
        self.tell_position(serial, &meter, now);
    }

    fn look_at_gate(&self, player: &Player) {
        let enough = player.config.buffer.may_start(&player.supply());
        let mut control = lock(&player.control);
        if enough && std::mem::take(&mut control.gated) {
            player.command(Command::Play { start: true });
        }
    }

    fn hung(&mut self, serial: u64, player: &Player, waited: Duration) {
        self.tally.update(|counts| counts.hangs += 1);
        let waiting_for_bytes = player.feed.waiting();
        self.fail(serial, PlayerError::NoFrame { after_ms: ms(waited), waiting_for_bytes });
    }

    fn look_for_stall(
        &mut self,
        serial: u64,
        player: &Arc<Player>,
        meter: &crate::meter::Meter,
        asked_from: Instant,
        now: Instant,
    ) {
        let Some(watched) = self.players.get_mut(&serial) else { return };
        if let Some(stall) = &mut watched.stall {
            if let Some(at) = meter.marked() {
                return self.end_stall(serial, at);
            }
            let waiting = player.feed.waiting();
            if stall.held {
                let stalls = lock(&player.control).stalls;
                if player.config.buffer.may_resume(&player.supply(), stalls) {
                    stall.held = false;
                    stall.let_go = now;
                    player.command(Command::Unhold);
                }
            } else if waiting && now.saturating_duration_since(stall.let_go) >= player.config.stall_after {
                stall.held = true;
                player.command(Command::Hold(stall.let_go));
            } else if !waiting
                && now.saturating_duration_since(stall.let_go) >= player.config.first_frame_deadline
            {
                let waited = now.saturating_duration_since(stall.due);
                self.hung(serial, player, waited);
            }
            return;
        }
        let Some(due) = due(player, meter, asked_from) else { return };
        if now < due + player.config.stall_after {
            return;
        }
        let drained = player.flow.drained.load(Ordering::SeqCst);
        if watched.cut && drained {
            if let Some(at_ms) = player.truncated_at() {
                self.fail(serial, PlayerError::Truncated { at_ms, duration_ms: player.info.duration_ms });
            }
            return;
        }
        // The picture may have come since the meter was read; only a look under its lock can tell.
        {
            let mut current = lock(&player.meter);
            if current.frames() != meter.frames() {
                return;
            }
            current.mark_next();
        }
        let waiting = player.feed.waiting();
        let reason = if waiting { StallReason::WaitingForBytes } else { StallReason::Decoder };
        if waiting {
            player.command(Command::Hold(due));
        }
        watched.stall = Some(Stall { due, reason, held: waiting, let_go: now });
        {
            let mut control = lock(&player.control);
            control.stalled = true;
            control.stalls += 1;
        }
        tracing::debug!(player = player.id.0, ?reason, "a stall begins");
        self.tell(PlayerEvent::StallBegin { id: player.id, position_ms: ms(meter.position()), reason });
    }

    /// Ends a stall, if there is one.
    fn end_stall(&mut self, serial: u64, at: Instant) {
        let Some(watched) = self.players.get_mut(&serial) else { return };
        let Some(stall) = watched.stall.take() else { return };
        let player = Arc::clone(&watched.player);
        if stall.held {
            player.command(Command::Unhold);
        }
        let took = at.saturating_duration_since(stall.due);
        {
            let mut control = lock(&player.control);
            control.stalled = false;
            control.stall_time += took;
        }
        tracing::debug!(player = player.id.0, reason = ?stall.reason, ms = ms(took), "a stall ends");
        self.tell(PlayerEvent::StallEnd { id: player.id, ms: ms(took) });
    }

    fn tell_position(&mut self, serial: u64, meter: &crate::meter::Meter, now: Instant) {
        let Some(watched) = self.players.get_mut(&serial) else { return };
        let every = watched.player.config.position_every;
        if watched.position_told.is_some_and(|told| now.saturating_duration_since(told) < every) {
            return;
        }
        watched.position_told = Some(now);
        let (id, total) = (watched.player.id, watched.player.flow.dropped.load(Ordering::SeqCst));
        let news = std::mem::replace(&mut watched.dropped_told, total) != total;
        let event = PlayerEvent::Position {
            id,
            position_ms: ms(meter.position()),
            active_ms: ms(meter.active()),
            frames: meter.frames(),
        };
        self.tell(event);
        if news {
            self.tell(PlayerEvent::Dropped { id, total });
        }
    }
}

/// Begins another pass.
fn lap(player: &Player, flush: bool, after: gst::Seqnum) {
    player.command(Command::Again { flush, after });
}

/// When the next picture is due.
fn due(player: &Player, meter: &crate::meter::Meter, asked_from: Instant) -> Option<Instant> {
    let (last, shown_at) = (meter.last()?, meter.shown_at()?);
    let rate = lock(&player.control).rate.max(0.1);
    let mut gap = last.step.div_f64(rate);
    let arrived = Duration::from_nanos(player.flow.arrived.load(Ordering::SeqCst));
    // Running time already counts the rate.
    gap = gap.max(arrived.saturating_sub(last.running));
    if player.flow.drained.load(Ordering::SeqCst) {
        let left = Duration::from_millis(player.info.duration_ms).saturating_sub(last.at);
        gap = gap.max(left.div_f64(rate));
    }
    Some(shown_at.max(asked_from) + gap)
}
