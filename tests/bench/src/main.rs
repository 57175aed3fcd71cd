//! One schema for every bench of Unspool.
//!
//! `unspool-bench NAME` measures one room against a peer that does the same work in the plain way, ours and the peer in
//! turn within the same run, so that whatever else the machine does falls on both. Every figure is measured in the run
//! that prints it. `--json` prints the [`Report`]; without it there is a table, and `--html` writes a
//! page that needs nothing else.
//!
//! `unspool-bench probe FILE_OR_URL` measures nothing: it prints what the container probe says.
//!
//! A missed aim is a result and not an error: the program ends well and the row says so. It ends badly only when
//! something could not be measured.

mod aim;
mod benches;
mod clip;
mod error;
mod files;
mod machine;
mod page;
mod probe;
mod report;
mod stats;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use benches::ffi::{Chosen, Language};
use benches::player::{Part, Parts};
use benches::{Bench, Effort};
use error::BenchError;
use page::Section;
use report::Report;

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Decisions: one swipe, and a week of them.
    Engine,
    /// The feed: re-ranking, learning, and the last session from disk.
    Feed,
    /// Bytes: reading, opening and fetching.
    Media,
    /// Pictures: the first frame.
    Player,
    /// Events: what recording costs.
    Telemetry,
    /// Calls from other languages: what the crossing costs.
    Ffi,
    /// Every bench, one after the other.
    All,
    /// Say which benches there are.
    List,
    /// One side of a bench, in a process of its own; the bench starts it.
    #[value(hide = true)]
    Side,
    /// No bench: say what the container probe finds in a file or behind a URL.
    Probe,
}

/// Measures Unspool against the plain way of doing the same work.
#[derive(Debug, Parser)]
#[command(name = "unspool-bench", version, arg_required_else_help = true)]
struct Arguments {
    /// Bench to run.
    name: Name,
    /// File or http URL of `probe`.
    #[arg(value_name = "FILE_OR_URL", required_if_eq("name", "probe"), required_if_eq("name", "side"))]
    source: Option<String>,
    /// Milliseconds from the start whose byte ranges `probe` names.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    ms: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    /// Write a page with the figures to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Fewer rounds: enough to see that everything runs, too few to trust the figures.
    #[arg(long)]
    quick: bool,
    /// Rounds of every measurement, instead of each bench's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// Starts on a busy machine of the bench `player`, instead of a hundred.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    starts: Option<u32>,
    /// Parts of the bench `player`, instead of all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    only: Vec<Part>,
    /// Languages of the bench `ffi`, instead of all that this machine can build.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    languages: Vec<Language>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("unspool-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether everything could be measured.
fn run(arguments: &Arguments) -> Result<bool, BenchError> {
    if let (Name::Probe, Some(source)) = (arguments.name, &arguments.source) {
        unspool::install_tls();
        let answer = probe::probe(source, arguments.ms)?;
        let text = if arguments.json { serde_json::to_string(&answer)? + "\n" } else { answer.text() };
        print(&text)?;
        return Ok(true);
    }
    if let (Name::Side, Some(task)) = (arguments.name, &arguments.source) {
        print(&match task.strip_prefix(benches::media::MEMORY) {
            Some(task) => benches::media::memory(task)?,
            None => benches::telemetry::side::run(task)?,
        })?;
        return Ok(true);
    }
    if arguments.source.is_some() {
        let reason = "only probe takes a file or URL".to_owned();
        return Err(BenchError::Step { step: "arguments", reason });
    }
    let chosen: Vec<&Bench> = match arguments.name {
        Name::List => {
            let lines: String =
                benches::ALL.iter().map(|bench| format!("{:<10} {}\n", bench.name, bench.about)).collect();
            print(&lines)?;
            return Ok(true);
        }
        Name::All => benches::ALL.iter().collect(),
        Name::Engine
        | Name::Feed
        | Name::Media
        | Name::Player
        | Name::Telemetry
        | Name::Ffi
        | Name::Probe
        | Name::Side => {
            let name = arguments.name.to_possible_value().map(|value| value.get_name().to_owned());
            benches::ALL.iter().filter(|bench| Some(bench.name) == name.as_deref()).collect()
        }
    };
    unspool::install_tls();
    let effort = Effort {
        quick: arguments.quick,
        rounds: arguments.rounds,
        starts: arguments.starts,
        parts: Parts::of(&arguments.only),
        languages: Chosen::of(&arguments.languages),
    };
    let mut sections = Vec::new();
    for bench in chosen {
        eprintln!("measuring {}", bench.name);
        let outcome = bench.measure(effort);
        if let Err(error) = &outcome {
            eprintln!("unspool-bench: {}: {error}", bench.name);
        }
        sections.push(Section {
            name: bench.name,
            about: bench.about,
            outcome: outcome.map_err(|e| e.to_string()),
        });
    }
    let reports: Vec<&Report> = sections.iter().filter_map(|section| section.outcome.as_ref().ok()).collect();
    if arguments.json {
        // One bench is one object; `all` is a list of them.
        let text = match (arguments.name, reports.as_slice()) {
            (Name::All, reports) => serde_json::to_string(reports)?,
            (_, [report]) => serde_json::to_string(report)?,
            _ => return Ok(false),
        };
        print(&format!("{text}\n"))?;
    } else {
        for report in &reports {
            print(&table::render(report))?;
        }
    }
    if let Some(path) = &arguments.html {
        std::fs::write(path, page::render(&sections))?;
    }
    Ok(reports.len() == sections.len())
}

fn print(text: &str) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
