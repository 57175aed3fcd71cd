//! Replaying a log: what the network does to stalls and bytes, and what is refused.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a test")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use unspool_sim::replay::{SessionLog, compare, replay};

/// 10 s at 125 bytes a millisecond after 1,000 bytes of headers.
fn layout() -> Value {
    let index: Vec<(u64, u64)> = (0..40).map(|i| (i * 250, 1_000 + i * 250 * 125)).collect();
    json!({
        "size": 1_251_000, "layout": "moov_first", "duration_ms": 10_000, "video": "h264", "width": 406,
        "height": 720, "rotation": 0, "audio": null, "tracks": [], "headers": [{"start": 0, "end": 1_000}],
        "index": index,
    })
}

fn card(n: usize) -> Value {
    let rendition = json!({
        "id": "only", "width": 406, "height": 720, "bitrate_bps": 1_000_000, "container": "mp4",
        "url": format!("http://origin.example/media/clip-{n}/only.mp4"), "bytes": 1_251_000, "expires_at_ms": null,
    });
    json!({
        "kind": "card",
        "item": {
            "id": format!("item-{n}"),
            "asset": {"id": format!("clip-{n}"), "duration_ms": 10_000, "renditions": [rendition]},
            "creator": {"id": "c", "handle": "ada", "name": "Ada"}, "topics": [], "caption": "", "alt_text": "",
            "labels": [], "retention": [], "prior": null,
        },
        "layouts": {"only": layout()},
    })
}

/// Five cards, each looked at for three seconds.
fn log(dir: &Path, mbps: f64) -> std::path::PathBuf {
    let mut lines = vec![
        json!({"kind": "session", "version": 1, "rtt_ms": 60.0, "network": [[0.0, 0.0], [600.0, mbps]], "players": 3}),
    ];
    lines.extend((0..16).map(card));
    for position in 0..5 {
        let at_ms = 100.0 + 4_000.0 * f64::from(position);
        lines.push(json!({"kind": "swipe", "position": position, "at_ms": at_ms}));
        lines.push(json!({"kind": "first_frame", "position": position, "at_ms": at_ms + 1_000.0, "latency_ms": 1_000.0}));
    }
    lines.push(json!({"kind": "end", "at_ms": 20_100.0, "media_bytes": 4_000_000}));
    let file = dir.join(format!("{mbps}.jsonl"));
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&file, text.join("\n")).unwrap();
    file
}

#[test]
fn a_slow_network_stalls_and_a_fast_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let run = |mbps| replay(&SessionLog::read(&log(dir.path(), mbps)).unwrap());
    // Half of what the clips need: near it, the way the choices fall decides.
    let (slow, fast) = (run(0.5), run(20.0));
    assert!(slow.stall_ms > 1_000.0, "a link below the clips' rate: {slow:?}");
    assert_eq!(fast.stall_ms, 0.0);
    assert_eq!((slow.first_frames_ms.len(), fast.first_frames_ms.len()), (5, 5));
    assert!(fast.first_frames_ms[1..].iter().all(|&ms| ms < 100.0), "{fast:?}");
    assert!(slow.media_bytes as f64 <= 20_100.0 * 62.5 * 1.01, "no more than the link carried: {slow:?}");
    assert!(fast.media_bytes > 5 * 300_000);
    assert_eq!(slow, run(0.5), "the same log gives the same figures");
}

/// Pictures at 30 a second that fill a file as its layout says; the first of its fourth second takes `share` of that second's
/// bytes, all others are of one size.
fn pictures(share: f64) -> Value {
    let rows: Vec<Value> = (0..300_u64)
        .map(|n| {
            let (second, in_second) = (n / 30, n % 30);
            let share = if second == 3 { share } else { 1.0 / 30.0 };
            let at = |pictures: u64| match pictures {
                0 => 0.0,
                _ => 125_000.0 * (share + (1.0 - share) * (pictures - 1) as f64 / 29.0),
            };
            let begins = 1_000.0 + 125_000.0 * second as f64;
            let (from, to) = (begins + at(in_second), begins + at(in_second + 1));
            json!([n as f64 * 1_000.0 / 30.0, from.round() as u64, to.round() as u64, true])
        })
        .collect();
    json!({ "only": rows })
}

#[test]
fn a_large_picture_in_the_middle_stalls_where_evenly_spread_ones_would_not() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(log(dir.path(), 1.1)).unwrap();
    let stalls = |share: f64| {
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                if line["kind"] == "card" {
                    line["samples"] = pictures(share);
                }
                line.to_string()
            })
            .collect();
        let file = dir.path().join("pictures.jsonl");
        std::fs::write(&file, lines.join("\n")).unwrap();
        replay(&SessionLog::read(&file).unwrap()).stall_ms
    };
    let (even, uneven) = (stalls(1.0 / 30.0), stalls(0.9));
    assert!(uneven > even + 500.0, "{uneven} against {even}");
}

#[test]
fn the_report_shows_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let file = log(dir.path(), 3.0);
    let both = compare("three", &SessionLog::read(&file).unwrap());
    assert_eq!((both.real.media_bytes, both.real.stall_ms), (4_000_000, 0.0));
    assert!(both.stall_agrees);
    let output = Command::new(env!("CARGO_BIN_EXE_unspool-sim"))
        .args(["replay", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said[0]["simulated"]["media_bytes"], both.simulated.media_bytes);
}

#[test]
fn broken_logs_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(log(dir.path(), 3.0)).unwrap();
    let refused = |text: String, words: &str| {
        let file = dir.path().join("broken.jsonl");
        std::fs::write(&file, text).unwrap();
        let said = SessionLog::read(&file).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    };
    refused(String::new(), "no session line");
    refused(good.replace("\"kind\":\"end\"", "\"kind\":\"over\""), "line");
    refused(good.replace("\"version\":1", "\"version\":2"), "out of bounds");
    refused(good.replace("\"position\":3", "\"position\":7"), "a swipe out of order");
    refused(good.replace("[600.0,3.0]", "[600.0,0.0]"), "nothing would ever arrive");
    let wrong = r#""samples":{"only":[[40.0,9,10,true],[0.0,1,9,true]]},"kind":"card""#;
    refused(good.replacen("\"kind\":\"card\"", wrong, 1), "samples out of order");
    refused(good.lines().filter(|l| !l.contains("\"card\"")).collect::<Vec<_>>().join("\n"), "fewer cards");
}
