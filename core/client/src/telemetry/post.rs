//! One request, and what its answer means.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use unspool_engine::{Answer, Encoding, Millis};
use unspool_media::Wire;

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
    if outgoing.encoding == Encoding::Gzip {
        request = request.header(CONTENT_ENCODING, "gzip");
    }
    let network = |status| Sent { key, answer: Answer::Network, status, receipt: None };
    let mut response = match send(&wire, request, outgoing.auth, &meter).await {
        Ok(response) => response,
        Err(answer) => return Sent { key, answer, status: 0, receipt: None },
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
            Err(_) => return network(status.as_u16()),
        }
        if body.len() > MAX_ANSWER_BYTES && status.is_success() {
            return Sent { key, answer: Answer::CaptivePortal, status: status.as_u16(), receipt: None };
        }
        if body.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    if !status.is_success() {
        let answer = classify(status, response.headers());
        return Sent { key, answer, status: status.as_u16(), receipt: None };
    }
    let content_type =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let content_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let receipt = lane.receipt(key, &content_type, &body).await;
    let answer = if receipt.is_some() { Answer::Accepted } else { Answer::CaptivePortal };
    Sent { key, answer, status: status.as_u16(), receipt }
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
        // The error is logged without its address, which may be signed.
        tracing::debug!(error = %error.without_url(), "a request failed");
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
        (401 | 403, _) => Answer::Unauthorised,
        _ => Answer::Server,
    }
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
