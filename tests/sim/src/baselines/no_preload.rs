//! No prefetching at all: a video player that knows one video at a time.
//!
//! The current video is kept 30 s ahead, the buffer that players of long video use (`bufferingGoal` and `maxBufferLength` of
//! the open web players are 10 to 30 s), and nothing else is fetched. Every swipe waits for the network.

use super::rate::{Link, last_rendition};
use super::{complete, download, no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::session::Session;

const AHEAD_MS: f64 = 30_000.0;
const SLEEP_MS: u32 = 100;

/// No prefetching.
pub struct NoPreload {
    session: Session,
    link: Link,
    last: Option<u8>,
}

impl NoPreload {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        NoPreload { session: no_session(), link: Link::default(), last: None }
    }
}

impl Default for NoPreload {
    fn default() -> Self {
        NoPreload::new()
    }
}

impl Policy for NoPreload {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
        self.last = None;
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let Some(q) = observation.queue.first() else { return Action::Sleep { ms: SLEEP_MS } };
        let v = video(&self.session, q);
        if complete(v, q) || q.buffer_ms >= AHEAD_MS {
            return Action::Sleep { ms: SLEEP_MS };
        }
        let rendition = self.link.rendition(v, last_rendition(observation, 0).or(self.last));
        self.last = Some(rendition as u8);
        download(q, rendition)
    }
}
