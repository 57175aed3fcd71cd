//! What the core logs, for the log of the platform: pulled by number, filtered by level, and of this library alone.
//!
//! There is one log for the process, because a Rust library has one. It begins with [`set_log_level`]; before that nothing is
//! collected and a line costs a comparison. The newest 1,024 lines are kept for a reader that pulls them in batches with
//! [`logs_after`], so a burst of lines crosses in one call and nothing of the app runs on the core's threads.
//!
//! Lines of [`LogLevel::Info`] and above hold no account, token, address, identifier of an item or word of a person; `Debug`
//! and `Trace` may, and are for a developer's own device.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;

/// Lines that are kept. A session at `Debug` writes about ten a second, so a reader may be away for a minute and more.
const KEPT: usize = 1_024;
/// Most lines in a batch.
const BATCH: usize = 256;
/// Longest line, in bytes; logcat cuts at about 4,000, and a line that needs more is no line.
const LONGEST: usize = 1_000;
/// Only targets that begin with this are collected: other libraries log what they like.
const OURS: &str = "unspool";

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, uniffi::Enum)]
pub enum LogLevel {
    /// Something does not work.
    Error,
    /// Something works worse than it should.
    Warn,
    /// What an app's developer wants to know of a release build.
    Info,
    /// What happens inside; may name items and hosts.
    Debug,
    /// Every step. The library is built without such lines of its own and of what it is made of, so this is `Debug` today.
    Trace,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogLine {
    /// Its number, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// How much it matters.
    pub level: LogLevel,
    /// The room it comes from, such as `unspool::media`.
    pub target: String,
    /// What it says, at most 1,000 bytes.
    pub text: String,
}

/// Lines after a number, at most 256.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogBatch {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// The number to ask from next time.
    pub last: u64,
    /// How many were forgotten in between, because nobody asked in time.
    pub missed: u64,
}

/// Collects lines of at least `level` from now on, of the whole process; none ends it. Returns at once, from any thread.
///
/// False when another library of the process took the log before: its lines go there then. What was collected stays.
#[uniffi::export]
pub fn set_log_level(level: Option<LogLevel>) -> bool {
    let log = Log::of_the_process();
    if !log.installed {
        return false;
    }
    log.tail.most.store(level.map_or(0, rank), Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
    true
}

/// Waits until there is a line after number `after`, and gives it with those behind it.
///
/// # Errors
/// [`UnspoolError::Cancelled`] when `cancel` ended the wait; nothing is lost by that.
#[uniffi::export(default(cancel = None))]
pub async fn logs_after(after: u64, cancel: Option<Arc<CancelToken>>) -> Result<LogBatch, UnspoolError> {
    let tail = &Log::of_the_process().tail;
    let wait = async {
        let mut newest = tail.newest.subscribe();
        // The sender lives as long as the process.
        let _ = newest.wait_for(|last| *last > after).await;
        Ok(tail.after(after))
    };
    unless_cancelled(cancel, wait).await
}

fn rank(level: LogLevel) -> u8 {
    level as u8 + 1
}

fn level_of(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// The newest lines, and who waits for the next.
struct Tail {
    /// The rank of the least level that is collected; 0 for none.
    most: AtomicU8,
    lines: Mutex<VecDeque<LogLine>>,
    newest: watch::Sender<u64>,
}

impl Tail {
    fn wants(&self, about: &Metadata<'_>) -> bool {
        about.target().starts_with(OURS)
            && rank(level_of(*about.level())) <= self.most.load(Ordering::Relaxed)
    }

    fn push(&self, level: LogLevel, target: &str, text: String) {
        let at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.newest.borrow() + 1;
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(LogLine { number, at_ms, level, target: target.to_owned(), text });
        self.newest.send_replace(number);
    }

    fn after(&self, after: u64) -> LogBatch {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<LogLine> =
            lines.iter().filter(|line| line.number > after).take(BATCH).cloned().collect();
        let (first, last) = (found.first(), found.last());
        let missed = first.map_or(0, |line| line.number - after - 1);
        LogBatch { last: last.map_or(after, |line| line.number), missed, lines: found }
    }
}

/// The log of this process.
struct Log {
    tail: Arc<Tail>,
    installed: bool,
}

impl Log {
    fn of_the_process() -> &'static Log {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let tail = Arc::new(Tail {
                most: AtomicU8::new(0),
                lines: Mutex::default(),
                newest: watch::Sender::new(0),
            });
            let all = tracing_subscriber::registry().with(Collect(Arc::clone(&tail)));
            let installed = tracing::subscriber::set_global_default(all).is_ok();
            Log { tail, installed }
        })
    }
}

/// Hands lines to the tail.
struct Collect(Arc<Tail>);

impl<S: Subscriber> Layer<S> for Collect {
    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        if self.0.wants(about) && about.is_event() { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, about: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.wants(about)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.most.load(Ordering::Relaxed) {
            0 => LevelFilter::OFF,
            1 => LevelFilter::ERROR,
            2 => LevelFilter::WARN,
            3 => LevelFilter::INFO,
            4 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let mut words = Words::default();
        event.record(&mut words);
        let line = words.line();
        #[cfg(feature = "inspector")]
        crate::inspector::show(about.level().as_str(), &format!("{}: {line}", about.target()));
        self.0.push(level_of(*about.level()), about.target(), line);
    }
}

/// The message of a line, and its fields behind it.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Words {
    fn line(self) -> String {
        let mut line = self.message;
        line.push_str(&self.fields);
        if line.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
            line.truncate(end);
        }
        line
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing into a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        Tail { most: AtomicU8::new(0), lines: Mutex::default(), newest: watch::Sender::new(0) }
    }

    #[test]
    fn a_reader_that_is_away_is_told_how_much_it_missed() {
        let tail = tail();
        for n in 0..KEPT as u64 + 10 {
            tail.push(LogLevel::Info, "unspool::media", n.to_string());
        }
        let first = tail.after(0);
        assert_eq!((first.lines.len(), first.missed, first.last), (BATCH, 10, 10 + BATCH as u64));
        assert_eq!(first.lines[0].text, "10");
        let next = tail.after(first.last);
        assert_eq!((next.lines[0].number, next.missed), (first.last + 1, 0));
        let end = tail.after(KEPT as u64 + 10);
        assert_eq!((end.lines.len(), end.last, end.missed), (0, KEPT as u64 + 10, 0));
    }

    #[test]
    fn lines_are_cut_between_characters() {
        let words = Words { message: "ä".repeat(LONGEST), fields: " n=1".into() };
        let line = words.line();
        assert!(line.len() <= LONGEST && line.chars().all(|c| c == 'ä'));
    }
}
