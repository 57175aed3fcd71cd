//! What a session records, against the real server: nothing lost, nothing twice, and the books agree on both sides.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use unspool::spool::Value as Given;
use unspool::{Conditions, Consent, Error, Exit, FeedKind, Purpose, Tap, Unspool, Viewer};
use unspool_e2e::{Done, Origin, PATIENCE, eventually, first_frame, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Events of an installation at the server, by number.
async fn events(origin: &Origin, installation: &str) -> Done<Vec<Value>> {
    let answer = origin.get(&format!("/control/events?installation={installation}")).await?;
    answer["events"].as_array().cloned().ok_or_else(|| "no list of events".into())
}

fn share(n: usize) -> Vec<(String, Given)> {
    vec![("item".into(), Given::Str(format!("item-{n}"))), ("target".into(), Given::Str("message".into()))]
}

/// The equation of the books, with what the server has in place of what is said to be delivered.
async fn conserved(origin: &Origin, session: &Unspool) -> Done<()> {
    let out = session.outgoing();
    assert_eq!(out.recorded, out.delivered + out.queued + out.dropped + out.quarantined, "{out:?}");
    let there = events(origin, &session.installation()).await?;
    // Where an answer was lost the server has more than was said; never less.
    assert!(there.len() as u64 >= out.delivered, "{} at the server, {out:?}", there.len());
    if out.queued == 0 {
        assert_eq!(there.len() as u64, out.delivered, "{out:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_arrives_once_over_a_network_that_loses_answers() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    for action in [
        json!({"kind": "reset", "after_bytes": 0}),
        json!({"kind": "status", "status": 503}),
        json!({"kind": "html"}),
        json!({"kind": "status", "status": 413}),
        json!({"kind": "status", "status": 429, "retry_after_s": 0}),
    ] {
        origin.fault(json!({"path_prefix": "/v1/logs", "action": action})).await?;
    }
    for n in 0..150 {
        session.record("unspool.share", share(n))?;
    }
    for n in 150..170 {
        assert!(session.record_durable("unspool.share", share(n)).await?);
    }
    assert!(session.outgoing().recorded >= 20, "what was waited for is on disk");
    let wrong = session.record("unspool.share", vec![("nothing".into(), Given::Int(1))]);
    assert!(matches!(wrong, Err(Error::Config { .. })), "{wrong:?}");
    let wrong = session.record(unspool::IMPRESSION, Vec::new());
    assert!(matches!(wrong, Err(Error::Config { .. })), "only the core knows what was rendered: {wrong:?}");
    eventually("everything is delivered", async || {
        let out = session.flush(PATIENCE).await?;
        conserved(&origin, &session).await?;
        Ok(out.recorded == 170 && out.queued == 0)
    })
    .await?;
    let there = events(&origin, &session.installation()).await?;
    let seqs: Vec<i64> = there.iter().filter_map(|event| event["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=170).collect::<Vec<_>>(), "no number is missing and none is there twice");
    let items: Vec<&Value> = there.iter().map(|event| &event["attributes"]["item"]).collect();
    assert_eq!(
        items,
        (0..170).map(|n| json!(format!("item-{n}"))).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
    assert!(there.iter().any(|event| event["deliveries"].as_i64() > Some(1)), "an answer was lost");

    session.set_consent(Consent::all().without(Purpose::Personalisation)).await?;
    session.record("unspool.share", share(170))?;
    assert!(!session.record_durable("unspool.share", share(171)).await?, "nobody agreed to it");
    assert_eq!(session.flush(PATIENCE).await?.recorded, 170);
    session.shutdown(PATIENCE).await;
    assert_eq!(session.record("unspool.share", share(0)), Err(Error::ShutDown));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_ends_in_time_and_says_what_is_left() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", false)?;
    session.record_durable("unspool.share", share(0)).await?;
    let began = Instant::now();
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.recorded, out.queued), (1, 1));
    assert!(began.elapsed() < PATIENCE / 2, "without a network there is nothing to wait for");

    origin
        .fault(
            json!({"path_prefix": "/v1/logs", "action": {"kind": "stall", "after_bytes": 0, "ms": 60_000}}),
        )
        .await?;
    session.set_conditions(Conditions { online: true, ..Conditions::default() });
    let (began, deadline) = (Instant::now(), Duration::from_millis(300));
    let out = session.flush(deadline).await?;
    assert!(began.elapsed() >= deadline && began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    assert_eq!((out.delivered, out.queued), (0, 1), "no answer came: it is still ours");
    conserved(&origin, &session).await?;
    session.shutdown(Duration::from_millis(500)).await;

    // The next session sends it again under its own name, and the server counts it once.
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let out = session.flush(PATIENCE).await?;
    assert_eq!((out.delivered, out.queued), (1, 0));
    conserved(&origin, &session).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_viewer_does_stands_in_the_record() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    for fact in [
        Viewer::Tapped(Tap::Like),
        Viewer::Tapped(Tap::Comment),
        Viewer::Sought,
        Viewer::Muted(true),
        Viewer::Rate(1.5),
        Viewer::Left(Exit::Comments),
        Viewer::Returned,
        Viewer::Tapped(Tap::Share),
        Viewer::Left(Exit::Profile),
    ] {
        feed.viewer(fact)?;
    }
    session.shutdown(PATIENCE).await;
    let there = origin.impressions(&session.installation()).await?;
    let of = |n: usize, key: &str| there.get(n).map(|event| event["attributes"][key].clone());
    assert_eq!(
        (of(0, "exit"), of(1, "exit")),
        (Some(json!("comments")), Some(json!("profile"))),
        "{there:?}"
    );
    let taps = |n: usize| {
        let taps = of(n, "taps").and_then(|taps| taps.as_str().map(str::to_owned)).unwrap_or_default();
        taps.split(',').map(|tap| tap.split('@').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((taps(0), taps(1)), (vec!["like".to_owned(), "comment".to_owned()], vec!["share".to_owned()]));
    assert_eq!(
        (of(0, "seeks"), of(0, "muted"), of(0, "rate")),
        (Some(json!(1)), Some(json!(true)), Some(json!(1.5)))
    );
    assert_eq!(
        (of(1, "muted"), of(1, "rate")),
        (Some(json!(true)), Some(json!(1.5))),
        "both hold for what follows"
    );
    conserved(&origin, &session).await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_low_battery_telemetry_waits_and_likes_do_not() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    // The first request after a start waits a random while; after this one nothing does but the rule itself.
    session.record_durable("unspool.share", share(0)).await?;
    assert_eq!(session.flush(PATIENCE).await?.delivered, 1);
    for (roaming, low_power) in [(true, false), (false, true)] {
        session.set_power(roaming, low_power);
        let before = session.outgoing();
        session.record_durable("unspool.share", share(1)).await?;
        let item = format!("liked-{roaming}");
        session.set_liked(&item, true).await?;
        eventually("the like is there", async || {
            Ok(origin.desired("ada").await?.contains(&("like".into(), item.clone(), true)))
        })
        .await?;
        // Twice as long as a record waits for company.
        let since = Instant::now();
        eventually("a batch would have been sent", async || Ok(since.elapsed() > Duration::from_millis(400)))
            .await?;
        let out = session.outgoing();
        assert_eq!((out.delivered, out.queued), (before.delivered, 1), "{out:?}");
        session.set_power(false, false);
        eventually("it goes when things are better", async || Ok(session.outgoing().queued == 0)).await?;
    }
    session.set_power(true, true);
    session.record_durable("unspool.share", share(2)).await?;
    assert_eq!(session.flush(PATIENCE).await?.queued, 0, "who asks for a flush gets it");
    conserved(&origin, &session).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// Files below `dir` that hold `canary`.
fn holding(dir: &Path, canary: &[u8]) -> Done<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(holding(&path, canary)?);
        } else if std::fs::read(&path)?.windows(canary.len()).any(|window| window == canary) {
            found.push(path);
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_erasure_nothing_is_left_on_either_side() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", true)?;
    let canary = |text: &str| {
        vec![
            ("item".into(), Given::Str(format!("canary-{text}"))),
            ("target".into(), Given::Str("message".into())),
        ]
    };
    session.record_durable("unspool.share", canary("sent")).await?;
    session.flush(PATIENCE).await?;
    let before = session.installation();
    assert_eq!(events(&origin, &before).await?.len(), 1);
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    session.record_durable("unspool.share", canary("kept")).await?;
    session.set_liked("liked", true).await?;
    assert!(!holding(&core, b"canary-")?.is_empty());

    session.erase_telemetry().await?;
    assert_ne!(session.installation(), before, "a new identifier begins");
    assert_eq!((session.outgoing().recorded, session.outgoing().queued), (0, 0));
    assert_eq!(session.liked("liked").await?, Some(true), "a like is no telemetry");
    assert_eq!(holding(&core, b"canary-")?, Vec::<std::path::PathBuf>::new());
    session.record_durable("unspool.share", share(0)).await?;
    session.set_conditions(Conditions { online: true, ..Conditions::default() });
    eventually("the server was asked to delete what it has", async || {
        session.flush(PATIENCE).await?;
        Ok(events(&origin, &before).await?.is_empty())
    })
    .await?;
    assert_eq!(events(&origin, &session.installation()).await?.len(), 1);
    conserved(&origin, &session).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_while_suspended_is_kept_and_sent_after() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", false)?;
    session.record("unspool.share", share(0))?;
    session.suspend().await?;
    assert_eq!(session.outgoing().recorded, 1, "what was recorded before is on disk");
    session.record("unspool.share", share(1))?;
    assert!(session.record_durable("unspool.share", share(2)).await?);
    session.set_liked("while suspended", true).await?;
    let comment = session.add_comment("item", None, "while suspended").await?;
    for name in ["events.db", "outbox.db"] {
        // Each of the calls above opened the file for its commit, and so does who looks at what is to be sent.
        eventually("nobody holds a lock", async || Ok(!core.join(format!("{name}-wal")).exists())).await?;
        let db = rusqlite::Connection::open(core.join(name))?;
        db.busy_timeout(PATIENCE)?;
        db.execute_batch("BEGIN EXCLUSIVE; ROLLBACK;").map_err(|e| format!("{name}: {e}"))?;
    }
    session.resume().await?;
    session.set_conditions(Conditions { online: true, ..Conditions::default() });
    eventually("everything is delivered", async || {
        let out = session.flush(PATIENCE).await?;
        Ok(out.queued == 0 && out.intents_queued == 0 && out.recorded == 3)
    })
    .await?;
    conserved(&origin, &session).await?;
    let desired = origin.desired("ada").await?;
    assert!(desired.contains(&("like".into(), "while suspended".into(), true)), "{desired:?}");
    let comments = origin.get("/control/comments?actor=ada").await?;
    assert_eq!(comments["comments"][0]["id"], json!(comment));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in events(&origin, &session.installation()).await? {
        *counts.entry(event["attributes"]["item"].to_string()).or_default() += 1;
    }
    assert!(counts.len() == 3 && counts.values().all(|n| *n == 1), "{counts:?}");
    session.shutdown(PATIENCE).await;
    Ok(())
}
