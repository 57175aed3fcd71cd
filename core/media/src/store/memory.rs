//! Bytes that the disk would not take, kept in memory for the reader that waits for them.
//!
//! Two bounds: one per rendition, so that one player cannot push out what another is about to read, and one over the
//! whole store. The oldest piece goes first in both. Pieces are numbered across the store; the store remembers their
//! order and holds their entries weakly, so that a piece can be dropped without its entry's help.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use unspool_engine::Span;

use super::entry::{Entry, index_of};
use super::spans::SpanSet;

/// Bytes kept per rendition: the read-ahead of one player (512 KiB by default) four times over.
const PER_ENTRY: u64 = 2 * 1024 * 1024;
/// Bytes kept over all renditions: those of four players, one more than play at once by default.
const IN_ALL: u64 = 8 * 1024 * 1024;
/// Pieces kept over all renditions, so that tiny ones cannot cost more than their bytes: of the usual 64 KiB they
/// would be 256 MiB.
const PIECES: usize = 4096;

/// What is kept over all entries.
#[derive(Debug, Default)]
pub(super) struct Memory {
    bytes: Arc<AtomicU64>,
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    next: u64,
    pieces: VecDeque<(u64, Weak<Entry>)>,
}

impl Memory {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty set of pieces for one entry.
    pub(super) fn pieces(&self) -> Pieces {
        Pieces { pieces: VecDeque::new(), bytes: 0, total: self.bytes.clone() }
    }

    /// Bytes kept at this moment.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A number for a piece of `entry`, in the order of all.
    pub(super) fn number(&self, entry: &Arc<Entry>) -> u64 {
        let mut order = self.order();
        order.next += 1;
        let number = order.next;
        order.pieces.push_back((number, Arc::downgrade(entry)));
        number
    }

    /// Drops the oldest pieces until the bounds are kept. Not with an entry's lock in hand.
    pub(super) fn shed(&self) {
        loop {
            let oldest = {
                let mut order = self.order();
                if self.bytes() <= IN_ALL && order.pieces.len() <= PIECES {
                    return;
                }
                order.pieces.pop_front()
            };
            let Some((number, entry)) = oldest else { return };
            if let Some(entry) = entry.upgrade() {
                entry.lock().memory.drop_up_to(number);
            }
        }
    }
}

/// The pieces of one entry, oldest first.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: VecDeque<Piece>,
    bytes: u64,
    total: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Piece {
    number: u64,
    start: u64,
    bytes: Bytes,
}

impl Piece {
    fn span(&self) -> Span {
        Span::new(self.start, self.start + self.bytes.len() as u64)
    }
}

impl Pieces {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn push(&mut self, number: u64, start: u64, bytes: Bytes) {
        self.count(bytes.len() as u64, true);
        self.pieces.push_back(Piece { number, start, bytes });
        while self.bytes > PER_ENTRY {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.count(piece.bytes.len() as u64, false);
        }
    }

    fn count(&mut self, bytes: u64, added: bool) {
        if added {
            self.bytes += bytes;
            self.total.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.bytes -= bytes;
            self.total.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn drop_up_to(&mut self, number: u64) {
        while self.pieces.front().is_some_and(|piece| piece.number <= number) {
            self.pop();
        }
    }

    pub(super) fn clear(&mut self) {
        self.drop_up_to(u64::MAX);
    }

    /// Drops every piece that has a byte in `span`.
    pub(super) fn remove(&mut self, span: Span) {
        let before = self.bytes;
        self.pieces.retain(|piece| piece.start >= span.end || piece.span().end <= span.start);
        let after: u64 = self.pieces.iter().map(|piece| piece.bytes.len() as u64).sum();
        self.count(before - after, false);
    }

    pub(super) fn add_to(&self, spans: &mut SpanSet) {
        self.pieces.iter().for_each(|piece| spans.insert(piece.span()));
    }

    /// Copies bytes from `offset`; 0 when the first of them is not here.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        for piece in &self.pieces {
            if offset >= piece.start && offset < piece.span().end {
                let from = &piece.bytes[index_of(offset - piece.start)..];
                let count = from.len().min(buf.len());
                buf[..count].copy_from_slice(&from[..count]);
                return count;
            }
        }
        0
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.clear();
    }
}
