//! `SubRip`: a number, the times, the text, a blank line.

use super::{Cue, Found, blocks, text, timing};

/// Cues of a file; the number may be missing, as it often is.
pub(super) fn cues(text: &str) -> Found {
    let mut found = Found::default();
    for block in blocks(text) {
        let cue = block.iter().take(2).position(|line| line.contains("-->")).and_then(|at| {
            let (start_ms, end_ms) = timing(block[at])?;
            let (text, voice) = text::plain(&block[at + 1..]);
            Some(Cue { start_ms, end_ms, text, voice })
        });
        if !found.take(cue) {
            break;
        }
    }
    found
}
