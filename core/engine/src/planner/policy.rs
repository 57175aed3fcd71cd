//! What the planner may do: how far it looks, and what the device and the person allow.

use serde::{Deserialize, Serialize};

use super::swipe::Habit;
use super::tuning::{Tuning, Worth};
use crate::throughput::Memory;

/// How far ahead to fetch, and how to decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Cards after the current one that are looked at.
    pub window: u64,
    /// Demands that may run at once; more than one hides the round trip between two. This is what an origin meets of one
    /// person at most, the driver's requests for one demand aside; a demand is about a second of media, a card whose demand
    /// failed waits for 1 s, doubling up to 32 s, and after three cards in a row failed only the current one is asked for.
    pub parallel: usize,
    /// Whether the fetcher serves the current card at once, whatever else runs. A simulator that moves one chunk at a time to
    /// its end does not.
    pub preempts: bool,
    /// With less than this much ahead, in milliseconds, the current card pre-empts every other.
    pub danger_ms: u64,
    /// With less than this much ahead, in milliseconds, the current card's next step is not waited with, whatever it may
    /// waste. A player tells its place four times a second and decodes an eighth of a second ahead, so what is weighed
    /// here is up to 0.4 s richer than what is there. A simulator that knows the place needs none.
    pub floor_ms: u64,
    /// Tallest picture worth fetching for this screen, in pixels.
    pub max_height: u32,
    /// Most bytes held or asked for of cards that are not shown yet.
    pub ahead_bytes: u64,
    /// What stalls, bytes and steps of quality are worth.
    pub worth: Worth,
    /// How the model is leaned.
    pub tuning: Tuning,
    /// How fast the estimate of the throughput forgets.
    pub memory: Memory,
    /// How strongly a person's own looks count.
    pub habit: Habit,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            window: 4,
            parallel: 2,
            preempts: true,
            danger_ms: 800,
            floor_ms: 800,
            // The height of a portrait 720p clip, the tallest a phone's feed profits from.
            max_height: 1280,
            // Five seconds of four cards at 8 Mbit/s are 20 MB.
            ahead_bytes: 24 * 1024 * 1024,
            worth: Worth::default(),
            tuning: Tuning::default(),
            memory: Memory::default(),
            habit: Habit::default(),
        }
    }
}

/// What may be fetched at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Whether there is a network.
    pub online: bool,
    /// Whether cards that are not shown yet may be fetched.
    pub prefetching: bool,
    /// Multiplies what a megabit costs.
    pub price: f64,
    /// Tallest picture worth fetching, in pixels.
    pub max_height: u32,
    /// Whether only the lowest rendition may be begun.
    pub lowest: bool,
    /// Bytes that may still be fetched today; prefetches never go beyond it.
    pub data_left: Option<u64>,
    /// Whether the current card is fetched to its end before anything else: the network is about to go.
    pub finish: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            online: true,
            prefetching: true,
            price: 1.0,
            max_height: u32::MAX,
            lowest: false,
            data_left: None,
            finish: false,
        }
    }
}
