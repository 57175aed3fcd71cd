//! What a session was worth.
//!
//! For every chunk that was shown at all, its nominal Mbit/s times its seconds; minus 1.85 for each second without
//! pictures; minus the step in Mbit/s between chunks that were shown one after the other, across videos too. From that
//! quality (QoE) the score S takes half a point per megabit fetched, shown or not. The weights are those of the short-video
//! challenge of ACM Multimedia 2022; the state is that of one session, and steps are taken in the order of play.

use serde::Serialize;

use crate::session::Video;

/// Points lost per second without pictures.
pub const STALL_WEIGHT: f64 = 1.85;
/// Points lost per Mbit/s of step.
pub const SWITCH_WEIGHT: f64 = 1.0;
/// Points lost per megabit fetched.
pub const BYTES_WEIGHT: f64 = 0.5;

/// Figures of one session.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Score {
    /// Score: quality minus the price of the bytes.
    pub s: f64,
    /// Quality of experience.
    pub qoe: f64,
    /// Seconds without pictures, waiting for the first one included.
    pub stall_s: f64,
    /// Seconds with pictures.
    pub watched_s: f64,
    /// Seconds from the start to the end of the session.
    pub session_s: f64,
    /// Steps between unequal renditions.
    pub switches: u32,
    /// Sum of the steps, Mbit/s.
    pub switch_mbps: f64,
    /// Sum of the quality of what was shown, Mbit.
    pub bitrate: f64,
    /// Media seconds of the chunks of which something was shown.
    pub shown_s: f64,
    /// Bytes fetched.
    pub bytes: u64,
    /// Bytes of chunks of which nothing was shown.
    pub wasted: u64,
    /// Milliseconds until the first picture of the first video that was watched.
    pub start_up_ms: f64,
    /// Milliseconds waited for the first picture of every video, summed.
    pub first_frames_ms: f64,
    /// Videos of which something was shown.
    pub videos: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Scorer {
    score: Score,
    used: u64,
    last_kbps: Option<u32>,
}

impl Scorer {
    pub(crate) fn fetched(&mut self, bytes: u64) {
        self.score.bytes += bytes;
    }

    pub(crate) fn stalled(&mut self, ms: f64, before_first_picture: bool) {
        self.score.stall_s += ms / 1_000.0;
        if before_first_picture {
            self.score.first_frames_ms += ms;
            if self.score.videos == 0 {
                self.score.start_up_ms += ms;
            }
        }
    }

    /// A video was left after `watch_ms`.
    pub(crate) fn swiped(&mut self, video: &Video, held: &[u8], watch_ms: f64) {
        if watch_ms > 0.0 {
            self.score.videos += 1;
            self.score.watched_s += watch_ms / 1_000.0;
        }
        for (chunk, &rendition) in held.iter().enumerate() {
            if video.media_ms(chunk) >= watch_ms {
                break;
            }
            let kbps = video.kbps[usize::from(rendition)];
            self.score.bitrate += f64::from(kbps) / 1_000.0 * video.chunk_len_ms(chunk) / 1_000.0;
            self.score.shown_s += video.chunk_len_ms(chunk) / 1_000.0;
            self.used += u64::from(video.sizes[usize::from(rendition)][chunk]);
            let step = f64::from(self.last_kbps.unwrap_or(kbps).abs_diff(kbps)) / 1_000.0;
            self.score.switch_mbps += step;
            self.score.switches += u32::from(step > 0.0);
            self.last_kbps = Some(kbps);
        }
    }

    pub(crate) fn finish(self, session_ms: f64) -> Score {
        let mut score = self.score;
        score.session_s = session_ms / 1_000.0;
        score.wasted = score.bytes - self.used;
        score.qoe = score.bitrate - STALL_WEIGHT * score.stall_s - SWITCH_WEIGHT * score.switch_mbps;
        score.s = score.qoe - BYTES_WEIGHT * score.bytes as f64 * 8.0 / 1e6;
        score
    }
}
