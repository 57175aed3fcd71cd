//! The store against a model of it, with so few entries in memory that they come and go all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::Connection;
use unspool_engine::eviction::{self, HEAD_BYTES, Holding};
use unspool_engine::{MediaKey, Span};
use xxhash_rust::xxh3::xxh3_64;

use super::blocks::BLOCK;
use super::index::{DATABASE, first_version};
use super::*;
use crate::disk::LocalDisk;

/// A small generator, so that a failing run can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn span(&mut self, size: u64, most: u64) -> Span {
        let start = self.roll(size);
        Span::new(start, (start + 1 + self.roll(most)).min(size))
    }
}

pub(super) fn open(dir: &Path, keep_loaded: usize) -> Result<Store, StoreError> {
    Store::open(dir, keep_loaded, Arc::new(LocalDisk))
}

fn key(n: u64) -> MediaKey {
    MediaKey::new(&format!("asset-{n}"), "720p")
}

/// The bytes of `span` in version `version` of file `n`; no two versions or files share a run of them.
pub(super) fn truth(n: u64, version: u64, span: Span) -> Vec<u8> {
    (span.start..span.end)
        .map(|at| ((at ^ (at >> 8)) as u8).wrapping_mul(31) ^ (n * 7 + version * 13) as u8)
        .collect()
}

fn seen(n: u64, version: u64, size: u64) -> Validators {
    Validators { size: Some(size), etag: Some(format!("{n}-{version}")), last_modified: None }
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) version: u64,
    pub(super) spans: SpanSet,
    pub(super) pinned: bool,
}

fn check_entry(store: &Store, n: u64, model: &Model, step: u32) {
    let entry = store.entry(&key(n));
    let state = entry.lock();
    assert_eq!(state.stored().as_slice(), model.spans.as_slice(), "step {step}: what {n} holds");
    assert_eq!(state.pinned(), model.pinned, "step {step}: pin of {n}");
}

pub(super) fn check_read(store: &Store, n: u64, model: &Model, span: Span, step: u32) {
    let entry = store.entry(&key(n));
    let mut state = entry.lock();
    let mut buf = vec![0; span.len() as usize];
    let (got, _) = entry.read(&mut state, span.start, &mut buf);
    let held = model.spans.run_from(span.start).min(span.len());
    assert_eq!(got as u64, held, "step {step}: bytes of {n} at {span:?}");
    assert!(
        buf[..got] == truth(n, model.version, Span::new(span.start, span.start + held)),
        "step {step}: bytes of {n}"
    );
}

fn check_all(store: &Store, models: &[Model], step: u32) {
    let held: u64 = models.iter().map(|model| model.spans.len()).sum();
    assert_eq!(store.usage_bytes(), held, "step {step}: total");
    let listed: BTreeMap<MediaKey, StoredMedia> =
        store.list().unwrap().into_iter().map(|stored| (stored.key.clone(), stored)).collect();
    let expected = models.iter().filter(|model| !model.spans.is_empty() || model.pinned).count();
    assert_eq!(listed.len(), expected, "step {step}: listed");
    for (n, model) in models.iter().enumerate().filter(|(_, model)| !model.spans.is_empty()) {
        assert_eq!(listed[&key(n as u64)].spans, model.spans.as_slice(), "step {step}: list of {n}");
    }
}

