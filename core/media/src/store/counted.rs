//! Spans on the disk, with their bytes kept in the total of the store.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use unspool_engine::Span;

use super::spans::SpanSet;

/// A [`SpanSet`] whose every change also changes the total. What the set begins with is in the total already: the
/// index counts what it holds, loaded or not.
#[derive(Debug)]
pub(crate) struct Counted {
    spans: SpanSet,
    total: Arc<AtomicU64>,
}

impl Counted {
    pub(super) fn new(spans: SpanSet, total: Arc<AtomicU64>) -> Self {
        Counted { spans, total }
    }

    pub(super) fn set(&self) -> &SpanSet {
        &self.spans
    }

    pub(super) fn insert(&mut self, span: Span) {
        self.change(|spans| spans.insert(span));
    }

    pub(super) fn remove(&mut self, span: Span) {
        self.change(|spans| spans.remove(span));
    }

    pub(super) fn clear(&mut self) {
        self.change(SpanSet::clear);
    }

    /// Holds `spans` from now on.
    pub(super) fn replace(&mut self, with: SpanSet) {
        self.change(|spans| *spans = with);
    }

    fn change(&mut self, change: impl FnOnce(&mut SpanSet)) {
        let before = self.spans.len();
        change(&mut self.spans);
        let after = self.spans.len();
        // Entries change under locks of their own, so the total is moved by differences; it wraps both ways.
        self.total.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }
}

impl Deref for Counted {
    type Target = SpanSet;

    fn deref(&self) -> &SpanSet {
        &self.spans
    }
}
