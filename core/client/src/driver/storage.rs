//! Keeps the cache within what the app allows and the device has left.
//!
//! The engine's [`Budget`] decides; this measures, and runs what follows. One job at a time leaves for the disk and
//! comes back as an input, whatever became of it. A job that failed or freed nothing is not repeated at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use unspool_engine::budget::{self, Budget};
use unspool_engine::eviction::{self, Holding};
use unspool_engine::{MediaKey, Millis, Span, Time};
use unspool_media::tasks;
use unspool_media::{Media, MediaError, StoredMedia};

use super::{Driver, Input};
use crate::clock::Clock;

/// How often the volume is measured. 30 s: in that time a video recorded at 50 Mbit/s takes 190 MB, well below what is
/// left free for others.
const MEASURE_EVERY: Millis = Millis(30_000);
/// How often old renditions are looked for; an age of a month does not need more.
const EXPIRE_EVERY: Millis = Millis(3_600_000);
/// Old renditions that go in one job, so that a job stays short. The rest follows an hour later.
const EXPIRE_MOST: u32 = 256;
/// Pause after a job that failed or freed nothing.
const PAUSE: Millis = Millis(30_000);

/// What a job on the disk found.
#[derive(Debug)]
pub(crate) enum Stored {
    /// Bytes that could still be written, where the system tells.
    Measured(Option<u64>),
    /// Bytes freed; `None` when that failed.
    Evicted(Option<u64>),
}

/// What the driver knows of the storage.
#[derive(Debug)]
pub(super) struct Storage {
    budget: Budget,
    /// What was free and what the cache took, together; unlike either it does not move as the cache fills.
    room: Option<u64>,
    measured: Option<Time>,
    expired: Option<Time>,
    working: bool,
    not_before: Time,
}

impl Storage {
    pub(super) fn new(configured: u64) -> Self {
        Storage {
            budget: Budget::new(configured),
            room: None,
            measured: None,
            expired: None,
            working: false,
            not_before: Time(0),
        }
    }
}

fn due(last: Option<Time>, every: Millis, now: Time) -> bool {
    last.is_none_or(|last| now.since(last) >= every)
}

impl Driver {
    /// Measures when it is time to, and gives up bytes when there are too many or some are too old.
    pub(super) fn keep_budget(&mut self, now: Time) {
        if self.storage.working {
            return;
        }
        let media = Arc::clone(&self.core.media);
        if due(self.storage.measured, MEASURE_EVERY, now) {
            self.storage.measured = Some(now);
            self.work(move || {
                let free =
                    media.free_space().inspect_err(|error| tracing::debug!(%error, "free space is unknown"));
                Stored::Measured(free.ok())
            });
            return;
        }
        let usage = self.usage();
        let free = self.storage.room.map(|room| room.saturating_sub(usage));
        // A disk that is full is low, whatever it says of its room: there are quotas.
        let low = self.conditions.low_storage || media.health().read_through;
        self.storage.budget.handle_storage(budget::Storage { usage, free, low });
        let excess = self.storage.budget.excess(usage);
        let expire = due(self.storage.expired, EXPIRE_EVERY, now);
        if now < self.storage.not_before || (excess == 0 && !expire) {
            return;
        }
        let since = expire.then(|| {
            self.storage.expired = Some(now);
            Clock::wall().unix_ms.saturating_sub(i64::try_from(eviction::MAX_AGE.0).unwrap_or(i64::MAX))
        });
        let near = self.near();
        self.work(move || {
            let freed = give_up(&media, excess, since, &near);
            Stored::Evicted(freed.inspect_err(|error| tracing::warn!(%error, "eviction failed")).ok())
        });
    }

    /// Takes in how a job went.
    pub(super) fn handle_stored(&mut self, now: Time, stored: Stored) {
        self.storage.working = false;
        match stored {
            Stored::Measured(free) => {
                self.storage.room = free.map(|free| free.saturating_add(self.usage()));
            }
            Stored::Evicted(None | Some(0)) => self.storage.not_before = now + PAUSE,
            Stored::Evicted(Some(_)) => {}
        }
        self.keep_budget(now);
    }

    /// Bytes that count against the budget; what is kept for offline does not.
    fn usage(&self) -> u64 {
        self.core.media.usage().saturating_sub(self.core.keep.held())
    }

    /// What plays, what comes next, what was just left and what is kept for offline: not to be given up.
    fn near(&self) -> BTreeSet<MediaKey> {
        let from = self.engine.current().unwrap_or(0);
        [from.saturating_sub(1)]
            .into_iter()
            .chain(self.engine.window())
            .filter_map(|p| self.engine.planner().key(p).cloned())
            .chain(self.core.keep.keys())
            .collect()
    }

    fn work(&mut self, job: impl FnOnce() -> Stored + Send + 'static) {
        self.storage.working = true;
        let inputs = self.inputs.clone();
        tasks::spawn_blocking(move || {
            let _ = inputs.send(Input::Stored(job()));
        });
    }
}

/// Evicts `excess` bytes and what was last used before `since`; the bytes freed.
fn give_up(
    media: &Media,
    excess: u64,
    since: Option<i64>,
    near: &BTreeSet<MediaKey>,
) -> Result<u64, MediaError> {
    let mut freed = 0;
    if let Some(since) = since {
        let mut old = media.unused_since(since, EXPIRE_MOST)?;
        old.retain(|stored| !near.contains(&stored.rendition()));
        let old = holdings(old);
        freed += evict(media, &eviction::expire(&old, u64::try_from(since).unwrap_or(0)))?;
    }
    let excess = excess.saturating_sub(freed);
    if excess > 0 {
        freed += evict(media, &eviction::evict(&holdings(media.oldest(excess, near)?), excess))?;
    }
    Ok(freed)
}

fn evict(media: &Media, plan: &[(MediaKey, Span)]) -> Result<u64, MediaError> {
    if plan.is_empty() { Ok(0) } else { media.evict(plan) }
}

fn holdings(stored: Vec<StoredMedia>) -> Vec<Holding> {
    let holding = |s: StoredMedia| Holding {
        pinned: s.pinned,
        last_use: u64::try_from(s.last_used_ms).unwrap_or(0),
        spans: s.spans,
        key: s.key,
    };
    stored.into_iter().map(holding).collect()
}
