//! The writer on a disk that is full, under clocks that jump, and over a file that is damaged.

use super::super::event::{Class, Event};
use super::super::{MIGRATIONS, Seq};
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
    let database = Database { path, durability: Durability::Process, migrations: &MIGRATIONS };
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
