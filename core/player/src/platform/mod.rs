//! Players of the platform, such as `ExoPlayer` and `AVPlayer`, behind the same facts.
//!
//! They read the span store through the gateway's address and know nothing of it. The host makes one
//! [`PlatformPlayer`] for each card and tells its [`PlatformReport`]s; what the reports mean (the class of a start, its
//! latency from the intent, active watch time, stalls, the deadline of a first picture) is worked out here, so both
//! kinds of players mean the same by the same event.

mod seat;

use crate::lock::lock;
use crate::port::{MediaFrom, Players, check_rate, check_volume};
use crate::{PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerSnapshot, PoolCounts, SeekMode};
use seat::{Intent, Seat};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use unspool_engine::player_bytes;
use unspool_media::MediaInfo;

/// Between two looks at deadlines while a picture is awaited.
const TICK: Duration = Duration::from_millis(20);

/// One player of the platform. Small, synchronous calls that only pass a wish on.
///
/// Threads: called from any thread, never while a lock of this crate is held; a platform that wants its main thread
/// posts to it and returns.
pub trait PlatformPlayer: Send + Sync + std::fmt::Debug {
    /// Runs.
    fn play(&self);
    /// Stands still.
    fn pause(&self);
    /// Jumps.
    fn seek(&self, ms: u64, mode: SeekMode);
    /// Sound off or on.
    fn set_muted(&self, muted: bool);
    /// Volume from 0 to 1.
    fn set_volume(&self, volume: f64);
    /// Speed.
    fn set_rate(&self, rate: f64);
    /// Goes away for good; its last report is [`Gone`](PlatformReport::Gone).
    fn release(&self);
}

/// Makes players of the platform.
pub trait PlatformFactory: Send + Sync + std::fmt::Debug {
    /// Makes one that loads `address`, stands paused at its first picture and tells what happens to `reports`.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    fn make(
        &self,
        address: &str,
        loops: bool,
        reports: Reports,
    ) -> Result<Arc<dyn PlatformPlayer>, PlayerError>;
}

/// What a player of the platform tells.
#[derive(Debug, Clone, PartialEq)]
pub enum PlatformReport {
    /// The first picture is decoded and waits.
    Ready {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The first picture after a `play` or a jump was rendered.
    Shown {
        /// Its media time in milliseconds.
        position_ms: u64,
    },
    /// Where playback is; a few times a second while it runs.
    Position {
        /// Media time in milliseconds.
        position_ms: u64,
        /// Pictures rendered so far, or 0 where the platform does not count them.
        frames: u64,
    },
    /// Playback waits for bytes.
    Waiting,
    /// It goes on.
    Going,
    /// It started over.
    Wrapped,
    /// It reached the end.
    Ended,
    /// So many pictures were dropped since it was made.
    Dropped {
        /// Their number.
        total: u64,
    },
    /// It gave up.
    Failed {
        /// Why.
        error: PlayerError,
    },
    /// It is gone, after a release.
    Gone,
}

/// Where one player's reports go.
#[derive(Debug, Clone)]
pub struct Reports {
    id: PlayerId,
    serial: u64,
    room: Weak<Room>,
}

impl Reports {
    /// Takes a report; one that comes after the player is gone is nobody's.
    pub fn tell(&self, report: PlatformReport) {
        if let Some(room) = self.room.upgrade() {
            room.take(self.id, self.serial, report, Instant::now());
        }
    }
}

/// Players of the platform, held to the same contract as the pipelines of this crate.
#[derive(Debug)]
pub struct PlatformPool {
    factory: Arc<dyn PlatformFactory>,
    room: Arc<Room>,
}

/// What the pool, the reports and the watch share.
#[derive(Debug)]
struct Room {
    config: PlayerConfig,
    events: UnboundedSender<PlayerEvent>,
    seats: Mutex<Seats>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Seats {
    closed: bool,
    serial: u64,
    taken: BTreeMap<PlayerId, Seat>,
    leaving: BTreeMap<u64, (PlayerId, Instant)>,
    counts: PoolCounts,
    /// Most players, and most bytes of memory.
    budget: (usize, u64),
}

impl PlatformPool {
    /// Opens a pool that reports to `events`; of `config` it heeds the limits, the deadlines and the looping.
    ///
    /// # Errors
    /// [`PlayerError::Internal`] if no thread can be had for the watch.
    pub fn open(
        factory: Arc<dyn PlatformFactory>,
        config: PlayerConfig,
        events: UnboundedSender<PlayerEvent>,
    ) -> Result<Self, PlayerError> {
        let seats = Seats { budget: (config.max_players, config.memory_bytes), ..Seats::default() };
        let room = Room { config, events, seats: Mutex::new(seats), changed: Condvar::new() };
        let room = Arc::new(room);
        let watched = Arc::downgrade(&room);
        std::thread::Builder::new()
            .name("unspool-watch".to_owned())
            .spawn(move || {
                while let Some(room) = watched.upgrade() {
                    if !room.watch() {
                        break;
                    }
                }
            })
            .map_err(|error| PlayerError::Internal { reason: format!("no thread: {error}") })?;
        Ok(Self { factory, room })
    }

