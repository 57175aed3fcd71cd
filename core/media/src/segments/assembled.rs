//! A segmented rendition as one file that a demuxer can read at will.
//!
//! The file does not exist. It has a region of fixed length for each part, the headers first, so that places are known
//! before any length is; what a part leaves of its region is a `free` box, which demuxers step over by its length. Behind
//! the last region lies a random access index (`mfra`) with the times of the playlist, so that a seek needs no walk. A
//! region begins with the segment's first fragment, for that is what an index must name; what a segment has before it
//! (`styp`, `sidx`) says nothing that is not in the index. Segments of transport stream are turned into fragments when
//! they are read, whole, and the headers are made from the first.

mod directory;
mod transport;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Parts;
use super::plan::Slot;
use crate::fetch::Fetcher;
use crate::info::{Layout, MediaInfo, TrackKind, VideoCodec};
use crate::probe::listing::Packing;
use crate::reader::StoreSource;
use crate::remux;
use crate::source::{ByteSource, ReadError};
use crate::store::Entry;
use transport::Start;
use unspool_engine::Span;
use unspool_engine::info::FRAGMENT_HEAD_BYTES;
use unspool_engine::lead::Lead;

/// Bytes of a region. 4 GiB: beyond any segment, and a place is still a small number for two thousand of them.
const REGION: u64 = 1 << 32;
/// Bytes of the header of a `free` box with a long length.
const GAP: u64 = 16;
/// Boxes in front of a segment's first fragment that are stepped over; packagers write up to four.
const LEADING: usize = 16;
/// Readers kept open: of the part being read, the one before and the one after.
const OPEN: usize = 3;
/// What a look for the next fragment finds while that is not here: its name, in a box that is nothing but a header.
const NEXT_FRAGMENT: [u8; 16] = *b"\0\0\0\x10moof\0\0\0\0\0\0\0\0";
/// How long the first read behind the first segment waits for a picture before it asks for more. 100 ms: what a decoder takes
/// for one on a slow phone; a picture that takes longer may need what is asked for.
const PICTURE: Duration = Duration::from_millis(100);
/// Longest wait of one read, whatever its deadline.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The assembled file.
#[derive(Debug)]
pub(crate) struct Assembled {
    parts: Parts,
    fetcher: Arc<Fetcher>,
    /// Which track the index at the end is of.
    track: u32,
    packing: Packing,
    /// Pixels of the picture.
    size: (u32, u32),
    /// Whether a planner fetches what comes next.
    planned: bool,
    state: Mutex<State>,
    /// The first picture is on show, or nobody waits any more.
    turned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    interrupted: bool,
    unwatched: bool,
    /// The first picture is on show, or was waited for long enough.
    started: bool,
    /// The segment that was read first.
    first: Option<usize>,
    /// Most recently used last.
    open: Vec<(usize, Arc<StoreSource>)>,
    /// Bytes in front of the first fragment of parts that were looked at.
    lead: BTreeMap<usize, u64>,
    /// The part in front of which the last read stood, at the box that fills the room before it.
    passed: Option<usize>,
    /// The index at the end, once it could be made.
    tail: Option<Arc<Vec<u8>>>,
    /// The transport stream that is being read, and what is here of it.
    raw: Option<(usize, Vec<u8>)>,
    /// Fragments made of transport streams, most recently used last.
    made: Vec<(usize, Arc<Vec<u8>>)>,
    /// What the first transport stream says about all.
    start: Option<Start>,
}

/// Where a place is.
enum Place<'a> {
    /// In headers that are in no file.
    Headers(u64),
    /// In the region of a part: its number, and how far from the region's beginning.
    Part(usize, &'a Slot, u64),
    /// In the index at the end.
    Tail(u64),
}

