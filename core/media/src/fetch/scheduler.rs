//! The scheduler: who wants which bytes, and which chunk starts next.
//!
//! A demand is a set of wanted spans with a priority. Whenever something changes, the pump walks the demands from the
//! most urgent one and starts the first chunk of each that has a hole nobody is fetching, while slots last. One slot
//! is out of reach for anything but playback. A demand has one chunk in flight, so cancelling it costs one chunk.
//! Outcomes are delivered after the lock is released.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use unspool_engine::{MediaKey, Span};

use super::chunk::{Chunk, ChunkEnd};
use super::cmcd::{self, Cmcd, Data, Object};
use super::policy::backoff;
use super::warm::Warmth;
use super::{
    About, Accounts, ChunkPolicy, FetchDone, FetchError, FetchSummary, HostBook, Http, Limits, Priority,
    Purpose, Route, UrlResolver, Way,
};
use crate::recent::{REMEMBERED, Recent};
use crate::segments::owner;
use crate::store::{Entry, SpanSet, Validators};
use crate::tasks;

/// Receives the outcome of a demand; called once, without locks, on any thread.
pub(crate) type Done = Box<dyn FnOnce(Result<FetchSummary, FetchError>) + Send>;

/// What became known of a rendition whose playlist was read again.
pub(crate) enum Renewal {
    /// It has these references and ways now.
    References(Vec<String>, Vec<Way>),
    /// It describes another version now.
    Version,
    /// The header of its files, under this key, is this on the server now.
    Header(MediaKey, Validators),
}

/// Takes a renewal in; whether the rendition is the version it was. Called off the async threads; may block for the disk.
pub(crate) type Renewed = Arc<dyn Fn(&MediaKey, Renewal) -> bool + Send + Sync>;

/// What is known of a rendition and of its playback, for those who are told it.
pub(crate) type Describe = Box<dyn Fn(&MediaKey) -> About + Send + Sync>;

/// That requests tell of playback, and how.
struct Said {
    way: Cmcd,
    session: String,
    describe: Describe,
}

/// What somebody wants.
pub(crate) struct Demand {
    pub entry: Arc<Entry>,
    pub wants: Vec<Span>,
    pub priority: Priority,
    pub purpose: Purpose,
    /// A player's own window: small, so it may be served from memory while the disk is full.
    pub reader: bool,
    pub done: Done,
}

struct Waiting {
    demand: Demand,
    since: Instant,
    cached: u64,
    network: u64,
}

struct Running {
    demand: u64,
    key: MediaKey,
    span: Span,
    playback: bool,
    abort: Option<AbortHandle>,
}

/// Ways kept of renditions that nobody registered. As many as are registered: a kept answer names the way of each.
const ROUTES: usize = 2 * REMEMBERED;
/// Keys whose last request failed, before those at rest for nobody are looked for. 256: more than ever fail at a time.
const PAUSES: usize = 256;

#[derive(Default)]
struct Pause {
    attempts: u32,
    until: Option<Instant>,
}

#[derive(Default)]
struct Queue {
    next_id: u64,
    demands: BTreeMap<u64, Waiting>,
    running: BTreeMap<u64, Running>,
    pauses: HashMap<MediaKey, Pause>,
    offline: bool,
    closed: bool,
}

impl Queue {
    /// Makes room where too many failed: a rest that is over, of a key that nobody waits for, says nothing any more.
    fn forget_pauses(&mut self) {
        if self.pauses.len() < PAUSES {
            return;
        }
        let (now, demands) = (Instant::now(), &self.demands);
        self.pauses.retain(|key, pause| {
            pause.until.is_some_and(|until| until > now)
                || demands.values().any(|waiting| waiting.demand.entry.key == *key)
        });
    }
}

/// What the pump decided under the lock and does after it.
#[derive(Default)]
struct Decided {
    ended: Vec<(Done, Result<FetchSummary, FetchError>)>,
    started: Vec<(u64, Chunk)>,
}

