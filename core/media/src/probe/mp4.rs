//! One MP4 file: where its headers are, what its tracks are, which bytes belong to which time.
//!
//! Walks the top-level boxes from the front. A media box in front of the movie box sends it to the media box's end at
//! once, so a file with its headers last costs one more request and no download. A fragmented file is done at its
//! first fragment: segment indexes, where there are any, lie before it.

use unspool_engine::Span;

use super::boxes::{Head, Reader, child, children, head, need};
use super::codec::{Coding, coding};
use super::index::{Track, build};
use super::{ProbeError, malformed, with_tail};
use crate::info::{AudioCodec, Layout, MediaInfo, VideoCodec};

/// Bytes asked for at the front of a file: one initial chunk, which holds the headers of most clips under a minute.
const FRONT: u64 = 128 * 1024;
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
/// Entries of an edit list looked at for the first that shows something.
const EDITS: u32 = 16;

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
}

/// A probe in progress.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    at: u64,
    boxes: u32,
    mdat: Option<(u64, u64)>,
    moov: Option<(Span, Vec<u8>)>,
    sidx: Vec<(u64, Vec<u8>)>,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Probe::default()
    }

    /// Goes on with the bytes that are there now.
    pub(crate) fn step(&mut self, view: &dyn Bytes) -> Result<Step, ProbeError> {
        loop {
            let size = view.size().unwrap_or(u64::MAX);
            if self.at >= size {
                return self.finish(size);
            }
            let start = Span::new(self.at, self.at.saturating_add(16).min(size));
            let Some(bytes) = view.read(start) else {
                let ahead = if self.at == 0 { FRONT } else { LOOK };
                return Ok(Step::Need(Span::new(self.at, self.at.saturating_add(ahead).min(size))));
            };
            let found = match head(&bytes) {
                Ok(Some(found)) => found,
                // Trailing rubbish does no harm once the headers are known.
                Ok(None) | Err(_) if self.moov.is_some() => return self.finish(size),
                Ok(None) => return Err(malformed("the file ends within a box header")),
                Err(error) => return Err(error),
            };
            self.boxes += 1;
            if self.boxes > BOXES {
                return Err(ProbeError::TooLarge { what: "boxes in a file" });
            }
            if let Some(step) = self.enter(found, size, view)? {
                return Ok(step);
            }
        }
    }

    /// Deals with the box at `self.at`; `None` when the walk goes on.
    fn enter(&mut self, found: Head, size: u64, view: &dyn Bytes) -> Result<Option<Step>, ProbeError> {
        let end = found.size.map_or(size, |len| self.at.saturating_add(len));
        let span = Span::new(self.at, end);
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
                    return self.finish(size).map(Some);
                }
            }
            b"sidx" if self.sidx.len() < SIDX_COUNT && end <= size => {
                if span.len() > SIDX {
                    return Err(ProbeError::TooLarge { what: "segment index" });
                }
                let Some(bytes) = view.read(span) else { return Ok(Some(Step::Need(span))) };
                self.sidx.push((end, bytes.get(found.header as usize..).unwrap_or_default().to_vec()));
            }
            b"moof" | b"mdat" if self.moov.is_some() => return self.finish(size).map(Some),
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

    fn finish(&self, size: u64) -> Result<Step, ProbeError> {
        let Some((span, moov)) = &self.moov else { return Err(malformed("no movie box")) };
        if size == u64::MAX {
            // Players need the exact length, and no server that takes ranges keeps it to itself.
            return Err(ProbeError::Unsupported { what: "a file of unknown length" });
        }
        let movie = Movie::read(moov)?;
        let (layout, headers, index, duration_ms);
        if movie.fragmented {
            let first = self.at.min(size);
            layout = Layout::Fragmented;
            headers = with_tail(vec![Span::new(0, first)], size);
            let (segments, length) = self.segments(&movie, size)?;
            duration_ms = if movie.duration_ms > 0 { movie.duration_ms } else { length };
            index = if segments.is_empty() { coarse(first, duration_ms, size) } else { segments };
        } else {
            // The header of the media box is read along with the movie box by every demuxer.
            let after = span.end.saturating_add(16).min(size);
            (layout, headers) = match self.mdat {
                None => (Layout::MoovFirst, vec![Span::new(0, after)]),
                Some((front, end)) => (Layout::MoovLast, vec![Span::new(0, front), Span::new(end, span.end)]),
            };
            duration_ms = movie.duration_ms;
            index = build(&movie.tables, duration_ms, size)?;
        }
        Ok(Step::Done(Box::new(MediaInfo {
            size,
            layout,
            duration_ms,
            video: movie.video,
            width: movie.width,
            height: movie.height,
            rotation: movie.rotation,
            audio: movie.audio,
            headers,
            index,
        })))
    }

    /// Segments of the index of the first video track (or of the only one), and their length in time.
    fn segments(&self, movie: &Movie<'_>, size: u64) -> Result<(Vec<(u64, u64)>, u64), ProbeError> {
        let mut best: Option<(Vec<(u64, u64)>, u64)> = None;
        for (anchor, body) in &self.sidx {
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
                let entry = (ms(time), at.min(size));
                match entries.last_mut() {
                    Some(last) if last.0 >= entry.0 => last.1 = last.1.max(entry.1),
                    _ => entries.push(entry),
                }
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
}

/// The index of a fragmented file that has none: its start and its end.
fn coarse(first: u64, duration_ms: u64, size: u64) -> Vec<(u64, u64)> {
    if duration_ms == 0 { vec![(0, first)] } else { vec![(0, first), (duration_ms, size)] }
}

/// What a movie box says.
#[derive(Debug, Default)]
pub(super) struct Movie<'a> {
    pub fragmented: bool,
    pub duration_ms: u64,
    pub video: Option<VideoCodec>,
    pub video_track: Option<u32>,
    pub width: u32,
    pub height: u32,
    pub rotation: u16,
    pub audio: Option<AudioCodec>,
    pub tables: Vec<Track<'a>>,
}

