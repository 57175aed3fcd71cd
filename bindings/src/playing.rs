//! What an app does with what plays: sound, speed and place, windows, captions, and what the system says.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::feed::Feed;
use crate::session::Unspool;

/// What the system says about the loudspeaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SoundFocus {
    /// It is the app's.
    Gained,
    /// Another app speaks for a moment and suffers quiet sound beside it.
    Duck,
    /// Another app or a call has it for a while.
    LostForNow,
    /// Another app has it and keeps it.
    Lost,
    /// The headphones are gone: the next sound would be heard by everybody.
    BecomingNoisy,
}

/// What the system says about memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MemoryPressure {
    /// There is enough.
    Normal,
    /// It gets scarce.
    Low,
    /// The process is about to be killed.
    Critical,
}

/// What has become of the captions of a card. Never a failure of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum CaptionStatus {
    /// No language is wished for, or the card has no captions in one.
    None,
    /// Their file is on its way, or waits for its turn.
    Loading,
    /// They are there.
    Ready,
    /// Their file could not be had; it is asked for again when the network comes back.
    Unavailable,
    /// The server refuses their file.
    Refused,
    /// Their file is larger than 1 MiB.
    TooLarge,
    /// Their file is neither WebVTT nor SubRip.
    NotCaptions,
}

/// One caption.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Cue {
    /// Media time at which it appears, in milliseconds.
    pub start_ms: u64,
    /// Media time at which it goes, in milliseconds.
    pub end_ms: u64,
    /// Its text: lines parted by a newline, without markup; at most 4 KiB.
    pub text: String,
    /// Who speaks, where the file says.
    pub voice: Option<String>,
}

/// Captions a card offers.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CaptionTrack {
    /// Language as a BCP 47 tag.
    pub language: String,
    /// Name to show.
    pub label: String,
}

/// What is on show of the captions of the current card.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CaptionView {
    /// What has become of them.
    pub status: CaptionStatus,
    /// Language of the track, where one is chosen.
    pub language: Option<String>,
    /// What is to be shown now, in the order of appearance.
    pub cues: Vec<Cue>,
}

/// The captions of one card.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CardCaptions {
    /// What the card offers.
    pub tracks: Vec<CaptionTrack>,
    /// Place in `tracks` of the one that is shown.
    pub chosen: Option<u32>,
    /// What has become of it.
    pub status: CaptionStatus,
    /// All its captions by the time at which they appear, once it is there; at most 10,000.
    pub cues: Vec<Cue>,
}

#[uniffi::export]
impl Feed {
    /// Moves the playhead of the current card to `position_ms` itself; `seek` is quicker and lands on a key frame. Returns at
    /// once.
    pub fn seek_exact(&self, position_ms: u64) -> Result<(), UnspoolError> {
        Ok(self.core.seek_with(position_ms, unspool::SeekMode::Accurate)?)
    }

    /// Sets the volume of this card and of those after it, from 0 to 1. Returns at once.
    pub fn set_volume(&self, volume: f64) -> Result<(), UnspoolError> {
        Ok(self.core.set_volume(volume)?)
    }

    /// Sets the speed of this card and of those after it, from 0.25 to 4 times. Returns at once.
    pub fn set_rate(&self, rate: f64) -> Result<(), UnspoolError> {
        Ok(self.core.set_rate(rate)?)
    }

    /// Gives the card at `position` a window of its own, replaces it, or takes it away, for pagers in which each card has its
    /// view; a pre-rolled card shows its first picture there at once. At most 64 cards. Owned and waited for as the window of
    /// `Unspool.setWindow`.
    pub fn set_card_window(&self, position: u64, window: Option<u64>) -> Result<(), UnspoolError> {
        Ok(self.core.set_card_window(position, window)?)
    }

    /// The captions of the card at `position`: what it offers, what is chosen, all its cues once they are here. Absent where
    /// there is no such card. What is on show at this moment stands in the snapshot.
    #[uniffi::method(default(cancel = None))]
    pub async fn captions(
        &self,
        position: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<CardCaptions>, UnspoolError> {
        let captions = unless_cancelled(cancel, self.core.captions(position)).await?;
        Ok(captions.map(CardCaptions::from))
    }
}

#[uniffi::export]
impl Unspool {
    /// Gives the window that cards are shown in, replaces it, or takes it away, at any time; for a session that was opened
    /// with `surfaces` or a window. `window` is the platform's handle as a number: an `ANativeWindow*`, a `UIView*`, an X11
    /// window. Without one the current card stands still.
    ///
    /// The app owns the window and lends it: it must exist until a call that takes it away or replaces it has returned, and
    /// may be destroyed then, because nothing draws into it any more. So this call waits, a few milliseconds as a rule and at
    /// most half a second for each player that draws; call it from where the platform says that the window goes. When it
    /// fails with `Internal` the window must stay, and the call be repeated.
    pub fn set_window(&self, window: Option<u64>) -> Result<(), UnspoolError> {
        Ok(self.core.set_window(window)?)
    }

