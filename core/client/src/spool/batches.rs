//! Rows out: batches are claims on a range of numbers, not copies.
//!
//! Claiming writes one small row and leaves the events where they are; they are deleted in the transaction that
//! records the acknowledgement and at no other place. Every crash point therefore ends in sending again, under the
//! same id, and never in a loss. An id always names the same rows: a batch is `<installation>/<first>`, and what is left
//! of one that was cut is `<installation>/<first>-<last>+<rows>`, because a server may have kept its answer to the whole.

use rusqlite::{OptionalExtension, Row, params};

use super::ledger::Counters;
use super::records::size_of;
use super::writer::Turn;
use crate::crash;
use crate::telemetry::otlp;

/// Refused rows kept for inspection; the count of them is never cut.
const QUARANTINE_ROWS: i64 = 1_000;

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBatch {
    /// Its name in the store.
    pub key: u64,
    /// Its name on the wire, the same on every attempt.
    pub id: String,
    /// Number of its first event.
    pub first: u64,
    /// Number of its last event.
    pub last: u64,
    /// Events in it.
    pub rows: u32,
    /// Their size in bytes.
    pub bytes: u64,
    /// Attempts that failed.
    pub tries: u32,
    /// Whether it fell back to no compression.
    pub plain: bool,
    /// Wall clock in milliseconds since 1970 before which it should not be tried again; zero when it may.
    pub next_at_ms: i64,
}

/// A batch with the encoded records in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The batch.
    pub batch: OpenBatch,
    /// Each event as an encoded OTLP `LogRecord`, in order.
    pub records: Vec<Vec<u8>>,
}

/// A batch as it is sent, and the books of the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The batch.
    pub batch: OpenBatch,
    /// The books when it was read.
    pub counters: Counters,
    /// Events not acknowledged then, those of this batch among them.
    pub queued: u64,
    /// Its rows one after the other, each an OTLP `LogRecord` as it stands in a `ScopeLogs`.
    pub records: Vec<u8>,
}

/// A row the collector refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number.
    pub seq: u64,
    /// The event's name.
    pub kind: String,
    /// The status it was refused with.
    pub code: u16,
    /// The encoded OTLP `LogRecord`.
    pub body: Vec<u8>,
}

const COLUMNS: &str = "key, id, first, last, rows, bytes, tries, plain, next_at";

fn read(row: &Row<'_>) -> rusqlite::Result<OpenBatch> {
    Ok(OpenBatch {
        key: row.get::<_, i64>(0)? as u64,
        id: row.get(1)?,
        first: row.get::<_, i64>(2)? as u64,
        last: row.get::<_, i64>(3)? as u64,
        rows: row.get(4)?,
        bytes: row.get::<_, i64>(5)? as u64,
        tries: row.get(6)?,
        plain: row.get(7)?,
        next_at_ms: row.get(8)?,
    })
}

/// Open batches, oldest first.
pub(crate) fn open(turn: &mut Turn<'_>) -> rusqlite::Result<Vec<OpenBatch>> {
    let mut statement = turn.tx.prepare(&format!("SELECT {COLUMNS} FROM batch ORDER BY first"))?;
    statement.query_map([], read)?.collect()
}

/// The name of rows that are not the whole of what was once claimed as `<installation>/<first>`. Rows only ever leave a
/// range, so its ends and their number name the same rows for good.
fn part_id(installation: &str, first: u64, last: u64, rows: u32) -> String {
    format!("{installation}/{first}-{last}+{rows}")
}

fn find(turn: &Turn<'_>, key: u64) -> rusqlite::Result<Option<OpenBatch>> {
    let mut statement = turn.tx.prepare_cached(&format!("SELECT {COLUMNS} FROM batch WHERE key = ?1"))?;
    statement.query_row([key as i64], read).optional()
}

fn insert(turn: &Turn<'_>, mut batch: OpenBatch) -> rusqlite::Result<OpenBatch> {
    turn.tx
        .prepare_cached(
            "INSERT INTO batch(id, first, last, rows, bytes, tries, plain, next_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            batch.id,
            batch.first as i64,
            batch.last as i64,
            batch.rows,
            batch.bytes as i64,
            batch.tries,
            batch.plain,
            batch.next_at_ms
        ])?;
    batch.key = turn.tx.last_insert_rowid() as u64;
    Ok(batch)
}

fn remove(turn: &Turn<'_>, key: u64) -> rusqlite::Result<()> {
    turn.tx.prepare_cached("DELETE FROM batch WHERE key = ?1")?.execute([key as i64])?;
    Ok(())
}

