//! Playing: loops, pauses, seeks, stalls and what counts as watched.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::time::{Duration, Instant};
use support::{Clip, LONG, MOVING, Script, Stage, clip};
use unspool_player::{
    AudioOutput, PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerState, SeekMode, StallReason,
    StartClass,
};

const A: PlayerId = PlayerId(1);

fn no_errors(stage: &mut Stage) {
    stage.drain();
    let errors: Vec<_> = stage.seen.iter().filter(|e| matches!(e, PlayerEvent::Error { .. })).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

fn started(stage: &mut Stage, source: std::sync::Arc<Script>, clip: &Clip) {
    stage.pool.prepare(A, source, clip.info.clone()).unwrap();
    stage.preroll(A);
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
}

#[test]
fn loops_are_counted_and_have_no_gap() {
    let clip = clip(MOVING, 0.6, true);
    let mut stage = Stage::open(PlayerConfig::default());
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    let begun = Instant::now();
    for expected in 1..=4 {
        let loops = stage.wait(LONG, |event| match event {
            PlayerEvent::Looped { loops, .. } => Some(*loops),
            _ => None,
        });
        assert_eq!(loops, expected);
    }
    let wall = begun.elapsed();
    let facts = stage.pool.snapshot(A).unwrap();
    assert_eq!(facts.loops, 4);
    assert!(facts.active_ms >= 4 * 600 && facts.active_ms <= 4 * 600 + 200, "{facts:?}");
    // Four passes of 0.6 s (the sound is a frame longer); a flush at each end would add its pre-roll.
    assert!(wall < Duration::from_millis(4 * 600 + 500), "{wall:?}");
    no_errors(&mut stage);
    assert!(stage.seen.iter().all(|e| !matches!(e, PlayerEvent::StallBegin { .. })), "{:?}", stage.seen);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_clip_that_starts_before_its_preroll_loops_too() {
    let clip = clip(MOVING, 0.5, false);
    let mut stage = Stage::open(PlayerConfig { audio: AudioOutput::None, ..PlayerConfig::default() });
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.pool.play(A).unwrap();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::Looped { loops: 2, .. }).then_some(()));
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn without_looping_the_end_is_told_and_play_starts_over() {
    let clip = clip(MOVING, 0.6, true);
    let mut stage = Stage::open(PlayerConfig { loop_playback: false, ..PlayerConfig::default() });
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    let ended = |event: &PlayerEvent| match event {
        PlayerEvent::Ended { active_ms, .. } => Some(*active_ms),
        _ => None,
    };
    let first = stage.wait(LONG, ended);
    assert!((560..=640).contains(&first), "{first}");
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Ended);
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    let second = stage.wait(LONG, ended);
    assert!((1120..=1280).contains(&second), "{second}");
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_pause_is_not_watch_time() {
    let clip = clip(MOVING, 3.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    stage.until(A, |s| s.active_ms >= 200);
    stage.pool.pause(A).unwrap();
    // Standing still is itself the condition: the count of pictures stays for a while that would show several.
    let mut facts = stage.pool.snapshot(A).unwrap();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(400) {
        std::thread::park_timeout(Duration::from_millis(10));
        let now = stage.pool.snapshot(A).unwrap();
        if now.frames != facts.frames {
            (facts, since) = (now, Instant::now());
        }
    }
    assert_eq!(facts.state, PlayerState::Paused);
    assert!(facts.active_ms < 600, "{facts:?}");
    stage.pool.play(A).unwrap();
    stage.until(A, |s| s.frames >= facts.frames + 5);
    let later = stage.pool.snapshot(A).unwrap();
    let steps = (later.frames - facts.frames) * 40;
    assert!(later.active_ms - facts.active_ms <= steps, "{facts:?} {later:?}");
    no_errors(&mut stage);
    assert!(stage.seen.iter().all(|e| !matches!(e, PlayerEvent::StallBegin { .. })));
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_seek_goes_there_and_is_not_watch_time() {
    let clip = clip(MOVING, 6.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    stage.pool.seek(A, 4000, SeekMode::Keyframe).unwrap();
    stage.until(A, |s| s.position_ms >= 3600 && s.frames > 3);
    let facts = stage.pool.snapshot(A).unwrap();
    assert!(facts.position_ms < 4800 && facts.active_ms < 1000, "{facts:?}");
    stage.pool.seek(A, 0, SeekMode::Keyframe).unwrap();
    stage.until(A, |s| s.position_ms < 1000);
    assert_eq!(stage.pool.snapshot(A).unwrap().loops, 0, "a jump back is no loop");
    stage.pool.seek(A, u64::MAX, SeekMode::Keyframe).unwrap();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::Looped { .. }).then_some(()));
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn the_speed_can_be_changed() {
    let clip = clip(MOVING, 6.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    assert!(matches!(stage.pool.set_rate(A, 9.0), Err(PlayerError::Invalid { .. })));
    stage.pool.set_rate(A, 2.0).unwrap();
    stage.until(A, |s| s.frames > 5);
    let (from, begun) = (stage.pool.snapshot(A).unwrap(), Instant::now());
    stage.until(A, |s| s.position_ms >= from.position_ms + 2000);
    let wall = begun.elapsed();
    assert!(wall < Duration::from_millis(1600), "2 s of media took {wall:?} at double speed");
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_parked_player_starts_again_as_a_new_start() {
    let clip = clip(MOVING, 2.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    stage.pool.park(A).unwrap();
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Parked);
    stage.pool.play(A).unwrap();
    match stage.first_frame(A) {
        PlayerEvent::FirstFrame { class, latency_ms, .. } => {
            assert_eq!(class, StartClass::PreRolled);
            assert!(latency_ms < 300.0, "{latency_ms}");
        }
        other => panic!("{other:?}"),
    }
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_stall_for_bytes_is_told_ends_and_is_not_watch_time() {
    let clip = clip(MOVING, 3.0, true);
    let size = clip.bytes.len() as u64;
    let mut stage = Stage::open(PlayerConfig { loop_playback: false, ..PlayerConfig::default() });
    let source = Script::new(clip.bytes.clone());
    source.limit(size / 2);
    started(&mut stage, source.clone(), &clip);
    let reason = stage.wait(LONG, |event| match event {
        PlayerEvent::StallBegin { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, StallReason::WaitingForBytes);
    let begun = Instant::now();
    let before = stage.pool.snapshot(A).unwrap();
    assert_eq!(before.state, PlayerState::Stalled);
    // A trickle is not enough to resume: that would only stall again.
    source.limit(size / 2 + size / 50);
    while begun.elapsed() < Duration::from_millis(600) {
        std::thread::park_timeout(Duration::from_millis(10));
        assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Stalled);
    }
    source.all_there();
    let told = stage.wait(LONG, |event| match event {
        PlayerEvent::StallEnd { ms, .. } => Some(*ms),
        _ => None,
    });
    let wall = begun.elapsed().as_millis() as u64;
    assert!(told >= wall && told < wall + 400, "told {told}, seen {wall}");
    let after = stage.pool.snapshot(A).unwrap();
    assert_eq!((after.stalls, after.stall_ms), (1, told));
    // Pictures shown between the resumption and this look count; the 600 ms of standing still must not.
    assert!(after.active_ms < before.active_ms + 400, "{before:?} {after:?}");
    let active = stage.wait(LONG, |event| match event {
        PlayerEvent::Ended { active_ms, .. } => Some(*active_ms),
        _ => None,
    });
    assert!((2900..=3040).contains(&active), "{active}");
    no_errors(&mut stage);
    assert_eq!(stage.pool.snapshot(A).unwrap().stalls, 1, "{:?}", stage.seen);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_pause_ends_a_stall() {
    let clip = clip(MOVING, 2.0, false);
    let mut stage = Stage::open(PlayerConfig::default());
    let source = Script::new(clip.bytes.clone());
    source.limit(clip.bytes.len() as u64 / 2);
    started(&mut stage, source.clone(), &clip);
    stage.wait(LONG, |event| matches!(event, PlayerEvent::StallBegin { .. }).then_some(()));
    stage.pool.pause(A).unwrap();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::StallEnd { .. }).then_some(()));
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Paused);
    source.all_there();
    stage.pool.play(A).unwrap();
    stage.wait(LONG, |event| matches!(event, PlayerEvent::Looped { .. }).then_some(()));
    no_errors(&mut stage);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn positions_come_while_playing() {
    let clip = clip(MOVING, 2.0, false);
    let mut stage = Stage::open(PlayerConfig::default());
    started(&mut stage, Script::new(clip.bytes.clone()), &clip);
    let mut last = 0;
    for _ in 0..3 {
        let at = stage.wait(LONG, |event| match event {
            PlayerEvent::Position { position_ms, .. } => Some(*position_ms),
            _ => None,
        });
        assert!(at >= last);
        last = at;
    }
    assert!(last >= 300, "{last}");
    assert!(stage.pool.shutdown(LONG));
}
