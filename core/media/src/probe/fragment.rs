//! What a movie fragment says: when its samples are, where they are, and which of them decodes on its own.

use std::collections::BTreeMap;

use unspool_engine::Span;

use super::ProbeError;
use super::boxes::{Reader, child, children, need};

/// Samples looked at over all fragments of a file: a quarter of an hour of pictures and sound.
pub(super) const SAMPLES: u64 = 100_000;
/// A sample that needs others to decode (ISO 14496-12, 8.8.3.1).
const NOT_SYNC: u32 = 0x0001_0000;

/// What samples of a track are like unless a fragment says otherwise (`trex`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// The defaults of every track, from an `mvex` payload.
pub(super) fn defaults(mvex: &[u8]) -> Result<BTreeMap<u32, Defaults>, ProbeError> {
    let mut all = BTreeMap::new();
    for found in children(mvex) {
        let (name, body) = found?;
        if name == *b"trex" {
            let mut reader = Reader::new(body);
            reader.version()?;
            let track = reader.u32()?;
            reader.skip(4)?;
            let (duration, size, flags) = (reader.u32()?, reader.u32()?, reader.u32()?);
            all.insert(track, Defaults { duration, size, flags });
        }
    }
    Ok(all)
}

/// One track's part of a fragment. Times are in units of the track's time scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub track: u32,
    /// Decoding time of the first sample; `None` where the fragment goes on from the one before.
    pub start: Option<u64>,
    /// Length of all samples.
    pub length: u64,
    /// The first sample that decodes on its own: its time after the start of the part (shown, not decoded), its bytes.
    pub sync: Option<(i64, Span)>,
}

/// A sample of a part: how long after the begin of the part it is decoded, and its bytes.
pub(super) type Placed = (u64, Span);

/// Reads the payload of the `moof` box that starts at `at`; also where the last of its samples ends. `left` is how many
/// samples may still be looked at.
pub(super) fn parts(
    moof: &[u8],
    at: u64,
    defaults: &BTreeMap<u32, Defaults>,
    left: &mut u64,
) -> Result<(Vec<Part>, u64), ProbeError> {
    parts_with(moof, at, defaults, left, &mut |_, _| {})
}

/// The same, and calls `each` for every sample with the number of its track, in the order of the box.
pub(super) fn parts_with(
    moof: &[u8],
    at: u64,
    defaults: &BTreeMap<u32, Defaults>,
    left: &mut u64,
    each: &mut dyn FnMut(u32, Placed),
) -> Result<(Vec<Part>, u64), ProbeError> {
    let mut all = Vec::new();
    let mut end = at;
    // Without an offset of its own a track's data follow those of the track before.
    let mut follows = at;
    for found in children(moof) {
        let (name, body) = found?;
        if name == *b"traf" {
            all.push(part(body, at, &mut follows, defaults, left, each)?);
            end = end.max(follows);
        }
    }
    Ok((all, end))
}

fn part(
    traf: &[u8],
    at: u64,
    follows: &mut u64,
    defaults: &BTreeMap<u32, Defaults>,
    left: &mut u64,
    each: &mut dyn FnMut(u32, Placed),
) -> Result<Part, ProbeError> {
    let mut tfhd = Reader::new(need(traf, b"tfhd", "a track fragment without a header")?);
    let flags = tfhd.u32()?;
    let track = tfhd.u32()?;
    let mut usual = defaults.get(&track).copied().unwrap_or_default();
    let mut base = if flags & 0x02_0000 != 0 { at } else { *follows };
    if flags & 1 != 0 {
        base = tfhd.u64()?;
    }
    if flags & 2 != 0 {
        tfhd.skip(4)?;
    }
    for (bit, field) in [(8, &mut usual.duration), (0x10, &mut usual.size), (0x20, &mut usual.flags)] {
        if flags & bit != 0 {
            *field = tfhd.u32()?;
        }
    }
    let start = match child(traf, b"tfdt")? {
        Some(body) => {
            let mut reader = Reader::new(body);
            let version = reader.version()?;
            Some(reader.sized(version)?)
        }
        None => None,
    };
    let mut part = Part { track, start, length: 0, sync: None };
    let mut offset = base;
    for found in children(traf) {
        let (name, body) = found?;
        if name == *b"trun" {
            run(body, base, usual, &mut offset, &mut part, left, each)?;
        }
    }
    *follows = offset;
    Ok(part)
}

/// Adds a run of samples to `part`; `offset` is where its data go on.
fn run(
    body: &[u8],
    base: u64,
    usual: Defaults,
    offset: &mut u64,
    part: &mut Part,
    left: &mut u64,
    each: &mut dyn FnMut(u32, Placed),
) -> Result<(), ProbeError> {
    let mut reader = Reader::new(body);
    let flags = reader.u32()?;
    let count = reader.u32()?;
    *left = left.checked_sub(count.into()).ok_or(ProbeError::TooLarge { what: "samples in fragments" })?;
    if flags & 1 != 0 {
        *offset = base.saturating_add_signed(reader.i32()?.into());
    }
    let first_flags = if flags & 4 != 0 { Some(reader.u32()?) } else { None };
    let has = |bit: u32| flags & bit != 0;
    for number in 0..count {
        let duration = if has(0x100) { reader.u32()? } else { usual.duration };
        let size = if has(0x200) { reader.u32()? } else { usual.size };
        let mut kind = if has(0x400) { reader.u32()? } else { usual.flags };
        if let Some(first) = first_flags.filter(|_| number == 0) {
            kind = first;
        }
        // Older files have it unsigned; those offsets are small enough to read the same.
        let shift = if has(0x800) { i64::from(reader.i32()?) } else { 0 };
        let end = offset.saturating_add(size.into());
        if part.sync.is_none() && kind & NOT_SYNC == 0 {
            let after = i64::try_from(part.length).unwrap_or(i64::MAX).saturating_add(shift);
            part.sync = Some((after, Span::new(*offset, end)));
        }
        each(part.track, (part.length, Span::new(*offset, end)));
        part.length = part.length.saturating_add(duration.into());
        *offset = end;
    }
    Ok(())
}
