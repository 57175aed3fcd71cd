//! What a person likes, learnt on the device from what they watch, and nothing else.
//!
//! The server's own estimate of a clip is where every score starts. On top comes what viewings showed to be better or worse
//! than that estimate: a ridge regression over the vectors of clips, and leanings by topic, creator and
//! length that fade within some dozens of swipes. All of it is held towards zero, so that little evidence moves little: on
//! sparse histories a learner that trusts itself more than the server does harm (KuaiRand-Pure, Gao et al., CIKM 2022: GAUC
//! down to 0.6136 from 0.6314). Interests chosen at the start are a few pretended viewings, which real ones outweigh.
//!
//! **The same on every platform.** Only `+ - * /`, comparison and square root of `f64` are used, which IEEE 754 rounds in one
//! way; sums run in one order over ordered maps. `powi`, `exp`, `ln` and their like, fused multiply-add, `f32` and parallel
//! sums are not allowed here. A test compares the bits of a long run with a committed number.
//!
//! Costs: a clip is scored in well below a microsecond for each thing known of it, a viewing learnt in some microseconds;
//! memory is bounded by the tables (about 100 kB when full). Nothing waits and nothing fails: input out of bounds teaches
//! nothing. One task owns a learner.

use std::collections::{BTreeMap, BTreeSet};

use crate::breaker::plain;
use crate::ranking::{LearnerWeights, TasteWeights};

mod card;
mod explain;
mod facts;
mod ridge;
mod state;
mod taste;
#[cfg(test)]
mod tests;

pub use card::{Card, Line};
pub use explain::{Contribution, Factor, Why};
pub use facts::{Band, Clip, MAX_COMPONENT, MAX_DIMENSIONS, MAX_NAME, MAX_TAGS, Vector, Viewing};
pub use state::{MAX_STATE_BYTES, StateError};

pub(crate) use state::State;
use taste::Leaning;

/// Interests that are kept; the contract's own bound.
pub const MAX_INTERESTS: usize = 100;
/// Topics the person may set by hand.
pub const MAX_SETTINGS: usize = 100;

/// The learner of one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Learner {
    weights: LearnerWeights,
    state: State,
}

impl Learner {
    /// A learner that knows nothing yet.
    #[must_use]
    pub fn new(weights: LearnerWeights) -> Self {
        Learner { weights, state: State::default() }
    }

    /// Uses other weights from now on; what was learnt stays.
    pub fn handle_weights(&mut self, weights: LearnerWeights) {
        self.weights = weights;
    }

    /// Learns one viewing that has ended.
    pub fn handle_viewing(&mut self, clip: &Clip<'_>, viewing: &Viewing) {
        let w = &self.weights;
        let quality = viewing.quality(clip.duration_ms, &w.label);
        let times = if viewing.refused() { w.refusal_viewings } else { 1.0 };
        let residual = quality - clip.sound_prior(w.unknown_prior);
        let state = &mut self.state;
        // What the vectors already explain is not explained a second time by topic or creator.
        let surprise = residual - state.ridge.level() - w.ridge.weight * state.ridge.explain(clip.vector);
        state.topics.fade(w.topic.keep);
        state.creators.fade(w.creator.keep);
        for band in &mut state.lengths {
            band.fade(w.length.keep);
        }
        for topic in clip.sound_topics() {
            state.topics.add(topic, surprise, times);
        }
        state.creators.add(clip.creator, surprise, times);
        // A refusal says something of the topic and the creator, and nothing of the length.
        let band = state.lengths.get_mut(Band::of(clip.duration_ms).index());
        if let Some(band) = band.filter(|_| !viewing.refused()) {
            band.add(surprise, 1.0);
        }
        state.ridge.learn(clip.vector, residual, &w.ridge);
        state.viewings = state.viewings.saturating_add(1);
    }

    /// Replaces the interests chosen at the start; empty is an answer too. Beyond [`MAX_INTERESTS`] the rest is left out.
    pub fn handle_interests(&mut self, topics: impl IntoIterator<Item = String>) {
        let sound = topics.into_iter().filter(|t| facts::sound_name(t));
        self.state.interests = sound.collect::<BTreeSet<_>>().into_iter().take(MAX_INTERESTS).collect();
    }

    /// Sets a topic by the person's own hand, from -1 (as little as possible) to 1; 0 or no number takes the setting away.
    /// Says whether it was taken: a name out of bounds and a setting beyond [`MAX_SETTINGS`] are not.
    pub fn handle_setting(&mut self, topic: &str, value: f64) -> bool {
        let settings = &mut self.state.settings;
        if !value.is_finite() || value == 0.0 {
            return settings.remove(topic).is_some();
        }
        if !facts::sound_name(topic) || (settings.len() >= MAX_SETTINGS && !settings.contains_key(topic)) {
            return false;
        }
        settings.insert(topic.to_owned(), value.clamp(-1.0, 1.0));
        true
    }

    /// Forgets one topic's viewings, under all its spellings.
    pub fn handle_forget(&mut self, topic: &str) {
        let topic = plain(topic);
        self.state.topics.0.retain(|name, _| plain(name) != topic);
    }

    /// Forgets every viewing; interests and settings stay, because the person gave those in so many words.
    pub fn handle_reset(&mut self) {
        let State { interests, settings, .. } = std::mem::take(&mut self.state);
        self.state = State { interests, settings, ..State::default() };
    }

    /// Forgets everything.
    pub fn handle_erase(&mut self) {
        self.state = State::default();
    }

    /// Viewings learnt since the beginning or the last reset.
    #[must_use]
    pub fn viewings(&self) -> u64 {
        self.state.viewings
    }

