//! Buffers of a connection, used again: a fresh one would be cleared, and its memory mapped, for every piece.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Buffers kept: the piece being written and the one being read.
const KEPT: usize = 2;

/// The buffers of one connection. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Spares(Arc<Mutex<Vec<Bytes>>>);

impl Spares {
    fn kept(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `length` bytes; what is in it is left over from earlier and to be written over.
    pub(super) fn take(&self, length: u64) -> BytesMut {
        let length = usize::try_from(length).unwrap_or(0);
        let mut kept = self.kept();
        for at in 0..kept.len() {
            // One that the server is still writing has another owner.
            match kept.swap_remove(at).try_into_mut() {
                Ok(mut buffer) if buffer.capacity() >= length => {
                    buffer.resize(length, 0);
                    return buffer;
                }
                Ok(_) => break,
                Err(lent) => {
                    kept.push(lent);
                    let last = kept.len() - 1;
                    kept.swap(at, last);
                }
            }
        }
        drop(kept);
        BytesMut::zeroed(length)
    }

    /// The first `length` bytes of `buffer`, which comes back when they are written.
    pub(super) fn lend(&self, mut buffer: BytesMut, length: usize) -> Bytes {
        buffer.truncate(length);
        let lent = buffer.freeze();
        self.keep(lent.clone());
        lent
    }

    /// Gives back what was not used.
    pub(super) fn put(&self, buffer: BytesMut) {
        self.keep(buffer.freeze());
    }

    fn keep(&self, buffer: Bytes) {
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_it_is_written_and_no_sooner() {
        let spares = Spares::default();
        let mut buffer = spares.take(1000);
        buffer.fill(1);
        let place = buffer.as_ptr();
        let lent = spares.lend(buffer, 700);
        assert_eq!(lent.len(), 700);
        let other = spares.take(1000);
        assert_ne!(other.as_ptr(), place, "the first is being written");
        assert_eq!(lent, vec![1; 700]);
        drop(lent);
        let again = spares.take(900);
        assert_eq!((again.as_ptr(), again.len()), (place, 900));
        assert!(spares.take(2000).len() == 2000 && spares.kept().is_empty());
    }

    #[test]
    fn no_more_are_kept_than_are_in_use() {
        let spares = Spares::default();
        let lent: Vec<Bytes> = (0..5).map(|_| spares.lend(spares.take(10), 10)).collect();
        assert_eq!(spares.kept().len(), KEPT);
        drop(lent);
        spares.put(spares.take(10));
        assert_eq!(spares.kept().len(), KEPT);
    }
}
