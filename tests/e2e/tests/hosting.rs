//! An app that supplies pages, topics and addresses itself, and one that does so badly.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::Value;
use unspool::{
    Backend, BackendError, Config, Credentials, Error, Event, FeedKind, Item, Located, MediaKey, Page, Stage,
    Topic, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, dropped_after, eventually, first_frame, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// What the host does with a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Hangs,
    Panics,
}

/// An app with pages of its own whose bytes lie on somebody's server.
#[derive(Debug)]
struct Host {
    pages: Vec<Page>,
    topics: Vec<Topic>,
    /// Addresses that work, by rendition.
    fresh: Vec<(MediaKey, String)>,
    mood: Mutex<Mood>,
    asked: Mutex<Vec<String>>,
    located: Mutex<Vec<MediaKey>>,
    open_calls: AtomicUsize,
}

/// Counts a call as open until it has ended or was dropped.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(calls: &'a AtomicUsize) -> Self {
        calls.fetch_add(1, Ordering::SeqCst);
        Open(calls)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Host {
    fn new(pages: Vec<Page>) -> Self {
        Host {
            pages,
            topics: Vec::new(),
            fresh: Vec::new(),
            mood: Mutex::new(Mood::Answers),
            asked: Mutex::default(),
            located: Mutex::default(),
            open_calls: AtomicUsize::new(0),
        }
    }

    fn feels(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn mood(&self) {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answers => {}
            Mood::Hangs => pending().await,
            Mood::Panics => panic!("the app has a defect"),
        }
    }
}

impl Backend for Host {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move {
            let _open = Open::new(&self.open_calls);
            self.asked.lock().unwrap().push(format!("{feed} {cursor:?} {limit}"));
            self.mood().await;
            let number: usize =
                cursor.map_or(Ok(0), str::parse).map_err(|_| BackendError::Refused { status: 0 })?;
            self.pages.get(number).cloned().ok_or(BackendError::Refused { status: 0 })
        })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async move {
            let _open = Open::new(&self.open_calls);
            self.mood().await;
            Ok(self.topics.clone())
        })
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async move {
            let _open = Open::new(&self.open_calls);
            self.located.lock().unwrap().push(key.clone());
            let found = self.fresh.iter().find(|(known, _)| known == key);
            let url = found.map(|(_, url)| url.clone()).ok_or(BackendError::Refused { status: 0 })?;
            Ok(Located { url, alternates: Vec::new(), expires_at_ms: None })
        })
    }
}

/// What the server shows, as an app would read it.
async fn items(origin: &Origin, count: usize) -> Done<Vec<Item>> {
    let page = origin.get_as("host", &format!("/v1/feed?feed=for_you&limit={count}")).await?;
    Ok(serde_json::from_value(page["items"].clone())?)
}

