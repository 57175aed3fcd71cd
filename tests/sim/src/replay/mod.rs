//! Replays a session of the real stack: its cards, its swipes and its network, with the engine that ships and the
//! rooms around it in simulated time.
//!
//! [`Engine`] is the one the session drives; `fetcher` and `player` stand for the rooms that move bytes and pictures.
//! The person does what they did: stays as long after the first picture as the log says. What comes out, stalls
//! and bytes, is put beside what the log says came out.

mod fetcher;
mod log;
mod player;

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use unspool_engine::planner::{Output, Policy as PlannerPolicy};
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Conditions, Container, Effect, Engine, EngineConfig, FetchEnd, Layout, MediaKey, Millis, Page,
    PlayerFact, PlayerId, Span, StartClass, Step, Time, Urgency, Wall, links,
};

use fetcher::{Demand, Fetcher, Owner};
pub use log::{SessionLog, Visit};
use player::{Happened, Player};

/// Resolution of simulated time, milliseconds.
const STEP_MS: f64 = 2.0;
/// When players can be had in a new process: GStreamer's start.
const PLAYERS_READY_MS: f64 = 300.0;
/// How often a player reports its place.
const POSITION_MS: f64 = 250.0;
/// First look of a probe, and where it expects a box.
const FRONT: u64 = 128 * 1024;
const LOOK: u64 = 64 * 1024;
/// What a playlist of a short clip costs, bytes.
const PLAYLIST_BYTES: u64 = 1_300;
/// Round trips until a playlist is there: a new connection, and its share of a link that others use.
const PLAYLIST_TRIPS: f64 = 3.0;
/// Longest session that is replayed: a day.
const LONGEST_MS: f64 = 86_400_000.0;
/// Longest a person waits for a picture before going on, as in the demo.
const PATIENCE_MS: f64 = 20_000.0;

/// What a session came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Figures {
    /// Milliseconds of stalls after first pictures.
    pub stall_ms: f64,
    /// Bytes of media and playlists.
    pub media_bytes: u64,
    /// Milliseconds from each swipe to its first picture, of cards that showed one.
    pub first_frames_ms: Vec<f64>,
}

/// Both, and how far they are apart.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The log.
    pub log: String,
    /// What the log says.
    pub real: Figures,
    /// What the replay says.
    pub simulated: Figures,
    /// Whether stall times differ by at most the larger of 15 % and 200 ms.
    pub stall_agrees: bool,
    /// Whether bytes differ by at most 15 %.
    pub bytes_agree: bool,
}

/// Replays a log and compares.
#[must_use]
pub fn compare(name: &str, log: &SessionLog) -> Replayed {
    let real = Figures {
        stall_ms: log.stall_ms,
        media_bytes: log.media_bytes,
        first_frames_ms: log.visits.iter().filter_map(|v| v.first_frame_ms).collect(),
    };
    let simulated = replay(log);
    let apart = (real.stall_ms - simulated.stall_ms).abs();
    let bytes_apart = real.media_bytes.abs_diff(simulated.media_bytes) as f64;
    Replayed {
        log: name.into(),
        stall_agrees: apart <= (0.15 * real.stall_ms).max(200.0),
        bytes_agree: bytes_apart <= 0.15 * real.media_bytes as f64,
        real,
        simulated,
    }
}

/// The comparison as text.
#[must_use]
pub fn table(all: &[Replayed]) -> String {
    let mut out = String::from(
        "log                     stall ms: real simulated        media bytes: real   simulated       first frames ms: real simulated\n",
    );
    let say = |agrees: bool| if agrees { "agrees" } else { "DIFFERS" };
    for r in all {
        out += &format!(
            "{:<22} {:>15.0} {:>9.0} {:<8} {:>15} {:>11} {:<8} {:>14.0} {:>9.0}\n",
            r.log,
            r.real.stall_ms,
            r.simulated.stall_ms,
            say(r.stall_agrees),
            r.real.media_bytes,
            r.simulated.media_bytes,
            say(r.bytes_agree),
            r.real.first_frames_ms.iter().sum::<f64>(),
            r.simulated.first_frames_ms.iter().sum::<f64>(),
        );
    }
    out
}

/// Replays a log.
#[must_use]
pub fn replay(log: &SessionLog) -> Figures {
    let mut stack = Stack::new(log);
    stack.run();
    Figures { media_bytes: stack.fetcher.bytes() + stack.playlists, ..stack.figures }
}

