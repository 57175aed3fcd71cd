//! The facade: everything the session and the player do with bytes goes through [`Media`].

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use unspool_engine::lead::Lead;
use unspool_engine::{Container, MediaKey, Span};

use crate::disk::{Disk, LocalDisk};
use crate::fetch::{
    About, Accounts, ByteCounts, Cmcd, Demand, FetchDone, FetchError, Fetcher, Http, Limits, Location,
    Playback, Prewarm, Priority, Purpose, UrlResolver,
};
use crate::info::{Layout, MediaInfo};
use crate::outbound::Outbound;
use crate::probe::ProbeError;
use crate::prober::Prober;
use crate::reader::StoreSource;
use crate::recent::{REMEMBERED, Recent};
use crate::segments::{Assembled, Parts, owner};
use crate::source::ByteSource;
use crate::store::{MemoryOnly, Store, StoreError, StoreHealth, StoredMedia, Validators};
use crate::tasks;
use crate::ticket::FetchTicket;
use crate::tls::{TlsConfig, TlsError};
use crate::untailed::Untailed;

/// Samples of the line that wait for the planner; more would be history.
const SAMPLES: usize = 256;

/// Entries kept in memory unused. 256: far more than a feed has in its window and history at a time, and with a few
/// kilobytes for the checksums of a usual clip about a megabyte.
const KEEP_LOADED: usize = 256;

/// Bytes of a cache in memory. 64 MiB: what a device that is low on storage is asked for at most (32 MiB, the playing clip,
/// its neighbours and the heads of the next page), and as much again until eviction has seen it.
const MEMORY_CACHE: u64 = 64 * 1024 * 1024;

/// How to open the media layer.
#[derive(Clone)]
pub struct MediaConfig {
    /// Directory of the cache; one owner at a time.
    pub dir: PathBuf,
    /// Where fresh addresses come from; without one a refused or dead address stays so, and only what a playlist names
    /// can be renewed.
    pub resolver: Option<Arc<dyn UrlResolver>>,
    /// What requests say they come from.
    pub user_agent: String,
    /// Whether plain HTTP may leave this machine; to the machine itself it always may.
    pub allow_plain_http: bool,
    /// Whom HTTPS trusts.
    pub tls: TlsConfig,
    /// Whether requests tell servers of the playback they serve, and how; default: they do not.
    pub cmcd: Option<Cmcd>,
    /// Renditions of which index entries and probe answers stay in memory while nobody uses them.
    pub keep_loaded: usize,
    /// Bytes to cache in memory for the session where the directory gives no place for a cache: it cannot be written to, there
    /// is no space, the medium fails. 0 to have [`Media::open`] fail then. [`StoreHealth::memory_only`] says that it is so.
    pub memory_cache: u64,
    /// Where the cached bytes lie: this device, or in tests a disk that fails.
    pub disk: Arc<dyn Disk>,
    /// Bounds and time-outs.
    pub limits: Limits,
    /// Where requests are listed.
    pub outbound: Outbound,
}

impl MediaConfig {
    /// The usual configuration over `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        MediaConfig {
            dir: dir.into(),
            resolver: None,
            user_agent: concat!("unspool/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plain_http: false,
            tls: TlsConfig::default(),
            cmcd: None,
            keep_loaded: KEEP_LOADED,
            memory_cache: MEMORY_CACHE,
            disk: Arc::new(LocalDisk),
            limits: Limits::default(),
            outbound: Outbound::default(),
        }
    }
}

impl fmt::Debug for MediaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaConfig")
            .field("dir", &self.dir)
            .field("resolver", &self.resolver.is_some())
            .field("user_agent", &self.user_agent)
            .field("allow_plain_http", &self.allow_plain_http)
            .field("tls", &self.tls)
            .field("cmcd", &self.cmcd)
            .field("keep_loaded", &self.keep_loaded)
            .field("memory_cache", &self.memory_cache)
            .field("disk", &self.disk)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Where a rendition comes from, as the backend declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Address of the file, or of the playlist for HLS.
    pub url: String,
    /// Addresses of the same on other hosts, best first; see [`Location::alternates`].
    pub alternates: Vec<String>,
    /// Wall-clock milliseconds since 1970 after which they no longer answer.
    pub expires_at_ms: Option<i64>,
    /// Size in bytes where the backend knows it; a hint, the server has the last word.
    pub bytes: Option<u64>,
    /// Average bits per second, and those of the best rendition of the same asset; 0 when unknown. The first says how much
    /// a start asks for at once ([`opening`](unspool_engine::opening)); both are told to servers with
    /// [`MediaConfig::cmcd`].
    pub bitrate_bps: u64,
    /// See [`bitrate_bps`](Origin::bitrate_bps).
    pub top_bitrate_bps: u64,
    /// Declared packing; HLS is told apart by it, the rest is the probe's business.
    pub container: Container,
}

