//! The native contract, version 1, as `docs/openapi.json` states it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use unspool_engine::{
    Asset, CaptionTrack, Container, Creator, Embedding, Item, LabelUpdate, MediaKey, Page, PageRequest,
    Relation, Rendition, SeriesPart,
};
use unspool_media::{OutboundPurpose, Wire, WireError};
use url::Url;

use super::{Backend, BackendError, Located, Topic, check};
use crate::auth::{Auth, TokenError};
use crate::meter::Meter;
use crate::wellbeing::ServerTime;

/// Largest answer read: 50 items of 20 KiB.
const ANSWER_BYTES: usize = 1024 * 1024;
/// Most topics a request says it has enough of: no more have their share of ten cards, with up to four tags each.
const ENOUGH_OF: usize = 10;
/// A backend that speaks the native contract.
#[derive(Debug)]
pub struct Native {
    wire: Wire,
    base: Url,
    auth: Auth,
    timeout: Duration,
    meter: Meter,
    time: ServerTime,
}

impl Native {
    /// An adapter for the contract at `base`, as the person of `auth`. `meter` counts what it receives.
    #[must_use]
    pub fn new(client: impl Into<Wire>, base: Url, auth: Auth, timeout: Duration, meter: Meter) -> Self {
        let wire = client.into().for_purpose(OutboundPurpose::Feed);
        Native { wire, base, auth, timeout, meter, time: ServerTime::default() }
    }

    /// Tells `time` what time it is, with every answer.
    #[must_use]
    pub(crate) fn telling(self, time: ServerTime) -> Self {
        Native { time, ..self }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, BackendError> {
        parsed(&self.send(path, query, None).await?)
    }

    async fn send(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&serde_json::Value>,
    ) -> Result<Vec<u8>, BackendError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| BackendError::Refused { status: 0 })?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = |url: Url| match body {
            Some(body) => self.wire.client().post(url).json(body),
            None => self.wire.client().get(url),
        };
        let token = self.auth.token().await.map_err(|e| no_token(&e))?;
        match self.send_as(request(url.clone()), &token).await {
            Err(BackendError::SignIn) => {
                let token = self.auth.renew(&token).await.map_err(|e| no_token(&e))?;
                self.send_as(request(url), &token).await
            }
            answer => answer,
        }
    }

    async fn send_as(&self, request: reqwest::RequestBuilder, token: &str) -> Result<Vec<u8>, BackendError> {
        let request = request.bearer_auth(token).timeout(self.timeout);
        let mut answer = self.wire.send(request).await.map_err(|e| match e {
            WireError::HostRefused { host } => BackendError::HostRefused { host },
            WireError::Client(e) => network(&e),
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| network(&e))? {
            self.meter.add(chunk.len());
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES {
                return Err(BackendError::Malformed(format!("answer larger than {ANSWER_BYTES} bytes")));
            }
        }
        if !status.is_success() {
            return Err(refusal(status, &headers));
        }
        if unspool_media::is_web_page(&headers) {
            return Err(BackendError::Untrusted(
                "a web page answered in the backend's place: the network may ask for a log-in".into(),
            ));
        }
        self.time.hear(&headers);
        Ok(body)
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, BackendError> {
    serde_json::from_slice(body).map_err(|e| BackendError::Malformed(e.to_string()))
}

impl Backend for Native {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move {
            let request = PageRequest { cursor: cursor.map(str::to_owned), limit, ..PageRequest::default() };
            self.requested(feed, &request).await
        })
    }

    fn requested<'a>(
        &'a self,
        feed: &'a str,
        request: &'a PageRequest,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move {
            let limit = request.limit.clamp(1, check::PAGE_ITEMS as u32).to_string();
            let mut query = vec![("feed", feed), ("limit", &limit)];
            query.extend(request.cursor.as_deref().map(|c| ("cursor", c)));
            query.extend(request.first.as_deref().map(|item| ("first", item)));
            let enough_of: Vec<&str> =
                request.enough_of.iter().map(String::as_str).filter(|topic| !topic.contains(',')).collect();
            let enough_of = enough_of.iter().take(ENOUGH_OF).copied().collect::<Vec<_>>().join(",");
            if !enough_of.is_empty() {
                query.push(("enough_of", &enough_of));
            }
            let page: WirePage = self.get(&["feed"], &query).await?;
            let items = page.items.into_iter().map(Item::from).collect();
            check::page(Page { items, next_cursor: page.next_cursor })
        })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async move {
            let topics: WireTopics = self.get(&["topics"], &[]).await?;
            let topics = topics.topics.into_iter().map(|t| Topic { id: t.id, title: t.title });
            Ok(check::topics(topics.collect()))
        })
    }

    fn labels<'a>(&'a self, items: &'a [String]) -> BoxFuture<'a, Result<Vec<LabelUpdate>, BackendError>> {
        Box::pin(async move {
            let body = serde_json::json!({ "items": items });
            let answer = match self.send(&["labels"], &[], Some(&body)).await {
                // An older server, which labels nothing late.
                Err(BackendError::Refused { status: 404 }) => return Ok(Vec::new()),
                answer => answer?,
            };
            let wire: WireLabels = parsed(&answer)?;
            let updates = wire.items.into_iter().map(|i| LabelUpdate {
                item: i.id,
                labels: i.labels,
                creator_labels: i.creator_labels,
                gone: i.gone,
            });
            Ok(check::labels(updates.collect()))
        })
    }

    fn rules(&self, held: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, BackendError>> {
        Box::pin(async move {
            match self.send(&["rules"], &[("held", &held.to_string())], None).await {
                Err(BackendError::Refused { status: 404 }) => Ok(None),
                // 204: none that are newer.
                Ok(body) if body.is_empty() => Ok(None),
                answer => answer.map(Some),
            }
        })
    }

    fn reports(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, BackendError>> {
        Box::pin(async move {
            let answer = match self.send(&["reports"], &[], None).await {
                // An older server, which tells nothing of reports.
                Err(BackendError::Refused { status: 404 }) => return Ok(Vec::new()),
                answer => answer?,
            };
            let wire: WireReports = parsed(&answer)?;
            let decided = wire.reports.into_iter().filter_map(|r| Some((r.target, r.outcome?)));
            Ok(check::reports(decided.collect()))
        })
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async move {
            let (asset, rendition) = key.parts();
            let fresh: WireLocated = self.get(&["assets", asset, "renditions", rendition], &[]).await?;
            check::located(Located {
                url: fresh.url,
                alternates: fresh.alternates,
                expires_at_ms: fresh.expires_at_ms,
            })
        })
    }
}

