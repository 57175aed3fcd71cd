//! The safety filter in its place: whatever a server sends and whenever, nothing of a card that is hidden or covered is
//! asked for, and what has to go goes in the turn in which that becomes known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use unspool_engine::feed::{HIDDEN_PAGES, SavedFeed, Step};
use unspool_engine::planner::{FetchEnd, Output};
use unspool_engine::safety::{
    Action, AgeBand, Choice, Filter, HarmClass, MutedWord, Rules, SafetySettings, Source, Term, TermKind,
};
use unspool_engine::session::{Conditions, Effect, Engine, EngineConfig, Notice, PlayerFact};
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Asset, Container, Creator, DemandId, Item, LabelUpdate, Layout, MediaInfo, MediaKey, Page, PlayerId,
    Policy, Rendition, Span, StartClass, Time, VideoCodec, Wall,
};

const BYTES: u64 = 800_000;

fn item(n: u64, labels: &[&str]) -> Item {
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
        creator: Creator { id: format!("c{}", n % 3), ..Creator::default() },
        labels: labels.iter().map(|&l| l.to_owned()).collect(),
        ..Item::default()
    }
}

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

fn settings(change: impl FnOnce(&mut SafetySettings)) -> Arc<Filter> {
    let mut settings = SafetySettings { age: AgeBand::Adult, ..SafetySettings::default() };
    change(&mut settings);
    let filter = Filter::new(&Rules::default(), &settings, Wall::default());
    Arc::new(filter.unwrap_or_else(|e| panic!("{e}")))
}

/// Does what it is told, and fails where something closed is asked for.
struct World {
    engine: Engine,
    pages: Vec<Page>,
    asked: usize,
    probed: BTreeSet<MediaKey>,
    held: BTreeMap<MediaKey, Vec<Span>>,
    running: BTreeMap<DemandId, MediaKey>,
    players: BTreeMap<PlayerId, MediaKey>,
    seen_at: BTreeMap<u64, String>,
    closed: Vec<(u64, bool)>,
    saved: Option<SavedFeed>,
}

impl World {
    fn new(filter: Arc<Filter>, pages: Vec<Page>) -> Self {
        let config = EngineConfig {
            seed: 7,
            feed: "for_you".into(),
            policy: Policy::default(),
            players: 3,
            first: None,
        };
        let mut engine = Engine::new(config, Conditions::default());
        engine.set_filter(filter);
        World {
            engine,
            pages,
            asked: 0,
            probed: BTreeSet::new(),
            held: BTreeMap::new(),
            running: BTreeMap::new(),
            players: BTreeMap::new(),
            seen_at: BTreeMap::new(),
            closed: Vec::new(),
            saved: None,
        }
    }

    fn start(mut self) -> Self {
        self.engine.handle_start(Time::ZERO, None, BTreeMap::new());
        self.drain();
        self
    }

    /// Assets that may be fetched now: those of cards that are neither hidden nor covered.
    fn allowed(&self) -> BTreeSet<String> {
        self.engine.items().map(|i| i.asset.id.clone()).collect()
    }

    fn allow(&self, key: &MediaKey) {
        assert!(self.allowed().contains(key.parts().0), "asked for {key}, which is closed");
    }

    /// Ends the turn; a page that was asked for comes in a turn of its own.
    fn drain(&mut self) {
        while let Some(request) = self.turn() {
            self.asked += 1;
            assert!(self.asked <= 400, "pages are fetched for ever");
            let page = self.pages.get(self.asked - 1).cloned().unwrap_or_default();
            self.engine.handle_page(Time::ZERO, request, Ok(page));
        }
    }

