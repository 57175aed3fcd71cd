//! Runs probes: feeds the sans-IO parsers from the store, fetches what they ask for, remembers what they found.
//!
//! One probe per key runs at a time, on a task of its own, so that a caller who goes away stops nobody. The answer is
//! kept as a blob beside the bytes, with the validators of the version it describes; offline after a restart the blob
//! is the answer. An answer about another version of the file counts as none.

mod reading;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use unspool_engine::{Container, MediaKey};

use crate::fetch::{FetchError, Fetcher, Priority, Renewal, Way};
use crate::info::MediaInfo;
use crate::probe::ProbeError;
use crate::probe::hls::Shape;
use crate::recent::Recent;
use crate::segments::{Parts, Plan, owner};
use crate::store::{Store, StoreError, Validators};
use crate::tasks;

/// Versions looked at before the file is called unstable.
const VERSIONS: u32 = 3;

type Outcome = Result<Arc<MediaInfo>, ProbeError>;

/// The probes of a media layer.
#[derive(Debug)]
pub(crate) struct Prober {
    store: Arc<Store>,
    fetcher: Arc<Fetcher>,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    declared: HashMap<MediaKey, Declared>,
    known: Recent<Answer>,
    running: HashMap<MediaKey, Running>,
}

/// What is known in memory.
#[derive(Debug)]
struct Answer {
    /// `None` for keys whose blob was looked for in vain.
    known: Option<Known>,
    /// Whether memory is the only place that has it.
    unkept: bool,
}

impl Answer {
    fn may_go(&self) -> bool {
        !self.unkept
    }
}

/// What the backend says of a rendition.
#[derive(Debug, Clone, Copy)]
struct Declared {
    container: Container,
    bytes: Option<u64>,
    /// Bits per second, 0 when unknown.
    bits: u64,
}

#[derive(Debug, Clone)]
struct Known {
    generation: u64,
    info: Arc<MediaInfo>,
    /// Of a rendition in several files.
    plan: Option<Arc<Plan>>,
}

#[derive(Debug, Clone)]
struct Running {
    priority: Arc<watch::Sender<Priority>>,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// What is kept of a probe.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    info: MediaInfo,
    file_size: Option<u64>,
    etag: Option<String>,
    last_modified: Option<String>,
    references: Vec<String>,
    #[serde(default)]
    ways: Vec<Way>,
    #[serde(default)]
    plan: Option<Plan>,
}

