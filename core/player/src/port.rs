//! What any set of players does, whoever decodes: the pipelines of this crate, or the players of the platform.

use crate::{PlayerError, PlayerId, PlayerSnapshot, PoolCounts, SeekMode};
use std::sync::Arc;
use std::time::Duration;
use unspool_media::{ByteSource, MediaInfo};

/// Where a player gets its bytes.
#[derive(Debug, Clone)]
pub enum MediaFrom {
    /// From the span store, read by this process; for the pipelines of this crate.
    Source(Arc<dyn ByteSource>),
    /// From the gateway, by an address on the loopback interface; for players of the platform.
    Address(String),
}

/// A set of players that reports [`PlayerEvent`](crate::PlayerEvent)s.
///
/// Shape: each player is named by an id and goes `prepare`, `play`, then `pause`, `seek` or `park` as often as wanted,
/// then `release`; the facts mean the same whoever decodes, and one suite of tests holds every implementation to it.
///
/// Threads: every method may be called from any thread and returns within milliseconds.
pub trait Players: Send + Sync + std::fmt::Debug {
    /// Makes a player and brings it to its first picture; `PreRolled` says when it is there.
    ///
    /// # Errors
    /// [`PlayerError::AlreadyPrepared`], [`PlayerError::PoolFull`], [`PlayerError::OverBudget`],
    /// [`PlayerError::Closed`], [`PlayerError::NoVideo`], and [`PlayerError::Invalid`] for media from where these
    /// players cannot read.
    fn prepare(&self, id: PlayerId, from: MediaFrom, info: Arc<MediaInfo>) -> Result<(), PlayerError>;

    /// Plays; the moment of this call is the intent that `FirstFrame` is measured from.
    ///
    /// # Errors
    /// [`PlayerError::NoSuchPlayer`] or [`PlayerError::Closed`]; so for every method below.
    fn play(&self, id: PlayerId) -> Result<(), PlayerError>;

    /// Pauses; the picture stays.
    ///
    /// # Errors
    /// As [`play`](Players::play).
    fn pause(&self, id: PlayerId) -> Result<(), PlayerError>;

    /// Pauses a card that was swiped away; its next `play` is a new start.
    ///
    /// # Errors
    /// As [`play`](Players::play).
    fn park(&self, id: PlayerId) -> Result<(), PlayerError>;

    /// Jumps, in milliseconds of media time.
    ///
    /// # Errors
    /// As [`play`](Players::play).
    fn seek(&self, id: PlayerId, ms: u64, mode: SeekMode) -> Result<(), PlayerError>;

    /// Turns sound off or on.
    ///
    /// # Errors
    /// As [`play`](Players::play).
    fn set_muted(&self, id: PlayerId, muted: bool) -> Result<(), PlayerError>;

    /// Sets the volume, from 0 to 1.
    ///
    /// # Errors
    /// [`PlayerError::Invalid`], else as [`play`](Players::play).
    fn set_volume(&self, id: PlayerId, volume: f64) -> Result<(), PlayerError>;

    /// Sets the speed, from 0.25 to 4 times.
    ///
    /// # Errors
    /// [`PlayerError::Invalid`], else as [`play`](Players::play).
    fn set_rate(&self, id: PlayerId, rate: f64) -> Result<(), PlayerError>;

    /// Says how many players and how many bytes of memory the device can bear from now on. Players that exist stay;
    /// [`prepare`](Players::prepare) refuses what does not fit.
    fn set_budget(&self, max_players: usize, memory_bytes: u64);

    /// Says how fast the network is, in bits a second, where it is known. Players that buffer by themselves need not care.
    fn set_throughput(&self, bps: Option<u64>) {
        let _ = bps;
    }

    /// Lets a player go; `Released` is its last event.
    ///
    /// # Errors
    /// As [`play`](Players::play).
    fn release(&self, id: PlayerId) -> Result<(), PlayerError>;

    /// A player's facts at this moment; `None` if there is no such player.
    fn snapshot(&self, id: PlayerId) -> Option<PlayerSnapshot>;

    /// Running totals.
    fn counts(&self) -> PoolCounts;

    /// Releases every player and waits until they are gone; true if all stopped within `deadline`.
    fn shutdown(&self, deadline: Duration) -> bool;
}

/// Range of playback rates; beyond it demuxers and decoders drop to key pictures, which is another feature.
pub(crate) fn check_rate(rate: f64) -> Result<(), PlayerError> {
    match (0.25..=4.0).contains(&rate) {
        true => Ok(()),
        false => Err(PlayerError::Invalid { reason: "a rate is between 0.25 and 4".to_owned() }),
    }
}

pub(crate) fn check_volume(volume: f64) -> Result<(), PlayerError> {
    match (0.0..=1.0).contains(&volume) {
        true => Ok(()),
        false => Err(PlayerError::Invalid { reason: "a volume is between 0 and 1".to_owned() }),
    }
}
