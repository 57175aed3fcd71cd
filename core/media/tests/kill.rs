//! SIGKILL and power cuts, at random moments and at every step that matters: no wrong byte, nothing committed is lost.
//!
//! The test runs itself again as a child that works on the cache until it ends itself, or is ended, in the middle. The
//! child says beforehand what it gives up and afterwards what it made durable; the parent opens what is left behind,
//! compares every claimed byte with the origin, and goes on with the next child in the same directory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::World;
use rusqlite::Connection;
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{Media, MediaConfig, Origin, Priority, Purpose, Step};
use unspool_testkit::{DiskFault, FaultyDisk, FaultyIndex, Operation, Rule, pattern};

const LONG: Duration = Duration::from_secs(15);
const SIZE: u64 = 260_000;
const KEYS: usize = 2;

/// A small generator, so that a failing run can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn span(&mut self) -> Span {
        let start = self.roll(SIZE);
        Span::new(start, (start + 1 + self.roll(120_000)).min(SIZE))
    }
}

const DIR: &str = "UNSPOOL_TEST_KILL_DIR";
const URL: &str = "UNSPOOL_TEST_KILL_URL";
const PLAN: &str = "UNSPOOL_TEST_KILL_PLAN";

/// How a child ends.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// The parent kills it this long after it began to work.
    After(Duration),
    /// At an operation on the disk.
    Operation(Option<Operation>, u64, DiskFault),
    /// At a step between operations.
    Step(Step, u64, DiskFault),
    /// At an operation of SQLite.
    Index(u64, DiskFault),
    /// With the power, at a commit that follows syncs of which some failed.
    FailedSync(u64, u64),
}

const FAULTS: [DiskFault; 3] = [DiskFault::Kill, DiskFault::TornKill, DiskFault::PowerCut];
const OPERATIONS: [Operation; 7] = [
    Operation::Open,
    Operation::Truncate,
    Operation::Read,
    Operation::Write,
    Operation::Sync,
    Operation::Punch,
    Operation::Remove,
];

impl Plan {
    /// For the environment of the child: numbers only.
    fn encode(self) -> String {
        let fault = |fault| FAULTS.iter().position(|f| *f == fault).unwrap();
        match self {
            Plan::After(_) => "0".to_owned(),
            Plan::Operation(operation, nth, how) => {
                let operation = operation.map_or(99, |o| OPERATIONS.iter().position(|p| *p == o).unwrap());
                format!("1 {operation} {nth} {}", fault(how))
            }
            Plan::Step(step, nth, how) => {
                format!("2 {} {nth} {}", Step::ALL.iter().position(|s| *s == step).unwrap(), fault(how))
            }
            Plan::Index(nth, how) => format!("4 {nth} 0 {}", fault(how)),
            Plan::FailedSync(sync, commit) => format!("3 {sync} {commit} 0"),
        }
    }

    /// The disk of the child.
    fn disk(text: &str) -> Arc<FaultyDisk> {
        let numbers: Vec<usize> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        let disk = FaultyDisk::new();
        match numbers[..] {
            [0] => {}
            [1, operation, nth, fault] => disk.set(Rule {
                operation: OPERATIONS.get(operation).copied(),
                nth: nth as u64,
                lasting: false,
                fault: FAULTS[fault],
            }),
            [2, step, nth, fault] => disk.end_at(Step::ALL[step], nth as u64, FAULTS[fault]),
            [3, sync, commit, _] => {
                let (operation, nth) = (Some(Operation::Sync), sync as u64);
                disk.set(Rule { operation, nth, lasting: false, fault: DiskFault::Io });
                disk.end_at(Step::AfterCommit, commit as u64, DiskFault::PowerCut);
            }
            [4, nth, _, fault] => {
                let faults = FaultyIndex::install();
                faults.set(nth as u64, false, FAULTS[fault]);
                // For as long as the process lives, which is not long.
                std::mem::forget(faults);
            }
            _ => panic!("no plan: {text}"),
        }
        disk
    }
}

fn key(n: usize) -> MediaKey {
    MediaKey::new(&format!("k{n}"), "r")
}

