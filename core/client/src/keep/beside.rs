//! The still picture and the captions of what is kept: every file that a card offers, because nobody knows the language that
//! will be wished for where there is no network, and all of them together are smaller than a second of pictures.
//!
//! They are fetched with the rendition and in front of it, pinned with it and dropped with it. A card is kept without
//! those that cannot be had: they are asked for again when a session takes the record up.

use std::sync::Arc;

use unspool_engine::{Item, MediaKey};
use unspool_media::{FetchTicket, Media, Priority, Purpose};

use crate::beside::Beside;

/// What the store files them under.
pub(super) fn keys(item: &Item) -> Vec<MediaKey> {
    Beside::all(item).map(|file| file.key).collect()
}

/// Fetches what is not here of them.
pub(super) fn fetch(media: &Arc<Media>, item: &Item) -> Vec<Arc<FetchTicket>> {
    Beside::all(item)
        .map(|file| Arc::new(file.fetch_later(media, Priority::Offline, Purpose::Offline)))
        .collect()
}

/// Waits until each of them came or could not be had.
pub(super) async fn ended(tickets: &[Arc<FetchTicket>]) {
    for ticket in tickets {
        if let Err(error) = ticket.wait().await {
            tracing::debug!(%error, "a card is kept without its picture or a file of captions");
        }
    }
}
