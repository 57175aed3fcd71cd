//! The random access index behind the last region: made from the times of the playlist, so that a seek needs no walk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Assembled, broken};
use crate::probe::listing::Packing;
use crate::probe::track_timescale;
use crate::remux;
use crate::source::ReadError;

impl Assembled {
    /// The random access index: made when it is first read, from the headers that say how the track counts time.
    pub(super) fn tail(&self, deadline: Duration) -> Result<Arc<Vec<u8>>, ReadError> {
        if let Some(tail) = &self.state().tail {
            return Ok(tail.clone());
        }
        let until = Instant::now() + deadline;
        if self.packing == Packing::Transport {
            let tail = Arc::new(self.index(remux::TIMESCALE));
            self.state().tail = Some(tail.clone());
            return Ok(tail);
        }
        let first = self.parts.plan.slots.first().ok_or_else(|| broken("a rendition without parts"))?;
        let mut head = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.read_part(0, first, head.len() as u64, &mut piece, left)? {
                0 => break,
                got => head.extend_from_slice(&piece[..got]),
            }
            if head.len() as u64 > crate::probe::hls::INIT {
                return Err(broken("the headers are too long"));
            }
        }
        let scale = track_timescale(&head, self.track).ok_or_else(|| broken("the headers changed"))?;
        let tail = Arc::new(self.index(scale));
        self.state().tail = Some(tail.clone());
        Ok(tail)
    }

    pub(super) fn tail_len(&self) -> u64 {
        // The outer box, the track's box with its fields, the closing box; an entry each.
        8 + 24 + 16 + self.segments() * 19
    }

    /// The `mfra` box (ISO 14496-12, 8.8.9): where the first fragment of each segment is.
    fn index(&self, scale: u32) -> Vec<u8> {
        let length = u32::try_from(self.tail_len()).unwrap_or(u32::MAX);
        let count = u32::try_from(self.segments()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(length as usize);
        let words = |out: &mut Vec<u8>, words: &[u32]| {
            words.iter().for_each(|word| out.extend(word.to_be_bytes()));
        };
        words(&mut out, &[length]);
        out.extend(b"mfra");
        words(&mut out, &[length - 8 - 16]);
        out.extend(b"tfra");
        words(&mut out, &[1 << 24, self.track, 0, count]);
        for (number, slot) in self.parts.plan.slots.iter().enumerate() {
            let Some(at) = slot.at else { continue };
            let time = u128::from(at) * u128::from(scale) / 1_000_000;
            out.extend(u64::try_from(time).unwrap_or(u64::MAX).to_be_bytes());
            out.extend(self.region(number).to_be_bytes());
            out.extend([1, 1, 1]);
        }
        words(&mut out, &[16]);
        out.extend(b"mfro");
        words(&mut out, &[0, length]);
        out
    }
}
