//! Parcels: requests that have been or may have been sent.
//!
//! The rows of a parcel do not change until it is answered, and a crash sends it again under the same id.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

/// Which queue a parcel is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// What a person wants to be so.
    Intents,
    /// What a person writes.
    Comments,
}

impl Line {
    fn name(self) -> &'static str {
        match self {
            Line::Intents => "intent",
            Line::Comments => "comment",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Line::Intents => "intent",
            Line::Comments => "comment_op",
        }
    }

    /// What tells the parcels of a line from those of another on the wire.
    fn mark(self) -> &'static str {
        match self {
            Line::Intents => "",
            Line::Comments => "c",
        }
    }
}

/// A request on its way.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub key: u64,
    pub id: String,
    pub actor: String,
    pub rows: u32,
    pub tries: u32,
    pub next_at_ms: i64,
}

/// Puts rows into a parcel; `part` where they are not the whole of what was once one.
pub(super) fn insert(
    tx: &Transaction<'_>,
    line: Line,
    actor: &str,
    seqs: &[i64],
    part: bool,
) -> rusqlite::Result<Parcel> {
    let installation: String =
        tx.query_row("SELECT value FROM meta WHERE name = 'installation'", [], |row| row.get(0))?;
    let first = seqs.first().copied().unwrap_or(0);
    // As in the spool: an id always names the same rows, so a part is called otherwise than the whole.
    let suffix = if part { format!("+{}", seqs.len()) } else { String::new() };
    let id = format!("{installation}/{}{first}{suffix}", line.mark());
    let rows = seqs.len() as u32;
    tx.prepare_cached(
        "INSERT INTO parcel(id, actor, rows, tries, next_at, line) VALUES (?1, ?2, ?3, 0, 0, ?4)",
    )?
    .execute(params![id, actor, rows, line.name()])?;
    let key = tx.last_insert_rowid();
    let mut statement =
        tx.prepare_cached(&format!("UPDATE {} SET parcel = ?2 WHERE seq = ?1", line.table()))?;
    for seq in seqs {
        statement.execute(params![seq, key])?;
    }
    Ok(Parcel { key: key as u64, id, actor: actor.to_owned(), rows, tries: 0, next_at_ms: 0 })
}

const COLUMNS: &str = "key, id, actor, rows, tries, next_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Parcel> {
    Ok(Parcel {
        key: row.get::<_, i64>(0)? as u64,
        id: row.get(1)?,
        actor: row.get(2)?,
        rows: row.get(3)?,
        tries: row.get(4)?,
        next_at_ms: row.get(5)?,
    })
}

/// Parcels of a line, oldest first.
pub(super) fn list(tx: &Transaction<'_>, line: Line) -> rusqlite::Result<Vec<Parcel>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM parcel WHERE line = ?1 ORDER BY key"))?
        .query_map([line.name()], read)?
        .collect()
}

/// A parcel, if it is still on its way.
pub(super) fn find(tx: &Transaction<'_>, key: u64) -> rusqlite::Result<Option<Parcel>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM parcel WHERE key = ?1"))?
        .query_row([key as i64], read)
        .optional()
}

pub(super) fn defer(tx: &Transaction<'_>, key: u64, tries: u32, next_at_ms: i64) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE parcel SET tries = ?2, next_at = ?3 WHERE key = ?1",
        params![key as i64, tries, next_at_ms],
    )?;
    Ok(())
}

/// Halves a parcel; nothing when it is gone or has a single row.
pub(super) fn split(
    tx: &Transaction<'_>,
    line: Line,
    key: u64,
) -> rusqlite::Result<Option<(Parcel, Parcel)>> {
    let Some(parcel) = find(tx, key)? else { return Ok(None) };
    let seqs: Vec<i64> = tx
        .prepare_cached(&format!("SELECT seq FROM {} WHERE parcel = ?1 ORDER BY seq", line.table()))?
        .query_map([key as i64], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if seqs.len() < 2 {
        return Ok(None);
    }
    let (left, right) = seqs.split_at(seqs.len() / 2);
    tx.execute("DELETE FROM parcel WHERE key = ?1", [key as i64])?;
    Ok(Some((insert(tx, line, &parcel.actor, left, true)?, insert(tx, line, &parcel.actor, right, true)?)))
}

/// A parcel has been answered: what is left of its rows waits again.
pub(super) fn close(tx: &Transaction<'_>, line: Line, key: u64) -> rusqlite::Result<()> {
    tx.execute(&format!("UPDATE {} SET parcel = NULL WHERE parcel = ?1", line.table()), [key as i64])?;
    tx.execute("DELETE FROM parcel WHERE key = ?1", [key as i64])?;
    Ok(())
}
