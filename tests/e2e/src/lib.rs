//! What the end-to-end tests share: a reference server in a process of its own, and sessions that talk to it.
//!
//! Clips are made once and kept with those of the demo; the tests use the first few.

pub mod log;
pub mod proxy;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::Value;
use unspool::{
    Auth, Backend, Config, Credentials, Event, FeedSession, Item, KeptSnapshot, Meter, Native, StartClass,
    Unspool,
};

/// Clips the tests play: progressive files with the headers first and last, fragmented ones and playlists are all
/// among the first six.
pub const CLIPS: usize = 6;
/// A wait that lasts longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Anything that went wrong.
pub type Done<T> = Result<T, Box<dyn Error>>;

/// The TLS leg of a reference server.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where the contract is spoken.
    pub url: String,
    /// Certificate of its authority (PEM).
    pub ca: String,
    /// Its key, as clients pin it.
    pub pin: String,
}

/// A running reference server.
pub struct Origin {
    /// Where the contract is spoken.
    pub url: String,
    /// Where it is controlled.
    pub control: String,
    /// Its TLS leg, when it was started with one.
    pub tls: Option<Tls>,
    /// Its logs and its database.
    pub state: PathBuf,
    child: Child,
    client: reqwest::Client,
}

impl Origin {
    /// Starts `program` as the server on `state`, with more arguments.
    pub fn start(program: &str, state: &Path, more: &[&str]) -> Done<Self> {
        std::fs::create_dir_all(state)?;
        let mut command = Command::new(program);
        command.arg("--state").arg(state).args(["--parent-pid", &std::process::id().to_string()]);
        if !more.contains(&"--clips") && !more.contains(&"--media") {
            command.args(["--clips", &CLIPS.to_string()]);
        }
        let mut child = command.args(more).stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line)?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).ok_or("no address");
        let (url, control) = (text("listening")?, text("control")?);
        let client = http()?;
        let tls = match ready["tls"].as_str() {
            Some(url) => {
                let ca = std::fs::read_to_string(ready["ca"].as_str().ok_or("no authority")?)?;
                let pin = ready["pin"].as_str().ok_or("no pin")?.to_owned();
                Some(Tls { url: url.to_owned(), ca, pin })
            }
            None => None,
        };
        Ok(Origin { url, control, tls, state: state.to_owned(), child, client })
    }

    /// The lines of the access log.
    pub fn log(&self) -> Done<Vec<Value>> {
        let text = std::fs::read_to_string(self.state.join("access.jsonl"))?;
        text.lines().map(|l| serde_json::from_str(l).map_err(Into::into)).collect()
    }

    /// Body bytes the log says went to a client.
    pub fn bytes_to(&self, client: &str) -> Done<u64> {
        let of = |l: &&Value| l["client"] == client;
        Ok(self.log()?.iter().filter(of).filter_map(|l| l["bytes"].as_u64()).sum())
    }

    /// Asks the control listener.
    pub async fn get(&self, path: &str) -> Done<Value> {
        Ok(self
            .client
            .get(format!("{}{path}", self.control))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    }

    /// Makes a token count no longer.
    pub async fn revoke(&self, token: &str) -> Done<()> {
        let body = serde_json::json!({"revoke": token});
        let request = self.client.post(format!("{}/control/tokens", self.control)).json(&body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Asks the contract's listener as an actor.
    pub async fn get_as(&self, actor: &str, path: &str) -> Done<Value> {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(actor);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// What an actor wants, as `(verb, target, state)`.
    pub async fn desired(&self, actor: &str) -> Done<BTreeSet<(String, String, bool)>> {
        let answer = self.get(&format!("/control/interactions?actor={actor}")).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = answer["interactions"].as_array().ok_or("no list of interactions")?;
        Ok(list.iter().map(|i| (text(&i["verb"]), text(&i["target"]), i["state"] == true)).collect())
    }

    /// Verb and target of what an actor sent, in the order in which it came first.
    pub async fn arrivals(&self, actor: &str) -> Done<Vec<(String, String)>> {
        let answer = self.get(&format!("/control/interactions?actor={actor}")).await?;
        Ok(serde_json::from_value(answer["arrivals"].clone())?)
    }

    /// Shapes the network.
    pub async fn network(&self, settings: Value) -> Done<()> {
        let request = self.client.put(format!("{}/control/network", self.control)).json(&settings);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Scripts a fault.
    pub async fn fault(&self, fault: Value) -> Done<()> {
        let request = self.client.post(format!("{}/control/faults", self.control)).json(&fault);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Forgets the faults that wait for their requests.
    pub async fn clear_faults(&self) -> Done<()> {
        self.client.delete(format!("{}/control/faults", self.control)).send().await?.error_for_status()?;
        Ok(())
    }

    /// Waits until no request is being answered, so that the log is complete.
    pub async fn quiet(&self) -> Done<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.get("/control/stats").await?["in_flight"] != 0 {
            if Instant::now() > deadline {
                return Err("requests do not end".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Distinct impressions of an installation, as the server stored them.
    pub async fn impressions(&self, installation: &str) -> Done<Vec<Value>> {
        let events = self.get(&format!("/control/events?installation={installation}")).await?;
        let list = events["events"].as_array().cloned().ok_or("no list of events")?;
        Ok(list.into_iter().filter(|e| e["event_name"] == unspool::IMPRESSION).collect())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may have ended already; the wait reaps it either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that waits at most [`PATIENCE`].
pub fn http() -> Done<reqwest::Client> {
    unspool::install_tls();
    Ok(reqwest::Client::builder().timeout(PATIENCE).build()?)
}

/// A configuration for tests: batches leave at once. The token is the account's name.
pub fn config(dir: &Path, url: &str, account: &str) -> Done<Config> {
    let mut config = Config::new(dir, url, account, Credentials::Fixed(account.to_owned()))?;
    config.telemetry.send_every = Duration::from_millis(200);
    config.player.describe_first_frame = true;
    Ok(config)
}

/// Opens a session for tests.
pub fn open(dir: &Path, url: &str, account: &str, online: bool) -> Done<Unspool> {
    let mut config = config(dir, url, account)?;
    config.conditions.online = online;
    Ok(Unspool::open(config)?)
}

/// The first cards of `for_you` that show different assets, as the contract's adapter gives them.
pub async fn cards(url: &str, account: &str, count: usize) -> Done<Vec<Item>> {
    let auth = Auth::new(Credentials::Fixed(account.to_owned()), PATIENCE);
    let backend = Native::new(http()?, url.parse()?, auth, PATIENCE, Meter::default());
    let mut seen = BTreeSet::new();
    let page = backend.page("for_you", None, 50).await?;
    let mut cards: Vec<Item> = page.items.into_iter().filter(|i| seen.insert(i.asset.id.clone())).collect();
    cards.truncate(count);
    if cards.len() < count { Err("not enough assets".into()) } else { Ok(cards) }
}

/// Waits until what is kept is as wanted.
pub async fn until_kept(
    session: &Unspool,
    what: &str,
    wanted: impl Fn(&KeptSnapshot) -> bool,
) -> Done<KeptSnapshot> {
    let deadline = Instant::now() + PATIENCE;
    let mut snapshot = session.kept();
    while !wanted(&snapshot) {
        let left = deadline.saturating_duration_since(Instant::now());
        snapshot = match tokio::time::timeout(left, session.kept_after(snapshot.revision)).await {
            Ok(next) => next?,
            Err(_) => return Err(format!("not in time: {what}; last {snapshot:?}").into()),
        };
    }
    Ok(snapshot)
}

/// Waits until something holds that nobody tells of.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> Done<bool>) -> Done<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await? {
        if Instant::now() > deadline {
            return Err(format!("not in time: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Polls a future up to `polls` times, when it asks for it, and drops it then; what it gave, if it gave something.
pub async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The first frame of a card.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// How it came about.
    pub class: StartClass,
    /// Milliseconds.
    pub latency_ms: f64,
    /// Mean brightness.
    pub luma: Option<f64>,
}

/// Waits for the first frame of the card at `position` after event `seen`, or for its refusal.
pub async fn first_frame(feed: &FeedSession, seen: &mut u64, position: u64) -> Done<Frame> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let batch = tokio::time::timeout(left, feed.events_after(*seen, 1)).await??;
        *seen = batch.last;
        for event in batch.events {
            match event {
                Event::FirstFrame { position: p, class, latency_ms, luma, .. } if p == position => {
                    return Ok(Frame { class, latency_ms, luma });
                }
                Event::CardFailed { position: p, reason, .. } if p == position => {
                    return Err(format!("card {p}: {reason}").into());
                }
                _ => {}
            }
        }
    }
}

/// Waits until the snapshot of a feed is as wanted.
pub async fn until(
    feed: &FeedSession,
    what: &str,
    wanted: impl Fn(&unspool::Snapshot) -> bool,
) -> Done<unspool::Snapshot> {
    let deadline = Instant::now() + PATIENCE;
    let mut snapshot = feed.snapshot();
    while !wanted(&snapshot) {
        let left = deadline.saturating_duration_since(Instant::now());
        snapshot = match tokio::time::timeout(left, feed.snapshot_after(snapshot.revision)).await {
            Ok(next) => next?,
            Err(_) => return Err(format!("not in time: {what}; last {snapshot:?}").into()),
        };
    }
    Ok(snapshot)
}
