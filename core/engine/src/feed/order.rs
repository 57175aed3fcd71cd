//! How candidates come to their places.
//!
//! The fixed head grows card by card as the person moves on; each card is chosen by what is known at that moment. Behind it
//! the tail is laid out anew each time, for whoever wants to look ahead. What finds no place waits, and comes first when
//! there is room, because it came first.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::breaker::{Answer, LoopReport, Thin};
use crate::learner::Clip;
use crate::model::{Item, SeriesPart};
use crate::pipeline::{Candidate, Lesson, Manner, Pipeline, Reason};

use super::card::Card;
use super::{Feed, FeedNote, MAX_WAITING};

/// Cards remembered of those that were shown: the longest window that a policy may have.
pub(super) const LONGEST_TRAIL: usize = 100;

/// What stays of a card that the person was shown, whatever becomes of it: what the bound counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trace {
    topics: Vec<String>,
    creator: String,
    sound: Option<String>,
}

impl Trace {
    fn candidate(&self) -> Candidate<'_> {
        let clip = Clip {
            prior: None,
            topics: &self.topics,
            creator: &self.creator,
            duration_ms: 0,
            vector: None,
            lift: 0.0,
        };
        Candidate { id: "", clip, sound: self.sound.as_deref() }
    }
}

impl Feed {
    /// How the feed is put into order, and by what; given before the first card.
    pub fn set_ranking(&mut self, manner: Manner, pipeline: Arc<Pipeline>) {
        (self.manner, self.pipeline) = (manner, Some(pipeline));
        if manner.learns() {
            self.handle_lesson(Lesson::Opened);
        }
        self.stale = true;
    }

    /// What was learnt was changed by somebody else: reset, set by hand, or another interest.
    pub fn set_pipeline(&mut self, pipeline: Arc<Pipeline>) {
        if self.pipeline.is_some() {
            self.pipeline = Some(pipeline);
            self.stale = true;
        }
    }

    /// How many cards after the current one are fixed.
    pub fn set_fixed_ahead(&mut self, cards: usize) {
        self.fixed_ahead = cards;
        self.stale = true;
    }

    /// Something happened from which the feed learns, and whoever keeps what is learnt. What may still move moves.
    pub fn handle_lesson(&mut self, lesson: Lesson) {
        if self.manner.learns() && self.pipeline.is_some() {
            self.tell(lesson);
            self.stale = true;
        }
    }

    /// The person answered the offer of a way out.
    pub fn handle_answer(&mut self, answer: Answer) {
        self.handle_lesson(Lesson::Answered(answer));
    }

    /// Whether the person goes round in circles.
    #[must_use]
    pub fn loop_report(&self) -> Option<LoopReport> {
        self.pipeline.as_ref().filter(|_| self.manner.learns()).map(|pipeline| pipeline.loop_report())
    }

    /// How the feed gets its order.
    #[must_use]
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// Why the card at a position stands there; of one that may still move, why it does now.
    #[must_use]
    pub fn why(&self, position: u64) -> Option<Reason> {
        let card = self.card(position)?;
        if let Some(reason) = &card.reason {
            return Some((**reason).clone());
        }
        let pipeline = self.pipeline.as_ref()?;
        let row = self.row(position);
        let mut left: Vec<&Card> = (position..self.positions().end).filter_map(|p| self.card(p)).collect();
        left.extend(&self.waiting);
        left.sort_by_key(|card| card.arrival);
        let chosen = left.iter().position(|other| other.arrival == card.arrival)?;
        let left: Vec<Candidate<'_>> = left.iter().map(|card| Candidate::from(&card.item)).collect();
        pipeline.why(self.manner, &row, &left, chosen)
    }

    /// Puts everything that may move into order, by what is known now. Whoever changes anything calls it at the end of the
    /// turn; with nothing changed it does nothing.
    pub fn arrange(&mut self) {
        if self.awaits_first() || !std::mem::take(&mut self.stale) {
            return;
        }
        let before = self.positions().end;
        self.mend();
        let tail = self.take_tail();
        self.waiting.extend(tail);
        self.waiting.sort_by_key(|card| card.arrival);
        if self.manner == Manner::Course {
            parts_in_order(&mut self.waiting);
        }
        while self.to_fix() && self.fix_one() {}
        let thin = self.lay_out();
        self.note_thin(thin);
        self.waiting.truncate(MAX_WAITING);
        if self.positions().end != before {
            self.revision += 1;
        }
    }

