//! A server of the files in a folder, with ranges, that can hold one of them back.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct State {
    held: Option<String>,
    all_let_go: bool,
    /// Bytes sent of each file.
    asked: HashMap<String, Vec<(u64, u64)>>,
    waiting: Vec<String>,
}

struct Shared {
    folder: PathBuf,
    /// The first answer of each file stands still when so many bytes are sent, until all is let go.
    stop: Option<usize>,
    state: Mutex<State>,
    changed: Condvar,
}

pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn of(folder: &Path) -> Server {
        Server::open(folder, None)
    }

    /// One whose first answer of each file stands still after so many bytes, until all is let go.
    pub fn stopping(folder: &Path, after: usize) -> Server {
        Server::open(folder, Some(after))
    }

    fn open(folder: &Path, stop: Option<usize>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            stop,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), own.clone());
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Server { address, shared }
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// From now on requests for this file get nothing.
    pub fn hold(&self, name: &str) {
        self.shared.state.lock().unwrap().held = Some(name.to_owned());
    }

    pub fn let_go(&self) {
        let mut state = self.shared.state.lock().unwrap();
        (state.held, state.all_let_go) = (None, true);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until a request for the held file is there.
    pub fn wait_for(&self, name: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut state = self.shared.state.lock().unwrap();
        while !state.waiting.iter().any(|waiting| waiting == name) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nobody asked for {name}");
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    pub fn asked(&self, name: &str) -> usize {
        self.shared.state.lock().unwrap().asked.get(name).map_or(0, Vec::len)
    }

    /// The ranges asked for of all files so far, by file.
    pub fn log(&self) -> Vec<(String, Vec<(u64, u64)>)> {
        let state = self.shared.state.lock().unwrap();
        let mut log: Vec<_> = state.asked.iter().map(|(name, spans)| (name.clone(), spans.clone())).collect();
        log.sort();
        log
    }

    /// Panics when a byte of a media file was sent twice.
    pub fn assert_each_file_once(&self) {
        for (name, spans) in &mut self.shared.state.lock().unwrap().asked {
            spans.sort_unstable();
            for pair in spans.windows(2) {
                assert!(pair[0].1 <= pair[1].0, "{name}: {spans:?}");
            }
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let Some(Ok(first)) = lines.next() else { return };
        let mut range = None;
        for line in lines.by_ref() {
            let Ok(line) = line else { return };
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (from, to) = value.split_once('-').unwrap();
                range = Some((from.parse::<u64>().unwrap(), to.parse::<u64>().unwrap() + 1));
            }
        }
        let name = first.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let mut state = shared.state.lock().unwrap();
        while state.held.as_ref() == Some(&name) {
            state.waiting.push(name.clone());
            shared.changed.notify_all();
            state = shared.changed.wait(state).unwrap();
        }
        drop(state);
        let mut stream = stream;
        let Ok(bytes) = std::fs::read(shared.folder.join(&name)) else {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            continue;
        };
        let total = bytes.len() as u64;
        let (from, to) = range.map_or((0, total), |(from, to)| (from.min(total), to.min(total)));
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{total}\r\n\
             etag: \"{name}\"\r\n\r\n",
            to - from,
            to - 1,
        );
        let is_first = {
            let mut state = shared.state.lock().unwrap();
            let asked = state.asked.entry(name).or_default();
            asked.push((from, to));
            asked.len() == 1
        };
        let body = &bytes[from as usize..to as usize];
        let at_once = shared.stop.filter(|_| is_first).map_or(body.len(), |stop| stop.min(body.len()));
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(&body[..at_once]).is_err() {
            return;
        }
        if at_once < body.len() {
            let mut state = shared.state.lock().unwrap();
            while !state.all_let_go {
                state = shared.changed.wait(state).unwrap();
            }
            drop(state);
            if stream.write_all(&body[at_once..]).is_err() {
                return;
            }
        }
    }
}
