//! What the filter says of a card, and why.

use serde::{Deserialize, Serialize};

use super::settings::HarmClass;

/// Causes told of one card; more add nothing that a person reads.
pub const CAUSES: usize = 16;

/// Who put a label where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a decision comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A label that the rules define.
    Label(LabelOf),
    /// A label that the rules do not define.
    UnknownLabel(LabelOf),
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

/// What a cause does to a card, least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Weight {
    /// It is told.
    Mark,
    /// The card is blurred.
    Blur,
    /// The card is hidden.
    Hide,
}

/// One reason of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Where it comes from.
    pub source: Source,
    /// The label, word, topic, sound or creator.
    pub name: String,
    /// The harm it stands for, where it stands for one.
    pub class: Option<HarmClass>,
    /// What it does.
    pub weight: Weight,
    /// Whether the person may decide otherwise.
    pub overridable: bool,
}

/// What is to be done with a card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Action {
    /// Show it.
    #[default]
    Show,
    /// Show that there is something, and why it is not shown. Nothing of it is fetched before the person reveals it.
    Blur(Cause),
    /// Leave it out. Nothing of it is ever fetched.
    Hide(Cause),
}

/// How a card, or a part of it, is treated in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Treatment {
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

/// How a card is treated in the places the AT Protocol tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Surfaces {
    /// In a list such as a feed.
    pub list: Treatment,
    /// On a page of its own.
    pub view: Treatment,
    /// Its picture and sound, anywhere.
    pub media: Treatment,
}

/// What the filter says of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decision {
    /// What is to be done. The strictest cause decides.
    pub action: Action,
    /// Whether the person may reveal what is blurred.
    pub overridable: bool,
    /// Every cause, strictest first, at most [`CAUSES`].
    pub causes: Vec<Cause>,
    /// It may be shown and must not be spread: nothing brings it to people who did not look for it.
    pub no_amplification: bool,
    /// A way to report it belongs beside it.
    pub offer_report: bool,
    /// The same, place by place.
    pub surfaces: Surfaces,
}

impl Decision {
    /// The decision on an item that the backend took back, whatever the filter says.
    pub(crate) fn withdrawn() -> Self {
        let cause = Cause {
            source: Source::Withdrawn,
            name: String::new(),
            class: None,
            weight: Weight::Hide,
            overridable: false,
        };
        let gone = Treatment { filter: true, blur: true, no_override: true, ..Treatment::default() };
        Decision {
            action: Action::Hide(cause.clone()),
            causes: vec![cause],
            surfaces: Surfaces { list: gone, view: gone, media: gone },
            ..Decision::default()
        }
    }

    /// Whether the backend took the item back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.cause().is_some_and(|cause| cause.source == Source::Withdrawn)
    }

    /// Whether the card is left out.
    #[must_use]
    pub fn hides(&self) -> bool {
        matches!(self.action, Action::Hide(_))
    }

    /// Whether the card is covered until it is revealed.
    #[must_use]
    pub fn blurs(&self) -> bool {
        matches!(self.action, Action::Blur(_))
    }

    /// The cause that decided, where the card is not simply shown.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match &self.action {
            Action::Show => None,
            Action::Blur(cause) | Action::Hide(cause) => Some(cause),
        }
    }
}
