//! How fast the network is, told carefully: an over-estimate stalls the person, an under-estimate only blurs a picture.
//!
//! Each finished transfer is one sample: its body over the time after its first byte, so that the round trip does not
//! count as slowness; the round trip is estimated beside it. The mean is bits over seconds with exponential forgetting,
//! which is what a long download would have seen. How far samples stray from it, on a logarithmic scale, is kept too:
//! decisions are taken against a handful of speeds the link may turn out to have, slow ones included, and never against
//! one number.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// Samples below this size measure the round trip, not the rate.
pub const SMALLEST_SAMPLE: u64 = 16 * 1024;
/// Seconds of transfer that an assumption made before the first sample counts for; at most as much as [`PRIOR_WEIGHT`] of
/// the first sample.
const PRIOR_S: f64 = 0.5;
/// See [`PRIOR_S`].
const PRIOR_WEIGHT: f64 = 0.3;
/// Round trip assumed before the first answer, milliseconds: the middle of what mobile networks show to a near CDN.
const PRIOR_RTT_MS: f64 = 80.0;
/// Deviation of the logarithm assumed before the first samples: half to twice the mean.
const PRIOR_DEVIATION: f64 = 0.45;
/// The same before the first sample of all, when even the class of the network is a guess: a fifth to five times.
const COLD_DEVIATION: f64 = 1.6;
/// Days after which a remembered estimate counts for half.
const REMEMBER_DAYS: f64 = 7.0;

/// Shortest time lost, in seconds, that counts as an outage, and how long one lasts on average: lifts, tunnels and hand-overs.
const SHORTEST_OUTAGE_S: f64 = 0.5;
/// See [`SHORTEST_OUTAGE_S`].
const OUTAGE_S: f64 = 8.0;
/// Range of the logarithm a rate may jump within: a factor of twenty either way.
const JUMP_RANGE: f64 = 6.0;
/// What a second, and a transfer at least, takes from the weight of the long mean: half a minute, or fifty transfers.
const LONG_PER_S: f64 = 0.03;
/// See [`LONG_PER_S`].
const LONG_PER_TRANSFER: f64 = 0.02;

/// How fast older samples fade, and what explains one that strays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Logarithm of what a second of later transfers leaves of a sample's weight.
    pub per_s: f64,
    /// What a later transfer, however short, takes at least: on a fast link a chunk takes a blink, and an outage must
    /// not be remembered for a hundred of them.
    pub per_transfer: f64,
    /// How likely a transfer is held up by an outage that then ends, before it is known how long it took.
    pub outage: f64,
    /// How likely the rate has become another one altogether since the transfer before.
    pub jump: f64,
    /// Deviation of the logarithm that is usual between two transfers, at least.
    pub usual: f64,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { per_s: 0.4, per_transfer: 0.4, outage: 0.1, jump: 0.02, usual: 0.35 }
    }
}

/// What the device says about its network before anything was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkClass {
    /// Nothing.
    #[default]
    Unknown,
    /// Wi-Fi or a cable.
    Wifi,
    /// A mobile network of the fifth generation.
    Cellular5g,
    /// A mobile network of the fourth.
    Cellular4g,
    /// Anything slower.
    CellularSlow,
}

impl NetworkClass {
    /// Bits per second assumed before the first sample: a third of published medians (4G 37, 5G 500 Mbit/s; fixed lines
    /// of the FCC's traces 2.5 to 10), since a median is no promise; between the "medium" (1.61) and "high" (3.58)
    /// classes of the ACM MM 2022 challenge where nothing is known.
    #[must_use]
    pub fn cold_start_bps(self) -> u64 {
        match self {
            NetworkClass::Unknown => 2_500_000,
            NetworkClass::Wifi => 6_000_000,
            NetworkClass::Cellular5g => 20_000_000,
            NetworkClass::Cellular4g => 5_000_000,
            NetworkClass::CellularSlow => 800_000,
        }
    }
}

/// What is remembered of a network between sessions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Mean rate, bits per second.
    pub bps: u64,
    /// Round trip in milliseconds.
    pub rtt_ms: u32,
    /// Deviation of the logarithm of the rate.
    pub deviation: f64,
    /// When it was last measured, milliseconds since 1970.
    pub unix_ms: i64,
}

