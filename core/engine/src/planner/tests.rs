//! The planner against a world that does as it is told.

use super::*;
use crate::info::missing;
use crate::info::{Layout, VideoCodec};
use crate::model::Item;
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

/// What is fetched of what, and how urgently.
type Fetching = (MediaKey, Vec<Span>, Urgency);

/// A store and a fetcher that does as it is told, one span at a time.
#[derive(Default)]
struct World {
    held: BTreeMap<MediaKey, Vec<Span>>,
    running: BTreeMap<DemandId, Fetching>,
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
    let cards: Vec<_> = items.iter().map(|(position, item)| candidate(*position, item)).collect();
    let held = world.held.clone();
    planner
        .handle_window(now, current, &cards, &|key| held.get(key).map_or(0, |h| info().playable_until(0, h)));
    world.drain(planner, now);
}

fn candidate(position: u64, item: &Item) -> Candidate<'_> {
    let topic = item.topics.first().map(String::as_str);
    Candidate { position, asset: &item.asset, retention: &item.retention, topic, switchable: false }
}

/// Plays on for so many milliseconds of media, everything arriving at once.
fn play(planner: &mut Planner, world: &mut World, now: &mut Time, from_ms: u64, to_ms: u64) {
    let mut at = from_ms;
    while at <= to_ms {
        *now = *now + Millis(100);
        planner.handle_playhead(*now, at);
        world.drain(planner, *now);
        while world.finish_one(planner, *now) {}
        at += 100;
    }
}

#[test]
fn the_playing_card_comes_first_then_its_neighbours() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    for _ in 0..8 {
        planner.handle_transfer("", 250_000, Millis(50), Millis(250));
    }
    show(&mut planner, &mut world, Time::ZERO, 0);
    let urgencies: Vec<_> = world.running.values().map(|(_, _, u)| *u).collect();
    assert_eq!(urgencies, vec![Urgency::Playback], "nothing else while the playing card is bare");
    let mut now = Time(100);
    while world.finish_one(&mut planner, now) {}
    play(&mut planner, &mut world, &mut now, 0, 3_000);
    assert!(planner.ahead_ms(0, 3_000) >= 500, "{}", planner.ahead_ms(0, 3_000));
    let ahead: Vec<u64> = (0..5).map(|p| planner.ahead_ms(p, 0)).collect();
    assert!(ahead[1] >= 1_000 && ahead[2] >= 1_000, "a first second of the next cards: {ahead:?}");
    assert!(!planner.startable(2, 4_000), "not much more of what may never be seen");
}

#[test]
fn a_swipe_cancels_and_promotes_in_the_same_turn() {
    let begin = || {
        let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
        show(&mut planner, &mut world, Time::ZERO, 0);
        for _ in 0..20 {
            let next = world.running.values().any(|(_, _, u)| *u == Urgency::Next);
            if next || !world.finish_one(&mut planner, Time(1)) {
                break;
            }
        }
        (planner, world)
    };
    let (mut planner, mut world) = begin();
    let running = world.running.clone();
    show(&mut planner, &mut world, Time(2), 10);
    for (demand, (_, _, urgency)) in running {
        assert!(world.cancelled.contains(&demand), "{urgency:?} left the window");
    }
    assert!(world.running.values().any(|(_, _, u)| *u == Urgency::Playback));
    let (mut planner, mut world) = begin();
    let next = *world.running.iter().find(|(_, (_, _, u))| *u == Urgency::Next).unwrap().0;
    show(&mut planner, &mut world, Time(2), 1);
    assert_eq!(world.running[&next].2, Urgency::Playback, "the running prefetch is promoted, not repeated");
    assert!(!world.cancelled.contains(&next));
}

#[test]
fn offline_asks_for_nothing_and_background_only_plays() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    planner.handle_limits(Time::ZERO, Limits { online: false, ..Limits::default() });
    show(&mut planner, &mut world, Time::ZERO, 0);
    assert!(world.running.is_empty());
    assert_eq!(planner.poll_timeout(), None);
    planner.handle_limits(Time(1), Limits { prefetching: false, ..Limits::default() });
    world.drain(&mut planner, Time(1));
    let mut now = Time(2);
    play(&mut planner, &mut world, &mut now, 0, 2_000);
    assert_eq!(world.held.values().filter(|h| !h.is_empty()).count(), 1);
}

