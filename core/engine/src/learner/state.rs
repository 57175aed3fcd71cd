//! What is kept of a person: one bounded record, written as JSON and read back only when it is sound.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::facts::sound_name;
use super::ridge::Ridge;
use super::taste::{Leaning, Table};
use super::{MAX_INTERESTS, MAX_SETTINGS};

/// Version of the record.
const VERSION: u32 = 1;
/// Largest record that is read, bytes: two full tables of the longest names, escaped, stay below it.
pub const MAX_STATE_BYTES: usize = 1024 * 1024;

/// Why a kept learner is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Longer than [`MAX_STATE_BYTES`].
    #[error("a learner of {0} bytes is too long")]
    TooLong(usize),
    /// Not JSON of this shape.
    #[error("not a learner: {0}")]
    Format(String),
    /// Of another version.
    #[error("learner version {0} is not read by this build")]
    Version(u32),
    /// Numbers or sizes that no learner holds.
    #[error("a learner with unsound {0}")]
    Unsound(&'static str),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(super) version: u32,
    pub(super) viewings: u64,
    pub(super) ridge: Ridge,
    pub(super) topics: Table,
    pub(super) creators: Table,
    pub(super) lengths: [Leaning; 5],
    pub(super) interests: BTreeSet<String>,
    pub(super) settings: BTreeMap<String, f64>,
}

impl Default for State {
    fn default() -> Self {
        State {
            version: VERSION,
            viewings: 0,
            ridge: Ridge::default(),
            topics: Table::default(),
            creators: Table::default(),
            lengths: [Leaning::default(); 5],
            interests: BTreeSet::new(),
            settings: BTreeMap::new(),
        }
    }
}

/// The version alone, so that a later record is told from a broken one.
#[derive(Deserialize)]
struct Header {
    version: u32,
}

impl State {
    pub(super) fn write(&self) -> Result<Vec<u8>, StateError> {
        serde_json::to_vec(self).map_err(|e| StateError::Format(e.to_string()))
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, StateError> {
        if bytes.len() > MAX_STATE_BYTES {
            return Err(StateError::TooLong(bytes.len()));
        }
        let format = |e: serde_json::Error| StateError::Format(e.to_string());
        let Header { version } = serde_json::from_slice(bytes).map_err(format)?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let state: State = serde_json::from_slice(bytes).map_err(format)?;
        state.check()?;
        Ok(state)
    }

    /// As [`State::read`] checks it.
    pub(super) fn check_version(&self) -> Result<(), StateError> {
        if self.version != VERSION {
            return Err(StateError::Version(self.version));
        }
        self.check()
    }

    fn check(&self) -> Result<(), StateError> {
        let State { version: _, viewings: _, ridge, topics, creators, lengths, interests, settings } = self;
        let sound = |name, ok: bool| if ok { Ok(()) } else { Err(StateError::Unsound(name)) };
        sound("regression", ridge.is_sound())?;
        sound("topics", topics.is_sound())?;
        sound("creators", creators.is_sound())?;
        sound("lengths", lengths.iter().all(Leaning::is_sound))?;
        sound("interests", interests.len() <= MAX_INTERESTS && interests.iter().all(|t| sound_name(t)))?;
        let set = |(topic, value): (&String, &f64)| sound_name(topic) && (-1.0..=1.0).contains(value);
        sound("settings", settings.len() <= MAX_SETTINGS && settings.iter().all(set))
    }

    pub(super) fn bytes(&self) -> usize {
        let names = self.interests.iter().chain(self.settings.keys());
        self.ridge.bytes()
            + self.topics.bytes()
            + self.creators.bytes()
            + names.map(|name| name.capacity() + size_of::<(String, f64)>()).sum::<usize>()
    }
}
