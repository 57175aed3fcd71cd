//! The uploader against a real HTTP collector that misbehaves in every way we know.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

mod spool_collector;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use spool_collector::{Collector, Mood, client, until};
use unspool::spool::{Class, Event, Spool, SpoolLimits, Value};
use unspool::telemetry::{FlushReason, Uploader, UploaderConfig, UploaderHandle};
use unspool::{Auth, Credentials, TokenError, TokenProvider};
use unspool_engine::{Answer, DeliveryConfig, Held, Millis};

const DEADLINE: Duration = Duration::from_secs(30);

fn event(n: i64) -> Event {
    Event {
        name: "unspool.impression".into(),
        wall_ms: 1_700_000_000_000 + n,
        session: "session".into(),
        class: Class::B,
        attributes: vec![("mark".into(), Value::Int(n)), ("item".into(), format!("item-{n}").into())],
    }
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder.join("events.db"), SpoolLimits::default()).unwrap()
}

fn config(collector: &Collector) -> UploaderConfig {
    UploaderConfig {
        delivery: DeliveryConfig {
            close_age: Millis(20),
            backoff_base: Millis(5),
            backoff_cap: Millis(50),
            seed: 7,
            ..DeliveryConfig::default()
        },
        request_timeout: Duration::from_secs(2),
        ..UploaderConfig::new(collector.base())
    }
}

fn start(spool: &Spool, config: UploaderConfig) -> UploaderHandle {
    Uploader::spawn(spool.clone(), config, client(), &tokio::runtime::Handle::current())
}

fn fill(spool: &Spool, rows: i64) {
    for n in 1..=rows {
        spool.record(&event(n)).unwrap();
    }
}

