//! The beginning of an MPEG transport stream: which programme, which tracks, what they are coded with.
//!
//! Reads what is there and answers from it; a segment of HLS begins with its tables and a picture that decodes by itself
//! (RFC 8216, 3.2), so the first few packets tell all there is.

use unspool_engine::Span;

use super::sps::{Pictures, pictures};
use super::{ProbeError, malformed};
use crate::info::{AudioCodec, Layout, MediaInfo, SyncSample, TrackInfo, TrackKind, VideoCodec};

/// Bytes of a packet.
const PACKET: usize = 188;
/// Longest table section (ISO 13818-1, 2.4.4).
const SECTION: usize = 1024;
/// Streams of a programme looked at; a clip has two, a broadcast a dozen.
const STREAMS: usize = 32;
/// Bytes of a track that are looked at for its parameters.
const LOOK: usize = 64 * 1024;

/// One packet.
pub(crate) struct Packet<'a> {
    at: usize,
    pub pid: u16,
    /// Whether a unit begins in it.
    pub starts: bool,
    pub payload: &'a [u8],
}

pub(crate) fn packets(bytes: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    bytes.chunks_exact(PACKET).enumerate().filter_map(|(number, packet)| {
        let [0x47, flags, low, control, ..] = *packet else { return None };
        let skip = match control >> 4 & 3 {
            1 => 4,
            3 => 5 + usize::from(packet[4]),
            _ => return None,
        };
        let payload = packet.get(skip..).filter(|_| flags & 0x80 == 0)?;
        let pid = u16::from(flags & 0x1f) << 8 | u16::from(low);
        Some(Packet { at: number * PACKET, pid, starts: flags & 0x40 != 0, payload })
    })
}

/// The first section of table `table` in packets of `pid`, from after its length field to before its checksum.
fn section(bytes: &[u8], pid: u16, table: u8) -> Option<Vec<u8>> {
    let mut found: Vec<u8> = Vec::new();
    for packet in packets(bytes).filter(|packet| packet.pid == pid) {
        if packet.starts {
            let skip = 1 + usize::from(*packet.payload.first()?);
            found = packet.payload.get(skip..)?.to_vec();
        } else if !found.is_empty() {
            found.extend_from_slice(packet.payload);
        }
        let [name, high, low, ..] = *found.as_slice() else { continue };
        let end = 3 + (usize::from(high & 0x0f) << 8 | usize::from(low));
        if name != table || end > SECTION {
            found.clear();
        } else if found.len() >= end {
            return found.get(3..end.checked_sub(4)?).map(<[u8]>::to_vec);
        }
    }
    None
}

/// Kind and identifier of the streams of the first programme.
pub(crate) fn streams(bytes: &[u8]) -> Result<Vec<(u8, u16)>, ProbeError> {
    let programmes = section(bytes, 0, 0).ok_or(malformed("no programme table"))?;
    let map = programmes
        .get(5..)
        .unwrap_or_default()
        .chunks_exact(4)
        .find(|entry| entry[..2] != [0, 0])
        .map(|entry| u16::from(entry[2] & 0x1f) << 8 | u16::from(entry[3]))
        .ok_or(malformed("no programme"))?;
    let map = section(bytes, map, 2).ok_or(malformed("no programme map"))?;
    let descriptors = match map.get(7..9) {
        Some(length) => usize::from(length[0] & 0x0f) << 8 | usize::from(length[1]),
        None => return Err(malformed("a programme map ends early")),
    };
    let mut rest = map.get(9 + descriptors..).unwrap_or_default();
    let mut streams = Vec::new();
    while let (Some((head, tail)), true) = (rest.split_at_checked(5), streams.len() < STREAMS) {
        streams.push((head[0], u16::from(head[1] & 0x1f) << 8 | u16::from(head[2])));
        let length = usize::from(head[3] & 0x0f) << 8 | usize::from(head[4]);
        rest = tail.get(length..).unwrap_or_default();
    }
    Ok(streams)
}

/// What the stream that begins with `bytes` is; times and places are left to whoever knows the whole.
pub(super) fn describe(bytes: &[u8]) -> Result<MediaInfo, ProbeError> {
    match bytes {
        [0x47, ..] if bytes.get(PACKET).is_none_or(|byte| *byte == 0x47) => {}
        [b'I', b'D', b'3', ..] | [0xff, 0xf0..=0xff, ..] => {
            return Err(ProbeError::Unsupported { what: "segments of packed audio" });
        }
        [_, _, _, _, b'f' | b's' | b'm', ..] => {
            return Err(ProbeError::Unsupported { what: "fragments without an initialisation segment" });
        }
        [b'W', b'E', b'B', b'V', ..] => return Err(ProbeError::Unsupported { what: "segments of text" }),
        _ => return Err(malformed("a segment that is no transport stream")),
    }
    let streams = streams(bytes)?;
    let mut info = MediaInfo {
        size: 0,
        layout: Layout::Segmented,
        duration_ms: 0,
        video: None,
        width: 0,
        height: 0,
        rotation: 0,
        audio: None,
        tracks: Vec::new(),
        headers: Vec::new(),
        index: Vec::new(),
    };
    for (kind, pid) in streams {
        stream(&mut info, bytes, kind, pid)?;
    }
    if info.tracks.is_empty() {
        return Err(malformed("neither video nor audio"));
    }
    Ok(info)
}

