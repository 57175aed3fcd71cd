//! What a session knows of the safety filter: the rules, what the person chose, and the filter made of both.
//!
//! Both are in the session's database, so that they hold with no network and after a kill. Whoever decides anew writes it
//! down first; the open feed takes the new filter in its next turn.

mod signed;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use unspool_engine::safety::{Filter, Rules, SafetyError, SafetySettings};

use crate::clock::Clock;
use crate::erase::guarding;
use crate::error::Error;
use crate::store::{SessionStore, StoreError};

pub use signed::{CONTEXT as RULES_CONTEXT, RULES_BYTES, RulesError};

/// The record of the signed rules, as they came.
const RULES: &str = "rules";

/// The safety filter of a session.
#[derive(Debug)]
pub(crate) struct SafetyRoom {
    store: Arc<SessionStore>,
    keys: Vec<[u8; 32]>,
    record: String,
    state: Mutex<State>,
    filter: watch::Sender<Arc<Filter>>,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    settings: SafetySettings,
    /// Items that were reported.
    hidden: BTreeSet<String>,
}

impl State {
    fn filter(&self) -> Result<Filter, SafetyError> {
        let filter = Filter::new(&self.rules, &self.settings, Clock::wall())?;
        Ok(filter.hiding(self.hidden.clone()))
    }
}

impl SafetyRoom {
    /// Reads what was kept. Rules that cannot be verified any more, and a record that cannot be read, count as none: the
    /// defaults are the cautious ones.
    pub(crate) fn open(
        store: Arc<SessionStore>,
        keys: Vec<[u8; 32]>,
        account: &str,
        hidden: BTreeSet<String>,
    ) -> Result<Self, StoreError> {
        let record = format!("safety:{account}");
        let rules = store.recall(RULES)?.and_then(|signed| {
            let rules = signed::verified(signed.as_bytes(), &keys);
            rules.inspect_err(|e| tracing::warn!(%e, "the rules that were kept are not used")).ok()
        });
        let json = match store.recall(&record)? {
            // The age outlives the erasure of the account.
            None => store.recall(&guarding("safety", account))?,
            json => json,
        };
        let settings = json.and_then(|json| {
            let settings = serde_json::from_str::<SafetySettings>(&json).map_err(|e| e.to_string());
            let settings = settings.and_then(|s| s.check().map(|()| s).map_err(|e| e.to_string()));
            settings.inspect_err(|e| tracing::warn!(%e, "the choices that were kept are not used")).ok()
        });
        let state =
            State { rules: rules.unwrap_or_default(), settings: settings.unwrap_or_default(), hidden };
        let filter = state.filter().unwrap_or_else(|_| Filter::cautious());
        let filter = watch::Sender::new(Arc::new(filter));
        Ok(SafetyRoom { store, keys, record, state: Mutex::new(state), filter })
    }

    /// The filter in use and those to come.
    pub(crate) fn filter(&self) -> watch::Receiver<Arc<Filter>> {
        self.filter.subscribe()
    }

    /// What the person chose.
    pub(crate) fn settings(&self) -> SafetySettings {
        self.state().settings.clone()
    }

    /// Version of the rules in use.
    pub(crate) fn version(&self) -> u64 {
        self.state().rules.version
    }

