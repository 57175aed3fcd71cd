//! The one task that owns the machine of what is kept: commands and answers go in, effects are run at the edge.
//!
//! As in the driver of a feed, every effect that was started comes back, and nothing here decides. Records go to the
//! disk before what they announce is begun; what could not be written is written again later, the newest of each asset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use unspool_engine::keep::{KeepEstimate, MAX_KEPT, estimate};
use unspool_engine::{Conditions, Item, Keep, KeepOutput, KeepTrouble, KeptMark, KeptRecord, Span};
use unspool_media::tasks;
use unspool_media::{FetchTicket, Media, MediaError};

use super::beside;
use super::effects::held_bytes;
use super::{Kept, KeptSnapshot, too_many};
use crate::clock::Clock;
use crate::error::Error;
use crate::store::SessionStore;

/// How often progress is looked at while something is fetched: a bar that moves five times a second is smooth.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How soon a record that could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(5);
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;
pub(super) type Answers<T> = oneshot::Receiver<Result<T, Error>>;

/// What the session asks for.
pub(super) enum Command {
    Estimate(Vec<Item>, Reply<KeepEstimate>),
    Keep(Vec<Item>, Reply<KeepEstimate>),
    Pause(Vec<String>, Reply<()>),
    Resume(Vec<String>, Reply<()>),
    Forget(Vec<String>, Reply<u64>),
    Conditions(Conditions),
    SignedIn,
    Settle(Reply<()>),
    Stop(Reply<()>),
}

/// What came of an effect.
pub(super) enum Answer {
    Checked { asset: String, held: u64, complete: bool },
    Probed { asset: String, answer: Result<u64, KeepTrouble> },
    Fetched { asset: String, end: Result<(), KeepTrouble>, held: u64, complete: bool, used: Vec<Span> },
    Dropped { asset: String, freed: Result<u64, MediaError> },
}

/// A caller who waits until assets are gone.
struct Forgetting {
    assets: BTreeSet<String>,
    freed: u64,
    reply: Reply<u64>,
}

/// The task.
pub(super) struct Runner {
    pub(super) media: Arc<Media>,
    store: Arc<SessionStore>,
    clock: Clock,
    pub(super) engine: Keep,
    commands: mpsc::UnboundedReceiver<Command>,
    answers: mpsc::UnboundedReceiver<Answer>,
    pub(super) answer: mpsc::UnboundedSender<Answer>,
    pub(super) tickets: BTreeMap<String, Vec<Arc<FetchTicket>>>,
    pub(super) looked_beside: bool,
    /// Rows that the database has to learn; `None` for one that goes.
    unsaved: BTreeMap<String, Option<KeptRecord>>,
    forgetting: Vec<Forgetting>,
    /// What was asked for while an asset of it was being dropped.
    later: Vec<(Vec<Item>, Reply<KeepEstimate>)>,
    items: BTreeMap<String, Arc<Item>>,
    snapshot: watch::Sender<KeptSnapshot>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("kept", &self.engine.len()).finish_non_exhaustive()
    }
}

impl Runner {
    pub(super) fn new(
        media: Arc<Media>,
        store: Arc<SessionStore>,
        clock: Clock,
        engine: Keep,
        commands: mpsc::UnboundedReceiver<Command>,
        snapshot: watch::Sender<KeptSnapshot>,
    ) -> Self {
        let (answer, answers) = mpsc::unbounded_channel();
        let mut runner = Runner {
            media,
            store,
            clock,
            engine,
            commands,
            answers,
            answer,
            tickets: BTreeMap::new(),
            looked_beside: false,
            unsaved: BTreeMap::new(),
            forgetting: Vec::new(),
            later: Vec::new(),
            items: BTreeMap::new(),
            snapshot,
        };
        runner.publish();
        runner
    }

    /// Lets go what is pinned and written down nowhere. Only keeping pins, and it writes its record before it fetches: a
    /// pin without a record is left over from a database that was lost, or from a crash between the two.
    async fn let_strays_go(&self) {
        let (media, mut kept) = (Arc::clone(&self.media), self.engine.keys());
        kept.extend(self.engine.views().flat_map(|view| beside::keys(&view.record.item)));
        let looked = tasks::spawn_blocking(move || {
            let pinned = media.pinned()?;
            for key in pinned.iter().filter(|key| !kept.contains(*key)) {
                tracing::info!("a rendition that nobody keeps any more is left to eviction");
                media.unpin(key);
            }
            Ok::<(), MediaError>(())
        });
        if let Ok(Err(error)) = looked.await {
            tracing::warn!(%error, "what is pinned could not be compared with what is kept");
        }
    }

