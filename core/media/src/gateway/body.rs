//! A body that follows the store: pieces are read on a blocking thread, one ahead of the one being written.
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
use crate::source::{ByteSource, ReadError};

/// Bytes per piece. 128 KiB: two checksum blocks, so that hopping to a thread costs little beside the copy.
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
        source.set_watched(!books.unwatched.contains(key));
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
    patience: Duration,
}

impl Pieces {
    /// The bytes of `span`, which is within the source. Waits for the first of them, so that what cannot be had is
    /// a status and no broken body.
    pub(super) async fn open(lease: Lease, span: Span, patience: Duration) -> Result<Pieces, ReadError> {
        let mut pieces =
            Pieces { lease, rest: span, left: span.len(), ready: None, under_way: None, patience };
        let first = pieces.read().await.unwrap_or(Err(ReadError::Interrupted))?;
        pieces.take(&first)?;
        pieces.ready = Some(first);
        Ok(pieces)
    }

    fn read(&self) -> JoinHandle<Result<Bytes, ReadError>> {
        let (source, rest, patience) = (self.lease.source.clone(), self.rest, self.patience);
        tokio::task::spawn_blocking(move || {
            let room = rest.len().min(PIECE).min(source.available_from(rest.start).max(WAITED));
            let mut piece = vec![0; usize::try_from(room).unwrap_or(0)];
            let got = source.read_at(rest.start, &mut piece, patience)?;
            piece.truncate(got);
            Ok(piece.into())
        })
    }

    /// Moves on by a piece; an empty one would be the end of a file that is shorter than it said.
    fn take(&mut self, piece: &Bytes) -> Result<(), ReadError> {
        if piece.is_empty() {
            return Err(ReadError::Failed { reason: "the file ended early".to_owned(), retryable: true });
        }
        self.rest.start += piece.len() as u64;
        Ok(())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        let piece = match self.ready.take() {
            Some(piece) => piece,
            None if self.left == 0 => return Poll::Ready(None),
            None => {
                let mut read = self.under_way.take().unwrap_or_else(|| self.read());
                let Poll::Ready(done) = Pin::new(&mut read).poll(cx) else {
                    self.under_way = Some(read);
                    return Poll::Pending;
                };
                let taken = done.unwrap_or(Err(ReadError::Interrupted));
                match taken.and_then(|piece| self.take(&piece).map(|()| piece)) {
                    Ok(piece) => piece,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
        };
        self.left -= piece.len() as u64;
        if !self.rest.is_empty() {
            self.under_way = Some(self.read());
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
