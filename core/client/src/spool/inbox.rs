//! What waits for the writer: a bounded list that is taken as a whole.
//!
//! Whoever records puts an event in and goes on; the writer is not woken for each. It sleeps until somebody waits for an
//! answer, until [`GROUP_AT`] events have gathered, or until the first has waited [`LINGER`]. One commit then covers all
//! of them, which is where nearly all of the cost of recording goes otherwise. When [`CAPACITY`] events wait, whoever
//! comes next waits for the commit: nothing is dropped unseen.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::Command;

/// Events that may wait: what a kill can cost of those nobody waits for.
pub(crate) const CAPACITY: usize = 256;

/// Events at which the writer begins although nobody waits: half of what may wait, so that callers go on meanwhile. A group
/// of 128 writes a tenth of the bytes of a commit each,
/// and longer ones save little more.
const GROUP_AT: usize = 128;

/// Longest time an event that nobody waits for stays in memory: a twentieth of a second, too short to swipe in.
pub(crate) const LINGER: Duration = Duration::from_millis(50);

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    /// When the first of them came.
    since: Option<Instant>,
    /// Somebody waits for an answer.
    urgent: bool,
    closed: bool,
    /// The writer sleeps and wants to be told.
    asleep: bool,
    /// Callers that wait for a place.
    waiting: usize,
}

/// The list between those who record and the writer.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

/// What the writer woke up for.
pub(crate) enum Taken {
    /// These, in the order they came; the emptied list of the last turn is put to use again.
    Commands,
    /// The time given ran out.
    Idle,
    /// Nobody can send any more.
    Closed,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a command over; gives it back when the spool is closed.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        let mut state = self.lock();
        while state.commands.len() >= CAPACITY && !state.closed {
            state.waiting += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        if state.closed {
            return Err(command);
        }
        state.urgent |= command.is_urgent();
        state.closed |= matches!(command, Command::Close(_));
        state.commands.push(command);
        let first = state.commands.len() == 1;
        if first {
            state.since = Some(Instant::now());
        }
        let wake =
            first || state.urgent || state.commands.len() == GROUP_AT || state.commands.len() == CAPACITY;
        if wake && state.asleep {
            state.asleep = false;
            drop(state);
            self.work.notify_one();
        }
        Ok(())
    }

    /// Nobody can send any more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.asleep = false;
        drop(state);
        self.work.notify_one();
        self.room.notify_all();
    }

    /// Waits for something to do, for at most `idle`, and swaps it for the empty list `into`.
    pub fn take(&self, into: &mut Vec<Command>, idle: Option<Duration>) -> Taken {
        let idle_at = idle.map(|idle| Instant::now() + idle);
        let mut state = self.lock();
        loop {
            let due = state.since.map(|since| since + LINGER);
            let now = Instant::now();
            let ripe = state.urgent || state.closed || state.commands.len() >= GROUP_AT;
            if !state.commands.is_empty() && (ripe || due.is_some_and(|due| due <= now)) {
                std::mem::swap(&mut state.commands, into);
                state.urgent = false;
                state.since = None;
                let waiting = state.waiting > 0;
                drop(state);
                if waiting {
                    self.room.notify_all();
                }
                return Taken::Commands;
            }
            if state.commands.is_empty() && state.closed {
                return Taken::Closed;
            }
            if state.commands.is_empty() && idle_at.is_some_and(|at| at <= now) {
                return Taken::Idle;
            }
            let until = due.into_iter().chain(idle_at.filter(|_| state.commands.is_empty())).min();
            state.asleep = true;
            state = match until {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    self.work.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.asleep = false;
        }
    }
}
