//! The shared bottleneck: every chunk of every response body books the next free stretch of one link.
//!
//! A link is a timeline. A chunk of n bytes books the stretch that starts where the last booking ended (or now) and is as
//! long as the rate there makes it, and waits for its end. A connection books one chunk at a time, so connections that
//! compete take turns and share evenly. A change of settings throws all bookings away and those who wait book again.
//!
//! A link does not stand idle because a timer of the server woke late: an answer that goes on books from the end of its last
//! stretch, if that is not long ago. Without it a busy machine has a slower link, by a tenth and more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::conn::{Conn, Ending};
use crate::network::{NetworkError, NetworkSettings, Segment, segments};

/// Largest chunk handed to a socket at once, bytes: one TLS record, small enough that pacing is smooth.
pub const MAX_CHUNK: usize = 16 * 1024;
/// Smallest chunk, bytes, so that a slow link does not spend itself on bookkeeping.
const MIN_CHUNK: usize = 1024;
/// A chunk should take about this long, milliseconds: smooth to a player that measures throughput.
const CHUNK_MS: f64 = 50.0;
/// How late an answer may come back for its next stretch as if it had waited for it, milliseconds: two chunks, above what a
/// thread waits for a processor on a busy machine and below what anybody measures as a rate.
const LATE_MS: f64 = 100.0;
/// Waits shorter than this are not taken, milliseconds: the timer's own grain.
const GRAIN_MS: f64 = 1.0;

/// What chance has in store for one response.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Luck {
    /// Pause at this share of the body, for so long.
    pub stall: Option<(f64, Duration)>,
    /// Reset at this share of the body.
    pub reset: Option<f64>,
}

/// Where an answer's last stretch of the link ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passed(Option<(u64, f64)>);

/// The link in front of the server, shared by all connections.
pub struct Shaper {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

struct Inner {
    settings: NetworkSettings,
    plan: Plan,
    since: Instant,
    next_free_ms: f64,
    luck: StdRng,
    connections: Vec<Weak<Conn>>,
}

enum Plan {
    Unlimited,
    Loop { segments: Vec<Segment>, total_ms: f64, total_bytes: f64 },
}

impl Plan {
    fn new(settings: &NetworkSettings) -> Result<Self, NetworkError> {
        let segments = match (&settings.trace, settings.rate_kbps) {
            (Some(trace), _) => segments(trace)?,
            // 1 kbit/s is an eighth of a byte a millisecond.
            (None, Some(kbps)) => vec![Segment { ms: 1000.0, rate: kbps / 8.0 }],
            (None, None) => return Ok(Plan::Unlimited),
        };
        let total_ms = segments.iter().map(|segment| segment.ms).sum();
        let total_bytes = segments.iter().map(|segment| segment.ms * segment.rate).sum();
        Ok(Plan::Loop { segments, total_ms, total_bytes })
    }

    /// When `bytes` that start at `start_ms` are through, in milliseconds since the plan began.
    fn finish_ms(&self, start_ms: f64, bytes: f64) -> f64 {
        let Plan::Loop { segments, total_ms, total_bytes } = self else { return start_ms };
        let rounds = (bytes / total_bytes).floor();
        let mut left = bytes - rounds * total_bytes;
        let mut at = start_ms + rounds * total_ms;
        let mut offset = at.rem_euclid(*total_ms);
        let mut index = 0;
        while index + 1 < segments.len() && offset >= segments[index].ms {
            offset -= segments[index].ms;
            index += 1;
        }
        // Less than one round is left, so one more pass over the segments always ends it; two bound rounding errors.
        for _ in 0..=2 * segments.len() {
            let segment = segments[index];
            let rest_ms = (segment.ms - offset).max(0.0);
            if segment.rate > 0.0 && left <= rest_ms * segment.rate {
                return at + left / segment.rate;
            }
            left -= rest_ms * segment.rate;
            at += rest_ms;
            offset = 0.0;
            index = (index + 1) % segments.len();
        }
        at
    }

