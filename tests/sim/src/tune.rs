//! The search for the planner's numbers: a small evolution strategy on drawn sessions.
//!
//! A separable CMA-ES (Ros & Hansen, PPSN 2008): each round draws candidates around a mean, plays all of them on the very
//! same sessions, and moves the mean and the deviations to the better half. What is maximised is the mean S over the
//! classes, minus a penalty where a class falls behind the best published policy and where waste passes its bound. The
//! seeds of the sessions must not be those the figures are reported on.

use std::io::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use unspool_engine::planner::Policy as PlannerPolicy;

use crate::error::SimError;
use crate::knobs::Knob;
use crate::roster;
use crate::run::{self, Build};
use crate::score::Score;
use crate::shipped::Shipped;
use crate::world::{Settings, World};

/// Points a class must lead the best published policy by before leading by more stops counting double.
const LEAD: f64 = 2.0;
/// Share of wasted bytes beyond which a candidate is punished.
const MOST_WASTE: f64 = 0.12;

/// The sessions that candidates are judged on.
pub struct Course {
    worlds: Vec<World>,
    /// Score of the reference by world and class.
    reference: Vec<Vec<f64>>,
    threads: usize,
}

/// What a candidate was worth.
#[derive(Debug, Clone, Default)]
pub struct Worth {
    /// What the search maximises.
    pub fitness: f64,
    /// Mean S over classes and worlds.
    pub s: f64,
    /// Share of bytes that were wasted: the mean over classes.
    pub waste: f64,
    /// By class.
    pub classes: Vec<OfClass>,
}

/// What a candidate was worth on one class of networks: means over its sessions.
#[derive(Debug, Clone, Default)]
pub struct OfClass {
    /// Name.
    pub name: String,
    /// S.
    pub s: f64,
    /// S above that of the reference.
    pub lead: f64,
    /// Seconds without pictures, and how many of them before a first picture.
    pub stall_s: (f64, f64),
    /// Quality of what was shown, Mbit.
    pub bitrate: f64,
    /// Sum of the steps, Mbit/s.
    pub switch_mbps: f64,
    /// Megabits fetched, and how many of them were never shown.
    pub megabits: (f64, f64),
}

impl Course {
    /// Draws the sessions of these seeds, of all classes or of those named, and plays them with the policy that is to be
    /// beaten.
    ///
    /// # Errors
    /// As [`World::build`]; the reference must be in the roster.
    pub fn new(
        settings: &Settings,
        seeds: &[u64],
        classes: &[String],
        reference: &str,
        threads: usize,
    ) -> Result<Self, SimError> {
        let entry =
            roster::find(reference).ok_or_else(|| SimError::Usage(format!("no policy {reference}")))?;
        let mut course = Course { worlds: Vec::new(), reference: Vec::new(), threads };
        for &seed in seeds {
            let mut world = World::build(&Settings { seed, ..settings.clone() })?;
            world.classes.retain(|c| classes.is_empty() || classes.contains(&c.name));
            let results = run::run(&world, std::slice::from_ref(entry), threads);
            course.reference.push(results[0].iter().map(|c| mean_s(c)).collect());
            course.worlds.push(world);
        }
        Ok(course)
    }

    /// Plays all sessions with each candidate.
    #[must_use]
    pub fn judge(&self, candidates: &[PlannerPolicy]) -> Vec<Worth> {
        let mut worths = vec![Worth::default(); candidates.len()];
        for (world, reference) in self.worlds.iter().zip(&self.reference) {
            let builds: Vec<Box<Build>> = candidates
                .iter()
                .map(|c| -> Box<Build> {
                    let policy = c.clone();
                    Box::new(move |_, _| Box::new(Shipped::new(policy.clone())))
                })
                .collect();
            let builds: Vec<&Build> = builds.iter().map(AsRef::as_ref).collect();
            let results = run::run_with(world, &builds, self.threads);
            for (worth, classes) in worths.iter_mut().zip(&results) {
                let share = 1.0 / (self.worlds.len() * classes.len()) as f64;
                for (c, played) in classes.iter().enumerate() {
                    let (bytes, wasted) = played
                        .iter()
                        .fold((0.0, 0.0), |(b, w), p| (b + p.score.bytes as f64, w + p.score.wasted as f64));
                    worth.waste += share * wasted / bytes.max(1.0);
                    let (s, lead) = (mean_s(played), mean_s(played) - reference[c]);
                    worth.s += share * s;
                    worth.fitness += share * (s + (lead - LEAD).min(0.0));
                    let part = 1.0 / (self.worlds.len() * played.len().max(1)) as f64;
                    let sum = |f: fn(&Score) -> f64| part * played.iter().map(|p| f(&p.score)).sum::<f64>();
                    if worth.classes.len() <= c {
                        worth
                            .classes
                            .push(OfClass { name: world.classes[c].name.clone(), ..OfClass::default() });
                    }
                    let of = &mut worth.classes[c];
                    of.s += sum(|s| s.s);
                    of.lead += lead / self.worlds.len() as f64;
                    of.stall_s.0 += sum(|s| s.stall_s);
                    of.stall_s.1 += sum(|s| s.first_frames_ms / 1_000.0);
                    of.bitrate += sum(|s| s.bitrate);
                    of.switch_mbps += sum(|s| s.switch_mbps);
                    of.megabits.0 += sum(|s| s.bytes as f64 * 8e-6);
                    of.megabits.1 += sum(|s| s.wasted as f64 * 8e-6);
                }
            }
        }
        for worth in &mut worths {
            worth.fitness -= 200.0 * (worth.waste - MOST_WASTE).max(0.0);
        }
        worths
    }
}

