//! When to send what was recorded, and what to do with each answer.
//!
//! One machine serves every lane that drains a durable queue to a server: telemetry batches and the intents of a
//! person. It sees numbers of rows, never rows: the driver owns the store and the socket, performs the effects in the
//! order given, and reports each one back. Three rules carry the guarantee "delivered once, never lost":
//!
//! - a batch leaves the store only through [`DeliveryEffect::Accept`] (the server has it) or
//!   [`DeliveryEffect::Quarantine`] (the server refuses exactly this row, which is kept aside for inspection);
//! - the number of attempts never deletes anything;
//! - one request is in flight at a time, so the order of the queue is the order of arrival.
//!
//! OTLP calls every 4xx but 429 final. Deviations, on purpose: 408 and 5xx are retried, 413 is answered with halves,
//! 400 and 422 first with a plainer encoding (a collector that cannot read gzip answers 400, and deleting there would
//! delete good data) and then by bisection, because a partial success names a count and not the culprit.
//!
//! A tighter encoding than the one begun with is used once the endpoint said that it reads it, and what was refused under
//! an encoding and taken whole under a plainer one ends the use of the former, whatever the endpoint says.

mod backoff;
mod facts;

use std::collections::VecDeque;

use crate::time::{Millis, Time};

pub use backoff::Backoff;
pub use facts::{
    Answer, Batch, Circumstances, Condition, DeliveryConfig, DeliveryEffect, DeliveryReason, Encoding, Held,
    Offer, PATIENT_PERCENT, Stored,
};

/// Longest `Retry-After` that is believed: one day, so that a mistyped header cannot silence a device for good.
pub const RETRY_AFTER_CAP: Millis = Millis(24 * 60 * 60 * 1_000);

/// A learned size limit never falls below this, in bytes: a few single events.
const LEARNED_BYTES_FLOOR: u64 = 1_024;

/// On a metered network a patient lane sends batches of so many times the rows, so many times less often: the radio wakes
/// less, and larger batches pack better.
const METERED_FACTOR: u64 = 4;

/// Rows quarantined in a row without one acceptance before each further one costs a back-off: an endpoint that refuses
/// everything is broken, and must not empty the queue into quarantine at full speed.
const FREE_QUARANTINES: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Sending(u64, Encoding),
    Storing(DeliveryEffect),
    /// The write failed and is asked again at this time.
    StoreFailed(DeliveryEffect, Time),
}

/// Decides when a lane sends and what it does with each answer.
///
/// Feed it facts with `handle_*`, then drain [`poll_output`](Delivery::poll_output) until it is empty and sleep until
/// [`poll_timeout`](Delivery::poll_timeout).
#[derive(Debug, Clone)]
pub struct Delivery {
    config: DeliveryConfig,
    backoff: Backoff,
    store_backoff: Backoff,
    spread: Backoff,
    encoding: Encoding,
    /// No tighter one is used, whatever is offered: it was refused.
    tightest: Encoding,
    offer: Option<Offer>,
    max_bytes: u64,
    online: bool,
    foreground: bool,
    paused: bool,
    /// A new credential came while a batch was in flight: what is said of that batch is about the old one.
    refreshed: bool,
    flushing: bool,
    circumstances: Circumstances,
    /// No request before this: everybody else has just woken up too.
    quiet_until: Option<Time>,
    backlog_rows: u64,
    backlog_bytes: u64,
    oldest: Option<Time>,
    queue: VecDeque<Batch>,
    parked: VecDeque<Batch>,
    /// The batch refused under one encoding that is being tried under a plainer one.
    stepped: Option<u64>,
    step: Step,
    wait: Option<(Time, DeliveryReason)>,
    quarantine_streak: u32,
    out: VecDeque<DeliveryEffect>,
}

impl Delivery {
    /// A lane with nothing queued, online and in the foreground.
    #[must_use]
    pub fn new(config: DeliveryConfig) -> Self {
        let backoff = Backoff::new(config.backoff_base, config.backoff_cap, config.seed);
        let mut spread = Backoff::new(Millis(0), config.start_jitter, config.seed.rotate_left(32));
        let quiet_until = (config.start_jitter > Millis(0)).then(|| Time::ZERO + spread.spread());
        Delivery {
            circumstances: Circumstances::default(),
            quiet_until,
            spread,
            store_backoff: Backoff::new(config.backoff_base, config.backoff_cap, !config.seed),
            backoff,
            encoding: config.encoding,
            tightest: config.best,
            offer: None,
            max_bytes: config.close_bytes,
            online: true,
            foreground: true,
            paused: false,
            refreshed: false,
            flushing: false,
            backlog_rows: 0,
            backlog_bytes: 0,
            oldest: None,
            queue: VecDeque::new(),
            parked: VecDeque::new(),
            stepped: None,
            step: Step::Idle,
            wait: None,
            quarantine_streak: 0,
            out: VecDeque::new(),
            config,
        }
    }

