//! Players of the platform, such as `ExoPlayer` and `AVPlayer`, in the place of the core's own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use unspool::{PlatformReport, PlayerError, PlayerWish, Reports, SeekMode};

use crate::host::HostError;

/// Longest reason of a failure, in characters: a line of a log.
const REASON_CHARS: usize = 256;

/// Players of the platform, each named by a number that is never used again in the process of the session.
///
/// Called from the session's own threads, one call at a time for each player. Each call has the session's request time-out
/// and is cancelled after it; what it throws, and a call that is late, is the failure of that player. Calls say what is wished
/// for now: of wishes that wait only the newest of each kind is passed on.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait PlatformPlayers: Send + Sync {
    /// Makes a player that loads `request.address`, stands paused at its first picture and tells what happens to `reports`.
    async fn make(
        &self,
        player: u64,
        request: PlayerRequest,
        reports: Arc<PlayerReports>,
    ) -> Result<(), HostError>;
    /// Runs.
    async fn play(&self, player: u64) -> Result<(), HostError>;
    /// Stands still; the picture stays.
    async fn pause(&self, player: u64) -> Result<(), HostError>;
    /// Jumps to a place in milliseconds: itself where `exact`, else the key frame at or before it.
    async fn seek(&self, player: u64, position_ms: u64, exact: bool) -> Result<(), HostError>;
    /// Sound off or on.
    async fn set_muted(&self, player: u64, muted: bool) -> Result<(), HostError>;
    /// Volume from 0 to 1.
    async fn set_volume(&self, player: u64, volume: f64) -> Result<(), HostError>;
    /// Speed, from 0.25 to 4 times.
    async fn set_rate(&self, player: u64, rate: f64) -> Result<(), HostError>;
    /// Goes away for good: when it returns nothing is read or drawn any more. Called once, and last, also for a player whose
    /// making failed or was late.
    async fn release(&self, player: u64) -> Result<(), HostError>;
}

/// What a player is to play.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PlayerRequest {
    /// Where its bytes are: an address of the session's gateway on the loopback interface, which belongs into no log, or
    /// with `playerFiles` a `file:` address of what is complete on the device.
    pub address: String,
    /// Whether it starts over at its end, and tells `StartedOver`; else it tells `Ended`.
    pub looping: bool,
}

/// What a player of the platform tells.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum PlayerReport {
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
    StartedOver,
    /// It reached the end.
    Ended,
    /// So many pictures were dropped since it was made.
    Dropped {
        /// Their number.
        total: u64,
    },
    /// It gave up.
    Failed {
        /// Why, without personal data.
        reason: String,
        /// Whether another player of the same card may do better.
        recoverable: bool,
    },
}

/// Where one player's reports go. Use it from any thread.
#[derive(Debug, uniffi::Object)]
pub struct PlayerReports(Reports);

#[uniffi::export]
impl PlayerReports {
    /// Takes a report; one that comes after the player was released is nobody's. Returns at once.
    pub fn tell(&self, report: PlayerReport) {
        self.0.tell(match report {
            PlayerReport::Ready { width, height } => PlatformReport::Ready { width, height },
            PlayerReport::Shown { position_ms } => PlatformReport::Shown { position_ms },
            PlayerReport::Position { position_ms, frames } => {
                PlatformReport::Position { position_ms, frames }
            }
            PlayerReport::Waiting => PlatformReport::Waiting,
            PlayerReport::Going => PlatformReport::Going,
            PlayerReport::StartedOver => PlatformReport::Wrapped,
            PlayerReport::Ended => PlatformReport::Ended,
            PlayerReport::Dropped { total } => PlatformReport::Dropped { total },
            PlayerReport::Failed { reason, recoverable } => PlatformReport::Failed {
                error: PlayerError::Source { reason: short(&reason), retryable: recoverable },
            },
        });
    }
}

fn short(reason: &str) -> String {
    reason.chars().take(REASON_CHARS).collect()
}

impl From<HostError> for PlayerError {
    fn from(error: HostError) -> Self {
        let retryable = matches!(error, HostError::Network { .. } | HostError::Busy { .. });
        match error {
            HostError::Unexpected { reason } => PlayerError::Internal { reason: short(&reason) },
            other => PlayerError::Source { reason: short(&other.to_string()), retryable },
        }
    }
}

/// The app's players in the words of the core.
pub(crate) struct PlayersAdapter {
    app: Arc<dyn PlatformPlayers>,
    next: AtomicU64,
}

impl PlayersAdapter {
    pub(crate) fn share(app: Arc<dyn PlatformPlayers>) -> Arc<dyn unspool::HostPlayers> {
        Arc::new(PlayersAdapter { app, next: AtomicU64::new(1) })
    }
}

/// One of them.
struct PlayerAdapter {
    app: Arc<dyn PlatformPlayers>,
    player: u64,
}

impl fmt::Debug for PlayersAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlayersAdapter")
    }
}

impl fmt::Debug for PlayerAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlayerAdapter({})", self.player)
    }
}

impl unspool::HostPlayers for PlayersAdapter {
    fn name(&self) -> Arc<dyn unspool::HostPlayer> {
        let player = self.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(PlayerAdapter { app: Arc::clone(&self.app), player })
    }
}

impl unspool::HostPlayer for PlayerAdapter {
    fn make(&self, address: String, loops: bool, reports: Reports) -> BoxFuture<'_, Result<(), PlayerError>> {
        Box::pin(async move {
            let request = PlayerRequest { address, looping: loops };
            Ok(self.app.make(self.player, request, Arc::new(PlayerReports(reports))).await?)
        })
    }

    fn wish(&self, wish: PlayerWish) -> BoxFuture<'_, Result<(), PlayerError>> {
        let (app, player) = (&self.app, self.player);
        Box::pin(async move {
            match wish {
                PlayerWish::Play => app.play(player).await?,
                PlayerWish::Pause => app.pause(player).await?,
                PlayerWish::Seek { ms, mode } => app.seek(player, ms, mode == SeekMode::Accurate).await?,
                PlayerWish::Mute(muted) => app.set_muted(player, muted).await?,
                PlayerWish::Volume(volume) => app.set_volume(player, volume).await?,
                PlayerWish::Rate(rate) => app.set_rate(player, rate).await?,
            }
            Ok(())
        })
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // What it throws changes nothing: it is gone for the core.
            let _ = self.app.release(self.player).await;
        })
    }
}
