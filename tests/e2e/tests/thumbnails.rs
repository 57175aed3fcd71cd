//! Still pictures, end to end: through the core's door, once, also without a network, kept with what is kept, and nothing but
//! pictures.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use unspool::{
    Auth, Backend, BackendError, Config, Credentials, EraseScope, Error, FeedKind, FeedSession, KeepState,
    Located, MediaKey, Meter, Native, Page, PictureFormat, ThumbnailTrouble, Topic, Unspool,
};
use unspool_e2e::{
    Done, Origin, PATIENCE, cards, config, dropped_after, first_frame, http, open, until, until_kept,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// Requests for the picture of an item.
fn asked(origin: &Origin, item: &str) -> Done<usize> {
    let path = format!("/thumbnails/{item}");
    Ok(origin.log()?.iter().filter(|line| line["path"] == path).count())
}

/// The next card, however busy the machine is.
async fn next(feed: &FeedSession) -> Done<unspool::Item> {
    loop {
        match feed.next().await {
            Err(Error::TimedOut(_)) => {}
            card => return Ok(card?.item),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_paid_for_once_and_is_there_without_a_network() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let session = open(&core, &origin.url, "ada", true)?;
    assert_eq!(session.thumbnail("item-0").await, Err(Error::NoSuchCard), "no feed is open");
    let feed = session.feed(FeedKind::NonProfiled)?;
    let first = feed.next().await?;
    let picture = session.thumbnail(&first.item.id).await?.ok_or("a picture")?;
    assert_eq!((picture.format, picture.format.media_type()), (PictureFormat::Png, "image/png"));
    let again = session.thumbnail(&first.item.id).await?.ok_or("a picture")?;
    assert_eq!(again, picture);
    let (one, other) = tokio::join!(session.thumbnail(&first.item.id), session.thumbnail(&first.item.id));
    assert_eq!((one?.ok_or("a picture")?, other?.ok_or("a picture")?), (picture.clone(), picture.clone()));
    assert_eq!(session.thumbnail("nobody").await, Err(Error::NoSuchCard));
    // Of the cards ahead, too, which nobody has moved to.
    let ahead = feed.peek(2).await?;
    let following = session.thumbnail(&ahead[0].id).await?.ok_or("a picture")?;
    assert_ne!(following.bytes, picture.bytes, "one of its own");
    first_frame(&feed, &mut 0, first.position).await?;
    until(&feed, "enough for offline", |s| s.window[0].ahead_ms + s.playhead_ms >= 3_000).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.quiet().await?;
    assert_eq!(asked(&origin, &first.item.id)?, 1);
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?, "its bytes are in the books");
    let url = first.item.thumbnail.ok_or("an address")?;
    let sent = http()?.get(url).send().await?.error_for_status()?.bytes().await?;
    assert_eq!(picture.bytes, sent, "as the server has it");

    origin.network(json!({"down": true})).await?;
    let session = open(&core, &origin.url, "ada", false)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    assert_eq!(feed.next().await?.item.id, first.item.id, "it opens where it was left");
    assert_eq!(session.thumbnail(&first.item.id).await?.ok_or("a picture")?, picture);
    assert_eq!(session.thumbnail(&ahead[0].id).await?.ok_or("a picture")?, following);
    assert_eq!(session.thumbnail(&ahead[1].id).await, Err(Error::Offline), "never asked for before");
    assert_eq!(session.bytes().network, 0);
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(session.thumbnail(&first.item.id).await, Err(Error::ShutDown));
    Ok(())
}

/// Rows of the cache's index for still pictures.
fn pictures_on_disk(core: &std::path::Path) -> Done<i64> {
    let read_only = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(core.join("media/index.db"), read_only)?;
    let count = "SELECT count(*) FROM entry WHERE key LIKE '%\u{1f}thumbnail %'";
    Ok(db.query_row(count, [], |row| row.get(0))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_has_its_picture_until_it_is_forgotten_or_erased() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let cards = cards(&origin.url, "ada", 2).await?;
    let session = open(&core, &origin.url, "ada", true)?;
    session.keep(cards.clone()).await?;
    until_kept(&session, "complete", |s| s.kept.iter().all(|k| k.state == KeepState::Complete)).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.network(json!({"down": true})).await?;

    let session = open(&core, &origin.url, "ada", false)?;
    let picture = session.thumbnail(&cards[1].id).await?.ok_or("a picture")?;
    assert_eq!(picture.format, PictureFormat::Png, "without a feed");
    assert_eq!(session.bytes().network, 0);
    assert_eq!(pictures_on_disk(&core)?, 2);
    // The person mutes who made it: what is kept is theirs, and its picture is not shown any more.
    let mut settings = session.safety();
    settings.creators.insert(cards[1].creator.id.clone());
    session.set_safety(settings).await?;
    let withheld = Err(Error::Withheld { items: vec![cards[1].id.clone()] });
    assert_eq!(session.thumbnail(&cards[1].id).await, withheld);
    session.forget_kept(vec![cards[0].asset.id.clone()]).await?;
    assert_eq!(session.thumbnail(&cards[0].id).await, Err(Error::NoSuchCard));
    session.suspend().await?;
    assert_eq!(pictures_on_disk(&core)?, 1, "it went with its video");
    session.resume().await?;
    session.erase(&[EraseScope::Media]).await?;
    let session = open(&core, &origin.url, "ada", false)?;
    assert_eq!(session.thumbnail(&cards[1].id).await, Err(Error::NoSuchCard));
    assert_eq!(pictures_on_disk(&core)?, 0, "erased");
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_is_waited_for_so_long_and_a_wait_can_be_dropped() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "1"])?;
    let mut config = config(&dir.path().join("core"), &origin.url, "ada")?;
    // Shorter than the fetcher's patience with a silent server.
    config.request_timeout = Duration::from_secs(2);
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let item = next(&feed).await?;
    let silent =
        json!({"path_prefix": "/thumbnails/", "action": {"kind": "stall", "after_bytes": 0, "ms": 60_000}});
    origin.fault(silent).await?;
    let late = session.thumbnail(&item.id).await;
    assert_eq!(late, Err(Error::TimedOut(Duration::from_secs(2))));
    assert_eq!(dropped_after(1, session.thumbnail(&item.id)).await, None);
    // What ran for those who left is given up, and whoever asks then has it.
    loop {
        match session.thumbnail(&item.id).await {
            Err(Error::TimedOut(_)) => {}
            picture => break assert!(picture?.is_some()),
        }
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

/// The backend as it is, with the addresses of pictures replaced.
#[derive(Debug)]
struct Spoiled {
    native: Native,
    addresses: Vec<Option<String>>,
}

impl Backend for Spoiled {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move {
            let mut page = self.native.page(feed, cursor, limit).await?;
            // Behind them the pictures are as they are.
            for (item, address) in page.items.iter_mut().zip(&self.addresses) {
                item.thumbnail.clone_from(address);
            }
            Ok(page)
        })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        self.native.topics()
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        self.native.locate(key)
    }
}

/// A server that answers every request with a picture of so many bytes and no range; ends with the process.
fn endless(bytes: usize) -> Done<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/large.jpg", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n");
            let mut body = vec![0; bytes];
            body[..3].copy_from_slice(b"\xff\xd8\xff");
            // Who reads no further hangs up.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    Ok(url)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_said_and_not_kept() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "2"])?;
    let addresses = vec![
        Some(format!("{}/thumbnails/nobody", origin.url)),
        Some(endless(2 * 1_024 * 1_024 + 1)?),
        Some(format!("{}/healthz", origin.url)),
        Some("file:///etc/passwd".to_owned()),
        None,
        // A server without ranges.
        Some(endless(50_000)?),
    ];
    let auth = Auth::new(Credentials::Fixed("ada".into()), PATIENCE);
    let native = Native::new(http()?, origin.url.parse()?, auth, PATIENCE, Meter::default());
    let host = Arc::new(Spoiled { native, addresses });
    let mut config = Config::hosted(dir.path().join("core"), host, "ada", Credentials::Fixed("ada".into()))?;
    config.request_timeout = PATIENCE;
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut items = vec![feed.next().await?.item];
    items.extend(feed.peek(6).await?);
    let trouble = |trouble| Err(Error::Thumbnail(trouble));
    assert_eq!(session.thumbnail(&items[0].id).await, trouble(ThumbnailTrouble::Refused));
    assert_eq!(session.thumbnail(&items[1].id).await, trouble(ThumbnailTrouble::TooLarge));
    assert_eq!(session.thumbnail(&items[2].id).await, trouble(ThumbnailTrouble::NotAPicture));
    assert_eq!(session.thumbnail(&items[3].id).await, Ok(None), "an address that may not be asked is none");
    assert_eq!(session.thumbnail(&items[4].id).await, Ok(None));
    let whole = session.thumbnail(&items[5].id).await?.ok_or("a picture")?;
    assert_eq!((whole.format, whole.bytes.len()), (PictureFormat::Jpeg, 50_000));
    // A captive portal answers once; afterwards the picture is there.
    origin.fault(json!({"path_prefix": "/thumbnails/", "action": {"kind": "html"}})).await?;
    assert_eq!(session.thumbnail(&items[6].id).await, trouble(ThumbnailTrouble::Unavailable));
    let picture = session.thumbnail(&items[6].id).await?.ok_or("a picture")?;
    assert_eq!(picture.format, PictureFormat::Png);
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_nobody_listed_is_asked_for_no_picture() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "1"])?;
    let stranger = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/a.png", stranger.local_addr()?);
    let auth = Auth::new(Credentials::Fixed("ada".into()), PATIENCE);
    let native = Native::new(http()?, origin.url.parse()?, auth, PATIENCE, Meter::default());
    let host = Arc::new(Spoiled { native, addresses: vec![Some(address)] });
    let mut config = Config::hosted(dir.path().join("core"), host, "ada", Credentials::Fixed("ada".into()))?;
    config.media_hosts = vec!["https://cdn.example".parse()?];
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let item = next(&feed).await?;
    let refused = session.thumbnail(&item.id).await;
    assert!(matches!(refused, Err(Error::HostRefused { .. })), "{refused:?}");
    stranger.set_nonblocking(true)?;
    assert!(stranger.accept().is_err(), "nobody knocked");
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}
