//! Servers that mean no good, against feed, filter, learner and breaker as one pipeline: whatever they send, nobody sees an
//! item twice or one that is hidden, no topic takes over a feed that is bound, nothing is fetched for ever, and no turn waits
//! for nothing.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use unspool_engine::breaker::breaches;
use unspool_engine::exposure::Ledger;
use unspool_engine::feed::{
    BARREN_PAGES, Feed, HIDDEN_PAGES, KEEP_BEHIND, LOW_WATER, LabelUpdate, MAX_WAITING, PageRequest,
    SavedFeed, Step, THIN_PAGES,
};
use unspool_engine::pipeline::{Manner, Pipeline};
use unspool_engine::ranking::RankingPolicy;
use unspool_engine::safety::{
    Action, AgeBand, Choice, Filter, HarmClass, LABELS, LabelRule, Rules, SafetySettings, Source, Unknown,
};
use unspool_engine::{Creator, Item, Page, Time, Wall};

/// Most items a page holds, as the backends check.
const PAGE: usize = 50;
/// Most swipes of a test.
const SWIPES: usize = 1_000;

fn item(id: &str, topic: &str, creator: &str, labels: &[&str]) -> Item {
    Item {
        id: id.to_owned(),
        creator: Creator { id: creator.to_owned(), ..Creator::default() },
        topics: vec![topic.to_owned()],
        labels: labels.iter().map(|&l| l.to_owned()).collect(),
        ..Item::default()
    }
}

fn plain(n: usize) -> Item {
    item(&format!("i{n}"), &format!("t{}", n % 7), &format!("c{}", n % 11), &[])
}

fn page(items: Vec<Item>, next: Option<String>) -> Page {
    Page { items, next_cursor: next }
}

fn filter(rules: &Rules, age: AgeBand) -> Arc<Filter> {
    let settings = SafetySettings { age, ..SafetySettings::default() };
    Arc::new(Filter::new(rules, &settings, Wall::default()).unwrap())
}

fn grown_up() -> Arc<Filter> {
    filter(&Rules::default(), AgeBand::Adult)
}

/// Feeds that are bound, and one whose order is the server's.
const MANNERS: [Manner; 3] = [Manner::Profiled, Manner::NonProfiled, Manner::AsAsked];

fn manner() -> impl Strategy<Value = Manner> {
    prop::sample::select(&MANNERS[..])
}

/// A person with a feed, and the server on the other side.
struct Person<S> {
    feed: Feed,
    server: S,
    /// Pages asked for.
    asked: usize,
    /// Cards in the order in which they were on the screen.
    watched: Vec<Item>,
    /// Items that the server took back.
    gone: BTreeSet<String>,
    /// What the person uncovered.
    revealed: BTreeSet<u64>,
    /// What stood at each position once it was fixed.
    fixed: BTreeMap<u64, String>,
}

impl<S: FnMut(&PageRequest) -> Page> Person<S> {
    fn new(manner: Manner, server: S) -> Self {
        let mut feed = Feed::new(7);
        feed.set_filter(grown_up());
        let policy = Arc::new(RankingPolicy::shipped().unwrap());
        feed.set_ranking(manner, Arc::new(Pipeline::new(policy)));
        let mut person = Person {
            feed,
            server,
            asked: 0,
            watched: Vec::new(),
            gone: BTreeSet::new(),
            revealed: BTreeSet::new(),
            fixed: BTreeMap::new(),
        };
        person.fetch();
        person
    }

    /// Asks until the feed wants no more, which must not take for ever.
    fn fetch(&mut self) {
        self.feed.arrange();
        let (mut nothing, mut turn) = (0, 0);
        while let Some(request) = self.feed.poll_request(Time::ZERO) {
            assert_eq!(self.feed.poll_request(Time::ZERO), None, "one page at a time");
            self.asked += 1;
            turn += 1;
            assert!(turn <= 100, "pages are fetched for ever");
            let answer = (self.server)(&request);
            let hidden = self.feed.hidden();
            let (grew, _) = self.feed.handle_page(Time::ZERO, request.id, Ok(answer));
            nothing = if grew || self.feed.hidden() > hidden { 0 } else { nothing + 1 };
            // Once for pages with nothing new, and once for such as have no room.
            assert!(nothing <= BARREN_PAGES + THIN_PAGES, "{nothing} pages in a row brought nothing");
        }
        self.look();
    }

