//! The numbers of the planner by name, so that they can be varied from the command line and searched for.

use unspool_engine::planner::Policy;

use crate::error::SimError;

/// One number of a policy.
pub struct Knob {
    /// Name, as on the command line.
    pub name: &'static str,
    /// Least value a search may try.
    pub low: f64,
    /// Largest.
    pub high: f64,
    at: fn(&mut Policy) -> &mut f64,
}

impl Knob {
    /// Its value in a policy.
    #[must_use]
    pub fn get(&self, policy: &Policy) -> f64 {
        *(self.at)(&mut policy.clone())
    }

    /// Sets it, within its bounds.
    pub fn set(&self, policy: &mut Policy, value: f64) {
        *(self.at)(policy) = value.clamp(self.low, self.high);
    }
}

const fn knob(name: &'static str, low: f64, high: f64, at: fn(&mut Policy) -> &mut f64) -> Knob {
    Knob { name, low, high, at }
}

/// Every number that may be searched for.
pub const KNOBS: &[Knob] = &[
    knob("spread_base", 0.02, 0.6, |p| &mut p.tuning.spread_base),
    knob("spread_seen", 0.0, 0.8, |p| &mut p.tuning.spread_seen),
    knob("spread_later", 0.02, 1.0, |p| &mut p.tuning.spread_later),
    knob("pull", 0.0, 1.0, |p| &mut p.tuning.pull),
    knob("lean_pull", 0.0, 1.0, |p| &mut p.tuning.lean_pull),
    knob("speed", 0.6, 1.3, |p| &mut p.tuning.speed),
    knob("tight_caution", 0.1, 3.0, |p| &mut p.tuning.tight.caution),
    knob("tight_steady", 0.1, 3.0, |p| &mut p.tuning.tight.steady),
    knob("tight_thrift", 0.1, 3.0, |p| &mut p.tuning.tight.thrift),
    knob("ample_caution", 0.05, 3.0, |p| &mut p.tuning.ample.caution),
    knob("ample_steady", 0.05, 3.0, |p| &mut p.tuning.ample.steady),
    knob("ample_thrift", 0.1, 3.0, |p| &mut p.tuning.ample.thrift),
    knob("tight_time", 0.0, 2.0, |p| &mut p.tuning.tight.time),
    knob("ample_time", 0.0, 2.0, |p| &mut p.tuning.ample.time),
    knob("tight_spare", 0.0, 3.0, |p| &mut p.tuning.tight.spare),
    knob("ample_spare", 0.0, 3.0, |p| &mut p.tuning.ample.spare),
    knob("tight_risk", 0.1, 3.0, |p| &mut p.tuning.tight.risk),
    knob("ample_risk", 0.1, 3.0, |p| &mut p.tuning.ample.risk),
    knob("thrift_queued", 0.2, 4.0, |p| &mut p.tuning.thrift_queued),
    knob("goes_on", 0.7, 1.0, |p| &mut p.tuning.goes_on),
    knob("memory_per_s", 0.02, 1.5, |p| &mut p.memory.per_s),
    knob("memory_per_transfer", 0.02, 1.5, |p| &mut p.memory.per_transfer),
    knob("outage", 0.0, 1.0, |p| &mut p.memory.outage),
    knob("jump", 0.0, 0.5, |p| &mut p.memory.jump),
    knob("usual", 0.1, 0.8, |p| &mut p.memory.usual),
    knob("habit_prior_cards", 2.0, 60.0, |p| &mut p.habit.prior_cards),
];

/// The knob of this name.
///
/// # Errors
/// [`SimError::Usage`] where there is none.
pub fn find(name: &str) -> Result<&'static Knob, SimError> {
    KNOBS.iter().find(|k| k.name == name).ok_or_else(|| {
        let known: Vec<&str> = KNOBS.iter().map(|k| k.name).collect();
        SimError::Usage(format!("no number {name}; there are {}", known.join(", ")))
    })
}

/// The policy that ships, with `name=value` changes.
///
/// # Errors
/// [`SimError::Usage`] for an unknown name or a value that is none.
pub fn changed(changes: &[String]) -> Result<Policy, SimError> {
    let mut policy = Policy::default();
    for change in changes {
        let bad = || SimError::Usage(format!("{change:?} is not NAME=VALUE"));
        let (name, value) = change.split_once('=').ok_or_else(bad)?;
        let value: f64 = value.parse().map_err(|_| bad())?;
        find(name)?.set(&mut policy, value);
    }
    Ok(policy)
}
