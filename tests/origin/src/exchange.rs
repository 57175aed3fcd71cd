//! One request and its answer: the open line of the access log, and the paced body that closes it.
//!
//! The line is written by `Drop`, so it is right whichever way the exchange ends: the body is done, the client hangs up,
//! the handler is given up before it answers, or the network is cut.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::access::{AccessLine, AccessLog, Settled};
use crate::conn::{Conn, Ending, Mark};
use crate::shaper::{Passed, Shaper};

/// What happens when so many body bytes are through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A pause.
    Stall(Duration),
    /// The stream ends: the connection, or with HTTP/2 only this answer.
    Truncate,
    /// The connection is reset.
    Reset,
}

/// The open line of one request.
pub struct Exchange {
    conn: Arc<Conn>,
    settled: Option<Settled>,
    outstanding: Mark,
}

impl Exchange {
    /// Opens the line of a request that has just arrived.
    #[must_use]
    pub fn begin(log: Arc<AccessLog>, conn: Arc<Conn>, line: AccessLine) -> Self {
        log.begin();
        let outstanding = conn.mark(0);
        let settled = Settled { line, expected: None, began: Instant::now(), log };
        Exchange { conn, settled: Some(settled), outstanding }
    }

    /// Names what interfered; a second name is added after a comma.
    pub fn blame(&mut self, fault: &str) {
        if let Some(settled) = &mut self.settled {
            match &mut settled.line.fault {
                Some(known) => {
                    known.push(',');
                    known.push_str(fault);
                }
                none => *none = Some(fault.to_owned()),
            }
        }
    }

    /// Notes the head of the answer. `expected` is the number of body bytes this client is to get.
    pub fn answered(&mut self, status: u16, declared: Option<u64>, expected: Option<u64>) {
        if let Some(settled) = &mut self.settled {
            settled.line.status = status;
            settled.line.declared = declared;
            settled.expected = expected;
        }
        self.outstanding = self.conn.mark(0);
    }

    fn is_h2(&self) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.line.proto == "h2")
    }

    fn yielded(&mut self, len: u64) {
        self.outstanding = self.conn.mark(len);
    }

    /// Waits until what was yielded last (or the head) was handed to the socket, and counts it.
    async fn handed_over(&mut self, mark: Mark, len: u64) {
        self.conn.handed_over(mark).await;
        if let Some(settled) = &mut self.settled {
            settled.line.bytes += len;
        }
        self.outstanding = self.conn.mark(0);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(settled) = self.settled.take() {
            self.conn.settle(self.outstanding, settled);
        }
    }
}

struct Paced {
    exchange: Exchange,
    body: Body,
    shaper: Arc<Shaper>,
    /// Cuts to come, the next one last.
    cuts: Vec<(u64, Cut)>,
    yielded: u64,
    last_len: u64,
    buffer: Bytes,
    passed: Passed,
}

/// The body as it goes out: in chunks the shaper lets through, cut where `cuts` says, closing the line at its end.
pub fn paced(exchange: Exchange, body: Body, shaper: Arc<Shaper>, mut cuts: Vec<(u64, Cut)>) -> Body {
    cuts.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let (buffer, passed) = (Bytes::new(), Passed::default());
    let paced = Paced { exchange, body, shaper, cuts, yielded: 0, last_len: 0, buffer, passed };
    Body::from_stream(futures_util::stream::unfold(paced, |mut paced| async move {
        let chunk = paced.next().await?;
        Some((chunk, paced))
    }))
}

impl Paced {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        // Also before the first chunk: once the head is out, bytes written are body bytes and nothing else.
        let (mark, len) = (self.exchange.outstanding, self.last_len);
        self.exchange.handed_over(mark, len).await;
        self.last_len = 0;
        while let Some(&(at, cut)) = self.cuts.last()
            && at <= self.yielded
        {
            self.cuts.pop();
            match cut {
                Cut::Stall(pause) => {
                    tokio::time::sleep(pause).await;
                    self.passed = Passed::default();
                }
                // An answer of HTTP/2 has an end of its own; the connection goes on.
                Cut::Truncate if self.exchange.is_h2() => {
                    return Some(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Cut::Truncate => return Some(self.end(Ending::Close)),
                Cut::Reset => return Some(self.end(Ending::Reset)),
            }
        }
        while self.buffer.is_empty() {
            match self.body.frame().await? {
                Ok(frame) => self.buffer = frame.into_data().unwrap_or_default(),
                Err(error) => {
                    tracing::warn!(%error, "a body ended early");
                    return Some(self.end(Ending::Close));
                }
            }
        }
        let mut len = self.buffer.len().min(self.shaper.chunk());
        if let Some((at, _)) = self.cuts.last() {
            len = len.min(usize::try_from(at - self.yielded).unwrap_or(usize::MAX));
        }
        self.shaper.pass(len, &mut self.passed).await;
        if self.exchange.conn.is_ended() {
            return Some(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.yielded += len as u64;
        self.last_len = len as u64;
        self.exchange.yielded(len as u64);
        Some(Ok(self.buffer.split_to(len)))
    }

    fn end(&self, ending: Ending) -> io::Result<Bytes> {
        self.exchange.conn.end(ending);
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}
