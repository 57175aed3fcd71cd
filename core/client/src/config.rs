//! What an app decides before it opens a session.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use unspool_engine::KeepPolicy;
use unspool_engine::Policy;
use unspool_engine::pipeline::Manner;
use unspool_engine::ranking::RankingPolicy;
use unspool_engine::schema::Consent;
use unspool_engine::session::Conditions;
use unspool_media::{Cmcd, HostPattern, Reach, TlsConfig};
use unspool_player::PlayerConfig;
use url::Url;

use crate::auth::{self, Credentials};
use crate::backend::Backend;
use crate::error::Error;
use crate::players::PlayerEngine;
use crate::wishes;

/// Most patterns of hosts: an app has a handful, and each request is compared with all.
const MEDIA_HOSTS: usize = 64;

/// Which feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeedKind {
    /// Chosen for the person.
    ForYou,
    /// From creators the person follows.
    Following,
    /// Reviewed items about something to learn.
    Learn,
    /// The same for everybody.
    NonProfiled,
    /// One topic.
    Topic(String),
    /// What is kept for offline, in the order it was asked for. Asks no backend for pages.
    Kept,
}

impl FeedKind {
    /// How its order comes about.
    pub(crate) fn manner(&self) -> Manner {
        match self {
            FeedKind::ForYou => Manner::Profiled,
            FeedKind::NonProfiled => Manner::NonProfiled,
            FeedKind::Learn => Manner::Course,
            FeedKind::Following | FeedKind::Topic(_) | FeedKind::Kept => Manner::AsAsked,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            FeedKind::ForYou => "for_you".into(),
            FeedKind::Following => "following".into(),
            FeedKind::Learn => "learn".into(),
            FeedKind::NonProfiled => "non_profiled".into(),
            FeedKind::Topic(topic) => format!("topic:{topic}"),
            FeedKind::Kept => "kept".into(),
        }
    }
}

/// How players show and sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerOptions {
    /// Native window to draw into from the beginning, by its platform handle: `ANativeWindow*`, `UIView*`, an X11 window.
    /// Who owns it until when stands at [`Unspool::set_window`](crate::Unspool::set_window).
    pub window: Option<u64>,
    /// Whether pictures are shown on windows that come and go. A card without one then stands still and counts nothing as
    /// watched; else, and without a [`window`](PlayerOptions::window), frames are decoded and timed, and not shown.
    pub surfaces: bool,
    /// Whether sound goes to the device.
    pub sound: bool,
    /// Most players at once: the playing one, the next, and the one before.
    pub players: usize,
    /// Most memory that all players together may take, in bytes; the current card's player is always let in. Default
    /// 96 MB: three players of 1080x1920 pixels with their sound.
    pub memory_bytes: u64,
    /// Whether clips start over at their end.
    pub loop_playback: bool,
    /// Whether events describe the picture of each first frame.
    pub describe_first_frame: bool,
}

impl Default for PlayerOptions {
    fn default() -> Self {
        PlayerOptions {
            window: None,
            surfaces: false,
            sound: false,
            players: 3,
            memory_bytes: PlayerConfig::default().memory_bytes,
            loop_playback: true,
            describe_first_frame: false,
        }
    }
}

impl PlayerOptions {
    /// Whether there are windows to draw into, now or later.
    pub(crate) fn shows(&self) -> bool {
        self.surfaces || self.window.is_some()
    }
}

/// How telemetry leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryOptions {
    /// Longest time a record waits for company before a batch is sent.
    pub send_every: Duration,
    /// Records in a batch at most.
    pub batch_records: usize,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        // 30 s and 100 records are the middle of what the large telemetry clients use (10 to 60 s, 20 to 500 records).
        TelemetryOptions { send_every: Duration::from_secs(30), batch_records: 100 }
    }
}

