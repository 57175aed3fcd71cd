//! `GET /media/{asset}/{file}`: signed bytes with ranges and conditions (RFC 9110), and playlists signed on the way out.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::api::App;
use crate::catalogue::MediaFile;
use crate::clock::now_ms;
use crate::error::ApiError;
use crate::gate::OtherEtag;
use crate::playlist;
use crate::ranges::{Slice, slice};
use crate::tokens::is_token;

/// Largest playlist read into memory, bytes; two hours of one-second segments are a tenth of it.
const MAX_PLAYLIST: u64 = 4 * 1024 * 1024;
/// How much is read from disk at once, bytes.
const READ: usize = 64 * 1024;

/// The query of a signed address. All three are needed; they are optional here so that a lack is answered with 403.
#[derive(Debug, Deserialize)]
pub struct Signature {
    c: Option<String>,
    exp: Option<i64>,
    sig: Option<String>,
}

/// The path a file of an asset is served at, decoded: what signatures are made over.
#[must_use]
pub fn path_of(asset: &str, file: &str) -> String {
    format!("/media/{asset}/{file}")
}

/// The media type of a file name.
#[must_use]
pub fn type_of(file: &str) -> &'static str {
    match file.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
        Some("mp4" | "m4v" | "cmfv") => "video/mp4",
        Some("m4s") => "video/iso.segment",
        Some("m4a" | "cmfa") => "audio/mp4",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("ts") => "video/mp2t",
        Some("mov") => "video/quicktime",
        Some("webm") => "video/webm",
        Some("mkv") => "video/x-matroska",
        Some("aac") => "audio/aac",
        Some("vtt") => "text/vtt",
        Some("srt") => "application/x-subrip",
        _ => "application/octet-stream",
    }
}