    /// Whether signed rules can be taken at all.
    pub(crate) fn takes_rules(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Replaces what the person chose. Blocks for the disk.
    pub(crate) fn set_settings(&self, settings: SafetySettings) -> Result<(), Error> {
        let mut state = self.state();
        let filter = Filter::new(&state.rules, &settings, Clock::wall()).map_err(wrong)?;
        let filter = filter.hiding(state.hidden.clone());
        let json = serde_json::to_string(&settings).map_err(|e| Error::Internal { reason: e.to_string() })?;
        self.store.remember_for_sure(&self.record, &json).map_err(|e| refused(&e))?;
        state.settings = settings;
        self.filter.send_replace(Arc::new(filter));
        Ok(())
    }

    /// Hides an item from now on, in this session; the report that it was hidden for outlives it.
    pub(crate) fn hide_item(&self, item: &str) {
        let mut state = self.state();
        if state.hidden.insert(item.to_owned())
            && let Ok(filter) = state.filter()
        {
            self.filter.send_replace(Arc::new(filter));
        }
    }

    /// Takes signed rules that are newer than those in use; gives their version. Blocks for the disk.
    pub(crate) fn set_rules(&self, signed: &[u8]) -> Result<u64, Error> {
        let rules = signed::verified(signed, &self.keys).map_err(Error::Rules)?;
        let mut state = self.state();
        let (held, offered) = (state.rules.version, rules.version);
        if offered <= held {
            return Err(Error::Rules(RulesError::Older { held, offered }));
        }
        let filter = Filter::new(&rules, &state.settings, Clock::wall()).map_err(wrong)?;
        let filter = filter.hiding(state.hidden.clone());
        let text =
            std::str::from_utf8(signed).map_err(|e| Error::Rules(RulesError::Malformed(e.to_string())))?;
        self.store.remember_for_sure(RULES, text).map_err(|e| refused(&e))?;
        state.rules = rules;
        self.filter.send_replace(Arc::new(filter));
        Ok(offered)
    }

    /// Makes the filter anew when a muted word has run out.
    pub(crate) fn review(&self) {
        let now = Clock::wall();
        let over = self.filter.borrow().valid_until().is_some_and(|until| now.unix_ms > until);
        if !over {
            return;
        }
        let state = self.state();
        if let Ok(filter) = state.filter() {
            self.filter.send_replace(Arc::new(filter));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrong(error: SafetyError) -> Error {
    Error::Config { reason: error.to_string() }
}

fn refused(error: &StoreError) -> Error {
    Error::Storage { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool_engine::safety::{AgeBand, MutedWord};

    fn rules(version: u64) -> String {
        serde_json::to_string(&Rules { version, ..Rules::default() }).unwrap()
    }

    #[test]
    fn what_was_chosen_and_the_last_good_rules_survive_and_bad_ones_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("session.db");
        let open = |keys: &[[u8; 32]], account: &str| {
            let store = Arc::new(SessionStore::open(&path).unwrap());
            SafetyRoom::open(store, keys.to_vec(), account, BTreeSet::new()).unwrap()
        };
        let (second, key) = signed::tests::sign(&rules(2), 7);
        let (first, _) = signed::tests::sign(&rules(1), 7);
        let (forged, _) = signed::tests::sign(&rules(9), 8);
        let room = open(&[key], "ada");
        let mut filter = room.filter();
        assert_eq!((room.version(), room.set_rules(&second)), (0, Ok(2)));
        assert!(filter.has_changed().unwrap());
        assert_eq!(filter.borrow_and_update().version(), 2);
        let older = |offered| Err(Error::Rules(RulesError::Older { held: 2, offered }));
        assert_eq!(room.set_rules(&first), older(1));
        assert_eq!(room.set_rules(&second), older(2));
        assert_eq!(room.set_rules(&forged), Err(Error::Rules(RulesError::Signature)));
        assert!(!filter.has_changed().unwrap(), "those in use stay");
        let word = MutedWord { value: "gore".into(), ..MutedWord::default() };
        let chosen = SafetySettings { age: AgeBand::Adult, words: vec![word], ..SafetySettings::default() };
        room.set_settings(chosen.clone()).unwrap();
        let nothing = SafetySettings { words: vec![MutedWord::default()], ..SafetySettings::default() };
        assert!(matches!(room.set_settings(nothing), Err(Error::Config { .. })));
        drop(room);
        let again = open(&[key], "ada");
        assert_eq!((again.version(), again.settings()), (2, chosen));
        drop(again);
        let other = open(&[], "bob");
        assert_eq!((other.version(), other.settings()), (0, SafetySettings::default()), "nobody vouches");
    }
}
