//! The gateway over real sockets: the origin's bytes exactly, from as few requests as a reader of this core makes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod gateway_common;

use std::sync::Arc;
use std::time::Duration;

use common::fixture::{fragmented, mp4_of};
use common::{Fault, World, eventually, playlist};
use gateway_common::{Ask, Door};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{Disk, GatewayError, GatewayLimits, LocalDisk, MediaConfig, Priority};
use unspool_testkit::{FaultyDisk, pattern};

/// A clip of about three megabytes under `path`.
fn clip(world: &World, path: &str) -> Vec<u8> {
    let file = mp4_of(&pattern(3_000_000), 5_000, false);
    world.server.put(path, file.clone(), "\"1\"");
    file
}

fn some_range(rng: &mut StdRng, size: u64) -> (String, Span) {
    let first = rng.random_range(0..size);
    let last = match rng.random_range(0..4) {
        0 => rng.random_range(first..size.min(first + 100)),
        1 => rng.random_range(first..size),
        _ => rng.random_range(first..size.min(first + 200_000)),
    };
    match rng.random_range(0..8) {
        0 => (format!("bytes={first}-"), Span::new(first, size)),
        1 => (format!("bytes=-{}", last + 1), Span::new(size - last - 1, size)),
        2 => (format!("bytes={first}-{}", size + rng.next_u64() / 4), Span::new(first, size)),
        _ => (format!("bytes={first}-{last}"), Span::new(first, last + 1)),
    }
}

#[test]
fn random_ranges_are_the_origins_bytes_and_nothing_is_fetched_twice() {
    random_ranges(Arc::new(LocalDisk));
}

/// As on a system that does not say what it holds in memory.
#[test]
fn random_ranges_from_a_disk_that_always_has_to_be_waited_for() {
    random_ranges(FaultyDisk::new());
}

fn random_ranges(disk: Arc<dyn Disk>) {
    let world = World::new();
    let file = clip(&world, "a");
    let size = file.len() as u64;
    let media = world.open_with(MediaConfig { disk, ..world.config() });
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..400 {
        if round == 200 {
            media.evict(&[(key.clone(), Span::new(500_000, 900_000))]).unwrap();
        }
        let (range, span) = some_range(&mut rng, size);
        let answer = world.run(door.get(&url, &[("range", &range)]));
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {}-{}/{size}", span.start, span.end - 1),
            "{range}"
        );
        assert_eq!(answer.header("content-length"), span.len().to_string());
        assert!(answer.body == file[span.start as usize..span.end as usize], "{range}");
        if round == 199 {
            world.server.assert_no_byte_twice("a");
        }
    }
    let whole = world.run(door.get(&url, &[]));
    assert!(whole.status == 200 && whole.body == file);
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("accept-ranges"), "bytes");
}

#[test]
fn what_is_here_costs_no_request() {
    let world = World::new();
    let file = clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, file.len() as u64));
    let requests = world.server.requests();
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let (one, two) = world.run(async { tokio::join!(door.get(&url, &[]), door.get(&url, &[])) });
    assert!(one.body == file && two.body == file);
    let mut rng = StdRng::seed_from_u64(8);
    for _ in 0..50 {
        let (range, span) = some_range(&mut rng, file.len() as u64);
        let part = world.run(door.get(&url, &[("range", &range)]));
        assert!(part.body == file[span.start as usize..span.end as usize]);
    }
    world.run(door.ask(Ask::Head, &url, &[]));
    assert_eq!(world.server.requests(), requests, "a cached file asks its origin nothing");
}

#[test]
fn conditions_and_heads() {
    let world = World::new();
    let file = clip(&world, "a");
    let size = file.len();
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let head = world.run(door.ask(Ask::Head, &url, &[("range", "bytes=0-9")]));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), size.to_string());
    let tag = head.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    let get = |headers: &[(&str, &str)]| world.run(door.get(&url, headers));
    let same = get(&[("range", "bytes=5-9"), ("if-range", &tag)]);
    assert!(same.status == 206 && same.body == file[5..10]);
    assert_eq!(get(&[("range", "bytes=5-9"), ("if-range", "\"other\"")]).body.len(), size);
    let fresh = get(&[("if-none-match", &tag)]);
    assert_eq!((fresh.status, fresh.body.len(), fresh.header("etag")), (304, 0, &*tag));
    assert_eq!(get(&[("if-match", "\"other\"")]).status, 412);
    let past = get(&[("range", &format!("bytes={size}-"))]);
    assert_eq!((past.status, past.header("content-range")), (416, &*format!("bytes */{size}")));
    let many = get(&[("range", "bytes=0-1,5-6")]);
    assert_eq!((many.status, many.body.len()), (200, size));
    assert!(!many.headers.contains_key("access-control-allow-origin"));
}

