//! Checksums: what is held of each 64 KiB block, and whether somebody compared it.
//!
//! Every byte that the index claims is under a checksum, at the edges of spans too: the sum of a block covers whatever
//! of it is held. A row that claims what is not there, because the index rotted or fell back behind a removal, then
//! gives a sum that does not fit, and the block becomes a hole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use unspool_engine::Span;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::spans::SpanSet;

/// Bytes under one checksum. 64 KiB: what a demuxer reads in one go, and 0.01 % of overhead for an 8-byte hash.
pub(crate) const BLOCK: u64 = 64 * 1024;

/// Bytes read of an entry, on average, between two blocks that are compared again. 8 MiB: rot is found after about 128
/// loops of a clip, half an hour of watching, and one block in 128 is read twice for it. With 2 MiB sequential
/// reads out of the page cache were at 0.7 of plain ones (2026-11-22, on a busy machine).
const SAMPLE_EVERY: u64 = 8 * 1024 * 1024;

/// The blocks that `span` touches.
pub(super) fn numbers(span: Span) -> std::ops::Range<u64> {
    if span.is_empty() { 0..0 } else { span.start / BLOCK..span.end.div_ceil(BLOCK) }
}

/// The bytes of block `number`.
pub(super) fn block(number: u64) -> Span {
    Span::new(number * BLOCK, (number + 1).saturating_mul(BLOCK))
}

/// `span` and the rest of the blocks it touches.
pub(super) fn whole(span: Span) -> Span {
    let touched = numbers(span);
    Span::new(touched.start * BLOCK, touched.end.saturating_mul(BLOCK))
}

/// Adds up what is held of a block, piece by piece.
pub(super) enum Sum {
    /// One piece from the start of the block: the hash of its bytes.
    Prefix(u64),
    /// Anything else: where each piece lies counts too.
    Pieces(Box<Xxh3>),
}

impl Sum {
    /// The sum of one piece at `start` of `block`, and of those added to it.
    pub(super) fn begin(block: Span, start: u64, bytes: &[u8], only: bool) -> Self {
        if only && start == block.start {
            return Sum::Prefix(xxh3_64(bytes));
        }
        Sum::Pieces(Box::default()).add(start, bytes)
    }

    pub(super) fn add(self, start: u64, bytes: &[u8]) -> Self {
        match self {
            Sum::Pieces(mut sum) => {
                sum.update(&start.to_le_bytes());
                sum.update(bytes);
                Sum::Pieces(sum)
            }
            prefix => prefix,
        }
    }

    pub(super) fn value(&self) -> u64 {
        match self {
            Sum::Prefix(value) => *value,
            Sum::Pieces(sum) => sum.digest(),
        }
    }
}

/// A block whose bytes came in order so far.
#[derive(Clone)]
struct Run {
    start: u64,
    next: u64,
    sum: Box<Xxh3>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("start", &self.start).field("next", &self.next).finish_non_exhaustive()
    }
}

/// The checksums of one entry.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    sums: BTreeMap<u64, u64>,
    /// Blocks whose sum in the index is out of date.
    changed: BTreeSet<u64>,
    /// Blocks that hold other bytes than their sum says, because more came or some went.
    stale: BTreeSet<u64>,
    /// Whether every sum in the index is out of date.
    all_changed: bool,
    /// Bytes of blocks that were compared since the entry was loaded, or that came in here.
    trusted: SpanSet,
    /// The block that is being written from its start on, summed up as the bytes come in.
    run: Option<Run>,
    /// Bytes to be read until a block is compared again, and what the next distance is drawn from.
    until_sample: u64,
    draw: u64,
}

impl Blocks {
    pub(super) fn new(sums: impl IntoIterator<Item = (u64, u64)>, all_changed: bool, seed: u64) -> Self {
        let (changed, stale, trusted) = Default::default();
        let mut blocks = Blocks {
            sums: sums.into_iter().collect(),
            changed,
            stale,
            all_changed,
            trusted,
            run: None,
            until_sample: 0,
            draw: seed,
        };
        blocks.next_sample();
        blocks
    }