struct Stack<'a> {
    log: &'a SessionLog,
    engine: Engine,
    fetcher: Fetcher,
    players: BTreeMap<PlayerId, Player>,
    /// Commands to players that came before there could be any.
    backlog: VecDeque<StageOutput>,
    /// Steps of probes that wait: when the next one may ask.
    probes: BTreeMap<MediaKey, (f64, Urgency)>,
    /// Answers of the backend on their way.
    pages: Vec<(f64, u64, usize)>,
    given: usize,
    playlists: u64,
    now: f64,
    opened: f64,
    told_at: f64,
    /// Which visit comes next, and since when the current one shows a picture.
    next: usize,
    asked_at: f64,
    frame_at: Option<f64>,
    figures: Figures,
}

impl<'a> Stack<'a> {
    fn new(log: &'a SessionLog) -> Self {
        let config = EngineConfig {
            seed: 42,
            feed: "for_you".into(),
            policy: PlannerPolicy::default(),
            players: log.players,
        };
        Stack {
            log,
            engine: Engine::new(config, Conditions::default()),
            fetcher: Fetcher::new(log.rtt_ms),
            players: BTreeMap::new(),
            backlog: VecDeque::new(),
            probes: BTreeMap::new(),
            pages: Vec::new(),
            given: 0,
            playlists: 0,
            now: 0.0,
            opened: 0.0,
            told_at: 0.0,
            next: 0,
            asked_at: 0.0,
            frame_at: None,
            figures: Figures::default(),
        }
    }

    fn time(&self) -> Time {
        Time(self.now as u64)
    }

    fn run(&mut self) {
        // The session is open when its first card is asked for.
        self.now = self.log.visits[0].at_ms;
        self.opened = self.now;
        self.engine.handle_start(self.time(), None, BTreeMap::new());
        self.drain();
        while self.now < LONGEST_MS {
            self.now += STEP_MS;
            if self.now - self.opened >= PLAYERS_READY_MS {
                while let Some(output) = self.backlog.pop_front() {
                    self.stage(output);
                }
            }
            self.answer_pages();
            self.move_bytes();
            self.move_pictures();
            if self.person() {
                return;
            }
            if self.engine.poll_timeout().is_some_and(|(at, _)| at <= self.time()) {
                self.engine.handle_timeout(self.time());
                self.drain();
            }
        }
    }

    fn answer_pages(&mut self) {
        let due: Vec<(f64, u64, usize)> = self.pages.extract_if(.., |p| p.0 <= self.now).collect();
        for (_, request, limit) in due {
            let end = (self.given + limit).min(self.log.items.len());
            let items = self.log.items[self.given..end].to_vec();
            self.given = end;
            let next_cursor = (end < self.log.items.len()).then(|| end.to_string());
            self.engine.handle_page(self.time(), request, Ok(Page { items, next_cursor }));
            self.drain();
        }
    }

    fn move_bytes(&mut self) {
        let bytes = self.log.trace.bytes_within(self.now - STEP_MS, STEP_MS);
        let transfers = self.fetcher.flow(self.now, bytes);
        let ended = !transfers.is_empty();
        for t in transfers {
            let url = self.log.items.iter().find(|i| i.asset.id == t.key.parts().0);
            let url = url.and_then(|i| i.asset.renditions.first()).map_or("", |r| r.url.as_str());
            let (first, body) = (Millis(t.first_byte_ms as u64), Millis(t.body_ms as u64));
            self.engine.handle_transfer(links::host(url), t.bytes, first, body);
        }
        if ended {
            self.drain();
        }
        self.probe();
        self.read();
        loop {
            let done = self.fetcher.pump(self.now);
            if done.is_empty() {
                break;
            }
            for demand in done {
                if let Owner::Planner(id) = demand.owner {
                    let held = self.fetcher.held(&demand.key).to_vec();
                    self.engine.handle_fetch_end(self.time(), id, &demand.key, FetchEnd::Done, held, "");
                }
            }
            self.drain();
        }
    }

