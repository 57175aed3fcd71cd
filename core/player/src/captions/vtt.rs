//! `WebVTT`, as far as text and times go.

use super::{Cue, Found, blocks, text, timing};

/// What follows the signature; `None` if this is no `WebVTT` file.
pub(super) fn body(text: &str) -> Option<&str> {
    let after = text.strip_prefix("WEBVTT")?;
    if !after.is_empty() && !after.starts_with(['\n', ' ', '\t']) {
        return None;
    }
    // The rest of the header goes up to the first blank line.
    Some(after.find("\n\n").map_or("", |end| &after[end..]))
}

/// Cues of a body; notes, styles and regions are passed over.
pub(super) fn cues(body: &str) -> Found {
    let mut found = Found::default();
    for block in blocks(body) {
        if ["NOTE", "STYLE", "REGION"].iter().any(|word| block[0].split_whitespace().next() == Some(word)) {
            continue;
        }
        // An identifier may stand before the times.
        let timed = block.iter().take(2).position(|line| line.contains("-->"));
        let cue = timed.and_then(|at| {
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
