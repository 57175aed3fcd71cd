//! `POST /v1/logs`: telemetry as OTLP/HTTP logs in protobuf.
//!
//! Each record becomes an event, named by resource attribute `unspool.installation` and record attribute `seq`. Records
//! that lack either are counted in `partial_success`, as OTLP asks, and must not be sent again. Which encodings of a body
//! are read is said in the `Accept-Encoding` of answers (RFC 7694): of every one where zstd is read, else of refusals.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use serde_json::{Map, Value};

use crate::api::App;
use crate::error::ApiError;
use crate::store::{Arrival, Event};

/// Largest body on the wire, bytes.
pub const MAX_COMPRESSED: usize = 4 * 1024 * 1024;
/// Largest body after decompression, bytes.
pub const MAX_PLAIN: usize = 16 * 1024 * 1024;
/// How much of an over-long body is still read, so that the client gets to see the 413 instead of a reset, bytes.
const DRAIN: usize = 64 * 1024 * 1024;
const PROTOBUF: &str = "application/x-protobuf";
/// Values nested deeper than this are dropped: attributes are flat, and recursion must end.
const MAX_DEPTH: usize = 8;

/// Takes a batch of telemetry.
#[utoipa::path(
    post, path = "/v1/logs", tag = "telemetry", operation_id = "logs",
    params(("Content-Encoding" = Option<String>, Header, description = "`identity`, `gzip`, or `zstd` where an answer's `Accept-Encoding` lists it")),
    request_body(
        content = inline(crate::contract::Binary), content_type = "application/x-protobuf",
        description = "ExportLogsServiceRequest; at most 4 MiB on the wire and 16 MiB decompressed"
    ),
    responses(
        (status = 200, description = "ExportLogsServiceResponse; every accepted record is durable", content_type = "application/x-protobuf", body = inline(crate::contract::Binary)),
        (status = 400, description = "`bad_protobuf`, `bad_gzip` or `bad_zstd`", body = crate::contract::ErrorBody),
        (status = 401, description = "`unauthorized`: a token was sent and it is revoked", body = crate::contract::ErrorBody),
        (status = 413, description = "`too_large`", body = crate::contract::ErrorBody),
        (status = 415, description = "`unsupported_media_type` or `unsupported_encoding`; `Accept-Encoding` lists what is read", body = crate::contract::ErrorBody),
    )
)]
pub async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    let zstd = app.zstd;
    let mut answer = take(app, &headers, body).await.into_response();
    if zstd || answer.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let read = if zstd { "zstd, gzip" } else { "gzip" };
        answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(read));
    }
    answer
}

async fn take(app: Arc<App>, headers: &HeaderMap, body: Body) -> Result<Response, ApiError> {
    let unsupported = |code, detail: &str| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail);
    let encoding = match header(headers, &CONTENT_ENCODING).as_str() {
        "" | "identity" => "identity",
        "gzip" => "gzip",
        "zstd" if app.zstd => "zstd",
        _ => return Err(unsupported("unsupported_encoding", "send identity or gzip")),
    };
    if header(headers, &CONTENT_TYPE).split(';').next().map(str::trim) != Some(PROTOBUF) {
        return Err(unsupported("unsupported_media_type", "send application/x-protobuf"));
    }
    let body = read(body, MAX_COMPRESSED).await?;
    let rejected = tokio::task::spawn_blocking(move || -> Result<usize, ApiError> {
        let arrival = Arrival { encoding, bytes: body.len() };
        let plain = match encoding {
            "gzip" => whole(MultiGzDecoder::new(&body[..]), "bad_gzip")?,
            "zstd" => unzstd(&body)?,
            _ => body,
        };
        let request = ExportLogsServiceRequest::decode(plain)
            .map_err(|error| ApiError::bad("bad_protobuf", error.to_string()))?;
        let (events, rejected) = events_of(request);
        app.store.add_events(&events, arrival).map_err(|error| ApiError::internal(&error))?;
        Ok(rejected)
    })
    .await
    .map_err(|error| ApiError::internal(&error))??;
    let partial_success = (rejected > 0).then(|| ExportLogsPartialSuccess {
        rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
        error_message: "records need resource attribute unspool.installation and record attribute seq"
            .to_owned(),
    });
    let answer = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    Ok(([(CONTENT_TYPE, PROTOBUF)], answer).into_response())
}

