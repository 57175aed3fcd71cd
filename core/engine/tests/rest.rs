//! Sessions that rest, and sessions in which nothing moves without a tap, at random.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{SIZE, info, item};
use unspool_engine::feed::Step;
use unspool_engine::impression::Write;
use unspool_engine::planner::{FetchEnd, Output};
use unspool_engine::stage::StageOutput;
use unspool_engine::{
    Conditions, Effect, Engine, EngineConfig, Exit, Millis, Page, PlayerFact, PlayerId, Policy, Span,
    StartClass, Time, Viewer, Wall,
};

/// A small generator of choices (SplitMix64); a seed is a session.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// Answers every effect at once and remembers what was begun.
struct World {
    engine: Engine,
    now: Time,
    plays: u64,
    pages: u64,
    playing: Option<PlayerId>,
    exits: Vec<Exit>,
}

impl World {
    fn new(seed: u64) -> Self {
        let config =
            EngineConfig { seed, feed: "for_you".into(), policy: Policy::default(), players: 3, first: None };
        let engine = Engine::new(config, Conditions::default());
        World { engine, now: Time::ZERO, plays: 0, pages: 0, playing: None, exits: Vec::new() }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.engine.poll_output() {
            match effect {
                Effect::Page(request) => {
                    self.pages += 1;
                    let from: u64 = request.cursor.map_or(0, |c| c.parse().unwrap());
                    let items = (from..from + 12).map(item).collect();
                    let next_cursor = Some((from + 12).to_string());
                    self.engine.handle_page(self.now, request.id, Ok(Page { items, next_cursor }));
                }
                Effect::Media(Output::Probe { key, .. }) => {
                    self.engine.handle_probed(self.now, &key, &info(), vec![Span::new(0, 1_000)]);
                }
                Effect::Media(Output::Fetch { demand, key, .. }) => {
                    let held = vec![Span::new(0, SIZE)];
                    self.engine.handle_fetch_end(self.now, demand, &key, FetchEnd::Done, held, "");
                }
                Effect::Stage(StageOutput::Play(player)) => {
                    self.plays += 1;
                    self.playing = Some(player);
                }
                Effect::Stage(StageOutput::Pause(player) | StageOutput::Release(player)) => {
                    self.playing = self.playing.filter(|&p| p != player);
                }
                Effect::Write(Write::Close(record)) => self.exits.extend(record.exit),
                _ => {}
            }
        }
    }

    fn wall(&self) -> Wall {
        Wall { unix_ms: 1_774_612_800_000 + self.now.0 as i64, offset_min: 0 }
    }

    /// Everything a shell may do, but for letting the card run; says whether it moved.
    fn act(&mut self, dice: &mut Dice) -> bool {
        self.now = self.now + Millis(dice.roll(4_000));
        let (now, wall) = (self.now, self.wall());
        let mut moved = false;
        match dice.roll(11) {
            0..=3 => moved = matches!(self.engine.handle_next(now, wall), Step::Moved(_)),
            4 => moved = matches!(self.engine.handle_previous(now, wall), Step::Moved(_)),
            5 => {
                for foreground in [false, true] {
                    self.engine.handle_conditions(
                        now,
                        wall,
                        Conditions { foreground, ..Conditions::default() },
                    );
                }
            }
            6 => {
                self.engine.handle_viewer(now, wall, Viewer::Left(Exit::Comments));
                self.engine.handle_viewer(now, wall, Viewer::Returned);
            }
            7 => self.engine.handle_players_lost(now),
            8 => {
                if let Some(player) = self.engine.current().and_then(|c| self.engine.stage().player(c)) {
                    let fact = PlayerFact::Failed { reason: "gone".into(), recoverable: true };
                    self.engine.handle_player(now, player, fact);
                }
            }
            9 => self.engine.handle_timeout(now),
            _ => {
                for online in [false, true] {
                    self.engine.handle_conditions(now, wall, Conditions { online, ..Conditions::default() });
                }
            }
        }
        self.drain();
        moved
    }
}

#[test]
fn without_autoplay_nothing_plays_by_itself_in_a_thousand_sessions() {
    let (mut moves, mut taps) = (0_u64, 0_u64);
    for seed in 0..1_000 {
        let (mut dice, mut world) = (Dice(seed), World::new(seed));
        world.engine.handle_autoplay(world.now, false);
        world.engine.handle_start(world.now, None, Default::default());
        world.drain();
        for _ in 0..30 {
            moves += u64::from(world.act(&mut dice));
            assert_eq!(world.plays, 0, "session {seed} played by itself");
        }
        // A tap plays this card, and not the next one.
        if world.engine.current().is_some()
            && world.engine.stage().player(world.engine.current().unwrap()).is_some()
        {
            taps += 1;
            world.engine.handle_paused(world.now, false);
            world.drain();
            assert_eq!(world.plays, 1, "session {seed}");
            if let Step::Moved(_) = world.engine.handle_next(world.now, world.wall()) {
                world.drain();
                assert_eq!((world.plays, world.playing), (1, None), "session {seed}");
            }
        }
    }
    assert!(moves > 5_000 && taps > 700, "{moves} moves, {taps} taps: too few to say anything");
}

#[test]
fn while_it_rests_nothing_moves_plays_or_is_asked_for() {
    for seed in 0..200 {
        let (mut dice, mut world) = (Dice(seed), World::new(seed));
        world.engine.handle_start(world.now, None, Default::default());
        world.drain();
        for _ in 0..5 + dice.roll(20) {
            world.act(&mut dice);
        }
        world.engine.handle_rest(world.now);
        world.drain();
        let (at, plays, pages) = (world.engine.current(), world.plays, world.pages);
        assert_eq!(world.playing, None, "session {seed} still plays");
        for _ in 0..40 {
            assert!(!world.act(&mut dice));
            world.engine.handle_paused(world.now, false);
            assert_eq!(world.engine.handle_next(world.now, world.wall()), Step::Resting);
            world.drain();
            assert_eq!((world.engine.current(), world.plays, world.pages), (at, plays, pages), "{seed}");
        }
        world.engine.handle_rest_over(world.now, world.wall(), true);
        world.drain();
        let player = at.and_then(|at| world.engine.stage().player(at));
        assert_eq!(world.playing, player, "session {seed} goes on where it stood");
        assert!(matches!(world.engine.handle_next(world.now, world.wall()), Step::Moved(_)));
    }
}

#[test]
fn a_rest_ends_the_viewing_and_another_begins() {
    let mut world = World::new(1);
    world.engine.handle_start(world.now, None, Default::default());
    world.drain();
    world.engine.handle_next(world.now, world.wall());
    world.drain();
    let player = world.playing.unwrap();
    world.engine.handle_player(
        world.now,
        player,
        PlayerFact::FirstFrame { class: StartClass::Cold, latency_ms: 1.0 },
    );
    world.now = Time(2_000);
    world.engine.handle_rest(world.now);
    world.engine.handle_rest(world.now);
    world.drain();
    assert_eq!(world.exits, [Exit::LoopBreak]);
    world.engine.handle_rest_over(world.now, world.wall(), false);
    world.engine.handle_next(world.now, world.wall());
    world.drain();
    assert_eq!(world.exits, [Exit::LoopBreak], "no viewing of the card that stood");
    assert_eq!(world.engine.current(), Some(1));
}
