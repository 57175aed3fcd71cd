//! `unspool-sim`: what the planner is worth, against published planners and against the limit.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser, Subcommand};
use unspool_engine::ranking::RankingPolicy;
use unspool_sim::bridge;
use unspool_sim::error::SimError;
use unspool_sim::knobs::{self, KNOBS, Knob};
use unspool_sim::personal;
use unspool_sim::plot;
use unspool_sim::promises::gate::Reference;
use unspool_sim::promises::{self, Inputs, Report};
use unspool_sim::replay::{self, SessionLog, agree};
use unspool_sim::report::Report as PrefetchReport;
use unspool_sim::roster::{self, Entry, ROSTER};
use unspool_sim::run;
use unspool_sim::tune::{self, Course, Search};
use unspool_sim::world::{Settings, World};

/// Simulates somebody who swipes through a feed.
#[derive(Debug, Parser)]
#[command(name = "unspool-sim", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays sessions with every policy and prints what each was worth.
    Prefetch(Prefetch),
    /// Drives the shipped planner from another simulator: JSON lines on stdin and stdout.
    Bridge,
    /// Compares the shipped planner with and without what it learns of each person, on real people.
    Personal(Personal),
    /// Searches for the planner's numbers on drawn sessions, or says what given ones are worth.
    Tune(Tune),
    /// Plays logged sessions of the real stack again and compares stalls and bytes.
    Replay(Replay),
    /// Runs the demo and the simulator over the same networks; fails when stalls or bytes do not agree.
    Agree(Agree),
    /// Replays the promises of the feed with the learner, breaker and filter that ship; fails when one does not hold.
    Promises(Promises),
}