fn header(headers: &HeaderMap, name: &http::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim().to_ascii_lowercase()
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("at most {limit} bytes; send smaller batches"),
    )
}

/// Reads a body up to a limit.
///
/// # Errors
/// 413 past the limit, 400 when the client breaks off.
pub async fn read(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::bad("broken_body", error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            seen += data.len();
            if seen > DRAIN {
                break;
            }
            if seen <= limit {
                bytes.extend_from_slice(&data);
            }
        }
    }
    if seen > limit { Err(too_large(limit)) } else { Ok(bytes.freeze()) }
}

fn unzstd(body: &[u8]) -> Result<Bytes, ApiError> {
    let bad = |error: std::io::Error| ApiError::bad("bad_zstd", error.to_string());
    let mut decoder = zstd::Decoder::with_buffer(body).map_err(bad)?;
    decoder.window_log_max(MAX_PLAIN.ilog2()).map_err(bad)?;
    whole(decoder, "bad_zstd")
}

/// All that comes out of a decoder, up to the limit.
fn whole(decoder: impl Read, bad: &'static str) -> Result<Bytes, ApiError> {
    let mut plain = Vec::new();
    decoder
        .take(MAX_PLAIN as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| ApiError::bad(bad, error.to_string()))?;
    if plain.len() > MAX_PLAIN { Err(too_large(MAX_PLAIN)) } else { Ok(plain.into()) }
}

/// The events of a request, and how many records are none.
fn events_of(request: ExportLogsServiceRequest) -> (Vec<Event>, usize) {
    let mut events = Vec::new();
    let mut rejected = 0;
    for resource_logs in request.resource_logs {
        let resource =
            attributes(resource_logs.resource.map(|resource| resource.attributes).unwrap_or_default());
        let text = |name: &str| resource.get(name).and_then(Value::as_str).map(str::to_owned);
        let (installation, batch_id) = (text("unspool.installation"), text("unspool.batch.id"));
        for record in resource_logs.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            let attributes = attributes(record.attributes);
            let (Some(installation), Some(seq)) =
                (&installation, attributes.get("seq").and_then(Value::as_i64))
            else {
                rejected += 1;
                continue;
            };
            let time_ms = if record.time_unix_nano > 0 {
                record.time_unix_nano
            } else {
                record.observed_time_unix_nano
            };
            events.push(Event {
                installation: installation.clone(),
                seq,
                session: attributes.get("session").and_then(Value::as_str).map(str::to_owned),
                event_name: record.event_name,
                time_ms: i64::try_from(time_ms / 1_000_000).unwrap_or(i64::MAX),
                attributes,
                batch_id: batch_id.clone(),
            });
        }
    }
    (events, rejected)
}

fn attributes(pairs: Vec<KeyValue>) -> Map<String, Value> {
    pairs.into_iter().map(|pair| (pair.key, json(pair.value, 0))).collect()
}

fn json(value: Option<AnyValue>, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match value.and_then(|value| value.value) {
        None => Value::Null,
        Some(Otlp::StringValue(text)) => Value::from(text),
        Some(Otlp::BoolValue(value)) => Value::from(value),
        Some(Otlp::IntValue(value)) => Value::from(value),
        Some(Otlp::DoubleValue(value)) => Value::from(value),
        Some(Otlp::ArrayValue(array)) => {
            array.values.into_iter().map(|value| json(Some(value), depth + 1)).collect()
        }
        Some(Otlp::KvlistValue(list)) => Value::Object(
            list.values.into_iter().map(|pair| (pair.key, json(pair.value, depth + 1))).collect(),
        ),
        Some(Otlp::BytesValue(bytes)) => Value::from(hex::encode(bytes)),
        #[allow(unreachable_patterns)]
        Some(_) => Value::Null,
    }
}
