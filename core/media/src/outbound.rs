//! The one door through which requests leave, and the list of those that did.
//!
//! Every request of the core is sent by a [`Wire`], which writes down to which host it goes and what for before a byte
//! leaves, and how many bytes went each way when it has ended. A test of the house refuses any other way out. The list
//! holds no address but the host, no token and no word of a person; it lives in memory and is bounded.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

/// Requests remembered: an hour of swiping at four a card, in about 100 KiB.
pub const OUTBOUND_REQUESTS: usize = 1_000;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutboundPurpose {
    /// Pages, topics and fresh addresses.
    Feed,
    /// Bytes of videos.
    Media,
    /// A connection brought about before it is needed; asks for nothing.
    Prewarm,
    /// Records of viewings and other events.
    Telemetry,
    /// What the person wants to be so: likes, follows and the like.
    Intents,
    /// What the person wrote.
    Comments,
    /// Gifts and donations, and questions about them.
    Payments,
}

impl OutboundPurpose {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OutboundPurpose::Feed => "feed",
            OutboundPurpose::Media => "media",
            OutboundPurpose::Prewarm => "prewarm",
            OutboundPurpose::Telemetry => "telemetry",
            OutboundPurpose::Intents => "intents",
            OutboundPurpose::Comments => "comments",
            OutboundPurpose::Payments => "payments",
        }
    }
}

/// A request that left, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundRequest {
    /// Its number, from 1; they are given out in order.
    pub number: u64,
    /// When it left, in milliseconds since 1970.
    pub at_ms: i64,
    /// The host, with the port where the scheme's own is not used.
    pub host: String,
    /// What for.
    pub purpose: OutboundPurpose,
    /// A server sent the request before it on to here; its bytes stand there.
    pub redirected: bool,
    /// Bytes of its body.
    pub sent: u64,
    /// Bytes received of the answer's body.
    pub received: u64,
    /// Status of the answer; 0 without one.
    pub status: u16,
    /// Milliseconds until it was over; `None` while it is under way.
    pub took_ms: Option<u64>,
}

/// Requests after a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundBatch {
    /// In the order they left. One that was under way may have ended since it was last read.
    pub requests: Vec<OutboundRequest>,
    /// The number to ask from next time.
    pub last: u64,
    /// How many were forgotten that lay between the number asked from and the first one here.
    pub forgotten: u64,
}

#[derive(Debug, Default)]
struct Ring {
    requests: VecDeque<OutboundRequest>,
    last: u64,
}

/// The list. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Outbound(Arc<Mutex<Ring>>);

impl Outbound {
    /// The requests after number `after`, oldest first; with 0 all that are remembered, [`OUTBOUND_REQUESTS`] at most.
    #[must_use]
    pub fn after(&self, after: u64) -> OutboundBatch {
        let ring = self.ring();
        let requests: Vec<OutboundRequest> =
            ring.requests.iter().filter(|request| request.number > after).cloned().collect();
        let first = requests.first().map_or(ring.last + 1, |request| request.number);
        OutboundBatch { requests, last: ring.last, forgotten: first.saturating_sub(after.min(ring.last) + 1) }
    }

    /// A server sent a request on to `url`.
    pub(crate) fn redirected(&self, url: &Url, purpose: OutboundPurpose) {
        let ticket = self.begin(url, purpose, 0, true);
        drop(ticket);
    }

    fn begin(&self, url: &Url, purpose: OutboundPurpose, sent: u64, redirected: bool) -> Ticket {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let mut ring = self.ring();
        ring.last += 1;
        let number = ring.last;
        if ring.requests.len() >= OUTBOUND_REQUESTS {
            ring.requests.pop_front();
        }
        let request = OutboundRequest {
            number,
            at_ms,
            host,
            purpose,
            redirected,
            sent,
            received: 0,
            status: 0,
            took_ms: None,
        };
        ring.requests.push_back(request);
        drop(ring);
        Ticket { log: self.clone(), number, began: Instant::now() }
    }

