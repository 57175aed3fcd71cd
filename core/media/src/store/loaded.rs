//! The entries in memory: those in use, and of the rest the ones used last.
//!
//! An entry may go when nobody but this map holds it and the index knows all of it. Handing one out and letting one go
//! happen under the same lock, so there is never a second entry for a key.

use std::collections::HashMap;
use std::sync::Arc;

use unspool_engine::MediaKey;

use super::entry::Entry;

/// The map of loaded entries.
#[derive(Debug)]
pub(super) struct Loaded {
    slots: HashMap<MediaKey, Slot>,
    uses: u64,
    /// Entries that stay loaded without being in use.
    limit: usize,
    /// Size at which the next look for entries to let go pays.
    trim_at: usize,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    used: u64,
}

impl Loaded {
    pub(super) fn new(limit: usize) -> Self {
        Loaded { slots: HashMap::new(), uses: 0, limit, trim_at: limit }
    }

    pub(super) fn get(&mut self, key: &MediaKey) -> Option<Arc<Entry>> {
        let slot = self.slots.get_mut(key)?;
        self.uses += 1;
        slot.used = self.uses;
        Some(slot.entry.clone())
    }

    pub(super) fn insert(&mut self, entry: Arc<Entry>) {
        self.uses += 1;
        self.slots.insert(entry.key.clone(), Slot { entry, used: self.uses });
        if self.slots.len() > self.trim_at {
            self.trim();
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.slots.values().map(|slot| slot.entry.clone()).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether a loaded entry keeps its bytes under this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.slots.values().any(|slot| slot.entry.name == name)
    }

    /// Lets the entries used longest ago go until the limit is kept or the rest is needed.
    pub(super) fn trim(&mut self) {
        let excess = self.slots.len().saturating_sub(self.limit);
        if excess > 0 {
            let idle = self.slots.values().filter(|slot| slot.is_idle());
            let mut idle: Vec<(u64, MediaKey)> =
                idle.map(|slot| (slot.used, slot.entry.key.clone())).collect();
            idle.sort_unstable();
            for (_, key) in idle.into_iter().take(excess) {
                self.slots.remove(&key);
            }
        }
        // A quarter more before the next look: what it costs is then shared by as many loadings.
        self.trim_at = self.slots.len().max(self.limit) + self.limit / 4;
    }
}

impl Slot {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.entry) == 1 && self.entry.lock().is_settled()
    }
}
