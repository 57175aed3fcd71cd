//! The live inspector over a session that swipes through real video: it shows what happens while it happens, its figures are
//! those of the session, and it tells nothing that the session keeps to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;
use unspool::inspector::{Inspector, InspectorOptions};
use unspool::{Credentials, FeedKind, KeepState, Unspool};
use unspool_e2e::{Done, Origin, PATIENCE, cards, config, eventually, first_frame, http, until, until_kept};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
const SWIPES: u64 = 6;
const ACCOUNT: &str = "account-that-nobody-sees";
const TOKEN: &str = "token-that-nobody-sees";

/// A page that is open: what it is told, one after the other.
struct Page {
    answer: reqwest::Response,
    rest: String,
    /// All of it, for whoever looks for what must not be there.
    said: String,
}

impl Page {
    async fn open(inspector: &Inspector) -> Done<Page> {
        let answer = http()?.get(format!("{}events", inspector.url())).send().await?.error_for_status()?;
        Ok(Page { answer, rest: String::new(), said: String::new() })
    }

    /// The next figures; none when the stream has ended.
    async fn next(&mut self) -> Done<Option<Value>> {
        loop {
            if let Some((message, rest)) = self.rest.split_once("\n\n") {
                let data = message.split_once("data: ").ok_or("no data")?.1;
                let figures = serde_json::from_str(data)?;
                self.rest = rest.to_owned();
                return Ok(Some(figures));
            }
            match tokio::time::timeout(PATIENCE, self.answer.chunk()).await? {
                Ok(Some(bytes)) => {
                    let text = String::from_utf8(bytes.to_vec())?;
                    self.rest.push_str(&text);
                    self.said.push_str(&text);
                }
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }

    /// The first figures of which `wanted` holds.
    async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Done<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let figures = self.next().await?.ok_or_else(|| format!("the stream ended before: {what}"))?;
            if wanted(&figures) {
                return Ok(figures);
            }
            if Instant::now() > deadline {
                return Err(format!("not in time: {what}; last {figures}").into());
            }
        }
    }
}

/// The counts that the page and the session both give.
fn counts(session: &Unspool) -> BTreeMap<&'static str, u64> {
    let (bytes, out) = (session.bytes(), session.outgoing());
    let by = bytes.by_purpose;
    BTreeMap::from([
        ("/bytes/network", bytes.network),
        ("/bytes/media", bytes.media),
        ("/bytes/fromCache", bytes.from_cache),
        ("/bytes/duplicate", bytes.duplicate),
        ("/bytes/wasted", bytes.wasted),
        ("/bytes/onDisk", bytes.on_disk),
        ("/bytes/purposes/0/network", by.playback.network),
        ("/bytes/purposes/1/network", by.next.network),
        ("/bytes/purposes/2/network", by.prefetch.network),
        ("/bytes/purposes/3/network", by.offline.network),
        ("/bytes/purposes/4/network", by.probe.network),
        ("/cache/bytes", bytes.on_disk),
        ("/out/recorded", out.recorded),
        ("/out/delivered", out.delivered),
        ("/out/queued", out.queued),
        ("/out/dropped", out.dropped),
        ("/out/quarantined", out.quarantined),
        ("/out/intents", out.intents),
        ("/out/intentsDelivered", out.intents_delivered),
        ("/watchedMs", session.watched_ms()),
        ("/outbound/0/n", session.outbound_after(u64::MAX).last),
    ])
}

fn shown(figures: &Value) -> BTreeMap<&'static str, u64> {
    let number = |path| figures.pointer(path).and_then(Value::as_u64);
    NAMES.iter().filter_map(|path| Some((*path, number(path)?))).collect()
}

