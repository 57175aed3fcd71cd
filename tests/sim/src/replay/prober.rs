//! Probes in simulated time: what they ask for, beside one another, and when they know.
//!
//! It follows the prober of `unspool-media`, which parses what has arrived while the rest of what it asked for is on its
//! way. A movie box in front is known as soon as it is here; a media box in front tells where the movie box is, and that is
//! asked for at once, beside the first look at the file; a fragmented file is known with the head of its first
//! fragment, and what else its beginning and its end tell is read when nobody waits; HLS is known once its playlist and
//! its headers are here.

use unspool_engine::info::missing;
use unspool_engine::opening::LOOK_BYTES;
use unspool_engine::{Layout, MediaInfo, Span, Urgency};

/// Where a box is expected elsewhere.
const LOOK: u64 = 64 * 1024;
/// The end of a fragmented file, where an index may be.
const TAIL: u64 = 4 * 1024;
/// Head of a box, and as much as is read to find one.
const BOX: u64 = 16;
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
pub(super) fn step(info: &MediaInfo, hls: bool, held: &[Span], asked: &[Span], front: u64) -> Step {
    let here = |span: Span| missing(&[span], held).is_empty();
    let wait_or_ask = |span: Span| match asked.iter().any(|a| a.start <= span.start && span.end <= a.end) {
        true => Step::Wait,
        false => Step::Ask(span),
    };
    if hls {
        let wants = match info.headers.first() {
            Some(header) if header.start == 0 => *header,
            // A transport stream has none; what it is, its beginning says.
            _ => Span::new(0, LOOK_BYTES.min(info.index.get(1).map_or(info.size, |e| e.1))),
        };
        return if here(wants) { Step::Known } else { wait_or_ask(wants) };
    }
    let front = Span::new(0, front.min(info.size));
    let begins = info.headers.first().map_or(front.end, |h| h.end);
    let until = match info.layout {
        // The head of the media box counts as a header and is not looked at.
        Layout::MoovFirst => begins.saturating_sub(BOX),
        Layout::MoovLast => (begins + BOX / 2).min(info.size),
        Layout::Fragmented | Layout::Segmented => first_sample(info).unwrap_or(front.end),
    };
    if !here(Span::new(0, until)) {
        return wait_or_ask(if until <= front.end { front } else { Span::new(0, until) });
    }
    let elsewhere = info.headers.iter().filter(|_| info.layout == Layout::MoovLast);
    match elsewhere.skip(1).find(|h| !here(**h)) {
        Some(h) => wait_or_ask(Span::new(h.start, h.end.max((h.start + LOOK).min(info.size)))),
        None => Step::Known,
    }
}

/// Where the first sample of a fragmented file begins: the head of its fragment ends there.
fn first_sample(info: &MediaInfo) -> Option<u64> {
    info.tracks.iter().filter_map(|t| t.first_sync).map(|s| s.span.start).min()
}

/// What a probe that knows reads on, for later: of a fragmented file whose index is at its end, if that was not at hand.
pub(super) fn later(info: &MediaInfo, hls: bool, held: &[Span]) -> Option<(Vec<Span>, Urgency)> {
    let tail = Span::new(info.size.saturating_sub(TAIL), info.size);
    let by_tail = info.headers.iter().any(|h| h.end == info.size);
    let open = info.layout == Layout::Fragmented && by_tail && !hls && !missing(&[tail], held).is_empty();
    open.then(|| (vec![Span::new(0, LOOK_BYTES.min(info.size)), tail], Urgency::Prefetch))
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
        let step =
            |info: &MediaInfo, hls, held: &[Span], asked: &[Span]| step(info, hls, held, asked, LOOK_BYTES);
        let first = info(Layout::MoovFirst, &[(0, 6_016)]);
        assert_eq!(step(&first, false, &[], &[]), Step::Ask(front));
        assert_eq!(step(&first, false, &[Span::new(0, 5_999)], &[front]), Step::Wait);
        assert_eq!(step(&first, false, &[Span::new(0, 6_000)], &[front]), Step::Known);
        let last = info(Layout::MoovLast, &[(0, 48), (990_000, 1_000_000)]);
        let tail = Span::new(990_000, 1_000_000);
        assert_eq!(step(&last, false, &[Span::new(0, 55)], &[front]), Step::Wait);
        assert_eq!(step(&last, false, &[Span::new(0, 56)], &[front]), Step::Ask(tail), "beside the front");
        assert_eq!(step(&last, false, &[Span::new(0, 56)], &[front, tail]), Step::Wait);
        assert_eq!(step(&last, false, &[Span::new(0, 56), tail], &[front, tail]), Step::Known);
        let pieces = info(Layout::Fragmented, &[(0, 1_600), (995_904, 1_000_000)]);
        assert_eq!(step(&pieces, false, &[Span::new(0, 100_000)], &[front]), Step::Wait);
        assert_eq!(step(&pieces, false, &[front], &[front]), Step::Known, "the tail is read later");
        let tail = Span::new(1_000_000 - TAIL, 1_000_000);
        assert_eq!(later(&pieces, false, &[front]), Some((vec![front, tail], Urgency::Prefetch)));
        assert_eq!(later(&pieces, false, &[front, tail]), None);
        assert_eq!(later(&last, false, &[]), None);
        assert_eq!(
            later(&info(Layout::Fragmented, &[(0, 1_600)]), false, &[]),
            None,
            "its index is in front"
        );
        assert_eq!(step(&pieces, true, &[], &[]), Step::Ask(Span::new(0, 1_600)));
        assert_eq!(step(&info(Layout::Segmented, &[]), true, &[], &[]), Step::Ask(Span::new(0, 130_000)));
    }
}
