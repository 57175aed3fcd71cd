//! First pictures: our pool over the span store against playbin and playbin3, over a file and over a far server.
//!
//! Every time is taken where the sink renders: appsinks in step with the clock on all sides, sound decoded into a
//! fakesink. The peers run as they come. A start without a picture within the deadline is lost: it is counted, and the
//! others make the median.

mod cold;
mod link;
mod pool;
mod rounds;
mod starts;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use clap::ValueEnum;
use gst::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use unspool_engine::{Container, MediaKey};
use unspool_media::{Media, Origin};
use unspool_player::{PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerPool};

use rounds::Rounds;

use super::Effort;
use super::media::{close, hold, open};
use crate::clip::{self, Shape};
use crate::error::BenchError;
use crate::files;
use crate::report::Row;
use crate::stats::{median, percentile};

/// Longest wait for a first picture: 5 s is a hundred times what a start takes, so what takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(5);
const PEERS: [&str; 2] = ["playbin", "playbin3"];
/// How long starts from the cache may take in all, unless the caller names a number of rounds.
const CACHED_TIME: Duration = Duration::from_secs(20);

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Starts of a clip that is all here, and of pre-rolled players.
    Cached,
    /// Memory of further players, and a session of swipes.
    Pool,
    /// Many starts on a busy machine.
    Busy,
    /// Starts over a far server.
    Cold,
}

impl Part {
    const ALL: [Part; 4] = [Part::Cached, Part::Pool, Part::Busy, Part::Cold];
}

/// Which parts to measure.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parts([bool; 4]);

impl Parts {
    /// Those in a list; an empty one means all.
    pub(crate) fn of(list: &[Part]) -> Self {
        Parts(Part::ALL.map(|part| list.contains(&part)))
    }

    fn has(self, part: Part) -> bool {
        let named = Part::ALL.into_iter().zip(self.0).any(|(other, named)| other == part && named);
        named || !self.0.contains(&true)
    }
}

/// Tells how far the bench is, to whoever watches.
fn progress(what: &str) {
    eprintln!("  {what}");
}

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    unspool_player::warm_up().map_err(|error| match error {
        PlayerError::MissingElement { .. } | PlayerError::Init { .. } => missing(&error.to_string()),
        error => BenchError::step("starting GStreamer")(error),
    })?;
    for name in PEERS.iter().chain(&["appsink", "fakesink", "avdec_h264", "avdec_aac"]) {
        gst::ElementFactory::find(name).ok_or_else(|| missing(&format!("the GStreamer element {name}")))?;
    }
    let folder = tempfile::tempdir()?;
    let plain = folder.path().join("clip.mp4");
    clip::make(&plain, Shape { width: 720, height: 1280, rate: 30, seconds: 6 })?;
    let runtime = Runtime::new()?;
    let address = runtime.block_on(files::serve(Bytes::from(std::fs::read(&plain)?)))?;
    let media = open(&folder.path().join("store"), runtime.handle())?;
    let key = MediaKey::new("clip", "720p");
    let url = format!("http://{address}/clip.mp4");
    hold(&media, runtime.handle(), &key, Origin::new(url, Container::Mp4))?;
    // The server is not asked again: what follows reads the store alone.
    media.set_offline(true);
    let rows = measure(&media, &key, &plain, runtime.handle(), effort);
    close(media, runtime.handle())?;
    rows
}

fn missing(what: &str) -> BenchError {
    BenchError::Missing {
        what: what.to_owned(),
        remedy: "install GStreamer's base, good, bad and libav plugins and run again",
    }
}

fn measure(
    media: &Arc<Media>,
    key: &MediaKey,
    plain: &Path,
    handle: &Handle,
    effort: Effort,
) -> Result<Vec<Row>, BenchError> {
    let uri = gst::glib::filename_to_uri(plain, None).map_err(BenchError::step("naming the clip"))?;
    let mut ours = Ours::open(Arc::clone(media), key.clone())?;
    let mut rows = Vec::new();
    if effort.parts.has(Part::Cached) {
        progress("starts from the cache");
        rows.append(&mut cached(&mut ours, &uri, effort)?);
    }
    if effort.parts.has(Part::Pool) {
        progress("memory of players, and a session of swipes");
        rows.append(&mut pool::rows(&mut ours, &uri, effort)?);
    }
    if effort.parts.has(Part::Busy) {
        progress("starts on a busy machine");
        rows.append(&mut starts::rows(&mut ours, &uri, effort)?);
    }
    if effort.parts.has(Part::Cold) {
        media.set_offline(false);
        rows.append(&mut cold::rows(plain, &mut ours, handle, effort)?);
    }
    ours.pool.shutdown(PATIENCE);
    Ok(rows)
}