impl Origin {
    /// One address that does not expire, and nothing else known.
    #[must_use]
    pub fn new(url: impl Into<String>, container: Container) -> Self {
        Origin {
            url: url.into(),
            alternates: Vec::new(),
            expires_at_ms: None,
            bytes: None,
            bitrate_bps: 0,
            top_bitrate_bps: 0,
            container,
        }
    }
}

/// Why the media layer cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The cache cannot be opened or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client cannot be built.
    #[error("no HTTP client: {0}")]
    Client(String),
    /// The rules of trust cannot be used, or the platform's certificates cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The rendition was not probed yet; probe it first.
    #[error("the rendition was not probed yet")]
    NotProbed,
    /// Some of the rendition is missing or damaged; fetch the rest first.
    #[error("the rendition is not complete on this device")]
    Incomplete,
    /// The rendition lies in several files, so there is no one sequence of bytes; read it through the gateway.
    #[error("the rendition is not one file")]
    NotOneFile,
    /// The cache is in memory, so there is no file; read it through the gateway.
    #[error("the cache is in memory for this session")]
    InMemory,
    /// The media layer is shut down.
    #[error("the media layer is shut down")]
    Closed,
}

/// The bytes of all renditions: what is here, what is coming, and readers over both.
///
/// Shape: shared by `Arc`, every method takes `&self` and may be called from any thread; no method of it waits for the
/// network except the futures it returns. Cancellation: dropping such a future stops nothing, tickets have `cancel`.
pub struct Media {
    pub(crate) store: Arc<Store>,
    pub(crate) fetcher: Arc<Fetcher>,
    prober: Arc<Prober>,
    /// What was registered of late; what goes here is forgotten by prober and fetcher too.
    origins: Mutex<Recent<Origin>>,
    /// What is played now, for those who are told it.
    playing: Mutex<Option<(MediaKey, Playback)>>,
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("fetcher", &self.fetcher).finish_non_exhaustive()
    }
}

impl Media {
    /// Opens the cache in `config.dir`; requests run on `handle`. Where the directory gives no place for one, the session has
    /// a small one in memory instead, which [`health`](Media::health) says.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another session owns the directory, other store errors when it is no directory or the index
    /// in it is of a newer version, or for any reason with a [`memory_cache`](MediaConfig::memory_cache) of 0;
    /// [`MediaError::Tls`] when the rules of trust cannot be kept.
    pub fn open(config: MediaConfig, handle: Handle) -> Result<Arc<Media>, MediaError> {
        // First what can be wrong without the directory, so that a refused configuration leaves it free.
        let http = Http::new(
            &config.user_agent,
            config.allow_plain_http,
            config.tls,
            &config.limits,
            config.outbound,
        )?;
        let store = Store::open(&config.dir, config.keep_loaded, config.disk).or_else(|error| {
            let why = MemoryOnly::of(&error).filter(|_| config.memory_cache > 0).ok_or(error)?;
            tracing::warn!(target: "unspool::media", ?why, "the cache is in memory for this session");
            Store::in_memory(&config.dir, config.keep_loaded, config.memory_cache, why)
        });
        let store = Arc::new(store?);
        let accounts = Arc::new(Accounts::default());
        let fetcher =
            Arc::new(Fetcher::new(handle, http, Arc::new(config.limits), accounts, config.resolver.clone()));
        let prober = Arc::new(Prober::new(store.clone(), fetcher.clone(), config.keep_loaded));
        let origins = Mutex::new(Recent::new(REMEMBERED));
        let media = Arc::new(Media { store, fetcher, prober, origins, playing: Mutex::default() });
        if let Some(way) = config.cmcd {
            let media_of = Arc::downgrade(&media);
            let describe = move |key: &MediaKey| media_of.upgrade().map(|m| m.about(key)).unwrap_or_default();
            media.fetcher.say(way, Box::new(describe));
        }
        Ok(media)
    }

