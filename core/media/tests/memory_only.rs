//! A directory that gives no place for a cache: the session has a small one in memory, says so, and plays.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod gateway_common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::World;
use common::fixture::mp4_of;
use gateway_common::Door;
use unspool_engine::eviction::{self, Holding};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, Media, MediaConfig, MediaError, MemoryOnly, Priority, StoreError};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);
const MIB: u64 = 1 << 20;

/// A directory in which nothing can be created, whoever asks: not even the superuser makes one there.
#[cfg(target_os = "linux")]
const NOWHERE: &str = "/sys/kernel/unspool-cache";

fn play(source: &dyn ByteSource, truth: &[u8]) {
    let (mut at, mut buf) = (0, vec![0; 100_000]);
    while at < truth.len() {
        let got = source.read_at(at as u64, &mut buf, LONG).unwrap();
        assert!(got > 0 && buf[..got] == truth[at..at + got], "wrong byte after {at}");
        at += got;
    }
}

fn config(world: &World, dir: impl Into<PathBuf>) -> MediaConfig {
    MediaConfig { dir: dir.into(), ..world.config() }
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_written_to_costs_no_playback() {
    let world = World::new();
    let file = mp4_of(&pattern(1_000_000), 5_000, false);
    world.server.put("a", file.clone(), "\"1\"");
    let media = world.open_with(config(&world, NOWHERE));
    assert_eq!(media.health().memory_only, Some(MemoryOnly::NotWritable));
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Playback)).unwrap();
    play(&*media.source(&key).unwrap(), &file);
    let door = Door::open(&world, &media);
    assert!(world.run(door.get(&door.gateway.url(&key).unwrap(), &[])).body == file);
    world.server.assert_no_byte_twice("a");

    // It is a cache like any other, but for files that could be handed out.
    assert!(media.is_complete(&key) && media.usage() == file.len() as u64);
    assert!(matches!(media.complete_file(&key), Err(MediaError::InMemory)));
    media.pin(&key);
    media.flush().unwrap();
    assert_eq!(media.pinned().unwrap(), std::slice::from_ref(&key));
    assert_eq!(media.stored().len(), 1);
    assert_eq!(media.evict(&[(key.clone(), Span::new(0, 500_000))]).unwrap(), 0, "pinned");
    media.unpin(&key);
    assert_eq!(media.evict(&[(key.clone(), Span::new(131_072, 500_000))]).unwrap(), 368_928);
    play(&*media.source(&key).unwrap(), &file);
    assert_eq!(media.forget(&key).unwrap(), file.len() as u64);
    assert_eq!((media.usage(), media.stored().len()), (0, 0));
    drop(door);
    world.close(media);
    assert!(!Path::new(NOWHERE).exists());
}

#[test]
#[cfg(target_os = "linux")]
fn it_holds_as_much_as_it_may_and_goes_on() {
    let world = World::new();
    let room = 4 * MIB;
    let media = world.open_with(MediaConfig { memory_cache: room, ..config(&world, NOWHERE) });
    let file = pattern(700_000);
    let holding = |stored: unspool_media::StoredMedia| Holding {
        pinned: stored.pinned,
        last_use: u64::try_from(stored.last_used_ms).unwrap(),
        spans: stored.spans,
        key: stored.key,
    };
    let mut read_through = false;
    for n in 0..24 {
        let path = format!("f{n}");
        world.server.put(&path, file.clone(), "\"1\"");
        let key = world.register(&media, &path, Container::Mp4);
        play(&*media.source_of(&key, file.len() as u64), &file);
        let health = media.health();
        let (used, free) = (media.usage(), media.free_space().unwrap());
        assert!(used + free <= room, "{n}: {used} used, {free} free");
        // A reader has its bytes a moment before older ones make room for them.
        let deadline = Instant::now() + LONG;
        while media.health().memory_bytes > 8 * MIB {
            assert!(Instant::now() < deadline, "{n}: {health:?}");
            std::thread::yield_now();
        }
        read_through |= health.read_through;
        if n == 11 {
            assert!(read_through, "twice of what it holds");
            // What the session's budget does.
            let oldest = media.oldest(3 * MIB, &BTreeSet::new()).unwrap();
            let plan = eviction::evict(&oldest.into_iter().map(holding).collect::<Vec<_>>(), 3 * MIB);
            assert!(media.evict(&plan).unwrap() >= 3 * MIB && !media.health().read_through);
            let before = media.usage();
            let key = MediaKey::new("f0", "r");
            play(&*media.source_of(&key, file.len() as u64), &file);
            assert!(media.usage() > before, "it caches again");
        }
    }
    world.close(media);
}

#[test]
fn a_mistake_and_another_owner_stay_errors() {
    let world = World::new();
    let handle = world.runtime.handle();
    let media = world.open();
    let second = Media::open(world.config(), handle.clone());
    assert!(matches!(second, Err(MediaError::Store(StoreError::InUse))), "{second:?}");
    world.close(media);
    let file = world.dir.path().join("a-file");
    std::fs::write(&file, b"").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let opened = Media::open(config(&world, dir), handle.clone());
        assert!(matches!(opened, Err(MediaError::Store(StoreError::Io(_)))), "{opened:?}");
    }
    #[cfg(target_os = "linux")]
    {
        let unwanted = MediaConfig { memory_cache: 0, ..config(&world, NOWHERE) };
        let opened = Media::open(unwanted, handle.clone());
        assert!(matches!(opened, Err(MediaError::Store(StoreError::Io(_)))), "{opened:?}");
    }
}
