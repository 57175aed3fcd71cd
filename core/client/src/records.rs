//! How an impression is written down for the collector.

use std::fmt::Write as _;

use unspool_engine::Impression;
use unspool_engine::schema;

use crate::spool::{Class, Event};

/// Name of the open impression's slot: one viewing is open at a time.
pub(crate) const SLOT: u32 = 0;
/// Event name of an impression.
pub const IMPRESSION: &str = schema::IMPRESSION;

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
        .with("online", i.online)
        .with("network", i.network.name())
        .with("muted", i.muted);
    // What is as usual is left out: it would be most of a record's bytes.
    if i.seeks > 0 {
        event = event.with("seeks", i64::from(i.seeks));
    }
    if (i.rate - 1.0).abs() > f64::EPSILON {
        event = event.with("rate", i.rate);
    }
    if !i.policy.is_empty() {
        event = event.with("policy", i.policy.as_str());
    }
    if !i.ranking.is_empty() {
        event = event.with("ranking", i.ranking.as_str());
    }
    if !i.taps.is_empty() {
        let mut taps = String::new();
        for (n, (tap, at_ms)) in i.taps.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(taps, "{comma}{}@{at_ms}", tap.name());
        }
        event = event.with("taps", taps);
    }
    if i.taps_missed > 0 {
        event = event.with("taps_missed", i64::from(i.taps_missed));
    }
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

#[cfg(test)]
mod tests {
    use unspool_engine::impression::{MAX_TAPS, Network, Recorder, Shown, Write};
    use unspool_engine::{Exit, StartClass, Tap, Time, Viewer, Wall};

    use super::*;

    #[test]
    fn every_impression_keeps_to_the_schema() {
        let exits = [
            Exit::SwipeNext,
            Exit::SwipeBack,
            Exit::Comments,
            Exit::Profile,
            Exit::Share,
            Exit::End,
            Exit::LoopBreak,
            Exit::Background,
            Exit::Killed,
            Exit::Shutdown,
            Exit::Failed,
        ];
        for exit in exits {
            let mut recorder = Recorder::default();
            recorder.set_policy("2026-11", "r");
            recorder.handle_shown(
                Time(0),
                Wall { unix_ms: 1, offset_min: 0 },
                Shown {
                    item: "i".repeat(128),
                    asset: "a".repeat(128),
                    rendition: String::new(),
                    position: u64::MAX,
                    reason: "topic:".to_owned() + &"t".repeat(64),
                    duration_ms: 8_000,
                    network: Network::Metered,
                },
            );
            recorder.handle_first_frame(StartClass::Cold, 12.5);
            recorder.handle_viewer(Time(1), Viewer::Rate(1.5));
            recorder.handle_viewer(Time(1), Viewer::Sought);
            for n in 0..=MAX_TAPS as u64 {
                recorder.handle_viewer(Time(u64::from(u32::MAX) + n), Viewer::Tapped(Tap::Comment));
            }
            recorder.handle_left(Time(u64::from(u32::MAX)), exit);
            while let Some(write) = recorder.poll_output() {
                let (Write::Ahead(record) | Write::Close(record)) = write;
                let event = impression("0198b6d2-7c1e-7a57-9f0d-3e5b1c2a4d68", &record);
                assert_eq!((event.check_schema(), event.check()), (Ok(()), Ok(())), "{event:?}");
            }
        }
    }
}
