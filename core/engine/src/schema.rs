//! What may be told about a person, compiled in: every kind of event, its attributes, and who may see them.
//!
//! An event is checked on the device before it is written: a kind that is not listed, an attribute that is not the
//! kind's, another type or a longer text is refused, so nothing leaves by accident that nobody decided to send. The list
//! is the contract with whoever reads the collector; it only grows.
//!
//! Privacy classes say what an attribute tells. Nothing here may hold a name, an address or a contact of the person.

mod kinds;

pub use kinds::{ALL, IMPRESSION};
use serde::{Deserialize, Serialize};

/// Why an event is collected. Consent is given and withdrawn for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To do what the person asked for: money, reports, well-being. Not optional while the service is used.
    Service,
    /// To choose what is shown.
    Personalisation,
    /// To count what was watched, for creators and rights.
    Measurement,
    /// To find out how well playback works.
    Quality,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 4] =
        [Purpose::Service, Purpose::Personalisation, Purpose::Measurement, Purpose::Quality];

    /// The number it is stored under; never changes.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Purpose::Service => 0,
            Purpose::Personalisation => 1,
            Purpose::Measurement => 2,
            Purpose::Quality => 3,
        }
    }
}

/// The purposes a person agreed to. [`Purpose::Service`] is always among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent(u8);

impl Consent {
    /// Agreed to everything.
    #[must_use]
    pub fn all() -> Self {
        Purpose::ALL.into_iter().fold(Consent::none(), Consent::with)
    }

    /// Agreed to nothing beyond the service itself.
    #[must_use]
    pub fn none() -> Self {
        Consent(1 << Purpose::Service.code())
    }

    /// As before, and to this.
    #[must_use]
    pub fn with(self, purpose: Purpose) -> Self {
        Consent(self.0 | 1 << purpose.code())
    }

    /// As before, but not to this; [`Purpose::Service`] stays.
    #[must_use]
    pub fn without(self, purpose: Purpose) -> Self {
        Consent((self.0 & !(1 << purpose.code())) | Consent::none().0)
    }

    /// Whether events of this purpose may be collected.
    #[must_use]
    pub fn covers(self, purpose: Purpose) -> bool {
        self.0 & (1 << purpose.code()) != 0
    }

    /// One bit a purpose, at the place of its code.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }

    /// From [`bits`](Consent::bits); unknown bits are dropped and the service is added.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        Consent((bits & Consent::all().0) | Consent::none().0)
    }
}

/// How precious an event is when space runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Impressions and actions: given up last, by sampling.
    B,
    /// Quality and progress: given up first.
    C,
}

/// What an attribute tells about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privacy {
    /// About the device, the network or the app.
    Technical,
    /// Which public content it was.
    Content,
    /// What the person did.
    Behaviour,
    /// Text the person wrote.
    Written,
}

/// The type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most so many bytes.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number, zero or more.
    Count,
    /// A finite number.
    Number,
    /// Yes or no.
    Flag,
}

/// One attribute of a kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its key on the wire.
    pub key: &'static str,
    /// Its type and bound.
    pub kind: Kind,
    /// What it tells.
    pub privacy: Privacy,
    /// Whether every event of the kind has it.
    pub required: bool,
}

/// One kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Its name on the wire.
    pub name: &'static str,
    /// Why it is collected.
    pub purpose: Purpose,
    /// How precious it is.
    pub worth: Worth,
    /// What it may carry.
    pub attributes: &'static [Attribute],
}

/// A value as it is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Given<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// Why an event does not fit its schema. A mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// No such kind.
    #[error("no event of this name is in the schema")]
    Kind,
    /// The kind has no such attribute, or it is given twice.
    #[error("attribute {index} is not one of this event, or is given twice")]
    Unknown {
        /// Which, from zero.
        index: usize,
    },
    /// Another type, a number below zero, or a word that is not listed.
    #[error("attribute {index} has a value that its type does not allow")]
    Type {
        /// Which, from zero.
        index: usize,
    },
    /// Too long a text.
    #[error("attribute {index} has a text that is too long")]
    Long {
        /// Which, from zero.
        index: usize,
    },
    /// An attribute is missing.
    #[error("attribute '{key}' is missing")]
    Missing {
        /// Which.
        key: &'static str,
    },
}

