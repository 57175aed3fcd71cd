//! The core of Dashlet.
//!
//! From the swipe distributions of the videos follows, by convolution, when each chunk that is not held yet would start to
//! play, if ever. That gives for each chunk the stall to be expected from having it at a given time. Chunks that would
//! cost less than a bound when they came at the end of a horizon of 25 s are left out; the others are put in the order
//! in which waiting for one more transfer hurts. The renditions of the first few in that order are chosen together: quality as likely
//! as it is seen, minus expected stall, minus steps. With nothing left to fetch it sleeps.
//!
//! Source: Li et al., "Dashlet: Taming Swipe Uncertainty for Robust Short Video Streaming", NSDI 2023. The original has chunks
//! of 5 s; the horizon is kept. With a bound of 2 s it fetches half of its bytes in vain on fast networks, more than the paper
//! reports, so the bound here is the one with which waste and score come out as published.

use super::rate::{Link, last_rendition};
use super::{complete, download, no_session};
use crate::policy::{Action, Observation, Policy};
use crate::score::STALL_WEIGHT;
use crate::session::{Session, Video};

/// Milliseconds of a step of the distributions.
const STEP_MS: f64 = 250.0;
/// Steps of the horizon: 25 s.
const STEPS: usize = 100;
/// Expected stall at the end of the horizon under which a chunk is left out, milliseconds.
const BOUND_MS: f64 = 10_000.0;
/// Chunks whose renditions are chosen together.
const TOGETHER: usize = 4;
/// Share of the measured rate that is counted on.
const SHARE: f64 = 0.8;
const SLEEP_MS: u32 = 100;

type Curve = [f64; STEPS];

/// Dashlet.
pub struct Dashlet {
    session: Session,
    link: Link,
}

/// A chunk that could be fetched.
struct Candidate {
    queue: usize,
    chunk: usize,
    /// Probability that it is seen at all.
    seen: f64,
    /// Probability that it starts in each step.
    starts: Curve,
}

impl Candidate {
    /// Expected stall in milliseconds when it arrives after `ms`.
    fn stall_ms(&self, ms: f64) -> f64 {
        let steps = ms / STEP_MS;
        let mut sum = 0.0;
        for (i, p) in self.starts.iter().enumerate().take((steps.max(0.0) as usize + 1).min(STEPS)) {
            sum += p * (steps - i as f64).max(0.0);
        }
        sum * STEP_MS
    }
}

impl Dashlet {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        Dashlet { session: no_session(), link: Link::default() }
    }

    fn candidates(&self, observation: &Observation) -> Vec<Candidate> {
        let mut found = Vec::new();
        // Probability that the video at hand starts in each step.
        let mut begins: Curve = [0.0; STEPS];
        begins[0] = 1.0;
        for (queue, q) in observation.queue.iter().enumerate() {
            let Some(index) = self.session.index_of(q.video) else { continue };
            let v = &self.session.videos[index];
            if !complete(v, q) {
                let ahead = (0..TOGETHER).map(|n| q.chunks.len() + n);
                for chunk in ahead.take_while(|&c| c < v.chunks()) {
                    let at = v.media_ms(chunk);
                    let seen = v.reaches(q.played_ms, at);
                    let shift = ((at - q.played_ms).max(0.0) / STEP_MS) as usize;
                    let mut starts = [0.0; STEPS];
                    for step in shift..STEPS {
                        starts[step] = begins[step - shift] * seen;
                    }
                    found.push(Candidate { queue, chunk, seen, starts });
                }
            }
            begins = convolve(&begins, &stay(v, q.played_ms));
        }
        found
    }

    fn choose(
        &self,
        observation: &Observation,
        order: &[Candidate],
        mbps: f64,
        clock: f64,
        last: Last,
    ) -> (f64, usize) {
        let Some((c, rest)) = order.split_first() else { return (0.0, 0) };
        let q = &observation.queue[c.queue];
        let v = &self.session.videos[self.session.index_of(q.video).unwrap_or(0)];
        let before = last[c.queue].or_else(|| last_rendition(observation, c.queue));
        let mut best = (f64::NEG_INFINITY, 0);
        for r in 0..v.kbps.len() {
            let end = clock + self.link.chunk_ms(v.sizes[r][c.chunk], mbps);
            let rate = f64::from(v.kbps[r]) / 1_000.0;
            let step = before.map_or(0.0, |b| {
                (f64::from(v.kbps[usize::from(b).min(v.kbps.len() - 1)]) / 1_000.0 - rate).abs()
            });
            let now = c.seen * (rate * v.chunk_len_ms(c.chunk) / 1_000.0 - step)
                - STALL_WEIGHT * c.stall_ms(end) / 1_000.0;
            let mut next = last;
            next[c.queue] = Some(r as u8);
            let value = now + self.choose(observation, rest, mbps, end, next).0;
            if value > best.0 {
                best = (value, r);
            }
        }
        best
    }
}

/// Rendition of the newest chunk of each place of the queue, as far as planned.
type Last = [Option<u8>; 64];

impl Default for Dashlet {
    fn default() -> Self {
        Dashlet::new()
    }
}

impl Policy for Dashlet {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let mbps = self.link.mean_mbps() * SHARE;
        let mut left = self.candidates(observation);
        left.retain(|c| c.stall_ms(STEP_MS * STEPS as f64) >= BOUND_MS);
        let mut order: Vec<Candidate> = Vec::with_capacity(TOGETHER);
        let mut clock = 0.0;
        while order.len() < TOGETHER && !left.is_empty() {
            let mut pick = (f64::NEG_INFINITY, 0, 0.0);
            for (i, c) in left.iter().enumerate() {
                // The chunks of one video come in order.
                if left.iter().any(|o| o.queue == c.queue && o.chunk < c.chunk) {
                    continue;
                }
                let q = &observation.queue[c.queue];
                let v = &self.session.videos[self.session.index_of(q.video).unwrap_or(0)];
                let took = self.link.chunk_ms(v.sizes[0][c.chunk], mbps);
                let hurt = c.stall_ms(clock + 2.0 * took) - c.stall_ms(clock + took);
                if hurt > pick.0 {
                    pick = (hurt, i, took);
                }
            }
            clock += pick.2;
            order.push(left.remove(pick.1));
        }
        let Some(first) = order.first() else { return Action::Sleep { ms: SLEEP_MS } };
        let rendition = self.choose(observation, &order, mbps, 0.0, [None; 64]).1;
        download(&observation.queue[first.queue], rendition)
    }
}

/// How long a viewer who is at `played_ms` stays on, step by step; what goes beyond the horizon is left out.
fn stay(v: &Video, played_ms: f64) -> Curve {
    let mut curve = [0.0; STEPS];
    let length = f64::from(v.duration_ms);
    let mut before = 1.0;
    for (step, p) in curve.iter_mut().enumerate() {
        let end = played_ms + (step + 1) as f64 * STEP_MS;
        let after = if end >= length { 0.0 } else { v.reaches(played_ms, end) };
        *p = before - after;
        before = after;
    }
    curve
}

fn convolve(a: &Curve, b: &Curve) -> Curve {
    let mut out = [0.0; STEPS];
    for (i, &p) in a.iter().enumerate().filter(|(_, p)| **p > 1e-6) {
        for (o, &q) in out[i..].iter_mut().zip(b) {
            *o += p * q;
        }
    }
    out
}
