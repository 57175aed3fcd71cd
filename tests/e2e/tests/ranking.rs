//! The order of feeds against a real server: the bound holds over what is shown, behaviour changes what may still move, each
//! place can be explained, and a feed that is not profiled asks and shows the same whatever somebody did before.

use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use unspool::{
    Auth, Backend, BackendError, Card, Config, Credentials, Error, Event, FeedKind, FeedSession, Item,
    KeepState, Located, MediaKey, Meter, Native, Page, PageRequest, Topic, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, eventually, first_frame, http, open, until_kept};
use unspool_engine::breaker::breaches;

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Swipes `count` cards, as fast as they come.
async fn swipe(feed: &FeedSession, count: usize) -> Done<Vec<Card>> {
    let mut cards = Vec::new();
    for _ in 0..count {
        cards.push(feed.next().await?);
    }
    Ok(cards)
}

fn keeps_the_bound(items: &[&Item]) {
    let topics: Vec<&[String]> = items.iter().map(|item| item.topics.as_slice()).collect();
    assert_eq!(breaches(&topics, 10, 4), 0, "{topics:?}");
    for pair in items.windows(2) {
        assert_ne!(pair[0].creator.id, pair[1].creator.id);
        assert!(pair[0].sound.is_none() || pair[0].sound != pair[1].sound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_keeps_the_bound_and_each_place_can_be_explained() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut cards = swipe(&feed, 12).await?;
    feed.not_interested(cards[11].position).await?;
    assert_eq!(feed.not_interested(9_999).await, Err(Error::NoSuchCard));
    cards.extend(swipe(&feed, 18).await?);
    let ahead = feed.peek(20).await?;
    let all: Vec<&Item> = cards.iter().map(|card| &card.item).chain(&ahead).collect();
    keeps_the_bound(&all);
    let mut compared = 0;
    for card in &cards {
        let why = feed.why(card.position).await?;
        let sum: f64 = why.reasons.iter().map(|reason| reason.amount).sum();
        assert!((sum - why.difference).abs() < 1e-9, "{why:?}");
        assert_eq!(
            (why.item.as_str(), why.policy.as_str()),
            (card.item.id.as_str(), &*session.ranking_version())
        );
        assert!(!why.words.is_empty() && why.against.as_deref() != Some(&*why.item), "{why:?}");
        compared += u32::from(why.against.is_some());
    }
    assert!(compared > 10, "a fast thumb leaves little to choose from, and not nothing: {compared}");
    assert_eq!(feed.why(9_999).await, Err(Error::NoSuchCard));
    assert!(session.main_parameters().iter().any(|p| p.name == "breaker.per_topic" && p.value == "4"));
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_says_changes_what_may_still_move_and_survives_until_it_is_erased() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = open(&core, &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let first = feed.next().await?;
    first_frame(&feed, &mut seen, first.position).await?;
    let before = feed.peek(20).await?;
    // The current card and four more are fixed; the one after them is to go back, and one behind it to come forward.
    let (first_that_moves, behind) = before.split_at(5);
    let disliked = first_that_moves[4].clone();
    let other = |item: &&Item| item.topics.iter().all(|topic| !disliked.topics.contains(topic));
    let liked = behind.iter().find(other).ok_or("cards of one topic only")?;
    for topic in &disliked.topics {
        session.set_learner_weight(topic, -1.0).await?;
    }
    for topic in &liked.topics {
        session.set_learner_weight(topic, 1.0).await?;
    }
    let ids = |items: &[Item]| items.iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    let mut after = before.clone();
    eventually("the tail has moved", async || {
        after = feed.peek(20).await?;
        Ok(after.get(4).is_some_and(|item| item.id != disliked.id))
    })
    .await?;
    assert_eq!(ids(&after)[..4], ids(&before)[..4], "what is being fetched stays");
    feed.not_interested(first.position).await?;
    let card = session.learner_card();
    let set = disliked.topics.len() + liked.topics.len();
    assert_eq!((card.viewings, card.settings.len()), (1, set));
    assert!(session.shutdown(PATIENCE).await.clean);

    let session = open(&core, &origin.url, "ada", false)?;
    assert_eq!(session.learner_card(), card, "with no network too");
    assert_eq!(session.learner_lost(), None);
    assert!(session.export_learner().await?.contains(&disliked.topics[0]));
    session.reset_learner().await?;
    assert_eq!((session.learner_card().viewings, session.learner_card().settings.len()), (0, set));
    session.erase_learner().await?;
    assert!(session.learner_card().settings.is_empty());
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

/// The contract's adapter, with every question for a page written down.
#[derive(Debug)]
struct Overheard {
    inner: Native,
    asked: Mutex<Vec<(String, PageRequest)>>,
}

impl Backend for Overheard {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        self.inner.page(feed, cursor, limit)
    }

    fn requested<'a>(
        &'a self,
        feed: &'a str,
        request: &'a PageRequest,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        if let Ok(mut asked) = self.asked.lock() {
            asked.push((feed.to_owned(), request.clone()));
        }
        self.inner.requested(feed, request)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        self.inner.topics()
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        self.inner.locate(key)
    }
}

async fn not_profiled(
    dir: &Path,
    origin: &Origin,
    history: bool,
) -> Done<(Vec<String>, Vec<(String, PageRequest)>)> {
    let auth = Auth::new(Credentials::Fixed("ada".into()), PATIENCE);
    let inner = Native::new(http()?, origin.url.parse()?, auth, PATIENCE, Meter::default());
    let host = Arc::new(Overheard { inner, asked: Mutex::default() });
    let plain = config(dir, &origin.url, "ada")?;
    let session = Unspool::open(Config { host: Some(host.clone()), ..plain })?;
    if history {
        session.set_interests(vec!["comedy".into()]).await?;
        let feed = session.feed(FeedKind::ForYou)?;
        for card in swipe(&feed, 6).await? {
            feed.not_interested(card.position).await?;
        }
        session.set_learner_weight("nature", -1.0).await?;
    }
    let feed = session.feed(FeedKind::NonProfiled)?;
    let cards = swipe(&feed, 20).await?;
    let items: Vec<&Item> = cards.iter().map(|card| &card.item).collect();
    keeps_the_bound(&items);
    let why = feed.why(cards[3].position).await?;
    assert!(why.reasons.is_empty() && why.words.contains("same for everybody"), "{why:?}");
    let viewings = session.learner_card().viewings;
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(session.learner_card().viewings, viewings, "nothing is learnt from it");
    let mut asked = host.asked.lock().map_err(|_| "poisoned")?.clone();
    asked.retain(|(feed, _)| feed == "non_profiled");
    Ok((items.iter().map(|item| item.id.clone()).collect(), asked))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_not_profiled_is_the_same_for_two_histories() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let without = not_profiled(&dir.path().join("a"), &origin, false).await?;
    let with = not_profiled(&dir.path().join("b"), &origin, true).await?;
    assert_eq!(with, without);
    assert!(!with.1.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_course_is_reviewed_and_in_order_and_what_is_hidden_is_not_kept() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::Learn)?;
    let cards = swipe(&feed, 8).await?;
    assert!(cards.iter().all(|card| card.item.labels.iter().any(|label| label == "reviewed")));
    let mut parts = std::collections::BTreeMap::new();
    for series in cards.iter().filter_map(|card| card.item.series.as_ref()) {
        let before = parts.insert(series.id.clone(), series.part);
        assert!(before.is_none_or(|before| before < series.part), "{series:?} after part {before:?}");
    }
    assert!(!parts.is_empty());
    let mut hidden = cards[0].item.clone();
    hidden.labels.push("!hide".into());
    let refused = session.keep(vec![hidden.clone(), cards[1].item.clone()]).await;
    assert_eq!(refused.err(), Some(Error::Withheld { items: vec![hidden.id.clone()] }));
    assert!(session.kept().kept.is_empty());
    let thin = feed.events(0, 1_000).events.iter().any(|event| matches!(event, Event::FeedThin { .. }));
    assert!(!thin, "what was asked for by name is never thin");
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_its_video_and_the_feed_goes_on_behind_it() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = open(&core, &origin.url, "ada", true)?;
    for wrong in ["", "two words", &"i".repeat(129)] {
        assert_eq!(session.feed_from(FeedKind::ForYou, wrong).err(), Some(Error::NoSuchCard));
    }
    for (kind, words) in [(FeedKind::ForYou, "You opened"), (FeedKind::NonProfiled, "You opened")] {
        let feed = session.feed_from(kind.clone(), "item-00040")?;
        let cards = swipe(&feed, 12).await?;
        assert_eq!((cards[0].item.id.as_str(), cards[0].position), ("item-00040", 0));
        assert!(cards[1..].iter().all(|card| card.item.id != "item-00040"), "it comes once");
        keeps_the_bound(&cards.iter().map(|card| &card.item).collect::<Vec<_>>());
        assert!(feed.why(0).await?.words.starts_with(words));
        assert!(!feed.why(1).await?.words.starts_with(words), "of the others nobody asked for one");
    }
    // One that there is not: the feed begins without.
    let feed = session.feed_from(FeedKind::ForYou, "item-99999")?;
    let found = feed.next().await?;
    assert_ne!(found.item.id, "item-99999");
    // With no network: what the device knows begins, what it does not know cannot.
    let known = feed.peek(3).await?.pop().ok_or("nothing ahead")?.id;
    feed.keep(std::slice::from_ref(&known)).await?;
    until_kept(&session, "complete", |s| s.kept.iter().all(|k| k.state == KeepState::Complete)).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    let session = open(&core, &origin.url, "ada", false)?;
    let feed = session.feed_from(FeedKind::ForYou, &known)?;
    assert_eq!(feed.next().await?.item.id, known);
    let feed = session.feed_from(FeedKind::ForYou, "item-00077")?;
    assert_eq!(feed.next().await.err(), Some(Error::Offline));
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}