impl Assembled {
    /// The file of `parts`, and what the probe's answer `info` is in its places; `None` for what cannot be one file.
    pub(crate) fn new(
        parts: Parts,
        fetcher: Arc<Fetcher>,
        info: &MediaInfo,
    ) -> Option<(Assembled, MediaInfo)> {
        let cut = parts.plan.cuts.first().filter(|_| parts.plan.cuts.len() == 1)?;
        let packing = cut.packing;
        let track = match packing {
            // A clock that starts anew would need other headers.
            Packing::Fragments if cut.segments.iter().any(|segment| segment.jumps) => return None,
            Packing::Fragments => info.tracks.iter().find(|track| track.kind == TrackKind::Video)?.id,
            Packing::Transport if info.video != Some(VideoCodec::H264) => return None,
            Packing::Transport => remux::VIDEO,
        };
        let size = (info.width, info.height);
        let (planned, state, turned) = (false, Mutex::default(), Condvar::new());
        let file = Assembled { parts, fetcher, track, packing, size, planned, state, turned };
        let mut index = Vec::with_capacity(file.parts.plan.slots.len() * 2);
        for (number, slot) in file.parts.plan.slots.iter().enumerate() {
            let Some(at) = slot.at else { continue };
            let start = file.region(number);
            // Time runs on over the bytes that the segment is expected to have, and stands still over the gap.
            index.push((at / 1000, start));
            index.push(((at + slot.micros) / 1000, start + slot.span.len().min(REGION - 1)));
        }
        index.push((info.duration_ms, file.size()));
        let info = MediaInfo {
            size: file.size(),
            layout: Layout::Fragmented,
            headers: vec![Span::new(0, REGION)],
            index,
            ..info.clone()
        };
        Some((file, info))
    }

