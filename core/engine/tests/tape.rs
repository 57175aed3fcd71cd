//! What is on a tape plays back to the same effects, byte by byte, and what was tampered with does not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers of a test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{SIZE, info};
use unspool_engine::breaker::Choice;
use unspool_engine::feed::LabelUpdate;
use unspool_engine::pipeline::{Manner, Pipeline};
use unspool_engine::planner::{FetchEnd, Output};
use unspool_engine::ranking::RankingPolicy;
use unspool_engine::safety::{Filter, Rules, SafetySettings};
use unspool_engine::session::Signal;
use unspool_engine::stage::StageOutput;
use unspool_engine::tape::{ReplayError, Taped, header, replay};
use unspool_engine::{
    Conditions, Effect, EngineConfig, Item, MediaKey, Millis, Page, PlayerFact, PlayerId, Policy, Span,
    StartClass, Tap, Time, Viewer, Wall,
};

fn item(n: u64) -> Item {
    Item {
        caption: format!("“{n}”, a word with an \u{e9} and a\nsecond line"),
        topics: vec![["tea", "oak", "sea", "sky"][(n % 4) as usize].to_owned()],
        ..common::item(n)
    }
}

/// Swipes through a session of everything a person and a driver do, and gives its tape.
fn session(seed: u64) -> String {
    let config =
        EngineConfig { seed, feed: "for_you".into(), policy: Policy::default(), players: 3, first: None };
    let mut engine = Taped::new(config, Conditions::default(), Some(seed));
    let wall = Wall { unix_ms: 1_790_000_000_000, offset_min: 60 };
    let filter = |hidden: BTreeSet<String>| {
        let filter = Filter::new(&Rules::default(), &SafetySettings::default(), wall).unwrap();
        Arc::new(filter.hiding(hidden))
    };
    let pipeline = Pipeline::new(Arc::new(RankingPolicy::shipped().unwrap()));
    engine.set_policy_version("test", "shipped");
    engine.set_filter(filter(BTreeSet::new()));
    engine.set_ranking(Manner::Profiled, Arc::new(pipeline.clone()));
    engine.handle_start(Time::ZERO, None, BTreeMap::new());
    let (mut lines, mut playing, mut active) = (vec![header()], None::<PlayerId>, 0);
    for turn in 0..120_u64 {
        let now = Time(turn * 333);
        match turn % 12 {
            3 => drop(engine.handle_next(now, wall)),
            5 if turn > 40 => drop(engine.handle_previous(now, wall)),
            6 => engine.handle_viewer(now, wall, Viewer::Tapped(Tap::Like)),
            7 => engine.handle_paused(now, turn % 24 == 7),
            8 => engine.handle_transfer("h", 90_000 + turn, Millis(30), Millis(70)),
            9 => {
                let current = engine.current().and_then(|at| engine.item(at)).map(|item| item.id.clone());
                let _ = engine.handle_signal(now, &Signal::NotInterested(current.unwrap_or_default()));
            }
            10 if turn > 60 => engine.handle_rest(now),
            11 => engine.handle_rest_over(now, wall, true),
            _ => engine.handle_timeout(now),
        }
        match turn {
            50 => engine.handle_filter(now, filter(["i17".to_owned()].into())),
            54 => engine.handle_answer(now, Choice::KeepGoing),
            58 => {
                let mut changed = pipeline.clone();
                assert!(changed.handle_weight("oak", -0.1 + f64::from(turn as u32) / 3e3));
                engine.handle_pipeline(now, Arc::new(changed));
            }
            62 => engine.handle_labels(
                now,
                vec![LabelUpdate {
                    item: "i20".into(),
                    labels: vec!["graphic-media".into()],
                    creator_labels: Vec::new(),
                    gone: false,
                }],
            ),
            70 => engine.handle_conditions(now, wall, Conditions { online: false, ..Conditions::default() }),
            76 => engine.handle_conditions(now, wall, Conditions::default()),
            80 => engine.handle_held(now, &MediaKey::new("a9", "r"), vec![Span::new(0, 9)]),
            90 => engine.handle_players_lost(now),
            95 => engine.handle_refresh(now),
            _ => {}
        }
        if let Some(player) = playing {
            active += 300;
            engine.handle_player(
                now,
                player,
                PlayerFact::Progress { playhead_ms: active % 8_000, active_ms: active },
            );
        }
        while let Some(effect) = engine.poll_output() {
            match effect {
                Effect::Page(request) => {
                    let from: u64 = request.cursor.map_or(0, |c| c.parse().unwrap());
                    let items = (from..from + 12).map(item).collect();
                    let next_cursor = Some((from + 12).to_string());
                    engine.handle_page(now, request.id, Ok(Page { items, next_cursor }));
                }
                Effect::Media(Output::Probe { key, .. }) => {
                    engine.handle_probed(now, &key, &info(), vec![Span::new(0, 1_000)]);
                }
                Effect::Media(Output::Fetch { demand, key, .. }) => {
                    let held = vec![Span::new(0, SIZE)];
                    engine.handle_fetch_end(now, demand, &key, FetchEnd::Done, held, "");
                }
                Effect::Stage(StageOutput::Play(player)) => {
                    (playing, active) = (Some(player), 0);
                    let fact = PlayerFact::FirstFrame {
                        class: StartClass::Cached,
                        latency_ms: 12.3 + turn as f64 / 7.0,
                    };
                    engine.handle_player(now, player, fact);
                }
                Effect::Stage(StageOutput::Release(player)) => playing = playing.filter(|&p| p != player),
                _ => {}
            }
        }
        lines.append(&mut engine.take_lines());
    }
    engine.handle_end(Time(60_000));
    while engine.poll_output().is_some() {}
    lines.append(&mut engine.take_lines());
    lines.join("\n")
}

