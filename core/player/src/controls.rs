//! What a host asks of a player besides playing: jumps, sound, surfaces, and what the device can bear.

use crate::lock::lock;
use crate::player::{Command, Intent, Player};
use crate::port::{MediaFrom, Players, check_rate, check_volume};
use crate::surface::Easel;
use crate::{PlayerError, PlayerId, PlayerPool, PlayerSnapshot, PoolCounts, SeekMode, SoundFocus, Surface};
use std::sync::Arc;
use std::time::{Duration, Instant};
use unspool_media::MediaInfo;

/// Longest wait for a surface to be free of drawing.
///
/// A picture is drawn in a few milliseconds; a system that wants its surface back waits about as long as this before it
/// calls an app unresponsive.
const SURFACE_PATIENCE: Duration = Duration::from_millis(500);

impl PlayerPool {
    /// Jumps to `ms`, in milliseconds of media time.
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn seek(&self, id: PlayerId, ms: u64, mode: SeekMode) -> Result<(), PlayerError> {
        let now = Instant::now();
        self.player(id).map(|player| {
            let to = Duration::from_millis(ms.min(player.info.duration_ms));
            player.seek(to, mode, now);
        })
    }

    /// Turns sound off or on; heard with [`AudioOutput::Device`](crate::AudioOutput::Device).
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn set_muted(&self, id: PlayerId, muted: bool) -> Result<(), PlayerError> {
        self.player(id).map(|player| player.command(Command::Mute(muted)))
    }

    /// Sets the volume, from 0 to 1; heard with [`AudioOutput::Device`](crate::AudioOutput::Device).
    ///
    /// # Errors
    /// [`PlayerError::Invalid`] outside that range, else [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn set_volume(&self, id: PlayerId, volume: f64) -> Result<(), PlayerError> {
        check_volume(volume)?;
        let player = self.player(id)?;
        lock(&player.control).volume = volume;
        player.command(Command::Volume(volume * self.focus_volume()));
        Ok(())
    }

    /// Sets the speed, from 0.25 to 4 times.
    ///
    /// # Errors
    /// [`PlayerError::Invalid`] outside that range, else [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`].
    pub fn set_rate(&self, id: PlayerId, rate: f64) -> Result<(), PlayerError> {
        check_rate(rate)?;
        let player = self.player(id)?;
        lock(&player.control).rate = rate;
        player.command(Command::Rate(rate));
        Ok(())
    }

    /// Gives a player a surface, replaces the one it has, or takes it away with `None`.
    ///
    /// When this returns nothing draws into the surface that was taken or replaced, so it may be destroyed. A player
    /// that was asked to play goes on when it has a surface again; meanwhile it stands still and nothing counts as
    /// watched, unless the pool is [`Headless`](crate::VideoSink::Headless). The last picture is drawn at once into a
    /// new surface. Players may share a window: the one that plays draws.
    ///
    /// Threads: waits for a picture that is being drawn, at most half a second.
    ///
    /// # Errors
    /// [`PlayerError::Surface`] if drawing did not end in that time; [`PlayerError::NoSuchPlayer`] or
    /// [`PlayerError::Closed`].
    pub fn set_surface(&self, id: PlayerId, surface: Option<Surface>) -> Result<(), PlayerError> {
        let player = self.player(id)?;
        let next = surface.map(|surface| self.easel(surface));
        let before = std::mem::replace(&mut *lock(&player.easel), next.clone());
        if let Some(easel) = &next {
            easel.claim(player.serial);
        }
        player.surface_changed(next.is_some(), Instant::now());
        let same = before.as_ref().zip(next.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b));
        match before.filter(|_| !same) {
            Some(easel) if !self.is_used(&easel) => self.free(easel),
            _ => Ok(()),
        }
    }

    /// Takes a window away from every player that has it, also from those that were released and are still stopping, and
    /// after a shutdown; for a window that several players share, and for one that must be free now. Called again after an
    /// error it waits again.
    ///
    /// # Errors
    /// As [`set_surface`](PlayerPool::set_surface).
    pub fn lose_window(&self, handle: u64) -> Result<(), PlayerError> {
        let has = |player: &Player| {
            lock(&player.easel).as_ref().is_some_and(|easel| easel.window() == Some(handle))
        };
        let mut free = Ok(());
        for player in self.all().into_iter().filter(|player| has(player)) {
            match self.set_surface(player.id, None) {
                // Released meanwhile: it is among those that leave.
                Err(PlayerError::NoSuchPlayer { .. } | PlayerError::Closed) => {}
                taken => free = free.and(taken),
            }
        }
        for player in self.leaving().into_iter().filter(|player| has(player)) {
            let easel = lock(&player.easel).take();
            if let Some(easel) = easel.filter(|easel| !self.is_used(easel)) {
                free = free.and(self.free(easel));
            }
        }
        let owed = std::mem::take(&mut *lock(&self.owed));
        for easel in owed {
            let asked = easel.window() == Some(handle);
            match self.free(easel) {
                Err(error) if asked => free = Err(error),
                _ => {}
            }
        }
        free
    }

    /// Waits until nothing touches a surface that was taken; remembers it when that takes too long.
    fn free(&self, easel: Arc<Easel>) -> Result<(), PlayerError> {
        if easel.close(SURFACE_PATIENCE) {
            return Ok(());
        }
        lock(&self.owed).push(easel);
        Err(PlayerError::Surface { reason: "a picture is still being drawn".to_owned() })
    }

    /// Says what the system says about sound: players are ducked, paused and let go on by the rule of
    /// [`FocusKeeper`](unspool_engine::FocusKeeper).
    pub fn handle_focus(&self, focus: SoundFocus) {
        let players = self.all();
        let playing: Vec<_> =
            players.iter().filter(|player| lock(&player.control).intent == Intent::Play).collect();
        let (action, held) = {
            let mut state = lock(&self.focus);
            let action = state.keeper.handle_focus(focus, !playing.is_empty());
            state.volume = action.volume;
            let held = match action.hold {
                Some(true) => {
                    state.held = playing.iter().map(|player| player.id).collect();
                    Vec::new()
                }
                Some(false) => std::mem::take(&mut state.held),
                None => Vec::new(),
            };
            (action, held)
        };
        for player in &players {
            let volume = lock(&player.control).volume;
            player.command(Command::Volume(volume * action.volume));
        }
        if action.hold == Some(true) {
            for player in playing {
                player.stand(Intent::Pause);
            }
        }
        for player in players.iter().filter(|player| held.contains(&player.id)) {
            player.play(Instant::now());
        }
    }

    /// Says how fast the network is, in bits a second, so that a start whose rest will arrive in time need not wait.
    pub fn set_throughput(&self, bps: Option<u64>) {
        self.pace.set(bps);
    }

    /// Says how many players and how many bytes of memory the device can bear from now on.
    ///
    /// Players that exist stay; `prepare` refuses what does not fit.
    pub fn set_budget(&self, max_players: usize, memory_bytes: u64) {
        let mut budget = lock(&self.budget);
        (budget.players, budget.bytes) = (max_players.max(1), memory_bytes);
    }

    /// The easel of a window is shared by all players that draw into it.
    pub(crate) fn easel(&self, surface: Surface) -> Arc<Easel> {
        let Surface::Window(handle) = surface else { return Easel::new(surface) };
        // A window has one easel at a time, so a player that is still stopping hands on its own.
        let existing = self
            .all()
            .iter()
            .chain(&self.leaving())
            .filter_map(|p| lock(&p.easel).clone())
            .find(|e| e.window() == Some(handle) && !e.is_closed());
        existing.unwrap_or_else(|| Easel::new(surface))
    }

    fn is_used(&self, easel: &Arc<Easel>) -> bool {
        self.all().iter().any(|p| lock(&p.easel).as_ref().is_some_and(|e| Arc::ptr_eq(e, easel)))
    }
}

