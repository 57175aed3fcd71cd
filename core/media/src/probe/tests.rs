//! The probe against files made by hand, real files, damaged files, and an independent parser.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use unspool_engine::Span;

use super::ProbeError;
use super::mp4::{Bytes, Probe, Step};
use crate::info::{AudioCodec, Layout, MediaInfo, VideoCodec};
use crate::store::SpanSet;

#[path = "../../tests/common/fixture.rs"]
mod fixture;

use fixture::{boxed, fragmented, mp4_of};

/// A file of which only asked-for bytes are there.
struct Sparse<'a> {
    bytes: &'a [u8],
    held: SpanSet,
    /// Nothing is known of a file before the first answer about it.
    asked: bool,
}

impl Bytes for Sparse<'_> {
    fn size(&self) -> Option<u64> {
        self.asked.then_some(self.bytes.len() as u64)
    }

    fn read(&self, span: Span) -> Option<Vec<u8>> {
        self.held.covers(span).then(|| self.bytes[span.start as usize..span.end as usize].to_vec())
    }
}

/// Probes `bytes` as a server would give them; the answer and what was asked for.
fn probe(bytes: &[u8]) -> (Result<MediaInfo, ProbeError>, Vec<Span>) {
    let mut view = Sparse { bytes, held: SpanSet::new(), asked: false };
    let (mut probe, mut asked) = (Probe::new(), Vec::new());
    for _ in 0..64 {
        match probe.step(&view) {
            Ok(Step::Done(info) | Step::Likely(info)) => return (Ok(*info), asked),
            Err(error) => return (Err(error), asked),
            Ok(Step::Need(span)) => {
                assert!(!asked.contains(&span), "asked twice for {span:?}");
                asked.push(span);
                view.asked = true;
                view.held.insert(Span::new(span.start, span.end.min(bytes.len() as u64)));
            }
        }
    }
    (Err(ProbeError::TooLarge { what: "requests" }), asked)
}

/// What must hold for every answer about a file of `size` bytes.
fn check(info: &MediaInfo, size: u64) {
    assert_eq!(info.size, size);
    assert!(!info.index.is_empty());
    for pair in info.index.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1, "the index ascends: {pair:?}");
    }
    assert!(info.index.iter().all(|entry| entry.1 <= size), "the index stays in the file");
    assert!(info.index.len() <= 70_000, "the index is bounded");
    for pair in info.headers.windows(2) {
        assert!(pair[0].end <= pair[1].start, "headers are disjoint");
    }
    assert!(info.headers.iter().all(|span| span.end <= size));
    for span in info.ranges(0, 1000) {
        assert!(span.end <= size);
    }
}

#[test]
fn headers_first() {
    let file = mp4_of(&[7; 100_000], 1_000, false);
    let (info, asked) = probe(&file);
    let info = info.unwrap();
    check(&info, file.len() as u64);
    assert_eq!(asked.len(), 1, "one request");
    let front = file.len() as u64 - 100_000;
    assert_eq!(
        (info.layout, info.duration_ms, info.width, info.height, info.rotation),
        (Layout::MoovFirst, 10_000, 320, 180, 0)
    );
    assert_eq!((info.video, info.audio), (Some(VideoCodec::H264), None));
    assert_eq!(info.index[0], (0, front));
    // Ten samples of 1000 bytes a second.
    assert_eq!(info.ranges(0, 1000), vec![Span::new(0, front + 10_000)]);
    assert_eq!(info.ranges(0, 20_000), vec![Span::new(0, file.len() as u64)]);
}

#[test]
fn headers_last_cost_one_more_request_and_no_download() {
    let file = mp4_of(&vec![7; 5_000_000], 50_000, true);
    let (info, asked) = probe(&file);
    let info = info.unwrap();
    check(&info, file.len() as u64);
    assert_eq!(info.layout, Layout::MoovLast);
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().map(Span::len).sum::<u64>() < 200_000, "{asked:?}");
    let ranges = info.ranges(0, 1000);
    assert_eq!(ranges.len(), 2);
    assert_eq!(ranges[0], Span::new(0, info.headers[0].end + 500_000));
    assert_eq!(ranges[1].end, file.len() as u64);
}

