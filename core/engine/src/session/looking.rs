//! What can be seen of an engine without changing it.

use super::Engine;
use crate::feed::Feed;
use crate::model::Item;
use crate::planner::Planner;
use crate::port::Wake;
use crate::safety::Decision;
use crate::stage::Stage;
use crate::time::Time;

impl Engine {
    /// When to call [`handle_timeout`](Engine::handle_timeout) if nothing happens before, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Time, Wake)> {
        let page = self.feed.poll_timeout().filter(|_| self.conditions.online).map(|at| (at, Wake::Page));
        let fetch = self.planner.poll_timeout().map(|at| (at, Wake::Fetch));
        let write = self.recorder.poll_timeout().map(|at| (at, Wake::WriteAhead));
        [page, fetch, write].into_iter().flatten().min()
    }

    /// Position of the current card.
    #[must_use]
    pub fn current(&self) -> Option<u64> {
        self.feed.current()
    }

    /// The card at a position.
    #[must_use]
    pub fn item(&self, position: u64) -> Option<&Item> {
        self.feed.item(position)
    }

    /// The cards that are held and may be fetched, in the order of their positions.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.feed.ahead(0).filter(|&p| self.feed.open(p)).filter_map(|position| self.feed.item(position))
    }

    /// Position of the card that shows an item, open or covered; also of the current one when it was closed where it stands.
    #[must_use]
    pub fn find(&self, item: &str) -> Option<u64> {
        self.feed
            .current()
            .into_iter()
            .chain(self.feed.ahead(0))
            .find(|&position| self.item(position).is_some_and(|card| card.id == item))
    }

    /// Positions of up to `n` cards after the current one; some may be covered.
    #[must_use]
    pub fn peek(&self, n: usize) -> Vec<u64> {
        self.feed.ahead(self.feed.current().map_or(0, |c| c + 1)).take(n).collect()
    }

    /// Positions of the current card and those after it that are looked at. Nothing outside of it is fetched, nor what is
    /// covered within it.
    #[must_use]
    pub fn window(&self) -> Vec<u64> {
        let most = usize::try_from(self.planner.window()).unwrap_or(usize::MAX);
        let from = self.feed.current().unwrap_or(0);
        self.feed.ahead(from).take(most.saturating_add(1)).collect()
    }

    /// What the filter says of the card at a position.
    #[must_use]
    pub fn decision(&self, position: u64) -> Option<&Decision> {
        self.feed.decision(position)
    }

    /// Whether the card at a position is neither hidden nor covered.
    #[must_use]
    pub fn is_open(&self, position: u64) -> bool {
        self.feed.open(position)
    }

    /// Candidates and cards that the filter hid so far.
    #[must_use]
    pub fn hidden(&self) -> u64 {
        self.feed.hidden()
    }

    /// Identifiers of up to `n` cards from the current one on, whose labels may change before they are seen.
    #[must_use]
    pub fn ahead(&self, n: usize) -> Vec<String> {
        let from = self.feed.current().unwrap_or(0);
        self.feed.ahead(from).take(n).filter_map(|p| self.feed.item(p)).map(|i| i.id.clone()).collect()
    }

    /// The planner, for looking at.
    #[must_use]
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// The stage, for looking at.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Milliseconds the card at a position could play from its start with what the store holds.
    #[must_use]
    pub fn playable_ms(&self, position: u64) -> u64 {
        self.planner.key(position).and_then(|key| self.stored.get(key)).copied().unwrap_or(0)
    }

    /// Whether a card was tried and cannot be played.
    #[must_use]
    pub fn has_failed(&self, position: u64) -> bool {
        self.failed.contains(&position)
    }

    /// The feed, for looking at.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.feed
    }
}
