//! Whose telemetry a file holds: one file an account, so that nobody's records are ever sent with another's token.
//!
//! The file in use is `events.db`, and `events.owner` says whose it is. When another account opens the directory, the file
//! is put away as `events-<owner>.db` and that account's own is brought back, or a new one begun under a new identifier.
//! Each step is a rename or a small write, in an order in which a kill between two leaves the rest to the next open: a
//! file is put away before the name changes, and brought back after. Nothing else has the files open meanwhile, for the
//! media room owns the directory. What was put away waits for its account; it ages out when that one comes back.
//!
//! Files once had shorter names; they are known by them, and an account's name changes with its next open.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Puts the file of `account` in place and gives its path.
pub(crate) fn events_of(dir: &Path, account: &str) -> std::io::Result<PathBuf> {
    let (file, note) = (dir.join("events.db"), dir.join("events.owner"));
    let (me, before) = (mark(account), earlier_mark(account));
    let owner = match std::fs::read_to_string(&note) {
        Ok(owner) => Some(owner)
            .filter(|owner| owner.len() == me.len() || owner.len() == before.len())
            .filter(|owner| owner.bytes().all(|b| b.is_ascii_hexdigit())),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A file without a note is of the time before there were notes, or its note was cut short: it is of whoever comes.
    if let Some(owner) = owner.as_ref().filter(|owner| ![&me, &before].contains(owner)) {
        rename(dir, "events.db", &format!("events-{owner}.db"))?;
    }
    if owner.as_deref() != Some(&me) {
        let fresh = dir.join("events.owner.new");
        std::fs::write(&fresh, &me)?;
        std::fs::rename(fresh, &note)?;
    }
    for mine in [&me, &before] {
        if !file.exists() {
            rename(dir, &format!("events-{mine}.db"), "events.db")?;
        }
    }
    Ok(file)
}

/// Deletes what was put away for every account but the one in use.
pub(crate) fn forget_others(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("events-") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Moves a database with its companions, the log first: a log that is left alone is replayed into what takes its place.
fn rename(dir: &Path, from: &str, to: &str) -> std::io::Result<()> {
    for suffix in SUFFIXES.iter().rev() {
        match std::fs::rename(dir.join(format!("{from}{suffix}")), dir.join(format!("{to}{suffix}"))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Every file of `account`'s telemetry, and the note that it is in use.
pub(crate) fn files_of(dir: &Path, account: &str) -> std::io::Result<Vec<PathBuf>> {
    let prefixes = [mark(account), earlier_mark(account)].map(|mark| format!("events-{mark}.db"));
    let mut files = vec![dir.join("events.owner"), dir.join("events.owner.new")];
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if prefixes.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// What requests of an account are filed under once the account is erased.
pub(crate) fn hidden(account: &str) -> String {
    format!("sha256:{}", mark(account))
}

/// A name for files that does not show the account: SHA-256.
pub(crate) fn mark(account: &str) -> String {
    Sha256::digest(account).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name files had before: FNV-1a, 64 bits, twice over different beginnings.
fn earlier_mark(account: &str) -> String {
    let fnv = |basis: u64| {
        account.bytes().fold(basis, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    format!("{:016x}{:016x}", fnv(0xcbf2_9ce4_8422_2325), fnv(0x6c62_272e_07bb_0142))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, account: &str) -> String {
        let file = events_of(dir, account).unwrap();
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(&file, account).unwrap();
        std::fs::write(dir.join("events.db-wal"), account).unwrap();
        text
    }

    #[test]
    fn each_account_finds_its_own_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        for account in ["ada", "bea", "ada", "ada", "cleo", "bea", "cleo"] {
            let found = open(dir.path(), account);
            assert!(found.is_empty() || found == account, "{account} found what is {found}'s");
        }
        assert_eq!(open(dir.path(), "ada"), "ada");
        let log = std::fs::read_to_string(dir.path().join("events.db-wal")).unwrap();
        assert_eq!(log, "ada");
        forget_others(dir.path()).unwrap();
        assert_eq!(open(dir.path(), "bea"), "");
        assert_eq!(open(dir.path(), "ada"), "ada");
    }

    #[test]
    fn files_of_before_are_known_by_their_names() {
        assert_eq!(mark("ada").len(), 64);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("events.db"), "ada").unwrap();
        std::fs::write(dir.path().join("events.owner"), earlier_mark("ada")).unwrap();
        std::fs::write(dir.path().join(format!("events-{}.db", earlier_mark("bea"))), "bea").unwrap();
        assert_eq!(open(dir.path(), "bea"), "bea");
        assert!(dir.path().join(format!("events-{}.db", earlier_mark("ada"))).exists());
        assert_eq!(open(dir.path(), "ada"), "ada");
        assert_eq!(std::fs::read_to_string(dir.path().join("events.owner")).unwrap(), mark("ada"));
        assert_eq!(open(dir.path(), "ada"), "ada", "the one in use needs no other file name");
        assert_eq!(open(dir.path(), "bea"), "bea");
    }

    #[test]
    fn a_kill_between_two_steps_gives_nobody_anothers_file() {
        // The states a switch from ada to bea goes through, cut off after each step.
        for steps in 0..=3 {
            for next in ["ada", "bea"] {
                let dir = tempfile::tempdir().unwrap();
                open(dir.path(), "bea");
                open(dir.path(), "ada");
                let (ada, bea) = (mark("ada"), mark("bea"));
                if steps > 0 {
                    rename(dir.path(), "events.db", &format!("events-{ada}.db")).unwrap();
                }
                if steps > 1 {
                    std::fs::write(dir.path().join("events.owner"), &bea).unwrap();
                }
                if steps > 2 {
                    rename(dir.path(), &format!("events-{bea}.db"), "events.db").unwrap();
                }
                assert_eq!(open(dir.path(), next), next, "after {steps} steps");
            }
        }
    }
}
