//! A byte source over a plain file that can be told to stall or to fail.
//!
//! The script is two offsets: reads at or past the stall offset wait as if the network had gone quiet, reads at or
//! past the failure offset answer an error. A read that starts before such an offset is cut short at it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unspool_media::{ByteSource, ReadError};

/// Random access to a file, with scripted stalls and failures.
///
/// Threads: shared freely; every method takes `&self`.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
    script: Mutex<Script>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Script {
    interrupted: bool,
    stall_from: Option<u64>,
    fail_from: Option<(u64, bool)>,
    waiting: usize,
    bytes_read: u64,
}

impl FileSource {
    /// A source over the file at `path`.
    ///
    /// # Errors
    /// Whatever opening the file answers.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::over(File::open(path)?)
    }

    /// A source over `bytes`, kept in an unnamed temporary file.
    ///
    /// # Errors
    /// Whatever creating or writing the temporary file answers.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        Self::over(file)
    }

    fn over(file: File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(FileSource { file, size, script: Mutex::default(), changed: Condvar::new() })
    }

    /// Makes every byte at or past `offset` wait until [`release`](FileSource::release).
    pub fn stall_at(&self, offset: u64) {
        self.edit(|script| script.stall_from = Some(offset));
    }

    /// Makes every byte at or past `offset` fail until [`release`](FileSource::release).
    pub fn fail_at(&self, offset: u64, retryable: bool) {
        self.edit(|script| script.fail_from = Some((offset, retryable)));
    }

    /// Ends the stall and the failure; waiting reads go on at once.
    pub fn release(&self) {
        self.edit(|script| {
            script.stall_from = None;
            script.fail_from = None;
        });
    }

    /// Number of reads that wait at this moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.script().waiting
    }

    /// Number of bytes handed out so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.script().bytes_read
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script());
        self.changed.notify_all();
    }
}

impl Script {
    /// Where readable bytes end for a reader at `offset`.
    fn readable_end(&self, size: u64) -> u64 {
        let stall = self.stall_from.unwrap_or(size);
        let fail = self.fail_from.map_or(size, |(at, _)| at);
        size.min(stall).min(fail)
    }
}

impl ByteSource for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError> {
        let until = Instant::now() + deadline;
        let mut script = self.script();
        let end = loop {
            if script.interrupted {
                return Err(ReadError::Interrupted);
            }
            if offset >= self.size || buf.is_empty() {
                return Ok(0);
            }
            let end = script.readable_end(self.size);
            if end > offset {
                break end;
            }
            if let Some((at, retryable)) = script.fail_from
                && offset >= at
            {
                return Err(ReadError::Failed { reason: "scripted failure".to_owned(), retryable });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ReadError::TimedOut);
            }
            script.waiting += 1;
            script = self.changed.wait_timeout(script, left).unwrap_or_else(PoisonError::into_inner).0;
            script.waiting -= 1;
        };
        let want = buf.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
        let got = self
            .file
            .read_at(&mut buf[..want], offset)
            .map_err(|error| ReadError::Failed { reason: error.kind().to_string(), retryable: false })?;
        script.bytes_read += got as u64;
        Ok(got)
    }

    fn available_from(&self, offset: u64) -> u64 {
        self.script().readable_end(self.size).saturating_sub(offset)
    }

    fn interrupt(&self) {
        self.edit(|script| script.interrupted = true);
    }

    fn resume(&self) {
        self.edit(|script| script.interrupted = false);
    }
}
