//! How long people stay: retention curves by length of video, and sessions of real people.
//!
//! The people file is the interaction log of KuaiRand (Gao et al., CIKM 2022): CSV, plain or gzip, with at least the columns
//! `user_id`, `time_ms`, `play_time_ms` and `duration_ms`, one row per video shown. A share-alike licence keeps the rows out
//! of this repository; `PRIOR` holds a few rates read off them, for machines that do not have the file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::error::SimError;
use crate::session::Video;

/// Most rows of a people file.
pub const MAX_ROWS: usize = 20_000_000;
/// Upper ends of the bands of length, milliseconds.
const BANDS_MS: [u32; 6] = [10_000, 20_000, 40_000, 60_000, 90_000, 150_000];
/// Where curves are sampled, milliseconds; beyond the last one as a share of the length.
const AT_MS: [u32; 11] = [1_000, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000];

/// Share of views still running at each of [`AT_MS`], and the share that went to the end, by band of length. Rates of
/// views with a play time above zero in the week of 25 April 2022 of KuaiRand-Pure (Gao et al., CIKM 2022).
const PRIOR: [([f64; 11], f64); 7] = [
    ([0.94, 0.69, 0.56, 0.42, 0.31, 0.17, 0.08, 0.05, 0.02, 0.01, 0.01], 0.494),
    ([0.94, 0.71, 0.59, 0.47, 0.41, 0.34, 0.20, 0.10, 0.03, 0.01, 0.00], 0.269),
    ([0.94, 0.74, 0.63, 0.53, 0.48, 0.43, 0.38, 0.33, 0.17, 0.03, 0.01], 0.218),
    ([0.95, 0.76, 0.66, 0.56, 0.50, 0.45, 0.40, 0.36, 0.30, 0.20, 0.03], 0.174),
    ([0.96, 0.80, 0.71, 0.61, 0.55, 0.50, 0.45, 0.41, 0.34, 0.28, 0.22], 0.149),
    ([0.96, 0.79, 0.69, 0.58, 0.52, 0.46, 0.41, 0.37, 0.32, 0.27, 0.23], 0.101),
    ([0.95, 0.76, 0.65, 0.52, 0.46, 0.40, 0.34, 0.30, 0.26, 0.22, 0.18], 0.045),
];

/// One view of a real person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Length of the video, milliseconds.
    pub duration_ms: u32,
    /// How long it was watched, milliseconds, at most its length.
    pub watch_ms: u32,
}

/// What is known of how people watch.
#[derive(Debug, Clone)]
pub struct People {
    /// The views of each band of length; a band without any has the cited aggregates.
    bands: Option<Vec<Vec<View>>>,
    /// Views of each person in time order, people in the order of their ids.
    pub users: Vec<Vec<View>>,
}

impl People {
    /// The cited aggregates alone.
    #[must_use]
    pub fn prior() -> Self {
        People { bands: None, users: Vec::new() }
    }

    /// Reads a people file. Views without any play time are left out: most of them are rows of a list of covers.
    ///
    /// # Errors
    /// Where the file cannot be read, lacks a column, or holds no view.
    pub fn read(path: &Path) -> Result<Self, SimError> {
        let file = std::fs::File::open(path).map_err(|e| SimError::io(path, e))?;
        let bad = |e: csv::Error| SimError::format(path, e.to_string());
        let source: Box<dyn Read> = match path.extension().is_some_and(|e| e == "gz") {
            true => Box::new(flate2::read::GzDecoder::new(file)),
            false => Box::new(file),
        };
        let mut reader = csv::Reader::from_reader(source);
        let headers = reader.headers().map_err(bad)?.clone();
        let column = |name: &str| {
            headers
                .iter()
                .position(|h| h == name)
                .ok_or_else(|| SimError::format(path, format!("no column {name}")))
        };
        let columns =
            [column("user_id")?, column("time_ms")?, column("play_time_ms")?, column("duration_ms")?];
        let mut users: BTreeMap<u64, Vec<(u64, View)>> = BTreeMap::new();
        let mut row = csv::StringRecord::new();
        let mut rows = 0_usize;
        while reader.read_record(&mut row).map_err(bad)? {
            rows += 1;
            let cell = |i: usize| {
                let text = row.get(columns[i]).unwrap_or("");
                text.parse::<u64>()
                    .map_err(|_| SimError::format(path, format!("row {rows}: {text:?} is no number")))
            };
            let (user, time, play, duration) = (cell(0)?, cell(1)?, cell(2)?, cell(3)?);
            if rows > MAX_ROWS {
                return Err(SimError::format(path, "too many rows"));
            }
            if play == 0 || !(1_000..=3_600_000).contains(&duration) {
                continue;
            }
            let view = View { duration_ms: duration as u32, watch_ms: play.min(duration) as u32 };
            users.entry(user).or_default().push((time, view));
        }
        let mut bands = vec![Vec::new(); BANDS_MS.len() + 1];
        let users: Vec<Vec<View>> = users
            .into_values()
            .map(|mut views| {
                views.sort_by_key(|v| v.0);
                views.into_iter().map(|v| v.1).collect()
            })
            .collect();
        for view in users.iter().flatten() {
            bands[band(view.duration_ms)].push(*view);
        }
        if users.is_empty() {
            return Err(SimError::format(path, "not a single view"));
        }
        Ok(People { bands: Some(bands), users })
    }

