//! The books: every body byte that came over the network, and what became of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use unspool_engine::{MediaKey, Span};

use super::Purpose;
use crate::store::SpanSet;

/// Bytes of this session. Exact: every received body byte counts, playlists, failed answers and duplicates included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteCounts {
    /// Body bytes received.
    pub network: u64,
    /// The part of `network` that readers asked for.
    pub network_playback: u64,
    /// The part of `network` that planners and downloads asked for.
    pub network_prefetch: u64,
    /// Bytes readers got that were in the store when they asked.
    pub from_cache: u64,
    /// Received and, so far, of no use: media bytes no reader has read, duplicates, and bodies that were dropped.
    pub wasted: u64,
}

/// Counts bytes. Locks are held for map look-ups only.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    playback: u64,
    prefetch: u64,
    from_cache: u64,
    dropped: u64,
    keys: HashMap<MediaKey, PerKey>,
}

#[derive(Debug, Default)]
struct PerKey {
    fetched: SpanSet,
    read: SpanSet,
}

impl Accounts {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Body bytes came in.
    pub(crate) fn received(&self, purpose: Purpose, bytes: u64) {
        let mut books = self.books();
        match purpose {
            Purpose::Playback => books.playback += bytes,
            Purpose::Prefetch | Purpose::Offline => books.prefetch += bytes,
        }
    }

    /// Received bytes went nowhere.
    pub(crate) fn dropped(&self, bytes: u64) {
        self.books().dropped += bytes;
    }

    /// Received bytes went into the store.
    pub(crate) fn fetched(&self, key: &MediaKey, span: Span) {
        self.books().keys.entry(key.clone()).or_default().fetched.insert(span);
    }

    /// A reader got bytes.
    pub(crate) fn read(&self, key: &MediaKey, span: Span, waited: bool) {
        let mut books = self.books();
        if !waited {
            books.from_cache += span.len();
        }
        match books.keys.get_mut(key) {
            Some(per) => per.read.insert(span),
            None => books.keys.entry(key.clone()).or_default().read.insert(span),
        }
    }

    /// The old version's bytes of `key` were dropped: what was read of them says nothing about the new ones.
    pub(crate) fn version_dropped(&self, key: &MediaKey) {
        let mut books = self.books();
        if let Some(per) = books.keys.remove(key) {
            books.dropped += unread(&per);
        }
    }

    pub(crate) fn counts(&self) -> ByteCounts {
        let books = self.books();
        ByteCounts {
            network: books.playback + books.prefetch,
            network_playback: books.playback,
            network_prefetch: books.prefetch,
            from_cache: books.from_cache,
            wasted: books.dropped + books.keys.values().map(unread).sum::<u64>(),
        }
    }
}

fn unread(per: &PerKey) -> u64 {
    let used: u64 =
        per.read.as_slice().iter().flat_map(|span| per.fetched.within(*span)).map(|span| span.len()).sum();
    per.fetched.len() - used
}
