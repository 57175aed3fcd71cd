//! What the person keeps for offline: which rendition, when it is fetched, and what becomes of it.
//!
//! A kept asset is a durable record and one rendition of it, chosen once ([`choose`]). [`Keep`] fetches them one after
//! the other in the order they were asked for, only while the conditions allow ([`KeepPolicy::hold`]), behind everything
//! a feed wants. A failure that may pass is tried again after a growing pause; bytes that arrived in between begin a new
//! row of tries. Whatever goes wrong for good is a state with a reason, never silence.
//!
//! Records are written before what they describe is begun and erased after it is gone, so a killed process finds every
//! kept asset again, and goes on dropping what it was dropping.

mod entry;
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use model::{
    Hold, KeepEstimate, KeepFailure, KeepOutput, KeepPolicy, KeepState, KeepTrouble, KeptMark, KeptRecord,
    KeptView, choose, estimate, expected_bytes,
};

use entry::{Entry, RETRY_BASE, Running};

use crate::info::merge;
use crate::model::{Item, MediaKey, Span};
use crate::port::Conditions;
use crate::time::Time;

/// Assets kept at most: a day and a half of clips of a minute each, and a list that an app can still show.
pub const MAX_KEPT: usize = 2_000;
/// The machine of everything that is kept offline.
#[derive(Debug)]
pub struct Keep {
    policy: KeepPolicy,
    conditions: Conditions,
    seed: u64,
    entries: BTreeMap<u64, Entry>,
    places: BTreeMap<String, u64>,
    next: u64,
    ended: bool,
    out: VecDeque<KeepOutput>,
}

impl Keep {
    /// A machine that keeps nothing yet. The same `seed` gives the same pauses.
    #[must_use]
    pub fn new(policy: KeepPolicy, conditions: Conditions, seed: u64) -> Self {
        Keep {
            policy,
            conditions,
            seed,
            entries: BTreeMap::new(),
            places: BTreeMap::new(),
            next: 0,
            ended: false,
            out: VecDeque::new(),
        }
    }

    /// Takes up what an earlier session kept, in its order. Each is compared with the store before anything is fetched.
    pub fn handle_start(&mut self, now: Time, records: Vec<KeptRecord>) {
        for record in records {
            self.add(record);
        }
        self.plan(now);
    }

    /// New records for `items` that are not kept yet, each with the key of its rendition; nothing is begun by it. `held`
    /// answers which bytes of a rendition are here already. The edge writes the records down, then gives them to
    /// [`handle_kept`](Keep::handle_kept).
    #[must_use]
    pub fn records(&self, items: Vec<Item>, held: &dyn Fn(&MediaKey) -> Vec<Span>) -> Vec<KeptRecord> {
        let mut records: Vec<KeptRecord> = Vec::new();
        for item in items {
            let known = self.places.contains_key(&item.asset.id)
                || records.iter().any(|r| r.item.asset.id == item.asset.id);
            let Some(rendition) = choose(&item.asset, &self.policy).filter(|_| !known) else { continue };
            let key = MediaKey::new(&item.asset.id, &rendition.id);
            let others = held(&key);
            let order = self.next + records.len() as u64;
            let held = others.iter().map(Span::len).sum();
            records.push(KeptRecord { order, item, key, mark: KeptMark::Wanted, size: None, held, others });
        }
        records
    }

    /// Begins to keep what was written down.
    pub fn handle_kept(&mut self, now: Time, records: Vec<KeptRecord>) {
        for record in records {
            let place = self.add(record);
            // What was not there a moment ago need not be compared.
            if let Some(entry) = place.and_then(|place| self.entries.get_mut(&place)) {
                entry.checked = true;
            }
        }
        self.plan(now);
    }

    /// The device is like this now. What failed for want of a network is due at once when it comes back.
    pub fn handle_conditions(&mut self, now: Time, conditions: Conditions) {
        if conditions.online && !self.conditions.online {
            self.entries.values_mut().for_each(|entry| entry.retry_at = None);
        }
        self.conditions = conditions;
        self.plan(now);
    }

