//! Plays a tape back.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;

use super::{Fact, Line, ReplayError, VERSION, Wrote};
use crate::session::Engine;

/// What came of playing a tape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Feeds on it.
    pub feeds: usize,
    /// Facts that were told.
    pub facts: u64,
    /// Effects that came again, each as it was written.
    pub effects: u64,
    /// Bytes of these effects.
    pub bytes: u64,
    /// The first effect that was another one, or was missing, or was too many. Nothing after it was played.
    pub difference: Option<Difference>,
}

/// Where a replay parts from its tape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Line of the tape, from 1.
    pub line: usize,
    /// What stands there; none where the tape has no more.
    pub wrote: Option<String>,
    /// What the engine did; none where it did nothing.
    pub did: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    unspool_tape: u32,
}

#[derive(Default)]
struct Feed {
    engine: Option<Engine>,
    /// What the engine did that the tape has not shown yet: a driver may tell it several things in a turn.
    ahead: VecDeque<String>,
    ended: bool,
}

impl Feed {
    fn drain(&mut self) {
        if let Some(engine) = &mut self.engine {
            while let Some(effect) = engine.poll_output() {
                self.ahead.push_back(format!("{effect:?}"));
            }
        }
    }
}

/// Plays the lines of a tape: every fact is told to a new engine, and every effect compared with the one that was written.
/// A tape whose end was lost is played as far as it goes; a last line that was cut short counts as lost.
///
/// # Errors
/// [`ReplayError`] for what is no tape; what the engine does otherwise is no error but a [`Difference`].
pub fn replay<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Replayed, ReplayError> {
    let mut lines = lines.into_iter().enumerate().map(|(n, line)| (n + 1, line)).peekable();
    let header: Header =
        lines.next().and_then(|(_, line)| serde_json::from_str(line).ok()).ok_or(ReplayError::NoTape)?;
    if header.unspool_tape != VERSION {
        return Err(ReplayError::Version(header.unspool_tape));
    }
    let mut feeds: BTreeMap<u64, Feed> = BTreeMap::new();
    let (mut done, mut last) = (Replayed::default(), 1);
    while let Some((number, text)) = lines.next() {
        last = number;
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(_) if lines.peek().is_none() => break,
            Err(e) => return Err(ReplayError::Line { number, reason: e.to_string() }),
        };
        let feed = feeds.entry(line.feed).or_default();
        match line.wrote {
            Wrote::Told(fact) => {
                feed.ended = matches!(fact, Fact::End { .. });
                fact.tell(&mut feed.engine)?;
                feed.drain();
                done.facts += 1;
            }
            Wrote::Did(wrote) => match feed.ahead.pop_front() {
                Some(did) if did == wrote => {
                    done.effects += 1;
                    done.bytes += wrote.len() as u64;
                }
                did => {
                    done.difference = Some(Difference { line: number, wrote: Some(wrote), did });
                    break;
                }
            },
        }
    }
    done.feeds = feeds.len();
    if done.difference.is_none() {
        // A feed that ended was drained; another one may have been cut off.
        let left = feeds.values_mut().filter(|feed| feed.ended).find_map(|feed| feed.ahead.pop_front());
        done.difference = left.map(|did| Difference { line: last + 1, wrote: None, did: Some(did) });
    }
    Ok(done)
}
