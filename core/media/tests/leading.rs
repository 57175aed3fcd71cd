//! A reader whose bytes are planned: what comes next is waited for, what no planner foresees is asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::fixture::mp4_of;
use common::{Fault, World, eventually};
use unspool_engine::{Container, Span};
use unspool_media::{ByteSource, Priority, Purpose, ReadError};
use unspool_testkit::pattern;

const LONG: Duration = Duration::from_secs(15);
const KIB: u64 = 1024;

/// Starts of the requests for "a" that lie behind what the probe took.
fn asked(world: &World) -> Vec<u64> {
    let log = world.server.log();
    log.iter().filter_map(|l| l.span).map(|s| s.start).filter(|&at| at >= 128 * KIB).collect()
}

/// A reader that has read to the end of what the probe brought.
fn reader(world: &World) -> (Arc<unspool_media::Media>, unspool_engine::MediaKey, Arc<dyn ByteSource>, u64) {
    world.server.put("a", mp4_of(&pattern(9_000_000), 4000, false), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    world.run(media.probe(&key, Priority::Next)).unwrap();
    eventually("the first look", || media.held(&key).first().is_some_and(|s| s.end >= 128 * KIB));
    let (source, _) = media.planned(&key).unwrap();
    let mut at = 0;
    while source.available_from(at) > 0 {
        at += source.read_at(at, &mut [0; 4096], LONG).unwrap() as u64;
    }
    (media, key, source, at)
}

#[test]
fn what_the_planner_brings_is_waited_for_and_not_asked_for() {
    let world = World::new();
    let (media, key, source, at) = reader(&world);
    world.server.close_gate();
    world.server.always("a", Some(Fault::Gate));
    let wanted = Span::new(at, at + 100 * KIB);
    let ticket = media.fetch(&key, &[wanted], Priority::Playback, Purpose::Playback);
    let begun = Instant::now();
    // Longer than a hole that nobody brings would be left alone.
    assert_eq!(source.read_at(at, &mut [0; 10], Duration::from_millis(1_200)), Err(ReadError::TimedOut));
    assert!(begun.elapsed() >= Duration::from_millis(1_200));
    // A request that hears nothing for so long is begun again at the same place.
    assert!(
        asked(&world).iter().all(|&start| start == at),
        "the planner's and no other: {:?}",
        asked(&world)
    );
    world.server.open_gate();
    assert!(source.read_at(at, &mut [0; 10], LONG).unwrap() > 0);
    world.run(ticket.wait()).unwrap();
    let end = source.available_from(at);
    assert_eq!(end, 100 * KIB, "nothing was rolled ahead of the reader");
    world.close(media);
}

#[test]
fn a_hole_that_nobody_brings_is_asked_for_before_a_player_runs_dry() {
    let world = World::new();
    let (media, _, source, at) = reader(&world);
    let begun = Instant::now();
    assert!(source.read_at(at, &mut [0; 10], LONG).unwrap() > 0);
    assert!(begun.elapsed() >= Duration::from_millis(700), "not at once: {:?}", begun.elapsed());
    eventually("a block", || source.available_from(at) >= 64 * KIB);
    assert_eq!((asked(&world), source.available_from(at)), (vec![at], 64 * KIB));
    world.close(media);
}

#[test]
fn a_seek_is_asked_for_at_once_and_nobody_watching_nothing_is() {
    let world = World::new();
    let (media, _, source, at) = reader(&world);
    source.set_watched(false);
    assert_eq!(source.read_at(at, &mut [0; 10], Duration::from_millis(1_000)), Err(ReadError::TimedOut));
    assert_eq!(asked(&world), Vec::<u64>::new());
    source.set_watched(true);
    // A demuxer that seeks ends its read first.
    source.interrupt();
    source.resume();
    let place = at + 1_000_000;
    let begun = Instant::now();
    assert!(source.read_at(place, &mut [0; 10], LONG).unwrap() > 0);
    assert!(asked(&world).starts_with(&[place]), "{:?} after {:?}", asked(&world), begun.elapsed());
    eventually("as much as a reader on its own keeps ahead", || source.available_from(place) >= 512 * KIB);
    world.close(media);
}
