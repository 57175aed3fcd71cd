//! Unspool: the shared core of short-video apps.
//!
//! It prefetches the feed ahead of the thumb, plays it on the device with GStreamer from a sparse byte cache, writes
//! down one crash-safe record per viewing, and goes on without a network. [`Unspool::open`] begins; everything else
//! hangs on the session it gives.
//!
//! Nothing is called back. Events are pulled in batches by number, states by revision, so a cancelled wait loses
//! nothing. Decisions are made by `unspool-engine`, which knows neither clock nor network; this crate is the edge.
//!
//! The example `watch` is a whole program, and `docs/guides/rust.md` goes through it.

mod auth;
mod backend;
mod captions;
mod clock;
mod config;
mod core;
mod crash;
mod driver;
mod erase;
mod error;
mod events;
mod explain;
mod export;
#[cfg(feature = "fault-injection")]
mod fault;
mod feed;
mod gate;
mod hosted_players;
#[cfg(feature = "inspector")]
pub mod inspector;
mod keep;
mod keeping;
mod lanes;
mod learning;
mod meter;
pub mod outbox;
mod owner;
mod players;
mod records;
mod reports;
mod rows;
mod safety;
mod session;
mod settings;
mod snapshot;
mod social;
pub mod spool;
mod store;
mod taping;
pub mod telemetry;
mod tls;
mod wallet;
mod wellbeing;
#[cfg(feature = "gstreamer")]
mod windows;
#[cfg(not(feature = "gstreamer"))]
#[path = "windows_none.rs"]
mod windows;
mod wishes;
mod work;

pub use auth::{Auth, Credentials, TokenError, TokenProvider};
pub use backend::{Backend, BackendError, Located, Native, Topic};
pub use captions::{CaptionStatus, CaptionTrouble, CaptionView, CardCaptions};
pub use config::{Config, FeedKind, PlayerOptions, TelemetryOptions};
#[cfg(feature = "fault-injection")]
pub use crash::POINTS as CRASH_POINTS;
pub use driver::Card;
pub use erase::EraseScope;
pub use error::Error;
pub use events::{Event, EventBatch};
pub use explain::{Reason, Why};
pub use export::{Export, ExportProgress};
#[cfg(feature = "fault-injection")]
pub use fault::Place;
pub use feed::FeedSession;
pub use hosted_players::{HostPlayer, HostPlayers, PlayerWish, share_players};
pub use keep::{Kept, KeptSnapshot};
pub use meter::Meter;
pub use outbox::{
    Cause as PaymentCause, Comment, CommentState, Order, Payment, PaymentIntent, Verb as IntentVerb,
};
pub use players::PlayerEngine;
#[cfg(feature = "gstreamer")]
pub use players::Screens;
pub use records::IMPRESSION;
pub use safety::{RULES_BYTES, RULES_CONTEXT, RulesError};
pub use session::{ShutdownReport, Unspool};
pub use snapshot::{Bytes, CardView, Outgoing, Snapshot, Stage};
pub use social::RefusedIntent;
pub use tls::install as install_tls;
pub use unspool_engine::breaker::{Choice as LoopChoice, LoopState, Word as LoopWord};
pub use unspool_engine::exposure::GroupReport;
pub use unspool_engine::learner::{Card as LearnerCard, Line as LearnerLine};
pub use unspool_engine::planner::LinkState;
pub use unspool_engine::ranking::{Parameter, PolicyError, RankingPolicy};
pub use unspool_engine::report::{
    Filed, Reason as ReportReason, Report, ReportState, Scene, Subject as ReportSubject,
};
pub use unspool_engine::safety::{
    Action, AgeBand, Cause, Choice, Decision, HarmClass, LabelOf, MutedWord, Rules, SafetySettings, Source,
    Surfaces, Treatment, Weight,
};
pub use unspool_engine::schema::{self, Consent, Purpose};
pub use unspool_engine::settings::{PreferenceChoices, Preferences, Settings};
pub use unspool_engine::tape;
pub use unspool_engine::wellbeing::{
    Action as BreakAction, Break, Cause as BreakCause, Choices, Day, GuardView, Limits, Measure, Night,
    Recap, WellbeingView,
};
pub use unspool_engine::{
    Asset, CaptionTrack, Conditions, Container, Creator, Embedding, Exit, Hold, Item, KeepEstimate,
    KeepFailure, KeepPolicy, KeepState, LabelUpdate, MediaKey, MemoryPressure, NetworkClass, Page,
    PageRequest, Policy, Relation, Rendition, SeriesPart, SoundFocus, StartClass, Tap, Viewer,
};
pub use unspool_media::{
    ByPurpose, Cmcd, HostPattern, HostPins, LocalFile, OUTBOUND_REQUESTS, OutboundBatch, OutboundPurpose,
    OutboundRequest, PatternError, Pin, TlsConfig, TlsError, Traffic,
};
/// What only Android needs: the platform's trust store is reached through Java.
#[cfg(target_os = "android")]
pub mod android {
    pub use unspool_media::{AndroidTrustError, initialise_trust};
}
pub use unspool_player::captions::Cue;
pub use unspool_player::platform::{PlatformFactory, PlatformPlayer, PlatformReport, Reports};
#[cfg(feature = "gstreamer")]
pub use unspool_player::version as player_version;
#[cfg(feature = "gstreamer")]
pub use unspool_player::{Colours, Picture, Screen};
pub use unspool_player::{PlayerError, SeekMode};
pub use wellbeing::WellbeingState;
