//! The JSON calls of native contract v1, the router that holds all calls, and the OpenAPI document made from them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::catalogue::Catalogue;
use crate::clock::now_ms;
use crate::contract::{
    Asset, CaptionTrack, DEFAULT_PAGE, ErrorBody, FeedPage, FeedQuery, FreshUrl, Health, InteractionsRequest,
    InteractionsResponse, Item, MAX_INTERACTIONS, MAX_PAGE, Relation, Rendition, Topics,
};
use crate::error::ApiError;
use crate::feed::{self, Card, Chosen, Feed, Feeds, Place};
use crate::gate::{Base, method_not_allowed, not_found};
use crate::moderation::{self, Moderation};
use crate::playlist::encode;
use crate::sign::Signer;
use crate::store::Store;
use crate::tokens::{MAX_TOKEN, Revoked, actor_of, refuse_revoked, unauthorized};
use crate::{catalogue, comments, logs, media, reports, thumbnails, wallets};

/// Largest JSON body, bytes: a hundred interactions are a tenth of it.
pub(crate) const MAX_JSON: usize = 256 * 1024;

/// What handlers share.
pub struct App {
    /// What is served.
    pub catalogue: Catalogue,
    /// In which order.
    pub feeds: Feeds,
    /// What clients said.
    pub store: Store,
    /// Signs addresses.
    pub signer: Signer,
    /// How long addresses live, milliseconds.
    pub url_ttl_ms: i64,
    /// Whether telemetry may come in zstd.
    pub zstd: bool,
    /// `scheme://authority` for addresses when a request names none.
    pub base: String,
    /// The same of other servers with the same media and key; every rendition is also addressed there.
    pub alternates: Vec<String>,
    /// Tokens that no longer count.
    pub revoked: Revoked,
    /// What moderators said.
    pub moderation: Moderation,
}

/// All calls of the main listener, without the gate.
pub fn router(app: Arc<App>) -> Router {
    let only = |route: MethodRouter<Arc<App>>| route.fallback(method_not_allowed);
    Router::new()
        .route("/healthz", only(get(healthz)))
        .route("/openapi.json", only(get(openapi)))
        .route("/v1/feed", only(get(feed_page)))
        .route("/v1/topics", only(get(topics)))
        .route("/v1/interactions", only(post(interactions)))
        .route("/v1/comments", only(post(comments::post)))
        .route("/v1/payments", only(post(wallets::pay)))
        .route("/v1/payments/{op}/resolve", only(post(wallets::resolve)))
        .route("/v1/assets/{asset}/renditions/{rendition}", only(get(fresh_url)))
        .route("/v1/labels", only(post(moderation::labels)))
        .route("/v1/rules", only(get(moderation::rules)))
        .route("/v1/reports", only(get(reports::list)))
        .route("/v1/logs", only(post(logs::post)))
        .route("/thumbnails/{item}", only(get(thumbnails::thumbnail)))
        .route("/media/{asset}/{*file}", only(get(media::get)))
        .fallback(not_found)
        .layer(from_fn_with_state(app.clone(), refuse_revoked))
        .with_state(app)
}

/// The OpenAPI 3.1 document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Unspool native contract",
        version = "1.0.0",
        description = "What a backend answers so that Unspool can show its feed, play its videos and hand in telemetry. Errors are `{\"error\":{\"code\",\"detail\"}}` with a stable code.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        healthz, feed_page, topics, interactions, comments::post, wallets::pay, wallets::resolve, fresh_url,
        moderation::labels, moderation::rules, thumbnails::thumbnail, reports::list, logs::post, media::get
    ),
    modifiers(&Bearer)
)]
pub struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "1 to 128 characters of A-Z a-z 0-9 . _ -; what stands before the first dot names the actor",
            ))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI document as pretty JSON with a final newline.
#[must_use]
pub fn openapi_json() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Who calls: taken from the bearer token, else 401.
pub struct Actor(pub String);

impl FromRequestParts<Arc<App>> for Actor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        actor_of(parts.headers.get(AUTHORIZATION)).map(Actor).ok_or_else(unauthorized)
    }
}

impl FromRequestParts<Arc<App>> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Base>().cloned().unwrap_or_else(|| Base(app.base.clone())))
    }
}

impl App {
    /// Where a file is: here, and on the other servers.
    fn addresses(
        &self,
        base: &Base,
        actor: &str,
        asset: &str,
        file: &str,
        expires: i64,
    ) -> (String, Vec<String>) {
        let path = media::path_of(asset, file);
        let rest = format!("{}?{}", encode(&path), self.signer.query(&path, actor, expires));
        let at = |base: &String| format!("{base}{rest}");
        (at(&base.0), self.alternates.iter().map(at).collect())
    }

