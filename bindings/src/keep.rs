//! What is kept for offline, as data, and complete renditions as files.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cancel::{CancelToken, unless_cancelled};
use crate::card::Item;
use crate::error::UnspoolError;
use crate::feed::Feed;
use crate::session::Unspool;

/// Everything that is kept for offline.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct KeptSnapshot {
    /// Grows with every change; ask with it for the next one.
    pub revision: u64,
    /// In the order it was asked for.
    pub kept: Vec<KeptAsset>,
    /// Why nothing is fetched for it at the moment, whatever its states.
    pub hold: Option<Hold>,
}

/// One asset that is kept for offline.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct KeptAsset {
    /// The card it came with.
    pub item: Item,
    /// The rendition that is kept and plays offline, chosen once.
    pub rendition: String,
    /// How far it is.
    pub state: KeepState,
    /// Bytes on the device. Grows only, while the file on the server stays the same.
    pub held_bytes: u64,
    /// Its length in bytes; what the backend declares until it is known.
    pub total_bytes: u64,
}

/// How far an asset is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum KeepState {
    /// It waits for those before it.
    Queued,
    /// It waits for better conditions.
    Held {
        /// Which ones.
        hold: Hold,
    },
    /// It is being fetched.
    Fetching,
    /// It failed and will be tried again.
    Retrying,
    /// It was paused.
    Paused,
    /// All of it is on the device.
    Complete,
    /// It cannot be had; resuming it tries again.
    Failed {
        /// Why.
        failure: KeepFailure,
    },
}

/// Why nothing is fetched for what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Hold {
    /// There is no network.
    Offline,
    /// The app is not on screen.
    Background,
    /// The device is short of room.
    LowStorage,
    /// The network is paid by the byte or the person saves data, and the configuration does not pay.
    Metered,
    /// The backend gives its address to nobody who is not signed in; call `signed_in` when somebody is, and it goes on.
    SignIn,
}

/// Why an asset cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum KeepFailure {
    /// It is not available, or not to this person.
    Gone,
    /// What the server has is no video that plays.
    Unplayable,
    /// The device has no room, or its disk refuses.
    Storage,
    /// The server or the way to it failed more often than it is worth trying, or in a way that does not pass.
    Server,
}

/// What keeping some items takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct KeepEstimate {
    /// Assets that are not kept yet.
    pub assets: u64,
    /// Bytes to fetch for them. Declared sizes where the exact ones are not known.
    pub needed_bytes: u64,
    /// Bytes that what is kept already still has to fetch.
    pub pending_bytes: u64,
    /// Bytes free on the disk.
    pub free_bytes: u64,
    /// Whether there is room for both, and for the device to go on working.
    pub fits: bool,
}

/// A complete rendition as a file, for players that read a path.
///
/// Every byte was there and matched its checksum when it was handed out. Until it is released, or its session ends,
/// eviction leaves it alone, whole and unchanged. It must not be written to.
#[derive(Debug, uniffi::Object)]
pub struct LocalFile {
    path: String,
    size: u64,
    lease: Mutex<Option<unspool::LocalFile>>,
}

#[uniffi::export]
impl LocalFile {
    /// Where it is, with a name of the cache's own and no extension.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.clone()
    }

    /// Length in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// Gives the file back to the cache, which may delete it then. Dropping the last handle does the same.
    pub fn release(&self) {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[uniffi::export]
impl Unspool {
    /// The address under which a player of the platform reads a rendition from the cache of this session, on the loopback
    /// interface. Its bytes are fetched as they are read. Good until the next `resume`; it belongs to this device alone
    /// and in no log. Returns at once.
    ///
    /// Fails with `Config` for a rendition that neither the open feed has chosen for a card near the playhead nor is
    /// kept, and with `ShutDown`.
    pub fn gateway_url(&self, asset: String, rendition: String) -> Result<String, UnspoolError> {
        Ok(self.core.gateway_url(&asset, &rendition)?)
    }

    /// A rendition as a file, when every byte of it is on the device and intact, which is checked. Fails with
    /// `NotComplete` otherwise.
    #[uniffi::method(default(cancel = None))]
    pub async fn local_file(
        &self,
        asset: String,
        rendition: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<LocalFile>, UnspoolError> {
        let lease = unless_cancelled(cancel, self.core.file(&asset, &rendition)).await?;
        let path = lease.path().to_string_lossy().into_owned();
        Ok(Arc::new(LocalFile { path, size: lease.size(), lease: Mutex::new(Some(lease)) }))
    }

    /// What is kept for offline and how far it is, without waiting.
    #[must_use]
    pub fn kept(&self) -> KeptSnapshot {
        self.core.kept().into()
    }

    /// Waits for a state newer than `revision`. Asking again after a cancelled wait loses nothing.
    #[uniffi::method(default(cancel = None))]
    pub async fn kept_after(
        &self,
        revision: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<KeptSnapshot, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.kept_after(revision)).await?.into())
    }

    /// Stops fetching kept assets until they are resumed; a request that runs is received to its end, a chunk at most.
    /// On disk when it returns.
    #[uniffi::method(default(cancel = None))]
    pub async fn pause_keep(
        &self,
        assets: Vec<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.pause_keep(assets)).await
    }

    /// Goes on with paused assets, and tries failed ones again. On disk when it returns.
    #[uniffi::method(default(cancel = None))]
    pub async fn resume_keep(
        &self,
        assets: Vec<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.resume_keep(assets)).await
    }

    /// Keeps assets no longer. What was brought only for it is off the disk when this returns; gives the bytes freed.
    #[uniffi::method(default(cancel = None))]
    pub async fn forget_kept(
        &self,
        assets: Vec<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<u64, UnspoolError> {
        unless_cancelled(cancel, self.core.forget_kept(assets)).await
    }
}

