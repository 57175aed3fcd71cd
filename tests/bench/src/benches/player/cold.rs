//! Starts over a far server: nothing is held, and everybody begins with the address.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tokio::runtime::Handle;
use unspool_engine::{Container, MediaKey, TrackKind};
use unspool_media::{Origin, Priority};

use super::link::{BITS_A_SECOND, Link, ROUND_TRIP};
use super::{Effort, Ours, PEERS, Peer, Starts, Took};
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};

/// Ways to lay a clip out, with what ffmpeg calls them and the requests that a start may take.
const LAYOUTS: [(&str, &str, &str); 3] = [
    ("moov-first", "+faststart", "<= 1 requests"),
    ("moov-last", "+write_colr", "<= 2 requests"),
    ("fmp4", "+frag_keyframe+empty_moov+default_base_moof", "<= 1 requests"),
];

/// What the starts of one side took.
#[derive(Debug, Default)]
struct Side {
    starts: Starts,
    requests: Vec<f64>,
    bytes: Vec<f64>,
}

pub(super) fn rows(
    plain: &Path,
    side: &mut Ours,
    handle: &Handle,
    decode: Option<f64>,
    effort: Effort,
) -> Result<Vec<Row>, BenchError> {
    let folder = tempfile::tempdir()?;
    let mut files = BTreeMap::new();
    for (name, flags, _) in LAYOUTS {
        let path = folder.path().join(name);
        let out = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(plain)
            .args(["-c", "copy", "-movflags", flags, "-f", "mp4"])
            .arg(&path)
            .status()?;
        if !out.success() {
            return Err(BenchError::step("laying a clip out")("ffmpeg failed"));
        }
        files.insert(name, std::fs::read(&path)?);
    }
    let link = Link::open(files)?;
    let mut rows = Vec::new();
    for (number, (layout, _, requests)) in LAYOUTS.into_iter().enumerate() {
        let (sides, wire) = measure(&link, layout, side, handle, effort.rounds(20, 2))?;
        let [own, playbin, playbin3] = &sides;
        let n = own.starts.came.len();
        let name = format!("first picture, cold, 50 ms and 5 Mbit/s, {layout}");
        let ours = median(&own.starts.came);
        rows.push(Row::new(&name, "ms", n, ours).against(PEERS[0], median(&playbin.starts.came)));
        rows.push(Row::new(&name, "ms", n, ours).against(PEERS[1], median(&playbin3.starts.came)));
        if number == 0 {
            rows.push(
                Row::new(format!("{name}, p95"), "ms", n, percentile(&own.starts.came, 0.95))
                    .against(PEERS[0], percentile(&playbin.starts.came, 0.95)),
            );
        }
        let floor = wire.zip(decode).map(|(wire, decode)| wire + decode);
        let row = Row::new(format!("{name}, against the least"), "ms", n, ours)
            .against("wire time of the head and one cached start", floor);
        rows.push(if layout == "moov-first" { row.aim("<= 1.3x")? } else { row });
        rows.push(
            Row::new(
                format!("requests before the first picture, {layout}"),
                "requests",
                n,
                median(&own.requests),
            )
            .against(PEERS[0], median(&playbin.requests))
            .aim(requests)?,
        );
        rows.push(
            Row::new(format!("bytes before the first picture, {layout}"), "KB", n, median(&own.bytes))
                .against(PEERS[0], median(&playbin.bytes)),
        );
        rows.push(
            Row::new(
                format!("cold starts that brought no picture, {layout}"),
                "starts",
                n + own.starts.lost,
                Some(own.starts.lost as f64),
            )
            .against(PEERS[1], Some(playbin3.starts.lost as f64)),
        );
    }
    Ok(rows)
}

fn measure(
    link: &Link,
    layout: &str,
    own: &mut Ours,
    handle: &Handle,
    rounds: usize,
) -> Result<([Side; 3], Option<f64>), BenchError> {
    let mut sides = [Side::default(), Side::default(), Side::default()];
    let mut wire = None;
    // The first round loads plugins on every side and is not counted.
    for round in 0..=rounds {
        for turn in 0..sides.len() {
            // Who goes first changes from round to round.
            let who = (turn + round) % sides.len();
            let url = format!("http://{}/{layout}?{round}-{who}", link.address);
            let (requests, bytes) = link.used();
            let took = if who == 0 {
                let (took, least) = ours(own, handle, &format!("{layout}-{round}"), url, link)?;
                wire = wire.or(least);
                took
            } else {
                Peer::build(PEERS[who - 1], &url)?.cold_until(|| link.used())?
            };
            if round > 0 {
                sides[who].starts.take(took.map(|(ms, _)| ms));
                if let Some((_, used)) = took {
                    sides[who].requests.push((used.0 - requests) as f64);
                    sides[who].bytes.push((used.1 - bytes) as f64 / 1e3);
                }
            }
            settle(link);
        }
    }
    Ok((sides, wire))
}

/// Waits until nothing is on the line any more, so that nobody pays for the one before.
fn settle(link: &Link) {
    let mut before = link.used();
    loop {
        std::thread::sleep(ROUND_TRIP * 2);
        let now = link.used();
        if now == before {
            return;
        }
        before = now;
    }
}

/// From the address to the picture: probe, source, player. Also the least that the wire takes for what a first picture
/// needs.
fn ours(
    side: &mut Ours,
    handle: &Handle,
    name: &str,
    url: String,
    link: &Link,
) -> Result<(Took, Option<f64>), BenchError> {
    let key = MediaKey::new(name, "720p");
    let begun = Instant::now();
    side.media.register(&key, Origin::new(url, Container::Mp4));
    let info = handle
        .block_on(side.media.probe(&key, Priority::Playback))
        .map_err(BenchError::step("probing the clip"))?;
    let ahead = begun.elapsed().as_secs_f64() * 1e3;
    let needed: u64 = info.headers.iter().map(|span| span.end - span.start).sum::<u64>()
        + info
            .tracks
            .iter()
            .filter(|track| track.kind == TrackKind::Video)
            .filter_map(|track| track.first_sync)
            .map(|sample| sample.span.end - sample.span.start)
            .sum::<u64>();
    let least = (needed as f64 * 8.0 / BITS_A_SECOND + 2.0 * ROUND_TRIP.as_secs_f64()) * 1e3;
    let latency = side.start(&key, info)?;
    let used = link.used();
    side.let_go()?;
    side.media.forget(&key).map_err(BenchError::step("forgetting the clip"))?;
    Ok((latency.map(|latency| (ahead + latency, used)), Some(least)))
}
