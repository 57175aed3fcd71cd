//! HLS over several files, made by hand: found out with few requests, fetched file by file, kept, evicted, renewed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod gateway_common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::clip::Clip;
use common::{Fault, World, eventually};
use futures_util::future::BoxFuture;
use gateway_common::Door;
use unspool_engine::info::missing;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    Cmcd, FetchError, Layout, Location, Media, MediaConfig, MediaError, MediaInfo, Priority, ProbeError,
    Purpose, ResolveError, UrlResolver,
};

fn probe(world: &World, media: &Media) -> (MediaKey, Arc<MediaInfo>) {
    let key = world.register(media, "v/all.m3u8", Container::Hls);
    let info = world.run(media.probe(&key, Priority::Next)).unwrap();
    (key, info)
}

fn fetched(world: &World, media: &Media, key: &MediaKey, spans: &[Span]) -> Result<u64, FetchError> {
    let ticket = media.fetch(key, spans, Priority::Next, Purpose::Prefetch);
    world.run(ticket.wait()).map(|summary| summary.network_bytes)
}

fn whole(info: &MediaInfo) -> [Span; 1] {
    [Span::new(0, info.size)]
}

#[test]
fn a_probe_costs_its_playlists_and_the_headers() {
    let world = World::new();
    let clip = Clip::new(&[40_000, 60_000, 50_000]);
    clip.serve(&world, 400_000, "");
    let media = world.open();
    let (key, info) = probe(&world, &media);
    assert_eq!((info.layout, info.duration_ms), (Layout::Segmented, 3_000));
    assert_eq!((info.width, info.height, info.tracks[0].codec.as_str()), (320, 180, "avc1"));
    let init = (clip.init.len() as u64).max(1024);
    assert_eq!(info.headers, [Span::new(0, init)]);
    // Four hundred kilobits a second are fifty thousand bytes for each segment.
    let at = |n: u64| init + 50_000 * n;
    assert_eq!(info.index, [(0, at(0)), (1_000, at(1)), (2_000, at(2)), (3_000, at(3))]);
    assert_eq!(info.ranges(0, 1_000), [Span::new(0, at(1))]);
    let asked: Vec<String> = world.server.log().iter().map(|l| l.path.clone()).collect();
    assert_eq!(asked, ["/v/all.m3u8", "/v/low/list.m3u8", "/v/low/init.mp4"]);
    assert_eq!(media.held(&key), [Span::new(0, init)]);
    assert_eq!(info.playable_until(0, &media.held(&key)), 0);
    assert!(matches!(media.source(&key), Err(MediaError::NotOneFile)));
}

#[test]
fn what_the_planner_asks_for_comes_file_by_file_and_once() {
    let world = World::new();
    // One as long as expected, one longer, one shorter, one of a few bytes.
    let clip = Clip::new(&[49_000, 300_000, 10_000, 10]);
    clip.serve(&world, 400_000, "");
    let media = world.open();
    let (key, info) = probe(&world, &media);
    for ms in [1_000, 2_000, 3_000, 4_000] {
        let wants = missing(&info.ranges(0, ms), &media.held(&key));
        assert!(!wants.is_empty());
        fetched(&world, &media, &key, &wants).unwrap();
        assert_eq!(missing(&info.ranges(0, ms), &media.held(&key)), [], "{ms} ms are there");
        assert_eq!(info.playable_until(0, &media.held(&key)), ms);
        assert_eq!(media.is_complete(&key), ms == 4_000);
    }
    let order: Vec<String> = world.server.log()[3..].iter().map(|l| l.path.clone()).collect();
    let mut first_of_each = order.clone();
    first_of_each.dedup();
    assert_eq!(first_of_each, ["/v/low/0.m4s", "/v/low/1.m4s", "/v/low/2.m4s", "/v/low/3.m4s"]);
    for number in 0..4 {
        world.server.assert_no_byte_twice(&format!("v/low/{number}.m4s"));
    }
    let requests = world.server.requests();
    assert_eq!(fetched(&world, &media, &key, &whole(&info)), Ok(0));
    assert_eq!(media.holes(&key, Span::new(0, info.size)), []);
    assert_eq!(world.server.requests(), requests, "what is here is not asked for");
    assert_eq!(media.usage(), clip.bytes());
}

