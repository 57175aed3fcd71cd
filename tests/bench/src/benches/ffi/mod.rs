//! What it costs to call the core from Kotlin, Swift and Python.
//!
//! Each language's own program makes the same calls as an app, against the same server, and says how long each took.
//! What the same call takes from Rust in the same run is the core's own work; the rest is the crossing. A swipe is
//! `feed.next` and the pulls of events until the first frame of the new card is told.

mod baseline;
mod languages;

use std::time::Duration;

use tokio::runtime::Runtime;
use unspool_origin::{Config, Media, serve};

use super::Effort;
use crate::error::BenchError;
use crate::report::Row;
use crate::stats::median;
use baseline::Baseline;
use languages::Answer;
pub(crate) use languages::{Chosen, Language};

/// The calls an app makes most, as every program names them.
pub(super) const CALLS: [&str; 10] = [
    "feed.next",
    "feed.snapshot",
    "feed.snapshot_after",
    "feed.events",
    "feed.events_after",
    "feed.set_paused",
    "feed.seek",
    "feed.set_muted",
    "session.set_conditions",
    "session.status",
];
/// A call that waits for the core and does next to nothing there: what it takes to suspend and to be woken.
pub(super) const SUSPENDED: &str = "feed.peek";
/// Clips the server shows: of every form, and few enough to be made in seconds.
const CLIPS: usize = 6;
/// Longest wait for the server to end.
const PATIENCE: Duration = Duration::from_secs(10);
const PEER: &str = "from Rust";

pub(crate) fn rows(effort: Effort) -> Result<Vec<Row>, BenchError> {
    let runtime = Runtime::new()?;
    let state = tempfile::tempdir()?;
    let config = Config {
        state: Some(state.path().join("origin")),
        media: Media::Catalogue { cache: unspool_origin::maker::default_cache(), clips: CLIPS },
        ..Config::default()
    };
    let server = runtime.block_on(serve(config)).map_err(BenchError::step("starting the server"))?;
    let url = server.url();
    let measured = measure(&runtime, &url, state.path(), effort);
    // A server that does not end in time ends with this process.
    let _ = runtime.block_on(async { tokio::time::timeout(PATIENCE, server.shutdown()).await });
    measured
}

fn measure(
    runtime: &Runtime,
    url: &str,
    folder: &std::path::Path,
    effort: Effort,
) -> Result<Vec<Row>, BenchError> {
    // Before and after the others: whatever else the machine does falls on both.
    let mut own = runtime.block_on(Baseline::measure(url, &folder.join("rust-before"), effort))?;
    let mut answers = Vec::new();
    for language in effort.languages.list() {
        eprintln!("measuring ffi: {language} (builds it first)");
        match languages::run(language, url, &folder.join(language.name()), effort) {
            Ok(answer) => answers.push((language, answer)),
            Err(error) if effort.languages.named() => return Err(error),
            // A machine without a toolchain still measures the others.
            Err(error) => eprintln!("unspool-bench: {language} is left out: {error}"),
        }
    }
    if answers.is_empty() {
        return Err(BenchError::Missing {
            what: "every language".into(),
            remedy: "see scripts/setup-kotlin.sh, setup-swift.sh and setup-python.sh",
        });
    }
    own.add(runtime.block_on(Baseline::measure(url, &folder.join("rust-after"), effort))?);
    let mut rows = Vec::new();
    for (language, answer) in &answers {
        rows.append(&mut swipe_rows(*language, answer, &own)?);
        for name in CALLS {
            let call = answer.call(name)?;
            rows.push(
                Row::new(format!("{language}: {name}"), "µs", call.n, Some(call.median_us))
                    .against(PEER, own.median(name)),
            );
        }
    }
    Ok(rows)
}

fn swipe_rows(language: Language, answer: &Answer, own: &Baseline) -> Result<Vec<Row>, BenchError> {
    let swipe = &answer.swipe;
    let calls = f64::from(swipe.calls);
    let crossing = |theirs: f64, name: &str| own.median(name).map(|ours| theirs - ours);
    let next = crossing(answer.call("feed.next")?.median_us, "feed.next");
    // Pulls of a swipe wait for the frame, so they suspend and are woken; where a program does not say what that takes,
    // a pull that is ready stands in.
    let pull = match swipe.suspended_call_us {
        Some(us) => crossing(us, SUSPENDED),
        None => crossing(answer.call("feed.events_after")?.median_us, "feed.events_after"),
    };
    let spent = next.zip(pull).map(|(next, pull)| (next + (calls - 1.0) * pull).max(0.0) / 1_000.0);
    let mut rows = vec![
        Row::new(format!("{language}: calls of a swipe"), "calls", swipe.n, Some(calls)).aim("<= 5 calls")?,
        Row::new(format!("{language}: FFI time of a swipe"), "ms", swipe.n, spent).aim("<= 1 ms")?,
        Row::new(format!("{language}: swipe to first frame told"), "ms", swipe.n, swipe.first_frame_ms)
            .against(PEER, median(&own.first_frame_ms)),
    ];
    // Beside `feed.next`, which competes with the players it starts, what suspending takes on an idle core.
    if let Some(us) = swipe.suspended_call_us {
        rows.push(
            Row::new(
                format!("{language}: a call that waits, {SUSPENDED}"),
                "µs",
                swipe.suspended_n,
                Some(us),
            )
            .against(PEER, own.median(SUSPENDED)),
        );
    }
    Ok(rows)
}
