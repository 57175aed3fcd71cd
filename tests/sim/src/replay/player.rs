//! A player in simulated time: what it reads, when it shows a picture, when it stands still.
//!
//! It follows `unspool-player`: the demuxer reads the headers, then a second of samples ahead of the playhead; a source
//! that is watched asks for 512 KiB ahead of its reader, one that is not for 64 KiB where a read finds a hole; a picture that is
//! 120 ms late begins a stall, which ends with a second of media (or all that is left) in the store and is counted
//! from when the picture was due.

use unspool_engine::{MediaInfo, MediaKey, PlayerId, Span};

/// Building a pipeline and decoding a first picture whose bytes are there, milliseconds.
const BUILD_MS: f64 = 25.0;
/// From the bytes' arrival to the picture on a pipeline that waits, milliseconds.
const DECODE_MS: f64 = 12.0;
/// From the command to the picture on a pipeline that stands at it.
const SWITCH_MS: f64 = 3.0;
const QUEUE_MS: f64 = 1_000.0;
const STALL_AFTER_MS: f64 = 120.0;
const RESUME_MS: f64 = 1_000.0;
/// One picture at 25 to 30 a second.
const FRAME_MS: f64 = 36.0;
const READ_AHEAD: u64 = 512 * 1024;
const UNWATCHED_AHEAD: u64 = 64 * 1024;

/// What happened to a player in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Happened {
    FirstFrame,
    Stalled(f64),
    Looped,
}

#[derive(Debug)]
pub(super) struct Player {
    pub(super) id: PlayerId,
    pub(super) key: MediaKey,
    pub(super) info: std::sync::Arc<MediaInfo>,
    pub(super) playhead_ms: f64,
    pub(super) active_ms: f64,
    pub(super) playing: bool,
    prepared_at: f64,
    /// When the first picture can be on screen, once its bytes are there.
    ready_at: Option<f64>,
    play_at: Option<f64>,
    shown: bool,
    /// When the picture was due that is late.
    due: Option<f64>,
    /// The window a read put there.
    window: Option<Span>,
}

impl Player {
    pub(super) fn new(id: PlayerId, key: MediaKey, info: std::sync::Arc<MediaInfo>, now: f64) -> Self {
        Player {
            id,
            key,
            info,
            playhead_ms: 0.0,
            active_ms: 0.0,
            playing: false,
            prepared_at: now,
            ready_at: None,
            play_at: None,
            shown: false,
            due: None,
            window: None,
        }
    }

    pub(super) fn play(&mut self, now: f64) {
        self.playing = true;
        self.shown = false;
        self.play_at = Some(now);
    }

    /// Stops it; a stall that runs ends.
    pub(super) fn pause(&mut self, now: f64) -> Option<f64> {
        self.playing = false;
        self.window = None;
        self.due.take().map(|due| now - due).filter(|ms| *ms >= STALL_AFTER_MS)
    }

    /// Media milliseconds that can be shown with what is held.
    pub(super) fn playable_ms(&self, held: &[Span]) -> f64 {
        if !unspool_engine::info::missing(&self.info.headers, held).is_empty() {
            return 0.0;
        }
        let at = self.offset(self.playhead_ms);
        let end = held.iter().find(|s| s.start <= at && at < s.end).map_or(at, |s| s.end);
        self.ms_at(end)
    }

    /// Byte at a media time.
    fn offset(&self, ms: f64) -> u64 {
        let index = &self.info.index;
        let n = index.partition_point(|&(t, _)| t as f64 <= ms);
        let Some(&(t0, o0)) = n.checked_sub(1).and_then(|i| index.get(i)) else {
            return index.first().map_or(0, |e| e.1);
        };
        let (t1, o1) = index.get(n).copied().unwrap_or((self.info.duration_ms, self.end()));
        let part = ((ms - t0 as f64) / (t1.saturating_sub(t0)).max(1) as f64).clamp(0.0, 1.0);
        o0 + (part * o1.saturating_sub(o0) as f64) as u64
    }