    fn turn(&mut self) -> Option<u64> {
        let mut asked = None;
        while let Some(effect) = self.engine.poll_output() {
            match effect {
                Effect::Page(request) => asked = Some(request.id),
                Effect::Media(Output::Probe { key, .. }) => {
                    self.allow(&key);
                    self.probed.insert(key.clone());
                    let held = self.held.get(&key).cloned().unwrap_or_default();
                    self.engine.handle_probed(Time::ZERO, &key, &info(), held);
                }
                Effect::Media(Output::Fetch { demand, key, .. }) => {
                    self.allow(&key);
                    self.running.insert(demand, key);
                }
                Effect::Media(Output::Cancel { demand }) => {
                    if let Some(key) = self.running.remove(&demand) {
                        let end = FetchEnd::Cancelled;
                        self.engine.handle_fetch_end(Time::ZERO, demand, &key, end, Vec::new(), "");
                    }
                }
                Effect::Stage(StageOutput::Prepare { player, key }) => {
                    self.allow(&key);
                    self.players.insert(player, key);
                }
                Effect::Stage(StageOutput::Play(player)) => {
                    let fact = PlayerFact::FirstFrame { class: StartClass::Cached, latency_ms: 1.0 };
                    self.engine.handle_player(Time::ZERO, player, fact);
                }
                Effect::Stage(StageOutput::Release(player)) => drop(self.players.remove(&player)),
                Effect::Forget(keys) => self.held.retain(|key, _| !keys.contains(key)),
                Effect::Notice(Notice::CardClosed { position, current, decision, .. }) => {
                    assert!(decision.hides() || decision.blurs());
                    self.closed.push((position, current));
                }
                Effect::Save(saved) => self.saved = Some(saved),
                Effect::Media(Output::Promote { .. })
                | Effect::Stage(StageOutput::Pause(_))
                | Effect::Write(_)
                | Effect::Lesson(_)
                | Effect::Notice(_) => {}
            }
        }
        self.look();
        asked
    }

    /// What holds at the end of every turn.
    fn look(&mut self) {
        let allowed = self.allowed();
        let open = |key: &&MediaKey| allowed.contains(key.parts().0);
        assert!(self.running.values().all(|key| open(&key)), "a request of a closed card goes on");
        assert!(self.players.values().all(|key| open(&key)), "a closed card has a player");
        assert!(self.held.keys().all(|key| open(&key)), "a closed card has bytes");
        for position in 0..600 {
            if let Some(item) = self.engine.item(position) {
                let before = self.seen_at.entry(position).or_insert_with(|| item.id.clone());
                assert_eq!(*before, item.id, "a position means one card for good");
            }
        }
        let saved = self.saved.iter().flat_map(|s| &s.items);
        assert!(saved.into_iter().all(|i| self.seen_at.values().any(|seen| *seen == i.id)));
    }

    fn finish(&mut self) {
        while let Some((demand, key)) = self.running.pop_first() {
            let held = vec![Span::new(0, BYTES)];
            self.held.insert(key.clone(), held.clone());
            self.engine.handle_fetch_end(Time::ZERO, demand, &key, FetchEnd::Done, held, "");
            self.drain();
        }
    }

    fn next(&mut self) -> Step {
        let step = self.engine.handle_next(Time::ZERO, Wall::default());
        self.drain();
        step
    }

    fn label(&mut self, n: u64, labels: &[&str], gone: bool) {
        let labels = labels.iter().map(|&l| l.to_owned()).collect();
        let update = LabelUpdate { item: format!("i{n}"), labels, creator_labels: Vec::new(), gone };
        self.engine.handle_labels(Time::ZERO, vec![update]);
        self.drain();
    }
}

fn page(items: Vec<Item>, next: Option<&str>) -> Page {
    Page { items, next_cursor: next.map(str::to_owned) }
}