#[test]
fn fragments_with_and_without_an_index() {
    let parts: [&[u8]; 3] = [&[1; 5_000], &[2; 7_000], &[3; 1_000]];
    let (file, headers) = fragmented(&parts, true);
    let info = probe(&file).0.unwrap();
    check(&info, file.len() as u64);
    assert_eq!((info.layout, info.duration_ms), (Layout::Fragmented, 3_000));
    assert_eq!(info.headers, vec![Span::new(0, headers as u64)], "the tail says nothing that a player needs");
    let times: Vec<u64> = info.index.iter().map(|e| e.0).collect();
    assert_eq!(times, vec![0, 1000, 2000, 3000]);
    assert_eq!(info.index[0].1, headers as u64);
    assert_eq!(info.index[3].1, file.len() as u64);

    let (file, headers) = fragmented(&parts, false);
    let info = probe(&file).0.unwrap();
    assert_eq!(info.index, vec![(0, headers as u64), (3_000, file.len() as u64)]);
}

#[test]
fn limits_have_names() {
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\0\0"]);
    let huge =
        [ftyp.clone(), 9_000_000u32.to_be_bytes().to_vec(), b"moov".to_vec(), vec![0; 9_000_000]].concat();
    assert!(matches!(probe(&huge).0, Err(ProbeError::TooLarge { .. })));
    let mut many = ftyp.clone();
    (0..20_000).for_each(|_| many.extend(boxed(b"free", &[])));
    assert!(matches!(probe(&many).0, Err(ProbeError::TooLarge { .. })));
    for bad in [&b""[..], b"ftyp", b"not a video at all, just text", &ftyp, &[0; 100], &[0xff; 100]] {
        assert!(matches!(probe(bad).0, Err(ProbeError::Malformed { .. })), "{bad:?}");
    }
}

/// Offsets at which boxes start, some levels deep.
fn box_starts(bytes: &[u8], base: usize, depth: usize, found: &mut BTreeSet<usize>) {
    let mut at = 0;
    while at + 8 <= bytes.len() && depth < 8 {
        let size = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        if size < 8 || at + size > bytes.len() {
            return;
        }
        found.insert(base + at);
        if matches!(
            &bytes[at + 4..at + 8],
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"mvex" | b"edts"
        ) {
            box_starts(&bytes[at + 8..at + size], base + at + 8, depth + 1, found);
        }
        at += size;
    }
}

/// Every way a box can lie about its size, and every place a file can end. Whatever comes of it is an answer.
fn torture(file: &[u8]) {
    let mut starts = BTreeSet::new();
    box_starts(file, 0, 0, &mut starts);
    for &at in starts.iter().take(200) {
        for cut in [at, at + 4, at + 8, at + 12] {
            let part = &file[..cut.min(file.len())];
            if let (Ok(info), _) = probe(part) {
                check(&info, part.len() as u64);
            }
        }
        for size in [0u32, 1, 2, 7, 8, 9, 0x7fff_ffff, 0xffff_ffff] {
            let mut lying = file.to_vec();
            lying[at..at + 4].copy_from_slice(&size.to_be_bytes());
            if let (Ok(info), _) = probe(&lying) {
                check(&info, lying.len() as u64);
            }
        }
    }
}

