//! One player of the platform as its facts are worked out.

use super::{PlatformPlayer, PlatformReport};
use crate::{
    PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerSnapshot, PlayerState, SeekMode, StallReason,
    StartClass,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use unspool_media::MediaInfo;

type Events = UnboundedSender<PlayerEvent>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Prepare,
    Play,
    Pause,
    Park,
}

/// One player.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: PlayerId,
    pub(super) serial: u64,
    pub(super) info: Arc<MediaInfo>,
    /// `None` while it is being made.
    pub(super) player: Option<Arc<dyn PlatformPlayer>>,
    pub(super) muted: bool,
    pub(super) volume: f64,
    pub(super) rate: f64,
    made_at: Instant,
    intent: Intent,
    ready: Option<(u32, u32)>,
    /// When `play` was called, for a start whose picture is not shown yet.
    asked_at: Option<Instant>,
    asked_ready: bool,
    rearm: bool,
    /// A picture is awaited since.
    awaited: Option<Instant>,
    waited: bool,
    class: Option<StartClass>,
    position_ms: u64,
    /// When the position was last true and moving.
    moving_since: Option<Instant>,
    active: Duration,
    frames: u64,
    loops: u64,
    dropped: u64,
    stall: Option<Instant>,
    stalls: u64,
    stall_time: Duration,
    ended: bool,
    failed: bool,
    jump: Option<(u64, SeekMode)>,
}

impl Seat {
    pub(super) fn new(id: PlayerId, serial: u64, info: Arc<MediaInfo>, now: Instant) -> Self {
        Self {
            id,
            serial,
            info,
            player: None,
            muted: false,
            volume: 1.0,
            rate: 1.0,
            made_at: now,
            intent: Intent::Prepare,
            ready: None,
            asked_at: None,
            asked_ready: false,
            rearm: true,
            awaited: None,
            waited: false,
            class: None,
            position_ms: 0,
            moving_since: None,
            active: Duration::ZERO,
            frames: 0,
            loops: 0,
            dropped: 0,
            stall: None,
            stalls: 0,
            stall_time: Duration::ZERO,
            ended: false,
            failed: false,
            jump: None,
        }
    }

    /// What was wished for while the player was being made.
    pub(super) fn wishes(&mut self) -> impl FnOnce(&dyn PlatformPlayer) + use<> {
        let (muted, volume, rate) = (self.muted, self.volume, self.rate);
        let (plays, jump) = (self.intent == Intent::Play, self.jump.take());
        move |player| {
            player.set_muted(muted);
            player.set_volume(volume);
            if (rate - 1.0).abs() > f64::EPSILON {
                player.set_rate(rate);
            }
            if let Some((ms, mode)) = jump {
                player.seek(ms, mode);
            }
            if plays {
                player.play();
            }
        }
    }

    /// Asks to play; says whether it has to start over.
    pub(super) fn play(&mut self, now: Instant) -> bool {
        if self.failed || self.intent == Intent::Play && !self.ended {
            return false;
        }
        if std::mem::take(&mut self.rearm) {
            self.asked_at = Some(now);
            self.asked_ready = self.ready.is_some();
            self.awaited = Some(now);
        }
        self.intent = Intent::Play;
        self.moving_since = None;
        let over = std::mem::take(&mut self.ended);
        if over {
            self.position_ms = 0;
        }
        over
    }

    pub(super) fn stand(&mut self, intent: Intent, now: Instant, events: &Events) {
        self.end_stall(now, events);
        if intent == Intent::Park || self.asked_at.is_some() {
            self.rearm = true;
            self.asked_at = None;
        }
        self.intent = intent;
        self.awaited = None;
        self.moving_since = None;
    }

    pub(super) fn seek(&mut self, to: u64, now: Instant, events: &Events) {
        self.end_stall(now, events);
        self.position_ms = to;
        self.moving_since = None;
        self.ended = false;
        if self.intent == Intent::Play {
            self.awaited = Some(now);
        }
        if self.player.is_none() {
            self.jump = Some((to, SeekMode::Keyframe));
        }
    }

    /// Whether a picture is awaited.
    pub(super) fn awaits(&self) -> bool {
        self.awaited.is_some() && !self.failed
    }

    /// Fails a player whose picture is overdue; says whether it did.
    pub(super) fn overdue(&mut self, now: Instant, limit: Duration, events: &Events) -> bool {
        let Some(since) = self.awaited.filter(|_| !self.failed) else { return false };
        let after = now.saturating_duration_since(since);
        if after < limit {
            return false;
        }
        let waiting_for_bytes = self.waited;
        self.fail(PlayerError::NoFrame { after_ms: ms(after), waiting_for_bytes }, now, events);
        true
    }

