//! The same session in the real stack and in the simulator: what was asked for, and how much came.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use unspool_sim::replay::{SessionLog, compare, timeline};

/// Cards whose order is compared: the first and the one after it, which is begun before any other.
const CARDS: usize = 2;

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The first few distinct ones.
fn first(assets: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    assets.filter(|asset| seen.insert(asset.clone())).take(CARDS).collect()
}

#[test]
fn a_slow_link_is_used_alike_in_the_real_stack_and_in_the_simulator() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path(), dir.path().join("session.jsonl"));
    let output = Command::new(env!("CARGO_BIN_EXE_unspool-demo"))
        .args([
            "--headless",
            "--clips",
            "6",
            "--swipes",
            "3",
            "--network",
            r#"{"rtt_ms":40,"rate_kbps":600}"#,
        ])
        .arg("--state")
        .arg(state)
        .arg("--json")
        .arg(state.join("out.json"))
        .arg("--log")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = SessionLog::read(&file).unwrap();
    let both = compare("slow", &log);
    assert_eq!(both.real.first_frames_ms.len(), 3, "{both:?}");
    assert_eq!(both.simulated.first_frames_ms.len(), 3, "{both:?}");
    // Stalls are times of a machine that may be busy; what a saturated link carries is not.
    assert!(both.bytes_agree, "{both:?}");

    let of_path =
        |path: &str| path.strip_prefix("/media/").and_then(|p| p.split('/').next()).map(str::to_owned);
    let mut requests = lines(&state.join("access.jsonl"));
    // Lines stand in the order in which answers ended.
    requests.sort_by_key(|l| l["t_ms"].as_u64());
    let paths = requests.iter().map(|l| l["path"].as_str().unwrap());
    // Playlists are small and no part of the replay's timeline.
    let real = first(paths.filter(|path| !path.ends_with(".m3u8")).filter_map(of_path));
    let mut moments = timeline(&log);
    moments.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    let clips = moments.iter().filter(|m| m.what.starts_with("clip-"));
    let simulated = first(clips.map(|m| m.what.split('/').next().unwrap_or_default().to_owned()));
    assert_eq!(real, simulated, "cards are begun in the same order: {both:?}");
}
