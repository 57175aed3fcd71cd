//! A disk in memory, for a cache that found no place on a real one.
//!
//! It holds a fixed number of bytes and is full then, as a small volume would be: eviction makes room by the same rules as
//! everywhere, and what finds no room is read through. Bytes lie in pages, so a file costs what is held of it and not its
//! length. Nothing outlives the process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unspool_engine::Span;

use super::entry::index_of;
use crate::disk::{DataFile, Disk, OpenMode};

/// Bytes of a page. 4 KiB: that of usual file systems, so that a cache of heads loses as little at their edges as there.
const PAGE: u64 = 4096;

/// A bounded disk in memory. Files that are deleted while they are open take space until they are closed.
#[derive(Debug)]
pub(super) struct MemoryDisk {
    room: Arc<Room>,
    files: Mutex<BTreeMap<PathBuf, Arc<MemoryFile>>>,
}

#[derive(Debug)]
struct Room {
    pages: u64,
    used: AtomicU64,
}

impl Room {
    fn take(&self, pages: u64) -> io::Result<()> {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(pages).filter(|used| *used <= self.pages)
        });
        taken.map(drop).map_err(|_| io::ErrorKind::StorageFull.into())
    }

    fn give_back(&self, pages: u64) {
        self.used.fetch_sub(pages, Ordering::Relaxed);
    }
}

impl MemoryDisk {
    /// One that holds `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let room = Arc::new(Room { pages: bytes / PAGE, used: AtomicU64::new(0) });
        MemoryDisk { room, files: Mutex::default() }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<MemoryFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DataFile>> {
        let mut files = self.files();
        if let Some(file) = files.get(path) {
            if mode == OpenMode::Empty {
                file.pages().clear(&self.room);
            }
            return Ok(file.clone());
        }
        if mode == OpenMode::Existing {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = Arc::new(MemoryFile { room: self.room.clone(), pages: Mutex::default() });
        files.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok((self.room.pages - self.room.used.load(Ordering::Relaxed)) * PAGE)
    }
}

#[derive(Debug)]
struct MemoryFile {
    room: Arc<Room>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    size: u64,
    held: BTreeMap<u64, Box<[u8]>>,
}

impl Pages {
    fn clear(&mut self, room: &Room) {
        room.give_back(self.held.len() as u64);
        *self = Pages::default();
    }
}

impl MemoryFile {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let room = self.room.clone();
        self.pages().clear(&room);
    }
}

/// The pages that `span` touches: number, where in the page, and how far into the span.
fn parts(span: Span) -> impl Iterator<Item = (u64, std::ops::Range<usize>, usize)> {
    (span.start / PAGE..span.end.div_ceil(PAGE)).map(move |number| {
        let (start, end) = (span.start.max(number * PAGE), span.end.min((number + 1) * PAGE));
        (number, index_of(start - number * PAGE)..index_of(end - number * PAGE), index_of(start - span.start))
    })
}

impl DataFile for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let pages = self.pages();
        let count = pages.size.saturating_sub(offset).min(buf.len() as u64);
        for (number, within, at) in parts(Span::new(offset, offset + count)) {
            let to = &mut buf[at..at + within.len()];
            match pages.held.get(&number) {
                Some(page) => to.copy_from_slice(&page[within]),
                None => to.fill(0),
            }
        }
        Ok(index_of(count))
    }

    fn read_resident(&self, buf: &mut [u8], offset: u64) -> Option<usize> {
        self.read_at(buf, offset).ok()
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut pages = self.pages();
        let span = Span::new(offset, end);
        let new = parts(span).filter(|(number, ..)| !pages.held.contains_key(number)).count();
        self.room.take(new as u64)?;
        for (number, within, at) in parts(span) {
            let page = pages.held.entry(number).or_insert_with(|| vec![0; index_of(PAGE)].into());
            page[within.clone()].copy_from_slice(&bytes[at..at + within.len()]);
        }
        pages.size = pages.size.max(end);
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn punch(&self, span: Span) -> io::Result<()> {
        let mut pages = self.pages();
        for (number, within, _) in parts(Span::new(span.start, span.end.min(pages.size))) {
            if within.len() as u64 == PAGE {
                if pages.held.remove(&number).is_some() {
                    self.room.give_back(1);
                }
            } else if let Some(page) = pages.held.get_mut(&number) {
                page[within].fill(0);
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.pages().size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_disk_and_full_when_it_is_full() {
        let disk = MemoryDisk::new(8 * PAGE);
        let free = |disk: &MemoryDisk| disk.free_bytes(Path::new("")).unwrap() / PAGE;
        let path = Path::new("a/b");
        assert_eq!(disk.open(path, OpenMode::Existing).unwrap_err().kind(), io::ErrorKind::NotFound);
        let file = disk.open(path, OpenMode::Create).unwrap();
        // At the edge of pages, far into the file: what lies before costs nothing and reads as zeros.
        let at = 100 * PAGE - 3;
        assert_eq!(file.write_at(b"abcdef", at).unwrap(), 6);
        assert_eq!((file.size().unwrap(), free(&disk)), (at + 6, 6));
        let mut got = [1; 12];
        assert_eq!(file.read_at(&mut got, at - 3).unwrap(), 9);
        assert_eq!(&got, b"\0\0\0abcdef\x01\x01\x01");
        assert_eq!(file.read_at(&mut got, at + 6).unwrap(), 0, "the end");
        assert_eq!(file.read_resident(&mut got[..2], at), Some(2));

        let full = file.write_at(&vec![7; index_of(7 * PAGE)], 0).unwrap_err();
        assert_eq!((full.kind(), free(&disk)), (io::ErrorKind::StorageFull, 6), "nothing was done");
        file.write_at(&vec![7; index_of(6 * PAGE)], 0).unwrap();
        assert_eq!(free(&disk), 0);
        file.write_at(b"x", at).unwrap();
        file.punch(Span::new(PAGE - 1, 3 * PAGE)).unwrap();
        assert_eq!(free(&disk), 2, "whole pages come back");
        let mut got = vec![1; index_of(PAGE) + 2];
        file.read_at(&mut got, PAGE - 2).unwrap();
        assert!(got[0] == 7 && got[1..].iter().all(|byte| *byte == 0));

        let again = disk.open(path, OpenMode::Existing).unwrap();
        assert_eq!(again.size().unwrap(), at + 6);
        disk.remove(path).unwrap();
        assert_eq!(disk.remove(path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(free(&disk), 2, "open files keep theirs");
        drop((file, again));
        assert_eq!(free(&disk), 8);
        let fresh = disk.open(path, OpenMode::Create).unwrap();
        fresh.write_at(b"x", 0).unwrap();
        assert_eq!(disk.open(path, OpenMode::Empty).unwrap().size().unwrap(), 0);
        assert_eq!(free(&disk), 8);
    }
}
