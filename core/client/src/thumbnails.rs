//! Still pictures of items, through the session's own door: the same hosts, the same cache and the same books as video.
//!
//! An app that loaded the address by itself would ask hosts that nobody listed, pay twice after a restart and have nothing
//! without a network. What is covered has no picture here either.

use std::sync::Arc;

use tokio::sync::oneshot;
use unspool_engine::Item;
use unspool_engine::thumbnails::PictureFormat;
use unspool_media::{FetchError, FetchTicket, Priority, Purpose};

use crate::beside::{self, Beside, Unread};
use crate::core::Core;
use crate::driver::Input;
use crate::error::Error;
use crate::session::Unspool;
use crate::work::blocking;

/// The still picture of an item, as its server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// What its first bytes say it is, whatever the server called it.
    pub format: PictureFormat,
    /// The file; not decoded, at most 2 MiB.
    pub bytes: Vec<u8>,
}

/// Why a still picture cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ThumbnailTrouble {
    /// It could not be had; ask again later.
    #[error("the picture could not be had")]
    Unavailable,
    /// The server refuses it.
    #[error("the picture is refused")]
    Refused,
    /// It is larger than 2 MiB.
    #[error("the picture is too large")]
    TooLarge,
    /// It is neither JPEG, PNG, WebP, AVIF nor GIF.
    #[error("the file is no picture")]
    NotAPicture,
}

impl Unspool {
    /// The still picture of an item, to be shown until its first frame is there: of a card of the open feed, from 200 before
    /// the current one on, or of what is kept for offline. `None` for an item that has none.
    ///
    /// From the cache where it is there, also without a network; else it is fetched, behind the card that plays and in front
    /// of what is fetched ahead, and counts among the bytes for playback. The picture of what is kept comes and goes with it;
    /// any other may be evicted. Dropped, it stops waiting, and its request ends with the chunk that runs.
    ///
    /// # Errors
    /// [`Error::Withheld`] while the safety filter hides or covers the item, for which nothing is asked;
    /// [`Error::NoSuchCard`] for an item that is neither in the open feed nor kept; [`Error::Offline`] without a network
    /// when it is not on the device; [`Error::Thumbnail`] for what cannot be had or is no picture; [`Error::HostRefused`];
    /// [`Error::TimedOut`] after [`Config::request_timeout`](crate::Config::request_timeout); [`Error::Storage`] when the
    /// disk refuses; [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub async fn thumbnail(&self, item: &str) -> Result<Option<Thumbnail>, Error> {
        self.check()?;
        let Some(picture) = Beside::thumbnail(&self.pictured(item).await?) else { return Ok(None) };
        let core = Arc::clone(self.core());
        self.read(async move { core.thumbnail(picture).await.map(Some) }).await
    }

    /// The item of this name, when its picture may be shown.
    async fn pictured(&self, id: &str) -> Result<Item, Error> {
        let (reply, answer) = oneshot::channel();
        self.tell(Input::Shown(id.to_owned(), reply));
        // No answer comes where no feed is open.
        let shown = answer.await.ok().flatten();
        let filter = Arc::clone(&self.core().safety.filter().borrow());
        let (item, withheld) = match shown {
            // The person may have revealed what the filter covers, and nothing that it hides.
            Some((item, covered)) => {
                let hidden = filter.decide(&item).hides();
                (item, covered || hidden)
            }
            None => {
                let item = self.core().keep.item(id).ok_or(Error::NoSuchCard)?;
                let decision = filter.decide(&item);
                (item, decision.hides() || decision.blurs())
            }
        };
        if withheld { Err(Error::Withheld { items: vec![id.to_owned()] }) } else { Ok(item) }
    }
}

/// Ends a fetch that nobody waits for any more.
struct Waited(FetchTicket);

impl Drop for Waited {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Core {
    async fn thumbnail(self: Arc<Self>, picture: Beside) -> Result<Thumbnail, Error> {
        let within = self.config.request_timeout;
        let fetch = Waited(picture.fetch(&self.media, Priority::Next, Purpose::Playback));
        match tokio::time::timeout(within, fetch.0.wait()).await {
            Err(_) => return Err(Error::TimedOut(within)),
            Ok(ended) => ended.map_err(|error| public(&error))?,
        };
        blocking(move || {
            let media = &self.media;
            let bytes =
                beside::read(media, &picture.key, picture.largest).map_err(|unread| match unread {
                    Unread::TooLarge => Error::Thumbnail(ThumbnailTrouble::TooLarge),
                    Unread::Unavailable => Error::Thumbnail(ThumbnailTrouble::Unavailable),
                })?;
            let Some(format) = PictureFormat::of(&bytes) else {
                beside::forget(media, &picture.key);
                return Err(Error::Thumbnail(ThumbnailTrouble::NotAPicture));
            };
            Ok(Thumbnail { format, bytes })
        })
        .await
    }
}

fn public(error: &FetchError) -> Error {
    tracing::debug!(%error, "a picture could not be fetched");
    match error {
        FetchError::Offline => Error::Offline,
        FetchError::Closed => Error::ShutDown,
        FetchError::HostRefused { host } => Error::HostRefused { host: host.clone() },
        FetchError::NoSpace | FetchError::Store => Error::Storage { reason: error.to_string() },
        error if error.retryable() => Error::Thumbnail(ThumbnailTrouble::Unavailable),
        _ => Error::Thumbnail(ThumbnailTrouble::Refused),
    }
}
