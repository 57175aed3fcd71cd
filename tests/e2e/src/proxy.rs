//! A recording proxy between a core and its server, and strangers that nobody may speak to.
//!
//! It reads each request to its end, writes it down as it came, carries it to the server on a connection of its own, and may
//! change the answer on the way back. A stranger counts whoever connects to it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Done;

/// Longest head of a message; those of the core and of its server are below 4 KiB.
const HEAD_BYTES: usize = 64 * 1024;

/// A request as it came, and what its answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The request line and the headers, as they came.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
    /// Status of the answer; 0 while there is none.
    pub status: u16,
    /// Bytes of the answer's body that were handed to the connection.
    pub received: u64,
}

impl Passed {
    /// Its method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Its path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.head.split(' ').nth(1).unwrap_or_default();
        target.split('?').next().unwrap_or_default()
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The head without one header.
    #[must_use]
    pub fn head_without(&self, name: &str) -> String {
        let other = |line: &&str| !line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
        self.head.split_inclusive("\r\n").filter(other).collect()
    }
}

/// What an answer becomes on its way back: status line and headers, and the body. May take both as they are.
pub type Change = Arc<dyn Fn(&Passed, Answer) -> Answer + Send + Sync>;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status line and headers with the empty line after them; a length that no longer fits is corrected.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    passed: Mutex<Vec<Passed>>,
    running: AtomicUsize,
    connections: AtomicUsize,
}

/// The listening side of a proxy.
pub struct Proxy {
    /// Its address, as `http://host:port`.
    pub url: String,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Carries everything to the server at `to`.
    pub async fn start(to: &str, change: Change) -> Done<Proxy> {
        Proxy::listen(Some(to.trim_start_matches("http://").to_owned()), change).await
    }

    /// Answers nobody.
    pub async fn stranger() -> Done<Proxy> {
        Proxy::listen(None, Arc::new(|_, answer| answer)).await
    }

    async fn listen(to: Option<String>, change: Change) -> Done<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let Some(to) = to.clone() else { continue };
                tokio::spawn(serve(client, to, Arc::clone(&shared), Arc::clone(&change)));
            }
        });
        Ok(Proxy { url, state, task })
    }

    /// Everything that passed, in the order in which it came.
    #[must_use]
    pub fn passed(&self) -> Vec<Passed> {
        self.state.passed().clone()
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.state.running.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn passed(&self) -> MutexGuard<'_, Vec<Passed>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the request with this number.
    fn with(&self, number: usize, change: impl FnOnce(&mut Passed)) {
        if let Some(passed) = self.passed().get_mut(number) {
            change(passed);
        }
    }
}

/// Serves one connection until either side ends it.
async fn serve(mut client: TcpStream, to: String, state: Arc<State>, change: Change) {
    let mut rest = Vec::new();
    while let Ok(Some(head)) = read_head(&mut client, &mut rest).await {
        state.running.fetch_add(1, Ordering::SeqCst);
        let done = exchange(&mut client, &to, head, &mut rest, &state, &change).await;
        state.running.fetch_sub(1, Ordering::SeqCst);
        if done.is_err() {
            return;
        }
    }
}

async fn exchange(
    client: &mut TcpStream,
    to: &str,
    head: String,
    rest: &mut Vec<u8>,
    state: &State,
    change: &Change,
) -> io::Result<()> {
    let length: usize =
        header(&head, "content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    let body = read_body(client, rest, length).await?;
    let request = Passed { head, body, status: 0, received: 0 };
    let number = {
        let mut passed = state.passed();
        passed.push(request.clone());
        passed.len() - 1
    };
    let mut server = TcpStream::connect(to).await?;
    server.write_all(request.head_without("connection").trim_end().as_bytes()).await?;
    server.write_all(b"\r\nconnection: close\r\n\r\n").await?;
    server.write_all(&request.body).await?;
    let mut answered = Vec::new();
    let head = read_head(&mut server, &mut answered).await?.ok_or_else(|| io::Error::other("no answer"))?;
    server.read_to_end(&mut answered).await?;
    let body = match header(&head, "transfer-encoding") {
        Some(_) => return Err(io::Error::other("the reference server states lengths")),
        None => answered,
    };
    let Answer { head, body } = change(&request, Answer { head, body });
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    state.with(number, |passed| passed.status = status);
    let stated = request.method() == "HEAD" || matches!(status, 204 | 304);
    let mut lines: Vec<&str> = head
        .trim_end()
        .split("\r\n")
        .filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !name.eq_ignore_ascii_case("connection")
                && (stated || !name.eq_ignore_ascii_case("content-length"))
        })
        .collect();
    let length = format!("content-length: {}", body.len());
    if !stated {
        lines.push(&length);
    }
    client.write_all((lines.join("\r\n") + "\r\n\r\n").as_bytes()).await?;
    for piece in body.chunks(16 * 1024) {
        client.write_all(piece).await?;
        state.with(number, |passed| passed.received += piece.len() as u64);
    }
    client.flush().await
}

/// The next head of a message, with the empty line; `None` at the end of the connection. What came after it is in `rest`.
async fn read_head(from: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            let after = rest.split_off(at + 4);
            return String::from_utf8(std::mem::replace(rest, after)).map(Some).map_err(io::Error::other);
        }
        if rest.len() > HEAD_BYTES {
            return Err(io::Error::other("too long a head"));
        }
        if from.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(from: &mut TcpStream, rest: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while rest.len() < length {
        if from.read_buf(rest).await? == 0 {
            return Err(io::Error::other("a body that was cut short"));
        }
    }
    let after = rest.split_off(length);
    Ok(std::mem::replace(rest, after))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