#[test]
fn a_part_of_a_segment_is_a_part_of_its_slot() {
    let world = World::new();
    let clip = Clip::new(&[300_000, 300_000]);
    clip.serve(&world, 400_000, "");
    let media = world.open();
    let (key, info) = probe(&world, &media);
    let slot = Span::new(info.index[0].1, info.index[1].1);
    fetched(&world, &media, &key, &[Span::new(slot.start, slot.start + 1_000)]).unwrap();
    let held = media.held(&key);
    assert!(held[0].end > slot.start && held[0].end < slot.end, "{held:?}");
    assert!(!media.holes(&key, slot).is_empty());
    // A break in the middle, beyond what was expected of it: the slot has its last byte only when the file has.
    world.server.fault("v/low/0.m4s", Fault::Short(100_000));
    world.server.always("v/low/0.m4s", Some(Fault::Status(404, vec![])));
    assert!(matches!(fetched(&world, &media, &key, &[slot]), Err(FetchError::Denied { status: 404 })));
    assert_eq!(media.holes(&key, slot), [Span::new(slot.end - 1, slot.end)]);
    world.server.always("v/low/0.m4s", None);
    fetched(&world, &media, &key, &[slot]).unwrap();
    assert_eq!(media.holes(&key, slot), []);
    world.server.assert_no_byte_twice("v/low/0.m4s");
}

#[test]
fn a_cancel_costs_one_chunk_and_a_promotion_reaches_what_follows() {
    let world = World::new();
    let clip = Clip::new(&[100_000, 100_000, 100_000, 100_000]);
    clip.serve(&world, 800_000, "");
    let media = world.open();
    let (key, info) = probe(&world, &media);
    world.server.fault("v/low/1.m4s", Fault::Gate);
    let ticket = media.fetch(&key, &whole(&info), Priority::Prefetch, Purpose::Prefetch);
    world.server.wait_log("the second segment", |log| log.iter().any(|l| l.path == "/v/low/1.m4s"));
    ticket.promote(Priority::Playback);
    ticket.cancel();
    assert_eq!(world.run(ticket.wait()), Err(FetchError::Cancelled));
    world.server.open_gate();
    let held = || media.held(&key);
    eventually("the chunk that ran is kept", || info.playable_until(0, &held()) == 2_000);
    assert_eq!(world.server.asked("v/low/2.m4s"), 0, "nothing more was asked for");
}

#[test]
fn a_complete_rendition_opens_offline_after_a_restart() {
    let world = World::new();
    let clip = Clip::new(&[20_000, 30_000]);
    clip.serve(&world, 400_000, "");
    let media = world.open();
    let (key, info) = probe(&world, &media);
    fetched(&world, &media, &key, &whole(&info)).unwrap();
    world.close(media);
    let requests = world.server.requests();
    let media = world.open();
    media.set_offline(true);
    assert_eq!(probe(&world, &media), (key.clone(), info.clone()));
    assert!(media.is_complete(&key));
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let list = world.run(door.get(&url, &[]));
    assert_eq!(list.status, 200);
    let segment = world.run(door.get(&url.replace("index.m3u8", "2.m4s"), &[]));
    assert!(segment.status == 200 && segment.body == clip.segments[1]);
    assert_eq!(world.server.requests(), requests);
}

