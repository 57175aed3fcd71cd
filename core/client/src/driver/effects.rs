//! Runs what the engine wants done: each effect that is started comes back as an input.

use std::sync::Arc;
use std::time::Instant;

use unspool_engine::impression::Write;
use unspool_engine::planner::{self, FetchEnd};
use unspool_engine::stage::StageOutput;
use unspool_engine::{Item, MediaKey, Page, PageRequest, PlayerFact, Rendition, Urgency};
use unspool_media::tasks;
use unspool_media::{FetchError, Origin, Playback, Priority, Purpose};

use super::{Driver, Input, Trouble};
use crate::events::Event;
use crate::records;
use crate::spool::{Pending, SpoolError};

impl Driver {
    pub(super) fn fetch_page(&self, request: PageRequest) {
        if self.kept {
            // All there is was there from the beginning.
            let _ = self.inputs.send(Input::Page { request: request.id, answer: Ok(Page::default()) });
            return;
        }
        let (core, inputs, feed) = (Arc::clone(&self.core), self.inputs.clone(), self.feed.clone());
        tasks::spawn(async move {
            let answer = core.backend.requested(&feed, &request).await;
            let _ = inputs.send(Input::Page { request: request.id, answer });
        });
    }

    pub(super) fn run_media(&mut self, output: planner::Output) {
        match output {
            planner::Output::Probe { key, urgency } => {
                self.open_again(&key);
                self.register(&key);
                let (media, inputs) = (Arc::clone(&self.core.media), self.inputs.clone());
                tasks::spawn(async move {
                    let answer = media.probe(&key, priority(urgency)).await;
                    let answer =
                        answer.map_err(|e| Trouble { retryable: e.retryable(), reason: e.to_string() });
                    let _ = inputs.send(Input::Probed { key, answer });
                });
            }
            planner::Output::Fetch { demand, key, spans, urgency } => {
                let purpose = match urgency {
                    Urgency::Playback => Purpose::Playback,
                    Urgency::Next => Purpose::Next,
                    Urgency::Prefetch => Purpose::Prefetch,
                };
                let ticket = self.core.media.fetch(&key, &spans, priority(urgency), purpose);
                let ticket = Arc::new(ticket);
                self.tickets.insert(demand, Arc::clone(&ticket));
                let inputs = self.inputs.clone();
                tasks::spawn(async move {
                    let (end, reason) = match ticket.wait().await {
                        Ok(_) => (FetchEnd::Done, String::new()),
                        Err(FetchError::Cancelled) => (FetchEnd::Cancelled, String::new()),
                        Err(e) => (FetchEnd::Failed { retryable: e.retryable() }, e.to_string()),
                    };
                    let _ = inputs.send(Input::Fetched { demand, key, end, reason });
                });
            }
            planner::Output::Promote { demand, urgency } => {
                if let Some(ticket) = self.tickets.get(&demand) {
                    ticket.promote(priority(urgency));
                }
            }
            planner::Output::Cancel { demand } => {
                if let Some(ticket) = self.tickets.get(&demand) {
                    ticket.cancel();
                }
            }
        }
    }

    /// Tells the media room where a rendition is, from the card that shows it.
    pub(super) fn register(&self, key: &MediaKey) {
        if let Some((item, r)) = self.rendition(key) {
            let origin = Origin {
                url: r.url.clone(),
                alternates: r.alternates.clone(),
                expires_at_ms: r.expires_at_ms,
                bytes: r.bytes,
                bitrate_bps: r.bitrate_bps,
                top_bitrate_bps: item.asset.renditions.iter().map(|r| r.bitrate_bps).max().unwrap_or(0),
                container: r.container,
            };
            self.core.media.register(key, origin);
        }
    }

