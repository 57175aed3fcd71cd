//! The main job, end to end: fetched ahead, played, recorded, and played again with the network gone.

use std::time::Duration;

use serde_json::json;
use unspool::{Conditions, Error, FeedKind, Stage, StartClass, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, open, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

#[tokio::test(flavor = "multi_thread")]
async fn one_clip_from_the_origin_to_a_frame_to_an_impression() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    let frame = first_frame(&feed, &mut 0, card.position).await?;
    assert_eq!(frame.class, StartClass::Cold);
    assert!(frame.luma.is_some_and(|l| l > 8.0), "a picture, not a black one: {frame:?}");
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean);
    assert_eq!((report.outgoing.recorded, report.outgoing.delivered, report.outgoing.queued), (1, 1, 0));

    let impressions = origin.impressions(&session.installation()).await?;
    let [impression] = &impressions[..] else { panic!("one impression: {impressions:?}") };
    let attributes = &impression["attributes"];
    assert_eq!(attributes["item"], json!(card.item.id));
    assert_eq!(attributes["exit"], json!("shutdown"));
    assert_eq!(attributes["start_class"], json!("cold"));
    origin.quiet().await?;
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?, "both sides count the same bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_card_is_prerolled_and_starts_at_once() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let first = feed.next().await?;
    first_frame(&feed, &mut seen, first.position).await?;
    for n in 1..=CARDS {
        until(&feed, "the next card is pre-rolled", |s| {
            s.window.get(1).is_some_and(|c| c.stage == Stage::PreRolled)
        })
        .await?;
        let card = feed.next().await?;
        let frame = first_frame(&feed, &mut seen, card.position).await?;
        assert_eq!(frame.class, StartClass::PreRolled, "card {n}: {frame:?}");
    }
    let back = feed.previous().await?;
    assert_eq!(back.position, first.position + CARDS - 1);
    first_frame(&feed, &mut seen, back.position).await?;
    session.shutdown(PATIENCE).await;
    assert_eq!(session.outgoing().recorded, CARDS + 2);
    assert_eq!(origin.impressions(&session.installation()).await?.len() as u64, CARDS + 2);
    origin.quiet().await?;
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?);
    Ok(())
}
const CARDS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn with_the_network_gone_it_opens_plays_and_keeps_a_like() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let (mut seen, mut cards) = (0, Vec::new());
    for _ in 0..3 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        until(&feed, "enough for offline", |s| {
            s.window.first().is_some_and(|c| c.ahead_ms + s.playhead_ms >= 3_000)
        })
        .await?;
        cards.push(card.item.id);
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.network(json!({"down": true})).await?;
    let lines = origin.log()?.len();

    let session = open(&core, &origin.url, "ada", false)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    assert_eq!(card.item.id, cards[2], "it opens where it was left");
    assert_eq!(first_frame(&feed, &mut seen, card.position).await?.class, StartClass::Cached);
    let card = feed.previous().await?;
    assert_eq!(card.item.id, cards[1]);
    first_frame(&feed, &mut seen, card.position).await?;
    session.set_liked(&card.item.id, true).await?;
    assert_eq!(session.liked(&card.item.id).await?, Some(true), "a wish is readable at once");
    assert!(matches!(session.topics().await, Err(Error::Offline | Error::Backend { .. })));
    assert_eq!(origin.log()?.len(), lines, "nothing was asked of the server");

    origin.network(json!({})).await?;
    session.set_conditions(Conditions::default());
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents, out.intents_delivered, out.intents_queued), (1, 1, 0));
    session.shutdown(PATIENCE).await;
    let likes = origin.get("/control/interactions?actor=ada").await?;
    assert_eq!(likes["interactions"].as_array().map(Vec::len), Some(1), "{likes}");
    let impressions = origin.impressions(&session.installation()).await?;
    assert_eq!(impressions.len() as u64, session.outgoing().recorded);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_owner_two_shutdowns_and_typed_errors_after() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = open(&core, &origin.url, "ada", true)?;
    let second = Unspool::open(config(&core, &origin.url, "ada")?);
    assert_eq!(second.err(), Some(Error::InUse));
    let feed = session.feed(FeedKind::Topic("science".into()))?;
    let waiting = tokio::spawn({
        let feed = feed.clone();
        async move { feed.snapshot_after(u64::MAX).await }
    });
    let first = session.shutdown(PATIENCE).await;
    assert_eq!(first, session.shutdown(PATIENCE).await);
    assert_eq!(waiting.await?.err(), Some(Error::ShutDown), "a wait ends with the session");
    assert_eq!(feed.next().await.err(), Some(Error::ShutDown));
    assert_eq!(session.set_liked("i", true).await.err(), Some(Error::ShutDown));
    assert_eq!(session.flush(Duration::ZERO).await.err(), Some(Error::ShutDown));
    let again = open(&core, &origin.url, "ada", true)?;
    assert!(again.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_session_holds_no_lock_and_goes_on() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = open(&core, &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    session.suspend().await?;
    for name in ["events.db", "outbox.db", "session.db"] {
        let db = rusqlite::Connection::open(core.join(name))?;
        db.execute_batch("BEGIN EXCLUSIVE; ROLLBACK;").map_err(|e| format!("{name}: {e}"))?;
    }
    session.resume().await?;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    let exits: Vec<String> = origin
        .impressions(&session.installation())
        .await?
        .iter()
        .map(|i| i["attributes"]["exit"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(exits, ["background", "swipe_next", "shutdown"]);
    Ok(())
}
