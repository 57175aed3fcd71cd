//! Captions as an app gets them, and how a file of them is fetched and read.

use std::sync::Arc;

use unspool_engine::{CaptionTrack, MediaKey};
use unspool_media::Media;
use unspool_player::captions::{CaptionError, Captions, Cue, LARGEST_FILE};

use crate::beside::{self, Unread};

/// What has become of the captions of a card. Never a failure of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaptionStatus {
    /// No language is wished for, or the card has no captions in one.
    #[default]
    None,
    /// Their file is on its way, or waits for its turn.
    Loading,
    /// They are there.
    Ready,
    /// They cannot be shown.
    Failed(CaptionTrouble),
}

/// Why captions cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaptionTrouble {
    /// Their file could not be had; it is asked for again when the network comes back.
    #[error("the file of captions could not be had")]
    Unavailable,
    /// The server refuses their file.
    #[error("the file of captions is refused")]
    Refused,
    /// Their file is larger than a file of captions may be, 1 MiB.
    #[error("the file of captions is too large")]
    TooLarge,
    /// Their file is neither `WebVTT` nor `SubRip`.
    #[error("the file holds no captions")]
    NotCaptions,
}

/// The captions of one card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardCaptions {
    /// What the card offers.
    pub tracks: Vec<CaptionTrack>,
    /// Place in `tracks` of the one that is shown.
    pub chosen: Option<usize>,
    /// What has become of it.
    pub status: CaptionStatus,
    /// All its captions by the time at which they appear, once it is there; at most 10,000.
    pub cues: Vec<Cue>,
}

/// What is on show of the captions of the current card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptionView {
    /// What has become of them.
    pub status: CaptionStatus,
    /// Language of the track, where one is chosen.
    pub language: Option<String>,
    /// What is to be shown now, in the order of appearance.
    pub cues: Vec<Cue>,
}

/// Reads a file that was fetched. Blocks for the disk. What holds no captions is forgotten.
pub(crate) fn read(media: &Arc<Media>, key: &MediaKey) -> Result<Captions, CaptionTrouble> {
    let bytes = beside::read(media, key, LARGEST_FILE).map_err(|unread| match unread {
        Unread::TooLarge => CaptionTrouble::TooLarge,
        Unread::Unavailable => CaptionTrouble::Unavailable,
    })?;
    Captions::parse(&bytes).map(|(captions, _)| captions).map_err(|error| {
        beside::forget(media, key);
        match error {
            CaptionError::TooLarge { .. } => CaptionTrouble::TooLarge,
            CaptionError::NotCaptions => CaptionTrouble::NotCaptions,
        }
    })
}
