//! Drains the outbox to the app's server.
//!
//! The request is `POST <base>/v1/interactions` with
//! `{"interactions":[{"op_id","verb","target","state","at_ms"}]}`, an `Idempotency-Key` and the actor's bearer token.
//! The answer is `{"results":[{"op_id","status","reason"}]}` with `applied`, `duplicate` or `rejected` for each
//! intent; one that leaves an intent out is no answer and the request is repeated.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use unspool_engine::{Batch, DeliveryConfig, Encoding, Millis};

use super::intents::{self, Outcome, Parcel};
use super::{OpId, Outbox, OutboxError, OutboxLevel, Verb};
use crate::auth::Auth;
use crate::meter::Meter;
use crate::spool::SpoolError;
use crate::telemetry::UploaderHandle;
use crate::telemetry::courier::{self, CourierConfig};
use crate::telemetry::lane::{Lane, Outgoing, Prepared};

/// Gives the tokens of an actor; `None` when that actor is not the one who is signed in. Called on a thread that may
/// block.
pub type ActorTokens = Arc<dyn Fn(&str) -> Option<Auth> + Send + Sync>;

/// What an intent weighs for the limit of a request, in bytes: identifiers of common length in JSON.
const INTENT_BYTES: u64 = 160;

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
    /// Starts the task that drains `outbox` on `runtime`. It ends with [`UploaderHandle::stop`] or its last handle.
    /// Call [`UploaderHandle::refreshed`] when somebody signs in.
    #[must_use]
    pub fn spawn(
        outbox: Outbox,
        config: OutboxSenderConfig,
        client: Client,
        runtime: &tokio::runtime::Handle,
    ) -> UploaderHandle {
        let OutboxSenderConfig { base, tokens, mut delivery, request_timeout, online, meter } = config;
        // A server that reads JSON need not read gzip, and a few intents do not need it.
        delivery.encoding = Encoding::Identity;
        let lane = OutboxLane { outbox, tokens };
        courier::spawn(
            lane,
            CourierConfig { base, delivery, request_timeout, online, meter },
            client,
            runtime,
        )
    }
}

struct OutboxLane {
    outbox: Outbox,
    tokens: ActorTokens,
}

#[derive(Serialize)]
struct Body<'a> {
    interactions: Vec<Interaction<'a>>,
}

#[derive(Serialize)]
struct Interaction<'a> {
    op_id: &'a str,
    verb: Verb,
    target: &'a str,
    state: bool,
    at_ms: i64,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<OpResult>,
}

#[derive(Deserialize)]
struct OpResult {
    op_id: String,
    status: OpStatus,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OpStatus {
    Applied,
    Duplicate,
    Rejected,
}

fn batch(parcel: &Parcel) -> Batch {
    let &Parcel { key, rows, tries, .. } = parcel;
    Batch { key, rows, bytes: u64::from(rows) * INTENT_BYTES, tries, encoding: Some(Encoding::Identity) }
}

impl OutboxLane {
    /// Runs `work` on a thread that may block.
    async fn run<T, F>(&self, work: F) -> Result<T, SpoolError>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let outbox = self.outbox.clone();
        match tokio::task::spawn_blocking(move || outbox.write(work)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(OutboxError::Store(error))) => Err(error),
            Ok(Err(_)) | Err(_) => Err(SpoolError::Storage { code: 0 }),
        }
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
        let tokens = self.tokens.clone();
        let rows = self
            .run(move |tx| {
                let ready = intents::claimable(tx)?.into_iter().filter(|(actor, _)| tokens(actor).is_some());
                Ok(ready.map(|(_, rows)| rows).sum())
            })
            .await;
        let rows: u64 = rows.unwrap_or_else(|error| {
            tracing::warn!(%error, "the outbox could not be read; it is looked at again with the next change");
            0
        });
        (rows, rows * INTENT_BYTES)
    }

    async fn queued(&self) -> u64 {
        self.outbox.level().pending
    }

    async fn reopen(&self) -> Result<Vec<(Batch, i64)>, SpoolError> {
        let parcels = self.run(intents::parcels).await?;
        Ok(parcels.iter().map(|parcel| (batch(parcel), parcel.next_at_ms)).collect())
    }

    async fn claim(&self, max_rows: u32, max_bytes: u64) -> Result<Option<Batch>, SpoolError> {
        let max_rows = u64::from(max_rows).min(max_bytes / INTENT_BYTES).max(1) as u32;
        let tokens = self.tokens.clone();
        let parcel = self.run(move |tx| {
            let ready = intents::claimable(tx)?.into_iter().find(|(actor, _)| tokens(actor).is_some());
            ready.map_or(Ok(None), |(actor, _)| intents::claim(tx, &actor, max_rows))
        });
        Ok(parcel.await?.as_ref().map(batch))
    }

    async fn prepare(&self, key: u64, _: Encoding) -> Result<Prepared, SpoolError> {
        let Some((parcel, rows)) = self.run(move |tx| intents::load(tx, key)).await? else {
            return Ok(Prepared::Gone);
        };
        let Some(auth) = (self.tokens)(&parcel.actor) else { return Ok(Prepared::NoCredential) };
        let interactions = rows
            .iter()
            .map(|intent| Interaction {
                op_id: &intent.op.0,
                verb: intent.verb,
                target: &intent.target,
                state: intent.state,
                at_ms: intent.at_ms,
            })
            .collect();
        let body = serde_json::to_vec(&Body { interactions }).map_err(|_| SpoolError::Storage { code: 0 })?;
        Ok(Prepared::Send(Outgoing {
            path: "/v1/interactions",
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
        let results: Results = serde_json::from_slice(body).ok()?;
        let outcomes: BTreeMap<OpId, Outcome> = results
            .results
            .into_iter()
            .map(|result| {
                let outcome = match result.status {
                    OpStatus::Applied | OpStatus::Duplicate => Outcome::Confirmed,
                    OpStatus::Rejected => {
                        Outcome::Refused(result.reason.unwrap_or_else(|| "rejected".to_owned()))
                    }
                };
                (OpId(result.op_id), outcome)
            })
            .collect();
        let (_, rows) = self.run(move |tx| intents::load(tx, key)).await.ok()??;
        rows.iter().all(|intent| outcomes.contains_key(&intent.op)).then_some(outcomes)
    }

    async fn accept(&self, batch: Batch, receipt: Option<&Self::Receipt>) -> Result<(), SpoolError> {
        // Without a receipt the parcel is gone, and there is nothing to record.
        let Some(outcomes) = receipt.cloned() else { return Ok(()) };
        self.run(move |tx| intents::accept(tx, batch.key, |op| outcomes.get(op).cloned())).await
    }

    async fn defer(&self, batch: Batch, next_at_ms: i64) -> Result<(), SpoolError> {
        self.run(move |tx| intents::defer(tx, batch.key, batch.tries, next_at_ms)).await
    }

    async fn split(&self, whole: Batch) -> Result<Option<(Batch, Batch)>, SpoolError> {
        let halves = self.run(move |tx| intents::split(tx, whole.key)).await?;
        Ok(halves.map(|(left, right)| (batch(&left), batch(&right))))
    }

    async fn quarantine(&self, batch: Batch, status: u16) -> Result<(), SpoolError> {
        let outcome = Outcome::Refused(format!("status {status}"));
        self.run(move |tx| intents::accept(tx, batch.key, |_| Some(outcome.clone()))).await
    }
}
