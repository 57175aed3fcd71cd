//! The ranking policy: every weight, cap and limit of the feed as one versioned piece of data.
//!
//! `default.json` beside this file is the policy that ships; another arrives as text and is read by
//! [`RankingPolicy::read`], which refuses what is out of bounds and what loosens a promise. A policy that is still being
//! judged is read by [`RankingPolicy::draft`], so that the replay of the promises can say what it would break.
//! [`RankingPolicy::main_parameters`] says all of it in plain words.

use serde::{Deserialize, Serialize};

mod words;

pub use words::Parameter;

/// Shape of the file that this build reads.
pub const SCHEMA: u32 = 1;
/// Largest policy that is read, bytes: the shipped one is about 3 kB.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most sensitive topics of a policy.
pub const MAX_SENSITIVE: usize = 1_024;
/// The promise that no policy may loosen: this many cards of one topic in any [`HARD_WINDOW`].
pub const HARD_PER_TOPIC: u32 = 4;
/// Consecutive cards that [`HARD_PER_TOPIC`] counts over.
pub const HARD_WINDOW: u32 = 10;
/// The same for topics that are sensitive.
pub const HARD_SENSITIVE: u32 = 2;

const SHIPPED: &str = include_str!("default.json");

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Longer than [`MAX_BYTES`].
    #[error("a policy of {0} bytes is too long")]
    TooLong(usize),
    /// Not JSON of this shape.
    #[error("not a policy: {0}")]
    Format(String),
    /// Made for another build.
    #[error("policy schema {0} is not read by this build")]
    Schema(u32),
    /// A number beyond what makes sense.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// A limit weaker than what is promised.
    #[error("{0} is looser than promised")]
    Loosened(&'static str),
}

/// Everything that decides the order of a feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankingPolicy {
    /// Shape of the file, [`SCHEMA`].
    pub schema: u32,
    /// Name of these numbers; impressions carry it.
    pub version: String,
    /// How the learner weighs what it saw.
    pub learner: LearnerWeights,
    /// What the loop breaker allows.
    pub breaker: BreakerLimits,
    /// When the detector speaks.
    pub detector: DetectorLimits,
    /// When the exposure ledger speaks.
    pub exposure: ExposureLimits,
}

/// How the learner weighs what it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnerWeights {
    /// What a clip without an estimate of the server is taken for, 0 to 1.
    pub unknown_prior: f64,
    /// Most that everything learnt together may add to or take from the server's estimate.
    pub most: f64,
    /// What a viewing is worth.
    pub label: LabelWeights,
    /// Vectors of clips.
    pub ridge: RidgeWeights,
    /// Topics.
    pub topic: TasteWeights,
    /// Creators.
    pub creator: TasteWeights,
    /// Bands of length.
    pub length: TasteWeights,
    /// Interests chosen at the start.
    pub interest: InterestWeights,
    /// Viewings that one refusal counts as.
    pub refusal_viewings: f64,
    /// What a setting of 1 by the person's own hand adds for a topic.
    pub setting: f64,
}

/// What a viewing is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelWeights {
    /// Milliseconds that make a long view of a longer clip.
    pub long_view_ms: u64,
    /// Below this a view that was not whole counts as a swipe away, milliseconds.
    pub skip_ms: u64,
    /// Most a view may be worth that was not long.
    pub partial: f64,
    /// Added for a like.
    pub like: f64,
    /// Added for a share.
    pub share: f64,
    /// Added for saving.
    pub save: f64,
    /// Added for a comment.
    pub comment: f64,
    /// Added for following the creator.
    pub follow: f64,
}

/// The regression over vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RidgeWeights {
    /// Share of what it explains that counts.
    pub weight: f64,
    /// How strongly each weight is held towards zero.
    pub strength: f64,
    /// The same for the person's general level.
    pub level_strength: f64,
    /// What is left of a viewing after one more.
    pub keep: f64,
}

/// A leaning that fades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasteWeights {
    /// Share of the leaning that counts.
    pub weight: f64,
    /// Pretended viewings that went as expected.
    pub pretended: f64,
    /// Variance of one viewing: how much of a leaning chance would explain. A quarter is that of a coin.
    pub chance: f64,
    /// What is left of a viewing after one more.
    pub keep: f64,
}

/// Interests chosen at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterestWeights {
    /// Viewings that a choice counts as.
    pub viewings: f64,
    /// How much better than expected those went.
    pub lean: f64,
}

/// What the loop breaker allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerLimits {
    /// Consecutive cards over which topics are counted.
    pub window: u32,
    /// Cards of one topic within them.
    pub per_topic: u32,
    /// Cards of one sensitive topic within them.
    pub per_sensitive: u32,
    /// Topics that are sensitive.
    pub sensitive: Vec<String>,
}

