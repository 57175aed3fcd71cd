//! A session whose feed learns: what has just been watched decides about the first card that is not being fetched, words
//! against a card count at once and once, and taking up an old feed without a network asks for nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use unspool_engine::feed::{SavedFeed, Step};
use unspool_engine::impression::Write;
use unspool_engine::pipeline::{Lesson, Manner, Pipeline};
use unspool_engine::planner::Output;
use unspool_engine::ranking::RankingPolicy;
use unspool_engine::session::Signal;
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Asset, Conditions, Container, Creator, Effect, Engine, EngineConfig, Exit, Item, LabelUpdate, Layout,
    MediaInfo, MediaKey, Page, PlayerFact, PlayerId, Policy, Rendition, Span, StartClass, Time, Urgency,
    VideoCodec, Viewer, Wall,
};

const BYTES: u64 = 800_000;

fn info() -> Arc<MediaInfo> {
    Arc::new(MediaInfo {
        layout: Layout::MoovFirst,
        size: BYTES,
        video: Some(VideoCodec::H264),
        duration_ms: 8_000,
        width: 720,
        height: 1280,
        rotation: 0,
        audio: None,
        tracks: Vec::new(),
        headers: vec![Span::new(0, 1_000)],
        index: (0..32).map(|i| (i * 250, 1_000 + i * 24_000)).collect(),
    })
}

fn item(n: u64, topic: &str) -> Item {
    let rendition = Rendition {
        id: "r".into(),
        width: 720,
        height: 1280,
        bitrate_bps: 800_000,
        container: Container::Mp4,
        url: "http://127.0.0.1/v.mp4".into(),
        alternates: Vec::new(),
        bytes: Some(BYTES),
        expires_at_ms: None,
    };
    Item {
        id: format!("i{n}"),
        asset: Asset { id: format!("a{n}"), duration_ms: 8_000, renditions: vec![rendition] },
        creator: Creator { id: format!("c{n}"), ..Creator::default() },
        topics: vec![topic.to_owned()],
        prior: Some(0.5),
        ..Item::default()
    }
}

fn pipeline() -> Arc<Pipeline> {
    Arc::new(Pipeline::new(Arc::new(RankingPolicy::shipped().unwrap())))
}

/// Answers everything at once; pages are of three topics in turn.
struct World {
    engine: Engine,
    now: Time,
    player: Option<PlayerId>,
    active: BTreeMap<PlayerId, u64>,
    lessons: Vec<Lesson>,
    /// Urgency of the first question for each layout.
    probed: BTreeMap<String, Urgency>,
    pages: u64,
    saved: Option<SavedFeed>,
    closed: u64,
}

impl World {
    fn new(manner: Manner, conditions: Conditions, saved: Option<SavedFeed>) -> Self {
        let config =
            EngineConfig { seed: 7, feed: "f".into(), policy: Policy::default(), players: 3, first: None };
        let mut engine = Engine::new(config, conditions);
        engine.set_ranking(manner, pipeline());
        let stored: BTreeMap<MediaKey, u64> = saved
            .iter()
            .flat_map(|s: &SavedFeed| &s.items)
            .map(|item| (MediaKey::new(&item.asset.id, "r"), 8_000))
            .collect();
        engine.handle_start(Time::ZERO, saved, stored);
        let mut world = World {
            engine,
            now: Time::ZERO,
            player: None,
            active: BTreeMap::new(),
            lessons: Vec::new(),
            probed: BTreeMap::new(),
            pages: 0,
            saved: None,
            closed: 0,
        };
        world.drain();
        world
    }

    fn drain(&mut self) {
        while let Some(effect) = self.engine.poll_output() {
            match effect {
                Effect::Page(request) => {
                    self.pages += 1;
                    let from: u64 = request.cursor.map_or(0, |c| c.parse().unwrap());
                    let to = from + u64::from(request.limit);
                    let items = (from..to).map(|n| item(n, ["a", "b", "c"][(n % 3) as usize])).collect();
                    let page = Page { items, next_cursor: Some(to.to_string()) };
                    self.engine.handle_page(self.now, request.id, Ok(page));
                }
                Effect::Media(Output::Probe { key, urgency }) => {
                    self.probed.entry(key.parts().0.to_owned()).or_insert(urgency);
                    self.engine.handle_probed(self.now, &key, &info(), vec![Span::new(0, BYTES)]);
                }
                Effect::Stage(StageOutput::Play(player)) => {
                    self.player = Some(player);
                    let fact = PlayerFact::FirstFrame { class: StartClass::Cached, latency_ms: 1.0 };
                    self.engine.handle_player(self.now, player, fact);
                }
                Effect::Lesson(lesson) => self.lessons.push(lesson),
                Effect::Save(saved) => self.saved = Some(saved),
                Effect::Write(Write::Close(_)) => self.closed += 1,
                _ => {}
            }
        }
    }

    fn next(&mut self) -> u64 {
        let Step::Moved(position) = self.engine.handle_next(self.now, Wall::default()) else {
            panic!("a card")
        };
        self.drain();
        position
    }

    fn watch(&mut self, ms: u64) {
        self.now.0 += ms;
        let player = self.player.unwrap();
        let active_ms = self.active.entry(player).or_default();
        *active_ms += ms;
        let fact = PlayerFact::Progress { playhead_ms: ms.min(8_000), active_ms: *active_ms };
        self.engine.handle_player(self.now, player, fact);
        self.drain();
    }

