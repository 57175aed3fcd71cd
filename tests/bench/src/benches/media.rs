//! The span store against a plain file, and the fetcher against a plain GET.
//!
//! Both files lie in the page cache, so what is compared is the work around the system call. Ours takes a lock, looks
//! up its spans, keeps the byte books and verifies checksums at the first read; the peer is `pread` and nothing else.
//!
//! How a file came into the page cache decides how fast it is read from there: a file written in one go lies in large
//! pieces of memory, one written as it came over the network in small ones, and the same `pread` takes up to 2.5 times as
//! long over those (Linux 6.18, ext4). So both files are dropped from the cache and come back by the same reads before
//! anything is measured. What was fetched a moment ago is a row of its own, against a download written as it came.

mod index;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tokio::runtime::{Handle, Runtime};
use unspool_engine::{Container, MediaKey, Span};
use unspool_media::{ByteSource, FetchTicket, Media, MediaConfig, Origin, Priority, Purpose};

pub(crate) use index::{MEMORY, memory};

use super::{Effort, gateway};
use crate::clip::{self, Noise, Shape};
use crate::error::BenchError;
use crate::files;
use crate::report::Row;
use crate::stats::median;

/// The file read and fetched.
const FILE: u64 = 32 << 20;
/// A sequential read, as a demuxer's source makes them.
const SEQUENTIAL: usize = 64 << 10;
/// A random read, and how many of them make a pass.
const RANDOM: usize = 16 << 10;
const RANDOM_READS: usize = 2_048;
/// Renditions in the store that is opened, and the bytes held of each.
const KEYS: usize = 2_000;
const KEY_BYTES: u64 = 16 << 10;
/// Fetches asked for at once while that store is filled.
const FILLING: usize = 64;
/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::new()?;
    let mut index = index::rows(folder.path(), runtime.handle(), effort)?;
    let plain = folder.path().join("plain.mp4");
    clip::make(&plain, Shape { width: 320, height: 240, rate: 25, seconds: 2 })?;
    clip::grow(&plain, FILE)?;
    let bytes = Bytes::from(std::fs::read(&plain)?);
    let address = runtime.block_on(files::serve(bytes))?;
    let url = format!("http://{address}/clip.mp4");
    let setup = Setup { runtime, url, folder: folder.path(), plain: &plain };
    let mut rows = setup.reading(effort)?;
    rows.append(&mut setup.fetching(effort)?);
    rows.push(setup.opening(effort)?);
    rows.append(&mut index);
    Ok(rows)
}

/// The server, the plain file, and a folder for stores.
struct Setup<'a> {
    runtime: Runtime,
    url: String,
    folder: &'a Path,
    plain: &'a Path,
}

