//! A whole session in simulated time: an obedient world answers every effect, a person swipes, and what must hold is
//! checked after each turn.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use unspool_engine::feed::Step;
use unspool_engine::impression::Write;
use unspool_engine::planner::{FetchEnd, Output};
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Asset, Conditions, Container, Creator, DemandId, Effect, Engine, EngineConfig, Exit, Impression, Item,
    Layout, MediaInfo, MediaKey, Millis, Notice, Page, PageFailure, PlayerFact, PlayerId, Policy, Rendition,
    SavedFeed, Span, StartClass, Time, VideoCodec, Wall,
};

const BYTES_PER_MS: u64 = 100;
const DURATION_MS: u64 = 8_000;

fn info() -> Arc<MediaInfo> {
    Arc::new(MediaInfo {
        size: 1_000 + DURATION_MS * BYTES_PER_MS,
        layout: Layout::MoovFirst,
        duration_ms: DURATION_MS,
        video: Some(VideoCodec::H264),
        width: 720,
        height: 1280,
        rotation: 0,
        audio: None,
        tracks: Vec::new(),
        headers: vec![Span::new(0, 1_000)],
        index: (0..32).map(|i| (i * 250, 1_000 + i * 250 * BYTES_PER_MS)).collect(),
    })
}

fn item(n: u64) -> Item {
    let rendition = Rendition {
        id: "r".into(),
        width: 720,
        height: 1280,
        bitrate_bps: BYTES_PER_MS * 8_000,
        container: Container::Mp4,
        url: "http://127.0.0.1/v.mp4".into(),
        alternates: Vec::new(),
        bytes: None,
        expires_at_ms: None,
    };
    Item {
        id: format!("i{n}"),
        asset: Asset { id: format!("a{n}"), duration_ms: DURATION_MS, renditions: vec![rendition] },
        creator: Creator { id: "c".into(), handle: "h".into(), name: "n".into() },
        topics: Vec::new(),
        ..Item::default()
    }
}

fn config() -> EngineConfig {
    EngineConfig { seed: 7, feed: "for_you".into(), policy: Policy::default(), players: 3, first: None }
}

/// Does what it is told, at once, and writes down what was asked of it.
struct World {
    engine: Engine,
    now: Time,
    held: BTreeMap<MediaKey, Vec<Span>>,
    running: BTreeMap<DemandId, (MediaKey, Vec<Span>)>,
    players: BTreeMap<PlayerId, MediaKey>,
    playing: Option<PlayerId>,
    open: Option<Impression>,
    closed: Vec<Impression>,
    saved: Option<SavedFeed>,
    requests: u64,
    broken: BTreeSet<MediaKey>,
    failed: Vec<u64>,
    log: Vec<String>,
}

impl World {
    fn new(conditions: Conditions) -> Self {
        World {
            engine: Engine::new(config(), conditions),
            now: Time::ZERO,
            held: BTreeMap::new(),
            running: BTreeMap::new(),
            players: BTreeMap::new(),
            playing: None,
            open: None,
            closed: Vec::new(),
            saved: None,
            requests: 0,
            broken: BTreeSet::new(),
            failed: Vec::new(),
            log: Vec::new(),
        }
    }