    /// A batch that was open when the last process ended, oldest first; `wait` is what is left of its delay.
    pub fn handle_reopened(&mut self, now: Time, batch: Batch, wait: Millis) {
        if wait > Millis(0) {
            let at = now + wait.min(RETRY_AFTER_CAP);
            if self.wait.is_none_or(|(other, _)| other < at) {
                self.wait = Some((at, DeliveryReason::RetryAfter));
            }
        }
        self.queue.push_back(batch);
        self.advance(now);
    }

    /// How much is recorded and not yet claimed: totals, not differences, so that no eviction can make them drift.
    pub fn handle_recorded(&mut self, now: Time, rows: u64, bytes: u64) {
        self.set_backlog(now, rows, bytes);
        self.advance(now);
    }

    /// The answer to [`DeliveryEffect::Claim`]: the batch if there was a row, and the backlog that is left.
    pub fn handle_claimed(&mut self, now: Time, batch: Option<Batch>, rows: u64, bytes: u64) {
        if !matches!(self.step, Step::Storing(DeliveryEffect::Claim { .. })) {
            return;
        }
        self.step = Step::Idle;
        self.store_backoff.reset();
        self.oldest = None;
        self.set_backlog(now, rows, bytes);
        self.queue.extend(batch);
        self.advance(now);
    }

    /// What the endpoint says it reads; counts from the next request on.
    pub fn handle_offer(&mut self, offer: Offer) {
        self.offer = Some(offer);
        let readable = [Encoding::Zstd, Encoding::Gzip].into_iter();
        let mut readable = readable.filter(|encoding| *encoding <= self.tightest && offer.reads(*encoding));
        self.encoding = readable.next().unwrap_or(Encoding::Identity);
    }

    /// The answer to [`DeliveryEffect::Send`]; an answer for a batch that is not in flight is ignored.
    pub fn handle_answer(&mut self, now: Time, key: u64, answer: Answer) {
        let used = match self.step {
            Step::Sending(sent, encoding) if sent == key => encoding,
            _ => return,
        };
        self.step = Step::Idle;
        let refreshed = std::mem::take(&mut self.refreshed);
        let Some(front) = self.queue.front().copied() else { return };
        match answer {
            Answer::Accepted => {
                self.backoff.reset();
                self.quarantine_streak = 0;
                // Refused under a tighter encoding and taken whole under this one: the endpoint does not read the former.
                if self.stepped == Some(key) {
                    self.tightest = used;
                    self.encoding = self.encoding.min(used);
                }
                self.store(DeliveryEffect::Accept { batch: front });
            }
            Answer::Throttled { retry_after } => self.fail(now, retry_after.min(RETRY_AFTER_CAP)),
            Answer::Server | Answer::Network | Answer::CaptivePortal => self.fail(now, Millis(0)),
            Answer::TooLarge => {
                if front.rows > 1 {
                    self.max_bytes = self.max_bytes.min((front.bytes / 2).max(LEARNED_BYTES_FLOOR));
                    self.store(DeliveryEffect::Split { batch: front });
                } else {
                    self.store(DeliveryEffect::Quarantine { batch: front, why: answer });
                }
            }
            Answer::Rejected => self.rejected(front, used),
            Answer::Unsupported if used > Encoding::Identity => self.step_down(used),
            Answer::Unsupported => self.fail(now, Millis(0)),
            // Sent again at once, with the new one.
            Answer::Unauthorised | Answer::NoCredential if refreshed => {}
            Answer::Unauthorised => {
                self.paused = true;
                self.out.push_back(DeliveryEffect::Pause);
            }
            Answer::NoCredential => {
                self.queue.pop_front();
                self.parked.push_back(front);
            }
        }
        self.advance(now);
    }

