//! What a start asks for, from the server's log: each file once, side by side, and nothing that a first picture does not
//! need.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::clip::Clip;
use common::fixture::{fragmented, mp4_of};
use common::{Fault, World, playlist};
use unspool_engine::{Container, Span};
use unspool_media::{ByteSource, Origin, Priority};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);

/// Paths and ranges in the order of the requests.
fn asked(world: &World) -> Vec<(String, Span)> {
    world.server.log().iter().map(|line| (line.path.clone(), line.span.unwrap())).collect()
}

fn paths(world: &World) -> Vec<String> {
    asked(world).into_iter().map(|(path, _)| path).collect()
}

/// Reads `length` bytes in pieces as small as a demuxer's.
fn read(source: &dyn ByteSource, from: u64, length: u64) {
    let mut at = from;
    while at < from + length {
        let mut piece = vec![0; 4096.min((from + length - at) as usize)];
        at += source.read_at(at, &mut piece, LONG).unwrap() as u64;
    }
}

#[test]
fn a_segmented_start_asks_for_its_first_segment_beside_the_headers_and_for_no_second_one() {
    let world = World::new();
    // Larger than a chunk in the middle of a clip.
    let clip = Clip::new(&[400_000, 100_000, 100_000]);
    clip.serve(&world, 3_200_000, "");
    world.server.fault("v/low/init.mp4", Fault::Gate);
    let media = world.open();
    let key = world.register(&media, "v/all.m3u8", Container::Hls);
    let of_key = (media.clone(), key.clone());
    let probe = world.runtime.spawn(async move { of_key.0.probe(&of_key.1, Priority::Playback).await });
    world.server.wait_log("both", |log| log.iter().filter(|l| l.path.starts_with("/v/low/")).count() == 3);
    world.server.open_gate();
    world.run(probe).unwrap().unwrap();

    let (source, info) = media.playable(&key).unwrap();
    let at = info.index[0].1;
    read(&*source, 0, clip.init.len() as u64);
    read(&*source, at, clip.segments[0].len() as u64);
    let expected = ["/v/all.m3u8", "/v/low/0.m4s", "/v/low/init.mp4", "/v/low/list.m3u8"];
    // Nothing is on its way that the log does not know of yet.
    world.run(media.idle(&key));
    let mut so_far = paths(&world);
    so_far.sort();
    so_far.dedup();
    assert_eq!(so_far, expected, "no picture, no look ahead");
    assert_eq!(world.server.asked("v/low/0.m4s"), 1, "{:?}", asked(&world));

    source.set_started();
    read(&*source, at, clip.segments[0].len() as u64);
    world.server.wait_log("the next segment", |log| log.iter().any(|l| l.path == "/v/low/1.m4s"));
    world.close(media);
}

#[test]
fn a_start_from_transport_streams_asks_for_its_first_one_once() {
    let world = World::new();
    world.server.put(
        "a.m3u8",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\na.ts\n#EXT-X-ENDLIST\n".to_vec(),
        "",
    );
    world.server.put("a.ts", pattern(400_000), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a.m3u8", Container::Hls);
    // It is no transport stream, which only its bytes tell.
    world.run(media.probe(&key, Priority::Playback)).unwrap_err();
    world.run(media.idle(&key));
    assert_eq!(paths(&world), ["/a.m3u8", "/a.ts"]);
    world.close(media);
}

#[test]
fn the_first_segment_of_one_file_comes_with_the_headers_in_front_of_it() {
    let world = World::new();
    let noise = pattern(300_000);
    let (file, headers) = fragmented(&[&noise[..150_000], &noise[150_000..]], false);
    let part = (file.len() - headers) / 2;
    world.server.put("a.mp4", file, "\"1\"");
    world.server.put("a.m3u8", playlist("a.mp4", headers, &[part, part]).into_bytes(), "");
    let media = world.open();
    let key = world.register(&media, "a.m3u8", Container::Hls);
    let info = world.run(media.probe(&key, Priority::Playback)).unwrap();
    let source = media.source(&key).unwrap();
    read(&*source, 0, info.index[1].1);
    world.run(media.idle(&key));
    let asked = asked(&world);
    assert_eq!(asked[0].0, "/a.m3u8");
    // The head of the second segment is read before any sample of the first.
    let with_head = Span::new(0, (headers + part) as u64 + 4096);
    assert_eq!(asked[1], ("/a.mp4".to_owned(), with_head), "{asked:?}");
    world.server.assert_no_byte_twice("a.mp4");
    world.close(media);
}

/// The first request for a file of 2 MB that says so many bits a second.
fn first_request(bits: u64, container: Container, priority: Priority) -> u64 {
    let world = World::new();
    world.server.put("a", mp4_of(&pattern(2_000_000), 40_000, false), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", container);
    let origin = Origin { bitrate_bps: bits, ..world.origin("a", container) };
    media.register(&key, origin);
    world.run(media.probe(&key, priority)).unwrap();
    world.run(media.idle(&key));
    let asked = asked(&world);
    world.close(media);
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked[0].1.end
}

#[test]
fn a_start_asks_for_a_second_of_media_at_once_and_a_prefetch_for_the_headers() {
    use Container::{Fmp4, Mp4};
    assert_eq!(first_request(2_000_000, Mp4, Priority::Playback), 312_500 + 32 * 1024);
    assert_eq!(first_request(0, Fmp4, Priority::Playback), 512 * 1024);
    assert_eq!(first_request(0, Mp4, Priority::Playback), 128 * 1024);
    for priority in [Priority::Next, Priority::Prefetch] {
        assert_eq!(first_request(2_000_000, Fmp4, priority), 128 * 1024);
    }
}
