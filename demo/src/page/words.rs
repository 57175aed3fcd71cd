//! Words for people: what an event says, and why a card is covered.

use serde_json::{Value, json};
use unspool::{Decision, Event, HarmClass, Source, Stage};

/// One line for an event; none for those that only concern the page.
#[must_use]
pub fn event(event: &Event) -> Option<String> {
    Some(match event {
        Event::FirstFrame { position, class, latency_ms, width, height, .. } => {
            format!(
                "card {position}: first frame {width}×{height} after {latency_ms:.0} ms, {}",
                class.name()
            )
        }
        Event::Resumed { position } => format!("card {position}: plays again"),
        Event::Stalled { position, ms } => format!("card {position}: stood still for {ms} ms"),
        Event::Looped { position } => format!("card {position}: started over, no request"),
        Event::FramesDropped { position, total } => {
            format!("card {position}: {total} pictures came too late")
        }
        Event::CaptionsReady { position, language } => format!("card {position}: captions ({language})"),
        Event::CaptionsFailed { position, language, .. } => {
            format!("card {position}: no captions ({language})")
        }
        Event::CardFailed { position, reason, .. } => format!("card {position}: {reason}"),
        Event::CardClosed { position, decision, .. } => {
            let how = if decision.hides() { "hidden" } else { "covered" };
            format!("card {position}: a label came late, {how}; its bytes leave the device")
        }
        Event::FeedGrew => "another page of the feed".to_owned(),
        Event::PageFailed { retryable, reason } => {
            format!("no page: {reason}{}", if *retryable { "; will ask again" } else { "" })
        }
        Event::PlayersFailed { reason } | Event::CoreFailed { reason } => reason.clone(),
        Event::StorageFailed { reason } => format!("disk: {reason}"),
        _ => return None,
    })
}

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

/// A stage as the page names it.
#[must_use]
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::None => "none",
        Stage::HeadCached => "headers",
        Stage::RangeCached(_) => "fetched",
        Stage::PreRolled => "pre-rolled",
        Stage::Playing => "playing",
        Stage::Failed => "failed",
    }
}
