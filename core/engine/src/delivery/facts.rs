//! The vocabulary of a lane: its limits, its batches, what can be heard and what must be done.

use crate::time::{Millis, Time};

#[cfg(doc)]
use super::Delivery;

/// How a body is packed on the wire, the plainest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// No content encoding.
    Identity,
    /// `Content-Encoding: gzip`.
    Gzip,
    /// `Content-Encoding: zstd`. Only for an endpoint that said it reads it: collectors answer 400 to what they do not know.
    Zstd,
}

/// Which encodings of a request's body an endpoint says it reads, as in the `Accept-Encoding` of its answers (RFC 7694).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// It reads gzip.
    pub gzip: bool,
    /// It reads zstd.
    pub zstd: bool,
}

impl Offer {
    /// Whether it reads bodies packed so; plain ones everybody does.
    #[must_use]
    pub fn reads(self, encoding: Encoding) -> bool {
        match encoding {
            Encoding::Identity => true,
            Encoding::Gzip => self.gzip,
            Encoding::Zstd => self.zstd,
        }
    }
}

/// Limits and delays of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// A batch closes at this many rows. 100 gzip to about 34 bytes an event, and more rows save little.
    pub close_rows: u32,
    /// A batch closes at this many bytes before compression.
    pub close_bytes: u64,
    /// A batch closes when its oldest row has waited this long in the foreground.
    pub close_age: Millis,
    /// Shortest wait after a failure.
    pub backoff_base: Millis,
    /// Longest wait after a failure, unless the server asks for more.
    pub backoff_cap: Millis,
    /// Encoding to begin with, as long as the endpoint says nothing of what it reads.
    pub encoding: Encoding,
    /// The tightest encoding this side can write.
    pub best: Encoding,
    /// Where the jitter starts; different on every device, or they all come back at once.
    pub seed: u64,
    /// Longest random wait before the first request after the start and after the network came back, so that a million
    /// phones that wake together do not call together. Zero for none.
    pub start_jitter: Millis,
    /// Whether this lane can wait for a better time: it does while roaming and while the battery is low, and sends larger
    /// batches less often where bytes cost money. What the person does and pays cannot wait.
    pub patient: bool,
    /// Bytes the queue may hold before it gives rows up; a patient lane waits only below [`PATIENT_PERCENT`] of it.
    pub cap_bytes: u64,
}

/// Share of the cap up to which a patient lane waits, in percent: sending at a bad time costs less than losing rows.
pub const PATIENT_PERCENT: u64 = 70;

/// What sending costs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// On somebody else's network.
    pub roaming: bool,
    /// The person saves the battery, or it is nearly empty.
    pub low_power: bool,
    /// The network is paid by the byte.
    pub metered: bool,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        DeliveryConfig {
            close_rows: 100,
            close_bytes: 64 * 1024,
            close_age: Millis(30_000),
            backoff_base: Millis(1_000),
            backoff_cap: Millis(15 * 60 * 1_000),
            encoding: Encoding::Gzip,
            best: Encoding::Gzip,
            seed: 0,
            start_jitter: Millis(0),
            patient: false,
            cap_bytes: u64::MAX,
        }
    }
}

/// A claimed batch as the machine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The store's name for it, unique among open batches.
    pub key: u64,
    /// Rows in it, at least one.
    pub rows: u32,
    /// Bytes in it before compression.
    pub bytes: u64,
    /// Attempts that failed so far.
    pub tries: u32,
    /// The encoding it fell back to, if it did.
    pub encoding: Option<Encoding>,
}

/// What the server, or the way to it, answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The server has every row.
    Accepted,
    /// 429, or 503 with a `Retry-After`.
    Throttled {
        /// How long the server asks to wait; zero when it does not say.
        retry_after: Millis,
    },
    /// 413.
    TooLarge,
    /// 400 or 422: this body, or a row of it, is refused.
    Rejected,
    /// 415: bodies packed like this one are not read; it says nothing of the rows.
    Unsupported,
    /// 401 or 403.
    Unauthorised,
    /// Nobody is signed in for the owner of this batch; nothing was sent.
    NoCredential,
    /// 408, 5xx, and every status that has no rule of its own.
    Server,
    /// No answer: connection refused, reset, timed out.
    Network,
    /// A 2xx that does not come from our server.
    CaptivePortal,
}

/// What the host knows about the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// There is a network.
    Online,
    /// There is none.
    Offline,
    /// The app is in front.
    Foreground,
    /// The app has gone behind: everything recorded is worth sending now.
    Background,
}

/// What the driver must do next. Each is answered by the input named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEffect {
    /// Claim the oldest unclaimed rows; answer with [`Delivery::handle_claimed`].
    Claim {
        /// At most this many rows.
        max_rows: u32,
        /// At most this many bytes, but always at least one row.
        max_bytes: u64,
    },
    /// Send a batch, the same rows under the same id on every attempt; answer with [`Delivery::handle_answer`].
    Send {
        /// Which batch.
        batch: Batch,
        /// How to pack it.
        encoding: Encoding,
    },
    /// Record the acknowledgement and delete the rows in one transaction; answer with [`Delivery::handle_stored`].
    Accept {
        /// Which batch.
        batch: Batch,
    },
    /// Remember a failed attempt; answer with [`Delivery::handle_stored`].
    Defer {
        /// Which batch, with its new number of tries and encoding.
        batch: Batch,
        /// How long it now waits.
        wait: Millis,
    },
    /// Cut a batch of at least two rows in halves; answer with [`Stored::Split`].
    Split {
        /// Which batch.
        batch: Batch,
    },
    /// Move the only row of a batch into quarantine; answer with [`Delivery::handle_stored`].
    Quarantine {
        /// Which batch, of one row.
        batch: Batch,
        /// Why: [`Answer::TooLarge`] or [`Answer::Rejected`].
        why: Answer,
    },
    /// The server wants a new credential: nothing leaves until [`Delivery::handle_refreshed`]. Needs no answer.
    Pause,
}

/// How a write to the store ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is in the store.
    Done,
    /// The two halves of a split batch, in order.
    Split(Batch, Batch),
    /// The store does not know the batch any more: the file was damaged and replaced.
    Gone,
    /// It is not in the store; the machine will ask again later.
    Failed,
}

/// Why the machine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryReason {
    /// The oldest row has waited long enough.
    BatchAge,
    /// A back-off with jitter ends.
    BackOff,
    /// The time the server asked for ends.
    RetryAfter,
    /// A failed write to the store is tried again.
    StoreRetry,
    /// The random wait after the start, or after the network came back, ends.
    StartJitter,
}

/// Why nothing is being sent although something is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// There is no network.
    Offline,
    /// A new credential is needed.
    Unauthorised,
    /// Sending now would cost too much: roaming, or a low battery.
    Saving,
    /// A wait ends at this time.
    Until(Time, DeliveryReason),
}
