//! Glean's side of the telemetry bench: `<task> <events> <batch> <folder>`, figures as JSON on standard output.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use glean::net::{CapablePingUploadRequest, PingUploader, UploadResult};
use glean::private::EventMetric;
use glean::traits::NoExtraKeys;
use glean::{ClientInfoMetrics, CommonMetricData, ConfigurationBuilder, Lifetime, PingRateLimit};

#[path = "../../../src/benches/telemetry/load.rs"]
mod load;

use load::{Field, Figures, Gauge, KEYS, KINDS, event};

/// Counts the bodies and their bytes, and says that they arrived.
#[derive(Debug, Default)]
struct Sink {
    bodies: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Uploader(Arc<Sink>);

impl PingUploader for Uploader {
    fn upload(&self, request: CapablePingUploadRequest) -> UploadResult {
        let Some(request) = request.capable(|_| true) else { return UploadResult::incapable() };
        if request.ping_name == "events" {
            self.0.bytes.fetch_add(request.body.len() as u64, Ordering::SeqCst);
            self.0.bodies.fetch_add(1, Ordering::SeqCst);
        }
        UploadResult::http_status(200)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let task = std::env::args().nth(1).ok_or("which task?")?;
    let words: Vec<&str> = task.splitn(4, ' ').collect();
    let [task, events, batch, folder] = words.as_slice() else { return Err("four words are wanted".into()) };
    let (events, batch): (u64, u64) = (events.parse()?, batch.parse()?);
    let deliver = match *task {
        "record" => false,
        "deliver" => true,
        other => return Err(format!("no such task: {other}").into()),
    };
    let sink = Arc::new(Sink::default());
    let limit = if deliver { batch } else { events * 2 };
    let config = ConfigurationBuilder::new(true, Path::new(folder), "unspool-bench")
        .with_server_endpoint("http://localhost.invalid")
        .with_uploader(Uploader(Arc::clone(&sink)))
        .with_use_core_mps(false)
        .with_max_events(usize::try_from(limit)?)
        .with_rate_limit(PingRateLimit { seconds_per_interval: 1, pings_per_interval: 1_000_000 })
        .build();
    let metrics: Vec<EventMetric<NoExtraKeys>> = KINDS
        .iter()
        .map(|(name, _)| {
            let meta = CommonMetricData {
                name: (*name).to_owned(),
                category: "unspool".to_owned(),
                send_in_pings: vec!["events".to_owned()],
                lifetime: Lifetime::Ping,
                ..Default::default()
            };
            EventMetric::with_runtime_extra_keys(meta, KEYS.iter().map(|key| (*key).to_owned()).collect())
        })
        .collect();
    glean::initialize(config, ClientInfoMetrics::unknown());
    // The first call that waits for the queue: initialization is not measured.
    let _ = metrics[0].test_get_num_recorded_errors(glean::ErrorType::InvalidValue);

    let mut gauge = Gauge::start(usize::try_from(events)?);
    for n in 0..events {
        let (kind, fields) = event(n);
        let extra: HashMap<String, String> = fields
            .into_iter()
            .map(|(key, field)| {
                let value = match field {
                    Field::Text(text) => text,
                    Field::Int(number) => number.to_string(),
                };
                (key.to_owned(), value)
            })
            .collect();
        gauge.call(|| metrics[kind].record_with_time(n * 3_137, extra));
    }
    let bodies = if deliver { events / batch } else { 0 };
    let until = Instant::now() + Duration::from_secs(120);
    let _ = metrics[0].test_get_num_recorded_errors(glean::ErrorType::InvalidValue);
    while sink.bodies.load(Ordering::SeqCst) < bodies {
        if Instant::now() > until {
            return Err(format!("{} of {bodies} bodies came", sink.bodies.load(Ordering::SeqCst)).into());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    glean::shutdown();
    let figures = Figures {
        wire: sink.bytes.load(Ordering::SeqCst),
        bodies: sink.bodies.load(Ordering::SeqCst),
        ..gauge.figures(events)
    };
    std::io::stdout().write_all(serde_json::to_string(&figures)?.as_bytes())?;
    Ok(())
}