/// Not a test of its own: the process that gets killed.
#[test]
fn child_that_gets_killed() {
    let (Ok(dir), Ok(url), Ok(plan)) = (std::env::var(DIR), std::env::var(URL), std::env::var(PLAN)) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = MediaConfig { keep_loaded: 1, disk: Plan::disk(&plan), ..MediaConfig::new(dir) };
    let media = Media::open(config, runtime.handle().clone()).unwrap();
    // One write per line: a line is told whole or not at all.
    let say = |line: String| std::io::stderr().write_all(line.as_bytes()).unwrap();
    let mut dice = Dice(u64::from(std::process::id()));
    let register = |n: usize, version: u64| {
        let url = format!("{url}k{n}v{version}");
        media.register(&key(n), Origin::new(url, Container::Mp4));
    };
    (0..KEYS).for_each(|n| register(n, 0));
    let mut asked = [0; KEYS];
    let mut seen = [None; KEYS];
    say("\nready\n".to_owned());
    // Far more than the longest plan waits for.
    for _ in 0..5_000 {
        let n = dice.roll(KEYS as u64) as usize;
        let span = dice.span();
        match dice.roll(100) {
            0..55 => {
                if seen[n] != Some(asked[n]) {
                    say(format!("\nchange {n}\n"));
                }
                let ticket = media.fetch(&key(n), &[span], Priority::Prefetch, Purpose::Prefetch);
                match runtime.block_on(ticket.wait()) {
                    Ok(done) if done.network_bytes > 0 => seen[n] = Some(asked[n]),
                    _ => {}
                }
            }
            55..70 => {
                say(format!("\ndrop {n} {} {}\n", span.start, span.end));
                let _ = media.evict(&[(key(n), span)]);
            }
            70..76 => {
                say(format!("\ndrop {n} 0 {SIZE}\n"));
                let _ = media.evict(&[(key(n), Span::new(0, SIZE))]);
            }
            76..80 => {
                asked[n] = dice.roll(2);
                register(n, asked[n]);
            }
            80..83 => {
                say(format!("\ndrop {n} 0 {SIZE}\n"));
                let _ = media.forget(&key(n));
            }
            _ => {
                if media.flush().is_ok() {
                    for n in 0..KEYS {
                        let held = media.held(&key(n));
                        let held: Vec<String> =
                            held.iter().map(|span| format!(" {} {}", span.start, span.end)).collect();
                        say(format!("\nkept {n}{}\n", held.concat()));
                    }
                }
            }
        }
    }
}

/// The origin: two versions of each file.
struct Files(Vec<[Vec<u8>; 2]>);

impl Files {
    fn serve(world: &World) -> Self {
        let bytes = pattern(2 * KEYS * SIZE as usize);
        let files: Vec<[Vec<u8>; 2]> = (0..KEYS)
            .map(|n| {
                [0, 1].map(|version| {
                    let from = (2 * n + version) * SIZE as usize;
                    bytes[from..from + SIZE as usize - version * 1_000].to_vec()
                })
            })
            .collect();
        for (n, versions) in files.iter().enumerate() {
            for (version, bytes) in versions.iter().enumerate() {
                world.server.put(&format!("k{n}v{version}"), bytes.clone(), &format!("\"{version}\""));
            }
        }
        Files(files)
    }
}

/// What children made durable and did not give up since, byte by byte.
#[derive(Debug, Default, Clone)]
struct Committed(Vec<Vec<bool>>);

impl Committed {
    fn new() -> Self {
        Committed(vec![vec![false; SIZE as usize]; KEYS])
    }

    fn set(&mut self, n: usize, spans: &[Span], value: bool) {
        for span in spans {
            self.0[n][span.start as usize..(span.end as usize).min(SIZE as usize)].fill(value);
        }
    }

    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let word = words.next();
        let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        let spans: Vec<Span> =
            numbers.get(1..).unwrap_or_default().chunks(2).map(|pair| Span::new(pair[0], pair[1])).collect();
        match word {
            Some("drop") => self.set(numbers[0] as usize, &spans, false),
            Some("kept") => {
                let n = numbers[0] as usize;
                self.set(n, &[Span::new(0, SIZE)], false);
                self.set(n, &spans, true);
            }
            _ => {}
        }
    }
}