/// The schema of a kind of event, by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Schema> {
    ALL.iter().find(|schema| schema.name == name)
}

impl Schema {
    /// Checks what an event of this kind carries.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check<'a>(&self, given: impl Iterator<Item = (&'a str, Given<'a>)>) -> Result<(), Misfit> {
        // One bit an attribute: no kind has more than 64, which a test holds.
        let mut seen = 0u64;
        for (index, (key, value)) in given.enumerate() {
            let at = self.attributes.iter().position(|known| known.key == key);
            let Some((at, known)) = at.and_then(|at| Some((at, self.attributes.get(at)?))) else {
                return Err(Misfit::Unknown { index });
            };
            if seen & (1 << at) != 0 {
                return Err(Misfit::Unknown { index });
            }
            seen |= 1 << at;
            match (known.kind, value) {
                (Kind::Text(max), Given::Text(text)) if text.len() > max => {
                    return Err(Misfit::Long { index });
                }
                (Kind::Word(words), Given::Text(text)) if !words.contains(&text) => {
                    return Err(Misfit::Type { index });
                }
                (Kind::Text(_) | Kind::Word(_), Given::Text(_)) | (Kind::Flag, Given::Bool(_)) => {}
                (Kind::Count, Given::Int(n)) if n >= 0 => {}
                (Kind::Number, Given::Float(x)) if x.is_finite() => {}
                (Kind::Number, Given::Int(_)) => {}
                _ => return Err(Misfit::Type { index }),
            }
        }
        let missing =
            self.attributes.iter().enumerate().find(|(at, known)| known.required && seen & (1 << at) == 0);
        missing.map_or(Ok(()), |(_, known)| Err(Misfit::Missing { key: known.key }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_well_formed() {
        for (at, schema) in ALL.iter().enumerate() {
            assert!(schema.name.starts_with("unspool.") && schema.name.len() <= 64);
            assert!(ALL[..at].iter().all(|other| other.name != schema.name), "{}", schema.name);
            assert!(schema.attributes.len() <= 64, "one bit each");
            for (n, attribute) in schema.attributes.iter().enumerate() {
                assert!(schema.attributes[..n].iter().all(|other| other.key != attribute.key));
                assert!(!["seq", "session"].contains(&attribute.key), "the spool writes these");
                if let Kind::Text(max) = attribute.kind {
                    assert!(max <= 1_024);
                }
                if attribute.privacy == Privacy::Written {
                    assert!(schema.purpose != Purpose::Quality, "quality needs nobody's words");
                }
            }
        }
    }

    #[test]
    fn only_what_is_listed_passes() {
        let share = find("unspool.share").unwrap();
        let check = |given: &[(&str, Given<'_>)]| share.check(given.iter().copied());
        let item = ("item", Given::Text("i"));
        assert_eq!(check(&[item, ("target", Given::Text("copy_link"))]), Ok(()));
        assert_eq!(check(&[item]), Err(Misfit::Missing { key: "target" }));
        assert_eq!(check(&[item, ("to", Given::Text("mum"))]), Err(Misfit::Unknown { index: 1 }));
        assert_eq!(check(&[item, item]), Err(Misfit::Unknown { index: 1 }));
        assert_eq!(check(&[item, ("target", Given::Text("carrier pigeon"))]), Err(Misfit::Type { index: 1 }));
        assert_eq!(check(&[("item", Given::Int(3))]), Err(Misfit::Type { index: 0 }));
        assert_eq!(check(&[item, ("position", Given::Int(-1))]), Err(Misfit::Type { index: 1 }));
        let long = "x".repeat(129);
        assert_eq!(check(&[("item", Given::Text(&long))]), Err(Misfit::Long { index: 0 }));
        assert_eq!(find("unspool.contacts"), None);
    }

    #[test]
    fn consent_is_by_purpose_and_the_service_stays() {
        let some = Consent::none().with(Purpose::Quality);
        assert!(some.covers(Purpose::Quality) && some.covers(Purpose::Service));
        assert!(!some.covers(Purpose::Measurement));
        assert!(some.without(Purpose::Service).covers(Purpose::Service));
        assert_eq!(Consent::from_bits(0xff), Consent::all());
        assert_eq!(Consent::from_bits(some.bits()), some);
    }
}