const NAMES: [&str; 21] = [
    "/bytes/network",
    "/bytes/media",
    "/bytes/fromCache",
    "/bytes/duplicate",
    "/bytes/wasted",
    "/bytes/onDisk",
    "/bytes/purposes/0/network",
    "/bytes/purposes/1/network",
    "/bytes/purposes/2/network",
    "/bytes/purposes/3/network",
    "/bytes/purposes/4/network",
    "/cache/bytes",
    "/out/recorded",
    "/out/delivered",
    "/out/queued",
    "/out/dropped",
    "/out/quarantined",
    "/out/intents",
    "/out/intentsDelivered",
    "/watchedMs",
    "/outbound/0/n",
];

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_happens_while_it_happens_and_counts_as_the_session_does() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let mut config = config(&dir.path().join("core"), &origin.url, ACCOUNT)?;
    config.credentials = Credentials::Fixed(TOKEN.into());
    let session = Unspool::open(config)?;
    let inspector = session.inspect(InspectorOptions::default())?;
    let mut page = Page::open(&inspector).await?;
    let before = page.next().await?.ok_or("no figures")?;
    assert_eq!((&before["feed"], before["plans"].as_array().map(Vec::len)), (&Value::Null, Some(0)));

    let feed = session.feed(FeedKind::ForYou)?;
    let (mut seen, mut reasons, mut moments) = (0, BTreeSet::new(), BTreeSet::new());
    for position in 0..SWIPES {
        feed.next().await?;
        first_frame(&feed, &mut seen, position).await?;
        let figures = page
            .until("the card on the screen, and why the others are fetched", |now| {
                let cards = now["feed"]["cards"].as_array();
                let current = cards.and_then(|cards| cards.first()).is_some_and(|card| {
                    card["current"] == true && card["position"] == position && card["stage"] == "playing"
                });
                for plan in now["plans"].as_array().into_iter().flatten() {
                    reasons
                        .insert((plan["bytes"] != 0, plan["reason"].as_str().unwrap_or_default().to_owned()));
                }
                let planned = now["plans"]
                    .as_array()
                    .is_some_and(|plans| plans.iter().any(|p| p["position"] == position));
                let starts = now["story"]["starts"].as_array().into_iter().flatten();
                let started: u64 = starts.filter_map(|class| class["latency"]["n"].as_u64()).sum();
                current && planned && started == position + 1
            })
            .await?;
        moments.insert(figures["bytes"]["network"].as_u64().unwrap_or(0));
        assert_eq!(figures["story"]["shown"], position + 1);
    }
    assert!(moments.len() > 1, "bytes came in while it was looked at: {moments:?}");
    let known = ["danger", "floor", "first", "pays"];
    assert!(reasons.iter().all(|(fetched, why)| *fetched == known.contains(&why.as_str())), "{reasons:?}");
    assert!(reasons.len() > 1, "{reasons:?}");

    // One asset for offline, and one wish that is delivered.
    let kept = cards(&origin.url, TOKEN, 1).await?;
    let (asset, item) = (kept[0].asset.id.clone(), kept[0].id.clone());
    session.keep(kept).await?;
    until_kept(&session, "it is complete", |now| now.kept.iter().all(|one| one.state == KeepState::Complete))
        .await?;
    session.set_liked(&item, true).await?;
    feed.set_paused(true)?;
    until(&feed, "it stands still", |now| now.paused).await?;

    // The list of the cache is made anew once a second.
    let is_it = |row: &Value| row["asset"] == asset.as_str() && !row["offline"].is_null();
    let listed = |figures: &Value| -> u64 {
        figures["cache"]["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| row["bytes"].as_u64())
            .sum()
    };
    let complete = |figures: &Value| {
        let mut rows = figures["cache"]["rows"].as_array().into_iter().flatten();
        rows.any(|row| is_it(row) && row["offline"] == "complete")
            && listed(figures) == session.bytes().on_disk
    };
    let deadline = Instant::now() + PATIENCE;
    let last = loop {
        session.flush(PATIENCE).await?;
        let earlier = counts(&session);
        let figures = page.next().await?.ok_or("the stream ended")?;
        if shown(&figures) == earlier && counts(&session) == earlier && complete(&figures) {
            break figures;
        }
        assert!(Instant::now() < deadline, "{:?} is not {:?}", shown(&figures), counts(&session));
    };
    let out = session.outgoing();
    assert!(out.delivered > 0 && out.intents_delivered > 0 && session.bytes().network > 0);
    assert_eq!(out.recorded, out.delivered + out.queued + out.dropped + out.quarantined);
    let rows = last["cache"]["rows"].as_array().ok_or("no rows")?;
    assert_eq!(rows.len() as u64, last["cache"]["renditions"].as_u64().unwrap_or(0));
    assert!(rows.iter().any(|row| is_it(row) && row["pinned"] == true), "{rows:?}");
    let spans = rows.iter().filter(|row| row["files"] == 1).all(|row| {
        let spans = row["spans"].as_array().into_iter().flatten();
        let bytes = |span: &Value| Some(span[1].as_u64()? - span[0].as_u64()?);
        spans.filter_map(bytes).sum::<u64>() == row["bytes"].as_u64().unwrap_or(0)
    });
    assert!(spans, "{rows:?}");
    assert!(last["log"].is_array() && page.said.contains("first frame"), "events are lines of the log");

    // What the session keeps to itself is not told: tokens, accounts, paths, addresses of media.
    let gateway = session.gateway_url(&asset, rows[0]["rendition"].as_str().unwrap_or_default()).ok();
    let place = dir.path().to_string_lossy().into_owned();
    for secret in [TOKEN, ACCOUNT, place.as_str(), "/media/", "http://", inspector.url()]
        .into_iter()
        .chain(gateway.as_deref())
    {
        assert!(!page.said.contains(secret), "{secret}");
    }

    // It ends with the session, in the middle of what it says.
    let closing = tokio::spawn({
        let session = session.clone();
        async move { session.shutdown(PATIENCE).await }
    });
    while page.next().await?.is_some() {}
    closing.await?;
    assert!(TcpStream::connect_timeout(&inspector.address(), PATIENCE).is_err());
    eventually("its answers end", async || Ok(Page::open(&inspector).await.is_err())).await
}
