//! Makes the snapshot of a turn and publishes it if anything changed.

use super::Driver;
use super::safety::seen;
use crate::snapshot::{CardView, Snapshot, Stage};

/// Cards looked at when a snapshot is made, after the current one.
const SHOWN_AHEAD: usize = 4;

impl Driver {
    pub(super) fn publish(&self) {
        let planner = self.engine.planner();
        let current = self.engine.current();
        self.core.gate.show(current.and_then(|position| planner.key(position)));
        let ahead = self.engine.peek(SHOWN_AHEAD);
        let window = current
            .into_iter()
            .chain(ahead)
            .filter_map(|position| {
                let covered = !self.engine.is_open(position);
                let item = seen(self.engine.item(position)?, covered);
                let at = if current == Some(position) { self.playhead_ms } else { 0 };
                let ahead_ms = planner.ahead_ms(position, at);
                let player = self.engine.stage().player(position);
                let stage = match player {
                    _ if self.engine.has_failed(position) => Stage::Failed,
                    Some(_) if current == Some(position) => Stage::Playing,
                    Some(p) if self.prerolled.contains(&p) => Stage::PreRolled,
                    _ if planner.startable(position, 1) => Stage::RangeCached(ahead_ms),
                    _ if planner.info(position).is_some() => Stage::HeadCached,
                    _ => Stage::None,
                };
                let rendition = planner.key(position).map(|k| k.parts().1.to_owned());
                Some(CardView { position, item, rendition, stage, ahead_ms, covered })
            })
            .collect();
        let next = Snapshot {
            revision: 0,
            current,
            window,
            playhead_ms: self.playhead_ms,
            frames: self.frames,
            paused: self.paused,
            interrupted: self.sound.interrupted,
            resting: self.core.wellbeing.standing().filter(|_| self.engine.is_resting()),
            captions: self.captions_now(self.clock.now()),
            online: self.conditions.online,
            hidden: self.engine.hidden(),
            loop_state: self.engine.loop_report().map(|report| report.state).unwrap_or_default(),
            enough_of: self.engine.feed().enough_of().to_vec(),
            throughput_bps: planner.throughput_bps(),
            bytes: self.core.bytes(),
        };
        self.snapshot.send_if_modified(|held| {
            let same = Snapshot { revision: 0, ..held.clone() } == next;
            if !same {
                let revision = held.revision + 1;
                *held = Snapshot { revision, ..next };
            }
            !same
        });
    }
}