    /// Takes probes one step further: first the front of the file, then each header that lies elsewhere.
    fn probe(&mut self) {
        let due: Vec<MediaKey> =
            self.probes.iter().filter(|(_, (at, _))| *at <= self.now).map(|(k, _)| k.clone()).collect();
        for key in due {
            let Some(info) = self.log.layouts.get(&key).cloned() else { continue };
            if self.fetcher.find(&Owner::Probe, &key).is_some() {
                continue;
            }
            // Of a fragmented file the probe leaves the tail to the demuxer.
            let front = if self.is_hls(&key) { 0 } else { FRONT.min(info.size) };
            let mut wants = vec![Span::new(0, front)];
            wants.extend(
                info.headers.iter().filter(|h| h.start == 0 || info.layout != Layout::Fragmented).map(|h| {
                    match h.start {
                        0 => *h,
                        at => Span::new(at, h.end.max((at + LOOK).min(info.size))),
                    }
                }),
            );
            wants.retain(|w| !w.is_empty());
            let held = self.fetcher.held(&key);
            let want = wants.into_iter().find(|w| !unspool_engine::info::missing(&[*w], held).is_empty());
            let urgency = self.probes.get(&key).map_or(Urgency::Prefetch, |p| p.1);
            match want {
                Some(want) => {
                    let demand = Demand { owner: Owner::Probe, key, spans: vec![want], urgency };
                    self.fetcher.demand(demand);
                }
                None => {
                    self.probes.remove(&key);
                    let held = self.fetcher.held(&key).to_vec();
                    self.engine.handle_probed(self.time(), &key, &info, held);
                    self.drain();
                }
            }
        }
    }

    fn is_hls(&self, key: &MediaKey) -> bool {
        let (asset, rendition) = key.parts();
        let renditions = self.log.items.iter().find(|i| i.asset.id == asset).map(|i| &i.asset.renditions);
        renditions
            .and_then(|r| r.iter().find(|r| r.id == rendition))
            .is_some_and(|r| r.container == Container::Hls)
    }

    /// Puts the players' windows where their readers are.
    fn read(&mut self) {
        for player in self.players.values_mut() {
            let watched = player.playing;
            let held = self.fetcher.held(&player.key).to_vec();
            let owner = Owner::Reader(player.id);
            let known = self.fetcher.find(&owner, &player.key);
            let urgency = if watched { Urgency::Playback } else { Urgency::Next };
            match (player.wants(self.now, &held, watched), known) {
                (Some(span), Some(id)) => {
                    if let Some(demand) = self.fetcher.demands.get_mut(&id) {
                        (demand.spans, demand.urgency) = (vec![span], urgency);
                    }
                }
                (Some(span), None) => {
                    if !unspool_engine::info::missing(&[span], &held).is_empty() {
                        let key = player.key.clone();
                        self.fetcher.demand(Demand { owner, key, spans: vec![span], urgency });
                    }
                }
                (None, Some(id)) => {
                    self.fetcher.demands.remove(&id);
                }
                (None, None) => {}
            }
        }
    }

    fn move_pictures(&mut self) {
        let current = self.engine.current().and_then(|c| self.engine.stage().player(c));
        let mut facts = Vec::new();
        for player in self.players.values_mut() {
            let held = self.fetcher.held(&player.key);
            match player.step(self.now, STEP_MS, held) {
                Some(Happened::FirstFrame) => {
                    if Some(player.id) == current && self.frame_at.is_none() {
                        self.frame_at = Some(self.now);
                        self.figures.first_frames_ms.push(self.now - self.asked_at);
                    }
                    let latency_ms = self.now - self.asked_at;
                    facts.push((player.id, PlayerFact::FirstFrame { class: StartClass::Cached, latency_ms }));
                }
                Some(Happened::Stalled(ms)) => {
                    self.figures.stall_ms += ms;
                    facts.push((player.id, PlayerFact::Stalled { ms: ms as u64 }));
                }
                Some(Happened::Looped) => facts.push((player.id, PlayerFact::Looped)),
                None => {}
            }
        }
        if self.now - self.told_at >= POSITION_MS {
            self.told_at = self.now;
            if let Some(player) = current.and_then(|p| self.players.get(&p)) {
                let held = self.fetcher.held(&player.key).to_vec();
                self.engine.handle_held(self.time(), &player.key, held);
                let (playhead_ms, active_ms) = (player.playhead_ms as u64, player.active_ms as u64);
                facts.push((player.id, PlayerFact::Progress { playhead_ms, active_ms }));
            }
        }
        for (player, fact) in facts {
            self.engine.handle_player(self.time(), player, fact);
        }
        self.drain();
    }

