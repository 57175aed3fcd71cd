//! The rows of wishes: folding, and what the server's answer does to them.
//!
//! For one thing (actor, verb, target) there is at most one intent waiting and one in a [parcel](super::parcels).

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::model::{Intent, OpId, OutboxLevel, Verb, Wedged};
use super::parcels::{self, Line, Parcel};

/// Confirmed states remembered; they only save requests, so the oldest may go.
const CONFIRMED_ROWS: i64 = 10_000;

/// Longest reason kept, in characters.
pub(super) const MAX_REASON_CHARS: usize = 256;

/// What an intent is about.
pub(super) struct Thing<'a> {
    pub actor: &'a str,
    pub verb: Verb,
    pub target: &'a str,
}

/// What the server did with one intent.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Confirmed,
    Refused(String),
}

pub(super) fn count(tx: &Transaction<'_>, name: &str, by: u64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO counter(name, n) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET n = n + ?2",
    )?
    .execute(params![name, by as i64])?;
    Ok(())
}

pub(super) fn level(tx: &Transaction<'_>) -> rusqlite::Result<OutboxLevel> {
    let mut statement = tx.prepare_cached("SELECT n FROM counter WHERE name = ?1")?;
    let mut total = |name: &str| -> rusqlite::Result<u64> {
        Ok(statement.query_row([name], |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0) as u64)
    };
    let (pending, wedged): (i64, i64) = tx
        .prepare_cached(
            "SELECT total(n) - total(w), total(w) FROM (SELECT count(*) AS n, count(reason) AS w FROM intent
             UNION ALL SELECT count(*), count(reason) FROM comment_op)",
        )?
        .query_row([], |row| Ok((row.get::<_, f64>(0)? as i64, row.get::<_, f64>(1)? as i64)))?;
    Ok(OutboxLevel {
        queued_total: total("queued")?,
        delivered_total: total("delivered")?,
        folded_total: total("folded")?,
        dismissed_total: total("dismissed")?,
        damaged_total: total("damaged")?,
        pending: pending as u64,
        wedged: wedged as u64,
    })
}

fn confirmed(tx: &Transaction<'_>, thing: &Thing<'_>) -> rusqlite::Result<Option<bool>> {
    tx.prepare_cached("SELECT state FROM confirmed WHERE actor = ?1 AND verb = ?2 AND target = ?3")?
        .query_row(params![thing.actor, thing.verb.as_str(), thing.target], |row| row.get(0))
        .optional()
}

/// The intent that waits, or the one in a parcel.
fn find(
    tx: &Transaction<'_>,
    thing: &Thing<'_>,
    in_parcel: bool,
) -> rusqlite::Result<Option<(i64, OpId, bool)>> {
    tx.prepare_cached(
        "SELECT seq, op_id, state FROM intent
         WHERE actor = ?1 AND verb = ?2 AND target = ?3 AND reason IS NULL AND (parcel IS NOT NULL) = ?4",
    )?
    .query_row(params![thing.actor, thing.verb.as_str(), thing.target, in_parcel], |row| {
        Ok((row.get(0)?, OpId(row.get(1)?), row.get(2)?))
    })
    .optional()
}

