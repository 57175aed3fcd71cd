//! Every sample of a file, for tools that play it again.

use std::path::Path;

use unspool_engine::{Span, TrackKind};

use super::boxes::head;
use super::index::walk;
use super::local::Opened;
use super::movie::Movie;
use super::mp4::Bytes;
use super::{ProbeError, malformed};

/// Longest movie box that is read: ten hours of samples.
const MOVIE_BYTES: u64 = 64 << 20;
/// Boxes of the outermost level: five thousand fragments.
const BOXES: usize = 10_000;
/// Head of a box.
const HEAD: u64 = 16;

/// A sample of a progressive file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it is decoded, in milliseconds from what is shown first; below 0 where a track begins before that.
    pub at_ms: f64,
    /// Its bytes.
    pub span: Span,
    /// What it carries.
    pub kind: TrackKind,
}

/// Lists the samples of the progressive MP4 file at `path` in the order in which a demuxer gives them out: by the time of
/// their decoding, and of one time by their place. Only the first track of pictures and the first of sound.
///
/// Empty for a fragmented file. Reads only headers, and holds some tens of bytes a sample. Blocks for the disk.
///
/// # Errors
/// [`ProbeError::File`] when the file cannot be read, and [`ProbeError::Malformed`] or [`ProbeError::TooLarge`].
pub fn samples(path: &Path) -> Result<Vec<Sample>, ProbeError> {
    let file = Opened::at(path)?;
    let moov = boxes(&file, *b"moov")?.first().copied().ok_or(malformed("no movie box"))?;
    if moov.len() > MOVIE_BYTES {
        return Err(ProbeError::TooLarge { what: "movie box" });
    }
    let bytes = file.read(moov).ok_or(ProbeError::File(std::io::ErrorKind::UnexpectedEof))?;
    let header = head(&bytes)?.map_or(0, |found| found.header);
    listed(bytes.get(usize::try_from(header).unwrap_or(usize::MAX)..).unwrap_or_default())
}

/// Where the head of each fragment of the MP4 file at `path` is, in the order of the file; empty for one without fragments.
///
/// Reads the head of each box. Blocks for the disk.
///
/// # Errors
/// As [`samples`] has.
pub fn fragment_heads(path: &Path) -> Result<Vec<Span>, ProbeError> {
    boxes(&Opened::at(path)?, *b"moof")
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

fn listed(moov: &[u8]) -> Result<Vec<Sample>, ProbeError> {
    let movie = Movie::read(moov)?;
    let mut all = Vec::new();
    for track in movie.tables.iter().filter(|_| !movie.fragmented) {
        let info = movie.tracks.iter().find(|info| info.id == track.id);
        let kind = info.map_or(TrackKind::Audio, |info| info.kind);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a clip")]
        let ms = |units: u64| units as f64 * 1_000.0 / f64::from(track.timescale);
        walk(track, |_, media, start, end| {
            all.push(Sample { at_ms: ms(media) - ms(track.start), span: Span::new(start, end), kind });
        })?;
    }
    all.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms).then(a.span.start.cmp(&b.span.start)));
    Ok(all)
}
