//! Recording events durably: ours with group commit, the peer with a transaction of its own for each.
//!
//! A round is the same number of events whatever the size of its bursts, large enough that both sides meet their
//! automatic checkpoints within it. The figure of a round is its mean; the figure reported is the median of rounds.

mod glean;
mod load;
pub(crate) mod side;

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};
use unspool::spool::{Class, Event, Spool, SpoolError, SpoolLimits};

use super::Effort;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};

/// Events of a round.
const EVENTS: usize = 1_280;
/// Sizes of the bursts: a quick series of swipes, and what one commit holds at most.
const BURSTS: [usize; 2] = [16, 256];
/// Events recorded without waiting before the queue is given time to drain.
const UNWAITED: usize = 16;
const PEER: &str = "a transaction per event";
const SESSION: &str = "0198b6d2-7c1e-7a57-9f0d-3e5b1c2a4d68";

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for burst in BURSTS {
        rows.append(&mut bursts(folder.path(), burst, effort.rounds(15, 3))?);
    }
    rows.append(&mut latency(folder.path(), effort.rounds(200, 20))?);
    rows.append(&mut glean::rows(effort)?);
    Ok(rows)
}

/// What one event cost, on the average of a round.
#[derive(Debug, Default)]
struct Cost {
    cpu_us: Vec<f64>,
    wall_us: Vec<f64>,
    written: Vec<f64>,
}

impl Cost {
    /// Runs a round and takes down what an event of it cost.
    fn round(&mut self, work: impl FnOnce() -> Result<(), BenchError>) -> Result<(), BenchError> {
        let (written, cpu, begun) = (written(), cpu(), Instant::now());
        work()?;
        let (wall, spent) = (begun.elapsed(), self::cpu().saturating_sub(cpu));
        self.wall_us.push(wall.as_secs_f64() * 1e6 / EVENTS as f64);
        self.cpu_us.push(spent.as_secs_f64() * 1e6 / EVENTS as f64);
        if let (Some(before), Some(after)) = (written, self::written()) {
            self.written.push(after.saturating_sub(before) as f64 / EVENTS as f64);
        }
        Ok(())
    }
}

fn bursts(folder: &Path, burst: usize, rounds: usize) -> Result<Vec<Row>, BenchError> {
    let spool = spool(&folder.join(format!("ours-{burst}.db")))?;
    let events: Vec<Event> = (0..EVENTS).map(event).collect();
    let bodies = bodies(folder, &events)?;
    let peer = Peer::open(&folder.join(format!("peer-{burst}.db")))?;
    let (mut ours, mut theirs) = (Cost::default(), Cost::default());
    let record = || {
        for burst in events.chunks(burst) {
            let mut pending: Vec<_> = burst.iter().map(|event| spool.record_durable(event)).collect();
            // The last one first: when it is committed so are the others, and the caller wakes up once.
            while let Some(pending) = pending.pop() {
                pending.wait().map_err(failed)?;
            }
        }
        Ok(())
    };
    let insert = || events.iter().zip(&bodies).try_for_each(|(event, body)| peer.insert(event, body));
    for round in 0..rounds {
        // Who goes first changes from round to round.
        if round.is_multiple_of(2) {
            ours.round(record)?;
            theirs.round(insert)?;
        } else {
            theirs.round(insert)?;
            ours.round(record)?;
        }
    }
    spool.close().wait().map_err(failed)?;
    let row = |what: &str, unit, ours: &[f64], theirs: &[f64]| {
        let name = format!("{what} per event, bursts of {burst}");
        Row::new(name, unit, ours.len(), median(ours)).against(PEER, median(theirs))
    };
    let mut rows = vec![
        row("processor time", "µs", &ours.cpu_us, &theirs.cpu_us).aim("<= 0.5x")?,
        row("wall time", "µs", &ours.wall_us, &theirs.wall_us),
    ];
    if !ours.written.is_empty() {
        rows.push(row("bytes written", "B", &ours.written, &theirs.written));
    }
    Ok(rows)
}

