//! What viewings teach: a record that closes becomes a lesson of the feed.
//!
//! A word against a card teaches at once, so that the first card that may still move is chosen by it; the viewing it was said
//! in teaches nothing more then. A viewing that was broken off for another reason than the clip (a call, the comments, the
//! end of the session) is no verdict on it, unless it was long already; one without a picture is none at all.

use std::sync::Arc;

use crate::breaker::{Answer, LoopReport, Moment};
use crate::impression::{Exit, Impression, Tap};
use crate::learner::Viewing;
use crate::pipeline::{Facts, Lesson, Lived, Manner, Pipeline, Reason};
use crate::port::Signal;
use crate::time::{Time, Wall};

use super::Engine;

/// What the person said of the card of the open viewing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    item: String,
    liked: bool,
    commented: bool,
    /// It was refused, and that was taught.
    refused: bool,
}

impl Engine {
    /// How this feed gets its order, and by what; given before [`handle_start`](Engine::handle_start). Without it the feed
    /// keeps the backend's order and teaches nothing.
    pub fn set_ranking(&mut self, manner: Manner, pipeline: Arc<Pipeline>) {
        self.feed.set_ranking(manner, pipeline);
    }

    /// What was learnt was changed by somebody else: another interest, a weight set by hand, a reset. It holds every lesson
    /// of this engine that was drained.
    pub fn handle_pipeline(&mut self, now: Time, pipeline: Arc<Pipeline>) {
        self.feed.set_pipeline(pipeline);
        self.settle(now);
    }

    /// The person answered the offer of a way out of a loop.
    pub fn handle_answer(&mut self, now: Time, answer: Answer) {
        self.feed.handle_answer(answer);
        self.settle(now);
    }

    /// The person wants another beginning: what is not fixed goes, and the first page is asked for. The card on the screen
    /// and those being fetched stay.
    pub fn handle_refresh(&mut self, now: Time) {
        self.feed.refresh();
        self.settle(now);
    }

    /// The person said something of a card in so many words. Says whether the feed holds such a card.
    pub fn handle_signal(&mut self, now: Time, signal: &Signal) -> bool {
        let current = self.feed.current();
        let position = match signal {
            Signal::HidCreator(creator) => {
                let of = |p: &u64| self.feed.item(*p).is_some_and(|item| item.creator.id == *creator);
                current.filter(|p| of(p)).or_else(|| self.feed.positions().find(of))
            }
            Signal::Liked(item, _)
            | Signal::Commented(item)
            | Signal::NotInterested(item)
            | Signal::Reported(item) => self.feed.find(item),
        };
        let Some((position, item)) = position.and_then(|p| Some((p, self.feed.item(p)?.clone()))) else {
            return false;
        };
        let watching = self.recorder.open().filter(|open| open.item == item.id).cloned();
        if self.said.item != item.id && Some(position) == current {
            self.said = Said { item: item.id.clone(), ..Said::default() };
        }
        let mut viewing = Viewing::default();
        match signal {
            Signal::Liked(_, liked) if self.said.item == item.id => self.said.liked = *liked,
            Signal::Commented(_) if self.said.item == item.id => self.said.commented = true,
            Signal::Liked(..) | Signal::Commented(_) => {}
            Signal::NotInterested(_) => viewing.not_interested = true,
            Signal::HidCreator(_) => viewing.hid_creator = true,
            Signal::Reported(_) => viewing.reported = true,
        }
        if viewing.refused() && !(self.said.item == item.id && self.said.refused) {
            // The viewing of the card on the screen ends with this word; one that ended was told.
            let moment = watching.as_ref().map(|open| self.moment(now, open));
            viewing.active_ms = watching.map_or(0, |open| open.active_ms);
            if self.said.item == item.id {
                self.said.refused = true;
            }
            let lived = Lived { clip: Facts::from(&item), viewing, moment };
            self.feed.handle_lesson(Lesson::Viewed(Box::new(lived)));
        }
        self.settle(now);
        true
    }

    /// Why the card at a position stands there.
    #[must_use]
    pub fn why(&self, position: u64) -> Option<Reason> {
        self.feed.why(position)
    }

    /// Whether the person goes round in circles; nothing in a feed that is not profiled.
    #[must_use]
    pub fn loop_report(&self) -> Option<LoopReport> {
        self.feed.loop_report()
    }

    /// A viewing has ended.
    pub(super) fn learn(&mut self, now: Time, record: &Impression) {
        let said =
            if self.said.item == record.item { std::mem::take(&mut self.said) } else { Said::default() };
        let position =
            Some(record.position).filter(|&p| self.feed.item(p).is_some_and(|i| i.id == record.item));
        let position = position.or_else(|| self.feed.find(&record.item));
        let Some(item) = position.and_then(|p| self.feed.item(p)) else { return };
        let tapped = |tap: Tap| record.taps.iter().any(|(t, _)| *t == tap);
        let viewing = Viewing {
            active_ms: record.active_ms,
            liked: said.liked,
            commented: said.commented,
            shared: tapped(Tap::Share),
            saved: tapped(Tap::Save),
            followed: tapped(Tap::Follow),
            ..Viewing::default()
        };
        if said.refused || !self.is_verdict(record, &viewing) {
            // More may be said of it while it stays on the screen.
            if said.refused && self.feed.current() == position {
                self.said = said;
            }
            return;
        }
        let moment = Some(self.moment(now, record));
        let lived = Lived { clip: Facts::from(item), viewing, moment };
        self.feed.handle_lesson(Lesson::Viewed(Box::new(lived)));
    }

    fn is_verdict(&self, record: &Impression, viewing: &Viewing) -> bool {
        if record.active_ms == 0 && record.first_frame_ms.is_none() {
            return false;
        }
        let acted = viewing.liked || viewing.shared || viewing.saved || viewing.commented || viewing.followed;
        match record.exit {
            Some(Exit::SwipeNext | Exit::SwipeBack | Exit::End | Exit::LoopBreak) => true,
            Some(Exit::Comments | Exit::Profile | Exit::Share | Exit::Background | Exit::Shutdown) => {
                let long = self.feed.pipeline().is_some_and(|pipeline| {
                    let enough = record.duration_ms.min(pipeline.policy().learner.label.long_view_ms);
                    record.active_ms >= enough.max(1)
                });
                acted || long
            }
            Some(Exit::Killed | Exit::Failed) | None => false,
        }
    }

    fn moment(&self, now: Time, record: &Impression) -> Moment {
        let Wall { unix_ms, offset_min } = record.started;
        let after = i64::try_from(now.since(record.started_at).0).unwrap_or(0);
        let local = unix_ms.saturating_add(after).div_euclid(60_000) + i64::from(offset_min);
        Moment {
            local_min: u32::try_from(local.rem_euclid(1_440)).unwrap_or(0),
            session_ms: now.0,
            may_lead: self.feed.manner() == Manner::Profiled,
        }
    }
}
