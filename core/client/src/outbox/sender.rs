//! Drains the outbox to the app's server.
//!
//! The request is `POST <base>/v1/interactions` with
//! `{"interactions":[{"op_id","verb","target","state","at_ms","words"}]}`, an `Idempotency-Key` and the actor's bearer token.
//! The answer is `{"results":[{"op_id","status","reason"}]}` with `applied`, `duplicate` or `rejected` for each
//! intent; one that leaves an intent out is no answer and the request is repeated. Comments go to `<base>/v1/comments` as
//! `{"operations":[{"op_id","deed","comment","item","parent","text","at_ms"}]}`, and are answered in the same way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use rusqlite::Transaction;
use tokio::sync::watch;
use unspool_engine::{Batch, DeliveryConfig, Encoding, Millis};
use unspool_media::tasks;
use unspool_media::{OutboundPurpose, Wire};

use super::Outbox;
use super::intents::Outcome;
use super::lines::{self, Backlog, Packed};
use super::model::{OpId, OutboxError, OutboxLevel};
use super::parcels::{self, Line, Parcel};
use crate::auth::Auth;
use crate::meter::Meter;
use crate::spool::SpoolError;
use crate::telemetry::UploaderHandle;
use crate::telemetry::courier::{self, CourierConfig};
use crate::telemetry::lane::{Lane, Outgoing, Prepared};

/// Gives the tokens of an actor; `None` when that actor is not the one who is signed in. Called on a thread that may
/// block.
pub type ActorTokens = Arc<dyn Fn(&str) -> Option<Auth> + Send + Sync>;

/// Where intents go, and how.
#[derive(Clone)]
pub struct OutboxSenderConfig {
    /// Address of the server; `/v1/interactions` is added to its path.
    pub base: Url,
    /// Tokens by actor.
    pub tokens: ActorTokens,
    /// Request sizes and delays.
    pub delivery: DeliveryConfig,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// Whether there is a network at the start; later changes go through [`UploaderHandle::set_online`].
    pub online: bool,
    /// Counts the body bytes of the answers.
    pub meter: Meter,
}

impl OutboxSenderConfig {
    /// The usual limits: at most 50 intents a request, sent after one second so that a double tap folds.
    #[must_use]
    pub fn new(base: Url, tokens: ActorTokens) -> Self {
        let delivery = DeliveryConfig {
            close_rows: 50,
            close_age: Millis(1_000),
            encoding: Encoding::Identity,
            ..DeliveryConfig::default()
        };
        OutboxSenderConfig {
            base,
            tokens,
            delivery,
            request_timeout: Duration::from_secs(15),
            online: true,
            meter: Meter::default(),
        }
    }
}

impl fmt::Debug for OutboxSenderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxSenderConfig").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// Starts sending.
#[derive(Debug)]
pub struct OutboxSender;

impl OutboxSender {
    /// Starts the task that sends the wishes of `outbox` on `runtime`. It ends with [`UploaderHandle::stop`] or its last
    /// handle. Call [`UploaderHandle::refreshed`] when somebody signs in.
    #[must_use]
    pub fn spawn(
        outbox: Outbox,
        config: OutboxSenderConfig,
        client: impl Into<Wire>,
        runtime: &tokio::runtime::Handle,
    ) -> UploaderHandle {
        start(Line::Intents, outbox, config, client.into().for_purpose(OutboundPurpose::Intents), runtime)
    }

    /// The same for its comments.
    #[must_use]
    pub fn spawn_comments(
        outbox: Outbox,
        config: OutboxSenderConfig,
        client: impl Into<Wire>,
        runtime: &tokio::runtime::Handle,
    ) -> UploaderHandle {
        start(Line::Comments, outbox, config, client.into().for_purpose(OutboundPurpose::Comments), runtime)
    }
}

fn start(
    line: Line,
    outbox: Outbox,
    config: OutboxSenderConfig,
    client: Wire,
    runtime: &tokio::runtime::Handle,
) -> UploaderHandle {
    let OutboxSenderConfig { base, tokens, mut delivery, request_timeout, online, meter } = config;
    // A server that reads JSON need not read gzip, and a few intents do not need it.
    (delivery.encoding, delivery.best) = (Encoding::Identity, Encoding::Identity);
    let lane = OutboxLane { line, outbox, tokens };
    courier::spawn(lane, CourierConfig { base, delivery, request_timeout, online, meter }, client, runtime)
}

struct OutboxLane {
    line: Line,
    outbox: Outbox,
    tokens: ActorTokens,
}

