//! What every request of the main listener passes: the log line is opened, the network and the scripted faults have their
//! say, the handler answers, and the answer leaves through the paced body.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, IF_RANGE, RANGE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use crate::access::{AccessLine, AccessLog};
use crate::clock::now_ms;
use crate::conn::{ConnInfo, Ending};
use crate::error::ApiError;
use crate::exchange::{Cut, Exchange, paced};
use crate::faults::{Action, Faults};
use crate::shaper::Shaper;
use crate::tokens::{actor_of, is_token};

/// What the gate needs to know.
#[derive(Clone)]
pub struct Gate {
    /// The link.
    pub shaper: Arc<Shaper>,
    /// The scripted faults.
    pub faults: Arc<Faults>,
    /// The log.
    pub access: Arc<AccessLog>,
}

/// A request extension: answer as if the file had this other `ETag`.
#[derive(Debug, Clone)]
pub struct OtherEtag(pub String);

/// A request extension: `scheme://authority` as the client addressed this server.
#[derive(Debug, Clone)]
pub struct Base(pub String);

/// The middleware.
pub async fn gate(
    State(gate): State<Gate>,
    ConnectInfo(ConnInfo(conn)): ConnectInfo<ConnInfo>,
    mut request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let mut exchange = Exchange::begin(
        gate.access.clone(),
        conn.clone(),
        AccessLine {
            t_ms: now_ms(),
            client: client_of(request.uri(), request.headers()),
            proto: if request.version() == Version::HTTP_2 { "h2" } else { "h1" }.to_owned(),
            tls: conn.is_tls(),
            conn: conn.number(),
            method: method.to_string(),
            path: request.uri().path().to_owned(),
            range: text_of(request.headers(), RANGE),
            status: 0,
            bytes: 0,
            declared: None,
            ms: 0,
            aborted: false,
            fault: None,
        },
    );
    let fault = gate.faults.take(&method, request.uri().path());
    if let Some(action) = &fault {
        exchange.blame(action.kind());
    }
    let rtt = gate.shaper.rtt();
    // Setting a connection up takes one round trip, and one more to agree on keys.
    let set_up = if conn.is_tls() { 2 } else { 1 };
    let delay = if conn.is_first_request() { rtt * (1 + set_up) } else { rtt };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if gate.shaper.is_down() {
        // The connection is about to fail at its next read; no answer may get out before.
        conn.end(Ending::Reset);
    }
    if let Some(base) = base_of(&request, conn.is_tls()) {
        request.extensions_mut().insert(base);
    }
    let response = answer(fault.as_ref(), &mut request, next).await;
    let luck = gate.shaper.draw();

    let (mut head, body) = response.into_parts();
    // An answer that is to be cut needs a body to cut: an empty one goes out without a length.
    let cut = matches!(fault, Some(Action::Truncate { .. } | Action::Reset { .. } | Action::Stall { .. }));
    if !head.headers.contains_key(CONTENT_LENGTH)
        && let Some(exact) = body.size_hint().exact().filter(|exact| *exact > 0 || !cut)
        && may_have_body(head.status)
    {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(exact));
    }
    let declared = text_of(&head.headers, CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let expected = if method == Method::HEAD || !may_have_body(head.status) { Some(0) } else { declared };
    exchange.answered(head.status.as_u16(), declared, expected);

    let mut cuts = Vec::new();
    match fault {
        Some(Action::Truncate { after_bytes }) => cuts.push((after_bytes, Cut::Truncate)),
        Some(Action::Reset { after_bytes }) => cuts.push((after_bytes, Cut::Reset)),
        Some(Action::Stall { after_bytes, ms }) => {
            cuts.push((after_bytes, Cut::Stall(std::time::Duration::from_millis(ms))));
        }
        _ => {}
    }
    if let Some(length) = expected.filter(|length| *length > 0) {
        // A share of a length that fits 53 bits.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let byte_at = |share: f64| (share * length as f64) as u64;
        if let Some((share, pause)) = luck.stall {
            exchange.blame("network_stall");
            cuts.push((byte_at(share), Cut::Stall(pause)));
        }
        if let Some(share) = luck.reset {
            exchange.blame("network_reset");
            cuts.push((byte_at(share), Cut::Reset));
        }
    }
    Response::from_parts(head, paced(exchange, body, gate.shaper, cuts))
}

/// The handler's answer, or the fault's.
async fn answer(fault: Option<&Action>, request: &mut Request, next: Next) -> Response {
    let mut request = std::mem::take(request);
    match fault {
        Some(Action::Status { status, retry_after_s }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let mut response = ApiError::new(status, "scripted", "a scripted fault").into_response();
            if let Some(seconds) = retry_after_s {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            response
        }
        Some(Action::Html) => {
            const PAGE: &str =
                "<!doctype html><title>Welcome</title><p>Please sign in to use this network.</p>\n";
            ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
        }
        Some(Action::IgnoreRange) => {
            request.headers_mut().remove(RANGE);
            request.headers_mut().remove(IF_RANGE);
            next.run(request).await
        }
        Some(Action::NewEtag) => {
            let other: [u8; 16] = rand::random();
            request.extensions_mut().insert(OtherEtag(format!("\"{}\"", hex::encode(other))));
            next.run(request).await
        }
        Some(Action::WrongContentRange) => {
            let mut response = next.run(request).await;
            shift_content_range(response.headers_mut());
            response
        }
        _ => next.run(request).await,
    }
}

/// `bytes 0-9/100` becomes `bytes 1-10/100`; anything else stays.
fn shift_content_range(headers: &mut HeaderMap<HeaderValue>) {
    let Some(text) = text_of(headers, CONTENT_RANGE) else { return };
    let parsed = text.strip_prefix("bytes ").and_then(|rest| {
        let (range, total) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, total.to_owned()))
    });
    if let Some((first, last, total)) = parsed
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {}-{}/{total}", first + 1, last + 1))
    {
        headers.insert(CONTENT_RANGE, value);
    }
}

/// How the client addressed this server; `None` when it did not say, or nothing that can be repeated.
fn base_of(request: &Request, tls: bool) -> Option<Base> {
    let said = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(HOST)?.to_str().ok()?,
    };
    let fits = said.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte));
    let scheme = if tls { "https" } else { "http" };
    fits.then(|| Base(format!("{scheme}://{said}")))
}

fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED)
}

fn text_of(headers: &HeaderMap<HeaderValue>, name: http::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whose request it is, as far as it says: the viewer tag of a media address, else the bearer's actor, else `-`.
fn client_of(uri: &Uri, headers: &HeaderMap<HeaderValue>) -> String {
    let tag = uri
        .query()
        .filter(|_| ["/media/", "/thumbnails/"].iter().any(|at| uri.path().starts_with(at)))
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("c=")));
    match tag {
        Some(tag) if is_token(tag) => tag.to_owned(),
        _ => actor_of(headers.get(AUTHORIZATION)).unwrap_or_else(|| "-".to_owned()),
    }
}

/// An empty answer for a path nobody serves.
pub async fn not_found(uri: Uri) -> ApiError {
    ApiError::missing("not_found", format!("nothing is served at {}", uri.path()))
}

/// An answer for a method nobody serves there.
pub async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{method} is not served here"),
    )
}
