//! When the next page is due, and when there is none.
//!
//! A backend that answers nothing new [`BARREN_PAGES`] times in a row, or hands out a cursor it gave before, is at its end;
//! nothing is fetched for ever. One whose pages hold only what has no room in the order is asked for other topics, and after
//! [`THIN_PAGES`] such pages not asked again before something changes.

use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;

use crate::delivery::Backoff;
use crate::time::{Millis, Time};

use super::{BARREN_PAGES, HIDDEN_PAGES, LOW_WATER, PAGE_ITEMS, THIN_PAGES};

const RETRY_BASE: Millis = Millis(1_000);
const RETRY_TOP: Millis = Millis(60_000);
/// Shortest wait that is believed, whatever the server says.
const RETRY_FLOOR: Millis = Millis(500);

/// Why a page did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageFailure {
    /// Whether asking again may help.
    pub retryable: bool,
    /// How long the server asked to wait.
    pub retry_after: Option<Millis>,
    /// Whether somebody else answered in the place of the backend: a web page, or a certificate that is not its own.
    #[serde(default)]
    pub intercepted: bool,
}

/// A page to ask the backend for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// Comes back with the answer.
    pub id: u64,
    /// Where to start; `None` for the beginning.
    pub cursor: Option<String>,
    /// How many cards.
    pub limit: u32,
    /// Topics the feed has enough of; where there are any, the page should hold others.
    pub enough_of: Vec<String>,
    /// The item the first page should begin with: a link was opened. One that the backend does not have is left out.
    pub first: Option<String>,
}

#[derive(Debug)]
pub(super) enum Cursor {
    Start,
    At(String),
    End,
}

/// What a page brought, as far as paging is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brought {
    /// Candidates that are new and not hidden.
    pub(super) admitted: usize,
    /// New ones that are hidden.
    pub(super) hidden: u64,
}

#[derive(Debug)]
pub(super) struct Paging {
    pub(super) cursor: Cursor,
    used: BTreeSet<String>,
    in_flight: Option<u64>,
    next_id: u64,
    backoff: Backoff,
    barren: u32,
    hidden_pages: u32,
    thin_pages: u32,
    retry_at: Option<Time>,
    refused: bool,
}

impl Paging {
    pub(super) fn new(seed: u64) -> Self {
        Paging {
            cursor: Cursor::Start,
            used: BTreeSet::new(),
            in_flight: None,
            next_id: 0,
            backoff: Backoff::new(RETRY_BASE, RETRY_TOP, seed),
            barren: 0,
            hidden_pages: 0,
            thin_pages: 0,
            retry_at: None,
            refused: false,
        }
    }

    /// Begins at the beginning; the answer to what is asked now changes nothing any more.
    pub(super) fn restart(&mut self) {
        self.cursor = Cursor::Start;
        self.used.clear();
        self.in_flight = None;
        (self.barren, self.hidden_pages, self.thin_pages) = (0, 0, 0);
        self.retry_now();
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.cursor, Cursor::End) || self.refused || self.thin_pages >= THIN_PAGES
    }

    pub(super) fn poll_request(
        &mut self,
        now: Time,
        ahead: usize,
        enough_of: &[String],
        first: Option<&str>,
    ) -> Option<PageRequest> {
        let due = self.in_flight.is_none()
            && ahead < LOW_WATER
            && self.retry_at.is_none_or(|at| now >= at)
            && !self.is_over();
        if !due {
            return None;
        }
        self.next_id += 1;
        self.in_flight = Some(self.next_id);
        let cursor = match &self.cursor {
            Cursor::At(cursor) => Some(cursor.clone()),
            Cursor::Start | Cursor::End => None,
        };
        Some(PageRequest {
            id: self.next_id,
            cursor,
            limit: PAGE_ITEMS,
            enough_of: enough_of.to_vec(),
            first: first.map(str::to_owned),
        })
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.retry_at.filter(|_| self.in_flight.is_none() && !self.refused)
    }

    /// Whether this is the answer that is waited for.
    pub(super) fn takes(&mut self, request: u64) -> bool {
        self.in_flight.take_if(|id| *id == request).is_some()
    }

    pub(super) fn handle_page(&mut self, brought: Brought, next_cursor: Option<String>) {
        self.backoff.reset();
        self.retry_at = None;
        let Brought { admitted, hidden } = brought;
        let grew = admitted > 0;
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
    }

    /// A page came while the feed was thin: whether anything of it, or of what waited, got a place.
    pub(super) fn handle_thin(&mut self, placed: bool) {
        self.thin_pages = if placed { 0 } else { self.thin_pages + 1 };
    }

    /// There may be room now for what had none.
    pub(super) fn handle_room(&mut self) {
        self.thin_pages = 0;
    }

    pub(super) fn handle_failure(&mut self, now: Time, failure: PageFailure) {
        self.refused = !failure.retryable;
        let wait = self.backoff.fail();
        self.retry_at = Some(now + failure.retry_after.unwrap_or(wait).max(RETRY_FLOOR));
    }

    pub(super) fn retry_now(&mut self) {
        self.retry_at = None;
        self.refused = false;
    }
}
