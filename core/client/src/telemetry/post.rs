//! One request, and what its answer means.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use unspool_engine::{Answer, Encoding, Millis, Offer};
use unspool_media::{Wire, WireError};

use super::courier::CourierConfig;
use super::lane::{Lane, Outgoing};
use crate::auth::{Auth, TokenError};
use crate::meter::Meter;

/// Longest answer that is read, in bytes: 100 results of an outbox need about 10 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What came of a request.
pub(crate) struct Sent<R> {
    pub key: u64,
    pub answer: Answer,
    pub status: u16,
    pub receipt: Option<R>,
    /// What our server says it reads.
    pub offer: Option<Offer>,
}

impl<R> Sent<R> {
    /// No batch was accepted, and nothing was said of encodings.
    pub fn without_receipt(key: u64, answer: Answer, status: u16) -> Self {
        Sent { key, answer, status, receipt: None, offer: None }
    }
}

/// Sends a batch. Never fails: a transport error and a time-out are answers too.
pub(crate) async fn post<L: Lane>(
    lane: Arc<L>,
    wire: Wire,
    config: CourierConfig,
    key: u64,
    outgoing: Outgoing,
) -> Sent<L::Receipt> {
    let CourierConfig { base: mut url, request_timeout, meter, .. } = config;
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), outgoing.path));
    let mut request = wire
        .client()
        .post(url)
        .timeout(request_timeout)
        .header(CONTENT_TYPE, outgoing.content_type)
        .header("idempotency-key", outgoing.id)
        .body(outgoing.body);
    request = match outgoing.encoding {
        Encoding::Identity => request,
        Encoding::Gzip => request.header(CONTENT_ENCODING, "gzip"),
        Encoding::Zstd => request.header(CONTENT_ENCODING, "zstd"),
    };
    let mut response = match send(&wire, request, outgoing.auth, &meter).await {
        Ok(response) => response,
        Err(answer) => return Sent::without_receipt(key, answer, 0),
    };
    let status = response.status();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                meter.add(chunk.len());
                body.extend_from_slice(&chunk);
            }
            Ok(None) => break,
            Err(_) if !status.is_success() => break,
            Err(_) => return Sent::without_receipt(key, Answer::Network, status.as_u16()),
        }
        if body.len() > MAX_ANSWER_BYTES && status.is_success() {
            return Sent::without_receipt(key, Answer::CaptivePortal, status.as_u16());
        }
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    if !status.is_success() {
        let answer = classify(status, response.headers());
        let offer = (answer == Answer::Unsupported).then(|| offer(response.headers())).flatten();
        return Sent { offer, ..Sent::without_receipt(key, answer, status.as_u16()) };
    }
    let content_type =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let receipt = lane.receipt(key, &content_type, &body).await;
    if receipt.is_none() {
        return Sent::without_receipt(key, Answer::CaptivePortal, status.as_u16());
    }
    let offer = offer(response.headers());
    Sent { key, answer: Answer::Accepted, status: status.as_u16(), receipt, offer }
}

/// Sends with the token of the moment; what a 401 refuses is repeated once with another token.
async fn send(
    wire: &Wire,
    request: RequestBuilder,
    auth: Option<Auth>,
    meter: &Meter,
) -> Result<unspool_media::Answer, Answer> {
    let Some(auth) = auth else { return once(wire, request).await };
    let token = auth.token().await.map_err(|e| no_token(&e))?;
    let again = request.try_clone();
    let mut response = once(wire, request.bearer_auth(&token)).await?;
    match again {
        Some(again) if response.status() == StatusCode::UNAUTHORIZED => {
            let mut read = 0;
            while let Ok(Some(chunk)) = response.chunk().await {
                meter.add(chunk.len());
                read += chunk.len();
                if read > MAX_ANSWER_BYTES {
                    break;
                }
            }
            let token = auth.renew(&token).await.map_err(|e| no_token(&e))?;
            once(wire, again.bearer_auth(&token)).await
        }
        _ => Ok(response),
    }
}

async fn once(wire: &Wire, request: RequestBuilder) -> Result<unspool_media::Answer, Answer> {
    wire.send(request).await.map_err(|error| {
        match error {
            // What was to be sent waits on the device.
            WireError::HostRefused { host } => tracing::warn!(%host, "a request may not go to this host"),
            // The error is logged without its address, which may be signed.
            WireError::Client(error) => tracing::debug!(error = %error.without_url(), "a request failed"),
        }
        Answer::Network
    })
}

fn no_token(error: &TokenError) -> Answer {
    match error {
        TokenError::SignedOut => Answer::Unauthorised,
        // Waited for like a server that cannot be reached.
        TokenError::Unavailable { .. } => Answer::Network,
    }
}

fn classify(status: StatusCode, headers: &HeaderMap) -> Answer {
    match (status.as_u16(), retry_after(headers)) {
        (429, wait) => Answer::Throttled { retry_after: wait.unwrap_or(Millis(0)) },
        (503, Some(retry_after)) => Answer::Throttled { retry_after },
        (413, _) => Answer::TooLarge,
        (400 | 422, _) => Answer::Rejected,
        (415, _) => Answer::Unsupported,
        (401 | 403, _) => Answer::Unauthorised,
        _ => Answer::Server,
    }
}

/// What an answer's `Accept-Encoding` says of the requests to come (RFC 7694); nothing where there is none.
fn offer(headers: &HeaderMap) -> Option<Offer> {
    let mut lists = headers.get_all(ACCEPT_ENCODING).iter().peekable();
    lists.peek()?;
    let mut offer = Offer::default();
    for coding in lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            weight.and_then(|weight| weight.trim().parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0)
        });
        match name.as_str() {
            "gzip" | "x-gzip" => offer.gzip = !refused,
            "zstd" => offer.zstd = !refused,
            _ => {}
        }
    }
    Some(offer)
}

/// `Retry-After` in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Millis> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Millis(seconds.saturating_mul(1_000)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    Some(Millis(wait.as_millis() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lists: &[&'static str]) -> Option<(bool, bool)> {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(ACCEPT_ENCODING, reqwest::header::HeaderValue::from_static(list));
        }
        offer(&headers).map(|offer| (offer.gzip, offer.zstd))
    }

    #[test]
    fn an_offer_is_what_the_header_lists() {
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["gzip"]), Some((true, false)));
        assert_eq!(said(&["zstd, gzip"]), Some((true, true)));
        assert_eq!(said(&["gzip;q=0.5", "ZSTD ; q=1.0"]), Some((true, true)));
        assert_eq!(said(&["gzip, zstd;q=0"]), Some((true, false)));
        assert_eq!(said(&["identity"]), Some((false, false)));
        // A star names nothing that could be relied on.
        assert_eq!(said(&["*", ""]), Some((false, false)));
        assert_eq!(said(&["zstdx, x-gzip, ;q=1, zstd;q=0.000"]), Some((true, false)));
    }

    #[test]
    fn a_refusal_of_the_encoding_is_no_fault_of_the_server_and_none_of_the_rows() {
        let of = |status| classify(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        assert_eq!((of(415), of(400), of(500)), (Answer::Unsupported, Answer::Rejected, Answer::Server));
    }
}
