//! The network that the page can choose, and how fast it truly is at this moment.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A network by name, or by its numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Choice {
    /// One of the presets.
    Preset {
        /// Its name.
        preset: Preset,
    },
    /// A recorded network: rows of seconds and Mbit/s, which start over at their end.
    Trace {
        /// The rows.
        trace: Vec<(f64, f64)>,
        /// Milliseconds to an answer.
        rtt_ms: u64,
    },
    /// What the sliders say.
    Numbers {
        /// Kilobits a second; none is no limit.
        rate_kbps: Option<f64>,
        /// Milliseconds to an answer.
        rtt_ms: u64,
        /// Share of answers that pause once.
        stall_probability: f64,
    },
}

/// Networks with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// Medians of mid-band 5G in published measurements: above 100 Mbit/s, 20 ms.
    #[serde(rename = "5G")]
    FiveG,
    /// A usual LTE cell: tens of Mbit/s, 50 ms.
    #[serde(rename = "4G")]
    FourG,
    /// The "Fast 3G" of browsers' own tools: 1.6 Mbit/s, 150 ms and more.
    #[serde(rename = "3G")]
    ThreeG,
    /// LTE from a train: good stretches, cuttings, and a tunnel of six seconds in every forty.
    #[serde(rename = "train")]
    Train,
    /// Nothing gets through.
    #[serde(rename = "offline")]
    Offline,
}

impl Choice {
    /// Whether there is a network at all.
    #[must_use]
    pub fn online(&self) -> bool {
        !matches!(self, Choice::Preset { preset: Preset::Offline })
    }

    /// What the server is told, on top of what it was told before.
    #[must_use]
    pub fn settings(&self, before: &Value) -> Value {
        let plain = |kbps: Option<f64>, rtt: u64, stalls: f64| json!({ "rtt_ms": rtt, "rate_kbps": kbps, "stall_probability": stalls, "stall_ms": 1_500 });
        match self {
            Choice::Preset { preset: Preset::FiveG } => plain(Some(120_000.0), 18, 0.0),
            Choice::Preset { preset: Preset::FourG } => plain(Some(18_000.0), 50, 0.0),
            Choice::Preset { preset: Preset::ThreeG } => plain(Some(1_600.0), 180, 0.0),
            Choice::Preset { preset: Preset::Train } => json!({ "rtt_ms": 80, "trace": TRAIN }),
            Choice::Preset { preset: Preset::Offline } => {
                let mut network = before.clone();
                network["down"] = json!(true);
                network
            }
            Choice::Trace { trace, rtt_ms } => json!({ "rtt_ms": rtt_ms, "trace": trace }),
            Choice::Numbers { rate_kbps, rtt_ms, stall_probability } => {
                plain(*rate_kbps, *rtt_ms, *stall_probability)
            }
        }
    }
}

/// Rows of a trace as the server plays it: the rate, in Mbit/s, until this second.
const TRAIN: [(f64, f64); 9] = [
    (0.0, 0.0),
    (9.0, 14.0),
    (13.0, 5.0),
    (16.0, 0.8),
    (22.0, 0.0),
    (25.0, 2.0),
    (32.0, 10.0),
    (36.0, 3.0),
    (40.0, 7.0),
];

/// What the server was told last, and when.
#[derive(Debug, Clone)]
pub struct InForce {
    /// Its settings.
    pub settings: Value,
    since: Instant,
}

impl InForce {
    /// Settings that hold from now on.
    #[must_use]
    pub fn new(settings: Value) -> Self {
        InForce { settings, since: Instant::now() }
    }

    /// Bits a second that get through now; none where there is no limit.
    #[must_use]
    pub fn bps(&self) -> Option<f64> {
        bps(&self.settings, self.since.elapsed().as_secs_f64())
    }
}

fn bps(settings: &Value, seconds: f64) -> Option<f64> {
    if settings["down"] == true {
        return Some(0.0);
    }
    let rows = settings["trace"].as_array().map(|rows| {
        rows.iter().filter_map(|row| Some((row[0].as_f64()?, row[1].as_f64()?))).collect::<Vec<_>>()
    });
    match rows {
        Some(rows) => {
            let length = rows.last().map_or(0.0, |row| row.0);
            let at = if length > 0.0 { seconds % length } else { 0.0 };
            rows.iter().find(|row| at < row.0).map(|row| row.1 * 1e6)
        }
        None => settings["rate_kbps"].as_f64().map(|kbps| kbps * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_one_the_server_takes() {
        for name in ["5G", "4G", "3G", "train", "offline"] {
            let choice: Choice = serde_json::from_value(json!({ "preset": name })).unwrap();
            let settings = choice.settings(&json!({ "rtt_ms": 7 }));
            let taken =
                unspool_origin::network::NetworkSettings::from_argument(&settings.to_string()).unwrap();
            assert_eq!(taken.down, name == "offline");
            assert_eq!(choice.online(), name != "offline");
        }
        let recorded: Choice =
            serde_json::from_value(json!({ "trace": [[0.0, 1.0], [2.5, 3.0]], "rtt_ms": 40 })).unwrap();
        assert_eq!(recorded.settings(&Value::Null)["trace"][1][0], 2.5);
        let numbers = json!({ "rate_kbps": null, "rtt_ms": 5, "stall_probability": 0.1 });
        assert!(serde_json::from_value::<Choice>(numbers).unwrap().online());
    }

    #[test]
    fn the_rate_of_a_trace_is_that_of_its_row_and_it_starts_over() {
        let trace = json!({ "trace": [[0.0, 0.0], [2.0, 3.0], [5.0, 1.0]] });
        let at = |seconds| bps(&trace, seconds).unwrap();
        assert_eq!([at(0.5), at(2.5), at(5.5)], [3e6, 1e6, 3e6]);
        assert_eq!(bps(&json!({ "rate_kbps": 5_000.0 }), 1.0), Some(5e6));
        assert_eq!(bps(&json!({}), 1.0), None);
        assert_eq!(bps(&json!({ "down": true, "rate_kbps": 5.0 }), 1.0), Some(0.0));
    }
}