#[test]
fn a_hidden_item_is_never_committed_and_a_covered_one_waits_for_the_person() {
    let items =
        vec![item(0, &[]), item(1, &["scam"]), item(2, &["!warn"]), item(3, &["nobody_knows"]), item(4, &[])];
    let mut world = World::new(settings(|_| {}), vec![page(items, None)]).start();
    let order: Vec<&str> = (0..4).filter_map(|p| world.engine.item(p)).map(|i| i.id.as_str()).collect();
    assert_eq!(order, ["i0", "i2", "i3", "i4"], "the scam is not there");
    assert_eq!(world.engine.hidden(), 1);
    world.finish();
    assert_eq!((world.next(), world.next()), (Step::Moved(0), Step::Moved(1)));
    let decision = world.engine.decision(1).unwrap();
    assert!(matches!(&decision.action, Action::Blur(cause) if cause.name == "!warn"));
    world.finish();
    assert!(!world.probed.contains(&MediaKey::new("a2", "r")), "nothing of it was asked for");
    assert!(world.players.values().all(|k| k.parts().0 != "a2"));
    assert!(world.engine.handle_reveal(Time::ZERO, Wall::default(), 1));
    world.drain();
    world.finish();
    assert!(world.players.values().any(|k| k.parts().0 == "a2"), "it plays once it is revealed");
    assert!(!world.engine.handle_reveal(Time::ZERO, Wall::default(), 0), "there is nothing to reveal");
    assert!(matches!(
        &world.engine.decision(2).unwrap().action,
        Action::Blur(cause) if matches!(cause.source, Source::UnknownLabel(_))
    ));
}

#[test]
fn what_cannot_be_overridden_cannot_be_revealed() {
    let minor = settings(|s| s.age = AgeBand::Teen);
    let items =
        vec![item(0, &["propaganda"]), item(1, &["nudity"]), item(2, &["nobody_knows"]), item(3, &[])];
    let world = World::new(minor, vec![page(items.clone(), None)]).start();
    let told = world.engine.decision(0).unwrap();
    assert_eq!(world.engine.item(0).unwrap().id, "i0", "doubtful things are marked for a teen");
    assert!(told.no_amplification && told.surfaces.list.alert);
    assert_eq!(world.engine.item(1).unwrap().id, "i3", "the rest is hidden");
    let locked = |s: &mut SafetySettings| {
        s.labels.insert("porn".into(), Choice::Warn);
    };
    let world = World::new(settings(locked), vec![page(vec![item(0, &["porn"])], None)]).start();
    assert_eq!(world.engine.item(0), None, "an adult who did not ask for it");
    let asked = settings(|s| {
        locked(s);
        s.adult_content = true;
    });
    let mut world = World::new(asked, vec![page(vec![item(0, &["porn"])], None)]).start();
    assert!(world.engine.handle_reveal(Time::ZERO, Wall::default(), 0));
}

#[test]
fn a_late_label_evicts_in_the_same_turn_and_moving_passes_over_the_place() {
    let mut world =
        World::new(settings(|_| {}), vec![page((0..8).map(|n| item(n, &[])).collect(), None)]).start();
    world.next();
    world.finish();
    world.finish();
    assert!(world.held.contains_key(&MediaKey::new("a1", "r")), "it was fetched ahead");
    let prepared = |w: &World, asset: &str| w.players.values().any(|k| k.parts().0 == asset);
    assert!(prepared(&world, "a1"));
    world.label(1, &["fraud"], false);
    assert_eq!(world.closed, [(1, false)]);
    assert!(!world.held.contains_key(&MediaKey::new("a1", "r")) && !prepared(&world, "a1"));
    world.finish();
    assert!(prepared(&world, "a2"), "the one after it is prepared in its place");
    assert_eq!(world.next(), Step::Moved(2), "positions mean what they meant");
    assert_eq!(world.engine.handle_previous(Time::ZERO, Wall::default()), Step::Moved(0));
    world.drain();
    world.next();
    world.label(2, &["!hide"], false);
    assert_eq!(world.closed.last(), Some(&(2, true)));
    assert!(!prepared(&world, "a2"), "the current card stops");
    assert!(world.engine.decision(2).unwrap().hides(), "and stays to be told about");
    let saved = world.saved.clone().unwrap();
    assert!(saved.items.iter().all(|i| i.id != "i1" && i.id != "i2"), "it does not come back");
    world.label(2, &[], true);
    world.engine.handle_filter(Time::ZERO, settings(|_| {}));
    world.drain();
    assert!(world.engine.decision(2).unwrap().hides(), "what was taken back stays so");
    assert_eq!(world.next(), Step::Moved(3));
    assert_eq!(world.engine.item(2), None);
    world.label(7, &[], true);
    assert_eq!(world.engine.item(7), None, "an item that the backend took back");
}

