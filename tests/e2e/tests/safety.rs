//! The safety filter against a real server: nothing of what is hidden is asked for, and what has to go goes at once.

use std::time::Duration;

use serde_json::{Value, json};
use unspool::{
    AgeBand, Card, Choice, Error, Event, FeedKind, FeedSession, HarmClass, MutedWord, RULES_CONTEXT,
    RulesError, SafetySettings, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, eventually, first_frame, http, open, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// As many clips as cards are looked at, so that no card shares its video with a hidden one.
const CLIPS: &[&str] = &["--clips", "24"];

async fn label(origin: &Origin, item: &str, labels: &[&str], gone: bool) -> Done<()> {
    let body = json!({"id": item, "labels": labels, "gone": gone});
    let url = format!("{}/control/labels", origin.control);
    http()?.post(url).json(&body).send().await?.error_for_status()?;
    Ok(())
}

/// The first items of a feed as the server orders them: identifier, asset, thumbnail.
async fn offered(origin: &Origin, count: usize) -> Done<Vec<(String, String, String)>> {
    let page = origin.get_as("ada", &format!("/v1/feed?feed=non_profiled&limit={count}")).await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = page["items"].as_array().ok_or("no items")?;
    Ok(items.iter().map(|i| (text(&i["id"]), text(&i["asset"]["id"]), text(&i["thumbnail"]))).collect())
}

/// Lines of the log that are about a video or its picture.
fn about<'a>(log: &'a [Value], item: &str, asset: &str) -> Vec<&'a Value> {
    let of = |path: &str| {
        path.starts_with(&format!("/media/{asset}/"))
            || path.starts_with(&format!("/v1/assets/{asset}/"))
            || path == format!("/thumbnails/{item}")
    };
    log.iter().filter(|line| line["path"].as_str().is_some_and(of)).collect()
}

/// Asks for the pictures of what a session hands out, covered or not, as a careless shell does; how many are withheld.
async fn pictures(session: &Unspool, feed: &FeedSession) -> Done<usize> {
    let mut withheld = 0;
    for item in feed.peek(20).await? {
        match session.thumbnail(&item.id).await {
            Err(Error::Withheld { items }) if items == [item.id.as_str()] => withheld += 1,
            shown => assert!(item.thumbnail.is_some() && shown?.is_some(), "{}", item.id),
        }
    }
    Ok(withheld)
}

async fn closed(feed: &FeedSession, seen: &mut u64, wanted: &str) -> Done<(u64, bool)> {
    loop {
        let batch = tokio::time::timeout(PATIENCE, feed.events_after(*seen, 1)).await??;
        *seen = batch.last;
        for event in batch.events {
            if let Event::CardClosed { position, item, current, .. } = event
                && item == wanted
            {
                return Ok((position, current));
            }
        }
    }
}

