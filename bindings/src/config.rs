//! What an app decides before it opens a session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use unspool::{Config, Credentials};

use crate::error::UnspoolError;
use crate::host::{HostAdapter, HostBackend};
use crate::players::{PlatformPlayers, PlayersAdapter};
use crate::telemetry::{Purpose, consent_to};
use crate::token::{TokenAdapter, TokenProvider};
use crate::wellbeing::zone;

/// The configuration of a session. All but the first two fields have working defaults.
///
/// Printed as text it shows neither the token nor the account, so it may stand in a log.
#[derive(Clone, PartialEq, uniffi::Record)]
#[uniffi::export(Debug, Display)]
pub struct SessionConfig {
    /// Private directory for the cache and the databases; created where missing. One session at a time owns it.
    pub data_dir: String,
    /// Identifier of the person who is signed in, 1 to 128 bytes. What that person does is filed under it on the
    /// device; it is never sent.
    pub account: String,
    /// Address where the backend's contract is spoken, without `/v1`. Not needed when the app supplies the pages; then
    /// telemetry and intents wait on the device.
    #[uniffi(default = None)]
    pub backend: Option<String>,
    /// Bearer token that stays valid as long as the session. Tokens that expire come from a `TokenProvider`.
    #[uniffi(default = None)]
    pub token: Option<String>,
    /// Bytes of media on disk beside what is kept for offline. Default 512 MiB.
    #[uniffi(default = None)]
    pub cache_bytes: Option<u64>,
    /// Tallest picture worth keeping for offline, in pixels. Default 1280.
    #[uniffi(default = None)]
    pub keep_max_height: Option<u32>,
    /// Whether what is kept for offline is fetched over networks that are paid by the byte, too.
    #[uniffi(default = false)]
    pub keep_on_metered: bool,
    /// What the device is like at the start. Default: online, in front, not metered.
    #[uniffi(default = None)]
    pub conditions: Option<Conditions>,
    /// Native window to draw into from the beginning; see `Unspool.setWindow`, also for who owns it until when.
    #[uniffi(default = None)]
    pub window: Option<u64>,
    /// Whether pictures are shown on windows that come and go: a card without one then stands still. Else, and without a
    /// `window`, frames are decoded and timed, and not shown.
    #[uniffi(default = false)]
    pub surfaces: bool,
    /// Whether sound goes to the device.
    #[uniffi(default = false)]
    pub sound: bool,
    /// Most players at once, at least 1. Default 3: the playing card, the next, and the one before.
    #[uniffi(default = 3)]
    pub players: u32,
    /// Most memory that all players together may take, in bytes. Default 96 MB.
    #[uniffi(default = None)]
    pub player_memory: Option<u64>,
    /// Whether players of the platform are given what is complete on the device as a `file:` address; the files have no
    /// extension.
    #[uniffi(default = false)]
    pub player_files: bool,
    /// Languages of captions the person wants, best first, as BCP 47 tags, `*` for any. Default none: captions are off.
    #[uniffi(default = [])]
    pub captions: Vec<String>,
    /// Whether the device asks for reduced motion: no card plays without a tap. The person's own choice comes before it.
    #[uniffi(default = false)]
    pub reduced_motion: bool,
    /// How far the person's local time is from UTC, in minutes to the east; default as it was told last. Days, weeks and
    /// nights of well-being go by it; `setUtcOffset` changes it.
    #[uniffi(default = None)]
    pub utc_offset_min: Option<i32>,
    /// Whether clips start over at their end.
    #[uniffi(default = true)]
    pub loop_playback: bool,
    /// Whether events tell the brightness of each first frame, to find black ones.
    #[uniffi(default = false)]
    pub describe_first_frame: bool,
    /// Longest time a telemetry record waits for company before it is sent. Default 30 s.
    #[uniffi(default = None)]
    pub send_every: Option<Duration>,
    /// Time a request may take until its answer has arrived, at least 1 ms. Default 15 s.
    #[uniffi(default = None)]
    pub request_timeout: Option<Duration>,
    /// Certificates (PEM) of authorities that are trusted besides the platform's, at most 512 KiB.
    #[uniffi(default = None)]
    pub extra_roots: Option<String>,
    /// Hosts that must show one of these keys, whoever vouches for them.
    #[uniffi(default = [])]
    pub pins: Vec<HostPins>,
    /// Where media may come from besides the backend's own host: `https://cdn.example`, `https://cdn.example:8443`, and with a
    /// star and a dot before the name every name below it; at most 64. Requests to other hosts do not leave, and are listed as refused. Default: media come from the backend's host and
    /// the names below it; where the app supplies the pages, from any host over HTTPS.
    #[uniffi(default = [])]
    pub media_hosts: Vec<String>,
    /// Whether media requests tell servers of the playback they serve (CTA-5004), and how. Default: they do not.
    #[uniffi(default = None)]
    pub cmcd: Option<Cmcd>,
    /// What the person agreed to that telemetry is collected for. Default: everything; asking is the app's part.
    #[uniffi(default = None)]
    pub consent: Option<Vec<Purpose>>,
    /// Ed25519 keys whose signature on safety rules counts, each as 64 hexadecimal digits, at most eight. Default none: the
    /// rules that come with the core stay in use.
    #[uniffi(default = [])]
    pub safety_keys: Vec<String>,
    /// What decides the order of feeds, as the JSON of a ranking policy. Default the policy that ships; one that is looser
    /// than promised is refused.
    #[uniffi(default = None)]
    pub ranking_policy: Option<String>,
}

