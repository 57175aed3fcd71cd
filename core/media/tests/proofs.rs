//! Four promises about requests, proved from the server's log: no byte twice while it is held, no request for what is
//! complete, one chunk at most after a cancel, one question for a fresh address when a file is refused in the middle.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod gateway_common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::fixture::mp4_of;
use common::{Fault, Logged, World, eventually};
use futures_util::future::BoxFuture;
use gateway_common::Door;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    Limits, Location, Media, MediaConfig, MediaError, Priority, Purpose, ResolveError, UrlResolver,
};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);

/// What was sent of `path`, ascending; a line that does not say exactly which bytes it is about fails.
fn sent(log: &[Logged], path: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    for line in log.iter().filter(|line| line.path == format!("/{path}")) {
        match (line.status, line.span) {
            (206, Some(asked)) => {
                assert_eq!(line.sent.start, asked.start, "another place than asked for: {line:?}");
                assert!(line.sent.end <= asked.end, "more than asked for: {line:?}");
            }
            (400..=599, _) => assert!(line.sent.is_empty(), "{line:?}"),
            _ => panic!("not an answer to a range: {line:?}"),
        }
        spans.push(line.sent);
    }
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable();
    spans
}

fn overlap(a: &[Span], b: &[Span]) -> Option<(Span, Span)> {
    a.iter().flat_map(|x| b.iter().map(move |y| (*x, *y))).find(|(x, y)| x.start < y.end && y.start < x.end)
}

fn assert_disjoint(spans: &[Span]) {
    for pair in spans.windows(2) {
        assert!(pair[0].end <= pair[1].start, "sent twice: {:?} and {:?}", pair[0], pair[1]);
    }
}

fn read_all(media: &Media, key: &MediaKey) -> Vec<u8> {
    let source = media.source(key).unwrap();
    let mut out = vec![0; source.size() as usize];
    let mut got = 0;
    while got < out.len() {
        got += source.read_at(got as u64, &mut out[got..], LONG).unwrap();
    }
    out
}

#[test]
fn no_byte_is_asked_for_twice_while_it_is_held() {
    const CLIPS: usize = 4;
    let world = World::new();
    let names: Vec<String> = (0..CLIPS).map(|n| format!("clip{n}")).collect();
    let bytes = mp4_of(&pattern(1_500_000), 4_000, false);
    let size = bytes.len() as u64;
    names.iter().for_each(|name| world.server.put(name, bytes.clone(), "\"1\""));
    let mut rng = StdRng::seed_from_u64(11);
    let open = |world: &World| {
        let media = world.open();
        let keys: Vec<MediaKey> =
            names.iter().map(|name| world.register(&media, name, Container::Mp4)).collect();
        (media, keys)
    };
    let (mut media, mut keys) = open(&world);
    let mut seen = 0;
    for step in 0..400 {
        let at = rng.random_range(0..CLIPS);
        let held = media.held(&keys[at]);
        let start = rng.random_range(0..size);
        let span = Span::new(start, (start + rng.random_range(1..400_000)).min(size));
        match rng.random_range(0..20) {
            0 => {
                world.close(media);
                (media, keys) = open(&world);
                assert_eq!(media.held(&keys[at]), held, "a restart forgets nothing");
            }
            1 | 2 => {
                media.evict(&[(keys[at].clone(), span)]).unwrap();
            }
            3..6 => {
                let key = keys[at].clone();
                world.run(media.probe(&key, Priority::Next)).unwrap();
                let source = media.source(&key).unwrap();
                let mut piece = vec![0; 20_000.min((size - start) as usize)];
                let got = source.read_at(start, &mut piece, LONG).unwrap();
                assert!(piece[..got] == bytes[start as usize..start as usize + got]);
            }
            6..10 => {
                let ticket = media.fetch(&keys[at], &[span], Priority::Prefetch, Purpose::Prefetch);
                ticket.cancel();
            }
            _ => {
                let both = [Priority::Prefetch, Priority::Playback]
                    .map(|priority| media.fetch(&keys[at], &[span], priority, Purpose::Prefetch));
                both.iter().for_each(|ticket| assert!(world.run(ticket.wait()).is_ok()));
            }
        }
        keys.iter().for_each(|key| world.run(media.idle(key)));
        let log = world.server.log();
        let fresh = sent(&log[seen..], &names[at]);
        assert_disjoint(&fresh);
        if let Some((held, asked)) = overlap(&held, &fresh) {
            panic!("step {step}: {asked:?} was asked for although {held:?} was held");
        }
        seen = log.len();
    }
    let counts = media.counts();
    assert_eq!(counts.duplicate, 0);
    assert!(seen > 80, "{seen} requests show something");
}

