//! One rendition in the store: its data file, which bytes of it are there, and the readers that wait for more.
//!
//! Reads and writes happen under the entry's lock. That makes "these bytes are here" and "copy these bytes" one step,
//! which eviction and version changes rely on; the price is a copy out of the page cache, tens of microseconds.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use unspool_engine::{MediaKey, Span};

use super::Shared;
use super::blocks::{BLOCK, Sum, block, numbers, whole};
use super::error::StoreError;
use super::files::{read_all, write_all};
use super::index::{Row, file_name};
use super::spans::SpanSet;
use super::state::State;
use crate::disk::{DataFile, OpenMode, Step};

/// Last-use times are rounded to this, so that reading alone does not keep the index writer busy.
const USE_GRAIN_MS: i64 = 10_000;

/// What tells two versions of a file apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Validators {
    pub size: Option<u64>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

impl Validators {
    /// Whether they are another version's. What one side does not say speaks for neither; with equal tags a date says
    /// nothing, because hosts of the same file date it differently.
    pub(crate) fn differ_from(&self, other: &Validators) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
        let same_tag = self.etag.is_some() && self.etag == other.etag;
        matches!((self.size, other.size), (Some(a), Some(b)) if a != b)
            || differ(&self.etag, &other.etag)
            || (!same_tag && differ(&self.last_modified, &other.last_modified))
    }
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
    /// The file whose bytes have to be durable first, and which of them the row claims on that condition.
    pub sync: Option<Pending>,
    pub unlink: Vec<PathBuf>,
}

/// Bytes that are written and not durable yet.
pub(super) struct Pending {
    pub file: Arc<dyn DataFile>,
    pub spans: SpanSet,
}

