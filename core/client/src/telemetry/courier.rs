//! The task that drains one lane: it reads the clock, performs what [`Delivery`] decides, and reports back.
//!
//! One request is in flight at a time. Every effect is answered, whatever happens to it: a transport error, a time-out
//! and a full disk are answers too. The task ends when it is stopped or when the last handle goes; rows that were on
//! their way then are sent again by the next one, under the same id.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use unspool_engine::{
    Answer, Batch, Condition, Delivery, DeliveryConfig, DeliveryEffect, Encoding, Held, Millis, Stored, Time,
};

use super::lane::{Lane, Outgoing, Prepared};

/// Longest answer that is read, in bytes: 100 results of an outbox need about 10 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Flushes that may wait for the task to take notice; further callers wait for a place.
const FLUSHES: usize = 8;

/// Why a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushReason {
    /// Everything recorded before the call has been delivered or set aside.
    Drained,
    /// Time ran out.
    Deadline,
    /// There is no network.
    Offline,
    /// The server wants a new credential, or the owner of what is left is not signed in.
    Unauthorised,
    /// Sending failed, and the next attempt lies beyond the deadline.
    Failing,
    /// The task has been stopped.
    Stopped,
}

/// What a flush achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushReport {
    /// Rows delivered while it ran.
    pub delivered: u64,
    /// Rows still queued.
    pub queued: u64,
    /// Why it ended.
    pub reason: FlushReason,
}

/// The last thing heard, for people who look at what the core is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAnswer {
    /// How it was understood.
    pub answer: Answer,
    /// The status code; zero without one.
    pub status: u16,
}

/// What the task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadStatus {
    /// Whether a request is in flight.
    pub sending: bool,
    /// Why queued rows are held back, if they are; times count from the start of the task.
    pub held: Option<Held>,
    /// Rows delivered since the task began.
    pub delivered: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// The last answer.
    pub last: Option<LastAnswer>,
}

struct Flush {
    deadline: Instant,
    stop: bool,
    reply: oneshot::Sender<FlushReport>,
}

/// What the host says. Only the newest matters, so it is a value that is replaced and not a queue that can be full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signals {
    online: bool,
    foreground: bool,
    nudges: u64,
    refreshes: u64,
}

/// Controls the task of one lane. Clones share it; the task ends, without flushing, when the last one goes.
#[derive(Debug, Clone)]
pub struct UploaderHandle {
    flushes: mpsc::Sender<Flush>,
    signals: Arc<watch::Sender<Signals>>,
    status: watch::Receiver<UploadStatus>,
    task: Arc<tokio::task::JoinHandle<()>>,
}

impl UploaderHandle {
    /// Send what is recorded now, whatever its age. Returns at once.
    pub fn nudge(&self) {
        self.signals.send_modify(|signals| signals.nudges += 1);
    }

    /// Says whether there is a network. Coming online ends a back-off.
    pub fn set_online(&self, online: bool) {
        self.signals.send_modify(|signals| signals.online = online);
    }

    /// Says whether the app is in front. Going behind sends everything recorded.
    pub fn set_foreground(&self, foreground: bool) {
        self.signals.send_modify(|signals| signals.foreground = foreground);
    }

    /// There is a new credential, or somebody else signed in.
    pub fn refreshed(&self) {
        self.signals.send_modify(|signals| signals.refreshes += 1);
    }

    /// Sends everything recorded before the call, for at most `deadline`. Gives up early when nothing more can
    /// happen in that time. Dropping the future lets the flush go on unreported.
    pub async fn flush(&self, deadline: Duration) -> FlushReport {
        self.ask(deadline, false).await
    }

    /// Flushes, then ends the task. Calling it again is harmless.
    pub async fn stop(&self, deadline: Duration) -> FlushReport {
        self.ask(deadline, true).await
    }

    /// Follows what the task is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<UploadStatus> {
        self.status.clone()
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.task.is_finished()
    }

    async fn ask(&self, deadline: Duration, stop: bool) -> FlushReport {
        let (reply, answer) = oneshot::channel();
        let flush = Flush { deadline: Instant::now() + deadline, stop, reply };
        let stopped = FlushReport { delivered: 0, queued: 0, reason: FlushReason::Stopped };
        match self.flushes.send(flush).await {
            Ok(()) => answer.await.unwrap_or(stopped),
            Err(_) => stopped,
        }
    }
}

