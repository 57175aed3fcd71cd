//! Samples and heads of fragments, listed from files made by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::fixture::{fragmented, mp4_of};
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