/// The bytes of a file of an asset.
#[utoipa::path(
    get, path = "/media/{asset}/{file}", tag = "media", operation_id = "media",
    params(
        ("asset" = String, Path, description = "Asset identifier"),
        ("file" = String, Path, description = "File of the asset; may hold slashes"),
        ("c" = String, Query, description = "Viewer tag the address was signed for"),
        ("exp" = i64, Query, description = "Expiry, milliseconds since 1970"),
        ("sig" = String, Query, description = "HMAC-SHA-256 in hexadecimal over path, viewer tag and expiry"),
        ("Range" = Option<String>, Header, description = "One byte range; several are answered with the whole file"),
        ("If-Range" = Option<String>, Header, description = "Entity tag or date the range is bound to"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags the client has"),
    ),
    responses(
        (status = 200, description = "The whole file, or a signed playlist", content_type = "video/mp4", body = inline(crate::contract::Binary)),
        (status = 206, description = "The range asked for", content_type = "video/mp4", body = inline(crate::contract::Binary)),
        (status = 304, description = "The client has it"),
        (status = 403, description = "`bad_signature` or `expired`", body = crate::contract::ErrorBody),
        (status = 404, description = "`unknown_file`", body = crate::contract::ErrorBody),
        (status = 416, description = "`range_not_satisfiable`; `Content-Range` tells the size", body = crate::contract::ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    Path((asset, file)): Path<(String, String)>,
    Query(signature): Query<Signature>,
    headers: HeaderMap,
    other_etag: Option<axum::Extension<OtherEtag>>,
) -> Result<Response, ApiError> {
    let (Some(viewer), Some(expires), Some(sig)) = (signature.c, signature.exp, signature.sig) else {
        return Err(refused(crate::sign::Refusal::Bad));
    };
    if !is_token(&viewer) {
        return Err(refused(crate::sign::Refusal::Bad));
    }
    app.signer.check(&path_of(&asset, &file), &viewer, expires, &sig, now_ms()).map_err(refused)?;
    let Some(found) = app.catalogue.file(&asset, &file) else {
        return Err(ApiError::missing("unknown_file", "no asset has this file"));
    };
    if type_of(&file) == "application/vnd.apple.mpegurl" {
        return signed_playlist(&app, &asset, &file, found, &viewer).await;
    }
    let etag = other_etag.map_or_else(|| found.etag.clone(), |axum::Extension(OtherEtag(etag))| etag);
    answer(found, &file, &etag, &headers).await
}

fn refused(refusal: crate::sign::Refusal) -> ApiError {
    let code = match refusal {
        crate::sign::Refusal::Bad => "bad_signature",
        crate::sign::Refusal::Expired => "expired",
    };
    ApiError::new(StatusCode::FORBIDDEN, code, refusal.to_string())
}

async fn signed_playlist(
    app: &App,
    asset: &str,
    file: &str,
    found: &MediaFile,
    viewer: &str,
) -> Result<Response, ApiError> {
    if found.len > MAX_PLAYLIST {
        return Err(ApiError::internal(&"playlist too large"));
    }
    let bytes = tokio::fs::read(&found.path).await.map_err(|error| ApiError::internal(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
    let expires = now_ms().saturating_add(app.url_ttl_ms);
    let text = playlist::sign(&text, dir, |path| {
        app.catalogue.file(asset, path)?;
        Some(app.signer.query(&path_of(asset, path), viewer, expires))
    });
    Ok(([(CONTENT_TYPE, type_of(file)), (CACHE_CONTROL, "private, no-store")], text).into_response())
}

async fn answer(
    found: &MediaFile,
    file: &str,
    etag: &str,
    request: &HeaderMap,
) -> Result<Response, ApiError> {
    let mut headers = HeaderMap::new();
    put(&mut headers, ETAG, etag);
    put(&mut headers, LAST_MODIFIED, &httpdate::fmt_http_date(found.modified));
    put(&mut headers, ACCEPT_RANGES, "bytes");
    put(&mut headers, CACHE_CONTROL, "private, max-age=86400");
    if client_has(request, etag, found.modified) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    put(&mut headers, CONTENT_TYPE, type_of(file));
    let range = text(request, RANGE).filter(|_| range_applies(request, etag, found.modified));
    let (status, first, len) = match slice(range, found.len) {
        Slice::Whole => (StatusCode::OK, 0, found.len),
        Slice::Part { first, last } => {
            put(&mut headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{}", found.len));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Slice::Outside => {
            let detail = format!("the file has {} bytes", found.len);
            let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail);
            let mut response = error.into_response();
            put(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", found.len));
            put(response.headers_mut(), ETAG, etag);
            return Ok(response);
        }
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    let mut opened = File::open(&found.path).await.map_err(|error| ApiError::internal(&error))?;
    opened.seek(io::SeekFrom::Start(first)).await.map_err(|error| ApiError::internal(&error))?;
    Ok((status, headers, bytes_of(opened, len)).into_response())
}

fn bytes_of(file: File, len: u64) -> Body {
    Body::from_stream(futures_util::stream::try_unfold((file, len), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let want = usize::try_from(left).unwrap_or(READ).min(READ);
        let mut buffer = BytesMut::zeroed(want);
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.truncate(read);
        let chunk: Bytes = buffer.freeze();
        Ok(Some((chunk, (file, left - read as u64))))
    }))
}

/// Whether the conditions say that the client has this version (RFC 9110 13.1: `If-None-Match` hides the date).
fn client_has(request: &HeaderMap, etag: &str, modified: SystemTime) -> bool {
    if let Some(tags) = text(request, IF_NONE_MATCH) {
        return tags.trim() == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
    }
    text(request, IF_MODIFIED_SINCE)
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .is_some_and(|since| whole_seconds(modified) <= whole_seconds(since))
}

/// Whether `If-Range` lets the range stand: it is absent, or names exactly this version with a strong validator.
fn range_applies(request: &HeaderMap, etag: &str, modified: SystemTime) -> bool {
    let Some(condition) = text(request, IF_RANGE) else { return !request.contains_key(IF_RANGE) };
    let condition = condition.trim();
    condition == etag
        || httpdate::parse_http_date(condition)
            .is_ok_and(|date| whole_seconds(date) == whole_seconds(modified))
}

fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
