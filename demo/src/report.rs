//! The figures of one run, in the shape `--json` promises. Every number was measured in this run or read back from the
//! server's own log and database.

use serde::Serialize;

/// First frames of one class.
#[derive(Debug, Default, Serialize)]
pub struct Latency {
    /// How many.
    pub n: usize,
    /// Median in milliseconds.
    pub p50: Option<f64>,
    /// 95th percentile in milliseconds.
    pub p95: Option<f64>,
}

impl Latency {
    /// The percentiles of a sample, nearest rank.
    pub fn of(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            let n = (ms.len() * percent).div_ceil(100).max(1);
            ms.get(n - 1).map(|v| (v * 1_000.0).round() / 1_000.0)
        };
        Latency { n: ms.len(), p50: rank(50), p95: rank(95) }
    }
}

/// First frames by class.
#[derive(Debug, Default, Serialize)]
pub struct FirstFrames {
    /// The player stood at its first frame before the swipe.
    pub prerolled: Latency,
    /// Every byte needed was held.
    pub cached: Latency,
    /// Bytes had to be waited for.
    pub cold: Latency,
}

/// Bytes of one run.
#[derive(Debug, Default, Serialize)]
pub struct Bytes {
    /// Body bytes the core received: media, playlists, feed pages and answers.
    pub network: u64,
    /// Of these, media and playlists.
    pub media: u64,
    /// Bytes players read that were there before they asked.
    pub from_cache: u64,
    /// Media bytes that no player read.
    pub wasted: u64,
    /// What the server's log says it sent to this client in this run; equal to `network`.
    pub origin_log: Option<u64>,
}

/// Impressions, ever, in this state directory.
#[derive(Debug, Default, Serialize)]
pub struct Impressions {
    /// Written down by the core.
    pub recorded: u64,
    /// Acknowledged by the server.
    pub delivered: u64,
    /// Distinct ones in the server's database; absent without a server.
    pub distinct_at_origin: Option<u64>,
    /// Viewings an earlier, killed run had left open.
    pub recovered: u64,
}

/// The part of the run without a network.
#[derive(Debug, Default, Serialize)]
pub struct Offline {
    /// Cards moved to.
    pub swipes: u64,
    /// Cards that rendered a frame.
    pub played: u64,
    /// Lines in the server's log in that time.
    pub origin_requests: u64,
}

/// Likes on their way.
#[derive(Debug, Default, Serialize)]
pub struct Outbox {
    /// Written down, ever.
    pub queued: u64,
    /// Confirmed by the server, ever.
    pub delivered: u64,
    /// Likes the server holds for this person.
    pub at_origin: Option<u64>,
}

/// A card that could not be played.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Its item.
    pub item: String,
    /// Why.
    pub reason: String,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cards moved to with a network.
    pub swipes: u64,
    /// Cards that rendered a frame, with and without a network.
    pub played: u64,
    /// What decoded.
    pub engine: &'static str,
    /// Its version.
    pub engine_version: String,
    /// From the swipe to the first rendered frame.
    pub first_frame_ms: FirstFrames,
    /// Milliseconds of stalls after first frames.
    pub rebuffer_ms: u64,
    /// Stalls over stalls and watch time.
    pub rebuffer_ratio: f64,
    /// Milliseconds of media rendered.
    pub watched_ms: u64,
    /// Bytes.
    pub bytes: Bytes,
    /// Impressions.
    pub impressions: Impressions,
    /// Without a network.
    pub offline: Offline,
    /// Likes.
    pub outbox: Outbox,
    /// Cards that could not be played.
    pub skipped: Vec<Skipped>,
    /// Most resident memory of this process, the core's.
    pub peak_rss_mb: f64,
    /// Name of this client in the server's log.
    pub client: String,
    /// First line of this run in the server's access log, counted from 1.
    pub log_from_line: u64,
    /// Whether the session ended in time.
    pub clean_shutdown: bool,
}

/// Most resident memory of this process so far, in MiB.
pub fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    (kib.unwrap_or(0.0) / 1024.0 * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let l = Latency::of((1..=20).map(f64::from).collect());
        assert_eq!((l.n, l.p50, l.p95), (20, Some(10.0), Some(19.0)));
        assert_eq!(Latency::of(vec![7.0]).p95, Some(7.0));
        assert_eq!(Latency::of(Vec::new()).p50, None);
    }
}
