//! Leanings that fade: how much better or worse than expected viewings went, by topic, creator and length.
//!
//! Each viewing multiplies what was by a constant, so the last few dozen count and a change of taste shows within some
//! swipes. A leaning is held towards zero twice: by a number of pretended viewings that went as expected, and by how much of it
//! chance alone would explain. Weak tastes thus leave the server's order alone, and strong ones come through.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::{sound_name, sound_number};

/// Entries of a table. The longest memory, 0.98 a viewing, still weighs an entry above [`FORGOTTEN`] after 340 viewings.
pub(super) const MAX_ENTRIES: usize = 512;
/// Weight below which an entry is dropped: a thousandth of a viewing changes no order.
const FORGOTTEN: f64 = 1e-3;

/// One leaning.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leaning {
    /// Faded sum of residuals.
    pub(super) sum: f64,
    /// Faded number of viewings.
    pub(super) weight: f64,
}

impl Leaning {
    pub(super) fn fade(&mut self, keep: f64) {
        self.sum *= keep;
        self.weight *= keep;
    }

    pub(super) fn add(&mut self, residual: f64, weight: f64) {
        self.sum += residual * weight;
        self.weight += weight;
    }

    /// The mean residual, with `pretended` viewings of residual zero among them.
    pub(super) fn mean(&self, pretended: f64) -> f64 {
        self.sum / (self.weight + pretended)
    }

    /// How far the leaning is beyond chance, 0 to 1: the positive part of James and Stein's estimator (1961). Where the mean
    /// is no larger than what `chance` (the variance of one viewing) would make it, nothing is left of it; a leaning that
    /// many viewings agree on counts almost in full.
    pub(super) fn reliability(&self, chance: f64) -> f64 {
        let squared = self.sum * self.sum;
        if squared > 0.0 { (1.0 - chance * self.weight / squared).max(0.0) } else { 0.0 }
    }

    /// What the leaning adds to a score, before the weight of its kind.
    pub(super) fn effect(&self, pretended: f64, chance: f64) -> f64 {
        self.mean(pretended) * self.reliability(chance)
    }

    pub(super) fn is_sound(&self) -> bool {
        sound_number(self.sum) && sound_number(self.weight) && self.weight >= 0.0
    }
}

/// Leanings by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Table(pub(super) BTreeMap<String, Leaning>);

impl Table {
    pub(super) fn get(&self, name: &str) -> Leaning {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(super) fn fade(&mut self, keep: f64) {
        self.0.retain(|_, leaning| {
            leaning.fade(keep);
            leaning.weight >= FORGOTTEN
        });
    }

    /// Adds a viewing; a full table loses its lightest entry, of equals the last by name.
    pub(super) fn add(&mut self, name: &str, residual: f64, weight: f64) {
        if !sound_name(name) {
            return;
        }
        if !self.0.contains_key(name) && self.0.len() >= MAX_ENTRIES {
            let lightest = self.0.iter().rev().min_by(|a, b| a.1.weight.total_cmp(&b.1.weight));
            if let Some(name) = lightest.map(|(name, _)| name.clone()) {
                self.0.remove(&name);
            }
        }
        self.0.entry(name.to_owned()).or_default().add(residual, weight);
    }

    pub(super) fn is_sound(&self) -> bool {
        self.0.len() <= MAX_ENTRIES
            && self.0.iter().all(|(name, leaning)| sound_name(name) && leaning.is_sound())
    }

    /// Bytes held, with what a tree needs for each entry.
    pub(super) fn bytes(&self) -> usize {
        let entry = size_of::<(String, Leaning)>() + size_of::<usize>() * 2;
        self.0.keys().map(|name| name.capacity() + entry).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leanings_fade_and_are_forgotten() {
        let mut table = Table::default();
        table.add("a", 1.0, 1.0);
        assert!((table.get("a").mean(1.0) - 0.5).abs() < 1e-12);
        for _ in 0..200 {
            table.fade(0.95);
        }
        assert!(table.0.is_empty());
    }

    #[test]
    fn a_table_stays_within_its_bound() {
        let mut table = Table::default();
        table.add("heavy", 1.0, 9.0);
        for i in 0..3 * MAX_ENTRIES {
            table.add(&format!("topic {i}"), 0.1, 1.0);
        }
        table.add(&"x".repeat(1_000), 1.0, 1.0);
        table.add("", 1.0, 1.0);
        assert!(table.is_sound() && table.0.len() == MAX_ENTRIES);
        assert!(table.0.contains_key("heavy"), "the lightest go first");
    }
}
