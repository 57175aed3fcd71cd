//! Time against bytes for a fragmented file: from its segment indexes, from the fragments at hand, from the random
//! access index at its end.
//!
//! Fragments are read as far as they are there already, because a request for each would cost more than it saves. What
//! lies before the end of fragment N plays up to the time that every track has reached by then.

use std::collections::BTreeMap;

use super::ProbeError;
use super::boxes::{Reader, child, children};
use super::fragment::{self, Part};
use super::index::{Built, Track};
use super::movie::{Movie, millis};
use crate::info::SyncSample;

/// Segments of the index of the first video track (or of the only one), and their length in time. `indexes` are the
/// ends and payloads of `sidx` boxes.
pub(super) fn of_indexes(
    indexes: &[(u64, Vec<u8>)],
    movie: &Movie<'_>,
    size: u64,
) -> Result<(Vec<(u64, u64)>, u64), ProbeError> {
    let mut best: Option<(Vec<(u64, u64)>, u64)> = None;
    for (anchor, body) in indexes {
        let mut reader = Reader::new(body);
        let version = reader.version()?;
        let track = reader.u32()?;
        let timescale = u64::from(reader.u32()?.max(1));
        let (mut time, first) = (reader.sized(version)?, reader.sized(version)?);
        reader.skip(2)?;
        let count = reader.u16()?;
        let mut rows = Reader::new(reader.table(count.into(), 12)?);
        let mut at = anchor.saturating_add(first);
        let origin = time;
        let ms = |time: u64| millis(time - origin, timescale);
        let mut entries: Vec<(u64, u64)> = vec![(0, at.min(size))];
        for _ in 0..count {
            let bytes = rows.u32()? & 0x7fff_ffff;
            time = time.saturating_add(rows.u32()?.into());
            rows.skip(4)?;
            at = at.saturating_add(bytes.into());
            push(&mut entries, ms(time), at.min(size));
        }
        if best.is_none() || movie.video_track == Some(track) {
            best = Some((entries, ms(time)));
            if movie.video_track == Some(track) {
                break;
            }
        }
    }
    Ok(best.filter(|(entries, _)| entries.len() > 1).unwrap_or_default())
}

/// Adds an entry to an index that ascends; one at the time of the last only moves it.
pub(super) fn push(index: &mut Vec<(u64, u64)>, ms: u64, at: u64) {
    match index.last_mut() {
        Some(last) if last.0 >= ms => last.1 = last.1.max(at),
        Some(last) => {
            let at = at.max(last.1);
            index.push((ms, at));
        }
        None => index.push((ms, at)),
    }
}

/// The fragments that were at hand, in order.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// What each fragment says, and where it and its data end; the end is `None` while its data were not passed.
    fragments: Vec<(Vec<u8>, u64, Option<u64>)>,
}

/// What the walked fragments come to.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// Times that play with everything before the offset.
    pub entries: Vec<(u64, u64)>,
    /// Milliseconds up to which any track was seen.
    pub length_ms: u64,
    pub syncs: BTreeMap<u32, SyncSample>,
    /// Decoding time of the first fragment of the file in milliseconds.
    origin_ms: u64,
}

impl Walked {
    pub(super) fn len(&self) -> usize {
        self.fragments.len()
    }

    /// Whether the first fragment is known, but not yet where its media end.
    pub(super) fn unmeasured(&self) -> bool {
        matches!(self.fragments.as_slice(), [(_, _, None)])
    }

    /// Takes in the payload of the `moof` at `at`.
    pub(super) fn fragment(&mut self, payload: Vec<u8>, at: u64) {
        self.fragments.push((payload, at, None));
    }

    /// Takes in that the walk passed a media box that ends at `end`.
    pub(super) fn data(&mut self, end: u64) {
        if let Some(last) = self.fragments.last_mut() {
            last.2 = Some(end);
        }
    }

