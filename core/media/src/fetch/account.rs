//! The books: every body byte that came over the network, whom it was for, and what became of it.
//!
//! A received byte is on one account for good: that of the purpose whose request brought it. There it is wasted until a
//! player reads it, and again when it was dropped or brought a second time. So the accounts add up to what the server
//! says it sent, and none of them hides behind another.
//!
//! Which bytes of a file were read is remembered of the files used last. What nobody read of an older one is settled as
//! wasted, whoever comes back to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use unspool_engine::{MediaKey, Span};

use super::Purpose;
use crate::recent::{REMEMBERED, Recent};
use crate::store::SpanSet;

/// Bytes of one purpose. Exact: every received body byte counts, playlists, refusals and duplicates included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Body bytes received for it.
    pub network: u64,
    /// Bytes that were in the store when they were asked for: by a player's read for playback and next, by a fetch for
    /// the others.
    pub from_cache: u64,
    /// The part of `network` that the store held already when it came.
    pub duplicate: u64,
    /// The part of `network` that was, so far, of no use: media bytes no player has read, duplicates, refusals, and
    /// what was dropped with an old version of a file.
    pub wasted: u64,
}

/// Bytes of this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteCounts {
    /// Body bytes received: the sum over all purposes.
    pub network: u64,
    /// Bytes players got that were in the store when they asked.
    pub from_cache: u64,
    /// Received although the store held them: the sum over all purposes.
    pub duplicate: u64,
    /// Received and so far of no use: the sum over all purposes.
    pub wasted: u64,
    /// The account of each purpose.
    pub by_purpose: ByPurpose,
}

/// The account of each purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByPurpose {
    /// What the player on screen asked for.
    pub playback: Traffic,
    /// What the next card needs, and players that nobody watches yet.
    pub next: Traffic,
    /// What is fetched ahead further down the feed.
    pub prefetch: Traffic,
    /// What the person keeps.
    pub offline: Traffic,
    /// Finding out what a rendition is: its headers and playlists, unless it is for keeping it.
    pub probe: Traffic,
}

impl ByPurpose {
    /// All accounts.
    #[must_use]
    pub fn all(&self) -> [(Purpose, Traffic); 5] {
        let ByPurpose { playback, next, prefetch, offline, probe } = *self;
        [
            (Purpose::Playback, playback),
            (Purpose::Next, next),
            (Purpose::Prefetch, prefetch),
            (Purpose::Offline, offline),
            (Purpose::Probe, probe),
        ]
    }
}

/// Purposes there are.
const PURPOSES: usize = 5;

fn place(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Playback => 0,
        Purpose::Next => 1,
        Purpose::Prefetch => 2,
        Purpose::Offline => 3,
        Purpose::Probe => 4,
    }
}

/// Counts bytes. Locks are held for map look-ups only.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<Books>);

#[derive(Debug)]
struct Books {
    accounts: [Account; PURPOSES],
    keys: Recent<PerKey>,
}

impl Default for Books {
    fn default() -> Self {
        Books { accounts: Default::default(), keys: Recent::new(REMEMBERED) }
    }
}

impl Books {
    /// Begins to remember `per` of `key`; what goes for it is settled.
    fn begin(&mut self, key: &MediaKey, per: PerKey) {
        for (_, gone) in self.keys.insert(key.clone(), per, |_| true) {
            self.settle(&gone);
        }
    }

    /// What nobody read of a file stays wasted.
    fn settle(&mut self, gone: &PerKey) {
        for (purpose, account) in self.accounts.iter_mut().enumerate() {
            account.dropped += gone.unread(purpose);
        }
    }
}

/// What is settled of one purpose; media bytes that may still be read stand with their key.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    network: u64,
    from_cache: u64,
    duplicate: u64,
    dropped: u64,
}

#[derive(Debug, Default)]
struct PerKey {
    /// Bytes in the store by the purpose that brought them; disjoint.
    fetched: [SpanSet; PURPOSES],
    read: SpanSet,
}

impl PerKey {
    fn unread(&self, purpose: usize) -> u64 {
        let fetched = &self.fetched[purpose];
        fetched.len() - self.read.as_slice().iter().map(|span| overlap(fetched, *span)).sum::<u64>()
    }
}

impl Accounts {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Body bytes came in.
    pub(crate) fn received(&self, purpose: Purpose, bytes: u64) {
        self.books().accounts[place(purpose)].network += bytes;
    }

    /// Received bytes went nowhere.
    pub(crate) fn dropped(&self, purpose: Purpose, bytes: u64) {
        self.books().accounts[place(purpose)].dropped += bytes;
    }

    /// Received bytes were in the store already.
    pub(crate) fn duplicate(&self, purpose: Purpose, bytes: u64) {
        let account = &mut self.books().accounts[place(purpose)];
        account.duplicate += bytes;
        account.dropped += bytes;
    }

    /// Bytes that a fetch named were in the store. What players want is counted when they read it.
    pub(crate) fn cached(&self, purpose: Purpose, bytes: u64) {
        if !matches!(purpose, Purpose::Playback | Purpose::Next) {
            self.books().accounts[place(purpose)].from_cache += bytes;
        }
    }

    /// Received bytes went into the store. Those that came before in this session were dropped meanwhile; what a player
    /// read of them was of use, and is of use again.
    pub(crate) fn fetched(&self, key: &MediaKey, purpose: Purpose, span: Span) {
        let mut books = self.books();
        let Books { accounts, keys } = &mut *books;
        let Some(per) = keys.get(key) else {
            let mut per = PerKey::default();
            per.fetched[place(purpose)].insert(span);
            return books.begin(key, per);
        };
        for (held, account) in per.fetched.iter_mut().zip(accounts) {
            for gone in held.within(span) {
                account.dropped += gone.len() - overlap(&per.read, gone);
                held.remove(gone);
            }
        }
        per.fetched[place(purpose)].insert(span);
    }