/// Starts of a clip that is all here: from nothing, and from a player that stands at its first picture.
fn cached(ours: &mut Ours, uri: &str, effort: Effort) -> Result<Vec<Row>, BenchError> {
    let mut cold = [Starts::default(), Starts::default(), Starts::default()];
    let mut warm = [Starts::default(), Starts::default()];
    // The first round loads plugins on every side and is not counted.
    let mut rounds = Rounds::of(effort, (60, 5), CACHED_TIME);
    while let Some(round) = rounds.next() {
        for turn in 0..cold.len() {
            // Who goes first changes from round to round.
            let who = (turn + round) % cold.len();
            let took = match who {
                0 => ours.cold()?,
                peer => Peer::build(PEERS[peer - 1], uri)?.cold()?,
            };
            if round > 0 {
                cold[who].take(took);
            }
        }
        for turn in 0..warm.len() {
            let who = (turn + round) % warm.len();
            let took = if who == 0 { ours.warm()? } else { warm_peer(uri)? };
            if round > 0 {
                warm[who].take(took);
            }
        }
    }
    let [own, playbin, playbin3] = &cold;
    let n = own.came.len();
    let start = "first picture, cached clip";
    let start_of =
        |peer: &Starts, name| Row::new(start, "ms", n, median(&own.came)).against(name, median(&peer.came));
    let [own_warm, warm_playbin] = &warm;
    let play = |name: &str, p| {
        Row::new(name, "ms", own_warm.came.len(), percentile(&own_warm.came, p))
            .against("playbin, paused to playing", percentile(&warm_playbin.came, p))
    };
    let lost = |name: &str, peer: &Starts| {
        Row::new(
            "cached starts that brought no picture",
            "starts",
            own.came.len() + own.lost,
            Some(own.lost as f64),
        )
        .against(name, Some(peer.lost as f64))
    };
    Ok(vec![
        start_of(playbin, PEERS[0]).aim("<= 0.65x")?,
        start_of(playbin3, PEERS[1]),
        Row::new("first picture, cached clip, p95", "ms", n, percentile(&own.came, 0.95))
            .against(PEERS[0], percentile(&playbin.came, 0.95)),
        play("play() of a pre-rolled player, median", 0.5),
        play("play() of a pre-rolled player, p95", 0.95).aim("<= 5 ms")?,
        lost(PEERS[0], playbin),
        lost(PEERS[1], playbin3),
    ])
}

/// Milliseconds to a picture, and the moment it came.
type Took = Option<(f64, Instant)>;

/// Starts of one side, in milliseconds.
#[derive(Debug, Default)]
struct Starts {
    came: Vec<f64>,
    lost: usize,
}

impl Starts {
    fn take(&mut self, took: Option<f64>) {
        match took {
            Some(ms) => self.came.push(ms),
            None => self.lost += 1,
        }
    }
}

/// Our pool.
struct Ours {
    pool: PlayerPool,
    inbox: UnboundedReceiver<PlayerEvent>,
    media: Arc<Media>,
    key: MediaKey,
    next: u64,
    alive: Vec<PlayerId>,
}

impl Ours {
    fn open(media: Arc<Media>, key: MediaKey) -> Result<Self, BenchError> {
        let (events, inbox) = unbounded_channel();
        let config =
            PlayerConfig { first_frame_deadline: PATIENCE, max_players: 8, ..PlayerConfig::default() };
        let pool = PlayerPool::open(config, events).map_err(BenchError::step("opening the pool"))?;
        Ok(Ours { pool, inbox, media, key, next: 0, alive: Vec::new() })
    }

    fn prepare(&mut self) -> Result<PlayerId, BenchError> {
        self.prepare_of(&self.key.clone())
    }

    fn prepare_of(&mut self, key: &MediaKey) -> Result<PlayerId, BenchError> {
        self.next += 1;
        let id = PlayerId(self.next);
        let (source, info) = self.media.playable(key).map_err(BenchError::step("opening a source"))?;
        self.pool.prepare(id, source, info).map_err(BenchError::step("preparing a player"))?;
        self.alive.push(id);
        Ok(id)
    }

    fn play(&self, id: PlayerId) -> Result<(), BenchError> {
        self.pool.play(id).map_err(BenchError::step("playing"))
    }

    /// Prepares and plays at once; milliseconds from here to the picture at the sink, and when that came.
    fn start(&mut self, key: &MediaKey) -> Result<Took, BenchError> {
        let begun = Instant::now();
        let id = self.prepare_of(key)?;
        let ahead = begun.elapsed().as_secs_f64() * 1e3;
        self.play(id)?;
        let took = self.until(id, first_picture)?.map(|latency| ahead + latency);
        Ok(took.map(|ms| (ms, begun + Duration::from_secs_f64(ms / 1e3))))
    }

    fn let_go_of(&mut self, id: PlayerId) -> Result<(), BenchError> {
        self.alive.retain(|other| *other != id);
        self.pool.release(id).map_err(BenchError::step("releasing a player"))?;
        let gone = self.until(id, |event| matches!(event, PlayerEvent::Released { .. }).then_some(()))?;
        gone.ok_or_else(|| BenchError::step("releasing a player")("it did not stop"))
    }

