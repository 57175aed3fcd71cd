//! A map by media key that lets go of what was used longest ago.
//!
//! A session that runs for hours, or a feed whose cache holds a hundred thousand clips, touches keys without end; what is
//! kept of each in memory is kept of the last few hundred only. Who owns the map says what may go: the rest stays,
//! whatever the limit.

use std::collections::HashMap;

use unspool_engine::MediaKey;

/// Renditions of which a session remembers what it was told and what it did. 4,096: a thousand clips of four renditions,
/// which is hours of swiping, and at a kilobyte or two of addresses each some 6 MiB. Whoever comes back to an older one
/// registers it again, as sessions do before every fetch.
pub(crate) const REMEMBERED: usize = 4096;

/// Values by key, with a limit on those that are not needed.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    slots: HashMap<MediaKey, Slot<T>>,
    uses: u64,
    /// Values that stay without being needed.
    limit: usize,
    /// Size at which the next look for values to let go pays.
    trim_at: usize,
}

#[derive(Debug)]
struct Slot<T> {
    value: T,
    used: u64,
}

impl<T> Recent<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Recent { slots: HashMap::new(), uses: 0, limit, trim_at: limit }
    }

    /// The value of `key`, used now.
    pub(crate) fn get(&mut self, key: &MediaKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key)?;
        self.uses += 1;
        slot.used = self.uses;
        Some(&mut slot.value)
    }

    /// The value of `key`; looking at it is no use.
    pub(crate) fn peek(&self, key: &MediaKey) -> Option<&T> {
        self.slots.get(key).map(|slot| &slot.value)
    }

    /// Keeps `value` for `key`, used now. When there are too many, those that `may_go` and were used longest ago go; they
    /// are the answer.
    pub(crate) fn insert(
        &mut self,
        key: MediaKey,
        value: T,
        may_go: impl Fn(&T) -> bool,
    ) -> Vec<(MediaKey, T)> {
        self.uses += 1;
        self.slots.insert(key, Slot { value, used: self.uses });
        if self.slots.len() > self.trim_at { self.trim(may_go) } else { Vec::new() }
    }

    pub(crate) fn remove(&mut self, key: &MediaKey) -> Option<T> {
        self.slots.remove(key).map(|slot| slot.value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.values().map(|slot| &slot.value)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Lets the values used longest ago go until the limit is kept or the rest is needed.
    pub(crate) fn trim(&mut self, may_go: impl Fn(&T) -> bool) -> Vec<(MediaKey, T)> {
        let excess = self.slots.len().saturating_sub(self.limit);
        let mut gone = Vec::new();
        if excess > 0 {
            let idle = self.slots.iter().filter(|(_, slot)| may_go(&slot.value));
            let mut idle: Vec<(u64, MediaKey)> = idle.map(|(key, slot)| (slot.used, key.clone())).collect();
            idle.sort_unstable();
            for (_, key) in idle.into_iter().take(excess) {
                gone.extend(self.remove(&key).map(|value| (key, value)));
            }
        }
        // A quarter more before the next look: what it costs is then shared by as many insertions.
        self.trim_at = self.slots.len().max(self.limit) + self.limit / 4;
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> MediaKey {
        MediaKey::new(&format!("asset-{n}"), "720p")
    }

    #[test]
    fn what_was_used_longest_ago_goes_and_what_is_needed_stays() {
        let mut recent = Recent::new(8);
        let small = |n: &u32| *n != 3;
        let mut gone = Vec::new();
        for n in 0..1_000 {
            gone.extend(recent.insert(key(n), n, small));
            assert_eq!(recent.get(&key(0)), Some(&mut 0), "used all the time");
            assert!(recent.len() <= 8 + 8 / 4 + 1, "{n}: {} values", recent.len());
        }
        assert_eq!(recent.peek(&key(3)), Some(&3), "needed");
        assert_eq!(recent.peek(&key(999)), Some(&999), "new");
        assert_eq!(recent.peek(&key(900)), None, "old");
        assert_eq!(gone.len() + recent.len(), 1_000, "each is kept or handed back");
    }
}
