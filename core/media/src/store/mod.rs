//! The span store: which bytes of which rendition are on this device, and the bytes themselves.
//!
//! One sparse file per media key and version, one SQLite index. The order is the whole design: bytes are written,
//! made durable, and only then claimed by an index row; they are disowned by a durable row before they are punched
//! out. A crash may therefore forget bytes but never claims bytes that are not there. Complete blocks carry a checksum
//! that is verified at the first read after opening, so a flipped bit becomes a hole instead of a broken picture.
//!
//! Locks are taken in one order: index, then entry. The index writer is one named thread; opening reads index rows
//! and never lists the data folder.

mod entry;
mod error;
mod index;
mod spans;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use unspool_engine::{MediaKey, Span};

pub(crate) use entry::{Entry, Validators};
pub use error::StoreError;
use index::{Index, Row};
pub(crate) use spans::SpanSet;

/// How long written bytes wait for their index row. One second: a crash costs at most one second of download, and a
/// phone's flash sees one small sync per second of downloading instead of one per chunk.
const COMMIT_AFTER: Duration = Duration::from_secs(1);
/// How long a data file stays open unused; bounds the number of descriptors to what is being read and written.
const CLOSE_AFTER: Duration = Duration::from_secs(10);

/// What a clip occupies, for whoever decides on eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// Whose bytes.
    pub key: MediaKey,
    /// Which bytes are on the disk, ascending.
    pub spans: Vec<Span>,
    /// Total length in bytes where it is known.
    pub size: Option<u64>,
    /// Whether eviction must leave it alone.
    pub pinned: bool,
    /// When it was last read or fetched, in milliseconds since 1970.
    pub last_used_ms: i64,
}

/// Health of the store since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreHealth {
    /// Writes that found no space and were served from memory instead.
    pub disk_full: u64,
    /// Blocks whose bytes did not match their checksum and became holes.
    pub damaged_blocks: u64,
    /// Index transactions that failed and will be repeated.
    pub index_failures: u64,
    /// Whether the index was unreadable at opening and an empty one was started.
    pub index_recovered: bool,
}

/// What entries share with the store.
#[derive(Debug)]
pub(crate) struct Shared {
    data_dir: PathBuf,
    space_epoch: AtomicU64,
    disk_full: AtomicU64,
    damaged_blocks: AtomicU64,
    faults: Faults,
    /// Set by `close`; nothing is written any more, because the directory may have another owner by then.
    closed: AtomicBool,
    writer: Mutex<Writer>,
    writer_wake: Condvar,
}

#[derive(Debug, Default)]
struct Writer {
    dirty: bool,
    stop: bool,
}

impl Shared {
    fn wake_writer(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if !writer.dirty {
            writer.dirty = true;
            self.writer_wake.notify_one();
        }
    }
}

/// A switch that makes data writes answer "no space", so that tests need no full disk.
#[derive(Debug, Default)]
struct Faults {
    full: AtomicBool,
}

impl Faults {
    fn write(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { write() }
    }
}

/// The bytes of all renditions in one directory. Share it by `Arc`; dropping it stops its writer after a last commit.
#[derive(Debug)]
pub(crate) struct Store {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recovered: bool,
}

#[derive(Debug)]
struct Core {
    shared: Arc<Shared>,
    index: Mutex<Index>,
    entries: Mutex<HashMap<MediaKey, Arc<Entry>>>,
    index_failures: AtomicU64,
    /// The lock on the directory; released by `close`, or when the last user is gone.
    owner: Mutex<Option<File>>,
}

impl Store {
    /// Opens or creates the store in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(dir)?;
        let owner = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(dir.join("owner.lock"))?;
        match fs4::FileExt::try_lock(&owner) {
            Ok(()) => {}
            Err(fs4::TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(fs4::TryLockError::Error(error)) => return Err(error.into()),
        }
        let (index, rows, recovered) = Index::open(dir)?;
        let data_dir = dir.join("spans");
        if recovered && data_dir.exists() {
            // Without an index the files are nameless; they go out of the way now and off the disk in the background.
            fs::rename(&data_dir, dir.join(format!("lost-spans-{}", std::process::id())))?;
        }
        fs::create_dir_all(&data_dir)?;
        let shared = Arc::new(Shared {
            data_dir,
            space_epoch: AtomicU64::new(0),
            disk_full: AtomicU64::new(0),
            damaged_blocks: AtomicU64::new(0),
            faults: Faults::default(),
            closed: AtomicBool::new(false),
            writer: Mutex::default(),
            writer_wake: Condvar::new(),
        });
        let entries = rows
            .into_iter()
            .map(|row| {
                let key = MediaKey::from_stored(row.key.clone());
                (key.clone(), Arc::new(Entry::new(key, shared.clone(), row)))
            })
            .collect();
        let core = Arc::new(Core {
            shared,
            index: Mutex::new(index),
            entries: Mutex::new(entries),
            index_failures: AtomicU64::new(0),
            owner: Mutex::new(Some(owner)),
        });
        let lost = recovered.then(|| dir.join(format!("lost-spans-{}", std::process::id())));
        let writer = core.clone();
        let thread =
            std::thread::Builder::new().name("unspool-index".to_owned()).spawn(move || writer.run(lost))?;
        Ok(Store { core, thread: Mutex::new(Some(thread)), recovered })
    }

