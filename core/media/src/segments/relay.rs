//! One fetch over several files: one after the other in the order of play, so that what plays first comes first and a
//! cancel costs one chunk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use unspool_engine::Span;

use super::Parts;
use crate::fetch::{Demand, FetchError, FetchSummary, Fetcher, Priority, Purpose};

type Outcome = Option<Result<FetchSummary, FetchError>>;

/// A fetch in progress.
pub(crate) struct Relay {
    fetcher: Arc<Fetcher>,
    parts: Parts,
    purpose: Purpose,
    since: Instant,
    outcome: watch::Sender<Outcome>,
    leg: Mutex<Leg>,
}

/// Which file it is at.
struct Leg {
    rest: VecDeque<(u32, Vec<Span>)>,
    priority: Priority,
    cancelled: bool,
    /// Counts the demands placed.
    number: u64,
    /// The demand that runs, once its name is known.
    demand: Option<u64>,
    /// Whether the demand with the newest number has ended.
    ended: bool,
    sum: FetchSummary,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("key", &self.parts.key).finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts to fetch `spans` of the address space of `parts`; the outcome appears once.
    pub(crate) fn start(
        fetcher: &Arc<Fetcher>,
        parts: Parts,
        spans: &[Span],
        priority: Priority,
        purpose: Purpose,
    ) -> (Arc<Relay>, watch::Receiver<Outcome>) {
        let (sender, outcome) = watch::channel(None);
        let leg = Leg {
            rest: parts.plan.wants(spans).into(),
            priority,
            cancelled: false,
            number: 0,
            demand: None,
            ended: true,
            sum: FetchSummary::default(),
        };
        let relay = Arc::new(Relay {
            fetcher: fetcher.clone(),
            parts,
            purpose,
            since: Instant::now(),
            outcome: sender,
            leg: Mutex::new(leg),
        });
        relay.go_on();
        (relay, outcome)
    }

    fn leg(&self) -> MutexGuard<'_, Leg> {
        self.leg.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the priority of what runs and of what follows.
    pub(crate) fn promote(&self, priority: Priority) {
        let demand = {
            let mut leg = self.leg();
            leg.priority = priority;
            leg.demand
        };
        if let Some(id) = demand {
            self.fetcher.promote(id, priority);
        }
    }

    /// Ends it; the chunk that runs is received and kept.
    pub(crate) fn cancel(&self) {
        let demand = {
            let mut leg = self.leg();
            leg.cancelled = true;
            leg.rest.clear();
            leg.demand
        };
        if let Some(id) = demand {
            self.fetcher.cancel(id);
        }
    }

    /// Places a demand for the next file that lacks something, or ends.
    fn go_on(self: &Arc<Self>) {
        loop {
            let (file, wants, priority, number) = {
                let mut leg = self.leg();
                let Some((file, wants)) = leg.rest.pop_front() else {
                    let outcome = match leg.cancelled {
                        true => Err(FetchError::Cancelled),
                        false => Ok(FetchSummary { elapsed: self.since.elapsed(), ..leg.sum }),
                    };
                    drop(leg);
                    self.finish(outcome);
                    return;
                };
                leg.number += 1;
                leg.demand = None;
                leg.ended = false;
                (file, wants, leg.priority, leg.number)
            };
            let entry = self.parts.entry(file);
            entry.touch();
            // What is all here needs no demand, and no deeper call.
            let cached = {
                let state = entry.lock();
                let size = state.validators().size;
                let here = size.is_some_and(|size| {
                    wants.iter().all(|want| {
                        let want = Span::new(want.start.min(size), want.end.min(size));
                        state.holes(want).is_empty()
                    })
                });
                here.then(|| wants.iter().flat_map(|want| state.held().within(*want)).map(|s| s.len()).sum())
            };
            if let Some(cached) = cached {
                let cached: u64 = cached;
                self.leg().sum.cached_bytes += cached;
                continue;
            }
            let relay = self.clone();
            let id = self.fetcher.demand(Demand {
                entry,
                wants,
                priority,
                purpose: self.purpose,
                reader: false,
                done: Box::new(move |result| relay.ended(number, result)),
            });
            self.placed(number, id, priority);
            return;
        }
    }

    /// The demand with this number has a name now, and may have been overtaken by a promotion or a cancel.
    fn placed(&self, number: u64, id: u64, priority: Priority) {
        let (now, cancelled) = {
            let mut leg = self.leg();
            if leg.number != number || leg.ended {
                return;
            }
            leg.demand = Some(id);
            (leg.priority, leg.cancelled)
        };
        if cancelled {
            self.fetcher.cancel(id);
        } else if now != priority {
            self.fetcher.promote(id, now);
        }
    }

    fn ended(self: &Arc<Self>, number: u64, result: Result<FetchSummary, FetchError>) {
        {
            let mut leg = self.leg();
            if leg.number == number {
                leg.demand = None;
                leg.ended = true;
            }
            if let Ok(summary) = &result {
                leg.sum.network_bytes += summary.network_bytes;
                leg.sum.cached_bytes += summary.cached_bytes;
            }
        }
        match result {
            Ok(_) => self.go_on(),
            Err(error) => self.finish(Err(error)),
        }
    }

    fn finish(&self, outcome: Result<FetchSummary, FetchError>) {
        self.leg().rest.clear();
        self.outcome.send_if_modified(|told| {
            let first = told.is_none();
            if first {
                *told = Some(outcome);
            }
            first
        });
    }
}
