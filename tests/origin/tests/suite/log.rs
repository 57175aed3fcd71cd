//! The access log tells the truth about bytes.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Origin, clip_bytes, drain};

#[tokio::test]
async fn a_complete_answer_is_logged_to_the_byte() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "720").await;
    let (bytes, well) =
        drain(origin.client.get(&url).header("range", "bytes=7-600006").send().await.unwrap()).await;
    assert!(well);
    let line = origin.media_line().await;
    assert_eq!((line.bytes, line.declared, line.status), (600_000, Some(600_000), 206));
    assert_eq!(bytes.len(), 600_000);
    assert_eq!((line.client.as_str(), line.method.as_str()), ("ann", "GET"));
    assert_eq!(line.path, "/media/clip-00/720.mp4");
    assert_eq!(line.range.as_deref(), Some("bytes=7-600006"));
    assert_eq!((line.aborted, line.fault), (false, None));
}

#[tokio::test]
async fn answers_without_a_body_are_complete_with_no_byte() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "720").await;
    let head = origin.client.head(&url).send().await.unwrap();
    let etag = head.headers()["etag"].clone();
    origin.client.get(&url).header("if-none-match", etag).send().await.unwrap();
    let lines = origin.lines(2, |line| line.path.starts_with("/media/")).await;
    let size = clip_bytes("clip-00", "720.mp4").len() as u64;
    assert_eq!((lines[0].bytes, lines[0].declared, lines[0].aborted), (0, Some(size), false));
    assert_eq!((lines[1].status, lines[1].bytes, lines[1].aborted), (304, 0, false));
}

/// Sends a request over a bare socket and reads so many body bytes.
async fn read_some(url: &str, count: usize) -> (TcpStream, Vec<u8>) {
    let url = reqwest::Url::parse(url).unwrap();
    let mut socket = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    socket.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let head = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head
            && seen.len() - head >= count
        {
            return (socket, seen.split_off(head));
        }
        assert_ne!(socket.read_buf(&mut seen).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_charged_what_it_was_sent() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "720").await;
    // Slow enough that the client keeps up, so that nothing lies in buffers when it leaves.
    origin.network(json!({"rate_kbps": 1000})).await;
    let (socket, body) = read_some(&url, 40_000).await;
    drop(socket);
    let line = origin.media_line().await;
    assert!(line.aborted && line.status == 200);
    let (sent, received) = (line.bytes, body.len() as u64);
    assert!(sent >= received, "{sent} sent, {received} received");
    assert!(sent <= received + 64 * 1024, "{sent} sent, {received} received");
    let stats = origin.stats().await;
    assert!(stats["bytes_by_client"]["ann"].as_u64().unwrap() >= sent);
    assert_eq!(stats["in_flight"], 0);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_charged_no_more_than_buffers_hold() {
    let origin = Origin::start().await;
    let playlist = origin.url("ann", "clip-01", "720").await;
    let text = origin.client.get(&playlist).send().await.unwrap().text().await.unwrap();
    let media = text.lines().find(|line| line.starts_with("720.m4s?")).unwrap();
    let url = reqwest::Url::parse(&playlist).unwrap().join(media).unwrap().to_string();
    let (socket, body) = read_some(&url, 1000).await;
    drop(socket);
    let lines = origin.lines(1, |line| line.path.ends_with(".m4s")).await;
    let whole = clip_bytes("clip-01", "720.m4s").len() as u64;
    assert!(lines[0].bytes >= body.len() as u64 && lines[0].bytes <= whole);
    assert_eq!(lines[0].aborted, lines[0].bytes < whole);
}

#[tokio::test]
async fn a_request_that_leaves_before_its_answer_has_a_line_too() {
    let origin = Origin::start().await;
    let url = origin.url("ann", "clip-00", "270").await;
    origin.network(json!({"rtt_ms": 30_000})).await;
    let url = reqwest::Url::parse(&url).unwrap();
    let mut socket = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    socket.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    while origin.stats().await["in_flight"] != 1 {
        tokio::task::yield_now().await;
    }
    drop(socket);
    let line = origin.media_line().await;
    assert_eq!((line.status, line.bytes, line.declared, line.aborted), (0, 0, None, true));
}

#[tokio::test]
async fn every_byte_of_many_requests_is_in_the_totals() {
    let origin = Origin::start().await;
    let url = origin.url("bob", "clip-03", "406").await;
    let requests = (0..12u64).map(|number| {
        let request =
            origin.client.get(&url).header("range", format!("bytes={}-{}", number * 1000, number * 9000));
        async move { request.send().await.unwrap().bytes().await.unwrap().len() as u64 }
    });
    let received: u64 = futures_util::future::join_all(requests).await.into_iter().sum();
    let lines = origin.lines(12, |line| line.path.starts_with("/media/")).await;
    assert_eq!(lines.iter().map(|line| line.bytes).sum::<u64>(), received);
    assert!(lines.iter().all(|line| !line.aborted && line.client == "bob"));
}
