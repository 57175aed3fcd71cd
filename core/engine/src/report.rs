//! Reports: what is wrong, of what, and where in a video; each told once, however often somebody taps.
//!
//! A report names its class, its reason and a moment or a span, so that whoever looks at it watches seconds and not the
//! clip. A [`Book`] holds what this device reported: it folds taps, says what is to be sent, and what became of it.

use serde::{Deserialize, Serialize};

/// Longest identifier of what is reported, in bytes, as those of items are.
pub const SUBJECT_BYTES: usize = 128;
/// Reports remembered; the oldest that are settled go first.
pub const MOST_REPORTS: usize = 500;
/// Longest words with a report, in characters: as much as the forms of Ozone and Loops take in one look.
pub const WORDS_CHARS: usize = 300;
/// Longest record in bytes: so many reports of the longest kind.
pub const RECORD_BYTES: usize = 2 * 1024 * 1024;
/// Longest video in milliseconds that a scene may lie in: a day.
const LONGEST_MS: u64 = 86_400_000;
const VERSION: u32 = 1;

/// What is wrong. Classes and reasons follow the lists of Ozone and Loops, as far as they can be told by anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Violence or cruelty is shown.
    ViolenceGraphic,
    /// Somebody is threatened, or violence called for.
    ViolenceThreat,
    /// Terror or extremism is praised.
    ViolenceExtremism,
    /// Sexual pictures without a label.
    SexualUnlabelled,
    /// Sexual pictures of somebody who did not agree.
    SexualWithoutConsent,
    /// A child is sexualised, groomed or abused.
    ChildAbuse,
    /// A child is in danger otherwise.
    ChildDanger,
    /// Somebody is harassed or bullied.
    HarassmentBullying,
    /// Somebody is hated for what they are.
    HarassmentHate,
    /// Private facts of somebody are shown.
    HarassmentDoxxing,
    /// Self-harm or suicide.
    SelfHarm,
    /// An eating disorder is praised.
    EatingDisorder,
    /// Challenges that hurt.
    DangerousChallenge,
    /// Fraud.
    MisleadingScam,
    /// Somebody pretends to be somebody else.
    MisleadingImpersonation,
    /// A false tale that does harm.
    MisleadingFalsehood,
    /// Advertising that does not say so.
    MisleadingAdvertising,
    /// Spam.
    Spam,
    /// Forbidden goods.
    ForbiddenGoods,
    /// It infringes somebody's rights.
    Rights,
    /// Lights that flash without a warning.
    FlashingLights,
    /// Anything else.
    Other,
}

impl Reason {
    /// Every reason with its name on the wire: class and reason, parted by a dot.
    pub const ALL: [(Reason, &'static str); 22] = [
        (Reason::ViolenceGraphic, "violence.graphic"),
        (Reason::ViolenceThreat, "violence.threat"),
        (Reason::ViolenceExtremism, "violence.extremism"),
        (Reason::SexualUnlabelled, "sexual.unlabelled"),
        (Reason::SexualWithoutConsent, "sexual.without_consent"),
        (Reason::ChildAbuse, "child.abuse"),
        (Reason::ChildDanger, "child.danger"),
        (Reason::HarassmentBullying, "harassment.bullying"),
        (Reason::HarassmentHate, "harassment.hate"),
        (Reason::HarassmentDoxxing, "harassment.doxxing"),
        (Reason::SelfHarm, "self_harm.self_harm"),
        (Reason::EatingDisorder, "self_harm.eating_disorder"),
        (Reason::DangerousChallenge, "self_harm.challenge"),
        (Reason::MisleadingScam, "misleading.scam"),
        (Reason::MisleadingImpersonation, "misleading.impersonation"),
        (Reason::MisleadingFalsehood, "misleading.falsehood"),
        (Reason::MisleadingAdvertising, "misleading.advertising"),
        (Reason::Spam, "misleading.spam"),
        (Reason::ForbiddenGoods, "rule.goods"),
        (Reason::Rights, "rule.rights"),
        (Reason::FlashingLights, "rule.flashing"),
        (Reason::Other, "rule.other"),
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(reason, _)| *reason == self).map_or("rule.other", |(_, name)| name)
    }
}

