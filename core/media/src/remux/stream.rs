//! Out of a transport stream: samples with their times.

use crate::probe::transport::{Times, nals, packets, streams, unit_head};
use crate::probe::{ProbeError, malformed};

/// Samples of a segment at most: ten minutes at sixty pictures a second.
const SAMPLES: usize = 36_000;
/// Sampling rates of AAC by their number (ISO 14496-3, 1.6.3.3).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// Sound samples of one frame of AAC.
pub(super) const FRAME: u64 = 1024;

/// What is in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clip {
    pub video: Option<Video>,
    pub audio: Option<Audio>,
}

/// Pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Video {
    /// The first parameter sets.
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
    pub samples: Vec<Picture>,
}

/// One coded picture, its units behind their lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub times: Times,
    pub bytes: Vec<u8>,
    pub sync: bool,
}

/// Sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audio {
    /// What the decoder is told (ISO 14496-3, 1.6.2.1).
    pub config: [u8; 2],
    pub rate: u32,
    pub channels: u8,
    /// When the first frame is heard.
    pub shown: u64,
    pub frames: Vec<Vec<u8>>,
}

/// A unit of a stream: its times, where they are told, and its payload.
type Unit = (Option<Times>, Vec<u8>);

/// Takes a segment apart. What is neither H.264 nor AAC is left out.
pub(crate) fn read(bytes: &[u8]) -> Result<Clip, ProbeError> {
    let streams = streams(bytes)?;
    let of = |kind: u8| streams.iter().find(|(found, _)| *found == kind).map(|(_, pid)| *pid);
    let (picture, sound) = (of(0x1b), of(0x0f));
    let (mut pictures, mut sounds): (Vec<Unit>, Vec<Unit>) = (Vec::new(), Vec::new());
    for packet in packets(bytes) {
        let units = match Some(packet.pid) {
            pid if pid == picture => &mut pictures,
            pid if pid == sound => &mut sounds,
            _ => continue,
        };
        if packet.starts {
            if units.len() >= SAMPLES {
                return Err(ProbeError::TooLarge { what: "samples of a segment" });
            }
            let (times, payload) = unit_head(packet.payload).unwrap_or((None, &[]));
            units.push((times, payload.to_vec()));
        } else if let Some((_, unit)) = units.last_mut() {
            unit.extend_from_slice(packet.payload);
        }
    }
    Ok(Clip { video: video(pictures), audio: audio(sounds)? })
}

fn video(units: Vec<Unit>) -> Option<Video> {
    let (mut sps, mut pps): (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
    let mut samples: Vec<Picture> = Vec::with_capacity(units.len());
    for (times, unit) in units {
        let mut bytes = Vec::with_capacity(unit.len() + 16);
        let mut sync = false;
        for nal in nals(&unit) {
            // Zeros behind a unit belong to the next start code.
            let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let nal = &nal[..end];
            let Some(kind) = nal.first().map(|name| name & 0x1f) else { continue };
            match kind {
                7 if sps.is_none() => sps = Some(nal.to_vec()),
                8 if pps.is_none() => pps = Some(nal.to_vec()),
                // The sets of the headers, again, and delimiters, which length-prefixed samples have no use for.
                7 if sps.as_deref() == Some(nal) => {}
                8 if pps.as_deref() == Some(nal) => {}
                9 | 12 => {}
                _ => {
                    sync |= kind == 5;
                    bytes.extend((nal.len() as u32).to_be_bytes());
                    bytes.extend_from_slice(nal);
                }
            }
        }
        match times {
            // Without a time of its own it goes on with the picture before it.
            None => {
                if let Some(last) = samples.last_mut() {
                    last.bytes.extend(bytes);
                }
            }
            Some(_) if bytes.is_empty() => {}
            Some(times) => {
                // A segment begins where decoding can (RFC 8216, 3), whatever kind of picture that is.
                let sync = sync || samples.is_empty();
                samples.push(Picture { times, bytes, sync });
            }
        }
    }
    Some(Video { sps: sps?, pps: pps?, samples }).filter(|video| !video.samples.is_empty())
}

/// Cuts the frames out of the stream of sound; they need not keep to its units.
fn audio(units: Vec<Unit>) -> Result<Option<Audio>, ProbeError> {
    let Some(shown) = units.iter().find_map(|(times, _)| *times).map(|times| times.shown) else {
        return Ok(None);
    };
    let first = units.iter().position(|(times, _)| times.is_some()).unwrap_or(0);
    let bytes: Vec<u8> = units.into_iter().skip(first).flat_map(|(_, unit)| unit).collect();
    let mut found: Option<Audio> = None;
    let mut rest = bytes.as_slice();
    while let [0xff, second, third, fourth, fifth, sixth, _, ..] = *rest {
        // Sync word, layer, and whether a checksum follows (ISO 14496-3, 1.A.3.2).
        if second & 0xf6 != 0xf0 {
            break;
        }
        let head = if second & 1 == 1 { 7 } else { 9 };
        let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let Some(frame) = rest.get(head..length) else { break };
        let object = (third >> 6) + 1;
        let number = third >> 2 & 15;
        let channels = (third & 1) << 2 | fourth >> 6;
        let rate = RATES.get(usize::from(number)).copied();
        let (Some(rate), true) = (rate, channels > 0) else {
            return Err(malformed("sound of an impossible kind"));
        };
        let config = [object << 3 | number >> 1, number << 7 | channels << 3];
        let audio = found.get_or_insert_with(|| Audio { config, rate, channels, shown, frames: Vec::new() });
        if audio.frames.len() >= SAMPLES {
            return Err(ProbeError::TooLarge { what: "samples of a segment" });
        }
        audio.frames.push(frame.to_vec());
        rest = &rest[length..];
    }
    Ok(found)
}
