//! Delivery to a collector that is not ours: Rotel, unmodified, takes the batches and sends them on, record for record.
//!
//! The path is spool, uploader, OTLP over HTTP with gzip, Rotel, OTLP over HTTP, and a sink here that keeps what comes.
//! `UNSPOOL_ROTEL` names the program; `scripts/setup-rotel.sh` fetches it. Without it the test says SKIPPED.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use unspool::spool::{Class, Event, Spool, SpoolLimits};
use unspool::telemetry::{FlushReason, Uploader, UploaderConfig};
use unspool_engine::{DeliveryConfig, Millis};

const ROWS: i64 = 2_000;
const DEADLINE: Duration = Duration::from_secs(30);

/// The records that came, by installation and number, and how often each did.
type Kept = Arc<Mutex<BTreeMap<(String, i64), (LogRecord, u32)>>>;

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Any> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

async fn keep(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let mut raw = Vec::new();
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip") {
        flate2::read::GzDecoder::new(body.as_ref()).read_to_end(&mut raw).unwrap();
    } else {
        raw.extend_from_slice(&body);
    }
    let request = ExportLogsServiceRequest::decode(raw.as_slice()).unwrap();
    let mut kept = kept.lock().unwrap();
    for of in request.resource_logs {
        let resource = of.resource.unwrap().attributes;
        let Some(Any::StringValue(installation)) = find(&resource, "unspool.installation") else {
            panic!("the resource lost its name: {resource:?}")
        };
        assert!(matches!(find(&resource, "unspool.batch.id"), Some(Any::StringValue(_))));
        for record in of.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            let Some(Any::IntValue(seq)) = find(&record.attributes, "seq") else { panic!("no number") };
            let key = (installation.clone(), *seq);
            kept.entry(key).or_insert_with(|| (record, 0)).1 += 1;
        }
    }
    ([(header::CONTENT_TYPE, "application/x-protobuf")], Vec::new())
}

/// Ends with the test, whatever becomes of it.
struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
fn port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn start(program: &str, folder: &Path, http: SocketAddr, sink: SocketAddr) -> Option<Collector> {
    let log = std::fs::File::create(folder.join("rotel.log")).unwrap();
    let child = Command::new(program)
        .arg("start")
        .args(["--otlp-http-endpoint", &http.to_string()])
        .args(["--otlp-grpc-endpoint", &port().to_string()])
        .args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"])
        .args(["--otlp-exporter-endpoint", &format!("http://{sink}")])
        .args(["--otlp-exporter-retry-initial-backoff", "100ms", "--batch-timeout", "50ms"])
        .args(["--log-file", &folder.join("agent.log").display().to_string()])
        .args(["--pid-file", &folder.join("agent.pid").display().to_string()])
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut collector = Collector(child);
    let until = Instant::now() + DEADLINE;
    while TcpStream::connect_timeout(&http, Duration::from_millis(100)).is_err() {
        if collector.0.try_wait().unwrap().is_some() {
            // Somebody else took a port in between, or it does not run here.
            return None;
        }
        assert!(Instant::now() < until, "the collector does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some(collector)
}

fn event(n: i64) -> Event {
    Event {
        name: "unspool.share".into(),
        wall_ms: 1_760_000_000_000 + n * 1_000,
        session: "0198b6d2-7c1e-7a57-9f0d-3e5b1c2a4d68".into(),
        class: Class::B,
        attributes: vec![
            ("item".into(), format!("item-{n}-\u{e9}\u{1f3ac}").into()),
            ("position".into(), n.into()),
            ("share".into(), (n as f64 / 3.0).into()),
            ("online".into(), (n % 2 == 0).into()),
        ],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_ours_takes_every_record_as_it_was() {
    let Ok(program) = std::env::var("UNSPOOL_ROTEL") else {
        println!("SKIPPED delivery to a collector: UNSPOOL_ROTEL names none");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::default();
    let app = axum::Router::new().route("/v1/logs", post(keep)).with_state(kept.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let started = tokio::task::block_in_place(|| {
        (0..5).find_map(|_| {
            let http = port();
            start(&program, folder.path(), http, sink).map(|collector| (collector, http))
        })
    });
    let Some((_collector, http)) = started else {
        panic!("{}", std::fs::read_to_string(folder.path().join("rotel.log")).unwrap_or_default())
    };

    let spool = Spool::open(folder.path().join("events.db"), SpoolLimits::default()).unwrap();
    for n in 1..=ROWS {
        spool.record(&event(n)).unwrap();
    }
    spool.flush_to_disk().await.unwrap();
    let batch = spool.claim(u32::MAX, u64::MAX).await.unwrap().unwrap();
    let written = spool.load(batch.key).await.unwrap().unwrap().records;
    // Cut into batches of some hundred, as a server that says 413 would have it.
    let mut parts = vec![batch.key];
    while parts.len() < 8 {
        let (left, right) = spool.split(parts.remove(0), false).await.unwrap().unwrap();
        parts.extend([left.key, right.key]);
    }
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = UploaderConfig {
        delivery: DeliveryConfig { backoff_base: Millis(20), ..DeliveryConfig::default() },
        ..UploaderConfig::new(format!("http://{http}").parse().unwrap())
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let uploader = Uploader::spawn(spool.clone(), config, client, &tokio::runtime::Handle::current());
    let report = uploader.stop(DEADLINE).await;
    assert_eq!((report.reason, report.delivered), (FlushReason::Drained, ROWS as u64));
    assert!(spool.level().is_conserved());

    let until = Instant::now() + DEADLINE;
    while kept.lock().unwrap().len() < written.len() {
        assert!(Instant::now() < until, "{} of {ROWS} came through", kept.lock().unwrap().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let installation = spool.installation().to_string();
    let kept = kept.lock().unwrap();
    assert_eq!(kept.len(), written.len());
    for (n, row) in (1..).zip(&written) {
        let (record, times) = &kept[&(installation.clone(), n)];
        assert_eq!(*times, 1, "once");
        let own = LogRecord::decode(row.as_slice()).unwrap();
        assert_eq!((&record.event_name, record.time_unix_nano), (&own.event_name, own.time_unix_nano));
        assert_eq!(record.attributes, own.attributes, "as it was recorded");
    }
}
