//! What happened, as data.

use crate::learning::LoopWord;
use crate::playing::CaptionStatus;
use crate::safety::CardSafety;
use crate::wellbeing::BreakCard;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Event {
    /// A card became current.
    Current {
        /// Its position.
        position: u64,
        /// Its item.
        item: String,
    },
    /// The current card rendered its first frame.
    FirstFrame {
        /// Its position.
        position: u64,
        /// Its item.
        item: String,
        /// How it came about.
        start_class: StartClass,
        /// Milliseconds from the swipe to the rendered frame.
        latency_ms: f64,
        /// Width of the decoded picture in pixels.
        width: u32,
        /// Height of the decoded picture in pixels.
        height: u32,
        /// Mean brightness of the picture, 0 to 255, where the session describes first frames.
        luma: Option<f64>,
    },
    /// A card shows pictures again without a swipe: its player was replaced, or the app came back.
    Resumed {
        /// Its position.
        position: u64,
    },
    /// Playback of a card stood still and goes on.
    Stalled {
        /// Its position.
        position: u64,
        /// Milliseconds it stood.
        stall_ms: u64,
    },
    /// A card started over.
    Looped {
        /// Its position.
        position: u64,
    },
    /// A card came to its end; only where clips do not start over.
    Ended {
        /// Its position.
        position: u64,
    },
    /// What is being decoded for a card became known, or changed in the middle.
    Decoding {
        /// Its position.
        position: u64,
        /// Coding of the pictures, such as `h264`.
        codec: String,
        /// Width of the pictures in pixels.
        width: u32,
        /// Height of the pictures in pixels.
        height: u32,
        /// Pictures a second as the media states them; 0 where it does not.
        frame_rate: f64,
        /// Name of the decoder.
        decoder: String,
    },
    /// Pictures of a card were too late to be shown.
    FramesDropped {
        /// Its position.
        position: u64,
        /// Pictures dropped since its player was made.
        total: u64,
    },
    /// The window of a card could not be drawn into and is given up; give it another one.
    WindowFailed {
        /// Its position.
        position: u64,
        /// Why.
        reason: String,
    },
    /// The captions of a card are there.
    CaptionsReady {
        /// Its position.
        position: u64,
        /// Their language.
        language: String,
    },
    /// The captions of a card cannot be shown; the card plays.
    CaptionsFailed {
        /// Its position.
        position: u64,
        /// Their language.
        language: String,
        /// Why.
        status: CaptionStatus,
    },
    /// A card cannot be played.
    CardFailed {
        /// Its position.
        position: u64,
        /// Its item.
        item: String,
        /// Why, without personal data.
        reason: String,
    },
    /// Cards were added to the feed.
    FeedGrew,
    /// The safety filter closed a card that was in the feed already: a label came late, the rules changed, or the person
    /// muted something. Its bytes are taken off the device.
    CardClosed {
        /// Its position.
        position: u64,
        /// Its item.
        item: String,
        /// Whether it was on the screen; it stopped playing, and the app says why.
        current: bool,
        /// What the filter says now: hidden, then it is not in the feed any more, or covered.
        safety: CardSafety,
    },
    /// The person goes round in circles, or the feed leads them out of it; the app shows it. An offer is answered with
    /// `answerLoop`.
    Loop {
        /// What is to be shown.
        word: LoopWord,
    },
    /// A break began: its card stands in the place of a video.
    BreakBegan {
        /// The card.
        card: BreakCard,
    },
    /// The break is over; the card on the screen plays, or the next one.
    BreakOver,
    /// The backend sends too much of some topics: the rest of what it sent has no room in the feed, and it was asked for
    /// others. With no topics the feed is not thin any more.
    FeedThin {
        /// The topics.
        enough_of: Vec<String>,
    },
    /// The network began or ceased to bring what is asked of it, though the device is online. Meanwhile only the card on screen
    /// is asked for; the app may show why it waits.
    Link {
        /// What it does now.
        state: LinkState,
    },
    /// A page of the feed could not be had.
    PageFailed {
        /// Whether it will be asked for again.
        retryable: bool,
        /// Why, without personal data.
        reason: String,
    },
    /// Players cannot be had on this device; nothing plays in this session.
    PlayersFailed {
        /// Why.
        reason: String,
    },
    /// A fault of the core ended this feed; report it and open the feed again.
    CoreFailed {
        /// What happened, without personal data.
        reason: String,
    },
    /// Something that must be kept could not be written.
    StorageFailed {
        /// What failed.
        reason: String,
    },
    /// Something newer than this binding; its description is for a log.
    Other {
        /// What it is.
        description: String,
    },
}