/// The pinned keys of one host.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct HostPins {
    /// Its name, without scheme or port.
    pub host: String,
    /// `sha256/` and the base64 of SHA-256 over a key as certificates hold it (RFC 7469): the server's own, or that of an
    /// intermediate authority which the server sends along. One is enough; pin two, so that one can be replaced.
    pub keys: Vec<String>,
    /// Whether the names under it are pinned too.
    #[uniffi(default = false)]
    pub subdomains: bool,
}

/// How client data travels with media requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Cmcd {
    /// In the four `CMCD-` headers.
    Headers,
    /// In the query argument `CMCD`; not for addresses whose signature covers the query.
    Query,
}

/// What the device is like; the app keeps it up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Conditions {
    /// Whether there is a network.
    #[uniffi(default = true)]
    pub online: bool,
    /// Whether the network is paid by the byte.
    #[uniffi(default = false)]
    pub metered: bool,
    /// Whether the person asked to save data.
    #[uniffi(default = false)]
    pub data_saver: bool,
    /// Whether the app is on screen.
    #[uniffi(default = true)]
    pub foreground: bool,
    /// Whether the system says that storage is low; the cache gives way then.
    #[uniffi(default = false)]
    pub low_storage: bool,
    /// Whether the device saves its battery.
    #[uniffi(default = false)]
    pub battery_saver: bool,
    /// Whether the device is hot and slows itself down.
    #[uniffi(default = false)]
    pub hot: bool,
    /// What kind of network it is.
    #[uniffi(default = None)]
    pub network: Option<NetworkClass>,
    /// Whether the system says that the network is about to go (Android's `onLosing`): the card on screen is fetched to its end
    /// then, before anything else.
    #[uniffi(default = false)]
    pub leaving: bool,
}

/// A kind of network, as far as the device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NetworkClass {
    /// Wi-Fi or a cable.
    Wifi,
    /// A mobile network of the fifth generation.
    Cellular5g,
    /// A mobile network of the fourth.
    Cellular4g,
    /// Anything slower.
    CellularSlow,
}

/// Which feed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
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
    Topic {
        /// Its identifier.
        topic: String,
    },
    /// What is kept for offline, in the order it was asked for. Asks no backend for pages.
    Kept,
}

