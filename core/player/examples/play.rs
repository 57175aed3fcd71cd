//! Plays a local MP4 file headless and prints what the player reports.
//!
//! `cargo run -p unspool-player --example play -- FILE [SECONDS]`
//!
//! The codings are told by ffprobe, so that this example needs nothing but the player.
#![allow(clippy::print_stdout, reason = "printing is what this program does")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use unspool_media::{AudioCodec, ByteSource, Layout, MediaInfo, ReadError, VideoCodec};
use unspool_player::{PlayerConfig, PlayerId, PlayerPool, version};

/// A whole local file: nothing to wait for.
#[derive(Debug)]
struct LocalFile {
    file: File,
    size: u64,
    interrupted: AtomicBool,
}

impl ByteSource for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], _deadline: Duration) -> Result<usize, ReadError> {
        if self.interrupted.load(Ordering::SeqCst) {
            return Err(ReadError::Interrupted);
        }
        self.file
            .read_at(buf, offset)
            .map_err(|error| ReadError::Failed { reason: error.kind().to_string(), retryable: false })
    }

    fn available_from(&self, offset: u64) -> u64 {
        self.size.saturating_sub(offset)
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
    }

    fn resume(&self) {
        self.interrupted.store(false, Ordering::SeqCst);
    }
}

fn probe(path: &Path, size: u64) -> std::io::Result<MediaInfo> {
    let out = Command::new("ffprobe")
        .args(["-v", "quiet", "-of", "default=noprint_wrappers=1"])
        .args(["-show_entries", "format=duration:stream=codec_name,width,height"])
        .arg(path)
        .output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).unwrap_or("0");
    let has = |name: &str| text.lines().any(|l| l.strip_prefix("codec_name=") == Some(name));
    let seconds: f64 = value("duration").parse().unwrap_or(0.0);
    Ok(MediaInfo {
        size,
        layout: Layout::MoovFirst,
        duration_ms: Duration::try_from_secs_f64(seconds).map_or(0, |d| d.as_millis() as u64),
        video: [
            ("h264", VideoCodec::H264),
            ("hevc", VideoCodec::H265),
            ("av1", VideoCodec::Av1),
            ("vp9", VideoCodec::Vp9),
        ]
        .into_iter()
        .find_map(|(name, codec)| has(name).then_some(codec)),
        width: value("width").parse().unwrap_or(0),
        height: value("height").parse().unwrap_or(0),
        rotation: 0,
        audio: has("aac").then_some(AudioCodec::Aac),
        tracks: Vec::new(),
        headers: Vec::new(),
        index: Vec::new(),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = args.next().ok_or("usage: play FILE [SECONDS]")?;
    let seconds = args.next().and_then(|s| s.to_str()?.parse().ok()).unwrap_or(5);
    let file = File::open(&path)?;
    let size = file.metadata()?.len();
    let info = Arc::new(probe(Path::new(&path), size)?);

    let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    let pool =
        PlayerPool::open(PlayerConfig { capture_first_frame: true, ..PlayerConfig::default() }, events)?;
    println!("{}", version());
    let begun = Instant::now();
    let printer = std::thread::spawn(move || {
        while let Some(event) = inbox.blocking_recv() {
            println!("{:>8.1} ms  {event:?}", begun.elapsed().as_secs_f64() * 1000.0);
        }
    });
    let id = PlayerId(1);
    pool.prepare(id, Arc::new(LocalFile { file, size, interrupted: AtomicBool::new(false) }), info)?;
    pool.play(id)?;
    std::thread::sleep(Duration::from_secs(seconds));
    if let Some(facts) = pool.snapshot(id) {
        println!("{facts:#?}");
    }
    pool.shutdown(Duration::from_secs(3));
    drop(pool);
    printer.join().map_err(|_| "the printer panicked")?;
    Ok(())
}
