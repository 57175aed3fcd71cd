//! The planner that ships, driven by the simulator.
//!
//! [`Planner`] is the very type the session uses. The adapter describes the videos of the session to it as assets that can be
//! switched at every chunk, answers its probes from the chunk sizes, tells it the window, the playhead, every finished
//! transfer and what is held, and takes its demands as downloads of the next chunk of that video. The simulator moves one
//! chunk at a time, so the planner is allowed one demand at a time.

use std::sync::Arc;

use unspool_engine::planner::{Candidate, DemandId, FetchEnd, Output, Planner, Policy as PlannerPolicy};
use unspool_engine::{
    Asset, Container, Layout, MediaInfo, MediaKey, Millis, Rendition, Span, Time, VideoCodec,
};

use crate::policy::{Action, Observation, Policy};
use crate::session::{Session, Video};

/// Longest the planner is left alone, milliseconds: the tick of the playhead in the session's driver.
const TICK_MS: u32 = 200;

/// One video of the session as the planner knows it.
struct Film {
    id: u32,
    asset: Asset,
    retention: Vec<(u64, f64)>,
    layouts: Vec<(MediaKey, Arc<MediaInfo>)>,
    /// What is held of each rendition.
    held: Vec<Vec<Span>>,
    chunks: usize,
}

impl Film {
    fn new(index: usize, video: &Video) -> Self {
        let asset = asset(index, video);
        let layouts = asset.renditions.iter().enumerate();
        let layouts =
            layouts.map(|(r, x)| (MediaKey::new(&asset.id, &x.id), Arc::new(info(video, r)))).collect();
        Film {
            id: video.id,
            retention: video.retention.iter().map(|&(t, p)| (u64::from(t), p)).collect(),
            layouts,
            held: vec![Vec::new(); video.kbps.len()],
            chunks: 0,
            asset,
        }
    }

    /// A chunk arrived.
    fn add(&mut self, rendition: usize) {
        let (_, info) = &self.layouts[rendition];
        let start = info.index.get(self.chunks).map_or(info.size, |e| e.1);
        let end = info.index.get(self.chunks + 1).map_or(info.size, |e| e.1);
        self.chunks += 1;
        match self.held[rendition].last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.held[rendition].push(Span::new(start, end)),
        }
    }
}

/// The shipped planner as a policy of the simulator.
pub struct Shipped {
    policy: PlannerPolicy,
    planner: Planner,
    films: Vec<Film>,
    rtt_ms: f64,
    queue: usize,
    /// The download that runs: its demand, video and rendition.
    running: Option<(DemandId, usize, usize)>,
    now_ms: f64,
    playing: Option<usize>,
}

impl Shipped {
    /// A planner with this policy.
    #[must_use]
    pub fn new(policy: PlannerPolicy) -> Self {
        let policy = PlannerPolicy { parallel: 1, preempts: false, floor_ms: 0, ..policy };
        Shipped {
            planner: Planner::new(policy.clone()),
            policy,
            films: Vec::new(),
            rtt_ms: 0.0,
            queue: 1,
            running: None,
            now_ms: 0.0,
            playing: None,
        }
    }

    fn now(&self) -> Time {
        Time(self.now_ms as u64)
    }

    fn window(&mut self, playing: usize) {
        let end = (playing + self.queue).min(self.films.len());
        let cards: Vec<Candidate<'_>> = self.films[playing..end]
            .iter()
            .enumerate()
            .map(|(i, film)| Candidate {
                position: (playing + i) as u64,
                asset: &film.asset,
                retention: &film.retention,
                topic: None,
                switchable: true,
            })
            .collect();
        self.planner.handle_window(Time(self.now_ms as u64), playing as u64, &cards, &|_| 0);
    }

