//! Captions as an app gets them, and how a file of them is fetched and read.

use std::sync::Arc;
use std::time::Duration;

use unspool_engine::{CaptionTrack, MediaKey};
use unspool_media::Media;
use unspool_player::captions::{CaptionError, Captions, Cue, LARGEST_FILE};

/// Longest wait for one piece of a file that was fetched already.
const READ: Duration = Duration::from_secs(5);

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

/// Reads a file that was fetched. Blocks for the disk. What holds no captions is forgotten, so that the answer of a captive
/// portal is not kept for good.
pub(crate) fn read(media: &Arc<Media>, key: &MediaKey) -> Result<Captions, CaptionTrouble> {
    let held = media.held(key);
    let size = held.first().filter(|span| span.start == 0).map_or(0, |span| span.end);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let forget = || {
        if let Err(error) = media.forget(key) {
            tracing::debug!(%error, "a useless file of captions stays until it is evicted");
        }
    };
    if size > LARGEST_FILE {
        forget();
        return Err(CaptionTrouble::TooLarge);
    }
    let source = media.source_of(key, size as u64);
    let mut bytes = vec![0; size];
    let mut at = 0;
    while at < size {
        match source.read_at(at as u64, &mut bytes[at..], READ) {
            Ok(read) if read > 0 => at += read,
            _ => return Err(CaptionTrouble::Unavailable),
        }
    }
    Captions::parse(&bytes).map(|(captions, _)| captions).map_err(|error| {
        forget();
        match error {
            CaptionError::TooLarge { .. } => CaptionTrouble::TooLarge,
            CaptionError::NotCaptions => CaptionTrouble::NotCaptions,
        }
    })
}