#[test]
fn before_the_network_goes_the_card_on_screen_is_fetched_to_its_end() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    for _ in 0..8 {
        planner.handle_transfer("", 250_000, Millis(50), Millis(250));
    }
    show(&mut planner, &mut world, Time::ZERO, 0);
    let mut now = Time(100);
    play(&mut planner, &mut world, &mut now, 0, 1_000);
    assert!(planner.ahead_ms(0, 0) < 10_000, "otherwise it would not go that far");
    let shown = planner.key(0).unwrap().clone();
    let others = |world: &World| {
        world.held.iter().filter(|(key, _)| **key != shown).map(|(_, held)| held.clone()).collect::<Vec<_>>()
    };
    let before = others(&world);
    planner.handle_limits(now, Limits { finish: true, ..Limits::default() });
    world.drain(&mut planner, now);
    while planner.ahead_ms(0, 0) < 10_000 {
        assert!(world.live().iter().all(|(_, (key, _, _))| *key == shown), "{:?}", world.running);
        assert!(world.finish_one(&mut planner, now), "it waits");
    }
    assert_eq!(others(&world), before, "nothing of the other cards meanwhile");
}

#[test]
fn while_the_card_on_screen_stands_for_bytes_nothing_is_fetched_for_another() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    for _ in 0..8 {
        planner.handle_transfer("", 250_000, Millis(50), Millis(250));
    }
    show(&mut planner, &mut world, Time::ZERO, 0);
    let mut now = Time(100);
    play(&mut planner, &mut world, &mut now, 0, 1_000);
    let ahead = planner.ahead_ms(0, 1_000);
    assert!((1_000..8_000).contains(&ahead) && !planner.in_danger(0), "{ahead}");
    planner.handle_starved(now, 1_000);
    world.drain(&mut planner, now);
    let shown = planner.key(0).unwrap().clone();
    for _ in 0..3 {
        let live = world.live();
        assert!(!live.is_empty() && live.iter().all(|(_, (key, _, _))| *key == shown), "{live:?}");
        world.finish_one(&mut planner, now);
    }
    assert!(planner.ahead_ms(0, 1_000) > ahead);
    planner.handle_fed(now);
    world.drain(&mut planner, now);
    assert!(!planner.in_danger(0));
    planner.handle_starved(now, 1_000);
    show(&mut planner, &mut world, now, 1);
    while world.finish_one(&mut planner, now) {}
    assert!(planner.ahead_ms(2, 0) > 0, "a card that was left stands no more");
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
    let mut at = Time(10);
    while world.running.is_empty() {
        at = planner.poll_timeout().unwrap();
        assert!(at <= Time(2_000));
        planner.handle_timeout(at);
        world.drain(&mut planner, at);
    }
    assert!(at >= Time(1_000), "{at}");
    let demand = *world.running.keys().next().unwrap();
    planner.handle_fetch_end(at, demand, FetchEnd::Failed { retryable: false }, Vec::new());
    assert!(planner.refused(0));
}

#[test]
fn a_stalled_link_gets_no_more_demands_ahead_until_something_arrives() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    for _ in 0..8 {
        planner.handle_transfer("", 250_000, Millis(50), Millis(250));
    }
    show(&mut planner, &mut world, Time::ZERO, 0);
    world.finish_one(&mut planner, Time(1));
    let (running, rate) = (world.running.len(), planner.throughput_bps());
    assert!(running > 0);
    let mut at = Time(1);
    while planner.link() == LinkState::Fine {
        at = planner.poll_timeout().unwrap();
        assert!(at < Time(10_000), "silence is noticed by nobody but the clock");
        planner.handle_timeout(at);
        world.drain(&mut planner, at);
    }
    assert_eq!(planner.link(), LinkState::Stalled);
    assert!(at >= Time(3_000) && planner.throughput_bps() < rate, "{at}");
    show(&mut planner, &mut world, at + Millis(1), 3);
    let live: Vec<_> = world.running.iter().filter(|(d, _)| !world.cancelled.contains(d)).collect();
    assert_eq!(live.len(), 1, "the card on screen alone: {live:?}");
    world.running.retain(|d, _| !world.cancelled.contains(d));
    while world.finish_one(&mut planner, at + Millis(2)) {}
    assert_eq!(planner.link(), LinkState::Fine);
    assert!(planner.ahead_ms(4, 0) >= 1_000, "and on it goes");
}

