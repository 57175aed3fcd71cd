//! What a person erases is in no file afterwards, wherever the process was killed meanwhile.
//!
//! Two hundred words are given to a session through its public calls and its server, each where a person leaves something;
//! every file of the data directory is then read byte by byte. The test runs itself again as a child that erases a copy and is
//! killed at every named place of [`unspool::CRASH_POINTS`] and at random moments; the next opening has to finish.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod seeded;

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt as _;
use seeded::{CANARIES, PATIENCE, canaries, canary, open, seed, serve};
use unspool::spool::Value;
use unspool::{AgeBand, EraseScope, Error, FeedKind, SafetySettings};

const CHILD: &str = "UNSPOOL_TEST_ERASE_CHILD";
/// The canaries that are in a name or in the bytes of a file, and the file.
fn found(dir: &Path) -> HashMap<String, String> {
    let words: BTreeSet<String> = canaries(0..CANARIES).collect();
    let length = canary(0).len();
    let mut found = HashMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            let bytes = match path.is_dir() {
                true => {
                    folders.push(path);
                    Vec::new()
                }
                // A log goes with the last connection, which may close at this moment.
                false => match std::fs::read(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    read => read.unwrap(),
                },
            };
            for bytes in [name.as_bytes(), &bytes] {
                for at in (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"cnry-")) {
                    let word = bytes.get(at..at + length).map(String::from_utf8_lossy);
                    if let Some(word) = word.filter(|word| words.contains(word.as_ref())) {
                        found.insert(word.into_owned(), name.clone());
                    }
                }
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// A server, and a directory that holds every canary and another account's choices.
async fn template(dir: &Path) -> String {
    let server = serve().await;
    let other = open(dir, &server, "other").unwrap();
    other.set_liked("theirs", true).await.unwrap();
    other.add_comment("theirs", None, "their words").await.unwrap();
    other
        .set_safety(SafetySettings { topics: ["their-topic".to_owned()].into(), ..Default::default() })
        .await
        .unwrap();
    assert!(
        other
            .record_durable("unspool.search", vec![("query".into(), Value::Str("theirs".into()))])
            .await
            .unwrap()
    );
    assert!(other.shutdown(PATIENCE).await.clean);
    seed(dir, &server).await;
    let before = found(dir);
    let missing: Vec<usize> = (0..CANARIES).filter(|&n| !before.contains_key(&canary(n))).collect();
    assert!(missing.is_empty(), "never written: {missing:?}");
    server
}

/// What another account left is still there.
async fn assert_others_stay(dir: &Path, server: &str) {
    let other = open(dir, server, "other").unwrap();
    assert_eq!(other.liked("theirs").await.unwrap(), Some(true));
    assert_eq!(other.comments("theirs").await.unwrap()[0].text, "their words");
    assert!(other.safety().topics.contains("their-topic"));
    assert_eq!(other.outgoing().recorded, 1, "their telemetry");
    assert!(other.shutdown(PATIENCE).await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_erased_account_no_file_holds_a_word_and_others_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let server = template(dir.path()).await;
    let session = open(dir.path(), &server, &canary(0)).unwrap();
    let feed = session.feed(FeedKind::ForYou).unwrap();
    feed.next().await.unwrap();
    assert!(matches!(session.erase(&[]).await, Err(Error::Config { .. })));
    session.erase(&[EraseScope::Account]).await.unwrap();
    assert!(matches!(session.set_liked("i", true).await, Err(Error::ShutDown)));
    assert_eq!(found(dir.path()), HashMap::new());
    assert_others_stay(dir.path(), &server).await;
    assert_eq!(found(dir.path()), HashMap::new());
    // What guards a minor outlives it; nothing else does.
    let again = open(dir.path(), &server, &canary(0)).unwrap();
    assert_eq!(again.safety(), SafetySettings { age: AgeBand::Teen, ..SafetySettings::default() });
    let adult = SafetySettings { age: AgeBand::Adult, ..SafetySettings::default() };
    assert!(matches!(again.set_safety(adult).await, Err(Error::Guarded { .. })));
    assert!(again.interests().await.unwrap().is_empty() && again.reports().await.unwrap().is_empty());
    assert_eq!(
        (again.liked(&canary(21)).await.unwrap(), again.payments().await.unwrap()),
        (None, Vec::new())
    );
    assert_eq!((again.learner_card().viewings, again.kept().kept.len()), (0, 0));
    let books = again.outgoing();
    assert_eq!(
        books.intents,
        books.intents_delivered + books.intents_queued + books.intents_wedged + books.intents_settled
    );
    assert!(again.shutdown(PATIENCE).await.clean);
}
#[allow(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_takes_its_own_and_leaves_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let template_dir = root.path().join("template");
    let server = template(&template_dir).await;
    // Canaries that are gone, and some that stay.
    let cases = [
        (EraseScope::History, vec![120..130], vec![1..21, 55..75, 85..100, 100..110, 195..197]),
        (EraseScope::Media, vec![195..197], vec![1..21, 55..75, 85..100, 100..110, 120..130]),
        (EraseScope::Telemetry, vec![85..100], vec![1..21, 55..75, 100..110, 120..130, 195..197]),
        (EraseScope::Deeds, vec![21..75, 75..85, 130..135, 198..200], vec![85..100, 100..110, 195..197]),
    ];
    for (scope, gone, stays) in cases {
        let dir = root.path().join(format!("{scope:?}"));
        copy(&template_dir, &dir);
        open(&dir, &server, &canary(0)).unwrap().erase(&[scope]).await.unwrap();
        let left = found(&dir);
        let held = |ranges: Vec<std::ops::Range<usize>>| {
            ranges.into_iter().flatten().filter(|&n| left.contains_key(&canary(n))).collect::<Vec<_>>()
        };
        assert_eq!(held(gone), Vec::<usize>::new(), "{scope:?}");
        let missing: Vec<usize> =
            stays.into_iter().flatten().filter(|&n| !left.contains_key(&canary(n))).collect();
        assert_eq!(missing, Vec::<usize>::new(), "{scope:?} takes what is not its own");
    }
}

/// Not a test of its own: erases until it is killed.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let session = open(Path::new(&task), "http://127.0.0.1:9", &canary(0)).unwrap();
        let say = |line: &str| std::io::stdout().write_all(line.as_bytes()).unwrap();
        say("\nbegins\n");
        session.erase(&[EraseScope::Account]).await.unwrap();
        say("\nerased\n");
    });
}

