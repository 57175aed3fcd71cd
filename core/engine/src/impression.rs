//! One record per viewing, not a click stream.
//!
//! A viewing opens when a card becomes current and closes when it stops being so. Watch time is what was rendered: a
//! pause, a stall and a dark screen are not watch time. The open record is written ahead every [`WRITE_AHEAD`], so an
//! app that is killed still yields the drop-out on its next start. Viewings below a second are kept: a skip is the
//! strongest signal there is.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::{Millis, Time, Wall};

/// How often the open record is written ahead: what a kill may cost of a viewing's length.
pub const WRITE_AHEAD: Millis = Millis(2_000);

/// How a viewing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Swiped on.
    SwipeNext,
    /// Swiped back.
    SwipeBack,
    /// Opened the comments.
    Comments,
    /// Opened the creator's profile.
    Profile,
    /// Left to share it.
    Share,
    /// It came to its end and something else followed by itself.
    End,
    /// A break was shown in its place.
    LoopBreak,
    /// The app went to the background.
    Background,
    /// The app was killed, told on the next start; or a fault of the core ended the feed.
    Killed,
    /// The session was shut down.
    Shutdown,
    /// It could not be played.
    Failed,
}

impl Exit {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Exit::SwipeNext => "swipe_next",
            Exit::SwipeBack => "swipe_back",
            Exit::Comments => "comments",
            Exit::Profile => "profile",
            Exit::Share => "share",
            Exit::End => "end",
            Exit::LoopBreak => "loop_break",
            Exit::Background => "background",
            Exit::Killed => "killed",
            Exit::Shutdown => "shutdown",
            Exit::Failed => "failed",
        }
    }
}

/// Taps kept of one viewing; more are only counted.
pub const MAX_TAPS: usize = 32;

/// What a tap was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tap {
    /// Two taps on the picture.
    Double,
    /// The heart.
    Like,
    /// The comments.
    Comment,
    /// Sharing.
    Share,
    /// Keeping it for later.
    Save,
    /// Following the creator.
    Follow,
    /// The creator.
    Profile,
    /// The sound.
    Sound,
    /// The caption, to read on.
    Caption,
    /// A product.
    Product,
    /// A gift.
    Gift,
    /// "Why this video".
    Why,
    /// Anything else.
    Other,
}

impl Tap {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tap::Double => "double",
            Tap::Like => "like",
            Tap::Comment => "comment",
            Tap::Share => "share",
            Tap::Save => "save",
            Tap::Follow => "follow",
            Tap::Profile => "profile",
            Tap::Sound => "sound",
            Tap::Caption => "caption",
            Tap::Product => "product",
            Tap::Gift => "gift",
            Tap::Why => "why",
            Tap::Other => "other",
        }
    }
}

/// The network a viewing began on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// None.
    Offline,
    /// Paid by the byte.
    Metered,
    /// Not paid by the byte.
    #[default]
    Unmetered,
}

impl Network {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Network::Offline => "offline",
            Network::Metered => "metered",
            Network::Unmetered => "unmetered",
        }
    }
}

/// What the person did with the card on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Viewer {
    /// Tapped something.
    Tapped(Tap),
    /// Moved the playhead.
    Sought,
    /// Silenced it, or gave it sound; holds for the cards after it too.
    Muted(bool),
    /// Plays it at this speed, 1 as recorded; holds for the cards after it too.
    Rate(f64),
    /// Left the card without a swipe; the viewing ends.
    Left(Exit),
    /// Came back to it; another viewing begins.
    Returned,
}

/// How the first frame came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartClass {
    /// The player stood at its first frame before the swipe.
    PreRolled,
    /// Every byte needed was held.
    Cached,
    /// Bytes had to be waited for.
    Cold,
}

impl StartClass {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StartClass::PreRolled => "prerolled",
            StartClass::Cached => "cached",
            StartClass::Cold => "cold",
        }
    }
}