/// How a lane is driven.
#[derive(Debug, Clone)]
pub(crate) struct CourierConfig {
    pub base: Url,
    pub delivery: DeliveryConfig,
    pub request_timeout: Duration,
}

struct Waiter {
    deadline: Instant,
    stop: bool,
    delivered_before: u64,
    reply: oneshot::Sender<FlushReport>,
}

struct Sent<R> {
    key: u64,
    answer: Answer,
    status: u16,
    receipt: Option<R>,
}

type InFlight<R> = Pin<Box<dyn Future<Output = Sent<R>> + Send>>;

struct Courier<L: Lane> {
    lane: Arc<L>,
    client: Client,
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
    client: Client,
    runtime: &tokio::runtime::Handle,
) -> UploaderHandle {
    let (flushes, inbox) = mpsc::channel(FLUSHES);
    let heard = Signals { online: true, foreground: true, nudges: 0, refreshes: 0 };
    let (signals, hints) = watch::channel(heard);
    let (publish, status) = watch::channel(UploadStatus::default());
    let courier = Courier {
        lane: Arc::new(lane),
        client,
        delivery: Delivery::new(config.delivery),
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
    let task = Arc::new(runtime.spawn(courier.run(inbox, hints)));
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
        self.in_flight = None;
        self.receipt = sent.receipt;
        self.status.last = Some(LastAnswer { answer: sent.answer, status: sent.status });
        tracing::debug!(answer = ?sent.answer, status = sent.status, "a batch was answered");
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
        let unsent = |answer| Sent { key, answer, status: 0, receipt: None };
        let sent = match self.lane.prepare(key, encoding).await {
            Ok(Prepared::Send(outgoing)) => {
                let request = post(
                    self.lane.clone(),
                    self.client.clone(),
                    self.config.base.clone(),
                    self.config.request_timeout,
                    key,
                    outgoing,
                );
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

async fn post<L: Lane>(
    lane: Arc<L>,
    client: Client,
    mut url: Url,
    timeout: Duration,
    key: u64,
    outgoing: Outgoing,
) -> Sent<L::Receipt> {
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), outgoing.path));
    let mut request = client
        .post(url)
        .timeout(timeout)
        .header(CONTENT_TYPE, outgoing.content_type)
        .header("idempotency-key", outgoing.id)
        .body(outgoing.body);
    if outgoing.encoding == Encoding::Gzip {
        request = request.header(CONTENT_ENCODING, "gzip");
    }
    if let Some(token) = outgoing.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let network = |status| Sent { key, answer: Answer::Network, status, receipt: None };
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            // The error is logged without its address, which may be signed.
            tracing::debug!(error = %error.without_url(), "a request failed");
            return network(0);
        }
    };
    let status = response.status();
    if !status.is_success() {
        return Sent {
            key,
            answer: classify(status, response.headers()),
            status: status.as_u16(),
            receipt: None,
        };
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER_BYTES => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Ok(Some(_)) => {
                return Sent { key, answer: Answer::CaptivePortal, status: status.as_u16(), receipt: None };
            }
            Err(_) => return network(status.as_u16()),
        }
    }
    let content_type =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let receipt = lane.receipt(key, &content_type, &body).await;
    let answer = if receipt.is_some() { Answer::Accepted } else { Answer::CaptivePortal };
    Sent { key, answer, status: status.as_u16(), receipt }
}

fn classify(status: StatusCode, headers: &HeaderMap) -> Answer {
    match (status.as_u16(), retry_after(headers)) {
        (429, wait) => Answer::Throttled { retry_after: wait.unwrap_or(Millis(0)) },
        (503, Some(retry_after)) => Answer::Throttled { retry_after },
        (413, _) => Answer::TooLarge,
        (400 | 422, _) => Answer::Rejected,
        (401 | 403, _) => Answer::Unauthorised,
        _ => Answer::Server,
    }
}

/// `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Millis> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Millis(seconds.saturating_mul(1_000)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    Some(Millis(wait.as_millis() as u64))
}
