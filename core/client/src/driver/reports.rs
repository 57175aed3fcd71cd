//! What players report: facts for the engine, events for the app, pictures counted.

use unspool_engine::session::PlayerFact;
use unspool_engine::{PlayerId, StartClass, Time};
use unspool_player::{PlayerEvent, StallReason};

use super::{Driver, Intent};
use crate::events::Event;

impl Driver {
    pub(super) fn handle_player(&mut self, event: PlayerEvent) {
        let now = self.clock.now();
        let id = event.id();
        let position = self.engine.stage().position(id);
        let item = position.and_then(|p| self.engine.item(p)).map(|i| i.id.clone()).unwrap_or_default();
        let fact = match event {
            PlayerEvent::PreRolled { .. } => {
                self.prerolled.insert(id);
                return;
            }
            PlayerEvent::FirstFrame { class, latency_ms, width, height, luma, .. } => {
                self.prerolled.insert(id);
                if self.frames == 0 {
                    let shown = self.counted.get(&id).copied().unwrap_or(0) + 1;
                    self.count_frames(id, shown);
                }
                if position.is_some() && position == self.engine.current() {
                    self.point(now, self.playhead_ms, true);
                }
                let asked = self.take_intent(position, class, latency_ms);
                if let Some(position) = position {
                    let luma = luma.map(|l| l.mean);
                    self.events.push(match asked {
                        Some((class, latency_ms)) => {
                            Event::FirstFrame { position, item, class, latency_ms, width, height, luma }
                        }
                        None => Event::Resumed { position },
                    });
                }
                let (class, latency_ms) = asked.unwrap_or((class, latency_ms));
                PlayerFact::FirstFrame { class, latency_ms }
            }
            PlayerEvent::Position { position_ms, active_ms, frames, .. } => {
                self.count_frames(id, frames);
                self.count_watched(id, active_ms);
                if position.is_some() && position == self.engine.current() {
                    self.playhead_ms = position_ms;
                    self.point(now, position_ms, true);
                    self.tell_playback(false);
                    self.tell_held(now);
                }
                PlayerFact::Progress { playhead_ms: position_ms, active_ms }
            }
            PlayerEvent::StallBegin { position_ms, reason, .. } => {
                if position.is_some() && position == self.engine.current() {
                    self.playhead_ms = position_ms;
                    self.point(now, position_ms, false);
                    self.tell_playback(true);
                    self.tell_held(now);
                }
                if reason != StallReason::WaitingForBytes {
                    return;
                }
                PlayerFact::Starved { playhead_ms: position_ms }
            }
            PlayerEvent::Rendition { .. }
            | PlayerEvent::Dropped { .. }
            | PlayerEvent::SurfaceFailed { .. }
            | PlayerEvent::Ended { .. } => {
                if let Some(position) = position {
                    let event = Event::of_player(position, event);
                    event.into_iter().for_each(|event| self.events.push(event));
                }
                return;
            }
            PlayerEvent::StallEnd { ms, .. } => {
                if let Some(position) = position {
                    self.events.push(Event::Stalled { position, ms });
                }
                PlayerFact::Stalled { ms }
            }
            PlayerEvent::Looped { .. } => {
                if let Some(position) = position {
                    self.events.push(Event::Looped { position });
                }
                PlayerFact::Looped
            }
            PlayerEvent::Error { error, recoverable, .. } => {
                PlayerFact::Failed { reason: error.to_string(), recoverable }
            }
            PlayerEvent::Released { .. } => {
                self.prerolled.remove(&id);
                self.leases.remove(&id);
                self.counted.remove(&id);
                self.forget_watched(id);
                return;
            }
        };
        self.engine.handle_player(now, id, fact);
    }

    /// What is held of the current card, requests under way included.
    fn tell_held(&mut self, now: Time) {
        let current = self.engine.current();
        if let Some(key) = current.and_then(|p| self.engine.planner().key(p)).cloned() {
            let held = self.core.media.held(&key);
            self.engine.handle_held(now, &key, held);
        }
    }

    /// Takes in that a player has shown `frames` pictures since it was prepared; those of the current card count.
    fn count_frames(&mut self, id: PlayerId, frames: u64) {
        let before = self.counted.insert(id, frames).unwrap_or(0);
        let position = self.engine.stage().position(id);
        if position.is_some() && position == self.engine.current() {
            self.frames += frames.saturating_sub(before);
        }
    }

    /// Counts a first frame from the swipe that asked for it; `None` when no swipe did.
    fn take_intent(
        &mut self,
        position: Option<u64>,
        class: StartClass,
        latency_ms: f64,
    ) -> Option<(StartClass, f64)> {
        let Intent { at, expected, played_at, .. } = self.intent.take_if(|i| Some(i.position) == position)?;
        let before = played_at.unwrap_or(at).saturating_duration_since(at).as_secs_f64() * 1_000.0;
        Some((class.max(expected), latency_ms + before))
    }
}
