//! The captions of what is kept: every file that a card offers, because nobody knows the language that will be wished for
//! where there is no network, and all of them together are smaller than a second of pictures.
//!
//! They are fetched with the rendition and in front of it, pinned with it and dropped with it. A card is kept without
//! those that cannot be had: they are asked for again when a session takes the record up.

use std::sync::Arc;

use unspool_engine::captions::key;
use unspool_engine::{Container, Item, MediaKey, Span};
use unspool_media::{FetchTicket, Media, Origin, Priority, Purpose};
use unspool_player::captions::LARGEST_FILE;

/// What the store files the captions of an item under.
pub(super) fn keys(item: &Item) -> Vec<MediaKey> {
    (0..item.captions.len()).filter_map(|place| key(item, place)).collect()
}

/// Fetches what is not here of the captions of an item.
pub(super) fn fetch(media: &Arc<Media>, item: &Item) -> Vec<Arc<FetchTicket>> {
    let tracks = item.captions.iter().enumerate();
    let files = tracks.filter_map(|(place, track)| Some((key(item, place)?, &track.url)));
    files
        .map(|(key, url)| {
            // A feed that shows the card may know a newer address.
            if media.origin(&key).is_none() {
                media.register(&key, Origin::new(url, Container::Mp4));
            }
            // One byte more than a file may have tells a file that is too large to whoever reads it.
            let all = [Span::new(0, LARGEST_FILE as u64 + 1)];
            Arc::new(media.fetch(&key, &all, Priority::Offline, Purpose::Offline))
        })
        .collect()
}

/// Waits until each of them came or could not be had.
pub(super) async fn ended(tickets: &[Arc<FetchTicket>]) {
    for ticket in tickets {
        if let Err(error) = ticket.wait().await {
            tracing::debug!(%error, "a card is kept without a file of captions");
        }
    }
}
