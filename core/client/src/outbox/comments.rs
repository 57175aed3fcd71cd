//! The rows of comments: what is known of each, and what is to be asked of the server about it.
//!
//! [`Standing`] decides; here it is written down. [`requests`] are made of it.

mod requests;

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use unspool_engine::comment::{Change, Deed, Plan, Standing};

pub(super) use requests::{accept, claim, claimable, load};

use super::intents::count;

/// Longest comment, in characters: what the widely used services take (2,200).
pub const MAX_COMMENT_CHARS: usize = 2_200;

/// What the server says of an answer to a comment that was refused, and of what we know to be one.
const PARENT_GONE: &str = "parent_gone";

/// Where a comment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentState {
    /// The server has it as it is shown.
    Sent,
    /// It, or its last change, waits or is on its way.
    Waiting,
    /// The server refused it, or its last change. It waits to be rewritten, deleted or dismissed.
    Refused {
        /// What the server said.
        reason: String,
    },
}

/// A comment of the person, as it is to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its identity, made on this device.
    pub id: String,
    /// What it stands under.
    pub item: String,
    /// The comment it answers.
    pub parent: Option<String>,
    /// The words wanted last; empty where only the server knows them.
    pub text: String,
    /// When it was written, in milliseconds since 1970.
    pub at_ms: i64,
    /// Where it stands.
    pub state: CommentState,
}

impl std::fmt::Debug for Comment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What a person writes belongs in no log.
        f.debug_struct("Comment").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

/// Whose comment, and which.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub actor: &'a str,
    pub item: &'a str,
    pub id: &'a str,
}

/// A deed on its way, as it is written on the wire.
#[derive(Debug, Clone, Serialize)]
pub(in crate::outbox) struct Op {
    pub op_id: String,
    pub deed: &'static str,
    pub comment: String,
    pub item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    pub at_ms: i64,
    #[serde(skip)]
    actor: String,
    #[serde(skip)]
    kind: Option<Deed>,
    #[serde(skip)]
    seq: i64,
    #[serde(skip)]
    reason: Option<String>,
}

/// What stands in the table of comments.
struct Known {
    text: Option<String>,
    item: String,
    sent: bool,
}

const OP: &str = "op_id, deed, comment, item,
    (SELECT parent FROM comment AS of WHERE of.actor = comment_op.actor AND of.id = comment_op.comment),
    text, at_ms, actor, seq, reason";

fn read(row: &Row<'_>) -> rusqlite::Result<Op> {
    let kind = Deed::parse(row.get_ref(1)?.as_str()?);
    let wrong = || rusqlite::Error::InvalidColumnType(1, "deed".into(), rusqlite::types::Type::Text);
    let kind = kind.ok_or_else(wrong)?;
    Ok(Op {
        op_id: row.get(0)?,
        deed: kind.name(),
        comment: row.get(2)?,
        item: row.get(3)?,
        parent: if kind == Deed::Create { row.get(4)? } else { None },
        text: row.get(5)?,
        at_ms: row.get(6)?,
        actor: row.get(7)?,
        kind: Some(kind),
        seq: row.get(8)?,
        reason: row.get(9)?,
    })
}

fn known(tx: &Transaction<'_>, key: Key<'_>) -> rusqlite::Result<Option<Known>> {
    tx.prepare_cached("SELECT text, item, sent FROM comment WHERE actor = ?1 AND id = ?2")?
        .query_row(params![key.actor, key.id], |row| {
            Ok(Known { text: row.get(0)?, item: row.get(1)?, sent: row.get(2)? })
        })
        .optional()
}

/// The deed on its way, or the one that waits or was refused.
fn op_of(tx: &Transaction<'_>, key: Key<'_>, flying: bool) -> rusqlite::Result<Option<Op>> {
    tx.prepare_cached(&format!(
        "SELECT {OP} FROM comment_op WHERE actor = ?1 AND item = ?2 AND comment = ?3 AND (parcel IS NOT NULL) = ?4"
    ))?
    .query_row(params![key.actor, key.item, key.id, flying], read)
    .optional()
}

fn queue(
    tx: &Transaction<'_>,
    key: Key<'_>,
    deed: Deed,
    text: Option<&str>,
    at_ms: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO comment_op(op_id, actor, item, comment, deed, text, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        uuid::Uuid::new_v4().to_string(),
        key.actor,
        key.item,
        key.id,
        deed.name(),
        text,
        at_ms
    ])?;
    Ok(())
}

fn remove(tx: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM comment_op WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

fn forget(tx: &Transaction<'_>, key: Key<'_>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM comment WHERE actor = ?1 AND id = ?2")?.execute([key.actor, key.id])?;
    Ok(())
}

/// Takes a new comment down.
pub(super) fn add(
    tx: &Transaction<'_>,
    key: Key<'_>,
    parent: Option<&str>,
    text: &str,
    at_ms: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO comment(actor, id, item, parent, text, at_ms, sent) VALUES (?1, ?2, ?3, ?4, NULL, ?5, 0)",
    )?
    .execute(params![key.actor, key.id, key.item, parent, at_ms])?;
    queue(tx, key, Deed::Create, Some(text), at_ms)?;
    count(tx, "queued", 1)
}

