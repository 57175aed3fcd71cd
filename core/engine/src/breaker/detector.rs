//! The detector: is somebody choosing, or going round in circles?
//!
//! Five signs are looked for: one topic leads, its share rises, viewings get shorter, it is late, the session is long. The
//! first has to be among them: a late hour alone is nobody's business. With enough of them the state is narrowing, with more
//! it is stuck. Stuck acts in two steps, each with a word for the app to show: another topic next, then an offer. The policy's
//! patience lies between two words, so that nobody is nagged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use super::plain;
use crate::ranking::DetectorLimits;

/// Viewings at the end over which dwell is averaged.
const RECENT: usize = 10;
/// Viewings before those that are needed for a comparison.
const EARLIER: u64 = 20;
/// Longest history: two windows of the longest policy.
const MOST: usize = 400;

/// When a viewing ended, as far as loops are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Minute of the local day, 0 to 1,439.
    pub local_min: u32,
    /// Milliseconds since the session began.
    pub session_ms: u64,
}

/// Something that points to a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// One topic leads.
    Concentrated,
    /// Its share rises.
    Rising,
    /// Viewings get shorter.
    Shrinking,
    /// It is late.
    Late,
    /// The session is long.
    Long,
}

/// How the session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopState {
    /// Nothing to say.
    #[default]
    Normal,
    /// One topic is taking over.
    Narrowing,
    /// Several signs at once.
    Stuck,
}

/// A way out of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Take a break.
    TakeBreak,
    /// Forget what was learnt about the topic.
    ResetTopic,
    /// Go on as it is.
    KeepGoing,
}

/// What the person answered.
pub type Answer = Choice;

/// Something the app shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The feed is narrowing towards this topic.
    Narrowing {
        /// The topic.
        topic: String,
    },
    /// The next card leads away from this topic, and this is why.
    AnotherTopic {
        /// The topic.
        away_from: String,
    },
    /// A way out.
    Offer {
        /// The topic.
        topic: String,
        /// What can be chosen.
        choices: [Choice; 3],
    },
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoopReport {
    /// State.
    pub state: LoopState,
    /// Signs that are there.
    pub signs: Vec<Sign>,
    /// The leading topic of the window; of equals the first by name.
    pub top_topic: Option<String>,
    /// Its share of the window's cards.
    pub share: f64,
    /// Viewings since the state was entered.
    pub since: u64,
}

#[derive(Debug, Clone)]
struct Seen {
    topics: BTreeSet<String>,
    dwell: f64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Idle,
    /// Another topic was announced and has not come yet; viewings since.
    LeadingAway {
        topic: String,
        waited: u32,
    },
    /// The offer stands.
    Offered {
        topic: String,
    },
}

/// The detector of one session.
#[derive(Debug, Clone)]
pub struct Detector {
    limits: DetectorLimits,
    seen: VecDeque<Seen>,
    /// Dwells that are older than the recent ones: sum and number.
    earlier: (f64, u64),
    signs: Vec<Sign>,
    leading: Option<(String, f64)>,
    state: LoopState,
    since: u64,
    /// Viewings for which no further word is said.
    quiet: u32,
    step: Step,
}

impl Detector {
    /// At the beginning of a session.
    #[must_use]
    pub fn new(limits: DetectorLimits) -> Self {
        Detector {
            limits,
            seen: VecDeque::new(),
            earlier: (0.0, 0),
            signs: Vec::new(),
            leading: None,
            state: LoopState::Normal,
            since: 0,
            quiet: 0,
            step: Step::Idle,
        }
    }

    /// A viewing has ended. `dwell` is the share of a long view that was watched, 0 to 1. Returns what the app shows now.
    pub fn handle_viewing(&mut self, topics: &[String], dwell: f64, moment: Moment) -> Option<Word> {
        let topics: BTreeSet<String> =
            topics.iter().map(|t| plain(t).into_owned()).filter(|t| !t.is_empty()).collect();
        let dwell = if dwell.is_finite() { dwell.clamp(0.0, 1.0) } else { 0.0 };
        if let Some(leaving) = self.seen.len().checked_sub(RECENT).and_then(|i| self.seen.get(i)) {
            self.earlier = (self.earlier.0 + leaving.dwell, self.earlier.1 + 1);
        }
        self.seen.push_back(Seen { topics, dwell });
        let keep = (2 * self.limits.window as usize).clamp(RECENT + 1, MOST);
        while self.seen.len() > keep {
            self.seen.pop_front();
        }
        self.look(moment);
        self.quiet = self.quiet.saturating_sub(1);
        self.speak()
    }

