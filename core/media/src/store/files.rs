//! Giving space back to the file system.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use unspool_engine::Span;

/// Deletes a data file; one that is already gone is as good.
pub(super) fn remove_file(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(target: "unspool::media", %error, "a cache file could not be deleted");
    }
}

/// Gives a range of a file back to the file system where it can do that; elsewhere only whole files free space.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn punch(file: &File, span: Span) {
    use rustix::fs::FallocateFlags;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if let Err(error) = rustix::fs::fallocate(file, flags, span.start, span.len()) {
        tracing::debug!(target: "unspool::media", %error, "the file system cannot punch holes");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn punch(_file: &File, _span: Span) {}