/// Starts a child on `dir` and waits until it is dead: by itself at a place, by a kill after a time, or at its end.
fn run(dir: &Path, at: Option<&str>, after: Option<Duration>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture"]).env(CHILD, dir).stdout(Stdio::piped());
    if let Some(place) = at {
        command.env("UNSPOOL_CRASH_AT", format!("{place}:1"));
    }
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "begins"), "it never began");
    if let Some(after) = after {
        std::thread::sleep(after);
        child.kill().unwrap();
    }
    let ended = lines.any(|line| line == "erased");
    let status = child.wait().unwrap();
    assert_eq!(ended && status.success(), at.is_none() && status.success(), "{at:?} {status}");
    assert!(after.is_some() || !status.success(), "it was never at {at:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_killed_anywhere_is_finished_by_the_next_opening() {
    let root = tempfile::tempdir().unwrap();
    let template_dir = root.path().join("template");
    let server = template(&template_dir).await;
    let places = unspool::CRASH_POINTS.iter().filter(|place| place.starts_with("erase."));
    let mut kills: Vec<(Option<&str>, Option<Duration>)> = places.map(|place| (Some(*place), None)).collect();
    assert_eq!(kills.len(), 8);
    let mut random = rand::rng();
    kills.extend((0..12).map(|_| (None, Some(Duration::from_micros(random.random_range(0..120_000))))));
    for (number, (at, after)) in kills.into_iter().enumerate() {
        let dir = root.path().join(number.to_string());
        copy(&template_dir, &dir);
        let begun = {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || {
                run(&dir, at, after);
                dir.join("erasing.json").exists()
            })
            .await
            .unwrap()
        };
        // Whoever opens it finishes what was begun.
        let other = open(&dir, &server, "other").unwrap();
        assert!(other.shutdown(PATIENCE).await.clean);
        assert!(!dir.join("erasing.json").exists());
        let left = found(&dir);
        if !begun && !left.is_empty() {
            // It was killed before the order was on the disk: then nothing is gone.
            assert!(at.is_none(), "{at:?} left {left:?}");
            let missing = (0..CANARIES).filter(|&n| !left.contains_key(&canary(n))).count();
            assert_eq!(missing, 0, "half erased without an order");
            open(&dir, &server, &canary(0)).unwrap().erase(&[EraseScope::Account]).await.unwrap();
        }
        assert_eq!(found(&dir), HashMap::new(), "after a kill at {at:?} {after:?}");
        assert_others_stay(&dir, &server).await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