    /// Topics the next card shall lead away from; to be handed to [`super::arrange`].
    #[must_use]
    pub fn avoid(&self) -> Vec<String> {
        match &self.step {
            Step::LeadingAway { topic, .. } => vec![topic.clone()],
            Step::Idle | Step::Offered { .. } => Vec::new(),
        }
    }

    /// The person answered the offer. What a break or a forgotten topic means is done by others.
    pub fn handle_answer(&mut self, answer: Answer) {
        if let Step::Offered { topic } = std::mem::replace(&mut self.step, Step::Idle) {
            self.quiet = self.limits.patience;
            if answer == Choice::ResetTopic {
                for seen in &mut self.seen {
                    seen.topics.remove(&topic);
                }
            }
        }
    }

    /// How things stand.
    #[must_use]
    pub fn report(&self) -> LoopReport {
        LoopReport {
            state: self.state,
            signs: self.signs.clone(),
            top_topic: self.leading.as_ref().map(|(topic, _)| topic.clone()),
            share: self.leading.as_ref().map_or(0.0, |(_, share)| *share),
            since: self.since,
        }
    }

    fn look(&mut self, moment: Moment) {
        let limits = &self.limits;
        let window = limits.window as usize;
        let start = self.seen.len().saturating_sub(window);
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in self.seen.iter().skip(start).flat_map(|s| &s.topics) {
            *times.entry(topic).or_default() += 1;
        }
        // Of equals the first by name: the later ones are no greater.
        let top = times.iter().rev().max_by_key(|(_, n)| **n).map(|(topic, n)| ((*topic).to_owned(), *n));
        let whole = self.seen.len() >= window;
        let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
        let mut signs = Vec::new();
        self.leading = top.map(|(topic, n)| (topic, share(n, window.min(self.seen.len()))));
        if let Some((topic, now)) = self.leading.as_ref().filter(|(_, now)| whole && *now >= limits.share) {
            signs.push(Sign::Concentrated);
            let before = self.seen.iter().take(start).filter(|s| s.topics.contains(topic)).count();
            if start >= window && now - share(before, start) >= limits.rise {
                signs.push(Sign::Rising);
            }
        }
        let recent: f64 = self.seen.iter().rev().take(RECENT).map(|s| s.dwell).sum::<f64>() / RECENT as f64;
        if self.earlier.1 >= EARLIER && recent < limits.shrink * self.earlier.0 / self.earlier.1 as f64 {
            signs.push(Sign::Shrinking);
        }
        let (from, until) = (limits.late_from_min, limits.late_until_min);
        let minute = moment.local_min % 1_440;
        let late =
            if from <= until { (from..until).contains(&minute) } else { minute >= from || minute < until };
        if late {
            signs.push(Sign::Late);
        }
        if moment.session_ms >= limits.long_session_ms {
            signs.push(Sign::Long);
        }
        let count = if signs.first() == Some(&Sign::Concentrated) { signs.len() as u32 } else { 0 };
        let state = match count {
            n if n >= limits.stuck => LoopState::Stuck,
            n if n >= limits.narrowing => LoopState::Narrowing,
            _ => LoopState::Normal,
        };
        self.since = if state == self.state { self.since + 1 } else { 0 };
        self.signs = signs;
        self.state = state;
    }

    fn speak(&mut self) -> Option<Word> {
        if let Step::LeadingAway { topic, waited } = &mut self.step {
            *waited += 1;
            let came = self.seen.back().is_some_and(|s| !s.topics.contains(topic));
            if !came && *waited < self.limits.patience {
                return None;
            }
            let topic = topic.clone();
            self.step = Step::Offered { topic: topic.clone() };
            self.quiet = self.limits.patience;
            let choices = [Choice::TakeBreak, Choice::ResetTopic, Choice::KeepGoing];
            return Some(Word::Offer { topic, choices });
        }
        if self.quiet > 0 {
            return None;
        }
        let topic = self.leading.as_ref().map(|(topic, _)| topic.clone())?;
        match self.state {
            LoopState::Normal => {
                self.step = Step::Idle;
                None
            }
            LoopState::Narrowing if self.since == 0 => {
                self.quiet = self.limits.patience;
                Some(Word::Narrowing { topic })
            }
            LoopState::Narrowing => None,
            LoopState::Stuck => {
                self.step = Step::LeadingAway { topic: topic.clone(), waited: 0 };
                Some(Word::AnotherTopic { away_from: topic })
            }
        }
    }
}
