//! What the app tells about the person and the device: events, what is done with a card, agreement, power.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::feed::Feed;
use crate::session::Unspool;

/// One attribute of an event. Keys and types are those of the compiled schema.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Attribute {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum AttributeValue {
    /// Words.
    Text {
        /// The words.
        value: String,
    },
    /// A whole number.
    Int {
        /// The number.
        value: i64,
    },
    /// A finite number.
    Float {
        /// The number.
        value: f64,
    },
    /// Yes or no.
    Bool {
        /// Whether it is so.
        value: bool,
    },
}

impl From<Attribute> for (String, unspool::spool::Value) {
    fn from(attribute: Attribute) -> Self {
        use unspool::spool::Value;
        let value = match attribute.value {
            AttributeValue::Text { value } => Value::Str(value),
            AttributeValue::Int { value } => Value::Int(value),
            AttributeValue::Float { value } => Value::Float(value),
            AttributeValue::Bool { value } => Value::Bool(value),
        };
        (attribute.key, value)
    }
}

/// What telemetry may be collected for, beyond doing what the person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Purpose {
    /// To choose what is shown.
    Personalisation,
    /// To count what was watched, for creators and rights.
    Measurement,
    /// To find out how well playback works.
    Quality,
}

impl From<Purpose> for unspool::Purpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Personalisation => unspool::Purpose::Personalisation,
            Purpose::Measurement => unspool::Purpose::Measurement,
            Purpose::Quality => unspool::Purpose::Quality,
        }
    }
}

/// Agreement to some purposes and to no other.
pub(crate) fn consent_to(purposes: Vec<Purpose>) -> unspool::Consent {
    purposes.into_iter().fold(unspool::Consent::none(), |so_far, to| so_far.with(to.into()))
}

/// What the person does with the card on the screen, which the core cannot see.
#[derive(Debug, Clone, Copy, PartialEq, uniffi::Enum)]
pub enum ViewerAction {
    /// Tapped something.
    Tapped {
        /// What.
        tap: Tap,
    },
    /// Moved the playhead with the app's own player.
    Sought,
    /// Silenced it, or gave it sound; holds for the cards after it too.
    Muted {
        /// Whether it is silent.
        muted: bool,
    },
    /// Plays it at another speed; holds for the cards after it too.
    Rate {
        /// 1 as recorded.
        rate: f64,
    },
    /// Left the card without a swipe; the viewing ends.
    Left {
        /// Where to.
        place: Place,
    },
    /// Came back to it; another viewing begins.
    Returned,
}

/// What a tap was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Tap {
    /// Two taps on the picture.
    Double,
    /// The heart.
    Like,
    /// The comments.
    Comment,
    /// Sharing.
    Share,
    /// Keeping it for later.
    Save,
    /// Following the creator.
    Follow,
    /// The creator.
    Profile,
    /// The sound.
    Sound,
    /// The caption, to read on.
    Caption,
    /// A product.
    Product,
    /// A gift.
    Gift,
    /// "Why this video".
    Why,
    /// Anything else.
    Other,
}

/// Where a person goes without a swipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Place {
    /// The comments.
    Comments,
    /// A profile.
    Profile,
    /// Sharing.
    Share,
}

impl From<Tap> for unspool::Tap {
    fn from(tap: Tap) -> Self {
        match tap {
            Tap::Double => unspool::Tap::Double,
            Tap::Like => unspool::Tap::Like,
            Tap::Comment => unspool::Tap::Comment,
            Tap::Share => unspool::Tap::Share,
            Tap::Save => unspool::Tap::Save,
            Tap::Follow => unspool::Tap::Follow,
            Tap::Profile => unspool::Tap::Profile,
            Tap::Sound => unspool::Tap::Sound,
            Tap::Caption => unspool::Tap::Caption,
            Tap::Product => unspool::Tap::Product,
            Tap::Gift => unspool::Tap::Gift,
            Tap::Why => unspool::Tap::Why,
            Tap::Other => unspool::Tap::Other,
        }
    }
}

impl From<ViewerAction> for unspool::Viewer {
    fn from(action: ViewerAction) -> Self {
        match action {
            ViewerAction::Tapped { tap } => unspool::Viewer::Tapped(tap.into()),
            ViewerAction::Sought => unspool::Viewer::Sought,
            ViewerAction::Muted { muted } => unspool::Viewer::Muted(muted),
            ViewerAction::Rate { rate } => unspool::Viewer::Rate(rate),
            ViewerAction::Left { place } => unspool::Viewer::Left(match place {
                Place::Comments => unspool::Exit::Comments,
                Place::Profile => unspool::Exit::Profile,
                Place::Share => unspool::Exit::Share,
            }),
            ViewerAction::Returned => unspool::Viewer::Returned,
        }
    }
}

#[uniffi::export]
impl Unspool {
    /// Records something the person did that the core cannot see: a share, a search, a report. Name and attributes are
    /// those of the compiled schema; anything else fails with `Config`. Returns at once; on disk a twentieth of a second
    /// later at most. What the person did not agree to is not recorded.
    pub fn record(&self, name: String, attributes: Vec<Attribute>) -> Result<(), UnspoolError> {
        Ok(self.core.record(&name, attributes.into_iter().map(Into::into).collect())?)
    }

    /// The same, and on disk when it returns; `false` when the person did not agree to it, and nothing was recorded.
    #[uniffi::method(default(cancel = None))]
    pub async fn record_durable(
        &self,
        name: String,
        attributes: Vec<Attribute>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<bool, UnspoolError> {
        let attributes = attributes.into_iter().map(Into::into).collect();
        unless_cancelled(cancel, self.core.record_durable(&name, attributes)).await
    }

    /// The person agreed to these purposes and to no other. From here on nothing else is recorded, and what was recorded
    /// for other purposes and not sent is deleted; done when it returns. Give it to the next session's configuration too.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_consent(
        &self,
        purposes: Vec<Purpose>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.set_consent(consent_to(purposes))).await
    }

    /// Deletes all telemetry of this device that was not sent, under every account, and asks the backend to delete what it
    /// was sent from here. A new identifier begins. Likes, comments and payments are not telemetry and stay.
    #[uniffi::method(default(cancel = None))]
    pub async fn erase_telemetry(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.erase_telemetry()).await
    }

    /// Tells the session whether the device is roaming and whether its battery is low or being saved. Telemetry waits then,
    /// unless its queue is filling up; what the person does is sent all the same. Returns at once.
    pub fn set_power(&self, roaming: bool, low_power: bool) {
        self.core.set_power(roaming, low_power);
    }
}

#[uniffi::export]
impl Feed {
    /// Tells what the person does with the card on the screen. It stands in the record of the viewing. Returns at once.
    pub fn viewer(&self, action: ViewerAction) -> Result<(), UnspoolError> {
        Ok(self.core.viewer(action.into())?)
    }
}