#[test]
fn a_mute_of_the_person_and_new_rules_act_at_once() {
    let mut items: Vec<Item> = (0..12).map(|n| item(n, &[])).collect();
    items[4].caption = "so much GORE here".into();
    items[5].sound = Some("s5".into());
    items[6].topics = vec!["football".into()];
    let mut world = World::new(settings(|_| {}), vec![page(items, None)]).start();
    world.next();
    world.finish();
    world.engine.handle_filter(
        Time::ZERO,
        settings(|s| {
            s.words.push(MutedWord { value: "gore".into(), ..MutedWord::default() });
            s.sounds.insert("s5".into());
            s.topics.insert("football".into());
            s.blocked.insert("c1".into());
        }),
    );
    world.drain();
    let left: Vec<u64> = (0..12).filter(|&p| world.engine.item(p).is_some()).collect();
    assert_eq!(left, [0, 2, 3, 8, 9, 11], "1, 4, 7 and 10 are of the blocked one");
    let term =
        Term { kind: TermKind::Item, value: "i8".into(), class: HarmClass::Scam, default: Choice::Hide };
    let rules = Rules { version: 2, terms: vec![term], ..Rules::default() };
    let filter = Filter::new(&rules, &SafetySettings::default(), Wall::default()).unwrap();
    world.engine.handle_filter(Time::ZERO, Arc::new(filter));
    world.drain();
    assert_eq!(world.engine.item(8), None);
}

#[test]
fn what_is_hidden_today_is_not_restored_and_its_bytes_go() {
    let mut world =
        World::new(settings(|_| {}), vec![page((0..6).map(|n| item(n, &[])).collect(), None)]).start();
    for _ in 0..4 {
        world.next();
        world.finish();
    }
    let (saved, held) = (world.saved.clone(), world.held.clone());
    assert!(held.contains_key(&MediaKey::new("a1", "r")));
    let muted = settings(|s| {
        s.creators.insert("c1".into());
    });
    let mut again = World::new(muted, Vec::new());
    again.held = held;
    let stored = again.held.keys().map(|k| (k.clone(), 8_000)).collect();
    again.engine.handle_start(Time::ZERO, saved, stored);
    let mut forgotten = Vec::new();
    while let Some(effect) = again.engine.poll_output() {
        if let Effect::Forget(keys) = effect {
            forgotten.extend(keys);
        }
    }
    let of_c1 = [MediaKey::new("a1", "r"), MediaKey::new("a4", "r")];
    assert_eq!(forgotten, of_c1);
    assert_eq!(
        again.engine.handle_next(Time::ZERO, Wall::default()),
        Step::Moved(2),
        "it opens where it was left"
    );
    assert_eq!(again.engine.item(2).unwrap().id, "i3");
}

#[test]
fn an_asset_that_an_open_card_shows_too_keeps_its_bytes() {
    let mut twin = item(5, &[]);
    twin.asset = item(1, &[]).asset;
    let items = vec![item(0, &[]), item(1, &[]), twin, item(2, &[])];
    let mut world = World::new(settings(|_| {}), vec![page(items, None)]).start();
    world.next();
    world.finish();
    world.label(1, &["!hide"], false);
    assert!(world.held.contains_key(&MediaKey::new("a1", "r")));
}

#[test]
fn a_feed_of_nothing_but_hidden_cards_ends() {
    let pages =
        (0..300).map(|p| page((0..12).map(|n| item(p * 12 + n, &["scam"])).collect(), Some(&p.to_string())));
    let mut world = World::new(settings(|_| {}), pages.collect()).start();
    assert_eq!(world.asked, HIDDEN_PAGES as usize);
    assert_eq!(world.next(), Step::AtEnd);
}