    fn start(&mut self, saved: Option<SavedFeed>) {
        let stored = self.held.iter().map(|(k, h)| (k.clone(), info().playable_until(0, h))).collect();
        self.engine.handle_start(self.now, saved, stored);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(effect) = self.engine.poll_output() {
            self.log.push(format!("{:?} {effect:?}", self.now));
            match effect {
                Effect::Page(request) => {
                    self.requests += 1;
                    let from: u64 = request.cursor.map_or(0, |c| c.parse().unwrap());
                    let items = (from..from + u64::from(request.limit)).map(item).collect();
                    let next_cursor = Some((from + u64::from(request.limit)).to_string());
                    self.engine.handle_page(self.now, request.id, Ok(Page { items, next_cursor }));
                }
                Effect::Media(Output::Probe { key, .. }) if self.broken.contains(&key) => {
                    self.requests += 1;
                    self.engine.handle_probe_failed(self.now, &key, false, "no such codec");
                }
                Effect::Media(Output::Probe { key, .. }) => {
                    let held = self.held.get(&key).cloned().unwrap_or_default();
                    self.engine.handle_probed(self.now, &key, &info(), held);
                }
                Effect::Media(Output::Fetch { demand, key, spans, .. }) => {
                    self.requests += 1;
                    self.running.insert(demand, (key, spans));
                }
                Effect::Media(Output::Cancel { demand }) => {
                    if let Some((key, _)) = self.running.remove(&demand) {
                        let held = self.held.get(&key).cloned().unwrap_or_default();
                        self.engine.handle_fetch_end(self.now, demand, &key, FetchEnd::Cancelled, held, "");
                    }
                }
                Effect::Media(Output::Promote { .. }) => {}
                Effect::Stage(StageOutput::Prepare { player, key }) => {
                    assert!(self.players.insert(player, key).is_none());
                    assert!(self.players.len() <= 3, "no more players than allowed");
                }
                Effect::Stage(StageOutput::Play(player)) => {
                    assert!(self.players.contains_key(&player));
                    self.playing = Some(player);
                    let fact = PlayerFact::FirstFrame { class: StartClass::Cached, latency_ms: 10.0 };
                    self.engine.handle_player(self.now, player, fact);
                }
                Effect::Stage(StageOutput::Pause(player)) => {
                    self.playing = self.playing.filter(|p| *p != player);
                }
                Effect::Stage(StageOutput::Release(player)) => {
                    assert!(self.players.remove(&player).is_some());
                    self.playing = self.playing.filter(|p| *p != player);
                }
                Effect::Write(Write::Ahead(record)) => self.open = Some(record),
                Effect::Write(Write::Close(record)) => {
                    assert_eq!(
                        self.open.take().map(|o| o.ordinal),
                        Some(record.ordinal),
                        "one viewing at a time"
                    );
                    self.closed.push(record);
                }
                Effect::Save(saved) => self.saved = Some(saved),
                Effect::Forget(keys) => self.held.retain(|key, _| !keys.contains(key)),
                Effect::Lesson(_) => {}
                Effect::Notice(Notice::CardFailed { position, .. }) => self.failed.push(position),
                Effect::Notice(_) => {}
            }
        }
    }

    fn finish_fetches(&mut self) {
        while let Some((demand, (key, spans))) = self.running.pop_first() {
            let held = self.held.entry(key.clone()).or_default();
            held.extend(spans);
            held.sort();
            let mut merged: Vec<Span> = Vec::new();
            for span in held.drain(..) {
                match merged.last_mut() {
                    Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                    _ => merged.push(span),
                }
            }
            held.clone_from(&merged);
            self.engine.handle_fetch_end(self.now, demand, &key, FetchEnd::Done, merged, "");
            self.drain();
        }
    }

    fn watch(&mut self, ms: u64) {
        for at in (250..=ms).step_by(250) {
            self.now = self.now + Millis(250);
            if let Some(player) = self.playing {
                let fact = PlayerFact::Progress { playhead_ms: at % DURATION_MS, active_ms: at };
                self.engine.handle_player(self.now, player, fact);
            }
            self.engine.handle_timeout(self.now);
            self.drain();
            self.finish_fetches();
        }
    }

    fn next(&mut self) -> Step {
        let step = self.engine.handle_next(self.now, Wall::default());
        self.drain();
        step
    }

    fn previous(&mut self) -> Step {
        let step = self.engine.handle_previous(self.now, Wall::default());
        self.drain();
        step
    }
}

#[test]
fn a_session_plays_every_card_and_records_each_viewing_once() {
    let mut world = World::new(Conditions::default());
    world.start(None);
    for n in 0..50 {
        assert_eq!(world.next(), Step::Moved(n));
        world.finish_fetches();
        world.watch(2_000);
        assert!(world.playing.is_some(), "card {n} plays");
    }
    world.engine.handle_end(world.now);
    world.drain();
    assert_eq!(world.closed.len(), 50);
    assert!(world.open.is_none() && world.players.is_empty() && world.running.is_empty());
    let items: BTreeSet<&str> = world.closed.iter().map(|i| i.item.as_str()).collect();
    assert_eq!(items.len(), 50);
    assert!(world.closed.iter().all(|i| i.active_ms == 2_000 && i.rendition == "r"));
    assert_eq!(world.closed.last().map(|i| i.exit), Some(Some(Exit::Shutdown)));
}

#[test]
fn with_no_network_only_what_is_held_is_shown_and_nothing_is_asked_for() {
    let mut world = World::new(Conditions::default());
    world.start(None);
    for _ in 0..3 {
        world.next();
        world.finish_fetches();
        world.watch(3_000);
    }
    world.engine.handle_end(world.now);
    world.drain();
    let (saved, held) = (world.saved, world.held);

    let mut world = World::new(Conditions { online: false, ..Conditions::default() });
    world.held = held;
    world.start(saved);
    assert_eq!(world.next(), Step::Moved(2), "it opens where it was left");
    assert!(world.playing.is_some());
    let mut shown = 1;
    while let Step::Moved(_) = world.next() {
        assert!(world.playing.is_some());
        shown += 1;
    }
    while let Step::Moved(_) = world.previous() {
        assert!(world.playing.is_some());
        shown += 1;
    }
    assert!(shown >= 3, "{shown} cards: what was watched");
    assert_eq!(world.requests, 0);
    let online = Conditions::default();
    world.engine.handle_conditions(world.now, Wall::default(), online);
    world.drain();
    for n in 1..6 {
        assert!(matches!(world.next(), Step::Moved(p) if p == n), "no card is passed over any more");
    }
    assert!(world.requests > 0, "the network is back");
}