/// Gives a comment other words, or with `None` takes it away. Gives `false` where there is none.
pub(super) fn change(
    tx: &Transaction<'_>,
    key: Key<'_>,
    text: Option<&str>,
    at_ms: i64,
) -> rusqlite::Result<bool> {
    let known = known(tx, key)?;
    if known.as_ref().is_some_and(|known| known.item != key.item) {
        return Ok(false);
    }
    let (flying, waiting) = (op_of(tx, key, true)?, op_of(tx, key, false)?);
    let standing = Standing {
        // One that was not written here was written somewhere else.
        sent: known.as_ref().is_none_or(|known| known.sent),
        flying: flying.as_ref().and_then(|op| op.kind),
        waiting: waiting.as_ref().and_then(|op| op.kind),
        refused: waiting.as_ref().is_some_and(|op| op.reason.is_some()),
    };
    let there = known.as_ref().and_then(|known| known.text.as_deref());
    let shown = shown(waiting.as_ref(), flying.as_ref(), there);
    let change = match text {
        Some(text) => Change::Words { shown: shown == Some(text), sent: there == Some(text) },
        None => Change::Gone,
    };
    let plan = standing.plan(change);
    match plan {
        Plan::NoSuch => return Ok(false),
        Plan::Nothing => return Ok(true),
        Plan::Queue(deed) => {
            if known.is_none() {
                tx.prepare_cached(
                    "INSERT INTO comment(actor, id, item, parent, text, at_ms, sent)
                     VALUES (?1, ?2, ?3, NULL, NULL, ?4, 1)",
                )?
                .execute(params![key.actor, key.id, key.item, at_ms])?;
            }
            queue(tx, key, deed, text, at_ms)?;
        }
        Plan::Become(_) | Plan::Vanish => {
            let Some(waiting) = waiting else { return Ok(false) };
            // A refused deed was in sight; one that waited was not heard of by anybody.
            count(tx, if standing.refused { "dismissed" } else { "folded" }, 1)?;
            if let Plan::Become(deed) = plan {
                tx.prepare_cached(
                    "UPDATE comment_op SET op_id = ?2, deed = ?3, text = ?4, at_ms = ?5, reason = NULL WHERE seq = ?1",
                )?
                .execute(params![
                    waiting.seq,
                    uuid::Uuid::new_v4().to_string(),
                    deed.name(),
                    text,
                    at_ms
                ])?;
            } else {
                remove(tx, waiting.seq)?;
                count(tx, "folded", 1)?;
                if waiting.kind == Some(Deed::Create) {
                    forget(tx, key)?;
                    orphan(tx, key)?;
                }
            }
        }
    }
    count(tx, "queued", 1)?;
    Ok(true)
}

/// The words to show.
fn shown<'a>(waiting: Option<&'a Op>, flying: Option<&'a Op>, there: Option<&'a str>) -> Option<&'a str> {
    waiting.and_then(|op| op.text.as_deref()).or_else(|| flying.and_then(|op| op.text.as_deref())).or(there)
}

/// Answers to a comment that will never be there are refused with it: those that wait, and answers to those.
fn orphan(tx: &Transaction<'_>, parent: Key<'_>) -> rusqlite::Result<()> {
    let mut gone = vec![parent.id.to_owned()];
    while let Some(id) = gone.pop() {
        let answers: Vec<(i64, String)> = tx
            .prepare_cached(
                "SELECT op.seq, op.comment FROM comment_op AS op JOIN comment AS of
                 ON of.actor = op.actor AND of.id = op.comment
                 WHERE op.actor = ?1 AND of.parent = ?2 AND op.deed = 'create' AND op.parcel IS NULL
                 AND op.reason IS NULL",
            )?
            .query_map([parent.actor, &id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (seq, answer) in answers {
            tx.prepare_cached("UPDATE comment_op SET reason = ?2 WHERE seq = ?1")?
                .execute(params![seq, PARENT_GONE])?;
            gone.push(answer);
        }
    }
    Ok(())
}

/// Comments of `actor`, oldest first: those under `item`, or with `None` those that were refused.
pub(super) fn list(tx: &Transaction<'_>, actor: &str, item: Option<&str>) -> rusqlite::Result<Vec<Comment>> {
    let mut statement = tx.prepare_cached(
        "SELECT id, item, parent, text, at_ms FROM comment WHERE actor = ?1 AND CASE WHEN ?2 IS NULL
         THEN id IN (SELECT comment FROM comment_op WHERE actor = ?1 AND reason IS NOT NULL)
         ELSE item = ?2 END ORDER BY at_ms, id",
    )?;
    let rows = statement.query_map(params![actor, item], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, Option<String>>(2)?,
            row.get::<_, Option<String>>(3)?,
            row.get::<_, i64>(4)?,
        ))
    })?;
    let mut comments = Vec::new();
    for row in rows {
        let (id, item, parent, text, at_ms) = row?;
        let key = Key { actor, item: &item, id: &id };
        let (flying, waiting) = (op_of(tx, key, true)?, op_of(tx, key, false)?);
        let last = waiting.as_ref().or(flying.as_ref());
        let state = match last {
            None => CommentState::Sent,
            Some(Op { reason: Some(reason), .. }) => CommentState::Refused { reason: reason.clone() },
            // As if it were gone already.
            Some(Op { kind: Some(Deed::Delete), .. }) => continue,
            Some(_) => CommentState::Waiting,
        };
        let text = shown(waiting.as_ref(), flying.as_ref(), text.as_deref()).unwrap_or("").to_owned();
        comments.push(Comment { id, item, parent, text, at_ms, state });
    }
    Ok(comments)
}

/// Forgets what was refused of a comment; `false` when nothing was.
pub(super) fn dismiss(tx: &Transaction<'_>, key: Key<'_>) -> rusqlite::Result<bool> {
    let Some(refused) = op_of(tx, key, false)?.filter(|op| op.reason.is_some()) else { return Ok(false) };
    remove(tx, refused.seq)?;
    count(tx, "dismissed", 1)?;
    if refused.kind == Some(Deed::Create) {
        forget(tx, key)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
