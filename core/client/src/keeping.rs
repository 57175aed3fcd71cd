//! The session's calls for offline: what is kept, how far it is, and what is not kept any more.

use std::sync::Arc;

use unspool_engine::{Item, KeepEstimate};

use crate::error::Error;
use crate::keep::KeptSnapshot;
use crate::session::Unspool;

impl Unspool {
    /// What keeping `items` for offline would take: bytes to fetch, bytes free, and whether they fit. Those that are kept
    /// already count for nothing.
    ///
    /// # Errors
    /// [`Error::Withheld`] for items that the safety filter hides or covers, [`Error::Config`] for an item outside the
    /// contract's bounds or more than 2,000 in all, [`Error::Storage`] when the disk does not tell.
    pub async fn keep_estimate(&self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        self.may_be_shown(&items)?;
        self.estimate_open(items).await
    }

    /// The same for items that the person may see.
    pub(crate) async fn estimate_open(&self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        let core = Arc::clone(self.core());
        self.read(async move { core.keep.estimate(items).await }).await
    }

    /// Keeps the videos of `items` for offline, until they are [forgotten](Unspool::forget_kept): one rendition of each,
    /// the tallest within the caps of [`Config::keep`](crate::Config::keep), is fetched behind everything else, while the conditions allow,
    /// in this session and later ones, and never evicted. On disk when it returns; the bytes come afterwards,
    /// [`kept`](Unspool::kept) says how far they are. Keeping what is kept already changes nothing.
    ///
    /// # Errors
    /// [`Error::Withheld`] for items that the safety filter hides or covers, [`Error::NoRoom`] when they do not fit on the
    /// disk, [`Error::Config`] for an item outside the contract's bounds
    /// or more than 2,000 in all, [`Error::Storage`] when the disk refuses. Nothing is kept then.
    pub async fn keep(&self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        self.may_be_shown(&items)?;
        self.keep_open(items).await
    }

    /// The same for items that the person may see.
    pub(crate) async fn keep_open(&self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        self.check()?;
        self.core().keep.keep(items).await
    }

    /// What is kept for offline and how far it is, without waiting.
    #[must_use]
    pub fn kept(&self) -> KeptSnapshot {
        self.core().keep.snapshot()
    }

    /// Waits for a state newer than `revision`. Asking again after a cancelled wait loses nothing.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the session ends.
    pub async fn kept_after(&self, revision: u64) -> Result<KeptSnapshot, Error> {
        self.check()?;
        self.core().keep.snapshot_after(revision).await
    }

    /// Stops fetching kept assets until they are resumed; a request that runs is received to its end, a chunk at most.
    /// On disk when it returns. Does nothing to assets that are complete or not kept.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses; they are paused in this session all the same.
    pub async fn pause_keep(&self, assets: Vec<String>) -> Result<(), Error> {
        self.check()?;
        self.core().keep.pause(assets).await
    }

    /// Goes on with paused assets, and tries failed ones again. On disk when it returns.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses; they go on in this session all the same.
    pub async fn resume_keep(&self, assets: Vec<String>) -> Result<(), Error> {
        self.check()?;
        self.core().keep.resume(assets).await
    }

    /// Keeps assets no longer, whether they are complete or not. What was brought only for it is off the disk when this
    /// returns; what the cache held before, what a player read in this session and what a feed fetched stays, and may
    /// be evicted. Answers the bytes freed.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses; they are forgotten, and their bytes follow as soon as that is possible.
    pub async fn forget_kept(&self, assets: Vec<String>) -> Result<u64, Error> {
        self.check()?;
        self.core().keep.forget(assets).await
    }

    /// Refuses what the safety filter hides or covers: it would be fetched.
    fn may_be_shown(&self, items: &[Item]) -> Result<(), Error> {
        let filter = Arc::clone(&self.core().safety.filter().borrow());
        let withheld = |item: &&Item| {
            let decision = filter.decide(item);
            decision.hides() || decision.blurs()
        };
        let items: Vec<String> = items.iter().filter(withheld).map(|item| item.id.clone()).collect();
        if items.is_empty() { Ok(()) } else { Err(Error::Withheld { items }) }
    }
}