/// Claims the oldest unclaimed rows: at least one if there is one.
pub(crate) fn claim(
    turn: &mut Turn<'_>,
    max_rows: u32,
    max_bytes: u64,
) -> rusqlite::Result<Option<OpenBatch>> {
    let (mut first, mut last, mut rows, mut bytes) = (0, 0, 0u32, 0u64);
    let mut withdrawn: Vec<(i64, u64)> = Vec::new();
    // Rows salvaged from a damaged file bear that file's name: a batch holds rows of one name.
    let from = turn.ledger.claimed_to;
    let epoch_ends = turn.epochs.iter().map(|epoch| epoch.0).find(|start| *start > from + 1);
    {
        let mut statement = turn
            .tx
            .prepare_cached("SELECT seq, length(body), purpose FROM event WHERE seq > ?1 ORDER BY seq")?;
        let mut found = statement.query([from as i64])?;
        while let Some(row) = found.next()? {
            let seq = row.get::<_, i64>(0)?;
            let size = size_of(row.get::<_, i64>(1)?.max(0) as usize);
            if turn.consent & (1u8 << (row.get::<_, u8>(2)? & 7)) == 0 {
                withdrawn.push((seq, size));
                continue;
            }
            let ends = epoch_ends.is_some_and(|end| seq as u64 >= end);
            if rows > 0 && (rows >= max_rows || bytes + size > max_bytes || ends) {
                break;
            }
            first = if rows == 0 { seq as u64 } else { first };
            last = seq as u64;
            rows += 1;
            bytes += size;
        }
    }
    for (seq, size) in withdrawn {
        turn.tx.prepare_cached("DELETE FROM event WHERE seq = ?1")?.execute([seq])?;
        turn.ledger.counters.dropped.consent += 1;
        turn.ledger.removed_unclaimed(1, size);
    }
    if rows == 0 {
        return Ok(None);
    }
    let ledger = &mut turn.ledger;
    ledger.claimed_to = last;
    ledger.unclaimed_rows = ledger.unclaimed_rows.saturating_sub(u64::from(rows));
    ledger.unclaimed_bytes = ledger.unclaimed_bytes.saturating_sub(bytes);
    let installation = turn.installation_of(first);
    let id = if installation == turn.installation {
        format!("{installation}/{first}")
    } else {
        // Not all rows of the batch that was once called by the first number may be here.
        part_id(installation, first, last, rows)
    };
    crash::point("claim.inserted");
    insert(turn, OpenBatch { key: 0, id, first, last, rows, bytes, tries: 0, plain: false, next_at_ms: 0 })
        .map(Some)
}

