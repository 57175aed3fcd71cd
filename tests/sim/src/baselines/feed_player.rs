//! The defaults of a commercial player for feeds.
//!
//! 30 s ahead of the playhead in the current video, then 8, 5, 3 and 2 s of the next ones, nearest first; the rendition
//! by the common rule.
//!
//! Source: `VideoFeedBufferPolicy` of the Bitmovin player SDK (its documented defaults).

use super::rate::{Link, last_rendition};
use super::{complete, download, no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::session::Session;

const AHEAD_MS: [f64; 5] = [30_000.0, 8_000.0, 5_000.0, 3_000.0, 2_000.0];
const SLEEP_MS: u32 = 100;

/// The defaults.
pub struct FeedPlayer {
    session: Session,
    link: Link,
}

impl FeedPlayer {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        FeedPlayer { session: no_session(), link: Link::default() }
    }
}

impl Default for FeedPlayer {
    fn default() -> Self {
        FeedPlayer::new()
    }
}

impl Policy for FeedPlayer {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let chosen = observation
            .queue
            .iter()
            .zip(AHEAD_MS)
            .enumerate()
            .find(|(_, (q, ahead))| q.buffer_ms < *ahead && !complete(video(&self.session, q), q));
        let Some((i, (q, _))) = chosen else { return Action::Sleep { ms: SLEEP_MS } };
        download(q, self.link.rendition(video(&self.session, q), last_rendition(observation, i)))
    }
}
