//! One rendition in the store: its data file, which bytes of it are there, and the readers that wait for more.
//!
//! Reads and writes happen under the entry's lock. That makes "these bytes are here" and "copy these bytes" one step,
//! which eviction and version changes rely on; the price is a copy out of the page cache, tens of microseconds.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use unspool_engine::{MediaKey, Span};
use xxhash_rust::xxh3::xxh3_64;

use super::Shared;
use super::error::StoreError;
use super::index::{Row, file_name};
use super::state::State;

/// Bytes under one checksum. 64 KiB: what a demuxer reads in one go, and 0.01 % of overhead for an 8-byte hash.
pub(crate) const BLOCK: u64 = 64 * 1024;

/// Bytes kept in memory per entry while the disk is full: enough for the read-ahead of one player (512 KiB by
/// default) four times over.
const VOLATILE_BYTES: usize = 2 * 1024 * 1024;

/// Last-use times are rounded to this, so that reading alone does not keep the index writer busy.
const USE_GRAIN_MS: i64 = 10_000;

/// What tells two versions of a file apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Validators {
    pub size: Option<u64>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// One rendition's bytes.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: MediaKey,
    /// Name of the data file, without the generation.
    pub(super) name: String,
    shared: Arc<Shared>,
    state: Mutex<State>,
    changed: Condvar,
    /// Readers of the data file itself, from whom nothing may be taken.
    leases: AtomicUsize,
}

/// What the index writer takes out of an entry.
pub(super) struct Snapshot {
    pub row: Row,
    pub sync: Option<Arc<File>>,
    pub unlink: Vec<PathBuf>,
}

