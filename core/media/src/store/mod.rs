//! The span store: which bytes of which rendition are on this device, and the bytes themselves.
//!
//! One sparse file per media key and version, one SQLite index. The order is the whole design: bytes are written,
//! made durable, and only then claimed by an index row; they are disowned by a durable row before they are punched
//! out. A crash may therefore forget bytes but never claims bytes that are not there. Whatever is claimed of a block is
//! under a checksum that is compared at the first read after opening and now and then later, so a flipped bit becomes a
//! hole instead of a broken picture.
//!
//! A disk that fails costs caching and nothing else: what it does not take stays in memory until its reader had it, what
//! it does not give back is a hole, and it is asked again after a pause that grows.
//!
//! Opening costs the same whatever is stored: totals stand in a row of their own, an entry is read from the index when
//! it is first used and leaves memory when it was not used for long, and the data folder is looked through for files
//! that a crash left behind a little at a time, later.
//!
//! Locks are taken in one order: index, then the map of loaded entries, then entry. The index writer is one named thread.

mod blocks;
mod counted;
mod entry;
mod error;
mod files;
mod hold;
mod index;
#[cfg(test)]
mod killed;
mod loaded;
mod lock;
mod memory;
mod memory_disk;
mod shared;
mod spans;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use unspool_engine::{MediaKey, Span};

use crate::segments::owner;

pub(crate) use entry::{Entry, Validators};
pub use error::{MemoryOnly, StoreError};
use files::remove_file;
use index::{Index, Place, Reader, Row};
use loaded::Loaded;
pub use lock::DirectoryLock;
use memory_disk::MemoryDisk;
use shared::Shared;
pub(crate) use spans::SpanSet;

use crate::disk::{Disk, OpenMode, Step};

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

impl StoredMedia {
    /// The rendition that these bytes are of: another key than [`key`](StoredMedia::key) where they are one of its
    /// files.
    #[must_use]
    pub fn rendition(&self) -> MediaKey {
        owner(&self.key).map_or_else(|| self.key.clone(), |(rendition, _)| rendition)
    }
}

/// Health of the store since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreHealth {
    /// Writes that found no space and were served from memory instead.
    pub disk_full: u64,
    /// Writes, reads and syncs that failed for another reason; their bytes are fetched again or served from memory.
    pub disk_errors: u64,
    /// Times that cached bytes were lost, because they did not match their checksum or could not be read.
    pub damaged_blocks: u64,
    /// Index transactions that failed and will be repeated, and entries that could not be read and start over.
    pub index_failures: u64,
    /// Whether the index was unreadable at opening and an empty one was started.
    pub index_recovered: bool,
    /// Whether the store reads through without caching at this moment, because there is no space.
    pub read_through: bool,
    /// Bytes kept in memory at this moment because the disk did not take them; at most 8 MiB.
    pub memory_bytes: u64,
    /// Why the whole cache is in memory for this session, if it is: nothing in it outlives the process.
    pub memory_only: Option<MemoryOnly>,
}

/// The bytes of all renditions in one directory. Share it by `Arc`; dropping it stops its writer after a last commit.
#[derive(Debug)]
pub(crate) struct Store {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recovered: bool,
    memory_only: Option<MemoryOnly>,
}

#[derive(Debug)]
struct Core {
    shared: Arc<Shared>,
    dir: PathBuf,
    place: Place,
    index: Mutex<Index>,
    loaded: Mutex<Loaded>,
    /// Where entries are loaded from; apart from the writer, so that a lookup waits for no commit.
    reader: Mutex<Reader>,
    index_failures: AtomicU64,
    /// The lock on the directory, where it has one; released by `close`, or when the last user is gone.
    owner: Mutex<Option<File>>,
}

impl Store {
    /// Opens or creates the store in `dir`, its data files on `disk`; `keep_loaded` entries stay in memory when they
    /// are not in use.
    pub(crate) fn open(dir: &Path, keep_loaded: usize, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let owner = lock::own(dir)?;
        let (index, reader, recovered) = Index::open(dir, &disk)?;
        let (stored_bytes, swept) = reader.totals()?;
        let data_dir = dir.join("spans");
        if recovered && data_dir.exists() {
            // Without an index the files are nameless; they go out of the way now and off the disk in the background.
            fs::rename(&data_dir, sweep::lost_folder(dir))?;
        }
        fs::create_dir_all(&data_dir)?;
        let core = Core {
            shared: Arc::new(Shared::new(data_dir, disk, stored_bytes)),
            dir: dir.to_owned(),
            place: Place::Folder(dir.to_owned()),
            index: Mutex::new(index),
            loaded: Mutex::new(Loaded::new(keep_loaded)),
            reader: Mutex::new(reader),
            index_failures: AtomicU64::new(0),
            owner: Mutex::new(Some(owner)),
        };
        Store::start(core, swept, recovered, None)
    }

