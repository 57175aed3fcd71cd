//! Rebuffering counted two ways, by the engine's state and by the sink's clock, over recorded networks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{LONG, NUMBERED, Script, Stage, Wall, clip, files, number, shared};
use unspool_player::{PlayerConfig, PlayerEvent, PlayerId, Surface};

const A: PlayerId = PlayerId(1);

/// Length of the clip in seconds.
const SECONDS: f64 = 6.0;

/// Rates of a trace in Mbit/s, by the second.
fn trace(path: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| line.split_once('\t')?.1.trim().parse().ok()).take(60).collect()
}

#[test]
fn a_stall_leaves_no_picture_out() {
    let clip = clip(NUMBERED, 3.0, false);
    let mut stage = Stage::open(PlayerConfig { loop_playback: false, ..PlayerConfig::default() });
    let source = Script::new(clip.bytes.clone());
    let size = clip.bytes.len() as u64;
    source.limit(size / 2);
    stage.pool.prepare(A, source.clone(), Arc::clone(&clip.info)).unwrap();
    let wall = Arc::new(Wall::default());
    stage.pool.set_surface(A, Some(Surface::Screen(wall.clone()))).unwrap();
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    // What there is has been shown, and the next picture is late, but not yet by a stall: a few come, then none.
    let mut changed = (0, Instant::now());
    while changed.1.elapsed() < Duration::from_millis(115) {
        let count = wall.count();
        if count != changed.0 {
            changed = (count, Instant::now());
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    source.limit(size * 5 / 8);
    stage.wait(LONG, |event| matches!(event, PlayerEvent::StallBegin { .. }).then_some(()));
    source.all_there();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::Ended { .. }).then_some(()));
    let shown: Vec<u64> = wall.after(0).iter().map(|&mean| number(mean)).collect();
    assert_eq!(shown, (0..75).collect::<Vec<u64>>());
    assert_eq!(stage.pool.snapshot(A).unwrap().dropped, 0);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn two_counts_of_rebuffering_agree_over_recorded_networks() {
    let Some(media) = shared() else { return };
    let network = media.parent().unwrap().join("network");
    let clip = clip("testsrc2=size=480x852:rate=30,noise=alls=10", SECONDS, true);
    let size = clip.bytes.len() as f64;
    let names: Vec<_> = ["fcc", "nyu-lte"]
        .iter()
        .flat_map(|folder| files(&network.join(folder)).into_iter().step_by(9).take(3))
        .collect();
    let traces: Vec<Vec<f64>> = names.iter().map(|name| trace(name)).collect();
    let mut stage = Stage::open(PlayerConfig {
        loop_playback: false,
        max_players: names.len(),
        memory_bytes: u64::MAX,
        ..PlayerConfig::default()
    });
    let mut sources = Vec::new();
    for (n, trace) in traces.iter().enumerate() {
        let source = Script::new(clip.bytes.clone());
        source.limit(0);
        let id = PlayerId(n as u64);
        stage.pool.prepare(id, source.clone(), Arc::clone(&clip.info)).unwrap();
        stage.pool.play(id).unwrap();
        // The shape is the trace's; its mean is made three quarters of what the clip needs, so that it must stall.
        let mean = trace.iter().take(8).sum::<f64>() / 8.0;
        sources.push((source, size / SECONDS * 0.75 / mean));
    }
    let begun = Instant::now();
    let mut ended = 0;
    let mut seen = 0;
    while ended < names.len() {
        let second = begun.elapsed().as_secs_f64();
        assert!(second < 60.0, "{:?}", stage.seen);
        for ((source, scale), trace) in sources.iter().zip(&traces) {
            let whole = trace.iter().take(second as usize).sum::<f64>();
            let part = trace.get(second as usize).copied().unwrap_or(1.0) * second.fract();
            source.limit((((whole + part) * scale) as u64).min(size as u64));
        }
        stage.drain();
        ended += stage.seen[seen..].iter().filter(|e| matches!(e, PlayerEvent::Ended { .. })).count();
        let failed = stage.seen[seen..].iter().find(|e| matches!(e, PlayerEvent::Error { .. }));
        assert!(failed.is_none(), "{failed:?}");
        seen = stage.seen.len();
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let (mut by_state, mut by_sink) = (0, 0);
    for (n, name) in names.iter().enumerate() {
        let facts = stage.pool.snapshot(PlayerId(n as u64)).unwrap();
        eprintln!(
            "{name:?}: {} stalls, {} ms by state, {} ms by the sink",
            facts.stalls, facts.stall_ms, facts.sink_stall_ms
        );
        by_state += facts.stall_ms;
        by_sink += facts.sink_stall_ms;
    }
    assert!(by_state > 3000, "the traces were meant to stall: {by_state} ms");
    let apart = by_state.abs_diff(by_sink) as f64 / by_state.max(by_sink) as f64;
    assert!(apart <= 0.05, "{by_state} ms by state, {by_sink} ms by the sink: {:.1} % apart", apart * 100.0);
    assert!(stage.pool.shutdown(Duration::from_secs(20)));
}
