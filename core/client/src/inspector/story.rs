//! What happened so far, gathered from the feed's events: first frames by class, stalls, and a line for each.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use unspool_engine::StartClass;
use unspool_engine::planner::LinkState;
use unspool_engine::safety::Decision;
use unspool_media::Outbound;

use super::tail::Tail;
use super::words;
use crate::events::{Event, EventLog};

/// First frames of one class that are kept for the percentiles.
const SAMPLES: usize = 2_000;
/// Upper ends of the histogram's bins in milliseconds; the last bin has none.
const BINS: [f64; 9] = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1_280.0, 2_560.0];

/// Cards of which it is remembered why they were closed: more than a window and what was gone back to.
const CLOSED: usize = 64;

/// What happened. Shared by the task that gathers and the pages that show.
#[derive(Debug, Default)]
pub(super) struct Story(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Which feed it is told by.
    feed: u64,
    seen: u64,
    starts: [Vec<f64>; 3],
    /// Cards that became current.
    shown: u64,
    /// Viewings that ended in sessions before this one.
    viewings: u64,
    stalls: u64,
    stall_ms: u64,
    failed: u64,
    closed: BTreeMap<u64, Decision>,
    link: LinkState,
    requests: Requests,
}

/// Requests by what became of them. The session remembers the newest thousand; those that ended are counted here.
#[derive(Debug, Default, Clone)]
struct Requests {
    settled: u64,
    answered: u64,
    unanswered: u64,
    under_way: u64,
}

impl Story {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the feed has to tell.
    pub(super) fn take(&self, number: u64, events: &EventLog, tail: &Tail) {
        let mut told = self.told();
        if told.feed != number {
            // The numbers of another feed begin anew.
            (told.feed, told.seen) = (number, 0);
            told.link = LinkState::Fine;
            told.closed.clear();
        }
        loop {
            let batch = events.after(told.seen, 256);
            if batch.events.is_empty() {
                return;
            }
            told.seen = batch.last;
            for event in batch.events {
                told.event(&event);
                if let Some(line) = words::event(&event) {
                    tail.push("EVENT", &line);
                }
            }
        }
    }

    /// Why a card was closed after it had been given, where that happened.
    pub(super) fn closed(&self, position: u64) -> Option<Decision> {
        self.told().closed.get(&position).cloned()
    }

    /// Counts requests that ended since the last time.
    pub(super) fn count(&self, outbound: &Outbound) -> Value {
        let mut told = self.told();
        let batch = outbound.after(told.requests.settled);
        let requests = &mut told.requests;
        requests.under_way = 0;
        let mut gapless = true;
        let mut later = (0, 0);
        for request in &batch.requests {
            let ended = request.took_ms.is_some();
            let (answered, unanswered) =
                (u64::from(ended && request.status > 0), u64::from(ended && request.status == 0));
            gapless &= ended;
            if gapless {
                requests.settled = request.number;
                requests.answered += answered;
                requests.unanswered += unanswered;
            } else {
                later = (later.0 + answered, later.1 + unanswered);
                requests.under_way += u64::from(!ended);
            }
        }
        json!({
            "answered": requests.answered + later.0,
            "unanswered": requests.unanswered + later.1,
            "underWay": requests.under_way,
        })
    }

    /// The figures for the inspector; `viewings` have ended in this session.
    pub(super) fn figures(&self, viewings: u64) -> Value {
        let told = self.told();
        let names = [StartClass::PreRolled, StartClass::Cached, StartClass::Cold].map(StartClass::name);
        let classes: Vec<Value> = names
            .iter()
            .zip(&told.starts)
            .map(|(name, ms)| {
                let mut bins = [0_u32; BINS.len() + 1];
                for ms in ms {
                    bins[BINS.iter().position(|end| ms < end).unwrap_or(BINS.len())] += 1;
                }
                json!({ "class": name, "bins": bins, "latency": latency(ms.clone()) })
            })
            .collect();
        json!({
            "starts": classes,
            "bins": BINS,
            "shown": told.shown,
            "ended": told.viewings + viewings,
            "stalls": told.stalls,
            "stallMs": told.stall_ms,
            "failed": told.failed,
            "link": match told.link {
                LinkState::Fine => "fine",
                LinkState::Stalled => "stalled",
                LinkState::Captive => "captive",
            },
        })
    }

    /// Another session begins, and feeds and requests are numbered anew; `viewings` ended in the one before it, and all that
    /// became of its requests is in `outbound`.
    pub(super) fn another_session(&self, viewings: u64, outbound: &Outbound) {
        let last = self.count(outbound);
        let mut told = self.told();
        told.viewings += viewings;
        let count = |name: &str| last[name].as_u64().unwrap_or_default();
        // What was still under way went with its session.
        let (answered, unanswered) = (count("answered"), count("unanswered") + count("underWay"));
        told.requests = Requests { answered, unanswered, ..Requests::default() };
        (told.seen, told.feed) = (0, u64::MAX);
        told.link = LinkState::Fine;
        told.closed.clear();
    }
}

impl Told {
    fn event(&mut self, event: &Event) {
        match event {
            Event::FirstFrame { class, latency_ms, .. } => {
                let starts = &mut self.starts[match class {
                    StartClass::PreRolled => 0,
                    StartClass::Cached => 1,
                    StartClass::Cold => 2,
                }];
                if starts.len() < SAMPLES {
                    starts.push(*latency_ms);
                }
            }
            Event::Current { .. } => self.shown += 1,
            Event::Stalled { ms, .. } => {
                self.stalls += 1;
                self.stall_ms += ms;
            }
            Event::Link { state } => self.link = *state,
            Event::CardFailed { .. } => self.failed += 1,
            Event::CardClosed { position, decision, .. } => {
                self.closed.insert(*position, decision.clone());
                if self.closed.len() > CLOSED {
                    self.closed.pop_first();
                }
            }
            _ => {}
        }
    }
}

/// How many, the median and the 95th percentile, by the nearest rank.
fn latency(mut ms: Vec<f64>) -> Value {
    ms.sort_by(f64::total_cmp);
    let rank = |percent: usize| {
        let n = (ms.len() * percent).div_ceil(100).max(1);
        ms.get(n - 1).map(|v| (v * 1_000.0).round() / 1_000.0)
    };
    json!({ "n": ms.len(), "p50": rank(50), "p95": rank(95) })
}
