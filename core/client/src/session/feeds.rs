//! The door to feeds: opening one, and the window that its cards are shown in.
//!
//! One feed is open at a time. The one before is told to stop and closes its viewing before the next opens one; until its
//! players have let go, the window is kept from it.

use std::sync::{Arc, Weak};

use super::{Unspool, lock};
use crate::backend::check::id_fits;
use crate::config::FeedKind;
use crate::error::Error;
use crate::feed::{FeedSession, Opening};
use crate::players::PlayerEngine;
use crate::windows::Windows;

impl Unspool {
    /// Opens a feed and begins to fetch ahead. One feed is open at a time; an earlier one ends.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub fn feed(&self, kind: FeedKind) -> Result<FeedSession, Error> {
        self.open_feed(kind, None)
    }

    /// Opens a feed that begins with an item: a link was opened, a shared video tapped. The cards behind it come as in
    /// [`feed`](Unspool::feed), and what was kept of an earlier feed of this kind is among them, without its places.
    ///
    /// `item` is the identifier the backend knows it by. Where the device holds the item's card, it is there at once, also
    /// without a network; else the first page's request names it. An item that the backend does not have any more, or that
    /// the safety filter hides, is left out: compare the first card's identifier where that is to be told. Without a network
    /// and without the card the first [`next`](FeedSession::next) answers [`Error::Offline`]; open the ordinary feed then.
    ///
    /// # Errors
    /// [`Error::NoSuchCard`] for what cannot be an identifier (1 to 128 printable characters of ASCII); [`Error::ShutDown`]
    /// after [`shutdown`](Unspool::shutdown).
    pub fn feed_from(&self, kind: FeedKind, item: &str) -> Result<FeedSession, Error> {
        if !id_fits(item) {
            return Err(Error::NoSuchCard);
        }
        self.open_feed(kind, Some(item.to_owned()))
    }

    fn open_feed(&self, kind: FeedKind, first: Option<String>) -> Result<FeedSession, Error> {
        self.check()?;
        let inner = &self.0;
        let conditions = inner.core.settings.over(*lock(&inner.conditions));
        inner.core.media.set_offline(!conditions.online);
        let mut screen = lock(&inner.screen);
        let (feed, launch) =
            FeedSession::new(self.clone(), &inner.core, Opening { kind, first }, conditions, screen.window);
        screen.feeds.retain(|windows| windows.strong_count() > 0);
        screen.feeds.push(launch.windows());
        drop(screen);
        let before = lock(&inner.feed).replace(launch.inputs());
        #[cfg(feature = "inspector")]
        {
            let mut watched = lock(&inner.watched);
            let number = watched.as_ref().map_or(1, |before| before.number + 1);
            *watched = Some(feed.watched(number));
        }
        launch.run(&inner.handle, before);
        Ok(feed)
    }

    /// Gives the window that cards are shown in, replaces it, or takes it away with `None`, at any time, also before a feed
    /// is opened; it holds for feeds opened later, too. `window` is the platform's handle as a number: an
    /// `ANativeWindow*`, a `UIView*`, an X11 window. While a session that shows its cards has no window, the current card
    /// stands still and nothing counts as watched; given one, it shows its last picture at once and goes on.
    ///
    /// Ownership: the app owns the window and lends it. It must exist from this call until a call that takes it away or
    /// replaces it has returned, or the feed has ended; when that call returned nothing draws into it any more, also no
    /// player that was released meanwhile, and it may be destroyed. So call it from where the platform says that the window
    /// goes (`surfaceDestroyed`, a view that leaves its hierarchy), and let that wait for it.
    ///
    /// Threads: any. Unlike the other calls it waits, for a picture that is being drawn, a few milliseconds as a rule and
    /// at most half a second for each player that draws into it.
    ///
    /// # Errors
    /// [`Error::Config`] for a session that shows nothing (see [`PlayerOptions`](crate::PlayerOptions)) or whose players
    /// are the platform's, which have windows of their own; [`Error::Internal`] when drawing did not end in time: the
    /// window must stay then, and the call be repeated.
    pub fn set_window(&self, window: Option<u64>) -> Result<(), Error> {
        self.shows()?;
        let mut screen = lock(&self.0.screen);
        let before = std::mem::replace(&mut screen.window, window);
        let mut feeds: Vec<Arc<Windows>> = screen.feeds.iter().filter_map(Weak::upgrade).collect();
        let open = feeds.pop();
        // Those that end are only given nothing any more.
        let ended = feeds.into_iter().filter(|_| before != window).map(|windows| windows.set_shared(None));
        let ended = ended.fold(Ok(()), Result::and);
        open.map_or(Ok(()), |windows| windows.set_shared(window)).and(ended)
    }

    /// Refuses windows where nothing could be shown on them.
    pub(crate) fn shows(&self) -> Result<(), Error> {
        let config = &self.0.core.config;
        let reason = match config.engine {
            PlayerEngine::Pipelines if config.player.shows() => return Ok(()),
            PlayerEngine::Pipelines => "the session was opened to show nothing",
            PlayerEngine::Platform { .. } => "players of the platform have windows of their own",
            #[cfg(feature = "gstreamer")]
            PlayerEngine::Screens(_) => "the app takes the pictures itself",
        };
        Err(Error::Config { reason: reason.into() })
    }
}
