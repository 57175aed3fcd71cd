//! The decision itself: rules and settings prepared once, then one pass over what is known of a card.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::SafetyError;
use super::decision::{Action, CAUSES, Cause, Decision, LabelOf, Source, Surfaces, Treatment, Weight};
use super::rules::{Covers, LabelRule, Rules, Severity, Term, TermKind};
use super::settings::{AgeBand, Choice, HarmClass, SafetySettings};
use super::words::{Word, Words};
use crate::model::{Item, Relation};
use crate::time::Wall;

/// What is known of a card, as the filter reads it.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// Identifier of the item.
    pub id: &'a str,
    /// Identifier of its creator.
    pub creator: &'a str,
    /// How the person stands to the creator.
    pub relation: Relation,
    /// Labels, and who put them where.
    pub labels: Vec<(&'a str, LabelOf)>,
    /// Topics.
    pub topics: &'a [String],
    /// Tags without the #.
    pub tags: &'a [String],
    /// The sound it uses.
    pub sound: Option<&'a str>,
    /// Everything there is to read.
    pub texts: [&'a str; 2],
    /// The main language of the texts.
    pub language: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// What an item tells.
    #[must_use]
    pub fn of(item: &'a Item) -> Self {
        let labels = |list: &'a [String], of| list.iter().map(move |label| (label.as_str(), of));
        Subject {
            id: &item.id,
            creator: &item.creator.id,
            relation: item.relation,
            labels: labels(&item.labels, LabelOf::Item)
                .chain(labels(&item.self_labels, LabelOf::ItemByCreator))
                .chain(labels(&item.creator_labels, LabelOf::Creator))
                .collect(),
            topics: &item.topics,
            tags: &item.tags,
            sound: item.sound.as_deref(),
            texts: [&item.caption, &item.alt_text],
            language: item.languages.first().map(String::as_str),
        }
    }
}

/// What happens, and whether the person may decide otherwise.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    choice: Choice,
    no_override: bool,
    by_age: bool,
}

/// What a [`Filter`] is made of: enough to make the same one again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The rules.
    pub rules: Rules,
    /// What the person chose.
    pub settings: SafetySettings,
    /// When it was made.
    pub now: Wall,
    /// Items that are hidden by their identifiers.
    pub hidden: BTreeSet<String>,
}

impl Recipe {
    /// Makes the filter.
    ///
    /// # Errors
    /// As [`Filter::new`].
    pub fn prepare(&self) -> Result<Filter, SafetyError> {
        Ok(Filter::new(&self.rules, &self.settings, self.now)?.hiding(self.hidden.clone()))
    }
}

/// Rules and settings, prepared.
#[derive(Debug, Clone)]
pub struct Filter {
    rules: Rules,
    now: Wall,
    version: u64,
    settings: SafetySettings,
    labels: BTreeMap<String, (LabelRule, Verdict)>,
    unknown: Choice,
    unknown_is_least: bool,
    terms: Vec<(Term, Verdict)>,
    /// Number of a term by its kind and text; words stand apart.
    by_name: BTreeMap<(TermKind, String), usize>,
    ruled: Words,
    /// Muted words that count for creators the person follows, and for everybody else.
    for_followed: Words,
    for_others: Words,
    valid_until: Option<i64>,
    hidden: BTreeSet<String>,
}

