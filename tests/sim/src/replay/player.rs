//! A player in simulated time: what its demuxer reads, when it shows a picture, when it stands still.
//!
//! It follows `unspool-player` and the reader of `unspool-media`, with the decisions that they take themselves
//! ([`Lead`], [`BufferPolicy`]). A demuxer reads a second of media ahead of the decoder; of a fragmented file it wants
//! the head of the next fragment before the samples of one, of a segment of transport stream the whole next one. Pictures
//! follow the pipeline's clock; one that its bytes made late is shown when it comes, and 120 ms after the next one was due
//! a stall begins: the clock stands until enough of the media is there, and the stall counts from when that was.

use std::sync::Arc;

use super::log::Sample;
use unspool_engine::info::{FRAGMENT_HEAD_BYTES, missing};
use unspool_engine::lead::{Ask, BLOCK_BYTES, Hole, Lead};
use unspool_engine::{BufferPolicy, Layout, MediaInfo, MediaKey, PlayerId, Span, Supply, Time, TrackKind};

/// Building a pipeline, milliseconds: with the next two, what the demo shows on two idle cores (cards that were held but
/// had no player start within 8 to 10 ms, those that had one within 1 to 2).
const BUILD_MS: f64 = 5.0;
/// From the bytes' arrival to the picture on a pipeline that waits, milliseconds.
const DECODE_MS: f64 = 4.0;
/// From the command to the picture on a pipeline that stands at it.
const SWITCH_MS: f64 = 1.0;
/// Media between demuxer and decoder.
const QUEUE_MS: f64 = 1_000.0;
/// Media between the queue and the screen: the picture that stands at the sink, at 30 a second. The demo's clips have none
/// that wait for those they are coded after.
const DECODER_MS: f64 = FRAME_MS;
/// How long a picture may be missed.
const STALL_AFTER_MS: f64 = 120.0;
/// Between two looks at whether something stands, or may go on: the tick of the thread that watches players.
const LOOK_MS: f64 = 20.0;
/// One picture.
const FRAME_MS: f64 = 1_000.0 / 30.0;
/// Times that are thirds of a millisecond are equal when they are so near.
const ROUNDING_MS: f64 = 0.01;
/// How often a player reports its place.
const POSITION_MS: f64 = 250.0;
/// What a reader asks for where it jumps to.
const WINDOW_BYTES: u64 = 512 * 1024;

/// What happened to a player in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Happened {
    FirstFrame,
    StallBegan,
    Stalled(f64),
    Looped,
    /// It is time to report the place.
    Position,
}

#[derive(Debug, Clone, Copy)]
struct Stall {
    due: f64,
    held: bool,
}

/// What the log tells of a rendition besides its layout.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Every sample; without them the index stands for them.
    pub(super) samples: Option<Arc<Vec<Sample>>>,
    /// Where the heads of fragments begin and end; without them they are as long as they may be.
    pub(super) heads: Option<Arc<Vec<(u64, u64)>>>,
}

#[derive(Debug)]
pub(super) struct Player {
    pub(super) id: PlayerId,
    pub(super) key: MediaKey,
    pub(super) info: Arc<MediaInfo>,
    pub(super) playhead_ms: f64,
    pub(super) active_ms: f64,
    pub(super) playing: bool,
    lead: Lead,
    prepared_at: f64,
    known: Known,
    /// How many of them have left the demuxer.
    given: usize,
    /// Media time up to which samples have left the demuxer; where they are known, where the last picture ends.
    demuxed_ms: f64,
    /// When the first picture can be on screen, once its bytes are there.
    ready_at: Option<f64>,
    play_at: Option<f64>,
    /// Playing waits for enough of the media.
    gated: bool,
    shown: bool,
    shown_at: f64,
    /// Where the pipeline's clock is in the media.
    clock_ms: f64,
    stall: Option<Stall>,
    stalls: u64,
    told_at: f64,
    looked_at: f64,
}

