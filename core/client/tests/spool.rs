//! The spool against real SQLite files: numbers, books, limits, the open impression, suspension and damage.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use unspool::spool::{Class, Event, EventError, Seq, Spool, SpoolError, SpoolLimits, Value};

fn event(n: i64, class: Class) -> Event {
    Event {
        name: "unspool.impression".into(),
        wall_ms: 1_700_000_000_000 + n,
        session: "session".into(),
        class,
        attributes: vec![("n".into(), Value::Int(n)), ("item".into(), "item-1".into())],
    }
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder.join("events.db"), SpoolLimits::default()).unwrap()
}

#[test]
fn numbers_go_on_after_everything_was_delivered_and_the_file_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let installation = spool.installation();
    for n in 1..=10 {
        assert_eq!(spool.record_durable(&event(n, Class::B)).wait(), Ok(Seq(n as u64)));
    }
    let batch = spool.claim(100, u64::MAX).wait().unwrap().unwrap();
    assert_eq!(batch.id, format!("{installation}/1"));
    assert_eq!((batch.first, batch.last, batch.rows), (1, 10, 10));
    spool.accept(batch.key, 0).wait().unwrap();
    assert_eq!(spool.level().queued_rows, 0);
    assert_eq!(spool.level().queued_bytes, 0);
    spool.close().wait().unwrap();
    assert_eq!(spool.record(&event(1, Class::B)), Err(SpoolError::Closed));

    let spool = open(folder.path());
    assert_eq!(spool.installation(), installation);
    assert_eq!(spool.record_durable(&event(11, Class::B)).wait(), Ok(Seq(11)));
    let level = spool.level();
    assert_eq!((level.counters.recorded, level.counters.delivered, level.queued_rows), (11, 10, 1));
    assert!(level.is_conserved());
}

#[test]
fn a_claimed_batch_is_the_same_after_a_restart_and_accepting_twice_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for n in 1..=7 {
        spool.record(&event(n, Class::C)).unwrap();
    }
    spool.flush_to_disk().wait().unwrap();
    let batch = spool.claim(5, u64::MAX).wait().unwrap().unwrap();
    let loaded = spool.load(batch.key).wait().unwrap().unwrap();
    spool.defer(batch.key, 3, true, 42).wait().unwrap();
    spool.close().wait().unwrap();

    let spool = open(folder.path());
    let reopened = spool.open_batches().wait().unwrap();
    assert_eq!(reopened.len(), 1);
    assert_eq!(reopened[0].id, batch.id);
    assert_eq!((reopened[0].tries, reopened[0].plain, reopened[0].next_at_ms), (3, true, 42));
    assert_eq!(spool.load(batch.key).wait().unwrap().unwrap().records, loaded.records);
    spool.accept(batch.key, 2).wait().unwrap();
    spool.accept(batch.key, 2).wait().unwrap();
    let level = spool.level();
    assert_eq!((level.counters.delivered, level.counters.dropped.refused, level.queued_rows), (3, 2, 2));
    assert!(level.is_conserved());
    assert_eq!(spool.load(batch.key).wait().unwrap(), None);
}

#[test]
fn a_split_names_its_parts_apart_from_the_whole_and_quarantine_keeps_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for n in 1..=5 {
        spool.record(&event(n, Class::B)).unwrap();
    }
    let whole = spool.claim(100, u64::MAX).wait().unwrap().unwrap();
    let (left, right) = spool.split(whole.key, true).wait().unwrap().unwrap();
    assert_eq!((left.first, left.last, left.rows), (1, 2, 2));
    assert_eq!((right.first, right.last, right.rows), (3, 5, 3));
    assert_eq!(left.bytes + right.bytes, whole.bytes);
    assert_ne!(left.id, whole.id);
    assert!(left.plain && right.plain);
    let (one, _) = spool.split(left.key, true).wait().unwrap().unwrap();
    assert_eq!(spool.split(one.key, true).wait().unwrap(), None);
    spool.quarantine(one.key, 422).wait().unwrap();
    let kept = spool.quarantined().wait().unwrap();
    assert_eq!((kept.len(), kept[0].seq, kept[0].code), (1, 1, 422));
    let order: Vec<u64> = spool.open_batches().wait().unwrap().iter().map(|batch| batch.first).collect();
    assert_eq!(order, [2, 3]);
    assert!(spool.level().is_conserved());
}

