//! The engine over a feed that answers at once.
//!
//! A world without network or players: pages, layouts, bytes and first pictures come as soon as they are asked for,
//! each as a turn of its own. What is timed is the engine alone: one call and the draining of what it wants done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use unspool_engine::feed::{PageRequest, Step};
use unspool_engine::impression::Write;
use unspool_engine::planner::Output;
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Asset, AudioCodec, Conditions, Container, Creator, Effect, Engine, EngineConfig, FetchEnd, Item, Layout,
    MediaInfo, MediaKey, Millis, Page, PlayerFact, PlayerId, Policy, Rendition, Span, StartClass, Time,
    VideoCodec, Wall,
};

use super::Effort;
use crate::clip::Noise;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};

/// Cards of the measured feed.
const CARDS: u64 = 2_000;
/// Swipes of a week: an eager viewer's three thousand a day.
const WEEK: u64 = 20_000;
/// Playback reports per card.
const REPORTS: u64 = 4;

/// Milliseconds and bytes of a clip of 1.6 Mbit/s.
const CLIP_MS: u64 = 10_000;
const CLIP_BYTES: u64 = 2_000_000;

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    let (mut swipes, mut answers) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds(10, 1) {
        let mut world = World::new(round as u64 + 1, CARDS);
        world.watch(CARDS)?;
        swipes.append(&mut world.swipes);
        answers.append(&mut world.answers);
    }
    let mut weeks = Vec::new();
    for round in 0..effort.rounds(5, 1) {
        let mut world = World::new(round as u64 + 1, u64::MAX);
        let begun = Instant::now();
        world.watch(WEEK)?;
        weeks.push(begun.elapsed().as_secs_f64());
    }
    Ok(vec![
        Row::new("swipe turn, median", "µs", swipes.len(), median(&swipes)),
        Row::new("swipe turn, p99", "µs", swipes.len(), percentile(&swipes, 0.99)).aim("<= 200 µs")?,
        Row::new("answer turn, median", "µs", answers.len(), median(&answers)),
        Row::new("answer turn, p99", "µs", answers.len(), percentile(&answers, 0.99)),
        Row::new("a week: 20,000 swipes with every answer", "s", weeks.len(), median(&weeks)),
    ])
}

/// An engine and everything around it.
struct World {
    engine: Engine,
    now: Time,
    cards: u64,
    info: Arc<MediaInfo>,
    held: BTreeMap<MediaKey, Vec<Span>>,
    wanted: VecDeque<Effect>,
    playing: Option<PlayerId>,
    closed: u64,
    noise: Noise,
    swipes: Vec<f64>,
    answers: Vec<f64>,
}

