//! The contract of byte sources, kept by the gateway's bodies: read over HTTP, a range per read.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
mod gateway_common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::fixture::mp4_of;
use common::{Fault, World};
use gateway_common::Door;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, Disk, LocalDisk, Media, MediaConfig, Priority, ReadError};
use unspool_testkit::{FaultyDisk, byte_source_contract, byte_source_waiting_contract};

/// Everything behind the sources, for as long as they are in use.
struct Sources {
    world: World,
    media: Arc<Media>,
    door: Door,
    count: AtomicU64,
}

impl Sources {
    fn on(disk: Arc<dyn Disk>) -> Self {
        let world = World::new();
        let media = world.open_with(MediaConfig { disk, ..world.config() });
        let door = Door::open(&world, &media);
        Sources { world, media, door, count: AtomicU64::new(0) }
    }

    /// The samples of a clip whose bytes from `stall` on never arrive.
    fn make(&self, bytes: &[u8], stall: Option<u64>) -> Arc<dyn ByteSource> {
        let path = format!("f{}", self.count.fetch_add(1, Ordering::SeqCst));
        let file = mp4_of(bytes, 1_000_000, false);
        let base = (file.len() - bytes.len()) as u64;
        self.world.server.put(&path, file, "\"1\"");
        let key = self.world.register(&self.media, &path, Container::Mp4);
        if let Some(stall) = stall {
            self.world.fetch(&self.media, &key, Span::new(0, base + stall));
            self.world.server.always(&path, Some(Fault::Gate));
            // After that, because it takes more than the headers where it can.
            self.world.run(self.media.probe(&key, Priority::Next)).unwrap();
        }
        let url = self.door.gateway.url(&key).unwrap();
        Arc::new(Served {
            head: self.door.request("HEAD", &url, "1.1", ""),
            get: self.door.request("GET", &url, "1.1", "Range: bytes=@\r\n"),
            address: self.door.address(),
            media: self.media.clone(),
            key,
            base,
            interrupted: AtomicBool::new(false),
            open: Mutex::default(),
        })
    }
}

/// A player of the platform, reduced to what a byte source does: one connection per read.
#[derive(Debug)]
struct Served {
    head: String,
    /// A request with `@` for its range.
    get: String,
    address: std::net::SocketAddr,
    media: Arc<Media>,
    key: MediaKey,
    /// Where in the file the source begins.
    base: u64,
    interrupted: AtomicBool,
    open: Mutex<BTreeMap<u16, TcpStream>>,
}

impl Served {
    /// Connects where an interruption finds it.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        let port = stream.local_addr().unwrap().port();
        self.open.lock().unwrap().insert(port, stream.try_clone().unwrap());
        if self.interrupted.load(Ordering::SeqCst) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        stream
    }

    /// Status and head of the answer, and what came of the body with it; `None` when the connection ended.
    fn answer(stream: &mut TcpStream, until: Instant) -> Result<Option<(String, Vec<u8>)>, ReadError> {
        let mut got = Vec::new();
        loop {
            if let Some(at) = got.windows(4).position(|part| part == b"\r\n\r\n") {
                let body = got.split_off(at + 4);
                return Ok(Some((String::from_utf8(got).unwrap().to_lowercase(), body)));
            }
            match Self::more(stream, until)? {
                Some(some) => got.extend(some),
                None => return Ok(None),
            }
        }
    }

    fn more(stream: &mut TcpStream, until: Instant) -> Result<Option<Vec<u8>>, ReadError> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).unwrap();
        let mut some = vec![0; 64 * 1024];
        match stream.read(&mut some) {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(some[..count].to_vec())),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                Err(ReadError::TimedOut)
            }
            Err(_) => Ok(None),
        }
    }

    fn ask(&self, stream: &mut TcpStream, place: &str, room: usize, until: Instant) -> Asked {
        if stream.write_all(self.get.replace('@', place).as_bytes()).is_err() {
            return Ok(None);
        }
        let Some((head, mut body)) = Self::answer(stream, until)? else { return Ok(None) };
        match head.split(' ').nth(1).unwrap() {
            "206" => {}
            "416" => return Ok(Some(Vec::new())),
            status => return Err(ReadError::Failed { reason: status.to_owned(), retryable: true }),
        }
        while body.is_empty() {
            match Self::more(stream, until)? {
                Some(some) => body.extend(some),
                None => return Ok(None),
            }
        }
        assert!(body.len() <= room, "more than the range");
        Ok(Some(body))
    }
}

/// Bytes of an answer, none past the end; `None` when the connection ended.
type Asked = Result<Option<Vec<u8>>, ReadError>;

impl ByteSource for Served {
    fn size(&self) -> u64 {
        let mut stream = self.connect();
        stream.write_all(self.head.as_bytes()).unwrap();
        let until = Instant::now() + common::PATIENCE;
        let (head, _) = Self::answer(&mut stream, until).unwrap().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        length.parse::<u64>().unwrap() - self.base
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError> {
        if buf.is_empty() {
            return Ok(0);
        }
        let until = Instant::now() + deadline;
        let first = self.base.saturating_add(offset);
        let place = format!("{first}-{}", first.saturating_add(buf.len() as u64 - 1));
        let mut stream = self.connect();
        let port = stream.local_addr().unwrap().port();
        let asked = self.ask(&mut stream, &place, buf.len(), until);
        self.open.lock().unwrap().remove(&port);
        match asked {
            _ if self.interrupted.load(Ordering::SeqCst) => Err(ReadError::Interrupted),
            Ok(Some(body)) => {
                buf[..body.len()].copy_from_slice(&body);
                Ok(body.len())
            }
            Ok(None) => Err(ReadError::Failed { reason: "the connection ended".to_owned(), retryable: true }),
            Err(error) => Err(error),
        }
    }

    fn available_from(&self, offset: u64) -> u64 {
        let place = self.base.saturating_add(offset);
        let held = self.media.held(&self.key);
        held.iter().find(|span| span.start <= place && place < span.end).map_or(0, |span| span.end - place)
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn resume(&self) {
        self.interrupted.store(false, Ordering::SeqCst);
    }
}

/// This device's disk, and one of which nobody knows what the system holds in memory.
fn disks() -> [Arc<dyn Disk>; 2] {
    [Arc::new(LocalDisk), FaultyDisk::new()]
}

#[test]
fn bodies_keep_the_contract() {
    for disk in disks() {
        let sources = Sources::on(disk);
        byte_source_contract(|bytes| sources.make(&bytes, None));
    }
}

#[test]
fn bodies_keep_the_waiting_contract() {
    for disk in disks() {
        let sources = Sources::on(disk);
        byte_source_waiting_contract(|bytes, stall| sources.make(&bytes, Some(stall)));
        // Whoever hung up left nothing behind that reads on.
        common::eventually("no body is left", || sources.door.gateway.stats().readers == 0);
    }
}