impl Prober {
    /// `keep` answers stay in memory; an older one is read from the index again when it is asked for.
    pub(crate) fn new(store: Arc<Store>, fetcher: Arc<Fetcher>, keep: usize) -> Self {
        let keeper = store.clone();
        fetcher.on_renewed(Arc::new(move |key, news| {
            if let Renewal::Header(file, seen) = &news {
                return !keeper.entry(file).lock().validators().differ_from(seen);
            }
            let same = !matches!(news, Renewal::Version);
            if let Err(error) = renew(&keeper, key, news) {
                tracing::warn!(target: "unspool::media", %error, "renewed references could not be kept");
            }
            same
        }));
        let books = Books { declared: HashMap::new(), known: Recent::new(keep), running: HashMap::new() };
        Prober { store, fetcher, books: Mutex::new(books) }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the declared packing, size and bits per second (0 when unknown).
    pub(crate) fn declare(&self, key: &MediaKey, container: Container, bytes: Option<u64>, bits: u64) {
        self.fetcher.route(key).need_references(container == Container::Hls);
        self.books().declared.insert(key.clone(), Declared { container, bytes, bits });
    }

    /// Forgets what was declared of `key`.
    pub(crate) fn undeclare(&self, key: &MediaKey) {
        self.books().declared.remove(key);
    }

    /// The files of `key` if it has several, as far as is known without the network.
    pub(crate) fn parts(&self, key: &MediaKey) -> Option<Parts> {
        let declared = self.books().declared.get(key).copied();
        // A file has no files.
        if declared.is_some_and(|declared| declared.container != Container::Hls) || owner(key).is_some() {
            return None;
        }
        let Known { generation, plan, .. } = self.remembered(key)?;
        Some(self.parts_of(key, generation, plan?))
    }

    fn parts_of(&self, key: &MediaKey, version: u64, plan: Arc<Plan>) -> Parts {
        Parts { store: self.store.clone(), key: key.clone(), version, plan }
    }

    /// What is known of `key` without the network. The first call for a key reads a blob.
    pub(crate) fn known(&self, key: &MediaKey) -> Option<Arc<MediaInfo>> {
        self.remembered(key).map(|known| known.info)
    }

    fn remembered(&self, key: &MediaKey) -> Option<Known> {
        let found = self.books().known.get(key).map(|answer| answer.known.clone());
        let known = match found {
            Some(known) => known?,
            None => {
                // An index that cannot be read now may be read later.
                let known = self.load(key).ok()?;
                let mut books = self.books();
                // A probe may have ended meanwhile; it knows better.
                if books.known.peek(key).is_none() {
                    let loaded = Answer { known: known.clone(), unkept: false };
                    books.known.insert(key.clone(), loaded, Answer::may_go);
                }
                known?
            }
        };
        let current = self.store.entry(key).lock().generation() == known.generation;
        current.then_some(known)
    }

    /// What is in memory of `key`; neither the disk nor the network is asked.
    pub(crate) fn in_memory(&self, key: &MediaKey) -> Option<Arc<MediaInfo>> {
        Some(self.books().known.peek(key)?.known.as_ref()?.info.clone())
    }

    fn load(&self, key: &MediaKey) -> Result<Option<Known>, StoreError> {
        let bytes = self.store.get_blob(&blob_key("probe", key))?;
        let saved = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(saved.and_then(|saved| self.believed(key, saved)))
    }

    /// A kept answer, if it is about the version that is stored.
    fn believed(&self, key: &MediaKey, saved: Saved) -> Option<Known> {
        let entry = self.store.entry(key);
        let state = entry.lock();
        let described =
            Validators { size: saved.file_size, etag: saved.etag, last_modified: saved.last_modified };
        if state.validators().differ_from(&described) {
            return None;
        }
        let generation = state.generation();
        drop(state);
        if !(saved.references.is_empty() && saved.ways.is_empty()) {
            let shape = match &saved.plan {
                Some(plan) => Shape::Lists(plan.cuts.clone()),
                None => Shape::of(&saved.info),
            };
            self.fetcher.route(key).set_references(saved.references, saved.ways, shape);
        }
        Some(Known { generation, info: Arc::new(saved.info), plan: saved.plan.map(Arc::new) })
    }

    pub(crate) fn forget(&self, key: &MediaKey) -> Result<(), StoreError> {
        self.books().known.remove(key);
        for kind in ["probe", "playlist0", "playlist1"] {
            self.store.delete_blob(&blob_key(kind, key))?;
        }
        Ok(())
    }

    /// The kept playlists of `key`, the one over the media file last.
    pub(crate) fn playlists(&self, key: &MediaKey) -> Vec<Vec<u8>> {
        let kinds = ["playlist0", "playlist1"];
        kinds.iter().filter_map(|kind| self.store.get_blob(&blob_key(kind, key)).ok()?).collect()
    }

    pub(crate) async fn probe(self: &Arc<Self>, key: &MediaKey, priority: Priority) -> Outcome {
        // An answer in memory needs no hop to another thread, which a reader of small ranges would notice.
        if self.in_memory(key).is_some()
            && let Some(info) = self.known(key)
        {
            return Ok(info);
        }
        let this = self.clone();
        let asked = key.clone();
        // The blob is read off the async threads.
        match tasks::spawn_blocking(move || this.known(&asked)).await {
            Ok(Some(info)) => return Ok(info),
            Ok(None) => {}
            Err(_) => return Err(FetchError::Closed.into()),
        }
        let mut outcome = self.join(key, priority).outcome;
        match outcome.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or(Err(FetchError::Closed.into())),
            Err(_) => Err(FetchError::Closed.into()),
        }
    }

    /// The running probe of `key`, raised to `priority`; started when there is none.
    fn join(self: &Arc<Self>, key: &MediaKey, priority: Priority) -> Running {
        let mut books = self.books();
        if let Some(running) = books.running.get(key) {
            running.priority.send_if_modified(|now| {
                let raised = priority > *now;
                *now = (*now).max(priority);
                raised
            });
            return running.clone();
        }
        let (sender, outcome) = watch::channel(None);
        let (priority, urgency) = watch::channel(priority);
        let running = Running { priority: Arc::new(priority), outcome };
        books.running.insert(key.clone(), running.clone());
        drop(books);
        let end = ProbeEnd { prober: self.clone(), key: key.clone(), sender, outcome: None };
        tasks::spawn_on(self.fetcher.handle(), end.of(urgency));
        running
    }

