//! Whether the simulator says of a network what the real stack shows on it.
//!
//! Every run swipes through the feed that is the same for everybody, so the same cards come: in the others the server's order
//! depends on the person, and the device's on how long each card was looked at.
//! Two runs of the real stack are not alike even so: requests begin within a few milliseconds of each other until one
//! choice falls otherwise, and from there on a dip of the trace meets another card. So medians are compared: of an
//! odd number of real runs, and of an odd number of replays of each of their logs with other times that threads take.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Figures, SessionLog, bytes_agree, replay_drawn, stalls_agree};
use crate::error::SimError;

/// Stalls of fewer milliseconds may be one late picture; a trace counts as one with real stalls from here on.
const REAL_STALLS_MS: f64 = 500.0;
/// A real run that takes longer hangs.
const RUN_WITHIN: Duration = Duration::from_secs(900);
/// Between two looks at whether a run has ended.
const LOOK: Duration = Duration::from_millis(50);

/// What is run.
#[derive(Debug, Clone)]
pub struct Course {
    /// The demo's program; without it the logs are there already.
    pub demo: Option<PathBuf>,
    /// Trace files.
    pub traces: Vec<PathBuf>,
    /// Runs of the real stack on each trace, an odd number.
    pub runs: usize,
    /// Replays of each log, an odd number.
    pub draws: usize,
    /// Cards to swipe through.
    pub swipes: u64,
    /// Seed of the demo's person.
    pub seed: u64,
    /// Real runs at a time.
    pub beside: usize,
    /// Where logs go, or are: `TRACE-RUN.jsonl`, with the last two parts of the trace's path. Each run's state is beside its
    /// log; a folder where there are some already is refused.
    pub logs: PathBuf,
}

/// A figure on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Both {
    /// Each real run, in order.
    pub real: Vec<f64>,
    /// The middle one.
    pub real_median: f64,
    /// Each log's replays, in order, every log's middle one.
    pub simulated: Vec<f64>,
    /// The middle one of all replays.
    pub simulated_median: f64,
    /// Whether the medians agree.
    pub agrees: bool,
}

/// What one trace came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The trace, with its folder.
    pub trace: String,
    /// Milliseconds of stalls after first pictures; they agree within the larger of 15 % and 200 ms.
    pub stall_ms: Both,
    /// Bytes of media and playlists; they agree within 15 %.
    pub media_bytes: Both,
}

/// What all came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Each trace.
    pub traces: Vec<Compared>,
    /// How many of them stalled for half a second and more in the real stack.
    pub with_stalls: usize,
    /// Whether all agree.
    pub agrees: bool,
}

/// Runs the demo where it is asked to, replays, and compares.
///
/// # Errors
/// Where a run fails or hangs for 15 minutes, or a log cannot be read. Runs that go on are ended.
pub fn agree(course: &Course) -> Result<Verdict, SimError> {
    if course.runs.is_multiple_of(2) || course.draws.is_multiple_of(2) {
        return Err(SimError::Usage("an even number of runs has no middle one".into()));
    }
    if let Some(demo) = &course.demo {
        std::fs::create_dir_all(&course.logs).map_err(|e| SimError::io(&course.logs, e))?;
        run_all(demo, course)?;
    }
    let traces = course.traces.iter().map(|trace| one(course, trace)).collect::<Result<Vec<_>, _>>()?;
    let with_stalls = traces.iter().filter(|t| t.stall_ms.real_median >= REAL_STALLS_MS).count();
    let agrees = traces.iter().all(|t| t.stall_ms.agrees && t.media_bytes.agrees);
    Ok(Verdict { traces, with_stalls, agrees })
}

