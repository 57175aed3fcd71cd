//! The door to the safety filter: what the person chose of it, and the rules that a backend signs.

use std::sync::Arc;

use unspool_engine::safety::SafetySettings;
use unspool_engine::session::Signal;

use super::Unspool;
use crate::driver::{Control, Input};
use crate::error::Error;

impl Unspool {
    /// What the person chose of the safety filter, without waiting.
    #[must_use]
    pub fn safety(&self) -> SafetySettings {
        self.0.core.safety.settings()
    }

    /// Replaces what the person chose of the safety filter: age, harms, labels, muted words, topics, sounds and creators.
    /// On disk when it returns, with or without a network, and never sent. The open feed takes it in at once: cards that
    /// are hidden by it go, with their bytes.
    ///
    /// # Errors
    /// [`Error::Config`] when a bound is broken, [`Error::Guarded`] for an age that would loosen the limits of a minor,
    /// [`Error::Storage`] when the disk refuses. Nothing is changed then.
    pub async fn set_safety(&self, settings: SafetySettings) -> Result<(), Error> {
        let core = Arc::clone(&self.0.core);
        let done = self.write(async move { core.set_safety(settings).await }).await;
        self.tell(Input::Control(Control::Motion));
        done
    }

    /// Blocks a creator, or takes that back. On disk when it returns, and what they made leaves the open feed at once; the
    /// backend is told once.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses, [`Error::Config`] for an identifier that cannot be one.
    pub async fn set_blocked(&self, creator: &str, blocked: bool) -> Result<(), Error> {
        if blocked {
            // Told before their cards go.
            self.tell(Input::Signal(Signal::HidCreator(creator.to_owned())));
        }
        let (core, creator) = (Arc::clone(&self.0.core), creator.to_owned());
        self.write(async move { core.set_blocked(creator, blocked).await }).await
    }

    /// Takes signed safety rules that are newer than those in use, and gives their version. On disk when it returns; the
    /// open feed takes them in at once. A backend that has rules is asked for them by itself.
    ///
    /// # Errors
    /// [`Error::Rules`] says why they are not taken, [`Error::Storage`] when the disk refuses. Those in use stay then.
    pub async fn set_rules(&self, signed: Vec<u8>) -> Result<u64, Error> {
        let core = Arc::clone(&self.0.core);
        self.write(async move { core.set_rules(signed).await }).await
    }

    /// Version of the safety rules in use; 0 are those that come with the core.
    #[must_use]
    pub fn rules_version(&self) -> u64 {
        self.0.core.safety.version()
    }
}