pub(super) fn set(
    tx: &Transaction<'_>,
    thing: &Thing<'_>,
    state: bool,
    wall_ms: i64,
) -> rusqlite::Result<OpId> {
    let waiting = find(tx, thing, false)?;
    let in_parcel = find(tx, thing, true)?;
    // What is wanted is what is on its way already.
    match (&waiting, &in_parcel) {
        (Some((_, op, wanted)), _) | (None, Some((_, op, wanted))) if *wanted == state => {
            return Ok(op.clone());
        }
        _ => {}
    }
    let op = OpId(uuid::Uuid::new_v4().to_string());
    count(tx, "queued", 1)?;
    let Some((seq, ..)) = waiting else {
        tx.prepare_cached(
            "INSERT INTO intent(op_id, actor, verb, target, state, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![op.0, thing.actor, thing.verb.as_str(), thing.target, state, wall_ms])?;
        return Ok(op);
    };
    if in_parcel.is_none() && confirmed(tx, thing)? == Some(state) {
        tx.execute("DELETE FROM intent WHERE seq = ?1", [seq])?;
        count(tx, "folded", 2)?;
    } else {
        tx.prepare_cached("UPDATE intent SET op_id = ?2, state = ?3, at_ms = ?4 WHERE seq = ?1")?
            .execute(params![seq, op.0, state, wall_ms])?;
        count(tx, "folded", 1)?;
    }
    Ok(op)
}

/// Puts words beside an intent that waits.
pub(super) fn say(tx: &Transaction<'_>, op: &OpId, words: &str) -> rusqlite::Result<()> {
    tx.execute("UPDATE intent SET words = ?2 WHERE op_id = ?1", params![op.0, words])?;
    Ok(())
}

pub(super) fn state(tx: &Transaction<'_>, thing: &Thing<'_>) -> rusqlite::Result<Option<bool>> {
    for in_parcel in [false, true] {
        if let Some((_, _, state)) = find(tx, thing, in_parcel)? {
            return Ok(Some(state));
        }
    }
    confirmed(tx, thing)
}

pub(super) fn interests(tx: &Transaction<'_>, actor: &str) -> rusqlite::Result<BTreeSet<String>> {
    tx.prepare_cached("SELECT target FROM interest WHERE actor = ?1")?
        .query_map([actor], |row| row.get(0))?
        .collect()
}

pub(super) fn set_interests(
    tx: &Transaction<'_>,
    targets: &BTreeSet<String>,
    actor: &str,
    wall_ms: i64,
) -> rusqlite::Result<()> {
    let before = interests(tx, actor)?;
    for target in before.symmetric_difference(targets) {
        let chosen = targets.contains(target);
        set(tx, &Thing { actor, verb: Verb::Interest, target }, chosen, wall_ms)?;
        let change = if chosen {
            "INSERT INTO interest(actor, target) VALUES (?1, ?2)"
        } else {
            "DELETE FROM interest WHERE actor = ?1 AND target = ?2"
        };
        tx.prepare_cached(change)?.execute(params![actor, target])?;
    }
    Ok(())
}

pub(super) fn confirm(
    tx: &Transaction<'_>,
    thing: &Thing<'_>,
    state: bool,
    wall_ms: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO confirmed(actor, verb, target, state, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(actor, verb, target) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms",
    )?
    .execute(params![thing.actor, thing.verb.as_str(), thing.target, state, wall_ms])?;
    Ok(())
}

const INTENT: &str = "op_id, actor, verb, target, state, at_ms, parcel IS NOT NULL, words";

fn read(row: &Row<'_>) -> rusqlite::Result<Intent> {
    Ok(Intent {
        op: OpId(row.get(0)?),
        actor: row.get(1)?,
        verb: Verb::parse(row.get_ref(2)?.as_str()?)?,
        target: row.get(3)?,
        state: row.get(4)?,
        at_ms: row.get(5)?,
        in_flight: row.get(6)?,
        words: row.get(7)?,
    })
}

pub(super) fn pending(tx: &Transaction<'_>) -> rusqlite::Result<Vec<Intent>> {
    tx.prepare_cached(&format!("SELECT {INTENT} FROM intent WHERE reason IS NULL ORDER BY seq"))?
        .query_map([], read)?
        .collect()
}

pub(super) fn wedged(tx: &Transaction<'_>, actor: &str) -> rusqlite::Result<Vec<Wedged>> {
    tx.prepare_cached(&format!(
        "SELECT {INTENT}, reason FROM intent WHERE actor = ?1 AND reason IS NOT NULL ORDER BY seq"
    ))?
    .query_map([actor], |row| Ok(Wedged { intent: read(row)?, reason: row.get(8)? }))?
    .collect()
}

pub(super) fn dismiss(tx: &Transaction<'_>, op: &OpId, actor: &str) -> rusqlite::Result<bool> {
    let gone = tx.execute(
        "DELETE FROM intent WHERE op_id = ?1 AND actor = ?2 AND reason IS NOT NULL",
        params![op.0, actor],
    )?;
    count(tx, "dismissed", gone as u64)?;
    Ok(gone > 0)
}

/// The server has answered a later intent for the same thing: what it said to earlier ones is out of date.
fn supersede(tx: &Transaction<'_>, thing: &Thing<'_>) -> rusqlite::Result<()> {
    let gone = tx
        .prepare_cached(
            "DELETE FROM intent WHERE actor = ?1 AND verb = ?2 AND target = ?3 AND reason IS NOT NULL",
        )?
        .execute(params![thing.actor, thing.verb.as_str(), thing.target])?;
    if gone > 0 { count(tx, "folded", gone as u64) } else { Ok(()) }
}

/// Who is to be seen no more, and what is wrong, before everything else.
const IN_TURN: &str = "verb NOT IN ('block', 'report'), seq";

/// A row that may be claimed: it waits, and nothing about the same thing is on its way.
const CLAIMABLE: &str = "parcel IS NULL AND reason IS NULL AND NOT EXISTS (
    SELECT 1 FROM intent AS other WHERE other.actor = intent.actor AND other.verb = intent.verb
    AND other.target = intent.target AND other.parcel IS NOT NULL)";

