//! One open feed as the app holds it, and the task that runs its driver.
//!
//! The driver takes commands from a queue and answers through channels, so every call here may be dropped at any time: a
//! swipe that was taken happens, one that still waited for a card does not.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use unspool_engine::breaker::Choice as LoopChoice;
use unspool_engine::{Conditions, Item, KeepEstimate, Viewer};
use unspool_media::tasks;
use unspool_player::SeekMode;

use crate::captions::CardCaptions;
use crate::config::FeedKind;
use crate::core::Core;
use crate::driver::{CLOSING, Card, Control, Driver, Input, Reply};
use crate::error::Error;
use crate::events::{Event, EventBatch, EventLog};
use crate::explain::Why;
use crate::players;
use crate::session::Unspool;
use crate::snapshot::Snapshot;
use crate::windows::Windows;
use crate::work::words;

/// Where an open feed takes its commands.
pub(crate) type Inputs = mpsc::UnboundedSender<Input>;

/// One open feed: cards, playback and what happens to them.
///
/// Clones share it. It ends with the session, when another feed is opened, or by a fault of the core; a fault is told as
/// [`Event::CoreFailed`] and its calls answer [`Error::Internal`] from then on, while the session goes on. Its calls may
/// be awaited on any executor and dropped at any time: a card that was not given yet is not moved to.
#[derive(Clone)]
pub struct FeedSession {
    session: Unspool,
    kind: FeedKind,
    inputs: Inputs,
    events: Arc<EventLog>,
    snapshot: watch::Receiver<Snapshot>,
    end: watch::Receiver<Option<Error>>,
    /// Gone when the feed has ended.
    windows: Weak<Windows>,
}

/// What a feed is opened as.
pub(crate) struct Opening {
    pub(crate) kind: FeedKind,
    /// The item it begins with, where one was asked for.
    pub(crate) first: Option<String>,
}

/// A feed that is not running yet.
pub(crate) struct Launch {
    driver: Driver,
    received: mpsc::UnboundedReceiver<Input>,
    events: Arc<EventLog>,
    core: Arc<Core>,
    inputs: Inputs,
    end: watch::Sender<Option<Error>>,
    windows: Arc<Windows>,
}

impl Launch {
    /// Where the feed will take its commands.
    pub(crate) fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }

    /// Where it shows its cards.
    pub(crate) fn windows(&self) -> Weak<Windows> {
        Arc::downgrade(&self.windows)
    }

    /// Runs the feed once the one `before` it has ended.
    pub(crate) fn run(self, handle: &Handle, before: Option<Inputs>) {
        let Launch { driver, mut received, events, core, inputs, end, windows } = self;
        let (players, player_events) = mpsc::unbounded_channel();
        players::open(handle, &core.config.engine, &core.config.player, players, inputs);
        tasks::spawn_on(handle, async move {
            // The earlier feed closes its viewing before this one opens one: one impression is open at a time.
            if let Some(before) = before {
                let (reply, done) = oneshot::channel();
                if before.send(Input::Stop(reply)).is_ok() {
                    let _ = done.await;
                }
            }
            let ran = AssertUnwindSafe(driver.run(&mut received, player_events)).catch_unwind().await;
            let why = match ran {
                Ok(()) => Error::ShutDown,
                // A fault of the core ends the feed and is told; the session and what it wrote down stay.
                Err(fault) => {
                    let reason = words(&*fault);
                    if let Err(e) = core.close_viewing().await {
                        events.push(Event::StorageFailed { reason: e.to_string() });
                    }
                    events.push(Event::CoreFailed { reason: reason.clone() });
                    Error::Internal { reason }
                }
            };
            // After a fault players still draw; nobody else would wait for them.
            let ended = tasks::spawn_blocking(move || windows.end(CLOSING)).await;
            if ended.is_err() {
                tracing::warn!("nobody waited for the players of a feed to end");
            }
            // Said before the queue closes, so that whoever finds it closed knows why.
            end.send_replace(Some(why));
            drop(received);
        });
    }
}