    /// What has no fixed place.
    pub(super) fn take_tail(&mut self) -> Vec<Card> {
        let keep = usize::try_from(self.fixed.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.items.drain(keep.min(self.items.len())..).flatten().collect()
    }

    /// A card is a candidate from now on.
    pub(super) fn offer(&mut self, card: &Card) {
        if let (Manner::Profiled, Some(pipeline)) = (self.manner, &self.pipeline) {
            let merit = pipeline.merit(&Candidate::from(&card.item));
            self.tell(Lesson::Offered { topics: card.item.topics.clone(), merit });
        }
    }

    /// Whether the card at a position may be shown next, behind what was shown.
    pub(super) fn may_follow(&self, position: u64) -> bool {
        let Some(pipeline) = self.pipeline.as_ref().filter(|_| self.manner.bounds()) else { return true };
        if self.reached.is_some_and(|reached| position <= reached) {
            return true;
        }
        let row = self.row(self.reached.map_or(self.base, |reached| reached + 1));
        self.item(position).is_some_and(|item| pipeline.fits(&row, &Candidate::from(item)))
    }

    /// Cards that were passed over wait for another place, where there is a bound; the others stay.
    pub(super) fn pass_over(&mut self, positions: &[u64]) {
        if !self.manner.bounds() || self.pipeline.is_none() {
            return;
        }
        let reached = self.reached;
        for &position in positions.iter().filter(|&&p| reached.is_none_or(|reached| p > reached)) {
            let card = self.slot(position).and_then(Option::take);
            self.waiting.extend(card);
            self.torn = true;
        }
    }

    /// After something of the fixed head went: what would break the bound now waits for another place.
    fn mend(&mut self) {
        if !std::mem::take(&mut self.torn) || !self.manner.bounds() {
            return;
        }
        let Some(pipeline) = self.pipeline.clone() else { return };
        let from = self.reached.max(self.current).map_or(self.base, |p| p + 1);
        for position in from..self.fixed {
            let breaks = self.shown(position) && {
                let row = self.row(position);
                self.item(position).is_some_and(|item| !pipeline.fits(&row, &Candidate::from(item)))
            };
            if breaks {
                let card = self.slot(position).and_then(Option::take);
                self.waiting.extend(card);
            }
        }
    }

    fn to_fix(&self) -> bool {
        // Before the first swipe the first card is prepared as well.
        let (from, most) = match self.current {
            Some(current) => (current + 1, self.fixed_ahead),
            None => (self.base, self.fixed_ahead + 1),
        };
        self.ahead(from).take_while(|&p| p < self.fixed).take(most).count() < most
    }

    /// Gives one card its place for good; `false` when there is none.
    fn fix_one(&mut self) -> bool {
        let chosen = match &self.pipeline {
            Some(pipeline) if self.manner.bounds() => {
                let row = self.row(self.fixed);
                let left: Vec<Candidate<'_>> =
                    self.waiting.iter().map(|card| Candidate::from(&card.item)).collect();
                let found = pipeline.arrange(self.manner, &row, &left, 1);
                let Some(&chosen) = found.order.first() else { return false };
                (chosen, pipeline.why(self.manner, &row, &left, chosen))
            }
            _ if !self.waiting.is_empty() => (0, None),
            _ => return false,
        };
        let (chosen, reason) = chosen;
        let mut card = self.waiting.remove(chosen);
        card.reason = reason.map(Box::new);
        let topics = card.item.topics.clone();
        self.fix(card);
        if self.manner == Manner::Profiled {
            self.tell(Lesson::Placed { topics });
        }
        true
    }

    /// Sets a card behind all others, for good.
    pub(super) fn fix(&mut self, card: Card) {
        self.items.push_back(Some(card));
        self.fixed = self.positions().end;
        self.revision += 1;
    }

    /// Lays the rest out behind what is fixed; gives what is missing where not all of it fits.
    fn lay_out(&mut self) -> Option<Thin> {
        let Some(pipeline) = self.pipeline.as_ref().filter(|_| self.manner.bounds()) else {
            self.items.extend(self.waiting.drain(..).map(Some));
            if self.manner == Manner::AsAsked {
                // Nothing will ever move here.
                self.fixed = self.positions().end;
            }
            return None;
        };
        let row = self.row(self.fixed);
        let left: Vec<Candidate<'_>> = self.waiting.iter().map(|card| Candidate::from(&card.item)).collect();
        let wanted = left.len();
        let found = pipeline.arrange(self.manner, &row, &left, wanted);
        let mut cards: Vec<Option<Card>> = self.waiting.drain(..).map(Some).collect();
        for place in found.order {
            if let Some(card) = cards.get_mut(place).and_then(Option::take) {
                self.items.push_back(Some(card));
            }
        }
        self.waiting.extend(cards.into_iter().flatten());
        found.thin
    }

    fn note_thin(&mut self, thin: Option<Thin>) {
        // As long as there is enough ahead, what waits is nobody's concern.
        let ahead = self.ahead(self.current.map_or(self.base, |c| c + 1)).take(super::LOW_WATER).count();
        let enough_of = match thin {
            Some(thin) if ahead < super::LOW_WATER => thin.enough_of,
            _ => Vec::new(),
        };
        if enough_of != self.enough_of {
            self.enough_of.clone_from(&enough_of);
            self.notes.push_back(FeedNote::Thin(enough_of));
        }
    }

    /// The cards before a position that decide what may stand there, oldest first: what the person was shown, also what had
    /// to go since, and what they will be shown.
    fn row(&self, before: u64) -> Vec<Candidate<'_>> {
        let most = self.pipeline.as_ref().map_or(0, |pipeline| pipeline.looks_back());
        let unseen = self.reached.map_or(self.base, |reached| reached + 1);
        let to_come = self.ahead(unseen).take_while(|&p| p < before).filter_map(|p| self.item(p));
        let to_come: Vec<Candidate<'_>> = to_come.map(Candidate::from).collect();
        let seen = self.trail.iter().map(Trace::candidate);
        let skip = (self.trail.len() + to_come.len()).saturating_sub(most);
        seen.chain(to_come).skip(skip).collect()
    }