struct Trial {
    world: World,
    files: Files,
    committed: Committed,
    rounds: u32,
    /// Children that ended themselves where they were told to.
    hit: u32,
    checked: u64,
    followed: u64,
}

impl Trial {
    fn new() -> Self {
        let world = World::in_memory();
        let files = Files::serve(&world);
        Trial { world, files, committed: Committed::new(), rounds: 0, hit: 0, checked: 0, followed: 0 }
    }

    fn spawn(&self, plan: Plan) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_gets_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, self.world.dir.path())
            .env(URL, self.world.server.url(""))
            .env(PLAN, plan.encode())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a child to its end and checks what it left.
    fn round(&mut self, plan: Plan) {
        use std::os::unix::process::ExitStatusExt;
        let mut child = self.spawn(plan);
        let lines = BufReader::new(child.stderr.take().unwrap());
        // Whether a fetch may have met another version, which drops what was committed of the one before.
        let mut changed = [false; KEYS];
        for line in lines.split(b'\n') {
            let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
            match (line.as_str(), plan) {
                ("ready", Plan::After(wait)) => {
                    // The moment of the kill is the random thing under test, not a wait for something.
                    std::thread::sleep(wait);
                    child.kill().unwrap();
                }
                (line, _) => {
                    let n = line.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok());
                    match (line.split(' ').next(), n) {
                        (Some("change"), Some(n)) => changed[n] = true,
                        (Some("kept"), Some(n)) => changed[n] = false,
                        _ => {}
                    }
                    self.committed.hear(line);
                }
            }
        }
        let status = child.wait().unwrap();
        self.rounds += 1;
        self.hit += u32::from(status.signal() == Some(9));
        self.check(&format!("round {}, {plan:?}", self.rounds), changed);
    }

    fn index(&self) -> PathBuf {
        self.world.dir.path().join("index.db")
    }

    /// Brings all files into the cache.
    fn fill(&mut self) {
        let media = self.world.open();
        for n in 0..KEYS {
            let origin = self.world.origin(&format!("k{n}v0"), Container::Mp4);
            media.register(&key(n), origin);
            self.world.fetch(&media, &key(n), Span::new(0, SIZE));
            self.committed.set(n, &media.held(&key(n)), true);
        }
        self.world.close(media);
    }

    /// Makes the index one of the first version, with all it says that this version could say.
    fn age_index(&self) {
        let old = self.world.dir.path().join("old.db");
        let db = Connection::open(&old).unwrap();
        db.execute_batch(include_str!("fixtures/index-v1.sql")).unwrap();
        db.execute("ATTACH ?1 AS now", [self.index().to_str().unwrap()]).unwrap();
        let columns = "id, key, generation, size, etag, last_modified, pinned, last_used_ms";
        db.execute_batch(&format!(
            "INSERT INTO main.entry ({columns}) SELECT {columns} FROM now.entry;
             INSERT INTO main.span SELECT entry, first, past FROM now.span;
             INSERT INTO main.block SELECT entry, number, hash FROM now.block;
             INSERT INTO main.blob SELECT key, bytes FROM now.blob;"
        ))
        .unwrap();
        drop(db);
        self.remove_index();
        fs::rename(old, self.index()).unwrap();
    }

    fn remove_index(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", self.index().display()));
        }
    }

    /// Makes the index unreadable; nothing is committed then.
    fn break_index(&mut self) {
        self.remove_index();
        fs::write(self.index(), vec![0x5a; 20_000]).unwrap();
        self.committed = Committed::new();
    }

    fn check(&mut self, what: &str, changed: [bool; KEYS]) {
        let media = self.world.open();
        media.set_offline(true);
        let held: u64 = media.stored().iter().flat_map(|stored| &stored.spans).map(Span::len).sum();
        assert_eq!(media.usage(), held, "{what}: the total is that of the spans");
        let committed_nothing = self.committed.0.iter().flatten().all(|kept| !kept);
        let mut committed = Committed::new();
        for (n, changed) in changed.into_iter().enumerate() {
            let spans = media.held(&key(n));
            let bytes: Vec<Vec<u8>> = spans.iter().map(|span| read(&media, n, *span, what)).collect();
            let version = (0..2).find(|version| {
                let truth = &self.files.0[n][*version];
                let right = |(span, bytes): (&Span, &Vec<u8>)| {
                    truth.get(span.start as usize..span.end as usize) == Some(bytes)
                };
                spans.iter().zip(&bytes).all(right)
            });
            assert!(version.is_some(), "{what}: bytes of {n} are those of no version");
            self.checked += spans.iter().map(Span::len).sum::<u64>();
            committed.set(n, &spans, true);
            if !changed {
                let expected = &self.committed.0[n];
                let lost = (0..SIZE as usize).find(|at| expected[*at] && !committed.0[n][*at]);
                assert_eq!(lost, None, "{what}: a committed byte of {n} is gone");
                self.followed += expected.iter().filter(|kept| **kept).count() as u64;
            }
        }
        let health = media.health();
        assert_eq!(health.damaged_blocks, 0, "{what}: bytes were claimed that are not there");
        assert!(!health.index_recovered || committed_nothing, "{what}: the index broke");
        self.world.close(media);
        self.committed = committed;
    }
}

