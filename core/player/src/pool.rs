//! The pool: a few players, prepared ahead, played and let go.

use crate::lock::lock;
use crate::meter::Meter;
use crate::monitor::{Monitor, Tally};
use crate::player::{Command, Control, Flow, Intent, Note, Pace, Player};
use crate::source::Feed;
use crate::surface::Easel;
use crate::{
    PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerSnapshot, PoolCounts, Surface, VideoSink, codec,
    warm_up, worker,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use unspool_engine::{FocusKeeper, player_bytes};
use unspool_media::{ByteSource, MediaInfo};

/// A bounded set of players.
///
/// Shape: each player is named by a [`PlayerId`] and goes `prepare`, `play`, then `pause`, `seek` or `park` as often as
/// wanted, then `release`. Facts come as [`PlayerEvent`]s.
///
/// Threads: every method may be called from any thread and returns within a few milliseconds; building, state changes
/// and stopping run on one thread for each player, and one monitor thread serves the pool. No runtime is needed.
///
/// Cancellation: `release` at any time. Dropping the pool releases every player without waiting;
/// [`shutdown`](PlayerPool::shutdown) waits.
#[derive(Debug)]
pub struct PlayerPool {
    config: Arc<PlayerConfig>,
    /// `None` once shut down.
    players: Mutex<Option<BTreeMap<PlayerId, Arc<Player>>>>,
    /// Players that were released and may still be stopping; those that are gone are dropped from time to time.
    leaving: Mutex<Vec<Weak<Player>>>,
    /// Easels that were to be free and were still drawn on when nobody waited any more.
    pub(crate) owed: Mutex<Vec<Arc<Easel>>>,
    notes: mpsc::Sender<Note>,
    tally: Arc<Tally>,
    next_serial: AtomicU64,
    monitor: Mutex<Option<JoinHandle<()>>>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) budget: Mutex<Budget>,
    pub(crate) focus: Mutex<FocusState>,
}

/// What the host lets players take.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) players: usize,
    pub(crate) bytes: u64,
}

/// Who may sound, and which players were interrupted.
#[derive(Debug)]
pub(crate) struct FocusState {
    pub(crate) keeper: FocusKeeper,
    pub(crate) volume: f64,
    pub(crate) held: Vec<PlayerId>,
}

impl PlayerPool {
    /// Opens a pool that reports to `events`.
    ///
    /// Starts GStreamer if [`warm_up`] was not called before; that first time may take over a second.
    ///
    /// # Errors
    /// Those of [`warm_up`], [`PlayerError::Invalid`] for a limit of no players, and [`PlayerError::Internal`] if no
    /// thread can be had.
    pub fn open(config: PlayerConfig, events: UnboundedSender<PlayerEvent>) -> Result<Self, PlayerError> {
        if config.max_players == 0 {
            return Err(PlayerError::Invalid { reason: "max_players is 0".to_owned() });
        }
        warm_up()?;
        let (notes, inbox) = mpsc::channel();
        let tally = Arc::new(Tally::default());
        let monitor = Monitor::new(inbox, events, Arc::clone(&tally), config.null_deadline);
        let monitor = spawn("unspool-watch".to_owned(), move || monitor.run())?;
        let budget = Budget { players: config.max_players, bytes: config.memory_bytes };
        Ok(Self {
            pace: Arc::default(),
            budget: Mutex::new(budget),
            focus: Mutex::new(FocusState { keeper: FocusKeeper::default(), volume: 1.0, held: Vec::new() }),
            config: Arc::new(config),
            players: Mutex::new(Some(BTreeMap::new())),
            leaving: Mutex::default(),
            owed: Mutex::default(),
            notes,
            tally,
            next_serial: AtomicU64::new(1),
            monitor: Mutex::new(Some(monitor)),
        })
    }

