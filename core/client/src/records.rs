//! How an impression is written down for the collector.

use unspool_engine::Impression;

use crate::spool::{Class, Event};

/// Name of the open impression's slot: one viewing is open at a time.
pub(crate) const SLOT: u32 = 0;
/// Event name of an impression.
pub const IMPRESSION: &str = "unspool.impression";

pub(crate) fn impression(session: &str, i: &Impression) -> Event {
    let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let blank = Event {
        name: IMPRESSION.to_owned(),
        wall_ms: i.started.unix_ms,
        session: session.to_owned(),
        class: Class::B,
        attributes: Vec::new(),
    };
    let mut event = blank
        .with("impression", format!("{session}/{}", i.ordinal))
        .with("item", i.item.as_str())
        .with("asset", i.asset.as_str())
        .with("rendition", i.rendition.as_str())
        .with("position", int(i.position))
        .with("reason", i.reason.as_str())
        .with("shown_ms", int(i.shown_ms))
        .with("active_ms", int(i.active_ms))
        .with("paused_ms", int(i.paused_ms))
        .with("progress_ms", int(i.progress_ms))
        .with("duration_ms", int(i.duration_ms))
        .with("loops", i64::from(i.loops))
        .with("stalls", i64::from(i.stalls))
        .with("stall_ms", int(i.stall_ms))
        .with("online", i.online);
    if let Some(ms) = i.first_frame_ms {
        event = event.with("first_frame_ms", ms);
    }
    if let Some(class) = i.start_class {
        event = event.with("start_class", class.name());
    }
    // A record without an exit is open; the next start closes it as killed.
    if let Some(exit) = i.exit {
        event = event.with("exit", exit.name());
    }
    event
}
