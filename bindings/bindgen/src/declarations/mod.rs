//! What the generated bindings declare: types, functions, fields and cases, without bodies, documentation or the parts
//! that only serve the crossing.
//!
//! The text is committed, so that a change of the interface is read in a review in the words of each language. It is
//! found by reading the generated source, not the metadata it came from: what counts is what an app's compiler sees.
//! Anything the pinned generator adds of its own accord shows up as a difference too, which is wanted.
//!
//! For Python the text is a type stub as well, and goes into the package as one.

mod braces;
mod kotlin;
mod python;
mod swift;

use anyhow::{Context, ensure};
use camino::{Utf8Path, Utf8PathBuf};

use crate::Language;

/// One top-level declaration with its members, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    lines: Vec<String>,
}

/// The declarations of one language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Declarations {
    /// Where they live: packages, modules, libraries.
    head: Vec<String>,
    entries: Vec<Entry>,
}

impl Declarations {
    /// The lines that would copy bytes and may not.
    fn copied(&self, language: Language) -> impl Iterator<Item = &String> {
        let entries = self.entries.iter().filter(|entry| entry.name != PICTURE);
        entries.flat_map(|entry| &entry.lines).filter(move |line| copies_bytes(language, line))
    }

    /// The text of the golden file: head first, then the entries by name.
    fn render(mut self, faults: bool) -> String {
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in &mut self.entries {
            entry.lines.retain(|line| faults || !is_fault(line));
        }
        let mut blocks = vec![self.head];
        blocks.extend(self.entries.into_iter().map(|entry| entry.lines));
        let blocks: Vec<String> = blocks.into_iter().map(|lines| lines.join("\n") + "\n").collect();
        blocks.join("\n")
    }
}

/// Whether a line declares one of the calls that panic on purpose. Tests build with them and what ships has none, so one
/// build serves for both.
fn is_fault(line: &str) -> bool {
    line.match_indices('(').any(|(at, _)| {
        let name = line[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
        name.is_some_and(|name| name.starts_with("panic"))
    })
}

/// The one record that may carry bytes: a still picture is small, and the platform's decoders take it as it is.
const PICTURE: &str = "Thumbnail";

/// Parts of the signature of a call that would copy bytes one by one, and what names them in each language.
fn copies_bytes(language: Language, line: &str) -> bool {
    let types: &[&str] = match language {
        Language::Kotlin => &["ByteArray", "List<UByte>", "List<Byte>"],
        Language::Swift => &["Data", "[UInt8]", "[Int8]"],
        Language::Python => &["bytes"],
    };
    let line = line.trim_end_matches(": ...");
    let word = |c: char| c.is_alphanumeric() || c == '_';
    types.iter().any(|name| {
        line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + name.len()..].trim_start().chars().next();
            // A field may be called `bytes`; a type of that name stands before no colon.
            !before.is_some_and(word) && !after.is_some_and(|c| word(c) || c == ':')
        })
    })
}

/// Reads the generated files of `language` in `sources` and gives the text of its golden file; with `faults` also the
/// calls that panic on purpose, where the library was built with them.
///
/// Fails when the names are not those that `config` asks for (the generator ignores what it does not understand there),
/// and when a call would copy bytes: media is read by the core's own players and never crosses, but for still pictures.
pub(crate) fn declarations(
    language: Language,
    sources: &Utf8Path,
    config: &Utf8Path,
    faults: bool,
) -> anyhow::Result<String> {
    let (ending, read): (_, Read) = match language {
        Language::Kotlin => ("kt", kotlin::read),
        Language::Swift => ("swift", swift::read),
        Language::Python => ("py", python::read),
    };
    let files = files(sources, ending)?;
    ensure!(!files.is_empty(), "there is no .{ending} file in {sources}: run scripts/bindings.sh");
    let declared = read(&files)?;
    let copied: Vec<String> = declared.copied(language).map(|line| line.trim().to_owned()).collect();
    let text = declared.render(faults);
    let config = std::fs::read_to_string(config).with_context(|| config.to_string())?;
    for wanted in names(language, &config)? {
        ensure!(
            text.lines().any(|line| line == wanted),
            "the generated {} has no line \"{wanted}\", which uniffi.toml asks for: is it in the global form?",
            language.folder()
        );
    }
    ensure!(
        copied.is_empty(),
        "bytes would be copied one by one: {}. Hand out a path, an address or an object instead",
        copied.join("; ")
    );
    Ok(text)
}

/// Reads the files of one language.
type Read = fn(&[Source]) -> anyhow::Result<Declarations>;

