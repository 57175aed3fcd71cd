//! A storm of swipes, jumps and lost surfaces, after which nothing may be left. Alone in its binary, because it counts
//! the threads and files of its process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Clip, LONG, MOVING, Script, Stage, Wall, clip};
use unspool_player::{PlayerConfig, PlayerEvent, PlayerId, SeekMode, SoundFocus, Surface, VideoSink};

/// Steps of the storm.
const STEPS: u64 = 500;

/// Threads, open files and resident memory in MB of this process.
fn held() -> (usize, usize, u64) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    (count("/proc/self/task"), count("/proc/self/fd"), pages * 4 / 1024)
}

fn screen() -> Surface {
    Surface::Screen(Arc::new(Wall::default()))
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Prepares the next card of the storm; one of five never has all its bytes.
fn next_card(stage: &Stage, id: PlayerId, clips: &[Clip], dice: &mut Dice) {
    let clip = &clips[dice.below(clips.len() as u64) as usize];
    let source = Script::new(clip.bytes.clone());
    match dice.below(10) {
        0 => source.limit(dice.below(clip.bytes.len() as u64)),
        1 => source.fail_at(dice.below(clip.bytes.len() as u64)),
        _ => {}
    }
    stage.pool.prepare(id, source, Arc::clone(&clip.info)).unwrap();
}

#[test]
fn five_hundred_steps_leave_nothing_behind() {
    let clips = [clip(MOVING, 1.0, true), clip("smptebars=size=160x284:rate=30", 0.7, false)];
    let config = PlayerConfig { sink: VideoSink::Surfaces, max_players: 4, ..PlayerConfig::default() };
    let mut stage = Stage::open(config);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut cards: VecDeque<PlayerId> = VecDeque::new();
    let mut serial = 0;
    let mut base = (0, 0, 0);
    let begun = Instant::now();
    for step in 0..STEPS {
        if step == 60 {
            base = held();
        }
        // The window of a feed: at most the one before, the current and the next.
        while cards.len() < 2 {
            serial += 1;
            next_card(&stage, PlayerId(serial), &clips, &mut dice);
            cards.push_back(PlayerId(serial));
        }
        let current = cards[cards.len() - 2];
        match dice.below(8) {
            0..=2 => {
                serial += 1;
                next_card(&stage, PlayerId(serial), &clips, &mut dice);
                cards.push_back(PlayerId(serial));
                stage.pool.park(current).unwrap();
                let current = cards[cards.len() - 2];
                if dice.below(4) > 0 {
                    stage.pool.set_surface(current, Some(screen())).unwrap();
                }
                stage.pool.play(current).unwrap();
                if cards.len() > 3 {
                    stage.pool.release(cards.pop_front().unwrap()).unwrap();
                }
            }
            3 if cards.len() > 2 => {
                stage.pool.release(cards.pop_back().unwrap()).unwrap();
                stage.pool.play(cards[cards.len() - 2]).unwrap();
            }
            4 => stage.pool.seek(current, dice.below(1200), SeekMode::Keyframe).unwrap(),
            5 => stage.pool.seek(current, dice.below(1200), SeekMode::Accurate).unwrap(),
            6 => stage.pool.set_surface(current, None).unwrap(),
            _ => {
                stage.pool.set_surface(current, Some(screen())).unwrap();
                match dice.below(5) {
                    0 => stage.pool.pause(current).unwrap(),
                    1 => stage.pool.set_rate(current, 2.0).unwrap(),
                    2 => stage.pool.handle_focus(SoundFocus::LostForNow),
                    3 => stage.pool.handle_focus(SoundFocus::Gained),
                    _ => {}
                }
                stage.pool.play(current).unwrap();
            }
        }
        if dice.below(3) == 0 {
            // Now and then the person looks at a card for a moment.
            let until = Instant::now() + Duration::from_millis(40 + dice.below(60));
            while Instant::now() < until {
                stage.drain();
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }
    for id in cards {
        stage.pool.release(id).unwrap();
    }
    let until = Instant::now() + LONG;
    while stage.pool.counts().alive > 0 {
        assert!(Instant::now() < until, "{:?}", stage.pool.counts());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    stage.drain();
    let counts = stage.pool.counts();
    assert_eq!(counts.released, serial);
    assert!(counts.abandoned == 0 && counts.hangs == 0, "{counts:?}");
    let frames = stage.seen.iter().filter(|e| matches!(e, PlayerEvent::FirstFrame { .. })).count();
    assert!(frames > 50, "only {frames} cards were seen");
    // GLib keeps a few idle threads of its own for later tasks; a leak would be one or more for each swipe. The base
    // was taken with up to four players alive.
    let until = Instant::now() + LONG;
    loop {
        let now = held();
        if now.0 <= base.0 + 2 && now.1 <= base.1 + 2 && now.2 <= base.2 + 40 {
            eprintln!(
                "{serial} cards, {frames} seen, {counts:?}, {base:?} then {now:?} in {:?}",
                begun.elapsed()
            );
            break;
        }
        assert!(Instant::now() < until, "threads, files, memory: {base:?} before, {now:?} after");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(stage.pool.shutdown(LONG));
}
