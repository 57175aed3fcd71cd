//! A card of the window: its renditions, what is held of each, and what comes next.

use std::sync::Arc;

use crate::info::MediaInfo;
use crate::links;
use crate::model::{Asset, Container, MediaKey, Rendition, Span};
use crate::time::{Millis, Time};

use super::reason::Reason;
use super::swipe::Curve;
use super::value::{Arrival, RUNGS, TRAIN, Train};
use super::{DemandId, Urgency};

/// Milliseconds of media fetched at once: short, so that each next step is decided with what is known then.
pub(crate) const STEP_MS: u64 = 1_000;

/// What is known of the layout of a rendition.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    Unasked,
    Running,
    Known(Arc<MediaInfo>),
    Refused,
}

/// One rendition of a card.
#[derive(Debug, Clone)]
pub(crate) struct Rung {
    pub(crate) key: MediaKey,
    pub(crate) mbps: f64,
    pub(crate) height: u32,
    pub(crate) probe: Probe,
    pub(crate) probed_as: Urgency,
    pub(crate) held: Vec<Span>,
    /// Whether something of it was held before the card came into the window.
    pub(crate) stored: bool,
}

impl Rung {
    pub(crate) fn info(&self) -> Option<&Arc<MediaInfo>> {
        match &self.probe {
            Probe::Known(info) => Some(info),
            Probe::Unasked | Probe::Running | Probe::Refused => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes of a second of media")]
    fn megabits(&self, from_ms: u64, to_ms: u64) -> f64 {
        match self.info() {
            Some(info) => info.sample_bytes(from_ms, to_ms) as f64 * 8e-6,
            None => self.mbps * (to_ms - from_ms) as f64 / 1_000.0,
        }
    }
}

/// A fetch that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    pub(crate) demand: DemandId,
    pub(crate) rung: usize,
    pub(crate) urgency: Urgency,
    /// Media time it reaches.
    pub(crate) to_ms: u64,
    pub(crate) bytes: u64,
    /// Why it was begun.
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) host: String,
    pub(crate) duration_ms: u64,
    pub(crate) curve: Curve,
    pub(crate) topic: Option<String>,
    /// The exponent this person bends the curve by.
    theta: f64,
    /// Media seconds that play in a second.
    rate: f64,
    /// How soon a person who begins this card leaves it.
    pub(crate) dwell: Arrival,
    pub(crate) switchable: bool,
    /// Lowest rate first, never empty.
    pub(crate) rungs: Vec<Rung>,
    /// The rendition in use; of a switchable card that of its last chunk.
    pub(crate) choice: usize,
    /// Whether a byte of a card that cannot switch was asked for: what is prefetched is what is played.
    pub(crate) fixed: bool,
    pub(crate) running: Option<Running>,
    pub(crate) retry_at: Option<Time>,
    pub(crate) failures: u32,
}

impl Card {
    pub(crate) fn new(asset: &Asset, curve: Curve, topic: Option<&str>, switchable: bool) -> Self {
        let rungs: Vec<Rung> = ladder(asset)
            .into_iter()
            .map(|r| Rung {
                key: MediaKey::new(&asset.id, &r.id),
                #[expect(clippy::cast_precision_loss, reason = "bit rates")]
                mbps: r.bitrate_bps as f64 / 1e6,
                height: r.height,
                probe: Probe::Unasked,
                probed_as: Urgency::Prefetch,
                held: Vec::new(),
                stored: false,
            })
            .collect();
        Card {
            theta: 1.0,
            rate: 1.0,
            dwell: Arrival::after(|u| 1.0 - curve.survival(u * 1_000.0)),
            host: asset.renditions.first().map_or("", |r| links::host(&r.url)).to_owned(),
            duration_ms: asset.duration_ms,
            curve,
            topic: topic.map(str::to_owned),
            switchable,
            rungs,
            choice: 0,
            fixed: false,
            running: None,
            retry_at: None,
            failures: 0,
        }
    }

    /// Takes in how hasty the person is, and how fast the card would play.
    pub(crate) fn bend(&mut self, theta: f64, rate: f64) {
        if (self.theta - theta).abs() > 1e-6 || (self.rate - rate).abs() > 1e-6 {
            (self.theta, self.rate) = (theta, rate);
            self.dwell = Arrival::after(|u| 1.0 - self.stays(0.0, u * 1_000.0 * rate));
        }
    }

