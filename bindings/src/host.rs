//! Pages, topics and addresses from the app.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use unspool::{Backend, BackendError, Located, MediaKey, Page};

use crate::card::{Creator, Item};
use crate::session::Topic;

/// Supplies what a backend would: pages of feeds, topics, late labels, safety rules, and fresh addresses of media.
///
/// Calls come from the session's own threads, several at a time where feeds and addresses are wanted at once. Each has
/// the session's request time-out and is cancelled when nobody wants its answer any more. What is returned is checked
/// like an answer from the network: items outside the bounds are left out.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait HostBackend: Send + Sync {
    /// One page of a feed.
    async fn page(&self, request: PageRequest) -> Result<HostPage, HostError>;

    /// The topics people can choose from; empty where there are none.
    async fn topics(&self) -> Result<Vec<Topic>, HostError>;

    /// The labels that these items have now, at most 50, and which of them were taken back: asked for once a minute while
    /// a feed is open, and by `refreshLabels`. Items it knows nothing new of may be left out; empty where labels never
    /// come late.
    async fn labels(&self, items: Vec<String>) -> Result<Vec<LabelUpdate>, HostError>;

    /// Signed safety rules newer than version `held`, where there are any: the JSON document as `setRules` takes it. Asked
    /// for once an hour while a feed is open, where the configuration trusts a key.
    async fn rules(&self, held: u64) -> Result<Option<String>, HostError>;

    /// A fresh address of one rendition of an asset, asked for when the old one expired or no longer answers.
    async fn locate(&self, asset: String, rendition: String) -> Result<Location, HostError>;
}

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PageRequest {
    /// `for_you`, `following`, `learn`, `non_profiled` or `topic:<id>`.
    pub feed: String,
    /// `next_cursor` of the page before; absent for the first page.
    pub cursor: Option<String>,
    /// Most items wanted, 1 to 50.
    pub limit: u32,
    /// Topics the feed has enough of; where there are any, the page should hold others.
    pub enough_of: Vec<String>,
    /// The item the first page should begin with: a link was opened. One that there is no more is left out.
    pub first: Option<String>,
}

/// One page of a feed.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct HostPage {
    /// Cards in the order to show them.
    pub items: Vec<HostItem>,
    /// Where the next page starts; absent at the end. At most 4 KiB.
    #[uniffi(default = None)]
    pub next_cursor: Option<String>,
}

/// One item with what the core needs to fetch it.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct HostItem {
    /// What it is.
    pub item: Item,
    /// Its encodings; 1 to 64.
    pub renditions: Vec<Rendition>,
    /// Share of viewers still watching, ascending in time; at most 1,000 points.
    #[uniffi(default = [])]
    pub retention: Vec<RetentionPoint>,
    /// The server's prediction that the person will like it, 0 to 1.
    #[uniffi(default = None)]
    pub prior: Option<f64>,
    /// Its captions, best first; at most 32 are used, and those outside the bounds are left out.
    #[uniffi(default = [])]
    pub captions: Vec<CaptionFile>,
    /// Where the backend places it among all items, so that likeness can be learnt on the device.
    #[uniffi(default = None)]
    pub vector: Option<Embedding>,
}

/// A place among all items.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Embedding {
    /// Which set of vectors this belongs to; those of two sets cannot be compared.
    pub space: u32,
    /// Components, finite, at most 32.
    pub values: Vec<f64>,
}

/// What an item is labelled with now.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LabelUpdate {
    /// Its identifier.
    pub item: String,
    /// All labels of the backend on it; they replace those it came with.
    pub labels: Vec<String>,
    /// All labels of the backend on its creator.
    #[uniffi(default = [])]
    pub creator_labels: Vec<String>,
    /// It was taken back: nobody sees it any more.
    #[uniffi(default = false)]
    pub gone: bool,
}

