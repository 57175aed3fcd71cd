//! Runs probes: feeds the sans-IO parsers from the store, fetches what they ask for, remembers what they found.
//!
//! One probe per key runs at a time, on a task of its own, so that a caller who goes away stops nobody. The answer is
//! kept as a blob beside the bytes, with the validators of the version it describes; offline after a restart the blob
//! is the answer. An answer about another version of the file counts as none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use unspool_engine::{Container, MediaKey, Span};

use crate::fetch::{Demand, FetchError, Fetcher, Found, Priority, Purpose, Renewal, Way};
use crate::info::MediaInfo;
use crate::probe::hls::{Cuts, INIT, Shape};
use crate::probe::listing::{Cut, Packing, Part};
use crate::probe::mp4::{Bytes, Probe, Step};
use crate::probe::{HEAD_BYTES, ProbeError, TAIL_BYTES, describe_head, malformed};
use crate::recent::Recent;
use crate::segments::{Parts, Plan, Rates, head_of, owner};
use crate::store::{Entry, Store, StoreError, Validators};
use crate::ticket::FetchTicket;

/// Requests of one probe at most. A moov-last file needs two or three; a file that keeps asking is hostile.
const STEPS: usize = 64;
/// Between two looks at what has arrived of a file: a twentieth of a mobile round trip, and a look that finds nothing new
/// costs a lock.
const EARLY_LOOK: Duration = Duration::from_millis(4);
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

    /// Takes in the declared packing and size.
    pub(crate) fn declare(&self, key: &MediaKey, container: Container, bytes: Option<u64>) {
        self.fetcher.route(key).need_references(container == Container::Hls);
        self.books().declared.insert(key.clone(), Declared { container, bytes });
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
        match tokio::task::spawn_blocking(move || this.known(&asked)).await {
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
        self.fetcher.handle().spawn(end.of(urgency));
        running
    }

    async fn run(
        &self,
        key: &MediaKey,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(Known, Whole), ProbeError> {
        let entry = self.store.entry(key);
        let declared = self.books().declared.get(key).copied();
        let declared = declared.filter(|declared| declared.container == Container::Hls);
        for _ in 0..VERSIONS {
            let generation = entry.lock().generation();
            let (info, plan, whole) = match declared {
                Some(declared) => {
                    let (info, plan) = self.hls(key, &entry, declared, urgency.clone()).await?;
                    (info, plan, Whole::Known)
                }
                None => {
                    let (info, whole) = self.mp4(&entry, urgency.clone()).await?;
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
        match tokio::task::spawn_blocking(move || store.put_blob(&name, &bytes)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(target: "unspool::media", %error, "a probe answer could not be kept");
                false
            }
            Err(_) => false,
        }
    }

    /// Steps the parser over what has arrived, while what it asked for is on its way.
    ///
    /// A progressive file says all in its movie box, which is a fraction of the first piece asked for; a player that
    /// starts with it rides on the rest of that piece. A media box in front says where the movie box is, and that is
    /// asked for beside the rest of the first piece, which holds the first pictures.
    async fn mp4(
        &self,
        entry: &Arc<Entry>,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(MediaInfo, Whole), ProbeError> {
        let mut probe = Probe::new();
        let mut brought: Vec<Span> = Vec::new();
        let mut coming = FuturesUnordered::new();
        let mut under_way: Vec<Span> = Vec::new();
        loop {
            let view = View(entry.clone());
            // Reading and parsing up to 8 MiB does not belong on the async threads.
            let (after, step) = tokio::task::spawn_blocking(move || {
                let step = probe.step(&view);
                (probe, step)
            })
            .await
            .map_err(|_| FetchError::Closed)?;
            probe = after;
            let span = match step? {
                Step::Done(info) => return Ok((*info, Whole::Known)),
                Step::Likely(info) => return Ok((*info, Whole::Likely)),
                Step::Need(span) => span,
            };
            let within = |all: &[Span]| all.iter().any(|a| a.start <= span.start && span.end <= a.end);
            if within(&brought) && entry.lock().run_from(span.start) < span.len() {
                return Err(ProbeError::Store);
            }
            if !within(&under_way) {
                if brought.len() + under_way.len() >= STEPS {
                    return Err(ProbeError::TooLarge { what: "requests of a probe" });
                }
                let bring = self.bring(entry, span, urgency.clone());
                coming.push(async move { (span, bring.await) });
                under_way.push(span);
            }
            let held = entry.lock().run_from(span.start);
            tokio::select! {
                biased;
                Some((span, outcome)) = coming.next() => {
                    outcome?;
                    under_way.retain(|other| *other != span);
                    brought.push(span);
                }
                () = grown(entry, span, held) => {}
            }
        }
    }

    /// Finds out the rest of a file whose end was not at hand when its answer was given: behind everything else, when
    /// its beginning is here.
    async fn complete(&self, key: &MediaKey, generation: u64) -> Result<(), ProbeError> {
        let entry = self.store.entry(key);
        let (_keep, urgency) = watch::channel(Priority::Prefetch);
        let size = entry.lock().validators().size.unwrap_or(0);
        for span in [Span::new(0, HEAD_BYTES.min(size)), Span::new(size.saturating_sub(TAIL_BYTES), size)] {
            self.bring(&entry, span, urgency.clone()).await?;
        }
        let (info, _) = self.mp4(&entry, urgency).await?;
        let validators = {
            let state = entry.lock();
            if state.generation() != generation {
                return Ok(());
            }
            state.validators().clone()
        };
        let info = Arc::new(info);
        let known = Some(Known { generation, info: info.clone(), plan: None });
        self.books().known.insert(key.clone(), Answer { known, unkept: true }, Answer::may_go);
        self.save(key, &info, None, validators).await;
        Ok(())
    }

    async fn hls(
        &self,
        key: &MediaKey,
        entry: &Arc<Entry>,
        declared: Declared,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(MediaInfo, Option<Plan>), ProbeError> {
        let chain = self.fetcher.playlists(key, || purpose_of(*urgency.borrow()), None).await?;
        let shape = chain.found.shape();
        self.fetcher.route(key).set_references(chain.references, chain.ways, shape);
        match chain.found {
            Found::File(cuts) => {
                for (number, text) in chain.texts.into_iter().enumerate() {
                    self.keep(blob_key(&format!("playlist{number}"), key), text).await;
                }
                Ok((self.one_file(entry, cuts, urgency).await?, None))
            }
            Found::Lists(cuts) => {
                let rates = Rates { bits: chain.bits, bytes: declared.bytes };
                let (info, plan) = self.several_files(key, entry, cuts, rates, urgency).await?;
                Ok((info, Some(plan)))
            }
        }
    }

    async fn one_file(
        &self,
        entry: &Arc<Entry>,
        cuts: Cuts,
        urgency: watch::Receiver<Priority>,
    ) -> Result<MediaInfo, ProbeError> {
        self.bring(entry, cuts.init, urgency).await?;
        let view = View(entry.clone());
        let info = tokio::task::spawn_blocking(move || {
            if view.size().is_some_and(|size| size < cuts.size) {
                return Err(malformed("a playlist that goes past its file"));
            }
            cuts.describe(&view.read(cuts.init).ok_or(ProbeError::Store)?)
        })
        .await
        .map_err(|_| FetchError::Closed)??;
        Ok(info)
    }

    /// Asks the beginning of each playlist's media what they are, and lays the parts out.
    async fn several_files(
        &self,
        key: &MediaKey,
        entry: &Arc<Entry>,
        cuts: Vec<Cut>,
        rates: Rates,
        urgency: watch::Receiver<Priority>,
    ) -> Result<(MediaInfo, Plan), ProbeError> {
        let version = entry.lock().generation();
        let plan = Plan::new(cuts, rates, |_| None)?;
        let parts = self.parts_of(key, version, Arc::new(plan));
        let mut heads = Vec::with_capacity(parts.plan.cuts.len());
        let mut base = 0;
        for cut in &parts.plan.cuts {
            let (part, packing) = head_of(cut).ok_or(malformed("a playlist without segments"))?;
            let part = Part { file: base + part.file, ..part };
            let bytes = self.head(&parts, part, packing, urgency.clone()).await?;
            heads.push(describe_head(&bytes, packing)?);
            base += cut.files;
        }
        let known = |file| parts.entry(file).lock().validators().size;
        let plan = Plan::new(parts.plan.cuts.clone(), rates, known)?;
        Ok((plan.describe(heads)?, plan))
    }

    /// An initialisation part, or as much of a first segment as tells what it is.
    async fn head(
        &self,
        parts: &Parts,
        part: Part,
        packing: Packing,
        urgency: watch::Receiver<Priority>,
    ) -> Result<Vec<u8>, ProbeError> {
        let entry = parts.entry(part.file);
        let all = part.range.unwrap_or(Span::new(0, INIT + 1));
        let start = Span::new(all.start, all.end.min(all.start.saturating_add(HEAD_BYTES)));
        self.bring(&entry, start, urgency.clone()).await?;
        let size = entry.lock().validators().size;
        let size = size.ok_or(ProbeError::Unsupported { what: "a file of unknown length" })?;
        let all = Span::new(all.start.min(size), all.end.min(size));
        let wanted = match packing {
            Packing::Fragments if all.len() > INIT => {
                return Err(ProbeError::TooLarge { what: "initialisation segment" });
            }
            Packing::Fragments => all,
            Packing::Transport => Span::new(all.start, start.end.min(size)),
        };
        self.bring(&entry, wanted, urgency).await?;
        let read = tokio::task::spawn_blocking(move || View(entry).read(wanted));
        read.await.map_err(|_| FetchError::Closed)?.ok_or(ProbeError::Store)
    }

    /// Brings the beginning of a file, and with it what its server says of it.
    pub(crate) async fn first_bytes(&self, entry: &Arc<Entry>, priority: Priority) -> Result<(), FetchError> {
        let (_keep, urgency) = watch::channel(priority);
        match self.bring(entry, Span::new(0, HEAD_BYTES), urgency).await {
            Err(ProbeError::Fetch(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Fetches `span`, following the urgency while it runs.
    async fn bring(
        &self,
        entry: &Arc<Entry>,
        span: Span,
        mut urgency: watch::Receiver<Priority>,
    ) -> Result<(), ProbeError> {
        let priority = *urgency.borrow_and_update();
        let ticket = FetchTicket::start(&self.fetcher, |done| Demand {
            entry: entry.clone(),
            wants: vec![span],
            priority,
            purpose: purpose_of(priority),
            // A probe's few spans are as small as a window and as needed when the disk is full.
            reader: true,
            done,
        });
        loop {
            tokio::select! {
                outcome = ticket.wait() => return outcome.map(|_| ()).map_err(ProbeError::from),
                Ok(()) = urgency.changed() => ticket.promote(*urgency.borrow_and_update()),
            }
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

/// Waits until more of `span` is here than `held` bytes; for ever where all of it is.
async fn grown(entry: &Arc<Entry>, span: Span, held: u64) {
    loop {
        tokio::time::sleep(EARLY_LOOK).await;
        let now = entry.lock().run_from(span.start);
        if now > held && held < span.len() {
            return;
        }
    }
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

/// The store as the parsers see it.
struct View(Arc<Entry>);

impl Bytes for View {
    fn size(&self) -> Option<u64> {
        self.0.lock().validators().size
    }

    fn read(&self, span: Span) -> Option<Vec<u8>> {
        let mut state = self.0.lock();
        let room = usize::try_from(span.len()).ok().filter(|_| state.run_from(span.start) >= span.len())?;
        let mut bytes = vec![0; room];
        let mut got = 0;
        while got < room {
            match self.0.read(&mut state, span.start + got as u64, &mut bytes[got..]) {
                (0, _) => return None,
                (n, _) => got += n,
            }
        }
        Some(bytes)
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

fn purpose_of(priority: Priority) -> Purpose {
    match priority {
        Priority::Playback | Priority::Next | Priority::Prefetch => Purpose::Probe,
        Priority::Offline => Purpose::Offline,
    }
}

/// The unit separator keeps kinds and keys apart, as it does within keys.
fn blob_key(kind: &str, key: &MediaKey) -> String {
    format!("{kind}\u{1f}{}", key.as_str())
}
