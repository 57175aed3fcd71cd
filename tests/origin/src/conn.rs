//! Connections of the main listener, counted at the socket.
//!
//! hyper buffers what a body yields, so a body cannot know what reached the socket. [`ConnIo`] does: it counts every byte
//! written, and hyper flushes it only when its own buffer is empty. A body yields one chunk, waits for the flush that
//! carried it, and only then yields the next; what is outstanding at the end is settled here. A connection can also be
//! ended from outside, with a reset or with an ordinary close.
//!
//! Over TLS the bytes are counted before they are encrypted. On an HTTP/2 connection several answers share the flushes, and
//! a chunk may wait for the client's window: a line of an answer that is cut short may then name up to one chunk too many.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use crate::access::Settled;
use crate::shaper::Shaper;

/// How a connection is ended from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a reset (RST): the peer sees "connection reset".
    Reset,
    /// With an ordinary close (FIN): the peer sees the end of the stream.
    Close,
}

const OPEN: u8 = 0;
const RESET: u8 = 1;
const CLOSE: u8 = 2;

/// What is known about one connection.
pub struct Conn {
    number: u64,
    tls: bool,
    used: AtomicBool,
    ending: AtomicU8,
    /// Wakes the connection's task, whichever part of it waits.
    task: AtomicWaker,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    written: u64,
    flushes: u64,
    gone: bool,
    waiting: Vec<(Mark, Settled)>,
    /// Bodies that wait for the next flush: one, or with HTTP/2 several.
    flushed: Vec<Waker>,
}

/// A point in a connection's stream of bytes: a chunk of `len` bytes was yielded here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    flushes: u64,
    written: u64,
    len: u64,
}

impl Conn {
    /// A connection that was just accepted; its number is the next of this process.
    pub(crate) fn new(tls: bool) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Conn {
            number: COUNT.fetch_add(1, Ordering::Relaxed) + 1,
            tls,
            used: AtomicBool::new(false),
            ending: AtomicU8::new(OPEN),
            task: AtomicWaker::new(),
            progress: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number within this process, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// True once: for the request that opened the connection.
    #[must_use]
    pub fn is_first_request(&self) -> bool {
        !self.used.swap(true, Ordering::Relaxed)
    }

    /// Ends the connection; the first call decides how.
    pub fn end(&self, ending: Ending) {
        let value = match ending {
            Ending::Reset => RESET,
            Ending::Close => CLOSE,
        };
        let _ = self.ending.compare_exchange(OPEN, value, Ordering::AcqRel, Ordering::Acquire);
        self.task.wake();
        let waiting = std::mem::take(&mut self.lock().flushed);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether [`Conn::end`] was called.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ending.load(Ordering::Acquire) != OPEN
    }

    /// Marks that `len` bytes are yielded to hyper now.
    #[must_use]
    pub fn mark(&self, len: u64) -> Mark {
        let progress = self.lock();
        Mark { flushes: progress.flushes, written: progress.written, len }
    }

    /// Waits until everything up to `mark` was handed to the socket. Never resolves on a connection that is gone; its
    /// task is dropped then.
    pub async fn handed_over(&self, mark: Mark) {
        std::future::poll_fn(|cx| {
            let mut progress = self.lock();
            if progress.flushes > mark.flushes {
                return Poll::Ready(());
            }
            if !progress.flushed.iter().any(|known| known.will_wake(cx.waker())) {
                progress.flushed.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Closes an exchange: its last chunk is settled by the next flush, or by the end of the connection.
    pub fn settle(&self, mark: Mark, settled: Settled) {
        let now = {
            let mut progress = self.lock();
            if progress.flushes > mark.flushes {
                Some((mark.len, settled))
            } else if progress.gone {
                Some((progress.part_of(mark), settled))
            } else {
                progress.waiting.push((mark, settled));
                None
            }
        };
        if let Some((last_chunk, settled)) = now {
            settled.finish(last_chunk);
        }
    }

    fn on_flush(&self) {
        let (done, waiting) = {
            let mut progress = self.lock();
            progress.flushes += 1;
            (std::mem::take(&mut progress.waiting), std::mem::take(&mut progress.flushed))
        };
        waiting.into_iter().for_each(Waker::wake);
        for (mark, settled) in done {
            settled.finish(mark.len);
        }
    }

    fn on_gone(&self) {
        let done: Vec<_> = {
            let mut progress = self.lock();
            progress.gone = true;
            let waiting = std::mem::take(&mut progress.waiting);
            waiting.into_iter().map(|(mark, settled)| (progress.part_of(mark), settled)).collect()
        };
        for (part, settled) in done {
            settled.finish(part);
        }
    }
}

impl Progress {
    fn part_of(&self, mark: Mark) -> u64 {
        self.written.saturating_sub(mark.written).min(mark.len)
    }
}

/// What bytes go through.
enum Pipe {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Pipe {
    fn socket(&self) -> &TcpStream {
        match self {
            Pipe::Plain(stream) => stream,
            Pipe::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// The socket, counted and endable.
pub struct ConnIo {
    pipe: Pipe,
    conn: Arc<Conn>,
}

impl ConnIo {
    /// A connection whose handshake is done.
    pub(crate) fn over_tls(stream: TlsStream<TcpStream>, conn: Arc<Conn>) -> Self {
        ConnIo { pipe: Pipe::Tls(Box::new(stream)), conn }
    }

    pub(crate) fn conn(&self) -> Arc<Conn> {
        self.conn.clone()
    }

    /// Registers the task and says whether the connection was ended from this side.
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.conn.task.register(cx.waker());
        match self.conn.ending.load(Ordering::Acquire) {
            OPEN => Ok(()),
            RESET => {
                self.pipe.socket().set_zero_linger()?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn count(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &result {
            self.conn.lock().written += *written as u64;
        }
        result
    }
}

impl AsyncRead for ConnIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        match &mut self.pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Pipe::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ConnIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let result = match &mut self.pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Pipe::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.count(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let result = match &mut self.pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Pipe::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.count(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.pipe {
            Pipe::Plain(stream) => stream.is_write_vectored(),
            Pipe::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let result = match &mut self.pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Pipe::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        if matches!(result, Poll::Ready(Ok(()))) {
            self.conn.on_flush();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.pipe {
            Pipe::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Pipe::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Drop for ConnIo {
    fn drop(&mut self) {
        if self.conn.ending.load(Ordering::Acquire) == RESET {
            let _ = self.pipe.socket().set_zero_linger();
        }
        self.conn.on_gone();
    }
}

/// Accepts connections unless the network is down.
pub struct ConnListener {
    listener: TcpListener,
    shaper: Arc<Shaper>,
}

impl ConnListener {
    /// Wraps a bound listener.
    #[must_use]
    pub fn new(listener: TcpListener, shaper: Arc<Shaper>) -> Self {
        ConnListener { listener, shaper }
    }
}

impl Listener for ConnListener {
    type Io = ConnIo;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ConnIo, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            let _ = stream.set_nodelay(true);
            let conn = Arc::new(Conn::new(false));
            if self.shaper.admit(&conn) {
                return (ConnIo { pipe: Pipe::Plain(stream), conn }, address);
            }
            let _ = stream.set_zero_linger();
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// The connection a request came on, as a request extension.
#[derive(Clone)]
pub struct ConnInfo(pub Arc<Conn>);

impl Connected<IncomingStream<'_, ConnListener>> for ConnInfo {
    fn connect_info(stream: IncomingStream<'_, ConnListener>) -> Self {
        ConnInfo(stream.io().conn())
    }
}
