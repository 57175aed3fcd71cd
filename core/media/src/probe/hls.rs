//! HLS on demand: a playlist that cuts one fragmented MP4 into byte ranges.
//!
//! That form is one file with a table of contents, so everything that works for a fragmented MP4 works for it: spans,
//! read-ahead, eviction and the player. Playlists over many files or with encryption are refused by name.

use m3u8_rs::{ByteRange, KeyMethod, MediaPlaylist, Playlist};
use unspool_engine::Span;

use super::mp4::describe_init;
use super::{ProbeError, malformed, with_tail};
use crate::info::{Layout, MediaInfo};

/// Largest playlist: an hour in two-second segments is 200 KiB.
pub(crate) const PLAYLIST_BYTES: u64 = 256 * 1024;
/// Largest initialisation range.
const INIT: u64 = 8 * 1024 * 1024;
/// Most segments of a playlist. What fills the largest playlist with a duration, a range and a name each is 4,400; lines
/// of one letter would be a hundred thousand, for each of which the parser keeps a record of a kilobyte.
const SEGMENTS: usize = 5_000;
/// Most lines that say something: four for each segment.
const LINES: usize = 4 * SEGMENTS;
/// Longest segment in seconds that is believed.
const SEGMENT_SECONDS: f32 = 86_400.0;

/// What a playlist says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// A list of renditions; the reference of the one to use.
    Variant(String),
    /// One file cut into ranges.
    File(Cuts),
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
pub(crate) struct Shape {
    headers_end: u64,
    size: u64,
    duration_ms: u64,
    index: Vec<(u64, u64)>,
}

impl Shape {
    /// The shape that a probe's answer was made from.
    pub(crate) fn of(info: &MediaInfo) -> Self {
        Shape {
            headers_end: info.headers.first().map_or(0, |span| span.end),
            size: info.size,
            duration_ms: info.duration_ms,
            index: info.index.clone(),
        }
    }
}

/// Reads a playlist. Of several renditions the one with the lowest bit rate is named.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, ProbeError> {
    if bytes.len() as u64 > PLAYLIST_BYTES {
        return Err(ProbeError::TooLarge { what: "playlist" });
    }
    check_lines(bytes)?;
    match m3u8_rs::parse_playlist_res(bytes) {
        Ok(Playlist::MasterPlaylist(list)) => {
            let playable = list.variants.iter().filter(|v| !v.is_i_frame && !v.uri.is_empty());
            let lowest =
                playable.min_by_key(|v| v.bandwidth).ok_or(malformed("a playlist without renditions"))?;
            if lowest.audio.as_ref().is_some_and(|group| {
                list.alternatives.iter().any(|other| other.group_id == *group && other.uri.is_some())
            }) {
                return Err(ProbeError::Unsupported { what: "audio in a playlist of its own" });
            }
            Ok(Parsed::Variant(lowest.uri.clone()))
        }
        Ok(Playlist::MediaPlaylist(list)) => cuts(&list).map(Parsed::File),
        Err(_) => Err(malformed("not a playlist")),
    }
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
        lines += usize::from(!line.is_empty());
        segments += usize::from(!line.is_empty() && !line.starts_with(b"#"));
        if lines > LINES || segments > SEGMENTS {
            return Err(ProbeError::TooLarge { what: "lines of a playlist" });
        }
    }
    Ok(())
}

fn cuts(list: &MediaPlaylist) -> Result<Cuts, ProbeError> {
    let first = list.segments.first().ok_or(malformed("a playlist without segments"))?;
    if list.segments.iter().any(|s| s.key.as_ref().is_some_and(|key| key.method != KeyMethod::None)) {
        return Err(ProbeError::Unsupported { what: "an encrypted playlist" });
    }
    if !list.end_list {
        return Err(ProbeError::Unsupported { what: "a live playlist" });
    }
    let map =
        first.map.as_ref().ok_or(ProbeError::Unsupported { what: "segments that are not fragmented MP4" })?;
    let one_file = list.segments.iter().all(|segment| {
        segment.uri == map.uri
            && segment.byte_range.is_some()
            && segment
                .map
                .as_ref()
                .is_none_or(|other| other.uri == map.uri && other.byte_range == map.byte_range)
    });
    let Some(range) = map.byte_range.as_ref().filter(|_| one_file) else {
        return Err(ProbeError::Unsupported { what: "a playlist over several files" });
    };
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
    }
    let duration_ms = (seconds * 1000.0).round() as u64;
    push(&mut index, duration_ms, size);
    Ok(Cuts { reference: map.uri.clone(), init, size, duration_ms, index })
}

fn push(index: &mut Vec<(u64, u64)>, ms: u64, at: u64) {
    match index.last_mut() {
        Some(last) if last.0 >= ms => last.1 = last.1.max(at),
        _ => index.push((ms, at)),
    }
}

fn span(range: &ByteRange, follows: u64) -> Result<Span, ProbeError> {
    let start = range.offset.unwrap_or(follows);
    let end = start.checked_add(range.length).filter(|_| range.length > 0);
    Ok(Span::new(start, end.ok_or(malformed("an impossible byte range"))?))
}

impl Cuts {
    /// What another reading must agree with.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
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
            headers: with_tail(vec![Span::new(0, self.init.end)], self.size),
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
        assert_eq!(parse(list.as_bytes()), Ok(Parsed::Variant("low.m3u8".to_owned())));
    }

    #[test]
    fn what_is_not_one_file_is_refused_by_name() {
        let many = FILE.replace("#EXT-X-BYTERANGE:500\na.mp4", "#EXT-X-BYTERANGE:500@0\nb.mp4");
        let locked = FILE
            .replace("#EXTINF:2.0,", "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example/k\"\n#EXTINF:2.0,");
        let live = FILE.replace("#EXT-X-ENDLIST\n", "");
        let whole_map = FILE.replace(",BYTERANGE=\"800@0\"", "");
        let transport = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n".to_owned();
        let two_maps =
            FILE.replace("#EXTINF:1.5,", "#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"10@0\"\n#EXTINF:1.5,");
        for text in [many, locked, live, whole_map, transport, two_maps] {
            assert!(matches!(parse(text.as_bytes()), Err(ProbeError::Unsupported { .. })), "{text}");
        }
        assert!(matches!(parse(b"hello"), Err(ProbeError::Malformed { .. })));
        assert!(matches!(parse(&vec![b'#'; 300_000]), Err(ProbeError::TooLarge { .. })));
    }
}
