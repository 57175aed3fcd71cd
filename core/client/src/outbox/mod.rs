//! The outbox: what a person does (like, follow, comment, pay) is durable before the heart turns red, and arrives once.
//!
//! An intent is a desired state, never a toggle, so sending one twice does no harm. Taps fold while they wait: the
//! last one counts, and a change that ends where the server already is leaves nothing to send. What is on its way is
//! left alone and a follow-up waits behind it. Whatever the server refuses is kept in sight
//! ([`wedged`](Outbox::wedged)) until the app has dealt with it. Nothing here is ever given up for age or size.
//!
//! Every intent belongs to an actor. A request carries the intents of one actor with that actor's token; those of an
//! actor who is not signed in wait, and nobody waits behind them.
//!
//! The file is written with `synchronous=FULL`: a committed intent survives a power cut. Calls block for that write
//! (a few milliseconds), so call them from a thread that may block. At most 10 000 intents wait.
//!
//! Comments are written under an identity of their own and go in the order of their thread; money is sent once and asked
//! about after. What can be read of a damaged file goes into a new one, and the rest is counted.

mod comments;
mod erase;
mod file;
mod intents;
mod lines;
mod model;
mod money;
mod parcels;
mod salvage;
mod sender;
mod talk;
mod teller;
mod wallet;
mod wishes;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Transaction;
use tokio::sync::watch;

pub use comments::{Comment, CommentState, MAX_COMMENT_CHARS};
pub(crate) use erase::{Erased, erase};
pub use model::{
    Intent, MAX_ID_BYTES, MAX_INTERESTS, MAX_PENDING, OpId, OutboxError, OutboxLevel, Verb, Wedged,
};
pub use sender::{ActorTokens, OutboxSender, OutboxSenderConfig};
pub use teller::{Teller, TellerConfig, TellerHandle};
pub use unspool_engine::payment::{Payment, PaymentFact};
pub use wallet::{Cause, Errand, Order, PaymentIntent};

use crate::rows::Query;
use crate::spool::database::Durability;
use file::File;

struct Inner {
    file: Mutex<File>,
    level: watch::Sender<OutboxLevel>,
    /// Grows with every change of what can be read.
    revision: watch::Sender<u64>,
    /// Grows when there may be money to send.
    money: watch::Sender<u64>,
    /// Held by the one teller that sends.
    teller: Arc<tokio::sync::Mutex<()>>,
}

/// The durable queue of what a person does. Clones share it.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("level", &*self.0.level.borrow()).finish_non_exhaustive()
    }
}

impl Outbox {
    /// Opens or makes the file at `path`. A damaged file is set aside beside it, and what can be read of it goes on in a
    /// new one.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OutboxError> {
        Self::open_as(path, Durability::Power)
    }

    fn open_as(path: impl Into<PathBuf>, durability: Durability) -> Result<Self, OutboxError> {
        let outbox = Outbox(Arc::new(Inner {
            file: Mutex::new(File::new(path.into(), durability)),
            level: watch::Sender::new(OutboxLevel::default()),
            revision: watch::Sender::new(0),
            money: watch::Sender::new(0),
            teller: Arc::default(),
        }));
        outbox.write(wallet::recover)?;
        Ok(outbox)
    }

    /// The books after the last change.
    #[must_use]
    pub fn level(&self) -> OutboxLevel {
        *self.0.level.borrow()
    }

    /// Follows the books: the last value at once, then each newer one.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<OutboxLevel> {
        self.0.level.subscribe()
    }

    /// A number that grows when something may have changed that can be read here; another read tells what.
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// Empties the write-ahead log and closes the file, for an app about to be frozen. Intents kept while suspended
    /// are still kept: each call opens the file, commits and closes it.
    ///
    /// # Errors
    /// [`OutboxError::Store`].
    pub fn suspend(&self) -> Result<(), OutboxError> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner).suspend()
    }

    /// Keeps the file open again.
    pub fn resume(&self) {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner).resume();
    }

    /// A page of rows of `actors`.
    pub(crate) fn rows(
        &self,
        query: Query,
        actors: &[String; 2],
        from: usize,
    ) -> Result<Vec<serde_json::Value>, OutboxError> {
        self.write(|tx| query.page(tx, &[&actors[0], &actors[1]], from))
    }

    /// Runs `work` in one transaction, and tells the new books when it is committed. It runs again when the file turned
    /// out to be damaged and was replaced.
    fn write<T>(&self, work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, OutboxError> {
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, level, changed) = file.write(&work)?;
        // Told in the order of the commits, hence before the lock is given back; watchers only wake.
        self.tell(level, changed);
        Ok(done)
    }

    fn tell(&self, level: OutboxLevel, changed: bool) {
        self.0.level.send_if_modified(|shown| {
            let changed = *shown != level;
            *shown = level;
            changed
        });
        if changed {
            self.0.revision.send_modify(|revision| *revision += 1);
        }
    }
}

#[cfg(test)]
mod tests;
