//! Playlists for readers of the gateway: written anew from what is understood, so that no address of an origin gets
//! through, whatever tag it hides in.

use std::collections::BTreeSet;
use std::fmt::Write;

use m3u8_rs::{ByteRange, Playlist};
use unspool_engine::{MediaInfo, Span};

use super::request::{ENDINGS, FILE, LISTS};
use crate::info::TrackKind;
use crate::probe::listing::{Packing, Part as Piece};
use crate::segments::Plan;

/// A cut of the media file.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    seconds: f64,
    span: Span,
    /// Whether the clock of the media starts anew here.
    jumps: bool,
}

/// The playlist over the one media file of a rendition, its parts named by a relative path. `kept` are the playlists as
/// the origin sent them, the newest reading; without a usable one the probe's answer says where the cuts are.
pub(super) fn write(info: &MediaInfo, kept: &[Vec<u8>]) -> String {
    let parts = kept.iter().rev().find_map(|text| read(text, info)).unwrap_or_else(|| of_index(info));
    let longest = parts.iter().map(|part| part.seconds).fold(0.0, f64::max);
    let init = parts.first().map_or(0, |part| part.span.start);
    let mut out = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"{FILE}\",BYTERANGE=\"{init}@0\"\n",
        (longest.ceil() as u64).max(1),
    );
    for part in &parts {
        if part.jumps {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let (length, start) = (part.span.len(), part.span.start);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "#EXTINF:{:.6},\n#EXT-X-BYTERANGE:{length}@{start}\n{FILE}", part.seconds);
    }
    out.push_str("#EXT-X-ENDLIST\n");
    out
}

/// The playlist over a rendition in several files: of its only list, or naming both of two.
pub(super) fn of_several(info: &MediaInfo, plan: &Plan) -> String {
    if plan.cuts.len() == 1 {
        return of_list(plan, 0).unwrap_or_default();
    }
    let bits = info.size.saturating_mul(8_000) / info.duration_ms.max(1);
    let [picture, sound] = LISTS;
    let mut out = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"sound\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{sound}\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH={bits}",
    );
    let codecs: BTreeSet<&str> = info.tracks.iter().map(|track| track.codec.as_str()).collect();
    // What files say of themselves must not end the quotes.
    let plain = |codec: &&str| codec.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if !codecs.is_empty() && codecs.iter().all(plain) {
        let codecs: Vec<&str> = codecs.into_iter().collect();
        let _ = write!(out, ",CODECS=\"{}\"", codecs.join(","));
    }
    if info.tracks.iter().any(|track| track.kind == TrackKind::Video) && info.width > 0 {
        let _ = write!(out, ",RESOLUTION={}x{}", info.width, info.height);
    }
    let _ = writeln!(out, ",AUDIO=\"sound\"\n{picture}");
    out
}

/// One media playlist of a rendition in several files, if there is such a list.
pub(super) fn of_list(plan: &Plan, list: usize) -> Option<String> {
    let cut = plan.cuts.get(list)?;
    let base: u32 = plan.cuts[..list].iter().map(|before| before.files).sum();
    let longest = cut.segments.iter().map(|segment| segment.micros).max().unwrap_or(0);
    let mut out = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n",
        longest.div_ceil(1_000_000).max(1),
    );
    let [transport, fragments, init] = ENDINGS;
    let ending = match cut.packing {
        Packing::Transport => transport,
        Packing::Fragments => fragments,
    };
    if let Some(Piece { file, range }) = cut.init {
        let _ = write!(out, "#EXT-X-MAP:URI=\"{}.{init}\"", base + file);
        if let Some(range) = range {
            let _ = write!(out, ",BYTERANGE=\"{}@{}\"", range.len(), range.start);
        }
        out.push('\n');
    }
    for segment in &cut.segments {
        if segment.jumps {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let _ = writeln!(out, "#EXTINF:{}.{:06},", segment.micros / 1_000_000, segment.micros % 1_000_000);
        if let Some(range) = segment.part.range {
            let _ = writeln!(out, "#EXT-X-BYTERANGE:{}@{}", range.len(), range.start);
        }
        let _ = writeln!(out, "{}.{ending}", base + segment.part.file);
    }
    out.push_str("#EXT-X-ENDLIST\n");
    Some(out)
}

