//! A world in which people swipe: the recorded catalogue, people whose leanings by topic are measured from their histories,
//! and the learner, the breaker and the ledger that ship.
//!
//! A step offers some dozens of clips, the policy under test shows one, and the person watches it or not with the chance that
//! the clip's prior and their leanings give. It is a simulation built from logs: compare policies by it, forecast nothing.
//! Chances are drawn by a hash of person, step and clip, so that two policies that show the same card see the same answer.

use std::collections::{BTreeMap, BTreeSet};

use unspool_engine::breaker::{Arrangement, Card, Mode, arrange};
use unspool_engine::exposure::Ledger;
use unspool_engine::learner::{Clip, Learner, Viewing};
use unspool_engine::ranking::RankingPolicy;

use super::kuairand::{Data, Facts, Person};

/// Clips offered at each step.
pub const OFFERED: usize = 40;
/// Pretended viewings in a person's measured leaning.
const PRETENDED: f64 = 5.0;
/// Fewest views of a history from which leanings are measured.
const FEWEST: usize = 20;

/// How cards are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chooser {
    /// Whether the learner scores; otherwise the server's estimate does.
    pub learns: bool,
    /// Whether the ledger lifts what is less common.
    pub lifts: bool,
    /// Whether the breaker keeps its bound.
    pub bound: bool,
}

/// A server that holds clips of some creators down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slant {
    /// What is left of their estimates.
    pub keep: f64,
}

/// The catalogue and the people.
pub struct World<'a> {
    /// Clips that can be offered.
    pub clips: Vec<&'a Facts>,
    /// Leanings by topic, per person.
    pub tastes: Vec<BTreeMap<&'a str, f64>>,
    /// Topics that are not among the most common, which together have half of the catalogue.
    pub tail: BTreeSet<&'a str>,
    /// Seed.
    pub seed: u64,
}

/// What one person was shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Clips in their order.
    pub cards: Vec<usize>,
    /// Sum of the chances of a long view.
    pub long_views: f64,
    /// Steps at which nothing fitted.
    pub empty: usize,
    /// The device's own ledger, which lifts what is less common.
    pub ledger: Ledger,
    /// A ledger of groups that the device is not told of, with merits as they are.
    pub audit: Ledger,
}

impl<'a> World<'a> {
    /// Builds it of recorded behaviour, with at most `people` people.
    #[must_use]
    pub fn new(data: &'a Data, people: usize, seed: u64) -> Self {
        let clips: Vec<&Facts> = data.clips.iter().filter(|c| c.listed && !c.topics.is_empty()).collect();
        let usable: Vec<&Person> = data.people.iter().filter(|p| p.history.len() >= FEWEST).collect();
        let stride = (usable.len() / people.max(1)).max(1);
        let tastes = usable.iter().step_by(stride).take(people).map(|p| taste(data, p)).collect();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in clips.iter().filter_map(|c| c.topics.first()) {
            *times.entry(topic).or_default() += 1;
        }
        let mut common: Vec<(&str, usize)> = times.into_iter().collect();
        common.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let mut before = 0;
        let tail = common
            .into_iter()
            .filter_map(|(topic, n)| {
                before += n;
                (before - n >= clips.len() / 2).then_some(topic)
            })
            .collect();
        World { clips, tastes, tail, seed }
    }

    /// The clips of one step, each once.
    #[must_use]
    pub fn offer(&self, person: usize, step: usize) -> Vec<usize> {
        let mut out = Vec::with_capacity(OFFERED);
        for try_at in 0..OFFERED * 2 {
            let clip = (hash([self.seed, person as u64, step as u64, try_at as u64])
                % self.clips.len() as u64) as usize;
            if !out.contains(&clip) && out.len() < OFFERED {
                out.push(clip);
            }
        }
        out
    }

    /// Chance that a person watches a clip long.
    #[must_use]
    pub fn chance(&self, person: usize, clip: usize, strength: f64) -> f64 {
        let facts = self.clips[clip];
        let leaning = |t: &String| self.tastes[person].get(t.as_str()).copied().unwrap_or(0.0);
        let mean = facts.topics.iter().map(leaning).sum::<f64>() / facts.topics.len().max(1) as f64;
        (facts.prior + strength * mean).clamp(0.01, 0.99)
    }

    /// Whether a person watches a clip long at this step.
    #[must_use]
    pub fn draw(&self, person: usize, step: usize, clip: usize, chance: f64) -> bool {
        unit(hash([self.seed ^ 0x5eed, person as u64, step as u64, clip as u64])) < chance
    }

    /// Whether the clip's creator is of the half that this lot drew.
    #[must_use]
    pub fn half(&self, clip: usize, lot: u64) -> bool {
        let name = self.clips[clip].creator.bytes().fold(0_u64, |h, b| hash([h, u64::from(b), 0, 0]));
        hash([self.seed, lot, name, 7]).is_multiple_of(2)
    }

    /// Whether the clip's first topic is one of the less common.
    #[must_use]
    pub fn in_tail(&self, clip: usize) -> bool {
        self.clips[clip].topics.first().is_some_and(|t| self.tail.contains(t.as_str()))
    }

