//! The task that drains one lane: it reads the clock, performs what [`Delivery`] decides, and reports back.
//!
//! One request is in flight at a time. Every effect is answered, whatever happens to it: a transport error, a time-out
//! and a full disk are answers too. The task ends when it is stopped or when the last handle goes; rows that were on
//! their way then are sent again by the next one, under the same id.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Url;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use unspool_engine::{
    Answer, Batch, Circumstances, Condition, Delivery, DeliveryConfig, DeliveryEffect, Encoding, Held,
    Millis, Stored, Time,
};
use unspool_media::Wire;
use unspool_media::tasks;

use super::handle::{Flush, FlushReason, FlushReport, LastAnswer, Signals, UploadStatus, UploaderHandle};
use super::lane::{Lane, Prepared};
use super::post::{Sent, post};
use crate::crash;
use crate::meter::Meter;

/// Flushes that may wait for the task to take notice; further callers wait for a place.
const FLUSHES: usize = 8;

/// How a lane is driven.
#[derive(Debug, Clone)]
pub(crate) struct CourierConfig {
    pub base: Url,
    pub delivery: DeliveryConfig,
    pub request_timeout: Duration,
    pub online: bool,
    pub meter: Meter,
}

struct Waiter {
    deadline: Instant,
    stop: bool,
    delivered_before: u64,
    reply: oneshot::Sender<FlushReport>,
}

type InFlight<R> = Pin<Box<dyn Future<Output = Sent<R>> + Send>>;

struct Courier<L: Lane> {
    lane: Arc<L>,
    wire: Wire,
    config: CourierConfig,
    delivery: Delivery,
    began: Instant,
    heard: Signals,
    in_flight: Option<InFlight<L::Receipt>>,
    receipt: Option<L::Receipt>,
    status: UploadStatus,
    waiters: Vec<Waiter>,
    publish: watch::Sender<UploadStatus>,
}

