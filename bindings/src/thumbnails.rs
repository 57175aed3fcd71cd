//! Still pictures of items, to be shown until a first frame is there.

use std::fmt;
use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::session::Unspool;

/// The still picture of an item, as its server gave it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Thumbnail {
    /// What its first bytes say it is: `image/jpeg`, `image/png`, `image/webp`, `image/avif` or `image/gif`.
    pub media_type: String,
    /// The file; not decoded, at most 2 MiB.
    pub data: Vec<u8>,
}

/// Why a still picture cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ThumbnailTrouble {
    /// It could not be had; ask again later.
    Unavailable,
    /// The server refuses it.
    Refused,
    /// It is larger than 2 MiB.
    TooLarge,
    /// It is neither JPEG, PNG, WebP, AVIF nor GIF.
    NotAPicture,
}

impl fmt::Display for ThumbnailTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ThumbnailTrouble::Unavailable => "it could not be had",
            ThumbnailTrouble::Refused => "the server refuses it",
            ThumbnailTrouble::TooLarge => "it is larger than 2 MiB",
            ThumbnailTrouble::NotAPicture => "the file is no picture",
        })
    }
}

impl From<unspool::ThumbnailTrouble> for ThumbnailTrouble {
    fn from(trouble: unspool::ThumbnailTrouble) -> Self {
        match trouble {
            unspool::ThumbnailTrouble::Unavailable => ThumbnailTrouble::Unavailable,
            unspool::ThumbnailTrouble::Refused => ThumbnailTrouble::Refused,
            unspool::ThumbnailTrouble::TooLarge => ThumbnailTrouble::TooLarge,
            unspool::ThumbnailTrouble::NotAPicture => ThumbnailTrouble::NotAPicture,
        }
    }
}

impl From<unspool::Thumbnail> for Thumbnail {
    fn from(picture: unspool::Thumbnail) -> Self {
        Thumbnail { media_type: picture.format.media_type().to_owned(), data: picture.bytes }
    }
}

#[uniffi::export]
impl Unspool {
    /// The still picture of an item, to be shown until its first frame is there: of a card of the open feed, or of what is
    /// kept for offline. `null` for an item that has none.
    ///
    /// From the cache where it is there, also without a network; else it is fetched through the core, from hosts that may be
    /// asked, and counts among the bytes for playback. Use it in place of the address in `Item.thumbnail`.
    ///
    /// Fails with `Withheld` while the safety filter hides or covers the item, for which nothing is asked; with `NoSuchCard`
    /// for an item that is neither in the open feed nor kept; with `Offline`, `Thumbnail`, `HostRefused`, `TimedOut`, `Storage`
    /// or `ShutDown`.
    #[uniffi::method(default(cancel = None))]
    pub async fn thumbnail(
        &self,
        item: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<Thumbnail>, UnspoolError> {
        Ok(unless_cancelled(cancel, self.core.thumbnail(&item)).await?.map(Thumbnail::from))
    }
}
