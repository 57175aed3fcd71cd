//! Text of cues without its markup.

use super::LONGEST_CUE;

/// Characters that both formats write as references.
const REFERENCES: [(&str, &str); 7] = [
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&nbsp;", "\u{a0}"),
    ("&lrm;", "\u{200e}"),
    ("&rlm;", "\u{200f}"),
    ("&quot;", "\""),
];

/// Lines of a cue as plain text, and the voice that the first `<v Name>` gives.
///
/// Tags go whatever they are; a `<` that opens none stays. Braced override codes of other subtitle formats
/// (`{\an8}`), which many `SubRip` files carry, go too.
pub(super) fn plain(lines: &[&str]) -> (String, Option<String>) {
    let mut out = String::new();
    let mut voice = None;
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut rest = *line;
        while let Some(next) = rest.chars().next() {
            if out.len() >= LONGEST_CUE {
                break;
            }
            if let Some((tag, after)) = enclosed(rest, '<', '>').filter(|(tag, _)| is_tag(tag)) {
                if let Some(name) = voice_of(tag).filter(|_| voice.is_none()) {
                    voice = Some(name);
                }
                rest = after;
            } else if let Some((_, after)) =
                enclosed(rest, '{', '}').filter(|(code, _)| code.starts_with('\\'))
            {
                rest = after;
            } else if let Some((name, character)) = REFERENCES.iter().find(|(name, _)| rest.starts_with(name))
            {
                out.push_str(character);
                rest = &rest[name.len()..];
            } else {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    (out.trim().to_owned(), voice)
}

/// Longest tag that is looked for, in bytes; what is longer is text.
const LONGEST_TAG: usize = 256;

/// What stands between two marks at the very beginning, and what follows.
fn enclosed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let inner = text.strip_prefix(open)?;
    let end = inner.char_indices().take_while(|(at, _)| *at < LONGEST_TAG).find(|(_, c)| *c == close)?.0;
    Some((&inner[..end], &inner[end + close.len_utf8()..]))
}

/// A tag begins with a letter, a slash or, for a time stamp within a cue, a digit; "1 < 2 > 0" has none.
fn is_tag(inner: &str) -> bool {
    inner.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
}

/// The name in `v Ann` or `v.loud Ann`.
fn voice_of(tag: &str) -> Option<String> {
    let (kind, name) = tag.split_once(char::is_whitespace)?;
    let name = name.trim();
    ((kind == "v" || kind.starts_with("v.")) && !name.is_empty()).then(|| name.chars().take(100).collect())
}