#[test]
fn a_session_plays_back_to_the_same_bytes() {
    for seed in [1, 7, 42] {
        let tape = session(seed);
        let played = replay(tape.lines()).unwrap();
        assert_eq!(played.difference, None);
        assert_eq!(played.feeds, 1);
        let did = tape.lines().filter(|line| line.contains("\"did\":")).count();
        assert_eq!(played.effects, did as u64);
        assert!(played.facts > 200 && played.effects > 150, "{played:?}");
    }
}

#[test]
fn two_feeds_on_one_tape_do_not_mix() {
    let (one, two) = (session(1), session(2));
    let mut both = vec![one.lines().next().unwrap()];
    let (mut one, mut two) = (one.lines().skip(1), two.lines().skip(1));
    loop {
        match (one.next(), two.next()) {
            (None, None) => break,
            (a, b) => both.extend(a.into_iter().chain(b)),
        }
    }
    let played = replay(both).unwrap();
    assert_eq!((played.feeds, played.difference), (2, None));
}

#[test]
fn what_was_tampered_with_is_told() {
    let tape = session(7);
    let lines: Vec<&str> = tape.lines().collect();
    let differs = |lines: &[&str]| replay(lines.iter().copied()).unwrap().difference;
    let at = |mark: &str| lines.iter().position(|line| line.contains(mark)).unwrap();
    for mark in ["\"next\":{\"now\"", "\"page\":{\"now\"", "\"FirstFrame\"", "\"rest\":{\"now\""] {
        let mut less = lines.clone();
        less.remove(at(mark));
        assert!(differs(&less).is_some(), "without {mark}");
    }
    let effect = at("\"did\":");
    let mut less = lines.clone();
    less.remove(effect);
    assert_eq!(differs(&less).unwrap().line, effect + 1);
    let other = lines[effect].replacen("\"did\":\"", "\"did\":\"Not", 1);
    let mut changed = lines.clone();
    changed[effect] = &other;
    assert_eq!(differs(&changed).unwrap().line, effect + 1);
    // An end that is missing is no difference: the process was killed.
    assert_eq!(differs(&lines[..lines.len() / 2]), None);
    let last = lines[lines.len() - 1];
    let mut torn = lines.clone();
    *torn.last_mut().unwrap() = &last[..last.len() / 2];
    assert!(replay(torn).is_ok());
}

#[test]
fn what_is_no_tape_is_refused() {
    let bare = session(1);
    let lines: Vec<&str> = bare.lines().collect();
    assert_eq!(replay([]), Err(ReplayError::NoTape));
    assert_eq!(replay(["{\"kind\":\"session\"}"]), Err(ReplayError::NoTape));
    assert_eq!(replay(["{\"unspool_tape\":99}"]), Err(ReplayError::Version(99)));
    let begun = [lines[0], lines[2], lines[3]];
    assert_eq!(replay(begun), Err(ReplayError::NoEngine));
    let garbled = [lines[0], "{}", lines[1]];
    assert!(matches!(replay(garbled), Err(ReplayError::Line { number: 2, .. })));
}

#[test]
fn without_a_tape_nothing_is_written() {
    let config =
        EngineConfig { seed: 1, feed: "f".into(), policy: Policy::default(), players: 3, first: None };
    let mut engine = Taped::new(config, Conditions::default(), None);
    engine.handle_start(Time::ZERO, None, BTreeMap::new());
    assert!(engine.poll_output().is_some());
    assert!(engine.take_lines().is_empty());
}
