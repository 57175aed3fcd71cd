//! Time against bytes for a progressive file, from its sample tables.
//!
//! The tables are walked in place, run by run, without building a list of samples. For every grid time T the answer is
//! the end of the last byte of any sample shown before T, over all tracks: everything in front of that offset plays up
//! to T, whether the tracks are interleaved or one lies behind the other.

use unspool_engine::Span;

use super::boxes::{Reader, child, need};
use super::movie::millis;
use super::{ProbeError, malformed};
use crate::info::SyncSample;

/// Distance of index entries: a quarter second, below which a byte range saves nothing against one chunk.
const GRID_MS: u64 = 250;
/// Most entries of an index; longer clips get a wider grid.
const ENTRIES: u64 = 10_000;
/// Most samples of a track: ten hours of audio frames.
const SAMPLES: u64 = 2_000_000;

/// When and where a track's samples are.
#[derive(Debug)]
pub(super) struct Track<'a> {
    pub id: u32,
    pub timescale: u32,
    /// Media time that is shown first, in units of the time scale.
    pub start: u64,
    pub stbl: &'a [u8],
}

/// What sample tables come to.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub index: Vec<(u64, u64)>,
    /// The first sync sample by track number.
    pub syncs: Vec<(u32, SyncSample)>,
    /// When each track's last sample ends, by track number, in units of its time scale.
    pub ends: Vec<(u32, u64)>,
}

/// Builds the index and finds the first sync sample of each track. `duration_ms` bounds the grid, `size` the offsets.
pub(super) fn build(tracks: &[Track<'_>], duration_ms: u64, size: u64) -> Result<Built, ProbeError> {
    let step = GRID_MS.max(duration_ms.div_ceil(ENTRIES));
    let slots =
        usize::try_from(duration_ms / step + 2).map_err(|_| ProbeError::TooLarge { what: "duration" })?;
    let mut ends = vec![0u64; slots];
    let mut first = u64::MAX;
    let (mut syncs, mut lasts) = (Vec::new(), Vec::new());
    for track in tracks {
        let wanted = first_sync(track.stbl);
        let last = walk(track, |number, media, offset, end| {
            let ms = track.shown_ms(media);
            if Some(number) == wanted {
                let at_ms = track.shown_ms(media.saturating_add_signed(composition(track.stbl, number)));
                if end <= size {
                    syncs.push((track.id, SyncSample { at_ms, span: Span::new(offset, end) }));
                }
            }
            first = first.min(offset);
            // A sample shown at `ms` is needed by every grid time after it.
            let slot = usize::try_from(ms / step + 1).unwrap_or(usize::MAX).min(slots - 1);
            ends[slot] = ends[slot].max(end);
        })?;
        lasts.push((track.id, last));
    }
    if first == u64::MAX {
        return Err(malformed("no samples"));
    }
    let mut index = vec![(0, first.min(size))];
    let mut so_far = first;
    for (slot, end) in (0u64..).zip(&ends).skip(1) {
        so_far = so_far.max(*end);
        let ms = (slot * step).min(duration_ms.max(1));
        if index.last().is_some_and(|last: &(u64, u64)| last.0 < ms) {
            index.push((ms, so_far.min(size)));
        } else if let Some(last) = index.last_mut() {
            last.1 = last.1.max(so_far.min(size));
        }
    }
    Ok(Built { index, syncs, ends: lasts })
}

impl Track<'_> {
    /// Media time as milliseconds from what is shown first.
    pub(super) fn shown_ms(&self, media: u64) -> u64 {
        millis(media.saturating_sub(self.start), self.timescale.into())
    }
}

/// Number, counted from 0, of the first sample that decodes on its own; every sample does without a table of them.
fn first_sync(stbl: &[u8]) -> Option<u64> {
    let Some(stss) = child(stbl, b"stss").ok()? else { return Some(0) };
    let mut reader = Reader::new(stss);
    reader.version().ok()?;
    if reader.u32().ok()? == 0 {
        return None;
    }
    u64::from(reader.u32().ok()?).checked_sub(1)
}

/// How much later than it is decoded the sample `number` is shown, in units of the time scale.
fn composition(stbl: &[u8], number: u64) -> i64 {
    let find = || {
        let mut reader = Reader::new(child(stbl, b"ctts").ok()??);
        reader.version().ok()?;
        let mut left = number;
        for _ in 0..reader.u32().ok()? {
            let (count, shift) = (reader.u32().ok()?, reader.i32().ok()?);
            left = match left.checked_sub(count.into()) {
                Some(left) => left,
                None => return Some(shift.into()),
            };
        }
        None
    };
    find().unwrap_or(0)
}

/// Calls `visit(number, decoding time, offset, end)` for every sample of a track; answers when the last one ends.
pub(super) fn walk(track: &Track<'_>, mut visit: impl FnMut(u64, u64, u64, u64)) -> Result<u64, ProbeError> {
    let stbl = track.stbl;
    let (count, fixed, sizes) = sample_sizes(stbl)?;
    if count > SAMPLES {
        return Err(ProbeError::TooLarge { what: "samples in a track" });
    }
    let mut offsets = ChunkOffsets::of(stbl)?;
    let mut times = Times::of(stbl)?;
    let mut runs = ChunkRuns::of(stbl)?;
    let (mut left_in_chunk, mut at) = (0u32, 0u64);
    for number in 0..count {
        while left_in_chunk == 0 {
            left_in_chunk = runs.next_chunk()?;
            at = offsets.next()?;
        }
        let size = match fixed {
            0 => sizes.map_or(Err(malformed("no sample sizes")), |s| s.get(number))?,
            fixed => fixed.into(),
        };
        let media = times.next()?;
        let end = at.saturating_add(size);
        visit(number, media, at, end);
        at = end;
        left_in_chunk -= 1;
    }
    Ok(times.at)
}

