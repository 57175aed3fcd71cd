//! What a track is coded with, from its sample description.

use super::boxes::{Reader, child, children};
use super::{ProbeError, malformed};
use crate::info::{AudioCodec, VideoCodec};

/// A sample description. `name` is the coding in the words of RFC 6381.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coding {
    Video { codec: VideoCodec, name: String, width: u32, height: u32 },
    Audio { codec: AudioCodec, name: String },
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
        b"soun" => Ok(Some(audio(name, body))),
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
    let (fields, inside) =
        body.split_at_checked(VISUAL_FIELDS).ok_or(malformed("a sample description ends early"))?;
    let mut fields = Reader::new(fields);
    fields.skip(24)?;
    let (width, height) = (fields.u16()?.into(), fields.u16()?.into());
    let code = code(name);
    let profile = match codec {
        VideoCodec::H264 => avc(inside),
        VideoCodec::H265 => hevc(inside),
        VideoCodec::Av1 => av1(inside),
        VideoCodec::Vp9 => vp9(inside),
        VideoCodec::Other => None,
    };
    let name = profile.map_or_else(|| code.clone(), |profile| format!("{code}.{profile}"));
    Ok(Coding::Video { codec, name, width, height })
}

/// A four-character code as text; what is not printable ASCII was refused with the box.
fn code(name: [u8; 4]) -> String {
    name.iter().map(|c| char::from(*c)).collect::<String>().trim_end().to_owned()
}

/// Payload of the configuration box among the children of a sample entry.
fn configuration<'a>(inside: &'a [u8], name: &[u8; 4]) -> Option<Reader<'a>> {
    child(inside, name).ok().flatten().map(Reader::new)
}

/// Profile, constraints and level in hexadecimal (RFC 6381, 3.3).
fn avc(inside: &[u8]) -> Option<String> {
    let mut config = configuration(inside, b"avcC")?;
    config.skip(1).ok()?;
    let [profile, constraints, level] = [config.u8().ok()?, config.u8().ok()?, config.u8().ok()?];
    Some(format!("{profile:02X}{constraints:02X}{level:02X}"))
}

/// Profile space, profile, compatibility, tier and level, constraints (ISO 14496-15, annex E).
fn hevc(inside: &[u8]) -> Option<String> {
    let mut config = configuration(inside, b"hvcC")?;
    config.skip(1).ok()?;
    let first = config.u8().ok()?;
    let compatibility = config.u32().ok()?.reverse_bits();
    let constraints = config.take(6).ok()?;
    let level = config.u8().ok()?;
    let space = ["", "A", "B", "C"][usize::from(first >> 6)];
    let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
    let mut text = format!("{space}{}.{compatibility:X}.{tier}{level}", first & 0x1f);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    constraints[..used].iter().for_each(|byte| text.push_str(&format!(".{byte:X}")));
    Some(text)
}

