//! The demo as a page: the phone, whose players are the browser's or, after a switch, the core's own, and the inspector beside it.
//!
//! The core runs here, with its gateway; the page is the platform's player. Reference server, core and page are three
//! parties as they are in the field: what the inspector shows of the core stands beside what the server's books say.

mod browser;
mod commands;
mod engine;
mod guard;
mod inspect;
mod native;
mod network;
mod person;
mod phone;
mod players;
mod relay;
mod report;
mod server;
mod words;

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use unspool::inspector::{InspectorOptions, Tail};
use unspool::{AgeBand, SafetySettings};

use crate::DemoArgs;
use crate::headless::client_name;
use crate::origin::Origin;
use engine::Opening;
use guard::Guard;
use network::{Choice, Preset};
use phone::Phone;
use players::Hub;
use server::Shared;

/// The server's books are read this often.
const ASKED: Duration = Duration::from_millis(500);

/// Runs until it is told to end.
pub async fn run(args: DemoArgs, tail: Tail) -> Result<(), Box<dyn Error>> {
    let kept = tempfile::Builder::new().prefix("unspool-demo-").tempdir()?;
    let state = args.state.clone().unwrap_or_else(|| kept.path().to_owned());
    std::fs::create_dir_all(&state)?;
    let client = client_name(&state)?;
    // Listening for the end begins before there is something to end.
    let mut ended = std::pin::pin!(end());
    let origin = tokio::select! {
        origin = start(&args, &state) => origin?,
        () = &mut ended => return Ok(()),
    };
    let url = origin.as_ref().map_or("http://127.0.0.1:9", |o| o.url.as_str());
    let hub = Arc::new(Hub::default());
    let opening = Opening {
        state: state.clone(),
        url: url.to_owned(),
        client,
        tape: args.record.clone(),
        sound: args.sound,
    };
    let phone = Arc::new(Phone::open(opening, hub, origin, tail.clone())?);
    // A grown-up who asked to be told instead of spared, so that there is something to reveal.
    let safety = SafetySettings { age: AgeBand::Adult, adult_content: true, ..phone.session().safety() };
    phone.session().set_safety(safety).await?;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let guard = Guard::new(listener.local_addr()?.port());
    let address = guard.address();
    // As any debug build of an app serves it, besides; it ends with its session.
    let alone =
        phone.session().inspect(InspectorOptions { log: tail.clone(), ..InspectorOptions::default() })?;
    phone.read_network().await?;
    if args.network.is_none() && phone.origin.as_ref().is_some_and(Origin::is_own) {
        // Loopback is faster than any phone's network, and would hide what the core does.
        phone.choose(&Choice::Preset { preset: Preset::FourG }, Some("4G".to_owned())).await?;
    }
    let (tell, told) = watch::channel(Value::Null);
    let watch = tokio::spawn(watch_over(Arc::clone(&phone), tell));
    let gathering = tokio::spawn(gather(Arc::clone(&phone)));
    let gateway = reqwest::Client::new();
    let router = server::router(Shared { phone: Arc::clone(&phone), origin: told, gateway }, guard);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut out = std::io::stdout();
    writeln!(
        out,
        "\n  The phone and the inspector:  {address}\n  The inspector alone:         {}\n  Ctrl-C ends everything.\n",
        alone.url()
    )?;
    out.flush()?;
    if !args.no_browser {
        browser::open(&address);
    }

    let served = tokio::select! {
        () = &mut ended => Ok(()),
        served = serving => served?,
    };
    watch.abort();
    gathering.abort();
    let report = phone.end().await;
    write(&args, &phone).await?;
    if let Some(origin) = &phone.origin {
        origin.stop().await;
    }
    let out = report.outgoing;
    eprintln!("{} impressions recorded, {} delivered, {} waiting", out.recorded, out.delivered, out.queued);
    if args.state.is_some() {
        eprintln!(
            "Everything is in {}; run again with --offline to play it without a server.",
            state.display()
        );
    }
    Ok(served?)
}

async fn start(args: &DemoArgs, state: &std::path::Path) -> Result<Option<Origin>, Box<dyn Error>> {
    if args.offline {
        return Ok(None);
    }
    let origin = Origin::start(args, state).await?;
    if args.media.is_none() {
        origin.moderate().await?;
    }
    Ok(Some(origin))
}

/// Ctrl-C, or whoever started this says that it is over.
async fn end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut term), Ok(mut hup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
            tokio::select! {
                _ = term.recv() => {}
                _ = hup.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Gathers what happens, page or none, and asks the server for its books, again and again.
async fn watch_over(phone: Arc<Phone>, tell: watch::Sender<Value>) {
    let mut ticks = tokio::time::interval(ASKED);
    loop {
        ticks.tick().await;
        phone.listen();
        phone.history.take(&phone);
        tell.send_replace(phone.books().await);
    }
}

/// Asks the core what has to be asked for, as often as a page is told of it.
async fn gather(phone: Arc<Phone>) {
    let mut ticks = tokio::time::interval(server::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        phone.figures.gather().await;
    }
}

/// Writes what was asked for about a session that has ended.
async fn write(args: &DemoArgs, phone: &Phone) -> Result<(), Box<dyn Error>> {
    phone.listen();
    let told = phone.history.told(&inspect::figures(phone, &phone.books().await));
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_string_pretty(&told)? + "\n")?;
    }
    if let Some(file) = &args.report {
        std::fs::write(file, report::page(&told))?;
        eprintln!("The report is in {}.", file.display());
    }
    Ok(())
}
