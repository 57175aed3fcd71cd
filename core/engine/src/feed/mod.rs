//! The committed order of a feed: which cards there are, where the person is, and when the next page is due.
//!
//! Positions count from the first card of the session, so every other machine can name a card by its position. A card is
//! committed once: an identifier that was seen is dropped, and so is what the safety filter hides, before anything else hears
//! of it. The cards the person may reach soon are fixed: they are being fetched and never change their position. What lies
//! behind them is put into order anew with every lesson and every page, by the [`Pipeline`] where the feed has one
//! (`order`). A card that has to go later leaves an empty place, which moving passes over.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::breaker::Word;
use crate::model::{Item, Page};
use crate::pipeline::{Lesson, Manner, Pipeline};
use crate::safety::{Decision, Filter};
use crate::time::Time;

mod card;
mod first;
mod order;
mod paging;
mod saved;
#[cfg(test)]
mod tests;

pub use card::{Closed, LabelUpdate};
pub use order::Trace;
pub use paging::{PageFailure, PageRequest};
pub use saved::SavedFeed;

use card::Card;
use paging::{Brought, Paging};

/// Cards asked for at once. Ten is what the large feed back ends answer by default; two more cover filtered cards.
pub const PAGE_ITEMS: u32 = 12;
/// A page is asked for when fewer cards than this are left ahead: at a fast-swipe pace of 1 card/s it gives a slow
/// back end 6 s.
pub const LOW_WATER: usize = 6;
/// Pages in a row without a new card after which the feed counts as ended.
pub const BARREN_PAGES: u32 = 3;
/// Pages in a row on which everything new was hidden, after which the feed counts as ended: some 120 cards that the person
/// does not want to see. What they muted is all this feed has.
pub const HIDDEN_PAGES: u32 = 10;
/// Pages in a row none of whose cards had room in the order, though other topics were asked for, after which the feed counts
/// as ended until something changes: this server has nothing else.
pub const THIN_PAGES: u32 = 3;
/// Candidates that may wait for room: four pages' worth each of a dozen topics. Beyond it the last ones are left out.
pub const MAX_WAITING: usize = 200;
/// Labels believed of one item, of each kind, over all pages it stands on: four times what one page may hold.
pub const MOST_LABELS: usize = 256;
/// Cards kept behind the current one, for `previous()`.
pub const KEEP_BEHIND: usize = 200;
/// Cards after the current one that are fixed, unless the caller says otherwise: those the planner looks at.
pub const FIXED_AHEAD: usize = 4;
/// The label of a review, which the backend alone puts on an item.
pub const REVIEWED: &str = "reviewed";

/// What came of a wish to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The card at this position is current.
    Moved(u64),
    /// There is no card yet, but a page is on its way or will be asked for again.
    Waiting,
    /// There is no further card in this direction.
    AtEnd,
    /// A break stands in the card's place.
    Resting,
}

/// What a feed has to say beside its order.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedNote {
    /// To be learnt by whoever keeps what is learnt.
    Lesson(Lesson),
    /// To be shown to the person.
    Word(Word),
    /// The feed became thin, has enough of other topics than before, or is not thin any more (then of none).
    Thin(Vec<String>),
}

/// What became of a candidate.
enum Admitted {
    New(Card),
    Hidden(Item),
    Known(Item),
}

/// The feed machine.
#[derive(Debug)]
pub struct Feed {
    /// `None` where a card had to go.
    items: VecDeque<Option<Card>>,
    /// Candidates that have no place now, in the order in which they came.
    waiting: Vec<Card>,
    manner: Manner,
    pipeline: Option<Arc<Pipeline>>,
    /// Cards below this position stay where they are.
    fixed: u64,
    fixed_ahead: usize,
    /// The furthest position that was current.
    reached: Option<u64>,
    /// Whether fixed cards went or were passed over, so that those behind them stand closer together than was meant.
    torn: bool,
    /// The cards the person was shown, in the order in which they first were.
    trail: VecDeque<Trace>,
    /// Whether anything changed since it was last put into order.
    stale: bool,
    /// Topics the feed has enough of; empty when it is not thin.
    enough_of: Vec<String>,
    arrivals: u64,
    revision: u64,
    filter: Arc<Filter>,
    hidden: u64,
    base: u64,
    current: Option<u64>,
    seen: BTreeSet<String>,
    paging: Paging,
    notes: VecDeque<FeedNote>,
    /// The card the feed is to begin with, until it stands there or is known not to come.
    first: Option<String>,
}

