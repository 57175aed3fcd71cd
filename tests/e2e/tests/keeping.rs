//! Keeping for offline against the real server: killed in the middle, paused, cancelled, refused, and played without a
//! network. What was asked for is read from the server's log.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use unspool::{Conditions, Error, FeedKind, Hold, KeepFailure, KeepState, Unspool};
use unspool_e2e::log::{Sent, media_requests, media_sent, no_byte_twice};
use unspool_e2e::{
    CLIPS, Done, Origin, PATIENCE, cards, config, eventually, first_frame, open, until, until_kept,
};
use unspool_media::{Media, MediaConfig};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
const KEEPER: &str = env!("CARGO_BIN_EXE_keep-process");

fn keeper(dir: &Path, origin: &Origin, cards: usize) -> Done<Child> {
    let mut command = Command::new(KEEPER);
    command.arg(dir).arg(&origin.url).arg(cards.to_string()).stdout(Stdio::piped()).stdin(Stdio::null());
    Ok(command.spawn()?)
}

/// Reads states until one is as wanted, or to the end; every bar only grows. Gives the last state.
fn follow(child: &mut Child, wanted: impl Fn(u64, u64) -> bool) -> Done<Value> {
    let mut bars: BTreeMap<String, u64> = BTreeMap::new();
    let mut last = Value::Null;
    let out = child.stdout.as_mut().ok_or("no output")?;
    for line in BufReader::new(out).lines() {
        last = serde_json::from_str(&line?)?;
        let (mut held, mut bytes) = (0, 0);
        for kept in last["kept"].as_array().ok_or("no list")? {
            let (asset, now) = (kept["asset"].to_string(), kept["held"].as_u64().ok_or("no number")?);
            let bar = bars.entry(asset).or_default();
            assert!(now >= *bar, "progress went back from {bar}: {last}");
            *bar = now;
            held += now;
            bytes += kept["bytes"].as_u64().ok_or("no number")?;
        }
        if wanted(held, bytes) {
            break;
        }
    }
    Ok(last)
}

