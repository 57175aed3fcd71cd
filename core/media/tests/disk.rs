//! The cache on a disk that fails: every operation of a scenario in turn, in every way. Bytes are right, playback goes
//! on, and what is claimed afterwards is there.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::World;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, FetchError, Media, MediaConfig, Priority, Purpose, ReadError};
use unspool_testkit::{DiskFault, FaultyDisk, Rule, pattern};

const LONG: Duration = Duration::from_secs(15);
const SIZE: usize = 210_000;

/// The files of the origin, so that a test knows what is right.
struct Files {
    first: Vec<u8>,
    second: Vec<u8>,
    other: Vec<u8>,
}

impl Files {
    fn new() -> Self {
        let bytes = pattern(3 * SIZE);
        Files {
            first: bytes[..SIZE].to_vec(),
            second: bytes[SIZE..2 * SIZE - 5_000].to_vec(),
            other: bytes[2 * SIZE..].to_vec(),
        }
    }
}

fn open(world: &World, disk: &Arc<FaultyDisk>) -> Arc<Media> {
    world.open_with(MediaConfig { disk: disk.clone(), keep_loaded: 1, ..world.config() })
}

/// Reads all of a file as a player does. It must be right whatever the disk does.
fn play(source: &dyn ByteSource, truth: &[u8], what: &str) {
    let (mut at, mut buf) = (0, vec![0; 40_000]);
    while at < truth.len() {
        match source.read_at(at as u64, &mut buf, LONG) {
            Ok(got) => {
                assert!(got > 0, "{what}: nothing at {at}");
                assert!(buf[..got] == truth[at..at + got], "{what}: wrong byte after {at}");
                at += got;
            }
            Err(error) => panic!("{what}: playback failed at {at}: {error}"),
        }
    }
}

/// Compares what is claimed with the origin, without a network. What the disk does not give back may be missing, as
/// long as the disk is what failed.
fn check_claims(media: &Media, key: &MediaKey, truth: &[u8], complete: bool, what: &str) {
    media.set_offline(true);
    let held = media.held(key);
    let source = media.source_of(key, truth.len() as u64);
    for span in held {
        let (mut at, mut buf) = (span.start, vec![0; 30_000]);
        while at < span.end {
            let want = buf.len().min((span.end - at) as usize);
            match source.read_at(at, &mut buf[..want], LONG) {
                Ok(got) => {
                    assert!(
                        got > 0 && buf[..got] == truth[at as usize..at as usize + got],
                        "{what}: at {at}"
                    );
                    at += got as u64;
                }
                Err(error) => {
                    assert!(!complete, "{what}: {at} of {span:?} is claimed and not there: {error}");
                    break;
                }
            }
        }
    }
    media.set_offline(false);
}

fn fetch(world: &World, media: &Media, key: &MediaKey, span: Span, what: &str) {
    let ticket = media.fetch(key, &[span], Priority::Prefetch, Purpose::Prefetch);
    match world.run(ticket.wait()) {
        Ok(_) | Err(FetchError::NoSpace | FetchError::Store) => {}
        Err(error) => panic!("{what}: a fetch ended with {error}"),
    }
}

