//! The policies that can be run, by name.

use unspool_engine::planner::Policy as PlannerPolicy;

use crate::policy::Policy;
use crate::shipped::Shipped;
use crate::sim::Truth;

/// What a policy may know, and so what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The planner that ships.
    Ours,
    /// A published one.
    Baseline,
    /// One that knows what cannot be known.
    Oracle,
}

/// A policy that can be built for each session.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name on the command line and in reports.
    pub name: &'static str,
    /// What it may know.
    pub kind: Kind,
    /// Builds it. Only oracles look at the truth.
    pub build: for<'a> fn(Truth<'a>) -> Box<dyn Policy + 'a>,
}

/// All policies, in the order of reports.
pub const ROSTER: &[Entry] = &[Entry {
    name: "unspool",
    kind: Kind::Ours,
    build: |_| Box::new(Shipped::new(PlannerPolicy::default())),
}];

/// The policy of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    ROSTER.iter().find(|e| e.name == name)
}
