//! The page as the platform's player: what the core wishes goes to its `<video>` elements, what they tell comes back.
//!
//! The hub remembers what every player should be doing, so a page that was loaded again, or a second one that takes the
//! phone over, begins with the players as they are. Without a page wishes wait here; nothing waits for a page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use unspool::{PlatformFactory, PlatformPlayer, PlatformReport, PlayerError, Reports, SeekMode};

/// Wishes a page may be behind before it is cut off and has to begin anew: a second of frantic swiping is about fifty.
const BEHIND: usize = 512;

/// Players of the page.
#[derive(Debug, Default)]
pub struct Hub(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    made: u64,
    pages: u64,
    page: Option<(u64, mpsc::Sender<Value>)>,
    players: BTreeMap<u64, Held>,
}

/// What one player should be doing.
#[derive(Debug)]
struct Held {
    address: String,
    loops: bool,
    reports: Reports,
    plays: bool,
    muted: bool,
    volume: f64,
    rate: f64,
    seek: Option<u64>,
}

/// What a `<video>` tells.
#[derive(Debug, Deserialize)]
pub struct Told {
    player: u64,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum What {
    Ready { width: u32, height: u32 },
    Shown { ms: u64 },
    Position { ms: u64, frames: u64 },
    Waiting,
    Going,
    Wrapped,
    Ended,
    Dropped { total: u64 },
    Failed { reason: String, retryable: bool },
}

impl Hub {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page takes the phone: the one before is cut off. Gives its number and its wishes, which begin with every player
    /// there is.
    pub fn attach(&self) -> (u64, mpsc::Receiver<Value>) {
        let (wishes, received) = mpsc::channel(BEHIND);
        let mut inner = self.inner();
        inner.pages += 1;
        for (id, held) in &inner.players {
            for wish in held.wishes(*id) {
                // There is room: a feed has a handful of players.
                let _ = wishes.try_send(wish);
            }
        }
        let number = inner.pages;
        inner.page = Some((number, wishes));
        (number, received)
    }

    /// A page is gone; says whether it had the phone.
    pub fn detach(&self, page: u64) -> bool {
        let mut inner = self.inner();
        let had = inner.page.as_ref().is_some_and(|(number, _)| *number == page);
        if had {
            inner.page = None;
        }
        had
    }

    /// The gateway's folder of this path, if a player reads from there.
    pub fn folder(&self, path: &str) -> Option<String> {
        let inner = self.inner();
        let folders = inner
            .players
            .values()
            .filter_map(|held| held.address.rfind('/').map(|end| &held.address[..=end]));
        folders.into_iter().find(|folder| folder.ends_with(path)).map(str::to_owned)
    }

    /// Takes what the page tells. What a player tells that is gone is nobody's.
    pub fn tell(&self, told: Told) {
        let inner = self.inner();
        let Some(reports) = inner.players.get(&told.player).map(|held| held.reports.clone()) else { return };
        drop(inner);
        reports.tell(match told.what {
            What::Ready { width, height } => PlatformReport::Ready { width, height },
            What::Shown { ms } => PlatformReport::Shown { position_ms: ms },
            What::Position { ms, frames } => PlatformReport::Position { position_ms: ms, frames },
            What::Waiting => PlatformReport::Waiting,
            What::Going => PlatformReport::Going,
            What::Wrapped => PlatformReport::Wrapped,
            What::Ended => PlatformReport::Ended,
            What::Dropped { total } => PlatformReport::Dropped { total },
            What::Failed { mut reason, retryable } => {
                reason.truncate(reason.char_indices().nth(200).map_or(reason.len(), |(at, _)| at));
                PlatformReport::Failed { error: PlayerError::Source { reason, retryable } }
            }
        });
    }

    /// Changes what a player should be doing and tells the page.
    fn wish(&self, id: u64, change: impl FnOnce(&mut Held), wish: Value) {
        let mut inner = self.inner();
        if let Some(held) = inner.players.get_mut(&id) {
            change(held);
            inner.send(wish);
        }
    }
}

impl Inner {
    fn send(&mut self, wish: Value) {
        if self.page.as_ref().is_some_and(|(_, page)| page.try_send(wish).is_err()) {
            self.page = None;
        }
    }
}

impl Held {
    fn wishes(&self, id: u64) -> Vec<Value> {
        let mut wishes = vec![
            json!({ "wish": "make", "player": id, "address": self.address, "loops": self.loops }),
            json!({ "wish": "mute", "player": id, "on": self.muted }),
            json!({ "wish": "volume", "player": id, "volume": self.volume }),
            json!({ "wish": "rate", "player": id, "rate": self.rate }),
        ];
        wishes.extend(self.seek.map(|ms| json!({ "wish": "seek", "player": id, "ms": ms })));
        if self.plays {
            wishes.push(json!({ "wish": "play", "player": id }));
        }
        wishes
    }
}

/// Makes players of the page.
#[derive(Debug)]
pub struct Factory(pub Arc<Hub>);

impl PlatformFactory for Factory {
    fn make(
        &self,
        address: &str,
        loops: bool,
        reports: Reports,
    ) -> Result<Arc<dyn PlatformPlayer>, PlayerError> {
        let mut inner = self.0.inner();
        inner.made += 1;
        let id = inner.made;
        let address = address.to_owned();
        inner.send(json!({ "wish": "make", "player": id, "address": address, "loops": loops }));
        let held =
            Held { address, loops, reports, plays: false, muted: false, volume: 1.0, rate: 1.0, seek: None };
        inner.players.insert(id, held);
        Ok(Arc::new(Remote { hub: Arc::clone(&self.0), id }))
    }
}

#[derive(Debug)]
struct Remote {
    hub: Arc<Hub>,
    id: u64,
}

impl PlatformPlayer for Remote {
    fn play(&self) {
        self.hub.wish(self.id, |held| held.plays = true, json!({ "wish": "play", "player": self.id }));
    }

    fn pause(&self) {
        self.hub.wish(self.id, |held| held.plays = false, json!({ "wish": "pause", "player": self.id }));
    }

    fn seek(&self, ms: u64, _: SeekMode) {
        let wish = json!({ "wish": "seek", "player": self.id, "ms": ms });
        self.hub.wish(self.id, |held| held.seek = Some(ms), wish);
    }

    fn set_muted(&self, muted: bool) {
        let wish = json!({ "wish": "mute", "player": self.id, "on": muted });
        self.hub.wish(self.id, |held| held.muted = muted, wish);
    }

    fn set_volume(&self, volume: f64) {
        let wish = json!({ "wish": "volume", "player": self.id, "volume": volume });
        self.hub.wish(self.id, |held| held.volume = volume, wish);
    }

    fn set_rate(&self, rate: f64) {
        let wish = json!({ "wish": "rate", "player": self.id, "rate": rate });
        self.hub.wish(self.id, |held| held.rate = rate, wish);
    }

    fn release(&self) {
        let mut inner = self.hub.inner();
        inner.send(json!({ "wish": "release", "player": self.id }));
        let held = inner.players.remove(&self.id);
        drop(inner);
        if let Some(held) = held {
            held.reports.tell(PlatformReport::Gone);
        }
    }
}
