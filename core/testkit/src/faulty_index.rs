//! Faults under SQLite: every read, write, sync, truncation and opening of a database file can fail on request.
//!
//! SQLite reaches the disk through a table of functions of its own. [`FaultyIndex::install`] puts a table of ours before
//! it that counts and fails, and otherwise passes on. It is one for the whole process, so a test holds it while it runs.
#![allow(
    unsafe_code,
    reason = "SQLite's table of file functions is a C structure; each call is passed on unchanged"
)]

use std::ffi::{c_char, c_int, c_void};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;

use crate::DiskFault;
use crate::faulty_disk::kill;

/// The faults of all databases of this process; those who come later wait until it is dropped.
#[derive(Debug)]
pub struct FaultyIndex {
    _turn: MutexGuard<'static, ()>,
}

#[derive(Debug)]
struct Book {
    operations: u64,
    struck: u64,
    rule: Option<(u64, bool, DiskFault)>,
}

static TURN: Mutex<()> = Mutex::new(());
static BOOK: Mutex<Book> = Mutex::new(Book { operations: 0, struck: 0, rule: None });
static ORIGINALS: OnceLock<Originals> = OnceLock::new();
/// Tables of the system's file functions and ours in their place, as addresses.
static TABLES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

type Open = unsafe extern "C" fn(
    *mut ffi::sqlite3_vfs,
    *const c_char,
    *mut ffi::sqlite3_file,
    c_int,
    *mut c_int,
) -> c_int;
type Read = unsafe extern "C" fn(*mut ffi::sqlite3_file, *mut c_void, c_int, ffi::sqlite3_int64) -> c_int;
type Write = unsafe extern "C" fn(*mut ffi::sqlite3_file, *const c_void, c_int, ffi::sqlite3_int64) -> c_int;
type Truncate = unsafe extern "C" fn(*mut ffi::sqlite3_file, ffi::sqlite3_int64) -> c_int;
type Sync = unsafe extern "C" fn(*mut ffi::sqlite3_file, c_int) -> c_int;

#[derive(Debug, Clone, Copy)]
struct Originals {
    vfs: usize,
    open: Open,
}

/// The functions of a file; the same ones in every table of the system.
#[derive(Debug, Clone, Copy)]
struct Files {
    read: Read,
    write: Write,
    truncate: Truncate,
    sync: Sync,
}

static FILES: OnceLock<Files> = OnceLock::new();

fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultyIndex {
    /// Takes the place of the system's functions, for databases opened from now on, and starts without a rule.
    ///
    /// # Panics
    /// When SQLite has no functions to take the place of, or refuses ours.
    #[must_use]
    pub fn install() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        ORIGINALS.get_or_init(|| {
            // SAFETY: with a null name SQLite answers its default table, which lives as long as the process.
            let vfs = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
            assert!(!vfs.is_null(), "SQLite has a default table of functions");
            // SAFETY: the table is initialised and never written to by SQLite but for the link, which it sets itself.
            let mut ours = unsafe { std::ptr::read(vfs) };
            let Some(open) = ours.xOpen else { panic!("SQLite opens files") };
            ours.zName = c"unspool-faulty".as_ptr();
            ours.xOpen = Some(opened);
            // SAFETY: the table is leaked, so it lives as long as SQLite may use it.
            let registered = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1) };
            assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes another table of functions");
            Originals { vfs: vfs as usize, open }
        });
        let faults = FaultyIndex { _turn: turn };
        faults.heal();
        faults
    }

    /// The `nth` operation from now (from 0) meets `fault`, and with `lasting` all that follow.
    pub fn set(&self, nth: u64, lasting: bool, fault: DiskFault) {
        *book() = Book { operations: 0, struck: 0, rule: Some((nth, lasting, fault)) };
    }

    /// Takes the rule away.
    pub fn heal(&self) {
        book().rule = None;
    }

    /// Operations that met a fault since the rule was set.
    #[must_use]
    pub fn struck(&self) -> u64 {
        book().struck
    }
}

