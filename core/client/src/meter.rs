//! How many body bytes came over the network outside the media room: pages, answers, refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared count of received body bytes.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Counts a piece of a body.
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Everything counted so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
