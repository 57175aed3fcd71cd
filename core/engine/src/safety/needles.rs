//! Finds any of many texts inside another in one pass (Aho and Corasick, 1975).

use std::collections::{BTreeMap, VecDeque};

/// Texts to look for. Each has a number, which is what a find answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Needles {
    /// From a node by a character to another; node 0 is where nothing is matched.
    edges: BTreeMap<(usize, char), usize>,
    /// Where a node goes on when no edge fits: the longest proper suffix of its text that is a node too.
    fails: Vec<usize>,
    /// The text that ends at a node, of itself or of a suffix.
    ends: Vec<Option<usize>>,
}

impl Needles {
    /// Builds from `(text, number)` pairs; an empty text is never found.
    pub(super) fn new<'a>(texts: impl Iterator<Item = (&'a str, usize)>) -> Self {
        let mut needles = Needles { edges: BTreeMap::new(), fails: vec![0], ends: vec![None] };
        for (text, number) in texts.filter(|(text, _)| !text.is_empty()) {
            let mut node = 0;
            for c in text.chars() {
                node = match needles.edges.get(&(node, c)) {
                    Some(&next) => next,
                    None => {
                        let next = needles.fails.len();
                        needles.fails.push(0);
                        needles.ends.push(None);
                        needles.edges.insert((node, c), next);
                        next
                    }
                };
            }
            needles.ends[node].get_or_insert(number);
        }
        needles.link();
        needles
    }

    /// Number of a text that occurs in `hay`, the one that ends first.
    pub(super) fn find(&self, hay: &str) -> Option<usize> {
        if self.edges.is_empty() {
            return None;
        }
        let mut node = 0;
        hay.chars().find_map(|c| {
            node = self.step(node, c);
            self.ends[node]
        })
    }

    fn step(&self, mut node: usize, c: char) -> usize {
        loop {
            match self.edges.get(&(node, c)) {
                Some(&next) => return next,
                None if node == 0 => return 0,
                None => node = self.fails[node],
            }
        }
    }

    /// Nodes nearer to the start are linked before those further out.
    fn link(&mut self) {
        let mut queue = VecDeque::from([0]);
        while let Some(node) = queue.pop_front() {
            let out: Vec<(char, usize)> = self
                .edges
                .range((node, '\0')..=(node, char::MAX))
                .map(|(&(_, c), &next)| (c, next))
                .collect();
            for (c, next) in out {
                if node != 0 {
                    self.fails[next] = self.step(self.fails[node], c);
                }
                if self.ends[next].is_none() {
                    self.ends[next] = self.ends[self.fails[next]];
                }
                queue.push_back(next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_finds_what_looking_for_each_finds(
            texts in prop::collection::vec("[ab\u{5e0c}]{0,4}", 0..8),
            hay in "[ab\u{5e0c}]{0,24}",
        ) {
            let needles = Needles::new(texts.iter().enumerate().map(|(n, t)| (t.as_str(), n)));
            let expected = texts.iter().any(|t| !t.is_empty() && hay.contains(t.as_str()));
            prop_assert_eq!(needles.find(&hay).is_some(), expected);
            if let Some(n) = needles.find(&hay) {
                prop_assert!(hay.contains(texts[n].as_str()));
            }
        }
    }
}
