//! Content: the first picture of every file is the one that ffmpeg decodes, and what is no such file says so in time.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{LONG, MOVING, Script, Stage, clip, files, probe, shared};
use unspool_media::MediaInfo;
use unspool_player::{Picture, PlayerConfig, PlayerError, PlayerEvent, PlayerId, Screen, Surface};

const A: PlayerId = PlayerId(1);

/// The one file whose first picture is another: its first sample alone stands in the movie header and the others in
/// fragments, and GStreamer's demuxer leaves the former out.
const PARTLY: &str = "sample_partially_fragmented.mp4";

/// Luma of a picture, row by row without padding, in the depth of its format.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Luma {
    format: String,
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

/// Keeps the first picture it is shown.
#[derive(Debug, Default)]
struct First(Mutex<Option<Luma>>);

impl Screen for First {
    fn show(&self, picture: &Picture<'_>) {
        let mut first = self.0.lock().unwrap();
        if first.is_none() {
            let (plane, stride) = picture.plane(0).unwrap();
            let row = picture.width() as usize * if picture.format().contains("10") { 2 } else { 1 };
            let bytes = plane.chunks(stride).take(picture.height() as usize).flat_map(|r| &r[..row]).copied();
            *first = Some(Luma {
                format: picture.format().to_owned(),
                width: picture.width(),
                height: picture.height(),
                bytes: bytes.collect(),
            });
        }
    }
}

/// The first picture as ffmpeg decodes it, in the format of the stream.
fn reference(path: &Path, like: &Luma) -> Vec<u8> {
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-noautorotate", "-i"])
        .arg(path)
        .args(["-map", "0:v:0", "-frames:v", "1", "-fps_mode", "passthrough", "-f", "rawvideo"])
        .arg("-")
        .output()
        .unwrap();
    let luma = like.bytes.len();
    assert!(out.stdout.len() >= luma, "{path:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout[..luma].to_vec()
}

/// Plays to the first picture or the error; the pipeline is gone when this returns.
fn attempt(stage: &mut Stage, path: &Path, info: Arc<MediaInfo>) -> Result<Luma, PlayerError> {
    let first = Arc::new(First::default());
    stage.pool.prepare(A, Script::file(path), info)?;
    stage.pool.set_surface(A, Some(Surface::Screen(first.clone())))?;
    stage.pool.play(A)?;
    let result = stage.wait(LONG, |event| match event {
        PlayerEvent::FirstFrame { .. } => Some(Ok(())),
        PlayerEvent::Error { error, .. } => Some(Err(error.clone())),
        _ => None,
    });
    stage.pool.release(A).unwrap();
    let clean = stage.wait(LONG, |event| match event {
        PlayerEvent::Released { reached_null, .. } => Some(*reached_null),
        _ => None,
    });
    assert!(clean, "{path:?}: the pipeline did not stop");
    result.map(|()| first.0.lock().unwrap().take().unwrap())
}

fn stage() -> Stage {
    Stage::open(PlayerConfig { first_frame_deadline: Duration::from_secs(5), ..PlayerConfig::default() })
}

#[test]
fn first_pictures_are_those_of_ffmpeg() {
    let Some(media) = shared() else { return };
    let mut stage = stage();
    let mut compared = 0;
    for folder in ["progressive", "fmp4"] {
        for path in files(&media.join(folder)) {
            let info = Arc::new(probe(&path));
            if info.video.is_none() {
                continue;
            }
            let luma = attempt(&mut stage, &path, info).unwrap();
            let expected = reference(&path, &luma);
            let differing = luma.bytes.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > 2).count();
            let share = differing as f64 / luma.bytes.len() as f64;
            let known = path.file_name().is_some_and(|name| name == PARTLY);
            assert!(share < 0.001 || known, "{path:?}: {:.1} % of the picture is another one", share * 100.0);
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
    assert!(stage.pool.shutdown(LONG));
}

fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn playlists_segments_and_streams_end_in_a_picture_or_a_typed_error_in_time() {
    let Some(media) = shared() else { return };
    let mut stage = stage();
    let facts = clip(MOVING, 0.4, true).info;
    let facts = MediaInfo { duration_ms: 400, ..(*facts).clone() };
    // Playlists differ in their words, which no demuxer here reads: every eighth stands for them.
    let playlists = all_below(&media.join("playlists")).into_iter().step_by(8);
    for path in all_below(&media.join("hls")).into_iter().chain(playlists) {
        let info = MediaInfo { size: std::fs::metadata(&path).unwrap().len(), ..facts.clone() };
        let begun = Instant::now();
        let result = attempt(&mut stage, &path, Arc::new(info));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(6), "{path:?} took {took:?}");
        assert!(!matches!(result, Err(PlayerError::Internal { .. })), "{path:?}: {result:?}");
    }
    assert_eq!(stage.pool.counts().abandoned, 0);
    assert!(stage.pool.shutdown(LONG));
}
