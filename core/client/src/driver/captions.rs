//! Captions of the cards near the playhead: the current card's file at once, the next card's once its head is here and
//! behind everything else. What is on show follows the playhead between two reports of the player.

use std::collections::BTreeMap;
use std::sync::Arc;

use unspool_engine::captions::{Pointer, choose, key};
use unspool_engine::{Item, MediaKey, Time};
use unspool_media::tasks;
use unspool_media::{FetchError, FetchTicket, Priority, Purpose};
use unspool_player::captions::Captions;

use super::{Driver, Input};
use crate::beside::Beside;
use crate::captions::{self, CaptionStatus, CaptionTrouble, CaptionView, CardCaptions};
use crate::events::Event;

/// What the driver knows of captions.
#[derive(Debug, Default)]
pub(super) struct Captioning {
    languages: Vec<String>,
    files: BTreeMap<MediaKey, File>,
    pointer: Pointer,
}

#[derive(Debug)]
enum File {
    Coming(Arc<FetchTicket>),
    Here(Arc<Captions>),
    Failed(CaptionTrouble),
}

impl Captioning {
    pub(super) fn new(languages: Vec<String>) -> Self {
        Captioning { languages, ..Captioning::default() }
    }

    /// The track of an item that is wished for, and what its bytes are filed under.
    fn chosen(&self, item: &Item) -> Option<(usize, MediaKey)> {
        let place = choose(&item.captions, &self.languages)?;
        Some((place, key(item, place)?))
    }
}

impl Driver {
    /// The person wants captions in these languages.
    pub(super) fn set_languages(&mut self, languages: Vec<String>) {
        self.captioning.languages = languages;
        // What failed is tried again when it is wished for again.
        self.captioning.files.retain(|_, file| !matches!(file, File::Failed(_)));
    }

    /// Where the captions of the current card are, and whether they move.
    pub(super) fn point(&mut self, now: Time, playhead_ms: u64, moves: bool) {
        let rate = if moves && !self.paused { self.sound.rate } else { 0.0 };
        self.captioning.pointer.set(now.0, playhead_ms, rate);
    }

    /// There is a network again.
    pub(super) fn retry_captions(&mut self) {
        self.captioning.files.retain(|_, file| !matches!(file, File::Failed(CaptionTrouble::Unavailable)));
    }

    /// Fetches what is wanted and lets go of what is not.
    pub(super) fn tend_captions(&mut self) {
        let Some(current) = self.engine.current() else { return };
        let wanted: Vec<(u64, Beside)> = (current.saturating_sub(1)..=current + 1)
            .filter_map(|position| {
                // Of a card that is covered nothing is fetched.
                let item = self.engine.item(position).filter(|_| self.engine.is_open(position))?;
                let (place, _) = self.captioning.chosen(item)?;
                Some((position, Beside::captions(item, place)?))
            })
            .collect();
        self.captioning.files.retain(|key, file| {
            let stays = wanted.iter().any(|(_, wanted)| wanted.key == *key);
            if let (false, File::Coming(ticket)) = (stays, &*file) {
                ticket.cancel();
            }
            stays
        });
        let mut busy = false;
        for (position, file) in wanted {
            match self.captioning.files.get(&file.key) {
                Some(File::Coming(ticket)) if position == current => {
                    ticket.promote(Priority::Next);
                    busy = true;
                }
                None if position == current => {
                    self.fetch_captions(file, Priority::Next, Purpose::Playback);
                    busy = true;
                }
                None if position > current && !busy && self.may_look_ahead(position) => {
                    self.fetch_captions(file, Priority::Offline, Purpose::Prefetch);
                }
                _ => {}
            }
        }
    }

    fn may_look_ahead(&self, position: u64) -> bool {
        self.conditions.online
            && self.conditions.foreground
            && !self.conditions.data_saver
            && self.engine.planner().startable(position, 1)
    }