/// When the detector speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorLimits {
    /// Cards that the share of the leading topic is counted over.
    pub window: u32,
    /// Share of the leading topic that counts as concentration.
    pub share: f64,
    /// Growth of that share since the window before that counts as rising.
    pub rise: f64,
    /// Mean view over the session's own mean before, below which dwell counts as shrinking.
    pub shrink: f64,
    /// Local minute of the day at which it is late.
    pub late_from_min: u32,
    /// Local minute of the day until which it is late.
    pub late_until_min: u32,
    /// Milliseconds of a session that count as long.
    pub long_session_ms: u64,
    /// Signs of five at which the state is narrowing.
    pub narrowing: u32,
    /// Signs of five at which it is stuck.
    pub stuck: u32,
    /// Cards between another topic and the offer, and after an answer before the next word.
    pub patience: u32,
}

/// When the exposure ledger speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExposureLimits {
    /// Viewings of a group before it is judged.
    pub least_viewings: u32,
    /// Least ratio of watched to expected, group over the others, that counts as held down.
    pub ratio: f64,
    /// Standard errors by which it must be beyond chance.
    pub sureness: f64,
    /// What is added to the scores of less common topics for each card that they are owed.
    pub lift_per_card: f64,
    /// Most that is added so.
    pub most_lift: f64,
}

impl RankingPolicy {
    /// The policy that ships. It always reads: a test holds it.
    ///
    /// # Errors
    /// As [`RankingPolicy::read`].
    pub fn shipped() -> Result<Self, PolicyError> {
        RankingPolicy::read(SHIPPED)
    }

    /// The shipped policy as text, to start another from.
    #[must_use]
    pub fn shipped_text() -> &'static str {
        SHIPPED
    }

    /// Reads a policy that will be obeyed.
    ///
    /// # Errors
    /// As [`RankingPolicy::draft`], and where a limit is looser than promised.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        let policy = RankingPolicy::draft(text)?;
        policy.check_promised()?;
        Ok(policy)
    }

    /// Whether every number makes sense and no limit is looser than promised.
    ///
    /// # Errors
    /// The first number that does not.
    pub fn check_promised(&self) -> Result<(), PolicyError> {
        self.check()?;
        let limits = &self.breaker;
        if limits.per_topic > HARD_PER_TOPIC || limits.window < HARD_WINDOW {
            return Err(PolicyError::Loosened("breaker.per_topic"));
        }
        if limits.per_sensitive > HARD_SENSITIVE {
            return Err(PolicyError::Loosened("breaker.per_sensitive"));
        }
        Ok(())
    }

    /// Reads a policy that is still to be judged: its limits may be loose, but every number makes sense.
    ///
    /// # Errors
    /// Where the text is too long, not of this shape or schema, or holds a number out of bounds.
    pub fn draft(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::TooLong(text.len()));
        }
        let policy: RankingPolicy =
            serde_json::from_str(text).map_err(|e| PolicyError::Format(e.to_string()))?;
        if policy.schema != SCHEMA {
            return Err(PolicyError::Schema(policy.schema));
        }
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let RankingPolicy { schema: _, version, learner, breaker, detector, exposure } = self;
        bounded("version", !version.is_empty() && version.len() <= 64)?;
        learner.check()?;
        bounded("breaker.window", (1..=100).contains(&breaker.window))?;
        bounded("breaker.per_topic", (1..=100).contains(&breaker.per_topic))?;
        bounded("breaker.per_sensitive", (0..=100).contains(&breaker.per_sensitive))?;
        bounded("breaker.sensitive", breaker.sensitive.len() <= MAX_SENSITIVE)?;
        bounded("detector.window", (2..=200).contains(&detector.window))?;
        bounded("detector.share", within(detector.share, 0.0, 1.0))?;
        bounded("detector.rise", within(detector.rise, 0.0, 1.0))?;
        bounded("detector.shrink", within(detector.shrink, 0.0, 1.0))?;
        bounded("detector.late_from_min", detector.late_from_min < 1_440)?;
        bounded("detector.late_until_min", detector.late_until_min < 1_440)?;
        bounded("detector.long_session_ms", detector.long_session_ms <= 86_400_000)?;
        bounded("detector.narrowing", (1..=5).contains(&detector.narrowing))?;
        bounded("detector.stuck", (detector.narrowing..=5).contains(&detector.stuck))?;
        bounded("detector.patience", (1..=200).contains(&detector.patience))?;
        bounded("exposure.least_viewings", (1..=100_000).contains(&exposure.least_viewings))?;
        bounded("exposure.ratio", within(exposure.ratio, 1.0, 10.0))?;
        bounded("exposure.sureness", within(exposure.sureness, 0.0, 10.0))?;
        bounded("exposure.lift_per_card", within(exposure.lift_per_card, 0.0, 1.0))?;
        bounded("exposure.most_lift", within(exposure.most_lift, 0.0, 1.0))
    }
}

