//! A session with the live inspector beside it.
//!
//! Start a backend, `make demo` or `unspool-demo origin`, then
//! `cargo run -p unspool --example inspected --features inspector -- http://127.0.0.1:PORT` and open what it prints.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use unspool::inspector::InspectorOptions;
use unspool::{Config, Credentials, FeedKind, Unspool};

/// Time a card stays, where nothing plays it.
const LOOK: Duration = Duration::from_secs(5);

async fn run(backend: &str, dir: &Path) -> Result<(), Box<dyn Error>> {
    let session = Unspool::open(Config::new(dir, backend, "ada", Credentials::Fixed("ada".into()))?)?;
    let options = InspectorOptions { writable: true, ..InspectorOptions::default() };
    // Whoever writes a log writes it here, too: `Tail` is a `Write` that takes lines.
    options.log.push("INFO", "the example begins");
    let inspector = session.inspect(options)?;
    writeln!(std::io::stderr(), "open {}", inspector.url())?;

    let feed = session.feed(FeedKind::ForYou)?;
    for _ in 0..10 {
        feed.next().await?;
        tokio::time::sleep(LOOK).await;
    }
    session.shutdown(Duration::from_secs(5)).await; // ends the inspector, too
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = std::env::args().nth(1).ok_or("name a backend, for example http://127.0.0.1:8080")?;
    let dir = tempfile::tempdir()?;
    run(&backend, dir.path()).await
}