    /// Interests as they were chosen.
    #[must_use]
    pub fn interests(&self) -> &BTreeSet<String> {
        &self.state.interests
    }

    /// Topics set by hand, each from -1 to 1.
    #[must_use]
    pub fn settings(&self) -> &BTreeMap<String, f64> {
        &self.state.settings
    }

    /// How well the clip is likely to be watched: the server's estimate and what was learnt. Higher is better; only
    /// differences mean something.
    #[must_use]
    pub fn score(&self, clip: &Clip<'_>) -> f64 {
        let mut sum = 0.0;
        self.each_contribution(clip, |_, amount| sum += amount);
        sum
    }

    /// Places of the clips from the best to the worst; of equals the earlier first.
    #[must_use]
    pub fn rank(&self, clips: &[Clip<'_>]) -> Vec<usize> {
        let scores: Vec<f64> = clips.iter().map(|clip| self.score(clip)).collect();
        let mut order: Vec<usize> = (0..clips.len()).collect();
        order.sort_by(|&a, &b| match (scores.get(a), scores.get(b)) {
            (Some(x), Some(y)) => y.total_cmp(x).then(a.cmp(&b)),
            _ => a.cmp(&b),
        });
        order
    }

    /// What makes up the score, in the order in which it is summed.
    #[must_use]
    pub fn contributions(&self, clip: &Clip<'_>) -> Vec<Contribution> {
        let mut out = Vec::new();
        self.each_contribution(clip, |part, amount| out.push(Contribution { factor: part.name(), amount }));
        out
    }

    /// Why one clip stands before or behind another: every factor by which they differ, the greatest first. The amounts sum
    /// to the difference of the two scores.
    #[must_use]
    pub fn why(&self, clip: &Clip<'_>, other: &Clip<'_>) -> Why {
        Why::between(&self.contributions(clip), &self.contributions(other))
    }

    /// What makes up the score of one clip that nothing is compared with.
    #[must_use]
    pub(crate) fn why_alone(&self, clip: &Clip<'_>) -> Why {
        Why::between(&self.contributions(clip), &[])
    }

    /// What the learner believes, in plain words.
    #[must_use]
    pub fn learner_card(&self) -> Card {
        card::card(&self.weights, &self.state)
    }

    /// Bytes that the learner holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.state.bytes()
    }

    /// Everything that is kept of the person, as JSON that [`Learner::restore`] takes.
    ///
    /// # Errors
    /// [`StateError::Format`] where it cannot be written, which no reachable state does.
    pub fn export(&self) -> Result<Vec<u8>, StateError> {
        self.state.write()
    }

    /// A learner as it was exported. The same bytes give the same scores.
    ///
    /// # Errors
    /// Where the bytes are too many, not of this shape or version, or hold what no learner holds; nothing of them is used
    /// then, and the caller starts anew.
    pub fn restore(weights: LearnerWeights, bytes: &[u8]) -> Result<Self, StateError> {
        Ok(Learner { weights, state: State::read(bytes)? })
    }

    /// What is to be kept, beside what others keep.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// A learner of what was kept.
    pub(crate) fn of_state(weights: LearnerWeights, state: State) -> Result<Self, StateError> {
        state.check_version()?;
        Ok(Learner { weights, state })
    }

    /// The one place where a score comes from: parts and amounts, in one order.
    fn each_contribution<'a>(&'a self, clip: &Clip<'a>, mut tell: impl FnMut(explain::Part<'a>, f64)) {
        use explain::Part;
        let (w, state) = (&self.weights, &self.state);
        tell(Part::Server, clip.sound_prior(w.unknown_prior));
        let topics = clip.sound_topics();
        let share = 1.0 / topics.len().max(1) as f64;
        let mut parts: Vec<(Part<'a>, f64)> = Vec::with_capacity(3 + 2 * topics.len());
        parts.push((Part::Alike, w.ridge.weight * state.ridge.explain(clip.vector)));
        for &topic in &topics {
            let leaning = state.topics.get(topic);
            let chosen = state.interests.contains(topic);
            let pretended = w.topic.pretended + if chosen { w.interest.viewings } else { 0.0 };
            parts.push((
                Part::Topic(topic),
                share * w.topic.weight * leaning.effect(pretended, w.topic.chance),
            ));
            if chosen {
                let choice = Leaning { sum: w.interest.viewings * w.interest.lean, weight: leaning.weight };
                parts.push((Part::Interest(topic), share * w.topic.weight * choice.mean(pretended)));
            }
        }
        let taste = |leaning: Leaning, taste: &TasteWeights| {
            taste.weight * leaning.effect(taste.pretended, taste.chance)
        };
        parts.push((Part::Creator(clip.creator), taste(state.creators.get(clip.creator), &w.creator)));
        let band = Band::of(clip.duration_ms);
        let lengths = state.lengths.get(band.index()).copied().unwrap_or_default();
        parts.push((Part::Length(band), taste(lengths, &w.length)));
        let learnt: f64 = parts.iter().map(|(_, amount)| amount).sum();
        let scale = if learnt.abs() > w.most { w.most / learnt.abs() } else { 1.0 };
        for (part, amount) in parts {
            tell(part, amount * scale);
        }
        for &topic in &topics {
            if let Some(value) = state.settings.get(topic) {
                tell(Part::Setting(topic), share * w.setting * value);
            }
        }
        if clip.lift.is_finite() && clip.lift != 0.0 {
            tell(Part::Fairness, clip.lift.clamp(0.0, 1.0));
        }
    }
}