impl LearnerWeights {
    fn check(&self) -> Result<(), PolicyError> {
        let LearnerWeights {
            unknown_prior,
            most,
            label,
            ridge,
            topic,
            creator,
            length,
            interest,
            refusal_viewings,
            setting,
        } = self;
        bounded("learner.unknown_prior", within(*unknown_prior, 0.0, 1.0))?;
        bounded("learner.most", within(*most, 0.0, 10.0))?;
        bounded("learner.label.long_view_ms", (1_000..=3_600_000).contains(&label.long_view_ms))?;
        bounded("learner.label.skip_ms", label.skip_ms <= 3_600_000)?;
        let shares = [label.partial, label.like, label.share, label.save, label.comment, label.follow];
        bounded("learner.label", shares.iter().all(|&s| within(s, 0.0, 1.0)))?;
        bounded("learner.ridge.weight", within(ridge.weight, 0.0, 10.0))?;
        bounded("learner.ridge.strength", within(ridge.strength, 1e-6, 1e6))?;
        bounded("learner.ridge.level_strength", within(ridge.level_strength, 1e-6, 1e6))?;
        bounded("learner.ridge.keep", within(ridge.keep, 0.5, 1.0))?;
        for (name, taste) in
            [("learner.topic", topic), ("learner.creator", creator), ("learner.length", length)]
        {
            let sound = within(taste.weight, 0.0, 10.0)
                && within(taste.pretended, 1e-3, 1e6)
                && within(taste.chance, 0.0, 100.0)
                && within(taste.keep, 0.0, 0.999);
            bounded(name, sound)?;
        }
        bounded("learner.interest.viewings", within(interest.viewings, 0.0, 100.0))?;
        bounded("learner.interest.lean", within(interest.lean, 0.0, 1.0))?;
        bounded("learner.refusal_viewings", within(*refusal_viewings, 1.0, 100.0))?;
        bounded("learner.setting", within(*setting, 0.0, 10.0))
    }
}

fn within(value: f64, low: f64, high: f64) -> bool {
    (low..=high).contains(&value)
}

fn bounded(name: &'static str, sound: bool) -> Result<(), PolicyError> {
    if sound { Ok(()) } else { Err(PolicyError::OutOfBounds(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(find: &str, put: &str) -> Result<RankingPolicy, PolicyError> {
        let text = RankingPolicy::shipped_text().replace(find, put);
        assert_ne!(text, RankingPolicy::shipped_text(), "{find} is in the policy");
        RankingPolicy::read(&text)
    }

    #[test]
    fn the_shipped_policy_reads_and_survives_a_round() {
        let policy = RankingPolicy::shipped().unwrap();
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(RankingPolicy::read(&text), Ok(policy));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(matches!(with("\"schema\": 1", "\"schema\": 2"), Err(PolicyError::Schema(2))));
        assert!(matches!(with("\"per_topic\": 4", "\"per_topic\": 5"), Err(PolicyError::Loosened(_))));
        assert!(matches!(
            with("\"per_sensitive\": 2", "\"per_sensitive\": 3"),
            Err(PolicyError::Loosened(_))
        ));
        assert!(matches!(with("\"window\": 10", "\"window\": 9"), Err(PolicyError::Loosened(_))));
        assert!(matches!(with("\"window\": 10", "\"window\": 0"), Err(PolicyError::OutOfBounds(_))));
        assert!(matches!(with("\"per_topic\"", "\"per_subject\""), Err(PolicyError::Format(_))));
        assert!(matches!(with("\"per_topic\": 4", "\"per_topic\": -1"), Err(PolicyError::Format(_))));
        assert!(matches!(RankingPolicy::read("{"), Err(PolicyError::Format(_))));
        assert!(matches!(RankingPolicy::read(&" ".repeat(MAX_BYTES + 1)), Err(PolicyError::TooLong(_))));
    }

    #[test]
    fn a_draft_may_be_loose() {
        let text = RankingPolicy::shipped_text().replace("\"per_topic\": 4", "\"per_topic\": 6");
        assert_eq!(RankingPolicy::draft(&text).unwrap().breaker.per_topic, 6);
    }
}
