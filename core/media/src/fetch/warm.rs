//! Connections before they are needed.
//!
//! A first request to a host waits for the look-up, the connection and the handshake, three to four round trips. A page of
//! the feed names its hosts seconds before their bytes are wanted, so a request for nothing goes ahead of the first real
//! one. Never to a host that is warm: one that was spoken to within the life of an idle connection, or is being knocked at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::task::AbortHandle;
use url::Url;

use super::Fetcher;
use super::hosts::host_of;
use super::http::IDLE;
use crate::tasks;

/// Hosts remembered at once; more than any feed names within the life of an idle connection.
const KEPT: usize = 64;

/// Which hosts are warm, and what is being warmed.
#[derive(Debug, Default)]
pub(crate) struct Warmth(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When each host was last spoken to.
    used: BTreeMap<String, Instant>,
    running: Vec<AbortHandle>,
}

impl Warmth {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request leaves for `host`.
    pub(super) fn used(&self, host: &str) {
        let mut state = self.state();
        if !state.used.contains_key(host) && state.used.len() >= KEPT {
            state.used.retain(|_, at| at.elapsed() < IDLE);
            if state.used.len() >= KEPT {
                return;
            }
        }
        state.used.insert(host.to_owned(), Instant::now());
    }

    fn is_warm(&self, host: &str) -> bool {
        self.state().used.get(host).is_some_and(|at| at.elapsed() < IDLE)
    }

    /// A host that could not be connected to is as cold as before.
    pub(super) fn failed(&self, host: &str) {
        self.state().used.remove(host);
    }

    /// Ends what is being warmed.
    pub(super) fn end(&self) {
        let running = std::mem::take(&mut self.state().running);
        running.iter().for_each(AbortHandle::abort);
    }
}

/// Connections that are being brought about.
///
/// Dropping it changes nothing; they go on.
#[derive(Debug)]
pub struct Prewarm {
    task: Option<tokio::task::JoinHandle<usize>>,
}

impl Prewarm {
    /// Most hosts of one call: the hosts of a page's first cards are one or two, and each connection costs both sides.
    pub const HOSTS: usize = 4;

    /// Ends what is not connected yet.
    pub fn cancel(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// Waits until every host was connected to or given up, and says how many were connected to by this call.
    pub async fn wait(self) -> usize {
        match self.task {
            Some(task) => task.await.unwrap_or(0),
            None => 0,
        }
    }
}

/// Forgets a host that was being knocked at, unless the knock was answered: aborts come at any point.
struct Knock {
    fetcher: Arc<Fetcher>,
    host: String,
    base: Url,
    answered: bool,
}

impl Knock {
    async fn at_the_door(mut self) -> bool {
        let within = self.fetcher.limits().stall_timeout;
        self.answered = self.fetcher.http().knock(self.base.clone(), within).await.is_ok();
        self.answered
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        if !self.answered {
            self.fetcher.warmth().failed(&self.host);
        }
    }
}

impl Fetcher {
    /// See [`Media::prewarm`](crate::Media::prewarm).
    pub(crate) fn prewarm<'a>(self: &Arc<Self>, urls: impl IntoIterator<Item = &'a str>) -> Prewarm {
        let mut cold: Vec<Knock> = Vec::new();
        if self.may_send().is_ok() {
            for url in urls {
                let Ok(url) = self.http().check(url) else { continue };
                let host = host_of(&url);
                let Ok(base) = Url::parse(&host) else { continue };
                if !self.warmth().is_warm(&host) && cold.len() < Prewarm::HOSTS {
                    self.warmth().used(&host);
                    cold.push(Knock { fetcher: self.clone(), host, base, answered: false });
                }
            }
        }
        if cold.is_empty() {
            return Prewarm { task: None };
        }
        let task = tasks::spawn_on(self.handle(), async move {
            let knocks = join_all(cold.into_iter().map(Knock::at_the_door)).await;
            knocks.into_iter().filter(|connected| *connected).count()
        });
        let mut state = self.warmth().state();
        state.running.retain(|running| !running.is_finished());
        state.running.push(task.abort_handle());
        drop(state);
        Prewarm { task: Some(task) }
    }
}