    /// Builds a player and decodes its first picture, on a thread of its own; `PreRolled` says when it is there.
    ///
    /// # Errors
    /// [`PlayerError::PoolFull`], [`PlayerError::OverBudget`], [`PlayerError::AlreadyPrepared`] or [`PlayerError::Closed`]; for what can be told
    /// from `info` alone also [`PlayerError::NoVideo`], [`PlayerError::UnsupportedCodec`],
    /// [`PlayerError::MissingElement`] and, for an empty source, [`PlayerError::Container`]. Everything else comes as
    /// an `Error` event.
    pub fn prepare(
        &self,
        id: PlayerId,
        source: Arc<dyn ByteSource>,
        info: Arc<MediaInfo>,
    ) -> Result<(), PlayerError> {
        codec::video_chain(info.video.ok_or(PlayerError::NoVideo)?)?;
        if source.size() == 0 {
            return Err(PlayerError::Container { reason: "the file is empty".to_owned() });
        }
        let easel = match self.config.sink {
            VideoSink::WindowHandle(handle) => Some(self.easel(Surface::Window(handle))),
            VideoSink::Headless | VideoSink::Surfaces => None,
        };
        let mut players = lock(&self.players);
        let players = players.as_mut().ok_or(PlayerError::Closed)?;
        if players.contains_key(&id) {
            return Err(PlayerError::AlreadyPrepared { id: id.0 });
        }
        self.check_budget(players, &info)?;
        let (commands, inbox) = mpsc::channel();
        let player = Arc::new(Player {
            id,
            serial: self.next_serial.fetch_add(1, Ordering::Relaxed),
            feed: Feed::new(source),
            info,
            config: Arc::clone(&self.config),
            prepared_at: Instant::now(),
            control: Mutex::new(Control {
                intent: Intent::Prepare,
                prerolled: false,
                asked_at: None,
                asked_prerolled: false,
                rearm: true,
                gated: false,
                was_gated: false,
                due_from: None,
                class: None,
                stalled: false,
                ended: false,
                failed: false,
                stalls: 0,
                stall_time: Duration::ZERO,
                rate: 1.0,
                volume: 1.0,
                hidden: false,
            }),
            meter: Mutex::new(Meter::new(self.config.stall_after)),
            flow: Flow::default(),
            tap: Mutex::new(None),
            easel: Mutex::new(easel),
            picture: Mutex::new(None),
            ready: Mutex::new(None),
            drops: Mutex::default(),
            pace: Arc::clone(&self.pace),
            commands,
            notes: self.notes.clone(),
        });
        // Announced before its thread exists, so that nothing the thread says can come first.
        player.note(Note::Added(Arc::clone(&player)));
        lock(&self.tally.counts).alive += 1;
        let own = Arc::clone(&player);
        if let Err(error) = spawn(format!("unspool-play-{}", id.0), move || worker::run(&own, &inbox)) {
            player.note(Note::Released(player.serial));
            player.note(Note::Stopped(player.serial));
            return Err(error);
        }
        player.command(Command::Volume(self.focus_volume()));
        players.insert(id, player);
        Ok(())
    }

    /// Plays. The moment of this call is the intent that `FirstFrame` is measured from.
    ///
    /// A player that is not pre-rolled yet plays as soon as it can. After [`park`](PlayerPool::park) it counts as a new
    /// start; after [`pause`](PlayerPool::pause) it goes on; at the end it plays from the beginning. Does nothing to a
    /// player that plays or has failed.
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn play(&self, id: PlayerId) -> Result<(), PlayerError> {
        let now = Instant::now();
        self.person_acted();
        self.player(id).map(|player| player.play(now))
    }

    /// Pauses; the picture stays.
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn pause(&self, id: PlayerId) -> Result<(), PlayerError> {
        self.person_acted();
        self.player(id).map(|player| player.stand(Intent::Pause))
    }

    /// Pauses a card that was swiped away and keeps it for a swipe back; its next `play` is a new start.
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn park(&self, id: PlayerId) -> Result<(), PlayerError> {
        self.person_acted();
        self.player(id).map(|player| player.stand(Intent::Park))
    }