    fn fetch_captions(&mut self, file: Beside, priority: Priority, purpose: Purpose) {
        let media = Arc::clone(&self.core.media);
        let ticket = Arc::new(file.fetch(&media, priority, purpose));
        let (inputs, key) = (self.inputs.clone(), file.key);
        self.captioning.files.insert(key.clone(), File::Coming(Arc::clone(&ticket)));
        tasks::spawn(async move {
            let outcome = match ticket.wait().await {
                Ok(_) => {
                    let of = key.clone();
                    let read = tasks::spawn_blocking(move || captions::read(&media, &of)).await;
                    read.unwrap_or(Err(CaptionTrouble::Unavailable))
                }
                Err(FetchError::Cancelled) => return,
                Err(error) if error.retryable() => Err(CaptionTrouble::Unavailable),
                Err(_) => Err(CaptionTrouble::Refused),
            };
            let _ = inputs.send(Input::Captioned(key, outcome));
        });
    }

    /// A file was read, or could not be had.
    pub(super) fn handle_captioned(&mut self, key: &MediaKey, outcome: Result<Captions, CaptionTrouble>) {
        // One that was let go meanwhile is nobody's.
        let Some(file) = self.captioning.files.get_mut(key) else { return };
        let trouble = outcome.as_ref().err().copied();
        *file = match outcome {
            Ok(captions) => File::Here(Arc::new(captions)),
            Err(trouble) => File::Failed(trouble),
        };
        let from = self.engine.current().unwrap_or(0);
        let of = |position: &u64| {
            let item = self.engine.item(*position)?;
            let (place, chosen) = self.captioning.chosen(item)?;
            (chosen == *key).then(|| item.captions[place].language.clone())
        };
        let near = from.saturating_sub(1)..=from + 1;
        for (position, language) in near.filter_map(|position| Some((position, of(&position)?))) {
            self.events.push(match trouble {
                None => Event::CaptionsReady { position, language },
                Some(trouble) => Event::CaptionsFailed { position, language, trouble },
            });
        }
    }

    fn file(&self, key: &MediaKey) -> (CaptionStatus, Option<&Arc<Captions>>) {
        match self.captioning.files.get(key) {
            None | Some(File::Coming(_)) => (CaptionStatus::Loading, None),
            Some(File::Failed(trouble)) => (CaptionStatus::Failed(*trouble), None),
            Some(File::Here(captions)) => (CaptionStatus::Ready, Some(captions)),
        }
    }

    /// The captions of a card.
    pub(super) fn captions_of(&self, position: u64) -> Option<CardCaptions> {
        let item = self.engine.item(position)?;
        let tracks = item.captions.clone();
        let Some((place, key)) = self.captioning.chosen(item) else {
            return Some(CardCaptions { tracks, ..CardCaptions::default() });
        };
        let (status, captions) = self.file(&key);
        let cues = captions.map(|captions| captions.cues().to_vec()).unwrap_or_default();
        Some(CardCaptions { tracks, chosen: Some(place), status, cues })
    }

    /// What is on show now.
    pub(super) fn captions_now(&self, now: Time) -> CaptionView {
        let Some((language, key)) = self.current_captions() else { return CaptionView::default() };
        let (status, captions) = self.file(&key);
        let at = self.captioning.pointer.at(now.0);
        let cues = captions.map(|c| c.at(at).into_iter().cloned().collect()).unwrap_or_default();
        CaptionView { status, language: Some(language), cues }
    }

    /// When something of it appears or goes, if that is before the next report is due.
    pub(super) fn captions_change(&self, now: Time) -> Option<Time> {
        let (_, key) = self.current_captions()?;
        let captions = self.file(&key).1?;
        let pointer = &self.captioning.pointer;
        pointer.reaches(captions.next_change(pointer.at(now.0))?).map(Time)
    }

    fn current_captions(&self) -> Option<(String, MediaKey)> {
        let item = self.engine.current().and_then(|position| self.engine.item(position))?;
        let (place, key) = self.captioning.chosen(item)?;
        Some((item.captions[place].language.clone(), key))
    }
}
