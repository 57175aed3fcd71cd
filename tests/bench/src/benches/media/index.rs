//! The index of the span store as it grows: opening, lookups, memory.
//!
//! The entries are put into the index by SQL, because fetching as many would measure the network; nothing here reads
//! their bytes. The peers work on the same database in the plain way: all rows into a map, or one query after another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use rusqlite::Connection;
use tokio::runtime::{Handle, Runtime};
use unspool_engine::{MediaKey, Span};

use super::{close, open};
use crate::benches::Effort;
use crate::clip::Noise;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::median;

/// Spans of a rendition: its head and what a moov at the end needs.
const SPANS: usize = 2;
/// Renditions in the large store and in the small one: 100,000 spans and 1,000.
const MANY: usize = 50_000;
const FEW: usize = 500;
/// Lookups in a round, and how many renditions those go to that are in memory.
const LOOKUPS: usize = 5_000;
const NEAR: usize = 100;
/// Bytes of a span and where the second begins.
const SPAN_BYTES: u64 = 100_000;
const SECOND_AT: u64 = 2_000_000;

/// Rows of the index.
pub(super) fn rows(folder: &Path, handle: &Handle, effort: Effort) -> Result<Vec<Row>, BenchError> {
    let few = Filled::new(folder.join("few"), FEW, handle)?;
    let many = Filled::new(folder.join("many-spans"), MANY, handle)?;
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds(9, 1) {
        small.extend(few.peak()?);
        large.extend(many.peak()?);
    }
    let opening = many.opening(handle, effort)?;
    let mut rows = vec![opening];
    rows.append(&mut many.looking_up(handle, effort)?);
    if !large.is_empty() {
        rows.push(
            Row::new("peak memory, every one of 100,000 spans looked up", "MiB", large.len(), median(&large))
                .against("as many lookups among 1,000 spans", median(&small))
                .aim("<= 1.25x")?,
        );
    }
    Ok(rows)
}

/// What a task of [`memory`] begins with.
pub(crate) const MEMORY: &str = "memory ";

/// Our side of a sample of memory: `<renditions> <folder>`, every one of them looked up, [`MANY`] lookups in all. Gives
/// the peak of this process as JSON.
pub(crate) fn memory(task: &str) -> Result<String, BenchError> {
    let wrong = || BenchError::step("arguments")(format!("no such task: {task}"));
    let (renditions, folder) = task.split_once(' ').ok_or_else(wrong)?;
    let renditions: usize = renditions.parse().ok().filter(|some| *some > 0).ok_or_else(wrong)?;
    let runtime = Runtime::new()?;
    let media = open(Path::new(folder), runtime.handle())?;
    for n in 0..MANY {
        expect(media.held(&key(n % renditions)).len())?;
    }
    close(media, runtime.handle())?;
    // No file, or no such line in it, where the system does not tell.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    let kib: Option<f64> = line.and_then(|line| line.trim().parse().ok());
    Ok(serde_json::to_string(&kib.map(|kib| kib / 1024.0))?)
}

fn key(n: usize) -> MediaKey {
    MediaKey::new(&format!("asset-{n}"), "720p")
}

/// A store with many renditions.
struct Filled {
    dir: PathBuf,
    renditions: usize,
}

impl Filled {
    fn new(dir: PathBuf, renditions: usize, handle: &Handle) -> Result<Self, BenchError> {
        close(open(&dir, handle)?, handle)?;
        let filled = Filled { dir, renditions };
        filled.fill().map_err(BenchError::step("filling the index"))?;
        Ok(filled)
    }

    fn database(&self) -> rusqlite::Result<Connection> {
        Connection::open(self.dir.join("index.db"))
    }

    fn fill(&self) -> rusqlite::Result<()> {
        let mut db = self.database()?;
        let tx = db.transaction()?;
        {
            let mut entry = tx.prepare(
                "INSERT INTO entry (id, key, generation, size, pinned, last_used_ms, bytes, tail)
                 VALUES (?1, ?2, 0, 4000000, 0, ?1, ?3, ?3 / 2)",
            )?;
            let mut span = tx.prepare("INSERT INTO span (entry, first, past) VALUES (?1, ?2, ?3)")?;
            let mut block = tx.prepare("INSERT INTO block (entry, number, hash) VALUES (?1, ?2, ?1)")?;
            for n in 0..self.renditions {
                entry.execute((n as i64, key(n).as_str(), SPANS as i64 * SPAN_BYTES as i64))?;
                for (at, number) in [(0, 0), (SECOND_AT, SECOND_AT / 65_536 + 1)] {
                    span.execute((n as i64, at as i64, (at + SPAN_BYTES) as i64))?;
                    block.execute((n as i64, number as i64))?;
                }
            }
        }
        tx.commit()
    }

