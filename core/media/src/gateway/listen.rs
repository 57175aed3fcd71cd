//! The listening socket and its connections: how many, how long, and how they end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::answer::answer;
use super::request::Identity;
use super::spares::Spares;
use super::token::Token;
use super::{GatewayError, Room};
use crate::impatient::Impatient;
use crate::tasks;

/// Connections the system may hold ready before they are accepted.
const BACKLOG: u32 = 64;
/// Bytes the kernel may hold of what a reader has not taken: two pieces. Left to itself it would grow to megabytes over
/// loopback, and a paused player would keep the fetcher busy that far ahead.
const SEND_BUFFER: u32 = 256 * 1024;
/// Bytes of a request's head, and of what is gathered before writing. Players send under 1 KiB.
const HEAD: usize = 16 * 1024;
/// Header fields of a request. Players send about ten.
const FIELDS: usize = 64;
/// Pause after a failed accept: descriptors may be short, or the system took the socket away; trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound socket with its token. Ends when dropped.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    pub(super) token: Token,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    pub(super) fn start(room: &Arc<Room>, handle: &Handle) -> Result<Listening, GatewayError> {
        let token = Token::random()?;
        let _entered = handle.enter();
        let listener = bind().map_err(GatewayError::Bind)?;
        let address = listener.local_addr().map_err(GatewayError::Bind)?;
        let (stop, stopped) = watch::channel(false);
        let identity = Identity { port: address.port(), token };
        let task = tasks::spawn_on(handle, accept(room.clone(), identity, listener, stopped));
        Ok(Listening { address, token, stop, task })
    }

    /// Closes the socket and every connection; the answer completes when they are closed.
    pub(super) fn end(self) -> JoinHandle<()> {
        self.stop.send_replace(true);
        self.task
    }
}

fn bind() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Accepted sockets take this over.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(BACKLOG)
}

/// Accepts until told to stop, or until nobody is left who could tell.
async fn accept(room: Arc<Room>, identity: Identity, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut open: BTreeMap<u64, (Arc<AtomicBool>, AbortHandle)> = BTreeMap::new();
    let mut next = 0u64;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                open.retain(|_, (_, task)| !task.is_finished());
                if open.len() >= room.limits.connections && !make_room(&mut open) {
                    // Everyone here has the token and is being served; the newcomer has to try again.
                    drop(stream);
                    continue;
                }
                next += 1;
                let known = Arc::new(AtomicBool::new(false));
                let task = tasks.spawn(serve(room.clone(), identity, known.clone(), stream));
                open.insert(next, (known, task));
            }
            Err(error) => {
                tracing::debug!(target: "unspool::media", %error, "the gateway could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.shutdown().await;
}

/// Ends the oldest connection that never showed the token; whether there was one.
fn make_room(open: &mut BTreeMap<u64, (Arc<AtomicBool>, AbortHandle)>) -> bool {
    let stranger =
        open.iter().find(|(_, (known, _))| !known.load(Ordering::Relaxed)).map(|(number, _)| *number);
    let Some((_, task)) = stranger.and_then(|number| open.remove(&number)) else { return false };
    task.abort();
    true
}

/// Counts a connection while it is open.
struct Counted(Arc<Room>);

impl Counted {
    fn new(room: &Arc<Room>) -> Self {
        room.connections.fetch_add(1, Ordering::Relaxed);
        Counted(room.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve(room: Arc<Room>, identity: Identity, known: Arc<AtomicBool>, stream: TcpStream) {
    let _counted = Counted::new(&room);
    // Heads and ends of bodies are small and waited for.
    let _ = stream.set_nodelay(true);
    let limits = room.limits.clone();
    let spares = Spares::default();
    let service = service_fn(move |request: Request<Incoming>| {
        let answered = answer(room.clone(), identity, known.clone(), spares.clone(), request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let io = TokioIo::new(Impatient::new(stream, limits.stall_timeout));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(target: "unspool::media", %error, "a gateway connection ended early");
    }
}