impl Entry {
    pub(super) fn new(key: MediaKey, shared: Arc<Shared>, row: Row) -> Self {
        let name = file_name(key.as_str());
        let state = Mutex::new(State::new(row, shared.stored_bytes.clone()));
        Entry { key, name, shared, state, changed: Condvar::new(), leases: AtomicUsize::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for any change of the entry, at most `wait`.
    pub(crate) fn wait<'a>(
        &self,
        guard: MutexGuard<'a, State>,
        wait: std::time::Duration,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(guard, wait).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wakes everyone who waits for the entry. Taking the lock first closes the gap between a check and its wait.
    pub(crate) fn notify(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Whether the last write found no space and none was freed since.
    pub(crate) fn is_full(&self, state: &State) -> bool {
        state.full_since == Some(self.shared.space_epoch.load(Ordering::Relaxed))
    }

    /// Records a use, for eviction by age.
    pub(crate) fn touch(&self) {
        let now = now_ms();
        let mut state = self.lock();
        if now - state.last_used_ms >= USE_GRAIN_MS {
            state.last_used_ms = now;
            self.mark(&mut state);
        }
    }

    /// Begins a reading of the data file itself; eviction takes nothing until it is released.
    pub(crate) fn lease(&self) {
        // Under the lock, so that a removal has either seen it or is over.
        let _state = self.lock();
        self.leases.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn release(&self) {
        self.leases.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_leased(&self) -> bool {
        self.leases.load(Ordering::Relaxed) > 0
    }

    /// The data file of an entry that holds its first `size` bytes, each of its blocks compared with its checksum;
    /// `None` when something is missing or damaged. Reads at most a block at a time under the lock.
    pub(crate) fn verified_file(&self, size: u64) -> Result<Option<PathBuf>, StoreError> {
        let generation = self.lock().generation;
        for number in 0..size.div_ceil(BLOCK) {
            let mut state = self.lock();
            let block = Span::new(number * BLOCK, ((number + 1) * BLOCK).min(size));
            if state.generation != generation
                || !state.spans.covers(block)
                || self.first_bad_block(&mut state, block).is_some()
            {
                return Ok(None);
            }
            if !state.blocks.contains_key(&number) {
                // The end of a file whose length was learnt after its last bytes has none yet.
                self.hash_blocks(&mut state, block);
                self.mark(&mut state);
            }
        }
        let mut state = self.lock();
        // Opening compares the length of the file with the spans.
        self.file(&mut state, false)?;
        let whole = state.generation == generation && state.spans.covers(Span::new(0, size));
        Ok(whole.then(|| self.path(generation)))
    }

    pub(crate) fn set_pinned(&self, pinned: bool) {
        let mut state = self.lock();
        if state.pinned != pinned {
            state.pinned = pinned;
            self.mark(&mut state);
        }
    }

    fn mark(&self, state: &mut State) {
        state.dirty = true;
        self.shared.wake_writer();
    }

    /// Takes in what a server says about the file; `true` when it is another version and the old bytes were dropped.
    pub(crate) fn observe(&self, seen: &Validators) -> bool {
        let mut state = self.lock();
        let known = &state.validators;
        let differs = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
        let same_tag = known.etag.is_some() && known.etag == seen.etag;
        let changed = matches!((known.size, seen.size), (Some(a), Some(b)) if a != b)
            || differs(&known.etag, &seen.etag)
            || (!same_tag && differs(&known.last_modified, &seen.last_modified));
        if changed {
            return self.begin_version(state, seen.clone());
        }
        let merged = Validators {
            size: seen.size.or(known.size),
            etag: seen.etag.clone().or_else(|| known.etag.clone()),
            last_modified: seen.last_modified.clone().or_else(|| known.last_modified.clone()),
        };
        if merged != state.validators {
            state.validators = merged;
            self.mark(&mut state);
        }
        false
    }

    /// Drops the stored version because another one is known to have taken its place; whether it had bytes.
    pub(crate) fn supersede(&self) -> bool {
        self.begin_version(self.lock(), Validators::default())
    }

    fn begin_version(&self, mut state: MutexGuard<'_, State>, validators: Validators) -> bool {
        let had_bytes = !state.spans.is_empty() || !state.volatile.is_empty();
        let old = self.path(state.generation);
        state.generation += 1;
        state.unlink.push(old);
        state.validators = validators;
        state.spans.clear();
        state.blocks.clear();
        state.changed_blocks.clear();
        state.drop_blocks = true;
        state.verified.clear();
        state.volatile.clear();
        state.file = None;
        state.claimed = false;
        state.unsynced = false;
        self.mark(&mut state);
        drop(state);
        self.changed.notify_all();
        had_bytes
    }

    /// Files `bytes` at `offset` and wakes readers; says how many of them were new.
    ///
    /// `generation` is the version the bytes belong to; bytes of a dropped version are refused with `Ok(0)`.
    pub(crate) fn write(&self, generation: u64, offset: u64, bytes: &Bytes) -> Result<u64, StoreError> {
        let mut state = self.lock();
        let end = offset.saturating_add(bytes.len() as u64).min(state.validators.size.unwrap_or(u64::MAX));
        if state.generation != generation || end <= offset {
            return Ok(0);
        }
        if self.shared.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Closed);
        }
        let mut new = 0;
        for hole in state.holes(Span::new(offset, end)) {
            let part = bytes.slice(index_of(hole.start - offset)..index_of(hole.end - offset));
            self.write_hole(&mut state, hole, part)?;
            new += hole.len();
        }
        drop(state);
        self.changed.notify_all();
        Ok(new)
    }

    fn write_hole(&self, state: &mut State, hole: Span, part: Bytes) -> Result<(), StoreError> {
        let space = self.shared.space_epoch.load(Ordering::Relaxed);
        if state.full_since != Some(space) {
            state.full_since = None;
            let written = self.file(state, true).and_then(|file| match file {
                Some(file) => Ok(self.shared.faults.write(|| file.write_all_at(&part, hole.start))?),
                None => Err(StoreError::Io(io::ErrorKind::NotFound.into())),
            });
            match written {
                Ok(()) => {
                    state.spans.insert(hole);
                    state.unsynced = true;
                    self.hash_blocks(state, hole);
                    self.mark(state);
                    return Ok(());
                }
                Err(StoreError::Full) => {
                    tracing::warn!(target: "unspool::media", "no space left: reading through without caching");
                    self.shared.disk_full.fetch_add(1, Ordering::Relaxed);
                    state.full_since = Some(space);
                }
                Err(error) => return Err(error),
            }
        }
        state.volatile.push_back((hole.start, part));
        while state.volatile.iter().map(|(_, b)| b.len()).sum::<usize>() > VOLATILE_BYTES {
            state.volatile.pop_front();
        }
        Ok(())
    }

    /// Checksums every block that `span` completed.
    fn hash_blocks(&self, state: &mut State, span: Span) {
        for number in span.start / BLOCK..=(span.end - 1) / BLOCK {
            let block = state.block_span(number);
            if block.is_empty() || !state.spans.covers(block) {
                continue;
            }
            if let Ok(bytes) = self.read_block(state, block) {
                state.blocks.insert(number, xxh3_64(&bytes));
                state.changed_blocks.insert(number);
                state.verified.insert(block);
            }
        }
    }

    fn read_block(&self, state: &mut State, block: Span) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; index_of(block.len())];
        match self.file(state, false)? {
            Some(file) => file.read_exact_at(&mut bytes, block.start)?,
            None => return Err(StoreError::Io(io::ErrorKind::NotFound.into())),
        }
        Ok(bytes)
    }

    /// Copies held bytes from `offset`; 0 when the first of them is not held.
    pub(crate) fn read(&self, state: &mut State, offset: u64, buf: &mut [u8]) -> usize {
        loop {
            let run = state.spans.run_from(offset);
            if run == 0 {
                return state.read_volatile(offset, buf);
            }
            let mut want = buf.len().min(usize::try_from(run).unwrap_or(usize::MAX));
            if want == 0 {
                return 0;
            }
            if let Some(bad) = self.first_bad_block(state, Span::new(offset, offset + want as u64)) {
                if bad.start <= offset {
                    continue;
                }
                want = index_of(bad.start - offset);
            }
            let read = match self.file(state, false) {
                Ok(Some(file)) => file.read_exact_at(&mut buf[..want], offset).is_ok(),
                _ => false,
            };
            if read {
                return want;
            }
            // The file is shorter than its index says, or its medium fails: these bytes are gone.
            self.lose(state, Span::new(offset, offset + want as u64));
        }
    }

    /// Verifies the blocks of `span` that nobody verified yet; the first bad one has become a hole.
    fn first_bad_block(&self, state: &mut State, span: Span) -> Option<Span> {
        if state.verified.covers(span) {
            return None;
        }
        for number in span.start / BLOCK..=(span.end - 1) / BLOCK {
            let Some(&hash) = state.blocks.get(&number) else { continue };
            let block = state.block_span(number);
            if state.verified.covers(block) || !state.spans.covers(block) {
                continue;
            }
            if self.read_block(state, block).is_ok_and(|bytes| xxh3_64(&bytes) == hash) {
                state.verified.insert(block);
                continue;
            }
            self.lose(state, block);
            return Some(block);
        }
        None
    }

    fn lose(&self, state: &mut State, span: Span) {
        tracing::warn!(target: "unspool::media", bytes = span.len(), "cached bytes are damaged; fetching them again");
        self.shared.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        state.spans.remove(span);
        state.forget_blocks(span);
        self.mark(state);
    }

    /// The data file, opened at first use and checked against what the index says of it.
    fn file(&self, state: &mut State, create: bool) -> Result<Option<Arc<File>>, StoreError> {
        state.last_io = Instant::now();
        if let Some(file) = &state.file {
            return Ok(Some(file.clone()));
        }
        let path = self.path(state.generation);
        let fresh = state.spans.is_empty();
        if fresh && !create {
            return Ok(None);
        }
        if let Some(folder) = path.parent().filter(|_| create) {
            fs::create_dir_all(folder)?;
        }
        // What the index still claims must not turn into zeros: a crash could come before it is told.
        let truncate = create && fresh && !state.claimed;
        let opened = File::options().read(true).write(true).create(create).truncate(truncate).open(&path);
        let file = match opened {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !state.checked && !fresh {
            let len = file.metadata()?.len();
            let past = Span::new(len, u64::MAX);
            if !state.spans.within(past).is_empty() {
                self.lose(state, past);
            }
        }
        state.checked = true;
        state.file = Some(file.clone());
        Ok(Some(file))
    }

    pub(super) fn path(&self, generation: u64) -> PathBuf {
        let name = &self.name;
        self.shared.data_dir.join(Path::new(&name[..2])).join(format!("{name}.{generation}"))
    }

    /// What is to be written to the index since the last call.
    pub(super) fn take_dirty(&self) -> Option<Snapshot> {
        let mut state = self.lock();
        if !state.dirty {
            return None;
        }
        state.dirty = false;
        let sync = if std::mem::take(&mut state.unsynced) { state.file.clone() } else { None };
        let row = self.row(&mut state);
        let unlink = std::mem::take(&mut state.unlink);
        Some(Snapshot { row, sync, unlink })
    }

    pub(super) fn row(&self, state: &mut State) -> Row {
        let changed = std::mem::take(&mut state.changed_blocks);
        state.claimed |= !state.spans.is_empty();
        Row {
            key: self.key.as_str().to_owned(),
            generation: state.generation,
            size: state.validators.size,
            etag: state.validators.etag.clone(),
            last_modified: state.validators.last_modified.clone(),
            pinned: state.pinned,
            last_used_ms: state.last_used_ms,
            spans: state.spans.as_slice().to_vec(),
            blocks: changed.into_iter().filter_map(|n| Some((n, *state.blocks.get(&n)?))).collect(),
            drop_blocks: std::mem::take(&mut state.drop_blocks),
        }
    }

    /// Puts back what could not be written.
    pub(super) fn restore_dirty(&self, unlink: Vec<PathBuf>) {
        let mut state = self.lock();
        state.dirty = true;
        state.unsynced = true;
        state.drop_blocks = true;
        state.changed_blocks = state.blocks.keys().copied().collect();
        state.unlink.extend(unlink);
    }

    /// Closes the file when nobody used it for `idle`.
    pub(super) fn close_idle(&self, idle: std::time::Duration) {
        let mut state = self.lock();
        if !state.unsynced && state.last_io.elapsed() > idle {
            state.file = None;
        }
    }
}

/// An offset within a buffer that is already in memory.
pub(super) fn index_of(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
