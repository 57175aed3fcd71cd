//! Tokens that expire: renewed once for everybody, waited for, and given up only when nobody is signed in.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all};
use serde_json::json;
use unspool::{Config, Credentials, Error, FeedKind, TokenError, TokenProvider, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, dropped_after, eventually, first_frame};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// What the provider does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    /// Gives the next token of the actor.
    Next,
    /// The same, after a while.
    Slow(Duration),
    SignedOut,
    Hangs,
    Panics,
}

/// An app that refreshes the tokens of ada.
struct App {
    mood: Mutex<Mood>,
    given: AtomicUsize,
    asked: AtomicUsize,
    rejected: Mutex<Vec<String>>,
}

impl App {
    fn new() -> Arc<Self> {
        Arc::new(App {
            mood: Mutex::new(Mood::Next),
            given: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            rejected: Mutex::new(Vec::new()),
        })
    }

    fn feels(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn rejected(&self) -> Vec<String> {
        self.rejected.lock().unwrap().clone()
    }
}

impl TokenProvider for App {
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, TokenError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.rejected.lock().unwrap().extend(rejected);
        let mood = *self.mood.lock().unwrap();
        Box::pin(async move {
            match mood {
                Mood::Next => {}
                Mood::Slow(wait) => tokio::time::sleep(wait).await,
                Mood::SignedOut => return Err(TokenError::SignedOut),
                Mood::Hangs => pending().await,
                Mood::Panics => panic!("the app has a defect"),
            }
            Ok(format!("ada.{}", self.given.fetch_add(1, Ordering::SeqCst) + 1))
        })
    }
}

struct Stage {
    dir: tempfile::TempDir,
    origin: Origin,
    app: Arc<App>,
}

impl Stage {
    fn new() -> Done<Self> {
        let dir = tempfile::tempdir()?;
        let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
        Ok(Stage { dir, origin, app: App::new() })
    }

    fn open(&self, timeout: Duration) -> Done<Unspool> {
        let credentials = Credentials::Provider(self.app.clone());
        let mut config = Config::new(self.dir.path().join("core"), &self.origin.url, "ada", credentials)?;
        config.telemetry.send_every = Duration::from_millis(200);
        config.request_timeout = timeout;
        Ok(Unspool::open(config)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refresh_serves_every_refused_request() -> Done<()> {
    let stage = Stage::new()?;
    let (origin, app) = (&stage.origin, &stage.app);
    let session = stage.open(PATIENCE)?;
    assert_eq!(session.topics().await?.len(), 8);
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    assert_eq!(app.asked(), 1, "one token for all of it");
    origin.quiet().await?;
    origin.revoke("ada.1").await?;
    app.feels(Mood::Slow(Duration::from_millis(50)));
    // Slow enough that they are all on their way before the first is refused.
    origin.network(json!({"rtt_ms": 200})).await?;
    let (topics, liked) = tokio::join!(
        join_all((0..50).map(|_| session.topics())),
        join_all((0..50).map(async |n| session.set_liked(&format!("item-{n:05}"), n % 2 == 0).await)),
    );
    assert!(topics.iter().all(Result::is_ok), "{topics:?}");
    assert!(liked.iter().all(Result::is_ok), "{liked:?}");
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_delivered, out.intents_queued, out.queued), (50, 0, 0));
    assert_eq!((app.asked(), app.rejected()), (2, vec!["ada.1".to_owned()]), "refreshed exactly once");
    let refused = origin.log()?.iter().filter(|line| line["status"] == 401).count();
    assert!(refused >= 2, "many were refused with the old one: {refused}");
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(origin.desired("ada").await?.len(), 50);
    assert_eq!(origin.impressions(&session.installation()).await?.len(), 1);
    origin.quiet().await?;
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?, "refusals are counted too");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nobody_signed_in_everything_waits_and_then_goes() -> Done<()> {
    let stage = Stage::new()?;
    let (origin, app) = (&stage.origin, &stage.app);
    let session = stage.open(PATIENCE)?;
    session.topics().await?;
    origin.revoke("ada.1").await?;
    app.feels(Mood::SignedOut);
    let feed = session.feed(FeedKind::ForYou)?;
    assert_eq!(feed.next().await.err(), Some(Error::SignIn));
    assert_eq!(session.topics().await.err(), Some(Error::SignIn));
    session.set_liked("item-00001", true).await?;
    let began = Instant::now();
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_queued, out.intents_delivered), (1, 0));
    assert!(began.elapsed() < PATIENCE / 2, "it does not wait for what cannot come");
    let asked = app.asked();
    session.set_liked("item-00002", true).await?;
    assert_eq!(session.flush(PATIENCE).await?.intents_queued, 2);
    assert_eq!(app.asked(), asked, "the lanes do not ask until somebody has signed in");

    app.feels(Mood::Next);
    session.signed_in();
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_queued, out.intents_delivered), (0, 2));
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(origin.desired("ada").await?.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_or_panics_delays_and_nothing_more() -> Done<()> {
    let stage = Stage::new()?;
    let (origin, app) = (&stage.origin, &stage.app);
    let timeout = Duration::from_millis(300);
    let session = stage.open(timeout)?;
    for mood in [Mood::Hangs, Mood::Panics] {
        app.feels(mood);
        let began = Instant::now();
        let all = join_all((0..20).map(|_| session.topics())).await;
        assert!(
            all.iter()
                .all(|a| matches!(a, Err(Error::Backend { reason, .. }) if reason.contains("no token"))),
            "{all:?}"
        );
        assert!(began.elapsed() < timeout * 10, "they wait for one answer together: {:?}", began.elapsed());
    }
    app.feels(Mood::Hangs);
    session.set_liked("item-00001", true).await?;
    let began = Instant::now();
    let out = session.flush(Duration::from_millis(100)).await?;
    assert_eq!(out.intents_queued, 1);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Instant::now();
    let report = session.shutdown(Duration::from_secs(2)).await;
    assert!(
        report.clean && began.elapsed() < Duration::from_secs(4),
        "{report:?} after {:?}",
        began.elapsed()
    );
    assert_eq!(origin.desired("ada").await?.len(), 0);

    app.feels(Mood::Next);
    let session = stage.open(PATIENCE)?;
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_queued, out.intents_delivered), (0, 1), "kept, and sent once it can be");
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_leaves_no_half_refreshed_token() -> Done<()> {
    let stage = Stage::new()?;
    let app = &stage.app;
    let session = stage.open(PATIENCE)?;
    app.feels(Mood::Slow(Duration::from_millis(100)));
    for _ in 0..20 {
        assert!(dropped_after(1, session.topics()).await.is_none());
    }
    session.topics().await?;
    assert_eq!(app.asked(), 1, "the question went on although nobody waited for it");
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_generation_is_the_same_person() -> Done<()> {
    let stage = Stage::new()?;
    let (origin, app) = (&stage.origin, &stage.app);
    let session = stage.open(PATIENCE)?;
    session.set_liked("item-00001", true).await?;
    session.flush(PATIENCE).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.revoke("ada.1").await?;
    let session = stage.open(PATIENCE)?;
    assert_eq!(session.liked("item-00001").await?, Some(true), "wishes are filed by account, not by token");
    session.set_liked("item-00001", false).await?;
    session.flush(PATIENCE).await?;
    session.shutdown(PATIENCE).await;
    assert_eq!(app.asked(), 2);
    let wanted = [("like".to_owned(), "item-00001".to_owned(), false)];
    assert_eq!(origin.desired("ada").await?, wanted.into());
    eventually("requests end", async || Ok(origin.get("/control/stats").await?["in_flight"] == 0)).await
}
