//! When playback may run with what has arrived: one threshold for starts, another after a stall.
//!
//! A start is what a person waits for, so it needs little, and nothing when the download will be ahead of the playhead
//! for the rest of the clip. A stall has shown that it will not be, so a resumption waits for more, and for twice as
//! much after each further stall: on a link slower than the clip a watermark of one second was measured to stall 57
//! times where one long wait would have done.

/// Milliseconds of media that a resumption needs even if the download will finish in time: the estimate was wrong
/// before, and a quarter of a second covers the time to the next look at it.
const RESUME_AT_LEAST_MS: u64 = 250;

/// Margin of "in time": the download must need at most four fifths of the time that playback takes. Throughput of
/// mobile links varies by about as much within a clip.
const MARGIN_PERCENT: u64 = 125;

/// How much media has to be there before playback runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferPolicy {
    /// Milliseconds of media to have before the first frame where the download will not finish in time; 0 starts with
    /// whatever there is.
    pub start_ms: u64,
    /// Milliseconds of media to have before playback resumes after the first stall.
    pub resume_ms: u64,
    /// Most milliseconds to wait for, however often it stalled.
    pub most_ms: u64,
}

impl Default for BufferPolicy {
    /// Start with a quarter of a second where the link is known to be too slow, resume with one second, at most four.
    ///
    /// Media3 starts with 1 s and resumes with 2 s, which for clips of 10 to 20 s is a visible wait.
    fn default() -> Self {
        Self { start_ms: 250, resume_ms: 1000, most_ms: 4000 }
    }
}

/// What playback could draw on at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Supply {
    /// Milliseconds of media between the playhead and the first missing byte; `None` says that all of it is there.
    pub buffered_ms: Option<u64>,
    /// Bytes that have not arrived yet.
    pub missing_bytes: u64,
    /// Milliseconds of media from the playhead to the end.
    pub left_ms: u64,
    /// Speed of playback; 1 is normal.
    pub rate: f64,
    /// Bits a second that the network brings; `None` where nothing is known of it.
    pub throughput_bps: Option<u64>,
}

impl Supply {
    /// Whether the rest will have arrived before playback gets there; `None` where the network is not known.
    #[must_use]
    pub fn in_time(&self) -> Option<bool> {
        let bps = self.throughput_bps?;
        if bps == 0 {
            return Some(self.missing_bytes == 0);
        }
        let needed_ms =
            u128::from(self.missing_bytes) * 8_000 * u128::from(MARGIN_PERCENT) / 100 / u128::from(bps);
        let rate = if self.rate.is_finite() && self.rate > 0.0 { self.rate } else { 1.0 };
        Some(needed_ms <= (self.left_ms as f64 / rate) as u128)
    }
}

impl BufferPolicy {
    /// Whether a first frame may be shown.
    ///
    /// Where nothing is known of the network it may: a start that comes too early costs one stall, after which the
    /// network is known; waiting would cost every first start.
    #[must_use]
    pub fn may_start(&self, supply: &Supply) -> bool {
        let enough = supply.buffered_ms.is_none_or(|ms| ms >= self.start_ms);
        enough || supply.in_time().unwrap_or(true)
    }

    /// Whether playback may go on after its `stalls`th stall, counted from 1.
    #[must_use]
    pub fn may_resume(&self, supply: &Supply, stalls: u64) -> bool {
        let Some(buffered) = supply.buffered_ms else { return true };
        let doubled = self.resume_ms.saturating_mul(1 << stalls.saturating_sub(1).min(16));
        let enough = doubled.min(self.most_ms.max(self.resume_ms));
        buffered >= enough || buffered >= RESUME_AT_LEAST_MS.min(enough) && supply.in_time() == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A 10 s clip of 1.6 Mbit/s, of which nothing but `buffered_ms` is there.
    fn supply(buffered_ms: u64, throughput_bps: Option<u64>) -> Supply {
        let missing_bytes = 2_000_000 - 200 * buffered_ms;
        Supply { buffered_ms: Some(buffered_ms), missing_bytes, left_ms: 10_000, rate: 1.0, throughput_bps }
    }

    #[test]
    fn a_start_needs_nothing_when_the_rest_comes_in_time() {
        let policy = BufferPolicy::default();
        assert!(policy.may_start(&supply(0, Some(2_000_000))));
        assert!(!policy.may_start(&supply(0, Some(1_900_000))), "the margin is a quarter");
        assert!(policy.may_start(&supply(250, Some(100))), "enough is enough");
        assert!(policy.may_start(&supply(0, None)));
        assert!(!policy.may_start(&Supply { rate: 2.0, ..supply(0, Some(3_000_000)) }));
        assert!(policy.may_start(&Supply { buffered_ms: None, missing_bytes: 0, ..supply(0, Some(0)) }));
    }

    #[test]
    fn each_stall_waits_for_twice_as_much_up_to_the_most() {
        let policy = BufferPolicy::default();
        for (stalls, enough) in [(1, 1000), (2, 2000), (3, 4000), (4, 4000), (u64::MAX, 4000)] {
            assert!(!policy.may_resume(&supply(enough - 1, None), stalls), "{stalls}");
            assert!(policy.may_resume(&supply(enough, None), stalls), "{stalls}");
        }
    }

    #[test]
    fn a_resumption_goes_at_once_only_on_a_link_that_is_known_to_do() {
        let policy = BufferPolicy::default();
        assert!(policy.may_resume(&supply(250, Some(4_000_000)), 3));
        assert!(!policy.may_resume(&supply(249, Some(4_000_000)), 3));
        assert!(!policy.may_resume(&supply(900, Some(1_000_000)), 1));
        assert!(policy.may_resume(&Supply { buffered_ms: None, ..supply(0, Some(0)) }, 9));
    }

    proptest! {
        #[test]
        fn more_never_hurts(
            buffered in 0u64..20_000, more in 0u64..20_000, missing in 0u64..u64::MAX / 16, left in 0u64..1 << 40,
            bps in prop::option::of(any::<u64>()), rate in prop::num::f64::ANY, stalls in any::<u64>(),
        ) {
            let policy = BufferPolicy::default();
            let supply =
                Supply { buffered_ms: Some(buffered), missing_bytes: missing, left_ms: left, rate, throughput_bps: bps };
            let richer = Supply { buffered_ms: Some(buffered + more), missing_bytes: missing / 2, ..supply };
            prop_assert!(!policy.may_start(&supply) || policy.may_start(&richer));
            prop_assert!(!policy.may_resume(&supply, stalls) || policy.may_resume(&richer, stalls));
            prop_assert!(!policy.may_resume(&supply, 2) || policy.may_resume(&supply, 1));
        }
    }
}