    /// A player got bytes.
    pub(crate) fn read(&self, key: &MediaKey, purpose: Purpose, span: Span, waited: bool) {
        let mut books = self.books();
        if !waited {
            books.accounts[place(purpose)].from_cache += span.len();
        }
        if let Some(per) = books.keys.get(key) {
            return per.read.insert(span);
        }
        let mut per = PerKey::default();
        per.read.insert(span);
        books.begin(key, per);
    }

    /// The old version's bytes of `key` were dropped: what was read of them says nothing about the new ones.
    pub(crate) fn version_dropped(&self, key: &MediaKey) {
        let mut books = self.books();
        if let Some(gone) = books.keys.remove(key) {
            books.settle(&gone);
        }
    }

    /// Bytes of `key` that came for another purpose than `purpose`, or that a player read.
    pub(crate) fn used_besides(&self, key: &MediaKey, purpose: Purpose) -> Vec<Span> {
        let books = self.books();
        let Some(per) = books.keys.peek(key) else { return Vec::new() };
        let mut used = per.read.clone();
        for (_, fetched) in per.fetched.iter().enumerate().filter(|(at, _)| *at != place(purpose)) {
            fetched.as_slice().iter().for_each(|span| used.insert(*span));
        }
        used.as_slice().to_vec()
    }

    pub(crate) fn counts(&self) -> ByteCounts {
        let books = self.books();
        let of = |purpose: Purpose| {
            let at = place(purpose);
            let Account { network, from_cache, duplicate, dropped } = books.accounts[at];
            let unread: u64 = books.keys.values().map(|per| per.unread(at)).sum();
            Traffic { network, from_cache, duplicate, wasted: dropped + unread }
        };
        let by_purpose = ByPurpose {
            playback: of(Purpose::Playback),
            next: of(Purpose::Next),
            prefetch: of(Purpose::Prefetch),
            offline: of(Purpose::Offline),
            probe: of(Purpose::Probe),
        };
        let all = by_purpose.all();
        let sum = |part: fn(&Traffic) -> u64| all.iter().map(|(_, traffic)| part(traffic)).sum();
        ByteCounts {
            network: sum(|t| t.network),
            from_cache: by_purpose.playback.from_cache + by_purpose.next.from_cache,
            duplicate: sum(|t| t.duplicate),
            wasted: sum(|t| t.wasted),
            by_purpose,
        }
    }
}

/// How many bytes of `span` are in the set.
fn overlap(set: &SpanSet, span: Span) -> u64 {
    set.within(span).iter().map(Span::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_stands_on_the_account_that_brought_it_and_is_wasted_until_it_is_read() {
        let (books, key) = (Accounts::default(), MediaKey::new("a", "r"));
        for (purpose, span) in
            [(Purpose::Prefetch, Span::new(0, 100)), (Purpose::Offline, Span::new(100, 300))]
        {
            books.received(purpose, span.len());
            books.fetched(&key, purpose, span);
        }
        books.read(&key, Purpose::Playback, Span::new(50, 150), false);
        let counts = books.counts();
        assert_eq!((counts.network, counts.from_cache, counts.wasted), (300, 100, 200));
        assert_eq!((counts.by_purpose.prefetch.wasted, counts.by_purpose.offline.wasted), (50, 150));
        assert_eq!(books.used_besides(&key, Purpose::Offline), [Span::new(0, 150)]);

        // Evicted and brought again: what nobody read of the first copy stays wasted.
        books.received(Purpose::Playback, 100);
        books.fetched(&key, Purpose::Playback, Span::new(0, 100));
        let by = books.counts().by_purpose;
        assert_eq!((by.prefetch.wasted, by.playback.wasted), (50, 50));
        books.received(Purpose::Offline, 10);
        books.duplicate(Purpose::Offline, 10);
        let by = books.counts().by_purpose;
        assert_eq!((by.offline.duplicate, by.offline.wasted), (10, 160));
        books.version_dropped(&key);
        let after = books.counts();
        assert_eq!(after.wasted, 50 + 50 + 160, "what was unread stays so");
        assert_eq!(after.by_purpose.all().iter().map(|(_, t)| t.network).sum::<u64>(), after.network);
    }

    #[test]
    fn old_files_are_settled_and_the_sums_stay_exact() {
        let books = Accounts::default();
        let key = |n: usize| MediaKey::new(&format!("asset-{n}"), "r");
        let files = REMEMBERED * 2;
        for n in 0..files {
            books.received(Purpose::Prefetch, 100);
            books.fetched(&key(n), Purpose::Prefetch, Span::new(0, 100));
            books.read(&key(n), Purpose::Playback, Span::new(0, 60), false);
        }
        assert!(books.books().keys.len() <= REMEMBERED * 5 / 4 + 1);
        let counts = books.counts();
        assert_eq!(counts.by_purpose.prefetch.wasted, 40 * files as u64);
        assert_eq!((counts.network, counts.from_cache), (100 * files as u64, 60 * files as u64));
        // A read of what is remembered makes up for it, one of what is settled does not.
        for n in [0, files - 1] {
            books.read(&key(n), Purpose::Playback, Span::new(60, 100), false);
        }
        assert_eq!(books.counts().by_purpose.prefetch.wasted, 40 * (files as u64 - 1));
    }
}
