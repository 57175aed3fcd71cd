//! The files of one rendition in the store, seen through its plan.

use std::sync::Arc;

use unspool_engine::{MediaKey, Span};

use super::key::file_key;
use super::plan::{Got, Plan, Slot};
use crate::store::{Entry, SpanSet, Store, StoreError};

/// A version of a segmented rendition.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub store: Arc<Store>,
    pub key: MediaKey,
    pub version: u64,
    pub plan: Arc<Plan>,
}

impl Parts {
    /// The key of a file.
    pub(crate) fn key_of(&self, file: u32) -> MediaKey {
        file_key(&self.key, self.version, file)
    }

    /// The entry of a file.
    pub(crate) fn entry(&self, file: u32) -> Arc<Entry> {
        self.store.entry(&self.key_of(file))
    }

    /// How much of a slot's part is here.
    fn got(&self, slot: &Slot) -> Got {
        let entry = self.entry(slot.file);
        let state = entry.lock();
        let start = slot.range.map_or(0, |range| range.start);
        let run = state.run_from(start);
        let end = match (slot.range, state.validators().size) {
            (Some(range), Some(size)) => Some(range.end.min(size)),
            (Some(range), None) => Some(range.end),
            (None, size) => size,
        };
        match end {
            Some(end) if start.saturating_add(run) >= end => Got::All,
            _ => Got::First(run),
        }
    }

    /// What is here, in the rendition's address space.
    pub(crate) fn held(&self) -> SpanSet {
        SpanSet::from_spans(self.plan.slots.iter().map(|slot| slot.held(self.got(slot))))
    }

    /// Whether every part is here to its end.
    pub(crate) fn is_complete(&self) -> bool {
        self.plan.slots.iter().all(|slot| self.got(slot) == Got::All)
    }

    /// The slots whose parts overlap what `used` answers for their files.
    pub(crate) fn used(&self, used: impl Fn(&MediaKey) -> Vec<Span>) -> Vec<Span> {
        let touched = |slot: &&Slot| {
            let all = slot.range.unwrap_or(Span::new(0, u64::MAX));
            used(&self.key_of(slot.file)).iter().any(|span| span.start < all.end && all.start < span.end)
        };
        let slots = self.plan.slots.iter().filter(touched).map(|slot| slot.span);
        SpanSet::from_spans(slots).as_slice().to_vec()
    }

    /// Takes what `span` stands for off the disk; the bytes freed.
    pub(crate) fn remove(&self, span: Span) -> Result<u64, StoreError> {
        let mut freed = 0;
        for (file, span) in self.plan.places(span) {
            freed += self.store.remove(&self.key_of(file), span)?;
        }
        Ok(freed)
    }

    /// Takes all files off the disk; the bytes freed.
    pub(crate) fn forget(&self) -> Result<u64, StoreError> {
        let mut freed = 0;
        for file in 0..self.plan.files() {
            freed += self.store.forget(&self.key_of(file))?;
        }
        Ok(freed)
    }
}
