//! Rows in: recording, the open impression, and the limits.
//!
//! The open impression is written ahead, so that a kill does not lose what the person was watching: its row is
//! replaced while it lasts, and the transaction that inserts the final record deletes it. What is left over at the
//! next open becomes a record that says `exit = killed`, in one transaction, hence exactly once.

use rusqlite::{CachedStatement, params};
use unspool_engine::schema::{self, Purpose};

use super::SpoolLimits;
use super::error::SpoolError;
use super::event::{Class, Event};
use super::writer::Turn;
use super::{Recovered, Seq};
use crate::crash;
use crate::telemetry::otlp;

/// What a row costs beside its body, in bytes: header, columns, and its share of the index and of half-empty pages.
const ROW_OVERHEAD: u64 = 32;

/// When over the limit, this share of it is freed at once, so that a full queue does not delete with every event.
const EVICTION_SHARE: u64 = 64;

/// One of this many rows of class B is spared when space runs out, until nothing but spared rows is left: a tenth of a
/// long past says more than the whole of a short one.
const SPARED: u64 = 10;

const INSERT: &str = "INSERT INTO event(seq, class, purpose, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)";

/// An event ready for the writer: encoded by the caller, all but its sequence number.
#[derive(Debug)]
pub(crate) struct Encoded {
    wall_ms: i64,
    class: Class,
    purpose: Purpose,
    body: Vec<u8>,
}

/// The size a row counts for.
pub(crate) fn size_of(body: usize) -> u64 {
    body as u64 + ROW_OVERHEAD
}

impl Encoded {
    pub fn new(event: &Event) -> Result<Self, SpoolError> {
        event.check()?;
        // What has no schema was recorded by a spool without one, for the service's own use.
        let purpose = schema::find(&event.name).map_or(Purpose::Service, |schema| schema.purpose);
        Ok(Encoded { wall_ms: event.wall_ms, class: event.class, purpose, body: otlp::encode_record(event) })
    }

    /// Inserts it under the next number.
    pub fn insert(&self, turn: &mut Turn<'_>) -> rusqlite::Result<Seq> {
        let mut statement = insert_statement(turn)?;
        self.insert_with(&mut statement, turn)
    }

    /// The same with a statement at hand.
    pub fn insert_with(
        &self,
        statement: &mut CachedStatement<'_>,
        turn: &mut Turn<'_>,
    ) -> rusqlite::Result<Seq> {
        let seq = turn.ledger.last_seq + 1;
        let at_ms = turn.jumps.even(self.wall_ms);
        turn.scratch.clear();
        turn.scratch.extend_from_slice(&self.body);
        otlp::append_seq(turn.scratch, seq);
        let size = size_of(turn.scratch.len());
        statement.execute(params![
            seq as i64,
            self.class.code(),
            self.purpose.code(),
            at_ms,
            turn.scratch.as_slice()
        ])?;
        let ledger = &mut turn.ledger;
        ledger.last_seq = seq;
        ledger.counters.recorded += 1;
        ledger.rows += 1;
        ledger.bytes += size;
        ledger.unclaimed_rows += 1;
        ledger.unclaimed_bytes += size;
        turn.newest_ms = turn.newest_ms.max(Some(at_ms));
        Ok(Seq(seq))
    }
}

/// The statement that inserts events.
pub(crate) fn insert_statement<'a>(turn: &Turn<'a>) -> rusqlite::Result<CachedStatement<'a>> {
    turn.tx.prepare_cached(INSERT)
}

/// Writes or replaces the open impression of a slot.
pub(crate) fn write_ahead(turn: &mut Turn<'_>, slot: u32, json: &str) -> rusqlite::Result<()> {
    let mut statement = turn.tx.prepare_cached(
        "INSERT INTO open_impression(slot, event) VALUES (?1, ?2) ON CONFLICT(slot) DO UPDATE SET event = excluded.event",
    )?;
    statement.execute(params![slot, json])?;
    crash::point("ahead.written");
    Ok(())
}

/// Inserts the final record, if it may be recorded, and deletes the open row.
pub(crate) fn close_ahead(
    turn: &mut Turn<'_>,
    slot: u32,
    event: Option<&Encoded>,
) -> rusqlite::Result<Option<Seq>> {
    let seq = event.map(|event| event.insert(turn)).transpose()?;
    turn.tx.prepare_cached("DELETE FROM open_impression WHERE slot = ?1")?.execute([slot])?;
    crash::point("ahead.closed");
    Ok(seq)
}

/// Turns what a killed process left open into records.
pub(crate) fn recover(turn: &mut Turn<'_>) -> rusqlite::Result<Vec<Recovered>> {
    let mut left: Vec<(u32, String)> = Vec::new();
    {
        let mut statement = turn.tx.prepare("SELECT slot, event FROM open_impression ORDER BY slot")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            left.push((row.get(0)?, row.get(1)?));
        }
    }
    if left.is_empty() {
        return Ok(Vec::new());
    }
    let mut recovered = Vec::new();
    for (slot, json) in left {
        let Ok(event) = serde_json::from_str::<Event>(&json) else {
            tracing::warn!(slot, "an open impression could not be read back");
            continue;
        };
        let event = event.with("exit", "killed");
        let Ok(encoded) = Encoded::new(&event) else { continue };
        let seq = encoded.insert(turn)?;
        recovered.push(Recovered { slot, seq, event });
    }
    turn.tx.execute("DELETE FROM open_impression", [])?;
    Ok(recovered)
}

