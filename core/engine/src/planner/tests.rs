//! The planner against a world that does as it is told.

use super::*;
use crate::info::{Layout, VideoCodec};
use crate::testing::item;
use proptest::prelude::*;

/// 10 s, 1 Mbit/s: 125 bytes per millisecond after 1,000 bytes of header.
fn info() -> Arc<MediaInfo> {
    Arc::new(MediaInfo {
        size: 1_251_000,
        layout: Layout::MoovFirst,
        duration_ms: 10_000,
        video: Some(VideoCodec::H264),
        width: 720,
        height: 1280,
        rotation: 0,
        audio: None,
        tracks: Vec::new(),
        headers: vec![Span::new(0, 1_000)],
        index: (0..40).map(|i| (i * 250, 1_000 + i * 250 * 125)).collect(),
    })
}

/// A store and a fetcher that does as it is told, one span at a time.
#[derive(Default)]
struct World {
    held: BTreeMap<MediaKey, Vec<Span>>,
    running: BTreeMap<DemandId, (MediaKey, Vec<Span>, Urgency)>,
    cancelled: Vec<DemandId>,
    fetched: u64,
}

impl World {
    fn drain(&mut self, planner: &mut Planner, now: Time) {
        while let Some(output) = planner.poll_output() {
            match output {
                Output::Probe { key, .. } => {
                    let held = self.held.get(&key).cloned().unwrap_or_default();
                    planner.handle_probed(now, &key, info(), held);
                }
                Output::Fetch { demand, key, spans, urgency } => {
                    let held = self.held.get(&key).cloned().unwrap_or_default();
                    assert_eq!(missing(&spans, &held), spans, "never fetches what is held");
                    self.running.insert(demand, (key, spans, urgency));
                }
                Output::Promote { demand, urgency } => {
                    if let Some(r) = self.running.get_mut(&demand) {
                        r.2 = urgency;
                    }
                }
                Output::Cancel { demand } => self.cancelled.push(demand),
            }
        }
    }

    fn finish_one(&mut self, planner: &mut Planner, now: Time) -> bool {
        let Some((&demand, _)) = self.running.iter().max_by_key(|(_, (_, _, u))| *u) else {
            return false;
        };
        let (key, spans, _) = self.running.remove(&demand).unwrap();
        let cancelled = self.cancelled.contains(&demand);
        let held = self.held.entry(key).or_default();
        if !cancelled {
            self.fetched += spans.iter().map(Span::len).sum::<u64>();
            let mut all = held.clone();
            all.extend(spans);
            *held = crate::info::merge(all);
        }
        let held = held.clone();
        let end = if cancelled { FetchEnd::Cancelled } else { FetchEnd::Done };
        planner.handle_fetch_end(now, demand, end, held);
        self.drain(planner, now);
        true
    }
}

fn show(planner: &mut Planner, world: &mut World, now: Time, current: u64) {
    let items: Vec<_> = (current..current + 5).map(|p| (p, item(&format!("i{p}")))).collect();
    let cards: Vec<_> = items.iter().map(|(p, i)| (*p, &i.asset)).collect();
    let held = world.held.clone();
    planner
        .handle_window(now, current, &cards, &|key| held.get(key).map_or(0, |h| info().playable_until(0, h)));
    world.drain(planner, now);
}

#[test]
fn the_playing_card_comes_first_then_its_neighbours() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    show(&mut planner, &mut world, Time::ZERO, 0);
    let urgencies: Vec<_> = world.running.values().map(|(_, _, u)| *u).collect();
    assert_eq!(urgencies, vec![Urgency::Playback], "nothing else while the playing card is bare");
    assert!(world.finish_one(&mut planner, Time(100)));
    assert_eq!(world.running.len(), 2, "two prefetches at once");
    while world.finish_one(&mut planner, Time(200)) {}
    assert!(planner.startable(1, 3_000) && planner.startable(2, 2_000) && planner.startable(3, 1_000));
    assert!(!planner.startable(4, 1_000), "headers only at the edge of the window");
}

