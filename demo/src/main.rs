//! `unspool-demo`: the core and a reference server side by side, real video, measured.
//!
//! For people it is a page: a phone in the browser and an inspector beside it, or with `--terminal` a live view in the
//! terminal; with `--headless` it swipes by itself and writes what it measured as JSON. The server is a process of its own:
//! this binary again, with the sub-command `origin`.

mod access;
mod headless;
mod log;
mod origin;
mod page;
mod replay;
mod report;
mod script;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use unspool::inspector::Tail;

/// The core and a reference server side by side: real video, fetched ahead, played by GStreamer, recorded, and played
/// again with the network gone.
#[derive(Debug, Parser)]
#[command(name = "unspool-demo", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: DemoArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the reference server alone.
    Origin(Box<unspool_origin::cli::OriginArgs>),
    /// Play back what --record wrote: tells a new engine everything the recorded one was told, and compares what it does.
    Replay {
        /// The recorded session.
        file: PathBuf,
    },
}

/// How to run the demo.
#[derive(Debug, Clone, clap::Args)]
struct DemoArgs {
    /// Swipe by itself and write JSON instead of showing something.
    #[arg(long)]
    headless: bool,
    /// Show a live view in the terminal instead of a page.
    #[arg(long, conflicts_with = "headless")]
    terminal: bool,
    /// Print the page's address and open no browser.
    #[arg(long)]
    no_browser: bool,
    /// Let the native engine sound on this machine's loudspeakers; without it that engine plays silently. The browser's
    /// players sound in the browser either way.
    #[arg(long, conflicts_with_all = ["headless", "terminal"])]
    sound: bool,
    /// Cards to swipe through; with --media, every file.
    #[arg(long)]
    swipes: Option<u64>,
    /// Shape the network: a trace file (seconds, Mbit/s) or JSON like {"rtt_ms":50,"rate_kbps":5000}.
    #[arg(long, value_name = "TRACE")]
    network: Option<String>,
    /// Play the videos of this folder instead of the generated clips.
    #[arg(long, value_name = "DIR")]
    media: Option<PathBuf>,
    /// Keep everything here: the server's logs and database, and the core's databases and cache. A temporary folder
    /// by default.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Run without a server: show and play what an earlier run left in --state.
    #[arg(long)]
    offline: bool,
    /// Write the session's figures and plots here when it has ended: one page that needs nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["headless", "terminal"])]
    report: Option<PathBuf>,
    /// Write the measured figures here; a headless run writes them to standard output by default.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a log of the headless session here that `unspool-sim replay` can play again; generated clips only. The network's
    /// trace then starts with the session.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["media", "offline", "origin"])]
    log: Option<PathBuf>,
    /// Write everything the core's engine is told and does here, for `unspool-demo replay`. It names what was watched.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Swipe through the feed that is the same for everybody and follows nobody's taste, so that two headless runs meet the
    /// same cards.
    #[arg(long, requires = "headless")]
    non_profiled: bool,
    /// Use a running server instead of starting one.
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Control address of the running server; without it the network is not taken away for real and nothing is read
    /// back from the server.
    #[arg(long, value_name = "URL", requires = "origin")]
    control: Option<String>,
    /// Seed of the scripted watch times.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Clips to make when there are none yet, at most 24.
    #[arg(long, default_value_t = 24)]
    clips: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    unspool::install_tls();
    let filter = EnvFilter::try_from_env("UNSPOOL_LOG").unwrap_or_else(|_| "warn".into());
    let tail = Tail::default();
    let screen = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    let told = tail.clone();
    let page = tracing_subscriber::fmt::layer().without_time().with_ansi(false);
    let page = page.with_writer(move || told.clone());
    // The page shows what the core has to say; what its libraries tell each other below warnings would drown it.
    let page = page.with_filter(EnvFilter::new("warn,unspool=debug"));
    tracing_subscriber::registry().with(screen).with(page).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e),
    };
    let done = runtime.block_on(async move {
        match cli.command {
            Some(Command::Origin(args)) => unspool_origin::cli::run(*args).await.map_err(Into::into),
            Some(Command::Replay { file }) => replay::run(&file),
            None if cli.demo.headless => headless::run(cli.demo).await,
            None if cli.demo.terminal => terminal::run(cli.demo).await,
            None => page::run(cli.demo, tail).await,
        }
    });
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(e.as_ref()),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("unspool-demo: {error}");
    ExitCode::FAILURE
}
