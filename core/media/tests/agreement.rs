//! The probe against ffprobe, over every file of the shared media: the same answer, or an error with a name.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use unspool_media::{MediaInfo, ProbeError, TrackInfo, TrackKind, probe_file};

/// Longest a probe of a local file may take, unoptimised and beside other tests; it takes some milliseconds.
const LONGEST: Duration = Duration::from_secs(2);

/// Files about which ffprobe is wrong: the file, the answer, the reason.
const WRONG_THERE: [(&str, &str, &str); 2] = [
    ("sample_fragmented.mp4", "duration", "a time just before zero is read as 2^32 units: 40 hours"),
    (
        "test_case_1185230.mp4",
        "first sync sample",
        "the damaged packets in front are left out or lose their flag",
    ),
];

fn media() -> Option<PathBuf> {
    let shared = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("data/media");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("NO DATA");
    None
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
    into.sort();
}

fn is_playlist(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "m3u8")
}

fn ffprobe(path: &Path, more: &[&str]) -> Value {
    let out = Command::new("ffprobe")
        .args(["-v", "quiet", "-of", "json"])
        .args(more)
        .arg(path)
        .output()
        .expect("ffprobe is needed by this test");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn number(value: &Value) -> Option<f64> {
    value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_f64())
}

/// One line per difference between the probe's answer and ffprobe's.
fn differences(path: &Path, info: &MediaInfo) -> Vec<String> {
    let said = ffprobe(path, &["-show_format", "-show_streams"]);
    let mut found = Vec::new();
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut differ = |what: &str, ours: String, theirs: String| {
        let excused = WRONG_THERE.iter().any(|(file, answer, _)| *file == name && *answer == what);
        if ours != theirs && !excused {
            found.push(format!("{what}: {ours} here, {theirs} there"));
        }
    };
    let format = said["format"]["format_name"].as_str().unwrap_or_default();
    differ("container", "true".into(), format.split(',').any(|name| name == "mp4").to_string());
    let streams: Vec<&Value> = said["streams"].as_array().unwrap().iter().collect();
    let of = |kind: &str| {
        streams
            .iter()
            .copied()
            .filter(|s| s["codec_type"] == kind && s["disposition"]["attached_pic"] != 1)
            .collect::<Vec<_>>()
    };
    let (pictures, sounds) = (of("video"), of("audio"));
    let frame = pictures
        .first()
        .and_then(|s| s["avg_frame_rate"].as_str()?.split_once('/'))
        .and_then(|(a, b)| Some(b.parse::<f64>().ok()? / a.parse::<f64>().ok()?))
        .filter(|length| length.is_finite())
        .unwrap_or(0.0)
        .max(1024.0 / 44_100.0);
    // The longest track, or the whole file, which there counts what comes before the first picture as well.
    let longest = streams.iter().filter_map(|stream| number(&stream["duration"])).fold(0.0, f64::max);
    let lengths = [Some(longest), number(&said["format"]["duration"])];
    let lengths: Vec<f64> = lengths.into_iter().flatten().filter(|length| *length > 0.0).collect();
    let ours = info.duration_ms as f64 / 1000.0;
    if !lengths.is_empty() && lengths.iter().all(|length| (length - ours).abs() > frame + 0.002) {
        differ("duration", format!("{ours}"), format!("{lengths:?} (a frame is {frame:.3})"));
    }
    for (kind, theirs) in [(TrackKind::Video, &pictures), (TrackKind::Audio, &sounds)] {
        let tracks: Vec<&TrackInfo> = info.tracks.iter().filter(|t| t.kind == kind).collect();
        differ(&format!("{kind:?} tracks"), tracks.len().to_string(), theirs.len().to_string());
        for (track, stream) in tracks.iter().zip(theirs) {
            differ(
                "codec",
                track.codec.split('.').next().unwrap().to_owned(),
                stream["codec_tag_string"].as_str().unwrap().to_owned(),
            );
            if let (Some(hex), Some(level)) = (track.codec.strip_prefix("avc1."), stream["level"].as_i64())
                && level > 0
            {
                differ("level", i64::from_str_radix(&hex[4..], 16).unwrap().to_string(), level.to_string());
            }
            if kind == TrackKind::Video {
                let size = (stream["width"].as_u64().unwrap_or(0), stream["height"].as_u64().unwrap_or(0));
                differ("size", format!("{:?}", (track.width, track.height)), format!("{size:?}"));
                let turned = stream["side_data_list"]
                    .as_array()
                    .and_then(|list| list.iter().find_map(|side| side["rotation"].as_i64()))
                    .unwrap_or(0);
                // Ours is clockwise, theirs is not.
                differ("rotation", track.rotation.to_string(), (-turned).rem_euclid(360).to_string());
            }
            sync(path, track, stream, &mut differ);
        }
    }
    found
}

