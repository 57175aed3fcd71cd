//! How fast the link is, and the common choice of a rendition.

use crate::policy::Observation;
use crate::session::Video;

/// Believed before the first sample, Mbit/s: between the means of the medium and high classes of the challenge.
const COLD_MBPS: f64 = 2.0;
/// Seconds of transfer after which a sample weighs 1/e.
const MEMORY_S: f64 = 5.0;
/// Samples of the harmonic mean and of its errors (RobustMPC; Yin et al., SIGCOMM 2015).
const SAMPLES: usize = 5;
/// Share of the rate a rendition may use to be stepped up to, and to be kept.
const UP_SHARE: f64 = 0.75;
const STAY_SHARE: f64 = 0.95;

/// The measured rate of the link, round trips left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    rtt_ms: f64,
    mbit: f64,
    seconds: f64,
    samples: Vec<f64>,
    errors: Vec<f64>,
}

impl Link {
    pub(super) fn new(rtt_ms: f64) -> Self {
        Link { rtt_ms, ..Link::default() }
    }

    /// Takes what the last action brought.
    pub(super) fn observe(&mut self, observation: &Observation) {
        if observation.bytes == 0 {
            return;
        }
        let seconds = (observation.delay_ms - self.rtt_ms).max(1.0) / 1_000.0;
        let mbit = observation.bytes as f64 * 8.0 / 1e6;
        let keep = (-seconds / MEMORY_S).exp();
        self.mbit = self.mbit * keep + mbit;
        self.seconds = self.seconds * keep + seconds;
        let rate = mbit / seconds;
        if !self.samples.is_empty() {
            let error = (self.harmonic() - rate).abs() / rate;
            push(&mut self.errors, error);
        }
        push(&mut self.samples, rate);
    }

    /// The mean rate with exponential forgetting, Mbit/s.
    pub(super) fn mean_mbps(&self) -> f64 {
        if self.seconds > 0.0 { self.mbit / self.seconds } else { COLD_MBPS }
    }

    /// The harmonic mean of the last samples over one plus the largest recent error, Mbit/s.
    pub(super) fn robust_mbps(&self) -> f64 {
        if self.samples.is_empty() {
            return COLD_MBPS;
        }
        let error = self.errors.iter().copied().fold(0.0, f64::max);
        self.harmonic() / (1.0 + error)
    }

    fn harmonic(&self) -> f64 {
        self.samples.len() as f64 / self.samples.iter().map(|s| 1.0 / s).sum::<f64>()
    }

    /// Milliseconds a chunk would take at a rate.
    pub(super) fn chunk_ms(&self, bytes: u32, mbps: f64) -> f64 {
        self.rtt_ms + f64::from(bytes) * 0.008 / mbps
    }

    /// The common rule: the highest rendition within a share of the rate, with more room asked for a step up than for
    /// staying.
    pub(super) fn rendition(&self, video: &Video, last: Option<u8>) -> usize {
        let kbps = self.mean_mbps() * 1_000.0;
        let fits = |r: usize| {
            let share = if last.is_some_and(|l| r <= usize::from(l)) { STAY_SHARE } else { UP_SHARE };
            f64::from(video.kbps[r]) <= kbps * share
        };
        (0..video.kbps.len()).rev().find(|&r| fits(r)).unwrap_or(0)
    }
}

fn push(ring: &mut Vec<f64>, value: f64) {
    if ring.len() == SAMPLES {
        ring.remove(0);
    }
    ring.push(value);
}

/// The rendition of the newest chunk that is held, over the queue: what a step is counted from.
pub(super) fn last_rendition(observation: &Observation, position: usize) -> Option<u8> {
    observation.queue[..=position].iter().rev().find_map(|q| q.chunks.last().copied())
}
