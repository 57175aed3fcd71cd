//! A player's view of one rendition: blocking reads over the store, with a window of demand rolling ahead of them.
//!
//! A read of bytes that are there copies them and, once in a while, moves the window. A read of a hole puts the window
//! there and waits on the entry, which every filed piece wakes. A demuxer of a file that is not interleaved reads at
//! two places in turn, so a source keeps a few windows and drops the one used least recently. A source whose bytes
//! somebody plans rolls no window and asks [`Lead`] before it places one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unspool_engine::lead::{Ask, BLOCK_BYTES, Hole, Lead};
use unspool_engine::{Span, Time};

use crate::fetch::{Demand, FetchError, Fetcher, Priority, Purpose};
use crate::media::read_error;
use crate::source::{ByteSource, ReadError};
use crate::store::Entry;

/// Windows per source: one per track of a usual clip and one for headers.
const WINDOWS: usize = 3;
/// Longest wait of one read, whatever its deadline: far beyond any player's patience, within what a clock can add.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Times a read places its demand again when the bytes it got are gone before it could read them (evicted, damaged).
const PLACINGS: u32 = 4;

/// The store-backed byte source.
#[derive(Debug)]
pub(crate) struct StoreSource {
    entry: Arc<Entry>,
    fetcher: Arc<Fetcher>,
    /// `None` to take the file's length from its server.
    size: Option<u64>,
    /// The version this source reads; bytes of another one are never mixed in.
    generation: u64,
    opened: Instant,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    interrupted: bool,
    /// Whether nobody watches.
    unwatched: bool,
    /// There if a planner fetches what comes next.
    lead: Option<Lead>,
    /// Most recently used last.
    windows: Vec<Window>,
    next: u64,
}

#[derive(Debug)]
struct Window {
    serial: u64,
    /// The fetcher's number; `None` until it gave one.
    demand: Option<u64>,
    span: Span,
    /// Set when the demand ended.
    ended: Option<Result<(), FetchError>>,
}

impl StoreSource {
    pub(crate) fn new(entry: Arc<Entry>, fetcher: Arc<Fetcher>, size: Option<u64>) -> Self {
        let generation = entry.lock().generation();
        StoreSource { entry, fetcher, size, generation, opened: Instant::now(), shared: Arc::default() }
    }

