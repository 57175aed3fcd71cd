//! Complete renditions as files, for players that read a path or a descriptor, and what keeping them needs to know.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unspool_engine::{MediaKey, Span};

use crate::fetch::Purpose;
use crate::info::Layout;
use crate::media::{Media, MediaError};
use crate::store::{Entry, StoreError};

/// A complete rendition as a file, for as long as this value lives.
///
/// What is promised: every byte was there and matched its checksum when this was made, and until it is dropped the file
/// stays at its path, whole and unchanged, and eviction leaves it alone. Two things end that early: forgetting the
/// rendition outright ([`Media::forget`]), and a server that is found to have another version, which only a fetch after
/// damage can find out; then the path is gone, and the open [`file`](LocalFile::file) goes on holding the old bytes. It
/// holds for the session that made it: after a shutdown the next one may evict the file. It must not be written to.
///
/// For HLS over one file this is that file, a fragmented MP4 that plays by itself.
#[derive(Debug)]
pub struct LocalFile {
    entry: Arc<Entry>,
    file: File,
    path: PathBuf,
    size: u64,
}

impl LocalFile {
    /// Where it is, with a name of the store's own and no extension.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, opened for reading. Its position is shared by all who read through it: use positioned reads, or
    /// `try_clone` and one reader at a time.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        self.entry.release();
    }
}

impl Media {
    /// The rendition as a file: only when every byte is here and intact, which is checked by reading what was not
    /// checked in this session. Blocks for the disk.
    ///
    /// # Errors
    /// [`MediaError::NotProbed`] when it was never probed, [`MediaError::Incomplete`] when bytes are missing or were
    /// found damaged (they are holes then, and a fetch brings them again), [`MediaError::NotOneFile`] for a rendition of
    /// several files, [`MediaError::InMemory`] when the cache is in memory, a store error when the disk refuses.
    pub fn complete_file(&self, key: &MediaKey) -> Result<LocalFile, MediaError> {
        if self.store.health().memory_only.is_some() {
            return Err(MediaError::InMemory);
        }
        let info = self.info(key).ok_or(MediaError::NotProbed)?;
        if !self.is_complete(key) {
            return Err(MediaError::Incomplete);
        }
        let entry = self.store.entry(key);
        if info.layout == Layout::Segmented {
            return Err(MediaError::NotOneFile);
        }
        entry.touch();
        // Leased before it is looked at, so that nothing is taken out in between.
        entry.lease();
        let opened = entry.verified_file(info.size).and_then(|found| {
            let Some(path) = found else { return Ok(None) };
            Ok(Some((File::open(&path).map_err(StoreError::from)?, path)))
        });
        match opened {
            Ok(Some((file, path))) => Ok(LocalFile { entry, file, path, size: info.size }),
            Ok(None) => {
                entry.release();
                Err(MediaError::Incomplete)
            }
            Err(error) => {
                entry.release();
                Err(error.into())
            }
        }
    }

    /// Whether somebody reads `key` as a file.
    #[must_use]
    pub fn is_leased(&self, key: &MediaKey) -> bool {
        self.store.entry(key).is_leased()
    }

    /// Bytes of `key` that a player read in this session, or that were fetched in it for something else than keeping.
    #[must_use]
    pub fn used(&self, key: &MediaKey) -> Vec<Span> {
        let used = |key: &MediaKey| self.fetcher.accounts().used_besides(key, Purpose::Offline);
        match self.parts(key) {
            Some(parts) => parts.used(used),
            None => used(key),
        }
    }

    /// Waits until no request of `key` is on its way, so that after a cancel nothing more arrives.
    pub async fn idle(&self, key: &MediaKey) {
        self.fetcher.idle(key).await;
    }
}