#[test]
fn eviction_takes_files_and_pins_keep_them() {
    let world = World::new();
    let clip = Clip::new(&[200_000, 200_000, 200_000]);
    clip.serve(&world, 1_600_000, "");
    let media = world.open();
    let (key, info) = probe(&world, &media);
    fetched(&world, &media, &key, &whole(&info)).unwrap();
    media.flush().unwrap();
    let none = BTreeSet::new();
    assert!(!media.oldest(u64::MAX, &none).unwrap().is_empty());
    assert_eq!(
        media.oldest(u64::MAX, &BTreeSet::from([key.clone()])).unwrap(),
        [],
        "what is near is not offered"
    );
    media.pin(&key);
    media.flush().unwrap();
    let offered = media.oldest(u64::MAX, &none).unwrap();
    assert_eq!(offered, [], "what is pinned is not offered");
    let slot = Span::new(info.index[1].1, info.index[2].1);
    assert_eq!(media.evict(&[(key.clone(), slot)]).unwrap(), 0, "nor taken");
    media.unpin(&key);
    media.flush().unwrap();
    let offered = media.oldest(u64::MAX, &none).unwrap();
    assert_eq!(offered.len(), 4, "the headers and three segments");
    let second = offered.iter().filter(|stored| stored.spans[0].len() > 100_000).nth(1).unwrap();
    let freed = media.evict(&[(second.key.clone(), second.spans[0])]).unwrap();
    assert_eq!(freed, second.spans[0].len());
    assert!(!media.is_complete(&key));
    assert!(media.evict(&[(key.clone(), slot)]).unwrap() <= clip.segments[1].len() as u64);
    assert_eq!(missing(&[slot], &media.held(&key)), [slot]);
    fetched(&world, &media, &key, &whole(&info)).unwrap();
    assert_eq!(media.forget(&key).unwrap(), clip.bytes());
    assert_eq!((media.usage(), media.info(&key)), (0, None));
}

struct Addresses {
    url: String,
    calls: AtomicUsize,
}

impl UrlResolver for Addresses {
    fn resolve(&self, _key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let location = Location::new(&self.url);
        Box::pin(async { Ok(location) })
    }
}

#[test]
fn a_refused_segment_renews_the_rendition_once_for_all() {
    let world = World::new();
    let clip = Clip::new(&[50_000, 50_000, 50_000, 50_000]);
    clip.serve(&world, 400_000, "?sig=1");
    let require = |sig: &str| {
        for name in ["init.mp4", "0.m4s", "1.m4s", "2.m4s", "3.m4s"] {
            world.server.require(&format!("v/low/{name}"), sig);
        }
    };
    require("sig=1");
    let resolver = Arc::new(Addresses { url: world.server.url("v/new.m3u8"), calls: AtomicUsize::new(0) });
    let media = world.open_with(MediaConfig { resolver: Some(resolver.clone()), ..world.config() });
    let (key, info) = probe(&world, &media);
    fetched(&world, &media, &key, &info.ranges(0, 1_000)).unwrap();
    // The signatures run out; the old address still answers with them.
    require("sig=2");
    let text = world.server.log().len();
    let master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=400000\nlow/fresh.m3u8\n";
    world.server.put("v/new.m3u8", master.to_vec(), "");
    world.server.put("v/low/fresh.m3u8", clip.list("?sig=2").into_bytes(), "");
    fetched(&world, &media, &key, &whole(&info)).unwrap();
    assert!(media.is_complete(&key));
    assert_eq!(resolver.calls.load(Ordering::SeqCst), 1);
    let refused = world.server.log()[text..].iter().filter(|l| l.status == 403).count();
    assert_eq!(refused, 1, "all segments follow");
    assert_eq!(world.server.asked("v/low/fresh.m3u8"), 1);
    world.server.assert_no_byte_twice("v/low/0.m4s");
}

#[test]
fn a_request_for_the_end_of_a_segment_names_the_next_one_and_no_signature() {
    let world = World::new();
    Clip::new(&[40_000, 40_000]).serve(&world, 400_000, "?sig=secret");
    let media = world.open_with(MediaConfig { cmcd: Some(Cmcd::Headers), ..world.config() });
    let (key, info) = probe(&world, &media);
    fetched(&world, &media, &key, &whole(&info)).unwrap();
    let said = |path: &str| {
        let log = world.server.log();
        let line = log.iter().rfind(|line| line.path == path).unwrap();
        line.cmcd.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>().join(",")
    };
    assert!(said("/v/low/0.m4s").contains("nor=\"1.m4s\""), "{}", said("/v/low/0.m4s"));
    assert!(!said("/v/low/1.m4s").contains("nor="), "nothing follows the last one");
    assert!(world.server.log().iter().all(|l| l.cmcd.iter().all(|(_, text)| !text.contains("secret"))));
}

