//! What lies between the device and its servers: HTTPS with HTTP/2, keys that are pinned, media on two hosts of which one
//! fails.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use unspool::{Cmcd, Container, Error, FeedKind, HostPins, MediaKey, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, config, eventually, first_frame, http, until};
use unspool_engine::Span;
use unspool_media::{Limits, Media, MediaConfig, Origin as Source, Priority, Purpose};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

#[tokio::test(flavor = "multi_thread")]
async fn a_session_speaks_http_2_over_tls_to_a_pinned_server_and_both_sides_count_the_same() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--tls", "127.0.0.1:0"])?;
    let tls = origin.tls.clone().ok_or("no TLS leg")?;
    let mut config = config(&dir.path().join("core"), &tls.url, "ada")?;
    config.tls.extra_roots = Some(tls.ca.clone());
    let keys = vec![tls.pin.parse()?];
    config.tls.pins = vec![HostPins { host: "127.0.0.1".into(), subdomains: false, keys }];
    config.cmcd = Some(Cmcd::Headers);
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..3 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        until(&feed, "it plays", |s| s.playhead_ms >= 300).await?;
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(session.outgoing().delivered, 3, "telemetry went the same way");
    origin.quiet().await?;
    let log = origin.log()?;
    let strangers =
        log.iter().filter(|l| l["path"] != "/healthz" && (l["proto"] != "h2" || l["tls"] != true));
    assert_eq!(strangers.count(), 0, "{log:?}");
    assert!(log.iter().filter(|l| l["path"].as_str().is_some_and(|p| p.starts_with("/media/"))).count() >= 3);
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_refuses_a_server_without_the_pinned_key_or_a_known_authority() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--tls", "127.0.0.1:0"])?;
    let tls = origin.tls.clone().ok_or("no TLS leg")?;
    let other = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let pins = vec![HostPins { host: "127.0.0.1".into(), subdomains: false, keys: vec![other.parse()?] }];
    for (n, (roots, pins)) in [(Some(tls.ca.clone()), pins), (None, vec![])].into_iter().enumerate() {
        let mut config = config(&dir.path().join(n.to_string()), &tls.url, "ada")?;
        (config.tls.extra_roots, config.tls.pins) = (roots, pins);
        let session = Unspool::open(config)?;
        let feed = session.feed(FeedKind::ForYou)?;
        let refused = feed.next().await;
        let told =
            |reason: &str| reason.starts_with("the server's key") || reason.starts_with("the server's cert");
        assert!(matches!(&refused, Err(Error::Backend { reason, .. }) if told(reason)), "{refused:?}");
        session.shutdown(PATIENCE).await;
    }
    assert!(origin.log()?.iter().all(|line| line["tls"] == false), "nothing was asked");
    Ok(())
}

/// Two servers of the same clips; the feed of the first names the second as an alternate.
fn two(dir: &Path) -> Done<(Origin, Origin)> {
    let second = Origin::start(PROGRAM, &dir.join("second"), &[])?;
    let state = dir.join("first");
    std::fs::create_dir(&state)?;
    std::fs::copy(second.state.join("signing.key"), state.join("signing.key"))?;
    let first = Origin::start(PROGRAM, &state, &["--alternate", &second.url])?;
    Ok((first, second))
}