/// A generated file.
#[derive(Debug)]
struct Source {
    /// File name without its ending.
    stem: String,
    text: String,
}

fn files(folder: &Utf8Path, ending: &str) -> anyhow::Result<Vec<Source>> {
    let mut folders = vec![folder.to_owned()];
    let mut paths: Vec<Utf8PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().with_context(|| folder.to_string())? {
            let path = entry?.into_path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(ending) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let read = |path: &Utf8PathBuf| {
        let text = std::fs::read_to_string(path).with_context(|| path.to_string())?;
        Ok(Source { stem: path.file_stem().unwrap_or_default().to_owned(), text })
    };
    paths.iter().map(read).collect()
}

/// The head lines that the configuration asks for.
fn names(language: Language, config: &str) -> anyhow::Result<Vec<String>> {
    let value = |key: &str| {
        let section = format!(".bindings.{}]", language.folder());
        let mut inside = false;
        let mut found = None;
        for line in config.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line.ends_with(&section);
            } else if let Some((name, value)) = line.split_once('=').filter(|_| inside)
                && name.trim() == key
            {
                found = Some(value.trim().trim_matches('"').to_owned());
            }
        }
        found.with_context(|| format!("uniffi.toml does not say {key} for {}", language.folder()))
    };
    Ok(match language {
        Language::Kotlin => {
            vec![format!("package {}", value("package_name")?), format!("library {}", value("cdylib_name")?)]
        }
        Language::Swift => {
            vec![format!("module {}", value("module_name")?), format!("import {}", value("ffi_module_name")?)]
        }
        Language::Python => vec![format!("# library {}", value("cdylib_name")?)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_the_order_of_their_names() {
        let entry = |name: &str| Entry { name: name.into(), lines: vec![name.into(), "    x".into()] };
        let declarations = Declarations { head: vec!["head".into()], entries: vec![entry("b"), entry("a")] };
        assert_eq!(declarations.render(false), "head\n\na\n    x\n\nb\n    x\n");
    }

    #[test]
    fn calls_that_panic_on_purpose_are_left_out_unless_they_are_wanted() {
        let lines = ["class A:", "    @Throws(E::class) suspend fun panicInTask()", "    val panics: Int"];
        let entry = Entry { name: "A".into(), lines: lines.map(str::to_owned).to_vec() };
        let declarations = Declarations { head: vec!["head".into()], entries: vec![entry] };
        assert_eq!(declarations.clone().render(false), "head\n\nclass A:\n    val panics: Int\n");
        assert_eq!(declarations.render(true).lines().count(), 5);
    }

    #[test]
    fn bytes_are_found_by_their_type_and_not_by_a_name() {
        let copies = |language, line| copies_bytes(language, line);
        assert!(copies(Language::Kotlin, "fun frame(): ByteArray"));
        assert!(copies(Language::Kotlin, "val body: List<UByte>?"));
        assert!(!copies(Language::Kotlin, "fun map(): ByteArrayMap"));
        assert!(copies(Language::Swift, "func frame() -> Data"));
        assert!(copies(Language::Swift, "let body: [UInt8]"));
        assert!(!copies(Language::Swift, "let dataSaver: Bool"));
        assert!(!copies(Language::Swift, "let metaData: String"));
        assert!(copies(Language::Python, "def frame(self) -> bytes: ..."));
        assert!(copies(Language::Python, "body: bytes | None"));
        assert!(!copies(Language::Python, "bytes: Bytes"));
        assert!(!copies(Language::Python, "cache_bytes: int"));
    }

    #[test]
    fn only_the_still_picture_may_carry_bytes() {
        let entry =
            |name: &str| Entry { name: name.to_owned(), lines: vec!["    val bytes: ByteArray".to_owned()] };
        let entries = vec![entry("Thumbnail"), entry("ThumbnailTrouble"), entry("Frame")];
        let declarations = Declarations { head: Vec::new(), entries };
        assert_eq!(declarations.copied(Language::Kotlin).count(), 2);
    }

    #[test]
    fn the_configuration_says_the_names() {
        let config = "[defaults.bindings.kotlin]\nandroid = true\n[crates.x.bindings.kotlin]\n\
                      package_name = \"dev.x\"\ncdylib_name = \"x\"\n[crates.x.bindings.python]\n";
        assert_eq!(names(Language::Kotlin, config).unwrap(), ["package dev.x", "library x"]);
        assert!(names(Language::Python, config).is_err(), "of another language");
        assert!(names(Language::Swift, "module_name = \"X\"").is_err(), "the flat form is not read");
    }
}
