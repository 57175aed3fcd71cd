//! SL-2, it does no harm: real views of short video, which the shipped learner must not rank worse than the server's prior.
//!
//! The prior, the vectors and each person's learner are made from the histories; the week after them is ranked. Figures: the
//! area under the curve for long views per person, weighted by rows (GAUC), and the mean seconds watched of the three clips
//! ranked first. Both against the prior alone; intervals resample people. Everybody is judged always: the difference of a few
//! hundred people is noise.

use unspool_engine::learner::{Learner, Viewing};

use super::kuairand::{Data, Facts, Person};
use super::{Inputs, Row, stats};
use crate::error::SimError;

/// Fewest rows of a person whose first three clips are compared (the protocol of the data's SOURCES.md).
const FEWEST_FOR_TOP: usize = 6;
const GAUC: &str = "GAUC less that of the item prior, recorded week";
const TOP: &str = "watch seconds of the top 3 over those of the item prior, less 1";

/// Judges what the learner does to a recorded week.
///
/// # Errors
/// Where a file is there and not in its format.
pub fn rows(inputs: &Inputs) -> Result<Vec<Row>, SimError> {
    let data = match inputs.kuairand()? {
        Ok(data) => data,
        Err(why) => return Ok(vec![Row::no_data("SL-2", GAUC, &why), Row::no_data("SL-2", TOP, &why)]),
    };
    let mut areas: Vec<(f64, f64, f64)> = Vec::new();
    let mut tops: Vec<(f64, f64)> = Vec::new();
    for person in data.people.iter().filter(|p| !p.views.is_empty()) {
        let learner = taught(&data, person, inputs);
        let scores: Vec<f64> =
            person.views.iter().map(|v| learner.score(&data.clips[v.clip].clip())).collect();
        let priors: Vec<f64> = person.views.iter().map(|v| data.clips[v.clip].prior).collect();
        let area = |scores: &[f64]| {
            let scored: Vec<(f64, bool)> =
                scores.iter().zip(&person.views).map(|(&s, v)| (s, v.long)).collect();
            stats::auc(&scored)
        };
        if let (Some(ours), Some(theirs)) = (area(&scores), area(&priors)) {
            areas.push((ours, theirs, person.views.len() as f64));
        }
        if person.views.len() >= FEWEST_FOR_TOP {
            tops.push((top_seconds(&scores, person), top_seconds(&priors, person)));
        }
    }
    if areas.is_empty() || tops.is_empty() {
        let why = "nobody with both outcomes";
        return Ok(vec![Row::no_data("SL-2", GAUC, why), Row::no_data("SL-2", TOP, why)]);
    }
    let differences: Vec<(f64, f64)> = areas.iter().map(|(a, b, n)| (a - b, *n)).collect();
    let prior: Vec<(f64, f64)> = areas.iter().map(|(_, b, n)| (*b, *n)).collect();
    let gain = |picked: &mut dyn Iterator<Item = usize>| {
        let (ours, theirs) = picked.fold((0.0, 0.0), |(a, b), i| (a + tops[i].0, b + tops[i].1));
        ours / f64::max(theirs, f64::MIN_POSITIVE) - 1.0
    };
    let seconds = tops.iter().map(|t| t.1).sum::<f64>() / tops.len() as f64;
    Ok(vec![
        Row::told("SL-2", GAUC, stats::mean(&differences))
            .between(stats::interval(&differences, inputs.seed))
            .at_least(-0.001)
            .note(format!("{} people, prior alone {:.4}", areas.len(), stats::mean(&prior))),
        Row::told("SL-2", TOP, gain(&mut (0..tops.len())))
            .between(stats::interval_of(tops.len(), inputs.seed, |picked| gain(&mut picked.iter().copied())))
            .at_least(-0.01)
            .note(format!("{} people, prior alone {seconds:.2} s a clip", tops.len())),
    ])
}

/// A recorded view that only says whether it was long, as a viewing.
#[must_use]
pub fn viewing(facts: &Facts, long: bool) -> Viewing {
    Viewing { active_ms: if long { facts.duration_ms.max(1) } else { 0 }, ..Viewing::default() }
}

/// The shipped learner after a person's history.
#[must_use]
pub fn taught(data: &Data, person: &Person, inputs: &Inputs) -> Learner {
    let mut learner = Learner::new(inputs.policy.learner.clone());
    for &(clip, long) in &person.history {
        let facts = &data.clips[clip];
        learner.handle_viewing(&facts.clip(), &viewing(facts, long));
    }
    learner
}

fn top_seconds(scores: &[f64], person: &Person) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.iter().take(3).map(|&i| person.views[i].watch_s).sum::<f64>() / 3.0
}