#[test]
fn with_two_entries_in_memory_the_store_agrees_with_a_model() {
    const KEYS: u64 = 24;
    const SIZE: u64 = 400_000;
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(20_261_122);
    let mut models: Vec<Model> = (0..KEYS).map(|_| Model::default()).collect();
    let mut store = open(dir.path(), 2).unwrap();
    for step in 0..12_000 {
        let n = dice.roll(KEYS);
        let model = &mut models[n as usize];
        match dice.roll(1_000) {
            0..400 => check_read(&store, n, model, dice.span(SIZE, 40_000), step),
            400..640 => {
                let span = dice.span(SIZE, 60_000);
                let entry = store.entry(&key(n));
                entry.observe(&seen(n, model.version, SIZE));
                let generation = entry.lock().generation();
                entry.write(generation, span.start, &Bytes::from(truth(n, model.version, span))).unwrap();
                model.spans.insert(span);
            }
            640..780 => {
                let span = dice.span(SIZE, 120_000);
                let freed = store.remove(&key(n), span).unwrap();
                let expected =
                    if model.pinned { 0 } else { model.spans.within(span).iter().map(Span::len).sum() };
                assert_eq!(freed, expected, "step {step}: freed of {n}");
                if !model.pinned {
                    model.spans.remove(span);
                }
            }
            780..830 => check_entry(&store, n, model, step),
            830..860 => {
                model.pinned = !model.pinned;
                store.entry(&key(n)).set_pinned(model.pinned);
            }
            860..890 => store.entry(&key(n)).touch(),
            890..915 => {
                model.version += 1;
                store.entry(&key(n)).observe(&seen(n, model.version, SIZE));
                model.spans.clear();
            }
            915..930 => {
                assert_eq!(
                    store.forget(&key(n)).unwrap(),
                    model.spans.len(),
                    "step {step}: forgotten of {n}"
                );
                *model = Model { version: model.version, ..Model::default() };
            }
            930..970 => store.flush().unwrap(),
            970..985 => check_all(&store, &models, step),
            985..987 => {
                for folder in 0..256 {
                    assert_eq!(
                        store.core.sweep_folder(folder).unwrap_or(0),
                        0,
                        "step {step}: nothing is an orphan"
                    );
                }
            }
            _ => {
                store.close().unwrap();
                drop(store);
                store = open(dir.path(), 2).unwrap();
                let loaded = store.core.loaded().len();
                assert_eq!(loaded, 0, "step {step}: opening reads no entry");
                check_all(&store, &models, step);
            }
        }
    }
    store.flush().unwrap();
    assert!(store.core.loaded().len() <= 2, "what is written and unused leaves memory");
    check_all(&store, &models, u32::MAX);
    assert_eq!((store.health().damaged_blocks, store.health().index_failures), (0, 0));
}

/// Writes `len` bytes at `at` of file `n`.
pub(super) fn put(store: &Store, n: u64, at: u64, len: u64) {
    let entry = store.entry(&key(n));
    let generation = entry.lock().generation();
    entry.write(generation, at, &Bytes::from(truth(n, 0, Span::new(at, at + len)))).unwrap();
}

fn holdings(stored: Vec<StoredMedia>, except: &BTreeSet<MediaKey>) -> Vec<Holding> {
    stored
        .into_iter()
        .map(|s| Holding {
            pinned: s.pinned || except.contains(&s.key),
            last_use: s.last_used_ms.unsigned_abs(),
            spans: s.spans,
            key: s.key,
        })
        .collect()
}

#[test]
fn eviction_decides_the_same_from_the_oldest_as_from_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 4).unwrap();
    let mut dice = Dice(5);
    for n in 0..60 {
        let entry = store.entry(&key(n));
        entry.set_pinned(n % 11 == 0);
        entry.lock().last_used_ms = dice.roll(40).cast_signed();
        drop(entry);
        for _ in 0..1 + dice.roll(3) {
            put(&store, n, dice.roll(2 * HEAD_BYTES), 1 + dice.roll(90_000));
        }
    }
    let except: BTreeSet<MediaKey> = (0..60).filter(|n| n % 7 == 0).map(key).collect();
    let usage = store.usage_bytes();
    for part in 0..=20 {
        let excess = usage * part / 20;
        let offered = store.oldest(excess, &except).unwrap();
        assert!(offered.iter().all(|stored| !stored.pinned && !except.contains(&stored.key)));
        let some = eviction::evict(&holdings(offered, &except), excess);
        let all = eviction::evict(&holdings(store.list().unwrap(), &except), excess);
        assert_eq!(some, all, "for {excess} of {usage} bytes");
    }
    assert!(store.oldest(1, &except).unwrap().len() == 1, "no more is read than eviction needs");
}

