//! The pipeline as a whole: what leaves the server's order alone, what moves it, and what is kept.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::breaker::{Choice, Moment};
use crate::learner::Viewing;
use crate::ranking::RankingPolicy;

fn policy() -> Arc<RankingPolicy> {
    Arc::new(RankingPolicy::shipped().unwrap())
}

fn facts(topic: &str, creator: usize, prior: Option<f64>) -> Facts {
    Facts {
        prior,
        topics: vec![topic.to_owned()],
        creator: format!("c{creator}"),
        duration_ms: 20_000,
        vector: None,
    }
}

fn candidates(all: &[Facts]) -> Vec<Candidate<'_>> {
    all.iter().map(|f| Candidate { id: &f.creator, clip: f.clip(), sound: None }).collect()
}

const EVENING: Moment = Moment { local_min: 1_200, session_ms: 60_000, may_lead: true };

fn viewed(clip: &Facts, active_ms: u64, not_interested: bool) -> Lesson {
    let viewing = Viewing { active_ms, not_interested, ..Viewing::default() };
    Lesson::Viewed(Box::new(Lived { clip: clip.clone(), viewing, moment: Some(EVENING) }))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the server estimates, its order stands for somebody of whom nothing is known.
    #[test]
    fn an_unknown_person_sees_the_servers_order(priors in prop::collection::vec(prop::option::of(any::<f64>()), 1..30)) {
        let pipeline = Pipeline::new(policy());
        let all: Vec<Facts> =
            priors.iter().enumerate().map(|(i, p)| facts(&format!("t{i}"), i, *p)).collect();
        let out = pipeline.arrange(Manner::Profiled, &[], &candidates(&all), all.len());
        prop_assert_eq!(out.order, (0..all.len()).collect::<Vec<_>>());
    }
}

#[test]
fn behaviour_moves_the_order_of_a_profiled_feed_and_of_no_other() {
    let mut pipeline = Pipeline::new(policy());
    let all: Vec<Facts> = (0..12).map(|i| facts(["cats", "chess", "tea"][i % 3], i, Some(0.5))).collect();
    for i in 0..20 {
        pipeline.handle_lesson(&viewed(&facts("cats", 100 + i, Some(0.5)), 500, false));
        pipeline.handle_lesson(&viewed(&facts("chess", 200 + i, Some(0.5)), 20_000, false));
    }
    let order = |manner| pipeline.arrange(manner, &[], &candidates(&all), 12).order;
    assert_eq!(order(Manner::Profiled)[..4], [1, 4, 7, 10], "chess first, cats last");
    assert_eq!(order(Manner::NonProfiled), (0..12).collect::<Vec<_>>());
    assert_eq!(order(Manner::AsAsked), (0..12).collect::<Vec<_>>());
    let why = pipeline.why(Manner::Profiled, &[], &candidates(&all), 1).unwrap();
    let sum: f64 = why.why.contributions.iter().map(|c| c.amount).sum();
    assert!((sum - why.why.difference).abs() < 1e-12);
    assert_eq!(why.against.as_deref(), Some("c4"), "the other chess clips score the same");
}

#[test]
fn why_names_the_rule_that_keeps_the_better_one_back() {
    let mut pipeline = Pipeline::new(policy());
    for i in 0..20 {
        pipeline.handle_lesson(&viewed(&facts("chess", 200 + i, Some(0.5)), 20_000, false));
        pipeline.handle_lesson(&viewed(&facts("tea", 300 + i, Some(0.5)), 500, false));
    }
    let shown: Vec<Facts> = (0..4).map(|i| facts("chess", i, Some(0.5))).collect();
    let all = [facts("chess", 10, Some(0.5)), facts("tea", 11, Some(0.5))];
    let (shown, all) = (candidates(&shown), candidates(&all));
    let out = pipeline.arrange(Manner::Profiled, &shown, &all, 2);
    assert_eq!(out.order, [1]);
    let why = pipeline.why(Manner::Profiled, &shown, &all, 1).unwrap();
    assert!(why.why.difference < 0.0);
    assert_eq!(why.held_back.as_deref(), Some("there is enough about chess among the videos before"));
}

#[test]
fn what_is_kept_comes_back_and_what_is_broken_is_named() {
    let mut pipeline = Pipeline::new(policy());
    pipeline.handle_interests(["tea".to_owned()]);
    assert!(pipeline.handle_weight("cats", -0.5));
    for i in 0..80 {
        let clip = facts(["cats", "chess", "tea"][i % 3], i, Some(0.4));
        pipeline.handle_lesson(&Lesson::Offered { topics: clip.topics.clone(), merit: 0.4 });
        pipeline.handle_lesson(&Lesson::Placed { topics: clip.topics.clone() });
        pipeline.handle_lesson(&viewed(&clip, 700 * i as u64, i == 40));
    }
    pipeline.handle_lesson(&Lesson::Answered(Choice::KeepGoing));
    let bytes = pipeline.export().unwrap();
    let again = Pipeline::restore(policy(), &bytes).unwrap();
    assert_eq!(again, pipeline);
    assert_eq!(again.export().unwrap(), bytes);
    let text = String::from_utf8(bytes).unwrap();
    let spoilt = |find: &str, put: &str| {
        let other = text.replacen(find, put, 1);
        assert_ne!(other, text, "{find}");
        Pipeline::restore(policy(), other.as_bytes()).err()
    };
    assert_eq!(spoilt("{\"version\":1", "{\"version\":2"), Some(PipelineError::Version(2)));
    assert!(matches!(spoilt("\"learner\"", "\"teacher\""), Some(PipelineError::Format(_))));
    assert_eq!(
        spoilt("\"owed\":", "\"owed\":9e9,\"owe\":").map(|e| matches!(e, PipelineError::Format(_))),
        Some(true)
    );
    assert_eq!(
        spoilt("\"dwell\":", "\"dwell\":7")
            .map(|e| matches!(e, PipelineError::Unsound("detector") | PipelineError::Format(_))),
        Some(true)
    );
    assert!(matches!(Pipeline::restore(policy(), b"{"), Err(PipelineError::Format(_))));
    let long = vec![b' '; MAX_PIPELINE_BYTES + 1];
    assert!(matches!(Pipeline::restore(policy(), &long), Err(PipelineError::TooLong(_))));
    pipeline.handle_erase();
    assert_eq!(pipeline, Pipeline::new(policy()));
}

#[test]
fn a_reset_keeps_what_was_said_in_so_many_words() {
    let mut pipeline = Pipeline::new(policy());
    pipeline.handle_interests(["tea".to_owned()]);
    pipeline.handle_weight("cats", -0.5);
    pipeline.handle_lesson(&viewed(&facts("cats", 1, None), 20_000, false));
    pipeline.handle_reset();
    let card = pipeline.learner_card();
    assert_eq!((card.viewings, card.interests), (0, vec!["tea".to_owned()]));
    assert_eq!(card.settings, [("cats".to_owned(), -0.5)]);
}
