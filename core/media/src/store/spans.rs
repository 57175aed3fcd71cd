//! Sets of bytes as ascending, disjoint, non-touching spans.
//!
//! A clip has a handful of spans at any time, so a sorted vector beats a tree in both speed and memory.

use unspool_engine::Span;

/// Which bytes of a file are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SpanSet(Vec<Span>);

impl SpanSet {
    /// The set that holds nothing.
    pub(crate) const fn new() -> Self {
        SpanSet(Vec::new())
    }

    /// The union of `spans`, whatever their order.
    pub(crate) fn from_spans(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut set = SpanSet::new();
        spans.into_iter().for_each(|span| set.insert(span));
        set
    }

    /// Adds `span`, joining it with what it touches.
    pub(crate) fn insert(&mut self, span: Span) {
        if span.is_empty() || self.covers(span) {
            return;
        }
        let from = self.0.partition_point(|s| s.end < span.start);
        let to = self.0.partition_point(|s| s.start <= span.end);
        let joined = match (self.0.get(from), to.checked_sub(1).and_then(|last| self.0.get(last))) {
            (Some(first), Some(last)) if from < to => {
                Span::new(first.start.min(span.start), last.end.max(span.end))
            }
            _ => span,
        };
        self.0.splice(from..to, [joined]);
    }

    /// Takes `span` out.
    pub(crate) fn remove(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        let from = self.0.partition_point(|s| s.end <= span.start);
        let to = self.0.partition_point(|s| s.start < span.end);
        let rest: Vec<Span> = self.0[from..to]
            .iter()
            .flat_map(|s| {
                [Span::new(s.start, span.start.min(s.end)), Span::new(span.end.max(s.start), s.end)]
            })
            .filter(|s| !s.is_empty())
            .collect();
        self.0.splice(from..to, rest);
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The spans, ascending.
    pub(crate) fn as_slice(&self) -> &[Span] {
        &self.0
    }

    /// How many bytes are in the set.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(Span::len).sum()
    }

    /// Whether the set holds no byte.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every byte of `span` is in the set.
    pub(crate) fn covers(&self, span: Span) -> bool {
        span.is_empty() || self.run_from(span.start) >= span.len()
    }

    /// Number of bytes in the set that follow `offset` without a gap, `offset` included.
    pub(crate) fn run_from(&self, offset: u64) -> u64 {
        let next = self.0.partition_point(|s| s.end <= offset);
        self.0.get(next).filter(|s| s.start <= offset).map_or(0, |s| s.end - offset)
    }

    /// The parts of `span` that are not in the set.
    pub(crate) fn holes(&self, span: Span) -> Vec<Span> {
        let mut holes = Vec::new();
        let mut at = span.start;
        let first = self.0.partition_point(|s| s.end <= span.start);
        for held in &self.0[first..] {
            if held.start >= span.end {
                break;
            }
            if held.start > at {
                holes.push(Span::new(at, held.start));
            }
            at = held.end;
        }
        if at < span.end {
            holes.push(Span::new(at, span.end));
        }
        holes
    }

    /// The parts of `span` that are in the set.
    pub(crate) fn within(&self, span: Span) -> Vec<Span> {
        let first = self.0.partition_point(|s| s.end <= span.start);
        self.0[first..]
            .iter()
            .take_while(|s| s.start < span.end)
            .map(|s| Span::new(s.start.max(span.start), s.end.min(span.end)))
            .filter(|s| !s.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 64;

    fn check(set: &SpanSet, bits: &[bool]) {
        for pair in set.as_slice().windows(2) {
            assert!(pair[0].end < pair[1].start, "spans are ascending and do not touch: {set:?}");
        }
        let held: Vec<bool> = (0..SIZE).map(|at| set.run_from(at) > 0).collect();
        assert_eq!(held, bits);
        assert_eq!(set.len(), bits.iter().filter(|b| **b).count() as u64);
    }

    proptest! {
        #[test]
        fn spans_agree_with_a_bit_per_byte(
            edits in prop::collection::vec((any::<bool>(), 0..SIZE, 0..SIZE), 0..60),
            from in 0..SIZE, to in 0..SIZE,
        ) {
            let mut set = SpanSet::new();
            let mut bits = vec![false; SIZE as usize];
            for (add, a, b) in edits {
                let span = Span::new(a, b);
                if add { set.insert(span) } else { set.remove(span) }
                for at in span.start..span.end {
                    bits[at as usize] = add;
                }
                check(&set, &bits);
            }
            let span = Span::new(from, to);
            let holes = SpanSet::from_spans(set.holes(span));
            let held = SpanSet::from_spans(set.within(span));
            for at in 0..SIZE {
                let inside = at >= span.start && at < span.end;
                prop_assert_eq!(holes.run_from(at) > 0, inside && !bits[at as usize]);
                prop_assert_eq!(held.run_from(at) > 0, inside && bits[at as usize]);
            }
            prop_assert_eq!(set.covers(span), holes.is_empty());
            prop_assert_eq!(holes.len() + held.len(), span.len());
        }
    }
}
