//! What goes over the wire: one request per missing byte, whatever the server does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::fixture::mp4_of;
use common::{Fault, Wire, World, eventually, quick};
use futures_util::future::BoxFuture;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    FetchError, Limits, Location, Media, MediaConfig, MediaError, Origin, Priority, Purpose, ReadError,
    ResolveError, StoreError, UrlResolver,
};
use unspool_testkit::{FaultyDisk, pattern};

const LONG: Duration = Duration::from_secs(15);
const KIB: u64 = 1024;

fn clip(len: usize) -> Vec<u8> {
    mp4_of(&pattern(len), 4000, false)
}

/// Reads `span` of a probed rendition.
fn read(media: &Media, key: &MediaKey, span: Span) -> Result<Vec<u8>, ReadError> {
    let source = media.source(key).unwrap();
    let mut out = vec![0; span.len() as usize];
    let mut got = 0;
    while got < out.len() {
        match source.read_at(span.start + got as u64, &mut out[got..], LONG)? {
            0 => break,
            n => got += n,
        }
    }
    out.truncate(got);
    Ok(out)
}

struct Fresh {
    url: String,
    calls: AtomicU32,
}

impl UrlResolver for Fresh {
    fn resolve(&self, _key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Location::new(&self.url)) })
    }
}

over_each_wire!(
    a_fetch_brings_exactly_its_bytes_in_bounded_requests,
    two_who_want_the_same_bytes_share_the_request,
    concurrent_probes_are_one_probe,
    a_cancel_costs_at_most_the_running_chunk,
    playback_overtakes_prefetch,
    a_refused_address_is_refreshed_once,
    an_expiring_address_is_refreshed_before_use,
    versions_are_never_mixed,
    a_server_without_ranges_is_read_from_the_front,
    a_range_past_the_end_teaches_the_length,
    broken_silent_and_busy_servers_are_tried_again_without_losing_bytes,
    retry_after_is_honoured,
    failures_are_bounded_and_typed,
    a_log_in_page_takes_nothing_away_and_passes,
    redirects_are_followed,
    offline_nothing_leaves_and_misses_fail_at_once,
    a_restart_plays_without_the_network,
    a_directory_has_one_owner,
    a_full_disk_does_not_stop_playback,
    shutdown_receives_the_running_chunk_and_fails_the_rest,
    shutdown_ends_at_its_deadline,
    samples_of_the_line_add_up,
    a_reader_that_leaves_ends_its_demand,
    a_source_that_nobody_watches_brings_only_what_is_read,
);

