//! The writer on a disk that is full, under clocks that jump, and over a file that is damaged.

use super::super::event::{Class, Event};
use super::super::{MIGRATIONS, PAGE_BYTES, Seq};
use super::*;
use crate::spool::database::Durability;
use unspool_engine::schema::Consent;

fn open(database: &Database) -> Writer {
    let consent = Arc::new(AtomicU8::new(Consent::all().bits()));
    Writer::open(database.clone(), SpoolLimits::default(), consent).unwrap()
}

fn record(reply: Option<Reply<Seq>>) -> Work {
    let event = Event {
        name: "unspool.test".into(),
        wall_ms: 1,
        session: "s".into(),
        class: Class::B,
        attributes: vec![("text".into(), "x".repeat(1_000).into())],
    };
    Work::Record(Record { event: Encoded::new(&event).unwrap(), seq: None, reply })
}

#[test]
fn a_full_disk_tells_who_waits_and_counts_who_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let database =
        Database { path, durability: Durability::Process, page_bytes: PAGE_BYTES, migrations: &MIGRATIONS };
    let mut writer = open(&database);
    writer.commit(&mut vec![record(None)]);
    let limit = |writer: &Writer, pages: i64| {
        let connection = writer.connection.as_ref().unwrap();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&writer, 1);
    let (reply, mut answer) = oneshot::channel();
    let mut group: Vec<Work> = (0..50).map(|_| record(None)).collect();
    group.push(record(Some(reply)));
    writer.commit(&mut group);
    assert_eq!(answer.try_recv().unwrap(), Err(SpoolError::DiskFull));
    let level = writer.level.borrow().clone();
    assert_eq!(
        (level.counters.recorded, level.counters.dropped.write_failed, level.queued_rows),
        (51, 50, 1)
    );
    assert!(level.is_conserved());

    limit(&writer, 1_000_000);
    let (reply, mut answer) = oneshot::channel();
    writer.commit(&mut vec![record(Some(reply))]);
    assert_eq!(answer.try_recv().unwrap(), Ok(Seq(2)), "a refused event used no number");
    drop(writer);
    let level = open(&database).level.borrow().clone();
    assert_eq!(
        (level.counters.recorded, level.counters.dropped.write_failed, level.queued_rows),
        (52, 50, 2)
    );
    assert!(level.is_conserved());
}

#[test]
fn a_clock_set_forward_by_a_year_gives_up_nothing() {
    use std::sync::atomic::AtomicI64;
    static WALL: AtomicI64 = AtomicI64::new(1_700_000_000_000);
    fn clocks() -> (i64, i64) {
        (WALL.load(Ordering::SeqCst), 1_000)
    }
    const YEAR: i64 = 365 * 24 * 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let database =
        Database { path, durability: Durability::Process, page_bytes: PAGE_BYTES, migrations: &MIGRATIONS };
    let mut writer = open(&database);
    writer.clocks = clocks;
    let at = |writer: &mut Writer, wall: i64| {
        WALL.store(wall, Ordering::SeqCst);
        let Work::Record(mut work) = record(None) else { unreachable!() };
        let event = Event {
            name: "unspool.test".into(),
            wall_ms: wall,
            session: "s".into(),
            class: Class::B,
            attributes: Vec::new(),
        };
        work.event = Encoded::new(&event).unwrap();
        writer.commit(&mut vec![Work::Record(work)]);
        let level = writer.level.borrow().clone();
        assert!(level.is_conserved());
        (level.queued_rows, level.counters.dropped.age_limit)
    };
    let begin = 1_700_000_000_000;
    assert_eq!(at(&mut writer, begin), (1, 0));
    assert_eq!(at(&mut writer, begin + YEAR), (2, 0), "the boot clock stood still: a jump");
    assert_eq!(at(&mut writer, begin + YEAR + 1_000), (3, 0));
    assert_eq!(at(&mut writer, begin), (4, 0), "and back");
    assert_eq!(at(&mut writer, 0), (5, 0), "an empty battery");
    drop(writer);
    let mut writer = open(&database);
    writer.clocks = clocks;
    assert_eq!(at(&mut writer, 1_000), (6, 0), "the jumps are remembered");
}
