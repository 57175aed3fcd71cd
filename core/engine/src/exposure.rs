//! The exposure ledger: who is offered, who is shown, and who is held down.
//!
//! Groups are names of the caller's choice for sets of clips: a topic, the less common topics, a server's opaque mark. None is
//! an attribute of the person who watches, and the ledger holds counts alone. Two questions are answered from them. Is a
//! group shown as often as its merit asks (Biega et al., SIGIR 2018; Singh and Joachims, KDD 2018)? And is it watched so much
//! better than the server expected, compared with all others, that the server holds it down?
//!
//! One person's taste can look like a server's slant, so ledgers of many people can be [added up](Ledger::merge): tastes
//! cancel out, a slant does not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ranking::ExposureLimits;

/// Groups of a ledger. Names beyond this count in the totals alone.
pub const MAX_GROUPS: usize = 256;
/// Longest name of a group, bytes.
const MAX_NAME: usize = 128;
/// The group of clips whose first topic is none of the most common, which together have half of what is offered.
pub const LESS_COMMON: &str = "less common topics";
/// Topics whose offers are counted; further ones are less common by nature.
const MAX_TOPICS: usize = 512;
/// Cards owed beyond this are forgiven, so that a long drought is not made up for in one go.
const MOST_OWED: f64 = 20.0;

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sums {
    offered: u64,
    offered_merit: f64,
    shown: u64,
    expected: f64,
    watched: f64,
    /// Sum of p (1 - p) of what was expected: how much chance is in it.
    chance: f64,
}

impl Sums {
    fn is_sound(&self) -> bool {
        let Sums { offered, offered_merit, shown, expected, watched, chance } = *self;
        // Every sum is of terms from 0 to 1, one for each clip; sums of rounded terms may pass by a hair.
        let within = |sum: f64, of: u64| sum >= 0.0 && sum <= of as f64 * 1.000_001 && of <= 1 << 53;
        within(offered_merit, offered)
            && within(expected, shown)
            && within(watched, shown)
            && within(chance, shown)
    }

    fn add(&mut self, other: &Sums) {
        self.offered += other.offered;
        self.offered_merit += other.offered_merit;
        self.shown += other.shown;
        self.expected += other.expected;
        self.watched += other.watched;
        self.chance += other.chance;
    }

    fn without(&self, part: &Sums) -> Sums {
        Sums {
            offered: self.offered.saturating_sub(part.offered),
            offered_merit: self.offered_merit - part.offered_merit,
            shown: self.shown.saturating_sub(part.shown),
            expected: self.expected - part.expected,
            watched: self.watched - part.watched,
            chance: self.chance - part.chance,
        }
    }
}

/// The ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    limits: ExposureLimits,
    state: State,
}

/// What is kept of it across launches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    all: Sums,
    groups: BTreeMap<String, Sums>,
    /// How often each first topic was offered, and which are common by that; renewed when a tenth more was offered.
    topics: BTreeMap<String, u64>,
    common: BTreeSet<String>,
    renew_at: u64,
    /// Cards of less common topics that are owed.
    owed: f64,
}

/// What the ledger says of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupReport {
    /// The group.
    pub group: String,
    /// Clips of it that could have been shown.
    pub offered: u64,
    /// Clips of it that were.
    pub shown: u64,
    /// Its share of what was shown over its share of what was offered; 1 is in proportion.
    pub exposure: f64,
    /// Mean merit of its offered clips over that of all; 1 is as good as all.
    pub merit: f64,
    /// Exposure over merit: 1 is what it deserves.
    pub fairness: f64,
    /// How much better than expected it is watched, over the same of all others.
    pub surprise: f64,
    /// By how many standard errors the surprise is beyond chance.
    pub sureness: f64,
    /// Whether the server holds it down, by the limits of the policy.
    pub held_down: bool,
}

impl Ledger {
    /// An empty ledger.
    #[must_use]
    pub fn new(limits: ExposureLimits) -> Self {
        Ledger { limits, state: State::default() }
    }

    /// What is to be kept.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// A ledger as it was kept; `None` where no ledger holds such numbers.
    pub(crate) fn restore(limits: ExposureLimits, state: State) -> Option<Self> {
        let names = state.groups.keys().chain(state.topics.keys()).chain(&state.common);
        let sound = state.groups.len() <= MAX_GROUPS + 1
            && state.topics.len() <= MAX_TOPICS
            && state.common.len() <= MAX_TOPICS
            && names.into_iter().all(|name| name.len() <= MAX_NAME)
            && state.groups.values().chain([&state.all]).all(Sums::is_sound)
            && state.owed.abs() <= MOST_OWED;
        sound.then_some(Ledger { limits, state })
    }

