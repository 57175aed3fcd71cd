//! Controls and facts: exact jumps, sound, focus, budgets, what is being decoded and what is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::sync::Arc;
use std::time::Duration;
use support::{LONG, MOVING, NUMBERED, Script, Stage, Wall, clip, number};
use unspool_media::VideoCodec;
use unspool_player::{
    AudioOutput, PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerState, SeekMode, SoundFocus, Surface,
};

const A: PlayerId = PlayerId(1);
const B: PlayerId = PlayerId(2);

#[test]
fn an_accurate_seek_shows_the_very_picture_and_a_key_seek_the_one_to_start_from() {
    let clip = clip(NUMBERED, 3.0, false);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    let wall = Arc::new(Wall::default());
    stage.pool.set_surface(A, Some(Surface::Screen(wall.clone()))).unwrap();
    stage.preroll(A);
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    assert_eq!(number(wall.after(0)[0]), 0, "the first picture is the clip's first");
    // A key picture every 15th: 1480 ms is picture 37, and the one to start from is the 30th.
    for (mode, expected) in [(SeekMode::Accurate, 37), (SeekMode::Keyframe, 30)] {
        stage.pool.seek(A, 0, SeekMode::Keyframe).unwrap();
        stage.until(A, |s| s.position_ms < 400);
        stage.pool.pause(A).unwrap();
        stage.until(A, |s| s.state == PlayerState::Paused);
        let before = wall.count();
        stage.pool.seek(A, 1480, mode).unwrap();
        stage.pool.play(A).unwrap();
        let shown: Vec<u64> = wall.after(before + 2)[before..].iter().map(|&mean| number(mean)).collect();
        let landed = shown.iter().find(|&&n| n > 12).copied();
        assert_eq!(landed, Some(expected), "{mode:?}: {shown:?}");
    }
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_jump_away_from_an_ending_pass_is_not_taken_for_its_end() {
    // From 2.9 s on all that is left fits into the queues, so the end of that pass is told long before its first picture
    // is decoded; the jump crosses it there. From the beginning on it does not fit: the demuxer stands at a full queue
    // for as long as the player is paused, and whoever waited for it then would wait for ever.
    let clip = clip("testsrc2=size=1280x720:rate=25", 3.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.preroll(A);
    // When exactly they cross is up to the machine, so every distance is tried.
    for n in 0..30 {
        stage.pool.seek(A, 2900, SeekMode::Accurate).unwrap();
        std::thread::park_timeout(Duration::from_millis(2 * n));
        stage.pool.seek(A, 0, SeekMode::Keyframe).unwrap();
        std::thread::park_timeout(Duration::from_millis(30));
    }
    stage.pool.seek(A, 1480, SeekMode::Accurate).unwrap();
    stage.pool.play(A).unwrap();
    stage.until(A, |s| s.position_ms > 1600);
    assert_eq!(stage.pool.snapshot(A).unwrap().loops, 0);
    stage.pool.release(A).unwrap();
    let stopped = stage.wait(LONG, |event| match event {
        PlayerEvent::Released { reached_null, .. } => Some(*reached_null),
        _ => None,
    });
    assert!(stopped);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_jump_behind_the_last_picture_starts_over() {
    let clip = clip(NUMBERED, 2.0, false);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info.clone()).unwrap();
    let wall = Arc::new(Wall::default());
    stage.pool.set_surface(A, Some(Surface::Screen(wall.clone()))).unwrap();
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    stage.pool.pause(A).unwrap();
    stage.until(A, |s| s.state == PlayerState::Paused);
    let before = wall.count();
    stage.pool.seek(A, clip.info.duration_ms, SeekMode::Accurate).unwrap();
    stage.pool.play(A).unwrap();
    let shown: Vec<u64> = wall.after(before + 3)[before..].iter().map(|&mean| number(mean)).collect();
    assert!(shown.contains(&0), "{shown:?}");
    assert_ne!(stage.pool.snapshot(A).unwrap().state, PlayerState::Failed);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn what_is_decoded_is_told() {
    let clip = clip(MOVING, 0.6, false);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    let told = stage.wait(LONG, |event| match event {
        PlayerEvent::Rendition { codec, width, height, frame_rate, decoder, .. } => {
            Some((*codec, *width, *height, *frame_rate, decoder.clone()))
        }
        _ => None,
    });
    assert_eq!(told, (VideoCodec::H264, 320, 240, 25.0, "avdec_h264".to_owned()));
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn pictures_that_are_too_late_are_dropped_and_told() {
    // Four times 60 pictures of 3.7 million pixels a second are more than one thread of any machine here decodes.
    let clip = clip("testsrc2=size=2560x1440:rate=60", 1.5, false);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.preroll(A);
    stage.pool.set_rate(A, 4.0).unwrap();
    stage.pool.play(A).unwrap();
    let total = stage.wait(LONG, |event| match event {
        PlayerEvent::Dropped { total, .. } => Some(*total),
        _ => None,
    });
    assert!(total > 0);
    let facts = stage.pool.snapshot(A).unwrap();
    assert!(facts.dropped >= total && facts.frames > 0, "{facts:?}");
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn sound_can_be_set_before_and_while_it_plays() {
    let clip = clip(MOVING, 1.0, true);
    let mut stage = Stage::open(PlayerConfig { audio: AudioOutput::Device, ..PlayerConfig::default() });
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    assert!(matches!(stage.pool.set_volume(A, 1.5), Err(PlayerError::Invalid { .. })));
    assert!(matches!(stage.pool.set_volume(A, f64::NAN), Err(PlayerError::Invalid { .. })));
    stage.pool.set_volume(A, 0.5).unwrap();
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    stage.pool.set_muted(A, true).unwrap();
    stage.pool.set_volume(A, 0.25).unwrap();
    stage.until(A, |s| s.frames > 10);
    assert!((stage.pool.snapshot(A).unwrap().volume - 0.25).abs() < 1e-9);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_call_pauses_and_the_end_of_it_goes_on_unless_the_person_said_otherwise() {
    let clip = clip(MOVING, 2.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    stage.pool.prepare(A, Script::new(clip.bytes.clone()), clip.info.clone()).unwrap();
    stage.pool.prepare(B, Script::new(clip.bytes), clip.info).unwrap();
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    let state = |stage: &Stage, id| stage.pool.snapshot(id).unwrap().state;
    stage.pool.handle_focus(SoundFocus::Duck);
    assert_eq!(state(&stage, A), PlayerState::Playing);
    stage.pool.handle_focus(SoundFocus::LostForNow);
    assert_eq!(state(&stage, A), PlayerState::Paused);
    stage.pool.handle_focus(SoundFocus::Gained);
    assert_eq!(state(&stage, A), PlayerState::Playing);
    stage.until(B, |s| s.state == PlayerState::PreRolled);
    let frames = stage.pool.snapshot(A).unwrap().frames;
    stage.until(A, |s| s.frames > frames + 3);

    stage.pool.handle_focus(SoundFocus::LostForNow);
    stage.pool.park(A).unwrap();
    stage.pool.handle_focus(SoundFocus::Gained);
    assert_eq!(state(&stage, A), PlayerState::Parked, "the person swiped away during the call");

    stage.pool.play(B).unwrap();
    stage.first_frame(B);
    stage.pool.handle_focus(SoundFocus::BecomingNoisy);
    stage.pool.handle_focus(SoundFocus::Gained);
    assert_eq!(state(&stage, B), PlayerState::Paused, "unplugged headphones wait for the person");
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn the_host_says_how_many_players_and_how_much_memory() {
    let clip = clip(MOVING, 0.4, false);
    let needed = unspool_engine::player_bytes(&clip.info);
    let stage =
        Stage::open(PlayerConfig { memory_bytes: needed * 2, max_players: 5, ..PlayerConfig::default() });
    let prepare =
        |id| stage.pool.prepare(PlayerId(id), Script::new(clip.bytes.clone()), Arc::clone(&clip.info));
    prepare(1).unwrap();
    prepare(2).unwrap();
    assert_eq!(prepare(3), Err(PlayerError::OverBudget { needed, left: 0 }));
    stage.pool.set_budget(5, needed * 3);
    prepare(3).unwrap();
    stage.pool.set_budget(1, u64::MAX);
    assert_eq!(prepare(4), Err(PlayerError::PoolFull { max: 1 }));
    assert!(stage.pool.snapshot(PlayerId(3)).is_some(), "what is there stays");
    for id in 1..=3 {
        stage.pool.release(PlayerId(id)).unwrap();
    }
    stage.pool.set_budget(2, 1);
    prepare(5).unwrap();
    assert!(
        matches!(prepare(6), Err(PlayerError::OverBudget { .. })),
        "the first is let in, the second is not"
    );
    assert!(stage.pool.shutdown(Duration::from_secs(20)));
}
