//! The feed machine by itself, and with a pipeline under servers that mean ill.

use super::*;
use crate::testing::item;
use crate::time::Millis;

fn page(ids: std::ops::Range<u32>, next: Option<&str>) -> Page {
    Page { items: ids.map(|i| item(&format!("i{i}"))).collect(), next_cursor: next.map(Into::into) }
}

fn anything(_: u64, _: &Item) -> bool {
    true
}

#[test]
fn pages_follow_the_thumb_and_no_card_comes_twice() {
    let mut feed = Feed::new(1);
    let mut shown = BTreeSet::new();
    let mut asked = 0u32;
    for _ in 0..1000 {
        while let Some(request) = feed.poll_request(Time::ZERO) {
            asked += 1;
            let from = request.cursor.map_or(0, |c| c.parse::<u32>().unwrap());
            // Pages overlap by two cards: a back end that inserts new cards at the top does that.
            feed.handle_page(
                Time::ZERO,
                request.id,
                Ok(page(from.saturating_sub(2)..from + 12, Some(&(from + 12).to_string()))),
            );
        }
        let Step::Moved(position) = feed.next(anything) else { panic!("a card is there") };
        assert!(shown.insert(feed.item(position).unwrap().id.clone()));
    }
    assert!(asked <= 1000 / 12 + 2, "{asked} pages");
    assert!(feed.items.len() <= KEEP_BEHIND + 20);
}

#[test]
fn a_looping_cursor_ends() {
    let mut feed = Feed::new(1);
    let mut asked = 0;
    for _ in 0..50 {
        feed.next(anything);
        while let Some(request) = feed.poll_request(Time::ZERO) {
            asked += 1;
            assert!(asked < 10);
            feed.handle_page(Time::ZERO, request.id, Ok(page(0..3, Some("again"))));
        }
    }
    assert_eq!(feed.next(anything), Step::AtEnd);
}

#[test]
fn failures_back_off_and_recover() {
    let mut feed = Feed::new(7);
    let mut now = Time::ZERO;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let request = feed.poll_request(now).unwrap();
        assert_eq!(feed.poll_request(now), None);
        feed.handle_page(now, request.id, Err(PageFailure { retryable: true, ..PageFailure::default() }));
        let at = feed.poll_timeout().unwrap();
        waits.push(at.since(now).0);
        assert_eq!(feed.poll_request(now), None);
        now = at;
    }
    assert!(waits.iter().all(|&w| (500..=60_500).contains(&w)), "{waits:?}");
    let request = feed.poll_request(now).unwrap();
    let wait = Some(Millis(90_000));
    feed.handle_page(
        now,
        request.id,
        Err(PageFailure { retryable: true, retry_after: wait, ..PageFailure::default() }),
    );
    assert_eq!(feed.poll_timeout(), Some(now + Millis(90_000)));
    feed.retry_now();
    let request = feed.poll_request(now).unwrap();
    assert!(feed.handle_page(now, request.id, Ok(page(0..3, None))).0);
    assert!(!feed.handle_page(now, request.id, Ok(page(3..6, None))).0, "a late answer changes nothing");
}

#[test]
fn what_is_saved_comes_back() {
    let mut feed = Feed::new(1);
    let request = feed.poll_request(Time::ZERO).unwrap();
    feed.handle_page(Time::ZERO, request.id, Ok(page(0..12, Some("c"))));
    for _ in 0..5 {
        feed.next(anything);
    }
    let saved = feed.save(8);
    let mut again = Feed::new(1);
    again.restore(saved.clone());
    assert_eq!(again.item(again.current().unwrap()).unwrap().id, "i4");
    assert_eq!((saved.items.len(), saved.current), (8, Some(2)));
    assert_eq!(saved.cursor.as_deref(), Some("c"));
    assert_eq!(again.previous(anything), Step::Moved(1));
    assert_eq!(again.previous(anything), Step::Moved(0));
    assert_eq!(again.previous(anything), Step::AtEnd);
}

