//! What the safety filter says of a card, and why.

use super::settings::Harm;

/// What the safety filter says of a card.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CardSafety {
    /// It is covered: it does not play, and nothing of it is fetched, its still picture neither, before `reveal`.
    pub covered: bool,
    /// Whether `reveal` uncovers it.
    pub revealable: bool,
    /// It left the feed. Cards never come so, only `CardClosed` tells of it, and the current card stands still.
    pub hidden: bool,
    /// Why it is covered or hidden, or what it is to be marked with; strictest first, at most 16.
    pub reasons: Vec<SafetyReason>,
    /// It may be shown to who looked for it, and nothing brings it to anybody else.
    pub no_amplification: bool,
    /// A way to report it belongs beside it.
    pub offer_report: bool,
    /// How it is treated, place by place: what is to be covered of it, and what it is to be marked with.
    pub surfaces: SafetySurfaces,
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
    /// What it does.
    pub weight: SafetyWeight,
    /// Whether the person may decide otherwise.
    pub overridable: bool,
}

/// What a reason does to a card, least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SafetyWeight {
    /// It is told.
    Mark,
    /// The card is blurred.
    Blur,
    /// The card is hidden.
    Hide,
}

/// What a decision comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SafetySource {
    /// A label.
    Label {
        /// Who put it where.
        of: LabelOf,
    },
    /// A label that the rules do not define, which is taken for a warning.
    UnknownLabel {
        /// Who put it where.
        of: LabelOf,
    },
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
    /// A creator the person blocked.
    Blocked,
    /// A creator who blocked the person.
    BlockedBy,
    /// A word, sound, topic, creator or item that the rules name.
    Rule,
    /// The backend took the item back.
    Withdrawn,
    /// The person reported the item.
    HiddenItem,
}

/// Who put a label where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LabelOf {
    /// The backend, on the item.
    Item,
    /// The creator, on the item.
    ItemByCreator,
    /// The backend, on the creator.
    Creator,
    /// The creator, on themselves.
    CreatorByCreator,
}

/// How a card is treated in the places where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SafetySurfaces {
    /// In a list such as a feed, words included.
    pub list: SafetyTreatment,
    /// On a page of its own, words included.
    pub view: SafetyTreatment,
    /// Its picture and sound, anywhere.
    pub media: SafetyTreatment,
}

/// How a card, or a part of it, is treated in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SafetyTreatment {
    /// Left out of lists.
    pub filter: bool,
    /// Covered.
    pub blur: bool,
    /// Marked with a warning.
    pub alert: bool,
    /// Marked with something to know.
    pub inform: bool,
    /// The cover cannot be lifted.
    pub no_override: bool,
}

impl CardSafety {
    /// What is said of a card that is covered now, or is not.
    pub(crate) fn new(decision: unspool::Decision, covered: bool) -> Self {
        CardSafety {
            covered,
            revealable: covered && decision.blurs() && decision.overridable,
            hidden: decision.hides(),
            reasons: decision.causes.into_iter().map(SafetyReason::from).collect(),
            no_amplification: decision.no_amplification,
            offer_report: decision.offer_report,
            surfaces: decision.surfaces.into(),
        }
    }
}

impl From<unspool::Cause> for SafetyReason {
    fn from(cause: unspool::Cause) -> Self {
        let unspool::Cause { source, name, class, weight, overridable } = cause;
        let weight = match weight {
            unspool::Weight::Mark => SafetyWeight::Mark,
            unspool::Weight::Blur => SafetyWeight::Blur,
            unspool::Weight::Hide => SafetyWeight::Hide,
        };
        SafetyReason { source: source.into(), name, harm: class.map(Harm::from), weight, overridable }
    }
}

impl From<unspool::Source> for SafetySource {
    fn from(source: unspool::Source) -> Self {
        use unspool::Source as Core;
        match source {
            Core::Label(of) => SafetySource::Label { of: of.into() },
            Core::UnknownLabel(of) => SafetySource::UnknownLabel { of: of.into() },
            Core::Age => SafetySource::Age,
            Core::MutedWord => SafetySource::MutedWord,
            Core::MutedTopic => SafetySource::MutedTopic,
            Core::MutedSound => SafetySource::MutedSound,
            Core::MutedCreator => SafetySource::MutedCreator,
            Core::Blocked => SafetySource::Blocked,
            Core::BlockedBy => SafetySource::BlockedBy,
            Core::Rule => SafetySource::Rule,
            Core::Withdrawn => SafetySource::Withdrawn,
            Core::HiddenItem => SafetySource::HiddenItem,
        }
    }
}

impl From<unspool::LabelOf> for LabelOf {
    fn from(of: unspool::LabelOf) -> Self {
        match of {
            unspool::LabelOf::Item => LabelOf::Item,
            unspool::LabelOf::ItemByCreator => LabelOf::ItemByCreator,
            unspool::LabelOf::Creator => LabelOf::Creator,
            unspool::LabelOf::CreatorByCreator => LabelOf::CreatorByCreator,
        }
    }
}

impl From<unspool::Surfaces> for SafetySurfaces {
    fn from(surfaces: unspool::Surfaces) -> Self {
        let unspool::Surfaces { list, view, media } = surfaces;
        SafetySurfaces { list: list.into(), view: view.into(), media: media.into() }
    }
}

impl From<unspool::Treatment> for SafetyTreatment {
    fn from(treatment: unspool::Treatment) -> Self {
        let unspool::Treatment { filter, blur, alert, inform, no_override } = treatment;
        SafetyTreatment { filter, blur, alert, inform, no_override }
    }
}
