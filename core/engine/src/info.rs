//! What the probe learns of a rendition: the one description that planner, fetcher and player share.

use serde::{Deserialize, Serialize};

use crate::model::Span;

/// Bytes that the head of a fragment may take. 4 KiB: the sizes and durations of two seconds of pictures at 60 a second
/// and of their sound are 3.4 KB.
pub const FRAGMENT_HEAD_BYTES: u64 = 4 * 1024;

/// Where the bytes that describe the tracks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Progressive MP4 with `moov` before `mdat`.
    MoovFirst,
    /// Progressive MP4 with `moov` after `mdat`.
    MoovLast,
    /// Fragmented MP4: `moov`, then `moof`/`mdat` pairs. A demuxer reads the head of the next fragment before the samples
    /// of this one, so a fragment is playable with [`FRAGMENT_HEAD_BYTES`] of the one after it.
    Fragmented,
    /// HLS over several files: the headers, then one slot for each segment in the order of play. Places are those of an
    /// address space that exists only here: a slot has the length its segment was expected to have, is held as a whole
    /// when the segment is complete, and up to its last byte but one at most while it is not. Segments of transport stream
    /// have no headers.
    Segmented,
}

/// Coding of a video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// Opus.
    Opus,
    /// Something else; players drop the track.
    Other,
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// A sample that decodes without any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSample {
    /// When it is shown, in milliseconds from the start of its track; an edit that delays the track is left out.
    pub at_ms: u64,
    /// Its bytes.
    pub span: Span,
}

/// One track of pictures or sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Number of the track within its file.
    pub id: u32,
    /// What it carries.
    pub kind: TrackKind,
    /// Coding in the words of RFC 6381, such as `avc1.64001F` or `mp4a.40.2`; only the four-character code where the
    /// decoder's configuration says no more.
    pub codec: String,
    /// Coded picture width in pixels, 0 for sound.
    pub width: u32,
    /// Coded picture height in pixels, 0 for sound.
    pub height: u32,
    /// Clockwise rotation in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// The first sample that decodes without any other; `None` where the headers do not tell.
    pub first_sync: Option<SyncSample>,
}

/// The probe's answer for one rendition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// Exact length in bytes; of a segmented rendition the sum of what its files were expected to have.
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
    /// The tracks of pictures and sound in the order of the file; empty in answers kept by versions that did not tell.
    #[serde(default)]
    pub tracks: Vec<TrackInfo>,
    /// The headers a demuxer reads before any sample, ascending and disjoint.
    pub headers: Vec<Span>,
    /// Media time against bytes: `(milliseconds, offset)`, ascending in both. "The first N ms" is the headers plus
    /// everything up to the first entry at or past N.
    pub index: Vec<(u64, u64)>,
}

impl MediaInfo {
    /// Byte ranges needed to play from `from_ms` to `to_ms`: headers and samples, ascending and disjoint.
    #[must_use]
    pub fn ranges(&self, from_ms: u64, to_ms: u64) -> Vec<Span> {
        let mut spans = self.headers.clone();
        let end = self.demuxed_with(self.index.partition_point(|&(t, _)| t < to_ms));
        spans.push(Span::new(self.offset_at(from_ms), end));
        merge(spans)
    }

    /// The media time up to which playback from `from_ms` runs with only the bytes in `held`; `from_ms` when not even
    /// the next sample is there. `held` is ascending and disjoint.
    #[must_use]
    pub fn playable_until(&self, from_ms: u64, held: &[Span]) -> u64 {
        if !self.headers.iter().all(|h| covers(held, *h)) {
            return from_ms;
        }
        let start = self.offset_at(from_ms);
        let end = held.iter().find(|s| s.start <= start && start < s.end).map_or(start, |s| s.end);
        if end >= self.samples_end() {
            return self.duration_ms.max(from_ms);
        }
        let (mut reached, mut above) = (0, self.index.len());
        while reached < above {
            let middle = usize::midpoint(reached, above);
            if self.demuxed_with(middle) <= end { reached = middle + 1 } else { above = middle }
        }
        reached.checked_sub(1).map_or(from_ms, |i| self.index[i].0).max(from_ms)
    }

