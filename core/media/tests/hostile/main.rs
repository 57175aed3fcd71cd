//! The parsers against files that lie: cut short, with absurd sizes and counts, flipped bits, endless nesting.
//!
//! Whatever the bytes are, there is an answer that stays within the file or an error with a name, soon, and without
//! holding much more than the bytes themselves. Every case is the same in every run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod memory;
mod playlists;

#[path = "../common/fixture.rs"]
mod fixture;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fixture::{boxed, fragmented, mp4_of};
use unspool_media::{MediaInfo, ProbeError, probe_bytes};

/// Longest for one case, unoptimised and beside other tests; most take microseconds.
const LONGEST: Duration = Duration::from_secs(3);
/// Longest for all cases over one file: the loop goes no further and says how far it came.
const ALL: Duration = Duration::from_secs(3);
/// Bytes that may be held beyond three copies of the file: an index of ten thousand entries, twice while it grows.
const SPARE: usize = 1024 * 1024;

/// Numbers that look random and are the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Probes `bytes` and holds the answer to its promises; whether there was one.
fn answered(bytes: &[u8], what: &dyn Fn() -> String) -> bool {
    let begun = Instant::now();
    let (answer, held) = memory::peak(|| probe_bytes(bytes));
    let took = begun.elapsed();
    assert!(took < LONGEST, "{}: {took:?}", what());
    assert!(held <= 3 * bytes.len() + SPARE, "{}: held {held} bytes for {}", what(), bytes.len());
    match answer {
        Ok(info) => {
            promises(&info, bytes.len() as u64, what);
            true
        }
        Err(error) => {
            assert!(!matches!(error, ProbeError::Fetch(_) | ProbeError::Store), "{}: {error}", what());
            false
        }
    }
}

fn promises(info: &MediaInfo, size: u64, what: &dyn Fn() -> String) {
    assert_eq!(info.size, size, "{}", what());
    assert!(!info.index.is_empty(), "{}", what());
    for pair in info.index.windows(2) {
        assert!(pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1, "{}: the index descends: {pair:?}", what());
    }
    let syncs = info.tracks.iter().filter_map(|track| track.first_sync).map(|sync| sync.span);
    let spans = info.headers.iter().copied().chain(info.ranges(0, 1000)).chain(info.ranges(0, u64::MAX));
    for span in spans.chain(syncs) {
        assert!(span.start <= span.end && span.end <= size, "{}: {span:?} leaves the file", what());
    }
    assert!(info.tracks.len() < 100 && info.tracks.iter().all(|track| track.codec.len() < 64), "{}", what());
}

const CONTAINERS: [&[u8; 4]; 12] = [
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"edts", b"moof", b"traf", b"mfra", b"udta",
    b"dinf",
];

/// Where boxes are: offset, length, name.
fn boxes(bytes: &[u8], base: usize, found: &mut Vec<(usize, usize, [u8; 4])>) {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name = [head[4], head[5], head[6], head[7]];
        if size < 8 || at + size > bytes.len() || found.len() >= 400 {
            return;
        }
        found.push((base + at, size, name));
        if CONTAINERS.contains(&&name) {
            boxes(&bytes[at + 8..at + size], base + at + 8, found);
        } else if name == *b"stsd" {
            boxes(bytes.get(at + 16..at + size).unwrap_or_default(), base + at + 16, found);
        }
        at += size;
    }
}

