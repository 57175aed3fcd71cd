//! The fixed preload of the challenge's organisers.
//!
//! The current video is fetched to its end, however early its viewers leave. Then up to four chunks of each of the next
//! four videos, in order, while the curve says that more than 65 % get to the chunk. The rendition follows the buffer of the
//! video that is fetched: lowest under 1 s, highest over 2 s. Otherwise it sleeps half a second.
//!
//! Source: the quick-start of the ACM Multimedia 2022 challenge (Zuo et al., "Bandwidth-Efficient Multi-video
//! Prefetching for Short Video Streaming", MM 2022).

use super::{complete, download, no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::session::Session;

const PRELOAD_CHUNKS: usize = 4;
const WATCHED_SHARE: f64 = 0.65;
const LOW_BUFFER_MS: f64 = 1_000.0;
const HIGH_BUFFER_MS: f64 = 2_000.0;
const SLEEP_MS: u32 = 500;

/// The fixed preload.
pub struct FixedPreload {
    session: Session,
}

impl FixedPreload {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        FixedPreload { session: no_session() }
    }
}

impl Default for FixedPreload {
    fn default() -> Self {
        FixedPreload::new()
    }
}

impl Policy for FixedPreload {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        let chosen = observation.queue.iter().enumerate().find(|(i, q)| {
            let v = video(&self.session, q);
            let held = q.chunks.len();
            let wanted = *i == 0
                || (held < PRELOAD_CHUNKS && v.reaches(q.played_ms, v.media_ms(held)) > WATCHED_SHARE);
            wanted && !complete(v, q)
        });
        let Some((_, q)) = chosen else { return Action::Sleep { ms: SLEEP_MS } };
        let top = video(&self.session, q).kbps.len() - 1;
        let rendition = match q.buffer_ms {
            b if b > HIGH_BUFFER_MS => top,
            b if b > LOW_BUFFER_MS => top.min(1),
            _ => 0,
        };
        download(q, rendition)
    }
}
