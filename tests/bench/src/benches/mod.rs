//! The benches, and how much each of them does.

mod engine;
mod feed;
pub(crate) mod ffi;
mod gateway;
pub(crate) mod media;
pub(crate) mod player;
pub(crate) mod telemetry;

use crate::error::BenchError;
use crate::machine::Machine;
use crate::report::{Report, Row};

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effort {
    /// Only to see that it runs.
    pub(crate) quick: bool,
    /// The caller's number of rounds.
    pub(crate) rounds: Option<u32>,
    /// Starts on a busy machine of the bench `player`.
    pub(crate) starts: Option<u32>,
    /// Parts of the bench `player`.
    pub(crate) parts: player::Parts,
    /// Languages of the bench `ffi`.
    pub(crate) languages: ffi::Chosen,
}

impl Effort {
    /// Rounds of a measurement that takes `full` of them, or `quick` in a hurry, unless the caller says otherwise.
    pub(crate) fn rounds(self, full: usize, quick: usize) -> usize {
        let usual = if self.quick { quick } else { full };
        self.rounds.and_then(|rounds| usize::try_from(rounds).ok()).unwrap_or(usual).max(1)
    }
}

/// One bench.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    /// What is measured, in a sentence or two.
    pub(crate) about: &'static str,
    rows: fn(Effort) -> Result<Vec<Row>, BenchError>,
}

impl Bench {
    /// Measures.
    pub(crate) fn measure(&self, effort: Effort) -> Result<Report, BenchError> {
        let machine = Machine::look();
        Ok(Report { bench: self.name, machine, rows: (self.rows)(effort)? })
    }
}

/// Every bench, in the order of the rooms.
pub(crate) const ALL: [Bench; 6] = [
    Bench {
        name: "engine",
        about: "Time of one turn of the engine over a simulated feed: a swipe with everything it leads to, and the \
                answers of network and players. No peer.",
        rows: engine::rows,
    },
    Bench {
        name: "feed",
        about: "What stands before the prefetcher: scoring 60 candidates with a full learner and arranging them within \
                the bound, against sorting the same scores; learning one viewing; and the last session from disk with no \
                network, its feed against one query and a parser.",
        rows: feed::rows,
    },
    Bench {
        name: "media",
        about: "The span store against a plain file with the same bytes, both in the page cache, and the chunked, \
                checksummed fetch to disk against one plain GET; the server runs in this process. The gateway against \
                nginx (Debian's nginx-light), where there is one.",
        rows: media::rows,
    },
    Bench {
        name: "player",
        about: "From the first call to the first picture at a sink in step with the clock: ours over the span store, \
                peers over file:// of the same clip (720x1280, 6 s, H.264 and AAC), software decoding, sound decoded.",
        rows: player::rows,
    },
    Bench {
        name: "telemetry",
        about: "Recording events with group commit against one transaction per event (WAL, synchronous NORMAL) that \
                writes the same bytes. The peer gets its bytes ready-made; ours also checks and encodes each event.",
        rows: telemetry::rows,
    },
    Bench {
        name: "ffi",
        about: "The ten hottest calls from Kotlin, Swift and Python, whole calls with the core's own work, against the \
                same calls from Rust; the difference is the crossing. A swipe is next() and the pulls of events until \
                the first frame is told; its FFI time is that difference over its calls.",
        rows: ffi::rows,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_rounds_come_first() {
        assert_eq!(Effort::default().rounds(15, 5), 15);
        assert_eq!(Effort { quick: true, ..Effort::default() }.rounds(15, 5), 5);
        assert_eq!(Effort { quick: true, rounds: Some(7), ..Effort::default() }.rounds(15, 5), 7);
    }
}