/// Profile, level with tier, bit depth (AV1 in ISO base media files, 5).
fn av1(inside: &[u8]) -> Option<String> {
    let mut config = configuration(inside, b"av1C")?;
    config.skip(1).ok()?;
    let (first, second) = (config.u8().ok()?, config.u8().ok()?);
    let tier = if second & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (second & 0x40 != 0, second & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    Some(format!("{}.{:02}{tier}.{depth:02}", first >> 5, first & 0x1f))
}

/// Profile, level, bit depth (VP codecs in ISO base media files).
fn vp9(inside: &[u8]) -> Option<String> {
    let mut config = configuration(inside, b"vpcC")?;
    config.version().ok()?;
    let (profile, level, depth) = (config.u8().ok()?, config.u8().ok()?, config.u8().ok()? >> 4);
    Some(format!("{profile:02}.{level:02}.{depth:02}"))
}

fn audio(name: [u8; 4], body: &[u8]) -> Coding {
    let code = code(name);
    match &name {
        b"Opus" => Coding::Audio { codec: AudioCodec::Opus, name: code },
        b"mp4a" => match object_type(body) {
            // Without a readable decoder configuration the common case is assumed.
            None => Coding::Audio { codec: AudioCodec::Aac, name: code },
            Some((0x40, Some(object))) => {
                Coding::Audio { codec: AudioCodec::Aac, name: format!("{code}.40.{object}") }
            }
            Some((kind, _)) => {
                let codec =
                    if matches!(kind, 0x40 | 0x66..=0x68) { AudioCodec::Aac } else { AudioCodec::Other };
                Coding::Audio { codec, name: format!("{code}.{kind:02X}") }
            }
        },
        _ => Coding::Audio { codec: AudioCodec::Other, name: code },
    }
}

/// The MPEG-4 object type in the `esds` of an `mp4a` entry (ISO 14496-1, 7.2.6.6), and the audio object type of its
/// decoder where it says (ISO 14496-3, 1.6.2.1).
fn object_type(body: &[u8]) -> Option<(u8, Option<u8>)> {
    // QuickTime has longer entries.
    let more = match Reader::new(body.get(8..)?).u16().ok()? {
        1 => 16,
        2 => 36,
        _ => 0,
    };
    let esds = child(body.get(AUDIO_FIELDS + more..)?, b"esds").ok()??;
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
    let kind = reader.u8().ok()?;
    Some((kind, decoder(reader)))
}

/// The audio object type in what follows the kind of a decoder configuration.
fn decoder(mut reader: Reader<'_>) -> Option<u8> {
    // Stream type, buffer size, bit rates.
    reader.skip(12).ok()?;
    descriptor(&mut reader, 0x05)?;
    let first = reader.u8().ok()?;
    match first >> 3 {
        // The escape: six bits more.
        31 => Some(32 + ((first & 7) << 3 | reader.u8().ok()? >> 5)),
        object => Some(object),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample entry with one configuration box, and what it is called.
    fn named(name: [u8; 4], fields: usize, config: &[u8; 4], body: &[u8]) -> String {
        let mut entry = vec![0; fields];
        entry.extend((8 + body.len() as u32).to_be_bytes());
        entry.extend(config);
        entry.extend(body);
        let coding = if fields == AUDIO_FIELDS { audio(name, &entry) } else { video(name, &entry).unwrap() };
        match coding {
            Coding::Video { name, .. } | Coding::Audio { name, .. } => name,
        }
    }

    #[test]
    fn names_are_those_of_the_standard() {
        let video = |name, config, body: &[u8]| named(name, VISUAL_FIELDS, config, body);
        assert_eq!(video(*b"avc1", b"avcC", &[1, 0x64, 0, 0x1f]), "avc1.64001F");
        let main = [1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        assert_eq!(video(*b"hvc1", b"hvcC", &main), "hvc1.1.6.L93.B0");
        let high = [1, 0x62, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 150];
        assert_eq!(video(*b"hev1", b"hvcC", &high), "hev1.A2.4.H150");
        assert_eq!(video(*b"av01", b"av1C", &[0x81, 0x05, 0x0c]), "av01.0.05M.08");
        assert_eq!(video(*b"av01", b"av1C", &[0x81, 0x4d, 0xe0]), "av01.2.13H.12");
        assert_eq!(video(*b"vp09", b"vpcC", &[1, 0, 0, 0, 0, 10, 0x82]), "vp09.00.10.08");
        assert_eq!(video(*b"avc1", b"avcC", &[1, 0x64]), "avc1", "too short to say more");
        assert_eq!(video(*b"mp4v", b"esds", &[]), "mp4v");
        let mut esds = vec![0, 0, 0, 0, 0x03, 25, 0, 1, 0, 0x04, 17, 0x40];
        esds.extend([0; 12]);
        esds.extend([0x05, 2, 0x12, 0x10]);
        assert_eq!(named(*b"mp4a", AUDIO_FIELDS, b"esds", &esds), "mp4a.40.2");
        esds[11] = 0x6b;
        assert_eq!(named(*b"mp4a", AUDIO_FIELDS, b"esds", &esds), "mp4a.6B");
        assert_eq!(named(*b"Opus", AUDIO_FIELDS, b"dOps", &[]), "Opus");
    }
}