impl Filter {
    /// Prepares rules and settings as they stand at `now` for a person who is signed in. What has run out by then does
    /// not count.
    ///
    /// # Errors
    /// [`SafetyError`] when a bound is broken.
    pub fn new(rules: &Rules, settings: &SafetySettings, now: Wall) -> Result<Self, SafetyError> {
        rules.check()?;
        settings.check()?;
        let running = |expires: Option<i64>| expires.is_none_or(|at| now.unix_ms <= at);
        let words = || settings.words.iter().enumerate().filter(|(_, w)| running(w.expires_at_ms));
        let word = |w: &'_ super::MutedWord| w.tags_only;
        let prepare = |followed: bool| {
            Words::new(
                words()
                    .filter(|(_, w)| !(followed && w.except_followed))
                    .map(|(n, w)| (n, Word { value: &w.value, tags_only: word(w) })),
            )
        };
        let minor = matches!(settings.age, AgeBand::Under16 | AgeBand::Teen);
        let terms: Vec<(Term, Verdict)> = rules
            .terms
            .iter()
            .map(|term| {
                let chosen = settings.classes.get(&term.class).copied().unwrap_or(term.default);
                (term.clone(), at_least(rules, settings, Some(term.class), chosen))
            })
            .collect();
        let texts = terms.iter().enumerate().filter(|(_, (term, _))| term.kind == TermKind::Word);
        let ruled = Words::new(texts.map(|(n, (t, _))| (n, Word { value: &t.value, tags_only: false })));
        let mut by_name = BTreeMap::new();
        for (number, (term, verdict)) in terms.iter().enumerate() {
            // Of two that name the same the stricter counts.
            let held = by_name.entry((term.kind, term.value.clone())).or_insert(number);
            if terms[*held].1.choice < verdict.choice {
                *held = number;
            }
        }
        let mut labels: BTreeMap<String, (LabelRule, Verdict)> = BTreeMap::new();
        for rule in &rules.labels {
            let verdict = label_verdict(rules, settings, rule);
            let stricter = labels.get(&rule.label).is_none_or(|(_, held)| held.choice < verdict.choice);
            if stricter {
                labels.insert(rule.label.clone(), (rule.clone(), verdict));
            }
        }
        Ok(Filter {
            rules: rules.clone(),
            now,
            version: rules.version,
            labels,
            unknown: if minor { rules.unknown.minors } else { rules.unknown.others },
            unknown_is_least: minor,
            terms,
            by_name,
            ruled,
            for_followed: prepare(true),
            for_others: prepare(false),
            valid_until: words().filter_map(|(_, w)| w.expires_at_ms).min(),
            settings: settings.clone(),
            hidden: BTreeSet::new(),
        })
    }

    /// The rules that come with the core, for somebody who chose nothing.
    #[must_use]
    pub fn cautious() -> Self {
        let (rules, settings) = (Rules::default(), SafetySettings::default());
        Filter::new(&rules, &settings, Wall::default()).unwrap_or_else(|_| Filter {
            rules: Rules::default(),
            now: Wall::default(),
            version: 0,
            settings,
            labels: BTreeMap::new(),
            unknown: Choice::Warn,
            unknown_is_least: false,
            terms: Vec::new(),
            by_name: BTreeMap::new(),
            ruled: Words::default(),
            for_followed: Words::default(),
            for_others: Words::default(),
            valid_until: None,
            hidden: BTreeSet::new(),
        })
    }

    /// The same, and hides items by their identifiers: those that were reported.
    #[must_use]
    pub fn hiding(mut self, items: BTreeSet<String>) -> Self {
        self.hidden = items;
        self
    }