/// One viewing of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impression {
    /// Ordinal of the viewing within its session; with the session it is the viewing's identity.
    pub ordinal: u64,
    /// Which item.
    pub item: String,
    /// Which asset.
    pub asset: String,
    /// Which rendition; empty while none was chosen.
    pub rendition: String,
    /// Position in the feed.
    pub position: u64,
    /// Why it was shown: the name of the feed.
    pub reason: String,
    /// Wall clock at the start.
    pub started: Wall,
    /// Session time at the start.
    pub started_at: Time,
    /// Milliseconds it was the current card.
    pub shown_ms: u64,
    /// Milliseconds of media rendered.
    pub active_ms: u64,
    /// Milliseconds it stood paused.
    pub paused_ms: u64,
    /// Furthest playhead in milliseconds.
    pub progress_ms: u64,
    /// Length of the asset in milliseconds.
    pub duration_ms: u64,
    /// Times it started over.
    pub loops: u32,
    /// Times the playhead was moved.
    #[serde(default)]
    pub seeks: u32,
    /// Whether it was silent at any time.
    #[serde(default)]
    pub muted: bool,
    /// The speed it was played at last, 1 as recorded.
    #[serde(default = "as_recorded")]
    pub rate: f64,
    /// Taps, and milliseconds from the start to each.
    #[serde(default)]
    pub taps: Vec<(Tap, u64)>,
    /// Taps beyond [`MAX_TAPS`].
    #[serde(default)]
    pub taps_missed: u32,
    /// Version of the policy in force, empty where none has one.
    #[serde(default)]
    pub policy: String,
    /// Version of the ranking policy that chose it, empty where none did.
    #[serde(default)]
    pub ranking: String,
    /// The network it began on.
    #[serde(default)]
    pub network: Network,
    /// Milliseconds from the swipe to the first rendered frame.
    pub first_frame_ms: Option<f64>,
    /// How the first frame came about.
    pub start_class: Option<StartClass>,
    /// Number of stalls after the first frame.
    pub stalls: u32,
    /// Milliseconds of them.
    pub stall_ms: u64,
    /// Whether the network was there when it started.
    pub online: bool,
    /// How it ended; `None` while it is open.
    pub exit: Option<Exit>,
}

fn as_recorded() -> f64 {
    1.0
}

/// What the driver is to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Replace the open record.
    Ahead(Impression),
    /// Replace the open record with its final form, in one transaction.
    Close(Impression),
}

#[derive(Debug)]
struct Open {
    record: Impression,
    paused_since: Option<Time>,
    active_before: u64,
    written_at: Time,
}

/// The impression recorder.
#[derive(Debug)]
pub struct Recorder {
    next: u64,
    muted: bool,
    rate: f64,
    policy: String,
    ranking: String,
    open: Option<Open>,
    out: VecDeque<Write>,
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder {
            next: 0,
            muted: false,
            rate: as_recorded(),
            policy: String::new(),
            ranking: String::new(),
            open: None,
            out: VecDeque::new(),
        }
    }
}

/// What is known of a card when it becomes current.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Which item.
    pub item: String,
    /// Which asset.
    pub asset: String,
    /// Which rendition, if chosen.
    pub rendition: String,
    /// Position in the feed.
    pub position: u64,
    /// Name of the feed.
    pub reason: String,
    /// Length of the asset in milliseconds.
    pub duration_ms: u64,
    /// The network.
    pub network: Network,
}

impl Recorder {
    /// A card became current. The caller has closed the one before.
    pub fn handle_shown(&mut self, now: Time, wall: Wall, shown: Shown) {
        self.next += 1;
        let record = Impression {
            ordinal: self.next,
            item: shown.item,
            asset: shown.asset,
            rendition: shown.rendition,
            position: shown.position,
            reason: shown.reason,
            started: wall,
            started_at: now,
            shown_ms: 0,
            active_ms: 0,
            paused_ms: 0,
            progress_ms: 0,
            duration_ms: shown.duration_ms,
            loops: 0,
            first_frame_ms: None,
            start_class: None,
            stalls: 0,
            stall_ms: 0,
            online: shown.network != Network::Offline,
            seeks: 0,
            muted: self.muted,
            rate: self.rate,
            taps: Vec::new(),
            taps_missed: 0,
            policy: self.policy.clone(),
            ranking: self.ranking.clone(),
            network: shown.network,
            exit: None,
        };
        self.out.push_back(Write::Ahead(record.clone()));
        self.open = Some(Open { record, paused_since: None, active_before: 0, written_at: now });
    }

    /// Viewings from now on name these versions: of the app's policy, and of the ranking policy.
    pub fn set_policy(&mut self, version: &str, ranking: &str) {
        version.clone_into(&mut self.policy);
        ranking.clone_into(&mut self.ranking);
    }