    /// What holds at the end of every turn.
    fn look(&mut self) {
        let positions = self.feed.positions();
        let most = (KEEP_BEHIND + 1 + LOW_WATER + PAGE + MAX_WAITING) as u64;
        assert!(positions.end - positions.start <= most, "{positions:?} are held");
        let mut ids = BTreeSet::new();
        for position in positions {
            let Some(item) = self.feed.item(position) else { continue };
            assert!(ids.insert(&item.id), "{} is held twice", item.id);
            if position < self.feed.fixed() {
                let stood = self.fixed.entry(position).or_insert_with(|| item.id.clone());
                assert_eq!(*stood, item.id, "what is fixed stays");
            }
            let decision = self.feed.decision(position).unwrap();
            let on_screen = self.feed.current() == Some(position);
            assert!(on_screen || !decision.hides(), "{} is hidden and held", item.id);
            assert!(on_screen || !self.gone.contains(&item.id), "{} was taken back and is held", item.id);
            if !self.gone.contains(&item.id) {
                assert_eq!(
                    *decision,
                    self.feed.filter().decide(item),
                    "{} is judged by what is known",
                    item.id
                );
            }
            let open = self.feed.open(position) && !self.revealed.contains(&position);
            assert!(!open || !decision.blurs(), "{} is covered and open", item.id);
        }
    }

    /// Swipes on; says whether a card came.
    fn swipe(&mut self) -> bool {
        let step = self.feed.next(|_, _| true);
        if let Step::Moved(position) = step {
            let item = self.feed.item(position).unwrap().clone();
            assert!(!self.feed.decision(position).unwrap().hides(), "{} is hidden and shown", item.id);
            self.watched.push(item);
        }
        self.fetch();
        match step {
            Step::Moved(_) => true,
            // With every page answered there is either a card or an end.
            Step::Waiting => match self.feed.next(|_, _| true) {
                Step::Waiting => panic!("nobody will ever answer"),
                Step::AtEnd => false,
                other => panic!("{other:?} came without a page"),
            },
            Step::AtEnd => false,
            Step::Resting => panic!("a feed by itself does not rest"),
        }
    }

    /// Swipes to the end, or as often as a person may.
    fn watch(&mut self) {
        for _ in 0..SWIPES {
            if !self.swipe() {
                break;
            }
        }
        let ids: BTreeSet<&String> = self.watched.iter().map(|item| &item.id).collect();
        assert_eq!(ids.len(), self.watched.len(), "no item twice");
        if self.feed.manner().bounds() {
            let topics: Vec<&[String]> = self.watched.iter().map(|item| item.topics.as_slice()).collect();
            assert_eq!(breaches(&topics, 10, 4), 0, "no topic above 4 of 10");
            let same = |pair: &[Item]| pair[0].creator.id == pair[1].creator.id;
            assert!(!self.watched.windows(2).any(same), "no creator twice in a row");
        }
    }

    fn label(&mut self, update: LabelUpdate) {
        if update.gone
            && self.feed.positions().any(|p| self.feed.item(p).is_some_and(|i| i.id == update.item))
        {
            self.gone.insert(update.item.clone());
        }
        self.feed.handle_labels(vec![update]);
        self.fetch();
    }
}

fn labelled(id: &str, labels: &[&str], gone: bool) -> LabelUpdate {
    LabelUpdate {
        item: id.to_owned(),
        labels: labels.iter().map(|&l| l.to_owned()).collect(),
        creator_labels: Vec::new(),
        gone,
    }
}

/// Labels of every kind: plain, hiding, covering, for adults, and such that nobody defined.
const SOME: [&str; 10] = [
    "reviewed",
    "!hide",
    "!warn",
    "porn",
    "scam",
    "nudity",
    "conspiracy",
    "nobody_knows",
    "NUDITY",
    "reviewed ",
];