impl Setup<'_> {
    fn open(&self, name: &str) -> Result<Arc<Media>, BenchError> {
        open(&self.folder.join(name), self.runtime.handle())
    }

    fn origin(&self) -> Origin {
        Origin::new(&self.url, Container::Mp4)
    }

    fn reading(&self, effort: Effort) -> Result<Vec<Row>, BenchError> {
        let key = MediaKey::new("reading", "720p");
        let media = self.open("reading")?;
        hold(&media, self.runtime.handle(), &key, self.origin())?;
        let plain = File::open(self.plain)?;
        let source = source(&media, &key)?;
        let order: Vec<u64> = (0..FILE).step_by(SEQUENTIAL).collect();
        let fresh = self.just_fetched(effort, &*source, &order)?;
        let stored = media.complete_file(&key).map_err(BenchError::step("taking the cached file"))?;
        read_back(stored.file())?;
        read_back(&plain)?;
        drop(stored);
        // Once unmeasured on both sides: the allocator is warm then.
        let mut passes = Passes::default();
        passes.pass(&*source, &plain, &order, SEQUENTIAL)?;
        passes = Passes::default();
        for _ in 0..effort.rounds(30, 3) {
            passes.pass(&*source, &plain, &order, SEQUENTIAL)?;
        }
        let mut noise = Noise::new(7);
        let mut random = Passes::default();
        for _ in 0..effort.rounds(30, 3) {
            let places: Vec<u64> = (0..RANDOM_READS).map(|_| noise.below(FILE - RANDOM as u64)).collect();
            random.pass(&*source, &plain, &places, RANDOM)?;
        }
        drop(source);
        let mut served = gateway::rows(effort, &media, &key, self.plain, self.runtime.handle())?;
        close(media, self.runtime.handle())?;
        let mut first = Passes::default();
        for _ in 0..effort.rounds(10, 2) {
            let media = self.open("reading")?;
            let source = self::source(&media, &key)?;
            first.pass(&*source, &plain, &order, SEQUENTIAL)?;
            drop(source);
            close(media, self.runtime.handle())?;
        }
        let mut rows = vec![
            passes.row("sequential reads, 64 KiB", "pread of a plain file").aim(">= 0.8x")?,
            random.row("random reads, 16 KiB", "pread of a plain file").aim(">= 0.8x")?,
            first.row("first pass after opening, checksums verified", "pread of a plain file"),
            fresh.row("sequential reads of what was just fetched", "pread of a download written as it came"),
        ];
        rows.append(&mut served);
        Ok(rows)
    }

    /// Reading what a fetch has left in the page cache, against what a plain download leaves there.
    fn just_fetched(
        &self,
        effort: Effort,
        source: &dyn ByteSource,
        order: &[u64],
    ) -> Result<Passes, BenchError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(BenchError::step("building an HTTP client"))?;
        let path = self.folder.join("downloaded.mp4");
        let mut download = File::create(&path)?;
        self.runtime.block_on(get(&client, &self.url, Some(&mut download)))?;
        download.sync_data()?;
        let download = File::open(path)?;
        let mut passes = Passes::default();
        passes.pass(source, &download, order, SEQUENTIAL)?;
        passes = Passes::default();
        for _ in 0..effort.rounds(30, 3) {
            passes.pass(source, &download, order, SEQUENTIAL)?;
        }
        Ok(passes)
    }

    fn fetching(&self, effort: Effort) -> Result<Vec<Row>, BenchError> {
        let media = self.open("fetching")?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(BenchError::step("building an HTTP client"))?;
        let copy = self.folder.join("got.mp4");
        let (mut ours, mut memory, mut disk) = (Vec::new(), Vec::new(), Vec::new());
        let speed = |begun: Instant| FILE as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64();
        // The first round opens connections and is not counted.
        for round in 0..=effort.rounds(10, 2) {
            let key = MediaKey::new(&format!("fetching-{round}"), "720p");
            media.register(&key, self.origin());
            let mut file = File::create(&copy)?;
            let mut got = [0.0; 3];
            // Who goes first changes from round to round.
            for turn in 0..got.len() {
                let who = (turn + round) % got.len();
                let begun = Instant::now();
                match who {
                    0 => {
                        let whole = [Span::new(0, FILE)];
                        let ticket = media.fetch(&key, &whole, Priority::Playback, Purpose::Offline);
                        wait(&ticket, self.runtime.handle())?;
                    }
                    1 => self.runtime.block_on(get(&client, &self.url, None))?,
                    _ => self.runtime.block_on(get(&client, &self.url, Some(&mut file)))?,
                }
                got[who] = speed(begun);
            }
            if media.usage() < FILE {
                return Err(BenchError::step("fetching")("the fetch ended before the file was here"));
            }
            if round > 0 {
                ours.push(got[0]);
                memory.push(got[1]);
                disk.push(got[2]);
            }
            media.forget(&key).map_err(BenchError::step("emptying the store"))?;
        }
        close(media, self.runtime.handle())?;
        let row = |theirs: &[f64], peer: &str| {
            Row::new("fetch of 32 MiB over loopback", "MiB/s", ours.len(), median(&ours))
                .against(peer, median(theirs))
        };
        Ok(vec![row(&memory, "one GET, bytes dropped"), row(&disk, "one GET, written to a file")])
    }

    /// The peer is a cache without an index, which lists its folder to know what it has.
    fn opening(&self, effort: Effort) -> Result<Row, BenchError> {
        let media = self.open("many")?;
        let keys: Vec<MediaKey> = (0..KEYS).map(|n| MediaKey::new(&format!("asset-{n}"), "720p")).collect();
        for some in keys.chunks(FILLING) {
            let fetch = |key: &MediaKey| {
                media.register(key, self.origin());
                media.fetch(key, &[Span::new(0, KEY_BYTES)], Priority::Playback, Purpose::Offline)
            };
            let tickets: Vec<FetchTicket> = some.iter().map(fetch).collect();
            tickets.iter().try_for_each(|ticket| wait(ticket, self.runtime.handle()))?;
        }
        close(media, self.runtime.handle())?;
        let listed = self.folder.join("listed");
        std::fs::create_dir(&listed)?;
        for number in 0..KEYS {
            std::fs::write(listed.join(format!("asset-{number}-720p.mp4")), vec![0; KEY_BYTES as usize])?;
        }
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds(20, 3) {
            let begun = Instant::now();
            let media = self.open("many")?;
            ours.push(begun.elapsed().as_secs_f64() * 1e3);
            let known = media.stored().len();
            close(media, self.runtime.handle())?;
            let begun = Instant::now();
            let mut found = 0;
            for entry in std::fs::read_dir(&listed)? {
                found += usize::from(entry?.metadata()?.len() == KEY_BYTES);
            }
            theirs.push(begun.elapsed().as_secs_f64() * 1e3);
            if (known, found) != (KEYS, KEYS) {
                return Err(BenchError::step("opening")(format!(
                    "{known} and {found} of {KEYS} files are known"
                )));
            }
        }
        Ok(Row::new("opening a store of 2,000 renditions", "ms", ours.len(), median(&ours))
            .against("listing a folder of as many files", median(&theirs)))
    }
}