    /// Lets the picture come first: a demuxer runs through the first segment faster than its first picture is decoded, and
    /// would ask for the second meanwhile.
    fn after_the_picture(&self, number: usize, slot: &Slot, deadline: Duration) {
        let mut state = self.state();
        if state.started || slot.at.is_none() || *state.first.get_or_insert(number) == number {
            return;
        }
        drop(state);
        if self.run(slot, 0) > 0 {
            return;
        }
        let until = Instant::now() + PICTURE.min(deadline);
        let mut state = self.state();
        while !state.started && !state.interrupted {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.started = true;
                return;
            }
            state = self.turned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same for a rendition whose parts a planner fetches in the order of play.
    pub(crate) fn planned(self) -> Assembled {
        Assembled { planned: true, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Regions in front of the first part.
    fn before(&self) -> usize {
        usize::from(self.packing == Packing::Transport)
    }

    /// Where the region of a part begins.
    fn region(&self, number: usize) -> u64 {
        (number + self.before()) as u64 * REGION
    }

    fn regions(&self) -> u64 {
        self.region(self.parts.plan.slots.len())
    }

    fn segments(&self) -> u64 {
        self.parts.plan.slots.iter().filter(|slot| slot.at.is_some()).count() as u64
    }

    fn place(&self, offset: u64) -> Place<'_> {
        let region = usize::try_from(offset / REGION).unwrap_or(usize::MAX);
        let Some(number) = region.checked_sub(self.before()) else { return Place::Headers(offset) };
        match self.parts.plan.slots.get(number) {
            Some(slot) => Place::Part(number, slot, offset % REGION),
            None => Place::Tail(offset.saturating_sub(self.regions())),
        }
    }

    /// A reader over the file of a part; opened when there is none.
    fn open(&self, number: usize, slot: &Slot) -> Arc<StoreSource> {
        let mut state = self.state();
        let source = match state.open.iter().position(|(of, _)| *of == number) {
            Some(at) => state.open.remove(at).1,
            None => {
                let entry = self.parts.entry(slot.file);
                entry.touch();
                let source = Arc::new(self.source(entry, slot));
                source.set_watched(!state.unwatched);
                if state.interrupted {
                    source.interrupt();
                }
                source
            }
        };
        let dropped = (state.open.len() >= OPEN).then(|| state.open.remove(0));
        state.open.push((number, source.clone()));
        drop(state);
        // Its windows are closed without the lock.
        drop(dropped);
        source
    }

    fn source(&self, entry: Arc<Entry>, slot: &Slot) -> StoreSource {
        let fetcher = self.fetcher.clone();
        if !self.planned {
            return StoreSource::new(entry, fetcher, None);
        }
        let all = slot.range.unwrap_or(Span::new(0, u64::MAX));
        // A demuxer wants the head of a segment before the samples of the one before it.
        let header = match slot.at {
            None => all,
            Some(_) => Span::new(all.start, all.end.min(all.start + FRAGMENT_HEAD_BYTES)),
        };
        StoreSource::planned(entry, fetcher, None, Lead::new(vec![header], Some(all.start)))
    }

    /// Reads within a part; 0 behind its end, which is known then.
    fn read_part(
        &self,
        number: usize,
        slot: &Slot,
        at: u64,
        buf: &mut [u8],
        deadline: Duration,
    ) -> Result<usize, ReadError> {
        let until = Instant::now() + deadline;
        self.after_the_picture(number, slot, deadline);
        let at = at + self.lead(number, slot, deadline)?;
        let deadline = until.saturating_duration_since(Instant::now());
        let source = self.open(number, slot);
        let all = slot.range.unwrap_or(Span::new(0, REGION - GAP));
        if at >= all.len() {
            return Ok(0);
        }
        let room = usize::try_from(all.len() - at).unwrap_or(usize::MAX).min(buf.len());
        let got = source.read_at(all.start + at, &mut buf[..room], deadline)?;
        // A look behind the part says nothing of what is here of it.
        if got > 0 {
            self.look_ahead(number, slot, at + got as u64);
        }
        Ok(got)
    }

    /// Bytes of a segment in front of its first fragment.
    fn lead(&self, number: usize, slot: &Slot, deadline: Duration) -> Result<u64, ReadError> {
        if slot.at.is_none() || self.packing == Packing::Transport {
            return Ok(0);
        }
        if let Some(lead) = self.state().lead.get(&number) {
            return Ok(*lead);
        }
        let until = Instant::now() + deadline;
        let source = self.open(number, slot);
        let all = slot.range.unwrap_or(Span::new(0, REGION - GAP));
        let mut at = 0u64;
        for _ in 0..LEADING {
            let mut head = [0; 8];
            let mut got = 0;
            while got < head.len() && at + (got as u64) < all.len() {
                let left = until.saturating_duration_since(Instant::now());
                match source.read_at(all.start + at + got as u64, &mut head[got..], left)? {
                    0 => break,
                    more => got += more,
                }
            }
            let length = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
            if &head[4..] == b"moof" {
                self.state().lead.insert(number, at);
                return Ok(at);
            }
            if length < 8 {
                break;
            }
            at += length;
        }
        // Whatever this is, it is the demuxer's to judge.
        self.state().lead.insert(number, 0);
        Ok(0)
    }

    /// Whether a read of so many bytes only wants to know that another fragment follows, which the plan says.
    ///
    /// Having read the header of a fragment a demuxer walks over its media to the name of the next one before it sends a
    /// sample; the first picture would wait for a second segment. When it gets there it begins at the name, without
    /// that walk, and so does a jump.
    fn only_looks(&self, number: usize, slot: &Slot, length: usize) -> bool {
        let before = number.checked_sub(1).and_then(|before| self.parts.plan.slots.get(before));
        let follows = slot.at.is_some() && before.is_some_and(|before| before.at.is_some());
        follows && length == NEXT_FRAGMENT.len() && self.run(slot, 0) == 0
    }

    fn known_lead(&self, number: usize) -> u64 {
        self.state().lead.get(&number).copied().unwrap_or(0)
    }

    /// Asks for the beginning of the next part when the rest of this one is here, once there is a picture.
    fn look_ahead(&self, number: usize, slot: &Slot, at: u64) {
        let runs = {
            let state = self.state();
            state.started && !state.unwatched
        };
        if self.planned || !runs || self.end_of(slot).is_none_or(|end| at + self.run(slot, at) < end) {
            return;
        }
        let Some(next) = self.parts.plan.slots.get(number + 1) else { return };
        let left = self.end_of(slot).unwrap_or(at).saturating_sub(at);
        if left < self.fetcher.limits().read_ahead && self.run(next, 0) == 0 {
            let from = next.range.map_or(0, |range| range.start);
            self.open(number + 1, next).expect(from);
        }
    }

    /// Where the part ends, as far as that is known.
    fn end_of(&self, slot: &Slot) -> Option<u64> {
        let size = self.parts.entry(slot.file).lock().validators().size;
        match slot.range {
            Some(range) => Some(range.end.min(size.unwrap_or(u64::MAX)).saturating_sub(range.start)),
            None => size,
        }
    }

    /// Whether all of the part is here.
    fn is_here(&self, slot: &Slot) -> bool {
        self.end_of(slot).is_some_and(|end| self.run(slot, 0) >= end)
    }

    /// Bytes of the part that are here from `at` on.
    fn run(&self, slot: &Slot, at: u64) -> u64 {
        let all = slot.range.unwrap_or(Span::new(0, u64::MAX));
        let run = self.parts.entry(slot.file).lock().run_from(all.start.saturating_add(at));
        run.min(all.len().saturating_sub(at))
    }

    /// Copies from bytes that fill the beginning of a region.
    fn copy(bytes: &[u8], at: u64, buf: &mut [u8]) -> usize {
        let end = bytes.len() as u64;
        let room = usize::try_from(REGION - at).unwrap_or(usize::MAX).min(buf.len());
        match usize::try_from(at).ok().and_then(|at| bytes.get(at..)).filter(|rest| !rest.is_empty()) {
            Some(rest) => {
                let count = rest.len().min(room);
                buf[..count].copy_from_slice(&rest[..count]);
                count
            }
            None => {
                gap(at.saturating_sub(end), REGION - end, &mut buf[..room]);
                room
            }
        }
    }
}

fn broken(what: &str) -> ReadError {
    ReadError::Failed { reason: what.to_owned(), retryable: false }
}

/// Copies what a gap holds at `at` from its beginning; it is `length` long.
fn gap(at: u64, length: u64, buf: &mut [u8]) {
    let mut head = [0; GAP as usize];
    head[3] = 1;
    head[4..8].copy_from_slice(b"free");
    head[8..].copy_from_slice(&length.to_be_bytes());
    for (place, byte) in (at..).zip(buf.iter_mut()) {
        *byte = usize::try_from(place).ok().and_then(|place| head.get(place)).copied().unwrap_or(0);
    }
}

impl ByteSource for Assembled {
    fn size(&self) -> u64 {
        self.regions() + self.tail_len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError> {
        let deadline = deadline.min(LONGEST_WAIT);
        let room = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..room];
        let passed = {
            let mut state = self.state();
            if state.interrupted {
                return Err(ReadError::Interrupted);
            }
            state.passed.take()
        };
        if buf.is_empty() {
            return Ok(0);
        }
        match self.place(offset) {
            Place::Headers(at) => Ok(Self::copy(&self.start(deadline)?.headers, at, buf)),
            Place::Part(number, slot, at) if self.packing == Packing::Transport => {
                Ok(Self::copy(&self.made(number, slot, deadline)?, at, buf))
            }
            Place::Part(number, slot, 0)
                if passed == Some(number) && self.only_looks(number, slot, buf.len()) =>
            {
                buf.copy_from_slice(&NEXT_FRAGMENT);
                Ok(buf.len())
            }
            Place::Part(number, slot, at) => {
                let got = self.read_part(number, slot, at, buf, deadline)?;
                if got > 0 {
                    return Ok(got);
                }
                let end = self.end_of(slot).unwrap_or(at).min(REGION - GAP);
                let end = end.saturating_sub(self.known_lead(number));
                let room = usize::try_from(REGION - at).unwrap_or(usize::MAX).min(buf.len());
                gap(at.saturating_sub(end), REGION - end, &mut buf[..room]);
                if at == end && room == NEXT_FRAGMENT.len() {
                    self.state().passed = Some(number + 1);
                }
                Ok(room)
            }
            Place::Tail(at) => {
                let tail = self.tail(deadline)?;
                let rest = usize::try_from(at).ok().and_then(|at| tail.get(at..)).unwrap_or_default();
                let count = rest.len().min(buf.len());
                buf[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
        }
    }

    fn available_from(&self, offset: u64) -> u64 {
        let mut at = offset;
        loop {
            let (number, slot, inside) = match self.place(at) {
                Place::Part(number, slot, inside) => (number, slot, inside),
                Place::Headers(_) => {
                    // They are made of the first part.
                    let first = self.parts.plan.slots.first();
                    if !first.is_some_and(|first| self.is_here(first)) {
                        return 0;
                    }
                    at = REGION;
                    continue;
                }
                Place::Tail(_) => return self.size().saturating_sub(offset),
            };
            if self.packing == Packing::Transport {
                if !self.is_here(slot) {
                    return at - offset;
                }
                at = (at / REGION + 1) * REGION;
                continue;
            }
            let lead = self.known_lead(number);
            let run = self.run(slot, inside + lead);
            match self.end_of(slot) {
                Some(end) if inside + lead + run >= end => at = (at / REGION + 1) * REGION,
                _ => return at + run - offset,
            }
        }
    }

    fn interrupt(&self) {
        let mut state = self.state();
        state.interrupted = true;
        state.passed = None;
        let open: Vec<Arc<StoreSource>> = state.open.iter().map(|(_, source)| source.clone()).collect();
        drop(state);
        self.turned.notify_all();
        open.iter().for_each(|source| source.interrupt());
    }

    fn resume(&self) {
        let mut state = self.state();
        state.interrupted = false;
        // Under the lock, so that a later interrupt is not undone.
        state.open.iter().for_each(|(_, source)| source.resume());
    }

    fn set_watched(&self, watched: bool) {
        let mut state = self.state();
        state.unwatched = !watched;
        let open: Vec<Arc<StoreSource>> = state.open.iter().map(|(_, source)| source.clone()).collect();
        drop(state);
        open.iter().for_each(|source| source.set_watched(watched));
    }

    fn set_started(&self) {
        self.state().started = true;
        self.turned.notify_all();
    }
}