#[test]
fn a_link_that_only_refuses_is_asked_for_the_current_card_alone_and_ever_less_often() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    show(&mut planner, &mut world, Time::ZERO, 0);
    let (mut now, mut asked, mut ahead) = (Time::ZERO, 0, 0);
    while now < Time(60_000) {
        while let Some((demand, (key, _, urgency))) = world.running.pop_first() {
            asked += 1;
            ahead += usize::from(planner.link() == LinkState::Captive && urgency != Urgency::Playback);
            planner.handle_fetch_end(now, demand, FetchEnd::Failed { retryable: true }, Vec::new());
            assert_eq!(planner.links().all().remember(0), None, "{key} brought nothing");
            world.drain(&mut planner, now);
        }
        let Some(at) = planner.poll_timeout() else { break };
        now = at.max(now + Millis(1));
        planner.handle_timeout(now);
        world.drain(&mut planner, now);
    }
    assert_eq!(ahead, 0);
    assert!((4..=14).contains(&asked), "{asked} demands in a minute");
}

#[test]
fn renditions_follow_the_throughput_and_what_is_held() {
    let chosen = |mbit_s: u64, held: &dyn Fn(&MediaKey) -> u64, limits: Limits| {
        let mut planner = Planner::new(Policy::default());
        planner.handle_limits(Time::ZERO, limits);
        for _ in 0..20 {
            planner.handle_transfer("", 250_000, Millis(50), Millis(2_000 / mbit_s));
        }
        let card = item("a");
        planner.handle_window(Time::ZERO, 0, &[candidate(0, &card)], held);
        while planner.poll_output().is_some() {}
        planner.key(0).unwrap().parts().1.to_owned()
    };
    assert_eq!(chosen(1, &|_| 0, Limits::default()), "480p");
    assert_eq!(chosen(20, &|_| 0, Limits::default()), "720p");
    assert_eq!(chosen(20, &|_| 0, Limits { max_height: 480, ..Limits::default() }), "480p");
    assert_eq!(chosen(20, &|_| 0, Limits { lowest: true, ..Limits::default() }), "480p");
    let low = |key: &MediaKey| u64::from(key.parts().1 == "480p");
    assert_eq!(chosen(20, &low, Limits::default()), "480p", "what was fetched is what gets played");
}

#[test]
fn a_switchable_card_changes_its_rendition_between_steps_and_plays_both() {
    let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
    let card = item("a");
    let cards = [Candidate { switchable: true, ..candidate(0, &card) }];
    planner.handle_limits(Time::ZERO, Limits { lowest: true, ..Limits::default() });
    planner.handle_window(Time::ZERO, 0, &cards, &|_| 0);
    world.drain(&mut planner, Time::ZERO);
    world.finish_one(&mut planner, Time(1));
    for _ in 0..8 {
        planner.handle_transfer("", 2_000_000, Millis(50), Millis(200));
    }
    planner.handle_limits(Time(2), Limits::default());
    let mut now = Time(2);
    play(&mut planner, &mut world, &mut now, 0, 8_000);
    assert_eq!(world.held.values().filter(|h| !h.is_empty()).count(), 2, "{:?}", world.held);
    assert!(planner.ahead_ms(0, 0) >= 4_000, "{}", planner.ahead_ms(0, 0));
}

#[test]
fn a_hasty_person_is_given_less_of_a_card_at_once() {
    let fetched = |looks: u64| {
        let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
        let mut now = Time::ZERO;
        for position in 0..12 {
            show(&mut planner, &mut world, now, position);
            while world.finish_one(&mut planner, now) {}
            play(&mut planner, &mut world, &mut now, 0, looks);
        }
        planner.person().theta(None)
    };
    assert!(fetched(600) > 1.5 * fetched(9_900));
}

