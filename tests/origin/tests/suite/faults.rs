//! Each scripted fault, as a client sees it and as the log tells it.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_RANGE, ETAG, IF_RANGE, RANGE, RETRY_AFTER};
use serde_json::{Value, json};

use crate::support::{Origin, clip_bytes, code, drain};

async fn start() -> (Origin, String, Vec<u8>) {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "270").await;
    (origin, url, clip_bytes("clip-00", "270.mp4"))
}

#[tokio::test]
async fn a_status_with_retry_after_and_then_none() {
    let (origin, url, whole) = start().await;
    origin.media_fault(json!({"kind": "status", "status": 503, "retry_after_s": 2})).await;
    let response = origin.client.get(&url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (503, &"2".parse().unwrap()));
    assert_eq!(code(response).await, "scripted");
    assert_eq!(origin.media_line().await.fault.as_deref(), Some("status"));
    assert!(origin.client.get(&url).send().await.unwrap().bytes().await.unwrap() == whole);
}

#[tokio::test]
async fn a_truncated_body() {
    let (origin, url, whole) = start().await;
    origin.media_fault(json!({"kind": "truncate", "after_bytes": 70_001})).await;
    let response = origin.client.get(&url).send().await.unwrap();
    assert_eq!(response.content_length(), Some(whole.len() as u64));
    let (bytes, well) = drain(response).await;
    assert!(!well && bytes == whole[..70_001]);
    let line = origin.media_line().await;
    assert_eq!((line.bytes, line.aborted, line.fault.as_deref()), (70_001, true, Some("truncate")));
    assert_eq!(line.declared, Some(whole.len() as u64));
}

#[tokio::test]
async fn a_stall_is_a_pause_and_no_loss() {
    let (origin, url, whole) = start().await;
    origin.media_fault(json!({"kind": "stall", "after_bytes": 5000, "ms": 300})).await;
    let began = Instant::now();
    let mut response = origin.client.get(&url).send().await.unwrap();
    let mut before = Vec::new();
    while before.len() < 5000 {
        before.extend_from_slice(&response.chunk().await.unwrap().unwrap());
    }
    assert_eq!(before.len(), 5000);
    let (after, well) = drain(response).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(well && [before, after].concat() == whole);
    let line = origin.media_line().await;
    assert_eq!((line.aborted, line.fault.as_deref()), (false, Some("stall")));
}

#[tokio::test]
async fn a_reset_connection() {
    let (origin, url, whole) = start().await;
    for after_bytes in [0, 50_000] {
        origin.media_fault(json!({"kind": "reset", "after_bytes": after_bytes})).await;
        // A reset may overtake what was sent before it, the head included.
        if let Ok(response) = origin.client.get(&url).send().await {
            let (bytes, well) = drain(response).await;
            assert!(!well && bytes.len() <= after_bytes && bytes == whole[..bytes.len()]);
        }
    }
    let lines = origin.lines(2, |line| line.fault.as_deref() == Some("reset")).await;
    assert!(lines.iter().all(|line| line.aborted));
    assert_eq!((lines[0].bytes, lines[1].bytes), (0, 50_000));
}

#[tokio::test]
async fn a_content_range_that_is_off() {
    let (origin, url, whole) = start().await;
    origin.media_fault(json!({"kind": "wrong_content_range"})).await;
    let response = origin.client.get(&url).header(RANGE, "bytes=10-19").send().await.unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()[CONTENT_RANGE], format!("bytes 11-20/{}", whole.len()));
    assert!(response.bytes().await.unwrap() == whole[10..20]);
}

#[tokio::test]
async fn an_ignored_range() {
    let (origin, url, whole) = start().await;
    origin.media_fault(json!({"kind": "ignore_range"})).await;
    let response = origin.client.get(&url).header(RANGE, "bytes=10-19").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().get(CONTENT_RANGE)), (200, None));
    assert!(response.bytes().await.unwrap() == whole);
    assert_eq!(origin.media_line().await.range.as_deref(), Some("bytes=10-19"), "the log has what was asked");
}

#[tokio::test]
async fn another_entity_tag() {
    let (origin, url, _) = start().await;
    let known = origin.client.head(&url).send().await.unwrap().headers()[ETAG].clone();
    origin.fault(json!({"path_prefix": "/media/", "times": 2, "action": {"kind": "new_etag"}})).await;
    let plain = origin.client.get(&url).header(RANGE, "bytes=0-9").send().await.unwrap();
    assert_ne!(plain.headers()[ETAG], known);
    let bound =
        origin.client.get(&url).header(RANGE, "bytes=0-9").header(IF_RANGE, &known).send().await.unwrap();
    assert_eq!(bound.status(), 200, "the old version is gone, so the range does not hold");
    let after =
        origin.client.get(&url).header(RANGE, "bytes=0-9").header(IF_RANGE, &known).send().await.unwrap();
    assert_eq!((after.status().as_u16(), &after.headers()[ETAG]), (206, &known));
}

#[tokio::test]
async fn a_captive_portal() {
    let (origin, _, _) = start().await;
    origin.fault(json!({"method": "GET", "path_prefix": "/v1/feed", "action": {"kind": "html"}})).await;
    let response = origin.get_as("ann", "/v1/feed?feed=for_you").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(response.text().await.unwrap().contains("<!doctype html>"));
}

#[tokio::test]
async fn the_queue_can_be_read_and_cleared() {
    let (origin, url, _) = start().await;
    origin.fault(json!({"path_prefix": "/media/", "skip": 1, "times": 5, "action": {"kind": "html"}})).await;
    assert_eq!(origin.client.get(&url).send().await.unwrap().headers()["content-type"], "video/mp4");
    let list = |method| origin.control(method, "faults").send();
    let queued: Value = list(reqwest::Method::GET).await.unwrap().json().await.unwrap();
    assert_eq!((&queued["faults"][0]["skip"], &queued["faults"][0]["times"]), (&0.into(), &5.into()));
    list(reqwest::Method::DELETE).await.unwrap();
    assert_eq!(origin.client.get(&url).send().await.unwrap().headers()["content-type"], "video/mp4");
    let wrong = origin.control(reqwest::Method::POST, "faults").json(&json!({"action": {"kind": "flood"}}));
    assert_eq!(wrong.send().await.unwrap().status(), 400);
}
