//! A session that keeps the first cards of a feed, in a process that a test may kill. Prints a line per state of what is
//! kept and ends when all of it is complete.

use std::io::Write;

use clap::Parser;
use serde_json::json;
use unspool::{KeepState, Unspool};
use unspool_e2e::{Done, PATIENCE, cards, config};

#[derive(Parser)]
struct Cli {
    /// The session's directory.
    dir: std::path::PathBuf,
    /// Where the contract is spoken.
    url: String,
    /// Cards to keep; 0 goes on with what is kept already.
    cards: usize,
}

#[tokio::main]
async fn main() -> Done<()> {
    let cli = Cli::parse();
    let mut config = config(&cli.dir, &cli.url, "ada")?;
    // The smallest rendition of each clip: a restart in the middle takes seconds, not minutes.
    config.keep.max_height = 480;
    let session = Unspool::open(config)?;
    if cli.cards > 0 {
        let mut cards = cards(&cli.url, "ada", cli.cards).await?;
        for rendition in cards.iter_mut().flat_map(|card| &mut card.asset.renditions) {
            // An address that ran out long ago: what is written down is of no use, and a fresh one has to be asked for.
            rendition.expires_at_ms = Some(1);
        }
        session.keep(cards).await?;
    }
    let mut snapshot = session.kept();
    loop {
        let kept: Vec<_> = snapshot
            .kept
            .iter()
            .map(|k| {
                json!({"asset": k.item.asset.id, "rendition": k.rendition, "state": format!("{:?}", k.state),
                       "held": k.held, "bytes": k.bytes})
            })
            .collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({"revision": snapshot.revision, "kept": kept}))?;
        out.flush()?;
        if !kept.is_empty() && snapshot.kept.iter().all(|k| k.state == KeepState::Complete) {
            break;
        }
        snapshot = session.kept_after(snapshot.revision).await?;
    }
    session.shutdown(PATIENCE).await;
    Ok(())
}
