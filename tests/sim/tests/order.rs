//! The published policies come out in the published order, and nothing beats the limit.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test"
)]

use unspool_sim::baselines::plan;
use unspool_sim::report::Report;
use unspool_sim::roster::{LIMIT, ROSTER};
use unspool_sim::run;
use unspool_sim::world::{Settings, World};

fn small() -> Settings {
    Settings { shared: None, users: 12, traces: 1, ..Settings::default() }
}

#[test]
fn baselines_stand_in_the_published_order() {
    let world = World::build(&small()).unwrap();
    let results = run::run(&world, ROSTER, 2);
    let report = Report::new(&world, ROSTER, &results, 42, 12, 1);
    let s = |name: &str| report.mean_of(name).unwrap().s;
    let (dashlet, pdas) = (s("dashlet"), s("pdas"));
    let order = [
        ("fixed-preload", s("fixed-preload")),
        ("tiktok-model", s("tiktok-model")),
        ("feed-player", s("feed-player")),
        ("dashlet and pdas", dashlet.min(pdas)),
        ("swipe-oracle", s("swipe-oracle")),
        (LIMIT, s(LIMIT)),
    ];
    for pair in order.windows(2) {
        assert!(pair[0].1 < pair[1].1, "{pair:?}");
    }
    assert!(dashlet.max(pdas) < s("swipe-oracle"));
    for row in &report.rows {
        assert_eq!(row.refused, 0, "{} on {}: {:?}", row.policy, row.class, row.first_refusal);
    }
    // Session by session the limit is the limit, up to what a feasible schedule may miss.
    for (c, class) in world.classes.iter().enumerate() {
        let limit = ROSTER.iter().position(|e| e.name == LIMIT).unwrap();
        for (entry, of) in ROSTER.iter().zip(&results) {
            for (i, played) in of[c].iter().enumerate() {
                let top = results[limit][c][i].score.s;
                assert!(played.score.s <= top + 0.5, "{} beats the limit on {} {i}", entry.name, class.name);
            }
        }
    }
}

#[test]
fn figures_do_not_depend_on_the_number_of_threads() {
    let world = World::build(&Settings { users: 4, ..small() }).unwrap();
    let scores = |threads| {
        let results = run::run(&world, &ROSTER[..8], threads);
        results.iter().flatten().flatten().map(|p| (p.score, p.decisions)).collect::<Vec<_>>()
    };
    assert_eq!(scores(1), scores(5));
}

#[test]
fn the_limit_does_not_move_with_a_wider_beam() {
    let world = World::build(&Settings { users: 2, ..small() }).unwrap();
    for class in &world.classes {
        let score = |width| -> f64 {
            let of = |case| class.truth(case);
            class.cases.iter().map(|c| plan(&c.session, of(c), width).score).sum::<f64>()
                / class.cases.len() as f64
        };
        let (narrow, used, wide) = (score(200), score(600), score(2_400));
        assert!((wide - used).abs() < 0.05, "{}: {narrow} {used} {wide}", class.name);
        assert!(narrow < used + 0.05 && used < narrow + 0.5, "{}: {narrow} {used} {wide}", class.name);
    }
}