    /// How a write to the store ended.
    pub fn handle_stored(&mut self, now: Time, stored: Stored) {
        let Step::Storing(effect) = self.step else { return };
        self.step = Step::Idle;
        match (effect, stored) {
            // A delay that could not be written down only matters after a restart.
            (DeliveryEffect::Defer { .. }, _) => {}
            (_, Stored::Failed) => {
                self.step = Step::StoreFailed(effect, now + self.store_backoff.fail());
            }
            (DeliveryEffect::Split { .. }, Stored::Split(left, right)) => {
                self.queue.pop_front();
                self.queue.push_front(right);
                self.queue.push_front(left);
                self.store_backoff.reset();
            }
            (DeliveryEffect::Quarantine { .. }, _) => {
                self.queue.pop_front();
                self.store_backoff.reset();
                self.quarantine_streak = self.quarantine_streak.saturating_add(1);
                if self.quarantine_streak > FREE_QUARANTINES {
                    self.wait = Some((now + self.backoff.fail(), DeliveryReason::BackOff));
                }
            }
            (DeliveryEffect::Accept { .. }, _) | (DeliveryEffect::Split { .. }, Stored::Gone) => {
                self.queue.pop_front();
                self.store_backoff.reset();
            }
            // A claim is answered by its own input, and a split with its halves: anything else is asked again.
            _ => self.step = Step::StoreFailed(effect, now + self.store_backoff.fail()),
        }
        self.advance(now);
    }

    /// The host says the world changed.
    pub fn handle_condition(&mut self, now: Time, condition: Condition) {
        match condition {
            Condition::Online => {
                if !self.online && self.config.start_jitter > Millis(0) {
                    self.quiet_until = Some(now + self.spread.spread());
                }
                self.online = true;
                self.end_jitter();
            }
            Condition::Offline => self.online = false,
            Condition::Foreground => self.foreground = true,
            Condition::Background => {
                self.foreground = false;
                // It may be frozen any moment.
                self.quiet_until = None;
            }
        }
        self.advance(now);
    }

    /// The host says what sending costs now.
    pub fn handle_circumstances(&mut self, now: Time, circumstances: Circumstances) {
        self.circumstances = circumstances;
        self.advance(now);
    }

    /// Send everything recorded until nothing is left, whatever it costs; ends a back-off, but not a wait the server asked for.
    pub fn handle_flush(&mut self, now: Time) {
        self.flushing = true;
        self.quiet_until = None;
        self.end_jitter();
        self.advance(now);
    }

    /// There is a new credential, or somebody else signed in.
    pub fn handle_refreshed(&mut self, now: Time) {
        self.paused = false;
        self.refreshed = matches!(self.step, Step::Sending(..));
        while let Some(batch) = self.parked.pop_back() {
            // The batch in flight stays in front.
            let at = usize::from(!matches!(self.step, Step::Idle)).min(self.queue.len());
            self.queue.insert(at, batch);
        }
        self.advance(now);
    }

