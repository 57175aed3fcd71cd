//! A report is made once however often somebody taps, hides at once, arrives after a time without a network, and is told
//! about until somebody decided.

use std::collections::BTreeSet;

use serde_json::json;
use unspool::{
    Conditions, Error, Event, FeedKind, FeedSession, Item, Report, ReportReason, ReportState, ReportSubject,
    Scene, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, eventually, first_frame, http, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Every card that a feed shows from here on, forty at most.
async fn cards(feed: &FeedSession) -> Done<BTreeSet<String>> {
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        match feed.next().await {
            Ok(card) => drop(seen.insert(card.item.id)),
            Err(Error::EndOfFeed) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(seen)
}

fn scam(item: &Item, from_ms: u64) -> Report {
    let scene = Some(Scene { from_ms, to_ms: from_ms + 1_500 });
    let words = Some("They want “coins” first.".to_owned());
    Report {
        subject: ReportSubject::Item(item.id.clone()),
        reason: ReportReason::MisleadingScam,
        scene,
        words,
    }
}

async fn states(session: &Unspool) -> Done<Vec<ReportState>> {
    Ok(session.reports().await?.into_iter().map(|filed| filed.state).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_taps_without_a_network_are_one_report_that_is_received_and_decided_about() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let core = dir.path().join("core");
    let session = Unspool::open(config(&core, &origin.url, "ada")?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    let later = feed.peek(3).await?.pop().ok_or("no card ahead")?;

    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    for n in 0..60 {
        session.set_liked(&format!("liked-{n}"), true).await?;
    }
    for tap in 0..100 {
        session.report(scam(&card.item, 1_200 + tap)).await?;
    }
    session.report(scam(&later, 0)).await?;
    let filed = session.reports().await?;
    assert_eq!((filed.len(), filed[0].taps, &filed[0].state), (2, 100, &ReportState::Waiting));
    assert!(!filed[0].receipt.is_empty());
    let closed =
        |e: &Event| matches!(e, Event::CardClosed { item, current: true, .. } if *item == card.item.id);
    eventually("the card on the screen is closed", async || {
        Ok(feed.events(0, 10_000).events.iter().any(closed))
    })
    .await?;
    for wrong in [
        Report { scene: Some(Scene { from_ms: 2, to_ms: 1 }), ..scam(&later, 0) },
        Report { words: Some("a".repeat(301)), ..scam(&later, 0) },
    ] {
        assert!(matches!(session.report(wrong).await, Err(Error::Config { .. })));
    }
    assert!(origin.desired("ada").await?.is_empty(), "nothing left without a network");

    session.set_conditions(Conditions::default());
    let seen = cards(&feed).await?;
    assert!(seen.len() > 5 && !seen.contains(&later.id), "hidden in the pages that were here");
    let other = session.feed(FeedKind::NonProfiled)?;
    let seen = cards(&other).await?;
    assert!(!seen.contains(&card.item.id) && !seen.contains(&later.id), "and in those that come");
    session.flush(PATIENCE).await?;
    eventually("the reports are received", async || {
        Ok(states(&session).await? == [ReportState::Received, ReportState::Received])
    })
    .await?;
    let target = format!("item:{}#misleading.scam@1200-2700", card.item.id);
    let desired = origin.desired("ada").await?;
    let reports: Vec<_> = desired.iter().filter(|(verb, ..)| verb == "report").collect();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(desired.contains(&("report".into(), target.clone(), true)), "{reports:?}");
    eventually("the likes arrive too", async || {
        Ok(origin.desired("ada").await?.iter().filter(|(verb, ..)| verb == "like").count() == 60)
    })
    .await?;
    let arrivals = origin.arrivals("ada").await?;
    let verbs: Vec<&str> = arrivals.iter().map(|(verb, _)| verb.as_str()).take(3).collect();
    assert_eq!(verbs, ["report", "report", "like"], "reports go before what was wanted earlier");
    assert_eq!(arrivals.len(), 62, "each once: {arrivals:?}");
    let told = origin.get_as("ada", "/v1/reports").await?;
    let said: Vec<&str> =
        told["reports"].as_array().into_iter().flatten().filter_map(|r| r["words"].as_str()).collect();
    assert_eq!(said, ["They want “coins” first."; 2], "{told}");

    assert!(session.refresh_reports().await?.iter().all(|filed| filed.state == ReportState::Received));
    let body = json!({"actor": "ada", "target": target, "outcome": "removed"});
    http()?
        .post(format!("{}/control/reports", origin.control))
        .json(&body)
        .send()
        .await?
        .error_for_status()?;
    let decided = session.refresh_reports().await?;
    assert_eq!(decided[0].state, ReportState::Decided { outcome: "removed".into() });
    session.shutdown(PATIENCE).await;

    let session = open(&core, &origin.url, "ada", true)?;
    assert_eq!(session.reports().await?, decided, "told about in later sessions too");
    session.report(scam(&card.item, 9_000)).await?;
    session.flush(PATIENCE).await?;
    let again = origin.desired("ada").await?;
    assert_eq!(again.iter().filter(|(verb, ..)| verb == "report").count(), 2, "and not sent again");
    let feed = session.feed(FeedKind::ForYou)?;
    assert!(!cards(&feed).await?.contains(&card.item.id));
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// What is believed of a topic, once so many viewings were learnt.
async fn believed(session: &Unspool, viewings: u64, topic: &str) -> Done<f64> {
    eventually("it is learnt", async || Ok(session.learner_card().viewings >= viewings)).await?;
    let card = session.learner_card();
    let line = card.topics.iter().find(|line| line.about == topic);
    Ok(line.ok_or_else(|| format!("nothing about {topic}: {card:?}"))?.amount)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_teaches_against_a_card_and_a_comment_for_it() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = Unspool::open(config(&dir.path().join("ada"), &origin.url, "ada")?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    session.report(scam(&card.item, 0)).await?;
    session.report(scam(&card.item, 0)).await?;
    let topic = card.item.topics.first().ok_or("no topic")?;
    assert!(believed(&session, 1, topic).await? < 0.0, "taught before the card is left");
    feed.next().await?;
    assert_eq!(session.learner_card().viewings, 1, "and once");
    session.shutdown(PATIENCE).await;

    // Left after a moment, which alone says nothing good of it.
    let session = Unspool::open(config(&dir.path().join("bob"), &origin.url, "bob")?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    session.add_comment(&card.item.id, None, "More of this!").await?;
    feed.next().await?;
    let topic = card.item.topics.first().ok_or("no topic")?;
    assert!(believed(&session, 1, topic).await? > 0.0);
    session.shutdown(PATIENCE).await;
    Ok(())
}
