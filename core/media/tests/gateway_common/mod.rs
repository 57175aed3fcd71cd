//! Clients of the gateway: one that behaves, and a bare socket that need not.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use unspool_media::{Gateway, GatewayLimits, Media};

use crate::common::{PATIENCE, World};

/// A gateway and a client of it.
pub struct Door {
    pub gateway: Gateway,
    client: reqwest::Client,
}

#[derive(Debug, Clone, Copy)]
pub enum Ask {
    Get,
    Head,
}

/// A whole answer; `short` when the body broke off.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
    pub short: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Door {
    pub fn open(world: &World, media: &Arc<Media>) -> Door {
        Door::open_with(world, media, GatewayLimits::default())
    }

    pub fn open_with(world: &World, media: &Arc<Media>, limits: GatewayLimits) -> Door {
        let gateway = Gateway::open(media.clone(), limits, world.runtime.handle().clone()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Door { gateway, client }
    }

    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Ask::Get, url, headers).await
    }

    pub async fn ask(&self, ask: Ask, url: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = match ask {
            Ask::Get => self.client.get(url),
            Ask::Head => self.client.head(url),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let (mut body, mut short) = (Vec::new(), false);
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => body.extend(piece),
                Err(_) => short = true,
            }
        }
        Answer { status, headers, body, short }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address().unwrap()
    }

    /// A bare connection.
    pub fn raw(&self) -> Raw {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Raw { stream, ahead: Vec::new() }
    }

    /// A request's head as text.
    pub fn request(&self, method: &str, url: &str, version: &str, more: &str) -> String {
        let path = url.split_once("://").unwrap().1.split_once('/').unwrap().1;
        format!("{method} /{path} HTTP/{version}\r\nHost: {}\r\n{more}\r\n", self.address())
    }
}

/// A bare connection.
pub struct Raw {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl Raw {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends what the other side may refuse to take.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.ahead.len() < count {
            let mut some = vec![0; (count - self.ahead.len()).min(16 * 1024)];
            let got = self.stream.read(&mut some).unwrap();
            assert!(got > 0, "closed after {} of {count} bytes", self.ahead.len());
            self.ahead.extend_from_slice(&some[..got]);
        }
        self.ahead.drain(..count).collect()
    }

    /// The next answer's status and head; status 0 when the connection ended instead.
    pub fn read_head(&mut self) -> (u16, String) {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            let mut some = [0; 4096];
            match self.stream.read(&mut some) {
                Ok(0) => return (0, String::new()),
                Ok(got) => self.ahead.extend_from_slice(&some[..got]),
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return (0, String::new()),
                Err(e) => panic!("no answer: {e}"),
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase())
    }

    /// Everything until the other side closes.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.ahead);
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(e) => panic!("not closed: {e}"),
        }
        rest
    }

    /// Waits for the other side to close without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.read_to_end().is_empty()
    }

    pub fn finish_sending(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub fn set_patience(&mut self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }
}