#[test]
fn truncations_and_lies_about_sizes() {
    torture(&mp4_of(&[7; 3_000], 100, false));
    torture(&mp4_of(&[7; 3_000], 100, true));
    torture(&fragmented(&[&[1; 500], &[2; 700]], true).0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn flipped_bits(
        moov_last in any::<bool>(),
        fragments in any::<bool>(),
        flips in prop::collection::vec((0usize..1_200, 0u8..8), 1..12),
    ) {
        let mut file = if fragments {
            fragmented(&[&[1; 300], &[2; 300]], true).0
        } else {
            mp4_of(&[7; 400], 20, moov_last)
        };
        for (at, bit) in flips {
            let at = at % file.len();
            file[at] ^= 1 << bit;
        }
        if let (Ok(info), _) = probe(&file) {
            check(&info, file.len() as u64);
        }
    }

    #[test]
    fn arbitrary_playlists(text in "(#EXTM3U\n)?((#EXT[A-Z:=,@0-9.\"-]{0,30}|[a-z.]{1,8})\n){0,12}") {
        let _ = super::hls::parse(text.as_bytes());
    }
}

/// The shared media, where it is at hand.
fn media(folder: &str) -> Vec<PathBuf> {
    let shared = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let Ok(entries) = fs::read_dir(shared.join("data/media").join(folder)) else {
        eprintln!("NO DATA: {folder}");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    paths.sort();
    paths
}

#[test]
fn real_progressive_files_agree_with_another_parser() {
    for path in media("progressive") {
        let file = fs::read(&path).unwrap();
        let (info, asked) = probe(&file);
        let info = info.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        check(&info, file.len() as u64);
        assert!(asked.len() <= 3, "{path:?} asked {asked:?}");
        let other = re_mp4::Mp4::read_bytes(&file).unwrap();
        let mut longest = 0;
        for track in other.tracks().values() {
            let (video, audio) =
                (track.kind == Some(re_mp4::TrackKind::Video), track.kind == Some(re_mp4::TrackKind::Audio));
            if !(video || audio) || track.samples.is_empty() {
                continue;
            }
            longest = longest.max(track.duration * 1000 / track.timescale);
            let origin = track.samples[0].decode_timestamp;
            for sample in &track.samples {
                // "Up to ms" ends before what is decoded at ms itself, hence one more.
                let ms = (sample.decode_timestamp - origin) as u64 * 1000 / track.timescale + 1;
                let need = info.ranges(0, ms);
                let end = (sample.offset + sample.size).min(info.size);
                assert!(
                    need.iter().any(|span| span.start <= sample.offset && end <= span.end),
                    "{path:?}: the sample at {ms} ms, {}..{end}, is not within {need:?}",
                    sample.offset
                );
            }
        }
        assert!(info.duration_ms.abs_diff(longest) < 500, "{path:?}: {} and {longest} ms", info.duration_ms);
    }
}

#[test]
fn real_files_have_the_known_codecs() {
    let of = |name: &str| {
        let path = media("progressive").into_iter().find(|p| p.ends_with(name))?;
        Some(probe(&fs::read(path).unwrap()).0.unwrap())
    };
    let Some(av1) = of("sample_av1.mp4") else { return };
    assert_eq!(av1.video, Some(VideoCodec::Av1));
    assert_eq!(of("h265_bframes.mp4").unwrap().video, Some(VideoCodec::H265));
    let sample = of("sample.mp4").unwrap();
    assert_eq!((sample.video, sample.audio), (Some(VideoCodec::H264), Some(AudioCodec::Aac)));
    let portrait = of("sample_portrait.mp4").unwrap();
    assert!(portrait.rotation % 180 == 90 || portrait.height > portrait.width, "{portrait:?}");
}

#[test]
fn real_fragmented_files() {
    for path in media("fmp4") {
        if path.extension().is_some_and(|e| e == "m4s") {
            continue;
        }
        let file = fs::read(&path).unwrap();
        let (info, asked) = probe(&file);
        let info = info.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        check(&info, file.len() as u64);
        assert_eq!(info.layout, Layout::Fragmented, "{path:?}");
        assert!(asked.len() <= 4, "{path:?} asked {asked:?}");
    }
}

#[test]
fn damaged_real_files_get_an_answer() {
    for folder in ["malformed", "progressive", "fmp4"] {
        for path in media(folder) {
            let file = fs::read(&path).unwrap();
            if let (Ok(info), _) = probe(&file) {
                check(&info, file.len() as u64);
            }
            if file.len() < 200_000 {
                torture(&file);
            }
        }
    }
}

#[test]
fn real_playlists_get_an_answer() {
    for path in media("playlists").into_iter().chain(media("hls/cmaf-multi-segment")) {
        let bytes = fs::read(&path).unwrap();
        let _ = super::hls::parse(&bytes);
    }
}
