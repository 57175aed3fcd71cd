//! How fast the network is, told carefully: an over-estimate stalls the person, an under-estimate only blurs a picture.
//!
//! Each finished chunk is one sample of bytes over the time after its first byte, so the round trip does not count as
//! slowness. Samples are averaged with exponential forgetting over bytes, and the estimate is the mean minus one
//! deviation, which tracks the lower quantile of a varying link.

use crate::time::Millis;

/// Assumed before the first sample: the mean of the published "medium" short-video class is 1.61 Mbit/s and of "high"
/// 3.58 (ACM MM 2022 challenge); the start lies between, so that a first clip is neither blurred nor late.
pub const COLD_START_BPS: u64 = 2_500_000;
/// Samples below this size measure the round trip, not the rate.
pub const SMALLEST_SAMPLE: u64 = 16 * 1024;
/// Bytes after which a sample weighs half: about 3 s of a 2 Mbit/s link.
const HALF_LIFE_BYTES: f64 = 768.0 * 1024.0;

/// A running estimate of bits per second.
#[derive(Debug, Clone, Default)]
pub struct Throughput {
    weight: f64,
    mean: f64,
    variance: f64,
}

impl Throughput {
    /// Takes one finished transfer: its body bytes and the time from its first byte to its last.
    pub fn sample(&mut self, bytes: u64, transfer: Millis) {
        if bytes < SMALLEST_SAMPLE {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "rates need no 53 bits")]
        let (size, rate) = (bytes as f64, bytes as f64 * 8_000.0 / transfer.0.max(1) as f64);
        let keep = 0.5_f64.powf(size / HALF_LIFE_BYTES);
        let old = self.weight * keep;
        self.weight = old + size;
        let gain = size / self.weight;
        let delta = rate - self.mean;
        self.mean += gain * delta;
        self.variance = (1.0 - gain) * (self.variance + gain * delta * delta);
    }

    /// A rate in bits per second that the link is likely to keep.
    #[must_use]
    pub fn conservative_bps(&self) -> u64 {
        if self.weight == 0.0 {
            return COLD_START_BPS;
        }
        let low = (self.mean - self.variance.max(0.0).sqrt()).max(self.mean * 0.25);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and far below 2^63"
        )]
        let bps = low.clamp(1_000.0, 1e12) as u64;
        bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn follows_a_drop_within_a_few_chunks() {
        let mut t = Throughput::default();
        assert_eq!(t.conservative_bps(), COLD_START_BPS);
        for _ in 0..20 {
            t.sample(256 * 1024, Millis(262)); // 8 Mbit/s
        }
        assert!((7_500_000..8_500_000).contains(&t.conservative_bps()), "{}", t.conservative_bps());
        for _ in 0..6 {
            t.sample(256 * 1024, Millis(2_097)); // 1 Mbit/s
        }
        assert!(t.conservative_bps() < 2_000_000, "{}", t.conservative_bps());
    }

    proptest! {
        #[test]
        fn stays_below_the_fastest_sample(samples in prop::collection::vec((20_000u64..2_000_000, 1u64..20_000), 1..40)) {
            let mut t = Throughput::default();
            let mut fastest = 0;
            for &(bytes, ms) in &samples {
                t.sample(bytes, Millis(ms));
                fastest = fastest.max(bytes * 8_000 / ms);
            }
            prop_assert!(t.conservative_bps() <= fastest + 1_000);
        }
    }
}
