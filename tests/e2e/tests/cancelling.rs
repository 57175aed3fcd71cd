//! Futures that are dropped at every point, many calls at once, calls after the end, and handles dropped anywhere.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use unspool::{Error, FeedKind, FeedSession, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, dropped_after, eventually, first_frame, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Drops a future after a number of polls, or after a time that falls somewhere into its work.
async fn cut<F: Future>(point: usize, future: F) -> Option<F::Output> {
    match point {
        0..4 => dropped_after(point, future).await,
        // 50 µs to 6 ms: a write to the disk takes about one, a request over loopback less.
        _ => tokio::time::timeout(Duration::from_micros(50 << (point - 4)), future).await.ok(),
    }
}
const POINTS: usize = 12;

/// Reads every event with waits that are dropped all the time; gives how many there were.
async fn read_all(feed: FeedSession) -> Result<u64, String> {
    let (mut seen, mut point) = (0, 0);
    loop {
        point = (point + 1) % POINTS;
        match cut(point, feed.events_after(seen, 3)).await {
            None => tokio::task::yield_now().await,
            Some(Err(Error::ShutDown)) => return Ok(seen),
            Some(Err(e)) => return Err(e.to_string()),
            Some(Ok(batch)) => {
                if batch.missed != 0 || batch.last != seen + batch.events.len() as u64 {
                    return Err(format!("events after {seen}: {batch:?}"));
                }
                seen = batch.last;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_at_every_point_nothing_is_lost_and_nothing_counts_twice() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let reader = tokio::spawn(read_all(feed.clone()));
    let (mut tried, mut kept) = (BTreeSet::new(), BTreeSet::new());
    let mut topics: Vec<Vec<String>> = vec![Vec::new()];
    let mut revision = 0;
    for point in (0..POINTS).chain((0..POINTS).rev()) {
        let moved = cut(point, feed.next()).await;
        assert!(!matches!(moved, Some(Err(_))), "{moved:?}");
        cut(point, feed.peek(3)).await.transpose()?;
        if let Some(snapshot) = cut(point, feed.snapshot_after(revision)).await.transpose()? {
            assert!(snapshot.revision > revision);
            revision = snapshot.revision;
        }
        let item = format!("item-{:05}", tried.len());
        if cut(point, session.set_liked(&item, true)).await.transpose()?.is_some() {
            kept.insert(item.clone());
            assert_eq!(session.liked(&item).await?, Some(true));
        }
        tried.insert(item.clone());
        cut(point, session.liked(&item)).await.transpose()?;
        let wanted = vec![format!("topic-{point}")];
        match cut(point, session.set_interests(wanted.clone())).await.transpose()? {
            Some(()) => topics = vec![wanted],
            None => topics.push(wanted),
        }
        assert!(!matches!(cut(point, session.interests()).await, Some(Err(_))));
        assert!(!matches!(cut(point, session.topics()).await, Some(Err(_))));
        cut(point, session.flush(PATIENCE)).await.transpose()?;
        if point % 4 == 3 {
            // What was begun goes on, so the other half waits for it.
            cut(point, session.suspend()).await.transpose()?;
            session.suspend().await?;
            cut(point, session.resume()).await.transpose()?;
            session.resume().await?;
        }
        if point % 5 == 4 {
            assert!(!matches!(cut(point, feed.previous()).await, Some(Err(_))));
        }
    }
    let card = feed.next().await?;
    eventually("the last card plays", async || {
        let now = feed.snapshot();
        Ok(now.current == Some(card.position) && now.frames > 0)
    })
    .await?;
    // Writes are done in the order they were begun, so whatever still went on is done when this one is.
    session.set_liked(&card.item.id, true).await?;
    tried.insert(card.item.id.clone());
    let chosen = session.interests().await?;
    assert!(topics.contains(&chosen), "{chosen:?} is none of {topics:?}");
    for _ in 0..3 {
        dropped_after(1, session.shutdown(PATIENCE)).await;
    }
    let report = session.shutdown(PATIENCE).await;
    assert_eq!(report, session.shutdown(PATIENCE).await);
    assert!(report.clean, "{report:?}");
    let out = report.outgoing;
    assert_eq!((out.recorded, out.queued, out.dropped, out.quarantined), (out.delivered, 0, 0, 0), "{out:?}");
    assert_eq!((out.intents_queued, out.intents_wedged), (0, 0), "{out:?}");
    assert!(reader.await?? > 0);

    let impressions = origin.impressions(&session.installation()).await?;
    assert_eq!(impressions.len() as u64, out.recorded);
    assert!(impressions.iter().all(|i| i["deliveries"] == 1), "each came once");
    let names: BTreeSet<_> = impressions.iter().map(|i| i["attributes"]["impression"].to_string()).collect();
    assert_eq!(names.len(), impressions.len(), "each viewing was recorded once");
    let desired = origin.desired("ada").await?;
    let of = |verb: &str| -> BTreeSet<String> {
        desired
            .iter()
            .filter(|(v, _, state)| v == verb && *state)
            .map(|(_, target, _)| target.clone())
            .collect()
    };
    let likes = of("like");
    assert!(kept.is_subset(&likes), "acknowledged and gone: {:?}", kept.difference(&likes));
    assert!(likes.is_subset(&tried), "{likes:?}");
    assert_eq!(of("interest"), chosen.into_iter().collect(), "the server has the set that is shown");
    assert_eq!(origin.get("/control/stats").await?["interactions"], json!(out.intents_delivered));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_write_does_not_overtake_a_later_one() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", false)?;
    for n in 0..40 {
        for later in [true, false] {
            let wanted = vec![format!("topic-{n}-{later}")];
            dropped_after(1, session.set_liked("item-00001", !later)).await;
            dropped_after(1, session.set_interests(Vec::new())).await;
            session.set_liked("item-00001", later).await?;
            session.set_interests(wanted.clone()).await?;
            assert_eq!(session.liked("item-00001").await?, Some(later));
            assert_eq!(session.interests().await?, wanted);
        }
    }
    let feed = session.feed(FeedKind::ForYou)?;
    for _ in 0..20 {
        dropped_after(1, session.suspend()).await;
        session.resume().await?;
        assert_eq!(feed.peek(1).await?.len(), 0);
        assert_eq!(session.liked("item-00001").await?, Some(false));
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_read_closes_its_request() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let stall = json!({"kind": "stall", "after_bytes": 1, "ms": 60_000});
    origin.fault(json!({"path_prefix": "/v1/topics", "times": 1, "action": stall})).await?;
    let in_flight = async || {
        Ok::<_, Box<dyn std::error::Error>>(origin.get("/control/stats").await?["in_flight"].clone())
    };
    {
        let topics = session.topics();
        let arrived = eventually("the request is being answered", async || Ok(in_flight().await? == 1));
        tokio::select! {
            answer = topics => return Err(format!("the origin stalls: {answer:?}").into()),
            arrived = arrived => arrived?,
        }
    }
    eventually("the request is closed", async || Ok(in_flight().await? == 0)).await?;
    assert_eq!(session.topics().await?.len(), 8);
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_at_once_are_answered() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    feed.next().await?;
    let call = async |n: usize| -> Result<(), Error> {
        match n % 10 {
            0 => session.topics().await.map(drop),
            1 => session.set_liked(&format!("item-{n:05}"), true).await,
            2 => session.liked("item-00001").await.map(drop),
            3 => session.interests().await.map(drop),
            4 => session.set_interests(vec![format!("topic-{n}")]).await,
            5 => feed.peek(2).await.map(drop),
            6 => feed.snapshot_after(0).await.map(drop),
            7 => feed.events_after(0, 10).await.map(drop),
            8 => feed.next().await.map(drop),
            _ => session.flush(PATIENCE).await.map(drop),
        }
    };
    let answers = join_all((0..200).map(call)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(session.interests().await?.len(), 1);
    session.set_interests(Vec::new()).await?;
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean);
    assert_eq!(report.outgoing.recorded, report.outgoing.delivered);
    let desired = origin.desired("ada").await?;
    assert_eq!(desired.iter().filter(|(verb, _, state)| verb == "like" && *state).count(), 20);
    assert!(!desired.iter().any(|(verb, _, state)| verb == "interest" && *state), "{desired:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn interests_are_a_set_that_is_kept_checked_and_sent_once() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let set = |topics: &[&str]| topics.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let session = open(&core, &origin.url, "ada", false)?;
    assert_eq!(session.interests().await?, set(&[]));
    session.set_interests(set(&["science", "music", "science"])).await?;
    assert_eq!(session.interests().await?, set(&["music", "science"]));
    let many = (0..65).map(|n| format!("t{n}")).collect();
    for wrong in [many, set(&["music", ""]), set(&["a b"]), vec!["x".repeat(129)]] {
        let refused = session.set_interests(wrong).await;
        assert!(matches!(refused, Err(Error::Config { .. })), "{refused:?}");
    }
    assert!(session.shutdown(PATIENCE).await.clean);

    let session = open(&core, &origin.url, "ada", true)?;
    assert_eq!(session.interests().await?, set(&["music", "science"]), "kept over a restart");
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_delivered, out.intents_queued), (2, 0));
    session.set_interests(set(&["science", "music"])).await?;
    session.set_interests(set(&["science", "travel"])).await?;
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.intents_delivered, out.intents_queued), (4, 0), "only what changed is sent");
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    assert!(card.item.topics.iter().any(|t| t == "science" || t == "travel"), "{card:?}");
    assert!(session.shutdown(PATIENCE).await.clean);
    let of = |topic: &str, state| ("interest".to_owned(), topic.to_owned(), state);
    let wanted = [of("music", false), of("science", true), of("travel", true)];
    assert_eq!(origin.desired("ada").await?, wanted.into());

    let other = open(&core, &origin.url, "bob", true)?;
    assert_eq!(other.interests().await?, set(&[]), "those of another account are not shown");
    other.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_every_call_says_so() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    feed.next().await?;
    let waits = [0, 1].map(|which| {
        let feed = feed.clone();
        tokio::spawn(async move {
            match which {
                0 => feed.snapshot_after(u64::MAX).await.err(),
                _ => feed.events_after(u64::MAX, 1).await.err(),
            }
        })
    });
    assert!(session.shutdown(PATIENCE).await.clean);
    for wait in waits {
        assert_eq!(wait.await?, Some(Error::ShutDown), "a wait ends with the session");
    }
    let said = [
        session.topics().await.err(),
        session.interests().await.err(),
        session.set_interests(Vec::new()).await.err(),
        session.set_liked("i", true).await.err(),
        session.liked("i").await.err(),
        session.flush(PATIENCE).await.err(),
        session.suspend().await.err(),
        session.resume().await.err(),
        session.feed(FeedKind::Learn).err(),
        feed.next().await.err(),
        feed.previous().await.err(),
        feed.peek(1).await.err(),
        feed.set_paused(true).err(),
        feed.set_muted(true).err(),
        feed.seek(0).err(),
        feed.retry().err(),
        feed.snapshot_after(u64::MAX).await.err(),
    ];
    assert!(said.iter().all(|error| *error == Some(Error::ShutDown)), "{said:?}");
    session.signed_in();
    session.set_conditions(unspool::Conditions::default());
    assert_eq!(session.outgoing().recorded, 1);
    assert!(!feed.events(0, 10).events.is_empty(), "what happened can still be read");
    Ok(())
}

#[test]
fn handles_may_be_dropped_on_any_thread() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    type DropIt = fn(Unspool, FeedSession);
    let ways: [DropIt; 4] = [
        |session, feed| {
            drop(session);
            drop(feed);
        },
        |session, feed| {
            // Threads that know of no runtime, the session first and the feed later.
            let first = std::thread::spawn(move || drop(session));
            drop(first.join());
            drop(std::thread::spawn(move || drop(feed)).join());
        },
        |session, feed| {
            // Within another runtime, where blocking would be a defect.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async move {
                    dropped_after(1, session.flush(PATIENCE)).await;
                    drop(feed);
                    drop(session);
                });
            }
        },
        |session, feed| {
            // While an end that nobody waits for is under way.
            futures_util::FutureExt::now_or_never(session.shutdown(PATIENCE));
            drop((session, feed));
        },
    ];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for (number, way) in ways.into_iter().enumerate() {
        let core = dir.path().join(format!("core-{number}"));
        let session = open(&core, &origin.url, "ada", true)?;
        let feed = session.feed(FeedKind::ForYou)?;
        let card = runtime.block_on(feed.next())?;
        runtime.block_on(first_frame(&feed, &mut 0, card.position))?;
        runtime.block_on(session.set_liked("item-00001", true))?;
        way(session, feed);
        // The directory is free soon, and what was acknowledged is in it.
        runtime.block_on(eventually("the directory is given back", async || {
            match open(&core, &origin.url, "ada", false) {
                Ok(again) => {
                    assert_eq!(again.liked("item-00001").await?, Some(true));
                    again.shutdown(PATIENCE).await;
                    let out = again.outgoing();
                    assert_eq!(out.recorded, out.delivered + out.queued);
                    assert_eq!(out.recorded, 1, "way {number}: the open viewing was closed or recovered");
                    Ok(true)
                }
                Err(e) if e.downcast_ref::<Error>() == Some(&Error::InUse) => Ok(false),
                Err(e) => Err(e),
            }
        }))?;
    }
    Ok(())
}
