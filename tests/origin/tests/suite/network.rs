//! The shaped network. Only lower bounds on time: a busy machine may be slower, never faster.

use std::time::{Duration, Instant};

use serde_json::json;
use unspool_origin::network::{NetworkSettings, parse_trace};

use crate::support::{DEADLINE, Origin, drain, shared};

#[tokio::test]
async fn connections_share_one_rate() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "720").await;
    // 250 bytes a millisecond.
    origin.network(json!({"rate_kbps": 2000})).await;
    let began = Instant::now();
    let fetch = || async {
        origin.client.get(&url).header("range", "bytes=0-99999").send().await.unwrap().bytes().await
    };
    let (one, two) = tokio::join!(fetch(), fetch());
    let elapsed = began.elapsed();
    assert_eq!(one.unwrap().len() + two.unwrap().len(), 200_000);
    let least = Duration::from_millis((200_000 - 16 * 1024) / 250);
    assert!(elapsed >= least, "{elapsed:?} is less than {least:?}");
}

#[tokio::test]
async fn a_trace_shapes_and_a_change_frees_those_who_wait() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "720").await;
    // Half a second at 1000 bytes a millisecond, then next to nothing for an hour.
    origin.network(json!({"trace": [[0.0, 0.0], [0.5, 8.0], [3600.0, 0.000_001]]})).await;
    let mut response = origin.client.get(&url).send().await.unwrap();
    let mut received = 0;
    while received < 300_000 {
        received += response.chunk().await.unwrap().unwrap().len();
    }
    let (rest, ()) = tokio::join!(drain(response), async {
        // The fast half second carries half a million bytes at most; whoever still reads is stuck then.
        origin.network(json!({})).await;
    });
    assert!(rest.1, "the body ends well once nothing limits it");
}

#[tokio::test]
async fn round_trips_cost_time_and_connections_cost_one_more() {
    let origin = Origin::start().await;
    origin.network(json!({"rtt_ms": 60})).await;
    let timed = async || {
        let began = Instant::now();
        origin.get("/healthz").send().await.unwrap().bytes().await.unwrap();
        began.elapsed()
    };
    assert!(timed().await >= Duration::from_millis(120));
    assert!(timed().await >= Duration::from_millis(60));
}

#[tokio::test]
async fn down_answers_nobody_and_cuts_what_flows() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "720").await;
    origin.network(json!({"rate_kbps": 1000})).await;
    let mut response = origin.client.get(&url).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    origin.network(json!({"down": true})).await;
    assert!(!drain(response).await.1, "the body is cut");
    assert!(origin.get("/healthz").send().await.is_err(), "nothing answers");
    assert!(origin.media_line().await.aborted);
    let stats = origin.stats().await;
    assert_eq!(stats["in_flight"], 0);
    origin.network(json!({})).await;
    assert_eq!(origin.get("/healthz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn chance_resets_and_stalls_are_named_in_the_log() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "270").await;
    origin.network(json!({"reset_probability": 1.0})).await;
    if let Ok(response) = origin.client.get(&url).send().await {
        assert!(!drain(response).await.1);
    }
    origin.network(json!({"stall_probability": 1.0, "stall_ms": 200})).await;
    let began = Instant::now();
    assert!(drain(origin.client.get(&url).send().await.unwrap()).await.1);
    assert!(began.elapsed() >= Duration::from_millis(200));
    let lines = origin.lines(2, |line| line.path.starts_with("/media/")).await;
    let faults: Vec<Option<&str>> = lines.iter().map(|line| line.fault.as_deref()).collect();
    assert_eq!(faults, [Some("network_reset"), Some("network_stall")]);
}

#[tokio::test]
async fn wrong_settings_are_refused_and_change_nothing() {
    let origin = Origin::start().await;
    for wrong in
        [json!({"rtt": 1}), json!({"rate_kbps": 0}), json!({"trace": [[1.0, 1.0], [0.5, 1.0]]}), json!([])]
    {
        let response = origin.control(reqwest::Method::PUT, "network").json(&wrong).send().await.unwrap();
        assert_eq!(response.status(), 400, "{wrong}");
    }
    let now = origin.control(reqwest::Method::GET, "network").send().await.unwrap();
    assert_eq!(now.json::<NetworkSettings>().await.unwrap(), NetworkSettings::default());
}

#[test]
fn every_shared_trace_is_read() {
    let Some(data) = shared() else { return };
    let began = Instant::now();
    let mut read = 0;
    for folder in ["fcc", "nyu-lte"] {
        for entry in std::fs::read_dir(data.join("network").join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let rows = parse_trace(&std::fs::read_to_string(&path).unwrap());
            assert!(rows.is_ok_and(|rows| rows.len() > 10), "{}", path.display());
            let settings = NetworkSettings::from_argument(path.to_str().unwrap()).unwrap();
            assert!(settings.trace.is_some());
            read += 1;
        }
    }
    assert!(read > 80 && began.elapsed() < DEADLINE);
}
