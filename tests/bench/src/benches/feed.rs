//! What stands before the prefetcher: scoring candidates, arranging them, learning from a viewing, and all of it from disk.

mod restore;

use std::hint::black_box;
use std::time::Instant;

use unspool_engine::breaker::{Card, Mode, arrange};
use unspool_engine::learner::{Clip, Learner, Vector, Viewing};
use unspool_engine::ranking::RankingPolicy;

use super::Effort;
use crate::clip::Noise;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};

/// Candidates of a re-rank: five pages.
const CANDIDATES: usize = 60;
/// Cards that are fixed before them.
const FIXED: usize = 20;
/// Clips of the catalogue; enough that every table of the learner is full.
const CLIPS: usize = 4_000;
const DIMENSIONS: usize = 8;

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    let policy =
        RankingPolicy::shipped().map_err(|e| BenchError::step("reading the policy")(e.to_string()))?;
    let mut noise = Noise::new(1);
    let clips: Vec<Made> = (0..CLIPS).map(|_| Made::draw(&mut noise)).collect();
    let mut learner = Learner::new(policy.learner.clone());
    let mut learnt = Vec::new();
    for _ in 0..effort.rounds(20_000, 3_000) {
        let clip = pick(&clips, &mut noise);
        let viewing =
            Viewing { active_ms: noise.below(30_000), liked: noise.below(30) == 0, ..Viewing::default() };
        let begun = Instant::now();
        learner.handle_viewing(&clip.clip(), &viewing);
        learnt.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    let (mut ranked, mut sorted) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds(20_000, 1_000) {
        let fixed: Vec<&Made> = (0..FIXED).map(|_| pick(&clips, &mut noise)).collect();
        let candidates: Vec<&Made> = (0..CANDIDATES).map(|_| pick(&clips, &mut noise)).collect();
        let fixed: Vec<Card<'_>> = fixed.iter().map(|made| made.card(0.0)).collect();
        let begun = Instant::now();
        let cards: Vec<Card<'_>> =
            candidates.iter().map(|made| made.card(learner.score(&made.clip()))).collect();
        let found = arrange(&policy.breaker, Mode::Bound, &fixed, &cards, &[], CANDIDATES);
        ranked.push(begun.elapsed().as_secs_f64() * 1e3);
        black_box(found);
        sorted.push(sort(&learner, &candidates));
    }
    let kept = learner.export().map_err(|e| BenchError::step("keeping the learner")(e.to_string()))?;
    let peer = "scores, sorted";
    let mut rows = vec![
        Row::new("re-rank of 60 candidates, median", "ms", ranked.len(), median(&ranked))
            .against(peer, median(&sorted)),
        Row::new("re-rank of 60 candidates, p99", "ms", ranked.len(), percentile(&ranked, 0.99))
            .against(peer, percentile(&sorted, 0.99))
            .aim("<= 2 ms")?,
        Row::new("learning one viewing, median", "µs", learnt.len(), median(&learnt)),
        Row::new("learning one viewing, p99", "µs", learnt.len(), percentile(&learnt, 0.99)),
        Row::new("memory of a learner with full tables", "kB", 1, Some(learner.bytes() as f64 / 1e3)),
        Row::new("the same as it is kept", "kB", 1, Some(kept.len() as f64 / 1e3)),
    ];
    rows.extend(restore::rows(effort, &policy.learner, &kept)?);
    Ok(rows)
}

/// Milliseconds of the plain way: the same scores, sorted, with no bound on anything.
fn sort(learner: &Learner, candidates: &[&Made]) -> f64 {
    let begun = Instant::now();
    let mut order: Vec<(f64, usize)> =
        candidates.iter().enumerate().map(|(n, made)| (learner.score(&made.clip()), n)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let time = begun.elapsed().as_secs_f64() * 1e3;
    black_box(order);
    time
}

struct Made {
    topics: Vec<String>,
    creator: String,
    sound: String,
    duration_ms: u64,
    prior: f64,
    vector: Vec<f64>,
}

impl Made {
    fn draw(noise: &mut Noise) -> Self {
        let topic = |noise: &mut Noise| format!("topic {}", noise.below(600));
        Made {
            topics: vec![topic(noise), topic(noise), topic(noise)],
            creator: format!("creator {}", noise.below(2_000)),
            sound: format!("sound {}", noise.below(500)),
            duration_ms: 3_000 + noise.below(200_000),
            prior: noise.below(1_000) as f64 / 1_000.0,
            vector: (0..DIMENSIONS).map(|_| noise.below(2_000) as f64 / 1_000.0 - 1.0).collect(),
        }
    }

    fn clip(&self) -> Clip<'_> {
        Clip {
            prior: Some(self.prior),
            topics: &self.topics,
            creator: &self.creator,
            duration_ms: self.duration_ms,
            vector: Some(Vector { space: 1, values: &self.vector }),
            lift: 0.0,
        }
    }

    fn card(&self, score: f64) -> Card<'_> {
        Card { id: "", topics: &self.topics, creator: &self.creator, sound: Some(&self.sound), score }
    }
}

fn pick<'a>(clips: &'a [Made], noise: &mut Noise) -> &'a Made {
    &clips[noise.below(clips.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured() {
        let rows = rows(Effort { quick: true, rounds: Some(5), ..Effort::default() }).unwrap();
        assert!(rows.iter().all(|row| row.ours.is_some_and(|v| v > 0.0)), "{rows:?}");
        let aims: Vec<&str> = rows.iter().filter_map(|row| row.aim).collect();
        assert_eq!(aims, ["<= 2 ms", "<= 50 ms"]);
    }
}
