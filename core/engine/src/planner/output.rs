//! What crosses the planner's edge: the cards it is told of, the demands it makes, and how they end.

use serde::{Deserialize, Serialize};

use crate::model::{Asset, MediaKey, Span};

/// Names one fetch until its end was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DemandId(pub u64);

/// How urgent a fetch is. The fetcher serves a higher one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Further down the window.
    Prefetch,
    /// The next card.
    Next,
    /// The card on screen.
    Playback,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Learn the layout of a rendition.
    Probe {
        /// Which one.
        key: MediaKey,
        /// How urgently.
        urgency: Urgency,
    },
    /// Bring these ranges into the span store.
    Fetch {
        /// Name of this demand.
        demand: DemandId,
        /// Of which rendition.
        key: MediaKey,
        /// What is missing, ascending and disjoint.
        spans: Vec<Span>,
        /// How urgently.
        urgency: Urgency,
    },
    /// Make a running demand more urgent.
    Promote {
        /// Which demand.
        demand: DemandId,
        /// How urgently from now on.
        urgency: Urgency,
    },
    /// Stop a demand at the next chunk.
    Cancel {
        /// Which demand.
        demand: DemandId,
    },
}

/// How a demand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchEnd {
    /// All of it is held.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It failed.
    Failed {
        /// Whether trying again may help.
        retryable: bool,
    },
}

/// A card of the window as the feed describes it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its position in the feed.
    pub position: u64,
    /// Its video.
    pub asset: &'a Asset,
    /// Share of viewers still watching: `(milliseconds, share)`, ascending in time; empty where nothing is known.
    pub retention: &'a [(u64, f64)],
    /// Its first topic.
    pub topic: Option<&'a str>,
    /// Whether its player can go from one rendition to another at the entries of the index.
    pub switchable: bool,
}
