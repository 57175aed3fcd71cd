//! A real HTTP server in the test's own process: ranges, validators, scripted faults and a log that is the truth.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod clip;
pub mod fixture;
pub mod scenario;
pub mod tls;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Version, header};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use tempfile::TempDir;
pub use tls::Wire;
use tls::{Authority, Counting, Identity, Says};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{Limits, Media, MediaConfig, Origin, Priority, Purpose, TlsConfig};

/// Longest any test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What the next request for a path meets.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status, with these headers and no use.
    Status(u16, Vec<(&'static str, String)>),
    /// The right head, this many bytes, then silence.
    Stall(u64),
    /// The right head, the bytes before this offset of the file, then silence.
    SilentFrom(u64),
    /// The right head, this many bytes, then a broken connection.
    Short(u64),
    /// The whole file with status 200, whatever was asked.
    Whole,
    /// 206 with another range than asked for.
    WrongRange,
    /// A content encoding.
    Encoded,
    /// Nothing until the gate opens, then the right answer.
    Gate,
    /// The right answer, in pieces of 4 KiB with a pause between.
    Slow(Duration),
    /// Status 302 to another path.
    Redirect(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Every `CMCD-` header, by name.
    pub cmcd: Vec<(String, String)>,
    pub span: Option<Span>,
    pub if_range: Option<String>,
    pub status: u16,
    /// Bytes that were put into the body.
    pub sent: Span,
}

#[derive(Debug, Clone)]
pub struct Served {
    pub bytes: Bytes,
    pub etag: Option<String>,
    pub ranges: bool,
    pub if_range: bool,
    /// Whether the head of a whole file tells its length.
    pub sized: bool,
}

#[derive(Default)]
struct Shared {
    files: HashMap<String, Served>,
    faults: HashMap<String, VecDeque<Fault>>,
    always: HashMap<String, Fault>,
    queries: HashMap<String, String>,
    log: Vec<Logged>,
}

pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    accepted: Arc<AtomicUsize>,
    shared: Arc<Mutex<Shared>>,
    logged: Arc<Condvar>,
    gate: watch::Sender<bool>,
}

#[derive(Clone)]
struct App {
    shared: Arc<Mutex<Shared>>,
    logged: Arc<Condvar>,
    gate: watch::Receiver<bool>,
}

impl Server {
    pub fn start(handle: &Handle, identity: Option<&Identity>) -> Server {
        Server::speaking(handle, identity, true)
    }

    /// Offers HTTP/2 over TLS, or not.
    pub fn speaking(handle: &Handle, identity: Option<&Identity>, h2: bool) -> Server {
        let (gate, opened) = watch::channel(false);
        let app = App { shared: Arc::default(), logged: Arc::default(), gate: opened };
        let router = Router::new().fallback(serve).with_state(app.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let _inside = handle.enter();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let listener = Counting::new(listener, identity.map(|identity| (identity, h2)), accepted.clone());
        handle.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let scheme = if identity.is_some() { "https" } else { "http" };
        Server { address, scheme, accepted, shared: app.shared, logged: app.logged, gate }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}/{path}", self.scheme, self.address)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub fn put(&self, path: &str, bytes: Vec<u8>, etag: &str) {
        let etag = (!etag.is_empty()).then(|| etag.to_owned());
        let served = Served { bytes: bytes.into(), etag, ranges: true, if_range: true, sized: true };
        self.shared.lock().unwrap().files.insert(format!("/{path}"), served);
    }

    pub fn edit(&self, path: &str, edit: impl FnOnce(&mut Served)) {
        edit(self.shared.lock().unwrap().files.get_mut(&format!("/{path}")).unwrap());
    }

    pub fn fault(&self, path: &str, fault: Fault) {
        self.shared.lock().unwrap().faults.entry(format!("/{path}")).or_default().push_back(fault);
    }

    pub fn always(&self, path: &str, fault: Option<Fault>) {
        let mut shared = self.shared.lock().unwrap();
        match fault {
            Some(fault) => shared.always.insert(format!("/{path}"), fault),
            None => shared.always.remove(&format!("/{path}")),
        };
    }

    /// From now on `path` answers 403 unless it is asked for with this query.
    pub fn require(&self, path: &str, query: &str) {
        self.shared.lock().unwrap().queries.insert(format!("/{path}"), query.to_owned());
    }

    /// Requests for `path` so far.
    pub fn asked(&self, path: &str) -> usize {
        self.log().iter().filter(|l| l.path == format!("/{path}")).count()
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    pub fn close_gate(&self) {
        self.gate.send_replace(false);
    }

    pub fn log(&self) -> Vec<Logged> {
        self.shared.lock().unwrap().log.clone()
    }

    pub fn requests(&self) -> usize {
        self.shared.lock().unwrap().log.len()
    }

    /// Waits until the log satisfies a condition.
    pub fn wait_log(&self, what: &str, ready: impl Fn(&[Logged]) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut shared = self.shared.lock().unwrap();
        while !ready(&shared.log) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never saw {what}: {:?}", shared.log);
            shared = self.logged.wait_timeout(shared, left).unwrap().0;
        }
    }

    /// Panics when a byte of `path` was sent twice.
    pub fn assert_no_byte_twice(&self, path: &str) {
        let mut spans: Vec<Span> =
            self.log().iter().filter(|l| l.path == format!("/{path}")).map(|l| l.sent).collect();
        spans.retain(|s| !s.is_empty());
        spans.sort();
        for pair in spans.windows(2) {
            assert!(pair[0].end <= pair[1].start, "{path}: sent twice: {:?} and {:?}", pair[0], pair[1]);
        }
    }
}

async fn serve(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let (served, fault) = {
        let mut shared = app.shared.lock().unwrap();
        let fault = shared.faults.get_mut(&path).and_then(VecDeque::pop_front);
        let fault = fault.or_else(|| shared.always.get(&path).cloned());
        let wrong = shared.queries.get(&path).is_some_and(|query| parts.uri.query() != Some(query));
        let fault = if wrong { Some(Fault::Status(403, vec![])) } else { fault };
        (shared.files.get(&path).cloned(), fault)
    };
    let asked = range_of(&parts.headers);
    let if_range = parts.headers.get(header::IF_RANGE).map(|v| v.to_str().unwrap().to_owned());
    let cmcd = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let said = name.as_str().starts_with("cmcd-");
        said.then(|| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
    };
    let log = |status: u16, sent: Span| {
        let entry = Logged {
            method: parts.method.clone(),
            path: path.clone(),
            query: parts.uri.query().map(str::to_owned),
            version: parts.version,
            cmcd: parts.headers.iter().filter_map(cmcd).collect(),
            span: asked,
            if_range: if_range.clone(),
            status,
            sent,
        };
        app.shared.lock().unwrap().log.push(entry);
        app.logged.notify_all();
    };
    let none = Span::new(0, 0);
    let Some(served) = served else {
        log(404, none);
        return Response::builder().status(404).body(Body::empty()).unwrap();
    };
    match &fault {
        Some(Fault::Status(status, headers)) => {
            log(*status, none);
            let mut response = Response::builder().status(*status);
            for (name, value) in headers {
                response = response.header(*name, value);
            }
            return response.body(Body::empty()).unwrap();
        }
        Some(Fault::Redirect(to)) => {
            log(302, none);
            return Response::builder().status(302).header(header::LOCATION, to).body(Body::empty()).unwrap();
        }
        Some(Fault::Gate) => {
            log(0, none);
            let mut gate = app.gate.clone();
            gate.wait_for(|open| *open).await.unwrap();
        }
        _ => {}
    }
    let total = served.bytes.len() as u64;
    let stale = served.if_range && if_range.is_some() && if_range != served.etag;
    let whole = asked.is_none() || !served.ranges || stale || matches!(fault, Some(Fault::Whole));
    let (status, span) = match asked {
        Some(span) if !whole => {
            if span.start >= total {
                log(416, none);
                return Response::builder()
                    .status(416)
                    .header(header::CONTENT_RANGE, format!("bytes */{total}"))
                    .body(Body::empty())
                    .unwrap();
            }
            (StatusCode::PARTIAL_CONTENT, Span::new(span.start, span.end.min(total)))
        }
        _ => (StatusCode::OK, Span::new(0, total)),
    };
    let mut response = Response::builder().status(status);
    if served.sized || status != StatusCode::OK {
        response = response.header(header::CONTENT_LENGTH, span.len());
    }
    if let Some(etag) = &served.etag {
        response = response.header(header::ETAG, etag);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        let shift = u64::from(matches!(fault, Some(Fault::WrongRange)));
        let (first, last) = (span.start + shift, span.end - 1);
        response = response.header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{total}"));
    }
    if matches!(fault, Some(Fault::Encoded)) {
        response = response.header(header::CONTENT_ENCODING, "gzip");
    }
    let body = served.bytes.slice(span.start as usize..span.end as usize);
    let sent = |count: u64| Span::new(span.start, span.start + count.min(span.len()));
    let fault = match fault {
        Some(Fault::SilentFrom(offset)) => Some(Fault::Stall(offset.saturating_sub(span.start))),
        other => other,
    };
    match fault {
        Some(Fault::Stall(count)) => {
            log(status.as_u16(), sent(count));
            let part = body.slice(..(count as usize).min(body.len()));
            let first = stream::once(async move { Ok::<_, Infallible>(part) });
            response.body(Body::from_stream(first.chain(stream::pending()))).unwrap()
        }
        Some(Fault::Short(count)) => {
            log(status.as_u16(), sent(count));
            let part = body.slice(..(count as usize).min(body.len()));
            let broken = stream::once(async {
                // The connection drops what it has not written yet, so the bytes get a head start.
                tokio::time::sleep(Duration::from_millis(200)).await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            response.body(Body::from_stream(stream::once(async move { Ok(part) }).chain(broken))).unwrap()
        }
        Some(Fault::Slow(pause)) => {
            log(status.as_u16(), sent(u64::MAX));
            let pieces =
                (0..body.len()).step_by(4096).map(move |at| body.slice(at..(at + 4096).min(body.len())));
            let pieces = stream::iter(pieces).then(move |piece| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, Infallible>(piece)
            });
            response.body(Body::from_stream(pieces)).unwrap()
        }
        _ => {
            log(status.as_u16(), sent(u64::MAX));
            let body = if served.sized || status != StatusCode::OK {
                Body::from(body)
            } else {
                Body::from_stream(stream::once(async move { Ok::<_, Infallible>(body) }))
            };
            response.body(body).unwrap()
        }
    }
}

fn range_of(headers: &HeaderMap) -> Option<Span> {
    let text = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = text.split_once('-')?;
    Some(Span::new(first.parse().ok()?, last.parse::<u64>().ok()? + 1))
}

/// A server and a directory, and media layers over them one after the other.
pub struct World {
    pub runtime: Runtime,
    pub server: Server,
    pub dir: TempDir,
    pub authority: Option<Authority>,
}

impl World {
    pub fn new() -> World {
        World::over(Wire::Plain)
    }

    /// A world whose server is spoken to like this, and trusted.
    pub fn over(wire: Wire) -> World {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let authority = (wire == Wire::Tls).then(Authority::new);
        let identity = authority.as_ref().map(|authority| authority.identity(Says::Good));
        let server = Server::start(runtime.handle(), identity.as_ref());
        World { runtime, server, dir: tempfile::tempdir().unwrap(), authority }
    }

    /// Another server, spoken to like the first.
    pub fn another(&self) -> Server {
        let identity = self.authority.as_ref().map(|authority| authority.identity(Says::Good));
        Server::start(self.runtime.handle(), identity.as_ref())
    }

    /// A world whose directory lies in memory where the system has such a place: for tests that open the cache
    /// hundreds of times, and lose processes rather than power.
    pub fn in_memory() -> World {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let mut world = World::new();
        world.dir = dir.unwrap();
        world
    }

    pub fn config(&self) -> MediaConfig {
        let extra_roots = self.authority.as_ref().map(Authority::pem);
        MediaConfig {
            limits: quick(),
            tls: TlsConfig { extra_roots, ..TlsConfig::default() },
            ..MediaConfig::new(self.dir.path())
        }
    }

    /// Asserts that every request so far came as it should: HTTP/2 over TLS, HTTP/1.1 without.
    pub fn assert_version(&self) {
        let version = if self.authority.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
        let log = self.server.log();
        assert!(log.iter().all(|line| line.version == version), "{log:?}");
    }

    pub fn open(&self) -> Arc<Media> {
        self.open_with(self.config())
    }

    pub fn open_with(&self, config: MediaConfig) -> Arc<Media> {
        Media::open(config, self.runtime.handle().clone()).unwrap()
    }

    pub fn close(&self, media: Arc<Media>) {
        self.run(media.shutdown(PATIENCE)).unwrap();
        drop(media);
    }

    pub fn register(&self, media: &Media, path: &str, container: Container) -> MediaKey {
        let key = MediaKey::new(path, "r");
        media.register(&key, self.origin(path, container));
        key
    }

    pub fn origin(&self, path: &str, container: Container) -> Origin {
        Origin::new(self.server.url(path), container)
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("took too long") })
    }

    pub fn fetch(&self, media: &Media, key: &MediaKey, span: Span) {
        self.run(media.fetch(key, &[span], Priority::Prefetch, Purpose::Prefetch).wait()).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_version();
        }
    }
}

/// A playlist over `file`: its headers, then one-second parts of these lengths.
pub fn playlist(file: &str, headers: usize, parts: &[usize]) -> String {
    let mut at = headers;
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"{file}\",BYTERANGE=\"{headers}@0\"\n"
    );
    for part in parts {
        text += &format!("#EXTINF:1.0,\n#EXT-X-BYTERANGE:{part}@{at}\n{file}\n");
        at += part;
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Limits under which failures show in milliseconds.
pub fn quick() -> Limits {
    Limits {
        stall_timeout: Duration::from_millis(800),
        backoff_base: Duration::from_millis(5),
        backoff_cap: Duration::from_millis(40),
        host_rest: Duration::from_millis(400),
        ..Limits::default()
    }
}

/// Makes a test of each name for each way of speaking to the server.
#[macro_export]
macro_rules! over_each_wire {
    ($($name:ident),* $(,)?) => {
        mod plain {
            $(#[test] fn $name() { super::$name($crate::common::Wire::Plain) })*
        }
        mod h2_over_tls {
            $(#[test] fn $name() { super::$name($crate::common::Wire::Tls) })*
        }
    };
}

/// Waits for a condition that something else brings about.
pub fn eventually(what: &str, ready: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