/// What is reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An item, by its identifier.
    Item(String),
    /// A creator.
    Creator(String),
    /// A comment.
    Comment(String),
}

impl Subject {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Subject::Item(id) => ("item", id),
            Subject::Creator(id) => ("creator", id),
            Subject::Comment(id) => ("comment", id),
        }
    }
}

/// Where in a video, in milliseconds from its beginning; a moment where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// Begins.
    pub from_ms: u64,
    /// Ends.
    pub to_ms: u64,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Of what.
    pub subject: Subject,
    /// What is wrong.
    pub reason: Reason,
    /// Where.
    pub scene: Option<Scene>,
    /// In the person's own words, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// Why a report is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The identifier is empty, too long, or holds a sign that parts a report's name.
    #[error("what is reported is named by 1 to {SUBJECT_BYTES} bytes without # and @")]
    Subject,
    /// The scene ends before it begins, is longer than a day, or is of something that is no item.
    #[error("a scene lies in an item, and ends after it begins")]
    Scene,
    /// Words that are none, too many, or hold signs that are no text.
    #[error("words with a report are 1 to {WORDS_CHARS} characters of text")]
    Words,
    /// So many reports wait that no other is taken.
    #[error("{MOST_REPORTS} reports wait already")]
    Full,
}

impl Report {
    /// Whether the bounds are kept.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn check(&self) -> Result<(), ReportError> {
        let (kind, id) = self.subject.parts();
        if id.is_empty() || id.len() > SUBJECT_BYTES || id.contains(['#', '@']) {
            return Err(ReportError::Subject);
        }
        if self.words.as_deref().is_some_and(|words| !words_fit(words)) {
            return Err(ReportError::Words);
        }
        match self.scene {
            Some(scene) if kind != "item" || scene.from_ms > scene.to_ms || scene.to_ms > LONGEST_MS => {
                Err(ReportError::Scene)
            }
            _ => Ok(()),
        }
    }

    /// Its name on the wire: `<kind>:<identifier>#<class>.<reason>`, with `@<from>-<to>` where there is a scene.
    #[must_use]
    pub fn target(&self) -> String {
        let (kind, id) = self.subject.parts();
        let scene = self.scene.map(|scene| format!("@{}-{}", scene.from_ms, scene.to_ms));
        format!("{kind}:{id}#{}{}", self.reason.name(), scene.unwrap_or_default())
    }

    fn same(&self, other: &Report) -> bool {
        self.subject == other.subject && self.reason == other.reason
    }
}

fn words_fit(words: &str) -> bool {
    let text = |sign: char| !sign.is_control() || sign == '\n';
    !words.trim().is_empty()
        && words.chars().take(WORDS_CHARS + 1).count() <= WORDS_CHARS
        && words.chars().all(text)
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// It waits or is on its way.
    Waiting,
    /// The backend has it.
    Received,
    /// The backend does not take it.
    Refused {
        /// What it said.
        reason: String,
    },
    /// Somebody decided.
    Decided {
        /// What, in the backend's words.
        outcome: String,
    },
}

/// A report as the person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// What was reported.
    pub report: Report,
    /// When first, in milliseconds since 1970.
    pub at_ms: i64,
    /// How often; one report is sent however often.
    pub taps: u32,
    /// Its receipt: names it at the backend. Empty until it is written into the outbox.
    pub receipt: String,
    /// What became of it.
    pub state: ReportState,
}

/// What came of a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tapped {
    /// It is a new report, to be sent.
    New,
    /// It was reported before.
    Again,
}

/// Why a record is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// It is too long.
    #[error("the record has {0} bytes")]
    TooLong(usize),
    /// A newer core wrote it.
    #[error("the record has version {0}")]
    Version(u32),
    /// It cannot be read, or breaks a bound.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    filed: Vec<Filed>,
}

/// The reports of one person, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Book {
    filed: Vec<Filed>,
}