impl std::fmt::Debug for FeedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedSession").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl FeedSession {
    /// A feed of `session`, and what runs it.
    pub(crate) fn new(
        session: Unspool,
        core: &Arc<Core>,
        opening: Opening,
        conditions: Conditions,
        window: Option<u64>,
    ) -> (Self, Launch) {
        let kind = opening.kind.clone();
        let windows = Arc::new(Windows::new(window));
        let shown = Arc::downgrade(&windows);
        let (inputs, received) = mpsc::unbounded_channel();
        let events = Arc::new(EventLog::new());
        let snapshot = watch::Sender::new(Snapshot::default());
        let seen = snapshot.subscribe();
        let (end, ended) = watch::channel(None);
        let driver = Driver::new(
            Arc::clone(core),
            opening,
            conditions,
            inputs.clone(),
            Arc::clone(&events),
            snapshot,
            Arc::clone(&windows),
        );
        let launch = Launch {
            driver,
            received,
            events: Arc::clone(&events),
            core: Arc::clone(core),
            inputs: inputs.clone(),
            end,
            windows,
        };
        let feed = FeedSession { session, kind, inputs, events, snapshot: seen, end: ended, windows: shown };
        (feed, launch)
    }

    /// Which feed this is.
    #[must_use]
    pub fn kind(&self) -> &FeedKind {
        &self.kind
    }

    /// Moves to the next card, which plays at once; waits for the first page where there is no card yet. Without a
    /// network, cards that are not on the device are passed over.
    ///
    /// # Errors
    /// [`Error::EndOfFeed`], [`Error::Offline`], [`Error::SignIn`], [`Error::Backend`], [`Error::TimedOut`],
    /// [`Error::ShutDown`], [`Error::Internal`]. The feed stays where it was.
    pub async fn next(&self) -> Result<Card, Error> {
        let asked = Instant::now();
        self.ask(|reply| Input::Next(asked, reply)).await
    }

    /// Moves back to the card before.
    ///
    /// # Errors
    /// As [`next`](FeedSession::next).
    pub async fn previous(&self) -> Result<Card, Error> {
        let asked = Instant::now();
        self.ask(|reply| Input::Previous(asked, reply)).await
    }

    /// Up to `n` cards after the current one, without moving.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub async fn peek(&self, n: usize) -> Result<Vec<Item>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Peek(n, reply))?;
        match answer.await {
            Ok(items) => Ok(items),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Uncovers a card that the safety filter blurred: it is fetched from now on, and plays if it is the current one.
    ///
    /// # Errors
    /// [`Error::NotRevealable`] where nothing is covered at the position or the person may not decide;
    /// [`Error::ShutDown`], [`Error::Internal`].
    pub async fn reveal(&self, position: u64) -> Result<Card, Error> {
        let asked = Instant::now();
        self.ask(|reply| Input::Reveal(position, asked, reply)).await
    }

    /// Asks the backend for the labels of the cards ahead now, which happens once a minute by itself. Returns at once;
    /// what has to go is told as [`Event::CardClosed`].
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn refresh_labels(&self) -> Result<(), Error> {
        self.send(Input::RefreshLabels)
    }

    /// Why the card at a position stands there, compared with the best that could have been shown instead. For a card that
    /// may still move, why it stands there now.
    ///
    /// # Errors
    /// [`Error::NoSuchCard`] where the feed holds none; [`Error::ShutDown`], [`Error::Internal`].
    pub async fn why(&self, position: u64) -> Result<Why, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Why(position, reply))?;
        match answer.await {
            Ok(why) => why.ok_or(Error::NoSuchCard),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Says that the person wants nothing like the card at a position. Taken in when it returns: the first card that may
    /// still move is chosen by it. The card itself stays; moving on is the app's part.
    ///
    /// # Errors
    /// [`Error::NoSuchCard`] where the feed holds none; [`Error::ShutDown`], [`Error::Internal`].
    pub async fn not_interested(&self, position: u64) -> Result<(), Error> {
        self.ask(|reply| Input::NotInterested(position, reply)).await
    }

    /// Begins the feed anew behind the cards that are being fetched: the first page is asked for again, and what was not
    /// reached may come again. Returns at once.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn refresh(&self) -> Result<(), Error> {
        self.send(Input::Refresh)
    }

    /// Answers the offer of a way out of a loop ([`Event::Loop`]). Forgetting the topic is done here; a break is the app's
    /// part. Without an offer nothing happens. Returns at once.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn answer_loop(&self, choice: LoopChoice) -> Result<(), Error> {
        self.send(Input::Answer(choice))
    }

    /// Keeps items of this feed for offline, by their identifiers: those from the current card on and up to 200 before
    /// it. As [`Unspool::keep`].
    ///
    /// # Errors
    /// As [`Unspool::keep`]; [`Error::Config`] also for an item this feed does not hold.
    pub async fn keep(&self, items: &[String]) -> Result<KeepEstimate, Error> {
        self.session.keep_open(self.items(items).await?).await
    }

    /// What keeping items of this feed would take. As [`Unspool::keep_estimate`].
    ///
    /// # Errors
    /// As [`keep`](FeedSession::keep), without refusing what does not fit.
    pub async fn keep_estimate(&self, items: &[String]) -> Result<KeepEstimate, Error> {
        self.session.estimate_open(self.items(items).await?).await
    }

    async fn items(&self, ids: &[String]) -> Result<Vec<Item>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Items(ids.to_vec(), reply))?;
        match answer.await {
            Ok(Some(items)) => Ok(items),
            Ok(None) => Err(Error::Config { reason: "no such item in this feed".into() }),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Pauses the current card, or lets it run.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn set_paused(&self, paused: bool) -> Result<(), Error> {
        self.send(Input::Control(Control::Pause(paused)))
    }

    /// Moves the playhead of the current card to the nearest key frame.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn seek(&self, ms: u64) -> Result<(), Error> {
        self.seek_with(ms, SeekMode::Keyframe)
    }

    /// Moves the playhead of the current card: to the key frame at or before `ms`, which is quick and for scrubbing, or to
    /// the moment itself, for which everything from that key frame on is decoded first.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn seek_with(&self, ms: u64, mode: SeekMode) -> Result<(), Error> {
        self.send(Input::Control(Control::Seek(ms, mode)))
    }

    /// Silences this card and those after it, or gives them sound again.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn set_muted(&self, muted: bool) -> Result<(), Error> {
        self.send(Input::Control(Control::Mute(muted)))
    }

    /// Sets the volume of this card and of those after it, from 0 to 1; what the system takes of it
    /// ([`set_sound_focus`](Unspool::set_sound_focus)) comes besides.
    ///
    /// # Errors
    /// [`Error::Config`] outside that range, else as [`set_muted`](FeedSession::set_muted).
    pub fn set_volume(&self, volume: f64) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&volume) {
            return Err(Error::Config { reason: "a volume is between 0 and 1".into() });
        }
        self.send(Input::Control(Control::Volume(volume)))
    }

    /// Sets the speed of this card and of those after it, from 0.25 to 4 times. The record of the viewing names it.
    ///
    /// # Errors
    /// [`Error::Config`] outside that range, else as [`set_muted`](FeedSession::set_muted).
    pub fn set_rate(&self, rate: f64) -> Result<(), Error> {
        if !(0.25..=4.0).contains(&rate) {
            return Err(Error::Config { reason: "a speed is between 0.25 and 4".into() });
        }
        self.send(Input::Control(Control::Rate(rate)))
    }

    /// Gives the card at `position` a window of its own, replaces the one it has, or takes it away with `None`, at any time:
    /// for pagers in which each card has its view. A pre-rolled card draws its first picture into it at once, so that a
    /// swipe shows pictures on both sides. A card without one of its own is shown in the window that all cards share
    /// ([`Unspool::set_window`]), where there is one, while it plays. Windows stay with their positions until they are
    /// taken away; at most 64.
    ///
    /// Who owns the window, what waits and what fails: as for [`Unspool::set_window`].
    ///
    /// # Errors
    /// As [`Unspool::set_window`]; [`Error::Config`] also for more than 64 cards; giving one to a feed that ended fails as
    /// its other calls do, taking one away from it does not.
    pub fn set_card_window(&self, position: u64, window: Option<u64>) -> Result<(), Error> {
        self.session.shows()?;
        match self.windows.upgrade() {
            Some(windows) => windows.set_card(position, window),
            None if window.is_none() => Ok(()),
            None => Err(self.end.borrow().clone().unwrap_or(Error::ShutDown)),
        }
    }

    /// The captions of the card at `position`: what it offers, which of it is chosen, and all its cues once they are here.
    /// `None` where there is no such card. What is on show at this moment stands in the [`Snapshot`].
    ///
    /// # Errors
    /// As [`peek`](FeedSession::peek).
    pub async fn captions(&self, position: u64) -> Result<Option<CardCaptions>, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Captions(position, reply))?;
        match answer.await {
            Ok(captions) => Ok(captions),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Says what the person did with the card on the screen, for the record of the viewing: a tap, the speed of a player
    /// of the app's own, leaving for the comments and coming back. Seeking and muting through this feed tell by themselves.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn viewer(&self, fact: Viewer) -> Result<(), Error> {
        self.send(Input::Viewer(fact))
    }

    /// Asks for a failed page again at once.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub fn retry(&self) -> Result<(), Error> {
        self.send(Input::Retry)
    }

    /// What is the case now, without waiting.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Waits for a snapshot newer than `revision`. Asking again after a cancelled wait loses nothing.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub async fn snapshot_after(&self, revision: u64) -> Result<Snapshot, Error> {
        let mut seen = self.snapshot.clone();
        if let Ok(snapshot) = seen.wait_for(|s| s.revision > revision).await {
            return Ok(snapshot.clone());
        }
        Err(self.ended().await)
    }

    /// Up to `max` events after number `after`, without waiting. The first event has number 1.
    #[must_use]
    pub fn events(&self, after: u64, max: usize) -> EventBatch {
        self.events.after(after, max)
    }

    /// Waits until there is an event after number `after`, then gives up to `max` of them.
    ///
    /// # Errors
    /// [`Error::ShutDown`] when the feed ended, [`Error::Internal`] when a fault of the core ended it.
    pub async fn events_after(&self, after: u64, max: usize) -> Result<EventBatch, Error> {
        tokio::select! {
            biased;
            () = self.events.wait(after) => Ok(self.events.after(after, max)),
            why = self.ended() => match self.events.after(after, max) {
                batch if batch.events.is_empty() => Err(why),
                last => Ok(last),
            }
        }
    }

    /// What somebody who looks may see of it.
    #[cfg(feature = "inspector")]
    pub(crate) fn watched(&self, number: u64) -> crate::inspector::Watched {
        let (events, snapshot) = (Arc::clone(&self.events), self.snapshot.clone());
        crate::inspector::Watched { number, events, snapshot, inputs: self.inputs.clone() }
    }

    async fn ask<T>(&self, input: impl FnOnce(Reply<T>) -> Input) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(input(reply))?;
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.ended().await),
        }
    }

    /// Waits for the end of the feed and says why it came.
    async fn ended(&self) -> Error {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Error::ShutDown),
            Err(_) => Error::ShutDown,
        }
    }

    fn send(&self, input: Input) -> Result<(), Error> {
        self.session.check()?;
        self.inputs.send(input).map_err(|_| self.end.borrow().clone().unwrap_or(Error::ShutDown))
    }
}
