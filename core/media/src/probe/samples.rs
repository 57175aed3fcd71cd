//! Every sample of a file, for tools that play it again.

use std::collections::BTreeMap;
use std::path::Path;

use unspool_engine::{Span, TrackKind};

use super::boxes::head;
use super::fragment::{Placed, SAMPLES, parts_with};
use super::index::{Track, walk};
use super::local::{Opened, media_file};
use super::movie::Movie;
use super::mp4::Bytes;
use super::{ProbeError, malformed};

/// Longest movie box that is read: ten hours of samples.
const MOVIE_BYTES: u64 = 64 << 20;
/// Longest head of a fragment that is read: a hundred thousand samples.
const FRAGMENT_BYTES: u64 = 4 << 20;
/// Boxes of the outermost level: five thousand fragments.
const BOXES: usize = 10_000;
/// Head of a box.
const HEAD: u64 = 16;

/// A sample of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it is decoded, in milliseconds from what is shown first; below 0 where a track begins before that.
    pub at_ms: f64,
    /// Its bytes.
    pub span: Span,
    /// What it carries.
    pub kind: TrackKind,
}

/// Lists the samples of the MP4 file at `path`, or of the one file that the playlist at `path` cuts, in the order in which a
/// demuxer gives them out: by the time of their decoding, and of one time by their place. Only the first track of
/// pictures and the first of sound.
///
/// Reads only headers, and holds some tens of bytes a sample. Blocks for the disk.
///
/// # Errors
/// [`ProbeError::File`] when the file cannot be read, [`ProbeError::Malformed`] or [`ProbeError::TooLarge`], and
/// [`ProbeError::Unsupported`] for a playlist over several files.
pub fn samples(path: &Path) -> Result<Vec<Sample>, ProbeError> {
    let file = Opened::at(&media_file(path)?)?;
    let moov = boxes(&file, *b"moov")?.first().copied().ok_or(malformed("no movie box"))?;
    if moov.len() > MOVIE_BYTES {
        return Err(ProbeError::TooLarge { what: "movie box" });
    }
    let moov = payload(&file, moov)?;
    let movie = Movie::read(&moov)?;
    let mut all = if movie.fragmented { in_fragments(&file, &movie)? } else { in_tables(&movie)? };
    all.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms).then(a.span.start.cmp(&b.span.start)));
    Ok(all)
}

/// Where the head of each fragment of the MP4 file at `path` is, in the order of the file; empty for one without fragments.
/// A playlist stands for the one file that it cuts.
///
/// Reads the head of each box. Blocks for the disk.
///
/// # Errors
/// As [`samples`] has.
pub fn fragment_heads(path: &Path) -> Result<Vec<Span>, ProbeError> {
    boxes(&Opened::at(&media_file(path)?)?, *b"moof")
}

/// The boxes of the outermost level with this name.
fn boxes(file: &Opened, name: [u8; 4]) -> Result<Vec<Span>, ProbeError> {
    let unread = || ProbeError::File(std::io::ErrorKind::UnexpectedEof);
    let size = file.size().ok_or_else(unread)?;
    let (mut at, mut found) = (0, Vec::new());
    for _ in 0..BOXES {
        if at >= size {
            return Ok(found);
        }
        let bytes = file.read(Span::new(at, (at + HEAD).min(size))).ok_or_else(unread)?;
        let head = head(&bytes)?.ok_or(malformed("a box ends early"))?;
        let end = head.size.map_or(size, |length| at.saturating_add(length)).min(size);
        if head.name == name {
            found.push(Span::new(at, end));
        }
        at = end;
    }
    Err(ProbeError::TooLarge { what: "boxes in a file" })
}

/// What a box holds.
fn payload(file: &Opened, found: Span) -> Result<Vec<u8>, ProbeError> {
    let bytes = file.read(found).ok_or(ProbeError::File(std::io::ErrorKind::UnexpectedEof))?;
    let header = head(&bytes)?.map_or(0, |found| found.header);
    Ok(bytes.get(usize::try_from(header).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec())
}

/// What the track of a table carries.
fn kind(movie: &Movie<'_>, track: u32) -> TrackKind {
    movie.tracks.iter().find(|info| info.id == track).map_or(TrackKind::Audio, |info| info.kind)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a clip")]
fn shown_ms(track: &Track<'_>, media: u64) -> f64 {
    let ms = |units: u64| units as f64 * 1_000.0 / f64::from(track.timescale);
    ms(media) - ms(track.start)
}

fn in_tables(movie: &Movie<'_>) -> Result<Vec<Sample>, ProbeError> {
    let mut all = Vec::new();
    for track in &movie.tables {
        let kind = kind(movie, track.id);
        walk(track, |_, media, start, end| {
            all.push(Sample { at_ms: shown_ms(track, media), span: Span::new(start, end), kind });
        })?;
    }
    Ok(all)
}

fn in_fragments(file: &Opened, movie: &Movie<'_>) -> Result<Vec<Sample>, ProbeError> {
    let (mut all, mut left) = (Vec::new(), SAMPLES);
    let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
    for moof in boxes(file, *b"moof")? {
        if moof.len() > FRAGMENT_BYTES {
            return Err(ProbeError::TooLarge { what: "head of a fragment" });
        }
        let mut placed = Vec::new();
        let each = &mut |track: u32, sample: Placed| placed.push((track, sample));
        let (parts, _) = parts_with(&payload(file, moof)?, moof.start, &movie.defaults, &mut left, each)?;
        for (number, (after, span)) in placed {
            let Some(track) = movie.tables.iter().find(|track| track.id == number) else { continue };
            let told = parts.iter().find(|part| part.track == number).and_then(|part| part.start);
            let start = told.or_else(|| ends.get(&number).copied()).unwrap_or(0);
            let at_ms = shown_ms(track, start.saturating_add(after));
            all.push(Sample { at_ms, span, kind: kind(movie, number) });
        }
        for part in parts {
            let start = part.start.or_else(|| ends.get(&part.track).copied()).unwrap_or(0);
            ends.insert(part.track, start.saturating_add(part.length));
        }
    }
    // What is shown first is at 0, wherever the recording began.
    let origin = all.iter().map(|sample| sample.at_ms).reduce(f64::min).unwrap_or(0.0).max(0.0);
    all.iter_mut().for_each(|sample| sample.at_ms -= origin);
    Ok(all)
}