    fn origins(&self) -> MutexGuard<'_, Recent<Origin>> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an address known. Calling it again replaces the address; bytes already here stay.
    ///
    /// The newest 4,096 renditions are remembered, give or take a quarter; one that was registered longer ago, and asked for
    /// since then neither by [`origin`](Media::origin) nor by the gateway, is unknown again. What is here of it can be read.
    pub fn register(&self, key: &MediaKey, origin: Origin) {
        self.fetcher.route(key).set(Location {
            url: origin.url.clone(),
            alternates: origin.alternates.clone(),
            expires_at_ms: origin.expires_at_ms,
        });
        self.prober.declare(key, origin.container, origin.bytes, origin.bitrate_bps);
        let gone = self.origins().insert(key.clone(), origin, |_| true);
        for (key, _) in gone {
            self.prober.undeclare(&key);
            self.fetcher.leave(&key);
        }
    }

    /// Lets no further request leave for `key`, whoever asks, until it is [registered](Media::register) again: the fetch
    /// is refused for good. A chunk that is on its way still arrives; [`idle`](Media::idle) waits for it.
    pub fn withdraw(&self, key: &MediaKey) {
        self.fetcher.route(key).withdraw();
    }

    /// Takes in how `key` is being played; `None` when it no longer is. Told to servers with [`MediaConfig::cmcd`].
    pub fn set_playback(&self, key: &MediaKey, playback: Option<Playback>) {
        let now = playback.map(|playback| (key.clone(), playback));
        let mut playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_some() || playing.as_ref().is_some_and(|(known, _)| known == key) {
            *playing = now;
        }
    }

    fn about(&self, key: &MediaKey) -> About {
        let playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let playback = playing.filter(|(known, _)| known == key).map(|(_, playback)| playback);
        let origin = self.origin(key);
        let info = self.prober.in_memory(key);
        let buffered_ms = playback.zip(info.as_ref()).map(|(playback, info)| {
            info.playable_until(playback.playhead_ms, &self.held(key)) - playback.playhead_ms
        });
        About {
            container: origin.as_ref().map(|origin| origin.container),
            bitrate_bps: origin.as_ref().map_or(0, |origin| origin.bitrate_bps),
            top_bitrate_bps: origin.as_ref().map_or(0, |origin| origin.top_bitrate_bps),
            info,
            playback,
            buffered_ms,
        }
    }

