//! SIGKILL within the sweep of files without an owner: nothing that is owned is lost, and the next sweep goes on.
//!
//! The test runs itself again as a child, which sweeps until it ends itself at a chosen moment. Everything else is
//! killed from outside, in the tests of the whole crate; a sweep waits for ten idle seconds there.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sweep::Sweep;
use super::tests::{Model, check_read, files, open, put, truth};
use super::{SpanSet, Store};
use crate::disk::{DataFile, Disk, LocalDisk, OpenMode, Step};
use unspool_engine::Span;

const DIR: &str = "UNSPOOL_TEST_SWEEP_DIR";
const MOMENT: &str = "UNSPOOL_TEST_SWEEP_MOMENT";
const KEYS: u64 = 12;
const STRAYS: u64 = 6;
const BYTES: u64 = 70_000;

/// The file system, which ends this process at the chosen one of the moments in a sweep.
#[derive(Debug)]
struct Deadly(AtomicU64);

impl Deadly {
    fn moment(&self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
            std::thread::park();
        }
    }
}

impl Disk for Deadly {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DataFile>> {
        LocalDisk.open(path, mode)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = LocalDisk.remove(path);
        self.moment();
        removed
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        LocalDisk.free_bytes(dir)
    }

    fn reached(&self, step: Step) {
        if step == Step::Sweeping {
            self.moment();
        }
    }
}

/// Sweeps every folder, and says after each where the next sweep begins.
fn sweep(store: &Store) {
    let first = store.core.reader.lock().unwrap().totals().unwrap().1;
    for folder in first..first + 256 {
        Sweep::from(folder).next(&store.core);
    }
}

/// Not a test of its own: the process that gets killed.
#[test]
fn child_that_dies_in_a_sweep() {
    let (Ok(dir), Ok(moment)) = (std::env::var(DIR), std::env::var(MOMENT)) else { return };
    let disk = Arc::new(Deadly(AtomicU64::new(moment.parse().unwrap())));
    sweep(&Store::open(Path::new(&dir), 2, disk).unwrap());
}

/// This program once more: through what cargo ran it with, where its processor is emulated and the system cannot start it.
fn again() -> Command {
    let own = std::env::current_exe().unwrap();
    let named = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", std::env::consts::ARCH.to_uppercase());
    let Ok(runner) = std::env::var(named) else { return Command::new(own) };
    let mut words = runner.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(own);
    command
}

/// What crashes leave: files that no row claims, and files of versions that were replaced.
fn strays(dir: &Path, known: &[PathBuf]) -> BTreeSet<PathBuf> {
    (0..STRAYS)
        .map(|n| {
            let path = match n % 2 {
                0 => dir.join(format!("spans/a{n}/a{n}345678901234567890123456789012.0")),
                _ => known[n as usize].with_extension("17"),
            };
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, truth(n, 3, Span::new(0, 5_000))).unwrap();
            path
        })
        .collect()
}

#[test]
fn killed_at_any_moment_of_a_sweep_nothing_owned_is_lost_and_the_next_goes_on() {
    use std::os::unix::process::ExitStatusExt;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1).unwrap();
    (0..KEYS).for_each(|n| put(&store, n, 0, BYTES));
    store.close().unwrap();
    drop(store);
    let known = files(dir.path());
    let model = Model { spans: SpanSet::from_spans([Span::new(0, BYTES)]), ..Model::default() };
    // Before each deletion and after it.
    for moment in 1..=2 * STRAYS {
        let strays = strays(dir.path(), &known);
        let status = again()
            .args(["--exact", "store::killed::child_that_dies_in_a_sweep", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .env(MOMENT, moment.to_string())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(9), "moment {moment} comes");
        let left = strays.iter().filter(|path| path.exists()).count() as u64;
        assert_eq!(left, STRAYS - moment / 2, "moment {moment}: it died where it was told to");
        let store = open(dir.path(), 2).unwrap();
        assert_eq!(store.usage_bytes(), KEYS * BYTES);
        // Before anything is read: what is in memory is left alone.
        sweep(&store);
        assert_eq!(files(dir.path()).len(), known.len(), "moment {moment}: the next sweep goes on");
        for n in 0..KEYS {
            check_read(&store, n, &model, Span::new(0, BYTES), moment as u32);
        }
        assert_eq!(store.health().damaged_blocks, 0);
        store.close().unwrap();
    }
}
