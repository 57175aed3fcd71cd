//! The gateway against those who should get nothing: other apps, pages that rebind their name, and clients that send
//! what no player sends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod gateway_common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::fixture::mp4_of;
use common::{World, eventually};
use gateway_common::Door;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use unspool_engine::Container;
use unspool_media::{GatewayLimits, Media, Priority};
use unspool_testkit::pattern;

/// A cached clip behind a gateway; its bytes and its address.
fn set_up(limits: GatewayLimits) -> (World, Arc<Media>, Door, Vec<u8>, String) {
    let world = World::new();
    let file = mp4_of(&pattern(100_000), 5_000, false);
    world.server.put("a", file.clone(), "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open_with(&world, &media, limits);
    let url = door.gateway.url(&key).unwrap();
    world.run(media.probe(&key, Priority::Next)).unwrap();
    (world, media, door, file, url)
}

/// The head of the one answer to `request`.
fn reply(door: &Door, request: impl AsRef<[u8]>) -> (u16, String) {
    let mut raw = door.raw();
    raw.try_send(request);
    raw.read_head()
}

#[test]
fn nothing_is_reached_without_the_token() {
    let (world, media, door, _, url) = set_up(GatewayLimits::default());
    let path = url.splitn(4, '/').nth(3).unwrap().to_owned();
    let (token, rest) = path.split_once('/').unwrap();
    let (id, _) = rest.split_once('/').unwrap();
    let zeros = "0".repeat(32);
    let flipped =
        if token.starts_with('a') { token.replacen('a', "b", 1) } else { format!("a{}", &token[1..]) };
    let key = format!("{}%1f{}", "a", "r");
    let paths = [
        "/".to_owned(),
        "//".to_owned(),
        format!("/{zeros}/{rest}"),
        format!("/{flipped}/{rest}"),
        format!("/{}/{rest}", token.to_uppercase().replace(char::is_numeric, "x")),
        format!("/{}/{rest}", &token[..31]),
        format!("/{token}0/{rest}"),
        format!("//{token}/{rest}"),
        format!("/x/../{token}/{rest}"),
        format!("/%2e%2e/{token}/{rest}"),
        format!("/{token}"),
        format!("/{token}/"),
        format!("/{token}/{zeros}/video.mp4"),
        format!("/{token}/{token}/video.mp4"),
        format!("/{token}/{id}"),
        format!("/{token}/{id}/"),
        format!("/{token}/{id}/index.m3u8"),
        format!("/{token}/{id}/VIDEO.mp4"),
        format!("/{token}/{id}/video.mp4/"),
        format!("/{token}/{id}/video.mp4/.."),
        format!("/{token}/{id}/../{id}/video.mp4"),
        format!("/{token}/{id}/..%2fvideo.mp4"),
        format!("/{token}/{id}/video.mp4%00"),
        format!("/{token}/{key}/video.mp4"),
        format!("/{token}/../../../../etc/passwd"),
        format!("/{token}/{id}/../../../index.db"),
        format!("/{token}/{}/video.mp4", world.server.url("a")),
        format!("/{token}/{}/video.mp4", world.server.url("a").replace('/', "%2f")),
        format!("/?url={}", world.server.url("a")),
    ];
    let requests = world.server.requests();
    for path in &paths {
        let (status, head) = reply(&door, door.request("GET", &format!("http://x{path}"), "1.1", ""));
        assert_eq!(status, 404, "{path}");
        assert!(!head.contains(token) && !head.contains("127.0.0.1"), "nothing is echoed: {head}");
    }
    let stats = door.gateway.stats();
    assert_eq!(stats.served + stats.refused, paths.len() as u64);
    assert_eq!(world.server.requests(), requests);
    assert_eq!(media.held(&unspool_engine::MediaKey::new("a", "r")).len(), 1);
}

#[test]
fn only_this_host_is_meant() {
    let (_world, _media, door, _, url) = set_up(GatewayLimits::default());
    let port = door.address().port();
    let path = format!("/{}", url.splitn(4, '/').nth(3).unwrap());
    let ask = |line: &str, head: &str| reply(&door, format!("{line}\r\n{head}\r\n")).0;
    let get = format!("GET {path} HTTP/1.1");
    assert_eq!(ask(&get, &format!("Host: 127.0.0.1:{port}\r\n")), 200);
    assert_eq!(ask(&get, &format!("hOST: LOCALHOST:{port}\r\n")), 200);
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        format!("127.0.0.1.evil.example:{port}"),
        format!("a@127.0.0.1:{port}"),
        format!("0.0.0.0:{port}"),
        String::new(),
    ] {
        assert_eq!(ask(&get, &format!("Host: {host}\r\n")), 421, "{host}");
    }
    assert_eq!(ask(&get, ""), 400, "HTTP/1.1 names its host");
    let twice = format!("Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\n");
    assert_eq!(ask(&get, &twice), 400);
    assert_eq!(ask(&format!("GET {path} HTTP/1.0"), ""), 200, "HTTP/1.0 need not");
    // An absolute address overrides the field, so it is the one that is checked.
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    assert_eq!(ask(&format!("GET http://127.0.0.1:{port}{path} HTTP/1.1"), &host), 200);
    assert_eq!(ask(&format!("GET http://evil.example{path} HTTP/1.1"), &host), 421);
    assert_eq!(ask(&format!("GET https://127.0.0.1:{port}{path} HTTP/1.1"), &host), 421);
    assert_eq!(ask(&format!("GET http://127.0.0.1:{port}@evil.example{path} HTTP/1.1"), &host), 421);
    assert_eq!(ask("CONNECT evil.example:443 HTTP/1.1", &host), 421);
    assert_eq!(ask("OPTIONS * HTTP/1.1", &host), 404);
}

