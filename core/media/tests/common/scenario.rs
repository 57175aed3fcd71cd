//! One scenario through the whole cache, for disks that fail: bytes are right, playback goes on, and what is claimed
//! afterwards is there.

use std::sync::Arc;
use std::time::Duration;

use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, FetchError, Media, Priority, Purpose, ReadError};
use unspool_testkit::pattern;

use super::World;

const LONG: Duration = Duration::from_secs(15);
const SIZE: usize = 210_000;

/// The files of the origin, so that a test knows what is right.
pub struct Files {
    first: Vec<u8>,
    second: Vec<u8>,
    other: Vec<u8>,
}

impl Files {
    pub fn new() -> Self {
        let bytes = pattern(3 * SIZE);
        Files {
            first: bytes[..SIZE].to_vec(),
            second: bytes[SIZE..2 * SIZE - 5_000].to_vec(),
            other: bytes[2 * SIZE..].to_vec(),
        }
    }
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

/// What is claimed of a file, read without a network. What the disk does not give back may be missing as long as the
/// disk is what fails.
fn claims(media: &Media, key: &MediaKey, complete: bool, what: &str) -> Vec<(u64, Vec<u8>)> {
    media.set_offline(true);
    let source = media.source_of(key, SIZE as u64);
    let mut claims = Vec::new();
    for span in media.held(key) {
        let (mut at, mut buf) = (span.start, vec![0; 30_000]);
        while at < span.end {
            let want = buf.len().min((span.end - at) as usize);
            match source.read_at(at, &mut buf[..want], LONG) {
                Ok(got) => {
                    assert!(got > 0, "{what}: {at} of {span:?} is claimed and not there");
                    claims.push((at, buf[..got].to_vec()));
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
    claims
}

fn are_of(claims: &[(u64, Vec<u8>)], truth: &[u8]) -> bool {
    claims.iter().all(|(at, bytes)| truth.get(*at as usize..*at as usize + bytes.len()) == Some(bytes))
}

fn fetch(world: &World, media: &Media, key: &MediaKey, span: Span, what: &str) {
    let ticket = media.fetch(key, &[span], Priority::Prefetch, Purpose::Prefetch);
    match world.run(ticket.wait()) {
        Ok(_) | Err(FetchError::NoSpace | FetchError::Store) => {}
        Err(error) => panic!("{what}: a fetch ended with {error}"),
    }
}

/// Everything the store does to its files, once. Only playback must succeed; where `open` says that the cache cannot
/// be opened, there is none.
pub fn scenario(world: &World, files: &Files, open: impl Fn() -> Option<Arc<Media>>, what: &str) {
    world.server.put("a", files.first.clone(), "\"1\"");
    world.server.put("b", files.other.clone(), "\"1\"");
    let Some(media) = open() else { return };
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
    assert!(are_of(&claims(&media, &a, false, what), &files.first), "{what}: wrong bytes");
    let _ = world.run(media.shutdown(LONG));
    drop(media);

    let Some(media) = open() else { return };
    let [a, b] = ["a", "b"].map(|path| world.register(&media, path, Container::Mp4));
    play(&*media.source_of(&a, SIZE as u64), &files.first, what);
    // Another version takes the place of the first one, which nothing of is left in the cache to compare with.
    world.server.put("a", files.second.clone(), "\"2\"");
    media.unpin(&a);
    let evicted = || media.evict(&[(a.clone(), Span::new(60_000, SIZE as u64))]).is_ok();
    if !evicted() && !evicted() {
        // Without a way to give bytes up nobody learns of another version.
        let _ = world.run(media.shutdown(LONG));
        return;
    }
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
pub fn afterwards(world: &World, files: &Files, what: &str) {
    let media = world.open();
    assert!(!media.health().index_recovered, "{what}: the index broke");
    let [a, b] = ["a", "b"].map(|path| world.register(&media, path, Container::Mp4));
    let listed: u64 = media.stored().iter().flat_map(|stored| &stored.spans).map(Span::len).sum();
    assert_eq!(media.usage(), listed, "{what}: the total is that of the spans");
    // The index may not have learnt of the second version; then it claims the first, whose file is still there.
    let held = claims(&media, &a, true, what);
    assert!(are_of(&held, &files.first) || are_of(&held, &files.second), "{what}: wrong bytes");
    assert!(are_of(&claims(&media, &b, true, what), &files.other), "{what}: wrong bytes");
    assert_eq!(media.health().damaged_blocks, 0, "{what}: bytes were claimed that are not there");
    media.forget(&a).unwrap();
    world.close(media);
    world.server.put("a", files.second.clone(), "\"2\"");
    let media = world.open();
    world.register(&media, "a", Container::Mp4);
    play(&*media.source_of(&a, files.second.len() as u64), &files.second, what);
    media.forget(&a).unwrap();
    media.forget(&b).unwrap();
    world.close(media);
}
