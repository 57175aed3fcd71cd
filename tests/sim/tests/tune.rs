//! The search for the planner's numbers is repeatable, stays within bounds, and refuses what it does not know.
#![allow(clippy::unwrap_used, reason = "a test")]

use unspool_engine::planner::Policy;
use unspool_sim::knobs::{self, KNOBS, Knob};
use unspool_sim::tune::{Course, Search, search};
use unspool_sim::world::Settings;

fn course(threads: usize) -> Course {
    let settings = Settings { shared: None, users: 2, traces: 1, ..Settings::default() };
    Course::new(&settings, &[7], &["markov-low".into(), "markov-high".into()], "pdas", threads).unwrap()
}

#[test]
fn a_search_gives_the_same_answer_each_time_and_betters_a_bad_start() {
    let searched: Vec<&Knob> = ["speed", "spread_base"].iter().map(|n| knobs::find(n).unwrap()).collect();
    let start = knobs::changed(&["speed=1.3".into(), "spread_base=0.6".into()]).unwrap();
    let how = Search { rounds: 4, candidates: 8, step: 0.2, seed: 1 };
    let run = |threads| {
        let mut told = Vec::new();
        let found = search(&course(threads), &searched, &start, how, &mut told).unwrap();
        (found, String::from_utf8(told).unwrap())
    };
    let (found, told) = run(1);
    assert_eq!((found.clone(), told.clone()), run(2));
    assert_eq!(told.matches("round").count(), 4);
    let worths = course(2).judge(&[start, found]);
    assert!(worths[1].fitness > worths[0].fitness, "{worths:?}");
}

#[test]
fn every_number_can_be_set_within_its_bounds() {
    for knob in KNOBS {
        let shipped = knob.get(&Policy::default());
        assert!((knob.low..=knob.high).contains(&shipped), "{} ships as {shipped}", knob.name);
        let policy = knobs::changed(&[format!("{}={}", knob.name, knob.high + 1.0)]).unwrap();
        assert!((knob.get(&policy) - knob.high).abs() < 1e-12, "{}", knob.name);
        for other in KNOBS.iter().filter(|o| o.name != knob.name) {
            assert!((other.get(&policy) - other.get(&Policy::default())).abs() < 1e-12, "{}", other.name);
        }
    }
    for wrong in ["speed", "speed=fast", "warp=9"] {
        assert!(knobs::changed(&[wrong.into()]).is_err(), "{wrong}");
    }
}