    /// The entry of `key`, created empty when there is none.
    pub(crate) fn entry(&self, key: &MediaKey) -> Arc<Entry> {
        let mut entries = self.core.entries();
        if let Some(entry) = entries.get(key) {
            return entry.clone();
        }
        let row = Row { key: key.as_str().to_owned(), ..Row::default() };
        let entry = Arc::new(Entry::new(key.clone(), self.core.shared.clone(), row));
        entries.insert(key.clone(), entry.clone());
        entry
    }

    /// The entry of `key` if there is one.
    pub(crate) fn find(&self, key: &MediaKey) -> Option<Arc<Entry>> {
        self.core.entries().get(key).cloned()
    }

    /// Everything that occupies space.
    pub(crate) fn list(&self) -> Vec<StoredMedia> {
        let entries: Vec<Arc<Entry>> = self.core.entries().values().cloned().collect();
        let mut list: Vec<StoredMedia> = entries
            .iter()
            .map(|entry| {
                let state = entry.lock();
                StoredMedia {
                    key: entry.key.clone(),
                    spans: state.stored().as_slice().to_vec(),
                    size: state.validators().size,
                    pinned: state.pinned(),
                    last_used_ms: state.last_used_ms(),
                }
            })
            .filter(|stored| !stored.spans.is_empty() || stored.pinned)
            .collect();
        list.sort_by(|a, b| a.last_used_ms.cmp(&b.last_used_ms).then_with(|| a.key.cmp(&b.key)));
        list
    }

    /// Bytes on the disk over all keys.
    pub(crate) fn usage_bytes(&self) -> u64 {
        let entries: Vec<Arc<Entry>> = self.core.entries().values().cloned().collect();
        entries.iter().map(|entry| entry.lock().stored().len()).sum()
    }

    /// Gives the bytes of `span` back to the file system; how many there were. Pinned entries keep theirs.
    pub(crate) fn remove(&self, key: &MediaKey, span: Span) -> Result<u64, StoreError> {
        let Some(entry) = self.find(key) else { return Ok(0) };
        let mut index = self.core.index()?;
        let mut state = entry.lock();
        if state.pinned() {
            return Ok(0);
        }
        let gone = state.take_out(span);
        if gone.is_empty() {
            return Ok(0);
        }
        let row = entry.row(&mut state);
        let disowned = state.sync().map_err(StoreError::from).and_then(|()| index.write_through(&row));
        if let Err(error) = disowned {
            state.put_back(&gone);
            drop(state);
            entry.restore_dirty(Vec::new());
            return Err(error);
        }
        let freed = gone.iter().map(Span::len).sum();
        if state.stored().is_empty() {
            state.close();
            remove_file(&entry.path(state.generation()));
        } else {
            let file = match state.open_file() {
                Some(file) => Some(file),
                None => File::options().write(true).open(entry.path(state.generation())).ok().map(Arc::new),
            };
            if let Some(file) = file {
                gone.iter().for_each(|part| punch(&file, *part));
            }
        }
        self.core.shared.space_epoch.fetch_add(1, Ordering::Relaxed);
        Ok(freed)
    }

    /// Takes everything about `key` off the disk, pinned or not.
    pub(crate) fn forget(&self, key: &MediaKey) -> Result<u64, StoreError> {
        let Some(entry) = self.find(key) else { return Ok(0) };
        entry.set_pinned(false);
        let freed = self.remove(key, Span::new(0, u64::MAX))?;
        self.core.index()?.delete_through(key.as_str())?;
        Ok(freed)
    }

    pub(crate) fn put_blob(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.core.index()?.put_blob(key, bytes)
    }

