//! One kept asset in the machine: its record, what runs for it, and how often it failed.

use std::collections::VecDeque;

use super::{KeepOutput, KeptMark, KeptRecord};
use crate::delivery::Backoff;
use crate::time::{Millis, Time};

/// First pause after a failure. The fetcher has tried for about eight seconds by then.
pub(super) const RETRY_BASE: Millis = Millis(2_000);
/// Longest pause: a server that is being repaired is back within minutes, and nobody waits in front of a screen.
const RETRY_TOP: Millis = Millis(5 * 60_000);

/// What is under way for an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    Check,
    Probe,
    Fetch,
    Drop,
}

/// What the machine knows of one asset.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: KeptRecord,
    /// Bytes held now; the record says how many were certain to survive when it was last brought up to date.
    pub(super) held: u64,
    pub(super) running: Option<Running>,
    /// Whether the fetch that runs was told to stop.
    pub(super) cancelled: bool,
    /// Whether it waits for somebody to sign in.
    pub(super) signed_out: bool,
    /// Whether its bytes were compared with its record in this session.
    pub(super) checked: bool,
    pub(super) retry_at: Option<Time>,
    pub(super) failures: u32,
    /// Bytes held at the last failure.
    pub(super) failed_at: u64,
    pub(super) backoff: Backoff,
}

impl Entry {
    /// An asset of which nothing is under way; the same `seed` gives the same pauses.
    pub(super) fn new(record: KeptRecord, seed: u64) -> Self {
        Entry {
            failed_at: record.held,
            held: record.held,
            record,
            running: None,
            cancelled: false,
            signed_out: false,
            checked: false,
            retry_at: None,
            failures: 0,
            backoff: Backoff::new(RETRY_BASE, RETRY_TOP, seed),
        }
    }

    pub(super) fn is_fetching(&self) -> bool {
        matches!(self.running, Some(Running::Probe | Running::Fetch))
    }

    pub(super) fn end(&mut self, of: Running) {
        if self.running == Some(of) {
            self.running = None;
            self.cancelled = false;
        }
    }

    pub(super) fn advance(&mut self, held: u64) {
        let held = held.min(self.record.size.unwrap_or(u64::MAX));
        self.held = self.held.max(held);
    }

    /// Wants it again, with all its tries.
    pub(super) fn want(&mut self, out: &mut VecDeque<KeepOutput>) {
        self.record.mark = KeptMark::Wanted;
        self.retry_at = None;
        self.signed_out = false;
        self.failures = 0;
        self.backoff.reset();
        out.push_back(KeepOutput::Save(Box::new(self.record.clone())));
    }
}