impl Feed {
    /// An empty feed at its beginning, which keeps the backend's order and teaches nothing.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Feed {
            items: VecDeque::new(),
            waiting: Vec::new(),
            manner: Manner::AsAsked,
            pipeline: None,
            fixed: 0,
            fixed_ahead: FIXED_AHEAD,
            reached: None,
            torn: false,
            trail: VecDeque::new(),
            stale: false,
            enough_of: Vec::new(),
            arrivals: 0,
            revision: 0,
            filter: Arc::new(Filter::cautious()),
            hidden: 0,
            base: 0,
            current: None,
            seen: BTreeSet::new(),
            paging: Paging::new(seed),
            notes: VecDeque::new(),
            first: None,
        }
    }

    fn card(&self, position: u64) -> Option<&Card> {
        let index = position.checked_sub(self.base).and_then(|i| usize::try_from(i).ok())?;
        self.items.get(index)?.as_ref()
    }

    fn slot(&mut self, position: u64) -> Option<&mut Option<Card>> {
        let index = position.checked_sub(self.base).and_then(|i| usize::try_from(i).ok())?;
        self.items.get_mut(index)
    }

    /// The card at a position; nothing where one had to go, unless it is the one on the screen.
    #[must_use]
    pub fn item(&self, position: u64) -> Option<&Item> {
        self.card(position).map(|card| &card.item)
    }

    /// What the filter says of the card at a position.
    #[must_use]
    pub fn decision(&self, position: u64) -> Option<&Decision> {
        self.card(position).map(|card| &card.decision)
    }

    /// Whether the card at a position may be moved to.
    #[must_use]
    pub fn shown(&self, position: u64) -> bool {
        self.card(position).is_some_and(|card| !card.decision.hides())
    }

    /// Whether the card at a position may be fetched and played: it is neither hidden nor covered.
    #[must_use]
    pub fn open(&self, position: u64) -> bool {
        self.card(position).is_some_and(Card::open)
    }

    /// Candidates and cards that were hidden so far.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.hidden
    }

    /// Topics the feed has so much of that nothing else of what the backend sent fits; empty as a rule.
    #[must_use]
    pub fn enough_of(&self) -> &[String] {
        &self.enough_of
    }

    /// Grows with every change of the order.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// First position of a card that may still move.
    #[must_use]
    pub fn fixed(&self) -> u64 {
        self.fixed
    }

    /// The card before a position that may be moved to.
    #[must_use]
    pub fn before(&self, position: u64) -> Option<u64> {
        (self.base..position).rev().find(|&p| self.shown(p))
    }

    /// Positions from `from` on that may be moved to; `from` itself is among them when it can be.
    pub fn ahead(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        (from.max(self.base)..self.positions().end).filter(|&p| self.shown(p))
    }

    /// Position of the card the person sees.
    #[must_use]
    pub fn current(&self) -> Option<u64> {
        self.current
    }

    /// Positions that exist, as a half-open range.
    #[must_use]
    pub fn positions(&self) -> std::ops::Range<u64> {
        self.base..self.base + self.items.len() as u64
    }

    /// The position of an item.
    #[must_use]
    pub fn find(&self, item: &str) -> Option<u64> {
        self.positions().find(|&p| self.item(p).is_some_and(|i| i.id == item))
    }

    /// Moves forward to the first card that `playable` accepts. In a feed with a bound, what is passed over waits for
    /// another place, and what follows must not break the bound for it.
    pub fn next(&mut self, playable: impl Fn(u64, &Item) -> bool) -> Step {
        let from = self.current.map_or(self.base, |c| c + 1);
        let (mut found, mut passed) = (None, Vec::new());
        for position in self.ahead(from) {
            let can = self.item(position).is_some_and(|item| playable(position, item));
            if can && (passed.is_empty() || self.may_follow(position)) {
                found = Some(position);
                break;
            }
            passed.push(position);
        }
        match found {
            Some(position) => {
                self.pass_over(&passed);
                self.go(position);
                self.trim();
                self.stale = true;
                Step::Moved(position)
            }
            None if self.paging.is_over() => Step::AtEnd,
            None => Step::Waiting,
        }
    }

    /// Moves back to the first card that `playable` accepts.
    pub fn previous(&mut self, playable: impl Fn(u64, &Item) -> bool) -> Step {
        let Some(current) = self.current else { return Step::AtEnd };
        let shown = |p: &u64| self.shown(*p) && self.item(*p).is_some_and(|i| playable(*p, i));
        match (self.base..current).rev().find(shown) {
            Some(position) => {
                self.go(position);
                Step::Moved(position)
            }
            None => Step::AtEnd,
        }
    }

    /// Moves on; a card that had to go and stayed only because it was on the screen goes now.
    fn go(&mut self, position: u64) {
        let left = self.current.replace(position).filter(|&left| !self.shown(left));
        if let Some(slot) = left.and_then(|left| self.slot(left)) {
            *slot = None;
        }
        if self.reached.is_none_or(|reached| position > reached) {
            self.leave_trace(position);
            self.reached = Some(position);
        }
        self.fixed = self.fixed.max(position + 1);
    }

    /// The rules or what the person chose changed: every card is judged anew. What has to be closed is returned.
    pub fn set_filter(&mut self, filter: Arc<Filter>) -> Vec<Closed> {
        self.filter = filter;
        let closed = self.positions().filter_map(|position| self.judge(position, false)).collect();
        let mut waiting = std::mem::take(&mut self.waiting);
        let before = waiting.len();
        waiting.retain_mut(|card| {
            card.decision = self.filter.decide(&card.item);
            !card.decision.hides()
        });
        self.hidden += (before - waiting.len()) as u64;
        self.waiting = waiting;
        self.paging.handle_room();
        self.stale = true;
        closed
    }

    /// The filter in use.
    #[must_use]
    pub fn filter(&self) -> &Arc<Filter> {
        &self.filter
    }

    /// Labels came late, or items were taken back. What has to be closed is returned.
    pub fn handle_labels(&mut self, updates: Vec<LabelUpdate>) -> Vec<Closed> {
        let mut closed = Vec::new();
        for update in updates {
            let Some(position) = self.find(&update.item) else {
                self.handle_labels_of_waiting(update);
                continue;
            };
            if let Some(Some(card)) = self.slot(position) {
                card.item.labels = update.labels;
                card.item.creator_labels = update.creator_labels;
            }
            closed.extend(self.judge(position, update.gone));
        }
        self.stale = true;
        closed
    }

    fn handle_labels_of_waiting(&mut self, update: LabelUpdate) {
        let Some(place) = self.waiting.iter().position(|card| card.item.id == update.item) else { return };
        let mut card = self.waiting.remove(place);
        (card.item.labels, card.item.creator_labels) = (update.labels, update.creator_labels);
        card.decision = self.filter.decide(&card.item);
        if update.gone || card.decision.hides() {
            self.hidden += 1;
        } else {
            self.waiting.insert(place, card);
        }
    }

    /// The person wants to see what is covered; says whether they may.
    pub fn reveal(&mut self, position: u64) -> bool {
        match self.slot(position) {
            Some(Some(card)) if card.decision.blurs() && card.decision.overridable => {
                card.revealed = true;
                true
            }
            _ => false,
        }
    }

    fn judge(&mut self, position: u64, taken_back: bool) -> Option<Closed> {
        let current = self.current == Some(position);
        let course = self.manner == Manner::Course;
        let filter = Arc::clone(&self.filter);
        let slot = self.slot(position)?;
        let card = slot.as_mut()?;
        let (was_open, was_shown) = (card.open(), !card.decision.hides());
        // A course shows reviewed items alone, also when a review is taken back.
        let taken_back = taken_back || (course && !is_reviewed(&card.item));
        let decision = if taken_back || card.decision.is_withdrawn() {
            Decision::withdrawn()
        } else {
            filter.decide(&card.item)
        };
        // What was revealed stays so for the same reason alone.
        card.revealed &= decision.overridable && decision.cause() == card.decision.cause();
        card.decision = decision;
        let hides = card.decision.hides();
        let closed = (was_open && !card.open()) || (was_shown && hides);
        let told =
            closed.then(|| Closed { position, item: card.item.clone(), decision: card.decision.clone() });
        if hides && !current {
            *slot = None;
        }
        self.hidden += u64::from(was_shown && hides);
        self.torn |= was_shown && hides;
        told
    }

    /// The page to ask for now, if one is due; asking marks it as in flight.
    pub fn poll_request(&mut self, now: Time) -> Option<PageRequest> {
        let ahead = self.ahead(self.current.map_or(self.base, |c| c + 1)).take(LOW_WATER).count();
        self.paging.poll_request(now, ahead, &self.enough_of, self.first.as_deref())
    }

    /// When a failed page is due again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.paging.poll_timeout()
    }

    /// What the feed has to say; ask until `None`.
    pub fn poll_note(&mut self) -> Option<FeedNote> {
        self.notes.pop_front()
    }

    /// Takes the answer to a request; answers to forgotten requests change nothing. Says whether cards were added, and
    /// which cards have to be closed because the page tells more of them than was known.
    pub fn handle_page(
        &mut self,
        now: Time,
        request: u64,
        answer: Result<Page, PageFailure>,
    ) -> (bool, Vec<Closed>) {
        if !self.paging.takes(request) {
            return (false, Vec::new());
        }
        match answer {
            Ok(page) => {
                let (brought, closed) = self.admit(page.items);
                self.paging.handle_page(brought, page.next_cursor);
                self.settle_first();
                let before = self.positions().end;
                self.stale = true;
                self.arrange();
                let grew = self.positions().end > before;
                if self.enough_of.is_empty() {
                    self.paging.handle_room();
                } else {
                    self.paging.handle_thin(grew);
                }
                (grew, closed)
            }
            Err(failure) => {
                self.paging.handle_failure(now, failure);
                (false, Vec::new())
            }
        }
    }

    /// Asks again at once after a failure: the network came back or the person pulled to refresh.
    pub fn retry_now(&mut self) {
        self.paging.retry_now();
    }

    /// Begins anew behind the cards that are fixed: what was not reached may come again, the first page is asked for.
    pub fn refresh(&mut self) {
        let tail = self.take_tail();
        for card in tail.into_iter().chain(std::mem::take(&mut self.waiting)) {
            self.seen.remove(&card.item.id);
        }
        self.paging.restart();
        self.stale = true;
    }

    /// The candidates that are new and not hidden wait for a place. Gives what the page brought, and the cards to be closed.
    fn admit(&mut self, candidates: Vec<Item>) -> (Brought, Vec<Closed>) {
        let (mut brought, mut closed) = (Brought { admitted: 0, hidden: 0 }, Vec::new());
        for item in candidates {
            match self.admit_one(item) {
                Admitted::New(card) => {
                    brought.admitted += 1;
                    self.offer(&card);
                    self.waiting.push(card);
                }
                Admitted::Hidden(_) => brought.hidden += 1,
                Admitted::Known(item) => closed.extend(self.learn_labels(item)),
            }
        }
        self.hidden += brought.hidden;
        (brought, closed)
    }

    fn admit_one(&mut self, item: Item) -> Admitted {
        if self.seen.contains(&item.id) {
            return Admitted::Known(item);
        }
        self.seen.insert(item.id.clone());
        let decision = self.filter.decide(&item);
        if decision.hides() || (self.manner == Manner::Course && !is_reviewed(&item)) {
            return Admitted::Hidden(item);
        }
        self.arrivals += 1;
        Admitted::New(Card { item, decision, revealed: false, arrival: self.arrivals, reason: None })
    }

    /// A card that is known stands on a page again: of two answers about it the stricter counts.
    fn learn_labels(&mut self, again: Item) -> Option<Closed> {
        let more = |held: &mut Vec<String>, new: Vec<String>| {
            let before = held.len();
            for label in new {
                if held.len() < MOST_LABELS && !held.contains(&label) {
                    held.push(label);
                }
            }
            held.len() > before
        };
        let position = self.find(&again.id);
        let filter = Arc::clone(&self.filter);
        let place = self.waiting.iter().position(|card| card.item.id == again.id);
        let card = match (position, place) {
            (Some(position), _) => self.slot(position)?.as_mut()?,
            (None, Some(place)) => self.waiting.get_mut(place)?,
            (None, None) => return None,
        };
        let labels = more(&mut card.item.labels, again.labels);
        let own = more(&mut card.item.self_labels, again.self_labels);
        let creator = more(&mut card.item.creator_labels, again.creator_labels);
        if !(labels || own || creator) {
            return None;
        }
        if let (None, Some(place)) = (position, place) {
            card.decision = filter.decide(&card.item);
            if card.decision.hides() {
                self.waiting.remove(place);
                self.hidden += 1;
            }
            return None;
        }
        self.judge(position?, false)
    }

    fn trim(&mut self) {
        while self.current.is_some_and(|c| c - self.base > KEEP_BEHIND as u64) {
            self.items.pop_front();
            self.base += 1;
        }
    }
}

/// Whether the backend says that somebody reviewed it; what its creator says of it does not count.
fn is_reviewed(item: &Item) -> bool {
    item.labels.iter().any(|label| label == REVIEWED)
}
