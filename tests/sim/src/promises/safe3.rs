//! SAFE-3, fair exposure: what the shipped pipeline shows of the less common topics and of creators drawn by lot, against
//! what they deserve, and whether the ledger notices a server that holds a group down.

use std::collections::BTreeSet;

use unspool_engine::exposure::{GroupReport, Ledger};

use super::kuairand::Data;
use super::loops::{Chooser, Shown, Slant, World, each_person};
use super::safe1::{PEOPLE, SHIPPED, STEPS};
use super::{Inputs, Row, stats};
use crate::error::SimError;

const TAIL: &str = "exposure of creators of less common topics over their merit";
/// What a slanted server leaves of a group's estimates.
const CUT: Slant = Slant { keep: 0.7 };

/// Judges exposure.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    match inputs.kuairand()? {
        Ok(data) => Ok(simulated(inputs, &data)),
        Err(why) => Ok(vec![Row::no_data("SAFE-3", TAIL, why)]),
    }
}

fn simulated(inputs: &Inputs, data: &Data) -> Vec<Row> {
    let world = World::new(data, PEOPLE.min(inputs.people), inputs.seed);
    let people = world.tastes.len();
    let run =
        |chooser, slant| each_person(people, |p| world.swipe(p, STEPS, &inputs.policy, chooser, 1.0, slant));
    let shipped = run(SHIPPED, None);
    let server = run(Chooser { learns: false, lifts: false, bound: false }, None);
    let unbound = run(Chooser { learns: true, lifts: false, bound: false }, None);
    let slanted = run(SHIPPED, Some(CUT));
    let sum = |all: &[Shown], picked: &mut dyn Iterator<Item = usize>| {
        let mut ledger = Ledger::new(inputs.policy.exposure.clone());
        picked.for_each(|i| ledger.merge(&all[i].audit));
        ledger
    };
    let group = |ledger: &Ledger, name: &str| ledger.report().into_iter().find(|g| g.group == name);
    let fairness = |all: &[Shown], name: &str, picked: &mut dyn Iterator<Item = usize>| {
        group(&sum(all, picked), name).map_or(f64::NAN, |g| g.fairness)
    };
    let estimated = |what: &str, name: &str| {
        Row::told("SAFE-3", what, fairness(&shipped, name, &mut (0..people))).between(stats::interval_of(
            people,
            inputs.seed,
            |p| fairness(&shipped, name, &mut p.iter().copied()),
        ))
    };
    let tail: Option<GroupReport> = group(&sum(&shipped, &mut (0..people)), "tail");
    let told = |what: &str, all: &[Shown]| Row::told("SAFE-3", what, fairness(all, "tail", &mut (0..people)));
    let creators: BTreeSet<&str> = world.clips.iter().map(|c| c.creator.as_str()).collect();
    let shown: BTreeSet<&str> =
        shipped.iter().flat_map(|s| &s.cards).map(|&c| world.clips[c].creator.as_str()).collect();
    let noticed = |all: &[Shown]| {
        let ledger = sum(all, &mut (0..people));
        (
            u8::from(group(&ledger, "half").is_some_and(|g| g.held_down)),
            ledger.held_down().len(),
            group(&ledger, "half"),
        )
    };
    let alone = |all: &[Shown]| {
        all.iter().filter(|s| s.audit.held_down().iter().any(|g| g == "half")).count() as f64
            / people.max(1) as f64
    };
    let lots = by_lot(&world, &shipped);
    let (with, _, found) = noticed(&slanted);
    let (_, false_alarms, _) = noticed(&shipped);
    vec![
        estimated(TAIL, "tail").within(0.95, 1.05).note(format!(
            "{people} people; merit {:.3}, exposure {:.3} of their share of what was offered",
            tail.as_ref().map_or(f64::NAN, |g| g.merit),
            tail.as_ref().map_or(f64::NAN, |g| g.exposure)
        )),
        told("the same of the server's order", &server),
        told("the same of the learner without the bound", &unbound),
        Row::told("SAFE-3", "exposure over merit of half of the creators, mean of 40 lots", lots.0)
            .between((lots.0 - 1.96 * lots.1, lots.0 + 1.96 * lots.1))
            .within(0.98, 1.02)
            .note("nobody is favoured by lot; the interval is that of the mean"),
        Row::told(
            "SAFE-3",
            "share of creators who are shown",
            shown.len() as f64 / creators.len().max(1) as f64,
        ),
        Row::told(
            "SAFE-3",
            "a group whose estimates are cut by 30 % is noticed, ledgers added up",
            f64::from(with),
        )
        .at_least(1.0)
        .note(found.map_or(String::new(), |g| {
            format!("watched {:.2} times what others are; {:.0} standard errors", g.surprise, g.sureness)
        })),
        Row::told(
            "SAFE-3",
            "groups noticed though nobody is held down, ledgers added up",
            false_alarms as f64,
        )
        .at_most(0.0),
        Row::told("SAFE-3", "people whose own ledger notices it", alone(&slanted))
            .note(format!("after {STEPS} cards")),
        Row::told("SAFE-3", "people whose own ledger is wrong about it", alone(&shipped)).at_most(0.05),
    ]
}

/// Exposure over merit of halves of the creators that lots draw: mean and its standard error.
fn by_lot(world: &World<'_>, shown: &[Shown]) -> (f64, f64) {
    let mut times = vec![0.0; world.clips.len()];
    for &clip in shown.iter().flat_map(|s| &s.cards) {
        times[clip] += 1.0;
    }
    let all: f64 = times.iter().sum();
    let merit: f64 = world.clips.iter().map(|c| c.prior).sum();
    let each: Vec<f64> = (0..40)
        .map(|lot| {
            let (mut seen, mut deserved) = (0.0, 0.0);
            for clip in (0..times.len()).filter(|&c| world.half(c, 100 + lot)) {
                seen += times[clip];
                deserved += world.clips[clip].prior;
            }
            (seen / all) / (deserved / merit)
        })
        .collect();
    let n = each.len() as f64;
    let mean = each.iter().sum::<f64>() / n;
    let variance = each.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}
