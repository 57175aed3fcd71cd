//! What leaves the device, seen by a proxy on the line: only what the configuration allows, all of it on the core's own list,
//! and in a feed that is not profiled the same for everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use unspool::{
    Conditions, FeedKind, OutboundPurpose, OutboundRequest, Report, ReportReason, ReportSubject, Unspool,
    spool,
};
use unspool_e2e::proxy::{Answer, Change, Passed, Proxy};
use unspool_e2e::{Done, Origin, PATIENCE, config, eventually, first_frame, until_kept};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Puts media on the host of `cdn`, and names a stranger first or as an alternate for some of them.
fn elsewhere(cdn: String, stranger: String) -> Change {
    Arc::new(move |request: &Passed, mut answer: Answer| {
        let is_json = answer.head.to_ascii_lowercase().contains("application/json");
        let names_media = request.path() == "/v1/feed" || request.path().starts_with("/v1/assets/");
        let Some(host) = request.header("host").filter(|_| is_json && names_media) else { return answer };
        let own = format!("http://{host}/media/");
        let text = String::from_utf8_lossy(&answer.body).replace(&own, &format!("{cdn}/media/"));
        let Ok(mut page) = serde_json::from_str::<Value>(&text) else { return answer };
        for (n, item) in page["items"].as_array_mut().into_iter().flatten().enumerate() {
            for rendition in item["asset"]["renditions"].as_array_mut().into_iter().flatten() {
                let good = rendition["url"].clone();
                let bad = Value::from(good.as_str().unwrap_or_default().replace(&cdn, &stranger));
                match n % 3 {
                    0 => (rendition["url"], rendition["alternates"]) = (bad, Value::from(vec![good])),
                    1 => rendition["alternates"] = Value::from(vec![bad]),
                    _ => {}
                }
            }
        }
        answer.body = page.to_string().into_bytes();
        answer
    })
}

/// Sends the first two requests for bytes on to a stranger.
fn astray(stranger: String) -> Change {
    let left = std::sync::atomic::AtomicUsize::new(2);
    Arc::new(move |request: &Passed, answer: Answer| {
        use std::sync::atomic::Ordering::SeqCst;
        let video = request.method() == "GET" && request.path().ends_with(".mp4");
        if !video || left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_err() {
            return answer;
        }
        let head = format!("HTTP/1.1 302 Found\r\nlocation: {stranger}{}\r\n\r\n", request.path());
        Answer { head, body: Vec::new() }
    })
}

fn plain() -> Change {
    Arc::new(|_, answer| answer)
}

/// What a path of the contract is for.
fn purpose_of(passed: &Passed) -> OutboundPurpose {
    let path = passed.path();
    match path {
        _ if passed.method() == "HEAD" => OutboundPurpose::Prewarm,
        _ if path.starts_with("/media/") || path.starts_with("/thumbnails/") => OutboundPurpose::Media,
        "/v1/logs" => OutboundPurpose::Telemetry,
        "/v1/comments" => OutboundPurpose::Comments,
        "/v1/interactions" => OutboundPurpose::Intents,
        _ if path.starts_with("/v1/payments") => OutboundPurpose::Payments,
        _ => OutboundPurpose::Feed,
    }
}

