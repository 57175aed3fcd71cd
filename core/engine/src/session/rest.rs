//! Rest and taps: playing that is ended from outside, and cards that wait for a tap.
//!
//! While the engine rests it moves to no card, reveals none, asks for no page and begins nothing ahead, whatever the shell
//! calls. Without autoplay a card stands at its first picture until the person lets it run.

use super::Engine;
use crate::impression::Exit;
use crate::time::{Time, Wall};

/// What keeps the current card from playing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) resting: bool,
    pub(super) autoplay: bool,
    /// The person let the current card run.
    pub(super) tapped: bool,
}

impl Default for Hold {
    fn default() -> Self {
        Hold { resting: false, autoplay: true, tapped: false }
    }
}

impl Hold {
    /// Whether the current card stands still whatever else is the case.
    pub(super) fn stands(&self) -> bool {
        self.resting || (!self.autoplay && !self.tapped)
    }
}

impl Engine {
    /// A break began: the viewing ends, the current card stands, and nothing moves until
    /// [`handle_rest_over`](Engine::handle_rest_over).
    pub fn handle_rest(&mut self, now: Time) {
        if std::mem::replace(&mut self.hold.resting, true) {
            return;
        }
        self.recorder.handle_left(now, Exit::LoopBreak);
        self.stage.handle_paused(self.feed.current(), true);
        self.planner.handle_limits(now, self.limits());
        self.settle(now);
    }

    /// The break is over. With `stay` the person goes on with the card that stood, which another viewing begins of; without,
    /// they are about to move.
    pub fn handle_rest_over(&mut self, now: Time, wall: Wall, stay: bool) {
        if std::mem::replace(&mut self.hold.resting, false) {
            self.planner.handle_limits(now, self.limits());
        }
        if stay && self.conditions.foreground {
            if self.recorder.open().is_none() {
                self.show(now, wall);
            }
            self.stage.handle_paused(self.feed.current(), self.hold.stands());
        }
        self.settle(now);
    }

    /// Whether cards play without a tap; holds for the current card too, if it was not tapped.
    pub fn handle_autoplay(&mut self, now: Time, autoplay: bool) {
        let stood = self.hold.stands();
        self.hold.autoplay = autoplay;
        if stood != self.hold.stands() && self.conditions.foreground {
            self.recorder.handle_paused(now, !stood);
            self.stage.handle_paused(self.feed.current(), !stood);
        }
        self.settle(now);
    }

    /// Whether the engine rests.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.hold.resting
    }

    /// Whether the current card stands for a break or for a tap.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.hold.stands()
    }
}
