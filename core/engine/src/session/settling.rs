//! The end of every turn: the machines are brought in line with each other, and what they want done is gathered.

use super::{Engine, METERED_PRICE, OFFLINE_MS, PREROLL_MS, SMALL_HEIGHT};
use crate::feed::FeedNote;
use crate::impression::Write;
use crate::model::MediaKey;
use crate::planner::{Candidate, Limits};
use crate::port::{Conditions, Effect, Notice};
use crate::stage::{Near, StageOutput, player_bytes};
use crate::time::Time;

impl Engine {
    /// What the device and the person allow.
    pub(super) fn limits(&self) -> Limits {
        let Conditions { online, metered, data_saver, foreground, battery_saver, hot, leaving, .. } =
            self.conditions;
        let scarce = data_saver && metered;
        let used_up = metered && self.data_left == Some(0);
        let small = battery_saver || hot;
        Limits {
            online,
            prefetching: foreground && !scarce && !used_up && !self.hold.resting,
            price: if metered { METERED_PRICE } else { 1.0 },
            max_height: if small { SMALL_HEIGHT } else { u32::MAX },
            lowest: scarce || used_up,
            data_left: self.data_left.filter(|_| metered),
            finish: leaving,
        }
    }

    /// Brings every machine in line with the others and gathers what they want done.
    pub(super) fn settle(&mut self, now: Time) {
        if self.ended {
            return;
        }
        // What has just been watched decides already about the first card that may still move.
        self.collect_viewings(now);
        self.feed.arrange();
        let positions = self.feed.positions();
        let current = self.feed.current();
        // Before the first swipe the first card is prepared as if it were the next one.
        let window = self.window();
        let from = current.or(window.first().copied()).unwrap_or(positions.start);
        let cards: Vec<Candidate<'_>> = window
            .into_iter()
            .filter(|&p| self.feed.open(p))
            .filter_map(|p| self.feed.item(p).map(|i| (p, i)))
            .map(|(position, item)| Candidate {
                position,
                asset: &item.asset,
                retention: &item.retention,
                topic: item.topics.first().map(String::as_str),
                // A player is built on one rendition and stays with it.
                switchable: false,
            })
            .collect();
        if !cards.is_empty() || self.planned {
            self.planned = !cards.is_empty();
            let (stored, stage) = (&self.stored, &self.stage);
            // A rendition that has a player already is worth more than any that is only held.
            let worth = |key: &MediaKey| match stage.has(key) {
                true => u64::MAX,
                false => stored.get(key).copied().unwrap_or(0),
            };
            self.planner.handle_window(now, from, &cards, &worth);
            // The renditions are chosen by the plan, and the stage asks for them.
            self.collect_media();
        }
        if let Some(current) = current {
            let after = self.feed.ahead(current + 1).next();
            let near: Vec<Near> = self
                .feed
                .before(current)
                .into_iter()
                .chain([current])
                .chain(after)
                .filter(|&position| self.feed.open(position))
                .filter_map(|position| self.near(position, current))
                .collect();
            self.stage.handle_window(current, &near);
            if let Some(key) = self.planner.key(current) {
                self.recorder.handle_rendition(key.parts().1);
            }
        }
        if self.conditions.online
            && self.conditions.foreground
            && !self.hold.resting
            && let Some(request) = self.feed.poll_request(now)
        {
            self.out.push_back(Effect::Page(request));
        }
        self.collect(now);
    }

    fn near(&self, position: u64, current: u64) -> Option<Near> {
        if position < current {
            // The window begins at the current card; the one before is known by the player that is parked on it.
            let player = self.stage.player(position)?;
            let key = self.stage.key(player)?.clone();
            return Some(Near { position, key, known: true, startable: false, bytes: 0 });
        }
        // With no network a player that reads ahead of what is held fails before anybody saw it.
        let preroll_ms = if self.conditions.online { PREROLL_MS } else { OFFLINE_MS };
        Some(Near {
            position,
            key: self.planner.key(position)?.clone(),
            bytes: self.planner.info(position).map_or(0, |info| player_bytes(info)),
            known: self.planner.info(position).is_some() && !self.failed.contains(&position),
            startable: self.planner.startable(position, preroll_ms) && !self.failed.contains(&position),
        })
    }

    pub(super) fn collect_media(&mut self) {
        while let Some(output) = self.planner.poll_output() {
            self.out.push_back(Effect::Media(output));
        }
        let link = self.planner.link();
        if std::mem::replace(&mut self.link, link) != link {
            self.out.push_back(Effect::Notice(Notice::Link(link)));
        }
    }

    pub(super) fn collect(&mut self, now: Time) {
        self.collect_media();
        while let Some(output) = self.stage.poll_output() {
            if let StageOutput::Release(player) = &output {
                self.rendered.remove(player);
            }
            self.out.push_back(Effect::Stage(output));
        }
        self.collect_viewings(now);
    }

    /// What was watched is learnt and written down.
    fn collect_viewings(&mut self, now: Time) {
        while let Some(write) = self.recorder.poll_output() {
            if let Write::Close(record) = &write {
                self.learn(now, record);
            }
            self.out.push_back(Effect::Write(write));
        }
        self.collect_notes();
    }

    fn collect_notes(&mut self) {
        while let Some(note) = self.feed.poll_note() {
            self.out.push_back(match note {
                FeedNote::Lesson(lesson) => Effect::Lesson(lesson),
                FeedNote::Word(word) => Effect::Notice(Notice::Loop(word)),
                FeedNote::Thin(enough_of) => Effect::Notice(Notice::Thin(enough_of)),
            });
        }
    }
}