#[derive(Debug, Clone, Copy)]
struct Sizes<'a> {
    rows: &'a [u8],
    /// Bits per size: 32 in `stsz`; 4, 8 or 16 in `stz2`.
    bits: usize,
}

impl Sizes<'_> {
    fn get(&self, number: u64) -> Result<u64, ProbeError> {
        let number = usize::try_from(number).map_err(|_| malformed("no sample sizes"))?;
        let early = malformed("a sample without a size");
        let byte = |at: usize| self.rows.get(at).copied().map(u64::from).ok_or(early.clone());
        match self.bits {
            4 => Ok(if number.is_multiple_of(2) { byte(number / 2)? >> 4 } else { byte(number / 2)? & 15 }),
            8 => byte(number),
            16 => Ok(byte(number * 2)? << 8 | byte(number * 2 + 1)?),
            _ => (0..4).try_fold(0, |sum, n| Ok(sum << 8 | byte(number * 4 + n)?)),
        }
    }
}

/// Number of samples, their common size or 0, and the table of sizes.
fn sample_sizes(stbl: &[u8]) -> Result<(u64, u32, Option<Sizes<'_>>), ProbeError> {
    if let Some(stsz) = child(stbl, b"stsz")? {
        let mut reader = Reader::new(stsz);
        reader.version()?;
        let (fixed, count) = (reader.u32()?, reader.u32()?);
        let sizes = if fixed == 0 { Some(Sizes { rows: reader.table(count, 4)?, bits: 32 }) } else { None };
        return Ok((count.into(), fixed, sizes));
    }
    let mut reader = Reader::new(need(stbl, b"stz2", "no sample sizes")?);
    reader.version()?;
    reader.skip(3)?;
    let bits = usize::from(reader.u8()?);
    let count = reader.u32()?;
    if !matches!(bits, 4 | 8 | 16) {
        return Err(malformed("a sample size of odd width"));
    }
    Ok((count.into(), 0, Some(Sizes { rows: reader.rest(), bits })))
}

#[derive(Debug)]
struct ChunkOffsets<'a> {
    rows: Reader<'a>,
    wide: bool,
}

impl<'a> ChunkOffsets<'a> {
    fn of(stbl: &'a [u8]) -> Result<Self, ProbeError> {
        let (body, wide) = match child(stbl, b"stco")? {
            Some(body) => (body, false),
            None => (need(stbl, b"co64", "no chunk offsets")?, true),
        };
        let mut rows = Reader::new(body);
        rows.version()?;
        let count = rows.u32()?;
        let rows = Reader::new(rows.table(count, if wide { 8 } else { 4 })?);
        Ok(ChunkOffsets { rows, wide })
    }

    fn next(&mut self) -> Result<u64, ProbeError> {
        if self.rows.left() == 0 {
            return Err(malformed("a sample without a chunk"));
        }
        if self.wide { self.rows.u64() } else { self.rows.u32().map(u64::from) }
    }
}

/// `stsc`: how many samples each chunk holds.
#[derive(Debug)]
struct ChunkRuns<'a> {
    rows: Reader<'a>,
    chunk: u32,
    per_chunk: u32,
    next_first: u32,
}

impl<'a> ChunkRuns<'a> {
    fn of(stbl: &'a [u8]) -> Result<Self, ProbeError> {
        let mut rows = Reader::new(need(stbl, b"stsc", "no chunk map")?);
        rows.version()?;
        let count = rows.u32()?;
        let rows = Reader::new(rows.table(count, 12)?);
        let mut runs = ChunkRuns { rows, chunk: 0, per_chunk: 0, next_first: 0 };
        runs.peek();
        Ok(runs)
    }

    /// First chunk of the next run, or never.
    fn peek(&mut self) {
        self.next_first = Reader::new(self.rows.rest()).u32().unwrap_or(u32::MAX);
    }

    fn next_chunk(&mut self) -> Result<u32, ProbeError> {
        self.chunk = self.chunk.checked_add(1).ok_or(malformed("a sample without a chunk"))?;
        if self.chunk >= self.next_first && self.rows.left() > 0 {
            self.rows.u32()?;
            self.per_chunk = self.rows.u32()?;
            self.rows.u32()?;
            self.peek();
        }
        Ok(self.per_chunk)
    }
}

/// `stts`: when samples are decoded. Decoding precedes showing, so a sample is counted no later than it is needed.
#[derive(Debug)]
struct Times<'a> {
    rows: Reader<'a>,
    left: u32,
    delta: u32,
    at: u64,
}

impl<'a> Times<'a> {
    fn of(stbl: &'a [u8]) -> Result<Self, ProbeError> {
        let mut rows = Reader::new(need(stbl, b"stts", "no sample times")?);
        rows.version()?;
        let count = rows.u32()?;
        Ok(Times { rows: Reader::new(rows.table(count, 8)?), left: 0, delta: 0, at: 0 })
    }

    fn next(&mut self) -> Result<u64, ProbeError> {
        // A table that ends early is common at the end of recordings; the last duration goes on.
        while self.left == 0 && self.rows.left() > 0 {
            self.left = self.rows.u32()?;
            self.delta = self.rows.u32()?;
        }
        self.left = self.left.saturating_sub(1);
        let at = self.at;
        self.at = self.at.saturating_add(self.delta.into());
        Ok(at)
    }
}