/// One file of captions.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CaptionFile {
    /// Language of its text as a BCP 47 tag, at most 35 characters.
    pub language: String,
    /// Name to show; at most 128 bytes.
    pub label: String,
    /// Where the WebVTT or SubRip file is: an http(s) address, at most 4 KiB.
    pub url: String,
}

/// One point of a retention curve.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Record)]
pub struct RetentionPoint {
    /// Milliseconds from the start.
    pub at_ms: u64,
    /// Share of viewers still watching, 0 to 1.
    pub share: f64,
}

/// One encoding of an asset.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Rendition {
    /// Identifier, unique within the asset.
    pub id: String,
    /// Where the bytes are: an http(s) address, at most 4 KiB. It may be signed and may expire.
    pub url: String,
    /// How they are packed.
    pub container: Container,
    /// Picture width in pixels; 0 when unknown.
    #[uniffi(default = 0)]
    pub width: u32,
    /// Picture height in pixels; 0 when unknown.
    #[uniffi(default = 0)]
    pub height: u32,
    /// Average bits per second; 0 when unknown.
    #[uniffi(default = 0)]
    pub bitrate_bps: u64,
    /// Size in bytes, where known.
    #[uniffi(default = None)]
    pub bytes: Option<u64>,
    /// Milliseconds since 1970 after which `url` no longer answers.
    #[uniffi(default = None)]
    pub expires_at_ms: Option<i64>,
    /// Where the same bytes are on other hosts, best first: asked while the first host fails. At most 8 are used.
    #[uniffi(default = [])]
    pub alternates: Vec<String>,
}

/// How the bytes of a rendition are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Container {
    /// One progressive MP4.
    Mp4,
    /// One fragmented MP4.
    Fmp4,
    /// An HLS playlist.
    Hls,
}

/// A fresh address.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Location {
    /// Where the bytes are: an http(s) address, at most 4 KiB.
    pub url: String,
    /// Milliseconds since 1970 after which it no longer answers.
    #[uniffi(default = None)]
    pub expires_at_ms: Option<i64>,
    /// Where the same bytes are on other hosts, best first. At most 8 are used.
    #[uniffi(default = [])]
    pub alternates: Vec<String>,
}

/// Why the app's own code gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[uniffi::export(Display)]
pub enum HostError {
    /// The network failed or nothing came in time; it is asked again.
    #[error("network: {reason}")]
    Network {
        /// What happened, without personal data.
        reason: String,
    },
    /// The server asked to wait, or failed in a way that passes; it is asked again.
    #[error("busy")]
    Busy {
        /// How long to wait, where it said.
        retry_after: Option<Duration>,
    },
    /// The person must sign in again.
    #[error("sign in again")]
    SignIn,
    /// It was refused for good; it is not asked again.
    #[error("refused: {reason}")]
    Refused {
        /// Why, without personal data.
        reason: String,
    },
    /// The app's code failed in a way it did not foresee; it is asked again.
    #[error("unexpected: {reason}")]
    Unexpected {
        /// What it threw.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for HostError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        HostError::Unexpected { reason: error.reason }
    }
}

impl From<HostError> for BackendError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Network { reason } => BackendError::Network(reason),
            HostError::Busy { retry_after } => BackendError::Busy { status: 0, retry_after },
            HostError::SignIn => BackendError::SignIn,
            HostError::Refused { .. } => BackendError::Refused { status: 0 },
            HostError::Unexpected { reason } => BackendError::Malformed(reason),
        }
    }
}

/// A host backend in the words of the core.
pub(crate) struct HostAdapter(Arc<dyn HostBackend>);

impl HostAdapter {
    pub(crate) fn share(host: Arc<dyn HostBackend>) -> Arc<dyn Backend> {
        Arc::new(HostAdapter(host))
    }

    fn ask(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, BackendError>> {
        Box::pin(async move {
            let page = self.0.page(request).await?;
            let items = page.items.into_iter().map(HostItem::into_core).collect();
            Ok(Page { items, next_cursor: page.next_cursor })
        })
    }
}

impl fmt::Debug for HostAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostAdapter")
    }
}