    /// Peak memory of a process that opens the store and looks every rendition up, in MiB; `None` where the system does
    /// not tell. A process of its own each time: what an earlier sample left on the heap would hide what this one needs.
    fn peak(&self) -> Result<Option<f64>, BenchError> {
        let task = format!("{MEMORY}{} {}", self.renditions, self.dir.display());
        let out = Command::new(std::env::current_exe()?).arg("side").arg(task).output()?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
            return Err(BenchError::step("measuring memory")(said));
        }
        Ok(serde_json::from_slice(&out.stdout)?)
    }

    fn opening(&self, handle: &Handle, effort: Effort) -> Result<Row, BenchError> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds(20, 3) {
            let begun = Instant::now();
            let media = open(&self.dir, handle)?;
            ours.push(begun.elapsed().as_secs_f64() * 1e3);
            let usage = media.usage();
            close(media, handle)?;
            let begun = Instant::now();
            let all = self.all().map_err(BenchError::step("reading the index"))?;
            theirs.push(begun.elapsed().as_secs_f64() * 1e3);
            let held: u64 = all.values().flatten().map(Span::len).sum();
            if held != usage {
                return Err(BenchError::step("opening")(format!("{usage} bytes are known of {held}")));
            }
        }
        Row::new("opening a store of 100,000 spans", "ms", ours.len(), median(&ours))
            .against("reading the spans of its index into a map", median(&theirs))
            .aim("<= 20 ms")
    }

    fn all(&self) -> rusqlite::Result<HashMap<String, Vec<Span>>> {
        let db = self.database()?;
        let mut rows = db.prepare("SELECT key, first, past FROM entry JOIN span ON span.entry = entry.id")?;
        let mut rows = rows.query([])?;
        let mut all: HashMap<String, Vec<Span>> = HashMap::new();
        while let Some(row) = rows.next()? {
            let span =
                Span::new(row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
            all.entry(row.get(0)?).or_default().push(span);
        }
        Ok(all)
    }

    fn looking_up(&self, handle: &Handle, effort: Effort) -> Result<Vec<Row>, BenchError> {
        let media = open(&self.dir, handle)?;
        let db = self.database().map_err(BenchError::step("opening the index"))?;
        let all = Mutex::new(self.all().map_err(BenchError::step("reading the index"))?);
        let mut noise = Noise::new(11);
        let (mut far, mut near) = (Rates::default(), Rates::default());
        for _ in 0..effort.rounds(10, 2) {
            let keys = keys(&mut noise, self.renditions);
            far.ours.push(rate(&keys, |key| Ok(media.held(key).len()))?);
            far.theirs.push(rate(&keys, |key| query(&db, key).map_err(BenchError::step("a query")))?);
            let keys = self::keys(&mut noise, NEAR);
            keys.iter().for_each(|key| drop(media.held(key)));
            near.ours.push(rate(&keys, |key| Ok(media.held(key).len()))?);
            near.theirs.push(rate(&keys, |key| {
                let all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                Ok(all.get(key.as_str()).cloned().unwrap_or_default().len())
            })?);
        }
        close(media, handle)?;
        Ok(vec![
            far.row("lookups among 50,000 renditions", "queries for the same rows"),
            near.row("lookups of renditions in memory", "a map with all of them"),
        ])
    }
}

fn keys(noise: &mut Noise, below: usize) -> Vec<MediaKey> {
    (0..LOOKUPS).map(|_| key(noise.below(below as u64) as usize)).collect()
}

/// The spans and checksums of a rendition, read from the index in the plain way; how many spans.
fn query(db: &Connection, key: &MediaKey) -> rusqlite::Result<usize> {
    let mut entry = db.prepare_cached("SELECT id, generation, size, pinned FROM entry WHERE key = ?1")?;
    let id: i64 = entry.query_row([key.as_str()], |row| row.get(0))?;
    let mut spans = db.prepare_cached("SELECT first, past FROM span WHERE entry = ?1")?;
    let spans: Vec<(i64, i64)> =
        spans.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut blocks = db.prepare_cached("SELECT number, hash FROM block WHERE entry = ?1")?;
    let blocks: Vec<(i64, i64)> =
        blocks.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(spans.len().min(blocks.len()))
}

/// Lookups per second.
fn rate(
    keys: &[MediaKey],
    mut find: impl FnMut(&MediaKey) -> Result<usize, BenchError>,
) -> Result<f64, BenchError> {
    let begun = Instant::now();
    for key in keys {
        expect(find(key)?)?;
    }
    Ok(keys.len() as f64 / begun.elapsed().as_secs_f64())
}

fn expect(spans: usize) -> Result<(), BenchError> {
    match spans {
        SPANS => Ok(()),
        other => Err(BenchError::step("looking up")(format!("{other} spans of {SPANS} are known"))),
    }
}

/// Lookups per second, ours and the peer's in turn.
#[derive(Debug, Default)]
struct Rates {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Rates {
    fn row(&self, name: &str, peer: &str) -> Row {
        Row::new(name, "per s", self.ours.len(), median(&self.ours)).against(peer, median(&self.theirs))
    }
}
