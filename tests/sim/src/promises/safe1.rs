//! SAFE-1, no topic takes over: people who swipe through the recorded catalogue, and servers that try to break the bound.
//!
//! An auditor of its own ([`breaches`]) counts windows of what was shown. The cost is what the bound takes from the expected
//! long views of the same learner without it.

use std::collections::BTreeMap;

use unspool_engine::breaker::{Mode, arrange, breaches};
use unspool_engine::ranking::{HARD_PER_TOPIC, HARD_WINDOW};

use super::kuairand::{Data, Facts};
use super::loops::{Chooser, Shown, World, card, each_person, hash};
use super::{Inputs, Row, stats};
use crate::error::SimError;

/// People and cards of a whole run: 225,000 cards.
pub const PEOPLE: usize = 1_500;
/// Cards of each.
pub const STEPS: usize = 150;
const COST: f64 = 0.04;
const COST_STRONG: f64 = 0.10;

/// The whole pipeline.
pub const SHIPPED: Chooser = Chooser { learns: true, lifts: true, bound: true };
const UNBOUND: Chooser = Chooser { learns: true, lifts: false, bound: false };
const NOT_PROFILED: Chooser = Chooser { learns: false, lifts: false, bound: true };

/// Judges the bound and what it costs.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    let mut rows = adversaries(inputs);
    match inputs.kuairand()? {
        Ok(data) => rows.extend(simulated(inputs, &data)),
        Err(why) => rows.push(Row::no_data("SAFE-1", "people who swipe through the recorded catalogue", why)),
    }
    Ok(rows)
}

fn above(cards: &[&[String]]) -> f64 {
    breaches(cards, HARD_WINDOW as usize, HARD_PER_TOPIC as usize) as f64
}

fn simulated(inputs: &Inputs, data: &Data) -> Vec<Row> {
    let world = World::new(data, PEOPLE.min(inputs.people), inputs.seed);
    let people = world.tastes.len();
    let run = |chooser, strength| {
        each_person(people, |p| world.swipe(p, STEPS, &inputs.policy, chooser, strength, None))
    };
    let shipped = run(SHIPPED, 1.0);
    let unbound = run(UNBOUND, 1.0);
    let strong = (run(SHIPPED, 3.0), run(UNBOUND, 3.0));
    let plain = run(NOT_PROFILED, 1.0);
    let topics =
        |shown: &Shown| shown.cards.iter().map(|&c| world.clips[c].topics.as_slice()).collect::<Vec<_>>();
    let count = |all: &[Shown], window, most| {
        all.iter().map(|s| breaches(&topics(s), window, most)).sum::<usize>() as f64
    };
    let hard = (HARD_WINDOW as usize, HARD_PER_TOPIC as usize);
    let cards: usize = shipped.iter().map(|s| s.cards.len()).sum();
    let note = format!("{people} people, {cards} cards, a simulation");
    let windows = (people * (STEPS + 1 - 20)) as f64;
    let cost = |what: &str, with: &[Shown], without: &[Shown], bound| {
        let of = |picked: &mut dyn Iterator<Item = usize>| {
            let (a, b) =
                picked.fold((0.0, 0.0), |(a, b), i| (a + with[i].long_views, b + without[i].long_views));
            1.0 - a / b
        };
        Row::told("SAFE-1", what, of(&mut (0..people)))
            .between(stats::interval_of(people, inputs.seed, |picked| of(&mut picked.iter().copied())))
            .at_most(bound)
            .note(note.clone())
    };
    let entropies: Vec<f64> = shipped.iter().map(|s| entropy(&topics(s))).collect();
    vec![
        Row::told("SAFE-1", "windows of 10 with a topic above 4, For You", count(&shipped, hard.0, hard.1))
            .at_most(0.0)
            .note(note.clone()),
        Row::told("SAFE-1", "windows of 20 with a topic above 8, For You", count(&shipped, 20, 8))
            .at_most(0.0)
            .note(note.clone()),
        Row::told(
            "SAFE-1",
            "windows of 10 with a topic above 4, non-profiled",
            count(&plain, hard.0, hard.1),
        )
        .at_most(0.0)
        .note(note.clone()),
        Row::told(
            "SAFE-1",
            "share of windows of 20 above 8 of the learner alone",
            count(&unbound, 20, 8) / windows,
        )
        .note("what the bound is there for"),
        cost("cost of the bound in expected long views", &shipped, &unbound, COST),
        cost("cost of the bound with leanings three times as strong", &strong.0, &strong.1, COST_STRONG),
        Row::told(
            "SAFE-1",
            "entropy of topics, 5th percentile of people",
            stats::percentile(&entropies, 0.05),
        )
        .at_least(0.5)
        .note(note.clone()),
        Row::told(
            "SAFE-1",
            "expected long views a card, For You",
            shipped.iter().map(|s| s.long_views).sum::<f64>() / f64::max(cards as f64, 1.0),
        )
        .note("watch time; it excuses nothing"),
    ]
}

