//! Published ways of deciding what to fetch, each written from its description, and two oracles.
//!
//! The constants are those of the publications where they give any. Where a publication leaves the choice of the rendition open,
//! `rate` has a common rule with the usual precautions (a share of the measured rate, hysteresis), so that an order of
//! fetching is not judged by a careless choice of renditions.

mod bytedance;
mod dashlet;
mod feed_player;
mod fixed_preload;
mod hindsight;
mod no_preload;
mod pdas;
mod rate;
mod swipe_oracle;
mod tiktok;

pub use bytedance::ByteDance;
pub use dashlet::Dashlet;
pub use feed_player::FeedPlayer;
pub use fixed_preload::FixedPreload;
pub use hindsight::{Hindsight, Plan, plan};
pub use no_preload::NoPreload;
pub use pdas::Pdas;
pub use swipe_oracle::SwipeOracle;
pub use tiktok::TikTok;

use crate::policy::{Action, Queued};
use crate::session::{Session, Video};

/// The session before the first `reset`.
fn no_session() -> Session {
    Session { videos: Vec::new(), rtt_ms: 0.0, queue: 1 }
}

/// The video behind a queue entry.
fn video<'s>(session: &'s Session, queued: &Queued) -> &'s Video {
    &session.videos[session.index_of(queued.video).unwrap_or(0)]
}

/// Bytes held of a queue entry.
fn held_bytes(video: &Video, queued: &Queued) -> u64 {
    queued.chunks.iter().enumerate().map(|(chunk, &r)| u64::from(video.sizes[usize::from(r)][chunk])).sum()
}

/// Whether all of a queue entry is held.
fn complete(video: &Video, queued: &Queued) -> bool {
    queued.chunks.len() >= video.chunks()
}

fn download(queued: &Queued, rendition: usize) -> Action {
    Action::Download { video: queued.video, rendition: rendition as u8 }
}