#[test]
fn a_complete_asset_and_its_loop_ask_for_nothing_in_the_reader_the_gateway_and_the_file() {
    let world = World::new();
    let bytes = mp4_of(&pattern(900_000), 4_000, true);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    assert!(matches!(media.complete_file(&key), Err(MediaError::NotProbed)));
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(matches!(media.complete_file(&key), Err(MediaError::Incomplete)));
    world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
    assert_disjoint(&sent(&world.server.log(), "a"));
    let asked = world.server.requests();
    world.close(media);
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    for _ in 0..3 {
        world.run(media.probe(&key, Priority::Playback)).unwrap();
        assert!(read_all(&media, &key) == bytes);
        assert!(world.run(door.get(&url, &[])).body == bytes);
        let part = world.run(door.get(&url, &[("range", "bytes=100-299999")]));
        assert!(part.body == bytes[100..300_000]);
        assert!(std::fs::read(media.complete_file(&key).unwrap().path()).unwrap() == bytes);
        world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
    }
    assert_eq!(world.server.requests(), asked);
    assert_eq!(media.counts().network, 0);
}

#[test]
fn a_file_that_is_handed_out_stays_until_it_is_given_back_and_damage_is_not_handed_out() {
    let world = World::new();
    let bytes = mp4_of(&pattern(400_000), 4_000, false);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let all = Span::new(0, bytes.len() as u64);
    world.fetch(&media, &key, all);
    let file = media.complete_file(&key).unwrap();
    let second = media.complete_file(&key).unwrap();
    assert_eq!((file.size(), file.path()), (all.end, second.path()));
    assert_eq!(media.evict(&[(key.clone(), all)]).unwrap(), 0, "somebody reads it");
    media.flush().unwrap();
    assert!(media.oldest(1, &std::collections::BTreeSet::new()).unwrap().is_empty(), "and it is not offered");
    drop(second);
    assert_eq!(media.evict(&[(key.clone(), all)]).unwrap(), 0, "the first still does");
    assert!(std::fs::read(file.path()).unwrap() == bytes);
    let path = file.path().to_owned();
    drop(file);
    assert!(!media.is_leased(&key));

    // A bit flips while nobody looks: the next opening finds it out, and a fetch brings the block again.
    world.close(media);
    let mut damaged = bytes.clone();
    damaged[200_000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    assert!(matches!(media.complete_file(&key), Err(MediaError::Incomplete)));
    world.fetch(&media, &key, all);
    assert!(std::fs::read(media.complete_file(&key).unwrap().path()).unwrap() == bytes);
    assert_eq!(media.evict(&[(key.clone(), all)]).unwrap(), all.end);
}

#[test]
fn after_a_cancel_at_most_one_more_chunk_arrives() {
    let world = World::new();
    let limits = Limits { chunk_max: 64 * 1024, ..common::quick() };
    let media = world.open_with(MediaConfig { limits, ..world.config() });
    let mut rng = StdRng::seed_from_u64(5);
    for round in 0..25 {
        let name = format!("clip{round}");
        world.server.put(&name, mp4_of(&pattern(1_200_000), 4_000, false), "\"1\"");
        world.server.always(&name, Some(Fault::Slow(Duration::from_micros(300))));
        let key = world.register(&media, &name, Container::Mp4);
        let ticket = media.fetch(&key, &[Span::new(0, 1_200_000)], Priority::Offline, Purpose::Offline);
        let requests = rng.random_range(1..6);
        eventually("some requests", || world.server.asked(&name) >= requests);
        ticket.cancel();
        let before: u64 = media.held(&key).iter().map(Span::len).sum();
        let asked = world.server.asked(&name);
        world.run(media.idle(&key));
        let after: u64 = media.held(&key).iter().map(Span::len).sum();
        assert!(after - before <= 64 * 1024, "round {round}: {} more bytes", after - before);
        assert!(world.server.asked(&name) <= asked + 1, "round {round}: a request was on its way at most");
        let counted: u64 = sent(&world.server.log(), &name).iter().map(Span::len).sum();
        assert_eq!(after, counted, "and it was received to its end");
    }
    assert_eq!(media.counts().by_purpose.offline.network, media.counts().network);
}

struct Fresh {
    url: String,
    calls: AtomicUsize,
}

impl UrlResolver for Fresh {
    fn resolve(&self, _key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Location::new(&self.url)) })
    }
}

