//! The one door through which requests leave, and the list of those that did.
//!
//! Every request of the core is sent by a [`Wire`], which compares its host with those it may [reach](Reach), writes down to
//! which host it goes and what for before a byte leaves, and how many bytes went each way when it has ended. What may not
//! leave is written down as refused. A test of the house refuses any other way out. The list holds no address but the host,
//! no token and no word of a person; it lives in memory and is bounded.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response};
use url::Url;

use crate::reach::Reach;

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
    /// All of them.
    pub const ALL: [OutboundPurpose; 7] = [
        OutboundPurpose::Feed,
        OutboundPurpose::Media,
        OutboundPurpose::Prewarm,
        OutboundPurpose::Telemetry,
        OutboundPurpose::Intents,
        OutboundPurpose::Comments,
        OutboundPurpose::Payments,
    ];

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

/// A request that left, is about to, or was kept from leaving.
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
    /// How it asks: `GET`, `HEAD`, `POST` and the like.
    pub method: &'static str,
    /// The host is none of those that requests may go to: nothing left.
    pub refused: bool,
    /// A server sent the request before it on to here.
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

/// The list, and where requests may go. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Outbound(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ring: Mutex<Ring>,
    reach: Reach,
}

impl Outbound {
    /// An empty list of requests that may go where `reach` says. That of `default` may go anywhere.
    #[must_use]
    pub fn within(reach: Reach) -> Self {
        Outbound(Arc::new(Inner { ring: Mutex::default(), reach }))
    }

    /// The requests after number `after`, oldest first; with 0 all that are remembered, [`OUTBOUND_REQUESTS`] at most.
    #[must_use]
    pub fn after(&self, after: u64) -> OutboundBatch {
        let ring = self.ring();
        let requests: Vec<OutboundRequest> =
            ring.requests.iter().filter(|request| request.number > after).cloned().collect();
        let first = requests.first().map_or(ring.last + 1, |request| request.number);
        OutboundBatch { requests, last: ring.last, forgotten: first.saturating_sub(after.min(ring.last) + 1) }
    }

    /// Lists a request that is about to leave, or gives the host it may not go to.
    fn begin(&self, url: &Url, is: Is, sent: u64) -> Result<Ticket, WireError> {
        let Is { purpose, method, redirected } = is;
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let refused = !self.0.reach.covers(purpose, url);
        let mut ring = self.ring();
        ring.last += 1;
        let number = ring.last;
        if ring.requests.len() >= OUTBOUND_REQUESTS {
            ring.requests.pop_front();
        }
        let request = OutboundRequest {
            number,
            at_ms,
            host: host.clone(),
            purpose,
            method,
            refused,
            redirected,
            sent: if refused { 0 } else { sent },
            received: 0,
            status: 0,
            took_ms: refused.then_some(0),
        };
        ring.requests.push_back(request);
        drop(ring);
        match refused {
            true => Err(WireError::HostRefused { host }),
            false => Ok(Ticket { log: self.clone(), number, began: Instant::now() }),
        }
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
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told of a request besides its address.
#[derive(Debug, Clone, Copy)]
struct Is {
    purpose: OutboundPurpose,
    method: &'static str,
    redirected: bool,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It may not go to this host, and nothing left: list the host in the configuration, or find out who named it.
    #[error("{host} is none of the hosts that requests may go to")]
    HostRefused {
        /// Name and port.
        host: String,
    },
    /// The client failed.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl WireError {
    /// Whether not a byte of it has left.
    #[must_use]
    pub fn never_left(&self) -> bool {
        match self {
            WireError::HostRefused { .. } => true,
            WireError::Client(error) => error.is_connect(),
        }
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
    /// [`WireError::HostRefused`] when it may not go there, else those of the client.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, WireError> {
        self.send_on(request, false).await
    }

    /// The same for a request that another one was `redirected` to.
    pub(crate) async fn send_on(
        &self,
        request: RequestBuilder,
        redirected: bool,
    ) -> Result<Answer, WireError> {
        let (client, request) = request.build_split();
        let request = request?;
        let sent = request.body().and_then(reqwest::Body::as_bytes).map_or(0, <[u8]>::len) as u64;
        let is = Is { purpose: self.purpose, method: name_of(request.method()), redirected };
        let ticket = self.log.begin(request.url(), is, sent)?;
        let response = client.execute(request).await?;
        let status = response.status().as_u16();
        self.log.change(ticket.number, |request| request.status = status);
        Ok(Answer { response, ticket })
    }
}

fn name_of(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
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

    const MEDIA: Is = Is { purpose: OutboundPurpose::Media, method: "GET", redirected: false };

    #[test]
    fn requests_are_listed_by_host_and_the_oldest_are_forgotten() {
        let log = Outbound::default();
        let feed = Is { purpose: OutboundPurpose::Feed, ..MEDIA };
        let open = log.begin(&url("https://api.example/v1/feed?token=secret"), feed, 0).unwrap();
        let on = Is { redirected: true, ..MEDIA };
        drop(log.begin(&url("http://127.0.0.1:8080/a/b"), on, 0).unwrap());
        let both = log.after(0);
        let hosts: Vec<&str> = both.requests.iter().map(|request| request.host.as_str()).collect();
        assert_eq!(hosts, ["api.example", "127.0.0.1:8080"]);
        assert_eq!((both.requests[0].took_ms, both.requests[1].redirected), (None, true));
        assert!(!format!("{both:?}").contains("secret"));
        drop(open);
        assert!(log.after(0).requests[0].took_ms.is_some());
        for _ in 0..OUTBOUND_REQUESTS {
            drop(log.begin(&url("https://cdn.example/x"), MEDIA, 0).unwrap());
        }
        let all = log.after(0);
        assert_eq!((all.requests.len(), all.last, all.forgotten), (OUTBOUND_REQUESTS, 1_002, 2));
        assert_eq!(log.after(1_000).requests.len(), 2);
        assert_eq!(log.after(all.last), OutboundBatch { requests: Vec::new(), last: 1_002, forgotten: 0 });
    }

    #[test]
    fn an_end_after_it_was_forgotten_changes_nothing() {
        let log = Outbound::default();
        let open = log.begin(&url("https://a.example/"), MEDIA, 5).unwrap();
        for _ in 0..OUTBOUND_REQUESTS {
            drop(log.begin(&url("https://b.example/"), MEDIA, 0).unwrap());
        }
        let before = log.after(0);
        drop(open);
        assert_eq!(log.after(0), before);
    }

    #[test]
    fn what_may_not_leave_is_listed_as_refused() {
        let media = Some(vec!["https://cdn.example".parse().unwrap()]);
        let log = Outbound::within(Reach { backend: None, media });
        drop(log.begin(&url("https://cdn.example/a"), MEDIA, 1).unwrap());
        let refused = log.begin(&url("https://evil.example:8/a?word=secret"), MEDIA, 7);
        assert!(matches!(refused, Err(WireError::HostRefused { host }) if host == "evil.example:8"));
        let list = log.after(0).requests;
        assert_eq!((list[0].refused, list[0].sent), (false, 1));
        assert_eq!((list[1].refused, list[1].sent, list[1].took_ms), (true, 0, Some(0)));
    }
}