/// Any sequence of facts.
#[derive(Debug, Clone)]
enum Fact {
    Swipe(i64),
    Finish,
    Fail(bool),
    Playhead(u64),
    Transfer(u64, u64),
    Limits(bool, bool, Option<u64>),
    Starved(bool),
    Wait(u64),
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        3 => (-1i64..4).prop_map(Fact::Swipe),
        8 => Just(Fact::Finish),
        1 => any::<bool>().prop_map(Fact::Fail),
        5 => (0u64..10_000).prop_map(Fact::Playhead),
        3 => (1_000u64..2_000_000, 10u64..5_000).prop_map(|(b, t)| Fact::Transfer(b, t)),
        1 => (prop::bool::weighted(0.8), any::<bool>(), prop::option::of(0u64..3_000_000))
            .prop_map(|(o, p, d)| Fact::Limits(o, p, d)),
        2 => any::<bool>().prop_map(Fact::Starved),
        2 => (0u64..3_000).prop_map(Fact::Wait),
    ]
}

#[test]
fn a_second_ahead_lasts_half_a_second_at_twice_the_speed() {
    let ahead = |rate: f64| {
        let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
        for _ in 0..8 {
            planner.handle_transfer("", 250_000, Millis(50), Millis(1_000));
        }
        planner.handle_rate(Time::ZERO, rate);
        show(&mut planner, &mut world, Time::ZERO, 0);
        let mut now = Time(100);
        while world.finish_one(&mut planner, now) {}
        play(&mut planner, &mut world, &mut now, 0, 2_000);
        let ahead = planner.ahead_ms(0, 2_000);
        planner.handle_playhead(now, 2_000 + ahead - 1_000);
        (ahead, planner.in_danger(0))
    };
    let (normal, fast) = (ahead(1.0), ahead(2.0));
    assert!(fast.0 >= normal.0, "{normal:?} {fast:?}");
    assert_eq!((normal.1, fast.1), (false, true), "a second lasts half a second");
    assert_eq!(ahead(f64::NAN), normal);
}

/// What a log has come to.
#[derive(Debug, Clone, Copy)]
struct At {
    now: Time,
    current: u64,
    playhead_ms: u64,
    starved: bool,
    limits: Limits,
}

/// Plays a log and hands every output with what was true when it came to `check`.
fn replay(log: &[Fact], policy: &Policy, mut check: impl FnMut(&Planner, &World, At)) -> Vec<String> {
    let (mut planner, mut world) = (Planner::new(policy.clone()), World::default());
    let (mut now, mut current, mut limits) = (Time::ZERO, 0_u64, Limits::default());
    let (mut playhead_ms, mut starved) = (0, false);
    show(&mut planner, &mut world, now, current);
    let mut told = Vec::new();
    for fact in log {
        now = now + Millis(50);
        match fact {
            Fact::Swipe(by) => {
                let before = current;
                current = current.saturating_add_signed(*by);
                playhead_ms = if current == before { playhead_ms } else { 0 };
                starved &= current == before;
                show(&mut planner, &mut world, now, current);
            }
            Fact::Finish => {
                world.finish_one(&mut planner, now);
            }
            Fact::Fail(retryable) => {
                if let Some((demand, (key, _, _))) = world.running.pop_first() {
                    let end = FetchEnd::Failed { retryable: *retryable };
                    let held = world.held.get(&key).cloned().unwrap_or_default();
                    planner.handle_fetch_end(now, demand, end, held);
                }
            }
            Fact::Playhead(ms) => {
                playhead_ms = *ms;
                planner.handle_playhead(now, *ms);
            }
            Fact::Transfer(bytes, ms) => planner.handle_transfer("", *bytes, Millis(50), Millis(*ms)),
            Fact::Limits(online, prefetching, data_left) => {
                limits =
                    Limits { online: *online, prefetching: *prefetching, data_left: *data_left, ..limits };
                planner.handle_limits(now, limits);
            }
            Fact::Starved(stands) => {
                starved = *stands;
                match stands {
                    true => planner.handle_starved(now, playhead_ms),
                    false => planner.handle_fed(now),
                }
            }
            Fact::Wait(ms) => {
                now = now + Millis(*ms);
                planner.handle_timeout(now);
            }
        }
        if let (Fact::Transfer(bytes, _), Some(left)) = (fact, &mut limits.data_left) {
            *left = left.saturating_sub(*bytes);
        }
        world.drain(&mut planner, now);
        told.push(format!("{:?} {:?}", world.running, world.cancelled));
        check(&planner, &world, At { now, current, playhead_ms, starved, limits });
    }
    told
}

impl World {
    /// What runs and was not cancelled.
    fn live(&self) -> Vec<(&DemandId, &Fetching)> {
        self.running.iter().filter(|(d, _)| !self.cancelled.contains(d)).collect()
    }

