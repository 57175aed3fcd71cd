//! The last session from disk, with no network: until the cards of its feed are known, and until the learner is there.
//!
//! A session is opened on the folder of one that held a page of cards, offline, and asked what is ahead; the plain way
//! reads the same text from the same database and parses it.

use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use unspool::{
    Asset, Backend, BackendError, Conditions, Config, Container, Creator, Credentials, FeedKind, Item,
    Located, MediaKey, Page, Rendition, Topic, Unspool,
};
use unspool_engine::SavedFeed;
use unspool_engine::learner::Learner;
use unspool_engine::ranking::LearnerWeights;

use super::super::Effort;
use crate::clip::Noise;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::{median, percentile};

/// Cards of the feed that is restored: the most a page may hold.
const CARDS: usize = 50;
/// Points of a retention curve: one for each half second of a clip.
const CURVE: u64 = 60;
/// Longest wait for the end of a session.
const ENDING: Duration = Duration::from_secs(10);

pub(super) fn rows(effort: Effort, weights: &LearnerWeights, kept: &[u8]) -> Result<Vec<Row>, BenchError> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let core = folder.path().join("core");
    runtime.block_on(fill(&core))?;
    let file = folder.path().join("learner");
    std::fs::write(&file, kept)?;
    let (mut sessions, mut feeds, mut plain, mut learners) = (vec![], vec![], vec![], vec![]);
    for _ in 0..effort.rounds(100, 3) {
        let (session, feed) = runtime.block_on(restore(&core))?;
        sessions.push(session);
        feeds.push(feed);
        plain.push(read(&core)?);
        let begun = Instant::now();
        let bytes = std::fs::read(&file)?;
        let learner = Learner::restore(weights.clone(), &bytes);
        learners.push(ms(begun));
        learner.map_err(|e| BenchError::step("restoring the learner")(e.to_string()))?;
    }
    let n = sessions.len();
    let whole: Vec<f64> =
        sessions.iter().zip(&learners).map(|(session, learner)| session + learner).collect();
    let peer = "one query and serde_json";
    Ok(vec![
        Row::new("last session from disk, with its learner, p99", "ms", n, percentile(&whole, 0.99))
            .aim("<= 50 ms")?,
        Row::new("opening the session and its 50 cards, median", "ms", n, median(&sessions)),
        Row::new("of it the feed of 50 cards, median", "ms", n, median(&feeds)).against(peer, median(&plain)),
        Row::new("a learner with full tables from its file, median", "ms", n, median(&learners)),
    ])
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// A folder with the feed of a session that ended.
async fn fill(core: &Path) -> Result<(), BenchError> {
    let session = open(core, true)?;
    let feed = session.feed(FeedKind::ForYou).map_err(BenchError::step("opening the feed"))?;
    let mut seen = 0;
    while feed.peek(CARDS).await.map_err(BenchError::step("waiting for cards"))?.len() < CARDS {
        let batch = tokio::time::timeout(ENDING, feed.events_after(seen, 1)).await;
        let batch = batch.map_err(BenchError::step("waiting for cards"))?;
        seen = batch.map_err(BenchError::step("waiting for cards"))?.last;
    }
    end(&session).await
}

/// Milliseconds until the cards of the last session are known: from nothing, and from the open session.
async fn restore(core: &Path) -> Result<(f64, f64), BenchError> {
    let begun = Instant::now();
    let session = open(core, false)?;
    let asked = Instant::now();
    let feed = session.feed(FeedKind::ForYou).map_err(BenchError::step("opening the feed"))?;
    let cards = feed.peek(CARDS).await.map_err(BenchError::step("asking what is ahead"))?;
    let times = (ms(begun), ms(asked));
    if cards.len() != CARDS {
        return Err(BenchError::step("restoring the feed")(format!("{} cards", cards.len())));
    }
    end(&session).await?;
    Ok(times)
}

