//! The programs of the languages, and what they answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;
use serde::Deserialize;

use super::super::Effort;
use crate::error::BenchError;

/// A language the core is called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// On the JVM.
    Kotlin,
    /// On Linux.
    Swift,
    /// CPython.
    Python,
}

impl Language {
    const ALL: [Language; 3] = [Language::Kotlin, Language::Swift, Language::Python];

    /// As scripts and folders are called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Language::Kotlin => "kotlin",
            Language::Swift => "swift",
            Language::Python => "python",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Kotlin => "Kotlin",
            Language::Swift => "Swift",
            Language::Python => "Python",
        })
    }
}

/// The languages to measure: those that were named, or every one that this machine has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chosen([bool; 3]);

impl Chosen {
    /// Those in a list; an empty one names none.
    pub(crate) fn of(list: &[Language]) -> Self {
        Chosen(Language::ALL.map(|language| list.contains(&language)))
    }

    /// Whether the caller asked for them, so that one that cannot be measured is an error.
    pub(super) fn named(self) -> bool {
        self.0.contains(&true)
    }

    pub(super) fn list(self) -> impl Iterator<Item = Language> {
        let named = self.named();
        Language::ALL.into_iter().zip(self.0).filter(move |(_, chosen)| *chosen || !named).map(|(l, _)| l)
    }
}

/// What a program prints: one JSON object.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Answer {
    calls: Vec<Call>,
    pub(super) swipe: Swipe,
}

/// Times of one call.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Call {
    name: String,
    pub(super) n: usize,
    pub(super) median_us: f64,
}

/// What a swipe took.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Swipe {
    /// Swipes that were measured.
    #[serde(default)]
    pub(super) n: usize,
    /// Calls from `feed.next` to the first frame told, of a typical swipe.
    pub(super) calls: u32,
    /// Milliseconds from the one to the other.
    pub(super) first_frame_ms: Option<f64>,
    /// Microseconds of a call that suspends and is woken by the core.
    pub(super) suspended_call_us: Option<f64>,
    /// Calls behind that; 0 where a program does not say.
    #[serde(default)]
    pub(super) suspended_n: usize,
}

impl Answer {
    pub(super) fn call(&self, name: &str) -> Result<&Call, BenchError> {
        let missing =
            || BenchError::step("reading a program's figures")(format!("it did not measure {name}"));
        self.calls.iter().find(|call| call.name == name).ok_or_else(missing)
    }
}

/// Builds and runs the program of a language against the server at `url`.
pub(super) fn run(language: Language, url: &str, data: &Path, effort: Effort) -> Result<Answer, BenchError> {
    let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let mut command = Command::new(scripts.join("bench-ffi.sh"));
    command.arg(language.name()).arg(url).arg(data).stdin(Stdio::null()).stderr(Stdio::inherit());
    if effort.quick {
        command.env("UNSPOOL_BENCH_QUICK", "1");
    }
    let out = command.output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    if !out.status.success() {
        return Err(BenchError::step("running a language's program")(format!("{language}: {}", out.status)));
    }
    answer(&text)
}

/// The last line of what a program printed.
fn answer(text: &str) -> Result<Answer, BenchError> {
    let line = text.lines().rfind(|line| line.starts_with('{'));
    let line = line.ok_or_else(|| BenchError::step("reading a program's figures")("it printed none"))?;
    Ok(serde_json::from_str(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_named_are_measured_and_otherwise_all() {
        assert_eq!(Chosen::of(&[]).list().count(), 3);
        assert!(!Chosen::of(&[]).named());
        let two = Chosen::of(&[Language::Python, Language::Kotlin]);
        assert_eq!(two.list().collect::<Vec<_>>(), [Language::Kotlin, Language::Python]);
        assert!(two.named());
    }

    #[test]
    fn the_figures_are_on_the_last_line() {
        let text = "words\n{\"language\":\"x\",\"calls\":[{\"name\":\"feed.next\",\"n\":3,\"median_us\":1.5,\
                    \"p90_us\":2}],\"swipe\":{\"calls\":2,\"n\":3}}\n";
        let answer = answer(text).unwrap();
        assert_eq!((answer.call("feed.next").unwrap().n, answer.swipe.calls), (3, 2));
        assert!(answer.call("feed.seek").is_err());
        assert!(super::answer("words\n").is_err());
    }
}
