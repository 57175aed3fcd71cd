//! Every decision of Unspool, as pure state machines.
//!
//! An engine is told what happened (`handle_*`) and asked what to do (`poll_*`). Time is an argument, randomness is a
//! seed, and there is no I/O: the same inputs give the same outputs on every platform, which is why a week of swiping
//! can be simulated in milliseconds and a bug report can be replayed.
//!
//! [`Engine`] is the whole of one feed session; the machines it is made of stand in modules of their own.

pub mod breaker;
pub mod budget;
pub mod buffering;
pub mod captions;
pub mod comment;
mod delivery;
pub mod eviction;
pub mod exposure;
pub mod feed;
pub mod focus;
pub mod hosts;
pub mod impression;
pub mod info;
pub mod keep;
pub mod lead;
pub mod learner;
pub mod links;
mod model;
pub mod opening;
pub mod payment;
pub mod pipeline;

pub mod planner;
mod port;
pub mod pressure;
pub mod ranking;
pub mod report;
pub mod safety;
pub mod schema;
pub mod session;
pub mod settings;
pub mod stage;
pub mod tape;
#[cfg(test)]
mod testing;
pub mod throughput;
pub mod thumbnails;
mod time;
pub mod wellbeing;

pub use buffering::{BufferPolicy, Supply};
pub use delivery::{
    Answer, Backoff, Batch, Circumstances, Condition, Delivery, DeliveryConfig, DeliveryEffect,
    DeliveryReason, Encoding, Held, Offer, PATIENT_PERCENT, RETRY_AFTER_CAP, Stored,
};
pub use feed::{LabelUpdate, PageFailure, PageRequest, SavedFeed, Step};
pub use focus::{FocusAction, FocusKeeper, SoundFocus};
pub use impression::{Exit, Impression, StartClass, Tap, Viewer};
pub use info::{AudioCodec, Layout, MediaInfo, SyncSample, TrackInfo, TrackKind, VideoCodec};
pub use keep::{
    Hold, Keep, KeepEstimate, KeepFailure, KeepOutput, KeepPolicy, KeepState, KeepTrouble, KeptMark,
    KeptRecord,
};
pub use links::Links;
pub use model::{
    Asset, CaptionTrack, Container, Creator, Embedding, Item, MediaKey, Page, Relation, Rendition,
    SeriesPart, Span,
};
pub use planner::{Candidate, DemandId, FetchEnd, Policy, Urgency};
pub use pressure::MemoryPressure;
pub use session::{Conditions, Effect, Engine, EngineConfig, Notice, PlayerFact, Wake};
pub use stage::{PlayerId, player_bytes};
pub use throughput::{NetworkClass, Remembered};
pub use time::{Millis, Time, Wall};