#[test]
fn cards_that_cannot_play_are_passed_over() {
    let mut feed = Feed::new(1);
    let request = feed.poll_request(Time::ZERO).unwrap();
    feed.handle_page(Time::ZERO, request.id, Ok(page(0..5, None)));
    assert_eq!(feed.next(|p, _| p >= 3), Step::Moved(3));
    assert_eq!(feed.previous(|p, _| p == 0), Step::Moved(0));
    assert_eq!(feed.next(|_, _| false), Step::AtEnd);
}

mod ranked {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::breaker::{Moment, breaches};
    use crate::learner::Viewing;
    use crate::model::SeriesPart;
    use crate::pipeline::{Facts, Lived};
    use crate::ranking::RankingPolicy;
    use crate::safety::SafetySettings;
    use crate::safety::{AgeBand, Rules};

    fn pipeline() -> Arc<Pipeline> {
        Arc::new(Pipeline::new(Arc::new(RankingPolicy::shipped().unwrap())))
    }

    fn ranked(manner: Manner) -> Feed {
        let mut feed = Feed::new(1);
        feed.set_ranking(manner, pipeline());
        feed
    }

    fn about(n: usize, topics: &[&str]) -> Item {
        let mut item = item(&format!("i{n}"));
        item.topics = topics.iter().map(|t| (*t).to_owned()).collect();
        item.creator.id = format!("c{n}");
        item.prior = Some(0.5);
        item
    }

    fn answer(feed: &mut Feed, items: Vec<Item>, next: Option<&str>) -> PageRequest {
        let request = feed.poll_request(Time::ZERO).expect("a page is due");
        let page = Page { items, next_cursor: next.map(Into::into) };
        feed.handle_page(Time::ZERO, request.id, Ok(page));
        request
    }

    fn watched(feed: &mut Feed, position: u64, active_ms: u64, not_interested: bool) {
        let clip = Facts::from(feed.item(position).unwrap());
        let viewing = Viewing { active_ms, not_interested, ..Viewing::default() };
        let moment = Some(Moment { local_min: 600, session_ms: 1, may_lead: true });
        feed.handle_lesson(Lesson::Viewed(Box::new(Lived { clip, viewing, moment })));
        feed.arrange();
    }

    fn ids(feed: &Feed, from: u64) -> Vec<String> {
        feed.ahead(from).filter_map(|p| feed.item(p)).map(|i| i.id.clone()).collect()
    }

    #[test]
    fn nobody_known_sees_the_servers_order_and_each_place_can_be_explained() {
        let mut feed = ranked(Manner::Profiled);
        let items: Vec<Item> = (0..12).map(|n| about(n, &[["a", "b", "c", "d"][n % 4]])).collect();
        answer(&mut feed, items, None);
        assert_eq!(ids(&feed, 0), (0..12).map(|n| format!("i{n}")).collect::<Vec<_>>());
        for position in feed.positions() {
            let why = feed.why(position).unwrap();
            let sum: f64 = why.why.contributions.iter().map(|c| c.amount).sum();
            assert!((sum - why.why.difference).abs() < 1e-12);
        }
        assert_eq!(feed.why(99), None);
    }

    #[test]
    fn what_may_still_move_follows_the_person_and_what_is_fixed_stays() {
        let mut feed = ranked(Manner::Profiled);
        let items: Vec<Item> = (0..30).map(|n| about(n, &[["a", "b", "c"][n % 3]])).collect();
        answer(&mut feed, items, Some("2"));
        feed.next(anything);
        feed.arrange();
        let before = ids(&feed, 0);
        watched(&mut feed, 0, 0, true);
        let after = ids(&feed, 0);
        assert_eq!(feed.fixed(), 5, "the current card and four more");
        assert_eq!(after[..5], before[..5]);
        assert_ne!(after[5..], before[5..]);
        let first_of_a = after[5..].iter().position(|id| id[1..].parse::<usize>().unwrap() % 3 == 0).unwrap();
        assert_eq!(
            first_of_a, 5,
            "as many of the other two topics as the bound allows come first: {after:?}"
        );
        let all: BTreeSet<&String> = before.iter().chain(&after).collect();
        assert_eq!(all.len(), before.len(), "nothing new, and what is missing waits for room");
    }

