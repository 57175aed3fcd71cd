//! What happened, pulled by the app in batches, and what is the case, pulled by revision.
//!
//! Nothing is called back: an app asks for everything after the number it has seen, so a cancelled wait loses nothing.
//! The log keeps the newest [`KEPT`] events; an app that falls further behind is told how many it missed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use unspool_engine::StartClass;
use unspool_engine::breaker::Word as LoopWord;
use unspool_engine::planner::LinkState;
use unspool_player::PlayerEvent;

use crate::captions::CaptionTrouble;
use unspool_engine::safety::Decision;
use unspool_engine::wellbeing::Break;

/// Events kept for a reader that is behind: at some ten a second in the fastest swiping, minutes.
pub const KEPT: usize = 2_048;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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
        class: StartClass,
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
        /// Milliseconds.
        ms: u64,
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
        trouble: CaptionTrouble,
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
    /// The safety filter closed a card that was in the feed already: a label came late, the rules changed, or the person
    /// muted something. Its bytes are taken off the device.
    CardClosed {
        /// Its position.
        position: u64,
        /// Its item.
        item: String,
        /// Whether it was on the screen; it stopped playing, and the app says why.
        current: bool,
        /// What the filter says now: hidden, then it is not in the feed any more, or blurred, then it waits to be revealed.
        decision: Decision,
    },
    /// A break began: playing ended, and the card stands in the place of the next video.
    BreakBegan {
        /// Why, what it takes to go on, and when it opens.
        card: Break,
    },
    /// The break is over, and the person goes on.
    BreakOver,
    /// Cards were added to the feed.
    FeedGrew,
    /// The person goes round in circles, or the feed leads them out of it; the app shows it. An offer is answered with
    /// [`answer_loop`](crate::FeedSession::answer_loop).
    Loop {
        /// What is to be shown.
        word: LoopWord,
    },
    /// The backend sends too much of some topics: the rest of what it sent has no room in the feed, and it was asked for
    /// others. With no topics the feed is not thin any more.
    FeedThin {
        /// The topics.
        enough_of: Vec<String>,
    },
    /// The network began or ceased to bring what is asked of it, though the device is online: it went silent, or everything is
    /// answered by refusals as in front of a log-in page. Meanwhile only the card on screen is asked for; the app may
    /// show why it waits.
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
}

impl Event {
    /// What a player's fact that the engine need not know means to the app.
    pub(crate) fn of_player(position: u64, event: PlayerEvent) -> Option<Self> {
        match event {
            PlayerEvent::Rendition { codec, width, height, frame_rate, decoder, .. } => {
                let codec = format!("{codec:?}").to_ascii_lowercase();
                Some(Event::Decoding { position, codec, width, height, frame_rate, decoder })
            }
            PlayerEvent::Dropped { total, .. } => Some(Event::FramesDropped { position, total }),
            PlayerEvent::SurfaceFailed { error, .. } => {
                Some(Event::WindowFailed { position, reason: error.to_string() })
            }
            PlayerEvent::Ended { .. } => Some(Event::Ended { position }),
            _ => None,
        }
    }
}

/// Events after the number asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventBatch {
    /// Number of the last event in `events`; ask with it next time.
    pub last: u64,
    /// Events that were dropped before they were asked for.
    pub missed: u64,
    /// Oldest first.
    pub events: Vec<Event>,
}

#[derive(Debug)]
pub(crate) struct EventLog {
    kept: Mutex<VecDeque<Event>>,
    count: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        EventLog { kept: Mutex::new(VecDeque::new()), count: watch::Sender::new(0) }
    }

    pub(crate) fn push(&self, event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event);
        self.count.send_modify(|n| *n += 1);
    }

    /// Up to `max` events after number `after`, without waiting.
    pub(crate) fn after(&self, after: u64, max: usize) -> EventBatch {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count = *self.count.borrow();
        let first = count - kept.len() as u64;
        let from = after.max(first).min(count);
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        let events: Vec<Event> = kept.iter().skip(skip).take(max).cloned().collect();
        EventBatch { last: from + events.len() as u64, missed: from.saturating_sub(after), events }
    }

    /// Waits until there is an event after number `after`.
    pub(crate) async fn wait(&self, after: u64) {
        // The sender lives as long as `self`, so the only answer is that the count passed.
        let _ = self.count.subscribe().wait_for(|&n| n > after).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_again_loses_nothing_and_falling_behind_is_told() {
        let log = EventLog::new();
        assert_eq!(log.after(0, 10), EventBatch::default());
        for _ in 0..5 {
            log.push(Event::FeedGrew);
        }
        let first = log.after(0, 3);
        assert_eq!((first.last, first.events.len(), first.missed), (3, 3, 0));
        assert_eq!(log.after(0, 3), first, "the same question has the same answer");
        assert_eq!(log.after(first.last, 10).events.len(), 2);
        for _ in 0..KEPT {
            log.push(Event::FeedGrew);
        }
        let late = log.after(3, usize::MAX);
        assert_eq!((late.missed, late.events.len()), (2, KEPT));
        assert_eq!(log.after(u64::MAX, 5).events.len(), 0);
    }
}