/// A running estimate of one path.
#[derive(Debug, Clone)]
pub struct Throughput {
    memory: Memory,
    megabits: f64,
    seconds: f64,
    deviation2: f64,
    rtt_ms: f64,
    measured: bool,
    known: bool,
    /// Mean of the logarithm of the rate over a long time, and how much of that time was measured.
    long_log: f64,
    long_weight: f64,
    /// How likely the last transfer was held up by an outage.
    held_up: f64,
    /// Megabits and seconds of a transfer under way, where it is slower than the mean.
    hanging: Option<(f64, f64)>,
}

impl Default for Throughput {
    fn default() -> Self {
        Throughput::cold(NetworkClass::Unknown, Memory::default())
    }
}

impl Throughput {
    /// An estimate before the first sample.
    #[must_use]
    pub fn cold(class: NetworkClass, memory: Memory) -> Self {
        let mbps = mbps(class.cold_start_bps());
        Throughput {
            memory,
            megabits: mbps * PRIOR_S,
            seconds: PRIOR_S,
            deviation2: PRIOR_DEVIATION * PRIOR_DEVIATION,
            rtt_ms: PRIOR_RTT_MS,
            measured: false,
            known: false,
            held_up: 0.0,
            long_log: mbps.ln(),
            long_weight: 0.0,
            hanging: None,
        }
    }