impl World {
    fn new(seed: u64, cards: u64) -> Self {
        let config = EngineConfig {
            seed,
            feed: "bench".to_owned(),
            policy: Policy::default(),
            players: 3,
            first: None,
        };
        World {
            engine: Engine::new(config, Conditions::default()),
            now: Time::ZERO,
            cards,
            info: Arc::new(layout()),
            held: BTreeMap::new(),
            wanted: VecDeque::new(),
            playing: None,
            closed: 0,
            noise: Noise::new(seed),
            swipes: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Swipes through `cards` of the feed, watching each for a while.
    fn watch(&mut self, cards: u64) -> Result<(), BenchError> {
        self.turn(|engine, now| engine.handle_start(now, None, BTreeMap::new()));
        self.answer();
        for position in 0..cards {
            let wall = Wall { unix_ms: 1_750_000_000_000 + self.now.0 as i64, offset_min: 60 };
            let (step, took) = self.time(|engine, now| engine.handle_next(now, wall));
            if step != Step::Moved(position) {
                return Err(BenchError::step("swiping")(format!("card {position} answered {step:?}")));
            }
            self.swipes.push(took);
            self.answer();
            let watched = 500 + self.noise.below(CLIP_MS - 500);
            for report in 1..=REPORTS {
                self.now = self.now + Millis(watched / REPORTS);
                let at = watched * report / REPORTS;
                if let Some(player) = self.playing {
                    let fact = PlayerFact::Progress { playhead_ms: at, active_ms: at };
                    self.turn(|engine, now| engine.handle_player(now, player, fact));
                    self.answer();
                }
            }
        }
        self.turn(|engine, now| engine.handle_end(now));
        self.answer();
        match self.closed {
            closed if closed == cards => Ok(()),
            closed => Err(BenchError::step("swiping")(format!("{closed} impressions of {cards} cards"))),
        }
    }

    /// One turn of the engine: a call, and draining what it wants. Microseconds.
    fn time<T>(&mut self, call: impl FnOnce(&mut Engine, Time) -> T) -> (T, f64) {
        let begun = Instant::now();
        let value = call(&mut self.engine, self.now);
        while let Some(effect) = self.engine.poll_output() {
            self.wanted.push_back(effect);
        }
        (value, begun.elapsed().as_secs_f64() * 1e6)
    }

    fn turn(&mut self, call: impl FnOnce(&mut Engine, Time)) {
        let ((), took) = self.time(call);
        self.answers.push(took);
    }

    /// Does what the engine wants done until it wants nothing more.
    fn answer(&mut self) {
        while let Some(effect) = self.wanted.pop_front() {
            match effect {
                Effect::Page(request) => {
                    let page = page(&request, self.cards);
                    self.turn(|engine, now| engine.handle_page(now, request.id, Ok(page)));
                }
                Effect::Media(Output::Probe { key, .. }) => {
                    let (info, held) =
                        (Arc::clone(&self.info), self.held.entry(key.clone()).or_default().clone());
                    self.turn(|engine, now| engine.handle_probed(now, &key, &info, held));
                }
                Effect::Media(Output::Fetch { demand, key, spans, .. }) => {
                    let bytes = spans.iter().map(Span::len).sum();
                    let held = self.held.entry(key.clone()).or_default();
                    *held = union(std::mem::take(held), spans);
                    let held = held.clone();
                    self.turn(|engine, now| {
                        engine.handle_transfer("", bytes, Millis(30), Millis(100));
                        engine.handle_fetch_end(now, demand, &key, FetchEnd::Done, held, "");
                    });
                }
                Effect::Stage(StageOutput::Play(player)) => {
                    self.playing = Some(player);
                    let fact = PlayerFact::FirstFrame { class: StartClass::PreRolled, latency_ms: 2.0 };
                    self.turn(|engine, now| engine.handle_player(now, player, fact));
                }
                Effect::Write(Write::Close(_)) => self.closed += 1,
                Effect::Media(Output::Promote { .. } | Output::Cancel { .. })
                | Effect::Stage(_)
                | Effect::Write(Write::Ahead(_))
                | Effect::Save(_)
                | Effect::Forget(_)
                | Effect::Lesson(_)
                | Effect::Notice(_) => {}
            }
        }
    }
}

/// The ranges of both, ascending and disjoint.
fn union(mut spans: Vec<Span>, more: Vec<Span>) -> Vec<Span> {
    spans.extend(more);
    spans.sort();
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}

/// A clip with its headers first and a key picture every half second.
fn layout() -> MediaInfo {
    let header = 12_000;
    let entries = CLIP_MS / 500;
    let index = (0..entries).map(|i| (i * 500, header + i * (CLIP_BYTES - header) / entries)).collect();
    MediaInfo {
        size: CLIP_BYTES,
        layout: Layout::MoovFirst,
        duration_ms: CLIP_MS,
        video: Some(VideoCodec::H264),
        width: 720,
        height: 1280,
        rotation: 0,
        audio: Some(AudioCodec::Aac),
        tracks: Vec::new(),
        headers: vec![Span::new(0, header)],
        index,
    }
}

fn page(request: &PageRequest, cards: u64) -> Page {
    let from: u64 = request.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let to = from.saturating_add(u64::from(request.limit)).min(cards);
    Page { items: (from..to).map(item).collect(), next_cursor: (to < cards).then(|| to.to_string()) }
}

fn item(number: u64) -> Item {
    let rendition = |name: &str, height: u32, bitrate_bps: u64| Rendition {
        id: name.to_owned(),
        width: height * 9 / 16,
        height,
        bitrate_bps,
        container: Container::Mp4,
        url: format!("http://127.0.0.1/{number}/{name}.mp4?signature=0123456789abcdef0123456789abcdef"),
        alternates: Vec::new(),
        bytes: Some(bitrate_bps * CLIP_MS / 8_000),
        expires_at_ms: None,
    };
    Item {
        id: format!("item-{number}"),
        asset: Asset {
            id: format!("asset-{number}"),
            duration_ms: CLIP_MS,
            renditions: vec![rendition("480p", 854, 800_000), rendition("720p", 1280, 1_600_000)],
        },
        creator: Creator {
            id: format!("creator-{}", number % 97),
            handle: "ada".to_owned(),
            name: "Ada".to_owned(),
        },
        topics: vec!["science".to_owned(), "music".to_owned()],
        caption: "A caption of the length that captions have, with a #tag or two".to_owned(),
        retention: vec![(1_000, 0.9), (3_000, 0.6), (6_000, 0.4), (10_000, 0.3)],
        prior: Some(0.5),
        ..Item::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_watched_to_its_end() {
        let mut world = World::new(1, 50);
        world.watch(50).unwrap();
        assert_eq!(world.swipes.len(), 50);
        assert!(world.playing.is_some(), "cards were played");
        assert!(world.held.values().any(|held| !held.is_empty()), "bytes were fetched");
        assert!(World::new(1, 50).watch(51).is_err(), "a feed that ends early is noticed");
    }

    #[test]
    fn ranges_are_joined() {
        let joined = union(vec![Span::new(0, 10)], vec![Span::new(10, 20), Span::new(30, 40)]);
        assert_eq!(joined, vec![Span::new(0, 20), Span::new(30, 40)]);
    }
}
