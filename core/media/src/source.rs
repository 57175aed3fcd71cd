//! What a player sees of the bytes: a sized, random-access source whose waits can be ended from outside.

use std::time::Duration;

/// Random access to one rendition whose bytes may still be arriving.
///
/// Shape: every method takes `&self`; implementations are shared between the streaming thread that reads and the
/// threads that interrupt. Waiting: only [`read_at`](ByteSource::read_at) may block, never past its deadline.
pub trait ByteSource: Send + Sync + std::fmt::Debug {
    /// Exact length in bytes.
    fn size(&self) -> u64;

    /// Copies bytes from `offset` into `buf` and says how many, waiting until at least one is there.
    ///
    /// Answers 0 only at or past the end. Waiting promotes the fetch of the missing range to playback priority.
    ///
    /// # Errors
    /// [`ReadError::Interrupted`] after [`interrupt`](ByteSource::interrupt), [`ReadError::TimedOut`] after
    /// `deadline`, [`ReadError::Failed`] when the bytes cannot be had.
    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError>;

    /// Copies bytes from `offset` that can be had without waiting for anything, a disk or a lock included, and says how
    /// many: for callers on a thread that must not block. `None` says nothing about the bytes: read them with
    /// [`read_at`](ByteSource::read_at).
    fn read_now(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let _ = (offset, buf);
        None
    }

    /// Number of bytes that can be read from `offset` without waiting.
    fn available_from(&self, offset: u64) -> u64;

    /// Ends every wait at once and makes later reads answer `Interrupted` until [`resume`](ByteSource::resume).
    fn interrupt(&self);

    /// Lets reads wait again.
    fn resume(&self);

    /// Says whether somebody watches. While nobody does (the card is pre-rolled or parked), reads bring only what they
    /// need and outrank nobody. A source begins watched; one that fetches nothing need not care.
    fn set_watched(&self, watched: bool) {
        let _ = watched;
    }

    /// Says that the first picture is on show. Until then nothing is fetched that it does not need; a source without parts
    /// to fetch ahead need not care. Called from a streaming thread; returns at once.
    fn set_started(&self) {}
}

/// Why a read gave no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The reader was interrupted on purpose.
    #[error("read interrupted")]
    Interrupted,
    /// Nothing arrived before the deadline.
    #[error("no byte arrived before the deadline")]
    TimedOut,
    /// The bytes cannot be had; the reason names the cause.
    #[error("bytes unavailable: {reason}")]
    Failed {
        /// What went wrong, without personal data.
        reason: String,
        /// Whether trying again later may help.
        retryable: bool,
    },
}
