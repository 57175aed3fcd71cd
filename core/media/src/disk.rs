//! The one door between the span store and the file system that holds its data files.
//!
//! Everything the store does to a data file goes through [`Disk`] and [`DataFile`], one call per operation and without
//! retries of their own, so that a disk of the tests can fail, shorten or tear any of them. Next to a system call the
//! indirect call costs nothing that can be measured. The index is SQLite's business and does not come through here.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use unspool_engine::Span;

/// How a data file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must be there.
    Existing,
    /// It is created where missing, with its folder.
    Create,
    /// As [`Create`](OpenMode::Create), and what was in it is gone.
    Empty,
}

/// Moments between two operations at which a crash leaves something half done.
///
/// A disk is told of them for no other reason than that tests can crash there; the real one does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// Data is durable; the index transaction that claims it comes next.
    BeforeCommit,
    /// The index transaction is committed; files it no longer needs are deleted next.
    AfterCommit,
    /// Eviction: the index disowned bytes that are about to be given back.
    Disowned,
    /// Another version took the place of the stored one, and the index does not know yet.
    VersionChanged,
    /// The index is being migrated, within the transaction.
    Migrating,
    /// A file without an owner is about to be deleted.
    Sweeping,
    /// A corrupt index is being moved out of the way, some of its files moved already.
    Replacing,
    /// The write-ahead log is about to be moved into the database.
    BeforeCheckpoint,
    /// The write-ahead log was moved into the database.
    AfterCheckpoint,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 9] = [
        Step::BeforeCommit,
        Step::AfterCommit,
        Step::Disowned,
        Step::VersionChanged,
        Step::Migrating,
        Step::Sweeping,
        Step::Replacing,
        Step::BeforeCheckpoint,
        Step::AfterCheckpoint,
    ];
}

/// An open data file.
///
/// Shape: blocking calls, shared between threads. Errors are those of the operating system; what a failed call did of
/// its work is undefined.
pub trait DataFile: fmt::Debug + Send + Sync {
    /// Reads bytes at `offset`; fewer than asked for are no error, 0 is the end of the file.
    ///
    /// # Errors
    /// Whatever the medium answers.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads bytes at `offset` that the system holds in memory already, without waiting for the medium; fewer than asked
    /// for are no error. `None` where it would have to wait, where that cannot be told, and for any error: whoever needs
    /// the bytes then reads them with [`read_at`](DataFile::read_at) and hears why.
    fn read_resident(&self, buf: &mut [u8], offset: u64) -> Option<usize> {
        let _ = (buf, offset);
        None
    }

    /// Writes bytes at `offset`; fewer than given are no error.
    ///
    /// # Errors
    /// Whatever the medium answers.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes everything written so far survive a power cut. After an error, bytes written before may be lost whatever
    /// a later call says.
    ///
    /// # Errors
    /// Whatever the medium answers.
    fn sync(&self) -> io::Result<()>;

    /// Gives a range back to the file system; it reads as zeros then. Where that cannot be done nothing happens.
    ///
    /// # Errors
    /// Whatever the medium answers.
    fn punch(&self, span: Span) -> io::Result<()>;

    /// Length in bytes, holes included.
    ///
    /// # Errors
    /// Whatever the medium answers.
    fn size(&self) -> io::Result<u64>;
}

/// Where data files lie.
///
/// Shape: blocking calls, shared between threads, no call waits for another.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a data file for reading and writing.
    ///
    /// # Errors
    /// Whatever the medium answers; `NotFound` when there is no such file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DataFile>>;

    /// Deletes a file.
    ///
    /// # Errors
    /// Whatever the medium answers; `NotFound` when there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Bytes that this process could still write on the volume that holds `dir`.
    ///
    /// # Errors
    /// Whatever the medium answers.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Told of a [`Step`].
    fn reached(&self, step: Step) {
        let _ = step;
    }
}

/// The file system of this device.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DataFile>> {
        let create = mode != OpenMode::Existing;
        if let Some(folder) = path.parent().filter(|_| create) {
            fs::create_dir_all(folder)?;
        }
        let mut options = File::options();
        options.read(true).write(true).create(create).truncate(mode == OpenMode::Empty);
        Ok(Arc::new(LocalFile(options.open(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        fs4::available_space(dir)
    }
}

#[derive(Debug)]
struct LocalFile(File);

impl DataFile for LocalFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    // rustix leaves the call out on Android, and Apple's systems have none like it.
    #[cfg(target_os = "linux")]
    fn read_resident(&self, buf: &mut [u8], offset: u64) -> Option<usize> {
        let mut bufs = [io::IoSliceMut::new(buf)];
        rustix::io::preadv2(&self.0, &mut bufs, offset, rustix::io::ReadWriteFlags::NOWAIT).ok()
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn punch(&self, span: Span) -> io::Result<()> {
        use rustix::fs::FallocateFlags;
        use rustix::io::Errno;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.0, flags, span.start, span.len()) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            done => Ok(done?),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn punch(&self, _span: Span) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
