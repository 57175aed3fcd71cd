//! The simulator: one session, one policy, one person, one network.
//!
//! Time runs for everything: the network's clock goes on during sleeps and round trips, and the head of the queue plays
//! while an action takes its time. A chunk can be played when its download has ended. When a video was watched as
//! long as this person watches it, the next one becomes the head in that instant. What was fetched of a video and never
//! shown is waste, and so is a chunk in flight when its video is swiped away.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::network::Trace;
use crate::policy::{Action, ActionError, MAX_SLEEP_MS, Observation, Policy, Queued};
use crate::score::{Score, Scorer};
use crate::session::Session;

/// Slept when an action is refused, so that time goes on.
const REFUSED_SLEEP_MS: f64 = 100.0;
/// Actions after which a session is given up: an hour of 10 ms sleeps.
const MAX_ACTIONS: u64 = 360_000;
/// Below this a remainder of milliseconds is rounding.
const EPSILON_MS: f64 = 1e-6;

/// What no planner may know: how long the person stays with each video, and the network.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    /// Milliseconds each video is watched; 0 passes it by, its length watches it to the end.
    pub watch_ms: &'a [f64],
    /// The network.
    pub trace: &'a Trace,
    /// Where in the trace the session begins, milliseconds.
    pub start_ms: f64,
}

/// One thing that happened, for a time-line.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A download.
    Fetched {
        /// When it was asked for, milliseconds of the session.
        from_ms: f64,
        /// When it ended.
        to_ms: f64,
        /// Place of the video in the feed.
        video: usize,
        /// Which chunk.
        chunk: usize,
        /// Which rendition.
        rendition: u8,
        /// How many bytes.
        bytes: u64,
        /// Whether its video was gone when it ended.
        late: bool,
    },
    /// Pictures of a video.
    Played {
        /// From when.
        from_ms: f64,
        /// Until when.
        to_ms: f64,
        /// Place in the feed.
        video: usize,
    },
    /// No pictures of a video.
    Stalled {
        /// From when.
        from_ms: f64,
        /// Until when.
        to_ms: f64,
        /// Place in the feed.
        video: usize,
    },
}

/// How a session went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The figures.
    pub score: Score,
    /// Decisions asked for.
    pub decisions: u64,
    /// Actions that were refused.
    pub refused: u64,
    /// The first of them.
    pub first_refusal: Option<ActionError>,
    /// Time the policy took, on this machine's clock.
    pub thinking: Duration,
    /// What happened, where a log was asked for.
    pub events: Vec<Event>,
}

/// Plays a session to its end.
///
/// Never fails: an illegal action is counted, reported in the outcome, and 100 ms pass instead.
pub fn play(session: &Session, truth: Truth<'_>, policy: &mut dyn Policy, log: bool) -> Outcome {
    Player::new(session, truth, log).run(policy)
}

struct Player<'a> {
    session: &'a Session,
    truth: Truth<'a>,
    /// Milliseconds of the session.
    now: f64,
    /// Place of the playing video.
    head: usize,
    /// Milliseconds of it that were played.
    played: f64,
    /// Renditions of what is held of each video.
    held: Vec<Vec<u8>>,
    scorer: Scorer,
    events: Option<Vec<Event>>,
}

impl<'a> Player<'a> {
    fn new(session: &'a Session, truth: Truth<'a>, log: bool) -> Self {
        let mut player = Player {
            session,
            truth,
            now: 0.0,
            head: 0,
            played: 0.0,
            held: vec![Vec::new(); session.videos.len()],
            scorer: Scorer::default(),
            events: log.then(Vec::new),
        };
        player.swipe_while_done();
        player
    }

    fn run(mut self, policy: &mut dyn Policy) -> Outcome {
        let mut observation = Observation { first: true, ..Observation::default() };
        let (mut decisions, mut refused, mut first_refusal) = (0, 0, None);
        let started = thread_time();
        policy.reset(self.session);
        let mut thinking = thread_time().saturating_sub(started);
        while self.head < self.session.videos.len() && decisions < MAX_ACTIONS {
            self.observe(&mut observation);
            let started = thread_time();
            let action = policy.decide(&observation);
            thinking += thread_time().saturating_sub(started);
            decisions += 1;
            let (delay, bytes) = match self.check(action) {
                Ok(Checked::Sleep(ms)) => (ms, None),
                Ok(Checked::Download { video, rendition }) => {
                    let chunk = self.held[video].len();
                    let bytes = self.session.videos[video].sizes[usize::from(rendition)][chunk];
                    let rtt = self.session.rtt_ms;
                    let body =
                        self.truth.trace.transfer_ms(self.truth.start_ms + self.now + rtt, f64::from(bytes));
                    (rtt + body, Some((video, rendition, chunk, bytes)))
                }
                Err(e) => {
                    refused += 1;
                    first_refusal = first_refusal.or(Some(e));
                    (REFUSED_SLEEP_MS, None)
                }
            };
            let from_ms = self.now;
            let stalled = self.advance(delay);
            observation.delay_ms = delay;
            observation.rebuffer_ms = stalled;
            observation.first = false;
            observation.bytes = 0;
            if let Some((video, rendition, chunk, bytes)) = bytes {
                observation.bytes = u64::from(bytes);
                self.scorer.fetched(u64::from(bytes));
                self.held[video].push(rendition);
                if let Some(events) = &mut self.events {
                    let late = video < self.head;
                    let bytes = u64::from(bytes);
                    events.push(Event::Fetched {
                        from_ms,
                        to_ms: from_ms + delay,
                        video,
                        chunk,
                        rendition,
                        bytes,
                        late,
                    });
                }
            }
        }
        Outcome {
            score: self.scorer.finish(self.now),
            decisions,
            refused,
            first_refusal,
            thinking,
            events: self.events.unwrap_or_default(),
        }
    }

