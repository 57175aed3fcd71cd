//! What the store promises: right bytes whatever happens in between, and holes instead of wrong bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::fixture::mp4_of;
use common::{Fault, World};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, Media, MediaConfig, Priority, Purpose};
use unspool_testkit::{byte_source_contract, byte_source_waiting_contract, pattern};

const LONG: Duration = Duration::from_secs(15);

/// Media layers stay open as long as their sources are in use.
struct Sources {
    world: World,
    media: Arc<Media>,
    count: Mutex<u32>,
}

impl Sources {
    fn new() -> Self {
        let world = World::new();
        let media = world.open();
        Sources { world, media, count: Mutex::new(0) }
    }

    fn make(&self, bytes: Vec<u8>, stall: Option<u64>) -> Arc<dyn ByteSource> {
        let path = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            format!("f{count}")
        };
        let size = bytes.len() as u64;
        self.world.server.put(&path, bytes, "\"1\"");
        let key = self.world.register(&self.media, &path, Container::Mp4);
        if let Some(stall) = stall {
            self.world.fetch(&self.media, &key, Span::new(0, stall));
            self.world.server.always(&path, Some(Fault::Gate));
        }
        self.media.source_of(&key, size)
    }
}

#[test]
fn store_backed_sources_keep_the_contract() {
    let sources = Sources::new();
    byte_source_contract(|bytes| sources.make(bytes, None));
}

#[test]
fn store_backed_sources_keep_the_waiting_contract() {
    let sources = Sources::new();
    byte_source_waiting_contract(|bytes, stall| sources.make(bytes, Some(stall)));
}

/// A small generator, so that a failing run can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn span(&mut self, size: u64) -> Span {
        let start = self.roll(size);
        Span::new(start, (start + 1 + self.roll(150_000)).min(size))
    }
}

#[test]
fn random_fetches_reads_evictions_and_restarts_never_give_a_wrong_byte() {
    let world = World::new();
    let mut files = Vec::new();
    for n in 0..3u8 {
        let bytes = mp4_of(&pattern(400_000 + usize::from(n) * 77_777), 3_000, n == 1);
        world.server.put(&format!("m{n}"), bytes.clone(), "\"1\"");
        files.push(bytes);
    }
    let mut dice = Dice(20_261_122);
    // Two of three entries stay in memory, so that they come and go.
    let open_media = || world.open_with(MediaConfig { keep_loaded: 2, ..world.config() });
    let mut media = open_media();
    let register = |media: &Media| -> Vec<MediaKey> {
        (0..3).map(|n| world.register(media, &format!("m{n}"), Container::Mp4)).collect()
    };
    let mut keys = register(&media);
    let mut open: Vec<Option<Arc<dyn ByteSource>>> = vec![None, None, None];
    let mut buf = vec![0; 40_000];
    for step in 0..10_000 {
        let n = dice.roll(3) as usize;
        let (key, bytes) = (&keys[n], &files[n]);
        let size = bytes.len() as u64;
        match dice.roll(100) {
            0..70 => {
                if open[n].is_none() {
                    world.run(media.probe(key, Priority::Playback)).unwrap();
                    open[n] = Some(media.source(key).unwrap());
                }
                let Some(source) = &open[n] else { continue };
                let at = dice.roll(size);
                let want = 1 + dice.roll(buf.len() as u64 - 1) as usize;
                let got = source.read_at(at, &mut buf[..want], LONG).unwrap();
                assert!(
                    got > 0 && buf[..got] == bytes[at as usize..at as usize + got],
                    "step {step}: read at {at}"
                );
            }
            70..80 => {
                let span = dice.span(size);
                let ticket = media.fetch(key, &[span], Priority::Prefetch, Purpose::Prefetch);
                match dice.roll(3) {
                    0 => world.run(ticket.wait()).map(drop).unwrap(),
                    1 => ticket.cancel(),
                    _ => ticket.promote(Priority::Playback),
                }
            }
            80..94 => {
                let span = dice.span(size);
                media.evict(&[(key.clone(), span)]).unwrap();
            }
            94..96 => {
                media.forget(key).unwrap();
                open[n] = None;
            }
            96..99 => {
                let held: u64 = media.held(key).iter().map(Span::len).sum();
                assert!(held <= size, "step {step}: held {held} of {size}");
            }
            _ => {
                open = vec![None, None, None];
                world.close(media);
                media = open_media();
                keys = register(&media);
            }
        }
    }
    let health = media.health();
    assert_eq!((health.damaged_blocks, health.index_failures), (0, 0));
}

