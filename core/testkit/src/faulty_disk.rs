//! A disk for the span store that fails on request, at any operation, in any of the ways disks fail.
//!
//! Operations are numbered from 0 in the order in which they begin. A [`Rule`] says which of them meet a [`DiskFault`];
//! a sweep sets a rule for operation 0, runs its scenario, goes on with 1, and is through when a run has no more
//! operations than that. Without a rule it is the disk of this device.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unspool_engine::Span;
use unspool_media::{DataFile, Disk, LocalDisk, OpenMode, Step};

/// What the store asks of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Opening a file that is there or created.
    Open,
    /// Opening a file that is emptied.
    Truncate,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Making writes durable.
    Sync,
    /// Giving a range back.
    Punch,
    /// Deleting a file.
    Remove,
    /// Asking a file for its length.
    Size,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 8] = [
        Operation::Open,
        Operation::Truncate,
        Operation::Read,
        Operation::Write,
        Operation::Sync,
        Operation::Punch,
        Operation::Remove,
        Operation::Size,
    ];
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// `ENOSPC`, nothing done.
    NoSpace,
    /// `EIO`, nothing done.
    Io,
    /// A read or write does half and says so; what has no half is done.
    Short,
    /// A read or write does half and answers `EIO`; what has no half is done and answers `EIO`.
    Torn,
    /// A write says that all went well, and a bit in the middle is another one; other operations are done.
    Lie,
    /// This process is killed before the operation.
    Kill,
    /// This process is killed when half of the operation is done, or all of what has no half.
    TornKill,
    /// The power goes before the operation: what was written and not made durable is gone, and this process with it.
    PowerCut,
}

/// Which operations a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Only operations of this kind; all when `None`.
    pub operation: Option<Operation>,
    /// The first one it meets, counted among those from the moment the rule is set.
    pub nth: u64,
    /// Whether it meets all after that one too.
    pub lasting: bool,
    /// How they fail.
    pub fault: DiskFault,
}

/// A disk with rules.
///
/// Threads: shared freely; rules may change while a store uses it.
#[derive(Default)]
pub struct FaultyDisk {
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    operations: u64,
    rules: Vec<(Rule, u64)>,
    step: Option<(Step, u64, DiskFault)>,
    struck: u64,
    free_bytes: Option<u64>,
    keep_undo: bool,
    undo: BTreeMap<PathBuf, Vec<Undo>>,
    /// What a failed sync let go of: it stays readable and is gone with the power, whatever later syncs say.
    doomed: BTreeMap<PathBuf, Vec<Undo>>,
}

/// What a file was before a write that is not durable yet.
struct Undo {
    offset: u64,
    len: u64,
    bytes: Vec<u8>,
    size: u64,
}

impl FaultyDisk {
    /// A disk without rules.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(FaultyDisk::default())
    }

    /// A disk with one rule.
    #[must_use]
    pub fn with(rule: Rule) -> Arc<Self> {
        let disk = FaultyDisk::new();
        disk.set(rule);
        disk
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Adds a rule; the first one that meets an operation counts.
    pub fn set(&self, rule: Rule) {
        let mut book = self.book();
        book.keep_undo |= rule.fault == DiskFault::PowerCut;
        book.rules.push((rule, 0));
    }

    /// Every write and every opening answers `ENOSPC` from now on.
    pub fn fill_up(&self) {
        for operation in [Operation::Write, Operation::Truncate] {
            self.set(Rule { operation: Some(operation), nth: 0, lasting: true, fault: DiskFault::NoSpace });
        }
    }

    /// Ends this process the `nth` time (from 0) the store comes to `step`; `fault` says how.
    pub fn end_at(&self, step: Step, nth: u64, fault: DiskFault) {
        let mut book = self.book();
        book.keep_undo |= fault == DiskFault::PowerCut;
        book.step = Some((step, nth, fault));
    }

    /// Takes every rule away.
    pub fn heal(&self) {
        let mut book = self.book();
        book.rules.clear();
        book.step = None;
    }

    /// What the volume says it has left; `None` for what this device has.
    pub fn set_free_bytes(&self, bytes: Option<u64>) {
        self.book().free_bytes = bytes;
    }

    /// Operations begun so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.book().operations
    }

    /// Operations that met a fault so far.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.book().struck
    }
}

impl fmt::Debug for FaultyDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.book();
        f.debug_struct("FaultyDisk")
            .field("operations", &book.operations)
            .field("rules", &book.rules)
            .finish()
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    /// Counts an operation; the fault it meets.
    fn meet(&mut self, operation: Operation) -> Option<DiskFault> {
        self.operations += 1;
        let mut met = None;
        for (rule, seen) in &mut self.rules {
            if rule.operation.is_some_and(|only| only != operation) {
                continue;
            }
            let number = *seen;
            *seen += 1;
            if number == rule.nth || (rule.lasting && number > rule.nth) {
                met = met.or(Some(rule.fault));
            }
        }
        self.struck += u64::from(met.is_some());
        met
    }

    fn end(&mut self, fault: DiskFault) -> ! {
        if fault == DiskFault::PowerCut {
            for (path, undo) in self.undo.iter().chain(&self.doomed) {
                // A file that is gone has nothing to lose.
                let Ok(file) = File::options().write(true).open(path) else { continue };
                for Undo { offset, len, bytes, size } in undo.iter().rev() {
                    // Past its old end the file reads as zeros again, or ends there when nothing follows.
                    let mut before = bytes.clone();
                    before.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0);
                    let mut undone = file.write_all_at(&before, *offset);
                    if file.metadata().is_ok_and(|now| now.len() == offset + len) {
                        undone = undone.and_then(|()| file.set_len((*size).clamp(*offset, offset + len)));
                    }
                    assert!(
                        undone.is_ok(),
                        "what a power cut takes away could not be taken away: {undone:?}"
                    );
                }
            }
        }
        kill()
    }
}