#[test]
fn ten_thousand_duplicates_and_labels_that_contradict_each_other() {
    let good = item(0, &["reviewed"]);
    let mut pages = vec![page(vec![good.clone(), item(1, &[])], Some("first"))];
    // The same item again and again, once with a label that contradicts the others.
    for n in 0..200_u32 {
        let mut items = vec![good.clone(); 50];
        if n == 1 {
            items[25].labels = vec!["reviewed".into(), "!warn".into(), "scam".into()];
        }
        pages.push(page(items, Some(&format!("p{n}"))));
    }
    let world = World::new(settings(|_| {}), pages).start();
    assert!(world.asked <= 5, "{} pages of nothing new", world.asked);
    assert_eq!(world.engine.item(0), None, "the stricter of two labels counts");
    assert_eq!(world.engine.item(1).unwrap().id, "i1");
}

const LABELS: [&str; 8] =
    ["reviewed", "!hide", "!warn", "porn", "scam", "nobody_knows", "nudity", "conspiracy"];

#[derive(Debug, Clone)]
enum Act {
    Next,
    Previous,
    Finish,
    Label(u64, Vec<usize>, bool),
    Mute(u64),
    Unmute,
    Reveal(u64),
    Offline,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Next),
        1 => Just(Act::Previous),
        2 => Just(Act::Finish),
        2 => (0..40_u64, prop::collection::vec(0..LABELS.len(), 0..3), prop::bool::weighted(0.2))
            .prop_map(|(n, l, g)| Act::Label(n, l, g)),
        1 => (0..3_u64).prop_map(Act::Mute),
        1 => Just(Act::Unmute),
        1 => (0..40_u64).prop_map(Act::Reveal),
        1 => Just(Act::Offline),
    ]
}

fn hostile_page() -> impl Strategy<Value = Page> {
    let items = prop::collection::vec((0..60_u64, prop::collection::vec(0..LABELS.len(), 0..3)), 0..15);
    (items, prop::option::weighted(0.9, 0..30_u32)).prop_map(|(items, next)| Page {
        items: items
            .into_iter()
            .map(|(n, labels)| item(n, &labels.iter().map(|&l| LABELS[l]).collect::<Vec<_>>()))
            .collect(),
        next_cursor: next.map(|n| n.to_string()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_server_and_no_hour_brings_anything_of_a_closed_card(
        pages in prop::collection::vec(hostile_page(), 0..30),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut world = World::new(settings(|_| {}), pages).start();
        let mut online = true;
        for act in acts {
            match act {
                Act::Next => { world.next(); },
                Act::Previous => {
                    world.engine.handle_previous(Time::ZERO, Wall::default());
                    world.drain();
                }
                Act::Finish => world.finish(),
                Act::Label(n, labels, gone) => {
                    let labels: Vec<&str> = labels.into_iter().map(|l| LABELS[l]).collect();
                    world.label(n, &labels, gone);
                }
                Act::Mute(c) => {
                    let filter = settings(|s| { s.creators.insert(format!("c{c}")); });
                    world.engine.handle_filter(Time::ZERO, filter);
                    world.drain();
                }
                Act::Unmute => {
                    world.engine.handle_filter(Time::ZERO, settings(|_| {}));
                    world.drain();
                }
                Act::Reveal(position) => {
                    world.engine.handle_reveal(Time::ZERO, Wall::default(), position);
                    world.drain();
                }
                Act::Offline => {
                    online = !online;
                    let conditions = Conditions { online, ..Conditions::default() };
                    world.engine.handle_conditions(Time::ZERO, Wall::default(), conditions);
                    world.drain();
                }
            }
            if let Some(current) = world.engine.current() {
                prop_assert!(world.engine.item(current).is_some(), "the card on the screen is known");
            }
        }
    }
}
