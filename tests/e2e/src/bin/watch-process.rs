//! A session that plays the first card of a feed, in a process that a test may kill. Prints a line for each state of what
//! was watched.

use std::io::Write;

use clap::Parser;
use serde_json::json;
use unspool::{FeedKind, Unspool};
use unspool_e2e::{Done, config};

#[derive(Parser)]
struct Cli {
    /// The session's directory.
    dir: std::path::PathBuf,
    /// Where the contract is spoken.
    url: String,
}

#[tokio::main]
async fn main() -> Done<()> {
    let cli = Cli::parse();
    let session = Unspool::open(config(&cli.dir, &cli.url, "ada")?)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut state = session.wellbeing();
    loop {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({"total_ms": state.view.total_ms, "today_ms": state.view.today_ms}))?;
        out.flush()?;
        drop(out);
        if feed.snapshot().current.is_none() {
            feed.next().await?;
        }
        state = session.wellbeing_after(state.revision).await?;
    }
}
