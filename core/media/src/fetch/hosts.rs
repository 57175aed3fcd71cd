//! The health of the hosts that bytes come from, with a clock: decisions are the engine's, outcomes are told here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unspool_engine::hosts::{HostFailure, Hosts};
use unspool_engine::{Millis, Time};
use url::Url;

use super::FetchError;

/// All hosts of one media layer.
#[derive(Debug)]
pub(crate) struct HostBook {
    zero: Instant,
    hosts: Mutex<Hosts>,
}

impl HostBook {
    pub(crate) fn new(rest: Duration) -> Self {
        HostBook { zero: Instant::now(), hosts: Mutex::new(Hosts::new(Millis(millis(rest)))) }
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, instant: Instant) -> Time {
        Time(millis(instant.saturating_duration_since(self.zero)))
    }

    /// Which of `hosts` a request is sent to.
    pub(crate) fn choose(&self, hosts: &[&str], urgent: bool) -> usize {
        self.hosts().choose(self.at(Instant::now()), hosts, urgent)
    }

    /// Whether the next request would go to another host than `host`, and to one that does not rest.
    pub(crate) fn has_better(&self, hosts: &[&str], host: &str, urgent: bool) -> bool {
        self.hosts().has_better(self.at(Instant::now()), hosts, host, urgent)
    }

    /// A request sent at `began` was answered.
    pub(crate) fn answered(&self, host: &str, began: Instant) {
        self.hosts().handle_success(self.at(began), host);
    }

    /// A request sent at `began` ended in `error`; errors that do not speak of the host are no failure of it.
    pub(crate) fn failed(&self, host: &str, began: Instant, error: &FetchError, wait: Option<Duration>) {
        let failure = match error {
            FetchError::Unreachable
            | FetchError::Certificate(_)
            | FetchError::Pinned
            | FetchError::HostRefused { .. } => HostFailure::Unreachable,
            FetchError::Stalled => HostFailure::Silent,
            FetchError::Broken => HostFailure::Broken,
            FetchError::Busy { .. } => HostFailure::Busy { wait: wait.map(|wait| Millis(millis(wait))) },
            _ => return,
        };
        let (now, began) = (self.at(Instant::now()), self.at(began));
        self.hosts().handle_failure(now, began, host, failure);
        tracing::debug!(target: "unspool::media", %error, "a host failed");
    }

    /// The device may be on another network now.
    pub(crate) fn clear(&self) {
        self.hosts().clear();
    }
}

/// What a host is called in the books: scheme, name and port.
pub(crate) fn host_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
