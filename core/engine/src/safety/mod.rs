//! The safety filter: what may be seen of a candidate, decided on the device before a byte of it is asked for.
//!
//! [`Filter::new`] prepares the [`Rules`] and the person's [`SafetySettings`] once; [`Filter::decide`] then takes time that
//! grows with the text of the item alone. Where labels contradict each other the stricter wins, and a label that nobody
//! defined is taken for a warning. Pure: the time is an argument, and the same inputs give the same decision everywhere.

mod decision;
mod filter;
mod needles;
mod punctuation;
mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod words;

pub use decision::{Action, CAUSES, Cause, Decision, LabelOf, Source, Surfaces, Treatment, Weight};
pub use filter::{Filter, Recipe, Subject};
pub use rules::{Covers, Floor, LABELS, LabelRule, Rules, Severity, TERMS, Term, TermKind, Unknown};
pub use settings::{
    AgeBand, Choice, HarmClass, MutedWord, NAME_BYTES, NAMES, SafetySettings, WORD_BYTES, WORDS,
};

/// Why rules or settings are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SafetyError {
    /// A bound is broken.
    #[error("{0}")]
    Bound(&'static str),
}
