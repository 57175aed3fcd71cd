//! A swipe: the feed moves, waits for a card, or says why it cannot.

use std::time::Instant;

use unspool_engine::feed::Step;
use unspool_engine::{Millis, StartClass, Time};

use super::{Card, Driver, Intent, Reply, Waiting, public};
use crate::clock::Clock;
use crate::error::Error;
use crate::events::Event;

impl Driver {
    pub(super) fn step(&mut self, now: Time, forward: bool, asked: Instant, reply: Reply<Card>) {
        if reply.is_closed() {
            return;
        }
        let rested = match self.go_on(now, false) {
            Ok(rested) => rested,
            Err(card) => {
                let _ = reply.send(Err(Error::Break(card)));
                return;
            }
        };
        let wall = Clock::wall();
        let step =
            if forward { self.engine.handle_next(now, wall) } else { self.engine.handle_previous(now, wall) };
        if rested && !matches!(step, Step::Moved(_)) {
            // There is nowhere to go yet: the card that stood goes on.
            self.engine.handle_rest_over(now, wall, true);
        }
        match step {
            Step::Moved(position) => {
                if forward {
                    self.core.wellbeing.moved();
                }
                let ready = self.engine.stage().player(position).is_some_and(|p| self.prerolled.contains(&p));
                let expected = match self.engine.playable_ms(position) {
                    _ if ready => StartClass::PreRolled,
                    0 => StartClass::Cold,
                    _ => StartClass::Cached,
                };
                self.intent = Some(Intent { position, at: asked, expected, played_at: None });
                self.playhead_ms = 0;
                self.frames = 0;
                self.paused = self.engine.is_held();
                self.sound.handle_person();
                self.point(now, 0, false);
                if let Some(card) = self.card(position) {
                    self.events.push(Event::Current { position, item: card.item.id.clone() });
                    let _ = reply.send(Ok(card));
                }
            }
            Step::Waiting => match self.page_trouble.take() {
                Some(trouble) => {
                    let _ = reply.send(Err(public(&trouble)));
                }
                None => {
                    let wait =
                        u64::try_from(self.core.config.request_timeout.as_millis()).unwrap_or(u64::MAX);
                    self.waiting.push_back(Waiting { forward, until: now + Millis(wait), asked, reply });
                }
            },
            Step::AtEnd | Step::Resting => {
                let error = match &self.page_trouble {
                    Some(trouble) if !trouble.retryable() => public(trouble),
                    _ if !self.conditions.online => Error::Offline,
                    _ => Error::EndOfFeed,
                };
                let _ = reply.send(Err(error));
            }
        }
    }
}
