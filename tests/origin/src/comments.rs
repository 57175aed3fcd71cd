//! Comments: written, changed and taken away by whoever made them, in the order in which the operations came.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use crate::api::{Actor, App, MAX_JSON, blocking, idempotency_key, object};
use crate::contract::{
    CommentDeed, CommentOperation, CommentsRequest, CommentsResponse, ErrorBody, InteractionResult,
    InteractionStatus, MAX_INTERACTIONS,
};
use crate::error::{ApiError, OriginError};
use crate::logs;
use crate::store::{MAX_ID, MAX_LISTED, Store};

/// Longest comment, characters.
pub const MAX_TEXT_CHARS: usize = 2_200;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS comments (
    id TEXT PRIMARY KEY, actor TEXT NOT NULL, item TEXT NOT NULL, parent TEXT, text TEXT NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS comment_operations (
    n INTEGER PRIMARY KEY AUTOINCREMENT, actor TEXT NOT NULL, op_id TEXT NOT NULL, body TEXT NOT NULL, reason TEXT,
    UNIQUE (actor, op_id)
);
";

/// A comment as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredComment {
    /// Its identifier.
    pub id: String,
    /// Who wrote it.
    pub actor: String,
    /// What it stands under.
    pub item: String,
    /// The comment it answers.
    pub parent: Option<String>,
    /// Its words.
    pub text: String,
}

/// Carries out what a person does with comments, in order; each operation counts once however often it arrives.
#[utoipa::path(
    post, path = "/v1/comments", tag = "comments", security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, description = "1 to 128 characters, new for every call that is not a repeat")),
    request_body = CommentsRequest,
    responses(
        (status = 200, body = CommentsResponse),
        (status = 400, description = "`bad_json` or `idempotency_key_required`", body = ErrorBody),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
        (status = 413, description = "`too_many` or `too_large`", body = ErrorBody),
    )
)]
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Actor(actor): Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CommentsResponse>, ApiError> {
    let body = logs::read(body, MAX_JSON).await?;
    idempotency_key(&headers)?;
    let request: CommentsRequest = object(&body)?;
    if request.operations.len() > MAX_INTERACTIONS {
        let detail = format!("at most {MAX_INTERACTIONS} operations a call");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many", detail));
    }
    blocking(move || {
        let results = app.store.transact(|database| {
            request.operations.iter().map(|operation| apply(database, &actor, operation)).collect()
        });
        Ok(Json(CommentsResponse { results: results.map_err(|error| ApiError::internal(&error))? }))
    })
    .await
}

fn apply(
    database: &Connection,
    actor: &str,
    operation: &CommentOperation,
) -> Result<InteractionResult, OriginError> {
    let body = serde_json::to_string(operation)
        .map_err(std::io::Error::other)
        .map_err(OriginError::io("cannot write", "comment"))?;
    let before: Option<(String, Option<String>)> = database
        .prepare_cached("SELECT body, reason FROM comment_operations WHERE actor = ?1 AND op_id = ?2")?
        .query_row([actor, &operation.op_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (status, reason) = match before {
        Some((known, _)) if known != body => (InteractionStatus::Rejected, Some("op_id_reused".to_owned())),
        Some((_, Some(reason))) => (InteractionStatus::Rejected, Some(reason)),
        Some((_, None)) => (InteractionStatus::Duplicate, None),
        None => {
            let reason = carry_out(database, actor, operation)?;
            database
                .prepare_cached(
                    "INSERT INTO comment_operations(actor, op_id, body, reason) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![actor, operation.op_id, body, reason])?;
            let status =
                if reason.is_some() { InteractionStatus::Rejected } else { InteractionStatus::Applied };
            (status, reason.map(str::to_owned))
        }
    };
    Ok(InteractionResult { op_id: operation.op_id.clone(), status, reason })
}

/// Does it, or says why not.
fn carry_out(
    database: &Connection,
    actor: &str,
    operation: &CommentOperation,
) -> Result<Option<&'static str>, OriginError> {
    let CommentOperation { op_id, deed, comment, item, parent, text, at_ms } = operation;
    if [op_id, comment, item].into_iter().chain(parent).any(|id| id.is_empty() || id.len() > MAX_ID) {
        return Ok(Some("bad_id"));
    }
    let words =
        text.as_deref().filter(|text| !text.trim().is_empty() && text.chars().nth(MAX_TEXT_CHARS).is_none());
    let owner = |id: &str| -> Result<Option<(String, String)>, OriginError> {
        let mut query = database.prepare_cached("SELECT actor, item FROM comments WHERE id = ?1")?;
        Ok(query.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    };
    match (deed, words) {
        (CommentDeed::Create | CommentDeed::Edit, None) => Ok(Some("bad_text")),
        (CommentDeed::Create, Some(words)) => {
            if owner(comment)?.is_some() {
                return Ok(Some("id_taken"));
            }
            if let Some(parent) = parent
                && owner(parent)?.is_none_or(|(_, under)| under != *item)
            {
                return Ok(Some("parent_gone"));
            }
            database
                .prepare_cached("INSERT INTO comments VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![comment, actor, item, parent, words, at_ms])?;
            Ok(None)
        }
        (CommentDeed::Edit, Some(words)) => {
            let changed = database
                .prepare_cached("UPDATE comments SET text = ?3 WHERE id = ?1 AND actor = ?2")?
                .execute(params![comment, actor, words])?;
            Ok((changed == 0).then_some("unknown_comment"))
        }
        (CommentDeed::Delete, _) => {
            database
                .prepare_cached("DELETE FROM comments WHERE id = ?1 AND actor = ?2")?
                .execute([comment, actor])?;
            Ok(None)
        }
    }
}

impl Store {
    /// Comments as they stand, by when they were written; all actors' when none is named.
    ///
    /// # Errors
    /// When the database fails.
    pub fn comments(&self, actor: Option<&str>) -> Result<Vec<StoredComment>, OriginError> {
        self.transact(|database| {
            let mut query = database.prepare_cached(
                "SELECT id, actor, item, parent, text FROM comments WHERE ?1 IS NULL OR actor = ?1
                 ORDER BY at_ms, id LIMIT ?2",
            )?;
            let rows = query.query_map(params![actor, MAX_LISTED], |row| {
                Ok(StoredComment {
                    id: row.get(0)?,
                    actor: row.get(1)?,
                    item: row.get(2)?,
                    parent: row.get(3)?,
                    text: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every operation on comments in the order in which it came first, refused ones among them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn comment_operations(&self, actor: Option<&str>) -> Result<Vec<CommentOperation>, OriginError> {
        self.transact(|database| {
            let mut query = database.prepare_cached(
                "SELECT body FROM comment_operations WHERE ?1 IS NULL OR actor = ?1 ORDER BY n LIMIT ?2",
            )?;
            let rows = query.query_map(params![actor, MAX_LISTED], |row| row.get::<_, String>(0))?;
            let mut operations = Vec::new();
            for row in rows {
                operations.extend(serde_json::from_str::<CommentOperation>(&row?));
            }
            Ok(operations)
        })
    }
}
