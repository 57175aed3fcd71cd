//! Probes over the wire: what they cost, and that HLS over one file reads like a file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::fixture::{fragmented, mp4_of};
use common::{Fault, World, playlist};
use unspool_engine::{Container, Span};
use unspool_media::{FetchError, Layout, Priority, ProbeError};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);

#[test]
fn hls_over_one_file_is_probed_played_and_kept() {
    let world = World::new();
    let noise = pattern(600_000);
    let parts: [&[u8]; 2] = [&noise[..200_000], &noise[200_000..]];
    let (file, headers) = fragmented(&parts, false);
    let first = (file.len() - headers - 600_000) / 2 + 200_000;
    let cuts = [first, file.len() - headers - first];
    let server = &world.server;
    server.put("v/all.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nlow/list.m3u8\n".to_vec(), "");
    server.put("v/low/list.m3u8", playlist("media.mp4", headers, &cuts).into_bytes(), "");
    server.put("v/low/media.mp4", file.clone(), "\"1\"");
    server.fault("v/all.m3u8", Fault::Status(503, vec![]));
    let media = world.open();
    let key = world.register(&media, "v/all.m3u8", Container::Hls);
    let early = media.fetch(&key, &[Span::new(0, 10)], Priority::Next, unspool_media::Purpose::Prefetch);
    assert!(
        matches!(world.run(early.wait()), Err(FetchError::Refused(_))),
        "no bytes before the file is known"
    );
    let info = world.run(media.probe(&key, Priority::Next)).unwrap();
    assert_eq!((info.layout, info.duration_ms, info.size), (Layout::Fragmented, 2_000, file.len() as u64));
    assert_eq!(info.index[1], (1_000, (headers + first) as u64));
    let source = media.source(&key).unwrap();
    let mut out = vec![0; file.len()];
    let mut got = 0;
    while got < out.len() {
        got += source.read_at(got as u64, &mut out[got..], LONG).unwrap();
    }
    assert!(out == file);
    let lists: u64 = [&b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100\nlow/list.m3u8\n"[..]]
        .iter()
        .map(|l| l.len() as u64)
        .sum::<u64>()
        + playlist("media.mp4", headers, &cuts).len() as u64;
    assert_eq!(media.counts().network, file.len() as u64 + lists, "playlists are in the books");
    drop(source);
    world.close(media);

    let requests = world.server.requests();
    let media = world.open();
    media.set_offline(true);
    let key = world.register(&media, "v/all.m3u8", Container::Hls);
    assert_eq!(world.run(media.probe(&key, Priority::Playback)).unwrap(), info);
    assert!(media.is_complete(&key));
    // Back online, evicted bytes come from the right file without reading the playlists again.
    media.set_offline(false);
    media.evict(&[(key.clone(), Span::new(100_000, 300_000))]).unwrap();
    let mut part = vec![0; 1000];
    let got = media.source(&key).unwrap().read_at(200_000, &mut part, LONG).unwrap();
    assert!(got > 0 && part[..got] == file[200_000..200_000 + got]);
    assert!(world.server.log()[requests..].iter().all(|l| l.path == "/v/low/media.mp4"));
}

#[test]
fn hls_that_cannot_be_played_is_refused_by_name() {
    let world = World::new();
    let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF";
    let locked = playlist("a.mp4", 100, &[50, 50]).replacen("#EXTINF", key, 1);
    world.server.put("locked.m3u8", locked.into_bytes(), "");
    world.server.put("big.m3u8", vec![b'#'; 400_000], "");
    let media = world.open();
    let key = world.register(&media, "locked.m3u8", Container::Hls);
    let refused = world.run(media.probe(&key, Priority::Next)).unwrap_err();
    assert!(matches!(refused, ProbeError::Unsupported { .. }) && !refused.retryable());
    let key = world.register(&media, "big.m3u8", Container::Hls);
    assert!(matches!(
        world.run(media.probe(&key, Priority::Next)),
        Err(ProbeError::Fetch(FetchError::Protocol(_)))
    ));
}

#[test]
fn a_log_in_page_in_the_place_of_a_playlist_is_asked_past_later() {
    let world = World::new();
    world.server.put("list.m3u8", playlist("a.mp4", 100, &[50, 50]).into_bytes(), "");
    let page = vec![("content-type", "text/html".to_owned())];
    world.server.always("list.m3u8", Some(Fault::Status(200, page)));
    let media = world.open();
    let key = world.register(&media, "list.m3u8", Container::Hls);
    let error = world.run(media.probe(&key, Priority::Next)).unwrap_err();
    assert_eq!(error, ProbeError::Fetch(FetchError::Intercepted));
    assert!(error.retryable());
}

#[test]
fn headers_last_are_found_without_the_media() {
    let world = World::new();
    let file = mp4_of(&pattern(3_000_000), 5_000, true);
    world.server.put("a", file.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let info = world.run(media.probe(&key, Priority::Playback)).unwrap();
    assert_eq!(info.layout, Layout::MoovLast);
    assert_eq!(world.server.requests(), 2);
    assert!(media.counts().network < 250_000);
    // The first second is exactly what the index says.
    for span in info.ranges(0, 1_000) {
        world.fetch(&media, &key, span);
    }
    let requests = world.server.requests();
    let source = media.source(&key).unwrap();
    let mut buf = vec![0; 50_000];
    for span in info.ranges(0, 1_000) {
        assert!(source.available_from(span.start) >= span.len());
    }
    assert_eq!(source.read_at(info.headers[0].end, &mut buf, LONG), Ok(50_000));
    let _ = requests;
}

#[test]
fn a_failed_probe_can_be_asked_again() {
    let world = World::new();
    world.server.put("a", mp4_of(&pattern(10_000), 500, false), "\"1\"");
    world.server.always("a", Some(Fault::Status(500, vec![])));
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let failed = world.run(media.probe(&key, Priority::Next)).unwrap_err();
    assert!(failed.retryable(), "{failed}");
    world.server.always("a", None);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    world.server.put("bad", b"this is not a video".to_vec(), "\"1\"");
    let bad = world.register(&media, "bad", Container::Mp4);
    assert!(matches!(world.run(media.probe(&bad, Priority::Next)), Err(ProbeError::Malformed { .. })));
}