    #[test]
    fn a_server_with_one_topic_is_asked_for_others_and_then_left_alone() {
        for manner in [Manner::Profiled, Manner::NonProfiled] {
            let mut feed = ranked(manner);
            let mut asked = 0;
            for page in 0..50 {
                let Some(request) = feed.poll_request(Time::ZERO) else { break };
                asked += 1;
                let wanted: &[String] = if page == 0 { &[] } else { &["cats".to_owned()] };
                assert_eq!(request.enough_of, wanted);
                let items = (0..12).map(|n| about(page * 12 + n, &["cats"])).collect();
                let page = Page { items, next_cursor: Some(format!("{page}")) };
                feed.handle_page(Time::ZERO, request.id, Ok(page));
            }
            assert!(asked <= 2 + THIN_PAGES, "{asked}");
            assert_eq!(feed.enough_of(), ["cats"]);
            let told = std::iter::from_fn(|| feed.poll_note())
                .filter(|n| matches!(n, FeedNote::Thin(_)))
                .collect::<Vec<_>>();
            assert_eq!(told, [FeedNote::Thin(vec!["cats".to_owned()])], "said once");
            for _ in 0..4 {
                assert!(matches!(feed.next(anything), Step::Moved(_)));
                feed.arrange();
            }
            assert_eq!(feed.next(anything), Step::AtEnd);
            // Somebody asks again, and the server has something else now.
            feed.refresh();
            feed.arrange();
            let request = feed.poll_request(Time::ZERO).unwrap();
            let items = (0..12).map(|n| about(900 + n, &[["dogs", "tea", "oak"][n % 3]])).collect();
            feed.handle_page(Time::ZERO, request.id, Ok(Page { items, next_cursor: None }));
            assert_eq!(feed.next(anything), Step::Moved(4));
        }
    }

    #[test]
    fn a_request_for_breadth_that_is_answered_makes_room() {
        let mut feed = ranked(Manner::Profiled);
        answer(&mut feed, (0..12).map(|n| about(n, &["cats"])).collect(), Some("1"));
        assert_eq!(ids(&feed, 0).len(), 4);
        let request =
            answer(&mut feed, (20..32).map(|n| about(n, &[["dogs", "tea"][n % 2]])).collect(), Some("2"));
        assert_eq!(request.enough_of, ["cats"]);
        assert!(feed.enough_of().is_empty());
        let order = ids(&feed, 0);
        assert_eq!(order.len(), 24, "the other cats came in between: {order:?}");
    }

    #[test]
    fn a_course_shows_what_was_reviewed_and_a_series_from_its_beginning() {
        let mut feed = ranked(Manner::Course);
        let lesson = |n: usize, series: Option<(&str, u32)>, reviewed: bool| Item {
            labels: if reviewed { vec![REVIEWED.to_owned()] } else { Vec::new() },
            self_labels: vec![REVIEWED.to_owned()],
            series: series.map(|(id, part)| SeriesPart { id: id.to_owned(), part }),
            ..about(n, &["maths"])
        };
        let items = vec![
            lesson(0, Some(("s", 3)), true),
            lesson(1, None, true),
            lesson(2, Some(("s", 1)), true),
            lesson(3, None, false),
            lesson(4, Some(("s", 2)), true),
        ];
        answer(&mut feed, items, None);
        assert_eq!(ids(&feed, 0), ["i2", "i1", "i4", "i0"], "all of one topic, as was asked for");
        let update = LabelUpdate { item: "i1".into(), labels: vec![], creator_labels: vec![], gone: false };
        assert_eq!(feed.handle_labels(vec![update]).len(), 1, "the review was taken back");
        assert_eq!(ids(&feed, 0), ["i2", "i4", "i0"]);
    }