    /// Swipes topic a away and watches the others whole.
    fn watch_by_taste(&mut self, position: u64) {
        let liked = self.engine.item(position).unwrap().topics[0] != "a";
        self.watch(if liked { 8_000 } else { 400 });
    }

    fn viewed(&self) -> usize {
        self.lessons.iter().filter(|lesson| matches!(lesson, Lesson::Viewed(_))).count()
    }
}

#[test]
fn the_first_card_that_is_not_being_fetched_follows_what_was_just_watched() {
    let mut world = World::new(Manner::Profiled, Conditions::default(), None);
    // Everything of topic a is swiped away, everything else watched whole.
    for _ in 0..24 {
        let position = world.next();
        world.watch_by_taste(position);
        // What is chosen next is chosen by what the person has just seen, and not one card later.
        let known = world.viewed();
        let position = world.next();
        assert_eq!(world.viewed(), known + 1);
        let mut again = (*pipeline()).clone();
        let last = world.lessons.iter().rposition(|l| matches!(l, Lesson::Placed { .. })).unwrap();
        assert!(world.lessons[..last].iter().filter(|l| matches!(l, Lesson::Viewed(_))).count() == known + 1);
        world.lessons.iter().for_each(|lesson| drop(again.handle_lesson(lesson)));
        assert_eq!(Some(&again), world.engine.feed().pipeline(), "the lessons are all there is");
        world.watch_by_taste(position);
    }
    let card = world.engine.feed().pipeline().unwrap().learner_card();
    let amount =
        |topic: &str| card.topics.iter().find(|line| line.about == topic).map_or(0.0, |line| line.amount);
    assert!(amount("a") < 0.0 && amount("b") > 0.0, "{card:?}");
    // Of what may still move the disliked topic comes as late as the bound allows.
    let feed = world.engine.feed();
    let tail: Vec<&str> =
        feed.ahead(feed.fixed()).filter_map(|p| feed.item(p)).map(|i| i.topics[0].as_str()).collect();
    assert!(
        tail.first().is_some_and(|topic| *topic != "a") || tail.iter().all(|topic| *topic == "a"),
        "{tail:?}"
    );
}

#[test]
fn a_word_against_a_card_counts_at_once_and_once_and_what_was_broken_off_does_not() {
    let mut world = World::new(Manner::Profiled, Conditions::default(), None);
    let position = world.next();
    world.watch(2_000);
    let refused = Signal::NotInterested(world.engine.item(position).unwrap().id.clone());
    assert!(world.engine.handle_signal(world.now, &refused));
    assert!(world.engine.handle_signal(world.now, &refused));
    world.drain();
    assert_eq!(world.viewed(), 1);
    world.next();
    assert_eq!(world.viewed(), 1, "the viewing it was said in teaches nothing more");
    world.watch(500);
    world.engine.handle_viewer(world.now, Wall::default(), Viewer::Left(Exit::Comments));
    world.engine.handle_viewer(world.now, Wall::default(), Viewer::Returned);
    world.drain();
    assert_eq!((world.viewed(), world.closed), (1, 2), "opening the comments is no verdict");
    assert!(!world.engine.handle_signal(world.now, &Signal::NotInterested("nobody".into())));
    let mut plain = World::new(Manner::NonProfiled, Conditions::default(), None);
    plain.next();
    plain.watch(8_000);
    plain.next();
    assert_eq!((plain.lessons.len(), plain.engine.loop_report()), (0, None), "nothing is learnt there");
}

#[test]
fn behind_an_empty_place_comes_the_next_card_and_not_one_of_many() {
    let config =
        EngineConfig { seed: 7, feed: "f".into(), policy: Policy::default(), players: 3, first: None };
    let mut engine = Engine::new(config, Conditions::default());
    engine.handle_start(Time::ZERO, None, BTreeMap::new());
    let mut world = World { engine, ..World::new(Manner::AsAsked, Conditions::default(), None) };
    world.probed.clear();
    let Some(Effect::Page(request)) = world.engine.poll_output() else { panic!("a page is asked for") };
    let items = (0..6).map(|n| item(n, "a")).collect();
    world.engine.handle_page(Time::ZERO, request.id, Ok(Page { items, next_cursor: None }));
    world.engine.handle_next(Time::ZERO, Wall::default());
    let gone = LabelUpdate { item: "i1".into(), labels: vec![], creator_labels: vec![], gone: true };
    world.engine.handle_labels(Time::ZERO, vec![gone]);
    world.drain();
    assert_eq!(world.probed.get("a2"), Some(&Urgency::Next), "{:?}", world.probed);
}

#[test]
fn an_old_feed_is_taken_up_without_a_network_in_one_turn_and_with_no_request() {
    let mut world = World::new(Manner::Profiled, Conditions::default(), None);
    for _ in 0..30 {
        world.next();
        world.watch(3_000);
    }
    let saved = world.saved.clone().unwrap();
    assert!(saved.items.len() >= 20 && saved.seen >= 10);
    let offline = Conditions { online: false, ..Conditions::default() };
    let mut again = World::new(Manner::Profiled, offline, Some(saved.clone()));
    assert_eq!(again.pages, 0);
    let position = again.next();
    assert_eq!(again.engine.item(position).unwrap().id, saved.items[saved.current.unwrap()].id);
    assert_eq!(again.pages, 0);
    let fixed: Vec<String> = saved.items[..saved.fixed].iter().map(|i| i.id.clone()).collect();
    let now: Vec<String> = again.engine.items().take(saved.fixed).map(|i| i.id.clone()).collect();
    assert_eq!(now, fixed, "what was fetched stays in its place");
}
