//! Drains the spool to an OTLP collector.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::watch;
use unspool_engine::{Batch, DeliveryConfig, Encoding};
use unspool_media::{OutboundPurpose, Wire};

use super::UploaderHandle;
use super::codec::{self, BatchCodec, Otlp};
use super::courier::{self, CourierConfig};
use super::lane::{Lane, Outgoing, Prepared};
use crate::auth::Auth;
use crate::meter::Meter;
use crate::spool::{Level, OpenBatch, Spool, SpoolError};

/// Where telemetry goes, and how.
#[derive(Clone)]
pub struct UploaderConfig {
    /// Address of the collector; the codec's path is added to it.
    pub base: Url,
    /// What the collector speaks; OTLP unless said otherwise.
    pub codec: Arc<dyn BatchCodec>,
    /// Bearer tokens; without any, requests carry none.
    pub auth: Option<Auth>,
    /// Version of the app or library, told to the collector.
    pub service_version: String,
    /// Batch sizes and delays.
    pub delivery: DeliveryConfig,
    /// How long one request may take. 15 s: a batch of 64 KiB on a 2G network with its handshake.
    pub request_timeout: Duration,
    /// Whether there is a network at the start; later changes go through [`UploaderHandle::set_online`].
    pub online: bool,
    /// Counts the body bytes of the answers.
    pub meter: Meter,
}

impl UploaderConfig {
    /// The usual limits, without a token.
    #[must_use]
    pub fn new(base: Url) -> Self {
        UploaderConfig {
            base,
            codec: Arc::new(Otlp),
            auth: None,
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            delivery: DeliveryConfig::default(),
            request_timeout: Duration::from_secs(15),
            online: true,
            meter: Meter::default(),
        }
    }
}

impl fmt::Debug for UploaderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploaderConfig").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

/// Starts uploading.
#[derive(Debug)]
pub struct Uploader;

impl Uploader {
    /// Starts the task that drains `spool` on `runtime`. It ends with [`UploaderHandle::stop`] or its last handle.
    #[must_use]
    pub fn spawn(
        spool: Spool,
        config: UploaderConfig,
        client: impl Into<Wire>,
        runtime: &tokio::runtime::Handle,
    ) -> UploaderHandle {
        let UploaderConfig {
            base,
            codec,
            auth,
            service_version,
            mut delivery,
            request_timeout,
            online,
            meter,
        } = config;
        delivery.best = codec::BEST;
        let lane = SpoolLane { spool, codec, auth, service_version };
        courier::spawn(
            lane,
            CourierConfig { base, delivery, request_timeout, online, meter },
            client.into().for_purpose(OutboundPurpose::Telemetry),
            runtime,
        )
    }
}

struct SpoolLane {
    spool: Spool,
    codec: Arc<dyn BatchCodec>,
    auth: Option<Auth>,
    service_version: String,
}

fn batch(open: &OpenBatch) -> Batch {
    let &OpenBatch { key, rows, bytes, tries, plain, .. } = open;
    Batch { key, rows, bytes, tries, encoding: plain.then_some(Encoding::Identity) }
}

fn is_plain(batch: Batch) -> bool {
    batch.encoding == Some(Encoding::Identity)
}

impl Lane for SpoolLane {
    /// How many rows the collector threw away.
    type Receipt = u64;
    type Level = Level;

    fn changes(&self) -> watch::Receiver<Level> {
        self.spool.watch()
    }

    async fn barrier(&self) {
        // An empty job is answered after everything queued before it; a failure shows in the next real one.
        drop(self.spool.barrier().await);
    }

    async fn backlog(&self) -> (u64, u64) {
        let level = self.spool.level();
        (level.unclaimed_rows, level.unclaimed_bytes)
    }

    async fn queued(&self) -> u64 {
        self.spool.level().queued_rows
    }

    async fn reopen(&self) -> Result<Vec<(Batch, i64)>, SpoolError> {
        let open = self.spool.open_batches().await?;
        Ok(open.iter().map(|open| (batch(open), open.next_at_ms)).collect())
    }

    async fn claim(&self, max_rows: u32, max_bytes: u64) -> Result<Option<Batch>, SpoolError> {
        Ok(self.spool.claim(max_rows, max_bytes).await?.as_ref().map(batch))
    }

    async fn prepare(&self, key: u64, encoding: Encoding) -> Result<Prepared, SpoolError> {
        let Some(joined) = self.spool.join(key).await? else { return Ok(Prepared::Gone) };
        let request = self.codec.encode(&joined, &self.service_version);
        let (body, encoding) = codec::pack(request, encoding)?;
        Ok(Prepared::Send(Outgoing {
            path: self.codec.path(),
            id: joined.batch.id,
            auth: self.auth.clone(),
            content_type: HeaderValue::from_static(self.codec.content_type()),
            encoding,
            body,
        }))
    }

    async fn receipt(&self, _: u64, content_type: &str, body: &[u8]) -> Option<u64> {
        self.codec.refused(content_type, body)
    }

    async fn accept(&self, batch: Batch, receipt: Option<&u64>) -> Result<(), SpoolError> {
        self.spool.accept(batch.key, receipt.copied().unwrap_or(0)).await
    }

    async fn defer(&self, batch: Batch, next_at_ms: i64) -> Result<(), SpoolError> {
        self.spool.defer(batch.key, batch.tries, is_plain(batch), next_at_ms).await
    }

    async fn split(&self, whole: Batch) -> Result<Option<(Batch, Batch)>, SpoolError> {
        let halves = self.spool.split(whole.key, is_plain(whole)).await?;
        Ok(halves.map(|(left, right)| (batch(&left), batch(&right))))
    }

    async fn quarantine(&self, batch: Batch, status: u16) -> Result<(), SpoolError> {
        self.spool.quarantine(batch.key, status).await
    }
}
