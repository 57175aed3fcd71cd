//! What the app asks of players besides cards: sound and speed for the current card and those after it, the system's word
//! about the loudspeaker, and what the device can bear.

use unspool_engine::{FocusKeeper, MediaKey, PlayerId, SoundFocus, Time, Viewer};
use unspool_media::Layout;
use unspool_player::{MediaFrom, Players, SeekMode};

use super::Driver;
use crate::clock::Clock;
use crate::players::PlayerEngine;

/// One wish of the app.
#[derive(Debug, Clone)]
pub(crate) enum Control {
    Pause(bool),
    Seek(u64, SeekMode),
    Mute(bool),
    Volume(f64),
    Rate(f64),
    /// The system said something about the loudspeaker.
    Focus(SoundFocus),
    /// What players may take has changed.
    Budget,
    /// The languages of captions have changed.
    Captions,
    /// Whether cards play by themselves has changed.
    Motion,
    /// The gateway's addresses from before are dead.
    Rebound,
}

/// How players sound and run, now and from now on.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) muted: bool,
    pub(super) volume: f64,
    pub(super) rate: f64,
    keeper: FocusKeeper,
    /// What the system leaves of the volume.
    share: f64,
    /// Whether the card stands because another app has the loudspeaker for a while.
    pub(super) interrupted: bool,
}

impl Sound {
    /// As it begins, after what the system said last.
    pub(super) fn new(focus: SoundFocus) -> Self {
        let mut keeper = FocusKeeper::default();
        let share = keeper.handle_focus(focus, false).volume;
        Sound { muted: false, volume: 1.0, rate: 1.0, keeper, share, interrupted: false }
    }

    fn level(&self) -> f64 {
        self.volume * self.share
    }

    /// What the person does outlives an interruption.
    pub(super) fn handle_person(&mut self) {
        self.keeper.handle_person();
        self.interrupted = false;
    }
}

impl Driver {
    pub(super) fn control(&mut self, now: Time, control: Control) {
        match control {
            Control::Pause(paused) => {
                self.sound.handle_person();
                // To let a card run is to go on; a break stands in the way of that too.
                if paused || !self.engine.is_resting() || self.go_on(now, true).is_ok() {
                    self.set_paused(now, paused);
                }
            }
            Control::Seek(ms, mode) => {
                self.engine.handle_viewer(now, Clock::wall(), Viewer::Sought);
                self.with_current(|players, player| players.seek(player, ms, mode));
                self.point(now, ms, false);
            }
            Control::Mute(muted) => {
                self.sound.muted = muted;
                self.engine.handle_viewer(now, Clock::wall(), Viewer::Muted(muted));
                self.with_all(|players, player| players.set_muted(player, muted));
            }
            Control::Volume(volume) => {
                self.sound.volume = volume;
                self.tell_level();
            }
            Control::Rate(rate) => {
                self.sound.rate = rate;
                self.engine.handle_viewer(now, Clock::wall(), Viewer::Rate(rate));
                self.with_all(|players, player| players.set_rate(player, rate));
                self.point(now, self.playhead_ms, false);
            }
            Control::Focus(focus) => self.focus(now, focus),
            Control::Budget => self.tell_budget(now),
            Control::Motion => self.tell_motion(now),
            Control::Captions => self.set_languages(self.core.board.now().captions),
            Control::Rebound => {
                if matches!(self.core.config.engine, PlayerEngine::Platform { .. }) {
                    self.engine.handle_players_lost(now);
                }
            }
        }
    }

    fn set_paused(&mut self, now: Time, paused: bool) {
        if self.engine.is_resting() {
            return;
        }
        self.paused = paused;
        self.engine.handle_paused(now, paused);
        self.point(now, self.playhead_ms, false);
    }