    fn change(&self, number: u64, change: impl FnOnce(&mut OutboundRequest)) {
        let mut ring = self.ring();
        let Some(first) = ring.requests.front().map(|request| request.number) else { return };
        // Numbers have no gaps; one that was forgotten lies before the first.
        let Some(at) = number.checked_sub(first).and_then(|at| usize::try_from(at).ok()) else { return };
        if let Some(request) = ring.requests.get_mut(at) {
            change(request);
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way; it is over when this goes.
#[derive(Debug)]
struct Ticket {
    log: Outbound,
    number: u64,
    began: Instant,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.log.change(self.number, |request| request.took_ms = Some(took));
    }
}

/// Sends requests and lists them. Clones share the connections and the list.
#[derive(Debug, Clone)]
pub struct Wire {
    client: Client,
    log: Outbound,
    purpose: OutboundPurpose,
}

/// A client whose requests are on a list of their own.
impl From<Client> for Wire {
    fn from(client: Client) -> Self {
        Wire::new(client, Outbound::default(), OutboundPurpose::Feed)
    }
}

impl Wire {
    /// Requests of `client`, listed in `log` under `purpose`.
    #[must_use]
    pub fn new(client: Client, log: Outbound, purpose: OutboundPurpose) -> Self {
        Wire { client, log, purpose }
    }

    /// The same connections and list for another purpose.
    #[must_use]
    pub fn for_purpose(&self, purpose: OutboundPurpose) -> Self {
        Wire { purpose, ..self.clone() }
    }

    /// What makes requests; they leave through [`send`](Wire::send).
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and waits for the head of the answer. Dropping the future gives it up.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let (client, request) = request.build_split();
        let request = request?;
        let sent = request.body().and_then(reqwest::Body::as_bytes).map_or(0, <[u8]>::len) as u64;
        let ticket = self.log.begin(request.url(), self.purpose, sent, false);
        let response = client.execute(request).await?;
        let status = response.status().as_u16();
        self.log.change(ticket.number, |request| request.status = status);
        Ok(Answer { response, ticket })
    }
}

/// The answer to a request; its body is counted as it is read.
#[derive(Debug)]
pub struct Answer {
    response: Response,
    ticket: Ticket,
}

impl Deref for Answer {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.response
    }
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn chunk(&mut self) -> reqwest::Result<Option<Bytes>> {
        let piece = self.response.chunk().await?;
        if let Some(piece) = &piece {
            let more = piece.len() as u64;
            self.ticket.log.change(self.ticket.number, |request| request.received += more);
        }
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn requests_are_listed_by_host_and_the_oldest_are_forgotten() {
        let log = Outbound::default();
        let open =
            log.begin(&url("https://api.example/v1/feed?token=secret"), OutboundPurpose::Feed, 0, false);
        log.redirected(&url("http://127.0.0.1:8080/a/b"), OutboundPurpose::Media);
        let both = log.after(0);
        let hosts: Vec<&str> = both.requests.iter().map(|request| request.host.as_str()).collect();
        assert_eq!(hosts, ["api.example", "127.0.0.1:8080"]);
        assert_eq!((both.requests[0].took_ms, both.requests[1].redirected), (None, true));
        assert!(!format!("{both:?}").contains("secret"));
        drop(open);
        assert!(log.after(0).requests[0].took_ms.is_some());
        for _ in 0..OUTBOUND_REQUESTS {
            log.redirected(&url("https://cdn.example/x"), OutboundPurpose::Media);
        }
        let all = log.after(0);
        assert_eq!((all.requests.len(), all.last, all.forgotten), (OUTBOUND_REQUESTS, 1_002, 2));
        assert_eq!(log.after(1_000).requests.len(), 2);
        assert_eq!(log.after(all.last), OutboundBatch { requests: Vec::new(), last: 1_002, forgotten: 0 });
    }

    #[test]
    fn an_end_after_it_was_forgotten_changes_nothing() {
        let log = Outbound::default();
        let open = log.begin(&url("https://a.example/"), OutboundPurpose::Feed, 5, false);
        for _ in 0..OUTBOUND_REQUESTS {
            log.redirected(&url("https://b.example/"), OutboundPurpose::Media);
        }
        let before = log.after(0);
        drop(open);
        assert_eq!(log.after(0), before);
    }
}