/// What a reader asks for at once where it is missing: headers, and of a segment in a file of its own the beginning.
fn heads(info: &MediaInfo) -> Vec<Span> {
    let segments = info.index.iter().filter(|_| info.layout == Layout::Segmented);
    let heads = segments.map(|&(_, at)| Span::new(at, (at + FRAGMENT_HEAD_BYTES).min(info.size)));
    info.headers.iter().copied().chain(heads).collect()
}

impl Player {
    pub(super) fn new(id: PlayerId, key: MediaKey, info: Arc<MediaInfo>, known: Known, now: f64) -> Self {
        Player {
            id,
            key,
            lead: Lead::new(heads(&info), None),
            info,
            playhead_ms: 0.0,
            active_ms: 0.0,
            playing: false,
            prepared_at: now,
            known,
            given: 0,
            demuxed_ms: 0.0,
            ready_at: None,
            play_at: None,
            gated: false,
            shown: false,
            shown_at: 0.0,
            clock_ms: 0.0,
            stall: None,
            stalls: 0,
            told_at: f64::NEG_INFINITY,
            looked_at: now,
        }
    }

    pub(super) fn play(&mut self, now: f64, held: &[Span], bps: Option<u64>) {
        self.playing = true;
        self.shown = false;
        self.play_at = Some(now);
        self.lead.turned();
        self.gated = !BufferPolicy::default().may_start(&self.supply(held, bps));
    }

    /// Stops it; a stall that runs ends.
    pub(super) fn pause(&mut self, now: f64) -> Option<f64> {
        self.playing = false;
        self.gated = false;
        self.lead.turned();
        self.stall.take().map(|stall| now - stall.due)
    }

    fn length(&self) -> f64 {
        self.info.duration_ms as f64
    }

    /// One past the last sample.
    fn end(&self) -> u64 {
        let first = self.info.index.first().map_or(0, |e| e.1);
        match self.info.layout {
            Layout::MoovLast => self
                .info
                .headers
                .iter()
                .map(|h| h.start)
                .filter(|&at| at > first)
                .min()
                .unwrap_or(self.info.size),
            Layout::MoovFirst | Layout::Fragmented | Layout::Segmented => self.info.size,
        }
    }

    /// The entry of the index that a place in the file lies behind, and the next one.
    fn around(&self, n: usize) -> Option<((u64, u64), (u64, u64))> {
        let before = *n.checked_sub(1).and_then(|i| self.info.index.get(i))?;
        Some((before, self.info.index.get(n).copied().unwrap_or((self.info.duration_ms, self.end()))))
    }

    /// Byte at a media time.
    fn offset(&self, ms: f64) -> u64 {
        let n = self.info.index.partition_point(|&(t, _)| t as f64 <= ms);
        let Some(((t0, o0), (t1, o1))) = self.around(n) else {
            return self.info.index.first().map_or(0, |e| e.1);
        };
        let ((t0, o0), (t1, o1)) = match self.split((t0, o0), (t1, o1)) {
            Some(middle) if ms < middle.0 as f64 => ((t0, o0), middle),
            Some(middle) => (middle, (t1, o1)),
            None => ((t0, o0), (t1, o1)),
        };
        let part = ((ms - t0 as f64) / (t1.saturating_sub(t0)).max(1) as f64).clamp(0.0, 1.0);
        o0 + (part * o1.saturating_sub(o0) as f64) as u64
    }

    /// Where the first picture ends, which is many times as large as those after it, if that lies between two entries.
    fn split(&self, from: (u64, u64), to: (u64, u64)) -> Option<(u64, u64)> {
        let end = self.first_picture_end();
        let middle = (from.0 + FRAME_MS.ceil() as u64, end);
        (from.1 < end && end < to.1 && middle.0 < to.0).then_some(middle)
    }