#[test]
fn a_full_queue_gives_up_the_oldest_of_class_c_first_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { max_bytes: 20_000, ..SpoolLimits::default() };
    let spool = Spool::open(folder.path().join("events.db"), limits).unwrap();
    spool.record(&event(0, Class::B)).unwrap();
    let claimed = spool.claim(1, u64::MAX).wait().unwrap().unwrap();
    for n in 1..=20 {
        spool.record(&event(n, if n % 2 == 0 { Class::B } else { Class::C })).unwrap();
    }
    for n in 21..=300 {
        spool.record(&event(n, Class::B)).unwrap();
        if n % 16 == 0 {
            spool.flush_to_disk().wait().unwrap();
            assert!(spool.level().is_conserved());
        }
    }
    spool.flush_to_disk().wait().unwrap();
    let level = spool.level();
    assert!(level.queued_bytes <= 20_000, "{level:?}");
    let dropped = level.counters.dropped;
    assert!(dropped.size_limit == 10 && dropped.sampled > 90 && level.is_conserved(), "{level:?}");
    assert_eq!(spool.load(claimed.key).wait().unwrap().unwrap().records.len(), 1, "a claimed row stays");
    let rest = spool.claim(1_000, u64::MAX).wait().unwrap().unwrap();
    assert_eq!(rest.last, 301);
    assert_eq!(u64::from(rest.rows) + 1, level.queued_rows);
}

#[test]
fn a_sample_of_the_past_is_kept_before_the_past_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { max_bytes: 20_000, ..SpoolLimits::default() };
    let spool = Spool::open(folder.path().join("events.db"), limits).unwrap();
    for n in 1..=1_000 {
        spool.record(&event(n, Class::B)).unwrap();
    }
    spool.flush_to_disk().wait().unwrap();
    let level = spool.level();
    assert!(level.is_conserved() && level.queued_bytes <= 20_000, "{level:?}");
    let batch = spool.claim(10_000, u64::MAX).wait().unwrap().unwrap();
    // The last 120 or so are whole; of what was before, about one in ten is left.
    assert!(batch.first < 50, "{}", batch.first);
    assert!((50..110).contains(&(level.queued_rows - 100)), "{}", level.queued_rows);
    assert!(level.counters.dropped.sampled > 800 && level.counters.dropped.size_limit == 0, "{level:?}");
    for n in 1_001..=20_000 {
        spool.record(&event(n, Class::B)).unwrap();
    }
    spool.flush_to_disk().wait().unwrap();
    let level = spool.level();
    assert!(level.is_conserved(), "{level:?}");
    assert_eq!(level.queued_rows, 20_000 - level.counters.dropped.total());
}

#[test]
fn what_is_too_old_goes_when_something_new_comes() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { max_age_ms: 1_000, ..SpoolLimits::default() };
    let spool = Spool::open(folder.path().join("events.db"), limits).unwrap();
    for n in [0, 500, 1_200, 1_400] {
        spool.record(&event(n, Class::B)).unwrap();
    }
    spool.record_durable(&event(1_450, Class::B)).wait().unwrap();
    let level = spool.level();
    assert_eq!((level.counters.dropped.age_limit, level.queued_rows), (1, 4));
    assert!(level.is_conserved());
}

