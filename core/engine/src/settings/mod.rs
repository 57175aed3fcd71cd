//! One place for what a person chose: limits, filter, consent and preferences, beside what holds where nothing was chosen.
//!
//! [`Settings`] is one value with a revision. Parts are changed one at a time by the rooms that own them; here is what they
//! mean, how they are bounded, and the text they are kept and exported as.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::captions::MOST_WISHES;
use crate::safety::SafetySettings;
use crate::schema::{Consent, Purpose};
use crate::wellbeing::{Choices, Limits};

/// Longest language tag in bytes: the 35 characters that RFC 5646 advises room for.
pub const LANGUAGE_BYTES: usize = 35;
/// Longest record of preferences in bytes.
pub const RECORD_BYTES: usize = 8 * 1024;
const VERSION: u32 = 1;

/// Preferences as they hold, or as they would if nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Preferences {
    /// Languages of captions, best first; none turns them off.
    pub captions: Vec<String>,
    /// Nothing moves without a tap: no card plays by itself.
    pub reduced_motion: bool,
    /// Fetch little where it is paid for.
    pub data_saver: bool,
    /// Purposes that events may be recorded for.
    pub consent: BTreeSet<Purpose>,
}

/// What was chosen; what was not follows the device and the app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PreferenceChoices {
    /// See [`Preferences::captions`].
    pub captions: Option<Vec<String>>,
    /// See [`Preferences::reduced_motion`].
    pub reduced_motion: Option<bool>,
    /// See [`Preferences::data_saver`].
    pub data_saver: Option<bool>,
    /// See [`Preferences::consent`].
    pub consent: Option<BTreeSet<Purpose>>,
}

/// Why choices are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Too many languages, or one that is too long.
    #[error("languages of captions: at most {MOST_WISHES} of 1 to {LANGUAGE_BYTES} bytes")]
    Languages,
    /// The record is longer than [`RECORD_BYTES`].
    #[error("the record has {0} bytes")]
    TooLong(usize),
    /// A newer core wrote the record.
    #[error("the record has version {0}")]
    Version(u32),
    /// The record cannot be read.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    preferences: PreferenceChoices,
}

impl PreferenceChoices {
    /// Whether the bounds are kept.
    ///
    /// # Errors
    /// [`SettingsError::Languages`].
    pub fn check(&self) -> Result<(), SettingsError> {
        let fits = |tag: &String| (1..=LANGUAGE_BYTES).contains(&tag.len());
        match &self.captions {
            Some(tags) if tags.len() > MOST_WISHES || !tags.iter().all(fits) => Err(SettingsError::Languages),
            _ => Ok(()),
        }
    }

    /// What holds when these are chosen over what would hold without.
    #[must_use]
    pub fn over(&self, without: &Preferences) -> Preferences {
        let mut consent = self.consent.clone().unwrap_or_else(|| without.consent.clone());
        consent.insert(Purpose::Service);
        Preferences {
            captions: self.captions.clone().unwrap_or_else(|| without.captions.clone()),
            reduced_motion: self.reduced_motion.unwrap_or(without.reduced_motion),
            data_saver: self.data_saver.unwrap_or(without.data_saver),
            consent,
        }
    }

    /// The record that outlives the process.
    ///
    /// # Errors
    /// [`SettingsError`] when a bound is broken.
    pub fn record(&self) -> Result<String, SettingsError> {
        self.check()?;
        let record = Record { version: VERSION, preferences: self.clone() };
        serde_json::to_string(&record).map_err(|e| SettingsError::Damaged(e.to_string()))
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing was chosen then.
    pub fn read(text: &str) -> Result<Self, SettingsError> {
        if text.len() > RECORD_BYTES {
            return Err(SettingsError::TooLong(text.len()));
        }
        let record: Record = serde_json::from_str(text).map_err(|e| SettingsError::Damaged(e.to_string()))?;
        if record.version != VERSION {
            return Err(SettingsError::Version(record.version));
        }
        record.preferences.check()?;
        Ok(record.preferences)
    }
}

/// Purposes as a set that can be written down.
#[must_use]
pub fn purposes(consent: Consent) -> BTreeSet<Purpose> {
    Purpose::ALL.into_iter().filter(|&purpose| consent.covers(purpose)).collect()
}

/// The same the other way round.
#[must_use]
pub fn consent(purposes: &BTreeSet<Purpose>) -> Consent {
    purposes.iter().copied().fold(Consent::none(), Consent::with)
}

/// Everything a person can decide, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Grows with every change; ask with it for the next one.
    pub revision: u64,
    /// What may be seen.
    pub safety: SafetySettings,
    /// Version of the safety rules in use.
    pub rules_version: u64,
    /// Limits that were chosen.
    pub limits_chosen: Choices,
    /// Limits of the policy for this age.
    pub limits_policy: Limits,
    /// Limits that hold.
    pub limits: Limits,
    /// Whether loosening limits takes a passcode.
    pub guarded: bool,
    /// Whether there is a passcode.
    pub passcode: bool,
    /// Preferences that were chosen.
    pub preferences_chosen: PreferenceChoices,
    /// Preferences of the device and the app.
    pub preferences_policy: Preferences,
    /// Preferences that hold.
    pub preferences: Preferences,
    /// Topics the person is interested in.
    pub interests: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_stands_beside_what_holds_without_it() {
        let policy = Preferences {
            captions: vec!["en".into()],
            consent: purposes(Consent::all()),
            ..Preferences::default()
        };
        assert_eq!(PreferenceChoices::default().over(&policy), policy);
        let chosen = PreferenceChoices {
            captions: Some(Vec::new()),
            reduced_motion: Some(true),
            consent: Some([Purpose::Measurement].into()),
            ..PreferenceChoices::default()
        };
        let holds = chosen.over(&policy);
        assert!(holds.captions.is_empty() && holds.reduced_motion && !holds.data_saver);
        assert_eq!(consent(&holds.consent), Consent::none().with(Purpose::Measurement));
        assert_eq!(PreferenceChoices::read(&chosen.record().unwrap()), Ok(chosen));
    }

    #[test]
    fn records_are_versioned_and_bounded() {
        let read = PreferenceChoices::read;
        assert_eq!(read(&" ".repeat(RECORD_BYTES + 1)), Err(SettingsError::TooLong(RECORD_BYTES + 1)));
        assert_eq!(read(r#"{"version":2,"preferences":{}}"#), Err(SettingsError::Version(2)));
        assert!(matches!(read("{}"), Err(SettingsError::Damaged(_))));
        let many = PreferenceChoices { captions: Some(vec!["en".into(); 17]), ..Default::default() };
        assert_eq!(many.check(), Err(SettingsError::Languages));
        assert!(many.record().is_err());
        let text = format!(r#"{{"version":1,"preferences":{{"captions":["{}"]}}}}"#, "a".repeat(36));
        assert_eq!(read(&text), Err(SettingsError::Languages));
        assert_eq!(read(r#"{"version":1,"preferences":{"new":1}}"#), Ok(PreferenceChoices::default()));
    }
}
