//! Players of the platform as an app writes them: asynchronous calls, which may take their time and may fail.
//!
//! Between them and the players' port, whose calls only pass a wish on, stands one task for each player. It knows what is
//! wished for and not done yet, the newest wish of each kind alone, and passes one after the other on: an app that is slow
//! gets the place last sought and no history of scrubbing. A call that fails, or is not answered in time, is the failure of
//! that player; the card gets another one or is passed over, as with any player.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use unspool_media::tasks;
use unspool_player::platform::{PlatformFactory, PlatformPlayer, PlatformReport, Reports};
use unspool_player::{PlayerError, SeekMode};

/// One thing that is wished of a player.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlayerWish {
    /// Run.
    Play,
    /// Stand still; the picture stays.
    Pause,
    /// Go to this place, in milliseconds of media time.
    Seek {
        /// The place.
        ms: u64,
        /// How exactly.
        mode: SeekMode,
    },
    /// Sound off or on.
    Mute(bool),
    /// Volume from 0 to 1.
    Volume(f64),
    /// Speed, from 0.25 to 4 times.
    Rate(f64),
}

/// Makes players; an app's own code.
pub trait HostPlayers: Send + Sync + std::fmt::Debug {
    /// A player to be; nothing is done for it before its [`make`](HostPlayer::make). Returns at once.
    fn name(&self) -> Arc<dyn HostPlayer>;
}

/// One player; an app's own code. Its calls come one at a time: `make`, wishes, `release`.
pub trait HostPlayer: Send + Sync + std::fmt::Debug {
    /// Makes it: it loads `address`, stands paused at its first picture and tells what happens to `reports`.
    ///
    /// # Errors
    /// Whatever keeps it from being made; the player has failed then.
    fn make(&self, address: String, loops: bool, reports: Reports) -> BoxFuture<'_, Result<(), PlayerError>>;

    /// Does one thing.
    ///
    /// # Errors
    /// Whatever keeps it from being done; the player has failed then.
    fn wish(&self, wish: PlayerWish) -> BoxFuture<'_, Result<(), PlayerError>>;

    /// Goes away for good. When it returns nothing is drawn or read any more. Called once, and last, also for a player
    /// whose making failed or was late.
    fn release(&self) -> BoxFuture<'_, ()>;
}

/// An app's players as a factory for [`PlayerEngine::Platform`](crate::PlayerEngine). Each call has `patience` for its
/// answer, and is dropped after it.
#[must_use]
pub fn share_players(app: Arc<dyn HostPlayers>, patience: Duration) -> Arc<dyn PlatformFactory> {
    Arc::new(Factory { app, patience })
}

#[derive(Debug)]
struct Factory {
    app: Arc<dyn HostPlayers>,
    patience: Duration,
}

impl PlatformFactory for Factory {
    fn make(
        &self,
        address: &str,
        loops: bool,
        reports: Reports,
    ) -> Result<Arc<dyn PlatformPlayer>, PlayerError> {
        // Players are made by the driver, which runs on the session's threads.
        let handle = Handle::try_current()
            .map_err(|_| PlayerError::Internal { reason: "not on a thread of the session".to_owned() })?;
        let desk = Arc::new(Desk::default());
        let (player, patience) = (self.app.name(), self.patience);
        let (address, wanted) = (address.to_owned(), Arc::clone(&desk));
        tasks::spawn_on(&handle, async move {
            let made = player.make(address, loops, reports.clone());
            let able = done(tokio::time::timeout(patience, made).await, &reports);
            serve(&*player, able, &wanted, &reports, patience).await;
            if tokio::time::timeout(patience, player.release()).await.is_err() {
                tracing::warn!("a player of the app was not released in time");
            }
            reports.tell(PlatformReport::Gone);
        });
        Ok(desk)
    }
}

/// Passes wishes on until the player is to be released; one that has failed is only waited for.
async fn serve(player: &dyn HostPlayer, mut able: bool, desk: &Desk, reports: &Reports, patience: Duration) {
    while let Next::Wish(wish) = desk.next().await {
        if able {
            able = done(tokio::time::timeout(patience, player.wish(wish)).await, reports);
        }
    }
}

/// Tells a call that failed or was late; whether it was done.
fn done(answer: Result<Result<(), PlayerError>, Elapsed>, reports: &Reports) -> bool {
    let late =
        |_| Err(PlayerError::Internal { reason: "a player of the app did not answer in time".to_owned() });
    match answer.unwrap_or_else(late) {
        Ok(()) => true,
        Err(error) => {
            reports.tell(PlatformReport::Failed { error });
            false
        }
    }
}

/// What is wished of one player and not passed on yet.
#[derive(Debug, Default)]
struct Desk {
    wanted: Mutex<Wanted>,
    called: Notify,
}

#[derive(Debug, Default)]
struct Wanted {
    muted: Option<bool>,
    volume: Option<f64>,
    rate: Option<f64>,
    seek: Option<(u64, SeekMode)>,
    plays: Option<bool>,
    release: bool,
}

enum Next {
    Wish(PlayerWish),
    Release,
}

impl Wanted {
    /// The next thing to do: going away before all else, then how it sounds, then where it is, then whether it runs.
    fn take(&mut self) -> Option<Next> {
        if self.release {
            return Some(Next::Release);
        }
        let wish = (self.muted.take().map(PlayerWish::Mute))
            .or_else(|| self.volume.take().map(PlayerWish::Volume))
            .or_else(|| self.rate.take().map(PlayerWish::Rate))
            .or_else(|| self.seek.take().map(|(ms, mode)| PlayerWish::Seek { ms, mode }))
            .or_else(|| {
                self.plays.take().map(|plays| if plays { PlayerWish::Play } else { PlayerWish::Pause })
            });
        wish.map(Next::Wish)
    }
}

impl Desk {
    fn ask(&self, wish: impl FnOnce(&mut Wanted)) {
        wish(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        self.called.notify_one();
    }

    async fn next(&self) -> Next {
        loop {
            let next = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).take();
            match next {
                Some(next) => return next,
                None => self.called.notified().await,
            }
        }
    }
}

impl PlatformPlayer for Desk {
    fn play(&self) {
        self.ask(|wanted| wanted.plays = Some(true));
    }

    fn pause(&self) {
        self.ask(|wanted| wanted.plays = Some(false));
    }

    fn seek(&self, ms: u64, mode: SeekMode) {
        self.ask(|wanted| wanted.seek = Some((ms, mode)));
    }

    fn set_muted(&self, muted: bool) {
        self.ask(|wanted| wanted.muted = Some(muted));
    }

    fn set_volume(&self, volume: f64) {
        self.ask(|wanted| wanted.volume = Some(volume));
    }

    fn set_rate(&self, rate: f64) {
        self.ask(|wanted| wanted.rate = Some(rate));
    }

    fn release(&self) {
        self.ask(|wanted| wanted.release = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_newest_wish_of_a_kind_is_passed_on_and_a_release_before_all() {
        let desk = Desk::default();
        desk.play();
        for ms in 0..100 {
            desk.seek(ms, SeekMode::Keyframe);
        }
        desk.pause();
        desk.set_volume(0.5);
        let mut seen = Vec::new();
        for _ in 0..3 {
            match desk.next().await {
                Next::Wish(wish) => seen.push(wish),
                Next::Release => unreachable!(),
            }
        }
        let seek = PlayerWish::Seek { ms: 99, mode: SeekMode::Keyframe };
        assert_eq!(seen, [PlayerWish::Volume(0.5), seek, PlayerWish::Pause]);
        desk.play();
        desk.release();
        assert!(matches!(desk.next().await, Next::Release));
    }
}