#[test]
fn events_out_of_bounds_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let bad = |change: &dyn Fn(&mut Event)| {
        let mut event = event(1, Class::B);
        change(&mut event);
        match spool.record(&event) {
            Err(SpoolError::Event(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bad(&|e| e.name.clear()), EventError::Name);
    assert_eq!(bad(&|e| e.session = "x".repeat(65)), EventError::Session);
    assert_eq!(bad(&|e| e.attributes[1].1 = "x".repeat(1025).into()), EventError::TextTooLong { index: 1 });
    assert_eq!(bad(&|e| e.attributes[0].1 = f64::NAN.into()), EventError::NotFinite { index: 0 });
    assert_eq!(bad(&|e| e.attributes[1].0 = "n".into()), EventError::Key { index: 1 });
    assert_eq!(bad(&|e| e.attributes[1].0 = "seq".into()), EventError::Key { index: 1 });
    assert_eq!(
        bad(&|e| e.attributes = (0..65).map(|n| (format!("k{n}"), Value::Int(n))).collect()),
        EventError::TooManyAttributes
    );
    assert_eq!(
        spool.record_durable(&event(1, Class::B)).wait(),
        Ok(Seq(1)),
        "a refused event uses no number"
    );
}

#[test]
fn the_open_impression_is_recovered_once_and_a_closed_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for watched in [2_000, 4_000] {
        drop(spool.write_ahead(7, &event(1, Class::B).with("watched_ms", watched).with("exit", "open")));
        drop(spool.write_ahead(8, &event(2, Class::B).with("watched_ms", watched)));
    }
    assert_eq!(spool.close_ahead(8, &event(2, Class::B).with("exit", "swiped")).wait(), Ok(Seq(1)));
    spool.close().wait().unwrap();

    let spool = open(folder.path());
    let recovered = spool.recovered();
    assert_eq!(recovered.len(), 1);
    assert_eq!((recovered[0].slot, recovered[0].seq), (7, Seq(2)));
    let attributes = &recovered[0].event.attributes;
    assert!(attributes.contains(&("exit".into(), "killed".into())));
    assert!(attributes.contains(&("watched_ms".into(), Value::Int(4_000))));
    assert_eq!(attributes.iter().filter(|(key, _)| key == "exit").count(), 1);
    assert!(spool.level().is_conserved());
    spool.close().wait().unwrap();

    let spool = open(folder.path());
    assert!(spool.recovered().is_empty());
    assert_eq!(spool.level().queued_rows, 2);
}

#[test]
fn suspended_the_file_is_closed_and_events_are_still_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    for n in 1..=3 {
        spool.record(&event(n, Class::B)).unwrap();
    }
    spool.suspend().wait().unwrap();
    let wal = path.with_file_name("events.db-wal");
    assert!(!wal.exists() || std::fs::metadata(&wal).unwrap().len() == 0, "the log is empty");
    let rows = |path: &Path| -> i64 {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(&path), 3, "nobody holds a lock");
    spool.record_durable(&event(4, Class::B)).wait().unwrap();
    assert_eq!(rows(&path), 4);
    spool.resume().wait().unwrap();
    assert_eq!(spool.record_durable(&event(5, Class::B)).wait(), Ok(Seq(5)));
    assert!(spool.level().is_conserved());
    assert_eq!(spool.level().queued_rows, 5);
}

#[test]
fn a_second_owner_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let second = Spool::open(folder.path().join("events.db"), SpoolLimits::default());
    assert_eq!(second.err(), Some(SpoolError::InUse));
    spool.record_durable(&event(1, Class::B)).wait().unwrap();
}

#[test]
fn a_damaged_file_is_set_aside_with_its_companions_and_a_new_one_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    let first = spool.installation();
    spool.record_durable(&event(1, Class::B)).wait().unwrap();
    spool.close().wait().unwrap();
    for round in 1..=4u64 {
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        std::fs::write(folder.path().join("events.db-wal"), b"rubbish").unwrap();
        let spool = open(folder.path());
        assert_ne!(spool.installation(), first, "a new file is a new identity");
        assert_eq!(spool.level().replaced, round);
        assert_eq!(spool.record_durable(&event(1, Class::B)).wait(), Ok(Seq(1)));
        assert!(spool.level().is_conserved());
        spool.close().wait().unwrap();
    }
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("corrupt") && !name.ends_with("-wal"))
        .collect();
    names.sort();
    assert_eq!(names, ["events.db.corrupt-3", "events.db.corrupt-4"], "old ones are deleted");
}

