//! What the person may see of themselves: their time, what was learnt of them, and whether they go round in circles.

use serde_json::{Value, json};
use unspool_engine::breaker::LoopState;
use unspool_engine::wellbeing::{Break, Cause, Limits, Measure, Night};

use crate::session::Unspool;
use crate::snapshot::Snapshot;

/// A break, as the page shows it.
#[must_use]
pub fn resting(card: &Break) -> Value {
    json!({
        "number": card.number,
        "cause": match card.cause {
            Cause::Page => "page",
            Cause::Break => "break",
            Cause::Daily => "daily",
            Cause::Night => "night",
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

/// What was learnt on this device, as the person may read and change it.
pub(super) fn learnt(session: &Unspool) -> Value {
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
pub(super) fn circles(now: &Snapshot) -> Value {
    let state = match now.loop_state {
        LoopState::Normal => "normal",
        LoopState::Narrowing => "narrowing",
        LoopState::Stuck => "stuck",
    };
    json!({ "state": state, "enoughOf": now.enough_of })
}