#[test]
fn a_swipe_cancels_and_promotes_in_the_same_turn() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    show(&mut planner, &mut world, Time::ZERO, 0);
    world.finish_one(&mut planner, Time(1));
    let running = world.running.clone();
    show(&mut planner, &mut world, Time(2), 3);
    for (demand, (_, _, urgency)) in running {
        assert!(world.cancelled.contains(&demand), "{urgency:?} left the window");
    }
    assert!(world.running.values().any(|(_, _, u)| *u == Urgency::Playback));
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    show(&mut planner, &mut world, Time::ZERO, 0);
    world.finish_one(&mut planner, Time(1));
    let next = *world.running.iter().find(|(_, (_, _, u))| *u == Urgency::Next).unwrap().0;
    show(&mut planner, &mut world, Time(2), 1);
    assert_eq!(world.running[&next].2, Urgency::Playback, "the running prefetch is promoted, not repeated");
}

#[test]
fn offline_asks_for_nothing_and_background_only_plays() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    planner.handle_condition(Time::ZERO, false, true);
    show(&mut planner, &mut world, Time::ZERO, 0);
    assert!(world.running.is_empty());
    planner.handle_condition(Time(1), true, false);
    world.drain(&mut planner, Time(1));
    while world.finish_one(&mut planner, Time(2)) {}
    assert_eq!(world.held.values().filter(|h| !h.is_empty()).count(), 1);
}

#[test]
fn a_failed_fetch_waits_and_a_final_one_is_given_up() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    show(&mut planner, &mut world, Time::ZERO, 0);
    let demand = *world.running.keys().next().unwrap();
    world.running.clear();
    planner.handle_fetch_end(Time(10), demand, FetchEnd::Failed { retryable: true }, Vec::new());
    world.drain(&mut planner, Time(10));
    assert!(world.running.is_empty());
    let at = planner.poll_timeout().unwrap();
    planner.handle_timeout(at);
    world.drain(&mut planner, at);
    let demand = *world.running.keys().next().unwrap();
    planner.handle_fetch_end(at, demand, FetchEnd::Failed { retryable: false }, Vec::new());
    assert!(planner.refused(0));
}

#[test]
fn renditions_follow_the_throughput_and_what_is_held() {
    let asset = item("a").asset;
    let mut planner = Planner::new(Policy::default());
    assert_eq!(planner.choose(&asset, &|_| 0), MediaKey::new(&asset.id, "480p"));
    for _ in 0..20 {
        planner.handle_transfer(1_000_000, Millis(400)); // 20 Mbit/s
    }
    assert_eq!(planner.choose(&asset, &|_| 0), MediaKey::new(&asset.id, "720p"));
    let low = MediaKey::new(&asset.id, "480p");
    assert_eq!(
        planner.choose(&asset, &|k| u64::from(*k == low)),
        low,
        "what was fetched is what gets played"
    );
}

proptest! {
    /// Any mix of swipes, ends and play: nothing behind the thumb is started, prefetches stay bounded, and once
    /// everything settles the plan is empty.
    #[test]
    fn bounded_and_settling(steps in prop::collection::vec((0u8..4, 0u64..3), 1..60)) {
        let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
        let (mut now, mut current) = (Time::ZERO, 0u64);
        show(&mut planner, &mut world, now, current);
        for (what, n) in steps {
            now = now + Millis(100);
            match what {
                0 => { current += n; show(&mut planner, &mut world, now, current); }
                1 => { current = current.saturating_sub(n); show(&mut planner, &mut world, now, current); }
                2 => { world.finish_one(&mut planner, now); }
                _ => {
                    planner.handle_playhead(now, n * 3_000);
                    world.drain(&mut planner, now);
                }
            }
            let live = world.running.iter().filter(|(d, _)| !world.cancelled.contains(d));
            prop_assert!(live.filter(|(_, (_, _, u))| *u < Urgency::Playback).count() <= 3);
        }
        for _ in 0..200 {
            if !world.finish_one(&mut planner, now) { break; }
        }
        prop_assert!(world.running.is_empty());
        prop_assert!(planner.startable(current, 3_000) || planner.playhead_ms > 0);
    }
}
