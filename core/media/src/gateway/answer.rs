//! Answers: from a request that may be answered to a response with the right head and bytes that follow the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use unspool_engine::{Layout, MediaInfo, MediaKey, Span};
use xxhash_rust::xxh3::xxh3_128;

use super::Room;
use super::body::{Lease, Pieces, Reply};
use super::range::{Choice, choose};
use super::request::{Identity, Name, Target, target};
use super::spares::Spares;
use super::{playlist, request::Refused};
use crate::fetch::{FetchError, Priority};
use crate::probe::ProbeError;
use crate::probe::listing::Packing;
use crate::source::{ByteSource, ReadError};
use crate::tasks;

/// Versions looked at before a file is said to keep changing.
const VERSIONS: u32 = 3;

/// Answers one request. `known` is set once a request of the connection showed the token; `spares` are its buffers.
pub(super) async fn answer<B: Body>(
    room: Arc<Room>,
    identity: Identity,
    known: Arc<AtomicBool>,
    spares: Spares,
    request: Request<B>,
) -> Response<Reply> {
    let target = target(&room, &identity, &request);
    let (method, headers) = (request.method().clone(), request.headers().clone());
    drop(request);
    let shown = target.as_ref().map_or_else(|refused| refused.known, |_| true);
    let count = if shown { &room.served } else { &room.refused };
    count.fetch_add(1, Ordering::Relaxed);
    known.fetch_or(shown, Ordering::Relaxed);
    let answered = match target {
        Ok(Target { key, name: Name::File }) => file(&room, &key, &method, &headers, spares).await,
        Ok(Target { key, name: Name::Playlist }) => list(&room, &key, None, &method, &headers).await,
        Ok(Target { key, name: Name::List(list_of) }) => {
            list(&room, &key, Some(list_of), &method, &headers).await
        }
        Ok(Target { key, name: Name::Part(number) }) => {
            part(&room, &key, number, &method, &headers, spares).await
        }
        Err(Refused { status, .. }) => Err(Failure { status, reason: "refused" }),
    };
    let mut response = answered.unwrap_or_else(|failure| failure.response());
    let head = response.headers_mut();
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if method == Method::HEAD {
        *response.body_mut() = Reply::Text(None);
    }
    response
}

/// An answer without media. The reason is one of ours: nothing of a request or of an origin is repeated.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    reason: &'static str,
}

impl Failure {
    fn response(&self) -> Response<Reply> {
        let mut response = Response::new(Reply::text(format!("{}\n", self.reason)));
        *response.status_mut() = self.status;
        let head = response.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(self.reason.len() + 1));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                head.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                head.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }

    /// What cannot be had now may be had later, or never.
    fn of(retryable: bool) -> Self {
        match retryable {
            true => {
                Failure { status: StatusCode::SERVICE_UNAVAILABLE, reason: "not on this device, try later" }
            }
            false => Failure { status: StatusCode::BAD_GATEWAY, reason: "the origin does not give it" },
        }
    }

    fn timeout() -> Self {
        Failure { status: StatusCode::GATEWAY_TIMEOUT, reason: "the origin did not answer in time" }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TimedOut => Failure::timeout(),
            ReadError::Interrupted => Failure::of(true),
            ReadError::Failed { retryable, .. } => Failure::of(retryable),
        }
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        Failure::of(error.retryable())
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Failure::of(error.retryable())
    }
}

/// One version of a rendition.
struct Version {
    info: Arc<MediaInfo>,
    source: Arc<dyn ByteSource>,
    etag: String,
}

/// Finds out what `key` is and opens a reader over exactly the version that the answer will name.
async fn version(room: &Room, key: &MediaKey) -> Result<Version, Failure> {
    let priority = if room.is_watched(key) { Priority::Playback } else { Priority::Next };
    for _ in 0..VERSIONS {
        let info = known(room, key, priority).await?;
        if info.layout == Layout::Segmented {
            return Err(Failure { status: StatusCode::NOT_FOUND, reason: "refused" });
        }
        let (generation, said) = room.media.version(key);
        let source = room.media.source_of(key, info.size);
        let current = room.media.info(key).is_some_and(|now| Arc::ptr_eq(&now, &info));
        if !current || room.media.version(key).0 != generation {
            continue;
        }
        let told = (key.as_str(), generation, info.size, said.size, said.etag, said.last_modified);
        let etag = format!("\"{:032x}\"", xxh3_128(format!("{told:?}").as_bytes()));
        return Ok(Version { info, source, etag });
    }
    Err(Failure::of(true))
}

async fn file(
    room: &Arc<Room>,
    key: &MediaKey,
    method: &Method,
    headers: &HeaderMap,
    spares: Spares,
) -> Result<Response<Reply>, Failure> {
    let Version { info, source, etag } = version(room, key).await?;
    let kind = if info.video.is_some() { "video/mp4" } else { "audio/mp4" };
    let (response, span) = head(choose(method, headers, info.size, &etag), info.size, &etag, kind);
    body(room, key, response, span.filter(|_| method == Method::GET), (source, spares)).await
}

