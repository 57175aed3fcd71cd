//! Estimates that fall along the server's order.
//!
//! A server that puts a clip with a lower estimate first had a reason that the estimate does not tell (variety, a test of its
//! own, freshness). Its order is taken at its word: isotonic regression, the numbers nearest to the estimates that nowhere
//! rise (Ayer et al. 1955, by pooling adjacent violators). Estimates that fall already stay as they are.

/// The nearest numbers that nowhere rise, in one pass.
pub(super) fn falling(values: impl Iterator<Item = f64>) -> Vec<f64> {
    // Blocks of equal level: sum and number.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for value in values {
        let (mut sum, mut count) = (value, 1);
        while let Some(&(before, n)) = blocks.last()
            && before * (count as f64) < sum * (n as f64)
        {
            blocks.pop();
            (sum, count) = (before + sum, n + count);
        }
        blocks.push((sum, count));
    }
    let mut level = f64::INFINITY;
    let fall = |(sum, n): (f64, usize)| {
        // Rounding must not lift a block above the one before.
        level = level.min(sum / n as f64);
        std::iter::repeat_n(level, n)
    };
    blocks.into_iter().flat_map(fall).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_falls_stays_and_what_rises_is_pooled() {
        assert_eq!(falling([0.9, 0.5, 0.5, 0.1].into_iter()), [0.9, 0.5, 0.5, 0.1]);
        assert_eq!(falling([0.25, 0.75, 0.125].into_iter()), [0.5, 0.5, 0.125]);
        assert_eq!(falling(std::iter::empty()), Vec::<f64>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_never_rises_and_the_mean_stays(values in prop::collection::vec(0.0..=1.0_f64, 0..60)) {
            let level = falling(values.iter().copied());
            prop_assert_eq!(level.len(), values.len());
            prop_assert!(level.windows(2).all(|w| w[0] >= w[1]));
            let sum = |v: &[f64]| v.iter().sum::<f64>();
            prop_assert!((sum(&level) - sum(&values)).abs() < 1e-9);
        }
    }
}