fn watch_at_once(session: &Unspool) -> SafetySettings {
    SafetySettings { age: AgeBand::Adult, ..session.safety() }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_for_a_hidden_item_and_none_for_a_covered_one_before_it_is_revealed() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), CLIPS)?;
    let items = offered(&origin, 12).await?;
    label(&origin, &items[1].0, &["scam"], false).await?;
    label(&origin, &items[2].0, &["nobody_knows_this"], false).await?;
    label(&origin, &items[4].0, &["reviewed", "porn"], false).await?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    session.set_safety(watch_at_once(&session)).await?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut seen = 0;
    let card = feed.next().await?;
    assert_eq!(card.item.id, items[0].0);
    first_frame(&feed, &mut seen, card.position).await?;
    assert_eq!(pictures(&session, &feed).await?, 1, "the covered one");
    let snapshot = until(&feed, "the one after the covered one is prepared", |s| {
        s.window.get(2).is_some_and(|c| c.ahead_ms > 1_000)
    })
    .await?;
    assert_eq!(snapshot.hidden, 2);

    let covered: Card = feed.next().await?;
    assert_eq!(
        (covered.item.id.as_str(), covered.covered),
        (items[2].0.as_str(), true),
        "the scam is passed over"
    );
    assert_eq!(covered.item.thumbnail, None);
    assert!(covered.decision.blurs() && covered.decision.overridable);
    origin.quiet().await?;
    let log = origin.log()?;
    for hidden in [1, 2, 4] {
        let (item, asset, _) = &items[hidden];
        assert_eq!(about(&log, item, asset), Vec::<&Value>::new(), "item {hidden}");
    }
    assert!(!about(&log, &items[3].0, &items[3].1).is_empty(), "the others were fetched");
    assert!(log.iter().any(|l| l["path"] == format!("/thumbnails/{}", items[3].0)), "and their pictures");

    let shown = feed.reveal(covered.position).await?;
    assert_eq!((shown.covered, shown.item.thumbnail.as_deref()), (false, Some(items[2].2.as_str())));
    first_frame(&feed, &mut seen, shown.position).await?;
    assert!(session.thumbnail(&shown.item.id).await?.is_some(), "revealed, it has its picture");
    for hidden in [1, 4] {
        assert_eq!(session.thumbnail(&items[hidden].0).await, Err(Error::NoSuchCard));
    }
    assert_eq!(feed.reveal(shown.position).await.map(|c| c.covered), Ok(false), "once more changes nothing");
    let next = feed.next().await?;
    assert_eq!(next.item.id, items[3].0);
    assert_eq!(feed.reveal(next.position).await, Err(Error::NotRevealable));
    let fifth = feed.next().await?;
    assert_eq!(fifth.item.id, items[5].0, "an adult who did not ask for it does not see it");
    let report = session.shutdown(PATIENCE).await;
    assert!(report.clean);
    origin.quiet().await?;
    let log = origin.log()?;
    for hidden in [1, 4] {
        let (item, asset, _) = &items[hidden];
        assert_eq!(about(&log, item, asset), Vec::<&Value>::new(), "item {hidden}, to the end");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_label_evicts_and_nothing_of_it_is_asked_for_again() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), CLIPS)?;
    let items = offered(&origin, 12).await?;
    let session = open(&core, &origin.url, "ada", true)?;
    session.set_safety(watch_at_once(&session)).await?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut seen = 0;
    let first = feed.next().await?;
    first_frame(&feed, &mut seen, first.position).await?;
    until(&feed, "the next card is fetched ahead", |s| s.window.get(1).is_some_and(|c| c.ahead_ms > 1_000))
        .await?;
    for item in &items[..2] {
        assert!(session.thumbnail(&item.0).await?.is_some());
    }
    origin.quiet().await?;
    assert!(!about(&origin.log()?, &items[1].0, &items[1].1).is_empty(), "its bytes were asked for before");

    // The next card is labelled, the one after it taken back.
    label(&origin, &items[1].0, &["fraud"], false).await?;
    label(&origin, &items[2].0, &[], true).await?;
    feed.refresh_labels()?;
    assert_eq!(closed(&feed, &mut seen, &items[1].0).await?, (1, false));
    assert_eq!(closed(&feed, &mut seen, &items[2].0).await?, (2, false));
    eventually("nothing of it is on the device", async || {
        Ok(session.gateway_url(&items[1].1, "any").is_err() && on_disk(&core, &items[1].1)? == 0)
    })
    .await?;
    origin.quiet().await?;
    let before = origin.log()?.len();

    let card = feed.next().await?;
    assert_eq!((card.position, card.item.id.as_str()), (3, items[3].0.as_str()), "moving passes over both");
    first_frame(&feed, &mut seen, card.position).await?;
    assert_eq!(feed.previous().await?.item.id, items[0].0);

    // The current card itself.
    label(&origin, &items[0].0, &["!hide"], false).await?;
    feed.refresh_labels()?;
    assert_eq!(closed(&feed, &mut seen, &items[0].0).await?, (0, true));
    let stopped = until(&feed, "it stands still", |s| {
        s.window.first().is_some_and(|c| c.position == 0 && c.covered && c.item.thumbnail.is_none())
    })
    .await?;
    assert_eq!(stopped.current, Some(0));
    assert_eq!(feed.reveal(0).await, Err(Error::NotRevealable));
    let withheld = Err(Error::Withheld { items: vec![items[0].0.clone()] });
    assert_eq!(session.thumbnail(&items[0].0).await, withheld, "nor from the cache");
    let card = feed.next().await?;
    assert_eq!(card.item.id, items[3].0);
    assert_eq!(feed.previous().await, Err(Error::EndOfFeed), "there is no way back to it");
    assert!(session.shutdown(PATIENCE).await.clean);

    // A session after it knows as well.
    let session = open(&core, &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let card = feed.next().await?;
    assert_eq!(card.item.id, items[3].0);
    session.shutdown(PATIENCE).await;
    origin.quiet().await?;
    let log = origin.log()?;
    for (item, asset, _) in &items[1..3] {
        assert_eq!(about(&log[before..], item, asset), Vec::<&Value>::new());
    }
    Ok(())
}