fn mean_s(played: &[run::Played]) -> f64 {
    played.iter().map(|p| p.score.s).sum::<f64>() / played.len().max(1) as f64
}

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Rounds.
    pub rounds: usize,
    /// Candidates of a round.
    pub candidates: usize,
    /// First deviation, as a share of the range of a knob.
    pub step: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// Searches the knobs from `start` on, telling every round on `out`; the mean of the last round.
///
/// # Errors
/// Where `out` cannot be written.
pub fn search(
    course: &Course,
    knobs: &[&Knob],
    start: &PlannerPolicy,
    search: Search,
    out: &mut dyn Write,
) -> std::io::Result<PlannerPolicy> {
    let n = knobs.len();
    let parents = (search.candidates / 2).max(1);
    let raw: Vec<f64> = (0..parents).map(|i| (parents as f64 + 0.5).ln() - (i as f64 + 1.0).ln()).collect();
    let total: f64 = raw.iter().sum();
    let weights: Vec<f64> = raw.iter().map(|w| w / total).collect();
    let effective = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
    let dimensions = n as f64;
    let path_rate = (effective + 2.0) / (dimensions + effective + 5.0);
    let damping = 1.0 + path_rate + 2.0 * (((effective - 1.0) / (dimensions + 1.0)).sqrt() - 1.0).max(0.0);
    let long_rate = 4.0 / (dimensions + 4.0);
    let one = 2.0 / ((dimensions + 1.3).powi(2) + effective);
    let many =
        (2.0 * (effective - 2.0 + 1.0 / effective) / ((dimensions + 2.0).powi(2) + effective)).min(1.0 - one);
    // Separable: fewer numbers to learn, so they are learnt faster.
    let faster = (dimensions + 2.0) / 3.0;
    let (one, many) = ((one * faster).min(0.5), (many * faster).min(0.5));
    let expected = dimensions.sqrt() * (1.0 - 1.0 / (4.0 * dimensions) + 1.0 / (21.0 * dimensions.powi(2)));

    let mut rng = StdRng::seed_from_u64(search.seed);
    let unit = |k: &Knob, value: f64| (value - k.low) / (k.high - k.low);
    let mut mean: Vec<f64> = knobs.iter().map(|k| unit(k, k.get(start))).collect();
    let (mut sigma, mut variance) = (search.step, vec![1.0_f64; n]);
    let (mut path, mut long) = (vec![0.0_f64; n], vec![0.0_f64; n]);
    let at = |x: &[f64]| {
        let mut policy = start.clone();
        for (knob, &v) in knobs.iter().zip(x) {
            knob.set(&mut policy, knob.low + v * (knob.high - knob.low));
        }
        policy
    };
    for round in 0..search.rounds {
        let draws: Vec<Vec<f64>> = (0..search.candidates)
            .map(|_| (0..n).map(|i| variance[i].sqrt() * normal(&mut rng)).collect())
            .collect();
        let point = |d: &[f64]| -> Vec<f64> {
            d.iter().zip(&mean).map(|(d, m)| (m + sigma * d).clamp(0.0, 1.0)).collect()
        };
        let policies: Vec<PlannerPolicy> = draws.iter().map(|d| at(&point(d))).collect();
        let worths = course.judge(&policies);
        let mut order: Vec<usize> = (0..draws.len()).collect();
        order.sort_by(|&a, &b| worths[b].fitness.total_cmp(&worths[a].fitness));
        let step: Vec<f64> =
            (0..n).map(|i| weights.iter().zip(&order).map(|(w, &o)| w * draws[o][i]).sum()).collect();
        let mut length = 0.0;
        for i in 0..n {
            mean[i] = (mean[i] + sigma * step[i]).clamp(0.0, 1.0);
            path[i] = (1.0 - path_rate) * path[i]
                + (path_rate * (2.0 - path_rate) * effective).sqrt() * step[i] / variance[i].sqrt();
            length += path[i] * path[i];
        }
        let fresh = 1.0 - (1.0 - path_rate).powi(2 * (round as i32 + 1));
        let moving = (length / fresh).sqrt() / expected < 1.4 + 2.0 / (dimensions + 1.0);
        for i in 0..n {
            let push =
                if moving { (long_rate * (2.0 - long_rate) * effective).sqrt() * step[i] } else { 0.0 };
            long[i] = (1.0 - long_rate) * long[i] + push;
            let of_all: f64 = weights.iter().zip(&order).map(|(w, &o)| w * draws[o][i].powi(2)).sum();
            variance[i] = (1.0 - one - many) * variance[i] + one * long[i].powi(2) + many * of_all;
        }
        sigma *= ((path_rate / damping) * (length.sqrt() / expected - 1.0)).exp();
        let best = &worths[order[0]];
        let numbers: Vec<String> =
            knobs.iter().map(|k| format!("--set {}={:.4}", k.name, k.get(&at(&mean)))).collect();
        writeln!(
            out,
            "round {round}: best fitness {:.3} (S {:.3}), middle {:.3}, step {sigma:.4}\n  {}",
            best.fitness,
            best.s,
            worths[order[order.len() / 2]].fitness,
            numbers.join(" ")
        )?;
        out.flush()?;
    }
    Ok(at(&mean))
}

/// A draw from the standard normal distribution (Box and Muller).
fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
