//! What reaches the driver, and what each of it does to the engine.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use unspool_engine::breaker::Choice as LoopChoice;
use unspool_engine::planner::FetchEnd;
use unspool_engine::session::{Conditions, Signal};
use unspool_engine::{
    DemandId, Item, LabelUpdate, MediaInfo, MediaKey, Millis, NetworkClass, Page, PageFailure, Viewer,
};
use unspool_player::captions::Captions;

use super::{Card, Control, Driver, Reply, recall, storage};
use crate::backend::BackendError;
use crate::captions::{CaptionTrouble, CardCaptions};
use crate::clock::Clock;
use crate::error::Error;
use crate::events::Event;
use crate::explain::Why;
use crate::players::Opened;

/// What reaches the driver.
pub(crate) enum Input {
    Next(Instant, Reply<Card>),
    Previous(Instant, Reply<Card>),
    Peek(usize, oneshot::Sender<Vec<Item>>),
    /// The items of these identifiers, or nothing when one is not in the feed.
    Items(Vec<String>, oneshot::Sender<Option<Vec<Item>>>),
    /// The card that shows an item and whether it is covered, or nothing when no card does.
    Shown(String, oneshot::Sender<Option<(Item, bool)>>),
    /// The captions of the card at a position, or nothing when there is no such card.
    Captions(u64, oneshot::Sender<Option<CardCaptions>>),
    Control(Control),
    Retry,
    Viewer(Viewer),
    /// Why the card at a position stands there, or nothing when there is no such card.
    Why(u64, oneshot::Sender<Option<Why>>),
    NotInterested(u64, Reply<()>),
    Signal(Signal),
    Answer(LoopChoice),
    Refresh,
    Reveal(u64, Instant, Reply<Card>),
    RefreshLabels,
    Labels(Result<Vec<LabelUpdate>, BackendError>),
    /// What the planner does about each card, and why.
    #[cfg(feature = "inspector")]
    Plans(oneshot::Sender<Vec<unspool_engine::planner::Plan>>),
    #[cfg(feature = "fault-injection")]
    Panic,
    Conditions(Conditions),
    Stop(oneshot::Sender<()>),
    Page {
        request: u64,
        answer: Result<Page, BackendError>,
    },
    Probed {
        key: MediaKey,
        answer: Result<Arc<MediaInfo>, Trouble>,
    },
    Fetched {
        demand: DemandId,
        key: MediaKey,
        end: FetchEnd,
        reason: String,
    },
    Recalled(NetworkClass, recall::Recalled),
    Captioned(MediaKey, Result<Captions, CaptionTrouble>),
    PoolReady(Result<Opened, String>),
    Stored(storage::Stored),
}

/// A failure at the edge, reduced to what the engine asks.
pub(crate) struct Trouble {
    pub(crate) retryable: bool,
    pub(crate) reason: String,
}

impl Driver {
    pub(super) fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Next(asked, reply) => self.step(now, true, asked, reply),
            Input::Previous(asked, reply) => self.step(now, false, asked, reply),
            Input::Peek(n, reply) => {
                let _ = reply.send(self.peek(n));
            }
            Input::Items(ids, reply) => {
                let held: Vec<&Item> = self.engine.items().collect();
                let find = |id: &String| held.iter().find(|item| item.id == *id).map(|&item| item.clone());
                let _ = reply.send(ids.iter().map(find).collect());
            }
            Input::Shown(item, reply) => {
                let _ = reply.send(self.shown(&item));
            }
            Input::Captions(position, reply) => {
                let _ = reply.send(self.captions_of(position));
            }
            Input::Control(control) => self.control(now, control),
            Input::Captioned(key, outcome) => self.handle_captioned(&key, outcome),
            Input::Retry => {
                self.page_trouble = None;
                self.engine.handle_retry(now);
            }
            Input::Reveal(position, asked, reply) => match self.core.wellbeing.standing() {
                Some(card) => drop(reply.send(Err(Error::Break(card)))),
                None => self.reveal(now, asked, position, reply),
            },
            Input::Why(position, reply) => {
                let _ = reply.send(self.why(position));
            }
            #[cfg(feature = "inspector")]
            Input::Plans(reply) => {
                let _ = reply.send(self.engine.planner().plans(now));
            }
            Input::NotInterested(position, reply) => self.not_interested(now, position, reply),
            Input::Signal(signal) => {
                self.engine.handle_signal(now, &signal);
            }
            Input::Answer(choice) => self.engine.handle_answer(now, choice),
            Input::Refresh => {
                self.page_trouble = None;
                self.engine.handle_refresh(now);
            }
            Input::RefreshLabels => self.refresh_labels(now),
            Input::Labels(answer) => self.handle_labels(now, answer),
            Input::Viewer(fact) => self.engine.handle_viewer(now, Clock::wall(), fact),
            Input::Conditions(conditions) => {
                let before = std::mem::replace(&mut self.conditions, conditions);
                self.core.media.set_offline(!conditions.online);
                if before.network != conditions.network {
                    self.write_down(before.network);
                }
                self.engine.handle_conditions(now, Clock::wall(), conditions);
                if conditions.online && !before.online {
                    self.retry_captions();
                }
                if before.network != conditions.network {
                    self.change_network(conditions.network);
                }
                self.keep_budget(now);
            }
            Input::Page { request, answer } => {
                let answer = answer.map_err(|e| {
                    let retry_after = match &e {
                        BackendError::Busy { retry_after, .. } => *retry_after,
                        _ => None,
                    };
                    let failure = PageFailure {
                        retryable: e.retryable(),
                        retry_after: retry_after
                            .map(|d| Millis(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))),
                        intercepted: matches!(e, BackendError::Untrusted(_)),
                    };
                    self.page_trouble = Some(e);
                    failure
                });
                let arrived = answer.is_ok();
                if arrived {
                    self.page_trouble = None;
                }
                self.engine.handle_page(now, request, answer);
                if arrived {
                    self.keep_safe(now);
                    self.prewarm();
                }
            }
            Input::Probed { key, answer } => {
                self.forget_late(&key);
                match answer {
                    Ok(info) => {
                        let held = self.core.media.held(&key);
                        self.engine.handle_probed(now, &key, &info, held);
                    }
                    Err(trouble) => {
                        self.engine.handle_probe_failed(now, &key, trouble.retryable, &trouble.reason)
                    }
                }
            }
            Input::Fetched { demand, key, end, reason } => {
                self.tickets.remove(&demand);
                self.forget_late(&key);
                let held = self.core.media.held(&key);
                self.engine.handle_fetch_end(now, demand, &key, end, held, &reason);
                self.keep_budget(now);
            }
            Input::Recalled(class, recalled) => self.handle_recalled(class, &recalled),
            Input::PoolReady(Ok(opened)) => {
                self.windows.attach(&opened);
                self.pool = Some(opened.players);
                self.tell_budget(now);
                for output in std::mem::take(&mut self.stage_backlog) {
                    self.run_stage(output);
                }
            }
            Input::Stored(stored) => self.handle_stored(now, stored),
            Input::PoolReady(Err(reason)) => self.events.push(Event::PlayersFailed { reason }),
            #[cfg(feature = "fault-injection")]
            Input::Panic => panic!("a panic on purpose in the driver"),
            // Taken by the loop before it gets here.
            Input::Stop(reply) => drop(reply),
        }
    }
}
