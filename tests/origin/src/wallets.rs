//! Wallets: money moves once for a key, and a question about a key closes it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::api::{Actor, App, blocking, idempotency_key, object};
use crate::contract::{ErrorBody, PaymentAnswer, PaymentCause, PaymentRequest, PaymentState};
use crate::error::{ApiError, OriginError};
use crate::logs;
use crate::store::{MAX_ID, MAX_LISTED, Store};

/// Largest JSON body, bytes.
const MAX_JSON: usize = 16 * 1024;
/// Coins of a wallet when it is first seen.
pub const FIRST_COINS: i64 = 1_000;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS wallets (actor TEXT PRIMARY KEY, coins INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments (
    actor TEXT NOT NULL, op_id TEXT NOT NULL, body TEXT, state TEXT NOT NULL, reason TEXT, moved INTEGER NOT NULL,
    arrivals INTEGER NOT NULL, PRIMARY KEY (actor, op_id)
) WITHOUT ROWID;
";

/// A payment as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPayment {
    /// Whose wallet.
    pub actor: String,
    /// Its key.
    pub op_id: String,
    /// `confirmed`, `declined` or `void`.
    pub state: String,
    /// Coins or money moved for it.
    pub moved: i64,
    /// How often the request to pay came, questions not counted.
    pub arrivals: i64,
}

/// Carries a payment out, once for its key; a repeat gets the same answer.
#[utoipa::path(
    post, path = "/v1/payments", tag = "payments", security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, description = "The `op_id`")),
    request_body = PaymentRequest,
    responses(
        (status = 200, description = "Decided for good: `confirmed` or `declined`", body = PaymentAnswer),
        (status = 400, description = "`bad_json` or `idempotency_key_required`: never carried out", body = ErrorBody),
        (status = 401, description = "`unauthorized`: not looked at", body = ErrorBody),
        (status = 422, description = "`key_reused`: the key is another payment's", body = ErrorBody),
    )
)]
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    Actor(actor): Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PaymentAnswer>, ApiError> {
    let body = logs::read(body, MAX_JSON).await?;
    let key = idempotency_key(&headers)?.to_owned();
    let request: PaymentRequest = object(&body)?;
    if request.op_id != key {
        return Err(ApiError::bad("idempotency_key_required", "the Idempotency-Key must be the op_id"));
    }
    blocking(move || {
        let answer = app.store.transact(|database| decide(database, &actor, &request));
        match answer.map_err(|error| ApiError::internal(&error))? {
            Some(answer) => Ok(Json(answer)),
            None => {
                let detail = "the key was used for another payment";
                Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", detail))
            }
        }
    })
    .await
}

/// Says what became of a payment. One that was not seen is void from now on, and refused should it still arrive.
#[utoipa::path(
    post, path = "/v1/payments/{op}/resolve", tag = "payments", security(("bearer" = [])),
    params(("op" = String, Path, description = "The `op_id`")),
    responses(
        (status = 200, body = PaymentAnswer),
        (status = 400, description = "`bad_id`", body = ErrorBody),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
    )
)]
pub(crate) async fn resolve(
    State(app): State<Arc<App>>,
    Actor(actor): Actor,
    Path(op): Path<String>,
) -> Result<Json<PaymentAnswer>, ApiError> {
    if op.is_empty() || op.len() > MAX_ID {
        return Err(ApiError::bad("bad_id", "the payment's identifier has 1 to 200 characters"));
    }
    blocking(move || {
        let answer = app.store.transact(|database| {
            if let Some((_, state, reason)) = known(database, &actor, &op)? {
                return told(database, &actor, &state, reason);
            }
            database
                .prepare_cached("INSERT INTO payments VALUES (?1, ?2, NULL, 'void', NULL, 0, 0)")?
                .execute([&actor, &op])?;
            told(database, &actor, "void", None)
        });
        Ok(Json(answer.map_err(|error| ApiError::internal(&error))?))
    })
    .await
}