    /// Swipes when it is time; answers whether the session is over.
    fn person(&mut self) -> bool {
        let due = match self.next.checked_sub(1).map(|i| &self.log.visits[i]) {
            None => self.log.visits[0].at_ms,
            Some(visit) => {
                let stays = visit.left_ms - visit.at_ms - visit.first_frame_ms.unwrap_or(0.0);
                self.frame_at.map_or(self.asked_at + PATIENCE_MS, |at| at + stays)
            }
        };
        if self.now < due {
            return false;
        }
        if self.next == self.log.visits.len() {
            return true;
        }
        if self.next == 0 {
            self.asked_at = self.log.visits[0].at_ms;
        } else if self.frame_at.is_some() || self.asked_at + PATIENCE_MS <= self.now {
            self.asked_at = self.now;
        }
        if let Step::Moved(_) = self.engine.handle_next(self.time(), Wall::default()) {
            self.next += 1;
            self.frame_at = None;
        }
        self.drain();
        false
    }

    fn drain(&mut self) {
        while let Some(effect) = self.engine.poll_output() {
            match effect {
                Effect::Page(request) => {
                    let end = (self.given + request.limit as usize).min(self.log.items.len());
                    let size = |i| serde_json::to_vec(i).map_or(0, |v| v.len());
                    let bytes: usize = self.log.items[self.given.min(end)..end].iter().map(size).sum();
                    let trips = if self.given == 0 { 2.0 } else { 1.0 } * self.log.rtt_ms;
                    let body = self.log.trace.transfer_ms(self.now + trips, bytes as f64);
                    self.pages.push((self.now + trips + body, request.id, request.limit as usize));
                }
                Effect::Media(output) => self.media(output),
                Effect::Stage(output) if self.now - self.opened < PLAYERS_READY_MS => {
                    self.backlog.push_back(output)
                }
                Effect::Stage(output) => self.stage(output),
                Effect::Write(_) | Effect::Save(_) | Effect::Forget(_) | Effect::Notice(_) => {}
            }
        }
    }

    fn media(&mut self, output: Output) {
        match output {
            Output::Probe { key, urgency } => {
                let wait = if self.is_hls(&key) && !self.probes.contains_key(&key) {
                    self.playlists += PLAYLIST_BYTES;
                    PLAYLIST_TRIPS * self.log.rtt_ms
                } else {
                    0.0
                };
                let at = self.probes.get(&key).map_or(self.now + wait, |p| p.0);
                if let Some(id) = self.fetcher.find(&Owner::Probe, &key)
                    && let Some(demand) = self.fetcher.demands.get_mut(&id)
                {
                    demand.urgency = demand.urgency.max(urgency);
                }
                self.probes.insert(key, (at, urgency));
            }
            Output::Fetch { demand, key, spans, urgency } => {
                self.fetcher.demand(Demand { owner: Owner::Planner(demand), key, spans, urgency });
            }
            Output::Promote { demand, urgency } => {
                let owner = Owner::Planner(demand);
                if let Some(d) = self.fetcher.demands.values_mut().find(|d| d.owner == owner) {
                    d.urgency = urgency;
                }
            }
            Output::Cancel { demand } => {
                let owner = Owner::Planner(demand);
                let id = self.fetcher.demands.iter().find(|(_, d)| d.owner == owner).map(|(id, _)| *id);
                if let Some(gone) = id.and_then(|id| self.fetcher.demands.remove(&id)) {
                    let held = self.fetcher.held(&gone.key).to_vec();
                    self.engine.handle_fetch_end(
                        self.time(),
                        demand,
                        &gone.key,
                        FetchEnd::Cancelled,
                        held,
                        "",
                    );
                }
            }
        }
    }

    fn stage(&mut self, output: StageOutput) {
        match output {
            StageOutput::Prepare { player, key } => {
                if let Some(info) = self.log.layouts.get(&key) {
                    self.players.insert(player, Player::new(player, key, info.clone(), self.now));
                }
            }
            StageOutput::Play(id) => {
                if let Some(player) = self.players.get_mut(&id) {
                    player.play(self.now);
                }
            }
            StageOutput::Pause(id) => {
                if let Some(ms) = self.players.get_mut(&id).and_then(|p| p.pause(self.now)) {
                    self.figures.stall_ms += ms;
                }
            }
            StageOutput::Release(id) => {
                if let Some(player) = self.players.remove(&id)
                    && let Some(demand) = self.fetcher.find(&Owner::Reader(id), &player.key)
                {
                    self.fetcher.demands.remove(&demand);
                }
            }
        }
    }
}
