//! Reports that people made, and what moderators decided about them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::api::{Actor, App, blocking};
use crate::contract::{ErrorBody, ReportStatus, Reports};
use crate::error::{ApiError, OriginError};
use crate::store::{MAX_LISTED, Store};

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS decisions (
    actor TEXT NOT NULL, target TEXT NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (actor, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS report_words (
    actor TEXT NOT NULL, target TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (actor, target)
) WITHOUT ROWID;
";

/// Body of `POST /control/reports`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportDecision {
    /// Who reported.
    pub actor: String,
    /// The report's target.
    pub target: String,
    /// What was decided, in a word.
    pub outcome: String,
}

/// What became of the caller's reports, which are interactions with the verb `report`.
#[utoipa::path(
    get, path = "/v1/reports", tag = "safety", security(("bearer" = [])),
    responses(
        (status = 200, body = Reports),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
    )
)]
pub async fn list(State(app): State<Arc<App>>, Actor(actor): Actor) -> Result<Json<Reports>, ApiError> {
    blocking(move || {
        let reports = app.store.reports(&actor).map_err(|error| ApiError::internal(&error))?;
        Ok(Json(Reports { reports }))
    })
    .await
}

impl Store {
    /// The reports of an actor by target.
    ///
    /// # Errors
    /// When the database fails.
    pub fn reports(&self, actor: &str) -> Result<Vec<ReportStatus>, OriginError> {
        self.transact(|database| {
            let mut query = database.prepare_cached(
                "SELECT d.target, c.outcome, w.words FROM desired AS d
                 LEFT JOIN decisions AS c ON c.actor = d.actor AND c.target = d.target
                 LEFT JOIN report_words AS w ON w.actor = d.actor AND w.target = d.target
                 WHERE d.actor = ?1 AND d.verb = 'report' AND d.state ORDER BY d.target LIMIT ?2",
            )?;
            let rows = query.query_map(params![actor, MAX_LISTED], |row| {
                Ok(ReportStatus { target: row.get(0)?, outcome: row.get(1)?, words: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A moderator decides.
    ///
    /// # Errors
    /// When the database fails.
    pub fn decide(&self, decision: &ReportDecision) -> Result<(), OriginError> {
        self.transact(|database| {
            database
                .prepare_cached("INSERT OR REPLACE INTO decisions VALUES (?1, ?2, ?3)")?
                .execute(params![decision.actor, decision.target, decision.outcome])?;
            Ok(())
        })
    }
}