    /// The person sees the card at this position for the first time.
    pub(super) fn leave_trace(&mut self, position: u64) {
        let Some(card) = self.card(position) else { return };
        let Item { topics, creator, sound, .. } = &card.item;
        let trace = Trace { topics: topics.clone(), creator: creator.id.clone(), sound: sound.clone() };
        self.trail.push_back(trace);
        while self.trail.len() > LONGEST_TRAIL {
            self.trail.pop_front();
        }
    }

    pub(super) fn tell(&mut self, lesson: Lesson) {
        let Some(pipeline) = &mut self.pipeline else { return };
        let word = Arc::make_mut(pipeline).handle_lesson(&lesson);
        self.notes.push_back(FeedNote::Lesson(lesson));
        self.notes.extend(word.map(FeedNote::Word));
    }
}

/// Puts the parts of each series into their order, in the places that the series has.
fn parts_in_order(cards: &mut [Card]) {
    let series: std::collections::BTreeSet<String> =
        cards.iter().filter_map(|card| card.item.series.as_ref()).map(|s| s.id.clone()).collect();
    for id in series {
        let part = |card: &Card| match &card.item.series {
            Some(SeriesPart { id: of, part }) if *of == id => Some(*part),
            _ => None,
        };
        let places: Vec<usize> =
            (0..cards.len()).filter(|&i| cards.get(i).and_then(part).is_some()).collect();
        // Selection, because cards are not to be cloned: series are short and a page holds some dozens.
        for (i, &place) in places.iter().enumerate() {
            let least = places.iter().skip(i).copied().min_by_key(|&p| cards.get(p).and_then(part));
            if let Some(least) =
                least.filter(|&least| cards.get(least).and_then(part) < cards.get(place).and_then(part))
            {
                cards.swap(place, least);
            }
        }
    }
}

/// What orders a feed, as the outside may look at it.
impl Feed {
    /// What decides, where anything but the backend does.
    #[must_use]
    pub fn pipeline(&self) -> Option<&Pipeline> {
        self.pipeline.as_deref()
    }
}
