//! The program of docs/guides/rust.md: the page shows the file that is compiled here, and it runs.

use unspool_e2e::{Done, Origin, PATIENCE};

#[allow(dead_code)] // its `main` is run by people
#[path = "../../../core/client/examples/watch.rs"]
mod watch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

/// The blocks of a page with that mark, one after the other.
fn blocks(page: &str, mark: &str) -> String {
    let fence = format!("```{mark}\n");
    let blocks: Vec<&str> =
        page.split(&fence).skip(1).filter_map(|rest| rest.split("\n```\n").next()).collect();
    blocks.join("\n\n") + "\n"
}

#[test]
fn the_page_shows_the_program() {
    let page = include_str!("../../../docs/guides/rust.md");
    let program = include_str!("../../../core/client/examples/watch.rs");
    let (_, code) = program.split_once("\n\n").unwrap();
    assert_eq!(blocks(page, "rust"), code, "docs/guides/rust.md and core/client/examples/watch.rs differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_plays_keeps_and_goes_on_without_a_network() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let mut said = Vec::new();
    let core = dir.path().join("core");
    let watching = watch::watch(&origin.url, &core, &mut said);
    tokio::time::timeout(4 * PATIENCE, watching).await??;
    let said = String::from_utf8(said)?;
    assert_eq!(said.matches("a picture after").count(), 4, "{said}");
    assert!(said.contains("without a network: a picture after"), "{said}");
    assert!(said.contains("a clean end: "), "{said}");
    assert!(!said.contains("\n0 of "), "{said}");
    Ok(())
}