/// Everything the store does to its files, once. Only playback must succeed.
fn scenario(world: &World, files: &Files, disk: &Arc<FaultyDisk>, what: &str) {
    world.server.put("a", files.first.clone(), "\"1\"");
    world.server.put("b", files.other.clone(), "\"1\"");
    let media = open(world, disk);
    let [a, b] = ["a", "b"].map(|path| world.register(&media, path, Container::Mp4));
    fetch(world, &media, &a, Span::new(0, 150_000), what);
    let _ = media.flush();
    let source = media.source_of(&a, SIZE as u64);
    play(&*source, &files.first, what);
    let _ = media.evict(&[(a.clone(), Span::new(70_000, 140_001))]);
    media.pin(&a);
    play(&*source, &files.first, what);
    drop(source);
    fetch(world, &media, &b, Span::new(100_000, SIZE as u64), what);
    play(&*media.source_of(&b, SIZE as u64), &files.other, what);
    check_claims(&media, &a, &files.first, false, what);
    let _ = world.run(media.shutdown(LONG));
    drop(media);

    let media = open(world, disk);
    let [a, b] = ["a", "b"].map(|path| world.register(&media, path, Container::Mp4));
    play(&*media.source_of(&a, SIZE as u64), &files.first, what);
    // Another version takes the place of the first one, which nothing of is left in the cache to compare with.
    world.server.put("a", files.second.clone(), "\"2\"");
    media.unpin(&a);
    let _ = media.evict(&[(a.clone(), Span::new(60_000, SIZE as u64))]);
    let old = media.source_of(&a, SIZE as u64);
    let changed = old.read_at(190_000, &mut [0; 10], LONG);
    assert!(matches!(changed, Err(ReadError::Failed { retryable: true, .. })), "{what}: {changed:?}");
    play(&*media.source_of(&a, files.second.len() as u64), &files.second, what);
    let _ = media.forget(&b);
    play(&*media.source_of(&b, SIZE as u64), &files.other, what);
    let _ = media.flush();
    let _ = world.run(media.shutdown(LONG));
}

/// What is true afterwards, on a disk that works again.
fn afterwards(world: &World, files: &Files, what: &str) {
    let media = world.open();
    assert!(!media.health().index_recovered, "{what}: the index broke");
    let [a, b] = ["a", "b"].map(|path| world.register(&media, path, Container::Mp4));
    let listed: u64 = media.stored().iter().flat_map(|stored| &stored.spans).map(Span::len).sum();
    assert_eq!(media.usage(), listed, "{what}: the total is that of the spans");
    check_claims(&media, &a, &files.second, true, what);
    check_claims(&media, &b, &files.other, true, what);
    assert_eq!(media.health().damaged_blocks, 0, "{what}: bytes were claimed that are not there");
    play(&*media.source_of(&a, files.second.len() as u64), &files.second, what);
    media.forget(&a).unwrap();
    media.forget(&b).unwrap();
    world.close(media);
}

/// Fails operation after operation until the scenario ends before its turn comes; how many there were.
fn sweep(fault: DiskFault, lasting: bool) -> u64 {
    let world = World::in_memory();
    let files = Files::new();
    for nth in 0.. {
        let what = format!("{fault:?} at operation {nth}{}", if lasting { " and after" } else { "" });
        let disk = FaultyDisk::with(Rule { operation: None, nth, lasting, fault });
        scenario(&world, &files, &disk, &what);
        afterwards(&world, &files, &what);
        if disk.struck() == 0 {
            assert!(nth > 40, "the scenario asks little of the disk: {nth} operations");
            return nth;
        }
    }
    unreachable!()
}

#[test]
fn no_space_at_any_operation() {
    sweep(DiskFault::NoSpace, false);
}

#[test]
fn no_space_from_any_operation_on() {
    sweep(DiskFault::NoSpace, true);
}

#[test]
fn an_error_at_any_operation() {
    sweep(DiskFault::Io, false);
}

#[test]
fn errors_from_any_operation_on() {
    sweep(DiskFault::Io, true);
}

#[test]
fn short_reads_and_writes_go_on_where_they_ended() {
    sweep(DiskFault::Short, false);
    let world = World::in_memory();
    let disk = FaultyDisk::with(Rule { operation: None, nth: 0, lasting: true, fault: DiskFault::Short });
    // With every operation halved a piece takes one operation per halving.
    scenario(&world, &Files::new(), &disk, "everything is short");
    afterwards(&world, &Files::new(), "everything was short");
    assert!(disk.struck() > 200);
}

#[test]
fn torn_operations_at_any_moment() {
    sweep(DiskFault::Torn, false);
}
