//! What entries share with their store: the disk and how it is doing, what is in memory, and the writer to wake.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::StoreHealth;
use super::error::StoreError;
use super::hold::Hold;
use super::memory::Memory;
use super::state::State;
use super::writer::Writer;
use crate::disk::Disk;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) data_dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    /// Bytes on the disk over all entries, loaded or not.
    pub(super) stored_bytes: Arc<AtomicU64>,
    pub(super) memory: Memory,
    /// Until when no entry writes, because there is no space.
    space: Mutex<Hold>,
    disk_full: AtomicU64,
    disk_errors: AtomicU64,
    damaged_blocks: AtomicU64,
    /// Set by `close`; nothing is written any more, because the directory may have another owner by then.
    closed: AtomicBool,
    pub(super) writer: Mutex<Writer>,
    pub(super) writer_wake: Condvar,
}

impl Shared {
    pub(super) fn new(data_dir: PathBuf, disk: Arc<dyn Disk>, stored_bytes: u64) -> Self {
        Shared {
            data_dir,
            disk,
            stored_bytes: Arc::new(AtomicU64::new(stored_bytes)),
            memory: Memory::default(),
            space: Mutex::default(),
            disk_full: AtomicU64::new(0),
            disk_errors: AtomicU64::new(0),
            damaged_blocks: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            writer: Mutex::default(),
            writer_wake: Condvar::new(),
        }
    }

    pub(super) fn space(&self) -> MutexGuard<'_, Hold> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Whether it was closed before.
    pub(super) fn close(&self) -> bool {
        self.closed.swap(true, Ordering::SeqCst)
    }

    pub(super) fn stop_writer(&self) {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.writer_wake.notify_all();
    }

    /// The disk took bytes of an entry.
    pub(super) fn wrote(&self, state: &mut State) {
        state.hold.clear();
        self.space().clear();
    }

    /// The disk did not take bytes of an entry. No space is the same for all; anything else may be its file's.
    pub(super) fn refused(&self, state: &mut State, why: &StoreError, now: Instant) {
        tracing::warn!(target: "unspool::media", %why, "bytes could not be cached; reading through");
        if why.is_full() {
            self.disk_full.fetch_add(1, Ordering::Relaxed);
            self.space().failed(now);
        } else {
            self.disk_errors.fetch_add(1, Ordering::Relaxed);
            state.hold.failed(now);
        }
    }

    /// Cached bytes are gone. A medium that cannot read a place will not take new bytes there either: those of the next
    /// fetch go to memory.
    pub(super) fn lost(&self, state: &mut State, why: &StoreError) {
        self.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        let StoreError::Io(error) = why else { return };
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData) {
            self.disk_errors.fetch_add(1, Ordering::Relaxed);
            state.hold.failed(Instant::now());
        }
    }

    pub(super) fn health(&self) -> StoreHealth {
        StoreHealth {
            disk_full: self.disk_full.load(Ordering::Relaxed),
            disk_errors: self.disk_errors.load(Ordering::Relaxed),
            damaged_blocks: self.damaged_blocks.load(Ordering::Relaxed),
            read_through: self.space().is_on(Instant::now()),
            memory_bytes: self.memory.bytes(),
            ..StoreHealth::default()
        }
    }
}