    /// Tells the session what the system says about the loudspeaker; cards are ducked, paused and let go on. Returns at once.
    pub fn set_sound_focus(&self, focus: SoundFocus) {
        self.core.set_sound_focus(focus.into());
    }

    /// Says how many players, hence decoders, and how many bytes of memory for them the device can bear from now on. Returns
    /// at once.
    pub fn set_player_budget(&self, players: u32, memory_bytes: u64) -> Result<(), UnspoolError> {
        Ok(self.core.set_player_budget(usize::try_from(players).unwrap_or(usize::MAX), memory_bytes)?)
    }

    /// Tells the session what the system says about memory; players that nobody looks at are let go of. Returns at once.
    pub fn set_memory_pressure(&self, pressure: MemoryPressure) {
        self.core.set_memory_pressure(pressure.into());
    }

    /// Says in which languages the person wants captions, best first, as BCP 47 tags, `*` for any; an empty list turns them
    /// off. Returns at once.
    pub fn set_captions(&self, languages: Vec<String>) -> Result<(), UnspoolError> {
        Ok(self.core.set_captions(languages)?)
    }
}

impl From<SoundFocus> for unspool::SoundFocus {
    fn from(focus: SoundFocus) -> Self {
        match focus {
            SoundFocus::Gained => unspool::SoundFocus::Gained,
            SoundFocus::Duck => unspool::SoundFocus::Duck,
            SoundFocus::LostForNow => unspool::SoundFocus::LostForNow,
            SoundFocus::Lost => unspool::SoundFocus::Lost,
            SoundFocus::BecomingNoisy => unspool::SoundFocus::BecomingNoisy,
        }
    }
}

impl From<MemoryPressure> for unspool::MemoryPressure {
    fn from(pressure: MemoryPressure) -> Self {
        match pressure {
            MemoryPressure::Normal => unspool::MemoryPressure::Normal,
            MemoryPressure::Low => unspool::MemoryPressure::Low,
            MemoryPressure::Critical => unspool::MemoryPressure::Critical,
        }
    }
}

impl From<unspool::CaptionTrouble> for CaptionStatus {
    fn from(trouble: unspool::CaptionTrouble) -> Self {
        match trouble {
            unspool::CaptionTrouble::Unavailable => CaptionStatus::Unavailable,
            unspool::CaptionTrouble::Refused => CaptionStatus::Refused,
            unspool::CaptionTrouble::TooLarge => CaptionStatus::TooLarge,
            unspool::CaptionTrouble::NotCaptions => CaptionStatus::NotCaptions,
        }
    }
}

impl From<unspool::CaptionStatus> for CaptionStatus {
    fn from(status: unspool::CaptionStatus) -> Self {
        match status {
            unspool::CaptionStatus::None => CaptionStatus::None,
            unspool::CaptionStatus::Loading => CaptionStatus::Loading,
            unspool::CaptionStatus::Ready => CaptionStatus::Ready,
            unspool::CaptionStatus::Failed(trouble) => trouble.into(),
        }
    }
}

impl From<unspool::Cue> for Cue {
    fn from(cue: unspool::Cue) -> Self {
        let unspool::Cue { start_ms, end_ms, text, voice } = cue;
        Cue { start_ms, end_ms, text, voice }
    }
}

impl From<unspool::CaptionView> for CaptionView {
    fn from(view: unspool::CaptionView) -> Self {
        let unspool::CaptionView { status, language, cues } = view;
        CaptionView { status: status.into(), language, cues: cues.into_iter().map(Cue::from).collect() }
    }
}

impl From<unspool::CardCaptions> for CardCaptions {
    fn from(captions: unspool::CardCaptions) -> Self {
        let unspool::CardCaptions { tracks, chosen, status, cues } = captions;
        let track = |t: unspool::CaptionTrack| CaptionTrack { language: t.language, label: t.label };
        CardCaptions {
            tracks: tracks.into_iter().map(track).collect(),
            chosen: chosen.and_then(|place| u32::try_from(place).ok()),
            status: status.into(),
            cues: cues.into_iter().map(Cue::from).collect(),
        }
    }
}
