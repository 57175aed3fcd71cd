//! How often to measure: as often as wanted, or for as long as it may take.

use std::time::{Duration, Instant};

use super::Effort;

/// Rounds that are measured whatever they take; fewer would have no middle.
const LEAST: usize = 3;

/// Counts rounds; the first, which is for warming up, is number 0.
#[derive(Debug)]
pub(super) struct Rounds {
    next: usize,
    wanted: usize,
    until: Option<Instant>,
}

impl Rounds {
    /// As many rounds as the effort says of `(full, quick)`, at most for `time` unless the caller named a number.
    pub(super) fn of(effort: Effort, (full, quick): (usize, usize), time: Duration) -> Self {
        let until = effort.rounds.is_none().then(|| Instant::now() + time);
        Rounds { next: 0, wanted: effort.rounds(full, quick), until }
    }

    /// The number of the next round; `None` when it is enough.
    pub(super) fn next(&mut self) -> Option<usize> {
        let over = self.until.is_some_and(|until| Instant::now() >= until);
        if self.next > self.wanted || over && self.next > LEAST {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(effort: Effort, time: Duration) -> usize {
        let mut rounds = Rounds::of(effort, (9, 2), time);
        std::iter::from_fn(|| rounds.next()).count()
    }

    #[test]
    fn rounds_end_with_their_number_or_their_time_and_are_never_fewer_than_three() {
        let hour = Duration::from_secs(3600);
        assert_eq!(count(Effort::default(), hour), 1 + 9);
        assert_eq!(count(Effort { quick: true, ..Effort::default() }, hour), 1 + 2);
        assert_eq!(count(Effort::default(), Duration::ZERO), 1 + LEAST);
        assert_eq!(count(Effort { rounds: Some(20), ..Effort::default() }, Duration::ZERO), 1 + 20);
    }
}
