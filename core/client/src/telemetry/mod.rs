//! Telemetry on its way out: the OTLP codec, and the task that drains a durable queue to a server.
//!
//! [`Delivery`](unspool_engine::Delivery) decides, the courier reads the clock and does what it says, and a
//! lane knows one queue and one server: the [`Spool`](crate::spool::Spool) posts OTLP logs here, the
//! [`Outbox`](crate::outbox::Outbox) posts intents with the same machinery.

mod codec;
pub(crate) mod courier;
mod handle;
pub(crate) mod lane;
pub(crate) mod otlp;
pub(crate) mod post;
mod uploader;

pub use codec::{BatchCodec, Otlp, gzip, pack};
pub use handle::{FlushReason, FlushReport, LastAnswer, UploadStatus, UploaderHandle};
pub use uploader::{Uploader, UploaderConfig};
