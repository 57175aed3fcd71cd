//! `unspool-bench probe FILE_OR_URL`: what the probe says of one file, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Runtime;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{
    Layout, Media, MediaConfig, MediaInfo, Origin, Priority, SyncSample, TrackInfo, TrackKind, probe_file,
};

use crate::error::BenchError;

/// Longest a probe over the network may take: three tries that each run into their time-outs.
const LONGEST: Duration = Duration::from_secs(60);
/// Longest the cache may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// The probe's answer for one file or URL.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    source: String,
    /// `mp4` or `hls`.
    container: &'static str,
    /// `first`, `last` or `fragmented`.
    moov: &'static str,
    size: u64,
    duration_ms: u64,
    has_audio: bool,
    tracks: Vec<TrackInfo>,
    /// What `ranges` is for: playing from 0 to here, in milliseconds.
    ms: u64,
    /// Ascending and disjoint; the end of each is one past its last byte.
    ranges: Vec<Span>,
    range_bytes: u64,
    /// `range_bytes` over `size`.
    share: f64,
    took_ms: f64,
    /// Bytes received for the answer; `null` for a local file.
    network_bytes: Option<u64>,
}

/// Probes `source`, a path or an `http` or `https` URL.
pub(crate) fn probe(source: &str, ms: u64) -> Result<Answer, BenchError> {
    let begun = Instant::now();
    let remote = ["http://", "https://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let (info, network_bytes) = if remote {
        let (info, bytes) = over_network(source)?;
        (info, Some(bytes))
    } else {
        (Arc::new(probe_file(Path::new(source)).map_err(BenchError::step("probe"))?), None)
    };
    Ok(Answer::new(source, &info, ms, begun.elapsed(), network_bytes))
}

fn over_network(url: &str) -> Result<(Arc<MediaInfo>, u64), BenchError> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::new()?;
    let config = MediaConfig { allow_plain_http: true, ..MediaConfig::new(folder.path()) };
    let media = Media::open(config, runtime.handle().clone()).map_err(BenchError::step("probe"))?;
    let key = MediaKey::new("probed", "only");
    let container = if is_playlist(url) { Container::Hls } else { Container::Mp4 };
    media.register(&key, Origin::new(url, container));
    let answer = runtime.block_on(async {
        let answer = tokio::time::timeout(LONGEST, media.probe(&key, Priority::Playback)).await;
        // The folder goes in any case; an index that could not be written is nobody's loss.
        let _ = media.shutdown(CLOSING).await;
        answer
    });
    let info = answer.map_err(BenchError::step("probe"))?.map_err(BenchError::step("probe"))?;
    Ok((info, media.counts().network))
}

/// Whether a path or URL names an HLS playlist.
fn is_playlist(source: &str) -> bool {
    let path = source.split(['?', '#']).next().unwrap_or_default();
    Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("m3u8"))
}

impl Answer {
    fn new(source: &str, info: &MediaInfo, ms: u64, took: Duration, network_bytes: Option<u64>) -> Self {
        let ranges = info.ranges(0, ms);
        let range_bytes = ranges.iter().map(Span::len).sum();
        Answer {
            source: source.to_owned(),
            container: if is_playlist(source) { "hls" } else { "mp4" },
            moov: match info.layout {
                Layout::MoovFirst => "first",
                Layout::MoovLast => "last",
                Layout::Fragmented => "fragmented",
                Layout::Segmented => "segmented",
            },
            size: info.size,
            duration_ms: info.duration_ms,
            has_audio: info.audio.is_some(),
            tracks: info.tracks.clone(),
            ms,
            ranges,
            range_bytes,
            share: if info.size == 0 { 0.0 } else { range_bytes as f64 / info.size as f64 },
            took_ms: took.as_secs_f64() * 1000.0,
            network_bytes,
        }
    }

    /// The answer for people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!(
            "{}\n  {}, moov {}, {} bytes, {}\n",
            self.source,
            self.container,
            self.moov,
            self.size,
            seconds(self.duration_ms)
        );
        for track in &self.tracks {
            let _ = writeln!(out, "  {}", line(track));
        }
        if !self.has_audio {
            out.push_str("  no sound\n");
        }
        let _ = writeln!(
            out,
            "  the first {} need {} bytes, {:.1} % of the file:",
            seconds(self.ms),
            self.range_bytes,
            self.share * 100.0
        );
        for range in &self.ranges {
            let _ = writeln!(out, "    {}..{} ({} bytes)", range.start, range.end, range.len());
        }
        let network =
            self.network_bytes.map_or_else(String::new, |bytes| format!(", {bytes} bytes received"));
        let _ = writeln!(out, "  probed in {:.1} ms{network}", self.took_ms);
        out
    }
}

fn line(track: &TrackInfo) -> String {
    let what = match track.kind {
        TrackKind::Video => format!("video {} {}x{}", track.codec, track.width, track.height),
        TrackKind::Audio => format!("audio {}", track.codec),
    };
    let turned =
        if track.rotation == 0 { String::new() } else { format!(", turned by {} degrees", track.rotation) };
    let sync = match track.first_sync {
        Some(SyncSample { at_ms, span }) => {
            format!("first sync sample at {} in {}..{}", seconds(at_ms), span.start, span.end)
        }
        None => "first sync sample unknown".to_owned(),
    };
    format!("track {}: {what}{turned}, {sync}", track.id)
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;

    use crate::clip::{self, Shape};
    use crate::files;

    #[test]
    fn a_file_and_its_url_have_the_same_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        clip::make(&path, Shape { width: 320, height: 240, rate: 25, seconds: 2 }).unwrap();
        let local = probe(path.to_str().unwrap(), 1000).unwrap();
        assert_eq!((local.container, local.network_bytes), ("mp4", None));
        assert!(local.share > 0.0 && local.share <= 1.0, "{local:?}");
        assert!(local.text().contains("avc1."), "{}", local.text());
        let runtime = Runtime::new().unwrap();
        let bytes = Bytes::from(std::fs::read(&path).unwrap());
        let address = runtime.block_on(files::serve(bytes)).unwrap();
        unspool::install_tls();
        let remote = probe(&format!("http://{address}/clip.mp4"), 1000).unwrap();
        assert_eq!((remote.ranges, remote.tracks), (local.ranges, local.tracks));
        assert!(remote.network_bytes.is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn what_cannot_be_probed_is_named() {
        for source in ["/nowhere/at/all.mp4", "http://127.0.0.1:1/a.mp4", env!("CARGO_MANIFEST_DIR")] {
            unspool::install_tls();
            let error = probe(source, 1000).unwrap_err().to_string();
            assert!(error.starts_with("probe: ") && error.len() > 12, "{source}: {error}");
        }
    }
}