/// Adds a box to the end of the container that `path` leads to. What lies behind it moves.
fn insert(file: &mut Vec<u8>, path: &[&[u8; 4]], added: &[u8]) {
    let (mut start, mut end, mut sizes) = (0, file.len(), Vec::new());
    for name in path {
        let mut at = start;
        loop {
            let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
            if file[at + 4..at + 8] == name[..] {
                sizes.push(at);
                (start, end) = (at + 8, at + size);
                break;
            }
            at += size;
            assert!(at < end, "no {name:?}");
        }
    }
    for at in sizes {
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) + added.len() as u32;
        file[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    file.splice(end..end, added.iter().copied());
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A progressive file, headers last, with every optional table the probe reads.
fn rich() -> Vec<u8> {
    let mut file = mp4_of(&[7; 4_000], 100, true);
    let stbl: [&[u8; 4]; 5] = [b"moov", b"trak", b"mdia", b"minf", b"stbl"];
    insert(&mut file, &stbl, &boxed(b"stss", &[&words(&[0, 2, 1, 20])]));
    insert(&mut file, &stbl, &boxed(b"ctts", &[&words(&[0, 2, 20, 100, 20, 200])]));
    let elst = boxed(b"elst", &[&words(&[0, 2, 500, u32::MAX, 0x1_0000, 4000, 100, 0x1_0000])]);
    insert(&mut file, &[b"moov", b"trak"], &boxed(b"edts", &[&elst]));
    file
}

/// Fragments with runs and times, a segment index where asked for, and a random access index at the end.
fn runs(sidx: bool) -> Vec<u8> {
    let (mut file, _) = fragmented(&[], false);
    insert(&mut file, &[b"moov", b"mvex"], &boxed(b"trex", &[&words(&[0, 1, 1, 100, 50, 0])]));
    if sidx {
        let rows = words(&[172, 1000, 0, 172, 1000, 0, 172, 1000, 0]);
        file.extend(boxed(b"sidx", &[&words(&[0, 1, 1000, 0, 0, 3]), &rows]));
    }
    let mut places = Vec::new();
    for number in 0..3u32 {
        places.push(file.len() as u32);
        let tfhd = boxed(b"tfhd", &[&words(&[0x2_0020, 1, 0x1_0000])]);
        let tfdt = boxed(b"tfdt", &[&words(&[0, number * 1000])]);
        let trun = boxed(b"trun", &[&words(&[0x305, 2, 100, 0, 500, 20, 500, 20])]);
        let traf = boxed(b"traf", &[&tfhd, &tfdt, &trun]);
        file.extend(boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, number])]), &traf]));
        file.extend(boxed(b"mdat", &[&[9; 40]]));
    }
    let mut rows = words(&[0, 1, 0, 3]);
    for (number, place) in (0u32..).zip(places) {
        rows.extend(words(&[number * 1000, place]));
        rows.extend([1, 1, 1]);
    }
    let tfra = boxed(b"tfra", &[&rows]);
    let length = (8 + tfra.len() + 16) as u32;
    file.extend(boxed(b"mfra", &[&tfra, &boxed(b"mfro", &[&words(&[0, length])])]));
    file
}