fn read(media: &Media, n: usize, span: Span, what: &str) -> Vec<u8> {
    let source = media.source_of(&key(n), SIZE);
    let mut bytes = vec![0; span.len() as usize];
    let mut got = 0;
    while got < bytes.len() {
        let read = source.read_at(span.start + got as u64, &mut bytes[got..], LONG);
        let read = read.unwrap_or_else(|error| panic!("{what}: {n} claims {span:?}: {error}"));
        assert!(read > 0, "{what}: {n} claims {span:?}");
        got += read;
    }
    bytes
}

#[test]
fn killed_at_random_moments_the_cache_holds_no_wrong_byte_and_loses_nothing_committed() {
    let mut trial = Trial::new();
    let mut dice = Dice(7);
    for _ in 0..100 {
        trial.round(Plan::After(Duration::from_micros(500 + dice.roll(40_000))));
    }
    for _ in 0..130 {
        let fault = FAULTS[dice.roll(3) as usize];
        trial.round(Plan::Operation(None, dice.roll(120), fault));
    }
    assert_eq!((trial.rounds, trial.hit), (230, 230), "every child was killed");
    assert!(trial.checked > 10_000_000 && trial.followed > 1_000_000, "{} {}", trial.checked, trial.followed);
}

#[test]
fn killed_at_every_step_the_cache_holds_no_wrong_byte_and_loses_nothing_committed() {
    let mut trial = Trial::new();
    for fault in FAULTS {
        for operation in OPERATIONS {
            for nth in [0, 3] {
                trial.round(Plan::Operation(Some(operation), nth, fault));
            }
        }
    }
    for fault in [DiskFault::Kill, DiskFault::PowerCut] {
        for step in [
            Step::BeforeCommit,
            Step::AfterCommit,
            Step::Disowned,
            Step::VersionChanged,
            Step::BeforeCheckpoint,
            Step::AfterCheckpoint,
        ] {
            for nth in [0, 1, 4] {
                trial.round(Plan::Step(step, nth, fault));
            }
        }
    }
    for sync in 0..3 {
        for commit in sync..sync + 3 {
            trial.round(Plan::FailedSync(sync, commit));
        }
    }
    for fault in [DiskFault::Kill, DiskFault::PowerCut] {
        trial.fill();
        trial.age_index();
        trial.round(Plan::Step(Step::Migrating, 0, fault));
        for (step, nth) in
            [(Step::Replacing, 0), (Step::Replacing, 1), (Step::Replacing, 2), (Step::Sweeping, 0)]
        {
            trial.fill();
            trial.break_index();
            trial.round(Plan::Step(step, nth, fault));
        }
    }
    for nth in 0..70 {
        trial.round(Plan::Index(nth * 3, FAULTS[nth as usize % 2]));
    }
    assert_eq!(trial.hit, trial.rounds, "every child came to its step");
    assert!(trial.rounds >= 167 && trial.followed > 500_000, "{} {}", trial.rounds, trial.followed);
}
