//! Words for people: why a card is covered.

use serde_json::{Value, json};
use unspool::{Decision, HarmClass, Source};

/// Why a card is covered or marked, for the page.
#[must_use]
pub fn decision(decision: &Decision) -> Value {
    let cause = decision.cause();
    json!({
        "hidden": decision.hides(),
        "revealable": decision.overridable && decision.blurs(),
        "reason": cause.map(|cause| {
            let what = match (cause.name.as_str(), cause.class) {
                ("graphic-media", _) => "graphic pictures",
                (_, Some(HarmClass::Adult)) => "adult content",
                (_, Some(HarmClass::Scam)) => "scam advertising",
                (_, Some(HarmClass::Conspiracy)) => "a conspiracy theory",
                (_, Some(HarmClass::Propaganda)) => "propaganda",
                (_, Some(HarmClass::Flashing)) => "flashing lights",
                (name, None) => name,
            };
            match &cause.source {
                Source::Label(_) | Source::UnknownLabel(_) => format!("Labelled as {what}"),
                Source::Age => "Not for your age".to_owned(),
                Source::MutedWord => format!("You muted the word “{}”", cause.name),
                Source::MutedTopic => format!("You muted the topic {}", cause.name),
                Source::MutedSound => "You muted this sound".to_owned(),
                Source::MutedCreator | Source::Blocked => "You do not want to see this creator".to_owned(),
                Source::BlockedBy => "This creator does not show you their videos".to_owned(),
                Source::Rule => format!("The rules name it: {what}"),
                Source::HiddenItem => "You reported it".to_owned(),
                Source::Withdrawn => "It was taken back".to_owned(),
            }
        }),
    })
}
