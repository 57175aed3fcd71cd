//! What the learner believes, as a card the person can read and change.

use serde::Serialize;

use super::facts::Band;
use super::state::State;
use super::taste::{Leaning, Table};
use crate::ranking::{LearnerWeights, TasteWeights};

/// Weight below which an entry is not worth a line: half a viewing.
const LEAST: f64 = 0.5;

/// One belief.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The topic, creator or length it is about.
    pub about: String,
    /// What is believed, in plain words.
    pub words: String,
    /// What it adds to the score of such a clip.
    pub amount: f64,
    /// Viewings it rests on, older ones counting less.
    pub viewings: f64,
}

/// What the learner believes about the person, strongest first in each list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// All of it in a few sentences.
    pub words: String,
    /// Viewings learnt since the beginning or the last reset.
    pub viewings: u64,
    /// Topics.
    pub topics: Vec<Line>,
    /// Creators.
    pub creators: Vec<Line>,
    /// Lengths.
    pub lengths: Vec<Line>,
    /// Topics chosen at the start.
    pub interests: Vec<String>,
    /// Topics set by hand, from -1 to 1.
    pub settings: Vec<(String, f64)>,
}

pub(super) fn card(weights: &LearnerWeights, state: &State) -> Card {
    let topics = lines(&state.topics, &weights.topic, "about");
    let creators = lines(&state.creators, &weights.creator, "by");
    let mut lengths: Vec<Line> = Band::ALL
        .iter()
        .zip(&state.lengths)
        .filter_map(|(band, leaning)| line(band.words(), leaning, &weights.length, "of"))
        .collect();
    order(&mut lengths);
    let name = |lines: &[Line], wanted: fn(f64) -> bool| {
        let names: Vec<&str> =
            lines.iter().filter(|l| wanted(l.amount)).take(3).map(|l| l.about.as_str()).collect();
        if names.is_empty() { "nothing yet".to_owned() } else { names.join(", ") }
    };
    let words = format!(
        "Learnt from {} viewings on this device. You watch longer than expected: {}. Shorter: {}. You chose: {}. Set by \
         your own hand: {}. You can change, reset, take out or erase all of it.",
        state.viewings,
        name(&topics, |amount| amount > 0.0),
        name(&topics, |amount| amount < 0.0),
        if state.interests.is_empty() { "nothing".to_owned() } else { join(state.interests.iter()) },
        if state.settings.is_empty() { "nothing".to_owned() } else { join(state.settings.keys()) },
    );
    Card {
        words,
        viewings: state.viewings,
        topics,
        creators,
        lengths,
        interests: state.interests.iter().cloned().collect(),
        settings: state.settings.iter().map(|(topic, value)| (topic.clone(), *value)).collect(),
    }
}

fn join<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn lines(table: &Table, weights: &TasteWeights, how: &str) -> Vec<Line> {
    let mut out: Vec<Line> =
        table.0.iter().filter_map(|(name, leaning)| line(name, leaning, weights, how)).collect();
    order(&mut out);
    out
}

fn order(lines: &mut [Line]) {
    lines.sort_by(|a, b| b.amount.abs().total_cmp(&a.amount.abs()).then_with(|| a.about.cmp(&b.about)));
}

fn line(about: &str, leaning: &Leaning, weights: &TasteWeights, how: &str) -> Option<Line> {
    if leaning.weight < LEAST {
        return None;
    }
    let amount = weights.weight * leaning.effect(weights.pretended, weights.chance);
    let words = match amount {
        a if a > 0.0 => format!("You watch videos {how} {about} longer than expected."),
        a if a < 0.0 => format!("You watch videos {how} {about} shorter than expected."),
        _ => format!("Videos {how} {about}: nothing that chance would not explain."),
    };
    Some(Line { about: about.to_owned(), words, amount, viewings: leaning.weight })
}