    fn ms_at(&self, offset: u64) -> f64 {
        if offset >= self.end() {
            return self.length();
        }
        let n = self.info.index.partition_point(|&(_, at)| at <= offset);
        let Some(((t0, o0), (t1, o1))) = self.around(n) else { return 0.0 };
        let ((t0, o0), (t1, o1)) = match self.split((t0, o0), (t1, o1)) {
            Some(middle) if offset < middle.1 => ((t0, o0), middle),
            Some(middle) => (middle, (t1, o1)),
            None => ((t0, o0), (t1, o1)),
        };
        let part = (offset - o0) as f64 / o1.saturating_sub(o0).max(1) as f64;
        t0 as f64 + part * t1.saturating_sub(t0) as f64
    }

    /// One past the last byte of the first picture, where the headers tell.
    fn first_picture_end(&self) -> u64 {
        let pictures = self.info.tracks.iter().find(|track| track.kind == TrackKind::Video);
        pictures.and_then(|track| track.first_sync).map_or(0, |first| first.span.end)
    }

    /// One past the last byte that the demuxer reads before it gives the last sample in front of entry `n` of the index.
    fn demuxed_with(&self, n: usize) -> u64 {
        let begins = self.info.index.get(n).map(|e| e.1);
        let heads = self.known.heads.as_deref().map_or(&[][..], Vec::as_slice);
        let head = heads.iter().find(|head| Some(head.0) == begins);
        head.map_or_else(|| self.info.demuxed_with(n), |head| head.1)
    }

    /// How far the demuxer gets with what is held, in milliseconds, and the byte that it waits for there; `None` at the
    /// end.
    fn demux(&self, held: &[Span]) -> (f64, Option<u64>) {
        if let Some(hole) = missing(&self.info.headers, held).first() {
            return (self.demuxed_ms, Some(hole.start));
        }
        let run = |at: u64| held.iter().find(|s| s.start <= at && at < s.end).map_or(at, |s| s.end);
        let mut at = self.offset(self.demuxed_ms);
        loop {
            if at >= self.end() {
                return (self.length(), None);
            }
            let n = self.info.index.partition_point(|&(_, o)| o <= at);
            let Some((unit, next)) = self.around(n) else { return (self.demuxed_ms, Some(at)) };
            let needs = self.demuxed_with(n);
            if needs > next.1 || self.info.layout == Layout::Segmented {
                // Segments of transport stream are read from the front; of fragments the head of the next one is.
                let from = if self.info.headers.is_empty() { unit.1 } else { next.1.min(needs) };
                let have = run(from);
                if have < needs {
                    return (unit.0 as f64, Some(have));
                }
            }
            let have = run(at).min(next.1);
            if have < next.1 {
                // The first picture stands alone, and is many times as large as those after it.
                let reach = if have < self.first_picture_end() { 0.0 } else { self.ms_at(have) };
                return (reach, Some(have));
            }
            at = next.1.max(at + 1);
        }
    }

    /// Lets the demuxer read; answers what its reader asks for, if it does. `own` says that something it asked for is on its
    /// way, `coming` whether others bring a byte.
    pub(super) fn read(
        &mut self,
        now: f64,
        held: &[Span],
        own: bool,
        coming: impl Fn(u64) -> bool,
    ) -> Option<Span> {
        if now < self.prepared_at + BUILD_MS {
            return None;
        }
        let hole = match self.known.samples.clone() {
            Some(samples) => self.give(&samples, held),
            None => self.flow(held),
        };
        let hole = hole.filter(|_| !own)?;
        let asked = Hole { offset: hole, watched: self.playing, coming: coming(hole), full: false };
        let bytes = match self.lead.ask(Time(now as u64), asked) {
            Ask::Wait(_) => return None,
            Ask::Block => BLOCK_BYTES,
            Ask::Window => WINDOW_BYTES,
        };
        // A reader of a segment ends with its file.
        let after = self.info.index.iter().map(|e| e.1).find(|&at| at > hole);
        let end = after.filter(|_| self.info.layout == Layout::Segmented).unwrap_or(self.info.size);
        Some(Span::new(hole, (hole + bytes).min(end)))
    }

