//! The detector: is somebody choosing, or going round in circles?
//!
//! Five signs are looked for: one topic leads, its share rises, viewings get shorter, it is late, the session is long. The
//! first has to be among them: a late hour alone is nobody's business. With enough of them the state is narrowing, with more
//! it is stuck. Stuck acts in two steps, each with a word for the app to show: another topic next, then an offer. The policy's
//! patience lies between two words, so that nobody is nagged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::plain;
use crate::ranking::DetectorLimits;

/// Viewings at the end over which dwell is averaged.
const RECENT: usize = 10;
/// Viewings before those that are needed for a comparison.
const EARLIER: u64 = 20;
/// Longest history: two windows of the longest policy.
const MOST: usize = 400;
/// Topics of one viewing that are looked at.
const MOST_TOPICS: usize = 16;
/// Longest topic that is looked at, bytes.
const MAX_NAME: usize = 128;

/// When a viewing ended, as far as loops are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Minute of the local day, 0 to 1,439.
    pub local_min: u32,
    /// Milliseconds since the session began.
    pub session_ms: u64,
    /// Whether the feed may lead away from a topic; one that keeps the order asked for cannot.
    pub may_lead: bool,
}

/// Something that points to a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    topics: BTreeSet<String>,
    dwell: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
enum Step {
    #[default]
    Idle,
    /// Another topic was announced and has not come yet; viewings since.
    LeadingAway { topic: String, waited: u32 },
    /// The offer stands.
    Offered { topic: String },
}

/// The detector of one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    limits: DetectorLimits,
    kept: Kept,
}