    /// The person did something with the card on the screen. [`Viewer::Left`] and [`Viewer::Returned`] are the caller's.
    pub fn handle_viewer(&mut self, now: Time, fact: Viewer) {
        match fact {
            Viewer::Muted(muted) => self.muted = muted,
            Viewer::Rate(rate) if rate.is_finite() && rate > 0.0 => self.rate = rate,
            _ => {}
        }
        let (muted, rate) = (self.muted, self.rate);
        let Some(record) = self.open.as_mut().map(|open| &mut open.record) else { return };
        match fact {
            Viewer::Tapped(tap) if record.taps.len() < MAX_TAPS => {
                record.taps.push((tap, now.since(record.started_at).0));
            }
            Viewer::Tapped(_) => record.taps_missed = record.taps_missed.saturating_add(1),
            Viewer::Sought => record.seeks = record.seeks.saturating_add(1),
            Viewer::Muted(_) => record.muted |= muted,
            Viewer::Rate(_) => record.rate = rate,
            Viewer::Left(_) | Viewer::Returned => {}
        }
    }

    /// The rendition was chosen after the card was shown.
    pub fn handle_rendition(&mut self, rendition: &str) {
        if let Some(open) = self.open.as_mut().filter(|o| o.record.rendition.is_empty()) {
            rendition.clone_into(&mut open.record.rendition);
        }
    }

    /// The first frame was rendered.
    pub fn handle_first_frame(&mut self, class: StartClass, latency_ms: f64) {
        if let Some(open) = self.open.as_mut().filter(|o| o.record.first_frame_ms.is_none()) {
            open.record.first_frame_ms = Some(latency_ms);
            open.record.start_class = Some(class);
        }
    }

    /// The player counted: playhead and rendered milliseconds since it was built. `active_before` of a player that was
    /// parked and plays again is what it had rendered for the earlier viewing.
    pub fn handle_progress(&mut self, now: Time, playhead_ms: u64, active_ms: u64) {
        let Some(open) = self.open.as_mut() else { return };
        open.record.progress_ms = open.record.progress_ms.max(playhead_ms);
        open.record.active_ms = open.record.active_ms.max(active_ms.saturating_sub(open.active_before));
        if now.since(open.written_at) >= WRITE_AHEAD {
            self.write_ahead(now);
        }
    }

    /// The player of this viewing had already rendered this much for an earlier one.
    pub fn handle_resumed(&mut self, active_ms: u64) {
        if let Some(open) = self.open.as_mut() {
            open.active_before = active_ms;
        }
    }

    /// It started over.
    pub fn handle_looped(&mut self) {
        if let Some(open) = self.open.as_mut() {
            open.record.loops = open.record.loops.saturating_add(1);
            open.record.progress_ms = open.record.duration_ms;
        }
    }

    /// A stall ended.
    pub fn handle_stalled(&mut self, ms: u64) {
        if let Some(open) = self.open.as_mut() {
            open.record.stalls = open.record.stalls.saturating_add(1);
            open.record.stall_ms = open.record.stall_ms.saturating_add(ms);
        }
    }

    /// It was paused or let run.
    pub fn handle_paused(&mut self, now: Time, paused: bool) {
        let Some(open) = self.open.as_mut() else { return };
        match (paused, open.paused_since) {
            (true, None) => open.paused_since = Some(now),
            (false, Some(since)) => {
                open.record.paused_ms += now.since(since).0;
                open.paused_since = None;
            }
            _ => {}
        }
    }

    /// The viewing ended.
    pub fn handle_left(&mut self, now: Time, exit: Exit) {
        self.handle_paused(now, false);
        let Some(open) = self.open.take() else { return };
        let mut record = open.record;
        record.shown_ms = now.since(record.started_at).0;
        record.exit = Some(exit);
        self.out.push_back(Write::Close(record));
    }

