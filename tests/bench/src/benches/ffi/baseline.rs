//! The same calls from Rust.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use unspool::{Conditions, Config, Credentials, Event, FeedKind, FeedSession, Snapshot, Stage, Unspool};

use super::super::Effort;
use super::{CALLS, SUSPENDED};
use crate::error::BenchError;
use crate::stats::median;

/// Longest wait for a frame or a state: a hundred times what one takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most events in a batch, as the bindings ask for.
const BATCH: usize = 256;
/// Events of a batch as a reader that keeps up gets it.
const RECENT: u64 = 4;

/// Times of calls from Rust.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    us: BTreeMap<&'static str, Vec<f64>>,
    pub(super) first_frame_ms: Vec<f64>,
}

impl Baseline {
    /// Opens a session on `folder` and measures.
    pub(super) async fn measure(url: &str, folder: &Path, effort: Effort) -> Result<Self, BenchError> {
        let config = Config::new(folder, url, "bench", Credentials::Fixed("bench".into()));
        let session = Unspool::open(config.map_err(failed)?).map_err(failed)?;
        let mut measured = Baseline::default();
        let done = measured.calls(&session, effort).await;
        session.shutdown(PATIENCE).await;
        done.map(|()| measured)
    }

    /// Adds the times of another measurement.
    pub(super) fn add(&mut self, other: Baseline) {
        for (name, mut us) in other.us {
            self.us.entry(name).or_default().append(&mut us);
        }
        self.first_frame_ms.extend(other.first_frame_ms);
    }

    /// Microseconds of a call.
    pub(super) fn median(&self, name: &str) -> Option<f64> {
        self.us.get(name).and_then(|us| median(us))
    }

    async fn calls(&mut self, session: &Unspool, effort: Effort) -> Result<(), BenchError> {
        let feed = session.feed(FeedKind::ForYou).map_err(failed)?;
        let mut last = 0;
        for _ in 0..2 {
            let card = feed.next().await.map_err(failed)?;
            first_frame(&feed, &mut last, card.position).await?;
        }
        let card = feed.previous().await.map_err(failed)?;
        first_frame(&feed, &mut last, card.position).await?;
        until(&feed, |s| s.window.get(1).is_some_and(|card| card.stage >= Stage::PreRolled)).await?;
        // A paused player leaves the processor to what is measured.
        feed.set_paused(true).map_err(failed)?;
        until(&feed, |s| s.paused).await?;

        // Reads are many, for they disturb nothing; commands are few, so that the queue of the core stays short.
        let (reads, commands) = (effort.rounds(5_000, 200), effort.rounds(500, 50));
        let recent = last.saturating_sub(RECENT);
        let conditions = Conditions::default();
        self.time("feed.snapshot", reads, async |_| drop(black_box(feed.snapshot()))).await;
        self.time("feed.snapshot_after", reads, async |_| drop(black_box(feed.snapshot_after(0).await)))
            .await;
        self.time("feed.events", reads, async |_| drop(black_box(feed.events(recent, BATCH)))).await;
        self.time("feed.events_after", reads, async |_| {
            drop(black_box(feed.events_after(recent, BATCH).await))
        })
        .await;
        self.time("session.status", reads, async |_| {
            let counters = (session.watched_ms(), session.recovered(), session.bytes(), session.outgoing());
            drop(black_box((session.installation(), counters)));
        })
        .await;
        self.time("session.set_conditions", commands, async |_| session.set_conditions(conditions)).await;
        self.time("feed.set_muted", commands, async |n| drop(black_box(feed.set_muted(n % 2 == 0)))).await;
        self.time("feed.set_paused", commands, async |_| drop(black_box(feed.set_paused(true)))).await;
        self.time("feed.seek", commands, async |_| drop(black_box(feed.seek(0)))).await;
        self.time(SUSPENDED, reads, async |_| drop(black_box(feed.peek(0).await))).await;

        feed.set_paused(false).map_err(failed)?;
        let swipes = effort.rounds(60, 6);
        let warm = swipes / 5;
        for swipe in 0..swipes + warm {
            last = feed.events(last, BATCH).last;
            let begun = Instant::now();
            let card =
                if swipe % 2 == 0 { feed.next().await } else { feed.previous().await }.map_err(failed)?;
            let moved = begun.elapsed();
            first_frame(&feed, &mut last, card.position).await?;
            if swipe >= warm {
                self.us.entry(CALLS[0]).or_default().push(moved.as_secs_f64() * 1e6);
                self.first_frame_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(())
    }

    async fn time(&mut self, name: &'static str, n: usize, call: impl AsyncFn(usize)) {
        for round in 0..n / 5 {
            call(round).await;
        }
        let us = self.us.entry(name).or_default();
        for round in 0..n {
            let begun = Instant::now();
            call(round).await;
            us.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
}

fn failed(error: unspool::Error) -> BenchError {
    BenchError::step("calling the core")(error)
}

/// Waits for the first frame of the card at `position`.
async fn first_frame(feed: &FeedSession, last: &mut u64, position: u64) -> Result<(), BenchError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let batch = tokio::time::timeout(left, feed.events_after(*last, BATCH)).await;
        let batch = batch.map_err(BenchError::step("waiting for a first frame"))?.map_err(failed)?;
        *last = batch.last;
        for event in batch.events {
            match event {
                Event::FirstFrame { position: p, .. } if p == position => return Ok(()),
                Event::CardFailed { reason, .. } | Event::PlayersFailed { reason } => {
                    return Err(BenchError::step("waiting for a first frame")(reason));
                }
                _ => {}
            }
        }
    }
}

/// Waits until the feed is as wanted.
async fn until(feed: &FeedSession, wanted: impl Fn(&Snapshot) -> bool) -> Result<(), BenchError> {
    let deadline = Instant::now() + PATIENCE;
    let mut snapshot = feed.snapshot();
    while !wanted(&snapshot) {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = tokio::time::timeout(left, feed.snapshot_after(snapshot.revision)).await;
        snapshot = next.map_err(BenchError::step("waiting for the next card"))?.map_err(failed)?;
    }
    Ok(())
}
