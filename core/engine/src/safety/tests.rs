//! What the filter says of single cards; the decisions of the AT Protocol's reference are compared by the simulator.

use proptest::prelude::*;

use super::*;
use crate::model::{Creator, Item, Relation};
use crate::time::Wall;

fn labelled(labels: &[&str]) -> Item {
    Item { labels: labels.iter().map(|&l| l.to_owned()).collect(), ..Item::default() }
}

fn filter(change: impl FnOnce(&mut SafetySettings)) -> Filter {
    let mut settings = SafetySettings { age: AgeBand::Adult, ..SafetySettings::default() };
    change(&mut settings);
    Filter::new(&Rules::default(), &settings, Wall::default()).unwrap()
}

fn weight(decision: &Decision) -> Option<Weight> {
    decision.cause().map(|cause| cause.weight)
}

#[test]
fn each_harm_has_its_own_default() {
    let adult = filter(|_| {});
    let scam = adult.decide(&labelled(&["scam"]));
    assert!(scam.hides() && scam.offer_report && scam.overridable);
    for label in ["conspiracy", "propaganda", "state_media"] {
        let told = adult.decide(&labelled(&[label]));
        assert_eq!(told.action, Action::Show, "{label} is told, not erased");
        assert!(told.no_amplification && told.causes.len() == 1, "{label}");
    }
    let porn = adult.decide(&labelled(&["porn"]));
    assert!(porn.hides() && !porn.overridable, "off until an adult asks for it");
    let asked = filter(|s| s.adult_content = true);
    assert!(asked.decide(&labelled(&["sexual"])).blurs());
    let never = filter(|s| {
        s.classes.insert(HarmClass::Conspiracy, Choice::Hide);
    });
    assert!(never.decide(&labelled(&["misinformation"])).hides());
    let mild = filter(|s| {
        s.classes.insert(HarmClass::Scam, Choice::Hide);
        s.labels.insert("fraud".into(), Choice::Warn);
    });
    assert!(mild.decide(&labelled(&["fraud"])).blurs(), "a label comes before its harm");
}

#[test]
fn an_age_is_no_matter_of_choice() {
    let all = |age| {
        filter(|s| {
            s.age = age;
            s.adult_content = true;
            for class in [HarmClass::Adult, HarmClass::Scam, HarmClass::Conspiracy, HarmClass::Propaganda] {
                s.classes.insert(class, Choice::Show);
            }
            s.labels.insert("nobody_knows".into(), Choice::Show);
        })
    };
    for (age, label, expected) in [
        (AgeBand::Adult, "porn", None),
        (AgeBand::Unknown, "porn", Some(Weight::Hide)),
        (AgeBand::Unknown, "nudity", Some(Weight::Blur)),
        (AgeBand::Teen, "nudity", Some(Weight::Hide)),
        (AgeBand::Teen, "scam", Some(Weight::Hide)),
        (AgeBand::Under16, "conspiracy", Some(Weight::Hide)),
        (AgeBand::Under16, "rated_16", Some(Weight::Hide)),
        (AgeBand::Teen, "rated_16", None),
        (AgeBand::Teen, "rated_18", Some(Weight::Hide)),
        (AgeBand::Adult, "rated_18", None),
        (AgeBand::Under16, "nobody_knows", Some(Weight::Hide)),
        (AgeBand::Adult, "nobody_knows", None),
    ] {
        let decision = all(age).decide(&labelled(&[label]));
        assert_eq!(weight(&decision), expected, "{label} for {age:?}");
        let minor = matches!(age, AgeBand::Teen | AgeBand::Under16);
        assert!(!(minor && expected.is_some() && decision.overridable), "{label} for {age:?}");
    }
}

#[test]
fn a_muted_word_runs_out_and_spares_whom_the_person_follows() {
    let word = MutedWord {
        value: "gore".into(),
        expires_at_ms: Some(100),
        except_followed: true,
        ..MutedWord::default()
    };
    let settings = SafetySettings { words: vec![word], age: AgeBand::Adult, ..SafetySettings::default() };
    let at = |unix_ms| Filter::new(&Rules::default(), &settings, Wall { unix_ms, offset_min: 0 }).unwrap();
    let card = Item { alt_text: "Gore!".into(), ..Item::default() };
    assert!(at(100).decide(&card).hides());
    assert_eq!((at(99).valid_until(), at(101).valid_until()), (Some(100), None));
    assert_eq!(at(101).decide(&card).action, Action::Show);
    let followed = Item { relation: Relation { following: true, ..Relation::default() }, ..card };
    assert_eq!(at(99).decide(&followed).action, Action::Show);
}