impl<'a> Movie<'a> {
    /// Reads the payload of a `moov` box.
    pub(super) fn read(moov: &'a [u8]) -> Result<Self, ProbeError> {
        let mut movie = Movie::default();
        let mut mvhd = Reader::new(need(moov, b"mvhd", "no movie header")?);
        let (timescale, duration) = times(&mut mvhd)?;
        if timescale == 0 {
            return Err(malformed("a movie without a time scale"));
        }
        movie.duration_ms = millis(duration, timescale.into());
        if let Some(mvex) = child(moov, b"mvex")? {
            movie.fragmented = true;
            if let Some(mehd) = child(mvex, b"mehd")? {
                let mut reader = Reader::new(mehd);
                let version = reader.version()?;
                movie.duration_ms = millis(reader.sized(version)?, timescale.into());
            }
        }
        let mut longest = 0;
        for found in children(moov) {
            let (name, body) = found?;
            if name == *b"trak" {
                longest = longest.max(movie.track(body)?);
            }
        }
        if movie.video.is_none() && movie.audio.is_none() {
            return Err(malformed("neither video nor audio"));
        }
        if movie.duration_ms == 0 {
            movie.duration_ms = longest;
        }
        Ok(movie)
    }

    /// Reads one `trak`; its length in milliseconds.
    fn track(&mut self, trak: &'a [u8]) -> Result<u64, ProbeError> {
        let mdia = need(trak, b"mdia", "a track without media")?;
        let mut hdlr = Reader::new(need(mdia, b"hdlr", "a track without a handler")?);
        hdlr.version()?;
        hdlr.skip(4)?;
        let handler = hdlr.fourcc()?;
        if !matches!(&handler, b"vide" | b"soun") {
            return Ok(0);
        }
        let minf = need(mdia, b"minf", "a track without media information")?;
        let stbl = need(minf, b"stbl", "a track without sample tables")?;
        let stsd = need(stbl, b"stsd", "a track without a sample description")?;
        let (timescale, duration) =
            times(&mut Reader::new(need(mdia, b"mdhd", "a track without a media header")?))?;
        if timescale == 0 {
            return Err(malformed("a track without a time scale"));
        }
        match coding(stsd, handler)? {
            Some(Coding::Video { codec, width, height }) if self.video.is_none() => {
                let (number, rotation) = track_header(need(trak, b"tkhd", "a track without a header")?)?;
                self.video = Some(codec);
                self.video_track = Some(number);
                (self.width, self.height, self.rotation) = (width, height, rotation);
            }
            Some(Coding::Audio(codec)) if self.audio.is_none() => self.audio = Some(codec),
            _ => return Ok(0),
        }
        if !self.fragmented {
            self.tables.push(Track { timescale, start: edit_start(trak)?, stbl });
        }
        Ok(if duration == u64::MAX || duration == u64::from(u32::MAX) {
            0
        } else {
            millis(duration, timescale.into())
        })
    }
}

