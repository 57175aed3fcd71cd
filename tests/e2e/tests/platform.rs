//! A second player in the pipelines' place: `playbin`, which reads the gateway over HTTP and knows nothing of the core, as
//! ExoPlayer and AVPlayer do; once as it is, and once behind asynchronous calls as an app in another language has them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "shared with the tests of the players"
)]

#[path = "../../../core/player/tests/playbin/mod.rs"]
mod playbin;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use playbin::Playbins;
use unspool::{
    Event, FeedKind, HostPlayer, HostPlayers, PlatformFactory, PlatformPlayer, PlayerEngine, PlayerError,
    PlayerWish, Reports, SeekMode, Stage, StartClass, Unspool, share_players,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Remembers which addresses it was given.
#[derive(Debug, Default)]
struct Watched {
    addresses: Mutex<Vec<String>>,
}

impl PlatformFactory for Watched {
    fn make(
        &self,
        address: &str,
        loops: bool,
        reports: Reports,
    ) -> Result<Arc<dyn PlatformPlayer>, PlayerError> {
        self.addresses.lock().unwrap().push(address.to_owned());
        Playbins.make(address, loops, reports)
    }
}

/// A factory must not wait, and the first player of a process waits for its plugins.
fn warm_up() {
    gst::init().unwrap();
    gst::ElementFactory::make("playbin").build().unwrap();
}

fn with(dir: &std::path::Path, url: &str, factory: Arc<dyn PlatformFactory>, files: bool) -> Done<Unspool> {
    warm_up();
    let mut config = config(&dir.join("core"), url, "ada")?;
    config.engine = PlayerEngine::Platform { factory, files };
    Ok(Unspool::open(config)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_facts_and_impressions_come_out_as_with_the_pipelines() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let watched = Arc::new(Watched::default());
    let session = with(dir.path(), &origin.url, watched.clone(), false)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    assert_eq!(first_frame(&feed, &mut seen, card.position).await?.class, StartClass::Cold);
    // A player that comes late to its first picture begins with a later one.
    let began = until(&feed, "it has begun", |s| s.playhead_ms > 0).await?.playhead_ms;
    until(&feed, "it plays", |s| s.playhead_ms > began + 800 && s.window[0].stage == Stage::Playing).await?;
    until(&feed, "the next card is pre-rolled", |s| {
        s.window.get(1).is_some_and(|c| c.stage == Stage::PreRolled)
    })
    .await?;
    let next = feed.next().await?;
    assert_eq!(first_frame(&feed, &mut seen, next.position).await?.class, StartClass::PreRolled);
    feed.set_rate(2.0)?;
    feed.seek_with(1_500, SeekMode::Accurate)?;
    until(&feed, "it is there", |s| s.playhead_ms >= 1_600).await?;
    feed.set_paused(true)?;
    until(&feed, "it stands", |s| s.paused).await?;
    assert!(watched.addresses.lock().unwrap().iter().all(|a| a.starts_with("http://127.0.0.1:")));

    // A suspension kills the addresses; players are made anew with those that live.
    let before: BTreeSet<String> = watched.addresses.lock().unwrap().iter().cloned().collect();
    session.suspend().await?;
    session.resume().await?;
    feed.set_paused(false)?;
    let at = feed.snapshot().frames;
    until(&feed, "it goes on", |s| s.frames > at + 3).await?;
    assert!(watched.addresses.lock().unwrap().iter().any(|address| !before.contains(address)));

    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean, "{report:?}");
    assert_eq!(report.outgoing.queued, 0);
    let records = origin.impressions(&session.installation()).await?;
    let classes: Vec<_> = records.iter().map(|r| r["attributes"]["start_class"].clone()).collect();
    assert_eq!(classes[..2], ["cold", "prerolled"], "{records:?}");
    assert!(
        records[0]["attributes"]["active_ms"].as_u64().is_some_and(|ms| (300..10_000).contains(&ms)),
        "{records:?}"
    );
    assert_eq!(records[1]["attributes"]["rate"], 2.0);
    origin.quiet().await?;
    assert_eq!(
        session.bytes().network,
        origin.bytes_to("ada")?,
        "its bytes are the gateway's, hence the books'"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_complete_is_given_as_a_file() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "1"])?;
    let watched = Arc::new(Watched::default());
    let session = with(dir.path(), &origin.url, watched.clone(), true)?;
    let cards = unspool_e2e::cards(&origin.url, "ada", 1).await?;
    session.keep(cards).await?;
    unspool_e2e::until_kept(&session, "it is complete", |s| {
        s.kept.iter().all(|k| k.state == unspool::KeepState::Complete) && !s.kept.is_empty()
    })
    .await?;
    let feed = session.feed(FeedKind::Kept)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    until(&feed, "it plays", |s| s.playhead_ms > 300).await?;
    let given = watched.addresses.lock().unwrap().clone();
    assert!(given[0].starts_with("file:///"), "{given:?}");
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

/// The same players behind asynchronous calls.
#[derive(Debug, Default)]
struct App {
    named: Arc<AtomicUsize>,
    released: Arc<AtomicUsize>,
    /// The first so many are refused, the next so many never answer.
    refuses: usize,
    hangs: usize,
}

#[derive(Debug)]
struct AppPlayer {
    inner: OnceLock<Arc<dyn PlatformPlayer>>,
    mood: Mood,
    released: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Mood {
    Refuses,
    Hangs,
    Plays,
}

impl HostPlayers for App {
    fn name(&self) -> Arc<dyn HostPlayer> {
        let number = self.named.fetch_add(1, Ordering::SeqCst);
        let mood = match number {
            n if n < self.refuses => Mood::Refuses,
            n if n < self.refuses + self.hangs => Mood::Hangs,
            _ => Mood::Plays,
        };
        Arc::new(AppPlayer { inner: OnceLock::new(), mood, released: Arc::clone(&self.released) })
    }
}

impl HostPlayer for AppPlayer {
    fn make(&self, address: String, loops: bool, reports: Reports) -> BoxFuture<'_, Result<(), PlayerError>> {
        Box::pin(async move {
            match self.mood {
                Mood::Refuses => return Err(PlayerError::Internal { reason: "not now".to_owned() }),
                Mood::Hangs => std::future::pending::<()>().await,
                Mood::Plays => {}
            }
            self.inner.set(Playbins.make(&address, loops, reports)?).unwrap();
            Ok(())
        })
    }

    fn wish(&self, wish: PlayerWish) -> BoxFuture<'_, Result<(), PlayerError>> {
        let inner = self.inner.get().expect("wishes come to players that were made");
        match wish {
            PlayerWish::Play => inner.play(),
            PlayerWish::Pause => inner.pause(),
            PlayerWish::Seek { ms, mode } => inner.seek(ms, mode),
            PlayerWish::Mute(muted) => inner.set_muted(muted),
            PlayerWish::Volume(volume) => inner.set_volume(volume),
            PlayerWish::Rate(rate) => inner.set_rate(rate),
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        self.released.fetch_add(1, Ordering::SeqCst);
        if let Some(inner) = self.inner.get() {
            inner.release();
        }
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_refuses_and_one_that_hangs_cost_a_player_and_not_the_session() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let app = Arc::new(App { refuses: 1, hangs: 1, ..App::default() });
    let shared = share_players(app.clone(), Duration::from_millis(200));
    let session = with(dir.path(), &origin.url, shared, false)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    until(&feed, "it plays", |s| s.frames > 5).await?;
    let next = feed.next().await?;
    first_frame(&feed, &mut seen, next.position).await?;
    assert!(!feed.events(0, 1_000).events.iter().any(|e| matches!(e, Event::PlayersFailed { .. })));
    assert!(session.shutdown(PATIENCE).await.clean);
    let (named, released) = (app.named.load(Ordering::SeqCst), app.released.load(Ordering::SeqCst));
    assert!(named >= 4, "{named}");
    assert_eq!(named, released, "each was let go");
    Ok(())
}