    fn rendition(
        &self,
        base: &Base,
        actor: &str,
        asset: &catalogue::Asset,
        rendition: &catalogue::Rendition,
        expires: i64,
    ) -> Rendition {
        let (url, alternates) = self.addresses(base, actor, &asset.id, &rendition.file, expires);
        let whole = rendition.container != crate::contract::Container::Hls;
        Rendition {
            id: rendition.id.clone(),
            width: rendition.width,
            height: rendition.height,
            bitrate_bps: rendition.bitrate_bps,
            container: rendition.container,
            url,
            alternates,
            bytes: asset.files.get(&rendition.file).filter(|_| whole).map(|file| file.len),
            expires_at_ms: Some(expires),
        }
    }

    fn item(&self, base: &Base, actor: &str, card: &Card, expires: i64) -> Option<Item> {
        let asset = self.catalogue.assets().get(card.asset)?;
        let said = self.moderation.of(&card.id);
        if said.as_ref().is_some_and(|said| said.gone) {
            return None;
        }
        let (labels, creator_labels) = match said {
            Some(said) => (said.labels, said.creator_labels),
            None => (card.labels.clone(), Vec::new()),
        };
        let renditions = asset
            .renditions
            .iter()
            .map(|rendition| self.rendition(base, actor, asset, rendition, expires))
            .collect();
        let track = |track: &catalogue::Captions| CaptionTrack {
            language: track.language.clone(),
            label: track.label.clone(),
            url: self.addresses(base, actor, &asset.id, &track.file, expires).0,
        };
        Some(Item {
            id: card.id.clone(),
            asset: Asset { id: asset.id.clone(), duration_ms: asset.duration_ms, renditions },
            creator: card.creator(),
            topics: card.topics.clone(),
            caption: card.caption.clone(),
            alt_text: card.alt_text.clone(),
            labels,
            self_labels: Vec::new(),
            creator_labels,
            tags: card.tags.clone(),
            languages: vec!["en".to_owned()],
            sound: card.sound.clone(),
            thumbnail: Some(thumbnails::address(&base.0, &card.id, actor)),
            relation: Relation::default(),
            retention: card.retention.clone(),
            prior: card.prior,
            vector: card.vector.clone(),
            series: card.series.clone(),
            captions: asset.captions.iter().map(track).collect(),
        })
    }
}

/// Whether the server answers.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = Health)))]
async fn healthz(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health { status: "ok".to_owned(), assets: app.catalogue.assets().len(), items: app.feeds.len() })
}

async fn openapi() -> ([(http::HeaderName, &'static str); 1], String) {
    ([(http::header::CONTENT_TYPE, "application/json")], openapi_json())
}

/// One page of a feed.
#[utoipa::path(
    get, path = "/v1/feed", tag = "feed", params(FeedQuery), security(("bearer" = [])),
    responses(
        (status = 200, body = FeedPage),
        (status = 400, description = "`bad_query`, `bad_limit` or `bad_cursor`", body = ErrorBody),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
        (status = 404, description = "`unknown_feed`", body = ErrorBody),
    )
)]
async fn feed_page(
    State(app): State<Arc<App>>,
    Actor(actor): Actor,
    base: Base,
    query: Result<Query<FeedQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<FeedPage>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad("bad_query", error.body_text()))?;
    let feed = Feed::parse(&query.feed).ok_or_else(|| {
        ApiError::missing("unknown_feed", "feeds are for_you, following, learn, non_profiled, topic:<id>")
    })?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad("bad_limit", format!("limit must lie within 1..={MAX_PAGE}")));
    }
    let place = match query.cursor.as_deref() {
        None | Some("") => None,
        Some(cursor) => Some(feed::place_of(&feed, cursor).ok_or_else(|| {
            ApiError::bad("bad_cursor", "the cursor is not one of this feed's; start over without it")
        })?),
    };
    blocking(move || {
        let said = |verb| app.store.said(&actor, verb).map_err(|error| ApiError::internal(&error));
        let follows = if feed == Feed::Following { said("follow")? } else { Vec::new() };
        let place = match place {
            Some(place) => place,
            None if feed == Feed::ForYou => Place { at: 0, chosen: Chosen::of(&said("interest")?) },
            None => Place::default(),
        };
        let first =
            query.first.as_deref().filter(|_| query.cursor.is_none()).and_then(|item| app.feeds.card(item));
        let enough_of: Vec<&str> = query.enough_of.as_deref().unwrap_or_default().split(',').collect();
        let (cards, next) = app.feeds.page_without(
            &feed,
            &actor,
            &follows,
            &enough_of,
            place,
            limit as usize - usize::from(first.is_some()),
        );
        let expires = now_ms().saturating_add(app.url_ttl_ms);
        let cards = first
            .into_iter()
            .chain(cards.into_iter().filter(|card| first.is_none_or(|first| first.id != card.id)));
        let items = cards.filter_map(|card| app.item(&base, &actor, card, expires)).collect();
        Ok(Json(FeedPage { items, next_cursor: next.map(|place| feed::cursor(&feed, place)) }))
    })
    .await
}

