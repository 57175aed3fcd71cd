//! The tape: everything an engine was told and did, so that a session can be played back.
//!
//! An engine decides by what it is told alone, so the same facts in the same order give the same effects, on every machine.
//! [`Taped`] writes both down as lines of JSON; [`replay`] tells a new engine the facts and compares what it does with what
//! was written, byte by byte. A tape holds what was watched and what was said of it: it is for the person's own eyes and for
//! who mends the core, and it never leaves the device by itself.

mod fact;
mod replay;
mod taped;

use serde::{Deserialize, Serialize};

use crate::port::Effect;

pub use fact::{Fact, Learnt};
pub use replay::{Difference, Replayed, replay};
pub use taped::Taped;

/// Version of the lines.
pub const VERSION: u32 = 1;

/// The first line of a tape.
#[must_use]
pub fn header() -> String {
    format!("{{\"unspool_tape\":{VERSION},\"core\":\"{}\"}}", env!("CARGO_PKG_VERSION"))
}

/// One line: of which feed, and what.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    feed: u64,
    #[serde(flatten)]
    wrote: Wrote,
}

/// What a line holds.
// A line lives until it is text.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wrote {
    /// The engine was told this.
    Told(Fact),
    /// The engine did this, in words that name every field.
    Did(String),
}

impl Wrote {
    fn did(effect: &Effect) -> Self {
        Wrote::Did(format!("{effect:?}"))
    }
}

impl Line {
    fn text(&self) -> String {
        // Numbers, texts and maps with texts for keys are all there is; a line that says nothing is found by the reader.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a tape cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It does not begin as a tape does.
    #[error("this is no tape")]
    NoTape,
    /// It is of another version.
    #[error("the tape has version {0}")]
    Version(u32),
    /// A line cannot be read.
    #[error("line {number} cannot be read: {reason}")]
    Line {
        /// Which one, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// A fact comes before the engine it is for.
    #[error("a fact comes before the engine it is for")]
    NoEngine,
    /// A filter cannot be made again.
    #[error("a filter cannot be made again: {0}")]
    Filter(String),
    /// What was learnt cannot be read.
    #[error("what was learnt cannot be read: {0}")]
    Pipeline(String),
}
