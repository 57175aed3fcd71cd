//! The TLS leg: the same server, spoken to over HTTP/2 and HTTP/1.1, and a log that says so.

use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Version};
use serde_json::json;
use unspool_origin::access::AccessLine;

use crate::support::{DEADLINE, Origin, client, clip_bytes, drain};

/// A server with a TLS leg, a client that trusts its authority alone, and a signed address on that leg.
async fn start(h2: bool) -> (Origin, Client, String) {
    let origin = Origin::with(|config| config.tls = Some(([127, 0, 0, 1], 0).into())).await;
    drop(client());
    let (_, credentials) = origin.running.tls.clone().unwrap();
    assert!(credentials.ca.starts_with(&origin.running.state));
    let ca = Certificate::from_pem(&std::fs::read(&credentials.ca).unwrap()).unwrap();
    let builder = Client::builder().no_proxy().timeout(DEADLINE).tls_certs_only([ca]);
    let trusting = if h2 { builder } else { builder.http1_only() }.build().unwrap();
    let asked = format!("{}/v1/assets/clip-00/renditions/270", origin.running.tls_url().unwrap());
    let fresh: serde_json::Value =
        trusting.get(asked).bearer_auth("ann").send().await.unwrap().json().await.unwrap();
    let url = fresh["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&origin.running.tls_url().unwrap()), "{url}");
    (origin, trusting, url)
}

async fn media_lines(origin: &Origin, count: usize) -> Vec<AccessLine> {
    origin.lines(count, |line| line.path.starts_with("/media/")).await
}

#[tokio::test]
async fn it_serves_the_same_bytes_and_the_log_names_the_protocol() {
    for (h2, version, proto) in [(true, Version::HTTP_2, "h2"), (false, Version::HTTP_11, "h1")] {
        let (origin, trusting, url) = start(h2).await;
        let whole = clip_bytes("clip-00", "270.mp4");
        let answers = (0..8).map(|n| {
            let range = format!("bytes={}-{}", n * 10_000, n * 10_000 + 9_999);
            trusting.get(&url).header("range", range).send()
        });
        for (n, answer) in futures_util::future::join_all(answers).await.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!((answer.version(), answer.status().as_u16()), (version, 206));
            let (bytes, well) = drain(answer).await;
            assert!(well, "{} bytes of answer {n}", bytes.len());
            assert!(bytes == whole[n * 10_000..(n + 1) * 10_000], "answer {n}");
        }
        let lines = media_lines(&origin, 8).await;
        assert!(
            lines.iter().all(|l| l.tls && l.proto == proto && l.bytes == 10_000 && !l.aborted),
            "{lines:?}"
        );
        let connections: std::collections::BTreeSet<u64> = lines.iter().map(|line| line.conn).collect();
        assert_eq!(connections.len() == 1, h2, "one connection carries all only over HTTP/2");
        let plain = origin.lines(1, |line| line.path == "/healthz");
        origin.get("/healthz").send().await.unwrap();
        assert!(plain.await.iter().all(|line| !line.tls && line.proto == "h1"));
    }
}

#[tokio::test]
async fn faults_work_on_it_and_cost_only_their_own_answer_where_they_can() {
    let (origin, trusting, url) = start(true).await;
    let whole = clip_bytes("clip-00", "270.mp4");
    origin.media_fault(json!({"kind": "truncate", "after_bytes": 70_001})).await;
    let (bytes, well) = drain(trusting.get(&url).send().await.unwrap()).await;
    assert!(!well && bytes.len() <= 70_001 && whole.starts_with(&bytes));
    origin.media_fault(json!({"kind": "status", "status": 429, "retry_after_s": 1})).await;
    assert_eq!(trusting.get(&url).send().await.unwrap().status(), 429);
    origin.media_fault(json!({"kind": "reset", "after_bytes": 20_000})).await;
    assert!(!drain(trusting.get(&url).send().await.unwrap()).await.1);
    assert!(drain(trusting.get(&url).send().await.unwrap()).await == (whole, true));
    let lines = media_lines(&origin, 4).await;
    let told: Vec<_> = lines.iter().map(|l| (l.fault.as_deref(), l.aborted)).collect();
    let expected = [(Some("truncate"), true), (Some("status"), false), (Some("reset"), true), (None, false)];
    assert_eq!(told, expected);
    assert_eq!(lines[0].conn, lines[1].conn, "a cut answer leaves the connection");
    assert_ne!(lines[2].conn, lines[3].conn, "a reset does not");
    assert_eq!(lines[0].bytes, 70_001);
}

#[tokio::test]
async fn the_network_is_shaped_on_it_too() {
    let (origin, trusting, url) = start(true).await;
    let size = clip_bytes("clip-00", "270.mp4").len();
    // A third of a second for the whole clip.
    origin.network(json!({"rate_kbps": size * 8 * 3 / 1000})).await;
    let began = Instant::now();
    assert!(drain(trusting.get(&url).send().await.unwrap()).await.1);
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    origin.network(json!({"down": true})).await;
    assert!(trusting.get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_client_that_does_not_know_the_authority_is_turned_away_by_itself() {
    let (origin, _, url) = start(true).await;
    assert!(client().get(&url).send().await.unwrap_err().is_connect());
    assert!(origin.lines(0, |line| line.path.starts_with("/media/")).await.is_empty());
}

#[tokio::test]
async fn other_servers_are_named_as_alternates_and_open_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let other = Origin::with(|config| config.state = Some(folder.path().join("other"))).await;
    let state = folder.path().join("first");
    std::fs::create_dir(&state).unwrap();
    std::fs::copy(folder.path().join("other/signing.key"), state.join("signing.key")).unwrap();
    let base = other.running.url();
    let origin = Origin::with(|config| {
        config.state = Some(state);
        config.alternates = vec![base.clone()];
    })
    .await;
    let fresh = origin.json("ann", "/v1/assets/clip-00/renditions/270").await;
    let page = origin.json("ann", "/v1/feed?feed=for_you&limit=1").await;
    for place in [&fresh, &page["items"][0]["asset"]["renditions"][0]] {
        let alternate = place["alternates"][0].as_str().unwrap();
        assert!(alternate.starts_with(&base), "{alternate}");
        assert_eq!(other.client.head(alternate).send().await.unwrap().status(), 200);
    }
}
