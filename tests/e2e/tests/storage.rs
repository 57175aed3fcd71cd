//! A device that runs out of storage: the cache gives way, and the feed plays on.

use std::time::{Duration, Instant};

use unspool::{Conditions, FeedKind, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
const CARDS: usize = 9;

#[tokio::test(flavor = "multi_thread")]
async fn a_low_storage_signal_makes_the_cache_give_way_and_the_feed_plays_on() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..CARDS {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    let held = session.bytes().on_disk;

    // Just enough for what is there, so that only the signal can be the reason.
    let mut small = config(&core, &origin.url, "ada")?;
    small.cache_bytes = held;
    small.conditions = Conditions { online: false, ..Conditions::default() };
    let session = Unspool::open(small)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    assert_eq!(session.bytes().on_disk, held, "within its budget nothing goes");
    session.set_conditions(Conditions { online: false, low_storage: true, ..Conditions::default() });
    // More than half is to go, but the window around the current card stays, and it is most of what swipes leave.
    let until = Instant::now() + PATIENCE;
    while session.bytes().on_disk > held / 10 * 9 {
        assert!(Instant::now() < until, "{} of {held} bytes are held", session.bytes().on_disk);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    session.set_conditions(Conditions { low_storage: true, ..Conditions::default() });
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    let card = feed.previous().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}
