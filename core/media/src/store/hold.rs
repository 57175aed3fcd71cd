//! When to try again what the disk refused.
//!
//! A disk that is full stays full until somebody frees space, and one that fails rarely heals within a clip. Each
//! refusal therefore holds the next attempt off, twice as long as the one before: playback costs a full disk one failed
//! write a minute and not one per chunk.

use std::time::{Duration, Instant};

/// First pause. One second: what the index writer gathers, and long enough that a burst of chunks fails once.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause. A minute: a person who freed space sees caching come back within the clip after the next.
const LONGEST: Duration = Duration::from_secs(60);

/// A pause that grows with every failure and ends with a success.
#[derive(Debug, Default)]
pub(super) struct Hold {
    until: Option<Instant>,
    last: Duration,
}

impl Hold {
    /// Whether it is too early to try again.
    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When it may be tried again, while that is not yet.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.last = (self.last * 2).clamp(FIRST, LONGEST);
        self.until = Some(now + self.last);
    }

    /// It worked, or there is reason to think that it would.
    pub(super) fn clear(&mut self) {
        *self = Hold::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_a_success() {
        let start = Instant::now();
        let (mut hold, mut now, mut pauses) = (Hold::default(), start, Vec::new());
        for _ in 0..9 {
            assert!(!hold.is_on(now));
            hold.failed(now);
            assert!(hold.is_on(now));
            let until = hold.until().unwrap();
            pauses.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        hold.failed(now);
        hold.clear();
        assert!(!hold.is_on(now));
        hold.failed(now);
        assert_eq!((hold.until().unwrap() - now).as_secs(), 1);
    }
}
