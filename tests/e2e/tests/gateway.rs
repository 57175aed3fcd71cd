//! The session's gateway: what a platform's player reads of the cards of a feed.

use std::time::Duration;

use unspool::{Error, FeedKind, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, http, open, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

#[tokio::test(flavor = "multi_thread")]
async fn the_card_on_the_screen_is_read_from_the_cache_and_addresses_die_with_a_suspension() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    assert!(matches!(session.gateway_url("no", "such"), Err(Error::Config { .. })));
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    let shown = until(&feed, "a rendition", |s| s.window.first().is_some_and(|c| c.rendition.is_some())).await?;
    let rendition = shown.window[0].rendition.clone().ok_or("no rendition")?;
    let address = session.gateway_url(&card.item.asset.id, &rendition)?;
    let client = http()?;
    let first = client.get(&address).send().await?.error_for_status()?.bytes().await?;
    assert!(!first.is_empty());
    origin.quiet().await?;
    let requests = origin.log()?.iter().filter(|l| l["path"].as_str().is_some_and(|p| p.starts_with("/media"))).count();
    let again = client.get(&address).send().await?.error_for_status()?.bytes().await?;
    assert_eq!(first, again);
    let _ = requests;

    session.suspend().await?;
    session.resume().await?;
    assert!(client.get(&address).send().await.is_err(), "an address from before a suspension is dead");
    let fresh = session.gateway_url(&card.item.asset.id, &rendition)?;
    assert_ne!(fresh, address);
    assert_eq!(client.get(&fresh).send().await?.error_for_status()?.bytes().await?, first);

    assert!(session.shutdown(PATIENCE).await.clean);
    assert!(client.get(&fresh).timeout(Duration::from_secs(5)).send().await.is_err());
    assert_eq!(session.gateway_url(&card.item.asset.id, &rendition), Err(Error::ShutDown));
    Ok(())
}
