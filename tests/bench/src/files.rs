//! A plain file server on the loopback interface, in this process: ranges and a validator, nothing else.

use std::net::SocketAddr;
use std::ops::Range;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};

use crate::error::BenchError;

/// Serves `bytes` under every path until the runtime ends; gives the address it listens on.
pub(crate) async fn serve(bytes: Bytes) -> Result<SocketAddr, BenchError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer).with_state(bytes);
    // The runtime that runs it is dropped with the bench.
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn answer(State(bytes): State<Bytes>, request: Request) -> Response<Body> {
    let size = bytes.len();
    let range = request
        .headers()
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| parse(text, size));
    let head = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, "\"1\"")
        .header(header::CONTENT_TYPE, "video/mp4");
    let response = match range {
        Some(range) => head
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1))
            .header(header::CONTENT_LENGTH, range.len())
            .body(Body::from(bytes.slice(range))),
        None => head.header(header::CONTENT_LENGTH, size).body(Body::from(bytes)),
    };
    response.unwrap_or_default()
}

/// `bytes=first-last` or `bytes=first-` within `size`; anything else is answered with the whole file.
fn parse(text: &str, size: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<usize>().ok()?.saturating_add(1).min(size) };
    (first < end).then_some(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_within_the_file() {
        assert_eq!(parse("bytes=0-3", 10), Some(0..4));
        assert_eq!(parse("bytes=4-", 10), Some(4..10));
        assert_eq!(parse("bytes=4-99", 10), Some(4..10));
        for text in ["bytes=10-", "bytes=5-4", "bytes=-5", "bytes=a-b", "lines=1-2"] {
            assert_eq!(parse(text, 10), None, "{text}");
        }
    }
}