    /// A clip could have been shown. `groups` are names beside the one the ledger keeps itself, [`LESS_COMMON`]; `merit` is
    /// how well the clip is likely to be watched, 0 to 1.
    pub fn handle_offered(&mut self, topics: &[String], groups: &[&str], merit: f64) {
        if let Some(topic) = topics.first().filter(|t| t.len() <= MAX_NAME) {
            if let Some(n) = self.state.topics.get_mut(topic) {
                *n += 1;
            } else if self.state.topics.len() < MAX_TOPICS {
                self.state.topics.insert(topic.clone(), 1);
            }
        }
        let merit = share(merit);
        self.each(topics, groups, |sums| {
            sums.offered += 1;
            sums.offered_merit += merit;
        });
        if self.state.all.offered >= self.state.renew_at {
            self.renew();
        }
    }

    /// A card was given its place in the feed: what is owed to less common topics grows by what they deserve of one card, and
    /// falls by one when this is it.
    pub fn handle_placed(&mut self, topics: &[String]) {
        let Some(sums) = self.state.groups.get(LESS_COMMON) else { return };
        // The share of what was offered, by merit.
        let deserved = sums.offered_merit / f64::max(self.state.all.offered_merit, f64::MIN_POSITIVE);
        let got = if self.is_less_common(topics) { 1.0 } else { 0.0 };
        self.state.owed = (self.state.owed + deserved - got).clamp(-MOST_OWED, MOST_OWED);
    }

    /// What to add to the score of a clip so that less common topics come to what they deserve; zero or more.
    #[must_use]
    pub fn lift(&self, topics: &[String]) -> f64 {
        // From fewer offers than this nobody knows which topics are common.
        let known = self.state.all.offered >= u64::from(self.limits.least_viewings);
        if !known || self.state.owed <= 0.0 || !self.is_less_common(topics) {
            return 0.0;
        }
        (self.state.owed * self.limits.lift_per_card).min(self.limits.most_lift)
    }

    /// Whether the clip's first topic is none of the most common.
    #[must_use]
    pub fn is_less_common(&self, topics: &[String]) -> bool {
        topics.first().is_some_and(|t| !self.state.common.contains(t))
    }

    fn renew(&mut self) {
        self.state.renew_at = self.state.all.offered + self.state.all.offered / 10 + 1;
        let mut by: Vec<(&String, u64)> = self.state.topics.iter().map(|(t, n)| (t, *n)).collect();
        by.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let (all, mut before) = (by.iter().map(|(_, n)| n).sum::<u64>(), 0);
        self.state.common.clear();
        for (topic, n) in by {
            if 2 * before >= all {
                break;
            }
            before += n;
            self.state.common.insert(topic.clone());
        }
    }

    /// A clip was shown and its viewing has ended: what the server expected of it and how it went, both 0 to 1.
    pub fn handle_viewing(&mut self, topics: &[String], groups: &[&str], expected: f64, quality: f64) {
        let (expected, quality) = (share(expected), share(quality));
        self.each(topics, groups, |sums| {
            sums.shown += 1;
            sums.expected += expected;
            sums.watched += quality;
            sums.chance += expected * (1.0 - expected);
        });
    }

    /// Adds another ledger, of another session or another person.
    pub fn merge(&mut self, other: &Ledger) {
        self.state.all.add(&other.state.all);
        for (name, sums) in &other.state.groups {
            if self.state.groups.contains_key(name) || self.state.groups.len() < MAX_GROUPS {
                self.state.groups.entry(name.clone()).or_default().add(sums);
            }
        }
    }

    /// Every group, by name.
    #[must_use]
    pub fn report(&self) -> Vec<GroupReport> {
        self.state.groups.iter().map(|(name, sums)| self.judge(name, sums)).collect()
    }

    /// Groups that the server holds down.
    #[must_use]
    pub fn held_down(&self) -> Vec<String> {
        self.report().into_iter().filter(|g| g.held_down).map(|g| g.group).collect()
    }

    fn judge(&self, name: &str, sums: &Sums) -> GroupReport {
        let all = &self.state.all;
        let rest = all.without(sums);
        let shown = ratio(sums.shown as f64, all.shown as f64);
        let exposure = ratio(shown, ratio(sums.offered as f64, all.offered as f64));
        let merit = ratio(
            ratio(sums.offered_merit, sums.offered as f64),
            ratio(all.offered_merit, all.offered as f64),
        );
        // What the group would have been watched if the server were as right about it as about all others. Both sides of
        // the comparison are uncertain.
        let usual = ratio(rest.watched, rest.expected);
        let due = sums.expected * usual;
        let scale = ratio(sums.expected, rest.expected);
        let error = (sums.chance + scale * scale * rest.chance).max(0.0).sqrt();
        let surprise = ratio(sums.watched, due);
        let sureness = ratio(sums.watched - due, error);
        let limits = &self.limits;
        let known =
            sums.shown >= u64::from(limits.least_viewings) && rest.shown >= u64::from(limits.least_viewings);
        GroupReport {
            group: name.to_owned(),
            offered: sums.offered,
            shown: sums.shown,
            exposure,
            merit,
            fairness: ratio(exposure, merit),
            surprise,
            sureness,
            held_down: known && surprise >= limits.ratio && sureness >= limits.sureness,
        }
    }

