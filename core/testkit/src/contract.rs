//! What every byte source promises, as checks that any implementation can run.
//!
//! Two suites: one over a source whose bytes can all be had, one over a source whose bytes stop arriving at an
//! offset. Time limits are generous against slow machines and small against a wait that nobody ends.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use unspool_media::{ByteSource, ReadError};

/// Longer than any read of a healthy source takes, in a debug build on a busy machine.
const AMPLE: Duration = Duration::from_secs(20);
/// "At once" for a wake-up: far above scheduling noise, far below the deadlines the reads are given.
const PROMPT: Duration = Duration::from_secs(2);

/// `len` bytes in which every window of eight bytes is different, so that misplaced bytes show.
#[must_use]
pub fn pattern(len: usize) -> Vec<u8> {
    let words = len.div_ceil(8) as u64;
    (0..words)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_le_bytes())
        .take(len)
        .collect()
}

/// Checks sizes, short reads, the end, interruption and concurrent readers over sources whose bytes can all be had.
///
/// # Panics
/// When a promise is broken; the panic says which.
pub fn byte_source_contract(make: impl Fn(Vec<u8>) -> Arc<dyn ByteSource>) {
    sizes_and_ends(&make);
    reads_give_the_right_bytes(&make);
    interruption_lasts_until_resume(&make);
    concurrent_readers_agree(&make);
}

/// Checks waits over sources whose bytes at or past the given offset never arrive.
///
/// # Panics
/// When a promise is broken; the panic says which.
pub fn byte_source_waiting_contract(make: impl Fn(Vec<u8>, u64) -> Arc<dyn ByteSource>) {
    a_deadline_ends_a_wait(&make);
    interrupt_wakes_a_blocked_read(&make);
    bytes_before_the_stall_are_served(&make);
}

/// Reads `offset..offset + len` (or up to the end) however short the single reads are.
fn read_range(source: &dyn ByteSource, offset: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let mut got = 0;
    while got < len {
        match source.read_at(offset + got as u64, &mut out[got..], AMPLE) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) => panic!("a read at {} failed: {error}", offset + got as u64),
        }
    }
    out.truncate(got);
    out
}

fn sizes_and_ends(make: &impl Fn(Vec<u8>) -> Arc<dyn ByteSource>) {
    for len in [1usize, 7, 65_536, 65_537, 300_001] {
        let source = make(pattern(len));
        let size = source.size();
        assert_eq!(size, len as u64, "size() is the exact length");
        let mut buf = [0u8; 16];
        for past in [size, size + 1, size + 1_000_000, u64::MAX] {
            assert_eq!(source.read_at(past, &mut buf, AMPLE), Ok(0), "a read at {past} of {size} answers 0");
            assert_eq!(source.available_from(past), 0, "nothing is available past the end");
        }
        assert_eq!(source.read_at(size - 1, &mut buf, AMPLE), Ok(1), "a read over the end is cut at the end");
        assert_eq!(source.read_at(0, &mut [], AMPLE), Ok(0), "an empty buffer reads nothing");
    }
}

fn reads_give_the_right_bytes(make: &impl Fn(Vec<u8>) -> Arc<dyn ByteSource>) {
    let bytes = pattern(400_003);
    let source = make(bytes.clone());
    for (offset, len) in
        [(0usize, 10usize), (399_000, 5_000), (65_530, 20), (131_072, 65_536), (200_000, 1), (0, 400_003)]
    {
        let end = (offset + len).min(bytes.len());
        assert!(
            read_range(&*source, offset as u64, len) == bytes[offset..end],
            "bytes {offset}..{end} are right"
        );
        let available = source.available_from(offset as u64);
        assert!(
            available >= (end - offset) as u64,
            "bytes just read are available: {available} from {offset}"
        );
        assert!(available <= (bytes.len() - offset) as u64, "availability never passes the end");
    }
}

fn interruption_lasts_until_resume(make: &impl Fn(Vec<u8>) -> Arc<dyn ByteSource>) {
    let bytes = pattern(1_000);
    let source = make(bytes.clone());
    assert!(read_range(&*source, 0, 1_000) == bytes, "bytes are right before an interruption");
    source.interrupt();
    source.interrupt();
    let mut buf = [0u8; 8];
    for _ in 0..2 {
        let answer = source.read_at(0, &mut buf, AMPLE);
        assert_eq!(answer, Err(ReadError::Interrupted), "an interrupted source answers no read");
    }
    source.resume();
    assert!(read_range(&*source, 0, 1_000) == bytes, "bytes are right after an interruption");
}

fn concurrent_readers_agree(make: &impl Fn(Vec<u8>) -> Arc<dyn ByteSource>) {
    let bytes = Arc::new(pattern(500_000));
    let source = make(bytes.to_vec());
    let readers: Vec<_> = (0..4usize)
        .map(|reader| {
            let (source, bytes) = (source.clone(), bytes.clone());
            thread::spawn(move || {
                let step = 10_007 + reader * 4_099;
                let mut offset = reader * 90_000;
                for _ in 0..60 {
                    let end = (offset + step).min(bytes.len());
                    assert!(
                        read_range(&*source, offset as u64, step) == bytes[offset..end],
                        "reader {reader} got right bytes at {offset}"
                    );
                    offset = (offset + step * 3) % bytes.len();
                }
            })
        })
        .collect();
    for reader in readers {
        assert!(reader.join().is_ok(), "a concurrent reader failed");
    }
}

fn a_deadline_ends_a_wait(make: &impl Fn(Vec<u8>, u64) -> Arc<dyn ByteSource>) {
    let source = make(pattern(200_000), 100_000);
    let mut buf = [0u8; 64];
    for wait in [Duration::ZERO, Duration::from_millis(60)] {
        let began = Instant::now();
        assert_eq!(
            source.read_at(150_000, &mut buf, wait),
            Err(ReadError::TimedOut),
            "a wait ends at its deadline"
        );
        let took = began.elapsed();
        assert!(took >= wait && took < wait + PROMPT, "a wait of {wait:?} took {took:?}");
    }
}

fn interrupt_wakes_a_blocked_read(make: &impl Fn(Vec<u8>, u64) -> Arc<dyn ByteSource>) {
    let source = make(pattern(200_000), 100_000);
    for _ in 0..3 {
        let (started, has_started) = mpsc::channel();
        let blocked = source.clone();
        let reader = thread::spawn(move || {
            let _ = started.send(());
            let answer = blocked.read_at(120_000, &mut [0u8; 64], AMPLE);
            (answer, Instant::now())
        });
        assert!(has_started.recv().is_ok(), "the reader thread runs");
        // Whether the read already waits or comes just after, the answer must be the same and come at once.
        thread::yield_now();
        let woken = Instant::now();
        source.interrupt();
        match reader.join() {
            Ok((answer, ended)) => {
                assert_eq!(answer, Err(ReadError::Interrupted), "a blocked read answers Interrupted");
                let took = ended.saturating_duration_since(woken);
                assert!(took < PROMPT, "an interrupted read came back after {took:?}");
            }
            Err(_) => panic!("the blocked reader failed"),
        }
        source.resume();
    }
}

fn bytes_before_the_stall_are_served(make: &impl Fn(Vec<u8>, u64) -> Arc<dyn ByteSource>) {
    let bytes = pattern(200_000);
    let source = make(bytes.clone(), 100_000);
    assert!(read_range(&*source, 0, 90_000) == bytes[..90_000], "bytes before the stall are right");
    assert!(source.available_from(0) >= 90_000, "bytes before the stall are available");
    assert!(source.available_from(0) <= 100_000, "bytes past the stall are not available");
}
