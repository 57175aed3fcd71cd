//! The planner that ships, driven by the simulator.
//!
//! [`Planner`] is the very type the session uses. The adapter answers its probes from the chunk sizes of the session, tells it
//! the window, the playhead, every finished transfer and what is held, and takes its demands as chunks: a demand for bytes
//! of a rendition becomes a download of the next chunk of that video. One at a time, the most urgent first, as the
//! fetcher serves them.

use std::collections::BTreeMap;
use std::sync::Arc;

use unspool_engine::planner::{DemandId, FetchEnd, Output, Planner, Policy as PlannerPolicy, Urgency};
use unspool_engine::{
    Asset, Container, Layout, MediaInfo, MediaKey, Millis, Rendition, Span, Time, VideoCodec,
};

use crate::policy::{Action, Observation, Policy};
use crate::session::{Session, Video};

/// Longest the planner is left alone, milliseconds: the tick of the playhead in the session's driver.
const TICK_MS: u32 = 100;

/// The shipped planner as a policy of the simulator.
pub struct Shipped {
    policy: PlannerPolicy,
    planner: Planner,
    session: Session,
    assets: Vec<Asset>,
    infos: BTreeMap<MediaKey, (usize, u8, Arc<MediaInfo>)>,
    demands: BTreeMap<DemandId, Demand>,
    /// The download that runs: its demand, video and rendition.
    running: Option<(DemandId, usize, u8)>,
    now_ms: f64,
    playing: Option<usize>,
}

#[derive(Debug)]
struct Demand {
    video: usize,
    rendition: u8,
    /// One past the last byte that is wanted.
    end: u64,
    urgency: Urgency,
}

impl Shipped {
    /// A planner with this policy.
    #[must_use]
    pub fn new(policy: PlannerPolicy) -> Self {
        Shipped {
            planner: Planner::new(policy.clone()),
            policy,
            session: Session { videos: Vec::new(), rtt_ms: 0.0, queue: 1 },
            assets: Vec::new(),
            infos: BTreeMap::new(),
            demands: BTreeMap::new(),
            running: None,
            now_ms: 0.0,
            playing: None,
        }
    }

    fn now(&self) -> Time {
        Time(self.now_ms as u64)
    }

    /// Bytes of the first `chunks` chunks.
    fn offset(&self, video: usize, rendition: u8, chunks: usize) -> u64 {
        self.session.videos[video].sizes[usize::from(rendition)][..chunks].iter().map(|&b| u64::from(b)).sum()
    }

    fn held(&self, video: usize, rendition: u8, chunks: &[u8]) -> Vec<Span> {
        let run = chunks.iter().take_while(|&&r| r == rendition).count();
        match run {
            0 => Vec::new(),
            _ => vec![Span::new(0, self.offset(video, rendition, run))],
        }
    }

