//! The public session: one object that owns the runtime, the rooms and the tasks.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};
use unspool_engine::safety::SafetySettings;
use unspool_engine::schema::Consent;
use unspool_engine::session::{Conditions, Signal};
use unspool_engine::settings;
use unspool_engine::{MediaKey, MemoryPressure, SoundFocus};
use unspool_media::tasks;
use unspool_media::{LocalFile, OutboundBatch};

use crate::backend::Topic;
use crate::backend::check::id_fits;
use crate::config::{Config, FeedKind};
use crate::core::Core;
use crate::driver::{Control, Input, public};
use crate::erase::EraseScope;
use crate::error::Error;
use crate::feed::{FeedSession, Inputs, Opening};
use crate::players::PlayerEngine;
use crate::snapshot::{Bytes, Outgoing};
use crate::spool::Value;
use crate::windows::Windows;
use crate::wishes;
use crate::work::{self, Writes};

/// Time for what runs to end before an erasure. The media room waits for the chunk on its way, which a server that went silent
/// holds up; what has not ended by then has lost its files.
const ERASE_WITHIN: Duration = Duration::from_secs(10);

/// How the end of a session went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Whether everything that was running ended in time.
    pub clean: bool,
    /// What is still to be sent; it stays on disk for the next session.
    pub outgoing: Outgoing,
}

/// A session of Unspool: prefetching feeds, playback, durable telemetry and the offline cache of one person.
///
/// Opened on a private directory, which it owns until [`shutdown`](Unspool::shutdown). Clones share the session. Its
/// futures may be awaited on any executor, on any thread, and dropped at any time: the work they ask for runs on the
/// session's own threads. A future that was never polled asked for nothing. Dropping one that reads
/// ([`topics`](Unspool::topics), [`interests`](Unspool::interests), [`liked`](Unspool::liked),
/// [`flush`](Unspool::flush)) ends its work and closes its request; what one that writes began
/// ([`set_liked`](Unspool::set_liked), [`set_interests`](Unspool::set_interests), [`keep`](Unspool::keep) and what
/// belongs to it, [`suspend`](Unspool::suspend), [`resume`](Unspool::resume), [`shutdown`](Unspool::shutdown)) goes on to its end, before what later ones begin.
/// Dropping the last clone signals the
/// end and waits for nothing; what was acknowledged is on disk already.
///
/// ```no_run
/// # async fn app() -> Result<(), unspool::Error> {
/// use std::time::Duration;
/// use unspool::{Config, Credentials, FeedKind, Unspool};
///
/// let credentials = Credentials::Fixed("token".into());
/// let session = Unspool::open(Config::new("/data/app/unspool", "https://api.example", "ada", credentials)?)?;
/// let feed = session.feed(FeedKind::ForYou)?;
/// let card = feed.next().await?; // plays at once; the cards after it are being fetched
/// session.set_liked(&card.item.id, true).await?; // on disk when this returns, at the backend when it can be
/// session.shutdown(Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Unspool(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    handle: Handle,
    writes: Writes,
    runtime: Mutex<Option<Runtime>>,
    conditions: Mutex<Conditions>,
    feed: Mutex<Option<Inputs>>,
    screen: Mutex<Screen>,
    closed: AtomicBool,
    report: Mutex<Option<watch::Receiver<Option<ShutdownReport>>>>,
    /// What somebody who looks may see of the open feed.
    #[cfg(feature = "inspector")]
    watched: Mutex<Option<crate::inspector::Watched>>,
}

/// A session that may be gone: whoever holds it keeps nothing open.
#[cfg(feature = "inspector")]
#[derive(Clone)]
pub(crate) struct Faint(Weak<Inner>);

#[cfg(feature = "inspector")]
impl Faint {
    pub(crate) fn upgrade(&self) -> Option<Unspool> {
        self.0.upgrade().map(Unspool)
    }
}

/// The window that cards share, and the feeds that may draw into it: the open one last, before it those that still end.
struct Screen {
    window: Option<u64>,
    feeds: Vec<Weak<Windows>>,
}

