//! What the person can see of how their feeds are put into order, and change of it.

use std::sync::Arc;

use unspool_engine::exposure::GroupReport;
use unspool_engine::learner::Card as LearnerCard;
use unspool_engine::pipeline::{Manner, Pipeline, Reason as Placed};
use unspool_engine::ranking::Parameter;

use crate::error::Error;
use crate::session::Unspool;
use crate::work::blocking;

/// One reason why a card stands where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// In plain words.
    pub words: String,
    /// What it adds to the score, or takes from it.
    pub amount: f64,
}

/// Why a card stands where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// The card's item.
    pub item: String,
    /// The item that it is compared with, the best of those that could have been shown instead; `None` where there was no
    /// other, or where the order is not made for the person.
    pub against: Option<String>,
    /// Score of the one less score of the other: the sum of the reasons' amounts.
    pub difference: f64,
    /// What makes the difference, the greatest first. Empty where the order is not made for the person.
    pub reasons: Vec<Reason>,
    /// One sentence that says it as a whole.
    pub words: String,
    /// Version of the ranking policy.
    pub policy: String,
}

impl Why {
    pub(crate) fn new(item: String, manner: Manner, policy: String, placed: Placed) -> Self {
        let Placed { against, why, held_back, away_from, asked_for } = placed;
        let reasons: Vec<Reason> =
            why.contributions.iter().map(|c| Reason { words: c.factor.words(), amount: c.amount }).collect();
        let words = match (manner, held_back, away_from) {
            _ if asked_for => "You opened this video; the ones behind it come as in the feed.".to_owned(),
            (Manner::NonProfiled, ..) => {
                "This feed is the same for everybody: the service's order, with no topic taking over."
                    .to_owned()
            }
            (Manner::AsAsked, ..) => "You asked for this feed; its order is the service's own.".to_owned(),
            (Manner::Course, ..) => {
                "You asked for this feed: reviewed videos, and the parts of a series in their order."
                    .to_owned()
            }
            (_, Some(rule), _) => format!("Another one fits you better, but {rule}."),
            (_, None, Some(topic)) => format!("The feed leads away from {topic}, of which there was a lot."),
            (_, None, None) => match reasons.first() {
                Some(first) if why.difference > 0.0 => format!("Before all: {}.", first.words),
                _ => "Nothing speaks for another one; this is the service's order.".to_owned(),
            },
        };
        Why { item, against, difference: why.difference, reasons, words, policy }
    }
}

impl Unspool {
    /// Everything that decides the order of a feed, in plain words: each factor and weight, none left out. Returns at once.
    #[must_use]
    pub fn main_parameters(&self) -> Vec<Parameter> {
        self.core().learning.policy().main_parameters()
    }

    /// Version of the ranking policy, which every viewing is filed with.
    #[must_use]
    pub fn ranking_version(&self) -> String {
        self.core().learning.policy().version.clone()
    }

    /// What was learnt about the person on this device, in plain words. Returns at once.
    #[must_use]
    pub fn learner_card(&self) -> LearnerCard {
        self.core().learning.pipeline().learner_card()
    }

    /// Why what was kept of the learner could not be used when this session was opened; it began anew then.
    #[must_use]
    pub fn learner_lost(&self) -> Option<String> {
        self.core().learning.lost().map(ToString::to_string)
    }

    /// Sets what a topic counts by the person's own hand, from -1, as little as possible, to 1; 0 takes that back. On disk
    /// when it returns; what may still move in the open feed moves. It is never sent.
    ///
    /// # Errors
    /// [`Error::Config`] for no number, for a topic that cannot be one and for more than 100 topics,
    /// [`Error::Storage`] when the disk refuses. Nothing is changed then.
    pub async fn set_learner_weight(&self, topic: &str, weight: f64) -> Result<(), Error> {
        let topic = topic.to_owned();
        if !weight.is_finite() {
            return Err(Error::Config { reason: "a weight is a number from -1 to 1".into() });
        }
        let taken = self.change(move |pipeline| pipeline.handle_weight(&topic, weight)).await?;
        if taken || weight == 0.0 {
            Ok(())
        } else {
            Err(Error::Config { reason: "this topic cannot be set by hand, or too many are".into() })
        }
    }

    /// Forgets what was learnt about one topic. On disk when it returns.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn forget_learned_topic(&self, topic: &str) -> Result<(), Error> {
        let topic = topic.to_owned();
        self.change(move |pipeline| {
            pipeline.handle_forget(&topic);
            true
        })
        .await
        .map(drop)
    }

    /// Forgets every viewing that was learnt; interests and what was set by hand stay. On disk when it returns.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn reset_learner(&self) -> Result<(), Error> {
        self.change(|pipeline| {
            pipeline.handle_reset();
            true
        })
        .await
        .map(drop)
    }

    /// Everything that is kept of what was learnt, as JSON, for the person to take along.
    ///
    /// # Errors
    /// [`Error::Internal`] where it cannot be written, which no reachable state does.
    pub async fn export_learner(&self) -> Result<String, Error> {
        let core = Arc::clone(self.core());
        self.read(async move { blocking(move || core.learning.text()).await }).await
    }

    /// Forgets all that was learnt, set by hand and counted, here and on the disk. Interests are the person's own words and
    /// go with [`set_interests`](Unspool::set_interests); they count anew from the next session on.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses; call it again.
    pub async fn erase_learner(&self) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        self.write(async move { blocking(move || core.learning.erase()).await }).await
    }

    /// Whose videos the backend offers, who is shown, and who is watched better than the backend expects: by topic, for
    /// anybody who wants to know whether it holds some of them down. Counts of this device alone, never sent.
    #[must_use]
    pub fn exposure(&self) -> Vec<GroupReport> {
        self.core().learning.pipeline().exposure()
    }

    async fn change(&self, change: impl Fn(&mut Pipeline) -> bool + Send + 'static) -> Result<bool, Error> {
        let core = Arc::clone(self.core());
        self.write(async move { blocking(move || core.learning.change(change)).await }).await
    }
}