    /// What it is made of.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        let (rules, settings) = (self.rules.clone(), self.settings.clone());
        Recipe { rules, settings, now: self.now, hidden: self.hidden.clone() }
    }

    /// Version of the rules.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Milliseconds since 1970 after which a muted word has run out, so that the filter is to be prepared anew.
    #[must_use]
    pub fn valid_until(&self) -> Option<i64> {
        self.valid_until
    }

    /// What is to be done with an item.
    #[must_use]
    pub fn decide(&self, item: &Item) -> Decision {
        self.judge(&Subject::of(item))
    }

    /// What is to be done with a card of which this is known.
    #[must_use]
    pub fn judge(&self, subject: &Subject<'_>) -> Decision {
        let mut tally = Tally::default();
        self.relations(subject, &mut tally);
        for &(label, of) in &subject.labels {
            self.label(label, of, &mut tally);
        }
        self.names(subject, &mut tally);
        self.muted_words(subject, &mut tally);
        self.ruled_terms(subject, &mut tally);
        tally.decide()
    }

    fn relations(&self, subject: &Subject<'_>, tally: &mut Tally) {
        let (relation, creator) = (subject.relation, subject.creator);
        if relation.blocking || self.settings.blocked.contains(creator) {
            tally.block(Source::Blocked, creator);
        }
        if relation.blocked_by {
            tally.block(Source::BlockedBy, creator);
        }
        if relation.muted || self.settings.creators.contains(creator) {
            tally.surfaces.list.filter = true;
            tally.surfaces.list.blur = true;
            tally.surfaces.view.inform = true;
            tally.cause(Source::MutedCreator, creator, None, Weight::Hide, true);
        }
    }

    fn label(&self, label: &str, of: LabelOf, tally: &mut Tally) {
        let Some((rule, verdict)) = self.labels.get(label) else {
            let chosen = self.settings.labels.get(label).copied().unwrap_or(self.unknown);
            let choice = if self.unknown_is_least { chosen.max(self.unknown) } else { chosen };
            let verdict = Verdict { choice, no_override: self.unknown_is_least, by_age: false };
            let covers = (Covers::Content, Severity::None);
            tally.covered(verdict, covers, of, Source::UnknownLabel(of), label, None);
            return;
        };
        let by_creator = matches!(of, LabelOf::ItemByCreator | LabelOf::CreatorByCreator);
        // Whoever opens a session is signed in.
        if rule.signed_out_only || (rule.not_by_creator && by_creator) {
            return;
        }
        let source = if verdict.by_age { Source::Age } else { Source::Label(of) };
        tally.harm(rule.class);
        tally.covered(*verdict, (rule.covers, rule.severity), of, source, label, rule.class);
    }

    fn names(&self, subject: &Subject<'_>, tally: &mut Tally) {
        let topic = subject.topics.iter().find(|t| self.settings.topics.contains(*t));
        let sound = subject.sound.filter(|s| self.settings.sounds.contains(*s));
        let item = Some(subject.id).filter(|id| self.hidden.contains(*id));
        if let Some(item) = item {
            tally.mute(Source::HiddenItem, item);
        }
        for (source, name) in [(Source::MutedTopic, topic.map(String::as_str)), (Source::MutedSound, sound)] {
            if let Some(name) = name {
                tally.mute(source, name);
            }
        }
    }

    fn muted_words(&self, subject: &Subject<'_>, tally: &mut Tally) {
        let words = if subject.relation.following { &self.for_followed } else { &self.for_others };
        if let Some(word) = found(words, subject).and_then(|n| self.settings.words.get(n)) {
            tally.mute(Source::MutedWord, &word.value);
        }
    }

    fn ruled_terms(&self, subject: &Subject<'_>, tally: &mut Tally) {
        if self.terms.is_empty() {
            return;
        }
        let named = |kind, name: &str| self.by_name.get(&(kind, name.to_owned())).copied();
        let terms = [
            named(TermKind::Item, subject.id),
            named(TermKind::Creator, subject.creator),
            subject.sound.and_then(|s| named(TermKind::Sound, s)),
            found(&self.ruled, subject),
        ];
        let topics = subject.topics.iter().filter_map(|t| named(TermKind::Topic, t));
        for (term, verdict) in
            terms.into_iter().flatten().chain(topics).filter_map(|number| self.terms.get(number))
        {
            tally.harm(Some(term.class));
            let covers = (Covers::Content, Severity::None);
            tally.covered(*verdict, covers, LabelOf::Item, Source::Rule, &term.value, Some(term.class));
        }
    }
}

fn found(words: &Words, subject: &Subject<'_>) -> Option<usize> {
    if words.is_empty() {
        return None;
    }
    let in_texts = || subject.texts.iter().find_map(|text| words.in_text(text, subject.language));
    words.in_tags(subject.tags).or_else(in_texts)
}

/// The choice, raised to what holds for the age whatever a person chose.
fn at_least(rules: &Rules, settings: &SafetySettings, class: Option<HarmClass>, chosen: Choice) -> Verdict {
    let floors = rules.floors.iter().filter(|f| Some(f.class) == class && f.age == settings.age);
    match floors.map(|f| f.least).max() {
        Some(least) if least > Choice::Show && least >= chosen => {
            Verdict { choice: least, no_override: true, by_age: true }
        }
        _ => Verdict { choice: chosen, no_override: false, by_age: false },
    }
}

fn label_verdict(rules: &Rules, settings: &SafetySettings, rule: &LabelRule) -> Verdict {
    if rule.hidden_from.contains(&settings.age) {
        return Verdict { choice: Choice::Hide, no_override: true, by_age: true };
    }
    let locked = rule.adults_only && !settings.unlocked();
    let by_class = || rule.class.and_then(|class| settings.classes.get(&class)).copied();
    let chosen = match () {
        () if rule.fixed => rule.default,
        () if locked => Choice::Hide,
        () => settings.labels.get(&rule.label).copied().or_else(by_class).unwrap_or(rule.default),
    };
    let verdict = at_least(rules, settings, rule.class, chosen);
    Verdict { no_override: verdict.no_override || rule.no_override || locked, ..verdict }
}