impl std::fmt::Debug for Unspool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unspool").field("session", &self.0.core.session).finish_non_exhaustive()
    }
}

impl Unspool {
    /// Opens a session. Touches the disk and starts threads; asks nothing of the network before a feed is opened.
    ///
    /// What an earlier session could not send is taken up, and a viewing that a killed process left open is recorded
    /// with the exit `killed`.
    ///
    /// # Errors
    /// [`Error::InUse`] when another session owns the directory, [`Error::Storage`] when the disk refuses,
    /// [`Error::Config`] for values that cannot work.
    pub fn open(config: Config) -> Result<Self, Error> {
        config.check()?;
        create_private(&config.data_dir)?;
        // Two workers: one may be busy with a database or a checksum while the other moves bytes.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("unspool")
            .enable_all()
            .build()
            .map_err(|e| Error::Internal { reason: format!("threads: {e}") })?;
        let handle = runtime.handle().clone();
        let conditions = config.conditions;
        let screen = Screen { window: config.player.window, feeds: Vec::new() };
        let core = match Core::open(config, &handle) {
            Ok(core) => core,
            Err(e) => {
                // The caller may be a task of another runtime, where dropping one would block.
                runtime.shutdown_background();
                return Err(e);
            }
        };
        Ok(Unspool(Arc::new(Inner {
            core,
            writes: Writes::start(&handle),
            handle,
            runtime: Mutex::new(Some(runtime)),
            conditions: Mutex::new(conditions),
            feed: Mutex::new(None),
            screen: Mutex::new(screen),
            closed: AtomicBool::new(false),
            report: Mutex::new(None),
            #[cfg(feature = "inspector")]
            watched: Mutex::new(None),
        })))
    }

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

    /// The topics people can choose from.
    ///
    /// # Errors
    /// What the backend answered; [`Error::Offline`] without a network.
    pub async fn topics(&self) -> Result<Vec<Topic>, Error> {
        let core = Arc::clone(&self.0.core);
        self.read(async move { core.backend.topics().await.map_err(|e| public(&e)) }).await
    }

