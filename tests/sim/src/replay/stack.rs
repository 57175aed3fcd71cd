//! The session in simulated time: what the driver does between the engine and the rooms.

use std::collections::{BTreeMap, VecDeque};

use unspool_engine::opening::{LOOK_BYTES, first_request};
use unspool_engine::planner::{Output, Policy as PlannerPolicy};
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Conditions, Container, Effect, Engine, EngineConfig, FetchEnd, Layout, MediaKey, Millis, Page,
    PlayerFact, PlayerId, Rendition, Span, StartClass, Step, Time, Urgency, Wall, links,
};

use super::fetcher::{Demand, Fetcher, Owner};
use super::player::{Happened, Known, Player};
use super::prober::{self, PLAYLIST_BYTES};
use super::{Figures, Moment, SessionLog};

/// Resolution of simulated time, milliseconds.
const STEP_MS: f64 = 1.0;
/// When the first picture of a new process can be had, at best: GStreamer and the decoder start while the first page is fetched.
/// Where bytes came first, pictures came 85 to 140 ms after the session began (trace nyu-lte/3).
const PLAYERS_READY_MS: f64 = 70.0;
/// Memory that players may take together, bytes: the default of `unspool-player`.
const PLAYERS_BYTES: u64 = 96_000_000;
/// Longest session that is replayed: a day.
const LONGEST_MS: f64 = 86_400_000.0;
/// Numbers of playlists lie above those of pages.
const FIRST_PLAYLIST: u64 = 1 << 32;

/// A probe under way.
#[derive(Debug)]
struct Probe {
    /// The number of its playlist, while that is on its way.
    playlist: Option<u64>,
    urgency: Urgency,
    asked: Vec<Span>,
}

pub(super) struct Stack<'a> {
    log: &'a SessionLog,
    engine: Engine,
    fetcher: Fetcher,
    players: BTreeMap<PlayerId, Player>,
    /// Commands to players that came before there could be any.
    backlog: VecDeque<StageOutput>,
    /// In the order in which they were asked for.
    probes: Vec<(MediaKey, Probe)>,
    /// Answers of the backend on their way, and how many cards they may bring.
    pages: Vec<(u64, usize)>,
    asked_pages: usize,
    given: usize,
    playlists: u64,
    now: f64,
    opened: f64,
    /// When a connection is there that was opened ahead.
    warm_at: Option<f64>,
    /// What players know of the network.
    bps: Option<u64>,
    /// Which visit comes next, and since when the current one shows a picture.
    next: usize,
    asked_at: f64,
    frame_at: Option<f64>,
    figures: Figures,
    moments: Vec<Moment>,
}

impl<'a> Stack<'a> {
    /// A session that goes as the log says; `seed` draws how long threads take.
    pub(super) fn new(log: &'a SessionLog, seed: Option<u64>) -> Self {
        let config = EngineConfig {
            seed: 42,
            feed: "for_you".into(),
            policy: PlannerPolicy::default(),
            players: log.players,
            first: None,
        };
        let mut engine = Engine::new(config, Conditions::default());
        engine.handle_player_budget(Time::ZERO, log.players, PLAYERS_BYTES);
        let mut fetcher = Fetcher::new(log.rtt_ms, seed);
        for (key, info) in log.layouts.iter().filter(|(_, info)| info.layout == Layout::Segmented) {
            fetcher.set_files(key, info.index.iter().map(|e| e.1).collect());
        }
        Stack {
            log,
            engine,
            fetcher,
            players: BTreeMap::new(),
            backlog: VecDeque::new(),
            probes: Vec::new(),
            pages: Vec::new(),
            asked_pages: 0,
            given: 0,
            playlists: 0,
            now: 0.0,
            opened: 0.0,
            warm_at: None,
            bps: None,
            next: 0,
            asked_at: 0.0,
            frame_at: None,
            figures: Figures::default(),
            moments: Vec::new(),
        }
    }

    fn time(&self) -> Time {
        Time(self.now as u64)
    }

