//! What a session remembers for the next one: how fast each kind of network was, and the bytes paid for today.
//!
//! Both are small records of the session's database, written when the network changes, from time to time, and at the end; a
//! record that cannot be read counts as none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unspool_engine::{NetworkClass, Remembered};
use unspool_media::tasks;

use super::{Driver, Input};
use crate::clock::Clock;

/// Finished transfers between two writes: a minute or so of watching, lost when the process is killed.
const WRITE_EVERY: u32 = 64;
const DAY_MS: i64 = 86_400_000;

/// Bytes fetched on networks paid by the byte, on one day of the local calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traffic {
    day: i64,
    bytes: u64,
}

impl Traffic {
    /// The count for today.
    fn today(self) -> Self {
        let wall = Clock::wall();
        let day = wall.unix_ms.saturating_add(i64::from(wall.offset_min) * 60_000).div_euclid(DAY_MS);
        if self.day == day { self } else { Traffic { day, bytes: 0 } }
    }
}

/// What the database held.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    links: BTreeMap<String, Remembered>,
    traffic: Traffic,
}

impl Recalled {
    /// Reads both records. Blocks for the disk.
    pub(super) fn read(core: &crate::core::Core, class: NetworkClass) -> Self {
        let read = |name: &str| {
            core.store.recall(name).unwrap_or_else(|e| {
                tracing::warn!(%e, name, "nothing remembered");
                None
            })
        };
        let parse = |text: String| serde_json::from_str(&text).ok();
        Recalled {
            links: read(&links_name(class)).and_then(parse).unwrap_or_default(),
            traffic: read("traffic").and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default(),
        }
    }
}

fn links_name(class: NetworkClass) -> String {
    format!("links:{class:?}")
}

impl Driver {
    /// Takes up what was remembered.
    pub(super) fn recall(&mut self, recalled: &Recalled) {
        self.engine.handle_remembered(Clock::wall(), &recalled.links);
        self.traffic = recalled.traffic.today();
        self.tell_data_left();
    }

    /// The device is on another kind of network: takes up what is known of it, when the disk has told.
    pub(super) fn change_network(&self, class: NetworkClass) {
        let (core, inputs) = (Arc::clone(&self.core), self.inputs.clone());
        tasks::spawn_blocking(move || {
            let _ = inputs.send(Input::Recalled(class, Recalled::read(&core, class)));
        });
    }

    /// What was remembered of a kind of network came; the device may have changed again meanwhile.
    pub(super) fn handle_recalled(&mut self, class: NetworkClass, recalled: &Recalled) {
        if class == self.conditions.network {
            self.engine.handle_remembered(Clock::wall(), &recalled.links);
        }
    }

    /// Counts one finished transfer.
    pub(super) fn count_transfer(&mut self, bytes: u64) {
        let before = self.traffic;
        self.traffic = self.traffic.today();
        if self.conditions.metered {
            self.traffic.bytes += bytes;
        }
        if self.traffic.day != before.day {
            self.tell_data_left();
        }
        self.transfers += 1;
        if self.transfers.is_multiple_of(WRITE_EVERY) {
            self.write_down(self.conditions.network);
        }
    }

    fn tell_data_left(&mut self) {
        let budget = self.core.config.metered_bytes_per_day;
        let left = budget.map(|budget| budget.saturating_sub(self.traffic.bytes));
        self.engine.handle_data_left(self.clock.now(), left);
    }

    /// Writes both records beside the driver.
    pub(super) fn write_down(&self, class: NetworkClass) {
        let links = self.engine.remember(Clock::wall());
        let (core, traffic) = (Arc::clone(&self.core), self.traffic);
        tasks::spawn_blocking(move || write(&core, class, &links, traffic));
    }

    /// Writes both records and waits for it.
    pub(super) async fn write_down_last(&self) {
        let links = self.engine.remember(Clock::wall());
        let (core, traffic, class) = (Arc::clone(&self.core), self.traffic, self.conditions.network);
        let written = tasks::spawn_blocking(move || write(&core, class, &links, traffic)).await;
        if written.is_err() {
            tracing::warn!("nothing remembered: the write was cut short");
        }
    }
}

fn write(
    core: &crate::core::Core,
    class: NetworkClass,
    links: &BTreeMap<String, Remembered>,
    traffic: Traffic,
) {
    let mut records = vec![("traffic".to_owned(), serde_json::to_string(&traffic))];
    if !links.is_empty() {
        records.push((links_name(class), serde_json::to_string(links)));
    }
    for (name, json) in records {
        let done = json.map_err(Into::into).and_then(|json| core.store.remember(&name, &json));
        if let Err(e) = done {
            tracing::warn!(%e, "not remembered");
        }
    }
}