    /// The topics the person chose on this device, by identifier, in alphabetical order.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn interests(&self) -> Result<Vec<String>, Error> {
        let core = Arc::clone(&self.0.core);
        self.read(async move { core.interests().await }).await
    }

    /// Replaces the topics the person chose by `topics`. On disk when it returns, with or without a network; what changed
    /// is sent once. The order does not count, and naming one twice is naming it once.
    ///
    /// # Errors
    /// [`Error::Config`] for more than 64 topics or an identifier that cannot be one, [`Error::Storage`] when the disk
    /// refuses. Nothing is changed then.
    pub async fn set_interests(&self, topics: Vec<String>) -> Result<(), Error> {
        let core = Arc::clone(&self.0.core);
        self.write(async move { core.set_interests(topics).await }).await
    }

    /// What the person chose of the safety filter, without waiting.
    #[must_use]
    pub fn safety(&self) -> SafetySettings {
        self.0.core.safety.settings()
    }

    /// Replaces what the person chose of the safety filter: age, harms, labels, muted words, topics, sounds and creators.
    /// On disk when it returns, with or without a network, and never sent. The open feed takes it in at once: cards that
    /// are hidden by it go, with their bytes.
    ///
    /// # Errors
    /// [`Error::Config`] when a bound is broken, [`Error::Guarded`] for an age that would loosen the limits of a minor,
    /// [`Error::Storage`] when the disk refuses. Nothing is changed then.
    pub async fn set_safety(&self, settings: SafetySettings) -> Result<(), Error> {
        let core = Arc::clone(&self.0.core);
        let done = self.write(async move { core.set_safety(settings).await }).await;
        self.tell(Input::Control(Control::Motion));
        done
    }

    /// Blocks a creator, or takes that back. On disk when it returns, and what they made leaves the open feed at once; the
    /// backend is told once.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses, [`Error::Config`] for an identifier that cannot be one.
    pub async fn set_blocked(&self, creator: &str, blocked: bool) -> Result<(), Error> {
        if blocked {
            // Told before their cards go.
            self.tell(Input::Signal(Signal::HidCreator(creator.to_owned())));
        }
        let (core, creator) = (Arc::clone(&self.0.core), creator.to_owned());
        self.write(async move { core.set_blocked(creator, blocked).await }).await
    }

    /// Takes signed safety rules that are newer than those in use, and gives their version. On disk when it returns; the
    /// open feed takes them in at once. A backend that has rules is asked for them by itself.
    ///
    /// # Errors
    /// [`Error::Rules`] says why they are not taken, [`Error::Storage`] when the disk refuses. Those in use stay then.
    pub async fn set_rules(&self, signed: Vec<u8>) -> Result<u64, Error> {
        let core = Arc::clone(&self.0.core);
        self.write(async move { core.set_rules(signed).await }).await
    }

    /// Version of the safety rules in use; 0 are those that come with the core.
    #[must_use]
    pub fn rules_version(&self) -> u64 {
        self.0.core.safety.version()
    }

    /// Records something the person did that the core cannot see: a share, a search, a report. `name` and `attributes` are
    /// those of the compiled [schema](crate::schema); anything else is refused. Returns at once; on disk a twentieth of a
    /// second later at most. What the person did not agree to is not recorded.
    ///
    /// # Errors
    /// [`Error::Config`] for what the schema does not list, [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub fn record(&self, name: &str, attributes: Vec<(String, Value)>) -> Result<(), Error> {
        self.check()?;
        let event = self.0.core.told(name, attributes)?;
        self.0.core.record(&event)
    }

    /// The same, and on disk when it returns; `false` when the person did not agree to it, and nothing was recorded.
    ///
    /// # Errors
    /// As [`record`](Unspool::record), and [`Error::Storage`] when the disk refuses.
    pub async fn record_durable(&self, name: &str, attributes: Vec<(String, Value)>) -> Result<bool, Error> {
        let core = Arc::clone(&self.0.core);
        let event = core.told(name, attributes)?;
        self.write(async move { core.record_durable(&event).await }).await
    }

    /// The person agreed to this and to nothing else. From here on nothing else is recorded, and what was recorded for
    /// other purposes and not sent is deleted; done when it returns.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn set_consent(&self, consent: Consent) -> Result<(), Error> {
        let session = self.clone();
        let agreed = settings::purposes(consent);
        self.write(async move { session.prefer(|chosen| chosen.consent = Some(agreed)).await }).await
    }

    /// Deletes all telemetry of this device that was not sent, under every account, and asks the backend to delete what it
    /// was sent from here. A new identifier begins. Likes and other intents are not telemetry and stay. A kill in between
    /// leaves the rest to the next open.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses; call it again.
    pub async fn erase_telemetry(&self) -> Result<(), Error> {
        let core = Arc::clone(&self.0.core);
        self.write(async move { core.erase().await }).await
    }

    /// Erases `scopes` and ends the session: open another one to go on. Nothing that waits to be sent is sent before. When it
    /// returns, no file of the data directory holds any of it any more; what stays for the sake of others, and why, stands
    /// at [`EraseScope`]. Once begun it goes on, also when the future is dropped; a kill in between leaves the rest to the next
    /// [`open`](Unspool::open), which does it before anything else.
    ///
    /// # Errors
    /// [`Error::Config`] for no scope at all, [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown), [`Error::Storage`]
    /// when the disk refuses: before the session was ended when nothing was written down, else the next opening goes on.
    pub async fn erase(&self, scopes: &[EraseScope]) -> Result<(), Error> {
        self.check()?;
        if scopes.is_empty() {
            return Err(Error::Config { reason: "nothing to erase is named".into() });
        }
        let (reply, done) = oneshot::channel();
        let (session, scopes) = (self.clone(), scopes.to_vec());
        tasks::spawn_on(&self.0.handle, async move {
            let core = Arc::clone(&session.0.core);
            if let Err(error) = session.0.writes.run(async move { core.order_erasure(scopes).await }).await {
                let _ = reply.send(Err(error));
                return;
            }
            // What waits is not to be sent any more.
            let offline = Conditions { online: false, ..*lock(&session.0.conditions) };
            session.set_conditions(offline);
            let mut report = lock(&session.0.report);
            match &*report {
                // Another call ends the session; the next opening erases.
                Some(_) => drop(reply.send(Err(Error::ShutDown))),
                None => *report = Some(session.end(ERASE_WITHIN, Some(reply))),
            }
        });
        done.await.unwrap_or(Err(Error::ShutDown))
    }

    /// The address under which a player of the platform (ExoPlayer, AVPlayer, `<video>`) reads a rendition from the cache
    /// of this session, whose bytes are fetched as they are read. It leads to a server on the loopback interface that is
    /// started by the first call; it is good until the next [`resume`](Unspool::resume), belongs to this device alone and
    /// in no log. Returns at once.
    ///
    /// # Errors
    /// [`Error::Config`] for a rendition that neither the open feed has chosen for a card near the playhead nor is kept,
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown), [`Error::Internal`] when the device gives no port.
    pub fn gateway_url(&self, asset: &str, rendition: &str) -> Result<String, Error> {
        self.check()?;
        self.0.core.gate.url(&self.0.core.media, &MediaKey::new(asset, rendition))
    }

    /// A rendition as a file, for players that read a path or a descriptor: only when every byte of it is on the device
    /// and intact, which is checked. While the answer lives, eviction leaves the file alone; what else is promised
    /// stands at [`LocalFile`]. Reading it asks the network nothing and counts nowhere.
    ///
    /// # Errors
    /// [`Error::NotComplete`] when bytes are missing or damaged, or the rendition is not one file;
    /// [`Error::Storage`] when the disk refuses.
    pub async fn file(&self, asset: &str, rendition: &str) -> Result<LocalFile, Error> {
        let (core, key) = (Arc::clone(&self.0.core), MediaKey::new(asset, rendition));
        self.read(async move { core.file(key).await }).await
    }

    /// Tells the session what the device is like now. Returns at once.
    pub fn set_conditions(&self, conditions: Conditions) {
        let inner = &self.0;
        *lock(&inner.conditions) = conditions;
        let conditions = inner.core.settings.over(conditions);
        inner.core.media.set_offline(!conditions.online);
        inner.core.set_conditions(conditions);
        self.tell(Input::Conditions(conditions));
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

    /// Tells the session what the system says about the loudspeaker: cards are ducked, paused and let go on by the rule of
    /// both platforms (what was interrupted for a moment goes on by itself, anything else waits for the person). A pause of
    /// this kind stands in the snapshot, and ends like any other when the person plays or swipes. Returns at once.
    pub fn set_sound_focus(&self, focus: SoundFocus) {
        self.0.core.board.change(|wishes| wishes.focus = focus);
        self.tell(Input::Control(Control::Focus(focus)));
    }

    /// Says how many players, hence decoders, and how many bytes of memory for them the device can bear from now on; less
    /// than before lets the card before go first, then the next one. The current card always has a player. Returns at once.
    ///
    /// # Errors
    /// [`Error::Config`] for no player at all.
    pub fn set_player_budget(&self, players: usize, memory_bytes: u64) -> Result<(), Error> {
        if players == 0 {
            return Err(Error::Config { reason: "at least one player is needed".into() });
        }
        self.0.core.board.change(|wishes| (wishes.players, wishes.memory_bytes) = (players, memory_bytes));
        self.tell(Input::Control(Control::Budget));
        Ok(())
    }

    /// Tells the session what the system says about memory: players that nobody looks at are let go of until it says that
    /// there is enough again. Returns at once.
    pub fn set_memory_pressure(&self, pressure: MemoryPressure) {
        self.0.core.board.change(|wishes| wishes.pressure = pressure);
        self.tell(Input::Control(Control::Budget));
    }

    /// Says in which languages the person wants captions, best first, as BCP 47 tags; the last may be `*`, any language. A
    /// card shows the first of them that it has (`de-AT` is served by `de`, too, and `en` by `en-US`); an empty list turns
    /// captions off. The file of the current card is fetched, and that of the next one behind everything else, into the
    /// cache, so that they are there without a network too. Returns at once.
    ///
    /// # Errors
    /// [`Error::Config`] for more than 16 languages or a text that is no tag; nothing is changed then.
    pub fn set_captions(&self, languages: Vec<String>) -> Result<(), Error> {
        wishes::languages_fit(&languages)?;
        self.0.core.board.change(|wishes| wishes.captions.clone_from(&languages));
        self.tell(Input::Control(Control::Captions));
        self.remember_captions(languages);
        Ok(())
    }

    /// Tells the session whether the device is roaming and whether its battery is low or being saved. Telemetry waits then
    /// until things are better, unless its queue is filling up; what the person does is sent all the same. Returns at once.
    pub fn set_power(&self, roaming: bool, low_power: bool) {
        self.0.core.set_power(roaming, low_power);
    }

    /// Says that somebody signed in again: a new token is asked for, what was held for want of one is sent, and a page
    /// that could not be had is asked for again. Returns at once.
    pub fn signed_in(&self) {
        self.0.core.signed_in();
        self.tell(Input::Retry);
    }

    /// Media bytes of this session.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.0.core.bytes()
    }

    /// The requests that left this device in this session after number `after`, oldest first: to which host, what for, how
    /// many bytes, when. The last 1,000 are remembered; there is no address, no token and no word of a person among them.
    #[must_use]
    pub fn outbound_after(&self, after: u64) -> OutboundBatch {
        self.0.core.outbound.after(after)
    }

    /// Records and intents on their way.
    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        self.0.core.outgoing()
    }

    /// Milliseconds of media rendered in viewings of this session that ended.
    #[must_use]
    pub fn watched_ms(&self) -> u64 {
        self.0.core.watched_ms()
    }

    /// Viewings that a killed process had left open, recorded when this session was opened.
    #[must_use]
    pub fn recovered(&self) -> u64 {
        self.0.core.spool.recovered().len() as u64
    }

    /// Identifier of this installation's telemetry; with a record's number it identifies the record.
    #[must_use]
    pub fn installation(&self) -> String {
        self.0.core.spool.installation().to_string()
    }

    /// Sends what is queued, for at most `within`, and says what is left. Answers at once where nothing can be sent:
    /// without a network, without a backend, or with nobody signed in. Dropped, it stops waiting; what was being sent is.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub async fn flush(&self, within: Duration) -> Result<Outgoing, Error> {
        let core = Arc::clone(&self.0.core);
        self.read(async move {
            core.flush(within).await;
            Ok(core.outgoing())
        })
        .await
    }

    /// Ends the open viewing, stops playing and closes the databases, so that the operating system may freeze the
    /// process. Call it before the app leaves the foreground, and wait for it.
    ///
    /// # Errors
    /// [`Error::Storage`] when something could not be written.
    pub async fn suspend(&self) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            let background = Conditions { foreground: false, ..*lock(&session.0.conditions) };
            session.set_conditions(background);
            session.settle().await;
            session.0.core.suspend().await
        })
        .await
    }

    /// Opens the databases again and goes on playing. Addresses of the gateway are dead after it; ask for them again.
    ///
    /// # Errors
    /// [`Error::Storage`] when the databases do not open.
    pub async fn resume(&self) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            session.0.core.resume().await?;
            session.tell(Input::Control(Control::Rebound));
            let foreground = Conditions { foreground: true, ..*lock(&session.0.conditions) };
            session.set_conditions(foreground);
            Ok(())
        })
        .await
    }

    /// Ends the session: closes the viewing, sends what can be sent within `within`, stops every task and thread.
    /// Calling it again gives the same report, also when the first call was dropped while it waited.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        let mut report = lock(&self.0.report).get_or_insert_with(|| self.end(within, None)).clone();
        let told = report.wait_for(Option::is_some).await.ok().and_then(|report| *report);
        told.unwrap_or_else(|| ShutdownReport { clean: false, outgoing: self.outgoing() })
    }

    /// Begins to end the session; the report comes when it has ended.
    /// With `erasing` what was ordered to be erased is erased then.
    fn end(
        &self,
        within: Duration,
        erasing: Option<oneshot::Sender<Result<(), Error>>>,
    ) -> watch::Receiver<Option<ShutdownReport>> {
        self.0.closed.store(true, Ordering::Release);
        let feed = lock(&self.0.feed).take();
        let (tell, report) = watch::channel(None);
        let (inner, earlier) = (Arc::clone(&self.0), self.clone());
        tasks::spawn_on(&self.0.handle, async move {
            let core = Arc::clone(&inner.core);
            let ended = tasks::spawn(async move {
                let began = Instant::now();
                // What was begun before is done before.
                let _ = tokio::time::timeout(within, earlier.0.writes.run(async { Ok(()) })).await;
                if let Some(feed) = feed {
                    let (reply, done) = oneshot::channel();
                    if feed.send(Input::Stop(reply)).is_ok() {
                        // A feed that does not end in time is left to the end of the runtime.
                        let _ = tokio::time::timeout(within.saturating_sub(began.elapsed()), done).await;
                    }
                }
                core.close(within.saturating_sub(began.elapsed())).await
            });
            let clean = ended.await.unwrap_or(false);
            if let Some(reply) = erasing {
                // Nobody needs to wait for it.
                let _ = reply.send(inner.core.carry_out_erasure().await);
            }
            tell.send_replace(Some(ShutdownReport { clean, outgoing: inner.core.outgoing() }));
            if let Some(runtime) = lock(&inner.runtime).take() {
                runtime.shutdown_background();
            }
        });
        report
    }

    /// Makes the core panic, for tests of what an app sees then.
    ///
    /// # Errors
    /// [`Error::Internal`] from [`Place::Task`](crate::Place::Task); none from the driver, whose feed tells.
    #[cfg(feature = "fault-injection")]
    pub async fn panic_on_purpose(&self, place: crate::Place) -> Result<(), Error> {
        match place {
            crate::Place::Task => self.write(async { panic!("a panic on purpose in a task") }).await,
            crate::Place::Driver => {
                self.check()?;
                self.tell(Input::Panic);
                Ok(())
            }
        }
    }

    #[cfg(feature = "inspector")]
    pub(crate) fn faint(&self) -> Faint {
        Faint(Arc::downgrade(&self.0))
    }

    /// The feed that was opened last.
    #[cfg(feature = "inspector")]
    pub(crate) fn watched(&self) -> Option<crate::inspector::Watched> {
        lock(&self.0.watched).clone()
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// What the host said of the device last.
    pub(crate) fn conditions(&self) -> Conditions {
        *lock(&self.0.conditions)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.0.closed.load(Ordering::Acquire) { Err(Error::ShutDown) } else { Ok(()) }
    }

    pub(crate) fn tell(&self, input: Input) {
        if let Some(feed) = lock(&self.0.feed).as_ref() {
            // A feed that ended has nothing to be told.
            let _ = feed.send(input);
        }
    }

    /// Waits until the open feed has taken everything it was told.
    pub(crate) async fn settle(&self) {
        let (reply, done) = oneshot::channel();
        self.tell(Input::Peek(0, reply));
        let _ = done.await;
    }

    /// Does in its turn what goes on once begun.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.check()?;
        self.0.writes.run(work).await
    }

    /// Does what ends when nobody waits for it any more.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.check()?;
        work::read(&self.0.handle, work).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(feed) = lock(&self.feed).take() {
            let (reply, _) = oneshot::channel();
            let _ = feed.send(Input::Stop(reply));
        }
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create_private(dir: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| Error::Storage { reason: format!("data directory: {e}") })
}
