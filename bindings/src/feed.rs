//! An open feed as a handle.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::card::{Card, Item};
use crate::config::FeedKind;
use crate::error::UnspoolError;
use crate::events::EventBatch;
use crate::snapshot::FeedSnapshot;

/// Most events in one batch: a batch of the largest events stays below 64 KiB.
const BATCH: u32 = 256;

/// One open feed: cards, playback and what happens to them.
///
/// It ends with its session, or when the session opens another feed; calls then answer `ShutDown`.
#[derive(Debug, uniffi::Object)]
pub struct Feed {
    pub(crate) core: unspool::FeedSession,
}

#[uniffi::export]
impl Feed {
    /// Which feed this is.
    #[must_use]
    pub fn kind(&self) -> FeedKind {
        self.core.kind().clone().into()
    }

    /// Moves to the next card, which plays at once; waits for the first page where there is no card yet. Without a
    /// network, cards that are not on the device are passed over.
    ///
    /// Fails with `EndOfFeed`, `Offline`, `SignIn`, `Backend`, `TimedOut` or `ShutDown`; the feed then stays where it
    /// was. A cancelled call may have moved already: the snapshot says where the feed is.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Card, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.next()).await?.into())
    }

    /// Moves back to the card before. Fails and is cancelled as `next`.
    #[uniffi::method(default(cancel = None))]
    pub async fn previous(&self, cancel: Option<Arc<CancelToken>>) -> Result<Card, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.previous()).await?.into())
    }

    /// Up to `count` cards after the current one, without moving.
    #[uniffi::method(default(cancel = None))]
    pub async fn peek(
        &self,
        count: u32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<Item>, UnspoolError> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let items = unless_cancelled(cancel, self.core.peek(count)).await?;
        Ok(items.into_iter().map(Item::from).collect())
    }

    /// Pauses the current card, or lets it run. Returns at once.
    pub fn set_paused(&self, paused: bool) -> Result<(), UnspoolError> {
        Ok(self.core.set_paused(paused)?)
    }

    /// Moves the playhead of the current card to the key frame nearest to `position_ms`. Returns at once.
    pub fn seek(&self, position_ms: u64) -> Result<(), UnspoolError> {
        Ok(self.core.seek(position_ms)?)
    }

    /// Silences this card and those after it, or gives them sound again. Returns at once.
    pub fn set_muted(&self, muted: bool) -> Result<(), UnspoolError> {
        Ok(self.core.set_muted(muted)?)
    }

    /// Asks for a failed page again now. Returns at once.
    pub fn retry(&self) -> Result<(), UnspoolError> {
        Ok(self.core.retry()?)
    }

    /// What is the case now, without waiting.
    #[must_use]
    pub fn snapshot(&self) -> FeedSnapshot {
        self.core.snapshot().into()
    }

    /// Waits for a snapshot newer than `revision`. Asking again after a cancelled wait loses nothing.
    #[uniffi::method(default(cancel = None))]
    pub async fn snapshot_after(
        &self,
        revision: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<FeedSnapshot, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.snapshot_after(revision)).await?.into())
    }

    /// The events after number `after`, at most 256, without waiting. The first event has number 1.
    #[must_use]
    pub fn events_now(&self, after: u64) -> EventBatch {
        self.core.events(after, BATCH as usize).into()
    }

    /// Waits until there is an event after number `after`, then gives those there are, at most 256. Asking again after
    /// a cancelled wait loses nothing. Fails with `ShutDown` when the feed ended and everything was given.
    #[uniffi::method(default(cancel = None))]
    pub async fn events_after(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<EventBatch, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.events_after(after, BATCH as usize)).await?.into())
    }
}