impl Book {
    /// Somebody taps on report.
    ///
    /// # Errors
    /// [`ReportError`]; nothing is changed then.
    pub fn tap(&mut self, report: &Report, at_ms: i64) -> Result<Tapped, ReportError> {
        report.check()?;
        if let Some(known) = self.filed.iter_mut().find(|filed| filed.report.same(report)) {
            known.taps = known.taps.saturating_add(1);
            return Ok(Tapped::Again);
        }
        if self.filed.len() >= MOST_REPORTS {
            let settled = self.filed.iter().position(|filed| filed.state != ReportState::Waiting);
            self.filed.remove(settled.ok_or(ReportError::Full)?);
        }
        let state = ReportState::Waiting;
        self.filed.push(Filed { report: report.clone(), at_ms, taps: 1, receipt: String::new(), state });
        Ok(Tapped::New)
    }

    /// Reports that are not in the outbox yet.
    pub fn unsent(&self) -> impl Iterator<Item = &Filed> {
        self.filed.iter().filter(|filed| filed.receipt.is_empty())
    }

    /// A report is in the outbox under this name.
    pub fn sent(&mut self, target: &str, receipt: &str) {
        if let Some(filed) = self.of_target(target) {
            receipt.clone_into(&mut filed.receipt);
        }
    }

    /// What the outbox says: `waiting` are the receipts it still holds, `refused` those the backend does not take, and why.
    pub fn settle(&mut self, waiting: &[String], refused: &[(String, String)]) {
        for filed in self.filed.iter_mut().filter(|filed| !filed.receipt.is_empty()) {
            if matches!(filed.state, ReportState::Decided { .. }) {
                continue;
            }
            let why = refused.iter().find(|(receipt, _)| *receipt == filed.receipt);
            filed.state = match why {
                Some((_, reason)) => ReportState::Refused { reason: reason.clone() },
                None if waiting.contains(&filed.receipt) => ReportState::Waiting,
                None => ReportState::Received,
            };
        }
    }

