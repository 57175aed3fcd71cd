//! Opening a database file: pragmas, migrations, and what to do when the file is damaged.
//!
//! A file is set aside only when SQLite itself says it is damaged or no database at all; a full disk, a busy file or
//! a newer schema never costs a row. The file, its `-wal` and its `-shm` move together, because a WAL that outlives
//! its database is replayed into the next one. The connection locks the file exclusively: two writers would hand out
//! the same numbers, and without shared memory SQLite is also quicker.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite_migration::Migrations;

use super::error::SpoolError;

/// How long opening waits for the previous owner of the file to close it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Damaged files kept for inspection; older ones are deleted so that a bad disk cannot fill itself.
const KEPT_ASIDE: u64 = 2;

/// How much a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of the process; the next checkpoint covers a power cut.
    Process,
    /// A power cut.
    Power,
}

/// A file and how to open it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub path: PathBuf,
    pub durability: Durability,
    /// Bytes of a page of a new file; a file that is there keeps its own.
    pub page_bytes: u32,
    pub migrations: &'static Migrations<'static>,
}

impl Database {
    /// Opens the file; makes it where there is none.
    pub fn open(&self) -> Result<Connection, SpoolError> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "page_size", self.page_bytes)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        let synchronous = match self.durability {
            Durability::Process => "NORMAL",
            Durability::Power => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.set_prepared_statement_cache_capacity(64);
        self.migrations.to_latest(&mut connection)?;
        Ok(connection)
    }

    /// Renames the file and its companions to `<name>.corrupt-<n>`, and gives `n` and the new path.
    pub fn set_aside(&self) -> Result<(u64, PathBuf), SpoolError> {
        let number = self.aside_numbers().into_iter().max().unwrap_or(0) + 1;
        for suffix in ["", "-wal", "-shm"] {
            let from = with_suffix(&self.path, suffix);
            match std::fs::rename(&from, self.aside(number, suffix)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        for old in self.aside_numbers().into_iter().filter(|old| old + KEPT_ASIDE <= number) {
            for suffix in ["", "-wal", "-shm"] {
                match std::fs::remove_file(self.aside(old, suffix)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(kind = ?error.kind(), "an old damaged database could not be deleted");
                    }
                    _ => {}
                }
            }
        }
        tracing::warn!(number, "a damaged database was set aside");
        Ok((number, self.aside(number, "")))
    }

    /// Deletes the file, its companions and everything set aside.
    pub fn delete(&self) -> Result<(), SpoolError> {
        Self::delete_at(&self.path)
    }

    /// The same for the file at `path`, whatever opens it.
    pub fn delete_at(path: &Path) -> Result<(), SpoolError> {
        for suffix in ["-wal", "-shm", "-journal", ""] {
            gone(&with_suffix(path, suffix))?;
        }
        delete_set_aside(path)
    }

    /// Deletes everything set aside.
    pub fn delete_set_aside(&self) -> Result<(), SpoolError> {
        delete_set_aside(&self.path)
    }

    fn aside(&self, number: u64, suffix: &str) -> PathBuf {
        aside(&self.path, number, suffix)
    }

    fn aside_numbers(&self) -> Vec<u64> {
        aside_numbers(&self.path)
    }
}

fn gone(path: &Path) -> Result<(), SpoolError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(SpoolError::from(error)),
        _ => Ok(()),
    }
}

fn delete_set_aside(path: &Path) -> Result<(), SpoolError> {
    for number in aside_numbers(path) {
        for suffix in ["-wal", "-shm", "-journal", ""] {
            gone(&aside(path, number, suffix))?;
        }
    }
    Ok(())
}

fn aside(path: &Path, number: u64, suffix: &str) -> PathBuf {
    with_suffix(path, &format!(".corrupt-{number}{suffix}"))
}

fn aside_numbers(path: &Path) -> Vec<u64> {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else { return Vec::new() };
    let prefix = format!("{}.corrupt-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let rest = name.strip_prefix(&prefix)?;
            // A companion may be left without its file.
            rest.split('-').next()?.parse().ok()
        })
        .collect::<std::collections::BTreeSet<u64>>()
        .into_iter()
        .collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
