//! Real windows of a virtual X server, given, replaced and lost while cards play in them. Alone in its binary, because it
//! sets the display of its process. Xlib ends a process that draws into a window that is gone, so outliving these is the
//! proof of the rule of ownership.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "shared with the tests of the players"
)]

#[path = "../../../core/player/tests/xserver/mod.rs"]
mod xserver;

use std::time::{Duration, Instant};

use unspool::{Error, Event, FeedKind, Stage, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, until};
use xserver::{Window, XServer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

async fn shows_something(window: &Window<'_>, when: &str) -> Done<()> {
    let until = Instant::now() + PATIENCE;
    while window.brightest() < 32 {
        if Instant::now() > until {
            return Err(format!("the window stays black: {when}").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Repeats a call that waits as long as it says that the window must stay: on a busy machine drawing ends late.
fn patiently(mut call: impl FnMut() -> Result<(), Error>) -> Done<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match call() {
            Err(Error::Internal { .. }) if Instant::now() < until => {}
            done => return Ok(done?),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_come_and_go_while_cards_play_in_them() -> Done<()> {
    let Some(server) = XServer::start() else { return Ok(()) };
    server.use_it();
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let mut config = config(&dir.path().join("core"), &origin.url, "ada")?;
    config.player.surfaces = true;
    let session = Unspool::open(config)?;
    let went = use_windows(&session, &server).await;
    // Before the server goes: Xlib ends a process whose server is gone.
    assert!(session.shutdown(PATIENCE).await.clean);
    went
}

async fn use_windows(session: &Unspool, server: &XServer) -> Done<()> {
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    until(&feed, "it has a player", |s| s.window.first().is_some_and(|c| c.stage == Stage::Playing)).await?;
    assert_eq!(feed.snapshot().frames, 0, "what nobody can see is not shown");
    let window = server.window();
    patiently(|| session.set_window(Some(window.handle())))?;
    first_frame(&feed, &mut seen, card.position).await?;
    shows_something(&window, "at first").await?;

    for _ in 0..5 {
        patiently(|| session.set_window(None))?;
        let at = feed.snapshot().frames;
        let other = server.window();
        patiently(|| session.set_window(Some(other.handle())))?;
        shows_something(&other, "given anew").await?;
        until(&feed, "it goes on", |s| s.frames > at + 2).await?;
        // Replaced in one call.
        patiently(|| session.set_window(Some(window.handle())))?;
        other.destroy();
    }

    // Swipes in one window, which is then taken while the released players may still be stopping.
    for _ in 0..6 {
        let fleeting = server.window();
        patiently(|| session.set_window(Some(fleeting.handle())))?;
        for _ in 0..3 {
            feed.next().await?;
        }
        patiently(|| session.set_window(None))?;
        fleeting.destroy();
    }
    patiently(|| session.set_window(Some(window.handle())))?;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;

    // A view for each card: the next one shows its first picture before the swipe.
    let (own, next) = (server.window(), server.window());
    patiently(|| feed.set_card_window(card.position, Some(own.handle())))?;
    patiently(|| feed.set_card_window(card.position + 1, Some(next.handle())))?;
    shows_something(&own, "a view of its own").await?;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    shows_something(&next, "after the swipe").await?;
    patiently(|| feed.set_card_window(card.position - 1, None))?;
    own.destroy();
    // Without one of its own it goes on in the shared one.
    patiently(|| feed.set_card_window(card.position, None))?;
    next.destroy();
    let at = feed.snapshot().frames;
    until(&feed, "in the shared window", |s| s.frames > at + 2).await?;

    // A feed that is replaced by another one gives the window up, and the other one has it.
    let other = session.feed(FeedKind::NonProfiled)?;
    let card = other.next().await?;
    first_frame(&other, &mut 0, card.position).await?;
    patiently(|| feed.set_card_window(0, None))?;
    assert!(feed.set_card_window(0, Some(window.handle())).is_err(), "a feed that ended takes none");
    let failed = |events: Vec<Event>| {
        events.iter().any(|e| matches!(e, Event::WindowFailed { .. } | Event::CardFailed { .. }))
    };
    assert!(!failed(feed.events(0, 2_048).events) && !failed(other.events(0, 2_048).events));
    patiently(|| session.set_window(None))?;
    window.destroy();
    Ok(())
}