/// Brings bytes into the store. Shared by `Arc`.
pub(crate) struct Fetcher {
    handle: Handle,
    http: Http,
    limits: Arc<Limits>,
    accounts: Arc<Accounts>,
    resolver: Option<Arc<dyn UrlResolver>>,
    hosts: HostBook,
    warmth: Warmth,
    said: OnceLock<Said>,
    renewed: OnceLock<Renewed>,
    routes: Mutex<Recent<Arc<Route>>>,
    queue: Mutex<Queue>,
    policy: Mutex<ChunkPolicy>,
    samples: Mutex<Option<mpsc::Sender<FetchDone>>>,
    active: watch::Sender<usize>,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queue = self.queue();
        f.debug_struct("Fetcher")
            .field("demands", &queue.demands.len())
            .field("running", &queue.running.len())
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    pub(crate) fn new(
        handle: Handle,
        http: Http,
        limits: Arc<Limits>,
        accounts: Arc<Accounts>,
        resolver: Option<Arc<dyn UrlResolver>>,
    ) -> Self {
        let policy = ChunkPolicy::new(&limits);
        let hosts = HostBook::new(limits.host_rest);
        Fetcher {
            handle,
            http,
            limits,
            accounts,
            resolver,
            hosts,
            warmth: Warmth::default(),
            said: OnceLock::new(),
            renewed: OnceLock::new(),
            routes: Mutex::new(Recent::new(ROUTES)),
            queue: Mutex::default(),
            policy: Mutex::new(policy),
            samples: Mutex::default(),
            active: watch::Sender::new(0),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// From now on requests tell of playback; set once, when the layer is put together.
    pub(crate) fn say(&self, way: Cmcd, describe: Describe) {
        let _ = self.said.set(Said { way, session: cmcd::session(), describe });
    }

    /// What a request for `key` tells. `waited_for` says that a person waits.
    pub(super) fn says(
        &self,
        key: &MediaKey,
        object: Object,
        next: Option<Span>,
        waited_for: bool,
    ) -> Option<(Cmcd, Data)> {
        let said = self.said.get()?;
        let about = (said.describe)(key);
        let measured = self.policy.lock().unwrap_or_else(PoisonError::into_inner).kbps();
        Some((said.way, Data::of(key, object, &about, &said.session, measured, next, waited_for)))
    }

    pub(crate) fn warmth(&self) -> &Warmth {
        &self.warmth
    }

    pub(crate) fn hosts(&self) -> &HostBook {
        &self.hosts
    }

    pub(crate) fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    pub(crate) fn resolver(&self) -> Option<&dyn UrlResolver> {
        self.resolver.as_deref()
    }

    /// Who keeps renewed references; set once, when the layer is put together.
    pub(crate) fn on_renewed(&self, renewed: Renewed) {
        let _ = self.renewed.set(renewed);
    }

    pub(super) fn renewed(&self) -> Option<Renewed> {
        self.renewed.get().cloned()
    }

    /// The way to `key`, created unknown when there is none. Files of a rendition go its way.
    pub(crate) fn route(&self, key: &MediaKey) -> Arc<Route> {
        let rendition = owner(key).map(|(rendition, _)| rendition);
        let key = rendition.as_ref().unwrap_or(key);
        let mut routes = self.routes();
        if let Some(route) = routes.get(key) {
            return route.clone();
        }
        let route = Arc::<Route>::default();
        // One with an address leaves with its registration.
        routes.insert(key.clone(), route.clone(), |route| Arc::strong_count(route) == 1 && !route.is_known());
        route
    }

    fn routes(&self) -> MutexGuard<'_, Recent<Arc<Route>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the way to `key`.
    pub(crate) fn leave(&self, key: &MediaKey) {
        self.routes().remove(key);
    }

    /// Sends a sample of every finished request from now on; a full channel loses samples, never time.
    pub(crate) fn sample_into(&self, sender: mpsc::Sender<FetchDone>) {
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    /// Takes a demand in; its number.
    pub(crate) fn demand(self: &Arc<Self>, demand: Demand) -> u64 {
        let (held, size) = {
            let state = demand.entry.lock();
            (state.held(), state.validators().size)
        };
        let cached =
            clamped(&demand.wants, size).flat_map(|want| held.within(want)).map(|span| span.len()).sum();
        self.accounts.cached(demand.purpose, cached);
        let id = {
            let mut queue = self.queue();
            queue.next_id += 1;
            let id = queue.next_id;
            queue.demands.insert(id, Waiting { demand, since: Instant::now(), cached, network: 0 });
            id
        };
        self.pump();
        id
    }

    /// A number that no demand has.
    pub(crate) fn number(&self) -> u64 {
        let mut queue = self.queue();
        queue.next_id += 1;
        queue.next_id
    }

    /// Raises or lowers a demand.
    pub(crate) fn promote(self: &Arc<Self>, id: u64, priority: Priority) {
        if let Some(waiting) = self.queue().demands.get_mut(&id) {
            waiting.demand.priority = priority;
        }
        self.pump();
    }

    /// Changes what a demand wants; `false` when it has ended.
    pub(crate) fn set_wants(self: &Arc<Self>, id: u64, wants: Span) -> bool {
        let found = match self.queue().demands.get_mut(&id) {
            Some(waiting) => {
                waiting.demand.wants = vec![wants];
                true
            }
            None => false,
        };
        self.pump();
        found
    }

    /// Ends a demand. A chunk that runs for it is received and kept.
    pub(crate) fn cancel(self: &Arc<Self>, id: u64) {
        let ended = self.queue().demands.remove(&id);
        if let Some(waiting) = ended {
            (waiting.demand.done)(Err(FetchError::Cancelled));
        }
        self.pump();
    }

    /// Lets requests leave or not. Going offline fails what waits; running chunks are received.
    pub(crate) fn set_offline(self: &Arc<Self>, offline: bool) {
        {
            let mut queue = self.queue();
            let was = std::mem::replace(&mut queue.offline, offline);
            if offline {
                self.warmth.end();
            } else {
                queue.pauses.clear();
            }
            if was && !offline {
                self.hosts.clear();
            }
        }
        self.pump();
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.queue().offline
    }

    /// Whether a request may leave.
    pub(crate) fn may_send(&self) -> Result<(), FetchError> {
        let queue = self.queue();
        match (queue.closed, queue.offline) {
            (true, _) => Err(FetchError::Closed),
            (_, true) => Err(FetchError::Offline),
            _ => Ok(()),
        }
    }

    /// Whether the byte at `offset` is in a chunk that runs for the file or in one that is next for it.
    pub(crate) fn brings(&self, entry: &Entry, offset: u64) -> bool {
        let inside = |span: &Span| span.start <= offset && offset < span.end;
        let queue = self.queue();
        let taken =
            SpanSet::from_spans(queue.running.values().filter(|r| r.key == entry.key).map(|r| r.span));
        if taken.as_slice().iter().any(inside) {
            return true;
        }
        let state = entry.lock();
        let size = state.validators().size;
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        queue.demands.values().filter(|waiting| waiting.demand.entry.key == entry.key).any(|waiting| {
            let holes = clamped(&waiting.demand.wants, size).flat_map(|want| state.holes(want));
            let next = holes.flat_map(|hole| taken.holes(hole)).next();
            next.is_some_and(|next| inside(&policy.first_chunk(next)))
        })
    }

    /// Waits until no chunk of `key` is on its way; whatever starts meanwhile is waited for too.
    pub(crate) async fn idle(&self, key: &MediaKey) {
        let mut active = self.active.subscribe();
        loop {
            active.borrow_and_update();
            let of_key = |running: &Running| {
                running.key == *key || owner(&running.key).is_some_and(|(rendition, _)| rendition == *key)
            };
            if !self.queue().running.values().any(of_key) {
                return;
            }
            // The sender lives as long as `self`, so there is another turn.
            let _ = active.changed().await;
        }
    }

    /// Fails everything that waits, lets running chunks finish until `deadline`, then ends them.
    pub(crate) async fn close(self: &Arc<Self>, deadline: Duration) {
        self.queue().closed = true;
        self.warmth.end();
        self.pump();
        let mut active = self.active.subscribe();
        if tokio::time::timeout(deadline, active.wait_for(|running| *running == 0)).await.is_err() {
            let running: Vec<AbortHandle> =
                self.queue().running.values().filter_map(|running| running.abort.clone()).collect();
            running.iter().for_each(AbortHandle::abort);
        }
    }

    /// Starts what may start and ends what has all it wants.
    pub(crate) fn pump(self: &Arc<Self>) {
        let mut decided = Decided::default();
        {
            let mut queue = self.queue();
            let mut order: Vec<(std::cmp::Reverse<Priority>, u64)> =
                queue.demands.iter().map(|(id, w)| (std::cmp::Reverse(w.demand.priority), *id)).collect();
            order.sort_unstable();
            for (_, id) in order {
                self.advance(&mut queue, id, &mut decided);
            }
            self.active.send_replace(queue.running.len());
        }
        for (number, chunk) in decided.started {
            let report = Report { fetcher: self.clone(), number, end: None };
            let task = tasks::spawn_on(&self.handle, report.of(chunk));
            if let Some(running) = self.queue().running.get_mut(&number) {
                running.abort = Some(task.abort_handle());
            }
        }
        for (done, outcome) in decided.ended {
            done(outcome);
        }
    }

    /// Ends demand `id` if it has all it wants or cannot have it; starts its next chunk if it may.
    fn advance(self: &Arc<Self>, queue: &mut Queue, id: u64, decided: &mut Decided) {
        let Some(waiting) = queue.demands.get(&id) else { return };
        let demand = &waiting.demand;
        let (holes, full) = {
            let state = demand.entry.lock();
            let size = state.validators().size;
            let holes: Vec<Span> = clamped(&demand.wants, size).flat_map(|want| state.holes(want)).collect();
            (holes, demand.entry.reads_through(&state))
        };
        let failure = if holes.is_empty() {
            None
        } else if queue.closed {
            Some(FetchError::Closed)
        } else if queue.offline {
            Some(FetchError::Offline)
        } else if full && !demand.reader {
            Some(FetchError::NoSpace)
        } else {
            self.start(queue, id, &holes, decided);
            return;
        };
        let in_flight = queue.running.values().any(|running| running.demand == id);
        if failure.is_none() && in_flight {
            // Its last chunk still counts what it received; the summary waits for that.
            return;
        }
        if let Some(waiting) = queue.demands.remove(&id) {
            let summary = FetchSummary {
                network_bytes: waiting.network,
                cached_bytes: waiting.cached,
                elapsed: waiting.since.elapsed(),
            };
            decided.ended.push((waiting.demand.done, failure.map_or(Ok(summary), Err)));
        }
    }

    fn start(self: &Arc<Self>, queue: &mut Queue, id: u64, holes: &[Span], decided: &mut Decided) {
        let Some(waiting) = queue.demands.get(&id) else { return };
        let demand = &waiting.demand;
        let key = &demand.entry.key;
        let playback = demand.priority == Priority::Playback;
        let others = queue.running.values().filter(|running| !running.playback).count();
        let room = queue.running.len() < self.limits.max_in_flight
            && (playback || others + 1 < self.limits.max_in_flight.max(2));
        let busy = queue.running.values().any(|running| running.demand == id);
        let paused =
            queue.pauses.get(key).and_then(|pause| pause.until).is_some_and(|until| until > Instant::now());
        // What is wanted first is on its way for somebody else: a second request would only slow it down.
        let comes = holes.first().is_some_and(|hole| {
            let ahead = |r: &Running| r.key == *key && r.span.start <= hole.start && hole.start < r.span.end;
            queue.running.values().any(ahead)
        });
        if !room || busy || paused || comes {
            return;
        }
        let taken = SpanSet::from_spans(queue.running.values().filter(|r| r.key == *key).map(|r| r.span));
        let Some(free) = holes.iter().flat_map(|hole| taken.holes(*hole)).next() else { return };
        let opens = playback && taken.as_slice().is_empty() && {
            let state = demand.entry.lock();
            state.validators().size.is_none() && state.held().as_slice().is_empty()
        };
        let (span, next) = {
            let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
            let span = if opens { policy.opening_chunk(free) } else { policy.first_chunk(free) };
            let after = holes.iter().map(|hole| Span::new(hole.start.max(span.end), hole.end));
            (span, after.filter(|rest| !rest.is_empty()).map(|rest| policy.first_chunk(rest)).next())
        };
        let chunk = Chunk {
            fetcher: self.clone(),
            route: self.route(key),
            entry: demand.entry.clone(),
            span,
            next,
            urgent: playback,
            purpose: demand.purpose,
        };
        let running = Running { demand: id, key: key.clone(), span, playback, abort: None };
        queue.next_id += 1;
        let number = queue.next_id;
        queue.running.insert(number, running);
        decided.started.push((number, chunk));
    }

    fn chunk_ended(self: &Arc<Self>, number: u64, end: ChunkEnd) {
        let mut decided = Decided::default();
        {
            let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
            policy.sample(end.received, end.elapsed);
        }
        if let Some(sample) = &end.sample
            && let Some(sender) = self.samples.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            let _ = sender.try_send(sample.clone());
        }
        {
            let mut queue = self.queue();
            let Some(running) = queue.running.remove(&number) else { return };
            if let Some(waiting) = queue.demands.get_mut(&running.demand) {
                waiting.network += end.received;
            }
            let failure = match end.result {
                Ok(()) if end.stored > 0 || end.received == 0 => {
                    queue.pauses.remove(&running.key);
                    None
                }
                // An answer without anything new would be asked for again and again.
                Ok(()) => self.pause(&mut queue, &running.key, FetchError::Unstable, None, false),
                Err(error) if error.transient() => {
                    if end.stored > 0 {
                        queue.pauses.remove(&running.key);
                    }
                    self.pause(&mut queue, &running.key, error, end.retry_after, end.elsewhere)
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failure {
                queue.pauses.remove(&running.key);
                let failed: Vec<u64> = queue
                    .demands
                    .iter()
                    .filter(|(_, w)| {
                        w.demand.entry.key == running.key && touches(&w.demand.wants, running.span)
                    })
                    .map(|(id, _)| *id)
                    .collect();
                for id in failed {
                    if let Some(waiting) = queue.demands.remove(&id) {
                        decided.ended.push((waiting.demand.done, Err(error.clone())));
                    }
                }
            }
        }
        for (done, outcome) in decided.ended {
            done(outcome);
        }
        self.pump();
    }

    /// Lets a key rest after a failure, unless the next try goes to another host; gives the failure back when it had its
    /// tries.
    fn pause(
        self: &Arc<Self>,
        queue: &mut Queue,
        key: &MediaKey,
        error: FetchError,
        retry_after: Option<Duration>,
        elsewhere: bool,
    ) -> Option<FetchError> {
        queue.forget_pauses();
        let pause = queue.pauses.entry(key.clone()).or_default();
        pause.attempts += 1;
        if pause.attempts >= self.limits.attempts {
            return Some(error);
        }
        if elsewhere {
            pause.until = None;
            return None;
        }
        let wait = backoff(&self.limits, pause.attempts, retry_after);
        pause.until = Some(Instant::now() + wait);
        let fetcher = Arc::downgrade(self);
        tasks::spawn_on(&self.handle, async move {
            tokio::time::sleep(wait).await;
            if let Some(fetcher) = fetcher.upgrade() {
                fetcher.pump();
            }
        });
        None
    }
}

/// Reports a chunk's end whatever ended it: completion, abort or a panic.
struct Report {
    fetcher: Arc<Fetcher>,
    number: u64,
    end: Option<ChunkEnd>,
}

impl Report {
    async fn of(mut self, chunk: Chunk) {
        self.end = Some(chunk.run().await);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let end = self.end.take().unwrap_or_else(|| ChunkEnd::failed(FetchError::Closed));
        self.fetcher.chunk_ended(self.number, end);
    }
}

fn clamped(wants: &[Span], size: Option<u64>) -> impl Iterator<Item = Span> {
    let size = size.unwrap_or(u64::MAX);
    wants.iter().map(move |want| Span::new(want.start.min(size), want.end.min(size)))
}

fn touches(wants: &[Span], span: Span) -> bool {
    wants.iter().any(|want| want.start < span.end && span.start < want.end)
}