/// Files in the data folder.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(dir.join("spans")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn files_without_an_owner_are_swept_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1).unwrap();
    (0..20).for_each(|n| put(&store, n, 0, 1_000));
    store.flush().unwrap();
    // What a crash leaves: a file without a row, and the file of a version that was replaced.
    let known = files(dir.path());
    let stray = dir.path().join("spans/ab").join("ab345678901234567890123456789012.0");
    let old = known[3].with_extension("17");
    for path in [&stray, &old] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"left behind").unwrap();
    }
    // A file whose row is yet to come, of an entry in use.
    put(&store, 99, 0, 1_000);
    let swept: usize = (0..256).map(|folder| store.core.sweep_folder(folder).unwrap()).sum();
    assert_eq!(swept, 2);
    assert!(!stray.exists() && !old.exists());
    assert!(known.iter().all(|path| path.exists()));
    assert_eq!(files(dir.path()).len(), known.len() + 1);
    // The last entry holds its bytes still.
    store.flush().unwrap();
    let entry = store.entry(&key(99));
    let mut buf = [0; 1_000];
    assert_eq!(entry.read(&mut entry.lock(), 0, &mut buf).0, 1_000);
}

#[test]
fn an_index_of_the_first_version_is_brought_up_with_its_totals() {
    let dir = tempfile::tempdir().unwrap();
    let db = Connection::open(dir.path().join(DATABASE)).unwrap();
    first_version(&db);
    let mut held = 0;
    for n in 0..50u64 {
        db.execute(
            "INSERT INTO entry (key, generation, size, etag, last_modified, pinned, last_used_ms)
             VALUES (?1, 0, 500000, 'e', NULL, ?2, ?3)",
            (key(n).as_str(), n == 7, (50 - n).cast_signed()),
        )
        .unwrap();
        let id = db.last_insert_rowid();
        let hash = xxh3_64(&truth(n, 0, Span::new(0, BLOCK))).cast_signed();
        db.execute("INSERT INTO block (entry, number, hash) VALUES (?1, 0, ?2)", (id, hash)).unwrap();
        for span in [Span::new(0, BLOCK), Span::new(100_000, 100_000 + 2_000 * n + 1)] {
            held += span.len();
            db.execute(
                "INSERT INTO span (entry, first, past) VALUES (?1, ?2, ?3)",
                (id, span.start.cast_signed(), span.end.cast_signed()),
            )
            .unwrap();
        }
        let name = index::file_name(key(n).as_str());
        let folder = dir.path().join("spans").join(&name[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.0")), truth(n, 0, Span::new(0, 300_000))).unwrap();
    }
    drop(db);
    let store = open(dir.path(), 2).unwrap();
    assert_eq!(store.usage_bytes(), held);
    let tails: Vec<MediaKey> =
        store.oldest(1, &BTreeSet::new()).unwrap().into_iter().map(|s| s.key).collect();
    assert_eq!(tails, [key(49)], "the tail used longest ago");
    for n in 0..50 {
        let spans = [Span::new(0, BLOCK), Span::new(100_000, 100_000 + 2_000 * n + 1)];
        let mut model = Model { version: 0, spans: SpanSet::from_spans(spans), pinned: n == 7 };
        check_entry(&store, n, &model, 0);
        check_read(&store, n, &model, spans[0], 0);
        // That version summed up complete blocks only; what is under no checksum is not trusted.
        model.spans.remove(spans[1]);
        check_read(&store, n, &model, spans[1], 0);
    }
    let swept: usize = (0..256).map(|folder| store.core.sweep_folder(folder).unwrap()).sum();
    assert_eq!(swept, 0, "migrated files have an owner");
    store.remove(&key(49), Span::new(0, u64::MAX)).unwrap();
    let listed = store.list().unwrap();
    assert!(listed.iter().all(|stored| stored.spans[0] == Span::new(0, BLOCK)) && listed.len() == 49);
    assert_eq!(
        store.usage_bytes(),
        listed.iter().flat_map(|stored| &stored.spans).map(Span::len).sum::<u64>()
    );
}

#[test]
fn an_index_that_breaks_while_it_is_used_claims_nothing_and_is_replaced_at_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 2).unwrap();
    (0..400).for_each(|n| put(&store, n, 0, 500));
    store.close().unwrap();
    drop(store);
    // Every page but the first few is garbage: the schema reads, entries do not.
    let path = dir.path().join(DATABASE);
    let mut bytes = fs::read(&path).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let schema = Connection::open(&path).unwrap();
    let spared: BTreeSet<usize> = schema
        .prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'total'")
        .unwrap()
        .query_map([], |row| row.get::<_, i64>(0))
        .unwrap()
        .map(|root| root.unwrap() as usize - 1)
        .collect();
    drop(schema);
    for number in (1..bytes.len() / page).filter(|number| !spared.contains(number)) {
        bytes[number * page..(number + 1) * page].fill(0xa5);
    }
    fs::write(&path, bytes).unwrap();
    let store = match open(dir.path(), 2) {
        Ok(store) if !store.health().index_recovered => store,
        other => panic!("the damage is not seen at opening: {other:?}"),
    };
    let entry = store.entry(&key(3));
    assert!(entry.lock().stored().is_empty());
    assert!(store.health().index_failures > 0);
    drop(entry);
    let _ = store.close();
    drop(store);
    let store = open(dir.path(), 2).unwrap();
    assert!(store.health().index_recovered);
    assert_eq!(store.usage_bytes(), 0);
    put(&store, 3, 0, 500);
    store.close().unwrap();
    drop(store);
    let store = open(dir.path(), 2).unwrap();
    assert!(!store.health().index_recovered);
    assert_eq!(store.usage_bytes(), 500);
}

