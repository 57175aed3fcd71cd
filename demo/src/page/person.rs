//! What the person sees of themselves on the phone: the limits they chose, why a card came, and what they reported.

use serde_json::{Value, json};
use unspool::{Choices, Filed, ReportState, ReportSubject, Why};

pub use unspool::inspector::{resting, time};

/// What was chosen before, with `change` over it.
#[must_use]
pub fn chosen(before: Choices, change: Choices) -> Choices {
    Choices {
        daily_min: change.daily_min.or(before.daily_min),
        at_daily: change.at_daily.or(before.at_daily),
        break_min: change.break_min.or(before.break_min),
        at_break: change.at_break.or(before.at_break),
        night: change.night.or(before.night),
        at_night: change.at_night.or(before.at_night),
        autoplay: change.autoplay.or(before.autoplay),
        endless: change.endless.or(before.endless),
        push: change.push.or(before.push),
        recap: change.recap.or(before.recap),
    }
}

/// Why a card stands where it stands.
#[must_use]
pub fn why(why: &Why) -> Value {
    let reasons = why.reasons.iter().map(|reason| json!({ "words": reason.words, "amount": reason.amount }));
    json!({
        "item": why.item,
        "against": why.against,
        "difference": why.difference,
        "reasons": reasons.collect::<Vec<_>>(),
        "words": why.words,
        "policy": why.policy,
    })
}

/// What the person reported, the newest first.
#[must_use]
pub fn reports(filed: &[Filed]) -> Value {
    let one = |filed: &Filed| {
        let (of, id) = match &filed.report.subject {
            ReportSubject::Item(id) => ("item", id),
            ReportSubject::Creator(id) => ("creator", id),
            ReportSubject::Comment(id) => ("comment", id),
        };
        let (state, words) = match &filed.state {
            ReportState::Waiting => ("waiting", String::new()),
            ReportState::Received => ("received", String::new()),
            ReportState::Refused { reason } => ("refused", reason.clone()),
            ReportState::Decided { outcome } => ("decided", outcome.clone()),
        };
        json!({
            "of": of,
            "id": id,
            "reason": filed.report.reason.name(),
            "at": filed.at_ms,
            "taps": filed.taps,
            "receipt": filed.receipt,
            "state": state,
            "words": words,
        })
    };
    filed.iter().rev().map(one).collect()
}
