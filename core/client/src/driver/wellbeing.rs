//! The edge of well-being in an open feed: what was rendered is counted, and a break stands in a card's place.

use std::collections::BTreeMap;

use unspool_engine::wellbeing::Break;
use unspool_engine::{Millis, PlayerId, Time};

use super::Driver;
use crate::clock::Clock;
use crate::events::Event;

/// How often time that passes without pictures is looked at: nights begin and days end by the minute.
const LOOK_EVERY: Millis = Millis(1_000);

/// What the driver knows of a person's time.
#[derive(Debug, Default)]
pub(super) struct Watching {
    /// What each player has rendered so far.
    rendered: BTreeMap<PlayerId, u64>,
    looked: Time,
    /// Number of the break that was told last, while it stands.
    told: Option<u64>,
}

impl Driver {
    /// A session may be opened in the middle of a break, and cards may wait for a tap.
    pub(super) fn begin_watching(&mut self, now: Time) {
        self.tell_motion(now);
        if let Some(card) = self.core.wellbeing.standing() {
            self.rest(now, card);
        }
    }

    /// A player has rendered so much since it was made.
    pub(super) fn count_watched(&mut self, id: PlayerId, active_ms: u64) {
        let before = self.watching.rendered.insert(id, active_ms).unwrap_or(0);
        let rendered = active_ms.saturating_sub(before);
        if rendered > 0 {
            self.core.wellbeing.watched(rendered);
        }
    }

    pub(super) fn forget_watched(&mut self, id: PlayerId) {
        self.watching.rendered.remove(&id);
    }

    /// Looks at the time, and writes down what was watched when that is due.
    pub(super) fn tend_watching(&mut self, now: Time) {
        if now.since(self.watching.looked) >= LOOK_EVERY {
            self.watching.looked = now;
            self.core.wellbeing.review();
        }
        // Others look at the time too, so what stands counts and not who found it.
        if !self.engine.is_resting()
            && let Some(card) = self.core.wellbeing.standing()
        {
            self.rest(now, card);
        }
        self.core.wellbeing.save_soon();
    }

    /// Asks whether the person may go on; a break stands in the way, or one that stood is over. Says whether one was.
    pub(super) fn go_on(&mut self, now: Time, stay: bool) -> Result<bool, Break> {
        if let Some(card) = self.core.wellbeing.go_on() {
            self.rest(now, card);
            return Err(card);
        }
        let rested = self.engine.is_resting();
        if rested {
            self.engine.handle_rest_over(now, Clock::wall(), stay);
            self.paused = self.engine.is_held();
            self.watching.told = None;
            self.events.push(Event::BreakOver);
        }
        Ok(rested)
    }

    /// When a break may be left, so that the app is told.
    pub(super) fn break_opens(&self, now: Time) -> Option<Time> {
        let standing = self.core.wellbeing.standing().filter(|_| self.engine.is_resting())?;
        (standing.opens_in_ms > 0).then(|| now + Millis(standing.opens_in_ms))
    }

    /// Whether cards play by themselves has changed.
    pub(super) fn tell_motion(&mut self, now: Time) {
        let autoplay = self.core.wellbeing.limits().autoplay && !self.core.board.now().reduced_motion;
        self.engine.handle_autoplay(now, autoplay);
        if self.engine.current().is_some() {
            self.paused |= self.engine.is_held();
        }
    }

    fn rest(&mut self, now: Time, card: Break) {
        self.engine.handle_rest(now);
        self.paused = true;
        if self.watching.told.replace(card.number) != Some(card.number) {
            self.events.push(Event::BreakBegan { card });
        }
    }
}
