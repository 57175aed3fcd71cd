//! The learner as a whole.

use proptest::prelude::*;

use super::*;
use crate::ranking::{InterestWeights, LabelWeights, RankingPolicy, RidgeWeights};

fn fresh() -> Learner {
    Learner::new(RankingPolicy::shipped().unwrap().learner)
}

fn names(topics: &[&str]) -> Vec<String> {
    topics.iter().map(|t| (*t).to_owned()).collect()
}

const SKIP: Viewing = Viewing { active_ms: 500, ..NOTHING };
const WHOLE: Viewing = Viewing { active_ms: 20_000, ..NOTHING };
const NOTHING: Viewing = Viewing {
    active_ms: 0,
    liked: false,
    shared: false,
    saved: false,
    commented: false,
    followed: false,
    not_interested: false,
    hid_creator: false,
    reported: false,
};

fn clip<'a>(topics: &'a [String], creator: &'a str, vector: &'a [f64]) -> Clip<'a> {
    let vector = (!vector.is_empty()).then_some(Vector { space: 1, values: vector });
    Clip { prior: Some(0.4), topics, creator, duration_ms: 20_000, vector, lift: 0.0 }
}

#[test]
fn nothing_learnt_is_the_servers_order() {
    let learner = fresh();
    let topics = names(&["a"]);
    let clips: Vec<Clip<'_>> = [0.2, 0.9, 0.9, f64::NAN, 7.0]
        .iter()
        .map(|&p| Clip { prior: Some(p), ..clip(&topics, "c", &[]) })
        .collect();
    // A prior above one is taken as one, and what is no number as unknown.
    assert_eq!(learner.rank(&clips), [4, 1, 2, 3, 0]);
}

#[test]
fn interests_count_at_first_and_viewings_override_them() {
    let (chosen, other) = (names(&["chosen"]), names(&["other"]));
    let mut learner = fresh();
    learner.handle_interests(names(&["chosen"]));
    let lead = |l: &Learner| l.score(&clip(&chosen, "a", &[])) - l.score(&clip(&other, "b", &[]));
    assert!(lead(&learner) > 0.05, "{}", lead(&learner));
    for _ in 0..20 {
        learner.handle_viewing(&clip(&chosen, "a", &[]), &SKIP);
        learner.handle_viewing(&clip(&other, "b", &[]), &WHOLE);
    }
    assert!(lead(&learner) < -0.05, "{}", lead(&learner));
    assert_eq!(learner.interests().len(), 1, "the choice itself stays as it was made");
}

#[test]
fn one_refusal_outweighs_several_good_viewings() {
    let topics = names(&["a"]);
    let mut learner = fresh();
    let neutral = learner.score(&clip(&topics, "x", &[]));
    for _ in 0..3 {
        learner.handle_viewing(&clip(&topics, "c", &[]), &WHOLE);
    }
    assert!(learner.score(&clip(&topics, "x", &[])) > neutral);
    learner.handle_viewing(&clip(&topics, "d", &[]), &Viewing { not_interested: true, ..WHOLE });
    assert!(learner.score(&clip(&topics, "x", &[])) < neutral);
}

#[test]
fn settings_count_at_once_and_go_away() {
    let topics = names(&["a", "b"]);
    let mut learner = fresh();
    let before = learner.score(&clip(&topics, "c", &[]));
    assert!(learner.handle_setting("a", 2.0), "more than all is all");
    assert_eq!(learner.settings().get("a"), Some(&1.0));
    assert!(learner.score(&clip(&topics, "c", &[])) > before);
    assert!(learner.handle_setting("a", 0.0));
    assert!(!learner.handle_setting("a", f64::NAN) && !learner.handle_setting("", 1.0));
    assert_eq!(learner.score(&clip(&topics, "c", &[])), before);
    for i in 0..2 * MAX_SETTINGS {
        learner.handle_setting(&format!("t{i}"), 0.5);
    }
    assert_eq!(learner.settings().len(), MAX_SETTINGS);
}

#[test]
fn reset_keeps_what_was_said_and_erase_keeps_nothing() {
    let topics = names(&["a"]);
    let mut learner = fresh();
    learner.handle_interests(names(&["a"]));
    learner.handle_setting("b", -1.0);
    learner.handle_viewing(&clip(&topics, "canary", &[1.0; 8]), &WHOLE);
    learner.handle_reset();
    assert_eq!((learner.viewings(), learner.interests().len(), learner.settings().len()), (0, 1, 1));
    assert!(!String::from_utf8(learner.export().unwrap()).unwrap().contains("canary"));
    learner.handle_erase();
    assert_eq!(learner, fresh());
}