#[test]
fn only_get_and_head_and_no_bodies() {
    let (_world, _media, door, file, url) = set_up(GatewayLimits::default());
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get"] {
        let (status, head) = reply(&door, door.request(method, &url, "1.1", ""));
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("allow: get, head\r\n"), "{head}");
    }
    let body = door.request("GET", &url, "1.1", "Content-Length: 1000000000\r\n");
    assert_eq!(reply(&door, body).0, 413);
    let body = door.request("GET", &url, "1.1", "Transfer-Encoding: chunked\r\n");
    assert_eq!(reply(&door, body).0, 413);
    let smuggled = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    assert_ne!(reply(&door, door.request("GET", &url, "1.1", smuggled)).0, 200);
    let two = "Content-Length: 0\r\nContent-Length: 9\r\n";
    assert_eq!(reply(&door, door.request("GET", &url, "1.1", two)).0, 400);
    let mut plain = door.raw();
    plain.send(door.request("GET", &url, "1.0", ""));
    let (status, _) = plain.read_head();
    assert!(status == 200 && plain.read_to_end() == file, "HTTP/1.0 is answered and closed");
}

#[test]
fn broken_heads_are_refused_and_end_the_connection() {
    let (_world, _media, door, _, url) = set_up(GatewayLimits::default());
    let good = door.request("GET", &url, "1.1", "");
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let broken: [(&str, Vec<u8>); 12] = [
        ("a NUL in the path", good.replacen("/video", "/\0video", 1).into()),
        ("a NUL in a field", door.request("GET", &url, "1.1", "X: a\0b\r\n").into()),
        ("a bare line feed in a name", door.request("GET", &url, "1.1", "X\nY: 1\r\n").into()),
        ("a folded field", door.request("GET", &url, "1.1", "X: 1\r\n 2\r\n").into()),
        ("a space before the colon", door.request("GET", &url, "1.1", "X : 1\r\n").into()),
        ("a long path", good.replacen("GET /", &format!("GET /{}", "a".repeat(100_000)), 1).into()),
        ("a long field", door.request("GET", &url, "1.1", &format!("X: {}\r\n", "a".repeat(100_000))).into()),
        ("many fields", door.request("GET", &url, "1.1", &many).into()),
        ("another protocol", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a later version", good.replace("HTTP/1.1", "HTTP/3.0").into()),
        ("high bytes", b"GET /\xff\xfe HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in broken {
        let mut raw = door.raw();
        raw.try_send(&bytes);
        let (status, _) = raw.read_head();
        assert!(status == 0 || (400..=505).contains(&status), "{what}: {status}");
    }
    // Whatever else comes in: an answer or an end, and the gateway goes on.
    let mut rng = StdRng::seed_from_u64(11);
    for _ in 0..300 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] = rng.random(),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, rng.random()),
            }
        }
        let mut raw = door.raw();
        raw.try_send(&bytes);
        raw.finish_sending();
        let _ = raw.read_to_end();
    }
    assert_eq!(reply(&door, &good).0, 200);
    eventually("all connections to be gone", || door.gateway.stats().connections == 0);
}

