//! Plays every session of a world with every policy, on as many threads as asked for.
//!
//! Each session is independent and has a place of its own in the result, so the figures do not depend on the number of
//! threads; only the time a decision took does, for it is measured.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::policy::{ActionError, Policy};
use crate::roster::Entry;
use crate::score::Score;
use crate::session::Session;
use crate::sim::{Outcome, Truth, play};
use crate::world::World;

/// One session's figures.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// The figures.
    pub score: Score,
    /// Decisions asked for.
    pub decisions: u64,
    /// Actions that were refused.
    pub refused: u64,
    /// The first of them.
    pub first_refusal: Option<ActionError>,
    /// Microseconds the policy took, on this machine's clock.
    pub thinking_us: f64,
}

impl From<Outcome> for Played {
    fn from(o: Outcome) -> Self {
        Played {
            score: o.score,
            decisions: o.decisions,
            refused: o.refused,
            first_refusal: o.first_refusal,
            thinking_us: o.thinking.as_secs_f64() * 1e6,
        }
    }
}

/// Results by policy, then class, then session.
pub type Results = Vec<Vec<Vec<Played>>>;

/// Plays everything.
#[must_use]
pub fn run(world: &World, policies: &[Entry], threads: usize) -> Results {
    let builds: Vec<&Build> = policies.iter().map(|p| &p.build as &Build).collect();
    run_with(world, &builds, threads)
}

/// Builds a policy for one session. Only oracles look at the truth.
pub type Build = dyn for<'a> Fn(&Session, Truth<'a>) -> Box<dyn Policy + 'a> + Sync;

/// Plays everything with policies that need not be in the roster.
#[must_use]
pub fn run_with(world: &World, policies: &[&Build], threads: usize) -> Results {
    let mut jobs = Vec::new();
    for (p, _) in policies.iter().enumerate() {
        for (c, class) in world.classes.iter().enumerate() {
            jobs.extend((0..class.cases.len()).map(|i| (p, c, i)));
        }
    }
    let empty = |_| world.classes.iter().map(|c| vec![Played::default(); c.cases.len()]).collect();
    let results: Mutex<Results> = Mutex::new((0..policies.len()).map(empty).collect());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some(&(p, c, i)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let class = &world.classes[c];
                    let case = &class.cases[i];
                    let mut policy = policies[p](&case.session, class.truth(case));
                    let outcome = play(&case.session, class.truth(case), policy.as_mut(), false);
                    mine.push((p, c, i, Played::from(outcome)));
                }
                let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for (p, c, i, played) in mine {
                    results[p][c][i] = played;
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
