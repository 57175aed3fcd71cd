//! Many starts in a row on a busy machine: how many never bring a picture.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::rounds::Rounds;
use super::{Effort, Ours, PEERS, Peer, Starts, progress};
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::percentile;

/// Starts when the caller says nothing: enough to see a fault of one in thirty.
const USUAL: usize = 100;
/// How long that may take.
const TIME: Duration = Duration::from_secs(30);

pub(super) fn rows(side: &mut Ours, uri: &str, effort: Effort) -> Result<Vec<Row>, BenchError> {
    let effort = Effort { rounds: effort.starts.or(effort.rounds), ..effort };
    let mut rounds = Rounds::of(effort, (USUAL, 5), TIME);
    let busy = Busy::begin();
    let (mut own, mut peer) = (Starts::default(), Starts::default());
    while let Some(round) = rounds.next() {
        if round > 0 && round % 100 == 0 {
            progress(&format!("{round} starts, {} of ours and {} of the peer lost", own.lost, peer.lost));
        }
        // Cold ones and pre-rolled ones in turn; who goes first changes too.
        let ours = |side: &mut Ours| if round % 2 == 0 { side.cold() } else { side.warm() };
        let theirs = || Peer::build(PEERS[1], uri)?.cold();
        let (mine, other) = if round % 4 < 2 {
            let mine = ours(side)?;
            (mine, theirs()?)
        } else {
            let other = theirs()?;
            (ours(side)?, other)
        };
        if round > 0 {
            own.take(mine);
            peer.take(other);
        }
    }
    drop(busy);
    let rounds = own.came.len() + own.lost;
    Ok(vec![
        Row::new("starts on a busy machine that brought no picture", "starts", rounds, Some(own.lost as f64))
            .against(PEERS[1], Some(peer.lost as f64))
            .aim("<= 0 starts")?,
        Row::new("starts on a busy machine, p95", "ms", rounds, percentile(&own.came, 0.95))
            .against(PEERS[1], percentile(&peer.came, 0.95)),
    ])
}

/// As many threads as there are cores, all of them computing.
struct Busy {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    fn begin() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let spin = |over: Arc<AtomicBool>| {
            move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..cores).map(|_| std::thread::spawn(spin(Arc::clone(&over)))).collect();
        Busy { over, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}