/// Bytes of the renditions of an asset in the cache of a session, by its index.
fn on_disk(core: &std::path::Path, asset: &str) -> Done<u64> {
    let db = rusqlite::Connection::open_with_flags(
        core.join("media").join("index.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let count = "SELECT count(*) FROM entry WHERE key LIKE ?1";
    let rows: i64 = db.query_row(count, [format!("{asset}\u{1f}%")], |r| r.get(0))?;
    Ok(u64::try_from(rows)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_person_mutes_goes_at_once_and_stays_muted_offline() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), CLIPS)?;
    let session = open(&core, &origin.url, "ada", true)?;
    session.set_safety(watch_at_once(&session)).await?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut seen = 0;
    let first = feed.next().await?;
    first_frame(&feed, &mut seen, first.position).await?;
    let ahead = feed.peek(8).await?;
    let (muted, blocked) =
        (&ahead[0], ahead.iter().rfind(|i| i.creator.id != first.item.creator.id).ok_or("one")?);
    let word = muted.caption.split_whitespace().last().ok_or("a word")?.trim_start_matches('#').to_owned();
    let mut settings = session.safety();
    settings.words.push(MutedWord { value: word.clone(), ..MutedWord::default() });
    settings.classes.insert(HarmClass::Propaganda, Choice::Hide);
    session.set_safety(settings.clone()).await?;
    closed(&feed, &mut seen, &muted.id).await?;
    session.set_blocked(&blocked.creator.id, true).await?;
    let clean = |card: &unspool::Item| {
        !card.caption.contains(&format!("#{word}")) && card.creator.id != blocked.creator.id
    };
    for _ in 0..4 {
        assert!(clean(&feed.next().await?.item));
    }
    session.flush(PATIENCE).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    let wishes = origin.desired("ada").await?;
    assert!(wishes.contains(&("block".to_owned(), blocked.creator.id.clone(), true)), "{wishes:?}");

    let session = open(&core, &origin.url, "ada", false)?;
    assert!(session.safety().blocked.contains(&blocked.creator.id));
    assert_eq!(session.safety().words, settings.words);
    let other = SafetySettings { words: vec![MutedWord::default()], ..SafetySettings::default() };
    assert!(matches!(session.set_safety(other).await, Err(Error::Config { .. })));
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// Rules as a document, and the public key of who signed it.
fn signed(version: u64, hides: &str, seed: u8) -> Done<(Value, [u8; 32])> {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    let mut rules = unspool::Rules { version, ..unspool::Rules::default() };
    let mut rule = rules.labels.last().ok_or("a label")?.clone();
    (rule.label, rule.default) = (hides.to_owned(), Choice::Hide);
    rules.labels.retain(|held| held.label != hides);
    rules.labels.push(rule);
    let payload = serde_json::to_string(&rules)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).map_err(|e| e.to_string())?;
    let signature = pair.sign(&[RULES_CONTEXT, payload.as_bytes()].concat());
    let hex: String = signature.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    Ok((json!({"payload": payload, "signature": hex}), pair.public_key().as_ref().try_into()?))
}

/// The documents that every language is tested with: who signed them, and that nobody changed them.
#[test]
fn the_shared_rules_are_signed_by_who_they_say() -> Done<()> {
    use ring::signature::{Ed25519KeyPair, KeyPair};
    let shared: Value = serde_json::from_str(include_str!("../../rules.json"))?;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    for (name, seed) in [("first", 7), ("second", 7), ("forged", 8)] {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).map_err(|e| e.to_string())?;
        let payload = shared[name]["payload"].as_str().ok_or("a payload")?;
        let signature = pair.sign(&[RULES_CONTEXT, payload.as_bytes()].concat());
        assert_eq!(shared[name]["signature"], hex(signature.as_ref()), "{name}");
        let key = hex(pair.public_key().as_ref());
        assert_eq!(shared["key"] == json!(key), seed == 7, "{name}: {key}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_rules_from_the_server_hold_at_once_and_forged_or_older_ones_never() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), CLIPS)?;
    let put = async |rules: &Value| -> Done<()> {
        let url = format!("{}/control/rules", origin.control);
        http()?.put(url).json(rules).send().await?.error_for_status()?;
        Ok(())
    };
    let items = offered(&origin, 12).await?;
    for (number, labels) in [(0, &[][..]), (1, &["paid_promotion"][..]), (2, &[][..])] {
        label(&origin, &items[number].0, labels, false).await?;
    }
    let (second, key) = signed(2, "paid_promotion", 7)?;
    put(&second).await?;
    let mut options = config(&core, &origin.url, "ada")?;
    options.safety_keys = vec![key];
    let session = Unspool::open(options.clone())?;
    session.set_safety(watch_at_once(&session)).await?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    eventually("the rules are taken", async || Ok(session.rules_version() == 2)).await?;
    until(&feed, "the advertisement went", |s| s.hidden > 0).await?;
    feed.next().await?;
    assert_eq!(feed.next().await?.item.id, items[2].0);

    let bytes = |value: &Value| value.to_string().into_bytes();
    let (older, _) = signed(1, "reviewed", 7)?;
    let refused = session.set_rules(bytes(&older)).await;
    assert_eq!(refused, Err(Error::Rules(RulesError::Older { held: 2, offered: 1 })));
    let (forged, _) = signed(9, "reviewed", 8)?;
    assert_eq!(session.set_rules(bytes(&forged)).await, Err(Error::Rules(RulesError::Signature)));
    assert_eq!(session.rules_version(), 2);
    session.shutdown(PATIENCE).await;

    // The server hands out forged ones now; the last good ones hold, also with no network.
    put(&forged).await?;
    options.conditions.online = false;
    let session = Unspool::open(options)?;
    assert_eq!(session.rules_version(), 2);
    session.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
