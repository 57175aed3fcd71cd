//! The safety filter: what it says of a card, and what a person chooses.

use std::collections::BTreeSet;

use unspool::{Action, Source};

/// What the safety filter says of a card.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CardSafety {
    /// It is covered: it does not play and nothing of it is fetched, its thumbnail neither, before `reveal`.
    pub covered: bool,
    /// Whether the person may reveal what is covered.
    pub revealable: bool,
    /// It left the feed; it is still told about because it was on the screen.
    pub hidden: bool,
    /// Why it is covered or hidden, or what it is to be marked with; strictest first.
    pub reasons: Vec<SafetyReason>,
    /// A way to report it belongs beside it.
    pub offer_report: bool,
}

/// One reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SafetyReason {
    /// Where it comes from.
    pub source: SafetySource,
    /// The label, word, topic, sound or creator.
    pub name: String,
    /// The harm it stands for, where it stands for one.
    pub harm: Option<Harm>,
}

/// What a decision comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SafetySource {
    /// A label.
    Label,
    /// A label that nobody defined.
    UnknownLabel,
    /// The person's age.
    Age,
    /// A word the person muted.
    MutedWord,
    /// A topic the person muted.
    MutedTopic,
    /// A sound the person muted.
    MutedSound,
    /// A creator the person muted.
    MutedCreator,
    /// A creator the person blocked, or who blocked the person.
    Blocked,
    /// Something the rules name.
    Rule,
    /// The backend took it back.
    Withdrawn,
}

/// A harm that has choices of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Harm {
    /// Sexual or gruesome.
    Adult,
    /// Fraud and false advertising.
    Scam,
    /// Conspiracy tales.
    Conspiracy,
    /// Propaganda.
    Propaganda,
}

/// What is to become of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SafetyChoice {
    /// It is shown as anything else.
    Show,
    /// It is blurred, or marked where there is nothing to blur.
    Warn,
    /// It is not shown.
    Hide,
}

/// How old the person is, as far as the app knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum AgeBand {
    /// Nobody said; what is for adults only stays hidden.
    Unknown,
    /// Below 16.
    Under16,
    /// 16 or 17.
    Teen,
    /// 18 or more.
    Adult,
}

/// What the person chose of one harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct HarmChoice {
    /// The harm.
    pub harm: Harm,
    /// What is to become of it.
    pub choice: SafetyChoice,
}

/// What the person chose of one label.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LabelChoice {
    /// The label, 1 to 128 bytes.
    pub label: String,
    /// What is to become of it.
    pub choice: SafetyChoice,
}

/// A word or phrase that is not to be seen.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MutedWord {
    /// The word, 1 to 640 bytes.
    pub value: String,
    /// Looked for in tags alone, not in captions.
    #[uniffi(default = false)]
    pub tags_only: bool,
    /// Items of creators whom the person follows are spared.
    #[uniffi(default = false)]
    pub except_followed: bool,
    /// Milliseconds since 1970 after which it counts no more.
    #[uniffi(default = None)]
    pub expires_at_ms: Option<i64>,
}

/// Everything a person chose of the safety filter. It stays on the device.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SafetySettings {
    /// How old the person is.
    pub age: AgeBand,
    /// Whether an adult asked for what is for adults only. Without effect for anybody else.
    #[uniffi(default = false)]
    pub adult_content: bool,
    /// Choices by harm; what is not named keeps its default.
    #[uniffi(default = [])]
    pub harms: Vec<HarmChoice>,
    /// Choices by label, which come before those by harm.
    #[uniffi(default = [])]
    pub labels: Vec<LabelChoice>,
    /// Muted words, at most 1,000.
    #[uniffi(default = [])]
    pub words: Vec<MutedWord>,
    /// Muted topics, at most 5,000.
    #[uniffi(default = [])]
    pub topics: Vec<String>,
    /// Muted sounds, at most 5,000.
    #[uniffi(default = [])]
    pub sounds: Vec<String>,
    /// Muted creators, at most 5,000.
    #[uniffi(default = [])]
    pub creators: Vec<String>,
    /// Blocked creators, at most 5,000. `setBlocked` tells the backend too.
    #[uniffi(default = [])]
    pub blocked: Vec<String>,
}

