//! Which window shows which card: one that all cards share, and one of its own for each card that was given one.
//!
//! The rule of ownership: a window belongs to the app and is lent from the call that gives it to the return of the call
//! that takes it away or replaces it; when that returned nothing draws into it any more, also not a player that was
//! released meanwhile. The calls come from any thread and act on the players at once, past the driver; the driver tells
//! which card has which player. Both under one lock, so that no player gets a window that was just taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unspool_engine::PlayerId;
use unspool_player::{PlayerPool, Surface};

use crate::error::Error;
use crate::players::{Opened, Screens};

/// Cards that may have windows of their own at once; a pager keeps three to five views.
const CARDS: usize = 64;

/// The windows of one feed.
#[derive(Debug)]
pub(crate) struct Windows(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pool: Option<Arc<PlayerPool>>,
    /// Where the app takes pictures itself; there are no windows then.
    screens: Option<Arc<dyn Screens>>,
    shared: Option<u64>,
    cards: BTreeMap<u64, u64>,
    players: BTreeMap<PlayerId, u64>,
    playing: Option<PlayerId>,
    /// Windows that were taken and were still drawn into when nobody waited any more.
    owed: BTreeSet<u64>,
}

impl Windows {
    pub(crate) fn new(shared: Option<u64>) -> Self {
        Windows(Mutex::new(State { shared, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The players are there.
    pub(crate) fn attach(&self, opened: &Opened) {
        let mut state = self.state();
        state.pool.clone_from(&opened.pipelines);
        state.screens.clone_from(&opened.screens);
    }

    /// Stops whatever still draws, as after a fault. Blocks for at most `within`.
    pub(crate) fn end(&self, within: Duration) {
        let pool = self.state().pool.take();
        if let Some(pool) = pool {
            pool.shutdown(within);
        }
    }

    /// A card has a player, which shows its first picture as soon as there is a window.
    pub(crate) fn prepared(&self, position: u64, player: PlayerId) {
        let screens = self.state().screens.clone();
        // The app is asked without the lock.
        if let Some(screens) = screens {
            let screen = Surface::Screen(screens.screen(position));
            self.state().give(player, screen);
            return;
        }
        let mut state = self.state();
        state.players.insert(player, position);
        if let Some(&window) = state.cards.get(&position) {
            state.show(player, window);
        }
    }

    /// A player is about to play.
    pub(crate) fn playing(&self, player: PlayerId) {
        let mut state = self.state();
        state.playing = Some(player);
        if let Some(window) = state.shared.filter(|_| !state.has_own(player)) {
            state.show(player, window);
        }
    }

    /// A player is about to be released.
    pub(crate) fn released(&self, player: PlayerId) {
        let mut state = self.state();
        state.players.remove(&player);
        state.playing.take_if(|playing| *playing == player);
    }

    /// Gives, replaces or takes away the window that cards share.
    pub(crate) fn set_shared(&self, window: Option<u64>) -> Result<(), Error> {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.shared, window);
        let playing = state.playing.filter(|&player| !state.has_own(player));
        if let Some((player, window)) = playing.zip(window) {
            state.show(player, window);
        }
        state.free(before.filter(|&before| window != Some(before)))
    }

    /// Gives, replaces or takes away the window of one card.
    pub(crate) fn set_card(&self, position: u64, window: Option<u64>) -> Result<(), Error> {
        let mut state = self.state();
        if window.is_some() && state.cards.len() >= CARDS && !state.cards.contains_key(&position) {
            let reason = format!("more than {CARDS} cards with windows: take away those that are gone");
            return Err(Error::Config { reason });
        }
        let before = match window {
            Some(window) => state.cards.insert(position, window),
            None => state.cards.remove(&position),
        };
        let player = state.players.iter().find(|(_, at)| **at == position).map(|(player, _)| *player);
        let shared = state.shared.filter(|_| player.is_some() && state.playing == player);
        if let (Some(player), Some(window)) = (player, window.or(shared)) {
            state.show(player, window);
        }
        state.free(before.filter(|&before| window != Some(before)))
    }
}

impl State {
    /// Whether a player's card has a window of its own.
    fn has_own(&self, player: PlayerId) -> bool {
        self.players.get(&player).is_some_and(|position| self.cards.contains_key(position))
    }

    fn show(&self, player: PlayerId, window: u64) {
        self.give(player, Surface::Window(window));
    }

    fn give(&self, player: PlayerId, surface: Surface) {
        let Some(pool) = &self.pool else { return };
        // A player that is gone shows nothing. A window it had before and that is still drawn into is remembered by the
        // pool, and waited for when it is taken away.
        if let Err(error) = pool.set_surface(player, Some(surface)) {
            tracing::debug!(%error, "a surface was given");
        }
    }

    /// Takes a window away from all who draw into it, unless somebody was given it besides, and those that earlier calls
    /// could not free.
    fn free(&mut self, window: Option<u64>) -> Result<(), Error> {
        self.owed.extend(window);
        let Some(pool) = &self.pool else {
            self.owed.clear();
            return Ok(());
        };
        let (shared, cards) = (self.shared, &self.cards);
        let mut free = Ok(());
        self.owed.retain(|&window| {
            if shared == Some(window) || cards.values().any(|w| *w == window) {
                return false;
            }
            let lost = pool.lose_window(window);
            let still = lost.is_err();
            if let Err(error) = lost {
                free = Err(held(&error));
            }
            still
        });
        free
    }
}

fn held(error: &unspool_player::PlayerError) -> Error {
    Error::Internal { reason: format!("a window is still being drawn into: {error}") }
}