/// Files to damage: made here, and the small ones of the shared media where they are at hand.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![
        ("headers first".to_owned(), mp4_of(&[7; 3_000], 100, false)),
        ("every table".to_owned(), rich()),
        ("fragments".to_owned(), runs(false)),
        ("fragments with an index".to_owned(), runs(true)),
    ];
    let shared = std::env::var_os("UNSPOOL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let mut paths = Vec::new();
    for folder in ["progressive", "fmp4", "malformed"] {
        let Ok(entries) = std::fs::read_dir(shared.join("data/media").join(folder)) else {
            eprintln!("NO DATA: {folder}");
            continue;
        };
        paths.extend(entries.map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        // Large files are as hostile as small ones, only slower to copy.
        if bytes.len() < 140_000 {
            seeds.push((path.file_name().unwrap().to_string_lossy().into_owned(), bytes));
        }
    }
    seeds
}

/// Runs `damage` over every seed until it has no more to do or the time is up; says how many cases that were.
fn over_seeds(damage: impl Fn(&str, &[u8], &mut dyn FnMut(&[u8], &dyn Fn() -> String) -> bool)) {
    let (mut cases, mut answers) = (0u32, 0u32);
    let seeds = seeds();
    let each = ALL / seeds.len() as u32;
    for (name, seed) in &seeds {
        let begun = Instant::now();
        let mut first = true;
        damage(name, seed, &mut |bytes, what| {
            // At least one case of each, however slow the machine is.
            if !std::mem::take(&mut first) && begun.elapsed() > each {
                return false;
            }
            cases += 1;
            answers += u32::from(answered(bytes, what));
            true
        });
    }
    eprintln!("{cases} cases, {answers} with an answer");
    assert!(cases > 100);
}

#[test]
fn what_is_damaged_here_is_sound() {
    for (name, seed) in seeds().iter().take(4) {
        let info = probe_bytes(seed).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(info.tracks[0].first_sync.is_some(), "{name}: {info:?}");
        promises(&info, seed.len() as u64, &|| name.clone());
        assert!(info.index.len() > 3, "{name}: {info:?}");
    }
}

#[test]
fn cut_at_every_box() {
    over_seeds(|name, seed, case| {
        let mut found = Vec::new();
        boxes(seed, 0, &mut found);
        for (at, size, _) in found {
            for cut in [at, at + 1, at + 4, at + 7, at + 8, at + 12, at + 16, at + size - 1, at + size] {
                let cut = cut.min(seed.len());
                if !case(&seed[..cut], &|| format!("{name} cut at {cut}")) {
                    return;
                }
            }
        }
    });
}

#[test]
fn boxes_that_lie_about_their_size() {
    over_seeds(|name, seed, case| {
        let mut found = Vec::new();
        boxes(seed, 0, &mut found);
        for (at, size, _) in found {
            let size = size as u32;
            for lie in [0, 1, 2, 7, 8, 9, 15, 16, size - 1, size + 1, 0x7fff_ffff, 0xffff_fff8, u32::MAX] {
                let mut lying = seed.to_vec();
                lying[at..at + 4].copy_from_slice(&lie.to_be_bytes());
                if !case(&lying, &|| format!("{name}: size {lie} at {at}")) {
                    return;
                }
            }
            // The length of 64 bits takes the place of the first fields.
            for lie in [0u64, 15, 16, 17, u64::from(size), 1 << 62, u64::MAX - 7, u64::MAX] {
                let mut lying = seed.to_vec();
                lying[at..at + 4].copy_from_slice(&1u32.to_be_bytes());
                if let Some(field) = lying.get_mut(at + 8..at + 16) {
                    field.copy_from_slice(&lie.to_be_bytes());
                }
                if !case(&lying, &|| format!("{name}: long size {lie} at {at}")) {
                    return;
                }
            }
        }
    });
}

#[test]
fn absurd_counts_in_every_table() {
    const TABLES: [&[u8; 4]; 19] = [
        b"stsz", b"stz2", b"stco", b"co64", b"stsc", b"stts", b"ctts", b"stss", b"trun", b"tfhd", b"tfdt",
        b"sidx", b"elst", b"trex", b"tfra", b"mfro", b"mvhd", b"mdhd", b"stsd",
    ];
    over_seeds(|name, seed, case| {
        let mut found = Vec::new();
        boxes(seed, 0, &mut found);
        for (at, size, table) in found.into_iter().filter(|(_, _, name)| TABLES.contains(&name)) {
            for field in (8..size.min(48)).step_by(4) {
                for lie in [0u32, 1, 0x7fff_ffff, 0x1000_0000, 0xffff, u32::MAX] {
                    let mut lying = seed.to_vec();
                    let Some(place) = lying.get_mut(at + field..at + field + 4) else { continue };
                    place.copy_from_slice(&lie.to_be_bytes());
                    let table = String::from_utf8_lossy(&table).into_owned();
                    if !case(&lying, &|| format!("{name}: {lie} at {field} in {table}")) {
                        return;
                    }
                }
            }
        }
    });
}

#[test]
fn flipped_bits() {
    over_seeds(|name, seed, case| {
        let mut found = Vec::new();
        boxes(seed, 0, &mut found);
        if found.is_empty() {
            return;
        }
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ seed.len() as u64);
        for round in 0..3_000 {
            let mut damaged = seed.to_vec();
            for _ in 0..=numbers.below(6) {
                // Where structure is: within the first bytes of some box.
                let (at, size, _) = found[numbers.below(found.len())];
                let place = (at + numbers.below(size.min(64))).min(damaged.len() - 1);
                damaged[place] ^= 1 << numbers.below(8);
            }
            if !case(&damaged, &|| format!("{name}: round {round} of flipped bits")) {
                return;
            }
        }
    });
}

