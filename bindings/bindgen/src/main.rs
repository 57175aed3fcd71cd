//! Writes the Kotlin, Swift and Python bindings of a built `unspool-ffi` library.
//!
//! The generator is a library of UniFFI, of the same release as the one inside `unspool-ffi`: the generated code checks
//! at start that both agree. It lives in a crate of its own so that nothing of it is linked into what ships.

mod declarations;

use std::io::Write;

use anyhow::{Context, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand, ValueEnum};
use uniffi_bindgen::bindings::{GenerateOptions, TargetLanguage, generate_with_bindgen_paths};
use uniffi_bindgen::{BindgenPaths, BindgenPathsLayer};

/// Bindings of Unspool for other languages.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the source files of one or more languages
    Generate {
        /// The built library, not stripped of its symbols
        #[arg(long, value_name = "FILE")]
        library: Utf8PathBuf,
        /// Names of packages and modules: the workspace's uniffi.toml
        #[arg(long, value_name = "FILE")]
        config: Utf8PathBuf,
        /// Where to write; one folder for each language is made below it
        #[arg(long, value_name = "DIR")]
        out: Utf8PathBuf,
        /// Languages; all when none is named
        #[arg(long, value_enum)]
        language: Vec<Language>,
    },
    /// Print what the written sources of one language declare
    Declarations {
        /// Which language
        #[arg(long, value_enum)]
        language: Language,
        /// The folder that `generate` wrote for it
        #[arg(long, value_name = "DIR")]
        sources: Utf8PathBuf,
        /// Names of packages and modules: the workspace's uniffi.toml
        #[arg(long, value_name = "FILE")]
        config: Utf8PathBuf,
        /// Also the calls that panic on purpose
        #[arg(long)]
        faults: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Kotlin,
    Swift,
    Python,
}

impl Language {
    fn folder(self) -> &'static str {
        match self {
            Language::Kotlin => "kotlin",
            Language::Swift => "swift",
            Language::Python => "python",
        }
    }

    fn target(self) -> TargetLanguage {
        match self {
            Language::Kotlin => TargetLanguage::Kotlin,
            Language::Swift => TargetLanguage::Swift,
            Language::Python => TargetLanguage::Python,
        }
    }
}

/// The crates have no configuration of their own: everything is in the file that is passed.
struct NoCrateConfig(Utf8PathBuf);

impl BindgenPathsLayer for NoCrateConfig {
    fn get_crate_root(&self, _: &str) -> Option<Utf8PathBuf> {
        Some(self.0.clone())
    }
}

fn main() -> anyhow::Result<()> {
    match Options::parse().command {
        Command::Generate { library, config, out, mut language } => {
            if language.is_empty() {
                language = vec![Language::Kotlin, Language::Swift, Language::Python];
            }
            language.iter().try_for_each(|&l| generate(l, &library, &config, &out))
        }
        Command::Declarations { language, sources, config, faults } => {
            let text = declarations::declarations(language, &sources, &config, faults)?;
            Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
        }
    }
}

fn generate(language: Language, library: &Utf8Path, config: &Utf8Path, out: &Utf8Path) -> anyhow::Result<()> {
    ensure!(library.is_file(), "there is no library {library}: build unspool-ffi first");
    let out = out.join(language.folder());
    let mut paths = BindgenPaths::default();
    paths.add_layer(NoCrateConfig(out.clone()));
    let options = GenerateOptions {
        languages: vec![language.target()],
        source: library.to_owned(),
        out_dir: out,
        config_override: Some(config.to_owned()),
        format: false,
        ..GenerateOptions::default()
    };
    generate_with_bindgen_paths(options, paths).with_context(|| format!("{} bindings", language.folder()))
}
