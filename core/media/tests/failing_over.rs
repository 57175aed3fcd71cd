//! The same bytes on two hosts: who is asked when one fails, for how long, and what never happens to the bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::fixture::{fragmented, mp4_of};
use common::tls::{Authority, Says};
use common::{Fault, PATIENCE, Server, Wire, World, playlist};
use futures_util::future::BoxFuture;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    FetchError, Location, Media, MediaConfig, Origin, Priority, Purpose, ResolveError, UrlResolver,
};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);

over_each_wire!(
    a_host_that_refuses_or_fails_or_goes_silent_is_left_for_the_other,
    a_host_rests_and_comes_back,
    hosts_with_different_versions_are_never_mixed_and_not_changed_again,
    expired_addresses_are_resolved_once_for_all_hosts,
    a_file_that_one_host_lacks_is_had_from_the_other_and_the_host_is_not_blamed,
    playlists_fail_over_too,
    when_all_hosts_fail_the_failure_is_told,
);

fn clip() -> Vec<u8> {
    mp4_of(&pattern(900_000), 4000, false)
}

/// A world and a second server, both with the same clip.
fn two(wire: Wire) -> (World, Server, Vec<u8>) {
    let world = World::over(wire);
    let other = world.another();
    let bytes = clip();
    for server in [&world.server, &other] {
        server.put("a", bytes.clone(), "\"1\"");
    }
    (world, other, bytes)
}

fn register(media: &Media, name: &str, first: String, second: String, container: Container) -> MediaKey {
    let key = MediaKey::new(name, "r");
    media.register(&key, Origin { alternates: vec![second], ..Origin::new(first, container) });
    key
}

fn all_of(media: &Media, key: &MediaKey) -> Vec<u8> {
    let source = media.source(key).unwrap();
    let mut out = vec![0; source.size() as usize];
    let mut got = 0;
    while got < out.len() {
        got += source.read_at(got as u64, &mut out[got..], LONG).unwrap();
    }
    out
}

fn fetch(world: &World, media: &Media, key: &MediaKey, from: u64, to: u64) -> Result<(), FetchError> {
    let ticket = media.fetch(key, &[Span::new(from, to)], Priority::Prefetch, Purpose::Prefetch);
    world.run(ticket.wait()).map(|_| ())
}

fn nowhere(path: &str) -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{closed}/{path}")
}

/// What of the clip either server sent, each byte once.
fn assert_no_byte_twice(servers: [&Server; 2]) {
    let mut spans: Vec<Span> =
        servers.iter().flat_map(|s| s.log()).filter(|l| l.path == "/a").map(|l| l.sent).collect();
    spans.retain(|span| !span.is_empty());
    spans.sort();
    assert!(spans.windows(2).all(|pair| pair[0].end <= pair[1].start), "{spans:?}");
}

fn a_host_that_refuses_or_fails_or_goes_silent_is_left_for_the_other(wire: Wire) {
    let faults = [None, Some(Fault::Status(503, vec![])), Some(Fault::Stall(30_000))];
    for fault in faults {
        let (world, other, bytes) = two(wire);
        let media = world.open();
        let first = if fault.is_some() { world.server.url("a") } else { nowhere("a") };
        let fails = fault.is_some();
        world.server.always("a", fault);
        let key = register(&media, "a", first, other.url("a"), Container::Mp4);
        let began = Instant::now();
        world.run(media.probe(&key, Priority::Playback)).unwrap();
        assert!(all_of(&media, &key) == bytes, "it plays to its end");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(world.server.requests(), usize::from(fails), "one request found it out");
        assert_no_byte_twice([&world.server, &other]);
        world.close(media);
    }
}

fn a_host_rests_and_comes_back(wire: Wire) {
    let (world, other, _) = two(wire);
    let media = world.open();
    world.server.fault("a", Fault::Status(500, vec![]));
    let key = register(&media, "a", world.server.url("a"), other.url("a"), Container::Mp4);
    fetch(&world, &media, &key, 0, 1_000).unwrap();
    fetch(&world, &media, &key, 1_000, 2_000).unwrap();
    assert_eq!((world.server.requests(), other.requests()), (1, 2), "it is left alone");
    let until = Instant::now() + PATIENCE;
    let mut at = 2_000;
    while world.server.requests() == 1 {
        assert!(Instant::now() < until, "it is never tried again");
        fetch(&world, &media, &key, at, at + 10).unwrap();
        at += 10;
        std::thread::sleep(Duration::from_millis(5));
    }
    let elsewhere = other.requests();
    for more in 0..5 {
        fetch(&world, &media, &key, 100_000 + more * 10, 100_010 + more * 10).unwrap();
    }
    assert_eq!(
        (world.server.requests(), other.requests()),
        (7, elsewhere),
        "everything is back at the first"
    );
    assert_no_byte_twice([&world.server, &other]);
}

fn hosts_with_different_versions_are_never_mixed_and_not_changed_again(wire: Wire) {
    let (world, other, old) = two(wire);
    let new: Vec<u8> = old.iter().enumerate().map(|(n, b)| if n < 5_000 { *b } else { b ^ 0x55 }).collect();
    other.put("a", new.clone(), "\"2\"");
    let media = world.open();
    let key = register(&media, "a", world.server.url("a"), other.url("a"), Container::Mp4);
    fetch(&world, &media, &key, 0, 200_000).unwrap();
    world.server.fault("a", Fault::Status(503, vec![]));
    fetch(&world, &media, &key, 200_000, 300_000).unwrap();
    let held = media.held(&key);
    assert!(held.iter().all(|span| span.start >= 200_000 || span.end <= 300_000), "{held:?}");
    std::thread::sleep(Duration::from_millis(450));
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(all_of(&media, &key) == new, "one version, whole");
    assert_eq!(
        world.server.requests(),
        3,
        "two for the old version and the failure; it stays where its bytes are from"
    );
}