    /// Forgets everything, and has the index forget it.
    pub(super) fn clear(&mut self, in_index: bool) {
        *self = Blocks::new([], in_index, self.draw);
    }

    pub(super) fn sum(&self, number: u64) -> Option<u64> {
        self.sums.get(&number).copied()
    }

    pub(super) fn is_trusted(&self, span: Span) -> bool {
        self.trusted.covers(span)
    }

    pub(super) fn trust(&mut self, number: u64) {
        self.trusted.insert(block(number));
    }

    /// Takes in bytes of one block as they were written. A block that comes in order from its start need not be read
    /// again for its checksum.
    pub(super) fn feed(&mut self, start: u64, bytes: &[u8]) {
        if start.is_multiple_of(BLOCK) {
            self.run = Some(Run { start, next: start, sum: Box::default() });
        }
        match &mut self.run {
            Some(run) if run.next == start => {
                run.sum.update(bytes);
                run.next += bytes.len() as u64;
            }
            _ => self.run = None,
        }
    }

    /// The checksum of `parts` of a block, if they are what came in order.
    pub(super) fn fed(&self, parts: &[Span]) -> Option<u64> {
        let run = self.run.as_ref()?;
        (*parts == [Span::new(run.start, run.next)]).then(|| run.sum.digest())
    }

    /// Block `number` holds other bytes than before, all of them trusted.
    pub(super) fn touched(&mut self, number: u64) {
        self.trust(number);
        self.stale.insert(number);
    }

    pub(super) fn is_stale(&self, number: u64) -> bool {
        self.stale.contains(&number)
    }

    pub(super) fn set(&mut self, number: u64, sum: u64) {
        self.stale.remove(&number);
        self.sums.insert(number, sum);
        self.changed.insert(number);
    }

    /// Nothing is held of the blocks that `span` touches any more.
    pub(super) fn forget(&mut self, span: Span) {
        let gone = numbers(span);
        let sums: Vec<u64> = self.sums.range(gone.clone()).map(|(number, _)| *number).collect();
        for number in sums {
            self.sums.remove(&number);
            self.changed.insert(number);
        }
        self.stale.retain(|number| !gone.contains(number));
        self.run = None;
        self.trusted.remove(whole(span));
    }

    /// Blocks whose sum has to be computed before the index may claim them.
    pub(super) fn stale(&self) -> Vec<u64> {
        self.stale.iter().copied().collect()
    }

    /// What the index has to learn: sums, and blocks that have none any more.
    pub(super) fn take_changed(&mut self) -> (Vec<(u64, u64)>, Vec<u64>) {
        let (mut sums, mut gone) = (Vec::new(), Vec::new());
        for number in std::mem::take(&mut self.changed) {
            match self.sum(number) {
                Some(sum) => sums.push((number, sum)),
                None => gone.push(number),
            }
        }
        (sums, gone)
    }

    pub(super) fn take_all_changed(&mut self) -> bool {
        std::mem::take(&mut self.all_changed)
    }

    /// What the index was told did not reach it.
    pub(super) fn untold(&mut self) {
        self.all_changed = true;
        self.changed = self.sums.keys().copied().collect();
    }

    /// Counts bytes read at `offset`; now and then the block there has to be compared again first. The distances are
    /// drawn, so that a clip that loops is not always compared at the same place.
    pub(super) fn sample(&mut self, offset: u64, bytes: u64) {
        if bytes < self.until_sample {
            self.until_sample -= bytes;
            return;
        }
        self.next_sample();
        let number = offset / BLOCK;
        if self.sums.contains_key(&number) && !self.is_stale(number) {
            self.trusted.remove(block(number));
        }
    }

    fn next_sample(&mut self) {
        self.draw = self.draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.until_sample = SAMPLE_EVERY / 2 + (self.draw >> 33) % SAMPLE_EVERY;
    }
}
