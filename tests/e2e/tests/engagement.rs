//! What a person does beside watching, against the real server: wishes fold and arrive once, what is refused stays in
//! sight, every kind of event of the schema arrives, and batches are packed as tightly as the collector says it reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use unspool::spool::Value as Given;
use unspool::{Conditions, Error, IntentVerb, OutboundPurpose, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, eventually, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

fn go(session: &Unspool, online: bool) {
    session.set_conditions(Conditions { online, ..Conditions::default() });
}

/// What the server stored of a person's wishes, in one set.
fn wishes(list: &[(&str, &str, bool)]) -> BTreeSet<(String, String, bool)> {
    list.iter().map(|(verb, target, state)| ((*verb).to_owned(), (*target).to_owned(), *state)).collect()
}

/// Operations the server carried out so far.
async fn operations(origin: &Origin) -> Done<u64> {
    let stats = origin.get("/control/stats").await?;
    stats["interactions"].as_u64().ok_or_else(|| "no count of operations".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_and_saves_are_shown_at_once_fold_and_arrive_once() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", false)?;
    assert_eq!((session.followed("cleo").await?, session.saved("item-1").await?), (None, None));
    session.set_followed("cleo", true).await?;
    session.set_saved("item-1", true).await?;
    session.set_liked("item-1", true).await?;
    // A creator and an item of one name are two things.
    session.set_followed("item-1", false).await?;
    assert_eq!((session.followed("cleo").await?, session.saved("item-1").await?), (Some(true), Some(true)));
    assert_eq!((session.followed("item-1").await?, session.saved("cleo").await?), (Some(false), None));
    assert!(matches!(session.set_followed("", true).await, Err(Error::Config { .. })));
    assert!(matches!(session.set_saved(&"x".repeat(600), true).await, Err(Error::Config { .. })));
    assert!(session.shutdown(PATIENCE).await.clean);

    // Another process later, over a network that loses an answer and meets a busy server.
    let session = open(&core, &origin.url, "ada", false)?;
    assert_eq!((session.followed("cleo").await?, session.saved("item-1").await?), (Some(true), Some(true)));
    for action in [json!({"kind": "reset", "after_bytes": 0}), json!({"kind": "status", "status": 503})] {
        origin.fault(json!({"path_prefix": "/v1/interactions", "action": action})).await?;
    }
    go(&session, true);
    eventually("the wishes are there", async || Ok(session.flush(PATIENCE).await?.intents_queued == 0))
        .await?;
    let wanted = wishes(&[
        ("follow", "cleo", true),
        ("save", "item-1", true),
        ("like", "item-1", true),
        ("follow", "item-1", false),
    ]);
    assert_eq!((origin.desired("ada").await?, operations(&origin).await?), (wanted.clone(), 4));

    // Now the device knows what the server has: a change that ends there leaves nothing to send.
    go(&session, false);
    let before = session.outgoing();
    for _ in 0..3 {
        session.set_followed("cleo", false).await?;
        assert_eq!(session.followed("cleo").await?, Some(false));
        session.set_followed("cleo", true).await?;
        session.set_saved("item-1", false).await?;
        session.set_saved("item-1", true).await?;
    }
    assert_eq!((session.followed("cleo").await?, session.saved("item-1").await?), (Some(true), Some(true)));
    let after = session.outgoing();
    assert_eq!((after.intents_queued, after.intents - before.intents), (0, 12));
    // The last of many taps is the one that is sent.
    for n in 0..7 {
        session.set_saved("item-2", n % 2 == 0).await?;
    }
    assert_eq!(session.outgoing().intents_queued, 1);
    go(&session, true);
    assert_eq!(session.flush(PATIENCE).await?.intents_queued, 0);
    let wanted: BTreeSet<_> = wanted.union(&wishes(&[("save", "item-2", true)])).cloned().collect();
    assert_eq!((origin.desired("ada").await?, operations(&origin).await?), (wanted, 5));
    assert_eq!(session.shutdown(PATIENCE).await.outgoing.intents_wedged, 0);
    assert_eq!(session.set_followed("cleo", false).await, Err(Error::ShutDown));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_backend_refuses_of_wishes_stays_in_sight_until_it_is_dismissed() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", true)?;
    assert_eq!(session.refused_intents().await?, []);
    // Longer than this server takes an identifier.
    let (item, creator) = ("i".repeat(300), "c".repeat(300));
    session.set_liked(&item, true).await?;
    session.set_saved("fine", true).await?;
    session.set_followed(&creator, false).await?;
    let mut revision = 0;
    while session.refused_intents().await?.len() < 2 {
        revision = tokio::time::timeout(PATIENCE, session.intents_after(revision)).await??;
    }
    let began = session.refused_intents().await?;
    let seen: Vec<(IntentVerb, &str, bool, &str)> =
        began.iter().map(|r| (r.verb, r.target.as_str(), r.state, r.reason.as_str())).collect();
    assert_eq!(
        seen,
        [
            (IntentVerb::Like, item.as_str(), true, "bad_target"),
            (IntentVerb::Follow, creator.as_str(), false, "bad_target")
        ]
    );
    assert!(began[0].at_ms > 1_700_000_000_000 && began[0].at_ms <= began[1].at_ms);
    assert_eq!(session.liked(&item).await?, None, "what the backend has is shown");
    assert_eq!(session.outgoing().intents_wedged, 2);
    session.shutdown(PATIENCE).await;

    // It belongs to the person, and outlives the process.
    let session = open(&core, &origin.url, "bob", true)?;
    assert_eq!(session.refused_intents().await?, []);
    assert!(!session.dismiss_intent(&began[0].id).await?, "it is not his");
    session.shutdown(PATIENCE).await;
    let session = open(&core, &origin.url, "ada", true)?;
    assert_eq!(session.refused_intents().await?, began);
    assert!(session.dismiss_intent(&began[0].id).await?);
    assert!(!session.dismiss_intent(&began[0].id).await?);
    assert!(!session.dismiss_intent("nothing").await?);
    assert_eq!(session.refused_intents().await?, began[1..]);
    // Wanted again, it is sent again, and the newer answer stands in place of the older.
    session.set_followed(&creator, true).await?;
    session.flush(PATIENCE).await?;
    let now = session.refused_intents().await?;
    assert_eq!(now.iter().map(|r| (r.verb, r.state)).collect::<Vec<_>>(), [(IntentVerb::Follow, true)]);
    assert_ne!(now[0].id, began[1].id);
    let out = session.outgoing();
    assert_eq!((out.intents_wedged, out.intents_queued), (1, 0), "{out:?}");
    assert_eq!(origin.desired("ada").await?, wishes(&[("save", "fine", true)]));
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// Every event that an app tells of, with all of its attributes, and what the server is to have stored.
fn told() -> Vec<(&'static str, Value)> {
    vec![
        ("unspool.like", json!({"item": "i", "state": true, "position": 3, "double_tap": true})),
        ("unspool.follow", json!({"creator": "c", "state": false, "item": "i"})),
        ("unspool.share", json!({"item": "i", "position": 3, "target": "copy_link"})),
        ("unspool.comment", json!({"item": "i", "action": "write", "length": 12, "open_ms": 4_000})),
        ("unspool.save", json!({"item": "i", "state": true, "position": 3})),
        ("unspool.not_interested", json!({"item": "i", "about": "topic", "topic": "cats", "position": 3})),
        ("unspool.hide", json!({"item": "i", "rule": "muted_word", "position": 3})),
        ("unspool.report", json!({"subject": "i", "about": "item", "category": "scam"})),
        (
            "unspool.search",
            json!({"query": "caf\u{e9} \u{1f3ac}", "results": 12, "picked": 0, "took_ms": 80}),
        ),
        (
            "unspool.creation",
            json!({"draft": "d", "step": "publish", "duration_ms": 9_000, "bytes": 1_048_576}),
        ),
        (
            "unspool.gift",
            json!({"gift": "rose", "creator": "c", "coins": 5, "item": "i", "state": "confirmed"}),
        ),
        (
            "unspool.donation",
            json!({"campaign": "sea", "minor_units": 500, "currency": "EUR", "state": "opened"}),
        ),
        ("unspool.wellbeing", json!({"prompt": "pause", "answer": "took_break", "watched_ms": 3_600_000})),
        (
            "unspool.playback",
            json!({
                "impression": "s/1", "outcome": "played", "rendition": "720p", "start_class": "cached",
                "first_frame_ms": 31.5, "stalls": 1, "stall_ms": 240, "network": "metered", "error": "none",
            }),
        ),
        ("unspool.progress", json!({"impression": "s/1", "progress_ms": 2_000, "active_ms": 1_900})),
    ]
}

fn given(attributes: &Value) -> Done<Vec<(String, Given)>> {
    let all = attributes.as_object().ok_or("no attributes")?.iter().map(|(key, value)| {
        let value = match value {
            Value::String(text) => Given::Str(text.clone()),
            Value::Bool(flag) => Given::Bool(*flag),
            Value::Number(n) => match n.as_i64() {
                Some(n) => Given::Int(n),
                None => Given::Float(n.as_f64().ok_or("no number")?),
            },
            _ => return Err("an attribute is none".into()),
        };
        Ok((key.clone(), value))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_arrives_with_every_attribute_it_may_have() -> Done<()> {
    let told = told();
    for schema in unspool::schema::ALL.iter().filter(|schema| schema.name != unspool::IMPRESSION) {
        let (_, attributes) = told.iter().find(|(name, _)| *name == schema.name).ok_or(schema.name)?;
        let known: BTreeSet<&str> = schema.attributes.iter().map(|attribute| attribute.key).collect();
        let here: BTreeSet<&str> =
            attributes.as_object().ok_or(schema.name)?.keys().map(String::as_str).collect();
        assert_eq!(here, known, "{}: the table has every attribute", schema.name);
    }
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    for (n, (name, attributes)) in told.iter().enumerate() {
        if n.is_multiple_of(2) {
            session.record(name, given(attributes)?)?;
        } else {
            assert!(session.record_durable(name, given(attributes)?).await?, "{name}");
        }
        let schema = unspool::schema::find(name).ok_or(*name)?;
        // Without what it must have, or with what is not on the list, it is refused.
        for attribute in schema.attributes.iter().filter(|attribute| attribute.required) {
            let mut less = given(attributes)?;
            less.retain(|(key, _)| key != attribute.key);
            let refused = session.record(name, less);
            assert!(matches!(refused, Err(Error::Config { .. })), "{name} without {}", attribute.key);
        }
        let mut more = given(attributes)?;
        more.push(("phone_number".into(), Given::Str("1".into())));
        assert!(matches!(session.record(name, more), Err(Error::Config { .. })), "{name}");
    }
    let wanted = told.len() as u64;
    eventually("all are delivered", async || {
        let out = session.flush(PATIENCE).await?;
        Ok((out.recorded, out.queued) == (wanted, 0))
    })
    .await?;
    let answer = origin.get(&format!("/control/events?installation={}", session.installation())).await?;
    let mut there: BTreeMap<String, Value> = BTreeMap::new();
    for event in answer["events"].as_array().ok_or("no events")? {
        let mut attributes = event["attributes"].as_object().cloned().ok_or("no attributes")?;
        // Who and which are the spool's.
        for own in ["seq", "session"] {
            assert!(attributes.remove(own).is_some(), "{event}");
        }
        let name = event["event_name"].as_str().unwrap_or_default().to_owned();
        assert_eq!(there.insert(name, Value::Object(attributes)), None, "{event}: once");
    }
    let sent: BTreeMap<String, Value> =
        told.iter().map(|(name, all)| ((*name).to_owned(), all.clone())).collect();
    assert_eq!(there, sent);
    session.shutdown(PATIENCE).await;
    Ok(())
}

/// Encoding, bytes and number of records of each batch that came, by its name, in the order of the first record.
fn batches(origin: &Origin) -> Done<Vec<(String, u64, u64)>> {
    let text = std::fs::read_to_string(origin.state.join("telemetry.jsonl"))?;
    let mut batches: BTreeMap<(i64, String), (String, u64, u64)> = BTreeMap::new();
    let mut first: BTreeMap<String, i64> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        let id = line["batch_id"].as_str().ok_or("no batch")?.to_owned();
        let seq = line["seq"].as_i64().ok_or("no number")?;
        let first = *first.entry(id.clone()).or_insert(seq);
        let encoding = line["encoding"].as_str().ok_or("no encoding")?.to_owned();
        let bytes = line["batch_bytes"].as_u64().ok_or("no bytes")?;
        batches.entry((first, id)).or_insert((encoding, bytes, 0)).2 += 1;
    }
    Ok(batches.into_values().collect())
}

async fn shares(session: &Unspool, count: usize) -> Done<()> {
    for n in 0..count {
        let item = format!("item-{n:05}");
        let attributes = json!({"item": item, "target": "message", "position": n});
        session.record("unspool.share", given(&attributes)?)?;
    }
    eventually("all are delivered", async || Ok(session.flush(PATIENCE).await?.queued == 0)).await
}

/// Bytes of telemetry that the session says it sent.
fn telemetry_bytes(session: &Unspool) -> u64 {
    let telemetry = |purpose| purpose == OutboundPurpose::Telemetry;
    session.outbound_after(0).requests.iter().filter(|r| telemetry(r.purpose)).map(|r| r.sent).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_packed_with_zstd_once_the_collector_says_it_reads_it() -> Done<()> {
    let dir = tempfile::tempdir()?;
    for (advertised, wanted) in [(true, "zstd"), (false, "gzip")] {
        let flags: &[&str] = if advertised { &["--zstd"] } else { &[] };
        let origin = Origin::start(PROGRAM, &dir.path().join(format!("origin-{advertised}")), flags)?;
        let session = open(&dir.path().join(format!("core-{advertised}")), &origin.url, "ada", true)?;
        for _ in 0..3 {
            shares(&session, 100).await?;
        }
        let came = batches(&origin)?;
        let records: u64 = came.iter().map(|(_, _, records)| records).sum();
        assert_eq!(records, 300, "{came:?}");
        // A burst may take more than one batch; what changes is the encoding, from one to the next.
        let encodings: Vec<&str> = came.iter().map(|(encoding, ..)| encoding.as_str()).collect();
        assert_eq!(encodings.first(), Some(&"gzip"), "nothing was said yet: {came:?}");
        assert!(encodings.iter().skip(1).all(|encoding| *encoding == wanted), "{came:?}");
        let bytes: u64 = came.iter().map(|(_, bytes, _)| bytes).sum();
        assert_eq!(telemetry_bytes(&session), bytes, "both sides count the same");
        session.shutdown(PATIENCE).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_what_it_advertised_gets_gzip_and_loses_nothing() -> Done<()> {
    let dir = tempfile::tempdir()?;
    for status in [415, 400] {
        let origin = Origin::start(PROGRAM, &dir.path().join(format!("origin-{status}")), &["--zstd"])?;
        let session = open(&dir.path().join(format!("core-{status}")), &origin.url, "ada", true)?;
        shares(&session, 20).await?;
        let refusal = json!({"kind": "status", "status": status});
        origin.fault(json!({"path_prefix": "/v1/logs", "action": refusal})).await?;
        let before = telemetry_bytes(&session);
        shares(&session, 20).await?;
        let requests = session.outbound_after(0).requests;
        let statuses: Vec<u16> = requests
            .iter()
            .filter(|request| request.purpose == OutboundPurpose::Telemetry)
            .map(|request| request.status)
            .collect();
        assert!(statuses.contains(&status), "{statuses:?}");
        shares(&session, 20).await?;
        let came = batches(&origin)?;
        assert!(came.iter().all(|(encoding, ..)| encoding == "gzip"), "{status}: {came:?}");
        let out = session.outgoing();
        assert_eq!((out.recorded, out.delivered, out.dropped, out.quarantined), (60, 60, 0, 0), "{out:?}");
        let after: u64 = came.iter().skip(1).map(|(_, bytes, _)| bytes).sum();
        assert!(telemetry_bytes(&session) - before > after, "the refused request counts too");
        session.shutdown(PATIENCE).await;
    }
    Ok(())
}