    /// The same for a file whose bytes a planner fetches in the order of play.
    pub(crate) fn planned(entry: Arc<Entry>, fetcher: Arc<Fetcher>, size: Option<u64>, lead: Lead) -> Self {
        let source = StoreSource::new(entry, fetcher, size);
        source.shared().lead = Some(lead);
        source
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> u64 {
        self.size.or_else(|| self.entry.lock().validators().size).unwrap_or(u64::MAX)
    }

    fn ahead(&self, offset: u64, ahead: u64) -> Span {
        Span::new(offset, offset.saturating_add(ahead).min(self.end()))
    }

    /// Puts a window over `want`: moves the one whose reader this is, or opens a new one.
    fn want(&self, want: Span) {
        let offset = want.start;
        let (mut cancel, mut moved, mut opened) = (None, None, None);
        {
            let mut shared = self.shared();
            shared.windows.retain(|window| window.ended.is_none());
            let own = shared
                .windows
                .iter()
                .position(|window| window.span.start <= offset && offset <= window.span.end);
            if let Some(own) = own {
                let mut window = shared.windows.remove(own);
                if window.span != want {
                    window.span = want;
                    moved = window.demand;
                }
                shared.windows.push(window);
            } else {
                if shared.windows.len() >= WINDOWS {
                    cancel = shared.windows.remove(0).demand;
                }
                shared.next += 1;
                let serial = shared.next;
                shared.windows.push(Window { serial, demand: None, span: want, ended: None });
                opened = Some(serial);
            }
        }
        if let Some(id) = cancel {
            self.fetcher.cancel(id);
        }
        if let Some(id) = moved {
            self.fetcher.set_wants(id, want);
        }
        if let Some(serial) = opened {
            self.open_window(serial, want);
        }
    }

    fn open_window(&self, serial: u64, want: Span) {
        let (shared, entry) = (Arc::downgrade(&self.shared), self.entry.clone());
        let (priority, purpose) = match self.shared().unwatched {
            true => (Priority::Next, Purpose::Next),
            false => (Priority::Playback, Purpose::Playback),
        };
        let id = self.fetcher.demand(Demand {
            entry: self.entry.clone(),
            wants: vec![want],
            priority,
            purpose,
            reader: true,
            done: Box::new(move |result| {
                if let Some(shared) = shared.upgrade() {
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(window) = shared.windows.iter_mut().find(|window| window.serial == serial) {
                        window.ended = Some(result.map(|_| ()));
                    }
                }
                entry.notify();
            }),
        });
        let mut shared = self.shared();
        match shared.windows.iter_mut().find(|window| window.serial == serial) {
            Some(window) => window.demand = Some(id),
            // The window was dropped while its demand was being placed.
            None => {
                drop(shared);
                self.fetcher.cancel(id);
            }
        }
    }

    /// Writes down what was read.
    fn took(&self, span: Span, waited: bool) {
        let purpose = {
            let mut shared = self.shared();
            if let Some(lead) = &mut shared.lead {
                lead.read(span.start, span.end);
            }
            if shared.unwatched { Purpose::Next } else { Purpose::Playback }
        };
        self.fetcher.accounts().read(&self.entry.key, purpose, span, waited);
    }

    /// Says that reading will go on at `offset` soon.
    pub(crate) fn expect(&self, offset: u64) {
        let held = self.available_from(offset);
        self.roll(offset, held);
    }

    /// Whether a demand for `offset` runs, ended, or has to be placed.
    fn demand_at(&self, offset: u64) -> Demanded {
        let mut shared = self.shared();
        let Some(at) =
            shared.windows.iter().rposition(|window| window.span.start <= offset && offset < window.span.end)
        else {
            return Demanded::Absent;
        };
        match &shared.windows[at].ended {
            None => Demanded::Running,
            Some(_) => match shared.windows.remove(at).ended {
                Some(Err(error)) => Demanded::Failed(error),
                _ => Demanded::Absent,
            },
        }
    }

    /// Whether a running demand is all there is to wait for.
    fn must_wait(&self, offset: u64) -> bool {
        let shared = self.shared();
        !shared.interrupted
            && shared.windows.iter().any(|window| {
                window.ended.is_none() && window.span.start <= offset && offset < window.span.end
            })
    }

    /// Waits for something to happen at `offset`, until the deadline; for a demand of this source, or for others' until
    /// it is time to `look` again.
    fn wait(&self, offset: u64, until: Instant, look: Option<Duration>) -> Result<(), ReadError> {
        let state = self.entry.lock();
        let waits = match look {
            None => self.must_wait(offset),
            Some(_) => !self.shared().interrupted,
        };
        if state.run_from(offset) > 0 || state.generation() != self.generation || !waits {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ReadError::TimedOut);
        }
        drop(self.entry.wait(state, left.min(look.unwrap_or(left))));
        Ok(())
    }

    /// Moves the window after a read that left less than half of it in front of the reader. `held` bytes follow
    /// `offset` without a gap: where that is enough, nothing else is looked at.
    fn roll(&self, offset: u64, held: u64) {
        let enough = offset.saturating_add(self.fetcher.limits().read_ahead / 2).min(self.end());
        if offset + held >= enough {
            return;
        }
        {
            let shared = self.shared();
            if shared.unwatched || shared.lead.is_some() {
                return;
            }
        }
        let want = self.ahead(offset, self.fetcher.limits().read_ahead.max(1));
        let coming =
            self.shared().windows.iter().any(|window| {
                window.ended.is_none() && window.span.start <= offset && window.span.end >= enough
            });
        if !coming && !want.is_empty() {
            self.want(want);
        }
    }

    /// What to ask for at a hole. What is left out of a planned file just before it would be a request of its own.
    fn block(&self, offset: u64, ahead: u64) -> Span {
        let want = self.ahead(offset, ahead);
        if self.shared().lead.is_none() {
            return want;
        }
        let before = Span::new(offset.saturating_sub(BLOCK_BYTES), offset);
        let holes = self.entry.lock().holes(before);
        let left_out = holes.last().filter(|hole| hole.end == offset && hole.start > before.start);
        Span::new(left_out.map_or(offset, |hole| hole.start), want.end)
    }

    /// What to do about a hole at `offset` that no window of this source is over.
    fn ask(&self, offset: u64) -> Ask {
        {
            let shared = self.shared();
            if shared.lead.is_none() {
                return if shared.unwatched { Ask::Block } else { Ask::Window };
            }
        }
        let coming = self.fetcher.brings(&self.entry, offset);
        let full = self.entry.reads_through(&self.entry.lock());
        let now = Time(u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX));
        let mut shared = self.shared();
        let watched = !shared.unwatched;
        let hole = Hole { offset, watched, coming, full };
        shared.lead.as_mut().map_or(Ask::Window, |lead| lead.ask(now, hole))
    }
}

