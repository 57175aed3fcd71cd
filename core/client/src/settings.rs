//! Everything a person can decide, as one value by revision.
//!
//! The rooms own their parts: the safety filter its choices, well-being its limits, the spool consent, the outbox interests.
//! Here are the preferences, their record, and the snapshot that holds all of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use unspool_engine::Conditions;
use unspool_engine::schema::Consent;
use unspool_engine::settings::{self, PreferenceChoices, Preferences, Settings};
use unspool_media::tasks;

use crate::config::Config;
use crate::core::Core;
use crate::driver::{Control, Input};
use crate::error::Error;
use crate::session::Unspool;
use crate::store::{SessionStore, StoreError};
use crate::wishes::languages_fit;
use crate::work::blocking;

/// The preferences of a session.
#[derive(Debug)]
pub(crate) struct SettingsRoom {
    store: Arc<SessionStore>,
    record: String,
    /// What holds where nothing was chosen. Nobody holds this lock and that of the choice at once.
    policy: Mutex<Preferences>,
    chosen: Mutex<PreferenceChoices>,
    pub(crate) snapshot: watch::Sender<Option<Settings>>,
}

impl SettingsRoom {
    /// Reads what was chosen. A record that cannot be read counts as none.
    pub(crate) fn open(store: Arc<SessionStore>, config: &Config) -> Result<Self, StoreError> {
        let record = format!("settings:{}", config.account);
        let chosen = store.recall(&record)?.and_then(|text| {
            let read = PreferenceChoices::read(&text).map_err(|e| e.to_string());
            let read = read.and_then(|chosen| fits(&chosen).map(|()| chosen).map_err(|e| e.to_string()));
            read.inspect_err(|e| tracing::warn!(%e, "the preferences that were kept are not used")).ok()
        });
        let mut chosen: PreferenceChoices = chosen.unwrap_or_default();
        if let Some(agreed) = &mut chosen.consent {
            // What either the person or the app withholds is withheld.
            agreed.retain(|&purpose| config.consent.covers(purpose));
        }
        let policy = Preferences {
            captions: config.captions.clone(),
            reduced_motion: config.reduced_motion,
            data_saver: config.conditions.data_saver,
            consent: settings::purposes(config.consent),
        };
        Ok(SettingsRoom {
            store,
            record,
            policy: Mutex::new(policy),
            chosen: Mutex::new(chosen),
            snapshot: watch::Sender::new(None),
        })
    }

    /// What holds.
    pub(crate) fn in_force(&self) -> Preferences {
        let chosen = self.chosen().clone();
        chosen.over(&self.policy())
    }

    /// What the person agreed to.
    pub(crate) fn consent(&self) -> Consent {
        settings::consent(&self.in_force().consent)
    }

    /// Conditions as the person wants them to count.
    pub(crate) fn over(&self, conditions: Conditions) -> Conditions {
        self.policy().data_saver = conditions.data_saver;
        Conditions { data_saver: self.in_force().data_saver, ..conditions }
    }

    /// What was chosen.
    pub(crate) fn chosen(&self) -> MutexGuard<'_, PreferenceChoices> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what was chosen. Blocks for the disk.
    fn choose(&self, chosen: PreferenceChoices) -> Result<(), Error> {
        fits(&chosen)?;
        let mut held = self.chosen();
        let text = chosen.record().map_err(|e| Error::Config { reason: e.to_string() })?;
        let written = self.store.remember_for_sure(&self.record, &text);
        written.map_err(|e| Error::Storage { reason: e.to_string() })?;
        *held = chosen;
        Ok(())
    }

    fn policy(&self) -> MutexGuard<'_, Preferences> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fits(chosen: &PreferenceChoices) -> Result<(), Error> {
    chosen.check().map_err(|e| Error::Config { reason: e.to_string() })?;
    chosen.captions.as_deref().map_or(Ok(()), languages_fit)
}

