//! What the probe knows of a rendition, and what the planner and the player need to know.

use serde::{Deserialize, Serialize};
use unspool_engine::Span;

/// Where the bytes that describe the tracks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// Progressive MP4 with `moov` before `mdat`.
    MoovFirst,
    /// Progressive MP4 with `moov` after `mdat`.
    MoovLast,
    /// Fragmented MP4: `moov`, then `moof`/`mdat` pairs.
    Fragmented,
}

/// Coding of a video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VideoCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// AV1.
    Av1,
    /// VP9.
    Vp9,
    /// Something else; players refuse it.
    Other,
}

/// Coding of an audio track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// Opus.
    Opus,
    /// Something else; players drop the track.
    Other,
}

/// The probe's answer for one rendition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// Exact length in bytes.
    pub size: u64,
    /// How the file is laid out.
    pub layout: Layout,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Coding of the first video track; `None` without one.
    pub video: Option<VideoCodec>,
    /// Picture width in pixels, 0 without video.
    pub width: u32,
    /// Picture height in pixels, 0 without video.
    pub height: u32,
    /// Clockwise rotation in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Coding of the first audio track; `None` without one.
    pub audio: Option<AudioCodec>,
    /// The headers a demuxer reads before any sample, ascending and disjoint.
    pub headers: Vec<Span>,
    /// Media time against bytes: `(milliseconds, offset)` of random access points and in between, ascending in both.
    /// "The first N ms" is the headers plus everything up to the first entry at or past N.
    pub index: Vec<(u64, u64)>,
}

impl MediaInfo {
    /// Byte ranges needed to play from `from_ms` to `to_ms`: headers first, then samples; ascending and disjoint.
    #[must_use]
    pub fn ranges(&self, from_ms: u64, to_ms: u64) -> Vec<Span> {
        let start = match self.index.partition_point(|&(ms, _)| ms <= from_ms) {
            0 => self.index.first().map_or(0, |&(_, at)| at),
            n => self.index[n - 1].1,
        };
        let end = self
            .index
            .get(self.index.partition_point(|&(ms, _)| ms < to_ms))
            .map_or(self.size, |&(_, at)| at);
        let mut spans = self.headers.clone();
        // A moov-last file keeps its samples before the headers, so the end of the samples is the start of the moov.
        let end = match self.layout {
            Layout::MoovLast => {
                end.min(self.headers.iter().map(|s| s.start).filter(|&s| s > start).min().unwrap_or(end))
            }
            _ => end,
        };
        spans.push(Span::new(start, end));
        merge(spans)
    }
}

fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|s| !s.is_empty());
    spans.sort();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(layout: Layout, headers: &[(u64, u64)], index: &[(u64, u64)]) -> MediaInfo {
        MediaInfo {
            size: 10_000,
            layout,
            duration_ms: 3_000,
            video: Some(VideoCodec::H264),
            width: 1,
            height: 1,
            rotation: 0,
            audio: None,
            headers: headers.iter().map(|&(a, b)| Span::new(a, b)).collect(),
            index: index.to_vec(),
        }
    }

    fn spans(list: &[(u64, u64)]) -> Vec<Span> {
        list.iter().map(|&(a, b)| Span::new(a, b)).collect()
    }

    #[test]
    fn headers_and_samples_join_when_the_headers_are_first() {
        let info =
            info(Layout::MoovFirst, &[(0, 500)], &[(0, 500), (1000, 4000), (2000, 7000), (3000, 10_000)]);
        assert_eq!(info.ranges(0, 1000), spans(&[(0, 4000)]));
        assert_eq!(info.ranges(0, 1001), spans(&[(0, 7000)]));
        assert_eq!(info.ranges(0, 60_000), spans(&[(0, 10_000)]));
        assert_eq!(info.ranges(1500, 2000), spans(&[(0, 500), (4000, 7000)]));
        assert_eq!(info.ranges(9000, 9500), spans(&[(0, 500)]));
        assert_eq!(info.ranges(0, 0), spans(&[(0, 500)]));
    }

    #[test]
    fn samples_end_where_late_headers_begin() {
        let info = info(Layout::MoovLast, &[(0, 40), (9000, 10_000)], &[(0, 40), (1000, 4000), (3000, 9000)]);
        assert_eq!(info.ranges(0, 1000), spans(&[(0, 4000), (9000, 10_000)]));
        assert_eq!(info.ranges(0, 5000), spans(&[(0, 10_000)]));
        assert_eq!(info.ranges(1000, 3000), spans(&[(0, 40), (4000, 10_000)]));
    }

    #[test]
    fn an_index_without_entries_means_the_whole_file() {
        let info = info(Layout::Fragmented, &[(0, 300)], &[]);
        assert_eq!(info.ranges(500, 600), spans(&[(0, 10_000)]));
    }
}
