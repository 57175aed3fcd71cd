//! Plays a recorded session back and says whether the engine does the same again.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use unspool::tape::{Difference, replay};

/// Longest words of an effect that are shown.
const SHOWN: usize = 600;

/// Plays `file`.
///
/// # Errors
/// Where it cannot be read, is no tape, or the engine does something else than what was written.
pub fn run(file: &Path) -> Result<(), Box<dyn Error>> {
    let tape = std::fs::read_to_string(file)?;
    let done = replay(tape.lines())?;
    let (feeds, facts, effects, bytes) = (done.feeds, done.facts, done.effects, done.bytes);
    let mut out = std::io::stdout();
    match done.difference {
        None => {
            writeln!(
                out,
                "{feeds} feeds, {facts} facts, {effects} effects ({bytes} bytes), every one as it was recorded"
            )?;
            Ok(())
        }
        Some(Difference { line, wrote, did }) => {
            let words = |effect: Option<String>| {
                effect.map_or_else(|| "nothing".to_owned(), |words| words.chars().take(SHOWN).collect())
            };
            let (wrote, did) = (words(wrote), words(did));
            Err(format!("after {effects} effects, at line {line}: recorded {wrote}; played back {did}")
                .into())
        }
    }
}