    fn ms_at(&self, offset: u64) -> f64 {
        if offset >= self.end() {
            return self.info.duration_ms as f64;
        }
        let index = &self.info.index;
        let n = index.partition_point(|&(_, at)| at <= offset);
        let Some(&(t0, o0)) = n.checked_sub(1).and_then(|i| index.get(i)) else { return 0.0 };
        let (t1, o1) = index.get(n).copied().unwrap_or((self.info.duration_ms, self.end()));
        let part = (offset - o0) as f64 / o1.saturating_sub(o0).max(1) as f64;
        t0 as f64 + part * t1.saturating_sub(t0) as f64
    }

    /// One past the last sample.
    fn end(&self) -> u64 {
        let first = self.info.index.first().map_or(0, |e| e.1);
        let behind = self.info.headers.iter().map(|h| h.start).filter(|&at| at > first).min();
        behind.unwrap_or(self.info.size)
    }

    /// What its source asks for now, if that is not held: the window ahead of its reader.
    pub(super) fn wants(&mut self, now: f64, held: &[Span], watched: bool) -> Option<Span> {
        if now < self.prepared_at {
            return None;
        }
        let holes = unspool_engine::info::missing(&self.info.headers, held);
        // A watched reader's first window begins behind the headers at the front; a header within it is waited for there.
        let front = self.info.headers.first().filter(|h| h.start == 0).map_or(0, |h| h.end);
        if watched && self.window.is_none() && holes.first().is_some_and(|h| h.start >= front) {
            self.window = Some(Span::new(front, (front + READ_AHEAD).min(self.info.size)));
        }
        if let (Some(hole), Some(window)) = (holes.first(), self.window)
            && watched
            && window.start <= hole.start
            && hole.start < window.end
        {
            return self.window;
        }
        let at = match holes.first() {
            Some(hole) => hole.start,
            None => {
                let pulled = (self.playhead_ms + QUEUE_MS).min(self.playable_ms(held).max(self.playhead_ms));
                self.offset(pulled).min(self.info.size)
            }
        };
        let run = held.iter().find(|s| s.start <= at && at < s.end).map_or(at, |s| s.end);
        let reached_end = holes.is_empty() && run >= self.end();
        if reached_end {
            self.window = None;
        } else if watched {
            let low = run < (at + READ_AHEAD / 2).min(self.info.size);
            let covered = self
                .window
                .is_some_and(|w| w.start <= at && w.end >= (at + READ_AHEAD / 2).min(self.info.size));
            if low && !covered {
                self.window = Some(Span::new(at, (at + READ_AHEAD).min(self.info.size)));
            }
        } else {
            let dry = self.ready_at.is_none() && run <= at;
            self.window = match self.window {
                Some(w) if w.start <= at && at < w.end => Some(w),
                _ if dry => Some(Span::new(at, (at + UNWATCHED_AHEAD).min(self.info.size))),
                _ => None,
            };
        }
        self.window
    }

    /// Lets `dt` milliseconds pass until `now`.
    pub(super) fn step(&mut self, now: f64, dt: f64, held: &[Span]) -> Option<Happened> {
        let playable = self.playable_ms(held);
        if self.ready_at.is_none() && now >= self.prepared_at && playable > 0.0 {
            self.ready_at = Some((self.prepared_at + BUILD_MS).max(now + DECODE_MS));
        }
        let (Some(ready), Some(asked), true) = (self.ready_at, self.play_at, self.playing) else {
            return None;
        };
        if !self.shown {
            if now < ready.max(asked + SWITCH_MS) {
                return None;
            }
            self.shown = true;
            return Some(Happened::FirstFrame);
        }
        let length = self.info.duration_ms as f64;
        if let Some(due) = self.due {
            let late = now - due;
            let enough = playable >= (self.playhead_ms + RESUME_MS).min(length);
            let whole = playable >= (self.playhead_ms + FRAME_MS).min(length);
            let moves = if late < STALL_AFTER_MS { whole } else { enough };
            if moves {
                self.due = None;
                return (late >= STALL_AFTER_MS).then_some(Happened::Stalled(late));
            }
            return None;
        }
        if playable < length && playable <= self.playhead_ms + dt {
            self.due = Some(now);
            return None;
        }
        self.playhead_ms += dt;
        self.active_ms += dt;
        if self.playhead_ms >= length {
            self.playhead_ms = 0.0;
            return Some(Happened::Looped);
        }
        None
    }
}