type Known = (Option<String>, String, Option<String>);

fn known(database: &Connection, actor: &str, op: &str) -> Result<Option<Known>, OriginError> {
    let mut query = database
        .prepare_cached("SELECT body, state, reason FROM payments WHERE actor = ?1 AND op_id = ?2")?;
    Ok(query.query_row([actor, op], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?)
}

fn coins(database: &Connection, actor: &str) -> Result<i64, OriginError> {
    database
        .prepare_cached("INSERT OR IGNORE INTO wallets VALUES (?1, ?2)")?
        .execute(params![actor, FIRST_COINS])?;
    let mut query = database.prepare_cached("SELECT coins FROM wallets WHERE actor = ?1")?;
    Ok(query.query_row([actor], |row| row.get(0))?)
}

fn told(
    database: &Connection,
    actor: &str,
    state: &str,
    reason: Option<String>,
) -> Result<PaymentAnswer, OriginError> {
    let state = match state {
        "confirmed" => PaymentState::Confirmed,
        "declined" => PaymentState::Declined,
        _ => PaymentState::Void,
    };
    Ok(PaymentAnswer { state, reason, coins: coins(database, actor)? })
}

/// Decides once; nothing for a key that is another payment's.
fn decide(
    database: &Connection,
    actor: &str,
    request: &PaymentRequest,
) -> Result<Option<PaymentAnswer>, OriginError> {
    let body = serde_json::to_string(request)
        .map_err(std::io::Error::other)
        .map_err(OriginError::io("cannot write", "payment"))?;
    if let Some((before, state, reason)) = known(database, actor, &request.op_id)? {
        database
            .prepare_cached("UPDATE payments SET arrivals = arrivals + 1 WHERE actor = ?1 AND op_id = ?2")?
            .execute([actor, &request.op_id])?;
        return match (before, state.as_str()) {
            (_, "void") => told(database, actor, "declined", Some("void".to_owned())).map(Some),
            (Some(before), _) if before != body => Ok(None),
            _ => told(database, actor, &state, reason).map(Some),
        };
    }
    let amount = i64::try_from(request.amount).unwrap_or(i64::MAX);
    let fits = |id: &str| !id.is_empty() && id.len() <= MAX_ID;
    let gift = request.cause == PaymentCause::Gift;
    let reason = if amount < 1 || !fits(&request.op_id) || !fits(&request.recipient) {
        Some("bad_payment")
    } else if gift && coins(database, actor)? < amount {
        Some("insufficient")
    } else {
        None
    };
    if reason.is_none() && gift {
        database
            .prepare_cached("UPDATE wallets SET coins = coins - ?2 WHERE actor = ?1")?
            .execute(params![actor, amount])?;
    }
    let (state, moved) = if reason.is_some() { ("declined", 0) } else { ("confirmed", amount) };
    database.prepare_cached("INSERT INTO payments VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)")?.execute(params![
        actor,
        request.op_id,
        body,
        state,
        reason,
        moved
    ])?;
    told(database, actor, state, reason.map(str::to_owned)).map(Some)
}

impl Store {
    /// Payments as they stand; all actors' when none is named.
    ///
    /// # Errors
    /// When the database fails.
    pub fn payments(&self, actor: Option<&str>) -> Result<Vec<StoredPayment>, OriginError> {
        self.transact(|database| {
            let mut query = database.prepare_cached(
                "SELECT actor, op_id, state, moved, arrivals FROM payments WHERE ?1 IS NULL OR actor = ?1
                 ORDER BY actor, op_id LIMIT ?2",
            )?;
            let rows = query.query_map(params![actor, MAX_LISTED], |row| {
                Ok(StoredPayment {
                    actor: row.get(0)?,
                    op_id: row.get(1)?,
                    state: row.get(2)?,
                    moved: row.get(3)?,
                    arrivals: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