/// Overwrites pages of a closed file, numbered from zero.
fn damage(path: &Path, pages: impl Iterator<Item = usize>) {
    let mut bytes = std::fs::read(path).unwrap();
    for page in pages {
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_can_be_read_of_a_damaged_file_keeps_its_names_and_the_rest_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    let old = spool.installation().to_string();
    for n in 1..=3_000 {
        spool.record(&event(n, Class::B)).unwrap();
    }
    let sent = spool.claim(100, u64::MAX).wait().unwrap().unwrap();
    spool.accept(sent.key, 0).wait().unwrap();
    let open_batch = spool.claim(100, u64::MAX).wait().unwrap().unwrap();
    drop(spool.write_ahead(3, &event(9, Class::B)));
    spool.close().wait().unwrap();
    let pages = std::fs::metadata(&path).unwrap().len() as usize / 4096;
    damage(&path, (pages / 2..pages / 2 + 10).chain([pages / 3]));

    let spool = open(folder.path());
    spool.record_durable(&event(1, Class::B)).wait().ok();
    let all = |spool: &Spool| {
        let mut found = Vec::new();
        // Damage may only be met while claiming; who waited is told, and asks again.
        loop {
            match spool.claim(500, u64::MAX).wait() {
                Ok(Some(batch)) => found.push(batch),
                Ok(None) => return found,
                Err(SpoolError::Corrupt) => found.clear(),
                Err(error) => panic!("{error}"),
            }
        }
    };
    let batches = all(&spool);
    let level = spool.level();
    assert_eq!(level.replaced, 1);
    assert!(level.is_conserved(), "{level:?}");
    let (lost, queued) = (level.counters.dropped.damaged, level.queued_rows);
    assert!(lost > 50 && lost < 1_000, "{lost} lost of 2 900");
    assert_eq!(level.counters.delivered, 100);
    assert_eq!(queued + lost + 100, level.counters.recorded);
    let (new, first) = (spool.installation().to_string(), &batches[0]);
    assert_ne!(new, old);
    assert_eq!(first.first, 101, "what was in an open batch is sent again");
    assert!(first.id.starts_with(&old) && first.id != open_batch.id, "{}", first.id);
    assert!(batches.windows(2).all(|pair| pair[0].last < pair[1].first));
    let rows: u64 = batches.iter().map(|batch| u64::from(batch.rows)).sum();
    assert_eq!(rows, queued);
    // Numbers go on behind the old ones under the new name, and no batch mixes the names.
    let seq = spool.record_durable(&event(2, Class::B)).wait().unwrap();
    assert!(seq.0 > 3_000, "{seq:?}");
    let last = all(&spool).pop().unwrap();
    assert!(last.id.starts_with(&new), "{}", last.id);
    for batch in batches {
        spool.accept(batch.key, 0).wait().unwrap();
    }
    assert!(spool.level().is_conserved());
    spool.close().wait().unwrap();
    let spool = open(folder.path());
    assert_eq!((spool.installation().to_string(), spool.level().replaced), (new, 0));
    assert!(spool.level().is_conserved());
}

#[test]
fn damage_found_while_running_costs_no_event_that_comes_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    for n in 1..=200 {
        spool.record(&event(n, Class::B)).unwrap();
    }
    spool.suspend().wait().unwrap();
    // The first page, with the schema, stays good; everything behind it is rubbish.
    let pages = std::fs::metadata(&path).unwrap().len() as usize / 4096;
    damage(&path, 1..pages);
    spool.record_durable(&event(201, Class::B)).wait().unwrap();
    spool.resume().wait().unwrap();
    spool.record_durable(&event(202, Class::B)).wait().unwrap();
    let level = spool.level();
    assert_eq!((level.replaced, level.queued_rows), (1, 2));
    assert!(level.is_conserved(), "{level:?}");
}

