//! Playlists that lie: endless ones, absurd numbers, damaged text, references that lead astray.

use std::time::Instant;

use unspool_media::{ProbeError, probe_bytes, probe_file};

use super::{LONGEST, Numbers, SPARE, memory};

/// Bytes that may be held per byte of a playlist; its parser keeps a record of some hundred for each segment.
const PER_PLAYLIST_BYTE: usize = 64;

/// Parses a playlist and holds the parser to its promises.
fn parsed(text: &[u8], what: &str) -> Result<(), ProbeError> {
    let begun = Instant::now();
    let (answer, held) = memory::peak(|| probe_bytes(text).map(drop));
    let took = begun.elapsed();
    assert!(took < LONGEST, "{what}: {took:?}");
    assert!(held <= PER_PLAYLIST_BYTE * text.len() + SPARE, "{what}: held {held} bytes for {}", text.len());
    match answer {
        // All that is wrong with it is that its files are not here.
        Err(ProbeError::Unsupported { what: "a playlist without its file" }) => Ok(()),
        other => other,
    }
}

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n\
    #EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"800@0\"\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:1000@800\na.mp4\n\
    #EXTINF:1.5,\n#EXT-X-BYTERANGE:500\na.mp4\n#EXT-X-ENDLIST\n";

const FILES: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n\
    #EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:1000@800\na.m4s\n\
    #EXT-X-DISCONTINUITY\n#EXTINF:1.5,\nb.m4s\n#EXT-X-ENDLIST\n";

#[test]
fn endless_playlists() {
    const LENGTH: usize = 256 * 1024;
    for line in [
        "\n",
        "\r\n",
        "a\n",
        "#\n",
        " \n",
        "#EXTINF:1,\n",
        "#EXTINF:1,\na\n",
        "#EXT-X-KEY:METHOD=NONE\n",
        "\"",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n",
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\"\n",
        "a=b,",
        ",",
        "#EXT-X-BYTERANGE:1@1\n",
        "#EXT-X-DISCONTINUITY\n",
        "#EXT-X-PROGRAM-DATE-TIME:x\n",
        "#EXT-X-MAP:URI=\"a\"\n",
        "#EXT-X-BYTERANGE:1\n#EXTINF:1,\na\n",
        "#EXT-X-DATERANGE:ID=\"a\"\n",
        "\0",
        "\u{fffd}",
    ] {
        for start in [
            "",
            "#EXTM3U\n",
            "#EXTM3U\n#EXT-X-STREAM-INF:",
            "#EXTM3U\n#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"1@0\"\n",
            "#EXTM3U\n#EXT-X-MAP:URI=\"a.mp4\"\n#EXT-X-ENDLIST\n",
        ] {
            let mut text = start.as_bytes().to_vec();
            while text.len() + line.len() <= LENGTH {
                text.extend(line.as_bytes());
            }
            let _ = parsed(&text, &format!("{start:?} and endless {line:?}"));
        }
    }
    let mut over = b"#EXTM3U\n".to_vec();
    over.resize(LENGTH + 1, b'#');
    let over = parsed(&over, "one byte too many");
    assert!(matches!(over, Err(ProbeError::TooLarge { .. })));
}

#[test]
fn crowds_of_files() {
    let list = |rest: String| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{rest}#EXT-X-ENDLIST\n");
    let few: String = (0..2_000).map(|n| format!("#EXTINF:1,\n{n}.ts\n")).collect();
    assert_eq!(parsed(list(few.clone()).as_bytes(), "two thousand files"), Ok(()));
    let many = parsed(list(few + "#EXTINF:1,\nlast.ts\n").as_bytes(), "one file more");
    assert!(matches!(many, Err(ProbeError::TooLarge { .. })), "{many:?}");
    // Of one file there may be as many ranges as segments.
    let ranges: String = (0..4_000).map(|n| format!("#EXTINF:1,\n#EXT-X-BYTERANGE:9@{n}\na.ts\n")).collect();
    assert_eq!(parsed(list(ranges).as_bytes(), "four thousand ranges"), Ok(()));
}

