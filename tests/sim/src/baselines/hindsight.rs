//! The limit: an oracle that knows the swipes and the network.
//!
//! It fetches the chunks that will be shown and no other, in the order of play, each as soon as the link is free and the
//! queue reaches it. What is left to choose are the renditions, and a beam search chooses them: for every chunk it extends
//! all kept states by each rendition, plays the exact network, and drops what can no longer win. The answer is a schedule that the simulator then plays, so it is feasible; widening the beam does
//! not change it (a test holds that), so it is taken for the limit.

use std::collections::BTreeMap;

use super::{no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::score::{BYTES_WEIGHT, STALL_WEIGHT};
use crate::session::Session;
use crate::sim::Truth;

/// States kept after each chunk.
pub const WIDTH: usize = 600;
/// What a second of slack may be worth, in points: from a link that is fast enough to one on which every second saved is a
/// second of stall saved.
const SLACK_PRICES: [f64; 3] = [0.25, 0.8, STALL_WEIGHT];
/// Slack beyond this is worth no more.
const SLACK_S: f64 = 20.0;
/// States that differ less than this in time or slack are one, milliseconds.
const SAME_MS: f64 = 10.0;

/// The oracle.
pub struct Hindsight {
    plan: Plan,
    session: Session,
}

/// The renditions of all chunks that will be shown, by video.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Renditions of the chunks of each video.
    pub renditions: Vec<Vec<u8>>,
    /// The score it expects.
    pub score: f64,
}

impl Hindsight {
    /// An oracle for one session; plans it.
    #[must_use]
    pub fn new(session: &Session, truth: Truth<'_>) -> Self {
        Hindsight { plan: plan(session, truth, WIDTH), session: no_session() }
    }
}

impl Policy for Hindsight {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        for q in &observation.queue {
            let index = self.session.index_of(q.video).unwrap_or(0);
            if let Some(&rendition) = self.plan.renditions[index].get(q.chunks.len()) {
                return Action::Download { video: video(&self.session, q).id, rendition };
            }
        }
        Action::Sleep { ms: 50 }
    }
}

#[derive(Clone, Copy)]
struct State {
    /// When the link is free, milliseconds.
    free: f64,
    /// When what is held has been shown, milliseconds.
    shown: f64,
    score: f64,
    kbps: u32,
    /// Where the state came from, and by which rendition.
    from: u32,
    rendition: u8,
}

impl State {
    fn slack(&self) -> f64 {
        (self.shown - self.free).max(0.0)
    }

    fn rank(&self, price: f64) -> f64 {
        self.score + price * (self.slack() / 1_000.0).min(SLACK_S)
    }
}