fn some_labels() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(&SOME[..]), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Cursors that lead back: a cursor is followed once, so there are no more requests than cursors.
    #[test]
    fn cursors_that_loop_end(
        manner in manner(),
        leads in prop::collection::vec(prop::option::weighted(0.95, 0..12_usize), 1..12),
        each in 0..15_usize,
        fresh in any::<bool>(),
    ) {
        let mut given = 0;
        let mut person = Person::new(manner, |request: &PageRequest| {
            let at = request.cursor.as_ref().map_or(0, |c| c.parse::<usize>().unwrap());
            // Either the same cards at each cursor, or new ones for ever.
            let from = if fresh { given } else { at * each };
            given += each;
            let next = leads[at % leads.len()].map(|next| next.to_string());
            page((from..from + each).map(plain).collect(), next)
        });
        person.watch();
        prop_assert!(person.asked <= 12 + 1, "{} pages of 12 cursors", person.asked);
        prop_assert!(!person.swipe(), "it has an end");
    }

    /// Pages without anything, each with a cursor that was never there before.
    #[test]
    fn empty_pages_end(manner in manner(), full in prop::collection::vec(0..6_usize, 0..40)) {
        let mut given = 0;
        let mut number = 0;
        let mut person = Person::new(manner, |_: &PageRequest| {
            let count = full.get(number).copied().unwrap_or(0);
            number += 1;
            given += count;
            page((given - count..given).map(plain).collect(), Some(format!("cursor {number}")))
        });
        person.watch();
        // It ends at the first run of empty pages, and had everything before it.
        let mut expected = (0, 0);
        let mut barren = 0;
        for number in 0.. {
            let count = full.get(number).copied().unwrap_or(0);
            expected = (number + 1, expected.1 + count);
            barren = if count == 0 { barren + 1 } else { 0 };
            if barren == BARREN_PAGES {
                break;
            }
        }
        let had = (person.asked, person.watched.len());
        if manner.bounds() {
            // The last few may have no room beside each other.
            prop_assert!(had.0 <= expected.0 && had.1 <= expected.1 && had.1 + 12 >= expected.1, "{had:?}");
        } else {
            prop_assert_eq!(had, expected);
        }
    }

    /// The same few items ten thousand times, under cursors that are all new.
    #[test]
    fn ten_thousand_duplicates_are_shown_once(manner in manner(), pool in 1..40_usize, seed in any::<u64>()) {
        let (mut state, mut sent) = (seed | 1, 0);
        let mut offered = BTreeSet::new();
        let mut person = Person::new(manner, |request: &PageRequest| {
            let items = (0..PAGE).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                plain((state % pool as u64) as usize)
            });
            let items: Vec<Item> = items.collect();
            sent += PAGE;
            offered.extend(items.iter().map(|item| item.id.clone()));
            let next = (sent < 10_000).then(|| format!("{}+", request.cursor.clone().unwrap_or_default()));
            page(items, next)
        });
        person.watch();
        let (asked, watched) = (person.asked, person.watched.len());
        drop(person);
        if manner.bounds() {
            prop_assert!(watched <= offered.len() && watched >= 4.min(offered.len().div_ceil(7)));
        } else {
            prop_assert_eq!(watched, offered.len(), "each of them once");
        }
        prop_assert!(asked <= pool + (BARREN_PAGES + THIN_PAGES) as usize, "{} pages for {} items", asked, pool);
    }

    /// Ten thousand duplicates of what was watched long ago and is no longer held.
    #[test]
    fn what_was_watched_long_ago_does_not_come_back(manner in manner(), every in 2..20_usize) {
        let mut given = 12;
        let mut person = Person::new(manner, |_: &PageRequest| {
            let news = given..given + 12 / every + 1;
            given = news.end;
            // The oldest again and again beside a little that is new.
            page((0..12).map(plain).chain(news.map(plain)).collect(), Some(given.to_string()))
        });
        person.watch();
        prop_assert_eq!(person.watched.len(), SWIPES, "there is always something new");
    }

    /// Items taken back between pages, and offered again afterwards as if nothing had been.
    #[test]
    fn what_was_taken_back_between_pages_never_comes_back(
        manner in manner(),
        acts in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, some_labels()), 1..60),
    ) {
        let mut number = 0;
        let mut person = Person::new(manner, |_: &PageRequest| {
            number += 1;
            // Pages overlap by half, and the first one comes again under every cursor.
            let items = (0..4).chain(number * 6..number * 6 + 12).map(plain).collect();
            page(items, Some(number.to_string()))
        });
        for (which, act, labels) in acts {
            let positions: Vec<u64> = person.feed.positions().collect();
            let position = *which.get(&positions);
            let id = person.feed.item(position).map(|item| item.id.clone());
            match (act, id) {
                (0, Some(id)) => {
                    person.label(labelled(&id, &[], true));
                    // A later word without it changes nothing.
                    person.label(labelled(&id, &["reviewed"], false));
                }
                (1, Some(id)) => person.label(labelled(&id, &labels, false)),
                _ => drop(person.swipe()),
            }
        }
        let taken: BTreeSet<String> = person.gone.clone();
        let before = person.watched.len();
        person.watch();
        let after = person.watched.iter().skip(before);
        prop_assert!(after.filter(|item| taken.contains(&item.id)).count() == 0, "it was watched afterwards");
        let SavedFeed { items, .. } = person.feed.save(60);
        prop_assert!(items.iter().all(|item| !taken.contains(&item.id)), "nor is it kept");
    }

    /// Of everything that was ever said of an item the strictest counts, and what nobody defined is covered.
    #[test]
    fn labels_that_contradict_each_other_and_such_that_nobody_knows(
        manner in manner(),
        said in prop::collection::vec((0..12_usize, some_labels()), 1..60),
        cut in 1..13_usize,
    ) {
        let pages: Vec<Vec<(usize, Vec<&str>)>> = said.chunks(cut).map(<[_]>::to_vec).collect();
        let mut number = 0;
        let mut person = Person::new(manner, |_: &PageRequest| {
            let items: Vec<Item> = pages.get(number).into_iter().flatten().map(|(n, labels)| {
                Item { labels: labels.iter().map(|&l| l.to_owned()).collect(), ..plain(*n) }
            }).collect();
            number += 1;
            page(items, (number < pages.len()).then(|| number.to_string()))
        });
        // Everything that was answered is known before anything is swiped: there are fewer cards than the feed wants ahead,
        // unless it has enough already.
        let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (n, labels) in pages.iter().take(person.asked).flatten() {
            all.entry(format!("i{n}")).or_default().extend(labels);
        }
        for position in person.feed.positions() {
            let Some(item) = person.feed.item(position) else { continue };
            let said = &all[&item.id];
            let hides = ["!hide", "porn", "scam"].iter().any(|l| said.contains(l));
            let covers = ["!warn", "nobody_knows", "NUDITY", "reviewed "].iter().any(|l| said.contains(l));
            prop_assert!(!hides, "{:?} of {} hides", said, item.id);
            prop_assert_eq!(covers, !person.feed.open(position), "{:?} of {} covers", said, item.id);
            if let Action::Blur(cause) = &person.feed.decision(position).unwrap().action {
                let unknown = matches!(cause.source, Source::UnknownLabel(_));
                prop_assert_eq!(unknown, cause.name != "!warn", "{} says why", cause.name);
            }
        }
        person.watch();
    }

    /// What was revealed is covered again when there is another reason, and never by the server's leave.
    #[test]
    fn a_server_cannot_uncover_what_it_did_not_show_before(manner in manner(), labels in some_labels(), later in some_labels()) {
        let mut person = Person::new(manner, |_: &PageRequest| {
            page(vec![item("i0", "t", "c", &labels), plain(1)], None)
        });
        let covered = person.feed.item(0).is_some_and(|i| i.id == "i0") && !person.feed.open(0);
        if covered && person.feed.reveal(0) {
            person.revealed.insert(0);
            let before = person.feed.decision(0).unwrap().clone();
            person.label(labelled("i0", &later, false));
            if let Some(after) = person.feed.decision(0).filter(|after| after.blurs()) {
                let same = after.cause() == before.cause();
                prop_assert!(same || !person.feed.open(0), "another reason covers anew");
            }
        }
    }

    /// Rules that somebody else may have written: whatever they say of a label, hiding is never less than covering, nobody
    /// below 18 sees what has a floor, and what they do not name is what they say of unknown labels.
    #[test]
    fn rules_of_any_kind_keep_what_is_below_them(
        named in prop::collection::vec((prop::sample::select(&SOME[..]), 0..3_u8, any::<bool>()), 0..10),
        unknown in 0..3_u8,
        labels in some_labels(),
    ) {
        let choice = |n: u8| [Choice::Show, Choice::Warn, Choice::Hide][usize::from(n)];
        let base = Rules::default().labels[0].clone();
        let labels_of = named.iter().map(|(label, default, fixed)| LabelRule {
            label: (*label).to_owned(), class: None, default: choice(*default), fixed: *fixed, ..base.clone()
        });
        let rules = Rules {
            version: 3,
            labels: labels_of.collect(),
            unknown: Unknown { minors: Choice::Hide, others: choice(unknown) },
            ..Rules::default()
        };
        let subject = item("i0", "t", "c", &labels);
        let adult = filter(&rules, AgeBand::Adult).decide(&subject);
        let teen = filter(&rules, AgeBand::Teen).decide(&subject);
        let strictness = |hides: bool, blurs: bool| 2 * u8::from(hides) + u8::from(blurs);
        prop_assert!(strictness(teen.hides(), teen.blurs()) >= strictness(adult.hides(), adult.blurs()));
        let nobody_names = labels.iter().find(|l| !named.iter().any(|(n, ..)| n == *l));
        if let (Some(label), false) = (nobody_names, labels.is_empty()) {
            prop_assert!(teen.hides(), "{} is unknown to these rules", label);
            let least = unknown.min(2);
            let got = if adult.hides() { 2 } else { u8::from(adult.blurs()) };
            prop_assert!(got >= least, "{} is unknown: {} of at least {}", label, got, least);
        }
    }

    /// One topic only, some of it hidden: a thousand cards at most once each, and never a hidden one.
    #[test]
    fn one_topic_only(manner in manner(), bad in 0..12_usize, labels in some_labels()) {
        let mut given = 0;
        let mut person = Person::new(manner, |_: &PageRequest| {
            let from = given;
            given += 12;
            let of = |n: usize| {
                let labels: &[&str] = if n % 12 < bad { &labels } else { &[] };
                item(&format!("i{n}"), "football", &format!("c{}", n % 5), labels)
            };
            page((from..given).map(of).collect(), Some(given.to_string()))
        });
        person.watch();
        prop_assert!(person.watched.iter().all(|item| item.topics == ["football"]));
        let hidden = person.feed.filter().decide(&item("x", "football", "c", &labels)).hides();
        let left = if hidden { 12 - bad } else { 12 };
        if manner.bounds() {
            prop_assert!((1..=4).contains(&person.watched.len()), "{} cards", person.watched.len());
            prop_assert_eq!(person.feed.enough_of(), ["football"], "it is asked for others");
            prop_assert!(person.asked <= (LOW_WATER + THIN_PAGES as usize) * 2, "{} pages", person.asked);
        } else {
            prop_assert!(person.watched.len() == SWIPES, "{} of each page left", left);
            prop_assert!(person.asked <= (SWIPES + LOW_WATER) / left + 2, "{} pages", person.asked);
        }
    }

    /// A server that holds one group of clips down is noticed by how well they are watched, and one that does not is not.
    #[test]
    fn a_group_that_is_held_down_is_noticed(cut in 0.25..0.4_f64, seed in any::<u64>()) {
        let policy = RankingPolicy::shipped().unwrap();
        let mut state = seed | 1;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (mut fair, mut slanted) =
            (Ledger::new(policy.exposure.clone()), Ledger::new(policy.exposure.clone()));
        for n in 0..6_000 {
            let group = ["a", "b", "c", "d"][n % 4];
            let true_merit = 0.3 + 0.4 * draw();
            let quality = f64::from(u8::from(draw() < true_merit));
            let topics = [format!("t{}", n % 9)];
            fair.handle_viewing(&topics, &[group], true_merit, quality);
            let told = if group == "c" { true_merit * (1.0 - cut) } else { true_merit };
            slanted.handle_viewing(&topics, &[group], told, quality);
        }
        let named = |ledger: &Ledger| -> Vec<String> {
            let held = ledger.report().into_iter().filter(|g| g.held_down && g.group.len() == 1);
            held.map(|g| g.group).collect()
        };
        prop_assert_eq!(named(&slanted), vec!["c".to_owned()]);
        prop_assert_eq!(named(&fair), Vec::<String>::new());
    }
}

