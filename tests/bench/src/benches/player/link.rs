//! A far server on the loopback interface: round trips and a line of a fixed rate, with a count of what was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::BenchError;

/// A round trip, paid once to connect and once for each request.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(50);
/// What the line carries, shared by all connections.
pub(super) const BITS_A_SECOND: f64 = 5e6;
/// What is sent between two looks at the line.
const PIECE: usize = 4 << 10;

/// The server; it listens until the process ends.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// When each request came, and each piece went with how many bytes.
    requests: Mutex<Vec<Instant>>,
    pieces: Mutex<Vec<(Instant, u64)>>,
    free_at: Mutex<Instant>,
}

impl Link {
    /// Serves files by name; what follows a `?` is ignored.
    pub(super) fn open(files: BTreeMap<String, Vec<u8>>) -> Result<Self, BenchError> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = State {
            files,
            requests: Mutex::default(),
            pieces: Mutex::default(),
            free_at: Mutex::new(Instant::now()),
        };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("bench-link".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that cannot be served for want of a thread sees its connection close.
                let _ = std::thread::Builder::new()
                    .name("bench-link".to_owned())
                    .spawn(move || state.serve(stream));
            }
        })?;
        Ok(Link { address, state })
    }

    /// Requests and body bytes so far.
    pub(super) fn used(&self) -> (usize, u64) {
        self.used_until(Instant::now())
    }

    /// Requests and body bytes up to a moment that is past.
    pub(super) fn used_until(&self, moment: Instant) -> (usize, u64) {
        let requests = locked(&self.state.requests).iter().filter(|came| **came <= moment).count();
        let pieces = locked(&self.state.pieces);
        (requests, pieces.iter().filter(|(went, _)| *went <= moment).map(|(_, bytes)| bytes).sum())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Answers one connection until it ends; `None` is its end.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        std::thread::sleep(ROUND_TRIP);
        loop {
            let first = lines.next()?.ok()?;
            let name = first.split(' ').nth(1)?.trim_start_matches('/').split('?').next()?.to_owned();
            let mut range = None;
            for line in lines.by_ref() {
                let line = line.ok()?.to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(text) = line.strip_prefix("range: bytes=") {
                    let (from, to) = text.split_once('-')?;
                    range = Some((from.trim().parse::<usize>().ok()?, to.trim().parse::<usize>().ok()));
                }
            }
            locked(&self.requests).push(Instant::now());
            std::thread::sleep(ROUND_TRIP);
            let file = self.files.get(&name)?;
            let (from, to) = range.map_or((0, None), |range| range);
            let end = to.map_or(file.len(), |to| (to + 1).min(file.len()));
            let body = file.get(from..end)?;
            let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nContent-Length: {}\r\nETag: \"1\"\r\n\
                 Accept-Ranges: bytes\r\nContent-Range: bytes {from}-{}/{}\r\n\r\n",
                body.len(),
                end.saturating_sub(1),
                file.len()
            );
            stream.write_all(head.as_bytes()).ok()?;
            for piece in body.chunks(PIECE) {
                self.wait_for_line(piece.len());
                stream.write_all(piece).ok()?;
                locked(&self.pieces).push((Instant::now(), piece.len() as u64));
            }
        }
    }

    fn wait_for_line(&self, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / BITS_A_SECOND);
        let free_at = {
            let mut free_at = locked(&self.free_at);
            *free_at = (*free_at).max(Instant::now()) + takes;
            *free_at
        };
        std::thread::sleep(free_at.saturating_duration_since(Instant::now()));
    }
}