#[test]
fn an_older_schema_is_taken_over_with_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("spool_v1.sql")).unwrap();
    drop(old);
    let spool = open(folder.path());
    assert_eq!(&*spool.installation(), "11111111-2222-4333-8444-555555555555");
    let level = spool.level();
    assert_eq!((level.queued_rows, level.counters.recorded, level.counters.delivered), (3, 5, 1));
    assert!(level.is_conserved(), "{level:?}");
    let batch = &spool.open_batches().wait().unwrap()[0];
    assert_eq!(
        (batch.id.as_str(), batch.rows, batch.tries),
        ("11111111-2222-4333-8444-555555555555/2", 2, 3)
    );
    let records = spool.load(batch.key).wait().unwrap().unwrap().records;
    let kept = &spool.quarantined().wait().unwrap()[0];
    assert_eq!((kept.seq, kept.code, kept.kind.as_str()), (5, 400, "old"));
    assert_eq!(records[0], kept.body);
    spool.accept(batch.key, 0).wait().unwrap();
    assert_eq!(spool.record_durable(&event(1, Class::B)).wait(), Ok(Seq(6)));
    let rest = spool.claim(100, u64::MAX).wait().unwrap().unwrap();
    spool.accept(rest.key, 0).wait().unwrap();
    let level = spool.level();
    assert_eq!((level.queued_rows, level.queued_bytes, level.unclaimed_bytes), (0, 0, 0), "sizes agree");
    assert!(level.is_conserved());
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    spool.record_durable(&event(1, Class::B)).wait().unwrap();
    spool.close().wait().unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert_eq!(Spool::open(&path, SpoolLimits::default()).err(), Some(SpoolError::NewerSchema));
    let connection = rusqlite::Connection::open(&path).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn what_was_taken_while_closing_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=20 {
        let spool = open(folder.path());
        let before = spool.level().counters.recorded;
        let taken: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let spool = spool.clone();
                    scope.spawn(move || {
                        (1..).take_while(|n| spool.record(&event(*n, Class::B)).is_ok()).count()
                    })
                })
                .collect();
            let far = before + round * 10;
            while spool.level().counters.recorded < far {
                std::hint::spin_loop();
            }
            spool.close().wait().unwrap();
            threads.into_iter().map(|thread| thread.join().unwrap() as u64).sum()
        });
        assert_eq!(spool.close().wait(), Err(SpoolError::Closed));
        let spool = open(folder.path());
        assert_eq!(spool.level().counters.recorded, before + taken);
        spool.close().wait().unwrap();
    }
}

#[test]
fn many_threads_record_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let spool = &spool;
            scope.spawn(move || {
                for n in 0..2_000 {
                    spool.record(&event(thread * 10_000 + n, Class::B)).unwrap();
                }
            });
        }
    });
    spool.flush_to_disk().wait().unwrap();
    let batch = spool.claim(u32::MAX, u64::MAX).wait().unwrap().unwrap();
    assert_eq!((batch.first, batch.last, batch.rows), (1, 8_000, 8_000));
}