/// Takes one stream of the programme in.
fn stream(info: &mut MediaInfo, bytes: &[u8], kind: u8, pid: u16) -> Result<(), ProbeError> {
    let mut track = TrackInfo {
        id: pid.into(),
        kind: TrackKind::Video,
        codec: String::new(),
        width: 0,
        height: 0,
        rotation: 0,
        first_sync: None,
    };
    let video = match kind {
        0x1b => Some((VideoCodec::H264, "avc1")),
        0x24 => Some((VideoCodec::H265, "hvc1")),
        0x01 | 0x02 | 0x10 | 0x42 | 0xd2 | 0xea => Some((VideoCodec::Other, "mp4v")),
        _ => None,
    };
    let audio = match kind {
        0x0f | 0x11 => Some((AudioCodec::Aac, "mp4a")),
        0x03 | 0x04 => Some((AudioCodec::Other, "mp4a.6B")),
        0x81 => Some((AudioCodec::Other, "ac-3")),
        0x87 => Some((AudioCodec::Other, "ec-3")),
        // Sample encryption of H.264, AAC, AC-3.
        0xdb | 0xcf | 0xc1 | 0xc2 => return Err(ProbeError::Unsupported { what: "encrypted segments" }),
        _ => None,
    };
    if let Some((codec, name)) = video {
        track.codec = name.to_owned();
        if codec == VideoCodec::H264 {
            if let Some(Pictures { codec, width, height }) = parameters(bytes, pid) {
                (track.codec, track.width, track.height) = (codec, width, height);
            }
            track.first_sync = first_sync(bytes, pid);
        }
        if info.video.is_none() {
            info.video = Some(codec);
            (info.width, info.height) = (track.width, track.height);
        }
    } else if let Some((codec, name)) = audio {
        track.kind = TrackKind::Audio;
        track.codec = match (kind, adts(bytes, pid)) {
            (0x0f, Some(object)) => format!("{name}.40.{object}"),
            _ => name.to_owned(),
        };
        info.audio = info.audio.or(Some(codec));
    } else {
        return Ok(());
    }
    info.tracks.push(track);
    Ok(())
}

/// When a unit is decoded and when it is shown, in ticks of a ninetieth of a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub decoded: u64,
    pub shown: u64,
}

/// One access unit, as far as it is there: where it begins and ends, when it is shown, its payload.
struct Unit {
    span: Span,
    whole: bool,
    shown: Option<u64>,
    payload: Vec<u8>,
}

/// The units of a stream in the order of the file.
fn units(bytes: &[u8], pid: u16) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut looked = 0;
    for packet in packets(bytes).filter(|packet| packet.pid == pid) {
        let payload = if packet.starts {
            if let Some(last) = units.last_mut() {
                last.whole = true;
                last.span.end = packet.at as u64;
            }
            if looked > LOOK {
                break;
            }
            let (times, payload) = unit_head(packet.payload).unwrap_or((None, &[]));
            let shown = times.map(|times| times.shown);
            let span = Span::new(packet.at as u64, bytes.len() as u64);
            units.push(Unit { span, whole: false, shown, payload: Vec::new() });
            payload
        } else {
            packet.payload
        };
        if let Some(unit) = units.last_mut().filter(|unit| unit.payload.len() <= LOOK) {
            unit.payload.extend_from_slice(payload);
        }
        looked += payload.len();
    }
    units
}

/// Times and payload of a packet that begins a unit (ISO 13818-1, 2.4.3.6).
pub(crate) fn unit_head(payload: &[u8]) -> Option<(Option<Times>, &[u8])> {
    let [0, 0, 1, _, _, _, _, flags, length, rest @ ..] = payload else { return None };
    let (head, tail) = rest.split_at_checked(usize::from(*length))?;
    let shown = stamp(head).filter(|_| flags & 0x80 != 0);
    let decoded = head.get(5..).and_then(stamp).filter(|_| flags & 0x40 != 0);
    Some((shown.map(|shown| Times { shown, decoded: decoded.unwrap_or(shown) }), tail))
}

/// A time of 33 bits in five bytes.
fn stamp(bytes: &[u8]) -> Option<u64> {
    let [a, b, c, d, e, ..] = *bytes else { return None };
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

/// The network abstraction units of a payload, each from its naming byte on.
pub(crate) fn nals(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> =
        payload.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at + 3).collect();
    let ends: Vec<usize> =
        starts.iter().skip(1).map(|at| at - 3).chain(std::iter::once(payload.len())).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| payload.get(start..end))
}

fn parameters(bytes: &[u8], pid: u16) -> Option<Pictures> {
    units(bytes, pid).iter().find_map(|unit| {
        let found = nals(&unit.payload).find(|nal| nal.first().is_some_and(|name| name & 0x1f == 7))?;
        pictures(&found[1..]).ok()
    })
}

/// The first picture that decodes by itself, if all of it is there.
fn first_sync(bytes: &[u8], pid: u16) -> Option<SyncSample> {
    let units = units(bytes, pid);
    let first = units.iter().filter_map(|unit| unit.shown).min()?;
    let found = units
        .iter()
        .find(|unit| nals(&unit.payload).any(|nal| nal.first().is_some_and(|name| name & 0x1f == 5)))?;
    // Ninety ticks to the millisecond.
    let at_ms = found.shown?.saturating_sub(first) / 90;
    found.whole.then_some(SyncSample { at_ms, span: found.span })
}

/// The audio object type in the first frame header (ISO 14496-3, 1.A.3.2).
fn adts(bytes: &[u8], pid: u16) -> Option<u8> {
    let units = units(bytes, pid);
    let payload = &units.iter().find(|unit| !unit.payload.is_empty())?.payload;
    match payload.as_slice() {
        [0xff, second, third, ..] if second & 0xf6 == 0xf0 => Some((third >> 6) + 1),
        _ => None,
    }
}
