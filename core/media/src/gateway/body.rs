//! A body that follows the store.
//!
//! What the system holds in memory is copied right where the connection is served: a hop to another thread and back costs
//! more than the copy, and with one reader it was most of the time between two pieces. What has to be waited for, be it for
//! a disk, a checksum or the network, is read on a blocking thread, one piece ahead of the one being written.
//!
//! The server polls for a piece only when it has room, so a reader that stops taking bytes stops the reads, and with
//! them the demand at the fetcher. Dropping the body ends a read that waits.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use unspool_engine::{MediaKey, Span};

use super::Room;
use super::spares::Spares;
use crate::source::{ByteSource, ReadError};
use crate::tasks;

/// Bytes per piece. 128 KiB: two checksum blocks, so that a system call costs little beside the copy, and copied out again
/// from where the processor has them at hand.
const PIECE: u64 = 128 * 1024;
/// Smallest piece asked for where bytes have to be waited for: one checksum block.
const WAITED: u64 = 64 * 1024;

/// A source in use by one answer; told about whoever watches, interrupted when the answer is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    room: Arc<Room>,
    source: Arc<dyn ByteSource>,
    number: u64,
}

impl Lease {
    pub(super) fn new(room: &Arc<Room>, key: &MediaKey, source: Arc<dyn ByteSource>) -> Self {
        let mut books = room.books();
        source.set_watched(books.unwatched.peek(key).is_none());
        books.next_reader += 1;
        let number = books.next_reader;
        books.readers.insert(number, (key.clone(), Arc::downgrade(&source)));
        drop(books);
        Lease { room: room.clone(), source, number }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.room.books().readers.remove(&self.number);
        self.source.interrupt();
    }
}

/// Bytes on their way to a reader.
#[derive(Debug)]
pub(super) struct Pieces {
    lease: Lease,
    /// What is still to be read, the piece under way excluded.
    rest: Span,
    /// What is still to be given to the server.
    left: u64,
    ready: Option<Bytes>,
    under_way: Option<JoinHandle<Result<Bytes, ReadError>>>,
    /// Whether the last piece had to be waited for; the next one is begun early then.
    waits: bool,
    patience: Duration,
    spares: Spares,
}

impl Pieces {
    /// The bytes of `span`, which is within the source. Waits for the first of them, so that what cannot be had is
    /// a status and no broken body.
    pub(super) async fn open(
        lease: Lease,
        span: Span,
        patience: Duration,
        spares: Spares,
    ) -> Result<Pieces, ReadError> {
        let mut pieces = Pieces {
            lease,
            rest: span,
            left: span.len(),
            ready: None,
            under_way: None,
            waits: false,
            patience,
            spares,
        };
        pieces.read_now();
        if pieces.ready.is_none() {
            let first = pieces.read().await.unwrap_or(Err(ReadError::Interrupted))?;
            pieces.take(first)?;
        }
        Ok(pieces)
    }

    /// Readies the next piece if it can be had without waiting.
    fn read_now(&mut self) {
        let mut buffer = self.spares.take(self.rest.len().min(PIECE));
        match self.lease.source.read_now(self.rest.start, &mut buffer) {
            Some(got) if got > 0 => {
                self.rest.start += got as u64;
                self.ready = Some(self.spares.lend(buffer, got));
                self.waits = false;
            }
            _ => self.spares.put(buffer),
        }
    }

    fn read(&self) -> JoinHandle<Result<Bytes, ReadError>> {
        let (source, rest, patience) = (self.lease.source.clone(), self.rest, self.patience);
        let spares = self.spares.clone();
        tasks::spawn_blocking(move || {
            let room = rest.len().min(PIECE).min(source.available_from(rest.start).max(WAITED));
            let mut piece = spares.take(room);
            let got = source.read_at(rest.start, &mut piece, patience)?;
            Ok(spares.lend(piece, got))
        })
    }

    /// Moves on by a piece that was waited for; an empty one would be the end of a file that is shorter than it said.
    fn take(&mut self, piece: Bytes) -> Result<(), ReadError> {
        if piece.is_empty() {
            return Err(ReadError::Failed { reason: "the file ended early".to_owned(), retryable: true });
        }
        self.rest.start += piece.len() as u64;
        self.ready = Some(piece);
        self.waits = true;
        Ok(())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if self.ready.is_none() && self.under_way.is_none() {
            self.read_now();
        }
        let piece = loop {
            if let Some(piece) = self.ready.take() {
                break piece;
            }
            let mut read = self.under_way.take().unwrap_or_else(|| self.read());
            let Poll::Ready(done) = Pin::new(&mut read).poll(cx) else {
                self.under_way = Some(read);
                return Poll::Pending;
            };
            if let Err(error) = done.unwrap_or(Err(ReadError::Interrupted)).and_then(|piece| self.take(piece))
            {
                return Poll::Ready(Some(Err(error)));
            }
        };
        self.left -= piece.len() as u64;
        if self.waits && !self.rest.is_empty() {
            self.read_now();
            if self.ready.is_none() {
                self.under_way = Some(self.read());
            }
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

/// The body of any answer.
#[derive(Debug)]
pub(super) enum Reply {
    /// A short text or nothing.
    Text(Option<Bytes>),
    /// Bytes of the store.
    Pieces(Box<Pieces>),
}

impl Reply {
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        Reply::Text((!text.is_empty()).then_some(text))
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        let piece = match &mut *self {
            Reply::Text(text) => Poll::Ready(text.take().map(Ok)),
            Reply::Pieces(pieces) => pieces.poll_piece(cx),
        };
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Reply::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            Reply::Pieces(pieces) => pieces.left,
        })
    }
}
