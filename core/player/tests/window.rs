//! A real window of a virtual X server. Alone in its binary, because it sets the display of its process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;
mod xserver;

use std::time::{Duration, Instant};
use support::{LONG, Script, Stage, clip};
use unspool_player::{PlayerConfig, PlayerEvent, PlayerId, Surface, VideoSink};
use xserver::{Window, XServer};

const A: PlayerId = PlayerId(1);
const B: PlayerId = PlayerId(2);

fn white_and_gray() -> [support::Clip; 2] {
    ["color=white:size=160x120:rate=25", "color=gray:size=160x120:rate=25"]
        .map(|picture| clip(picture, 1.0, true))
}

fn close_to(level: u8, expected: u8) -> bool {
    level.abs_diff(expected) < 12
}

fn wait_for(window: &Window<'_>, expected: u8) {
    let until = Instant::now() + LONG;
    while !close_to(window.level(), expected) {
        assert!(Instant::now() < until, "the window shows {} instead of {expected}", window.level());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_window_shows_the_card_and_can_go_at_any_time() {
    let Some(server) = XServer::start() else { return };
    server.use_it();
    let [white, gray] = white_and_gray();
    let mut stage = Stage::open(PlayerConfig { sink: VideoSink::Surfaces, ..PlayerConfig::default() });
    stage.pool.prepare(A, Script::new(white.bytes), white.info).unwrap();
    stage.pool.prepare(B, Script::new(gray.bytes), gray.info).unwrap();
    stage.preroll(B);
    let window = server.window();
    stage.pool.set_surface(A, Some(Surface::Window(window.handle()))).unwrap();
    stage.pool.set_surface(B, Some(Surface::Window(window.handle()))).unwrap();
    assert!(close_to(window.level(), 0), "a pre-rolled card draws nothing");
    stage.pool.play(A).unwrap();
    stage.first_frame(A);
    wait_for(&window, 255);
    // A swipe in a shared window: the old picture stays until the new one replaces it, and nothing is black between.
    stage.pool.park(A).unwrap();
    stage.pool.play(B).unwrap();
    let until = Instant::now() + LONG;
    loop {
        let level = window.level();
        assert!(level > 100, "a black flash: {level}");
        if close_to(level, 128) {
            break;
        }
        assert!(Instant::now() < until, "{level}");
    }
    stage.first_frame(B);
    for _ in 0..5 {
        stage.pool.lose_window(window.handle()).unwrap();
        let other = server.window();
        stage.pool.set_surface(B, Some(Surface::Window(other.handle()))).unwrap();
        wait_for(&other, 128);
        stage.pool.set_surface(B, None).unwrap();
        // Xlib ends a process that draws into a window that is gone, so outliving this is the proof.
        other.destroy();
    }
    stage.pool.set_surface(B, Some(Surface::Window(window.handle()))).unwrap();
    let frames = stage.pool.snapshot(B).unwrap().frames;
    stage.until(B, |s| s.frames > frames + 5);
    stage.drain();
    assert!(
        stage
            .seen
            .iter()
            .all(|e| !matches!(e, PlayerEvent::SurfaceFailed { .. } | PlayerEvent::Error { .. })),
        "{:?}",
        stage.seen
    );
    assert!(stage.pool.shutdown(LONG));
}
