//! A person whose every trace is a word that is nowhere else.

// Each test uses some of it.
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use serde_json::json;
use unspool::spool::Value;
use unspool::{
    AgeBand, Backend, BackendError, Config, Credentials, Error, FeedKind, Item, Located, MediaKey, MutedWord,
    Order, Page, PaymentCause, Report, ReportReason, ReportSubject, SafetySettings, Topic, Unspool,
};

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const CANARIES: usize = 200;
/// Items that the feed holds, and the first canary of theirs.
const ITEMS: std::ops::Range<usize> = 0..12;
const OF_ITEMS: usize = 135;

/// A word that is nowhere else.
pub fn canary(number: usize) -> String {
    format!("cnry-{number:03}-{:08x}", (number as u32 + 1).wrapping_mul(0x9e37_79b1))
}

pub fn canaries(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(canary)
}

/// Serves any address with bytes that hold a canary.
pub async fn serve() -> String {
    async fn answer() -> Response {
        let mut body = canary(195).into_bytes();
        body.resize(100_000, b'.');
        let range = format!("bytes 0-{}/{}", body.len() - 1, body.len());
        let tag = format!("\"{}\"", canary(196));
        (StatusCode::PARTIAL_CONTENT, [("content-range", range), ("etag", tag)], body).into_response()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

/// Pages whose every word is a canary.
#[derive(Debug)]
struct Pages(String);

impl Pages {
    fn item(&self, number: usize) -> Item {
        let word = |field: usize| canary(OF_ITEMS + number * 5 + field);
        let rendition = json!({
            "id": "r", "width": 160, "height": 120, "bitrate_bps": 200_000, "container": "mp4",
            "url": format!("{}/{}.mp4", self.0, word(1)), "alternates": [], "bytes": 100_000, "expires_at_ms": null,
        });
        let item = json!({
            "id": word(0), "asset": {"id": word(1), "duration_ms": 3_000, "renditions": [rendition]},
            "creator": {"id": word(2), "handle": "h", "name": word(2)}, "topics": [word(4)], "caption": word(3),
            "alt_text": "", "labels": [], "retention": [], "prior": null,
        });
        serde_json::from_value(item).unwrap()
    }
}

impl Backend for Pages {
    fn page<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        let items = ITEMS.map(|number| self.item(number)).collect();
        Box::pin(async move { Ok(Page { items, next_cursor: Some(canary(197)) }) })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn locate<'a>(&'a self, _: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async { Err(BackendError::Refused { status: 404 }) })
    }
}

pub fn open(dir: &Path, server: &str, account: &str) -> Result<Unspool, Error> {
    unspool::install_tls();
    let host = Arc::new(Pages(server.to_owned()));
    Unspool::open(Config::hosted(dir, host, account, Credentials::Fixed("token".into())).unwrap())
}

fn report(subject: ReportSubject, words: Option<String>) -> Report {
    Report { subject, reason: ReportReason::ViolenceGraphic, scene: None, words }
}

/// Leaves every canary where a person leaves something.
pub async fn seed(dir: &Path, server: &str) {
    let session = open(dir, server, &canary(0)).unwrap();
    session.set_interests(canaries(1..21).collect()).await.unwrap();
    for item in canaries(21..35) {
        session.set_liked(&item, true).await.unwrap();
    }
    for creator in canaries(35..45) {
        session.set_followed(&creator, true).await.unwrap();
    }
    for item in canaries(45..55) {
        session.set_saved(&item, true).await.unwrap();
    }
    for text in canaries(55..75) {
        session.add_comment(&canary(21), None, &text).await.unwrap();
    }
    for (n, what) in canaries(75..85).enumerate() {
        let (subject, words) = match n % 2 {
            0 => (ReportSubject::Comment(what), None),
            _ => (ReportSubject::Item(format!("reported-{n}")), Some(what)),
        };
        session.report(report(subject, words)).await.unwrap();
    }
    for words in canaries(85..100) {
        let said = vec![("query".to_owned(), Value::Str(words))];
        assert!(session.record_durable("unspool.search", said).await.unwrap());
    }
    let word = |value| MutedWord { value, tags_only: false, except_followed: false, expires_at_ms: None };
    session
        .set_safety(SafetySettings {
            age: AgeBand::Teen,
            words: canaries(100..110).map(word).collect(),
            topics: canaries(110..115).collect(),
            ..SafetySettings::default()
        })
        .await
        .unwrap();
    for creator in canaries(115..120) {
        session.set_blocked(&creator, true).await.unwrap();
    }
    for topic in canaries(120..130) {
        session.set_learner_weight(&topic, 0.5).await.unwrap();
    }
    for recipient in canaries(130..135) {
        let (cause, subject) = (PaymentCause::Gift, canary(198));
        let order = Order { cause, recipient, subject, amount: 5, price_version: canary(199) };
        session.draft_payment(order).await.unwrap();
    }
    let feed = session.feed(FeedKind::ForYou).unwrap();
    feed.next().await.unwrap();
    // Its first bytes arrive, and it is written down.
    let deadline = Instant::now() + PATIENCE;
    while session.bytes().on_disk == 0 {
        assert!(Instant::now() < deadline, "no media are kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    feed.not_interested(feed.snapshot().current.unwrap()).await.unwrap();
    let kept = feed.peek(2).await.unwrap().iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    feed.keep(&kept).await.unwrap();
    assert!(session.shutdown(PATIENCE).await.clean);
}