/// Every file in the folder that holds the bytes.
fn holding(folder: &Path, canary: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &std::path::PathBuf| match std::fs::read(path) {
        Ok(bytes) => bytes.windows(canary.len()).any(|window| window == canary.as_bytes()),
        // A log of the database that was put away between the listing and the reading.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    files.filter(holds).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn after_an_erasure_no_file_holds_a_canary_and_another_identifier_begins() {
    const CANARY: &str = "canary-7f3a9c";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    let sung = |n: i64| event(n, Class::B).with("item", CANARY);
    for n in 1..=500 {
        spool.record(&sung(n)).unwrap();
    }
    let (batch, _) = {
        let whole = spool.claim(100, u64::MAX).wait().unwrap().unwrap();
        spool.split(whole.key, false).wait().unwrap().unwrap()
    };
    let (left, _) = spool.split(batch.key, false).wait().unwrap().unwrap();
    spool.accept(left.key, 0).wait().unwrap();
    spool.write_ahead(1, &sung(1_000)).wait().unwrap();
    spool.close().wait().unwrap();
    // A damaged file that was set aside holds it too.
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let spool = open(folder.path());
    while spool.claim(1_000, u64::MAX).wait() == Err(SpoolError::Corrupt) {}
    spool.record_durable(&sung(2_000)).wait().unwrap();
    assert!(holding(folder.path(), CANARY).len() >= 2, "{:?}", holding(folder.path(), CANARY));

    let (before, all) = (spool.installation(), spool.installations().wait().unwrap());
    assert_eq!((all.len(), all.last().map(String::as_str)), (2, Some(&*before)));
    spool.erase().wait().unwrap();
    assert_eq!(holding(folder.path(), CANARY), Vec::<String>::new());
    let level = spool.level();
    assert_ne!(level.installation, before);
    assert_eq!((level.counters.recorded, level.queued_rows, level.counters.dropped.total()), (0, 0, 0));
    assert_eq!(spool.record_durable(&event(1, Class::B)).wait(), Ok(Seq(1)));
    spool.close().wait().unwrap();
    assert!(open(folder.path()).recovered().is_empty());
    assert_eq!(holding(folder.path(), CANARY), Vec::<String>::new());
}

#[test]
fn without_consent_nothing_is_recorded_and_what_was_is_deleted_and_counted() {
    use unspool::{Consent, Purpose};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = open(folder.path());
    let of = |name: &str, n: i64| Event { name: name.into(), ..event(n, Class::B) };
    for n in 1..=300 {
        spool
            .record(&of(["unspool.impression", "unspool.like", "unspool.report"][n as usize % 3], n))
            .unwrap();
    }
    let batch = spool.claim(90, u64::MAX).wait().unwrap().unwrap();
    let gone = spool.claim(0, 0).wait().unwrap().unwrap();
    assert_eq!(gone.rows, 1);
    spool.write_ahead(1, &of("unspool.impression", 900)).wait().unwrap();
    let consent = Consent::none().with(Purpose::Measurement);
    assert_eq!(spool.set_consent(consent).wait(), Ok(100), "the likes go");
    let level = spool.level();
    assert_eq!((level.queued_rows, level.counters.dropped.consent), (200, 100));
    assert!(level.is_conserved());
    let left = spool.load(batch.key).wait().unwrap().unwrap();
    assert_eq!((left.batch.rows, left.records.len()), (60, 60), "also those of a batch");
    assert_ne!(left.batch.id, batch.id, "other rows, another name");
    assert_eq!(spool.record(&of("unspool.like", 301)), Ok(()), "and none come");
    assert_eq!(spool.record_durable(&of("unspool.like", 302)).wait(), Err(SpoolError::Consent));
    spool.record_durable(&of("unspool.impression", 303)).wait().unwrap();
    assert_eq!(spool.set_consent(Consent::none()).wait(), Ok(101));
    assert_eq!(spool.close_ahead(1, &of("unspool.impression", 901)).wait(), Err(SpoolError::Consent));
    spool.accept(batch.key, 0).wait().unwrap();
    let rest = spool.claim(1_000, u64::MAX).wait().unwrap().unwrap();
    spool.accept(rest.key, 0).wait().unwrap();
    for open in spool.open_batches().wait().unwrap() {
        spool.accept(open.key, 0).wait().unwrap();
    }
    let level = spool.level();
    assert_eq!((level.queued_rows, level.queued_bytes, level.unclaimed_bytes), (0, 0, 0));
    assert_eq!((level.counters.delivered, level.counters.dropped.consent), (100, 201));
    assert!(level.is_conserved());
    spool.set_consent(Consent::all()).wait().unwrap();
    spool.record_durable(&of("unspool.like", 400)).wait().unwrap();
    spool.close().wait().unwrap();
    // The app opens with what was agreed to meanwhile.
    let rules = unspool::spool::Rules::Bounds;
    let spool = Spool::open_with(&path, SpoolLimits::default(), rules, Consent::none()).unwrap();
    let level = spool.level();
    assert_eq!((level.queued_rows, level.counters.dropped.consent), (0, 202));
    assert!(level.is_conserved() && spool.recovered().is_empty());
}

#[test]
fn with_the_schema_only_what_it_lists_is_written() {
    use unspool::Consent;
    use unspool::spool::Rules;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let spool = Spool::open_with(path, SpoolLimits::default(), Rules::Schema, Consent::all()).unwrap();
    let share = |attributes: Vec<(String, Value)>| Event {
        name: "unspool.share".into(),
        attributes,
        ..event(1, Class::B)
    };
    let good = vec![("item".into(), "i".into()), ("target".into(), "message".into())];
    spool.record_durable(&share(good.clone())).wait().unwrap();
    let refused = |event: Event| {
        assert!(matches!(spool.record(&event), Err(SpoolError::Event(EventError::Schema(_)))), "{event:?}");
        assert!(matches!(spool.record_durable(&event).wait(), Err(SpoolError::Event(_))));
        assert!(matches!(spool.write_ahead(1, &event).wait(), Err(SpoolError::Event(_))));
    };
    refused(share([good.clone(), vec![("phone".into(), "555".into())]].concat()));
    refused(Event { class: Class::C, ..share(good.clone()) });
    refused(Event { name: "unspool.contacts".into(), ..share(good) });
    assert_eq!(spool.level().counters.recorded, 1);
}
