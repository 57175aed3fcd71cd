//! `unspool-origin`: the reference server as a program of its own.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use unspool_origin::cli::{OriginArgs, run};

#[derive(Parser)]
#[command(name = "unspool-origin", version, about = "The reference server of Unspool")]
struct Cli {
    #[command(flatten)]
    args: OriginArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Cli::parse().args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unspool-origin: {error}");
            ExitCode::FAILURE
        }
    }
}
