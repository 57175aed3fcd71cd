//! The program of docs/guides/rust.md, whose code is this file; a test compares the two and runs it.

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use unspool::{
    Card, Conditions, Config, Credentials, Error, Event, FeedKind, FeedSession, KeepState, TokenError,
    TokenProvider, Unspool,
};

/// Your account code: asked when the first token is needed, and again with each token that the backend refused.
struct AccountTokens;

impl TokenProvider for AccountTokens {
    fn token(
        &self,
        _rejected: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send + '_>> {
        Box::pin(async { Ok("ada".into()) })
    }
}

fn open(dir: &Path, backend: &str) -> Result<Unspool, Error> {
    Unspool::open(Config::new(dir, backend, "ada", Credentials::Provider(Arc::new(AccountTokens)))?)
}

async fn onboard(session: &Unspool) -> Result<(), Error> {
    if session.interests().await?.is_empty() {
        let topics = session.topics().await?; // show them, and let the person choose
        session.set_interests(topics.into_iter().take(2).map(|topic| topic.id).collect()).await?;
    }
    Ok(())
}

/// What came of a swipe, in the words of a screen.
enum Swipe {
    Shows(Box<Card>),
    TheEnd,
    Rest,
    NoNetwork,
    SignInAgain,
    TryAgain(Option<Duration>),
}

async fn swipe_up(feed: &FeedSession) -> Result<Swipe, Error> {
    match feed.next().await {
        Ok(card) => Ok(Swipe::Shows(Box::new(card))), // plays; the cards after it are being fetched
        Err(Error::EndOfFeed) => Ok(Swipe::TheEnd),
        Err(Error::Break(_)) => Ok(Swipe::Rest), // the person's own limits; it says what to offer
        Err(Error::Offline) => Ok(Swipe::NoNetwork),
        Err(Error::SignIn) => Ok(Swipe::SignInAgain), // then session.signed_in()
        Err(Error::Backend { retry_after, .. }) => Ok(Swipe::TryAgain(retry_after)),
        Err(Error::TimedOut(_)) => Ok(Swipe::TryAgain(None)),
        Err(mistake) => Err(mistake), // of the app (`Config`) or of the core (`Internal`): for your crash report
    }
}

/// Milliseconds from the swipe to the card's first picture. `seen` is the number of the last event that was read.
async fn first_picture(feed: &FeedSession, seen: &mut u64, card: &Card) -> Result<f64, Error> {
    loop {
        let batch = feed.events_after(*seen, 64).await?;
        *seen = batch.last;
        for event in batch.events {
            match event {
                Event::FirstFrame { position, latency_ms, .. } if position == card.position => {
                    return Ok(latency_ms);
                }
                Event::CardFailed { position, reason, .. } if position == card.position => {
                    return Err(Error::Internal { reason });
                }
                _ => {}
            }
        }
    }
}

/// Waits until the card is complete on this device.
async fn keep(session: &Unspool, feed: &FeedSession, card: &Card) -> Result<(), Error> {
    feed.keep(std::slice::from_ref(&card.item.id)).await?; // written down; the bytes come afterwards
    let mut kept = session.kept();
    while kept.kept.iter().any(|one| one.state != KeepState::Complete) {
        kept = session.kept_after(kept.revision).await?;
    }
    Ok(())
}

/// Plays what is kept, with the network gone.
async fn offline(session: &Unspool) -> Result<f64, Error> {
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    let feed = session.feed(FeedKind::Kept)?;
    let card = feed.next().await?;
    let soon = first_picture(&feed, &mut 0, &card).await?;
    session.set_conditions(Conditions::default());
    Ok(soon)
}

/// A minute with the app, told line by line.
pub async fn watch(
    backend: &str,
    dir: &Path,
    out: &mut impl Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let session = open(dir, backend)?;
    onboard(&session).await?;

    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let mut last = None;
    for _ in 0..3 {
        match swipe_up(&feed).await? {
            Swipe::Shows(card) => {
                let soon = first_picture(&feed, &mut seen, &card).await?;
                writeln!(out, "{}: a picture after {soon:.1} ms", card.item.creator.handle)?;
                last = Some(card);
            }
            Swipe::TryAgain(after) => tokio::time::sleep(after.unwrap_or(Duration::from_secs(2))).await,
            Swipe::TheEnd | Swipe::Rest | Swipe::NoNetwork | Swipe::SignInAgain => break,
        }
    }
    if let Some(card) = last {
        session.set_liked(&card.item.id, true).await?; // on disk when this returns, at the backend when it can be
        keep(&session, &feed, &card).await?;
        writeln!(out, "without a network: a picture after {:.1} ms", offline(&session).await?)?;
    }

    let left = session.flush(Duration::from_secs(20)).await?;
    writeln!(out, "{} of {} records arrived", left.delivered, left.recorded)?;
    writeln!(out, "a clean end: {}", session.shutdown(Duration::from_secs(5)).await.clean)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = std::env::args().nth(1).ok_or("name a backend, for example http://127.0.0.1:8080")?;
    watch(&backend, Path::new("unspool-state"), &mut std::io::stdout()).await
}