    /// Where a step of at least `step_ms` from `from_ms` ends: at an entry of the index, or at the end.
    pub(crate) fn step_end(&self, from_ms: u64, step_ms: u64) -> u64 {
        let past = self.index.partition_point(|&(t, _)| t < from_ms + step_ms);
        self.index.get(past).map_or(self.duration_ms, |&(t, _)| t).min(self.duration_ms).max(from_ms)
    }

    /// Bytes of the samples from `from_ms` to `to_ms`.
    pub(crate) fn sample_bytes(&self, from_ms: u64, to_ms: u64) -> u64 {
        self.offset_after(to_ms).saturating_sub(self.offset_at(from_ms))
    }

    fn offset_at(&self, ms: u64) -> u64 {
        match self.index.partition_point(|&(t, _)| t <= ms) {
            0 => self.index.first().map_or(0, |&(_, at)| at),
            n => self.index[n - 1].1,
        }
    }

    fn offset_after(&self, ms: u64) -> u64 {
        self.index.get(self.index.partition_point(|&(t, _)| t < ms)).map_or(self.samples_end(), |&(_, at)| at)
    }

    /// One past the last byte that a demuxer reads before it gives the last sample in front of entry `n` of the index.
    ///
    /// Of a fragmented file it wants the head of the next fragment first. Segments of transport stream become fragments, whole,
    /// and have no head before that, so there it is the next segment. Where segments are fragments in files of their own,
    /// the reader brings the next head, which is a request of its own whoever asks.
    #[must_use]
    pub fn demuxed_with(&self, n: usize) -> u64 {
        let end = self.samples_end();
        let Some(&(_, at)) = self.index.get(n) else { return end };
        match self.layout {
            Layout::Fragmented => at.saturating_add(FRAGMENT_HEAD_BYTES),
            Layout::Segmented if self.headers.is_empty() => self.index.get(n + 1).map_or(end, |e| e.1),
            Layout::MoovFirst | Layout::MoovLast | Layout::Segmented => at,
        }
        .min(end)
    }

    /// One past the last sample byte: a moov-last file keeps its samples before the headers at its end.
    fn samples_end(&self) -> u64 {
        let first_sample = self.index.first().map_or(0, |&(_, at)| at);
        match self.layout {
            Layout::MoovLast => self
                .headers
                .iter()
                .map(|h| h.start)
                .filter(|&at| at > first_sample)
                .min()
                .unwrap_or(self.size),
            Layout::MoovFirst | Layout::Fragmented | Layout::Segmented => self.size,
        }
    }
}

/// The parts of `wanted` that `held` lacks. Both ascending and disjoint, and so is the answer.
#[must_use]
pub fn missing(wanted: &[Span], held: &[Span]) -> Vec<Span> {
    let mut out = Vec::new();
    for want in wanted {
        let mut at = want.start;
        for have in held.iter().filter(|h| h.end > want.start && h.start < want.end) {
            if have.start > at {
                out.push(Span::new(at, have.start.min(want.end)));
            }
            at = at.max(have.end);
        }
        if at < want.end {
            out.push(Span::new(at, want.end));
        }
    }
    out
}

fn covers(held: &[Span], span: Span) -> bool {
    span.is_empty() || held.iter().any(|h| h.start <= span.start && span.end <= h.end)
}

