//! Files that a crash left without an owner, found a little at a time.
//!
//! A file exists before its index row does, and outlives a row that disowned it, so a crash between the two leaves a
//! file that no row claims. Nothing is wrong with the store then, but the space is lost. The data folder has 256
//! folders; each session sweeps some of them when it is idle, and the index remembers where the next one goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Core;
use super::StoreError;
use super::files::remove_file;
use super::index::{Place, Reader, is_orphan};
use crate::disk::{Disk, Step};

/// Folders of data files: two hexadecimal digits.
const FOLDERS: u64 = 256;
/// Folders swept in one session: with a hundred thousand files, about six thousand names are looked up.
const PER_SESSION: u32 = 16;
const LOST: &str = "lost-spans-";

/// Where data files go whose index was lost.
pub(super) fn lost_folder(dir: &Path) -> PathBuf {
    dir.join(format!("{LOST}{}", std::process::id()))
}

/// How far this session has come.
#[derive(Debug)]
pub(super) struct Sweep {
    folder: u64,
    left: u32,
}

impl Sweep {
    /// Goes on at `folder`.
    pub(super) fn from(folder: u64) -> Self {
        Sweep { folder: folder % FOLDERS, left: PER_SESSION }
    }

    /// Whether there is something left to sweep.
    pub(super) fn is_due(&self) -> bool {
        self.left > 0
    }

    /// Deletes the folders of files that lost their index, in this session or an earlier one.
    pub(super) fn lost_folders(&self, core: &Core) {
        let Place::Folder(dir) = &core.place else { return };
        let Ok(entries) = fs::read_dir(dir) else { return };
        let lost = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(LOST));
        for folder in lost {
            if let Err(error) = delete_folder(&*core.shared.disk, &folder.path()) {
                tracing::warn!(target: "unspool::media", %error, "files of a lost index could not be deleted");
            }
        }
    }

    /// Sweeps one folder.
    pub(super) fn next(&mut self, core: &Core) {
        self.left = self.left.saturating_sub(1);
        let swept = core.sweep_folder(self.folder).and_then(|deleted| {
            self.folder = (self.folder + 1) % FOLDERS;
            core.index()?.set_swept(self.folder)?;
            Ok(deleted)
        });
        match core.noted(swept) {
            Ok(0) => {}
            Ok(deleted) => {
                tracing::info!(target: "unspool::media", deleted, "files without an owner were deleted")
            }
            Err(error) => {
                self.left = 0;
                tracing::debug!(target: "unspool::media", %error, "sweeping stopped");
            }
        }
    }
}

/// Deletes a folder of folders of files.
fn delete_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for inner in fs::read_dir(folder)? {
        let inner = inner?.path();
        for file in fs::read_dir(&inner)? {
            disk.reached(Step::Sweeping);
            disk.remove(&file?.path())?;
        }
        fs::remove_dir(inner)?;
    }
    fs::remove_dir(folder)
}

impl Core {
    /// Deletes the files of a folder that belong to nobody; how many there were.
    pub(super) fn sweep_folder(&self, folder: u64) -> Result<usize, StoreError> {
        // Memory has no files that a crash left behind.
        let Place::Folder(_) = &self.place else { return Ok(0) };
        let Ok(files) = fs::read_dir(self.shared.data_dir.join(format!("{folder:02x}"))) else {
            return Ok(0);
        };
        let reader = Reader::open(&self.place)?;
        let mut deleted = 0;
        for file in files {
            let file = file?;
            let name = file.file_name();
            let Some((name, generation)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let Ok(generation) = generation.parse() else { continue };
            if is_orphan(&reader, name, generation)? && self.delete_orphan(&reader, name, generation)? {
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// Looks again with the map locked, so that nobody begins to use the file meanwhile. A file of a loaded entry may
    /// have its row yet to come.
    fn delete_orphan(&self, reader: &Reader, name: &str, generation: u64) -> Result<bool, StoreError> {
        let loaded = self.loaded();
        let ours = !self.shared.is_closed();
        let orphan = ours && !loaded.has_file(name) && is_orphan(reader, name, generation)?;
        if orphan && let Some(folder) = name.get(..2) {
            self.shared.disk.reached(Step::Sweeping);
            let path = self.shared.data_dir.join(folder).join(format!("{name}.{generation}"));
            remove_file(&*self.shared.disk, &path);
        }
        Ok(orphan)
    }
}