    /// Somebody signed in: what waited for it goes on, and what was refused is wanted again.
    pub fn handle_signed_in(&mut self, now: Time) {
        self.entries.values_mut().for_each(|entry| entry.signed_out = false);
        let refused = |entry: &&mut Entry| entry.record.mark == KeptMark::Failed(KeepFailure::Gone);
        for entry in self.entries.values_mut().filter(refused) {
            entry.want(&mut self.out);
        }
        self.plan(now);
    }

    /// Stops fetching an asset until it is resumed; a fetch that runs ends with its chunk. No effect on what is complete.
    pub fn handle_pause(&mut self, now: Time, asset: &str) {
        if let Some(entry) = self.entry(asset)
            && matches!(entry.record.mark, KeptMark::Wanted | KeptMark::Failed(_))
        {
            entry.record.mark = KeptMark::Paused;
            self.save(asset);
        }
        self.plan(now);
    }

    /// Goes on with a paused asset, or tries a failed one again.
    pub fn handle_resume(&mut self, now: Time, asset: &str) {
        let Some(&place) = self.places.get(asset) else { return };
        if let Some(entry) = self.entries.get_mut(&place) {
            match entry.record.mark {
                KeptMark::Paused | KeptMark::Failed(_) => entry.want(&mut self.out),
                KeptMark::Wanted => {
                    entry.retry_at = None;
                    entry.signed_out = false;
                }
                KeptMark::Complete | KeptMark::Dropping => {}
            }
        }
        self.plan(now);
    }

    /// Keeps an asset no longer: what was brought only for it is dropped once nothing of it runs.
    pub fn handle_forget(&mut self, now: Time, asset: &str) {
        if let Some(entry) = self.entry(asset)
            && entry.record.mark != KeptMark::Dropping
        {
            entry.record.mark = KeptMark::Dropping;
            entry.retry_at = None;
            self.save(asset);
        }
        self.plan(now);
    }

    /// The store was asked what it has of an asset: the bytes, and whether that is all of it.
    pub fn handle_checked(&mut self, now: Time, asset: &str, held: u64, complete: bool) {
        let Some(entry) = self.entry(asset) else { return };
        entry.end(Running::Check);
        entry.checked = true;
        entry.held = held;
        entry.record.held = held;
        match (entry.record.mark, complete) {
            (KeptMark::Complete, false) => {
                entry.record.mark = KeptMark::Wanted;
                self.save(asset);
            }
            (KeptMark::Wanted | KeptMark::Paused | KeptMark::Failed(_), true) => self.completed(asset),
            _ => {}
        }
        self.plan(now);
    }

    /// The length of an asset's rendition became known, or could not be had.
    pub fn handle_probed(&mut self, now: Time, asset: &str, answer: Result<u64, KeepTrouble>) {
        let Some(entry) = self.entry(asset) else { return };
        entry.end(Running::Probe);
        match answer {
            Ok(size) => {
                if entry.record.size != Some(size) {
                    entry.record.size = Some(size);
                    entry.held = entry.held.min(size);
                    entry.record.held = entry.record.held.min(size);
                    self.save(asset);
                }
            }
            Err(trouble) => self.failed(now, asset, trouble),
        }
        self.plan(now);
    }

    /// The store holds this many bytes of an asset now. Progress never goes back while a file stays the same.
    pub fn handle_held(&mut self, asset: &str, held: u64) {
        if let Some(entry) = self.entry(asset) {
            entry.advance(held);
        }
    }

    /// These bytes of an asset were brought or read by somebody else: they stay when it is forgotten.
    pub fn handle_used(&mut self, asset: &str, used: &[Span]) {
        if let Some(entry) = self.entry(asset) {
            entry.record.others = merge(entry.record.others.iter().chain(used).copied().collect());
        }
    }

    /// The fetch of an asset ended. `held` and `complete` are what the store says now and would say after a crash.
    pub fn handle_fetched(
        &mut self,
        now: Time,
        asset: &str,
        end: Result<(), KeepTrouble>,
        held: u64,
        complete: bool,
    ) {
        let Some(entry) = self.entry(asset) else { return };
        let cancelled = entry.cancelled;
        entry.end(Running::Fetch);
        entry.advance(held);
        entry.record.held = entry.held;
        match end {
            _ if entry.record.mark == KeptMark::Dropping => {}
            _ if complete => self.completed(asset),
            // It was stopped by us; what it brought stays.
            Err(_) if cancelled => self.save(asset),
            // All was there and is not any more: damaged, or dropped with an old version of the file.
            Ok(()) => {
                entry.record.size = None;
                let trouble = KeepTrouble::of(KeepFailure::Server, true);
                self.failed(now, asset, trouble);
            }
            Err(trouble) => self.failed(now, asset, trouble),
        }
        self.plan(now);
    }

