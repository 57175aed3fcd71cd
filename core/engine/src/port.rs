//! What crosses between an engine and its driver: facts in, effects out.

use serde::{Deserialize, Serialize};

use crate::breaker::Word;
use crate::feed::{PageRequest, SavedFeed};
use crate::impression::{StartClass, Write};
use crate::model::MediaKey;
use crate::pipeline::Lesson;
use crate::planner::{self, Policy};
use crate::safety::Decision;
use crate::stage::StageOutput;
use crate::throughput::NetworkClass;

/// What does not change while the session runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineConfig {
    /// Seed of every jitter.
    pub seed: u64,
    /// Name of the feed, recorded as the reason an item was shown.
    pub feed: String,
    /// How far ahead to fetch.
    pub policy: Policy,
    /// Most players at once.
    pub players: usize,
    /// The item the feed begins with, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// What the host knows of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Whether there is a network.
    pub online: bool,
    /// Whether the network is paid by the byte.
    pub metered: bool,
    /// Whether the person asked to save data.
    pub data_saver: bool,
    /// Whether the app is on screen.
    pub foreground: bool,
    /// Whether the system says that storage is low; the cache gives way then.
    pub low_storage: bool,
    /// Whether the device saves its battery.
    pub battery_saver: bool,
    /// Whether the device is hot and slows itself down.
    pub hot: bool,
    /// Whether the system says that the network is about to go, as Android does when it lingers on one; the card on screen is
    /// fetched to its end then, before anything else.
    pub leaving: bool,
    /// What kind of network it is.
    pub network: NetworkClass,
}

impl Default for Conditions {
    fn default() -> Self {
        Conditions {
            online: true,
            metered: false,
            data_saver: false,
            foreground: true,
            low_storage: false,
            battery_saver: false,
            hot: false,
            leaving: false,
            network: NetworkClass::Unknown,
        }
    }
}

/// What a player reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PlayerFact {
    /// It rendered its first frame after it was told to play.
    FirstFrame {
        /// How it came about.
        class: StartClass,
        /// Milliseconds from the swipe to the rendered frame.
        latency_ms: f64,
    },
    /// Its counters.
    Progress {
        /// Playhead in milliseconds.
        playhead_ms: u64,
        /// Milliseconds rendered since it was built.
        active_ms: u64,
    },
    /// A stall of this length ended.
    Stalled {
        /// Milliseconds.
        ms: u64,
    },
    /// It started over.
    Looped,
    /// It gave up.
    Failed {
        /// Why, without personal data.
        reason: String,
        /// Whether a new player may do better.
        recoverable: bool,
    },
}

/// What the driver is to do.
// A few of them stand in a queue for one turn; a box for the largest would cost an allocation a swipe.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the backend for a page.
    Page(PageRequest),
    /// Move bytes.
    Media(planner::Output),
    /// Move players.
    Stage(StageOutput),
    /// Write a viewing down.
    Write(Write),
    /// Keep the feed for the next launch.
    Save(SavedFeed),
    /// Take everything of these renditions off the disk, also what a request that is being cancelled still brings.
    Forget(Vec<MediaKey>),
    /// Learn this, and keep it for the feeds to come. The engine has learnt it already.
    Lesson(Lesson),
    /// Tell the app.
    Notice(Notice),
}

/// What the app is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Cards were added to the feed.
    Grew,
    /// A page could not be had.
    PageFailed {
        /// Whether it will be asked for again.
        retryable: bool,
    },
    /// A card cannot be played.
    CardFailed {
        /// Its position.
        position: u64,
        /// Why, without personal data.
        reason: String,
    },
    /// The person goes round in circles, or the feed led them out of it: something to show.
    Loop(Word),
    /// The backend sends too much of these topics: the rest of what it sent has no room. Of none when that is over.
    Thin(Vec<String>),
    /// The link began or ceased to bring what is asked of it.
    Link(planner::LinkState),
    /// The filter closed a card that was committed: it is hidden or covered from now on.
    CardClosed {
        /// Its position.
        position: u64,
        /// Its item.
        item: String,
        /// Whether it is the current one, which stopped playing.
        current: bool,
        /// Why.
        decision: Decision,
    },
}

/// What the person said of a card in so many words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// Likes the item, or no longer does.
    Liked(String, bool),
    /// Commented on the item.
    Commented(String),
    /// Wants nothing like the item.
    NotInterested(String),
    /// Wants nothing of this creator.
    HidCreator(String),
    /// Reported the item.
    Reported(String),
}

/// Why the engine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A failed page is due again.
    Page,
    /// A failed fetch is due again.
    Fetch,
    /// The open viewing is to be written ahead.
    WriteAhead,
}
