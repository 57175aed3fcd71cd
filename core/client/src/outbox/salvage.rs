//! Reading what can be read of a damaged outbox.
//!
//! Rows keep their identities, because some may have reached the server already and must stay recognisable there; they
//! wait again, outside of any request. A row counts only if everything in it can be what was written. A payment that
//! was not finished is *unknown* afterwards, whatever the file says of it: a file that lost its last pages may say that
//! it was never sent. So it is asked about, and never sent. What the books say was waiting and is not found is counted.

use std::collections::BTreeSet;

use rusqlite::{Connection, OpenFlags, Row, Transaction, params};
use unspool_engine::comment::Deed;
use unspool_engine::payment::Payment;

use super::intents::count;
use super::model::{MAX_ID_BYTES, Verb};
use super::wallet::Order;
use crate::spool::salvage::sweep;

/// Queries that may fail before the rest of a table is given up.
const ATTEMPTS: u32 = 1_024;

/// The books that go on in the new file.
const BOOKS: [&str; 5] = ["queued", "delivered", "folded", "dismissed", "damaged"];

struct Intent {
    seq: i64,
    op: String,
    actor: String,
    verb: String,
    target: String,
    state: bool,
    at_ms: i64,
    reason: Option<String>,
    words: Option<String>,
}

struct Op {
    seq: i64,
    op: String,
    actor: String,
    item: String,
    comment: String,
    deed: String,
    text: Option<String>,
    at_ms: i64,
    reason: Option<String>,
}

struct Comment {
    actor: String,
    id: String,
    item: String,
    parent: Option<String>,
    text: Option<String>,
    at_ms: i64,
    sent: bool,
}

struct Paid {
    seq: i64,
    op: String,
    actor: String,
    cause: String,
    amount: i64,
    order: String,
    state: Payment,
    reason: String,
    at_ms: i64,
}

/// What was found.
#[derive(Default)]
pub(super) struct Salvaged {
    intents: Vec<Intent>,
    ops: Vec<Op>,
    comments: Vec<Comment>,
    payments: Vec<Paid>,
    confirmed: Vec<(String, String, String, bool, i64)>,
    interests: BTreeSet<(String, String)>,
    balances: Vec<(String, i64)>,
    counters: Vec<(String, i64)>,
    erasing: bool,
}

fn is_op(op: &str) -> bool {
    uuid::Uuid::try_parse(op).is_ok()
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES
}

/// Reads `path`, whose write-ahead log lies beside it. Never fails: what cannot be read is not there.
pub(super) fn read(path: &std::path::Path) -> Salvaged {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match Connection::open_with_flags(path, flags) {
        Ok(connection) => gather(&connection),
        Err(_) => Salvaged::default(),
    }
}

/// Files of an older version have no words.
fn intents(connection: &Connection) -> Vec<Intent> {
    let read = |row: &Row<'_>| {
        Ok(Intent {
            seq: row.get(0)?,
            op: row.get(1)?,
            actor: row.get(2)?,
            verb: row.get(3)?,
            target: row.get(4)?,
            state: row.get(5)?,
            at_ms: row.get(6)?,
            reason: row.get(7)?,
            words: row.get(8)?,
        })
    };
    let select = |words: &str| {
        format!("SELECT seq, op_id, actor, verb, target, state, at_ms, reason, {words} FROM intent")
    };
    let column = if connection.prepare(&select("words")).is_ok() { "words" } else { "NULL" };
    numbered(connection, "intent", &select(column), read)
}