#[test]
fn rules_name_more_than_labels() {
    let term = |kind, value: &str, class, default| Term { kind, value: value.into(), class, default };
    let rules = Rules {
        version: 4,
        terms: vec![
            term(TermKind::Creator, "c9", HarmClass::Scam, Choice::Hide),
            term(TermKind::Sound, "s9", HarmClass::Conspiracy, Choice::Warn),
            term(TermKind::Word, "free money", HarmClass::Scam, Choice::Warn),
            term(TermKind::Word, "Free Money", HarmClass::Scam, Choice::Warn),
        ],
        ..Rules::default()
    };
    let settings = SafetySettings { age: AgeBand::Adult, ..SafetySettings::default() };
    let filter = Filter::new(&rules, &settings, Wall::default()).unwrap();
    assert_eq!(filter.version(), 4);
    let of = |id: &str| Item { creator: Creator { id: id.into(), ..Creator::default() }, ..Item::default() };
    assert!(filter.decide(&of("c9")).hides());
    assert_eq!(filter.decide(&of("c8")).action, Action::Show);
    let sound = filter.decide(&Item { sound: Some("s9".into()), ..Item::default() });
    assert!(sound.blurs() && sound.no_amplification);
    let caption = filter.decide(&Item { caption: "FREE MONEY now".into(), ..Item::default() });
    assert!(caption.blurs() && caption.offer_report);
}

#[test]
fn what_breaks_a_bound_is_refused() {
    let refused = |change: &dyn Fn(&mut SafetySettings)| {
        let mut settings = SafetySettings::default();
        change(&mut settings);
        settings.check().is_err()
    };
    let word = |value: String| MutedWord { value, ..MutedWord::default() };
    assert!(refused(&|s| s.words = vec![word(" ".into())]));
    assert!(refused(&|s| s.words = vec![word("x".repeat(WORD_BYTES + 1))]));
    assert!(refused(&|s| s.words = vec![word("x".into()); WORDS + 1]));
    assert!(refused(&|s| {
        s.topics.insert(String::new());
    }));
    assert!(refused(&|s| s.sounds = (0..=NAMES).map(|n| n.to_string()).collect()));
    assert!(refused(&|s| {
        s.labels.insert("x".repeat(NAME_BYTES + 1), Choice::Hide);
    }));
    let rules = Rules { labels: vec![Rules::default().labels[0].clone(); LABELS + 1], ..Rules::default() };
    assert!(rules.check().is_err());
    assert!(Rules::default().check().is_ok() && SafetySettings::default().check().is_ok());
}

#[test]
fn rules_and_choices_are_data_that_comes_back_as_it_was() {
    let text = serde_json::to_string(&Rules::default()).unwrap();
    assert_eq!(serde_json::from_str::<Rules>(&text).unwrap(), Rules::default());
    let mut settings = SafetySettings { age: AgeBand::Teen, ..SafetySettings::default() };
    settings.classes.insert(HarmClass::Scam, Choice::Hide);
    settings.words.push(MutedWord { value: "x".into(), tags_only: true, ..MutedWord::default() });
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<SafetySettings>(&text).unwrap(), settings);
    assert_eq!(serde_json::from_str::<SafetySettings>("{}").unwrap(), SafetySettings::default());
}

proptest! {
    /// One more label, word or choice against something never makes a card easier to see.
    #[test]
    fn more_reasons_never_show_more(
        labels in prop::collection::vec(0..12_usize, 0..6),
        more in 0..12_usize,
        age in 0..4_usize,
        adult_content in any::<bool>(),
    ) {
        const NAMES: [&str; 12] = [
            "!hide", "!warn", "porn", "nudity", "gore", "scam", "conspiracy", "state_media", "reviewed",
            "rated_16", "nobody_knows", "bot",
        ];
        let age = [AgeBand::Unknown, AgeBand::Under16, AgeBand::Teen, AgeBand::Adult][age];
        let filter = filter(|s| (s.age, s.adult_content) = (age, adult_content));
        let mut names: Vec<&str> = labels.iter().map(|&l| NAMES[l]).collect();
        let before = filter.decide(&labelled(&names));
        names.insert(0, NAMES[more]);
        let after = filter.decide(&labelled(&names));
        prop_assert!(weight(&after) >= weight(&before));
        prop_assert!(after.overridable <= before.overridable);
        prop_assert!(after.no_amplification >= before.no_amplification);
        prop_assert!(after.causes.len() <= CAUSES);
    }
}
