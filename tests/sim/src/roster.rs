//! The policies that can be run, by name.

use unspool_engine::planner::Policy as PlannerPolicy;

use crate::baselines::{
    ByteDance, Dashlet, FeedPlayer, FixedPreload, Hindsight, NoPreload, Pdas, SwipeOracle, TikTok,
};
use crate::policy::Policy;
use crate::session::Session;
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
    pub build: Build,
}

/// All policies, in the order of reports.
pub const ROSTER: &[Entry] = &[
    baseline("fixed-preload", |_, _| Box::new(FixedPreload::new())),
    baseline("no-preload", |_, _| Box::new(NoPreload::new())),
    baseline("bytedance-rule", |_, _| Box::new(ByteDance::new())),
    baseline("tiktok-model", |_, _| Box::new(TikTok::new())),
    baseline("feed-player", |_, _| Box::new(FeedPlayer::new())),
    baseline("dashlet", |_, _| Box::new(Dashlet::new())),
    baseline("pdas", |_, _| Box::new(Pdas::new())),
    Entry {
        name: "unspool",
        kind: Kind::Ours,
        build: |_, _| Box::new(Shipped::new(PlannerPolicy::default())),
    },
    Entry {
        name: "swipe-oracle",
        kind: Kind::Oracle,
        build: |_, truth| Box::new(SwipeOracle::new(truth.watch_ms)),
    },
    Entry {
        name: LIMIT,
        kind: Kind::Oracle,
        build: |session, truth| Box::new(Hindsight::new(session, truth)),
    },
];

/// Name of the policy that stands for the limit.
pub const LIMIT: &str = "hindsight-oracle";

type Build = for<'a> fn(&Session, Truth<'a>) -> Box<dyn Policy + 'a>;

const fn baseline(name: &'static str, build: Build) -> Entry {
    Entry { name, kind: Kind::Baseline, build }
}

/// The policy of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    ROSTER.iter().find(|e| e.name == name)
}