    /// An estimate that begins with what an earlier session measured on the same kind of network; the older it is, the
    /// more the class counts instead.
    #[must_use]
    pub fn remembered(class: NetworkClass, memory: Memory, past: &Remembered, unix_ms: i64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "days")]
        let days = unix_ms.saturating_sub(past.unix_ms).max(0) as f64 / 86_400_000.0;
        let trust = 0.5_f64.powf(days / REMEMBER_DAYS);
        let mut cold = Throughput::cold(class, memory);
        let then = mbps(past.bps).clamp(0.01, 10_000.0);
        let now = mbps(class.cold_start_bps());
        cold.long_log = then.ln() * trust + now.ln() * (1.0 - trust);
        cold.megabits = cold.long_log.exp() * PRIOR_S;
        cold.rtt_ms = f64::from(past.rtt_ms).clamp(1.0, 5_000.0) * trust + cold.rtt_ms * (1.0 - trust);
        let deviation = past.deviation.clamp(0.05, 2.0) * trust + PRIOR_DEVIATION * (1.0 - trust);
        cold.deviation2 = deviation * deviation;
        cold.known = trust > 0.25;
        cold
    }

    /// What the next session should know; `None` before anything was measured.
    #[must_use]
    pub fn remember(&self, unix_ms: i64) -> Option<Remembered> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let rtt_ms = self.rtt_ms.clamp(1.0, 60_000.0) as u32;
        self.measured.then_some(Remembered {
            bps: bps(self.mean_mbps()),
            rtt_ms,
            deviation: self.deviation(),
            unix_ms,
        })
    }

    /// Takes one finished transfer: its body bytes, the wait for its first byte, and the time from that to its last.
    pub fn sample(&mut self, bytes: u64, first_byte: Millis, transfer: Millis) {
        #[expect(clippy::cast_precision_loss, reason = "rates need no 53 bits")]
        let (megabits, seconds, rtt) =
            (bytes as f64 * 8e-6, transfer.0.max(1) as f64 / 1_000.0, first_byte.0 as f64);
        self.rtt_ms += 0.125 * (rtt.min(5_000.0) - self.rtt_ms);
        if bytes < SMALLEST_SAMPLE {
            return;
        }
        self.hanging = None;
        if !self.measured {
            let weight = (PRIOR_WEIGHT * seconds / self.seconds).min(1.0);
            self.megabits *= weight;
            self.seconds *= weight;
        }
        let keep = (-(self.memory.per_s * seconds).max(self.memory.per_transfer)).exp();
        let stray = (megabits / seconds / self.mean_mbps()).ln();
        let (held_up, jumped) = self.explain(megabits, seconds, stray);
        self.held_up = held_up;
        if self.measured {
            // A transfer of a second renews a quarter of the deviation.
            let renew = (0.25 * seconds).clamp(0.05, 0.5);
            self.deviation2 += (1.0 - held_up) * renew * (stray * stray - self.deviation2);
        }
        let fresh = (LONG_PER_S * seconds).max(LONG_PER_TRANSFER);
        self.long_weight = self.long_weight * (1.0 - fresh) + fresh;
        self.long_log +=
            fresh / (self.long_weight + LONG_PER_TRANSFER) * ((megabits / seconds).ln() - self.long_log);
        let keep = keep * (1.0 - jumped);
        let (new_megabits, new_seconds) = (self.megabits * keep + megabits, self.seconds * keep + seconds);
        // Between the two explanations on a logarithmic scale: seconds lost to an outage must not outweigh it.
        let (before, after) = (self.megabits / self.seconds, new_megabits / new_seconds);
        self.seconds += (1.0 - held_up) * (new_seconds - self.seconds);
        self.megabits = before * (after / before).powf(1.0 - held_up) * self.seconds;
        self.measured = true;
        self.known = true;
    }

    /// How likely a transfer was held up by an outage that is over, and how likely the rate is another one now; what is
    /// left is the usual wavering. `stray` is the logarithm of its rate over the mean.
    ///
    /// An outage explains a slow transfer by seconds that were lost; it says nothing of the rate before and after, so the
    /// estimate stays. Two in a row are no outages but a slow link.
    fn explain(&self, megabits: f64, seconds: f64, stray: f64) -> (f64, f64) {
        if !self.measured {
            return (0.0, 0.0);
        }
        let deviation = self.deviation().max(self.memory.usual);
        let usual = (-0.5 * (stray / deviation).powi(2)).exp() / (deviation * std::f64::consts::TAU.sqrt());
        let lost = seconds - megabits / self.mean_mbps();
        let held_up = match lost > SHORTEST_OUTAGE_S {
            true => self.memory.outage * (1.0 - self.held_up) * (-lost / OUTAGE_S).exp(),
            false => 0.0,
        };
        let jump = self.memory.jump / JUMP_RANGE;
        let all = usual + held_up + jump;
        (held_up / all, jump / all)
    }

    /// A transfer that is under way and has brought only so much: an upper bound, until the next sample.
    pub fn at_most(&mut self, bytes: u64, elapsed: Millis) {
        #[expect(clippy::cast_precision_loss, reason = "rates need no 53 bits")]
        let (megabits, seconds) = (bytes as f64 * 8e-6, elapsed.0 as f64 / 1_000.0);
        self.hanging = (megabits < self.megabits / self.seconds * seconds).then_some((megabits, seconds));
    }

    /// Mean rate in megabits per second.
    #[must_use]
    pub fn mean_mbps(&self) -> f64 {
        let (megabits, seconds) = self.hanging.unwrap_or_default();
        ((self.megabits + megabits) / (self.seconds + seconds)).clamp(0.02, 10_000.0)
    }

    /// Deviation of the logarithm of the rate.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.deviation2.max(0.0).sqrt()
    }

    /// Megabits per second to expect: the mean, drawn towards that of a long time by this share of their distance on a
    /// logarithmic scale.
    #[must_use]
    pub fn expected_mbps(&self, pull: f64) -> f64 {
        let mean = self.mean_mbps();
        mean * (self.long_log.exp() / mean).powf(pull)
    }

    /// Spread of the logarithm, as the scale of a logistic distribution, that is owed to having measured nothing yet; 0
    /// once something was, in this session or remembered from an earlier one.
    #[must_use]
    pub fn cold_spread(&self) -> f64 {
        // The scale of a logistic distribution is its deviation times the root of three over pi.
        if self.known { 0.0 } else { COLD_DEVIATION * 0.551 }
    }

    /// Round trip in seconds.
    #[must_use]
    pub fn rtt_s(&self) -> f64 {
        self.rtt_ms / 1_000.0
    }

    /// A rate in bits per second that the link is likely to keep: one deviation below the mean.
    #[must_use]
    pub fn conservative_bps(&self) -> u64 {
        bps(self.mean_mbps() * (-self.deviation()).exp().max(0.25))
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates need no 53 bits")]
fn mbps(bps: u64) -> f64 {
    bps as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and far below 2^63")]
fn bps(mbps: f64) -> u64 {
    (mbps * 1e6).max(1_000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(t: &mut Throughput, mbit_s: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test")]
        t.sample(256 * 1024, Millis(50), Millis((2_097.0 / mbit_s) as u64));
    }

    #[test]
    fn follows_a_drop_within_a_few_chunks() {
        let mut t = Throughput::default();
        for _ in 0..40 {
            sample(&mut t, 8.0);
        }
        assert!((7.5..8.5).contains(&t.mean_mbps()), "{}", t.mean_mbps());
        assert!(t.conservative_bps() > 6_500_000, "{}", t.conservative_bps());
        for _ in 0..4 {
            sample(&mut t, 1.0);
        }
        assert!(t.conservative_bps() < 1_500_000, "{}", t.conservative_bps());
        assert!((40.0..80.0).contains(&(t.rtt_s() * 1_000.0)));
    }

    #[test]
    fn an_outage_that_is_over_does_not_count_and_two_in_a_row_do() {
        let mut t = Throughput::default();
        for _ in 0..20 {
            sample(&mut t, 30.0);
        }
        t.sample(1_000_000, Millis(50), Millis(5_000));
        assert!(t.mean_mbps() > 24.0, "five lost seconds: {}", t.mean_mbps());
        for _ in 0..3 {
            t.sample(1_000_000, Millis(50), Millis(5_000));
        }
        assert!(t.mean_mbps() < 2.5, "a slow link: {}", t.mean_mbps());
        for _ in 0..8 {
            t.sample(1_000_000, Millis(50), Millis(270));
        }
        assert!(t.mean_mbps() > 20.0, "and back: {}", t.mean_mbps());
    }

    #[test]
    fn what_is_expected_lies_between_now_and_always() {
        let mut t = Throughput::default();
        for _ in 0..200 {
            sample(&mut t, 8.0);
        }
        for _ in 0..5 {
            sample(&mut t, 3.0);
        }
        let (now, soon, later) = (t.mean_mbps(), t.expected_mbps(0.5), t.expected_mbps(1.0));
        assert!(now < 3.5 && now < soon && soon < later && later < 8.0, "{now} {soon} {later}");
    }

    #[test]
    fn a_transfer_that_hangs_is_news() {
        let mut t = Throughput::default();
        sample(&mut t, 8.0);
        let before = t.mean_mbps();
        t.at_most(0, Millis(3_000));
        assert!(t.mean_mbps() < before / 3.0, "{} {}", t.mean_mbps(), before);
        t.at_most(u64::from(u32::MAX), Millis(3_100));
        assert!((t.mean_mbps() - before).abs() < 1e-9, "no upper bound raises the mean");
    }

    #[test]
    fn what_was_measured_is_remembered_and_fades() {
        let mut t = Throughput::cold(NetworkClass::Cellular4g, Memory::default());
        assert_eq!(t.remember(0), None);
        for _ in 0..20 {
            sample(&mut t, 1.0);
        }
        let past = t.remember(1_000).unwrap();
        let soon = Throughput::remembered(NetworkClass::Cellular4g, Memory::default(), &past, 2_000);
        assert!((soon.mean_mbps() - t.mean_mbps()).abs() < 0.05);
        let late = Throughput::remembered(
            NetworkClass::Cellular4g,
            Memory::default(),
            &past,
            1_000 + 60 * 86_400_000,
        );
        assert!(late.mean_mbps() > 4.0, "{}", late.mean_mbps());
        let text = serde_json::to_string(&past).unwrap();
        assert_eq!(serde_json::from_str::<Remembered>(&text).unwrap(), past);
    }

    proptest! {
        #[test]
        fn stays_below_the_fastest_sample(samples in prop::collection::vec((20_000u64..2_000_000, 1u64..20_000), 1..40)) {
            let mut t = Throughput::default();
            let mut fastest = NetworkClass::Unknown.cold_start_bps();
            for &(bytes, ms) in &samples {
                t.sample(bytes, Millis(30), Millis(ms));
                fastest = fastest.max(bytes * 8_000 / ms);
            }
            prop_assert!(t.conservative_bps() <= fastest + 1_000);
            prop_assert!(t.deviation().is_finite());
        }
    }
}
