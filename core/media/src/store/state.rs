//! What is known of one rendition: its version, which bytes are held, and what the index has yet to learn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use unspool_engine::Span;

use super::counted::Counted;
use super::entry::{BLOCK, Validators, index_of};
use super::index::Row;
use super::spans::SpanSet;

/// What the lock of an entry protects.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) generation: u64,
    pub(super) validators: Validators,
    pub(super) pinned: bool,
    pub(super) last_used_ms: i64,
    pub(super) spans: Counted,
    pub(super) blocks: BTreeMap<u64, u64>,
    pub(super) changed_blocks: BTreeSet<u64>,
    pub(super) drop_blocks: bool,
    /// Bytes of blocks whose checksum was compared since the entry was loaded, or computed here.
    pub(super) verified: SpanSet,
    pub(super) file: Option<Arc<File>>,
    pub(super) checked: bool,
    /// Whether the index may say that the file of this generation holds bytes.
    pub(super) claimed: bool,
    pub(super) last_io: Instant,
    pub(super) unlink: Vec<PathBuf>,
    pub(super) unsynced: bool,
    pub(super) dirty: bool,
    pub(super) volatile: VecDeque<(u64, Bytes)>,
    pub(super) full_since: Option<u64>,
}

impl State {
    /// The state that the index describes.
    pub(super) fn new(row: Row, totals: Arc<AtomicU64>) -> Self {
        State {
            generation: row.generation,
            validators: Validators { size: row.size, etag: row.etag, last_modified: row.last_modified },
            pinned: row.pinned,
            last_used_ms: row.last_used_ms,
            claimed: !row.spans.is_empty(),
            spans: Counted::new(SpanSet::from_spans(row.spans), totals),
            blocks: row.blocks.into_iter().collect(),
            changed_blocks: BTreeSet::new(),
            drop_blocks: row.drop_blocks,
            verified: SpanSet::new(),
            file: None,
            checked: false,
            last_io: Instant::now(),
            unlink: Vec::new(),
            unsynced: false,
            dirty: false,
            volatile: VecDeque::new(),
            full_since: None,
        }
    }

    /// Whether all there is to know stands in the index, so that the entry can be loaded from there again.
    pub(super) fn is_settled(&self) -> bool {
        !self.dirty && !self.unsynced && self.unlink.is_empty() && self.volatile.is_empty()
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
        for (start, bytes) in &self.volatile {
            held.insert(Span::new(*start, start + bytes.len() as u64));
        }
        held
    }

    /// The parts of `span` that cannot be read.
    pub(crate) fn holes(&self, span: Span) -> Vec<Span> {
        if self.volatile.is_empty() { self.spans.holes(span) } else { self.held().holes(span) }
    }

    /// Bytes that can be read from `offset` without a gap.
    pub(crate) fn run_from(&self, offset: u64) -> u64 {
        if self.volatile.is_empty() { self.spans.run_from(offset) } else { self.held().run_from(offset) }
    }

    pub(super) fn read_volatile(&self, offset: u64, buf: &mut [u8]) -> usize {
        for (start, bytes) in &self.volatile {
            if let Some(skip) = offset.checked_sub(*start).filter(|skip| *skip < bytes.len() as u64) {
                let from = &bytes[index_of(skip)..];
                let count = from.len().min(buf.len());
                buf[..count].copy_from_slice(&from[..count]);
                return count;
            }
        }
        0
    }

    pub(super) fn block_span(&self, number: u64) -> Span {
        let end = ((number + 1) * BLOCK).min(self.validators.size.unwrap_or(u64::MAX));
        Span::new(number * BLOCK, end)
    }

    pub(super) fn forget_blocks(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        let (first, last) = (span.start / BLOCK, (span.end - 1) / BLOCK);
        self.blocks.retain(|n, _| *n < first || *n > last);
        self.verified.remove(Span::new(first * BLOCK, (last + 1).saturating_mul(BLOCK)));
    }

    /// Takes bytes out of the books, for eviction; the parts that were there.
    pub(super) fn take_out(&mut self, span: Span) -> Vec<Span> {
        let gone = self.spans.within(span);
        for part in &gone {
            self.spans.remove(*part);
            self.forget_blocks(*part);
        }
        self.volatile.retain(|(start, bytes)| *start >= span.end || start + bytes.len() as u64 <= span.start);
        gone
    }

    /// Undoes [`take_out`](State::take_out).
    pub(super) fn put_back(&mut self, gone: &[Span]) {
        gone.iter().for_each(|part| self.spans.insert(*part));
    }

    /// Returns to what an unknown entry is, in the same version; the bytes that were held.
    pub(super) fn forget(&mut self) -> Vec<Span> {
        let gone = self.spans.as_slice().to_vec();
        self.spans.clear();
        self.blocks.clear();
        self.changed_blocks.clear();
        self.drop_blocks = false;
        self.verified.clear();
        self.volatile.clear();
        self.pinned = false;
        self.claimed = false;
        self.dirty = false;
        self.close();
        gone
    }

    pub(super) fn open_file(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    pub(super) fn close(&mut self) {
        self.file = None;
        self.unsynced = false;
    }

    /// Makes the bytes of the open file durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unsynced)
            && let Some(file) = &self.file
        {
            file.sync_data()?;
        }
        Ok(())
    }
}
