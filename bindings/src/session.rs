//! The session as a handle.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::config::{Conditions, FeedKind, SessionConfig};
use crate::error::UnspoolError;
use crate::feed::Feed;
use crate::host::HostBackend;
use crate::players::PlatformPlayers;
use crate::snapshot::{ByPurpose, Bytes, Outgoing};
use crate::token::TokenProvider;

/// What a shutdown or a flush takes where the caller names no time: what Android grants a stopping service is 10 s, what
/// iOS grants an app that goes to the background 5 s.
const DEFAULT_WITHIN: Duration = Duration::from_secs(5);

/// A topic people can choose.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Topic {
    /// Identifier.
    pub id: String,
    /// Name to show.
    pub title: String,
}

/// Counters of a session.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SessionStatus {
    /// Identifier of this installation's telemetry; with a record's number it identifies the record.
    pub installation: String,
    /// Milliseconds of media rendered in viewings of this session that ended.
    pub watched_ms: u64,
    /// Viewings that a killed process had left open, recorded when this session was opened.
    pub recovered: u64,
    /// Media bytes.
    pub bytes: Bytes,
    /// The same by whom they were for.
    pub by_purpose: ByPurpose,
    /// Records and intents on their way.
    pub outgoing: Outgoing,
}

/// How the end of a session went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ShutdownReport {
    /// Whether everything that was running ended in time.
    pub clean: bool,
    /// What is still to be sent; it stays on disk for the next session.
    pub outgoing: Outgoing,
}

/// A session of Unspool: prefetching feeds, playback, durable telemetry and the offline cache of one person.
///
/// It owns its data directory and its threads until `shutdown`. Use it from any thread.
#[derive(Debug, uniffi::Object)]
pub struct Unspool {
    pub(crate) core: unspool::Unspool,
}

#[uniffi::export]
impl Unspool {
    /// Opens a session. The disk is touched on a thread of its own, never on the caller's.
    ///
    /// `tokens` gives bearer tokens where the configuration holds none; `host` supplies pages, topics and addresses
    /// instead of the backend's contract; `players` plays instead of the core's own players. A cancelled opening ends what
    /// it began.
    #[uniffi::constructor(default(tokens = None, host = None, players = None, cancel = None))]
    pub async fn open(
        config: SessionConfig,
        tokens: Option<Arc<dyn TokenProvider>>,
        host: Option<Arc<dyn HostBackend>>,
        players: Option<Arc<dyn PlatformPlayers>>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<Self>, UnspoolError> {
        let config = config.checked(tokens, host, players)?;
        let (reply, opened) = oneshot::channel();
        let opening = std::thread::Builder::new().name("unspool-open".into()).spawn(move || {
            // A caller who left drops the receiver; the session that comes back here then ends at once.
            let _ = reply.send(unspool::Unspool::open(config));
        });
        opening.map_err(|e| UnspoolError::Internal { reason: format!("threads: {e}") })?;
        let opened = async {
            let fault = |_| unspool::Error::Internal { reason: "opening the session failed".into() };
            opened.await.map_err(fault)?
        };
        Ok(Arc::new(Unspool { core: unless_cancelled(cancel, opened).await? }))
    }

    /// Opens a feed and begins to fetch ahead. One feed is open at a time; an earlier one ends.
    ///
    /// With `first` it begins with that item: a link was opened, a shared video tapped. Where the device holds its card, it is
    /// there at once; else the first page is asked to begin with it. An item that the backend does not have any more, or that
    /// the safety filter hides, is left out: compare the first card's identifier where that is to be told. Without a network
    /// and without the card the first `next` fails with `Offline`; open the feed without `first` then. What cannot be an
    /// identifier (1 to 128 printable characters of ASCII) fails with `NoSuchCard`.
    #[uniffi::method(default(first = None))]
    pub fn feed(&self, kind: FeedKind, first: Option<String>) -> Result<Arc<Feed>, UnspoolError> {
        let core = match first {
            Some(item) => self.core.feed_from(kind.into(), &item)?,
            None => self.core.feed(kind.into())?,
        };
        Ok(Arc::new(Feed { core }))
    }

    /// The topics people can choose from.
    #[uniffi::method(default(cancel = None))]
    pub async fn topics(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<Topic>, UnspoolError> {
        let topics = unless_cancelled(cancel, self.core.topics()).await?;
        Ok(topics.into_iter().map(|t| Topic { id: t.id, title: t.title }).collect())
    }

    /// The topics the person chose, as far as this device knows.
    #[uniffi::method(default(cancel = None))]
    pub async fn interests(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<String>, UnspoolError> {
        unless_cancelled(cancel, self.core.interests()).await
    }

    /// Replaces the topics the person chose, at most 64; an empty list takes the choice back. On disk when it returns,
    /// with or without a network; sent once.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_interests(
        &self,
        topics: Vec<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_interests(topics)).await
    }

    /// Likes an item, or takes that back. On disk when it returns, with or without a network; sent once.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_liked(
        &self,
        item: String,
        liked: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_liked(&item, liked)).await
    }

    /// Whether the person likes an item, as far as this device knows: the newest wish, sent or not.
    #[uniffi::method(default(cancel = None))]
    pub async fn liked(
        &self,
        item: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<bool>, UnspoolError> {
        unless_cancelled(cancel, self.core.liked(&item)).await
    }

    /// Tells the session what the device is like now. Returns at once.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.core.set_conditions(conditions.into());
    }

    /// Tells the session that the person signed in again: what waited for a token goes on. Returns at once.
    pub fn signed_in(&self) {
        self.core.signed_in();
    }

    /// Counters, without waiting; also after `shutdown`.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        let bytes = self.core.bytes();
        SessionStatus {
            installation: self.core.installation(),
            watched_ms: self.core.watched_ms(),
            recovered: self.core.recovered(),
            bytes: bytes.into(),
            by_purpose: bytes.by_purpose.into(),
            outgoing: self.core.outgoing().into(),
        }
    }

    /// Sends what is queued, for at most `within` (default 5 s), and says what is left.
    #[uniffi::method(default(within = None, cancel = None))]
    pub async fn flush(
        &self,
        within: Option<Duration>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Outgoing, UnspoolError> {
        let flush = self.core.flush(within.unwrap_or(DEFAULT_WITHIN));
        Ok(unless_cancelled(cancel, flush).await?.into())
    }

    /// Ends the open viewing, stops playing and closes the databases, so that the operating system may freeze the
    /// process. Call it before the app leaves the foreground, and wait for it.
    #[uniffi::method(default(cancel = None))]
    pub async fn suspend(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.suspend()).await
    }

    /// Opens the databases again and goes on playing.
    #[uniffi::method(default(cancel = None))]
    pub async fn resume(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.resume()).await
    }

    /// Ends the session: closes the viewing, sends what can be sent within `within` (default 5 s), stops every task and
    /// thread. Calling it again gives the same report. A shutdown that was begun goes on when its caller leaves.
    #[uniffi::method(default(within = None))]
    pub async fn shutdown(&self, within: Option<Duration>) -> ShutdownReport {
        let report = self.core.shutdown(within.unwrap_or(DEFAULT_WITHIN)).await;
        ShutdownReport { clean: report.clean, outgoing: report.outgoing.into() }
    }
}