/// Actors with something to send, the one who waits longest first, and how much.
pub(super) fn claimable(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(String, u64)>> {
    tx.prepare_cached(&format!(
        "SELECT actor, count(*) FROM intent WHERE {CLAIMABLE} GROUP BY actor ORDER BY min(seq)"
    ))?
    .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
    .collect()
}

pub(super) fn claim(tx: &Transaction<'_>, actor: &str, max_rows: u32) -> rusqlite::Result<Option<Parcel>> {
    let seqs: Vec<i64> = tx
        .prepare_cached(&format!(
            "SELECT seq FROM intent WHERE actor = ?1 AND {CLAIMABLE}
             ORDER BY {IN_TURN} LIMIT ?2"
        ))?
        .query_map(params![actor, max_rows], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if seqs.is_empty() {
        return Ok(None);
    }
    parcels::insert(tx, Line::Intents, actor, &seqs, false).map(Some)
}

pub(super) fn load(tx: &Transaction<'_>, key: u64) -> rusqlite::Result<Option<(Parcel, Vec<Intent>)>> {
    let Some(parcel) = parcels::find(tx, key)? else { return Ok(None) };
    let intents = tx
        .prepare_cached(&format!("SELECT {INTENT} FROM intent WHERE parcel = ?1 ORDER BY {IN_TURN}"))?
        .query_map([key as i64], read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some((parcel, intents)))
}

/// Records the server's answer to a parcel.
pub(super) fn accept(
    tx: &Transaction<'_>,
    key: u64,
    outcome: impl Fn(&OpId) -> Option<Outcome>,
) -> rusqlite::Result<()> {
    let Some((_, intents)) = load(tx, key)? else { return Ok(()) };
    for intent in intents {
        let thing = Thing { actor: &intent.actor, verb: intent.verb, target: &intent.target };
        match outcome(&intent.op) {
            Some(Outcome::Confirmed) => {
                supersede(tx, &thing)?;
                confirm(tx, &thing, intent.state, intent.at_ms)?;
                tx.execute("DELETE FROM intent WHERE op_id = ?1", [&intent.op.0])?;
                count(tx, "delivered", 1)?;
                // A follow-up that wants what has just been confirmed has nothing left to say.
                if let Some((seq, _, wanted)) = find(tx, &thing, false)?
                    && wanted == intent.state
                {
                    tx.execute("DELETE FROM intent WHERE seq = ?1", [seq])?;
                    count(tx, "folded", 1)?;
                }
            }
            Some(Outcome::Refused(reason)) => {
                supersede(tx, &thing)?;
                wedge(tx, &intent.op, &reason)?;
            }
            None => {}
        }
    }
    parcels::close(tx, Line::Intents, key)?;
    tx.execute(
        "DELETE FROM confirmed WHERE (SELECT count(*) FROM confirmed) > ?1 AND at_ms <
         (SELECT at_ms FROM confirmed ORDER BY at_ms DESC LIMIT 1 OFFSET ?1)",
        [CONFIRMED_ROWS],
    )?;
    Ok(())
}

fn wedge(tx: &Transaction<'_>, op: &OpId, reason: &str) -> rusqlite::Result<()> {
    let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
    tx.execute("UPDATE intent SET reason = ?2, parcel = NULL WHERE op_id = ?1", params![op.0, reason])?;
    Ok(())
}