    /// Bytes held or on their way of the cards behind the current one, counted from what was asked for and arrived.
    fn bytes_ahead(&self, current: u64, window: u64) -> u64 {
        let ahead: Vec<String> = (current + 1..=current + window).map(|p| format!("asset-i{p}")).collect();
        let of_these = |key: &MediaKey| ahead.iter().any(|asset| asset == key.parts().0);
        let held = self.held.iter().filter(|(key, _)| of_these(key)).flat_map(|(_, spans)| spans);
        let live = self.live();
        let asked = live.iter().filter(|(_, (key, _, _))| of_these(key)).flat_map(|(_, (_, spans, _))| spans);
        held.chain(asked).map(Span::len).sum()
    }

    /// Whether the card on the screen has less than so many milliseconds of media in front of the playhead.
    fn runs_dry(&self, key: &MediaKey, playhead_ms: u64, within_ms: u64) -> bool {
        let until = self.held.get(key).map_or(0, |held| info().playable_until(playhead_ms, held));
        until < 10_000 && until < playhead_ms + within_ms
    }
}

proptest! {
    #[test]
    fn the_same_log_gives_the_same_outputs(log in prop::collection::vec(fact(), 1..80)) {
        let policy = Policy::default();
        prop_assert_eq!(replay(&log, &policy, |_, _, _| {}), replay(&log, &policy, |_, _, _| {}));
    }

    /// What runs is bounded in number and bytes, belongs to the window, and is the playing card's alone while that is
    /// in danger or prefetching is not allowed.
    #[test]
    fn limits_hold(log in prop::collection::vec(fact(), 1..120)) {
        let policy = Policy { ahead_bytes: 600_000, ..Policy::default() };
        let mut before: Vec<DemandId> = Vec::new();
        replay(&log, &policy, |planner, world, At { current, playhead_ms, starved, limits, .. }| {
            let live = world.live();
            assert!(live.len() <= policy.parallel);
            let queued = live.iter().filter(|(_, (key, _, _))| planner.key(current) != Some(key));
            let new = queued.clone().filter(|(d, _)| !before.contains(d));
            let ahead = world.bytes_ahead(current, policy.window);
            assert!(ahead <= policy.ahead_bytes || new.clone().count() == 0, "memory: {ahead}");
            if !limits.online {
                assert!(live.is_empty(), "offline");
            }
            if !limits.prefetching {
                assert_eq!(queued.clone().count(), 0, "no prefetch allowed");
            }
            if let Some(left) = limits.data_left {
                let bytes = |r: &Fetching| r.1.iter().map(Span::len).sum::<u64>();
                let all: u64 = queued.clone().map(|(_, r)| bytes(r)).sum();
                assert!(all <= left || new.clone().count() == 0, "data of the day");
            }
            if planner.link() != LinkState::Fine {
                assert_eq!(new.clone().count(), 0, "nothing ahead on a link that brings nothing");
            }
            let shown = planner.key(current).filter(|_| !planner.refused(current));
            let danger_ms = if starved { u64::MAX / 2 } else { policy.danger_ms };
            if shown.is_some_and(|key| world.runs_dry(key, playhead_ms, danger_ms)) {
                assert_eq!(queued.clone().count(), 0, "the playing card is starved");
            }
            for (_, (key, _, _)) in &live {
                let window: Vec<String> =
                    (current..=current + policy.window).map(|p| format!("asset-i{p}")).collect();
                assert!(window.iter().any(|asset| asset == key.parts().0), "outside the window: {key}");
            }
            before = world.running.keys().copied().collect();
        });
    }

    /// The reasons say what is done: a card is being fetched or is not, and nothing that contradicts the reason is the case.
    #[test]
    fn reasons_agree_with_what_is_done(log in prop::collection::vec(fact(), 1..120)) {
        let policy = Policy { ahead_bytes: 600_000, ..Policy::default() };
        replay(&log, &policy, |planner, world, At { now, current, playhead_ms, limits, starved, .. }| {
            let (live, plans) = (world.live(), planner.plans(now));
            let overdue = planner.poll_timeout().is_some_and(|due| due <= now);
            let mut fetched: Vec<&MediaKey> = live.iter().map(|(_, (key, _, _))| key).collect();
            let mut said: Vec<&MediaKey> = plans.iter().filter(|p| p.bytes > 0).filter_map(|p| p.key.as_ref()).collect();
            fetched.sort();
            said.sort();
            assert_eq!(fetched, said);
            assert!(plans.iter().map(|p| p.position).eq(planner.cards.keys().copied()), "one for each card");
            for plan in &plans {
                let fetching = matches!(plan.reason, Reason::Danger | Reason::Floor | Reason::First | Reason::Pays);
                assert_eq!(plan.bytes > 0, fetching, "{plan:?}");
                let key = planner.key(plan.position);
                match plan.reason {
                    Reason::Danger | Reason::Floor => assert_eq!(plan.position, current),
                    Reason::Offline => assert!(!limits.online),
                    Reason::Forbidden => assert!(!limits.prefetching && plan.position != current),
                    Reason::Busy => assert_eq!(live.len(), policy.parallel),
                    Reason::Whole => assert!(key.is_some_and(|key| world.held.contains_key(key))),
                    Reason::GivesWay => assert!(
                        starved || planner.key(current).is_some_and(|key| world.runs_dry(key, playhead_ms, policy.danger_ms))
                    ),
                    Reason::DataLeft => assert!(limits.data_left.is_some()),
                    Reason::Refused => assert!(planner.refused(plan.position)),
                    // The card on screen is never left dry by a weighing; what is due by now was not weighed yet.
                    Reason::Enough | Reason::Wasteful if plan.position == current && !overdue => {
                        assert!(!key.is_some_and(|key| world.runs_dry(key, playhead_ms, policy.floor_ms)));
                    }
                    _ => {}
                }
            }
        });
    }

    /// Whatever happened, a card that stays on the screen gets what it needs.
    #[test]
    fn settles(log in prop::collection::vec(fact(), 1..60)) {
        let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
        let (mut now, mut current) = (Time::ZERO, 0_u64);
        show(&mut planner, &mut world, now, current);
        for fact in log {
            now = now + Millis(100);
            match fact {
                Fact::Swipe(by) => {
                    current = current.saturating_add_signed(by);
                    show(&mut planner, &mut world, now, current);
                }
                Fact::Finish => { world.finish_one(&mut planner, now); }
                Fact::Transfer(bytes, ms) => planner.handle_transfer("", bytes, Millis(50), Millis(ms)),
                _ => planner.handle_timeout(now),
            }
        }
        show(&mut planner, &mut world, now, current);
        while world.finish_one(&mut planner, now) {}
        play(&mut planner, &mut world, &mut now, 0, 9_900);
        prop_assert_eq!(planner.ahead_ms(current, 0), 10_000);
    }

    /// Where a byte costs more than any stall, a card that is not shown gets the second that a player begins with, no more.
    #[test]
    fn bytes_dearer_than_any_stall_are_not_fetched_ahead(playhead in 500u64..9_000, ms in 800u64..4_000) {
        let (mut planner, mut world) = (Planner::new(Policy::default()), World::default());
        for _ in 0..8 {
            planner.handle_transfer("", 250_000, Millis(50), Millis(ms));
        }
        planner.handle_limits(Time::ZERO, Limits { price: 1e6, ..Limits::default() });
        show(&mut planner, &mut world, Time::ZERO, 0);
        let mut now = Time::ZERO;
        play(&mut planner, &mut world, &mut now, 0, playhead);
        for position in 1..5 {
            prop_assert!(planner.ahead_ms(position, 0) <= 1_000, "{}", planner.ahead_ms(position, 0));
        }
    }

    /// A card nobody will get to is worth nothing, however idle the link.
    #[test]
    fn with_nothing_to_gain_it_waits(playhead in 0u64..9_000) {
        let policy = Policy { tuning: Tuning { goes_on: 0.0, ..Tuning::default() }, ..Policy::default() };
        let (mut planner, mut world) = (Planner::new(policy), World::default());
        show(&mut planner, &mut world, Time::ZERO, 0);
        let mut now = Time::ZERO;
        play(&mut planner, &mut world, &mut now, 0, playhead);
        prop_assert_eq!(world.held.values().filter(|h| !h.is_empty()).count(), 1);
        prop_assert!(planner.poll_timeout().is_some() || planner.ahead_ms(0, 0) == 10_000);
    }
}