/// All topics.
#[utoipa::path(
    get, path = "/v1/topics", tag = "feed",
    responses(
        (status = 200, body = Topics),
        (status = 401, description = "`unauthorized`: a token was sent and it is revoked", body = ErrorBody),
    )
)]
async fn topics() -> Json<Topics> {
    Json(Topics { topics: feed::topics() })
}

/// Stores desired states; each operation counts once however often it arrives.
#[utoipa::path(
    post, path = "/v1/interactions", tag = "interactions", security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header, description = "1 to 128 characters, new for every call that is not a repeat")),
    request_body = InteractionsRequest,
    responses(
        (status = 200, body = InteractionsResponse),
        (status = 400, description = "`bad_json` or `idempotency_key_required`", body = ErrorBody),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
        (status = 413, description = "`too_many` or `too_large`", body = ErrorBody),
    )
)]
async fn interactions(
    State(app): State<Arc<App>>,
    Actor(actor): Actor,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<InteractionsResponse>, ApiError> {
    let body = logs::read(body, MAX_JSON).await?;
    let key = idempotency_key(&headers)?.to_owned();
    let request: InteractionsRequest = object(&body)?;
    if request.interactions.len() > MAX_INTERACTIONS {
        let detail = format!("at most {MAX_INTERACTIONS} interactions a call");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many", detail));
    }
    blocking(move || {
        let results = app
            .store
            .apply(&actor, &key, &request.interactions)
            .map_err(|error| ApiError::internal(&error))?;
        Ok(Json(InteractionsResponse { results }))
    })
    .await
}

/// The `Idempotency-Key` of a call that must have one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<&str, ApiError> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    key.filter(|key| !key.is_empty() && key.len() <= MAX_TOKEN)
        .ok_or_else(|| ApiError::bad("idempotency_key_required", "send Idempotency-Key, 1 to 128 characters"))
}

/// A fresh address for a rendition whose address has expired.
#[utoipa::path(
    get, path = "/v1/assets/{asset}/renditions/{rendition}", tag = "media", security(("bearer" = [])),
    params(
        ("asset" = String, Path, description = "Asset identifier"),
        ("rendition" = String, Path, description = "Rendition identifier"),
    ),
    responses(
        (status = 200, body = FreshUrl),
        (status = 401, description = "`unauthorized`", body = ErrorBody),
        (status = 404, description = "`unknown_asset` or `unknown_rendition`", body = ErrorBody),
    )
)]
async fn fresh_url(
    State(app): State<Arc<App>>,
    Actor(actor): Actor,
    base: Base,
    Path((asset, rendition)): Path<(String, String)>,
) -> Result<Json<FreshUrl>, ApiError> {
    let asset =
        app.catalogue.asset(&asset).ok_or_else(|| ApiError::missing("unknown_asset", "no such asset"))?;
    let rendition = asset
        .renditions
        .iter()
        .find(|known| known.id == rendition)
        .ok_or_else(|| ApiError::missing("unknown_rendition", "the asset has no such rendition"))?;
    let expires_at_ms = now_ms().saturating_add(app.url_ttl_ms);
    let (url, alternates) = app.addresses(&base, &actor, &asset.id, &rendition.file, expires_at_ms);
    Ok(Json(FreshUrl { url, alternates, expires_at_ms }))
}

/// Reads a JSON object. serde would also take an array for a struct, field by field; nobody should rely on that.
pub(crate) fn object<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bad = |detail: String| ApiError::bad("bad_json", detail);
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    if !value.is_object() {
        return Err(bad("send a JSON object".to_owned()));
    }
    serde_json::from_value(value).map_err(|error| bad(error.to_string()))
}

/// Runs database work off the reactor.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(&error))?
}
