//! What a movie box says of its tracks.

use std::collections::BTreeMap;

use super::boxes::{Reader, child, children, need};
use super::codec::{Coding, coding};
use super::fragment::{Defaults, defaults};
use super::index::Track;
use super::{ProbeError, malformed};
use crate::info::{AudioCodec, TrackInfo, TrackKind, VideoCodec};

/// Entries of an edit list looked at for the first that shows something.
const EDITS: u32 = 16;
/// Tracks of pictures and sound that are told of; a clip has two, a film with many languages a dozen.
const TRACKS: usize = 32;

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
    /// Every track of pictures and sound.
    pub tracks: Vec<TrackInfo>,
    /// Times and places of the first track of each kind, which are the ones that play.
    pub tables: Vec<Track<'a>>,
    /// What the samples of fragments are like unless these say otherwise.
    pub defaults: BTreeMap<u32, Defaults>,
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
            movie.defaults = defaults(mvex)?;
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
        let Some(coding) = coding(stsd, handler)? else { return Ok(0) };
        let (id, turned) = track_header(need(trak, b"tkhd", "a track without a header")?)?;
        let mut info = TrackInfo {
            id,
            kind: TrackKind::Audio,
            codec: String::new(),
            width: 0,
            height: 0,
            rotation: 0,
            first_sync: None,
        };
        let plays = match coding {
            Coding::Video { codec, name, width, height } => {
                let first = self.video.is_none();
                if first {
                    (self.video, self.video_track) = (Some(codec), Some(id));
                    (self.width, self.height, self.rotation) = (width, height, turned);
                }
                info = TrackInfo {
                    kind: TrackKind::Video,
                    codec: name,
                    width,
                    height,
                    rotation: turned,
                    ..info
                };
                first
            }
            Coding::Audio { codec, name } => {
                let first = self.audio.is_none();
                if first {
                    self.audio = Some(codec);
                }
                info.codec = name;
                first
            }
        };
        if self.tracks.len() < TRACKS || plays {
            self.tracks.push(info);
        }
        if !plays {
            return Ok(0);
        }
        self.tables.push(Track { id, timescale, start: edit_start(trak)?, stbl });
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
pub(super) fn millis(units: u64, timescale: u64) -> u64 {
    u64::try_from(u128::from(units) * 1000 / u128::from(timescale.max(1))).unwrap_or(u64::MAX)
}