fn one(course: &Course, trace: &Path) -> Result<Compared, SimError> {
    let (mut real, mut simulated) = (Vec::new(), Vec::new());
    for run in 1..=course.runs {
        let log = SessionLog::read(&log_file(course, trace, run))?;
        real.push(Figures {
            stall_ms: log.stall_ms,
            media_bytes: log.media_bytes,
            first_frames_ms: log.visits.iter().filter_map(|v| v.first_frame_ms).collect(),
        });
        simulated.push((0..course.draws as u64).map(|draw| replay_drawn(&log, draw)).collect::<Vec<_>>());
    }
    let both = |of: fn(&Figures) -> f64, near: fn(f64, f64) -> bool| {
        let real: Vec<f64> = real.iter().map(of).collect();
        let replays: Vec<Vec<f64>> = simulated.iter().map(|s| s.iter().map(of).collect()).collect();
        let (real_median, simulated_median) = (median(&real), median(&replays.concat()));
        Both {
            agrees: near(real_median, simulated_median),
            simulated: replays.iter().map(|r| median(r)).collect(),
            real,
            real_median,
            simulated_median,
        }
    };
    Ok(Compared {
        trace: name(trace),
        stall_ms: both(|f| f.stall_ms, stalls_agree),
        media_bytes: both(|f| f.media_bytes as f64, bytes_agree),
    })
}

/// The middle one of an odd number.
fn median(all: &[f64]) -> f64 {
    let mut all = all.to_vec();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// The last two parts of a path.
fn name(trace: &Path) -> String {
    let parts: Vec<_> = trace.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

fn log_file(course: &Course, trace: &Path, run: usize) -> PathBuf {
    course.logs.join(format!("{}-{run}.jsonl", name(trace).replace('/', "-")))
}

/// A run of the demo; ended when it is let go.
struct Running(Child, Instant, PathBuf);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be ended again, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run_all(demo: &Path, course: &Course) -> Result<(), SimError> {
    // Round by round, so that what else the machine does meets every trace.
    let mut left: Vec<(usize, &PathBuf)> =
        (1..=course.runs).rev().flat_map(|run| course.traces.iter().rev().map(move |t| (run, t))).collect();
    let mut running: Vec<Running> = Vec::new();
    while !left.is_empty() || !running.is_empty() {
        while running.len() < course.beside.max(1)
            && let Some((run, trace)) = left.pop()
        {
            running.push(start(demo, course, trace, run)?);
        }
        let mut going = Vec::with_capacity(running.len());
        for mut one in running {
            let failed = |why: String| SimError::Usage(format!("the run of {}: {why}", one.2.display()));
            match one.0.try_wait() {
                Ok(Some(status)) if status.success() => {}
                Ok(Some(status)) => return Err(failed(status.to_string())),
                Ok(None) if one.1.elapsed() > RUN_WITHIN => return Err(failed("no end in time".into())),
                Ok(None) => going.push(one),
                Err(e) => return Err(failed(e.to_string())),
            }
        }
        running = going;
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn start(demo: &Path, course: &Course, trace: &Path, run: usize) -> Result<Running, SimError> {
    let log = log_file(course, trace, run);
    // A run with a cache, or with what another one learnt of the network, would be another one.
    let state = log.with_extension("state");
    std::fs::create_dir(&state).map_err(|e| SimError::io(&state, e))?;
    let child = Command::new(demo)
        .args(["--headless", "--swipes", &course.swipes.to_string(), "--seed", &course.seed.to_string()])
        .arg("--non-profiled")
        .arg("--state")
        .arg(&state)
        .arg("--network")
        .arg(trace)
        .arg("--json")
        .arg(log.with_extension("report.json"))
        .arg("--log")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| SimError::io(demo, e))?;
    Ok(Running(child, Instant::now(), log))
}

/// The verdict as text.
#[must_use]
pub fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    let list = |all: &[f64], unit: f64| {
        let all: Vec<String> =
            all.iter().map(|v| format!("{:.*}", if unit > 1.0 { 2 } else { 0 }, v / unit)).collect();
        all.join(", ")
    };
    for t in &verdict.traces {
        for (what, both, unit) in [("stall ms", &t.stall_ms, 1.0), ("MB", &t.media_bytes, 1e6)] {
            out += &format!(
                "{:<12} {:<9} real {} ({})  simulated {} ({})  {}\n",
                t.trace,
                what,
                list(&[both.real_median], unit),
                list(&both.real, unit),
                list(&[both.simulated_median], unit),
                list(&both.simulated, unit),
                if both.agrees { "agrees" } else { "DIFFERS" },
            );
        }
    }
    let say = if verdict.agrees { "all agree" } else { "they do not all agree" };
    out + &format!("{} traces, {} with real stalls: {say}\n", verdict.traces.len(), verdict.with_stalls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_and_the_name() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(name(Path::new("/data/network/fcc/14")), "fcc/14");
        assert_eq!(name(Path::new("14")), "14");
    }
}
