//! Money intents at rest: gifts and donations, one row each, every step written through to the disk before it is taken.
//!
//! One intent of a wallet is on its way at a time, in the order they were confirmed. [`next`] says what to do, and has
//! written down that it is being done; [`answered`] takes the answer. The rules are those of
//! [`Payment`](unspool_engine::payment::Payment). An intent runs for the account that confirmed it and for no other.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use unspool_engine::Millis;
use unspool_engine::payment::{EXPIRY, Payment, PaymentFact};

use super::OpId;

/// Finished intents remembered, so that the app can show what became of them.
const FINISHED_ROWS: i64 = 1_000;

/// What money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Coins to a creator.
    Gift,
    /// Money to a campaign.
    Donation,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::Gift => "gift",
            Cause::Donation => "donation",
        }
    }
}

/// What the person is about to pay. None of it changes after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What for.
    pub cause: Cause,
    /// To whom: a creator or a campaign.
    pub recipient: String,
    /// Which gift, or the item it was given on; may be empty.
    pub subject: String,
    /// Coins, or the smallest unit of the currency.
    pub amount: u64,
    /// Version of the price list the person saw.
    pub price_version: String,
}

/// A money intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentIntent {
    /// Its identity, sent as `Idempotency-Key`.
    pub op: OpId,
    /// Whose wallet.
    pub actor: String,
    /// What is paid.
    pub order: Order,
    /// Where it stands.
    pub state: Payment,
    /// What the server said, where it refused.
    pub reason: String,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What is to be done about a wallet now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Send it, once.
    Send(PaymentIntent),
    /// Ask what became of it.
    Resolve(PaymentIntent),
}

impl Errand {
    /// The intent it is about.
    #[must_use]
    pub fn intent(&self) -> &PaymentIntent {
        match self {
            Errand::Send(intent) | Errand::Resolve(intent) => intent,
        }
    }
}

const COLUMNS: &str = "op_id, actor, order_json, state, reason, at_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<PaymentIntent> {
    let wrong =
        |at: usize| rusqlite::Error::InvalidColumnType(at, "payment".into(), rusqlite::types::Type::Text);
    let order: String = row.get(2)?;
    Ok(PaymentIntent {
        op: OpId(row.get(0)?),
        actor: row.get(1)?,
        order: serde_json::from_str(&order).map_err(|_| wrong(2))?,
        state: Payment::parse(row.get_ref(3)?.as_str()?).ok_or_else(|| wrong(3))?,
        reason: row.get(4)?,
        at_ms: row.get(5)?,
    })
}

pub(super) fn find(tx: &Transaction<'_>, op: &OpId) -> rusqlite::Result<Option<PaymentIntent>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM payment WHERE op_id = ?1"))?
        .query_row([&op.0], read)
        .optional()
}

/// Takes down a draft.
pub(super) fn draft(
    tx: &Transaction<'_>,
    actor: &str,
    order: &Order,
    wall_ms: i64,
) -> rusqlite::Result<OpId> {
    let op = OpId(uuid::Uuid::new_v4().to_string());
    let json = serde_json::to_string(order)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    tx.prepare_cached(
        "INSERT INTO payment(op_id, actor, cause, amount, order_json, state, reason, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, 'draft', '', ?6)",
    )?
    .execute(params![op.0, actor, order.cause.name(), order.amount as i64, json, wall_ms])?;
    Ok(op)
}

