//! Players of the platform, such as `ExoPlayer` and `AVPlayer`, in the place of the core's own.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use unspool::{PlatformReport, PlayerError, PlayerWish, Reports, SeekMode};

use crate::host::HostError;

/// Longest reason of a failure, in characters: a line of a log.
const REASON_CHARS: usize = 256;

/// Makes players of the platform, one for each card that is prepared.
///
/// Called from the session's own threads. Each call has the session's request time-out and is cancelled after it; what it
/// throws, and a call that is late, is the failure of that player.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait PlayerFactory: Send + Sync {
    /// Makes one that loads `request.address`, stands paused at its first picture and tells what happens to `reports`.
    async fn make(
        &self,
        request: PlayerRequest,
        reports: Arc<PlayerReports>,
    ) -> Result<Arc<dyn PlatformPlayer>, HostError>;
}

/// One player of the platform. Its calls come one at a time and say what is wished for now: of wishes that wait only the
/// newest of each kind is passed on.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait PlatformPlayer: Send + Sync {
    /// Runs.
    async fn play(&self) -> Result<(), HostError>;
    /// Stands still; the picture stays.
    async fn pause(&self) -> Result<(), HostError>;
    /// Jumps to a place in milliseconds: itself where `exact`, else the key frame at or before it.
    async fn seek(&self, position_ms: u64, exact: bool) -> Result<(), HostError>;
    /// Sound off or on.
    async fn set_muted(&self, muted: bool) -> Result<(), HostError>;
    /// Volume from 0 to 1.
    async fn set_volume(&self, volume: f64) -> Result<(), HostError>;
    /// Speed, from 0.25 to 4 times.
    async fn set_rate(&self, rate: f64) -> Result<(), HostError>;
    /// Goes away for good: when it returns nothing is read or drawn any more. Called once, and last.
    async fn release(&self) -> Result<(), HostError>;
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
pub(crate) struct PlayersAdapter(pub(crate) Arc<dyn PlayerFactory>);

struct PlayerAdapter(Arc<dyn PlatformPlayer>);

impl fmt::Debug for PlayersAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlayersAdapter")
    }
}

impl fmt::Debug for PlayerAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlayerAdapter")
    }
}

impl unspool::HostPlayers for PlayersAdapter {
    fn make<'a>(
        &'a self,
        address: String,
        loops: bool,
        reports: Reports,
    ) -> BoxFuture<'a, Result<Arc<dyn unspool::HostPlayer>, PlayerError>> {
        Box::pin(async move {
            let request = PlayerRequest { address, looping: loops };
            let player = self.0.make(request, Arc::new(PlayerReports(reports))).await?;
            Ok(Arc::new(PlayerAdapter(player)) as Arc<dyn unspool::HostPlayer>)
        })
    }
}

impl unspool::HostPlayer for PlayerAdapter {
    fn wish(&self, wish: PlayerWish) -> BoxFuture<'_, Result<(), PlayerError>> {
        Box::pin(async move {
            match wish {
                PlayerWish::Play => self.0.play().await?,
                PlayerWish::Pause => self.0.pause().await?,
                PlayerWish::Seek { ms, mode } => self.0.seek(ms, mode == SeekMode::Accurate).await?,
                PlayerWish::Mute(muted) => self.0.set_muted(muted).await?,
                PlayerWish::Volume(volume) => self.0.set_volume(volume).await?,
                PlayerWish::Rate(rate) => self.0.set_rate(rate).await?,
            }
            Ok(())
        })
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // What it throws changes nothing: it is gone for the core.
            let _ = self.0.release().await;
        })
    }
}