fn no_token(error: &TokenError) -> BackendError {
    match error {
        TokenError::SignedOut => BackendError::SignIn,
        TokenError::Unavailable { .. } => BackendError::NoToken(error.to_string()),
    }
}

fn network(error: &reqwest::Error) -> BackendError {
    if let Some(distrust) = unspool_media::distrust(error) {
        return BackendError::Untrusted(distrust.to_string());
    }
    // The address may hold a signature, so the text names the kind of failure only.
    let what = if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "answer cut short"
    } else {
        "request failed"
    };
    BackendError::Network(what.into())
}

fn refusal(status: StatusCode, headers: &header::HeaderMap) -> BackendError {
    let seconds =
        headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    match status {
        StatusCode::UNAUTHORIZED => BackendError::SignIn,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            BackendError::Busy { status: status.as_u16(), retry_after: seconds.map(Duration::from_secs) }
        }
        s if s.is_server_error() => {
            BackendError::Busy { status: s.as_u16(), retry_after: seconds.map(Duration::from_secs) }
        }
        s => BackendError::Refused { status: s.as_u16() },
    }
}

#[derive(Deserialize)]
struct WirePage {
    items: Vec<WireItem>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct WireItem {
    id: String,
    asset: WireAsset,
    creator: Creator,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    caption: String,
    #[serde(default)]
    alt_text: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    self_labels: Vec<String>,
    #[serde(default)]
    creator_labels: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    languages: Vec<String>,
    sound: Option<String>,
    thumbnail: Option<String>,
    #[serde(default)]
    relation: Relation,
    #[serde(default)]
    retention: Vec<(u64, f64)>,
    prior: Option<f64>,
    #[serde(default, deserialize_with = "or_nothing")]
    vector: Option<Embedding>,
    #[serde(default, deserialize_with = "or_nothing")]
    series: Option<SeriesPart>,
    #[serde(default)]
    captions: Vec<CaptionTrack>,
}

#[derive(Deserialize)]
struct WireAsset {
    id: String,
    duration_ms: u64,
    renditions: Vec<WireRendition>,
}

#[derive(Deserialize)]
struct WireRendition {
    id: String,
    width: u32,
    height: u32,
    bitrate_bps: u64,
    container: Container,
    url: String,
    #[serde(default)]
    alternates: Vec<String>,
    bytes: Option<u64>,
    expires_at_ms: Option<i64>,
}

#[derive(Deserialize)]
struct WireTopics {
    topics: Vec<WireTopic>,
}

#[derive(Deserialize)]
struct WireTopic {
    id: String,
    title: String,
}

#[derive(Deserialize)]
struct WireLabels {
    items: Vec<WireLabelled>,
}

#[derive(Deserialize)]
struct WireLabelled {
    id: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    creator_labels: Vec<String>,
    #[serde(default)]
    gone: bool,
}

#[derive(Deserialize)]
struct WireReports {
    reports: Vec<WireReport>,
}

#[derive(Deserialize)]
struct WireReport {
    target: String,
    outcome: Option<String>,
}

#[derive(Deserialize)]
struct WireLocated {
    url: String,
    #[serde(default)]
    alternates: Vec<String>,
    expires_at_ms: Option<i64>,
}

/// What may help and is not needed: of another shape, it counts as absent, and the item goes on without it.
fn or_nothing<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

impl From<WireItem> for Item {
    fn from(wire: WireItem) -> Self {
        let renditions = wire.asset.renditions.into_iter().map(Rendition::from).collect();
        Item {
            id: wire.id,
            asset: Asset { id: wire.asset.id, duration_ms: wire.asset.duration_ms, renditions },
            creator: wire.creator,
            topics: wire.topics,
            caption: wire.caption,
            alt_text: wire.alt_text,
            labels: wire.labels,
            self_labels: wire.self_labels,
            creator_labels: wire.creator_labels,
            tags: wire.tags,
            languages: wire.languages,
            sound: wire.sound,
            thumbnail: wire.thumbnail,
            relation: wire.relation,
            retention: wire.retention,
            prior: wire.prior,
            vector: wire.vector,
            series: wire.series,
            captions: wire.captions,
        }
    }
}

impl From<WireRendition> for Rendition {
    fn from(wire: WireRendition) -> Self {
        Rendition {
            id: wire.id,
            width: wire.width,
            height: wire.height,
            bitrate_bps: wire.bitrate_bps,
            container: wire.container,
            url: wire.url,
            alternates: wire.alternates,
            bytes: wire.bytes,
            expires_at_ms: wire.expires_at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn item() -> Value {
        json!({
            "id": "i1",
            "asset": {"id": "a1", "duration_ms": 8000, "renditions": [
                {"id": "720p", "width": 720, "height": 1280, "bitrate_bps": 2_000_000, "container": "mp4",
                 "url": "https://cdn.example/a.mp4", "bytes": 2_000_000, "expires_at_ms": null},
                {"id": "270p", "width": 270, "height": 480, "bitrate_bps": 500_000, "container": "hls",
                 "url": "https://cdn.example/a.m3u8", "bytes": null, "expires_at_ms": 1}
            ]},
            "creator": {"id": "c", "handle": "ada", "name": "Ada"},
            "topics": ["science"], "caption": "x", "alt_text": "y", "labels": [],
            "tags": ["日本", "slow travel"], "languages": ["ja"], "sound": "s1", "thumbnail": "https://cdn.example/a.jpg",
            "retention": [[0, 1.0], [1000, 0.5]], "prior": 0.5
        })
    }

    fn checked(value: Value) -> Option<Item> {
        check::item(serde_json::from_value::<WireItem>(value).ok()?.into())
    }

    #[test]
    fn a_good_item_passes_with_its_renditions_in_order() {
        let item = checked(item()).unwrap();
        assert_eq!(item.asset.renditions.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["270p", "720p"]);
    }

    #[test]
    fn a_thumbnail_that_is_no_address_is_left_out() {
        let good = checked(item()).unwrap();
        assert_eq!(good.thumbnail.as_deref(), Some("https://cdn.example/a.jpg"));
        assert_eq!((good.sound.as_deref(), good.tags.len()), (Some("s1"), 2));
        let mut bad = item();
        bad["thumbnail"] = json!("file:///etc/passwd");
        assert_eq!(checked(bad).unwrap().thumbnail, None);
    }

    #[test]
    fn each_bound_is_kept() {
        type Spoil = fn(&mut Value);
        let spoils: [(&str, Spoil); 13] = [
            ("empty id", |v| v["id"] = json!("")),
            ("space in an id", |v| v["asset"]["id"] = json!("a b")),
            ("endless id", |v| v["creator"]["id"] = json!("x".repeat(200))),
            ("endless caption", |v| v["caption"] = json!("x".repeat(5000))),
            ("share above one", |v| v["retention"] = json!([[0, 1.5]])),
            ("curve going back", |v| v["retention"] = json!([[5, 0.5], [5, 0.4]])),
            ("prior below zero", |v| v["prior"] = json!(-0.1)),
            ("sound without a name", |v| v["sound"] = json!("")),
            ("endless tag", |v| v["tags"] = json!(["x".repeat(641)])),
            ("too many of the creator's labels", |v| v["creator_labels"] = json!(vec!["x"; 65])),
            ("no language", |v| v["languages"] = json!([""])),
            ("no rendition", |v| v["asset"]["renditions"] = json!([])),
            ("file address", |v| {
                v["asset"]["renditions"] = json!([{"id": "r", "width": 1, "height": 1, "bitrate_bps": 1,
                    "container": "mp4", "url": "file:///etc/passwd", "bytes": null, "expires_at_ms": null}]);
            }),
        ];
        for (what, spoil) in spoils {
            let mut value = item();
            spoil(&mut value);
            assert!(checked(value).is_none(), "{what}");
        }
    }
}
