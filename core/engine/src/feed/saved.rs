//! What of a feed outlives the process.

use serde::{Deserialize, Serialize};

use crate::model::Item;

use super::order::LONGEST_TRAIL;
use super::paging::Cursor;
use super::{Admitted, Feed, MAX_WAITING, Trace};

/// What is kept of a feed across launches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SavedFeed {
    /// Cards around the last position.
    pub items: Vec<Item>,
    /// Index of the current card within `items`.
    pub current: Option<usize>,
    /// Where the next page starts; `None` once the feed ended.
    pub cursor: Option<String>,
    /// How many of `items`, from the first, had their place for good.
    #[serde(default)]
    pub fixed: usize,
    /// How many of `items`, from the first, were shown.
    #[serde(default)]
    pub seen: usize,
    /// Candidates that waited for room.
    #[serde(default)]
    pub waiting: Vec<Item>,
    /// What the bound counts of the cards that were shown last.
    #[serde(default)]
    pub trail: Vec<Trace>,
}

/// Traces that are kept: the window of the bound.
const TRAIL_KEPT: usize = 10;

impl Feed {
    /// Puts back what an earlier session kept; what the filter hides today is not put back and returned. In a feed that begins
    /// with a card that was asked for, what was kept are candidates for the places behind it.
    pub fn restore(&mut self, saved: SavedFeed) -> Vec<Item> {
        if self.awaits_first() {
            self.trail = saved.trail.iter().take(LONGEST_TRAIL).cloned().collect();
            let hidden = self.take_over(saved);
            self.hidden += hidden.len() as u64;
            self.place_first();
            self.stale = true;
            self.arrange();
            return hidden;
        }
        let mut hidden = Vec::new();
        let mut current = None;
        for (index, item) in saved.items.into_iter().enumerate() {
            let wanted = saved.current == Some(index);
            if wanted {
                // Where the current card is hidden, the one before it takes its place.
                current = self.positions().end.checked_sub(1);
            }
            match self.admit_one(item) {
                Admitted::New(card) => {
                    if wanted {
                        current = Some(self.positions().end);
                    }
                    self.items.push_back(Some(card));
                }
                Admitted::Hidden(item) => hidden.push(item),
                Admitted::Known(_) => {}
            }
            if index < saved.seen {
                self.reached = self.positions().end.checked_sub(1);
            }
            if index < saved.fixed.max(saved.seen) || saved.current.is_some_and(|c| index <= c) {
                self.fixed = self.positions().end;
            }
        }
        for item in saved.waiting {
            match self.admit_one(item) {
                Admitted::New(card) => self.waiting.push(card),
                Admitted::Hidden(item) => hidden.push(item),
                Admitted::Known(_) => {}
            }
        }
        self.hidden += hidden.len() as u64;
        self.current = current;
        self.reached = self.reached.max(current);
        let seen: Vec<u64> = self.positions().take_while(|&p| self.reached.is_some_and(|r| p <= r)).collect();
        if saved.trail.is_empty() {
            seen.into_iter().for_each(|position| self.leave_trace(position));
        } else {
            self.trail = saved.trail.into_iter().take(LONGEST_TRAIL).collect();
        }
        if let Some(cursor) = saved.cursor {
            self.paging.cursor = Cursor::At(cursor);
        }
        // The policy may be another, and what is hidden today left gaps.
        self.torn = true;
        self.stale = true;
        self.arrange();
        hidden
    }

    /// What to keep for the next launch: up to `max` cards, a third of them behind the current one, because those
    /// were watched and their bytes are likely to be held; and what waits for room.
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
            cursor: match &self.paging.cursor {
                Cursor::At(cursor) => Some(cursor.clone()),
                Cursor::Start | Cursor::End => None,
            },
            seen: places.iter().filter(|&&p| self.reached.is_some_and(|reached| p <= reached)).count(),
            fixed: places.iter().filter(|&&p| p < self.fixed).count(),
            waiting: self.waiting.iter().take(MAX_WAITING / 4).map(|card| card.item.clone()).collect(),
            trail: self.trail.iter().skip(self.trail.len().saturating_sub(TRAIL_KEPT)).cloned().collect(),
        }
    }
}
