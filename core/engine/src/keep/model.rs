//! What keeping offline is about: records, states, the rule that chooses a rendition, and the estimate.

use serde::{Deserialize, Serialize};

use crate::model::{Asset, Container, Item, MediaKey, Rendition, Span};
use crate::port::Conditions;

/// What is kept and when it may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepPolicy {
    /// Tallest picture worth keeping, in pixels. 1280: the height of 720p held upright, sharp on any phone.
    pub max_height: u32,
    /// Largest rendition worth keeping, in bytes. 256 MiB: ten minutes at 3.5 Mbit/s.
    pub max_bytes: u64,
    /// Whether to fetch over a network that is paid by the byte, or with the data saver on.
    pub metered: bool,
    /// Failures in a row without a new byte after which an asset has failed. With the pauses between them a quarter of
    /// an hour.
    pub attempts: u32,
}

impl Default for KeepPolicy {
    fn default() -> Self {
        KeepPolicy { max_height: 1280, max_bytes: 256 * 1024 * 1024, metered: false, attempts: 8 }
    }
}

impl KeepPolicy {
    /// Why nothing may be fetched under these conditions; `None` when it may.
    #[must_use]
    pub fn hold(&self, conditions: Conditions) -> Option<Hold> {
        let Conditions { online, metered, data_saver, foreground, low_storage, .. } = conditions;
        match () {
            () if !online => Some(Hold::Offline),
            () if !foreground => Some(Hold::Background),
            () if low_storage => Some(Hold::LowStorage),
            () if (metered || data_saver) && !self.metered => Some(Hold::Metered),
            () => None,
        }
    }
}

/// Why nothing is fetched for what is kept, or for one asset of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// There is no network.
    Offline,
    /// The app is not on screen.
    Background,
    /// The device is short of room.
    LowStorage,
    /// The network is paid by the byte or the person saves data, and the policy does not pay.
    Metered,
    /// The backend gives its address to nobody who is not signed in; it goes on when somebody is.
    SignIn,
}

/// Why an asset cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepFailure {
    /// It is not available, or not to this person.
    Gone,
    /// What the server has is no video that plays.
    Unplayable,
    /// The device has no room, or its disk refuses.
    Storage,
    /// The server or the way to it failed more often than it is worth trying, or in a way that does not pass.
    Server,
}

/// How a probe or a fetch failed, reduced to what is decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepTrouble {
    /// What it comes to if it does not pass.
    pub kind: KeepFailure,
    /// Whether it may pass.
    pub retryable: bool,
    /// Whether no request was let out.
    pub offline: bool,
    /// Whether somebody has to sign in first.
    pub sign_in: bool,
}

impl KeepTrouble {
    /// A failure that has nothing to do with the network of the device or with who is signed in.
    #[must_use]
    pub const fn of(kind: KeepFailure, retryable: bool) -> Self {
        KeepTrouble { kind, retryable, offline: false, sign_in: false }
    }
}

/// What is wanted of a kept asset, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptMark {
    /// To be fetched.
    Wanted,
    /// Not to be fetched for now.
    Paused,
    /// All of it was there.
    Complete,
    /// It cannot be had.
    Failed(KeepFailure),
    /// It is kept no longer; its bytes are being dropped.
    Dropping,
}

/// A kept asset as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptRecord {
    /// Its place among the others; what was asked for first comes first.
    pub order: u64,
    /// The card it came with.
    pub item: Item,
    /// The rendition that is kept.
    pub key: MediaKey,
    /// What is wanted of it.
    pub mark: KeptMark,
    /// Length in bytes, once known.
    pub size: Option<u64>,
    /// Bytes that were held for certain when this was written.
    pub held: u64,
    /// Bytes that were not brought for keeping it, ascending and disjoint: they stay when it is forgotten.
    pub others: Vec<Span>,
}

impl KeptRecord {
    /// Identifier of the asset.
    #[must_use]
    pub fn asset(&self) -> &str {
        &self.item.asset.id
    }

    /// The rendition that is kept.
    #[must_use]
    pub fn rendition(&self) -> Option<&Rendition> {
        let (_, id) = self.key.parts();
        self.item.asset.renditions.iter().find(|r| r.id == id)
    }

    /// Length in bytes: known, or else declared.
    #[must_use]
    pub fn expected_bytes(&self) -> u64 {
        let declared = || self.rendition().map_or(0, |r| expected_bytes(r, self.item.asset.duration_ms));
        self.size.unwrap_or_else(declared)
    }
}

