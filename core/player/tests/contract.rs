//! One suite for every set of players: what is asked of the pipelines here is asked of a platform's players too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

mod gateway;
mod playbin;
mod support;

use gateway::World;
use playbin::Playbins;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Clip, LONG, MOVING, clip};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use unspool_media::MediaInfo;
use unspool_player::platform::PlatformPool;
use unspool_player::{
    MediaFrom, PlayerConfig, PlayerError, PlayerEvent, PlayerId, PlayerState, Players, SeekMode, StartClass,
};

const A: PlayerId = PlayerId(1);
const B: PlayerId = PlayerId(2);

/// A set of players under test, and media that it can read.
trait Kind {
    fn open(&self, config: PlayerConfig, events: UnboundedSender<PlayerEvent>) -> Box<dyn Players>;
    fn media(&self, clip: &Clip) -> (MediaFrom, Arc<MediaInfo>);
    /// Media of which not one byte can be had.
    fn broken(&self, clip: &Clip) -> (MediaFrom, Arc<MediaInfo>);
    /// Media that these players cannot read.
    fn foreign(&self) -> MediaFrom;
}

struct Stage {
    players: Box<dyn Players>,
    inbox: UnboundedReceiver<PlayerEvent>,
    seen: Vec<PlayerEvent>,
}

impl Stage {
    fn open(kind: &dyn Kind, config: PlayerConfig) -> Self {
        let (events, inbox) = unbounded_channel();
        Self { players: kind.open(config, events), inbox, seen: Vec::new() }
    }

