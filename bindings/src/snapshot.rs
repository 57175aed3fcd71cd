//! What is the case, as data.

use crate::learning::LoopState;
use crate::playing::CaptionView;
use crate::wellbeing::BreakCard;

/// Everything an app shows of a feed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FeedSnapshot {
    /// Grows with every change; ask with it for the next one.
    pub revision: u64,
    /// Position of the current card.
    pub current: Option<u64>,
    /// The current card and those after it, nearest first.
    pub window: Vec<CardState>,
    /// Playhead of the current card in milliseconds.
    pub playhead_ms: u64,
    /// Frames of the current card rendered since it became current.
    pub frames: u64,
    /// Whether the current card is paused: by the person, or because the system took the loudspeaker.
    pub paused: bool,
    /// Whether it is paused because another app has the loudspeaker for a while; it goes on by itself.
    pub interrupted: bool,
    /// The break that stands in the place of a card.
    pub resting: Option<BreakCard>,
    /// What is on show of the captions of the current card.
    pub captions: CaptionView,
    /// Whether the app says there is a network.
    pub online: bool,
    /// Cards that the safety filter left out of this feed so far.
    pub hidden: u64,
    /// Whether the person goes round in circles; never in a feed that is the same for everybody.
    pub loop_state: LoopState,
    /// Topics of which the backend sends so much that the rest has no room; empty as a rule.
    pub enough_of: Vec<String>,
    /// Bits per second the renditions are chosen by.
    pub throughput_bps: u64,
    /// Media bytes.
    pub bytes: Bytes,
}

/// How far one card is prepared.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CardState {
    /// Position in the feed.
    pub position: u64,
    /// Its item.
    pub item: String,
    /// The rendition that was chosen.
    pub rendition: Option<String>,
    /// How far it is prepared.
    pub stage: Stage,
    /// Milliseconds it could play from the playhead, or from its start, without the network.
    pub ahead_ms: u64,
    /// It is covered by the safety filter until it is revealed.
    pub covered: bool,
}

/// How far a card is prepared, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Stage {
    /// Nothing is there.
    None,
    /// Its headers are on the device.
    HeadCached,
    /// It can play from its start for as long as `ahead_ms` says.
    RangeCached,
    /// A player stands at its first frame.
    PreRolled,
    /// It plays.
    Playing,
    /// It cannot be played.
    Failed,
}

/// Bytes since the session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
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
}

/// Media bytes by whom they were for. Together they are what `Bytes` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ByPurpose {
    /// What the player on screen asked for.
    pub playback: Traffic,
    /// What the next card needs, and players that nobody watches yet.
    pub next: Traffic,
    /// What is fetched ahead further down the feed.
    pub prefetch: Traffic,
    /// What is kept for offline.
    pub offline: Traffic,
    /// Finding out what a rendition is.
    pub probe: Traffic,
}

/// Media bytes of one purpose since the session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Traffic {
    /// Bytes that came over the network for it.
    pub network: u64,
    /// Bytes that were on the device when they were asked for.
    pub from_cache: u64,
    /// The part of `network` that was on the device already when it came.
    pub duplicate: u64,
    /// The part of `network` that no player has read so far, or that was of no use.
    pub wasted: u64,
}

/// Telemetry records, and intents such as likes, on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
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
}

impl From<unspool::Bytes> for Bytes {
    fn from(bytes: unspool::Bytes) -> Self {
        let unspool::Bytes { network, media, from_cache, duplicate, wasted, on_disk, by_purpose: _ } = bytes;
        Bytes { network, media, from_cache, duplicate, wasted, on_disk }
    }
}

impl From<unspool::ByPurpose> for ByPurpose {
    fn from(by: unspool::ByPurpose) -> Self {
        let unspool::ByPurpose { playback, next, prefetch, offline, probe } = by;
        ByPurpose {
            playback: playback.into(),
            next: next.into(),
            prefetch: prefetch.into(),
            offline: offline.into(),
            probe: probe.into(),
        }
    }
}

impl From<unspool::Traffic> for Traffic {
    fn from(traffic: unspool::Traffic) -> Self {
        let unspool::Traffic { network, from_cache, duplicate, wasted } = traffic;
        Traffic { network, from_cache, duplicate, wasted }
    }
}

impl From<unspool::Outgoing> for Outgoing {
    fn from(out: unspool::Outgoing) -> Self {
        let unspool::Outgoing {
            recorded,
            delivered,
            queued,
            dropped,
            quarantined,
            intents,
            intents_delivered,
            intents_queued,
            intents_wedged,
            intents_settled: _,
        } = out;
        Outgoing {
            recorded,
            delivered,
            queued,
            dropped,
            quarantined,
            intents,
            intents_delivered,
            intents_queued,
            intents_wedged,
        }
    }
}

impl From<unspool::CardView> for CardState {
    fn from(card: unspool::CardView) -> Self {
        let stage = match card.stage {
            unspool::Stage::None => Stage::None,
            unspool::Stage::HeadCached => Stage::HeadCached,
            unspool::Stage::RangeCached(_) => Stage::RangeCached,
            unspool::Stage::PreRolled => Stage::PreRolled,
            unspool::Stage::Playing => Stage::Playing,
            unspool::Stage::Failed => Stage::Failed,
        };
        CardState {
            position: card.position,
            item: card.item.id,
            rendition: card.rendition,
            stage,
            ahead_ms: card.ahead_ms,
            covered: card.covered,
        }
    }
}

impl From<unspool::Snapshot> for FeedSnapshot {
    fn from(snapshot: unspool::Snapshot) -> Self {
        FeedSnapshot {
            revision: snapshot.revision,
            current: snapshot.current,
            window: snapshot.window.into_iter().map(CardState::from).collect(),
            playhead_ms: snapshot.playhead_ms,
            frames: snapshot.frames,
            paused: snapshot.paused,
            interrupted: snapshot.interrupted,
            resting: snapshot.resting.map(BreakCard::from),
            captions: snapshot.captions.into(),
            online: snapshot.online,
            hidden: snapshot.hidden,
            loop_state: snapshot.loop_state.into(),
            enough_of: snapshot.enough_of,
            throughput_bps: snapshot.throughput_bps,
            bytes: snapshot.bytes.into(),
        }
    }
}
