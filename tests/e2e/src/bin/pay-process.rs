//! A session that pays and then writes a comment, in a process that a test may kill. Prints the payment's identity when
//! both are on disk, and goes on until it is ended.

use std::io::Write;

use clap::Parser;
use unspool::{Order, PaymentCause, Unspool};
use unspool_e2e::{Done, PATIENCE, config};

#[derive(Parser)]
struct Cli {
    /// The session's directory.
    dir: std::path::PathBuf,
    /// Where the contract is spoken.
    url: String,
    /// Coins to give.
    amount: u64,
}

#[tokio::main]
async fn main() -> Done<()> {
    let cli = Cli::parse();
    let session = Unspool::open(config(&cli.dir, &cli.url, "ada")?)?;
    let order = Order {
        cause: PaymentCause::Gift,
        recipient: "cleo".into(),
        subject: "rose".into(),
        amount: cli.amount,
        price_version: "1".into(),
    };
    let payment = session.draft_payment(order).await?;
    session.confirm_payment(&payment).await?;
    session.add_comment("item", None, "for you").await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{payment}")?;
    out.flush()?;
    tokio::time::sleep(PATIENCE).await;
    Ok(())
}
