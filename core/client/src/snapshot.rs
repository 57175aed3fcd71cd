//! What is the case right now, in one value with a revision.

use unspool_engine::Item;
use unspool_engine::breaker::LoopState;
use unspool_engine::wellbeing::Break;
use unspool_media::ByPurpose;

use crate::captions::CaptionView;

/// How far a card near the current one is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is there.
    None,
    /// Its headers are on the device.
    HeadCached,
    /// It can play this many milliseconds from its start.
    RangeCached(u64),
    /// A player stands at its first frame.
    PreRolled,
    /// It plays.
    Playing,
    /// It cannot be played.
    Failed,
}

/// One card of the window.
#[derive(Debug, Clone, PartialEq)]
pub struct CardView {
    /// Position in the feed.
    pub position: u64,
    /// What it is.
    pub item: Item,
    /// The rendition that was chosen.
    pub rendition: Option<String>,
    /// How far it is prepared.
    pub stage: Stage,
    /// Milliseconds it could play from the playhead, or from its start, without the network.
    pub ahead_ms: u64,
    /// It is covered until the person reveals it.
    pub covered: bool,
}

/// Bytes since the session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes {
    /// Body bytes that came over the network: media, playlists, pages and answers.
    pub network: u64,
    /// Of these, media and playlists.
    pub media: u64,
    /// Bytes players read that were there before they asked.
    pub from_cache: u64,
    /// The part of `media` that was on the device already when it came.
    pub duplicate: u64,
    /// Bytes that came over the network and no player has read so far.
    pub wasted: u64,
    /// Bytes of media on disk.
    pub on_disk: u64,
    /// The account of each purpose; together they are `media`, `duplicate` and `wasted`.
    pub by_purpose: ByPurpose,
}

/// Records of the spool and intents of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// Records written down, ever, in this data directory.
    pub recorded: u64,
    /// Records the collector acknowledged.
    pub delivered: u64,
    /// Records still to be sent.
    pub queued: u64,
    /// Records given up for lack of space or for age.
    pub dropped: u64,
    /// Records the collector will not take, kept for inspection.
    pub quarantined: u64,
    /// Intents written down, ever.
    pub intents: u64,
    /// Intents the backend confirmed.
    pub intents_delivered: u64,
    /// Intents still to be sent.
    pub intents_queued: u64,
    /// Intents the backend refused for good.
    pub intents_wedged: u64,
    /// Intents that are done with in another way: a later one made them needless, a refusal was dismissed, or a damaged file
    /// lost them. With the three above they are `intents`.
    pub intents_settled: u64,
}

/// Everything an app shows of a feed session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Grows with every change; ask with it for the next one.
    pub revision: u64,
    /// Position of the current card.
    pub current: Option<u64>,
    /// The current card and the window after it.
    pub window: Vec<CardView>,
    /// Playhead of the current card in milliseconds.
    pub playhead_ms: u64,
    /// Decoded pictures of the current card that reached the sink since the swipe to it, over all loops.
    pub frames: u64,
    /// Whether the current card is paused: by the person, or because the system took the loudspeaker.
    pub paused: bool,
    /// Whether it is paused because another app has the loudspeaker for a while; it goes on by itself.
    pub interrupted: bool,
    /// The break that stands in the place of the next video; nothing plays meanwhile.
    pub resting: Option<Break>,
    /// What is on show of the captions of the current card.
    pub captions: CaptionView,
    /// Whether the host says there is a network.
    pub online: bool,
    /// Cards that the safety filter left out of this feed so far.
    pub hidden: u64,
    /// Whether the person goes round in circles; never in a feed that is not made for the person.
    pub loop_state: LoopState,
    /// Topics of which the backend sends so much that the rest has no room; empty as a rule.
    pub enough_of: Vec<String>,
    /// Bits per second the renditions are chosen by.
    pub throughput_bps: u64,
    /// Media bytes.
    pub bytes: Bytes,
}