/// Moves an intent on; gives its new state, or `None` where the fact changes nothing.
pub(super) fn step(
    tx: &Transaction<'_>,
    op: &OpId,
    fact: PaymentFact,
    reason: &str,
) -> rusqlite::Result<Option<Payment>> {
    let Some(intent) = find(tx, op)? else { return Ok(None) };
    let Some(state) = intent.state.after(fact) else { return Ok(None) };
    let reason: String = reason.chars().take(super::intents::MAX_REASON_CHARS).collect();
    tx.prepare_cached("UPDATE payment SET state = ?2, reason = ?3 WHERE op_id = ?1")?.execute(params![
        op.0,
        state.name(),
        reason
    ])?;
    if state == Payment::Confirmed && intent.order.cause == Cause::Gift {
        tx.prepare_cached("UPDATE balance SET coins = coins - ?2 WHERE actor = ?1")?
            .execute(params![intent.actor, intent.order.amount as i64])?;
    }
    if state.is_final() {
        tx.prepare_cached(
            "DELETE FROM payment WHERE state IN ('confirmed', 'cancelled') AND seq <
             (SELECT seq FROM payment WHERE state IN ('confirmed', 'cancelled') ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute([FINISHED_ROWS])?;
    }
    Ok(Some(state))
}

/// Coins the person can still give: the server's figure without what is held. `None` while the server has said none.
pub(super) fn available(tx: &Transaction<'_>, actor: &str) -> rusqlite::Result<Option<i64>> {
    let coins: Option<i64> = tx
        .prepare_cached("SELECT coins FROM balance WHERE actor = ?1")?
        .query_row([actor], |row| row.get(0))
        .optional()?;
    let Some(coins) = coins else { return Ok(None) };
    let held: i64 = tx
        .prepare_cached(
            "SELECT coalesce(sum(amount), 0) FROM payment
             WHERE actor = ?1 AND cause = 'gift' AND state IN ('reserved', 'sending', 'unknown')",
        )?
        .query_row([actor], |row| row.get(0))?;
    Ok(Some(coins - held))
}

/// Takes note of the balance the server says.
pub(super) fn observe(tx: &Transaction<'_>, actor: &str, coins: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO balance(actor, coins) VALUES (?1, ?2) ON CONFLICT(actor) DO UPDATE SET coins = excluded.coins",
    )?
    .execute(params![actor, coins])?;
    Ok(())
}

/// What a process that died was sending may have been carried out.
pub(super) fn recover(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let ops: Vec<String> = tx
        .prepare("SELECT op_id FROM payment WHERE state = 'sending' ORDER BY seq")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for op in ops {
        step(tx, &OpId(op), PaymentFact::Restarted, "")?;
    }
    Ok(())
}

/// Cancels what was not sent in time; gives how long the oldest that waits still may.
pub(super) fn expire(tx: &Transaction<'_>, wall_ms: i64) -> rusqlite::Result<Option<Millis>> {
    let waiting: Vec<(String, i64)> = tx
        .prepare_cached("SELECT op_id, at_ms FROM payment WHERE state IN ('draft', 'reserved') ORDER BY seq")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut left: Option<Millis> = None;
    for (op, at_ms) in waiting {
        let age = Millis(wall_ms.abs_diff(at_ms));
        if age > EXPIRY {
            step(tx, &OpId(op), PaymentFact::Expired, "expired")?;
        } else {
            let its = Millis(EXPIRY.0 - age.0 + 1);
            left = Some(left.map_or(its, |left| left.min(its)));
        }
    }
    Ok(left)
}

/// The next thing to do for a wallet. What is to be sent is written down as being sent; what waited too long is cancelled.
pub(super) fn next(tx: &Transaction<'_>, actor: &str, wall_ms: i64) -> rusqlite::Result<Option<Errand>> {
    loop {
        let intent = tx
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM payment WHERE actor = ?1 AND state IN ('reserved', 'sending', 'unknown')
                 ORDER BY state = 'reserved', seq LIMIT 1"
            ))?
            .query_row([actor], read)
            .optional()?;
        let Some(intent) = intent else { return Ok(None) };
        match intent.state {
            Payment::Unknown => return Ok(Some(Errand::Resolve(intent))),
            // On its way already.
            Payment::Sending => return Ok(None),
            // A clock that went back is no reason to send late.
            _ if wall_ms.abs_diff(intent.at_ms) > EXPIRY.0 => {
                step(tx, &intent.op, PaymentFact::Expired, "expired")?;
            }
            _ => {
                step(tx, &intent.op, PaymentFact::Send, "")?;
                return Ok(Some(Errand::Send(PaymentIntent { state: Payment::Sending, ..intent })));
            }
        }
    }
}

/// Intents of an actor, newest first.
pub(super) fn list(tx: &Transaction<'_>, actor: &str) -> rusqlite::Result<Vec<PaymentIntent>> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM payment WHERE actor = ?1 ORDER BY seq DESC"))?
        .query_map([actor], read)?
        .collect()
}

/// Actors with something to do.
pub(super) fn actors(tx: &Transaction<'_>) -> rusqlite::Result<Vec<String>> {
    tx.prepare_cached(
        "SELECT DISTINCT actor FROM payment WHERE state IN ('reserved', 'unknown') ORDER BY actor",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// Forgets a refused intent; `false` when there is none of that identity.
pub(super) fn dismiss(tx: &Transaction<'_>, op: &OpId) -> rusqlite::Result<bool> {
    Ok(tx.execute("DELETE FROM payment WHERE op_id = ?1 AND state = 'declined'", [&op.0])? > 0)
}