fn gone(reason: &str, retryable: bool) -> ReadError {
    ReadError::Failed { reason: reason.to_owned(), retryable }
}

enum Demanded {
    Absent,
    Running,
    Failed(FetchError),
}

impl ByteSource for StoreSource {
    fn size(&self) -> u64 {
        self.end()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8], deadline: Duration) -> Result<usize, ReadError> {
        // Read only when there is something to wait for: a clock costs as much as copying a kilobyte.
        let mut until = None;
        let mut waited = false;
        let mut concerned = false;
        let mut placings = 0;
        loop {
            if self.shared().interrupted {
                return Err(ReadError::Interrupted);
            }
            // The end may become known while this waits.
            let room = usize::try_from(self.end().saturating_sub(offset)).unwrap_or(usize::MAX);
            let room = room.min(buf.len());
            let buf = &mut buf[..room];
            if buf.is_empty() {
                return Ok(0);
            }
            let (got, held) = {
                let mut state = self.entry.lock();
                if state.generation() != self.generation {
                    return Err(gone("the file changed on the server", true));
                }
                self.entry.read(&mut state, offset, buf)
            };
            if got > 0 {
                self.took(Span::new(offset, offset + got as u64), waited);
                self.roll(offset + got as u64, held);
                return Ok(got);
            }
            waited = true;
            let until = *until.get_or_insert_with(|| Instant::now() + deadline.min(LONGEST_WAIT));
            match self.demand_at(offset) {
                // Only a failure that this read lived through is its own; an older one may be over.
                Demanded::Failed(error) if concerned => return Err(read_error(&error)),
                Demanded::Failed(_) | Demanded::Absent => {
                    let ahead = match self.ask(offset) {
                        Ask::Wait(wait) => {
                            self.wait(offset, until, Some(Duration::from_millis(wait.0)))?;
                            continue;
                        }
                        Ask::Block => BLOCK_BYTES,
                        Ask::Window => self.fetcher.limits().read_ahead.max(1),
                    };
                    placings += 1;
                    if placings > PLACINGS {
                        return Err(gone("the server has fewer bytes than it said", false));
                    }
                    self.want(self.block(offset, ahead));
                    concerned = true;
                    continue;
                }
                Demanded::Running => concerned = true,
            }
            self.wait(offset, until, None)?;
        }
    }

    fn read_now(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let left = self.size?.checked_sub(offset).filter(|left| *left > 0)?;
        if self.shared().interrupted {
            return None;
        }
        let room = left.min(buf.len() as u64);
        // What has to be held for the window to stay where it is: moving it is the business of a read that may wait.
        let needed = room.saturating_add(self.fetcher.limits().read_ahead / 2).min(left);
        let buf = &mut buf[..usize::try_from(room).unwrap_or(usize::MAX)];
        let got = self.entry.read_resident(self.generation, offset, buf, needed)?;
        self.took(Span::new(offset, offset + got as u64), false);
        Some(got)
    }

    fn available_from(&self, offset: u64) -> u64 {
        let end = self.end();
        self.entry.lock().run_from(offset).min(end.saturating_sub(offset))
    }

    fn interrupt(&self) {
        self.shared().interrupted = true;
        self.entry.notify();
    }

    fn resume(&self) {
        let mut shared = self.shared();
        shared.interrupted = false;
        if let Some(lead) = &mut shared.lead {
            lead.jumped();
        }
    }

    fn set_watched(&self, watched: bool) {
        let demands: Vec<u64> = {
            let mut shared = self.shared();
            if shared.unwatched != watched {
                return;
            }
            shared.unwatched = !watched;
            if let Some(lead) = &mut shared.lead {
                lead.turned();
            }
            match watched {
                true => shared.windows.iter().filter_map(|window| window.demand).collect(),
                // What a reader still needs it asks for again.
                false => shared.windows.drain(..).filter_map(|window| window.demand).collect(),
            }
        };
        for id in demands {
            match watched {
                true => self.fetcher.promote(id, Priority::Playback),
                false => self.fetcher.cancel(id),
            }
        }
        self.entry.notify();
    }
}

impl Drop for StoreSource {
    fn drop(&mut self) {
        let demands: Vec<u64> = self.shared().windows.drain(..).filter_map(|window| window.demand).collect();
        for id in demands {
            self.fetcher.cancel(id);
        }
    }
}
