//! One MP4 file: where its headers are, what its tracks are, which bytes belong to which time.
//!
//! Walks the top-level boxes from the front. A media box in front of the movie box sends it to the media box's end at
//! once, so a file with its headers last costs one more request and no download. Of a fragmented file the first
//! fragment is read, which plays first anyhow, and those behind it that are there already; segment indexes, where there
//! are any, lie before it. Without them the random access index at the end is asked for.

use unspool_engine::Span;
use unspool_engine::opening::LOOK_BYTES;

use super::boxes::{Head, child, head, need};
use super::index::{Built, build};
use super::movie::Movie;
use super::segments::{Walked, extend_by_tail, of_indexes, push};
use super::{ProbeError, TAIL_BYTES, malformed, with_tail};
use crate::info::{Layout, MediaInfo};

/// Bytes asked for where the next box header is expected: one checksum block.
const LOOK: u64 = 64 * 1024;
/// Largest movie box. 8 MiB: two hours of sample tables, and what a phone spares for one clip's headers.
const MOOV: u64 = 8 * 1024 * 1024;
/// Largest segment index: sixty thousand segments.
const SIDX: u64 = 1024 * 1024;
/// Most top-level boxes looked at.
const BOXES: u32 = 10_000;
/// Segment indexes kept: one per track and a few to spare.
const SIDX_COUNT: usize = 16;
/// Largest fragment header that is read: sixty thousand samples with everything said of each.
const MOOF: u64 = 1024 * 1024;
/// Fragments read: the first chunk holds fewer.
const FRAGMENTS: usize = 256;

/// The bytes of a file that are there.
pub(crate) trait Bytes {
    /// Length of the file where it is known.
    fn size(&self) -> Option<u64>;
    /// The bytes of `span`, all or nothing.
    fn read(&self, span: Span) -> Option<Vec<u8>>;
}

/// What the probe has to say.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// These bytes are needed; step again when they are there (or as many of them as the file has).
    Need(Span),
    /// The file is understood.
    Done(Box<MediaInfo>),
    /// Enough is known to start: of a fragmented file whose end is not at hand the length is a guess, and the index is
    /// exact as far as the fragments were read.
    Likely(Box<MediaInfo>),
}

/// A probe in progress.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Bytes asked for at the front of the file.
    front: u64,
    at: u64,
    boxes: u32,
    mdat: Option<(u64, u64)>,
    moov: Option<(Span, Vec<u8>)>,
    sidx: Vec<(u64, Vec<u8>)>,
    /// Where the media of a fragmented file begin, once the walk is there.
    first: Option<u64>,
    walked: Walked,
}

impl Probe {
    /// A probe that begins with a first look.
    pub(crate) fn new() -> Self {
        Probe::opening(LOOK_BYTES)
    }

    /// A probe that asks for `front` bytes at the front of the file.
    pub(crate) fn opening(front: u64) -> Self {
        Probe { front, ..Probe::default() }
    }

    /// Goes on with the bytes that are there now.
    pub(crate) fn step(&mut self, view: &dyn Bytes) -> Result<Step, ProbeError> {
        loop {
            let size = view.size().unwrap_or(u64::MAX);
            if self.at >= size {
                return self.finish(size, view);
            }
            let start = Span::new(self.at, self.at.saturating_add(16).min(size));
            let Some(bytes) = view.read(start) else {
                // Where the media of the first fragment end tells how long the file may be.
                if self.first.is_some() && !self.walked.unmeasured() {
                    return self.finish(size, view);
                }
                if self.first.is_some() {
                    return Ok(Step::Need(start));
                }
                let ahead = if self.at == 0 { self.front } else { LOOK };
                return Ok(Step::Need(Span::new(self.at, self.at.saturating_add(ahead).min(size))));
            };
            let found = match head(&bytes) {
                Ok(Some(found)) => found,
                // Trailing rubbish does no harm once the headers are known.
                Ok(None) | Err(_) if self.moov.is_some() => return self.finish(size, view),
                Ok(None) => return Err(malformed("the file ends within a box header")),
                Err(error) => {
                    let other = other_container(&bytes).filter(|_| self.at == 0);
                    return Err(other.map_or(error, |what| ProbeError::Unsupported { what }));
                }
            };
            if self.boxes > BOXES && self.first.is_some() {
                return self.finish(size, view);
            }
            if self.boxes > BOXES {
                return Err(ProbeError::TooLarge { what: "boxes in a file" });
            }
            if let Some(step) = self.enter(found, size, view)? {
                return Ok(step);
            }
            // Counted when it is behind: the walk may look at one more often while it arrives.
            self.boxes += 1;
        }
    }

