//! Who owns the directory of a cache: one at a time, told by a lock on a file in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::StoreError;

const OWNER: &str = "owner.lock";

/// Takes the lock on `dir`, which is made where it is missing.
pub(super) fn own(dir: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(dir)?;
    let owner = File::options().create(true).truncate(false).read(true).write(true).open(dir.join(OWNER))?;
    match fs4::FileExt::try_lock(&owner) {
        Ok(()) => Ok(owner),
        Err(fs4::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(fs4::TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The right to a directory that no session has open; given back when it goes.
#[derive(Debug)]
pub struct DirectoryLock {
    dir: PathBuf,
    owner: File,
}

impl DirectoryLock {
    /// Takes the directory.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when a session has it open.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        Ok(DirectoryLock { dir: dir.to_owned(), owner: own(dir)? })
    }

    /// Deletes everything in it but the lock itself. May be done twice.
    ///
    /// # Errors
    /// Those of the disk; what is deleted by then stays so.
    pub fn empty(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name() == OWNER {
                continue;
            }
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Outright: a child process that is being started may have a copy of the descriptor.
        let _ = fs4::FileExt::unlock(&self.owner);
    }
}
