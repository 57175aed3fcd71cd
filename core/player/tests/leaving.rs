//! Leaving: releases at any moment, pipelines that will not stop, and nothing left behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::{LONG, MOVING, Script, Stage, clip};
use unspool_player::{PlayerConfig, PlayerError, PlayerEvent, PlayerId, SeekMode};

const A: PlayerId = PlayerId(1);

/// Tests that count the process's threads must not run beside others.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn released(stage: &mut Stage, id: PlayerId) -> bool {
    stage.wait(LONG, |event| match event {
        PlayerEvent::Released { id: who, reached_null } if *who == id => Some(*reached_null),
        _ => None,
    })
}

#[test]
fn a_release_during_a_blocked_read_is_quick() {
    let _alone = alone();
    let clip = clip(MOVING, 2.0, true);
    let mut stage = Stage::open(PlayerConfig::default());
    let len = clip.bytes.len() as u64;
    for limit in [0, 40, len / 3] {
        let source = Script::new(clip.bytes.clone());
        source.limit(limit);
        stage.pool.prepare(A, source.clone(), Arc::clone(&clip.info)).unwrap();
        stage.pool.play(A).unwrap();
        source.wait_until_blocked();
        let begun = Instant::now();
        stage.pool.release(A).unwrap();
        assert!(begun.elapsed() < Duration::from_millis(50), "the call itself took {:?}", begun.elapsed());
        assert!(released(&mut stage, A));
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    }
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_pipeline_that_will_not_stop_is_abandoned_and_counted() {
    let _alone = alone();
    let clip = clip(MOVING, 2.0, false);
    let config = PlayerConfig { null_deadline: Duration::from_millis(200), ..PlayerConfig::default() };
    let mut stage = Stage::open(config);
    let source = Script::new(clip.bytes);
    source.limit(100);
    source.deaf(true);
    stage.pool.prepare(A, source.clone(), clip.info).unwrap();
    source.wait_until_blocked();
    stage.pool.release(A).unwrap();
    assert!(!released(&mut stage, A));
    let counts = stage.pool.counts();
    assert_eq!((counts.alive, counts.abandoned, counts.hangs, counts.released), (0, 1, 1, 1));
    source.deaf(false);
    let until = Instant::now() + LONG;
    while stage.pool.counts().abandoned > 0 {
        assert!(Instant::now() < until, "it never came back");
        std::thread::park_timeout(Duration::from_millis(2));
    }
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn the_pool_is_bounded_and_its_ids_are_its_own() {
    let _alone = alone();
    let clip = clip(MOVING, 0.4, false);
    let stage = Stage::open(PlayerConfig { max_players: 2, ..PlayerConfig::default() });
    let prepare =
        |id| stage.pool.prepare(PlayerId(id), Script::new(clip.bytes.clone()), Arc::clone(&clip.info));
    prepare(1).unwrap();
    assert_eq!(prepare(1), Err(PlayerError::AlreadyPrepared { id: 1 }));
    prepare(2).unwrap();
    assert_eq!(prepare(3), Err(PlayerError::PoolFull { max: 2 }));
    assert_eq!(stage.pool.play(PlayerId(3)), Err(PlayerError::NoSuchPlayer { id: 3 }));
    assert!(stage.pool.snapshot(PlayerId(3)).is_none());
    stage.pool.release(PlayerId(1)).unwrap();
    prepare(1).unwrap();
    assert!(stage.pool.shutdown(LONG));
    assert!(stage.pool.shutdown(LONG), "twice is once");
    assert_eq!(prepare(4), Err(PlayerError::Closed));
}

#[test]
fn dropping_the_pool_releases_everything() {
    let _alone = alone();
    let clip = clip(MOVING, 1.0, true);
    let stage = Stage::open(PlayerConfig::default());
    for id in 1..=3 {
        stage.pool.prepare(PlayerId(id), Script::new(clip.bytes.clone()), Arc::clone(&clip.info)).unwrap();
        stage.pool.play(PlayerId(id)).unwrap();
    }
    let begun = Instant::now();
    let mut inbox = stage.close();
    assert!(begun.elapsed() < Duration::from_millis(100), "a drop does not wait");
    let mut gone = 0;
    while let Some(event) = inbox.blocking_recv() {
        gone += usize::from(matches!(event, PlayerEvent::Released { reached_null: true, .. }));
    }
    assert_eq!(gone, 3, "and the channel closes when the last one has left");
}

/// Threads and open files of this process.
fn held() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn sixty_swipes_leave_nothing_behind() {
    let _alone = alone();
    let clips = [clip(MOVING, 0.5, true), clip("smptebars=size=160x284:rate=30", 0.5, false)];
    let mut stage = Stage::open(PlayerConfig::default());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut base = (0, 0);
    for swipe in 0..66_u64 {
        let clip = &clips[(swipe % 2) as usize];
        let source = Script::new(clip.bytes.clone());
        let blocks = next(4) == 0;
        if blocks {
            source.limit(next(clip.bytes.len() as u64));
        }
        let id = PlayerId(swipe);
        stage.pool.prepare(id, source, Arc::clone(&clip.info)).unwrap();
        match next(5) {
            0 => {}
            1 if !blocks => {
                stage.pool.play(id).unwrap();
                stage.first_frame(id);
            }
            2 if !blocks => {
                stage.preroll(id);
                stage.pool.play(id).unwrap();
                stage.first_frame(id);
                stage.pool.park(id).unwrap();
            }
            3 => {
                stage.pool.play(id).unwrap();
                stage.pool.seek(id, 200, SeekMode::Keyframe).unwrap();
                stage.pool.pause(id).unwrap();
            }
            _ => stage.pool.play(id).unwrap(),
        }
        stage.pool.release(id).unwrap();
        assert!(released(&mut stage, id));
        if swipe == 5 {
            base = held();
        }
    }
    let counts = stage.pool.counts();
    assert_eq!((counts.alive, counts.abandoned, counts.hangs, counts.released), (0, 0, 0, 66));
    // GLib keeps a few idle threads of its own for later tasks; a leak would be one or more for each swipe.
    let until = Instant::now() + LONG;
    loop {
        let now = held();
        if now.0 <= base.0 + 3 && now.1 <= base.1 + 3 {
            break;
        }
        assert!(Instant::now() < until, "threads and files: {base:?} before, {now:?} after");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(stage.pool.shutdown(LONG));
}