/// How long a caller is held up that does not wait for the commit.
fn latency(folder: &Path, rounds: usize) -> Result<Vec<Row>, BenchError> {
    let spool = spool(&folder.join("ours-latency.db"))?;
    let events: Vec<Event> = (0..UNWAITED).map(event).collect();
    let bodies = bodies(folder, &events)?;
    let peer = Peer::open(&folder.join("peer-latency.db"))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for event in &events {
            let begun = Instant::now();
            spool.record(event).map_err(failed)?;
            ours.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        // One more that is waited for: everything before it is committed then.
        spool.record_durable(&events[0]).wait().map_err(failed)?;
        for (event, body) in events.iter().zip(&bodies) {
            let begun = Instant::now();
            peer.insert(event, body)?;
            theirs.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    spool.close().wait().map_err(failed)?;
    let row = |name: &str, p| {
        Row::new(name, "µs", ours.len(), percentile(&ours, p)).against(PEER, percentile(&theirs, p))
    };
    Ok(vec![row("the caller of record() waits, median", 0.5), row("the caller of record() waits, p99", 0.99)])
}

/// The naive way: a table, and an implicit transaction for each insert.
struct Peer(Connection);

impl Peer {
    fn open(path: &Path) -> Result<Self, BenchError> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch(
                "CREATE TABLE event(
                     seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, class INTEGER NOT NULL, wall_ms INTEGER NOT NULL,
                     session TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL)",
            )?;
            Ok(Peer(connection))
        };
        open().map_err(BenchError::step::<rusqlite::Error>("opening the peer's database"))
    }

    fn insert(&self, event: &Event, body: &[u8]) -> Result<(), BenchError> {
        let insert = || {
            let mut statement = self.0.prepare_cached(
                "INSERT INTO event(kind, class, wall_ms, session, size, body) VALUES (?1, 1, ?2, ?3, ?4, ?5)",
            )?;
            statement.execute(params![event.name, event.wall_ms, event.session, body.len() as i64, body])
        };
        insert().map(drop).map_err(BenchError::step("inserting into the peer's database"))
    }
}

fn spool(path: &Path) -> Result<Spool, BenchError> {
    Spool::open(path, SpoolLimits { max_bytes: u64::MAX, max_age_ms: i64::MAX }).map_err(failed)
}

fn failed(error: SpoolError) -> BenchError {
    BenchError::step("the spool")(error)
}

/// The rows that ours makes of these events, taken back out of a spool.
fn bodies(folder: &Path, events: &[Event]) -> Result<Vec<Vec<u8>>, BenchError> {
    let folder = tempfile::tempdir_in(folder)?;
    let spool = spool(&folder.path().join("bodies.db"))?;
    let read = || {
        for event in events {
            spool.record(event)?;
        }
        let rows = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let batch = spool.claim(rows, u64::MAX).wait()?.ok_or(SpoolError::Closed)?;
        let records = spool.load(batch.key).wait()?.ok_or(SpoolError::Closed)?.records;
        spool.close().wait()?;
        Ok(records)
    };
    let records: Vec<Vec<u8>> = read().map_err(failed)?;
    match records.len() == events.len() {
        true => Ok(records),
        false => Err(BenchError::step("the spool")("some events did not come back")),
    }
}

/// An impression as the session writes it.
fn event(number: usize) -> Event {
    let number = number as i64;
    let blank = Event {
        name: unspool::IMPRESSION.to_owned(),
        wall_ms: 1_750_000_000_000 + number * 4_000,
        session: SESSION.to_owned(),
        class: Class::B,
        attributes: Vec::new(),
    };
    blank
        .with("impression", format!("{SESSION}/{number}"))
        .with("item", format!("item-{number:08}"))
        .with("asset", format!("asset-{number:08}"))
        .with("rendition", "720p")
        .with("position", number)
        .with("reason", "for_you")
        .with("shown_ms", 4_000 + number % 977)
        .with("active_ms", 3_900 + number % 977)
        .with("paused_ms", 0_i64)
        .with("progress_ms", 3_900 + number % 977)
        .with("duration_ms", 12_000_i64)
        .with("loops", 0_i64)
        .with("stalls", number % 3)
        .with("stall_ms", (number % 3) * 120)
        .with("online", true)
        .with("first_frame_ms", 2.5)
        .with("start_class", "prerolled")
        .with("exit", "swipe_next")
}

/// Processor time of this process, all threads.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Bytes this process has handed to the system's write calls, where the system tells.
fn written() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("wchar:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_writes_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let events: Vec<Event> = (0..40).map(event).collect();
        let bodies = bodies(folder.path(), &events).unwrap();
        assert!(bodies.iter().all(|body| body.len() > 300), "an impression has about 20 attributes");
        let peer = Peer::open(&folder.path().join("peer.db")).unwrap();
        events.iter().zip(&bodies).for_each(|(event, body)| peer.insert(event, body).unwrap());
        let back: Vec<u8> =
            peer.0.query_row("SELECT body FROM event WHERE seq = 40", [], |row| row.get(0)).unwrap();
        assert_eq!(back, bodies[39]);
    }
}
