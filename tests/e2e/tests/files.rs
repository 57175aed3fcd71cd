//! HLS of several files through a whole session: each packing plays past its first file, and its addresses run out.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use unspool::{
    Backend, BackendError, Config, Credentials, FeedKind, Item, Located, MediaKey, Page, Topic, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, first_frame, http, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// An app whose cards come in one rendition each, with addresses from the server.
#[derive(Debug)]
struct Host {
    origin: String,
    client: reqwest::Client,
    items: Vec<Item>,
}

impl Backend for Host {
    fn page<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async { Ok(Page { items: self.items.clone(), next_cursor: None }) })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        Box::pin(async {
            let (_, rendition) = key.parts();
            let item =
                clip(&self.client, &self.origin).await.map_err(|_| BackendError::Refused { status: 0 })?;
            let found = item.asset.renditions.into_iter().find(|r| r.id == rendition);
            let found = found.ok_or(BackendError::Refused { status: 0 })?;
            Ok(Located { url: found.url, alternates: Vec::new(), expires_at_ms: found.expires_at_ms })
        })
    }
}

/// The clip of the catalogue that is packed as HLS.
async fn clip(client: &reqwest::Client, origin: &str) -> Done<Item> {
    let request = client.get(format!("{origin}/v1/feed?feed=non_profiled&limit=6")).bearer_auth("host");
    let page: serde_json::Value = request.send().await?.error_for_status()?.json().await?;
    let items: Vec<Item> = serde_json::from_value(page["items"].clone())?;
    items.into_iter().find(|item| item.asset.id == "clip-01").ok_or_else(|| "no such clip".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_and_transport_streams_in_files_play_in_a_session() -> Done<()> {
    let dir = tempfile::tempdir()?;
    // Shorter than a segment, so that the second one needs another address.
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--url-ttl-s", "1"])?;
    let client = http()?;
    let mut items = Vec::new();
    for (card, rendition) in ["270", "406"].into_iter().enumerate() {
        let mut item = clip(&client, &origin.url).await?;
        item.id = format!("card-{card}");
        item.asset.id = format!("asset-{card}");
        // No creator and no sound follows itself in a feed made for the person.
        (item.creator.id, item.sound) = (format!("creator-{card}"), None);
        item.asset.renditions.retain(|r| r.id == rendition);
        items.push(item);
    }
    let host: Arc<dyn Backend> = Arc::new(Host { origin: origin.url.clone(), client, items });
    let config = Config::hosted(dir.path().join("core"), host, "ada", Credentials::Fixed("ada".into()))?;
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    for _ in 0..2 {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        until(&feed, "it plays into the second file", |s| s.playhead_ms >= 2_600).await?;
    }
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.quiet().await?;
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    for line in origin.log()? {
        let path = line["path"].as_str().unwrap_or_default();
        if line["status"] == 206 {
            *sent.entry(path.to_owned()).or_default() += line["bytes"].as_u64().unwrap_or(0);
        }
    }
    let of = |name: &str| sent.iter().find(|(path, _)| path.ends_with(name)).map_or(0, |(_, bytes)| *bytes);
    for name in ["270-00.ts", "270-01.ts", "406-init.mp4", "406-00.m4s", "406-01.m4s"] {
        assert!(of(name) > 0, "{name} was asked for: {sent:?}");
    }
    Ok(())
}