#[test]
fn another_version_has_another_tag_and_is_never_mixed_in() {
    let world = World::new();
    clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let old = world.run(door.get(&url, &[("range", "bytes=0-99")]));
    let newer = mp4_of(&pattern(2_000_000).iter().map(|b| b ^ 0x55).collect::<Vec<u8>>(), 5_000, false);
    world.server.put("a", newer.clone(), "\"2\"");
    // A hole makes the fetcher see the other version; what was promised of the old one is not made up.
    let torn = world.run(door.get(&url, &[("range", "bytes=2500000-")]));
    assert!(torn.status >= 500 || torn.short, "{torn:?}");
    let tag = old.header("etag").to_owned();
    let again = world.run(door.get(&url, &[("range", "bytes=100-199"), ("if-range", &tag)]));
    assert!(again.status == 200 && again.body == newer);
    assert_ne!(again.header("etag"), tag);
}

#[test]
fn a_reader_follows_bytes_that_are_still_arriving() {
    let world = World::new();
    let file = clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.server.always("a", Some(Fault::Slow(Duration::from_millis(2))));
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let whole = media.fetch(
        &key,
        &[Span::new(0, file.len() as u64)],
        Priority::Prefetch,
        unspool_media::Purpose::Prefetch,
    );
    let (first, second) = world.run(async { tokio::join!(door.get(&url, &[]), door.get(&url, &[])) });
    assert!(first.body == file && second.body == file);
    world.run(whole.wait()).unwrap();
    world.server.assert_no_byte_twice("a");
}

#[test]
fn a_reader_that_stops_or_leaves_stops_the_fetching() {
    let world = World::new();
    let file = mp4_of(&pattern(24_000_000), 5_000, false);
    world.server.put("a", file.clone(), "\"1\"");
    // The server waits at its gate on purpose, as long as this machine takes.
    let mut config = world.config();
    config.limits.stall_timeout = Duration::from_secs(60);
    let media = world.open_with(config);
    let key = world.register(&media, "a", Container::Mp4);
    let limits = GatewayLimits { stall_timeout: Duration::from_millis(500), ..GatewayLimits::default() };
    let door = Door::open_with(&world, &media, limits);
    let url = door.gateway.url(&key).unwrap();
    let mut reader = door.raw();
    reader.send(door.request("GET", &url, "1.1", ""));
    reader.read_exactly(100_000);
    // The buffers on the way fill and nothing more is asked for, until the gateway gives the reader up.
    let sent = || world.server.log().iter().map(|l| l.sent.len()).sum::<u64>();
    eventually("the reader to be given up", || door.gateway.stats().readers == 0);
    eventually("the connection to be gone", || door.gateway.stats().connections == 0);
    assert!(sent() < 6_000_000, "{} bytes were fetched for a reader that took 100,000", sent());
    drop(reader);

    // A reader that leaves while it waits for bytes ends its read too.
    world.server.close_gate();
    world.server.fault("a", Fault::Gate);
    let mut reader = door.raw();
    reader.send(door.request("GET", &url, "1.1", "Range: bytes=20000000-\r\n"));
    world.server.wait_log("a request at the gate", |log| log.iter().any(|l| l.status == 0));
    let at_gate = |log: &[common::Logged]| log.iter().filter(|l| l.status == 0).count();
    let answered = world.server.requests();
    drop(reader);
    eventually("the waiting reader to be gone", || door.gateway.stats().readers == 0);
    world.server.open_gate();
    eventually("the last chunk to arrive", || media.held(&key).iter().any(|s| s.start >= 20_000_000));
    assert_eq!(at_gate(&world.server.log()), 1);
    assert_eq!(world.server.requests(), answered + 1, "the chunk under way was answered, no other followed");
}

