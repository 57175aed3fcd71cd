//! What moderators say after an item was published: labels that come late, items taken back, signed safety rules; and the
//! still pictures, of which a client must not ask for those it hides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::api::{Actor, App, object};
use crate::contract::{ErrorBody, LabelledItem, Labels, LabelsRequest};
use crate::error::ApiError;
use crate::logs::read;

/// Most items one call may ask about.
pub const MAX_ITEMS: usize = 50;
/// Largest JSON body, bytes: fifty identifiers are a tenth of it.
const MAX_JSON: usize = 64 * 1024;
/// Most items with a word of a moderator.
const MAX_SAID: usize = 10_000;

/// What moderators said, for as long as the server runs.
#[derive(Debug, Default)]
pub struct Moderation(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    items: BTreeMap<String, LabelledItem>,
    rules: Option<SignedRules>,
}

/// Signed rules as clients get them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRules {
    /// The rules as JSON text.
    pub payload: String,
    /// Ed25519 signature in hexadecimal.
    pub signature: String,
}

impl SignedRules {
    /// The version the payload names; 0 when it names none, as what is broken on purpose may.
    fn version(&self) -> u64 {
        let payload: Option<serde_json::Value> = serde_json::from_str(&self.payload).ok();
        payload.and_then(|p| p["version"].as_u64()).unwrap_or(0)
    }
}

impl Moderation {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what is said of an item.
    ///
    /// # Errors
    /// When there are too many already.
    pub fn label(&self, item: LabelledItem) -> Result<(), String> {
        let mut said = self.said();
        if said.items.len() >= MAX_SAID && !said.items.contains_key(&item.id) {
            return Err(format!("at most {MAX_SAID} items"));
        }
        said.items.insert(item.id.clone(), item);
        Ok(())
    }

    /// What is said of an item.
    #[must_use]
    pub fn of(&self, item: &str) -> Option<LabelledItem> {
        self.said().items.get(item).cloned()
    }

    /// Replaces the rules, whatever they are.
    pub fn set_rules(&self, rules: Option<SignedRules>) {
        self.said().rules = rules;
    }

    fn rules(&self) -> Option<SignedRules> {
        self.said().rules.clone()
    }
}

/// The labels that items have now.
#[utoipa::path(
    post, path = "/v1/labels", tag = "safety", security(("bearer" = [])),
    request_body = LabelsRequest,
    responses(
        (status = 200, description = "Items of which something is said; the others have the labels of the feed", body = Labels),
        (status = 400, description = "`bad_json`", body = ErrorBody),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
        (status = 413, description = "`too_many` or `too_large`", body = ErrorBody),
    )
)]
pub async fn labels(State(app): State<Arc<App>>, _: Actor, body: Body) -> Result<Json<Labels>, ApiError> {
    let LabelsRequest { items } = object(&read(body, MAX_JSON).await?)?;
    if items.len() > MAX_ITEMS {
        let detail = format!("at most {MAX_ITEMS} items a call");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many", detail));
    }
    Ok(Json(Labels { items: items.iter().filter_map(|item| app.moderation.of(item)).collect() }))
}

/// The query of `GET /v1/rules`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RulesQuery {
    /// The version the client has; 0 when it has none of the server's.
    #[param(minimum = 0, default = 0)]
    held: Option<u64>,
}

/// The signed safety rules, when they are newer than those the client has.
#[utoipa::path(
    get, path = "/v1/rules", tag = "safety", params(RulesQuery), security(("bearer" = [])),
    responses(
        (status = 200, description = "An object of two texts: `payload`, the rules as JSON, and `signature`, Ed25519 in hexadecimal", body = inline(crate::contract::Binary), content_type = "application/json"),
        (status = 204, description = "None that are newer"),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
        (status = 404, description = "`no_rules`", body = ErrorBody),
    )
)]
pub async fn rules(
    State(app): State<Arc<App>>,
    _: Actor,
    Query(RulesQuery { held }): Query<RulesQuery>,
) -> Result<Response, ApiError> {
    match app.moderation.rules() {
        None => Err(ApiError::missing("no_rules", "this server has no safety rules")),
        // What is older on purpose is offered, so that a client can be seen to refuse it.
        Some(rules) if held.is_some_and(|held| held == rules.version()) => {
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Some(rules) => Ok(Json(rules).into_response()),
    }
}