    /// Ducks, pauses and lets go on; a pause is told as one, so that the viewing does not count it.
    fn focus(&mut self, now: Time, focus: SoundFocus) {
        let playing = self.engine.current().is_some() && self.conditions.foreground && !self.paused;
        let action = self.sound.keeper.handle_focus(focus, playing);
        if (self.sound.share - action.volume).abs() > f64::EPSILON {
            self.sound.share = action.volume;
            self.tell_level();
        }
        if let Some(hold) = action.hold {
            self.set_paused(now, hold);
        }
        self.sound.interrupted = match focus {
            SoundFocus::LostForNow => self.sound.interrupted || action.hold == Some(true),
            SoundFocus::Duck => self.sound.interrupted,
            SoundFocus::Gained | SoundFocus::Lost | SoundFocus::BecomingNoisy => false,
        };
    }

    fn tell_level(&self) {
        let level = self.sound.level();
        self.with_all(|players, player| players.set_volume(player, level));
    }

    /// Tells the stage, which lets go of what is too much, before the players, which only refuse.
    pub(super) fn tell_budget(&mut self, now: Time) {
        let wishes = self.core.board.now();
        let most = wishes.pressure.players(wishes.players);
        self.engine.handle_player_budget(now, most, wishes.memory_bytes);
        if let Some(players) = &self.pool {
            players.set_budget(most, wishes.memory_bytes);
        }
    }

    /// Makes a player and tells it how to sound.
    pub(super) fn prepare(
        &mut self,
        players: &dyn Players,
        player: PlayerId,
        key: &MediaKey,
    ) -> Result<(), String> {
        let (from, info) = match &self.core.config.engine {
            PlayerEngine::Platform { files, .. } => {
                let info = self.core.media.info(key).ok_or("the rendition is not known yet")?;
                let file = (*files && info.layout != Layout::Segmented).then(|| self.lease(player, key));
                let address = match file.flatten() {
                    Some(address) => address,
                    None => self.core.gate.url(&self.core.media, key).map_err(|e| e.to_string())?,
                };
                (MediaFrom::Address(address), info)
            }
            _ => {
                let (source, info) = self.core.media.planned(key).map_err(|e| e.to_string())?;
                (MediaFrom::Source(source), info)
            }
        };
        players.prepare(player, from, info).map_err(|e| e.to_string())?;
        self.alive.insert(player);
        if let Some(position) = self.engine.stage().position(player) {
            self.windows.prepared(position, player);
        }
        let (muted, level, rate) = (self.sound.muted, self.sound.level(), self.sound.rate);
        let told = [
            muted.then(|| players.set_muted(player, true)),
            (level < 1.0).then(|| players.set_volume(player, level)),
            ((rate - 1.0).abs() > f64::EPSILON).then(|| players.set_rate(player, rate)),
        ];
        told.into_iter().flatten().try_for_each(|told| told.map_err(|e| e.to_string()))
    }

    /// The address of a complete rendition's file, which stays until the player is gone.
    fn lease(&mut self, player: PlayerId, key: &MediaKey) -> Option<String> {
        if !self.core.media.is_complete(key) {
            return None;
        }
        // Checks what was not checked yet, at the speed of the disk; the other worker goes on meanwhile.
        let file = tokio::task::block_in_place(|| self.core.media.complete_file(key)).ok()?;
        let address = url::Url::from_file_path(file.path()).ok()?.to_string();
        self.leases.insert(player, file);
        Some(address)
    }

    pub(super) fn with_current<E: std::fmt::Display>(
        &self,
        run: impl FnOnce(&dyn Players, PlayerId) -> Result<(), E>,
    ) {
        let player = self.engine.current().and_then(|p| self.engine.stage().player(p));
        if let (Some(players), Some(player)) = (&self.pool, player)
            && let Err(e) = run(&**players, player)
        {
            tracing::warn!(%e, "player command refused");
        }
    }

    fn with_all<E: std::fmt::Display>(&self, run: impl Fn(&dyn Players, PlayerId) -> Result<(), E>) {
        let Some(players) = &self.pool else { return };
        for &player in &self.alive {
            if let Err(e) = run(&**players, player) {
                tracing::warn!(%e, "player command refused");
            }
        }
    }
}
