//! The fetcher: brings missing bytes into the store, one bounded range request at a time.
//!
//! The unit of work is a chunk, about 0.4 s of the line's throughput. A cancel, a promotion and a change of mind all
//! take effect between chunks: the running chunk is received and kept, the connection stays usable, and nobody pays
//! for bytes twice. One scheduler decides which chunk starts next; holes in flight belong to one chunk, so two who
//! want the same bytes wait for the same request.

mod account;
mod changed;
mod chunk;
mod cmcd;
mod error;
mod hosts;
mod http;
mod policy;
mod renew;
mod response;
mod route;
mod scheduler;
mod small;
mod warm;

use std::time::Duration;

use futures_util::future::BoxFuture;
use unspool_engine::MediaKey;

pub(crate) use account::Accounts;
pub use account::{ByPurpose, ByteCounts, Traffic};
pub(crate) use cmcd::About;
pub use cmcd::{Cmcd, Playback};
pub use error::{CertificateFault, FetchError, ResolveError};
pub(crate) use hosts::HostBook;
pub(crate) use http::Http;
pub(crate) use policy::ChunkPolicy;
pub(crate) use renew::Found;
pub use response::is_web_page;
pub(crate) use route::{Place, Relocated, Route, Turn, Way};
pub(crate) use scheduler::{Demand, Fetcher, Renewal};
pub use warm::Prewarm;

/// How urgent bytes are; a higher one always starts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// To be kept for later, no hurry.
    Offline,
    /// Ahead of the thumb.
    Prefetch,
    /// The clip that comes next.
    Next,
    /// A player waits, or will within its read-ahead.
    Playback,
}

/// Who asked for bytes, for the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The player on screen reads them, or will within its read-ahead.
    Playback,
    /// The next card needs them, or a player that nobody watches yet.
    Next,
    /// A planner wanted them further ahead.
    Prefetch,
    /// The person keeps the clip.
    Offline,
    /// They tell what a rendition is.
    Probe,
}

/// One finished network request, as a sample of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchDone {
    /// Whose bytes.
    pub key: MediaKey,
    /// Where they came from: scheme, host and port.
    pub host: String,
    /// Body bytes received.
    pub bytes: u64,
    /// Milliseconds from sending the request to the last byte.
    pub elapsed_ms: u64,
    /// Milliseconds from sending the request to the response head.
    pub ttfb_ms: u64,
}

/// What a finished fetch cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FetchSummary {
    /// Body bytes received on behalf of this fetch.
    pub network_bytes: u64,
    /// Wanted bytes that were in the store when the fetch was asked for.
    pub cached_bytes: u64,
    /// From asking to the last wanted byte.
    pub elapsed: Duration,
}

/// Where a rendition's bytes are at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The address, signature included.
    pub url: String,
    /// Addresses of the same bytes on other hosts, best first; asked while the first host rests. More than
    /// [`Location::ALTERNATES`] are left out.
    pub alternates: Vec<String>,
    /// Wall-clock milliseconds since 1970 after which they no longer answer.
    pub expires_at_ms: Option<i64>,
}

impl Location {
    /// Most alternates used. Eight: a file on more networks than any known publisher buys.
    pub const ALTERNATES: usize = 8;

    /// One address that does not expire.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Location { url: url.into(), alternates: Vec::new(), expires_at_ms: None }
    }
}

/// Gives a fresh address for a rendition whose old one was refused, is about to expire or leads to no server.
///
/// Called from a tokio task, at most once at a time per key, and given up after `Limits::resolve_timeout`.
pub trait UrlResolver: Send + Sync {
    /// The current address of `key`: the playlist for HLS, the file otherwise.
    fn resolve(&self, key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>>;
}

/// Bounds of the fetcher. Every default says why.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Chunks in flight at once: two keep a line busy while one answers, the third is kept for playback.
    pub max_in_flight: usize,
    /// Silence on a connection, before or between bytes, after which the request is given up. 8 s: longer than a
    /// mobile hand-over takes, shorter than a person waits.
    pub stall_timeout: Duration,
    /// Tries per hole before the demand fails; with the back-off below about 8 s in all.
    pub attempts: u32,
    /// First back-off; doubled per try, the wait is drawn evenly from zero to it (full jitter).
    pub backoff_base: Duration,
    /// Longest back-off, also the most that a `Retry-After` is honoured with.
    pub backoff_cap: Duration,
    /// First rest of a failing host when the same bytes are on others; doubled per failure up to five minutes.
    pub host_rest: Duration,
    /// Smallest chunk in bytes. 64 KiB: one checksum block, and a request head costs under 1 % of it.
    pub chunk_min: u64,
    /// Chunk in bytes before the line is known: fits a clip's header and first frames, 1 s at 1 Mbit/s.
    pub chunk_initial: u64,
    /// Largest chunk in bytes: what a cancel may still cost. 1 MiB.
    pub chunk_max: u64,
    /// Bytes a reader keeps ahead of itself: 4 s of a 1 Mbit/s clip.
    pub read_ahead: u64,
    /// Redirects followed per request.
    pub max_redirects: usize,
    /// How long the resolver may take.
    pub resolve_timeout: Duration,
    /// An address that expires within this is refreshed before use: covers a request's round trips and clock skew.
    pub expiry_margin: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_in_flight: 3,
            stall_timeout: Duration::from_secs(8),
            attempts: 5,
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(8),
            host_rest: Duration::from_millis(unspool_engine::hosts::REST.0),
            chunk_min: 64 * 1024,
            chunk_initial: 128 * 1024,
            chunk_max: 1024 * 1024,
            read_ahead: 512 * 1024,
            max_redirects: 5,
            resolve_timeout: Duration::from_secs(10),
            expiry_margin: Duration::from_secs(5),
        }
    }
}
