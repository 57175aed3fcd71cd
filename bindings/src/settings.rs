//! Everything a person can decide as one value, what was chosen beside what holds without it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::safety::SafetySettings;
use crate::session::Unspool;
use crate::telemetry::Purpose;
use crate::wellbeing::{LimitChoices, Limits};

/// Preferences as they hold, or as they would if nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Preferences {
    /// Languages of captions, best first; none turns them off.
    pub captions: Vec<String>,
    /// Nothing moves without a tap: no card plays by itself.
    pub reduced_motion: bool,
    /// Fetch little where it is paid for.
    pub data_saver: bool,
    /// What telemetry may be collected for, beyond doing what the person asked for.
    pub consent: Vec<Purpose>,
}

/// Preferences that were chosen; what was not follows the device and the app.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PreferenceChoices {
    /// Languages of captions, best first, at most 16 tags of 35 bytes; none turns them off.
    #[uniffi(default = None)]
    pub captions: Option<Vec<String>>,
    /// Nothing moves without a tap: no card plays by itself.
    #[uniffi(default = None)]
    pub reduced_motion: Option<bool>,
    /// Fetch little where it is paid for.
    #[uniffi(default = None)]
    pub data_saver: Option<bool>,
    /// What telemetry may be collected for, beyond doing what the person asked for.
    #[uniffi(default = None)]
    pub consent: Option<Vec<Purpose>>,
}

/// Everything a person can decide, as it is now: what holds, what was chosen, and what would hold without that.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Settings {
    /// Grows with every change; ask with it for the next one.
    pub revision: u64,
    /// What may be seen; changed with `setSafety` and `setBlocked`.
    pub safety: SafetySettings,
    /// Version of the safety rules in use.
    pub rules_version: u64,
    /// Limits that were chosen; changed with `setLimits`.
    pub limits_chosen: LimitChoices,
    /// Limits of the policy for this age.
    pub limits_policy: Limits,
    /// Limits that hold.
    pub limits: Limits,
    /// Whether loosening limits takes a passcode.
    pub guarded: bool,
    /// Whether there is a passcode.
    pub passcode: bool,
    /// Preferences that were chosen; changed with `setPreferences`.
    pub preferences_chosen: PreferenceChoices,
    /// Preferences of the device and the app.
    pub preferences_policy: Preferences,
    /// Preferences that hold.
    pub preferences: Preferences,
    /// Topics the person is interested in, in alphabetical order; changed with `setInterests`.
    pub interests: Vec<String>,
}

#[uniffi::export]
impl Unspool {
    /// Everything the person can decide, as it is now.
    #[uniffi::method(default(cancel = None))]
    pub async fn settings(&self, cancel: Option<Arc<CancelToken>>) -> Result<Settings, UnspoolError> {
        // Every snapshot is newer than none.
        Ok(unless_cancelled(cancel, self.core.settings_after(0)).await?.into())
    }

    /// Waits for settings newer than `revision`. Asking again after a cancelled wait loses nothing.
    #[uniffi::method(default(cancel = None))]
    pub async fn settings_after(
        &self,
        revision: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Settings, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.settings_after(revision)).await?.into())
    }

    /// Replaces the preferences that were chosen: languages of captions, reduced motion, data saver, consent. On disk when it
    /// returns, never sent, and in force at once and in later sessions. Fails with `Config` when a bound is broken, and
    /// changes nothing then.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_preferences(
        &self,
        chosen: PreferenceChoices,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_preferences(chosen.into())).await
    }
}

/// Purposes a person can decide about; doing what they asked for is none of them.
fn purposes(agreed: BTreeSet<unspool::Purpose>) -> Vec<Purpose> {
    let purpose = |purpose| match purpose {
        unspool::Purpose::Service => None,
        unspool::Purpose::Personalisation => Some(Purpose::Personalisation),
        unspool::Purpose::Measurement => Some(Purpose::Measurement),
        unspool::Purpose::Quality => Some(Purpose::Quality),
    };
    agreed.into_iter().filter_map(purpose).collect()
}

impl From<unspool::Preferences> for Preferences {
    fn from(preferences: unspool::Preferences) -> Self {
        let unspool::Preferences { captions, reduced_motion, data_saver, consent } = preferences;
        Preferences { captions, reduced_motion, data_saver, consent: purposes(consent) }
    }
}

impl From<unspool::PreferenceChoices> for PreferenceChoices {
    fn from(chosen: unspool::PreferenceChoices) -> Self {
        let unspool::PreferenceChoices { captions, reduced_motion, data_saver, consent } = chosen;
        PreferenceChoices { captions, reduced_motion, data_saver, consent: consent.map(purposes) }
    }
}

impl From<PreferenceChoices> for unspool::PreferenceChoices {
    fn from(chosen: PreferenceChoices) -> Self {
        let PreferenceChoices { captions, reduced_motion, data_saver, consent } = chosen;
        let agreed = |purposes: Vec<Purpose>| purposes.into_iter().map(unspool::Purpose::from).collect();
        unspool::PreferenceChoices { captions, reduced_motion, data_saver, consent: consent.map(agreed) }
    }
}

impl From<unspool::Settings> for Settings {
    fn from(settings: unspool::Settings) -> Self {
        let unspool::Settings {
            revision,
            safety,
            rules_version,
            limits_chosen,
            limits_policy,
            limits,
            guarded,
            passcode,
            preferences_chosen,
            preferences_policy,
            preferences,
            interests,
        } = settings;
        Settings {
            revision,
            safety: safety.into(),
            rules_version,
            limits_chosen: limits_chosen.into(),
            limits_policy: limits_policy.into(),
            limits: limits.into(),
            guarded,
            passcode,
            preferences_chosen: preferences_chosen.into(),
            preferences_policy: preferences_policy.into(),
            preferences: preferences.into(),
            interests: interests.into_iter().collect(),
        }
    }
}
