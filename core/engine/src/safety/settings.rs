//! What a person chose to see: kept on the device, bounded, and never sent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SafetyError;

/// Most muted words.
pub const WORDS: usize = 1_000;
/// Longest muted word in bytes; phrases count as words.
pub const WORD_BYTES: usize = 640;
/// Most names in one list of topics, sounds or creators.
pub const NAMES: usize = 5_000;
/// Longest name in bytes, as identifiers are.
pub const NAME_BYTES: usize = 128;

/// How old the person is, as far as the app knows. It decides what may be shown and is no input of any learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeBand {
    /// Nobody said; what is for adults only stays hidden.
    #[default]
    Unknown,
    /// Below 16.
    Under16,
    /// 16 or 17.
    Teen,
    /// 18 or more.
    Adult,
}

/// The harms that short video is charged with, each with defaults of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HarmClass {
    /// Sexual or gruesome.
    Adult,
    /// Fraud and false advertising.
    Scam,
    /// Conspiracy tales.
    Conspiracy,
    /// Propaganda, of states above all.
    Propaganda,
    /// Lights that flash, which can bring on seizures.
    Flashing,
}

/// What is to become of something, least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// It is shown as anything else.
    Show,
    /// It is blurred, or marked where there is nothing to blur.
    Warn,
    /// It is not shown.
    Hide,
}

/// A word or phrase that is not to be seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MutedWord {
    /// The word, 1 to [`WORD_BYTES`] bytes.
    pub value: String,
    /// Looked for in tags alone, not in the caption.
    pub tags_only: bool,
    /// Items of creators whom the person follows are spared.
    pub except_followed: bool,
    /// Milliseconds since 1970 after which it counts no more.
    pub expires_at_ms: Option<i64>,
}

/// Everything a person chose. The default hides what the rules hide by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SafetySettings {
    /// How old the person is.
    pub age: AgeBand,
    /// Whether an adult asked for what is for adults only. Without effect for anybody else.
    pub adult_content: bool,
    /// Choices by harm; what is not named keeps the default of each label.
    pub classes: BTreeMap<HarmClass, Choice>,
    /// Choices by label, which come before those by harm.
    pub labels: BTreeMap<String, Choice>,
    /// Muted words.
    pub words: Vec<MutedWord>,
    /// Muted topics.
    pub topics: BTreeSet<String>,
    /// Muted sounds.
    pub sounds: BTreeSet<String>,
    /// Muted creators.
    pub creators: BTreeSet<String>,
    /// Blocked creators.
    pub blocked: BTreeSet<String>,
}

impl SafetySettings {
    /// Whether the bounds are kept.
    ///
    /// # Errors
    /// [`SafetyError::Bound`] names what breaks one.
    pub fn check(&self) -> Result<(), SafetyError> {
        let word_fits = |w: &MutedWord| !w.value.trim().is_empty() && w.value.len() <= WORD_BYTES;
        if self.words.len() > WORDS || !self.words.iter().all(word_fits) {
            return Err(SafetyError::Bound("muted words: at most 1,000 of 1 to 640 bytes"));
        }
        let lists = [&self.topics, &self.sounds, &self.creators, &self.blocked];
        let list_fits = |list: &&BTreeSet<String>| list.len() <= NAMES && list.iter().all(|n| name_fits(n));
        if !lists.iter().all(list_fits) {
            return Err(SafetyError::Bound("names: at most 5,000 a list, of 1 to 128 bytes"));
        }
        if self.labels.len() > NAMES || !self.labels.keys().all(|n| name_fits(n)) {
            return Err(SafetyError::Bound("labels: at most 5,000 of 1 to 128 bytes"));
        }
        Ok(())
    }

    /// Whether what is for adults only may be shown at all.
    #[must_use]
    pub fn unlocked(&self) -> bool {
        self.adult_content && self.age == AgeBand::Adult
    }
}

pub(super) fn name_fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES
}
