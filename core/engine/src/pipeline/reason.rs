//! Why a card stands where it stands.

use serde::Serialize;

use crate::breaker::{self, Mode, Rule};
use crate::learner::Why;

use super::{Candidate, Manner, Pipeline};

/// Why a card was chosen, compared with the one that would have been chosen instead.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// The one with the best score of those that were left; `None` where nothing else could have been shown.
    pub against: Option<String>,
    /// What makes the difference of the two scores, or of the score from zero where there is no other.
    pub why: Why,
    /// Where the other has the better score: the rule of the loop breaker that keeps it back.
    pub held_back: Option<String>,
    /// Where the feed leads away from a topic that went on for long.
    pub away_from: Option<String>,
    /// Whether it stands there because it was asked for by name: nothing was weighed then.
    pub asked_for: bool,
}

impl Reason {
    /// Nothing was weighed.
    fn unweighed(asked_for: bool) -> Self {
        let why = Why { difference: 0.0, contributions: Vec::new() };
        Reason { against: None, why, held_back: None, away_from: None, asked_for }
    }

    /// Of a card that was asked for by name.
    #[must_use]
    pub fn asked_for() -> Self {
        Reason::unweighed(true)
    }
}

impl Pipeline {
    /// Why the candidate at place `chosen` of `candidates` follows the cards that are `fixed`. `None` without such a candidate.
    #[must_use]
    pub fn why(
        &self,
        manner: Manner,
        fixed: &[Candidate<'_>],
        candidates: &[Candidate<'_>],
        chosen: usize,
    ) -> Option<Reason> {
        let nothing = Reason::unweighed(false);
        if manner != Manner::Profiled {
            return candidates.get(chosen).map(|_| nothing);
        }
        let clips = self.levelled(candidates);
        let clip = clips.get(chosen)?;
        let scored = clips.iter().enumerate().map(|(i, clip)| (i, self.learner.score(clip)));
        // Of equals the earlier.
        let other =
            scored.filter(|(i, _)| *i != chosen).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((place, _)) = other else {
            return Some(Reason { why: self.learner.why_alone(clip), ..nothing });
        };
        let (other, rival) = (clips.get(place)?, candidates.get(place)?);
        let why = self.learner.why(clip, other);
        let mut reason = Reason { against: Some(rival.id.to_owned()), why, ..nothing };
        if reason.why.difference < 0.0 {
            let fixed: Vec<_> = fixed.iter().map(|c| c.card(0.0)).collect();
            let alone = [rival.card(0.0)];
            let found = breaker::arrange(&self.policy.breaker, Mode::Bound, &fixed, &alone, &[], 1);
            reason.held_back = found.held.into_iter().next().map(|held| words(&held.rule));
            if reason.held_back.is_none() {
                reason.away_from = self.detector.avoid().into_iter().next();
            }
        }
        Some(reason)
    }
}

fn words(rule: &Rule) -> String {
    match rule {
        Rule::Topic(topic) => format!("there is enough about {topic} among the videos before"),
        Rule::Creator(_) => "the video before is by the same creator".to_owned(),
        Rule::Sound(_) => "the video before has the same sound".to_owned(),
    }
}
