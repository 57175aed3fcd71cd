//! OTLP logs over HTTP.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use crate::support::{Origin, code};

fn pair(key: &str, value: Otlp) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn record(seq: i64) -> LogRecord {
    LogRecord {
        time_unix_nano: 1_700_000_000_123_000_000,
        event_name: "unspool.impression".to_owned(),
        attributes: vec![
            pair("seq", Otlp::IntValue(seq)),
            pair("session", Otlp::StringValue("s-1".to_owned())),
            pair("item", Otlp::StringValue(format!("item-{seq}"))),
            pair("share", Otlp::DoubleValue(0.5)),
        ],
        ..Default::default()
    }
}

fn batch(installation: &str, records: Vec<LogRecord>) -> Vec<u8> {
    let resource = Resource {
        attributes: vec![
            pair("unspool.installation", Otlp::StringValue(installation.to_owned())),
            pair("unspool.batch.id", Otlp::StringValue("batch-1".to_owned())),
        ],
        ..Default::default()
    };
    let scope_logs = vec![ScopeLogs { log_records: records, ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource: Some(resource), scope_logs, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn post(origin: &Origin, body: Vec<u8>) -> reqwest::RequestBuilder {
    origin.post_as("ann", "/v1/logs").header(CONTENT_TYPE, "application/x-protobuf").body(body)
}

async fn accepted(request: reqwest::RequestBuilder) -> ExportLogsServiceResponse {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/x-protobuf");
    ExportLogsServiceResponse::decode(response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn records_are_stored_once_and_repeats_are_counted() {
    let origin = Origin::start().await;
    let answer = accepted(post(&origin, batch("phone", vec![record(1), record(2)]))).await;
    assert_eq!(answer.partial_success, None);
    let again = gzip(&batch("phone", vec![record(2), record(3)]));
    accepted(post(&origin, again).header(CONTENT_ENCODING, "gzip")).await;
    accepted(post(&origin, batch("tablet", vec![record(1)])).header(CONTENT_ENCODING, "identity")).await;

    let stats = origin.stats().await;
    assert_eq!((&stats["events"]["received"], &stats["events"]["distinct"]), (&5.into(), &4.into()));
    let listed = origin.control(reqwest::Method::GET, "events?installation=phone").send().await.unwrap();
    let listed: Value = listed.json().await.unwrap();
    let events = listed["events"].as_array().unwrap();
    let deliveries: Vec<i64> = events.iter().map(|event| event["deliveries"].as_i64().unwrap()).collect();
    assert_eq!(deliveries, [1, 2, 1]);
    let event = &events[0];
    assert_eq!(event["time_ms"], 1_700_000_000_123_i64);
    assert_eq!((&event["session"], &event["event_name"]), (&"s-1".into(), &"unspool.impression".into()));
    assert_eq!(
        (&event["attributes"]["item"], &event["attributes"]["share"]),
        (&"item-1".into(), &0.5.into())
    );

    let text = std::fs::read_to_string(origin.running.state.join("telemetry.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<(i64, bool)> = lines
        .iter()
        .map(|line| (line["seq"].as_i64().unwrap(), line["duplicate"].as_bool().unwrap()))
        .collect();
    assert_eq!(seen, [(1, false), (2, false), (2, true), (3, false), (1, false)]);
    assert_eq!((&lines[0]["batch_id"], &lines[0]["installation"]), (&"batch-1".into(), &"phone".into()));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_owned();
    let first = Origin::with(|config| config.state = Some(state.clone())).await;
    accepted(post(&first, batch("phone", vec![record(1)]))).await;
    let url = first.url("ann", "clip-00", "270").await;
    let old = first.running.url();
    first.running.shutdown().await;
    let second = Origin::with(|config| config.state = Some(state)).await;
    accepted(post(&second, batch("phone", vec![record(1)]))).await;
    let stats = second.stats().await;
    assert_eq!((&stats["events"]["received"], &stats["events"]["distinct"]), (&2.into(), &1.into()));
    let url = url.replace(&old, &second.running.url());
    assert_eq!(second.client.get(url).send().await.unwrap().status(), 200, "addresses survive too");
}

#[tokio::test]
async fn records_without_a_name_are_rejected_one_by_one() {
    let origin = Origin::start().await;
    let nameless = LogRecord { event_name: "x".to_owned(), ..Default::default() };
    let answer = accepted(post(&origin, batch("phone", vec![record(1), nameless]))).await;
    assert_eq!(answer.partial_success.unwrap().rejected_log_records, 1);
    assert_eq!(origin.stats().await["events"]["distinct"], 1);
    accepted(post(&origin, Vec::new())).await;
}

#[tokio::test]
async fn zstd_is_read_where_it_is_advertised_and_nowhere_else() {
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
    let said = |response: &reqwest::Response| {
        response.headers().get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap().to_owned())
    };
    let packed = |origin: &Origin, body: Vec<u8>| post(origin, body).header(CONTENT_ENCODING, "zstd");
    let good = || batch("phone", vec![record(1), record(2)]);

    let origin = Origin::start().await;
    let taken = post(&origin, good()).send().await.unwrap();
    assert_eq!((taken.status().as_u16(), said(&taken)), (200, None));
    let refused = packed(&origin, zstd(&good())).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), said(&refused)), (415, Some("gzip".to_owned())));

    let origin = Origin::with(|config| config.zstd = true).await;
    let taken = post(&origin, good()).send().await.unwrap();
    assert_eq!((taken.status().as_u16(), said(&taken)), (200, Some("zstd, gzip".to_owned())));
    let body = zstd(&batch("tablet", vec![record(1)]));
    let bytes = body.len();
    accepted(packed(&origin, body)).await;
    let text = std::fs::read_to_string(origin.running.state.join("telemetry.jsonl")).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["encoding"], &last["batch_bytes"]), (&"zstd".into(), &bytes.into()));
    let broken = packed(&origin, good()).send().await.unwrap();
    assert_eq!((broken.status().as_u16(), code(broken).await), (400, "bad_zstd".to_owned()));
    let bomb = packed(&origin, zstd(&vec![0; 16 * 1024 * 1024 + 1])).send().await.unwrap();
    assert_eq!((bomb.status().as_u16(), code(bomb).await), (413, "too_large".to_owned()));
    assert_eq!(origin.stats().await["events"]["received"], 3);
}

#[tokio::test]
async fn other_bodies_are_refused() {
    let origin = Origin::start().await;
    let refused = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), code(response).await)
    };
    let good = || batch("phone", vec![record(1)]);
    let json = origin.post_as("ann", "/v1/logs").header(CONTENT_TYPE, "application/json").body("{}");
    assert_eq!(refused(json).await, (415, "unsupported_media_type".to_owned()));
    let brotli = post(&origin, good()).header(CONTENT_ENCODING, "br");
    assert_eq!(refused(brotli).await, (415, "unsupported_encoding".to_owned()));
    assert_eq!(refused(post(&origin, vec![0xff; 40])).await, (400, "bad_protobuf".to_owned()));
    let broken = post(&origin, good()).header(CONTENT_ENCODING, "gzip");
    assert_eq!(refused(broken).await, (400, "bad_gzip".to_owned()));
    let large = post(&origin, vec![0; 4 * 1024 * 1024 + 1]);
    assert_eq!(refused(large).await, (413, "too_large".to_owned()));
    let bomb = gzip(&vec![0; 16 * 1024 * 1024 + 1]);
    assert!(bomb.len() < 1024 * 1024);
    let bomb = post(&origin, bomb).header(CONTENT_ENCODING, "gzip");
    assert_eq!(refused(bomb).await, (413, "too_large".to_owned()));
    assert_eq!(origin.stats().await["events"]["received"], 0);
}
