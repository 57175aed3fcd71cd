//! HLS on demand: what its playlists say.
//!
//! A playlist that cuts one fragmented MP4 into byte ranges is one file with a table of contents, so everything that
//! works for a fragmented MP4 works for it: spans, read-ahead, eviction and the player. All others are a [`Listing`] of
//! parts. Encrypted and live ones are refused by name.

use m3u8_rs::{AlternativeMediaType, ByteRange, KeyMethod, MasterPlaylist, MediaPlaylist, Playlist};
use unspool_engine::Span;
use unspool_engine::info::FRAGMENT_HEAD_BYTES;

use super::listing::{self, Cut, Listing};
use super::mp4::describe_init;
use super::{ProbeError, malformed};
use crate::info::{Layout, MediaInfo};

/// Largest playlist: an hour in two-second segments is 200 KiB.
pub(crate) const PLAYLIST_BYTES: u64 = 256 * 1024;
/// Largest initialisation range.
pub(crate) const INIT: u64 = 8 * 1024 * 1024;
/// Most segments of a playlist. What fills the largest playlist with a duration, a range and a name each is 4,400; lines
/// of one letter would be a hundred thousand, for each of which the parser keeps a record of a kilobyte.
const SEGMENTS: usize = 5_000;
/// Most lines that say something: four for each segment.
const LINES: usize = 4 * SEGMENTS;
/// What is wrong with a list of renditions where media were promised.
pub(crate) const NESTED: &str = "a list of renditions within another";
/// Longest segment in seconds that is believed.
pub(super) const SEGMENT_SECONDS: f32 = 86_400.0;

/// What a playlist says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// A list of renditions; the one to use.
    Variant(Variant),
    /// One file cut into ranges.
    File(Cuts),
    /// Everything else.
    List(Listing),
}

/// One rendition of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Reference of its media playlist.
    pub reference: String,
    /// Reference of the playlist of its sound, where that is apart.
    pub audio: Option<String>,
    /// Declared bits per second, on average where that is told.
    pub bits: u64,
}

/// A media playlist over one file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cuts {
    /// Reference of the file.
    pub reference: String,
    /// The initialisation range.
    pub init: Span,
    /// Length of the file as far as the playlist knows it.
    pub size: u64,
    pub duration_ms: u64,
    pub index: Vec<(u64, u64)>,
}

/// What stays the same between two readings of a playlist while the bytes it cuts stay the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Of one file.
    File { headers_end: u64, size: u64, duration_ms: u64, index: Vec<(u64, u64)> },
    /// Of several.
    Lists(Vec<Cut>),
}

impl Shape {
    /// The shape that a probe's answer about one file was made from.
    pub(crate) fn of(info: &MediaInfo) -> Self {
        Shape::File {
            headers_end: info.headers.first().map_or(0, |span| span.end),
            size: info.size,
            duration_ms: info.duration_ms,
            index: info.index.clone(),
        }
    }
}

/// Reads a playlist. Of several renditions the one with the lowest bit rate is named.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, ProbeError> {
    match read(bytes)? {
        Playlist::MasterPlaylist(list) => variant(&list).map(Parsed::Variant),
        Playlist::MediaPlaylist(list) => media(&list, false),
    }
}

/// Reads one of two playlists that play together: neither is a file by itself.
pub(crate) fn parse_one_of_two(bytes: &[u8]) -> Result<Listing, ProbeError> {
    match read(bytes)? {
        Playlist::MasterPlaylist(_) => Err(malformed(NESTED)),
        Playlist::MediaPlaylist(list) => match media(&list, true)? {
            Parsed::List(listing) => Ok(listing),
            Parsed::File(_) | Parsed::Variant(_) => Err(malformed("a playlist of no parts")),
        },
    }
}

fn read(bytes: &[u8]) -> Result<Playlist, ProbeError> {
    if bytes.len() as u64 > PLAYLIST_BYTES {
        return Err(ProbeError::TooLarge { what: "playlist" });
    }
    check_lines(bytes)?;
    m3u8_rs::parse_playlist_res(bytes).map_err(|_| malformed("not a playlist"))
}

