//! SL-3, it adapts at once: people whose favourite topic turns into one they swipe away.
//!
//! A person chooses a favourite at the start and watches it; after a warm-up they no longer do. Counted are the cards until at most two of the next ten are of
//! it; once with swipes alone, once with one "not interested". Three cards are buffered and cannot move.

use rustix::time::{ClockId, clock_gettime};
use unspool_engine::breaker::{Card, Mode, arrange};
use unspool_engine::learner::{Clip, Learner, Viewing};

use super::kuairand::Data;
use super::loops::{World, card, each_person, hash};
use super::{Inputs, Row, stats};
use crate::error::SimError;

/// People of a whole run.
const PEOPLE: usize = 600;
/// Cards before the flip and after it.
const WARM: usize = 60;
const AFTER: usize = 90;
/// Cards that are buffered when something happens: the next one plays, two are fetched.
const BUFFERED: usize = 3;
/// How much more and less than its prior the topic is watched, before and after.
const LIKED: f64 = 0.45;
const DISLIKED: f64 = -0.6;
/// A topic counts as gone with this many of the next ten.
const GONE: usize = 2;
const SWIPES: &str = "cards until a disliked topic is at most 2 of the next 10";
const TAP: &str = "the same after one \"not interested\"";
const FIRST: &str = "first cards not yet buffered that are of another topic, after the tap";
const RERANK: &str = "milliseconds to score and arrange 60 candidates, p99";

/// Judges how fast the feed follows.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    let data = match inputs.kuairand()? {
        Ok(data) => data,
        Err(why) => return Ok([SWIPES, TAP, FIRST, RERANK].map(|w| Row::no_data("SL-3", w, &why)).to_vec()),
    };
    let world = World::new(&data, PEOPLE.min(inputs.people), inputs.seed);
    let people = world.tastes.len();
    let favourites = common_topics(&data);
    let favourite = |p: usize| favourites[p % favourites.len()].as_str();
    let swipes = each_person(people, |p| flip(&world, inputs, p, favourite(p), false));
    let taps = each_person(people, |p| flip(&world, inputs, p, favourite(p), true));
    let judged = |what: &str, flips: &[Flip], p: f64, bound: f64| {
        let all: Vec<f64> = flips.iter().map(|f| f.cards as f64).collect();
        let name = if p > 0.5 { "p90" } else { "median" };
        Row::told("SL-3", format!("{what}, {name}"), stats::percentile(&all, p))
            .between(stats::interval_of(all.len(), inputs.seed, |picked| {
                stats::percentile(&picked.iter().map(|&i| all[i]).collect::<Vec<_>>(), p)
            }))
            .at_most(bound)
            .note(format!("{people} people, {WARM} cards before, a simulation"))
    };
    let other = taps.iter().filter(|f| f.first_is_other).count() as f64 / taps.len().max(1) as f64;
    let before = taps.iter().filter(|f| f.before_tap).count() as f64 / taps.len().max(1) as f64;
    let liked = swipes.iter().map(|f| f.liked_before as f64).sum::<f64>() / swipes.len().max(1) as f64;
    Ok(vec![
        Row::told("SL-3", "cards of the favourite among the 10 before it is disliked, mean", liked)
            .note("what there is to unlearn; the bound allows 4"),
        judged(SWIPES, &swipes, 0.5, 6.0),
        judged(SWIPES, &swipes, 0.9, 20.0),
        judged(TAP, &taps, 0.5, 1.0),
        judged(TAP, &taps, 0.9, 4.0),
        Row::told("SL-3", FIRST, other).at_least(0.95).note(format!(
            "{before:.2} had the same card been chosen before the tap; {BUFFERED} cards are buffered"
        )),
        Row::told("SL-3", RERANK, rerank(&world, inputs))
            .at_most(2.0)
            .note("time of this thread on the processor, so that what else runs does not count"),
    ])
}

struct Flip {
    cards: usize,
    first_is_other: bool,
    before_tap: bool,
    liked_before: usize,
}

/// The dozen most common topics: favourites that a feed can be full of.
fn common_topics(data: &Data) -> Vec<String> {
    let mut times: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for topic in data.clips.iter().filter(|c| c.listed).filter_map(|c| c.topics.first()) {
        *times.entry(topic).or_default() += 1;
    }
    let mut all: Vec<(&str, usize)> = times.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut out: Vec<String> = all.into_iter().take(12).map(|(t, _)| t.to_owned()).collect();
    if out.is_empty() {
        out.push(String::new());
    }
    out
}

