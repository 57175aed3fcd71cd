//! An event as the session hands it over, and the bounds it must keep.

use serde::{Deserialize, Serialize};
use unspool_engine::schema::{self, Given, Misfit, Worth};

/// Most attributes of one event: a view carries about 20, and a collector indexes each key.
pub const MAX_ATTRIBUTES: usize = 64;
/// Longest event name, attribute key or session identifier, in bytes.
pub const MAX_KEY_BYTES: usize = 64;
/// Longest text value, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// How precious an event is when space runs out. Class A, what the person does, has an outbox of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Views and watch time: dropped last.
    B,
    /// Quality of playback and progress: dropped first.
    C,
}

impl From<Worth> for Class {
    fn from(worth: Worth) -> Self {
        match worth {
            Worth::B => Class::B,
            Worth::C => Class::C,
        }
    }
}

impl Class {
    pub(crate) fn code(self) -> i64 {
        match self {
            Class::B => 1,
            Class::C => 2,
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Text of at most [`MAX_TEXT_BYTES`].
    Str(String),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

impl Value {
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Value::Str(text) => text.len(),
            _ => 0,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Value::Bool(yes)
    }
}

/// One thing that happened, ready to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened, for example `unspool.impression`.
    pub name: String,
    /// When, in milliseconds since 1970.
    pub wall_ms: i64,
    /// The session it happened in.
    pub session: String,
    /// How precious it is.
    pub class: Class,
    /// What is known about it. The keys `seq` and `session` are taken.
    pub attributes: Vec<(String, Value)>,
}

/// Why an event was not recorded. It is a mistake of the caller, and recording it again will not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The event has no name, or one longer than [`MAX_KEY_BYTES`].
    #[error("the event name must have 1 to {MAX_KEY_BYTES} bytes: use a short dotted name")]
    Name,
    /// The session identifier is longer than [`MAX_KEY_BYTES`].
    #[error("the session identifier has more than {MAX_KEY_BYTES} bytes: use a uuid")]
    Session,
    /// There are more than [`MAX_ATTRIBUTES`].
    #[error("the event has more than {MAX_ATTRIBUTES} attributes: leave some out")]
    TooManyAttributes,
    /// A key is empty, longer than [`MAX_KEY_BYTES`], used twice, or one of the two the spool writes.
    #[error("attribute {index} has a key that is empty, too long, repeated or reserved: rename it")]
    Key {
        /// Which attribute, from zero.
        index: usize,
    },
    /// A text is longer than [`MAX_TEXT_BYTES`].
    #[error("attribute {index} has more than {MAX_TEXT_BYTES} bytes of text: shorten it")]
    TextTooLong {
        /// Which attribute, from zero.
        index: usize,
    },
    /// It is not in the compiled schema, or does not keep to it.
    #[error("{0}")]
    Schema(Misfit),
    /// A number is infinite or not a number.
    #[error("attribute {index} is not a finite number: leave it out")]
    NotFinite {
        /// Which attribute, from zero.
        index: usize,
    },
}

impl Event {
    /// Checks every bound above.
    ///
    /// # Errors
    /// The first bound that is broken.
    pub fn check(&self) -> Result<(), EventError> {
        if self.name.is_empty() || self.name.len() > MAX_KEY_BYTES {
            return Err(EventError::Name);
        }
        if self.session.len() > MAX_KEY_BYTES {
            return Err(EventError::Session);
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(EventError::TooManyAttributes);
        }
        for (index, (key, value)) in self.attributes.iter().enumerate() {
            let repeated = self.attributes[..index].iter().any(|(other, _)| other == key);
            if key.is_empty() || key.len() > MAX_KEY_BYTES || repeated || key == "seq" || key == "session" {
                return Err(EventError::Key { index });
            }
            match value {
                Value::Str(text) if text.len() > MAX_TEXT_BYTES => {
                    return Err(EventError::TextTooLong { index });
                }
                Value::Float(number) if !number.is_finite() => return Err(EventError::NotFinite { index }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks it against the compiled [schema].
    ///
    /// # Errors
    /// [`EventError::Schema`], also when its class is not that of its kind.
    pub fn check_schema(&self) -> Result<(), EventError> {
        let schema = schema::find(&self.name).filter(|schema| Class::from(schema.worth) == self.class);
        let schema = schema.ok_or(EventError::Schema(Misfit::Kind))?;
        let given = self.attributes.iter().map(|(key, value)| {
            let value = match value {
                Value::Str(text) => Given::Text(text),
                Value::Int(number) => Given::Int(*number),
                Value::Float(number) => Given::Float(*number),
                Value::Bool(yes) => Given::Bool(*yes),
            };
            (key.as_str(), value)
        });
        schema.check(given).map_err(EventError::Schema)
    }

    /// The same event with `key` set to `value`, replacing what it had.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        match self.attributes.iter_mut().find(|(other, _)| other == key) {
            Some(slot) => slot.1 = value,
            None => self.attributes.push((key.to_owned(), value)),
        }
        self
    }
}
