//! A gateway over a media room, and an origin that serves clips to it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use unspool_engine::Container;
use unspool_media::{Gateway, GatewayLimits, MediaInfo, Origin, Priority};

use crate::support::room::Room;

/// An origin, a store and its gateway.
pub struct World {
    room: Room,
    gateway: Gateway,
    next: AtomicU64,
}

impl World {
    pub fn new() -> Self {
        let room = Room::open();
        let handle = room.runtime.handle().clone();
        let gateway = Gateway::open(room.media.clone(), GatewayLimits::default(), handle).unwrap();
        Self { room, gateway, next: AtomicU64::new(0) }
    }

    /// Puts a clip onto an origin and gives what the probe says of it and the gateway's address.
    pub fn publish(&self, bytes: Vec<u8>) -> (Arc<MediaInfo>, String) {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let key = self.room.register(&name, Origin::new(serve(bytes), Container::Mp4));
        let info = self.room.probe(&key, Priority::Playback);
        (info, self.gateway.url(&key).unwrap())
    }

    pub fn shut_down(self) {
        self.room.runtime.block_on(self.gateway.shutdown(Duration::from_secs(5)));
        self.room.close();
    }
}

/// Serves bytes with ranges until the process ends.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bytes = Arc::new(bytes);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || answer(stream, &bytes));
        }
    });
    format!("http://{address}/clip.mp4")
}

fn answer(mut stream: TcpStream, bytes: &[u8]) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    loop {
        let mut range = 0..bytes.len();
        let mut partial = false;
        lines.next()?.ok()?;
        for line in lines.by_ref() {
            let line = line.ok()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some((first, last)) = line.strip_prefix("range: bytes=").and_then(|r| r.split_once('-')) {
                range = first.parse().ok()?
                    ..last.parse().map_or(bytes.len(), |l: usize| (l + 1).min(bytes.len()));
                partial = true;
            }
        }
        let status = if partial { "206 Partial Content" } else { "200 OK" };
        let (from, to) = (range.start, range.end.max(range.start + 1) - 1);
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n\
             Content-Range: bytes {from}-{to}/{}\r\n\r\n",
            range.len(),
            bytes.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&bytes[range]).ok()?;
    }
}