impl Backend for HostAdapter {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        let cursor = cursor.map(str::to_owned);
        self.ask(PageRequest { feed: feed.to_owned(), cursor, limit, enough_of: Vec::new(), first: None })
    }

    fn requested<'a>(
        &'a self,
        feed: &'a str,
        request: &'a unspool::PageRequest,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        let unspool::PageRequest { cursor, limit, enough_of, first, id: _ } = request.clone();
        self.ask(PageRequest { feed: feed.to_owned(), cursor, limit, enough_of, first })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<unspool::Topic>, BackendError>> {
        Box::pin(async move {
            let topics = self.0.topics().await?;
            Ok(topics.into_iter().map(|t| unspool::Topic { id: t.id, title: t.title }).collect())
        })
    }

    fn labels<'a>(
        &'a self,
        items: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<unspool::LabelUpdate>, BackendError>> {
        Box::pin(async move {
            let updates = self.0.labels(items.to_vec()).await?;
            Ok(updates.into_iter().map(LabelUpdate::into_core).collect())
        })
    }

    fn rules(&self, held: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, BackendError>> {
        Box::pin(async move { Ok(self.0.rules(held).await?.map(String::into_bytes)) })
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        let (asset, rendition) = key.parts();
        let (asset, rendition) = (asset.to_owned(), rendition.to_owned());
        Box::pin(async move {
            let Location { url, expires_at_ms, alternates } = self.0.locate(asset, rendition).await?;
            Ok(Located { url, alternates, expires_at_ms })
        })
    }
}

impl HostItem {
    fn into_core(self) -> unspool::Item {
        let Item {
            id,
            asset_id,
            duration_ms,
            creator,
            topics,
            caption,
            alt_text,
            labels,
            self_labels,
            creator_labels,
            tags,
            languages,
            sound,
            thumbnail,
            relation,
            series,
        } = self.item;
        let Creator { id: creator_id, handle, name } = creator;
        unspool::Item {
            id,
            asset: unspool::Asset {
                id: asset_id,
                duration_ms,
                renditions: self.renditions.into_iter().map(Rendition::into_core).collect(),
            },
            creator: unspool::Creator { id: creator_id, handle, name },
            topics,
            caption,
            alt_text,
            labels,
            self_labels,
            creator_labels,
            tags,
            languages,
            sound,
            thumbnail,
            relation: relation.map(unspool::Relation::from).unwrap_or_default(),
            retention: self.retention.into_iter().map(|p| (p.at_ms, p.share)).collect(),
            prior: self.prior,
            captions: self.captions.into_iter().map(CaptionFile::into_core).collect(),
            vector: self.vector.map(|Embedding { space, values }| unspool::Embedding { space, values }),
            series: series.map(unspool::SeriesPart::from),
        }
    }
}

impl LabelUpdate {
    fn into_core(self) -> unspool::LabelUpdate {
        let LabelUpdate { item, labels, creator_labels, gone } = self;
        unspool::LabelUpdate { item, labels, creator_labels, gone }
    }
}

impl CaptionFile {
    fn into_core(self) -> unspool::CaptionTrack {
        let CaptionFile { language, label, url } = self;
        unspool::CaptionTrack { language, label, url }
    }
}

impl Rendition {
    fn into_core(self) -> unspool::Rendition {
        let Rendition { id, url, container, width, height, bitrate_bps, bytes, expires_at_ms, alternates } =
            self;
        let container = match container {
            Container::Mp4 => unspool::Container::Mp4,
            Container::Fmp4 => unspool::Container::Fmp4,
            Container::Hls => unspool::Container::Hls,
        };
        unspool::Rendition {
            id,
            width,
            height,
            bitrate_bps,
            container,
            url,
            alternates,
            bytes,
            expires_at_ms,
        }
    }
}
