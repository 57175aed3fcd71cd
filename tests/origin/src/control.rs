//! The control listener: shape the network, queue faults, read what the server has seen. Unshaped and not in the access
//! log. For tests and demos on the same machine; it asks for no credentials and binds loopback unless told otherwise.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::access::{AccessLog, Totals};
use crate::api::{App, blocking, object};
use crate::comments::StoredComment;
use crate::contract::{CommentOperation, LabelledItem};
use crate::error::ApiError;
use crate::faults::{Fault, Faults};
use crate::gate::{method_not_allowed, not_found};
use crate::logs::read;
use crate::moderation::SignedRules;
use crate::network::NetworkSettings;
use crate::reports::ReportDecision;
use crate::shaper::Shaper;
use crate::store::{Desired, StoredEvent};
use crate::wallets::StoredPayment;

/// Largest JSON body, bytes: a day's trace.
const MAX_JSON: usize = 4 * 1024 * 1024;

/// What control handlers share.
#[derive(Clone)]
pub struct Control {
    /// The main listener's state.
    pub app: Arc<App>,
    /// The link.
    pub shaper: Arc<Shaper>,
    /// The scripted faults.
    pub faults: Arc<Faults>,
    /// The log.
    pub access: Arc<AccessLog>,
    /// Set to true to stop the server.
    pub stop: watch::Sender<bool>,
}

/// Answer of `GET /control/stats`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stats {
    /// Requests ended, requests in flight and bytes by client.
    #[serde(flatten)]
    pub totals: Totals,
    /// Telemetry.
    pub events: EventCounts,
    /// Different operations stored.
    pub interactions: i64,
}

/// How much telemetry came.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct EventCounts {
    /// Repeats included.
    pub received: i64,
    /// Different events.
    pub distinct: i64,
}

/// Answer of the fault calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FaultList {
    /// What is queued, in order.
    pub faults: Vec<Fault>,
}

/// Answer of `GET /control/events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventList {
    /// By installation and number.
    pub events: Vec<StoredEvent>,
}

/// Answer of `GET /control/interactions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InteractionList {
    /// Desired states by actor, verb and target.
    pub interactions: Vec<Desired>,
    /// Verb and target of every operation of the actor that was asked for, in the order in which they came first.
    pub arrivals: Vec<(String, String)>,
}

/// Answer of `GET /control/comments`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommentList {
    /// As they stand, by when they were written.
    pub comments: Vec<StoredComment>,
    /// Every operation in the order in which it came first.
    pub operations: Vec<CommentOperation>,
}

/// Answer of `GET /control/payments`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentList {
    /// By actor and key.
    pub payments: Vec<StoredPayment>,
}

/// Answer of `POST /control/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevokedList {
    /// Tokens that no longer count.
    pub revoked: Vec<String>,
}

/// All calls of the control listener.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/control/network", put(set_network).get(get_network).fallback(method_not_allowed))
        .route(
            "/control/faults",
            post(add_fault).get(list_faults).delete(clear_faults).fallback(method_not_allowed),
        )
        .route("/control/stats", get(stats).fallback(method_not_allowed))
        .route("/control/events", get(events).fallback(method_not_allowed))
        .route("/control/interactions", get(interactions).fallback(method_not_allowed))
        .route("/control/comments", get(comments).fallback(method_not_allowed))
        .route("/control/payments", get(payments).fallback(method_not_allowed))
        .route("/control/tokens", post(revoke).fallback(method_not_allowed))
        .route("/control/reports", post(decide).fallback(method_not_allowed))
        .route("/control/labels", post(label).fallback(method_not_allowed))
        .route("/control/rules", put(set_rules).delete(clear_rules).fallback(method_not_allowed))
        .route("/control/shutdown", post(shutdown).fallback(method_not_allowed))
        .fallback(not_found)
        .with_state(control)
}

async fn json<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    object(&read(body, MAX_JSON).await?)
}

async fn set_network(State(control): State<Control>, body: Body) -> Result<Json<NetworkSettings>, ApiError> {
    let settings = json::<NetworkSettings>(body).await?;
    control.shaper.set(settings).map_err(|error| ApiError::bad("bad_network", error.to_string()))?;
    Ok(Json(control.shaper.settings()))
}

async fn get_network(State(control): State<Control>) -> Json<NetworkSettings> {
    Json(control.shaper.settings())
}