    pub(super) fn take(
        &mut self,
        report: PlatformReport,
        now: Instant,
        config: &PlayerConfig,
        events: &Events,
    ) {
        if self.failed {
            return;
        }
        match report {
            PlatformReport::Ready { width, height } => {
                let first = self.ready.replace((width, height)).is_none();
                if first && self.intent == Intent::Prepare {
                    let took_ms = ms(now.saturating_duration_since(self.made_at));
                    tell(events, PlayerEvent::PreRolled { id: self.id, took_ms });
                }
            }
            PlatformReport::Shown { position_ms } => self.shown(position_ms, now, events),
            PlatformReport::Position { position_ms, frames } => {
                // Some players say that they wait while their pictures go on; the pictures are right.
                if self.stall.is_some() && position_ms > self.position_ms {
                    self.end_stall(now, events);
                    self.moving_since = Some(now).filter(|_| self.intent == Intent::Play);
                }
                self.moved(position_ms, now, config);
                self.frames = self.frames.max(frames);
                tell(
                    events,
                    PlayerEvent::Position {
                        id: self.id,
                        position_ms,
                        active_ms: ms(self.active),
                        frames: self.frames,
                    },
                );
            }
            PlatformReport::Waiting => {
                self.waited = true;
                if self.intent == Intent::Play && self.awaited.is_none() && self.stall.is_none() {
                    self.stall = Some(now);
                    self.stalls += 1;
                    self.moving_since = None;
                    let (position_ms, reason) = (self.position_ms, StallReason::WaitingForBytes);
                    tell(events, PlayerEvent::StallBegin { id: self.id, position_ms, reason });
                }
            }
            PlatformReport::Going => {
                self.end_stall(now, events);
                self.moving_since = Some(now).filter(|_| self.intent == Intent::Play);
            }
            PlatformReport::Wrapped => {
                let end = self.info.duration_ms;
                self.moved(end, now, config);
                self.position_ms = 0;
                self.loops += 1;
                tell(events, PlayerEvent::Looped { id: self.id, loops: self.loops });
            }
            PlatformReport::Ended => {
                let end = self.info.duration_ms;
                self.moved(end, now, config);
                self.end_stall(now, events);
                (self.ended, self.rearm, self.awaited) = (true, true, None);
                tell(events, PlayerEvent::Ended { id: self.id, active_ms: ms(self.active) });
            }
            PlatformReport::Dropped { total } => {
                if total > self.dropped {
                    self.dropped = total;
                    tell(events, PlayerEvent::Dropped { id: self.id, total });
                }
            }
            PlatformReport::Failed { error } => self.fail(error, now, events),
            PlatformReport::Gone => {}
        }
    }

    fn shown(&mut self, position_ms: u64, now: Instant, events: &Events) {
        self.end_stall(now, events);
        self.awaited = None;
        self.position_ms = position_ms;
        self.moving_since = Some(now).filter(|_| self.intent == Intent::Play);
        self.frames = self.frames.max(1);
        let Some(asked_at) = self.asked_at.take() else { return };
        let class = match (self.asked_ready, self.waited) {
            (true, _) => StartClass::PreRolled,
            (false, false) => StartClass::Cached,
            (false, true) => StartClass::Cold,
        };
        self.class = Some(class);
        let (width, height) = self.ready.unwrap_or((self.info.width, self.info.height));
        let latency_ms = now.saturating_duration_since(asked_at).as_secs_f64() * 1000.0;
        tell(events, PlayerEvent::FirstFrame { id: self.id, class, latency_ms, width, height, luma: None });
    }

    /// Watch time is how far the position moved, and never more than the time that passed: a jump that the platform made
    /// by itself was not watched.
    fn moved(&mut self, to: u64, now: Instant, config: &PlayerConfig) {
        if let Some(since) = self.moving_since {
            let wall = now.saturating_duration_since(since).mul_f64(self.rate.max(0.0)) + config.stall_after;
            let media = Duration::from_millis(to.saturating_sub(self.position_ms));
            self.active += media.min(wall);
            self.moving_since = Some(now);
        }
        self.position_ms = to;
    }

    /// Ends a stall, if there is one.
    pub(super) fn end_stall(&mut self, now: Instant, events: &Events) {
        if let Some(since) = self.stall.take() {
            let took = now.saturating_duration_since(since);
            self.stall_time += took;
            tell(events, PlayerEvent::StallEnd { id: self.id, ms: ms(took) });
        }
    }

    fn fail(&mut self, error: PlayerError, now: Instant, events: &Events) {
        self.end_stall(now, events);
        self.failed = true;
        self.awaited = None;
        let recoverable = error.recoverable();
        tell(events, PlayerEvent::Error { id: self.id, error, recoverable });
    }

    pub(super) fn snapshot(&self) -> PlayerSnapshot {
        let state = match self.intent {
            _ if self.failed => PlayerState::Failed,
            _ if self.ended => PlayerState::Ended,
            Intent::Play if self.stall.is_some() => PlayerState::Stalled,
            Intent::Play if self.asked_at.is_some() => PlayerState::Starting,
            Intent::Play => PlayerState::Playing,
            Intent::Park => PlayerState::Parked,
            Intent::Pause => PlayerState::Paused,
            Intent::Prepare if self.ready.is_some() => PlayerState::PreRolled,
            Intent::Prepare => PlayerState::Preparing,
        };
        PlayerSnapshot {
            state,
            position_ms: self.position_ms,
            duration_ms: self.info.duration_ms,
            active_ms: ms(self.active),
            frames: self.frames,
            stalls: self.stalls,
            stall_ms: ms(self.stall_time),
            sink_stall_ms: 0,
            dropped: self.dropped,
            volume: self.volume,
            loops: self.loops,
            start_class: self.class,
        }
    }
}

fn tell(events: &Events, event: PlayerEvent) {
    // Nobody listening is the caller's choice; playback goes on.
    let _ = events.send(event);
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
