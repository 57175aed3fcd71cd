//! What a response head says, read with suspicion.

use std::time::Duration;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RETRY_AFTER,
};
use http::{HeaderMap, StatusCode};
use unspool_engine::Span;

use crate::store::Validators;

/// Longest validator that is kept; longer ones are treated as absent.
const VALIDATOR_BYTES: usize = 512;

/// A `Content-Range` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// `None` in `bytes */total`.
    pub span: Option<Span>,
    /// `None` in `bytes a-b/*`.
    pub total: Option<u64>,
}

pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    let span = match range.trim() {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            let end =
                last.checked_add(1).filter(|end| *end > first && total.is_none_or(|total| *end <= total))?;
            Some(Span::new(first, end))
        }
    };
    Some(ContentRange { span, total })
}

/// The validators of the file a response is about; `size` is what the caller worked out.
pub(super) fn validators(headers: &HeaderMap, size: Option<u64>) -> Validators {
    let text = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        (!value.is_empty() && value.len() <= VALIDATOR_BYTES).then(|| value.to_owned())
    };
    Validators { size, etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Whether the body is the file's own bytes.
pub(super) fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the body is a page for a browser: no media file, playlist or answer of a backend is one, and a captive portal
/// answers every request with one under status 200.
#[must_use]
pub fn is_web_page(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| essence.eq_ignore_ascii_case(page))
}

/// Whether somebody else than the server of the file answered. Part of a file under a wrong type is one all the same: no
/// portal makes a `Content-Range`.
pub(super) fn is_intercepted(response: &reqwest::Response) -> bool {
    response.status() == StatusCode::OK && is_web_page(response.headers())
}

/// `Retry-After` in seconds. The date form is rare on media servers and falls back to the usual back-off.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What to put in `If-Range`: a strong tag, else the date; weak tags may not be used there (RFC 9110, 13.1.5).
pub(super) fn if_range(known: &Validators) -> Option<&str> {
    match &known.etag {
        Some(tag) if !tag.starts_with("W/") => Some(tag),
        _ => known.last_modified.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn range(text: &str) -> Option<ContentRange> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_RANGE, HeaderValue::from_str(text).unwrap());
        content_range(&headers)
    }

    #[test]
    fn content_ranges_are_read_or_refused() {
        let of = |a, b, total| Some(ContentRange { span: Some(Span::new(a, b)), total });
        assert_eq!(range("bytes 0-9/100"), of(0, 10, Some(100)));
        assert_eq!(range("bytes 5-5/*"), of(5, 6, None));
        assert_eq!(range("bytes */77"), Some(ContentRange { span: None, total: Some(77) }));
        for bad in [
            "bytes 9-5/100",
            "bytes 0-100/100",
            "bytes 0-9",
            "items 0-9/100",
            "bytes a-b/c",
            "",
            "bytes 0-18446744073709551615/*",
            "bytes -5/10",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_for_a_browser_is_told_by_its_type() {
        let of = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_web_page(&headers)
        };
        assert!(of("text/html") && of("Text/HTML; charset=utf-8") && of("application/xhtml+xml"));
        assert!(!of("video/mp4") && !of("text/vtt") && !of("text/htmlish") && !of(""));
        assert!(!is_web_page(&HeaderMap::new()), "many servers name no type");
    }

    #[test]
    fn weak_tags_stay_out_of_if_range() {
        let known = |tag: &str, date: Option<&str>| Validators {
            size: None,
            etag: Some(tag.to_owned()),
            last_modified: date.map(str::to_owned),
        };
        assert_eq!(if_range(&known("\"a\"", Some("date"))), Some("\"a\""));
        assert_eq!(if_range(&known("W/\"a\"", Some("date"))), Some("date"));
        assert_eq!(if_range(&known("W/\"a\"", None)), None);
    }
}
