//! What the demo promises of itself, checked from the other side: the server's log, its database and the core's files.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and reports missing data"
)]

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const DEMO: &str = env!("CARGO_BIN_EXE_unspool-demo");
/// Clips made for tests; the demo makes more.
const CLIPS: &str = "6";

fn demo(state: &Path, more: &[&str]) -> Command {
    std::fs::create_dir_all(state).unwrap();
    let mut command = Command::new(DEMO);
    command
        .args(["--headless", "--clips", CLIPS, "--state"])
        .arg(state)
        .arg("--json")
        .arg(state.join("out.json"));
    command.args(more);
    command
}

fn run(state: &Path, more: &[&str]) -> Value {
    let output = demo(state, more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&std::fs::read_to_string(state.join("out.json")).unwrap()).unwrap()
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Impressions the server received: `(installation, seq)` of each delivery.
fn delivered(state: &Path) -> Vec<(String, i64)> {
    lines(&state.join("telemetry.jsonl"))
        .iter()
        .filter(|l| l["event_name"] == "unspool.impression" && l["duplicate"] != true)
        .map(|l| (l["installation"].as_str().unwrap().to_owned(), l["seq"].as_i64().unwrap()))
        .collect()
}

#[test]
fn every_figure_can_be_checked_from_the_other_side() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let session_log = state.join("session.jsonl");
    let out = run(state, &["--swipes", "6", "--log", session_log.to_str().unwrap()]);
    assert_eq!(out["swipes"], 6);
    assert_eq!(out["engine"], "gstreamer");
    assert_eq!(out["skipped"], serde_json::json!([]));
    assert_eq!(out["clean_shutdown"], true);

    let client = out["client"].as_str().unwrap();
    let log = lines(&state.join("access.jsonl"));
    let sent: u64 = log.iter().filter(|l| l["client"] == client).map(|l| l["bytes"].as_u64().unwrap()).sum();
    assert_eq!(out["bytes"]["network"], sent, "the core and the log count the same bytes");
    assert_eq!(out["bytes"]["origin_log"], sent);

    let impressions = &out["impressions"];
    let received = delivered(state);
    assert_eq!(impressions["recorded"], impressions["delivered"]);
    assert_eq!(impressions["delivered"], impressions["distinct_at_origin"]);
    assert_eq!(impressions["recorded"].as_u64().unwrap(), received.len() as u64);
    let swiped = out["swipes"].as_u64().unwrap() + out["offline"]["swipes"].as_u64().unwrap();
    assert_eq!(received.len() as u64, swiped, "one record per viewing");

    assert!(out["offline"]["played"].as_u64().unwrap() > 0);
    assert_eq!(out["offline"]["origin_requests"], 0);
    assert_eq!(out["outbox"]["queued"], out["outbox"]["delivered"]);
    assert_eq!(out["outbox"]["at_origin"], 1);
    let frames = &out["first_frame_ms"];
    let shown: u64 = ["prerolled", "cached", "cold"].iter().map(|c| frames[c]["n"].as_u64().unwrap()).sum();
    assert_eq!(out["played"].as_u64().unwrap(), shown);
    assert_eq!(shown, swiped, "every card showed a frame");
    assert!(frames["cold"]["n"].as_u64().unwrap() >= 1, "the first card of a fresh install is cold");
    let kinds: Vec<Value> = lines(&session_log).iter().map(|l| l["kind"].clone()).collect();
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!((count("session"), count("swipe"), count("first_frame"), count("end")), (1, 6, 6, 1));
    assert!(count("card") >= 6, "every card that was moved to is in the log, and those after it");
    for name in ["events.db", "outbox.db", "session.db", "media"] {
        assert!(state.join("core").join(name).exists(), "{name} is kept");
    }
}

#[test]
fn a_killed_run_loses_no_acknowledged_record_and_delivers_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path();
    let mut child = demo(state, &["--swipes", "40"]).stderr(Stdio::piped()).spawn().unwrap();
    let told = std::io::BufReader::new(child.stderr.take().unwrap()).lines();
    // The third card was left, so three viewings are closed and the fourth is open.
    let third = told.map_while(Result::ok).find(|l| l.trim_start().starts_with("4  "));
    assert!(third.is_some(), "the run got that far");
    child.kill().unwrap();
    child.wait().unwrap();

    let offline = run(state, &["--offline"]);
    assert!(
        offline["offline"]["played"].as_u64().unwrap() > 0,
        "the last feed is shown and plays: {offline}"
    );
    assert_eq!(offline["bytes"]["network"], 0);
    let recorded = offline["impressions"]["recorded"].as_u64().unwrap();
    let shown = offline["offline"]["swipes"].as_u64().unwrap();
    assert_eq!(offline["impressions"]["recovered"], 1, "the viewing that was open is closed as killed");
    assert!(recorded >= 4 + shown, "{recorded} records of 4 viewings before the kill and {shown} after it");

    let online = run(state, &["--swipes", "2"]);
    let impressions = &online["impressions"];
    assert_eq!(impressions["recorded"], impressions["delivered"]);
    assert_eq!(impressions["recorded"], impressions["distinct_at_origin"]);
    let mut received = delivered(state);
    let all = received.len();
    received.sort();
    received.dedup();
    assert_eq!(received.len(), all, "each was counted once");
    assert_eq!(impressions["recorded"].as_u64().unwrap(), all as u64);
    let exits: Vec<Value> =
        lines(&state.join("telemetry.jsonl")).iter().map(|l| l["attributes"]["exit"].clone()).collect();
    assert_eq!(exits.iter().filter(|e| **e == "killed").count(), 1, "{exits:?}");
    assert_eq!(online["outbox"]["queued"], online["outbox"]["delivered"]);
}

#[test]
fn foreign_videos_play_or_are_skipped_with_a_reason() {
    let shared = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let media = shared.join("data/media/progressive");
    if !media.is_dir() {
        println!("NO DATA {}", media.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let out = run(dir.path(), &["--media", media.to_str().unwrap()]);
    let files = std::fs::read_dir(&media).unwrap().count() as u64;
    assert_eq!(out["swipes"].as_u64().unwrap(), files, "every file of the folder is a card");
    let skipped = out["skipped"].as_array().unwrap();
    let frames: u64 =
        ["prerolled", "cached", "cold"].iter().map(|c| out["first_frame_ms"][c]["n"].as_u64().unwrap()).sum();
    let online = frames - out["offline"]["played"].as_u64().unwrap();
    assert_eq!(online + skipped.len() as u64, files, "played or refused: {out}");
    assert!(skipped.iter().all(|s| !s["reason"].as_str().unwrap().is_empty()));
    assert!(online >= 10, "most of them are plain H.264 or H.265: {out}");
}

#[test]
fn a_running_server_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
    let mut server = Command::new(DEMO)
        .args(["origin", "--clips", CLIPS, "--parent-pid", &std::process::id().to_string(), "--state"])
        .arg(&theirs)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let out = run(&ours, &["--swipes", "2", "--origin", ready["listening"].as_str().unwrap()]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(out["swipes"], 2);
    assert_eq!(out["impressions"]["distinct_at_origin"], Value::Null, "not asked without a control address");
    assert_eq!(out["impressions"]["recorded"], out["impressions"]["delivered"]);
    assert_eq!(delivered(&theirs).len() as u64, out["impressions"]["recorded"].as_u64().unwrap());
}