fn gather(connection: &Connection) -> Salvaged {
    // One connection at a time, no shared memory: as the file was written.
    let _ = connection.pragma_update(None, "locking_mode", "EXCLUSIVE");
    let mut found = Salvaged {
        intents: intents(connection),
        ops: numbered(
            connection,
            "comment_op",
            "SELECT seq, op_id, actor, item, comment, deed, text, at_ms, reason FROM comment_op",
            |row| {
                Ok(Op {
                    seq: row.get(0)?,
                    op: row.get(1)?,
                    actor: row.get(2)?,
                    item: row.get(3)?,
                    comment: row.get(4)?,
                    deed: row.get(5)?,
                    text: row.get(6)?,
                    at_ms: row.get(7)?,
                    reason: row.get(8)?,
                })
            },
        ),
        payments: numbered(
            connection,
            "payment",
            "SELECT seq, op_id, actor, cause, amount, order_json, state, reason, at_ms FROM payment",
            |row| {
                let state = Payment::parse(row.get_ref(6)?.as_str()?);
                Ok(Paid {
                    seq: row.get(0)?,
                    op: row.get(1)?,
                    actor: row.get(2)?,
                    cause: row.get(3)?,
                    amount: row.get(4)?,
                    order: row.get(5)?,
                    state: state.ok_or(rusqlite::Error::InvalidQuery)?,
                    reason: row.get(7)?,
                    at_ms: row.get(8)?,
                })
            },
        ),
        ..Salvaged::default()
    };
    found.comments = both_ways(
        connection,
        "SELECT actor, id, item, parent, text, at_ms, sent FROM comment ORDER BY actor",
        |row| {
            Ok(Comment {
                actor: row.get(0)?,
                id: row.get(1)?,
                item: row.get(2)?,
                parent: row.get(3)?,
                text: row.get(4)?,
                at_ms: row.get(5)?,
                sent: row.get(6)?,
            })
        },
    );
    found.confirmed = both_ways(
        connection,
        "SELECT actor, verb, target, state, at_ms FROM confirmed ORDER BY actor",
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    );
    found.interests = both_ways(connection, "SELECT actor, target FROM interest ORDER BY actor", |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
    .into_iter()
    .collect();
    found.balances = both_ways(connection, "SELECT actor, coins FROM balance ORDER BY actor", |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    found.counters = both_ways(connection, "SELECT name, n FROM counter ORDER BY name", |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    found.erasing = connection.query_row("SELECT 1 FROM meta WHERE name = 'erasing'", [], |_| Ok(())).is_ok();
    found.check();
    found
}

/// The rows of a table in the order of their numbers, around what is damaged.
fn numbered<T>(
    connection: &Connection,
    table: &str,
    select: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let known = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
    let last: i64 = connection.query_row(known, [table], |row| row.get(0)).unwrap_or(0);
    let end = format!("SELECT seq FROM {table} ORDER BY seq DESC LIMIT 1");
    let last = connection.query_row(&end, [], |row| row.get(0)).unwrap_or(0).max(last);
    let first = format!("SELECT seq FROM {table} ORDER BY seq LIMIT 1");
    let first = connection.query_row(&first, [], |row| row.get(0)).unwrap_or(1);
    let sql = format!("{select} WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
    let mut left = ATTEMPTS;
    let mut found = Vec::new();
    sweep(connection, &sql, (first, last), &mut left, |row| {
        let seq = row.get(0)?;
        // One that cannot be read alone is left out, those beside it are not.
        if let Ok(row) = read(row) {
            found.push((seq, row));
        }
        Ok(seq)
    });
    found.sort_by_key(|(seq, _)| *seq);
    found.dedup_by_key(|(seq, _)| *seq);
    found.into_iter().map(|(_, row)| row).collect()
}

/// The rows before what is damaged, from both ends.
fn both_ways<T>(
    connection: &Connection,
    select: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut found = Vec::new();
    for sql in [select.to_owned(), format!("{select} DESC")] {
        let Ok(mut statement) = connection.prepare(&sql) else { continue };
        let Ok(mut rows) = statement.query([]) else { continue };
        loop {
            match rows.next() {
                Ok(Some(row)) => found.extend(read(row)),
                // All of it: the other way round there is nothing more.
                Ok(None) => return found,
                Err(_) => break,
            }
        }
    }
    found
}

impl Salvaged {
    /// Leaves out what cannot have been written so.
    fn check(&mut self) {
        self.intents.retain(|row| {
            is_op(&row.op) && Verb::parse(&row.verb).is_ok() && is_id(&row.actor) && is_id(&row.target)
        });
        self.ops.retain(|row| {
            let worded =
                Deed::parse(&row.deed).is_some_and(|deed| (deed == Deed::Delete) == row.text.is_none());
            is_op(&row.op) && worded && is_id(&row.actor) && is_id(&row.item) && is_id(&row.comment)
        });
        self.comments.retain(|row| is_id(&row.actor) && is_id(&row.id) && is_id(&row.item));
        self.payments.retain(|row| {
            let order = serde_json::from_str::<Order>(&row.order);
            let whole = order.is_ok_and(|order| i64::try_from(order.amount) == Ok(row.amount));
            is_op(&row.op) && is_id(&row.actor) && whole
        });
        self.confirmed
            .retain(|(actor, verb, target, ..)| is_id(actor) && is_id(target) && Verb::parse(verb).is_ok());
        self.interests.retain(|(actor, target)| is_id(actor) && is_id(target));
        self.counters.retain(|(name, n)| BOOKS.contains(&name.as_str()) && *n >= 0);
    }

    /// Puts what was found into a new file; gives how many rows.
    pub fn restore(&self, tx: &Transaction<'_>) -> rusqlite::Result<u64> {
        for row in &self.intents {
            tx.execute(
                "INSERT OR IGNORE INTO intent(seq, op_id, actor, verb, target, state, at_ms, reason, words)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    row.seq, row.op, row.actor, row.verb, row.target, row.state, row.at_ms, row.reason,
                    row.words
                ],
            )?;
        }
        for row in &self.comments {
            tx.execute(
                "INSERT OR IGNORE INTO comment(actor, id, item, parent, text, at_ms, sent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![row.actor, row.id, row.item, row.parent, row.text, row.at_ms, row.sent],
            )?;
        }
        for row in &self.ops {
            tx.execute(
                "INSERT OR IGNORE INTO comment_op(seq, op_id, actor, item, comment, deed, text, at_ms, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    row.seq,
                    row.op,
                    row.actor,
                    row.item,
                    row.comment,
                    row.deed,
                    row.text,
                    row.at_ms,
                    row.reason
                ],
            )?;
            // A comment whose own row is lost is still to be shown.
            tx.execute(
                "INSERT OR IGNORE INTO comment(actor, id, item, parent, text, at_ms, sent)
                 VALUES (?1, ?2, ?3, NULL, NULL, ?4, ?5)",
                params![row.actor, row.comment, row.item, row.at_ms, row.deed != Deed::Create.name()],
            )?;
        }
        for row in &self.payments {
            let state = if row.state.is_final() { row.state } else { Payment::Unknown };
            tx.execute(
                "INSERT OR IGNORE INTO payment(seq, op_id, actor, cause, amount, order_json, state, reason, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    row.seq,
                    row.op,
                    row.actor,
                    row.cause,
                    row.amount,
                    row.order,
                    state.name(),
                    row.reason,
                    row.at_ms
                ],
            )?;
        }
        for (actor, verb, target, state, at_ms) in &self.confirmed {
            tx.execute(
                "INSERT OR IGNORE INTO confirmed(actor, verb, target, state, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![actor, verb, target, state, at_ms],
            )?;
        }
        for (actor, target) in &self.interests {
            tx.execute("INSERT OR IGNORE INTO interest(actor, target) VALUES (?1, ?2)", [actor, target])?;
        }
        for (actor, coins) in &self.balances {
            tx.execute("INSERT OR IGNORE INTO balance(actor, coins) VALUES (?1, ?2)", params![actor, coins])?;
        }
        if self.erasing {
            tx.execute("INSERT OR REPLACE INTO meta(name, value) VALUES ('erasing', '1')", [])?;
        }
        self.restore_books(tx)?;
        Ok((self.intents.len() + self.ops.len() + self.payments.len()) as u64)
    }

    /// The books go on, and what they say was there and is not is counted as damaged. Without the old ones new ones
    /// begin with what is here.
    fn restore_books(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let here: i64 = tx.query_row(
            "SELECT (SELECT count(*) FROM intent) + (SELECT count(*) FROM comment_op)",
            [],
            |row| row.get(0),
        )?;
        let book = |name: &str| self.counters.iter().find(|(of, _)| of == name).map_or(0, |(_, n)| *n);
        let gone: i64 = BOOKS[1..].iter().map(|name| book(name)).sum();
        let lost = book("queued") - gone - here;
        if lost < 0 {
            return count(tx, "queued", here.unsigned_abs());
        }
        for name in BOOKS {
            count(tx, name, book(name).unsigned_abs())?;
        }
        count(tx, "damaged", lost.unsigned_abs())
    }
}
