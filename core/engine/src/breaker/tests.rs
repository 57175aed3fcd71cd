//! The bound under servers that try to break it, and the detector through whole sessions.

use proptest::prelude::*;

use super::*;
use crate::ranking::{BreakerLimits, HARD_PER_TOPIC, HARD_WINDOW, RankingPolicy};

fn limits() -> BreakerLimits {
    RankingPolicy::shipped().unwrap().breaker
}

#[derive(Debug, Clone)]
struct Made {
    id: String,
    topics: Vec<String>,
    creator: String,
    sound: Option<String>,
    score: f64,
}

impl Made {
    fn card(&self) -> Card<'_> {
        Card {
            id: &self.id,
            topics: &self.topics,
            creator: &self.creator,
            sound: self.sound.as_deref(),
            score: self.score,
        }
    }
}

fn made(i: usize, topics: &[&str], creator: &str) -> Made {
    Made {
        id: format!("i{i}"),
        topics: topics.iter().map(|t| (*t).to_owned()).collect(),
        creator: creator.to_owned(),
        sound: None,
        score: 1.0 - i as f64 / 1_000.0,
    }
}

fn cards(all: &[Made]) -> Vec<Card<'_>> {
    all.iter().map(Made::card).collect()
}

#[test]
fn the_best_come_first_where_nothing_stands_against_it() {
    let all: Vec<Made> = (0..10).map(|i| made(i, &[&format!("t{i}")], &format!("c{i}"))).collect();
    let mut shuffled = all.clone();
    shuffled.reverse();
    let out = arrange(&limits(), Mode::Bound, &[], &cards(&shuffled), &[], 10);
    assert_eq!(out.order, (0..10).rev().collect::<Vec<_>>());
    assert_eq!((out.thin, out.held.len()), (None, 0));
}

#[test]
fn one_topic_only_is_thin_and_not_a_fifth_card() {
    let all: Vec<Made> =
        (0..60).map(|i| made(i, &[["Cats", "cats", " CATS "][i % 3]], &format!("c{i}"))).collect();
    let out = arrange(&limits(), Mode::Bound, &[], &cards(&all), &[], 20);
    assert_eq!(out.order, [0, 1, 2, 3]);
    assert_eq!(out.thin, Some(Thin { missing: 16, enough_of: vec!["cats".to_owned()] }));
    assert_eq!(out.held.len(), 56);
    assert!(out.held.iter().all(|h| h.rule == Rule::Topic("cats".to_owned())));
    // Six other cards make room again.
    let mut shown: Vec<Made> = all[..4].to_vec();
    shown.extend((0..6).map(|i| made(100 + i, &[&format!("other{i}")], &format!("o{i}"))));
    let out = arrange(&limits(), Mode::Bound, &cards(&shown), &cards(&all[4..]), &[], 20);
    assert_eq!(out.order.len(), 4, "with each further card one of the first four leaves the window");
}

#[test]
fn every_tag_of_a_card_counts() {
    let all: Vec<Made> = (0..8).map(|i| made(i, &[&format!("own{i}"), "shared"], &format!("c{i}"))).collect();
    assert_eq!(arrange(&limits(), Mode::Bound, &[], &cards(&all), &[], 8).order.len(), 4);
}

#[test]
fn sensitive_topics_have_a_tighter_bound() {
    let all: Vec<Made> = (0..8).map(|i| made(i, &["Dieting"], &format!("c{i}"))).collect();
    assert_eq!(arrange(&limits(), Mode::Bound, &[], &cards(&all), &[], 8).order.len(), 2);
}

#[test]
fn no_creator_and_no_sound_twice_in_a_row() {
    let all = vec![made(0, &["a"], "x"), made(1, &["b"], "x"), made(2, &["c"], "y")];
    assert_eq!(arrange(&limits(), Mode::Bound, &[], &cards(&all), &[], 3).order, [0, 2, 1]);
    let mut all = vec![made(0, &["a"], "x"), made(1, &["b"], "y"), made(2, &["c"], "z")];
    all[0].sound = Some("song".to_owned());
    all[1].sound = Some("song".to_owned());
    assert_eq!(arrange(&limits(), Mode::Bound, &[], &cards(&all), &[], 3).order, [0, 2, 1]);
    let out = arrange(&limits(), Mode::Bound, &cards(&all[..1]), &cards(&all[1..2]), &[], 1);
    assert_eq!(out.held, [Held { candidate: 0, rule: Rule::Sound("song".to_owned()) }]);
}