fn a_fetch_brings_exactly_its_bytes_in_bounded_requests(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(2_000_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let size = bytes.len() as u64;
    let ticket = media.fetch(&key, &[Span::new(0, size)], Priority::Prefetch, Purpose::Prefetch);
    let summary = world.run(ticket.wait()).unwrap();
    assert_eq!((summary.network_bytes, summary.cached_bytes), (size, 0));
    world.server.assert_no_byte_twice("a");
    for request in world.server.log() {
        assert!(request.span.unwrap().len() <= 1024 * KIB * 5 / 4, "bounded: {request:?}");
    }
    assert_eq!(media.held(&key), vec![Span::new(0, size)]);
    let again = media.fetch(&key, &[Span::new(10, 1000)], Priority::Prefetch, Purpose::Prefetch);
    assert_eq!(world.run(again.wait()).unwrap().cached_bytes, 990);
    let counts = media.counts();
    assert_eq!((counts.network, counts.by_purpose.prefetch.network, counts.wasted), (size, size, size));
    world.run(media.probe(&key, Priority::Playback)).unwrap();
    assert!(media.is_complete(&key));
    assert!(read(&media, &key, Span::new(0, size)).unwrap() == bytes);
    let counts = media.counts();
    assert_eq!((counts.from_cache, counts.wasted), (size, 0));
}

fn two_who_want_the_same_bytes_share_the_request(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(600_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let all = Span::new(0, bytes.len() as u64);
    let first = media.fetch(&key, &[all], Priority::Prefetch, Purpose::Prefetch);
    let second = media.fetch(&key, &[all], Priority::Next, Purpose::Prefetch);
    assert!(read(&media, &key, all).unwrap() == bytes);
    world.run(first.wait()).unwrap();
    world.run(second.wait()).unwrap();
    world.server.assert_no_byte_twice("a");
    assert_eq!(media.counts().network, all.end);
}

fn concurrent_probes_are_one_probe(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(50_000), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(async {
        let probes = (0..8).map(|_| media.probe(&key, Priority::Next));
        for info in futures_util::future::join_all(probes).await {
            assert_eq!(info.unwrap().width, 320);
        }
    });
    world.server.assert_no_byte_twice("a");
}

fn a_cancel_costs_at_most_the_running_chunk(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(3_000_000);
    world.server.put("a", bytes, "\"1\"");
    world.server.fault("a", Fault::Gate);
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let ticket = media.fetch(&key, &[Span::new(0, 3_000_000)], Priority::Prefetch, Purpose::Prefetch);
    world.server.wait_log("the gated request", |log| log.len() == 1);
    ticket.cancel();
    assert_eq!(world.run(ticket.wait()), Err(FetchError::Cancelled));
    world.server.open_gate();
    // The running chunk is kept ...
    eventually("the chunk is stored", || media.held(&key) == vec![Span::new(0, 128 * KIB)]);
    // ... and the next demand starts behind it on the same connection.
    world.fetch(&media, &key, Span::new(0, 200 * KIB));
    world.server.assert_no_byte_twice("a");
    let asked: Vec<Span> = world.server.log().iter().skip(1).map(|l| l.span.unwrap()).collect();
    assert_eq!(asked, vec![Span::new(0, 128 * KIB), Span::new(128 * KIB, 200 * KIB)]);
}

fn playback_overtakes_prefetch(wire: Wire) {
    let world = World::over(wire);
    for path in ["p0", "p1", "p2", "play"] {
        world.server.put(path, clip(900_000), "\"1\"");
    }
    for path in ["p0", "p1"] {
        world.server.always(path, Some(Fault::Gate));
    }
    let media = world.open();
    let prefetches: Vec<_> = ["p0", "p1", "p2"]
        .iter()
        .map(|path| {
            let key = world.register(&media, path, Container::Mp4);
            media.fetch(&key, &[Span::new(0, 500 * KIB)], Priority::Prefetch, Purpose::Prefetch)
        })
        .collect();
    world.server.wait_log("two prefetches", |log| log.len() == 2);
    let key = world.register(&media, "play", Container::Mp4);
    let play = media.fetch(&key, &[Span::new(0, 500 * KIB)], Priority::Playback, Purpose::Playback);
    world.run(play.wait()).unwrap();
    assert!(world.server.log().iter().all(|l| l.path != "/p2"), "prefetch stays out of the slot of playback");
    prefetches.iter().for_each(|ticket| ticket.cancel());
    world.server.open_gate();
}

fn a_refused_address_is_refreshed_once(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(700_000);
    world.server.put("old", bytes.clone(), "\"1\"");
    world.server.put("new", bytes.clone(), "\"1\"");
    let resolver = Arc::new(Fresh { url: world.server.url("new"), calls: AtomicU32::new(0) });
    let media = world.open_with(MediaConfig { resolver: Some(resolver.clone()), ..world.config() });
    let key = world.register(&media, "old", Container::Mp4);
    world.run(media.probe(&key, Priority::Playback)).unwrap();
    world.server.always("old", Some(Fault::Status(403, vec![])));
    let reader = media.fetch(&key, &[Span::new(400_000, 700_000)], Priority::Next, Purpose::Prefetch);
    assert!(read(&media, &key, Span::new(0, bytes.len() as u64)).unwrap() == bytes);
    world.run(reader.wait()).unwrap();
    assert_eq!(resolver.calls.load(Ordering::SeqCst), 1);
    // A fresh address that is refused too is final.
    let other = world.register(&media, "missing", Container::Mp4);
    world.server.always("new", Some(Fault::Status(410, vec![])));
    let denied = media.fetch(&other, &[Span::new(0, 10)], Priority::Next, Purpose::Prefetch);
    assert_eq!(world.run(denied.wait()), Err(FetchError::Denied { status: 410 }));
    assert_eq!(resolver.calls.load(Ordering::SeqCst), 2);
}

fn an_expiring_address_is_refreshed_before_use(wire: Wire) {
    let world = World::over(wire);
    world.server.put("new", clip(10_000), "\"1\"");
    let resolver = Arc::new(Fresh { url: world.server.url("new"), calls: AtomicU32::new(0) });
    let media = world.open_with(MediaConfig { resolver: Some(resolver.clone()), ..world.config() });
    let key = MediaKey::new("a", "r");
    let origin = Origin { expires_at_ms: Some(1_000), ..world.origin("old", Container::Mp4) };
    media.register(&key, origin);
    world.fetch(&media, &key, Span::new(0, 5_000));
    assert_eq!(resolver.calls.load(Ordering::SeqCst), 1);
    assert!(world.server.log().iter().all(|l| l.path == "/new"));
}

fn versions_are_never_mixed(wire: Wire) {
    for server_checks in [true, false] {
        let world = World::over(wire);
        let (old, new) = (clip(600_000), clip(600_000).iter().map(|b| b ^ 0x55).collect::<Vec<u8>>());
        // The second version keeps readable headers.
        let header = old.len() - 600_000;
        let new = [&old[..header], &new[header..]].concat();
        world.server.put("a", old.clone(), "\"1\"");
        let media = world.open();
        let key = world.register(&media, "a", Container::Mp4);
        world.run(media.probe(&key, Priority::Next)).unwrap();
        world.fetch(&media, &key, Span::new(0, 200_000));
        let before = media.source(&key).unwrap();
        world.server.put("a", new.clone(), "\"2\"");
        world.server.edit("a", |served| served.if_range = server_checks);
        world.fetch(&media, &key, Span::new(0, 400_000));
        assert!(matches!(
            before.read_at(300_000, &mut [0; 10], LONG),
            Err(ReadError::Failed { retryable: true, .. })
        ));
        assert!(media.info(&key).is_none(), "what was known of the old version is forgotten");
        world.run(media.probe(&key, Priority::Next)).unwrap();
        assert!(read(&media, &key, Span::new(0, new.len() as u64)).unwrap() == new);
    }
}

fn a_server_without_ranges_is_read_from_the_front(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(300_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    world.server.edit("a", |served| served.ranges = false);
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(read(&media, &key, Span::new(0, bytes.len() as u64)).unwrap() == bytes);
    assert!(read(&media, &key, Span::new(250_000, 260_000)).unwrap() == bytes[250_000..260_000]);
    let unsized_key = world.register(&media, "unsized", Container::Mp4);
    world.server.put("unsized", bytes.clone(), "\"1\"");
    world.server.edit("unsized", |served| (served.ranges, served.sized) = (false, false));
    world.run(media.probe(&unsized_key, Priority::Next)).unwrap_err();
    world.fetch(&media, &unsized_key, Span::new(0, 5_000_000));
    assert_eq!(media.held(&unsized_key), vec![Span::new(0, bytes.len() as u64)]);
    assert!(world.run(media.probe(&unsized_key, Priority::Next)).unwrap().size == bytes.len() as u64);
    let far = world.register(&media, "far", Container::Mp4);
    world.server.put("far", clip(4_000_000), "\"1\"");
    world.server.edit("far", |served| served.ranges = false);
    let ticket = media.fetch(&far, &[Span::new(3_500_000, 3_600_000)], Priority::Next, Purpose::Prefetch);
    assert_eq!(world.run(ticket.wait()), Err(FetchError::NoRanges));
}

fn a_range_past_the_end_teaches_the_length(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(1_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(500_000, 600_000));
    world.fetch(&media, &key, Span::new(0, 600_000));
    assert_eq!(media.held(&key), vec![Span::new(0, bytes.len() as u64)]);
    assert_eq!(world.server.requests(), 2);
}

fn broken_silent_and_busy_servers_are_tried_again_without_losing_bytes(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(900_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.server.fault("a", Fault::Short(20_000));
    world.server.fault("a", Fault::Stall(30_000));
    world.server.fault("a", Fault::Status(503, vec![("retry-after", "0".into())]));
    world.server.fault("a", Fault::Status(429, vec![]));
    world.server.fault("a", Fault::Short(0));
    assert!(read(&media, &key, Span::new(0, bytes.len() as u64)).unwrap() == bytes);
    let log = world.server.log();
    let stalled = log.iter().position(|l| l.sent.len() == 30_000).unwrap();
    assert_eq!(
        log[stalled + 1].span.unwrap().start,
        log[stalled].sent.end,
        "what came before the silence was kept"
    );
}

fn retry_after_is_honoured(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(10_000), "\"1\"");
    let limits = Limits { backoff_cap: Duration::from_secs(3), ..quick() };
    let media = world.open_with(MediaConfig { limits, ..world.config() });
    let key = world.register(&media, "a", Container::Mp4);
    world.server.fault("a", Fault::Status(503, vec![("retry-after", "1".into())]));
    let began = Instant::now();
    world.fetch(&media, &key, Span::new(0, 100));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

fn a_log_in_page_takes_nothing_away_and_passes(wire: Wire) {
    let world = World::over(wire);
    let file = clip(600_000);
    world.server.put("clip", file.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "clip", Container::Mp4);
    let fetch = |start, end| {
        world.run(media.fetch(&key, &[Span::new(start, end)], Priority::Next, Purpose::Prefetch).wait())
    };
    fetch(0, 200_000).unwrap();
    let held = media.held(&key);
    let page = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    world.server.always("clip", Some(Fault::Status(200, page)));
    for (start, end) in [(200_000, 400_000), (400_000, 600_000)] {
        let error = fetch(start, end).unwrap_err();
        assert_eq!(error, FetchError::Intercepted);
        assert!(error.retryable(), "somebody may log in");
    }
    assert_eq!(media.held(&key), held, "what was there before the portal stays");
    world.server.always("clip", None);
    let before = world.server.log().len();
    fetch(200_000, 600_000).unwrap();
    assert!(world.server.log()[before..].iter().all(|l| l.sent.start >= 200_000), "no byte is fetched twice");
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert_eq!(read(&media, &key, Span::new(0, 600_000)).unwrap(), file[..600_000]);
}

fn failures_are_bounded_and_typed(wire: Wire) {
    let world = World::over(wire);
    for path in ["busy", "teapot", "wrong", "encoded", "loop", "gone"] {
        world.server.put(path, clip(10_000), "\"1\"");
    }
    world.server.always("busy", Some(Fault::Status(500, vec![])));
    world.server.always("teapot", Some(Fault::Status(418, vec![])));
    world.server.always("wrong", Some(Fault::WrongRange));
    world.server.always("encoded", Some(Fault::Encoded));
    world.server.always("loop", Some(Fault::Redirect("/loop".into())));
    world.server.always("gone", Some(Fault::Status(403, vec![])));
    let media = world.open();
    let outcome = |path: &str| {
        let key = world.register(&media, path, Container::Mp4);
        world
            .run(media.fetch(&key, &[Span::new(0, 100)], Priority::Next, Purpose::Prefetch).wait())
            .unwrap_err()
    };
    assert_eq!(outcome("busy"), FetchError::Busy { status: 500 });
    assert_eq!(world.server.log().iter().filter(|l| l.path == "/busy").count(), 5);
    assert_eq!(outcome("teapot"), FetchError::Status { status: 418 });
    assert!(matches!(outcome("wrong"), FetchError::Protocol(_)));
    assert!(matches!(outcome("encoded"), FetchError::Protocol(_)));
    assert_eq!(outcome("loop"), FetchError::Redirect);
    assert_eq!(outcome("gone"), FetchError::Denied { status: 403 });
    assert!(media.stored().is_empty(), "nothing doubtful was stored");
    let unknown = MediaKey::new("never", "registered");
    let ticket = media.fetch(&unknown, &[Span::new(0, 1)], Priority::Next, Purpose::Prefetch);
    assert_eq!(world.run(ticket.wait()), Err(FetchError::Unknown));
    // A port that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let origin = Origin { url: format!("http://{closed}/a"), ..world.origin("x", Container::Mp4) };
    media.register(&unknown, origin);
    let ticket = media.fetch(&unknown, &[Span::new(0, 1)], Priority::Next, Purpose::Prefetch);
    assert_eq!(world.run(ticket.wait()), Err(FetchError::Unreachable));
}

fn redirects_are_followed(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(10_000), "\"1\"");
    world.server.put("b", clip(10_000), "\"1\"");
    world.server.always("a", Some(Fault::Redirect(world.server.url("b"))));
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, 5_000));
    assert_eq!(media.held(&key), vec![Span::new(0, 5_000)]);
}

fn offline_nothing_leaves_and_misses_fail_at_once(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(400_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, 200_000));
    let requests = world.server.requests();
    media.set_offline(true);
    assert!(read(&media, &key, Span::new(0, 150_000)).unwrap() == bytes[..150_000]);
    let began = Instant::now();
    let missed = read(&media, &key, Span::new(300_000, 300_010));
    assert!(matches!(missed, Err(ReadError::Failed { retryable: true, .. })), "{missed:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    let ticket = media.fetch(&key, &[Span::new(0, 300_000)], Priority::Next, Purpose::Prefetch);
    assert_eq!(world.run(ticket.wait()), Err(FetchError::Offline));
    assert_eq!(world.server.requests(), requests);
    media.set_offline(false);
    assert!(read(&media, &key, Span::new(0, bytes.len() as u64)).unwrap() == bytes);
    world.server.assert_no_byte_twice("a");
}

fn a_restart_plays_without_the_network(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(500_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let info = world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(read(&media, &key, Span::new(0, info.size)).unwrap() == bytes);
    world.close(media);
    let requests = world.server.requests();
    let media = world.open();
    media.set_offline(true);
    assert_eq!(world.run(media.probe(&key, Priority::Playback)).unwrap(), info);
    assert!(media.is_complete(&key));
    assert!(read(&media, &key, Span::new(0, info.size)).unwrap() == bytes);
    assert_eq!(world.server.requests(), requests);
    assert_eq!(media.counts().from_cache, info.size);
}

fn a_directory_has_one_owner(wire: Wire) {
    let world = World::over(wire);
    let media = world.open();
    let second = Media::open(world.config(), world.runtime.handle().clone());
    assert!(matches!(second, Err(MediaError::Store(StoreError::InUse))), "{second:?}");
    world.run(media.shutdown(LONG)).unwrap();
    // Free at once, though the closed layer is still around; and that one writes nothing any more.
    let third = world.open();
    assert!(matches!(media.flush(), Err(MediaError::Store(StoreError::Closed))));
    drop(third);
}

fn a_full_disk_does_not_stop_playback(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(3_000_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let disk = FaultyDisk::new();
    let media = world.open_with(MediaConfig { disk: disk.clone(), ..world.config() });
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    disk.fill_up();
    let ticket = media.fetch(&key, &[Span::new(0, 2_000_000)], Priority::Prefetch, Purpose::Prefetch);
    assert_eq!(world.run(ticket.wait()), Err(FetchError::NoSpace));
    assert!(read(&media, &key, Span::new(0, bytes.len() as u64)).unwrap() == bytes);
    assert!(media.health().disk_full > 0);
    assert!(media.usage() < 300_000);
    disk.heal();
    // Eviction frees space, which ends the pause before the next attempt.
    media.evict(&[(key.clone(), Span::new(0, 1_000))]).unwrap();
    assert!(!media.health().read_through);
    world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
    assert!(media.is_complete(&key));
}

fn shutdown_receives_the_running_chunk_and_fails_the_rest(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(900_000), "\"1\"");
    world.server.fault("a", Fault::Gate);
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let ticket = media.fetch(&key, &[Span::new(0, 900_000)], Priority::Prefetch, Purpose::Prefetch);
    world.server.wait_log("the request", |log| log.len() == 1);
    let ending = world.runtime.spawn({
        let media = media.clone();
        async move { media.shutdown(LONG).await }
    });
    assert_eq!(world.run(ticket.wait()), Err(FetchError::Closed));
    world.server.open_gate();
    world.run(ending).unwrap().unwrap();
    assert_eq!(media.held(&key), vec![Span::new(0, 128 * KIB)]);
    world.run(media.shutdown(LONG)).unwrap();
}

fn shutdown_ends_at_its_deadline(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(900_000), "\"1\"");
    world.server.fault("a", Fault::Gate);
    let limits = Limits { stall_timeout: LONG, ..quick() };
    let media = world.open_with(MediaConfig { limits, ..world.config() });
    let key = world.register(&media, "a", Container::Mp4);
    let _ticket = media.fetch(&key, &[Span::new(0, 900_000)], Priority::Prefetch, Purpose::Prefetch);
    world.server.wait_log("the request", |log| log.len() == 1);
    let began = Instant::now();
    world.run(media.shutdown(Duration::from_millis(50))).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

fn samples_of_the_line_add_up(wire: Wire) {
    let world = World::over(wire);
    let bytes = clip(900_000);
    world.server.put("a", bytes.clone(), "\"1\"");
    let media = world.open();
    let mut samples = media.samples();
    let key = world.register(&media, "a", Container::Mp4);
    world.fetch(&media, &key, Span::new(0, bytes.len() as u64));
    let mut sum = 0;
    while let Ok(sample) = samples.try_recv() {
        assert_eq!(sample.key, key);
        assert!(sample.ttfb_ms <= sample.elapsed_ms);
        sum += sample.bytes;
    }
    assert_eq!(sum, media.counts().network);
}

fn a_reader_that_leaves_ends_its_demand(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(4_000_000), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.server.close_gate();
    world.server.always("a", Some(Fault::Gate));
    let source = media.source(&key).unwrap();
    assert_eq!(source.read_at(2_000_000, &mut [0; 10], Duration::ZERO), Err(ReadError::TimedOut));
    world.server.wait_log("the reader's request", |log| log.last().is_some_and(|l| l.status == 0));
    drop(source);
    world.server.open_gate();
    eventually("the running chunk is kept", || {
        media.held(&key).iter().any(|s| s.start == 2_000_000 && s.len() >= 64 * KIB)
    });
    world.run(media.shutdown(LONG)).unwrap();
    let read_ahead =
        world.server.log().iter().filter(|l| l.span.is_some_and(|s| s.start >= 2_000_000)).count();
    assert_eq!(read_ahead, 2, "one request, logged at the gate and at the answer");
}

fn a_source_that_nobody_watches_brings_only_what_is_read(wire: Wire) {
    let world = World::over(wire);
    world.server.put("a", clip(4_000_000), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let source = media.source(&key).unwrap();
    let ahead = |from: u64| {
        media.held(&key).iter().find(|s| s.start <= from && from < s.end).map_or(0, |s| s.end - from)
    };

    source.set_watched(false);
    assert!(source.read_at(2_000_000, &mut [0; 10], LONG).unwrap() > 0);
    eventually("the block it needs", || ahead(2_000_000) >= 64 * KIB);
    source.set_watched(true);
    // Each read moves the window, as a player's reads do.
    eventually("the bytes ahead of a reader that is watched", || {
        source.read_at(2_000_010, &mut [0; 10], LONG).is_ok_and(|got| got > 0)
            && ahead(2_000_000) >= 512 * KIB
    });
    let before = world.server.log().iter().filter(|l| l.span.is_some_and(|s| s.start == 2_000_000)).count();
    assert_eq!(before, 1, "the first request was for the block alone, and nothing was asked for twice");
    world.server.assert_no_byte_twice("a");
    world.close(media);
}
