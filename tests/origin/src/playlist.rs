//! Signing what an HLS playlist points at. Pure.
//!
//! Every relative URI (of segments, playlists, keys and `EXT-X-MAP`) that names a file of the same asset gets the query
//! that opens it. URIs of other hosts, and those that lead out of the asset, stay as they are.

/// Rewrites a playlist that lies in folder `dir` (empty for the asset's own folder). `query_of` is asked with the decoded
/// path of a file inside the asset and answers its query, or `None` when the asset has no such file.
#[must_use]
pub fn sign(text: &str, dir: &str, query_of: impl Fn(&str) -> Option<String>) -> String {
    let signed = |uri: &str| -> String {
        match resolve(dir, uri).and_then(|path| query_of(&path)) {
            Some(query) => format!("{}?{query}", bare(uri)),
            None => uri.to_owned(),
        }
    };
    let mut result = String::with_capacity(text.len() * 3);
    for line in text.lines() {
        if line.trim().is_empty() {
            result.push_str(line);
        } else if line.starts_with('#') {
            let mut rest = line;
            while let Some(at) = rest.find("URI=\"") {
                let (before, uri_on) = rest.split_at(at + 5);
                let Some(end) = uri_on.find('"') else { break };
                result.push_str(before);
                result.push_str(&signed(&uri_on[..end]));
                rest = &uri_on[end..];
            }
            result.push_str(rest);
        } else {
            result.push_str(&signed(line.trim()));
        }
        result.push('\n');
    }
    result
}

/// Without query and fragment.
fn bare(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or(uri)
}

/// The decoded path inside the asset that a URI means, or `None` when it leads elsewhere.
#[must_use]
pub fn resolve(dir: &str, uri: &str) -> Option<String> {
    let uri = bare(uri);
    if uri.is_empty()
        || uri.starts_with('/')
        || uri.split('/').next().is_some_and(|first| first.contains(':'))
    {
        return None;
    }
    let decoded = decode(uri)?;
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// Percent-decoding; `None` when it is malformed or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let [high, low, after @ ..] = tail else { return None };
            let mut byte = [0];
            hex::decode_to_slice([*high, *low], &mut byte).ok()?;
            bytes.push(byte[0]);
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes a path, leaving `/` and unreserved characters.
#[must_use]
pub fn encode(path: &str) -> String {
    let mut result = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            result.push(char::from(byte));
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_of_the_asset_is_signed_and_no_other() {
        let text = "#EXTM3U\r\n#EXT-X-MAP:URI=\"720.m4s\",BYTERANGE=\"1@0\"\n\n#EXTINF:2,\nsub/a%20b.m4s?old=1\n\
                    http://elsewhere/x.ts\n../out.ts\nunknown.ts\n";
        let query = |path: &str| ["720.m4s", "sub/a b.m4s"].contains(&path).then(|| "q=1".to_owned());
        assert_eq!(
            sign(text, "", query),
            "#EXTM3U\n#EXT-X-MAP:URI=\"720.m4s?q=1\",BYTERANGE=\"1@0\"\n\n#EXTINF:2,\nsub/a%20b.m4s?q=1\n\
             http://elsewhere/x.ts\n../out.ts\nunknown.ts\n"
        );
    }

    #[test]
    fn paths_resolve_inside_the_asset_only() {
        assert_eq!(resolve("a/b", "../c.ts").as_deref(), Some("a/c.ts"));
        assert_eq!(resolve("a", "../../c.ts"), None);
        assert_eq!(resolve("", "./x/../c.ts").as_deref(), Some("c.ts"));
        assert_eq!(resolve("", "/c.ts"), None);
        assert_eq!(resolve("", "data:x"), None);
        assert_eq!(resolve("", "%zz"), None);
        assert_eq!(resolve("", "%2e%2e/c.ts"), None);
    }

    #[test]
    fn encoding_comes_back() {
        let path = "a b/ü?#%.ts";
        assert_eq!(encode(path), "a%20b/%C3%BC%3F%23%25.ts");
        assert_eq!(resolve("", &encode(path)).as_deref(), Some(path));
    }
}