struct Fresh {
    location: Location,
    calls: AtomicUsize,
}

impl UrlResolver for Fresh {
    fn resolve(&self, _key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(self.location.clone()) })
    }
}

fn expired_addresses_are_resolved_once_for_all_hosts(wire: Wire) {
    let (world, other, bytes) = two(wire);
    for server in [&world.server, &other] {
        server.require("a", "sig=2");
    }
    let signed = |sig: u32| {
        let url = |server: &Server| format!("{}?sig={sig}", server.url("a"));
        (url(&world.server), url(&other))
    };
    let (url, alternate) = signed(2);
    let location = Location { alternates: vec![alternate], ..Location::new(url) };
    let resolver = Arc::new(Fresh { location, calls: AtomicUsize::new(0) });
    let media = world.open_with(MediaConfig { resolver: Some(resolver.clone()), ..world.config() });
    let (first, second) = signed(1);
    let key = register(&media, "a", first, second, Container::Mp4);
    fetch(&world, &media, &key, 0, 100_000).unwrap();
    // The other host takes over with the fresh address, without another question.
    world.server.always("a", Some(Fault::Status(503, vec![])));
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(all_of(&media, &key) == bytes);
    assert_eq!(resolver.calls.load(Ordering::SeqCst), 1);
    assert!(other.log().iter().all(|line| line.status == 206), "{:?}", other.log());
    assert_eq!(world.server.log().iter().filter(|line| line.status == 403).count(), 1);
}

fn a_file_that_one_host_lacks_is_had_from_the_other_and_the_host_is_not_blamed(wire: Wire) {
    let (world, other, bytes) = two(wire);
    world.server.put("b", bytes.clone(), "\"1\"");
    let media = world.open();
    let key = register(&media, "a", world.server.url("lost"), other.url("a"), Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    assert!(all_of(&media, &key) == bytes);
    assert_eq!(world.server.asked("lost"), 1);
    let key = register(&media, "b", world.server.url("b"), other.url("b"), Container::Mp4);
    fetch(&world, &media, &key, 0, 1_000).unwrap();
    assert_eq!((world.server.asked("b"), other.asked("b")), (1, 0));
    let key = register(&media, "c", world.server.url("c"), other.url("c"), Container::Mp4);
    assert_eq!(fetch(&world, &media, &key, 0, 10), Err(FetchError::Denied { status: 404 }));
    assert_eq!((world.server.asked("c"), other.asked("c")), (1, 1));
}

fn playlists_fail_over_too(wire: Wire) {
    let world = World::over(wire);
    let other = world.another();
    let noise = pattern(300_000);
    let (file, headers) = fragmented(&[&noise[..100_000], &noise[100_000..]], false);
    let cut = (file.len() - headers - noise.len()) / 2 + 100_000;
    let list = playlist("media.mp4", headers, &[cut, file.len() - headers - cut]);
    for server in [&world.server, &other] {
        server.put("v/list.m3u8", list.clone().into_bytes(), "");
        server.put("v/media.mp4", file.clone(), "\"1\"");
    }
    let media = world.open();
    world.server.always("v/list.m3u8", Some(Fault::Status(502, vec![])));
    let urls = (world.server.url("v/list.m3u8"), other.url("v/list.m3u8"));
    let key = register(&media, "a", urls.0, urls.1, Container::Hls);
    world.run(media.probe(&key, Priority::Playback)).unwrap();
    assert!(all_of(&media, &key) == file, "the file comes from the host whose playlist answered");
    assert_eq!((world.server.requests(), other.asked("v/list.m3u8")), (1, 1));
}

fn when_all_hosts_fail_the_failure_is_told(wire: Wire) {
    let (world, other, _) = two(wire);
    for server in [&world.server, &other] {
        server.always("a", Some(Fault::Status(500, vec![])));
    }
    let media = world.open();
    let key = register(&media, "a", world.server.url("a"), other.url("a"), Container::Mp4);
    assert_eq!(fetch(&world, &media, &key, 0, 10), Err(FetchError::Busy { status: 500 }));
    let (first, second) = (world.server.requests(), other.requests());
    assert!(first >= 1 && second >= 1 && first + second <= 6, "bounded: {first} and {second}");
    media.register(&key, Origin::new(nowhere("a"), Container::Mp4));
    assert_eq!(fetch(&world, &media, &key, 0, 10), Err(FetchError::Unreachable));
}

#[test]
fn a_host_that_cannot_be_trusted_is_left_for_the_other() {
    let (world, _, bytes) = two(Wire::Tls);
    let stranger = Server::start(world.runtime.handle(), Some(&Authority::new().identity(Says::Good)));
    let media = world.open();
    let key = register(&media, "a", stranger.url("a"), world.server.url("a"), Container::Mp4);
    world.run(media.probe(&key, Priority::Playback)).unwrap();
    assert!(all_of(&media, &key) == bytes);
    assert_eq!((stranger.connections(), stranger.requests()), (1, 0));
}
