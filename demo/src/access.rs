//! The server's access log, read back: what it says it sent.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    client: Option<String>,
    #[serde(default)]
    path: String,
    bytes: u64,
}

/// Where pages of the feed are asked for.
const FEED: &str = "/v1/feed";

/// What the log says from some line on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines of every client.
    pub lines: u64,
    /// Body bytes sent to the client asked about.
    pub bytes: u64,
}

/// Reads the log from line `skip` (counted from 0) on. A log that is not there yet has no lines.
pub fn read(log: &Path, skip: u64, client: &str) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    each(log, skip, |line| {
        tally.lines += 1;
        if line.client.as_deref() == Some(client) {
            tally.bytes += line.bytes;
        }
    })?;
    Ok(tally)
}

/// Body bytes of each page of the feed that went to the client, from line `skip` on.
pub fn pages(log: &Path, skip: u64, client: &str) -> std::io::Result<Vec<u64>> {
    let mut pages = Vec::new();
    each(log, skip, |line| {
        if line.client.as_deref() == Some(client) && line.path == FEED {
            pages.push(line.bytes);
        }
    })?;
    Ok(pages)
}

fn each(log: &Path, skip: u64, mut take: impl FnMut(Line)) -> std::io::Result<()> {
    let file = match std::fs::File::open(log) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for (n, line) in (0u64..).zip(BufReader::new(file).lines()) {
        let line: Line = serde_json::from_str(&line?).map_err(std::io::Error::other)?;
        if n >= skip {
            take(line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_one_client_from_a_line_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("access.jsonl");
        assert_eq!(read(&log, 0, "a").unwrap(), Tally::default());
        let rows = "{\"client\":\"a\",\"bytes\":5}\n{\"client\":null,\"bytes\":7}\n{\"client\":\"a\",\"bytes\":11,\"ms\":1}\n";
        std::fs::write(&log, rows).unwrap();
        assert_eq!(read(&log, 0, "a").unwrap(), Tally { lines: 3, bytes: 16 });
        assert_eq!(read(&log, 1, "a").unwrap(), Tally { lines: 2, bytes: 11 });
        assert!(pages(&log, 0, "a").unwrap().is_empty());
        std::fs::write(&log, "{\"client\":\"a\",\"bytes\":5,\"path\":\"/v1/feed\"}\n").unwrap();
        assert_eq!(pages(&log, 0, "a").unwrap(), vec![5_u64]);
    }
}