#[test]
fn nesting_and_crowds() {
    let ftyp = boxed(b"ftyp", &[b"isom\0\0\0\0"]);
    for name in [b"moov", b"trak", b"mdia", b"edts", b"traf", b"udta"] {
        // Every level is a whole box around the next.
        let depth = 100_000;
        let mut nested: Vec<u8> = Vec::new();
        for level in (1..=depth).rev() {
            nested.extend(((level * 8) as u32).to_be_bytes());
            nested.extend(name);
        }
        for outer in [&b"moov"[..], b"moof"] {
            let outer = <&[u8; 4]>::try_from(outer).unwrap();
            let file = [ftyp.clone(), boxed(outer, &[&nested])].concat();
            answered(&file, &|| format!("{name:?} in itself"));
        }
        let mut inside = rich();
        insert(&mut inside, &[b"moov", b"trak"], &nested);
        answered(&inside, &|| format!("{name:?} in itself within a track"));
        let crowd: Vec<u8> = (0..100_000).flat_map(|_| boxed(name, &[])).collect();
        answered(&[ftyp.clone(), boxed(b"moov", &[&crowd])].concat(), &|| format!("a crowd of {name:?}"));
        answered(&[ftyp.clone(), crowd].concat(), &|| format!("a crowd of {name:?} outside"));
    }
    // Many whole tracks, many fragments with many samples that take no bytes, many segment indexes.
    let one = rich();
    let mut found = Vec::new();
    boxes(&one, 0, &mut found);
    let (at, size, _) = found.iter().copied().find(|(_, _, name)| name == b"trak").unwrap();
    let tracks = one[at..at + size].repeat(8_000_000 / size);
    let mut file = one.clone();
    insert(&mut file, &[b"moov"], &tracks[..tracks.len() - tracks.len() % size]);
    answered(&file, &|| "a crowd of tracks".to_owned());
    let trun = boxed(b"trun", &[&words(&[0, 0xffff])]);
    let traf = boxed(b"traf", &[&boxed(b"tfhd", &[&words(&[0, 1])]), &trun.repeat(2_000)]);
    let moof = boxed(b"moof", &[&traf]);
    let (mut file, _) = fragmented(&[], false);
    (0..300).for_each(|_| file.extend([moof.clone(), boxed(b"mdat", &[&[0; 8]])].concat()));
    answered(&file, &|| "a crowd of samples".to_owned());
    let (mut file, _) = fragmented(&[], false);
    let rows = words(&[u32::MAX, u32::MAX, 0]).repeat(0xffff);
    let sidx = boxed(b"sidx", &[&words(&[0, 1, 1, u32::MAX, u32::MAX, 0xffff]), &rows]);
    (0..20).for_each(|_| file.extend(&sidx));
    answered(&file, &|| "a crowd of segments".to_owned());
    // Two million samples in one chunk, as many chunks without a sample, the longest time there is.
    for (count, per_chunk, delta) in [(2_000_000u32, u32::MAX, u32::MAX), (2_000_000, 0, 1), (u32::MAX, 1, 0)]
    {
        let mut file = rich();
        let mut found = Vec::new();
        boxes(&file, 0, &mut found);
        for (at, _, name) in found {
            let (field, value) = match &name {
                b"stsz" => (12, [1, count]),
                b"stsc" => (16, [1, per_chunk]),
                b"stts" => (16, [count, delta]),
                b"mvhd" => (20, [1, u32::MAX - 1]),
                _ => continue,
            };
            file[at + field..at + field + 8].copy_from_slice(&words(&value));
        }
        answered(&file, &|| format!("{count} samples, {per_chunk} in a chunk, {delta} apart"));
    }
}
