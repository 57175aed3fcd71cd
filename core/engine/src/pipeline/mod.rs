//! How a feed is put into order: learner, ledger, breaker and detector as the one thing that a session and the replay of the
//! promises both use.
//!
//! Candidates come in the order in which the server sent them, after what was seen and what the safety filter hides are gone.
//! The server's order is where every order starts: its estimates are levelled so that they fall along it, so a person of
//! whom nothing is known sees exactly what the server chose, except where the bound stands against it. What was learnt moves
//! candidates from there, what less common topics are owed lifts them, and the breaker has the last word.
//!
//! Everything that happened comes in as a [`Lesson`], so that two pipelines that heard the same lessons give the same order.
//! A feed that is not profiled hears none and asks for none: its order depends on the server and on the bound alone.
//! Nothing waits and nothing fails; one task owns a pipeline.

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use crate::breaker::{self, Arrangement, Detector, LoopReport, Mode, Word};
use crate::exposure::{GroupReport, Ledger};
use crate::learner::{Card, Clip, Learner};
use crate::ranking::RankingPolicy;

mod candidate;
mod lesson;
mod level;
mod reason;
mod state;
#[cfg(test)]
mod tests;

pub use candidate::{Candidate, Facts};
pub use lesson::{Lesson, Lived};
pub use reason::Reason;
pub use state::{MAX_PIPELINE_BYTES, PipelineError};

/// How a feed gets its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Manner {
    /// For the person: learner, lift and detector, within the bound.
    Profiled,
    /// The same for everybody: the server's order within the bound. Nothing is learnt from it.
    NonProfiled,
    /// As it was asked for by name; what it holds too much of is only told.
    AsAsked,
    /// As it was asked for, reviewed items alone, and the parts of a series in their order.
    Course,
}

impl Manner {
    /// Whether the bound holds.
    #[must_use]
    pub fn bounds(self) -> bool {
        matches!(self, Manner::Profiled | Manner::NonProfiled)
    }

    /// Whether viewings teach anything.
    #[must_use]
    pub fn learns(self) -> bool {
        self != Manner::NonProfiled
    }
}

/// Everything that decides the order of one person's feeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    policy: Arc<RankingPolicy>,
    learner: Learner,
    ledger: Ledger,
    detector: Detector,
}

impl Pipeline {
    /// Of somebody of whom nothing is known.
    #[must_use]
    pub fn new(policy: Arc<RankingPolicy>) -> Self {
        Pipeline {
            learner: Learner::new(policy.learner.clone()),
            ledger: Ledger::new(policy.exposure.clone()),
            detector: Detector::new(policy.detector.clone()),
            policy,
        }
    }

    /// What decides.
    #[must_use]
    pub fn policy(&self) -> &RankingPolicy {
        &self.policy
    }

    /// How well a clip is likely to be watched, without what its topic is owed.
    #[must_use]
    pub fn merit(&self, candidate: &Candidate<'_>) -> f64 {
        self.learner.score(&candidate.clip)
    }

