//! Reading what can be read of a damaged file.
//!
//! Rows keep their numbers and the identifier of the file they came from, because some may have reached the collector
//! already and must stay recognisable. They are read in order; where a page is damaged the range is halved until what is
//! left unreadable is small, with a bounded number of attempts. A row counts only if it decodes as a log record that
//! carries its own number. What the books say was queued and is not found is counted as damaged.

use rusqlite::{Connection, OpenFlags, params};

use super::ledger::Ledger;
use crate::telemetry::otlp;

/// Queries that may fail before the rest of a file is given up: each costs some microseconds, so a fraction of a second.
const ATTEMPTS: u32 = 4_096;

/// A row as it stood in the damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub seq: i64,
    pub class: i64,
    pub purpose: i64,
    pub at_ms: i64,
    pub body: Vec<u8>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Salvaged {
    pub rows: Vec<Row>,
    /// Quarantined rows: number, status, body.
    pub quarantine: Vec<(i64, u16, Vec<u8>)>,
    /// First numbers and identifiers of the files the rows were recorded in.
    pub epochs: Vec<(i64, String)>,
    pub open: Vec<(u32, String)>,
    pub skew_ms: i64,
    /// The books, if they could be read.
    pub ledger: Option<Ledger>,
    /// The highest number that shows anywhere.
    pub last_seq: u64,
}

/// Reads `path`, whose write-ahead log lies beside it. Never fails: what cannot be read is not there.
pub(crate) fn read(path: &std::path::Path) -> Salvaged {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match Connection::open_with_flags(path, flags) {
        Ok(connection) => gather(&connection),
        Err(_) => Salvaged::default(),
    }
}

fn gather(connection: &Connection) -> Salvaged {
    let mut found = Salvaged::default();
    // One connection at a time, no shared memory: as the file was written.
    let _ = connection.pragma_update(None, "locking_mode", "EXCLUSIVE");
    let mut left = ATTEMPTS;
    found.epochs = list(connection, "SELECT first, installation FROM epoch ORDER BY first", |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    if found.epochs.is_empty() {
        return found;
    }
    let bound = |order: &str| -> Option<i64> {
        let sql = format!("SELECT seq FROM event ORDER BY seq {order} LIMIT 1");
        connection.query_row(&sql, [], |row| row.get(0)).ok()
    };
    found.ledger = Ledger::load(connection).ok().filter(Ledger::is_conserved);
    let known = found.ledger.map_or(0, |ledger| i64::try_from(ledger.last_seq).unwrap_or(i64::MAX));
    let claimed: i64 =
        connection.query_row("SELECT max(last) FROM batch", [], |row| row.get(0)).ok().flatten().unwrap_or(0);
    let first = bound("ASC").unwrap_or(1);
    let last = bound("DESC").unwrap_or(0).max(known).max(claimed);
    range(connection, first, last, &mut left, &mut found.rows);
    found.rows.sort_by_key(|row| row.seq);
    found.rows.dedup_by_key(|row| row.seq);
    let top = found.rows.last().map_or(0, |row| row.seq);
    found.last_seq = u64::try_from(last.max(top)).unwrap_or(0);
    found.quarantine = list(connection, "SELECT seq, code, body FROM quarantine ORDER BY seq", |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    });
    found.open =
        list(connection, "SELECT slot, event FROM open_impression", |row| Ok((row.get(0)?, row.get(1)?)));
    found.skew_ms = connection
        .query_row("SELECT n FROM counter WHERE name = 'skew_ms'", [], |row| row.get(0))
        .unwrap_or(0);
    found
}

fn list<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let Ok(mut statement) = connection.prepare(sql) else { return Vec::new() };
    let Ok(rows) = statement.query_map([], read) else { return Vec::new() };
    rows.map_while(Result::ok).collect()
}

/// Reads the rows numbered `first..=last`; a row counts only if it decodes and carries its own number.
fn range(connection: &Connection, first: i64, last: i64, left: &mut u32, into: &mut Vec<Row>) {
    let sql = "SELECT seq, class, purpose, at_ms, body FROM event WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    sweep(connection, sql, (first, last), left, |row| {
        let row = Row {
            seq: row.get(0)?,
            class: row.get(1)?,
            purpose: row.get(2)?,
            at_ms: row.get(3)?,
            body: row.get(4)?,
        };
        let seq = row.seq;
        if otlp::number_of(&row.body) == u64::try_from(seq).ok() {
            into.push(row);
        }
        Ok(seq)
    });
}

/// Hands rows numbered `first..=last` to `take`, which gives the number of each; a range that fails is halved. `sql` takes
/// the ends of a range and gives its rows in order. A row may be handed over twice, and `left` is how often reading may
/// still fail.
pub(crate) fn sweep(
    connection: &Connection,
    sql: &str,
    (first, last): (i64, i64),
    left: &mut u32,
    mut take: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<i64>,
) {
    let mut ranges = vec![(first, last)];
    while let Some((first, last)) = ranges.pop() {
        if first > last || *left == 0 {
            continue;
        }
        if let Err(reached) = part(connection, sql, (first, last), &mut take) {
            *left -= 1;
            let from = reached.max(first);
            if from < last {
                let middle = from + (last - from) / 2;
                ranges.push((from, middle));
                ranges.push((middle + 1, last));
            }
        }
    }
}

/// Reads on until something fails; the error is the number to go on from.
fn part(
    connection: &Connection,
    sql: &str,
    (first, last): (i64, i64),
    take: &mut impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<i64>,
) -> Result<(), i64> {
    let mut statement = connection.prepare_cached(sql).map_err(|_| first)?;
    let mut rows = statement.query(params![first, last]).map_err(|_| first)?;
    let mut next = first;
    loop {
        let seq = match rows.next() {
            Ok(None) => return Ok(()),
            Ok(Some(row)) => {
                // A damaged tree can send the cursor anywhere.
                let place: i64 = row.get(0).map_err(|_| next)?;
                if place < next || place > last {
                    return Err(next);
                }
                take(row).map_err(|_| next)?
            }
            Err(_) => return Err(next),
        };
        next = seq + 1;
    }
}
