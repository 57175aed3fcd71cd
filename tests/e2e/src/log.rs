//! The access log, read strictly: which bytes of which file went to whom, and whether any went twice.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Done;

/// Bytes of a file that the server sent in one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// First byte.
    pub start: u64,
    /// One past the last byte that was handed to the socket.
    pub end: u64,
}

/// What was sent of each media file, by path, in the order of the log; playlists are apart, for they are read anew
/// after a restart. A line that does not say exactly which bytes it is about is an error, not a guess.
pub fn media_sent(log: &[Value]) -> Done<BTreeMap<String, Vec<Sent>>> {
    let mut files: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
    for line in log {
        let path = line["path"].as_str().ok_or_else(|| format!("no path: {line}"))?;
        if !path.starts_with("/media/") || path.ends_with(".m3u8") {
            continue;
        }
        let status = line["status"].as_u64().ok_or_else(|| format!("no status: {line}"))?;
        let bytes = line["bytes"].as_u64().ok_or_else(|| format!("no bytes: {line}"))?;
        if line["method"] != "GET" {
            return Err(format!("not a request for bytes: {line}").into());
        }
        let sent = match (status, line["range"].as_str()) {
            (206, Some(range)) => {
                let (first, last) = bounds(range).ok_or_else(|| format!("no single range: {line}"))?;
                if bytes > last + 1 - first {
                    return Err(format!("more than was asked for: {line}").into());
                }
                Sent { start: first, end: first + bytes }
            }
            (200, None) => Sent { start: 0, end: bytes },
            // Refusals and connections that ended before an answer carry no byte of the file.
            (0 | 300..=599, _) => continue,
            _ => return Err(format!("an answer that does not fit its request: {line}").into()),
        };
        if sent.start < sent.end {
            files.entry(path.to_owned()).or_default().push(sent);
        }
    }
    Ok(files)
}

/// Fails when a byte of any media file was sent more than once.
pub fn no_byte_twice(log: &[Value]) -> Done<()> {
    for (path, mut sent) in media_sent(log)? {
        sent.sort_unstable();
        if let Some(pair) = sent.windows(2).find(|pair| pair[1].start < pair[0].end) {
            return Err(format!("{path}: sent twice: {:?} and {:?}", pair[0], pair[1]).into());
        }
    }
    Ok(())
}

/// Requests for anything of media: files and playlists, refused ones too.
pub fn media_requests(log: &[Value]) -> usize {
    log.iter().filter(|line| line["path"].as_str().is_some_and(|path| path.starts_with("/media/"))).count()
}

fn bounds(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(path: &str, range: &str, status: u64, bytes: u64) -> Value {
        json!({"method": "GET", "path": path, "range": range, "status": status, "bytes": bytes})
    }

    #[test]
    fn a_byte_that_was_sent_twice_is_found_and_a_vague_line_is_refused() {
        let first = line("/media/a/1.mp4", "bytes=0-99", 206, 100);
        let next = line("/media/a/1.mp4", "bytes=100-199", 206, 50);
        let other = line("/media/b/1.mp4", "bytes=0-99", 206, 100);
        no_byte_twice(&[next.clone(), first.clone(), other]).unwrap();
        assert!(
            no_byte_twice(&[first.clone(), next, line("/media/a/1.mp4", "bytes=149-150", 206, 1)]).is_err()
        );
        no_byte_twice(&[first.clone(), line("/media/a/1.mp4", "bytes=0-99", 403, 9)]).unwrap();
        assert!(no_byte_twice(&[first.clone(), first]).is_err());
        for vague in ["bytes=0-1,4-5", "bytes=-5", "bytes=5-", "items=0-1", "bytes=5-4"] {
            assert!(media_sent(&[line("/media/a/1.mp4", vague, 206, 1)]).is_err(), "{vague}");
        }
        assert!(media_sent(&[line("/media/a/1.mp4", "bytes=0-9", 206, 11)]).is_err());
        assert!(media_sent(&[json!({"path": "/media/a/1.mp4", "status": 206})]).is_err());
    }
}