    /// A store of `bytes` in memory, because of `why` there is none in `dir`. Nobody owns anything, nothing stays.
    pub(crate) fn in_memory(
        dir: &Path,
        keep_loaded: usize,
        bytes: u64,
        why: MemoryOnly,
    ) -> Result<Self, StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new(bytes));
        let place = Place::memory();
        let (index, reader) = Index::try_open(&place, &disk)?;
        let core = Core {
            shared: Arc::new(Shared::new(dir.join("spans"), disk, 0)),
            dir: dir.to_owned(),
            place,
            index: Mutex::new(index),
            loaded: Mutex::new(Loaded::new(keep_loaded)),
            reader: Mutex::new(reader),
            index_failures: AtomicU64::new(0),
            owner: Mutex::new(None),
        };
        Store::start(core, 0, false, Some(why))
    }

    fn start(
        core: Core,
        swept: u64,
        recovered: bool,
        memory_only: Option<MemoryOnly>,
    ) -> Result<Self, StoreError> {
        let core = Arc::new(core);
        let writer = core.clone();
        let thread =
            std::thread::Builder::new().name("unspool-index".to_owned()).spawn(move || writer.run(swept))?;
        Ok(Store { core, thread: Mutex::new(Some(thread)), recovered, memory_only })
    }

    /// The entry of `key`; an empty one when nothing is known of it. Reads the index when it is not in memory.
    pub(crate) fn entry(&self, key: &MediaKey) -> Arc<Entry> {
        self.core.entry(key)
    }

    /// Everything that occupies space or is pinned, least recently used first. Reads the whole index.
    pub(crate) fn list(&self) -> Result<Vec<StoredMedia>, StoreError> {
        // Held while the index is read, so that what changes meanwhile is not missed between the two.
        let loaded = self.core.loaded().all();
        let all = Reader::open(&self.core.place)?.list()?;
        let mut all: BTreeMap<MediaKey, StoredMedia> =
            all.into_iter().map(|stored| (stored.key.clone(), stored)).collect();
        for entry in loaded {
            let state = entry.lock();
            let stored = StoredMedia {
                key: entry.key.clone(),
                spans: state.stored().as_slice().to_vec(),
                size: state.validators().size,
                pinned: state.pinned(),
                last_used_ms: state.last_used_ms(),
            };
            all.insert(entry.key.clone(), stored);
        }
        let mut list: Vec<StoredMedia> =
            all.into_values().filter(|stored| !stored.spans.is_empty() || stored.pinned).collect();
        list.sort_by(|a, b| a.last_used_ms.cmp(&b.last_used_ms).then_with(|| a.key.cmp(&b.key)));
        Ok(list)
    }

    /// What eviction needs to see to free `bytes`, least recently used first and without pinned entries and `except`.
    /// Reads as much of the index as is offered, whatever it holds beyond that.
    pub(crate) fn oldest(
        &self,
        bytes: u64,
        except: &BTreeSet<MediaKey>,
    ) -> Result<Vec<StoredMedia>, StoreError> {
        let leased = self.core.loaded().all().into_iter().filter(|entry| entry.is_leased());
        let except = except.iter().cloned().chain(leased.map(|entry| entry.key.clone())).collect();
        self.committed(|reader| reader.oldest(bytes, &except))
    }

    /// What was last used before `before_ms` and is not pinned, least recently used first; at most `most`.
    pub(crate) fn unused_since(&self, before_ms: i64, most: u32) -> Result<Vec<StoredMedia>, StoreError> {
        self.committed(|reader| reader.unused_since(before_ms, most))
    }

    /// The keys of everything that is pinned.
    pub(crate) fn pinned(&self) -> Result<Vec<MediaKey>, StoreError> {
        let loaded = self.core.loaded().all();
        let mut pinned: BTreeSet<MediaKey> = Reader::open(&self.core.place)?.pinned()?.into_iter().collect();
        // What is in memory knows better.
        for entry in loaded {
            match entry.lock().pinned() {
                true => pinned.insert(entry.key.clone()),
                false => pinned.remove(&entry.key),
            };
        }
        Ok(pinned.into_iter().collect())
    }

    /// Reads the index after committing what is new.
    fn committed<T>(&self, read: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = self.core.commit() {
            tracing::debug!(target: "unspool::media", %error, "eviction chooses from the index of the last commit");
        }
        drop(self.core.index()?);
        self.core.noted(Reader::open(&self.core.place).and_then(|reader| read(&reader)))
    }

    /// Bytes on the disk over all keys.
    pub(crate) fn usage_bytes(&self) -> u64 {
        self.core.shared.stored_bytes.load(Ordering::Relaxed)
    }

    /// Gives the bytes of `span` back to the file system; how many there were. Entries that are pinned or
    /// read as a file keep theirs.
    pub(crate) fn remove(&self, key: &MediaKey, span: Span) -> Result<u64, StoreError> {
        let entry = self.core.entry(key);
        let mut index = self.core.index()?;
        let mut state = entry.lock();
        if state.pinned() || entry.is_leased() {
            return Ok(0);
        }
        entry.check_edges(&mut state, span);
        let before = (state.stored().clone(), state.blocks.clone());
        let gone = state.take_out(span);
        if gone.is_empty() {
            return Ok(0);
        }
        entry.sync(&mut state);
        let row = entry.row(&mut state);
        if let Err(error) = self.core.noted(index.write_through(&row)) {
            state.spans.replace(before.0);
            state.blocks = before.1;
            drop(state);
            entry.restore_dirty(Vec::new());
            return Err(error);
        }
        let disk = &*self.core.shared.disk;
        disk.reached(Step::Disowned);
        let path = entry.path(state.generation());
        if state.stored().is_empty() {
            state.claimed = false;
            state.close();
            remove_file(disk, &path);
        } else {
            let file = match state.file.clone() {
                Some(file) => Ok(file),
                None => disk.open(&path, OpenMode::Existing),
            };
            if let Err(error) = file.and_then(|file| gone.iter().try_for_each(|part| file.punch(*part))) {
                tracing::warn!(target: "unspool::media", %error, "space of evicted bytes could not be given back");
            }
        }
        self.core.shared.space().clear();
        Ok(gone.iter().map(Span::len).sum())
    }

    /// Takes everything about `key` off the disk, pinned or not.
    pub(crate) fn forget(&self, key: &MediaKey) -> Result<u64, StoreError> {
        let entry = self.core.entry(key);
        let mut index = self.core.index()?;
        let mut state = entry.lock();
        self.core.noted(index.delete_through(key.as_str()))?;
        let freed = state.forget().iter().map(Span::len).sum();
        let disk = &*self.core.shared.disk;
        disk.reached(Step::Disowned);
        std::mem::take(&mut state.unlink).iter().for_each(|path| remove_file(disk, path));
        remove_file(disk, &entry.path(state.generation()));
        drop(state);
        self.core.shared.space().clear();
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
        let index = self.core.index()?;
        self.core.checkpoint(&index)
    }

    /// Bytes that could still be written on the volume of the store.
    pub(crate) fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.core.shared.disk.free_bytes(&self.core.dir)?)
    }

    pub(crate) fn health(&self) -> StoreHealth {
        StoreHealth {
            index_failures: self.core.index_failures.load(Ordering::Relaxed),
            index_recovered: self.recovered,
            memory_only: self.memory_only,
            ..self.core.shared.health()
        }
    }

    /// Writes the index a last time, ends the writer thread and gives the directory up, whoever still holds the
    /// store. Idempotent.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        if self.core.shared.close() {
            return Ok(());
        }
        // A write that passed the flag before it was set ends before its entry's lock can be had.
        let entries = self.core.loaded().all();
        entries.iter().for_each(|entry| drop(entry.lock()));
        self.signal_stop();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        let mut index = self.core.locked_index();
        let written = self.core.commit_into(&mut index).and_then(|()| self.core.checkpoint(&index));
        self.core.give_up();
        written
    }

    fn signal_stop(&self) {
        self.core.shared.stop_writer();
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
        if self.shared.is_closed() { Err(StoreError::Closed) } else { Ok(index) }
    }

    fn checkpoint(&self, index: &Index) -> Result<(), StoreError> {
        self.shared.disk.reached(Step::BeforeCheckpoint);
        index.checkpoint()?;
        self.shared.disk.reached(Step::AfterCheckpoint);
        Ok(())
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: &MediaKey) -> Arc<Entry> {
        let mut loaded = self.loaded();
        if let Some(entry) = loaded.get(key) {
            return entry;
        }
        let entry = Arc::new(Entry::new(key.clone(), self.shared.clone(), self.row(key)));
        loaded.insert(entry.clone());
        entry
    }

    /// What the index says of `key`.
    fn row(&self, key: &MediaKey) -> Row {
        let vacant = Row { key: key.as_str().to_owned(), ..Row::default() };
        if self.shared.is_closed() {
            return vacant;
        }
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match self.noted(reader.find(key.as_str())) {
            Ok(row) => row.unwrap_or(vacant),
            Err(error) => {
                self.index_failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(target: "unspool::media", %error, "an index entry could not be read");
                // The entry starts over in a file of its own: what the index may still claim of the old file must
                // stay true, and this number was never handed out by counting versions.
                Row { generation: entry::now_ms().unsigned_abs(), drop_blocks: true, ..vacant }
            }
        }
    }

    /// Remembers for the next opening that the index is broken, if that is what `result` says.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.as_ref().is_err_and(StoreError::is_corruption) {
            self.place.mark_corrupt();
        }
        result
    }
}