/// What is kept of it across launches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
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
        Detector { limits, kept: Kept::default() }
    }

    /// What is to be kept.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// A detector as it was kept; `None` where no detector holds such numbers.
    pub(crate) fn restore(limits: DetectorLimits, state: Kept) -> Option<Self> {
        let share = |v: f64| (0.0..=1.0).contains(&v);
        let seen = |s: &Seen| {
            share(s.dwell) && s.topics.len() <= MOST_TOPICS && s.topics.iter().all(|t| t.len() <= MAX_NAME)
        };
        let earlier = state.earlier.0 >= 0.0 && state.earlier.0 <= state.earlier.1 as f64;
        let leading =
            state.leading.as_ref().is_none_or(|(topic, part)| topic.len() <= MAX_NAME && share(*part));
        let sound = state.seen.len() <= MOST && state.signs.len() <= 5 && earlier && leading;
        (sound && state.seen.iter().all(seen)).then_some(Detector { limits, kept: state })
    }

    /// A feed was opened: what was announced in the one before and did not come is not waited for.
    pub(crate) fn handle_opened(&mut self) {
        self.kept.step = Step::Idle;
    }

    /// A viewing has ended. `dwell` is the share of a long view that was watched, 0 to 1. Returns what the app shows now.
    pub fn handle_viewing(&mut self, topics: &[String], dwell: f64, moment: Moment) -> Option<Word> {
        let topics: BTreeSet<String> = topics
            .iter()
            .map(|t| plain(t).into_owned())
            .filter(|t| !t.is_empty() && t.len() <= MAX_NAME)
            .take(MOST_TOPICS)
            .collect();
        let dwell = if dwell.is_finite() { dwell.clamp(0.0, 1.0) } else { 0.0 };
        if let Some(leaving) = self.kept.seen.len().checked_sub(RECENT).and_then(|i| self.kept.seen.get(i)) {
            self.kept.earlier = (self.kept.earlier.0 + leaving.dwell, self.kept.earlier.1 + 1);
        }
        self.kept.seen.push_back(Seen { topics, dwell });
        let keep = (2 * self.limits.window as usize).clamp(RECENT + 1, MOST);
        while self.kept.seen.len() > keep {
            self.kept.seen.pop_front();
        }
        self.look(moment);
        self.kept.quiet = self.kept.quiet.saturating_sub(1);
        self.speak(moment)
    }

    /// Topics the next card shall lead away from; to be handed to [`super::arrange`].
    #[must_use]
    pub fn avoid(&self) -> Vec<String> {
        match &self.kept.step {
            Step::LeadingAway { topic, .. } => vec![topic.clone()],
            Step::Idle | Step::Offered { .. } => Vec::new(),
        }
    }

    /// The topic of the offer that stands.
    pub(crate) fn offered(&self) -> Option<&str> {
        match &self.kept.step {
            Step::Offered { topic } => Some(topic),
            Step::Idle | Step::LeadingAway { .. } => None,
        }
    }

    /// The person answered the offer. What a break or a forgotten topic means is done by others.
    pub fn handle_answer(&mut self, answer: Answer) {
        if let Step::Offered { topic } = std::mem::replace(&mut self.kept.step, Step::Idle) {
            self.kept.quiet = self.limits.patience;
            if answer == Choice::ResetTopic {
                for seen in &mut self.kept.seen {
                    seen.topics.remove(&topic);
                }
            }
        }
    }

    /// How things stand.
    #[must_use]
    pub fn report(&self) -> LoopReport {
        LoopReport {
            state: self.kept.state,
            signs: self.kept.signs.clone(),
            top_topic: self.kept.leading.as_ref().map(|(topic, _)| topic.clone()),
            share: self.kept.leading.as_ref().map_or(0.0, |(_, share)| *share),
            since: self.kept.since,
        }
    }

    fn look(&mut self, moment: Moment) {
        let limits = &self.limits;
        let window = limits.window as usize;
        let start = self.kept.seen.len().saturating_sub(window);
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in self.kept.seen.iter().skip(start).flat_map(|s| &s.topics) {
            *times.entry(topic).or_default() += 1;
        }
        // Of equals the first by name: the later ones are no greater.
        let top = times.iter().rev().max_by_key(|(_, n)| **n).map(|(topic, n)| ((*topic).to_owned(), *n));
        let whole = self.kept.seen.len() >= window;
        let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
        let mut signs = Vec::new();
        self.kept.leading = top.map(|(topic, n)| (topic, share(n, window.min(self.kept.seen.len()))));
        if let Some((topic, now)) =
            self.kept.leading.as_ref().filter(|(_, now)| whole && *now >= limits.share)
        {
            signs.push(Sign::Concentrated);
            let before = self.kept.seen.iter().take(start).filter(|s| s.topics.contains(topic)).count();
            if start >= window && now - share(before, start) >= limits.rise {
                signs.push(Sign::Rising);
            }
        }
        let recent: f64 =
            self.kept.seen.iter().rev().take(RECENT).map(|s| s.dwell).sum::<f64>() / RECENT as f64;
        if self.kept.earlier.1 >= EARLIER
            && recent < limits.shrink * self.kept.earlier.0 / self.kept.earlier.1 as f64
        {
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
        self.kept.since = if state == self.kept.state { self.kept.since + 1 } else { 0 };
        self.kept.signs = signs;
        self.kept.state = state;
    }

    fn speak(&mut self, moment: Moment) -> Option<Word> {
        if let Step::LeadingAway { topic, waited } = &mut self.kept.step {
            *waited += 1;
            let came = self.kept.seen.back().is_some_and(|s| !s.topics.contains(topic));
            if !came && *waited < self.limits.patience {
                return None;
            }
            let topic = topic.clone();
            return Some(self.offer(topic));
        }
        if self.kept.quiet > 0 {
            return None;
        }
        let topic = self.kept.leading.as_ref().map(|(topic, _)| topic.clone())?;
        match self.kept.state {
            LoopState::Normal => {
                self.kept.step = Step::Idle;
                None
            }
            LoopState::Narrowing if self.kept.since == 0 => {
                self.kept.quiet = self.limits.patience;
                Some(Word::Narrowing { topic })
            }
            LoopState::Narrowing => None,
            LoopState::Stuck if !moment.may_lead => Some(self.offer(topic)),
            LoopState::Stuck => {
                self.kept.step = Step::LeadingAway { topic: topic.clone(), waited: 0 };
                Some(Word::AnotherTopic { away_from: topic })
            }
        }
    }

    fn offer(&mut self, topic: String) -> Word {
        self.kept.step = Step::Offered { topic: topic.clone() };
        self.kept.quiet = self.limits.patience;
        Word::Offer { topic, choices: [Choice::TakeBreak, Choice::ResetTopic, Choice::KeepGoing] }
    }
}