#[test]
fn the_card_says_what_is_believed() {
    let (good, bad) = (names(&["cooking"]), names(&["cars"]));
    let mut learner = fresh();
    learner.handle_interests(names(&["music"]));
    for _ in 0..10 {
        learner.handle_viewing(&clip(&good, "ada", &[]), &WHOLE);
        learner.handle_viewing(&clip(&bad, "bob", &[]), &SKIP);
    }
    let card = learner.learner_card();
    assert_eq!(card.viewings, 20);
    assert!(card.words.contains("longer than expected: cooking."), "{}", card.words);
    assert!(card.words.contains("Shorter: cars."), "{}", card.words);
    assert!(card.words.contains("You chose: music."), "{}", card.words);
    assert!(card.creators.iter().any(|l| l.about == "ada" && l.amount > 0.0));
    // What the card says is what a score is made of.
    let line = card.topics.iter().find(|l| l.about == "cars").unwrap();
    let part = learner.contributions(&clip(&bad, "nobody", &[]));
    let amount = part.iter().find(|c| c.factor == Factor::Topic("cars".into())).unwrap().amount;
    assert!((line.amount - amount).abs() < 1e-12);
}

#[test]
fn a_damaged_state_is_a_typed_error() {
    let weights = fresh().weights;
    let mut learner = fresh();
    let topics = names(&["a"]);
    learner.handle_viewing(&clip(&topics, "c", &[0.5; 8]), &WHOLE);
    let good = String::from_utf8(learner.export().unwrap()).unwrap();
    let read = |text: &str| Learner::restore(weights.clone(), text.as_bytes());
    assert_eq!(read(&good).unwrap(), learner);
    assert!(matches!(read(&good[..good.len() / 2]), Err(StateError::Format(_))));
    assert!(matches!(read(""), Err(StateError::Format(_))));
    assert!(matches!(read(&good.replace("\"version\":1", "\"version\":9")), Err(StateError::Version(9))));
    assert!(matches!(
        read(&good.replace("\"dimensions\":8", "\"dimensions\":9")),
        Err(StateError::Unsound(_))
    ));
    assert!(matches!(
        read(&good.replace("\"dimensions\":8", "\"dimensions\":99999")),
        Err(StateError::Unsound(_))
    ));
    assert!(matches!(read(&good.replace("\"weight\":1.0", "\"weight\":-1.0")), Err(StateError::Unsound(_))));
    assert!(matches!(read(&good.replace("\"viewings\"", "\"views\"")), Err(StateError::Format(_))));
    assert!(matches!(read(&" ".repeat(MAX_STATE_BYTES + 1)), Err(StateError::TooLong(_))));
}

/// Weights of this test alone, so that a policy can be tuned without touching what is compared bit by bit.
fn fixed() -> LearnerWeights {
    let taste = |weight, pretended, keep| TasteWeights { weight, pretended, chance: 0.5, keep };
    LearnerWeights {
        unknown_prior: 0.3,
        most: 0.6,
        label: LabelWeights {
            long_view_ms: 18_000,
            skip_ms: 3_000,
            partial: 0.5,
            like: 0.2,
            share: 0.3,
            save: 0.3,
            comment: 0.1,
            follow: 0.3,
        },
        ridge: RidgeWeights { weight: 1.0, strength: 1.5, level_strength: 5.0, keep: 0.995 },
        topic: taste(1.0, 3.0, 0.95),
        creator: taste(0.5, 4.0, 0.97),
        length: taste(0.3, 10.0, 0.97),
        interest: InterestWeights { viewings: 3.0, lean: 0.5 },
        refusal_viewings: 4.0,
        setting: 0.5,
    }
}

/// A long life, the same on every machine.
fn long_life() -> Learner {
    let mut learner = Learner::new(fixed());
    let mut noise = 1_u64;
    let mut draw = |below: u64| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 33) % below
    };
    learner.handle_interests(names(&["t3", "t9"]));
    for _ in 0..2_000 {
        let topics = vec![format!("t{}", draw(40)), format!("t{}", draw(40))];
        let creator = format!("c{}", draw(900));
        let vector: Vec<f64> = (0..8).map(|_| draw(2_001) as f64 / 1_000.0 - 1.0).collect();
        let clip = Clip {
            prior: Some(draw(1_000) as f64 / 1_000.0),
            topics: &topics,
            creator: &creator,
            duration_ms: 1_000 + draw(200_000),
            vector: Some(Vector { space: 1, values: &vector }),
            lift: 0.0,
        };
        let viewing = Viewing {
            active_ms: draw(60_000),
            liked: draw(20) == 0,
            not_interested: draw(50) == 0,
            ..Viewing::default()
        };
        learner.handle_viewing(&clip, &viewing);
    }
    learner
}