impl Players for PlayerPool {
    fn prepare(&self, id: PlayerId, from: MediaFrom, info: Arc<MediaInfo>) -> Result<(), PlayerError> {
        match from {
            MediaFrom::Source(source) => PlayerPool::prepare(self, id, source, info),
            MediaFrom::Address(_) => {
                Err(PlayerError::Invalid { reason: "pipelines read byte sources".to_owned() })
            }
        }
    }

    fn play(&self, id: PlayerId) -> Result<(), PlayerError> {
        PlayerPool::play(self, id)
    }

    fn pause(&self, id: PlayerId) -> Result<(), PlayerError> {
        PlayerPool::pause(self, id)
    }

    fn park(&self, id: PlayerId) -> Result<(), PlayerError> {
        PlayerPool::park(self, id)
    }

    fn seek(&self, id: PlayerId, ms: u64, mode: SeekMode) -> Result<(), PlayerError> {
        PlayerPool::seek(self, id, ms, mode)
    }

    fn set_muted(&self, id: PlayerId, muted: bool) -> Result<(), PlayerError> {
        PlayerPool::set_muted(self, id, muted)
    }

    fn set_volume(&self, id: PlayerId, volume: f64) -> Result<(), PlayerError> {
        PlayerPool::set_volume(self, id, volume)
    }

    fn set_rate(&self, id: PlayerId, rate: f64) -> Result<(), PlayerError> {
        PlayerPool::set_rate(self, id, rate)
    }

    fn set_budget(&self, max_players: usize, memory_bytes: u64) {
        PlayerPool::set_budget(self, max_players, memory_bytes);
    }

    fn set_throughput(&self, bps: Option<u64>) {
        PlayerPool::set_throughput(self, bps);
    }

    fn release(&self, id: PlayerId) -> Result<(), PlayerError> {
        PlayerPool::release(self, id)
    }

    fn snapshot(&self, id: PlayerId) -> Option<PlayerSnapshot> {
        PlayerPool::snapshot(self, id)
    }

    fn counts(&self) -> PoolCounts {
        PlayerPool::counts(self)
    }

    fn shutdown(&self, deadline: Duration) -> bool {
        PlayerPool::shutdown(self, deadline)
    }
}
