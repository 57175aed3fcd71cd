//! HLS on demand over several files: what a media playlist lists, and what of it stays when it is read again.

use m3u8_rs::{ByteRange, MediaPlaylist};
use serde::{Deserialize, Serialize};
use unspool_engine::Span;

use super::hls::{SEGMENT_SECONDS, span};
use super::{ProbeError, malformed};

/// Most files of a rendition. 2,000: more than an hour in two-second segments.
const FILES: usize = 2_000;
/// Most bytes that the ranges of a playlist may add up to. 1 TiB: beyond any clip, and far from where sums overflow.
pub(super) const BYTES: u64 = 1 << 40;

/// How the segments of a playlist are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Packing {
    /// Fragments of an MP4 whose movie box is a part of its own.
    Fragments,
    /// MPEG transport stream.
    Transport,
}

/// A file, or a range of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Number of the file within the playlist.
    pub file: u32,
    /// `None` for all of it.
    pub range: Option<Span>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub part: Part,
    /// Length in microseconds.
    pub micros: u64,
    /// Whether the clock of the media starts anew here.
    pub jumps: bool,
}

/// What a playlist says apart from addresses: equal for two readings unless they describe different media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    pub packing: Packing,
    /// The part with the movie box; of fragments only.
    pub init: Option<Part>,
    pub segments: Vec<Segment>,
    /// Number of files.
    pub files: u32,
}

impl Cut {
    /// Length in microseconds.
    pub(crate) fn micros(&self) -> u64 {
        self.segments.iter().map(|segment| segment.micros).sum()
    }
}

/// A media playlist over several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    /// References of the files.
    pub files: Vec<String>,
    pub cut: Cut,
}

/// Takes a playlist that is complete and not encrypted.
pub(super) fn listing(list: &MediaPlaylist) -> Result<Listing, ProbeError> {
    let first = list.segments.first().ok_or(malformed("a playlist without segments"))?;
    let same_map = |segment: &m3u8_rs::MediaSegment| match (&segment.map, &first.map) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(b)) => a.uri == b.uri && a.byte_range == b.byte_range,
    };
    if !list.segments.iter().all(same_map) {
        return Err(ProbeError::Unsupported { what: "a playlist with several initialisation segments" });
    }
    let mut files = Files::default();
    let mut bytes = 0u64;
    let mut follows = (u32::MAX, 0);
    let mut part = |uri: &str, range: Option<&ByteRange>| {
        let file = files.number(uri)?;
        let range = match range {
            None => None,
            // Without an offset a range follows the one before it in the same file.
            Some(range) if range.offset.is_none() && follows.0 != file => Some(span(range, 0)?),
            Some(range) => Some(span(range, follows.1)?),
        };
        follows = (file, range.map_or(0, |range| range.end));
        bytes = bytes.saturating_add(range.map_or(0, |range| range.len()));
        if bytes > BYTES {
            return Err(ProbeError::TooLarge { what: "ranges of a playlist" });
        }
        Ok(Part { file, range })
    };
    let init = match &first.map {
        Some(map) => Some(part(&map.uri, map.byte_range.as_ref())?),
        None => None,
    };
    let mut segments = Vec::with_capacity(list.segments.len());
    for segment in &list.segments {
        if !(0.0..=SEGMENT_SECONDS).contains(&segment.duration) {
            return Err(malformed("a segment of impossible length"));
        }
        segments.push(Segment {
            part: part(&segment.uri, segment.byte_range.as_ref())?,
            micros: (f64::from(segment.duration) * 1e6).round() as u64,
            jumps: segment.discontinuity,
        });
    }
    let packing = if init.is_some() { Packing::Fragments } else { Packing::Transport };
    let count = u32::try_from(files.names.len()).unwrap_or(u32::MAX);
    Ok(Listing { files: files.names, cut: Cut { packing, init, segments, files: count } })
}

/// Numbers the files of a playlist in the order of their first mention.
#[derive(Default)]
struct Files {
    names: Vec<String>,
    numbers: std::collections::BTreeMap<String, u32>,
}

impl Files {
    fn number(&mut self, uri: &str) -> Result<u32, ProbeError> {
        if let Some(number) = self.numbers.get(uri) {
            return Ok(*number);
        }
        if uri.is_empty() {
            return Err(malformed("a segment without an address"));
        }
        if self.names.len() >= FILES {
            return Err(ProbeError::TooLarge { what: "files of a playlist" });
        }
        let number = self.names.len() as u32;
        self.names.push(uri.to_owned());
        self.numbers.insert(uri.to_owned(), number);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hls::{Parsed, parse};
    use super::*;

    fn read(text: &str) -> Result<Listing, ProbeError> {
        parse(text.as_bytes()).map(|parsed| match parsed {
            Parsed::List(listing) => listing,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn files_and_ranges_are_numbered_as_they_come() {
        let found = read(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\na.m4s\n\
             #EXT-X-DISCONTINUITY\n#EXTINF:0.266666,\n#EXT-X-BYTERANGE:50@10\nb.m4s\n\
             #EXTINF:1,\n#EXT-X-BYTERANGE:40\nb.m4s\n#EXT-X-ENDLIST\n",
        )
        .unwrap();
        assert_eq!(found.files, ["init.mp4", "a.m4s", "b.m4s"]);
        let part = |file, range| Part { file, range };
        assert_eq!((found.cut.packing, found.cut.init), (Packing::Fragments, Some(part(0, None))));
        let parts: Vec<Part> = found.cut.segments.iter().map(|segment| segment.part).collect();
        assert_eq!(
            parts,
            [part(1, None), part(2, Some(Span::new(10, 60))), part(2, Some(Span::new(60, 100)))]
        );
        let times: Vec<(u64, bool)> = found.cut.segments.iter().map(|s| (s.micros, s.jumps)).collect();
        assert_eq!(times, [(2_000_000, false), (266_666, true), (1_000_000, false)]);
    }

    #[test]
    fn a_transport_stream_needs_no_map_and_one_file_may_hold_all() {
        let list = |rest: &str| {
            read(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{rest}#EXT-X-ENDLIST\n"))
        };
        assert_eq!(list("a.ts\n").unwrap().cut.packing, Packing::Transport);
        let one = list("#EXT-X-BYTERANGE:188@0\na.ts\n#EXTINF:1,\n#EXT-X-BYTERANGE:376\na.ts\n").unwrap();
        assert_eq!((one.files.len(), one.cut.segments[1].part.range), (1, Some(Span::new(188, 564))));
        let huge = list("#EXT-X-BYTERANGE:2000000000000@0\na.ts\n");
        assert!(matches!(huge, Err(ProbeError::TooLarge { .. })), "{huge:?}");
        let late = list("a.ts\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:1,\nb.m4s\n");
        assert!(matches!(late, Err(ProbeError::Unsupported { .. })), "{late:?}");
        let crowd: String = (0..2_001).map(|n| format!("{n}.ts\n#EXTINF:1,\n")).collect();
        let crowd = list(&format!("{crowd}last.ts\n"));
        assert!(matches!(crowd, Err(ProbeError::TooLarge { .. })), "{crowd:?}");
    }
}