/// Compares the first sync sample.
fn sync(path: &Path, track: &TrackInfo, stream: &Value, differ: &mut impl FnMut(&str, String, String)) {
    let index = stream["index"].as_u64().unwrap().to_string();
    let packets = ffprobe(path, &["-select_streams", &index, "-show_packets"]);
    let first = packets["packets"].as_array().and_then(|list| {
        list.iter().find(|packet| packet["flags"].as_str().is_some_and(|flags| flags.starts_with('K')))
    });
    let theirs =
        first.and_then(|packet| Some((number(&packet["pos"])? as u64, number(&packet["size"])? as u64)));
    let ours = track.first_sync.map(|sync| (sync.span.start, sync.span.len()));
    differ("first sync sample", format!("{ours:?}"), format!("{theirs:?}"));
    // Theirs may begin before zero, or at a delay of the whole track, which ours leave out.
    let delay = number(&stream["start_time"]).filter(|delay| *delay > 1.0).unwrap_or(0.0);
    let shown = first.and_then(|packet| number(&packet["pts_time"])).map(|time| (time - delay).max(0.0));
    if let (Some(sync), Some(shown)) = (track.first_sync, shown)
        && (sync.at_ms as f64 / 1000.0 - shown).abs() > 0.1
    {
        differ("first sync sample", format!("at {} ms", sync.at_ms), format!("at {shown} s"));
    }
}

/// The frames of pictures and sound before `ms`, decoded, each with its checksum.
fn frames(path: &Path, ms: u64) -> Vec<String> {
    let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "quiet", "-threads", "1", "-i"])
        .arg(path)
        .args(["-map", "0:v:0?", "-map", "0:a:0?", "-t", &seconds, "-fps_mode", "passthrough"])
        .args(["-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg is needed by this test");
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines: Vec<String> =
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    // Pictures and sound are written as they come; each alone is in order.
    lines.sort();
    lines
}

#[test]
fn the_named_ranges_alone_give_every_frame_of_the_first_milliseconds() {
    let Some(folder) = media() else { return };
    let mut all = Vec::new();
    for part in ["progressive", "fmp4"] {
        files(&folder.join(part), &mut all);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut saved = 0;
    for path in all.iter().filter(|path| path.extension().is_some_and(|e| e == "mp4")) {
        let name = path.file_name().unwrap().display();
        let info = probe_file(path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        for ms in [400, 1000] {
            let ranges = info.ranges(0, ms);
            let held: u64 = ranges.iter().map(|range| range.len()).sum();
            // A hole reads as zeros, which no demuxer takes for media.
            let sparse = dir.path().join("sparse.mp4");
            let file = std::fs::File::create(&sparse).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            for range in &ranges {
                file.write_all_at(&bytes[range.start as usize..range.end as usize], range.start).unwrap();
            }
            let (whole, part) = (frames(path, ms), frames(&sparse, ms));
            assert!(!whole.is_empty(), "{name}: no frames before {ms} ms");
            assert_eq!(part, whole, "{name}: frames before {ms} ms from {ranges:?}");
            let share = held * 100 / info.size;
            eprintln!(
                "{name}: {ms} of {} ms in {share} % of the bytes, {} frames",
                info.duration_ms,
                whole.len()
            );
            // Ten times longer than what plays, and cut finely enough that it shows.
            if info.duration_ms > 5 * ms && info.index.len() > 5 {
                assert!(share < 75, "{name}: {ms} of {} ms need {share} %", info.duration_ms);
                saved += 1;
            }
        }
    }
    assert!(saved > 5, "only {saved} files were long enough to save anything");
}

#[test]
fn every_file_is_what_ffprobe_says_or_an_error_with_a_name() {
    let Some(folder) = media() else { return };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let (mut agreed, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for path in &all {
        let name = path.strip_prefix(&folder).unwrap().display();
        let begun = Instant::now();
        let answer = probe_file(path);
        assert!(begun.elapsed() < LONGEST, "{name} took {:?}", begun.elapsed());
        match answer {
            Ok(info) if is_playlist(path) => {
                eprintln!("{name}: {info:?}");
            }
            Ok(info) => match differences(path, &info) {
                none if none.is_empty() => agreed += 1,
                some => wrong.push(format!("{name}: {}", some.join("; "))),
            },
            Err(error) => {
                // Of most playlists only the text is there.
                let absent = matches!(error, ProbeError::File(ErrorKind::NotFound)) && is_playlist(path);
                assert!(
                    absent || !matches!(error, ProbeError::File(_) | ProbeError::Store),
                    "{name}: {error}"
                );
                refused.push(format!("{name}: {error}"));
            }
        }
    }
    eprintln!("{agreed} agree, {} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
