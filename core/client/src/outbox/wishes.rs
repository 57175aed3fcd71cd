//! What a person wants to be so: likes, follows, interests, blocks, reports, and the erasure of what was sent.

use std::collections::BTreeSet;

use rusqlite::OptionalExtension as _;

use super::Outbox;
use super::intents::{self, Thing};
use super::model::{Intent, MAX_ID_BYTES, MAX_INTERESTS, MAX_PENDING, OpId, OutboxError, Verb, Wedged};

impl Outbox {
    /// Keeps what `actor` wants: `target` to be in `state`. Durable, even against a power cut, when it returns.
    ///
    /// An unsent intent for the same thing is replaced; if that ends where the server already is, both vanish, and
    /// the identity given back is never sent.
    ///
    /// # Errors
    /// [`OutboxError::Identifier`], [`OutboxError::Full`] or [`OutboxError::Store`].
    pub fn set(
        &self,
        verb: Verb,
        target: &str,
        state: bool,
        actor: &str,
        wall_ms: i64,
    ) -> Result<OpId, OutboxError> {
        self.take(&Thing { actor, verb, target }, state, None, wall_ms)
    }

    /// Keeps a report by `actor`, with the words that were written with it. Durable, even against a power cut, when it
    /// returns.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn report(
        &self,
        target: &str,
        words: Option<&str>,
        actor: &str,
        wall_ms: i64,
    ) -> Result<OpId, OutboxError> {
        self.take(&Thing { actor, verb: Verb::Report, target }, true, words, wall_ms)
    }

    fn take(
        &self,
        thing: &Thing<'_>,
        state: bool,
        words: Option<&str>,
        wall_ms: i64,
    ) -> Result<OpId, OutboxError> {
        let fits = |text: &str| !text.is_empty() && text.len() <= MAX_ID_BYTES;
        if !fits(thing.target) || !fits(thing.actor) {
            return Err(OutboxError::Identifier);
        }
        // Other writers can only make room between this look and the write.
        if self.level().pending >= MAX_PENDING {
            return Err(OutboxError::Full);
        }
        self.write(|tx| {
            let op = intents::set(tx, thing, state, wall_ms)?;
            words.map_or(Ok(()), |words| intents::say(tx, &op, words))?;
            Ok(op)
        })
    }

    /// The state to show: what was wanted last, else what the server last confirmed, else nothing is known.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn state(&self, verb: Verb, target: &str, actor: &str) -> Result<Option<bool>, OutboxError> {
        self.write(|tx| intents::state(tx, &Thing { actor, verb, target }))
    }

    /// The interests of `actor`, in alphabetical order.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn interests(&self, actor: &str) -> Result<BTreeSet<String>, OutboxError> {
        self.write(|tx| intents::interests(tx, actor))
    }

    /// Replaces the interests of `actor` and keeps an intent for each that changed, all or nothing. Durable, even
    /// against a power cut, when it returns.
    ///
    /// # Errors
    /// [`OutboxError::Identifier`], [`OutboxError::TooManyInterests`], [`OutboxError::Full`] or [`OutboxError::Store`].
    pub fn set_interests(
        &self,
        targets: &BTreeSet<String>,
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        let fits = |text: &str| !text.is_empty() && text.len() <= MAX_ID_BYTES;
        if !fits(actor) || !targets.iter().all(|target| fits(target)) {
            return Err(OutboxError::Identifier);
        }
        if targets.len() > MAX_INTERESTS {
            return Err(OutboxError::TooManyInterests);
        }
        if self.level().pending >= MAX_PENDING {
            return Err(OutboxError::Full);
        }
        self.write(|tx| intents::set_interests(tx, targets, actor, wall_ms))
    }

    /// Takes note of what the server says the state is, for example in a feed; later taps fold against it.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn observe(
        &self,
        verb: Verb,
        target: &str,
        state: bool,
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        self.write(|tx| intents::confirm(tx, &Thing { actor, verb, target }, state, wall_ms))
    }

    /// Intents not yet confirmed, oldest first.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn pending(&self) -> Result<Vec<Intent>, OutboxError> {
        self.write(intents::pending)
    }

    /// Intents of `actor` that the server refused, oldest first; of those about one thing the newest only.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn wedged(&self, actor: &str) -> Result<Vec<Wedged>, OutboxError> {
        self.write(|tx| intents::wedged(tx, actor))
    }

    /// Forgets a refused intent of `actor`; `false` when there is none of that identity.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn dismiss(&self, op: &OpId, actor: &str) -> Result<bool, OutboxError> {
        self.write(|tx| intents::dismiss(tx, op, actor))
    }

    /// Asks for the deletion of what was sent from `installations`, and notes that the files here are to be deleted too
    /// until [`erased`](Self::erased) says that they are. Durable, even against a power cut, when it returns.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn request_erasure(
        &self,
        installations: &[String],
        actor: &str,
        wall_ms: i64,
    ) -> Result<(), OutboxError> {
        self.write(|tx| {
            for target in installations {
                intents::set(tx, &Thing { actor, verb: Verb::Erase, target }, true, wall_ms)?;
            }
            tx.execute("INSERT OR REPLACE INTO meta(name, value) VALUES ('erasing', '1')", [])?;
            Ok(())
        })
    }

    /// Whether an erasure was asked for whose files may still be here.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn is_erasing(&self) -> Result<bool, OutboxError> {
        self.write(|tx| {
            let found =
                tx.query_row("SELECT 1 FROM meta WHERE name = 'erasing'", [], |_| Ok(())).optional()?;
            Ok(found.is_some())
        })
    }

    /// The files of the last erasure are gone.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn erased(&self) -> Result<(), OutboxError> {
        self.write(|tx| tx.execute("DELETE FROM meta WHERE name = 'erasing'", []).map(drop))
    }
}