    /// The backend decided about a report. Says whether it is one of these.
    pub fn decided(&mut self, target: &str, outcome: &str) -> bool {
        let filed = self.of_target(target);
        filed.map(|filed| filed.state = ReportState::Decided { outcome: outcome.to_owned() }).is_some()
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn filed(&self) -> &[Filed] {
        &self.filed
    }

    /// The record that outlives the process.
    ///
    /// # Errors
    /// [`BookError::Damaged`], which cannot happen to numbers and bounded texts.
    pub fn record(&self) -> Result<String, BookError> {
        let record = Record { version: VERSION, filed: self.filed.clone() };
        serde_json::to_string(&record).map_err(|e| BookError::Damaged(e.to_string()))
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn read(text: &str) -> Result<Self, BookError> {
        if text.len() > RECORD_BYTES {
            return Err(BookError::TooLong(text.len()));
        }
        let record: Record = serde_json::from_str(text).map_err(|e| BookError::Damaged(e.to_string()))?;
        if record.version != VERSION {
            return Err(BookError::Version(record.version));
        }
        let wrong = record.filed.iter().find_map(|filed| filed.report.check().err());
        match wrong {
            Some(error) => Err(BookError::Damaged(error.to_string())),
            None if record.filed.len() > MOST_REPORTS => Err(BookError::Damaged("too many".into())),
            None => Ok(Book { filed: record.filed }),
        }
    }

    fn of_target(&mut self, target: &str) -> Option<&mut Filed> {
        self.filed.iter_mut().find(|filed| filed.report.target() == target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn report(id: &str, reason: Reason) -> Report {
        Report {
            subject: Subject::Item(id.into()),
            reason,
            scene: Some(Scene { from_ms: 1_200, to_ms: 3_400 }),
            words: None,
        }
    }

    #[test]
    fn a_hundred_taps_are_one_report_with_the_first_scene() {
        let mut book = Book::default();
        let first = report("i1", Reason::MisleadingScam);
        for tap in 0..100 {
            let scene = Some(Scene { from_ms: 1_200 + tap, to_ms: 3_400 + tap });
            let tapped = book.tap(&Report { scene, ..first.clone() }, tap as i64).unwrap();
            assert_eq!(tapped, if tap == 0 { Tapped::New } else { Tapped::Again });
        }
        assert_eq!((book.filed().len(), book.filed()[0].taps), (1, 100));
        assert_eq!(book.unsent().next().unwrap().report.target(), "item:i1#misleading.scam@1200-3400");
        assert_eq!(
            book.tap(&report("i1", Reason::Spam), 1),
            Ok(Tapped::New),
            "another reason is another report"
        );
        let other =
            Report { subject: Subject::Creator("c".into()), reason: Reason::Spam, scene: None, words: None };
        book.tap(&other, 2).unwrap();
        assert_eq!(other.target(), "creator:c#misleading.spam");
        assert_eq!(Book::read(&book.record().unwrap()), Ok(book));
    }

    #[test]
    fn what_became_of_it_is_told() {
        let mut book = Book::default();
        let names = ["a", "b", "c"];
        for name in names {
            let one = report(name, Reason::Spam);
            book.tap(&one, 0).unwrap();
            book.sent(&one.target(), &format!("op-{name}"));
        }
        assert_eq!(book.unsent().count(), 0);
        book.settle(&["op-a".into()], &[("op-b".into(), "no".into())]);
        let states: Vec<_> = book.filed().iter().map(|filed| filed.state.clone()).collect();
        let refused = ReportState::Refused { reason: "no".into() };
        assert_eq!(states, [ReportState::Waiting, refused, ReportState::Received]);
        assert!(book.decided(&report("c", Reason::Spam).target(), "removed"));
        assert!(!book.decided("item:x#misleading.spam", "removed"));
        book.settle(&[], &[]);
        assert_eq!(book.filed()[2].state, ReportState::Decided { outcome: "removed".into() });
    }

    #[test]
    fn bounds_hold_and_the_oldest_that_is_settled_makes_room() {
        let mut book = Book::default();
        for wrong in ["", "a#b", "a@b", &"a".repeat(129)] {
            assert_eq!(book.tap(&report(wrong, Reason::Spam), 0), Err(ReportError::Subject), "{wrong}");
        }
        let backwards = Some(Scene { from_ms: 2, to_ms: 1 });
        let scene = Report { scene: backwards, ..report("i", Reason::Spam) };
        assert_eq!(scene.check(), Err(ReportError::Scene));
        let of_creator = Report { subject: Subject::Creator("c".into()), ..report("i", Reason::Spam) };
        assert_eq!(of_creator.check(), Err(ReportError::Scene));
        let longest = "\"".repeat(WORDS_CHARS);
        for n in 0..MOST_REPORTS {
            let one = report(&format!("{n:0128}"), Reason::SexualWithoutConsent);
            book.tap(&Report { words: Some(longest.clone()), ..one }, 0).unwrap();
        }
        for wrong in ["", " \n", "a\u{7}", &"ß".repeat(WORDS_CHARS + 1)] {
            let one = Report { words: Some(wrong.into()), ..report("i", Reason::Spam) };
            assert_eq!(one.check(), Err(ReportError::Words), "{wrong:?}");
        }
        let most = Report { words: Some("💥".repeat(WORDS_CHARS)), ..report("i", Reason::Spam) };
        assert_eq!(most.check(), Ok(()));
        assert_eq!(book.tap(&report("more", Reason::Spam), 0), Err(ReportError::Full));
        assert!(book.record().unwrap().len() < RECORD_BYTES);
        book.decided(&book.filed()[7].report.target(), "kept");
        assert_eq!(book.tap(&report("more", Reason::Spam), 0), Ok(Tapped::New));
        assert_eq!(book.filed().len(), MOST_REPORTS);
        assert!(
            book.filed().iter().all(|filed| filed.report.target().len() <= 200),
            "as long as servers take"
        );
    }

    #[test]
    fn reasons_have_names_of_their_own_and_records_are_bounded() {
        let names: BTreeSet<&str> = Reason::ALL.iter().map(|(_, name)| *name).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|name| name.split('.').count() == 2));
        assert!(Reason::ALL.iter().all(|(reason, name)| reason.name() == *name));
        assert_eq!(Book::read(r#"{"version":9,"filed":[]}"#), Err(BookError::Version(9)));
        assert!(matches!(Book::read("["), Err(BookError::Damaged(_))));
        let long = " ".repeat(RECORD_BYTES + 1);
        assert_eq!(Book::read(&long), Err(BookError::TooLong(RECORD_BYTES + 1)));
    }
}
