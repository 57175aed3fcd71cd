//! What every part of a session shares: the rooms, opened once, and the tasks that keep them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use unspool_engine::{MediaKey, SavedFeed};
use unspool_media::{Location, Media, MediaConfig, ResolveError, UrlResolver};

use crate::backend::{Backend, BackendError, Native};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::Error;
use crate::outbox::{Outbox, Sender as IntentSender};
use crate::snapshot::{Bytes, Outgoing};
use crate::spool::Spool;
use crate::store::SessionStore;
use crate::telemetry::Uploader;

/// A feed as it is to be written down.
#[derive(Debug, Clone)]
pub(crate) struct Save {
    pub(crate) feed: String,
    pub(crate) saved: SavedFeed,
    pub(crate) wall_ms: i64,
}

/// The rooms of a session.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) session: String,
    pub(crate) seed: u64,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) media: Arc<Media>,
    pub(crate) store: Arc<SessionStore>,
    pub(crate) spool: Spool,
    pub(crate) outbox: Outbox,
    pub(crate) uploader: Uploader,
    pub(crate) intents: IntentSender,
    saves: watch::Sender<Option<Save>>,
    saver: Mutex<Option<JoinHandle<()>>>,
}
