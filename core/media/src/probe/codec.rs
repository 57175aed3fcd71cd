//! What a track is coded with, from its sample description.

use super::boxes::{Reader, child, children};
use super::{ProbeError, malformed};
use crate::info::{AudioCodec, VideoCodec};

/// A sample description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Video { codec: VideoCodec, width: u32, height: u32 },
    Audio(AudioCodec),
}

/// Fields of a visual sample entry before its children (ISO 14496-12, 12.1.3).
const VISUAL_FIELDS: usize = 78;
/// Fields of an audio sample entry before its children, version 0 (ISO 14496-12, 12.2.3).
const AUDIO_FIELDS: usize = 28;

/// Reads the first entry of an `stsd` payload; `handler` is the track's `hdlr` type.
pub(super) fn coding(stsd: &[u8], handler: [u8; 4]) -> Result<Option<Coding>, ProbeError> {
    let mut reader = Reader::new(stsd);
    reader.version()?;
    reader.u32()?;
    let Some(entry) = children(reader.rest()).next() else {
        return Err(malformed("no sample description"));
    };
    let (name, body) = entry?;
    match &handler {
        b"vide" => video(name, body).map(Some),
        b"soun" => Ok(Some(Coding::Audio(audio(name, body)))),
        _ => Ok(None),
    }
}

fn video(name: [u8; 4], body: &[u8]) -> Result<Coding, ProbeError> {
    let codec = match &name {
        b"avc1" | b"avc3" => VideoCodec::H264,
        b"hvc1" | b"hev1" => VideoCodec::H265,
        b"av01" => VideoCodec::Av1,
        b"vp09" => VideoCodec::Vp9,
        b"encv" => return Err(ProbeError::Unsupported { what: "encrypted video" }),
        _ => VideoCodec::Other,
    };
    let mut fields =
        Reader::new(body.get(..VISUAL_FIELDS).ok_or(malformed("a sample description ends early"))?);
    fields.skip(24)?;
    let (width, height) = (fields.u16()?.into(), fields.u16()?.into());
    Ok(Coding::Video { codec, width, height })
}

fn audio(name: [u8; 4], body: &[u8]) -> AudioCodec {
    match &name {
        b"Opus" => AudioCodec::Opus,
        // Without a readable decoder configuration the common case is assumed.
        b"mp4a" => match object_type(body) {
            None | Some(0x40 | 0x66..=0x68) => AudioCodec::Aac,
            Some(_) => AudioCodec::Other,
        },
        _ => AudioCodec::Other,
    }
}

/// The MPEG-4 object type in the `esds` of an `mp4a` entry (ISO 14496-1, 7.2.6.6).
fn object_type(body: &[u8]) -> Option<u8> {
    let esds = child(body.get(AUDIO_FIELDS..)?, b"esds").ok()??;
    let mut reader = Reader::new(esds);
    reader.version().ok()?;
    // The elementary stream descriptor holds an identifier, flags, and the decoder configuration.
    descriptor(&mut reader, 0x03)?;
    reader.skip(2).ok()?;
    let flags = reader.u8().ok()?;
    if flags & 0x80 != 0 {
        reader.skip(2).ok()?;
    }
    if flags & 0x40 != 0 {
        let url = reader.u8().ok()?;
        reader.skip(url.into()).ok()?;
    }
    if flags & 0x20 != 0 {
        reader.skip(2).ok()?;
    }
    descriptor(&mut reader, 0x04)?;
    reader.u8().ok()
}

/// Steps into a descriptor with this tag.
fn descriptor(reader: &mut Reader<'_>, tag: u8) -> Option<()> {
    (reader.u8().ok()? == tag).then_some(())?;
    for _ in 0..4 {
        if reader.u8().ok()? & 0x80 == 0 {
            return Some(());
        }
    }
    None
}