impl Entry {
    pub(super) fn new(key: MediaKey, shared: Arc<Shared>, row: Row) -> Self {
        let name = file_name(key.as_str());
        let state = Mutex::new(State::new(row, &shared));
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

    /// Whether bytes go to memory for now, because the disk refused the last ones.
    pub(crate) fn reads_through(&self, state: &State) -> bool {
        let now = Instant::now();
        state.hold.is_on(now) || self.shared.space().is_on(now)
    }

    /// Records a use, for eviction by age.
    pub(crate) fn touch(&self) {
        self.used(&mut self.lock());
    }

    fn used(&self, state: &mut State) {
        let now = now_ms();
        if now - state.last_used_ms >= USE_GRAIN_MS {
            state.last_used_ms = now;
            self.mark(state);
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
        for number in numbers(Span::new(0, size)) {
            let mut state = self.lock();
            if state.generation != generation
                || self.first_bad_block(&mut state, block(number), None).is_some()
            {
                return Ok(None);
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
        if known.differ_from(seen) {
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
        let had_bytes = !state.spans.is_empty() || !state.memory.is_empty();
        let old = self.path(state.generation);
        state.generation += 1;
        state.unlink.push(old);
        state.validators = validators;
        state.spans.clear();
        state.blocks.clear(true);
        state.memory.clear();
        state.claimed = false;
        state.close();
        self.mark(&mut state);
        self.shared.disk.reached(Step::VersionChanged);
        drop(state);
        self.changed.notify_all();
        had_bytes
    }

    /// Files `bytes` at `offset` and wakes readers; says how many of them were new. What the disk does not take is
    /// kept in memory for a while.
    ///
    /// `generation` is the version the bytes belong to; bytes of a dropped version are refused with `Ok(0)`.
    pub(crate) fn write(
        self: &Arc<Self>,
        generation: u64,
        offset: u64,
        bytes: &Bytes,
    ) -> Result<u64, StoreError> {
        let mut state = self.lock();
        let end = offset.saturating_add(bytes.len() as u64).min(state.validators.size.unwrap_or(u64::MAX));
        if state.generation != generation || end <= offset {
            return Ok(0);
        }
        if self.shared.is_closed() {
            return Err(StoreError::Closed);
        }
        // Whoever asked for them: bytes that just came are not old.
        self.used(&mut state);
        let mut new = 0;
        for hole in state.holes(Span::new(offset, end)) {
            let part = bytes.slice(index_of(hole.start - offset)..index_of(hole.end - offset));
            if !self.write_hole(&mut state, hole, &part) {
                state.memory.push(self.shared.memory.number(self), hole.start, part);
            }
            new += hole.len();
        }
        let in_memory = !state.memory.is_empty();
        drop(state);
        self.changed.notify_all();
        if in_memory {
            self.shared.memory.shed();
        }
        Ok(new)
    }

    /// Writes what is not there yet; whether the disk took it.
    fn write_hole(&self, state: &mut State, hole: Span, part: &Bytes) -> bool {
        let now = Instant::now();
        if state.hold.is_on(now) || self.shared.space().is_on(now) {
            return false;
        }
        // What is held of the same blocks gets a checksum together with the new bytes: it has to be right by then.
        while self.first_bad_block(state, whole(hole), None).is_some() {}
        if let Err(error) = self.put(state, hole, part) {
            self.shared.refused(state, &error, now);
            return false;
        }
        self.shared.wrote(state);
        state.spans.insert(hole);
        state.unsynced.insert(hole);
        for number in numbers(hole) {
            let piece = block(number);
            let (start, end) = (piece.start.max(hole.start), piece.end.min(hole.end));
            state.blocks.feed(start, &part[index_of(start - hole.start)..index_of(end - hole.start)]);
            state.blocks.touched(number);
            if state.is_complete(number) {
                self.sum_up(state, number);
            }
        }
        self.mark(state);
        true
    }

    /// Writes bytes and looks whether they are there: some file systems over a network or in user space say yes to a
    /// write and lose it. The bytes are in the page cache then, so looking is a copy.
    fn put(&self, state: &mut State, hole: Span, part: &Bytes) -> Result<(), StoreError> {
        let file = self.file(state, true)?.ok_or(StoreError::Io(std::io::ErrorKind::NotFound.into()))?;
        write_all(&*file, part, hole.start)?;
        let mut written = vec![0; part.len()];
        read_all(&*file, &mut written, hole.start)?;
        if written != *part {
            return Err(StoreError::Io(std::io::ErrorKind::InvalidData.into()));
        }
        Ok(())
    }

    /// Computes the checksum of a block that changed; what cannot be read back is not held.
    fn sum_up(&self, state: &mut State, number: u64) {
        let fed = state.blocks.fed(&state.spans.within(block(number)));
        match fed.map_or_else(|| self.sum_of(state, number), Ok) {
            Ok(sum) => state.blocks.set(number, sum),
            Err(error) => self.lose(state, block(number), &error),
        }
    }

    /// The checksum of what is held of a block, as the disk has it.
    fn sum_of(&self, state: &mut State, number: u64) -> Result<u64, StoreError> {
        let file = self.file(state, false)?.ok_or(StoreError::Io(std::io::ErrorKind::NotFound.into()))?;
        let (block, mut sum) = (block(number), None::<Sum>);
        let parts = state.spans.within(block);
        let mut bytes = vec![0; parts.iter().map(|part| index_of(part.len())).max().unwrap_or(0)];
        for part in &parts {
            let bytes = &mut bytes[..index_of(part.len())];
            read_all(&*file, bytes, part.start)?;
            sum = Some(match sum {
                None => Sum::begin(block, part.start, bytes, parts.len() == 1),
                Some(sum) => sum.add(part.start, bytes),
            });
        }
        Ok(sum.map_or(0, |sum| sum.value()))
    }

    /// Copies held bytes from `offset`; how many, 0 when the first of them is not held, and how many more follow them
    /// without a gap.
    pub(crate) fn read(&self, state: &mut State, offset: u64, buf: &mut [u8]) -> (usize, u64) {
        let mut most = buf.len() as u64;
        loop {
            let run = state.spans.run_from(offset);
            if run == 0 {
                let got = state.memory.read(offset, buf);
                return (got, state.run_from(offset + got as u64));
            }
            let want = index_of(run.min(most));
            if want == 0 {
                return (0, run);
            }
            let (buf, span) = (&mut buf[..want], Span::new(offset, offset + want as u64));
            let file = match self.file(state, false) {
                // Opening it may have shown that less is held.
                Ok(Some(_)) if state.spans.run_from(offset) != run => continue,
                Ok(Some(file)) => Ok(file),
                Ok(None) => Err(StoreError::Io(std::io::ErrorKind::NotFound.into())),
                Err(error) => Err(error),
            };
            let read = file.map(|file| read_all(&*file, buf, offset));
            let first = block(offset / BLOCK);
            if matches!(read, Ok(Err(_))) && span.end > first.end {
                // One block that cannot be read shall not cost its neighbours.
                most = first.end - offset;
                continue;
            }
            if let Err(error) = read.and_then(|read| Ok(read?)) {
                self.lose(state, span, &error);
                continue;
            }
            state.blocks.sample(offset, want as u64);
            match self.first_bad_block(state, span, Some(buf)) {
                None => return (want, state.run_from(span.end)),
                Some(bad) if bad.start <= offset => {}
                Some(bad) => return (index_of(bad.start - offset), 0),
            }
        }
    }

    /// Copies bytes of version `generation` from `offset` without waiting for anything, be it the entry's lock or the
    /// disk; how many. `None` where that cannot be: less than `needed` bytes follow without a gap, a block was not
    /// compared yet or is due again, the file is closed, or the bytes are not in the system's memory.
    pub(crate) fn read_resident(
        &self,
        generation: u64,
        offset: u64,
        buf: &mut [u8],
        needed: u64,
    ) -> Option<usize> {
        let mut state = self.state.try_lock().ok()?;
        let run = state.spans.run_from(offset);
        if state.generation != generation || run < needed {
            return None;
        }
        let want = index_of(run.min(buf.len() as u64));
        if !state.blocks.is_trusted(Span::new(offset, offset + want as u64)) {
            return None;
        }
        let got = state.file.as_ref()?.read_resident(&mut buf[..want], offset).filter(|got| *got > 0)?;
        state.in_use = true;
        state.blocks.sample(offset, got as u64);
        state.blocks.is_trusted(Span::new(offset, offset + got as u64)).then_some(got)
    }

    /// Compares the blocks of `span` that nobody compared yet; the first bad one has become a hole. A block without a
    /// checksum is bad: the index claims what no commit of ours said. `bytes` are those of `span` where they were just
    /// read: a block that lies in them is not read again.
    fn first_bad_block(&self, state: &mut State, span: Span, bytes: Option<&[u8]>) -> Option<Span> {
        if state.blocks.is_trusted(span) {
            return None;
        }
        for number in numbers(span) {
            let block = block(number);
            if state.blocks.is_trusted(block) || state.spans.within(block).is_empty() {
                continue;
            }
            let read = bytes.and_then(|bytes| sum_within(&state.spans.within(block), block, span, bytes));
            let sum = read.map_or_else(|| self.sum_of(state, number), Ok);
            let bad = match (state.blocks.sum(number), sum) {
                (Some(known), Ok(sum)) if known == sum => {
                    state.blocks.trust(number);
                    continue;
                }
                (_, Err(error)) => error,
                _ => StoreError::Io(std::io::ErrorKind::InvalidData.into()),
            };
            self.lose(state, block, &bad);
            return Some(block);
        }
        None
    }

    /// Compares the blocks at the ends of `span` that lie only partly in it, before the rest of them gets new sums.
    pub(super) fn check_edges(&self, state: &mut State, span: Span) {
        let touched = numbers(span);
        for number in [touched.start, touched.end.saturating_sub(1)] {
            self.first_bad_block(state, block(number), None);
        }
    }

    /// The blocks of `span` are damaged, missing, or on a medium that fails: they become holes.
    fn lose(&self, state: &mut State, span: Span, why: &StoreError) {
        tracing::warn!(target: "unspool::media", %why, bytes = span.len(), "cached bytes are lost; fetching them again");
        self.shared.lost(state, why);
        state.drop_blocks(span);
        self.mark(state);
    }

    /// The data file, opened at first use and checked against what the index says of it.
    fn file(&self, state: &mut State, create: bool) -> Result<Option<Arc<dyn DataFile>>, StoreError> {
        state.in_use = true;
        if let Some(file) = &state.file {
            return Ok(Some(file.clone()));
        }
        let path = self.path(state.generation);
        let fresh = state.spans.is_empty();
        if fresh && !create {
            return Ok(None);
        }
        let mode = match (create, fresh && !state.claimed) {
            (false, _) => OpenMode::Existing,
            // What the index still claims must not turn into zeros: a crash could come before it is told.
            (true, false) => OpenMode::Create,
            (true, true) => OpenMode::Empty,
        };
        let file = match self.shared.disk.open(&path, mode) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !state.checked && !fresh {
            let past = Span::new(file.size()?, u64::MAX);
            if !state.spans.within(past).is_empty() {
                self.lose(state, past, &StoreError::Io(std::io::ErrorKind::UnexpectedEof.into()));
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
        let row = self.row(&mut state);
        let pending = std::mem::take(&mut state.unsynced);
        let sync = match &state.file {
            Some(file) if !pending.is_empty() => Some(Pending { file: file.clone(), spans: pending }),
            _ => None,
        };
        let unlink = std::mem::take(&mut state.unlink);
        Some(Snapshot { row, sync, unlink })
    }

    /// What the index shall say: every byte of it under a checksum.
    pub(super) fn row(&self, state: &mut State) -> Row {
        for number in state.blocks.stale() {
            self.sum_up(state, number);
        }
        let drop_blocks = state.blocks.take_all_changed();
        let (blocks, gone_blocks) = state.blocks.take_changed();
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
            blocks,
            gone_blocks,
            drop_blocks,
        }
    }

    /// Puts back what could not be written.
    pub(super) fn restore_dirty(&self, unlink: Vec<PathBuf>) {
        let mut state = self.lock();
        state.dirty = true;
        state.blocks.untold();
        state.unlink.extend(unlink);
    }

    /// Makes the bytes of the open file durable. Those that could not be are not held any more: after a failed call
    /// the system may have dropped them, and a later call would not say so.
    pub(super) fn sync(&self, state: &mut State) {
        let pending = std::mem::take(&mut state.unsynced);
        if let Some(file) = state.file.clone().filter(|_| !pending.is_empty())
            && let Err(error) = file.sync()
        {
            let generation = state.generation;
            self.sync_failed(state, generation, &pending, &error.into());
        }
    }

    /// Bytes of version `generation` that were to be durable are not.
    pub(super) fn sync_failed(
        &self,
        state: &mut State,
        generation: u64,
        spans: &SpanSet,
        error: &StoreError,
    ) {
        self.shared.refused(state, error, Instant::now());
        if state.generation == generation {
            spans.as_slice().iter().for_each(|span| state.drop_blocks(*span));
            self.mark(state);
        }
    }

    /// Closes the file when nobody used it for `idle`.
    pub(super) fn close_idle(&self, idle: Duration) {
        let mut state = self.lock();
        if std::mem::take(&mut state.in_use) {
            state.idle_since = Some(Instant::now());
        } else if state.unsynced.is_empty() && state.idle_since.is_some_and(|since| since.elapsed() > idle) {
            state.file = None;
        }
    }
}

/// The sum of a block of which `parts` are held, if they are one piece from its start and within `span`, whose bytes
/// are `bytes`.
fn sum_within(parts: &[Span], block: Span, span: Span, bytes: &[u8]) -> Option<u64> {
    let [part] = parts else { return None };
    if part.start != block.start || part.start < span.start || part.end > span.end {
        return None;
    }
    let piece = &bytes[index_of(part.start - span.start)..index_of(part.end - span.start)];
    Some(Sum::begin(block, part.start, piece, true).value())
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
