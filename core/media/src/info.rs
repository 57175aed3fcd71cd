//! What the probe says of a rendition. The records live in the engine, because the planner decides by them.

pub use unspool_engine::{AudioCodec, Layout, MediaInfo, SyncSample, TrackInfo, TrackKind, VideoCodec};