    fn rate_at(&self, at_ms: f64) -> Option<f64> {
        let Plan::Loop { segments, total_ms, .. } = self else { return None };
        let mut offset = at_ms.rem_euclid(*total_ms);
        for segment in segments {
            if offset < segment.ms {
                return Some(segment.rate);
            }
            offset -= segment.ms;
        }
        segments.last().map(|segment| segment.rate)
    }
}

impl Shaper {
    /// A link with these settings.
    ///
    /// # Errors
    /// When the settings are refused.
    pub fn new(settings: NetworkSettings) -> Result<Self, NetworkError> {
        settings.check()?;
        let plan = Plan::new(&settings)?;
        let luck = StdRng::seed_from_u64(settings.seed);
        Ok(Shaper {
            inner: Mutex::new(Inner {
                settings,
                plan,
                since: Instant::now(),
                next_free_ms: 0.0,
                luck,
                connections: Vec::new(),
            }),
            changed: watch::Sender::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the settings; a trace and the random draws start over. `down` cuts what is connected.
    ///
    /// # Errors
    /// When the settings are refused; the old ones stay.
    pub fn set(&self, settings: NetworkSettings) -> Result<(), NetworkError> {
        settings.check()?;
        let plan = Plan::new(&settings)?;
        let cut = {
            let mut inner = self.lock();
            inner.plan = plan;
            inner.since = Instant::now();
            inner.next_free_ms = 0.0;
            inner.luck = StdRng::seed_from_u64(settings.seed);
            inner.settings = settings;
            if inner.settings.down { std::mem::take(&mut inner.connections) } else { Vec::new() }
        };
        end_all(&cut);
        self.changed.send_modify(|generation| *generation += 1);
        Ok(())
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> NetworkSettings {
        self.lock().settings.clone()
    }

    /// Whether nothing gets through.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.lock().settings.down
    }

    /// Delay of one round trip.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        Duration::from_millis(self.lock().settings.rtt_ms)
    }

    /// Notes a connection, so that `down` can cut it; false when the network is down already.
    #[must_use]
    pub fn admit(&self, conn: &Arc<Conn>) -> bool {
        let mut inner = self.lock();
        if inner.settings.down {
            return false;
        }
        inner.connections.retain(|known| known.strong_count() > 0);
        inner.connections.push(Arc::downgrade(conn));
        true
    }

    /// Cuts every connection, whatever the settings.
    pub fn cut_all(&self) {
        let cut = std::mem::take(&mut self.lock().connections);
        end_all(&cut);
    }

    /// Draws what chance does to the next response. Draws the same number of values whatever the settings.
    #[must_use]
    pub fn draw(&self) -> Luck {
        let mut inner = self.lock();
        let [stalls, stall_at, resets, reset_at]: [f64; 4] = inner.luck.random();
        let settings = &inner.settings;
        Luck {
            stall: (stalls < settings.stall_probability)
                .then_some((stall_at, Duration::from_millis(settings.stall_ms))),
            reset: (resets < settings.reset_probability).then_some(reset_at),
        }
    }

    /// How many bytes to send at once now.
    #[must_use]
    pub fn chunk(&self) -> usize {
        let inner = self.lock();
        let now = inner.now_ms();
        match inner.plan.rate_at(now) {
            None => MAX_CHUNK,
            // A product within 1 KiB and 16 KiB after the clamp.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Some(rate) => (rate * CHUNK_MS).clamp(MIN_CHUNK as f64, MAX_CHUNK as f64) as usize,
        }
    }

    /// Waits until `bytes` are through the link; `passed` is the answer's own and tells whether it goes on. Dropping the future
    /// gives the place up; its stretch stays unused.
    pub async fn pass(&self, bytes: usize, passed: &mut Passed) {
        let mut changed = self.changed.subscribe();
        loop {
            let generation = *changed.borrow_and_update();
            let before = passed.0.take().filter(|&(of, _)| of == generation).map(|(_, until)| until);
            let Some((until_ms, wait)) = self.lock().book(bytes, before) else { return };
            passed.0 = Some((generation, until_ms));
            let Some(until) = wait else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                result = changed.changed() => if result.is_err() { return },
            }
        }
    }
}

fn end_all(connections: &[Weak<Conn>]) {
    for conn in connections.iter().filter_map(Weak::upgrade) {
        conn.end(Ending::Reset);
    }
}

/// When `bytes` are through a link that is free from `free_ms` on, of an answer whose last stretch ended at `before`.
fn through(plan: &Plan, free_ms: f64, now: f64, before: Option<f64>, bytes: f64) -> f64 {
    let asked = before.filter(|&before| now - before <= LATE_MS).map_or(now, |before| before.min(now));
    plan.finish_ms(free_ms.max(asked), bytes)
}

impl Inner {
    fn now_ms(&self) -> f64 {
        self.since.elapsed().as_secs_f64() * 1000.0
    }

