//! Where a session's tape goes: a thread of its own writes the lines to a file, so that no feed waits for a disk.
//!
//! A tape is bounded: by its length, and by the lines that wait to be written. Where either is reached the tape is cut; what
//! stands on it plays all the same.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use unspool_engine::tape::header;

use crate::error::Error;

/// Longest tape in bytes: half a day of swiping at 40 kB a card.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Turns of a feed that may wait to be written: far more than a disk that works is ever behind.
const BEHIND: usize = 4_096;

/// The tape of a session.
#[derive(Debug)]
pub(crate) struct Tape {
    lines: Mutex<Option<SyncSender<Vec<String>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    feeds: AtomicU64,
    cut: AtomicBool,
}

impl Tape {
    /// Begins a tape in this file; what it held is gone.
    pub(crate) fn open(file: &Path) -> Result<Self, Error> {
        let storage = |e: std::io::Error| Error::Storage { reason: format!("tape: {e}") };
        let mut out = BufWriter::new(File::create(file).map_err(storage)?);
        writeln!(out, "{}", header()).map_err(storage)?;
        let (lines, received) = sync_channel(BEHIND);
        let writer = std::thread::Builder::new().name("unspool-tape".into());
        let writer = writer.spawn(move || write(out, &received)).map_err(storage)?;
        Ok(Tape {
            lines: Mutex::new(Some(lines)),
            writer: Mutex::new(Some(writer)),
            feeds: AtomicU64::new(0),
            cut: AtomicBool::new(false),
        })
    }

    /// The number of the next feed.
    pub(crate) fn feed(&self) -> u64 {
        self.feeds.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Writes lines down, soon. Says whether the tape goes on: a line that is missing would spoil all after it.
    pub(crate) fn write(&self, lines: Vec<String>) -> bool {
        if lines.is_empty() {
            return true;
        }
        let sender = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = sender.as_ref().is_some_and(|sender| sender.try_send(lines).is_ok());
        drop(sender);
        if !taken && !self.cut.swap(true, Ordering::Relaxed) {
            tracing::warn!("the tape ends here: it is too long, or its disk is too slow");
        }
        taken
    }

    /// Writes what waits and ends the tape. Blocks for the disk.
    pub(crate) fn close(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::warn!("the tape was not written to its end");
        }
    }
}

fn write(mut out: BufWriter<File>, received: &Receiver<Vec<String>>) {
    let mut written = 0;
    // What waits is written in one go; a quiet feed leaves nothing in memory.
    while let Ok(first) = received.recv() {
        for lines in std::iter::once(first).chain(received.try_iter()) {
            for line in lines {
                written += line.len() as u64 + 1;
                if written > MOST_BYTES {
                    return;
                }
                if let Err(error) = writeln!(out, "{line}") {
                    tracing::warn!(%error, "the tape ends here");
                    return;
                }
            }
        }
        if out.flush().is_err() {
            return;
        }
    }
}
