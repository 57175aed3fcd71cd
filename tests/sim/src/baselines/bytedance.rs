//! The preload rule that ByteDance recommends to users of its player.
//!
//! Once the current video is buffered more than 20 s ahead or to its end, the next three videos are preloaded from the
//! top down, 800 kB of each. A swipe cancels all preloading, which here means that the current video comes first again.
//! The rendition is left to the player, one for a whole video so that what was preloaded is what is played.
//!
//! Source: BytePlus VOD, "Android Player SDK: Custom preloading" (docs.byteplus.com, docs-custom-preloading-android).

use super::rate::Link;
use super::{complete, download, held_bytes, no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::session::Session;

const COMFORT_MS: f64 = 20_000.0;
const VIDEOS: usize = 3;
const PRELOAD_BYTES: u64 = 800 * 1024;
const SLEEP_MS: u32 = 100;

/// The rule.
pub struct ByteDance {
    session: Session,
    link: Link,
    last: Option<u8>,
}

impl ByteDance {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        ByteDance { session: no_session(), link: Link::default(), last: None }
    }
}

impl Default for ByteDance {
    fn default() -> Self {
        ByteDance::new()
    }
}

impl Policy for ByteDance {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
        self.last = None;
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let chosen = observation.queue.iter().take(VIDEOS + 1).enumerate().find(|(i, q)| {
            let v = video(&self.session, q);
            let wanted = match i {
                0 => q.buffer_ms <= COMFORT_MS,
                _ => held_bytes(v, q) < PRELOAD_BYTES,
            };
            wanted && !complete(v, q)
        });
        let Some((_, q)) = chosen else { return Action::Sleep { ms: SLEEP_MS } };
        let rendition = match q.chunks.first() {
            Some(&r) => usize::from(r),
            None => self.link.rendition(video(&self.session, q), self.last),
        };
        self.last = Some(rendition as u8);
        download(q, rendition)
    }
}