/// The batch and its rows; nothing when it is not open any more.
pub(crate) fn load(turn: &mut Turn<'_>, key: u64) -> rusqlite::Result<Option<Loaded>> {
    let Some(batch) = find(turn, key)? else { return Ok(None) };
    let mut statement =
        turn.tx.prepare_cached("SELECT body FROM event WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq")?;
    let records = statement
        .query_map([batch.first as i64, batch.last as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<Vec<u8>>>>()?;
    Ok(Some(Loaded { batch, records }))
}

/// The batch as it is sent; nothing when it is not open any more.
pub(crate) fn join(turn: &mut Turn<'_>, key: u64) -> rusqlite::Result<Option<Joined>> {
    let Some(batch) = find(turn, key)? else { return Ok(None) };
    let mut records = Vec::with_capacity(usize::try_from(batch.bytes).unwrap_or(0));
    {
        let mut statement =
            turn.tx.prepare_cached("SELECT body FROM event WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq")?;
        let mut rows = statement.query([batch.first as i64, batch.last as i64])?;
        while let Some(row) = rows.next()? {
            otlp::append_record(&mut records, row.get_ref(0)?.as_blob()?);
        }
    }
    crash::point("batch.loaded");
    Ok(Some(Joined { batch, counters: turn.ledger.counters, queued: turn.ledger.rows, records }))
}

/// Removes rows of purposes that are not agreed to any more, also from batches not acknowledged yet: what is left of
/// such a batch gets another id, because an id always names the same rows.
pub(crate) fn withdraw(turn: &mut Turn<'_>) -> rusqlite::Result<u64> {
    let consent = i64::from(turn.consent);
    let outside = "(?1 >> purpose) & 1 = 0";
    let claimed_to = turn.ledger.claimed_to;
    let mut gone = 0;
    for batch in open(turn)? {
        let (rows, bytes): (u32, i64) = turn.tx.query_row(
            &format!(
                "SELECT count(*), total(length(body)) FROM event WHERE {outside} AND seq BETWEEN ?2 AND ?3"
            ),
            params![consent, batch.first as i64, batch.last as i64],
            |row| Ok((row.get(0)?, row.get::<_, f64>(1)? as i64)),
        )?;
        if rows == 0 {
            continue;
        }
        turn.tx.execute(
            &format!("DELETE FROM event WHERE {outside} AND seq BETWEEN ?2 AND ?3"),
            params![consent, batch.first as i64, batch.last as i64],
        )?;
        let bytes = bytes.max(0) as u64 + size_of(0) * u64::from(rows);
        turn.ledger.counters.dropped.consent += u64::from(rows);
        turn.ledger.removed(u64::from(rows), bytes);
        gone += u64::from(rows);
        if rows >= batch.rows {
            remove(turn, batch.key)?;
        } else {
            let left = batch.rows - rows;
            turn.tx.execute(
                "UPDATE batch SET id = ?2, rows = ?3, bytes = ?4 WHERE key = ?1",
                params![
                    batch.key as i64,
                    part_id(turn.installation_of(batch.first), batch.first, batch.last, left),
                    left,
                    batch.bytes.saturating_sub(bytes) as i64
                ],
            )?;
        }
    }
    let (rows, bytes): (i64, f64) = turn.tx.query_row(
        &format!("SELECT count(*), total(length(body)) FROM event WHERE {outside} AND seq > ?2"),
        params![consent, claimed_to as i64],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if rows > 0 {
        turn.tx.execute(
            &format!("DELETE FROM event WHERE {outside} AND seq > ?2"),
            params![consent, claimed_to as i64],
        )?;
        let rows = rows as u64;
        turn.ledger.counters.dropped.consent += rows;
        turn.ledger.removed_unclaimed(rows, bytes as u64 + size_of(0) * rows);
        gone += rows;
    }
    Ok(gone)
}

/// Records the acknowledgement and deletes the rows; `refused` of them were taken and thrown away by the collector.
pub(crate) fn accept(turn: &mut Turn<'_>, key: u64, refused: u64) -> rusqlite::Result<()> {
    let Some(batch) = find(turn, key)? else { return Ok(()) };
    let rows = delete_rows(turn, &batch)?;
    let refused = refused.min(rows);
    crash::point("accept.deleted");
    turn.ledger.counters.delivered += rows - refused;
    turn.ledger.counters.dropped.refused += refused;
    remove(turn, key)
}

fn delete_rows(turn: &mut Turn<'_>, batch: &OpenBatch) -> rusqlite::Result<u64> {
    let rows = turn
        .tx
        .prepare_cached("DELETE FROM event WHERE seq BETWEEN ?1 AND ?2")?
        .execute([batch.first as i64, batch.last as i64])? as u64;
    turn.ledger.removed(rows, batch.bytes);
    Ok(rows)
}

/// Remembers a failed attempt.
pub(crate) fn defer(
    turn: &mut Turn<'_>,
    key: u64,
    tries: u32,
    plain: bool,
    next_at_ms: i64,
) -> rusqlite::Result<()> {
    turn.tx
        .prepare_cached("UPDATE batch SET tries = ?2, plain = ?3, next_at = ?4 WHERE key = ?1")?
        .execute(params![key as i64, tries, plain, next_at_ms])?;
    Ok(())
}

/// Cuts a batch in two; nothing when it is not open or has a single row.
pub(crate) fn split(
    turn: &mut Turn<'_>,
    key: u64,
    plain: bool,
) -> rusqlite::Result<Option<(OpenBatch, OpenBatch)>> {
    let Some(batch) = find(turn, key)?.filter(|batch| batch.rows > 1) else { return Ok(None) };
    let half = batch.rows / 2;
    let mut parts = Vec::with_capacity(2);
    for (offset, rows) in [(0, half), (half, batch.rows - half)] {
        let (first, last, bytes): (i64, i64, i64) = turn.tx.query_row(
            "SELECT min(seq), max(seq), sum(size) FROM
             (SELECT seq, length(body) + ?5 AS size FROM event WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3 OFFSET ?4)",
            params![batch.first as i64, batch.last as i64, rows, offset, size_of(0) as i64],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let id = part_id(turn.installation_of(first as u64), first as u64, last as u64, rows);
        let (first, last, bytes) = (first as u64, last as u64, bytes as u64);
        parts.push(OpenBatch { id, first, last, rows, bytes, plain, key: 0, tries: 0, next_at_ms: 0 });
    }
    remove(turn, key)?;
    let right = parts.pop().map(|part| insert(turn, part)).transpose()?;
    let left = parts.pop().map(|part| insert(turn, part)).transpose()?;
    Ok(left.zip(right))
}

/// Moves the rows of a batch aside.
pub(crate) fn quarantine(turn: &mut Turn<'_>, key: u64, code: u16) -> rusqlite::Result<()> {
    let Some(batch) = find(turn, key)? else { return Ok(()) };
    turn.tx.execute(
        "INSERT OR REPLACE INTO quarantine(seq, code, body)
         SELECT seq, ?3, body FROM event WHERE seq BETWEEN ?1 AND ?2",
        params![batch.first as i64, batch.last as i64, code],
    )?;
    let rows = delete_rows(turn, &batch)?;
    turn.ledger.counters.quarantined += rows;
    turn.tx.execute(
        "DELETE FROM quarantine WHERE seq NOT IN (SELECT seq FROM quarantine ORDER BY seq DESC LIMIT ?1)",
        [QUARANTINE_ROWS],
    )?;
    remove(turn, key)
}

/// What is in quarantine, oldest first.
pub(crate) fn quarantined(turn: &mut Turn<'_>) -> rusqlite::Result<Vec<Quarantined>> {
    let mut statement = turn.tx.prepare("SELECT seq, code, body FROM quarantine ORDER BY seq")?;
    let read = |row: &Row<'_>| {
        let body: Vec<u8> = row.get(2)?;
        let kind = otlp::name_of(&body).unwrap_or_default();
        Ok(Quarantined { seq: row.get::<_, i64>(0)? as u64, kind, code: row.get(1)?, body })
    };
    statement.query_map([], read)?.collect()
}