    pub(crate) fn get_blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.core.index()?.get_blob(key)
    }

    pub(crate) fn delete_blob(&self, key: &str) -> Result<(), StoreError> {
        self.core.index()?.delete_blob(key)
    }

    /// Makes everything written so far durable.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.core.commit()?;
        self.core.index()?.checkpoint()
    }

    pub(crate) fn health(&self) -> StoreHealth {
        StoreHealth {
            disk_full: self.core.shared.disk_full.load(Ordering::Relaxed),
            damaged_blocks: self.core.shared.damaged_blocks.load(Ordering::Relaxed),
            index_failures: self.core.index_failures.load(Ordering::Relaxed),
            index_recovered: self.recovered,
        }
    }

    /// Makes data writes answer "no space" from now on, or again succeed.
    pub(crate) fn simulate_full(&self, full: bool) {
        self.core.shared.faults.full.store(full, Ordering::Relaxed);
        self.core.shared.space_epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the index a last time, ends the writer thread and gives the directory up, whoever still holds the
    /// store. Idempotent.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        if self.core.shared.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        // A write that passed the flag before it was set ends before its entry's lock can be had.
        let entries: Vec<Arc<Entry>> = self.core.entries().values().cloned().collect();
        entries.iter().for_each(|entry| drop(entry.lock()));
        self.signal_stop();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        let mut index = self.core.locked_index();
        let written = self.core.commit_into(&mut index).and_then(|()| index.checkpoint());
        self.core.give_up();
        written
    }

    fn signal_stop(&self) {
        self.core.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.core.shared.writer_wake.notify_all();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.signal_stop();
    }
}

impl Core {
    /// Releases the directory. Unlocking says so outright; merely closing the file would leave the lock with a child
    /// process that is being started at this moment and still has a copy of the descriptor.
    fn give_up(&self) {
        if let Some(owner) = self.owner.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = fs4::FileExt::unlock(&owner);
        }
    }

    fn locked_index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index, as long as the directory is ours.
    fn index(&self) -> Result<MutexGuard<'_, Index>, StoreError> {
        let index = self.locked_index();
        if self.shared.closed.load(Ordering::SeqCst) { Err(StoreError::Closed) } else { Ok(index) }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<MediaKey, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer thread: gathers changes for a while, then commits them, until told to stop.
    fn run(&self, lost: Option<PathBuf>) {
        if let Some(lost) = lost {
            let _ = fs::remove_dir_all(lost);
        }
        loop {
            let mut writer = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
            while !writer.dirty && !writer.stop {
                writer = self.shared.writer_wake.wait(writer).unwrap_or_else(PoisonError::into_inner);
            }
            let until = Instant::now() + COMMIT_AFTER;
            while !writer.stop {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                writer = self
                    .shared
                    .writer_wake
                    .wait_timeout(writer, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            writer.dirty = false;
            let stop = writer.stop;
            drop(writer);
            if let Err(error) = self.commit() {
                self.index_failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(target: "unspool::media", %error, "the cache index could not be written; trying again");
                self.shared.wake_writer();
            }
            if stop {
                return;
            }
        }
    }

    fn commit(&self) -> Result<(), StoreError> {
        self.commit_into(&mut self.locked_index())
    }

    fn commit_into(&self, index: &mut Index) -> Result<(), StoreError> {
        let entries: Vec<Arc<Entry>> = self.entries().values().cloned().collect();
        let mut dirty = Vec::new();
        let mut failed = None;
        for entry in entries {
            match entry.take_dirty() {
                Some(snapshot) => match snapshot.sync.as_ref().map_or(Ok(()), |file| file.sync_data()) {
                    Ok(()) => dirty.push((entry, snapshot)),
                    Err(error) => {
                        entry.restore_dirty(snapshot.unlink);
                        failed = Some(StoreError::from(error));
                    }
                },
                None => entry.close_idle(CLOSE_AFTER),
            }
        }
        let rows: Vec<Row> = dirty.iter().map(|(_, snapshot)| snapshot.row.clone()).collect();
        if !rows.is_empty()
            && let Err(error) = index.write(&rows)
        {
            for (entry, snapshot) in dirty {
                entry.restore_dirty(snapshot.unlink);
            }
            return Err(error);
        }
        dirty.iter().flat_map(|(_, snapshot)| &snapshot.unlink).for_each(|path| remove_file(path));
        failed.map_or(Ok(()), Err)
    }
}

/// Deletes a data file; one that is already gone is as good.
fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(target: "unspool::media", %error, "a cache file could not be deleted");
    }
}

/// Gives a range of a file back to the file system where it can do that; elsewhere only whole files free space.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn punch(file: &File, span: Span) {
    use rustix::fs::FallocateFlags;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if let Err(error) = rustix::fs::fallocate(file, flags, span.start, span.len()) {
        tracing::debug!(target: "unspool::media", %error, "the file system cannot punch holes");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn punch(_file: &File, _span: Span) {}