    /// A deadline given by [`poll_timeout`](Delivery::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
    }

    /// The next thing to do; call until it gives nothing.
    pub fn poll_output(&mut self) -> Option<DeliveryEffect> {
        self.out.pop_front()
    }

    /// When to call [`handle_timeout`](Delivery::handle_timeout), and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Time, DeliveryReason)> {
        match self.step {
            Step::Sending(..) | Step::Storing(_) => None,
            Step::StoreFailed(_, at) => Some((at, DeliveryReason::StoreRetry)),
            Step::Idle if !self.online || self.paused || self.is_saving() => None,
            Step::Idle => {
                let quiet = self.quiet_until.map(|at| (at, DeliveryReason::StartJitter));
                let wait = self.wait.into_iter().chain(quiet).max_by_key(|(at, _)| *at);
                let wait = wait.filter(|_| !self.queue.is_empty() || self.wait.is_some() && self.has_work());
                wait.or_else(|| {
                    let at = self.oldest? + self.close_age();
                    let age = (at, DeliveryReason::BatchAge);
                    (self.backlog_rows > 0).then(|| quiet.filter(|(quiet, _)| *quiet > at).unwrap_or(age))
                })
            }
        }
    }

    /// Nothing queued, nothing in flight and nothing left to write.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.step == Step::Idle && !self.has_work()
    }

    /// What keeps queued rows from leaving, if anything does.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        match self.step {
            Step::Sending(..) | Step::Storing(_) => None,
            Step::StoreFailed(_, at) => Some(Held::Until(at, DeliveryReason::StoreRetry)),
            Step::Idle if !self.has_work() => None,
            Step::Idle if !self.online => Some(Held::Offline),
            Step::Idle if self.paused => Some(Held::Unauthorised),
            Step::Idle if self.is_saving() => Some(Held::Saving),
            Step::Idle => self.poll_timeout().map(|(at, reason)| Held::Until(at, reason)),
        }
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.backlog_rows > 0
    }

    fn set_backlog(&mut self, now: Time, rows: u64, bytes: u64) {
        self.backlog_rows = rows;
        self.backlog_bytes = bytes;
        self.oldest = if rows == 0 { None } else { self.oldest.or(Some(now)) };
    }

    fn end_jitter(&mut self) {
        if matches!(self.wait, Some((_, DeliveryReason::BackOff))) {
            self.wait = None;
        }
    }

    fn store(&mut self, effect: DeliveryEffect) {
        self.step = Step::Storing(effect);
        self.out.push_back(effect);
    }

    fn fail(&mut self, now: Time, at_least: Millis) {
        let jitter = self.backoff.fail();
        let wait = jitter.max(at_least);
        let reason = if at_least > jitter { DeliveryReason::RetryAfter } else { DeliveryReason::BackOff };
        self.wait = Some((now + wait, reason));
        if let Some(front) = self.queue.front_mut() {
            front.tries = front.tries.saturating_add(1);
            let batch = *front;
            self.store(DeliveryEffect::Defer { batch, wait });
        }
    }

    fn rejected(&mut self, front: Batch, used: Encoding) {
        if used > Encoding::Identity {
            self.step_down(used);
        } else if front.rows > 1 {
            self.store(DeliveryEffect::Split { batch: front });
        } else {
            self.store(DeliveryEffect::Quarantine { batch: front, why: Answer::Rejected });
        }
    }

    /// Tries the batch under the next plainer encoding that the endpoint may read.
    fn step_down(&mut self, used: Encoding) {
        let gzip = used > Encoding::Gzip && self.offer.is_none_or(|offer| offer.gzip);
        if let Some(batch) = self.queue.front_mut() {
            batch.encoding = Some(if gzip { Encoding::Gzip } else { Encoding::Identity });
            self.stepped = Some(batch.key);
        }
    }

    /// Whether a patient lane waits for a better time.
    fn is_saving(&self) -> bool {
        let Circumstances { roaming, low_power, .. } = self.circumstances;
        let queued = self.queue.iter().fold(self.backlog_bytes, |sum, batch| sum.saturating_add(batch.bytes));
        let full = queued.saturating_mul(100) / self.config.cap_bytes.max(1) >= PATIENT_PERCENT;
        self.config.patient && (roaming || low_power) && !self.flushing && !full
    }

    fn metered_factor(&self) -> u64 {
        if self.config.patient && self.circumstances.metered { METERED_FACTOR } else { 1 }
    }

    fn close_age(&self) -> Millis {
        Millis(self.config.close_age.0.saturating_mul(self.metered_factor()))
    }

    fn close_rows(&self) -> u32 {
        let rows = u64::from(self.config.close_rows).saturating_mul(self.metered_factor());
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    fn close_bytes(&self) -> u64 {
        // What the server once refused as too large stays too large.
        let learned = self.max_bytes < self.config.close_bytes;
        if learned { self.max_bytes } else { self.max_bytes.saturating_mul(self.metered_factor()) }
    }

    fn claim_due(&self, now: Time) -> bool {
        self.flushing
            || !self.foreground
            || self.backlog_rows >= u64::from(self.close_rows())
            || self.backlog_bytes >= self.close_bytes()
            || self.oldest.is_some_and(|oldest| oldest + self.close_age() <= now)
    }

    fn advance(&mut self, now: Time) {
        match self.step {
            Step::Idle => {}
            Step::StoreFailed(effect, at) if at <= now => return self.store(effect),
            _ => return,
        }
        if !self.has_work() {
            self.flushing = false;
            return;
        }
        if self.wait.is_some_and(|(at, _)| now < at) || !self.online || self.paused {
            return;
        }
        if self.quiet_until.is_some_and(|at| now < at) || self.is_saving() {
            return;
        }
        self.quiet_until = None;
        self.wait = None;
        if let Some(&batch) = self.queue.front() {
            let encoding = batch.encoding.unwrap_or(self.encoding);
            self.step = Step::Sending(batch.key, encoding);
            self.out.push_back(DeliveryEffect::Send { batch, encoding });
        } else if self.claim_due(now) {
            self.store(DeliveryEffect::Claim { max_rows: self.close_rows(), max_bytes: self.close_bytes() });
        }
    }
}
