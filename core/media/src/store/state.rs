//! What is known of one rendition: its version, which bytes are held, and what the index has yet to learn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use unspool_engine::Span;
use xxhash_rust::xxh3::xxh3_64;

use super::Shared;
use super::blocks::{Blocks, block, numbers};
use super::counted::Counted;
use super::entry::Validators;
use super::hold::Hold;
use super::index::Row;
use super::memory::Pieces;
use super::spans::SpanSet;
use crate::disk::DataFile;

/// What the lock of an entry protects.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) generation: u64,
    pub(super) validators: Validators,
    pub(super) pinned: bool,
    pub(super) last_used_ms: i64,
    pub(super) spans: Counted,
    pub(super) blocks: Blocks,
    pub(super) file: Option<Arc<dyn DataFile>>,
    pub(super) checked: bool,
    /// Whether the index may say that the file of this generation holds bytes.
    pub(super) claimed: bool,
    /// Whether the file was used since the writer last looked, and when it saw the first such pause.
    pub(super) in_use: bool,
    pub(super) idle_since: Option<Instant>,
    pub(super) unlink: Vec<PathBuf>,
    /// Bytes written since the file was last made durable.
    pub(super) unsynced: SpanSet,
    pub(super) dirty: bool,
    pub(super) memory: Pieces,
    /// Until when the disk is not asked to keep bytes of this entry.
    pub(super) hold: Hold,
}

impl State {
    /// The state that the index describes.
    pub(super) fn new(row: Row, shared: &Shared) -> Self {
        let seed = xxh3_64(row.key.as_bytes());
        State {
            generation: row.generation,
            validators: Validators { size: row.size, etag: row.etag, last_modified: row.last_modified },
            pinned: row.pinned,
            last_used_ms: row.last_used_ms,
            claimed: !row.spans.is_empty(),
            spans: Counted::new(SpanSet::from_spans(row.spans), shared.stored_bytes.clone()),
            blocks: Blocks::new(row.blocks, row.drop_blocks, seed),
            file: None,
            checked: false,
            in_use: false,
            idle_since: None,
            unlink: Vec::new(),
            unsynced: SpanSet::new(),
            dirty: false,
            memory: shared.memory.pieces(),
            hold: Hold::default(),
        }
    }

    /// Whether all there is to know stands in the index, so that the entry can be loaded from there again.
    pub(super) fn is_settled(&self) -> bool {
        !self.dirty && self.unsynced.is_empty() && self.unlink.is_empty() && self.memory.is_empty()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn validators(&self) -> &Validators {
        &self.validators
    }

    pub(crate) fn pinned(&self) -> bool {
        self.pinned
    }

    pub(crate) fn last_used_ms(&self) -> i64 {
        self.last_used_ms
    }

    /// Bytes on the disk.
    pub(crate) fn stored(&self) -> &SpanSet {
        self.spans.set()
    }

    /// Bytes that can be read, on the disk or in memory.
    pub(crate) fn held(&self) -> SpanSet {
        let mut held = self.spans.set().clone();
        self.memory.add_to(&mut held);
        held
    }

    /// The parts of `span` that cannot be read.
    pub(crate) fn holes(&self, span: Span) -> Vec<Span> {
        if self.memory.is_empty() { self.spans.holes(span) } else { self.held().holes(span) }
    }

    /// Bytes that can be read from `offset` without a gap.
    pub(crate) fn run_from(&self, offset: u64) -> u64 {
        if self.memory.is_empty() { self.spans.run_from(offset) } else { self.held().run_from(offset) }
    }

    /// Whether nothing is missing of block `number`, as far as the length of the file is known.
    pub(super) fn is_complete(&self, number: u64) -> bool {
        let Span { start, end } = block(number);
        self.spans.covers(Span::new(start, end.min(self.validators.size.unwrap_or(u64::MAX))))
    }

    /// Bytes are not on the disk after all. Whole blocks: the rest of them is under the same checksum.
    pub(super) fn drop_blocks(&mut self, span: Span) {
        let whole = super::blocks::whole(span);
        self.spans.remove(whole);
        self.blocks.forget(whole);
        self.unsynced.remove(whole);
    }

    /// Takes bytes out of the books, for eviction; the parts that were there.
    pub(super) fn take_out(&mut self, span: Span) -> Vec<Span> {
        let gone = self.spans.within(span);
        for part in &gone {
            self.spans.remove(*part);
            self.unsynced.remove(*part);
            let inner = part.start.div_ceil(super::blocks::BLOCK)..part.end / super::blocks::BLOCK;
            if !inner.is_empty() {
                self.blocks.forget(Span::new(block(inner.start).start, block(inner.end - 1).end));
            }
            let touched = numbers(*part);
            let edges = [touched.start, touched.end - 1];
            for number in edges.into_iter().filter(|number| !inner.contains(number)) {
                if self.spans.within(block(number)).is_empty() {
                    self.blocks.forget(block(number));
                } else {
                    self.blocks.touched(number);
                }
            }
        }
        self.memory.remove(span);
        gone
    }

    /// Returns to what an unknown entry is, in the same version; the bytes that were held.
    pub(super) fn forget(&mut self) -> Vec<Span> {
        let gone = self.spans.as_slice().to_vec();
        self.spans.clear();
        self.blocks.clear(false);
        self.memory.clear();
        self.pinned = false;
        self.claimed = false;
        self.dirty = false;
        self.close();
        gone
    }

    pub(super) fn close(&mut self) {
        self.file = None;
        self.unsynced.clear();
    }
}