#[test]
fn a_feed_asked_for_by_name_keeps_its_order() {
    let all: Vec<Made> = (0..12).map(|i| made(i, &["series"], "teacher")).collect();
    let out = arrange(&limits(), Mode::Notify, &[], &cards(&all), &[], 12);
    assert_eq!(out.order, (0..12).collect::<Vec<_>>());
    assert_eq!((out.above_bound, out.thin), (vec!["series".to_owned()], None));
}

#[test]
fn the_way_out_comes_first_if_there_is_one() {
    let all = vec![made(0, &["loop"], "x"), made(1, &["loop", "b"], "y"), made(2, &["c"], "z")];
    let avoid = ["Loop".to_owned()];
    let out = arrange(&limits(), Mode::Bound, &[], &cards(&all), &avoid, 3);
    assert_eq!((out.order.as_slice(), out.led_away), (&[2, 0, 1][..], true));
    let out = arrange(&limits(), Mode::Bound, &[], &cards(&all[..2]), &avoid, 3);
    assert_eq!((out.order.as_slice(), out.led_away), (&[0, 1][..], false));
}

fn any_card() -> impl Strategy<Value = Made> {
    let topic = prop_oneof![
        4 => (0..4_u8).prop_map(|t| format!("t{t}")),
        1 => Just("T0".to_owned()),
        1 => Just("gambling".to_owned()),
        1 => Just(String::new()),
    ];
    let score = prop_oneof![-1.0..2.0_f64, Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)];
    (prop::collection::vec(topic, 0..5), 0..8_u8, prop::option::of(0..5_u8), score).prop_map(
        |(topics, creator, sound, score)| Made {
            id: String::new(),
            topics,
            creator: if creator == 0 { String::new() } else { format!("c{creator}") },
            sound: sound.map(|s| format!("s{s}")),
            score,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pages come one after the other, what is held comes again, and the auditor finds nothing.
    #[test]
    fn no_server_gets_a_fifth_card_in(pages in prop::collection::vec(prop::collection::vec(any_card(), 0..25), 1..8)) {
        let limits = limits();
        let (mut shown, mut waiting): (Vec<Made>, Vec<Made>) = (Vec::new(), Vec::new());
        for page in pages {
            waiting.extend(page);
            let out = arrange(&limits, Mode::Bound, &cards(&shown), &cards(&waiting), &[], 12);
            let mut places = out.order.clone();
            places.extend(out.held.iter().map(|h| h.candidate));
            places.sort_unstable();
            places.dedup();
            if out.thin.is_some() {
                prop_assert_eq!(places.len(), waiting.len(), "every candidate has a place or a reason");
            } else {
                prop_assert_eq!(places.len(), 12);
            }
            shown.extend(out.order.iter().map(|&i| waiting[i].clone()));
            let mut place = 0;
            waiting.retain(|_| { place += 1; !out.order.contains(&(place - 1)) });
        }
        let topics: Vec<&[String]> = shown.iter().map(|c| c.topics.as_slice()).collect();
        prop_assert_eq!(breaches(&topics, HARD_WINDOW as usize, HARD_PER_TOPIC as usize), 0);
        prop_assert_eq!(breaches(&topics, 20, 8), 0);
        let sensitive: Vec<Vec<String>> = shown.iter()
            .map(|c| c.topics.iter().filter(|t| *t == "gambling").cloned().collect()).collect();
        let sensitive: Vec<&[String]> = sensitive.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(breaches(&sensitive, 10, 2), 0);
        for pair in shown.windows(2) {
            prop_assert!(pair[0].creator.is_empty() || pair[0].creator != pair[1].creator);
            prop_assert!(pair[0].sound.is_none() || pair[0].sound != pair[1].sound);
        }
    }

    /// A buffered beginning that breaks the bound already is not made worse.
    #[test]
    fn a_bad_beginning_heals(shown in prop::collection::vec(any_card(), 0..30), page in prop::collection::vec(any_card(), 0..40)) {
        let limits = limits();
        let out = arrange(&limits, Mode::Bound, &cards(&shown), &cards(&page), &[], 40);
        let all: Vec<&Made> = shown.iter().chain(out.order.iter().map(|&i| &page[i])).collect();
        for end in shown.len()..all.len() {
            let window = &all[(end + 1).saturating_sub(10)..=end];
            for topic in all[end].topics.iter().map(|t| plain(t)).filter(|t| !t.is_empty()) {
                let n = window.iter().filter(|c| c.topics.iter().any(|t| plain(t) == topic)).count();
                prop_assert!(n <= 4, "{} of {}", n, topic);
            }
        }
    }
}

#[test]
fn the_auditor_can_find_something() {
    let five = vec![vec!["a".to_owned()]; 5];
    let five: Vec<&[String]> = five.iter().map(Vec::as_slice).collect();
    assert_eq!(breaches(&five, 10, 4), 1);
    assert_eq!(breaches(&five, 10, 5), 0);
}

fn detector() -> Detector {
    Detector::new(RankingPolicy::shipped().unwrap().detector)
}

const EVENING: Moment = Moment { local_min: 20 * 60, session_ms: 600_000, may_lead: true };
const LATE: Moment = Moment { local_min: 10, session_ms: 5_000_000, may_lead: true };

fn watch(detector: &mut Detector, topics: &[&str], dwell: f64, moment: Moment) -> Option<Word> {
    let topics: Vec<String> = topics.iter().map(|t| (*t).to_owned()).collect();
    detector.handle_viewing(&topics, dwell, moment)
}

/// A session that narrows: varied at first, then four of ten of one topic.
fn narrow(detector: &mut Detector, cards: usize, dwell: f64, moment: Moment) -> Vec<Word> {
    let topic = |i: usize| if i % 5 < 2 { "cats".to_owned() } else { format!("t{i}") };
    (0..cards).filter_map(|i| watch(detector, &[&topic(i)], dwell, moment)).collect()
}

#[test]
fn a_varied_session_is_left_alone_however_late() {
    let mut d = detector();
    for i in 0..200 {
        let topic = format!("t{}", i % 9);
        assert_eq!(watch(&mut d, &[&topic], 0.1, LATE), None);
    }
    assert_eq!(d.report().state, LoopState::Normal);
    assert_eq!(d.report().signs, [Sign::Late, Sign::Long]);
}

#[test]
fn narrowing_is_said_once() {
    let mut d = detector();
    for i in 0..20 {
        watch(&mut d, &[&format!("t{i}")], 0.8, EVENING);
    }
    let words = narrow(&mut d, 30, 0.8, EVENING);
    assert_eq!(words, [Word::Narrowing { topic: "cats".to_owned() }]);
}

#[test]
fn stuck_brings_another_topic_and_then_an_offer() {
    let mut d = detector();
    for i in 0..20 {
        watch(&mut d, &[&format!("t{i}")], 0.9, LATE);
    }
    let mut words = Vec::new();
    for i in 0..40 {
        let away = !d.avoid().is_empty();
        let topic = if !away && i % 5 < 2 { "cats".to_owned() } else { format!("n{i}") };
        if let Some(word) = watch(&mut d, &[&topic], 0.2, LATE) {
            // Whenever the feed is to lead away, that was said in the same turn.
            assert_eq!(matches!(word, Word::AnotherTopic { .. }), !d.avoid().is_empty());
            let offered = matches!(word, Word::Offer { .. });
            words.push(word);
            if offered {
                assert_eq!(d.report().state, LoopState::Stuck);
                d.handle_answer(Choice::ResetTopic);
                break;
            }
        }
    }
    assert!(words.contains(&Word::AnotherTopic { away_from: "cats".to_owned() }), "{words:?}");
    assert!(matches!(words.last(), Some(Word::Offer { topic, .. }) if topic == "cats"), "{words:?}");
    assert!(d.avoid().is_empty());
    // The topic was taken out of the count: a fresh start.
    assert_eq!(watch(&mut d, &["cats"], 0.9, LATE), None);
    assert_eq!(d.report().state, LoopState::Normal);
}

#[test]
fn a_feed_without_another_topic_still_gets_the_offer() {
    let mut d = detector();
    for i in 0..20 {
        watch(&mut d, &[&format!("t{i}")], 0.9, LATE);
    }
    let words: Vec<Word> = (0..60).filter_map(|_| watch(&mut d, &["cats"], 0.1, LATE)).collect();
    assert!(words.iter().any(|w| matches!(w, Word::Offer { .. })), "{words:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_detector_stands_anything_and_is_never_silent(
        told in prop::collection::vec((prop::collection::vec("[ab]", 0..3), any::<f64>(), any::<u32>(), any::<u64>()), 0..300)
    ) {
        let mut d = detector();
        let mut since_word = 1_000;
        for (topics, dwell, local_min, session_ms) in told {
            let led = !d.avoid().is_empty();
            let word = d.handle_viewing(&topics, dwell, Moment { local_min, session_ms, may_lead: true });
            let leads = !d.avoid().is_empty();
            if leads && !led {
                let announced = matches!(word, Some(Word::AnotherTopic { .. }));
                prop_assert!(announced);
            }
            if matches!(word, Some(Word::AnotherTopic { .. } | Word::Narrowing { .. })) {
                prop_assert!(since_word >= 1, "words follow each other too closely");
            }
            since_word = if word.is_some() { 0 } else { since_word + 1 };
            prop_assert!(d.report().share <= 1.0);
        }
    }
}