    /// Whether bytes of it are held, of which it is not known yet how many.
    pub(crate) fn unseen(&self) -> bool {
        let open = |r: &Rung| r.stored && matches!(r.probe, Probe::Unasked | Probe::Running);
        self.failures == 0 && self.chosen().is_some_and(open)
    }

    /// Probability that a person who watched to `from_ms` watches to `to_ms`.
    pub(crate) fn stays(&self, from_ms: f64, to_ms: f64) -> f64 {
        let here = self.curve.survival(from_ms).max(1e-9);
        let share = (self.curve.survival(to_ms) / here).min(1.0);
        if (self.theta - 1.0).abs() < 1e-6 { share } else { share.powf(self.theta) }
    }

    pub(crate) fn chosen(&self) -> Option<&Rung> {
        self.rungs.get(self.choice)
    }

    /// Whether the layout of a rendition is on its way.
    pub(crate) fn probing(&self) -> bool {
        self.rungs.iter().any(|r| matches!(r.probe, Probe::Running))
    }

    pub(crate) fn refused(&self) -> bool {
        match self.switchable {
            false => self.chosen().is_none_or(|r| matches!(r.probe, Probe::Refused)),
            true => self.rungs.iter().all(|r| matches!(r.probe, Probe::Refused)),
        }
    }

    /// Media time up to which it can play from `from_ms` with what is held.
    pub(crate) fn reach(&self, from_ms: u64) -> u64 {
        if !self.switchable {
            let chosen = self.chosen().and_then(|r| Some((r.info()?, &r.held)));
            return chosen.map_or(from_ms, |(info, held)| info.playable_until(from_ms, held));
        }
        let mut at = from_ms;
        loop {
            let further = self
                .rungs
                .iter()
                .filter(|r| !r.held.is_empty())
                .filter_map(|r| Some(r.info()?.playable_until(at, &r.held)))
                .max()
                .unwrap_or(at);
            if further <= at || further >= self.duration_ms {
                return further.max(at);
            }
            at = further;
        }
    }

    /// The end of the video as its layout tells, or as the feed did.
    pub(crate) fn end_ms(&self) -> u64 {
        self.chosen().and_then(Rung::info).map_or(self.duration_ms, |i| i.duration_ms)
    }

    /// What comes after `reach_ms`, chunks weighed by `reached(ms)`.
    pub(crate) fn train(&self, reach_ms: u64, step_ms: u64, reached: impl Fn(f64) -> f64) -> Train {
        let mut train = Train::default();
        let end = self.end_ms();
        let info = self.rungs.get(self.choice).and_then(Rung::info);
        let mut at = reach_ms;
        while train.len < TRAIN && at < end {
            let to = info.map_or(at + step_ms, |i| i.step_end(at, step_ms)).min(end);
            if to <= at {
                break;
            }
            let k = train.len;
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a video")]
            {
                train.seconds[k] = (to - at) as f64 / 1_000.0 / self.rate;
                train.reached[k] = reached(at as f64);
            }
            for (r, rung) in self.rungs.iter().enumerate().take(RUNGS) {
                train.megabits[r][k] = rung.megabits(at, to);
            }
            train.len += 1;
            at = to;
        }
        train
    }

    pub(crate) fn back_off(&mut self, now: Time) {
        self.failures = (self.failures + 1).min(6);
        self.retry_at = Some(now + Millis(500 << self.failures));
    }
}

/// The renditions worth telling apart: one of each rate, a plain file rather than a playlist because it starts with fewer
/// requests, and at most [`RUNGS`], spread over the ladder.
fn ladder(asset: &Asset) -> Vec<&Rendition> {
    let mut rungs: Vec<&Rendition> = Vec::with_capacity(asset.renditions.len());
    for r in &asset.renditions {
        match rungs.last_mut() {
            Some(last) if last.bitrate_bps == r.bitrate_bps => {
                if last.container == Container::Hls {
                    *last = r;
                }
            }
            _ => rungs.push(r),
        }
    }
    let n = rungs.len();
    if n > RUNGS {
        rungs = (0..RUNGS).map(|i| rungs[i * (n - 1) / (RUNGS - 1)]).collect();
    }
    rungs
}
