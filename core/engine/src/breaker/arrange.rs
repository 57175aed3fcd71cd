//! The bound: candidates in the best order that no window of cards breaks.
//!
//! Slot by slot the candidate with the highest score is taken that fits behind the cards before it. Each new card is checked
//! against the window that ends with it, so by induction no window anywhere holds too many, and four in any ten is eight in
//! any twenty. Cards without a topic count for none; creator and sound bind them all the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::plain;
use crate::ranking::BreakerLimits;

/// A card as far as the breaker has to know it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Card<'a> {
    /// Identifier.
    pub id: &'a str,
    /// Topics; the card counts for each.
    pub topics: &'a [String],
    /// Who made it; empty where that is not known.
    pub creator: &'a str,
    /// The sound it uses, where it uses somebody's.
    pub sound: Option<&'a str>,
    /// How well it is likely to be watched; higher is better. What is no number comes last.
    pub score: f64,
}

/// What the breaker does with a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Keeps the bound: For You and the non-profiled feed.
    Bound,
    /// Keeps the given order and only says what the bound would say: feeds a person asked for by name.
    Notify,
}

/// What keeps a card back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// This topic has its share of the window.
    Topic(String),
    /// The card before is by the same creator.
    Creator(String),
    /// The card before has the same sound.
    Sound(String),
}

/// A candidate that found no place, and what keeps it back at the end of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its place among the candidates.
    pub candidate: usize,
    /// The first rule that it would break.
    pub rule: Rule,
}

/// The feed is thin: fewer cards fit than were wanted. The backend is to be asked for other topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thin {
    /// Cards that were wanted and not found.
    pub missing: usize,
    /// Topics the feed has enough of; breadth means anything else.
    pub enough_of: Vec<String>,
}

/// What [`arrange`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrangement {
    /// Places of the candidates in the order in which they are to be shown.
    pub order: Vec<usize>,
    /// Candidates that wait for room; empty when enough others were found.
    pub held: Vec<Held>,
    /// Set when the candidates do not fill the wanted cards.
    pub thin: Option<Thin>,
    /// Whether the first card leads away from the topics to be avoided; `false` where none were given or none could be had.
    pub led_away: bool,
    /// In [`Mode::Notify`], topics of which the given order holds more than the bound allows.
    pub above_bound: Vec<String>,
}

/// A card with its names as small numbers, so that windows are counted without comparing text.
struct Tagged {
    topics: Vec<usize>,
    creator: Option<usize>,
    sound: Option<usize>,
}

/// Numbers for names, in the order in which they come.
#[derive(Default)]
struct Names<'c> {
    by: BTreeMap<Cow<'c, str>, usize>,
    all: Vec<Cow<'c, str>>,
}

impl<'c> Names<'c> {
    fn number(&mut self, name: Cow<'c, str>) -> usize {
        let all = &mut self.all;
        *self.by.entry(name).or_insert_with_key(|name| {
            all.push(name.clone());
            all.len() - 1
        })
    }

    fn name(&self, number: usize) -> String {
        self.all.get(number).map_or_else(String::new, |name| name.clone().into_owned())
    }
}

/// Everything that is counted while cards are put one behind the other.
struct Row<'c> {
    limits: &'c BreakerLimits,
    topics: Names<'c>,
    creators: Names<'c>,
    sounds: Names<'c>,
    /// The most of each topic in a window.
    allowed: Vec<u32>,
    /// How many of each topic stand in the last `window - 1` cards.
    counted: Vec<u32>,
    /// Those cards, oldest first.
    last: VecDeque<Vec<usize>>,
    creator: Option<usize>,
    sound: Option<usize>,
}

impl<'c> Row<'c> {
    fn new(limits: &'c BreakerLimits) -> Self {
        Row {
            limits,
            topics: Names::default(),
            creators: Names::default(),
            sounds: Names::default(),
            allowed: Vec::new(),
            counted: Vec::new(),
            last: VecDeque::new(),
            creator: None,
            sound: None,
        }
    }

    fn tag(&mut self, card: &Card<'c>, sensitive: &BTreeSet<Cow<'_, str>>) -> Tagged {
        let mut topics = Vec::with_capacity(card.topics.len());
        for name in card.topics.iter().map(|t| plain(t)).filter(|t| !t.is_empty()) {
            let most = if sensitive.contains(&name) {
                self.limits.per_sensitive.min(self.limits.per_topic)
            } else {
                self.limits.per_topic
            };
            let number = self.topics.number(name);
            if number == self.allowed.len() {
                self.allowed.push(most);
                self.counted.push(0);
            }
            if !topics.contains(&number) {
                topics.push(number);
            }
        }
        let creator = (!card.creator.is_empty()).then(|| self.creators.number(card.creator.into()));
        let sound = card.sound.filter(|s| !s.is_empty()).map(|s| self.sounds.number(s.into()));
        Tagged { topics, creator, sound }
    }

    /// The first rule that the card would break.
    fn breaks(&self, card: &Tagged) -> Option<Rule> {
        let full = card.topics.iter().find(|&&t| self.full(t));
        if let Some(&topic) = full {
            return Some(Rule::Topic(self.topics.name(topic)));
        }
        if let Some(creator) = card.creator.filter(|_| card.creator == self.creator) {
            return Some(Rule::Creator(self.creators.name(creator)));
        }
        let sound = card.sound.filter(|_| card.sound == self.sound)?;
        Some(Rule::Sound(self.sounds.name(sound)))
    }