    #[test]
    fn a_hole_among_the_fixed_cards_does_not_let_a_fifth_in() {
        let mut feed = ranked(Manner::NonProfiled);
        // Four of any ten; without the ninth the tenth would be a fifth of them.
        let topics = ["a", "b", "a", "c", "a", "d", "e", "a", "f", "g", "a", "h"];
        let items: Vec<Item> = topics.iter().enumerate().map(|(n, t)| about(n, &[t])).collect();
        answer(&mut feed, items, Some("1"));
        for _ in 0..7 {
            feed.next(anything);
            feed.arrange();
        }
        assert_eq!((feed.item(10).unwrap().id.as_str(), feed.fixed()), ("i10", 11), "it is fixed");
        let gone = LabelUpdate { item: "i8".into(), labels: vec![], creator_labels: vec![], gone: true };
        feed.handle_labels(vec![gone]);
        feed.arrange();
        let shown: Vec<Vec<String>> =
            feed.ahead(0).filter_map(|p| feed.item(p)).map(|i| i.topics.clone()).collect();
        let shown: Vec<&[String]> = shown.iter().map(Vec::as_slice).collect();
        assert_eq!(breaches(&shown, 10, 4), 0, "{shown:?}");
        assert!(!feed.shown(10), "its place stays empty, and it waits");
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Next,
        Offline(u64),
        Previous,
        Watch(u64, bool),
        Hide(usize),
        Page(Vec<(Vec<u8>, u8, u8)>),
        Mute(u8),
        Refresh,
        Restart,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let card = (prop::collection::vec(0..5_u8, 0..3), 0..6_u8, 0..5_u8);
        prop_oneof![
            6 => Just(Deed::Next),
            1 => (0..5_u64).prop_map(Deed::Offline),
            1 => Just(Deed::Previous),
            4 => (0..20_000_u64, prop::bool::weighted(0.1)).prop_map(|(ms, no)| Deed::Watch(ms, no)),
            2 => (0..12_usize).prop_map(Deed::Hide),
            4 => prop::collection::vec(card, 0..16).prop_map(Deed::Page),
            1 => (0..5_u8).prop_map(Deed::Mute),
            1 => Just(Deed::Refresh),
            1 => Just(Deed::Restart),
        ]
    }