impl fmt::Debug for SessionConfig {
    /// The token and the account stay out of every log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionConfig").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl fmt::Display for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl SessionConfig {
    pub(crate) fn checked(
        self,
        tokens: Option<Arc<dyn TokenProvider>>,
        host: Option<Arc<dyn HostBackend>>,
        players: Option<Arc<dyn PlatformPlayers>>,
    ) -> Result<Config, UnspoolError> {
        let wrong = |reason: &str| UnspoolError::Config { reason: reason.into() };
        let credentials = match (tokens, self.token) {
            (Some(_), Some(_)) => return Err(wrong("a token and a token provider: give one of them")),
            (Some(provider), None) => Credentials::Provider(Arc::new(TokenAdapter(provider))),
            (None, Some(token)) => Credentials::Fixed(token),
            (None, None) => return Err(wrong("neither a token nor a token provider")),
        };
        let mut config = match (self.backend, host) {
            (Some(url), host) => {
                let mut config = Config::new(self.data_dir, &url, self.account, credentials)?;
                config.host = host.map(HostAdapter::share);
                config
            }
            (None, Some(host)) => {
                Config::hosted(self.data_dir, HostAdapter::share(host), self.account, credentials)?
            }
            (None, None) => return Err(wrong("neither the address of a backend nor a host backend")),
        };
        if let Some(bytes) = self.cache_bytes {
            config.cache_bytes = bytes;
        }
        config.keep.metered = self.keep_on_metered;
        if let Some(height) = self.keep_max_height {
            config.keep.max_height = height;
        }
        if let Some(conditions) = self.conditions {
            config.conditions = conditions.into();
        }
        config.player.window = self.window;
        config.player.surfaces = self.surfaces;
        if let Some(bytes) = self.player_memory {
            config.player.memory_bytes = bytes;
        }
        config.captions = self.captions;
        config.reduced_motion = self.reduced_motion;
        config.utc_offset_min = self.utc_offset_min.map(zone);
        config.player.sound = self.sound;
        config.player.players = usize::try_from(self.players).unwrap_or(usize::MAX);
        config.player.loop_playback = self.loop_playback;
        config.player.describe_first_frame = self.describe_first_frame;
        if let Some(every) = self.send_every {
            config.telemetry.send_every = every;
        }
        if let Some(timeout) = self.request_timeout {
            config.request_timeout = timeout;
        }
        if let Some(app) = players {
            let app = PlayersAdapter::share(app);
            let factory = unspool::share_players(app, config.request_timeout);
            config.engine = unspool::PlayerEngine::Platform { factory, files: self.player_files };
        }
        config.tls.extra_roots = self.extra_roots;
        if let Some(text) = &self.ranking_policy {
            let wrong = |e: unspool::PolicyError| UnspoolError::Config { reason: e.to_string() };
            config.ranking = unspool::RankingPolicy::read(text).map_err(wrong)?;
        }
        config.safety_keys = self.safety_keys.iter().map(|key| safety_key(key)).collect::<Result<_, _>>()?;
        config.tls.pins = self.pins.into_iter().map(HostPins::into_core).collect::<Result<_, _>>()?;
        let pattern = |text: &String| text.parse().map_err(|e: unspool::PatternError| wrong(&e.to_string()));
        config.media_hosts = self.media_hosts.iter().map(pattern).collect::<Result<_, _>>()?;
        config.cmcd = self.cmcd.map(|way| match way {
            Cmcd::Headers => unspool::Cmcd::Headers,
            Cmcd::Query => unspool::Cmcd::Query,
        });
        if let Some(purposes) = self.consent {
            config.consent = consent_to(purposes);
        }
        Ok(config)
    }
}

/// The 32 bytes of a key.
fn safety_key(digits: &str) -> Result<[u8; 32], UnspoolError> {
    let wrong =
        || UnspoolError::Config { reason: "a key of the safety rules has 64 hexadecimal digits".into() };
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut key = [0; 32];
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = digits.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or_else(wrong)?;
    }
    Ok(key)
}

impl HostPins {
    fn into_core(self) -> Result<unspool::HostPins, UnspoolError> {
        let HostPins { host, keys, subdomains } = self;
        let keys = keys.iter().map(|key| key.parse::<unspool::Pin>()).collect::<Result<_, _>>();
        match keys {
            Ok(keys) => Ok(unspool::HostPins { host, subdomains, keys }),
            Err(error) => Err(UnspoolError::Config { reason: error.to_string() }),
        }
    }
}

impl From<Conditions> for unspool::Conditions {
    fn from(c: Conditions) -> Self {
        let Conditions {
            online,
            metered,
            data_saver,
            foreground,
            low_storage,
            battery_saver,
            hot,
            network,
            leaving,
        } = c;
        let network = match network {
            None => unspool::NetworkClass::Unknown,
            Some(NetworkClass::Wifi) => unspool::NetworkClass::Wifi,
            Some(NetworkClass::Cellular5g) => unspool::NetworkClass::Cellular5g,
            Some(NetworkClass::Cellular4g) => unspool::NetworkClass::Cellular4g,
            Some(NetworkClass::CellularSlow) => unspool::NetworkClass::CellularSlow,
        };
        unspool::Conditions {
            online,
            metered,
            data_saver,
            foreground,
            low_storage,
            battery_saver,
            hot,
            leaving,
            network,
        }
    }
}

impl From<FeedKind> for unspool::FeedKind {
    fn from(kind: FeedKind) -> Self {
        match kind {
            FeedKind::ForYou => unspool::FeedKind::ForYou,
            FeedKind::Following => unspool::FeedKind::Following,
            FeedKind::Learn => unspool::FeedKind::Learn,
            FeedKind::NonProfiled => unspool::FeedKind::NonProfiled,
            FeedKind::Topic { topic } => unspool::FeedKind::Topic(topic),
            FeedKind::Kept => unspool::FeedKind::Kept,
        }
    }
}

impl From<unspool::FeedKind> for FeedKind {
    fn from(kind: unspool::FeedKind) -> Self {
        match kind {
            unspool::FeedKind::ForYou => FeedKind::ForYou,
            unspool::FeedKind::Following => FeedKind::Following,
            unspool::FeedKind::Learn => FeedKind::Learn,
            unspool::FeedKind::NonProfiled => FeedKind::NonProfiled,
            unspool::FeedKind::Topic(topic) => FeedKind::Topic { topic },
            unspool::FeedKind::Kept => FeedKind::Kept,
        }
    }
}
