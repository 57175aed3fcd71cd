//! An oracle that knows when the person will swipe, and must estimate the network like everybody else.
//!
//! It fetches the chunks that will be shown, in the order of play, as far ahead as the queue allows: nothing it fetches is
//! wasted, so nothing speaks for waiting. The rendition: the best sequence for the next chunks at a cautious rate, with the
//! weights of the score and the exact time each chunk will be needed, and nothing above what the rate sustains.

use super::rate::Link;
use super::{download, no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::score::{BYTES_WEIGHT, STALL_WEIGHT};
use crate::session::Session;

/// Chunks looked ahead.
const HORIZON: usize = 5;
/// Share of the measured rate that is counted on.
const SHARE: f64 = 0.80;
const SLEEP_MS: u32 = 100;

/// The oracle.
pub struct SwipeOracle {
    watch_ms: Vec<f64>,
    session: Session,
    link: Link,
    last: Option<u8>,
}

impl SwipeOracle {
    /// An oracle for one person's session.
    #[must_use]
    pub fn new(watch_ms: &[f64]) -> Self {
        SwipeOracle { watch_ms: watch_ms.to_vec(), session: no_session(), link: Link::default(), last: None }
    }

    fn watch(&self, index: usize) -> f64 {
        let length = f64::from(self.session.videos[index].duration_ms);
        self.watch_ms.get(index).copied().unwrap_or(length).clamp(0.0, length)
    }

    /// The score of the best sequence from the `at`th of the chunks on; `clock` and `slack` in milliseconds.
    fn best(&self, chunks: &[(usize, usize)], mbps: f64, slack: f64, last: Option<u8>) -> (f64, usize) {
        let Some((&(index, chunk), rest)) = chunks.split_first() else { return (0.0, 0) };
        let v = &self.session.videos[index];
        let mut best = (f64::NEG_INFINITY, 0);
        for r in 0..v.kbps.len() {
            let bytes = v.sizes[r][chunk];
            let took = self.link.chunk_ms(bytes, mbps);
            let stall = (took - slack).max(0.0);
            let len = v.chunk_len_ms(chunk);
            let rate = f64::from(v.kbps[r]) / 1_000.0;
            let step = last.map_or(0.0, |l| {
                (f64::from(v.kbps[usize::from(l).min(v.kbps.len() - 1)]) / 1_000.0 - rate).abs()
            });
            let now = rate * len / 1_000.0
                - step
                - STALL_WEIGHT * stall / 1_000.0
                - BYTES_WEIGHT * f64::from(bytes) * 8e-6;
            let slack = (slack - took).max(0.0) + len;
            let value = now + self.best(rest, mbps, slack, Some(r as u8)).0;
            if value > best.0 {
                best = (value, r);
            }
        }
        best
    }
}

impl Policy for SwipeOracle {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
        self.last = None;
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let mut ahead = Vec::with_capacity(HORIZON);
        let mut slack = 0.0;
        let mut first = None;
        for q in &observation.queue {
            let index = self.session.index_of(q.video).unwrap_or(0);
            let v = video(&self.session, q);
            let watch = self.watch(index);
            slack += if first.is_none() {
                (v.media_ms(q.chunks.len()).min(watch) - q.played_ms).max(0.0)
            } else {
                0.0
            };
            let mut chunk = q.chunks.len();
            while chunk < v.chunks() && v.media_ms(chunk) < watch && ahead.len() < HORIZON {
                first = first.or(Some(q));
                ahead.push((index, chunk));
                chunk += 1;
            }
        }
        let Some(q) = first else { return Action::Sleep { ms: SLEEP_MS } };
        let mbps = self.link.mean_mbps() * SHARE;
        let rendition = self.best(&ahead, mbps, slack, self.last).1;
        self.last = Some(rendition as u8);
        download(q, rendition)
    }
}
