//! The committed order of a feed: which cards there are, where the person is, and when the next page is due.
//!
//! Positions count from the first card of the session and never change, so every other machine can name a card by its
//! position. A card is committed once: an identifier that was seen is dropped. A backend that answers nothing new
//! [`BARREN_PAGES`] times in a row, or hands out a cursor it gave before, is at its end; nothing is fetched for ever.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::delivery::Backoff;
use crate::model::{Item, Page};
use crate::time::{Millis, Time};

/// Cards asked for at once. Ten is what the large feed back ends answer by default; two more cover filtered cards.
pub const PAGE_ITEMS: u32 = 12;
/// A page is asked for when fewer cards than this are left ahead: at a fast-swipe pace of 1 card/s it gives a slow
/// back end 6 s.
pub const LOW_WATER: usize = 6;
/// Pages in a row without a new card after which the feed counts as ended.
pub const BARREN_PAGES: u32 = 3;
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

/// The feed machine.
#[derive(Debug)]
pub struct Feed {
    items: VecDeque<Item>,
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

    /// Puts back what an earlier session kept.
    pub fn restore(&mut self, saved: SavedFeed) {
        for item in saved.items {
            if self.seen.insert(item.id.clone()) {
                self.items.push_back(item);
            }
        }
        self.current = saved.current.and_then(|i| u64::try_from(i).ok()).filter(|&i| self.item(i).is_some());
        if let Some(cursor) = saved.cursor {
            self.cursor = Cursor::At(cursor);
        }
    }

    /// What to keep for the next launch: up to `max` cards, a third of them behind the current one, because those
    /// were watched and their bytes are likely to be held.
    #[must_use]
    pub fn save(&self, max: usize) -> SavedFeed {
        let behind = max as u64 / 3;
        let from = self.current.map_or(self.base, |c| c.saturating_sub(behind).max(self.base));
        let skip = usize::try_from(from - self.base).unwrap_or(0);
        SavedFeed {
            items: self.items.iter().skip(skip).take(max).cloned().collect(),
            current: self.current.and_then(|c| usize::try_from(c - from).ok()),
            cursor: match &self.cursor {
                Cursor::At(cursor) => Some(cursor.clone()),
                Cursor::Start | Cursor::End => None,
            },
        }
    }

    /// The card at a position.
    #[must_use]
    pub fn item(&self, position: u64) -> Option<&Item> {
        position.checked_sub(self.base).and_then(|i| usize::try_from(i).ok()).and_then(|i| self.items.get(i))
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
        let found = (from..self.positions().end).find(|&p| self.item(p).is_some_and(|i| playable(p, i)));
        match found {
            Some(position) => {
                self.current = Some(position);
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
        match (self.base..current).rev().find(|&p| self.item(p).is_some_and(|i| playable(p, i))) {
            Some(position) => {
                self.current = Some(position);
                Step::Moved(position)
            }
            None => Step::AtEnd,
        }
    }

    /// The page to ask for now, if one is due; asking marks it as in flight.
    pub fn poll_request(&mut self, now: Time) -> Option<PageRequest> {
        let end = self.positions().end;
        let ahead = end - self.current.map_or(self.base, |c| c + 1).min(end);
        let due = self.in_flight.is_none()
            && !self.refused
            && ahead < LOW_WATER as u64
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

    /// Takes the answer to a request; answers to forgotten requests change nothing. Says whether cards were added.
    pub fn handle_page(&mut self, now: Time, request: u64, answer: Result<Page, PageFailure>) -> bool {
        if self.in_flight != Some(request) {
            return false;
        }
        self.in_flight = None;
        match answer {
            Ok(page) => {
                self.backoff.reset();
                self.retry_at = None;
                self.commit(page)
            }
            Err(failure) => {
                self.refused = !failure.retryable;
                let wait = self.backoff.fail();
                self.retry_at = Some(now + failure.retry_after.unwrap_or(wait).max(RETRY_FLOOR));
                false
            }
        }
    }

    /// Asks again at once after a failure: the network came back or the person pulled to refresh.
    pub fn retry_now(&mut self) {
        self.retry_at = None;
        self.refused = false;
    }

    fn commit(&mut self, page: Page) -> bool {
        let before = self.items.len();
        for item in page.items {
            if self.seen.insert(item.id.clone()) {
                self.items.push_back(item);
            }
        }
        let grew = self.items.len() > before;
        self.barren = if grew { 0 } else { self.barren + 1 };
        self.cursor = match page.next_cursor {
            Some(cursor) if self.barren < BARREN_PAGES && self.used.insert(cursor.clone()) => {
                Cursor::At(cursor)
            }
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
        assert!(feed.handle_page(now, request.id, Ok(page(0..3, None))));
        assert!(!feed.handle_page(now, request.id, Ok(page(3..6, None))), "a late answer changes nothing");
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