#[uniffi::export]
impl Feed {
    /// Keeps items of this feed for offline, by their identifiers: they are fetched behind everything else, while the
    /// conditions allow, in this session and later ones, and never evicted until they are forgotten. On disk when it
    /// returns; the bytes come afterwards, and `kept` says how far they are.
    ///
    /// Fails with `NoRoom` when they do not fit on the disk, and with `Config` for an item this feed does not hold or
    /// more than 2,000 in all; nothing is kept then.
    #[uniffi::method(default(cancel = None))]
    pub async fn keep(
        &self,
        items: Vec<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<KeepEstimate, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.keep(&items)).await?.into())
    }

    /// What keeping items of this feed takes: bytes to fetch, bytes free, and whether they fit.
    #[uniffi::method(default(cancel = None))]
    pub async fn keep_estimate(
        &self,
        items: Vec<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<KeepEstimate, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.keep_estimate(&items)).await?.into())
    }
}

impl From<unspool::KeptSnapshot> for KeptSnapshot {
    fn from(snapshot: unspool::KeptSnapshot) -> Self {
        let unspool::KeptSnapshot { revision, kept, hold } = snapshot;
        let kept = kept.into_iter().map(KeptAsset::from).collect();
        KeptSnapshot { revision, kept, hold: hold.map(Hold::from) }
    }
}

impl From<unspool::Kept> for KeptAsset {
    fn from(kept: unspool::Kept) -> Self {
        let unspool::Kept { item, rendition, state, held, bytes } = kept;
        let item = Arc::unwrap_or_clone(item).into();
        KeptAsset { item, rendition, state: state.into(), held_bytes: held, total_bytes: bytes }
    }
}

impl From<unspool::KeepState> for KeepState {
    fn from(state: unspool::KeepState) -> Self {
        match state {
            unspool::KeepState::Queued => KeepState::Queued,
            unspool::KeepState::Held(hold) => KeepState::Held { hold: hold.into() },
            unspool::KeepState::Fetching => KeepState::Fetching,
            unspool::KeepState::Retrying => KeepState::Retrying,
            unspool::KeepState::Paused => KeepState::Paused,
            unspool::KeepState::Complete => KeepState::Complete,
            unspool::KeepState::Failed(failure) => KeepState::Failed { failure: failure.into() },
        }
    }
}

impl From<unspool::Hold> for Hold {
    fn from(hold: unspool::Hold) -> Self {
        match hold {
            unspool::Hold::Offline => Hold::Offline,
            unspool::Hold::Background => Hold::Background,
            unspool::Hold::LowStorage => Hold::LowStorage,
            unspool::Hold::Metered => Hold::Metered,
            unspool::Hold::SignIn => Hold::SignIn,
        }
    }
}

impl From<unspool::KeepFailure> for KeepFailure {
    fn from(failure: unspool::KeepFailure) -> Self {
        match failure {
            unspool::KeepFailure::Gone => KeepFailure::Gone,
            unspool::KeepFailure::Unplayable => KeepFailure::Unplayable,
            unspool::KeepFailure::Storage => KeepFailure::Storage,
            unspool::KeepFailure::Server => KeepFailure::Server,
        }
    }
}

impl From<unspool::KeepEstimate> for KeepEstimate {
    fn from(estimate: unspool::KeepEstimate) -> Self {
        let unspool::KeepEstimate { assets, needed, pending, free, fits } = estimate;
        KeepEstimate { assets, needed_bytes: needed, pending_bytes: pending, free_bytes: free, fits }
    }
}