    /// What was brought for an asset is gone, or could not be taken off the disk yet.
    pub fn handle_dropped(&mut self, now: Time, asset: &str, done: bool) {
        let Some(&place) = self.places.get(asset) else { return };
        if done {
            self.entries.remove(&place);
            self.places.remove(asset);
            self.out.push_back(KeepOutput::Erase { asset: asset.to_owned() });
        } else if let Some(entry) = self.entries.get_mut(&place) {
            entry.end(Running::Drop);
            entry.retry_at = Some(now + entry.backoff.fail());
        }
        self.plan(now);
    }

    /// A deadline named by [`poll_timeout`](Keep::poll_timeout) came.
    pub fn handle_timeout(&mut self, now: Time) {
        self.plan(now);
    }

    /// The session ends: what runs is stopped, nothing new is asked for. Records say where the next one goes on.
    pub fn handle_end(&mut self) {
        self.ended = true;
        self.stop(|_| true);
    }

    /// What to do next; ask until `None`.
    pub fn poll_output(&mut self) -> Option<KeepOutput> {
        self.out.pop_front()
    }

    /// When a failure is due for another try.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let held_up = self.hold().is_some();
        let waits = |entry: &&Entry| match entry.record.mark {
            KeptMark::Wanted => !held_up && entry.running.is_none(),
            KeptMark::Dropping => entry.running.is_none(),
            KeptMark::Paused | KeptMark::Complete | KeptMark::Failed(_) => false,
        };
        let due = self.entries.values().filter(waits).filter_map(|entry| entry.retry_at).min();
        due.filter(|_| !self.ended)
    }

    /// Why nothing is fetched at the moment, whatever is wanted.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        self.policy.hold(self.conditions)
    }

    /// The asset that is being fetched, for whoever measures its progress.
    #[must_use]
    pub fn fetching(&self) -> Option<&KeptRecord> {
        self.entries.values().find(|e| e.running == Some(Running::Fetch)).map(|e| &e.record)
    }

    /// The record of an asset; `None` when it is not kept, or not any more.
    #[must_use]
    pub fn record(&self, asset: &str) -> Option<&KeptRecord> {
        self.places.get(asset).and_then(|place| self.entries.get(place)).map(|entry| &entry.record)
    }

    /// The renditions of everything that is kept or being dropped.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<MediaKey> {
        self.entries.values().map(|entry| entry.record.key.clone()).collect()
    }

    /// Everything that is kept, in the order it was asked for. What is being dropped is not among it.
    pub fn views(&self) -> impl Iterator<Item = KeptView<'_>> {
        let hold = self.hold();
        self.entries.values().filter(|e| e.record.mark != KeptMark::Dropping).map(move |entry| KeptView {
            record: &entry.record,
            held: entry.held,
            state: match (entry.record.mark, hold) {
                (KeptMark::Paused, _) => KeepState::Paused,
                (KeptMark::Complete, _) => KeepState::Complete,
                (KeptMark::Failed(failure), _) => KeepState::Failed(failure),
                (_, Some(hold)) => KeepState::Held(hold),
                _ if entry.signed_out => KeepState::Held(Hold::SignIn),
                _ if matches!(entry.running, Some(Running::Probe | Running::Fetch)) => KeepState::Fetching,
                _ if entry.retry_at.is_some() => KeepState::Retrying,
                _ => KeepState::Queued,
            },
        })
    }

    /// Assets that are kept or being dropped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept or being dropped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that are still to come for what is kept and not complete, as far as sizes are known or declared.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        let open = |e: &&Entry| !matches!(e.record.mark, KeptMark::Complete | KeptMark::Dropping);
        let missing = |e: &Entry| e.record.expected_bytes().saturating_sub(e.held);
        self.entries.values().filter(open).map(missing).sum()
    }

    fn add(&mut self, record: KeptRecord) -> Option<u64> {
        let asset = record.item.asset.id.clone();
        if self.places.contains_key(&asset) {
            return None;
        }
        let place = record.order.max(self.next);
        self.next = place + 1;
        self.places.insert(asset, place);
        if record.mark != KeptMark::Dropping {
            self.out.push_back(KeepOutput::Pin { key: record.key.clone() });
        }
        let entry = Entry::new(record, self.seed ^ place);
        self.entries.insert(place, entry);
        Some(place)
    }

    fn entry(&mut self, asset: &str) -> Option<&mut Entry> {
        self.places.get(asset).and_then(|place| self.entries.get_mut(place))
    }

    fn save(&mut self, asset: &str) {
        if let Some(record) = self.record(asset).cloned() {
            self.out.push_back(KeepOutput::Save(Box::new(record)));
        }
    }

    fn completed(&mut self, asset: &str) {
        if let Some(entry) = self.entry(asset) {
            entry.record.mark = KeptMark::Complete;
            entry.held = entry.record.size.unwrap_or(entry.held);
            entry.record.held = entry.held;
            entry.retry_at = None;
            entry.failures = 0;
            self.save(asset);
        }
    }

    fn failed(&mut self, now: Time, asset: &str, trouble: KeepTrouble) {
        let attempts = self.policy.attempts;
        let Some(entry) = self.entry(asset) else { return };
        if entry.record.mark != KeptMark::Wanted {
            return;
        }
        if trouble.sign_in {
            // Nothing but a sign-in helps, and nothing failed. Another session may be signed in, so it is not written.
            entry.signed_out = true;
            return;
        }
        if trouble.offline {
            // The edge lost the network before it said so; the conditions will tell, or the next try.
            entry.retry_at = Some(now + RETRY_BASE);
            return;
        }
        if entry.held > entry.failed_at {
            entry.failures = 0;
            entry.backoff.reset();
        }
        entry.failed_at = entry.held;
        entry.failures += 1;
        if !trouble.retryable || entry.failures >= attempts {
            entry.record.mark = KeptMark::Failed(trouble.kind);
            entry.retry_at = None;
        } else {
            entry.retry_at = Some(now + entry.backoff.fail());
        }
        self.save(asset);
    }

    /// Stops the fetches that `which` names.
    fn stop(&mut self, which: impl Fn(&KeptRecord) -> bool) {
        for entry in self.entries.values_mut() {
            if entry.running == Some(Running::Fetch) && !entry.cancelled && which(&entry.record) {
                entry.cancelled = true;
                self.out.push_back(KeepOutput::Cancel { asset: entry.record.asset().to_owned() });
            }
        }
    }

    /// Brings what runs in line with what is wanted and allowed.
    fn plan(&mut self, now: Time) {
        if self.ended {
            return;
        }
        let held_up = self.hold().is_some();
        self.stop(|record| held_up || record.mark != KeptMark::Wanted);
        let mut busy = self.entries.values().any(Entry::is_fetching);
        for entry in self.entries.values_mut() {
            let due = entry.running.is_none() && entry.retry_at.is_none_or(|at| now >= at);
            if !due {
                continue;
            }
            let (asset, key) = (entry.record.asset().to_owned(), entry.record.key.clone());
            let (running, output) = match entry.record.mark {
                KeptMark::Dropping => {
                    let others = entry.record.others.clone();
                    (Running::Drop, KeepOutput::Drop { asset, key, others })
                }
                _ if !entry.checked => (Running::Check, KeepOutput::Check { asset, key }),
                KeptMark::Wanted if !held_up && !busy && !entry.signed_out => {
                    busy = true;
                    match entry.record.size {
                        None => (Running::Probe, KeepOutput::Probe { asset, key }),
                        Some(size) => (Running::Fetch, KeepOutput::Fetch { asset, key, size }),
                    }
                }
                _ => continue,
            };
            entry.retry_at = None;
            entry.cancelled = false;
            entry.running = Some(running);
            self.out.push_back(output);
        }
    }
}