async fn add_fault(State(control): State<Control>, body: Body) -> Result<Json<FaultList>, ApiError> {
    let fault = json::<Fault>(body).await?;
    control.faults.add(fault).map_err(|detail| ApiError::bad("bad_fault", detail))?;
    Ok(Json(FaultList { faults: control.faults.pending() }))
}

async fn list_faults(State(control): State<Control>) -> Json<FaultList> {
    Json(FaultList { faults: control.faults.pending() })
}

async fn clear_faults(State(control): State<Control>) -> Json<FaultList> {
    control.faults.clear();
    Json(FaultList { faults: Vec::new() })
}

async fn stats(State(control): State<Control>) -> Result<Json<Stats>, ApiError> {
    blocking(move || {
        let counts = control.app.store.counts().map_err(|error| ApiError::internal(&error))?;
        Ok(Json(Stats {
            totals: control.access.totals(),
            events: EventCounts { received: counts.received, distinct: counts.distinct },
            interactions: counts.interactions,
        }))
    })
    .await
}

#[derive(Deserialize)]
struct EventsQuery {
    installation: Option<String>,
}

async fn events(
    State(control): State<Control>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventList>, ApiError> {
    blocking(move || {
        let events = control.app.store.events(query.installation.as_deref());
        Ok(Json(EventList { events: events.map_err(|error| ApiError::internal(&error))? }))
    })
    .await
}

#[derive(Deserialize)]
struct InteractionsQuery {
    actor: Option<String>,
}

async fn interactions(
    State(control): State<Control>,
    Query(query): Query<InteractionsQuery>,
) -> Result<Json<InteractionList>, ApiError> {
    blocking(move || {
        let store = &control.app.store;
        let listed = store.desired(query.actor.as_deref()).and_then(|interactions| {
            let arrivals = query.actor.as_deref().map(|actor| store.arrivals(actor)).transpose()?;
            Ok(InteractionList { interactions, arrivals: arrivals.unwrap_or_default() })
        });
        listed.map(Json).map_err(|error| ApiError::internal(&error))
    })
    .await
}

async fn comments(
    State(control): State<Control>,
    Query(query): Query<InteractionsQuery>,
) -> Result<Json<CommentList>, ApiError> {
    blocking(move || {
        let (store, actor) = (&control.app.store, query.actor.as_deref());
        let list = store
            .comments(actor)
            .and_then(|comments| Ok(CommentList { comments, operations: store.comment_operations(actor)? }));
        Ok(Json(list.map_err(|error| ApiError::internal(&error))?))
    })
    .await
}

async fn payments(
    State(control): State<Control>,
    Query(query): Query<InteractionsQuery>,
) -> Result<Json<PaymentList>, ApiError> {
    blocking(move || {
        let payments = control.app.store.payments(query.actor.as_deref());
        Ok(Json(PaymentList { payments: payments.map_err(|error| ApiError::internal(&error))? }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    revoke: String,
}

async fn revoke(State(control): State<Control>, body: Body) -> Result<Json<RevokedList>, ApiError> {
    let Revocation { revoke } = json(body).await?;
    let revoked = control.app.revoked.add(revoke).map_err(|detail| ApiError::bad("bad_token", detail))?;
    Ok(Json(RevokedList { revoked }))
}

/// What a moderator says of an item, in place of what was said before.
async fn label(State(control): State<Control>, body: Body) -> Result<Json<LabelledItem>, ApiError> {
    let item = json::<LabelledItem>(body).await?;
    let said = item.clone();
    control.app.moderation.label(item).map_err(|detail| ApiError::bad("bad_label", detail))?;
    Ok(Json(said))
}

/// What a moderator decides about a report.
async fn decide(State(control): State<Control>, body: Body) -> Result<Json<ReportDecision>, ApiError> {
    let decision = json::<ReportDecision>(body).await?;
    blocking(move || {
        control.app.store.decide(&decision).map_err(|error| ApiError::internal(&error))?;
        Ok(Json(decision))
    })
    .await
}

/// Rules as they are to be handed out, sound or not.
async fn set_rules(State(control): State<Control>, body: Body) -> Result<Json<SignedRules>, ApiError> {
    let rules = json::<SignedRules>(body).await?;
    control.app.moderation.set_rules(Some(rules.clone()));
    Ok(Json(rules))
}

async fn clear_rules(State(control): State<Control>) -> StatusCode {
    control.app.moderation.set_rules(None);
    StatusCode::NO_CONTENT
}

async fn shutdown(State(control): State<Control>) -> Json<serde_json::Value> {
    control.stop.send_replace(true);
    Json(serde_json::json!({"stopping": true}))
}