/// Throughput of passes over the same places, ours and the peer's in turn.
#[derive(Debug, Default)]
struct Passes {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Passes {
    fn pass(
        &mut self,
        source: &dyn ByteSource,
        plain: &File,
        places: &[u64],
        size: usize,
    ) -> Result<(), BenchError> {
        let mut ours = vec![0; size];
        let mut theirs = vec![0; size];
        let speed = |begun: Instant| {
            places.len() as f64 * size as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64()
        };
        let mut read_ours = |took: &mut Vec<f64>| {
            let begun = Instant::now();
            for &place in places {
                fill(source, place, &mut ours)?;
            }
            took.push(speed(begun));
            Ok::<(), BenchError>(())
        };
        let mut read_theirs = |took: &mut Vec<f64>| {
            let begun = Instant::now();
            for &place in places {
                plain.read_exact_at(&mut theirs, place)?;
            }
            took.push(speed(begun));
            Ok::<(), BenchError>(())
        };
        // Who goes first changes from pass to pass.
        if self.ours.len().is_multiple_of(2) {
            read_ours(&mut self.ours)?;
            read_theirs(&mut self.theirs)?;
        } else {
            read_theirs(&mut self.theirs)?;
            read_ours(&mut self.ours)?;
        }
        match ours == theirs {
            true => Ok(()),
            false => Err(BenchError::step("reading from the store")("its bytes differ from the file's")),
        }
    }

    fn row(&self, name: &str, peer: &str) -> Row {
        Row::new(name, "MiB/s", self.ours.len(), median(&self.ours)).against(peer, median(&self.theirs))
    }
}

/// Drops a file from the page cache and reads it back in order, so that it lies there as any file does that is read.
fn read_back(file: &File) -> Result<(), BenchError> {
    file.sync_data()?;
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).map_err(std::io::Error::from)?;
    let mut buffer = vec![0; SEQUENTIAL];
    for place in (0..FILE).step_by(SEQUENTIAL) {
        file.read_exact_at(&mut buffer, place)?;
    }
    Ok(())
}

/// Reads until `buffer` is full.
fn fill(source: &dyn ByteSource, place: u64, buffer: &mut [u8]) -> Result<(), BenchError> {
    let mut got = 0;
    while got < buffer.len() {
        let read = source.read_at(place + got as u64, &mut buffer[got..], LONG);
        match read.map_err(BenchError::step("reading from the store"))? {
            0 => return Err(BenchError::step("reading from the store")("the file ends early")),
            some => got += some,
        }
    }
    Ok(())
}

pub(crate) fn open(folder: &Path, handle: &Handle) -> Result<Arc<Media>, BenchError> {
    Media::open(MediaConfig::new(folder), handle.clone()).map_err(BenchError::step("opening the store"))
}

/// Probes `key` and fetches all of it.
pub(crate) fn hold(media: &Media, handle: &Handle, key: &MediaKey, origin: Origin) -> Result<(), BenchError> {
    media.register(key, origin);
    let info = handle
        .block_on(media.probe(key, Priority::Playback))
        .map_err(BenchError::step("probing the clip"))?;
    wait(&media.fetch(key, &[Span::new(0, info.size)], Priority::Playback, Purpose::Offline), handle)?;
    match media.is_complete(key) {
        true => Ok(()),
        false => Err(BenchError::step("fetching the clip")("some of it is missing")),
    }
}

pub(crate) fn source(media: &Media, key: &MediaKey) -> Result<Arc<dyn ByteSource>, BenchError> {
    media.source(key).map_err(BenchError::step("opening a source"))
}

/// Ends a store so that its folder can be opened again.
pub(crate) fn close(media: Arc<Media>, handle: &Handle) -> Result<(), BenchError> {
    handle.block_on(media.shutdown(LONG)).map_err(BenchError::step("closing the store"))?;
    let gone = Arc::downgrade(&media);
    drop(media);
    // Tasks that end hold the last shares; the folder is free when they are gone.
    let until = Instant::now() + LONG;
    while gone.strong_count() > 0 && Instant::now() < until {
        std::thread::yield_now();
    }
    Ok(())
}

fn wait(ticket: &FetchTicket, handle: &Handle) -> Result<(), BenchError> {
    let wait = async { tokio::time::timeout(LONG, ticket.wait()).await };
    match handle.block_on(wait) {
        Ok(outcome) => outcome.map(drop).map_err(BenchError::step("fetching the clip")),
        Err(late) => Err(BenchError::step("fetching the clip")(late)),
    }
}

async fn get(client: &reqwest::Client, url: &str, mut file: Option<&mut File>) -> Result<(), BenchError> {
    let failed = BenchError::step::<reqwest::Error>;
    let mut response = client.get(url).send().await.map_err(failed("a plain GET"))?;
    let mut got = 0;
    while let Some(piece) = response.chunk().await.map_err(failed("a plain GET"))? {
        got += piece.len() as u64;
        if let Some(file) = &mut file {
            file.write_all(&piece)?;
        }
    }
    match got {
        FILE => Ok(()),
        short => Err(BenchError::step("a plain GET")(format!("{short} bytes came"))),
    }
}