#[test]
fn the_index_counts_tails_from_where_the_engine_does() {
    assert_eq!(HEAD_BYTES, 131_072, "another head needs a migration that computes entry.tail again");
}

/// Whether this system reads without waiting: an emulated processor and some file systems know no such call. Then nothing
/// may be given without waiting, which the tests prove instead, and say so.
#[cfg(target_os = "linux")]
fn reads_without_waiting(dir: &Path) -> bool {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let path = dir.join("reads_without_waiting");
    fs::write(&path, [7; 16]).unwrap();
    let (file, mut buf) = (fs::File::open(&path).unwrap(), [0; 16]);
    let asked = preadv2(&file, &mut [std::io::IoSliceMut::new(&mut buf)], 0, ReadWriteFlags::NOWAIT);
    fs::remove_file(&path).unwrap();
    let able = !matches!(asked, Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL));
    if !able {
        eprintln!("SKIPPED reading without waiting: preadv2 with RWF_NOWAIT says {asked:?} here");
    }
    able
}

#[test]
#[cfg(target_os = "linux")]
fn without_waiting_only_compared_bytes_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let able = reads_without_waiting(dir.path());
    let given = |span: Span| able.then(|| truth(1, 0, span));
    let size = 4 * BLOCK;
    let (held, all) = (Span::new(0, 3 * BLOCK), size as usize);
    let resident = |store: &Store, offset: u64, needed: u64| {
        let (entry, mut buf) = (store.entry(&key(1)), vec![0; all]);
        let generation = entry.lock().generation();
        let got = entry.read_resident(generation, offset, &mut buf, needed)?;
        buf.truncate(got);
        Some(buf)
    };
    let store = open(dir.path(), 8).unwrap();
    let entry = store.entry(&key(1));
    entry.observe(&seen(1, 0, size));
    let generation = entry.lock().generation();
    entry.write(generation, 0, &truth(1, 0, held).into()).unwrap();
    assert_eq!(resident(&store, 5, 0), given(Span::new(5, held.end)), "just written");
    assert_eq!(resident(&store, 5, held.end - 5), given(Span::new(5, held.end)));
    assert_eq!(resident(&store, 5, held.end - 4), None, "less than needed follows");
    assert_eq!(resident(&store, held.end, 0), None, "a hole");
    let state = entry.lock();
    assert_eq!(entry.read_resident(generation, 0, &mut [0; 8], 0), None, "somebody works on it");
    drop(state);
    assert_eq!(entry.read_resident(generation + 1, 0, &mut [0; 8], 0), None, "another version");
    let path = entry.path(generation);
    drop(entry);
    store.close().unwrap();
    drop(store);

    let mut bytes = fs::read(&path).unwrap();
    bytes[BLOCK as usize + 9] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = open(dir.path(), 8).unwrap();
    let model = Model { spans: SpanSet::from_spans([held]), ..Model::default() };
    assert_eq!(resident(&store, 0, 0), None, "nobody compared it yet");
    check_read(&store, 1, &model, Span::new(0, BLOCK), 0);
    let entry = store.entry(&key(1));
    let got = entry.read_resident(generation, 0, &mut vec![0; BLOCK as usize], 0);
    assert_eq!(got, able.then_some(BLOCK as usize), "compared");
    assert_eq!(resident(&store, 0, 0), None, "the next block was not");
    let (got, _) = entry.read(&mut entry.lock(), BLOCK, &mut [0; 8]);
    assert_eq!((got, store.health().damaged_blocks), (0, 1));
    assert_eq!(resident(&store, BLOCK, 0), None, "it became a hole");
}

