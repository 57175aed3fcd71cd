//! The committed order of a feed: which cards there are, where the person is, and when the next page is due.
//!
//! Positions count from the first card of the session and never change, so every other machine can name a card by its
//! position. A card is committed once: an identifier that was seen is dropped, and so is what the safety filter hides,
//! before anything else hears of it. A card that has to go later leaves an empty place, which moving passes over. A backend
//! that answers nothing new [`BARREN_PAGES`] times in a row, or hands out a cursor it gave before, is at its end; nothing
//! is fetched for ever.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::delivery::Backoff;
use crate::model::{Item, Page};
use crate::safety::{Decision, Filter};
use crate::time::{Millis, Time};

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
/// Labels believed of one item, of each kind, over all pages it stands on: four times what one page may hold.
pub const MOST_LABELS: usize = 256;
/// Cards kept behind the current one, for `previous()`.
pub const KEEP_BEHIND: usize = 200;
const RETRY_BASE: Millis = Millis(1_000);
const RETRY_TOP: Millis = Millis(60_000);
/// Shortest wait that is believed, whatever the server says.
const RETRY_FLOOR: Millis = Millis(500);

/// Why a page did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageFailure {
    /// Whether asking again may help.
    pub retryable: bool,
    /// How long the server asked to wait.
    pub retry_after: Option<Millis>,
}

/// A page to ask the backend for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Comes back with the answer.
    pub id: u64,
    /// Where to start; `None` for the beginning.
    pub cursor: Option<String>,
    /// How many cards.
    pub limit: u32,
}

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

/// What is kept of a feed across launches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SavedFeed {
    /// Cards around the last position.
    pub items: Vec<Item>,
    /// Index of the current card within `items`.
    pub current: Option<usize>,
    /// Where the next page starts; `None` once the feed ended.
    pub cursor: Option<String>,
}

#[derive(Debug)]
enum Cursor {
    Start,
    At(String),
    End,
}

/// What came later about an item: from the backend's labels, or because it stood on another page again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelUpdate {
    /// The item.
    pub item: String,
    /// The labels the backend puts on it now.
    pub labels: Vec<String>,
    /// The labels the backend puts on its creator now.
    pub creator_labels: Vec<String>,
    /// The backend took it back.
    pub gone: bool,
}

/// A card that was committed.
#[derive(Debug)]
struct Card {
    item: Item,
    decision: Decision,
    revealed: bool,
}

impl Card {
    fn open(&self) -> bool {
        !self.decision.hides() && (self.revealed || !self.decision.blurs())
    }
}

/// A card that has to be closed: it is hidden or covered from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    /// Its position.
    pub position: u64,
    /// What it is.
    pub item: Item,
    /// Why.
    pub decision: Decision,
}

/// The feed machine.
#[derive(Debug)]
pub struct Feed {
    /// `None` where a card had to go.
    items: VecDeque<Option<Card>>,
    filter: Arc<Filter>,
    hidden: u64,
    hidden_pages: u32,
    base: u64,
    current: Option<u64>,
    seen: BTreeSet<String>,
    cursor: Cursor,
    used: BTreeSet<String>,
    in_flight: Option<u64>,
    next_id: u64,
    backoff: Backoff,
    barren: u32,
    retry_at: Option<Time>,
    refused: bool,
}

