//! The gateway: an HTTP server on the loopback interface for players that read nothing but addresses.
//!
//! ExoPlayer, AVPlayer and `<video>` get `http://127.0.0.1:<port>/<token>/<id>/<name>` and read the same store through the
//! same [`ByteSource`](crate::ByteSource) as the player of this core: one request to the origin for both, tails of spans
//! that still grow, no request at all for what is here.
//!
//! Any app on the device can connect to a loopback port, so nothing is reachable by address alone. The token is 128
//! random bits and compared in constant time; a rendition has a random number that exists once the session asked for
//! its address; no path holds a URL, and no answer repeats a part of a request. `Host` must be this gateway, which is
//! what a page that rebinds its name cannot say. There are no CORS headers: media elements need none, scripts of a page
//! cannot read an answer.
//!
//! Every connection is bounded in bytes (two pieces, one socket buffer, one head) and in time (a head must arrive, a
//! body must be taken); connections are bounded in number, and one that never showed the token gives way first.

mod answer;
mod body;
mod listen;
mod playlist;
mod range;
mod request;
mod spares;
mod token;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use unspool_engine::{Container, MediaKey};

use crate::media::Media;
use crate::recent::{REMEMBERED, Recent};
use crate::source::ByteSource;
use listen::Listening;
use token::Token;

/// Bounds of the gateway. Every default says why.
#[derive(Debug, Clone)]
pub struct GatewayLimits {
    /// Connections at once. 24: three players with up to six connections each, and as many again that are closing.
    pub connections: usize,
    /// Time for a request's head to arrive, also the longest idle time between two requests. 10 s: a head is one packet
    /// over loopback, and players come back for the next range within seconds.
    pub head_timeout: Duration,
    /// Time in which a reader must take something of its answer. 120 s: a paused player stops reading and keeps its
    /// connection; after this it has to ask again, which every player does.
    pub stall_timeout: Duration,
    /// Time for the next bytes to become readable, the probe included. 30 s: beyond all tries of the fetcher, which
    /// normally fails first and says why.
    pub patience: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        GatewayLimits {
            connections: 24,
            head_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(120),
            patience: Duration::from_secs(30),
        }
    }
}

/// Why the gateway cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The loopback interface gives no port; try again, or hand out the origin's address.
    #[error("no loopback port: {0}")]
    Bind(#[source] io::Error),
    /// The system gives no random bytes; nothing is served without a token.
    #[error("no random bytes")]
    Random,
    /// No address of this rendition was registered.
    #[error("the rendition is not known to this session")]
    Unknown,
    /// The gateway is shut down.
    #[error("the gateway is shut down")]
    Closed,
}

/// What the gateway is doing and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GatewayStats {
    /// Connections that are open.
    pub connections: usize,
    /// Answers whose bytes are being read.
    pub readers: usize,
    /// Requests with the right token.
    pub served: u64,
    /// Requests without it, or to another host.
    pub refused: u64,
}

/// The loopback server over a [`Media`].
///
/// Shape: every method takes `&self` and may be called from any thread; none waits for a reader. Dropping it ends
/// everything as [`shutdown`](Gateway::shutdown) does, without waiting.
#[derive(Debug)]
pub struct Gateway {
    room: Arc<Room>,
    handle: Handle,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Listening(Listening),
    /// The last rebind found no port.
    Deaf,
    Closed,
}

/// What the requests share.
#[derive(Debug)]
pub(crate) struct Room {
    media: Arc<Media>,
    limits: GatewayLimits,
    books: Mutex<Books>,
    connections: AtomicUsize,
    served: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug)]
struct Books {
    /// The addresses handed out or asked for of late.
    ids: Recent<Token>,
    keys: HashMap<Token, MediaKey>,
    unwatched: Recent<()>,
    readers: HashMap<u64, (MediaKey, Weak<dyn ByteSource>)>,
    next_reader: u64,
}

impl Default for Books {
    fn default() -> Self {
        Books {
            ids: Recent::new(REMEMBERED),
            keys: HashMap::new(),
            unwatched: Recent::new(REMEMBERED),
            readers: HashMap::new(),
            next_reader: 0,
        }
    }
}

impl Books {
    /// Makes `key` reachable. Where there are too many addresses, those go that nobody asked for the longest.
    fn name(&mut self, key: &MediaKey, id: Token) {
        let read: Vec<Token> =
            self.readers.values().filter_map(|(key, _)| self.ids.peek(key)).copied().collect();
        self.keys.insert(id, key.clone());
        for (_, gone) in self.ids.insert(key.clone(), id, |id| !read.contains(id)) {
            self.keys.remove(&gone);
        }
    }

    fn readers_of(&self, key: &MediaKey) -> Vec<Arc<dyn ByteSource>> {
        self.readers.values().filter(|(of, _)| of == key).filter_map(|(_, reader)| reader.upgrade()).collect()
    }
}

impl Room {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_watched(&self, key: &MediaKey) -> bool {
        self.books().unwatched.peek(key).is_none()
    }