/// Starts the task of a lane on `runtime`.
pub(crate) fn spawn<L: Lane>(
    lane: L,
    config: CourierConfig,
    wire: Wire,
    runtime: &tokio::runtime::Handle,
) -> UploaderHandle {
    let (flushes, inbox) = mpsc::channel(FLUSHES);
    let heard = Signals {
        online: config.online,
        circumstances: Circumstances::default(),
        foreground: true,
        nudges: 0,
        refreshes: 0,
    };
    let (signals, hints) = watch::channel(heard);
    let (publish, status) = watch::channel(UploadStatus::default());
    let mut delivery = Delivery::new(config.delivery);
    if !config.online {
        delivery.handle_condition(Time::ZERO, Condition::Offline);
    }
    let courier = Courier {
        lane: Arc::new(lane),
        wire,
        delivery,
        config,
        // Tokio's clock, so that a paused test clock moves this one too.
        began: {
            let _guard = runtime.enter();
            Instant::now()
        },
        heard,
        in_flight: None,
        receipt: None,
        status: UploadStatus::default(),
        waiters: Vec::new(),
        publish,
    };
    let task = Arc::new(tasks::spawn_on(runtime, courier.run(inbox, hints)));
    UploaderHandle { flushes, signals: Arc::new(signals), status, task }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Waits for `future` if there is one, and for ever if not.
async fn maybe<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

impl<L: Lane> Courier<L> {
    fn now(&self) -> Time {
        Time(self.began.elapsed().as_millis() as u64)
    }

    fn at(&self, time: Time) -> Instant {
        self.began + Duration::from_millis(time.0)
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Flush>, mut hints: watch::Receiver<Signals>) {
        let mut changes = self.lane.changes();
        match self.lane.reopen().await {
            Ok(open) => {
                let wall = wall_ms();
                for (batch, next_at_ms) in open {
                    let wait = Millis(next_at_ms.saturating_sub(wall).max(0) as u64);
                    self.delivery.handle_reopened(self.now(), batch, wait);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "open batches could not be read; they are sent after a restart")
            }
        }
        loop {
            // Again after every effect: an answer can make rows claimable that were not before.
            loop {
                changes.mark_unchanged();
                let (rows, bytes) = self.lane.backlog().await;
                self.delivery.handle_recorded(self.now(), rows, bytes);
                let Some(effect) = self.delivery.poll_output() else { break };
                self.perform(effect).await;
            }
            self.tell();
            if self.settle().await {
                return;
            }
            let wake = self.delivery.poll_timeout().map(|(at, _)| self.at(at));
            let wake = wake.into_iter().chain(self.waiters.iter().map(|waiter| waiter.deadline)).min();
            let mut sleep = wake.map(|at| Box::pin(tokio::time::sleep_until(at)));
            tokio::select! {
                flush = inbox.recv() => match flush {
                    Some(flush) => {
                        // What the host said before it asked counts first.
                        self.listen(&mut hints).await;
                        self.flush(flush);
                    }
                    None => return,
                },
                changed = hints.changed() => match changed {
                    Ok(()) => self.listen(&mut hints).await,
                    Err(_) => return,
                },
                sent = maybe(self.in_flight.as_mut()) => self.answered(sent),
                changed = changes.changed() => if changed.is_err() { return },
                () = maybe(sleep.as_mut()) => {
                    self.delivery.handle_timeout(self.now());
                }
            }
        }
    }

    /// Takes in what the host said, and everything recorded before it said so.
    async fn listen(&mut self, hints: &mut watch::Receiver<Signals>) {
        let said = *hints.borrow_and_update();
        let heard = std::mem::replace(&mut self.heard, said);
        self.lane.barrier().await;
        let (rows, bytes) = self.lane.backlog().await;
        let now = self.now();
        self.delivery.handle_recorded(now, rows, bytes);
        if said.online != heard.online {
            let condition = if said.online { Condition::Online } else { Condition::Offline };
            self.delivery.handle_condition(now, condition);
        }
        if said.foreground != heard.foreground {
            let condition = if said.foreground { Condition::Foreground } else { Condition::Background };
            self.delivery.handle_condition(now, condition);
        }
        if said.circumstances != heard.circumstances {
            self.delivery.handle_circumstances(now, said.circumstances);
        }
        if said.refreshes != heard.refreshes {
            self.delivery.handle_refreshed(now);
        }
        if said.nudges != heard.nudges {
            self.delivery.handle_flush(now);
        }
    }

    fn flush(&mut self, Flush { deadline, stop, reply }: Flush) {
        self.delivery.handle_flush(self.now());
        let delivered_before = self.status.delivered;
        self.waiters.push(Waiter { deadline, stop, delivered_before, reply });
    }

    fn answered(&mut self, sent: Sent<L::Receipt>) {
        crash::point("batch.answered");
        self.in_flight = None;
        self.receipt = sent.receipt;
        self.status.last = Some(LastAnswer { answer: sent.answer, status: sent.status });
        tracing::debug!(answer = ?sent.answer, status = sent.status, "a batch was answered");
        if let Some(offer) = sent.offer {
            self.delivery.handle_offer(offer);
        }
        self.delivery.handle_answer(self.now(), sent.key, sent.answer);
    }

    async fn perform(&mut self, effect: DeliveryEffect) {
        let outcome = match effect {
            DeliveryEffect::Claim { max_rows, max_bytes } => {
                match self.lane.claim(max_rows, max_bytes).await {
                    Ok(batch) => {
                        let (rows, bytes) = self.lane.backlog().await;
                        return self.delivery.handle_claimed(self.now(), batch, rows, bytes);
                    }
                    Err(error) => Err(error),
                }
            }
            DeliveryEffect::Send { batch, encoding } => return self.send(batch, encoding).await,
            DeliveryEffect::Accept { batch } => {
                let outcome = self.lane.accept(batch, self.receipt.as_ref()).await;
                if outcome.is_ok() {
                    self.status.delivered += u64::from(batch.rows);
                    self.receipt = None;
                }
                outcome.map(|()| Stored::Done)
            }
            DeliveryEffect::Defer { batch, wait } => {
                let next_at_ms = wall_ms().saturating_add(i64::try_from(wait.0).unwrap_or(i64::MAX));
                self.lane.defer(batch, next_at_ms).await.map(|()| Stored::Done)
            }
            DeliveryEffect::Split { batch } => self
                .lane
                .split(batch)
                .await
                .map(|halves| halves.map_or(Stored::Gone, |(left, right)| Stored::Split(left, right))),
            DeliveryEffect::Quarantine { batch, .. } => {
                let status = self.status.last.map_or(0, |last| last.status);
                tracing::warn!(status, "the server refuses a row; it is kept aside");
                self.lane.quarantine(batch, status).await.map(|()| Stored::Done)
            }
            DeliveryEffect::Pause => return tracing::info!("sending waits for a new credential"),
        };
        let stored = outcome.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue could not be written; it is tried again");
            Stored::Failed
        });
        self.delivery.handle_stored(self.now(), stored);
    }

    async fn send(&mut self, batch: Batch, encoding: Encoding) {
        let key = batch.key;
        let unsent = |answer| Sent::without_receipt(key, answer, 0);
        let sent = match self.lane.prepare(key, encoding).await {
            Ok(Prepared::Send(outgoing)) => {
                let request = post(self.lane.clone(), self.wire.clone(), self.config.clone(), key, outgoing);
                self.in_flight = Some(Box::pin(request));
                return;
            }
            Ok(Prepared::Gone) => unsent(Answer::Accepted),
            Ok(Prepared::NoCredential) => unsent(Answer::NoCredential),
            // A queue that cannot be read is waited for like a server that cannot be reached.
            Err(error) => {
                tracing::warn!(%error, "a batch could not be read; it is tried again");
                unsent(Answer::Network)
            }
        };
        self.answered(sent);
    }

    /// Answers the flushes that have come to an end; says whether the task has.
    async fn settle(&mut self) -> bool {
        if self.waiters.is_empty() {
            return false;
        }
        let queued = self.lane.queued().await;
        let now = Instant::now();
        let drained = self.delivery.is_drained();
        let held = self.delivery.held();
        let mut stop = false;
        let mut kept = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            let reason = match held {
                _ if drained && queued == 0 => FlushReason::Drained,
                _ if drained => FlushReason::Unauthorised,
                _ if now >= waiter.deadline => FlushReason::Deadline,
                Some(Held::Offline) => FlushReason::Offline,
                Some(Held::Unauthorised) => FlushReason::Unauthorised,
                Some(Held::Until(at, _)) if self.at(at) >= waiter.deadline => FlushReason::Failing,
                _ => {
                    kept.push(waiter);
                    continue;
                }
            };
            stop |= waiter.stop;
            let delivered = self.status.delivered - waiter.delivered_before;
            waiter.reply.send(FlushReport { delivered, queued, reason }).ok();
        }
        self.waiters = kept;
        stop
    }

    fn tell(&mut self) {
        self.status.sending = self.in_flight.is_some();
        self.status.held = self.delivery.held();
        self.status.failures = self.delivery.failures();
        self.publish.send_if_modified(|shown| {
            let changed = *shown != self.status;
            *shown = self.status;
            changed
        });
    }
}
