//! SIGKILL at random points and at every named one, while events are recorded and uploaded: nothing acknowledged is
//! lost, nothing is told twice under two identities, and the open impression is recovered exactly once.
//!
//! The test runs itself again as a child, reads what the child says it was promised, and kills it in the middle, or arms
//! one of [`unspool::CRASH_POINTS`] and waits for the child to kill itself there. `UNSPOOL_KILLS` sets how many children
//! die; 300 if it is not set.

// Helpers of tests fail loudly.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

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

/// Children that die on one database, before everything is delivered and the books are compared.
const LIVES: i64 = 50;
/// Lines an armed child may write before it is given up and killed.
const PATIENCE: i32 = 400;
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
    // It is killed or kills itself long before; should the parent die, this ends it.
    let until = std::time::Instant::now() + Duration::from_secs(20);
    let alive = || std::time::Instant::now() < until;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (1..50_000).take_while(|_| alive()) {
                // Those nobody waits for fill the gaps; they may be lost, but never told twice.
                spool.record(&event(first + 600_000 + n, "none")).unwrap();
                let seq = spool.record_durable(&event(first + n, "none")).wait().unwrap();
                say(format!("\nR {} {}\n", first + n, seq.0));
            }
        });
        scope.spawn(|| {
            for n in (500_001..550_000).take_while(|_| alive()) {
                let mark = first + n;
                spool.write_ahead(1, &event(mark, "open")).wait().unwrap();
                say(format!("\nO {mark} 0\n"));
                spool.write_ahead(1, &event(mark, "still open")).wait().unwrap();
                let seq = spool.close_ahead(1, &event(mark, "swiped")).wait().unwrap();
                say(format!("\nC {mark} {}\n", seq.0));
            }
        });
        scope.spawn(|| {
            // Frozen and thawed once for every thirty events, which is far more often than a phone does it.
            while alive() {
                let recorded = spool.level().counters.recorded;
                while spool.level().counters.recorded < recorded + 30 && alive() {
                    std::thread::yield_now();
                }
                spool.suspend().wait().unwrap();
                spool.resume().wait().unwrap();
            }
        });
    });
}

/// What one database was promised over the lives of its children.
#[derive(Default)]
struct Promises {
    acknowledged: BTreeMap<i64, i64>,
    opened: BTreeSet<i64>,
    closed: BTreeSet<i64>,
}

impl Promises {
    /// Takes down a line of a child; says whether it was one.
    fn note(&mut self, line: &str) -> bool {
        let mut words = line.split_whitespace();
        let (kind, mark, seq) = (words.next(), words.next(), words.next());
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<i64>().ok());
        let (Some(mark), Some(seq)) = (number(mark), number(seq)) else { return false };
        match kind {
            Some("R") => drop(self.acknowledged.insert(mark, seq)),
            Some("O") => drop(self.opened.insert(mark)),
            Some("C") => {
                self.closed.insert(mark);
                self.acknowledged.insert(mark, seq);
            }
            _ => return false,
        }
        true
    }
}