    fn key_of(&self, id: &Token) -> Option<MediaKey> {
        let mut books = self.books();
        let key = books.keys.get(id).cloned()?;
        books.ids.get(&key)?;
        Some(key)
    }
}

impl Gateway {
    /// Begins to listen on 127.0.0.1, on a port the system chooses; connections run on `handle`.
    ///
    /// # Errors
    /// [`GatewayError::Bind`] without a port, [`GatewayError::Random`] without a token.
    pub fn open(media: Arc<Media>, limits: GatewayLimits, handle: Handle) -> Result<Gateway, GatewayError> {
        let room = Arc::new(Room {
            media,
            limits,
            books: Mutex::default(),
            connections: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let listening = Listening::start(&room, &handle)?;
        Ok(Gateway { room, handle, state: Mutex::new(State::Listening(listening)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`GatewayError::Closed`] after [`shutdown`](Gateway::shutdown), or when the last rebind found no port.
    pub fn address(&self) -> Result<SocketAddr, GatewayError> {
        match &*self.state() {
            State::Listening(listening) => Ok(listening.address),
            State::Deaf | State::Closed => Err(GatewayError::Closed),
        }
    }

    /// The address under which a player reads `key`: the file, or for HLS a playlist over it. Good until the next
    /// [`rebind`](Gateway::rebind), or until some 4,096 others were used since it was. Makes `key` reachable; whoever knows the address can read it, so it belongs in no log.
    ///
    /// # Errors
    /// [`GatewayError::Unknown`] for a rendition that was not registered, [`GatewayError::Closed`] after the end.
    pub fn url(&self, key: &MediaKey) -> Result<String, GatewayError> {
        let origin = self.room.media.origin(key).ok_or(GatewayError::Unknown)?;
        let state = self.state();
        let State::Listening(now) = &*state else { return Err(GatewayError::Closed) };
        let mut books = self.room.books();
        let id = match books.ids.get(key) {
            Some(id) => *id,
            None => {
                let id = Token::random()?;
                books.name(key, id);
                id
            }
        };
        let name = match origin.container {
            Container::Hls => request::PLAYLIST,
            Container::Mp4 | Container::Fmp4 => request::FILE,
        };
        Ok(format!("http://{}/{}/{id}/{name}", now.address, now.token))
    }

    /// Makes `key` unreachable and ends what is being read of it. A later [`url`](Gateway::url) gives a new address.
    pub fn revoke(&self, key: &MediaKey) {
        let mut books = self.room.books();
        if let Some(id) = books.ids.remove(key) {
            books.keys.remove(&id);
        }
        books.unwatched.remove(key);
        let readers = books.readers_of(key);
        drop(books);
        readers.iter().for_each(|reader| reader.interrupt());
    }

    /// Says whether somebody watches `key`, for its readers of now and later. A key begins watched; what a player only
    /// prepares should not be, for then its reads outrank nobody and look one block ahead.
    pub fn set_watched(&self, key: &MediaKey, watched: bool) {
        let mut books = self.room.books();
        match watched {
            true => drop(books.unwatched.remove(key)),
            false => drop(books.unwatched.insert(key.clone(), (), |()| true)),
        }
        let readers = books.readers_of(key);
        drop(books);
        readers.iter().for_each(|reader| reader.set_watched(watched));
    }

    /// Listens anew, on another port and with another token: for after a suspension, in which a system may take listening
    /// sockets away. Old addresses answer nothing and their connections end; ask for addresses again.
    ///
    /// # Errors
    /// [`GatewayError::Bind`] or [`GatewayError::Random`]: nothing listens then, and rebinding may be tried again.
    /// [`GatewayError::Closed`] after [`shutdown`](Gateway::shutdown).
    pub fn rebind(&self) -> Result<(), GatewayError> {
        let mut state = self.state();
        // The old one goes first: without a successor its addresses must be dead too.
        match std::mem::replace(&mut *state, State::Deaf) {
            State::Listening(old) => drop(old.end()),
            State::Deaf => {}
            State::Closed => {
                *state = State::Closed;
                return Err(GatewayError::Closed);
            }
        }
        *state = State::Listening(Listening::start(&self.room, &self.handle)?);
        Ok(())
    }

    /// Ends everything: no connection is accepted, open ones are closed wherever they are, reads end. Waits for the
    /// connections at most `within`. Idempotent.
    pub async fn shutdown(&self, within: Duration) {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        let State::Listening(listening) = before else { return };
        if tokio::time::timeout(within, listening.end()).await.is_err() {
            tracing::warn!(target: "unspool::media", "gateway connections did not end in time");
        }
    }

    /// What it is doing and did.
    #[must_use]
    pub fn stats(&self) -> GatewayStats {
        GatewayStats {
            connections: self.room.connections.load(Ordering::Relaxed),
            readers: self.room.books().readers.len(),
            served: self.room.served.load(Ordering::Relaxed),
            refused: self.room.refused.load(Ordering::Relaxed),
        }
    }
}
