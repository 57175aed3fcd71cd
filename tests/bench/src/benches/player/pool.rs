//! What a pool costs and how often it is right: memory of each further player, and pre-rolled starts in a session.

use std::time::{Duration, Instant};

use super::{Effort, Ours, PEERS, Peer, Starts};
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};
use unspool_engine::StartClass;
use unspool_player::PlayerEvent;

/// Players of the ladder.
const LADDER: usize = 5;
/// From one swipe to the next in the session; a fast thumb.
const DWELL: Duration = Duration::from_millis(400);

pub(super) fn rows(side: &mut Ours, uri: &str, effort: Effort) -> Result<Vec<Row>, BenchError> {
    let ours = {
        let mut seen = Vec::new();
        for _ in 0..=LADDER {
            let id = side.prepare()?;
            side.until(id, |event| matches!(event, PlayerEvent::PreRolled { .. }).then_some(()))?;
            seen.push(resident());
        }
        side.let_all_go()?;
        step(&seen)
    };
    let theirs = {
        let mut peers = Vec::new();
        let mut seen = Vec::new();
        for _ in 0..=LADDER {
            let peer = Peer::build(PEERS[1], uri)?;
            peer.preroll()?;
            peers.push(peer);
            seen.push(resident());
        }
        step(&seen)
    };
    let memory =
        Row::new("memory of a further pre-rolled player", "MB", LADDER, ours).against(PEERS[1], theirs);
    let swipes = effort.rounds(60, 5);
    let mut session = Session::default();
    let mut next = side.prepare()?;
    for _ in 0..swipes {
        let current = next;
        side.play(current)?;
        let first = side.until(current, |event| match event {
            PlayerEvent::FirstFrame { class, latency_ms, .. } => Some((*class, *latency_ms)),
            _ => None,
        })?;
        session.take(first);
        let until = Instant::now() + DWELL;
        next = side.prepare()?;
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
        side.let_go_of(current)?;
    }
    side.let_all_go()?;
    let hangs = side.hangs();
    Ok(vec![
        memory.aim("<= 15 MB")?,
        Row::new(
            "session of swipes: pre-rolled starts",
            "%",
            swipes,
            Some(session.hits.len() as f64 * 100.0 / swipes as f64),
        ),
        Row::new("session of swipes: first picture, median", "ms", swipes, median(&session.starts.came)),
        Row::new(
            "session of swipes: first picture, p95",
            "ms",
            swipes,
            percentile(&session.starts.came, 0.95),
        ),
        Row::new(
            "session of swipes: first picture of a pre-rolled start, p95",
            "ms",
            session.hits.len(),
            percentile(&session.hits, 0.95),
        )
        .aim("<= 5 ms")?,
        Row::new(
            "hangs in all starts of our pool",
            "hangs",
            usize::try_from(hangs.0).unwrap_or(0),
            Some(hangs.1 as f64),
        )
        .aim("<= 0 hangs")?,
    ])
}

/// What the swipes brought.
#[derive(Debug, Default)]
struct Session {
    starts: Starts,
    /// Of the pre-rolled ones, in milliseconds.
    hits: Vec<f64>,
}

impl Session {
    fn take(&mut self, first: Option<(StartClass, f64)>) {
        self.hits
            .extend(first.filter(|(class, _)| *class == StartClass::PreRolled).map(|(_, latency)| latency));
        self.starts.take(first.map(|(_, latency)| latency));
    }
}

/// Median growth from one to the next.
fn step(seen: &[Option<f64>]) -> Option<f64> {
    let steps: Vec<f64> = seen
        .windows(2)
        .filter_map(|pair| pair[1].zip(pair[0]))
        .map(|(after, before)| after - before)
        .collect();
    median(&steps)
}

/// Resident memory of this process in MB; `None` where the system does not tell.
fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}