    fn wait<T>(&mut self, mut want: impl FnMut(&PlayerEvent) -> Option<T>) -> T {
        let until = Instant::now() + LONG;
        loop {
            match self.inbox.try_recv() {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if let Some(found) = want(&event) {
                        return found;
                    }
                }
                Err(_) if Instant::now() < until => std::thread::park_timeout(Duration::from_millis(1)),
                Err(error) => panic!("the event did not come ({error}); seen: {:#?}", self.seen),
            }
        }
    }

    fn first_frame(&mut self) -> (StartClass, f64) {
        self.wait(|event| match event {
            PlayerEvent::FirstFrame { class, latency_ms, .. } => Some((*class, *latency_ms)),
            _ => None,
        })
    }

    fn prerolled(&mut self) {
        self.wait(|event| matches!(event, PlayerEvent::PreRolled { .. }).then_some(()));
    }

    fn state(&self) -> PlayerState {
        self.players.snapshot(A).unwrap().state
    }

    fn until(&self, mut holds: impl FnMut(&unspool_player::PlayerSnapshot) -> bool) {
        let until = Instant::now() + LONG;
        loop {
            let facts = self.players.snapshot(A).unwrap();
            if holds(&facts) {
                return;
            }
            assert!(Instant::now() < until, "it never held: {facts:?}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

fn suite(kind: &dyn Kind) {
    let clip = clip(MOVING, 2.0, true);
    plays_pauses_and_jumps(kind, &clip);
    starts_over(kind, &clip);
    ends(kind, &clip);
    fails(kind, &clip);
    keeps_its_bounds(kind, &clip);
}

fn plays_pauses_and_jumps(kind: &dyn Kind, clip: &Clip) {
    let mut stage = Stage::open(kind, PlayerConfig { loop_playback: false, ..PlayerConfig::default() });
    let (from, info) = kind.media(clip);
    stage.players.prepare(A, from, info).unwrap();
    stage.prerolled();
    assert_eq!(stage.state(), PlayerState::PreRolled);
    assert_eq!(stage.players.snapshot(A).unwrap().frames, 0, "a pre-rolled picture is not a shown one");
    let begun = Instant::now();
    stage.players.play(A).unwrap();
    let (class, latency) = stage.first_frame();
    assert_eq!(class, StartClass::PreRolled);
    assert!(latency < 1000.0, "{latency}");
    stage.until(|s| s.position_ms >= 300);
    let facts = stage.players.snapshot(A).unwrap();
    assert_eq!(facts.state, PlayerState::Playing);
    assert!(facts.active_ms > 0 && facts.active_ms <= begun.elapsed().as_millis() as u64 + 200, "{facts:?}");

    stage.players.pause(A).unwrap();
    assert_eq!(stage.state(), PlayerState::Paused);
    stage.players.set_muted(A, true).unwrap();
    stage.players.set_volume(A, 0.5).unwrap();
    assert!(matches!(stage.players.set_volume(A, 2.0), Err(PlayerError::Invalid { .. })));
    assert!(matches!(stage.players.set_rate(A, 9.0), Err(PlayerError::Invalid { .. })));
    let active = stage.players.snapshot(A).unwrap().active_ms;
    stage.players.seek(A, 1500, SeekMode::Accurate).unwrap();
    stage.players.play(A).unwrap();
    stage.until(|s| s.position_ms >= 1600);
    let facts = stage.players.snapshot(A).unwrap();
    assert!(facts.active_ms < active + 800, "a jump of over a second is not watched: {active} {facts:?}");
    let frames = stage.seen.iter().filter(|e| matches!(e, PlayerEvent::FirstFrame { .. })).count();
    assert_eq!(frames, 1, "to go on is no start");

    stage.players.park(A).unwrap();
    assert_eq!(stage.state(), PlayerState::Parked);
    stage.players.play(A).unwrap();
    assert_eq!(stage.first_frame().0, StartClass::PreRolled);
    stage.players.release(A).unwrap();
    assert!(stage.players.snapshot(A).is_none());
    let clean = stage.wait(|event| match event {
        PlayerEvent::Released { reached_null, .. } => Some(*reached_null),
        _ => None,
    });
    assert!(clean);
    assert!(stage.players.shutdown(LONG));
    assert!(stage.inbox.try_recv().is_err(), "nothing comes after Released");
}

fn starts_over(kind: &dyn Kind, clip: &Clip) {
    let mut stage = Stage::open(kind, PlayerConfig::default());
    let (from, info) = kind.media(clip);
    stage.players.prepare(A, from, info).unwrap();
    stage.players.play(A).unwrap();
    let (class, _) = stage.first_frame();
    assert!(class == StartClass::Cached || class == StartClass::Cold, "{class:?}");
    stage.players.seek(A, 1600, SeekMode::Keyframe).unwrap();
    let loops = stage.wait(|event| match event {
        PlayerEvent::Looped { loops, .. } => Some(*loops),
        _ => None,
    });
    assert_eq!((loops, stage.players.snapshot(A).unwrap().loops), (1, 1));
    assert!(stage.players.shutdown(LONG));
}

fn ends(kind: &dyn Kind, clip: &Clip) {
    let mut stage = Stage::open(kind, PlayerConfig { loop_playback: false, ..PlayerConfig::default() });
    let (from, info) = kind.media(clip);
    stage.players.prepare(A, from, info).unwrap();
    stage.players.play(A).unwrap();
    stage.first_frame();
    let active = stage.wait(|event| match event {
        PlayerEvent::Ended { active_ms, .. } => Some(*active_ms),
        _ => None,
    });
    assert!((1500..=2300).contains(&active), "{active} of 2000 ms were watched");
    assert_eq!(stage.state(), PlayerState::Ended);
    stage.players.play(A).unwrap();
    stage.first_frame();
    assert_eq!(stage.state(), PlayerState::Playing);
    assert!(stage.players.shutdown(LONG));
}

fn fails(kind: &dyn Kind, clip: &Clip) {
    let mut stage = Stage::open(kind, PlayerConfig::default());
    let (from, info) = kind.broken(clip);
    stage.players.prepare(A, from, info).unwrap();
    stage.players.play(A).unwrap();
    let (error, recoverable) = stage.wait(|event| match event {
        PlayerEvent::Error { error, recoverable, .. } => Some((error.clone(), *recoverable)),
        _ => None,
    });
    assert!(matches!(error, PlayerError::Source { .. }) && recoverable, "{error:?}");
    assert_eq!(stage.state(), PlayerState::Failed);
    stage.players.play(A).unwrap();
    assert_eq!(stage.state(), PlayerState::Failed, "what has failed stays so");
    stage.players.release(A).unwrap();
    stage.wait(|event| matches!(event, PlayerEvent::Released { .. }).then_some(()));
    assert!(stage.players.shutdown(LONG));
    let errors = stage.seen.iter().filter(|e| matches!(e, PlayerEvent::Error { .. })).count();
    assert_eq!(errors, 1, "{:?}", stage.seen);
}

fn keeps_its_bounds(kind: &dyn Kind, clip: &Clip) {
    let stage = Stage::open(kind, PlayerConfig { max_players: 1, ..PlayerConfig::default() });
    let prepare = |id| {
        let (from, info) = kind.media(clip);
        stage.players.prepare(id, from, info)
    };
    assert!(matches!(
        stage.players.prepare(A, kind.foreign(), clip.info.clone()),
        Err(PlayerError::Invalid { .. })
    ));
    let mute = Arc::new(MediaInfo { video: None, ..(*clip.info).clone() });
    assert_eq!(stage.players.prepare(A, kind.media(clip).0, mute), Err(PlayerError::NoVideo));
    prepare(A).unwrap();
    assert_eq!(prepare(A), Err(PlayerError::AlreadyPrepared { id: 1 }));
    assert_eq!(prepare(B), Err(PlayerError::PoolFull { max: 1 }));
    assert_eq!(stage.players.play(B), Err(PlayerError::NoSuchPlayer { id: 2 }));
    assert_eq!(stage.players.release(B), Err(PlayerError::NoSuchPlayer { id: 2 }));
    assert!(stage.players.shutdown(LONG));
    assert!(stage.players.shutdown(LONG), "twice is once");
    assert_eq!(prepare(B), Err(PlayerError::Closed));
    let counts = stage.players.counts();
    assert_eq!((counts.alive, counts.abandoned, counts.hangs, counts.released), (0, 0, 0, 1));
}

#[cfg(feature = "gstreamer")]
struct Pipelines;

#[cfg(feature = "gstreamer")]
impl Kind for Pipelines {
    fn open(&self, config: PlayerConfig, events: UnboundedSender<PlayerEvent>) -> Box<dyn Players> {
        Box::new(unspool_player::PlayerPool::open(config, events).unwrap())
    }

    fn media(&self, clip: &Clip) -> (MediaFrom, Arc<MediaInfo>) {
        (MediaFrom::Source(support::Script::new(clip.bytes.clone())), clip.info.clone())
    }

    fn broken(&self, clip: &Clip) -> (MediaFrom, Arc<MediaInfo>) {
        let source = support::Script::new(clip.bytes.clone());
        source.fail_at(0);
        (MediaFrom::Source(source), clip.info.clone())
    }

    fn foreign(&self) -> MediaFrom {
        MediaFrom::Address("http://127.0.0.1/".to_owned())
    }
}

#[cfg(feature = "gstreamer")]
#[test]
fn the_pipelines_of_this_crate_keep_the_contract() {
    suite(&Pipelines);
}

impl Kind for World {
    fn open(&self, config: PlayerConfig, events: UnboundedSender<PlayerEvent>) -> Box<dyn Players> {
        Box::new(PlatformPool::open(Arc::new(Playbins), config, events).unwrap())
    }

    fn media(&self, clip: &Clip) -> (MediaFrom, Arc<MediaInfo>) {
        let (info, address) = self.publish(clip.bytes.clone());
        (MediaFrom::Address(address), info)
    }

    fn broken(&self, clip: &Clip) -> (MediaFrom, Arc<MediaInfo>) {
        let (info, address) = self.publish(clip.bytes.clone());
        (MediaFrom::Address(format!("{address}.gone")), info)
    }

    fn foreign(&self) -> MediaFrom {
        MediaFrom::Source(support::Script::new(vec![0; 8]))
    }
}

#[test]
fn players_of_the_platform_keep_the_contract_over_the_gateway() {
    let world = World::new();
    suite(&world);
    world.shut_down();
}
