//! What requests tell servers of the playback they serve: nothing, unless it was switched on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::fixture::{fragmented, mp4_of};
use common::{Wire, World, playlist};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{Cmcd, Media, MediaConfig, Origin, Playback, Priority, Purpose};
use unspool_testkit::pattern;

over_each_wire!(
    by_default_nothing_is_told,
    headers_carry_what_is_known_and_addresses_stay_as_they_are,
    the_query_carries_all_of_it_behind_the_signature,
);

/// A world with a clip of ten seconds at `a`, and a layer that tells.
fn telling(wire: Wire, cmcd: Option<Cmcd>) -> (World, Arc<Media>, MediaKey) {
    let world = World::over(wire);
    world.server.put("a", mp4_of(&pattern(400_000), 4_000, false), "\"1\"");
    let media = world.open_with(MediaConfig { cmcd, ..world.config() });
    let key = MediaKey::new("clip-1", "720p");
    let url = format!("{}?sig=a%2Fb", world.server.url("a"));
    let origin =
        Origin { bitrate_bps: 320_000, top_bitrate_bps: 2_000_000, ..Origin::new(url, Container::Mp4) };
    media.register(&key, origin);
    (world, media, key)
}

/// The pairs of one request, whichever way they came.
fn pairs(said: &str) -> BTreeMap<String, String> {
    let pairs: Vec<&str> = said.split(',').filter(|pair| !pair.is_empty()).collect();
    assert!(pairs.is_sorted(), "in alphabetical order: {said}");
    pairs
        .into_iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn play(world: &World, media: &Media, key: &MediaKey) {
    world.run(media.probe(key, Priority::Playback)).unwrap();
    world.fetch(media, key, Span::new(0, 200_000));
    media.set_playback(key, Some(Playback { playhead_ms: 1_000, rate: 1.0, starved: false }));
    let ticket = media.fetch(key, &[Span::new(200_000, 210_000)], Priority::Playback, Purpose::Playback);
    world.run(ticket.wait()).unwrap();
}

fn by_default_nothing_is_told(wire: Wire) {
    let (world, media, key) = telling(wire, None);
    play(&world, &media, &key);
    for line in world.server.log() {
        assert!(line.cmcd.is_empty() && line.query.as_deref() == Some("sig=a%2Fb"), "{line:?}");
    }
}

fn headers_carry_what_is_known_and_addresses_stay_as_they_are(wire: Wire) {
    let (world, media, key) = telling(wire, Some(Cmcd::Headers));
    play(&world, &media, &key);
    let log = world.server.log();
    assert!(log.iter().all(|line| line.query.as_deref() == Some("sig=a%2Fb")), "{log:?}");
    let said = |line: &common::Logged| -> BTreeMap<String, BTreeMap<String, String>> {
        line.cmcd.iter().map(|(name, value)| (name.clone(), pairs(value))).collect()
    };
    let first = said(&log[0]);
    assert!(first["cmcd-request"].contains_key("su"), "somebody waits for the start: {first:?}");
    assert!(!first["cmcd-object"].contains_key("ot"), "what it holds is not known yet");
    let last = said(log.last().unwrap());
    assert_eq!(last["cmcd-object"]["br"], "320");
    assert_eq!(last["cmcd-object"]["tb"], "2000");
    assert_eq!(last["cmcd-object"]["ot"], "v");
    assert_eq!(last["cmcd-object"]["d"], "10000");
    let buffered: u64 = last["cmcd-request"]["bl"].parse().unwrap();
    assert!((3_500..=4_000).contains(&buffered), "{buffered} of the five seconds that are here lie ahead");
    assert_eq!(last["cmcd-request"]["dl"], last["cmcd-request"]["bl"]);
    assert!(last["cmcd-request"].contains_key("mtp") && !last["cmcd-request"].contains_key("su"));
    assert_eq!(last["cmcd-session"]["cid"], "\"clip-1\"");
    assert_eq!((&*last["cmcd-session"]["sf"], &*last["cmcd-session"]["st"]), ("o", "v"));
    let sessions: Vec<_> = log.iter().map(|line| said(line)["cmcd-session"]["sid"].clone()).collect();
    assert!(sessions.iter().all(|sid| *sid == sessions[0] && sid.len() == 38), "{sessions:?}");

    media.set_playback(&key, Some(Playback { playhead_ms: 9_000, rate: 0.0, starved: true }));
    let ticket = media.fetch(&key, &[Span::new(380_000, 390_000)], Priority::Playback, Purpose::Playback);
    world.run(ticket.wait()).unwrap();
    let starved = said(world.server.log().last().unwrap());
    assert!(starved["cmcd-status"].contains_key("bs") && starved["cmcd-request"].contains_key("su"));
    world.close(media);

    let media = world.open_with(MediaConfig { cmcd: Some(Cmcd::Headers), ..world.config() });
    media.register(&key, Origin::new(world.server.url("a"), Container::Mp4));
    world.fetch(&media, &key, Span::new(250_000, 251_000));
    let next = said(world.server.log().last().unwrap())["cmcd-session"]["sid"].clone();
    assert_ne!(next, sessions[0], "another session, another number");
}

fn the_query_carries_all_of_it_behind_the_signature(wire: Wire) {
    let (world, media, key) = telling(wire, Some(Cmcd::Query));
    let noise = pattern(100_000);
    let (file, headers) = fragmented(&[&noise], false);
    world.server.put("v/list.m3u8", playlist("media.mp4", headers, &[file.len() - headers]).into_bytes(), "");
    world.server.put("v/media.mp4", file, "\"1\"");
    let hls = world.register(&media, "v/list.m3u8", Container::Hls);
    world.run(media.probe(&hls, Priority::Playback)).unwrap();
    play(&world, &media, &key);
    let log = world.server.log();
    let argument = |path: &str| {
        let line = log.iter().rfind(|line| line.path == path).unwrap();
        assert!(line.cmcd.is_empty());
        let query = line.query.clone().unwrap();
        let (before, coded) = query.split_once("CMCD=").unwrap();
        let decoded =
            url::form_urlencoded::parse(format!("x={coded}").as_bytes()).next().unwrap().1.into_owned();
        (before.to_owned(), pairs(&decoded))
    };
    let (signature, said) = argument("/a");
    assert_eq!(signature, "sig=a%2Fb&");
    assert_eq!((&*said["cid"], &*said["br"], &*said["ot"]), ("\"clip-1\"", "320", "v"));
    let (_, list) = argument("/v/list.m3u8");
    assert_eq!((&*list["ot"], &*list["sf"]), ("m", "h"));
    assert_eq!(argument("/v/media.mp4").1["sf"], "h");
}