/// Any spans, ascending and disjoint.
#[must_use]
pub fn merge(mut spans: Vec<Span>) -> Vec<Span> {
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
    use proptest::prelude::*;

    fn info(layout: Layout) -> MediaInfo {
        let (headers, index) = match layout {
            Layout::MoovLast => {
                (vec![Span::new(0, 40), Span::new(1000, 1100)], vec![(0, 40), (500, 500), (900, 900)])
            }
            _ => (vec![Span::new(0, 100)], vec![(0, 100), (500, 500), (900, 900)]),
        };
        MediaInfo {
            size: 1100,
            layout,
            duration_ms: 1000,
            video: Some(VideoCodec::H264),
            width: 2,
            height: 2,
            rotation: 0,
            audio: None,
            tracks: Vec::new(),
            headers,
            index,
        }
    }

    #[test]
    fn first_milliseconds_are_headers_and_samples() {
        assert_eq!(info(Layout::MoovFirst).ranges(0, 500), vec![Span::new(0, 500)]);
        assert_eq!(info(Layout::MoovLast).ranges(0, 500), vec![Span::new(0, 500), Span::new(1000, 1100)]);
        assert_eq!(info(Layout::MoovLast).ranges(0, 5000), vec![Span::new(0, 1100)]);
        assert_eq!(info(Layout::MoovFirst).ranges(600, 700), vec![Span::new(0, 100), Span::new(500, 900)]);
    }

    #[test]
    fn playable_needs_headers_and_counts_what_follows() {
        let i = info(Layout::MoovLast);
        assert_eq!(i.playable_until(0, &[Span::new(0, 1000)]), 0, "no moov");
        assert_eq!(i.playable_until(0, &[Span::new(0, 600), Span::new(1000, 1100)]), 500);
        assert_eq!(i.playable_until(0, &[Span::new(0, 1100)]), 1000);
        assert_eq!(i.playable_until(0, &[Span::new(0, 40), Span::new(1000, 1100)]), 0);
    }

    #[test]
    fn a_fragment_is_playable_with_the_head_of_the_next_one() {
        let index = vec![(0, 1_600), (1_000, 100_000), (2_000, 200_000)];
        let i = MediaInfo {
            size: 300_000,
            duration_ms: 3_000,
            headers: vec![Span::new(0, 1_600)],
            index,
            ..info(Layout::Fragmented)
        };
        assert_eq!(i.ranges(0, 1_000), vec![Span::new(0, 104_096)]);
        assert_eq!(i.playable_until(0, &[Span::new(0, 104_095)]), 0);
        assert_eq!(i.playable_until(0, &[Span::new(0, 104_096)]), 1_000);
        assert_eq!(i.playable_until(0, &[Span::new(0, 299_999)]), 2_000);
        assert_eq!(
            i.ranges(2_500, 3_000).last(),
            Some(&Span::new(200_000, 300_000)),
            "there is none after it"
        );
        assert_eq!(i.playable_until(0, &[Span::new(0, 300_000)]), 3_000);
        let streams = MediaInfo { layout: Layout::Segmented, headers: Vec::new(), ..i };
        assert_eq!(
            streams.ranges(0, 1_000),
            vec![Span::new(1_600, 200_000)],
            "and of a stream with all of it"
        );
        assert_eq!(streams.playable_until(0, &[Span::new(1_600, 199_999)]), 0);
        assert_eq!(streams.playable_until(0, &[Span::new(1_600, 200_000)]), 1_000);
    }

    proptest! {
        #[test]
        fn missing_is_what_a_bitmap_says(
            wanted in prop::collection::vec((0u64..60, 0u64..12), 0..5),
            held in prop::collection::vec((0u64..60, 0u64..12), 0..5),
        ) {
            let spans = |v: &[(u64, u64)]| merge(v.iter().map(|&(a, n)| Span::new(a, a + n)).collect());
            let (wanted, held) = (spans(&wanted), spans(&held));
            let holes = missing(&wanted, &held);
            for byte in 0..80u64 {
                let inside = |v: &[Span]| v.iter().any(|s| s.start <= byte && byte < s.end);
                prop_assert_eq!(inside(&holes), inside(&wanted) && !inside(&held));
            }
        }

        #[test]
        fn having_the_ranges_makes_them_playable(from in 0u64..1000, len in 0u64..1200) {
            for layout in [Layout::MoovFirst, Layout::MoovLast, Layout::Fragmented, Layout::Segmented] {
                let i = info(layout);
                let held = i.ranges(from, from + len);
                prop_assert!(i.playable_until(from, &held) >= (from + len).min(1000).min(i.index.last().unwrap().0.max(from)));
            }
        }
    }
}