#[test]
fn eviction_frees_space_and_respects_pins() {
    let world = World::new();
    let bytes = mp4_of(&pattern(1_000_000), 4_000, false);
    let size = bytes.len() as u64;
    world.server.put("a", bytes, "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, size));
    media.flush().unwrap();
    let occupied = || fs_bytes(&world.dir.path().join("spans"));
    let before = occupied();
    media.pin(&key);
    assert_eq!(media.evict(&[(key.clone(), Span::new(0, size))]).unwrap(), 0);
    media.unpin(&key);
    assert_eq!(media.evict(&[(key.clone(), Span::new(100_000, 900_000))]).unwrap(), 800_000);
    assert_eq!(media.held(&key), vec![Span::new(0, 100_000), Span::new(900_000, size)]);
    assert_eq!(media.usage(), size - 800_000);
    assert!(occupied() + 700_000 < before, "the file system got the bytes back");
    assert_eq!(media.stored()[0].spans.len(), 2);
    media.pin(&key);
    world.close(media);
    let media = world.open();
    assert!(media.stored()[0].pinned, "pins survive a restart");
    assert_eq!(media.forget(&key).unwrap(), size - 800_000);
    assert!(media.stored().is_empty());
    assert_eq!(occupied(), 0);
}

/// Bytes the files under `dir` occupy on the disk.
fn fs_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    files_under(dir).iter().map(|path| fs::metadata(path).unwrap().blocks() * 512).sum()
}

fn files_under(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_under(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_flipped_bit_becomes_a_hole_and_is_fetched_again() {
    let world = World::new();
    let bytes = mp4_of(&pattern(500_000), 4_000, false);
    let all = Span::new(0, bytes.len() as u64);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, all);
    world.close(media);
    for path in files_under(&world.dir.path().join("spans")) {
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 200_000).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 200_000).unwrap();
    }
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let requests = world.server.requests();
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let source = media.source(&key).unwrap();
    let mut out = vec![0; bytes.len()];
    let mut got = 0;
    while got < out.len() {
        got += source.read_at(got as u64, &mut out[got..], LONG).unwrap();
    }
    assert!(out == bytes);
    assert_eq!(media.health().damaged_blocks, 1);
    assert_eq!(world.server.requests(), requests + 1, "only the bad block was fetched again");
}

#[test]
fn rot_under_a_running_session_is_found_within_some_loops_and_fetched_again() {
    let world = World::new();
    let bytes = mp4_of(&pattern(500_000), 4_000, false);
    let size = bytes.len() as u64;
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, size));
    let source = media.source_of(&key, size);
    let requests = world.server.requests();
    let mut out = vec![0; bytes.len()];
    let mut play = || {
        let mut got = 0;
        while got < out.len() {
            let piece = out.len().min(got + 16_000);
            got += source.read_at(got as u64, &mut out[got..piece], LONG).unwrap();
        }
        out == bytes
    };
    for _ in 0..40 {
        assert!(play(), "nothing is wrong yet");
    }
    assert_eq!((media.health().damaged_blocks, world.server.requests()), (0, requests));
    let [path] = &files_under(&world.dir.path().join("spans"))[..] else { panic!("one file") };
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 300_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 300_000).unwrap();
    // Eight mebibytes of reading compare one of its eight blocks: about 128 loops on average.
    let loops = (1..2_000).find(|_| play() && media.health().damaged_blocks == 1).expect("rot is found");
    assert!(loops > 1, "not every read compares");
    assert!(play());
    let again: u64 = world.server.log()[requests..].iter().map(|logged| logged.sent.len()).sum();
    assert_eq!(again, 65_536, "only the bad block was fetched again");
}

#[test]
fn lost_and_shortened_files_become_holes() {
    for shorten in [Some(100_000), None] {
        let world = World::new();
        let bytes = mp4_of(&pattern(300_000), 4_000, false);
        world.server.put("a", bytes.clone(), "\"1\"");
        let media = world.open();
        let key = world.register(&media, "a", Container::Mp4);
        world.run(media.probe(&key, Priority::Next)).unwrap();
        world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
        world.close(media);
        for path in files_under(&world.dir.path().join("spans")) {
            match shorten {
                Some(len) => fs::File::options().write(true).open(path).unwrap().set_len(len).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
        }
        let media = world.open();
        let key = world.register(&media, "a", Container::Mp4);
        world.run(media.probe(&key, Priority::Next)).unwrap();
        let source = media.source(&key).unwrap();
        let mut out = vec![0; 1000];
        for at in [50_000, 150_000, 299_000] {
            let got = source.read_at(at, &mut out, LONG).unwrap();
            assert!(got > 0 && out[..got] == bytes[at as usize..at as usize + got]);
        }
    }
}

#[test]
fn a_corrupt_index_is_moved_aside() {
    let world = World::new();
    world.server.put("a", mp4_of(&pattern(300_000), 4_000, false), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, 200_000));
    world.close(media);
    fs::write(world.dir.path().join("index.db"), b"this was a database once, and now it is not any more")
        .unwrap();
    let media = world.open();
    assert!(media.health().index_recovered);
    assert_eq!(media.usage(), 0);
    assert!(world.dir.path().join("corrupt-index.db").exists());
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, 200_000));
    assert_eq!(media.usage(), 200_000);
    world.close(media);
    let media = world.open();
    assert!(!media.health().index_recovered);
    assert_eq!(media.usage(), 200_000);
}
