//! What a session asks the server for, read strictly from the server's log: no byte twice, nothing for what is complete,
//! one fresh address for a file that is refused in the middle, and books that agree with it.

use serde_json::json;
use unspool::{Event, FeedKind, KeepState};
use unspool_e2e::log::{media_requests, media_sent, no_byte_twice};
use unspool_e2e::{Done, Origin, PATIENCE, cards, first_frame, http, open, until, until_kept};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

#[tokio::test(flavor = "multi_thread")]
async fn random_swiping_and_restarts_ask_for_no_byte_twice() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    // Slow enough that swipes leave fetches in the middle.
    origin.network(json!({"rate_kbps": 24_000, "rtt_ms": 10})).await?;
    // A fixed mixture: on, back, on without waiting, on to a picture, stay until it plays.
    let mut turn: u32 = 0x9e37_79b9;
    let mut draw = |below: u32| {
        turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (turn >> 16) % below
    };
    let mut network = 0;
    for _ in 0..3 {
        let session = open(&core, &origin.url, "ada", true)?;
        let feed = session.feed(FeedKind::ForYou)?;
        let mut seen = 0;
        for _ in 0..14 {
            let card = match draw(4) {
                0 => feed.previous().await.or(Err("the beginning")),
                _ => feed.next().await.map_err(|_| "the end"),
            };
            let Ok(card) = card else { continue };
            match draw(3) {
                0 => {}
                1 => drop(first_frame(&feed, &mut seen, card.position).await?),
                _ => drop(until(&feed, "it plays", |s| s.playhead_ms > 250).await?),
            }
        }
        assert!(session.shutdown(PATIENCE).await.clean);
        let bytes = session.bytes();
        assert_eq!(bytes.duplicate, 0);
        assert_eq!(bytes.by_purpose.all().iter().map(|(_, t)| t.network).sum::<u64>(), bytes.media);
        network += bytes.network;
    }
    origin.quiet().await?;
    let log = origin.log()?;
    no_byte_twice(&log)?;
    assert!(media_sent(&log)?.len() >= 3, "several files were asked for");
    assert_eq!(network, origin.bytes_to("ada")?, "both sides count the same bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_asset_loops_in_the_player_and_is_read_through_the_gateway_without_a_request() -> Done<()>
{
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    // The shortest clip, so that its loop comes soon.
    let mut shown = cards(&origin.url, "ada", unspool_e2e::CLIPS).await?;
    shown.sort_by_key(|card| card.asset.duration_ms);
    shown.truncate(1);
    session.keep(shown.clone()).await?;
    let kept =
        until_kept(&session, "complete", |s| s.kept.iter().all(|k| k.state == KeepState::Complete)).await?;
    origin.quiet().await?;
    let log = origin.log()?;
    no_byte_twice(&log)?;
    let (asset, rendition) = (&shown[0].asset.id, &kept.kept[0].rendition);
    let url = session.gateway_url(asset, rendition)?;
    let feed = session.feed(FeedKind::Kept)?;
    let card = feed.next().await?;
    let mut seen = 0;
    first_frame(&feed, &mut seen, card.position).await?;
    feed.seek(card.item.asset.duration_ms.saturating_sub(1_000))?;
    let mut loops = 0;
    while loops < 2 {
        let batch = tokio::time::timeout(PATIENCE, feed.events_after(seen, 16)).await??;
        seen = batch.last;
        for event in batch.events {
            if let Event::Looped { .. } = event {
                loops += 1;
                feed.seek(card.item.asset.duration_ms.saturating_sub(1_000))?;
            }
        }
    }
    let body = http()?.get(&url).send().await?.error_for_status()?.bytes().await?;
    assert!(!body.is_empty());
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.quiet().await?;
    assert_eq!(media_requests(&origin.log()?), media_requests(&log), "playing it asked for something");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_the_middle_of_a_file_asks_once_for_an_address() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    origin.network(json!({"rate_kbps": 16_000})).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let shown = cards(&origin.url, "ada", 1).await?;
    let files = format!("/media/{}/", shown[0].asset.id);
    let refuse = json!({"path_prefix": files, "skip": 3, "action": {"kind": "status", "status": 403}});
    origin.fault(refuse).await?;
    session.keep(shown).await?;
    until_kept(&session, "complete", |s| s.kept.iter().all(|k| k.state == KeepState::Complete)).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.quiet().await?;
    let log = origin.log()?;
    no_byte_twice(&log)?;
    let path = |line: &serde_json::Value| line["path"].as_str().unwrap_or_default().to_owned();
    let refused =
        log.iter().position(|l| l["status"] == 403 && path(l).starts_with(&files)).ok_or("refused")?;
    assert!(log[..refused].iter().any(|l| l["status"] == 206), "not in the middle");
    assert_eq!(log.iter().filter(|l| path(l).starts_with("/v1/assets/")).count(), 1);
    assert_eq!(session.bytes().network, origin.bytes_to("ada")? - page_bytes(&log));
    Ok(())
}

/// Bytes of the pages that the test itself asked for.
fn page_bytes(log: &[serde_json::Value]) -> u64 {
    let pages = log.iter().filter(|line| line["path"] == "/v1/feed");
    pages.filter_map(|line| line["bytes"].as_u64()).sum()
}
