//! What the courier needs to know about one durable queue and the server it drains to.

use std::future::Future;

use reqwest::header::HeaderValue;
use tokio::sync::watch;
use unspool_engine::{Batch, Encoding};

use crate::auth::Auth;
use crate::spool::SpoolError;

/// A request ready to be sent.
pub(crate) struct Outgoing {
    /// Path below the base address.
    pub path: &'static str,
    /// The batch's name on the wire.
    pub id: String,
    /// Whose token goes with it; without one it is sent without.
    pub auth: Option<Auth>,
    pub content_type: HeaderValue,
    pub encoding: Encoding,
    pub body: Vec<u8>,
}

/// What came of preparing a batch.
pub(crate) enum Prepared {
    Send(Outgoing),
    /// The batch is not open any more: there is nothing left to deliver.
    Gone,
    /// Its owner is not signed in.
    NoCredential,
}

/// One queue and its server. Every write is durable when its future is done.
pub(crate) trait Lane: Send + Sync + 'static {
    /// What the server said about an accepted batch.
    type Receipt: Send + Sync + 'static;

    /// What the queue tells about itself.
    type Level: Send + Sync + 'static;

    /// Changes whenever the backlog may have.
    fn changes(&self) -> watch::Receiver<Self::Level>;
    /// Waits until everything handed over before the call is in the backlog.
    fn barrier(&self) -> impl Future<Output = ()> + Send;
    /// Rows and bytes that can be claimed now.
    fn backlog(&self) -> impl Future<Output = (u64, u64)> + Send;
    /// Rows not delivered yet, claimed or not.
    fn queued(&self) -> impl Future<Output = u64> + Send;
    /// Open batches in order, each with the wall clock before which it waits.
    fn reopen(&self) -> impl Future<Output = Result<Vec<(Batch, i64)>, SpoolError>> + Send;
    fn claim(
        &self,
        max_rows: u32,
        max_bytes: u64,
    ) -> impl Future<Output = Result<Option<Batch>, SpoolError>> + Send;
    fn prepare(
        &self,
        key: u64,
        encoding: Encoding,
    ) -> impl Future<Output = Result<Prepared, SpoolError>> + Send;
    /// Reads the 2xx to a batch; `None` when it does not come from our server or does not answer for every row.
    fn receipt(
        &self,
        key: u64,
        content_type: &str,
        body: &[u8],
    ) -> impl Future<Output = Option<Self::Receipt>> + Send;
    /// `None` as receipt: the batch was gone.
    fn accept(
        &self,
        batch: Batch,
        receipt: Option<&Self::Receipt>,
    ) -> impl Future<Output = Result<(), SpoolError>> + Send;
    fn defer(&self, batch: Batch, next_at_ms: i64) -> impl Future<Output = Result<(), SpoolError>> + Send;
    fn split(&self, batch: Batch) -> impl Future<Output = Result<Option<(Batch, Batch)>, SpoolError>> + Send;
    fn quarantine(&self, batch: Batch, status: u16) -> impl Future<Output = Result<(), SpoolError>> + Send;
}
