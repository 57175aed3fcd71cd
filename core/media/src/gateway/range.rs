//! Which bytes a request gets: `Range`, and the conditions that decide whether it counts (RFC 9110, 13 and 14).
//!
//! One range is answered exactly. Several, an unknown unit or broken syntax make the header be ignored, as the standard
//! allows (14.2): the answer is the whole file, which every reader must be able to take. A range that is well written
//! but begins past the end is answered with 416.

use http::{HeaderMap, Method, header};
use unspool_engine::Span;

use super::request::single;

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Everything, status 200.
    Whole,
    /// These bytes, status 206; never empty.
    Part(Span),
    /// Status 416.
    Unsatisfiable,
    /// Status 304.
    NotModified,
    /// Status 412.
    Failed,
}

/// Decides for a representation of `size` bytes whose strong entity tag, quotes included, is `etag`.
pub(super) fn choose(method: &Method, headers: &HeaderMap, size: u64, etag: &str) -> Choice {
    let listed = |name| {
        let values = headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
    };
    if headers.contains_key(header::IF_MATCH)
        && !listed(header::IF_MATCH).any(|tag| tag == "*" || tag == etag)
    {
        return Choice::Failed;
    }
    // This comparison is weak (13.1.2): a tag that was weakened on its way still names this version.
    if listed(header::IF_NONE_MATCH).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag) {
        return Choice::NotModified;
    }
    // Ranges are defined for GET alone (14.2).
    if method != Method::GET || !headers.contains_key(header::RANGE) {
        return Choice::Whole;
    }
    // A date cannot match, because no answer carries one.
    if headers.contains_key(header::IF_RANGE) && single(headers, header::IF_RANGE) != Some(etag) {
        return Choice::Whole;
    }
    single(headers, header::RANGE).map_or(Choice::Whole, |range| part(range, size))
}

fn part(range: &str, size: u64) -> Choice {
    let Some((unit, set)) = range.split_once('=') else { return Choice::Whole };
    let mut specs = set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else { return Choice::Whole };
    let Some((first, last)) = spec.split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes")) else {
        return Choice::Whole;
    };
    let span = match (position(first), position(last)) {
        (Some(first), Some(last)) if first <= last => Span::new(first, last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() => Span::new(first, size),
        (None, Some(suffix)) if first.is_empty() => Span::new(size.saturating_sub(suffix), size),
        _ => return Choice::Whole,
    };
    if span.is_empty() { Choice::Unsatisfiable } else { Choice::Part(span) }
}

/// A number of any length; what does not fit is as good as infinite, for no file is that long.
fn position(digits: &str) -> Option<u64> {
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const TAG: &str = "\"a\"";

    fn asked(headers: &[(header::HeaderName, &str)]) -> Choice {
        let map = headers.iter().map(|(n, v)| (n.clone(), HeaderValue::from_str(v).unwrap())).collect();
        choose(&Method::GET, &map, 1000, TAG)
    }

    fn range(text: &str) -> Choice {
        asked(&[(header::RANGE, text)])
    }

    #[test]
    fn one_range_is_exact() {
        let part = |a, b| Choice::Part(Span::new(a, b));
        assert_eq!(range("bytes=0-0"), part(0, 1));
        assert_eq!(range("bytes=0-"), part(0, 1000));
        assert_eq!(range("bytes=999-"), part(999, 1000));
        assert_eq!(range("bytes=10-19"), part(10, 20));
        assert_eq!(range("bytes=10-99999"), part(10, 1000));
        assert_eq!(range("bytes=10-99999999999999999999999"), part(10, 1000));
        assert_eq!(range("bytes=10-18446744073709551615"), part(10, 1000));
        assert_eq!(range("bytes=-1"), part(999, 1000));
        assert_eq!(range("bytes=-1000000000000000000000"), part(0, 1000));
        assert_eq!(range("Bytes=1-2"), part(1, 3), "units have no case");
        assert_eq!(range("bytes= 1-2 ,,"), part(1, 3), "empty members of a list are skipped");
    }

    #[test]
    fn past_the_end_is_unsatisfiable_and_nonsense_is_ignored() {
        for past in ["bytes=1000-", "bytes=1000-1000", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(range(past), Choice::Unsatisfiable, "{past}");
        }
        for nonsense in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=2-1",
            "bytes=1-2,5-6",
            "bytes=+1-2",
            "bytes=1--2",
            "bytes=0x1-2",
            "lines=1-2",
            "bytes=1 - 2",
            "bytes:1-2",
            "bytes=1-2-3",
            "bytes==1-2",
            "bytes 1-2/1000",
        ] {
            assert_eq!(range(nonsense), Choice::Whole, "{nonsense}");
        }
        assert_eq!(asked(&[(header::RANGE, "bytes=1-2"), (header::RANGE, "bytes=5-6")]), Choice::Whole);
    }

    #[test]
    fn conditions_come_first() {
        let one = (header::RANGE, "bytes=0-9");
        let part = Choice::Part(Span::new(0, 10));
        assert_eq!(asked(&[one.clone(), (header::IF_RANGE, TAG)]), part);
        for stale in ["\"b\"", "W/\"a\"", "Sun, 06 Nov 1994 08:49:37 GMT", "", "*"] {
            assert_eq!(asked(&[one.clone(), (header::IF_RANGE, stale)]), Choice::Whole, "{stale}");
        }
        for same in [TAG, "W/\"a\"", "*", "\"x\", \"a\""] {
            assert_eq!(asked(&[one.clone(), (header::IF_NONE_MATCH, same)]), Choice::NotModified, "{same}");
        }
        assert_eq!(asked(&[one.clone(), (header::IF_NONE_MATCH, "\"b\"")]), part);
        assert_eq!(asked(&[one.clone(), (header::IF_MATCH, "\"b\"")]), Choice::Failed);
        assert_eq!(asked(&[one, (header::IF_MATCH, "\"b\", \"a\"")]), part);
        let map = [(header::RANGE, HeaderValue::from_static("bytes=0-9"))].into_iter().collect();
        assert_eq!(choose(&Method::HEAD, &map, 1000, TAG), Choice::Whole);
    }

    proptest! {
        #[test]
        fn any_text_is_answered_within_the_file(text in "(bytes=)?[0-9 ,=-]{0,30}", size in 0u64..2000) {
            let map = [(header::RANGE, HeaderValue::from_str(&text).unwrap())].into_iter().collect();
            if let Choice::Part(span) = choose(&Method::GET, &map, size, TAG) {
                prop_assert!(!span.is_empty() && span.end <= size);
            }
        }
    }
}