fn open(dir: &tempfile::TempDir, host: &Arc<Host>, change: impl FnOnce(&mut Config)) -> Done<Unspool> {
    let host: Arc<dyn Backend> = host.clone();
    let mut config = Config::hosted(dir.path().join("core"), host, "ada", Credentials::Fixed("ada".into()))?;
    config.telemetry.send_every = Duration::from_millis(200);
    change(&mut config);
    Ok(Unspool::open(config)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_supplies_pages_and_addresses_and_what_it_records_waits_for_a_backend() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let mut items = items(&origin, 4).await?;
    let mut fresh = Vec::new();
    for (number, item) in items.iter_mut().enumerate() {
        let asset = item.asset.id.clone();
        for rendition in &mut item.asset.renditions {
            let good = rendition.url.clone();
            match number {
                // Refused by the server when it is used.
                1 => rendition.url = good.replace("&exp=1", "&exp=2"),
                // Known to be too old.
                2 => {
                    rendition.url = "http://127.0.0.1:9/gone".into();
                    rendition.expires_at_ms = Some(1);
                }
                _ => {}
            }
            if number == 1 {
                assert_ne!(rendition.url, good, "the signature is spoilt: {good}");
            }
            fresh.push((MediaKey::new(&asset, &rendition.id), good));
        }
    }
    let stale: Vec<String> = items[1..3].iter().map(|item| item.asset.id.clone()).collect();
    let last = items.split_off(3);
    let topics = vec![Topic { id: "craft".into(), title: "Craft".into() }];
    let pages = vec![Page { items, next_cursor: Some("1".into()) }, Page { items: last, next_cursor: None }];
    let host = Arc::new(Host { fresh, topics: topics.clone(), ..Host::new(pages) });
    let session = open(&dir, &host, |_| {})?;
    assert_eq!(session.topics().await?, topics);
    session.set_interests(vec!["craft".into()]).await?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..4 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        session.set_liked(&card.item.id, true).await?;
    }
    assert_eq!(feed.next().await.err(), Some(Error::EndOfFeed));
    let located = host.located.lock().unwrap().clone();
    for asset in &stale {
        assert!(located.iter().any(|key| key.parts().0 == asset), "{asset} was located: {located:?}");
    }
    assert!(host.asked.lock().unwrap()[0].starts_with("for_you None "));

    let began = Instant::now();
    let out = session.flush(PATIENCE).await?;
    assert!(began.elapsed() < Duration::from_secs(1), "there is nobody to send to");
    assert_eq!((out.recorded, out.delivered, out.queued), (3, 0, 3));
    assert_eq!((out.intents, out.intents_delivered, out.intents_queued), (5, 0, 5));
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean);
    assert_eq!(report.outgoing.queued, 4);
    origin.quiet().await?;
    let said =
        |line: &Value| line["path"].as_str().is_some_and(|p| p == "/v1/logs" || p == "/v1/interactions");
    assert!(!origin.log()?.iter().any(said), "nothing was sent");

    // The same device with a backend for what was kept, and still the app's pages.
    let url = reqwest::Url::parse(&origin.url)?;
    let session = open(&dir, &host, |config| config.backend = Some(url))?;
    assert_eq!(session.interests().await?, ["craft"]);
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.delivered, out.queued, out.intents_delivered, out.intents_queued), (4, 0, 5, 0));
    assert_eq!(session.topics().await?, topics, "topics are still the app's");
    session.shutdown(PATIENCE).await;
    assert_eq!(origin.impressions(&session.installation()).await?.len(), 4);
    assert_eq!(origin.desired("ada").await?.len(), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_answers_is_bounded() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let good = items(&origin, 1).await?.remove(0);
    let spoilt = |spoil: &dyn Fn(&mut Item)| {
        let mut item = good.clone();
        spoil(&mut item);
        item
    };
    let bad = vec![
        spoilt(&|i| i.id = "x".repeat(1_000_000)),
        spoilt(&|i| i.caption = "x".repeat(5_000)),
        spoilt(&|i| i.labels = vec!["l".into(); 65]),
        spoilt(&|i| i.retention = vec![(0, f64::NAN)]),
        spoilt(&|i| i.prior = Some(7.0)),
        spoilt(&|i| i.asset.duration_ms = u64::MAX),
        spoilt(&|i| i.asset.renditions.clear()),
        spoilt(&|i| i.asset.renditions.iter_mut().for_each(|r| r.url = "file:///etc/passwd".into())),
        spoilt(&|i| i.asset.renditions.iter_mut().for_each(|r| r.width = u32::MAX)),
    ];
    let unreadable = spoilt(&|i| {
        i.id = "unreadable".into();
        i.asset.id = "unreadable".into();
        // No creator and no sound follows itself in a feed made for the person.
        (i.creator.id, i.sound) = ("another".into(), None);
        for r in &mut i.asset.renditions {
            r.expires_at_ms = Some(1);
        }
    });
    let fresh = unreadable.asset.renditions.iter();
    let fresh =
        fresh.map(|r| (MediaKey::new("unreadable", &r.id), "file:///etc/passwd".to_owned())).collect();
    let topics = (0..3_000).map(|n| Topic { id: format!("t{n}"), title: "x".repeat(n) }).collect();
    let pages = vec![
        Page { items: [bad, vec![good.clone(), unreadable]].concat(), next_cursor: Some("1".into()) },
        Page { items: vec![good.clone(); 51], next_cursor: None },
    ];
    let host = Arc::new(Host { fresh, topics, ..Host::new(pages) });
    let session = open(&dir, &host, |_| {})?;
    assert_eq!(session.topics().await?.len(), 1_000);
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    assert_eq!(card.item, good, "what keeps the bounds is shown, the rest is not");
    first_frame(&feed, &mut seen, card.position).await?;
    let next = feed.next().await?;
    assert_eq!(next.item.id, "unreadable");
    until(&feed, "no file of the device is read", |s| s.window[0].stage == Stage::Failed).await?;
    let too_many = feed.next().await;
    assert!(
        matches!(&too_many, Err(Error::Backend { reason, .. }) if reason.contains("50 items")),
        "{too_many:?}"
    );
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_or_panics_costs_a_call() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let host = Arc::new(Host::new(vec![Page { items: items(&origin, 2).await?, next_cursor: None }]));
    let timeout = Duration::from_millis(300);
    let session = open(&dir, &host, |config| config.request_timeout = timeout)?;
    host.feels(Mood::Hangs);
    assert_eq!(session.topics().await.err(), Some(Error::Offline));
    assert!(dropped_after(1, session.topics()).await.is_none());
    eventually("calls nobody waits for end", async || Ok(host.open_calls.load(Ordering::SeqCst) == 0))
        .await?;
    host.feels(Mood::Panics);
    let fault = session.topics().await;
    assert!(matches!(&fault, Err(Error::Backend { reason, .. }) if reason.contains("panicked")), "{fault:?}");
    let feed = session.feed(FeedKind::ForYou)?;
    let told = feed.events_after(0, 1).await?;
    assert!(matches!(told.events[..], [Event::PageFailed { retryable: true, .. }]), "{told:?}");
    host.feels(Mood::Answers);
    feed.retry()?;
    let card = feed.next().await?;
    let mut seen = told.last;
    first_frame(&feed, &mut seen, card.position).await?;
    host.feels(Mood::Hangs);
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(host.open_calls.load(Ordering::SeqCst), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_needs_somebody_to_ask() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let host: Arc<dyn Backend> = Arc::new(Host::new(Vec::new()));
    let mut config = Config::hosted(dir.path(), host, "ada", Credentials::Fixed("ada".into()))?;
    config.host = None;
    assert!(matches!(Unspool::open(config), Err(Error::Config { .. })));
    for account in ["", "a\nb", &"x".repeat(129)] {
        let wrong = Config::new(dir.path(), "http://127.0.0.1", account, Credentials::Fixed("t".into()));
        assert!(matches!(wrong, Err(Error::Config { .. })), "{account:?}");
    }
    Ok(())
}
