//! Rows in: recording, the open impression, and the limits.
//!
//! The open impression is written ahead, so that a kill does not lose what the person was watching: its row is
//! replaced while it lasts, and the transaction that inserts the final record deletes it. What is left over at the
//! next open becomes a record that says `exit = killed`, in one transaction, hence exactly once.

use rusqlite::params;

use super::SpoolLimits;
use super::error::SpoolError;
use super::event::{Class, Event};
use super::writer::{Job, Reply, Turn};
use super::{Recovered, Seq};
use crate::telemetry::otlp;

/// What a row costs beside its body, in bytes: header, columns, and its share of the index and of half-empty pages.
const ROW_OVERHEAD: u64 = 64;

/// When over the limit, this share of it is freed at once, so that a full queue does not delete with every event.
const EVICTION_SHARE: u64 = 64;

/// An event ready for the writer: encoded by the caller, all but its sequence number.
pub(crate) struct Encoded {
    name: String,
    session: String,
    wall_ms: i64,
    class: Class,
    body: Vec<u8>,
}

impl Encoded {
    pub fn new(event: &Event) -> Result<Self, SpoolError> {
        event.check()?;
        Ok(Encoded {
            name: event.name.clone(),
            session: event.session.clone(),
            wall_ms: event.wall_ms,
            class: event.class,
            body: otlp::encode_record(event),
        })
    }

    /// Inserts it under the next number.
    pub fn insert(&mut self, turn: &mut Turn<'_>) -> rusqlite::Result<Seq> {
        let seq = turn.ledger.last_seq + 1;
        otlp::append_seq(&mut self.body, seq);
        let size = self.body.len() as u64 + ROW_OVERHEAD;
        let mut statement = turn.tx.prepare_cached(
            "INSERT INTO event(seq, kind, class, wall_ms, session, size, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let class = self.class.code();
        statement.execute(params![
            seq as i64,
            self.name,
            class,
            self.wall_ms,
            self.session,
            size as i64,
            self.body
        ])?;
        let ledger = &mut turn.ledger;
        ledger.last_seq = seq;
        ledger.counters.recorded += 1;
        ledger.rows += 1;
        ledger.bytes += size;
        ledger.unclaimed_rows += 1;
        ledger.unclaimed_bytes += size;
        turn.wall_ms = turn.wall_ms.max(Some(self.wall_ms));
        Ok(Seq(seq))
    }
}

/// Records one event; somebody may wait for its number.
pub(crate) struct Record {
    pub event: Encoded,
    pub seq: Option<Seq>,
    pub reply: Option<Reply<Seq>>,
}

impl Job for Record {
    fn run(&mut self, turn: &mut Turn<'_>) -> rusqlite::Result<()> {
        self.seq = Some(self.event.insert(turn)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), SpoolError>) -> u64 {
        let lost = u64::from(outcome.is_err());
        match self.reply {
            None => lost,
            Some(reply) => {
                drop(reply.send(outcome.and_then(|()| self.seq.ok_or(SpoolError::Closed))));
                0
            }
        }
    }
}

/// Writes or replaces the open impression of a slot.
pub(crate) fn write_ahead(turn: &mut Turn<'_>, slot: u32, json: &str) -> rusqlite::Result<()> {
    let mut statement = turn.tx.prepare_cached(
        "INSERT INTO open_impression(slot, event) VALUES (?1, ?2) ON CONFLICT(slot) DO UPDATE SET event = excluded.event",
    )?;
    statement.execute(params![slot, json])?;
    Ok(())
}

/// Inserts the final record and deletes the open row.
pub(crate) fn close_ahead(turn: &mut Turn<'_>, slot: u32, mut event: Encoded) -> rusqlite::Result<Seq> {
    let seq = event.insert(turn)?;
    turn.tx.prepare_cached("DELETE FROM open_impression WHERE slot = ?1")?.execute([slot])?;
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
    let mut recovered = Vec::new();
    for (slot, json) in left {
        let Ok(event) = serde_json::from_str::<Event>(&json) else {
            tracing::warn!(slot, "an open impression could not be read back");
            continue;
        };
        let event = event.with("exit", "killed");
        let Ok(mut encoded) = Encoded::new(&event) else { continue };
        let seq = encoded.insert(turn)?;
        recovered.push(Recovered { slot, seq, event });
    }
    turn.tx.execute("DELETE FROM open_impression", [])?;
    Ok(recovered)
}

/// Keeps the queue within its limits: too old first, then the oldest of class C, then the oldest of class B. Claimed
/// rows stay, because a batch that is on its way must not change.
pub(crate) fn enforce(turn: &mut Turn<'_>, limits: SpoolLimits) -> rusqlite::Result<()> {
    if let Some(wall_ms) = turn.wall_ms {
        let horizon = wall_ms.saturating_sub(limits.max_age_ms);
        let (rows, bytes) = evict(turn, None, |_, wall| wall < horizon)?;
        turn.ledger.counters.dropped.age_limit += rows;
        turn.ledger.removed_unclaimed(rows, bytes);
    }
    if turn.ledger.bytes <= limits.max_bytes {
        return Ok(());
    }
    let target = limits.max_bytes - limits.max_bytes / EVICTION_SHARE;
    for class in [Class::C, Class::B] {
        let excess = turn.ledger.bytes.saturating_sub(target);
        let (rows, bytes) = evict(turn, Some(class), |freed, _| freed < excess)?;
        turn.ledger.counters.dropped.size_limit += rows;
        turn.ledger.removed_unclaimed(rows, bytes);
    }
    Ok(())
}

/// Deletes unclaimed rows from the oldest on while `go_on(bytes freed, the row's wall clock)` says so.
fn evict(
    turn: &mut Turn<'_>,
    class: Option<Class>,
    go_on: impl Fn(u64, i64) -> bool,
) -> rusqlite::Result<(u64, u64)> {
    let mut seqs: Vec<i64> = Vec::new();
    let mut freed = 0u64;
    {
        // Class C is the small part with an index of its own; anything else walks the table in order.
        let sql = match class {
            Some(Class::C) => {
                "SELECT seq, size, wall_ms FROM event WHERE class = 2 AND seq > ?1 ORDER BY seq"
            }
            Some(Class::B) => {
                "SELECT seq, size, wall_ms FROM event WHERE class = 1 AND seq > ?1 ORDER BY seq"
            }
            None => "SELECT seq, size, wall_ms FROM event WHERE seq > ?1 ORDER BY seq",
        };
        let mut statement = turn.tx.prepare_cached(sql)?;
        let mut rows = statement.query([turn.ledger.claimed_to as i64])?;
        while let Some(row) = rows.next()? {
            let (seq, size, wall_ms): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if !go_on(freed, wall_ms) {
                break;
            }
            seqs.push(seq);
            freed += size.max(0) as u64;
        }
    }
    let mut statement = turn.tx.prepare_cached("DELETE FROM event WHERE seq = ?1")?;
    for seq in &seqs {
        statement.execute([seq])?;
    }
    Ok((seqs.len() as u64, freed))
}