    fn fits(&self, card: &Tagged) -> bool {
        !card.topics.iter().any(|&t| self.full(t))
            && (card.creator.is_none() || card.creator != self.creator)
            && (card.sound.is_none() || card.sound != self.sound)
    }

    fn full(&self, topic: usize) -> bool {
        self.counted.get(topic).zip(self.allowed.get(topic)).is_some_and(|(count, most)| count >= most)
    }

    fn put(&mut self, card: &Tagged) {
        for &topic in &card.topics {
            if let Some(count) = self.counted.get_mut(topic) {
                *count += 1;
            }
        }
        self.last.push_back(card.topics.clone());
        while self.last.len() >= self.limits.window.max(1) as usize {
            for topic in self.last.pop_front().unwrap_or_default() {
                if let Some(count) = self.counted.get_mut(topic) {
                    *count = count.saturating_sub(1);
                }
            }
        }
        self.creator = card.creator;
        self.sound = card.sound;
    }
}

/// Puts candidates behind the cards that are fixed.
///
/// `fixed` are the cards that were shown or are buffered, oldest first; the last `limits.window` of them count. `avoid` are
/// topics that the first card shall lead away from, where any candidate does. At most `wanted` places are given.
#[must_use]
pub fn arrange<'c>(
    limits: &'c BreakerLimits,
    mode: Mode,
    fixed: &[Card<'c>],
    candidates: &[Card<'c>],
    avoid: &[String],
    wanted: usize,
) -> Arrangement {
    let sensitive: BTreeSet<Cow<'_, str>> = limits.sensitive.iter().map(|t| plain(t)).collect();
    let mut row = Row::new(limits);
    let from = fixed.len().saturating_sub(limits.window.max(1) as usize);
    for card in fixed.iter().skip(from) {
        let tagged = row.tag(card, &sensitive);
        row.put(&tagged);
    }
    let tagged: Vec<Tagged> = candidates.iter().map(|card| row.tag(card, &sensitive)).collect();
    if mode == Mode::Notify {
        return notify(row, &tagged, wanted);
    }
    // Best first; of equals the earlier.
    let mut waiting: Vec<usize> = (0..candidates.len()).collect();
    let score = |i: usize| candidates.get(i).map_or(f64::NEG_INFINITY, |c| sound(c.score));
    waiting.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));

    let mut out = Arrangement::default();
    let away: BTreeSet<usize> =
        avoid.iter().filter_map(|t| row.topics.by.get(plain(t).as_ref()).copied()).collect();
    let mut leads = (!avoid.is_empty()).then_some(&away);
    while out.order.len() < wanted {
        let fitting = |leading: Option<&BTreeSet<usize>>| {
            waiting.iter().position(|&i| {
                tagged.get(i).is_some_and(|card| {
                    row.fits(card) && leading.is_none_or(|away| !card.topics.iter().any(|t| away.contains(t)))
                })
            })
        };
        let mut found = None;
        if leads.is_some() {
            found = fitting(leads);
            out.led_away = found.is_some();
            leads = None;
        }
        let Some(place) = found.or_else(|| fitting(None)) else { break };
        let candidate = waiting.remove(place);
        if let Some(card) = tagged.get(candidate) {
            row.put(card);
        }
        out.order.push(candidate);
    }
    if out.order.len() < wanted {
        out.held = waiting
            .iter()
            .filter_map(|&i| Some(Held { candidate: i, rule: row.breaks(tagged.get(i)?)? }))
            .collect();
        let full = (0..row.allowed.len()).filter(|&t| row.full(t)).map(|t| row.topics.name(t));
        let enough_of: BTreeSet<String> = full.collect();
        out.thin =
            Some(Thin { missing: wanted - out.order.len(), enough_of: enough_of.into_iter().collect() });
    }
    out
}

/// The order as it was asked for, and what stands out of it.
fn notify(mut row: Row<'_>, tagged: &[Tagged], wanted: usize) -> Arrangement {
    let mut above = BTreeSet::new();
    for card in tagged.iter().take(wanted) {
        above.extend(card.topics.iter().filter(|&&t| row.full(t)).map(|&t| row.topics.name(t)));
        row.put(card);
    }
    Arrangement {
        order: (0..tagged.len().min(wanted)).collect(),
        above_bound: above.into_iter().collect(),
        ..Arrangement::default()
    }
}

fn sound(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score }
}

/// Windows of `window` consecutive cards in which one topic stands more than `most` times: what an auditor counts. Looks at
/// every window anew and shares nothing with [`arrange`].
#[must_use]
pub fn breaches(cards: &[&[String]], window: usize, most: usize) -> usize {
    let window = window.max(1);
    let count = |cards: &[&[String]]| {
        let mut times: BTreeMap<Cow<'_, str>, usize> = BTreeMap::new();
        for card in cards {
            for topic in card.iter().map(|t| plain(t)).filter(|t| !t.is_empty()).collect::<BTreeSet<_>>() {
                *times.entry(topic).or_default() += 1;
            }
        }
        times.values().any(|&n| n > most)
    };
    if cards.len() < window {
        return usize::from(count(cards));
    }
    cards.windows(window).filter(|cards| count(cards)).count()
}