/// One of several files.
async fn part(
    room: &Arc<Room>,
    key: &MediaKey,
    number: u32,
    method: &Method,
    headers: &HeaderMap,
    spares: Spares,
) -> Result<Response<Reply>, Failure> {
    let priority = if room.is_watched(key) { Priority::Playback } else { Priority::Next };
    let info = known(room, key, priority).await?;
    let parts = room.media.parts(key).filter(|_| info.layout == Layout::Segmented);
    let refused = || Failure { status: StatusCode::NOT_FOUND, reason: "refused" };
    let parts = parts.ok_or_else(refused)?;
    let (cut, pictures) = parts.plan.list_of(number).ok_or_else(refused)?;
    let kind = match cut.packing {
        Packing::Transport => "video/mp2t",
        Packing::Fragments if pictures && info.video.is_some() => "video/mp4",
        Packing::Fragments => "audio/mp4",
    };
    let file = room.media.file(&parts, number, priority);
    let (source, size) =
        tokio::time::timeout(room.limits.patience, file).await.map_err(|_| Failure::timeout())??;
    let (generation, said) = room.media.version(&parts.key_of(number));
    let told = (key.as_str(), parts.version, number, generation, size, said.etag, said.last_modified);
    let etag = format!("\"{:032x}\"", xxh3_128(format!("{told:?}").as_bytes()));
    let (response, span) = head(choose(method, headers, size, &etag), size, &etag, kind);
    body(room, key, response, span.filter(|_| method == Method::GET), (source, spares)).await
}

/// What `key` is, waiting as long as a reader does.
async fn known(room: &Room, key: &MediaKey, priority: Priority) -> Result<Arc<MediaInfo>, Failure> {
    let info = room.media.probe(key, priority);
    Ok(tokio::time::timeout(room.limits.patience, info).await.map_err(|_| Failure::timeout())??)
}

/// Puts the bytes of `span`, if there is one, below a head.
async fn body(
    room: &Arc<Room>,
    key: &MediaKey,
    mut response: Response<Reply>,
    span: Option<Span>,
    (source, spares): (Arc<dyn ByteSource>, Spares),
) -> Result<Response<Reply>, Failure> {
    if let Some(span) = span.filter(|span| !span.is_empty()) {
        let lease = Lease::new(room, key, source);
        let pieces = Pieces::open(lease, span, room.limits.patience, spares).await?;
        *response.body_mut() = Reply::Pieces(Box::new(pieces));
    }
    Ok(response)
}

async fn list(
    room: &Arc<Room>,
    key: &MediaKey,
    list_of: Option<u8>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Reply>, Failure> {
    if room.media.origin(key).is_none_or(|origin| origin.container != unspool_engine::Container::Hls) {
        return Err(Failure { status: StatusCode::NOT_FOUND, reason: "refused" });
    }
    let priority = if room.is_watched(key) { Priority::Playback } else { Priority::Next };
    let info = known(room, key, priority).await?;
    let (media, key) = (room.media.clone(), key.clone());
    let text = tasks::spawn_blocking(move || match (media.parts(&key), list_of) {
        (Some(parts), None) => Some(playlist::of_several(&info, &parts.plan)),
        (Some(parts), Some(list)) => playlist::of_list(&parts.plan, list.into()),
        (None, None) if info.layout != Layout::Segmented => {
            Some(playlist::write(&info, &media.playlists(&key)))
        }
        (None, _) => None,
    });
    let text = text.await.map_err(|_| Failure::of(true))?;
    let text = Bytes::from(text.ok_or(Failure { status: StatusCode::NOT_FOUND, reason: "refused" })?);
    let (size, etag) = (text.len() as u64, format!("\"{:032x}\"", xxh3_128(&text)));
    let kind = "application/vnd.apple.mpegurl";
    let (mut response, span) = head(choose(method, headers, size, &etag), size, &etag, kind);
    if let Some(span) = span {
        *response.body_mut() = Reply::text(text.slice(span.start as usize..span.end as usize));
    }
    Ok(response)
}

/// The head of an answer, and which bytes belong below it.
fn head(choice: Choice, size: u64, etag: &str, kind: &'static str) -> (Response<Reply>, Option<Span>) {
    let (status, span) = match choice {
        Choice::Whole => (StatusCode::OK, Some(Span::new(0, size))),
        Choice::Part(span) => (StatusCode::PARTIAL_CONTENT, Some(span)),
        Choice::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
        Choice::NotModified => (StatusCode::NOT_MODIFIED, None),
        Choice::Failed => (StatusCode::PRECONDITION_FAILED, None),
    };
    let mut response = Response::new(Reply::Text(None));
    *response.status_mut() = status;
    let head = response.headers_mut();
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    head.insert(header::ETAG, text(etag.to_owned()));
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match choice {
        Choice::Part(Span { start, end }) => {
            head.insert(header::CONTENT_RANGE, text(format!("bytes {start}-{}/{size}", end - 1)));
        }
        Choice::Unsatisfiable => {
            head.insert(header::CONTENT_RANGE, text(format!("bytes */{size}")));
        }
        _ => {}
    }
    if let Some(span) = span {
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(span.len()));
    }
    (response, span)
}
