//! What the player's tests share: scripted byte sources, clips made by ffmpeg, and waiting for events.
#![allow(dead_code, unused_imports, missing_docs, reason = "each test binary uses a part")]

pub mod room;
pub mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError, unbounded_channel};
use unspool_media::{AudioCodec, ByteSource, Layout, MediaInfo, ReadError, VideoCodec};
#[cfg(feature = "gstreamer")]
use unspool_player::PlayerPool;
use unspool_player::{PlayerConfig, PlayerEvent, PlayerId};

/// Bytes in memory, of which only the first part has "arrived"; tests move the limit.
#[derive(Debug)]
pub struct Script {
    bytes: Vec<u8>,
    state: Mutex<State>,
    changed: Condvar,
    pub reads: AtomicUsize,
}

#[derive(Debug)]
struct State {
    /// Bytes below this offset are there.
    limit: u64,
    /// Reads touching this offset or more fail.
    fail_at: Option<u64>,
    interrupted: bool,
    /// Interrupts are ignored: a source that breaks its contract.
    deaf: bool,
    blocked: usize,
}

impl Script {
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        let limit = bytes.len() as u64;
        Arc::new(Self {
            bytes,
            state: Mutex::new(State { limit, fail_at: None, interrupted: false, deaf: false, blocked: 0 }),
            changed: Condvar::new(),
            reads: AtomicUsize::new(0),
        })
    }

    pub fn file(path: &Path) -> Arc<Self> {
        Self::new(std::fs::read(path).unwrap())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    pub fn limit(&self, limit: u64) {
        self.change(|s| s.limit = limit);
    }

    pub fn all_there(&self) {
        self.limit(self.bytes.len() as u64);
    }

    pub fn fail_at(&self, offset: u64) {
        self.change(|s| s.fail_at = Some(offset));
    }

    pub fn deaf(&self, deaf: bool) {
        self.change(|s| s.deaf = deaf);
    }

    pub fn wait_until_blocked(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut state = self.state.lock().unwrap();
        while state.blocked == 0 {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no read ever blocked");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl ByteSource for Script {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let until = Instant::now() + deadline;
        let mut state = self.state.lock().unwrap();
        loop {
            if state.interrupted && !state.deaf {
                return Err(ReadError::Interrupted);
            }
            if offset >= self.size() {
                return Ok(0);
            }
            if state.fail_at.is_some_and(|at| offset + buf.len() as u64 > at) {
                return Err(ReadError::Failed { reason: "status 500".to_owned(), retryable: true });
            }
            if offset < state.limit {
                let end = (offset + buf.len() as u64).min(state.limit);
                let part = &self.bytes[offset as usize..end as usize];
                buf[..part.len()].copy_from_slice(part);
                return Ok(part.len());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && !state.deaf {
                return Err(ReadError::TimedOut);
            }
            state.blocked += 1;
            self.changed.notify_all();
            let wait = if state.deaf { Duration::from_secs(3600) } else { left };
            state = self.changed.wait_timeout(state, wait).unwrap().0;
            state.blocked -= 1;
        }
    }

    fn available_from(&self, offset: u64) -> u64 {
        self.state.lock().unwrap().limit.saturating_sub(offset)
    }

    fn interrupt(&self) {
        self.change(|s| s.interrupted = true);
    }

    fn resume(&self) {
        self.change(|s| s.interrupted = false);
    }
}

/// The folder of shared media, or `None` with a line that says so.
pub fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let media = root.join("data/media");
    if media.is_dir() {
        return Some(media);
    }
    eprintln!("NO DATA");
    None
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    files.sort();
    files
}

/// Runs ffmpeg; it belongs to the set-up of these tests.
pub fn ffmpeg(args: &[&str]) {
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(args)
        .output()
        .expect("ffmpeg is needed by these tests");
    assert!(out.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// What ffprobe says of a file, as far as a player needs it; `video` is `None` if it finds no video.
pub fn probe(path: &Path) -> MediaInfo {
    let out = Command::new("ffprobe")
        .args(["-v", "quiet", "-show_entries", "format=duration:stream=codec_type,codec_name,width,height"])
        .args(["-of", "default=noprint_wrappers=1"])
        .arg(path)
        .output()
        .expect("ffprobe is needed by these tests");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (mut video, mut audio, mut width, mut height, mut duration_ms) = (None, None, 0, 0, 0);
    let mut name = "";
    for line in text.lines() {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        match key {
            "codec_name" => name = value,
            "codec_type" if value == "video" && video.is_none() => {
                video = Some(match name {
                    "h264" => VideoCodec::H264,
                    "hevc" => VideoCodec::H265,
                    "av1" => VideoCodec::Av1,
                    "vp9" => VideoCodec::Vp9,
                    _ => VideoCodec::Other,
                });
            }
            "codec_type" if value == "audio" && audio.is_none() => {
                audio = Some(match name {
                    "aac" => AudioCodec::Aac,
                    "opus" => AudioCodec::Opus,
                    _ => AudioCodec::Other,
                });
            }
            "width" if width == 0 => width = value.parse().unwrap_or(0),
            "height" if height == 0 => height = value.parse().unwrap_or(0),
            "duration" => duration_ms = value.parse::<f64>().map_or(0, |s| (s * 1000.0) as u64),
            _ => {}
        }
    }
    MediaInfo {
        size: std::fs::metadata(path).unwrap().len(),
        layout: Layout::MoovFirst,
        duration_ms,
        video,
        width,
        height,
        rotation: 0,
        audio,
        tracks: Vec::new(),
        headers: Vec::new(),
        index: Vec::new(),
    }
}

/// A clip made for a test.
#[derive(Debug, Clone)]
pub struct Clip {
    pub bytes: Vec<u8>,
    pub info: Arc<MediaInfo>,
}

/// Encodes a clip: a lavfi picture source, a length in seconds, with or without a tone.
pub fn clip(picture: &str, seconds: f64, tone: bool) -> Clip {
    late_clip(picture, seconds, tone, 0.0)
}

/// A clip whose pictures begin `late` seconds after its sound, by an empty edit as cameras write it.
pub fn late_clip(picture: &str, seconds: f64, tone: bool, late: f64) -> Clip {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    let length = seconds.to_string();
    let shift = format!("setpts=PTS+{late}/TB");
    let mut args = vec!["-f", "lavfi", "-i", picture];
    if tone {
        args.extend(["-f", "lavfi", "-i", "sine=frequency=440", "-c:a", "aac"]);
    }
    if late > 0.0 {
        args.extend(["-vf", &shift, "-fps_mode", "passthrough"]);
    }
    args.extend([
        "-t",
        &length,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "15",
    ]);
    args.extend(["-movflags", "+faststart", path.to_str().unwrap()]);
    ffmpeg(&args);
    Clip { bytes: std::fs::read(&path).unwrap(), info: Arc::new(probe(&path)) }
}

/// A small moving picture of 25 frames a second.
pub const MOVING: &str = "testsrc=size=320x240:rate=25";

/// A picture that says which one it is: its brightness is its number, at 25 pictures a second.
pub const NUMBERED: &str = "color=black:size=64x64:rate=25,geq=lum=20+2*N:cb=128:cr=128";

/// The number of a picture of [`NUMBERED`] from its mean brightness.
pub fn number(mean: f64) -> u64 {
    ((mean - 20.0) / 2.0).round().max(0.0) as u64
}

/// A screen of the host's that remembers the mean brightness of what it shows.
#[derive(Debug, Default)]
pub struct Wall {
    shown: Mutex<Vec<f64>>,
    changed: Condvar,
}

impl Wall {
    /// Waits for a picture after the first `n`, and gives all.
    pub fn after(&self, n: usize) -> Vec<f64> {
        let until = Instant::now() + LONG;
        let mut shown = self.shown.lock().unwrap();
        while shown.len() <= n {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "only {} pictures were shown", shown.len());
            shown = self.changed.wait_timeout(shown, left).unwrap().0;
        }
        shown.clone()
    }

    pub fn count(&self) -> usize {
        self.shown.lock().unwrap().len()
    }
}

#[cfg(feature = "gstreamer")]
impl unspool_player::Screen for Wall {
    fn show(&self, picture: &unspool_player::Picture<'_>) {
        assert_eq!(picture.format(), "I420");
        let (plane, stride) = picture.plane(0).unwrap();
        assert!(picture.plane(9).is_none());
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let sum: u64 =
            (0..height).flat_map(|y| &plane[y * stride..y * stride + width]).map(|&b| u64::from(b)).sum();
        self.shown.lock().unwrap().push(sum as f64 / (width * height) as f64);
        self.changed.notify_all();
    }
}

/// A pool and its events.
#[cfg(feature = "gstreamer")]
pub struct Stage {
    pub pool: PlayerPool,
    inbox: UnboundedReceiver<PlayerEvent>,
    pub seen: Vec<PlayerEvent>,
}

#[cfg(feature = "gstreamer")]
impl Stage {
    pub fn open(config: PlayerConfig) -> Self {
        let (events, inbox) = unbounded_channel();
        Self { pool: PlayerPool::open(config, events).unwrap(), inbox, seen: Vec::new() }
    }

    /// Drops the pool and gives its events.
    pub fn close(self) -> UnboundedReceiver<PlayerEvent> {
        drop(self.pool);
        self.inbox
    }

    /// Takes events until one is wanted, and gives it; fails after `limit`.
    pub fn wait<T>(&mut self, limit: Duration, mut want: impl FnMut(&PlayerEvent) -> Option<T>) -> T {
        let until = Instant::now() + limit;
        loop {
            match self.inbox.try_recv() {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if let Some(found) = want(&event) {
                        return found;
                    }
                }
                Err(TryRecvError::Empty) if Instant::now() < until => {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                Err(error) => panic!("the event did not come ({error}); seen: {:#?}", self.seen),
            }
        }
    }

    pub fn preroll(&mut self, id: PlayerId) -> u64 {
        self.wait(LONG, |event| match event {
            PlayerEvent::PreRolled { id: who, took_ms } if *who == id => Some(*took_ms),
            _ => None,
        })
    }

    pub fn first_frame(&mut self, id: PlayerId) -> PlayerEvent {
        self.wait(LONG, |event| match event {
            PlayerEvent::FirstFrame { id: who, .. } if *who == id => Some(event.clone()),
            _ => None,
        })
    }

    /// Everything that has come but was not waited for.
    pub fn drain(&mut self) {
        while let Ok(event) = self.inbox.try_recv() {
            self.seen.push(event);
        }
    }

    /// Waits until a fact about a player holds.
    pub fn until(&self, id: PlayerId, mut holds: impl FnMut(&unspool_player::PlayerSnapshot) -> bool) {
        let until = Instant::now() + LONG;
        loop {
            let snapshot = self.pool.snapshot(id).unwrap();
            if holds(&snapshot) {
                return;
            }
            assert!(Instant::now() < until, "it never held; last: {snapshot:#?}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// Far longer than anything here takes; a test that reaches it has hung.
pub const LONG: Duration = Duration::from_secs(15);
