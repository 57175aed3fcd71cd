//! Surfaces: given, lost and replaced at any time; screens of the host stand for every kind of surface.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{LONG, MOVING, NUMBERED, Script, Stage, Wall, clip, number};
use unspool_player::{PlayerConfig, PlayerEvent, PlayerId, PlayerState, Screen, Surface, VideoSink};

const A: PlayerId = PlayerId(1);

fn surfaces() -> PlayerConfig {
    PlayerConfig { sink: VideoSink::Surfaces, ..PlayerConfig::default() }
}

#[test]
fn nothing_plays_unseen_and_a_surface_brings_it_on() {
    let clip = clip(NUMBERED, 2.0, true);
    let mut stage = Stage::open(surfaces());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.preroll(A);
    stage.pool.play(A).unwrap();
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Hidden);
    let first = Arc::new(Wall::default());
    let given = Instant::now();
    stage.pool.set_surface(A, Some(Surface::Screen(first.clone()))).unwrap();
    stage.first_frame(A);
    assert_eq!(number(first.after(0)[0]), 0, "it had not run on");
    assert!(given.elapsed() < Duration::from_secs(2));

    stage.until(A, |s| s.frames > 5);
    stage.pool.set_surface(A, None).unwrap();
    let (count, lost) = (first.count(), stage.pool.snapshot(A).unwrap());
    assert_eq!(lost.state, PlayerState::Hidden);
    let second = Arc::new(Wall::default());
    stage.pool.set_surface(A, Some(Surface::Screen(second.clone()))).unwrap();
    // The picture that was on show is drawn before the next one is due.
    let shown = second.after(3);
    assert!(number(shown[0]) + 2 >= lost.position_ms / 40, "{shown:?} {lost:?}");
    assert_eq!(first.count(), count, "nothing draws into a lost surface");

    let third = Arc::new(Wall::default());
    stage.pool.set_surface(A, Some(Surface::Screen(third.clone()))).unwrap();
    let count = second.count();
    third.after(3);
    assert_eq!(second.count(), count, "nor into one that was replaced");
    stage.drain();
    assert!(
        stage.seen.iter().all(|e| !matches!(e, PlayerEvent::StallBegin { .. } | PlayerEvent::Error { .. })),
        "{:?}",
        stage.seen
    );
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_screen_has_the_first_picture_before_the_player_plays() {
    let clip = clip(NUMBERED, 2.0, true);
    // Given before the player is ready, and after.
    for early in [true, false] {
        let mut stage = Stage::open(surfaces());
        stage.pool.prepare(A, Script::new(clip.bytes.clone()), clip.info.clone()).unwrap();
        let wall = Arc::new(Wall::default());
        let give = |stage: &Stage| {
            stage.pool.set_surface(A, Some(Surface::Screen(wall.clone()))).unwrap();
        };
        if early {
            give(&stage);
        }
        stage.preroll(A);
        if !early {
            give(&stage);
        }
        assert_eq!(number(wall.after(0)[0]), 0);
        assert_eq!(stage.pool.snapshot(A).unwrap().frames, 0, "it counts as nothing that was watched");
        stage.pool.play(A).unwrap();
        stage.first_frame(A);
        stage.until(A, |s| s.frames > 3);
        assert!(stage.pool.shutdown(LONG));
    }
}

#[test]
fn a_lost_surface_is_not_watch_time() {
    let clip = clip(MOVING, 2.0, true);
    let mut stage = Stage::open(surfaces());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    stage.pool.set_surface(A, Some(Surface::Screen(Arc::new(Wall::default())))).unwrap();
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    stage.pool.set_surface(A, None).unwrap();
    let lost = stage.pool.snapshot(A).unwrap();
    // Standing still is itself the condition.
    let mut since = Instant::now();
    let mut frames = lost.frames;
    while since.elapsed() < Duration::from_millis(300) {
        std::thread::park_timeout(Duration::from_millis(10));
        let now = stage.pool.snapshot(A).unwrap().frames;
        if now != frames {
            (frames, since) = (now, Instant::now());
        }
    }
    assert_eq!(frames, lost.frames);
    stage.pool.pause(A).unwrap();
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Paused);
    stage.pool.set_surface(A, Some(Surface::Screen(Arc::new(Wall::default())))).unwrap();
    assert_eq!(stage.pool.snapshot(A).unwrap().state, PlayerState::Paused, "a pause stays a pause");
    assert!(stage.pool.shutdown(LONG));
}

/// A screen that takes its time.
#[derive(Debug)]
struct Slow {
    begun: std::sync::mpsc::SyncSender<()>,
    gate: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Screen for Slow {
    fn show(&self, _: &unspool_player::Picture<'_>) {
        let _ = self.begun.try_send(());
        let _ = self.gate.lock().unwrap().recv_timeout(LONG);
    }
}

#[test]
fn a_surface_is_free_when_the_call_returns_or_the_caller_is_told() {
    let clip = clip(MOVING, 2.0, false);
    let stage = Stage::open(surfaces());
    stage.pool.prepare(A, Script::new(clip.bytes), clip.info).unwrap();
    let (begun, drawing) = std::sync::mpsc::sync_channel(1);
    let (open, gate) = std::sync::mpsc::channel();
    let slow = Arc::new(Slow { begun, gate: std::sync::Mutex::new(gate) });
    stage.pool.set_surface(A, Some(Surface::Screen(slow))).unwrap();
    stage.pool.play(A).unwrap();
    drawing.recv_timeout(LONG).unwrap();
    let asked = Instant::now();
    let told = stage.pool.set_surface(A, None);
    assert!(matches!(told, Err(unspool_player::PlayerError::Surface { .. })), "{told:?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    drop(open);
    stage.pool.set_surface(A, Some(Surface::Screen(Arc::new(Wall::default())))).unwrap();
    stage.until(A, |s| s.frames > 3);
    assert!(stage.pool.shutdown(LONG));
}
