//! The reference server as a process of its own, for the tests of this crate.

use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    origin: unspool_origin::cli::OriginArgs,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(unspool_origin::cli::run(Cli::parse().origin).await?)
}
