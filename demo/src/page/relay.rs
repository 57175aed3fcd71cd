//! HLS for browsers: playlists have to come from the page's own server, because the gateway, on purpose, lets no script or
//! manifest loader of another origin read it. Files and ranges are handed through as they are, for players there are.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::server::Shared;

/// Heads that mean something to a reader of ranges.
const PASSED: [header::HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
];

/// Asks the gateway for one file of a rendition that a player of the page was made for.
pub async fn relay(
    State(shared): State<Shared>,
    Path((_, token, rendition, name)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(folder) = shared.phone.hub.folder(&format!("/{token}/{rendition}/")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut request = shared.gateway.get(format!("{folder}{name}"));
    if let Some(range) = headers.get(header::RANGE) {
        request = request.header(header::RANGE, range);
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, heads) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    for name in PASSED {
        if let Some(value) = heads.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
