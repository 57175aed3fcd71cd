//! Starts over a far server: nothing is held, and everybody begins with the address.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use unspool_engine::{Container, MediaKey, TrackKind};
use unspool_media::{Origin, Priority};

use super::link::{BITS_A_SECOND, Link, ROUND_TRIP};
use super::rounds::Rounds;
use super::{Effort, Ours, PEERS, Peer, Starts, Took, progress};
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};

/// A way to lay a clip out.
struct Layout {
    name: &'static str,
    /// What ffmpeg is told.
    options: &'static [&'static str],
    /// The file that a start begins with, of those that ffmpeg writes.
    entry: &'static str,
    container: Container,
    /// Requests that a start may take.
    requests: &'static str,
}

/// A fragment of the clip lasts a second, or a quarter of one; in both its sound lies behind its pictures. A start from
/// playlists takes the playlist, the header and one segment.
const LAYOUTS: [Layout; 5] = [
    Layout {
        name: "moov-first",
        options: &["-movflags", "+faststart", "-f", "mp4"],
        entry: "clip.mp4",
        container: Container::Mp4,
        requests: "<= 1 requests",
    },
    Layout {
        name: "moov-last",
        options: &["-movflags", "+write_colr", "-f", "mp4"],
        entry: "clip.mp4",
        container: Container::Mp4,
        requests: "<= 2 requests",
    },
    Layout {
        name: "fmp4",
        options: &["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"],
        entry: "clip.mp4",
        container: Container::Fmp4,
        requests: "<= 1 requests",
    },
    Layout {
        name: "fmp4, 0.25 s",
        options: &[
            "-movflags",
            "+empty_moov+default_base_moof",
            "-frag_duration",
            "250000",
            "-min_frag_duration",
            "250000",
            "-f",
            "mp4",
        ],
        entry: "clip.mp4",
        container: Container::Fmp4,
        requests: "<= 1 requests",
    },
    Layout {
        name: "hls",
        options: &[
            "-f",
            "hls",
            "-hls_time",
            "1",
            "-hls_playlist_type",
            "vod",
            "-hls_segment_type",
            "fmp4",
            "-hls_fmp4_init_filename",
            "init.mp4",
        ],
        entry: "clip.m3u8",
        container: Container::Hls,
        requests: "<= 3 requests",
    },
];

/// How long the starts of one layout may take; a peer that has no picture in time costs five seconds each.
const TIME: Duration = Duration::from_secs(18);

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
    effort: Effort,
) -> Result<Vec<Row>, BenchError> {
    let folder = tempfile::tempdir()?;
    let mut files = BTreeMap::new();
    for (number, layout) in LAYOUTS.iter().enumerate() {
        let dir = folder.path().join(number.to_string());
        std::fs::create_dir(&dir)?;
        let out = Command::new("ffmpeg")
            .current_dir(&dir)
            .args(["-nostdin", "-v", "error", "-y", "-i"])
            .arg(plain)
            .args(["-c", "copy"])
            .args(layout.options)
            .arg(layout.entry)
            .status()?;
        if !out.success() {
            return Err(BenchError::step("laying a clip out")("ffmpeg failed"));
        }
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let name = format!("{number}/{}", entry.file_name().to_string_lossy());
            files.insert(name, std::fs::read(entry.path())?);
        }
    }
    let link = Link::open(files)?;
    let mut rows = Vec::new();
    for (number, of) in LAYOUTS.iter().enumerate() {
        let layout = of.name;
        progress(&format!("starts over a far server, {layout}"));
        let rounds = Rounds::of(effort, (10, 2), TIME);
        let (sides, wire, decode) = measure(&link, (number, of), side, handle, rounds)?;
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
            .aim(of.requests)?,
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

/// The sides; the least that the wire takes; what a start of the held clip takes, in milliseconds.
type Measured = ([Side; 3], Option<f64>, Option<f64>);

fn measure(
    link: &Link,
    (number, layout): (usize, &Layout),
    own: &mut Ours,
    handle: &Handle,
    mut rounds: Rounds,
) -> Result<Measured, BenchError> {
    let mut sides = [Side::default(), Side::default(), Side::default()];
    let (mut wire, mut decode) = (None, Starts::default());
    // The first round loads plugins on every side and is not counted.
    while let Some(round) = rounds.next() {
        decode.take(own.cold()?);
        for turn in 0..sides.len() {
            // Who goes first changes from round to round.
            let who = (turn + round) % sides.len();
            let url = format!("http://{}/{number}/{}?{round}-{who}", link.address, layout.entry);
            let (requests, bytes) = link.used();
            let took = if who == 0 {
                let key = MediaKey::new(&format!("{}-{round}", layout.name), "720p");
                let (took, least) = ours(own, handle, &key, Origin::new(url, layout.container))?;
                wire = wire.or(least);
                took
            } else {
                Peer::build(PEERS[who - 1], &url)?.start()?
            };
            if round > 0 {
                sides[who].starts.take(took.map(|(ms, _)| ms));
                if let Some((_, moment)) = took {
                    let used = link.used_until(moment);
                    sides[who].requests.push((used.0 - requests) as f64);
                    sides[who].bytes.push((used.1 - bytes) as f64 / 1e3);
                }
            }
            settle(link);
        }
    }
    Ok((sides, wire, median(&decode.came)))
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
    key: &MediaKey,
    origin: Origin,
) -> Result<(Took, Option<f64>), BenchError> {
    let begun = Instant::now();
    side.media.register(key, origin);
    let info = handle
        .block_on(side.media.probe(key, Priority::Playback))
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
    let took = side.start(key)?;
    side.let_go()?;
    side.media.forget(key).map_err(BenchError::step("forgetting the clip"))?;
    Ok((took.map(|(ms, moment)| (ahead + ms, moment)), Some(least)))
}