impl OutboxLane {
    /// Runs `work` on a thread that may block.
    async fn run<T, F>(&self, work: F) -> Result<T, SpoolError>
    where
        F: Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let outbox = self.outbox.clone();
        match tasks::spawn_blocking(move || outbox.write(work)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(OutboxError::Store(error))) => Err(error),
            Ok(Err(_)) | Err(_) => Err(SpoolError::Storage { code: 0 }),
        }
    }

    fn batch(&self, parcel: &Parcel) -> Batch {
        let &Parcel { key, rows, tries, .. } = parcel;
        let bytes = u64::from(rows) * self.line.row_bytes();
        Batch { key, rows, bytes, tries, encoding: Some(Encoding::Identity) }
    }
}

impl Lane for OutboxLane {
    type Receipt = BTreeMap<OpId, Outcome>;
    type Level = OutboxLevel;

    fn changes(&self) -> watch::Receiver<OutboxLevel> {
        self.outbox.watch()
    }

    async fn barrier(&self) {}

    async fn backlog(&self) -> (u64, u64) {
        let (line, tokens) = (self.line, self.tokens.clone());
        let backlog = self.run(move |tx| line.backlog(tx, &|actor| tokens(actor).is_some())).await;
        let Backlog { rows, bytes } = backlog.unwrap_or_else(|error| {
            tracing::warn!(%error, "the outbox could not be read; it is looked at again with the next change");
            Backlog::default()
        });
        (rows, bytes)
    }

    async fn queued(&self) -> u64 {
        self.outbox.level().pending
    }

    async fn reopen(&self) -> Result<Vec<(Batch, i64)>, SpoolError> {
        let line = self.line;
        let parcels = self.run(move |tx| parcels::list(tx, line)).await?;
        Ok(parcels.iter().map(|parcel| (self.batch(parcel), parcel.next_at_ms)).collect())
    }

    async fn claim(&self, max_rows: u32, max_bytes: u64) -> Result<Option<Batch>, SpoolError> {
        let (line, tokens) = (self.line, self.tokens.clone());
        let signed_in = move |actor: &str| tokens(actor).is_some();
        let parcel = self.run(move |tx| line.claim(tx, (max_rows, max_bytes), &signed_in));
        Ok(parcel.await?.map(|parcel| self.batch(&parcel)))
    }

    async fn prepare(&self, key: u64, _: Encoding) -> Result<Prepared, SpoolError> {
        let line = self.line;
        let Some(Packed { parcel, body, .. }) = self.run(move |tx| line.pack(tx, key)).await? else {
            return Ok(Prepared::Gone);
        };
        let Some(auth) = (self.tokens)(&parcel.actor) else { return Ok(Prepared::NoCredential) };
        Ok(Prepared::Send(Outgoing {
            path: line.path(),
            id: parcel.id,
            auth: Some(auth),
            content_type: HeaderValue::from_static("application/json"),
            encoding: Encoding::Identity,
            body,
        }))
    }

    async fn receipt(&self, key: u64, content_type: &str, body: &[u8]) -> Option<Self::Receipt> {
        if content_type != "application/json" {
            return None;
        }
        let outcomes = lines::outcomes(body)?;
        let line = self.line;
        let Packed { ops, .. } = self.run(move |tx| line.pack(tx, key)).await.ok()??;
        ops.iter().all(|op| outcomes.contains_key(op)).then_some(outcomes)
    }

    async fn accept(&self, batch: Batch, receipt: Option<&Self::Receipt>) -> Result<(), SpoolError> {
        // Without a receipt the parcel is gone, and there is nothing to record.
        let Some(outcomes) = receipt.cloned() else { return Ok(()) };
        let line = self.line;
        self.run(move |tx| line.accept(tx, batch.key, |op| outcomes.get(op).cloned())).await
    }

    async fn defer(&self, batch: Batch, next_at_ms: i64) -> Result<(), SpoolError> {
        self.run(move |tx| parcels::defer(tx, batch.key, batch.tries, next_at_ms)).await
    }

    async fn split(&self, whole: Batch) -> Result<Option<(Batch, Batch)>, SpoolError> {
        let line = self.line;
        let halves = self.run(move |tx| parcels::split(tx, line, whole.key)).await?;
        Ok(halves.map(|(left, right)| (self.batch(&left), self.batch(&right))))
    }

    async fn quarantine(&self, batch: Batch, status: u16) -> Result<(), SpoolError> {
        let outcome = Outcome::Refused(format!("status {status}"));
        let line = self.line;
        self.run(move |tx| line.accept(tx, batch.key, |_| Some(outcome.clone()))).await
    }
}