    /// A deadline named by [`poll_timeout`](Recorder::poll_timeout) came.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.poll_timeout().is_some_and(|at| now >= at) {
            self.write_ahead(now);
        }
    }

    /// When the open record is due to be written ahead.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.open.as_ref().map(|o| o.written_at + WRITE_AHEAD)
    }

    /// What to write next; ask until `None`.
    pub fn poll_output(&mut self) -> Option<Write> {
        self.out.pop_front()
    }

    /// The open record.
    #[must_use]
    pub fn open(&self) -> Option<&Impression> {
        self.open.as_ref().map(|o| &o.record)
    }

    fn write_ahead(&mut self, now: Time) {
        if let Some(open) = self.open.as_mut() {
            open.written_at = now;
            open.record.shown_ms = now.since(open.record.started_at).0;
            self.out.push_back(Write::Ahead(open.record.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(item: &str) -> Shown {
        Shown {
            item: item.into(),
            asset: item.into(),
            rendition: String::new(),
            position: 0,
            reason: "for_you".into(),
            duration_ms: 8_000,
            network: Network::Unmetered,
        }
    }

    fn writes(r: &mut Recorder) -> Vec<Write> {
        std::iter::from_fn(|| r.poll_output()).collect()
    }

    #[test]
    fn pause_and_stall_are_not_watch_time() {
        let mut r = Recorder::default();
        r.handle_shown(Time(0), Wall::default(), shown("a"));
        r.handle_first_frame(StartClass::Cold, 187.0);
        r.handle_progress(Time(1_000), 800, 800);
        r.handle_paused(Time(1_000), true);
        r.handle_paused(Time(4_000), false);
        r.handle_stalled(500);
        r.handle_progress(Time(6_000), 2_300, 2_300);
        r.handle_left(Time(6_100), Exit::SwipeNext);
        let out = writes(&mut r);
        let Some(Write::Close(record)) = out.last() else { panic!("closed") };
        assert_eq!(
            (record.active_ms, record.paused_ms, record.stall_ms, record.shown_ms),
            (2_300, 3_000, 500, 6_100)
        );
        assert_eq!(record.exit, Some(Exit::SwipeNext));
        assert_eq!(r.poll_timeout(), None);
    }

    #[test]
    fn taps_seeks_sound_and_speed_are_written_down_within_bounds() {
        let mut r = Recorder::default();
        r.set_policy("7", "r1");
        r.handle_shown(Time(100), Wall::default(), shown("a"));
        for n in 0..40 {
            r.handle_viewer(Time(200 + n), Viewer::Tapped(Tap::Like));
        }
        r.handle_viewer(Time(300), Viewer::Sought);
        r.handle_viewer(Time(300), Viewer::Muted(true));
        r.handle_viewer(Time(310), Viewer::Muted(false));
        r.handle_viewer(Time(320), Viewer::Rate(f64::NAN));
        r.handle_viewer(Time(330), Viewer::Rate(2.0));
        r.handle_left(Time(400), Exit::Comments);
        r.handle_viewer(Time(410), Viewer::Tapped(Tap::Share));
        r.handle_shown(Time(500), Wall::default(), shown("b"));
        let out = writes(&mut r);
        let closed = out.iter().find_map(|w| match w {
            Write::Close(record) => Some(record),
            Write::Ahead(_) => None,
        });
        let record = closed.unwrap();
        assert_eq!((record.taps.len(), record.taps_missed, record.taps[0]), (32, 8, (Tap::Like, 100)));
        assert_eq!((record.seeks, record.muted, record.rate), (1, true, 2.0));
        assert_eq!((record.exit, record.policy.as_str()), (Some(Exit::Comments), "7"));
        assert_eq!(record.ranking, "r1");
        let next = r.open().unwrap();
        assert_eq!((next.muted, next.rate, next.taps.len()), (false, 2.0, 0), "sound and speed hold");
    }

    #[test]
    fn the_open_record_is_written_ahead_every_two_seconds() {
        let mut r = Recorder::default();
        r.handle_shown(Time(0), Wall::default(), shown("a"));
        let mut now = Time(0);
        let mut count = 0;
        while now < Time(10_000) {
            now = r.poll_timeout().unwrap();
            r.handle_progress(now, now.0, now.0);
            r.handle_timeout(now);
            count += writes(&mut r).iter().filter(|w| matches!(w, Write::Ahead(_))).count();
        }
        assert_eq!(count, 6, "at the start and every two seconds");
    }

    #[test]
    fn a_second_viewing_by_a_parked_player_counts_from_zero() {
        let mut r = Recorder::default();
        r.handle_shown(Time(0), Wall::default(), shown("a"));
        r.handle_resumed(3_000);
        r.handle_progress(Time(500), 3_400, 3_400);
        r.handle_left(Time(600), Exit::SwipeBack);
        let out = writes(&mut r);
        let Some(Write::Close(record)) = out.last() else { panic!("closed") };
        assert_eq!(record.active_ms, 400);
        assert_eq!(record.ordinal, 1);
    }
}