    fn tell(&mut self, what: String) {
        self.moments.push(Moment { at_ms: self.now, what });
    }

    pub(super) fn run(mut self) -> (Figures, Vec<Moment>) {
        self.play();
        let media_bytes = self.fetcher.bytes() + self.playlists;
        (Figures { media_bytes, ..self.figures }, self.moments)
    }

    fn play(&mut self) {
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
        let here = self.fetcher.pages();
        for (_, probe) in &mut self.probes {
            probe.playlist = probe.playlist.filter(|number| !here.contains(number));
        }
        let due: Vec<(u64, usize)> = self.pages.extract_if(.., |p| here.contains(&p.0)).collect();
        for (request, limit) in due {
            let end = (self.given + limit).min(self.log.items.len());
            let items = self.log.items[self.given..end].to_vec();
            self.given = end;
            let next_cursor = (end < self.log.items.len()).then(|| end.to_string());
            self.engine.handle_page(self.time(), request, Ok(Page { items, next_cursor }));
            // The media's host is connected to, which takes a round trip, and asked for nothing, which takes another.
            self.warm_at.get_or_insert(self.now + 2.0 * self.log.rtt_ms);
            self.drain();
        }
    }

    fn move_bytes(&mut self) {
        if self.warm_at.is_some_and(|at| at <= self.now) {
            self.warm_at = Some(f64::INFINITY);
            self.fetcher.warmed();
        }
        let transfers = self.fetcher.flow(self.now, &self.log.trace);
        let ended = !transfers.is_empty();
        for t in transfers {
            let took = t.first_byte_ms + t.body_ms;
            let (asset, rendition) = t.key.parts();
            let Span { start, end } = t.span;
            let what = format!("{asset}/{rendition} {start}-{end} took {took:.0} ms");
            self.moments.push(Moment { at_ms: self.now - took, what });
            let url = self.log.items.iter().find(|i| i.asset.id == t.key.parts().0);
            let url = url.and_then(|i| i.asset.renditions.first()).map_or("", |r| r.url.as_str());
            let (first, body) = (Millis(t.first_byte_ms as u64), Millis(t.body_ms as u64));
            self.engine.handle_transfer(links::host(url), t.span.len(), first, body);
        }
        if ended {
            self.bps = Some(self.engine.planner().throughput_bps()).filter(|&bps| bps > 0);
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

    /// Takes probes one step further.
    fn probe(&mut self) {
        let due: Vec<MediaKey> =
            self.probes.iter().filter(|(_, p)| p.playlist.is_none()).map(|(k, _)| k.clone()).collect();
        for key in due {
            let Some(info) = self.log.layouts.get(&key).cloned() else { continue };
            let hls = self.is_hls(&key);
            let (container, bits) =
                self.declared(&key).map_or((None, 0), |r| (Some(r.container), r.bitrate_bps));
            let Some((_, probe)) = self.probes.iter_mut().find(|(k, _)| *k == key) else { continue };
            let front = match probe.urgency {
                Urgency::Playback => first_request(container, bits),
                Urgency::Next | Urgency::Prefetch => LOOK_BYTES,
            };
            match prober::step(&info, hls, self.fetcher.held(&key), &probe.asked, front) {
                prober::Step::Wait => {}
                prober::Step::Ask(span) => {
                    probe.asked.push(span);
                    let urgency = probe.urgency;
                    self.fetcher.demand(Demand { owner: Owner::Probe, key, spans: vec![span], urgency });
                }
                prober::Step::Known => {
                    // What it asked for goes on: a player that starts rides on it.
                    self.probes.retain(|(k, _)| *k != key);
                    let held = self.fetcher.held(&key).to_vec();
                    if let Some((spans, urgency)) = prober::later(&info, hls, &held) {
                        let key = key.clone();
                        self.fetcher.demand(Demand { owner: Owner::Probe, key, spans, urgency });
                    }
                    self.engine.handle_probed(self.time(), &key, &info, held);
                    self.drain();
                }
            }
        }
    }

    fn declared(&self, key: &MediaKey) -> Option<&Rendition> {
        let (asset, rendition) = key.parts();
        let item = self.log.items.iter().find(|i| i.asset.id == asset)?;
        item.asset.renditions.iter().find(|r| r.id == rendition)
    }

    fn is_hls(&self, key: &MediaKey) -> bool {
        self.declared(key).is_some_and(|r| r.container == Container::Hls)
    }

    /// Lets demuxers read; what their readers ask for is asked for.
    fn read(&mut self) {
        for player in self.players.values_mut() {
            let (owner, key) = (Owner::Reader(player.id), player.key.clone());
            let own = self.fetcher.find(&owner, &key).is_some();
            let held = self.fetcher.held(&key);
            let asks = player.read(self.now, held, own, |at| self.fetcher.brings(&key, at));
            if let Some(span) = asks {
                let urgency = if player.playing { Urgency::Playback } else { Urgency::Next };
                self.fetcher.demand(Demand { owner, key, spans: vec![span], urgency });
            }
        }
    }

    fn move_pictures(&mut self) {
        let current = self.engine.current().and_then(|c| self.engine.stage().player(c));
        let (mut facts, mut moments) = (Vec::new(), Vec::new());
        for player in self.players.values_mut() {
            let held = self.fetcher.held(&player.key);
            match player.step(self.now, STEP_MS, held, self.bps) {
                Some(Happened::FirstFrame) => {
                    if Some(player.id) == current && self.frame_at.is_none() {
                        self.frame_at = Some(self.now);
                        self.figures.first_frames_ms.push(self.now - self.asked_at);
                        moments.push(format!("first frame after {:.0} ms", self.now - self.asked_at));
                    }
                    let latency_ms = self.now - self.asked_at;
                    facts.push((player.id, PlayerFact::FirstFrame { class: StartClass::Cached, latency_ms }));
                }
                Some(Happened::StallBegan) => {
                    moments.push(format!("a stall begins at {:.0} ms of the media", player.playhead_ms));
                    let playhead_ms = player.playhead_ms as u64;
                    facts.push((player.id, PlayerFact::Starved { playhead_ms }));
                }
                Some(Happened::Stalled(ms)) => {
                    self.figures.stall_ms += ms;
                    moments.push(format!("a stall of {ms:.0} ms ends"));
                    facts.push((player.id, PlayerFact::Stalled { ms: ms as u64 }));
                }
                Some(Happened::Looped) => facts.push((player.id, PlayerFact::Looped)),
                Some(Happened::Position) => {
                    let (playhead_ms, active_ms) = (player.playhead_ms as u64, player.active_ms as u64);
                    facts.push((player.id, PlayerFact::Progress { playhead_ms, active_ms }));
                }
                None => {}
            }
        }
        moments.into_iter().for_each(|what| self.tell(what));
        for (player, fact) in facts {
            if let (PlayerFact::Progress { .. } | PlayerFact::Starved { .. }, Some(of)) =
                (&fact, self.players.get(&player))
                && Some(player) == current
            {
                let (key, held) = (of.key.clone(), self.fetcher.held(&of.key).to_vec());
                self.engine.handle_held(self.time(), &key, held);
            }
            self.engine.handle_player(self.time(), player, fact);
        }
        self.drain();
    }

    /// Swipes when the real person did; answers whether the session is over.
    fn person(&mut self) -> bool {
        let visits = &self.log.visits;
        let due = visits.get(self.next).map(|v| v.at_ms).or(visits.last().map(|v| v.left_ms));
        if due.is_none_or(|due| self.now < due) {
            return false;
        }
        if self.next == self.log.visits.len() {
            return true;
        }
        self.asked_at = visits[self.next].at_ms;
        if let Step::Moved(_) = self.engine.handle_next(self.time(), Wall::default()) {
            self.tell(format!("swipe to {}", self.next));
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
                    // The log names cards that were near; the backend sends as many as were asked for.
                    let size = |i| serde_json::to_vec(i).map_or(0, |v| v.len());
                    let all: usize = self.log.items.iter().map(size).sum();
                    let like_these = all / self.log.items.len().max(1) * request.limit as usize;
                    let bytes = self.log.pages.get(self.asked_pages).copied().unwrap_or(like_these as u64);
                    self.asked_pages += 1;
                    let trips = if self.given == 0 { 2.0 } else { 1.0 };
                    self.fetcher.ask_page(self.now, request.id, bytes, trips);
                    self.pages.push((request.id, request.limit as usize));
                }
                Effect::Media(output) => self.media(output),
                Effect::Stage(output) if self.now - self.opened < PLAYERS_READY_MS => {
                    self.backlog.push_back(output)
                }
                Effect::Stage(output) => self.stage(output),
                Effect::Write(_)
                | Effect::Save(_)
                | Effect::Forget(_)
                | Effect::Lesson(_)
                | Effect::Notice(_) => {}
            }
        }
    }