    /// Books the link for an answer whose last stretch ended at `before`: the end of the new one, and until when to wait, `None`
    /// where it is not worth it. `None` on a link without a limit.
    fn book(&mut self, bytes: usize, before: Option<f64>) -> Option<(f64, Option<Instant>)> {
        if matches!(self.plan, Plan::Unlimited) {
            return None;
        }
        let now = self.now_ms();
        let finish = through(&self.plan, self.next_free_ms, now, before, bytes as f64);
        self.next_free_ms = finish;
        let wait = finish - now >= GRAIN_MS;
        Some((finish, wait.then(|| self.since + Duration::from_secs_f64(finish / 1000.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(trace: &[(f64, f64)]) -> Plan {
        Plan::new(&NetworkSettings { trace: Some(trace.to_vec()), ..NetworkSettings::default() }).unwrap()
    }

    #[test]
    fn bytes_flow_through_segments_and_the_trace_starts_over() {
        // 1000 bytes/ms for a second, nothing for a second.
        let plan = plan(&[(0.0, 0.0), (1.0, 8.0), (2.0, 0.0)]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        near(plan.finish_ms(0.0, 500_000.0), 500.0);
        near(plan.finish_ms(500.0, 500_000.0), 1000.0);
        near(plan.finish_ms(500.0, 500_001.0), 2000.001);
        near(plan.finish_ms(1200.0, 1000.0), 2001.0);
        near(plan.finish_ms(0.0, 3_500_000.0), 6500.0);
        assert_eq!(plan.rate_at(2500.0), Some(1000.0));
        assert_eq!(plan.rate_at(1500.0), Some(0.0));
    }

    #[test]
    fn a_late_timer_costs_no_capacity_and_a_pause_does() {
        let plan = plan(&[(0.0, 0.0), (1.0, 8.0)]);
        assert_eq!(through(&plan, 0.0, 10.0, None, 50_000.0), 60.0, "a new answer begins now");
        assert_eq!(through(&plan, 60.0, 75.0, Some(60.0), 50_000.0), 110.0, "15 ms late");
        assert_eq!(through(&plan, 90.0, 75.0, Some(60.0), 50_000.0), 140.0, "behind somebody else");
        assert_eq!(through(&plan, 60.0, 200.0, Some(60.0), 50_000.0), 250.0, "it had nothing to send");
    }

    #[test]
    fn draws_repeat_with_the_seed() {
        let settings = NetworkSettings {
            stall_probability: 0.5,
            stall_ms: 9,
            reset_probability: 0.5,
            ..Default::default()
        };
        let shaper = Shaper::new(settings.clone()).unwrap();
        let first: Vec<Luck> = (0..50).map(|_| shaper.draw()).collect();
        shaper.set(settings).unwrap();
        let second: Vec<Luck> = (0..50).map(|_| shaper.draw()).collect();
        assert_eq!(first, second);
        assert!(
            first.iter().any(|luck| luck.reset.is_some()) && first.iter().any(|luck| luck.reset.is_none())
        );
    }
}
