//! Why a clip stands where it stands: the parts of its score, as they were summed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::Band;

/// Something that moves a score.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The server's own estimate.
    Server,
    /// Nearness to clips that were watched well.
    Alike,
    /// How viewings of this topic went.
    Topic(String),
    /// The person chose this topic at the start.
    Interest(String),
    /// How viewings of this creator went.
    Creator(String),
    /// How viewings of this length went.
    Length(&'static str),
    /// The person set this topic by hand.
    Setting(String),
    /// Clips of its kind were shown less often than they deserve.
    Fairness,
}

impl Factor {
    /// In plain words, for the person.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Factor::Server => "what the service expects everybody to make of it".to_owned(),
            Factor::Alike => "it is like videos you watched well or not".to_owned(),
            Factor::Topic(topic) => format!("how you watched other videos about {topic}"),
            Factor::Interest(topic) => format!("you chose {topic} at the start"),
            Factor::Creator(creator) => format!("how you watched other videos by {creator}"),
            Factor::Length(words) => format!("how you watched other videos of {words}"),
            Factor::Setting(topic) => format!("you set {topic} by hand"),
            Factor::Fairness => "less common topics were shown less often than they deserve".to_owned(),
        }
    }
}

/// A factor and what it adds to a score, or to the difference of two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// What moves the score.
    pub factor: Factor,
    /// By how much.
    pub amount: f64,
}

/// Why one clip stands before or behind another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// Score of the one less the score of the other: the sum of the contributions.
    pub difference: f64,
    /// Factors by which they differ, the greatest first.
    pub contributions: Vec<Contribution>,
}

impl Why {
    pub(super) fn between(one: &[Contribution], other: &[Contribution]) -> Self {
        let mut by: BTreeMap<&Factor, f64> = BTreeMap::new();
        for c in one {
            *by.entry(&c.factor).or_default() += c.amount;
        }
        for c in other {
            *by.entry(&c.factor).or_default() -= c.amount;
        }
        let sum = |all: &[Contribution]| all.iter().map(|c| c.amount).sum::<f64>();
        let mut contributions: Vec<Contribution> = by
            .into_iter()
            .filter(|(_, amount)| *amount != 0.0)
            .map(|(factor, amount)| Contribution { factor: factor.clone(), amount })
            .collect();
        contributions.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()));
        Why { difference: sum(one) - sum(other), contributions }
    }
}

/// A factor by reference, so that scoring allocates no names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    Server,
    Alike,
    Topic(&'a str),
    Interest(&'a str),
    Creator(&'a str),
    Length(Band),
    Setting(&'a str),
    Fairness,
}

impl Part<'_> {
    pub(super) fn name(self) -> Factor {
        match self {
            Part::Server => Factor::Server,
            Part::Alike => Factor::Alike,
            Part::Topic(topic) => Factor::Topic(topic.to_owned()),
            Part::Interest(topic) => Factor::Interest(topic.to_owned()),
            Part::Creator(creator) => Factor::Creator(creator.to_owned()),
            Part::Length(band) => Factor::Length(band.words()),
            Part::Setting(topic) => Factor::Setting(topic.to_owned()),
            Part::Fairness => Factor::Fairness,
        }
    }
}