    /// Whether the curves come from a people file.
    #[must_use]
    pub fn measured(&self) -> bool {
        self.bands.is_some()
    }

    /// Share of viewers still watching a video of this length, at its start, every second of the first ten, every fifth
    /// after that, and just before its end.
    #[must_use]
    pub fn retention(&self, duration_ms: u32) -> Vec<(u32, f64)> {
        let seconds = (0..10).chain((10..).step_by(5)).map(|s| s * 1_000);
        let mut at: Vec<u32> = seconds.take_while(|&t| t < duration_ms.saturating_sub(500)).collect();
        at.push(duration_ms - 1);
        at.into_iter().map(|t| (t, self.still_watching(duration_ms, t))).collect()
    }

    fn still_watching(&self, duration_ms: u32, ms: u32) -> f64 {
        if ms == 0 {
            return 1.0;
        }
        let band = band(duration_ms);
        match self.bands.as_ref().map(|bands| &bands[band]).filter(|views| !views.is_empty()) {
            Some(views) => {
                let on = views.iter().filter(|v| stay(v, duration_ms) > ms).count();
                on as f64 / views.len() as f64
            }
            None => {
                // Between the cited points along a straight line, down to the share that sees the end.
                let (shares, complete) = &PRIOR[band];
                let known = AT_MS.iter().zip(shares).map(|(&t, &p)| (t, p.max(*complete)));
                let mut points = vec![(0, 1.0)];
                points.extend(known.take_while(|&(t, _)| t < duration_ms));
                points.push((duration_ms, *complete));
                let after = points.partition_point(|&(t, _)| t <= ms).min(points.len() - 1);
                let ((t0, p0), (t1, p1)) = (points[after - 1], points[after]);
                p0 + (p1 - p0) * f64::from(ms - t0) / f64::from((t1 - t0).max(1))
            }
        }
    }

    /// Draws how long somebody stays with a video, by its curve.
    pub fn draw(video: &Video, rng: &mut StdRng) -> f64 {
        let u: f64 = rng.random();
        let length = f64::from(video.duration_ms);
        let curve = &video.retention;
        let Some(i) = curve.iter().position(|&(_, p)| p <= u) else { return length };
        let Some(before) = i.checked_sub(1).map(|b| curve[b]) else { return 0.0 };
        let ((t0, p0), (t1, p1)) = (before, curve[i]);
        (f64::from(t0) + (p0 - u) / (p0 - p1).max(1e-12) * f64::from(t1 - t0)).min(length)
    }
}

fn band(duration_ms: u32) -> usize {
    BANDS_MS.iter().position(|&end| duration_ms < end).unwrap_or(BANDS_MS.len())
}

/// How long the viewer of one video would have stayed with one of another length: to the end if they did, else as long
/// as they did.
fn stay(view: &View, duration_ms: u32) -> u32 {
    if view.watch_ms >= view.duration_ms { duration_ms } else { view.watch_ms.min(duration_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn drawn_stays_follow_the_curve() {
        let people = People::prior();
        let mut video = crate::catalog::draw(1, &crate::catalog::LADDER).remove(0);
        video.retention = people.retention(video.duration_ms);
        assert!(video.retention.windows(2).all(|w| w[0].1 >= w[1].1), "{:?}", video.retention);
        let mut rng = StdRng::seed_from_u64(1);
        let stays: Vec<f64> = (0..4_000).map(|_| People::draw(&video, &mut rng)).collect();
        let over = stays.iter().filter(|&&s| s > 3_000.0).count() as f64 / 4_000.0;
        assert!((over - video.still_watching(3_000.0)).abs() < 0.03, "{over}");
        let ends = stays.iter().filter(|&&s| s >= f64::from(video.duration_ms)).count() as f64 / 4_000.0;
        assert!((ends - 0.269).abs() < 0.03, "{ends}");
    }
}
