//! What labels mean: versioned data that anybody can read, not code.
//!
//! Whoever loads rules from elsewhere has verified who wrote them; the engine checks their bounds alone. The rules that come
//! with the core have version 0, so that any others take their place.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::SafetyError;
use super::settings::{AgeBand, Choice, HarmClass, WORD_BYTES, name_fits};

/// Most labels that rules may define.
pub const LABELS: usize = 1_000;
/// Most terms that rules may hold.
pub const TERMS: usize = 10_000;
/// Most floors: one for each harm and age band.
const FLOORS: usize = 16;

/// What a label covers of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// The whole card.
    #[default]
    Content,
    /// Picture and sound; words stay readable.
    Media,
    /// Nothing: the card is marked.
    Nothing,
}

/// How a mark is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// No mark.
    #[default]
    None,
    /// Something to know.
    Inform,
    /// A warning.
    Alert,
}

/// What one label means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRule {
    /// The label.
    pub label: String,
    /// The harm it names, where it names one.
    #[serde(default)]
    pub class: Option<HarmClass>,
    /// What happens where the person chose nothing.
    pub default: Choice,
    /// The person cannot choose: the default always holds.
    #[serde(default)]
    pub fixed: bool,
    /// The person cannot reveal what it covers.
    #[serde(default)]
    pub no_override: bool,
    /// It counts only where the backend puts it, not where a creator does.
    #[serde(default)]
    pub not_by_creator: bool,
    /// It counts only for people who are not signed in.
    #[serde(default)]
    pub signed_out_only: bool,
    /// It is for adults who asked for it.
    #[serde(default)]
    pub adults_only: bool,
    /// People of these ages never see it.
    #[serde(default)]
    pub hidden_from: BTreeSet<AgeBand>,
    /// What it covers.
    #[serde(default)]
    pub covers: Covers,
    /// How it marks what it does not cover.
    #[serde(default)]
    pub severity: Severity,
}

/// The least that happens to a harm for people of an age; they cannot choose less, nor reveal it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The harm.
    pub class: HarmClass,
    /// The age.
    pub age: AgeBand,
    /// The least.
    pub least: Choice,
}

/// What a term is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TermKind {
    /// The identifier of an item.
    Item,
    /// The identifier of a creator.
    Creator,
    /// A topic.
    Topic,
    /// A sound.
    Sound,
    /// A word of the caption, the description or the tags.
    Word,
}

/// Something other than a label that tells a harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Where it is looked for.
    pub kind: TermKind,
    /// What is looked for.
    pub value: String,
    /// The harm it tells.
    pub class: HarmClass,
    /// What happens where the person chose nothing.
    pub default: Choice,
}

/// What happens for a label that the rules do not define.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// To people below 18.
    pub minors: Choice,
    /// To everybody else.
    pub others: Choice,
}

impl Default for Unknown {
    /// The cautious answer: nobody knows what it warns of.
    fn default() -> Self {
        Unknown { minors: Choice::Hide, others: Choice::Warn }
    }
}

/// A version of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Grows with every change.
    pub version: u64,
    /// What labels mean.
    pub labels: Vec<LabelRule>,
    /// What holds for an age whatever a person chose.
    #[serde(default)]
    pub floors: Vec<Floor>,
    /// Words, sounds, topics, creators and items that tell a harm.
    #[serde(default)]
    pub terms: Vec<Term>,
    /// What happens for any other label.
    #[serde(default)]
    pub unknown: Unknown,
}

impl Rules {
    /// Whether the bounds are kept.
    ///
    /// # Errors
    /// [`SafetyError::Bound`] names what breaks one.
    pub fn check(&self) -> Result<(), SafetyError> {
        if self.labels.len() > LABELS || !self.labels.iter().all(|l| name_fits(&l.label)) {
            return Err(SafetyError::Bound("rules: at most 1,000 labels of 1 to 128 bytes"));
        }
        let term_fits = |t: &Term| !t.value.trim().is_empty() && t.value.len() <= WORD_BYTES;
        if self.terms.len() > TERMS || !self.terms.iter().all(term_fits) {
            return Err(SafetyError::Bound("rules: at most 10,000 terms of 1 to 640 bytes"));
        }
        if self.floors.len() > FLOORS {
            return Err(SafetyError::Bound("rules: at most one floor for each harm and age"));
        }
        Ok(())
    }
}

