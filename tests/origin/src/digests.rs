//! Content hashes, computed once per file: `digests.json` remembers them by path, size and modification time.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::OriginError;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    len: u64,
    modified_ns: u64,
    sha256: String,
}

/// Hashes remembered in one file.
pub struct Digests {
    path: PathBuf,
    known: BTreeMap<PathBuf, Known>,
    changed: bool,
}

impl Digests {
    /// Reads what is remembered in a folder; a missing or damaged file means nothing is.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let path = folder.join("digests.json");
        let known = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Digests { path, known, changed: false }
    }

    /// The strong `ETag` of a file's content, in quotes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn etag(&mut self, file: &Path, metadata: &Metadata) -> Result<String, OriginError> {
        let modified_ns = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| u64::try_from(since.as_nanos()).ok())
            .unwrap_or(0);
        let len = metadata.len();
        if let Some(known) = self.known.get(file)
            && (known.len, known.modified_ns) == (len, modified_ns)
        {
            return Ok(quoted(&known.sha256));
        }
        let sha256 = hash(file).map_err(OriginError::io("cannot read", file))?;
        let etag = quoted(&sha256);
        self.known.insert(file.to_owned(), Known { len, modified_ns, sha256 });
        self.changed = true;
        Ok(etag)
    }

    /// Writes what was learnt, forgetting files that are gone. Failing costs only time at the next start, so it is logged.
    pub fn save(mut self) {
        if !self.changed {
            return;
        }
        self.known.retain(|file, _| file.exists());
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let written = serde_json::to_vec(&self.known)
            .map_err(std::io::Error::from)
            .and_then(|bytes| std::fs::write(&temporary, bytes))
            .and_then(|()| std::fs::rename(&temporary, &self.path));
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.path.display(), "content hashes could not be remembered");
        }
    }
}

fn quoted(sha256: &str) -> String {
    // Half a SHA-256 tells files apart and keeps headers short.
    format!("\"{}\"", sha256.get(..32).unwrap_or(sha256))
}

fn hash(file: &Path) -> std::io::Result<String> {
    let mut file = File::open(file)?;
    let mut sha256 = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(sha256.finalize()));
        }
        sha256.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_gets_another_tag_and_an_unchanged_one_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "one").unwrap();
        let mut digests = Digests::open(folder.path());
        let first = digests.etag(&file, &file.metadata().unwrap()).unwrap();
        digests.save();
        let metadata = file.metadata().unwrap();
        let mut digests = Digests::open(folder.path());
        assert_eq!(digests.etag(Path::new("/nowhere/at/all"), &metadata).ok(), None);
        assert_eq!(digests.etag(&file, &metadata).unwrap(), first);
        assert!(!digests.changed);
        std::fs::write(&file, "three").unwrap();
        assert_ne!(digests.etag(&file, &file.metadata().unwrap()).unwrap(), first);
    }
}