    /// Lets the youngest player go.
    fn let_go(&mut self) -> Result<(), BenchError> {
        self.alive.last().copied().map_or(Ok(()), |id| self.let_go_of(id))
    }

    fn let_all_go(&mut self) -> Result<(), BenchError> {
        while !self.alive.is_empty() {
            self.let_go()?;
        }
        Ok(())
    }

    /// Players so far, and how many of them hung.
    fn hangs(&self) -> (u64, u64) {
        (self.next, self.pool.counts().hangs)
    }

    /// Prepares and plays at once; milliseconds from before the source is opened to the picture at the sink.
    fn cold(&mut self) -> Result<Option<f64>, BenchError> {
        let took = self.start(&self.key.clone())?;
        self.let_go()?;
        Ok(took.map(|(ms, _)| ms))
    }

    /// Waits for the pre-roll, then plays.
    fn warm(&mut self) -> Result<Option<f64>, BenchError> {
        let id = self.prepare()?;
        let ready = self.until(id, |event| matches!(event, PlayerEvent::PreRolled { .. }).then_some(()))?;
        if ready.is_none() {
            self.let_go_of(id)?;
            return Ok(None);
        }
        self.pool.play(id).map_err(BenchError::step("playing"))?;
        let latency = self.until(id, first_picture)?;
        self.let_go_of(id)?;
        Ok(latency)
    }

    /// Takes events until one is wanted; `None` when the player gave up instead. The pool's own deadline ends every
    /// start, so an event always comes.
    fn until<T>(
        &mut self,
        id: PlayerId,
        want: impl Fn(&PlayerEvent) -> Option<T>,
    ) -> Result<Option<T>, BenchError> {
        loop {
            let event = self.inbox.blocking_recv();
            let event = event.ok_or_else(|| BenchError::step("listening to the pool")("it ended"))?;
            if event.id() != id {
                continue;
            }
            if let Some(found) = want(&event) {
                return Ok(Some(found));
            }
            if let PlayerEvent::Error { .. } = event {
                return Ok(None);
            }
        }
    }
}

fn first_picture(event: &PlayerEvent) -> Option<f64> {
    match event {
        PlayerEvent::FirstFrame { latency_ms, .. } => Some(*latency_ms),
        _ => None,
    }
}

/// A playbin with our sinks.
struct Peer {
    begun: Instant,
    playbin: gst::Element,
    pictures: mpsc::Receiver<Instant>,
}

impl Peer {
    /// Builds it; the time counts from here.
    fn build(name: &'static str, uri: &str) -> Result<Self, BenchError> {
        let begun = Instant::now();
        let made = |name: &str| {
            gst::ElementFactory::make(name)
                .build()
                .map_err(|_| missing(&format!("the GStreamer element {name}")))
        };
        let playbin = made(name)?;
        let (told, pictures) = mpsc::channel();
        let video = gst_app::AppSink::builder().sync(true).max_buffers(1).build();
        video.set_property("enable-last-sample", false);
        video.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    // The first one counts; whether anybody waits for the others does not matter.
                    let _ = told.send(Instant::now());
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        let audio = made("fakesink")?;
        audio.set_property("sync", true);
        playbin.set_property("video-sink", &video);
        playbin.set_property("audio-sink", &audio);
        playbin.set_property("uri", uri);
        Ok(Peer { begun, playbin, pictures })
    }

    /// Pauses at the first picture; says whether it got there.
    fn preroll(&self) -> Result<bool, BenchError> {
        self.set(gst::State::Paused)?;
        let patience = gst::ClockTime::try_from(PATIENCE).unwrap_or(gst::ClockTime::from_seconds(5));
        let (settled, state, _) = self.playbin.state(patience);
        Ok(settled.is_ok() && state == gst::State::Paused)
    }

    /// Plays at once.
    fn cold(self) -> Result<Option<f64>, BenchError> {
        Ok(self.start()?.map(|(ms, _)| ms))
    }

    /// The same, and when the picture came.
    fn start(self) -> Result<Took, BenchError> {
        self.set(gst::State::Playing)?;
        Ok(self.picture(self.begun).map(|ms| (ms, self.begun + Duration::from_secs_f64(ms / 1e3))))
    }

    fn set(&self, state: gst::State) -> Result<(), BenchError> {
        self.playbin.set_state(state).map(drop).map_err(BenchError::step("starting a peer"))
    }

    fn picture(&self, since: Instant) -> Option<f64> {
        let shown = self.pictures.recv_timeout(PATIENCE).ok()?;
        Some(shown.saturating_duration_since(since).as_secs_f64() * 1e3)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A pipeline dropped while it runs keeps its threads.
        let _ = self.playbin.set_state(gst::State::Null);
    }
}

/// A playbin that is paused at its first picture, then played.
fn warm_peer(uri: &str) -> Result<Option<f64>, BenchError> {
    let peer = Peer::build(PEERS[0], uri)?;
    if !peer.preroll()? {
        return Ok(None);
    }
    let begun = Instant::now();
    peer.set(gst::State::Playing)?;
    Ok(peer.picture(begun))
}