    /// What each candidate counts for; higher is better. They come in the server's order.
    #[must_use]
    pub fn scores(&self, manner: Manner, candidates: &[Candidate<'_>]) -> Vec<f64> {
        match manner {
            Manner::Profiled => self.levelled(candidates).iter().map(|c| self.learner.score(c)).collect(),
            // Of equals the earlier comes first: the order in which they were sent.
            Manner::NonProfiled | Manner::AsAsked | Manner::Course => vec![0.0; candidates.len()],
        }
    }

    /// Puts `candidates`, which come in the server's order, behind the cards that are `fixed`, oldest first. At most `wanted`
    /// places are given.
    #[must_use]
    pub fn arrange(
        &self,
        manner: Manner,
        fixed: &[Candidate<'_>],
        candidates: &[Candidate<'_>],
        wanted: usize,
    ) -> Arrangement {
        let scores = self.scores(manner, candidates);
        let mode = if manner.bounds() { Mode::Bound } else { Mode::Notify };
        let avoid = if manner == Manner::Profiled { self.detector.avoid() } else { Vec::new() };
        let fixed: Vec<_> = fixed.iter().map(|c| c.card(0.0)).collect();
        let candidates: Vec<_> = candidates.iter().zip(scores).map(|(c, score)| c.card(score)).collect();
        breaker::arrange(&self.policy.breaker, mode, &fixed, &candidates, &avoid, wanted)
    }

    /// Whether a card may follow those that are `fixed`.
    #[must_use]
    pub fn fits(&self, fixed: &[Candidate<'_>], candidate: &Candidate<'_>) -> bool {
        let fixed: Vec<_> = fixed.iter().map(|c| c.card(0.0)).collect();
        let card = [candidate.card(0.0)];
        !breaker::arrange(&self.policy.breaker, Mode::Bound, &fixed, &card, &[], 1).order.is_empty()
    }

    /// Cards before a place that decide what may stand there.
    #[must_use]
    pub fn looks_back(&self) -> usize {
        self.policy.breaker.window as usize
    }

    /// Takes in what happened. Says what the app is to show of it.
    pub fn handle_lesson(&mut self, lesson: &Lesson) -> Option<Word> {
        match lesson {
            Lesson::Offered { topics, merit } => self.ledger.handle_offered(topics, &[], *merit),
            Lesson::Placed { topics } => self.ledger.handle_placed(topics),
            Lesson::Opened => self.detector.handle_opened(),
            Lesson::Viewed(lived) => return self.handle_viewed(lived),
            Lesson::Answered(answer) => {
                let topic = self.detector.offered().map(str::to_owned);
                self.detector.handle_answer(*answer);
                if let (breaker::Choice::ResetTopic, Some(topic)) = (*answer, topic) {
                    self.learner.handle_forget(&topic);
                }
            }
        }
        None
    }

    fn handle_viewed(&mut self, lived: &Lived) -> Option<Word> {
        let Lived { clip: facts, viewing, moment } = lived;
        let clip = facts.clip();
        let label = &self.policy.learner.label;
        self.learner.handle_viewing(&clip, viewing);
        let moment = (*moment)?;
        let quality = viewing.quality(facts.duration_ms, label);
        let expected = facts.prior.unwrap_or(self.policy.learner.unknown_prior);
        let groups: Vec<&str> =
            facts.topics.iter().take(crate::learner::MAX_TAGS).map(String::as_str).collect();
        self.ledger.handle_viewing(&facts.topics, &groups, expected, quality);
        let enough = facts.duration_ms.min(label.long_view_ms).max(1);
        let dwell = viewing.active_ms.min(enough) as f64 / enough as f64;
        self.detector.handle_viewing(&facts.topics, dwell, moment)
    }

    /// Replaces the interests chosen at the start.
    pub fn handle_interests(&mut self, topics: impl IntoIterator<Item = String>) {
        self.learner.handle_interests(topics);
    }

    /// Sets what a topic counts by the person's own hand, from -1 to 1; 0 takes that back. Says whether it was taken.
    pub fn handle_weight(&mut self, topic: &str, value: f64) -> bool {
        self.learner.handle_setting(topic, value)
    }

    /// Forgets what was learnt about one topic.
    pub fn handle_forget(&mut self, topic: &str) {
        self.learner.handle_forget(topic);
    }

    /// Forgets every viewing. Interests and what was set by hand stay.
    pub fn handle_reset(&mut self) {
        self.learner.handle_reset();
        self.ledger = Ledger::new(self.policy.exposure.clone());
        self.detector = Detector::new(self.policy.detector.clone());
    }

    /// Forgets everything.
    pub fn handle_erase(&mut self) {
        self.handle_reset();
        self.learner.handle_erase();
    }

    /// What was learnt, in plain words.
    #[must_use]
    pub fn learner_card(&self) -> Card {
        self.learner.learner_card()
    }

    /// Whether the person goes round in circles.
    #[must_use]
    pub fn loop_report(&self) -> LoopReport {
        self.detector.report()
    }

    /// Who is offered, shown and held down, by topic.
    #[must_use]
    pub fn exposure(&self) -> Vec<GroupReport> {
        self.ledger.report()
    }

    /// What was learnt so far, for looking at.
    #[must_use]
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Who was offered and shown so far, for looking at.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The clips of candidates with estimates that fall along the server's order, and what their topics are owed.
    fn levelled<'c>(&self, candidates: &[Candidate<'c>]) -> Vec<Clip<'c>> {
        let unknown = self.policy.learner.unknown_prior;
        let priors = candidates.iter().map(|c| c.clip.prior.filter(|p| p.is_finite()).unwrap_or(unknown));
        let levels = level::falling(priors.map(|p| p.clamp(0.0, 1.0)));
        let lift = |topics: &[String]| self.ledger.lift(topics);
        let levelled = candidates.iter().zip(levels);
        levelled.map(|(c, p)| Clip { prior: Some(p), lift: lift(c.clip.topics), ..c.clip }).collect()
    }
}
