//! Whether it pays to learn a person's pace: the shipped planner with and without it, on the sessions of real people.
//!
//! Every person's views are played in the order of time; what the planner knows at each is what it saw before. Both
//! planners meet the same videos, stays and network. The gain is the difference of S per session, averaged per person;
//! its interval is a bootstrap over people (paired, 95 %). A null result is one whose interval holds zero.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use unspool_engine::planner::{Habit, Policy as PlannerPolicy};

use crate::error::SimError;
use crate::policy::Policy;
use crate::roster::{Entry, Kind};
use crate::run;
use crate::shipped::Shipped;
use crate::world::{Settings, World};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 4_000;

/// What the comparison found.
#[derive(Debug, Clone, Serialize)]
pub struct Personal {
    /// People with ten views or more who were played.
    pub people: usize,
    /// Sessions, one per person, network class and trace.
    pub sessions: usize,
    /// Mean S of the planner that takes everybody for average.
    pub s_without: f64,
    /// Mean S of the planner that learns.
    pub s_with: f64,
    /// Mean difference.
    pub gain: f64,
    /// Lower end of the 95 % interval of the gain.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Whether the whole interval lies above zero.
    pub gained: bool,
    /// What was absent.
    pub notes: Vec<String>,
}

fn without() -> Shipped {
    let nobody = Habit { prior_cards: 1e9, fast: 1.0, ..Habit::default() };
    Shipped::new(PlannerPolicy { habit: nobody, ..PlannerPolicy::default() })
}

/// Plays and compares.
///
/// # Errors
/// As [`World::build`]; a people file is needed.
pub fn compare(settings: &Settings, threads: usize) -> Result<Personal, SimError> {
    let world = World::build(&Settings { real_people: true, ..settings.clone() })?;
    let entry = |name, build| Entry { name, kind: Kind::Ours, build };
    let policies = [
        entry("without", |_, _| Box::new(without()) as Box<dyn Policy>),
        entry("with", |_, _| Box::new(Shipped::new(PlannerPolicy::default())) as Box<dyn Policy>),
    ];
    let results = run::run(&world, &policies, threads);
    let users = world.classes.iter().flat_map(|c| &c.cases).map(|c| c.user + 1).max().unwrap_or(0);
    let mut sums = vec![(0.0, 0.0, 0_u32); users];
    for (c, class) in world.classes.iter().enumerate() {
        for (i, case) in class.cases.iter().enumerate() {
            let sum = &mut sums[case.user];
            sum.0 += results[0][c][i].score.s;
            sum.1 += results[1][c][i].score.s;
            sum.2 += 1;
        }
    }
    let each: Vec<(f64, f64)> =
        sums.iter().filter(|s| s.2 > 0).map(|&(a, b, n)| (a / f64::from(n), b / f64::from(n))).collect();
    let people = each.len().max(1) as f64;
    let gains: Vec<f64> = each.iter().map(|(a, b)| b - a).collect();
    let (low, high) = interval(&gains, settings.seed);
    Ok(Personal {
        people: each.len(),
        sessions: world.classes.iter().map(|c| c.cases.len()).sum(),
        s_without: each.iter().map(|e| e.0).sum::<f64>() / people,
        s_with: each.iter().map(|e| e.1).sum::<f64>() / people,
        gain: gains.iter().sum::<f64>() / people,
        low,
        high,
        gained: low > 0.0,
        notes: world.notes,
    })
}

/// The 95 % interval of the mean by resampling.
fn interval(values: &[f64], seed: u64) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = values.iter().map(|_| values[rng.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_the_mean_and_shrinks_with_sameness() {
        let (low, high) = interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 1);
        assert!(low < 3.0 && 3.0 < high && low > 1.0 && high < 5.0, "{low} {high}");
        assert_eq!(interval(&[0.5; 8], 1), (0.5, 0.5));
    }
}