    fn chunks_of<'o>(&self, observation: &'o Observation, video: usize) -> &'o [u8] {
        let id = self.session.videos[video].id;
        observation.queue.iter().find(|q| q.video == id).map_or(&[], |q| &q.chunks)
    }

    fn window(&mut self, observation: &Observation, playing: usize) {
        let end = (playing + self.session.queue).min(self.assets.len());
        let cards: Vec<(u64, &Asset)> = (playing..end).map(|i| (i as u64, &self.assets[i])).collect();
        let (infos, videos) = (&self.infos, &self.session.videos);
        let held = |key: &MediaKey| {
            infos.get(key).map_or(0, |&(video, rendition, _)| {
                let chunks =
                    observation.queue.iter().find(|q| q.video == videos[video].id).map(|q| &q.chunks);
                let run = chunks.map_or(0, |c| c.iter().take_while(|&&r| r == rendition).count());
                videos[video].media_ms(run) as u64
            })
        };
        let now = Time(self.now_ms as u64);
        self.planner.handle_window(now, playing as u64, &cards, &held);
    }

    /// Takes the planner's outputs until it has none.
    fn drain(&mut self, observation: &Observation) {
        while let Some(output) = self.planner.poll_output() {
            match output {
                Output::Probe { key, .. } => {
                    let Some((video, rendition, info)) = self.infos.get(&key) else { continue };
                    let held = self.held(*video, *rendition, self.chunks_of(observation, *video));
                    self.planner.handle_probed(self.now(), &key, Arc::clone(info), held);
                }
                Output::Fetch { demand, key, spans, urgency } => {
                    let Some(&(video, rendition, _)) = self.infos.get(&key) else { continue };
                    let end = spans.last().map_or(0, |s| s.end);
                    self.demands.insert(demand, Demand { video, rendition, end, urgency });
                }
                Output::Promote { demand, urgency } => {
                    if let Some(d) = self.demands.get_mut(&demand) {
                        d.urgency = urgency;
                    }
                }
                Output::Cancel { demand } => {
                    if let Some(d) = self.demands.remove(&demand) {
                        let held = self.held(d.video, d.rendition, self.chunks_of(observation, d.video));
                        self.planner.handle_fetch_end(self.now(), demand, FetchEnd::Cancelled, held);
                    }
                }
            }
        }
    }

    /// Ends the demands whose bytes are all held.
    fn settle(&mut self, observation: &Observation) {
        loop {
            let done = self.demands.iter().find_map(|(&id, d)| {
                let chunks = self.chunks_of(observation, d.video);
                let held = self.held(d.video, d.rendition, chunks);
                let reached = held.last().map_or(0, |s| s.end) >= d.end;
                // A video whose chunks went on in another rendition cannot serve this demand any more.
                let stuck = chunks.iter().any(|&r| r != d.rendition);
                (reached || stuck).then_some((id, held))
            });
            let Some((id, held)) = done else { return };
            self.demands.remove(&id);
            self.planner.handle_fetch_end(self.now(), id, FetchEnd::Done, held);
            self.drain(observation);
        }
    }
}

impl Policy for Shipped {
    fn reset(&mut self, session: &Session) {
        self.planner = Planner::new(self.policy.clone());
        self.session.clone_from(session);
        self.assets = session.videos.iter().enumerate().map(|(i, v)| asset(i, v)).collect();
        self.infos.clear();
        for (i, (video, asset)) in session.videos.iter().zip(&self.assets).enumerate() {
            for r in 0..video.kbps.len() {
                let key = MediaKey::new(&asset.id, &asset.renditions[r].id);
                self.infos.insert(key, (i, r as u8, Arc::new(info(video, r))));
            }
        }
        self.demands.clear();
        self.running = None;
        self.now_ms = 0.0;
        self.playing = None;
    }

    fn decide(&mut self, observation: &Observation) -> Action {
        self.now_ms += observation.delay_ms;
        if let Some((_, video, rendition)) = self.running.take() {
            let transfer = (observation.delay_ms - self.session.rtt_ms).max(1.0);
            self.planner.handle_transfer(observation.bytes, Millis(transfer as u64));
            let held = self.held(video, rendition, self.chunks_of(observation, video));
            let key = MediaKey::new(&self.assets[video].id, &rendition.to_string());
            self.planner.handle_held(self.now(), &key, held);
            self.drain(observation);
        }
        let Some(playing) = self.session.index_of(observation.playing) else {
            return Action::Sleep { ms: TICK_MS };
        };
        if self.playing != Some(playing) {
            self.playing = Some(playing);
            self.window(observation, playing);
            self.drain(observation);
        }
        if let Some(head) = observation.queue.first() {
            self.planner.handle_playhead(self.now(), head.played_ms as u64);
            self.drain(observation);
        }
        self.settle(observation);
        let next = self.demands.iter().max_by_key(|(id, d)| (d.urgency, std::cmp::Reverse(**id)));
        match next {
            Some((&id, d)) => {
                self.running = Some((id, d.video, d.rendition));
                Action::Download { video: self.session.videos[d.video].id, rendition: d.rendition }
            }
            None => Action::Sleep { ms: TICK_MS },
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
        layout: Layout::Fragmented,
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
