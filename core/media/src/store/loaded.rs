//! The entries in memory: those in use, and of the rest the ones used last.
//!
//! An entry may go when nobody but this map holds it and the index knows all of it. Handing one out and letting one go
//! happen under the same lock, so there is never a second entry for a key.

use std::sync::Arc;

use unspool_engine::MediaKey;

use super::entry::Entry;
use crate::recent::Recent;

/// The map of loaded entries.
#[derive(Debug)]
pub(super) struct Loaded(Recent<Arc<Entry>>);

impl Loaded {
    /// `limit` entries stay loaded without being in use.
    pub(super) fn new(limit: usize) -> Self {
        Loaded(Recent::new(limit))
    }

    pub(super) fn get(&mut self, key: &MediaKey) -> Option<Arc<Entry>> {
        self.0.get(key).cloned()
    }

    pub(super) fn insert(&mut self, entry: Arc<Entry>) {
        // The caller holds it too, so the new one is not idle.
        self.0.insert(entry.key.clone(), entry, is_idle);
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.0.values().cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a loaded entry keeps its bytes under this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.0.values().any(|entry| entry.name == name)
    }

    /// Lets the entries used longest ago go until the limit is kept or the rest is needed.
    pub(super) fn trim(&mut self) {
        self.0.trim(is_idle);
    }
}

/// Whether nobody but the map holds the entry, and the index knows all of it.
fn is_idle(entry: &Arc<Entry>) -> bool {
    Arc::strong_count(entry) == 1 && entry.lock().is_settled()
}