impl Feed {
    /// An empty feed at its beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Feed {
            items: VecDeque::new(),
            filter: Arc::new(Filter::cautious()),
            hidden: 0,
            hidden_pages: 0,
            base: 0,
            current: None,
            seen: BTreeSet::new(),
            cursor: Cursor::Start,
            used: BTreeSet::new(),
            in_flight: None,
            next_id: 0,
            backoff: Backoff::new(RETRY_BASE, RETRY_TOP, seed),
            barren: 0,
            retry_at: None,
            refused: false,
        }
    }

    /// Puts back what an earlier session kept; what the filter hides today is not put back and returned.
    pub fn restore(&mut self, saved: SavedFeed) -> Vec<Item> {
        let mut hidden = Vec::new();
        let mut current = None;
        for (index, item) in saved.items.into_iter().enumerate() {
            let wanted = saved.current == Some(index);
            if wanted {
                // Where the current card is hidden, the one before it takes its place.
                current = self.positions().end.checked_sub(1);
            }
            if !self.seen.insert(item.id.clone()) {
                continue;
            }
            let decision = self.filter.decide(&item);
            if decision.hides() {
                hidden.push(item);
                continue;
            }
            if wanted {
                current = Some(self.positions().end);
            }
            self.items.push_back(Some(Card { item, decision, revealed: false }));
        }
        self.hidden += hidden.len() as u64;
        self.current = current;
        if let Some(cursor) = saved.cursor {
            self.cursor = Cursor::At(cursor);
        }
        hidden
    }

    /// What to keep for the next launch: up to `max` cards, a third of them behind the current one, because those
    /// were watched and their bytes are likely to be held.
    #[must_use]
    pub fn save(&self, max: usize) -> SavedFeed {
        let kept = |p: &u64| self.shown(*p);
        let behind = max / 3;
        let before: Vec<u64> = match self.current {
            Some(current) => (self.base..current).rev().filter(kept).take(behind).collect(),
            None => Vec::new(),
        };
        let from = before.last().copied().or(self.current).unwrap_or(self.base);
        let places: Vec<u64> = (from..self.positions().end).filter(kept).take(max).collect();
        // A current card that has to go is left at the one before it.
        let current = self.current.and_then(|c| places.iter().rposition(|&p| p <= c));
        SavedFeed {
            items: places.iter().filter_map(|&p| self.item(p).cloned()).collect(),
            current,
            cursor: match &self.cursor {
                Cursor::At(cursor) => Some(cursor.clone()),
                Cursor::Start | Cursor::End => None,
            },
        }
    }

    fn card(&self, position: u64) -> Option<&Card> {
        let index = position.checked_sub(self.base).and_then(|i| usize::try_from(i).ok())?;
        self.items.get(index)?.as_ref()
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

    /// Moves forward to the first card that `playable` accepts.
    pub fn next(&mut self, playable: impl Fn(u64, &Item) -> bool) -> Step {
        let from = self.current.map_or(self.base, |c| c + 1);
        let found = self.ahead(from).find(|&p| self.item(p).is_some_and(|i| playable(p, i)));
        match found {
            Some(position) => {
                self.go(position);
                self.trim();
                Step::Moved(position)
            }
            None if matches!(self.cursor, Cursor::End) || self.refused => Step::AtEnd,
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
    }

    fn slot(&mut self, position: u64) -> Option<&mut Option<Card>> {
        let index = position.checked_sub(self.base).and_then(|i| usize::try_from(i).ok())?;
        self.items.get_mut(index)
    }

    /// The rules or what the person chose changed: every card is judged anew. What has to be closed is returned.
    pub fn set_filter(&mut self, filter: Arc<Filter>) -> Vec<Closed> {
        self.filter = filter;
        self.positions().filter_map(|position| self.judge(position, false)).collect()
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
            let Some(position) = self.find(&update.item) else { continue };
            if let Some(Some(card)) = self.slot(position) {
                card.item.labels = update.labels;
                card.item.creator_labels = update.creator_labels;
            }
            closed.extend(self.judge(position, update.gone));
        }
        closed
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

    fn find(&self, item: &str) -> Option<u64> {
        self.positions().find(|&p| self.item(p).is_some_and(|i| i.id == item))
    }

    fn judge(&mut self, position: u64, taken_back: bool) -> Option<Closed> {
        let current = self.current == Some(position);
        let filter = Arc::clone(&self.filter);
        let slot = self.slot(position)?;
        let card = slot.as_mut()?;
        let (was_open, was_shown) = (card.open(), !card.decision.hides());
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
        told
    }

    /// The page to ask for now, if one is due; asking marks it as in flight.
    pub fn poll_request(&mut self, now: Time) -> Option<PageRequest> {
        let ahead = self.ahead(self.current.map_or(self.base, |c| c + 1)).take(LOW_WATER).count();
        let due = self.in_flight.is_none()
            && !self.refused
            && ahead < LOW_WATER
            && self.retry_at.is_none_or(|at| now >= at)
            && !matches!(self.cursor, Cursor::End);
        if !due {
            return None;
        }
        self.next_id += 1;
        self.in_flight = Some(self.next_id);
        let cursor = match &self.cursor {
            Cursor::At(cursor) => Some(cursor.clone()),
            Cursor::Start | Cursor::End => None,
        };
        Some(PageRequest { id: self.next_id, cursor, limit: PAGE_ITEMS })
    }

    /// When a failed page is due again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.retry_at.filter(|_| self.in_flight.is_none() && !self.refused)
    }

    /// Takes the answer to a request; answers to forgotten requests change nothing. Says whether cards were added, and
    /// which cards have to be closed because the page tells more of them than was known.
    pub fn handle_page(
        &mut self,
        now: Time,
        request: u64,
        answer: Result<Page, PageFailure>,
    ) -> (bool, Vec<Closed>) {
        if self.in_flight != Some(request) {
            return (false, Vec::new());
        }
        self.in_flight = None;
        match answer {
            Ok(page) => {
                self.backoff.reset();
                self.retry_at = None;
                let (admitted, hidden, closed) = self.admit(page.items);
                (self.commit(admitted, hidden, page.next_cursor), closed)
            }
            Err(failure) => {
                self.refused = !failure.retryable;
                let wait = self.backoff.fail();
                self.retry_at = Some(now + failure.retry_after.unwrap_or(wait).max(RETRY_FLOOR));
                (false, Vec::new())
            }
        }
    }

    /// Asks again at once after a failure: the network came back or the person pulled to refresh.
    pub fn retry_now(&mut self) {
        self.retry_at = None;
        self.refused = false;
    }

    /// The candidates that are new and not hidden, how many new ones were hidden, and the cards to be closed.
    fn admit(&mut self, candidates: Vec<Item>) -> (Vec<Card>, u64, Vec<Closed>) {
        let (mut admitted, mut hidden, mut closed) = (Vec::new(), 0, Vec::new());
        for item in candidates {
            if !self.seen.insert(item.id.clone()) {
                closed.extend(self.learn(item));
                continue;
            }
            let decision = self.filter.decide(&item);
            if decision.hides() {
                hidden += 1;
            } else {
                admitted.push(Card { item, decision, revealed: false });
            }
        }
        self.hidden += hidden;
        (admitted, hidden, closed)
    }

    /// A card that is committed stands on a page again: of two answers about it the stricter counts.
    fn learn(&mut self, again: Item) -> Option<Closed> {
        let position = self.find(&again.id)?;
        let Some(Some(card)) = self.slot(position) else { return None };
        let more = |held: &mut Vec<String>, new: Vec<String>| {
            let before = held.len();
            for label in new {
                if held.len() < MOST_LABELS && !held.contains(&label) {
                    held.push(label);
                }
            }
            held.len() > before
        };
        let labels = more(&mut card.item.labels, again.labels);
        let own = more(&mut card.item.self_labels, again.self_labels);
        let creator = more(&mut card.item.creator_labels, again.creator_labels);
        if labels || own || creator { self.judge(position, false) } else { None }
    }

    /// Puts candidates into the order. They may be ranked before this and not after: what is committed is fetched.
    fn commit(&mut self, admitted: Vec<Card>, hidden: u64, next_cursor: Option<String>) -> bool {
        let grew = !admitted.is_empty();
        self.items.extend(admitted.into_iter().map(Some));
        self.barren = if grew || hidden > 0 { 0 } else { self.barren + 1 };
        self.hidden_pages = match (grew, hidden) {
            (true, _) => 0,
            (false, 0) => self.hidden_pages,
            (false, _) => self.hidden_pages + 1,
        };
        let ended = self.barren >= BARREN_PAGES || self.hidden_pages >= HIDDEN_PAGES;
        self.cursor = match next_cursor {
            Some(cursor) if !ended && self.used.insert(cursor.clone()) => Cursor::At(cursor),
            _ => Cursor::End,
        };
        grew
    }

    fn trim(&mut self) {
        while self.current.is_some_and(|c| c - self.base > KEEP_BEHIND as u64) {
            self.items.pop_front();
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::item;

    fn page(ids: std::ops::Range<u32>, next: Option<&str>) -> Page {
        Page { items: ids.map(|i| item(&format!("i{i}"))).collect(), next_cursor: next.map(Into::into) }
    }

    fn any(_: u64, _: &Item) -> bool {
        true
    }

    #[test]
    fn pages_follow_the_thumb_and_no_card_comes_twice() {
        let mut feed = Feed::new(1);
        let mut shown = BTreeSet::new();
        let mut asked = 0u32;
        for _ in 0..1000 {
            while let Some(request) = feed.poll_request(Time::ZERO) {
                asked += 1;
                let from = request.cursor.map_or(0, |c| c.parse::<u32>().unwrap());
                // Pages overlap by two cards: a back end that inserts new cards at the top does that.
                feed.handle_page(
                    Time::ZERO,
                    request.id,
                    Ok(page(from.saturating_sub(2)..from + 12, Some(&(from + 12).to_string()))),
                );
            }
            let Step::Moved(position) = feed.next(any) else { panic!("a card is there") };
            assert!(shown.insert(feed.item(position).unwrap().id.clone()));
        }
        assert!(asked <= 1000 / 12 + 2, "{asked} pages");
        assert!(feed.items.len() <= KEEP_BEHIND + 20);
    }

    #[test]
    fn a_looping_cursor_ends() {
        let mut feed = Feed::new(1);
        let mut asked = 0;
        for _ in 0..50 {
            feed.next(any);
            while let Some(request) = feed.poll_request(Time::ZERO) {
                asked += 1;
                assert!(asked < 10);
                feed.handle_page(Time::ZERO, request.id, Ok(page(0..3, Some("again"))));
            }
        }
        assert_eq!(feed.next(any), Step::AtEnd);
    }

    #[test]
    fn failures_back_off_and_recover() {
        let mut feed = Feed::new(7);
        let mut now = Time::ZERO;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let request = feed.poll_request(now).unwrap();
            assert_eq!(feed.poll_request(now), None);
            feed.handle_page(now, request.id, Err(PageFailure { retryable: true, retry_after: None }));
            let at = feed.poll_timeout().unwrap();
            waits.push(at.since(now).0);
            assert_eq!(feed.poll_request(now), None);
            now = at;
        }
        assert!(waits.iter().all(|&w| (500..=60_500).contains(&w)), "{waits:?}");
        let request = feed.poll_request(now).unwrap();
        let wait = Some(Millis(90_000));
        feed.handle_page(now, request.id, Err(PageFailure { retryable: true, retry_after: wait }));
        assert_eq!(feed.poll_timeout(), Some(now + Millis(90_000)));
        feed.retry_now();
        let request = feed.poll_request(now).unwrap();
        assert!(feed.handle_page(now, request.id, Ok(page(0..3, None))).0);
        assert!(!feed.handle_page(now, request.id, Ok(page(3..6, None))).0, "a late answer changes nothing");
    }

    #[test]
    fn what_is_saved_comes_back() {
        let mut feed = Feed::new(1);
        let request = feed.poll_request(Time::ZERO).unwrap();
        feed.handle_page(Time::ZERO, request.id, Ok(page(0..12, Some("c"))));
        for _ in 0..5 {
            feed.next(any);
        }
        let saved = feed.save(8);
        let mut again = Feed::new(1);
        again.restore(saved.clone());
        assert_eq!(again.item(again.current().unwrap()).unwrap().id, "i4");
        assert_eq!((saved.items.len(), saved.current), (8, Some(2)));
        assert_eq!(saved.cursor.as_deref(), Some("c"));
        assert_eq!(again.previous(any), Step::Moved(1));
        assert_eq!(again.previous(any), Step::Moved(0));
        assert_eq!(again.previous(any), Step::AtEnd);
    }

    #[test]
    fn cards_that_cannot_play_are_passed_over() {
        let mut feed = Feed::new(1);
        let request = feed.poll_request(Time::ZERO).unwrap();
        feed.handle_page(Time::ZERO, request.id, Ok(page(0..5, None)));
        assert_eq!(feed.next(|p, _| p >= 3), Step::Moved(3));
        assert_eq!(feed.previous(|p, _| p == 0), Step::Moved(0));
        assert_eq!(feed.next(|_, _| false), Step::AtEnd);
    }
}