#[test]
fn absurd_numbers_in_playlists() {
    for list in [PLAYLIST, FILES] {
        assert_eq!(parsed(list.as_bytes(), "the playlist itself"), Ok(()));
        for number in [
            "-1",
            "1e38",
            "1e308",
            "1e999",
            "nan",
            "inf",
            "-inf",
            "",
            "86401",
            "99999999999999999999",
            "0x10",
        ] {
            let text = list.replace("#EXTINF:2.0", &format!("#EXTINF:{number}"));
            assert!(
                parsed(text.as_bytes(), &format!("a segment of {number} seconds")).is_err(),
                "{number} seconds"
            );
        }
        for range in [
            "0@0",
            "18446744073709551615@1",
            "1@18446744073709551615",
            "-1@0",
            "@",
            "1@1@1",
            "",
            "1099511627777@0",
        ] {
            let text = list.replace("1000@800", range);
            assert!(parsed(text.as_bytes(), &format!("a segment at {range}")).is_err(), "range {range}");
            let text = list.replace("800@0", range);
            let _ = parsed(text.as_bytes(), &format!("headers at {range}"));
        }
    }
    let back = PLAYLIST.replace("1000@800", "1000@700");
    assert!(parsed(back.as_bytes(), "a segment that goes back").is_err());
}

#[test]
fn damaged_playlists() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for round in 0..20_000 {
        let mut text = if round % 2 == 0 { PLAYLIST } else { FILES }.as_bytes().to_vec();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(text.len());
            match numbers.below(3) {
                0 => text[at] ^= 1 << numbers.below(8),
                1 => text.truncate(at.max(1)),
                _ => {
                    let end = (at + numbers.below(40)).min(text.len());
                    let again = text[at..end].to_vec();
                    text.splice(at..at, again);
                }
            }
        }
        let _ = parsed(&text, &format!("round {round}"));
    }
}

#[test]
fn playlists_that_lead_astray() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let variant = |to: &str| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{to}\n");
    write("itself.m3u8", &variant("itself.m3u8"));
    write("one.m3u8", &variant("two.m3u8"));
    write("two.m3u8", &variant("one.m3u8"));
    for name in ["itself.m3u8", "one.m3u8"] {
        let answer = probe_file(&dir.path().join(name));
        assert!(matches!(answer, Err(ProbeError::Malformed { .. })), "{name}: {answer:?}");
    }
    for away in ["../a.m3u8", "/etc/passwd", "https://a.example/a.m3u8", "b/../../a.m3u8"] {
        write("away.m3u8", &variant(away));
        let answer = probe_file(&dir.path().join("away.m3u8"));
        assert!(matches!(answer, Err(ProbeError::Unsupported { .. })), "{away}: {answer:?}");
    }
    // The ranges of the playlist against a file that is shorter, and against one whose headers are rubbish.
    write("list.m3u8", PLAYLIST);
    for bytes in [vec![0; 100], vec![0; 2300], vec![0xff; 2300]] {
        std::fs::write(dir.path().join("a.mp4"), bytes).unwrap();
        let answer = probe_file(&dir.path().join("list.m3u8"));
        assert!(matches!(answer, Err(ProbeError::Malformed { .. })), "{answer:?}");
    }
    // Files beside it that are not there, or rubbish, or lead away.
    write("files.m3u8", FILES);
    assert!(matches!(probe_file(&dir.path().join("files.m3u8")), Err(ProbeError::File(_))));
    for bytes in [vec![], vec![0; 100], vec![0xff; 2300]] {
        std::fs::write(dir.path().join("i.mp4"), bytes).unwrap();
        let answer = probe_file(&dir.path().join("files.m3u8"));
        assert!(matches!(answer, Err(ProbeError::Malformed { .. })), "{answer:?}");
    }
    write("up.m3u8", &FILES.replace("b.m4s", "../b.m4s"));
    let answer = probe_file(&dir.path().join("up.m3u8"));
    assert!(matches!(answer, Err(ProbeError::Unsupported { .. })), "{answer:?}");
    assert!(matches!(probe_file(dir.path()), Err(ProbeError::File(_))), "a folder");
    assert!(matches!(probe_file(&dir.path().join("nothing")), Err(ProbeError::File(_))));
}
