//! What the person sees of themselves: their time, what was learnt of them, why a card came, and what they reported.

use serde_json::{Value, json};
use unspool::{
    Break, BreakCause, Choices, FeedSession, Filed, Limits, LoopState, Measure, Night, ReportState,
    ReportSubject, Unspool, Why,
};

/// A break, for the phone.
#[must_use]
pub fn resting(card: &Break) -> Value {
    json!({
        "number": card.number,
        "cause": match card.cause {
            BreakCause::Page => "page",
            BreakCause::Break => "break",
            BreakCause::Daily => "daily",
            BreakCause::Night => "night",
        },
        "measure": measure(card.measure),
        "opensInMs": card.opens_in_ms,
        "todayMs": card.today_ms,
        "stretchMs": card.stretch_ms,
    })
}

fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::Remind => "remind",
        Measure::Pause => "pause",
        Measure::Stop => "stop",
    }
}

fn limits(limits: &Limits) -> Value {
    let Night { from_min, until_min } = limits.night;
    json!({
        "dailyMin": limits.daily_min,
        "atDaily": measure(limits.at_daily),
        "breakMin": limits.break_min,
        "atBreak": measure(limits.at_break),
        "night": { "from_min": from_min, "until_min": until_min },
        "atNight": measure(limits.at_night),
        "autoplay": limits.autoplay,
        "endless": limits.endless,
    })
}

/// The person's time, for the sheet and the inspector.
#[must_use]
pub fn time(session: &Unspool) -> Value {
    let view = session.wellbeing().view;
    json!({
        "todayMs": view.today_ms,
        "stretchMs": view.stretch_ms,
        "totalMs": view.total_ms,
        "dayEndsInMs": view.day_ends_in_ms,
        "limits": limits(&view.limits),
        "guarded": view.guarded,
        "resting": view.standing.as_ref().map(resting),
    })
}

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

/// What was learnt on this device, as the person may read and change it.
#[must_use]
pub fn learnt(session: &Unspool) -> Value {
    let card = session.learner_card();
    json!({
        "words": card.words,
        "viewings": card.viewings,
        "topics": card.topics,
        "creators": card.creators,
        "lengths": card.lengths,
        "interests": card.interests,
        "settings": card.settings.iter().map(|(topic, weight)| json!({ "topic": topic, "weight": weight })).collect::<Vec<_>>(),
        "policy": session.ranking_version(),
    })
}

/// Whether the person goes round in circles, and what the feed does about it.
#[must_use]
pub fn circles(feed: Option<&FeedSession>) -> Value {
    let Some(now) = feed.map(FeedSession::snapshot) else { return Value::Null };
    let state = match now.loop_state {
        LoopState::Normal => "normal",
        LoopState::Narrowing => "narrowing",
        LoopState::Stuck => "stuck",
    };
    json!({ "state": state, "enoughOf": now.enough_of })
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