    /// Brings connections to the hosts of `urls` about, so that the first request to them needs no handshake.
    ///
    /// At most [`Prewarm::HOSTS`] hosts, one connection each, none for a host that was spoken to of late or is being
    /// connected to. Costs a request for nothing (`HEAD /`) per host, without any signature or other part of an address.
    /// Returns at once; going offline and [`shutdown`](Media::shutdown) end it, and it ends itself within the patience of
    /// `Limits::stall_timeout`. What cannot be connected to is left to the requests that follow.
    pub fn prewarm<'a>(&self, urls: impl IntoIterator<Item = &'a str>) -> Prewarm {
        self.fetcher.prewarm(urls)
    }

    /// The newest registered origin of `key`.
    #[must_use]
    pub fn origin(&self, key: &MediaKey) -> Option<Origin> {
        self.origins().get(key).cloned()
    }

    /// Finds out what a rendition is: from memory, from the cache, or from as few requests as possible.
    ///
    /// Everyone who asks for the same key while a probe runs shares it, at the highest priority asked for.
    ///
    /// # Errors
    /// [`ProbeError`]; `retryable()` says whether to ask again.
    pub async fn probe(&self, key: &MediaKey, priority: Priority) -> Result<Arc<MediaInfo>, ProbeError> {
        self.prober.probe(key, priority).await
    }

    /// What an earlier probe found, in this session or before; never asks the network.
    #[must_use]
    pub fn info(&self, key: &MediaKey) -> Option<Arc<MediaInfo>> {
        self.prober.known(key)
    }

    /// Brings `spans` into the cache. Spans past the end of the file are cut there. Of a rendition in several files they
    /// are places of its address space (see [`Layout::Segmented`](crate::Layout::Segmented)), and the files come one
    /// after the other.
    pub fn fetch(&self, key: &MediaKey, spans: &[Span], priority: Priority, purpose: Purpose) -> FetchTicket {
        if let Some(parts) = self.prober.parts(key) {
            return FetchTicket::relay(&self.fetcher, parts, spans, priority, purpose);
        }
        let entry = self.store.entry(key);
        entry.touch();
        FetchTicket::start(&self.fetcher, |done| Demand {
            entry,
            wants: spans.to_vec(),
            priority,
            purpose,
            reader: false,
            done,
        })
    }

    /// A reader over the rendition's bytes, here or still to come. For HLS these are the bytes of its media file.
    ///
    /// # Errors
    /// [`MediaError::NotProbed`] when the rendition's length is not known yet, [`MediaError::NotOneFile`] when it has no
    /// one file.
    pub fn source(&self, key: &MediaKey) -> Result<Arc<dyn ByteSource>, MediaError> {
        let info = self.prober.known(key).ok_or(MediaError::NotProbed)?;
        if info.layout == Layout::Segmented {
            return Err(MediaError::NotOneFile);
        }
        Ok(self.source_of(key, info.size))
    }

    /// What a player of this core reads, and what it is in the places of that reader: the rendition's file, or its files
    /// as one.
    ///
    /// # Errors
    /// [`MediaError::NotProbed`] when the rendition is not known yet, [`MediaError::NotOneFile`] when its files cannot be
    /// read as one: transport streams, or sound in a playlist of its own.
    pub fn playable(&self, key: &MediaKey) -> Result<(Arc<dyn ByteSource>, Arc<MediaInfo>), MediaError> {
        let info = self.prober.known(key).ok_or(MediaError::NotProbed)?;
        if info.layout != Layout::Segmented {
            return Ok((whole_or_untailed(self.source_of(key, info.size), &info), info));
        }
        let (file, info) = self.assembled(key, &info)?;
        Ok((Arc::new(file), info))
    }

    /// The same for the player of a card that a planner fetches: what comes next in the order of play is waited for, and
    /// asked for only if nobody brings it for three quarters of a second while somebody watches. Headers and places jumped to are asked for at once.
    ///
    /// # Errors
    /// As [`playable`](Media::playable).
    pub fn planned(&self, key: &MediaKey) -> Result<(Arc<dyn ByteSource>, Arc<MediaInfo>), MediaError> {
        let info = self.prober.known(key).ok_or(MediaError::NotProbed)?;
        if info.layout != Layout::Segmented {
            let entry = self.store.entry(key);
            entry.touch();
            let lead = Lead::new(info.headers.clone(), None);
            let source = Arc::new(StoreSource::planned(entry, self.fetcher.clone(), Some(info.size), lead));
            return Ok((whole_or_untailed(source, &info), info));
        }
        let (file, info) = self.assembled(key, &info)?;
        Ok((Arc::new(file.planned()), info))
    }

    fn assembled(&self, key: &MediaKey, info: &MediaInfo) -> Result<(Assembled, Arc<MediaInfo>), MediaError> {
        let parts = self.prober.parts(key).ok_or(MediaError::NotProbed)?;
        let (file, info) = Assembled::new(parts, self.fetcher.clone(), info).ok_or(MediaError::NotOneFile)?;
        Ok((file, Arc::new(info)))
    }

    /// A reader over the first `size` bytes of a rendition, for callers who know the length without a probe.
    ///
    /// Reads past what the server has fail.
    #[must_use]
    pub fn source_of(&self, key: &MediaKey, size: u64) -> Arc<dyn ByteSource> {
        let entry = self.store.entry(key);
        entry.touch();
        Arc::new(StoreSource::new(entry, self.fetcher.clone(), Some(size)))
    }

    /// The version of `key` that readers opened now read: its number, and what the server said of it.
    pub(crate) fn version(&self, key: &MediaKey) -> (u64, Validators) {
        let entry = self.store.entry(key);
        let state = entry.lock();
        (state.generation(), state.validators().clone())
    }

    /// The files of `key` if it has several.
    pub(crate) fn parts(&self, key: &MediaKey) -> Option<Parts> {
        self.prober.parts(key)
    }

    /// A reader over a file of a rendition that has several; its length is asked for where it is not known.
    pub(crate) async fn file(
        &self,
        parts: &Parts,
        file: u32,
        priority: Priority,
    ) -> Result<(Arc<dyn ByteSource>, u64), FetchError> {
        let entry = parts.entry(file);
        entry.touch();
        if entry.lock().validators().size.is_none() {
            self.prober.first_bytes(&entry, priority).await?;
        }
        let size = entry.lock().validators().size;
        let size = size.ok_or(FetchError::Protocol("a file of unknown length"))?;
        Ok((Arc::new(StoreSource::new(entry, self.fetcher.clone(), Some(size))), size))
    }

    /// The playlists that led to the media file of `key`, as they were read. Blocks for the disk.
    pub(crate) fn playlists(&self, key: &MediaKey) -> Vec<Vec<u8>> {
        self.prober.playlists(key)
    }

    /// The bytes of `key` that can be read without the network, ascending.
    #[must_use]
    pub fn held(&self, key: &MediaKey) -> Vec<Span> {
        if let Some(parts) = self.prober.parts(key) {
            return parts.held().as_slice().to_vec();
        }
        self.store.entry(key).lock().held().as_slice().to_vec()
    }

    /// The parts of `span` that are not here.
    #[must_use]
    pub fn holes(&self, key: &MediaKey, span: Span) -> Vec<Span> {
        if let Some(parts) = self.prober.parts(key) {
            return parts.held().holes(span);
        }
        self.store.entry(key).lock().holes(span)
    }

    /// Whether `key` plays to its end without the network: it was probed and every byte is here.
    #[must_use]
    pub fn is_complete(&self, key: &MediaKey) -> bool {
        if let Some(parts) = self.prober.parts(key) {
            return parts.is_complete();
        }
        let Some(info) = self.prober.known(key) else { return false };
        self.store.entry(key).lock().holes(Span::new(0, info.size)).is_empty()
    }

    /// Bytes on the disk over all renditions.
    #[must_use]
    pub fn usage(&self) -> u64 {
        self.store.usage_bytes()
    }

    /// What occupies the disk, least recently used first.
    ///
    /// Reads the whole index: for lists people look at, not for decisions. Without a readable index it is empty.
    #[must_use]
    pub fn stored(&self) -> Vec<StoredMedia> {
        self.store.list().unwrap_or_else(|error| {
            tracing::warn!(target: "unspool::media", %error, "the cache index could not be listed");
            Vec::new()
        })
    }

    /// What eviction needs to see to free `bytes`, least recently used first: the oldest tails that suffice, or all of
    /// them and the oldest heads. Neither pinned renditions nor those of `except` are offered.
    ///
    /// Costs as much as it offers, whatever the cache holds. Blocks for the disk; not for the async threads.
    ///
    /// # Errors
    /// A store error; nothing is known to be evictable then.
    pub fn oldest(&self, bytes: u64, except: &BTreeSet<MediaKey>) -> Result<Vec<StoredMedia>, MediaError> {
        Ok(self.store.oldest(bytes, except)?)
    }

    /// What was last used before `before_ms` (milliseconds since 1970), least recently used first and without pinned
    /// renditions; at most `most` of them. Blocks like [`oldest`](Media::oldest).
    ///
    /// # Errors
    /// A store error; nothing is known to be old then.
    pub fn unused_since(&self, before_ms: i64, most: u32) -> Result<Vec<StoredMedia>, MediaError> {
        Ok(self.store.unused_since(before_ms, most)?)
    }

    /// Keeps `key` from eviction, across restarts too.
    pub fn pin(&self, key: &MediaKey) {
        self.store.entry(key).set_pinned(true);
    }

    /// Every rendition that is pinned. A pin outlives whoever asked for it: an owner that lost its own list of them finds
    /// here what it has to let go. Blocks like [`oldest`](Media::oldest), for as long as a look at every entry takes.
    ///
    /// # Errors
    /// A store error.
    pub fn pinned(&self) -> Result<Vec<MediaKey>, MediaError> {
        Ok(self.store.pinned()?)
    }

    /// Lets eviction have `key` again.
    pub fn unpin(&self, key: &MediaKey) {
        self.store.entry(key).set_pinned(false);
    }

    /// Frees the given bytes, whoever decided on them; pinned renditions keep theirs. Answers the bytes freed.
    ///
    /// Blocks for a disk write per rendition; not for the async threads.
    ///
    /// # Errors
    /// The first store error; what was freed before it stays freed.
    pub fn evict(&self, plan: &[(MediaKey, Span)]) -> Result<u64, MediaError> {
        let mut freed = 0;
        for (key, span) in plan {
            let rendition = owner(key).map(|(rendition, _)| rendition);
            if self.store.entry(rendition.as_ref().unwrap_or(key)).lock().pinned() {
                continue;
            }
            freed += match self.prober.parts(key) {
                Some(parts) => parts.remove(*span)?,
                None => self.store.remove(key, *span)?,
            };
        }
        Ok(freed)
    }

    /// Takes everything about `key` off the disk, pinned or not: bytes, probe answer, playlist. Answers the bytes
    /// freed. Blocks like [`evict`](Media::evict).
    ///
    /// # Errors
    /// A store error; nothing or only a part is gone then, and asking again is safe.
    pub fn forget(&self, key: &MediaKey) -> Result<u64, MediaError> {
        // The files first: without the answer their names would not be known.
        let files = self.prober.parts(key).map_or(Ok(0), |parts| parts.forget())?;
        self.prober.forget(key)?;
        Ok(files + self.store.forget(key)?)
    }

    /// Stops requests from leaving, or lets them again. Offline, what is not here fails at once and retryably.
    pub fn set_offline(&self, offline: bool) {
        self.fetcher.set_offline(offline);
    }

    /// Whether requests are kept from leaving.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.fetcher.is_offline()
    }

    /// The byte books of this session.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        self.fetcher.accounts().counts()
    }

    /// Health of the cache since it was opened.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.store.health()
    }

    /// Bytes that could still be written on the volume of the cache. A system call; not for the async threads.
    ///
    /// # Errors
    /// A store error, where the system does not tell.
    pub fn free_space(&self) -> Result<u64, MediaError> {
        Ok(self.store.free_bytes()?)
    }

    /// Samples of the line, one per finished request. The newest caller gets them; a slow one loses some.
    #[must_use]
    pub fn samples(&self) -> mpsc::Receiver<FetchDone> {
        let (sender, receiver) = mpsc::channel(SAMPLES);
        self.fetcher.sample_into(sender);
        receiver
    }

    /// Makes everything fetched so far durable. Blocks for the disk.
    ///
    /// # Errors
    /// A store error; the bytes stay readable and the index is written later.
    pub fn flush(&self) -> Result<(), MediaError> {
        Ok(self.store.flush()?)
    }

    /// Ends the layer: nothing new starts, running chunks are received until `deadline`, the index is written.
    /// The directory is free for the next owner when this returns. Idempotent. Readers that wait get an error.
    ///
    /// # Errors
    /// A store error of the last index write.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), MediaError> {
        self.fetcher.close(deadline).await;
        let store = self.store.clone();
        match tasks::spawn_blocking(move || store.close()).await {
            Ok(closed) => Ok(closed?),
            Err(_) => Err(MediaError::Closed),
        }
    }
}

/// A fragmented file is played without its end.
fn whole_or_untailed(source: Arc<dyn ByteSource>, info: &MediaInfo) -> Arc<dyn ByteSource> {
    match info.layout {
        Layout::Fragmented => Arc::new(Untailed::new(source)),
        _ => source,
    }
}

/// Readers and tickets report failures of the fetcher in these words.
pub(crate) fn read_error(error: &FetchError) -> crate::source::ReadError {
    crate::source::ReadError::Failed { reason: error.to_string(), retryable: error.retryable() }
}