    /// Connects to the hosts of the cards that come next, before their bytes are wanted.
    pub(super) fn prewarm(&self) {
        if self.conditions.data_saver || !self.conditions.foreground {
            return;
        }
        let window = self.engine.window().into_iter().filter(|&p| self.engine.is_open(p));
        let items = window.filter_map(|p| self.engine.item(p));
        let urls = items.filter_map(|item| item.asset.renditions.first()).map(|r| r.url.as_str());
        drop(self.core.media.prewarm(urls));
    }

    /// Tells the media room how the current card is being played, where its requests pass that on.
    pub(super) fn tell_playback(&self, starved: bool) {
        let key = self.engine.current().and_then(|p| self.engine.planner().key(p));
        if let (Some(key), Some(_)) = (key, self.core.config.cmcd) {
            let rate = if self.paused || starved { 0.0 } else { self.sound.rate };
            self.core
                .media
                .set_playback(key, Some(Playback { playhead_ms: self.playhead_ms, rate, starved }));
        }
    }

    /// A rendition of a card near the current one, as the backend describes it, and the card's item.
    pub(super) fn rendition(&self, key: &MediaKey) -> Option<(&Item, &Rendition)> {
        let (asset, rendition) = key.parts();
        self.engine
            .window()
            .into_iter()
            .filter(|&p| self.engine.is_open(p))
            .filter_map(|p| self.engine.item(p))
            .find(|i| i.asset.id == asset)
            .and_then(|i| Some((i, i.asset.renditions.iter().find(|r| r.id == rendition)?)))
    }

    pub(super) fn run_stage(&mut self, output: StageOutput) {
        let Some(pool) = self.pool.clone() else {
            self.stage_backlog.push_back(output);
            return;
        };
        let done = match &output {
            StageOutput::Prepare { player: id, key } => self.prepare(&*pool, *id, key),
            StageOutput::Play(id) => {
                if let Some(intent) = &mut self.intent
                    && self.engine.stage().player(intent.position) == Some(*id)
                {
                    intent.played_at.get_or_insert_with(Instant::now);
                }
                self.windows.playing(*id);
                pool.play(*id).map_err(|e| e.to_string())
            }
            StageOutput::Pause(id) => {
                let current = self.engine.current().and_then(|c| self.engine.stage().player(c));
                let done = if current == Some(*id) { pool.pause(*id) } else { pool.park(*id) };
                done.map_err(|e| e.to_string())
            }
            StageOutput::Release(id) => {
                self.prerolled.remove(id);
                self.alive.remove(id);
                self.windows.released(*id);
                pool.release(*id).map_err(|e| e.to_string())
            }
        };
        if let (Err(reason), StageOutput::Prepare { player: id, .. }) = (done, output) {
            self.engine.handle_player(
                self.clock.now(),
                id,
                PlayerFact::Failed { reason, recoverable: false },
            );
        }
    }

    pub(super) fn write(&self, write: Write) {
        let session = &self.core.session;
        match write {
            Write::Ahead(impression) => {
                let done =
                    self.core.spool.write_ahead(records::SLOT, &records::impression(session, &impression));
                self.report_failed(done);
                self.core.set_viewing(Some(impression));
            }
            Write::Close(impression) => {
                self.core.add_viewing(impression.active_ms);
                let done =
                    self.core.spool.close_ahead(records::SLOT, &records::impression(session, &impression));
                self.report_failed(done);
                self.core.set_viewing(None);
            }
        }
    }

    /// A record that could not be written is told to the app; the wait runs beside the driver.
    pub(super) fn report_failed<T: Send + 'static>(&self, done: Pending<T>) {
        let events = Arc::clone(&self.events);
        tasks::spawn(async move {
            // Without consent there is nothing to write, which is no failure.
            if let Err(e) = done.await
                && e != SpoolError::Consent
            {
                events.push(Event::StorageFailed { reason: e.to_string() });
            }
        });
    }
}

fn priority(urgency: Urgency) -> Priority {
    match urgency {
        Urgency::Playback => Priority::Playback,
        Urgency::Next => Priority::Next,
        Urgency::Prefetch => Priority::Prefetch,
    }
}