    /// Takes the planner's outputs until it has none; the demand it made, if any.
    fn drain(&mut self) -> Option<(DemandId, usize, usize)> {
        let mut asked = None;
        while let Some(output) = self.planner.poll_output() {
            match output {
                Output::Probe { key, .. } => {
                    if let Some((video, rendition)) = self.find(&key) {
                        let film = &self.films[video];
                        let (info, held) =
                            (Arc::clone(&film.layouts[rendition].1), film.held[rendition].clone());
                        self.planner.handle_probed(self.now(), &key, info, held);
                    }
                }
                Output::Fetch { demand, key, .. } => {
                    asked = self.find(&key).map(|(video, rendition)| (demand, video, rendition));
                }
                Output::Cancel { demand } => {
                    asked = asked.filter(|a: &(DemandId, usize, usize)| a.0 != demand);
                    self.planner.handle_fetch_end(self.now(), demand, FetchEnd::Cancelled, Vec::new());
                }
                Output::Promote { .. } => {}
            }
        }
        asked
    }

    fn find(&self, key: &MediaKey) -> Option<(usize, usize)> {
        let (asset, rendition) = key.parts();
        let (video, rendition) = (asset.parse().ok()?, rendition.parse().ok()?);
        (video < self.films.len()).then_some((video, rendition))
    }
}

impl Policy for Shipped {
    fn reset(&mut self, session: &Session) {
        *self = Shipped::new(self.policy.clone());
        self.films = session.videos.iter().enumerate().map(|(i, v)| Film::new(i, v)).collect();
        self.rtt_ms = session.rtt_ms;
        self.queue = session.queue;
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.now_ms += observation.delay_ms;
        let now = self.now();
        if let Some((demand, video, rendition)) = self.running.take() {
            let transfer = (observation.delay_ms - self.rtt_ms).max(1.0);
            let (first_byte, transfer) = (Millis(self.rtt_ms as u64), Millis(transfer as u64));
            self.planner.handle_transfer("", observation.bytes, first_byte, transfer);
            self.films[video].add(rendition);
            let held = self.films[video].held[rendition].clone();
            self.planner.handle_fetch_end(now, demand, FetchEnd::Done, held);
        }
        let playing = self.films.iter().position(|f| f.id == observation.playing);
        if let Some(playing) = playing.filter(|p| self.playing != Some(*p)) {
            self.playing = Some(playing);
            self.window(playing);
        }
        if let Some(head) = observation.queue.first() {
            self.planner.handle_playhead(now, head.played_ms as u64);
        }
        match self.drain() {
            Some((demand, video, rendition)) => {
                self.running = Some((demand, video, rendition));
                Action::Download { video: self.films[video].id, rendition: rendition as u8 }
            }
            None => {
                let due =
                    self.planner.poll_timeout().map_or(f64::from(TICK_MS), |at| at.0 as f64 - self.now_ms);
                Action::Sleep { ms: (due as u32).clamp(10, TICK_MS) }
            }
        }
    }
}

fn asset(index: usize, video: &Video) -> Asset {
    let renditions = video.kbps.iter().enumerate().map(|(r, &kbps)| Rendition {
        id: r.to_string(),
        width: 0,
        height: 0,
        bitrate_bps: u64::from(kbps) * 1_000,
        container: Container::Fmp4,
        url: String::new(),
        alternates: Vec::new(),
        bytes: Some(video.sizes[r].iter().map(|&b| u64::from(b)).sum()),
        expires_at_ms: None,
    });
    Asset {
        id: index.to_string(),
        duration_ms: u64::from(video.duration_ms),
        renditions: renditions.collect(),
    }
}

fn info(video: &Video, rendition: usize) -> MediaInfo {
    let mut at = 0_u64;
    let index = video.sizes[rendition]
        .iter()
        .enumerate()
        .map(|(chunk, &bytes)| {
            let entry = (chunk as u64 * u64::from(video.chunk_ms), at);
            at += u64::from(bytes);
            entry
        })
        .collect();
    MediaInfo {
        size: at,
        // A chunk is playable by itself; the head of a fragment that a demuxer reads ahead is the replay's matter.
        layout: Layout::MoovFirst,
        duration_ms: u64::from(video.duration_ms),
        video: Some(VideoCodec::H264),
        width: 0,
        height: 0,
        rotation: 0,
        audio: None,
        tracks: Vec::new(),
        headers: Vec::new(),
        index,
    }
}
