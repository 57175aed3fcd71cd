//! PDAS, winner of the short-video challenge of ACM Multimedia 2022.
//!
//! Each video of the queue may be held up to a bound b = max(p · T, 3.5 · exp(−0.3 C − 0.15 d)) seconds: p is the probability
//! that the viewer gets to the next chunk, T the largest buffer worth having, C the rate in Mbit/s and d the distance
//! from the current video. The first video under its bound is fetched. The rendition is the first of the sequence over the
//! next chunks with the highest expected quality: every chunk's worth, its stall and its step weigh as much as it is
//! likely to be watched, its bytes count in full, and the rate is the robust one of RobustMPC. Otherwise it sleeps 50 ms.
//!
//! Source: Zhou et al., "PDAS: Probability-Driven Adaptive Streaming for Short Video", MM 2022. There is no public code of the
//! authors; the paper gives the bound and the objective, and T is chosen here, as the length with the highest score of 2, 3,
//! 4, 5 and 7 s that does not give up the slow networks.

use super::rate::{Link, last_rendition};
use super::{complete, download, no_session};
use crate::policy::{Action, Observation, Policy, Queued};
use crate::score::{BYTES_WEIGHT, STALL_WEIGHT};
use crate::session::{Session, Video};

/// T, milliseconds.
const LARGEST_MS: f64 = 3_000.0;
/// Chunks looked ahead.
const HORIZON: usize = 5;
const SLEEP_MS: u32 = 50;

/// PDAS.
pub struct Pdas {
    session: Session,
    link: Link,
}

impl Pdas {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        Pdas { session: no_session(), link: Link::default() }
    }

    fn wants(&self, distance: usize, q: &Queued, v: &Video, mbps: f64) -> bool {
        let p = v.reaches(q.played_ms, v.media_ms(q.chunks.len()));
        let floor = 3_500.0 * (-0.3 * mbps - 0.15 * distance as f64).exp();
        q.buffer_ms < (p * LARGEST_MS).max(floor)
    }

    fn best(&self, v: &Video, at: At, left: usize, mbps: f64) -> (f64, usize) {
        if left == 0 || at.chunk >= v.chunks() {
            return (0.0, 0);
        }
        let p = v.reaches(at.played_ms, v.media_ms(at.chunk));
        let mut best = (f64::NEG_INFINITY, 0);
        for r in 0..v.kbps.len() {
            let bytes = v.sizes[r][at.chunk];
            let took = self.link.chunk_ms(bytes, mbps);
            let stall = (took - at.buffer_ms).max(0.0) / 1_000.0;
            let rate = f64::from(v.kbps[r]) / 1_000.0;
            let step =
                at.last.map_or(0.0, |l| (f64::from(v.kbps[l.min(v.kbps.len() - 1)]) / 1_000.0 - rate).abs());
            let len = v.chunk_len_ms(at.chunk);
            let now = p * (rate * len / 1_000.0 - step - STALL_WEIGHT * stall)
                - BYTES_WEIGHT * f64::from(bytes) * 8e-6;
            let next = At {
                chunk: at.chunk + 1,
                buffer_ms: (at.buffer_ms - took).max(0.0) + len,
                last: Some(r),
                ..at
            };
            let value = now + self.best(v, next, left - 1, mbps).0;
            if value > best.0 {
                best = (value, r);
            }
        }
        best
    }
}

#[derive(Clone, Copy)]
struct At {
    chunk: usize,
    played_ms: f64,
    buffer_ms: f64,
    last: Option<usize>,
}

impl Default for Pdas {
    fn default() -> Self {
        Pdas::new()
    }
}

impl Policy for Pdas {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let mbps = self.link.robust_mbps();
        let mut ahead_ms = 0.0;
        for (i, q) in observation.queue.iter().enumerate() {
            let Some(index) = self.session.index_of(q.video) else { continue };
            let v = &self.session.videos[index];
            if !complete(v, q) && self.wants(i, q, v, mbps) {
                // A chunk of a later video is needed once what is held before it was seen or swiped away.
                let at = At {
                    chunk: q.chunks.len(),
                    played_ms: q.played_ms,
                    buffer_ms: ahead_ms + q.buffer_ms,
                    last: last_rendition(observation, i).map(usize::from),
                };
                return download(q, self.best(v, at, HORIZON, mbps).1);
            }
            ahead_ms += q.buffer_ms;
        }
        Action::Sleep { ms: SLEEP_MS }
    }
}
