//! The same job on a bad day: slow and failing networks, expired addresses, refusing servers.

use std::time::{Duration, Instant};

use serde_json::json;
use unspool::{Conditions, Error, Event, FeedKind, FeedSession, LinkState};
use unspool_e2e::log::no_byte_twice;
use unspool_e2e::{Done, Origin, PATIENCE, first_frame, open, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_backend_is_told_and_asked_again() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    origin.fault(json!({"path_prefix": "/v1/feed", "times": 1, "action": {"kind": "status", "status": 503, "retry_after_s": 1}})).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let told = feed.events_after(0, 1).await?;
    assert!(matches!(told.events[..], [unspool::Event::PageFailed { retryable: true, .. }]), "{told:?}");
    let first = feed.next().await;
    assert_eq!(
        first.err(),
        Some(Error::Backend { reason: "busy: status 503".into(), retry_after: Some(Duration::from_secs(1)) })
    );
    let card = feed.next().await?;
    let mut seen = told.last;
    first_frame(&feed, &mut seen, card.position).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_addresses_are_renewed_in_the_middle() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--url-ttl-s", "1"])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..4 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        // Longer than an address lives.
        until(&feed, "it plays on", |s| s.playhead_ms >= 1_200).await?;
    }
    session.shutdown(PATIENCE).await;
    let log = origin.log()?;
    assert!(
        log.iter().any(|l| l["path"].as_str().is_some_and(|p| p.starts_with("/v1/assets/"))),
        "addresses were renewed"
    );
    origin.quiet().await?;
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_survives_refusals() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    for status in [429, 503, 413] {
        let action = json!({"kind": "status", "status": status, "retry_after_s": 1});
        origin.fault(json!({"path_prefix": "/v1/logs", "times": 1, "action": action})).await?;
    }
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..3 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
    }
    let report = session.shutdown(PATIENCE).await;
    assert_eq!(report.outgoing.recorded, 3);
    let again = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let out = again.flush(PATIENCE).await?;
    assert_eq!((out.delivered, out.queued, out.quarantined), (3, 0, 0), "{out:?}");
    assert_eq!(origin.impressions(&again.installation()).await?.len(), 3);
    again.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_of_the_network_is_ridden_out() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    origin.network(json!({"rtt_ms": 50, "rate_kbps": 4_000})).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    until(&feed, "the next card has its start", |s| s.window.get(1).is_some_and(|c| c.ahead_ms >= 1_000))
        .await?;
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    origin.network(json!({"down": true})).await?;
    origin.quiet().await?;
    let lines = origin.log()?.len();
    until(&feed, "playback goes on from the device", |s| s.playhead_ms >= 500).await?;
    origin.quiet().await?;
    assert_eq!(origin.log()?.len(), lines);
    origin.network(json!({})).await?;
    session.set_conditions(Conditions::default());
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(session.outgoing().recorded, 2);
    Ok(())
}

/// Waits until the link is told to be so.
async fn link(feed: &FeedSession, seen: &mut u64, wanted: LinkState) -> Done<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let batch = tokio::time::timeout(left, feed.events_after(*seen, 1)).await??;
        *seen = batch.last;
        match &batch.events[..] {
            [Event::Link { state }] if *state == wanted => return Ok(()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_goes_silent_is_heard_of_and_so_is_its_return() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    // Too slow to have the clip before the link goes.
    origin.network(json!({"rtt_ms": 20, "rate_kbps": 1_500})).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    // The device is online, and nothing comes.
    origin.network(json!({"rtt_ms": 20, "rate_kbps": 1})).await?;
    link(&feed, &mut seen, LinkState::Stalled).await?;
    origin.network(json!({})).await?;
    link(&feed, &mut seen, LinkState::Fine).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_is_named() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    origin
        .fault(json!({"path_prefix": "/v1/feed", "times": 5, "action": {"kind": "status", "status": 401}}))
        .await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    assert_eq!(feed.next().await.err(), Some(Error::SignIn));
    assert_eq!(feed.next().await.err(), Some(Error::SignIn));
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// A portal: every answer is a web page, until somebody logged in.
async fn portal(origin: &Origin, open: bool) -> Done<()> {
    origin.clear_faults().await?;
    if !open {
        for path_prefix in ["/v1/", "/media/"] {
            let action = json!({"kind": "html"});
            origin.fault(json!({"path_prefix": path_prefix, "times": 100_000, "action": action})).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captive_portal_is_told_before_the_first_card_and_the_feed_begins_behind_it() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    portal(&origin, false).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    link(&feed, &mut seen, LinkState::Captive).await?;
    let Err(Error::Backend { reason, .. }) = feed.next().await else { return Err("no page came".into()) };
    assert!(reason.contains("log-in"), "{reason}");
    portal(&origin, true).await?;
    // The app does nothing: the feed asks again by itself.
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captive_portal_in_the_middle_costs_nothing_that_was_fetched() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    // Too slow to have everything before the portal comes.
    origin.network(json!({"rtt_ms": 20, "rate_kbps": 1_500})).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    portal(&origin, false).await?;
    origin.network(json!({})).await?;
    link(&feed, &mut seen, LinkState::Captive).await?;
    portal(&origin, true).await?;
    link(&feed, &mut seen, LinkState::Fine).await?;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.quiet().await?;
    let (portal, own): (Vec<_>, Vec<_>) = origin.log()?.into_iter().partition(|l| l["fault"] == "html");
    assert!(
        portal.iter().any(|l| l["path"].as_str().is_some_and(|p| p.starts_with("/media/"))),
        "{portal:?}"
    );
    no_byte_twice(&own)
}