/// The cuts of an origin's playlist, if it is the one that the probe's answer was made from.
fn read(text: &[u8], info: &MediaInfo) -> Option<Vec<Part>> {
    let Ok(Playlist::MediaPlaylist(list)) = m3u8_rs::parse_playlist_res(text) else { return None };
    let map = list.segments.first()?.map.as_ref()?.byte_range.as_ref()?;
    let mut at = end_of(map, 0)?.end;
    let mut parts = Vec::with_capacity(list.segments.len());
    for segment in &list.segments {
        let span = end_of(segment.byte_range.as_ref()?, at)?;
        at = span.end;
        parts.push(Part { seconds: segment.duration.into(), span, jumps: segment.discontinuity });
    }
    let end = parts.iter().map(|part| part.span.end).max();
    let seconds: f64 = parts.iter().map(|part| part.seconds).sum();
    (end == Some(info.size) && (seconds * 1000.0).round() as u64 == info.duration_ms).then_some(parts)
}

fn end_of(range: &ByteRange, follows: u64) -> Option<Span> {
    let start = range.offset.unwrap_or(follows);
    Some(Span::new(start, start.checked_add(range.length)?))
}

fn of_index(info: &MediaInfo) -> Vec<Part> {
    let cut = |pair: &[(u64, u64)]| Part {
        seconds: (pair[1].0 - pair[0].0) as f64 / 1000.0,
        span: Span::new(pair[0].1, pair[1].1.min(info.size)),
        jumps: false,
    };
    info.index.windows(2).map(cut).filter(|part| !part.span.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool_engine::Layout;

    fn info() -> MediaInfo {
        MediaInfo {
            size: 2300,
            layout: Layout::Fragmented,
            duration_ms: 3500,
            video: None,
            width: 0,
            height: 0,
            rotation: 0,
            audio: None,
            tracks: Vec::new(),
            headers: vec![Span::new(0, 800)],
            index: vec![(0, 800), (2000, 1800), (3500, 2300)],
        }
    }

    const ORIGIN: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-SESSION-DATA:DATA-ID=\"x\",URI=\"https://spy.example/1\"\n\
        #EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:00Z\",X-ASSET-URI=\"https://spy.example/2\"\n\
        #EXT-X-MAP:URI=\"https://cdn.example/a.mp4?sig=s\",BYTERANGE=\"800@0\"\n\
        #EXTINF:2.0,title https://spy.example/3\n#EXT-X-BYTERANGE:1000@800\nhttps://cdn.example/a.mp4?sig=s\n\
        #EXT-X-DISCONTINUITY\n#EXTINF:1.5,\n#EXT-X-BYTERANGE:500\nhttps://cdn.example/a.mp4?sig=s\n\
        #EXT-X-UNHEARD-OF:URI=\"https://spy.example/4\"\n#EXT-X-ENDLIST\n";

    #[test]
    fn cuts_stay_and_addresses_go() {
        let out = write(&info(), &[b"#EXTM3U\nnonsense".to_vec(), ORIGIN.as_bytes().to_vec()]);
        let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n\
            #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"video.mp4\",BYTERANGE=\"800@0\"\n\
            #EXTINF:2.000000,\n#EXT-X-BYTERANGE:1000@800\nvideo.mp4\n\
            #EXT-X-DISCONTINUITY\n#EXTINF:1.500000,\n#EXT-X-BYTERANGE:500@1800\nvideo.mp4\n#EXT-X-ENDLIST\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn without_the_origins_text_the_index_says_the_same() {
        let from_text = write(&info(), &[ORIGIN.as_bytes().to_vec()]).replace("#EXT-X-DISCONTINUITY\n", "");
        assert_eq!(write(&info(), &[]), from_text);
        let other = ORIGIN.replace("EXTINF:1.5", "EXTINF:1.9");
        assert_eq!(write(&info(), &[other.into_bytes()]), from_text, "a stale reading does not count");
    }
}
