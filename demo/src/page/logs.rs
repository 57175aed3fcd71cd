//! The newest lines of the log, for the page.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept.
const KEPT: usize = 300;
/// Longest line, in characters.
const LINE: usize = 400;

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its number, from 1.
    pub n: u64,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG`, or `EVENT` for what the feed told.
    pub level: String,
    /// What it says.
    pub text: String,
}

/// The newest lines. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<(u64, VecDeque<Line>)>>);

impl Tail {
    /// Adds a line.
    pub fn push(&self, level: &str, text: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1.len() == KEPT {
            kept.1.pop_front();
        }
        kept.0 += 1;
        let n = kept.0;
        kept.1.push_back(Line { n, level: level.to_owned(), text: text.chars().take(LINE).collect() });
    }

    /// The lines after number `after`, oldest first.
    #[must_use]
    pub fn after(&self, after: u64) -> Vec<Line> {
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

impl<'a> MakeWriter<'a> for Tail {
    type Writer = Tail;

    fn make_writer(&'a self) -> Tail {
        self.clone()
    }
}
