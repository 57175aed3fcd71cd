//! The videos of a run: drawn from published averages, or read from a folder of chunk sizes.
//!
//! A catalogue folder holds one file per video, `NAME.csv`. Its first line is `chunk_ms,duration_ms,KBPS…` with the nominal
//! kilobits per second of each rendition, lowest first; every further line is one chunk: its bytes at each rendition. A
//! file `NAME.retention.csv` beside it, lines of `milliseconds,share`, gives the share of viewers still watching.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::error::SimError;
use crate::session::{MAX_CHUNKS, MAX_RENDITIONS, Session, Video};

/// Videos of a drawn catalogue.
pub const DRAWN: usize = 40;
/// Renditions of the common ladder, kbit/s (ACM MM 2022 challenge).
pub const LADDER: [u32; 3] = [750, 1_200, 1_850];
/// Renditions for fast networks, kbit/s.
pub const HIGH_LADDER: [u32; 4] = [750, 1_850, 4_000, 8_000];
/// Lengths of the challenge's videos in seconds; drawn videos lie around them.
const LENGTHS_S: [u32; 7] = [17, 26, 37, 40, 47, 6, 125];
/// Mean of a video over its nominal rate: the challenge's videos lie between 0.97 and 1.23.
const MEAN_RANGE: std::ops::Range<f64> = 0.97..1.23;

/// Draws a catalogue. The same seed gives the same videos.
#[must_use]
pub fn draw(seed: u64, ladder: &[u32]) -> Vec<Video> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x6361_7461);
    (0..DRAWN)
        .map(|i| {
            let seconds = f64::from(LENGTHS_S[i % LENGTHS_S.len()]) * rng.random_range(0.75..1.25);
            let chunks = (seconds.round() as usize).max(4);
            let mean = rng.random_range(MEAN_RANGE);
            // Scenes of a few seconds; a chunk wavers around its scene. All renditions show the same scene.
            let mut scene = 1.0;
            let shape: Vec<f64> = (0..chunks)
                .map(|_| {
                    if rng.random::<f64>() < 0.25 {
                        scene = rng.random_range(0.6..1.5);
                    }
                    scene * rng.random_range(0.75..1.3)
                })
                .collect();
            let average = shape.iter().sum::<f64>() / chunks as f64;
            let sizes = ladder
                .iter()
                .map(|&kbps| {
                    let bytes = f64::from(kbps) * 125.0 * mean / average;
                    shape.iter().map(|s| (bytes * s) as u32).collect()
                })
                .collect();
            Video {
                id: i as u32,
                duration_ms: chunks as u32 * 1_000,
                chunk_ms: 1_000,
                kbps: ladder.to_vec(),
                sizes,
                retention: Vec::new(),
            }
        })
        .collect()
}

/// Reads a catalogue folder, in the order of the names.
///
/// # Errors
/// Where a file cannot be read, is not in the format, or is out of the bounds of [`Session::check`].
pub fn read(dir: &Path) -> Result<Vec<Video>, SimError> {
    let entries = std::fs::read_dir(dir).map_err(|e| SimError::io(dir, e))?;
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    files.retain(|p| {
        let name = p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        name.ends_with(".csv") && !name.ends_with(".retention.csv")
    });
    files.sort();
    let mut videos = Vec::with_capacity(files.len());
    for (i, file) in files.iter().enumerate() {
        let mut video = read_one(file, i as u32)?;
        let retention = file.with_extension("retention.csv");
        if retention.is_file() {
            video.retention = numbers(&retention)?
                .into_iter()
                .map(|row| match row[..] {
                    [t, p] => Ok((t as u32, p)),
                    _ => Err(SimError::format(&retention, "a row that is not `milliseconds,share`")),
                })
                .collect::<Result<_, _>>()?;
        }
        videos.push(video);
    }
    let session = Session { videos, rtt_ms: 0.0, queue: 1 };
    session.check().map_err(|e| SimError::format(dir, e.to_string()))?;
    Ok(session.videos)
}

fn read_one(file: &Path, id: u32) -> Result<Video, SimError> {
    let bad = |what: &str| SimError::format(file, what);
    let rows = numbers(file)?;
    let (head, chunks) = rows.split_first().ok_or_else(|| bad("an empty file"))?;
    let [chunk_ms, duration_ms, kbps @ ..] = &head[..] else {
        return Err(bad("a first line that is not `chunk_ms,duration_ms,KBPS…`"));
    };
    if kbps.len() > MAX_RENDITIONS || chunks.iter().any(|c| c.len() != kbps.len()) {
        return Err(bad("a chunk with another number of sizes than renditions"));
    }
    let column = |r: usize| chunks.iter().map(|c| c[r] as u32).collect();
    Ok(Video {
        id,
        duration_ms: *duration_ms as u32,
        chunk_ms: *chunk_ms as u32,
        kbps: kbps.iter().map(|&k| k as u32).collect(),
        sizes: (0..kbps.len()).map(column).collect(),
        retention: Vec::new(),
    })
}

fn numbers(file: &Path) -> Result<Vec<Vec<f64>>, SimError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|e| SimError::format(file, e.to_string()))?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| SimError::format(file, e.to_string()))?;
        if rows.len() > MAX_CHUNKS {
            return Err(SimError::format(file, "too many rows"));
        }
        let row: Result<Vec<f64>, _> = record.iter().map(str::parse::<f64>).collect();
        rows.push(row.map_err(|_| SimError::format(file, format!("row {} is not numbers", rows.len() + 1)))?);
    }
    Ok(rows)
}
