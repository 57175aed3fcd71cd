//! Keeping assets for offline: what the app sees of it, and the handle on the task that does it.
//!
//! The task owns the engine's machine and is the only one that writes the records. An app's call is a command to it and
//! is answered when what it asks for is on the disk; what is the case is pulled by revision.

mod beside;
mod effects;
mod runner;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use unspool_engine::keep::{KeepEstimate, KeepPolicy, MAX_KEPT};
use unspool_engine::{Conditions, Hold, Item, Keep, KeepState, MediaKey};
use unspool_media::Media;
use unspool_media::tasks;

use crate::backend::check;
use crate::clock::Clock;
use crate::error::Error;
use crate::store::{SessionStore, StoreError};
use runner::{Answers, Command, Runner};

/// One asset that is kept for offline.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The card it came with.
    pub item: Arc<Item>,
    /// The rendition that is kept and plays offline, chosen once.
    pub rendition: String,
    /// How far it is.
    pub state: KeepState,
    /// Bytes on the device. Grows only, while the file on the server stays the same.
    pub held: u64,
    /// Its length in bytes; what the backend declares until it is known.
    pub bytes: u64,
}

/// Everything that is kept for offline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeptSnapshot {
    /// Grows with every change; ask with it for the next one.
    pub revision: u64,
    /// In the order it was asked for.
    pub kept: Vec<Kept>,
    /// Why nothing is fetched for it at the moment, whatever its states.
    pub hold: Option<Hold>,
}

impl KeptSnapshot {
    /// Bytes on the device for all that is kept.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.kept.iter().map(|kept| kept.held).sum()
    }
}

/// The session's side of keeping.
#[derive(Debug)]
pub(crate) struct KeepRoom {
    commands: mpsc::UnboundedSender<Command>,
    snapshot: watch::Receiver<KeptSnapshot>,
    /// What the task needs and gets when it is started.
    idle: Mutex<Option<Runner>>,
}

impl KeepRoom {
    /// Takes up what is written down. Nothing runs before [`start`](KeepRoom::start).
    pub(crate) fn open(
        media: Arc<Media>,
        store: Arc<SessionStore>,
        clock: Clock,
        (policy, conditions, seed): (KeepPolicy, Conditions, u64),
    ) -> Result<Self, StoreError> {
        let kept = store.load_kept()?;
        kept.lost.iter().for_each(|key| media.unpin(key));
        let mut engine = Keep::new(policy, conditions, seed);
        engine.handle_start(clock.now(), kept.records);
        let (commands, received) = mpsc::unbounded_channel();
        let (snapshot, seen) = watch::channel(KeptSnapshot::default());
        let runner = Runner::new(media, store, clock, engine, received, snapshot);
        Ok(KeepRoom { commands, snapshot: seen, idle: Mutex::new(Some(runner)) })
    }

    /// Starts the task; it ends with this handle.
    pub(crate) fn start(&self, handle: &Handle) {
        if let Some(runner) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tasks::spawn_on(handle, runner.run());
        }
    }

    pub(crate) fn snapshot(&self) -> KeptSnapshot {
        self.snapshot.borrow().clone()
    }

    pub(crate) async fn snapshot_after(&self, revision: u64) -> Result<KeptSnapshot, Error> {
        let mut seen = self.snapshot.clone();
        let newer = seen.wait_for(|snapshot| snapshot.revision > revision).await;
        newer.map(|snapshot| snapshot.clone()).map_err(|_| Error::ShutDown)
    }

    /// Bytes on the device for all that is kept.
    pub(crate) fn held(&self) -> u64 {
        self.snapshot.borrow().held()
    }

    /// The renditions that are kept.
    pub(crate) fn keys(&self) -> Vec<MediaKey> {
        let key = |kept: &Kept| MediaKey::new(&kept.item.asset.id, &kept.rendition);
        self.snapshot.borrow().kept.iter().map(key).collect()
    }

    /// The renditions that are kept, and their pictures and captions.
    pub(crate) fn files(&self) -> Vec<MediaKey> {
        let mut files = self.keys();
        files.extend(self.snapshot.borrow().kept.iter().flat_map(|kept| beside::keys(&kept.item)));
        files
    }

    /// The card of an item that is kept.
    pub(crate) fn item(&self, id: &str) -> Option<Item> {
        self.snapshot.borrow().kept.iter().find(|kept| kept.item.id == id).map(|kept| (*kept.item).clone())
    }

    /// The cards of what is kept, in the order it was asked for.
    pub(crate) fn items(&self) -> Vec<Item> {
        self.snapshot.borrow().kept.iter().map(|kept| (*kept.item).clone()).collect()
    }

    pub(crate) async fn estimate(&self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        let items = checked(items)?;
        self.ask(|reply| Command::Estimate(items, reply)).await
    }

    pub(crate) async fn keep(&self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        let items = checked(items)?;
        self.ask(|reply| Command::Keep(items, reply)).await
    }

    pub(crate) async fn pause(&self, assets: Vec<String>) -> Result<(), Error> {
        self.ask(|reply| Command::Pause(assets, reply)).await
    }

    pub(crate) async fn resume(&self, assets: Vec<String>) -> Result<(), Error> {
        self.ask(|reply| Command::Resume(assets, reply)).await
    }

    pub(crate) async fn forget(&self, assets: Vec<String>) -> Result<u64, Error> {
        self.ask(|reply| Command::Forget(assets, reply)).await
    }

    pub(crate) fn set_conditions(&self, conditions: Conditions) {
        self.tell(Command::Conditions(conditions));
    }

    pub(crate) fn signed_in(&self) {
        self.tell(Command::SignedIn);
    }

    /// Waits until everything told before is done and written down.
    pub(crate) async fn settle(&self) {
        let _ = self.ask(Command::Settle).await;
    }

    /// Ends the task: what it fetches is stopped at the next chunk, its records are written.
    pub(crate) async fn stop(&self) {
        let _ = self.ask(Command::Stop).await;
    }

    fn tell(&self, command: Command) {
        // A task that ended has nothing to be told.
        let _ = self.commands.send(command);
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Command,
    ) -> Result<T, Error> {
        let (reply, answer): (_, Answers<T>) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| Error::ShutDown)?;
        answer.await.unwrap_or(Err(Error::ShutDown))
    }
}

/// Items as an app may give them, held to the bounds of the contract.
fn checked(items: Vec<Item>) -> Result<Vec<Item>, Error> {
    if items.len() > MAX_KEPT {
        return Err(too_many());
    }
    let outside = || Error::Config { reason: "an item outside the bounds of the contract".into() };
    items.into_iter().map(|item| check::item(item).ok_or_else(outside)).collect()
}

pub(super) fn too_many() -> Error {
    Error::Config { reason: format!("more than {MAX_KEPT} assets to keep") }
}
