//! Where cards come from: the port that every backend answers, and the adapters.
//!
//! What an adapter receives, from the wire or from the app, is checked before anyone else sees it: sizes, counts and
//! lengths are bounded here, so the engine may trust its records.

pub(crate) mod check;
mod hosted;
mod native;

use std::time::Duration;

use futures_util::future::BoxFuture;
use unspool_engine::{LabelUpdate, MediaKey, Page, PageRequest};

pub(crate) use hosted::Hosted;
pub use native::Native;

/// A topic people can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Identifier.
    pub id: String,
    /// Name to show.
    pub title: String,
}

/// A fresh address of a rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Where the bytes are.
    pub url: String,
    /// Where the same bytes are on other hosts, best first; they expire with `url`.
    pub alternates: Vec<String>,
    /// Wall-clock milliseconds since 1970 after which it no longer answers.
    pub expires_at_ms: Option<i64>,
}

/// Why a backend gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The network failed or nothing came in time.
    #[error("network: {0}")]
    Network(String),
    /// It could not prove that it is the backend; a captive portal or a wrong clock may be the cause.
    #[error("{0}")]
    Untrusted(String),
    /// Requests may not go to its host, and nothing left.
    #[error("{host} is none of the hosts that requests may go to")]
    HostRefused {
        /// Name and port.
        host: String,
    },
    /// It asked to wait, or failed in a way that passes.
    #[error("busy: status {status}")]
    Busy {
        /// HTTP status or the adapter's own number.
        status: u16,
        /// How long to wait, where it said.
        retry_after: Option<Duration>,
    },
    /// The provider of tokens gave none, and nobody has to sign in for it.
    #[error("{0}")]
    NoToken(String),
    /// The person must sign in again.
    #[error("not signed in")]
    SignIn,
    /// It refused for good.
    #[error("refused: status {status}")]
    Refused {
        /// HTTP status or the adapter's own number.
        status: u16,
    },
    /// It answered something the contract does not allow.
    #[error("answer outside the contract: {0}")]
    Malformed(String),
}

impl BackendError {
    /// Whether asking again may help.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            BackendError::Network(_)
            | BackendError::Untrusted(_)
            | BackendError::Busy { .. }
            | BackendError::NoToken(_)
            | BackendError::Malformed(_) => true,
            BackendError::SignIn | BackendError::Refused { .. } | BackendError::HostRefused { .. } => false,
        }
    }
}

/// What answers feed and address calls.
///
/// An app may supply its own through [`Config::hosted`](crate::Config::hosted). It is called on the session's threads, any
/// number of calls at once; a call that takes longer than the session's request time-out is dropped and counts as
/// [`BackendError::Network`], and one that nobody waits for any more is dropped too. Items that break the bounds of the
/// native contract are left out, more than 50 on a page are [`BackendError::Malformed`], and addresses must be http(s);
/// alternates that are not, and those after the eighth, are left out.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// One page of a feed.
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>>;

    /// The same for a request that may name topics the feed has enough of: the page should hold others then. A backend that
    /// cannot look for them answers as it would otherwise, and what has no room waits on the device. The request of a first
    /// page may name an item too that the page should begin with ([`PageRequest::first`]); left out, the feed begins without.
    fn requested<'a>(
        &'a self,
        feed: &'a str,
        request: &'a PageRequest,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        self.page(feed, request.cursor.as_deref(), request.limit)
    }

    /// The topics there are.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>>;

    /// The labels that items have now, at most 50, and which of them were taken back. Items it knows nothing new of may be
    /// left out. A backend without late labels need not answer.
    fn labels<'a>(&'a self, items: &'a [String]) -> BoxFuture<'a, Result<Vec<LabelUpdate>, BackendError>> {
        let _ = items;
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Signed safety rules newer than version `held`, where there are any. A backend without rules need not answer.
    fn rules(&self, held: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, BackendError>> {
        let _ = held;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// What became of the person's reports, as (target, outcome) of those that were decided about. A backend that does not
    /// tell need not answer.
    fn reports(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, BackendError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// A fresh address of a rendition whose old one no longer answers.
    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>>;
}