/// What the network does with what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LinkState {
    /// It brings it, or nothing was asked.
    Fine,
    /// Nothing arrives, for much longer than it should take.
    Stalled,
    /// Everything is answered by a refusal or by somebody else, as in front of the log-in page of a captive portal: offer the
    /// person to log in. The feed goes on by itself when that is done.
    Captive,
}

/// How a first frame came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum StartClass {
    /// The player stood at its first frame before the swipe.
    PreRolled,
    /// Every byte needed was held.
    Cached,
    /// Bytes had to be waited for.
    Cold,
}

/// Events after the number asked for.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct EventBatch {
    /// Number of the last event in `events`; ask with it next time.
    pub last: u64,
    /// Events that were dropped before they were asked for: the newest 2,048 are kept.
    pub missed: u64,
    /// Oldest first.
    pub events: Vec<Event>,
}

impl From<unspool::EventBatch> for EventBatch {
    fn from(batch: unspool::EventBatch) -> Self {
        let unspool::EventBatch { last, missed, events } = batch;
        EventBatch { last, missed, events: events.into_iter().map(Event::from).collect() }
    }
}

impl From<unspool::LinkState> for LinkState {
    fn from(state: unspool::LinkState) -> Self {
        match state {
            unspool::LinkState::Fine => LinkState::Fine,
            unspool::LinkState::Stalled => LinkState::Stalled,
            unspool::LinkState::Captive => LinkState::Captive,
        }
    }
}

impl From<unspool::StartClass> for StartClass {
    fn from(class: unspool::StartClass) -> Self {
        match class {
            unspool::StartClass::PreRolled => StartClass::PreRolled,
            unspool::StartClass::Cached => StartClass::Cached,
            unspool::StartClass::Cold => StartClass::Cold,
        }
    }
}

impl From<unspool::Event> for Event {
    fn from(event: unspool::Event) -> Self {
        use unspool::Event as Core;
        match event {
            Core::Current { position, item } => Event::Current { position, item },
            Core::FirstFrame { position, item, class, latency_ms, width, height, luma } => {
                Event::FirstFrame {
                    position,
                    item,
                    start_class: class.into(),
                    latency_ms,
                    width,
                    height,
                    luma,
                }
            }
            Core::Resumed { position } => Event::Resumed { position },
            Core::Stalled { position, ms } => Event::Stalled { position, stall_ms: ms },
            Core::Looped { position } => Event::Looped { position },
            Core::Ended { position } => Event::Ended { position },
            Core::Decoding { position, codec, width, height, frame_rate, decoder } => {
                Event::Decoding { position, codec, width, height, frame_rate, decoder }
            }
            Core::FramesDropped { position, total } => Event::FramesDropped { position, total },
            Core::WindowFailed { position, reason } => Event::WindowFailed { position, reason },
            Core::CaptionsReady { position, language } => Event::CaptionsReady { position, language },
            Core::CaptionsFailed { position, language, trouble } => {
                Event::CaptionsFailed { position, language, status: trouble.into() }
            }
            Core::CardFailed { position, item, reason } => Event::CardFailed { position, item, reason },
            Core::CardClosed { position, item, current, decision } => {
                Event::CardClosed { position, item, current, safety: CardSafety::new(decision, true) }
            }
            Core::FeedGrew => Event::FeedGrew,
            Core::Loop { word } => Event::Loop { word: word.into() },
            Core::BreakBegan { card } => Event::BreakBegan { card: card.into() },
            Core::BreakOver => Event::BreakOver,
            Core::FeedThin { enough_of } => Event::FeedThin { enough_of },
            Core::Link { state } => Event::Link { state: state.into() },
            Core::PageFailed { retryable, reason } => Event::PageFailed { retryable, reason },
            Core::PlayersFailed { reason } => Event::PlayersFailed { reason },
            Core::CoreFailed { reason } => Event::CoreFailed { reason },
            Core::StorageFailed { reason } => Event::StorageFailed { reason },
            other => Event::Other { description: format!("{other:?}") },
        }
    }
}