/// Entropy of the first topics as a share of the greatest that so many cards and topics could have.
fn entropy(cards: &[&[String]]) -> f64 {
    let mut times: BTreeMap<&str, f64> = BTreeMap::new();
    for topic in cards.iter().filter_map(|t| t.first()) {
        *times.entry(topic).or_default() += 1.0;
    }
    let all: f64 = times.values().sum();
    let entropy: f64 = times.values().map(|n| -(n / all) * (n / all).ln()).sum();
    // The catalogue of the reference has 44 main topics.
    entropy / 44_f64.ln()
}

/// Servers that send one topic only, and pages made to break the bound.
fn adversaries(inputs: &Inputs) -> Vec<Row> {
    let limits = &inputs.policy.breaker;
    let one: Vec<Facts> = (0..200).map(|i| made(&["one"], i)).collect();
    let cards: Vec<_> = one.iter().map(|f| card(f, 0.9)).collect();
    let found = arrange(limits, Mode::Bound, &[], &cards, &[], 20);
    let asked =
        found.thin.as_ref().is_some_and(|t| t.enough_of == ["one"] && t.missing == 20 - found.order.len());
    let pages = 2_000.min(inputs.people.saturating_mul(20));
    let mut broken = 0.0;
    for seed in 0..pages as u64 {
        let clips: Vec<Facts> = (0..60).map(|i| hostile(inputs.seed ^ seed, i)).collect();
        let cards: Vec<_> =
            clips.iter().enumerate().map(|(i, f)| card(f, hash([seed, i as u64, 9, 9]) as f64)).collect();
        let (mut shown, mut waiting) = (Vec::new(), cards);
        while !waiting.is_empty() {
            let found = arrange(limits, Mode::Bound, &shown, &waiting, &[], 12);
            if found.order.is_empty() {
                break;
            }
            shown.extend(found.order.iter().map(|&i| waiting[i]));
            let mut place = 0;
            waiting.retain(|_| {
                place += 1;
                !found.order.contains(&(place - 1))
            });
        }
        broken += above(&shown.iter().map(|c| c.topics).collect::<Vec<_>>());
    }
    vec![
        Row::told("SAFE-1", "cards in a row of a server with one topic only", found.order.len() as f64)
            .at_most(f64::from(HARD_PER_TOPIC)),
        Row::told(
            "SAFE-1",
            "a server with one topic only is called thin and asked for breadth",
            f64::from(u8::from(asked)),
        )
        .at_least(1.0),
        Row::told("SAFE-1", "windows of 10 with a topic above 4, hostile pages", broken)
            .at_most(0.0)
            .note(format!("{pages} feeds of 60 cards, up to three tags each, drawn to repeat")),
    ]
}

fn made(topics: &[&str], number: usize) -> Facts {
    Facts {
        topics: topics.iter().map(|t| (*t).to_owned()).collect(),
        creator: format!("creator {number}"),
        sound: None,
        duration_ms: 20_000,
        prior: 0.5,
        vector: Vec::new(),
        listed: true,
    }
}

fn hostile(seed: u64, number: usize) -> Facts {
    let draw = |n| hash([seed, number as u64, n, 3]);
    // Two topics under four spellings get two thirds of all tags.
    let names = ["loop", "Loop", " LOOP ", "other", "a", "b"];
    let tags = 1 + draw(0) % 3;
    let topics: Vec<&str> = (0..tags).map(|t| names[(draw(t + 1) % names.len() as u64) as usize]).collect();
    made(&topics, number)
}