impl Default for Rules {
    /// The rules that come with the core: the labels of the AT Protocol with its meanings, those of the native contract,
    /// and names for the harms.
    fn default() -> Self {
        Rules {
            version: 0,
            labels: labels(),
            floors: floors(),
            terms: Vec::new(),
            unknown: Unknown::default(),
        }
    }
}

fn rule(label: &str, default: Choice) -> LabelRule {
    LabelRule {
        label: label.into(),
        class: None,
        default,
        fixed: false,
        no_override: false,
        not_by_creator: false,
        signed_out_only: false,
        adults_only: false,
        hidden_from: BTreeSet::new(),
        covers: Covers::Content,
        severity: Severity::None,
    }
}

fn labels() -> Vec<LabelRule> {
    let system = |label, default, no_override| LabelRule {
        fixed: true,
        no_override,
        not_by_creator: true,
        ..rule(label, default)
    };
    let adult = |label, default, adults_only| LabelRule {
        class: Some(HarmClass::Adult),
        adults_only,
        covers: Covers::Media,
        ..rule(label, default)
    };
    let scam = |label| LabelRule { class: Some(HarmClass::Scam), ..rule(label, Choice::Hide) };
    // Marked, and never brought in front of people who did not look for it: what is doubtful is neither spread nor erased.
    let doubtful = |label, class, severity| LabelRule {
        class: Some(class),
        covers: Covers::Nothing,
        severity,
        ..rule(label, Choice::Warn)
    };
    let rated = |label, ages: &[AgeBand]| LabelRule {
        hidden_from: ages.iter().copied().collect(),
        ..rule(label, Choice::Show)
    };
    let mut all = vec![
        system("!hide", Choice::Hide, true),
        system("!warn", Choice::Warn, false),
        LabelRule {
            signed_out_only: true,
            not_by_creator: false,
            ..system("!no-unauthenticated", Choice::Hide, true)
        },
        adult("porn", Choice::Hide, true),
        adult("sexual", Choice::Warn, true),
        adult("nudity", Choice::Show, false),
        adult("graphic-media", Choice::Warn, true),
        adult("gore", Choice::Warn, true),
        scam("scam"),
        scam("fraud"),
        scam("false_advertising"),
        doubtful("conspiracy", HarmClass::Conspiracy, Severity::Alert),
        doubtful("misinformation", HarmClass::Conspiracy, Severity::Alert),
        doubtful("propaganda", HarmClass::Propaganda, Severity::Alert),
        doubtful("state_media", HarmClass::Propaganda, Severity::Inform),
        // Covered until a tap: nobody with photosensitive epilepsy meets it unasked, whatever plays by itself.
        LabelRule {
            class: Some(HarmClass::Flashing),
            covers: Covers::Media,
            ..rule("flashing", Choice::Warn)
        },
        rated("rated_16", &[AgeBand::Under16]),
        rated("rated_18", &[AgeBand::Unknown, AgeBand::Under16, AgeBand::Teen]),
    ];
    // They tell how something was made or who looked at it, and warn of nothing.
    all.extend(["reviewed", "ai_generated", "paid_promotion", "bot"].map(|label| rule(label, Choice::Show)));
    all
}

fn floors() -> Vec<Floor> {
    let floor = |class, age, least| Floor { class, age, least };
    vec![
        floor(HarmClass::Adult, AgeBand::Unknown, Choice::Warn),
        floor(HarmClass::Adult, AgeBand::Under16, Choice::Hide),
        floor(HarmClass::Adult, AgeBand::Teen, Choice::Hide),
        floor(HarmClass::Scam, AgeBand::Under16, Choice::Hide),
        floor(HarmClass::Scam, AgeBand::Teen, Choice::Hide),
        floor(HarmClass::Conspiracy, AgeBand::Under16, Choice::Hide),
        floor(HarmClass::Conspiracy, AgeBand::Teen, Choice::Warn),
        floor(HarmClass::Propaganda, AgeBand::Under16, Choice::Hide),
        floor(HarmClass::Propaganda, AgeBand::Teen, Choice::Warn),
    ]
}
