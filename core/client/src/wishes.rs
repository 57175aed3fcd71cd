//! What the app says about the device and the person, beside the conditions: it holds for the open feed and for those
//! opened later.

use std::sync::{Mutex, MutexGuard, PoisonError};

use unspool_engine::captions::MOST_WISHES;
use unspool_engine::settings::Preferences;
use unspool_engine::{MemoryPressure, SoundFocus};

use crate::config::Config;
use crate::error::Error;

/// Longest language tag: the 35 characters that RFC 5646 advises room for.
const LANGUAGE_BYTES: usize = 35;

/// What holds now.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    pub(crate) players: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) pressure: MemoryPressure,
    pub(crate) focus: SoundFocus,
    pub(crate) captions: Vec<String>,
    pub(crate) reduced_motion: bool,
}

/// The same, shared by the session and its feeds.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Wishes>);

impl Board {
    pub(crate) fn new(config: &Config, preferences: Preferences) -> Self {
        Board(Mutex::new(Wishes {
            players: config.player.players,
            memory_bytes: config.player.memory_bytes,
            pressure: MemoryPressure::Normal,
            focus: SoundFocus::Gained,
            captions: preferences.captions,
            reduced_motion: preferences.reduced_motion,
        }))
    }

    pub(crate) fn now(&self) -> Wishes {
        self.lock().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a text can be a language tag.
pub(crate) fn is_language(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= LANGUAGE_BYTES
        && tag.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Refuses a list of languages that is too long or holds what is no tag.
pub(crate) fn languages_fit(languages: &[String]) -> Result<(), Error> {
    let wrong = |reason: String| Err(Error::Config { reason });
    if languages.len() > MOST_WISHES {
        return wrong(format!("more than {MOST_WISHES} languages of captions"));
    }
    match languages.iter().find(|tag| *tag != "*" && !is_language(tag)) {
        Some(tag) => {
            wrong(format!("{:?} is no language tag", tag.chars().take(LANGUAGE_BYTES).collect::<String>()))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_other_words() {
        for tag in ["en", "pt-BR", "zh-Hant-TW", "de-1996"] {
            assert!(is_language(tag), "{tag}");
        }
        for tag in ["", "en-", "-en", "en US", "en_US", "français", &"a".repeat(36)] {
            assert!(!is_language(tag), "{tag}");
        }
        assert!(languages_fit(&["de".into(), "*".into()]).is_ok());
        assert!(matches!(languages_fit(&["e n".into()]), Err(Error::Config { .. })));
        assert!(languages_fit(&vec!["en".to_owned(); MOST_WISHES + 1]).is_err());
    }
}