/// Nothing but hidden items, for ever, under new cursors.
#[test]
fn a_server_that_sends_only_what_is_hidden_is_left() {
    for manner in MANNERS {
        let mut given = 0;
        let mut person = Person::new(manner, |_: &PageRequest| {
            given += 12;
            let items = (given - 12..given).map(|n| item(&format!("i{n}"), "t", "c", &["scam"]));
            page(items.collect(), Some(given.to_string()))
        });
        assert!(!person.swipe());
        let had = (person.asked, person.feed.hidden());
        assert_eq!(had, (HIDDEN_PAGES as usize, u64::from(HIDDEN_PAGES) * 12));
    }
}

/// Rules above their bounds are refused as a whole, and the cautious filter hides what any rules of ours would.
#[test]
fn rules_without_bounds_are_refused() {
    let rule = Rules::default().labels[0].clone();
    let many = Rules { labels: vec![rule.clone(); LABELS + 1], ..Rules::default() };
    assert!(many.check().is_err());
    assert!(Filter::new(&many, &SafetySettings::default(), Wall::default()).is_err());
    let nameless = Rules { labels: vec![LabelRule { label: String::new(), ..rule }], ..Rules::default() };
    assert!(nameless.check().is_err());
    let cautious = Filter::cautious();
    for (label, class) in [("scam", HarmClass::Scam), ("porn", HarmClass::Adult)] {
        let decision = cautious.decide(&item("i", "t", "c", &[label]));
        assert!(decision.hides(), "{label}");
        assert_eq!(decision.cause().unwrap().class, Some(class));
    }
}
