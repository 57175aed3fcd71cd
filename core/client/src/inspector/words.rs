//! Words for people: what an event says, and how far a card is.

use crate::events::Event;
use crate::snapshot::Stage;

/// One line for an event; none for those that only concern the page.
#[must_use]
pub(super) fn event(event: &Event) -> Option<String> {
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

/// A stage as pages name it.
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