    /// Lets a player go: its source is interrupted for good, then its pipeline stops, and `Released` says how it went.
    ///
    /// A pipeline that does not stop within `null_deadline` is abandoned: its memory and threads are lost until it does,
    /// and [`counts`](PlayerPool::counts) tells.
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn release(&self, id: PlayerId) -> Result<(), PlayerError> {
        let mut players = lock(&self.players);
        let players = players.as_mut().ok_or(PlayerError::Closed)?;
        let player = players.remove(&id).ok_or(PlayerError::NoSuchPlayer { id: id.0 })?;
        self.leave(&player);
        Ok(())
    }

    /// A player's facts at this moment; `None` if there is no such player.
    #[must_use]
    pub fn snapshot(&self, id: PlayerId) -> Option<PlayerSnapshot> {
        self.player(id).ok().map(|player| player.snapshot())
    }

    /// Running totals.
    #[must_use]
    pub fn counts(&self) -> PoolCounts {
        *lock(&self.tally.counts)
    }

    /// Releases every player and waits until they are gone; true if all pipelines stopped within `deadline`.
    ///
    /// May be called again; players then count as gone.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        let until = Instant::now() + deadline;
        self.close();
        let mut counts = lock(&self.tally.counts);
        while counts.alive > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            counts = self
                .tally
                .changed
                .wait_timeout(counts, left)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
        let clean = counts.abandoned == 0;
        drop(counts);
        if let Some(monitor) = lock(&self.monitor).take() {
            // Nobody is left to wait for, so the thread is on its way out.
            let _ = monitor.join();
        }
        clean
    }

    pub(crate) fn focus_volume(&self) -> f64 {
        lock(&self.focus).volume
    }

    /// What a person does outlives an interruption.
    fn person_acted(&self) {
        let mut focus = lock(&self.focus);
        focus.keeper.handle_person();
        focus.held.clear();
    }

    fn check_budget(
        &self,
        players: &BTreeMap<PlayerId, Arc<Player>>,
        info: &MediaInfo,
    ) -> Result<(), PlayerError> {
        let budget = lock(&self.budget);
        if players.len() >= budget.players {
            return Err(PlayerError::PoolFull { max: budget.players });
        }
        let taken: u64 = players.values().map(|player| player_bytes(&player.info)).sum();
        let (needed, left) = (player_bytes(info), budget.bytes.saturating_sub(taken));
        if needed > left && !players.is_empty() {
            return Err(PlayerError::OverBudget { needed, left });
        }
        Ok(())
    }

    /// Every player there is.
    pub(crate) fn all(&self) -> Vec<Arc<Player>> {
        lock(&self.players).iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Players that were released and still stop.
    pub(crate) fn leaving(&self) -> Vec<Arc<Player>> {
        lock(&self.leaving).iter().filter_map(Weak::upgrade).collect()
    }

    fn leave(&self, player: &Arc<Player>) {
        let mut leaving = lock(&self.leaving);
        leaving.retain(|player| player.strong_count() > 0);
        leaving.push(Arc::downgrade(player));
        drop(leaving);
        let_go(player);
    }

    fn close(&self) {
        if let Some(players) = lock(&self.players).take() {
            for player in players.values() {
                self.leave(player);
            }
            let _ = self.notes.send(Note::Shutdown);
        }
    }

    pub(crate) fn player(&self, id: PlayerId) -> Result<Arc<Player>, PlayerError> {
        let players = lock(&self.players);
        let players = players.as_ref().ok_or(PlayerError::Closed)?;
        players.get(&id).cloned().ok_or(PlayerError::NoSuchPlayer { id: id.0 })
    }
}

impl Drop for PlayerPool {
    /// Signals only; the threads finish by themselves.
    fn drop(&mut self) {
        self.close();
    }
}

/// The order matters: the source first, so that nothing waits for bytes when the pipeline is told to stop.
fn let_go(player: &Player) {
    player.feed.abort();
    player.note(Note::Released(player.serial));
    player.command(Command::Release);
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PlayerError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(body)
        .map_err(|error| PlayerError::Internal { reason: format!("no thread: {error}") })
}