#[test]
#[cfg(target_os = "linux")]
fn reading_without_waiting_leaves_a_block_that_is_due_to_who_compares() {
    let dir = tempfile::tempdir().unwrap();
    let able = reads_without_waiting(dir.path());
    let store = open(dir.path(), 8).unwrap();
    let entry = store.entry(&key(1));
    let held = Span::new(0, 2 * BLOCK);
    let generation = entry.lock().generation();
    entry.write(generation, 0, &truth(1, 0, held).into()).unwrap();
    let mut buf = vec![0; BLOCK as usize];
    let (mut given, mut due) = (0, 0);
    for _ in 0..1_000 {
        match entry.read_resident(generation, 0, &mut buf, 0) {
            Some(_) => given += 1,
            None => {
                due += 1;
                let (got, _) = entry.read(&mut entry.lock(), 0, &mut buf);
                assert_eq!(got, buf.len());
            }
        }
    }
    // A thousand blocks are 62 MiB, and one is compared every 8 MiB or so.
    let right = if able { given > 900 && due >= 4 } else { given == 0 };
    assert!(right, "{given} given, {due} due");
}

#[test]
fn an_index_in_memory_grows_to_its_bound_and_goes_on() {
    let store = Store::in_memory(Path::new("nowhere"), 2, 1 << 20, MemoryOnly::NotWritable).unwrap();
    let other = Store::in_memory(Path::new("nowhere"), 2, 1 << 20, MemoryOnly::NotWritable).unwrap();
    let blob = vec![7; 100_000];
    for n in 0..400 {
        store.put_blob(&format!("probe:{n}"), &blob).unwrap();
    }
    assert_eq!(store.get_blob("probe:399").unwrap(), Some(blob.clone()), "the newest");
    let kept = (0..400).filter(|n| store.get_blob(&format!("probe:{n}")).unwrap().is_some()).count();
    assert!((60..=167).contains(&kept), "16 MiB of them: {kept}");
    let entry = store.entry(&key(1));
    let generation = entry.lock().generation();
    entry.write(generation, 0, &truth(1, 0, Span::new(0, 200_000)).into()).unwrap();
    store.flush().unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    assert!(other.list().unwrap().is_empty() && other.get_blob("probe:399").unwrap().is_none());
    store.close().unwrap();
}
