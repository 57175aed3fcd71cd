//! What an app decides before it opens a session.

use std::path::PathBuf;
use std::time::Duration;

use unspool_engine::Policy;
use unspool_engine::session::Conditions;
use url::Url;

use crate::error::Error;

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
}

impl FeedKind {
    /// The name on the wire.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            FeedKind::ForYou => "for_you".into(),
            FeedKind::Following => "following".into(),
            FeedKind::Learn => "learn".into(),
            FeedKind::NonProfiled => "non_profiled".into(),
            FeedKind::Topic(topic) => format!("topic:{topic}"),
        }
    }
}

/// How players show and sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerOptions {
    /// Native window to draw into; without one frames are decoded and timed, and not shown.
    pub window: Option<u64>,
    /// Whether sound goes to the device.
    pub sound: bool,
    /// Most players at once: the playing one, the next, and the one before.
    pub players: usize,
    /// Whether clips start over at their end.
    pub loop_playback: bool,
    /// Whether events describe the picture of each first frame.
    pub describe_first_frame: bool,
}

impl Default for PlayerOptions {
    fn default() -> Self {
        PlayerOptions {
            window: None,
            sound: false,
            players: 3,
            loop_playback: true,
            describe_first_frame: false,
        }
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

/// The configuration of a session. [`Config::new`] gives working defaults for all but three values.
#[derive(Debug, Clone)]
pub struct Config {
    /// Private directory for the cache and the databases; created where missing. One session at a time owns it.
    pub data_dir: PathBuf,
    /// Where the backend's contract is spoken, without `/v1`.
    pub backend: Url,
    /// Bearer token of the signed-in person.
    pub token: String,
    /// Bytes of media kept on disk. Default 512 MiB, what the widely used caches take.
    pub cache_bytes: u64,
    /// What the device is like at the start; the host keeps it up to date.
    pub conditions: Conditions,
    /// How far ahead to fetch.
    pub policy: Policy,
    /// How players show and sound.
    pub player: PlayerOptions,
    /// How telemetry leaves.
    pub telemetry: TelemetryOptions,
    /// Time a request may take until its answer has arrived. Default 15 s.
    pub request_timeout: Duration,
}

impl Config {
    /// A configuration with defaults.
    ///
    /// # Errors
    /// [`Error::Config`] when `backend` is no http(s) URL or `token` is empty, too long, or holds other characters
    /// than letters, digits and `._-`.
    pub fn new(data_dir: impl Into<PathBuf>, backend: &str, token: impl Into<String>) -> Result<Self, Error> {
        let config = |reason: &str| Error::Config { reason: reason.into() };
        let backend = Url::parse(backend).map_err(|e| config(&format!("backend address: {e}")))?;
        if !matches!(backend.scheme(), "http" | "https") || backend.host().is_none() {
            return Err(config("the backend address must be an http(s) URL with a host"));
        }
        let token = token.into();
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if token.is_empty() || token.len() > 128 || !token.chars().all(fits) {
            return Err(config("the token must be 1 to 128 letters, digits, '.', '_' or '-'"));
        }
        Ok(Config {
            data_dir: data_dir.into(),
            backend,
            token,
            cache_bytes: 512 * 1024 * 1024,
            conditions: Conditions::default(),
            policy: Policy::default(),
            player: PlayerOptions::default(),
            telemetry: TelemetryOptions::default(),
            request_timeout: Duration::from_secs(15),
        })
    }
}
