//! How large a chunk is and how long to wait after a failure.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use unspool_engine::Span;

use super::Limits;

/// A chunk takes about this long: short enough that a swipe is felt at once, long enough that the round trip between
/// chunks (50-100 ms on mobile) costs a fifth at worst.
const HORIZON: f64 = 0.4;
/// An opening request takes at most about this long: the person who waits for its bytes waits for them in any case, and
/// who swipes away waits for one chunk too many, once.
const OPENING: f64 = 1.0;
/// Weight of the newest sample: three samples bring a changed line through.
const NEWEST: f64 = 0.4;

/// Chunk sizes that follow the line.
#[derive(Debug)]
pub(crate) struct ChunkPolicy {
    min: u64,
    initial: u64,
    max: u64,
    bytes_per_second: Option<f64>,
}

impl ChunkPolicy {
    pub(crate) fn new(limits: &Limits) -> Self {
        let min = limits.chunk_min.max(1);
        ChunkPolicy {
            min,
            initial: limits.chunk_initial,
            max: limits.chunk_max.max(min),
            bytes_per_second: None,
        }
    }

    /// Takes in a finished request.
    pub(crate) fn sample(&mut self, bytes: u64, elapsed: Duration) {
        // A few bytes say more about the round trip than about the line.
        if bytes < self.min / 2 {
            return;
        }
        let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
        self.bytes_per_second = Some(match self.bytes_per_second {
            Some(known) => known + NEWEST * (rate - known),
            None => rate,
        });
    }

    /// Throughput of the line in kbit/s, once a request told it.
    pub(crate) fn kbps(&self) -> Option<u64> {
        self.bytes_per_second.map(|rate| (rate * 8.0 / 1000.0) as u64)
    }

    /// Bytes to ask for at once.
    pub(crate) fn bytes(&self) -> u64 {
        let wanted = match self.bytes_per_second {
            Some(rate) => (rate * HORIZON) as u64,
            None => self.initial,
        };
        wanted.clamp(self.min, self.max)
    }

    /// The first chunk of `hole`; stretched by up to a quarter when that ends the hole.
    pub(crate) fn first_chunk(&self, hole: Span) -> Span {
        stretched(hole, self.bytes())
    }

    /// The same for the first request for a file that a person waits for, of which nothing is known yet: as much as is
    /// wanted, in one.
    pub(crate) fn opening_chunk(&self, hole: Span) -> Span {
        let bytes = match self.bytes_per_second {
            Some(rate) => ((rate * OPENING) as u64).clamp(self.min, self.max),
            None => self.max,
        };
        stretched(hole, bytes)
    }
}

fn stretched(hole: Span, bytes: u64) -> Span {
    if hole.len() <= bytes + bytes / 4 { hole } else { Span::new(hole.start, hole.start + bytes) }
}

/// How long to wait before try number `attempt` (counted from 1): full jitter, or what the server asked for.
pub(crate) fn backoff(limits: &Limits, attempt: u32, retry_after: Option<Duration>) -> Duration {
    if let Some(asked) = retry_after {
        return asked.min(limits.backoff_cap);
    }
    let ceiling =
        limits.backoff_base.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(limits.backoff_cap);
    // The standard library's hasher seeds are random; that is all the randomness a jitter needs.
    let random = RandomState::new().build_hasher().finish();
    ceiling.mul_f64((random >> 11) as f64 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_the_line_within_bounds() {
        let mut policy = ChunkPolicy::new(&Limits::default());
        assert_eq!(policy.bytes(), 128 * 1024);
        policy.sample(100_000, Duration::from_millis(100));
        assert_eq!(policy.bytes(), 400_000);
        (0..20).for_each(|_| policy.sample(100_000, Duration::from_millis(1)));
        assert_eq!(policy.bytes(), 1024 * 1024);
        (0..20).for_each(|_| policy.sample(100_000, Duration::from_secs(10)));
        assert_eq!(policy.bytes(), 64 * 1024);
    }

    #[test]
    fn an_opening_takes_all_that_is_wanted_within_a_second_of_the_line() {
        let mut policy = ChunkPolicy::new(&Limits::default());
        let wanted = Span::new(0, 512 * 1024);
        assert_eq!(policy.opening_chunk(wanted), wanted);
        assert_eq!(policy.opening_chunk(Span::new(0, 4 << 20)).len(), 1024 * 1024);
        policy.sample(150_000, Duration::from_secs(1));
        assert_eq!(policy.opening_chunk(wanted).len(), 150_000);
        (0..20).for_each(|_| policy.sample(100_000, Duration::from_secs(10)));
        assert_eq!(policy.opening_chunk(wanted).len(), 64 * 1024);
    }

    #[test]
    fn a_small_tail_joins_the_chunk_before_it() {
        let policy = ChunkPolicy::new(&Limits::default());
        let chunk = 128 * 1024;
        assert_eq!(policy.first_chunk(Span::new(10, 10 + chunk + chunk / 4)).len(), chunk + chunk / 4);
        assert_eq!(policy.first_chunk(Span::new(10, 11 + chunk + chunk / 4)).len(), chunk);
    }

    #[test]
    fn backoff_stays_under_its_ceiling_and_honours_the_server() {
        let limits = Limits::default();
        for attempt in 1..40 {
            assert!(backoff(&limits, attempt, None) <= limits.backoff_cap);
        }
        assert!(backoff(&limits, 1, None) <= limits.backoff_base);
        assert_eq!(backoff(&limits, 1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(backoff(&limits, 1, Some(Duration::from_secs(3600))), limits.backoff_cap);
    }
}