/// The configuration of a session. [`Config::new`] and [`Config::hosted`] give working defaults for all but their
/// arguments.
#[derive(Debug, Clone)]
pub struct Config {
    /// Private directory for the cache and the databases; created where missing. One session at a time owns it.
    pub data_dir: PathBuf,
    /// Where the backend's contract is spoken, without `/v1`. Without one, telemetry and intents wait on the device.
    pub backend: Option<Url>,
    /// Who supplies pages, topics and addresses instead of the backend's contract.
    pub host: Option<Arc<dyn Backend>>,
    /// Identifier of the person who is signed in. Intents are filed under it; it is never sent.
    pub account: String,
    /// Bearer tokens of that person.
    pub credentials: Credentials,
    /// Bytes of media on disk beside what is kept for offline. Default 512 MiB, what the widely used caches take.
    pub cache_bytes: u64,
    /// Bytes of media a day that may be fetched ahead on networks paid by the byte; past them only the current card is
    /// fetched, at the lowest rate. Default none.
    pub metered_bytes_per_day: Option<u64>,
    /// What the device is like at the start; the host keeps it up to date.
    pub conditions: Conditions,
    /// How far ahead to fetch.
    pub policy: Policy,
    /// What decides the order of feeds: weights, caps and limits. Default the policy that ships.
    pub ranking: RankingPolicy,
    /// Version of the app's policy, told with every viewing so that a change can be seen in what people do; at most 32
    /// bytes, empty where there is none.
    pub policy_version: String,
    /// What the person agreed to. Default everything: asking is the app's part, and so is saying what was answered.
    pub consent: Consent,
    /// Ed25519 keys whose signature on safety rules counts, at most eight. Default none: the rules that come with the core
    /// stay in use.
    pub safety_keys: Vec<[u8; 32]>,
    /// Which renditions are kept for offline, and over which networks they are fetched.
    pub keep: KeepPolicy,
    /// How players show and sound.
    pub player: PlayerOptions,
    /// Who decodes and shows. Default: the pipelines of the core.
    pub engine: PlayerEngine,
    /// Languages of captions the person wants, best first, as BCP 47 tags, `*` for any; see
    /// [`set_captions`](crate::Unspool::set_captions). Default none: captions are off.
    pub captions: Vec<String>,
    /// Whether the system says that the person wants little motion: no card plays without a tap then. Default no.
    pub reduced_motion: bool,
    /// Minutes east of UTC of the local time; see [`set_utc_offset`](crate::Unspool::set_utc_offset). Default: what was told
    /// last, or UTC.
    pub utc_offset_min: Option<i16>,
    /// How telemetry leaves.
    pub telemetry: TelemetryOptions,
    /// Whom HTTPS trusts besides the platform's store, and which hosts must show which keys. Holds for the backend, the
    /// collector and media alike. Default: the platform's judgement.
    pub tls: TlsConfig,
    /// Where media may come from besides the backend's own host: `https://cdn.example`, `https://*.cdn.example`, at most 64;
    /// see [`HostPattern`]. Requests to other hosts, named by a page or by a redirection, do not leave; they are listed as
    /// refused. Default none: media come from the backend's host and the names below it, for a backend on this device from
    /// this device; where the app supplies the pages, from any host over HTTPS. All else goes to the backend alone.
    pub media_hosts: Vec<HostPattern>,
    /// Whether media requests tell servers of the playback they serve (CTA-5004), and how. Default: they do not.
    pub cmcd: Option<Cmcd>,
    /// Time a request may take until its answer has arrived. Default 15 s.
    pub request_timeout: Duration,
    /// A file that everything the feeds are told and do is written to, so that the session can be played back
    /// ([`unspool_engine::tape`]). It names what was watched: for who mends the core, with the person's word, and never sent.
    /// Up to 256 MiB; what the file held is gone. Default none.
    pub tape: Option<PathBuf>,
}