    /// Lets one person swipe.
    #[must_use]
    pub fn swipe(
        &self,
        person: usize,
        steps: usize,
        policy: &RankingPolicy,
        chooser: Chooser,
        strength: f64,
        slant: Option<Slant>,
    ) -> Shown {
        let mut learner = Learner::new(policy.learner.clone());
        let empty = || Ledger::new(policy.exposure.clone());
        let mut out = Shown { cards: Vec::new(), long_views: 0.0, empty: 0, ledger: empty(), audit: empty() };
        for step in 0..steps {
            let offered = self.offer(person, step);
            let estimate = |clip: usize| match slant {
                Some(slant) if self.half(clip, 1) => self.clips[clip].prior * slant.keep,
                _ => self.clips[clip].prior,
            };
            let lift =
                |clip: usize| if chooser.lifts { out.ledger.lift(&self.clips[clip].topics) } else { 0.0 };
            // What the device believes, and what it ranks by.
            let believed: Vec<f64> = offered
                .iter()
                .map(|&c| {
                    let seen = Clip { prior: Some(estimate(c)), ..self.clips[c].clip() };
                    if chooser.learns { learner.score(&seen) } else { estimate(c) }
                })
                .collect();
            let scores: Vec<f64> = offered.iter().zip(&believed).map(|(&c, b)| b + lift(c)).collect();
            for (&clip, &merit) in offered.iter().zip(&believed) {
                out.ledger.handle_offered(&self.clips[clip].topics, &[], merit);
                // The auditor judges by true merit.
                out.audit.handle_offered(&[], &self.groups(clip), self.chance(person, clip, strength));
            }
            let found = choose(self, policy, chooser.bound, &out.cards, &offered, &scores);
            let Some(&clip) = found.order.first().and_then(|&i| offered.get(i)) else {
                out.empty += 1;
                continue;
            };
            let chance = self.chance(person, clip, strength);
            let long = self.draw(person, step, clip, chance);
            let facts = self.clips[clip];
            let viewing =
                Viewing { active_ms: if long { facts.duration_ms.max(1) } else { 0 }, ..Viewing::default() };
            let seen = Clip { prior: Some(estimate(clip)), ..facts.clip() };
            learner.handle_viewing(&seen, &viewing);
            let quality = viewing.quality(facts.duration_ms, &policy.learner.label);
            out.ledger.handle_placed(&facts.topics);
            out.audit.handle_viewing(&[], &self.groups(clip), estimate(clip), quality);
            out.long_views += chance;
            out.cards.push(clip);
        }
        out
    }

    fn groups(&self, clip: usize) -> [&'static str; 2] {
        [
            if self.in_tail(clip) { "tail" } else { "head" },
            if self.half(clip, 1) { "half" } else { "other half" },
        ]
    }
}

/// The next card: the breaker that ships, or the best score.
fn choose<'c>(
    world: &'c World<'_>,
    policy: &'c RankingPolicy,
    bound: bool,
    shown: &[usize],
    offered: &[usize],
    scores: &[f64],
) -> Arrangement {
    let candidates: Vec<Card<'_>> =
        offered.iter().zip(scores).map(|(&c, &s)| card(world.clips[c], s)).collect();
    if bound {
        let from = shown.len().saturating_sub(policy.breaker.window as usize);
        let fixed: Vec<Card<'_>> = shown[from..].iter().map(|&c| card(world.clips[c], 0.0)).collect();
        return arrange(&policy.breaker, Mode::Bound, &fixed, &candidates, &[], 1);
    }
    let best = (0..candidates.len())
        .max_by(|&a, &b| candidates[a].score.total_cmp(&candidates[b].score).then(b.cmp(&a)));
    Arrangement { order: best.into_iter().collect(), ..Arrangement::default() }
}

/// A clip as the breaker sees it.
#[must_use]
pub fn card(facts: &Facts, score: f64) -> Card<'_> {
    Card { id: "", topics: &facts.topics, creator: &facts.creator, sound: facts.sound.as_deref(), score }
}

/// Leanings by topic: how much better than their priors the clips of a history went.
fn taste<'a>(data: &'a Data, person: &Person) -> BTreeMap<&'a str, f64> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for &(clip, long) in &person.history {
        let facts = &data.clips[clip];
        for topic in &facts.topics {
            let sum = sums.entry(topic).or_default();
            sum.0 += f64::from(u8::from(long)) - facts.prior;
            sum.1 += 1.0;
        }
    }
    sums.into_iter().map(|(topic, (sum, n))| (topic, sum / (n + PRETENDED))).collect()
}

/// Runs `work` for every person over all cores; results in the order of people.
pub fn each_person<T: Send>(people: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(people.max(1));
    let mut parts: Vec<Vec<(usize, T)>> = Vec::new();
    std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (0..threads)
            .map(|t| {
                scope.spawn(move || (t..people).step_by(threads).map(|p| (p, work(p))).collect::<Vec<_>>())
            })
            .collect();
        parts.extend(handles.into_iter().filter_map(|h| h.join().ok()));
    });
    let mut all: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    all.sort_by_key(|(p, _)| *p);
    all.into_iter().map(|(_, value)| value).collect()
}

/// Mixes four numbers into one (SplitMix64's finaliser).
#[must_use]
pub fn hash(parts: [u64; 4]) -> u64 {
    parts.into_iter().fold(0x9e37_79b9_7f4a_7c15, |h, part| {
        let mut z = (h ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// A hash as a number from 0 to below 1.
#[must_use]
pub fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
