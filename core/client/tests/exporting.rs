//! The export of everything that is held: as its schema says, whole or not there, and every trace of a person in it.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod seeded;

use std::path::Path;
use std::time::{Duration, Instant};

use seeded::{CANARIES, PATIENCE, canary, open, seed, serve};
use serde_json::Value;
use unspool::Error;

/// What the committed schema has against a document.
fn wrong(document: &Value) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/export.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("urn:unspool:export:1", schema).unwrap();
    let index = compiler.compile("urn:unspool:export:1", &mut schemas).unwrap();
    schemas.validate(document, index).err().map(|error| format!("{error:#}"))
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_account_has_an_empty_export_that_keeps_to_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let session = open(&dir.path().join("core"), "http://127.0.0.1:9", "ada").unwrap();
    let to = dir.path().join("export.json");
    session.export(&to).run().await.unwrap();
    let document = read(&to);
    assert_eq!(wrong(&document), None);
    assert_eq!(
        (&document["account"], &document["interests"]),
        (&Value::from("ada"), &Value::Array(Vec::new()))
    );
    // The schema is one that can say no.
    let without = |name: &str| {
        let mut less = document.clone();
        less.as_object_mut().unwrap().remove(name);
        less
    };
    for name in document.as_object().unwrap().keys() {
        assert!(wrong(&without(name)).is_some(), "{name}");
    }
    let mut more = document.clone();
    more["secret"] = Value::Null;
    assert!(wrong(&more).is_some());
    assert!(session.shutdown(PATIENCE).await.clean);
    assert!(matches!(session.export(&to).run().await, Err(Error::ShutDown)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_trace_of_a_person_is_in_the_export_and_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let core = dir.path().join("core");
    let server = serve().await;
    let other = open(&core, &server, "other").unwrap();
    other.set_liked("not-hers", true).await.unwrap();
    other.add_comment("not-hers", None, "not-hers").await.unwrap();
    assert!(other.shutdown(PATIENCE).await.clean);
    seed(&core, &server).await;
    let session = open(&core, &server, &canary(0)).unwrap();
    let to = dir.path().join("export.json");
    let export = session.export(&to);
    let done = export.run().await.unwrap();
    let text = std::fs::read_to_string(&to).unwrap();
    assert_eq!((done.bytes, done), (text.len() as u64, export.progress()));
    assert!(done.entries > 100, "{done:?}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(wrong(&document), None);
    // Of media there is the list: the bytes and what the server called them are not a person's.
    let missing: Vec<usize> =
        (0..CANARIES).filter(|n| ![195, 196].contains(n) && !text.contains(&canary(*n))).collect();
    assert_eq!(missing, Vec::<usize>::new());
    assert!(!text.contains("not-hers"));
    let comments = document["comments"].as_array().unwrap();
    assert_eq!((comments.len(), comments[0]["sent"].as_bool()), (20, Some(false)));
    let searches = document["telemetry"].as_array().unwrap();
    assert!(searches.iter().filter(|event| event["name"] == "unspool.search").count() == 15);
    assert!(document["media"].as_array().unwrap().iter().any(|media| media["held_bytes"].as_u64() > Some(0)));

    // One that is given up leaves the file that was there, and no part of another.
    let again = session.export(&to);
    let mut run = Box::pin(again.run());
    assert!(futures_util::poll!(&mut run).is_pending());
    drop(run);
    assert!(matches!(
        session.export(dir.path().join("no/such/folder")).run().await,
        Err(Error::Storage { .. })
    ));
    assert!(session.shutdown(PATIENCE).await.clean);
    let left = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let deadline = Instant::now() + PATIENCE;
    while left() != ["core", "export.json"] {
        assert!(Instant::now() < deadline, "{:?}", left());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(wrong(&read(&to)), None);
}
