//! Probes in simulated time: what they ask for, one range after the other, and when they know.
//!
//! It follows the prober of `unspool-media`: a progressive file is known as soon as its movie box is here, wherever in
//! what was asked for it ends; a fragmented file when the first look at it is whole; HLS once its playlist and its
//! headers are.

use unspool_engine::info::missing;
use unspool_engine::opening::LOOK_BYTES;
use unspool_engine::{Layout, MediaInfo, Span};

/// Where a box is expected elsewhere.
const LOOK: u64 = 64 * 1024;
/// What a playlist of a short clip costs, bytes.
pub(super) const PLAYLIST_BYTES: u64 = 1_000;

/// What a probe does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Ask(Span),
    /// What it waits for is asked for.
    Wait,
    Known,
}

/// The next step of a probe that asked for `asked` so far; `front` is what it asks for at first.
pub(super) fn step(info: &MediaInfo, hls: bool, held: &[Span], asked: Option<Span>, front: u64) -> Step {
    let here = |span: Span| missing(&[span], held).is_empty();
    let first_sample = info.index.first().map_or(0, |e| e.1);
    if hls {
        let wants = match info.headers.first() {
            Some(header) if header.start == 0 => *header,
            // A transport stream has none; what it is, its beginning says.
            _ => Span::new(0, LOOK_BYTES.min(info.index.get(1).map_or(info.size, |e| e.1))),
        };
        return match asked {
            _ if here(wants) => Step::Known,
            None => Step::Ask(wants),
            Some(_) => Step::Wait,
        };
    }
    let front = Span::new(0, front.min(info.size));
    let Some(asked) = asked else {
        return if here(front) { known_or_ask(info, held) } else { Step::Ask(front) };
    };
    match info.layout {
        // What comes with the first samples tells everything.
        Layout::MoovFirst if info.headers.iter().all(|h| h.end > first_sample || here(*h)) => Step::Known,
        Layout::Fragmented if here(Span::new(0, LOOK_BYTES.min(info.size))) => Step::Known,
        Layout::MoovLast if info.headers.iter().all(|h| here(*h)) => Step::Known,
        _ if here(asked) => known_or_ask(info, held),
        _ => Step::Wait,
    }
}

/// What else is needed behind the front.
fn known_or_ask(info: &MediaInfo, held: &[Span]) -> Step {
    let lacks = info.headers.iter().find(|h| {
        let tail_of_fragments = info.layout == Layout::Fragmented && h.start > 0;
        !tail_of_fragments && !missing(&[**h], held).is_empty()
    });
    match lacks {
        None => Step::Known,
        Some(h) => Step::Ask(Span::new(h.start, h.end.max((h.start + LOOK).min(info.size)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool_engine::VideoCodec;

    fn info(layout: Layout, headers: &[(u64, u64)]) -> MediaInfo {
        MediaInfo {
            size: 1_000_000,
            layout,
            duration_ms: 8_000,
            video: Some(VideoCodec::H264),
            width: 2,
            height: 2,
            rotation: 0,
            audio: None,
            tracks: Vec::new(),
            headers: headers.iter().map(|&(a, b)| Span::new(a, b)).collect(),
            index: vec![(0, 6_000), (1_000, 130_000)],
        }
    }

    #[test]
    fn each_packing_is_known_when_its_headers_are_here() {
        let front = Span::new(0, LOOK_BYTES);
        let step = |info: &MediaInfo, hls, held: &[Span], asked| step(info, hls, held, asked, LOOK_BYTES);
        let first = info(Layout::MoovFirst, &[(0, 6_000)]);
        assert_eq!(step(&first, false, &[], None), Step::Ask(front));
        assert_eq!(step(&first, false, &[Span::new(0, 5_999)], Some(front)), Step::Wait);
        assert_eq!(step(&first, false, &[Span::new(0, 6_000)], Some(front)), Step::Known);
        let last = info(Layout::MoovLast, &[(0, 48), (990_000, 1_000_000)]);
        assert_eq!(step(&last, false, &[Span::new(0, 6_000)], Some(front)), Step::Wait);
        let tail = Span::new(990_000, 1_000_000);
        assert_eq!(step(&last, false, &[front], Some(front)), Step::Ask(tail));
        assert_eq!(step(&last, false, &[front, tail], Some(tail)), Step::Known);
        let pieces = info(Layout::Fragmented, &[(0, 1_600), (995_904, 1_000_000)]);
        assert_eq!(step(&pieces, false, &[Span::new(0, 100_000)], Some(front)), Step::Wait);
        assert_eq!(step(&pieces, false, &[front], Some(front)), Step::Known, "the tail is the demuxer's");
        assert_eq!(step(&pieces, true, &[], None), Step::Ask(Span::new(0, 1_600)));
        assert_eq!(step(&info(Layout::Segmented, &[]), true, &[], None), Step::Ask(Span::new(0, 130_000)));
    }
}
