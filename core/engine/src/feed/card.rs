//! A card of the feed, and what may come to be known of it later.

use serde::{Deserialize, Serialize};

use crate::model::Item;
use crate::pipeline::Reason;
use crate::safety::Decision;

/// What came later about an item: from the backend's labels, or because it stood on another page again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// A candidate that passed the filter, with or without a place.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) item: Item,
    pub(super) decision: Decision,
    pub(super) revealed: bool,
    /// Its place in the server's order.
    pub(super) arrival: u64,
    /// Why it got its place, once that does not move any more.
    pub(super) reason: Option<Box<Reason>>,
}

impl Card {
    pub(super) fn open(&self) -> bool {
        !self.decision.hides() && (self.revealed || !self.decision.blurs())
    }
}
