//! The session's gateway: what a platform's player reads of the cards of a feed.

use std::time::Duration;

use unspool::{Conditions, Error, FeedKind};
use unspool_e2e::{Done, Origin, PATIENCE, first_frame, http, open};

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
    let shown = feed.snapshot().window;
    let rendition = shown[0].rendition.clone().ok_or("a card that plays has a rendition")?;
    let address = session.gateway_url(&card.item.asset.id, &rendition)?;
    let client = http()?;
    let get = async |address: &str| -> Done<Vec<u8>> {
        Ok(client.get(address).send().await?.error_for_status()?.bytes().await?.to_vec())
    };
    let read = async |address: &str| -> Done<Vec<u8>> {
        let Some(folder) = address.strip_suffix("index.m3u8") else { return get(address).await };
        // For HLS the address is the playlist's; what it lists is its neighbour.
        let list = String::from_utf8(get(address).await?)?;
        let mut names: Vec<&str> =
            list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        names.dedup();
        let mut all = Vec::new();
        for name in names {
            all.extend(get(&format!("{folder}{name}")).await?);
        }
        Ok(all)
    };
    client.get(&address).send().await?.error_for_status()?;
    let first = read(&address).await?;
    assert!(first.len() > 10_000, "{} bytes", first.len());
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    assert_eq!(read(&address).await?, first, "read once, it is here");
    session.set_conditions(Conditions::default());

    session.suspend().await?;
    session.resume().await?;
    assert!(client.get(&address).send().await.is_err(), "an address from before a suspension is dead");
    let fresh = session.gateway_url(&card.item.asset.id, &rendition)?;
    assert_ne!(fresh, address);
    assert_eq!(read(&fresh).await?, first);

    assert!(session.shutdown(PATIENCE).await.clean);
    assert!(client.get(&fresh).timeout(Duration::from_secs(5)).send().await.is_err());
    assert_eq!(session.gateway_url(&card.item.asset.id, &rendition), Err(Error::ShutDown));
    Ok(())
}