/// How far an asset is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeepState {
    /// It waits for those before it.
    Queued,
    /// It waits for better conditions.
    Held(Hold),
    /// It is being fetched.
    Fetching,
    /// It failed and will be tried again.
    Retrying,
    /// The person stopped it for now.
    Paused,
    /// All of it is on the device.
    Complete,
    /// It cannot be had; resuming it tries again.
    Failed(KeepFailure),
}

/// One kept asset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeptView<'a> {
    /// What is written down of it.
    pub record: &'a KeptRecord,
    /// Bytes held now.
    pub held: u64,
    /// How far it is.
    pub state: KeepState,
}

/// What the edge is to do. Every `Check`, `Probe`, `Fetch` and `Drop` comes back.
#[derive(Debug, Clone, PartialEq)]
pub enum KeepOutput {
    /// Write a record down, over an older one of the same asset.
    Save(Box<KeptRecord>),
    /// Take a record out.
    Erase {
        /// Of which asset.
        asset: String,
    },
    /// Keep a rendition from eviction.
    Pin {
        /// Which one.
        key: MediaKey,
    },
    /// Say what the store holds of it.
    Check {
        /// For which asset.
        asset: String,
        /// Of which rendition.
        key: MediaKey,
    },
    /// Find its length out.
    Probe {
        /// For which asset.
        asset: String,
        /// Of which rendition.
        key: MediaKey,
    },
    /// Bring all of it, behind everybody else.
    Fetch {
        /// For which asset.
        asset: String,
        /// Of which rendition.
        key: MediaKey,
        /// Length in bytes.
        size: u64,
    },
    /// Stop its fetch at the next chunk.
    Cancel {
        /// Of which asset.
        asset: String,
    },
    /// Let eviction have it again, and drop all but what others brought or read, once nothing of it is on its way.
    Drop {
        /// Of which asset.
        asset: String,
        /// Which rendition.
        key: MediaKey,
        /// What stays, as far as the record knows.
        others: Vec<Span>,
    },
}

/// What keeping some assets would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeepEstimate {
    /// Assets that are not kept yet.
    pub assets: u64,
    /// Bytes to fetch for them. Declared sizes where the exact ones are not known.
    pub needed: u64,
    /// Bytes that what is kept already still has to fetch.
    pub pending: u64,
    /// Bytes free on the disk.
    pub free: u64,
    /// Whether there is room for both, and for the device to go on working.
    pub fits: bool,
}

/// Bytes that keeping leaves free: databases, logs and the rest of the device need room. 128 MiB, a quarter of what
/// Android calls low storage, below which it refuses caches.
const RESERVE: u64 = 128 * 1024 * 1024;

/// What it takes to keep `new` records beside `pending` bytes on a disk with `free` bytes.
#[must_use]
pub fn estimate(new: &[KeptRecord], pending: u64, free: u64) -> KeepEstimate {
    let missing = |r: &KeptRecord| r.expected_bytes().saturating_sub(r.held);
    let needed = new.iter().map(missing).fold(0, u64::saturating_add);
    let fits = needed == 0 || needed.saturating_add(pending).saturating_add(RESERVE) <= free;
    KeepEstimate { assets: new.len() as u64, needed, pending, free, fits }
}

/// The bytes of a rendition as declared: its size, or else what its bit rate comes to.
#[must_use]
pub fn expected_bytes(rendition: &Rendition, duration_ms: u64) -> u64 {
    rendition.bytes.unwrap_or_else(|| rendition.bitrate_bps.saturating_mul(duration_ms) / 8_000)
}

/// The rendition to keep: the tallest within the caps of height and size; of two equally tall ones the one with the
/// higher bit rate, and of two equal encodings the plain file. Where none fits, the one with the lowest bit rate.
#[must_use]
pub fn choose<'a>(asset: &'a Asset, policy: &KeepPolicy) -> Option<&'a Rendition> {
    let fits = |r: &&Rendition| {
        r.height <= policy.max_height && expected_bytes(r, asset.duration_ms) <= policy.max_bytes
    };
    let worth = |r: &&Rendition| (r.height, r.bitrate_bps, r.container != Container::Hls);
    let best = asset.renditions.iter().filter(fits).max_by_key(worth);
    best.or_else(|| asset.renditions.iter().min_by_key(|r| r.bitrate_bps))
}