/// Starts a child and sees it die; says whether it got to the point it was armed with.
fn life(
    folder: &Path,
    collector: &Collector,
    round: i64,
    armed: Option<&str>,
    promises: &mut Promises,
) -> bool {
    let mut rng = rand::rng();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{}|{round}", folder.display()))
        .env(COLLECTOR, collector.base().as_str())
        .env_remove("UNSPOOL_CRASH_AT")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if let Some(point) = armed {
        let often = point.starts_with("group.") || point.starts_with("ahead.");
        let most = if point.starts_with("open.") {
            1
        } else if often {
            40
        } else {
            4
        };
        command.env("UNSPOOL_CRASH_AT", format!("{point}:{}", rng.random_range(1..=most)));
    }
    let mut child = command.spawn().unwrap();
    let lines = if armed.is_some() { PATIENCE } else { rng.random_range(0..100) };
    let spin = Duration::from_micros(rng.random_range(0..3_000));
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut read, mut died) = (String::new(), 0, false);
    while read < lines && !died {
        line.clear();
        died = reader.read_line(&mut line).unwrap_or(0) == 0;
        // A last line may be cut short; what it would have said was never said.
        read += i32::from(line.ends_with('\n') && promises.note(&line));
    }
    assert!(armed.is_some() || !died, "the child ended by itself");
    if !died {
        let until = std::time::Instant::now() + spin;
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
    }
    let end = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&end), Some(9), "{armed:?}: {end}");
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut rest).unwrap();
    let rest = String::from_utf8_lossy(&rest);
    for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        promises.note(line);
    }
    died
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_nothing_acknowledged_is_lost_or_told_twice() {
    let kills: i64 = std::env::var("UNSPOOL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    // Those of an erasure are killed at by its own test.
    let of_spool = unspool::CRASH_POINTS.iter().filter(|point| !point.starts_with("erase."));
    let mut reached: BTreeMap<&str, u32> = of_spool.clone().map(|point| (*point, 0)).collect();
    let mut points = of_spool.cycle();
    let (mut done, mut acknowledged, mut recovered) = (0, 0, 0);
    while done < kills {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::start().await;
        let mut promises = Promises::default();
        let lives = LIVES.min(kills - done);
        for round in 1..=lives {
            // Every other child is armed with the next point.
            let armed = if round % 2 == 0 { points.next().copied() } else { None };
            let there =
                tokio::task::block_in_place(|| life(folder.path(), &collector, round, armed, &mut promises));
            if let Some(times) = armed.and_then(|point| reached.get_mut(point)) {
                *times += u32::from(there);
            }
        }
        done += lives;
        acknowledged += promises.acknowledged.len();
        recovered += compare(folder.path(), &collector, &promises).await;
    }
    println!(
        "{done} kills, {acknowledged} acknowledged, {recovered} open impressions recovered, {reached:?}"
    );
    assert!(recovered > 0 && recovered <= kills as usize);
    assert!(acknowledged as i64 > kills);
    if kills >= 300 {
        assert!(reached.values().all(|times| *times > 0), "every point was reached: {reached:?}");
    }
}

/// Delivers what is left and compares what arrived with what was promised; gives the impressions that were recovered.
async fn compare(folder: &Path, collector: &Collector, promises: &Promises) -> usize {
    let spool = open(folder);
    let installation = spool.installation().to_string();
    let uploader = Uploader::spawn(
        spool.clone(),
        config(collector.base()),
        client(),
        &tokio::runtime::Handle::current(),
    );
    // A batch that was on its way may still wait out the delay of the killed process.
    assert_eq!(uploader.flush(Duration::from_secs(20)).await.reason, FlushReason::Drained);
    let level = spool.level();
    assert!(level.is_conserved(), "{level:?}");
    assert_eq!(level.counters.dropped.total() + level.counters.quarantined, 0);

    collector.set(|inner| {
        assert!(inner.taken.keys().all(|(from, _)| *from == installation));
        assert_eq!(inner.taken.len() as u64, level.counters.recorded, "every number that was used arrived");
        let last = inner.taken.keys().map(|(_, seq)| *seq).max();
        assert_eq!(inner.taken.len() as i64, last.unwrap_or(0), "no gap");
        let mut by_mark: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for ((_, seq), mark) in &inner.marks {
            by_mark.entry(*mark).or_default().push(*seq);
        }
        assert!(by_mark.values().all(|seqs| seqs.len() == 1), "an event has one identity");
        for (mark, seq) in &promises.acknowledged {
            assert_eq!(by_mark.get(mark).map(|seqs| seqs[0]), Some(*seq), "acknowledged and lost: {mark}");
        }
        let mut killed = 0;
        for mark in &promises.opened {
            let seq = by_mark.get(mark).unwrap_or_else(|| panic!("open impression {mark} lost"))[0];
            let exit = &inner.exits[&(installation.clone(), seq)];
            assert!(
                exit == "swiped" || (exit == "killed" && !promises.closed.contains(mark)),
                "{mark}: {exit}"
            );
            killed += usize::from(exit == "killed");
        }
        killed
    })
}
