//! The index on a disk that fails: every read, write, sync, truncation and opening of SQLite in turn.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::World;
use common::scenario::{Files, afterwards, scenario};
use unspool_engine::{Container, Span};
use unspool_media::{Media, MediaConfig, MediaError, MemoryOnly, StoreError};
use unspool_testkit::{DiskFault, FaultyIndex, pattern};

/// Opens the cache, or says in the right words that it cannot be opened.
fn open(world: &World, what: &str) -> Option<Arc<Media>> {
    let config = MediaConfig { keep_loaded: 1, ..world.config() };
    match Media::open(config, world.runtime.handle().clone()) {
        Ok(media) => Some(media),
        Err(MediaError::Store(StoreError::Full | StoreError::Index(_) | StoreError::Io(_))) => None,
        Err(error) => panic!("{what}: opening says {error}"),
    }
}

fn sweep(faults: &FaultyIndex, fault: DiskFault, lasting: bool, first: u64, stride: usize) {
    let world = World::in_memory();
    let files = Files::new();
    for nth in (first..).step_by(stride) {
        let what =
            format!("{fault:?} at operation {nth} of the index{}", if lasting { " and after" } else { "" });
        faults.set(nth, lasting, fault);
        scenario(&world, &files, || open(&world, &what), &what);
        let struck = faults.struck();
        faults.heal();
        afterwards(&world, &files, &what);
        if struck == 0 {
            assert!(nth > 100, "the scenario asks little of the index: {nth} operations");
            return;
        }
    }
}

#[test]
fn an_index_that_cannot_be_written_costs_no_playback() {
    let faults = FaultyIndex::install();
    for (first, fault) in [DiskFault::NoSpace, DiskFault::Io, DiskFault::Torn].into_iter().enumerate() {
        // Every operation meets one of the three.
        sweep(&faults, fault, false, first as u64, 3);
        sweep(&faults, fault, true, first as u64, 17);
    }
}

#[test]
fn where_no_index_can_be_made_the_cache_is_in_memory() {
    let faults = FaultyIndex::install();
    for (fault, why) in [(DiskFault::NoSpace, MemoryOnly::NoSpace), (DiskFault::Io, MemoryOnly::Failing)] {
        let world = World::in_memory();
        let truth = pattern(300_000);
        world.server.put("a", truth.clone(), "\"1\"");
        // The first operations open files that are not there yet; what is written comes after them.
        faults.set(4, true, fault);
        let media = world.open();
        assert_eq!(media.health().memory_only, Some(why), "{fault:?}");
        let key = world.register(&media, "a", Container::Mp4);
        let source = media.source_of(&key, truth.len() as u64);
        let (mut at, mut buf) = (0, vec![0; 50_000]);
        for _ in 0..2 {
            while at < truth.len() {
                let got = source.read_at(at as u64, &mut buf, Duration::from_secs(15)).unwrap();
                assert!(got > 0 && buf[..got] == truth[at..at + got], "{fault:?}: wrong byte after {at}");
                at += got;
            }
            at = 0;
        }
        world.server.assert_no_byte_twice("a");
        media.flush().unwrap();
        drop(source);
        world.close(media);
        // The next session finds a disk that works, and nothing of this one.
        faults.heal();
        let media = world.open();
        assert_eq!((media.health().memory_only, media.usage()), (None, 0));
        world.close(media);
    }
}

/// A small generator, so that a failing run can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Damages a file in one of the ways of rot: a bit, a page of zeros, a page of noise, a lost end.
fn rot(path: &Path, dice: &mut Dice) {
    let mut bytes = fs::read(path).unwrap();
    let at = dice.roll(bytes.len() as u64) as usize;
    let page = at / 4_096 * 4_096..(at / 4_096 * 4_096 + 4_096).min(bytes.len());
    match dice.roll(5) {
        0 | 1 => bytes[at] ^= 1 << dice.roll(8),
        2 => bytes[page].fill(0),
        3 => bytes[page].iter_mut().for_each(|byte| *byte = dice.roll(256) as u8),
        _ => bytes.truncate(at),
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_rotten_index_gives_holes_and_no_wrong_byte() {
    let _faults = FaultyIndex::install();
    let world = World::in_memory();
    let truth = pattern(600_000);
    world.server.put("a", truth.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let mut dice = Dice(20_261_122);
    // Commits that follow one another in the log, removals among them: without its end the log tells of bytes that are
    // punched out by now.
    for _ in 0..12 {
        let at = dice.roll(500_000);
        world.fetch(&media, &key, Span::new(at, at + 1 + dice.roll(90_000)));
        let at = dice.roll(500_000);
        media.evict(&[(key.clone(), Span::new(at, at + 1 + dice.roll(70_000)))]).unwrap();
    }
    let still = world.dir.path().with_extension("still");
    copy_folder(world.dir.path(), &still);
    world.close(media);
    let (mut read, mut lost, mut refused) = (0, 0, 0);
    for round in 0..150 {
        let dir = tempfile::tempdir_in(world.dir.path()).unwrap();
        copy_folder(&still, dir.path());
        let _ = fs::remove_file(dir.path().join("index.db-shm"));
        rot(&dir.path().join(if round % 3 == 0 { "index.db" } else { "index.db-wal" }), &mut dice);
        let open = || Media::open(MediaConfig::new(dir.path()), world.runtime.handle().clone());
        let media = match open() {
            Ok(media) => media,
            // Some rot looks like a newer version or a schema of somebody else: a typed error, and no guess.
            Err(MediaError::Store(StoreError::Migration(_) | StoreError::Index(_))) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("round {round}: {error}"),
        };
        let key = world.register(&media, "a", Container::Mp4);
        media.set_offline(true);
        let source = media.source_of(&key, truth.len() as u64);
        for span in media.held(&key) {
            let (mut at, mut buf) = (span.start, vec![0; 50_000]);
            let end = span.end.min(truth.len() as u64);
            while at < end {
                let want = buf.len().min((end - at) as usize);
                let Ok(got) = source.read_at(at, &mut buf[..want], Duration::from_secs(5)) else { break };
                assert!(
                    buf[..got] == truth[at as usize..at as usize + got],
                    "round {round}: wrong byte at {at}"
                );
                at += got as u64;
                read += got;
            }
            lost += u64::from(at < end);
        }
        world.run(media.shutdown(Duration::from_secs(5))).ok();
    }
    fs::remove_dir_all(still).unwrap();
    assert!(read > 1_000_000 && lost > 0, "{read} bytes read, {lost} spans not there, {refused} refused");
    assert!(refused < 30, "an index that rots is replaced, not refused: {refused}");
}