/// Plans a session with a beam of this width.
#[must_use]
pub fn plan(session: &Session, truth: Truth<'_>, width: usize) -> Plan {
    let shown: Vec<(usize, usize, f64)> = session
        .videos
        .iter()
        .enumerate()
        .flat_map(|(i, v)| {
            let length = f64::from(v.duration_ms);
            let watch = truth.watch_ms.get(i).copied().unwrap_or(length).clamp(0.0, length);
            let chunks = (0..v.chunks()).take_while(move |&c| v.media_ms(c) < watch);
            chunks.map(move |c| (i, c, (watch - v.media_ms(c)).min(v.chunk_len_ms(c))))
        })
        .collect();
    let mut layers: Vec<Vec<State>> = Vec::with_capacity(shown.len() + 1);
    layers.push(vec![State { free: 0.0, shown: 0.0, score: 0.0, kbps: 0, from: 0, rendition: 0 }]);
    // Place of the first chunk of each video in `shown`, for the bound of the queue.
    let mut starts: Vec<Option<usize>> = vec![None; session.videos.len()];
    for (n, &(i, c, _)) in shown.iter().enumerate().filter(|(_, s)| s.1 == 0) {
        debug_assert!(c == 0);
        starts[i] = Some(n);
    }
    for &(index, chunk, seconds) in &shown {
        let v = &session.videos[index];
        let last = layers.last().map_or(&[][..], Vec::as_slice);
        // A video may be fetched once the one `queue - 1` places before it plays, which is when all before that were seen.
        let gate = (index + 1).checked_sub(session.queue).filter(|&g| g > 0);
        let mut next = Vec::with_capacity(last.len() * v.kbps.len());
        for (from, state) in last.iter().enumerate() {
            let opened = gate.map_or(0.0, |g| opens(&layers, &shown, from, g));
            let start = state.free.max(opened);
            for (r, &kbps) in v.kbps.iter().enumerate() {
                let bytes = f64::from(v.sizes[r][chunk]);
                let body = truth.trace.transfer_ms(truth.start_ms + start + session.rtt_ms, bytes);
                let free = start + session.rtt_ms + body;
                let stall = (free - state.shown).max(0.0);
                let step = if state.kbps == 0 { 0 } else { kbps.abs_diff(state.kbps) };
                let quality = f64::from(kbps) / 1_000.0 * v.chunk_len_ms(chunk) / 1_000.0;
                next.push(State {
                    free,
                    shown: state.shown + stall + seconds,
                    score: state.score + quality
                        - STALL_WEIGHT * stall / 1_000.0
                        - f64::from(step) / 1_000.0
                        - BYTES_WEIGHT * bytes * 8e-6,
                    kbps,
                    from: from as u32,
                    rendition: r as u8,
                });
            }
        }
        layers.push(keep(next, width));
    }
    let mut renditions: Vec<Vec<u8>> = vec![Vec::new(); session.videos.len()];
    let best =
        layers.last().and_then(|l| l.iter().enumerate().max_by(|a, b| a.1.score.total_cmp(&b.1.score)));
    let (mut at, score) = best.map_or((0, 0.0), |(i, s)| (i, s.score));
    for (layer, &(index, _, _)) in layers[1..].iter().zip(&shown).rev() {
        renditions[index].push(layer[at].rendition);
        at = layer[at].from as usize;
    }
    renditions.iter_mut().for_each(|r| r.reverse());
    Plan { renditions, score }
}

/// When the video `gate` becomes the playing one on the path to a state of the last layer.
fn opens(layers: &[Vec<State>], shown: &[(usize, usize, f64)], from: usize, gate: usize) -> f64 {
    let mut at = from;
    for (layer, &(index, _, _)) in layers[1..].iter().zip(shown).rev() {
        if index < gate {
            return layer[at].shown;
        }
        at = layer[at].from as usize;
    }
    0.0
}

/// At most `width` states: first without those that another of the same rendition beats in score, in slack and in time
/// (such a state can never overtake it), then the best by each of three prices of slack, in turn.
fn keep(mut states: Vec<State>, width: usize) -> Vec<State> {
    states.sort_by(|a, b| b.score.total_cmp(&a.score));
    // For each rendition: the largest slack among better states that were free by a time.
    let mut stairs: BTreeMap<u32, BTreeMap<i64, f64>> = BTreeMap::new();
    states.retain(|s| {
        let stair = stairs.entry(s.kbps).or_default();
        let at = (s.free / SAME_MS).round() as i64;
        if stair.range(..=at).next_back().is_some_and(|(_, &slack)| slack + SAME_MS >= s.slack()) {
            return false;
        }
        let passed: Vec<i64> =
            stair.range(at..).take_while(|(_, slack)| **slack <= s.slack()).map(|(&t, _)| t).collect();
        for t in passed {
            stair.remove(&t);
        }
        stair.insert(at, s.slack());
        true
    });
    if states.len() <= width {
        return states;
    }
    let mut kept = vec![false; states.len()];
    for price in SLACK_PRICES {
        let mut order: Vec<usize> = (0..states.len()).filter(|&i| !kept[i]).collect();
        order.sort_by(|&a, &b| states[b].rank(price).total_cmp(&states[a].rank(price)));
        for i in order.into_iter().take(width / SLACK_PRICES.len()) {
            kept[i] = true;
        }
    }
    let mut kept = kept.into_iter();
    states.retain(|_| kept.next().unwrap_or(false));
    states
}
