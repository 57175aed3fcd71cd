//! The edge of the safety filter: cards leave without the pictures of what is covered, late labels and rules are asked for,
//! and what was closed is taken off the disk.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use unspool_engine::{Item, LabelUpdate, MediaKey, Millis, StartClass, Time};
use unspool_media::tasks;

use super::{Card, Driver, Input, Intent, Reply};
use crate::backend::BackendError;
use crate::clock::Clock;
use crate::core::Core;
use crate::error::Error;
use crate::safety::RulesError;

/// How often the labels of the cards ahead are asked for. A minute: moderators need longer, and it is one small request.
const LABELS_EVERY: Millis = Millis(60_000);
/// How often rules are asked for, which change by the day.
const RULES_EVERY: Millis = Millis(3_600_000);
/// Cards whose labels are asked for at once.
const LABELS_MOST: usize = 50;
/// Longest wait for a chunk that was on its way when its card was closed.
const LAST_CHUNK: Duration = Duration::from_secs(10);

/// What the driver knows of the filter's surroundings.
#[derive(Debug, Default)]
pub(super) struct Safety {
    labels_due: Option<Time>,
    rules_due: Option<Time>,
    asking: bool,
    /// Renditions that are to be off the disk, whatever still arrives of them.
    closed: BTreeSet<MediaKey>,
}

impl Driver {
    /// A card as the app gets it: of what is covered there is no picture.
    pub(super) fn card(&self, position: u64) -> Option<Card> {
        let item = self.engine.item(position)?;
        let decision = self.engine.decision(position)?.clone();
        let covered = !self.engine.is_open(position);
        Some(Card { position, item: seen(item, covered), decision, covered })
    }

    /// Cards after the current one, without moving.
    pub(super) fn peek(&self, n: usize) -> Vec<Item> {
        self.engine.peek(n).into_iter().filter_map(|p| self.card(p)).map(|card| card.item).collect()
    }

    /// The card that shows an item, and whether it is covered; for whoever has to know which picture that is.
    pub(super) fn shown(&self, item: &str) -> Option<(Item, bool)> {
        let position = self.engine.find(item)?;
        Some((self.engine.item(position)?.clone(), !self.engine.is_open(position)))
    }

    pub(super) fn reveal(&mut self, now: Time, asked: Instant, position: u64, reply: Reply<Card>) {
        if !self.engine.handle_reveal(now, Clock::wall(), position) {
            let _ = reply.send(Err(Error::NotRevealable));
            return;
        }
        if self.engine.current() == Some(position) {
            self.intent = Some(Intent { position, at: asked, expected: StartClass::Cold, played_at: None });
        }
        let _ = reply.send(self.card(position).ok_or(Error::NotRevealable));
    }

    /// When labels or rules are to be asked for next.
    pub(super) fn safety_due(&self) -> Option<Time> {
        let ready = !self.kept && self.conditions.online && self.conditions.foreground && !self.safety.asking;
        [self.safety.labels_due, self.safety.rules_due].into_iter().flatten().min().filter(|_| ready)
    }

    /// Asks for what is due, and lets muted words run out.
    pub(super) fn keep_safe(&mut self, now: Time) {
        self.core.safety.review();
        let due = |at: &mut Option<Time>, every: Millis| {
            let due = at.is_none_or(|at| now >= at);
            if due {
                *at = Some(now + every);
            }
            due
        };
        if self.kept || !self.conditions.online || !self.conditions.foreground || self.safety.asking {
            return;
        }
        let rules = due(&mut self.safety.rules_due, RULES_EVERY) && self.core.safety.takes_rules();
        // The first labels came with the first page.
        let first = self.safety.labels_due.is_none();
        let labels = due(&mut self.safety.labels_due, LABELS_EVERY) && !first;
        if rules || labels {
            self.ask(labels, rules);
        }
    }

    /// Asks for the labels of the cards ahead now.
    pub(super) fn refresh_labels(&mut self, now: Time) {
        self.safety.labels_due = Some(now);
        if !self.kept && self.conditions.online && !self.safety.asking {
            self.safety.labels_due = Some(now + LABELS_EVERY);
            self.ask(true, false);
        }
    }

    fn ask(&mut self, labels: bool, rules: bool) {
        let items = if labels { self.engine.ahead(LABELS_MOST) } else { Vec::new() };
        self.safety.asking = true;
        let (core, inputs) = (Arc::clone(&self.core), self.inputs.clone());
        tasks::spawn(async move {
            if rules {
                take_rules(&core).await;
            }
            let answer = if items.is_empty() { Ok(Vec::new()) } else { core.backend.labels(&items).await };
            let _ = inputs.send(Input::Labels(answer));
        });
    }

    pub(super) fn handle_labels(&mut self, now: Time, answer: Result<Vec<LabelUpdate>, BackendError>) {
        self.safety.asking = false;
        match answer {
            Ok(updates) => self.engine.handle_labels(now, updates),
            Err(error) => tracing::warn!(%error, "labels are as they were"),
        }
    }

    /// Takes renditions, pictures and captions off the disk now, and once more when what was on its way has arrived.
    pub(super) fn forget(&mut self, keys: Vec<MediaKey>) {
        let kept: BTreeSet<MediaKey> = self.core.keep.files().into_iter().collect();
        // What the person keeps for offline they asked for by name.
        for key in keys.into_iter().filter(|key| !kept.contains(key)) {
            self.core.media.withdraw(&key);
            self.safety.closed.insert(key.clone());
            self.take_off(key);
        }
    }

    /// A probe or a fetch ended that began before its card was closed.
    pub(super) fn forget_late(&mut self, key: &MediaKey) {
        if self.safety.closed.contains(key) {
            self.take_off(key.clone());
        }
    }

    /// A card that is open again asks for a rendition.
    pub(super) fn open_again(&mut self, key: &MediaKey) {
        self.safety.closed.remove(key);
    }

    fn take_off(&self, key: MediaKey) {
        let media = Arc::clone(&self.core.media);
        tasks::spawn(async move {
            for late in [false, true] {
                if late {
                    let _ = tokio::time::timeout(LAST_CHUNK, media.idle(&key)).await;
                }
                let (media, key) = (Arc::clone(&media), key.clone());
                let gone = tasks::spawn_blocking(move || media.forget(&key)).await;
                if let Ok(Err(error)) = gone {
                    tracing::warn!(%error, "bytes of a closed card stay until eviction");
                }
            }
        });
    }
}

/// An item as the app sees it.
pub(super) fn seen(item: &Item, covered: bool) -> Item {
    let mut item = item.clone();
    if covered {
        item.thumbnail = None;
    }
    item
}

async fn take_rules(core: &Arc<Core>) {
    let signed = match core.backend.rules(core.safety.version()).await {
        Ok(Some(signed)) => signed,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "safety rules are as they were");
            return;
        }
    };
    match Arc::clone(core).set_rules(signed).await {
        Ok(version) => tracing::info!(version, "safety rules"),
        Err(Error::Rules(RulesError::Older { .. })) => {}
        Err(error) => tracing::warn!(%error, "safety rules are as they were"),
    }
}
