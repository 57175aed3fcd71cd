//! Samples and heads of fragments, listed from files made by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::fixture::{boxed, fragmented, mp4_of, words};
use unspool_media::{ProbeError, fragment_heads, probe_file, samples};
use unspool_testkit::pattern;

#[test]
fn samples_stand_where_the_index_has_them() {
    let dir = tempfile::tempdir().unwrap();
    for moov_last in [false, true] {
        let file = dir.path().join("clip.mp4");
        std::fs::write(&file, mp4_of(&pattern(120_000), 1_000, moov_last)).unwrap();
        let (info, all) = (probe_file(&file).unwrap(), samples(&file).unwrap());
        assert_eq!(all.iter().map(|s| s.span.len()).sum::<u64>(), 120_000);
        assert!(all.is_sorted_by(|a, b| a.at_ms <= b.at_ms && a.span.end <= b.span.start));
        for &(ms, at) in &info.index[1..] {
            let before = all.iter().filter(|s| s.at_ms < ms as f64);
            assert_eq!(before.map(|s| s.span.end).max(), Some(at), "at {ms} ms");
        }
        assert!(fragment_heads(&file).unwrap().is_empty());
    }
}

#[test]
fn heads_of_fragments_stand_in_front_of_their_samples() {
    let dir = tempfile::tempdir().unwrap();
    let (noise, file) = (pattern(30_000), dir.path().join("clip.mp4"));
    let (bytes, headers) = fragmented(&[&noise[..20_000], &noise[20_000..]], true);
    std::fs::write(&file, &bytes).unwrap();
    let heads = fragment_heads(&file).unwrap();
    assert_eq!((heads.len(), heads[0].start), (2, headers as u64));
    assert_eq!(heads[1].start, heads[0].end + 8 + 20_000);
    assert_eq!(heads[1].end + 8 + 10_000, bytes.len() as u64);
    assert!(samples(&file).unwrap().is_empty());
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(fragment_heads(&file).unwrap(), heads[..1], "what is cut off has no head");
    std::fs::write(&file, b"not a film at all").unwrap();
    assert!(matches!(samples(&file), Err(ProbeError::Malformed { .. })));
    assert!(matches!(samples(&dir.path().join("none")), Err(ProbeError::File(_))));
}

/// A fragment that begins at `ms`: samples of 100 ms of these sizes.
fn fragment(ms: u32, sizes: &[u32]) -> Vec<u8> {
    let rows: Vec<u32> = sizes.iter().flat_map(|size| [100, *size]).collect();
    let with = |data: u32| {
        let trun = boxed(b"trun", &[&words(&[0x301, sizes.len() as u32, data]), &words(&rows)]);
        let tfhd = boxed(b"tfhd", &[&words(&[0x02_0000, 1])]);
        let traf = boxed(b"traf", &[&tfhd, &boxed(b"tfdt", &[&words(&[0, ms])]), &trun]);
        boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])]), &traf])
    };
    let data = with(0).len() as u32 + 8;
    [with(data), boxed(b"mdat", &[&pattern(sizes.iter().sum::<u32>() as usize)])].concat()
}

#[test]
fn samples_of_fragments_lie_behind_their_heads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clip.m4s");
    let (mut bytes, _) = fragmented(&[], false);
    let init = bytes.len();
    // A recording that began long ago.
    bytes.extend(fragment(60_000, &[900, 10, 20]));
    bytes.extend(fragment(60_300, &[800, 30]));
    std::fs::write(&file, &bytes).unwrap();
    let (all, heads) = (samples(&file).unwrap(), fragment_heads(&file).unwrap());
    let told: Vec<(f64, u64)> = all.iter().map(|s| (s.at_ms, s.span.len())).collect();
    assert_eq!(told, [(0.0, 900), (100.0, 10), (200.0, 20), (300.0, 800), (400.0, 30)]);
    assert_eq!(all[0].span.start, heads[0].end + 8);
    assert_eq!((all[3].span.start, all[4].span.end), (heads[1].end + 8, bytes.len() as u64));
    let (one, end) = (heads[1].start, bytes.len() as u64);
    let list = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-MAP:URI=\"clip.m4s\",BYTERANGE=\"{init}@0\"\n\
         #EXTINF:0.3,\n#EXT-X-BYTERANGE:{}@{init}\nclip.m4s\n\
         #EXTINF:0.2,\n#EXT-X-BYTERANGE:{}@{one}\nclip.m4s\n#EXT-X-ENDLIST\n",
        one - init as u64,
        end - one,
    );
    let playlist = dir.path().join("clip.m3u8");
    std::fs::write(&playlist, list).unwrap();
    assert_eq!(samples(&playlist).unwrap(), all, "a playlist stands for its file");
    assert_eq!(fragment_heads(&playlist).unwrap(), heads);
    let several = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXTINF:1,\nb.ts\n#EXT-X-ENDLIST\n";
    std::fs::write(&playlist, several).unwrap();
    assert!(matches!(samples(&playlist), Err(ProbeError::Unsupported { .. })));
}
