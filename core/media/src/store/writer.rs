//! The writer of the index: one thread that gathers changes, commits them, and sweeps when there is nothing to write.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::files::remove_file;
use super::hold::Hold;
use super::index::Index;
use super::sweep::Sweep;
use super::{Core, Shared, StoreError};
use crate::disk::Step;

/// How long written bytes wait for their index row. One second: a crash costs at most one second of download, and a
/// phone's flash sees one small sync per second of downloading instead of one per chunk.
const COMMIT_AFTER: Duration = Duration::from_secs(1);
/// How long a data file stays open unused; bounds the number of descriptors to what is being read and written.
const CLOSE_AFTER: Duration = Duration::from_secs(10);
/// Idle time before each folder that is swept. Long enough that a start of the app is over, short enough that a viewing
/// of a few minutes gets through its share.
const SWEEP_AFTER: Duration = Duration::from_secs(10);

/// What the writer thread is to do.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) dirty: bool,
    pub(super) stop: bool,
}

impl Shared {
    /// Tells the writer that an entry has something for the index.
    pub(super) fn wake_writer(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if !writer.dirty {
            writer.dirty = true;
            self.writer_wake.notify_one();
        }
    }
}

impl Core {
    /// The thread: gathers changes for a while, then commits them, until told to stop.
    pub(super) fn run(&self, swept: u64) {
        let mut sweep = Sweep::from(swept);
        let mut hold = Hold::default();
        sweep.lost_folders(self);
        loop {
            let Some(stop) = self.gather(&mut sweep, &hold) else { continue };
            match self.commit() {
                Ok(()) => hold.clear(),
                Err(error) => {
                    tracing::warn!(target: "unspool::media", %error, "the cache index could not be written; trying again");
                    hold.failed(Instant::now());
                    self.shared.wake_writer();
                }
            }
            if stop {
                return;
            }
        }
    }

    /// Waits until something is to be committed; whether it is for the last time. `None` when it swept instead.
    fn gather(&self, sweep: &mut Sweep, hold: &Hold) -> Option<bool> {
        let mut writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        while !writer.dirty && !writer.stop {
            if !sweep.is_due() {
                writer = self.shared.writer_wake.wait(writer).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (woken, waited) = self
                .shared
                .writer_wake
                .wait_timeout(writer, SWEEP_AFTER)
                .unwrap_or_else(PoisonError::into_inner);
            writer = woken;
            if waited.timed_out() && !writer.dirty && !writer.stop {
                drop(writer);
                sweep.next(self);
                return None;
            }
        }
        let gathered = Instant::now() + COMMIT_AFTER;
        let until = hold.until().map_or(gathered, |held| held.max(gathered));
        while !writer.stop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            writer =
                self.shared.writer_wake.wait_timeout(writer, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        writer.dirty = false;
        Some(writer.stop)
    }

    pub(super) fn commit(&self) -> Result<(), StoreError> {
        self.commit_into(&mut self.locked_index())
    }

    pub(super) fn commit_into(&self, index: &mut Index) -> Result<(), StoreError> {
        let done = self.commit_loaded(index);
        if done.is_err() {
            self.index_failures.fetch_add(1, Ordering::Relaxed);
        }
        // What was committed need not stay in memory.
        self.loaded().trim();
        self.noted(done)
    }

    fn commit_loaded(&self, index: &mut Index) -> Result<(), StoreError> {
        let entries: Vec<Arc<Entry>> = self.loaded().all();
        let mut dirty = Vec::new();
        for entry in entries {
            match entry.take_dirty() {
                Some(snapshot) => {
                    match snapshot.sync.as_ref().map_or(Ok(()), |pending| pending.file.sync()) {
                        Ok(()) => dirty.push((entry, snapshot)),
                        Err(error) => {
                            if let Some(pending) = &snapshot.sync {
                                let generation = snapshot.row.generation;
                                let mut state = entry.lock();
                                entry.sync_failed(&mut state, generation, &pending.spans, &error.into());
                            }
                            entry.restore_dirty(snapshot.unlink);
                        }
                    }
                }
                None => entry.close_idle(CLOSE_AFTER),
            }
        }
        if dirty.is_empty() {
            return Ok(());
        }
        self.shared.disk.reached(Step::BeforeCommit);
        if let Err(error) = index.write(dirty.iter().map(|(_, snapshot)| &snapshot.row)) {
            for (entry, snapshot) in dirty {
                entry.restore_dirty(snapshot.unlink);
            }
            return Err(error);
        }
        self.shared.disk.reached(Step::AfterCommit);
        for path in dirty.iter().flat_map(|(_, snapshot)| &snapshot.unlink) {
            remove_file(&*self.shared.disk, path);
        }
        Ok(())
    }
}