    /// Changes a seat, then passes a wish to its player without the lock.
    fn with(
        &self,
        id: PlayerId,
        change: impl FnOnce(&mut Seat, &Room),
        wish: impl FnOnce(&dyn PlatformPlayer),
    ) -> Result<(), PlayerError> {
        let mut seats = lock(&self.room.seats);
        if seats.closed {
            return Err(PlayerError::Closed);
        }
        let seat = seats.taken.get_mut(&id).ok_or(PlayerError::NoSuchPlayer { id: id.0 })?;
        change(seat, &self.room);
        let player = seat.player.clone();
        drop(seats);
        if let Some(player) = player {
            wish(&*player);
        }
        self.room.changed.notify_all();
        Ok(())
    }

    fn stand(&self, id: PlayerId, intent: Intent) -> Result<(), PlayerError> {
        self.with(id, |seat, room| seat.stand(intent, Instant::now(), &room.events), |player| player.pause())
    }
}

impl Players for PlatformPool {
    fn prepare(&self, id: PlayerId, from: MediaFrom, info: Arc<MediaInfo>) -> Result<(), PlayerError> {
        let MediaFrom::Address(address) = from else {
            return Err(PlayerError::Invalid { reason: "players of the platform read addresses".to_owned() });
        };
        if info.video.is_none() {
            return Err(PlayerError::NoVideo);
        }
        let serial = {
            let mut seats = lock(&self.room.seats);
            if seats.closed {
                return Err(PlayerError::Closed);
            }
            if seats.taken.contains_key(&id) {
                return Err(PlayerError::AlreadyPrepared { id: id.0 });
            }
            let (max, memory) = seats.budget;
            if seats.taken.len() >= max {
                return Err(PlayerError::PoolFull { max });
            }
            let used: u64 = seats.taken.values().map(|seat| player_bytes(&seat.info)).sum();
            let (needed, left) = (player_bytes(&info), memory.saturating_sub(used));
            if needed > left && !seats.taken.is_empty() {
                return Err(PlayerError::OverBudget { needed, left });
            }
            seats.serial += 1;
            seats.counts.alive += 1;
            let serial = seats.serial;
            seats.taken.insert(id, Seat::new(id, serial, info, Instant::now()));
            serial
        };
        let reports = Reports { id, serial, room: Arc::downgrade(&self.room) };
        let made = self.factory.make(&address, self.room.config.loop_playback, reports);
        let mut seats = lock(&self.room.seats);
        let seat = seats.taken.get_mut(&id).filter(|seat| seat.serial == serial);
        match (made, seat) {
            (Ok(player), Some(seat)) => {
                seat.player = Some(Arc::clone(&player));
                let wishes = seat.wishes();
                drop(seats);
                wishes(&*player);
                Ok(())
            }
            // Released while it was being made.
            (Ok(player), None) => {
                drop(seats);
                player.release();
                Ok(())
            }
            (Err(error), _) => {
                seats.taken.remove(&id);
                seats.counts.alive = seats.counts.alive.saturating_sub(1);
                Err(error)
            }
        }
    }

    fn play(&self, id: PlayerId) -> Result<(), PlayerError> {
        let now = Instant::now();
        let mut over = false;
        self.with(
            id,
            |seat, _| over = seat.play(now),
            |player| {
                player.play();
            },
        )?;
        if over {
            self.with(id, |_, _| {}, |player| player.seek(0, SeekMode::Keyframe))?;
        }
        Ok(())
    }

    fn pause(&self, id: PlayerId) -> Result<(), PlayerError> {
        self.stand(id, Intent::Pause)
    }

    fn park(&self, id: PlayerId) -> Result<(), PlayerError> {
        self.stand(id, Intent::Park)
    }

    fn seek(&self, id: PlayerId, ms: u64, mode: SeekMode) -> Result<(), PlayerError> {
        let mut to = ms;
        let mut shared = 0;
        self.with(
            id,
            |seat, room| {
                to = ms.min(seat.info.duration_ms);
                seat.seek(to, Instant::now(), &room.events);
                shared = to;
            },
            |_| {},
        )?;
        self.with(id, |_, _| {}, |player| player.seek(shared, mode))
    }

    fn set_muted(&self, id: PlayerId, muted: bool) -> Result<(), PlayerError> {
        self.with(id, |seat, _| seat.muted = muted, |player| player.set_muted(muted))
    }