/// SIGKILL: nothing is run, flushed or dropped.
pub(crate) fn kill() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // The signal is on its way to this very process.
    loop {
        std::thread::park();
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

fn enospc() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

/// Does something that has no half, or fails.
fn whole<T>(book: &Mutex<Book>, operation: Operation, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let met = lock(book).meet(operation);
    match met {
        None | Some(DiskFault::Short | DiskFault::Lie) => run(),
        Some(DiskFault::NoSpace) => Err(enospc()),
        Some(DiskFault::Io) => Err(eio()),
        Some(DiskFault::Torn) => {
            run()?;
            Err(eio())
        }
        Some(DiskFault::TornKill) => {
            let _ = run();
            kill()
        }
        Some(fault @ (DiskFault::Kill | DiskFault::PowerCut)) => lock(book).end(fault),
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DataFile>> {
        let operation = if mode == OpenMode::Empty { Operation::Truncate } else { Operation::Open };
        let inner = whole(&self.book, operation, || LocalDisk.open(path, mode))?;
        Ok(Arc::new(FaultyFile { inner, path: path.to_owned(), book: self.book.clone() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        whole(&self.book, Operation::Remove, || fs::remove_file(path))?;
        let mut book = self.book();
        book.undo.remove(path);
        book.doomed.remove(path);
        Ok(())
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let set = self.book().free_bytes;
        set.map_or_else(|| LocalDisk.free_bytes(dir), Ok)
    }

    fn reached(&self, step: Step) {
        let mut book = self.book();
        if let Some((at, left, fault)) = &mut book.step
            && *at == step
        {
            if let Some(fewer) = left.checked_sub(1) {
                *left = fewer;
            } else {
                let fault = *fault;
                book.end(fault);
            }
        }
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn DataFile>,
    path: PathBuf,
    book: Arc<Mutex<Book>>,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}

impl FaultyFile {
    /// Remembers what a write replaces, where a power cut may come.
    fn remember(&self, offset: u64, len: usize) -> io::Result<()> {
        if !lock(&self.book).keep_undo {
            return Ok(());
        }
        let size = self.inner.size()?;
        let mut bytes = vec![0; len];
        let mut got = 0;
        while got < len {
            match self.inner.read_at(&mut bytes[got..], offset + got as u64)? {
                0 => break,
                some => got += some,
            }
        }
        bytes.truncate(got);
        let (path, len) = (self.path.clone(), len as u64);
        let mut book = lock(&self.book);
        if let Some(doomed) = book.doomed.get_mut(&path) {
            doomed.retain(|undo| undo.offset >= offset + len || undo.offset + undo.len <= offset);
        }
        book.undo.entry(path).or_default().push(Undo { offset, len, bytes, size });
        Ok(())
    }
}

/// Half of a piece, at least one byte of it.
fn half(len: usize) -> usize {
    len.div_ceil(2)
}

impl DataFile for FaultyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let met = lock(&self.book).meet(Operation::Read);
        let some = half(buf.len());
        match met {
            None | Some(DiskFault::Lie) => self.inner.read_at(buf, offset),
            Some(DiskFault::Short) => self.inner.read_at(&mut buf[..some], offset),
            Some(DiskFault::Torn) => {
                self.inner.read_at(&mut buf[..some], offset)?;
                Err(eio())
            }
            Some(DiskFault::NoSpace | DiskFault::Io) => Err(eio()),
            Some(fault) => lock(&self.book).end(fault),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.remember(offset, bytes.len())?;
        let met = lock(&self.book).meet(Operation::Write);
        let some = &bytes[..half(bytes.len())];
        match met {
            None => self.inner.write_at(bytes, offset),
            Some(DiskFault::Lie) => {
                let mut other = bytes.to_vec();
                if let Some(byte) = other.get_mut(bytes.len() / 2) {
                    *byte ^= 1;
                }
                self.inner.write_at(&other, offset)
            }
            Some(DiskFault::Short) => self.inner.write_at(some, offset),
            Some(DiskFault::Torn) => {
                self.inner.write_at(some, offset)?;
                Err(eio())
            }
            Some(DiskFault::NoSpace) => Err(enospc()),
            Some(DiskFault::Io) => Err(eio()),
            Some(DiskFault::TornKill) => {
                let _ = self.inner.write_at(some, offset);
                kill()
            }
            Some(fault @ (DiskFault::Kill | DiskFault::PowerCut)) => lock(&self.book).end(fault),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let synced = whole(&self.book, Operation::Sync, || self.inner.sync());
        let mut book = lock(&self.book);
        let pending = book.undo.remove(&self.path);
        if synced.is_err()
            && let Some(pending) = pending
        {
            book.doomed.entry(self.path.clone()).or_default().extend(pending);
        }
        synced
    }

    fn punch(&self, span: Span) -> io::Result<()> {
        whole(&self.book, Operation::Punch, || self.inner.punch(span))
    }

    fn size(&self) -> io::Result<u64> {
        whole(&self.book, Operation::Size, || self.inner.size())
    }
}