#[test]
fn ranges_of_any_size_are_answered_within_the_file() {
    let (world, _media, door, file, url) = set_up(GatewayLimits::default());
    let size = file.len();
    let cases: [(String, u16, usize); 9] = [
        ("bytes=0-18446744073709551615".to_owned(), 206, size),
        ("bytes=0-99999999999999999999999999".to_owned(), 206, size),
        ("bytes=-99999999999999999999999999".to_owned(), 206, size),
        ("bytes=18446744073709551615-".to_owned(), 416, 0),
        ("bytes=18446744073709551615-18446744073709551615".to_owned(), 416, 0),
        ("bytes=99999999999999999999999999-".to_owned(), 416, 0),
        ("bytes=-0".to_owned(), 416, 0),
        (format!("bytes={}-", size - 1), 206, 1),
        (format!("bytes={}", vec!["0-"; 1000].join(",")), 200, size),
    ];
    for (range, expected, length) in cases {
        let answer = world_get(&world, &door, &url, &range);
        assert_eq!((answer.0, answer.1), (expected, length), "{}", &range[..range.len().min(50)]);
    }
}

fn world_get(world: &World, door: &Door, url: &str, range: &str) -> (u16, usize) {
    let answer = world.run(door.get(url, &[("range", range)]));
    (answer.status, answer.body.len())
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (_world, _media, door, file, url) = set_up(GatewayLimits::default());
    let mut raw = door.raw();
    let ranges: Vec<(usize, usize)> = (0..20).map(|n| (n * 997, n * 997 + n * 500 + 1)).collect();
    let all: String = ranges
        .iter()
        .map(|(a, b)| door.request("GET", &url, "1.1", &format!("Range: bytes={a}-{}\r\n", b - 1)))
        .collect();
    raw.send(all);
    for (a, b) in ranges {
        let (status, head) = raw.read_head();
        assert!(status == 206 && head.contains(&format!("bytes {a}-{}/{}", b - 1, file.len())), "{head}");
        assert!(raw.read_exactly(b - a) == file[a..b]);
    }
}

#[test]
fn slow_heads_and_idle_connections_end() {
    let limits = GatewayLimits { head_timeout: Duration::from_millis(300), ..GatewayLimits::default() };
    let (_world, _media, door, file, url) = set_up(limits);
    let began = Instant::now();
    let mut silent = door.raw();
    let mut slow = door.raw();
    slow.send("GET / HT");
    let mut idle = door.raw();
    idle.send(door.request("GET", &url, "1.1", ""));
    assert_eq!(idle.read_head().0, 200);
    idle.read_exactly(file.len());
    silent.read_to_end();
    slow.read_to_end();
    idle.read_to_end();
    assert!(began.elapsed() >= Duration::from_millis(300));
    eventually("all connections to be gone", || door.gateway.stats().connections == 0);
}

#[test]
fn strangers_do_not_keep_players_out() {
    let limits = GatewayLimits { connections: 4, ..GatewayLimits::default() };
    let (world, _media, door, file, url) = set_up(limits);
    let mut players: Vec<_> = (0..2).map(|_| door.raw()).collect();
    for player in &mut players {
        player.send(door.request("HEAD", &url, "1.1", ""));
        assert_eq!(player.read_head().0, 200);
    }
    let mut strangers: Vec<_> = (0..40).map(|_| door.raw()).collect();
    assert!(world.run(door.get(&url, &[])).body == file, "a newcomer with the token is served");
    for player in &mut players {
        player.send(door.request("GET", &url, "1.1", ""));
        assert_eq!(player.read_head().0, 200, "and who is known stays");
        assert!(player.read_exactly(file.len()) == file);
    }
    // Those who were there first had to go.
    for stranger in &mut strangers[..30] {
        stranger.read_to_end();
    }
    assert!(door.gateway.stats().connections <= 5, "{:?}", door.gateway.stats());
}

#[test]
fn a_body_that_nobody_takes_is_given_up() {
    let limits = GatewayLimits { stall_timeout: Duration::from_millis(300), ..GatewayLimits::default() };
    let world = World::new();
    let file = mp4_of(&pattern(16_000_000), 5_000, false);
    world.server.put("a", file, "\"1\"");
    let media = world.open();
    let key = world.register(&media, "a", Container::Mp4);
    let door = Door::open_with(&world, &media, limits);
    let mut raw = door.raw();
    raw.send(door.request("GET", &door.gateway.url(&key).unwrap(), "1.1", ""));
    assert_eq!(raw.read_head().0, 200);
    eventually("the reader to be gone", || door.gateway.stats().readers == 0);
    eventually("the connection to be gone", || door.gateway.stats().connections == 0);
}
