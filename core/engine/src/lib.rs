//! Every decision of Unspool, as pure state machines.
//!
//! An engine is told what happened (`handle_*`) and asked what to do (`poll_*`). Time is an argument, randomness is a
//! seed, and there is no I/O: the same inputs give the same outputs on every platform, which is why a week of swiping
//! can be simulated in milliseconds and a bug report can be replayed.

mod delivery;
mod model;
mod time;

pub use delivery::{
    Answer, Backoff, Batch, Condition, Delivery, DeliveryConfig, DeliveryEffect, DeliveryReason, Encoding,
    Held, RETRY_AFTER_CAP, Stored,
};
pub use model::{Asset, Container, Creator, Item, MediaKey, Page, Rendition, Span};
pub use time::{Millis, Time, Wall};
