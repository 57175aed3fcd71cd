//! The loop breaker: no topic takes over, and when somebody is going round in circles the feed says so.
//!
//! Two stages. [`arrange`] puts candidates in an order that keeps a hard bound on every topic, however the server or the
//! learner scores them; where nothing fits it offers nothing and asks for breadth, rather than one card too many. [`Detector`]
//! watches how the session goes and, when the signs add up, brings another topic and then offers a way out. It never acts
//! without a word the app can show.
//!
//! Both are pure: cards are borrowed, the hour and the length of the session are arguments. Only what is not buffered yet may
//! move: cards that are fixed come in as what stands before the candidates.

mod arrange;
mod detector;
#[cfg(test)]
mod tests;

pub use arrange::{Arrangement, Card, Held, Mode, Rule, Thin, arrange, breaches};
pub(crate) use detector::Kept as DetectorState;
pub use detector::{Answer, Choice, Detector, LoopReport, LoopState, Moment, Sign, Word};

/// One topic under all its spellings: a server that writes it in capitals does not get a second share of the feed.
pub(crate) fn plain(topic: &str) -> std::borrow::Cow<'_, str> {
    let topic = topic.trim();
    if topic.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        topic.into()
    } else {
        topic.to_lowercase().into()
    }
}