/// Everything arrived exactly once, and the books agree.
fn all_taken(collector: &Collector, spool: &Spool, rows: i64) {
    let installation = spool.installation().to_string();
    let level = spool.level();
    assert!(level.is_conserved(), "{level:?}");
    assert_eq!((level.queued_rows, level.counters.delivered), (0, rows as u64), "{level:?}");
    collector.set(|inner| {
        let seqs: Vec<i64> = inner.taken.keys().map(|(_, seq)| *seq).collect();
        assert_eq!(seqs, (1..=rows).collect::<Vec<_>>());
        assert!(inner.taken.keys().all(|(from, _)| *from == installation));
        for ((_, seq), mark) in &inner.marks {
            assert_eq!(seq, mark, "numbers follow the order of recording");
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_close_by_age_by_rows_and_by_bytes_and_arrive_once() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    let mut config = config(&collector);
    config.auth = Some(Auth::new(Credentials::Fixed("secret".into()), DEADLINE));
    let uploader = start(&spool, config);
    spool.record_durable(&event(1)).await.unwrap();
    until("the first batch closes by age", || collector.seen().len() == 1).await;
    for n in 2..=251 {
        spool.record(&event(n)).unwrap();
    }
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, 251);
    let seen = collector.seen();
    assert!(seen.iter().all(|seen| seen.gzip && seen.seqs.len() <= 100));
    assert!(seen.iter().all(|seen| seen.token.as_deref() == Some("Bearer secret")));
    let installation = spool.installation();
    assert!(seen.iter().all(|seen| seen.id == format!("{installation}/{}", seen.seqs[0])));

    let long = event(252).with("text", "x".repeat(1_000));
    let long = (0..9).fold(long, |long, n| long.with(&format!("text{n}"), "y".repeat(1_000)));
    for _ in 0..10 {
        spool.record(&long).unwrap();
    }
    let report = uploader.stop(DEADLINE).await;
    assert_eq!((report.reason, report.queued), (FlushReason::Drained, 0));
    assert!(
        collector.seen().iter().skip(seen.len()).all(|seen| seen.seqs.len() <= 6),
        "64 KiB close a batch"
    );
    until("the task ends", || uploader.is_stopped()).await;
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_lose_nothing_and_every_retry_is_the_same_batch() {
    for moods in [
        vec![Mood::Status(429), Mood::Status(429)],
        vec![Mood::Status(500), Mood::Status(502), Mood::Status(503), Mood::Status(504), Mood::Status(408)],
        vec![Mood::Status(404), Mood::Status(410), Mood::Status(418)],
        vec![Mood::Portal, Mood::Portal],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (collector, spool) = (Collector::start().await, open(folder.path()));
        let failures = moods.len();
        collector.set(|inner| inner.moods = moods.into());
        fill(&spool, 50);
        let uploader = start(&spool, config(&collector));
        let report = uploader.flush(DEADLINE).await;
        assert_eq!((report.reason, report.delivered), (FlushReason::Drained, 50));
        let seen = collector.seen();
        assert_eq!(seen.len(), failures + 1);
        assert!(seen.iter().all(|other| *other == seen[0]), "the same rows under the same id");
        all_taken(&collector, &spool, 50);
        assert!(collector.set(|inner| inner.taken.values().all(|times| *times == 1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_on_the_way_is_a_repeat_with_the_same_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.moods = [Mood::TakeThenFail(504)].into());
    fill(&spool, 30);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, 30);
    assert!(
        collector.set(|inner| inner.taken.values().all(|times| *times == 2)),
        "twice sent, once after dedupe"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_honoured_even_by_a_flush_and_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.moods = [Mood::RetryAfter(429, 3_600)].into());
    fill(&spool, 5);
    let uploader = start(&spool, config(&collector));
    let report = uploader.flush(DEADLINE).await;
    assert_eq!((report.reason, report.queued), (FlushReason::Failing, 5));
    uploader.set_online(true);
    assert_eq!(uploader.stop(DEADLINE).await.reason, FlushReason::Failing);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Failing);
    assert_eq!(collector.seen().len(), 1);

    collector.set(|inner| inner.moods = [Mood::RetryAfter(503, 1)].into());
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    fill(&spool, 5);
    let uploader = start(&spool, config(&collector));
    let began = std::time::Instant::now();
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(spool.level().is_conserved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_is_halved_until_it_fits_and_the_size_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.max_rows = Some(30));
    fill(&spool, 300);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, 300);
    assert!(collector.set(|inner| inner.taken.values().all(|times| *times == 1)));
    let refused = collector.seen().iter().filter(|seen| seen.seqs.len() > 30).count();
    assert!(refused <= 4, "{:?}", collector.seen().iter().map(|seen| seen.seqs.len()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_row_that_is_too_large_goes_to_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.moods = [Mood::Status(413)].into());
    fill(&spool, 1);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    let level = spool.level();
    assert_eq!((level.counters.quarantined, level.queued_rows), (1, 0));
    assert!(level.is_conserved());
    assert_eq!(spool.quarantined().await.unwrap()[0].code, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_poisoned_row_among_a_hundred_is_found_and_kept_and_the_rest_arrives() {
    for culprit in [1, 37, 100] {
        let folder = tempfile::tempdir().unwrap();
        let (collector, spool) = (Collector::start().await, open(folder.path()));
        collector.set(|inner| inner.poison = Some(format!("item-{culprit}")));
        fill(&spool, 100);
        let uploader = start(&spool, config(&collector));
        assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
        let level = spool.level();
        assert_eq!((level.counters.delivered, level.counters.quarantined), (99, 1));
        assert!(level.is_conserved());
        let kept = spool.quarantined().await.unwrap();
        assert_eq!((kept[0].seq, kept[0].code), (culprit as u64, 400));
        let seen = collector.seen();
        assert!(seen[0].gzip && !seen[1].gzip, "first without compression, then bisected");
        assert!(seen.len() <= 2 + 2 * 7, "{} requests", seen.len());
        assert!(
            collector.set(|inner| inner.taken.values().all(|times| *times == 1) && inner.taken.len() == 99)
        );
        // A poisoned row says nothing about gzip.
        spool.record(&event(1_000)).unwrap();
        uploader.flush(DEADLINE).await;
        assert!(collector.seen().last().unwrap().gzip);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_poisoned_row_among_five_hundred_in_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.poison = Some("item-317".into()));
    fill(&spool, 500);
    let mut config = config(&collector);
    config.delivery.close_rows = 500;
    config.delivery.close_bytes = 1024 * 1024;
    let uploader = start(&spool, config);
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    let level = spool.level();
    assert_eq!((level.counters.delivered, level.counters.quarantined), (499, 1));
    assert!(level.is_conserved());
    let kept = spool.quarantined().await.unwrap();
    assert_eq!((kept[0].seq, kept[0].kind.as_str()), (317, "unspool.impression"));
    let seen = collector.seen();
    assert_eq!(seen[0].seqs.len(), 500);
    assert!(seen.len() <= 2 + 2 * 9, "{} requests", seen.len());
    assert!(collector.set(|inner| inner.taken.len() == 499 && inner.taken.values().all(|times| *times == 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_days_without_network_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    let mut config = config(&collector);
    config.online = false;
    config.delivery.close_rows = 500;
    config.delivery.close_bytes = 1024 * 1024;
    let uploader = start(&spool, config);
    // A card every 20 seconds for 72 hours, on the clock of the events.
    const ROWS: i64 = 72 * 180;
    for n in 1..=ROWS {
        spool.record(&Event { wall_ms: 1_700_000_000_000 + n * 20_000, ..event(n) }).unwrap();
    }
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Offline);
    let level = spool.level();
    assert_eq!((level.queued_rows, level.counters.dropped.total()), (ROWS as u64, 0));
    assert!(level.is_conserved() && collector.seen().is_empty());
    uploader.set_online(true);
    assert_eq!(uploader.flush(Duration::from_secs(60)).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_can_check_the_books_from_what_it_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let limits = SpoolLimits { max_bytes: 30_000, ..SpoolLimits::default() };
    let spool = Spool::open(folder.path().join("events.db"), limits).unwrap();
    collector.set(|inner| inner.poison = Some("item-990".into()));
    fill(&spool, 1_000);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    collector.set(|inner| inner.poison = None);
    spool.record(&event(1_001)).unwrap();
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    collector.set(|inner| {
        for books in &inner.books {
            assert_eq!(books.recorded, books.delivered + books.queued + books.dropped + books.quarantined);
            assert_eq!(books.reasons, books.dropped, "by reason");
        }
        // What the server has is what the last batch said was delivered before it, and that batch.
        let last = inner.books.last().unwrap();
        assert_eq!((last.recorded, last.queued, last.quarantined), (1_001, 1, 1));
        assert_eq!(inner.taken.len() as i64, last.delivered + 1);
        assert!(last.dropped > 0);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_cannot_read_gzip_gets_everything_without_and_only_once_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.refuse_gzip = true);
    fill(&spool, 300);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, 300);
    assert_eq!(collector.seen().iter().filter(|seen| seen.gzip).count(), 1);
    assert_eq!(spool.level().counters.quarantined, 0);
}

/// Answers in turn what it was given; the last answer stays.
struct Script(Mutex<VecDeque<Result<&'static str, TokenError>>>, AtomicUsize);

impl TokenProvider for Script {
    fn token(&self, _: Option<String>) -> BoxFuture<'_, Result<String, TokenError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut left = self.0.lock().unwrap();
        let answer = if left.len() > 1 { left.pop_front() } else { left.front().cloned() };
        Box::pin(async move { answer.unwrap().map(str::to_owned) })
    }
}

fn script(answers: impl IntoIterator<Item = Result<&'static str, TokenError>>) -> (Arc<Script>, Auth) {
    let script = Arc::new(Script(Mutex::new(answers.into_iter().collect()), AtomicUsize::new(0)));
    let credentials = Credentials::Provider(script.clone());
    (script, Auth::new(credentials, DEADLINE))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_renewed_once_and_the_batch_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.need_token = Some("Bearer new".into()));
    fill(&spool, 20);
    let (provider, auth) = script([Ok("old"), Ok("new"), Err(TokenError::SignedOut)]);
    let uploader = start(&spool, UploaderConfig { auth: Some(auth), ..config(&collector) });
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    let seen = collector.seen();
    assert_eq!(seen.len(), 2, "the refused request and its repeat");
    assert_eq!(seen[0].id, seen[1].id);
    assert_eq!(provider.1.load(Ordering::SeqCst), 2);
    all_taken(&collector, &spool, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_out_waits_for_somebody_to_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.need_token = Some("Bearer new".into()));
    fill(&spool, 20);
    let (provider, auth) = script([Ok("old"), Err(TokenError::SignedOut), Ok("new")]);
    let uploader = start(&spool, UploaderConfig { auth: Some(auth.clone()), ..config(&collector) });
    let report = uploader.flush(DEADLINE).await;
    assert_eq!((report.reason, report.queued), (FlushReason::Unauthorised, 20));
    assert_eq!(uploader.status().borrow().held, Some(Held::Unauthorised));
    uploader.nudge();
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Unauthorised);
    assert_eq!(collector.seen().len(), 1, "nothing is sent in vain");
    assert_eq!(provider.1.load(Ordering::SeqCst), 2, "nor asked in vain");
    auth.signed_in();
    uploader.refreshed();
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_cannot_be_had_now_is_waited_for_like_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.need_token = Some("Bearer new".into()));
    fill(&spool, 20);
    let unavailable = || Err(TokenError::Unavailable { reason: "no answer".into() });
    let (provider, auth) = script([unavailable(), unavailable(), Ok("new")]);
    let uploader = start(&spool, UploaderConfig { auth: Some(auth), ..config(&collector) });
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    assert_eq!(provider.1.load(Ordering::SeqCst), 3);
    assert_eq!(collector.seen().len(), 1);
    all_taken(&collector, &spool, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_network_everything_waits_and_goes_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    // Hangs up on everybody: unlike a free port, nobody else can come to listen on it.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = deaf.local_addr().unwrap();
    tokio::spawn(async move { while deaf.accept().await.is_ok() {} });
    let mut down = config(&collector);
    down.base = format!("http://{closed}/base").parse().unwrap();
    down.delivery.backoff_base = Millis(60_000);
    down.delivery.backoff_cap = Millis(60_000);
    fill(&spool, 40);
    let uploader = start(&spool, down);
    let report = uploader.flush(Duration::from_secs(5)).await;
    assert_eq!(
        (report.reason, report.queued),
        (FlushReason::Failing, 40),
        "it does not wait out the deadline"
    );
    assert_eq!(uploader.status().borrow().last.map(|last| last.answer), Some(Answer::Network));
    uploader.stop(Duration::ZERO).await;
    assert!(spool.level().is_conserved());

    let uploader = start(&spool, config(&collector));
    uploader.set_online(false);
    for n in 41..=200 {
        spool.record(&event(n)).unwrap();
    }
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Offline);
    assert!(collector.seen().is_empty(), "the open batch waits for its time, the rest for the network");
    uploader.set_online(true);
    until("the network is noticed", || !matches!(uploader.status().borrow().held, Some(Held::Offline))).await;
    assert!(spool.level().is_conserved());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_success_is_counted_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    collector.set(|inner| inner.moods = [Mood::Partial(3)].into());
    fill(&spool, 10);
    let uploader = start(&spool, config(&collector));
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    let level = spool.level();
    assert_eq!((level.counters.delivered, level.counters.dropped.refused), (7, 3));
    assert!(level.is_conserved());
    assert_eq!(collector.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspending_under_an_uploader_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, spool) = (Collector::start().await, open(folder.path()));
    let uploader = start(&spool, config(&collector));
    fill(&spool, 100);
    spool.suspend().await.unwrap();
    for n in 101..=200 {
        spool.record(&event(n)).unwrap();
    }
    spool.resume().await.unwrap();
    for n in 201..=250 {
        spool.record(&event(n)).unwrap();
    }
    assert_eq!(uploader.flush(DEADLINE).await.reason, FlushReason::Drained);
    all_taken(&collector, &spool, 250);
}
