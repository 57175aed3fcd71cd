//! A server for a test, and what every test does with one.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use unspool_origin::access::AccessLine;
use unspool_origin::{Config, Media, Running, serve};

/// Longest time a test waits for something that must happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Clips are made once and kept beside the build.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("catalogue")
}

/// Clips the tests use: the first four are packed in the four ways.
pub const CLIPS: usize = 4;

pub fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    Client::builder().no_proxy().timeout(DEADLINE).build().unwrap()
}

pub struct Origin {
    pub running: Running,
    pub client: Client,
}

impl Origin {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config =
            Config { media: Media::Catalogue { cache: cache(), clips: CLIPS }, ..Config::default() };
        change(&mut config);
        Origin { running: serve(config).await.unwrap(), client: client() }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.running.url()))
    }

    pub fn get_as(&self, actor: &str, path: &str) -> RequestBuilder {
        self.get(path).header(AUTHORIZATION, format!("Bearer {actor}"))
    }

    pub fn post_as(&self, actor: &str, path: &str) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.running.url()))
            .header(AUTHORIZATION, format!("Bearer {actor}"))
    }

    pub async fn json(&self, actor: &str, path: &str) -> Value {
        let response = self.get_as(actor, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// A signed address of a clip.
    pub async fn url(&self, actor: &str, clip: &str, rendition: &str) -> String {
        let fresh = self.json(actor, &format!("/v1/assets/{clip}/renditions/{rendition}")).await;
        fresh["url"].as_str().unwrap().to_owned()
    }

    pub fn control(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/control/{path}", self.running.control_url()))
    }

    pub async fn network(&self, settings: Value) {
        let response = self.control(reqwest::Method::PUT, "network").json(&settings).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    pub async fn fault(&self, fault: Value) {
        let response = self.control(reqwest::Method::POST, "faults").json(&fault).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    /// A fault for the next media request.
    pub async fn media_fault(&self, action: Value) {
        self.fault(json!({"path_prefix": "/media/", "action": action})).await;
    }

    pub async fn stats(&self) -> Value {
        self.control(reqwest::Method::GET, "stats").send().await.unwrap().json().await.unwrap()
    }

    /// The access log's lines that fit, once there are `count`.
    pub async fn lines(&self, count: usize, fits: impl Fn(&AccessLine) -> bool) -> Vec<AccessLine> {
        let path = self.running.state.join("access.jsonl");
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<AccessLine> = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(|line| fits(line))
                .collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(began.elapsed() < DEADLINE, "{} of {count} lines in\n{text}", lines.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The one line about media.
    pub async fn media_line(&self) -> AccessLine {
        let mut lines = self.lines(1, |line| line.path.starts_with("/media/")).await;
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }
}

/// A clip's file as it lies on disk.
pub fn clip_bytes(clip: &str, file: &str) -> Vec<u8> {
    std::fs::read(cache().join(clip).join(file)).unwrap()
}

/// The code of an error answer.
pub async fn code(response: Response) -> String {
    let body: Value = response.json().await.unwrap();
    assert!(body["error"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    body["error"]["code"].as_str().unwrap().to_owned()
}

/// Body bytes until the end or an error, and whether it ended well.
pub async fn drain(mut response: Response) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
}

/// The folder of shared test data, where it exists.
pub fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("UNSPOOL_SHARED").map_or(beside, PathBuf::from).join("data");
    if !folder.is_dir() {
        eprintln!("NO DATA");
    }
    folder.is_dir().then_some(folder)
}
