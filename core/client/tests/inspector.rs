//! Who the inspector answers, whom it refuses, and when it ends; over real sockets, of a session that is offline.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use unspool::inspector::{FILES, Inspector, InspectorOptions};
use unspool::{Config, Credentials, Error, Unspool};

/// A wait that lasts longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn session(dir: &tempfile::TempDir) -> Unspool {
    let credentials = Credentials::Fixed("a-token-of-ada".into());
    // Port 9 discards: nothing is asked of it.
    let mut config =
        Config::new(dir.path().join("core"), "http://127.0.0.1:9", "ada-the-account", credentials).unwrap();
    config.conditions.online = false;
    Unspool::open(config).unwrap()
}

fn token(inspector: &Inspector) -> String {
    inspector.url().split('/').nth(3).unwrap().to_owned()
}

fn connect(inspector: &Inspector) -> TcpStream {
    let stream = TcpStream::connect(inspector.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a head as it stands and reads to the end of the answer; empty where the connection was closed.
fn raw(inspector: &Inspector, request: &str) -> String {
    let mut stream = connect(inspector);
    // A server that refuses in the middle of a head may close before it has read all of it.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn get(inspector: &Inspector, path: &str) -> String {
    raw(
        inspector,
        &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", inspector.address()),
    )
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn refuses_connections(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_on_loopback_who_has_the_token_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(&dir);
    let inspector = session.inspect(InspectorOptions::default()).unwrap();
    assert_eq!(inspector.address().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = inspector.address().port();
    for other in [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        assert!(refuses_connections((other, port).into()), "{other}");
    }
    let token = token(&inspector);
    assert_eq!(token.len(), 32);
    let here = inspector.address();
    let asked = |line: &str, rest: &str| {
        status(&raw(&inspector, &format!("{line} HTTP/1.1\r\n{rest}Connection: close\r\n\r\n")))
    };
    let host = format!("Host: {here}\r\n");
    let wrong = "0".repeat(32);
    for path in [
        "/".to_owned(),
        "/events".to_owned(),
        format!("/{wrong}/"),
        format!("/{}/", &token[..31]),
        format!("//{token}/"),
    ] {
        assert_eq!(asked(&format!("GET {path}"), &host), 403, "{path}");
    }
    assert_eq!(asked(&format!("GET /{token}/"), "Host: rebound.example\r\n"), 421);
    assert_eq!(asked(&format!("GET /{token}/"), ""), 421);
    assert_eq!(asked(&format!("GET /{token}/nothing.js"), &host), 404);
    assert_eq!(asked(&format!("GET /{token}"), &host), 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let rest = format!("{host}Origin: http://{here}\r\nContent-Length: 0\r\n");
        assert_eq!(asked(&format!("{method} /{token}/act"), &rest), 405, "{method}");
    }
    assert_eq!(asked(&format!("GET /{token}/"), &format!("{host}Origin: http://evil.example\r\n")), 403);
    // A forwarded port is another one.
    assert_eq!(asked(&format!("GET /{token}/"), "Host: localhost:9000\r\n"), 200);
    assert_eq!(asked(&format!("GET /{token}/"), &format!("{host}X: {}\r\n", "x".repeat(64 * 1024))), 431);
    assert_eq!(asked(&format!("GET /{token}/"), &format!("{host}{}", "X: y\r\n".repeat(100))), 431);
    assert!([0, 400].contains(&status(&raw(&inspector, "\u{0}\r\n\r\n"))));

    let page = get(&inspector, &format!("/{token}/"));
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    for row in ["x-content-type-options: nosniff", "referrer-policy: no-referrer", "cache-control: no-store"]
    {
        assert!(page.contains(row), "{row}");
    }
    for file in &FILES[1..] {
        let answer = get(&inspector, &format!("/{token}/{}", file.name));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(file.kind) && body == file.text, "{}", file.name);
        assert!(!head.to_ascii_lowercase().contains("access-control"));
    }
    // The page needs nobody else.
    for file in FILES.iter().filter(|file| !file.name.starts_with("uPlot")) {
        for word in ["http://", "https://", "//cdn", "@import"] {
            let text = file.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(word), "{}: {word}", file.name);
        }
    }
    assert_eq!(session.learner_card().settings, Vec::new());
    assert!(!format!("{inspector:?}").is_empty());
    session.shutdown(PATIENCE).await;
}

/// Opens a stream of events and reads the first of them.
fn watch(inspector: &Inspector) -> TcpStream {
    let mut stream = connect(inspector);
    write!(stream, "GET /{}/events HTTP/1.1\r\nHost: {}\r\n\r\n", token(inspector), inspector.address())
        .unwrap();
    let mut first = [0; 64];
    let read = stream.read(&mut first).unwrap();
    assert_eq!(status(&String::from_utf8_lossy(&first[..read])), 200);
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_give_way_to_who_has_the_token_and_the_number_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(&dir);
    let inspector = session.inspect(InspectorOptions::default()).unwrap();
    // They say nothing, and there are more of them than places.
    let strangers: Vec<TcpStream> = (0..40).map(|_| connect(&inspector)).collect();
    let mut watching: Vec<TcpStream> = (0..12).map(|_| watch(&inspector)).collect();
    drop(strangers);
    eventually("a thirteenth is turned away", || {
        get(&inspector, &format!("/{}/", token(&inspector))).is_empty()
    });
    watching.pop();
    eventually("there is a place again", || {
        status(&get(&inspector, &format!("/{}/", token(&inspector)))) == 200
    });
    session.shutdown(PATIENCE).await;
    for mut stream in watching {
        let mut rest = Vec::new();
        // Closed in the middle, however that is told.
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(refuses_connections(inspector.address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_changes_where_it_was_asked_to_and_from_its_own_page_alone() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(&dir);
    let writable = InspectorOptions { writable: true, ..InspectorOptions::default() };
    let inspector = session.inspect(writable).unwrap();
    let (here, token) = (inspector.address(), token(&inspector));
    let post = |origin: &str, body: &str| {
        let origin = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
        let head = format!("POST /{token}/act HTTP/1.1\r\nHost: {here}\r\n{origin}Connection: close\r\n");
        raw(&inspector, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    };
    let own = format!("http://{here}");
    let weight = json!({ "do": "weight", "topic": "tea", "weight": -0.5 }).to_string();
    for origin in ["", "http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(status(&post(origin, &weight)), 403, "{origin}");
    }
    assert_eq!(session.learner_card().settings, Vec::new(), "nothing was changed");
    assert_eq!(status(&post(&own, &weight)), 200);
    assert_eq!(session.learner_card().settings, vec![("tea".to_owned(), -0.5)]);
    let exported = post(&own, r#"{"do":"export_learner"}"#);
    assert!(status(&exported) == 200 && exported.contains("tea"));
    assert_eq!(status(&post(&own, r#"{"do":"forget_topic","topic":"tea"}"#)), 200);
    assert_eq!(session.learner_card().settings, Vec::new());
    for other in ["", "{", r#"{"do":"next"}"#, r#"{"do":"weight","topic":"tea"}"#] {
        assert_eq!(status(&post(&own, other)), 400, "{other}");
    }
    let nameless = json!({ "do": "weight", "topic": "x".repeat(500), "weight": 0.5 }).to_string();
    assert_eq!(status(&post(&own, &nameless)), 409, "what the session refuses");
    assert_eq!(status(&post(&own, &"x".repeat(5_000))), 413);
    let chunks = format!("{}\r\n", format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(5));
    let head =
        format!("POST /{token}/act HTTP/1.1\r\nHost: {here}\r\nOrigin: {own}\r\nConnection: close\r\n");
    assert_eq!(
        status(&raw(&inspector, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"))),
        413
    );
    session.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_when_it_is_told_when_it_is_dropped_and_with_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(&dir);
    let first = session.inspect(InspectorOptions::default()).unwrap();
    let mut watching = watch(&first);
    first.stop().await;
    first.stop().await;
    assert!(refuses_connections(first.address()));
    let _ = watching.read_to_end(&mut Vec::new());

    let second = session.inspect(InspectorOptions::default()).unwrap();
    let address = second.address();
    let taken = session.inspect(InspectorOptions { port: address.port(), ..InspectorOptions::default() });
    assert!(matches!(taken, Err(Error::Config { .. })), "{taken:?}");
    assert_ne!(token(&first), token(&second));
    drop(second);
    eventually("its port is closed", || refuses_connections(address));

    let four: Vec<Inspector> = (0..4)
        .map(|_| {
            let mut inspector = None;
            eventually("there is room for another", || {
                inspector = session.inspect(InspectorOptions::default()).ok();
                inspector.is_some()
            });
            inspector.unwrap()
        })
        .collect();
    assert!(matches!(session.inspect(InspectorOptions::default()), Err(Error::Config { .. })));
    let _watching: Vec<TcpStream> = four.iter().map(watch).collect();
    assert!(session.shutdown(PATIENCE).await.clean);
    assert!(four.iter().all(|one| refuses_connections(one.address())), "closed when the shutdown says so");
    assert_eq!(session.inspect(InspectorOptions::default()).err(), Some(Error::ShutDown));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_keeps_no_session_open() {
    let dir = tempfile::tempdir().unwrap();
    let first = session(&dir);
    let inspector = first.inspect(InspectorOptions::default()).unwrap();
    let _watching = watch(&inspector);
    drop(first);
    eventually("its port is closed", || refuses_connections(inspector.address()));
    // The directory is free again.
    eventually("another session opens", || {
        let credentials = Credentials::Fixed("a-token-of-ada".into());
        let path = dir.path().join("core");
        Config::new(path, "http://127.0.0.1:9", "ada-the-account", credentials)
            .is_ok_and(|c| Unspool::open(c).is_ok())
    });
    inspector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_the_log_it_is_given_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(&dir);
    let options = InspectorOptions::default();
    let log = options.log.clone();
    log.push("INFO", "the first line");
    let inspector = session.inspect(options).unwrap();
    let mut stream = watch(&inspector);
    log.push("WARN", "a \u{2028} line with </script> in it");
    let mut text = String::new();
    let mut buffer = [0; 8 * 1024];
    eventually("both lines are told", || {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        text.contains("the first line") && text.contains("</script> in it")
    });
    for secret in ["a-token-of-ada", "ada-the-account", dir.path().to_str().unwrap(), &token(&inspector)] {
        assert!(!text.contains(secret), "{secret}");
    }
    let data = text.split("data: ").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let figures: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&figures["writable"], &figures["feed"], &figures["cache"]["renditions"]),
        (&json!(false), &Value::Null, &json!(0))
    );
    session.shutdown(PATIENCE).await;
}
