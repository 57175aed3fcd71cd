//! What TikTok's client was seen to do.
//!
//! The first 1,024,000 bytes of the current video, then the rest of it, then the first 1,024,000 bytes of each of the next
//! four. A video has one rendition, the one nearest to 150.9 + 93.9 × (Mbit/s) kbit/s, chosen when its first byte is asked
//! for.
//!
//! Source: the model in the release of Dashlet (Li et al., NSDI 2023), reverse-engineered from traffic of the client.

use super::rate::Link;
use super::{complete, download, held_bytes, no_session, video};
use crate::policy::{Action, Observation, Policy};
use crate::session::{Session, Video};

const FIRST_BYTES: u64 = 1_024_000;
const MAP_KBPS: f64 = 150.9;
const MAP_PER_MBPS: f64 = 93.9;
const SLEEP_MS: u32 = 100;

/// The model.
pub struct TikTok {
    session: Session,
    link: Link,
}

impl TikTok {
    /// Before the first session.
    #[must_use]
    pub fn new() -> Self {
        TikTok { session: no_session(), link: Link::default() }
    }

    fn rendition(&self, video: &Video) -> usize {
        let aim = MAP_KBPS + MAP_PER_MBPS * self.link.mean_mbps();
        let distance = |r: &usize| (f64::from(video.kbps[*r]) - aim).abs();
        (0..video.kbps.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
    }
}

impl Default for TikTok {
    fn default() -> Self {
        TikTok::new()
    }
}

impl Policy for TikTok {
    fn reset(&mut self, session: &Session) {
        self.session.clone_from(session);
        self.link = Link::new(session.rtt_ms);
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.link.observe(observation);
        let chosen = observation.queue.iter().enumerate().find(|(i, q)| {
            let v = video(&self.session, q);
            !complete(v, q) && (*i == 0 || held_bytes(v, q) < FIRST_BYTES)
        });
        let Some((_, q)) = chosen else { return Action::Sleep { ms: SLEEP_MS } };
        let rendition = match q.chunks.first() {
            Some(&r) => usize::from(r),
            None => self.rendition(video(&self.session, q)),
        };
        download(q, rendition)
    }
}
