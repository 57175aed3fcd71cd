//! Networks drawn from Markov chains, for machines without recorded traces and for classes nobody recorded.
//!
//! A chain walks over six levels around the mean of its class, one step a second, mostly staying or moving to a
//! neighbour; within a level the rate wavers by a fifth. Mean rates follow the published classes of the short-video
//! challenge of ACM Multimedia 2022 (low 1.20, medium 1.61, high 3.58 Mbit/s, floor 0.2) and published medians of 4G
//! (37 Mbit/s) and 5G (500 Mbit/s). Trains of seconds at the floor stand for the tunnels and lifts of mobile networks.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::error::SimError;
use crate::network::Trace;

/// Rate under which no class falls, Mbit/s.
pub const FLOOR_MBPS: f64 = 0.2;
/// Seconds of a drawn trace.
const SECONDS: usize = 1_200;
/// The levels as multiples of the class mean, and how likely the chain stays in one.
const LEVELS: [f64; 6] = [0.25, 0.5, 0.8, 1.1, 1.5, 2.2];
const STAY: f64 = 0.75;

/// A class of networks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// Name.
    pub name: &'static str,
    /// Mean rate, Mbit/s.
    pub mean_mbps: f64,
    /// Chance per second that the link falls to the floor for some seconds.
    pub outage: f64,
    /// Whether videos come with the higher ladder.
    pub high_ladder: bool,
}

/// The classes of the default run.
pub const CLASSES: [Class; 5] = [
    Class { name: "markov-low", mean_mbps: 1.20, outage: 0.0, high_ladder: false },
    Class { name: "markov-medium", mean_mbps: 1.61, outage: 0.0, high_ladder: false },
    Class { name: "markov-high", mean_mbps: 3.58, outage: 0.0, high_ladder: false },
    Class { name: "markov-4g", mean_mbps: 37.0, outage: 0.01, high_ladder: true },
    Class { name: "markov-5g", mean_mbps: 500.0, outage: 0.01, high_ladder: true },
];

/// Draws the `number`th trace of a class. The same seed and number give the same trace.
///
/// # Errors
/// None that a class of [`CLASSES`] can cause; [`SimError::Trace`] for a class without a rate.
pub fn draw(class: &Class, seed: u64, number: u64) -> Result<Trace, SimError> {
    let mut rng = StdRng::seed_from_u64(seed ^ (number << 20) ^ class.mean_mbps.to_bits());
    let mut level = rng.random_range(0..LEVELS.len());
    let mut outage = 0_u32;
    let mut rates = Vec::with_capacity(SECONDS);
    for _ in 0..SECONDS {
        if rng.random::<f64>() >= STAY {
            level = match level {
                0 => 1,
                5 => 4,
                l if rng.random() => l + 1,
                l => l - 1,
            };
        }
        if outage == 0 && rng.random::<f64>() < class.outage {
            outage = rng.random_range(2..=8);
        }
        let waver = rng.random_range(0.8..1.2);
        rates.push(if outage > 0 { 0.0 } else { LEVELS[level] * waver });
        outage = outage.saturating_sub(1);
    }
    let mean = rates.iter().sum::<f64>() / SECONDS as f64;
    let scale = class.mean_mbps / mean;
    let mut rows = vec![(0.0, 0.0)];
    rows.extend(rates.iter().enumerate().map(|(i, r)| ((i + 1) as f64, (r * scale).max(FLOOR_MBPS))));
    Trace::new(&format!("{}-{number}", class.name), &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_its_mean_and_its_seed() {
        for class in &CLASSES {
            let trace = draw(class, 42, 1).unwrap();
            assert!(
                (trace.mean_mbps() / class.mean_mbps - 1.0).abs() < 0.05,
                "{} {}",
                class.name,
                trace.mean_mbps()
            );
            assert_eq!(trace, draw(class, 42, 1).unwrap());
            assert_ne!(trace, draw(class, 42, 2).unwrap());
        }
    }
}