/// Bytes that the index in `dir` claims, by the beginning of their path at the server.
fn claimed(dir: &Path) -> Done<BTreeMap<String, Vec<Sent>>> {
    let db = rusqlite::Connection::open(dir.join("media/index.db"))?;
    let mut rows = db.prepare("SELECT key, first, past FROM entry JOIN span ON span.entry = entry.id")?;
    let rows = rows
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let mut claims: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
    for row in rows {
        let (key, start, end) = row?;
        let path = format!("/media/{}.", key.replace('\u{1f}', "/"));
        let sent = Sent { start: start.unsigned_abs(), end: end.unsigned_abs() };
        claims.entry(path).or_default().push(sent);
    }
    Ok(claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_killed_in_the_middle_goes_on_and_plays_without_a_network() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    origin.network(json!({"rate_kbps": 8_000})).await?;
    let mut child = keeper(&core, &origin, CLIPS)?;
    let seen = follow(&mut child, |held, bytes| bytes > 0 && held * 100 > bytes * 45)?;
    child.kill()?;
    child.wait()?;
    assert!(seen["kept"].as_array().is_some_and(|kept| kept.len() == CLIPS), "{seen}");
    origin.quiet().await?;
    let before = origin.log()?;
    no_byte_twice(&before)?;
    let claims = claimed(&core)?;
    let claimed_bytes: u64 = claims.values().flatten().map(|s| s.end - s.start).sum();
    assert!(claimed_bytes > 500_000, "the kill came too early to show anything: {claimed_bytes}");

    origin.network(json!({})).await?;
    let mut child = keeper(&core, &origin, 0)?;
    let last = follow(&mut child, |_, _| false)?;
    assert!(child.wait()?.success());
    let kept = last["kept"].as_array().ok_or("no list")?;
    assert!(kept.iter().all(|k| k["state"] == "Complete" && k["held"] == k["bytes"]), "{last}");
    origin.quiet().await?;
    let log = origin.log()?;
    let after = &log[before.len()..];
    no_byte_twice(after)?;
    for (path, sent) in media_sent(after)? {
        let held: Vec<Sent> = claims
            .iter()
            .filter(|(start, _)| path.starts_with(*start))
            .flat_map(|(_, spans)| spans.clone())
            .collect();
        for part in sent {
            let twice = held.iter().find(|have| have.start < part.end && part.start < have.end);
            assert!(twice.is_none(), "{path}: {part:?} was asked for although {twice:?} was held");
        }
    }
    let fresh =
        after.iter().filter(|l| l["path"].as_str().is_some_and(|p| p.starts_with("/v1/assets/"))).count();
    assert!(fresh > 0 && fresh <= CLIPS, "an address that ran out is asked for once per asset: {fresh}");

    origin.network(json!({"down": true})).await?;
    let lines = origin.log()?.len();
    let session = open(&core, &origin.url, "ada", false)?;
    let feed = session.feed(FeedKind::Kept)?;
    let mut seen = 0;
    for n in 0..CLIPS {
        let card = feed.next().await.map_err(|e| format!("card {n}: {e}"))?;
        let frame = first_frame(&feed, &mut seen, card.position).await?;
        assert!(frame.luma.is_some_and(|l| l > 8.0), "a picture: {frame:?}");
        until(&feed, "it plays on from what is held", |s| s.playhead_ms > 300).await?;
    }
    assert_eq!(feed.next().await.err(), Some(Error::Offline), "the end of what is kept");
    assert_eq!(session.bytes().network, 0);
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(origin.log()?.len(), lines, "nothing reached the server");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_within_a_chunk_and_forgetting_leaves_no_byte() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    origin.network(json!({"rate_kbps": 8_000})).await?;
    let session = open(&core, &origin.url, "ada", true)?;
    let cards = cards(&origin.url, "ada", 3).await?;
    let assets: Vec<String> = cards.iter().map(|card| card.asset.id.clone()).collect();
    let estimate = session.keep_estimate(cards.clone()).await?;
    assert!(estimate.fits && estimate.assets == 3 && estimate.needed > 4_000_000, "{estimate:?}");
    assert_eq!(session.keep(cards.clone()).await?.needed, estimate.needed);
    assert_eq!(session.keep(cards.clone()).await?.assets, 0, "kept already");
    until_kept(&session, "the first bytes", |s| s.held() > 300_000).await?;
    session.pause_keep(assets.clone()).await?;
    let running = media_requests(&origin.log()?);
    let paused =
        until_kept(&session, "paused", |s| s.kept.iter().all(|k| k.state == KeepState::Paused)).await?;
    origin.quiet().await?;
    let stopped = media_requests(&origin.log()?);
    assert!(stopped <= running + 1, "at most the chunk that ran: {running}, then {stopped}");
    assert!(paused.held() < estimate.needed);
    for _ in 0..20 {
        session.topics().await?;
    }
    assert!(session.shutdown(PATIENCE).await.clean);

    let session = open(&core, &origin.url, "ada", true)?;
    let again =
        until_kept(&session, "the bar to stand where it stood", |s| s.held() >= paused.held()).await?;
    assert!(again.kept.iter().all(|k| k.state == KeepState::Paused), "{again:?}");
    for _ in 0..20 {
        session.topics().await?;
    }
    assert_eq!(media_requests(&origin.log()?), stopped, "paused means no request, after a restart too");
    session.resume_keep(vec![assets[0].clone()]).await?;
    until_kept(&session, "the first is complete", |s| s.kept[0].state == KeepState::Complete).await?;
    session.resume_keep(assets.clone()).await?;
    let first = session.kept().held();
    until_kept(&session, "more of the second", |s| s.held() > first + 200_000).await?;
    let freed = session.forget_kept(assets.clone()).await?;
    origin.quiet().await?;
    assert_eq!(session.bytes().on_disk, 0, "of {freed} bytes");
    assert!(session.kept().kept.is_empty());
    no_byte_twice(&origin.log()?)?;
    assert_eq!(session.forget_kept(assets).await?, 0, "it is gone");
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(files(&core.join("media/spans"))?, 0, "no file is left");
    let session = open(&core, &origin.url, "ada", false)?;
    assert!(session.kept().kept.is_empty());
    session.shutdown(PATIENCE).await;
    Ok(())
}

fn files(dir: &Path) -> Done<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files(&entry.path())? } else { 1 };
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_leaves_what_a_feed_brought_and_a_player_read() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    first_frame(&feed, &mut seen, card.position).await?;
    let window = until(&feed, "enough for offline", |s| {
        s.window.first().is_some_and(|c| c.ahead_ms + s.playhead_ms >= 3_000)
    })
    .await?
    .window;
    feed.keep(std::slice::from_ref(&card.item.id)).await?;
    assert!(matches!(feed.keep(&["item-no".into()]).await, Err(Error::Config { .. })));
    until_kept(&session, "all of it", |s| s.kept.iter().all(|k| k.state == KeepState::Complete)).await?;
    session.forget_kept(vec![card.item.asset.id.clone()]).await?;
    assert!(session.kept().kept.is_empty());
    let again = feed.snapshot().window;
    assert_eq!(again[0].rendition, window[0].rendition);
    session.shutdown(PATIENCE).await;
    origin.network(json!({"down": true})).await?;
    let session = open(&core, &origin.url, "ada", false)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let back = feed.next().await?;
    assert_eq!(back.item.id, card.item.id);
    first_frame(&feed, &mut 0, back.position).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_conditions_and_says_what_it_cannot_have() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let mut config = config(&core, &origin.url, "ada")?;
    config.conditions.metered = true;
    config.keep.max_height = 480;
    let session = Unspool::open(config)?;
    let cards = cards(&origin.url, "ada", 3).await?;
    origin
        .fault(json!({"path_prefix": format!("/media/{}/", cards[1].asset.id), "times": 1_000,
                        "action": {"kind": "status", "status": 404}}))
        .await?;
    let held = |hold: Hold| {
        move |s: &unspool::KeptSnapshot| {
            s.kept.len() == 2 && s.kept.iter().all(|k| k.state == KeepState::Held(hold))
        }
    };
    session.keep(cards[..2].to_vec()).await?;
    until_kept(&session, "it waits for a free network", held(Hold::Metered)).await?;
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    until_kept(&session, "it waits for a network", held(Hold::Offline)).await?;
    session.suspend().await?;
    until_kept(&session, "it waits", held(Hold::Offline)).await?;
    session.resume().await?;
    assert_eq!(media_requests(&origin.log()?), 0);
    session.set_conditions(Conditions::default());
    let state = |n: usize, wanted: KeepState| {
        move |s: &unspool::KeptSnapshot| s.kept.get(n).is_some_and(|k| k.state == wanted)
    };
    until_kept(&session, "the first is complete", state(0, KeepState::Complete)).await?;
    until_kept(&session, "the second is gone", state(1, KeepState::Failed(KeepFailure::Gone))).await?;

    let mut huge = cards[2].clone();
    huge.asset.renditions.truncate(1);
    huge.asset.renditions[0].bytes = Some(1 << 40);
    let many = (0..64).map(|n| {
        let mut item = huge.clone();
        item.asset.id = format!("huge-{n}");
        item
    });
    let many: Vec<_> = many.collect();
    assert!(!session.keep_estimate(many.clone()).await?.fits);
    let refused = session.keep(many).await;
    assert!(
        matches!(refused, Err(Error::NoRoom { needed, free }) if needed > 1 << 45 && free < needed),
        "{refused:?}"
    );
    assert_eq!(session.kept().kept.len(), 2, "nothing of it is kept");
    let mut broken = cards[2].clone();
    broken.asset.id = "no such\nid".into();
    assert!(matches!(session.keep(vec![broken]).await, Err(Error::Config { .. })));

    origin.get("/control/stats").await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(session.keep(cards).await.err(), Some(Error::ShutDown));
    assert_eq!(session.kept_after(u64::MAX).await.err(), Some(Error::ShutDown));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_needs_a_sign_in_is_waited_for() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let mut card = cards(&origin.url, "ada", 1).await?.remove(0);
    // It ran out, so the backend is asked for another, and knows nobody.
    card.asset.renditions.iter_mut().for_each(|rendition| rendition.expires_at_ms = Some(1));
    origin
        .fault(json!({"path_prefix": "/v1/assets/", "times": 1, "action": {"kind": "status", "status": 401}}))
        .await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    session.keep(vec![card]).await?;
    let state = |wanted: KeepState| move |s: &unspool::KeptSnapshot| s.kept.iter().all(|k| k.state == wanted);
    until_kept(&session, "it says what it waits for", state(KeepState::Held(Hold::SignIn))).await?;
    assert_eq!(media_requests(&origin.log()?), 0);
    session.signed_in();
    until_kept(&session, "it goes on by itself", state(KeepState::Complete)).await?;
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// What is pinned in the cache of `core`, which nobody uses.
async fn pinned(core: &Path) -> Done<usize> {
    let media = Media::open(MediaConfig::new(core.join("media")), tokio::runtime::Handle::current())?;
    let pinned = media.pinned()?.len();
    media.shutdown(PATIENCE).await?;
    Ok(pinned)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_remembers_to_keep_is_left_to_eviction() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", false)?;
    let cards = cards(&origin.url, "ada", 3).await?;
    // A rendition, the picture and the captions of each.
    let entries: usize = cards.iter().map(|card| 2 + card.captions.len()).sum();
    session.keep(cards).await?;
    session.shutdown(PATIENCE).await;
    drop(session);
    assert_eq!(pinned(&core).await?, entries);
    // What is written down stays pinned over a restart.
    let session = open(&core, &origin.url, "ada", false)?;
    assert_eq!(session.kept().kept.len(), 3);
    session.shutdown(PATIENCE).await;
    drop(session);
    assert_eq!(pinned(&core).await?, entries);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(core.join(format!("session.db{suffix}")));
    }
    let session = open(&core, &origin.url, "ada", false)?;
    assert!(session.kept().kept.is_empty());
    session.shutdown(PATIENCE).await;
    drop(session);
    assert_eq!(pinned(&core).await?, 0, "nobody would ever unpin it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_are_kept_with_their_card_and_go_with_it() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let session = open(&core, &origin.url, "ada", true)?;
    let cards = cards(&origin.url, "ada", 2).await?;
    let files: usize = cards.iter().map(|card| card.captions.len()).sum();
    assert!(files > 2, "more than one language: {cards:?}");
    // A file that cannot be had keeps no card from being complete.
    let refused = reqwest::Url::parse(&cards[0].captions[0].url)?;
    let action = json!({"kind": "status", "status": 404});
    origin.fault(json!({"path_prefix": refused.path(), "action": action})).await?;
    session.keep(cards.clone()).await?;
    let complete = |s: &unspool::KeptSnapshot| s.kept.iter().all(|k| k.state == KeepState::Complete);
    until_kept(&session, "all of it", complete).await?;
    session.shutdown(PATIENCE).await;
    drop(session);
    let asked = |log: &[Value]| {
        log.iter().filter(|l| l["path"].as_str().is_some_and(|p| p.contains("/captions."))).count()
    };
    origin.quiet().await?;
    assert_eq!(asked(&origin.log()?), files, "each once");

    let session = open(&core, &origin.url, "ada", true)?;
    let look = async || Ok(asked(&origin.log()?) == files + 1);
    eventually("the one that could not be had is asked for again, and no other", look).await?;
    session.shutdown(PATIENCE).await;
    drop(session);
    origin.quiet().await?;
    assert_eq!(asked(&origin.log()?), files + 1);

    origin.network(json!({"down": true})).await?;
    let session = open(&core, &origin.url, "ada", false)?;
    let feed = session.feed(FeedKind::Kept)?;
    let card = feed.next().await?;
    for track in &card.item.captions {
        session.set_captions(vec![track.language.clone()])?;
        until(&feed, "its captions without a network", |s| {
            !s.captions.cues.is_empty() && s.captions.language.as_ref() == Some(&track.language)
        })
        .await?;
    }
    assert_eq!(session.bytes().network, 0);
    session.forget_kept(cards.iter().map(|card| card.asset.id.clone()).collect()).await?;
    session.shutdown(PATIENCE).await;
    drop(session);
    assert_eq!(pinned(&core).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_asset_is_handed_out_as_a_file_that_stays() -> Done<()> {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let cards = cards(&origin.url, "ada", 1).await?;
    session.keep(cards.clone()).await?;
    let asset = &cards[0].asset.id;
    let done =
        until_kept(&session, "complete", |s| s.kept.iter().all(|k| k.state == KeepState::Complete)).await?;
    let rendition = done.kept[0].rendition.clone();
    assert!(matches!(session.file(asset, "270").await, Err(Error::NotComplete { .. })));
    let file = session.file(asset, &rendition).await?;
    let url = session.gateway_url(asset, &rendition)?;
    let lines = origin.log()?.len();
    let bytes = std::fs::read(file.path())?;
    assert_eq!(bytes.len() as u64, file.size());
    let served = unspool_e2e::http()?.get(&url).send().await?.error_for_status()?.bytes().await?;
    assert_eq!(served, bytes, "the gateway and the file are the same bytes");
    session.forget_kept(vec![asset.clone()]).await?;
    let mut head = [0; 64];
    file.file().read_exact_at(&mut head, 0)?;
    assert_eq!(head, bytes[..64]);
    assert!(file.path().exists(), "it stays while somebody reads it");
    assert_eq!(origin.log()?.len(), lines, "nothing was asked of the server");
    eventually("the log is complete", async || Ok(origin.get("/control/stats").await?["in_flight"] == 0))
        .await?;
    let by = session.bytes().by_purpose;
    assert_eq!(by.offline.network, session.bytes().media, "all of it was for keeping: {by:?}");
    session.shutdown(PATIENCE).await;
    Ok(())
}