#[test]
fn an_unwatched_reader_looks_one_block_ahead() {
    let world = World::new();
    let file = clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let probed = world.server.log().iter().map(|l| l.sent.len()).sum::<u64>();
    let door = Door::open(&world, &media);
    door.gateway.set_watched(&key, false);
    let url = door.gateway.url(&key).unwrap();
    let part = world.run(door.get(&url, &[("range", "bytes=1000000-1000099")]));
    assert!(part.body == file[1_000_000..1_000_100]);
    assert_eq!(media.counts().network - probed, 64 * 1024, "one block");
    door.gateway.set_watched(&key, true);
    let part = world.run(door.get(&url, &[("range", "bytes=2000000-2000099")]));
    assert!(part.body == file[2_000_000..2_000_100]);
    eventually("the usual read-ahead or a chunk of it", || media.counts().network - probed > 2 * 64 * 1024);
}

#[test]
fn offline_what_is_here_is_served_and_the_rest_is_a_status_or_a_short_body() {
    let world = World::new();
    let file = clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.fetch(&media, &key, Span::new(0, 1_000_000));
    media.set_offline(true);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let here = world.run(door.get(&url, &[("range", "bytes=0-999999")]));
    assert!(here.status == 206 && here.body == file[..1_000_000]);
    let gone = world.run(door.get(&url, &[("range", "bytes=2000000-2000099")]));
    assert_eq!((gone.status, gone.header("retry-after")), (503, "1"));
    let short = world.run(door.get(&url, &[]));
    let held = media.held(&key)[0].end as usize;
    assert!(short.status == 200 && short.short && file[..held].starts_with(&short.body));
    let unknown = world.register(&media, "b", Container::Mp4);
    let unknown = door.gateway.url(&unknown).unwrap();
    assert_eq!(world.run(door.get(&unknown, &[])).status, 503);
    media.set_offline(false);
    assert!(world.run(door.get(&url, &[])).body == file, "and goes on when there is a network");
    assert_eq!(world.run(door.get(&unknown, &[])).status, 502, "a file that is not there");
}

#[test]
fn hls_names_only_the_gateway() {
    let world = World::new();
    let noise = pattern(600_000);
    let (file, headers) = fragmented(&[&noise[..200_000], &noise[200_000..]], false);
    let first = (file.len() - headers - 600_000) / 2 + 200_000;
    let cuts = [first, file.len() - headers - first];
    world.server.put("v/all.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nlow.m3u8\n".to_vec(), "");
    world.server.put("v/low.m3u8", playlist("media.mp4", headers, &cuts).into_bytes(), "");
    world.server.put("v/media.mp4", file.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "v/all.m3u8", Container::Hls);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let list = world.run(door.get(&url, &[]));
    assert_eq!((list.status, list.header("content-type")), (200, "application/vnd.apple.mpegurl"));
    let text = String::from_utf8(list.body.clone()).unwrap();
    let names: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(names, ["video.mp4", "video.mp4"]);
    assert!(!text.contains("media.mp4") && !text.contains("://"), "{text}");
    let media_url = url.replace("index.m3u8", "video.mp4");
    let mut read = Vec::new();
    for span in [(0, headers), (headers, headers + first), (headers + first, file.len())] {
        assert!(span.0 == 0 || text.contains(&format!("BYTERANGE:{}@{}", span.1 - span.0, span.0)), "{text}");
        let range = format!("bytes={}-{}", span.0, span.1 - 1);
        read.extend(world.run(door.get(&media_url, &[("range", &range)])).body);
    }
    assert!(read == file);
    let part = world.run(door.get(&url, &[("range", "bytes=0-6")]));
    assert!(part.status == 206 && part.body == b"#EXTM3U");
    let tag = list.header("etag");
    assert_eq!(world.run(door.get(&url, &[("if-none-match", tag)])).status, 304);
    // A file has no playlist.
    clip(&world, "a");
    let plain = world.register(&media, "a", Container::Mp4);
    let plain = door.gateway.url(&plain).unwrap().replace("video.mp4", "index.m3u8");
    assert_eq!(world.run(door.get(&plain, &[])).status, 404);
}