    fn observe(&self, observation: &mut Observation) {
        let queue = self.head..(self.head + self.session.queue).min(self.session.videos.len());
        observation.playing = self.session.videos[self.head].id;
        observation.queue.resize_with(queue.len(), Queued::default);
        for (slot, index) in observation.queue.iter_mut().zip(queue) {
            let video = &self.session.videos[index];
            slot.video = video.id;
            slot.chunks.clone_from(&self.held[index]);
            slot.played_ms = if index == self.head { self.played } else { 0.0 };
            slot.buffer_ms = video.media_ms(self.held[index].len()) - slot.played_ms;
        }
    }

    fn check(&self, action: Action) -> Result<Checked, ActionError> {
        match action {
            Action::Sleep { ms } if (1..=MAX_SLEEP_MS).contains(&ms) => Ok(Checked::Sleep(f64::from(ms))),
            Action::Sleep { ms } => Err(ActionError::Sleep(ms)),
            Action::Download { video: id, rendition } => {
                let index = self.session.index_of(id).ok_or(ActionError::NotQueued(id))?;
                if !(self.head..self.head + self.session.queue).contains(&index) {
                    return Err(ActionError::NotQueued(id));
                }
                let video = &self.session.videos[index];
                if usize::from(rendition) >= video.kbps.len() {
                    return Err(ActionError::Rendition(id, rendition));
                }
                if self.held[index].len() >= video.chunks() {
                    return Err(ActionError::Complete(id));
                }
                Ok(Checked::Download { video: index, rendition })
            }
        }
    }

    fn watch(&self, index: usize) -> f64 {
        let length = f64::from(self.session.videos[index].duration_ms);
        self.truth.watch_ms.get(index).copied().unwrap_or(length).clamp(0.0, length)
    }

    /// Lets `delay` milliseconds pass and answers how many of them nothing played.
    fn advance(&mut self, delay: f64) -> f64 {
        let end = self.now + delay;
        let mut stalled = 0.0;
        while self.now < end && self.head < self.session.videos.len() {
            let left = end - self.now;
            let buffer = self.session.videos[self.head].media_ms(self.held[self.head].len()) - self.played;
            let plays = buffer.min(self.watch(self.head) - self.played).min(left);
            if plays > EPSILON_MS {
                self.played += plays;
                self.note(plays, true);
            } else if self.watch(self.head) - self.played > EPSILON_MS {
                stalled += left;
                self.scorer.stalled(left, self.played <= EPSILON_MS);
                self.note(left, false);
            }
            self.swipe_while_done();
        }
        if self.head < self.session.videos.len() {
            self.now = end;
        }
        stalled
    }

    fn note(&mut self, ms: f64, playing: bool) {
        let (from_ms, to_ms, video) = (self.now, self.now + ms, self.head);
        self.now = to_ms;
        let Some(events) = &mut self.events else { return };
        match (events.last_mut(), playing) {
            (Some(Event::Played { to_ms: end, video: v, .. }), true)
            | (Some(Event::Stalled { to_ms: end, video: v, .. }), false)
                if *v == video && (*end - from_ms).abs() < EPSILON_MS =>
            {
                *end = to_ms;
            }
            (_, true) => events.push(Event::Played { from_ms, to_ms, video }),
            (_, false) => events.push(Event::Stalled { from_ms, to_ms, video }),
        }
    }

    fn swipe_while_done(&mut self) {
        while self.head < self.session.videos.len() && self.watch(self.head) - self.played <= EPSILON_MS {
            let video = &self.session.videos[self.head];
            self.scorer.swiped(video, &self.held[self.head], self.watch(self.head));
            self.head += 1;
            self.played = 0.0;
        }
    }
}

enum Checked {
    Sleep(f64),
    Download { video: usize, rendition: u8 },
}
/// How long this thread has run; what else the machine does is no thinking of a policy.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}
