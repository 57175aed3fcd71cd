//! A fragmented file for a demuxer that need not wait for its end.
//!
//! Before the first fragment a demuxer reads the last 16 bytes, where a random access index (`mfra`) tells its length, and
//! does without an index when there is none. Of a file that is still arriving that look would cost a round trip before
//! the first picture, so while those bytes are not here they read as zeros, which is no index. Only that first look is
//! answered so: whoever reads there later wants what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::source::{ByteSource, ReadError};

/// Length of the box that ends an index (`mfro`).
const LAST: u64 = 16;

/// A source whose end may be missing.
#[derive(Debug)]
pub(crate) struct Untailed<S: ?Sized> {
    source: Arc<S>,
    looked: AtomicBool,
}

impl<S: ByteSource + ?Sized> Untailed<S> {
    pub(crate) fn new(source: Arc<S>) -> Self {
        Untailed { source, looked: AtomicBool::new(false) }
    }

    /// Whether `offset` is the box at the end, nobody looked there yet, and it is not here.
    fn is_missing_end(&self, offset: u64) -> bool {
        let size = self.source.size();
        size >= LAST
            && offset == size - LAST
            && !self.looked.load(Ordering::Relaxed)
            && self.source.available_from(offset) < LAST
    }
}

impl<S: ByteSource + ?Sized> ByteSource for Untailed<S> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError> {
        if buf.len() as u64 == LAST && self.is_missing_end(offset) {
            self.looked.store(true, Ordering::Relaxed);
            buf.fill(0);
            return Ok(buf.len());
        }
        self.source.read_at(offset, buf, deadline)
    }

    fn available_from(&self, offset: u64) -> u64 {
        if self.is_missing_end(offset) { LAST } else { self.source.available_from(offset) }
    }

    fn interrupt(&self) {
        self.source.interrupt();
    }

    fn resume(&self) {
        self.source.resume();
    }

    fn set_watched(&self, watched: bool) {
        self.source.set_watched(watched);
    }

    fn set_started(&self) {
        self.source.set_started();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 bytes of ones, of which the first `held` are here.
    #[derive(Debug)]
    struct Part {
        held: u64,
    }

    impl ByteSource for Part {
        fn size(&self) -> u64 {
            100
        }

        fn read_at(&self, offset: u64, buf: &mut [u8], _deadline: Duration) -> Result<usize, ReadError> {
            if self.available_from(offset) == 0 {
                return Err(ReadError::TimedOut);
            }
            buf.fill(1);
            Ok(buf.len())
        }

        fn available_from(&self, offset: u64) -> u64 {
            self.held.saturating_sub(offset)
        }

        fn interrupt(&self) {}

        fn resume(&self) {}
    }

    fn read(source: &Untailed<Part>, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![9; length];
        source.read_at(offset, &mut bytes, Duration::ZERO).map(|_| bytes)
    }

    #[test]
    fn only_the_first_look_at_a_missing_end_finds_nothing() {
        let source = Untailed::new(Arc::new(Part { held: 50 }));
        assert_eq!(read(&source, 83, 16), Err(ReadError::TimedOut));
        assert_eq!(read(&source, 84, 8), Err(ReadError::TimedOut), "another look than the demuxer's");
        assert_eq!((source.available_from(84), source.available_from(85)), (16, 0));
        assert_eq!(read(&source, 84, 16), Ok(vec![0; 16]));
        assert_eq!(source.available_from(84), 0);
        assert_eq!(read(&source, 84, 16), Err(ReadError::TimedOut), "now somebody wants it");
    }

    #[test]
    fn an_end_that_is_here_is_read() {
        assert_eq!(read(&Untailed::new(Arc::new(Part { held: 100 })), 84, 16), Ok(vec![1; 16]));
    }
}
