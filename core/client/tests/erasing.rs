//! What a person erases is in no file afterwards, wherever the process was killed meanwhile.
//!
//! Two hundred words are given to a session through its public calls and its server, each where a person leaves something;
//! every file of the data directory is then read byte by byte. The test runs itself again as a child that erases a copy and is
//! killed at every named place of [`unspool::CRASH_POINTS`] and at random moments; the next opening has to finish.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use rand::RngExt as _;
use serde_json::json;
use unspool::spool::Value;
use unspool::{
    AgeBand, Backend, BackendError, Config, Credentials, EraseScope, Error, FeedKind, Item, Located,
    MediaKey, MutedWord, Order, Page, PaymentCause, Report, ReportReason, ReportSubject, SafetySettings,
    Topic, Unspool,
};

const PATIENCE: Duration = Duration::from_secs(60);
const CHILD: &str = "UNSPOOL_TEST_ERASE_CHILD";
const CANARIES: usize = 200;
/// Items that the feed holds, and the first canary of theirs.
const ITEMS: std::ops::Range<usize> = 0..12;
const OF_ITEMS: usize = 135;

/// A word that is nowhere else.
fn canary(number: usize) -> String {
    format!("cnry-{number:03}-{:08x}", (number as u32 + 1).wrapping_mul(0x9e37_79b1))
}

fn canaries(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(canary)
}

/// Serves any address with bytes that hold a canary.
async fn serve() -> String {
    async fn answer() -> Response {
        let mut body = canary(195).into_bytes();
        body.resize(100_000, b'.');
        let range = format!("bytes 0-{}/{}", body.len() - 1, body.len());
        let tag = format!("\"{}\"", canary(196));
        (StatusCode::PARTIAL_CONTENT, [("content-range", range), ("etag", tag)], body).into_response()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

/// Pages whose every word is a canary.
#[derive(Debug)]
struct Pages(String);

impl Pages {
    fn item(&self, number: usize) -> Item {
        let word = |field: usize| canary(OF_ITEMS + number * 5 + field);
        let rendition = json!({
            "id": "r", "width": 160, "height": 120, "bitrate_bps": 200_000, "container": "mp4",
            "url": format!("{}/{}.mp4", self.0, word(1)), "alternates": [], "bytes": 100_000, "expires_at_ms": null,
        });
        let item = json!({
            "id": word(0), "asset": {"id": word(1), "duration_ms": 3_000, "renditions": [rendition]},
            "creator": {"id": word(2), "handle": "h", "name": word(2)}, "topics": [word(4)], "caption": word(3),
            "alt_text": "", "labels": [], "retention": [], "prior": null,
        });
        serde_json::from_value(item).unwrap()
    }
}

impl Backend for Pages {
    fn page<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        let items = ITEMS.map(|number| self.item(number)).collect();
        Box::pin(async move { Ok(Page { items, next_cursor: Some(canary(197)) }) })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn locate<'a>(&'a self, _: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async { Err(BackendError::Refused { status: 404 }) })
    }
}

fn open(dir: &Path, server: &str, account: &str) -> Result<Unspool, Error> {
    unspool::install_tls();
    let host = Arc::new(Pages(server.to_owned()));
    Unspool::open(Config::hosted(dir, host, account, Credentials::Fixed("token".into())).unwrap())
}

fn report(subject: ReportSubject) -> Report {
    Report { subject, reason: ReportReason::ViolenceGraphic, scene: None }
}

/// Leaves every canary where a person leaves something.
async fn seed(dir: &Path, server: &str) {
    let session = open(dir, server, &canary(0)).unwrap();
    session.set_interests(canaries(1..21).collect()).await.unwrap();
    for item in canaries(21..35) {
        session.set_liked(&item, true).await.unwrap();
    }
    for creator in canaries(35..45) {
        session.set_followed(&creator, true).await.unwrap();
    }
    for item in canaries(45..55) {
        session.set_saved(&item, true).await.unwrap();
    }
    for text in canaries(55..75) {
        session.add_comment(&canary(21), None, &text).await.unwrap();
    }
    for (n, what) in canaries(75..85).enumerate() {
        let subject = if n % 2 == 0 { ReportSubject::Item(what) } else { ReportSubject::Comment(what) };
        session.report(report(subject)).await.unwrap();
    }
    for words in canaries(85..100) {
        let said = vec![("query".to_owned(), Value::Str(words))];
        assert!(session.record_durable("unspool.search", said).await.unwrap());
    }
    let word = |value| MutedWord { value, tags_only: false, except_followed: false, expires_at_ms: None };
    session
        .set_safety(SafetySettings {
            age: AgeBand::Teen,
            words: canaries(100..110).map(word).collect(),
            topics: canaries(110..115).collect(),
            ..SafetySettings::default()
        })
        .await
        .unwrap();
    for creator in canaries(115..120) {
        session.set_blocked(&creator, true).await.unwrap();
    }
    for topic in canaries(120..130) {
        session.set_learner_weight(&topic, 0.5).await.unwrap();
    }
    for recipient in canaries(130..135) {
        let (cause, subject) = (PaymentCause::Gift, canary(198));
        let order = Order { cause, recipient, subject, amount: 5, price_version: canary(199) };
        session.draft_payment(order).await.unwrap();
    }
    let feed = session.feed(FeedKind::ForYou).unwrap();
    feed.next().await.unwrap();
    // Its first bytes arrive, and it is written down.
    let deadline = Instant::now() + PATIENCE;
    while session.bytes().on_disk == 0 {
        assert!(Instant::now() < deadline, "no media are kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    feed.not_interested(feed.snapshot().current.unwrap()).await.unwrap();
    let kept = feed.peek(2).await.unwrap().iter().map(|item| item.id.clone()).collect::<Vec<_>>();
    feed.keep(&kept).await.unwrap();
    assert!(session.shutdown(PATIENCE).await.clean);
}

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
                false => std::fs::read(&path).unwrap(),
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