#[test]
fn the_background_ends_the_viewing_and_stops_the_fetching() {
    let mut world = World::new(Conditions::default());
    world.start(None);
    world.next();
    world.finish_fetches();
    world.watch(1_000);
    let away = Conditions { foreground: false, ..Conditions::default() };
    world.engine.handle_conditions(world.now, Wall::default(), away);
    world.drain();
    assert_eq!(world.closed.last().map(|i| i.exit), Some(Some(Exit::Background)));
    assert!(world.playing.is_none());
    world.engine.handle_conditions(world.now, Wall::default(), Conditions::default());
    world.drain();
    assert!(world.playing.is_some() && world.open.is_some(), "a new viewing of the same card");
}

#[test]
fn a_card_that_cannot_play_is_told_once_and_others_go_on() {
    let mut world = World::new(Conditions::default());
    world.broken.insert(MediaKey::new("a1", "r"));
    world.start(None);
    for _ in 0..3 {
        world.next();
        world.finish_fetches();
        world.watch(1_000);
    }
    assert_eq!(world.failed, vec![1]);
    assert!(world.playing.is_some());
    let player = world.playing.unwrap();
    for _ in 0..3 {
        let Some(player) = world.playing else { break };
        let fact = PlayerFact::Failed { reason: "read".into(), recoverable: true };
        world.engine.handle_player(world.now, player, fact);
        world.drain();
    }
    assert!(!world.players.contains_key(&player));
    assert_eq!(world.failed, vec![1, 2], "after two new players it is given up");
}

#[test]
fn what_failed_for_want_of_bytes_works_when_the_network_is_back() {
    let mut world = World::new(Conditions::default());
    world.start(None);
    world.next();
    world.finish_fetches();
    world.watch(3_000);
    let offline = Conditions { online: false, ..Conditions::default() };
    world.engine.handle_conditions(world.now, Wall::default(), offline);
    world.drain();
    while let Some(player) = world.playing {
        let fact = PlayerFact::Failed { reason: "no bytes".into(), recoverable: true };
        world.engine.handle_player(world.now, player, fact);
        world.drain();
    }
    assert_eq!(world.failed, vec![0]);
    world.engine.handle_conditions(world.now, Wall::default(), Conditions::default());
    world.drain();
    assert!(world.playing.is_some(), "it has a player again");
}

#[test]
fn a_page_that_fails_is_asked_for_again_at_its_time() {
    let mut engine = Engine::new(config(), Conditions::default());
    engine.handle_start(Time::ZERO, None, BTreeMap::new());
    let Some(Effect::Page(request)) = engine.poll_output() else { panic!("asks for the first page") };
    let failure = PageFailure { retryable: true, retry_after: Some(Millis(3_000)), ..PageFailure::default() };
    engine.handle_page(Time(10), request.id, Err(failure));
    assert_eq!(engine.poll_output(), Some(Effect::Notice(Notice::PageFailed { retryable: true })));
    assert_eq!(engine.poll_timeout().map(|(at, _)| at), Some(Time(3_010)));
    engine.handle_timeout(Time(3_010));
    assert!(matches!(engine.poll_output(), Some(Effect::Page(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any way of swiping: the same inputs give the same outputs, one viewing is open at a time, players are bounded,
    /// and each viewing is closed.
    #[test]
    fn any_swiping_is_recorded_and_replays(steps in prop::collection::vec((0u8..6, 0u64..9), 1..80)) {
        let run = || {
            let mut world = World::new(Conditions::default());
            world.start(None);
            let mut moved = 0usize;
            let mut conditions = Conditions::default();
            for &(what, n) in &steps {
                match what {
                    0 | 1 => moved += usize::from(matches!(world.next(), Step::Moved(_))),
                    2 => moved += usize::from(matches!(world.previous(), Step::Moved(_))),
                    3 => world.watch(n * 250),
                    4 => world.finish_fetches(),
                    _ => {
                        conditions.online = !conditions.online;
                        world.engine.handle_conditions(world.now, Wall::default(), conditions);
                        world.drain();
                    }
                }
            }
            world.engine.handle_end(world.now);
            world.drain();
            (world.closed, world.log, moved, world.players.len())
        };
        let (closed, log, moved, players) = run();
        prop_assert_eq!(closed.len(), moved);
        prop_assert_eq!(players, 0);
        prop_assert_eq!(run().1, log);
    }
}