type Row = (String, String, &'static str, u64, u16, u64);

/// Host, method, purpose, bytes out, status, bytes in.
fn row_of(passed: &Passed) -> Row {
    let host = passed.header("host").unwrap_or_default().to_owned();
    let method = passed.method().to_owned();
    (host, method, purpose_of(passed).name(), passed.body.len() as u64, passed.status, passed.received)
}

fn row(listed: &OutboundRequest) -> Row {
    let OutboundRequest { host, method, purpose, sent, status, received, .. } = listed;
    (host.clone(), (*method).to_owned(), purpose.name(), *sent, *status, *received)
}

/// The rows of each that the other lacks, in order.
fn apart(mut one: BTreeMap<Row, usize>, mut other: BTreeMap<Row, usize>) -> (Vec<Row>, Vec<Row>) {
    for (row, count) in &mut one {
        let held = other.entry(row.clone()).or_default();
        let same = (*count).min(*held);
        (*count, *held) = (*count - same, *held - same);
    }
    let left = |rows: BTreeMap<Row, usize>| {
        rows.into_iter().flat_map(|(row, count)| std::iter::repeat_n(row, count)).collect()
    };
    (left(one), left(other))
}

/// How often each row is there.
fn counted(rows: impl Iterator<Item = Row>) -> BTreeMap<Row, usize> {
    rows.fold(BTreeMap::new(), |mut rows, row| {
        *rows.entry(row).or_default() += 1;
        rows
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_session_asks_listed_hosts_only_and_lists_every_request() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let stranger = Proxy::stranger().await?;
    let cdn = Proxy::start(&origin.url, astray(stranger.url.clone())).await?;
    let api = Proxy::start(&origin.url, elsewhere(cdn.url.clone(), stranger.url.clone())).await?;
    let mut config = config(&dir.path().join("core"), &api.url, "ada")?;
    config.media_hosts = vec![cdn.url.parse()?];
    config.captions = vec!["*".into()];
    let session = Unspool::open(config)?;
    session.topics().await?;
    session.set_interests(vec!["music".into()]).await?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut played = 0;
    for n in 0..6 {
        let card = feed.next().await?;
        // A card whose bytes were sent astray fails, perhaps before it is on the screen; the others play.
        played += usize::from(first_frame(&feed, &mut 0, card.position).await.is_ok());
        session.set_liked(&card.item.id, n % 2 == 0).await?;
        match n {
            1 => drop(session.add_comment(&card.item.id, None, "well said").await?),
            2 => session.set_followed(&card.item.creator.id, true).await?,
            3 => {
                let (subject, reason) =
                    (ReportSubject::Item(card.item.id.clone()), ReportReason::MisleadingScam);
                session.report(Report { subject, reason, scene: None, words: None }).await?;
            }
            _ => {}
        }
    }
    assert!(played >= 1, "no card played");
    let said = vec![("query".to_owned(), spool::Value::Str("cats".into()))];
    session.record("unspool.search", said)?;
    session.flush(PATIENCE).await?;
    // Without a network nothing leaves, and what was done meanwhile is sent after.
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    eventually("nothing is on its way", async || {
        let ended = session.outbound_after(0).requests.iter().all(|request| request.took_ms.is_some());
        Ok(ended && api.is_quiet() && cdn.is_quiet())
    })
    .await?;
    let before = (api.passed().len(), cdn.passed().len());
    session.set_saved("item-without-a-network", true).await?;
    let _ = feed.next().await;
    session.flush(Duration::from_millis(300)).await?;
    assert_eq!((api.passed().len(), cdn.passed().len()), before, "nothing left");
    session.set_conditions(Conditions::default());
    let card = feed.next().await?;
    feed.keep(std::slice::from_ref(&card.item.id)).await?;
    until_kept(&session, "its end", |kept| kept.kept.iter().any(|k| k.held > 0)).await?;
    session.refresh_reports().await?;
    session.flush(PATIENCE).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    eventually("nothing is on its way", async || Ok(api.is_quiet() && cdn.is_quiet())).await?;

    assert_eq!(stranger.connections(), 0, "nobody spoke to the stranger");
    let listed = session.outbound_after(0);
    assert_eq!(listed.forgotten, 0);
    let (refused, left): (Vec<_>, Vec<_>) = listed.requests.into_iter().partition(|request| request.refused);
    let strange = stranger.url.trim_start_matches("http://");
    assert!(refused.iter().all(|r| r.host == strange && r.sent + r.received == 0), "{refused:?}");
    assert!(refused.iter().any(|r| !r.redirected) && refused.iter().any(|r| r.redirected), "{refused:?}");
    for purpose in ["feed", "media", "telemetry", "intents", "comments"] {
        assert!(left.iter().any(|r| r.purpose.name() == purpose), "no request for {purpose}");
    }
    let passed: Vec<Passed> = api.passed().into_iter().chain(cdn.passed()).collect();
    let (theirs, ours) = apart(counted(passed.iter().map(row_of)), counted(left.iter().map(row)));
    // What is left over was handed to the connection and given up by the core: asked alike, and read to a part.
    let asked = |rows: &[Row]| -> Vec<(String, String, &'static str, u64)> {
        rows.iter()
            .map(|(host, method, purpose, sent, ..)| (host.clone(), method.clone(), *purpose, *sent))
            .collect()
    };
    assert_eq!(asked(&ours), asked(&theirs), "the list of the core and that of the proxy");
    let read = |rows: &[Row]| rows.iter().map(|row| row.5).sum::<u64>();
    assert!(read(&ours) <= read(&theirs) && theirs.len() * 4 <= passed.len(), "{theirs:?} {ours:?}");
    assert!(passed.len() >= 20, "{} requests are no long session", passed.len());
    Ok(())
}

/// A life of its own before: what was watched, liked, said and chosen, and then a feed that is not profiled.
async fn lives(api: &str, dir: &Path, account: &str, likes: bool) -> Done<()> {
    let session = Unspool::open(config(dir, api, account)?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let steps = if likes { 5 } else { 2 };
    for _ in 0..steps {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        session.set_liked(&card.item.id, likes).await?;
        session.set_learner_weight(&card.item.topics[0], if likes { 1.0 } else { -1.0 }).await?;
    }
    if likes {
        session.set_interests(vec!["music".into(), "food".into()]).await?;
        session.add_comment("an-item", None, "mine").await?;
    }
    session.flush(PATIENCE).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

/// Requests of a fresh look at the feed that is the same for everybody, as the proxy saw them.
async fn looks(to: &str, dir: &Path, account: &str) -> Done<Vec<Passed>> {
    let proxy = Proxy::start(to, plain()).await?;
    let session = Unspool::open(config(dir, &proxy.url, account)?)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut seen = 0;
    for _ in 0..4 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(proxy.passed())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_feed_that_is_not_profiled_two_people_ask_the_same_byte_for_byte() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let (ada, bob) = (dir.path().join("ada"), dir.path().join("bob"));
    lives(&origin.url, &ada, "ada", true).await?;
    lives(&origin.url, &bob, "bob", false).await?;
    let (hers, his) = (looks(&origin.url, &ada, "ada").await?, looks(&origin.url, &bob, "bob").await?);
    let (same, theirs) = (feed_requests(&hers, "ada")?, feed_requests(&his, "bob")?);
    assert!(!same.is_empty());
    assert_eq!(same, theirs);
    // Requests for bytes name the address that the server gave, which it signs for the viewer, and a range that follows the
    // line; nothing else is in them.
    for request in hers.iter().chain(&his).filter(|passed| passed.path().starts_with("/media/")) {
        let mut names: Vec<String> = request
            .head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()))
            .collect();
        names.retain(|name| name != "if-range");
        names.sort();
        let head = request.method() == "HEAD";
        let expected: &[&str] = match head {
            true => &["accept", "host", "user-agent"],
            false => &["accept", "accept-encoding", "host", "range", "user-agent"],
        };
        assert_eq!(names, expected, "{}", request.head);
        assert_eq!((request.header("accept"), request.body.len()), (Some("*/*"), 0));
    }
    Ok(())
}

/// The requests for pages and what belongs to them, byte for byte, without the token and the proxy's own port. Labels are asked
/// for by the minute, so whether they are depends on the machine.
fn feed_requests(passed: &[Passed], token: &str) -> Done<BTreeSet<(String, Vec<u8>)>> {
    let mut requests = BTreeSet::new();
    let of_the_feed =
        |passed: &&Passed| purpose_of(passed) == OutboundPurpose::Feed && passed.path() != "/v1/labels";
    for request in passed.iter().filter(of_the_feed) {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {token}")));
        let host = request.header("host").ok_or("no host")?;
        requests.insert((request.head_without("authorization").replace(host, "api"), request.body.clone()));
    }
    Ok(requests)
}
