//! Cards that have to go after they were committed, and what is kept of the others.

use std::collections::BTreeSet;

use super::{Engine, SAVED_ITEMS};
use crate::captions;
use crate::feed::Closed;
use crate::impression::Exit;
use crate::model::{Item, MediaKey};
use crate::port::{Effect, Notice};
use crate::thumbnails;
use crate::time::Time;

impl Engine {
    /// Closes cards: players and requests go with the window, then what they left is forgotten.
    pub(super) fn close(&mut self, now: Time, closed: Vec<Closed>) {
        if closed.is_empty() {
            return;
        }
        let current = self.feed.current();
        if closed.iter().any(|c| Some(c.position) == current) {
            self.recorder.handle_left(now, Exit::Failed);
        }
        self.settle(now);
        self.forget(closed.iter().map(|c| &c.item));
        for Closed { position, item, decision } in closed {
            let notice =
                Notice::CardClosed { position, item: item.id, current: Some(position) == current, decision };
            self.out.push_back(Effect::Notice(notice));
        }
        self.saved_at = None;
        self.save();
    }

    /// Forgets the renditions and captions of items, except of assets that a card shows which is open, and their still
    /// pictures.
    pub(super) fn forget<'a>(&mut self, items: impl Iterator<Item = &'a Item>) {
        let open: BTreeSet<&str> = self.items().map(|item| item.asset.id.as_str()).collect();
        let shown: BTreeSet<&str> = self.items().map(|item| item.id.as_str()).collect();
        let mut keys: Vec<MediaKey> = Vec::new();
        for item in items {
            let asset = &item.asset;
            if !open.contains(asset.id.as_str()) {
                keys.extend(asset.renditions.iter().map(|r| MediaKey::new(&asset.id, &r.id)));
                keys.extend((0..item.captions.len()).filter_map(|place| captions::key(item, place)));
            }
            keys.extend(thumbnails::key(item).filter(|_| !shown.contains(item.id.as_str())));
        }
        for key in &keys {
            self.stored.remove(key);
        }
        if !keys.is_empty() {
            self.out.push_back(Effect::Forget(keys));
        }
    }

    pub(super) fn save(&mut self) {
        let mark = (self.feed.current().unwrap_or(0), self.feed.revision());
        if self.saved_at != Some(mark) && !self.feed.positions().is_empty() {
            self.saved_at = Some(mark);
            self.out.push_back(Effect::Save(self.feed.save(SAVED_ITEMS)));
        }
    }
}