/// Time scale and duration of an `mvhd` or `mdhd`, which start alike.
fn times(reader: &mut Reader<'_>) -> Result<(u32, u64), ProbeError> {
    let version = reader.version()?;
    reader.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = reader.u32()?;
    let duration = reader.sized(version)?;
    // All ones mean "unknown".
    let unknown = if version == 1 { u64::MAX } else { u32::MAX.into() };
    Ok((timescale, if duration == unknown { 0 } else { duration }))
}

/// Track number and clockwise rotation of a `tkhd`.
fn track_header(tkhd: &[u8]) -> Result<(u32, u16), ProbeError> {
    let mut reader = Reader::new(tkhd);
    let version = reader.version()?;
    reader.skip(if version == 1 { 16 } else { 8 })?;
    let number = reader.u32()?;
    // Reserved, duration, reserved, layer, group, volume, reserved.
    reader.skip(4 + if version == 1 { 8 } else { 4 } + 16)?;
    let (a, b) = (reader.i32()?, reader.i32()?);
    reader.skip(4)?;
    let (c, d) = (reader.i32()?, reader.i32()?);
    let rotation = match (a.signum(), b.signum(), c.signum(), d.signum()) {
        (0, 1, -1, 0) => 90,
        (-1, 0, 0, -1) => 180,
        (0, -1, 1, 0) => 270,
        _ => 0,
    };
    Ok((number, rotation))
}

/// Media time at which a track starts according to its edit list.
///
/// Empty edits, which delay a track, are passed over: a delayed track is fetched a little early, never late.
fn edit_start(trak: &[u8]) -> Result<u64, ProbeError> {
    let Some(edts) = child(trak, b"edts")? else { return Ok(0) };
    let Some(elst) = child(edts, b"elst")? else { return Ok(0) };
    let mut reader = Reader::new(elst);
    let version = reader.version()?;
    for _ in 0..reader.u32()?.min(EDITS) {
        reader.sized(version)?;
        let start = if version == 1 { reader.u64()?.cast_signed() } else { reader.i32()?.into() };
        reader.skip(4)?;
        if let Ok(start) = u64::try_from(start) {
            return Ok(start);
        }
    }
    Ok(0)
}

/// Units of a time scale as milliseconds, rounded down.
fn millis(units: u64, timescale: u64) -> u64 {
    u64::try_from(u128::from(units) * 1000 / u128::from(timescale.max(1))).unwrap_or(u64::MAX)
}

/// Reads the codecs of an initialisation segment that is wholly in `bytes`.
pub(super) fn describe_init(bytes: &[u8]) -> Result<MediaInfo, ProbeError> {
    let moov = need(bytes, b"moov", "an initialisation range without a movie box")?;
    let movie = Movie::read(moov)?;
    Ok(MediaInfo {
        size: bytes.len() as u64,
        layout: Layout::Fragmented,
        duration_ms: movie.duration_ms,
        video: movie.video,
        width: movie.width,
        height: movie.height,
        rotation: movie.rotation,
        audio: movie.audio,
        headers: vec![Span::new(0, bytes.len() as u64)],
        index: Vec::new(),
    })
}
