//! The access log: one JSON line per request, written when its last byte was handed to the socket or its connection ended.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::error::OriginError;

/// One line of `access.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessLine {
    /// When the request arrived, milliseconds since 1970.
    pub t_ms: i64,
    /// Viewer tag of the address, or the bearer's actor, or `-`.
    pub client: String,
    /// `h1` or `h2`; empty in logs of earlier builds.
    #[serde(default)]
    pub proto: String,
    /// Whether it came over TLS.
    #[serde(default)]
    pub tls: bool,
    /// Number of the connection it came on, within the process that wrote the line.
    #[serde(default)]
    pub conn: u64,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// `Range` as sent.
    pub range: Option<String>,
    /// Status answered; 0 when the connection ended before any answer.
    pub status: u16,
    /// Body bytes handed to the socket.
    pub bytes: u64,
    /// `Content-Length` answered.
    pub declared: Option<u64>,
    /// Milliseconds from arrival to the end.
    pub ms: u64,
    /// Whether the connection ended before the answer was complete.
    pub aborted: bool,
    /// The scripted fault, or the network's doing, that touched it.
    pub fault: Option<String>,
}

/// Totals since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests ended.
    pub requests: u64,
    /// Those of them that were answered: of the others the client, or the network, had enough before.
    pub answered: u64,
    /// Requests begun and not ended.
    pub in_flight: u64,
    /// Body bytes handed to sockets, by client.
    pub bytes_by_client: BTreeMap<String, u64>,
}

/// The log file and its totals.
pub struct AccessLog {
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    totals: Totals,
}

/// Clients counted apart; past this they are counted together under `other`, so that strangers cannot fill the memory.
const MAX_CLIENTS: usize = 10_000;

impl AccessLog {
    /// Opens `access.jsonl` in the state folder, appending.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(state: &Path) -> Result<Arc<Self>, OriginError> {
        let path = state.join("access.jsonl");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(OriginError::io("cannot open", path))?;
        Ok(Arc::new(AccessLog { inner: Mutex::new(Inner { file, totals: Totals::default() }) }))
    }

    /// Totals since the start of this process.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).totals.clone()
    }

    pub(crate) fn begin(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).totals.in_flight += 1;
    }

    fn write(&self, line: &AccessLine) {
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = &mut inner.totals;
        totals.requests += 1;
        totals.answered += u64::from(line.status > 0);
        totals.in_flight = totals.in_flight.saturating_sub(1);
        let known =
            totals.bytes_by_client.contains_key(&line.client) || totals.bytes_by_client.len() < MAX_CLIENTS;
        let client = if known { line.client.clone() } else { "other".to_owned() };
        *totals.bytes_by_client.entry(client).or_default() += line.bytes;
        // One write per line, straight to the file: nothing is lost when the process is killed.
        if let Err(error) = inner.file.write_all(text.as_bytes()) {
            tracing::error!(%error, "the access log could not be written");
        }
    }
}

/// A line that lacks only what its last chunk came to.
pub struct Settled {
    /// The line so far; `bytes` without the last chunk.
    pub line: AccessLine,
    /// Body bytes the client was to get, for telling whether it got all.
    pub expected: Option<u64>,
    /// When the request arrived.
    pub began: Instant,
    /// Where the line goes.
    pub log: Arc<AccessLog>,
}

impl Settled {
    /// Writes the line; `last_chunk` bytes of the last chunk reached the socket.
    pub fn finish(mut self, last_chunk: u64) {
        self.line.bytes += last_chunk;
        self.line.ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.line.aborted = self.line.status == 0 || self.expected != Some(self.line.bytes);
        self.log.write(&self.line);
    }
}
