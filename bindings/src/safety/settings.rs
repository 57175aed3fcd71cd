//! What a person chooses of the safety filter.

use std::collections::BTreeSet;

/// Everything a person chose of the safety filter. It stays on the device.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SafetySettings {
    /// How old the person is, as far as the app knows.
    pub age: AgeBand,
    /// Whether an adult asked for what is for adults only. Without effect for anybody else.
    #[uniffi(default = false)]
    pub adult_content: bool,
    /// Choices by harm; what is not named keeps the default of each label. Of two for one harm the last counts.
    #[uniffi(default = [])]
    pub harms: Vec<HarmChoice>,
    /// Choices by label, which come before those by harm, at most 5,000. Of two for one label the last counts.
    #[uniffi(default = [])]
    pub labels: Vec<LabelChoice>,
    /// Muted words, at most 1,000.
    #[uniffi(default = [])]
    pub words: Vec<MutedWord>,
    /// Muted topics by identifier, at most 5,000.
    #[uniffi(default = [])]
    pub topics: Vec<String>,
    /// Muted sounds by identifier, at most 5,000.
    #[uniffi(default = [])]
    pub sounds: Vec<String>,
    /// Muted creators by identifier, at most 5,000.
    #[uniffi(default = [])]
    pub creators: Vec<String>,
    /// Blocked creators by identifier, at most 5,000. `setBlocked` tells the backend too.
    #[uniffi(default = [])]
    pub blocked: Vec<String>,
}

/// How old the person is, as far as the app knows. It decides what may be shown and is no input of any learner.
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

/// A harm that has choices of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Harm {
    /// Sexual or gruesome.
    Adult,
    /// Fraud and false advertising.
    Scam,
    /// Conspiracy tales.
    Conspiracy,
    /// Propaganda, of states above all.
    Propaganda,
    /// Lights that flash, which can bring on seizures. Covered until it is revealed where nothing else was chosen.
    Flashing,
}

/// What is to become of something, least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SafetyChoice {
    /// It is shown as anything else.
    Show,
    /// It is blurred, or marked where there is nothing to blur.
    Warn,
    /// It is not shown.
    Hide,
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

/// Conversions both ways between two enums of the same cases.
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

same_cases!(Harm, unspool::HarmClass, Adult, Scam, Conspiracy, Propaganda, Flashing);
same_cases!(SafetyChoice, unspool::Choice, Show, Warn, Hide);
same_cases!(AgeBand, unspool::AgeBand, Unknown, Under16, Teen, Adult);

impl From<unspool::SafetySettings> for SafetySettings {
    fn from(settings: unspool::SafetySettings) -> Self {
        let unspool::SafetySettings {
            age,
            adult_content,
            classes,
            labels,
            words,
            topics,
            sounds,
            creators,
            blocked,
        } = settings;
        let list = |names: BTreeSet<String>| names.into_iter().collect();
        let harm = |(harm, choice): (unspool::HarmClass, unspool::Choice)| HarmChoice {
            harm: harm.into(),
            choice: choice.into(),
        };
        let label = |(label, choice): (String, unspool::Choice)| LabelChoice { label, choice: choice.into() };
        SafetySettings {
            age: age.into(),
            adult_content,
            harms: classes.into_iter().map(harm).collect(),
            labels: labels.into_iter().map(label).collect(),
            words: words.into_iter().map(MutedWord::from).collect(),
            topics: list(topics),
            sounds: list(sounds),
            creators: list(creators),
            blocked: list(blocked),
        }
    }
}

impl From<SafetySettings> for unspool::SafetySettings {
    fn from(settings: SafetySettings) -> Self {
        let SafetySettings { age, adult_content, harms, labels, words, topics, sounds, creators, blocked } =
            settings;
        unspool::SafetySettings {
            age: age.into(),
            adult_content,
            classes: harms.into_iter().map(|h| (h.harm.into(), h.choice.into())).collect(),
            labels: labels.into_iter().map(|l| (l.label, l.choice.into())).collect(),
            words: words.into_iter().map(unspool::MutedWord::from).collect(),
            topics: topics.into_iter().collect(),
            sounds: sounds.into_iter().collect(),
            creators: creators.into_iter().collect(),
            blocked: blocked.into_iter().collect(),
        }
    }
}

impl From<unspool::MutedWord> for MutedWord {
    fn from(word: unspool::MutedWord) -> Self {
        let unspool::MutedWord { value, tags_only, except_followed, expires_at_ms } = word;
        MutedWord { value, tags_only, except_followed, expires_at_ms }
    }
}

impl From<MutedWord> for unspool::MutedWord {
    fn from(word: MutedWord) -> Self {
        let MutedWord { value, tags_only, except_followed, expires_at_ms } = word;
        unspool::MutedWord { value, tags_only, except_followed, expires_at_ms }
    }
}
