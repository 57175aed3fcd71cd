//! The file source keeps the contract it will be used to judge, and its script does what it says.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use unspool_media::{ByteSource, ReadError};
use unspool_testkit::{FileSource, byte_source_contract, byte_source_waiting_contract, pattern};

const LONG: Duration = Duration::from_secs(20);

#[test]
fn file_source_keeps_the_contract() {
    byte_source_contract(|bytes| Arc::new(FileSource::from_bytes(&bytes).unwrap()));
}

#[test]
fn file_source_keeps_the_waiting_contract() {
    byte_source_waiting_contract(|bytes, stall| {
        let source = FileSource::from_bytes(&bytes).unwrap();
        source.stall_at(stall);
        Arc::new(source)
    });
}

#[test]
fn release_ends_a_stall() {
    let source = Arc::new(FileSource::from_bytes(&pattern(100)).unwrap());
    source.stall_at(50);
    let blocked = source.clone();
    let reader = thread::spawn(move || blocked.read_at(60, &mut [0; 10], LONG));
    let until = Instant::now() + LONG;
    while source.waiting() == 0 {
        assert!(Instant::now() < until, "the read never waited");
        thread::yield_now();
    }
    source.release();
    assert_eq!(reader.join().unwrap(), Ok(10));
    assert_eq!(source.bytes_read(), 10);
}

#[test]
fn a_scripted_failure_is_typed_and_ends() {
    let source = FileSource::from_bytes(&pattern(100)).unwrap();
    source.fail_at(50, true);
    let mut buf = [0; 80];
    assert_eq!(source.read_at(0, &mut buf, LONG), Ok(50));
    assert!(matches!(source.read_at(50, &mut buf, LONG), Err(ReadError::Failed { retryable: true, .. })));
    source.release();
    assert_eq!(source.read_at(50, &mut buf, LONG), Ok(50));
}