    /// Deals with the box at `self.at`; `None` when the walk goes on.
    fn enter(&mut self, found: Head, size: u64, view: &dyn Bytes) -> Result<Option<Step>, ProbeError> {
        let end = found.size.map_or(size, |len| self.at.saturating_add(len));
        let span = Span::new(self.at, end);
        if self.first.is_some() {
            return self.walk(found, span, size, view);
        }
        match &found.name {
            b"moov" if self.moov.is_none() => {
                if end > size {
                    return Err(malformed("the movie box ends after the file"));
                }
                if span.len() > MOOV {
                    return Err(ProbeError::TooLarge { what: "movie box" });
                }
                let Some(bytes) = view.read(span) else { return Ok(Some(Step::Need(span))) };
                let payload = bytes.get(found.header as usize..).unwrap_or_default().to_vec();
                let fragmented = child(&payload, b"mvex")?.is_some();
                self.moov = Some((span, payload));
                if !fragmented {
                    return self.finish(size, view).map(Some);
                }
            }
            b"sidx" if self.sidx.len() < SIDX_COUNT && end <= size => {
                if span.len() > SIDX {
                    return Err(ProbeError::TooLarge { what: "segment index" });
                }
                let Some(bytes) = view.read(span) else { return Ok(Some(Step::Need(span))) };
                self.sidx.push((end, bytes.get(found.header as usize..).unwrap_or_default().to_vec()));
            }
            b"moof" | b"mdat" if self.moov.is_some() => {
                self.first = Some(self.at);
                return self.walk(found, span, size, view);
            }
            b"moof" => return Err(malformed("a fragment before the movie box")),
            b"mdat" => {
                if end >= size && size != u64::MAX {
                    return Err(malformed("no movie box"));
                }
                self.mdat = self.mdat.or(Some((self.at + found.header, end)));
            }
            _ => {}
        }
        self.at = end;
        Ok(None)
    }

    /// Deals with a box behind the headers of a fragmented file.
    fn walk(
        &mut self,
        found: Head,
        span: Span,
        size: u64,
        view: &dyn Bytes,
    ) -> Result<Option<Step>, ProbeError> {
        match &found.name {
            b"moof" if span.end < size && span.len() <= MOOF && self.walked.len() < FRAGMENTS => {
                let Some(bytes) = view.read(span) else {
                    // The first is worth a request, with the head of the media box behind it.
                    if self.walked.len() == 0 {
                        let all = Span::new(span.start, span.end.saturating_add(16).min(size));
                        return Ok(Some(Step::Need(all)));
                    }
                    return self.finish(size, view).map(Some);
                };
                let payload = bytes.get(found.header as usize..).unwrap_or_default().to_vec();
                self.walked.fragment(payload, span.start);
            }
            b"moof" => return self.finish(size, view).map(Some),
            b"mdat" => self.walked.data(span.end),
            _ => {}
        }
        self.at = span.end;
        Ok(None)
    }

    fn finish(&self, size: u64, view: &dyn Bytes) -> Result<Step, ProbeError> {
        let Some((span, moov)) = &self.moov else { return Err(malformed("no movie box")) };
        if size == u64::MAX {
            // Players need the exact length, and no server that takes ranges keeps it to itself.
            return Err(ProbeError::Unsupported { what: "a file of unknown length" });
        }
        let movie = Movie::read(moov)?;
        if movie.fragmented {
            return self.finish_fragmented(movie, size, view);
        }
        // The header of the media box is read along with the movie box by every demuxer.
        let after = span.end.saturating_add(16).min(size);
        let (layout, headers) = match self.mdat {
            None => (Layout::MoovFirst, vec![Span::new(0, after)]),
            Some((front, end)) => (Layout::MoovLast, vec![Span::new(0, front), Span::new(end, span.end)]),
        };
        let Built { index, syncs, .. } = build(&movie.tables, movie.duration_ms, size)?;
        let mut info = described(movie, size, layout);
        for track in &mut info.tracks {
            track.first_sync = syncs.iter().find(|(id, _)| *id == track.id).map(|(_, sync)| *sync);
        }
        Ok(Step::Done(Box::new(MediaInfo { headers, index, ..info })))
    }

