//! Our side of the comparison: one task in a process of its own.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use unspool::spool::{Class, Event, Spool, SpoolError, SpoolLimits, Value};
use unspool::telemetry::{BatchCodec as _, Otlp, pack};
use unspool_engine::Encoding;

use super::load::{Field, Figures, Gauge, KINDS, event};
use crate::error::BenchError;

const SESSION: &str = "0198b6d2-7c1e-7a57-9f0d-3e5b1c2a4d68";

/// Runs `<task> <events> <batch> <folder>` and gives the figures as JSON.
pub(crate) fn run(task: &str) -> Result<String, BenchError> {
    let wrong = || BenchError::Step { step: "arguments", reason: format!("no such task: {task}") };
    let words: Vec<&str> = task.splitn(4, ' ').collect();
    let [task, events, batch, folder] = words.as_slice() else { return Err(wrong()) };
    let (events, batch) = (events.parse().map_err(|_| wrong())?, batch.parse().map_err(|_| wrong())?);
    let path = Path::new(folder).join("events.db");
    let figures = match *task {
        "record" => record(&path, events),
        "deliver" => deliver(&path, events, batch, Encoding::Gzip),
        "deliver-zstd" => deliver(&path, events, batch, Encoding::Zstd),
        "open" => open(&path),
        _ => return Err(wrong()),
    };
    Ok(serde_json::to_string(&figures.map_err(BenchError::step("the spool"))?)?)
}

fn spool(path: &Path) -> Result<Spool, SpoolError> {
    Spool::open(path, SpoolLimits { max_bytes: u64::MAX, ..SpoolLimits::default() })
}

fn make(n: u64) -> Event {
    let (kind, fields) = event(n);
    let attributes = fields.into_iter().map(|(key, field)| {
        let value = match field {
            Field::Text(text) => Value::Str(text),
            Field::Int(number) => Value::Int(number),
        };
        (key.to_owned(), value)
    });
    Event {
        name: KINDS[kind].0.to_owned(),
        // A card every few seconds, as it comes.
        wall_ms: 1_760_000_000_000 + (n * 3_137) as i64,
        session: SESSION.to_owned(),
        class: if KINDS[kind].0 == "playback" { Class::C } else { Class::B },
        attributes: attributes.collect(),
    }
}

fn record(path: &Path, events: u64) -> Result<Figures, SpoolError> {
    let spool = spool(path)?;
    let mut gauge = Gauge::start(events as usize);
    for n in 0..events {
        let event = make(n);
        gauge.call(|| spool.record(&event))?;
    }
    spool.close().wait()?;
    Ok(gauge.figures(events))
}

fn deliver(path: &Path, events: u64, batch: u32, encoding: Encoding) -> Result<Figures, SpoolError> {
    let spool = spool(path)?;
    let mut gauge = Gauge::start(events as usize);
    let (ready, batches) = channel();
    let uploading = spool.clone();
    let uploader = std::thread::spawn(move || upload(&uploading, &batches, batch, encoding));
    for n in 0..events {
        let event = make(n);
        gauge.call(|| spool.record(&event))?;
        if (n + 1).is_multiple_of(u64::from(batch)) {
            // Only fails when the other side failed, which is told below.
            let _ = ready.send(());
        }
    }
    drop(ready);
    let (wire, bodies) = uploader.join().map_err(|_| SpoolError::Closed)??;
    let level = spool.level();
    spool.close().wait()?;
    if level.counters.delivered != events || !level.is_conserved() {
        return Err(SpoolError::Closed);
    }
    Ok(Figures { wire, bodies, ..gauge.figures(events) })
}

/// Takes batches out, makes bodies of them and acknowledges them; the server is left out on both sides.
fn upload(
    spool: &Spool,
    ready: &Receiver<()>,
    rows: u32,
    encoding: Encoding,
) -> Result<(u64, u64), SpoolError> {
    let (mut wire, mut bodies) = (0, 0);
    while ready.recv().is_ok() {
        let Some(claimed) = spool.claim(rows, u64::MAX).wait()? else { continue };
        let joined = spool.join(claimed.key).wait()?.ok_or(SpoolError::Closed)?;
        wire += pack(Otlp.encode(&joined, "1.0.0"), encoding)?.0.len() as u64;
        bodies += 1;
        spool.accept(claimed.key, 0).wait()?;
    }
    Ok((wire, bodies))
}

fn open(path: &Path) -> Result<Figures, SpoolError> {
    let gauge = Gauge::start(0);
    let begun = Instant::now();
    let spool = spool(path)?;
    let open_us = begun.elapsed().as_secs_f64() * 1e6;
    let events = spool.level().queued_rows;
    let figures = gauge.figures(events);
    spool.close().wait()?;
    Ok(Figures { open_us, ..figures })
}
