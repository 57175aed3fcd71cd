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
    /// Viewings that began: one with each of these cards, and one with each that goes on after a break.
    viewings: u64,
    /// Whether one of them is open: a break ends it.
    open: bool,
    /// A break was over just now; the card that becomes current next, if at once, begins the viewing that was counted.
    rested: bool,
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
            (told.feed, told.seen, told.open, told.rested) = (number, 0, false, false);
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

    /// The figures for the inspector.
    pub(super) fn figures(&self) -> Value {
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
            "viewings": told.viewings,
            "ended": told.viewings - u64::from(told.open),
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

    /// Another session begins: the viewing that was open is over, and feeds and requests are numbered anew.
    pub(crate) fn another_session(&self) {
        let mut told = self.told();
        (told.open, told.rested) = (false, false);
        told.seen = 0;
        told.feed = u64::MAX;
        told.link = LinkState::Fine;
        told.closed.clear();
        told.requests.settled = 0;
        told.requests.under_way = 0;
    }
}

impl Told {
    fn event(&mut self, event: &Event) {
        let rested = std::mem::take(&mut self.rested);
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
            Event::Current { .. } => {
                self.shown += 1;
                self.viewings += u64::from(!rested);
                self.open = true;
            }
            Event::BreakBegan { .. } => self.open = false,
            Event::BreakOver => {
                self.viewings += 1;
                (self.open, self.rested) = (true, true);
            }
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

#[cfg(test)]
mod tests {
    use unspool_engine::wellbeing::{Break, Cause as BreakCause, Measure};

    use super::*;

    #[test]
    fn a_break_ends_a_viewing_and_what_goes_on_after_it_is_another() {
        let current = |position: u64| Event::Current { position, item: format!("i{position}") };
        let card = Break {
            number: 1,
            cause: BreakCause::Night,
            measure: Measure::Stop,
            opens_in_ms: 0,
            today_ms: 0,
            stretch_ms: 0,
            passcode_opens: false,
        };
        let began = || Event::BreakBegan { card };
        let mut told = Told::default();
        let mut seen = Vec::new();
        for event in [
            current(0),
            current(1),
            began(),
            Event::BreakOver,
            Event::Resumed { position: 1 },
            current(2),
            began(),
            Event::BreakOver,
            current(3),
        ] {
            told.event(&event);
            seen.push((told.shown, told.viewings, told.open));
        }
        let (shown, viewings, open) = seen[seen.len() - 1];
        assert_eq!((shown, viewings, open), (4, 5, true));
        assert_eq!(seen[2], (2, 2, false), "while a break stands no viewing is open");
    }
}
