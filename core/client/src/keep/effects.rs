//! Runs what the machine of keeping wants done: each effect that is started comes back as an answer.

use std::sync::Arc;
use std::time::Duration;

use unspool_engine::info::missing;
use unspool_engine::{Item, KeepOutput, KeepState, MediaKey, Span};
use unspool_media::tasks;
use unspool_media::{Media, MediaError, Origin, Priority, Purpose};

use super::beside;
use super::runner::{Answer, Runner};
use super::trouble::{of_fetch, of_probe};

/// Longest wait for the last chunk of what is forgotten: the fetcher gives a silent server up after eight seconds.
const LAST_CHUNK: Duration = Duration::from_secs(12);

impl Runner {
    pub(super) fn run_output(&mut self, output: KeepOutput) {
        let (media, answer) = (Arc::clone(&self.media), self.answer.clone());
        match output {
            // Done where they come out.
            KeepOutput::Save(_) | KeepOutput::Erase { .. } | KeepOutput::Pin { .. } => {}
            KeepOutput::Check { asset, key } => {
                self.register(&asset, &key);
                tasks::spawn_blocking(move || {
                    let (held, complete) = (held_bytes(&media, &key), media.is_complete(&key));
                    let _ = answer.send(Answer::Checked { asset, held, complete });
                });
            }
            KeepOutput::Probe { asset, key } => {
                self.register(&asset, &key);
                tasks::spawn(async move {
                    let found = media.probe(&key, Priority::Offline).await;
                    let found = found.map(|info| info.size).map_err(|e| of_probe(&e));
                    let _ = answer.send(Answer::Probed { asset, answer: found });
                });
            }
            KeepOutput::Fetch { asset, key, size } => {
                self.register(&asset, &key);
                // First, because they are small: what is complete has them.
                let beside = self.item(&asset).map_or_else(Vec::new, |item| beside::fetch(&media, item));
                let all = [Span::new(0, size)];
                let ticket = Arc::new(media.fetch(&key, &all, Priority::Offline, Purpose::Offline));
                let tickets = beside.iter().chain([&ticket]).map(Arc::clone).collect();
                self.tickets.insert(asset.clone(), tickets);
                tasks::spawn(async move {
                    let end = ticket.wait().await.map(drop).map_err(|e| of_fetch(&e));
                    beside::ended(&beside).await;
                    // A chunk that ran when the fetch was cancelled still arrives and counts.
                    let _ = tokio::time::timeout(LAST_CHUNK, media.idle(&key)).await;
                    let looked = tasks::spawn_blocking(move || {
                        // What is written down of it is true after a crash, too.
                        if let Err(error) = media.flush() {
                            tracing::warn!(%error, "the cache index waits to be written");
                        }
                        (held_bytes(&media, &key), media.is_complete(&key), media.used(&key))
                    });
                    let (held, complete, used) = looked.await.unwrap_or_default();
                    let _ = answer.send(Answer::Fetched { asset, end, held, complete, used });
                });
            }
            KeepOutput::Cancel { asset } => {
                for ticket in self.tickets.get(&asset).into_iter().flatten() {
                    ticket.cancel();
                }
            }
            KeepOutput::Drop { asset, key, others } => {
                let beside = self.item(&asset).map_or_else(Vec::new, beside::keys);
                tasks::spawn(async move {
                    for key in beside.iter().chain([&key]) {
                        let _ = tokio::time::timeout(LAST_CHUNK, media.idle(key)).await;
                    }
                    let dropped = tasks::spawn_blocking(move || {
                        let mut freed = let_go(&media, &key, &others)?;
                        for key in beside {
                            freed += let_go(&media, &key, &[])?;
                        }
                        Ok(freed)
                    });
                    let freed = dropped.await.unwrap_or(Err(MediaError::Closed));
                    let _ = answer.send(Answer::Dropped { asset, freed });
                });
            }
        }
    }

    fn item(&self, asset: &str) -> Option<&Item> {
        self.engine.record(asset).map(|record| &record.item)
    }

    /// Asks, once a session, for pictures and captions that what is complete lacks. Nobody waits for them.
    pub(super) fn look_beside(&mut self) {
        if self.looked_beside || self.engine.hold().is_some() {
            return;
        }
        self.looked_beside = true;
        let complete = self.engine.views().filter(|view| view.state == KeepState::Complete);
        let items: Vec<Item> = complete.map(|view| view.record.item.clone()).collect();
        let media = Arc::clone(&self.media);
        // Whether a file is here the index says, which is on the disk.
        tasks::spawn_blocking(move || {
            for item in &items {
                beside::fetch(&media, item);
            }
        });
    }

    /// Tells the media room where a kept rendition is, unless a feed has told it already.
    fn register(&self, asset: &str, key: &MediaKey) {
        if self.media.origin(key).is_some() {
            return;
        }
        let Some(record) = self.engine.record(asset) else { return };
        let Some(rendition) = record.rendition() else { return };
        let rates = record.item.asset.renditions.iter().map(|other| other.bitrate_bps);
        let origin = Origin {
            url: rendition.url.clone(),
            alternates: rendition.alternates.clone(),
            bitrate_bps: rendition.bitrate_bps,
            top_bitrate_bps: rates.max().unwrap_or(0),
            expires_at_ms: rendition.expires_at_ms,
            bytes: rendition.bytes,
            container: rendition.container,
        };
        self.media.register(key, origin);
    }
}

/// Bytes of a rendition that are here.
pub(super) fn held_bytes(media: &Media, key: &MediaKey) -> u64 {
    media.held(key).iter().map(Span::len).sum()
}

/// Leaves a rendition to eviction and drops what was brought only for keeping it; the bytes freed.
fn let_go(media: &Media, key: &MediaKey, others: &[Span]) -> Result<u64, MediaError> {
    media.unpin(key);
    // Somebody plays it from its file: eviction has it afterwards.
    if media.is_leased(key) {
        return Ok(0);
    }
    let used = media.used(key);
    if others.is_empty() && used.is_empty() {
        return media.forget(key);
    }
    let only = missing(&missing(&media.held(key), others), &used);
    let plan: Vec<(MediaKey, Span)> = only.into_iter().map(|span| (key.clone(), span)).collect();
    media.evict(&plan)
}