    fn media(&mut self, output: Output) {
        match output {
            Output::Probe { key, urgency } => {
                if let Some((_, probe)) = self.probes.iter_mut().find(|(k, _)| *k == key) {
                    probe.urgency = probe.urgency.max(urgency);
                    let own = |d: &&mut Demand| d.owner == Owner::Probe && d.key == key;
                    self.fetcher
                        .demands
                        .values_mut()
                        .filter(own)
                        .for_each(|d| d.urgency = d.urgency.max(urgency));
                    self.fetcher.changed();
                    return;
                }
                let playlist = self.is_hls(&key).then(|| {
                    self.playlists += PLAYLIST_BYTES;
                    let number = FIRST_PLAYLIST + self.playlists;
                    self.fetcher.ask_page(self.now, number, PLAYLIST_BYTES, 1.0);
                    number
                });
                self.probes.push((key, Probe { playlist, urgency, asked: Vec::new() }));
            }
            Output::Fetch { demand, key, spans, urgency } => {
                self.fetcher.demand(Demand { owner: Owner::Planner(demand), key, spans, urgency });
            }
            Output::Promote { demand, urgency } => {
                let owner = Owner::Planner(demand);
                if let Some(d) = self.fetcher.demands.values_mut().find(|d| d.owner == owner) {
                    d.urgency = urgency;
                    self.fetcher.changed();
                }
            }
            Output::Cancel { demand } => {
                self.fetcher.changed();
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
                    let known = Known {
                        samples: self.log.samples.get(&key).cloned(),
                        heads: self.log.heads.get(&key).cloned(),
                    };
                    self.players.insert(player, Player::new(player, key, info.clone(), known, self.now));
                }
            }
            StageOutput::Play(id) => {
                if let Some(player) = self.players.get_mut(&id) {
                    let held = self.fetcher.held(&player.key);
                    player.play(self.now, held, self.bps);
                    // A window that it had while nobody watched is worth more now.
                    if let Some(id) = self.fetcher.find(&Owner::Reader(id), &player.key)
                        && let Some(demand) = self.fetcher.demands.get_mut(&id)
                    {
                        demand.urgency = Urgency::Playback;
                        self.fetcher.changed();
                    }
                }
            }
            StageOutput::Pause(id) => {
                let Some(player) = self.players.get_mut(&id) else { return };
                if let Some(demand) = self.fetcher.find(&Owner::Reader(id), &player.key) {
                    self.fetcher.demands.remove(&demand);
                    self.fetcher.changed();
                }
                if let Some(ms) = player.pause(self.now) {
                    self.figures.stall_ms += ms;
                    self.tell(format!("a stall of {ms:.0} ms ends with a swipe"));
                }
            }
            StageOutput::Release(id) => {
                if let Some(player) = self.players.remove(&id)
                    && let Some(demand) = self.fetcher.find(&Owner::Reader(id), &player.key)
                {
                    self.fetcher.demands.remove(&demand);
                    self.fetcher.changed();
                }
            }
        }
    }
}
