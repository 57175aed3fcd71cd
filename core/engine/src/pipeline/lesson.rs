//! What a pipeline is told.

use crate::breaker::{Answer, Moment};
use crate::learner::Viewing;

use super::Facts;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Lesson {
    /// A profiled feed was opened.
    Opened,
    /// A clip could be shown from now on.
    Offered {
        /// Its topics.
        topics: Vec<String>,
        /// How well it was likely to be watched, 0 to 1.
        merit: f64,
    },
    /// A clip got a place that does not move any more.
    Placed {
        /// Its topics.
        topics: Vec<String>,
    },
    /// Somebody watched a clip, or said something of it.
    Viewed(Box<Lived>),
    /// The person answered the offer of a way out.
    Answered(Answer),
}

/// One viewing that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Lived {
    /// What was shown.
    pub clip: Facts,
    /// What the person did.
    pub viewing: Viewing,
    /// When it ended; `None` for a word about a clip whose viewing was told before.
    pub moment: Option<Moment>,
}