fn flip(world: &World<'_>, inputs: &Inputs, person: usize, favourite: &str, tap: bool) -> Flip {
    let policy = &inputs.policy;
    let mut learner = Learner::new(policy.learner.clone());
    // Chosen at the start and liked: as much as there can be to unlearn.
    learner.handle_interests([favourite.to_owned()]);
    let mut cards: Vec<usize> = Vec::new();
    let is_it = |clip: usize| world.clips[clip].topics.iter().any(|t| t == favourite);
    let chance = |clip: usize, flipped: bool| match (is_it(clip), flipped) {
        (false, _) => world.chance(person, clip, 1.0),
        (true, false) => (world.clips[clip].prior + LIKED).min(0.95),
        (true, true) => (world.clips[clip].prior + DISLIKED).max(0.02),
    };
    let next = |learner: &Learner, cards: &[usize], step: usize| {
        let mut offered = world.offer(person, step);
        // A server that knows the favourite offers more of it than lies about by chance.
        offered.extend(more_of(world, person, step, &is_it));
        let candidates: Vec<Card<'_>> =
            offered.iter().map(|&c| card(world.clips[c], learner.score(&world.clips[c].clip()))).collect();
        let fixed: Vec<Card<'_>> =
            cards.iter().rev().take(10).rev().map(|&c| card(world.clips[c], 0.0)).collect();
        let found = arrange(&policy.breaker, Mode::Bound, &fixed, &candidates, &[], 1);
        found.order.first().and_then(|&i| offered.get(i)).copied()
    };
    let watch = |learner: &mut Learner, clip: usize, step: usize, flipped: bool, tap: bool| {
        let facts = world.clips[clip];
        let long = world.draw(person, step, clip, chance(clip, flipped));
        let active_ms = if long { facts.duration_ms.max(1) } else { 0 };
        let viewing = Viewing { active_ms, not_interested: tap, ..Viewing::default() };
        learner.handle_viewing(&facts.clip(), &viewing);
    };
    for step in 0..WARM {
        if let Some(clip) = next(&learner, &cards, step) {
            watch(&mut learner, clip, step, false, false);
            cards.push(clip);
        }
    }
    let mut out = Flip { cards: 0, first_is_other: true, before_tap: true, liked_before: 0 };
    out.liked_before = cards.iter().rev().take(10).filter(|&&c| is_it(c)).count();
    let mut from = cards.len();
    let mut tapped = !tap;
    for step in WARM..WARM + AFTER {
        let Some(clip) = next(&learner, &cards, step) else { continue };
        let before = learner.clone();
        let taps = !tapped && is_it(clip);
        watch(&mut learner, clip, step, true, taps);
        cards.push(clip);
        if taps {
            tapped = true;
            from = cards.len();
            // What is buffered was chosen before the tap; the card after that is chosen by what is known now.
            let mut buffered = cards.clone();
            for ahead in 1..=BUFFERED {
                buffered.extend(next(&before, &buffered, step + ahead));
            }
            let chosen = |l: &Learner| next(l, &buffered, step + BUFFERED + 1).is_none_or(|c| !is_it(c));
            out.first_is_other = chosen(&learner);
            out.before_tap = chosen(&before);
        }
    }
    let after: Vec<bool> = cards[from..].iter().map(|&c| is_it(c)).collect();
    let gone = |w: &[bool]| w.iter().filter(|&&x| x).count() <= GONE;
    out.cards = after.windows(10).position(gone).unwrap_or(AFTER);
    out
}

/// A few clips of the favourite more.
fn more_of(world: &World<'_>, person: usize, step: usize, is_it: &impl Fn(usize) -> bool) -> Vec<usize> {
    let start = (hash([world.seed, person as u64, step as u64, 77]) % world.clips.len() as u64) as usize;
    (start..world.clips.len()).chain(0..start).filter(|&c| is_it(c)).take(4).collect()
}

fn rerank(world: &World<'_>, inputs: &Inputs) -> f64 {
    let policy = &inputs.policy;
    let mut learner = Learner::new(policy.learner.clone());
    let pick = |n: usize| (hash([world.seed, n as u64, 5, 5]) % world.clips.len() as u64) as usize;
    for n in 0..400 {
        let facts = world.clips[pick(n)];
        let long = Viewing {
            active_ms: if n % 3 == 0 { facts.duration_ms.max(1) } else { 0 },
            ..Viewing::default()
        };
        learner.handle_viewing(&facts.clip(), &long);
    }
    let fixed: Vec<Card<'_>> = (0..20).map(|n| card(world.clips[pick(n)], 0.0)).collect();
    let times: Vec<f64> = (0..2_000)
        .map(|round| {
            let clips: Vec<usize> = (0..60).map(|n| pick(1_000 + round * 60 + n)).collect();
            let begun = cpu_ms();
            let cards: Vec<Card<'_>> = clips
                .iter()
                .map(|&c| {
                    let seen: Clip<'_> = world.clips[c].clip();
                    card(world.clips[c], learner.score(&seen))
                })
                .collect();
            let found = arrange(&policy.breaker, Mode::Bound, &fixed, &cards, &[], 60);
            let took = cpu_ms() - begun;
            std::hint::black_box(found);
            took
        })
        .collect();
    stats::percentile(&times, 0.99)
}

/// Milliseconds that this thread has run.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