impl CardSafety {
    /// What is said of a card that is covered now, or is not.
    pub(crate) fn new(decision: unspool::Decision, covered: bool) -> Self {
        CardSafety {
            covered,
            revealable: covered && decision.blurs() && decision.overridable,
            hidden: matches!(decision.action, Action::Hide(_)),
            reasons: decision.causes.into_iter().map(SafetyReason::from).collect(),
            offer_report: decision.offer_report,
        }
    }
}

impl From<unspool::Cause> for SafetyReason {
    fn from(cause: unspool::Cause) -> Self {
        let source = match cause.source {
            Source::Label(_) => SafetySource::Label,
            Source::UnknownLabel(_) => SafetySource::UnknownLabel,
            Source::Age => SafetySource::Age,
            Source::MutedWord => SafetySource::MutedWord,
            Source::MutedTopic => SafetySource::MutedTopic,
            Source::MutedSound => SafetySource::MutedSound,
            Source::MutedCreator => SafetySource::MutedCreator,
            Source::Blocked | Source::BlockedBy => SafetySource::Blocked,
            Source::Rule => SafetySource::Rule,
            Source::Withdrawn => SafetySource::Withdrawn,
        };
        SafetyReason { source, name: cause.name, harm: cause.class.map(Harm::from) }
    }
}

/// Both ways between two enums of the same cases.
macro_rules! same_cases {
    ($here:ident, $there:ty, $($case:ident),+) => {
        impl From<$there> for $here {
            fn from(there: $there) -> Self {
                match there { $(<$there>::$case => $here::$case),+ }
            }
        }
        impl From<$here> for $there {
            fn from(here: $here) -> Self {
                match here { $($here::$case => <$there>::$case),+ }
            }
        }
    };
}

same_cases!(Harm, unspool::HarmClass, Adult, Scam, Conspiracy, Propaganda);
same_cases!(SafetyChoice, unspool::Choice, Show, Warn, Hide);
same_cases!(AgeBand, unspool::AgeBand, Unknown, Under16, Teen, Adult);

impl From<unspool::SafetySettings> for SafetySettings {
    fn from(settings: unspool::SafetySettings) -> Self {
        let list = |names: BTreeSet<String>| names.into_iter().collect();
        let harm = |(harm, choice): (unspool::HarmClass, unspool::Choice)| HarmChoice {
            harm: harm.into(),
            choice: choice.into(),
        };
        let label = |(label, choice): (String, unspool::Choice)| LabelChoice { label, choice: choice.into() };
        let word = |w: unspool::MutedWord| MutedWord {
            value: w.value,
            tags_only: w.tags_only,
            except_followed: w.except_followed,
            expires_at_ms: w.expires_at_ms,
        };
        SafetySettings {
            age: settings.age.into(),
            adult_content: settings.adult_content,
            harms: settings.classes.into_iter().map(harm).collect(),
            labels: settings.labels.into_iter().map(label).collect(),
            words: settings.words.into_iter().map(word).collect(),
            topics: list(settings.topics),
            sounds: list(settings.sounds),
            creators: list(settings.creators),
            blocked: list(settings.blocked),
        }
    }
}

impl From<SafetySettings> for unspool::SafetySettings {
    fn from(settings: SafetySettings) -> Self {
        let word = |w: MutedWord| unspool::MutedWord {
            value: w.value,
            tags_only: w.tags_only,
            except_followed: w.except_followed,
            expires_at_ms: w.expires_at_ms,
        };
        unspool::SafetySettings {
            age: settings.age.into(),
            adult_content: settings.adult_content,
            classes: settings.harms.into_iter().map(|h| (h.harm.into(), h.choice.into())).collect(),
            labels: settings.labels.into_iter().map(|l| (l.label, l.choice.into())).collect(),
            words: settings.words.into_iter().map(word).collect(),
            topics: settings.topics.into_iter().collect(),
            sounds: settings.sounds.into_iter().collect(),
            creators: settings.creators.into_iter().collect(),
            blocked: settings.blocked.into_iter().collect(),
        }
    }
}
