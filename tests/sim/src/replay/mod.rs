//! Replays a session of the real stack: its cards, its swipes and its network, with the engine that ships and the
//! rooms around it in simulated time.
//!
//! [`Engine`](unspool_engine::Engine) is the one the session drives; `fetcher`, `prober` and `player` stand for the rooms
//! that move bytes and pictures, `stack` for the driver. The person does what they did, when they did it. What
//! comes out, stalls and bytes, is put beside what the log says came out.

pub mod agree;
mod fetcher;
mod log;
mod player;
mod prober;
mod stack;

use serde::Serialize;

pub use log::{SessionLog, Visit};
use stack::Stack;

/// Stall times agree when they differ by at most this share, or by [`STALL_MS`] if that is more.
const SHARE: f64 = 0.15;
/// See [`SHARE`].
const STALL_MS: f64 = 200.0;

/// What a session came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Figures {
    /// Milliseconds of stalls after first pictures.
    pub stall_ms: f64,
    /// Bytes of media and playlists.
    pub media_bytes: u64,
    /// Milliseconds from each swipe to its first picture, of cards that showed one.
    pub first_frames_ms: Vec<f64>,
}

/// Something that happened in a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Milliseconds of the session.
    pub at_ms: f64,
    /// What it was, for people to read.
    pub what: String,
}

/// Both, and how far they are apart.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The log.
    pub log: String,
    /// What the log says.
    pub real: Figures,
    /// What the replay says.
    pub simulated: Figures,
    /// Whether stall times differ by at most the larger of 15 % and 200 ms.
    pub stall_agrees: bool,
    /// Whether bytes differ by at most 15 %.
    pub bytes_agree: bool,
}

fn stalls_agree(real: f64, simulated: f64) -> bool {
    (real - simulated).abs() <= (SHARE * real).max(STALL_MS)
}

fn bytes_agree(real: f64, simulated: f64) -> bool {
    (real - simulated).abs() <= SHARE * real
}

/// Replays a log and compares.
#[must_use]
pub fn compare(name: &str, log: &SessionLog) -> Replayed {
    let real = Figures {
        stall_ms: log.stall_ms,
        media_bytes: log.media_bytes,
        first_frames_ms: log.visits.iter().filter_map(|v| v.first_frame_ms).collect(),
    };
    let simulated = replay(log);
    Replayed {
        log: name.to_owned(),
        stall_agrees: stalls_agree(real.stall_ms, simulated.stall_ms),
        bytes_agree: bytes_agree(real.media_bytes as f64, simulated.media_bytes as f64),
        real,
        simulated,
    }
}

/// The comparison as text.
#[must_use]
pub fn table(all: &[Replayed]) -> String {
    let mut out = String::from(
        "log                     stall ms: real simulated        media bytes: real   simulated       first frames ms: real simulated\n",
    );
    let say = |agrees: bool| if agrees { "agrees" } else { "DIFFERS" };
    for r in all {
        out += &format!(
            "{:<22} {:>15.0} {:>9.0} {:<8} {:>15} {:>11} {:<8} {:>14.0} {:>9.0}\n",
            r.log,
            r.real.stall_ms,
            r.simulated.stall_ms,
            say(r.stall_agrees),
            r.real.media_bytes,
            r.simulated.media_bytes,
            say(r.bytes_agree),
            r.real.first_frames_ms.iter().sum::<f64>(),
            r.simulated.first_frames_ms.iter().sum::<f64>(),
        );
    }
    out
}

/// Replays a log.
#[must_use]
pub fn replay(log: &SessionLog) -> Figures {
    Stack::new(log, None).run().0
}

/// Replays a log with times that threads take drawn from a seed; the same seed gives the same.
fn replay_drawn(log: &SessionLog, seed: u64) -> Figures {
    Stack::new(log, Some(seed)).run().0
}

/// Replays a log and tells what happened in it, in order.
#[must_use]
pub fn timeline(log: &SessionLog) -> Vec<Moment> {
    Stack::new(log, None).run().1
}
