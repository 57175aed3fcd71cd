//! A platform's player for tests: GStreamer's `playbin`, which reads the gateway's address over HTTP and knows nothing of
//! the span store, as `ExoPlayer` and `AVPlayer` do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use gst::prelude::*;
use unspool_engine::Container;
use unspool_media::{Gateway, GatewayLimits, MediaInfo, Origin, Priority};
use unspool_player::platform::{PlatformFactory, PlatformPlayer, PlatformReport, Reports};
use unspool_player::{PlayerError, SeekMode};

use crate::support::room::Room;

/// An origin, a store and its gateway.
pub struct World {
    room: Room,
    gateway: Gateway,
    next: AtomicU64,
}

impl World {
    pub fn new() -> Self {
        let room = Room::open();
        let handle = room.runtime.handle().clone();
        let gateway = Gateway::open(room.media.clone(), GatewayLimits::default(), handle).unwrap();
        Self { room, gateway, next: AtomicU64::new(0) }
    }

    /// Puts a clip onto an origin and gives what the probe says of it and the gateway's address.
    pub fn publish(&self, bytes: Vec<u8>) -> (Arc<MediaInfo>, String) {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let key = self.room.register(&name, Origin::new(serve(bytes), Container::Mp4));
        let info = self.room.probe(&key, Priority::Playback);
        (info, self.gateway.url(&key).unwrap())
    }

    pub fn shut_down(self) {
        self.room.runtime.block_on(self.gateway.shutdown(Duration::from_secs(5)));
        self.room.close();
    }
}

/// Serves bytes with ranges until the process ends.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bytes = Arc::new(bytes);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || answer(stream, &bytes));
        }
    });
    format!("http://{address}/clip.mp4")
}

fn answer(mut stream: TcpStream, bytes: &[u8]) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let mut range = 0..bytes.len();
        let mut partial = false;
        lines.next()?.ok()?;
        for line in lines.by_ref() {
            let line = line.ok()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some((first, last)) = line.strip_prefix("range: bytes=").and_then(|r| r.split_once('-')) {
                range = first.parse().ok()?
                    ..last.parse().map_or(bytes.len(), |l: usize| (l + 1).min(bytes.len()));
                partial = true;
            }
        }
        let status = if partial { "206 Partial Content" } else { "200 OK" };
        let (from, to) = (range.start, range.end.max(range.start + 1) - 1);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n\
             Content-Range: bytes {from}-{to}/{}\r\n\r\n",
            range.len(),
            bytes.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&bytes[range]).ok()?;
    }
}

#[derive(Debug)]
enum Wish {
    State(gst::State),
    Seek(u64, SeekMode),
    Rate(f64),
    Again,
    Release,
}

/// Makes `playbin`s.
#[derive(Debug)]
pub struct Playbins;

#[derive(Debug)]
struct Playbin {
    playbin: gst::Element,
    wishes: Mutex<mpsc::Sender<Wish>>,
    awaiting: Arc<AtomicBool>,
}