/// Refuses what the parser would read with much memory or read past: crowds of lines, durations that are no number.
fn check_lines(bytes: &[u8]) -> Result<(), ProbeError> {
    let (mut lines, mut segments) = (0, 0);
    for line in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if let Some(rest) = line.strip_prefix(b"#EXTINF:") {
            let number = rest.split(|byte| *byte == b',').next().unwrap_or_default();
            let seconds = std::str::from_utf8(number).ok().and_then(|text| text.trim().parse::<f32>().ok());
            if !seconds.is_some_and(|seconds| (0.0..=SEGMENT_SECONDS).contains(&seconds)) {
                return Err(malformed("a segment of impossible length"));
            }
        }
        // The parser would take the segment for a whole file.
        if line.strip_prefix(b"#EXT-X-BYTERANGE:").is_some_and(|range| !is_range(range)) {
            return Err(malformed("an impossible byte range"));
        }
        lines += usize::from(!line.is_empty());
        segments += usize::from(!line.is_empty() && !line.starts_with(b"#"));
        if lines > LINES || segments > SEGMENTS {
            return Err(ProbeError::TooLarge { what: "lines of a playlist" });
        }
    }
    Ok(())
}

/// Whether this is a length, or a length and a place, that fit 64 bits.
fn is_range(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let numbers: Vec<&str> = text.trim().split('@').collect();
    numbers.len() <= 2 && numbers.iter().all(|number| number.parse::<u64>().is_ok())
}

/// The rendition with the lowest bit rate.
fn variant(list: &MasterPlaylist) -> Result<Variant, ProbeError> {
    let playable = list.variants.iter().filter(|v| !v.is_i_frame && !v.uri.is_empty());
    let lowest = playable.min_by_key(|v| v.bandwidth).ok_or(malformed("a playlist without renditions"))?;
    // Of several languages the default; one without an address lies in the media playlist itself.
    let sound = lowest.audio.as_ref().and_then(|group| {
        list.alternatives
            .iter()
            .filter(|other| other.media_type == AlternativeMediaType::Audio && other.group_id == *group)
            .min_by_key(|other| (!other.default, !other.autoselect))
    });
    Ok(Variant {
        reference: lowest.uri.clone(),
        audio: sound.and_then(|sound| sound.uri.clone()),
        bits: lowest.average_bandwidth.unwrap_or(lowest.bandwidth),
    })
}

fn media(list: &MediaPlaylist, in_parts: bool) -> Result<Parsed, ProbeError> {
    let first = list.segments.first().ok_or(malformed("a playlist without segments"))?;
    if list.segments.iter().any(|s| s.key.as_ref().is_some_and(|key| key.method != KeyMethod::None)) {
        return Err(ProbeError::Unsupported { what: "an encrypted playlist" });
    }
    if !list.end_list {
        return Err(ProbeError::Unsupported { what: "a live playlist" });
    }
    let one_file = first.map.as_ref().filter(|map| {
        !in_parts
            && list.segments.iter().all(|segment| {
                segment.uri == map.uri
                    && segment.byte_range.is_some()
                    && segment
                        .map
                        .as_ref()
                        .is_none_or(|other| other.uri == map.uri && other.byte_range == map.byte_range)
            })
    });
    match one_file.and_then(|map| Some((map, map.byte_range.as_ref()?))) {
        Some((map, range)) => cuts(list, &map.uri, range).map(Parsed::File),
        None => listing::listing(list).map(Parsed::List),
    }
}

fn cuts(list: &MediaPlaylist, reference: &str, range: &ByteRange) -> Result<Cuts, ProbeError> {
    let init = span(range, 0)?;
    if init.len() > INIT {
        return Err(ProbeError::TooLarge { what: "initialisation range" });
    }
    let mut at = init.end;
    let mut seconds = 0.0f64;
    let mut size = init.end;
    let mut index: Vec<(u64, u64)> = Vec::with_capacity(list.segments.len() + 1);
    for segment in &list.segments {
        let Some(range) = &segment.byte_range else { continue };
        let part = span(range, at)?;
        if part.start < at {
            return Err(ProbeError::Unsupported { what: "segments out of order" });
        }
        if !(0.0..=SEGMENT_SECONDS).contains(&segment.duration) {
            return Err(malformed("a segment of impossible length"));
        }
        push(&mut index, (seconds * 1000.0) as u64, part.start);
        seconds += f64::from(segment.duration);
        at = part.end;
        size = size.max(part.end);
        if size > listing::BYTES {
            return Err(ProbeError::TooLarge { what: "ranges of a playlist" });
        }
    }
    let duration_ms = (seconds * 1000.0).round() as u64;
    push(&mut index, duration_ms, size);
    Ok(Cuts { reference: reference.to_owned(), init, size, duration_ms, index })
}

fn push(index: &mut Vec<(u64, u64)>, ms: u64, at: u64) {
    match index.last_mut() {
        Some(last) if last.0 >= ms => last.1 = last.1.max(at),
        _ => index.push((ms, at)),
    }
}