#[test]
fn a_refusal_in_the_middle_of_a_file_causes_one_question_however_many_wait() {
    let world = World::new();
    let bytes = mp4_of(&pattern(1_500_000), 4_000, false);
    let size = bytes.len() as u64;
    world.server.put("a", bytes.clone(), "\"1\"");
    let fresh = Arc::new(Fresh { url: world.server.url("a?sig=2"), calls: AtomicUsize::new(0) });
    let media = world.open_with(MediaConfig { resolver: Some(fresh.clone()), ..world.config() });
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, 400_000));
    assert_eq!(fresh.calls.load(Ordering::SeqCst), 0);
    world.server.require("a", "sig=2");
    let parts = [(400_000, 700_000), (700_000, 1_000_000), (1_000_000, size)];
    let tickets = parts.map(|(start, end)| {
        media.fetch(&key, &[Span::new(start, end)], Priority::Prefetch, Purpose::Prefetch)
    });
    assert!(read_all(&media, &key) == bytes);
    tickets.iter().for_each(|ticket| assert!(world.run(ticket.wait()).is_ok()));
    assert_eq!(fresh.calls.load(Ordering::SeqCst), 1);
    let log = world.server.log();
    let refused = log.iter().filter(|line| line.status == 403).count();
    assert!((1..=3).contains(&refused), "only what was on its way was refused: {refused}");
    assert_disjoint(&sent(&log, "a"));
}

#[test]
fn each_purpose_has_its_own_account_and_they_add_up_to_the_log() {
    let world = World::new();
    let bytes = mp4_of(&pattern(300_000), 4_000, false);
    let size = bytes.len() as u64;
    let media = world.open();
    let fetches = [
        ("next", Priority::Next, Purpose::Next),
        ("prefetch", Priority::Prefetch, Purpose::Prefetch),
        ("offline", Priority::Offline, Purpose::Offline),
    ];
    for (name, priority, purpose) in fetches {
        world.server.put(name, bytes.clone(), "\"1\"");
        let key = world.register(&media, name, Container::Mp4);
        world.run(media.fetch(&key, &[Span::new(0, size)], priority, purpose).wait()).unwrap();
        world.run(media.fetch(&key, &[Span::new(0, 1_000)], priority, purpose).wait()).unwrap();
    }
    for name in ["probe", "playback"] {
        world.server.put(name, bytes.clone(), "\"1\"");
        let key = world.register(&media, name, Container::Mp4);
        world.run(media.probe(&key, Priority::Next)).unwrap();
        if name == "playback" {
            assert!(read_all(&media, &key) == bytes);
            assert!(read_all(&media, &key) == bytes);
        }
    }
    world.server.put("refused", bytes, "\"1\"");
    world.server.fault("refused", Fault::Short(9_000));
    let key = world.register(&media, "refused", Container::Mp4);
    world
        .run(media.fetch(&key, &[Span::new(0, size)], Priority::Prefetch, Purpose::Prefetch).wait())
        .unwrap();

    let log = world.server.log();
    let of = |path: &str| sent(&log, path).iter().map(Span::len).sum::<u64>();
    let counts = media.counts();
    let by = counts.by_purpose;
    assert_eq!(by.next.network, of("next"));
    assert_eq!(by.prefetch.network, of("prefetch") + of("refused"));
    assert_eq!(by.offline.network, of("offline"));
    assert_eq!(by.probe.network + by.playback.network, of("probe") + of("playback"));
    assert_eq!(by.probe.network % of("probe"), 0, "two probes of the same file");
    assert_eq!((by.prefetch.from_cache, by.offline.from_cache), (1_000, 1_000));
    assert!(by.playback.from_cache >= size, "the second reading");
    assert_eq!(by.playback.wasted, 0, "all of it was read");
    assert_eq!((by.next.wasted, by.offline.wasted), (size, size), "nobody has read it so far");
    assert_eq!(counts.network, log.iter().map(|line| line.sent.len()).sum::<u64>());
    assert_eq!(counts.network, by.all().iter().map(|(_, traffic)| traffic.network).sum::<u64>());
    assert_eq!(counts.duplicate, 0);
}

#[test]
fn what_only_a_probe_brought_is_as_new_as_it_is() {
    let world = World::new();
    world.server.put("a", mp4_of(&pattern(300_000), 4_000, false), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let hour_ago = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
        - Duration::from_secs(3_600);
    let old = media.unused_since(i64::try_from(hour_ago.as_millis()).unwrap(), 10).unwrap();
    assert!(old.is_empty(), "{old:?}");
}