#[derive(Debug, Args)]
struct Promises {
    /// Folder of data; by default `UNSPOOL_SHARED`, else the one beside the repository. What is absent makes NO DATA.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder with `ml-100k.inter`; by default `UNSPOOL_ML100K`, else `ml-100k` in the folder of data, else the place
    /// where `scripts/movielens.sh` puts it.
    #[arg(long, value_name = "DIR")]
    movielens: Option<PathBuf>,
    /// Ranking policy to judge instead of the one that ships.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Fail also when a figure of safety is worse than in this reference.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Write this run's figures of safety to a file, for a later `--against`.
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    write_reference: Option<PathBuf>,
    /// Only this promise; may be given several times.
    #[arg(long, value_name = "NAME")]
    promise: Vec<String>,
    /// Most people of each simulation: quick and rough.
    #[arg(long, value_name = "N")]
    people: Option<usize>,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Personal {
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    /// Interaction log of people instead of the shared one.
    #[arg(long, value_name = "FILE")]
    people: Option<PathBuf>,
    /// Folder of shared data; by default `UNSPOOL_SHARED`, else the one beside the repository.
    #[arg(long, value_name = "DIR")]
    shared: Option<PathBuf>,
    /// Number of people.
    #[arg(long, value_name = "N", default_value_t = 200)]
    users: usize,
    /// Traces each person meets in each class.
    #[arg(long, value_name = "N", default_value_t = 1)]
    traces: usize,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

#[derive(Debug, Args)]
struct Tune {
    /// Seed of the sessions; may be given several times. Not the seed that figures are reported on.
    #[arg(long, value_name = "N", default_values_t = [1001_u64, 1002])]
    seed: Vec<u64>,
    /// Number of people.
    #[arg(long, value_name = "N", default_value_t = 20)]
    users: usize,
    /// Traces each person meets in each class.
    #[arg(long, value_name = "N", default_value_t = 2)]
    traces: usize,
    /// Only these classes of networks.
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// A number to start from instead of the shipped one; may be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Search only this number; may be given several times. Otherwise all.
    #[arg(long, value_name = "NAME")]
    knob: Vec<String>,
    /// Rounds of the search; none only says what the start is worth.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rounds: usize,
    /// Candidates of a round.
    #[arg(long, value_name = "N", default_value_t = 12)]
    candidates: usize,
    /// First deviation, as a share of the range of a number.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    step: f64,
    /// The policy that is to be beaten in every class.
    #[arg(long, value_name = "NAME", default_value = "pdas")]
    against: String,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Args)]
struct Replay {
    /// Logs, as `unspool-demo --headless --log FILE` writes them.
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    /// Print what happened in each replay, and when, instead of the figures.
    #[arg(long, conflicts_with = "json")]
    timeline: bool,
}

#[derive(Debug, Args)]
struct Agree {
    /// The demo's program; without it the logs of an earlier run are compared again.
    #[arg(long, value_name = "PROGRAM")]
    demo: Option<PathBuf>,
    /// Trace files.
    #[arg(long, required = true, num_args = 1.., value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// Folder for the logs of the real runs.
    #[arg(long, value_name = "DIR")]
    logs: PathBuf,
    /// Runs of the real stack on each trace, an odd number.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Replays of each log, an odd number.
    #[arg(long, value_name = "N", default_value_t = 5)]
    draws: usize,
    /// Cards to swipe through.
    #[arg(long, value_name = "N", default_value_t = 8)]
    swipes: u64,
    /// Real runs at a time.
    #[arg(long, value_name = "N", default_value_t = 2)]
    beside: usize,
    /// Seed of the demo's person.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Prefetch {
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    /// Folder of network traces instead of the default classes.
    #[arg(long, value_name = "DIR")]
    network: Option<PathBuf>,
    /// Folder of chunk sizes instead of the drawn catalogue.
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// Interaction log of people.
    #[arg(long, value_name = "FILE")]
    people: Option<PathBuf>,
    /// Play the sessions of real people in their order, instead of draws from retention curves.
    #[arg(long)]
    real_people: bool,
    /// Folder of shared data; by default `UNSPOOL_SHARED`, else the one beside the repository.
    #[arg(long, value_name = "DIR")]
    shared: Option<PathBuf>,
    /// Number of people.
    #[arg(long, value_name = "N", default_value_t = 50)]
    users: usize,
    /// Traces each person meets in each class.
    #[arg(long, value_name = "N", default_value_t = 4)]
    traces: usize,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Run only this policy; may be given several times.
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// Write a page with charts to this file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Promises(arguments) => match promises(&arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Agree(arguments) => match agree(arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::Prefetch(arguments) => prefetch(&arguments),
        Command::Personal(arguments) => personal(&arguments),
        Command::Tune(arguments) => tune(&arguments),
        Command::Replay(arguments) => replay(&arguments),
        Command::Bridge => bridge::serve(std::io::stdin().lock(), std::io::stdout().lock())
            .map_err(|e| SimError::Io { path: "bridge".into(), source: e }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unspool-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prefetch(arguments: &Prefetch) -> Result<(), SimError> {
    let started = Instant::now();
    let defaults = Settings::default();
    let settings = Settings {
        network: arguments.network.clone(),
        catalog: arguments.catalog.clone(),
        people: arguments.people.clone(),
        shared: arguments.shared.clone().or(defaults.shared),
        users: arguments.users,
        traces: arguments.traces,
        seed: arguments.seed,
        real_people: arguments.real_people,
    };
    let policies = chosen(&arguments.policy)?;
    let world = World::build(&settings)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let results = run::run(&world, &policies, arguments.threads.unwrap_or(cores).clamp(1, 256));
    let mut report =
        PrefetchReport::new(&world, &policies, &results, settings.seed, settings.users, settings.traces);
    report.took_s = started.elapsed().as_secs_f64();
    if let Some(file) = &arguments.plot {
        plot::write(file, &report, &world, &policies)?;
    }
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report).map_err(|e| SimError::Usage(e.to_string()))? + "\n",
        false => report.text(),
    };
    print(&text)
}

fn personal(arguments: &Personal) -> Result<(), SimError> {
    let settings = Settings {
        people: arguments.people.clone(),
        shared: arguments.shared.clone().or(Settings::default().shared),
        users: arguments.users,
        traces: arguments.traces,
        seed: arguments.seed,
        ..Settings::default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = personal::compare(&settings, cores)?;
    if arguments.json {
        return print(
            &(serde_json::to_string_pretty(&found).map_err(|e| SimError::Usage(e.to_string()))? + "\n"),
        );
    }
    let verdict = if found.gained { "a gain" } else { "no gain that is certain" };
    print(&format!(
        "{} people, {} sessions: S {:.2} without, {:.2} with; {:+.2} (95 % {:+.2} to {:+.2}): {verdict}\n",
        found.people, found.sessions, found.s_without, found.s_with, found.gain, found.low, found.high
    ))
}

fn tune(arguments: &Tune) -> Result<(), SimError> {
    let settings = Settings { users: arguments.users, traces: arguments.traces, ..Settings::default() };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(cores).clamp(1, 256);
    let start = knobs::changed(&arguments.set)?;
    let course = Course::new(&settings, &arguments.seed, &arguments.class, &arguments.against, threads)?;
    let searched: Vec<&Knob> = match arguments.knob.is_empty() {
        true => KNOBS.iter().collect(),
        false => arguments.knob.iter().map(|n| knobs::find(n)).collect::<Result<_, _>>()?,
    };
    let search = Search {
        rounds: arguments.rounds,
        candidates: arguments.candidates.clamp(4, 1_000),
        step: arguments.step,
        seed: arguments.seed.first().copied().unwrap_or(1),
    };
    let found = tune::search(&course, &searched, &start, search, &mut std::io::stdout().lock())
        .map_err(|e| SimError::Io { path: "stdout".into(), source: e })?;
    let worth = course.judge(&[found]).remove(0);
    let mut text = format!("S {:.2}, waste {:.1} %\n", worth.s, 100.0 * worth.waste);
    for c in &worth.classes {
        text += &format!(
            "  {:<14}{:>8.2} {:>+8.2}  quality {:>7.2}  stall {:>6.2} s ({:>5.2} first)  steps {:>6.2}  {:>7.1} Mbit ({:>5.1} wasted)\n",
            c.name,
            c.s,
            c.lead,
            c.bitrate,
            c.stall_s.0,
            c.stall_s.1,
            c.switch_mbps,
            c.megabits.0,
            c.megabits.1
        );
    }
    print(&text)
}

fn replay(arguments: &Replay) -> Result<(), SimError> {
    if arguments.timeline {
        for file in &arguments.logs {
            let moments = replay::timeline(&SessionLog::read(file)?);
            let lines: Vec<String> =
                moments.iter().map(|m| format!("{:>9.0} {}\n", m.at_ms, m.what)).collect();
            print(&lines.concat())?;
        }
        return Ok(());
    }
    let mut all = Vec::with_capacity(arguments.logs.len());
    for file in &arguments.logs {
        let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        all.push(replay::compare(&name, &SessionLog::read(file)?));
    }
    print(&match arguments.json {
        true => serde_json::to_string_pretty(&all).map_err(|e| SimError::Usage(e.to_string()))? + "\n",
        false => replay::table(&all),
    })
}

/// Whether the real stack and the simulator agree.
fn agree(arguments: Agree) -> Result<bool, SimError> {
    let course = agree::Course {
        demo: arguments.demo,
        traces: arguments.traces,
        runs: arguments.runs,
        draws: arguments.draws,
        swipes: arguments.swipes,
        seed: arguments.seed,
        beside: arguments.beside,
        logs: arguments.logs,
    };
    let verdict = agree::agree(&course)?;
    print(&match arguments.json {
        true => serde_json::to_string_pretty(&verdict).map_err(|e| SimError::Usage(e.to_string()))? + "\n",
        false => agree::text(&verdict),
    })?;
    Ok(verdict.agrees)
}

/// Whether every promise holds.
fn promises(arguments: &Promises) -> Result<bool, SimError> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|source| SimError::Io { path: path.clone(), source })
    };
    let format = |path: &Path, what: String| SimError::Format { path: path.to_owned(), what };
    let policy = match &arguments.policy {
        Some(path) => RankingPolicy::draft(&read(path)?).map_err(|e| format(path, e.to_string()))?,
        None => RankingPolicy::shipped().map_err(|e| SimError::Usage(e.to_string()))?,
    };
    let unknown = arguments.promise.iter().find(|name| !promises::ROSTER.iter().any(|p| p.name == **name));
    if let Some(name) = unknown {
        let known: Vec<&str> = promises::ROSTER.iter().map(|p| p.name).collect();
        return Err(SimError::Usage(format!("no promise {name}; there are {}", known.join(", "))));
    }
    let reference = match &arguments.against {
        None => None,
        Some(path) => {
            let reference: Reference =
                serde_json::from_str(&read(path)?).map_err(|e| format(path, e.to_string()))?;
            if (reference.seed, reference.people) != (arguments.seed, arguments.people) {
                return Err(format(path, "made with another seed or number of people".to_owned()));
            }
            Some(reference)
        }
    };
    let version = policy.version.clone();
    let mut inputs = Inputs::new(policy, arguments.seed);
    inputs.data = arguments.data.clone().or_else(unspool_sim::world::shared_folder);
    inputs.movielens =
        arguments.movielens.clone().or_else(|| promises::movielens_folder(inputs.data.as_deref()));
    inputs.people = arguments.people.unwrap_or(usize::MAX);
    let mut report = Report::replay(&inputs, &arguments.promise)?;
    if let Some(reference) = &reference {
        let worse = reference.worse(&report.rows);
        report = report.compared(worse);
    }
    if let Some(path) = &arguments.write_reference {
        let reference = Reference::of(&report.rows, &version, arguments.seed, arguments.people);
        let text = serde_json::to_string_pretty(&reference).map_err(|e| SimError::Usage(e.to_string()))?;
        std::fs::write(path, text + "\n").map_err(|source| SimError::Io { path: path.clone(), source })?;
    }
    print(&match arguments.json {
        true => serde_json::to_string_pretty(&report).map_err(|e| SimError::Usage(e.to_string()))? + "\n",
        false => report.text(),
    })?;
    Ok(report.pass)
}

fn chosen(names: &[String]) -> Result<Vec<Entry>, SimError> {
    if names.is_empty() {
        return Ok(ROSTER.to_vec());
    }
    let known = || ROSTER.iter().map(|e| e.name).collect::<Vec<_>>().join(", ");
    names
        .iter()
        .map(|n| {
            roster::find(n)
                .copied()
                .ok_or_else(|| SimError::Usage(format!("no policy {n}; there are {}", known())))
        })
        .collect()
}

/// A closed pipe ends the printing; it is no error.
fn print(text: &str) -> Result<(), SimError> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(SimError::Io { path: "stdout".into(), source: e })
        }
        _ => Ok(()),
    }
}