    fn finish_fragmented(&self, movie: Movie<'_>, size: u64, view: &dyn Bytes) -> Result<Step, ProbeError> {
        let first = self.first.unwrap_or(self.at).min(size);
        let before = build(&movie.tables, movie.duration_ms, size).ok();
        let reached = self.walked.read(&movie, before, size)?;
        let (mut index, mut length) = of_indexes(&self.sidx, &movie, size)?;
        let (mut guessed, mut by_tail) = (false, false);
        if index.is_empty() {
            index = vec![(0, first)];
            reached.entries.iter().for_each(|(ms, at)| push(&mut index, *ms, *at));
            length = reached.length_ms;
            if self.at < size {
                let tail = Span::new(size.saturating_sub(TAIL_BYTES), size);
                match view.read(tail) {
                    Some(bytes) => by_tail = extend_by_tail(&mut index, &bytes, &movie, &reached, size),
                    // Enough to start with, and the end of the file is a round trip away.
                    None if likely_length(&index, size).is_some() => guessed = true,
                    None => return Ok(Step::Need(tail)),
                }
                // The index at the end says when the last fragment begins, not how long it is.
                length = length.max(match movie.duration_ms {
                    0 => likely_length(&index, size).unwrap_or(0),
                    _ => index.last().map_or(0, |last| last.0),
                });
            }
            // A movie header that counts only its own samples says less than the fragments do.
            let whole = movie.duration_ms.max(length);
            // What is announced past the end is not there.
            index.retain(|entry| entry.0 == 0 || entry.0 < whole);
            if whole > 0 {
                push(&mut index, whole, size);
            }
        }
        let mut info = described(movie, size, Layout::Fragmented);
        if info.duration_ms == 0 || self.sidx.is_empty() {
            info.duration_ms = info.duration_ms.max(length);
        }
        for track in &mut info.tracks {
            track.first_sync = reached.syncs.get(&track.id).copied();
        }
        // A demuxer looks at the end for an index; where there is none it does without.
        let headers = vec![Span::new(0, first)];
        let headers = if by_tail { with_tail(headers, size) } else { headers };
        let info = Box::new(MediaInfo { headers, index, ..info });
        Ok(if guessed { Step::Likely(info) } else { Step::Done(info) })
    }
}

/// How long a file is if it goes on as it begins, in milliseconds; `None` where too little of it is known.
fn likely_length(index: &[(u64, u64)], size: u64) -> Option<u64> {
    let ((_, begin), (ms, end)) = (index.first()?, index.last()?);
    let (seen, all) = (end.checked_sub(*begin)?, size.checked_sub(*begin)?);
    let likely = u128::from(*ms) * u128::from(all) / u128::from((seen > 0).then_some(seen)?);
    u64::try_from(likely).ok().filter(|likely| *likely > 0)
}

/// The name of a format that is not this one, from the first bytes of a file.
fn other_container(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x47, ..] => Some("an MPEG transport stream"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("Matroska or WebM"),
        [b'#', b'E', b'X', b'T', b'M', b'3', b'U', ..] => {
            Some("a playlist that is declared to be an MP4 file")
        }
        _ => None,
    }
}

/// An answer without its headers and its index.
fn described(movie: Movie<'_>, size: u64, layout: Layout) -> MediaInfo {
    MediaInfo {
        size,
        layout,
        duration_ms: movie.duration_ms,
        video: movie.video,
        width: movie.width,
        height: movie.height,
        rotation: movie.rotation,
        audio: movie.audio,
        tracks: movie.tracks,
        headers: Vec::new(),
        index: Vec::new(),
    }
}

/// Reads the codecs of an initialisation segment that is wholly in `bytes`.
pub(super) fn describe_init(bytes: &[u8]) -> Result<MediaInfo, ProbeError> {
    let moov = need(bytes, b"moov", "an initialisation range without a movie box")?;
    let size = bytes.len() as u64;
    let info = described(Movie::read(moov)?, size, Layout::Fragmented);
    Ok(MediaInfo { headers: vec![Span::new(0, size)], ..info })
}