/// A rendition of two segments, of which the first and some bytes of the second are here.
fn half(world: &World, media: &Media) -> (Clip, MediaKey, Arc<MediaInfo>) {
    let clip = Clip::new(&[300_000, 300_000]);
    clip.serve(world, 2_400_000, "");
    let (key, info) = probe(world, media);
    fetched(world, media, &key, &[Span::new(0, info.index[1].1 + 1_000)]).unwrap();
    (clip, key, info)
}

/// What a player of the platform gets of a file.
fn served(world: &World, media: &Arc<Media>, key: &MediaKey, file: &str) -> Vec<u8> {
    let door = Door::open(world, media);
    let url = door.gateway.url(key).unwrap();
    world.run(door.get(&url.replace("index.m3u8", file), &[])).body
}

#[test]
fn a_changed_segment_is_fetched_anew_and_the_fetch_goes_on() {
    let world = World::new();
    let media = world.open();
    let (clip, key, info) = half(&world, &media);
    world.server.put("v/low/1.m4s", vec![7; 250_000], "\"other\"");
    fetched(&world, &media, &key, &whole(&info)).unwrap();
    assert!(media.is_complete(&key));
    assert_eq!(media.info(&key), Some(info), "the rendition is what it was");
    assert!(served(&world, &media, &key, "1.m4s") == clip.segments[0]);
    assert!(served(&world, &media, &key, "2.m4s") == vec![7; 250_000], "no byte of the old one");
    world.server.assert_no_byte_twice("v/low/0.m4s");
    assert_eq!(media.usage(), clip.bytes() - clip.segments[1].len() as u64 + 250_000);
    world.close(media);
    let media = world.open();
    media.set_offline(true);
    let (key, _) = probe(&world, &media);
    assert!(media.is_complete(&key), "after a restart too");
}

#[test]
fn a_changed_header_is_another_version_and_nothing_of_the_old_one_stays() {
    for gone in [false, true] {
        let world = World::new();
        let media = world.open();
        let (_, key, info) = half(&world, &media);
        // The second segment is another file now, and so is the header, or it cannot be asked for.
        let other = Clip::new(&[200_000, 200_000]);
        other.serve(&world, 2_400_000, "");
        world.server.put("v/low/init.mp4", other.init.clone(), "\"another header\"");
        world.server.put("v/low/0.m4s", other.segments[0].clone(), "\"another 0\"");
        world.server.put("v/low/1.m4s", other.segments[1].clone(), "\"another 1\"");
        world.server.always("v/low/init.mp4", gone.then(|| Fault::Status(404, vec![])));
        assert_eq!(fetched(&world, &media, &key, &whole(&info)), Err(FetchError::Unstable));
        assert_eq!(media.info(&key), None, "what was known was of the version that is gone");
        eventually("the old files are gone", || media.usage() == 0);
        world.server.always("v/low/init.mp4", None);
        let (_, again) = probe(&world, &media);
        fetched(&world, &media, &key, &whole(&again)).unwrap();
        assert!(media.is_complete(&key));
        assert!(served(&world, &media, &key, "1.m4s") == other.segments[0]);
        assert!(served(&world, &media, &key, "2.m4s") == other.segments[1]);
    }
}

