//! SIGKILL at random points, while events are recorded and uploaded: nothing acknowledged is lost, nothing is told
//! twice under two identities, and the open impression is recovered exactly once.
//!
//! The test runs itself again as a child, reads what the child says it was promised, and kills it in the middle.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used)]

mod spool_collector;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt as _;
use spool_collector::{Collector, client};
use unspool::spool::{Class, Event, Spool, SpoolLimits, Value};
use unspool::telemetry::{FlushReason, Uploader, UploaderConfig};
use unspool_engine::{DeliveryConfig, Millis};

const KILLS: i64 = 40;
const CHILD: &str = "UNSPOOL_TEST_KILL_CHILD";
const COLLECTOR: &str = "UNSPOOL_TEST_KILL_COLLECTOR";

fn event(mark: i64, exit: &str) -> Event {
    Event {
        name: "unspool.test".into(),
        wall_ms: 1_700_000_000_000,
        session: "session".into(),
        class: Class::B,
        attributes: vec![("mark".into(), Value::Int(mark)), ("exit".into(), exit.into())],
    }
}

fn config(base: reqwest::Url) -> UploaderConfig {
    UploaderConfig {
        delivery: DeliveryConfig {
            close_rows: 20,
            close_age: Millis(2),
            backoff_base: Millis(1),
            backoff_cap: Millis(10),
            ..DeliveryConfig::default()
        },
        ..UploaderConfig::new(base)
    }
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder.join("events.db"), SpoolLimits::default()).unwrap()
}

/// Not a test of its own: what the child does until it is killed.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (folder, round) = task.split_once('|').unwrap();
    let base = std::env::var(COLLECTOR).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let spool = open(Path::new(folder));
    let first = round.parse::<i64>().unwrap() * 1_000_000;
    let _uploader = Uploader::spawn(spool.clone(), config(base), client(), runtime.handle());
    let say = |line: String| std::io::stdout().write_all(line.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Well below what 20 seconds allow; the parent kills long before.
            for n in 1..50_000 {
                let seq = spool.record_durable(&event(first + n, "none")).wait().unwrap();
                say(format!("\nR {} {}\n", first + n, seq.0));
            }
        });
        scope.spawn(|| {
            for n in 500_001..550_000 {
                let mark = first + n;
                spool.write_ahead(1, &event(mark, "open")).wait().unwrap();
                say(format!("\nO {mark} 0\n"));
                spool.write_ahead(1, &event(mark, "still open")).wait().unwrap();
                let seq = spool.close_ahead(1, &event(mark, "swiped")).wait().unwrap();
                say(format!("\nC {mark} {}\n", seq.0));
            }
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_points_nothing_acknowledged_is_lost_or_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let mut promised: BTreeMap<i64, i64> = BTreeMap::new();
    let mut opened: BTreeSet<i64> = BTreeSet::new();
    let mut closed: BTreeSet<i64> = BTreeSet::new();
    let mut rng = rand::rng();
    for round in 1..=KILLS {
        let task = format!("{}|{round}", folder.path().display());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, task)
            .env(COLLECTOR, collector.base().as_str())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines_before = rng.random_range(0..150);
        let spin = Duration::from_micros(rng.random_range(0..3_000));
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut note = |line: &str| {
            let mut words = line.split_whitespace();
            let (kind, mark, seq) = (words.next(), words.next(), words.next());
            let (Some(mark), Some(seq)) = (
                mark.and_then(|word| word.parse::<i64>().ok()),
                seq.and_then(|word| word.parse::<i64>().ok()),
            ) else {
                return false;
            };
            match kind {
                Some("R") => drop(promised.insert(mark, seq)),
                Some("O") => drop(opened.insert(mark)),
                Some("C") => {
                    closed.insert(mark);
                    promised.insert(mark, seq);
                }
                _ => return false,
            }
            true
        };
        let mut line = String::new();
        let mut lines = 0;
        while lines < lines_before {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the child ended by itself");
            lines += usize::from(note(&line));
        }
        let until = std::time::Instant::now() + spin;
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // A last line may be cut short; what it would have said was never said.
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut rest).unwrap();
        let rest = String::from_utf8_lossy(&rest);
        for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            note(line);
        }
    }

    let spool = open(folder.path());
    let installation = spool.installation().to_string();
    let uploader = Uploader::spawn(
        spool.clone(),
        config(collector.base()),
        client(),
        &tokio::runtime::Handle::current(),
    );
    // A batch that was on its way may still wait out the delay of the killed process.
    assert_eq!(uploader.flush(Duration::from_secs(10)).await.reason, FlushReason::Drained);
    let level = spool.level();
    assert!(level.is_conserved(), "{level:?}");
    assert_eq!(level.counters.dropped.total() + level.counters.quarantined, 0);

    collector.set(|inner| {
        assert!(inner.taken.keys().all(|(from, _)| *from == installation));
        assert_eq!(inner.taken.len() as u64, level.counters.recorded, "every number that was used arrived");
        assert_eq!(
            inner.taken.len() as i64,
            inner.taken.keys().map(|(_, seq)| *seq).max().unwrap(),
            "no gap"
        );
        let mut by_mark: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for ((_, seq), mark) in &inner.marks {
            by_mark.entry(*mark).or_default().push(*seq);
        }
        assert!(by_mark.values().all(|seqs| seqs.len() == 1), "an event has one identity");
        for (mark, seq) in &promised {
            assert_eq!(by_mark.get(mark).map(|seqs| seqs[0]), Some(*seq), "acknowledged and lost: {mark}");
        }
        let mut killed = 0;
        for mark in &opened {
            let seq = by_mark.get(mark).unwrap_or_else(|| panic!("open impression {mark} lost"))[0];
            let exit = &inner.exits[&(installation.clone(), seq)];
            assert!(exit == "swiped" || (exit == "killed" && !closed.contains(mark)), "{mark}: {exit}");
            killed += usize::from(exit == "killed");
        }
        assert!(killed > 0 && killed <= KILLS as usize, "{killed} impressions were recovered");
        assert!(promised.len() as i64 > KILLS);
    });
}
