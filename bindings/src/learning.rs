//! Why a feed stands as it stands: what decides, what was learnt, and the person's hand in it.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::feed::Feed;
use crate::session::Unspool;

/// One number that decides the order of a feed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Parameter {
    /// Where it stands in the policy, for example `learner.topic.weight`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it does, in a sentence for the person whose feed it is.
    pub words: String,
}

/// What the learner believes about the person, strongest first in each list.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct LearnerCard {
    /// All of it in a few sentences.
    pub words: String,
    /// Viewings learnt since the beginning or the last reset.
    pub viewings: u64,
    /// Topics.
    pub topics: Vec<LearnerLine>,
    /// Creators.
    pub creators: Vec<LearnerLine>,
    /// Lengths.
    pub lengths: Vec<LearnerLine>,
    /// Topics chosen at the start.
    pub interests: Vec<String>,
    /// Topics set by hand.
    pub settings: Vec<TopicWeight>,
}

/// One belief.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct LearnerLine {
    /// The topic, creator or length it is about.
    pub about: String,
    /// What is believed, in plain words.
    pub words: String,
    /// What it adds to the score of such a clip.
    pub amount: f64,
    /// Viewings it rests on, older ones counting less.
    pub viewings: f64,
}

/// What a topic counts by the person's own hand.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct TopicWeight {
    /// The topic.
    pub topic: String,
    /// From -1, as little as possible, to 1.
    pub weight: f64,
}

/// Why a card stands where it stands.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Why {
    /// The card's item.
    pub item: String,
    /// The item it is compared with, the best of those that could have been shown instead; absent where there was no other,
    /// or where the order is not made for the person.
    pub against: Option<String>,
    /// Score of the one less score of the other: the sum of the reasons' amounts.
    pub difference: f64,
    /// What makes the difference, the greatest first. Empty where the order is not made for the person.
    pub reasons: Vec<WhyReason>,
    /// One sentence that says it as a whole.
    pub words: String,
    /// Version of the ranking policy.
    pub policy: String,
}

/// One reason why a card stands where it stands.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct WhyReason {
    /// In plain words.
    pub words: String,
    /// What it adds to the score, or takes from it.
    pub amount: f64,
}

/// What became of the clips of one topic or group. Counts of this device alone.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct GroupExposure {
    /// The group.
    pub group: String,
    /// Clips of it that could have been shown.
    pub offered: u64,
    /// Clips of it that were.
    pub shown: u64,
    /// Its share of what was shown over its share of what was offered; 1 is in proportion.
    pub exposure: f64,
    /// Mean merit of its offered clips over that of all; 1 is as good as all.
    pub merit: f64,
    /// Exposure over merit: 1 is what it deserves.
    pub fairness: f64,
    /// How much better than the backend expected it is watched, over the same of all others.
    pub surprise: f64,
    /// By how many standard errors the surprise is beyond chance.
    pub sureness: f64,
    /// Whether the backend holds it down, by the limits of the policy.
    pub held_down: bool,
}

/// Whether the person goes round in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LoopState {
    /// Nothing to say.
    Normal,
    /// One topic is taking over.
    Narrowing,
    /// Several signs at once.
    Stuck,
}

/// A way out of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LoopChoice {
    /// Take a break.
    TakeBreak,
    /// Forget what was learnt about the topic.
    ResetTopic,
    /// Go on as it is.
    KeepGoing,
}

/// Something the app shows of a loop.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum LoopWord {
    /// The feed is narrowing towards this topic.
    Narrowing {
        /// The topic.
        topic: String,
    },
    /// The next card leads away from this topic, and this is why.
    AnotherTopic {
        /// The topic.
        away_from: String,
    },
    /// A way out, to be answered with `answerLoop`.
    Offer {
        /// The topic.
        topic: String,
        /// What can be chosen.
        choices: Vec<LoopChoice>,
    },
}

#[uniffi::export]
impl Unspool {
    /// Everything that decides the order of a feed, in plain words: each factor and weight, none left out. Without waiting.
    #[must_use]
    pub fn main_parameters(&self) -> Vec<Parameter> {
        self.core.main_parameters().into_iter().map(Parameter::from).collect()
    }

    /// Version of the ranking policy, which every viewing is filed with. Without waiting.
    #[must_use]
    pub fn ranking_version(&self) -> String {
        self.core.ranking_version()
    }

    /// What was learnt about the person on this device, in plain words. Without waiting.
    #[must_use]
    pub fn learner_card(&self) -> LearnerCard {
        self.core.learner_card().into()
    }

    /// Why what was kept of the learner could not be used when this session was opened; it began anew then. Without waiting.
    #[must_use]
    pub fn learner_lost(&self) -> Option<String> {
        self.core.learner_lost()
    }

    /// Whose videos the backend offers, who is shown, and who is watched better than the backend expects: by topic, for
    /// anybody who wants to know whether it holds some of them down. Never sent. Without waiting.
    #[must_use]
    pub fn exposure(&self) -> Vec<GroupExposure> {
        self.core.exposure().into_iter().map(GroupExposure::from).collect()
    }

