//! What to give up when the cache is over its budget.
//!
//! Order: tails before heads, because a head buys the next instant start; within each, the least recently used first.
//! What is pinned (playing, next in the window, kept offline) is never given up. What nobody came back to for a month
//! goes whether or not there is room.

use crate::model::{MediaKey, Span};
use crate::time::Millis;

/// What the store says of one rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Which rendition.
    pub key: MediaKey,
    /// What is held, ascending and disjoint.
    pub spans: Vec<Span>,
    /// When it was last read or written, in any unit that grows.
    pub last_use: u64,
    /// Whether it must stay.
    pub pinned: bool,
}

/// Bytes at the start of a file that count as its head: 128 KiB holds the headers and the first frames of every
/// rendition measured (first frame after at most 297 KB of a 720p file, a third of it at 480p).
pub const HEAD_BYTES: u64 = 128 * 1024;

/// Age at which a rendition is given up: 30 days. The feed has moved on by then, its signed addresses are long dead, and
/// what a person watched need not lie around on the device for ever.
pub const MAX_AGE: Millis = Millis(30 * 24 * 3600 * 1000);

/// The spans to remove of what was last used before `since`, in the unit of [`Holding::last_use`].
#[must_use]
pub fn expire(holdings: &[Holding], since: u64) -> Vec<(MediaKey, Span)> {
    let old = holdings.iter().filter(|h| !h.pinned && h.last_use < since);
    old.flat_map(|h| h.spans.iter().map(|span| (h.key.clone(), *span))).collect()
}

/// The spans to remove so that `excess` bytes come free, in the order of removal.
///
/// `holdings` need not be all there is. The answer is the same with the least recently used tails that add up to
/// `excess`, or with every tail and the least recently used heads that add up to the rest.
#[must_use]
pub fn evict(holdings: &[Holding], mut excess: u64) -> Vec<(MediaKey, Span)> {
    let mut order: Vec<&Holding> = holdings.iter().filter(|h| !h.pinned).collect();
    order.sort_by(|a, b| (a.last_use, &a.key).cmp(&(b.last_use, &b.key)));
    let tails = order
        .iter()
        .flat_map(|h| h.spans.iter().rev().map(move |s| (h, Span::new(s.start.max(HEAD_BYTES), s.end))));
    let heads = order
        .iter()
        .flat_map(|h| h.spans.iter().rev().map(move |s| (h, Span::new(s.start, s.end.min(HEAD_BYTES)))));
    let mut plan = Vec::new();
    for (holding, span) in tails.chain(heads).filter(|(_, s)| !s.is_empty()) {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(span.len());
        plan.push((holding.key.clone(), span));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holding(name: &str, spans: &[(u64, u64)], last_use: u64, pinned: bool) -> Holding {
        let spans = spans.iter().map(|&(a, b)| Span::new(a, b)).collect();
        Holding { key: MediaKey::new(name, "r"), spans, last_use, pinned }
    }

    #[test]
    fn tails_of_the_oldest_go_first_and_heads_last() {
        let k = 1024;
        let all = [holding("old", &[(0, 512 * k)], 1, false), holding("new", &[(0, 512 * k)], 2, false)];
        let plan = evict(&all, 324 * k);
        assert_eq!(plan, vec![(MediaKey::new("old", "r"), Span::new(128 * k, 512 * k))]);
        let plan = evict(&all, 1024 * k);
        assert_eq!(plan.len(), 4);
        assert_eq!(plan[1].0, MediaKey::new("new", "r"), "every tail before any head");
    }

    #[test]
    fn what_is_old_goes_and_what_is_pinned_stays() {
        let all = [
            holding("old", &[(0, 10), (20, 30)], 4, false),
            holding("kept", &[(0, 10)], 4, true),
            holding("new", &[(0, 10)], 5, false),
        ];
        let old = MediaKey::new("old", "r");
        assert_eq!(expire(&all, 5), vec![(old.clone(), Span::new(0, 10)), (old, Span::new(20, 30))]);
    }

    proptest! {
        #[test]
        fn no_head_goes_before_a_tail_and_nothing_younger_first(
            sizes in prop::collection::vec((0u64..600_000, 0u64..9, any::<bool>()), 0..12),
            excess in 0u64..3_000_000,
        ) {
            let all: Vec<Holding> = sizes.iter().enumerate()
                .map(|(i, &(size, used, pinned))| holding(&i.to_string(), &[(0, size)], used, pinned)).collect();
            let plan = evict(&all, excess);
            let rank: Vec<(bool, u64)> = plan.iter().map(|(key, span)| {
                let used = all.iter().find(|h| h.key == *key).unwrap().last_use;
                (span.start < HEAD_BYTES, used)
            }).collect();
            prop_assert!(rank.is_sorted(), "tails before heads, old before new: {:?}", rank);
            // Without the last span it would not be enough: no more is given up than is needed.
            let but_last: u64 = plan.iter().rev().skip(1).map(|(_, span)| span.len()).sum();
            prop_assert!(plan.is_empty() || but_last < excess);
        }

        #[test]
        fn fits_the_budget_unless_pinned(
            sizes in prop::collection::vec((0u64..1_000_000, 0u64..9, any::<bool>()), 0..12),
            budget in 0u64..4_000_000,
        ) {
            let all: Vec<Holding> = sizes.iter().enumerate()
                .map(|(i, &(size, used, pinned))| holding(&i.to_string(), &[(0, size)], used, pinned)).collect();
            let held: u64 = sizes.iter().map(|s| s.0).sum();
            let plan = evict(&all, held.saturating_sub(budget));
            let gone: u64 = plan.iter().map(|(_, s)| s.len()).sum();
            let pinned: u64 = sizes.iter().filter(|s| s.2).map(|s| s.0).sum();
            prop_assert!(held - gone <= budget.max(pinned));
            prop_assert!(plan.iter().all(|(k, _)| all.iter().any(|h| h.key == *k && !h.pinned)));
            if held <= budget { prop_assert!(plan.is_empty()); }
        }
    }
}