    fn muted(topics: &BTreeSet<String>) -> Arc<Filter> {
        let settings =
            SafetySettings { age: AgeBand::Adult, topics: topics.clone(), ..SafetySettings::default() };
        let wall = crate::time::Wall::default();
        Arc::new(Filter::new(&Rules::default(), &settings, wall).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the server sends and whatever happens, what a person swipes through holds no more than four of any ten of
        /// a topic, and neither a creator nor a sound twice in a row; fixed cards never move; nothing comes twice.
        #[test]
        fn the_bound_holds_over_every_order(profiled: bool, deeds in prop::collection::vec(deed(), 1..60)) {
            let manner = if profiled { Manner::Profiled } else { Manner::NonProfiled };
            let mut feed = ranked(manner);
            let (mut made, mut topics) = (0, BTreeSet::new());
            let mut swiped: Vec<Item> = Vec::new();
            let mut fixed: std::collections::BTreeMap<u64, String> = std::collections::BTreeMap::new();
            for deed in deeds {
                match deed {
                    Deed::Next | Deed::Offline(_) => {
                        let most = feed.positions().end;
                        let skip = if let Deed::Offline(skip) = deed { skip } else { 0 };
                        let step = feed.next(|p, _| p < most && p.wrapping_mul(7) % 5 >= skip);
                        if let Step::Moved(p) = step
                            && feed.item(p).is_some_and(|i| swiped.iter().all(|s| s.id != i.id))
                        {
                            swiped.push(feed.item(p).unwrap().clone());
                        }
                    }
                    Deed::Previous => { feed.previous(anything); }
                    Deed::Watch(ms, no) => if let Some(p) = feed.current().filter(|&p| feed.item(p).is_some()) {
                        watched(&mut feed, p, ms, no);
                    },
                    Deed::Hide(ahead) => {
                        let from = feed.current().map_or(0, |c| c + 1);
                        let item = feed.ahead(from).nth(ahead).and_then(|p| feed.item(p)).map(|i| i.id.clone());
                        if let Some(item) = item {
                            feed.handle_labels(vec![LabelUpdate { item, labels: vec![], creator_labels: vec![], gone: true }]);
                        }
                    }
                    Deed::Page(cards) => if let Some(request) = feed.poll_request(Time::ZERO) {
                        let items = cards.into_iter().map(|(topics, creator, sound)| {
                            made += 1;
                            let mut item = item(&format!("i{made}"));
                            item.topics = topics.iter().map(|t| ["a", "A ", "b", "c", "gambling"][usize::from(*t)].to_owned()).collect();
                            item.creator.id = format!("c{creator}");
                            item.sound = (sound > 0).then(|| format!("s{sound}"));
                            item.prior = Some(f64::from(creator) / 6.0);
                            item
                        }).collect();
                        let page = Page { items, next_cursor: Some(format!("{made}-{}", request.id)) };
                        feed.handle_page(Time::ZERO, request.id, Ok(page));
                    },
                    Deed::Mute(topic) => {
                        topics.insert(["b", "c", "x", "y", "z"][usize::from(topic)].to_owned());
                        feed.set_filter(muted(&topics));
                    }
                    Deed::Refresh => feed.refresh(),
                    Deed::Restart => {
                        let pipeline = Arc::new(feed.pipeline().unwrap().clone());
                        let saved = feed.save(60);
                        let text = serde_json::to_string(&saved).unwrap();
                        feed = Feed::new(1);
                        feed.set_filter(muted(&topics));
                        feed.set_ranking(manner, pipeline);
                        feed.restore(serde_json::from_str(&text).unwrap());
                        fixed.clear();
                    }
                }
                feed.arrange();
                while feed.poll_note().is_some() {}
                for p in feed.positions().start..feed.fixed() {
                    if let Some(item) = feed.item(p) {
                        let before = fixed.entry(p).or_insert_with(|| item.id.clone());
                        prop_assert_eq!(&*before, &item.id, "a fixed card moved");
                    }
                }
                // What was swiped through, and what would be from here on.
                let from = feed.current().map_or(0, |c| c + 1);
                let rest = feed.ahead(from).filter_map(|p| feed.item(p)).filter(|i| swiped.iter().all(|s| s.id != i.id));
                let all: Vec<&Item> = swiped.iter().chain(rest).collect();
                let of: Vec<&[String]> = all.iter().map(|i| i.topics.as_slice()).collect();
                prop_assert_eq!(breaches(&of, 10, 4), 0);
                let sensitive: Vec<Vec<String>> = all.iter()
                    .map(|i| i.topics.iter().filter(|t| *t == "gambling").cloned().collect()).collect();
                let sensitive: Vec<&[String]> = sensitive.iter().map(Vec::as_slice).collect();
                prop_assert_eq!(breaches(&sensitive, 10, 2), 0);
                for pair in all.windows(2) {
                    prop_assert_ne!(&pair[0].creator.id, &pair[1].creator.id);
                    prop_assert!(pair[0].sound.is_none() || pair[0].sound != pair[1].sound);
                }
                let distinct: BTreeSet<&str> = all.iter().map(|i| i.id.as_str()).collect();
                prop_assert_eq!(distinct.len(), all.len());
            }
        }
    }
}
