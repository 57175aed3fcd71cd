//! A clip as the pipeline sees it: before it is shown by reference, afterwards by value.

use crate::breaker;
use crate::learner::{Clip, Vector};
use crate::model::{Embedding, Item};

/// A clip that may be shown, or was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate<'a> {
    /// Identifier.
    pub id: &'a str,
    /// What can be learnt from.
    pub clip: Clip<'a>,
    /// The sound it uses, where it uses somebody's.
    pub sound: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    pub(super) fn card(&self, score: f64) -> breaker::Card<'a> {
        let Clip { topics, creator, .. } = self.clip;
        breaker::Card { id: self.id, topics, creator, sound: self.sound, score }
    }
}

impl<'a> From<&'a Item> for Candidate<'a> {
    fn from(item: &'a Item) -> Self {
        let clip = Clip {
            prior: item.prior,
            topics: &item.topics,
            creator: &item.creator.id,
            duration_ms: item.asset.duration_ms,
            vector: item.vector.as_ref().map(|v| Vector { space: v.space, values: &v.values }),
            lift: 0.0,
        };
        Candidate { id: &item.id, clip, sound: item.sound.as_deref() }
    }
}

/// What is remembered of a clip until its viewing is learnt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The server's own estimate.
    pub prior: Option<f64>,
    /// Topics, most important first.
    pub topics: Vec<String>,
    /// Who made it.
    pub creator: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Where the server places it.
    pub vector: Option<Embedding>,
}

impl Facts {
    /// The clip that these are facts of.
    #[must_use]
    pub fn clip(&self) -> Clip<'_> {
        Clip {
            prior: self.prior,
            topics: &self.topics,
            creator: &self.creator,
            duration_ms: self.duration_ms,
            vector: self.vector.as_ref().map(|v| Vector { space: v.space, values: &v.values }),
            lift: 0.0,
        }
    }
}

impl From<&Item> for Facts {
    fn from(item: &Item) -> Self {
        Facts {
            prior: item.prior,
            topics: item.topics.clone(),
            creator: item.creator.id.clone(),
            duration_ms: item.asset.duration_ms,
            vector: item.vector.clone(),
        }
    }
}
