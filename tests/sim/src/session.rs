//! What a planner may know before the first swipe: the videos of a session, their chunks and what they cost.
//!
//! How long this person watches and how fast the network is are not here; those are [`crate::sim::Truth`].

use serde::{Deserialize, Serialize};

use crate::error::SimError;

/// Most videos of a session.
pub const MAX_VIDEOS: usize = 1_000;
/// Most chunks of a video: an hour and a half of one-second chunks.
pub const MAX_CHUNKS: usize = 5_400;
/// Most renditions of a video.
pub const MAX_RENDITIONS: usize = 16;
/// Largest chunk: 64 MiB.
pub const MAX_CHUNK_BYTES: u32 = 64 << 20;

/// One video as a feed describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Video {
    /// Number, unique within the session.
    pub id: u32,
    /// Length in milliseconds.
    pub duration_ms: u32,
    /// Length of every chunk but the last, in milliseconds.
    pub chunk_ms: u32,
    /// Nominal kilobits per second of each rendition, lowest first.
    pub kbps: Vec<u32>,
    /// Bytes of each chunk, one list per rendition.
    pub sizes: Vec<Vec<u32>>,
    /// Share of viewers still watching: `(milliseconds, share)`, ascending in time. Empty where the feed tells nothing.
    #[serde(default)]
    pub retention: Vec<(u32, f64)>,
}

impl Video {
    /// Number of chunks.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.duration_ms.div_ceil(self.chunk_ms.max(1)) as usize
    }

    /// Media milliseconds in a chunk; the last one may be short, one past the last has none.
    #[must_use]
    pub fn chunk_len_ms(&self, chunk: usize) -> f64 {
        let start = u64::from(self.chunk_ms) * chunk as u64;
        let end = (start + u64::from(self.chunk_ms)).min(u64::from(self.duration_ms));
        end.saturating_sub(start) as f64
    }

    /// Media milliseconds in the first `chunks` chunks.
    #[must_use]
    pub fn media_ms(&self, chunks: usize) -> f64 {
        (u64::from(self.chunk_ms) * chunks as u64).min(u64::from(self.duration_ms)) as f64
    }

    /// Share of viewers who are still watching at `ms`, by the curve of the feed; 1 without one.
    #[must_use]
    pub fn still_watching(&self, ms: f64) -> f64 {
        let curve = &self.retention;
        let after = curve.partition_point(|&(t, _)| f64::from(t) <= ms);
        match (after.checked_sub(1).map(|i| curve[i]), curve.get(after)) {
            (Some((t0, p0)), Some(&(t1, p1))) => {
                p0 + (p1 - p0) * (ms - f64::from(t0)) / f64::from((t1 - t0).max(1))
            }
            (Some((_, p)), None) => p,
            (None, Some(&(t, p))) => 1.0 + (p - 1.0) * ms / f64::from(t.max(1)),
            (None, None) => 1.0,
        }
    }

    /// Probability that a viewer who is at `at_ms` gets to `ms`.
    #[must_use]
    pub fn reaches(&self, at_ms: f64, ms: f64) -> f64 {
        if ms <= at_ms {
            return 1.0;
        }
        let here = self.still_watching(at_ms);
        if here <= 0.0 { 0.0 } else { (self.still_watching(ms) / here).clamp(0.0, 1.0) }
    }

    fn check(&self) -> Result<(), SimError> {
        let bad = |what| Err(SimError::Video { id: self.id, what });
        if self.chunk_ms == 0 || self.duration_ms == 0 {
            return bad("a length of zero");
        }
        if self.chunks() > MAX_CHUNKS {
            return bad("too many chunks");
        }
        if self.kbps.is_empty() || self.kbps.len() > MAX_RENDITIONS {
            return bad("no rendition, or too many");
        }
        if self.kbps.windows(2).any(|w| w[0] > w[1]) {
            return bad("renditions that do not ascend");
        }
        if self.sizes.len() != self.kbps.len() || self.sizes.iter().any(|s| s.len() != self.chunks()) {
            return bad("another number of chunk sizes than chunks");
        }
        if self.sizes.iter().flatten().any(|&b| b == 0 || b > MAX_CHUNK_BYTES) {
            return bad("a chunk of no bytes, or of too many");
        }
        if self.retention.len() > MAX_CHUNKS + 1
            || self.retention.windows(2).any(|w| w[0].0 >= w[1].0)
            || self.retention.iter().any(|&(_, p)| !(0.0..=1.0).contains(&p))
        {
            return bad("a retention curve out of order or bounds");
        }
        Ok(())
    }
}

/// The session as a planner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// In the order of the feed.
    pub videos: Vec<Video>,
    /// Milliseconds between a request and the first byte of its answer.
    pub rtt_ms: f64,
    /// How many videos may be fetched at once, the playing one included.
    pub queue: usize,
}

impl Session {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`SimError::Video`] or [`SimError::Session`] name what is out of bounds.
    pub fn check(&self) -> Result<(), SimError> {
        if self.videos.is_empty() || self.videos.len() > MAX_VIDEOS {
            return Err(SimError::Session("no video, or too many"));
        }
        if !(0.0..=60_000.0).contains(&self.rtt_ms) {
            return Err(SimError::Session("a round trip outside 0..=60000 ms"));
        }
        if !(1..=64).contains(&self.queue) {
            return Err(SimError::Session("a queue outside 1..=64"));
        }
        let mut ids: Vec<u32> = self.videos.iter().map(|v| v.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|w| w[0] == w[1]) {
            return Err(SimError::Session("two videos with one id"));
        }
        self.videos.iter().try_for_each(Video::check)
    }

    /// The place of a video in the feed.
    #[must_use]
    pub fn index_of(&self, id: u32) -> Option<usize> {
        match self.videos.get(id as usize) {
            Some(v) if v.id == id => Some(id as usize),
            _ => self.videos.iter().position(|v| v.id == id),
        }
    }
}