#[test]
fn the_same_bits_on_every_machine() {
    let bytes = long_life().export().unwrap();
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
    assert_eq!(hash, GOLDEN, "a change of the arithmetic changes this; nothing else may");
}

const GOLDEN: u64 = 11_848_119_990_944_121_645;

#[test]
fn memory_is_bounded() {
    let learner = long_life();
    assert!(learner.bytes() < 150_000, "{}", learner.bytes());
    assert!(learner.export().unwrap().len() < MAX_STATE_BYTES / 4);
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -2.0..2.0_f64, Just(f64::NAN), Just(f64::INFINITY), Just(0.0)]
}

#[derive(Debug, Clone)]
struct Told {
    prior: Option<f64>,
    topics: Vec<String>,
    creator: String,
    duration_ms: u64,
    space: u32,
    vector: Option<Vec<f64>>,
    viewing: Viewing,
    lift: f64,
}

impl Told {
    fn clip(&self) -> Clip<'_> {
        Clip {
            prior: self.prior,
            topics: &self.topics,
            creator: &self.creator,
            duration_ms: self.duration_ms,
            vector: self.vector.as_deref().map(|values| Vector { space: self.space, values }),
            lift: self.lift,
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![(0..6_u8).prop_map(|i| format!("n{i}")), Just(String::new()), Just("long".repeat(60))]
}

fn told() -> impl Strategy<Value = Told> {
    let viewing =
        (prop_oneof![any::<u64>(), 0..30_000_u64], any::<[bool; 8]>()).prop_map(|(active_ms, b)| Viewing {
            active_ms,
            liked: b[0],
            shared: b[1],
            saved: b[2],
            commented: b[3],
            followed: b[4],
            not_interested: b[5] && b[0],
            hid_creator: b[6] && b[1],
            reported: b[7] && b[2],
        });
    (
        prop::option::of(any_number()),
        prop::collection::vec(name(), 0..20),
        name(),
        prop_oneof![any::<u64>(), 0..300_000_u64],
        0..2_u32,
        prop::option::of(prop_oneof![
            prop::collection::vec(-2.0..2.0_f64, 8),
            prop::collection::vec(any_number(), 0..40)
        ]),
        viewing,
        any_number(),
    )
        .prop_map(|(prior, topics, creator, duration_ms, space, vector, viewing, lift)| Told {
            prior,
            topics,
            creator,
            duration_ms,
            space,
            vector,
            viewing,
            lift,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_told_scores_are_numbers_that_add_up(all in prop::collection::vec(told(), 1..40)) {
        let mut learner = fresh();
        learner.handle_interests(names(&["n1"]));
        learner.handle_setting("n2", -0.5);
        for t in &all {
            learner.handle_viewing(&t.clip(), &t.viewing);
        }
        let restored = Learner::restore(learner.weights.clone(), &learner.export().unwrap()).unwrap();
        prop_assert_eq!(&restored, &learner);
        let most = learner.weights.most + 2.0 + learner.weights.setting;
        for pair in all.windows(2) {
            let (a, b) = (pair[0].clip(), pair[1].clip());
            let score = learner.score(&a);
            prop_assert!(score.is_finite() && score.abs() <= most + 1e-9, "{}", score);
            let parts: f64 = learner.contributions(&a).iter().map(|c| c.amount).sum();
            prop_assert!((parts - score).abs() < 1e-9);
            let why = learner.why(&a, &b);
            let sum: f64 = why.contributions.iter().map(|c| c.amount).sum();
            prop_assert!((sum - why.difference).abs() < 1e-9);
            prop_assert!((why.difference - (score - learner.score(&b))).abs() < 1e-9);
        }
        let clips: Vec<Clip<'_>> = all.iter().map(Told::clip).collect();
        let mut order = learner.rank(&clips);
        prop_assert!(order.windows(2).all(|w| learner.score(&clips[w[0]]) >= learner.score(&clips[w[1]])));
        order.sort_unstable();
        prop_assert_eq!(order, (0..clips.len()).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..4_000_usize, with in any::<u8>()) {
        let weights = fresh().weights;
        let _ = Learner::restore(weights.clone(), &bytes);
        let mut good = long_life_bytes().to_vec();
        let place = at % good.len();
        good[place] = with;
        if let Ok(learner) = Learner::restore(weights, &good) {
            let topics = names(&["t1"]);
            prop_assert!(learner.score(&clip(&topics, "c1", &[0.1; 8])).is_finite());
        }
    }
}

fn long_life_bytes() -> &'static [u8] {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| long_life().export().unwrap())
}