impl Drop for FaultyIndex {
    fn drop(&mut self) {
        self.heal();
    }
}

/// Counts an operation; the fault it meets.
fn meet() -> Option<DiskFault> {
    let mut book = book();
    let number = book.operations;
    book.operations += 1;
    let (nth, lasting, fault) = book.rule?;
    let met = number == nth || (lasting && number > nth);
    book.struck += u64::from(met);
    met.then_some(fault)
}

/// Runs `half` or `all` of an operation as the fault wants it; `failed` is what SQLite calls its failure.
fn pass(failed: c_int, half: impl FnOnce() -> c_int, all: impl FnOnce() -> c_int) -> c_int {
    match meet() {
        None | Some(DiskFault::Short | DiskFault::Lie) => all(),
        Some(DiskFault::NoSpace) => ffi::SQLITE_FULL,
        Some(DiskFault::Io) => failed,
        Some(DiskFault::Torn) => {
            half();
            failed
        }
        Some(DiskFault::TornKill) => {
            half();
            kill()
        }
        Some(DiskFault::Kill | DiskFault::PowerCut) => kill(),
    }
}

unsafe extern "C" fn opened(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let Some(originals) = ORIGINALS.get() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: the arguments are SQLite's own, and the table is the one the function belongs to.
    let open = || unsafe { (originals.open)(originals.vfs as *mut _, name, file, flags, out) };
    let done = pass(ffi::SQLITE_CANTOPEN, || ffi::SQLITE_OK, open);
    if done != ffi::SQLITE_OK {
        // SAFETY: SQLite closes a file that could not be opened if it has functions; ours has none then.
        unsafe { (*file).pMethods = std::ptr::null() };
        return done;
    }
    // SAFETY: after a successful call the file has a table, which lives as long as the process.
    unsafe { (*file).pMethods = ours((*file).pMethods) };
    done
}

/// The table that takes the place of `theirs`.
unsafe fn ours(theirs: *const ffi::sqlite3_io_methods) -> *const ffi::sqlite3_io_methods {
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, ours)) = tables.iter().find(|(known, _)| *known == theirs as usize) {
        return *ours as *const _;
    }
    // SAFETY: the caller passes a table that SQLite uses.
    let mut table = unsafe { std::ptr::read(theirs) };
    if let (Some(read), Some(write), Some(truncate), Some(sync)) =
        (table.xRead, table.xWrite, table.xTruncate, table.xSync)
    {
        let files = FILES.get_or_init(|| Files { read, write, truncate, sync });
        if files.write as usize == write as usize {
            table.xRead = Some(self::read);
            table.xWrite = Some(self::write);
            table.xTruncate = Some(self::truncate);
            table.xSync = Some(self::sync);
        }
    }
    let ours: *const _ = Box::leak(Box::new(table));
    tables.push((theirs as usize, ours as usize));
    ours
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    len: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let Some(files) = FILES.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: SQLite's own arguments go to the function they were meant for.
    pass(ffi::SQLITE_IOERR_READ, || ffi::SQLITE_OK, || unsafe { (files.read)(file, to, len, at) })
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    len: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let Some(files) = FILES.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: as above; half of the buffer lies within it.
    let half = || unsafe { (files.write)(file, from, len / 2, at) };
    // SAFETY: as above.
    pass(ffi::SQLITE_IOERR_WRITE, half, || unsafe { (files.write)(file, from, len, at) })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let Some(files) = FILES.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: as above.
    let all = || unsafe { (files.truncate)(file, size) };
    pass(ffi::SQLITE_IOERR_TRUNCATE, all, all)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some(files) = FILES.get() else { return ffi::SQLITE_IOERR };
    // SAFETY: as above.
    let all = || unsafe { (files.sync)(file, flags) };
    pass(ffi::SQLITE_IOERR_FSYNC, all, all)
}