/// Causes as they are found.
#[derive(Debug, Default)]
struct Tally {
    surfaces: Surfaces,
    causes: Vec<Cause>,
    sealed: bool,
    no_amplification: bool,
    offer_report: bool,
}

impl Tally {
    fn cause(
        &mut self,
        source: Source,
        name: &str,
        class: Option<HarmClass>,
        weight: Weight,
        overridable: bool,
    ) {
        self.sealed |= !overridable && weight >= Weight::Blur;
        self.causes.push(Cause { source, name: name.to_owned(), class, weight, overridable });
    }

    fn harm(&mut self, class: Option<HarmClass>) {
        match class {
            Some(HarmClass::Conspiracy | HarmClass::Propaganda) => self.no_amplification = true,
            Some(HarmClass::Scam) => self.offer_report = true,
            Some(HarmClass::Adult | HarmClass::Flashing) | None => {}
        }
    }

    fn block(&mut self, source: Source, creator: &str) {
        let sealed = Treatment { blur: true, no_override: true, ..Treatment::default() };
        join(&mut self.surfaces.list, Treatment { filter: true, ..sealed });
        join(&mut self.surfaces.view, sealed);
        self.cause(source, creator, None, Weight::Hide, false);
    }

    fn mute(&mut self, source: Source, name: &str) {
        let covered = Treatment { blur: true, ..Treatment::default() };
        join(&mut self.surfaces.list, Treatment { filter: true, ..covered });
        join(&mut self.surfaces.view, covered);
        self.cause(source, name, None, Weight::Hide, true);
    }

    fn covered(
        &mut self,
        verdict: Verdict,
        (covers, severity): (Covers, Severity),
        of: LabelOf,
        source: Source,
        name: &str,
        class: Option<HarmClass>,
    ) {
        let Verdict { choice, no_override, .. } = verdict;
        if choice == Choice::Show {
            return;
        }
        let hides = choice == Choice::Hide;
        let on_creator = matches!(of, LabelOf::Creator | LabelOf::CreatorByCreator);
        let cover = Treatment { blur: true, no_override, ..Treatment::default() };
        let mark = Treatment {
            alert: severity == Severity::Alert,
            inform: severity == Severity::Inform,
            ..Treatment::default()
        };
        self.surfaces.list.filter |= hides;
        let weight = match covers {
            Covers::Content => {
                join(&mut self.surfaces.list, cover);
                join(&mut self.surfaces.view, cover);
                Weight::Blur
            }
            // What a label says of the pictures of a creator is about the portrait, not about every video.
            Covers::Media if on_creator => Weight::Mark,
            Covers::Media => {
                join(&mut self.surfaces.media, cover);
                Weight::Blur
            }
            Covers::Nothing => {
                join(&mut self.surfaces.list, mark);
                join(&mut self.surfaces.view, mark);
                Weight::Mark
            }
        };
        let weight = if hides { Weight::Hide } else { weight };
        self.cause(source, name, class, weight, !no_override);
    }

    fn decide(mut self) -> Decision {
        self.causes.sort_by_key(|cause| (std::cmp::Reverse(cause.weight), cause.overridable));
        self.causes.truncate(CAUSES);
        let action = match self.causes.first() {
            Some(cause) if cause.weight == Weight::Hide => Action::Hide(cause.clone()),
            Some(cause) if cause.weight == Weight::Blur => Action::Blur(cause.clone()),
            _ => Action::Show,
        };
        Decision {
            overridable: !self.sealed,
            action,
            causes: self.causes,
            no_amplification: self.no_amplification,
            offer_report: self.offer_report,
            surfaces: self.surfaces,
        }
    }
}

fn join(held: &mut Treatment, more: Treatment) {
    held.filter |= more.filter;
    held.blur |= more.blur;
    held.alert |= more.alert;
    held.inform |= more.inform;
    held.no_override |= more.no_override;
}