    /// Gives out whole samples, one after the other; answers the byte that it waits for.
    fn give(&mut self, samples: &[Sample], held: &[Span]) -> Option<u64> {
        if let Some(hole) = missing(&self.info.headers, held).first() {
            return Some(hole.start);
        }
        let limit = self.playhead_ms + DECODER_MS + QUEUE_MS;
        while let Some(&(at_ms, start, end, picture)) = samples.get(self.given).filter(|s| s.0 < limit) {
            let wanted = self.head_after(start).into_iter().chain([Span::new(start, end)]);
            if let Some(hole) = wanted.into_iter().find_map(|span| missing(&[span], held).first().copied()) {
                return Some(hole.start);
            }
            self.lead.read(start, end);
            self.given += 1;
            if picture {
                self.demuxed_ms = (at_ms + FRAME_MS).max(self.demuxed_ms);
            }
        }
        if self.given == samples.len() {
            self.demuxed_ms = self.length();
        }
        None
    }

    /// The head of the fragment after the one that `offset` lies in, which a demuxer reads before the samples of that.
    fn head_after(&self, offset: u64) -> Option<Span> {
        let heads = self.known.heads.as_deref()?;
        heads.get(heads.partition_point(|head| head.0 <= offset)).map(|&(start, end)| Span::new(start, end))
    }

    /// Gives out what is held as if samples were evenly spread between two entries of the index; answers the byte that it
    /// waits for.
    fn flow(&mut self, held: &[Span]) -> Option<u64> {
        let limit = self.playhead_ms + DECODER_MS + QUEUE_MS;
        let (reach, hole) = self.demux(held);
        let to = reach.min(limit).max(self.demuxed_ms);
        if to > self.demuxed_ms {
            self.lead.read(self.offset(self.demuxed_ms), self.offset(to));
            self.demuxed_ms = to;
        }
        hole.filter(|_| reach < limit)
    }

    /// Media time up to which pictures can be shown.
    fn showable_ms(&self) -> f64 {
        if self.demuxed_ms >= self.length() { self.length() } else { self.demuxed_ms - DECODER_MS }
    }

    fn supply(&self, held: &[Span], bps: Option<u64>) -> Supply {
        if let Some(samples) = &self.known.samples {
            return self.exact_supply(samples, held, bps);
        }
        let (_, hole) = self.demux(held);
        // A queue counts from its first picture to its last, so not how long that one lasts.
        let queued = (self.demuxed_ms - self.playhead_ms - DECODER_MS - FRAME_MS).max(0.0);
        let at = self.offset(self.demuxed_ms);
        let buffered_ms = hole.map(|hole| {
            // A demuxer that waits for a head elsewhere sees nothing in front of it.
            let ahead = if hole < at { 0.0 } else { self.ms_at(hole.max(at)) - self.ms_at(at) };
            (ahead + queued) as u64
        });
        let missing_bytes = match (self.info.layout, hole) {
            (_, None) => 0,
            // The file that a demuxer sees has a region of 4 GiB for each segment.
            (Layout::Segmented, _) => u64::from(u32::MAX),
            (_, Some(hole)) => self.info.size.saturating_sub(hole),
        };
        let left_ms = (self.length() - self.playhead_ms).max(0.0) as u64;
        Supply { buffered_ms, missing_bytes, left_ms, rate: 1.0, throughput_bps: bps }
    }

    fn exact_supply(&self, samples: &[Sample], held: &[Span], bps: Option<u64>) -> Supply {
        // A reader stands at the first byte that is not there, or behind the last sample that it gave out.
        let next = samples.get(self.given).map(|s| Span::new(s.1, s.2));
        let hole = next.and_then(|span| missing(&[span], held).first().map(|hole| hole.start));
        let at = hole.or(next.map(|span| span.start)).unwrap_or(self.info.size);
        let there = held.iter().find(|s| s.start <= at && at < s.end).map_or(at, |s| s.end);
        // Before a start the picture at the sink is the one that waits to be shown, afterwards the one after it.
        let at_sink = if self.shown { DECODER_MS } else { 0.0 };
        let queued = (self.demuxed_ms - self.playhead_ms - at_sink - FRAME_MS).max(0.0);
        let ahead = self.index_ms(there) - self.index_ms(at);
        Supply {
            buffered_ms: (there < self.info.size).then_some((ahead + queued) as u64),
            missing_bytes: self.info.size.saturating_sub(there),
            left_ms: (self.length() - self.playhead_ms).max(0.0) as u64,
            rate: 1.0,
            throughput_bps: bps,
        }
    }