    async fn run(
        &self,
        key: &MediaKey,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(Known, Whole), ProbeError> {
        let entry = self.store.entry(key);
        let declared = self.books().declared.get(key).copied();
        for _ in 0..VERSIONS {
            let generation = entry.lock().generation();
            let (info, plan, whole) = match declared {
                Some(declared) if declared.container == Container::Hls => {
                    let (info, plan) = self.hls(key, &entry, declared, urgency.clone()).await?;
                    (info, plan, Whole::Known)
                }
                _ => {
                    let (info, whole) = self.mp4(&entry, declared, urgency.clone()).await?;
                    (info, None, whole)
                }
            };
            let validators = {
                let state = entry.lock();
                if state.generation() != generation {
                    continue;
                }
                state.validators().clone()
            };
            let known = Known { generation, info: Arc::new(info), plan: plan.map(Arc::new) };
            // A guess is not worth keeping: after a restart it would be taken for the truth. The truth stays here until it
            // is kept; and for as long as it cannot be, on a full disk.
            let answer = Answer { known: Some(known.clone()), unkept: whole == Whole::Known };
            self.books().known.insert(key.clone(), answer, Answer::may_go);
            if whole == Whole::Known {
                self.save(key, &known.info, known.plan.as_deref(), validators).await;
            }
            return Ok((known, whole));
        }
        Err(FetchError::Unstable.into())
    }

    /// Keeps the answer; a full disk only means asking again after a restart.
    async fn save(&self, key: &MediaKey, info: &MediaInfo, plan: Option<&Plan>, file: Validators) {
        let saved = Saved {
            info: info.clone(),
            file_size: file.size,
            etag: file.etag,
            last_modified: file.last_modified,
            references: self.fetcher.route(key).references(None),
            ways: self.fetcher.route(key).ways(),
            plan: plan.cloned(),
        };
        if let Ok(bytes) = serde_json::to_vec(&saved)
            && self.keep(blob_key("probe", key), bytes).await
            && let Some(answer) = self.books().known.get(key)
        {
            answer.unkept = false;
        }
    }

    /// Whether it is kept.
    async fn keep(&self, name: String, bytes: Vec<u8>) -> bool {
        let store = self.store.clone();
        match tasks::spawn_blocking(move || store.put_blob(&name, &bytes)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(target: "unspool::media", %error, "a probe answer could not be kept");
                false
            }
            Err(_) => false,
        }
    }
}

/// Whether an answer says everything that can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Known,
    /// The end of the file may tell more.
    Likely,
}

/// Tells everyone who waits, whatever ended the probe.
struct ProbeEnd {
    prober: Arc<Prober>,
    key: MediaKey,
    sender: watch::Sender<Option<Outcome>>,
    outcome: Option<Outcome>,
}

impl ProbeEnd {
    async fn of(mut self, urgency: watch::Receiver<Priority>) {
        let (prober, key) = (self.prober.clone(), self.key.clone());
        let answer = prober.run(&key, urgency).await;
        let open =
            answer.as_ref().ok().filter(|(_, whole)| *whole == Whole::Likely).map(|(k, _)| k.generation);
        self.outcome = Some(answer.map(|(known, _)| known.info));
        // Those who wait go on with what there is.
        drop(self);
        if let Some(generation) = open
            && let Err(error) = prober.complete(&key, generation).await
        {
            tracing::debug!(target: "unspool::media", %error, "the end of a fragmented file stays unread");
        }
    }
}

impl Drop for ProbeEnd {
    fn drop(&mut self) {
        self.prober.books().running.remove(&self.key);
        self.sender.send_replace(Some(self.outcome.take().unwrap_or(Err(FetchError::Closed.into()))));
    }
}

/// Puts renewed references into the kept answer, or drops an answer about another version.
fn renew(store: &Arc<Store>, key: &MediaKey, news: Renewal) -> Result<(), StoreError> {
    let name = blob_key("probe", key);
    let kept = store.get_blob(&name)?;
    let saved = kept.and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok());
    match (news, saved) {
        (Renewal::Version, saved) => {
            if let Some(plan) = saved.and_then(|saved| saved.plan) {
                let entry = store.entry(key);
                let version = entry.lock().generation();
                entry.supersede();
                let gone = Parts { store: store.clone(), key: key.clone(), version, plan: Arc::new(plan) };
                gone.forget()?;
            }
            store.delete_blob(&name)
        }
        (Renewal::References(..), None) | (Renewal::Header(..), _) => Ok(()),
        (Renewal::References(references, ways), Some(saved)) => {
            match serde_json::to_vec(&Saved { references, ways, ..saved }) {
                Ok(bytes) => store.put_blob(&name, &bytes),
                Err(_) => Ok(()),
            }
        }
    }
}

/// The unit separator keeps kinds and keys apart, as it does within keys.
fn blob_key(kind: &str, key: &MediaKey) -> String {
    format!("{kind}\u{1f}{}", key.as_str())
}
