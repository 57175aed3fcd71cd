//! A fault of the core: told as an error, and no more than the call or the feed it met is lost.

use std::time::Duration;

use serde_json::json;
use unspool::{Error, Event, FeedKind, Place};
use unspool_e2e::{Done, Origin, PATIENCE, first_frame, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_ends_a_feed_and_not_the_session() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let fault = session.panic_on_purpose(Place::Task).await;
    assert!(matches!(&fault, Err(Error::Internal { reason }) if reason.contains("on purpose")), "{fault:?}");

    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    session.set_liked(&card.item.id, true).await?;
    let waiting = tokio::spawn({
        let feed = feed.clone();
        async move { feed.snapshot_after(u64::MAX).await }
    });
    session.panic_on_purpose(Place::Driver).await?;
    let internal =
        |e: Option<Error>| matches!(e, Some(Error::Internal { reason }) if reason.contains("driver"));
    assert!(internal(waiting.await?.err()), "a wait ends with the reason");
    assert!(internal(feed.next().await.err()));
    assert!(internal(feed.previous().await.err()));
    assert!(internal(feed.peek(3).await.err()));
    assert!(internal(feed.set_paused(true).err()));
    let told = loop {
        let batch = feed.events_after(seen, 100).await?;
        seen = batch.last;
        if let Some(Event::CoreFailed { reason }) = batch.events.last() {
            break reason.clone();
        }
    };
    assert!(told.contains("on purpose"), "{told}");
    assert!(internal(feed.events_after(seen, 1).await.err()));

    assert_eq!(session.liked(&card.item.id).await?, Some(true), "what was acknowledged stays");
    let again = session.feed(FeedKind::ForYou)?;
    let card = again.next().await?;
    first_frame(&again, &mut 0, card.position).await?;
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean, "{report:?}");
    let out = report.outgoing;
    assert_eq!((out.recorded, out.delivered, out.intents_delivered), (2, 2, 1), "{out:?}");
    let impressions = origin.impressions(&session.installation()).await?;
    let exits: Vec<_> = impressions.iter().map(|i| i["attributes"]["exit"].clone()).collect();
    assert_eq!(exits, [json!("killed"), json!("shutdown")], "the viewing that the fault cut off is not lost");
    assert_eq!(feed.next().await.err(), Some(Error::ShutDown));
    assert_eq!(session.panic_on_purpose(Place::Task).await.err(), Some(Error::ShutDown));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_feed_faulted_shuts_down_in_time() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    session.panic_on_purpose(Place::Driver).await?;
    assert!(matches!(feed.next().await, Err(Error::Internal { .. })));
    session.suspend().await?;
    session.resume().await?;
    assert!(session.shutdown(Duration::from_secs(5)).await.clean);
    Ok(())
}
