//! A real HTTP collector for tests: it decodes the protobuf it is sent, keeps every record, and misbehaves on demand.

// Each test binary uses its own part of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, VecDeque};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message as _;

/// What the collector answers instead of taking a batch.
#[derive(Debug, Clone)]
pub enum Mood {
    Status(u16),
    RetryAfter(u16, u64),
    Portal,
    /// Takes the batch and drops the connection's answer: the client cannot know.
    TakeThenFail(u16),
    Partial(i64),
}

/// One request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub id: String,
    pub batch_id: String,
    pub seqs: Vec<i64>,
    pub gzip: bool,
    pub token: Option<String>,
}

/// The books as a request told them.
#[derive(Debug, Clone, PartialEq)]
pub struct Books {
    pub recorded: i64,
    pub delivered: i64,
    pub queued: i64,
    pub dropped: i64,
    pub quarantined: i64,
    /// Dropped, summed over the reasons given.
    pub reasons: i64,
}

#[derive(Default)]
pub struct Inner {
    pub books: Vec<Books>,
    /// Answers for the next requests, before the standing rules.
    pub moods: VecDeque<Mood>,
    /// A rule for every request, after the moods.
    pub max_rows: Option<usize>,
    pub refuse_gzip: bool,
    pub poison: Option<String>,
    pub need_token: Option<String>,
    pub seen: Vec<Seen>,
    /// How often each (installation, seq) was taken.
    pub taken: BTreeMap<(String, i64), u32>,
    pub names: BTreeMap<(String, i64), String>,
    pub exits: BTreeMap<(String, i64), String>,
    pub marks: BTreeMap<(String, i64), i64>,
}

#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    pub inner: Arc<Mutex<Inner>>,
}

impl Collector {
    pub async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner::default()));
        let app = axum::Router::new().route("/base/v1/logs", post(logs)).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Collector { address, inner }
    }

    pub fn base(&self) -> reqwest::Url {
        format!("http://{}/base/", self.address).parse().unwrap()
    }

    pub fn set<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap())
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.set(|inner| inner.seen.clone())
    }
}

fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Any> {
    attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()
}

fn text(value: Option<&Any>) -> Option<String> {
    match value {
        Some(any_value::Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    }
}

fn int(value: Option<&Any>) -> Option<i64> {
    match value {
        Some(any_value::Value::IntValue(number)) => Some(*number),
        _ => None,
    }
}

async fn logs(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response {
    let field = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("content-type").as_deref(), Some("application/x-protobuf"));
    let gzip = field("content-encoding").as_deref() == Some("gzip");
    let raw = if gzip {
        let mut raw = Vec::new();
        flate2::read::GzDecoder::new(body.as_ref()).read_to_end(&mut raw).unwrap();
        raw
    } else {
        body.to_vec()
    };
    let request = ExportLogsServiceRequest::decode(raw.as_slice()).unwrap();
    let resource = &request.resource_logs[0].resource.as_ref().unwrap().attributes;
    assert_eq!(text(find(resource, "service.name")).as_deref(), Some("unspool"));
    assert!(int(find(resource, "unspool.dropped")).is_some());
    let installation = text(find(resource, "unspool.installation")).unwrap();
    let told = |key: &str| int(find(resource, key)).unwrap_or(0);
    let reasons = resource.iter().filter(|pair| pair.key.starts_with("unspool.dropped."));
    let books = Books {
        recorded: told("unspool.recorded"),
        delivered: told("unspool.delivered"),
        queued: told("unspool.queued"),
        dropped: told("unspool.dropped"),
        quarantined: told("unspool.quarantined"),
        reasons: reasons.filter_map(|pair| int(pair.value.as_ref()?.value.as_ref())).sum(),
    };
    let records = &request.resource_logs[0].scope_logs[0].log_records;
    let seq = |attributes: &[KeyValue]| int(find(attributes, "seq")).unwrap();
    let seen = Seen {
        id: field("idempotency-key").unwrap(),
        batch_id: text(find(resource, "unspool.batch.id")).unwrap(),
        seqs: records.iter().map(|record| seq(&record.attributes)).collect(),
        gzip,
        token: field("authorization"),
    };
    assert_eq!(seen.id, seen.batch_id);
    assert!(!seen.seqs.is_empty());

    let mut inner = inner.lock().unwrap();
    inner.seen.push(seen.clone());
    inner.books.push(books);
    let mood = inner.moods.pop_front();
    let poisoned = inner.poison.as_ref().is_some_and(|poison| {
        records.iter().any(|record| text(find(&record.attributes, "item")).as_ref() == Some(poison))
    });
    let standing = if inner.need_token.is_some() && seen.token != inner.need_token {
        Some(401)
    } else if inner.refuse_gzip && gzip {
        Some(400)
    } else if inner.max_rows.is_some_and(|max| records.len() > max) {
        Some(413)
    } else if poisoned {
        Some(400)
    } else {
        None
    };
    let status = |code: u16| StatusCode::from_u16(code).unwrap();
    let mut answer = ExportLogsServiceResponse::default();
    let code = match (mood, standing) {
        (Some(Mood::Status(code)), _) | (None, Some(code)) => return status(code).into_response(),
        (Some(Mood::RetryAfter(code, seconds)), _) => {
            return (status(code), [(header::RETRY_AFTER, seconds.to_string())]).into_response();
        }
        (Some(Mood::Portal), _) => {
            return ([(header::CONTENT_TYPE, "text/html")], "<html>Please log in</html>").into_response();
        }
        (Some(Mood::TakeThenFail(code)), _) => Some(code),
        (Some(Mood::Partial(rejected)), _) => {
            answer.partial_success = Some(ExportLogsPartialSuccess {
                rejected_log_records: rejected,
                error_message: "some".into(),
            });
            None
        }
        (None, None) => None,
    };
    for record in records {
        let key = (installation.clone(), seq(&record.attributes));
        *inner.taken.entry(key.clone()).or_default() += 1;
        inner.names.insert(key.clone(), record.event_name.clone());
        if let Some(exit) = text(find(&record.attributes, "exit")) {
            inner.exits.insert(key.clone(), exit);
        }
        if let Some(mark) = int(find(&record.attributes, "mark")) {
            inner.marks.insert(key, mark);
        }
    }
    if let Some(code) = code {
        return status(code).into_response();
    }
    ([(header::CONTENT_TYPE, "application/x-protobuf")], answer.encode_to_vec()).into_response()
}

/// Waits until `condition` holds, and fails after half a minute.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An HTTP client as the session would make it.
pub fn client() -> reqwest::Client {
    // Installing twice only says that it is there already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}