    fn set_volume(&self, id: PlayerId, volume: f64) -> Result<(), PlayerError> {
        check_volume(volume)?;
        self.with(id, |seat, _| seat.volume = volume, |player| player.set_volume(volume))
    }

    fn set_rate(&self, id: PlayerId, rate: f64) -> Result<(), PlayerError> {
        check_rate(rate)?;
        self.with(id, |seat, _| seat.rate = rate, |player| player.set_rate(rate))
    }

    fn set_budget(&self, max_players: usize, memory_bytes: u64) {
        lock(&self.room.seats).budget = (max_players.max(1), memory_bytes);
    }

    fn release(&self, id: PlayerId) -> Result<(), PlayerError> {
        let mut seats = lock(&self.room.seats);
        if seats.closed {
            return Err(PlayerError::Closed);
        }
        let seat = seats.taken.remove(&id).ok_or(PlayerError::NoSuchPlayer { id: id.0 })?;
        let player = self.room.leave(&mut seats, seat);
        drop(seats);
        if let Some(player) = player {
            player.release();
        }
        self.room.changed.notify_all();
        Ok(())
    }

    fn snapshot(&self, id: PlayerId) -> Option<PlayerSnapshot> {
        lock(&self.room.seats).taken.get(&id).map(Seat::snapshot)
    }

    fn counts(&self) -> PoolCounts {
        lock(&self.room.seats).counts
    }

    fn shutdown(&self, deadline: Duration) -> bool {
        self.room.close();
        let until = Instant::now() + deadline;
        let mut seats = lock(&self.room.seats);
        while seats.counts.alive > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            seats = self
                .room
                .changed
                .wait_timeout(seats, left)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
        seats.counts.abandoned == 0
    }
}

impl Drop for PlatformPool {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Room {
    fn tell(&self, event: PlayerEvent) {
        // Nobody listening is the caller's choice; playback goes on.
        let _ = self.events.send(event);
    }

    fn close(&self) {
        let mut seats = lock(&self.seats);
        seats.closed = true;
        let players: Vec<_> = std::mem::take(&mut seats.taken)
            .into_values()
            .filter_map(|seat| self.leave(&mut seats, seat))
            .collect();
        drop(seats);
        for player in players {
            player.release();
        }
        self.changed.notify_all();
    }

    fn leave(&self, seats: &mut Seats, mut seat: Seat) -> Option<Arc<dyn PlatformPlayer>> {
        seat.end_stall(Instant::now(), &self.events);
        let deadline = Instant::now() + self.config.null_deadline;
        seats.leaving.insert(seat.serial, (seat.id, deadline));
        if seat.player.is_none() {
            self.gone(seats, seat.serial, true);
        }
        seat.player
    }

    fn gone(&self, seats: &mut Seats, serial: u64, stopped: bool) {
        if let Some((id, _)) = seats.leaving.remove(&serial) {
            seats.counts.alive = seats.counts.alive.saturating_sub(1);
            seats.counts.released += 1;
            seats.counts.abandoned += usize::from(!stopped);
            seats.counts.hangs += u64::from(!stopped);
            self.tell(PlayerEvent::Released { id, reached_null: stopped });
        }
    }

    fn take(&self, id: PlayerId, serial: u64, report: PlatformReport, now: Instant) {
        let mut seats = lock(&self.seats);
        if report == PlatformReport::Gone {
            self.gone(&mut seats, serial, true);
        } else if let Some(seat) = seats.taken.get_mut(&id).filter(|seat| seat.serial == serial) {
            seat.take(report, now, &self.config, &self.events);
        }
        drop(seats);
        self.changed.notify_all();
    }

    /// Looks at every deadline, then waits for the next; false when there is nothing left to watch for.
    fn watch(&self) -> bool {
        let mut seats = lock(&self.seats);
        let now = Instant::now();
        let late: Vec<u64> =
            seats.leaving.iter().filter(|(_, (_, until))| now >= *until).map(|(&serial, _)| serial).collect();
        for serial in late {
            self.gone(&mut seats, serial, false);
        }
        let limit = self.config.first_frame_deadline;
        let mut hung = 0;
        let mut stop = Vec::new();
        for seat in seats.taken.values_mut() {
            if seat.overdue(now, limit, &self.events) {
                hung += 1;
                stop.extend(seat.player.clone());
            }
        }
        seats.counts.hangs += hung;
        if seats.closed && seats.leaving.is_empty() {
            self.changed.notify_all();
            return false;
        }
        let busy = !seats.leaving.is_empty() || seats.taken.values().any(Seat::awaits);
        let pause = if busy { TICK } else { Duration::from_secs(1) };
        if stop.is_empty() {
            drop(self.changed.wait_timeout(seats, pause));
        } else {
            drop(seats);
            for player in stop {
                player.pause();
            }
        }
        true
    }
}