/// Keeps the queue within its limits: too old first, then the oldest of class C, then class B but for a sample of it,
/// then the oldest of the sample. Claimed rows stay, because a batch that is on its way must not change.
pub(crate) fn enforce(turn: &mut Turn<'_>, limits: SpoolLimits) -> rusqlite::Result<()> {
    if let Some(newest_ms) = turn.newest_ms {
        let horizon = newest_ms.saturating_sub(limits.max_age_ms);
        let from = turn.ledger.claimed_to;
        let gone = evict(turn, None, from, |_, _, at_ms| Verdict::goes(at_ms < horizon))?;
        turn.ledger.counters.dropped.age_limit += gone.rows;
        turn.ledger.removed_unclaimed(gone.rows, gone.bytes);
    }
    if turn.ledger.bytes <= limits.max_bytes {
        return Ok(());
    }
    let target = limits.max_bytes - limits.max_bytes / EVICTION_SHARE;
    let excess = |turn: &Turn<'_>| turn.ledger.bytes.saturating_sub(target);
    let over = excess(turn);
    let gone =
        evict(turn, Some(Class::C), turn.ledger.claimed_to, |freed, _, _| Verdict::goes(freed < over))?;
    turn.ledger.counters.dropped.size_limit += gone.rows;
    turn.ledger.removed_unclaimed(gone.rows, gone.bytes);
    let over = excess(turn);
    if over > 0 {
        let from = turn.ledger.sampled_to.max(turn.ledger.claimed_to);
        let gone = evict(turn, Some(Class::B), from, |freed, seq, _| match freed < over {
            true if is_spared(seq) => Verdict::Spare,
            more => Verdict::goes(more),
        })?;
        turn.ledger.sampled_to = turn.ledger.sampled_to.max(gone.reached);
        turn.ledger.counters.dropped.sampled += gone.rows;
        turn.ledger.removed_unclaimed(gone.rows, gone.bytes);
    }
    let over = excess(turn);
    if over > 0 {
        let from = turn.ledger.claimed_to;
        let gone = evict(turn, Some(Class::B), from, |freed, _, _| Verdict::goes(freed < over))?;
        turn.ledger.counters.dropped.size_limit += gone.rows;
        turn.ledger.removed_unclaimed(gone.rows, gone.bytes);
    }
    Ok(())
}

/// Whether a row belongs to the sample that is kept longest. Fibonacci hashing: neighbours fall apart, and which rows are
/// spared can be recomputed by whoever reads them.
pub(crate) fn is_spared(seq: i64) -> bool {
    let hash = (seq as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    hash.is_multiple_of(SPARED)
}

enum Verdict {
    Go,
    Spare,
    Stop,
}

impl Verdict {
    fn goes(yes: bool) -> Self {
        if yes { Verdict::Go } else { Verdict::Stop }
    }
}

#[derive(Default)]
struct Gone {
    rows: u64,
    bytes: u64,
    /// The last number looked at and decided.
    reached: u64,
}

/// Deletes unclaimed rows after `from`, oldest first, as `verdict(bytes freed, number, age clock)` says.
fn evict(
    turn: &mut Turn<'_>,
    class: Option<Class>,
    from: u64,
    verdict: impl Fn(u64, i64, i64) -> Verdict,
) -> rusqlite::Result<Gone> {
    let mut seqs: Vec<i64> = Vec::new();
    let mut gone = Gone { reached: from, ..Gone::default() };
    {
        // Class C is the small part with an index of its own; anything else walks the table in order.
        let sql = match class {
            Some(Class::C) => {
                "SELECT seq, length(body), at_ms FROM event WHERE class = 2 AND seq > ?1 ORDER BY seq"
            }
            Some(Class::B) => {
                "SELECT seq, length(body), at_ms FROM event WHERE class = 1 AND seq > ?1 ORDER BY seq"
            }
            None => "SELECT seq, length(body), at_ms FROM event WHERE seq > ?1 ORDER BY seq",
        };
        let mut statement = turn.tx.prepare_cached(sql)?;
        let mut rows = statement.query([from as i64])?;
        while let Some(row) = rows.next()? {
            let (seq, length, at_ms): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            match verdict(gone.bytes, seq, at_ms) {
                Verdict::Stop => break,
                Verdict::Spare => {}
                Verdict::Go => {
                    seqs.push(seq);
                    gone.bytes += size_of(usize::try_from(length).unwrap_or(0));
                }
            }
            gone.reached = seq as u64;
        }
    }
    let mut statement = turn.tx.prepare_cached("DELETE FROM event WHERE seq = ?1")?;
    for seq in &seqs {
        statement.execute([seq])?;
    }
    gone.rows = seqs.len() as u64;
    Ok(gone)
}
