//! Segments of transport stream as fragments: turned when they are read, whole, with headers made from the first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Assembled, OPEN, broken};
use crate::remux::{self, Clip};
use crate::segments::plan::Slot;
use crate::source::ReadError;

/// Bytes of a transport stream that are turned into a fragment. 32 MiB: ten seconds at 25 Mbit/s.
const LARGEST: usize = 32 << 20;

/// What holds for all transport streams of a rendition.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) headers: Arc<Vec<u8>>,
    /// The time that becomes 0.
    base: u64,
    /// From the decoding of the first picture to its showing.
    delay: u64,
}

impl Assembled {
    /// What a transport stream holds, all of it.
    fn clip(&self, number: usize, slot: &Slot, deadline: Duration) -> Result<Clip, ReadError> {
        let until = Instant::now() + deadline;
        let mut bytes = match self.state().raw.take() {
            Some((of, bytes)) if of == number => bytes,
            _ => Vec::new(),
        };
        let mut piece = vec![0; 64 * 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.read_part(number, slot, bytes.len() as u64, &mut piece, left) {
                Ok(0) => break,
                Ok(got) => bytes.extend_from_slice(&piece[..got]),
                Err(error) => {
                    self.state().raw = Some((number, bytes));
                    return Err(error);
                }
            }
            if bytes.len() > LARGEST {
                return Err(broken("a segment is too long"));
            }
        }
        remux::read(&bytes).map_err(|error| broken(&error.to_string()))
    }

    /// What the first transport stream says.
    pub(super) fn start(&self, deadline: Duration) -> Result<Start, ReadError> {
        if let Some(start) = &self.state().start {
            return Ok(start.clone());
        }
        let first = self.parts.plan.slots.first().ok_or_else(|| broken("a rendition without parts"))?;
        let clip = self.clip(0, first, deadline)?;
        let times = clip.video.as_ref().and_then(|video| video.samples.first()).map(|first| first.times);
        let times = times.ok_or_else(|| broken("a segment without pictures"))?;
        let sound = clip.audio.as_ref().map(|audio| audio.shown);
        let start = Start {
            headers: Arc::new(remux::headers(&clip, self.size.0, self.size.1)),
            base: remux::earlier(times.shown, sound.unwrap_or(times.shown)),
            delay: times.shown.wrapping_sub(times.decoded),
        };
        let made = Arc::new(remux::fragment(&clip, 1, start.base, start.delay));
        let mut state = self.state();
        state.start = Some(start.clone());
        state.made.push((0, made));
        Ok(start)
    }

    /// A transport stream as a fragment.
    pub(super) fn made(
        &self,
        number: usize,
        slot: &Slot,
        deadline: Duration,
    ) -> Result<Arc<Vec<u8>>, ReadError> {
        let until = Instant::now() + deadline;
        let Start { base, delay, .. } = self.start(deadline)?;
        {
            let mut state = self.state();
            if let Some(at) = state.made.iter().position(|(of, _)| *of == number) {
                let made = state.made.remove(at);
                state.made.push(made.clone());
                return Ok(made.1);
            }
        }
        let clip = self.clip(number, slot, until.saturating_duration_since(Instant::now()))?;
        let segments = self.parts.plan.cuts.first().map_or(&[][..], |cut| &cut.segments);
        let jumped = segments.iter().take(number + 1).skip(1).any(|segment| segment.jumps);
        let first = clip.video.as_ref().and_then(|video| video.samples.first()).map(|first| first.times);
        let base = match first.filter(|_| jumped) {
            // Behind a jump the playlist tells the time.
            Some(times) => times.shown.wrapping_sub(slot.at.unwrap_or(0) / 100 * 9),
            None => base,
        };
        let made = Arc::new(remux::fragment(&clip, number as u32 + 1, base, delay));
        let mut state = self.state();
        if state.made.len() >= OPEN {
            state.made.remove(0);
        }
        state.made.push((number, made.clone()));
        Ok(made)
    }
}
