//! Areas under curves, and intervals by resampling.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Resamples of a bootstrap: the ends of a 95 % interval rest on 50 of them each.
const RESAMPLES: usize = 2_000;

/// Chance that a positive scores above a negative, ties counting half; `None` without both.
#[must_use]
pub fn auc(scored: &[(f64, bool)]) -> Option<f64> {
    let mut sorted: Vec<(f64, bool)> = scored.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = sorted.iter().filter(|s| s.1).count() as f64;
    let negatives = sorted.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut below, mut won, mut at) = (0.0, 0.0, 0);
    while at < sorted.len() {
        let tied = sorted[at..].iter().take_while(|s| s.0 == sorted[at].0).count();
        let up = sorted[at..at + tied].iter().filter(|s| s.1).count() as f64;
        let down = tied as f64 - up;
        won += up * (below + down / 2.0);
        below += down;
        at += tied;
    }
    Some(won / (positives * negatives))
}

/// The 95 % interval of a weighted mean of the values, by resampling whole people.
#[must_use]
pub fn interval(values: &[(f64, f64)], seed: u64) -> (f64, f64) {
    interval_of(values.len(), seed, |picked| {
        let (sum, weight) =
            picked.iter().fold((0.0, 0.0), |(s, w), &i| (s + values[i].0 * values[i].1, w + values[i].1));
        sum / weight
    })
}

/// The 95 % interval of any figure of resampled people.
#[must_use]
pub fn interval_of(people: usize, seed: u64, figure: impl Fn(&[usize]) -> f64) -> (f64, f64) {
    if people == 0 {
        return (f64::NAN, f64::NAN);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut picked = vec![0; people];
    let mut figures: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for slot in &mut picked {
                *slot = rng.random_range(0..people);
            }
            figure(&picked)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    (figures[RESAMPLES / 40], figures[RESAMPLES - 1 - RESAMPLES / 40])
}

/// The weighted mean.
#[must_use]
pub fn mean(values: &[(f64, f64)]) -> f64 {
    let (sum, weight) = values.iter().fold((0.0, 0.0), |(s, w), v| (s + v.0 * v.1, w + v.1));
    sum / weight
}

/// The value below which the share `p` of the values lies; the values need no order.
#[must_use]
pub fn percentile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (p.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas() {
        assert_eq!(auc(&[(0.1, false), (0.9, true)]), Some(1.0));
        assert_eq!(auc(&[(0.9, false), (0.1, true)]), Some(0.0));
        assert_eq!(auc(&[(0.5, false), (0.5, true), (0.5, true)]), Some(0.5));
        assert_eq!(auc(&[(0.1, true), (0.2, false), (0.3, true), (0.4, false)]), Some(0.25));
        assert_eq!(auc(&[(0.5, true)]), None);
    }

    #[test]
    fn intervals_hold_the_mean() {
        let values: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i % 10), 1.0)).collect();
        let (low, high) = interval(&values, 1);
        assert!(low < 4.5 && 4.5 < high && high - low < 1.5, "{low} {high}");
        assert_eq!(interval(&[(2.0, 3.0); 5], 1), (2.0, 2.0));
        assert_eq!(percentile(&[3.0, 1.0, 2.0], 0.5), 2.0);
    }
}