    /// Reads what was taken in. `before` is what the movie box itself holds of samples: some recorders put the first
    /// seconds there and fragments behind them.
    pub(super) fn read(
        &self,
        movie: &Movie<'_>,
        before: Option<Built>,
        size: u64,
    ) -> Result<Reached, ProbeError> {
        let mut reached = Reached::default();
        let mut left = fragment::SAMPLES;
        let continues = before.is_some();
        // End of each track that plays, in units of its time scale.
        let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
        if let Some(before) = before {
            ends = before.ends.into_iter().collect();
            reached.syncs = before.syncs.into_iter().collect();
        }
        let track = |part: &Part| movie.tables.iter().find(|track| track.id == part.track);
        for (number, (payload, at, data_end)) in self.fragments.iter().enumerate() {
            let (parts, needed) = match fragment::parts(payload, *at, &movie.defaults, &mut left) {
                Ok(found) => found,
                // The first plays first; of the others nobody asked yet.
                Err(error) if number == 0 => return Err(error),
                Err(_) => break,
            };
            if number == 0 && !continues {
                let starts = parts.iter().filter_map(|p| Some(track(p)?.shown_ms(p.start.unwrap_or(0))));
                reached.origin_ms = starts.min().unwrap_or(0);
            }
            for part in &parts {
                let Some(track) = track(part) else { continue };
                let start = part.start.or_else(|| ends.get(&part.track).copied()).unwrap_or(0);
                if let Some((after, span)) = part.sync.filter(|(_, span)| span.end <= size) {
                    let shown = track.shown_ms(start.saturating_add_signed(after));
                    reached
                        .syncs
                        .entry(part.track)
                        .or_insert(SyncSample { at_ms: shown.saturating_sub(reached.origin_ms), span });
                }
                ends.insert(part.track, start.saturating_add(part.length));
            }
            let ms = |track: &Track<'_>| {
                let end = ends.get(&track.id).copied().unwrap_or(0);
                track.shown_ms(end).saturating_sub(reached.origin_ms)
            };
            if let (Some(end), Some(least)) = (data_end, movie.tables.iter().map(ms).min())
                && least > 0
            {
                push(&mut reached.entries, least, needed.max(*end).min(size));
            }
            reached.length_ms = movie.tables.iter().map(ms).max().unwrap_or(0);
        }
        Ok(reached)
    }
}

/// Adds what a random access index (`mfra`) at the end of `tail` says past the last entry of `index`; whether there is
/// one.
///
/// A damaged one says nothing: demuxers find their way without it.
pub(super) fn extend_by_tail(
    index: &mut Vec<(u64, u64)>,
    tail: &[u8],
    movie: &Movie<'_>,
    reached: &Reached,
    size: u64,
) -> bool {
    // The last box is 16 bytes and ends in the length of the whole index.
    let all = tail.last_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize);
    let Some(mfra) = all.and_then(|all| tail.len().checked_sub(all)).map(|at| &tail[at..]) else {
        return false;
    };
    let Ok(Some(mfra)) = child(mfra, b"mfra") else { return false };
    let wanted = movie.video_track.or_else(|| movie.tables.first().map(|track| track.id));
    let Some(track) = movie.tables.iter().find(|track| Some(track.id) == wanted) else { return true };
    for (_, body) in children(mfra).map_while(Result::ok).filter(|(name, _)| name == b"tfra") {
        let _ = rows(body, track, |time, moof| {
            let ms = track.shown_ms(time).saturating_sub(reached.origin_ms);
            if moof < size && index.last().is_none_or(|last| ms > last.0 && moof > last.1) {
                index.push((ms, moof));
            }
        });
    }
    true
}

/// Calls `visit(time, offset of the fragment)` for every row of a `tfra` of `track`.
fn rows(body: &[u8], track: &Track<'_>, mut visit: impl FnMut(u64, u64)) -> Result<(), ProbeError> {
    let mut reader = Reader::new(body);
    let version = reader.version()?;
    if reader.u32()? != track.id {
        return Ok(());
    }
    let widths = reader.u32()?;
    let numbers = (0..3).map(|n| (widths >> (2 * n) & 3) as usize + 1).sum();
    for _ in 0..reader.u32()? {
        let (time, moof) = (reader.sized(version)?, reader.sized(version)?);
        reader.skip(numbers)?;
        visit(time, moof);
    }
    Ok(())
}