impl PlatformFactory for Playbins {
    fn make(
        &self,
        address: &str,
        loops: bool,
        reports: Reports,
    ) -> Result<Arc<dyn PlatformPlayer>, PlayerError> {
        gst::init().unwrap();
        let playbin = gst::ElementFactory::make("playbin").property("uri", address).build().unwrap();
        let awaiting = Arc::new(AtomicBool::new(true));
        let video = gst_app::AppSink::builder().sync(true).max_buffers(1).build();
        video.set_property("wait-on-eos", false);
        let frames = AtomicU64::new(0);
        let told = Mutex::new(Instant::now());
        let (tells, awaits) = (reports.clone(), awaiting.clone());
        video.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let at = sample.buffer().and_then(|b| b.pts()).unwrap_or(gst::ClockTime::ZERO);
                    let (position_ms, frames) = (at.mseconds(), frames.fetch_add(1, Ordering::SeqCst) + 1);
                    if awaits.swap(false, Ordering::SeqCst) {
                        tells.tell(PlatformReport::Shown { position_ms });
                    }
                    let mut told = told.lock().unwrap();
                    if told.elapsed() >= Duration::from_millis(100) {
                        *told = Instant::now();
                        tells.tell(PlatformReport::Position { position_ms, frames });
                    }
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        playbin.set_property("video-sink", &video);
        let audio = gst::ElementFactory::make("fakesink").property("sync", true).build().unwrap();
        playbin.set_property("audio-sink", &audio);
        let (wishes, inbox) = mpsc::channel();
        let (tells, asks) = (reports.clone(), wishes.clone());
        playbin.bus().unwrap().set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::AsyncDone(_) => {
                    tells.tell(PlatformReport::Ready { width: 320, height: 240 })
                }
                gst::MessageView::Buffering(b) => {
                    let full = b.percent() >= 100;
                    tells.tell(if full { PlatformReport::Going } else { PlatformReport::Waiting });
                }
                gst::MessageView::Eos(_) if loops => {
                    tells.tell(PlatformReport::Wrapped);
                    let _ = asks.send(Wish::Again);
                }
                gst::MessageView::Eos(_) => tells.tell(PlatformReport::Ended),
                gst::MessageView::Error(e) => {
                    let reason = e.error().message().to_owned();
                    tells.tell(PlatformReport::Failed {
                        error: PlayerError::Source { reason, retryable: true },
                    });
                }
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        let owned = playbin.clone();
        std::thread::spawn(move || {
            let _ = owned.set_state(gst::State::Paused);
            let mut rate = 1.0;
            while let Ok(wish) = inbox.recv() {
                let seek = |rate, to: Option<u64>, mode| {
                    let flags = gst::SeekFlags::FLUSH | mode;
                    let to = to.map(gst::ClockTime::from_mseconds).or_else(|| owned.query_position());
                    let _ = owned.state(gst::ClockTime::from_seconds(5));
                    let none = gst::ClockTime::NONE;
                    let _ = owned.seek(rate, flags, gst::SeekType::Set, to, gst::SeekType::Set, none);
                };
                match wish {
                    Wish::State(state) => drop(owned.set_state(state)),
                    Wish::Seek(ms, SeekMode::Keyframe) => seek(rate, Some(ms), gst::SeekFlags::KEY_UNIT),
                    Wish::Seek(ms, SeekMode::Accurate) => seek(rate, Some(ms), gst::SeekFlags::ACCURATE),
                    Wish::Rate(new) => {
                        rate = new;
                        seek(rate, None, gst::SeekFlags::ACCURATE);
                    }
                    Wish::Again => seek(rate, Some(0), gst::SeekFlags::KEY_UNIT),
                    Wish::Release => break,
                }
            }
            let _ = owned.set_state(gst::State::Null);
            owned.bus().unwrap().unset_sync_handler();
            reports.tell(PlatformReport::Gone);
        });
        Ok(Arc::new(Playbin { playbin, wishes: Mutex::new(wishes), awaiting }))
    }
}

impl Playbin {
    fn wish(&self, wish: Wish) {
        let _ = self.wishes.lock().unwrap().send(wish);
    }
}

impl PlatformPlayer for Playbin {
    fn play(&self) {
        self.awaiting.store(true, Ordering::SeqCst);
        self.wish(Wish::State(gst::State::Playing));
    }

    fn pause(&self) {
        self.wish(Wish::State(gst::State::Paused));
    }

    fn seek(&self, ms: u64, mode: SeekMode) {
        self.awaiting.store(true, Ordering::SeqCst);
        self.wish(Wish::Seek(ms, mode));
    }

    fn set_muted(&self, muted: bool) {
        self.playbin.set_property("mute", muted);
    }

    fn set_volume(&self, volume: f64) {
        self.playbin.set_property("volume", volume);
    }

    fn set_rate(&self, rate: f64) {
        self.wish(Wish::Rate(rate));
    }

    fn release(&self) {
        self.wish(Wish::Release);
    }
}
