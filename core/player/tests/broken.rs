//! Broken input: every file plays or says why not, within its limit.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{LONG, MOVING, Script, Stage, clip, ffmpeg, files, probe, shared};
use unspool_media::{MediaInfo, VideoCodec};
use unspool_player::{AudioOutput, PlayerConfig, PlayerError, PlayerEvent, PlayerId};

const A: PlayerId = PlayerId(1);

/// Prepares and plays; gives the first frame or the error, and releases.
fn attempt(stage: &mut Stage, source: Arc<Script>, info: Arc<MediaInfo>) -> Result<(), PlayerError> {
    stage.pool.prepare(A, source, info)?;
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
    assert!(clean, "the pipeline did not stop");
    result
}

fn error_of(stage: &mut Stage, id: PlayerId) -> (PlayerError, bool) {
    stage.wait(LONG, |event| match event {
        PlayerEvent::Error { id: who, error, recoverable } if *who == id => {
            Some((error.clone(), *recoverable))
        }
        _ => None,
    })
}

fn stage() -> Stage {
    Stage::open(PlayerConfig { first_frame_deadline: Duration::from_secs(5), ..PlayerConfig::default() })
}

fn pretend(path: &Path) -> Arc<MediaInfo> {
    let mut info = probe(path);
    // A file that tells nothing of its codings is played as the most common one would be.
    info.video = info.video.or(Some(VideoCodec::H264));
    Arc::new(info)
}

#[test]
fn every_good_file_shows_its_first_picture() {
    let Some(media) = shared() else { return };
    let mut stage = stage();
    for folder in ["progressive", "fmp4"] {
        for path in files(&media.join(folder)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let info = Arc::new(probe(&path));
            let begun = Instant::now();
            let result = attempt(&mut stage, Script::file(&path), Arc::clone(&info));
            eprintln!("{folder}/{name}: {result:?} in {:?}", begun.elapsed());
            match info.video {
                None => assert_eq!(result, Err(PlayerError::NoVideo), "{name}"),
                Some(_) => assert_eq!(result, Ok(()), "{name}"),
            }
        }
    }
    assert_eq!(stage.pool.counts().hangs, 0);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn every_malformed_file_plays_or_says_why_not() {
    let Some(media) = shared() else { return };
    let mut stage = stage();
    for path in files(&media.join("malformed")) {
        let begun = Instant::now();
        let result = attempt(&mut stage, Script::file(&path), pretend(&path));
        let took = begun.elapsed();
        eprintln!("{}: {result:?} in {took:?}", path.file_name().unwrap().to_string_lossy());
        assert!(took < Duration::from_secs(6), "{path:?} took {took:?}");
        assert!(!matches!(result, Err(PlayerError::Internal { .. })), "{path:?}: {result:?}");
    }
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn garbage_html_and_nothing_are_broken_containers() {
    let info = clip(MOVING, 0.4, false).info;
    let mut stage = stage();
    let garbage: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let html = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>".repeat(40);
    for bytes in [garbage, html, vec![0; 4096], Vec::new()] {
        let result = attempt(&mut stage, Script::new(bytes), Arc::clone(&info));
        assert!(matches!(result, Err(PlayerError::Container { .. })), "{result:?}");
    }
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn what_the_facts_rule_out_is_refused_at_once() {
    let clip = clip(MOVING, 0.4, false);
    let stage = stage();
    let with = |video| Arc::new(MediaInfo { video, ..(*clip.info).clone() });
    let source = Script::new(clip.bytes.clone());
    assert_eq!(stage.pool.prepare(A, source.clone(), with(None)), Err(PlayerError::NoVideo));
    let other = VideoCodec::Other;
    assert_eq!(
        stage.pool.prepare(A, source.clone(), with(Some(other))),
        Err(PlayerError::UnsupportedCodec { codec: other })
    );
    assert_eq!(source.reads.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(stage.pool.counts().alive, 0);
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn facts_that_are_wrong_are_found_out() {
    let mut stage = stage();
    let clip = clip(MOVING, 0.4, true);
    let hevc = Arc::new(MediaInfo { video: Some(VideoCodec::H265), ..(*clip.info).clone() });
    let result = attempt(&mut stage, Script::new(clip.bytes.clone()), hevc);
    assert_eq!(result, Err(PlayerError::UnsupportedCodec { codec: VideoCodec::H264 }));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sound.mp4");
    ffmpeg(&["-f", "lavfi", "-i", "sine", "-t", "1", "-c:a", "aac", path.to_str().unwrap()]);
    let result = attempt(&mut stage, Script::file(&path), pretend(&path));
    assert_eq!(result, Err(PlayerError::NoVideo));
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn a_cut_file_plays_to_the_cut_and_says_so() {
    let clip = clip(MOVING, 3.0, true);
    for (loop_playback, audio) in [(true, AudioOutput::Silent), (false, AudioOutput::None)] {
        let mut stage = Stage::open(PlayerConfig { loop_playback, audio, ..PlayerConfig::default() });
        let half = clip.bytes[..clip.bytes.len() / 2].to_vec();
        stage.pool.prepare(A, Script::new(half), Arc::clone(&clip.info)).unwrap();
        stage.pool.play(A).unwrap();
        let (error, recoverable) = error_of(&mut stage, A);
        assert!(recoverable);
        let PlayerError::Truncated { at_ms, duration_ms } = error else { panic!("{error:?}") };
        assert!(at_ms < 2200 && duration_ms >= 3000, "{at_ms} of {duration_ms}");
        let facts = stage.pool.snapshot(A).unwrap();
        assert!(facts.active_ms + 300 > at_ms, "{facts:?} {at_ms}");
        assert!(stage.pool.shutdown(LONG));
    }
}

#[test]
fn a_source_that_fails_says_why() {
    let clip = clip(MOVING, 3.0, true);
    let mut stage = stage();
    for at in [0, clip.bytes.len() as u64 / 2] {
        let source = Script::new(clip.bytes.clone());
        source.fail_at(at);
        stage.pool.prepare(A, source, Arc::clone(&clip.info)).unwrap();
        stage.pool.play(A).unwrap();
        let (error, recoverable) = error_of(&mut stage, A);
        assert_eq!(error, PlayerError::Source { reason: "status 500".to_owned(), retryable: true });
        assert!(recoverable);
        stage.pool.release(A).unwrap();
    }
    assert!(stage.pool.shutdown(LONG));
}

#[test]
fn every_cut_and_many_flips_end_in_a_picture_or_a_reason() {
    let clip = clip("testsrc=size=64x48:rate=25", 0.4, false);
    let mut stage =
        Stage::open(PlayerConfig { first_frame_deadline: Duration::from_secs(3), ..PlayerConfig::default() });
    let len = clip.bytes.len();
    let mut inputs: Vec<Vec<u8>> = (1..12).map(|n| clip.bytes[..len * n / 12].to_vec()).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..20 {
        let mut bytes = clip.bytes.clone();
        for _ in 0..8 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = (random % len as u64) as usize;
            bytes[at] ^= (random >> 32) as u8;
        }
        inputs.push(bytes);
    }
    for bytes in inputs {
        let _ = attempt(&mut stage, Script::new(bytes), Arc::clone(&clip.info));
    }
    assert_eq!(stage.pool.counts().abandoned, 0);
    assert!(stage.pool.shutdown(LONG));
}