/// Requests for media that `origin` answered or refused so far.
fn asked(origin: &Origin) -> Done<usize> {
    let media = |line: &&Value| line["path"].as_str().is_some_and(|path| path.starts_with("/media/"));
    Ok(origin.log()?.iter().filter(media).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_plays_on_from_the_other_host() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let (first, second) = two(dir.path())?;
    let fault = json!({"kind": "status", "status": 503});
    first.fault(json!({"path_prefix": "/media/", "times": 1000, "action": fault})).await?;
    let session = Unspool::open(config(&dir.path().join("core"), &first.url, "ada")?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..3 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        until(&feed, "it plays", |s| s.playhead_ms >= 300).await?;
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    first.quiet().await?;
    second.quiet().await?;
    // What ran side by side when the first answer came, and a try or two after each rest of ten seconds.
    assert!((1..=6).contains(&asked(&first)?), "{} requests at the host that fails", asked(&first)?);
    assert!(asked(&second)? >= 3);
    assert_eq!(session.bytes().network, first.bytes_to("ada")? + second.bytes_to("ada")?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_of_two_servers_show_the_switch_the_rest_and_the_return() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let (first, second) = two(dir.path())?;
    let client = http()?;
    let faults = [
        ("refused", None),
        ("failing", Some(json!({"kind": "status", "status": 500}))),
        ("silent", Some(json!({"kind": "stall", "after_bytes": 20_000, "ms": 3_000}))),
    ];
    for (what, fault) in faults {
        let fresh = first.get_as("ada", "/v1/assets/clip-00/renditions/270").await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("no address");
        let (url, alternate) = (text(&fresh["url"])?, text(&fresh["alternates"][0])?);
        let whole = client.get(&alternate).send().await?.error_for_status()?.bytes().await?;
        let size = whole.len() as u64;
        let limits = Limits {
            stall_timeout: Duration::from_millis(700),
            host_rest: Duration::from_millis(1_500),
            chunk_initial: 64 * 1024,
            chunk_max: 64 * 1024,
            ..Limits::default()
        };
        let open = MediaConfig { limits, ..MediaConfig::new(dir.path().join(what)) };
        let media = Media::open(open, tokio::runtime::Handle::current())?;
        let key = MediaKey::new("clip-00", "270");
        media.register(&key, Source { alternates: vec![alternate], ..Source::new(url, Container::Mp4) });
        let fetch = async |from: u64, to: u64| {
            let ticket = media.fetch(&key, &[Span::new(from, to)], Priority::Prefetch, Purpose::Prefetch);
            ticket.wait().await
        };
        let (first_before, second_before) = (asked(&first)?, asked(&second)?);
        match &fault {
            Some(action) => {
                first.fault(json!({"path_prefix": "/media/", "times": 1, "action": action})).await?
            }
            None => first.network(json!({"down": true})).await?,
        }
        fetch(0, 200_000.min(size - 1)).await?;
        first.network(json!({})).await?;
        first.quiet().await?;
        second.quiet().await?;
        let at_first = usize::from(fault.is_some());
        assert_eq!(asked(&first)? - first_before, at_first, "{what}: one request found it out");
        assert!(asked(&second)? > second_before, "{what}: the other one took over");
        // Byte by byte, until the first is asked again.
        let (rested, mut at) = (Instant::now(), 200_000.min(size - 1));
        while asked(&first)? - first_before == at_first {
            assert!(rested.elapsed() < PATIENCE, "{what}: it never comes back");
            assert!(at < size, "{what}: no byte is left to ask for");
            fetch(at, at + 1).await?;
            first.quiet().await?;
            at += 1;
        }
        let back = asked(&second)?;
        fetch(at, size).await?;
        second.quiet().await?;
        assert_eq!(asked(&second)?, back, "{what}: everything is back at the first");
        let source: Arc<dyn unspool_media::ByteSource> = media.source_of(&key, size);
        let read = tokio::task::spawn_blocking(move || -> Result<Vec<u8>, unspool_media::ReadError> {
            let mut out = vec![0; size as usize];
            let mut got = 0;
            while got < out.len() {
                got += source.read_at(got as u64, &mut out[got..], PATIENCE)?;
            }
            Ok(out)
        });
        assert!(read.await?? == whole, "{what}: the bytes of both are one file");
        media.shutdown(PATIENCE).await?;
        eventually("the first server is quiet", async || {
            Ok(first.get("/control/stats").await?["in_flight"] == 0)
        })
        .await?;
    }
    Ok(())
}