    /// Runs until told to stop or until the session is gone.
    pub(super) async fn run(mut self) {
        self.let_strays_go().await;
        let stopped = loop {
            self.keep_waiting().await;
            let written = self.turn_end().await;
            let sleep = self.sleep(&written);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Stop(reply)) => break Some(reply),
                    Some(command) => self.handle(command).await,
                    None => break None,
                },
                Some(answer) = self.answers.recv() => self.take(answer),
                () = tokio::time::sleep(sleep) => {
                    self.look();
                    self.engine.handle_timeout(self.clock.now());
                }
            }
        };
        self.engine.handle_end();
        let _ = self.turn_end().await;
        if let Some(reply) = stopped {
            let _ = reply.send(Ok(()));
        }
    }

    async fn handle(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Estimate(items, reply) => {
                let _ = reply.send(self.plan(items).await.map(|(_, estimate)| estimate));
            }
            Command::Keep(items, reply) => self.later.push((items, reply)),
            Command::Pause(assets, reply) => {
                assets.iter().for_each(|asset| self.engine.handle_pause(now, asset));
                let _ = reply.send(self.turn_end().await);
            }
            Command::Resume(assets, reply) => {
                assets.iter().for_each(|asset| self.engine.handle_resume(now, asset));
                let _ = reply.send(self.turn_end().await);
            }
            Command::Forget(assets, reply) => {
                assets.iter().for_each(|asset| self.engine.handle_forget(now, asset));
                let assets = assets.into_iter().filter(|asset| self.engine.record(asset).is_some()).collect();
                self.forgetting.push(Forgetting { assets, freed: 0, reply });
            }
            Command::Conditions(conditions) => self.engine.handle_conditions(now, conditions),
            Command::SignedIn => self.engine.handle_signed_in(now),
            Command::Settle(reply) => {
                let _ = reply.send(self.turn_end().await);
            }
            // Taken by the loop before it gets here.
            Command::Stop(reply) => drop(reply),
        }
    }

    /// New records for items, and what keeping them would take.
    async fn plan(&self, items: Vec<Item>) -> Result<(Vec<KeptRecord>, KeepEstimate), Error> {
        let mut records = self.engine.records(items, &|_| Vec::new());
        if self.engine.len() + records.len() > MAX_KEPT {
            return Err(too_many());
        }
        let (media, pending) = (Arc::clone(&self.media), self.engine.pending_bytes());
        let planned = tasks::spawn_blocking(move || {
            for record in &mut records {
                record.others = media.held(&record.key);
                record.held = record.others.iter().map(Span::len).sum();
                record.size = media.info(&record.key).map(|info| info.size);
            }
            let free = media.free_space()?;
            let estimate = estimate(&records, pending, free);
            Ok::<_, MediaError>((records, estimate))
        });
        match planned.await {
            Ok(planned) => planned.map_err(|e| Error::Storage { reason: e.to_string() }),
            Err(e) => Err(Error::Internal { reason: e.to_string() }),
        }
    }

    /// Keeps what was asked for and is not being dropped at the moment.
    async fn keep_waiting(&mut self) {
        for (items, reply) in std::mem::take(&mut self.later) {
            let going = |item: &Item| {
                self.engine.record(&item.asset.id).is_some_and(|record| record.mark == KeptMark::Dropping)
            };
            if items.iter().any(going) {
                self.later.push((items, reply));
            } else {
                let kept = self.keep(items).await;
                // Whoever is answered finds it among what is kept.
                self.publish();
                let _ = reply.send(kept);
            }
        }
    }

    async fn keep(&mut self, items: Vec<Item>) -> Result<KeepEstimate, Error> {
        let (records, estimate) = self.plan(items).await?;
        if !estimate.fits {
            let KeepEstimate { needed, pending, free, .. } = estimate;
            return Err(Error::NoRoom { needed: needed.saturating_add(pending), free });
        }
        let store = Arc::clone(&self.store);
        let written = tasks::spawn_blocking(move || {
            store.save_kept(records.iter(), std::iter::empty()).map(|()| records)
        });
        match written.await {
            Ok(Ok(records)) => {
                self.engine.handle_kept(self.clock.now(), records);
                Ok(estimate)
            }
            Ok(Err(e)) => Err(Error::Storage { reason: e.to_string() }),
            Err(e) => Err(Error::Internal { reason: e.to_string() }),
        }
    }

    fn take(&mut self, answer: Answer) {
        let now = self.clock.now();
        match answer {
            Answer::Checked { asset, held, complete } => {
                self.engine.handle_checked(now, &asset, held, complete);
            }
            Answer::Probed { asset, answer } => self.engine.handle_probed(now, &asset, answer),
            Answer::Fetched { asset, end, held, complete, used } => {
                self.tickets.remove(&asset);
                self.engine.handle_used(&asset, &used);
                self.engine.handle_fetched(now, &asset, end, held, complete);
            }
            Answer::Dropped { asset, freed } => {
                self.engine.handle_dropped(now, &asset, freed.is_ok());
                match freed {
                    Ok(freed) => {
                        let waiting = self.forgetting.iter_mut().filter(|w| w.assets.contains(&asset));
                        waiting.for_each(|w| w.freed += freed);
                    }
                    Err(error) => self.stays(&asset, &error),
                }
            }
        }
    }

    /// Bytes of a forgotten asset could not be dropped yet: whoever waits for it is told, and it is tried again.
    fn stays(&mut self, asset: &str, error: &MediaError) {
        tracing::warn!(%error, "bytes of a forgotten asset stay for now");
        let told = || Error::Storage { reason: error.to_string() };
        for waiting in self.forgetting.extract_if(.., |waiting| waiting.assets.contains(asset)) {
            let _ = waiting.reply.send(Err(told()));
        }
        let of = |items: &[Item]| items.iter().any(|item| item.asset.id == asset);
        for (_, reply) in self.later.extract_if(.., |(items, _)| of(items)) {
            let _ = reply.send(Err(told()));
        }
    }

    /// Measures the progress of what is being fetched.
    fn look(&mut self) {
        let Some(record) = self.engine.fetching() else { return };
        let (asset, key) = (record.asset().to_owned(), record.key.clone());
        let used = self.media.used(&key);
        self.engine.handle_used(&asset, &used);
        self.engine.handle_held(&asset, held_bytes(&self.media, &key));
    }

    fn sleep(&self, written: &Result<(), Error>) -> Duration {
        let now = self.clock.now();
        let due = self.engine.poll_timeout().map(|at| Duration::from_millis(at.since(now).0));
        let look = self.engine.fetching().map(|_| LOOK_EVERY);
        let again = written.is_err().then_some(WRITE_AGAIN);
        [due, look, again].into_iter().flatten().min().unwrap_or(Duration::from_secs(3_600))
    }

    /// Runs what the machine wants done, writes down what it wants remembered, and publishes what changed.
    async fn turn_end(&mut self) -> Result<(), Error> {
        self.look_beside();
        while let Some(output) = self.engine.poll_output() {
            match output {
                KeepOutput::Save(record) => {
                    self.unsaved.insert(record.asset().to_owned(), Some(*record));
                }
                KeepOutput::Erase { asset } => {
                    self.items.remove(&asset);
                    self.unsaved.insert(asset, None);
                }
                KeepOutput::Pin { key } => {
                    // Before anything else is done to it, so that no later unpinning is overtaken.
                    let record = self.engine.record(key.parts().0);
                    let beside = record.map_or_else(Vec::new, |record| beside::keys(&record.item));
                    let media = Arc::clone(&self.media);
                    let pinned = move || beside.iter().chain([&key]).for_each(|key| media.pin(key));
                    let _ = tasks::spawn_blocking(pinned).await;
                }
                output => {
                    // What is announced is on the disk before it is begun; a disk that refuses is told below.
                    let _ = self.write().await;
                    self.run_output(output);
                }
            }
        }
        let written = self.write().await;
        self.publish();
        for at in (0..self.forgetting.len()).rev() {
            if !self.forgetting[at].assets.iter().any(|asset| self.engine.record(asset).is_some()) {
                let done = self.forgetting.remove(at);
                let _ = done.reply.send(written.clone().map(|()| done.freed));
            }
        }
        written
    }

    async fn write(&mut self) -> Result<(), Error> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let (store, rows) = (Arc::clone(&self.store), std::mem::take(&mut self.unsaved));
        let written = tasks::spawn_blocking(move || {
            let gone = rows.iter().filter(|(_, row)| row.is_none()).map(|(asset, _)| asset.as_str());
            let written = store.save_kept(rows.values().flatten(), gone);
            (rows, written)
        });
        match written.await {
            Ok((_, Ok(()))) => Ok(()),
            Ok((rows, Err(e))) => {
                tracing::warn!(%e, "the records of what is kept wait to be written");
                self.unsaved = rows;
                Err(Error::Storage { reason: e.to_string() })
            }
            Err(e) => Err(Error::Internal { reason: e.to_string() }),
        }
    }

    fn publish(&mut self) {
        let mut kept = Vec::with_capacity(self.engine.len());
        for view in self.engine.views() {
            let record = view.record;
            let item = self
                .items
                .entry(record.asset().to_owned())
                .or_insert_with(|| Arc::new(record.item.clone()))
                .clone();
            kept.push(Kept {
                item,
                rendition: record.key.parts().1.to_owned(),
                state: view.state,
                held: view.held,
                bytes: record.expected_bytes(),
            });
        }
        let hold = self.engine.hold();
        self.snapshot.send_if_modified(|now| {
            let same = now.kept == kept && now.hold == hold;
            if !same {
                *now = KeptSnapshot { revision: now.revision + 1, kept, hold };
            }
            !same
        });
    }
}