#[test]
fn a_segment_that_keeps_changing_is_given_up() {
    let world = World::new();
    let media = world.open();
    let (_, key, info) = half(&world, &media);
    let mut rounds = 0;
    let error = loop {
        rounds += 1;
        world.server.put("v/low/1.m4s", vec![7; 300_000], &format!("\"{rounds}\""));
        // Half of it, so that there is something to differ from.
        world.server.fault("v/low/1.m4s", Fault::Short(100_000));
        world.server.always("v/low/1.m4s", Some(Fault::Status(404, vec![])));
        match fetched(&world, &media, &key, &whole(&info)) {
            Err(FetchError::Denied { status: 404 }) if rounds < 10 => {}
            other => break other,
        }
        world.server.always("v/low/1.m4s", None);
    };
    assert_eq!((error, rounds), (Err(FetchError::Unstable), 4));
}

#[test]
fn the_gateway_shows_the_files_and_nothing_else() {
    let world = World::new();
    let clip = Clip::new(&[50_000, 150_000]);
    clip.serve(&world, 400_000, "?sig=secret");
    let media = world.open();
    let key = world.register(&media, "v/all.m3u8", Container::Hls);
    let door = Door::open(&world, &media);
    let url = door.gateway.url(&key).unwrap();
    let list = world.run(door.get(&url, &[]));
    assert_eq!(list.header("content-type"), "application/vnd.apple.mpegurl");
    let text = String::from_utf8(list.body).unwrap();
    assert_eq!(
        text,
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-MAP:URI=\"0.mp4\"\n#EXTINF:1.000000,\n1.m4s\n#EXTINF:1.000000,\n2.m4s\n#EXT-X-ENDLIST\n"
    );
    let name = |name: &str| url.replace("index.m3u8", name);
    let init = world.run(door.get(&name("0.mp4"), &[]));
    assert!(init.body == clip.init && init.header("content-type") == "video/mp4");
    // A range of a file whose length nobody knows yet.
    let part = world.run(door.get(&name("2.m4s"), &[("range", "bytes=100000-100099")]));
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), format!("bytes 100000-100099/{}", clip.segments[1].len()));
    assert!(part.body == clip.segments[1][100_000..100_100]);
    let past = world.run(door.get(&name("1.m4s"), &[("range", "bytes=9999999-")]));
    assert_eq!(past.status, 416);
    for other in ["3.m4s", "video.mp4", "sound.m3u8", "0.key", "../0.mp4", "4294967296.ts"] {
        assert_eq!(world.run(door.get(&name(other), &[])).status, 404, "{other}");
    }
    door.gateway.revoke(&key);
    assert_eq!(world.run(door.get(&name("1.m4s"), &[])).status, 404);
    world.server.assert_no_byte_twice("v/low/1.m4s");
    world.server.assert_no_byte_twice("v/low/2.m4s");
}

#[test]
fn what_cannot_be_played_is_refused_by_name() {
    let world = World::new();
    let media = world.open();
    let refused = |name: &str, list: &str| {
        world.server.put(name, list.as_bytes().to_vec(), "");
        let key = world.register(&media, name, Container::Hls);
        world.run(media.probe(&key, Priority::Next)).unwrap_err()
    };
    world.server.put("a.aac", vec![0xff; 4096], "");
    world.server.put("rubbish.ts", vec![1; 4096], "");
    let of = |uri: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{uri}\n#EXT-X-ENDLIST\n");
    assert!(matches!(refused("packed.m3u8", &of("a.aac")), ProbeError::Unsupported { .. }));
    assert!(matches!(refused("rubbish.m3u8", &of("rubbish.ts")), ProbeError::Malformed { .. }));
    assert!(matches!(
        refused("away.m3u8", &of("file:///etc/passwd")),
        ProbeError::Fetch(FetchError::Refused(_))
    ));
    assert!(matches!(refused("gone.m3u8", &of("nowhere.ts")), ProbeError::Fetch(FetchError::Denied { .. })));
    let huge =
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"big.mp4\"\n#EXTINF:1,\na\n#EXT-X-ENDLIST\n";
    world.server.put("big.mp4", vec![0; 9 << 20], "");
    assert!(matches!(refused("huge.m3u8", huge), ProbeError::TooLarge { .. }));
}
