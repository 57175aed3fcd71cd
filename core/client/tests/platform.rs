//! A feed played by players of the platform, with and without the pipelines in the build: the clip is fetched, probed and
//! read through the gateway, and what the player reports becomes stages, events and a record.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use unspool::{
    Asset, Backend, BackendError, Config, Container, Creator, Credentials, Event, FeedKind, FeedSession,
    HostPlayer, HostPlayers, Item, Located, MediaKey, Page, PlatformReport, PlayerEngine, PlayerError,
    PlayerWish, Rendition, Reports, Stage, Topic, Unspool, share_players,
};

const PATIENCE: Duration = Duration::from_secs(30);
const CLIP_MS: u64 = 3_000;

/// Three seconds of a moving picture.
fn clip(dir: &std::path::Path) -> Bytes {
    let path = dir.join("clip.mp4");
    let source = format!("testsrc2=size=160x120:rate=25:duration={}", CLIP_MS / 1_000);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p", "-movflags", "+faststart"])
        .arg(&path)
        .output()
        .expect("ffmpeg is what the tests make clips with");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read(path).unwrap().into()
}

/// Serves the clip with ranges.
async fn serve(bytes: Bytes) -> String {
    async fn answer(State(bytes): State<Bytes>, headers: HeaderMap) -> Response {
        let range =
            headers.get("range").and_then(|r| r.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
        let Some((first, last)) = range else { return bytes.into_response() };
        let first: usize = first.parse().unwrap();
        let end = last.parse().map_or(bytes.len(), |last: usize| (last + 1).min(bytes.len()));
        if first >= end {
            let total = format!("bytes */{}", bytes.len());
            return (StatusCode::RANGE_NOT_SATISFIABLE, [("content-range", total)]).into_response();
        }
        let range = format!("bytes {first}-{}/{}", end - 1, bytes.len());
        let headers = [("content-range", range), ("etag", "\"1\"".to_owned())];
        (StatusCode::PARTIAL_CONTENT, headers, bytes.slice(first..end)).into_response()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(answer).with_state(bytes);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

/// Pages of the app.
#[derive(Debug)]
struct Pages(String);

impl Backend for Pages {
    fn page<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        let item = |number: usize| Item {
            id: format!("item-{number}"),
            asset: Asset {
                id: format!("asset-{number}"),
                duration_ms: CLIP_MS,
                renditions: vec![Rendition {
                    id: "r".into(),
                    width: 160,
                    height: 120,
                    bitrate_bps: 200_000,
                    container: Container::Mp4,
                    url: format!("{}/{number}.mp4", self.0),
                    alternates: Vec::new(),
                    bytes: None,
                    expires_at_ms: None,
                }],
            },
            creator: Creator { id: format!("creator-{number}"), handle: "ada".into(), name: "Ada".into() },
            topics: Vec::new(),
            caption: String::new(),
            alt_text: String::new(),
            labels: Vec::new(),
            self_labels: Vec::new(),
            creator_labels: Vec::new(),
            tags: Vec::new(),
            languages: Vec::new(),
            sound: None,
            thumbnail: None,
            relation: unspool::Relation::default(),
            retention: Vec::new(),
            prior: None,
            captions: Vec::new(),
            vector: None,
            series: None,
        };
        Box::pin(async move { Ok(Page { items: (0..3).map(item).collect(), next_cursor: None }) })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn locate<'a>(&'a self, _: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async { Err(BackendError::Refused { status: 404 }) })
    }
}

/// Reads all of its address, then keeps time.
#[derive(Debug, Default)]
struct Reader {
    runs: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    reports: std::sync::OnceLock<Reports>,
}

#[derive(Debug)]
struct Readers(Arc<AtomicU64>);

impl HostPlayers for Readers {
    fn name(&self) -> Arc<dyn HostPlayer> {
        Arc::new(Reader { bytes: Arc::clone(&self.0), ..Reader::default() })
    }
}

impl HostPlayer for Reader {
    fn make(&self, address: String, _: bool, reports: Reports) -> BoxFuture<'_, Result<(), PlayerError>> {
        Box::pin(async move {
            let broken = |e: reqwest::Error| PlayerError::Source { reason: e.to_string(), retryable: true };
            let answer = reqwest::get(&address).await.map_err(broken)?.error_for_status().map_err(broken)?;
            let bytes = answer.bytes().await.map_err(broken)?;
            self.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            reports.tell(PlatformReport::Ready { width: 160, height: 120 });
            self.reports.set(reports).unwrap();
            Ok(())
        })
    }

    fn wish(&self, wish: PlayerWish) -> BoxFuture<'_, Result<(), PlayerError>> {
        let runs = Arc::clone(&self.runs);
        match wish {
            PlayerWish::Play if !runs.swap(true, Ordering::SeqCst) => {
                let reports = self.reports.get().unwrap().clone();
                tokio::spawn(async move {
                    let begun = Instant::now();
                    reports.tell(PlatformReport::Shown { position_ms: 0 });
                    let mut frames = 0;
                    while runs.load(Ordering::SeqCst) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        frames += 1;
                        let position_ms = u64::try_from(begun.elapsed().as_millis()).unwrap().min(CLIP_MS);
                        reports.tell(PlatformReport::Position { position_ms, frames });
                    }
                });
            }
            PlayerWish::Pause => runs.store(false, Ordering::SeqCst),
            _ => {}
        }
        Box::pin(async { Ok(()) })
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        self.runs.store(false, Ordering::SeqCst);
        Box::pin(async {})
    }
}

