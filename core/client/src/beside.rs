//! Small files beside a rendition, needed whole: captions and still pictures. They lie in the cache as renditions do, so that
//! they are there without a network, count in the same books and go by the same eviction.

use std::sync::Arc;
use std::time::Duration;

use unspool_engine::captions::{self, is_captions};
use unspool_engine::thumbnails::{self, is_thumbnail};
use unspool_engine::{Container, Item, MediaKey, Span};
use unspool_media::{FetchTicket, Media, Origin, Priority, Purpose};
use unspool_player::captions::LARGEST_FILE;

/// Longest wait for one piece of a file that was fetched already.
const READ: Duration = Duration::from_secs(5);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) key: MediaKey,
    pub(crate) url: String,
    /// Most bytes it may have.
    pub(crate) largest: usize,
}

impl Beside {
    /// The still picture of an item.
    pub(crate) fn thumbnail(item: &Item) -> Option<Self> {
        let (key, url) = (thumbnails::key(item)?, item.thumbnail.clone()?);
        Some(Beside { key, url, largest: thumbnails::LARGEST_FILE })
    }

    /// A track of captions of an item.
    pub(crate) fn captions(item: &Item, place: usize) -> Option<Self> {
        let (key, url) = (captions::key(item, place)?, item.captions.get(place)?.url.clone());
        Some(Beside { key, url, largest: LARGEST_FILE })
    }

    /// All of an item.
    pub(crate) fn all(item: &Item) -> impl Iterator<Item = Self> {
        let captions = (0..item.captions.len()).filter_map(|place| Beside::captions(item, place));
        Beside::thumbnail(item).into_iter().chain(captions)
    }

    /// Fetches what is not here of it, from the address it came with.
    pub(crate) fn fetch(&self, media: &Media, priority: Priority, purpose: Purpose) -> FetchTicket {
        // The container is the probe's business, which never sees this.
        media.register(&self.key, Origin::new(&self.url, Container::Mp4));
        self.fetch_known(media, priority, purpose)
    }

    /// The same from the address that is known, where one is.
    pub(crate) fn fetch_later(&self, media: &Media, priority: Priority, purpose: Purpose) -> FetchTicket {
        // A feed that shows the card may know a newer address.
        if media.origin(&self.key).is_some() {
            return self.fetch_known(media, priority, purpose);
        }
        self.fetch(media, priority, purpose)
    }

    fn fetch_known(&self, media: &Media, priority: Priority, purpose: Purpose) -> FetchTicket {
        // One byte more than it may have tells a file that is too large.
        media.fetch(&self.key, &[Span::new(0, self.largest as u64 + 1)], priority, purpose)
    }
}

/// Whether a key is that of such a file, which backends cannot find again.
pub(crate) fn is_beside(key: &MediaKey) -> bool {
    is_captions(key) || is_thumbnail(key)
}

/// Why a file that was fetched is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is longer than it may be, and forgotten.
    TooLarge,
    /// The cache does not give it.
    Unavailable,
}

/// Reads a file that was fetched. Blocks for the disk.
pub(crate) fn read(media: &Arc<Media>, key: &MediaKey, largest: usize) -> Result<Vec<u8>, Unread> {
    let held = media.held(key);
    let size = held.first().filter(|span| span.start == 0).map_or(0, |span| span.end);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > largest {
        forget(media, key);
        return Err(Unread::TooLarge);
    }
    let source = media.source_of(key, size as u64);
    let mut bytes = vec![0; size];
    let mut at = 0;
    while at < size {
        match source.read_at(at as u64, &mut bytes[at..], READ) {
            Ok(read) if read > 0 => at += read,
            _ => return Err(Unread::Unavailable),
        }
    }
    Ok(bytes)
}

/// Forgets a useless file, so that the answer of a captive portal is not kept for good.
pub(crate) fn forget(media: &Media, key: &MediaKey) {
    if let Err(error) = media.forget(key) {
        tracing::debug!(%error, "a useless file stays until it is evicted");
    }
}
