//! The list of the requests that left the device, as data.

use crate::session::Unspool;

/// Requests after a number.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OutboundBatch {
    /// In the order they left. One that was under way may have ended since it was last read.
    pub requests: Vec<OutboundRequest>,
    /// The number to ask from next time.
    pub last: u64,
    /// How many were forgotten in between.
    pub forgotten: u64,
}

/// A request that left, is about to, or was kept from leaving. It holds no address but the host, no token and no word of a person.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OutboundRequest {
    /// Its number, from 1.
    pub number: u64,
    /// When it left, in milliseconds since 1970.
    pub at_ms: i64,
    /// The host, with the port where the scheme's own is not used.
    pub host: String,
    /// What for.
    pub purpose: OutboundPurpose,
    /// How it asks: `GET`, `HEAD`, `POST` and the like.
    pub method: String,
    /// The host is none of those that requests may go to: nothing left.
    pub refused: bool,
    /// A server sent the request before it on to here.
    pub redirected: bool,
    /// Bytes of its body.
    pub sent_bytes: u64,
    /// Bytes received of the answer's body.
    pub received_bytes: u64,
    /// Status of the answer; 0 without one.
    pub status: u16,
    /// Milliseconds until it was over; none while it is under way.
    pub took_ms: Option<u64>,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum OutboundPurpose {
    /// Pages, topics and fresh addresses.
    Feed,
    /// Bytes of videos.
    Media,
    /// A connection brought about before it is needed.
    Prewarm,
    /// Records of viewings and other events.
    Telemetry,
    /// Likes, follows and the like.
    Intents,
    /// What the person wrote.
    Comments,
    /// Gifts and donations, and questions about them.
    Payments,
}

impl From<unspool::OutboundPurpose> for OutboundPurpose {
    fn from(purpose: unspool::OutboundPurpose) -> Self {
        match purpose {
            unspool::OutboundPurpose::Feed => OutboundPurpose::Feed,
            unspool::OutboundPurpose::Media => OutboundPurpose::Media,
            unspool::OutboundPurpose::Prewarm => OutboundPurpose::Prewarm,
            unspool::OutboundPurpose::Telemetry => OutboundPurpose::Telemetry,
            unspool::OutboundPurpose::Intents => OutboundPurpose::Intents,
            unspool::OutboundPurpose::Comments => OutboundPurpose::Comments,
            unspool::OutboundPurpose::Payments => OutboundPurpose::Payments,
        }
    }
}

impl From<unspool::OutboundRequest> for OutboundRequest {
    fn from(request: unspool::OutboundRequest) -> Self {
        let unspool::OutboundRequest {
            number,
            at_ms,
            host,
            purpose,
            method,
            refused,
            redirected,
            sent,
            received,
            status,
            took_ms,
        } = request;
        OutboundRequest {
            number,
            at_ms,
            host,
            purpose: purpose.into(),
            method: method.to_owned(),
            refused,
            redirected,
            sent_bytes: sent,
            received_bytes: received,
            status,
            took_ms,
        }
    }
}

#[uniffi::export]
impl Unspool {
    /// The requests that left this device in this session after number `after`, oldest first: to which host, what for, how
    /// many bytes, when. The last 1,000 are remembered. Returns at once.
    #[must_use]
    pub fn outbound_after(&self, after: u64) -> OutboundBatch {
        let batch = self.core.outbound_after(after);
        let requests = batch.requests.into_iter().map(OutboundRequest::from).collect();
        OutboundBatch { requests, last: batch.last, forgotten: batch.forgotten }
    }
}
