//! Starting: classes of starts, their latencies, and that the picture is the right one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::time::{Duration, Instant};
use support::{LONG, MOVING, Script, Stage, clip, late_clip};
use unspool_player::{
    LumaFacts, PlayerConfig, PlayerEvent, PlayerId, PlayerState, StartClass, version, warm_up,
};

const A: PlayerId = PlayerId(1);
const B: PlayerId = PlayerId(2);

fn luma(event: &PlayerEvent) -> LumaFacts {
    match event {
        PlayerEvent::FirstFrame { luma: Some(luma), .. } => *luma,
        other => panic!("no picture facts in {other:?}"),
    }
}

fn start(event: &PlayerEvent) -> (StartClass, f64) {
    match event {
        PlayerEvent::FirstFrame { class, latency_ms, .. } => (*class, *latency_ms),
        other => panic!("not a first frame: {other:?}"),
    }
}

#[test]
fn warming_up_twice_is_once_and_names_the_version() {
    warm_up().unwrap();
    warm_up().unwrap();
    assert!(version().starts_with("GStreamer 1."), "{}", version());
}

#[test]
fn a_prerolled_player_shows_its_picture_at_once() {
    let clip = clip(MOVING, 2.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.preroll(A);
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::PreRolled);
    assert_eq!(stage.pool.snapshot(A).unwrap().frames, 0, "a pre-rolled picture is not a shown one");
    stage.pool.play(A).unwrap();
    let first = stage.first_frame(A);
    let (class, latency) = start(&first);
    assert_eq!(class, StartClass::PreRolled);
    assert!(latency < 200.0, "{latency} ms");
    assert!(matches!(first, PlayerEvent::FirstFrame { width: 320, height: 240, luma: None, .. }));
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_start_does_not_wait_for_the_time_of_its_picture() {
    // The sound begins 0.6 s before the pictures, far enough to see on a busy machine what an AAC frame does on a phone.
    let clip = late_clip(MOVING, 2.0, true, 0.6);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes.clone()), clip.info.clone()).unwrap();
    stage.preroll(A);
    stage.pool.play(A).unwrap();
    let (class, latency) = start(&stage.first_frame(A));
    assert!(class == StartClass::PreRolled && latency < 300.0, "{class:?} {latency} ms");

    let cold = Script::new(clip.bytes);
    cold.limit(0);
    stage.pool.prepare(B, cold.clone(), clip.info).unwrap();
    stage.pool.play(B).unwrap();
    cold.wait_until_blocked();
    let begun = Instant::now();
    cold.all_there();
    stage.first_frame(B);
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn swiping_back_does_not_wait_for_the_next_picture() {
    // Two pictures a second: a start that waited for the next one would take a quarter of a second on average.
    let clip = clip("testsrc=size=160x120:rate=2", 6.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.preroll(A);
    let mut late = Vec::new();
    for _ in 0..6 {
        stage.pool.play(A).unwrap();
        late.push(start(&stage.first_frame(A)).1);
        stage.pool.park(A).unwrap();
    }
    let active = stage.pool.snapshot(A).unwrap().active_ms;
    late.sort_by(f64::total_cmp);
    assert!(late[4] < 100.0, "{late:?} ms");
    // Seen for moments only: six pictures of half a second each were not watched.
    assert!(active < 1000, "{active}");
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_cached_start_never_waited_and_a_cold_one_did() {
    let clip = clip(MOVING, 2.0, false);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes.clone()), clip.info.clone()).unwrap();
    stage.pool.play(A).unwrap();
    assert_eq!(start(&stage.first_frame(A)).0, StartClass::Cached);

    let cold = Script::new(clip.bytes);
    cold.limit(0);
    stage.pool.prepare(B, cold.clone(), clip.info).unwrap();
    stage.pool.play(B).unwrap();
    cold.wait_until_blocked();
    assert_eq!(stage.pool.snapshot(B).unwrap().state, PlayerState::Starting);
    cold.all_there();
    assert_eq!(start(&stage.first_frame(B)).0, StartClass::Cold);
    assert_eq!(stage.pool.snapshot(B).unwrap().start_class, Some(StartClass::Cold));
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn the_first_picture_is_the_clips_own() {
    let config = PlayerConfig { capture_first_frame: true, ..PlayerConfig::default() };
    let mut stage = Stage::open(config);
    let mut facts = Vec::new();
    for picture in ["color=c=white:size=160x120:rate=25", "color=c=gray:size=160x120:rate=25", MOVING] {
        let clip = clip(picture, 0.6, false);
        for _ in 0..2 {
            stage.pool.prepare(A, Script::new(clip.bytes.clone()), clip.info.clone()).unwrap();
            stage.pool.play(A).unwrap();
            facts.push(luma(&stage.first_frame(A)));
            stage.pool.release(A).unwrap();
        }
    }
    for pair in facts.chunks(2) {
        assert_eq!(pair[0].hash, pair[1].hash, "the same picture, the same hash");
        assert!(pair[0].mean > 40.0, "black: {pair:?}");
    }
    assert!(facts[0].mean > 225.0 && facts[0].stddev < 2.0, "white: {:?}", facts[0]);
    assert!((facts[2].mean - 126.0).abs() < 6.0, "gray: {:?}", facts[2]);
    assert!(facts[4].stddev > 20.0, "moving: {:?}", facts[4]);
    assert!(facts[0].hash != facts[2].hash && facts[2].hash != facts[4].hash);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_start_waits_for_its_buffer_if_it_is_told_to() {
    let clip = clip(MOVING, 4.0, false);
    let size = clip.bytes.len() as u64;
    let mut config = PlayerConfig::default();
    config.buffer.start_ms = 2500;
    let mut stage = Stage::open(config);
    let (bytes, info) = (clip.bytes, clip.info);
    let source = Script::new(bytes.clone());
    source.limit(size / 4);
    stage.pool.prepare(A, source.clone(), info.clone()).unwrap();
    stage.preroll(A);
    stage.pool.set_throughput(Some(1000));
    stage.pool.play(A).unwrap();
    source.wait_until_blocked();
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Starting);
    source.all_there();
    assert_eq!(start(&stage.first_frame(A)).0, StartClass::Cold);

    // The same bytes on a link that will bring the rest in time.
    let source = Script::new(bytes);
    source.limit(size / 4);
    stage.pool.prepare(B, source, info).unwrap();
    stage.preroll(B);
    stage.pool.set_throughput(Some(1_000_000_000));
    stage.pool.play(B).unwrap();
    assert_eq!(start(&stage.first_frame(B)).0, StartClass::PreRolled);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_start_without_bytes_is_given_up_at_its_deadline() {
    let clip = clip(MOVING, 1.0, false);
    let config = PlayerConfig { first_frame_deadline: Duration::from_millis(300), ..PlayerConfig::default() };
    let mut stage = Stage::open(config);
    let source = Script::new(clip.bytes);
    source.limit(100);
    stage.pool.prepare(A, source, clip.info).unwrap();
    stage.pool.play(A).unwrap();
    let (error, recoverable) = stage.wait(LONG, |event| match event {
        PlayerEvent::Error { error, recoverable, .. } => Some((error.clone(), *recoverable)),
        _ => None,
    });
    assert!(matches!(error, unspool_player::PlayerError::NoFrame { waiting_for_bytes: true, .. }), "{error}");
    assert!(recoverable);
    assert_eq!(stage.pool.counts().hangs, 1);
    assert!(stage.pool.shutdown(LONG));
}