    fn each(&mut self, topics: &[String], groups: &[&str], mut change: impl FnMut(&mut Sums)) {
        change(&mut self.state.all);
        if self.is_less_common(topics) {
            match self.state.groups.get_mut(LESS_COMMON) {
                Some(sums) => change(sums),
                None => change(self.state.groups.entry(LESS_COMMON.to_owned()).or_default()),
            }
        }
        for (i, &group) in groups.iter().enumerate() {
            let sound =
                !group.is_empty() && group.len() <= MAX_NAME && !groups.iter().take(i).any(|&g| g == group);
            if !sound || (self.state.groups.len() >= MAX_GROUPS && !self.state.groups.contains_key(group)) {
                continue;
            }
            match self.state.groups.get_mut(group) {
                Some(sums) => change(sums),
                None => change(self.state.groups.entry(group.to_owned()).or_default()),
            }
        }
    }
}

/// A share that is one; what is no number is nothing.
fn share(value: f64) -> f64 {
    if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 }
}

/// The ratio, and 1 where there is next to nothing to compare with: nothing is neither too much nor too little.
fn ratio(above: f64, below: f64) -> f64 {
    if below > 1e-9 { above / below } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::RankingPolicy;
    use proptest::prelude::*;

    fn ledger() -> Ledger {
        Ledger::new(RankingPolicy::shipped().unwrap().exposure)
    }

    #[test]
    fn proportion_is_one() {
        let mut l = ledger();
        for i in 0..100 {
            let group = if i % 4 == 0 { "few" } else { "many" };
            l.handle_offered(&[], &[group], 0.5);
            if i % 2 == 0 {
                l.handle_viewing(&[], &[group], 0.5, 0.5);
            }
        }
        let few = l.report().into_iter().find(|g| g.group == "few").unwrap();
        assert_eq!((few.offered, few.shown, few.merit, few.surprise), (25, 25, 1.0, 1.0));
        assert!((few.exposure - 2.0).abs() < 1e-12 && (few.fairness - 2.0).abs() < 1e-12);
        assert!(l.held_down().is_empty());
    }

    #[test]
    fn a_server_that_cuts_one_group_is_noticed() {
        let (mut fair, mut unfair) = (ledger(), ledger());
        for i in 0..400 {
            let group = if i % 3 == 0 { "cut" } else { "rest" };
            let quality = f64::from(u8::from((i / 3) % 2 == 0));
            fair.handle_viewing(&[], &[group], 0.5, quality);
            unfair.handle_viewing(&[], &[group], if group == "cut" { 0.35 } else { 0.5 }, quality);
        }
        assert!(fair.held_down().is_empty(), "{:?}", fair.report());
        assert_eq!(unfair.held_down(), ["cut"]);
        // Few viewings prove nothing; several ledgers together do.
        let mut one = ledger();
        for i in 0..90 {
            let group = if i % 3 == 0 { "cut" } else { "rest" };
            one.handle_viewing(
                &[],
                &[group],
                if group == "cut" { 0.35 } else { 0.5 },
                f64::from(u8::from((i / 3) % 2 == 0)),
            );
        }
        assert!(one.held_down().is_empty());
        let mut all = ledger();
        for _ in 0..10 {
            all.merge(&one);
        }
        assert_eq!(all.held_down(), ["cut"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_gives_numbers(told in prop::collection::vec(("[a-c]{0,2}", any::<f64>(), any::<f64>(), any::<bool>()), 0..200)) {
            let mut l = ledger();
            for (group, a, b, offered) in &told {
                let topics = std::slice::from_ref(group);
                match offered {
                    true => l.handle_offered(topics, &[group, group, "x"], *a),
                    false => l.handle_viewing(topics, &[group], *a, *b),
                }
            }
            for g in l.report() {
                prop_assert!([g.exposure, g.merit, g.fairness, g.surprise, g.sureness].iter().all(|v| v.is_finite()));
                prop_assert!(g.offered + g.shown <= told.len() as u64);
            }
        }
    }

    #[test]
    fn groups_are_bounded() {
        let mut l = ledger();
        for i in 0..2 * MAX_GROUPS {
            l.handle_offered(&[], &[&format!("g{i}")], 0.5);
        }
        assert_eq!(l.report().len(), MAX_GROUPS);
    }

    #[test]
    fn what_is_less_common_gets_what_it_deserves() {
        let mut l = ledger();
        let (common, few) = (["common".to_owned()], ["few".to_owned()]);
        let mut shown = 0;
        for i in 0..300 {
            for n in 0..10 {
                l.handle_offered(if n < 7 { &common } else { &few }, &[], 0.4);
            }
            // The common topic scores a little better, so that it alone would be shown.
            let rare = 0.50 + l.lift(&few) > 0.55 + l.lift(&common);
            l.handle_placed(if rare { &few } else { &common });
            shown += u32::from(rare && i >= 100);
        }
        assert!(l.is_less_common(&few) && !l.is_less_common(&common));
        assert!((55..=65).contains(&shown), "three of ten deserve 60 of 200 cards: {shown}");
        assert_eq!(ledger().lift(&few), 0.0, "nothing is owed at first");
    }
}