#[test]
fn a_session_remembers_the_renditions_of_late_only() {
    let world = World::new();
    let file = clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let read = world.register(&media, "read", Container::Mp4);
    world.server.put("read", file.clone(), "\"1\"");
    let reading = door.gateway.url(&read).unwrap();
    world.fetch(&media, &read, Span::new(0, file.len() as u64));
    let mut raw = door.raw();
    raw.send(door.request("GET", &reading, "1.1", ""));
    assert_eq!(raw.read_head().0, 200);
    for n in 0..5_300 {
        let key = MediaKey::new(&format!("asset-{n}"), "720p");
        media.register(&key, world.origin("a", Container::Mp4));
        door.gateway.url(&key).unwrap();
    }
    assert!(media.origin(&key).is_none());
    assert!(matches!(door.gateway.url(&key), Err(GatewayError::Unknown)));
    assert_eq!(world.run(door.get(&url, &[])).status, 404);
    assert!(raw.read_exactly(file.len()) == file, "what is read stays reachable");
    assert_eq!(world.run(door.ask(Ask::Head, &reading, &[])).status, 200);
    // Whoever comes back registers it again.
    world.register(&media, "a", Container::Mp4);
    let again = door.gateway.url(&key).unwrap();
    assert_ne!(again, url);
    assert!(world.run(door.get(&again, &[])).body == file);
}

#[test]
fn rebinding_kills_every_old_address() {
    let world = World::new();
    let file = clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open(&world, &media);
    let before = door.gateway.url(&key).unwrap();
    let address = door.gateway.address().unwrap();
    let mut idle = door.raw();
    idle.send(door.request("HEAD", &before, "1.1", ""));
    assert_eq!(idle.read_head().0, 200);
    door.gateway.rebind().unwrap();
    let after = door.gateway.url(&key).unwrap();
    let (old, new) = (before.split('/').collect::<Vec<_>>(), after.split('/').collect::<Vec<_>>());
    assert!(old[2] != new[2] && old[3] != new[3], "another port and another token");
    assert!(idle.is_closed(), "a kept connection ends");
    eventually("the old port to be deaf", || std::net::TcpStream::connect(address).is_err());
    assert!(world.run(door.get(&after, &[])).body == file);
    // The old token is worth nothing at the new port.
    let crossed = after.replace(new[3], old[3]);
    assert_eq!(world.run(door.get(&crossed, &[])).status, 404);
}

#[test]
fn revoking_and_shutting_down_end_what_is_being_read() {
    let world = World::new();
    clip(&world, "a");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    let door = Door::open(&world, &media);
    assert!(matches!(door.gateway.url(&unspool_engine::MediaKey::new("x", "y")), Err(GatewayError::Unknown)));
    world.server.always("a", Some(Fault::Gate));
    let url = door.gateway.url(&key).unwrap();
    let waiting = |door: &Door| {
        let mut reader = door.raw();
        let url = door.gateway.url(&key).unwrap();
        reader.send(door.request("GET", &url, "1.1", "Range: bytes=2000000-\r\n"));
        eventually("a reader", || door.gateway.stats().readers == 1);
        reader
    };
    let mut reader = waiting(&door);
    door.gateway.revoke(&key);
    assert_eq!(reader.read_head().0, 503);
    assert_eq!(world.run(door.get(&url, &[])).status, 404);
    assert_ne!(door.gateway.url(&key).unwrap(), url);
    let mut reader = waiting(&door);
    world.run(door.gateway.shutdown(Duration::from_secs(5)));
    assert!(reader.is_closed());
    assert_eq!((door.gateway.stats().connections, door.gateway.stats().readers), (0, 0));
    assert!(matches!(door.gateway.url(&key), Err(GatewayError::Closed)));
    assert!(matches!(door.gateway.rebind(), Err(GatewayError::Closed)));
    world.run(door.gateway.shutdown(Duration::from_secs(5)));
    world.server.open_gate();
}

#[test]
fn dropping_the_gateway_closes_its_port() {
    let world = World::new();
    let media = world.open();
    let door = Door::open_with(&world, &media, GatewayLimits::default());
    let address = door.gateway.address().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());
    drop(door);
    eventually("the port to be closed", || std::net::TcpStream::connect(address).is_err());
}