async fn until(feed: &FeedSession, what: &str, wanted: impl Fn(&unspool::Snapshot) -> bool) {
    let mut snapshot = feed.snapshot();
    while !wanted(&snapshot) {
        let next = tokio::time::timeout(PATIENCE, feed.snapshot_after(snapshot.revision)).await;
        snapshot = next.unwrap_or_else(|_| panic!("not in time: {what}; {snapshot:?}")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_is_played_by_players_of_the_platform() {
    unspool::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let bytes = clip(dir.path());
    let size = bytes.len() as u64;
    let host = Arc::new(Pages(serve(bytes).await));
    let credentials = Credentials::Fixed("ada".into());
    let mut config = Config::hosted(dir.path().join("core"), host, "ada", credentials).unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let factory = share_players(Arc::new(Readers(Arc::clone(&read))), PATIENCE);
    config.engine = PlayerEngine::Platform { factory, files: false };
    let session = Unspool::open(config).unwrap();
    let feed = session.feed(FeedKind::ForYou).unwrap();
    feed.next().await.unwrap();
    until(&feed, "it plays", |s| s.frames > 5 && s.window[0].stage == Stage::Playing).await;
    until(&feed, "the next is ready", |s| s.window.get(1).is_some_and(|c| c.stage == Stage::PreRolled)).await;
    feed.next().await.unwrap();
    until(&feed, "it plays, too", |s| s.current == Some(1) && s.playhead_ms > 200).await;
    assert!(read.load(Ordering::SeqCst) >= 2 * size, "whole clips came through the gateway");
    assert!(matches!(session.set_window(Some(1)), Err(unspool::Error::Config { .. })));
    let events = feed.events(0, 1_000).events;
    let frames: Vec<_> = events.iter().filter(|e| matches!(e, Event::FirstFrame { .. })).collect();
    assert_eq!(frames.len(), 2, "{events:?}");
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean);
    assert_eq!(report.outgoing.recorded, 2, "a viewing each");
    assert!(session.watched_ms() >= 100, "{}", session.watched_ms());
}

/// The rest of a session works, and the feed says what does not.
#[cfg(not(feature = "gstreamer"))]
#[tokio::test(flavor = "multi_thread")]
async fn without_pipelines_and_without_players_a_feed_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(Pages("http://127.0.0.1:9".to_owned()));
    let credentials = Credentials::Fixed("ada".into());
    let session = Unspool::open(Config::hosted(dir.path(), host, "ada", credentials).unwrap()).unwrap();
    let feed = session.feed(FeedKind::ForYou).unwrap();
    assert_eq!(feed.next().await.unwrap().item.id, "item-0");
    let mut seen = 0;
    loop {
        let batch = tokio::time::timeout(PATIENCE, feed.events_after(seen, 8)).await.unwrap().unwrap();
        seen = batch.last;
        if batch.events.iter().any(|e| matches!(e, Event::PlayersFailed { .. })) {
            break;
        }
    }
    session.set_liked("item-0", true).await.unwrap();
    assert!(session.shutdown(PATIENCE).await.clean);
}