impl Core {
    /// Makes the snapshot anew; told if anything is different.
    pub(crate) fn settings_changed(&self) -> Settings {
        let view = self.wellbeing.states().borrow().view;
        let room = &self.settings;
        let policy = room.policy().clone();
        let chosen = room.chosen().clone();
        let interests = self.interests_now();
        let mut next = Settings {
            revision: 0,
            safety: self.safety.settings(),
            rules_version: self.safety.version(),
            limits_chosen: view.choices,
            limits_policy: view.policy,
            limits: view.limits,
            guarded: view.guarded,
            passcode: view.guard.is_set,
            preferences: chosen.over(&policy),
            preferences_chosen: chosen,
            preferences_policy: policy,
            interests,
        };
        room.snapshot.send_if_modified(|held| {
            next.revision = held.as_ref().map_or(0, |held| held.revision);
            let differs = held.as_ref() != Some(&next);
            if differs {
                next.revision += 1;
                *held = Some(next.clone());
            }
            differs
        });
        next
    }

    fn interests_now(&self) -> BTreeSet<String> {
        let told = self.outbox.interests(&self.config.account);
        told.inspect_err(|error| tracing::warn!(%error, "no interests"))
            .unwrap_or_default()
            .into_iter()
            .collect()
    }
}

impl Unspool {
    /// Everything the person can decide, as it is now: limits, filter, consent, preferences and interests, what was chosen
    /// beside what the policy says. Reads the disk at most for interests.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core().settings_changed()
    }

    /// Waits for settings newer than `revision`. Asking again after a cancelled wait loses nothing.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub async fn settings_after(&self, revision: u64) -> Result<Settings, Error> {
        let core = Arc::clone(self.core());
        self.read(async move {
            core.settings_changed();
            let mut states = core.settings.snapshot.subscribe();
            let newer = |held: &Option<Settings>| held.as_ref().is_some_and(|held| held.revision > revision);
            let state = states.wait_for(newer).await.map_err(|_| Error::ShutDown)?;
            state.clone().ok_or(Error::ShutDown)
        })
        .await
    }

    /// Replaces the preferences that were chosen: languages of captions, reduced motion, data saver, consent. What is `None`
    /// follows the device and the app. On disk when it returns, never sent, and in force at once and in later sessions.
    ///
    /// # Errors
    /// [`Error::Config`] when a bound is broken, [`Error::Storage`] when the disk refuses. Nothing is changed then.
    pub async fn set_preferences(&self, chosen: PreferenceChoices) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            let core = Arc::clone(session.core());
            blocking(move || core.settings.choose(chosen)).await?;
            session.apply_preferences().await
        })
        .await
    }

    /// Brings what holds to everybody whom it concerns.
    async fn apply_preferences(&self) -> Result<(), Error> {
        let core = self.core();
        let holds = core.settings.in_force();
        core.board.change(|wishes| {
            wishes.captions.clone_from(&holds.captions);
            wishes.reduced_motion = holds.reduced_motion;
        });
        self.tell(Input::Control(Control::Captions));
        self.tell(Input::Control(Control::Motion));
        self.set_conditions(self.conditions());
        core.settings_changed();
        core.spool
            .set_consent(settings::consent(&holds.consent))
            .await
            .map(drop)
            .map_err(|e| Error::Storage { reason: e.to_string() })
    }

    /// Keeps the languages of captions for later sessions, beside the caller.
    pub(crate) fn remember_captions(&self, languages: Vec<String>) {
        let core = Arc::clone(self.core());
        core.settings.chosen().captions = Some(languages);
        tasks::spawn_blocking_on(self.handle(), move || {
            let chosen = core.settings.chosen().clone();
            if let Err(error) = core.settings.choose(chosen) {
                tracing::warn!(%error, "the languages of captions are not remembered");
            }
            core.settings_changed();
        });
    }

    /// Changes a part of the preferences.
    pub(crate) async fn prefer(
        &self,
        change: impl FnOnce(&mut PreferenceChoices) + Send + 'static,
    ) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        blocking(move || {
            let mut chosen = core.settings.chosen().clone();
            change(&mut chosen);
            core.settings.choose(chosen)
        })
        .await?;
        self.apply_preferences().await
    }
}
