//! The newest lines of a log, for the page. Whoever has a log writes into it.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Lines that are kept: at some ten a second at `Debug` half a minute, and a page that is open has them already.
const KEPT: usize = 300;
/// Longest line, in characters.
const LINE: usize = 400;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Its number, from 1.
    pub n: u64,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`, or `EVENT` for what the feed told.
    pub level: String,
    /// What it says, at most 400 characters.
    pub text: String,
}

/// The newest 300 lines. Clones share them; any thread may write, and nothing waits.
///
/// As [`Write`] it takes lines that begin with their level, one for each call, as the `fmt` layer of `tracing-subscriber` writes
/// them: `.without_time().with_ansi(false).with_writer({ let tail = tail.clone(); move || tail.clone() })`.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<(u64, VecDeque<LogLine>)>>);

impl Tail {
    /// Adds a line.
    pub fn push(&self, level: &str, text: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.0 += 1;
        let n = kept.0;
        let short = |text: &str, most| text.chars().take(most).collect();
        kept.1.push_back(LogLine { n, level: short(level, 8), text: short(text, LINE) });
    }

    /// The lines after number `after`, oldest first.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<LogLine> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|line| line.n > after).cloned().collect()
    }
}

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let (level, rest) = text.trim().split_once(' ').unwrap_or(("INFO", text.trim()));
        self.push(level, rest.trim());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_lines_with_their_levels_and_no_endless_ones() {
        let tail = Tail::default();
        let mut writer = tail.clone();
        writer.write_all(format!("WARN {}\n", "x".repeat(2 * LINE)).as_bytes()).unwrap();
        let first = tail.after(0);
        assert_eq!((first[0].n, first[0].level.as_str(), first[0].text.chars().count()), (1, "WARN", LINE));
        for n in 0..2 * KEPT {
            tail.push("EVENT", &n.to_string());
        }
        let all = tail.after(0);
        assert_eq!((all.len(), all[KEPT - 1].n, all[KEPT - 1].text.as_str()), (KEPT, 601, "599"));
        assert_eq!(tail.after(600).len(), 1);
    }
}
