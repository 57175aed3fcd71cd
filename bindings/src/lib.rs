//! What crosses from Unspool's core to Kotlin, Swift and Python: records, enums, objects and their conversions.
//!
//! There is no logic here. [`Unspool`] is a session and [`Feed`] an open feed, each a handle on what the crate `unspool`
//! does. Commands return when the core has taken them; what is the case is pulled by revision ([`Feed::snapshot_after`])
//! and what happened by number ([`Feed::events_after`]), so a wait that is cancelled loses nothing. Media bytes do not
//! cross: players of the core render, and tell times and counts. Only still pictures do, which are small and which the
//! platform decodes.
//!
//! # For a reader of Kotlin, Swift or Python
//!
//! * Every wait ends when the coroutine, task or future is cancelled. Kotlin and Python do that by themselves; Swift's
//!   `Task` does it through the overloads of `UnspoolCore`, which pass a [`CancelToken`]. A write that was begun
//!   (`setLiked`, `addComment`, `shutdown`) goes on when nobody waits for it any more.
//! * Every error is an [`UnspoolError`] (in Kotlin `UnspoolException`), whose text says what to do.
//! * Handles may be used, shared and dropped on any thread. `shutdown` ends a session in stated time; dropping the last
//!   handle ends it too, and waits for nothing.
//! * Positions, revisions and event numbers are unsigned 64-bit; times are milliseconds unless a type says otherwise.

// The scaffolding that the attributes of UniFFI expand to exports C functions, which the lint counts as unsafe code.
#![allow(unsafe_code)]

#[cfg(target_os = "android")]
mod android;
mod cancel;
mod card;
mod config;
mod error;
mod events;
#[cfg(feature = "fault-injection")]
mod faults;
mod feed;
mod host;
#[cfg(feature = "inspector")]
mod inspector;
mod keep;
mod learning;
mod logs;
mod outbound;
mod players;
mod playing;
mod privacy;
mod reports;
mod safety;
mod session;
mod settings;
mod snapshot;
mod social;
mod telemetry;
mod thumbnails;
mod token;
mod wellbeing;

pub use cancel::CancelToken;
pub use card::{Card, Creator, Item, Relation, SeriesPart};
pub use config::{Cmcd, Conditions, FeedKind, HostPins, NetworkClass, SessionConfig};
pub use error::UnspoolError;
pub use events::{Event, EventBatch, LinkState, StartClass};
pub use feed::Feed;
pub use host::{
    CaptionFile, Container, Embedding, HostBackend, HostError, HostItem, HostPage, LabelUpdate, Location,
    PageRequest, Rendition, RetentionPoint,
};
#[cfg(feature = "inspector")]
pub use inspector::Inspector;
pub use keep::{Hold, KeepEstimate, KeepFailure, KeepState, KeptAsset, KeptSnapshot, LocalFile};
pub use learning::{
    GroupExposure, LearnerCard, LearnerLine, LoopChoice, LoopState, LoopWord, Parameter, TopicWeight, Why,
    WhyReason,
};
pub use logs::{LogBatch, LogLevel, LogLine, logs_after, set_log_level};
pub use outbound::{OutboundBatch, OutboundPurpose, OutboundRequest};
pub use players::{PlatformPlayers, PlayerReport, PlayerReports, PlayerRequest};
pub use playing::{CaptionStatus, CaptionTrack, CaptionView, CardCaptions, Cue, MemoryPressure, SoundFocus};
pub use privacy::{DataExport, EraseScope, ExportProgress};
pub use reports::{FiledReport, Report, ReportReason, ReportState, ReportSubject, Scene};
pub use safety::{
    AgeBand, CardSafety, Harm, HarmChoice, LabelChoice, LabelOf, MutedWord, RulesTrouble, SafetyChoice,
    SafetyReason, SafetySettings, SafetySource, SafetySurfaces, SafetyTreatment, SafetyWeight,
};
pub use session::{SessionStatus, ShutdownReport, Topic, Unspool};
pub use settings::{PreferenceChoices, Preferences, Settings};
pub use snapshot::{ByPurpose, Bytes, CardState, FeedSnapshot, Outgoing, Stage, Traffic};
pub use social::{
    Comment, CommentState, IntentVerb, Order, Payment, PaymentCause, PaymentState, RefusedIntent,
};
pub use telemetry::{Attribute, AttributeValue, Place, Purpose, Tap, ViewerAction};
pub use thumbnails::{Thumbnail, ThumbnailTrouble};
pub use token::TokenProvider;
pub use wellbeing::{
    BreakAction, BreakCard, BreakCause, BreakMeasure, LimitChoices, Limits, Night, PasscodeState, WeekRecap,
    WellbeingState,
};

uniffi::setup_scaffolding!();