    /// Sets what a topic counts by the person's own hand, from -1, as little as possible, to 1; 0 takes that back. On disk
    /// when it returns; what may still move in the open feed moves. It is never sent. Fails with `Config` for no number, for
    /// a topic that cannot be one and for more than 100 topics, and changes nothing then.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_learner_weight(
        &self,
        topic: String,
        weight: f64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_learner_weight(&topic, weight)).await
    }

    /// Forgets what was learnt about one topic. On disk when it returns.
    #[uniffi::method(default(cancel = None))]
    pub async fn forget_learned_topic(
        &self,
        topic: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.forget_learned_topic(&topic)).await
    }

    /// Forgets every viewing that was learnt; interests and what was set by hand stay. On disk when it returns.
    #[uniffi::method(default(cancel = None))]
    pub async fn reset_learner(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.reset_learner()).await
    }

    /// Everything that is kept of what was learnt, as JSON, for the person to take along.
    #[uniffi::method(default(cancel = None))]
    pub async fn export_learner(&self, cancel: Option<Arc<CancelToken>>) -> Result<String, UnspoolError> {
        unless_cancelled(cancel, self.core.export_learner()).await
    }

    /// Forgets all that was learnt, set by hand and counted, here and on the disk. Interests are the person's own words and
    /// go with `setInterests`; they count anew from the next session on.
    #[uniffi::method(default(cancel = None))]
    pub async fn erase_learner(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.erase_learner()).await
    }
}

#[uniffi::export]
impl Feed {
    /// Why the card at a position stands there, compared with the best that could have been shown instead. For a card that
    /// may still move, why it stands there now. Fails with `NoSuchCard` where the feed holds none.
    #[uniffi::method(default(cancel = None))]
    pub async fn why(&self, position: u64, cancel: Option<Arc<CancelToken>>) -> Result<Why, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.why(position)).await?.into())
    }

    /// Says that the person wants nothing like the card at a position. Taken in when it returns: the first card that may
    /// still move is chosen by it. The card itself stays; moving on is the app's part. Fails with `NoSuchCard` where the
    /// feed holds none.
    #[uniffi::method(default(cancel = None))]
    pub async fn not_interested(
        &self,
        position: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.not_interested(position)).await
    }

    /// Begins the feed anew behind the cards that are being fetched: the first page is asked for again, and what was not
    /// reached may come again. Returns at once.
    pub fn refresh(&self) -> Result<(), UnspoolError> {
        Ok(self.core.refresh()?)
    }

    /// Answers the offer of a way out of a loop. Forgetting the topic is done here; a break is the app's part. Without an
    /// offer nothing happens. Returns at once.
    pub fn answer_loop(&self, choice: LoopChoice) -> Result<(), UnspoolError> {
        Ok(self.core.answer_loop(choice.into())?)
    }
}

impl From<unspool::Parameter> for Parameter {
    fn from(parameter: unspool::Parameter) -> Self {
        let unspool::Parameter { name, value, words } = parameter;
        Parameter { name, value, words }
    }
}

impl From<unspool::LearnerCard> for LearnerCard {
    fn from(card: unspool::LearnerCard) -> Self {
        let unspool::LearnerCard { words, viewings, topics, creators, lengths, interests, settings } = card;
        let lines =
            |lines: Vec<unspool::LearnerLine>| lines.into_iter().map(LearnerLine::from).collect::<Vec<_>>();
        LearnerCard {
            words,
            viewings,
            topics: lines(topics),
            creators: lines(creators),
            lengths: lines(lengths),
            interests,
            settings: settings.into_iter().map(|(topic, weight)| TopicWeight { topic, weight }).collect(),
        }
    }
}

impl From<unspool::LearnerLine> for LearnerLine {
    fn from(line: unspool::LearnerLine) -> Self {
        let unspool::LearnerLine { about, words, amount, viewings } = line;
        LearnerLine { about, words, amount, viewings }
    }
}

impl From<unspool::Why> for Why {
    fn from(why: unspool::Why) -> Self {
        let unspool::Why { item, against, difference, reasons, words, policy } = why;
        let reason = |unspool::Reason { words, amount }| WhyReason { words, amount };
        Why { item, against, difference, reasons: reasons.into_iter().map(reason).collect(), words, policy }
    }
}

impl From<unspool::GroupReport> for GroupExposure {
    fn from(report: unspool::GroupReport) -> Self {
        let unspool::GroupReport {
            group,
            offered,
            shown,
            exposure,
            merit,
            fairness,
            surprise,
            sureness,
            held_down,
        } = report;
        GroupExposure { group, offered, shown, exposure, merit, fairness, surprise, sureness, held_down }
    }
}

impl From<unspool::LoopState> for LoopState {
    fn from(state: unspool::LoopState) -> Self {
        match state {
            unspool::LoopState::Normal => LoopState::Normal,
            unspool::LoopState::Narrowing => LoopState::Narrowing,
            unspool::LoopState::Stuck => LoopState::Stuck,
        }
    }
}

impl From<unspool::LoopWord> for LoopWord {
    fn from(word: unspool::LoopWord) -> Self {
        match word {
            unspool::LoopWord::Narrowing { topic } => LoopWord::Narrowing { topic },
            unspool::LoopWord::AnotherTopic { away_from } => LoopWord::AnotherTopic { away_from },
            unspool::LoopWord::Offer { topic, choices } => {
                LoopWord::Offer { topic, choices: choices.into_iter().map(LoopChoice::from).collect() }
            }
        }
    }
}

impl From<unspool::LoopChoice> for LoopChoice {
    fn from(choice: unspool::LoopChoice) -> Self {
        match choice {
            unspool::LoopChoice::TakeBreak => LoopChoice::TakeBreak,
            unspool::LoopChoice::ResetTopic => LoopChoice::ResetTopic,
            unspool::LoopChoice::KeepGoing => LoopChoice::KeepGoing,
        }
    }
}

impl From<LoopChoice> for unspool::LoopChoice {
    fn from(choice: LoopChoice) -> Self {
        match choice {
            LoopChoice::TakeBreak => unspool::LoopChoice::TakeBreak,
            LoopChoice::ResetTopic => unspool::LoopChoice::ResetTopic,
            LoopChoice::KeepGoing => unspool::LoopChoice::KeepGoing,
        }
    }
}
