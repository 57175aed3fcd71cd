//! Against Glean, the telemetry client of Firefox: each side in a process of its own, in turn, the same events.
//!
//! Glean's program is in a workspace of its own and built when it is first needed. Its bodies are made and thrown away as
//! ours are, so neither side waits for a server. Only processor time and bytes are steady on a busy machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::load::Figures;
use crate::benches::Effort;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::median;

const PEER: &str = "glean 71";
/// Events of a round, and of the burst with no network.
const EVENTS: u64 = 20_000;
const BURST: u64 = 100_000;
/// Events waiting when the file is opened.
const BACKLOG: u64 = 250_000;

type Get = fn(&Figures) -> f64;

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    let ours = std::env::current_exe()?;
    let peer = match build() {
        Ok(peer) => Some(peer),
        // No peer is a result: the rows say so, and what is measured against it is missed.
        Err(error) => {
            eprintln!("unspool-bench: telemetry: {error}");
            None
        }
    };
    let pair = |rounds: usize, task: &str| -> Result<(Vec<Figures>, Vec<Figures>), BenchError> {
        let (mut us, mut them) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            for turn in 0..2 {
                // Who goes first changes from round to round.
                if (round + turn).is_multiple_of(2) {
                    us.push(side(&ours, true, task)?);
                } else if let Some(peer) = &peer {
                    them.push(side(peer, false, task)?);
                }
            }
        }
        Ok((us, them))
    };
    let of = |all: &[Figures], get: Get| median(&all.iter().map(get).collect::<Vec<_>>());
    let row = |name: &str, unit, (us, them): &(Vec<Figures>, Vec<Figures>), get: Get| {
        Row::new(name, unit, us.len(), of(us, get)).against(PEER, of(them, get))
    };
    let rounds = effort.rounds(9, 1);
    let events = if effort.quick { EVENTS / 10 } else { EVENTS };
    let record = pair(rounds, &format!("record {events} 0"))?;
    let deliver = pair(rounds, &format!("deliver {events} 500"))?;
    let small = pair(1, &format!("deliver {events} 100"))?;
    let burst =
        pair(effort.rounds(3, 1), &format!("record {} 0", if effort.quick { EVENTS } else { BURST }))?;
    let rate: Get = |f| f.events as f64 / f.wall_us * 1e6;
    let cpu: Get = |f| f.cpu_us / f.events as f64;
    let wire: Get = |f| f.wire as f64 / f.events as f64;
    let mut rows = vec![
        row("processor time per event, recording only", "µs", &record, cpu).aim("<= 0.45x")?,
        row("processor time per event, recorded and delivered in batches of 500", "µs", &deliver, cpu)
            .aim("<= 0.45x")?,
        row("events a second, recorded", "1/s", &record, rate),
        row("events a second, recorded and delivered", "1/s", &deliver, rate).aim(">= 2x")?,
        row("the caller waits in a burst, median", "µs", &record, |f| f.p50_us),
        row("the caller waits in a burst, p99", "µs", &record, |f| f.p99_us).aim("<= 5 µs")?,
        row("bytes written per event, recorded and delivered", "B", &deliver, |f| {
            f.written as f64 / f.events as f64
        })
        .aim("<= 1000 B")?,
        row("memory grown in a burst of 100 000 with no network", "MB", &burst, |f| f.grown as f64 / 1e6)
            .aim("<= 10 MB")?,
        row("bytes per event on the wire, batches of 500", "B", &deliver, wire).aim("<= 35 B")?,
        row("bytes per event on the wire, batches of 100", "B", &small, wire).aim("<= 42 B")?,
    ];
    for (batch, gzip) in [(500, &deliver.0), (100, &small.0)] {
        let mut zstd = Vec::new();
        for _ in 0..effort.rounds(3, 1) {
            zstd.push(side(&ours, true, &format!("deliver-zstd {events} {batch}"))?);
        }
        let row = |what: &str, unit, get: Get| {
            let name = format!("{what}, zstd in batches of {batch}");
            Row::new(name, unit, zstd.len(), of(&zstd, get)).against("gzip", of(gzip, get))
        };
        rows.push(row("bytes per event on the wire", "B", wire));
        rows.push(row("processor time per event, recorded and delivered", "µs", cpu));
    }
    rows.push(opening(&ours, effort)?);
    Ok(rows)
}

/// Opening a file with a backlog; Glean has no such file.
fn opening(ours: &Path, effort: Effort) -> Result<Row, BenchError> {
    let folder = tempfile::tempdir()?;
    let backlog = if effort.quick { EVENTS } else { BACKLOG };
    measure(ours, true, &format!("record {backlog} 0"), folder.path())?;
    let mut times = Vec::new();
    for _ in 0..effort.rounds(9, 2) {
        let figures = measure(ours, true, "open 0 0", folder.path())?;
        if figures.events != backlog {
            return Err(BenchError::step("the backlog")("some events are missing"));
        }
        times.push(figures.open_us / 1e3);
    }
    Row::new("opening with 250 000 events waiting", "ms", times.len(), median(&times)).aim("<= 20 ms")
}

fn side(program: &Path, ours: bool, task: &str) -> Result<Figures, BenchError> {
    let folder = tempfile::tempdir()?;
    measure(program, ours, task, folder.path())
}

fn measure(program: &Path, ours: bool, task: &str, folder: &Path) -> Result<Figures, BenchError> {
    let mut command = Command::new(program);
    if ours {
        command.arg("side");
    }
    let output = command.arg(format!("{task} {}", folder.display())).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(BenchError::Step {
            step: "one side",
            reason: format!("{task}: {}: {words}", output.status),
        });
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Builds Glean's program beside our own.
fn build() -> Result<PathBuf, BenchError> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/glean");
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).unwrap_or(Path::new("target")).join("glean");
    eprintln!("building the peer, Glean");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--locked", "--manifest-path"])
        .arg(here.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .stdout(std::process::Stdio::null())
        .status()?;
    let program = target.join("release/unspool-bench-glean");
    if status.success() && program.exists() {
        Ok(program)
    } else {
        Err(BenchError::step("building the peer, Glean")(status))
    }
}
