//! Deeds on their way: claimed in the order of their thread, and what the answers do to them.
//!
//! The deeds of one thread (the comments under an item) are sent in the order they were begun: while one is on its way, the
//! others of its thread wait.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params};
use unspool_engine::comment::{Aftermath, Deed, after_refusal};

use super::super::intents::{MAX_REASON_CHARS, Outcome, count};
use super::super::model::OpId;
use super::super::parcels::{self, Line, Parcel};
use super::{Key, OP, Op, forget, op_of, orphan, read, remove};

/// Sent comments remembered so that their words can be shown and folded against; the oldest go.
const SENT_ROWS: i64 = 1_000;

/// A deed that may be claimed: it waits, and nothing of its thread is on its way.
const CLAIMABLE: &str = "parcel IS NULL AND reason IS NULL AND NOT EXISTS (
    SELECT 1 FROM comment_op AS other WHERE other.actor = comment_op.actor AND other.item = comment_op.item
    AND other.parcel IS NOT NULL)";

/// Actors with something to send, the one who waits longest first, with how much and how many bytes of words.
pub(in crate::outbox) fn claimable(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, u64, u64)>> {
    tx.prepare_cached(&format!(
        "SELECT actor, count(*), coalesce(sum(length(CAST(text AS BLOB))), 0) FROM comment_op WHERE {CLAIMABLE}
         GROUP BY actor ORDER BY min(seq)"
    ))?
    .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64)))?
    .collect()
}

/// Claims what was begun first: at most `max_rows` deeds and `max_bytes` with `row_bytes` for each, at least one.
pub(in crate::outbox) fn claim(
    tx: &Transaction<'_>,
    actor: &str,
    max_rows: u32,
    max_bytes: u64,
    row_bytes: u64,
) -> rusqlite::Result<Option<Parcel>> {
    let rows: Vec<(i64, i64)> = tx
        .prepare_cached(&format!(
            "SELECT seq, coalesce(length(CAST(text AS BLOB)), 0) FROM comment_op WHERE actor = ?1 AND {CLAIMABLE}
             ORDER BY seq LIMIT ?2"
        ))?
        .query_map(params![actor, max_rows], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut bytes = 0;
    let fitting = rows.iter().take_while(|(_, words)| {
        bytes += *words as u64 + row_bytes;
        bytes <= max_bytes
    });
    let fitting = fitting.count().max(1).min(rows.len());
    let seqs: Vec<i64> = rows[..fitting].iter().map(|(seq, _)| *seq).collect();
    if seqs.is_empty() {
        Ok(None)
    } else {
        parcels::insert(tx, Line::Comments, actor, &seqs, false).map(Some)
    }
}

pub(in crate::outbox) fn load(tx: &Transaction<'_>, key: u64) -> rusqlite::Result<Option<(Parcel, Vec<Op>)>> {
    let Some(parcel) = parcels::find(tx, key)? else { return Ok(None) };
    let ops = tx
        .prepare_cached(&format!("SELECT {OP} FROM comment_op WHERE parcel = ?1 ORDER BY seq"))?
        .query_map([key as i64], read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some((parcel, ops)))
}

/// Records the server's answer to a parcel.
pub(in crate::outbox) fn accept(
    tx: &Transaction<'_>,
    key: u64,
    outcome: impl Fn(&OpId) -> Option<Outcome>,
) -> rusqlite::Result<()> {
    let Some((_, ops)) = load(tx, key)? else { return Ok(()) };
    let mut actors = BTreeSet::new();
    for op in &ops {
        let of = Key { actor: &op.actor, item: &op.item, id: &op.comment };
        actors.insert(op.actor.as_str());
        match outcome(&OpId(op.op_id.clone())) {
            Some(Outcome::Confirmed) => confirmed(tx, of, op)?,
            Some(Outcome::Refused(reason)) => refused(tx, of, op, &reason)?,
            None => {}
        }
    }
    parcels::close(tx, Line::Comments, key)?;
    for actor in actors {
        trim(tx, actor)?;
    }
    Ok(())
}

fn confirmed(tx: &Transaction<'_>, of: Key<'_>, op: &Op) -> rusqlite::Result<()> {
    remove(tx, op.seq)?;
    count(tx, "delivered", 1)?;
    if op.kind == Some(Deed::Delete) {
        return forget(tx, of);
    }
    tx.prepare_cached("UPDATE comment SET text = ?3, sent = 1 WHERE actor = ?1 AND id = ?2")?
        .execute(params![of.actor, of.id, op.text])?;
    // An edit that says what has just been confirmed has nothing left to say.
    if let Some(next) = op_of(tx, of, false)?
        && next.kind == Some(Deed::Edit)
        && next.reason.is_none()
        && next.text == op.text
    {
        remove(tx, next.seq)?;
        count(tx, "folded", 1)?;
    }
    Ok(())
}

fn refused(tx: &Transaction<'_>, of: Key<'_>, op: &Op, reason: &str) -> rusqlite::Result<()> {
    let waiting = op_of(tx, of, false)?;
    let aftermath = after_refusal(op.kind.unwrap_or(Deed::Edit), waiting.as_ref().and_then(|op| op.kind));
    if let (Aftermath::WedgeNewest, Some(newest)) = (aftermath, &waiting) {
        tx.prepare_cached("UPDATE comment_op SET text = ?2 WHERE seq = ?1")?
            .execute(params![op.seq, newest.text])?;
    }
    if let (Aftermath::WedgeNewest | Aftermath::Vanish, Some(newest)) = (aftermath, &waiting) {
        remove(tx, newest.seq)?;
        count(tx, "folded", 1)?;
    }
    match aftermath {
        Aftermath::Wedge | Aftermath::WedgeNewest => {
            let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
            tx.prepare_cached("UPDATE comment_op SET reason = ?2, parcel = NULL WHERE seq = ?1")?
                .execute(params![op.seq, reason])?;
        }
        Aftermath::GiveWay | Aftermath::Vanish => {
            remove(tx, op.seq)?;
            count(tx, "dismissed", 1)?;
        }
    }
    if op.kind == Some(Deed::Create) {
        if aftermath == Aftermath::Vanish {
            forget(tx, of)?;
        }
        orphan(tx, of)?;
    }
    Ok(())
}

/// Forgets the oldest comments of an actor that nothing is to be said about.
fn trim(tx: &Transaction<'_>, actor: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM comment WHERE actor = ?1 AND sent = 1
         AND id NOT IN (SELECT comment FROM comment_op WHERE actor = ?1)
         AND at_ms < (SELECT at_ms FROM comment WHERE actor = ?1 ORDER BY at_ms DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![actor, SENT_ROWS])?;
    Ok(())
}