pub(super) fn span(range: &ByteRange, follows: u64) -> Result<Span, ProbeError> {
    let start = range.offset.unwrap_or(follows);
    let end = start.checked_add(range.length).filter(|_| range.length > 0);
    Ok(Span::new(start, end.ok_or(malformed("an impossible byte range"))?))
}

impl Cuts {
    /// Where the first segment ends, with the head of the next, which a demuxer reads before any sample.
    pub(crate) fn first_end(&self) -> u64 {
        let next = self.index.get(1).map_or(self.size, |&(_, at)| at);
        next.saturating_add(FRAGMENT_HEAD_BYTES).min(self.size)
    }

    /// What another reading must agree with.
    pub(crate) fn shape(&self) -> Shape {
        Shape::File {
            headers_end: self.init.end,
            size: self.size,
            duration_ms: self.duration_ms,
            index: self.index.clone(),
        }
    }

    /// The probe's answer, given the bytes of the initialisation range.
    pub(crate) fn describe(&self, init: &[u8]) -> Result<MediaInfo, ProbeError> {
        let movie = describe_init(init)?;
        Ok(MediaInfo {
            size: self.size,
            layout: Layout::Fragmented,
            duration_ms: self.duration_ms,
            headers: vec![Span::new(0, self.init.end)],
            index: self.index.clone(),
            ..movie
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n\
        #EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"800@0\"\n\
        #EXTINF:2.0,\n#EXT-X-BYTERANGE:1000@800\na.mp4\n\
        #EXTINF:1.5,\n#EXT-X-BYTERANGE:500\na.mp4\n#EXT-X-ENDLIST\n";

    #[test]
    fn one_file_cut_into_ranges() {
        let Ok(Parsed::File(cuts)) = parse(FILE.as_bytes()) else { panic!("{:?}", parse(FILE.as_bytes())) };
        assert_eq!(cuts.reference, "a.mp4");
        assert_eq!(cuts.init, Span::new(0, 800));
        assert_eq!((cuts.size, cuts.duration_ms), (2300, 3500));
        assert_eq!(cuts.index, vec![(0, 800), (2000, 1800), (3500, 2300)]);
    }

    #[test]
    fn the_lowest_rendition_is_named() {
        let list = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000\nhigh.m3u8\n\
            #EXT-X-STREAM-INF:BANDWIDTH=300000\nlow.m3u8\n";
        let low = Variant { reference: "low.m3u8".to_owned(), audio: None, bits: 300_000 };
        assert_eq!(parse(list.as_bytes()), Ok(Parsed::Variant(low)));
    }

    #[test]
    fn sound_that_is_apart_is_named_by_its_default() {
        let list = "#EXTM3U\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"de\",AUTOSELECT=YES,URI=\"de.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"en\",DEFAULT=YES,URI=\"en.m3u8\"\n\
            #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"g\",NAME=\"s\",DEFAULT=YES,URI=\"s.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=700000,AUDIO=\"g\"\nv.m3u8\n";
        let expected =
            Variant { reference: "v.m3u8".to_owned(), audio: Some("en.m3u8".to_owned()), bits: 700_000 };
        assert_eq!(parse(list.as_bytes()), Ok(Parsed::Variant(expected)));
        let muxed = list.replace(",URI=\"en.m3u8\"", "");
        assert!(matches!(parse(muxed.as_bytes()), Ok(Parsed::Variant(Variant { audio: None, .. }))));
    }

    #[test]
    fn what_is_not_one_file_is_a_list_of_parts() {
        let many = FILE.replace("#EXT-X-BYTERANGE:500\na.mp4", "#EXT-X-BYTERANGE:500@0\nb.mp4");
        let whole_map = FILE.replace(",BYTERANGE=\"800@0\"", "");
        let transport = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n".to_owned();
        for text in [many, whole_map, transport] {
            assert!(matches!(parse(text.as_bytes()), Ok(Parsed::List(_))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        let locked = FILE
            .replace("#EXTINF:2.0,", "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/k\"\n#EXTINF:2.0,");
        let live = FILE.replace("#EXT-X-ENDLIST\n", "");
        let two_maps =
            FILE.replace("#EXTINF:1.5,", "#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"10@0\"\n#EXTINF:1.5,");
        for text in [locked, live, two_maps] {
            assert!(matches!(parse(text.as_bytes()), Err(ProbeError::Unsupported { .. })), "{text}");
        }
        assert!(matches!(parse(b"hello"), Err(ProbeError::Malformed { .. })));
        assert!(matches!(parse(&vec![b'#'; 300_000]), Err(ProbeError::TooLarge { .. })));
    }
}