    /// What a player takes for the media time of a byte: evenly between two entries of the index.
    fn index_ms(&self, offset: u64) -> f64 {
        let n = self.info.index.partition_point(|&(_, at)| at <= offset);
        let Some(((t0, o0), (t1, o1))) = self.around(n) else { return 0.0 };
        let part = (offset - o0) as f64 / o1.saturating_sub(o0).max(1) as f64;
        t0 as f64 + part.min(1.0) * t1.saturating_sub(t0) as f64
    }

    /// Lets `dt` milliseconds pass until `now`.
    pub(super) fn step(&mut self, now: f64, dt: f64, held: &[Span], bps: Option<u64>) -> Option<Happened> {
        if self.ready_at.is_none() && (self.demuxed_ms >= DECODER_MS || self.demuxed_ms >= self.length()) {
            self.ready_at = Some((self.prepared_at + BUILD_MS).max(now + DECODE_MS));
        }
        if !self.playing {
            return None;
        }
        self.gated = self.gated && !BufferPolicy::default().may_start(&self.supply(held, bps));
        let (Some(ready), Some(asked), false) = (self.ready_at, self.play_at, self.gated) else {
            return None;
        };
        if !self.shown {
            if now < ready.max(asked + SWITCH_MS) {
                return None;
            }
            (self.shown, self.shown_at, self.clock_ms) = (true, now, self.playhead_ms);
            return Some(Happened::FirstFrame);
        }
        // The first picture is a note that wakes the thread.
        let looks = now - self.looked_at >= LOOK_MS || self.told_at.is_infinite();
        if looks {
            self.looked_at = now;
        }
        self.run(now, dt, looks, held, bps).or_else(|| {
            (looks && now - self.told_at >= POSITION_MS).then(|| {
                self.told_at = now;
                Happened::Position
            })
        })
    }

    fn run(&mut self, now: f64, dt: f64, looks: bool, held: &[Span], bps: Option<u64>) -> Option<Happened> {
        let (showable, length) = (self.showable_ms(), self.length());
        if let Some(Stall { due, held: stands }) = self.stall {
            if stands {
                let resumes =
                    looks && BufferPolicy::default().may_resume(&self.supply(held, bps), self.stalls);
                self.stall = Some(Stall { due, held: !resumes });
                return None;
            }
            if showable + ROUNDING_MS < (self.playhead_ms + FRAME_MS).min(length) {
                return None;
            }
            self.stall = None;
            (self.shown_at, self.clock_ms) = (now, self.playhead_ms);
            return Some(Happened::Stalled(now - due));
        }
        self.clock_ms += dt;
        // Pictures come whole, and one that is late because its bytes were is shown when it comes.
        let to = self.clock_ms.min(showable + ROUNDING_MS);
        let to = if to >= length { length } else { ((to + ROUNDING_MS) / FRAME_MS).floor() * FRAME_MS };
        if to > self.playhead_ms {
            self.active_ms += to - self.playhead_ms;
            (self.playhead_ms, self.shown_at) = (to, now);
        }
        if self.playhead_ms >= self.length() {
            (self.playhead_ms, self.clock_ms, self.demuxed_ms, self.given) = (0.0, 0.0, 0.0, 0);
            self.shown_at = now;
            return Some(Happened::Looped);
        }
        if looks && now - self.shown_at >= FRAME_MS + STALL_AFTER_MS {
            self.stalls += 1;
            self.clock_ms = self.playhead_ms;
            self.stall = Some(Stall { due: self.shown_at + FRAME_MS, held: true });
            return Some(Happened::StallBegan);
        }
        None
    }
}