impl Config {
    /// A session with a backend that speaks the native contract.
    ///
    /// # Errors
    /// [`Error::Config`] when `backend` is no http(s) URL, `account` is empty or longer than 128 bytes, or a fixed
    /// token cannot be a bearer token.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        backend: &str,
        account: impl Into<String>,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        let config = |reason: &str| Error::Config { reason: reason.into() };
        let backend = Url::parse(backend)
            .map_err(|e| config(&format!("backend address: {e} (it is whole, as https://api.example)")))?;
        if !matches!(backend.scheme(), "http" | "https") || backend.host().is_none() {
            return Err(config("the backend address must be an http(s) URL with a host"));
        }
        Self::with(data_dir.into(), Some(backend), None, account.into(), credentials)
    }

    /// A session whose pages, topics and addresses the app supplies. Telemetry and intents wait on the device unless
    /// [`backend`](Config::backend) is set too.
    ///
    /// # Errors
    /// As [`Config::new`].
    pub fn hosted(
        data_dir: impl Into<PathBuf>,
        host: Arc<dyn Backend>,
        account: impl Into<String>,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        Self::with(data_dir.into(), None, Some(host), account.into(), credentials)
    }

    fn with(
        data_dir: PathBuf,
        backend: Option<Url>,
        host: Option<Arc<dyn Backend>>,
        account: String,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        let config = |reason: &str| Error::Config { reason: reason.into() };
        if account.is_empty() || account.len() > 128 || account.chars().any(char::is_control) {
            return Err(config("the account must be 1 to 128 bytes without control characters"));
        }
        if let Credentials::Fixed(token) = &credentials
            && !auth::token_fits(token)
        {
            return Err(config("the token must be 1 to 4096 letters, digits or '-._~+/='"));
        }
        let ranking = RankingPolicy::shipped().map_err(|e| Error::Internal { reason: e.to_string() })?;
        Ok(Config {
            data_dir,
            backend,
            host,
            account,
            credentials,
            cache_bytes: 512 * 1024 * 1024,
            metered_bytes_per_day: None,
            conditions: Conditions::default(),
            policy: Policy::default(),
            ranking,
            policy_version: String::new(),
            consent: Consent::all(),
            safety_keys: Vec::new(),
            keep: KeepPolicy::default(),
            player: PlayerOptions::default(),
            engine: PlayerEngine::default(),
            captions: Vec::new(),
            reduced_motion: false,
            utc_offset_min: None,
            telemetry: TelemetryOptions::default(),
            tls: TlsConfig::default(),
            media_hosts: Vec::new(),
            cmcd: None,
            request_timeout: Duration::from_secs(15),
            tape: None,
        })
    }

    /// Where requests may go.
    pub(crate) fn reach(&self) -> Reach {
        let own: Vec<HostPattern> = self.backend.iter().filter_map(HostPattern::of).collect();
        let media = match (&self.backend, &self.host) {
            _ if !self.media_hosts.is_empty() => own.iter().chain(&self.media_hosts).cloned().collect(),
            (Some(base), None) => HostPattern::around(base),
            _ => HostPattern::anywhere(),
        };
        Reach { backend: Some(own), media: Some(media) }
    }

    /// What can be found wrong before anything is made on the device.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let config = |reason: &str| Error::Config { reason: reason.into() };
        if self.player.players == 0 {
            return Err(config("at least one player is needed"));
        }
        wishes::languages_fit(&self.captions)?;
        if self.policy_version.len() > 32 {
            return Err(config("the version of the policy has more than 32 bytes"));
        }
        self.ranking.check_promised().map_err(|e| config(&format!("ranking policy: {e}")))?;
        if self.safety_keys.len() > 8 {
            return Err(config("at most eight keys may sign safety rules"));
        }
        if self.media_hosts.len() > MEDIA_HOSTS {
            return Err(config("at most 64 patterns may say where media come from"));
        }
        self.tls.check().map_err(|e| config(&e.to_string()))?;
        let pinned = |base: &Url| base.host_str().is_some_and(|host| self.tls.is_pinned(host));
        match &self.backend {
            Some(base) if base.scheme() == "http" && pinned(base) => {
                Err(config("the backend's host is pinned and its address is not https"))
            }
            _ => Ok(()),
        }
    }
}