/// Milliseconds of the plain way: one query for the text of the feed, and its parsing.
fn read(core: &Path) -> Result<f64, BenchError> {
    let begun = Instant::now();
    let db = Connection::open_with_flags(core.join("session.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let db = db.map_err(BenchError::step("opening the database"))?;
    let text = db.query_row("SELECT saved FROM feed", [], |row| row.get::<_, String>(0));
    let saved: SavedFeed = serde_json::from_str(&text.map_err(BenchError::step("reading the feed"))?)?;
    let time = ms(begun);
    if saved.items.len() != CARDS {
        return Err(BenchError::step("reading the feed")(format!("{} cards", saved.items.len())));
    }
    Ok(time)
}

fn open(core: &Path, online: bool) -> Result<Unspool, BenchError> {
    let token = Credentials::Fixed("bench".to_owned());
    let mut config = Config::hosted(core, Arc::new(Host), "bench", token)
        .map_err(BenchError::step("configuring the session"))?;
    config.conditions = Conditions { online, ..config.conditions };
    Unspool::open(config).map_err(BenchError::step("opening the session"))
}

async fn end(session: &Unspool) -> Result<(), BenchError> {
    match session.shutdown(ENDING).await.clean {
        true => Ok(()),
        false => Err(BenchError::step("ending the session")("not in time")),
    }
}

/// One page of cards whose media nobody serves.
#[derive(Debug)]
struct Host;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

impl Backend for Host {
    fn page<'a>(&'a self, _: &'a str, cursor: Option<&'a str>, _: u32) -> Answer<'a, Page> {
        let items = if cursor.is_none() { page() } else { Vec::new() };
        Box::pin(ready(Ok(Page { items, next_cursor: Some("more".to_owned()) })))
    }

    fn topics(&self) -> Answer<'_, Vec<Topic>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn locate<'a>(&'a self, _: &'a MediaKey) -> Answer<'a, Located> {
        Box::pin(ready(Err(BackendError::Refused { status: 404 })))
    }
}

/// Cards with everything a server says of one.
fn page() -> Vec<Item> {
    let mut noise = Noise::new(7);
    (0..CARDS).map(|number| card(number, &mut noise)).collect()
}

fn card(number: usize, noise: &mut Noise) -> Item {
    let renditions =
        [(540, 800_000), (720, 1_600_000), (1080, 3_200_000)].map(|(width, bitrate_bps)| Rendition {
            id: format!("{width}p"),
            width,
            height: width * 16 / 9,
            bitrate_bps,
            container: Container::Mp4,
            // Nobody listens there.
            url: format!(
                "http://127.0.0.1:9/media/asset-{number}/{width}p.mp4?expires=4102444800&sig={:032x}",
                noise.next()
            ),
            alternates: Vec::new(),
            bytes: Some(bitrate_bps * 4),
            expires_at_ms: Some(4_102_444_800_000),
        });
    let topic = |noise: &mut Noise| format!("topic-{}", noise.below(600));
    Item {
        id: format!("item-{number:05}"),
        asset: Asset { id: format!("asset-{number:05}"), duration_ms: 30_000, renditions: renditions.into() },
        creator: Creator {
            id: format!("creator-{}", noise.below(2_000)),
            handle: "somebody".to_owned(),
            name: "Somebody who makes clips".to_owned(),
        },
        topics: vec![topic(noise), topic(noise), topic(noise)],
        caption: "A caption of a usual length with some words in it #and #tags #too".to_owned(),
        alt_text: "What can be seen, for those who cannot see it".to_owned(),
        tags: vec!["and".to_owned(), "tags".to_owned(), "too".to_owned()],
        languages: vec!["en".to_owned()],
        retention: (0..CURVE).map(|n| (n * 500, 1.0 - n as f64 / (2.0 * CURVE as f64))).collect(),
        prior: Some(noise.below(1_000) as f64 / 1_000.0),
        ..Item::default()
    }
}
